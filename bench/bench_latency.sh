#!/usr/bin/env bash
# One text at a time, by the bundled model: over a connection, inside the server, and by Python with PyTorch;
# and the first statement of a fresh connection.
#
#   TEXTS (5000), CONNECTIONS (21)
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
. bench/load_goemotions.sh
texts=$(size TEXTS 5000 200)
connections=$(size CONNECTIONS 21 3)
psql_here -c "DROP TABLE IF EXISTS bench_text" -c "CREATE TABLE bench_text AS SELECT row_number() OVER ()::int AS id, text AS body
	FROM goemotions WHERE split = 'dev'" -c "ALTER TABLE bench_text ADD PRIMARY KEY (id)" -c "VACUUM ANALYZE bench_text"

peer=
if has_python torch && has_python psycopg2; then peer=1; fi
for round in $(seq "$rounds"); do
	psql_here -At -F ' ' >"$notes.server" <<-SQL
		CREATE TEMPORARY TABLE took (us float8);
		DO \$\$
		DECLARE
			body text;
			begun timestamptz;
			times float8[] = '{}';
		BEGIN
			PERFORM emotion_scores('warm');
			FOR body IN SELECT b.body FROM bench_text AS b ORDER BY id LIMIT $texts LOOP
				begun = clock_timestamp();
				PERFORM emotion_scores(body);
				times = times || (extract(epoch FROM clock_timestamp() - begun) * 1e6)::float8;
			END LOOP;
			INSERT INTO took SELECT unnest(times);
		END \$\$;
		SELECT 'server_p50', percentile_disc(0.5) WITHIN GROUP (ORDER BY us) FROM took
		UNION ALL SELECT 'server_p99', percentile_disc(0.99) WITHIN GROUP (ORDER BY us) FROM took;
	SQL
	cat "$notes.server" >>"$notes" && rm "$notes.server"
	[ -z "$peer" ] || $python bench/peer/score.py row bench_text --threads 1 --limit "$texts" >>"$notes"
done

title "One text at a time, one thread, $texts texts of GoEmotions dev, microseconds" "bench/run.sh latency"
columns what p50 p99 "Python's p50 is times"
line() { row "$1" "$(rounded "$(figure "$2_p50")")" "$(rounded "$(figure "$2_p99")")" "$(ratio "$(figure "$3_p50")" "$(figure "$2_p50")")"; }
line 'inside the server: `PERFORM emotion_scores(body)` in a loop of PL/pgSQL' server peer_network
if [ -n "$peer" ]; then
	line 'Python: PyTorch alone, the row of tokens given' peer_network peer_network
	line 'over a connection: `EXECUTE`, row read and scored by one statement, answer fetched' ours_scores peer
	line 'Python: row read over a connection, tokenised, PyTorch' peer peer
	line 'over a connection: text sent, answer fetched' ours_one peer
	row 'over a connection: `length(text)`, for the round trip' "$(rounded "$(figure ours_nothing_p50)")" "$(rounded "$(figure ours_nothing_p99)")" ""
else
	without "Python, for want of torch or psycopg2 (test/deps.sh bench)"
fi

for i in $(seq "$connections"); do
	note first_select "$(psql_here -c '\timing on' -c "SELECT 1" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p')"
	note first_scores "$(psql_here -c '\timing on' -c "SELECT emotion_scores('thank you so much')" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p')"
done
title "First statement of a fresh connection, median of $connections" "bench/run.sh latency"
columns statement ms "times the same, warm"
row '`SELECT 1`' "$(rounded "$(figure first_select)" 2)" ""
row "\`SELECT emotion_scores('thank you so much')\`" "$(rounded "$(figure first_scores)" 2)" \
	"$(calculate 'sprintf("%.0f", a * 1000 / b)' "$(figure first_scores)" "$(figure server_p50)")"
psql_here -c "DROP TABLE bench_text"
