/*
 * label_source.c
 *	  One pass over a source: label sets and hashes are kept, texts are not.
 */
#include "postgres.h"

#include "label_source.h"

#include <math.h>

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "../model/samples.h"
#include "aggregate_state.h"
#include "glue.h"

/* Rows fetched at once. */
#define FETCH_ROWS 1000

/* Longer than any text that is a duplicate by accident of its beginning. */
#define DUPLICATE_TOKENS 100000

/* What orders the rows: their content, then their key, then how they were read. */
typedef struct RowOrder
{
	uint64 content;
	uint64 key;
	uint32 number;
} RowOrder;

/* What grows while rows are read. */
typedef struct Reading
{
	LabelSource *source;
	const em_allocator *allocator;
	text_tokens tokens;
	LabelDictionary labels;
	RowOrder *order;
	uint64 *start;
	uint32 *label;
	size_t order_room, start_room, label_room, group_room, origin_room, confidence_room,
		features_room, place_room, partition_room;
	uint64 n, label_count;
} Reading;

void
OpenLabelSource(LabelSource *source)
{
	static const char alias[] = " AS source";

	OpenSource(&source->source);
	source->relation = InvalidOid;
	if (source->source.from[0] != '(')
	{
		char *name =
			pnstrdup(source->source.from, strlen(source->source.from) - (sizeof(alias) - 1));

		source->relation = DatumGetObjectId(
			DirectFunctionCall1(to_regclass, PointerGetDatum(cstring_to_text(name))));
	}
}

static bool
HasPlaces(char kind)
{
	return kind == RELKIND_RELATION || kind == RELKIND_MATVIEW || kind == RELKIND_PARTITIONED_TABLE;
}

static void
AppendColumn(StringInfo query, const char *column, const char *type)
{
	if (column)
		appendStringInfo(query, ", source.%s::pg_catalog.%s", quote_identifier(column), type);
	else
		appendStringInfo(query, ", NULL::pg_catalog.%s", type);
}

static char *
LabelQuery(const LabelSource *source)
{
	char kind = OidIsValid(source->relation) ? get_rel_relkind(source->relation) : '\0';
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT source.%s::pg_catalog.text[]",
					 quote_identifier(source->source.label_column));
	AppendColumn(&query, source->source.text_column, "text");
	if (source->key_column || !HasPlaces(kind))
		AppendColumn(&query, source->key_column, "text");
	else if (kind == RELKIND_PARTITIONED_TABLE)
		appendStringInfoString(&query, ", source.tableoid::pg_catalog.regclass::pg_catalog.text"
									   " OPERATOR(pg_catalog.||) source.ctid::pg_catalog.text");
	else
		appendStringInfoString(&query, ", source.ctid::pg_catalog.text");
	AppendColumn(&query, source->origin_column, "text");
	AppendColumn(&query, source->confidence_column, "float4");
	AppendColumn(&query, source->feature_column, "float4[]");
	if (source->want_places)
		appendStringInfoString(&query, ", source.ctid, source.tableoid");
	if (source->keep_others)
		appendStringInfoString(&query, ", source.*");
	appendStringInfo(&query, " FROM %s", source->source.from);
	return query.data;
}

uint64
TextFingerprint(text_tokens *tokens, em_slice text)
{
	text_options options;
	em_status status;

	text_options_default(&options);
	options.max_tokens = DUPLICATE_TOKENS;
	CheckCode(text_tokenize_until(&options, text.bytes, text.length, InterruptWanted, NULL, tokens,
								  &status),
			  &status);
	if (tokens->count == 0) /* nothing but what separates: only the same bytes are the same */
		return hash_bytes_extended((const unsigned char *) text.bytes, (int) text.length, 1);
	return samples_hash(tokens, NULL, 0);
}

static void
RefuseNull(const LabelSource *source, const char *column, uint64 number)
{
	ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					errmsg("column \"%s\" is null in row " UINT64_FORMAT " of source \"%s\"",
						   column, number, source->source.source),
					errhint("Leave such rows out with a query: SELECT ... WHERE %s IS NOT NULL.",
							quote_identifier(column))));
}

