/*
 * calibrate.c
 *	  Scores that mean what they say: emotion_calibrate() publishes a model whose
 *	  scores do, emotion_calibration(), emotion_calibration_error() and
 *	  emotion_calibration_svg() say how far a model's are from it.
 */
#include "postgres.h"

#include "calibrate.h"

#include <math.h>

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/tuplestore.h"

#include "../data/calibration.h"
#include "../data/temperature.h"
#include "evaluate.h"
#include "glue.h"
#include "options.h"

PG_FUNCTION_INFO_V1(emotion_calibrate);
PG_FUNCTION_INFO_V1(emotion_calibration);
PG_FUNCTION_INFO_V1(emotion_calibration_error);
PG_FUNCTION_INFO_V1(emotion_calibration_svg);

typedef enum CalibrationMethod
{
	METHOD_PER_LABEL,
	METHOD_GLOBAL
} CalibrationMethod;

static const char *const method_names[] = { "per_label", "global", NULL };

typedef struct CalibrateOptions
{
	RowOptions rows;
	char *name;  /* of the model to publish; NULL: the same */
	char *title; /* of the picture; NULL: made from the model's name */
	int method;
	bool shift;
	double shrinkage;
	int bins;
	bool equal_count;
	int folds; /* 0: scores as they are */
	uint64_t seed;
} CalibrateOptions;

#define FIT_OPTIONS                                                                                    \
	{ "method",                                                                                        \
	  OPTION_CHOICE,                                                                                   \
	  offsetof(CalibrateOptions, method),                                                              \
	  0,                                                                                               \
	  0,                                                                                               \
	  method_names,                                                                                    \
	  "a scale and a shift for each label, or the same for all" },                                     \
		{ "shift", OPTION_BOOL, offsetof(CalibrateOptions, shift), 0, 1, NULL, "false: scales only" }, \
	{                                                                                                  \
		"calibration_shrinkage", OPTION_REAL, offsetof(CalibrateOptions, shrinkage), 0, 1e9, NULL,     \
			"how many positives' worth the calibration of all labels counts in a label's own"          \
	}
#define END                                                                                        \
	{                                                                                              \
		NULL, OPTION_INT, 0, 0, 0, NULL, NULL                                                      \
	}

static const option_spec calibrate_specs[] = { FIT_OPTIONS, END };

static const option_spec report_specs[] = {
	FIT_OPTIONS,
	{ "bins", OPTION_INT, offsetof(CalibrateOptions, bins), 1, DATA_MAX_BINS, NULL,
	  "of the scores" },
	{ "equal_count", OPTION_BOOL, offsetof(CalibrateOptions, equal_count), 0, 1, NULL,
	  "bins of as many scores each, not of equal width" },
	{ "folds", OPTION_INT, offsetof(CalibrateOptions, folds), 0, 256, NULL,
	  "calibrate each fold as the others want it" },
	{ "seed", OPTION_UINT64, offsetof(CalibrateOptions, seed), 0, 9223372036854775807.0, NULL,
	  "of the folds" },
	END,
};

#define ROW_STRINGS                                                                                \
	{ "text_column", offsetof(CalibrateOptions, rows.text_column), "column of the texts" },        \
		{ "label_column", offsetof(CalibrateOptions, rows.label_column), "column of the labels" }, \
		{ "split_column", offsetof(CalibrateOptions, rows.split_column),                           \
		  "column of the parts' names" },                                                          \
	{                                                                                              \
		"split", offsetof(CalibrateOptions, rows.split), "the part to read"                        \
	}

static const StringSpec calibrate_strings[] = {
	ROW_STRINGS,
	{ "name", offsetof(CalibrateOptions, name), "of the model to publish" },
	{ NULL, 0, NULL },
};

static const StringSpec report_strings[] = { ROW_STRINGS, { NULL, 0, NULL } };

static const StringSpec picture_strings[] = {
	ROW_STRINGS,
	{ "title", offsetof(CalibrateOptions, title), "of the picture" },
	{ NULL, 0, NULL },
};

static CalibrateOptions
ParseCalibrateOptions(const Jsonb *json, const StringSpec *strings, const option_spec *specs)
{
	CalibrateOptions options = { .rows = { "text", "labels", NULL, NULL },
								 .shift = true,
								 .shrinkage = 20,
								 .bins = 15,
								 .seed = 1 };

	SetNamedOptions(json, strings, specs, &options);
	if (options.folds == 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"folds\" is 1, not 0 or 2 and more"),
						errhint("0 shows the scores as they are.")));
	return options;
}

static data_calibration_options
FitOptions(const CalibrateOptions *options)
{
	return (data_calibration_options){ options->method == METHOD_PER_LABEL, options->shift,
									   options->shrinkage };
}

