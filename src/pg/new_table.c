/*
 * new_table.c
 *	  Making a table and filling it through a prepared INSERT, with the caller's
 *	  privileges and whatever the database does on INSERT.
 */
#include "postgres.h"

#include "new_table.h"

#include "access/tupdesc.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/pg_list.h"
#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

struct NewTable
{
	char *name;
	int columns;
	SPIPlanPtr insert;
	char *nulls; /* (columns), as SPI wants them */
	TupleTableSlot *slot;
	MemoryContext rows;
};

static RangeVar *
ParseName(const char *name)
{
	List *parts;
	List *names = NIL;
	ListCell *part;
	RangeVar *range;

	if (!SplitIdentifierString(pstrdup(name), '.', &parts) || parts == NIL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME),
						errmsg("target \"%s\" is not the name of a table", name)));
	foreach (part, parts)
		names = lappend(names, makeString(pstrdup((char *) lfirst(part))));
	range = makeRangeVarFromNameList(names);
	/* where CREATE TABLE puts it, which is not where a temporary table of that name is found */
	if (range->schemaname == NULL)
		range->schemaname = get_namespace_name(RangeVarGetCreationNamespace(range));
	return range;
}

static char *
Quoted(const RangeVar *range)
{
	return quote_qualified_identifier(range->schemaname, range->relname);
}

char *
NewTableQuoted(const char *name)
{
	return Quoted(ParseName(name));
}

void
CheckNewTable(const char *name)
{
	RangeVar *range = ParseName(name);
	Oid schema = RangeVarGetCreationNamespace(range);

	if (OidIsValid(get_relname_relid(range->relname, schema)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE), errmsg("relation \"%s\" already exists", name),
				 errhint("The target is a new table: name another, or drop this one.")));
}

NewTable *
CreateNewTable(const char *name, const char *query)
{
	NewTable *table = palloc0(sizeof(NewTable));
	MemoryContext caller = CurrentMemoryContext;
	RangeVar *range = ParseName(name);
	StringInfoData insert;
	Oid *types;
	TupleDesc columns;
	char *statement;

	table->name = Quoted(range);
	table->rows = AllocSetContextCreate(caller, "emotion new row", ALLOCSET_DEFAULT_SIZES);
	statement = psprintf("CREATE TABLE %s AS %s WITH NO DATA", table->name, query);
	if (SPI_execute(statement, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not make table %s", table->name);
	if (SPI_execute(psprintf("SELECT * FROM %s LIMIT 0", table->name), false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read table %s", table->name);
	MemoryContextSwitchTo(caller);
	columns = SPI_tuptable->tupdesc;
	table->columns = columns->natts;
	table->nulls = palloc((Size) table->columns);
	types = palloc(sizeof(Oid) * (Size) table->columns);
	initStringInfo(&insert);
	appendStringInfo(&insert, "INSERT INTO %s VALUES (", table->name);
	for (int i = 0; i < table->columns; i++)
	{
		types[i] = TupleDescAttr(columns, i)->atttypid;
		appendStringInfo(&insert, "%s$%d", i == 0 ? "" : ", ", i + 1);
	}
	appendStringInfoChar(&insert, ')');
	SPI_freetuptable(SPI_tuptable);
	table->insert = SPI_prepare(insert.data, table->columns, types);
	if (table->insert == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	MemoryContextSwitchTo(caller);
	return table;
}

MemoryContext
RowContext(const NewTable *table)
{
	return table->rows;
}

void
InsertRow(NewTable *table, Datum *values, const bool *nulls)
{
	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < table->columns; i++)
		table->nulls[i] = nulls[i] ? 'n' : ' ';
	if (SPI_execute_plan(table->insert, values, table->nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not insert into %s", table->name);
}

HeapTuple
NextKeptRow(NewTable *table, Tuplestorestate *kept, TupleDesc columns)
{
	MemoryContext caller = CurrentMemoryContext;
	HeapTuple tuple;

	if (table->slot == NULL)
		table->slot = MakeSingleTupleTableSlot(columns, &TTSOpsMinimalTuple);
	MemoryContextReset(table->rows);
	if (!tuplestore_gettupleslot(kept, true, false, table->slot))
		elog(ERROR, "rows to write to %s are missing", table->name);
	MemoryContextSwitchTo(table->rows);
	tuple = ExecCopySlotHeapTuple(table->slot);
	MemoryContextSwitchTo(caller);
	return tuple;
}

void
FinishNewTable(NewTable *table)
{
	if (table->slot)
		ExecDropSingleTupleTableSlot(table->slot);
	SPI_freeplan(table->insert);
	MemoryContextDelete(table->rows);
}
