/*
 * confidence_thresholds.c
 *	  emotion_confidence_thresholds(): how sure a model must be of each label to be
 *	  right as often as is wanted.
 */
#include "postgres.h"

#include <math.h>

#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "../data/confidence.h"
#include "../model/config.h"
#include "aggregate_state.h"
#include "glue.h"
#include "options.h"
#include "score.h"
#include "source.h"

PG_FUNCTION_INFO_V1(emotion_confidence_thresholds);

/* Texts scored at once. */
#define BATCH_TEXTS 2048

typedef struct ConfidenceOptions
{
	char *text_column;
	char *label_column;
	char *split_column;
	char *split;
	int min_rows;
} ConfidenceOptions;

static const option_spec confidence_specs[] = {
	{ "min_rows", OPTION_INT, offsetof(ConfidenceOptions, min_rows), 1, 1000000000, NULL,
	  "rows that a cut must take in" },
	{ NULL, OPTION_INT, 0, 0, 0, NULL, NULL },
};

/* Held-out rows with their scores. */
typedef struct Held
{
	ConfidenceOptions options;
	const em_allocator *allocator;
	ModelReference model;
	Source source;
	LabelIndex *index;
	uint16 indices[MODEL_MAX_LABELS];
	uint32 labels; /* L */
	uint64 count;
	float *scores; /* (n, L) */
	uint8 *truth;  /* (n, L) */
	size_t scores_capacity, truth_capacity;
	MemoryContext batch_context;
	em_slice batch[BATCH_TEXTS];
	size_t batch_count;
} Held;

static const StringSpec string_specs[] = {
	{ "text_column", offsetof(ConfidenceOptions, text_column), "column of the texts" },
	{ "label_column", offsetof(ConfidenceOptions, label_column), "column of the labels" },
	{ "split_column", offsetof(ConfidenceOptions, split_column), "column of the parts' names" },
	{ "split", offsetof(ConfidenceOptions, split), "the part to read" },
	{ NULL, 0, NULL },
};

static void
VisitOption(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	(void) json;
	if (!SetNamedOption(string_specs, confidence_specs, context, name, value))
		UnknownOption(name,
					  "Options are text_column, label_column, split_column, split and min_rows.");
}

static void
ScoreBatch(Held *held)
{
	MemoryContext caller = MemoryContextSwitchTo(held->batch_context);
	float4 *scores = ScoreTexts(UseModel(&held->model), held->batch, held->batch_count);

	memcpy(held->scores + (held->count - held->batch_count) * held->labels, scores,
		   sizeof(float) * held->batch_count * held->labels);
	held->batch_count = 0;
	MemoryContextSwitchTo(caller);
	MemoryContextReset(held->batch_context);
}

static void
VisitRow(const SourceRow *row, void *context)
{
	Held *held = context;
	uint8 *truth;
	char *copy;
	int count;

	if (held->options.split_column &&
		(row->split == NULL || strcmp(row->split, held->options.split) != 0))
		return;
	if (row->label_count > MODEL_MAX_LABELS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("%d labels in row " UINT64_FORMAT " of source \"%s\"",
							   row->label_count, row->number, held->source.source)));
	count = FindLabels(held->index, &held->source, row, held->indices);
	if (!em_grow(held->allocator, (void **) &held->scores, &held->scores_capacity,
				 (held->count + 1) * held->labels, sizeof(float)) ||
		!em_grow(held->allocator, (void **) &held->truth, &held->truth_capacity,
				 (held->count + 1) * held->labels, 1))
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	truth = held->truth + held->count * held->labels;
	memset(truth, 0, held->labels);
	for (int i = 0; i < count; i++)
		truth[held->indices[i]] = 1;
	copy = MemoryContextAllocHuge(held->batch_context, row->text.length + 1);
	memcpy(copy, row->text.bytes, row->text.length);
	held->batch[held->batch_count++] = (em_slice){ copy, row->text.length };
	held->count++;
	if (held->batch_count == BATCH_TEXTS)
		ScoreBatch(held);
}

static void
ReadHeld(Held *held, const char *source)
{
	CachedModel *cached = UseModel(&held->model);
	em_slice *labels;

	held->allocator = ContextAllocator(CurrentMemoryContext);
	held->labels = (uint32) cached->label_count;
	labels = palloc(sizeof(em_slice) * held->labels);
	for (uint32 i = 0; i < held->labels; i++)
	{
		char *label = pstrdup(cached->model->labels[i]);

		labels[i] = (em_slice){ label, strlen(label) };
	}
	held->index = MakeLabelIndex(labels, (int) held->labels);
	held->batch_context = AllocSetContextCreate(CurrentMemoryContext, "emotion texts to score",
												ALLOCSET_DEFAULT_SIZES);
	held->source.source = source;
	held->source.text_column = held->options.text_column;
	held->source.label_column = held->options.label_column;
	held->source.split_column = held->options.split_column;
	OpenSource(&held->source);
	ScanSource(&held->source, VisitRow, held);
	if (held->batch_count > 0)
		ScoreBatch(held);
	if (held->count == 0)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
						errmsg("source \"%s\" has no rows to choose cuts on", source)));
}

/*
 * emotion_confidence_thresholds(model text, source text, precision float8, options jsonb):
 * (label, cut, positives, predicted, precision, recall); strict
 */
Datum
emotion_confidence_thresholds(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = BeginSet(fcinfo);
	char *source = text_to_cstring(PG_GETARG_TEXT_PP(1));
	double precision = PG_GETARG_FLOAT8(2);
	Held *held = palloc0(sizeof(Held));
	MemoryContext context = CurrentMemoryContext;
	data_confidence *cuts;
	CachedModel *cached;
	em_status status;

	held->options = (ConfidenceOptions){ "text", "labels", NULL, "dev", 10 };
	VisitOptions(PG_GETARG_JSONB_P(3), VisitOption, &held->options);
	held->model = ParseModelReferenceText(PG_GETARG_TEXT_PP(0), true);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	MemoryContextSwitchTo(context);
	ReadHeld(held, source);
	cuts = palloc(sizeof(data_confidence) * held->labels);
	CheckCode(data_confidence_cuts_until(held->allocator, held->count, held->labels, held->scores,
										 held->truth, precision, (uint64) held->options.min_rows,
										 InterruptWanted, NULL, cuts, &status),
			  &status);
	cached = UseModel(&held->model);
	for (uint32 label = 0; label < held->labels; label++)
	{
		const data_confidence *cut = &cuts[label];
		bool none = isnan(cut->cut);
		Datum values[6] = {
			CStringGetTextDatum(cached->labels[label]),
			Float4GetDatum(cut->cut),
			Int64GetDatum((int64) cut->support),
			Int64GetDatum((int64) cut->predicted),
			Float8GetDatum((double) cut->true_positive / Max((double) cut->predicted, 1)),
			Float8GetDatum((double) cut->true_positive / Max((double) cut->support, 1)),
		};
		bool nulls[6] = { false, none, false, false, none, none };

		tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
	}
	SPI_finish();
	return (Datum) 0;
}