/* The scale that makes a calibration of labels which exclude one another. */
static double
FitTemperature(const ScoredRows *rows, const uint8 *folds, uint32 held_out)
{
	em_status status;
	double scale;

	Check(data_fit_temperature(rows->count, rows->labels, rows->scores, rows->truth, folds,
							   held_out, InterruptWanted, NULL, &scale, &status),
		  &status);
	return scale;
}

/* What a model's last layer is changed by: (labels), and the scores of all rows then. */
static data_calibration *
Fit(const ScoredRows *rows, const CalibrateOptions *options, float *calibrated)
{
	data_calibration_options fit = FitOptions(options);
	data_calibration *calibration = palloc(sizeof(data_calibration) * rows->labels);
	em_status status;

	if (model_labels_exclude(rows->model))
	{
		double scale = FitTemperature(rows, NULL, 0);

		for (uint32 l = 0; l < rows->labels; l++)
			calibration[l] = (data_calibration){ scale, 0 };
		for (uint64 i = 0; i < rows->count; i++)
			data_apply_temperature(scale, rows->labels, rows->scores + i * rows->labels,
								   calibrated + i * rows->labels);
		return calibration;
	}
	Check(data_fit_calibration(rows->allocator, rows->count, rows->labels, rows->scores,
							   rows->truth, &fit, InterruptWanted, NULL, calibration, NULL,
							   &status),
		  &status);
	for (uint64 i = 0; i < rows->count * rows->labels; i++)
		calibrated[i] = data_calibrate(&calibration[i % rows->labels], rows->scores[i]);
	return calibration;
}

static void
CrossFitTemperature(const ScoredRows *rows, const CalibrateOptions *options, float *calibrated)
{
	const uint8 *folds = DrawFolds(rows->count, options->folds, options->seed);

	for (uint32 fold = 0; fold < (uint32) options->folds; fold++)
	{
		double scale = FitTemperature(rows, folds, fold);

		for (uint64 i = 0; i < rows->count; i++)
			if (folds[i] == fold)
				data_apply_temperature(scale, rows->labels, rows->scores + i * rows->labels,
									   calibrated + i * rows->labels);
	}
}

/* Scores of each fold as calibrated on the others. */
static const float *
CrossFit(const ScoredRows *rows, const CalibrateOptions *options)
{
	data_calibration_options fit = FitOptions(options);
	float *calibrated =
		MemoryContextAllocHuge(CurrentMemoryContext, sizeof(float) * rows->count * rows->labels);
	em_status status;

	if (model_labels_exclude(rows->model))
	{
		CrossFitTemperature(rows, options, calibrated);
		return calibrated;
	}
	Check(data_cross_fit_calibration(
			  rows->allocator, rows->count, rows->labels, rows->scores, rows->truth,
			  DrawFolds(rows->count, options->folds, options->seed), (uint32) options->folds, &fit,
			  InterruptWanted, NULL, calibrated, &status),
		  &status);
	return calibrated;
}

/* All labels together, then each: (labels + 1). */
static Reliability *
Measure(const ScoredRows *rows, const float *scores, int bin_count, bool equal_count)
{
	Reliability *result = palloc0(sizeof(Reliability) * (rows->labels + 1));
	em_status status;

	for (uint32 i = 0; i <= rows->labels; i++)
	{
		result[i].label = i == 0 ? NULL : rows->model->labels[i - 1];
		result[i].bins = palloc(sizeof(data_reliability_bin) * (Size) bin_count);
		Check(data_measure_reliability_until(rows->allocator, rows->count, rows->labels, scores,
											 rows->truth, i == 0 ? DATA_ALL_LABELS : i - 1,
											 (uint32) bin_count, equal_count, InterruptWanted, NULL,
											 result[i].bins, &result[i].figures, &status),
			  &status);
	}
	return result;
}

static Datum
LabelDatum(const char *label)
{
	return label ? PointerGetDatum(TextFromUtf8(label, strlen(label))) : (Datum) 0;
}

/* ---- emotion_calibrate --------------------------------------------------------------- */

static void
AppendNumbers(StringInfo json, const data_calibration *calibration, uint32 labels, bool shifts)
{
	appendStringInfo(json, ", \"%s\": [", shifts ? "shifts" : "scales");
	for (uint32 l = 0; l < labels; l++)
		appendStringInfo(json, "%s%.9g", l == 0 ? "" : ", ",
						 shifts ? calibration[l].shift : calibration[l].scale);
	appendStringInfoChar(json, ']');
}

