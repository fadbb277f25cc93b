#!/usr/bin/env bash
# The suites that need a server with all of the extension, src/pg included, under AddressSanitizer
# and UndefinedBehaviorSanitizer: in a copy of this tree, with their libraries loaded into the server
# first. What the server allocates lies in blocks of 8 kB and more; an access beyond one is seen.
#
#   test/asan.sh [SUITE...]     regress and pgtap by default
set -uo pipefail
cd "$(dirname "$0")/.." || exit
. test/copy.sh

shim=$(mktemp -d /tmp/emotion-asan.XXXXXX) && chmod 755 "$shim" || exit
gcc -O1 -shared -fPIC -o "$shim/no_gettext.so" test/no_gettext.c || exit
EMOTION_UNDER="env LD_PRELOAD=$(gcc -print-file-name=libasan.so):$(gcc -print-file-name=libubsan.so):$shim/no_gettext.so"
export EMOTION_UNDER
# A backend keeps what it allocated until it ends: that is no leak.
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:detect_stack_use_after_return=0
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:abort_on_error=1
in_copy "-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all" \
	"${@:-regress pgtap}"
status=$?
rm -rf "$shim"
grep -A 40 -E 'AddressSanitizer|runtime error:' build/failed/server.log 2>/dev/null | head -n 120
exit $status
