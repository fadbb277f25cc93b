/*
 * glue.c
 *	  Memory, errors, interrupts and text between PostgreSQL and the rooms below.
 */
#include "postgres.h"

#include "glue.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

/* What ended the work from inside InterruptWanted(), for ReportStatus() to throw. */
static ErrorData *stopped_by = NULL;

/*
 * Ask for large pages within a block that will be used as a whole: faulting in a
 * model's weights page by page is a third of the time that a first score takes.
 */
static void
AdviseLargePages(void *block, size_t size)
{
#if defined(__linux__) && defined(MADV_HUGEPAGE)
	const uintptr_t page = 2 * 1024 * 1024;
	uintptr_t begin = ((uintptr_t) block + page - 1) / page * page;
	uintptr_t end = ((uintptr_t) block + size) / page * page;

	if (block != NULL && size >= 2 * page && begin < end)
		(void) madvise((void *) begin, end - begin, MADV_HUGEPAGE);
#else
	(void) block;
	(void) size;
#endif
}

static void *
ContextAllocate(void *context, size_t size)
{
	void *block;

	/* Beyond this MemoryContextAllocExtended throws. */
	if (!AllocHugeSizeIsValid(size))
		return NULL;
	block = MemoryContextAllocExtended((MemoryContext) context, size,
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	AdviseLargePages(block, size);
	return block;
}

static void
ContextRelease(void *context, void *pointer)
{
	(void) context;
	pfree(pointer);
}

const em_allocator *
ContextAllocator(MemoryContext context)
{
	em_allocator *allocator = MemoryContextAlloc(context, sizeof(em_allocator));

	allocator->allocate = ContextAllocate;
	allocator->release = ContextRelease;
	allocator->context = context;
	return allocator;
}

void *
AllocateLarge(size_t size)
{
	void *block = MemoryContextAllocHuge(CurrentMemoryContext, size);

	AdviseLargePages(block, size);
	return block;
}

void
Check(em_code code, const em_status *status)
{
	if (code != EM_OK)
		ReportStatus(status);
}

bool
InterruptWanted(void *context)
{
	MemoryContext caller = CurrentMemoryContext;
	volatile bool stop = false;

	(void) context;
	if (!InterruptPending || InterruptHoldoffCount > 0 || CritSectionCount > 0)
		return false;
	if (ProcDiePending)
		return true;
	if (QueryCancelPending)
		return QueryCancelHoldoffCount == 0;

	/*
	 * Something else: perhaps nothing that concerns us (a barrier, a message of
	 * a parallel worker), perhaps a conflict with recovery, which ends the
	 * statement. Only the server can tell. An error must not jump over the frames of
	 * the rooms below, so it waits here until they have returned.
	 */
	PG_TRY();
	{
		CHECK_FOR_INTERRUPTS();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(TopMemoryContext);
		stopped_by = CopyErrorData();
		FlushErrorState();
		stop = true;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	return stop;
}

static int
SqlStateOf(em_code code)
{
	switch (code)
	{
		case EM_OUT_OF_MEMORY:
			return ERRCODE_OUT_OF_MEMORY;
		case EM_INVALID_OPTION:
			return ERRCODE_INVALID_PARAMETER_VALUE;
		case EM_INVALID_DATA:
			return ERRCODE_DATA_EXCEPTION;
		case EM_MISSING:
			return ERRCODE_UNDEFINED_FILE;
		case EM_CORRUPT:
			return ERRCODE_DATA_CORRUPTED;
		case EM_LIMIT:
			return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		case EM_UNSUPPORTED:
			return ERRCODE_FEATURE_NOT_SUPPORTED;
		case EM_SYSTEM:
			return ERRCODE_SYSTEM_ERROR;
		case EM_CANCELLED:
			return ERRCODE_QUERY_CANCELED;
		case EM_OK:
			break;
	}
	return ERRCODE_INTERNAL_ERROR;
}

/* Messages may quote bytes of a model or a text: what the database cannot hold is not shown. */
static char *
Printable(const char *message)
{
	size_t length = strlen(message);
	char *printable;

	/* The message's buffer may have cut a character in two. */
	length = pg_encoding_mbcliplen(PG_UTF8, message, (int) length, (int) length);
	printable = pnstrdup(message, length);
	if (GetDatabaseEncoding() != PG_UTF8 || !pg_verify_mbstr(PG_UTF8, message, (int) length, true))
	{
		for (char *byte = printable; *byte != '\0'; byte++)
			if (IS_HIGHBIT_SET(*byte))
				*byte = '?';
	}
	return printable;
}

void
ReportStatusOf(const em_status *status, const char *detail)
{
	if (status->code == EM_CANCELLED)
	{
		ErrorData *error = stopped_by;

		if (error != NULL)
		{
			stopped_by = NULL;
			ReThrowError(error);
		}
		CHECK_FOR_INTERRUPTS();
		ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED), errmsg("canceling statement")));
	}
	ereport(ERROR, (errcode(SqlStateOf(status->code)), errmsg("%s", Printable(status->message)),
					detail != NULL ? errdetail_internal("%s", detail) : 0,
					status->hint[0] != '\0' ? errhint("%s", Printable(status->hint)) : 0));
}

