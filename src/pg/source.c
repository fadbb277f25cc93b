/*
 * source.c
 *	  Labelled texts from a table, a view, or a query.
 */
#include "postgres.h"

#include "source.h"

#include <ctype.h>

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "nodes/value.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

#include "../model/config.h"
#include "glue.h"

#define SOURCE_HINT "Name a table or view, or write a query that begins with SELECT."

/* Rows fetched at once. */
#define FETCH_ROWS 1000

static bool
LooksLikeQuery(const char *source)
{
	static const char *const starts[] = { "select", "with", "table", "values" };

	while (isspace((unsigned char) *source) || *source == '(')
		source++;
	for (size_t i = 0; i < lengthof(starts); i++)
	{
		size_t length = strlen(starts[i]);

		if (pg_strncasecmp(source, starts[i], length) == 0 &&
			!isalnum((unsigned char) source[length]) && source[length] != '_')
			return true;
	}
	return false;
}

/* The relation of that name as search_path finds it, or InvalidOid. */
static Oid
FindRelation(const char *name)
{
	List *parts;
	List *names = NIL;
	ListCell *part;

	if (!SplitIdentifierString(pstrdup(name), '.', &parts) || parts == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("source \"%s\" is not the name of a table", name), errhint(SOURCE_HINT)));
	foreach (part, parts)
		names = lappend(names, makeString(pstrdup((char *) lfirst(part))));
	return RangeVarGetRelid(makeRangeVarFromNameList(names), NoLock, true);
}

static char *
WhatToRead(const char *source)
{
	Oid relation;

	if (LooksLikeQuery(source))
	{
		size_t length = strlen(source);

		/* a trailing semicolon is how people end a query */
		while (length > 0 &&
			   (isspace((unsigned char) source[length - 1]) || source[length - 1] == ';'))
			length--;
		return psprintf("(%.*s\n) AS source", (int) length, source);
	}
	relation = FindRelation(source);
	if (!OidIsValid(relation))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation \"%s\" does not exist", source), errhint(SOURCE_HINT)));
	return psprintf("%s AS source",
					quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
											   get_rel_name(relation)));
}

/* The type of a column of the source, or an error that names it and what chose it, an option. */
static Oid
ColumnTypeBy(const Source *source, TupleDesc columns, const char *column, const char *kind,
			 const char *option)
{
	for (int i = 0; i < columns->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(columns, i)->attname), column) == 0)
			return TupleDescAttr(columns, i)->atttypid;
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
					errmsg("column \"%s\" does not exist in source \"%s\"", column, source->source),
					errhint("Name the column by %s \"%s\".", kind, option)));
	return InvalidOid; /* not reached */
}

static Oid
ColumnType(const Source *source, TupleDesc columns, const char *column, const char *option)
{
	return ColumnTypeBy(source, columns, column, "option", option);
}

static void
CheckColumns(const Source *source, TupleDesc columns)
{
	if (source->text_column)
	{
		const char *option = source->text_option != NULL ? source->text_option : "text_column";
		const char *kind = source->text_argument ? "argument" : "option";
		Oid type = ColumnTypeBy(source, columns, source->text_column, kind, option);
		char category;
		bool preferred;

		get_type_category_preferred(getBaseType(type), &category, &preferred);
		if (category != TYPCATEGORY_STRING && category != TYPCATEGORY_UNKNOWN)
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
							errmsg("column \"%s\" of source \"%s\" is of type %s, not text",
								   source->text_column, source->source, format_type_be(type)),
							errhint("Name the column of texts by %s \"%s\".", kind, option)));
	}
	if (source->label_column)
	{
		Oid type = ColumnType(source, columns, source->label_column, "label_column");
		Oid element = get_element_type(getBaseType(type));
		char category = TYPCATEGORY_INVALID;
		bool preferred;

		if (OidIsValid(element))
			get_type_category_preferred(element, &category, &preferred);
		if (category != TYPCATEGORY_STRING && category != TYPCATEGORY_ENUM)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of source \"%s\" is of type %s, not an array of text",
							source->label_column, source->source, format_type_be(type)),
					 errhint("Name the column of labels by option \"label_column\"; "
							 "string_to_array() makes an array of a list.")));
	}
	if (source->soft_column)
	{
		Oid type = ColumnType(source, columns, source->soft_column, "soft_column");
		Oid element = get_element_type(getBaseType(type));
		char category = TYPCATEGORY_INVALID;
		bool preferred;

		if (OidIsValid(element))
			get_type_category_preferred(element, &category, &preferred);
		if (category != TYPCATEGORY_NUMERIC)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of source \"%s\" is of type %s, not an array of numbers",
							source->soft_column, source->source, format_type_be(type)),
					 errhint("Name the column of scores by option \"soft_column\".")));
	}
	if (source->split_column)
		(void) ColumnType(source, columns, source->split_column, "split_column");
	if (source->weight_column)
		(void) ColumnType(source, columns, source->weight_column, "weight_column");
}

