/*
 * procedure.h
 *	  What procedures that commit as they go have in common. SPI must be connected, non-atomically.
 */
#ifndef EMOTION_PG_PROCEDURE_H
#define EMOTION_PG_PROCEDURE_H

#include "postgres.h"

#include "fmgr.h"
#include "portability/instr_time.h"

/* Error, with that hint, unless the procedure was called where it may commit. SPI is not needed. */
extern void CheckMayCommit(FunctionCallInfo fcinfo, const char *procedure, const char *hint);

/*
 * SPI_commit() that leaves the current memory context what it was: what is allocated meanwhile belongs
 * to the procedure, not to the transaction.
 */
extern void CommitAndGoOn(void);

/*
 * Run one statement; arguments as SPI_execute_with_args takes them. Returns rows processed. The
 * current memory context stays what it is: SPI would leave its own, which ends before the procedure.
 */
extern uint64 RunStatement(const char *query, int count, Oid *types, Datum *values,
						   const char *nulls, bool read_only, int expected);

extern double SecondsSince(instr_time began);

/* Threads for a training: so many as asked for, or (0) as many as maintenance work may use. */
extern int ThreadsFor(int asked);

#endif /* EMOTION_PG_PROCEDURE_H */
