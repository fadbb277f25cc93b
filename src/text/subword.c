/*
 * subword.c
 *	  Character n-grams, hashed.
 */
#include "subword.h"

#include <stdbool.h>
#include <string.h>

#define FNV_OFFSET UINT32_C(2166136261)
#define FNV_PRIME UINT32_C(16777619)

static uint32_t
hash_byte(uint32_t hash, char byte)
{
	return (hash ^ (uint32_t) (int32_t) (signed char) byte) * FNV_PRIME;
}

uint32_t
text_subword_hash(const char *bytes, size_t length)
{
	uint32_t hash = FNV_OFFSET;

	for (size_t i = 0; i < length; i++)
		hash = hash_byte(hash, bytes[i]);
	return hash;
}

static bool
continues_character(char byte)
{
	return ((unsigned char) byte & 0xC0) == 0x80;
}

/* Byte i of "<word>". */
static char
framed_byte(const char *word, size_t length, size_t i)
{
	return i == 0 ? '<' : i <= length ? word[i - 1] : '>';
}

/* The n-grams of the character at start: at most max_n, of which those that fit are written. */
static size_t
subwords_at(const char *word, size_t length, size_t start, int min_n, int max_n, uint32_t buckets,
			uint32_t *out, size_t capacity)
{
	size_t end = length + 2;
	size_t count = 0;
	uint32_t hash = FNV_OFFSET;
	size_t at = start;

	if (continues_character(framed_byte(word, length, start)))
		return 0;
	for (int n = 1; n <= max_n && at < end; n++)
	{
		do
			hash = hash_byte(hash, framed_byte(word, length, at++));
		while (at < end && continues_character(framed_byte(word, length, at)));
		if (n < min_n || (n == 1 && (start == 0 || at == end)))
			continue;
		if (count < capacity)
			out[count] = hash % buckets;
		count++;
	}
	return count;
}

static bool
has_subwords(const char *word, size_t length, int max_n, uint32_t buckets)
{
	return buckets != 0 && max_n > 0 && !(length == 4 && memcmp(word, "</s>", 4) == 0);
}

size_t
text_subwords(const char *word, size_t length, int min_n, int max_n, uint32_t buckets,
			  uint32_t *out, size_t capacity)
{
	size_t count = 0;

	if (!has_subwords(word, length, max_n, buckets))
		return 0;
	for (size_t start = 0; start < length + 2; start++)
	{
		size_t used = count < capacity ? count : capacity;

		count += subwords_at(word, length, start, min_n, max_n, buckets,
							 used < capacity ? out + used : NULL, capacity - used);
	}
	return count;
}

size_t
text_subwords_from(const char *word, size_t length, int min_n, int max_n, uint32_t buckets,
				   size_t *start, uint32_t *out, size_t capacity)
{
	size_t count = 0;

	if (!has_subwords(word, length, max_n, buckets))
		return 0;
	for (; *start < length + 2 && (count == 0 || count + (size_t) max_n <= capacity); (*start)++)
		count +=
			subwords_at(word, length, *start, min_n, max_n, buckets, out + count, capacity - count);
	return count;
}
