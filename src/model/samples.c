/*
 * samples.c
 *	  Training samples in blocks, spilling beyond a limit.
 */
#include "samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../nn/random.h"
#include "../text/vocabulary.h"

/* What a soft target of 1 is kept as. */
#define SOFT_STEPS 65535

/*
 * One sample: where its record is and what order depends on. A record is
 * length ids (uint32_t), then label_count indices (uint16_t), or L targets in SOFT_STEPS-ths, at a
 * multiple of 4.
 */
typedef struct sample_entry
{
	uint64_t hash;
	uint32_t block;
	uint32_t offset;
	uint32_t length;
	float weight;
	uint16_t label_count;
	bool soft;
} sample_entry;

struct samples
{
	const em_allocator *allocator;
	samples_spill spill;
	bool may_spill;
	size_t labels;
	size_t blocks_in_memory; /* at most, when it may spill */

	sample_entry *entries;
	size_t count;
	size_t entries_capacity;
	char **blocks; /* the first ones: (kept) */
	size_t kept;
	size_t blocks_capacity;
	size_t block_count;
	char *current; /* the block being filled: blocks[block_count - 1], or the one that spills */
	char *spare;   /* the memory of the block that spills */
	size_t used;   /* of the current block */
	uint64_t tokens;
	uint64_t *label_counts; /* (L), and behind them the sums of soft targets, in SOFT_STEPS-ths */
	const uint32_t *remap;
	bool masked;
	samples_masking masking;
	uint32_t epoch;

	/* what samples_read hands out */
	uint32_t *ids;
	size_t ids_capacity;
	uint16_t *read_labels;
	size_t read_labels_capacity;
};

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

em_code
samples_create(const em_allocator *allocator, size_t labels, size_t memory_limit,
			   const samples_spill *spill, samples **out, em_status *status)
{
	samples *made = em_allocate_zeroed(allocator, 1, sizeof(samples));

	if (made == NULL)
		return out_of_memory(status);
	made->allocator = allocator;
	made->labels = labels;
	made->may_spill = spill != NULL;
	if (spill != NULL)
		made->spill = *spill;
	made->blocks_in_memory = memory_limit / SAMPLES_BLOCK_BYTES;
	made->label_counts = em_allocate_zeroed(allocator, 2 * labels, sizeof(uint64_t));
	if (made->label_counts == NULL)
	{
		samples_free(made);
		return out_of_memory(status);
	}
	*out = made;
	return EM_OK;
}

void
samples_free(samples *samples)
{
	const em_allocator *allocator;

	if (samples == NULL)
		return;
	allocator = samples->allocator;
	for (size_t i = 0; i < samples->kept; i++)
		em_release(allocator, samples->blocks[i]);
	em_release(allocator, samples->blocks);
	em_release(allocator, samples->spare);
	em_release(allocator, samples->entries);
	em_release(allocator, samples->label_counts);
	em_release(allocator, samples->ids);
	em_release(allocator, samples->read_labels);
	em_release(allocator, samples);
}

static uint64_t
mix(uint64_t hash)
{
	hash ^= hash >> 32;
	hash *= UINT64_C(0xd6e8feb86659fd93);
	hash ^= hash >> 32;
	hash *= UINT64_C(0xd6e8feb86659fd93);
	return hash ^ hash >> 32;
}

static uint64_t
hash_byte(uint64_t hash, unsigned char byte)
{
	return (hash ^ byte) * UINT64_C(0x100000001b3);
}

static uint64_t
hash_labels(uint64_t hash, const uint16_t *labels, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		hash = hash_byte(hash, (unsigned char) (labels[i] & 0xff));
		hash = hash_byte(hash, (unsigned char) (labels[i] >> 8));
	}
	return mix(hash);
}

uint64_t
samples_hash(const text_tokens *tokens, const uint16_t *labels, size_t label_count)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < tokens->count; i++)
	{
		const char *word = tokens->buffer + tokens->tokens[i].normalized;

		for (uint32_t j = 0; j < tokens->tokens[i].normalized_length; j++)
			hash = hash_byte(hash, (unsigned char) word[j]);
		hash = hash_byte(hash, '\n');
	}
	return hash_labels(hash, labels, label_count);
}

