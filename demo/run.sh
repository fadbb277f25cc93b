#!/usr/bin/env bash
# From a checkout to scores and a trained model, on a private server that other servers and their
# data never notice.
#
#   make demo            build, install, start the server, run demo/demo.sql
#   demo/run.sh stop     stop that server and remove it
#
# The server stays up to be looked at; a second run replaces it.
set -euo pipefail
cd "$(dirname "$0")/.."
remembered=build/demo-server
. test/cluster.sh

remove_server() {
	local directory
	[ -f $remembered ] || return 0
	directory=$(cat $remembered)
	# Only what this script made.
	if [[ $directory == /tmp/emotion-demo.* && -d $directory ]]; then
		cluster_stop "$directory"
		rm -rf "$directory"
	fi
	rm -f $remembered
}

if [ "${1:-}" = stop ]; then
	remove_server
	exit
fi

MAKEFLAGS= "${MAKE:-make}" --no-print-directory -s -j"$(nproc 2>/dev/null || echo 2)" all
install_extension
remove_server

directory=$(mktemp -d /tmp/emotion-demo.XXXXXX)
chmod 755 "$directory"
mkdir -p build
echo "$directory" >$remembered
cp demo/demo.sql demo/goemotions-sample.tsv "$directory/"
[ "$(id -u)" != 0 ] || chown -R "$cluster_user" "$directory"
trap 'status=$?; [ $status = 0 ] || remove_server; exit $status' EXIT
trap 'exit 130' INT TERM
cluster_start "$directory" "synchronous_commit = off" "max_connections = 20"

cd "$directory"
as_db_user createdb demo
as_db_user psql -Xq -v ON_ERROR_STOP=1 -P pager=off -d demo <demo.sql
cd - >/dev/null

cat <<END

The server is still up. Go on with

    $bindir/psql -h $directory -p $PGPORT -U postgres demo

and remove it, when you have seen enough, with

    demo/run.sh stop
END
