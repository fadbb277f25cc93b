/*
 * label_report.c
 *	  emotion_label_report() and emotion_label_report_svg(): the labels of a
 *	  table, a view or a query, as rows and as a picture.
 *
 * The figures are those of the aggregates, asked for by one query, so the server
 * may read the source in parallel. Rows whose labels are null are not counted.
 */
#include "postgres.h"

#include "label_report.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

#include "aggregate_state.h"
#include "glue.h"
#include "options.h"
#include "source.h"

PG_FUNCTION_INFO_V1(emotion_label_report);
PG_FUNCTION_INFO_V1(emotion_label_report_svg);

static const option_spec report_specs[] = {
	{ "labels", OPTION_INT, offsetof(LabelReportOptions, labels), 1, 1000, NULL,
	  "labels shown in a picture, the most frequent ones" },
	{ NULL, OPTION_INT, 0, 0, 0, NULL, NULL },
};

static const StringSpec string_specs[] = {
	{ "label_column", offsetof(LabelReportOptions, label_column), "column of the labels" },
	{ "title", offsetof(LabelReportOptions, title), "of the picture" },
	{ NULL, 0, NULL },
};

static void
VisitOption(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	(void) json;
	if (!SetNamedOption(string_specs, report_specs, context, name, value))
		UnknownOption(name, "Options are label_column, title and labels.");
}

static LabelReportOptions
ParseReportOptions(const Jsonb *json)
{
	LabelReportOptions options = { "labels", "Labels", 50 };

	VisitOptions(json, VisitOption, &options);
	return options;
}

/* Column `number` of the one row that SPI returned, an array, copied to the context. */
static ArrayType *
ArrayColumn(int number, MemoryContext context)
{
	bool null;
	Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, &null);
	MemoryContext before;
	ArrayType *array;

	if (null)
		elog(ERROR, "column %d of a label report is null", number);
	before = MemoryContextSwitchTo(context);
	array = DatumGetArrayTypePCopy(value);
	MemoryContextSwitchTo(before);
	return array;
}

/* The figures of a source, in the current context. */
static LabelFigures
ReadFigures(FunctionCallInfo fcinfo, const char *name, const LabelReportOptions *options)
{
	MemoryContext caller = CurrentMemoryContext;
	const char *functions =
		quote_identifier(get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid)));
	LabelFigures figures = { 0, NAN, 0, NULL, NULL, NULL, NULL, NULL };
	Source source = { 0 };
	StringInfoData query;
	bool null;

	SPI_connect();
	source.source = name;
	source.label_column = options->label_column;
	OpenSource(&source);
	initStringInfo(&query);
	appendStringInfo(&query,
					 "SELECT (f.s).n, (f.s).mean_ir, (f.s).labels, (f.s).counts, (f.s).irlbl,"
					 " (f.s).scumble_by_label, (f.c).counts FROM (SELECT"
					 " %s.emotion_label_stats(source.%s::pg_catalog.text[]) AS s,"
					 " %s.emotion_cooccurrence(source.%s::pg_catalog.text[]) AS c FROM %s) AS f",
					 functions, quote_identifier(source.label_column), functions,
					 quote_identifier(source.label_column), source.from);
	if (SPI_execute(query.data, true, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not read the labels of source \"%s\"", name);
	figures.rows =
		DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	if (null)
		figures.rows = 0; /* no rows, no figures */
	else
	{
		ArrayType *labels = ArrayColumn(3, caller);
		TextArrayWalk walk = WalkTextArray(labels);
		em_slice label;

		figures.mean_ir =
			DatumGetFloat8(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &null));
		if (null)
			figures.mean_ir = NAN;
		figures.labels = MemoryContextAlloc(caller, sizeof(em_slice) * (Size) Max(walk.count, 1));
		while (NextText(&walk, &label, "a label report"))
			figures.labels[figures.count++] = label;
		figures.counts = (const int64 *) ARR_DATA_PTR(ArrayColumn(4, caller));
		figures.irlbl = (const double *) ARR_DATA_PTR(ArrayColumn(5, caller));
		figures.scumble = (const double *) ARR_DATA_PTR(ArrayColumn(6, caller));
		figures.together = (const int64 *) ARR_DATA_PTR(ArrayColumn(7, caller));
	}
	SPI_finish();
	return figures;
}

static int
CompareCounts(const void *left, const void *right, void *argument)
{
	const LabelFigures *figures = argument;
	int a = *(const int *) left;
	int b = *(const int *) right;

	if (figures->counts[a] != figures->counts[b])
		return figures->counts[a] > figures->counts[b] ? -1 : 1;
	return a - b;
}

/*
 * emotion_label_report(source text, options jsonb):
 * (label, count, share, irlbl, other_labels, often_with, often_with_count, scumble); strict
 */
Datum
emotion_label_report(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = BeginSet(fcinfo);
	LabelReportOptions options = ParseReportOptions(PG_GETARG_JSONB_P(1));
	LabelFigures figures = ReadFigures(fcinfo, text_to_cstring(PG_GETARG_TEXT_PP(0)), &options);
	int *order = palloc(sizeof(int) * (Size) Max(figures.count, 1));

	for (int i = 0; i < figures.count; i++)
		order[i] = i;
	qsort_arg(order, (size_t) figures.count, sizeof(int), CompareCounts, &figures);
	for (int i = 0; i < figures.count; i++)
	{
		int label = order[i];
		const int64 *together = figures.together + (Size) label * (Size) figures.count;
		int64 count = figures.counts[label];
		int64 others = 0;
		int partner = -1;
		Datum values[8] = { 0 };
		bool nulls[8] = { false };

		for (int j = 0; j < figures.count; j++)
		{
			if (j == label)
				continue;
			others += together[j];
			if (together[j] > (partner < 0 ? 0 : together[partner]))
				partner = j;
		}
		values[0] = PointerGetDatum(cstring_to_text_with_len(figures.labels[label].bytes,
															 (int) figures.labels[label].length));
		values[1] = Int64GetDatum(count);
		values[2] = Float8GetDatum((double) count / (double) figures.rows);
		values[3] = Float8GetDatum(figures.irlbl[label]);
		values[4] = Float8GetDatum((double) others / (double) count);
		nulls[5] = nulls[6] = partner < 0;
		if (partner >= 0)
		{
			values[5] = PointerGetDatum(cstring_to_text_with_len(
				figures.labels[partner].bytes, (int) figures.labels[partner].length));
			values[6] = Int64GetDatum(together[partner]);
		}
		values[7] = Float8GetDatum(figures.scumble[label]);
		tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* emotion_label_report_svg(source text, compare_source text, options jsonb): text */
Datum
emotion_label_report_svg(PG_FUNCTION_ARGS)
{
	LabelReportOptions options;
	LabelFigures before, after;
	bool two = !PG_ARGISNULL(1);

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	options = ParseReportOptions(PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2));
	before = ReadFigures(fcinfo, text_to_cstring(PG_GETARG_TEXT_PP(0)), &options);
	if (two)
		after = ReadFigures(fcinfo, text_to_cstring(PG_GETARG_TEXT_PP(1)), &options);
	PG_RETURN_TEXT_P(DrawLabels(&before, two ? &after : NULL, &options));
}
