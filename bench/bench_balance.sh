#!/usr/bin/env bash
# Splitting and balancing at size, in the server that bench/run.sh starts; a scratch database is made and
# dropped. Needs EMOTION_DATA. What each step made of the labels is written to build/bench/balance.details.
#
#   bench/run.sh balance
#
#   MADE (1600000)    rows of the largest table
#   PER_LABEL (2000)  rows a label
#   PRECISION (0.6)   that labels of tweets are cut for
#
# 1. GoEmotions' 43,410 training rows parted 80/10/10.
# 2. Those, 100,000 tweets labelled by english@1 and the LLM-written texts, balanced to 2,000 a label.
# 3. 100,000 made rows of 100 labels parted (what iterative stratification is timed on elsewhere).
# 4. 1,600,000 made rows balanced, and copied for comparison.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
data=${EMOTION_DATA:-}
for file in goemotions/train.tsv goemotions/labels.txt sentiment140/tweets-100k.csv llm/texts.tsv; do
	if [ ! -r "$data/$file" ]; then
		echo "skipped: $data/$file is not there (set EMOTION_DATA)"
		exit 0
	fi
done
database=emotion_balance_report
per_label=$(size PER_LABEL 2000 100)
precision=${PRECISION:-0.6}
made=$(size MADE 1600000 8000)
tweets=$(size TWEETS 100000 500)
mkdir -p build/bench
details=build/bench/balance.details
: >$details
run() { psql -Xq -v ON_ERROR_STOP=1 -d $database "$@"; }
title_of() { printf '\n== %s\n' "$1" >>$details; }

# A line of the table: what, how many rows, its statement in a session of its own. The peak of its
# memory is by the server's own account, which is ours only where the server is.
task() { # WHAT ROWS SQL
	local begin seconds peak
	begin=$(date +%s%N)
	run -At <<-SQL >"$notes.said"
		SELECT pg_backend_pid() AS pid \\gset
		$3
		\\setenv BACKEND :pid
		\\! grep VmHWM /proc/\$BACKEND/status
	SQL
	seconds=$(calculate 'a / 1e9' $(($(date +%s%N) - begin)))
	peak=$(awk '/VmHWM/ { print $2 / 1024 }' "$notes.said")
	rm -f "$notes.said"
	each=$(calculate 'a * 1e6 / b' "$seconds" "$2")
	row "$1" "$(thousands "$2")" "$(rounded "$seconds" 2)" "$(rounded "$each" 2)" "$(ratio "$each" "${copying:-}")" "$(rounded "${peak:--}")"
}
count() { run -At -c "SELECT count(*) FROM $1"; }

psql -Xq -d postgres -c "SET client_min_messages = error" -c "DROP DATABASE IF EXISTS $database" \
	-c "CREATE DATABASE $database"
trap 'psql -Xq -d postgres -c "DROP DATABASE IF EXISTS $database"; rm -f "$notes"' EXIT
run -c "CREATE EXTENSION emotion" \
	-c "CREATE TABLE goemotions (id text, text text, labels text[], split text)" \
	-c "CREATE TABLE llm (id int, text text, labels text[])" \
	-c "CREATE TABLE tweet (id serial PRIMARY KEY, target int, text text)"
for split in train dev; do
	awk -f models/english/goemotions.awk -v split_name=$split "$data/goemotions/labels.txt" \
		"$data/goemotions/$split.tsv"
done | run -c "COPY goemotions (text, labels, split, id) FROM STDIN"
awk -F'\t' -v OFS='\t' '{ gsub(/\\/, "\\\\", $2); print $1, $2, "{" $3 "}" }' "$data/llm/texts.tsv" |
	run -c "COPY llm FROM STDIN"
run -c "COPY tweet (target, text) FROM STDIN CSV" <"$data/sentiment140/tweets-100k.csv"
run -c "DELETE FROM tweet WHERE id > $tweets"
run -c "CREATE TABLE train AS SELECT id, text, labels FROM goemotions WHERE split = 'train'" -c ANALYZE
begin=$(date +%s%N)
run -c "CREATE TABLE copied_rows AS SELECT * FROM train" -c "DROP TABLE copied_rows"
copying=$(calculate 'a / 1e3 / b' $(($(date +%s%N) - begin)) "$(count train)")

title "Data sets: splitting and balancing" "bench/run.sh balance"
columns task rows seconds "microseconds a row" "times a row of CREATE TABLE AS SELECT *" "peak, MB, with shared buffers"

title_of "split of GoEmotions' training rows, 80/10/10"
for order in 1 2; do
	task "\`emotion_split\`, 80/10/10, order $order" "$(count train)" "CALL emotion_split('train', '{\"train\": 0.8, \"dev\": 0.1, \"test\": 0.1}', '{\"create_column\": true, \"order\": $order}');"
	run >>$details -c "SELECT round(max(abs(difference))::numeric * 100, 4) AS largest_deviation_in_points,
		round(max(abs(share_of_label - p.share))::numeric * 100, 2) AS share_of_label_off_by_at_most,
		count(*) FILTER (WHERE abs(share_of_label - p.share) > 0.01) AS over_one_point,
		max(count) FILTER (WHERE abs(share_of_label - p.share) > 0.01) AS whose_largest_count
		FROM emotion_split_report('train') JOIN (VALUES ('train', 0.8), ('dev', 0.1), ('test', 0.1)) AS p (part, share)
		USING (part) WHERE label IS NOT NULL"
