/*
 * checkpoints.h
 *	  A trainer's checkpoint as one piece of memory. Include check.h first.
 */
#ifndef EMOTION_CHECKPOINTS_H
#define EMOTION_CHECKPOINTS_H

#include "../../src/model/trainer.h"

typedef struct checkpoint_memory
{
	const em_allocator *allocator;
	uint8_t *bytes;
	size_t size, capacity;
} checkpoint_memory;

static bool
write_memory(void *context, const void *bytes, size_t size)
{
	checkpoint_memory *memory = context;
	void *grown = memory->bytes;

	if (!em_grow(memory->allocator, &grown, &memory->capacity, memory->size + size, 1))
		return false;
	memory->bytes = grown;
	memcpy(memory->bytes + memory->size, bytes, size);
	memory->size += size;
	return true;
}

static bool
read_memory(void *context, void *bytes, size_t size)
{
	checkpoint_memory *memory = context;

	if (size > memory->capacity - memory->size)
		return false;
	memcpy(bytes, memory->bytes + memory->size, size);
	memory->size += size;
	return true;
}

static inline em_code
trainer_checkpoint(const trainer *trainer, const em_allocator *allocator, uint8_t **bytes,
				   size_t *size, em_status *status)
{
	checkpoint_memory memory = { allocator, NULL, 0, 0 };
	em_code code = trainer_save(trainer, write_memory, &memory, status);

	if (code == EM_SYSTEM) /* what write_memory refuses with */
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	if (code != EM_OK)
	{
		em_release(allocator, memory.bytes);
		memory.bytes = NULL;
	}
	*bytes = memory.bytes;
	*size = memory.size;
	return code;
}

static inline em_code
trainer_restore(trainer *trainer, const uint8_t *bytes, size_t size, em_status *status)
{
	checkpoint_memory memory = { NULL, (uint8_t *) (uintptr_t) bytes, 0, size };

	return trainer_load(trainer, size, read_memory, &memory, status);
}

#endif /* EMOTION_CHECKPOINTS_H */
