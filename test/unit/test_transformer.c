/* also: double */
/*
 * test_transformer.c
 *	  A transformer's functions on every instruction set that this machine has,
 *	  against plain loops in double precision.
 */
#include "check.h"

#include <math.h>

#include "../../src/nn/activation.h"
#include "../../src/nn/transformer.h"

#define MOST 70      /* longest of the rows that are all tried */
#define UNTOUCHED 99 /* what lies behind a row */

static const char *const sets[] = { "baseline", "avx2", "avx512" };

static uint64_t draw_state = 1;

static real
draw(void)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (real) ((double) (draw_state >> 11) * 0x1p-52 - 1);
}

static void
fill(real *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		numbers[i] = draw();
}

static bool
is_near(double got, double wanted)
{
	double bound = sizeof(real) == sizeof(double) ? 1e-13 : 2e-6;

	return fabs(got - wanted) <= bound * (1 + fabs(wanted));
}

static double
phi(double x)
{
	return 0.5 * erfc(-x * 0.70710678118654752440);
}

/* Densely over where GELU bends, and over all exponents beyond. */
static void
test_gelu_bounds(void)
{
	enum
	{
		POINTS = 200000
	};
	static real z[POINTS], y[POINTS], slope[POINTS], ones[POINTS];
	double worst = 0, worst_slope = 0, worst_relative = 0;

	for (size_t i = 0; i < POINTS; i++)
	{
		z[i] = (real) (-15 + 30 * (double) i / POINTS);
		ones[i] = 1;
	}
	nn_gelu_backward(POINTS, z, ones, slope, y);
	for (size_t i = 0; i < POINTS; i++)
	{
		double x = z[i], exact = phi(x);
		double wanted = exact + x * exp(-0.5 * x * x) * 0.39894228040143267794;

		if (x != 0)
			worst = fmax(worst, fabs(y[i] / x - exact));
		if (x > -4 && x != 0)
			worst_relative = fmax(worst_relative, fabs(y[i] / x / exact - 1));
		worst_slope = fmax(worst_slope, fabs(slope[i] - wanted));
	}
	CHECK(worst <= 3e-7, "%s: erf in GELU is off by at most 3e-7", nn_simd_name());
	CHECK(worst_relative <= 1e-6, "%s: relative to its value 1e-6 from -4 on", nn_simd_name());
	CHECK(worst_slope <= 1e-6, "%s: GELU's derivative is off by at most 1e-6", nn_simd_name());
	printf("# %.2g, %.2g, %.2g\n", worst, worst_relative, worst_slope);
}

static void
test_gelu_extremes(void)
{
	const real far = (real) 1e30;
	real z[6] = { 0, far, -far, (real) INFINITY, (real) NAN, -40 };
	real y[6];

	nn_gelu(1, 6, NULL, z, y);
	CHECK(y[0] == 0 && y[1] == far && y[2] == 0 && isinf(y[3]) && isnan(y[4]) && y[5] == 0,
		  "%s: GELU far out, of infinity and of NaN", nn_simd_name());
}

static void
test_gelu_rows(void)
{
	bool good = true;

	for (size_t n = 1; n <= MOST; n++)
	{
		real x[2 * MOST + 1], z[2 * MOST + 1], y[2 * MOST + 1], bias[MOST];

		fill(x, 2 * n);
		fill(bias, n);
		memcpy(z, x, 2 * n * sizeof(real));
		z[2 * n] = y[2 * n] = UNTOUCHED;
		nn_gelu(2, n, bias, z, y);
		for (size_t i = 0; i < 2 * n; i++)
		{
			double sum = (double) x[i] + bias[i % n];

			good &= is_near(z[i], sum) && is_near(y[i], sum * phi(sum));
		}
		good &= z[2 * n] == UNTOUCHED && y[2 * n] == UNTOUCHED;
		memcpy(z, x, 2 * n * sizeof(real));
		nn_gelu(2, n, bias, z, z);
		good &= memcmp(z, y, 2 * n * sizeof(real)) == 0;
	}
	CHECK(good, "%s: bias and GELU, rows of any length, in place or not", nn_simd_name());
}

static void
test_softmax(void)
{
	bool good = true, huge = true;

	for (size_t n = 1; n <= MOST; n++)
	{
		size_t ld = n + 3;
		real x[2 * (MOST + 3)], p[2 * (MOST + 3)];

		fill(x, 2 * ld);
		/* the largest in any place, among negative ones too: lanes beyond the row must not count */
		for (size_t i = 0; i < n; i++)
			x[i] = x[i] * 20 - 300;
		memcpy(p, x, 2 * ld * sizeof(real));
		nn_softmax(2, n, (real) 0.7, p, ld);
		for (size_t r = 0; r < 2; r++)
		{
			double sum = 0, largest = -INFINITY;

			for (size_t i = 0; i < n; i++)
				largest = fmax(largest, x[r * ld + i]);
			for (size_t i = 0; i < n; i++)
				sum += exp((real) 0.7 * (x[r * ld + i] - largest));
			for (size_t i = 0; i < n; i++)
				good &= is_near(p[r * ld + i], exp((real) 0.7 * (x[r * ld + i] - largest)) / sum);
			good &= memcmp(p + r * ld + n, x + r * ld + n, 3 * sizeof(real)) == 0;
		}
		for (size_t i = 0; i < n; i++)
			p[i] = (real) (i == n / 2 ? 1e30 : -1e30);
		nn_softmax(1, n, 1, p, n);
		for (size_t i = 0; i < n; i++)
			huge &= p[i] == (i == n / 2);
	}
	CHECK(good, "%s: softmax of rows of any length", nn_simd_name());
	CHECK(huge, "%s: softmax of huge numbers", nn_simd_name());
}