static SPIPlanPtr
Prepare(const char *query)
{
	SPIPlanPtr plan = SPI_prepare(query, 0, NULL);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	return plan;
}

void
OpenSource(Source *source)
{
	MemoryContext caller = CurrentMemoryContext; /* SPI functions leave another one */
	char *query;

	source->from = WhatToRead(source->source);
	query = psprintf("SELECT * FROM %s LIMIT 0", source->from);
	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("source \"%s\" returns no rows to read", source->source)));
	CheckColumns(source, SPI_tuptable->tupdesc);
	SPI_freetuptable(SPI_tuptable);
	MemoryContextSwitchTo(caller);
	pfree(query);
}

/* SELECT of the columns that are read, as text, text[], text, float8 and float4[] */
static char *
SourceQuery(const Source *source)
{
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT source.%s::pg_catalog.text",
					 quote_identifier(source->text_column));
	if (source->label_column)
		appendStringInfo(&query, ", source.%s::pg_catalog.text[]",
						 quote_identifier(source->label_column));
	else
		appendStringInfoString(&query, ", NULL::pg_catalog.text[]");
	if (source->split_column)
		appendStringInfo(&query, ", source.%s::pg_catalog.text",
						 quote_identifier(source->split_column));
	else
		appendStringInfoString(&query, ", NULL::pg_catalog.text");
	if (source->weight_column)
		appendStringInfo(&query, ", source.%s::pg_catalog.float8",
						 quote_identifier(source->weight_column));
	else
		appendStringInfoString(&query, ", 1::pg_catalog.float8");
	if (source->soft_column)
		appendStringInfo(&query, ", source.%s::pg_catalog.float4[]",
						 quote_identifier(source->soft_column));
	appendStringInfo(&query, " FROM %s", source->from);
	return query.data;
}

void
RefuseNullValue(const Source *source, const char *column, uint64 number)
{
	ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					errmsg("column \"%s\" is null in row " UINT64_FORMAT " of source \"%s\"",
						   column, number, source->source),
					errhint("Leave such rows out with a query: SELECT ... WHERE %s IS NOT NULL.",
							quote_identifier(column))));
}

static void
ReadSoft(const Source *source, HeapTuple tuple, TupleDesc columns, SourceRow *row)
{
	bool null;
	Datum value = SPI_getbinval(tuple, columns, 5, &null);
	ArrayType *array;

	if (null)
		return;
	array = DatumGetArrayTypeP(value);
	if (array_contains_nulls(array))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("a score of column \"%s\" is null in row " UINT64_FORMAT
							   " of source \"%s\"",
							   source->soft_column, row->number, source->source)));
	row->soft = (const float4 *) ARR_DATA_PTR(array);
	row->soft_count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	for (int i = 0; i < row->soft_count; i++)
		if (!(row->soft[i] >= 0 && row->soft[i] <= 1))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("score %g of column \"%s\" in row " UINT64_FORMAT
							" of source \"%s\" is not in 0 to 1",
							row->soft[i], source->soft_column, row->number, source->source)));
}

static void
ReadRow(const Source *source, HeapTuple tuple, TupleDesc columns, SourceRow *row)
{
	bool null;
	Datum value = SPI_getbinval(tuple, columns, 1, &null);

	if (null)
		RefuseNullValue(source, source->text_column, row->number);
	row->text = TextAsUtf8(DatumGetTextPP(value));

	row->label_count = 0;
	row->labels = NULL;
	row->unlabelled = true;
	row->soft = NULL;
	row->soft_count = 0;
	if (source->soft_column)
		ReadSoft(source, tuple, columns, row);
	if (source->label_column)
	{
		ArrayType *array;
		bool *nulls;

		value = SPI_getbinval(tuple, columns, 2, &null);
		if (null && !source->labels_optional)
			RefuseNullValue(source, source->label_column, row->number);
		row->unlabelled = null;
		array = null ? construct_empty_array(TEXTOID) : DatumGetArrayTypeP(value);
		deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &row->labels, &nulls,
						  &row->label_count);
		for (int i = 0; i < row->label_count; i++)
			if (nulls[i])
				ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
								errmsg("a label is null in row " UINT64_FORMAT " of source \"%s\"",
									   row->number, source->source),
								errhint("array_remove(%s, NULL) removes such labels.",
										quote_identifier(source->label_column))));
	}
	row->split = NULL;
	if (source->split_column)
		row->split = SPI_getvalue(tuple, columns, 3);
	value = SPI_getbinval(tuple, columns, 4, &null);
	if (null)
		RefuseNullValue(source, source->weight_column, row->number);
	row->weight = DatumGetFloat8(value);
	if (!(row->weight >= 0 && row->weight <= 1e6))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("weight %g in row " UINT64_FORMAT " of source \"%s\" is not in 0 to 1e6",
						row->weight, row->number, source->source)));
}

