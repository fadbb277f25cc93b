#!/usr/bin/env bash
# Splitting and balancing at size, in the server that bench/run.sh starts; a scratch database is made and
# dropped. Needs EMOTION_DATA.
#
#   bench/run.sh balance
#
# 1. GoEmotions' 43,410 training rows parted 80/10/10.
# 2. Those, 100,000 tweets labelled by english@1 and the LLM-written texts, balanced to 2,000 a label.
# 3. 100,000 made rows of 100 labels parted (what iterative stratification is timed on elsewhere).
# 4. 1,600,000 made rows balanced; peak memory of the backend (VmHWM, shared buffers included).
set -euo pipefail
data=${EMOTION_DATA:-}
for file in goemotions/train.tsv goemotions/labels.txt sentiment140/tweets-100k.csv llm/texts.tsv; do
	if [ ! -r "$data/$file" ]; then
		echo "skipped: $data/$file is not there (set EMOTION_DATA)"
		exit 0
	fi
done
database=emotion_balance_report
per_label=${PER_LABEL:-2000}
precision=${PRECISION:-0.6}
run() { psql -Xq -v ON_ERROR_STOP=1 -d $database "$@"; }
# A figure, its seconds and the peak memory of a session of its own. The peak is read by the
# server's own account, which is ours only where the server is.
timed() { # SQL
	local begin end
	begin=$(date +%s.%N)
	run -At <<-SQL
		SELECT pg_backend_pid() AS pid \\gset
		$1
		\\setenv BACKEND :pid
		\\! grep VmHWM /proc/\$BACKEND/status
	SQL
	end=$(date +%s.%N)
	echo "seconds: $(awk "BEGIN { print $end - $begin }")"
}
title() { printf '\n== %s\n' "$1"; }

echo "# $(date -u +%Y-%m-%d), $(nproc) x $(sed -n 's/^model name[ 	]*: //p' /proc/cpuinfo | head -n 1), $(psql --version)"
psql -Xq -d postgres -c "SET client_min_messages = error" -c "DROP DATABASE IF EXISTS $database" \
	-c "CREATE DATABASE $database"
trap 'psql -Xq -d postgres -c "DROP DATABASE IF EXISTS $database"' EXIT
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
run -c "CREATE TABLE train AS SELECT id, text, labels FROM goemotions WHERE split = 'train'" -c ANALYZE

title "split of GoEmotions' training rows, 80/10/10"
for order in 1 2; do
	echo "order $order"
	timed "CALL emotion_split('train', '{\"train\": 0.8, \"dev\": 0.1, \"test\": 0.1}', '{\"create_column\": true, \"order\": $order}');"
	run -c "SELECT round(max(abs(difference))::numeric * 100, 4) AS largest_deviation_in_points,
		round(max(abs(share_of_label - p.share))::numeric * 100, 2) AS share_of_label_off_by_at_most,
		count(*) FILTER (WHERE abs(share_of_label - p.share) > 0.01) AS over_one_point,
		max(count) FILTER (WHERE abs(share_of_label - p.share) > 0.01) AS whose_largest_count
		FROM emotion_split_report('train') JOIN (VALUES ('train', 0.8), ('dev', 0.1), ('test', 0.1)) AS p (part, share)
		USING (part) WHERE label IS NOT NULL"
done

title "tweets labelled by english@1, cuts for a precision of $precision on GoEmotions' dev"
run -c "CREATE TABLE cut AS SELECT * FROM emotion_confidence_thresholds('english@1',
	'SELECT text, labels FROM goemotions WHERE split = ''dev''', $precision)"
options=$(run -At -c "SELECT jsonb_build_object('thresholds', jsonb_object_agg(label, cut), 'strict', true,
	'polarity_column', 'target', 'min_words', 2, 'min_known', 0.5) FROM cut")
timed "CALL emotion_pseudo_label('tweet', 'text', 'tweet_label', 'english@1', NULL, '$options');"
run -c "SELECT outcome, count(*) FROM tweet_label GROUP BY 1 ORDER BY 2 DESC"

