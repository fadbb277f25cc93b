/*
 * split.c
 *	  CALL emotion_split: rows shared out into parts, each with its share of every
 *	  label; and emotion_split_report(): what came of it.
 *
 * A table gets the part's name into a column of its own; a query's rows are
 * written to a new table. The work is one transaction: parts of half a data
 * set are no use to anyone.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "../data/stratify.h"
#include "aggregate_state.h"
#include "glue.h"
#include "label_source.h"
#include "new_table.h"
#include "options.h"

PG_FUNCTION_INFO_V1(emotion_split);
PG_FUNCTION_INFO_V1(emotion_split_arrays);
PG_FUNCTION_INFO_V1(emotion_split_report);

/* Rows whose column is written by one statement, which reads the table once. */
#define WRITE_ROWS 1000000

typedef struct SplitOptions
{
	char *text_column;
	char *label_column;
	char *split_column;
	char *target; /* NULL: the source itself */
	bool create_column;
	bool duplicates; /* keep them together */
	int order;
	uint64_t seed;
} SplitOptions;

static const option_spec split_specs[] = {
	{ "create_column", OPTION_BOOL, offsetof(SplitOptions, create_column), 0, 1, NULL,
	  "add the split column when the table lacks it" },
	{ "duplicates", OPTION_BOOL, offsetof(SplitOptions, duplicates), 0, 1, NULL,
	  "keep texts of the same words in one part" },
	{ "order", OPTION_INT, offsetof(SplitOptions, order), 1, 2, NULL,
	  "2 shares out pairs of labels, too" },
	{ "seed", OPTION_UINT64, offsetof(SplitOptions, seed), 0, 9223372036854775807.0, NULL,
	  "of ties" },
	{ NULL, OPTION_INT, 0, 0, 0, NULL, NULL },
};

typedef struct Parts
{
	int count;
	char *name[DATA_MAX_PARTS];
	double share[DATA_MAX_PARTS];
} Parts;

static const StringSpec string_specs[] = {
	{ "text_column", offsetof(SplitOptions, text_column), "column of the texts" },
	{ "label_column", offsetof(SplitOptions, label_column), "column of the labels" },
	{ "split_column", offsetof(SplitOptions, split_column), "column of the parts' names" },
	{ "target", offsetof(SplitOptions, target), "table to make of a query's rows" },
	{ NULL, 0, NULL },
};

static void
VisitOption(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	(void) json;
	if (!SetNamedOption(string_specs, split_specs, context, name, value))
		UnknownOption(name, "Options are text_column, label_column, split_column, create_column, "
							"target, order, seed and duplicates.");
}

static SplitOptions
ParseSplitOptions(const Jsonb *json)
{
	SplitOptions options = { "text", "labels", "split", NULL, false, true, 1, 1 };

	VisitOptions(json, VisitOption, &options);
	return options;
}

static void
AddPart(Parts *parts, char *name, double share)
{
	if (!(share > 0 && share < 1))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("fraction %g of part \"%s\" is not between 0 and 1", share, name)));
	for (int i = 0; i < parts->count; i++)
		if (strcmp(parts->name[i], name) == 0)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("part \"%s\" is named twice", name)));
	if (parts->count == DATA_MAX_PARTS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("more than %d parts", DATA_MAX_PARTS)));
	parts->name[parts->count] = name;
	parts->share[parts->count++] = share;
}

static void
VisitFraction(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	char *part = CStringFromUtf8(name.bytes, name.length);

	(void) json;
	if (value->type != OPTION_VALUE_NUMBER)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("fraction of part \"%s\" is not a number", part)));
	AddPart(context, part, value->number);
}

static void
ParseFractions(FunctionCallInfo fcinfo, Parts *parts)
{
	Jsonb *fractions = PG_GETARG_JSONB_P(1);

	if (!JB_ROOT_IS_OBJECT(fractions))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("fractions must be a JSON object of part: fraction"),
						errhint("Write them as in '{\"train\": 0.8, \"dev\": 0.2}'.")));
	VisitOptions(fractions, VisitFraction, parts);
}

static void
ReadFractions(FunctionCallInfo fcinfo, Parts *parts)
{
	ArrayType *fractions = PG_GETARG_ARRAYTYPE_P(1);
	ArrayType *names = PG_GETARG_ARRAYTYPE_P(2);
	TextArrayWalk walk = WalkTextArray(names);
	const float8 *share = (const float8 *) ARR_DATA_PTR(fractions);
	em_slice name;

	if (array_contains_nulls(fractions))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a fraction is null")));
	if (ArrayGetNItems(ARR_NDIM(fractions), ARR_DIMS(fractions)) != walk.count)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("there are not as many fractions as names: %d and %d",
						ArrayGetNItems(ARR_NDIM(fractions), ARR_DIMS(fractions)), walk.count)));
	while (NextText(&walk, &name, "names"))
		AddPart(parts, pnstrdup(name.bytes, name.length), *share++);
}