static int32
PublishCalibrated(const ScoredRows *rows, const char *source, const CalibrateOptions *options,
				  const data_calibration *calibration, const data_reliability *before,
				  const data_reliability *after)
{
	const char *parent = rows->row.reference.name;
	ModelPublication publication = { .sources = &parent, .source_count = 1 };
	StringInfoData metrics, lineage;
	em_status status;
	uint8_t *bytes;
	size_t size;

	Check(model_calibrate(rows->allocator, rows->bytes, (size_t) rows->row.size, calibration,
						  rows->labels, &bytes, &size, &status),
		  &status);
	initStringInfo(&metrics);
	appendStringInfo(
		&metrics,
		"{\"log_loss\": %.6f, \"calibration_error\": %.6f, "
		"\"calibration_error_before\": %.6f, \"calibrated_on\": \"" UINT64_FORMAT " rows\"}",
		after->log_loss, after->calibration_error, before->calibration_error, rows->count);
	initStringInfo(&lineage);
	appendStringInfo(&lineage, "{\"parent\": \"%s\", \"calibration_from\": ",
					 ModelReferenceString(&rows->row.reference));
	escape_json(&lineage, source);
	appendStringInfo(
		&lineage, ", \"calibration\": {\"method\": \"%s\", \"calibration_shrinkage\": %g",
		model_labels_exclude(rows->model) ? "temperature" : method_names[options->method],
		options->shrinkage);
	AppendNumbers(&lineage, calibration, rows->labels, false);
	AppendNumbers(&lineage, calibration, rows->labels, true);
	appendStringInfoString(&lineage, "}}");
	publication.name = options->name ? options->name : rows->row.reference.name;
	publication.bytes = bytes;
	publication.size = size;
	publication.metrics = DatumGetJsonbP(JsonbFromCString(metrics.data));
	publication.lineage = DatumGetJsonbP(JsonbFromCString(lineage.data));
	return PublishModel(&publication);
}

/* emotion_calibrate(model text, source text, options jsonb): text */
Datum
emotion_calibrate(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	char *model_name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *source = text_to_cstring(PG_GETARG_TEXT_PP(1));
	CalibrateOptions options =
		ParseCalibrateOptions(PG_GETARG_JSONB_P(2), calibrate_strings, calibrate_specs);
	ModelReference published = ParseModelReference(model_name, true);
	data_calibration *calibration;
	data_reliability before, after;
	float *calibrated;
	ScoredRows rows;
	em_status status;
	text *result;

	PreventCommandIfReadOnly("emotion_calibrate()");
	CheckPublishable(options.name ? options.name : published.name);
	SPI_connect();
	rows = ScoreRows(model_name, source, &options.rows);
	calibrated =
		MemoryContextAllocHuge(CurrentMemoryContext, sizeof(float) * rows.count * rows.labels);
	calibration = Fit(&rows, &options, calibrated);
	Check(data_measure_reliability_until(rows.allocator, rows.count, rows.labels, rows.scores,
										 rows.truth, DATA_ALL_LABELS, 15, false, InterruptWanted,
										 NULL, NULL, &before, &status),
		  &status);
	Check(data_measure_reliability_until(rows.allocator, rows.count, rows.labels, calibrated,
										 rows.truth, DATA_ALL_LABELS, 15, false, InterruptWanted,
										 NULL, NULL, &after, &status),
		  &status);
	published = rows.row.reference;
	if (options.name)
		strlcpy(published.name, options.name, sizeof(published.name));
	published.version = PublishCalibrated(&rows, source, &options, calibration, &before, &after);
	ereport(NOTICE,
			(errmsg("published \"%s\": calibration error on these rows %.4f, before %.4f",
					ModelReferenceString(&published), after.calibration_error,
					before.calibration_error),
			 errhint("emotion_calibration_error with option \"folds\" says what calibration "
					 "is worth on rows that did not choose it.")));
	MemoryContextSwitchTo(caller);
	result = cstring_to_text(ModelReferenceString(&published));
	SPI_finish();
	PG_RETURN_TEXT_P(result);
}

/* ---- reports ------------------------------------------------------------------------- */

