#!/usr/bin/env bash
# Measure. Every bench/bench_*.c is built like the extension and run; every bench/bench_*.sh is run
# with a private server at hand (PGHOST, PGPORT, PGUSER) where the extension is installed.
#
#   bench/run.sh [NAME...]    some of them, e.g. bench/run.sh kernels
#
# What they print is kept in build/bench/NAME.txt, beneath a line about the machine.
set -euo pipefail
cd "$(dirname "$0")/.."
out=build/bench
mkdir -p $out
server=

machine() {
	echo "# $(date -u +%Y-%m-%d), $(nproc) x $(sed -n 's/^model name[ 	]*: //p' /proc/cpuinfo | head -n 1)," \
		"$(gcc --version | head -n 1), $("${PG_CONFIG:-pg_config}" --version)"
}
wanted() { [ ${#names[@]} = 0 ] || [[ " ${names[*]} " == *" $1 "* ]]; }

start_server() {
	[ -z "$server" ] || return 0
	. test/cluster.sh
	MAKEFLAGS= "${MAKE:-make}" --no-print-directory -s -j"$(nproc)" all
	install_extension
	server=$(mktemp -d /tmp/emotion-bench.XXXXXX)
	chmod 755 "$server"
	[ "$(id -u)" != 0 ] || chown "$cluster_user" "$server"
	trap 'cluster_stop "$server"; rm -rf "$server"' EXIT
	trap 'exit 130' INT TERM
	cluster_start "$server" "fsync = off" "shared_buffers = 256MB" "max_connections = 20"
}

names=("$@")
[ -n "${EMOTION_DATA:-}" ] || [ ! -d ../shared/data ] || EMOTION_DATA=$(cd ../shared/data && pwd)
export EMOTION_DATA=${EMOTION_DATA:-}
MAKEFLAGS= "${MAKE:-make}" --no-print-directory -s -j"$(nproc)" -f test/plain.mk bench
for file in bench/bench_*.c bench/bench_*.sh; do
	[ -e "$file" ] || continue
	name=$(basename "$file")
	name=${name#bench_}
	name=${name%.*}
	wanted "$name" || continue
	echo "== $name"
	machine >"$out/$name.txt"
	case $file in
		*.c) "build/bench/bench_$name" 2>&1 | tee -a "$out/$name.txt" ;;
		*.sh)
			start_server
			bash "$file" 2>&1 | tee -a "$out/$name.txt"
			;;
	esac
done
