/*
 * evaluate.c
 *	  How well a model does on labelled rows, which of two does better, and
 *	  thresholds chosen on such rows: emotion_evaluate(),
 *	  emotion_evaluate_resamples(), emotion_compare() and emotion_tune_thresholds().
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "../data/metrics.h"
#include "../data/thresholds.h"
#include "../model/scorer.h"
#include "../nn/matmul.h"
#include "../nn/random.h"
#include "decide.h"
#include "evaluate.h"
#include "glue.h"
#include "options.h"
#include "registry.h"
#include "source.h"

/* Texts scored at once. */
#define BATCH_TEXTS 2048

/* Of a comparison, unless option "bootstrap" says otherwise. */
#define DEFAULT_RESAMPLES 1000

typedef struct EvaluateOptions
{
	char *text_column;
	char *label_column;
	char *split_column;
	char *split;
	char *name;    /* of the model to publish; NULL: the same */
	int bootstrap; /* resamples; 0: no intervals */
	double confidence;
	uint64_t seed;
	int folds; /* 0: the model's thresholds */
	double shrinkage;
	bool publish;
} EvaluateOptions;

#define BOOTSTRAP                                                                                  \
	{                                                                                              \
		"bootstrap", OPTION_INT, offsetof(EvaluateOptions, bootstrap), 0, 100000, NULL,            \
			"resamples for intervals"                                                              \
	}
#define CONFIDENCE                                                                                 \
	{                                                                                              \
		"confidence", OPTION_REAL, offsetof(EvaluateOptions, confidence), 0.5, 0.9999, NULL,       \
			"of the intervals"                                                                     \
	}
#define SEED                                                                                       \
	{                                                                                              \
		"seed", OPTION_UINT64, offsetof(EvaluateOptions, seed), 0, 9223372036854775807.0, NULL,    \
			"of resamples and folds"                                                               \
	}
#define SHRINKAGE                                                                                  \
	{                                                                                              \
		"threshold_shrinkage", OPTION_REAL, offsetof(EvaluateOptions, shrinkage), 0, 1e9, NULL,    \
			"how many positives' worth the global threshold counts in a label's own"               \
	}
#define END                                                                                        \
	{                                                                                              \
		NULL, OPTION_INT, 0, 0, 0, NULL, NULL                                                      \
	}

static const option_spec evaluate_specs[] = {
	BOOTSTRAP,
	CONFIDENCE,
	SEED,
	{ "folds", OPTION_INT, offsetof(EvaluateOptions, folds), 0, 256, NULL,
	  "cross-validate thresholds on these rows instead of using the model's" },
	SHRINKAGE,
	END,
};

static const option_spec compare_specs[] = { BOOTSTRAP, CONFIDENCE, SEED, END };

static const option_spec tune_specs[] = {
	SHRINKAGE,
	{ "publish", OPTION_BOOL, offsetof(EvaluateOptions, publish), 0, 1, NULL,
	  "make the tuned thresholds a new version" },
	END,
};

/* A model and what it makes of the rows. */
typedef struct Scored
{
	ModelRow row;
	uint8 *bytes; /* the model's file */
	model *model;
	scorer *scorer;
	float *scores; /* (n, L) */
	size_t scores_capacity;
} Scored;

/* Rows with their scores, and what scored them. */
typedef struct Evaluation
{
	EvaluateOptions options;
	const em_allocator *allocator;
	Scored scored[2]; /* the second for comparisons only */
	int models;
	model *model;          /* of the first */
	float *scores;         /* (n, L) of the first */
	const float *deciding; /* (n, L) or the same: decide.h */
	uint32 labels;         /* L */
	Source source;
	LabelIndex *index;
	uint16 *indices; /* a row's labels */

	uint64 count;
	uint8 *truth; /* (n, L) */
	size_t truth_capacity;

	/* texts read and not scored yet */
	MemoryContext batch_context;
	em_slice *batch; /* (BATCH_TEXTS) */
	size_t batch_count;
} Evaluation;

