#!/usr/bin/env bash
# Formatting, warnings of both compilers, static analysis, and the habits of this repository,
# as TAP. Configured by .clang-format, .clang-tidy, .cppcheck and test/analyzer.txt.
#
# LINT=deep (make analyze): clang's analyzer gives up on a function four times later, as it does by
# itself, and gcc's looks at the vector kernels, too: three times as long. test/planted.sh shows
# that what is planted is found without it.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
pg_config=${PG_CONFIG:-pg_config}
jobs=$(nproc 2>/dev/null || echo 2)
work=build/lint
mkdir -p $work

plain=$(ls src/*.c src/{nn,text,data,model}/*.c 2>/dev/null)
server=$(ls src/pg/*.c 2>/dev/null)
tests=$(ls test/unit/*.c test/fuzz/*.c bench/*.c 2>/dev/null)
headers=$(ls src/*.h src/*/*.h test/unit/*.h test/fuzz/*.h 2>/dev/null)
export includes
includes="-isystem $("$pg_config" --includedir-server) -D_GNU_SOURCE -DEMOTION_VERSION=\"0\""

number=0
# check NAME COMMAND...: passes when the command does; its words are shown when it does not.
check() {
	local name=$1
	shift
	number=$((number + 1))
	if "$@" >$work/out 2>&1; then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
		head -n 200 $work/out | sed 's/^/# /'
	fi
}
# each FILES COMMAND...: the command once per file (for FILE), as many at a time as there are processors.
each() {
	local files=$1
	shift
	[ -z "$files" ] || printf '%s\n' $files | xargs -P "$jobs" -I FILE "$@"
}

format=clang-format-14
command -v $format >/dev/null || format=clang-format
# Another release of clang-format breaks lines differently: only the one we format with judges.
if $format --version 2>/dev/null | grep -q ' version 14\.'; then
	check "C files are formatted ($format -i mends it)" \
		each "$plain $server $tests $headers" bash -c "$format --dry-run -Werror FILE 2>/dev/null ||
			{ echo FILE; exit 1; }"
else
	number=$((number + 1))
	echo "ok $number - C files are formatted # SKIP clang-format 14 is not here"
fi

# -O2, because some of gcc's warnings need its flow analysis. The plain rooms see no path to
# PostgreSQL's headers here: one that includes them does not compile.
# clang's do not.
warnings="-std=gnu11 -Wall -Wextra -Werror -Wmissing-prototypes -Wpointer-arith -Wvla FILE"
gcc="gcc -O2 -fPIC -c -o /dev/null $warnings"
clang="clang -fsyntax-only $warnings"
check "gcc compiles the plain rooms without a warning" each "$plain" $gcc
check "clang compiles the plain rooms without a warning" each "$plain" $clang
check "clang compiles them in double precision without a warning" each "$plain" $clang -DEMOTION_DOUBLE
check "gcc compiles src/pg without a warning" each "$server" $gcc $includes
check "clang compiles src/pg without a warning" each "$server" $clang $includes

# What the analysers are told: base.c defines what lint.h redefines.
notes() { [ "$1" = src/base.c ] || echo "-include test/lint.h"; }

# Its findings alone, without the paths that lead there. Nearly all of its time goes into few functions
# of which it sees no end: these it may leave after a quarter of its usual number of steps.
tidy() {
	# shellcheck disable=SC2046,SC2086
	clang-tidy --quiet "$1" -- -std=gnu11 $includes $(notes "$1") $depth 2>/dev/null |
		grep -E ': (warning|error): ' | sort -u | grep . && return 1
	return 0
}
depth="-Xclang -analyzer-config -Xclang max-nodes=50000"
[ "${LINT:-}" != deep ] || depth=
export depth
export -f notes tidy
check "clang-tidy finds nothing" each "$plain $server" bash -c 'tidy FILE'

# Findings as "FILE FUNCTION WARNING", without those that test/analyzer.txt explains.
analyze() {
	local lanes=
	# gcc 12 takes the number of a vector's elements for the number of their bits.
	[[ $1 != */simd_* ]] || lanes=-Wno-analyzer-shift-count-overflow
	# shellcheck disable=SC2046,SC2086
	LC_ALL=C gcc -std=gnu11 -O1 -fPIC -fanalyzer -DGCC_ANALYZER $(notes "$1") $includes $lanes \
		-c -o /dev/null "$1" 2>&1 |
		awk -v file="$1" '/: In function / {split($0, part, "\047"); name = part[2]}
			/: error: / {print}
			/: warning: .*\[-Wanalyzer-/ {sub(/.*\[-W/, ""); sub(/\].*/, ""); print file, name, $0}' |
		sort -u | grep -vxFf build/lint/explained && return 1
	return 0
}
export -f analyze
sed 's/ *#.*//' test/analyzer.txt | grep . >$work/explained
analyzed="$plain $server"
[ "${LINT:-}" = deep ] || analyzed=$(printf '%s\n' $analyzed | grep -v '/simd_')
if gcc --version 2>/dev/null | head -n 1 | grep -qE ' 12\.[0-9.]+( |$)'; then
	check "gcc's analyzer finds nothing but what test/analyzer.txt explains" \
		each "$analyzed" bash -c 'analyze FILE'
