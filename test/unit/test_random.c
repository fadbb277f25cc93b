/* also: double */
/*
 * test_random.c
 *	  Philox against its authors' known answers, and what is drawn from it.
 */
#include "check.h"

#include <math.h>

#include "../../src/nn/activation.h"
#include "../../src/nn/random.h"

static const nn_random_key key = { UINT64_C(0x0123456789abcdef), NN_STREAM_CONV_DROPOUT, 3, 7 };

/* kat_vectors of Random123 1.14, philox 4x32 10 */
static void
check_known_answers(void)
{
	static const struct
	{
		uint32_t counter[4];
		uint32_t key[2];
		uint32_t answer[4];
	} known[] = {
		{ { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
		{ { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
		  { 0xffffffff, 0xffffffff },
		  { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
		{ { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
		  { 0xa4093822, 0x299f31d0 },
		  { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
	{
		uint32_t out[4];

		nn_philox(known[i].counter, known[i].key, out);
		CHECK(memcmp(out, known[i].answer, sizeof(out)) == 0, "Philox known answer %zu", i + 1);
	}
}

/* The distribution function where there is a formula for it. */
static double
beta_below(double alpha, double x)
{
	return alpha == 0.5 ? 2 / 3.14159265358979323846 * asin(sqrt(x))
		   : alpha == 1 ? x
						: x * x * (3 - 2 * x); /* alpha 2 */
}

static void
check_beta(void)
{
	static const double alphas[] = { 0.01, 0.1, 0.2, 0.5, 1, 2, 8, 100 };
	enum
	{
		DRAWS_OF_BETA = 20000,
		PARTS = 50
	};

	for (size_t a = 0; a < sizeof(alphas) / sizeof(alphas[0]); a++)
	{
		double alpha = alphas[a], variance = 1 / (4 * (2 * alpha + 1));
		double sum = 0, square = 0, distance = 0;
		size_t below[PARTS + 1] = { 0 };
		bool inside = true;

		for (uint64_t i = 0; i < DRAWS_OF_BETA; i++)
		{
			double x = nn_random_beta(&key, i, alpha);

			inside &= x >= 0 && x <= 1;
			sum += x;
			square += (x - 0.5) * (x - 0.5);
			below[(size_t) (x * PARTS)]++;
		}
		CHECK(inside && fabs(sum / DRAWS_OF_BETA - 0.5) < 4 * sqrt(variance / DRAWS_OF_BETA) &&
				  fabs(square / DRAWS_OF_BETA / variance - 1) < 0.05,
			  "Beta(%g, %g): mean %.4f, variance %.5f for %.5f", alpha, alpha, sum / DRAWS_OF_BETA,
			  square / DRAWS_OF_BETA, variance);
		if (alpha != 0.5 && alpha != 1 && alpha != 2)
			continue;
		sum = 0;
		for (size_t i = 0; i < PARTS - 1; i++)
		{
			sum += (double) below[i] / DRAWS_OF_BETA;
			distance = fmax(distance, fabs(sum - beta_below(alpha, (i + 1.0) / PARTS)));
		}
		CHECK(distance < 1.63 / sqrt(DRAWS_OF_BETA), "Beta(%g, %g): distribution within %.4f",
			  alpha, alpha, distance);
	}
	CHECK(nn_random_beta(&key, 7, 0.4) == nn_random_beta(&key, 7, 0.4) &&
			  nn_random_beta(&key, 7, 0.4) != nn_random_beta(&key, 8, 0.4),
		  "an index names a number");
}

static void
check_keys(void)
{
	nn_random_key other[5] = { key, key, key, key, key };
	bool distinct = true;
	size_t i;

	other[0].seed ^= 1;
	other[1].seed ^= UINT64_C(1) << 63;
	other[2].stream = NN_STREAM_POOL_DROPOUT;
	other[3].epoch++;
	other[4].item++;
	for (i = 0; i < 5; i++)
		distinct = distinct && nn_random_u32(&other[i], 0) != nn_random_u32(&key, 0) &&
				   nn_random_u32(&other[i], 5) != nn_random_u32(&key, 5);
	CHECK(distinct, "seed, stream, epoch and item each make another sequence");
	CHECK(nn_random_u32(&key, 0) != nn_random_u32(&key, (UINT64_C(1) << 34) - 1),
		  "a sequence is long");
}

static void
check_distributions(void)
{
	enum
	{
		DRAWS = 100000
	};
	double sum = 0, square = 0, fourth = 0;
	bool inside = true, finite = true;
	size_t i;

	for (i = 0; i < DRAWS; i++)
	{
		double u = nn_random_uniform(&key, i);

		inside = inside && u >= 0 && u < 1;
		sum += u;
		square += u * u;
	}
	/* five standard errors: sqrt(1/12/n) and sqrt(4/45/n) */
	CHECK(inside, "uniform numbers lie in [0, 1)");
	CHECK(fabs(sum / DRAWS - 0.5) < 0.0046 && fabs(square / DRAWS - 1.0 / 3) < 0.0048,
		  "uniform numbers have mean 1/2 (%.4f) and second moment 1/3 (%.4f)", sum / DRAWS,
		  square / DRAWS);

	sum = square = 0;
	for (i = 0; i < DRAWS; i++)
	{
		double x = nn_random_normal(&key, i);

		finite = finite && isfinite(x);
		sum += x;
		square += x * x;
		fourth += x * x * x * x;
	}
	/* five standard errors: sqrt(1/n), sqrt(2/n), sqrt(96/n) */
	CHECK(finite && fabs(sum / DRAWS) < 0.016 && fabs(square / DRAWS - 1) < 0.023 &&
			  fabs(fourth / DRAWS - 3) < 0.155,
		  "normal numbers have moments 0 (%.4f), 1 (%.4f) and 3 (%.4f)", sum / DRAWS,
		  square / DRAWS, fourth / DRAWS);
}

static void
check_below(void)
{
	enum
	{
		BOUND = 7,
		DRAWS = 70000
	};
	size_t counts[BOUND] = { 0 };
	double chi_square = 0;
	size_t upper = 0;
	size_t i;

	for (i = 0; i < DRAWS; i++)
	{
		uint32_t number = nn_random_below(&key, i, BOUND);

		if (number < BOUND)
			counts[number]++;
	}
	for (i = 0; i < BOUND; i++)
		chi_square += pow((double) counts[i] - DRAWS / BOUND, 2) / (DRAWS / BOUND);
	/* six degrees of freedom: beyond 33 once in 100,000 seeds */
	CHECK(chi_square < 33, "numbers below 7 are equally frequent (chi square %.1f)", chi_square);
	CHECK(nn_random_below(&key, 9, 1) == 0, "the only number below 1 is 0");

	/*
	 * With 3 * 2^30 a plain multiplication would give multiples of 3 twice as often as
	 * others: half of all draws instead of a third.
	 */
	for (i = 0; i < DRAWS; i++)
		upper += nn_random_below(&key, i, UINT32_C(3) << 30) % 3 == 0;
	CHECK(fabs((double) upper / DRAWS - 1.0 / 3) < 0.009,
		  "a bound that does not divide 2^32 leaves no bias (%.4f)", (double) upper / DRAWS);
}

static void
check_mask(const char *set)
{
	static const real rates[] = { 0, (real) 0.1, (real) 0.3, (real) 0.5, (real) 0.999 };
	enum
	{
		N = 200001,
		SHORT = 200
	};
	static real mask[N + 1];
	static real part[SHORT + 2];
	bool split = true, guards = true, plain = true;
	size_t r, first, n, i;

	for (r = 0; r < sizeof(rates) / sizeof(rates[0]); r++)
	{
		double rate = rates[r];
		real keep = 1 / (1 - rates[r]);
		size_t dropped = 0;
		double sum = 0;
		bool two_values = true;

		mask[N] = 12345;
		nn_dropout_mask(&key, 0, N, rates[r], mask);
		for (i = 0; i < N; i++)
		{
			dropped += mask[i] == 0;
			two_values = two_values && (mask[i] == 0 || mask[i] == keep);
			sum += mask[i];
		}
		CHECK(two_values && mask[N] == 12345, "%s: a mask holds 0 and 1 / (1 - %g) alone", set,
			  rate);
		/* five standard errors */
		CHECK(fabs((double) dropped / N - rate) <= 5 * sqrt(rate * (1 - rate) / N) &&
				  fabs(sum / N - 1) <= 5 * sqrt(rate / (1 - rate) / N) + 1e-6,
			  "%s: a mask of rate %g drops %.4f and has mean %.4f", set, rate, (double) dropped / N,
			  sum / N);
	}

	/* the definition: number i below the rate */
	nn_dropout_mask(&key, 0, N, (real) 0.25, mask);
	for (i = 0; i < 1000; i++)
		plain = plain && (mask[i] == 0) == (nn_random_u32(&key, i) < UINT32_C(1) << 30);
	CHECK(plain, "%s: a mask drops where its number is below the rate", set);

	for (first = 0; first < 9; first++)
	{
		for (n = 0; n <= SHORT; n++)
		{
			part[0] = part[n + 1] = 12345;
			nn_dropout_mask(&key, first, n, (real) 0.25, part + 1);
			split = split && memcmp(part + 1, mask + first, n * sizeof(real)) == 0;
			guards = guards && part[0] == 12345 && part[n + 1] == 12345;
		}
	}
	CHECK(split, "%s: a mask is the same however it is split", set);
	CHECK(guards, "%s: a mask touches nothing else", set);

	/* across the end of the low 32 bits of the index */
	first = ((size_t) 1 << 32) - 101;
	plain = true;
	nn_dropout_mask(&key, first, SHORT, (real) 0.25, part);
	for (i = 0; i < SHORT; i++)
		plain = plain && (part[i] == 0) == (nn_random_u32(&key, first + i) < UINT32_C(1) << 30);
	CHECK(plain, "%s: a mask far into the sequence", set);
}

static void
check_permutation(void)
{
	enum
	{
		N = 1000,
		SHUFFLES = 6000
	};
	static uint32_t order[N];
	static uint32_t again[N];
	static bool seen[N];
	nn_random_key other = key;
	size_t counts[6] = { 0 };
	double chi_square = 0;
	size_t distinct = 0;
	size_t fixed = 0;
	size_t i;

	nn_random_permutation(&key, N, order);
	for (i = 0; i < N; i++)
	{
		if (order[i] < N && !seen[order[i]])
		{
			seen[order[i]] = true;
			distinct++;
		}
		fixed += order[i] == i;
	}
	CHECK(distinct == N, "a permutation holds each number once");
	CHECK(fixed < 12, "a permutation moves nearly all: %zu stay", fixed);
	nn_random_permutation(&key, N, again);
	CHECK(memcmp(order, again, sizeof(order)) == 0, "the same key gives the same permutation");
	other.seed++;
	nn_random_permutation(&other, N, again);
	CHECK(memcmp(order, again, sizeof(order)) != 0, "another seed gives another permutation");

	/* all six orders of three, over many keys */
	for (i = 0; i < SHUFFLES; i++)
	{
		other.item = (uint32_t) i;
		nn_random_permutation(&other, 3, order);
		counts[order[0] * 2 + (order[1] > order[2])]++;
	}
	for (i = 0; i < 6; i++)
		chi_square += pow((double) counts[i] - SHUFFLES / 6, 2) / (SHUFFLES / 6);
	/* five degrees of freedom: beyond 31 once in 100,000 seeds */
	CHECK(chi_square < 31, "the six orders of three are equally frequent (chi square %.1f)",
		  chi_square);
	nn_random_permutation(&key, 0, NULL);
	nn_random_permutation(&key, 1, order);
	CHECK(order[0] == 0, "permutations of none and of one");
}

int
main(void)
{
	static const char *const sets[] = { "baseline", "avx2", "avx512" };
	size_t s;

	check_known_answers();
	check_keys();
	check_beta();
	check_distributions();
	check_below();
	for (s = 0; s < sizeof(sets) / sizeof(sets[0]); s++)
	{
		if (nn_simd_force(sets[s]))
			check_mask(sets[s]);
		else
			check_skip(sets[s], "this machine or build has none");
	}
	check_permutation();
	return check_done();
}