uint64_t
samples_hash_ids(const uint32_t *ids, size_t count, const uint16_t *labels, size_t label_count)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < count; i++)
		for (int shift = 0; shift < 32; shift += 8)
			hash = hash_byte(hash, (unsigned char) (ids[i] >> shift));
	return hash_labels(hash, labels, label_count);
}

/* Begin a new block, moving the full one out when it is one that spills. */
static em_code
next_block(samples *samples, em_status *status)
{
	size_t number = samples->block_count;
	char *block;

	if (samples->may_spill && number > samples->blocks_in_memory &&
		!samples->spill.write(samples->spill.context, number - 1 - samples->blocks_in_memory,
							  samples->current))
		return em_fail(status, EM_SYSTEM, "could not write training samples out of memory");
	if (samples->may_spill && number >= samples->blocks_in_memory)
	{
		if (samples->spare == NULL)
			samples->spare = em_allocate_zeroed(samples->allocator, SAMPLES_BLOCK_BYTES, 1);
		block = samples->spare;
		if (block == NULL)
			return out_of_memory(status);
	}
	else
	{
		if (!em_grow(samples->allocator, (void **) &samples->blocks, &samples->blocks_capacity,
					 number + 1, sizeof(char *)))
			return out_of_memory(status);
		block = em_allocate_array(samples->allocator, SAMPLES_BLOCK_BYTES, 1);
		if (block == NULL)
			return out_of_memory(status);
		samples->blocks[samples->kept++] = block;
	}
	samples->current = block;
	samples->block_count++;
	samples->used = 0;
	return EM_OK;
}

/* Keep a record: ids, and count indices of labels or soft targets. */
static em_code
add_record(samples *samples, const uint32_t *ids, size_t length, const uint16_t *numbers,
		   size_t count, float weight, uint64_t hash, em_status *status)
{
	size_t size = length * sizeof(uint32_t) + count * sizeof(uint16_t);
	sample_entry *entry;

	size = (size + 3) & ~(size_t) 3;
	if (length > SAMPLES_BLOCK_BYTES / sizeof(uint32_t) || size > SAMPLES_BLOCK_BYTES)
		return em_fail(status, EM_LIMIT, "a text of %zu tokens is too long to train on", length);
	if (samples->count >= UINT32_MAX)
		return em_fail(status, EM_LIMIT, "more than %u training texts", UINT32_MAX);
	if (!em_grow(samples->allocator, (void **) &samples->entries, &samples->entries_capacity,
				 samples->count + 1, sizeof(sample_entry)))
		return out_of_memory(status);
	if (samples->current == NULL || samples->used + size > SAMPLES_BLOCK_BYTES)
	{
		em_code code = next_block(samples, status);

		if (code != EM_OK)
			return code;
	}

	entry = &samples->entries[samples->count++];
	entry->hash = hash;
	entry->block = (uint32_t) (samples->block_count - 1);
	entry->offset = (uint32_t) samples->used;
	entry->length = (uint32_t) length;
	entry->weight = weight + 0.0F; /* -0 as 0: they compare equal, so they must be the same bits */
	entry->label_count = (uint16_t) count;
	entry->soft = false;
	if (length > 0)
		memcpy(samples->current + samples->used, ids, length * sizeof(uint32_t));
	if (count > 0)
		memcpy(samples->current + samples->used + length * sizeof(uint32_t), numbers,
			   count * sizeof(uint16_t));
	samples->used += size;
	samples->tokens += length;
	return EM_OK;
}

em_code
samples_add(samples *samples, const uint32_t *ids, size_t length, const uint16_t *labels,
			size_t label_count, float weight, uint64_t hash, em_status *status)
{
	em_code code;

	if (label_count > samples->labels)
		return em_fail(status, EM_INVALID_DATA, "%zu labels on one text, of %zu there are",
					   label_count, samples->labels);
	code = add_record(samples, ids, length, labels, label_count, weight, hash, status);
	for (size_t i = 0; code == EM_OK && i < label_count; i++)
		samples->label_counts[labels[i]]++;
	return code;
}