/* emotion_calibration(model, source, options): (label, bin, lower, upper, texts, mean_score, share_right) */
Datum
emotion_calibration(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = BeginSet(fcinfo);
	char *model_name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *source = text_to_cstring(PG_GETARG_TEXT_PP(1));
	CalibrateOptions options =
		ParseCalibrateOptions(PG_GETARG_JSONB_P(2), report_strings, report_specs);
	Reliability *reliability;
	ScoredRows rows;

	SPI_connect();
	rows = ScoreRows(model_name, source, &options.rows);
	reliability = Measure(&rows, options.folds > 0 ? CrossFit(&rows, &options) : rows.scores,
						  options.bins, options.equal_count);
	for (uint32 i = 0; i <= rows.labels; i++)
		for (int b = 0; b < options.bins; b++)
		{
			const data_reliability_bin *bin = &reliability[i].bins[b];
			Datum values[7] = { LabelDatum(reliability[i].label), Int32GetDatum(b + 1) };
			bool nulls[7] = { i == 0 };

			if (bin->count == 0)
				continue;
			values[2] = Float8GetDatum(bin->lower);
			values[3] = Float8GetDatum(bin->upper);
			values[4] = Int64GetDatum((int64) bin->count);
			values[5] = Float8GetDatum(bin->mean_score);
			values[6] = Float8GetDatum((double) bin->positives / (double) bin->count);
			tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
		}
	SPI_finish();
	return (Datum) 0;
}

/* Four columns of one label: error in bins of equal width and of equal count, Brier score, log loss. */
static void
PutErrors(const Reliability *width, const Reliability *count, Datum *values)
{
	values[0] = Float8GetDatum(width->figures.calibration_error);
	values[1] = Float8GetDatum(count->figures.calibration_error);
	values[2] = Float8GetDatum(width->figures.brier);
	values[3] = Float8GetDatum(width->figures.log_loss);
}

static const option_spec error_specs[] = {
	FIT_OPTIONS,
	{ "bins", OPTION_INT, offsetof(CalibrateOptions, bins), 1, DATA_MAX_BINS, NULL,
	  "of the scores" },
	{ "folds", OPTION_INT, offsetof(CalibrateOptions, folds), 0, 256, NULL,
	  "calibrate each fold as the others want it" },
	{ "seed", OPTION_UINT64, offsetof(CalibrateOptions, seed), 0, 9223372036854775807.0, NULL,
	  "of the folds" },
	END,
};

/*
 * emotion_calibration_error(model, source, options): (label, texts, positives, error, equal_count_error,
 * brier, log_loss, and the last four again calibrated)
 */
Datum
emotion_calibration_error(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = BeginSet(fcinfo);
	char *model_name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *source = text_to_cstring(PG_GETARG_TEXT_PP(1));
	CalibrateOptions options =
		ParseCalibrateOptions(PG_GETARG_JSONB_P(2), report_strings, error_specs);
	Reliability *width, *count, *calibrated_width = NULL, *calibrated_count = NULL;
	ScoredRows rows;

	SPI_connect();
	rows = ScoreRows(model_name, source, &options.rows);
	width = Measure(&rows, rows.scores, options.bins, false);
	count = Measure(&rows, rows.scores, options.bins, true);
	if (options.folds > 0)
	{
		const float *calibrated = CrossFit(&rows, &options);

		calibrated_width = Measure(&rows, calibrated, options.bins, false);
		calibrated_count = Measure(&rows, calibrated, options.bins, true);
	}
	for (uint32 i = 0; i <= rows.labels; i++)
	{
		Datum values[11] = { LabelDatum(width[i].label),
							 Int64GetDatum((int64) width[i].figures.count),
							 Int64GetDatum((int64) width[i].figures.positives) };
		bool nulls[11] = { i == 0 };

		PutErrors(&width[i], &count[i], values + 3);
		if (options.folds > 0)
			PutErrors(&calibrated_width[i], &calibrated_count[i], values + 7);
		else
			memset(nulls + 7, true, 4);
		tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
	}
	SPI_finish();
	return (Datum) 0;
}

/* emotion_calibration_svg(model, source, options): text */
Datum
emotion_calibration_svg(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	char *model_name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *source = text_to_cstring(PG_GETARG_TEXT_PP(1));
	CalibrateOptions options =
		ParseCalibrateOptions(PG_GETARG_JSONB_P(2), picture_strings, report_specs);
	ReliabilityPicture picture = { 0 };
	ScoredRows rows;
	MemoryContext before;
	text *result;

	SPI_connect();
	rows = ScoreRows(model_name, source, &options.rows);
	picture.title = options.title
						? options.title
						: psprintf("Reliability of %s", ModelReferenceString(&rows.row.reference));
	picture.bin_count = options.bins;
	picture.count = (int) rows.labels + 1;
	picture.before = Measure(&rows, rows.scores, options.bins, options.equal_count);
	if (options.folds > 0)
		picture.after =
			Measure(&rows, CrossFit(&rows, &options), options.bins, options.equal_count);
	before = MemoryContextSwitchTo(caller);
	result = DrawReliability(&picture);
	MemoryContextSwitchTo(before);
	SPI_finish();
	PG_RETURN_TEXT_P(result);
}
