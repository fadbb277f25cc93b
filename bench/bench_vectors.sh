#!/usr/bin/env bash
# Training word vectors in the server against fastText's own program, same texts, same settings, one
# after the other in one run, repeated: words per second, and whether the vectors say the same.
#
# With GoEmotions at hand, the same network is then trained from either's vectors, once a round.
#
#   WORDS (3000000), THREADS (2), ROUNDS (2), DIM (100), EPOCHS (1), MODEL (skipgram)
#   TRAINING_EPOCHS (4): of the networks; 0: none is trained
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
words=$(size WORDS 3000000 100000) threads=${THREADS:-2} rounds=${ROUNDS:-${quick:-2}} dim=${DIM:-100} epochs=${EPOCHS:-1}
model=${MODEL:-skipgram} training_epochs=$(size TRAINING_EPOCHS 4 0)
[ -n "$EMOTION_DATA" ] && compgen -G "$EMOTION_DATA/reddit/*.txt.zst" >/dev/null || {
	echo "no reddit/*.txt.zst in EMOTION_DATA (\"$EMOTION_DATA\"): nothing measured"
	exit 0
}
command -v fasttext >/dev/null || { echo "fasttext is not installed: nothing measured"; exit 0; }
psql_here() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }
work=$(mktemp -d)
chmod 755 "$work" # the server reads fastText's file there
trap 'rm -rf "$work" "$notes"' EXIT
details=build/bench/vectors.details
mkdir -p build/bench

# Letters alone, so that both split the same words.
for file in "$EMOTION_DATA"/reddit/*.txt.zst; do zstd -dc "$file"; done 2>/dev/null |
	tr 'A-Z' 'a-z' | tr -cs 'a-z\n' ' ' | sed 's/^ *//; s/ *$//; /^$/d' |
	awk -v words="$words" '{ print; seen += NF; if (seen >= words) exit }' >"$work/text" || true
count=$(wc -w <"$work/text")
[ -r "$EMOTION_DATA/goemotions/train.tsv" ] || training_epochs=0
if [ "$training_epochs" -gt 0 ]; then
	. bench/load_goemotions.sh
	psql_here() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }
else
	psql_here -c "CREATE EXTENSION IF NOT EXISTS emotion"
fi
psql_here -c "DROP TABLE IF EXISTS bench_text" \
	-c "CREATE TABLE bench_text (text text)" -c "\\copy bench_text FROM '$work/text'" -c "VACUUM ANALYZE bench_text"

seconds() { # COMMAND...: wall time on standard output, the rest of it to $work/log
	local from
	from=$(date +%s.%N)
	"$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; return 1; }
	echo "$(date +%s.%N) $from" | awk '{ print $1 - $2 }'
}
for round in $(seq "$rounds"); do
	psql_here -c "SELECT emotion_drop_vectors(name) FROM emotion_vectors WHERE name = 'bench_$round'" >/dev/null
	took=$(seconds psql_here -c "CALL emotion_train_vectors('bench_$round', 'bench_text', options => '{\"model\": \"$model\",
		\"dim\": $dim, \"epochs\": $epochs, \"threads\": $threads, \"seed\": $round, \"buckets\": 200000,
		\"text_max_repeat\": 0, \"text_split_contractions\": false, \"text_emoji\": false}')")
	awk -v took="$took" -v words=$((count * epochs)) 'BEGIN { printf "emotion whole call %.0f words/s\n", words / took }'
	psql_here -c "SELECT 'emotion training ' || words_per_second || ' words/s, loss ' || round(loss::numeric, 4)
		FROM emotion_vectors_progress WHERE name = 'bench_$round'"
	took=$(seconds fasttext "$model" -input "$work/text" -output "$work/theirs_$round" -dim "$dim" -epoch "$epochs" \
		-thread "$threads" -bucket 200000 -minCount 5 -minn 3 -maxn 6 -ws 5 -neg 5 -lr 0.05 -t 1e-4)
	awk -v took="$took" -v words=$((count * epochs)) 'BEGIN { printf "fasttext whole run %.0f words/s\n", words / took }'
	tr '\r' '\n' <"$work/log" | awk -v threads="$threads" '/words\/sec\/thread/ { line = $0 } END {
		split(line, part, "words/sec/thread:"); split(part[2], number, " ")
		printf "fasttext training %.0f words/s\n", number[1] * threads }'
