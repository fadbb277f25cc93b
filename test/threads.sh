#!/usr/bin/env bash
# The thread pool and what computes on it under ThreadSanitizer, as TAP.
#
#   test/threads.sh [TEST...]     test_pool and test_trainer_ways; make tsan: all that start threads
set -uo pipefail
cd "$(dirname "$0")/.." || exit
tests=${*:-test_pool test_trainer_ways}

# shellcheck disable=SC2086
MAKEFLAGS='' ${MAKE:-make} -s -j"$(nproc 2>/dev/null || echo 2)" -f test/plain.mk B=build/threads \
	UNIT_KIND='-O1 -fsanitize=thread' $(printf 'build/threads/unit/%s ' $tests) >&2

number=0
for test in $tests; do
	number=$((number + 1))
	if TSAN_OPTIONS="halt_on_error=1 suppressions=test/tsan.supp" "build/threads/unit/$test" >build/threads/out 2>&1; then
		echo "ok $number - $test: $(grep -c '^ok' build/threads/out) checks without a race"
	else
		echo "not ok $number - $test"
		grep -v '^ok' build/threads/out | head -n 60 | sed 's/^/# /'
	fi
done
echo "1..$number"
