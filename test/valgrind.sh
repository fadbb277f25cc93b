#!/usr/bin/env bash
# The regression tests with the server under valgrind's memcheck: jumps and accesses that depend on
# what was never written, in src/pg and below it, which the sanitizers do not see. Debian's server
# does not tell valgrind of palloc(), so that overruns within a block stay unseen, as by test/asan.sh.
# What counts has a function of ours among its callers and is not in test/valgrind.supp.
#
#   test/valgrind.sh [TEST...]     all of REGRESS by default, which takes long
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
 --error-limit=no --fullpath-after= --suppressions=$logs/valgrind.supp --log-file=$logs/%p.log"
test/run.sh regress
status=$?
mkdir -p build
cat "$logs"/*.log 2>/dev/null | sed 's/^==[0-9]*== *//' |
	awk -v RS= '/[^a-z]src\/(pg|model|nn|text|data)\/[a-z0-9_]*\.[ch]:/ {print $0 "\n"}' >build/valgrind.log
if [ -s build/valgrind.log ]; then
	head -n 60 build/valgrind.log
	echo "memcheck's findings are in build/valgrind.log" >&2
	status=1
fi
exit $status
