/*
 * train_memory.h
 *	  How much memory a training may take.
 */
#ifndef EMOTION_PG_TRAIN_MEMORY_H
#define EMOTION_PG_TRAIN_MEMORY_H

#include "postgres.h"

/* Checkpoints are rows of so many bytes. */
#define CHECKPOINT_PART_BYTES ((Size) 8 * 1024 * 1024)

/* emotion.max_training_memory, in megabytes; -1: four fifths of what is available. */
extern int MaxTrainingMemory;

/*
 * Bytes that saving takes of so many weights, of which a checkpoint holds `kept`: a part of a checkpoint is
 * there three times while the server packs it, and the model is written as a whole.
 */
extern uint64 SavingMemory(uint64 weights, uint64 kept);

/*
 * Error when a training that needs so many bytes may not have them. least: what it would need with the
 * smallest batches; batches, weights: how to need fewer when that would do, and when it would not.
 */
extern void CheckTrainingMemory(uint64 bytes, uint64 least, const char *batches,
								const char *weights);

#endif /* EMOTION_PG_TRAIN_MEMORY_H */
