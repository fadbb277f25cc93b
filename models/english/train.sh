#!/usr/bin/env bash
# Train the bundled model again, inside a private server; dev chooses what there is to choose.
#
#   EMOTION_DATA=DIRECTORY models/english/train.sh
#
#   WORK    directory of the server: what is finished there is not done again (a new one, removed)
#   STEPS=1 train it again without each part of the recipe and with what was not taken, for steps.tsv
#
# DIRECTORY/goemotions holds train.tsv, dev.tsv (text TAB label ids TAB comment id) and labels.txt (the
# names in the order of the ids); DIRECTORY/reddit the texts without labels, a text a line, compressed
# by zstd. Writes english.safetensors, README.md and calibration.svg (with STEPS=1 also steps.tsv) beside this file, each
# in one move when it is complete. train.sql is the recipe; it takes about an hour on two cores.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=models/english
data=${EMOTION_DATA:-../shared/data}
for file in goemotions/{train.tsv,dev.tsv,labels.txt} reddit/{selftext,titles}.txt.zst; do
	[ -r "$data/$file" ] || {
		echo "$data/$file is not there: set EMOTION_DATA" >&2
		exit 1
	}
done
. test/cluster.sh

MAKEFLAGS= "${MAKE:-make}" --no-print-directory -s -j"$(nproc)" all
install_extension
if [ -n "${WORK:-}" ]; then
	mkdir -p "$WORK"
	directory=$(cd "$WORK" && pwd)
	cluster_stop "$directory"
else
	directory=$(mktemp -d /tmp/emotion-english.XXXXXX)
fi
chmod 755 "$directory"
stop() {
	local status=$?
	cluster_stop "$directory"
	rm -rf $here/.new.*
	[ -n "${WORK:-}" ] || rm -rf "$directory"
	exit $status
}
trap stop EXIT
trap 'exit 130' INT TERM

for split in train dev; do
	awk -f $here/goemotions.awk -v split_name=$split "$data/goemotions/labels.txt" \
		"$data/goemotions/$split.tsv"
done >"$directory/goemotions.copy"
for file in selftext titles; do
	zstd -dc "$data/reddit/$file.txt.zst"
done | sed 's/\\/\\\\/g' | tr '\t' ' ' >"$directory/reddit.copy"
cp $here/*.sql $here/sentences.tsv "$directory/"
[ "$(id -u)" != 0 ] || chown -R "$cluster_user" "$directory"
cluster_start "$directory" "fsync = off" "shared_buffers = 256MB" "max_wal_size = 4GB" \
	"maintenance_work_mem = 1GB" "max_parallel_maintenance_workers = $(($(nproc) - 1))"

psql_here() { as_db_user psql -Xq -v ON_ERROR_STOP=1 -d postgres "$@"; }
(cd "$directory" && psql_here -f train.sql)

# GoEmotions with LLM-written texts, whose labels most of five annotators gave, is one of the steps.
if [ -n "${STEPS:-}" ]; then
	if [ -r "$data/llm/votes.tsv" ] && [ -z "$(psql_here -At -c "SELECT to_regclass('llm')")" ]; then
		cp "$data/llm/texts.tsv" "$data/llm/votes.tsv" "$directory/"
		(cd "$directory" && psql_here -f llm.sql)
	fi
	{
		head -n 1 $here/steps.tsv
		(cd "$directory" && psql_here -At -f steps.sql)
	} >$here/.new.tsv
	mv $here/.new.tsv $here/steps.tsv
fi
cp $here/steps.tsv "$directory/"

# The last version is the one that ships: calibrating and tuning published further ones.
trained=$(psql_here -At -c "SELECT model FROM emotion_models WHERE name = 'english_training' ORDER BY version LIMIT 1")
model=$(psql_here -At -c "SELECT model FROM emotion_models WHERE name = 'english_training' ORDER BY version DESC LIMIT 1")

psql_here -At -c "SELECT encode(data, 'hex') FROM emotion_export('$model') ORDER BY part" |
	perl -ne 'chomp; print pack("H*", $_)' >$here/.new.safetensors
psql_here -At -c "SELECT emotion_calibration_svg('$trained', 'goemotions',
	'{\"split_column\": \"split\", \"folds\": 2, \"title\": \"Reliability of the model english on dev\"}')" >$here/.new.svg
{
	cat $here/card.md
	(cd "$directory" && psql_here -At -v model="$model" -v trained=$trained -f figures.sql)
} >$here/.new.md
mv $here/.new.safetensors $here/english.safetensors
mv $here/.new.svg $here/calibration.svg
mv $here/.new.md $here/README.md
ls -l $here/english.safetensors