#define SOURCE_STRINGS                                                                             \
	{ "text_column", offsetof(EvaluateOptions, text_column), "column of the texts" },              \
		{ "label_column", offsetof(EvaluateOptions, label_column), "column of the labels" },       \
		{ "split_column", offsetof(EvaluateOptions, split_column), "column of the parts' names" }, \
	{                                                                                              \
		"split", offsetof(EvaluateOptions, split), "the part to read"                              \
	}

static const StringSpec string_specs[] = { SOURCE_STRINGS, { NULL, 0, NULL } };

static const StringSpec tune_strings[] = {
	SOURCE_STRINGS,
	{ "name", offsetof(EvaluateOptions, name), "of the model to publish" },
	{ NULL, 0, NULL },
};

static void
CheckSplit(EvaluateOptions *options)
{
	if (options->split && !options->split_column)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"split\" needs option \"split_column\""),
						errhint("It names the column whose value is \"%s\" in the rows to read.",
								options->split)));
	if (!options->split)
		options->split = "dev";
}

static void
ParseEvaluateOptions(const Jsonb *json, const StringSpec *strings, const option_spec *specs,
					 EvaluateOptions *options)
{
	memset(options, 0, sizeof(*options));
	options->text_column = "text";
	options->label_column = "labels";
	options->confidence = 0.95;
	options->seed = 1;
	options->shrinkage = 20;
	options->publish = true;
	SetNamedOptions(json, strings, specs, options);
	if (options->folds == 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"folds\" is 1, not 0 or 2 and more"),
						errhint("0 uses the model's thresholds.")));
	CheckSplit(options);
}

static void
ScoreBatch(Evaluation *evaluation)
{
	em_status status;

	for (int i = 0; i < evaluation->models; i++)
	{
		Scored *scored = &evaluation->scored[i];

		if (!em_grow(evaluation->allocator, (void **) &scored->scores, &scored->scores_capacity,
					 evaluation->count * evaluation->labels, sizeof(float)))
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
		Check(scorer_run(scored->scorer, evaluation->batch, evaluation->batch_count,
						 scored->scores +
							 (evaluation->count - evaluation->batch_count) * evaluation->labels,
						 InterruptWanted, NULL, &status),
			  &status);
	}
	evaluation->scores = evaluation->scored[0].scores;
	evaluation->batch_count = 0;
	MemoryContextReset(evaluation->batch_context);
}

static void
VisitRow(const SourceRow *row, void *context)
{
	Evaluation *evaluation = context;
	uint32 labels = evaluation->labels;
	uint8 *truth;
	char *copy;
	int count;

	if (evaluation->options.split_column &&
		(row->split == NULL || strcmp(row->split, evaluation->options.split) != 0))
		return;
	if (row->label_count > MODEL_MAX_LABELS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("%d labels in row " UINT64_FORMAT " of source \"%s\"",
							   row->label_count, row->number, evaluation->source.source)));
	count = FindLabels(evaluation->index, &evaluation->source, row, evaluation->indices);
	if (!em_grow(evaluation->allocator, (void **) &evaluation->truth, &evaluation->truth_capacity,
				 (evaluation->count + 1) * labels, 1))
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	truth = evaluation->truth + evaluation->count * labels;
	memset(truth, 0, labels);
	for (int i = 0; i < count; i++)
		truth[evaluation->indices[i]] = 1;

	copy = MemoryContextAllocHuge(evaluation->batch_context, row->text.length + 1);
	memcpy(copy, row->text.bytes, row->text.length);
	evaluation->batch[evaluation->batch_count++] = (em_slice){ copy, row->text.length };
	evaluation->count++;
	if (evaluation->batch_count == BATCH_TEXTS)
		ScoreBatch(evaluation);
}

