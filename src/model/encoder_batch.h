/*
 * encoder_batch.h
 *	  A batch of texts for the encoder: their tokens end to end, without padding.
 *
 * Text b has the rows start[b] .. start[b + 1] - 1, in the order given; token t of it stands at
 * position t.
 */
#ifndef EMOTION_MODEL_ENCODER_BATCH_H
#define EMOTION_MODEL_ENCODER_BATCH_H

#include "../nn/packed.h"

typedef struct encoder_batch
{
	size_t texts;    /* B */
	size_t rows;     /* N */
	size_t longest;  /* T: tokens of the longest text */
	size_t pairs;    /* sum of squares of the lengths: cells of attention, per head */
	size_t distinct; /* U */
	uint32_t *start; /* (B + 1) */
	uint32_t *token; /* (N): index of the row's token among the distinct ones */
	uint32_t *ids;   /* (U): the distinct tokens' ids, in order of first appearance */
} encoder_batch;

/* A place to build batches in, reused from batch to batch: as nn_packer. */
typedef struct encoder_batcher
{
	const em_allocator *allocator;
	uint32_t vocabulary;
	uint32_t longest; /* tokens of a text, at most */
	uint32_t pad;
	uint32_t *slot;      /* (vocabulary): index among the distinct ids + 1 while building, else 0 */
	encoder_batch batch; /* what encoder_batcher_fill built last */
	uint32_t *memory;
	size_t capacity;
} encoder_batcher;

struct encoder_layout;
em_code encoder_batcher_init(encoder_batcher *batcher, const em_allocator *allocator,
							 const struct encoder_layout *layout, em_status *status);
void encoder_batcher_free(encoder_batcher *batcher);

/*
 * Make batcher->batch of the sequences, valid until the next call. EM_INVALID_DATA for a text
 * without tokens (<s> and </s> at least are the tokeniser's duty) or with more than layout->longest, and
 * for an id that is not in the vocabulary or that of padding.
 */
em_code encoder_batcher_fill(encoder_batcher *batcher, const nn_sequence *sequences, size_t count,
							 em_status *status);

/*
 * How many of the next `count` texts make a batch of at most `rows` tokens: 1 at least. Sorting texts
 * by length first is of no use: nothing is padded.
 */
size_t encoder_batch_take(const nn_sequence *sequences, size_t count, size_t rows);

/* Tokens from which on larger batches are hardly faster (bench/bench_encoder.c). */
#define ENCODER_BATCH_ROWS 1024

#endif /* EMOTION_MODEL_ENCODER_BATCH_H */