static void
test_layer_norm(void)
{
	bool good = true;

	for (size_t n = 1; n <= MOST; n++)
	{
		real x[2 * MOST], mask[2 * MOST], residual[2 * MOST], y[2 * MOST + 1], normal[2 * MOST + 1];
		real bias[MOST], scale[MOST], shift[MOST], inverse[2];
		const nn_norm norm = { bias, mask, residual, scale, shift, (real) 1e-2 };

		fill(x, 2 * n);
		fill(mask, 2 * n);
		fill(residual, 2 * n);
		fill(bias, n);
		fill(scale, n);
		fill(shift, n);
		y[2 * n] = normal[2 * n] = UNTOUCHED;
		nn_layer_norm(2, n, &norm, x, normal, inverse, y);
		for (size_t r = 0; r < 2; r++)
		{
			double s[MOST], mean = 0, variance = 0;

			for (size_t i = 0; i < n; i++)
			{
				size_t at = r * n + i;

				s[i] = ((double) x[at] + bias[i]) * mask[at] + residual[at];
				mean += s[i] / (double) n;
			}
			for (size_t i = 0; i < n; i++)
				variance += (s[i] - mean) * (s[i] - mean) / (double) n;
			good &= is_near(inverse[r], 1 / sqrt(variance + (real) 1e-2));
			for (size_t i = 0; i < n; i++)
			{
				double wanted = (s[i] - mean) / sqrt(variance + (real) 1e-2);

				good &= is_near(normal[r * n + i], wanted) &&
						is_near(y[r * n + i], wanted * scale[i] + shift[i]);
			}
		}
		good &= y[2 * n] == UNTOUCHED && normal[2 * n] == UNTOUCHED;
	}
	CHECK(good, "%s: layer norm of rows of any length", nn_simd_name());
}

/* With the offset that word vectors can have: the sum of squares must not cancel. */
static void
test_offset(void)
{
	real x[48], y[48], scale[48], shift[48];
	const nn_norm norm = { .scale = scale, .shift = shift, .epsilon = (real) 1e-5 };
	double largest = 0;

	for (size_t i = 0; i < 48; i++)
	{
		x[i] = 1000 + (real) (i % 2);
		scale[i] = 1;
		shift[i] = 0;
	}
	nn_layer_norm(1, 48, &norm, x, NULL, NULL, y);
	for (size_t i = 0; i < 48; i++)
		largest = fmax(largest, fabs(y[i] - (i % 2 ? 1 : -1)));
	CHECK(largest < 1e-3, "%s: layer norm of numbers far from 0", nn_simd_name());
}

static void
test_backward(void)
{
	bool good = true;

	for (size_t n = 1; n <= MOST; n++)
	{
		real dy[MOST], normal[MOST], scale[MOST], dx[MOST], dscale[MOST], dshift[MOST];
		real p[MOST], dp[MOST], inverse = (real) 1.5;
		double mean = 0, slope = 0, dot = 0;

		fill(dy, n);
		fill(normal, n);
		fill(scale, n);
		fill(p, n);
		fill(dscale, n);
		memcpy(dshift, dscale, sizeof(dscale));
		memcpy(dp, dy, sizeof(dp));
		for (size_t i = 0; i < n; i++)
		{
			mean += (double) dy[i] * scale[i] / (double) n;
			slope += (double) dy[i] * scale[i] * normal[i] / (double) n;
			dot += (double) p[i] * dp[i];
		}
		nn_softmax_backward(1, n, 2, p, dp, n);
		for (size_t i = 0; i < n; i++)
			good &= is_near(dp[i], 2 * p[i] * (dy[i] - dot));
		memcpy(dp, dscale, sizeof(dp));
		nn_layer_norm_backward(1, n, dy, normal, &inverse, scale, dx, dscale, dshift);
		for (size_t i = 0; i < n; i++)
			good &= is_near(dx[i], 1.5 * (dy[i] * scale[i] - mean - normal[i] * slope)) &&
					is_near(dscale[i], (double) dp[i] + (double) dy[i] * normal[i]) &&
					is_near(dshift[i], (double) dp[i] + dy[i]);
	}
	CHECK(good, "%s: gradients of softmax and layer norm", nn_simd_name());
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
	{
		if (!nn_simd_force(sets[i]))
		{
			check_skip(sets[i], "not on this machine or not in double");
			continue;
		}
		test_gelu_bounds();
		test_gelu_extremes();
		test_gelu_rows();
		test_softmax();
		test_layer_norm();
		test_offset();
		test_backward();
	}
	nn_simd_force(NULL);
	return check_done();
}
