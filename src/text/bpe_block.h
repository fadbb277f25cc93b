/*
 * bpe_block.h
 *	  How a tokeniser lies in memory, and the look-ups in it. Private to the room.
 */
#ifndef EMOTION_TEXT_BPE_BLOCK_H
#define EMOTION_TEXT_BPE_BLOCK_H

#include "bpe.h"
#include "hash.h"

typedef struct bpe_merge
{
	uint32_t left, right, merged;
} bpe_merge;

/* Of an id. */
enum
{
	BPE_IN_MODEL = 1, /* not only among the added tokens */
	BPE_ADDED = 2,
	BPE_SPECIAL = 4,
	BPE_SINGLE_WORD = 8,
	BPE_LSTRIP = 16,
	BPE_RSTRIP = 32,
};

/* Added tokens that are looked for together: without, then with normalization. */
#define BPE_SETS 2

/* "textBPE1" on a little-endian machine. */
#define BPE_MAGIC UINT64_C(0x3145504274786574)
#define BPE_MAX_SPELLING_BYTES (UINT32_C(1) << 30)

struct text_bpe
{
	uint64_t magic;
	uint64_t size;
	text_bpe_rules rules;
	uint32_t ids;
	uint32_t merge_count;
	uint32_t token_mask, merge_mask; /* slots of each table - 1 */
	uint32_t spelling_bytes;
	uint32_t longest; /* spelling */
	uint32_t added_count[BPE_SETS];
	uint32_t added_plain[BPE_SETS];    /* those that are not special */
	uint32_t byte_ids[256];            /* TEXT_BPE_NO_ID: the unknown token's */
	uint8_t added_first[BPE_SETS][32]; /* a bit for each byte that begins an added token */
	/* where each array begins, in bytes from the block's beginning */
	uint64_t starts;      /* uint32_t (ids + 1): spelling of each id in spellings */
	uint64_t token_slots; /* hash_slot (token_mask + 1): entry is id + 1 */
	uint64_t merge_slots; /* hash_slot (merge_mask + 1): entry is rank + 1 */
	uint64_t merges;      /* bpe_merge (merge_count), by rank */
	uint64_t added;       /* uint32_t ids of the added tokens of each set, by their names' bytes */
	uint64_t flags;       /* uint8_t (ids) */
	uint64_t spellings;   /* char (spelling_bytes) */
};

#define BPE_ARRAY(bpe, type, field)                                                                \
	((const type *) (const void *) ((const char *) (bpe) + (bpe)->field))

static inline uint8_t
bpe_flags(const text_bpe *bpe, uint32_t id)
{
	return BPE_ARRAY(bpe, uint8_t, flags)[id];
}

static inline const uint32_t *
bpe_added_ids(const text_bpe *bpe, int set)
{
	return BPE_ARRAY(bpe, uint32_t, added) + (set > 0 ? bpe->added_count[0] : 0);
}

/* As hash_word: one product, its high half folded in. */
static inline uint32_t
bpe_hash_pair(uint32_t left, uint32_t right)
{
	uint64_t hash = ((uint64_t) left << 32 | right) * UINT64_C(0x9E3779B97F4A7C15);

	hash ^= hash >> 32;
	hash *= UINT64_C(0xBF58476D1CE4E5B9);
	return (uint32_t) (hash >> 32);
}

/* The merge of two tokens, NULL if there is none; *work grows by the slots looked at. */
static inline const bpe_merge *
bpe_find_merge(const text_bpe *bpe, uint32_t left, uint32_t right, size_t *work)
{
	const hash_slot *slots = BPE_ARRAY(bpe, hash_slot, merge_slots);
	const bpe_merge *merges = BPE_ARRAY(bpe, bpe_merge, merges);
	uint32_t hash = bpe_hash_pair(left, right);

	for (uint32_t i = hash & bpe->merge_mask;; i = (i + 1) & bpe->merge_mask)
	{
		const bpe_merge *merge;

		(*work)++;
		if (slots[i].entry == 0)
			return NULL;
		merge = &merges[slots[i].entry - 1];
		if (slots[i].hash == hash && merge->left == left && merge->right == right)
			return merge;
	}
}

/* Set the offsets of the arrays and the size, from the counts. */
void bpe_lay_out(text_bpe *bpe);

/* Order of spellings, by their bytes. */
int bpe_compare(em_slice a, em_slice b);

/* The character that stands for a byte in spellings, as UTF-8 (1 or 2 bytes, returned). */
size_t bpe_spell_byte(unsigned char byte, char out[4]);

#endif /* EMOTION_TEXT_BPE_BLOCK_H */
