/*
 * encoder_batch.c
 *	  Texts end to end.
 */
#include "encoder_batch.h"

#include <string.h>

#include "encoder.h"

em_code
encoder_batcher_init(encoder_batcher *batcher, const em_allocator *allocator,
					 const encoder_layout *layout, em_status *status)
{
	memset(batcher, 0, sizeof(*batcher));
	batcher->allocator = allocator;
	batcher->vocabulary = (uint32_t) layout->vocabulary;
	batcher->longest = (uint32_t) layout->longest;
	batcher->pad = (uint32_t) layout->config.pad_token_id;
	batcher->slot = em_allocate_zeroed(allocator, layout->vocabulary, sizeof(*batcher->slot));
	if (batcher->slot == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	return EM_OK;
}

void
encoder_batcher_free(encoder_batcher *batcher)
{
	if (batcher->allocator == NULL)
		return;
	em_release(batcher->allocator, batcher->slot);
	em_release(batcher->allocator, batcher->memory);
	memset(batcher, 0, sizeof(*batcher));
}

/* Measure the texts and cut the arrays from one block. */
static em_code
lay_out(encoder_batcher *batcher, const nn_sequence *sequences, size_t count, em_status *status)
{
	encoder_batch *batch = &batcher->batch;
	uint64_t rows = 0;
	void *memory = batcher->memory;

	memset(batch, 0, sizeof(*batch));
	for (size_t b = 0; b < count; b++)
	{
		uint32_t length = sequences[b].length;

		if (length < 1 || length > batcher->longest)
			return em_fail(status, EM_INVALID_DATA, "a text has %u tokens, not 1 to %u", length,
						   batcher->longest);
		rows += length;
		if (rows > UINT32_MAX / 2)
			return em_fail(status, EM_LIMIT, "batch of %zu texts has more than %u tokens", count,
						   UINT32_MAX / 2);
		batch->pairs += (size_t) length * length;
		if (length > batch->longest)
			batch->longest = length;
	}
	if (!em_grow(batcher->allocator, &memory, &batcher->capacity, count + 1 + 2 * (size_t) rows,
				 sizeof(*batcher->memory)))
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	batcher->memory = memory;
	batch->texts = count;
	batch->rows = (size_t) rows;
	batch->start = batcher->memory;
	batch->token = batch->start + count + 1;
	batch->ids = batch->token + rows;
	return EM_OK;
}

em_code
encoder_batcher_fill(encoder_batcher *batcher, const nn_sequence *sequences, size_t count,
					 em_status *status)
{
	encoder_batch *batch = &batcher->batch;
	em_code code = lay_out(batcher, sequences, count, status);
	uint32_t *slot = batcher->slot;
	uint32_t row = 0;

	if (code != EM_OK)
	{
		memset(batch, 0, sizeof(*batch));
		return code;
	}
	for (size_t b = 0; b < count && code == EM_OK; b++)
	{
		batch->start[b] = row;
		for (uint32_t t = 0; t < sequences[b].length; t++)
		{
			uint32_t id = sequences[b].ids[t];

			if (id >= batcher->vocabulary || id == batcher->pad)
			{
				code = em_fail(status, EM_INVALID_DATA,
							   id == batcher->pad
								   ? "token %u, which stands for padding, is part of a text"
								   : "token id %u is not in the vocabulary",
							   id);
				break;
			}
			if (slot[id] == 0)
			{
				batch->ids[batch->distinct] = id;
				slot[id] = (uint32_t) ++batch->distinct;
			}
			batch->token[row++] = slot[id] - 1;
		}
	}
	batch->start[count] = row;
	for (size_t u = 0; u < batch->distinct; u++)
		slot[batch->ids[u]] = 0;
	if (code != EM_OK)
		memset(batch, 0, sizeof(*batch));
	return code;
}

size_t
encoder_batch_take(const nn_sequence *sequences, size_t count, size_t rows)
{
	size_t taken = 0, sum = 0;

	while (taken < count && (taken == 0 || sum + sequences[taken].length <= rows))
		sum += sequences[taken++].length;
	return taken;
}
