/*
 * label_state.h
 *	  The state of the aggregates over text[] of labels: the labels seen, and how
 *	  many rows carry each combination of them.
 */
#ifndef EMOTION_PG_LABEL_STATE_H
#define EMOTION_PG_LABEL_STATE_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/array.h"

#include "../data/label_sets.h"
#include "array_memo.h"
#include "label_dictionary.h"

typedef struct LabelState
{
	MemoryContext context;
	LabelDictionary dictionary;
	data_label_sets *sets; /* of the dictionary's numbers */
	ArrayMemo memo;        /* of rows' arrays: numbers in sets */
	uint32 *row;           /* a row's label numbers */
	size_t row_capacity;
} LabelState;

extern LabelState *MakeLabelState(MemoryContext context);

/* Count a row, text[], or take it out again: an error when it is not there. */
extern void AddLabelRow(LabelState *state, Datum labels);
extern void RemoveLabelRow(LabelState *state, Datum labels);

/* The same for labels that are not an array. */
extern void AddLabelSet(LabelState *state, const em_slice *labels, uint32 count);
extern void RemoveLabelSet(LabelState *state, const em_slice *labels, uint32 count);

extern void MergeLabelState(LabelState *state, const LabelState *from);

/* As bytes that do not depend on the machine; equal multisets need not give equal bytes. */
extern bytea *LabelStateAsBytes(const LabelState *state);
extern LabelState *LabelStateFromBytes(const bytea *bytes, MemoryContext context);

/* The labels that rows carry in byte order, and the sets under the numbers of that order. */
typedef struct LabelSummary
{
	uint64 rows;
	uint32 count;
	em_slice *labels; /* (count) */
	data_label_sets *sets;
} LabelSummary;

/* In the current context. */
extern LabelSummary SummariseLabels(const LabelState *state);

#endif /* EMOTION_PG_LABEL_STATE_H */
