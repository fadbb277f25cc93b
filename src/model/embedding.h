/*
 * embedding.h
 *	  The embedding as a model file keeps it, and the vectors of a batch's words out of it: scoring
 *	  looks at a few rows of a large table, which is not worth widening to floats.
 */
#ifndef EMOTION_MODEL_EMBEDDING_H
#define EMOTION_MODEL_EMBEDDING_H

#include "../nn/packed.h"
#include "../nn/real.h"
#include "safetensors.h"

typedef struct embedding_rows
{
	tensor_type type;      /* TENSOR_F32, TENSOR_F16, TENSOR_BF16 or TENSOR_I8 */
	const uint8_t *weight; /* (rows, E) as in the file: little-endian, not aligned */
	const float *scale;    /* (rows) of TENSOR_I8; NULL of the others */
} embedding_rows;

typedef struct embedding_table
{
	size_t dim;              /* E, at most 2048 */
	size_t vocabulary;       /* V: row V + k is row k of `subwords` */
	embedding_rows words;    /* (V, E) */
	embedding_rows subwords; /* (K, E) */
} embedding_table;

/* out (dim) = a row as reals; false when one of its numbers is NaN or infinite. */
bool embedding_read_row(const embedding_rows *rows, size_t dim, size_t row, real *out);

/*
 * vectors: (U, E) out, those of the batch's distinct tokens: bit by bit what nn_embedding() takes from
 * the table as reals.
 */
void embedding_gather(const embedding_table *table, const nn_packed *batch, real *vectors);

#endif /* EMOTION_MODEL_EMBEDDING_H */
