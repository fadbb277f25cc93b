/*
 * packed.c
 *	  Sorting sequences by length and laying them out step by step.
 */
#include "packed.h"

#include <string.h>

em_code
nn_packer_init(nn_packer *packer, const em_allocator *allocator, uint32_t vocabulary,
			   em_status *status)
{
	memset(packer, 0, sizeof(*packer));
	packer->allocator = allocator;
	packer->vocabulary = vocabulary;
	packer->slots = vocabulary;
	packer->slot = em_allocate_zeroed(allocator, vocabulary, sizeof(*packer->slot));
	if (packer->slot == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	return EM_OK;
}

void
nn_packer_free(nn_packer *packer)
{
	em_release(packer->allocator, packer->slot);
	em_release(packer->allocator, packer->memory);
	memset(packer, 0, sizeof(*packer));
}

void
nn_packer_trim(nn_packer *packer)
{
	em_release(packer->allocator, packer->memory);
	packer->memory = NULL;
	packer->capacity = 0;
	memset(&packer->batch, 0, sizeof(packer->batch));
}

/* Ids there are. */
static size_t
id_count(const nn_packer *packer)
{
	return packer->vocabulary + (packer->bags != NULL ? packer->bags->count : 0);
}

em_code
nn_packer_bags(nn_packer *packer, const nn_bags *bags, em_status *status)
{
	size_t count = bags != NULL ? bags->count : 0;

	if (count > UINT32_MAX - packer->vocabulary)
		return em_fail(status, EM_LIMIT, "more than %u words", UINT32_MAX);
	if (packer->vocabulary + count > packer->slots)
	{
		size_t slots = packer->vocabulary + 2 * count;
		uint32_t *slot = em_allocate_zeroed(packer->allocator, slots, sizeof(*slot));

		if (slot == NULL)
			return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
		em_release(packer->allocator, packer->slot);
		packer->slot = slot;
		packer->slots = slots;
	}
	packer->bags = bags;
	return EM_OK;
}

/* Room for so many numbers, whose old contents nobody needs. */
static bool
reserve(nn_packer *packer, size_t wanted)
{
	size_t capacity = packer->capacity;
	uint32_t *memory;

	if (wanted <= capacity)
		return true;
	if (capacity < 1024)
		capacity = 1024;
	while (capacity < wanted)
		capacity = capacity > SIZE_MAX / 2 ? wanted : 2 * capacity;
	memory = em_allocate_array(packer->allocator, capacity, sizeof(*memory));
	if (memory == NULL)
		return false;
	em_release(packer->allocator, packer->memory);
	packer->memory = memory;
	packer->capacity = capacity;
	return true;
}

/* Measure the sequences and cut the arrays from one block. */
static em_code
lay_out(nn_packer *packer, const nn_sequence *sequences, size_t count, em_status *status)
{
	nn_packed *batch = &packer->batch;
	uint64_t rows = 0;
	uint64_t distinct;
	uint32_t steps = 0;
	uint64_t wanted;
	uint32_t *next;
	size_t b;

	memset(batch, 0, sizeof(*batch));
	if (count > UINT32_MAX)
		return em_fail(status, EM_LIMIT, "batch of %zu sequences is too large", count);
	for (b = 0; b < count; b++)
	{
		rows += sequences[b].length;
		if (sequences[b].length > steps)
			steps = sequences[b].length;
		if (rows > UINT32_MAX)
			return em_fail(status, EM_LIMIT, "batch of %zu sequences has more than %u tokens",
						   count, UINT32_MAX);
	}
	distinct = rows < id_count(packer) ? rows : id_count(packer);
	wanted = 2 * (uint64_t) count + 2 * (uint64_t) steps + 1 + rows + distinct;
	if (wanted > SIZE_MAX / sizeof(uint32_t) || !reserve(packer, (size_t) wanted))
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");

	next = packer->memory;
	batch->sequences = count;
	batch->steps = steps;
	batch->rows = (size_t) rows;
	batch->vocabulary = packer->vocabulary;
	batch->bags = packer->bags;
	batch->order = next;
	batch->length = next += count;
	batch->active = next += count;
	batch->offset = next += steps;
	batch->token = next += (size_t) steps + 1;
	batch->ids = next + rows;
	return EM_OK;
}

/*
 * A counting sort: sequences longer than t come before those of length t, so
 * active[t] is also where the latter start.
 */
static void
sort_by_length(nn_packed *batch, const nn_sequence *sequences)
{
	uint32_t *start = batch->offset; /* (T + 1): used for counting until the offsets are known */
	uint32_t longer = 0;
	size_t t = batch->steps + 1;
	size_t b;

	memset(start, 0, t * sizeof(*start));
	for (b = 0; b < batch->sequences; b++)
		start[sequences[b].length]++;
	while (t-- > 0)
	{
		uint32_t equal = start[t];

		start[t] = longer;
		if (t < batch->steps)
			batch->active[t] = longer;
		longer += equal;
	}
	for (b = 0; b < batch->sequences; b++)
	{
		uint32_t place = start[sequences[b].length]++;

		batch->order[place] = (uint32_t) b;
		batch->length[place] = sequences[b].length;
	}
	batch->offset[0] = 0;
	for (t = 0; t < batch->steps; t++)
		batch->offset[t + 1] = batch->offset[t] + batch->active[t];
}

em_code
nn_pack(nn_packer *packer, const nn_sequence *sequences, size_t count, em_status *status)
{
	nn_packed *batch = &packer->batch;
	uint32_t *slot = packer->slot;
	size_t ids = id_count(packer);
	em_code code = lay_out(packer, sequences, count, status);
	uint32_t distinct = 0;
	size_t row = 0;
	size_t t, b;

	if (code != EM_OK)
		return code;
	sort_by_length(batch, sequences);
	for (t = 0; t < batch->steps && code == EM_OK; t++)
	{
		for (b = 0; b < batch->active[t]; b++)
		{
			uint32_t id = sequences[batch->order[b]].ids[t];

			if (id >= ids)
			{
				code = em_fail(status, EM_INVALID_DATA,
							   "token id %u is not in a vocabulary of %zu words", id, ids);
				break;
			}
			if (slot[id] == 0)
			{
				batch->ids[distinct] = id;
				slot[id] = ++distinct;
			}
			batch->token[row++] = slot[id] - 1;
		}
	}
	for (b = 0; b < distinct; b++)
		slot[batch->ids[b]] = 0;
	if (code != EM_OK)
		memset(batch, 0, sizeof(*batch));
	else
		batch->distinct = distinct;
	return code;
}