static void
CheckFractions(const Parts *parts)
{
	double sum = 0;

	for (int i = 0; i < parts->count; i++)
		sum += parts->share[i];
	if (parts->count < 2 || fabs(sum - 1) > 1e-6)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%d fractions add up to %g, not two or more to 1", parts->count, sum)));
}

/* ---- the table that is split ------------------------------------------------------------------ */

static void
Run(const char *query, int expected)
{
	int result = SPI_execute(query, false, 0);

	if (result != expected)
		elog(ERROR, "\"%s\" failed: %s", query, SPI_result_code_string(result));
}

/* Make sure of the column, and that nobody changes the table while it is split. */
static void
PrepareTable(const LabelSource *source, const char *table, const SplitOptions *options)
{
	char kind = get_rel_relkind(source->relation);
	AttrNumber column;

	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("\"%s\" is not a table", source->source.source),
						errhint("Name a new table by option \"target\" for the rows of a view.")));
	Run(psprintf("LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE", table), SPI_OK_UTILITY);
	column = get_attnum(source->relation, options->split_column);
	if (column == InvalidAttrNumber)
	{
		if (!options->create_column)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of relation \"%s\" does not exist",
							options->split_column, source->source.source),
					 errhint("Option \"create_column\" adds it, option \"split_column\" names "
							 "another, option \"target\" a new table to write to.")));
		Run(psprintf("ALTER TABLE %s ADD COLUMN %s pg_catalog.text", table,
					 quote_identifier(options->split_column)),
			SPI_OK_UTILITY);
	}
	else
	{
		Oid type = getBaseType(get_atttype(source->relation, column));
		char category;
		bool preferred;

		get_type_category_preferred(type, &category, &preferred);
		if (category != TYPCATEGORY_STRING && category != TYPCATEGORY_ENUM)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of relation \"%s\" is of type %s, not text",
							options->split_column, source->source.source, format_type_be(type))));
	}
}

static ArrayType *
NameArray(const Parts *parts)
{
	Datum *names = palloc(sizeof(Datum) * (Size) parts->count);

	for (int i = 0; i < parts->count; i++)
		names[i] = CStringGetTextDatum(parts->name[i]);
	return construct_array(names, parts->count, TEXTOID, -1, false, TYPALIGN_INT);
}

/* Where the row stands that was read as the i-th. */
static uint32 *
ReadingOrder(const LabelSource *source)
{
	uint32 *where = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(uint32) * source->rows.n);

	for (uint64 i = 0; i < source->rows.n; i++)
		where[source->read_as[i]] = (uint32) i;
	return where;
}

/* Write the parts of the rows read as from .. to - 1. */
static void
WriteParts(const LabelSource *source, const char *query, ArrayType *names, const uint8 *part,
		   const uint32 *where, uint64 from, uint64 to)
{
	Oid types[4] = { TIDARRAYOID, OIDARRAYOID, INT2ARRAYOID, TEXTARRAYOID };
	int count = (int) (to - from);
	Datum *places = palloc(sizeof(Datum) * (Size) count);
	Datum *partitions = palloc(sizeof(Datum) * (Size) count);
	Datum *numbers = palloc(sizeof(Datum) * (Size) count);
	Datum values[4];

	for (int i = 0; i < count; i++)
	{
		uint32 row = where[from + (uint64) i];

		places[i] = PointerGetDatum(&source->place[row]);
		partitions[i] = ObjectIdGetDatum(source->partition[row]);
		numbers[i] = Int16GetDatum((int16) (part[row] + 1));
	}
	values[0] = PointerGetDatum(
		construct_array(places, count, TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT));
	values[1] = PointerGetDatum(
		construct_array(partitions, count, OIDOID, sizeof(Oid), true, TYPALIGN_INT));
	values[2] = PointerGetDatum(construct_array(numbers, count, INT2OID, 2, true, TYPALIGN_SHORT));
	values[3] = PointerGetDatum(names);
	/* planned each time, for so many rows */
	if (SPI_execute_with_args(query, 4, types, values, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "emotion_split: UPDATE failed");
	if (SPI_processed != to - from)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("only " UINT64_FORMAT " of " UINT64_FORMAT " rows of \"%s\" could be "
						"written",
						(uint64) SPI_processed, to - from, source->source.source),
				 errhint("Look for triggers or policies that keep rows from being updated.")));
}

