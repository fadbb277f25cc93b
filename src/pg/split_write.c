/*
 * split_write.c
 *	  Parts into a column, or rows with their parts into a new table.
 */
#include "postgres.h"

#include "split_write.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "new_table.h"

/* Rows whose column is written by one statement, which reads the table once. */
#define WRITE_ROWS 1000000

static void
Run(const char *query, int expected)
{
	int result = SPI_execute(query, false, 0);

	if (result != expected)
		elog(ERROR, "\"%s\" failed: %s", query, SPI_result_code_string(result));
}

void
PrepareSplitTable(const LabelSource *source, const char *table, const SplitOptions *options)
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
NameArray(const SplitParts *parts)
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

void
WriteSplitColumn(const LabelSource *source, const char *table, const SplitOptions *options,
				 const SplitParts *parts, const uint8 *part)
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

void
WriteSplitTable(const LabelSource *source, const SplitOptions *options, const SplitParts *parts,
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