title "GoEmotions + tweets + LLM texts, to $per_label a label"
run -c "CREATE VIEW sources AS
	SELECT text, labels, 'goemotions' AS source, id AS key, 1::real AS confidence FROM train
	UNION ALL SELECT text, labels, 'tweets', key, confidence FROM tweet_label WHERE outcome = 'labelled'
	UNION ALL SELECT text, labels, 'llm', id::text, 1 FROM llm"
balance='{"source_column": "source", "trust": ["goemotions", "tweets", "llm"], "key_column": "key", "confidence_column": "confidence"}'
timed "CALL emotion_balance('sources', 'balanced', $per_label, 'quota', '$balance');"
run -c "SELECT label, before, after, deviation, sources, unreached, lower_bound
	FROM emotion_balance_plan('sources', $per_label, 'quota', '$balance')"
run -c "SELECT (s).n, round((s).cardinality::numeric, 4) AS cardinality, round((s).mean_ir::numeric, 2) AS mean_ir,
	round((s).max_ir::numeric, 2) AS max_ir, round((s).scumble::numeric, 5) AS scumble, which FROM (
	SELECT 'GoEmotions' AS which, emotion_label_stats(labels) AS s FROM train
	UNION ALL SELECT 'all sources', emotion_label_stats(labels) FROM sources
	UNION ALL SELECT 'balanced', emotion_label_stats(labels) FROM balanced) f"
echo "the same, a row used up to 10 times where it is short"
timed "CALL emotion_balance('sources', 'repeated', $per_label, 'quota', '${balance%\}}, \"max_copies\": 10}');"
echo "the same with ml_ros behind it, copies of what is short"
timed "CALL emotion_balance('sources', 'copied', $per_label, 'quota, ml_ros', '$balance');"
run -c "SELECT which, round((s).mean_ir::numeric, 2) AS mean_ir, round((s).max_ir::numeric, 2) AS max_ir, (s).n FROM
	(SELECT 'up to 10 times' AS which, emotion_label_stats(labels) AS s FROM repeated
	UNION ALL SELECT 'quota, ml_ros', emotion_label_stats(labels) FROM copied) f"

title "100,000 made rows of 100 labels, about 3 a row, 80/10/10"
run -c "DO 'BEGIN PERFORM setseed(0.5); END'" -c "CREATE TABLE made AS SELECT 'made ' || md5(i::text) AS text,
	ARRAY(SELECT DISTINCT 'l' || floor(100 * random() ^ 2) FROM generate_series(1, 3 + 0 * i)) AS labels
	FROM generate_series(1, 100000) AS i"
for order in 1 2; do
	echo "order $order"
	timed "CALL emotion_split('made', '{\"train\": 0.8, \"dev\": 0.1, \"test\": 0.1}', '{\"create_column\": true, \"order\": $order}');"
done

title "1,600,000 made rows (GoEmotions' and the tweets' label sets) to 20,000 a label"
run -c "CREATE TABLE many AS SELECT row_number() OVER () AS id, text || ' ' || md5(n::text || key) AS text, labels, source
	FROM sources, generate_series(1, 40) AS n LIMIT 1600000" -c "ANALYZE many"
run -At -c "SELECT 'rows ' || count(*) FROM many"
timed "CALL emotion_balance('many', 'many_balanced', 20000, 'quota', '{\"source_column\": \"source\", \"trust\": [\"goemotions\", \"tweets\", \"llm\"], \"key_column\": \"id\"}');"
timed "SELECT count(*) || ' rows of plan' FROM emotion_balance_plan('many', 20000, 'quota', '{\"source_column\": \"source\", \"trust\": [\"goemotions\", \"tweets\", \"llm\"], \"key_column\": \"id\"}');"
timed "CALL emotion_split('many', '{\"train\": 0.8, \"dev\": 0.1, \"test\": 0.1}', '{\"create_column\": true}');"
