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

/*
 * Tokens without a row of their own in the table: the vector of bag x is the mean of the rows
 * rows[offset[x]] .. rows[offset[x + 1] - 1], zero without any; a row that is there twice counts
 * twice.
 */
typedef struct nn_bags
{
	size_t count;           /* X */
	const uint32_t *offset; /* (X + 1) */
	const uint32_t *rows;   /* (offset[X]) of the table */
} nn_bags;

typedef struct nn_packed
{
	size_t sequences;    /* B, empty ones included */
	size_t steps;        /* T: the longest length */
	size_t rows;         /* N */
	size_t distinct;     /* U */
	uint32_t *order;     /* (B): order[b] = the caller's number of the b-th sequence */
	uint32_t *length;    /* (B) falling */
	uint32_t *active;    /* (T) falling */
	uint32_t *offset;    /* (T + 1); offset[T] = N */
	uint32_t *token;     /* (N): index of the row's token among the distinct ones */
	uint32_t *ids;       /* (U): the distinct tokens' ids, in order of first appearance by row */
	uint32_t vocabulary; /* ids from here on name bags: vocabulary + x is bag x */
	const nn_bags *bags; /* NULL: none */
} nn_packed;

/* One sequence of token ids. */
typedef struct nn_sequence
{
	const uint32_t *ids;
	uint32_t length;
} nn_sequence;

/*
 * A place to build packed batches in, reused from batch to batch: it grows and
 * remembers which ids it has seen by a table of an entry each.
 */
typedef struct nn_packer
{
	const em_allocator *allocator;
	uint32_t vocabulary;
	const nn_bags *bags;
	size_t slots;    /* at least vocabulary and bags */
	uint32_t *slot;  /* (slots): index among the distinct ids + 1 while packing, 0 between */
	nn_packed batch; /* what nn_pack built last */
	uint32_t *memory;
	size_t capacity;
} nn_packer;

em_code nn_packer_init(nn_packer *packer, const em_allocator *allocator, uint32_t vocabulary,
					   em_status *status);
void nn_packer_free(nn_packer *packer);

/* Give back the last batch's memory. */
void nn_packer_trim(nn_packer *packer);

/*
 * The bags that ids from `vocabulary` on name in batches to come (NULL: none); by reference, they
 * must outlive those. EM_LIMIT when words and bags are more than a uint32_t counts.
 */
em_code nn_packer_bags(nn_packer *packer, const nn_bags *bags, em_status *status);

/*
 * Pack the sequences (ids all below vocabulary + bags) into packer->batch, valid until the next
 * call. Equal lengths keep their order.
 */
em_code nn_pack(nn_packer *packer, const nn_sequence *sequences, size_t count, em_status *status);

/* The rows of the table whose mean is the vector of distinct token u; returns how many. */
static inline size_t
nn_token_rows(const nn_packed *batch, size_t u, const uint32_t **rows)
{
	uint32_t id = batch->ids[u];
	const nn_bags *bags = batch->bags;

	*rows = &batch->ids[u];
	if (id < batch->vocabulary)
		return 1;
	id -= batch->vocabulary;
	*rows = bags->rows + bags->offset[id];
	return bags->offset[id + 1] - bags->offset[id];
}

/*
 * The step that comes before step t in the direction of reading, and how many
 * of the rows of t have been through it.
 */
static inline size_t
nn_rows_with_history(const nn_packed *batch, bool backward, size_t t, size_t *previous)
{
	if (!backward)
	{
		*previous = t - 1;
		return t == 0 ? 0 : batch->active[t];
	}
	*previous = t + 1;
	return t + 1 == batch->steps ? 0 : batch->active[t + 1];
}

#endif /* EMOTION_NN_PACKED_H */