em_code
samples_add_soft(samples *samples, const uint32_t *ids, size_t length, const float *targets,
				 float weight, uint64_t hash, em_status *status)
{
	em_code code;

	if (!em_grow(samples->allocator, (void **) &samples->read_labels,
				 &samples->read_labels_capacity, samples->labels + 1, sizeof(uint16_t)))
		return out_of_memory(status);
	for (size_t i = 0; i < samples->labels; i++)
	{
		if (!(targets[i] >= 0 && targets[i] <= 1))
			return em_fail(status, EM_INVALID_DATA, "the target of label %zu is not in 0 to 1",
						   i + 1);
		samples->read_labels[i] = (uint16_t) (targets[i] * SOFT_STEPS + 0.5F);
	}
	code = add_record(samples, ids, length, samples->read_labels, samples->labels, weight, hash,
					  status);
	if (code != EM_OK)
		return code;
	samples->entries[samples->count - 1].soft = true;
	for (size_t i = 0; i < samples->labels; i++)
		samples->label_counts[samples->labels + i] += samples->read_labels[i];
	return EM_OK;
}

static int
compare_entries(const void *left, const void *right)
{
	const sample_entry *a = left;
	const sample_entry *b = right;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	/* the same content: only the weight can tell them apart */
	if (a->weight != b->weight)
		return a->weight < b->weight ? -1 : 1;
	return 0;
}

em_code
samples_finish(samples *samples, const uint32_t *remap, em_status *status)
{
	if (samples->may_spill && samples->block_count > samples->blocks_in_memory &&
		!samples->spill.write(samples->spill.context,
							  samples->block_count - 1 - samples->blocks_in_memory,
							  samples->current))
		return em_fail(status, EM_SYSTEM, "could not write training samples out of memory");
	samples->remap = remap;
	for (size_t i = 0; i < samples->labels; i++)
		samples->label_counts[i] +=
			(samples->label_counts[samples->labels + i] + SOFT_STEPS / 2) / SOFT_STEPS;
	if (samples->count > 1)
		qsort(samples->entries, samples->count, sizeof(sample_entry), compare_entries);
	return EM_OK;
}

size_t
samples_count(const samples *samples)
{
	return samples->count;
}

uint32_t
samples_length(const samples *samples, size_t i)
{
	return samples->entries[i].length;
}

uint64_t
samples_tokens(const samples *samples)
{
	return samples->tokens;
}

const uint64_t *
samples_label_counts(const samples *samples)
{
	return samples->label_counts;
}

uint64_t
samples_fingerprint(const samples *samples)
{
	uint64_t hash = samples->count;

	for (size_t i = 0; i < samples->count; i++)
	{
		uint32_t weight;

		memcpy(&weight, &samples->entries[i].weight, sizeof(weight));
		hash = mix(hash ^ samples->entries[i].hash) + weight;
	}
	return hash;
}

/* Copy a record's ids and labels out of wherever its block is. */
static em_code
read_record(samples *samples, const sample_entry *entry, uint32_t *ids, em_status *status)
{
	size_t ids_bytes = entry->length * sizeof(uint32_t);
	size_t labels_bytes = entry->label_count * sizeof(uint16_t);

	if (samples->may_spill && entry->block >= samples->blocks_in_memory)
	{
		const samples_spill *spill = &samples->spill;
		size_t block = entry->block - samples->blocks_in_memory;

		if ((ids_bytes > 0 && !spill->read(spill->context, block, entry->offset, ids, ids_bytes)) ||
			(labels_bytes > 0 && !spill->read(spill->context, block, entry->offset + ids_bytes,
											  samples->read_labels, labels_bytes)))
			return em_fail(status, EM_SYSTEM, "could not read training samples back");
		return EM_OK;
	}
	memcpy(ids, samples->blocks[entry->block] + entry->offset, ids_bytes);
	memcpy(samples->read_labels, samples->blocks[entry->block] + entry->offset + ids_bytes,
		   labels_bytes);
	return EM_OK;
}

void
samples_set_epoch(samples *samples, uint32_t epoch)
{
	samples->epoch = epoch;
}

em_code
samples_go_on(em_should_stop should_stop, void *stop_context, em_status *status)
{
	if (should_stop != NULL && should_stop(stop_context))
		return em_fail(status, EM_CANCELLED, "stopped");
	return EM_OK;
}

/* The label that a word stands for, or -1. */
static int32_t
label_of(const samples_masking *masking, uint32_t id)
{
	return id < masking->words ? masking->label_of[id] : -1;
}

