/*
 * counted.h
 *	  An allocator that knows how many bytes there are of its own, and how many there were at most.
 */
#ifndef EMOTION_COUNTED_H
#define EMOTION_COUNTED_H

#include <stdlib.h>

#include "../../src/base.h"

/* Before each block lies its size, and what keeps the block aligned. */
#define COUNTED_ALIGNMENT 64

static size_t bytes_live, bytes_most;

static inline void *
allocate_counted(void *context, size_t size)
{
	size_t *block = malloc(size + COUNTED_ALIGNMENT);

	(void) context;
	if (block == NULL)
		return NULL;
	*block = size;
	bytes_live += size;
	if (bytes_live > bytes_most)
		bytes_most = bytes_live;
	return (char *) block + COUNTED_ALIGNMENT;
}

static inline void
release_counted(void *context, void *pointer)
{
	size_t *block = (size_t *) (void *) ((char *) pointer - COUNTED_ALIGNMENT);

	(void) context;
	bytes_live -= *block;
	free(block);
}

static const em_allocator counted_allocator = { allocate_counted, release_counted, NULL };

#endif /* EMOTION_COUNTED_H */
