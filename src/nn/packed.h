/*
 * packed.h
 *	  A batch of sequences without padding: packed, time-major.
 *
 * Sequences are sorted by falling length; step t holds element t of the
 * active[t] sequences longer than t; row (t, b) is offset[t] + b.
 */
#ifndef EMOTION_NN_PACKED_H
#define EMOTION_NN_PACKED_H

#include "../base.h"

typedef struct nn_packed
{
	size_t sequences; /* B, empty ones included */
	size_t steps;     /* T: the longest length */
	size_t rows;      /* N */
	size_t distinct;  /* U */
	uint32_t *order;  /* (B): order[b] = the caller's number of the b-th sequence */
	uint32_t *length; /* (B) falling */
	uint32_t *active; /* (T) falling */
	uint32_t *offset; /* (T + 1); offset[T] = N */
	uint32_t *token;  /* (N): index of the row's token among the distinct ones */
	uint32_t *ids;    /* (U): the distinct tokens' ids, in order of first appearance by row */
} nn_packed;

/* One sequence of token ids. */
typedef struct nn_sequence
{
	const uint32_t *ids;
	uint32_t length;
} nn_sequence;

/*
 * A place to build packed batches in, reused from batch to batch: it grows and
 * remembers which ids it has seen by a table of `vocabulary` entries.
 */
typedef struct nn_packer
{
	const em_allocator *allocator;
	uint32_t vocabulary;
	uint32_t *slot;  /* (vocabulary): index among the distinct ids + 1 while packing, 0 between */
	nn_packed batch; /* what nn_pack built last */
	uint32_t *memory;
	size_t capacity;
} nn_packer;

em_code nn_packer_init(nn_packer *packer, const em_allocator *allocator, uint32_t vocabulary,
					   em_status *status);
void nn_packer_free(nn_packer *packer);

/*
 * Pack the sequences (ids all below vocabulary) into packer->batch, valid until the next
 * call. Equal lengths keep their order.
 */
em_code nn_pack(nn_packer *packer, const nn_sequence *sequences, size_t count, em_status *status);

#endif /* EMOTION_NN_PACKED_H */