/* Room for one more in an array that grows. */
#define ROOM(reading, array, room, wanted)                                                         \
	do                                                                                             \
	{                                                                                              \
		if (!em_grow((reading)->allocator, (void **) &(array), &(room), (wanted),                  \
					 sizeof(*(array))))                                                            \
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));             \
	} while (0)

static int
CompareNumbers(const void *a, const void *b)
{
	uint32 x = *(const uint32 *) a;
	uint32 y = *(const uint32 *) b;

	return (x > y) - (x < y);
}

/* Sorted, without duplicates; returns how many are left. */
static uint64
SortLabels(uint32 *label, uint64 count)
{
	uint64 kept = 0;

	qsort(label, count, sizeof(uint32), CompareNumbers);
	for (uint64 i = 0; i < count; i++)
		if (kept == 0 || label[kept - 1] != label[i])
			label[kept++] = label[i];
	return kept;
}

/* Returns a hash of the row's labels that does not depend on their order. */
static uint64
ReadLabels(Reading *reading, Datum value)
{
	ArrayType *array = DatumGetArrayTypeP(value);
	TextArrayWalk walk;
	em_slice label;
	uint64 hash = 0;

	if (ARR_HASNULL(array) && array_contains_nulls(array))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("a label is null in row " UINT64_FORMAT " of source \"%s\"",
							   reading->n + 1, reading->source->source.source),
						errhint("array_remove(%s, NULL) removes such labels.",
								quote_identifier(reading->source->source.label_column))));
	walk = WalkTextArray(array);
	ROOM(reading, reading->label, reading->label_room,
		 reading->label_count + (Size) walk.count + 1);
	ROOM(reading, reading->start, reading->start_room, reading->n + 2);
	reading->start[reading->n] = reading->label_count;
	while (NextText(&walk, &label, "labels"))
		reading->label[reading->label_count++] = LabelNumber(&reading->labels, label);
	reading->label_count =
		reading->start[reading->n] + SortLabels(reading->label + reading->start[reading->n],
												reading->label_count - reading->start[reading->n]);
	reading->start[reading->n + 1] = reading->label_count;
	for (uint64 i = reading->start[reading->n]; i < reading->label_count; i++)
	{
		em_slice name = reading->labels.labels[reading->label[i]];

		hash += hash_bytes_extended((const unsigned char *) name.bytes, (int) name.length, 2);
	}
	return hash;
}

static void
ReadFeatures(Reading *reading, Datum value, bool null)
{
	LabelSource *source = reading->source;
	ArrayType *array;
	const float4 *numbers;
	uint32 count;

	if (null)
		RefuseNull(source, source->feature_column, reading->n + 1);
	array = DatumGetArrayTypeP(value);
	count = (uint32) ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	if (reading->n == 0)
		source->dimension = count;
	if (count != source->dimension || count == 0 || array_contains_nulls(array))
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
						errmsg("column \"%s\" has %u numbers in row " UINT64_FORMAT
							   " of source \"%s\", where %u are expected",
							   source->feature_column, count, reading->n + 1, source->source.source,
							   Max(source->dimension, 1)),
						errhint("Every row needs as many features, none of them null.")));
	ROOM(reading, source->features, reading->features_room, (reading->n + 1) * count);
	numbers = (const float4 *) ARR_DATA_PTR(array);
	for (uint32 i = 0; i < count; i++)
	{
		if (!isfinite(numbers[i]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("column \"%s\" is not finite in row " UINT64_FORMAT " of source \"%s\"",
							source->feature_column, reading->n + 1, source->source.source)));
		source->features[reading->n * count + i] = numbers[i];
	}
}

