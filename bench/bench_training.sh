#!/usr/bin/env bash
# Training in the server against PyTorch with the same sizes on the same data, one after the other
# in one run, repeated; in single and in mixed precision.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
. bench/load_goemotions.sh
sizes='"embedding_dim": 200, "kernel_widths": [3], "filters": 128, "hidden": 128, "attention": 256'
batches=${BATCHES:-$([ -n "$quick" ] && echo 64 || echo 64 128)}
# 2 * (E k F + F 8H + H 8H + 2H A + A) forward, twice that backward
flop=$((3 * 809472))
source=goemotions
if [ -n "$quick" ]; then
	source="SELECT text, labels, split FROM goemotions WHERE hashtext(text) % 50 = 0"
fi

for round in $(seq "$rounds"); do
	for batch in $batches; do
		for precision in single mixed; do
			psql_here -c "CALL emotion_train('bench', '$source',
				'{\"split_column\": \"split\", \"epochs\": 1, \"threads\": 2, \"batch_size\": $batch,
				  \"shard_size\": $((batch / 2)), \"precision\": \"$precision\", $sizes}')"
			psql_here -At -F ' ' -c "SELECT '${precision}_$batch', texts_per_second FROM emotion.training_epoch
				WHERE name = 'bench' ORDER BY version DESC LIMIT 1" >>"$notes"
		done
	done
	if has_python torch; then
		# shellcheck disable=SC2086
		$python bench/peer/train.py --data "$EMOTION_DATA" --batches $batches ${quick:+--warmup 0.2 --seconds 0.5 --stretches 1} | note_lines torch_
	fi
done
note peak "$(if has_python numpy; then TRIALS=${quick:+3} $python bench/peer/sgemm.py 2; else echo -; fi)"
tokens=$(psql_here -At -c "SELECT round(avg((SELECT count(*) FROM emotion_explain(text))), 2) FROM (SELECT text FROM goemotions
	WHERE split = 'train' ORDER BY md5(text) LIMIT $(size TEXTS 2000 50)) AS t")

title "Training, GoEmotions train, $tokens tokens a text, two threads" "bench/run.sh training"
columns what texts/s GFLOP/s "of sgemm's peak" "times PyTorch"
for batch in $batches; do
	for who in single mixed torch; do
		rate=$(figure $([ $who = torch ] && echo "torch_batch_$batch" || echo "${who}_$batch"))
		case $who in
			single) what="ours, batches of $batch" ;;
			mixed) what="ours, batches of $batch, mixed precision" ;;
			*) what="PyTorch, batches of $batch" ;;
		esac
		[ "$rate" != - ] || continue
		giga=$(calculate "a * b * $flop / 1e9" "$rate" "$tokens")
		row "$what" "$(thousands "$rate")" "$(rounded "$giga")" "$(calculate 'sprintf("%.0f %%", 100 * a / b)' "$giga" "$(figure peak)")" \
			"$(ratio "$rate" "$(figure "torch_batch_$batch")")"
	done
done
printf '\nOurs is one epoch inside the server, progress committed, n-grams of unknown words taught as well; nominal operations without them:\nforward 0.81 MFLOP a token, three times that in training. sgemm on two threads: %s GFLOP/s. ' "$(figure peak)"
if has_python torch; then
	echo 'PyTorch in single precision: `OPENBLAS_NUM_THREADS=1`, `OMP_NUM_THREADS=2`, length-sorted packed batches, sparse embedding gradient, tokenising and the making of batches not counted.'
else
	without "PyTorch is not here (test/deps.sh bench)"
fi
