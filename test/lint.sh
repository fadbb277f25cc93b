#!/usr/bin/env bash
# Formatting, warnings of both compilers, static analysis, and the habits of this repository,
# as TAP. Configured by .clang-format, .clang-tidy and .cppcheck.
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
warnings="-std=gnu11 -O2 -fPIC -Wall -Wextra -Werror -Wmissing-prototypes -Wpointer-arith -Wvla
	-c -o /dev/null FILE"
check "gcc compiles the plain rooms without a warning" each "$plain" gcc $warnings
check "clang compiles the plain rooms without a warning" each "$plain" clang $warnings
check "clang compiles them in double precision without a warning" \
	each "$plain" clang $warnings -DEMOTION_DOUBLE
check "gcc compiles src/pg without a warning" each "$server" gcc $warnings $includes
check "clang compiles src/pg without a warning" each "$server" clang $warnings $includes

# Its findings alone, without the paths that lead there; base.c defines what lint.h redefines.
tidy() {
	local notes=
	[ "$1" = src/base.c ] || notes="-include test/lint.h"
	# shellcheck disable=SC2086
	clang-tidy --quiet "$1" -- -std=gnu11 $includes $notes 2>/dev/null |
		grep -E ': (warning|error): ' | sort -u | grep . && return 1
	return 0
}
export -f tidy
check "clang-tidy finds nothing" each "$plain $server" bash -c 'tidy FILE'

cppcheck_files="$plain $server"
check "cppcheck finds nothing" cppcheck --quiet --std=c11 --language=c -j "$jobs" \
	--enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	--suppressions-list=.cppcheck --library=posix --include=test/lint.h -D__cppcheck__ -D__GNUC__ \
	--max-configs=4 $cppcheck_files

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
		--exclude-dir=.git --exclude-dir=build --exclude='*.d' --exclude='*.tsv' . | head -n 20 | grep .
}
check "no file names a path of somebody's machine" nothing_names_a_machine

no_trailing_blanks() {
	! grep -rnIE '[ 	]+$' --include='*.[ch]' --include='*.pl' \
		--include='*.mk' --include=Makefile --include='*.md' src test demo bench models docs \
		Makefile README.md CHANGELOG.md 2>/dev/null | head -n 20 | grep .
}
check "no line ends in blanks" no_trailing_blanks

echo "1..$number"
