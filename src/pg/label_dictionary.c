/*
 * label_dictionary.c
 *	  A hash table from a label's bytes to its number.
 */
#include "postgres.h"

#include "label_dictionary.h"

#include <string.h>

#include "common/hashfn.h"
#include "utils/memutils.h"

#define FIRST_LABELS 16

void
InitLabelDictionary(LabelDictionary *dictionary, MemoryContext context)
{
	dictionary->context = context;
	dictionary->count = 0;
	dictionary->capacity = FIRST_LABELS;
	dictionary->labels = MemoryContextAlloc(context, sizeof(em_slice) * FIRST_LABELS);
	dictionary->hashes = MemoryContextAlloc(context, sizeof(uint32) * FIRST_LABELS);
	dictionary->slots = MemoryContextAllocZero(context, sizeof(uint32) * FIRST_LABELS * 2);
	dictionary->slot_mask = FIRST_LABELS * 2 - 1;
}

static uint32
HashLabel(em_slice label)
{
	return hash_bytes((const unsigned char *) label.bytes, (int) label.length);
}

/* The slot that holds the label, or the free one where it belongs. */
static uint32
FindSlot(const LabelDictionary *dictionary, em_slice label, uint32 hash)
{
	uint32 slot = hash & dictionary->slot_mask;

	for (; dictionary->slots[slot] != 0; slot = (slot + 1) & dictionary->slot_mask)
	{
		uint32 number = dictionary->slots[slot] - 1;

		if (dictionary->hashes[number] == hash &&
			dictionary->labels[number].length == label.length &&
			memcmp(dictionary->labels[number].bytes, label.bytes, label.length) == 0)
			break;
	}
	return slot;
}

uint32
FindLabelNumber(const LabelDictionary *dictionary, em_slice label)
{
	/* a free slot holds 0, and 0 - 1 is NO_LABEL */
	return dictionary->slots[FindSlot(dictionary, label, HashLabel(label))] - 1;
}

static void
Grow(LabelDictionary *dictionary)
{
	uint32 capacity = dictionary->capacity * 2;

	if (dictionary->count >= DATA_MAX_LABELS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("more than %u distinct labels", DATA_MAX_LABELS)));
	dictionary->labels = repalloc(dictionary->labels, sizeof(em_slice) * capacity);
	dictionary->hashes = repalloc(dictionary->hashes, sizeof(uint32) * capacity);
	pfree(dictionary->slots);
	dictionary->slots = MemoryContextAllocZero(dictionary->context, sizeof(uint32) * capacity * 2);
	dictionary->slot_mask = capacity * 2 - 1;
	dictionary->capacity = capacity;
	for (uint32 number = 0; number < dictionary->count; number++)
	{
		uint32 slot = dictionary->hashes[number] & dictionary->slot_mask;

		while (dictionary->slots[slot] != 0)
			slot = (slot + 1) & dictionary->slot_mask;
		dictionary->slots[slot] = number + 1;
	}
}

uint32
LabelNumber(LabelDictionary *dictionary, em_slice label)
{
	uint32 hash = HashLabel(label);
	uint32 slot = FindSlot(dictionary, label, hash);
	char *copy;

	if (dictionary->slots[slot] != 0)
		return dictionary->slots[slot] - 1;
	if (dictionary->count == dictionary->capacity)
	{
		Grow(dictionary);
		slot = FindSlot(dictionary, label, hash);
	}
	copy = MemoryContextAlloc(dictionary->context, Max(label.length, 1));
	memcpy(copy, label.bytes, label.length);
	dictionary->labels[dictionary->count] = (em_slice){ copy, label.length };
	dictionary->hashes[dictionary->count] = hash;
	dictionary->slots[slot] = ++dictionary->count;
	return dictionary->count - 1;
}