else
	number=$((number + 1))
	echo "ok $number - gcc's analyzer finds nothing # SKIP gcc 12 is not here: others err elsewhere"
fi

cppcheck_files="$plain $server"
# After 2.10 it takes what one call of an expression fills, and another reads, for unset, and lgamma(0)
# for reachable; compilers and clang's analyzer look for the former, too.
cppcheck_version=$(cppcheck --version 2>/dev/null | sed 's/[^0-9.]//g')
newer=
[ "$(printf '%s\n' 2.10.9 "$cppcheck_version" | sort -V | tail -n 1)" = 2.10.9 ] ||
	newer="--suppress=uninitvar --suppress=invalidFunctionArg"
check "cppcheck finds nothing" cppcheck --quiet --std=c11 --language=c -j "$jobs" \
	--enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	--suppressions-list=.cppcheck --library=posix --include=test/lint.h -D__cppcheck__ -D__GNUC__ \
	--max-configs=4 $newer $cppcheck_files

scripts_are_well_formed() {
	local file status=0 pg_perl
	pg_perl=$(dirname "$("$pg_config" --pgxs)")/../test/perl
	for file in test/*.sh demo/*.sh bench/*.sh models/*/*.sh .ci/run; do
		[ ! -e "$file" ] || bash -n "$file" || status=1
	done
	for file in test/*.pl test/t/*.pl test/fuzz/*.pl; do
		[ -e "$file" ] || continue
		perl -I"$pg_perl" -Itest/t -Itest/fuzz -c "$file" 2>&1 | grep -v 'syntax OK$' && status=1
	done
	return $status
}
check "scripts are well-formed" scripts_are_well_formed

version_stands_once() {
	local version
	version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" emotion.control)
	[ -n "$version" ] || return 1
	! grep -nF "$version" Makefile META.json README.md src/*.[ch] src/*/*.[ch] sql/emotion/*.sql \
		2>/dev/null
}
check "the version stands in emotion.control alone" version_stands_once

nothing_names_a_machine() {
	! grep -rnIE '(^|[^A-Za-z0-9_.])/(w[o]rk|h[o]me|r[o]ot)/[A-Za-z.]|https?://(deb|registry|pypi)\.[a-z]+' \
		--exclude-dir=.git --exclude=.git --exclude-dir=build --exclude='*.d' --exclude='*.tsv' . | head -n 20 | grep .
}
check "no file names a path of somebody's machine" nothing_names_a_machine

no_trailing_blanks() {
	! grep -rnIE '[ 	]+$' --include='*.[ch]' --include='*.pl' \
		--include='*.mk' --include=Makefile --include='*.md' src test demo bench models docs \
		Makefile README.md CHANGELOG.md 2>/dev/null | head -n 20 | grep .
}
check "no line ends in blanks" no_trailing_blanks

echo "1..$number"
