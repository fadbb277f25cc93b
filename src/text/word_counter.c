/*
 * word_counter.c
 *	  Counts words in a growing table and makes the vocabulary of the frequent
 *	  ones.
 */
#include "vocabulary.h"

#include <string.h>

#include "hash.h"

typedef struct counted_word
{
	size_t start; /* in bytes */
	uint32_t length;
	uint32_t hash;
	uint64_t count;
} counted_word;

struct text_word_counter
{
	const em_allocator *allocator;
	char *bytes; /* the words, without separators */
	size_t length;
	size_t bytes_capacity;
	counted_word *words;
	size_t count;
	size_t words_capacity;
	hash_slot *slots; /* (slot_count), a power of two of which at most two thirds are taken */
	size_t slot_count;
};

#define FIRST_SLOTS 1024
#define MAX_COUNTED (UINT32_MAX / 2)

em_code
text_word_counter_create(const em_allocator *allocator, text_word_counter **counter,
						 em_status *status)
{
	text_word_counter *made = em_allocate_zeroed(allocator, 1, sizeof(*made));

	*counter = NULL;
	if (made == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	made->allocator = allocator;
	made->slots = em_allocate_zeroed(allocator, FIRST_SLOTS, sizeof(*made->slots));
	if (made->slots == NULL)
	{
		em_release(allocator, made);
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	}
	made->slot_count = FIRST_SLOTS;
	*counter = made;
	return EM_OK;
}

void
text_word_counter_free(text_word_counter *counter)
{
	const em_allocator *allocator;

	if (counter == NULL)
		return;
	allocator = counter->allocator;
	em_release(allocator, counter->bytes);
	em_release(allocator, counter->words);
	em_release(allocator, counter->slots);
	em_release(allocator, counter);
}

static hash_slot *
find_slot(const text_word_counter *counter, const char *word, size_t length, uint32_t hash)
{
	size_t mask = counter->slot_count - 1;

	for (size_t i = hash & mask;; i = (i + 1) & mask)
	{
		hash_slot *slot = &counter->slots[i];
		const counted_word *found;

		if (slot->entry == 0)
			return slot;
		found = &counter->words[slot->entry - 1];
		if (slot->hash == hash && found->length == length &&
			memcmp(counter->bytes + found->start, word, length) == 0)
			return slot;
	}
}

static bool
double_slots(text_word_counter *counter)
{
	size_t slot_count = counter->slot_count * 2;
	hash_slot *slots = em_allocate_zeroed(counter->allocator, slot_count, sizeof(*slots));

	if (slots == NULL)
		return false;
	for (size_t word = 0; word < counter->count; word++)
	{
		uint32_t hash = counter->words[word].hash;
		size_t i = hash & (slot_count - 1);

		while (slots[i].entry != 0)
			i = (i + 1) & (slot_count - 1);
		slots[i].hash = hash;
		slots[i].entry = (uint32_t) word + 1;
	}
	em_release(counter->allocator, counter->slots);
	counter->slots = slots;
	counter->slot_count = slot_count;
	return true;
}

em_code
text_word_counter_add(text_word_counter *counter, const char *word, size_t length, uint32_t *id,
					  em_status *status)
{
	uint32_t hash;
	hash_slot *slot;
	void *bytes = counter->bytes;
	void *words = counter->words;

	if (length == 0 || length > UINT32_MAX || memchr(word, '\n', length) != NULL)
		return em_fail(status, EM_INVALID_DATA,
					   "a word must not be empty, longer than 4 GiB, or contain a line feed");
	hash = hash_word(word, length);
	slot = find_slot(counter, word, length, hash);
	if (slot->entry != 0)
	{
		counter->words[slot->entry - 1].count++;
		*id = slot->entry - 1;
		return EM_OK;
	}

	if (counter->count >= MAX_COUNTED)
		return em_fail(status, EM_LIMIT, "more than %u different words", MAX_COUNTED);
	if (length > SIZE_MAX - counter->length)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	if (!em_grow(counter->allocator, &bytes, &counter->bytes_capacity, counter->length + length, 1))
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	counter->bytes = bytes;
	if (!em_grow(counter->allocator, &words, &counter->words_capacity, counter->count + 1,
				 sizeof(counted_word)))
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	counter->words = words;
	if ((counter->count + 1) * 3 > counter->slot_count * 2)
	{
		if (!double_slots(counter))
			return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
		slot = find_slot(counter, word, length, hash);
	}

	memcpy(counter->bytes + counter->length, word, length);
	counter->words[counter->count] = (counted_word){
		.start = counter->length, .length = (uint32_t) length, .hash = hash, .count = 1
	};
	counter->length += length;
	*id = (uint32_t) counter->count++;
	slot->hash = hash;
	slot->entry = *id + 1;
	return EM_OK;
}

uint32_t
text_word_counter_size(const text_word_counter *counter)
{
	return (uint32_t) counter->count;
}

em_slice
text_word_counter_word(const text_word_counter *counter, uint32_t id)
{
	return (em_slice){ counter->bytes + counter->words[id].start, counter->words[id].length };
}

uint64_t
text_word_counter_count(const text_word_counter *counter, uint32_t id)
{
	return counter->words[id].count;
}

/* By descending count, ties by bytes. */
static bool
comes_before(const text_word_counter *counter, uint32_t left, uint32_t right)
{
	const counted_word *a = &counter->words[left];
	const counted_word *b = &counter->words[right];
	int order;

	if (a->count != b->count)
		return a->count > b->count;
	order = memcmp(counter->bytes + a->start, counter->bytes + b->start,
				   a->length < b->length ? a->length : b->length);
	return order != 0 ? order < 0 : a->length < b->length;
}

/* Merge sort, bottom up: qsort may take memory of its own. Returns ids or spare. */
static uint32_t *
sort_words(const text_word_counter *counter, uint32_t *ids, uint32_t *spare, size_t count)
{
	for (size_t width = 1; width < count; width *= 2)
	{
		uint32_t *swap = ids;

		for (size_t start = 0; start < count; start += 2 * width)
		{
			size_t middle = start + width < count ? start + width : count;
			size_t end = middle + width < count ? middle + width : count;
			size_t left = start;
			size_t right = middle;

			for (size_t out = start; out < end; out++)
			{
				bool take_left =
					left < middle && (right == end || comes_before(counter, ids[left], ids[right]));

				spare[out] = take_left ? ids[left++] : ids[right++];
			}
		}
		ids = spare;
		spare = swap;
	}
	return ids;
}

/* The words of ids joined by '\n'. */
static char *
join_words(const text_word_counter *counter, const uint32_t *ids, size_t count, size_t *length)
{
	size_t at = 0;
	char *joined;

	for (size_t i = 0; i < count; i++)
		at += (size_t) counter->words[ids[i]].length + 1;
	joined = em_allocate_array(counter->allocator, at, 1);
	if (joined == NULL)
		return NULL;
	at = 0;
	for (size_t i = 0; i < count; i++)
	{
		const counted_word *word = &counter->words[ids[i]];

		memcpy(joined + at, counter->bytes + word->start, word->length);
		at += word->length;
		joined[at++] = '\n';
	}
	*length = at;
	return joined;
}

em_code
text_word_counter_finish(const text_word_counter *counter, uint64_t min_count, uint32_t max_words,
						 uint32_t *remap, text_vocabulary **vocabulary, em_status *status)
{
	uint32_t *ids = em_allocate_array(counter->allocator, counter->count, sizeof(*ids));
	uint32_t *spare = em_allocate_array(counter->allocator, counter->count, sizeof(*spare));
	char *joined = NULL;
	size_t length = 0;
	size_t count = 0;
	em_code code = EM_OUT_OF_MEMORY;

	*vocabulary = NULL;
	if (ids != NULL && spare != NULL)
	{
		uint32_t *sorted;

		for (size_t i = 0; i < counter->count; i++)
		{
			if (counter->words[i].count >= min_count)
				ids[count++] = (uint32_t) i;
		}
		sorted = sort_words(counter, ids, spare, count);
		if (max_words > 0 && count > max_words)
			count = max_words;
		joined = join_words(counter, sorted, count, &length);
		if (joined != NULL)
			code = text_vocabulary_load(counter->allocator, joined, length, vocabulary, status);
		if (code == EM_OK && remap != NULL)
		{
			for (size_t i = 0; i < counter->count; i++)
				remap[i] = TEXT_UNKNOWN_ID;
			for (size_t i = 0; i < count; i++)
				remap[sorted[i]] = (uint32_t) i + 1;
		}
		else if (code == EM_LIMIT)
			em_hint(status, "Raise the minimum count or limit the number of words.");
	}
	em_release(counter->allocator, ids);
	em_release(counter->allocator, spare);
	em_release(counter->allocator, joined);
	if (code == EM_OUT_OF_MEMORY)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	return code;
}

void
text_word_counter_map(const text_word_counter *counter, const text_vocabulary *vocabulary,
					  uint32_t *map)
{
	for (size_t word = 0; word < counter->count; word++)
		map[word] = text_vocabulary_find(vocabulary, counter->bytes + counter->words[word].start,
										 counter->words[word].length);
}
