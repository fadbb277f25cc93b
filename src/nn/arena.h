/*
 * arena.h
 *	  Bump allocation in a block that the caller provides: what worker threads
 *	  use, who may not allocate.
 */
#ifndef EMOTION_NN_ARENA_H
#define EMOTION_NN_ARENA_H

#include <stddef.h>
#include <stdint.h>

#define NN_ALIGNMENT 64

typedef struct nn_arena
{
	char *block; /* aligned to NN_ALIGNMENT */
	size_t size;
	size_t used;
} nn_arena;

/* What a request of `count` elements takes from an arena, at most. */
static inline size_t
nn_arena_room(size_t count, size_t element_size)
{
	return count * element_size + NN_ALIGNMENT;
}

/*
 * The next `count` elements, aligned to NN_ALIGNMENT, not zeroed. NULL when the block is
 * full: the caller sized it with nn_arena_room, so that is a bug of ours.
 */
static inline void *
nn_arena_take(nn_arena *arena, size_t count, size_t element_size)
{
	size_t bytes = (count * element_size + NN_ALIGNMENT - 1) & ~(size_t) (NN_ALIGNMENT - 1);
	void *result;

	if (bytes > arena->size - arena->used)
		return NULL;
	result = arena->block + arena->used;
	arena->used += bytes;
	return result;
}

#endif /* EMOTION_NN_ARENA_H */
