#!/usr/bin/env bash
# Install from the platform's packages what is missing, and nothing else.
#
#   test/deps.sh build    compile and run: compiler, server and its headers, OpenBLAS
#   test/deps.sh check    and what the tests need: pgTAP, clang's tools, IPC::Run
#   test/deps.sh bench    and the references that figures are compared with: PyTorch, fastText
#
# Says nothing and touches no network when all is there. Where there is no apt, it names what is
# missing and fails only if something is.
set -euo pipefail
level=${1:-bench}
pg_config=${PG_CONFIG:-pg_config}
export PATH=$PATH:/usr/sbin:/sbin
python=/usr/bin/python3
[ -x $python ] || python=python3

has() { command -v "$1" >/dev/null 2>&1; }
# Not grep -q: it would leave early, and the pipe's first command would fail.
has_library() { ldconfig -p 2>/dev/null | grep "$1" >/dev/null; }
has_perl() { perl -M"$1" -e 1 2>/dev/null; }
has_python() {
	"$python" -c 'import sys, importlib.util as u; sys.exit(u.find_spec(sys.argv[1]) is None)' \
		"$1" 2>/dev/null
}
has_server_headers() { [ -f "$("$pg_config" --pgxs 2>/dev/null)" ]; }
has_server() { [ -x "$("$pg_config" --bindir 2>/dev/null)/initdb" ]; }
has_pgtap() { [ -f "$("$pg_config" --sharedir 2>/dev/null)/extension/pgtap.control" ]; }
has_fuzzer() {
	local runtime
	runtime=$(clang -print-resource-dir 2>/dev/null) && [ -n "$runtime" ] &&
		find -L "$runtime/lib" -name 'libclang_rt.fuzzer*' 2>/dev/null | grep . >/dev/null
}
# Older clang brings its runtime along and knows no package of this name.
has_package() { ! has apt-cache || apt-cache show "$1" >/dev/null 2>&1; }
has_clang_format() { has clang-format-14 || has clang-format; }

# The version of the server that the platform brings, or that is already here.
server_version() {
	local version
	version=$("$pg_config" --version 2>/dev/null | sed -n 's/^PostgreSQL \([0-9]*\).*/\1/p')
	if [ -z "$version" ]; then
		version=$(apt-cache depends postgresql 2>/dev/null |
			sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1)
	fi
	echo "$version"
}

# Packages missing at this level, one a line; V stands for the server's version.
missing() {
	has gcc || echo gcc
	has make || echo make
	has sed && has perl || echo perl
	[ -f /usr/include/stdio.h ] || has_server_headers || echo libc6-dev
	has_server || echo postgresql
	has_server_headers || echo postgresql-server-dev-V
	[ "$(server_version)" != 13 ] || [ -f /usr/include/openssl/sha.h ] || echo libssl-dev # sha2.h wants it
	has_library 'libopenblas\.so\.0' || echo libopenblas0-pthread
	[ "$level" = build ] && return
	has_pgtap || echo postgresql-V-pgtap
	has_perl IPC::Run || echo libipc-run-perl
	has prove || echo perl
	has clang || echo clang
	has_fuzzer || ! has_package libclang-rt-dev || echo libclang-rt-dev
	has_clang_format || echo clang-format
	has clang-tidy || echo clang-tidy
	has cppcheck || echo cppcheck
	has zstd || echo zstd
	[ "$level" = check ] && return
	has python3 || echo python3
	has_python numpy || echo python3-numpy
	has_python torch || echo python3-torch
	has_python sklearn || echo python3-sklearn
	has_python psycopg2 || echo python3-psycopg2
	has fasttext || echo fasttext
}

case $level in
	build | check | bench) ;;
	*)
		echo "usage: test/deps.sh build|check|bench" >&2
		exit 2
		;;
esac

wanted=$(missing | sort -u)
[ -n "$wanted" ] || exit 0

if ! has apt-get; then
	echo "missing here, by their names on Debian:" $wanted >&2
	echo "Install what corresponds to them on this platform; there is no apt-get to do it." >&2
	exit 1
fi

apt() {
	if [ "$(id -u)" = 0 ]; then
		DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@" </dev/null
	elif has sudo; then
		sudo DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@"
	else
		echo "missing:" $wanted >&2
		echo "Install them as root (apt-get install ...): there is no sudo here." >&2
		exit 1
	fi
}

# The first time without a look at the network; package lists may be absent or old.
install() {
	local version packages
	version=$(server_version)
	packages=$(echo "$wanted" | sed "s/-V/-${version:-all}/")
	apt-cache show $packages >/dev/null 2>&1 || return 1
	echo "installing:" $packages
	apt install -y --no-install-recommends $packages
}

if ! install; then
	apt update
	install || true
fi

# What the server's version was may be known only now (libpq's pg_config, a new server).
wanted=$(missing | sort -u)
[ -z "$wanted" ] || install || true

wanted=$(missing | sort -u)
if [ -n "$wanted" ]; then
	echo "still missing:" $wanted >&2
	exit 1
fi
