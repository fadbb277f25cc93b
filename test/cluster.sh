# Sourced: a private PostgreSQL server in a directory of its own, reachable by its socket alone.
#
#   cluster_user            the ordinary user who runs it (a server refuses to be run by root)
#   as_db_user COMMAND...   runs it as that user
#   cluster_start DIRECTORY [SETTING...]   makes or restarts it; sets PGHOST, PGPORT, PGUSER
#   cluster_stop DIRECTORY  stops it, whatever it does
#   install_extension       what was built here, unless that is installed already

pg_config=${PG_CONFIG:-pg_config}
bindir=$("$pg_config" --bindir)
export PATH=$bindir:$PATH:/usr/sbin

if [ "$(id -u)" = 0 ]; then
	cluster_user=${EMOTION_USER:-postgres}
	if ! id "$cluster_user" >/dev/null 2>&1; then
		echo "no user \"$cluster_user\" to run a server as; set EMOTION_USER to an ordinary user" >&2
		exit 1
	fi
else
	cluster_user=$(id -un)
fi

as_db_user() {
	if [ "$(id -u)" != 0 ]; then
		"$@"
	elif command -v runuser >/dev/null; then
		HOME=/nonexistent runuser -u "$cluster_user" -- "$@"
	else
		HOME=/nonexistent setpriv --reuid="$cluster_user" --init-groups \
			--regid="$(id -g "$cluster_user")" "$@"
	fi
}

cluster_start() {
	local directory=$1
	shift
	export PGHOST=$directory PGUSER=postgres PGDATABASE=postgres
	# Names the socket's file only: no TCP port is opened.
	export PGPORT=${EMOTION_PORT:-54321}
	unset PGSERVICE PGPASSFILE PGOPTIONS PGSSLMODE PGCLIENTENCODING PGTZ PGDATESTYLE
	if [ ! -f "$directory/data/PG_VERSION" ]; then
		(cd "$directory" &&
			as_db_user initdb -D "$directory/data" -U postgres -A trust -N \
				--encoding=UTF8 --locale=C >"$directory/initdb.log" 2>&1) || {
			cat "$directory/initdb.log" >&2
			return 1
		}
		{
			echo "listen_addresses = ''"
			echo "unix_socket_directories = '$directory'"
			echo "port = $PGPORT"
			echo "timezone = 'UTC'"
			echo "log_line_prefix = '%m [%p] %q%a '"
			printf '%s\n' "$@"
		} >>"$directory/data/postgresql.conf"
	fi
	# EMOTION_UNDER: what the server is started by (env LD_PRELOAD=..., valgrind ...).
	printf '#!/bin/sh\nexec %s "%s/postgres" "$@"\n' "${EMOTION_UNDER:-}" "$bindir" >"$directory/postgres"
	chmod 755 "$directory/postgres"
	(cd "$directory" && as_db_user pg_ctl -p "$directory/postgres" -D "$directory/data" -l "$directory/server.log" \
		-s -w start </dev/null) || {
		cat "$directory/server.log" >&2
		return 1
	}
}

cluster_stop() {
	local directory=$1
	[ -f "$directory/data/postmaster.pid" ] || return 0
	(cd "$directory" && as_db_user pg_ctl -D "$directory/data" -s -w -m fast -t 20 stop ||
		as_db_user pg_ctl -D "$directory/data" -s -w -m immediate stop) </dev/null || true
}

# Is what was built here what the server would load?
is_installed() {
	local share file
	share=$("$pg_config" --sharedir)/extension
	cmp -s emotion.so "$("$pg_config" --pkglibdir)/emotion.so" || return 1
	for file in emotion.control emotion--*.sql; do
		cmp -s "$file" "$share/$file" || return 1
	done
	for file in models/*.safetensors models/*/*.safetensors; do
		[ ! -e "$file" ] || cmp -s "$file" "$share/emotion/$(basename "$file")" || return 1
	done
}

# Install into the server's own directories: before PostgreSQL 18 it looks nowhere else.
install_extension() {
	local sudo=
	if [ "$(id -u)" != 0 ] && [ ! -w "$("$pg_config" --pkglibdir)" ]; then
		is_installed && return
		if ! command -v sudo >/dev/null; then
			echo "cannot write to $("$pg_config" --pkglibdir), and there is no sudo:" \
				"run \"make install\" as root first, or this as root" >&2
			return 1
		fi
		sudo="sudo PG_CONFIG=$pg_config"
	fi
	$sudo "${MAKE:-make}" --no-print-directory -s install
}