static void
WriteColumn(const LabelSource *source, const char *table, const SplitOptions *options,
			const Parts *parts, const uint8 *part)
{
	Oid type = get_atttype(source->relation, get_attnum(source->relation, options->split_column));
	char *query =
		psprintf("UPDATE %s AS t SET %s = ($4)[v.part]::%s FROM ROWS FROM (pg_catalog.unnest($1),"
				 " pg_catalog.unnest($2), pg_catalog.unnest($3)) AS v (place, partition, part)"
				 " WHERE t.tableoid OPERATOR(pg_catalog.=) v.partition"
				 " AND t.ctid OPERATOR(pg_catalog.=) v.place",
				 table, quote_identifier(options->split_column), format_type_be_qualified(type));
	ArrayType *names = NameArray(parts);
	uint32 *where = ReadingOrder(source);
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch =
		AllocSetContextCreate(caller, "emotion split batch", ALLOCSET_DEFAULT_SIZES);

	for (uint64 from = 0; from < source->rows.n; from += WRITE_ROWS)
	{
		MemoryContextSwitchTo(scratch);
		WriteParts(source, query, names, part, where, from, Min(from + WRITE_ROWS, source->rows.n));
		MemoryContextSwitchTo(caller);
		MemoryContextReset(scratch);
	}
	pfree(where);
	MemoryContextDelete(scratch);
}

/* The rows of the source with one column more: the part. */
static void
WriteTable(const LabelSource *source, const SplitOptions *options, const Parts *parts,
		   const uint8 *part)
{
	uint32 *where = ReadingOrder(source);
	int columns = source->kept_columns->natts - (KEPT_OTHERS - 1);
	Datum *values = palloc(sizeof(Datum) * (Size) (columns + 1));
	bool *nulls = palloc(sizeof(bool) * (Size) (columns + 1));
	Datum names[DATA_MAX_PARTS] = { 0 };
	NewTable *table;

	table = CreateNewTable(options->target,
						   psprintf("SELECT source.*, NULL::pg_catalog.text AS %s"
									" FROM %s",
									quote_identifier(options->split_column), source->source.from));
	for (int i = 0; i < parts->count; i++)
		names[i] = CStringGetTextDatum(parts->name[i]);
	for (uint64 read = 0; read < source->rows.n; read++)
	{
		HeapTuple tuple = NextKeptRow(table, source->kept, source->kept_columns);

		for (int column = 0; column < columns; column++)
			values[column] =
				SPI_getbinval(tuple, source->kept_columns, KEPT_OTHERS + column, &nulls[column]);
		values[columns] = names[part[where[read]]];
		nulls[columns] = false;
		InsertRow(table, values, nulls);
	}
	FinishNewTable(table);
	pfree(where);
}

/* ---- what came of it -------------------------------------------------------------------------- */

/* Rows, and rows of each label, in each part. */
typedef struct Shares
{
	uint32 labels;
	uint32 parts;
	uint64 *rows;  /* (parts) */
	uint64 *count; /* (parts, labels) */
	uint64 n;
	uint64 *total; /* (labels) */
} Shares;

static Shares
CountShares(const data_label_rows *rows, uint32 parts, uint32 (*part_of)(const void *, uint64),
			const void *context)
{
	Shares shares = { rows->labels, parts, palloc0(sizeof(uint64) * Max(parts, 1)), NULL, 0, NULL };

	shares.count = palloc0(sizeof(uint64) * Max((Size) parts * rows->labels, 1));
	shares.total = palloc0(sizeof(uint64) * Max((Size) rows->labels, 1));
	for (uint64 i = 0; i < rows->n; i++)
	{
		uint32 part = part_of(context, i);

		if (part == NO_LABEL)
			continue;
		shares.n++;
		shares.rows[part]++;
		for (uint64 e = rows->start[i]; e < rows->start[i + 1]; e++)
		{
			shares.count[(uint64) part * rows->labels + rows->label[e]]++;
			shares.total[rows->label[e]]++;
		}
	}
	return shares;
}

static uint32
PartOf(const void *part, uint64 row)
{
	return ((const uint8 *) part)[row];
}

static uint32
OriginOf(const void *origin, uint64 row)
{
	return ((const uint32 *) origin)[row];
}

/* Share of the part's rows that have the label, less that of all rows. */
static double
Deviation(const Shares *shares, uint32 part, uint32 label)
{
	return (double) shares->count[(uint64) part * shares->labels + label] /
			   (double) shares->rows[part] -
		   (double) shares->total[label] / (double) shares->n;
}

static int
CompareGroups(const void *a, const void *b)
{
	uint64 x = *(const uint64 *) a;
	uint64 y = *(const uint64 *) b;

	return (x > y) - (x < y);
}