done

title_of "tweets labelled by english@1, cuts for a precision of $precision on GoEmotions' dev"
run -c "CREATE TABLE cut AS SELECT * FROM emotion_confidence_thresholds('english@1',
	'SELECT text, labels FROM goemotions WHERE split = ''dev''', $precision)"
options=$(run -At -c "SELECT jsonb_build_object('thresholds', jsonb_object_agg(label, cut), 'strict', true,
	'polarity_column', 'target', 'min_words', 2, 'min_known', 0.5) FROM cut")
task '`emotion_pseudo_label`' "$tweets" "CALL emotion_pseudo_label('tweet', 'text', 'tweet_label', 'english@1', NULL, '$options');"
run >>$details -c "SELECT outcome, count(*) FROM tweet_label GROUP BY 1 ORDER BY 2 DESC"

title_of "GoEmotions + tweets + LLM texts, to $per_label a label"
run -c "CREATE VIEW sources AS
	SELECT text, labels, 'goemotions' AS source, id AS key, 1::real AS confidence FROM train
	UNION ALL SELECT text, labels, 'tweets', key, confidence FROM tweet_label WHERE outcome = 'labelled'
	UNION ALL SELECT text, labels, 'llm', id::text, 1 FROM llm"
balance='{"source_column": "source", "trust": ["goemotions", "tweets", "llm"], "key_column": "key", "confidence_column": "confidence"}'
task "\`emotion_balance\` to $per_label a label, three sources" "$(count sources)" "CALL emotion_balance('sources', 'balanced', $per_label, 'quota', '$balance');"
run >>$details -c "SELECT label, before, after, deviation, sources, unreached, lower_bound
	FROM emotion_balance_plan('sources', $per_label, 'quota', '$balance')"
run >>$details -c "SELECT (s).n, round((s).cardinality::numeric, 4) AS cardinality, round((s).mean_ir::numeric, 2) AS mean_ir,
	round((s).max_ir::numeric, 2) AS max_ir, round((s).scumble::numeric, 5) AS scumble, which FROM (
	SELECT 'GoEmotions' AS which, emotion_label_stats(labels) AS s FROM train
	UNION ALL SELECT 'all sources', emotion_label_stats(labels) FROM sources
	UNION ALL SELECT 'balanced', emotion_label_stats(labels) FROM balanced) f"
task 'the same with `max_copies` 10' "$(count sources)" "CALL emotion_balance('sources', 'repeated', $per_label, 'quota', '${balance%\}}, \"max_copies\": 10}');"
task 'the same with `ml_ros` behind it' "$(count sources)" "CALL emotion_balance('sources', 'copied', $per_label, 'quota, ml_ros', '$balance');"
run >>$details -c "SELECT which, round((s).mean_ir::numeric, 2) AS mean_ir, round((s).max_ir::numeric, 2) AS max_ir, (s).n FROM
	(SELECT 'up to 10 times' AS which, emotion_label_stats(labels) AS s FROM repeated
	UNION ALL SELECT 'quota, ml_ros', emotion_label_stats(labels) FROM copied) f"

title_of "made rows of 100 labels, about 3 a row, 80/10/10"
run -c "DO 'BEGIN PERFORM setseed(0.5); END'" -c "CREATE TABLE made AS SELECT 'made ' || md5(i::text) AS text,
	ARRAY(SELECT DISTINCT 'l' || floor(100 * random() ^ 2) FROM generate_series(1, 3 + 0 * i)) AS labels
	FROM generate_series(1, $(size HUNDRED 100000 1000)) AS i"
for order in 1 2; do
	task "\`emotion_split\`, 100 labels, about 3 a row, order $order" "$(count made)" "CALL emotion_split('made', '{\"train\": 0.8, \"dev\": 0.1, \"test\": 0.1}', '{\"create_column\": true, \"order\": $order}');"
done

title_of "$made made rows (GoEmotions' and the tweets' label sets)"
run -c "CREATE TABLE many AS SELECT row_number() OVER () AS id, text || ' ' || md5(n::text || key) AS text, labels, source
	FROM sources, generate_series(1, 2000) AS n LIMIT $made" -c "ANALYZE many"
made=$(count many)
copying=
task '`CREATE TABLE AS SELECT *` of made rows' "$made" "CREATE TABLE many_copied AS SELECT * FROM many;"
copying=$each
task "\`emotion_balance\` of these to $((made / 80)) a label" "$made" "CALL emotion_balance('many', 'many_balanced', $((made / 80)), 'quota', '{\"source_column\": \"source\", \"trust\": [\"goemotions\", \"tweets\", \"llm\"], \"key_column\": \"id\"}');"
task '`emotion_balance_plan` of the same' "$made" "SELECT count(*) || ' rows of plan' FROM emotion_balance_plan('many', $((made / 80)), 'quota', '{\"source_column\": \"source\", \"trust\": [\"goemotions\", \"tweets\", \"llm\"], \"key_column\": \"id\"}');"
task '`emotion_split` of the same' "$made" "CALL emotion_split('many', '{\"train\": 0.8, \"dev\": 0.1, \"test\": 0.1}', '{\"create_column\": true}');"
