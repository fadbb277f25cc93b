/*
 * label_state.c
 *	  The state of the aggregates over text[] of labels.
 *
 * As bytes (numbers in network byte order):
 *	  "EmLb", version
 *	  number of labels; of each: length, bytes
 *	  number of label sets (8 bytes); of each: rows (8 bytes), size, label numbers, rising
 */
#include "postgres.h"

#include "label_state.h"

#include "lib/qunique.h"
#include "libpq/pqformat.h"

#include "aggregate_state.h"
#include "glue.h"

#define LABEL_STATE_MAGIC "EmLb"
#define WHOSE "emotion_label_state()"
/* More labels in one row than this are a mistake, and would make the row's sorting slow. */
#define MAX_ROW_LABELS 65536
/* Of groups with fewer rows there may be millions, which a memo each would make larger. */
#define ROWS_BEFORE_MEMO 8

LabelState *
MakeLabelState(MemoryContext context)
{
	LabelState *state = MemoryContextAllocZero(context, sizeof(LabelState));
	em_status status;

	state->context = context;
	InitLabelDictionary(&state->dictionary, context);
	InitArrayMemo(&state->memo, context);
	CheckCode(data_label_sets_create(ContextAllocator(context), &state->sets, &status), &status);
	return state;
}

static int
CompareNumbers(const void *left, const void *right)
{
	uint32 a = *(const uint32 *) left;
	uint32 b = *(const uint32 *) right;

	return (a > b) - (a < b);
}

/* Room for the numbers of so many labels in state->row. */
static void
ReserveRow(LabelState *state, uint32 count)
{
	if (count > MAX_ROW_LABELS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("%u labels in one row are more than %d", count, MAX_ROW_LABELS)));
	if (count <= state->row_capacity)
		return;
	if (state->row)
		pfree(state->row);
	state->row_capacity = (size_t) count * 2;
	state->row = MemoryContextAlloc(state->context, sizeof(uint32) * state->row_capacity);
}

/* Sort the numbers in state->row and drop those that are there twice. */
static uint32
SortRow(LabelState *state, uint32 size)
{
	if (size < 2)
		return size;
	qsort(state->row, size, sizeof(uint32), CompareNumbers);
	return (uint32) qunique(state->row, size, sizeof(uint32), CompareNumbers);
}

/* Returns how many distinct labels the row has. */
static uint32
AddRow(LabelState *state, uint32 size)
{
	em_status status;

	size = SortRow(state, size);
	CheckCode(data_label_sets_add(state->sets, state->row, size, 1, &status), &status);
	return size;
}

/* A label never seen has the number NO_LABEL here, which no set has. */
static void
RemoveRow(LabelState *state, uint32 size)
{
	em_status status;

	GiveUpArrayMemo(&state->memo); /* sets change their numbers from now on */
	CheckCode(data_label_sets_remove(state->sets, state->row, SortRow(state, size), 1, &status),
			  &status);
}

void
AddLabelRow(LabelState *state, Datum labels)
{
	const struct varlena *array = PG_DETOAST_DATUM_PACKED(labels);
	bool memo = data_label_sets_rows(state->sets) >= ROWS_BEFORE_MEMO;
	TextArrayWalk walk;
	em_slice label;
	em_status status;
	uint32 size = 0, set;

	if (memo && RecallArray(&state->memo, array, &set))
	{
		CheckCode(data_label_sets_add_to(state->sets, set, 1, &status), &status);
		return;
	}
	walk = WalkTextArray(DatumGetArrayTypeP(PointerGetDatum(array)));
	ReserveRow(state, (uint32) walk.count);
	while (NextText(&walk, &label, "a row"))
		state->row[size++] = LabelNumber(&state->dictionary, label);
	size = AddRow(state, size);
	if (memo && data_label_sets_number(state->sets, state->row, size, &set))
		RememberArray(&state->memo, array, set);
}

void
RemoveLabelRow(LabelState *state, Datum labels)
{
	TextArrayWalk walk = WalkTextArray(DatumGetArrayTypeP(labels));
	em_slice label;
	uint32 size = 0;

	ReserveRow(state, (uint32) walk.count);
	while (NextText(&walk, &label, "a row"))
		state->row[size++] = FindLabelNumber(&state->dictionary, label);
	RemoveRow(state, size);
}

void
AddLabelSet(LabelState *state, const em_slice *labels, uint32 count)
{
	ReserveRow(state, count);
	for (uint32 i = 0; i < count; i++)
		state->row[i] = LabelNumber(&state->dictionary, labels[i]);
	(void) AddRow(state, count);
}

void
RemoveLabelSet(LabelState *state, const em_slice *labels, uint32 count)
{
	ReserveRow(state, count);
	for (uint32 i = 0; i < count; i++)
		state->row[i] = FindLabelNumber(&state->dictionary, labels[i]);
	RemoveRow(state, count);
}

