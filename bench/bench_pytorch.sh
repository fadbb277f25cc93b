#!/usr/bin/env bash
# The network alone, token ids given: ours (build/bench/bench_network) beside PyTorch with the same weights.
#
#   BATCHES ("32 64 128 256 512")  of PyTorch, of which the quickest counts
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
. bench/load_goemotions.sh
batches=${BATCHES:-$([ -n "$quick" ] && echo 64 || echo 32 64 128 256 512)}
limit=$(size LIMIT 5426 300)
# 2 * (E k F + F 8H + H 8H + 2H A + A): what a token costs forward, hidden layers of both directions included
flop=809472

if ! has_python torch || ! has_python psycopg2; then
	title "The network alone" "bench/run.sh pytorch"
	without "there is no torch or no psycopg2 (test/deps.sh bench)"
	exit 0
fi
[ -x build/bench/bench_network ] || echo "build/bench/bench_network is not there: PyTorch alone is measured" >&2
for threads in 1 2; do note peak_$threads "$(TRIALS=${quick:+3} $python bench/peer/sgemm.py $threads)"; done
for round in $(seq "$rounds"); do
	for threads in 1 2; do
		# shellcheck disable=SC2086
		$python bench/peer/score.py network --threads $threads --batches $batches --limit "$limit" --rounds "${quick:-3}" |
			note_lines "torch_${threads}_"
	done
	$python bench/peer/score.py network --threads 1 --batches 1 --limit $((limit / 5)) --rounds "${quick:-3}" | note_lines torch_one_
	[ ! -x build/bench/bench_network ] || build/bench/bench_network | awk '
		/threads? *, from token ids/ { for (i = 1; i < NF; i++) if ($(i + 1) == "texts/s,") print "ours_" $1, $i }
		/one text, from token ids/ { for (i = 1; i < NF; i++) if ($i == "median") print "ours_one", $(i + 1) }' >>"$notes"
done

title "The network alone, GoEmotions dev, token ids given ($(figure torch_1_tokens_per_text) a text, 0.81 MFLOP each)" "bench/run.sh pytorch"
columns what texts/s GFLOP/s "of sgemm's peak" "times PyTorch on as many threads"
line() { # WHAT TEXTS/S THREADS PEER
	local giga
	[ "$2" != - ] || return 0
	giga=$(calculate "a * b * $flop / 1e9" "$2" "$(figure torch_1_tokens_per_text)")
	row "$1" "$(thousands "$2")" "$(rounded "$giga")" "$(calculate 'sprintf("%.0f %%", 100 * a / b)' "$giga" "$(figure "peak_$3")")" "$(ratio "$2" "$4")"
}
line "ours, one text at a time" "$(calculate '1e6 / a' "$(figure ours_one)")" 1 "$(figure torch_one_best)"
line "PyTorch, one text at a time, one thread" "$(figure torch_one_best)" 1 "$(figure torch_one_best)"
for threads in 1 2; do
	word=$([ $threads = 1 ] && echo "one thread" || echo "two threads")
	best=$(for batch in $batches; do echo "$(figure "torch_${threads}_batch_$batch") $batch"; done | sort -g | awk 'END { print $2 }')
	line "ours, $word" "$(figure ours_$threads)" $threads "$(figure torch_${threads}_best)"
	line "PyTorch, $word, batches of $best" "$(figure torch_${threads}_best)" $threads "$(figure torch_${threads}_best)"
done
printf '\nsgemm of OpenBLAS: %s GFLOP/s on one thread, %s on two. PyTorch: `OPENBLAS_NUM_THREADS=1`, `OMP_NUM_THREADS` as many as threads,\nlength-sorted packed batches, the quickest size of %s. One text at a time with all around it: `bench/run.sh latency`.\n' \
	"$(figure peak_1)" "$(figure peak_2)" "$batches"