void
ScanSource(const Source *source, void (*visit)(const SourceRow *row, void *context), void *context)
{
	MemoryContext caller = CurrentMemoryContext;
	char *query = SourceQuery(source);
	SPIPlanPtr plan = Prepare(query);
	Portal portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	MemoryContext rows =
		AllocSetContextCreate(CurrentMemoryContext, "emotion source rows", ALLOCSET_DEFAULT_SIZES);
	SourceRow row = { 0 };

	for (;;)
	{
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			SPITupleTable *table = SPI_tuptable;
			uint64 processed = SPI_processed;
			MemoryContext before = MemoryContextSwitchTo(rows);

			CHECK_FOR_INTERRUPTS();
			row.number++;
			ReadRow(source, table->vals[i], table->tupdesc, &row);
			visit(&row, context);
			MemoryContextSwitchTo(before);
			MemoryContextReset(rows);
			SPI_tuptable = table;
			SPI_processed = processed;
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	SPI_freeplan(plan);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(rows);
	pfree(query);
}

int
SourceLabels(const Source *source, Datum **labels)
{
	MemoryContext caller = CurrentMemoryContext;
	char *query = psprintf("SELECT DISTINCT label COLLATE pg_catalog.\"C\" FROM (SELECT "
						   "pg_catalog.unnest(source.%s::pg_catalog.text[]) AS label FROM %s) AS l "
						   "WHERE label IS NOT NULL ORDER BY 1",
						   quote_identifier(source->label_column), source->from);
	int count;

	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the labels of source \"%s\"", source->source);
	if (SPI_processed > MODEL_MAX_LABELS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("source \"%s\" has " UINT64_FORMAT " labels, more than %d",
							   source->source, (uint64) SPI_processed, MODEL_MAX_LABELS),
						errhint("Name those to learn by option \"labels\" and leave others out.")));
	count = (int) SPI_processed;
	*labels = MemoryContextAlloc(caller, sizeof(Datum) * (Size) Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		bool null;
		Datum value = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null);
		MemoryContext before = MemoryContextSwitchTo(caller);

		(*labels)[i] = PointerGetDatum(DatumGetTextPCopy(value));
		MemoryContextSwitchTo(before);
	}
	SPI_freetuptable(SPI_tuptable);
	MemoryContextSwitchTo(caller);
	pfree(query);
	return count;
}

/*
 * Labels by name: a table of ours would do, but dynahash needs keys of one
 * size, so the labels are sorted and searched.
 */
struct LabelIndex
{
	int count;
	const em_slice *labels;
	uint16 *order; /* indices of labels, sorted by bytes */
};

static int
CompareSlices(em_slice a, em_slice b)
{
	int order = memcmp(a.bytes, b.bytes, Min(a.length, b.length));

	return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

static int
CompareIndexed(const void *a, const void *b, void *labels)
{
	return CompareSlices(((const em_slice *) labels)[*(const uint16 *) a],
						 ((const em_slice *) labels)[*(const uint16 *) b]);
}

LabelIndex *
MakeLabelIndex(const em_slice *labels, int count)
{
	LabelIndex *index = palloc(sizeof(LabelIndex));

	index->count = count;
	index->labels = labels;
	index->order = palloc(sizeof(uint16) * (Size) Max(count, 1));
	for (int i = 0; i < count; i++)
		index->order[i] = (uint16) i;
	qsort_arg(index->order, (size_t) count, sizeof(uint16), CompareIndexed,
			  unconstify(em_slice *, labels));
	return index;
}

int
FindLabels(const LabelIndex *index, const Source *source, const SourceRow *row, uint16 *indices)
{
	int found = 0;

	for (int i = 0; i < row->label_count; i++)
	{
		em_slice label = TextAsUtf8(DatumGetTextPP(row->labels[i]));
		int low = 0;
		int high = index->count - 1;
		int at = -1;
		bool known = false;

		while (low <= high)
		{
			int middle = (low + high) / 2;
			int order = CompareSlices(label, index->labels[index->order[middle]]);

			if (order == 0)
			{
				at = index->order[middle];
				break;
			}
			if (order < 0)
				high = middle - 1;
			else
				low = middle + 1;
		}
		if (at < 0)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("unknown label \"%s\" in row " UINT64_FORMAT " of source \"%s\"",
								   CStringFromUtf8(label.bytes, label.length), row->number,
								   source->source),
							source->label_hint ? errhint("%s", source->label_hint) : 0));
		for (int j = 0; j < found; j++)
			known = known || indices[j] == at;
		if (!known)
			indices[found++] = (uint16) at;
	}
	return found;
}
