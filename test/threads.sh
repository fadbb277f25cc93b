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
# Can it fail? With a counter that is not atomic, the pool's own test must say so.
planted=build/threads/planted
mkdir -p $planted/src/nn $planted/test/unit
cp src/base.[ch] $planted/src/ && cp src/nn/pool.h $planted/src/nn/ && cp test/unit/{check.h,test_pool.c} $planted/test/unit/
sed 's/atomic_size_t next/volatile size_t next/
	s/atomic_fetch_add_explicit(&pool->next, 1, [a-z_]*)/pool->next++/
	s/atomic_[a-z_]*(&pool->next, 0[a-z_, ]*)/pool->next = 0/' src/nn/pool.c >$planted/src/nn/pool.c
number=1
if gcc -std=gnu11 -g -O1 -fsanitize=thread -pthread -o $planted/test_pool $planted/test/unit/test_pool.c $planted/src/base.c &&
	! TSAN_OPTIONS=halt_on_error=1 $planted/test_pool >$planted/out 2>&1 &&
	grep 'data race.*pool\.c' $planted/out >/dev/null; then
	echo "ok 1 - a race planted in the pool is found"
else
	echo "not ok 1 - a race planted in the pool is not found"
fi
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
