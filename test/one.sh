#!/usr/bin/env bash
# How each kind of test is run: prove calls this with the test's path.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
root=$PWD
name=$(basename "$1")

case $1 in
	build/unit/*)
		output=$(UBSAN_OPTIONS=print_stacktrace=1 "$1" 2>&1)
		status=$?
		# What a test says beside its verdicts is for those that fail, and for who asks.
		if [ $status = 0 ] && [ -z "${VERBOSE:-}" ]; then
			output=$(grep -v '^#' <<<"$output")
		fi
		printf '%s\n' "$output"
		exit $status
		;;

	# Known inputs first, then new ones for a while. What it finds stays below build/.
	build/fuzz/*)
		corpora=()
		for directory in "test/fuzz/corpus/$name" "test/fuzz/corpus/${name#fuzz_}"; do
			[ ! -d "$directory" ] || corpora+=("$directory")
		done
		dictionary=test/fuzz/$name.dict
		found=build/found/$name
		mkdir -p "$found/corpus"
		echo 1..1
		if "$1" -seed=1 -max_total_time="$FUZZ_SECONDS" -timeout=20 -rss_limit_mb=2048 \
			-print_final_stats=1 -artifact_prefix="$found/" \
			$([ ! -f "$dictionary" ] || echo "-dict=$dictionary") \
			"$found/corpus" "${corpora[@]}" >"$found/log" 2>&1; then
			runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$found/log")
			echo "ok 1 - $name: ${runs:-no} inputs in $FUZZ_SECONDS s, each handled"
		else
			echo "not ok 1 - $name: the input is kept in $found"
			tail -n 40 "$found/log" | sed 's/^/# /'
			exit 1
		fi
		;;

	# Each file gets a database of its own in which both extensions stand.
	test/pgtap/*.sql)
		. test/cluster.sh
		cd "$EMOTION_STAGE" || exit
		database=pgtap_${name%.sql}
		as_db_user createdb -T template0 -E UTF8 "$database" &&
			as_db_user psql -XqAt -v ON_ERROR_STOP=1 -d "$database" \
				-c 'SET client_min_messages = error' -c 'CREATE EXTENSION pgtap' \
				-c 'CREATE EXTENSION emotion' || exit
		as_db_user psql -XqAt -P pager=off -v ON_ERROR_STOP=1 -v ON_ERROR_ROLLBACK=on \
			-d "$database" -f "$EMOTION_STAGE/$1" 2>&1 | sed 's/^psql:/# psql:/'
		status=${PIPESTATUS[0]}
		as_db_user dropdb --if-exists "$database"
		exit "$status"
		;;

	# Servers of their own, by PostgreSQL::Test::Cluster.
	test/t/*.pl | test/fuzz/*.pl)
		. test/cluster.sh
		pgxs=$(dirname "$("$pg_config" --pgxs)")/../..
		cd "$EMOTION_STAGE" || exit
		work=$EMOTION_STAGE/tap/${name%.pl}
		as_db_user mkdir -p "$work"
		unset PGHOST PGPORT PGUSER PGDATABASE
		as_db_user env TMPDIR=/tmp TESTDIR="$work" TESTDATADIR="$work/data" TESTLOGDIR="$work/log" \
			PG_REGRESS="$pgxs/src/test/regress/pg_regress" PG_TEST_PORT_DIR="$EMOTION_STAGE/ports" \
			perl -I"$pgxs/src/test/perl" -I"$EMOTION_STAGE/test/t" "$1"
		status=$?
		if [ $status = 0 ]; then
			rm -rf "$work"
		else
			find "$work" -name 'regress_log_*' -exec cat {} + | grep -v 'NOTICE: ' >"$work.log"
			{ grep -A 12 'not ok' "$work.log" | head -n 100 && echo '...' && tail -n 15 "$work.log"; } |
				sed 's/^/# /'
		fi
		exit $status
		;;

	*.pl)
		exec perl "$root/$1"
		;;
	*)
		exec bash "$root/$1"
		;;
esac
