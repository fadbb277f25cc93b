/*
 * random.h
 *	  Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror and
 *	  Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3").
 *
 * A number depends on its key and counter alone, never on what was drawn
 * before, so dropout and shuffling are the same whatever the threads do.
 */
#ifndef EMOTION_NN_RANDOM_H
#define EMOTION_NN_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "real.h"

/* What a stream is for, so that two uses never share numbers. */
typedef enum nn_stream
{
	NN_STREAM_INIT = 1,
	NN_STREAM_SHUFFLE,
	NN_STREAM_WORD_DROPOUT,
	NN_STREAM_SPATIAL_DROPOUT,
	NN_STREAM_CONV_DROPOUT,
	NN_STREAM_POOL_DROPOUT,
	NN_STREAM_SPLIT,
	NN_STREAM_BOOTSTRAP,
	NN_STREAM_HIDDEN_DROPOUT,
	NN_STREAM_SUBWORD_DROPOUT,
	NN_STREAM_MASK,
	NN_STREAM_MIXUP,
	NN_STREAM_ENCODER = 256, /* and those that follow: model/encoder_internal.h */
} nn_stream;

/* Names one sequence of 2^34 numbers. */
typedef struct nn_random_key
{
	uint64_t seed;
	nn_stream stream;
	uint32_t epoch;
	uint32_t item; /* sample, tensor, ... */
} nn_random_key;

/* One Philox block: the four words for this counter under this key. */
void nn_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* The index-th 32-bit number of the sequence. */
uint32_t nn_random_u32(const nn_random_key *key, uint64_t index);

/* Uniform in [0, 1), 24 bits in float builds, 53 in double. */
real nn_random_uniform(const nn_random_key *key, uint64_t index);

/* Standard normal by Box-Muller, numbers 2*index and 2*index+1 of the sequence. */
real nn_random_normal(const nn_random_key *key, uint64_t index);

/*
 * From the symmetric beta distribution Beta(alpha, alpha), alpha > 0: two gamma numbers (Marsaglia
 * and Tsang 2000), compared by their logarithms, which do not underflow for a small alpha.
 */
double nn_random_beta(const nn_random_key *key, uint64_t index, double alpha);

/* Uniform in 0..bound-1 without bias (Lemire 2019); bound >= 1. */
uint32_t nn_random_below(const nn_random_key *key, uint64_t index, uint32_t bound);

/*
 * Inverted dropout mask: mask[i] = 0 with probability rate, else 1/(1-rate),
 * from numbers first .. first+n-1 of the sequence. 0 <= rate < 1.
 */
void nn_dropout_mask(const nn_random_key *key, uint64_t first, size_t n, real rate, real *mask);

/* order[0..n-1] = a random permutation of 0..n-1 (Fisher-Yates). */
void nn_random_permutation(const nn_random_key *key, size_t n, uint32_t *order);

#endif /* EMOTION_NN_RANDOM_H */
