/*
 * aggregate_labels.c
 *	  emotion_label_counts(), emotion_cooccurrence(), emotion_label_stats() and
 *	  emotion_label_state(): aggregates over text[] of labels.
 *
 * They share one state and its transition, so a query that asks for several
 * over the same column has it once. A row whose labels are null is passed over;
 * a row without labels counts. Without rows the result is null.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "../data/label_stats.h"
#include "aggregate_state.h"
#include "glue.h"
#include "label_state.h"

#if PG_VERSION_NUM < 140000
#define int64_to_numeric(value)                                                                    \
	DatumGetNumeric(DirectFunctionCall1(int8_numeric, Int64GetDatum(value)))
#endif

PG_FUNCTION_INFO_V1(emotion_label_accum);
PG_FUNCTION_INFO_V1(emotion_label_remove);
PG_FUNCTION_INFO_V1(emotion_label_merge);
PG_FUNCTION_INFO_V1(emotion_label_combine);
PG_FUNCTION_INFO_V1(emotion_label_serialize);
PG_FUNCTION_INFO_V1(emotion_label_deserialize);
PG_FUNCTION_INFO_V1(emotion_label_state_final);
PG_FUNCTION_INFO_V1(emotion_label_counts_final);
PG_FUNCTION_INFO_V1(emotion_cooccurrence_final);
PG_FUNCTION_INFO_V1(emotion_label_stats_final);

/* The server prints a matrix of so many within a second, in which it cannot be interrupted. */
#define MATRIX_LABELS 4096

/* ---- transitions --------------------------------------------------------------------------- */

static LabelState *
StateArgument(FunctionCallInfo fcinfo)
{
	return PG_ARGISNULL(0) ? NULL : (LabelState *) PG_GETARG_POINTER(0);
}

/* emotion_label_accum(internal, text[]): internal */
Datum
emotion_label_accum(PG_FUNCTION_ARGS)
{
	MemoryContext context = AggregateContext(fcinfo, "emotion_label_accum");
	LabelState *state = StateArgument(fcinfo);

	/* a state in any case: a moving window takes no null */
	if (state == NULL)
		state = MakeLabelState(context);
	if (!PG_ARGISNULL(1))
		AddLabelRow(state, PG_GETARG_DATUM(1));
	PG_RETURN_POINTER(state);
}

/* emotion_label_remove(internal, text[]): internal; a row leaves a moving window */
Datum
emotion_label_remove(PG_FUNCTION_ARGS)
{
	LabelState *state = StateArgument(fcinfo);

	(void) AggregateContext(fcinfo, "emotion_label_remove");
	if (state == NULL)
		PG_RETURN_NULL();
	if (!PG_ARGISNULL(1))
		RemoveLabelRow(state, PG_GETARG_DATUM(1));
	PG_RETURN_POINTER(state);
}

/* emotion_label_merge(internal, bytea): internal; what emotion_label_state() made of other rows */
Datum
emotion_label_merge(PG_FUNCTION_ARGS)
{
	MemoryContext context = AggregateContext(fcinfo, "emotion_label_merge");
	LabelState *state = StateArgument(fcinfo);

	if (!PG_ARGISNULL(1))
	{
		MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "emotion label state",
												   ALLOCSET_DEFAULT_SIZES);

		if (state == NULL)
			state = MakeLabelState(context);
		MergeLabelState(state, LabelStateFromBytes(PG_GETARG_BYTEA_PP(1), work));
		MemoryContextDelete(work);
	}
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

/* emotion_label_combine(internal, internal): internal */
Datum
emotion_label_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = AggregateContext(fcinfo, "emotion_label_combine");
	LabelState *state = StateArgument(fcinfo);

	if (!PG_ARGISNULL(1))
	{
		if (state == NULL)
			state = MakeLabelState(context);
		MergeLabelState(state, (const LabelState *) PG_GETARG_POINTER(1));
	}
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

/* emotion_label_serialize(internal): bytea */
Datum
emotion_label_serialize(PG_FUNCTION_ARGS)
{
	(void) AggregateContext(fcinfo, "emotion_label_serialize");
	PG_RETURN_BYTEA_P(LabelStateAsBytes((const LabelState *) PG_GETARG_POINTER(0)));
}

/* emotion_label_deserialize(bytea, internal): internal */
Datum
emotion_label_deserialize(PG_FUNCTION_ARGS)
{
	(void) AggregateContext(fcinfo, "emotion_label_deserialize");
	PG_RETURN_POINTER(LabelStateFromBytes(PG_GETARG_BYTEA_PP(0), CurrentMemoryContext));
}

/* ---- results ------------------------------------------------------------------------------- */

/* The state with at least one row, or NULL. */
static LabelState *
FinalState(FunctionCallInfo fcinfo, const char *function)
{
	LabelState *state = StateArgument(fcinfo);

	(void) AggregateContext(fcinfo, function);
	return state == NULL || data_label_sets_rows(state->sets) == 0 ? NULL : state;
}

/* emotion_label_state_final(internal): bytea */
Datum
emotion_label_state_final(PG_FUNCTION_ARGS)
{
	LabelState *state = FinalState(fcinfo, "emotion_label_state_final");

	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(LabelStateAsBytes(state));
}

