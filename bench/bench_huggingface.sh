#!/usr/bin/env bash
# A checkpoint of DistilRoBERTa's size (330 MB, random weights) imported, in several ways of storing it: time, memory, disk; its first
# scores; dump and restore.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
what=$([ -n "$quick" ] && echo small || echo "of DistilRoBERTa's size, random weights")
title "A checkpoint $what, imported" "bench/run.sh huggingface"
bpe=${EMOTION_DATA:-}/roberta-bpe
if ! has_python torch || ! has_python psycopg2 || [ ! -r "$bpe/tokenizer.json" ]; then
	without "there is no torch, no psycopg2 (test/deps.sh bench) or no \$EMOTION_DATA/roberta-bpe/tokenizer.json"
	exit 0
fi
work=$(mktemp -d)
chmod 755 "$work"
before=${PGDATABASE:-postgres}
leave() {
	PGDATABASE=$before psql_here -c "DROP DATABASE IF EXISTS bench_huggingface" -c "DROP DATABASE IF EXISTS bench_restored"
	rm -rf "$work" "$notes"
}
trap leave EXIT
$python bench/peer/transformer.py make "$work" ${quick:+--small} --no-onnx
rm "$work/bench.safetensors"
cp "$bpe/tokenizer.json" "$bpe/tokenizer_config.json" "$work/checkpoint/"
chmod 644 "$work"/checkpoint/*
files_mb=$(du -cb "$work"/checkpoint/* | awk 'END { printf "%.1f", $1 / 1e6 }')
psql_here -c "DROP DATABASE IF EXISTS bench_huggingface" -c "DROP DATABASE IF EXISTS bench_restored" \
	-c "CREATE DATABASE bench_huggingface" -c "CREATE DATABASE bench_restored"
export PGDATABASE=bench_huggingface
psql_here -c "CREATE EXTENSION emotion" -c "CREATE TABLE said AS SELECT i AS id, 'thank you for number ' || i || ', I ' || word || ' it' AS body
	FROM generate_series(1, 5) AS i, unnest('{love,hate,miss,fear}'::text[]) AS word"

watched() { $python bench/peer/watched.py "$@" >>"$notes"; }
disk() { psql_here -At -c "SELECT pg_total_relation_size('emotion.model_part') + pg_total_relation_size('emotion.model')"; }
milliseconds() { # NAME COMMAND...
	local begin
	begin=$(date +%s%N)
	"${@:2}"
	note "$1_ms" $((($(date +%s%N) - begin) / 1000000))
}
imported() { note "$1_disk" "$(($(disk) - $2))"; } # NAME, disk before
send() { # as README says
	local file
	for file in "$work"/checkpoint/*; do
		psql_here >/dev/null <<-SQL
			\\lo_import $file
			\\set file :LASTOID
			INSERT INTO emotion.import_part (upload, part, data) SELECT 'sent/$(basename "$file")', i, lo_get(:file, i * 1048576::bigint, 1048576)
			FROM generate_series(0, 4095) AS i WHERE length(lo_get(:file, i * 1048576::bigint, 1)) > 0;
			\\lo_unlink :file
		SQL
	done
}

# the checkpoint's files are read once before, so that no disk is measured
cat "$work"/checkpoint/* >"$work/all" && rm "$work/all"
storages=()
for storage in checkpoint f16 i8; do
	held=$(disk)
	watched "import_$storage" "CALL emotion_import_huggingface('of_$storage', '$work/checkpoint', '{\"storage\": \"$storage\"}')" 2>"$work/log" || {
		sed '/^$/d' "$work/log" | tail -n 2 >&2
		continue
	}
	imported "import_$storage" "$held"
	storages+=("$storage")
done
held=$(disk)
milliseconds send send
watched upload "CALL emotion_import_huggingface_upload('sent', 'sent', '{}')"
imported upload "$held"
for storage in "${storages[@]}"; do
	for which in first second; do watched "${which}_$storage" "SELECT emotion_scores('thank you so much', 'of_$storage@1')"; done
done

psql_here -c "SELECT emotion_drop_model('sent@1')" -c "VACUUM FULL emotion.model_part" >/dev/null
models=$(printf 'of_%s@1,' "${storages[@]}")
answers() {
	psql_here -At -d "$1" -c "SELECT m, md5(string_agg(emotion_scores(body, m)::text, ';' ORDER BY id, body))
		FROM said, unnest('{${models%,}}'::text[]) AS m GROUP BY m ORDER BY m"
}
held=$(answers bench_huggingface)
milliseconds dump pg_dump -Fc -f "$work/dump"
milliseconds restore pg_restore -d bench_restored "$work/dump"
same=$([ "$held" = "$(answers bench_restored)" ] && echo "the same" || echo "NOT THE SAME")

columns what seconds "peak of the process's own memory, MB" "with shared buffers and mapped files, MB" "disk, MB" "times the files"
mb() { calculate 'sprintf("%.0f", a * b / 1e6)' "$(figure "$1")" "$2"; }
line() { # WHAT NAME
	row "$1" "$(rounded "$(calculate 'a / 1000' "$(figure "$2_ms")")" 2)" "$(mb "$2_private" 1024)" "$(mb "$2_all" 1024)" "$(mb "$2_disk" 1)" \
		"$(calculate 'sprintf("%.2f", a / 1e6 / b)' "$(figure "$2_disk")" "$files_mb")"
}
line '`CALL emotion_import_huggingface`, as it is' import_checkpoint
for storage in "${storages[@]:1}"; do line "the same, \`storage\` => \`$storage\`" "import_$storage"; done
line 'files sent by psql, 1 MB pieces' send
line '`CALL emotion_import_huggingface_upload` of them' upload
for storage in "${storages[@]}"; do
	line "first score by \`of_$storage\`, which makes the shared copy" "first_$storage"
	line "first score of the next connection" "second_$storage"
done
note dump_disk "$(stat -c %s "$work/dump")"
line '`pg_dump -Fc` of the models' dump
line '`pg_restore` of them' restore
printf '\nThe files have %s MB. Scores of 20 texts by each model after dump and restore: %s.\n' "$files_mb" "$same"
