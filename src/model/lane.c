/*
 * lane.c
 *	  What one task of a batch works in.
 */
#include "lane.h"

#include <string.h>

em_code
lane_init(lane *lane, const em_allocator *allocator, size_t vocabulary, em_status *status)
{
	memset(lane, 0, sizeof(*lane));
	lane->allocator = allocator;
	return nn_packer_init(&lane->packer, allocator, (uint32_t) vocabulary, status);
}

void
lane_free(lane *lane)
{
	if (lane->allocator == NULL)
		return;
	nn_packer_free(&lane->packer);
	em_release(lane->allocator, lane->block);
	memset(lane, 0, sizeof(*lane));
}

size_t
lane_taken(const lane *lane)
{
	return lane->block_size + lane->packer.capacity * sizeof(*lane->packer.memory);
}

void
lane_trim(lane *lane)
{
	em_release(lane->allocator, lane->block);
	lane->block = NULL;
	lane->block_size = 0;
	nn_packer_trim(&lane->packer);
}

em_code
lane_reserve(lane *lane, size_t bytes, em_status *status)
{
	if (bytes + NN_ALIGNMENT > lane->block_size)
	{
		/* an eighth more, so that slowly growing batches do not reallocate each time */
		size_t size = bytes + bytes / 8 + NN_ALIGNMENT;

		em_release(lane->allocator, lane->block);
		lane->block_size = 0;
		lane->block = em_allocate_array(lane->allocator, size, 1);
		if (lane->block == NULL)
			return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
		lane->block_size = size;
	}
	lane->arena.block =
		(char *) (((uintptr_t) lane->block + NN_ALIGNMENT - 1) & ~(uintptr_t) (NN_ALIGNMENT - 1));
	lane->arena.size = lane->block_size - (size_t) (lane->arena.block - lane->block);
	lane->arena.used = 0;
	return EM_OK;
}
