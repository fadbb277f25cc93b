#!/usr/bin/env bash
# Measure. Every bench/bench_*.c is built like the extension and run; every bench/bench_*.sh is run
# with a private server at hand (PGHOST, PGPORT, PGUSER) where the extension is installed.
#
#   bench/run.sh [NAME...]    some of them, e.g. bench/run.sh kernels; QUICK=1: small sizes, to see that all runs
#
# Standard output is Markdown, tables of what was measured side by side in this run, as bench/RESULTS.md
# has them. Each part is kept in build/bench/NAME.md as well.
set -euo pipefail
cd "$(dirname "$0")/.."
out=build/bench
mkdir -p $out
server=

machine() {
	echo "Measured on $(date -u +%Y-%m-%d): $(nproc) x$(sed -n 's/^model name[ 	]*: / /p' /proc/cpuinfo | head -n 1)," \
		"$(awk '/MemTotal/ { printf "%.0f GB", $2 / 1024 / 1024 }' /proc/meminfo)," \
		"$(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release 2>/dev/null || uname -sr)," \
		"$(gcc --version | head -n 1), $("${PG_CONFIG:-pg_config}" --version)," \
		"OpenBLAS $(dpkg-query -W -f '${Version}' libopenblas0-pthread 2>/dev/null || echo of the system)," \
		"PyTorch $(/usr/bin/python3 -c 'import torch; print(torch.__version__)' 2>/dev/null || echo absent);" \
		"load average at the beginning $(cut -d' ' -f1 /proc/loadavg)${QUICK:+; QUICK=1, the figures mean nothing}."
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
	cluster_start "$server" "fsync = off" "shared_buffers = 256MB" "max_connections = 130" "max_parallel_workers = 8" \
		"max_wal_size = 4GB" "autovacuum = off"
}

measure() { # FILE NAME
	case $1 in
		*.c)
			printf '\n### %s: `bench/run.sh %s`\n\n```text\n' "$2" "$2"
			"build/bench/bench_$2" 2>&1
			echo '```'
			;;
		*.sh) bash "$1" ;;
	esac
}

names=("$@")
[ -n "${EMOTION_DATA:-}" ] || [ ! -d ../shared/data ] || EMOTION_DATA=$(cd ../shared/data && pwd)
export EMOTION_DATA=${EMOTION_DATA:-}
MAKEFLAGS= "${MAKE:-make}" --no-print-directory -s -j"$(nproc)" -f test/plain.mk bench >&2
machine
for file in bench/bench_*.c bench/bench_*.sh; do
	[ -e "$file" ] || continue
	name=$(basename "$file")
	name=${name#bench_}
	name=${name%.*}
	wanted "$name" || continue
	[[ $file != *.sh ]] || start_server >&2
	measure "$file" "$name" | tee "$out/$name.md"
done
