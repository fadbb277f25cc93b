/*
 * train_memory.h
 *	  How much memory a training may take.
 */
#ifndef EMOTION_PG_TRAIN_MEMORY_H
#define EMOTION_PG_TRAIN_MEMORY_H

#include "postgres.h"

/* emotion.max_training_memory, in megabytes; -1: four fifths of what is available. */
extern int MaxTrainingMemory;

/* Error when a training that needs so many bytes may not have them; hint: how to need fewer. */
extern void CheckTrainingMemory(uint64 bytes, const char *hint);

#endif /* EMOTION_PG_TRAIN_MEMORY_H */
