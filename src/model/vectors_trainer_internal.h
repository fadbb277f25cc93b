/*
 * vectors_trainer_internal.h
 *	  The trainer of word vectors from within.
 */
#ifndef EMOTION_MODEL_VECTORS_TRAINER_INTERNAL_H
#define EMOTION_MODEL_VECTORS_TRAINER_INTERNAL_H

#include "../nn/activation.h"
#include "../nn/negative.h"
#include "vectors_trainer.h"

#define VECTORS_MAX_WINDOW 100
#define VECTORS_MAX_NEGATIVES (NN_NEGATIVE_MAX - 1)

/* Known words of a text that are windowed together; a longer one is cut, as fastText does. */
#define VECTORS_PIECE 1024

/* A piece of a text in the slice at hand. Words are numbered from 0 here. */
typedef struct vectors_piece
{
	size_t first;
	uint32_t length;
	uint64_t random;     /* state of its generator */
	uint64_t words_done; /* before it, in this epoch */
	double loss;         /* out: sum over pairs */
	uint64_t pairs;      /* out */
} vectors_piece;

/* One slot of the table negatives are drawn from (Walker 1977, Vose 1991). */
typedef struct vectors_slot
{
	uint32_t below; /* a draw below this is the slot's own word, */
	uint32_t other; /* else this one */
} vectors_slot;

/* The head of a saved state. */
typedef struct vectors_state
{
	uint64_t magic;
	uint64_t words;
	uint64_t epoch;
	uint64_t text;
	uint64_t words_done;
	uint64_t pairs;
	double loss;
	uint64_t sum; /* of everything else */
} vectors_state;

struct vectors_trainer
{
	const em_allocator *allocator;
	vectors_options options;
	samples *texts;
	nn_pool *pool;

	uint32_t words;       /* W */
	uint64_t rows;        /* W + buckets */
	uint64_t *counts;     /* (W) */
	uint64_t tokens;      /* their sum */
	uint32_t *keep;       /* (W) a draw above this leaves the word out */
	vectors_slot *slots;  /* (W) */
	uint64_t *row_starts; /* (W + 1) into row_ids */
	uint32_t *row_ids;    /* the word's own row, then its n-grams' */
	real *response;       /* (W) how far the mean of the rows moves when each moves by 1 */

	real *input;  /* (rows, D) */
	real *output; /* (W, D) */

	int epoch;
	size_t text; /* next of the running epoch */
	uint64_t words_done;
	uint64_t pairs;
	double loss;
	vectors_state loaded;

	/* the slice at hand */
	size_t slice_words; /* it ends with the text that reaches this */
	uint32_t *slice;
	size_t slice_capacity;
	vectors_piece *pieces;
	size_t pieces_capacity;
	size_t piece_count;
};

/* Train on one piece of the slice at hand. */
void vectors_train_piece(vectors_trainer *trainer, vectors_piece *piece);

/* The learning rate after so many known words of the running epoch. */
double vectors_rate(const vectors_trainer *trainer, uint64_t words_done);

/* 64 random bits (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"). */
static inline uint64_t
vectors_random(uint64_t *state)
{
	uint64_t x = *state += UINT64_C(0x9E3779B97F4A7C15);

	x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
	return x ^ x >> 31;
}

#endif /* EMOTION_MODEL_VECTORS_TRAINER_INTERNAL_H */