/* Rows that are not the first of their group. */
static uint64
CountDuplicates(const LabelSource *source)
{
	uint64 *sorted;
	uint64 repeated = 0;

	if (source->group == NULL)
		return 0;
	sorted = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(uint64) * source->rows.n);
	memcpy(sorted, source->group, sizeof(uint64) * source->rows.n);
	qsort(sorted, source->rows.n, sizeof(uint64), CompareGroups);
	for (uint64 i = 1; i < source->rows.n; i++)
		repeated += sorted[i] == sorted[i - 1];
	pfree(sorted);
	return repeated;
}

static void
NoticeSplit(const LabelSource *source, const Parts *parts, const uint8 *part)
{
	Shares shares = CountShares(&source->rows, (uint32) parts->count, PartOf, part);
	double largest = 0;
	uint32 worst_part = 0;
	uint32 worst_label = NO_LABEL;
	StringInfoData text;

	initStringInfo(&text);
	for (uint32 p = 0; p < shares.parts; p++)
	{
		appendStringInfo(&text, "%s%s " UINT64_FORMAT, p == 0 ? "" : ", ", parts->name[p],
						 shares.rows[p]);
		for (uint32 l = 0; l < shares.labels && shares.rows[p] > 0; l++)
			if (fabs(Deviation(&shares, p, l)) > largest)
			{
				largest = fabs(Deviation(&shares, p, l));
				worst_part = p;
				worst_label = l;
			}
	}
	if (worst_label != NO_LABEL)
		appendStringInfo(&text,
						 "; a label's share of the rows differs by at most %.4f percentage points "
						 "(%.*s in %s)",
						 largest * 100, (int) source->labels[worst_label].length,
						 source->labels[worst_label].bytes, parts->name[worst_part]);
	if (source->group)
		appendStringInfo(&text, "; " UINT64_FORMAT " duplicates stay with their like",
						 CountDuplicates(source));
	ereport(NOTICE, (errmsg("emotion_split: " UINT64_FORMAT " rows: %s", source->rows.n, text.data),
					 errhint("emotion_split_report() gives the labels of each part.")));
}

static void
Split(const char *name, const Parts *parts, const SplitOptions *options, MemoryContext context)
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
		PrepareTable(&source, table, options);
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
		WriteColumn(&source, table, options, parts, part);
	else
		WriteTable(&source, options, parts, part);
	MemoryContextSwitchTo(context);
	NoticeSplit(&source, parts, part);
	CloseLabelSource(&source);
	SPI_finish();
}

/* Both forms: fractions as JSON, or as two arrays. */
static Datum
SplitCall(FunctionCallInfo fcinfo, void (*parse)(FunctionCallInfo, Parts *))
{
	MemoryContext context, caller;
	SplitOptions options;
	Parts parts;

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

/*
 * emotion_split_report(source text, options jsonb):
 * (part, label, count, share_of_part, share_of_all, difference, share_of_label); strict
 */
Datum
emotion_split_report(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = BeginSet(fcinfo);
	LabelSource source = { 0 };
	SplitOptions options = ParseSplitOptions(PG_GETARG_JSONB_P(1));
	MemoryContext context = CurrentMemoryContext;
	Shares shares;

	source.source.source = text_to_cstring(PG_GETARG_TEXT_PP(0));
	source.source.label_column = options.label_column;
	source.source.split_column = options.split_column;
	source.origin_column = options.split_column;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	MemoryContextSwitchTo(context);
	OpenLabelSource(&source);
	ReadLabelSource(&source, false);
	shares = CountShares(&source.rows, source.origins.count, OriginOf, source.origin);
	for (uint32 p = 0; p < shares.parts; p++)
		for (uint32 l = 0; l <= shares.labels; l++)
		{
			em_slice part = source.origins.labels[p];
			bool all = l == shares.labels; /* the part as a whole */
			uint64 count = all ? shares.rows[p] : shares.count[(uint64) p * shares.labels + l];
			Datum values[7] = {
				PointerGetDatum(cstring_to_text_with_len(part.bytes, (int) part.length)),
				(Datum) 0,
				Int64GetDatum((int64) count),
				Float8GetDatum((double) count / (double) shares.rows[p]),
				(Datum) 0,
				(Datum) 0,
				(Datum) 0,
			};
			bool nulls[7] = { false, all, false, false, all, all, false };

			if (all)
				values[6] = Float8GetDatum((double) count / (double) shares.n);
			else
			{
				em_slice label = source.labels[l];

				values[1] =
					PointerGetDatum(cstring_to_text_with_len(label.bytes, (int) label.length));
				values[4] = Float8GetDatum((double) shares.total[l] / (double) shares.n);
				values[5] = Float8GetDatum(Deviation(&shares, p, l));
				nulls[6] = shares.total[l] == 0;
				if (!nulls[6])
					values[6] = Float8GetDatum((double) count / (double) shares.total[l]);
			}
			tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
		}
	CloseLabelSource(&source);
	SPI_finish();
	return (Datum) 0;
}
