/*
 * array_memo.c
 *	  A number for arrays seen before, found by their bytes.
 *
 * A table in which an array has two places; the newest drives out another. Where
 * arrays seldom repeat it would only cost, so it then gives up.
 */
#include "postgres.h"

#include "array_memo.h"

#include <string.h>

#define FIRST_SLOTS 16
#define MOST_SLOTS 4096
#define LONGEST 512
#define TRIAL 4096 /* arrays asked for until one must have been found in four */

typedef struct ArrayMemoSlot
{
	char *bytes; /* NULL: free */
	uint32 length;
	uint32 room;
	uint32 hash;
	uint32 number;
} ArrayMemoSlot;

void
InitArrayMemo(ArrayMemo *memo, MemoryContext context)
{
	memset(memo, 0, sizeof(*memo));
	memo->context = context;
}

/* Eight bytes at a time: several times as quick as hash_bytes(). */
static uint32
HashArray(const char *bytes, uint32 length)
{
	uint64 hash = length;
	uint64 word;

	for (; length >= sizeof(word); bytes += sizeof(word), length -= sizeof(word))
	{
		memcpy(&word, bytes, sizeof(word));
		hash = (hash ^ word) * UINT64CONST(0x9E3779B97F4A7C15);
		hash ^= hash >> 32;
	}
	word = 0;
	memcpy(&word, bytes, length);
	hash = (hash ^ word) * UINT64CONST(0x9E3779B97F4A7C15);
	return (uint32) (hash >> 32);
}

bool
RecallArray(ArrayMemo *memo, const struct varlena *array, uint32 *number)
{
	const char *bytes = VARDATA_ANY(array);
	uint32 length = VARSIZE_ANY_EXHDR(array);

	if (memo->given_up || length > LONGEST)
		return false;
	memo->hash = HashArray(bytes, length);
	if (memo->slots == NULL)
		return false;
	if (++memo->asked == TRIAL)
	{
		if (memo->found < TRIAL / 4)
		{
			GiveUpArrayMemo(memo);
			return false;
		}
		memo->asked = memo->found = 0;
	}
	for (uint32 i = 0; i < 2; i++)
	{
		const ArrayMemoSlot *slot = &memo->slots[(memo->hash ^ i) & memo->slot_mask];

		if (slot->hash == memo->hash && slot->length == length && slot->bytes != NULL &&
			memcmp(slot->bytes, bytes, length) == 0)
		{
			*number = slot->number;
			memo->found++;
			return true;
		}
	}
	return false;
}

/* One of the array's two places. */
static ArrayMemoSlot *
PlaceFor(const ArrayMemo *memo, uint32 hash)
{
	ArrayMemoSlot *first = &memo->slots[hash & memo->slot_mask];
	ArrayMemoSlot *second = &memo->slots[(hash ^ 1) & memo->slot_mask];

	return first->bytes != NULL && second->bytes == NULL ? second : first;
}

static void
Grow(ArrayMemo *memo)
{
	ArrayMemoSlot *old = memo->slots;
	uint32 old_count = old ? memo->slot_mask + 1 : 0;
	uint32 count = old ? old_count * 4 : FIRST_SLOTS;

	memo->slots = MemoryContextAllocZero(memo->context, sizeof(ArrayMemoSlot) * count);
	memo->slot_mask = count - 1;
	memo->used = 0;
	for (uint32 i = 0; i < old_count; i++)
	{
		ArrayMemoSlot *place;

		if (old[i].bytes == NULL)
			continue;
		place = PlaceFor(memo, old[i].hash);
		if (place->bytes != NULL)
			pfree(place->bytes);
		else
			memo->used++;
		*place = old[i];
	}
	if (old)
		pfree(old);
}

void
RememberArray(ArrayMemo *memo, const struct varlena *array, uint32 number)
{
	uint32 length = VARSIZE_ANY_EXHDR(array);
	ArrayMemoSlot *slot;

	if (memo->given_up || length > LONGEST)
		return;
	if (memo->slots == NULL ||
		(memo->used * 2 > memo->slot_mask && memo->slot_mask + 1 < MOST_SLOTS))
		Grow(memo);
	slot = PlaceFor(memo, memo->hash);
	if (slot->room < length || slot->bytes == NULL)
	{
		char *bytes = MemoryContextAlloc(memo->context, Max(length, 1));

		if (slot->bytes != NULL)
			pfree(slot->bytes);
		else
			memo->used++;
		slot->bytes = bytes;
		slot->room = length;
	}
	memcpy(slot->bytes, VARDATA_ANY(array), length);
	slot->length = length;
	slot->hash = memo->hash;
	slot->number = number;
}

void
GiveUpArrayMemo(ArrayMemo *memo)
{
	if (memo->slots != NULL)
	{
		for (uint32 i = 0; i <= memo->slot_mask; i++)
			if (memo->slots[i].bytes != NULL)
				pfree(memo->slots[i].bytes);
		pfree(memo->slots);
	}
	memo->slots = NULL;
	memo->given_up = true;
}
