/*
 * spill.h
 *	  Where samples go that do not fit in memory.
 */
#ifndef EMOTION_PG_SPILL_H
#define EMOTION_PG_SPILL_H

#include "postgres.h"

#include "storage/buffile.h"

#include "../model/samples.h"

/* A temporary file, made when it is needed in a context that lasts. */
typedef struct SpillFile
{
	MemoryContext context;
	BufFile *file; /* NULL until then */
} SpillFile;

/* Samples spill into such a file, whose context is the current one. */
extern samples_spill SpillInto(SpillFile *file);

/* Remove the file, if there is one. */
extern void CloseSpill(SpillFile *file);

#endif /* EMOTION_PG_SPILL_H */