void
MergeLabelState(LabelState *state, const LabelState *from)
{
	uint32 count = from->dictionary.count;
	uint32 *map = palloc(sizeof(uint32) * Max(count, 1));
	em_status status;

	for (uint32 i = 0; i < count; i++)
		map[i] = LabelNumber(&state->dictionary, from->dictionary.labels[i]);
	CheckCode(data_label_sets_merge(state->sets, from->sets, map, count, &status), &status);
	pfree(map);
}

bytea *
LabelStateAsBytes(const LabelState *state)
{
	StringInfoData bytes;
	data_label_set set;
	size_t position = 0;

	BeginState(&bytes, LABEL_STATE_MAGIC);
	pq_sendint32(&bytes, state->dictionary.count);
	for (uint32 i = 0; i < state->dictionary.count; i++)
		AppendStateText(&bytes, state->dictionary.labels[i]);
	pq_sendint64(&bytes, data_label_sets_distinct(state->sets));
	while (data_label_sets_next(state->sets, &position, &set))
	{
		pq_sendint64(&bytes, set.rows);
		pq_sendint32(&bytes, set.size);
		for (uint32 i = 0; i < set.size; i++)
			pq_sendint32(&bytes, set.labels[i]);
	}
	SET_VARSIZE(bytes.data, bytes.len);
	return (bytea *) bytes.data;
}

LabelState *
LabelStateFromBytes(const bytea *bytes, MemoryContext context)
{
	StateReader reader = OpenState(bytes, LABEL_STATE_MAGIC, WHOSE);
	LabelState *state = MakeLabelState(context);
	uint32 labels = ReadStateCount(&reader, sizeof(uint32));
	uint32 *row = palloc(sizeof(uint32) * Max(Min(labels, MAX_ROW_LABELS), 1));
	uint64 sets;
	em_status status;

	for (uint32 i = 0; i < labels; i++)
		if (LabelNumber(&state->dictionary, ReadStateText(&reader)) != i)
			RefuseState(WHOSE, "a label is there twice");
	sets = ReadStateUint64(&reader);
	for (uint64 i = 0; i < sets; i++)
	{
		uint64 rows = ReadStateUint64(&reader);
		uint32 size = ReadStateCount(&reader, sizeof(uint32));

		if (rows == 0)
			RefuseState(WHOSE, "a label set has no rows");
		if (size > Min(labels, MAX_ROW_LABELS))
			RefuseState(WHOSE, "a label set has too many labels");
		for (uint32 l = 0; l < size; l++)
		{
			row[l] = ReadStateUint32(&reader);
			if (row[l] >= labels)
				RefuseState(WHOSE, "a label set has a label that is not there");
			if (l > 0 && row[l] <= row[l - 1])
				RefuseState(WHOSE, "the labels of a set do not rise");
		}
		if (data_label_sets_add(state->sets, row, size, rows, &status) != EM_OK)
		{
			if (status.code == EM_LIMIT)
				RefuseState(WHOSE, "its rows are too many");
			ReportStatus(&status);
		}
		if (data_label_sets_distinct(state->sets) != i + 1)
			RefuseState(WHOSE, "a label set is there twice");
	}
	CloseState(&reader);
	pfree(row);
	return state;
}

static int
CompareByLabel(const void *left, const void *right, void *argument)
{
	const em_slice *labels = argument;

	return CompareBytes(labels[*(const uint32 *) left], labels[*(const uint32 *) right]);
}

LabelSummary
SummariseLabels(const LabelState *state)
{
	uint32 known = state->dictionary.count;
	uint32 *order = palloc(sizeof(uint32) * Max(known, 1));
	uint32 *map = palloc0(sizeof(uint32) * Max(known, 1)); /* first: whether a row carries it */
	LabelSummary summary = { .rows = data_label_sets_rows(state->sets) };
	data_label_set set;
	size_t position = 0;
	em_status status;

	while (data_label_sets_next(state->sets, &position, &set))
		for (uint32 i = 0; i < set.size; i++)
			map[set.labels[i]] = 1;
	for (uint32 i = 0; i < known; i++)
		if (map[i] != 0)
			order[summary.count++] = i;
	qsort_arg(order, summary.count, sizeof(uint32), CompareByLabel, state->dictionary.labels);
	summary.labels = palloc(sizeof(em_slice) * Max(summary.count, 1));
	for (uint32 i = 0; i < summary.count; i++)
	{
		summary.labels[i] = state->dictionary.labels[order[i]];
		map[order[i]] = i;
	}
	CheckCode(
		data_label_sets_create(ContextAllocator(CurrentMemoryContext), &summary.sets, &status),
		&status);
	CheckCode(data_label_sets_merge(summary.sets, state->sets, map, known, &status), &status);
	return summary;
}
