/* also: double */
/*
 * test_int8.c
 *	  Linear layers of 8 bits: on every instruction set the same whole numbers, and
 *	  near the layer that they stand for.
 */
#include "check.h"

#include <math.h>

#include "../../src/nn/activation.h"
#include "../../src/nn/arena.h"
#include "../../src/nn/int8.h"

#define MOST_ROWS 29
#define MOST_OUT 70
#define MOST_IN 800

static const char *const sets[] = { "baseline", "avx2", "avx512" };

static uint64_t draw_state = 1;

static double
draw(void)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double) (draw_state >> 11) * 0x1p-52 - 1;
}

static real x[MOST_ROWS * MOST_IN], weight[MOST_OUT * MOST_IN], bias[MOST_OUT];
static real first[MOST_ROWS * MOST_OUT], y[MOST_ROWS * (MOST_OUT + 3)];

static void
run(size_t rows, size_t n, size_t k, const real *shift, real *out, size_t ld)
{
	nn_int8_matrix matrix = { n, k, aligned_alloc(NN_ALIGNMENT, nn_int8_bytes(n, k)) };
	void *input = aligned_alloc(NN_ALIGNMENT, nn_int8_input_bytes(rows, k));

	nn_int8_fill(&matrix, weight);
	nn_int8_round(rows, k, x, k, input);
	nn_int8_linear(rows, input, &matrix, shift, out, ld);
	free(matrix.data);
	free(input);
}

/* Whole numbers up to 127, which every row and every output has: scales of 1, and sums below 2^24. */
static void
test_whole(const char *set, size_t rows, size_t n, size_t k, double share)
{
	bool exact = true, kept = true;

	for (size_t i = 0; i < rows * k; i++)
		x[i] = (real) (i % k == 0 ? 127 : fabs(draw()) < share ? 127 : (int) (draw() * 127));
	for (size_t i = 0; i < n * k; i++)
		weight[i] = (real) (i % k == 0 ? -127 : fabs(draw()) < share ? -127 : (int) (draw() * 127));
	for (size_t i = 0; i < rows * (n + 3); i++)
		y[i] = 99;
	run(rows, n, k, NULL, y, n + 3);
	for (size_t r = 0; r < rows; r++)
	{
		for (size_t o = 0; o < n; o++)
		{
			int64_t sum = 0;

			for (size_t i = 0; i < k; i++)
				sum += (int64_t) x[r * k + i] * (int64_t) weight[o * k + i];
			exact &= y[r * (n + 3) + o] == (real) sum;
		}
		for (size_t o = n; o < n + 3; o++)
			kept &= y[r * (n + 3) + o] == 99;
	}
	CHECK(exact && kept,
		  "%s (%s): %zu rows of %zu numbers, %zu outputs: exact, nothing else written", set,
		  nn_int8_name(), rows, k, n);
}

static void
test_near(const char *set)
{
	size_t rows = 13, n = 50, k = 768;
	double difference = 0, norm = 0;

	for (size_t i = 0; i < rows * k; i++)
		x[i] = (real) (draw() * draw());
	for (size_t i = 0; i < n * k; i++)
		weight[i] = (real) (draw() * 0.1);
	for (size_t o = 0; o < n; o++)
		bias[o] = (real) draw();
	run(rows, n, k, bias, y, n);
	for (size_t r = 0; r < rows; r++)
		for (size_t o = 0; o < n; o++)
		{
			double sum = bias[o];

			for (size_t i = 0; i < k; i++)
				sum += (double) x[r * k + i] * weight[o * k + i];
			difference += (sum - y[r * n + o]) * (sum - y[r * n + o]);
			norm += sum * sum;
		}
	CHECK(sqrt(difference / norm) < 0.01, "%s: off by less than a hundredth", set);
	printf("# relative error %.2g\n", sqrt(difference / norm));
}

/* Halves, which one way of rounding takes up and another down, and awkward scales. */
static void
test_same(const char *set, bool is_first)
{
	size_t rows = MOST_ROWS, n = 40, k = 40;

	for (size_t i = 0; i < rows * k; i++)
		x[i] =
			(real) (i % k == 0 ? 1 + (double) (i / k) / 7
							   : ((int) (draw() * 127) + 0.5) / 127 * (1 + (double) (i / k) / 7));
	for (size_t i = 0; i < k; i++)
	{
		x[3 * k + i] = 0;
		x[4 * k + i] = (real) (i == 5 ? 1e-35 : 0);
		x[5 * k + i] *= (real) 1e30;
		x[6 * k + i] *= (real) 1e-25;
	}
	memset(weight, 0, sizeof(weight));
	for (size_t o = 0; o < n; o++)
		weight[o * k + o] = 127;
	run(rows, n, k, NULL, y, n);
	for (size_t i = 0; i < n; i++)
		if (y[3 * n + i] != 0 || y[4 * n + i] != 0 || !isfinite(y[5 * n + i]))
			CHECK(false, "%s: a row of zeros, of nearly nothing or of huge numbers", set);
	if (is_first)
		memcpy(first, y, rows * n * sizeof(real));
	CHECK(memcmp(first, y, rows * n * sizeof(real)) == 0,
		  "%s: inputs are rounded as on the first instruction set", set);
}

int
main(void)
{
	bool is_first = true;

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
	{
		if (!nn_simd_force(sets[i]))
		{
			check_skip(sets[i], "not on this machine or not in double");
			continue;
		}
		for (size_t rows = 1; rows <= MOST_ROWS; rows += rows < 13 ? 1 : 5)
			test_whole(sets[i], rows, 33, 64, 0.1);
		test_whole(sets[i], 5, 1, 1, 0);
		test_whole(sets[i], 5, MOST_OUT, 7, 0.2);
		test_whole(sets[i], 3, 64, MOST_IN, 0.3);
		test_whole(sets[i], 3, 31, MOST_IN, 1);
		test_near(sets[i]);
		draw_state = 77;
		test_same(sets[i], is_first);
		is_first = false;
	}
	nn_simd_force(NULL);
	return check_done();
}
