/*
 * random.c
 *	  Philox4x32-10 and what is drawn from it.
 *
 * Counter words: block number (index / 4), stream and draw, epoch, item; the key is the
 * seed. A draw above 0 gives further numbers for the same index, for those functions
 * that need more than one.
 */
#include "random.h"

#include <math.h>

#include "simd.h"

/* The low half of a uniform double; rejected numbers count up from 1. */
#define DRAW_LOW_WORD UINT32_C(0xFFFF)

void
nn_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
	uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
	uint32_t k0 = key[0], k1 = key[1];
	int round;

	for (round = 0; round < NN_PHILOX_ROUNDS; round++)
	{
		uint64_t product0 = (uint64_t) NN_PHILOX_M0 * c0;
		uint64_t product1 = (uint64_t) NN_PHILOX_M1 * c2;

		c0 = (uint32_t) (product1 >> 32) ^ c1 ^ k0;
		c1 = (uint32_t) product1;
		c2 = (uint32_t) (product0 >> 32) ^ c3 ^ k1;
		c3 = (uint32_t) product0;
		k0 += NN_PHILOX_W0;
		k1 += NN_PHILOX_W1;
	}
	out[0] = c0;
	out[1] = c1;
	out[2] = c2;
	out[3] = c3;
}

/* Where the index-th number of a sequence lies: word index % 4 of this block. */
static void
place(const nn_random_key *key, uint64_t index, uint32_t draw, uint32_t counter[4],
	  uint32_t philox_key[2])
{
	counter[0] = (uint32_t) (index >> 2);
	counter[1] = (uint32_t) key->stream | draw << 16;
	counter[2] = key->epoch;
	counter[3] = key->item;
	philox_key[0] = (uint32_t) key->seed;
	philox_key[1] = (uint32_t) (key->seed >> 32);
}

static uint32_t
number(const nn_random_key *key, uint64_t index, uint32_t draw)
{
	uint32_t counter[4];
	uint32_t philox_key[2];
	uint32_t words[4];

	place(key, index, draw, counter, philox_key);
	nn_philox(counter, philox_key, words);
	return words[index & 3];
}

uint32_t
nn_random_u32(const nn_random_key *key, uint64_t index)
{
	return number(key, index, 0);
}

real
nn_random_uniform(const nn_random_key *key, uint64_t index)
{
	uint32_t high = number(key, index, 0);

#ifdef EMOTION_DOUBLE
	uint64_t both = (uint64_t) high << 32 | number(key, index, DRAW_LOW_WORD);

	return (double) (both >> 11) * 0x1p-53;
#else
	return (float) (high >> 8) * 0x1p-24f;
#endif
}

/* In double whatever real is: both builds draw the same numbers up to rounding. */
real
nn_random_normal(const nn_random_key *key, uint64_t index)
{
	const double two_pi = 6.283185307179586476925;
	double radius = ((double) number(key, 2 * index, 0) + 0.5) * 0x1p-32;
	double angle = ((double) number(key, 2 * index + 1, 0) + 0.5) * 0x1p-32;

	return (real) (sqrt(-2 * log(radius)) * cos(two_pi * angle));
}

/* Uniform in (0, 1), and the next draw. */
static double
open_uniform(const nn_random_key *key, uint64_t index, uint32_t *draw)
{
	return ((double) number(key, index, (*draw)++) + 0.5) * 0x1p-32;
}

/* The logarithm of a number of Gamma(shape, 1); that of a shape below 1 from one of shape + 1. */
static double
log_gamma_number(const nn_random_key *key, uint64_t index, double shape, uint32_t *draw)
{
	const double two_pi = 6.283185307179586476925;
	double boost = shape < 1 ? log(open_uniform(key, index, draw)) / shape : 0;
	double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3;
	double v;

	do
	{
		double radius = sqrt(-2 * log(open_uniform(key, index, draw)));
		double normal = radius * cos(two_pi * open_uniform(key, index, draw));
		double limit = log(open_uniform(key, index, draw)) - normal * normal / 2;

		v = 1 + normal / sqrt(9 * d);
		v = v * v * v;
		if (v > 0 && limit < d - d * v + d * log(v))
			break;
		v = 1; /* one in twenty at most is refused */
	} while (*draw < DRAW_LOW_WORD / 2);
	return log(d * v) + boost;
}

double
nn_random_beta(const nn_random_key *key, uint64_t index, double alpha)
{
	uint32_t draw = 0;
	double one = log_gamma_number(key, index, alpha, &draw);
	double other = log_gamma_number(key, index, alpha, &draw);

	return 1 / (1 + exp(other - one));
}

/* The high half of number * bound; the low half says which numbers are one too many. */
uint32_t
nn_random_below(const nn_random_key *key, uint64_t index, uint32_t bound)
{
	uint32_t surplus = (UINT32_C(0) - bound) % bound; /* 2^32 mod bound */
	uint32_t draw = 0;
	uint64_t product;

	do
	{
		product = (uint64_t) number(key, index, draw) * bound;
		draw++;
	} while ((uint32_t) product < surplus && draw < DRAW_LOW_WORD);
	return (uint32_t) (product >> 32);
}

void
nn_dropout_mask(const nn_random_key *key, uint64_t first, size_t n, real rate, real *mask)
{
	const nn_kernels *kernels = nn_kernels_chosen();
	uint32_t threshold = (uint32_t) ((double) rate * 4294967296.0);
	real keep = 1 / (1 - rate);
	size_t i = 0;

	while (i < n)
	{
		uint64_t index = first + i;
		uint32_t counter[4];
		uint32_t philox_key[2];
		uint32_t words[4];

		place(key, index, 0, counter, philox_key);
		if ((index & 3) == 0)
			i += 4 * kernels->dropout_blocks(philox_key, counter, (n - i) / 4, threshold, keep,
											 mask + i);
		if (i == n)
			break;
		counter[0] = (uint32_t) ((first + i) >> 2);
		nn_philox(counter, philox_key, words);
		do
		{
			mask[i] = words[(first + i) & 3] < threshold ? 0 : keep;
			i++;
		} while (i < n && ((first + i) & 3) != 0);
	}
}

void
nn_random_permutation(const nn_random_key *key, size_t n, uint32_t *order)
{
	size_t i;

	for (i = 0; i < n; i++)
		order[i] = (uint32_t) i;
	for (i = n; i > 1; i--)
	{
		size_t other = nn_random_below(key, i - 1, (uint32_t) i);
		uint32_t kept = order[i - 1];

		order[i - 1] = order[other];
		order[other] = kept;
	}
}