/* Read a model and make it ready to score; its labels must be those of the first. */
static void
ReadScored(Evaluation *evaluation, const char *name)
{
	ModelReference reference = ParseModelReference(name, true);
	Scored *scored = &evaluation->scored[evaluation->models++];
	em_status status;

	scored->row = GetModel(&reference);
	if (strchr(name, '@') == NULL)
		ereport(NOTICE, (errmsg("\"%s\" is taken as its latest version, \"%s\"", name,
								ModelReferenceString(&scored->row.reference))));
	scored->bytes = ReadModelBytes(&scored->row, RegistrySnapshot());
	Check(nn_blas_load(&status), &status);
	Check(model_read(evaluation->allocator, scored->bytes, (size_t) scored->row.size,
					 &scored->model, &status),
		  &status);
	Check(scorer_create(evaluation->allocator, scored->model, &scored->scorer, &status), &status);
	if (evaluation->models == 1)
	{
		evaluation->model = scored->model;
		evaluation->labels = (uint32) scored->model->layout.labels;
		return;
	}
	for (uint32 i = 0; i < evaluation->labels; i++)
		if (scored->model->layout.labels != evaluation->labels ||
			strcmp(scored->model->labels[i], evaluation->model->labels[i]) != 0)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("models \"%s\" and \"%s\" have different labels",
								   ModelReferenceString(&evaluation->scored[0].row.reference),
								   ModelReferenceString(&scored->row.reference)),
							errhint("Only models of the same labels in the same order can be "
									"compared.")));
}

/*
 * Read the model, or two, and score every row of the source as evaluation->options say. SPI is
 * connected here.
 */
static void
Evaluate(Evaluation *evaluation, const char *model_name, const char *other_name, const char *source)
{
	em_slice *labels;

	evaluation->allocator = ContextAllocator(CurrentMemoryContext);
	ReadScored(evaluation, model_name);
	if (other_name != NULL)
		ReadScored(evaluation, other_name);
	labels = palloc(sizeof(em_slice) * evaluation->labels);
	for (uint32 i = 0; i < evaluation->labels; i++)
		labels[i] =
			(em_slice){ evaluation->model->labels[i], strlen(evaluation->model->labels[i]) };
	evaluation->index = MakeLabelIndex(labels, (int) evaluation->labels);
	evaluation->indices = palloc(sizeof(uint16) * MODEL_MAX_LABELS);
	evaluation->batch = palloc(sizeof(em_slice) * BATCH_TEXTS);
	evaluation->batch_context = AllocSetContextCreate(
		CurrentMemoryContext, "emotion texts to evaluate", ALLOCSET_DEFAULT_SIZES);

	evaluation->source.source = source;
	evaluation->source.label_hint =
		psprintf("SELECT emotion_label_names('%s') lists the model's labels.",
				 ModelReferenceString(&evaluation->scored[0].row.reference));
	evaluation->source.text_column = evaluation->options.text_column;
	evaluation->source.label_column = evaluation->options.label_column;
	evaluation->source.split_column = evaluation->options.split_column;
	OpenSource(&evaluation->source);
	ScanSource(&evaluation->source, VisitRow, evaluation);
	if (evaluation->batch_count > 0)
		ScoreBatch(evaluation);
	evaluation->deciding = DecidingScores(evaluation->model, evaluation->scores, evaluation->count);
	if (evaluation->count == 0)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
						errmsg("source \"%s\" has no rows to evaluate on", source),
						evaluation->options.split_column
							? errhint("Only rows whose column %s is \"%s\" are read.",
									  quote_identifier(evaluation->options.split_column),
									  evaluation->options.split)
							: errhint("The table or query is empty.")));
}

ScoredRows
ScoreRows(const char *model_name, const char *source, const RowOptions *options)
{
	Evaluation evaluation = { 0 };

	evaluation.options.text_column = options->text_column;
	evaluation.options.label_column = options->label_column;
	evaluation.options.split_column = options->split_column;
	evaluation.options.split = options->split;
	CheckSplit(&evaluation.options);
	Evaluate(&evaluation, model_name, NULL, source);
	return (ScoredRows){ .allocator = evaluation.allocator,
						 .row = evaluation.scored[0].row,
						 .bytes = evaluation.scored[0].bytes,
						 .model = evaluation.model,
						 .labels = evaluation.labels,
						 .count = evaluation.count,
						 .scores = evaluation.scores,
						 .truth = evaluation.truth };
}

