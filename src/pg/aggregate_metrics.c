/*
 * aggregate_metrics.c
 *	  emotion_metrics(truth, scores [, labels [, thresholds]]): how well scores agree with labels.
 *
 * ROC-AUC and average precision are exact, so the state keeps every score:
 * 5 bytes for each row and label. As bytes (numbers in network byte order):
 *	  "EmMe", version
 *	  L; of each label: length, bytes, threshold
 *	  n (8 bytes); scores (n, L), 4 bytes each; truth (n, L), one byte each
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "libpq/pqformat.h"
#include "utils/array.h"
#include "utils/memutils.h"

#include "../data/metrics.h"
#include "../model/config.h"
#include "aggregate_state.h"
#include "cache.h"
#include "glue.h"
#include "label_dictionary.h"
#include "score.h"

PG_FUNCTION_INFO_V1(emotion_metrics_accum);
PG_FUNCTION_INFO_V1(emotion_metrics_combine);
PG_FUNCTION_INFO_V1(emotion_metrics_serialize);
PG_FUNCTION_INFO_V1(emotion_metrics_deserialize);
PG_FUNCTION_INFO_V1(emotion_metrics_final);

#define METRICS_STATE_MAGIC "EmMe"
#define WHOSE "emotion_metrics()"

typedef struct MetricsState
{
	LabelDictionary dictionary; /* label i has number i */
	float4 *thresholds;         /* (L) */
	ArrayType *labels_given;    /* as in the first row, or NULL: the deployed model's */
	ArrayType *thresholds_given;
	const em_allocator *allocator;
	uint64 rows;
	float4 *scores; /* (rows, L) */
	size_t scores_capacity;
	uint8 *truth; /* (rows, L) */
	size_t truth_capacity;
} MetricsState;

static MetricsState *
MakeState(MemoryContext context)
{
	MetricsState *state = MemoryContextAllocZero(context, sizeof(MetricsState));

	InitLabelDictionary(&state->dictionary, context);
	state->allocator = ContextAllocator(context);
	return state;
}

/* Take in the labels of the scores, once. */
static void
SetLabel(MetricsState *state, em_slice label, uint32 i)
{
	if (LabelNumber(&state->dictionary, label) != i)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("label \"%s\" is twice among the labels of the scores",
							   pnstrdup(label.bytes, label.length))));
}

static ArrayType *
KeepArray(ArrayType *array, MemoryContext context)
{
	ArrayType *copy = MemoryContextAlloc(context, VARSIZE(array));

	memcpy(copy, array, VARSIZE(array));
	return copy;
}

static const float4 *
Floats(ArrayType *array, uint32 labels, const char *what)
{
	int count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("one of the %s is null", what)));
	if ((uint32) count != labels)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("%d %s for %u labels", count, what, labels)));
	return (const float4 *) ARR_DATA_PTR(array);
}

static void
CheckThreshold(float4 threshold)
{
	if (isnan(threshold))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a threshold is not a number")));
}

/* What the first row says of the labels, which is to hold for all. */
static void
FirstRow(FunctionCallInfo fcinfo, MetricsState *state, MemoryContext context)
{
	const float4 *thresholds = NULL;
	uint32 labels;

	if (PG_NARGS() > 3)
	{
		ArrayType *array = PG_GETARG_ARRAYTYPE_P(3);
		TextArrayWalk walk = WalkTextArray(array);
		em_slice label;

		if (walk.count > MODEL_MAX_LABELS)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("%d labels are more than %d", walk.count, MODEL_MAX_LABELS)));
		while (NextText(&walk, &label, "the labels of the scores"))
			SetLabel(state, label, (uint32) walk.position - 1);
		state->labels_given = KeepArray(array, context);
	}
	else
	{
		CachedModel *cached = UseModelNamed(NULL);

		for (int i = 0; i < cached->label_count; i++)
			SetLabel(state, (em_slice){ cached->labels[i], strlen(cached->labels[i]) }, (uint32) i);
		thresholds = cached->model->thresholds;
	}
	labels = state->dictionary.count;
	if (labels == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("there are no labels")));
	if (PG_NARGS() > 4)
	{
		ArrayType *array = PG_GETARG_ARRAYTYPE_P(4);

		thresholds = Floats(array, labels, "thresholds");
		state->thresholds_given = KeepArray(array, context);
	}
	state->thresholds = MemoryContextAlloc(context, sizeof(float4) * labels);
	for (uint32 i = 0; i < labels; i++)
	{
		state->thresholds[i] = thresholds ? thresholds[i] : 0.5F;
		CheckThreshold(state->thresholds[i]);
	}
}

