#!/usr/bin/env bash
# A column scored by the bundled model, rows to rows, in the ways that SQL has, beside the same model run by
# Python with PyTorch, and fastText's program as the classifier that costs least; one and two processes;
# tables of several sizes.
#
#   ROWS (100000), SIZES ("10000 100000 1000000"), PEER_ROWS (ROWS)
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
. bench/load_goemotions.sh
rows=$(size ROWS 100000 3000)
sizes=$(size SIZES "10000 100000 1000000" "1000 2000 4000")
warm="SELECT count(emotion_scores('warm'))"

# Distinct texts, as many as wanted: GoEmotions' over and over, each with its number behind.
make_texts() { # TABLE ROWS
	psql_here -c "DROP TABLE IF EXISTS $1" -c "CREATE TABLE $1 AS WITH numbered AS MATERIALIZED
		(SELECT row_number() OVER (ORDER BY md5(text)) AS n, text, count(*) OVER () AS of FROM goemotions)
		SELECT i AS id, text || ' ' || i AS body, NULL::real[] AS scores
		FROM generate_series(1, $2) AS i JOIN numbered ON n = 1 + i % (SELECT count(*) FROM goemotions)" \
		-c "ALTER TABLE $1 ADD PRIMARY KEY (id)" -c "VACUUM ANALYZE $1"
}
make_texts bench_text "$rows"

peer=
if has_python torch && has_python psycopg2; then peer=1; fi
for round in $(seq "$rounds"); do
	for n in 1 2; do
		note create_$n "$(last_ms "$(processes $n)" "DROP TABLE IF EXISTS bench_filled" "$warm" \
			"CREATE TABLE bench_filled AS SELECT id, emotion_scores(body) AS scores FROM bench_text")"
	done
	[ -z "$peer" ] || $python bench/peer/score.py column bench_text | note_lines peer_
	make_texts bench_target "$rows"
	note update "$(last_ms "$warm" "UPDATE bench_target SET scores = emotion_scores(body)")"
	make_texts bench_target "$rows"
	note annotate "$(last_ms "$warm" "CALL emotion_annotate('bench_target', 'body', 'scores')")"
	make_texts bench_target "$rows"
	[ -z "$peer" ] || $python bench/peer/score.py update bench_target | note_lines peer_
done
note peer_column_ms "$(calculate 'a * 1000' "$(figure peer_column)")"
note peer_update_ms "$(calculate 'a * 1000' "$(figure peer_update)")"

title "A column of $(thousands "$rows") texts, rows to rows" "bench/run.sh scoring"
columns what texts/s "times Python and PyTorch"
line() { # TEXT FIGURE PEER
	row "$1" "$(thousands "$(calculate 'b * 1000 / a' "$(figure "$2")" "$rows")")" "$(ratio "$(figure "$3")" "$(figure "$2")")"
}
line '`CREATE TABLE AS SELECT id, emotion_scores(body)`, one process' create_1 peer_column_ms
line 'the same, two parallel workers' create_2 peer_column_ms
[ -z "$peer" ] || line 'Python: read, tokenise, PyTorch on two threads in batches of 256, `COPY` to a new table' peer_column_ms peer_column_ms
line '`UPDATE SET scores = emotion_scores(body)`, one process' update peer_update_ms
line '`CALL emotion_annotate`, one process' annotate peer_update_ms
[ -z "$peer" ] || line 'Python: the same, then `UPDATE FROM` a temporary table' peer_update_ms peer_update_ms
printf '\nTwo workers are %s times as quick as one process. ' "$(ratio "$(figure create_1)" "$(figure create_2)")"
echo "All are warm: the model is loaded, PyTorch imported."
if [ -n "$peer" ]; then
	echo "Python's seconds: reading $(rounded "$(figure peer_column_read)" 2), tokenising $(rounded "$(figure peer_column_tokenise)" 2), the network $(rounded "$(figure peer_column_network)" 2), writing $(rounded "$(figure peer_column_write)" 2)."
	$python bench/peer/score.py check | awk '{ value[$1] = $2 } END { printf "Given our tokens it says what we say, within %s; of its own tokeniser (regular expressions, each token looked up once) %.1f %% of texts get the same tokens.\n", value["largest_difference"], 100 * value["same_tokens"] }'
else
	without "Python, for want of torch or psycopg2 (test/deps.sh bench)"
fi

