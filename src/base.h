/*
 * base.h
 *	  What every room shares: how a function reports failure and where its
 *	  memory comes from.
 *
 * Nothing below src/pg exits, prints or calls malloc: a function that can fail
 * returns an em_code and fills the caller's em_status; a function that needs
 * memory takes an em_allocator.
 */
#ifndef EMOTION_BASE_H
#define EMOTION_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum em_code
{
	EM_OK = 0,
	EM_OUT_OF_MEMORY,
	EM_INVALID_OPTION, /* an option or argument of the user's is wrong */
	EM_INVALID_DATA,   /* the user's rows are wrong (unknown label, ...) */
	EM_MISSING,        /* a file that is wanted is not there */
	EM_CORRUPT,        /* bytes that are not what they claim to be */
	EM_LIMIT,          /* valid, but larger than we support */
	EM_UNSUPPORTED,    /* valid, but of a kind we do not read */
	EM_SYSTEM,         /* the operating system or a library refused */
	EM_CANCELLED,      /* the caller's stop callback said so */
} em_code;

/*
 * message: lower case, no full stop, with the offending value; hint: a
 * sentence with the way out, or empty.
 */
typedef struct em_status
{
	em_code code;
	char message[400];
	char hint[240];
} em_status;

#if defined(__GNUC__)
#define EM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define EM_PRINTF(fmt, args)
#endif

/* Fill *status (which may be NULL) and return code. A later call overwrites. */
em_code em_fail(em_status *status, em_code code, const char *format, ...) EM_PRINTF(3, 4);

/* Set the hint of a status that em_fail() has just filled. */
void em_hint(em_status *status, const char *format, ...) EM_PRINTF(2, 3);

/*
 * allocate returns NULL when there is no memory, and memory aligned for any
 * type otherwise; size 0 is never asked for. release(NULL) is never called.
 * Neither is ever called from a thread other than the caller's own.
 */
typedef struct em_allocator
{
	void *(*allocate)(void *context, size_t size);
	void (*release)(void *context, void *pointer);
	void *context;
} em_allocator;

/* NULL when count * size overflows or there is no memory; zeroed otherwise. */
void *em_allocate_zeroed(const em_allocator *allocator, size_t count, size_t size);

/* As above, not zeroed. */
void *em_allocate_array(const em_allocator *allocator, size_t count, size_t size);

/* Releases pointer unless it is NULL. */
void em_release(const em_allocator *allocator, void *pointer);

/*
 * Grow *pointer, an array of elements of element_size bytes with room for
 * *capacity, to room for at least wanted (at least doubling). False, with
 * nothing changed, when there is no memory.
 */
bool em_grow(const em_allocator *allocator, void **pointer, size_t *capacity, size_t wanted,
			 size_t element_size);

/* A piece of text or bytes that somebody else owns; not NUL-terminated. */
typedef struct em_slice
{
	const char *bytes;
	size_t length;
} em_slice;

/* Called between units of work of at most some tens of milliseconds. */
typedef bool (*em_should_stop)(void *context);

#endif /* EMOTION_BASE_H */