static void
CheckSame(const ArrayType *first, const ArrayType *now, const char *what)
{
	if (VARSIZE(first) != VARSIZE(now) || memcmp(first, now, VARSIZE(first)) != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the %s differ between rows", what),
						errhint("Group by the model whose scores they are.")));
}

/* Room for so many rows more; the truth of new rows is all 0. */
static void
ReserveRows(MetricsState *state, uint64 rows)
{
	uint64 labels = state->dictionary.count;

	if (rows > ((uint64) 1 << 30) || state->rows + rows > ((uint64) 1 << 30))
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("more than %d rows to measure on", 1 << 30)));
	if (!em_grow(state->allocator, (void **) &state->scores, &state->scores_capacity,
				 (size_t) ((state->rows + rows) * labels), sizeof(float4)) ||
		!em_grow(state->allocator, (void **) &state->truth, &state->truth_capacity,
				 (size_t) ((state->rows + rows) * labels), 1))
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	memset(state->truth + state->rows * labels, 0, (size_t) (rows * labels));
}

/* emotion_metrics_accum(internal, truth text[], scores real[] [, labels text[] [, thresholds real[]]]) */
Datum
emotion_metrics_accum(PG_FUNCTION_ARGS)
{
	MemoryContext context = AggregateContext(fcinfo, "emotion_metrics_accum");
	MetricsState *state = PG_ARGISNULL(0) ? NULL : (MetricsState *) PG_GETARG_POINTER(0);
	TextArrayWalk walk;
	em_slice label;
	const float4 *scores;
	uint64 labels;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	for (int i = 3; i < PG_NARGS(); i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("%s must not be null", i == 3 ? "labels" : "thresholds")));
	if (state == NULL)
	{
		state = MakeState(context);
		FirstRow(fcinfo, state, context);
	}
	else
	{
		if (PG_NARGS() > 3)
			CheckSame(state->labels_given, PG_GETARG_ARRAYTYPE_P(3), "labels of the scores");
		if (PG_NARGS() > 4)
			CheckSame(state->thresholds_given, PG_GETARG_ARRAYTYPE_P(4), "thresholds");
	}
	labels = state->dictionary.count;
	scores = Floats(PG_GETARG_ARRAYTYPE_P(2), (uint32) labels, "scores");
	ReserveRows(state, 1);
	for (uint64 i = 0; i < labels; i++)
	{
		/* written so that NaN fails it */
		if (!(scores[i] >= 0.0F && scores[i] <= 1.0F))
			ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
							errmsg("score %g of label \"%s\" is not in 0 to 1", scores[i],
								   pnstrdup(state->dictionary.labels[i].bytes,
											state->dictionary.labels[i].length))));
		state->scores[state->rows * labels + i] = scores[i];
	}
	walk = WalkTextArray(PG_GETARG_ARRAYTYPE_P(1));
	while (NextText(&walk, &label, "the labels of a row"))
	{
		uint32 number = FindLabelNumber(&state->dictionary, label);

		if (number == NO_LABEL)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("label \"%s\" of a row is not among the labels of the scores",
								   pnstrdup(label.bytes, label.length))));
		state->truth[state->rows * labels + number] = 1;
	}
	state->rows++;
	PG_RETURN_POINTER(state);
}

static bool
SameLabels(const MetricsState *a, const MetricsState *b)
{
	if (a->dictionary.count != b->dictionary.count)
		return false;
	for (uint32 i = 0; i < a->dictionary.count; i++)
		if (CompareBytes(a->dictionary.labels[i], b->dictionary.labels[i]) != 0 ||
			a->thresholds[i] != b->thresholds[i])
			return false;
	return true;
}

