/*
 * vocabulary.c
 *	  The fixed vocabulary: one buffer of words, one table of slots.
 */
#include "vocabulary.h"

#include <string.h>

#include "hash.h"

#define MAX_WORDS 10000000

struct text_vocabulary
{
	const em_allocator *allocator;
	bool borrowed; /* what the pointers point to is somebody else's, and not written to */
	char *words;   /* joined by '\n' */
	size_t length;
	uint32_t count;
	uint32_t *starts; /* (count + 1) of each word in words; the last is length + 1 */
	hash_slot *slots; /* (mask + 1), a power of two of which at most two thirds are taken */
	uint32_t mask;
};

/* What text_vocabulary_lay_out() begins with; then words and a NUL, starts and slots. */
typedef struct laid_out
{
	uint64_t length;
	uint32_t count;
	uint32_t mask;
} laid_out;

static uint32_t
word_length(const text_vocabulary *vocabulary, uint32_t index)
{
	return vocabulary->starts[index + 1] - vocabulary->starts[index] - 1;
}

/* The slot of the word, or the free one where it belongs; *probes: how many were looked at. */
static hash_slot *
find_slot(const text_vocabulary *vocabulary, const char *word, size_t length, uint32_t hash,
		  uint64_t *probes)
{
	for (uint32_t i = hash & vocabulary->mask;; i = (i + 1) & vocabulary->mask)
	{
		hash_slot *slot = &vocabulary->slots[i];

		(*probes)++;
		if (slot->entry == 0)
			return slot;
		if (slot->hash == hash && word_length(vocabulary, slot->entry - 1) == length &&
			memcmp(vocabulary->words + vocabulary->starts[slot->entry - 1], word, length) == 0)
			return slot;
	}
}

static em_code
fill(text_vocabulary *vocabulary, em_status *status)
{
	const char *at = vocabulary->words;
	const char *end = at + vocabulary->length;
	uint64_t probes = 0;

	for (uint32_t i = 0; i < vocabulary->count; i++)
	{
		const char *newline = memchr(at, '\n', (size_t) (end - at));
		size_t length = (size_t) ((newline != NULL ? newline : end) - at);
		uint32_t hash = hash_word(at, length);
		hash_slot *slot;

		if (length == 0)
			return em_fail(status, EM_CORRUPT, "word %u of the vocabulary is empty", i + 1);
		vocabulary->starts[i] = (uint32_t) (at - vocabulary->words);
		slot = find_slot(vocabulary, at, length, hash, &probes);
		if (slot->entry != 0)
			return em_fail(status, EM_CORRUPT,
						   "words %u and %u of the vocabulary are the same: \"%.*s\"", slot->entry,
						   i + 1, (int) (length < 100 ? length : 100), at);
		/* words made to collide would take hours; real ones need fewer than two probes each */
		if (probes > UINT64_C(100) * i + 10000)
			return em_fail(status, EM_CORRUPT, "the words of the vocabulary collide");
		slot->hash = hash;
		slot->entry = i + 1;
		at += length + 1;
	}
	vocabulary->starts[vocabulary->count] = (uint32_t) vocabulary->length + 1;
	return EM_OK;
}