static void
ReadExtras(Reading *reading, HeapTuple tuple, TupleDesc columns)
{
	LabelSource *source = reading->source;
	bool null;
	Datum value;

	if (source->origin_column)
	{
		value = SPI_getbinval(tuple, columns, KEPT_ORIGIN, &null);
		ROOM(reading, source->origin, reading->origin_room, reading->n + 1);
		source->origin[reading->n] = NO_LABEL;
		if (!null)
		{
			text *name = DatumGetTextPP(value);

			source->origin[reading->n] = LabelNumber(
				&source->origins, (em_slice){ VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name) });
		}
	}
	if (source->confidence_column)
	{
		float4 confidence;

		value = SPI_getbinval(tuple, columns, KEPT_CONFIDENCE, &null);
		confidence = null ? 1 : DatumGetFloat4(value);
		if (!(confidence >= 0 && confidence <= 1))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("confidence %g in row " UINT64_FORMAT " of source \"%s\" is not in 0 "
							"to 1",
							confidence, reading->n + 1, source->source.source)));
		ROOM(reading, source->confidence, reading->confidence_room, reading->n + 1);
		source->confidence[reading->n] = confidence;
	}
	if (source->feature_column)
	{
		value = SPI_getbinval(tuple, columns, KEPT_FEATURES, &null);
		ReadFeatures(reading, value, null);
	}
	if (source->want_places)
	{
		ROOM(reading, source->place, reading->place_room, reading->n + 1);
		ROOM(reading, source->partition, reading->partition_room, reading->n + 1);
		value = SPI_getbinval(tuple, columns, KEPT_OTHERS, &null);
		source->place[reading->n] = *(ItemPointer) DatumGetPointer(value);
		value = SPI_getbinval(tuple, columns, KEPT_OTHERS + 1, &null);
		source->partition[reading->n] = DatumGetObjectId(value);
	}
}

static void
ReadRow(Reading *reading, HeapTuple tuple, TupleDesc columns)
{
	LabelSource *source = reading->source;
	RowOrder order = { 0, 0, (uint32) reading->n };
	bool null;
	Datum value;

	if (reading->n >= DATA_MAX_LABEL_ROWS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("source \"%s\" has more than " UINT64_FORMAT " rows",
							   source->source.source, DATA_MAX_LABEL_ROWS)));
	value = SPI_getbinval(tuple, columns, KEPT_LABELS, &null);
	if (null)
		RefuseNull(source, source->source.label_column, reading->n + 1);
	order.content = ReadLabels(reading, value);
	if (source->source.text_column)
	{
		text *body;

		value = SPI_getbinval(tuple, columns, KEPT_TEXT, &null);
		if (null)
			RefuseNull(source, source->source.text_column, reading->n + 1);
		body = DatumGetTextPP(value);
		order.content += hash_bytes_extended((const unsigned char *) VARDATA_ANY(body),
											 (int) VARSIZE_ANY_EXHDR(body), 3);
		if (source->find_duplicates)
		{
			ROOM(reading, source->group, reading->group_room, reading->n + 1);
			source->group[reading->n] = TextFingerprint(&reading->tokens, TextAsUtf8(body));
		}
	}
	if (source->key_column)
	{
		value = SPI_getbinval(tuple, columns, KEPT_KEY, &null);
		if (!null)
		{
			text *key = DatumGetTextPP(value);

			order.key = hash_bytes_extended((const unsigned char *) VARDATA_ANY(key),
											(int) VARSIZE_ANY_EXHDR(key), 4);
		}
	}
	ReadExtras(reading, tuple, columns);
	ROOM(reading, reading->order, reading->order_room, reading->n + 1);
	reading->order[reading->n] = order;
	if (source->keep_rows)
		tuplestore_puttuple(source->kept, tuple);
	reading->n++;
}

static int
CompareOrder(const void *left, const void *right)
{
	const RowOrder *a = left;
	const RowOrder *b = right;

	if (a->content != b->content)
		return a->content < b->content ? -1 : 1;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return (a->number > b->number) - (a->number < b->number);
}

static int
CompareLabels(const void *left, const void *right, void *labels)
{
	return CompareBytes(((const em_slice *) labels)[*(const uint32 *) left],
						((const em_slice *) labels)[*(const uint32 *) right]);
}

/* Number the labels in byte order; returns the new number of each old one. */
static uint32 *
OrderLabels(Reading *reading)
{
	uint32 count = reading->labels.count;
	uint32 *order = palloc(sizeof(uint32) * Max(count, 1));
	uint32 *number = palloc(sizeof(uint32) * Max(count, 1));

	reading->source->labels = palloc(sizeof(em_slice) * Max(count, 1));
	for (uint32 i = 0; i < count; i++)
		order[i] = i;
	qsort_arg(order, count, sizeof(uint32), CompareLabels, reading->labels.labels);
	for (uint32 i = 0; i < count; i++)
	{
		number[order[i]] = i;
		reading->source->labels[i] = reading->labels.labels[order[i]];
	}
	pfree(order);
	return number;
}

