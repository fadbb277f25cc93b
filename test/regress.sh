#!/usr/bin/env bash
# pg_regress over the Makefile's REGRESS on the private server, as TAP: one line per test.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
. test/cluster.sh

# EMOTION_ONLY: these of them
read -ra listed <<<"${EMOTION_REGRESS:-}"
read -ra wanted <<<"${EMOTION_ONLY:-${EMOTION_REGRESS:-}}"
echo "1..$((${#wanted[@]} + 1))"
number=0
report() { # STATUS NAME
	number=$((number + 1))
	[ "$1" = ok ] && echo "ok $number - $2" || echo "not ok $number - $2"
}

forgotten=
for file in sql/*.sql; do
	name=$(basename "$file" .sql)
	case $name in emotion--* | '*') continue ;; esac
	[[ " ${listed[*]} " == *" $name "* ]] || forgotten+=" $name"
done
[ -z "$forgotten" ] && report ok "REGRESS in the Makefile lists every sql/*.sql" ||
	report no "REGRESS in the Makefile lists every sql/*.sql but$forgotten"
[ ${#wanted[@]} -gt 0 ] || exit 0

stage=$EMOTION_STAGE
pg_regress=$(dirname "$("$pg_config" --pgxs)")/../test/regress/pg_regress
cd "$stage" || exit
as_db_user "$pg_regress" --inputdir="$stage" --outputdir="$stage/regress" --bindir="$bindir" \
	--host="$PGHOST" --port="$PGPORT" --user="$PGUSER" --encoding=UTF8 \
	--dbname=contrib_regression "${wanted[@]}" >"$stage/regress/log" 2>&1

# "test name ... ok   12 ms" up to PostgreSQL 15, "ok 1 - name  12 ms" from 16.
for name in "${wanted[@]}"; do
	if grep -qE "^(test +| +)$name +\.\.\. ok|^ok [0-9]+ +[-+] $name( |$)" "$stage/regress/log"; then
		report ok "regress $name"
	else
		report no "regress $name"
	fi
done
if [ -s "$stage/regress/regression.diffs" ]; then
	sed 's/^/# /' "$stage/regress/regression.diffs" | head -n 400
elif ! grep -qE 'All [0-9]+ tests? passed' "$stage/regress/log"; then
	sed 's/^/# /' "$stage/regress/log"
fi
