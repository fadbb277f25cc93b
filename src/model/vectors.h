/*
 * vectors.h
 *	  Word vectors with character n-grams: what fastText calls its input matrix, and, when there is
 *	  one, its output matrix.
 *
 * D dimensions, W words, K rows of n-gram buckets. The vector of a word is the mean of its own row,
 * if it has one, and of the rows of its n-grams (Bojanowski et al. 2017); of a word without any,
 * zero.
 */
#ifndef EMOTION_MODEL_VECTORS_H
#define EMOTION_MODEL_VECTORS_H

#include "../base.h"
#include "../text/vocabulary.h"

#define VECTORS_MAX_DIM 2048
#define VECTORS_MAX_NGRAM 32 /* characters */

/* The largest magnitude of a weight in a file, as that of a model's: sums stay finite. */
#define VECTORS_MAX_WEIGHT 1e9f

/* How vectors were trained; what the head of a fastText file says. 0 where it is not known. */
typedef struct vectors_arguments
{
	int32_t window;
	int32_t epochs;
	int32_t min_count;
	int32_t negatives;
	int32_t word_ngrams;
	int32_t loss;  /* 1 hierarchical softmax, 2 negative sampling, 3 softmax, 4 one against all */
	int32_t model; /* 1 CBOW, 2 skip-gram, 3 supervised */
	int32_t rate_update;
	double sampling; /* t */
	int64_t tokens;  /* of the text trained on */
} vectors_arguments;

/* Read-only once made. */
typedef struct vectors
{
	const em_allocator *allocator;
	uint32_t dim;         /* D */
	uint32_t word_count;  /* W */
	uint32_t buckets;     /* what the hash of an n-gram is taken modulo; 0: no n-grams */
	uint32_t bucket_rows; /* K: buckets, or fewer when the others were left out */
	int min_n, max_n;     /* characters of an n-gram */
	vectors_arguments arguments;
	text_vocabulary *words; /* row of a word = its id - 1; by falling count as a rule */
	uint64_t *counts;       /* (W), or NULL when not known */
	float *input;           /* (W + K, D): words, then buckets */
	uint32_t *bucket_ids;   /* (K) rising: the buckets kept; NULL: all */
	float *output;          /* (W, D), or NULL */
} vectors;

void vectors_free(vectors *vectors);

/* Row of `input` that a bucket has, or -1 when it was left out. */
int64_t vectors_bucket_row(const vectors *vectors, uint32_t bucket);

/*
 * The vector of any word: out (D). *known (may be NULL): whether the word has a row of its own.
 * Sums in float in the order word, n-grams, and one multiplication by 1 / n, as fastText does.
 */
void vectors_word(const vectors *vectors, const char *word, size_t length, float *out, bool *known);

/*
 * The words' vectors divided by their lengths, and those of length 0 as they are: out (W, D), for
 * vectors_nearest. EM_CANCELLED when should_stop (may be NULL) says so.
 */
em_code vectors_unit(const vectors *vectors, float *out, em_should_stop should_stop,
					 void *stop_context, em_status *status);

typedef struct vectors_neighbour
{
	uint32_t row;      /* of the word */
	double similarity; /* cosine, -1..1 */
} vectors_neighbour;

/*
 * The words whose vectors point most nearly where those of `word` do, itself left out, nearest
 * first, among equals in the order of their rows: at most `count` (>= 1), which out has room for.
 * *found: how many; none for a word whose vector is zero. unit: what vectors_unit made.
 */
em_code vectors_nearest(const vectors *vectors, const float *unit, em_slice word, size_t count,
						vectors_neighbour *out, size_t *found, em_should_stop should_stop,
						void *stop_context, em_status *status);

/*
 * To and from the bytes that the registry keeps: a safetensors file, docs/vectors-file.md.
 * Nothing read is trusted: EM_CORRUPT, EM_LIMIT, EM_UNSUPPORTED.
 * What vectors_write is given is checked as well: EM_INVALID_DATA.
 */
em_code vectors_write(const em_allocator *allocator, const vectors *vectors, uint8_t **bytes,
					  size_t *size, em_status *status);
em_code vectors_read(const em_allocator *allocator, const uint8_t *bytes, size_t size,
					 vectors **out, em_status *status);

#endif /* EMOTION_MODEL_VECTORS_H */
