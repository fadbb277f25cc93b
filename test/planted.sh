#!/usr/bin/env bash
# Can the checks of sources fail? A small tree of clean files, one planted defect for each of them,
# and as TAP which check of test/lint.sh and test/rooms.sh said so, naming the file.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
work=$(mktemp -d) || exit
trap 'rm -rf "$work"' EXIT

mkdir -p "$work"/{test,src/{nn,text,data,model,pg}}
cp .clang-format .clang-tidy .cppcheck emotion.control "$work/"
cp test/{lint,rooms}.sh test/lint.h test/analyzer.txt "$work/test/"
cp src/base.[ch] "$work/src/"
cd "$work" || exit

planted=()
# plant FILE CHECK [WORDS]: writes FILE from standard input; CHECK is part of the name of what must
# find it, WORDS of what it says then (src/FILE).
plant() {
	cat >"src/$1"
	[ -z "${2:-}" ] || planted+=("$1|$2|${3:-src/$1}")
}

plant nn/format.c 'C files are formatted' <<'C'
int format(void);
int format(void) { return 1; }
C
plant nn/gcc.c 'gcc compiles the plain rooms' <<'C'
int gcc(int n);
int
gcc(int n)
{
	int value;

	for (int i = 0; i < n; i++)
		value = i;
	return value;
}
C
plant nn/clang.c 'clang compiles the plain rooms' <<'C'
unsigned int clang(unsigned int n);
unsigned int
clang(unsigned int n)
{
	if ((n == 3))
		return 0;
	return n;
}
C
plant nn/wide.c 'clang compiles them in double precision' <<'C'
#ifdef EMOTION_DOUBLE
int
wide(void)
{
	return 1;
}
#else
typedef int nothing;
#endif
C
plant pg/server.c 'gcc compiles src/pg' <<'C'
#include "postgres.h"

int
server(void)
{
	return 1;
}
C
plant data/fault.c 'clang-tidy finds nothing' <<'C'
#include "../base.h"

static em_code
find(const char *name, const int **found, em_status *status)
{
	*found = NULL;
	if (name == NULL)
		return em_fail(status, EM_INVALID_OPTION, "no name");
	if (name[0] == 'a')
		return EM_OK;
	return em_fail(status, EM_INVALID_OPTION, "no \"%s\"", name);
}

int fault(const char *name, em_status *status);
int
fault(const char *name, em_status *status)
{
	const int *found;

	if (find(name, &found, status) != EM_OK)
		return -1;
	return *found;
}
C
plant data/size.c 'clang-tidy finds nothing' <<'C'
#include <string.h>

void size(char *text, int length);
void
size(char *text, int length)
{
	memset(text, length, 0);
}
C
plant text/overrun.c 'cppcheck finds nothing' <<'C'
int overrun(int n);
int
overrun(int n)
{
	int all[4] = { 1, 2, 3, 4 };
	int sum = 0;

	for (int i = 0; i <= 4; i++)
		sum += all[i] * n;
	return sum;
}
C
plant model/twice.c "gcc's analyzer finds nothing" <<'C'
#include <stdlib.h>

static void
drop(int **values)
{
	free(*values);
}

int twice(int n);
int
twice(int n)
{
	int *values = malloc(sizeof(int) * 4);

	if (values == NULL)
		return 0;
	if (n > 3)
		drop(&values);
	free(values);
	return n;
}
C
plant nn/up.c 'src/nn knows no other room' <<'C'
#include "../text/format.h"
C
plant text/side.h 'src/text knows no other room' <<'C'
#if 0
#include "../data/format.h"
#endif
C
plant data/quiet.c 'src/data knows no other room' <<'C'
#include <../model/format.h>
C
plant model/over.c 'src/model knows nn, text and data' <<'C'
#include "../pg/format.h"
C
plant data/named.c "only src/pg includes PostgreSQL's headers" <<'C'
#include "utils/elog.h"
C
# a header that the list of their directories lacks, behind one that may be included
plant nn/real.h 'none of them is behind' regex/regex.h <<'C'
#include <regex/regex.h>
C
plant model/behind.c <<'C'
#include <stdint.h>
#include "../nn/real.h"
C
plant nn/leave.c 'nothing below src/pg exits' 'src/nn/leave.o calls exit puts' <<'C'
#include <stdio.h>
#include <stdlib.h>

void leave(const char *why);
void
leave(const char *why)
{
	printf("%s\n", why);
	exit(1);
}
C
plant data/state.c 'no state is shared below src/pg' src/data/state.o <<'C'
int state(void);
int
state(void)
{
	static int calls;

	return ++calls;
}
C
touch src/{text,data,model,pg}/format.h

gcc -c -w -o src/nn/leave.o src/nn/leave.c
gcc -c -w -o src/data/state.o src/data/state.c
{
	bash test/lint.sh
	bash test/rooms.sh
} >said 2>&1

number=0
for one in "${planted[@]}"; do
	IFS='|' read -r file check words <<<"$one"
	number=$((number + 1))
	if grep -F "$check" said | grep '# SKIP' >/dev/null; then
		echo "ok $number - $check # SKIP as that was"
		continue
	fi
	# what follows that check's "not ok", up to the next verdict
	if awk -v check="$check" '/^(not )?ok/ {on = /^not/ && index($0, check); next} on' said |
		grep -F "$words" >/dev/null; then
		echo "ok $number - $check: $file"
	else
		echo "not ok $number - not found by \"$check\": $file"
	fi
done
echo "1..$number"
