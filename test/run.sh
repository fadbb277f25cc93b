#!/usr/bin/env bash
# Run the tests: build with warnings as errors, install, start a private server, and let prove
# run everything, so that its summary is the last word.
#
#   test/run.sh [SUITE...]    lint unit fuzz regress isolation pgtap readme tap; all of them by
#                             default; crash, soak and long are parts of tap in their long forms (see
#                             the Makefile)
#
# FUZZ_SECONDS: how long each fuzzer runs (4). EMOTION_DATA: where data too large for the
# repository stands; tests that need it skip when it is absent. VERBOSE=1: what passing unit tests
# say, too. PROVE_FLAGS: more for prove.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
root=$PWD
suites=${*:-lint unit fuzz regress isolation pgtap readme tap}
jobs=$(nproc 2>/dev/null || echo 2)
build=$root/build
export FUZZ_SECONDS=${FUZZ_SECONDS:-4}
export LC_ALL=C
unset PERL5OPT GREP_OPTIONS CDPATH

for suite in $suites; do
	case $suite in
		lint | unit | fuzz | regress | isolation | pgtap | readme | tap | crash | soak | long) ;;
		*)
			echo "no suite \"$suite\"; there are: lint unit fuzz regress isolation pgtap readme tap" >&2
			exit 2
			;;
	esac
done
wants() { [[ " $suites " == *" $1 "* ]]; }
wants_server() {
	local suite
	for suite in fuzz regress isolation pgtap readme tap crash soak long; do
		! wants $suite || return 0
	done
	return 1
}

# Our own make below must not inherit the outer one's mode.
submake() { MAKEFLAGS= "${MAKE:-make}" --no-print-directory -j"$jobs" "$@"; }

tests=()
stage=

finish() {
	local status=$? pid
	trap - EXIT
	trap '' INT TERM HUP
	if [ -n "$stage" ]; then
		cluster_stop "$stage"
		# Whatever a test left running inside our directory, by its own pid file.
		find "$stage" -name postmaster.pid 2>/dev/null | while read -r file; do
			pid=$(head -n 1 "$file" 2>/dev/null) && [ -n "$pid" ] && kill -QUIT "$pid" 2>/dev/null
		done
		if [ $status != 0 ]; then
			rm -rf "$build/failed"
			mkdir -p "$build/failed"
			cp "$stage/server.log" "$build/failed/" 2>/dev/null
			cp -R "$stage/regress" "$stage/isolation" "$build/failed/" 2>/dev/null
			(cd "$stage" && find tap \( -name '*.log' -o -name 'regress_log_*' \) \
				-exec cp --parents {} "$build/failed/" \; 2>/dev/null)
			echo "server logs and differences are kept in build/failed" >&2
		fi
		rm -rf "$stage"
	fi
	exit $status
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

mkdir -p "$build"

if wants lint; then
	tests+=(test/lint.sh test/rooms.sh test/queries.pl test/planted.sh)
fi
# What does not compile is missing, and prove says so of each; its compiler's words stand above.
if wants unit; then
	submake -s -k -f test/plain.mk unit
	tests+=($(submake -s -f test/plain.mk print-unit) $(ls test/{threads,mutate_*}.sh 2>/dev/null))
fi
if wants fuzz; then
	submake -s -k -f test/plain.mk fuzz
	tests+=($(submake -s -f test/plain.mk print-fuzz))
fi

if wants_server || wants lint; then
	submake -s WERROR=1 all || exit 1
fi
if wants_server; then
	. test/cluster.sh
	install_extension || exit 1

	# The user who runs the server may not be able to read this checkout.
	stage=$(mktemp -d /tmp/emotion-check.XXXXXX) || exit 1
	chmod 755 "$stage"
	for part in README.md Makefile emotion.control sql expected test demo models docs; do
		[ ! -e $part ] || cp -R $part "$stage/"
	done
	mkdir "$stage/regress" "$stage/tap" "$stage/ports"
	[ "$(id -u)" != 0 ] || chown -R "$cluster_user" "$stage"
	export EMOTION_STAGE=$stage
	if [ -z "${EMOTION_DATA:-}" ] && [ -d "$root/../shared/data" ]; then
		EMOTION_DATA=$(cd "$root/../shared/data" && pwd)
		export EMOTION_DATA
	fi
	cluster_start "$stage" "fsync = off" "synchronous_commit = off" "full_page_writes = off" \
		"max_connections = 40" "shared_buffers = 64MB" || exit 1
	EMOTION_REGRESS=$(submake -s print-regress)
	export EMOTION_REGRESS

	if wants fuzz; then
		tests+=(test/fuzz/fuzz_sql.pl)
	fi
	if wants regress; then
		tests+=(test/regress.sh)
	fi
	if wants isolation; then
		tests+=(test/isolation.sh)
	fi
	if wants pgtap; then
		tests+=($(ls test/pgtap/*.sql 2>/dev/null))
	fi
	if wants readme && [ -e README.md ]; then
		tests+=(test/readme.pl)
	fi
	if wants tap; then
		tests+=($(ls test/t/*.pl 2>/dev/null) test/balance.sh test/bench.sh)
	fi
	if wants crash; then
		tests+=(test/t/092_crash.pl test/t/093_no_room.pl test/t/094_cancel.pl)
		PROVE_FLAGS=${PROVE_FLAGS:--v}
	fi
	if wants soak; then
		tests+=(test/t/096_soak.pl)
		PROVE_FLAGS=${PROVE_FLAGS:--v}
	fi
	if wants long; then
		tests+=(test/t/097_long_texts.pl)
		PROVE_FLAGS=${PROVE_FLAGS:--v}
	fi
fi

if [ ${#tests[@]} = 0 ]; then
	echo "nothing to run for: $suites" >&2
	exit 1
fi
prove ${PROVE_FLAGS:-} --timer --failures --comments --exec "bash $root/test/one.sh" "${tests[@]}"
