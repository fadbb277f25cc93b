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
#include "registry.h"

/* What is kept of vectors besides their bytes, as far as C needs it. */
typedef struct VectorsRow
{
	uint8 sha256[SHA256_BYTES];
	int64 size;
	int32 parts;
} VectorsRow;

/* Whether there are vectors of that name; their row as the statement sees it, or an error. */
extern bool FindVectors(const char *name, Snapshot snapshot, VectorsRow *row);
extern VectorsRow GetVectors(const char *name);

/* The vectors of a row, from `allocator`, verified. */
extern vectors *ReadVectors(const em_allocator *allocator, const char *name, const VectorsRow *row);

/* Error unless the caller may publish vectors of that name and there are none yet. */
extern void CheckVectorsPublishable(const char *name);

/* Publish. source: where they come from, in words; arguments: how they were made, or NULL. */
extern void PublishVectors(const char *name, const vectors *vectors, const char *source,
						   Jsonb *arguments);

/* Vectors by name, from `allocator`; an error that says what there is when there are none. */
extern vectors *LoadVectors(const em_allocator *allocator, const char *name);

#endif /* EMOTION_PG_VECTORS_REGISTRY_H */