title "Tables of several sizes, one process" "bench/run.sh scoring"
columns rows "microseconds a row" "of the smallest table's"
for size in $sizes; do
	make_texts bench_size "$size"
	for round in $(seq $((size > 300000 ? 1 : rounds))); do
		note "size_$size" "$(last_ms "$(processes 1)" "DROP TABLE IF EXISTS bench_filled" "$warm" \
			"CREATE TABLE bench_filled AS SELECT id, emotion_scores(body) AS scores FROM bench_size")"
	done
	each=$(calculate 'a * 1000 / b' "$(figure "size_$size")" "$size")
	smallest=${smallest:-$each}
	row "$(thousands "$size")" "$(rounded "$each" 1)" "$(ratio "$each" "$smallest")"
done
psql_here -c "DROP TABLE IF EXISTS bench_size, bench_target, bench_filled, peer_scores"

title "fastText's program, the classifier that costs least" "bench/run.sh scoring"
if ! command -v fasttext >/dev/null; then
	without "fasttext is not installed (test/deps.sh bench)"
else
	work=$(mktemp -d)
	trap 'rm -rf "$work" "$notes"' EXIT
	spaced="regexp_replace(lower(translate(%s, E'\\n\\t', '  ')), '([^a-z0-9 ])', ' \\1 ', 'g')"
	psql_here -At -c "SELECT (SELECT string_agg('__label__' || l, ' ') FROM unnest(labels) AS l) || ' ' || ${spaced/\%s/text}
		FROM goemotions WHERE split = 'train' ORDER BY md5(text)" >"$work/train"
	psql_here -At -c "SELECT ${spaced/\%s/text} FROM goemotions WHERE split = 'dev' ORDER BY ctid" >"$work/dev"
	psql_here -At -c "SELECT ${spaced/\%s/body} FROM bench_text ORDER BY id" >"$work/texts"
	fasttext supervised -input "$work/train" -output "$work/model" -loss ova -epoch "${quick:-10}" -dim 100 -lr 0.3 -wordNgrams 2 \
		-bucket 200000 -minCount 2 -thread 2 >"$work/log" 2>&1
	for round in $(seq "$rounds"); do
		begin=$(date +%s%N)
		fasttext predict-prob "$work/model.bin" "$work/texts" -1 0.0 >"$work/out"
		note fasttext $((($(date +%s%N) - begin) / 1000))
	done
	fasttext predict-prob "$work/model.bin" "$work/dev" -1 0.0 |
		awk -v names="$(psql_here -At -c "SELECT array_to_string(emotion_label_names(), ' ')")" '
			BEGIN { n = split(names, name, " ") }
			{ for (i = 1; i < NF; i += 2) of[substr($i, 10)] = $(i + 1) > 1 ? 1 : $(i + 1)
			  line = NR "\t{"; for (i = 1; i <= n; i++) line = line (i > 1 ? "," : "") (name[i] in of ? of[name[i]] : 0)
			  print line "}"; delete of }' >"$work/scores"
	psql_here -c "CREATE TEMPORARY TABLE theirs (n int, scores real[])" -c "\\copy theirs FROM '$work/scores'" -At -F ' ' -c "
		SELECT who, (m).macro_roc_auc, (m).macro_average_precision FROM (
			SELECT 'ours' AS who, emotion_metrics(labels, emotion_scores(text), emotion_label_names()) AS m FROM goemotions WHERE split = 'dev'
			UNION ALL SELECT 'fasttext', emotion_metrics(labels, scores, emotion_label_names())
			FROM theirs JOIN (SELECT row_number() OVER (ORDER BY ctid) AS n, labels FROM goemotions WHERE split = 'dev') AS d USING (n)) AS x" >"$work/quality"
	while read -r who auc ap; do
		note "${who}_auc" "$auc"
		note "${who}_ap" "$ap"
	done <"$work/quality"
	columns "" texts/s "macro ROC-AUC on dev" "macro average precision"
	row '`fasttext predict-prob`, text file to text file, one thread' "$(thousands "$(calculate 'b * 1e6 / a' "$(figure fasttext)" "$rows")")" \
		"$(rounded "$(figure fasttext_auc)" 3)" "$(rounded "$(figure fasttext_ap)" 3)"
	row '`emotion_scores`, table to table, one process' "$(thousands "$(calculate 'b * 1000 / a' "$(figure create_1)" "$rows")")" \
		"$(rounded "$(figure ours_auc)" 3)" "$(rounded "$(figure ours_ap)" 3)"
	row ratio "$(ratio "$(calculate 'a / 1000' "$(figure fasttext)")" "$(figure create_1)")" "$(ratio "$(figure ours_auc)" "$(figure fasttext_auc)")" \
		"$(ratio "$(figure ours_ap)" "$(figure fasttext_ap)")"
	printf '\nfastText was trained on GoEmotions train alone (one-against-all, 10 epochs, dimension 100, pairs of words).\n'
fi
psql_here -c "DROP TABLE bench_text"
