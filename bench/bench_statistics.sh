#!/usr/bin/env bash
# Aggregates over tables of labels and of scores, beside what plain SQL and Python take for the same figures,
# with one process and with two.
#
#   LABEL_ROWS (10000000), SCORE_ROWS (1000000)
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
. bench/load_goemotions.sh
label_rows=$(size LABEL_ROWS 10000000 50000)
score_rows=$(size SCORE_ROWS 1000000 5000)
python_rows=$(size PYTHON_ROWS 100000 2000)

psql_here -c "CREATE TEMPORARY TABLE numbered AS SELECT row_number() OVER (ORDER BY md5(text)) AS n, labels FROM goemotions" \
	-c "DROP TABLE IF EXISTS bench_labels, bench_scores" \
	-c "CREATE TABLE bench_labels AS SELECT labels FROM generate_series(1, $label_rows) AS i
		JOIN numbered ON n = 1 + i::bigint * 7919 % (SELECT count(*) FROM numbered)" \
	-c "CREATE TABLE bench_scores AS SELECT labels, scores FROM (SELECT row_number() OVER () AS n, labels, emotion_scores(text) AS scores
		FROM (SELECT * FROM goemotions WHERE split = 'dev' LIMIT 2000) AS t) AS s
		JOIN generate_series(1, $score_rows) AS i ON n = 1 + i::bigint * 7919 % 2000" \
	-c "VACUUM ANALYZE bench_labels" -c "VACUUM ANALYZE bench_scores"

warm="SELECT count(emotion_label_names())"
declare -A query=(
	[scan]="SELECT count(labels) FROM bench_labels"
	[stats]="SELECT (emotion_label_stats(labels)).* FROM bench_labels"
	[counts]="SELECT emotion_label_counts(labels) FROM bench_labels"
	[pairs]="SELECT (emotion_cooccurrence(labels)).* FROM bench_labels"
	[sql_counts]="SELECT l, count(*) FROM bench_labels, unnest(labels) AS l GROUP BY l"
	[sql_sets]="SELECT labels, count(*) FROM bench_labels GROUP BY labels"
	[sql_pairs]="SELECT a, b, count(*) FROM bench_labels, unnest(labels) AS a, unnest(labels) AS b GROUP BY a, b"
	[avg]="SELECT emotion_avg(scores) FROM bench_scores"
	[sql_avg]="SELECT $(psql_here -At -c "SELECT string_agg(format('avg(scores[%s])', i), ', ') FROM generate_series(1, 28) AS i") FROM bench_scores"
	[metrics]="SELECT (emotion_metrics(labels, scores)).* FROM bench_scores"
)
for round in $(seq "$rounds"); do
	for name in "${!query[@]}"; do
		for n in 1 2; do
			note "${name}_$n" "$(last_ms "$(processes $n)" "$warm" "${query[$name]}")"
		done
	done
done

table() { # ROWS THEN LINES "text|ours|peer"
	local count=$1 line what ours peer
	shift
	columns what "ms, one process" "ns a row" "ms, two workers" "two workers are times as quick" "times the SQL's speed, one process" "two workers"
	for line in "$@"; do
		IFS='|' read -r what ours peer <<<"$line"
		row "$what" "$(thousands "$(figure "${ours}_1")")" "$(calculate 'sprintf("%.0f", a * 1e6 / b)' "$(figure "${ours}_1")" "$count")" \
			"$(thousands "$(figure "${ours}_2")")" "$(ratio "$(figure "${ours}_1")" "$(figure "${ours}_2")")" \
			"$([ -z "$peer" ] || ratio "$(figure "${peer}_1")" "$(figure "${ours}_1")")" \
			"$([ -z "$peer" ] || ratio "$(figure "${peer}_2")" "$(figure "${ours}_2")")"
	done
}
title "Label statistics over $(thousands "$label_rows") rows" "bench/run.sh statistics"
table "$label_rows" 'reading the column: `count(labels)`|scan|' '`emotion_label_stats`: all of it|stats|sql_counts' \
	'`emotion_label_counts`|counts|sql_counts' '`emotion_cooccurrence`|pairs|sql_pairs' \
	'SQL: rows per label, `unnest` and `GROUP BY`|sql_counts|' 'SQL: rows per label set, `GROUP BY labels`|sql_sets|' \
	'SQL: rows per pair, `unnest` twice|sql_pairs|'

title "Scores of 28 labels, $(thousands "$score_rows") rows" "bench/run.sh statistics"
table "$score_rows" '`emotion_avg`|avg|sql_avg' 'SQL: `avg(scores[1]), ..., avg(scores[28])`|sql_avg|' '`emotion_metrics`|metrics|'

# A session of its own for each: the largest that its memory was.
title "Memory" "bench/run.sh statistics"
columns query rows "peak of the process, MB"
for name in scan stats metrics; do
	peak=$(psql_here -At <<-SQL | awk '/VmHWM/ { print $2 / 1024 }'
		$(processes 1);
		SELECT pg_backend_pid() AS pid \\gset
		${query[$name]};
		\\setenv BACKEND :pid
		\\! grep VmHWM /proc/\$BACKEND/status
	SQL
	)
	row "\`$(cut -c 1-60 <<<"${query[$name]}" | sed 's/^SELECT //; s/ FROM .*//')\`" "$(thousands "$([ $name = metrics ] && echo "$score_rows" || echo "$label_rows")")" "$(rounded "${peak:--}")"
done

if has_python sklearn && has_python psycopg2; then
	for round in $(seq "$rounds"); do
		note python_metrics "$($python bench/peer/metrics.py "$python_rows")"
		note our_metrics "$(last_ms "$(processes 1)" "$warm" "SELECT (emotion_metrics(labels, scores)).* FROM (SELECT * FROM bench_scores LIMIT $python_rows) AS t")"
	done
	title "The metrics of $(thousands "$python_rows") rows of 28 labels" "bench/run.sh statistics"
	columns what ms "times Python"
	row '`emotion_metrics`' "$(thousands "$(figure our_metrics)")" "$(ratio "$(figure python_metrics)" "$(figure our_metrics)")"
	row 'Python: read by `COPY`, ROC-AUC, average precision, F1 and Hamming loss by scikit-learn' "$(thousands "$(figure python_metrics)")" 1.00
else
	without "scikit-learn, which is not here (test/deps.sh bench)"
fi
psql_here -c "DROP TABLE bench_labels, bench_scores"
