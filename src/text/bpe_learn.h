/*
 * bpe_learn.h
 *	  Texts -> a byte-level BPE tokeniser of their own, with RoBERTa's special tokens.
 *
 * The algorithm of Sennrich et al. 2016, arXiv 1508.07909: every byte is a token; then the pair of
 * tokens that stands most often side by side within a piece of a text becomes one, again and again.
 * The merges are those of Hugging Face's ByteLevelBPETokenizer.train (test/reference/bpe.sh learn
 * compares): of equal counts the pair of the lowest ids, the left one first.
 *
 * Ids: <s> 0, <pad> 1, </s> 2, <unk> 3, <mask> 4, the bytes in the order of the characters that spell
 * them, the merges in their order.
 */
#ifndef EMOTION_TEXT_BPE_LEARN_H
#define EMOTION_TEXT_BPE_LEARN_H

#include "bpe.h"

/*
 * A longer piece is learned from as several: bounds the length of tokens, and the work that one
 * endless word makes.
 */
#define TEXT_BPE_LEARN_PIECE 1024

/* The special tokens and the bytes. */
#define TEXT_BPE_LEARN_MIN_SIZE 261

typedef struct text_bpe_learn_options
{
	uint32_t
		vocabulary_size; /* TEXT_BPE_LEARN_MIN_SIZE..TEXT_BPE_MAX_IDS; fewer if texts are few */
	uint64_t min_count;  /* a pair is merged that occurs so often; 1.. */
} text_bpe_learn_options;

/* 30,000 and 2, as Hugging Face. */
void text_bpe_learn_options_default(text_bpe_learn_options *options);

typedef struct text_bpe_learner text_bpe_learner;

/* Free it with text_bpe_learner_free, which may be given NULL. */
em_code text_bpe_learner_create(const em_allocator *allocator, text_bpe_learner **learner,
								em_status *status);
void text_bpe_learner_free(text_bpe_learner *learner);

/*
 * Count the pieces of a text (any bytes; special tokens are not looked for). Its first piece is one
 * without a space before it, as for an encoder without rules.add_prefix_space. EM_OUT_OF_MEMORY, or
 * EM_LIMIT beyond 2^31 different pieces.
 */
em_code text_bpe_learner_add(text_bpe_learner *learner, const char *text, size_t length,
							 em_status *status);

/* Bytes of the different pieces so far, upon which all memory depends. */
uint64_t text_bpe_learner_bytes(const text_bpe_learner *learner);

/*
 * The tokeniser (free it with em_release) of the texts added; more may follow. The same texts, in
 * any order, give the same one. Takes 50 to 100 bytes of memory for each of text_bpe_learner_bytes, and at
 * most 300; O(n log n) in the number of places that merges change. EM_INVALID_OPTION; EM_CANCELLED when
 * should_stop (may be NULL) says so; EM_OUT_OF_MEMORY; EM_LIMIT beyond 2^32 places.
 *
 * bpe_file_make makes the tokenizer.json that a model keeps.
 */
em_code text_bpe_learner_finish(const text_bpe_learner *learner,
								const text_bpe_learn_options *options, em_should_stop should_stop,
								void *context, text_bpe **bpe, em_status *status);

#endif /* EMOTION_TEXT_BPE_LEARN_H */
