#!/usr/bin/env bash
# Memory of one and of many connections that have scored 200 texts by the bundled model.
#
#   CONNECTIONS (100)
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
. bench/load_goemotions.sh
many=$(size CONNECTIONS 100 10)

title "Memory of connections that have scored, kB each" "bench/run.sh memory"
if ! has_python psycopg2; then
	without "there is no psycopg2 (test/deps.sh bench)"
	exit 0
fi
# A server's processes are its owner's to look into.
if [ "$(id -u)" != 0 ] && ! pgrep -u "$(id -u)" postgres >/dev/null; then
	without "the server's processes are not ours to look into"
	exit 0
fi
columns connections "private before" "private after" "more by" "shared after" "its share of all, after (PSS)"
for connections in 1 "$many"; do
	$python bench/peer/memory.py "$connections" | note_lines "of_${connections}_"
	of() { figure "of_${connections}_$1"; }
	row "$connections" "$(thousands "$(of before_private)")" "$(thousands "$(of after_private)")" \
		"$(thousands "$(calculate 'a - b' "$(of after_private)" "$(of before_private)")")" \
		"$(thousands "$(of after_shared)")" "$(thousands "$(of after_pss)")"
done
model=$(stat -c %s models/english/english.safetensors)
printf '\nThe model'"'"'s file has %s kB; what one connection more takes of its own is %s of that.\n' "$(thousands "$((model / 1024))")" \
	"$(ratio "$(calculate 'a - b' "$(of after_private)" "$(of before_private)")" "$((model / 1024))")"