/* An array of elements of any size in the new order. */
#define REORDER(array, times)                                                                      \
	do                                                                                             \
	{                                                                                              \
		if ((array) != NULL)                                                                       \
		{                                                                                          \
			Size width = sizeof(*(array)) * (times);                                               \
			char *ordered = MemoryContextAllocHuge(source->context, width * reading->n);           \
			for (uint64 i = 0; i < reading->n; i++)                                                \
				memcpy(ordered + i * width, (char *) (array) + reading->order[i].number * width,   \
					   width);                                                                     \
			pfree(array);                                                                          \
			(array) = (void *) ordered;                                                            \
		}                                                                                          \
	} while (0)

/* Bring rows and labels into the order that their content gives. */
static void
OrderRows(Reading *reading)
{
	LabelSource *source = reading->source;
	uint32 *number = OrderLabels(reading);
	uint64 *start =
		MemoryContextAllocHuge(source->context, sizeof(uint64) * (Size) (reading->n + 1));
	uint32 *label =
		MemoryContextAllocHuge(source->context, sizeof(uint32) * (reading->label_count + 1));

	if (reading->n > 0)
		qsort(reading->order, reading->n, sizeof(RowOrder), CompareOrder);
	source->read_as =
		MemoryContextAllocHuge(source->context, sizeof(uint32) * (Size) (reading->n + 1));
	start[0] = 0;
	for (uint64 i = 0; i < reading->n; i++)
	{
		uint32 from = reading->order[i].number;
		uint64 count = reading->start[from + 1] - reading->start[from];

		for (uint64 j = 0; j < count; j++)
			label[start[i] + j] = number[reading->label[reading->start[from] + j]];
		qsort(label + start[i], count, sizeof(uint32), CompareNumbers);
		start[i + 1] = start[i] + count;
		source->read_as[i] = from;
	}
	pfree(number);
	if (reading->n > 0)
	{
		pfree(reading->start);
		pfree(reading->label);
	}
	REORDER(source->group, 1);
	REORDER(source->origin, 1);
	REORDER(source->confidence, 1);
	REORDER(source->features, source->dimension);
	REORDER(source->place, 1);
	REORDER(source->partition, 1);
	if (reading->n > 0)
		pfree(reading->order);
	source->rows.n = reading->n;
	source->rows.labels = reading->labels.count;
	source->rows.start = start;
	source->rows.label = label;
}

void
ReadLabelSource(LabelSource *source, bool fresh)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch;
	char *query = LabelQuery(source);
	SPIPlanPtr plan = SPI_prepare(query, 0, NULL);
	Portal portal;
	Reading reading = { 0 };

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	source->context =
		AllocSetContextCreate(caller, "emotion labels of a source", ALLOCSET_DEFAULT_SIZES);
	scratch = AllocSetContextCreate(source->context, "emotion source rows", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(source->context);
	reading.source = source;
	reading.allocator = ContextAllocator(source->context);
	text_tokens_init(&reading.tokens, reading.allocator);
	InitLabelDictionary(&reading.labels, source->context);
	InitLabelDictionary(&source->origins, source->context);
	if (source->keep_rows)
		source->kept = tuplestore_begin_heap(false, false, work_mem);

	portal = SPI_cursor_open(NULL, plan, NULL, NULL, !fresh);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			CHECK_FOR_INTERRUPTS();
			MemoryContextSwitchTo(scratch);
			ReadRow(&reading, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
			MemoryContextReset(scratch);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	MemoryContextSwitchTo(source->context);
	source->kept_columns = CreateTupleDescCopy(portal->tupDesc);
	SPI_cursor_close(portal);
	SPI_freeplan(plan);
	MemoryContextSwitchTo(source->context);
	text_tokens_free(&reading.tokens);
	OrderRows(&reading);
	MemoryContextDelete(scratch);
	MemoryContextSwitchTo(caller);
	pfree(query);
}

void
CloseLabelSource(LabelSource *source)
{
	if (source->kept)
		tuplestore_end(source->kept);
	MemoryContextDelete(source->context);
}
