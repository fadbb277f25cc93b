#!/usr/bin/env bash
# Line and branch coverage of each room by the tests: unit, regress, pgtap, readme and tap run in
# a copy of this tree that is compiled for gcov. The report: build/coverage/report.txt, and beside
# it an annotated copy of each source. Fails below 90 % of the lines below src/pg or 85 % in it.
#
#   test/coverage.sh [SUITE...]     these suites instead, without judging
set -uo pipefail
cd "$(dirname "$0")/.." || exit
. test/copy.sh

# Random data sets show what is wrong, not what is reached.
export UNIT_KIND="-O0 --coverage" EMOTION_DATA_SETS=${EMOTION_DATA_SETS:-50}
in_copy "-O0 --coverage" "${@:-unit regress pgtap readme tap}"
tests=$?

mkdir -p "$root/build/coverage"
perl test/coverage.pl "$root/build/coverage" ${*:+--no-judge}
judged=$?
[ $tests = 0 ] || echo "some tests failed" >&2
exit $((tests | judged))