/* emotion_metrics_combine(internal, internal): internal */
Datum
emotion_metrics_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = AggregateContext(fcinfo, "emotion_metrics_combine");
	MetricsState *state = PG_ARGISNULL(0) ? NULL : (MetricsState *) PG_GETARG_POINTER(0);
	const MetricsState *from;
	uint64 labels;

	if (PG_ARGISNULL(1))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	from = (const MetricsState *) PG_GETARG_POINTER(1);
	labels = from->dictionary.count;
	if (state == NULL)
	{
		state = MakeState(context);
		for (uint32 i = 0; i < labels; i++)
			SetLabel(state, from->dictionary.labels[i], i);
		state->thresholds = MemoryContextAlloc(context, sizeof(float4) * Max(labels, 1));
		memcpy(state->thresholds, from->thresholds, sizeof(float4) * labels);
	}
	else if (!SameLabels(state, from))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the labels or thresholds of the scores differ between rows"),
						errhint("Group by the model whose scores they are.")));
	ReserveRows(state, from->rows);
	memcpy(state->scores + state->rows * labels, from->scores,
		   sizeof(float4) * (size_t) (from->rows * labels));
	memcpy(state->truth + state->rows * labels, from->truth, (size_t) (from->rows * labels));
	state->rows += from->rows;
	PG_RETURN_POINTER(state);
}

/* emotion_metrics_serialize(internal): bytea */
Datum
emotion_metrics_serialize(PG_FUNCTION_ARGS)
{
	const MetricsState *state = (const MetricsState *) PG_GETARG_POINTER(0);
	uint64 cells = state->rows * state->dictionary.count;
	StringInfoData bytes;

	(void) AggregateContext(fcinfo, "emotion_metrics_serialize");
	if (cells > MaxAllocSize / 5 - 1024 * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg(UINT64_FORMAT " scores are too many for a parallel worker to send", cells),
				 errhint("Set max_parallel_workers_per_gather to 0 for this query.")));
	BeginState(&bytes, METRICS_STATE_MAGIC);
	pq_sendint32(&bytes, state->dictionary.count);
	for (uint32 i = 0; i < state->dictionary.count; i++)
	{
		AppendStateText(&bytes, state->dictionary.labels[i]);
		pq_sendfloat4(&bytes, state->thresholds[i]);
	}
	pq_sendint64(&bytes, state->rows);
	enlargeStringInfo(&bytes, (int) (cells * 5));
	for (uint64 i = 0; i < cells; i++)
		pq_sendfloat4(&bytes, state->scores[i]);
	appendBinaryStringInfo(&bytes, (const char *) state->truth, (int) cells);
	SET_VARSIZE(bytes.data, bytes.len);
	PG_RETURN_BYTEA_P((bytea *) bytes.data);
}

static float4
ReadFloat(StateReader *reader)
{
	union
	{
		uint32 bits;
		float4 value;
	} word;

	word.bits = ReadStateUint32(reader);
	return word.value;
}

/* emotion_metrics_deserialize(bytea, internal): internal */
Datum
emotion_metrics_deserialize(PG_FUNCTION_ARGS)
{
	MetricsState *state;
	StateReader reader;
	uint32 labels;
	uint64 rows, cells;

	(void) AggregateContext(fcinfo, "emotion_metrics_deserialize");
	reader = OpenState(PG_GETARG_BYTEA_PP(0), METRICS_STATE_MAGIC, WHOSE);
	state = MakeState(CurrentMemoryContext);
	labels = ReadStateCount(&reader, 2 * sizeof(uint32));
	if (labels == 0 || labels > MODEL_MAX_LABELS)
		RefuseState(WHOSE, "its number of labels is wrong");
	state->thresholds = palloc(sizeof(float4) * labels);
	for (uint32 i = 0; i < labels; i++)
	{
		if (LabelNumber(&state->dictionary, ReadStateText(&reader)) != i)
			RefuseState(WHOSE, "a label is there twice");
		state->thresholds[i] = ReadFloat(&reader);
		if (isnan(state->thresholds[i]))
			RefuseState(WHOSE, "a threshold is not a number");
	}
	rows = ReadStateUint64(&reader);
	if (rows > reader.left / (5 * (uint64) labels))
		RefuseState(WHOSE, "it ends early");
	ReserveRows(state, rows);
	cells = rows * labels;
	for (uint64 i = 0; i < cells; i++)
	{
		state->scores[i] = ReadFloat(&reader);
		if (!(state->scores[i] >= 0.0F && state->scores[i] <= 1.0F))
			RefuseState(WHOSE, "a score is not in 0 to 1");
	}
	memcpy(state->truth, ReadStateBytes(&reader, (size_t) cells), (size_t) cells);
	for (uint64 i = 0; i < cells; i++)
		if (state->truth[i] > 1)
			RefuseState(WHOSE, "a truth is neither 0 nor 1");
	CloseState(&reader);
	state->rows = rows;
	PG_RETURN_POINTER(state);
}

