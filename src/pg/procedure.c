/*
 * procedure.c
 *	  Commits, statements and time of procedures.
 */
#include "postgres.h"

#include "procedure.h"

#include <unistd.h>

#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/pmsignal.h"

void
CheckMayCommit(FunctionCallInfo fcinfo, const char *procedure, const char *hint)
{
	const CallContext *call = (const CallContext *) fcinfo->context;

	if (call == NULL || !IsA(call, CallContext) || call->atomic)
		ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
						errmsg("%s cannot run inside a transaction block", procedure),
						errhint("%s", hint)));
}

void
CommitAndGoOn(void)
{
	MemoryContext caller = CurrentMemoryContext;

	/* who works for hours would keep the next server from starting */
	if (IsUnderPostmaster && !PostmasterIsAlive())
		ereport(FATAL, (errcode(ERRCODE_ADMIN_SHUTDOWN),
						errmsg("terminating connection due to unexpected postmaster exit")));
	SPI_commit();
#if PG_VERSION_NUM < 150000
	SPI_start_transaction();
#endif
	MemoryContextSwitchTo(caller);
}

uint64
RunStatement(const char *query, int count, Oid *types, Datum *values, const char *nulls,
			 bool read_only, int expected)
{
	MemoryContext caller = CurrentMemoryContext;
	int result = SPI_execute_with_args(query, count, types, values, nulls, read_only, 0);

	MemoryContextSwitchTo(caller);
	if (result != expected)
		elog(ERROR, "\"%s\" failed: %s", query, SPI_result_code_string(result));
	return SPI_processed;
}

double
SecondsSince(instr_time began)
{
	instr_time now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, began);
	return INSTR_TIME_GET_DOUBLE(now);
}

int
ThreadsFor(int asked)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int threads = 1 + max_parallel_maintenance_workers;

	if (asked > 0)
		return asked;
	return cores > 0 && threads > cores ? (int) cores : threads;
}