em_code
text_vocabulary_load(const em_allocator *allocator, const char *words, size_t length,
					 text_vocabulary **vocabulary, em_status *status)
{
	text_vocabulary *made;
	size_t count = 0;
	size_t slots = 4;
	em_code code;

	*vocabulary = NULL;
	if (length == 1 && words[0] == '\n')
		return em_fail(status, EM_CORRUPT, "word 1 of the vocabulary is empty");
	if (length > 0 && words[length - 1] == '\n')
		length--;
	if (length == 0)
		words = "";
	if (length >= UINT32_MAX)
		return em_fail(status, EM_LIMIT, "vocabulary of %zu bytes is larger than %u", length,
					   UINT32_MAX - 1);
	if (length > 0)
	{
		const char *end = words + length;

		count = 1;
		for (const char *at = words; (at = memchr(at, '\n', (size_t) (end - at))) != NULL; at++)
			count++;
	}
	if (count > MAX_WORDS)
		return em_fail(status, EM_LIMIT, "vocabulary of %zu words is larger than %d", count,
					   MAX_WORDS);
	while (slots < count + count / 2 + 1)
		slots *= 2;

	made = em_allocate_zeroed(allocator, 1, sizeof(*made));
	if (made == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	made->allocator = allocator;
	made->length = length;
	made->count = (uint32_t) count;
	made->mask = (uint32_t) (slots - 1);
	made->words = em_allocate_array(allocator, length + 1, 1);
	made->starts = em_allocate_array(allocator, count + 1, sizeof(*made->starts));
	made->slots = em_allocate_zeroed(allocator, slots, sizeof(*made->slots));
	if (made->words == NULL || made->starts == NULL || made->slots == NULL)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	else
	{
		memcpy(made->words, words, length);
		made->words[length] = '\0';
		code = fill(made, status);
	}
	if (code != EM_OK)
	{
		text_vocabulary_free(made);
		return code;
	}
	*vocabulary = made;
	return EM_OK;
}

void
text_vocabulary_free(text_vocabulary *vocabulary)
{
	const em_allocator *allocator;

	if (vocabulary == NULL)
		return;
	allocator = vocabulary->allocator;
	if (!vocabulary->borrowed)
	{
		em_release(allocator, vocabulary->words);
		em_release(allocator, vocabulary->starts);
		em_release(allocator, vocabulary->slots);
	}
	em_release(allocator, vocabulary);
}

/* Where starts and slots stand, and the end. */
static void
place_parts(const laid_out *head, uint64_t *starts, uint64_t *slots, uint64_t *end)
{
	const uint64_t align = sizeof(hash_slot) - 1;

	*starts = (sizeof(*head) + head->length + 1 + align) & ~align;
	*slots = (*starts + ((uint64_t) head->count + 1) * sizeof(uint32_t) + align) & ~align;
	*end = *slots + ((uint64_t) head->mask + 1) * sizeof(hash_slot);
}

size_t
text_vocabulary_lay_out(const text_vocabulary *vocabulary, uint8_t *out)
{
	const laid_out head = { vocabulary->length, vocabulary->count, vocabulary->mask };
	uint64_t starts, slots, end;

	place_parts(&head, &starts, &slots, &end);
	if (out == NULL)
		return (size_t) end;
	memset(out, 0, (size_t) slots);
	memcpy(out, &head, sizeof(head));
	memcpy(out + sizeof(head), vocabulary->words, vocabulary->length);
	memcpy(out + starts, vocabulary->starts, ((size_t) head.count + 1) * sizeof(uint32_t));
	memcpy(out + slots, vocabulary->slots, ((size_t) head.mask + 1) * sizeof(hash_slot));
	return (size_t) end;
}

/* Whether nothing that a look-up does with these parts leads out of them, or never ends. */
static bool
is_sound(const text_vocabulary *vocabulary)
{
	const uint32_t *starts = vocabulary->starts;
	uint32_t taken = 0;

	if (starts[vocabulary->count] != vocabulary->length + 1)
		return false;
	if (vocabulary->count > 0 && starts[0] != 0)
		return false;
	for (uint32_t i = 0; i < vocabulary->count; i++)
		if (starts[i + 1] < (uint64_t) starts[i] + 2)
			return false;
	for (uint32_t i = 0; i <= vocabulary->mask; i++)
	{
		if (vocabulary->slots[i].entry > vocabulary->count)
			return false;
		taken += vocabulary->slots[i].entry != 0;
	}
	return taken == vocabulary->count;
}

em_code
text_vocabulary_open(const em_allocator *allocator, const uint8_t *bytes, size_t size,
					 text_vocabulary **vocabulary, em_status *status)
{
	text_vocabulary *made;
	laid_out head = { 0, 0, 0 };
	uint64_t starts, slots, end;

	*vocabulary = NULL;
	if (size >= sizeof(head))
		memcpy(&head, bytes, sizeof(head));
	if (head.length >= UINT32_MAX || head.count > MAX_WORDS || head.mask <= head.count ||
		head.mask > INT32_MAX || (head.mask & (head.mask + 1)) != 0)
		return em_fail(status, EM_CORRUPT, "the vocabulary's sizes are wrong");
	place_parts(&head, &starts, &slots, &end);
	if (size != end)
		return em_fail(status, EM_CORRUPT, "the vocabulary takes %zu bytes", size);
	made = em_allocate_zeroed(allocator, 1, sizeof(*made));
	if (made == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	made->allocator = allocator;
	made->borrowed = true;
	made->words = (char *) (uintptr_t) (bytes + sizeof(head));
	made->length = (size_t) head.length;
	made->count = head.count;
	made->starts = (uint32_t *) (uintptr_t) (bytes + starts);
	made->slots = (hash_slot *) (uintptr_t) (bytes + slots);
	made->mask = head.mask;
	if (!is_sound(made))
	{
		text_vocabulary_free(made);
		return em_fail(status, EM_CORRUPT, "the vocabulary's words are not where they should be");
	}
	*vocabulary = made;
	return EM_OK;
}

uint32_t
text_vocabulary_size(const text_vocabulary *vocabulary)
{
	return vocabulary->count + 1;
}

uint32_t
text_vocabulary_find(const text_vocabulary *vocabulary, const char *word, size_t length)
{
	uint64_t probes = 0;

	if (length == 0)
		return TEXT_UNKNOWN_ID;
	/* a free slot's entry is 0, which is TEXT_UNKNOWN_ID */
	return find_slot(vocabulary, word, length, hash_word(word, length), &probes)->entry;
}

em_slice
text_vocabulary_word(const text_vocabulary *vocabulary, uint32_t id)
{
	if (id == TEXT_UNKNOWN_ID || id > vocabulary->count)
		return (em_slice){ "<unk>", 5 };
	return (em_slice){ vocabulary->words + vocabulary->starts[id - 1],
					   word_length(vocabulary, id - 1) };
}

em_slice
text_vocabulary_words(const text_vocabulary *vocabulary)
{
	return (em_slice){ vocabulary->words, vocabulary->length };
}

em_code
text_vocabulary_join(const em_allocator *allocator, const text_vocabulary *first,
					 const text_vocabulary *second, uint32_t max_words, text_vocabulary **joined,
					 em_status *status)
{
	uint32_t count = first->count;
	size_t used = first->length;
	char *words = em_allocate_array(allocator, first->length + second->length + 2, 1);
	em_code code;

	if (words == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	if (used > 0)
		memcpy(words, first->words, used);
	for (uint32_t id = 1; id <= second->count && (max_words == 0 || count < max_words); id++)
	{
		em_slice word = text_vocabulary_word(second, id);

		if (text_vocabulary_find(first, word.bytes, word.length) != TEXT_UNKNOWN_ID)
			continue;
		if (used > 0)
			words[used++] = '\n';
		memcpy(words + used, word.bytes, word.length);
		used += word.length;
		count++;
	}
	code = text_vocabulary_load(allocator, words, used, joined, status);
	em_release(allocator, words);
	return code;
}