/* emotion_label_counts_final(internal): jsonb */
Datum
emotion_label_counts_final(PG_FUNCTION_ARGS)
{
	LabelState *state = FinalState(fcinfo, "emotion_label_counts_final");
	JsonbParseState *object = NULL;
	uint64 *counts;
	data_label_set set;
	size_t position = 0;

	if (state == NULL)
		PG_RETURN_NULL();
	counts = palloc0(sizeof(uint64) * Max(state->dictionary.count, 1));
	while (data_label_sets_next(state->sets, &position, &set))
		for (uint32 i = 0; i < set.size; i++)
			counts[set.labels[i]] += set.rows;
	pushJsonbValue(&object, WJB_BEGIN_OBJECT, NULL);
	for (uint32 i = 0; i < state->dictionary.count; i++)
	{
		JsonbValue item;

		if (counts[i] == 0)
			continue;
		item.type = jbvString;
		item.val.string.val = unconstify(char *, state->dictionary.labels[i].bytes);
		item.val.string.len = (int) state->dictionary.labels[i].length;
		pushJsonbValue(&object, WJB_KEY, &item);
		item.type = jbvNumeric;
		item.val.numeric = int64_to_numeric((int64) counts[i]);
		pushJsonbValue(&object, WJB_VALUE, &item);
	}
	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&object, WJB_END_OBJECT, NULL)));
}

static Datum
RowOf(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc descriptor;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

/* emotion_cooccurrence_final(internal): emotion_cooccurrence_matrix */
Datum
emotion_cooccurrence_final(PG_FUNCTION_ARGS)
{
	LabelState *state = FinalState(fcinfo, "emotion_cooccurrence_final");
	LabelSummary summary;
	data_label_set set;
	size_t position = 0;
	Size count, cells;
	ArrayType *matrix;
	int64 *cell;
	Datum values[2];
	bool nulls[2] = { false, false };

	if (state == NULL)
		PG_RETURN_NULL();
	summary = SummariseLabels(state);
	count = summary.count;
	cells = count * count;
	if (count > MATRIX_LABELS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a matrix of %u labels is too large; at most %d are supported",
							   summary.count, MATRIX_LABELS),
						errhint("Leave out rare labels before they are aggregated.")));
	if (count == 0)
		matrix = construct_empty_array(INT8OID);
	else
	{
		Size size = ARR_OVERHEAD_NONULLS(2) + cells * sizeof(int64);

		matrix = palloc0(size);
		SET_VARSIZE(matrix, size);
		matrix->ndim = 2;
		matrix->elemtype = INT8OID;
		ARR_DIMS(matrix)[0] = ARR_DIMS(matrix)[1] = (int) count;
		ARR_LBOUND(matrix)[0] = ARR_LBOUND(matrix)[1] = 1;
		cell = (int64 *) ARR_DATA_PTR(matrix);
		while (data_label_sets_next(summary.sets, &position, &set))
		{
			CHECK_FOR_INTERRUPTS();
			for (uint32 i = 0; i < set.size; i++)
				for (uint32 j = 0; j < set.size; j++)
					cell[set.labels[i] * count + set.labels[j]] += (int64) set.rows;
		}
	}
	values[0] = PointerGetDatum(TextArray(summary.labels, (int) summary.count));
	values[1] = PointerGetDatum(matrix);
	return RowOf(fcinfo, values, nulls);
}

/* emotion_label_stats_final(internal): emotion_label_statistics */
Datum
emotion_label_stats_final(PG_FUNCTION_ARGS)
{
	enum
	{
		COLUMNS = 15
	};
	LabelState *state = FinalState(fcinfo, "emotion_label_stats_final");
	LabelSummary summary;
	data_label_stats stats;
	em_status status;
	uint32 room;
	int count;
	Datum values[COLUMNS];
	bool nulls[COLUMNS] = { false };

	if (state == NULL)
		PG_RETURN_NULL();
	summary = SummariseLabels(state);
	room = Max(summary.count, 1);
	count = (int) summary.count;
	stats.count = palloc(sizeof(uint64) * room);
	stats.irlbl = palloc(sizeof(double) * room);
	stats.label_scumble = palloc(sizeof(double) * room);
	CheckCode(data_label_stats_compute(ContextAllocator(CurrentMemoryContext), summary.sets, room,
									   1.0, &stats, &status),
			  &status);
	if (summary.count == 0)
		stats.density = stats.tcs = NAN; /* there is no number of labels to measure by */

	values[0] = Int64GetDatum((int64) stats.rows);
	values[1] = Float8GetDatum(stats.cardinality);
	values[2] = Float8GetDatum(stats.density);
	values[3] = Int64GetDatum((int64) stats.label_sets);
	values[4] = Int64GetDatum((int64) stats.single_sets);
	values[5] = Float8GetDatum(stats.mean_ir);
	values[6] = Float8GetDatum(stats.max_ir);
	values[7] = Float8GetDatum(stats.cvir);
	values[8] = Float8GetDatum(stats.scumble);
	values[9] = Float8GetDatum(stats.scumble_cv);
	values[10] = Float8GetDatum(stats.tcs);
	nulls[2] = isnan(stats.density);
	nulls[5] = isnan(stats.mean_ir);
	nulls[6] = isnan(stats.max_ir);
	nulls[7] = isnan(stats.cvir);
	nulls[8] = isnan(stats.scumble);
	nulls[9] = isnan(stats.scumble_cv);
	nulls[10] = isnan(stats.tcs);
	values[11] = PointerGetDatum(TextArray(summary.labels, count));
	values[12] = PointerGetDatum(Int8Array(stats.count, count));
	values[13] = PointerGetDatum(Float8Array(stats.irlbl, count));
	values[14] = PointerGetDatum(Float8Array(stats.label_scumble, count));
	return RowOf(fcinfo, values, nulls);
}
