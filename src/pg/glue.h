/*
 * glue.h
 *	  Between PostgreSQL's world and that of the rooms below: memory, errors,
 *	  interrupts, text.
 *
 * The rooms below report failure by em_code and em_status, take memory from an
 * em_allocator and ask a callback whether to stop. What they are handed comes
 * from here.
 */
#ifndef EMOTION_PG_GLUE_H
#define EMOTION_PG_GLUE_H

#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/memutils.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "../base.h"

#if PG_VERSION_NUM >= 180000
#define EM_NORETURN_BEFORE pg_noreturn
#define EM_NORETURN_AFTER
#else
#define EM_NORETURN_BEFORE
#define EM_NORETURN_AFTER pg_attribute_noreturn()
#endif

/*
 * An allocator over a memory context. It lives in that context, and so does
 * all that it allocates: deleting the context releases everything. Never
 * throws from the rooms below: no memory is NULL there.
 */
extern const em_allocator *ContextAllocator(MemoryContext context);

/*
 * The first argument of an import as a C string; it, the second (path or upload) and the third (options)
 * must not be null. first, second: what they are, for the message.
 */
extern char *ImportNameArgument(FunctionCallInfo fcinfo, const char *first, const char *second);

/* palloc for a block that may exceed 1 GB and will be used as a whole. */
extern void *AllocateLarge(size_t size);

/*
 * Turn a failure into an error with its SQLSTATE. EM_CANCELLED serves the
 * interrupt that stopped the work, so that it is reported in PostgreSQL's words.
 */
EM_NORETURN_BEFORE extern void ReportStatus(const em_status *status) EM_NORETURN_AFTER;

/* The same with a detail, or NULL. */
EM_NORETURN_BEFORE extern void ReportStatusOf(const em_status *status,
											  const char *detail) EM_NORETURN_AFTER;

/* Report the failure of a call, if it failed: Check(call(..., &status), &status). */
extern void Check(em_code code, const em_status *status);

/*
 * em_should_stop for work done in a backend's main thread: true when an
 * interrupt waits that would end the statement. Serves those that would not.
 * Never throws; ReportStatus() then does.
 */
extern bool InterruptWanted(void *context);

/*
 * A text value as UTF-8: the database's own bytes, when they are (or the
 * database does not know what they are), or a palloc'd conversion. The value must
 * be detoasted.
 */
extern em_slice TextAsUtf8(const text *value);

/* UTF-8 as the database's text, palloc'd. Error when it cannot be represented. */
extern text *TextFromUtf8(const char *bytes, size_t length);

/* The same as a C string, palloc'd. */
extern char *CStringFromUtf8(const char *bytes, size_t length);

/*
 * How many characters, as substr() and length() count them, the given UTF-8
 * bytes are. bytes must be a piece of what TextAsUtf8() returned.
 */
extern int CharactersIn(const char *bytes, size_t length);

/* "1 text", "2 texts": a number with the word for one or for several, palloc'd. */
extern char *Counted(uint64 number, const char *one, const char *several);

/* A jsonb from JSON text. */
extern Datum JsonbFromCString(const char *json);

/*
 * For a set-returning function: check that the caller takes a materialised set
 * and set one up; rows are put with tuplestore_putvalues(info->setResult, info->setDesc, ...).
 */
extern ReturnSetInfo *BeginSet(FunctionCallInfo fcinfo);

#endif /* EMOTION_PG_GLUE_H */
