/*
 * lint.h
 *	  What static analysers need to be told about this code; test/lint.sh
 *	  includes it before each file; compilers never see it, but for gcc's
 *	  analyser.
 */
#ifndef EMOTION_LINT_H
#define EMOTION_LINT_H

/* em_fail() returns the code it is given; without that every failure looks like EM_OK. */
#if defined(__clang_analyzer__) || defined(GCC_ANALYZER)
#include "../src/base.h"
#define em_fail(status, code, ...) ((void) em_fail((status), (code), __VA_ARGS__), (code))
#endif

/* The server's macros that cppcheck cannot read past: it is not shown the server's headers. */
#ifdef __cppcheck__
#define PG_FUNCTION_INFO_V1(name)
#define ERROR 21
#define FATAL 22
#define ereport(level, ...) do { if ((level) >= ERROR) exit(1); } while (0)
#define elog(level, ...) ereport(level)
#define PG_MODULE_MAGIC
#define PG_TRY() if (1)
#define PG_CATCH() else
#define PG_FINALLY()
#define PG_END_TRY()
#define foreach(cell, list) for ((cell) = first(list); (cell); (cell) = next(cell))
#endif

#endif /* EMOTION_LINT_H */
