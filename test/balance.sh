#!/usr/bin/env bash
# bench/balance from end to end, with few texts and updates, and begun again, as TAP.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
for file in goemotions/train.tsv goemotions/dev.tsv goemotions/labels.txt sentiment140/tweets-100k.csv \
	llm/texts.tsv llm/votes.tsv; do
	if [ ! -r "${EMOTION_DATA:=../shared/data}/$file" ]; then
		echo "1..0 # SKIP there is no $EMOTION_DATA/$file (set EMOTION_DATA)"
		exit 0
	fi
done
export EMOTION_DATA
work=$(mktemp -d /tmp/emotion-balance-test.XXXXXX) || exit
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
mkdir "$work/written"
number=0
check() { # NAME COMMAND...
	local name=$1
	shift
	number=$((number + 1))
	if "$@" >"$work/said" 2>&1; then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
		tail -n 40 "$work/said" | sed 's/^/# /'
	fi
}
# run CONDITIONS SEEDS
run() {
	QUICK=1 UPDATES=${3:-16} CONDITIONS=$1 SEEDS=$2 WORK=$work/server OUTPUT=$work/written bash bench/balance/run.sh >"$work/log" 2>&1 ||
		{ cat "$work/log" && return 1; }
}
page=$work/written/balancing.md
has() { grep -qE -- "$1" "$page"; }
trained() { [ "$(grep -c '^== .*, seed' "$work/log")" = "$1" ]; }
# Tables are rectangular, and nothing was left out of them.
rectangular() { awk -F'|' '!/^\|/ { n = 0; next } n && NF != n { print "line " NR ": " $0; bad = 1 } { n = NF } END { exit bad }' "$page"; }

echo "1..10"
check "a baseline and two conditions" run "quota_copies even_copies" 1
check "three trainings" trained 3
check "their results" has '^\| even_copies \| 0\.[0-9]+ \(0\.[0-9]+ to 0\.[0-9]+\); '
check "against the baseline" has '^\| quota_copies \| [+-]?0\.[0-9]+ \(.*\) \| [01] of 1 \| '
check "whole tables" rectangular
check "a picture" grep -q '</svg>' "$work/written/balancing.svg"
check "once more, with another seed" run "quota_copies even_copies" 2
check "what was done is not done again" trained 3
check "means over both seeds" has '^\| quota_copies \| .* \| [0-2] of 2 \| '
refuses() { ! run "quota_copies" 1 24 && grep -q 'other settings' "$work/log"; }
check "other settings are not mixed in" refuses
