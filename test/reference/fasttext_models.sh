#!/usr/bin/env bash
# Small models of Debian's fasttext, for test_fasttext.c and as seeds of fuzz_vectors.c.
#
#   test/reference/fasttext_models.sh        writes test/fuzz/corpus/vectors/*
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$PWD/test/fuzz/corpus/vectors
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

# lines of made-up words; every third begins with a label
perl -e 'srand(7); my @s = qw(ba ko li mü né ta ro shi); my @w = map { join "", map { $s[rand @s] } 1 .. 2 + rand 2 } 1 .. 40;
	for my $n (1 .. 300) { print "__label__", $n % 3, " ", join(" ", map { $w[int(40 * rand() ** 2)] } 1 .. 8), "\n" }' >"$work/text"
sed 's/^[^ ]* //' "$work/text" >"$work/plain"

common="-thread 1 -verbose 0 -minCount 1"
fasttext cbow -input "$work/plain" -output "$work/cbow" $common -dim 3 -bucket 100 -minn 2 -maxn 4 -epoch 2
fasttext skipgram -input "$work/plain" -output "$work/skipgram" $common -dim 2 -maxn 0 -loss hs -epoch 2
fasttext supervised -input "$work/text" -output "$work/labels" $common -dim 2 -bucket 300 -minn 2 -maxn 3 -epoch 5
fasttext quantize -input "$work/text" -output "$work/labels" -dsub 2
cp "$work/labels.ftz" "$work/quantised.ftz"
fasttext quantize -input "$work/text" -output "$work/labels" -dsub 1 -qnorm -cutoff 260
cp "$work/labels.ftz" "$work/pruned.ftz"
head -n 20 "$work/skipgram.vec" | sed '1s/.*/19 2/' >"$work/header.vec"
tail -n 5 "$work/cbow.vec" >"$work/plain.vec"

cp "$work"/{cbow.bin,skipgram.bin,quantised.ftz,pruned.ftz,header.vec,plain.vec} "$out/"

# our own file (docs/vectors-file.md)
python3 - "$out/ours" <<'EOF'
import json, struct, sys

header = json.dumps({
    "__metadata__": {
        "format": "emotion_vectors", "format_version": "1", "words": "tea\nsugar", "counts": "9\n7",
        "configuration": json.dumps({"dim": 2, "buckets": 9, "min_n": 2, "max_n": 3, "epochs": 5}),
    },
    "input": {"dtype": "F32", "shape": [4, 2], "data_offsets": [0, 32]},
    "buckets": {"dtype": "U32", "shape": [2], "data_offsets": [32, 40]},
    "output": {"dtype": "F32", "shape": [2, 2], "data_offsets": [40, 56]},
}).encode()
with open(sys.argv[1], "wb") as file:
    file.write(struct.pack("<Q", len(header)) + header + struct.pack("<8f2I4f", *range(8), 3, 8, 1, 2, 3, 4))
EOF
ls -l "$out"
