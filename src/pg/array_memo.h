/*
 * array_memo.h
 *	  A number for arrays seen before, found by their bytes.
 *
 * Label sets repeat: GoEmotions' 43,410 rows have 711. What was made of an array
 * once (its label set, an earlier row) is then found by one hash and one comparison,
 * without a look at its elements. It forgets: whoever asks can make the number anew.
 */
#ifndef EMOTION_PG_ARRAY_MEMO_H
#define EMOTION_PG_ARRAY_MEMO_H

#include "postgres.h"

#include "utils/array.h"

typedef struct ArrayMemo
{
	MemoryContext context;
	struct ArrayMemoSlot *slots; /* NULL: none yet, or given up */
	uint32 slot_mask;
	uint32 used;
	uint32 hash; /* of the array last asked for */
	uint32 asked, found;
	bool given_up;
} ArrayMemo;

/* Takes no memory before an array has been remembered; at most about 2 MB then. */
extern void InitArrayMemo(ArrayMemo *memo, MemoryContext context);

/* array: detoasted, its header long or short (pg_detoast_datum_packed). */
extern bool RecallArray(ArrayMemo *memo, const struct varlena *array, uint32 *number);

/* Only directly after RecallArray() did not know the same array. */
extern void RememberArray(ArrayMemo *memo, const struct varlena *array, uint32 number);

/* Numbers given so far hold no more, nor will others. */
extern void GiveUpArrayMemo(ArrayMemo *memo);

#endif /* EMOTION_PG_ARRAY_MEMO_H */
