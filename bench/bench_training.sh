#!/usr/bin/env bash
# Training in the server against PyTorch with the same sizes on the same data, one after the other
# in one run, repeated: samples per second, seconds per epoch, and the ratio.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/load_goemotions.sh
rounds=${ROUNDS:-3}
sizes='"embedding_dim": 200, "kernel_widths": [3], "filters": 128, "hidden": 128, "attention": 256'

for round in $(seq "$rounds"); do
	for batch in 64 128; do
		psql_here -c "SET client_min_messages = warning" -c "CALL emotion_train('bench', 'goemotions',
			'{\"split_column\": \"split\", \"epochs\": 1, \"threads\": 2, \"batch_size\": $batch,
			  \"shard_size\": $((batch / 2)), $sizes}')"
		psql_here -At -F ' ' -c "SELECT 'emotion_batch_$batch', round(texts_per_second::numeric), 'samples/s',
			round(seconds::numeric, 1), 's/epoch with evaluation' FROM emotion.training_epoch
			WHERE name = 'bench' ORDER BY version DESC LIMIT 1"
	done
	/usr/bin/python3 bench/torch_peer.py --data "$EMOTION_DATA" | sed 's/^/pytorch_/'
done | tee build/bench/training.raw
awk '{ value[$1] = value[$1] " " $2 }
	function median(list,   n, a, i, j, t) {
		n = split(list, a, " ")
		for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (a[j] < a[i]) { t = a[i]; a[i] = a[j]; a[j] = t }
		return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
	}
	END { print ""; print "medians:"
		for (name in value) printf "%-40s %.4g\n", name, median(value[name]) }' build/bench/training.raw