/* emotion_metrics_final(internal): emotion_metrics_result */
Datum
emotion_metrics_final(PG_FUNCTION_ARGS)
{
	enum
	{
		OVERALL = 21,
		PER_LABEL = 9,
		COLUMNS = OVERALL + PER_LABEL
	};
	const MetricsState *state =
		PG_ARGISNULL(0) ? NULL : (const MetricsState *) PG_GETARG_POINTER(0);
	data_metrics metrics;
	em_status status;
	int labels, column = 0;
	uint64 *support, *predicted;
	double *figures[6]; /* per label: precision, recall, f1, accuracy, roc_auc, average_precision */
	Datum values[COLUMNS];
	bool nulls[COLUMNS] = { false };
	TupleDesc descriptor;

	(void) AggregateContext(fcinfo, "emotion_metrics_final");
	if (state == NULL || state->rows == 0)
		PG_RETURN_NULL();
	labels = (int) state->dictionary.count;
	metrics.label = palloc0(sizeof(data_label_metrics) * (Size) labels);
	CheckCode(data_metrics_compute_until(ContextAllocator(CurrentMemoryContext), state->rows,
										 (uint32) labels, state->scores, state->truth,
										 state->thresholds, InterruptWanted, NULL, &metrics,
										 &status),
			  &status);

	const double overall[] = {
		metrics.micro.precision,    metrics.micro.recall,
		metrics.micro.f1,           metrics.macro.precision,
		metrics.macro.recall,       metrics.macro.f1,
		metrics.weighted.precision, metrics.weighted.recall,
		metrics.weighted.f1,        metrics.samples.precision,
		metrics.samples.recall,     metrics.samples.f1,
		metrics.macro_roc_auc,      metrics.macro_average_precision,
		metrics.hamming_loss,       metrics.subset_accuracy,
		metrics.log_loss,           metrics.calibration_error,
	};

	values[column++] = Int64GetDatum((int64) state->rows);
	for (size_t i = 0; i < lengthof(overall); i++)
	{
		nulls[column] = isnan(overall[i]);
		values[column++] = Float8GetDatum(overall[i]);
	}
	values[column++] = Int32GetDatum((int32) metrics.labels_with_auc);
	Assert(column == OVERALL - 1);

	support = palloc(sizeof(uint64) * (Size) labels);
	predicted = palloc(sizeof(uint64) * (Size) labels);
	for (size_t f = 0; f < lengthof(figures); f++)
		figures[f] = palloc(sizeof(double) * (Size) labels);
	for (int i = 0; i < labels; i++)
	{
		const data_label_metrics *label = &metrics.label[i];

		support[i] = label->support;
		predicted[i] = label->predicted;
		figures[0][i] = label->precision;
		figures[1][i] = label->recall;
		figures[2][i] = label->f1;
		figures[3][i] = label->accuracy;
		figures[4][i] = label->roc_auc;
		figures[5][i] = label->average_precision;
	}
	values[column++] = PointerGetDatum(TextArray(state->dictionary.labels, labels));
	values[column++] = PointerGetDatum(ScoresAsArray(state->thresholds, labels));
	values[column++] = PointerGetDatum(Int8Array(support, labels));
	values[column++] = PointerGetDatum(Int8Array(predicted, labels));
	for (size_t f = 0; f < lengthof(figures); f++)
		values[column++] = PointerGetDatum(Float8Array(figures[f], labels));
	Assert(column == COLUMNS);

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE ||
		descriptor->natts != COLUMNS)
		elog(ERROR, "return type must be a row type of %d columns", COLUMNS);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}
