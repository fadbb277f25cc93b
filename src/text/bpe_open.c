/*
 * bpe_open.c
 *	  A tokeniser's block checked before it is used where it lies.
 */
#include <string.h>

#include "bpe_block.h"

/* Whether every entry is at most limit, and one slot at least is free, where look-ups end. */
static bool
sound_slots(const hash_slot *slots, uint64_t count, uint32_t limit)
{
	uint64_t taken = 0;

	for (uint64_t i = 0; i < count; i++)
	{
		if (slots[i].entry > limit)
			return false;
		taken += slots[i].entry != 0;
	}
	return taken < count;
}

static bool
sound_ids(const text_bpe *bpe, const uint32_t *ids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (ids[i] >= bpe->ids)
			return false;
	return true;
}

static bool
sound_merge(const text_bpe *bpe, const bpe_merge *merge)
{
	return merge->left < bpe->ids && merge->right < bpe->ids && merge->merged < bpe->ids;
}

/* Whether counts and offsets are those that text_bpe_build would have given a block of this size. */
static bool
sound_header(const text_bpe *bpe, size_t size)
{
	text_bpe again;

	memcpy(&again, bpe, sizeof(again));
	if (bpe->magic != BPE_MAGIC || bpe->size != size || bpe->ids > TEXT_BPE_MAX_IDS ||
		bpe->merge_count > TEXT_BPE_MAX_MERGES || bpe->spelling_bytes > BPE_MAX_SPELLING_BYTES ||
		bpe->added_count[0] > TEXT_BPE_MAX_ADDED || bpe->added_count[1] > TEXT_BPE_MAX_ADDED ||
		(bpe->token_mask & (bpe->token_mask + 1)) != 0 || bpe->token_mask == UINT32_MAX ||
		(bpe->merge_mask & (bpe->merge_mask + 1)) != 0 || bpe->merge_mask == UINT32_MAX)
		return false;
	bpe_lay_out(&again);
	return memcmp(&again, bpe, sizeof(again)) == 0;
}

static bool
sound_rules(const text_bpe *bpe)
{
	const text_bpe_rules *rules = &bpe->rules;
	const uint8_t *bools = (const uint8_t *) rules;
	bool unknown = rules->unknown_id < bpe->ids;

	/* another value in a bool may be anything to the compiler */
	for (size_t i = 0; i <= offsetof(text_bpe_rules, keep_first_space); i++)
		if (bools[i] > 1)
			return false;
	for (int byte = 0; byte < 256; byte++)
		if (bpe->byte_ids[byte] >= bpe->ids && (bpe->byte_ids[byte] != TEXT_BPE_NO_ID || !unknown))
			return false;
	return rules->before_count <= TEXT_BPE_MAX_SPECIALS &&
		   rules->after_count <= TEXT_BPE_MAX_SPECIALS &&
		   sound_ids(bpe, rules->before, rules->before_count) &&
		   sound_ids(bpe, rules->after, rules->after_count);
}

/* Whether the spellings lie inside, and those of the added tokens are sorted. */
static bool
sound_spellings(const text_bpe *bpe)
{
	const uint32_t *starts = BPE_ARRAY(bpe, uint32_t, starts);

	if (starts[0] != 0 || starts[bpe->ids] > bpe->spelling_bytes)
		return false;
	for (uint32_t id = 0; id < bpe->ids; id++)
		if (starts[id] > starts[id + 1] || starts[id + 1] - starts[id] > bpe->longest)
			return false;
	for (int set = 0; set < BPE_SETS; set++)
	{
		const uint32_t *ids = bpe_added_ids(bpe, set);

		if (!sound_ids(bpe, ids, bpe->added_count[set]))
			return false;
		for (uint32_t i = 0; i < bpe->added_count[set]; i++)
			if (i == 0 ? text_bpe_spelling(bpe, ids[i]).length == 0
					   : bpe_compare(text_bpe_spelling(bpe, ids[i - 1]),
									 text_bpe_spelling(bpe, ids[i])) >= 0)
				return false;
	}
	return true;
}

em_code
text_bpe_open(const void *bytes, size_t size, const text_bpe **bpe, em_status *status)
{
	const text_bpe *block = bytes;
	bool sound = size >= sizeof(*block) && sound_header(block, size) && sound_rules(block) &&
				 sound_spellings(block) &&
				 sound_slots(BPE_ARRAY(block, hash_slot, token_slots),
							 (uint64_t) block->token_mask + 1, block->ids) &&
				 sound_slots(BPE_ARRAY(block, hash_slot, merge_slots),
							 (uint64_t) block->merge_mask + 1, block->merge_count);

	*bpe = NULL;
	for (uint32_t i = 0; sound && i < block->merge_count; i++)
		sound = sound_merge(block, &BPE_ARRAY(block, bpe_merge, merges)[i]);
	if (!sound)
		return em_fail(status, EM_CORRUPT, "%zu bytes are not a tokenizer as kept in memory", size);
	*bpe = block;
	return EM_OK;
}
