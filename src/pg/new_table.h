/*
 * new_table.h
 *	  A table that is made and filled within one transaction.
 */
#ifndef EMOTION_PG_NEW_TABLE_H
#define EMOTION_PG_NEW_TABLE_H

#include "postgres.h"

#include "access/htup.h"
#include "utils/tuplestore.h"

typedef struct NewTable NewTable;

/* An error unless the name is free and well-formed; says how to get on. */
extern void CheckNewTable(const char *name);

/* A name, perhaps with a schema, quoted where it must be. */
extern char *NewTableQuoted(const char *name);

/*
 * Make a table with the columns of a query, which is not run. name: as a user writes
 * it, perhaps with a schema. SPI must be connected.
 */
extern NewTable *CreateNewTable(const char *name, const char *query);

/* Insert a row, as INSERT would. */
extern void InsertRow(NewTable *table, Datum *values, const bool *nulls);

/* The next row of a tuplestore; it and all in RowContext() live until the next call. */
extern HeapTuple NextKeptRow(NewTable *table, Tuplestorestate *kept, TupleDesc columns);

/* What makes up one row may be allocated here. */
extern MemoryContext RowContext(const NewTable *table);

extern void FinishNewTable(NewTable *table);

#endif /* EMOTION_PG_NEW_TABLE_H */
