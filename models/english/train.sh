#!/usr/bin/env bash
# Train the bundled model again, inside a private server, from GoEmotions' train split; dev chooses
# the epoch and the thresholds.
#
#   EMOTION_DATA=DIRECTORY models/english/train.sh
#
# DIRECTORY/goemotions holds train.tsv, dev.tsv (text TAB label ids TAB comment id) and labels.txt (the
# names in the order of the ids). Writes english.safetensors, README.md and calibration.svg beside this
# file, each in one move when it is complete. OPTIONS of emotion_train stand in train.sql.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=models/english
data=${EMOTION_DATA:-../shared/data}/goemotions
for file in train.tsv dev.tsv labels.txt; do
	[ -r "$data/$file" ] || {
		echo "$data/$file is not there: set EMOTION_DATA" >&2
		exit 1
	}
done
. test/cluster.sh

MAKEFLAGS= "${MAKE:-make}" --no-print-directory -s -j"$(nproc)" all
install_extension
directory=$(mktemp -d /tmp/emotion-english.XXXXXX)
chmod 755 "$directory"
trap 'status=$?; cluster_stop "$directory"; rm -rf "$directory" $here/.new.*; exit $status' EXIT
trap 'exit 130' INT TERM

for split in train dev; do
	awk -f $here/goemotions.awk -v split_name=$split "$data/labels.txt" "$data/$split.tsv"
done >"$directory/goemotions.copy"
cp $here/{train,figures}.sql $here/{sentences,steps}.tsv "$directory/"
[ "$(id -u)" != 0 ] || chown -R "$cluster_user" "$directory"
cluster_start "$directory" "fsync = off" "shared_buffers = 256MB" "max_wal_size = 4GB"

psql_here() { as_db_user psql -Xq -v ON_ERROR_STOP=1 -d postgres "$@"; }
(cd "$directory" && psql_here -f train.sql)

# The last version is the one that ships: calibrating and tuning publish further ones.
trained=english_training@1
model=$(psql_here -At -c "SELECT name || '@' || max(version) FROM emotion.model
	WHERE name = 'english_training' GROUP BY name")

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
