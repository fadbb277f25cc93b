/*
 * fuzz.h
 *	  What the fuzzers share: an allocator that has little to give, and what must hold.
 *
 * Include it in exactly one file of a fuzzer.
 */
#ifndef EMOTION_FUZZ_H
#define EMOTION_FUZZ_H

#include <stdlib.h>
#include <string.h>

#include "../../src/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No more at once: what asks for a multiple of its input's size must hear no, and say so. */
#define FUZZ_MOST_BYTES ((size_t) 512 << 20)

static inline void
require(bool condition)
{
	if (!condition)
		abort();
}

static inline void *
fuzz_allocate(void *context, size_t size)
{
	(void) context;
	require(size > 0);
	return size > FUZZ_MOST_BYTES ? NULL : malloc(size);
}

static inline void
fuzz_release(void *context, void *pointer)
{
	(void) context;
	require(pointer != NULL);
	free(pointer);
}

static const em_allocator allocator = { fuzz_allocate, fuzz_release, NULL };

/* A failure says what, for people; a success says nothing. */
static inline void
require_reason(em_code code, const em_status *status)
{
	require(code == EM_OK || (status->code == code && status->message[0] != '\0'));
}

/* A copy that ends where its bytes end, so that reading past them is noticed; to be freed. */
static inline uint8_t *
exact_copy(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);

	require(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

/*
 * Change a valid thing at random places, which its checks let through more often than random bytes:
 * the input is places of two bytes, each with its byte.
 */
static inline void
patch(uint8_t *bytes, size_t length, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i + 2 < size; i += 3)
		bytes[((size_t) data[i] << 8 | data[i + 1]) % length] = data[i + 2];
}

#endif /* EMOTION_FUZZ_H */