void
ReportStatus(const em_status *status)
{
	ReportStatusOf(status, NULL);
}

char *
ImportNameArgument(FunctionCallInfo fcinfo, const char *first, const char *second)
{
	const char *const names[] = { first, second, "options" };

	for (int i = 0; i < 3; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("%s must not be null", names[i])));
	return text_to_cstring(PG_GETARG_TEXT_PP(0));
}

em_slice
TextAsUtf8(const text *value)
{
	em_slice slice;

	slice.bytes = VARDATA_ANY(value);
	slice.length = VARSIZE_ANY_EXHDR(value);

	/* SQL_ASCII is any bytes: the tokeniser takes them as they come. */
	if (GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII &&
		slice.length > 0)
	{
		char *converted = pg_server_to_any(slice.bytes, (int) slice.length, PG_UTF8);

		if (converted != slice.bytes)
		{
			slice.bytes = converted;
			slice.length = strlen(converted);
		}
	}
	return slice;
}

char *
CStringFromUtf8(const char *bytes, size_t length)
{
	char *converted;

	if (length == 0)
		return pstrdup("");
	if (GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII)
		return pnstrdup(bytes, length);
	converted = pg_any_to_server(bytes, (int) length, PG_UTF8);
	return converted == bytes ? pnstrdup(bytes, length) : converted;
}

text *
TextFromUtf8(const char *bytes, size_t length)
{
	if (GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII)
		return cstring_to_text_with_len(bytes, (int) length);
	return cstring_to_text(CStringFromUtf8(bytes, length));
}

int
CharactersIn(const char *bytes, size_t length)
{
	int count = 0;

	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		return (int) length;
	for (size_t i = 0; i < length; i++)
		count += ((unsigned char) bytes[i] & 0xC0) != 0x80;
	return count;
}

char *
Counted(uint64 number, const char *one, const char *several)
{
	return psprintf(UINT64_FORMAT " %s", number, number == 1 ? one : several);
}

Datum
JsonbFromCString(const char *json)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}

ReturnSetInfo *
BeginSet(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller;
	TupleDesc descriptor;

	if (info == NULL || !IsA(info, ReturnSetInfo) || !(info->allowedModes & SFRM_Materialize))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in a context that cannot accept a set")));
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	caller = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
	info->returnMode = SFRM_Materialize;
	info->setDesc = CreateTupleDescCopy(descriptor);
	info->setResult =
		tuplestore_begin_heap((info->allowedModes & SFRM_Materialize_Random) != 0, false, work_mem);
	MemoryContextSwitchTo(caller);
	return info;
}
