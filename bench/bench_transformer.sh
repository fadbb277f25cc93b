#!/usr/bin/env bash
# A transformer of DistilRoBERTa's size with random weights, texts of 13 words: ours beside onnxruntime and
# PyTorch in one run, in turn, on two threads, the same weights and token ids; and in SQL with two workers.
#
#   TEXTS (2000), LOOK (256: texts by which the peers' batch size is chosen), BATCHES ("1,8,32,64")
#   ONNXRUNTIME (build/bench/onnxruntime: where onnxruntime-node stands, or is put by npm)
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
version=1.30.0

# bench/bench_transformer.sh serve MODEL: the SQL, as rounds.py wants it
if [ "${1:-}" = serve ]; then
	psql_here -c "SELECT emotion_scores('warm', '$2')" >/dev/null
	echo "ready 0"
	while read -r _ count; do
		ms=$(last_ms "$(processes 2)" "DROP TABLE IF EXISTS bench_filled" "SELECT emotion_scores('warm', '$2')" \
			"CREATE TABLE bench_filled AS SELECT id, emotion_scores(body, '$2') AS scores FROM bench_text WHERE id <= $count")
		off=$(psql_here -At -c "SELECT max(abs(a - b)) FROM bench_filled JOIN bench_expected AS e USING (id),
			unnest(bench_filled.scores, e.scores) AS u (a, b)")
		echo "$(calculate 'a / 1000' "$ms") $off"
	done
	exit 0
fi

texts=$(size TEXTS 2000 40)
look=$(size LOOK 256 20)
batches=$(size BATCHES 1,8,32,64 8,32)
title "A transformer of DistilRoBERTa's size, texts of 13 words, two threads" "bench/run.sh transformer"
if ! has_python torch; then
	without "there is no torch (test/deps.sh bench)"
	exit 0
fi
work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work" "$notes"' EXIT
$python - "$work" "$texts" <<-'PYTHON'
	import os, sys
	texts = {}
	for name in ("train", "dev"):
	    path = os.path.join(os.environ.get("EMOTION_DATA", ""), "goemotions", name + ".tsv")
	    for line in open(path, encoding="utf-8") if os.path.exists(path) else []:
	        text = line.split("\t")[0]
	        if len(text.split()) == 13:
	            texts[text] = None
	if texts:
	    with open(os.path.join(sys.argv[1], "texts"), "w", encoding="utf-8") as file:
	        file.writelines(text + "\n" for text in list(texts)[:int(sys.argv[2])])
PYTHON
bpe=${EMOTION_DATA:-}/roberta-bpe
words=()
if [ -s "$work/texts" ] && [ -r "$bpe/tokenizer.json" ]; then
	${CC:-cc} -std=gnu11 -O2 -o "$work/bpe_encode" test/reference/bpe_encode.c src/base.c src/text/*.c \
		src/model/bpe_*.c src/model/json*.c -lm
	words=(--texts "$work/texts" --tokenise "$work/bpe_encode $bpe/tokenizer.json")
	texts=$(wc -l <"$work/texts")
elif [ "$texts" -gt 228 ]; then
	texts=228 # as many of random ids are made
fi
modules=${ONNXRUNTIME:-build/bench/onnxruntime}/node_modules
onnx=
if command -v node >/dev/null; then
	[ -d "$modules/onnxruntime-node" ] || [ -n "$quick" ] || ! command -v npm >/dev/null ||
		npm install --silent --no-save --ignore-scripts --no-audit --no-fund --prefix "$(dirname "$modules")" "onnxruntime-node@$version" >&2 || true
	[ ! -d "$modules/onnxruntime-node" ] || onnx=1
fi
$python bench/peer/transformer.py make "$work" ${quick:+--small} $([ -n "$onnx" ] || echo --no-onnx) "${words[@]}" 2>"$work/log" || {
	cat "$work/log" >&2
	exit 1
}

ours=build/bench/bench_encoder
[ -x $ours ] || echo "$ours is not there: the peers alone are measured" >&2
contenders=()
[ ! -x $ours ] || contenders+=("peak:0:$ours $work/bench.safetensors serve peak 2")
for kind in float int8; do
	[ ! -x $ours ] || contenders+=("ours_$kind:0:$ours $work/bench.safetensors serve $kind 2")
	[ -z "$onnx" ] || for variant in "" _fused; do
		contenders+=("onnx_$kind:$batches:node bench/peer/transformer.js $modules $work $kind$variant 2")
	done
	contenders+=("torch_$kind:$batches:$python bench/peer/transformer.py serve $work $kind 2>>$work/log")
done

# in SQL, too, when there are words and a server
storages=()
if [ ${#words[@]} -gt 0 ] && [ -n "${PGHOST:-}" ]; then
	cp "$bpe/tokenizer.json" "$bpe/tokenizer_config.json" "$work/checkpoint/"
	psql_here -c "DROP EXTENSION IF EXISTS emotion CASCADE" -c "CREATE EXTENSION emotion" -c "DROP TABLE IF EXISTS bench_text, bench_expected" \
		-c "CREATE TABLE bench_text (id serial, body text) WITH (fillfactor = 10)" -c "\\copy bench_text (body) FROM PROGRAM 'sed ''s/\\\\/\\\\\\\\/g'' $work/texts'" \
		-c "CREATE TABLE bench_expected (id int, scores real[])" -c "\\copy bench_expected FROM '$work/scores.tsv'" -c "VACUUM ANALYZE bench_text"
	for pair in float:f32 int8:i8; do
		psql_here -c "CALL emotion_import_huggingface('bench_${pair#*:}', '$work/checkpoint', '{\"storage\": \"${pair#*:}\"}')" 2>>"$work/log" || continue
		storages+=("${pair%:*}")
		contenders+=("sql_${pair%:*}:0:bash bench/bench_transformer.sh serve bench_${pair#*:}@1")
	done
fi
$python bench/peer/rounds.py "$rounds" "$texts" "$look" "${contenders[@]}" >>"$notes"

rate() { calculate 'b / a' "$(figure "$1_seconds")" "$texts"; }
spread() { # of the rounds, in percent of the median
	awk -v name="$1_seconds" '$1 == name { n++; if (n == 1 || $2 < least) least = $2; if ($2 > most) most = $2 } END { if (n) print least, most; else print "- -" }' "$notes" |
		{ read -r least most && calculate 'sprintf("%.0f %%", 100 * (b - a) / c)' "$least" "$most" "$(figure "$1_seconds")"; }
}
columns what texts/s "spread of rounds" "GFLOP a text" "of sgemm's peak" "times onnxruntime" "times PyTorch"
line() { # WHAT NAME WORK KIND
	[ "$(figure "$2_seconds")" != - ] || return 0
	row "$1" "$(rounded "$(rate "$2")" 1)" "$(spread "$2")" "$(rounded "$3" 2)" \
		"$(calculate 'sprintf("%.0f %%", 100 * a * b / c)' "$(rate "$2")" "$3" "$(figure peak_seconds)")" \
		"$(ratio "$(rate "$2")" "$(rate "onnx_$4")")" "$(ratio "$(rate "$2")" "$(rate "torch_$4")")"
}
for kind in float int8; do
	word=$([ $kind = float ] && echo "floats" || echo "8 bits")
	ours=$(figure "ours_${kind}_work") full=$(figure "torch_${kind}_work")
	own=$([ "$(figure "onnx_${kind}_variant")" != 1 ] || echo ", its own operators")
	line "ours, $word" ours_$kind "$ours" $kind
	line "ours in SQL, $word, two workers" sql_$kind "$ours" $kind
	line "onnxruntime $version, $word, batches of $(figure "onnx_${kind}_batch")$own" onnx_$kind "$full" $kind
	line "PyTorch, $word, batches of $(figure "torch_${kind}_batch")" torch_$kind "$full" $kind
done
off() { calculate 'sprintf("%.1g", a)' "$(figure "$1_difference")"; }
printf '\nsgemm of OpenBLAS on both cores at the same time: %s GFLOP/s. %s texts, %s rounds in turn, medians; token ids are given (not in SQL, which reads\n' \
	"$(rounded "$(figure peak_seconds)" 1)" "$texts" "$rounds"
printf 'words). Ours: batches of 1,024 tokens, one a thread; the last layer computes what the head reads, the others all. Peers: batches sorted by length,\n'
printf 'the quickest size of %s. Logits differ from PyTorch'"'"'s in floats by at most %s (ours), %s (onnxruntime); in 8 bits by %s (ours), %s (onnxruntime), %s (PyTorch).\n' \
	"${batches//,/ }" "$(off ours_float)" "$(off onnx_float)" "$(off ours_int8)" "$(off onnx_int8)" "$(off torch_int8)"
[ -n "$onnx" ] || without "onnxruntime, for want of node, npm or the network (npm install onnxruntime-node@$version --prefix build/bench/onnxruntime)"
for kind in "${storages[@]}"; do echo "Scores in SQL, $kind, differ by at most $(off "sql_$kind")."; done
[ ${#storages[@]} != 0 ] || without "SQL, for want of a server or of EMOTION_DATA"
