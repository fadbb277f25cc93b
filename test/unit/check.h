/*
 * check.h
 *	  A minimal TAP producer and an allocator that counts and can fail.
 *
 * Include it in exactly one file of a test program.
 */
#ifndef EMOTION_CHECK_H
#define EMOTION_CHECK_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/base.h"

static int check_count = 0;
static int check_failures = 0;

static inline bool __attribute__((format(printf, 4, 5)))
check_at(bool good, const char *file, int line, const char *format, ...)
{
	va_list args;

	printf("%sok %d - ", good ? "" : "not ", ++check_count);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	if (!good)
	{
		check_failures++;
		printf("#   failed at %s line %d\n", file, line);
	}
	fflush(stdout);
	return good;
}

/* CHECK(condition, "what a user would call it", printf arguments...) */
#define CHECK(condition, ...) check_at((condition), __FILE__, __LINE__, __VA_ARGS__)

/* Say why a check is left out; TAP counts it as passed and shows the reason. */
static inline void
check_skip(const char *what, const char *why)
{
	printf("ok %d - %s # SKIP %s\n", ++check_count, what, why);
}

static inline int
check_done(void)
{
	printf("1..%d\n", check_count);
	return check_failures == 0 ? 0 : 1;
}

/* Live blocks, and a countdown to a failing allocation (0: never fails). */
static long check_live = 0;
static long check_fail_at = 0;

static inline void *
check_allocate(void *context, size_t size)
{
	void *pointer;

	(void) context;
	if (check_fail_at > 0 && --check_fail_at == 0)
		return NULL;
	pointer = malloc(size);
	if (pointer != NULL)
		check_live++;
	return pointer;
}

static inline void
check_release(void *context, void *pointer)
{
	(void) context;
	check_live--;
	free(pointer);
}

static const em_allocator check_allocator = { check_allocate, check_release, NULL };

/* Where the data of the tests stands; NULL when it is not there. */
static inline const char *
check_data(const char *name)
{
	static char path[512];
	const char *directory = getenv("EMOTION_DATA");
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory ? directory : "../shared/data", name);
	file = fopen(path, "rb");
	if (file == NULL)
		return NULL;
	fclose(file);
	return path;
}

#endif /* EMOTION_CHECK_H */