em_code
samples_mask(samples *samples, const samples_masking *masking, em_should_stop should_stop,
			 void *stop_context, em_status *status)
{
	size_t labels = masking->labels;
	double *expected = em_allocate_zeroed(samples->allocator, labels, sizeof(double));
	uint32_t *seen = em_allocate_zeroed(samples->allocator, labels, sizeof(uint32_t));
	uint64_t *counts = em_allocate_zeroed(samples->allocator, labels, sizeof(uint64_t));
	em_code code = expected && seen && counts ? EM_OK : out_of_memory(status);

	for (size_t i = 0; code == EM_OK && i < samples->count; i++)
	{
		uint32_t number = (uint32_t) i;
		nn_sequence text;

		code = samples_go_on(should_stop, stop_context, status);
		if (code == EM_OK)
			code = samples_read(samples, &number, 1, &text, NULL, NULL, status);
		if (code != EM_OK)
			break;
		/* a label is set unless all occurrences of its word escape */
		for (uint32_t j = 0; j < text.length; j++)
		{
			int32_t label = label_of(masking, text.ids[j]);

			if (label >= 0)
				seen[label]++;
		}
		for (uint32_t j = 0; j < text.length; j++)
		{
			int32_t label = label_of(masking, text.ids[j]);

			if (label < 0 || seen[label] == 0)
				continue;
			expected[label] += 1 - pow(1 - masking->rate, seen[label]);
			seen[label] = 0;
		}
	}
	for (size_t i = 0; code == EM_OK && i < labels; i++)
		counts[i] = (uint64_t) llround(expected[i]);
	em_release(samples->allocator, expected);
	em_release(samples->allocator, seen);
	if (code != EM_OK)
		em_release(samples->allocator, counts);
	else
	{
		em_release(samples->allocator, samples->label_counts);
		samples->label_counts = counts;
		samples->labels = labels;
		samples->masked = true;
		samples->masking = *masking;
	}
	return code;
}

/* targets: (L) of this sample, or NULL. */
static void
mask_sample(const samples *samples, uint32_t number, uint32_t *ids, uint32_t length, real *targets)
{
	const samples_masking *masking = &samples->masking;
	nn_random_key key = { masking->seed, NN_STREAM_MASK, samples->epoch, number };

	for (uint32_t i = 0; i < length; i++)
	{
		int32_t label = label_of(masking, ids[i]);
		double share = label >= 0 ? masking->rate : masking->noise;

		if ((double) nn_random_uniform(&key, i) >= share)
			continue;
		ids[i] = TEXT_UNKNOWN_ID;
		if (label >= 0 && targets != NULL)
			targets[label] = 1;
	}
}

em_code
samples_read(samples *samples, const uint32_t *numbers, size_t n, nn_sequence *sequences,
			 real *targets, real *weights, em_status *status)
{
	size_t tokens = 0;
	size_t used = 0;

	for (size_t i = 0; i < n; i++)
		tokens += samples->entries[numbers[i]].length;
	if (!em_grow(samples->allocator, (void **) &samples->ids, &samples->ids_capacity, tokens + 1,
				 sizeof(uint32_t)) ||
		!em_grow(samples->allocator, (void **) &samples->read_labels,
				 &samples->read_labels_capacity, samples->labels + 1, sizeof(uint16_t)))
		return out_of_memory(status);
	if (targets != NULL)
		memset(targets, 0, n * samples->labels * sizeof(real));

	for (size_t i = 0; i < n; i++)
	{
		const sample_entry *entry = &samples->entries[numbers[i]];
		uint32_t *ids = samples->ids + used;
		em_code code = read_record(samples, entry, ids, status);

		if (code != EM_OK)
			return code;
		for (uint32_t j = 0; samples->remap != NULL && j < entry->length; j++)
			ids[j] = samples->remap[ids[j]];
		sequences[i] = (nn_sequence){ ids, entry->length };
		used += entry->length;
		for (uint16_t j = 0; targets != NULL && j < entry->label_count; j++)
		{
			real *own = targets + i * samples->labels;

			if (entry->soft)
				own[j] = (real) samples->read_labels[j] / SOFT_STEPS;
			else
				own[samples->read_labels[j]] = 1;
		}
		if (samples->masked)
			mask_sample(samples, numbers[i], ids, entry->length,
						targets ? targets + i * samples->labels : NULL);
		if (weights != NULL)
			weights[i] = entry->weight;
	}
	return EM_OK;
}
