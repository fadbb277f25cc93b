#!/usr/bin/env bash
# Who may enter which room (README of the house: docs/decisions.md), as TAP: the directions of
# #include, and what the compiled plain rooms ask of the C library.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

number=0
verdict() { # NAME OFFENCES
	number=$((number + 1))
	if [ -z "$2" ]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		printf '%s\n' "$2" | sed 's/^/#   /'
	fi
}

# "" and <> alike, in branches that are not compiled, too: FILE:LINE: of every include that leads into a room not among the allowed ones.
strangers() { # ROOM ALLOWED...
	local room=$1 file line target
	shift
	grep -HnoE '^[ 	]*#[ 	]*include[ 	]*["<][^">]+[">]' "src/$room"/*.[ch] 2>/dev/null |
		while IFS= read -r line; do
			file=${line%%:*}
			target=${line#*[\"<]}
			target=$(realpath -m --relative-to=. "$(dirname "$file")/${target%[\">]}")
			# the system's
			[[ $line != *\<* || -e $target ]] || continue
			case $target in
				src/base.h | "src/$room"/*) continue ;;
			esac
			for allowed in "$@"; do
				[[ $target == "src/$allowed/"* ]] && continue 2
			done
			echo "$line leads to $target"
		done
}

verdict "src/nn knows no other room" "$(strangers nn)"
verdict "src/text knows no other room" "$(strangers text)"
verdict "src/data knows no other room" "$(strangers data)"
verdict "src/model knows nn, text and data" "$(strangers model nn text data)"
verdict "only src/pg includes PostgreSQL's headers" "$(grep -nE \
	'#[ 	]*include[ 	]*[<"](postgres|c\.h|fmgr|miscadmin|pg_config|(utils|catalog|access|executor|storage|lib|nodes|port|mb|common|commands|funcapi)[./])' \
	src/*.[ch] src/{nn,text,data,model}/*.[ch] 2>/dev/null)"

# What they include without naming it, too: the compiler sees the server's headers here.
server=$("${PG_CONFIG:-pg_config}" --includedir-server)
verdict "none of them is behind what the plain rooms include" "$(ls src/*.c src/{nn,text,data,model}/*.c |
	xargs -I FILE gcc -std=gnu11 -M -isystem "$server" FILE 2>&1 |
	tr -s ' \\' '\n' | grep -F "$server/" | sort -u)"

# By symbol, so that words in comments and strings do not count. *_chk are the fortified twins.
forbidden='_*(exit|_exit|_Exit|quick_exit|abort|assert_fail|longjmp|siglongjmp|setjmp|raise|kill)'
forbidden+='|(v|f|vf|d|vd)?printf|f?puts|f?putc|putchar|perror|psignal|system|fork'
forbidden+='|malloc|calloc|realloc|reallocarray|free|strn?dup|v?asprintf|(posix_)?memalign|aligned_alloc'
offences=
shared=
for object in src/*.o src/{nn,text,data,model}/*.o; do
	[ -e "$object" ] && [ -e "${object%.o}.c" ] || continue
	names=$(nm -u "$object" | awk '{print $2}' | sed -E 's/@.*//; s/^__(.*)_chk$/\1/; s/^__assert_fail$/assert_fail/' |
		grep -xE "$forbidden" | tr '\n' ' ')
	[ -z "$names" ] || offences+="$object calls $names"$'\n'
	# Written data with a name: state that all sessions' calls, or threads, would share.
	names=$(objdump -t "$object" | awk 'NF >= 5 && $(NF - 2) ~ /^\.(data|t?bss|tdata)$/ && $(NF - 1) !~ /^0+$/ {print $NF}' |
		grep -v '^\.' | tr '\n' ' ')
	[ -z "$names" ] || shared+="$object: $names"$'\n'
done
verdict "nothing below src/pg exits, prints or allocates by itself" "${offences%$'\n'}"

# Allowed: which OpenBLAS is loaded, which instruction set was chosen.
shared=$(printf '%s' "$shared" | grep -vE '^src/nn/(matmul|blas|activation[a-z0-9_]*|simd|dispatch)\.o:')
verdict "no state is shared below src/pg but the choice of kernels" "$shared"

echo "1..$number"