uint8 *
DrawFolds(uint64 count, int folds, uint64 seed)
{
	nn_random_key key = { seed, NN_STREAM_SPLIT, 0, 0 };
	uint32 *order = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(uint32) * count);
	uint8 *fold = MemoryContextAllocHuge(CurrentMemoryContext, count);

	nn_random_permutation(&key, count, order);
	for (uint64 i = 0; i < count; i++)
		fold[order[i]] = (uint8) (i % (uint64) folds);
	pfree(order);
	return fold;
}

/* ---- emotion_evaluate ---------------------------------------------------------------- */

/*
 * Predictions by thresholds that other rows chose, as scores of 0 and 1 for thresholds
 * of one half: what F1 and its kin are computed on when there are folds.
 */
static float *
CrossValidate(const Evaluation *evaluation, float *thresholds)
{
	const EvaluateOptions *options = &evaluation->options;
	uint64 cells = evaluation->count * evaluation->labels;
	uint8 *folds = DrawFolds(evaluation->count, options->folds, options->seed);
	uint8 *predicted = MemoryContextAllocHuge(CurrentMemoryContext, cells);
	float *scores = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(float) * cells);
	double macro_f1;
	em_status status;

	Check(data_cross_validate_thresholds(
			  evaluation->allocator, evaluation->count, evaluation->labels, evaluation->deciding,
			  evaluation->truth, folds, (uint32) options->folds, options->shrinkage,
			  InterruptWanted, NULL, predicted, &macro_f1, &status),
		  &status);
	for (uint64 i = 0; i < cells; i++)
		scores[i] = predicted[i];
	for (uint32 label = 0; label < evaluation->labels; label++)
		thresholds[label] = 0.5F;
	return scores;
}

/* Figures of these rows by scores and thresholds, with intervals when asked for. */
typedef struct Figures
{
	data_metrics metrics;
	data_metrics_intervals intervals;
} Figures;

static void
Measure(const Evaluation *evaluation, const float *scores, const float *thresholds,
		Figures *figures)
{
	const EvaluateOptions *options = &evaluation->options;
	em_status status;

	memset(figures, 0, sizeof(*figures));
	figures->metrics.label = palloc0(sizeof(data_label_metrics) * evaluation->labels);
	Check(data_metrics_compute_until(evaluation->allocator, evaluation->count, evaluation->labels,
									 scores, evaluation->truth, thresholds, InterruptWanted, NULL,
									 &figures->metrics, &status),
		  &status);
	if (options->bootstrap == 0)
		return;
	figures->intervals.label_f1 = palloc0(sizeof(data_interval) * evaluation->labels);
	figures->intervals.label_roc_auc = palloc0(sizeof(data_interval) * evaluation->labels);
	Check(data_metrics_bootstrap(evaluation->allocator, evaluation->count, evaluation->labels,
								 scores, evaluation->truth, thresholds, (uint32) options->bootstrap,
								 options->confidence, options->seed, InterruptWanted, NULL,
								 &figures->intervals, &status),
		  &status);
}

