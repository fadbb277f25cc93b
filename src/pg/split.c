/*
 * split.c
 *	  CALL emotion_split: rows shared out into parts, each with its share of every label.
 *
 * A table gets the part's name into a column of its own; a query's rows are
 * written to a new table. The work is one transaction: parts of half a data
 * set are no use to anyone.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "../data/stratify.h"
#include "aggregate_state.h"
#include "glue.h"
#include "label_source.h"
#include "new_table.h"
#include "split_report.h"
#include "split_request.h"
#include "split_write.h"

PG_FUNCTION_INFO_V1(emotion_split);
PG_FUNCTION_INFO_V1(emotion_split_arrays);

static void
Split(const char *name, const SplitParts *parts, const SplitOptions *options, MemoryContext context)
{
	LabelSource source = { 0 };
	data_stratify_options how = { 0 };
	em_status status;
	uint8 *part;
	char *table = NULL;

	source.source.source = name;
	source.source.text_column = options->text_column;
	source.source.label_column = options->label_column;
	source.find_duplicates = options->duplicates;
	source.want_places = options->target == NULL;
	source.keep_rows = source.keep_others = options->target != NULL;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	MemoryContextSwitchTo(context);
	OpenLabelSource(&source);
	if (options->target == NULL)
	{
		if (!OidIsValid(source.relation))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("the source is a query, which has no column to write to"),
							errhint("Name a new table for its rows by option \"target\".")));
		table = quote_qualified_identifier(get_namespace_name(get_rel_namespace(source.relation)),
										   get_rel_name(source.relation));
		PrepareSplitTable(&source, table, options);
		MemoryContextSwitchTo(context);
	}
	else
		CheckNewTable(options->target);
	ReadLabelSource(&source, options->target == NULL);
	if (source.rows.n == 0)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
						errmsg("source \"%s\" has no rows", source.source.source)));
	how.parts = (uint32) parts->count;
	how.shares = parts->share;
	how.order = options->order;
	how.group = source.group;
	how.seed = options->seed;
	how.should_stop = InterruptWanted;
	part = MemoryContextAllocHuge(context, source.rows.n);
	CheckCode(data_stratify(ContextAllocator(context), &source.rows, &how, part, &status), &status);
	if (options->target == NULL)
		WriteSplitColumn(&source, table, options, parts, part);
	else
		WriteSplitTable(&source, options, parts, part);
	MemoryContextSwitchTo(context);
	NoticeSplit(&source, parts, part);
	CloseLabelSource(&source);
	SPI_finish();
}

/* Both forms: fractions as JSON, or as two arrays. */
static Datum
SplitCall(FunctionCallInfo fcinfo, void (*parse)(FunctionCallInfo, SplitParts *))
{
	MemoryContext context, caller;
	SplitOptions options;
	SplitParts parts;

	for (int i = 0; i < PG_NARGS(); i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("no argument of emotion_split may be null")));
	context = AllocSetContextCreate(CurrentMemoryContext, "emotion split", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	memset(&parts, 0, sizeof(parts));
	parse(fcinfo, &parts);
	CheckFractions(&parts);
	options = ParseSplitOptions(PG_GETARG_JSONB_P(PG_NARGS() - 1));
	Split(text_to_cstring(PG_GETARG_TEXT_PP(0)), &parts, &options, context);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	PG_RETURN_VOID();
}

/* CALL emotion_split(source text, fractions jsonb, options jsonb) */
Datum
emotion_split(PG_FUNCTION_ARGS)
{
	return SplitCall(fcinfo, ParseFractions);
}

/* CALL emotion_split(source text, fractions float8[], names text[], options jsonb) */
Datum
emotion_split_arrays(PG_FUNCTION_ARGS)
{
	return SplitCall(fcinfo, ReadFractions);
}
