# Sourced by benches, PG* name the database: figures noted by name, their medians, Markdown tables of ratios.
#
#   QUICK=1     small sizes and one round, to see that all runs: the figures mean nothing then
#   ROUNDS      how often what is compared is measured, one after the other in turn
quick=${QUICK:+1}
rounds=${ROUNDS:-${quick:-3}}
python=/usr/bin/python3
[ -x $python ] || python=python3
notes=$(mktemp)
trap 'rm -f "$notes"' EXIT

export PGOPTIONS="-c client_min_messages=warning"
psql_here() { psql -Xq -v ON_ERROR_STOP=1 "$@"; }
has_python() { "$python" -c "import $1" 2>/dev/null; }

# size NAME USUAL QUICK: the variable of that name, or what is usual
size() { echo "${!1:-$([ -n "$quick" ] && echo "$3" || echo "$2")}"; }

note() { echo "$1 $2" >>"$notes"; }
note_lines() { sed "s/^/$1/" >>"$notes"; } # lines "name value", each with a prefix
figure() {                                 # its median; - when it was not measured
	awk -v name="$1" '$1 == name { print $2 }' "$notes" | sort -g | awk '{ a[NR] = $1 }
		END { print NR == 0 ? "-" : NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2 }'
}
calculate() { awk -v a="${2:-0}" -v b="${3:-0}" -v c="${4:-0}" "BEGIN { if (a == \"-\" || b == \"-\" || c == \"-\") print \"-\"; else print $1 }"; }
ratio() { calculate 'b == 0 ? "-" : sprintf("%.2f", a / b)' "$1" "$2"; }
rounded() { calculate "sprintf(\"%.${2:-0}f\", a)" "$1"; }
thousands() { calculate 'sprintf("%.0f", a)' "$1" | sed -E ':a; s/^([0-9]+)([0-9]{3})/\1,\2/; ta'; }

# ms that the last of these statements took, in a session of its own
last_ms() {
	local arguments=() statement
	for statement in "${@:1:$#-1}"; do arguments+=(-c "$statement"); done
	psql_here -At "${arguments[@]}" -c '\timing on' -c "${*: -1}" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -n 1
}
# The server's settings for so many processes in all; the leader waits when there are more than one.
processes() {
	echo "SET max_parallel_workers_per_gather = $(($1 > 1 ? $1 : 0)); SET parallel_leader_participation = off;
		SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET jit = off"
}

# A title and the command that makes the table below it.
title() { printf '\n### %s: `%s`\n\n' "$1" "$2"; }
columns() { # CELL...
	printf '|'
	printf ' %s |' "$@"
	printf '\n|'
	printf -- '---|%.0s' "$@"
	printf '\n'
}
row() {
	printf '|'
	printf ' %s |' "$@"
	printf '\n'
}
without() { printf '\nNot measured: %s.\n' "$1"; }
