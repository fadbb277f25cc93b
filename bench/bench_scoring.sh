#!/usr/bin/env bash
# Scoring by the bundled model from SQL: a fresh connection's first score, one text at a time, a column in
# batches (emotion_annotate) and row by row (SELECT).
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/load_goemotions.sh
rounds=${ROUNDS:-11}

median() { sort -g | awk '{ a[NR] = $1 } END { print NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2 }'; }
# ms that psql's \timing says the last statement of a fresh connection took
first() { psql_here -c '\timing on' -c "$1" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -n 1; }

echo "first statement of a fresh connection, ms, median of $rounds:"
for i in $(seq "$rounds"); do first "SELECT 1"; done | median | sed 's/^/  SELECT 1                 /'
for i in $(seq "$rounds"); do first "SELECT emotion_scores('thank you so much')"; done | median |
	sed 's/^/  SELECT emotion_scores    /'

echo "one text at a time, warm, 5,426 texts of GoEmotions dev, microseconds a text, median of 5:"
for i in 1 2 3 4 5; do
	psql_here -At -c "SELECT count(emotion_scores('warm'))" -c '\timing on' \
		-c "SELECT count(emotion_scores(text)) FROM goemotions WHERE split = 'dev'" |
		sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | awk '{ print $1 * 1000 / 5426 }'
done | median | sed 's/^/  SELECT emotion_scores(text)  /'

echo "a column of 43,410 texts (GoEmotions train), texts/s, median of 3:"
for i in 1 2 3; do
	psql_here -c "SET client_min_messages = warning" -c "DROP TABLE IF EXISTS filled" \
		-c "CREATE TABLE filled AS SELECT text, NULL::real[] AS scores FROM goemotions WHERE split = 'train'" \
		-c '\timing on' -c "CALL emotion_annotate('filled', 'text', 'scores')" |
		sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -n 1 | awk '{ print 43410 * 1000 / $1 }'
done | median | sed 's/^/  CALL emotion_annotate    /'
