/*
 * lane.h
 *	  What one task of a batch works in: a packer and an arena, both of which the
 *	  main thread sizes before a worker thread computes.
 */
#ifndef EMOTION_MODEL_LANE_H
#define EMOTION_MODEL_LANE_H

#include "../nn/arena.h"
#include "../nn/packed.h"
#include "network.h"

typedef struct lane
{
	const em_allocator *allocator;
	nn_packer packer;
	char *block; /* what the arena lies in */
	size_t block_size;
	nn_arena arena;
} lane;

em_code lane_init(lane *lane, const em_allocator *allocator, size_t vocabulary, em_status *status);
void lane_free(lane *lane);

/* Bytes that the lane takes, and giving back those that the next batch takes anew. */
size_t lane_taken(const lane *lane);
void lane_trim(lane *lane);

/* Empty the arena and give it room for `bytes`. */
em_code lane_reserve(lane *lane, size_t bytes, em_status *status);

#endif /* EMOTION_MODEL_LANE_H */
