/*
 * hash.h
 *	  The hash of a word, and the slots of an open-addressing table. Private to
 *	  the room.
 */
#ifndef EMOTION_TEXT_HASH_H
#define EMOTION_TEXT_HASH_H

#include <stdint.h>
#include <string.h>

/* entry: index + 1, or 0 when the slot is free; hash spares most comparisons. */
typedef struct hash_slot
{
	uint32_t hash;
	uint32_t entry;
} hash_slot;

/*
 * Eight bytes at a time: multiply by an odd constant (the golden ratio's
 * bits) and fold the high half, which the product mixes best, into the low;
 * one more round at the end. Only ever kept in memory, so it may differ
 * between machines of different byte order.
 */
static inline uint32_t
hash_word(const char *word, size_t length)
{
	const uint64_t multiplier = UINT64_C(0x9E3779B97F4A7C15);
	uint64_t hash = length * multiplier;
	uint64_t block;

	for (; length >= 8; word += 8, length -= 8)
	{
		memcpy(&block, word, 8);
		hash = (hash ^ block) * multiplier;
		hash ^= hash >> 32;
	}
	block = 0;
	memcpy(&block, word, length);
	hash = (hash ^ block) * multiplier;
	hash ^= hash >> 29;
	hash *= UINT64_C(0xBF58476D1CE4E5B9);
	return (uint32_t) (hash >> 32);
}

#endif /* EMOTION_TEXT_HASH_H */
