# Sourced by benches: a table goemotions (text, labels, split) in the server that PG* name.
# Needs EMOTION_DATA; leaves with a message when the data are not there.
data=${EMOTION_DATA:-}/goemotions
if [ ! -r "$data/train.tsv" ]; then
	echo "skipped: $data/train.tsv is not there (set EMOTION_DATA)"
	exit 0
fi
psql_here() { psql -Xq -v ON_ERROR_STOP=1 "$@"; }
psql_here -c "SET client_min_messages = error" -c "DROP EXTENSION IF EXISTS emotion CASCADE" \
	-c "DROP TABLE IF EXISTS goemotions" -c "CREATE EXTENSION emotion" \
	-c "CREATE TABLE goemotions (text text NOT NULL, labels text[] NOT NULL, split text NOT NULL, id text)"
for split in train dev; do
	awk -f models/english/goemotions.awk -v split_name=$split "$data/labels.txt" "$data/$split.tsv"
done | psql_here -c "COPY goemotions FROM STDIN"
