#!/usr/bin/env bash
# The benches that are quick, with small sizes, as TAP: do they run, and fill their tables? Peers are measured where they are installed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
if [ ! -r "${EMOTION_DATA:=../shared/data}/goemotions/train.tsv" ]; then
	echo "1..0 # SKIP there is no $EMOTION_DATA/goemotions/train.tsv (set EMOTION_DATA)"
	exit 0
fi
export EMOTION_DATA QUICK=1 LABEL_ROWS=5000 SCORE_ROWS=500 PYTHON_ROWS=200 TEXTS=50 CONNECTIONS=3
psql -Xq -d postgres -c "CREATE DATABASE bench_test" || exit
export PGDATABASE=bench_test
said=$(mktemp)
trap 'rm -f "$said"; PGDATABASE=postgres psql -Xq -c "DROP DATABASE bench_test"' EXIT

# Tables are rectangular, and each line of them has a figure; or it is said what is missing.
filled() {
	if ! grep -q '^|' "$said" && grep -q '^Not measured: ' "$said"; then return 0; fi
	awk -F'|' '!/^\|/ { n = 0; next } n && NF != n { print "line " NR ": " $0; bad = 1 } { n = NF; rows++ }
		/^\|---/ { next } n && !/[0-9]/ && !/^\| (what|connections|statement|query) / { print "line " NR ": " $0; bad = 1 }
		END { exit bad || rows < 3 }' "$said"
}
number=0
echo "1..10"
for bench in statistics latency memory transformer huggingface; do
	for check in "bash bench/bench_$bench.sh" filled; do
		number=$((number + 1))
		case $check in
			filled) $check >"$said.why" 2>&1 ;;
			*) $check >"$said" 2>"$said.why" ;;
		esac
		status=$?
		[ $status = 0 ] || printf 'not '
		echo "ok $number - $bench $([ "$check" = filled ] && echo "fills its tables" || echo runs)"
		[ $status = 0 ] || tail -n 20 "$said.why" "$said" | sed 's/^/# /'
		rm -f "$said.why"
	done
done