done >"$work/raw"
while read -r who what _ rate _; do note "${who}_$what" "$rate"; done < <(sed 's/ whole call / whole call /; s/ whole run / whole run /; s/ training / training - /' "$work/raw")
title "Word vectors: $(thousands "$(wc -l <"$work/text")") texts, $(thousands "$count") words, $model, dim $dim, epochs $epochs, $threads threads" "bench/run.sh vectors"
columns "" "training, words/s" "from texts to vectors, words/s"
row ours "$(thousands "$(figure emotion_training)")" "$(thousands "$(figure emotion_whole)")"
row fastText "$(thousands "$(figure fasttext_training)")" "$(thousands "$(figure fasttext_whole)")"
row "ours, times fastText" "$(ratio "$(figure emotion_training)" "$(figure fasttext_training)")" "$(ratio "$(figure emotion_whole)" "$(figure fasttext_whole)")"

# Do both find the same words alike? Cosines of pairs of the 3000 most frequent words.
tr ' ' '\n' <"$work/text" | awk 'NF { n[$1]++ } END { for (w in n) print n[w], w }' | sort -k1,1nr -k2 | awk 'NR <= 3000 { print $2 }' >"$work/words"
for round in $(seq "$rounds"); do
	psql_here -c "SELECT encode(data, 'hex') FROM emotion_export_vectors('bench_$round') ORDER BY part" | xxd -r -p >"$work/ours_$round.bin"
	for who in ours theirs; do
		fasttext print-word-vectors "$work/${who}_$round.bin" <"$work/words" >"$work/${who}_$round.txt"
	done
done
has_python numpy || exit 0
$python - "$work" "$rounds" <<'P'
import sys
import numpy as np
work, rounds = sys.argv[1], int(sys.argv[2])
def read(name):
    return {line.split()[0]: np.array(line.split()[1:], float) for line in open(f'{work}/{name}.txt')}
names = [f'{who}_{round}' for who in ('ours', 'theirs') for round in range(1, rounds + 1)]
all_vectors = {name: read(name) for name in names}
words = sorted(set.intersection(*(set(v) for v in all_vectors.values())))
random = np.random.RandomState(1)
pairs = random.randint(0, len(words), (5000, 2))
pairs = pairs[pairs[:, 0] != pairs[:, 1]]
ranks = {}
for name, vectors in all_vectors.items():
    matrix = np.array([vectors[w] for w in words])
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True) + 1e-12
    ranks[name] = np.argsort(np.argsort((matrix[pairs[:, 0]] * matrix[pairs[:, 1]]).sum(1)))
print(f'\nRank correlation of the cosines of {len(pairs):,} pairs of frequent words: ' + ', '.join(
    f'{a} and {b} {np.corrcoef(ranks[a], ranks[b])[0, 1]:.3f}'.replace('_', ' ')
    for i, a in enumerate(names) for b in names[i + 1:]) + '.')
P
for word in sad angry happy afraid disgusted surprised grateful proud jealous lonely excited nervous ashamed confused hopeful annoyed love grief relief curious; do
	printf '%-10s emotion:  %s\n' "$word" "$(psql_here -c "SELECT string_agg(word, ' ') FROM emotion_nearest_words('bench_1', '$word', 8)")"
	printf '%-10s fasttext: %s\n' '' "$(fasttext nn "$work/theirs_1.bin" 8 <<<"$word" 2>/dev/null | sed 's/^Query word? //' | awk 'NF == 2 { printf "%s ", $1 }')"
done >$details
# Is a network that begins with ours as good as one that begins with theirs? Paired on the rows of dev.
if [ "$training_epochs" -gt 0 ]; then
	echo
	echo "macro figures on dev of the same network, $training_epochs epochs, from fastText's vectors and from ours:"
	for round in $(seq "$rounds"); do
		chmod 644 "$work/theirs_$round.bin"
		psql_here -c "SET client_min_messages = warning" \
			-c "CALL emotion_import_vectors('theirs_$round', '$work/theirs_$round.bin', '{\"words_from\": \"bench_text\", \"words_column\": \"text\"}')"
		for vectors in bench_$round theirs_$round; do
			psql_here -c "SET client_min_messages = warning" -c "CALL emotion_train('from_$vectors', 'goemotions',
				'{\"split_column\": \"split\", \"vectors\": \"$vectors\", \"epochs\": $training_epochs, \"seed\": $round,
				\"threads\": $threads, \"precision\": \"mixed\", \"embedding_dim\": $dim, \"dropout_embedding\": 0.3}')"
		done
		psql_here -c "SELECT format('  round $round, %s: fasttext %s, emotion %s, difference %s (%s to %s)', metric, round(model_value::numeric, 4),
				round(other_value::numeric, 4), round(difference::numeric, 4), round(low::numeric, 4), round(high::numeric, 4))
			FROM emotion_compare('from_theirs_$round@1', 'from_bench_$round@1', 'goemotions', '{\"split_column\": \"split\", \"split\": \"dev\"}')
			ORDER BY metric DESC"
	done
fi
psql_here -c "SELECT emotion_drop_vectors(name) FROM emotion_vectors WHERE name ~ '^(bench|theirs)_'" -c "DROP TABLE bench_text" >/dev/null
