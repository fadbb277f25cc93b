/*
 * gradients.h
 *	  A gradient against central finite differences; with check.h, for the
 *	  programs test_gradients*.c.
 *
 * What a backward pass adds to holds random numbers beforehand, all other
 * memory NaN: overwriting, not adding and reading what nobody wrote all show.
 * test/mutate_gradients.sh plants mistakes and demands that they are found.
 */
#ifndef EMOTION_TEST_GRADIENTS_H
#define EMOTION_TEST_GRADIENTS_H

#include "check.h"

#include <math.h>

#include "../../src/nn/packed.h"
#include "../../src/nn/real.h"

_Static_assert(sizeof(real) == sizeof(double), "finite differences need double precision");

/* Where the error of truncation (step^2) and that of rounding (1e-16 / step) are both small. */
#define STEP 1e-5

/* ||analytic - numeric|| / (||analytic|| + ||numeric||) of a tensor */
#define BOUND 1e-7

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Numbers in -1..1 that are the same in every run. */
static uint64_t draw_state = 1;

static inline double
draw(void)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double) (draw_state >> 11) * 0x1p-52 - 1;
}

static inline void
fill(real *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		values[i] = draw();
}

static inline void
fill_nan(real *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		values[i] = NAN;
}

/* Blocks of exactly the size asked for, so that AddressSanitizer sees the first step beyond. */
static void *blocks[64];
static size_t block_count;

static inline real *
nans(size_t count)
{
	real *values = malloc((count > 0 ? count : 1) * sizeof(real));

	if (values == NULL || block_count == LENGTH(blocks))
	{
		printf("Bail out! no memory for the test\n");
		exit(1);
	}
	fill_nan(values, count);
	blocks[block_count++] = values;
	return values;
}

static inline real *
numbers(size_t count)
{
	real *values = nans(count);

	fill(values, count);
	return values;
}

static inline void
release_blocks(void)
{
	while (block_count > 0)
		free(blocks[--block_count]);
}

static inline real *
copy_of(const real *values, size_t count)
{
	real *copy = nans(count);

	memcpy(copy, values, count * sizeof(real));
	return copy;
}

static inline double
weighted_sum(const real *factors, const real *values, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += factors[i] * values[i];
	return sum;
}

typedef double (*objective)(void *context);

/*
 * The gradient of objective with respect to `values` must be gradient - before (before NULL: 0).
 * A gradient of nothing but zeros would prove nothing, so it is a failure.
 */
static inline void
check_gradient(const char *what, const char *name, real *values, size_t count, const real *gradient,
			   const real *before, objective function, void *context)
{
	double difference = 0, analytic_norm = 0, numeric_norm = 0, error;

	for (size_t i = 0; i < count; i++)
	{
		double analytic = gradient[i] - (before ? before[i] : 0);
		double kept = values[i];
		double up, numeric;

		values[i] = kept + STEP;
		up = function(context);
		values[i] = kept - STEP;
		numeric = (up - function(context)) / (2 * STEP);
		values[i] = kept;
		difference += (analytic - numeric) * (analytic - numeric);
		analytic_norm += analytic * analytic;
		numeric_norm += numeric * numeric;
	}
	error = sqrt(difference) / (sqrt(analytic_norm) + sqrt(numeric_norm));
	CHECK(error <= BOUND, "%s: gradient of %s", what, name);
	if (getenv("EMOTION_VERBOSE") || !(error <= BOUND))
		printf("# error %.2g, norm %.3g against %.3g over %zu numbers\n", error,
			   sqrt(analytic_norm), sqrt(numeric_norm), count);
}

/* A batch of texts of these lengths over a vocabulary so small that tokens repeat. */
#define VOCABULARY 9

typedef struct batch_of_test
{
	nn_packer packer;
	uint32_t ids[16][16];
} batch_of_test;

static inline const nn_packed *
make_batch(batch_of_test *place, const uint32_t *lengths, size_t count)
{
	nn_sequence sequences[16];
	em_status status;

	for (size_t b = 0; b < count; b++)
	{
		for (size_t t = 0; t < lengths[b]; t++)
			place->ids[b][t] = (uint32_t) ((draw() + 1) / 2 * (VOCABULARY - 2)); /* some unused */
		sequences[b] = (nn_sequence){ place->ids[b], lengths[b] };
	}
	if (nn_packer_init(&place->packer, &check_allocator, VOCABULARY, &status) != EM_OK ||
		nn_pack(&place->packer, sequences, count, &status) != EM_OK)
	{
		printf("Bail out! %s\n", status.message);
		exit(1);
	}
	return &place->packer.batch;
}

static const uint32_t unequal[] = { 3, 0, 7, 1, 5, 5, 1, 0 };
static const uint32_t equal[] = { 4, 4, 4 };
static const uint32_t one_text[] = { 5 };
static const uint32_t single[] = { 1 };
static const uint32_t singles[] = { 1, 1, 1, 1 };
static const uint32_t many[] = { 6, 6, 5, 5, 5, 4, 4, 4, 3, 3, 2, 2, 1, 1, 1, 0 };

static const struct
{
	const char *name;
	const uint32_t *lengths;
	size_t count;
} batches[] = {
	{ "unequal lengths", unequal, LENGTH(unequal) }, { "equal lengths", equal, LENGTH(equal) },
	{ "one text", one_text, LENGTH(one_text) },      { "a single token", single, LENGTH(single) },
	{ "single tokens", singles, LENGTH(singles) },   { "many texts", many, LENGTH(many) },
};

#endif /* EMOTION_TEST_GRADIENTS_H */
