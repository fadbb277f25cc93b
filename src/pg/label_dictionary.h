/*
 * label_dictionary.h
 *	  Numbers for labels, in the order in which they were first seen.
 */
#ifndef EMOTION_PG_LABEL_DICTIONARY_H
#define EMOTION_PG_LABEL_DICTIONARY_H

#include "postgres.h"

#include "../base.h"
#include "../data/label_rows.h"

typedef struct LabelDictionary
{
	MemoryContext context;
	uint32 count, capacity;
	em_slice *labels; /* (count), in the database's encoding */
	uint32 *hashes;   /* (count) */
	uint32 *slots;    /* number + 1, or 0; at most half full */
	uint32 slot_mask;
} LabelDictionary;

#define NO_LABEL PG_UINT32_MAX

extern void InitLabelDictionary(LabelDictionary *dictionary, MemoryContext context);

/* The number of a label, or NO_LABEL. */
extern uint32 FindLabelNumber(const LabelDictionary *dictionary, em_slice label);

/* The same, with a number given to (a copy of) what has none yet. */
extern uint32 LabelNumber(LabelDictionary *dictionary, em_slice label);

#endif /* EMOTION_PG_LABEL_DICTIONARY_H */
