/*
 * vectors_registry.h
 *	  The catalog of word vectors: tables emotion.vectors and emotion.vectors_part.
 *
 * Read and written as models are (registry.h): direct scans, SHA-256 verified, written with
 * the privileges of the caller. A name is given once; vectors do not change.
 */
#ifndef EMOTION_PG_VECTORS_REGISTRY_H
#define EMOTION_PG_VECTORS_REGISTRY_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "../model/vectors.h"

/* Error unless the caller may publish vectors of that name and there are none yet. */
extern void CheckVectorsPublishable(const char *name);

/* Publish. source: where they come from, in words; arguments: how they were made, or NULL. */
extern void PublishVectors(const char *name, const vectors *vectors, const char *source,
						   Jsonb *arguments);

/* Vectors by name, from `allocator`; an error that says what there is when there are none. */
extern vectors *LoadVectors(const em_allocator *allocator, const char *name);

#endif /* EMOTION_PG_VECTORS_REGISTRY_H */
