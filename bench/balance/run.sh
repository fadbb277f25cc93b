#!/usr/bin/env bash
# Does balancing the labels make a better model? The same network, trained for the same number of
# updates on GoEmotions as it is, balanced by each strategy, grown by tweets and by LLM-written texts,
# and with other losses; everything inside a private PostgreSQL server. Writes balancing.md and
# balancing.svg.
#
#   EMOTION_DATA=DIRECTORY bench/balance/run.sh
#
#   WORK        directory of the server; what is finished there is not done again (a new one, removed)
#   OUTPUT      directory of what is written (docs; in quick mode build/balance)
#   QUICK=1     few of the texts, one seed, few updates of a small network: does it all run?
#   SEEDS       trainings of each condition (3)
#   UPDATES     of each training, in batches of 128 (1000); EPOCHS: how often dev is looked at (8)
#   CONDITIONS  names out of 20-conditions.sql; "goemotions", the baseline, is always among them (all)
#   NETWORK     options of emotion_train for every training, JSON (the network of the model "english")
#   VECTORS     name of word vectors that PREPARE brings (made here, see 15-vectors.sql)
#   PREPARE     SQL file to run before anything is trained
#   TEACHER     labels the tweets: a model of the registry, or a model file (made here, see 30-teacher.sql)
#   PER_LABEL   rows of each label that quota is asked for (2000)
#   PRECISION   wanted of the labels of tweets (0.6)
#   RESAMPLES   of dev's rows (2000)
#   THREADS     of a training (2)
set -euo pipefail
cd "$(dirname "$0")/../.."
here=bench/balance
data=${EMOTION_DATA:-../shared/data}
quick=${QUICK:-0}
if [ "$quick" = 1 ]; then
	every=20
	: "${SEEDS:=1}" "${UPDATES:=60}" "${EPOCHS:=2}" "${PER_LABEL:=100}" "${RESAMPLES:=100}" "${PRECISION:=0.3}"
	: "${NETWORK:={\"embedding_dim\": 16, \"filters\": 16, \"hidden\": 16, \"attention\": 16, \"batch_size\": 32, \"learning_rate\": 0.02\}}"
	: "${OUTPUT:=build/balance}"
else
	every=1
	: "${SEEDS:=3}" "${UPDATES:=1000}" "${EPOCHS:=8}" "${PER_LABEL:=2000}" "${RESAMPLES:=2000}" "${PRECISION:=0.6}"
	: "${NETWORK:={\}}" "${OUTPUT:=docs}"
fi
teacher=${TEACHER:-}
steps=$((UPDATES / EPOCHS))
if [ $steps -lt 1 ]; then
	echo "UPDATES=$UPDATES is less than EPOCHS=$EPOCHS" >&2
	exit 1
fi
for file in goemotions/train.tsv goemotions/dev.tsv goemotions/labels.txt sentiment140/tweets-100k.csv \
	llm/texts.tsv llm/votes.tsv reddit/titles.txt.zst; do
	if [ ! -r "$data/$file" ]; then
		echo "skipped: $data/$file is not there (set EMOTION_DATA)"
		exit 0
	fi
done
. test/cluster.sh

MAKEFLAGS= "${MAKE:-make}" --no-print-directory -s -j"$(nproc)" all
install_extension
if [ -n "${WORK:-}" ]; then
	mkdir -p "$WORK"
	work=$(cd "$WORK" && pwd)
	cluster_stop "$work"
else
	work=$(mktemp -d /tmp/emotion-balance.XXXXXX)
fi
stop() {
	local status=$?
	cluster_stop "$work"
	[ -n "${WORK:-}" ] || rm -rf "$work"
	exit $status
}
trap stop EXIT
trap 'exit 130' INT TERM
chmod 755 "$work"
mkdir -p "$work/files" "$OUTPUT"
for file in goemotions/train.tsv goemotions/dev.tsv sentiment140/tweets-100k.csv; do
	awk -v every=$every 'NR % every == 0' "$data/$file" >"$work/files/$(basename $file)"
done
zstd -dc "$data/reddit/titles.txt.zst" | awk -v every=$((2 * every)) 'NR % every == 0' >"$work/files/titles.txt"
cp "$data"/goemotions/labels.txt "$data"/llm/texts.tsv "$data"/llm/votes.tsv "$work/files/"
[ "$(id -u)" != 0 ] || chown -R "$cluster_user" "$work"
cluster_start "$work" "fsync = off" "shared_buffers = 512MB" "max_wal_size = 4GB" "work_mem = 128MB" \
	"maintenance_work_mem = 512MB" "jit = off"

sql() { psql -Xq -v ON_ERROR_STOP=1 -d postgres "$@"; }
answer() { sql -At -c "$1"; }
stage() { # NAME [psql arguments]: once, however often this script is begun again
	local name=$1 began
	shift
	[ -z "$(answer "SELECT 1 FROM bench.stage WHERE name = '$name'")" ] || return 0
	echo "== $name"
	began=$(date +%s.%N)
	sql -f "$here/$name.sql" "$@"
	answer "INSERT INTO bench.stage VALUES ('$name', extract(epoch FROM clock_timestamp()) - $began)"
}

sql -f $here/00-setup.sql -v quick="$quick" -v steps=$steps -v epochs="$EPOCHS" -v network="$NETWORK" \
	-v vectors="${VECTORS:-titles}" -v teacher="$teacher" -v per_label="$PER_LABEL" -v precision="$PRECISION" \
	-v resamples="$RESAMPLES" -v threads="${THREADS:-2}" -v seeds="$SEEDS"
stage 10-load -1 -v files="$work/files"
if [ -n "${PREPARE:-}" ] && [ -z "$(answer "SELECT 1 FROM bench.stage WHERE name = 'prepare'")" ]; then
	sql -f "$PREPARE"
	answer "INSERT INTO bench.stage VALUES ('prepare', 0)"
fi
stage 15-vectors -v files="$work/files"
sql -f $here/20-conditions.sql -v wanted="${CONDITIONS:-}"
if [ -f "$teacher" ] && [ -z "$(answer "SELECT 1 FROM emotion_models WHERE name = 'given'")" ]; then
	sql -o /dev/null <<-SQL
		\\lo_import '$teacher'
		SELECT emotion_import('given', lo_get(:LASTOID)), lo_unlink(:LASTOID);
	SQL
fi
stage 30-teacher
stage 40-tweets
sql -f $here/50-sets.sql
for seed in $(seq "$SEEDS"); do
	for condition in $(answer "SELECT name FROM bench.condition ORDER BY place"); do
		sql -f $here/60-train.sql -v condition="$condition" -v seed="$seed"
	done
done

echo "== 70-figures"
sql -f $here/70-figures.sql
{
	sql -At -f $here/80-report.sql -v machine="$(nproc) x $(sed -n 's/^model name[ 	]*: //p' /proc/cpuinfo | head -n 1)"
	[ ! -s $here/conclusion.md ] || cat $here/conclusion.md
} >"$OUTPUT/.balancing.md"
sql -At -f $here/90-picture.sql >"$OUTPUT/.balancing.svg"
mv "$OUTPUT/.balancing.md" "$OUTPUT/balancing.md"
mv "$OUTPUT/.balancing.svg" "$OUTPUT/balancing.svg"
ls -l "$OUTPUT"/balancing.{md,svg}
