#!/usr/bin/env bash
# The regression tests with the server under valgrind's memcheck: jumps and accesses that depend on
# what was never written, in src/pg and below it, which the sanitizers do not see. Debian's server
# does not tell valgrind of palloc(), so that overruns within a block are found by test/asan.sh alone.
#
#   test/valgrind.sh [TEST...]     all of REGRESS by default: hours; "registry" takes minutes
set -uo pipefail
cd "$(dirname "$0")/.." || exit
command -v valgrind >/dev/null || {
	echo "valgrind is not here" >&2
	exit 1
}
export EMOTION_ONLY="$*"
logs=$(mktemp -d /tmp/emotion-valgrind.XXXXXX) || exit
trap 'rm -rf "$logs"' EXIT
cp test/valgrind.supp "$logs/"
chmod -R a+rwX "$logs"
export PGCTLTIMEOUT=600
export EMOTION_UNDER="valgrind --quiet --trace-children=yes --leak-check=no --num-callers=30 \
 --error-limit=no --suppressions=$logs/valgrind.supp --gen-suppressions=all --log-file=$logs/%p.log"
test/run.sh regress
status=$?
mkdir -p build
cat "$logs"/*.log >build/valgrind.log 2>/dev/null
if grep -q '^{' build/valgrind.log; then
	echo "memcheck found $(grep -c '^{' build/valgrind.log) errors: build/valgrind.log" >&2
	status=1
fi
exit $status
