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

/* Error when a training that needs so many bytes may not have them; hint: how to need fewer. */
extern void CheckTrainingMemory(uint64 bytes, const char *hint);

#endif /* EMOTION_PG_TRAIN_MEMORY_H */