/* One row of the result; NaN is null, and so is an interval that was not computed. */
static void
Put(ReturnSetInfo *set, const char *scope, const char *label, const char *metric, double value,
	const data_interval *interval)
{
	Datum values[6] = { CStringGetTextDatum(scope), (Datum) 0, CStringGetTextDatum(metric),
						Float8GetDatum(value),      (Datum) 0, (Datum) 0 };
	bool nulls[6] = { false, label == NULL, false, isnan(value), true, true };

	if (label != NULL)
		values[1] = PointerGetDatum(TextFromUtf8(label, strlen(label)));
	if (interval != NULL && !isnan(interval->low) && !isnan(interval->high))
	{
		values[4] = Float8GetDatum(interval->low);
		values[5] = Float8GetDatum(interval->high);
		nulls[4] = nulls[5] = false;
	}
	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

static void
PutAverage(ReturnSetInfo *set, const char *scope, const data_average *average,
		   const data_interval *f1)
{
	Put(set, scope, NULL, "precision", average->precision, NULL);
	Put(set, scope, NULL, "recall", average->recall, NULL);
	Put(set, scope, NULL, "f1", average->f1, f1);
}

PG_FUNCTION_INFO_V1(emotion_evaluate);

/* emotion_evaluate(model text, source text, options jsonb): (scope, label, metric, value, low, high) */
Datum
emotion_evaluate(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = BeginSet(fcinfo);
	char *model_name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *source = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Evaluation evaluation = { 0 };
	Figures ranked, decided;
	const float *scores;
	float *thresholds;
	bool intervals;

	SPI_connect();
	ParseEvaluateOptions(PG_GETARG_JSONB_P(2), string_specs, evaluate_specs, &evaluation.options);
	Evaluate(&evaluation, model_name, NULL, source);
	intervals = evaluation.options.bootstrap > 0;
	thresholds = DecidingThresholds(evaluation.model);
	Measure(&evaluation, evaluation.scores, thresholds, &ranked);
	decided = ranked;
	scores =
		evaluation.options.folds > 0 ? CrossValidate(&evaluation, thresholds) : evaluation.deciding;
	if (scores != evaluation.scores)
		Measure(&evaluation, scores, thresholds, &decided);

#define INTERVAL(figures, field) (intervals ? &(figures).intervals.field : NULL)
	Put(set, "overall", NULL, "rows", (double) evaluation.count, NULL);
	Put(set, "overall", NULL, "hamming_loss", decided.metrics.hamming_loss,
		INTERVAL(decided, hamming_loss));
	Put(set, "overall", NULL, "subset_accuracy", decided.metrics.subset_accuracy,
		INTERVAL(decided, subset_accuracy));
	Put(set, "overall", NULL, "log_loss", ranked.metrics.log_loss, NULL);
	Put(set, "overall", NULL, "calibration_error", ranked.metrics.calibration_error, NULL);
	PutAverage(set, "macro", &decided.metrics.macro, INTERVAL(decided, macro_f1));
	Put(set, "macro", NULL, "roc_auc", ranked.metrics.macro_roc_auc,
		INTERVAL(ranked, macro_roc_auc));
	Put(set, "macro", NULL, "average_precision", ranked.metrics.macro_average_precision,
		INTERVAL(ranked, macro_average_precision));
	Put(set, "macro", NULL, "labels_with_roc_auc", ranked.metrics.labels_with_auc, NULL);
	PutAverage(set, "micro", &decided.metrics.micro, INTERVAL(decided, micro_f1));
	PutAverage(set, "weighted", &decided.metrics.weighted, INTERVAL(decided, weighted_f1));
	PutAverage(set, "samples", &decided.metrics.samples, INTERVAL(decided, samples_f1));
	for (uint32 label = 0; label < evaluation.labels; label++)
	{
		const char *name = evaluation.model->labels[label];
		const data_label_metrics *d = &decided.metrics.label[label];
		const data_label_metrics *r = &ranked.metrics.label[label];

		Put(set, "label", name, "support", (double) d->support, NULL);
		Put(set, "label", name, "precision", d->precision, NULL);
		Put(set, "label", name, "recall", d->recall, NULL);
		Put(set, "label", name, "f1", d->f1, INTERVAL(decided, label_f1[label]));
		Put(set, "label", name, "accuracy", d->accuracy, NULL);
		Put(set, "label", name, "roc_auc", r->roc_auc, INTERVAL(ranked, label_roc_auc[label]));
		Put(set, "label", name, "average_precision", r->average_precision, NULL);
	}
#undef INTERVAL
	SPI_finish();
	return (Datum) 0;
}

/* ---- emotion_evaluate_resamples -------------------------------------------------------- */

static void
Resample(const Evaluation *evaluation, const float *scores, const float *thresholds,
		 data_resampled *out)
{
	size_t resamples = (size_t) evaluation->options.bootstrap;
	em_status status;

#define ROOM(rows) MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * (rows) *resamples)
	out->figure = ROOM(DATA_FIGURES);
	out->label_f1 = ROOM(evaluation->labels);
	out->label_roc_auc = ROOM(evaluation->labels);
	out->label_average_precision = ROOM(evaluation->labels);
#undef ROOM
	Check(data_metrics_resample(evaluation->allocator, evaluation->count, evaluation->labels,
								scores, evaluation->truth, thresholds, (uint32_t) resamples,
								evaluation->options.seed, InterruptWanted, NULL, out, &status),
		  &status);
}

/* One row of the result: a figure and what it is in each resample; NaN is null. */
static void
PutResamples(ReturnSetInfo *set, const char *scope, const char *label, const char *metric,
			 double value, const double *resampled, int resamples)
{
	Datum *elements = palloc(sizeof(Datum) * (Size) resamples);
	bool *undefined = palloc(sizeof(bool) * (Size) resamples);
	int lower = 1;
	Datum values[5] = { CStringGetTextDatum(scope), (Datum) 0, CStringGetTextDatum(metric),
						Float8GetDatum(value), (Datum) 0 };
	bool nulls[5] = { false, label == NULL, false, isnan(value), false };

	for (int r = 0; r < resamples; r++)
	{
		elements[r] = Float8GetDatum(resampled[r]);
		undefined[r] = isnan(resampled[r]);
	}
	if (label != NULL)
		values[1] = PointerGetDatum(TextFromUtf8(label, strlen(label)));
	values[4] =
		PointerGetDatum(construct_md_array(elements, undefined, 1, &resamples, &lower, FLOAT8OID,
										   sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
	pfree(DatumGetPointer(values[4]));
	pfree(elements);
	pfree(undefined);
}

PG_FUNCTION_INFO_V1(emotion_evaluate_resamples);

/* emotion_evaluate_resamples(model text, source text, options jsonb): (scope, label, metric, value, resamples) */
Datum
emotion_evaluate_resamples(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = BeginSet(fcinfo);
	char *model_name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *source = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Evaluation evaluation = { 0 };
	Figures ranked, decided;
	data_resampled ranked_samples, decided_samples;
	const float *scores;
	float *thresholds;
	int resamples;

	SPI_connect();
	ParseEvaluateOptions(PG_GETARG_JSONB_P(2), string_specs, evaluate_specs, &evaluation.options);
	Evaluate(&evaluation, model_name, NULL, source);
	resamples = evaluation.options.bootstrap > 0 ? evaluation.options.bootstrap : DEFAULT_RESAMPLES;
	evaluation.options.bootstrap = 0; /* no intervals */
	thresholds = DecidingThresholds(evaluation.model);
	Measure(&evaluation, evaluation.scores, thresholds, &ranked);
	decided = ranked;
	evaluation.options.bootstrap = resamples;
	Resample(&evaluation, evaluation.scores, thresholds, &ranked_samples);
	decided_samples = ranked_samples;
	scores =
		evaluation.options.folds > 0 ? CrossValidate(&evaluation, thresholds) : evaluation.deciding;
	if (scores != evaluation.scores)
	{
		Resample(&evaluation, scores, thresholds, &decided_samples);
		evaluation.options.bootstrap = 0;
		Measure(&evaluation, scores, thresholds, &decided);
	}

#define PUT(scope, metric, from, member, which)                                                    \
	PutResamples(set, scope, NULL, metric, (from).metrics.member,                                  \
				 (from##_samples).figure + (size_t) (which) * (size_t) resamples, resamples)
	PUT("overall", "hamming_loss", decided, hamming_loss, DATA_HAMMING_LOSS);
	PUT("overall", "subset_accuracy", decided, subset_accuracy, DATA_SUBSET_ACCURACY);
	PUT("macro", "f1", decided, macro.f1, DATA_MACRO_F1);
	PUT("macro", "roc_auc", ranked, macro_roc_auc, DATA_MACRO_ROC_AUC);
	PUT("macro", "average_precision", ranked, macro_average_precision,
		DATA_MACRO_AVERAGE_PRECISION);
	PUT("micro", "f1", decided, micro.f1, DATA_MICRO_F1);
	PUT("weighted", "f1", decided, weighted.f1, DATA_WEIGHTED_F1);
	PUT("samples", "f1", decided, samples.f1, DATA_SAMPLES_F1);
#undef PUT
	for (uint32 label = 0; label < evaluation.labels; label++)
	{
		const char *name = evaluation.model->labels[label];
		const data_label_metrics *d = &decided.metrics.label[label];
		const data_label_metrics *r = &ranked.metrics.label[label];
		size_t at = (size_t) label * (size_t) resamples;

		PutResamples(set, "label", name, "f1", d->f1, decided_samples.label_f1 + at, resamples);
		PutResamples(set, "label", name, "roc_auc", r->roc_auc, ranked_samples.label_roc_auc + at,
					 resamples);
		PutResamples(set, "label", name, "average_precision", r->average_precision,
					 ranked_samples.label_average_precision + at, resamples);
	}
	SPI_finish();
	return (Datum) 0;
}

/* ---- emotion_compare ----------------------------------------------------------------- */

static void
PutDifference(ReturnSetInfo *set, const char *metric, const data_difference *difference)
{
	const double figures[] = { difference->a,
							   difference->b,
							   difference->difference,
							   difference->interval.low,
							   difference->interval.high,
							   difference->p_value };
	Datum values[7] = { CStringGetTextDatum(metric) };
	bool nulls[7] = { false };

	for (size_t i = 0; i < lengthof(figures); i++)
	{
		values[i + 1] = Float8GetDatum(figures[i]);
		nulls[i + 1] = isnan(figures[i]);
	}
	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

static void
Compare(const Evaluation *evaluation, const float *scores, const float *others,
		data_comparison *comparison)
{
	const EvaluateOptions *options = &evaluation->options;
	em_status status;

	Check(data_metrics_compare(
			  evaluation->allocator, evaluation->count, evaluation->labels, evaluation->truth,
			  scores, DecidingThresholds(evaluation->scored[0].model), others,
			  DecidingThresholds(evaluation->scored[1].model),
			  options->bootstrap > 0 ? (uint32) options->bootstrap : DEFAULT_RESAMPLES,
			  options->confidence, options->seed, InterruptWanted, NULL, comparison, &status),
		  &status);
}

PG_FUNCTION_INFO_V1(emotion_compare);

/* emotion_compare(model, other, source, options): (metric, model_value, other_value, difference, low, high, p_value) */
Datum
emotion_compare(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = BeginSet(fcinfo);
	char *model_name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *other_name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char *source = text_to_cstring(PG_GETARG_TEXT_PP(2));
	Evaluation evaluation = { 0 };
	data_comparison comparison;
	data_difference roc_auc;
	const float *deciding[2];

	SPI_connect();
	ParseEvaluateOptions(PG_GETARG_JSONB_P(3), string_specs, compare_specs, &evaluation.options);
	Evaluate(&evaluation, model_name, other_name, source);
	Compare(&evaluation, evaluation.scored[0].scores, evaluation.scored[1].scores, &comparison);
	roc_auc = comparison.macro_roc_auc;
	for (int i = 0; i < 2; i++)
		deciding[i] = DecidingScores(evaluation.scored[i].model, evaluation.scored[i].scores,
									 evaluation.count);
	if (deciding[0] != evaluation.scored[0].scores || deciding[1] != evaluation.scored[1].scores)
		Compare(&evaluation, deciding[0], deciding[1], &comparison);
	PutDifference(set, "macro_roc_auc", &roc_auc);
	PutDifference(set, "macro_f1", &comparison.macro_f1);
	SPI_finish();
	return (Datum) 0;
}

/* ---- emotion_tune_thresholds --------------------------------------------------------- */

static int32
PublishThresholds(const Evaluation *evaluation, const float *thresholds, double macro_f1)
{
	const char *parent = evaluation->scored[0].row.reference.name;
	ModelPublication publication = { .sources = &parent, .source_count = 1 };
	StringInfoData metrics, lineage, source;
	em_status status;
	uint8_t *bytes;
	size_t size;

	Check(model_rewrite_thresholds(evaluation->allocator, evaluation->scored[0].bytes,
								   (size_t) evaluation->scored[0].row.size, thresholds, &bytes,
								   &size, &status),
		  &status);
	initStringInfo(&metrics);
	appendStringInfo(&metrics,
					 "{\"macro_f1\": %.6f, \"thresholds_tuned_on\": \"" UINT64_FORMAT " rows\"}",
					 macro_f1, evaluation->count);
	initStringInfo(&source);
	escape_json(&source, evaluation->source.source);
	initStringInfo(&lineage);
	appendStringInfo(&lineage, "{\"parent\": \"%s\", \"thresholds_from\": %s}",
					 ModelReferenceString(&evaluation->scored[0].row.reference), source.data);
	publication.name = evaluation->options.name ? evaluation->options.name
												: evaluation->scored[0].row.reference.name;
	publication.bytes = bytes;
	publication.size = size;
	publication.metrics = DatumGetJsonbP(JsonbFromCString(metrics.data));
	publication.lineage = DatumGetJsonbP(JsonbFromCString(lineage.data));
	return PublishModel(&publication);
}

PG_FUNCTION_INFO_V1(emotion_tune_thresholds);

/* emotion_tune_thresholds(model, source, options): (label, positives, old_threshold, threshold, old_f1, f1) */
Datum
emotion_tune_thresholds(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = BeginSet(fcinfo);
	char *model_name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *source = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Evaluation evaluation = { 0 };
	Figures before, after;
	float *thresholds;
	float global;
	em_status status;

	SPI_connect();
	ParseEvaluateOptions(PG_GETARG_JSONB_P(2), tune_strings, tune_specs, &evaluation.options);
	if (evaluation.options.publish)
	{
		ModelReference reference = ParseModelReference(model_name, true);

		PreventCommandIfReadOnly("emotion_tune_thresholds()");
		CheckPublishable(evaluation.options.name ? evaluation.options.name : reference.name);
	}
	Evaluate(&evaluation, model_name, NULL, source);
	thresholds = palloc(sizeof(float) * evaluation.labels);
	Check(data_tune_thresholds_until(evaluation.allocator, evaluation.count, evaluation.labels,
									 evaluation.deciding, evaluation.truth,
									 evaluation.options.shrinkage, InterruptWanted, NULL,
									 thresholds, &global, &status),
		  &status);
	RaiseThresholds(evaluation.model, thresholds);
	evaluation.options.bootstrap = 0;
	Measure(&evaluation, evaluation.deciding, DecidingThresholds(evaluation.model), &before);
	Measure(&evaluation, evaluation.deciding, thresholds, &after);
	for (uint32 label = 0; label < evaluation.labels; label++)
	{
		const char *name = evaluation.model->labels[label];
		Datum values[6] = { PointerGetDatum(TextFromUtf8(name, strlen(name))),
							Int64GetDatum((int64) before.metrics.label[label].support),
							Float4GetDatum(evaluation.model->thresholds[label]),
							Float4GetDatum(thresholds[label]),
							Float8GetDatum(before.metrics.label[label].f1),
							Float8GetDatum(after.metrics.label[label].f1) };
		bool nulls[6] = { false };

		tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
	}
	if (evaluation.options.publish)
	{
		ModelReference published = evaluation.scored[0].row.reference;

		if (evaluation.options.name)
			strlcpy(published.name, evaluation.options.name, sizeof(published.name));
		published.version = PublishThresholds(&evaluation, thresholds, after.metrics.macro.f1);
		ereport(NOTICE, (errmsg("published \"%s\": macro F1 on these rows %.4f, before %.4f",
								ModelReferenceString(&published), after.metrics.macro.f1,
								before.metrics.macro.f1),
						 errhint("emotion_evaluate with option \"folds\" says what such thresholds "
								 "are worth on rows that did not choose them.")));
	}
	SPI_finish();
	return (Datum) 0;
}
