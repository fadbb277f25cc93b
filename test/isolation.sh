#!/usr/bin/env bash
# The isolation tester over test/isolation/specs on the private server, as TAP: one line per spec.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
. test/cluster.sh

specs=()
for file in test/isolation/specs/*.spec; do
	specs+=("$(basename "$file" .spec)")
done
echo "1..${#specs[@]}"
tester=$(dirname "$("$pg_config" --pgxs)")/../test/isolation/pg_isolation_regress
if [ ! -x "$tester" ]; then
	for name in "${specs[@]}"; do
		echo "ok - isolation $name # SKIP $tester is not here"
	done
	exit 0
fi

stage=$EMOTION_STAGE
database=isolation
cd "$stage" || exit
mkdir -p "$stage/isolation"
[ "$(id -u)" != 0 ] || chown "$cluster_user" "$stage/isolation"
as_db_user createdb -T template0 -E UTF8 $database &&
	as_db_user psql -XqAt -v ON_ERROR_STOP=1 -d $database \
		-c "ALTER DATABASE $database SET client_min_messages = warning" -c 'CREATE EXTENSION emotion' \
		-f test/isolation/setup.sql || exit
as_db_user "$tester" --inputdir="$stage/test/isolation" --outputdir="$stage/isolation" --bindir="$bindir" \
	--host="$PGHOST" --port="$PGPORT" --user="$PGUSER" --use-existing --dbname=$database \
	"${specs[@]}" >"$stage/isolation/log" 2>&1

# "test name ... ok   12 ms" up to PostgreSQL 15, "ok 1 - name  12 ms" from 16.
for name in "${specs[@]}"; do
	if grep -qE "^(test +| +)$name +\.\.\. ok|^ok [0-9]+ +[-+] $name( |$)" "$stage/isolation/log"; then
		echo "ok - isolation $name"
	else
		echo "not ok - isolation $name"
	fi
done
if [ -s "$stage/isolation/regression.diffs" ]; then
	sed 's/^/# /' "$stage/isolation/regression.diffs" | head -n 400
elif ! grep -qE 'All [0-9]+ tests? passed' "$stage/isolation/log"; then
	sed 's/^/# /' "$stage/isolation/log"
fi
