/* also: double */
/*
 * test_activation.c
 *	  The vector functions and the products of few rows, on every instruction set
 *	  that this machine has, against plain loops in double precision.
 */
#include "check.h"

#include <float.h>
#include <math.h>

#include "../../src/nn/activation.h"
#include "../../src/nn/matmul.h"

#define MOST 67                  /* longest of the lengths that are all tried */
#define GUARD 8                  /* numbers before and after that nobody may touch */
#define UNTOUCHED ((real) 12345) /* what they hold */

static const char *const sets[] = { "baseline", "avx2", "avx512" };

static uint64_t draw_state = 1;

/* A number in -1..1, the same in every run. */
static real
draw(void)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (real) ((double) (draw_state >> 11) * 0x1p-52 - 1);
}

static void
fill(real *numbers, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		numbers[i] = draw();
}

/* How far apart two numbers of about this size may be after a few roundings. */
static bool
is_near(double got, double wanted, double size)
{
	double bound = sizeof(real) == sizeof(double) ? 1e-13 : 2e-6;

	return fabs(got - wanted) <= bound * (1 + fabs(size));
}

static double
exact_sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

typedef struct function
{
	const char *name;
	void (*vector)(size_t n, const real *x, real *y);
	double (*exact)(double x);
	double absolute; /* bounds of activation.h; 0: none */
	double relative;
	real low, high; /* the limits at the infinities */
} function;

static const function functions[] = {
	{ "exp", nn_exp, exp, 0, 3e-7, 0, (real) INFINITY },
	{ "sigmoid", nn_sigmoid, exact_sigmoid, 1.5e-7, 0, 0, 1 },
	{ "tanh", nn_tanh, tanh, 3e-7, 4e-6, -1, 1 },
};

/*
 * exp is held to its relative bound where the result is a normal float and to an
 * absolute one below; where the exact result is beyond the largest, infinity is right.
 */
static bool
is_within(const function *f, double got, double wanted)
{
	double error = fabs(got - wanted);

	if (isinf(got) && wanted > FLT_MAX * (1 - f->relative))
		return true;
	if (f->absolute > 0 && !(error <= f->absolute))
		return false;
	if (f->relative > 0 && fabs(wanted) < FLT_MIN)
		return error <= 1.2e-38;
	return f->relative == 0 || error <= f->relative * fabs(wanted);
}

/* Every exponent and sign, with mantissas spread over all of them: two million floats. */
static void
check_bounds(const function *f)
{
	enum
	{
		MANTISSAS = 4096
	};
	static real x[MANTISSAS];
	static real y[MANTISSAS];
	size_t wrong = 0;
	float first_wrong = 0;
	uint32_t high;
	size_t i;

	for (high = 0; high < 512; high++)
	{
		if ((high & 255) == 255)
			continue;
		for (i = 0; i < MANTISSAS; i++)
		{
			/* the lowest bits vary as well; the last mantissa is all ones */
			uint32_t bits = high << 23 | (uint32_t) i << 11 | (uint32_t) (i * 2654435761u) >> 21;
			float number;

			memcpy(&number, &bits, sizeof(number));
			x[i] = number;
		}
		f->vector(MANTISSAS, x, y);
		for (i = 0; i < MANTISSAS; i++)
		{
			if (!is_within(f, y[i], f->exact(x[i])))
			{
				if (wrong++ == 0)
					first_wrong = (float) x[i];
			}
		}
	}
	CHECK(wrong == 0, "%s: %s is within its bounds over all exponents (wrong: %zu, first at %a)",
		  nn_simd_name(), f->name, wrong, (double) first_wrong);

	/* where gates live, densely */
	wrong = 0;
	for (high = 0; high < 100; high++)
	{
		for (i = 0; i < MANTISSAS; i++)
			x[i] = (real) (-20 + (high + i / (double) MANTISSAS) * 0.4);
		f->vector(MANTISSAS, x, y);
		for (i = 0; i < MANTISSAS; i++)
			wrong += !is_within(f, y[i], f->exact(x[i]));
	}
	CHECK(wrong == 0, "%s: %s is within its bounds on -20..20 (wrong: %zu)", nn_simd_name(),
		  f->name, wrong);
}

static void
check_specials(const function *f)
{
	real x[MOST];
	real y[MOST];
	size_t i;
	bool good = true;
	bool neighbours = true;

	/* in every lane, among ordinary numbers */
	for (i = 0; i < MOST; i++)
	{
		size_t j;

		for (j = 0; j < MOST; j++)
			x[j] = 0.5f;
		x[i] = (real) NAN;
		f->vector(MOST, x, y);
		good = good && isnan(y[i]);
		for (j = 0; j < MOST; j++)
			neighbours = neighbours && (j == i || is_within(f, y[j], f->exact(0.5)));
		x[i] = (real) INFINITY;
		f->vector(MOST, x, y);
		good = good && y[i] == f->high;
		x[i] = (real) -INFINITY;
		f->vector(MOST, x, y);
		good = good && y[i] == f->low;
	}
	CHECK(good, "%s: %s of NaN is NaN, of the infinities its limits", nn_simd_name(), f->name);
	CHECK(neighbours, "%s: %s of NaN leaves the neighbours alone", nn_simd_name(), f->name);

	x[0] = 0;
	x[1] = (real) -0.0;
	f->vector(2, x, y);
	CHECK(y[0] == (real) f->exact(0) && y[1] == (real) f->exact(0), "%s: %s of 0 is exact",
		  nn_simd_name(), f->name);
}

/* All lengths, out of place and in place, with guards; values equal whatever the position. */
static void
check_lengths(const function *f)
{
	real x[MOST + 2 * GUARD];
	real y[MOST + 2 * GUARD];
	bool good = true;
	size_t n, i;

	for (n = 0; n <= MOST; n++)
	{
		for (i = 0; i < MOST + 2 * GUARD; i++)
			x[i] = y[i] = UNTOUCHED;
		for (i = 0; i < n; i++)
			x[GUARD + i] = 3 * draw();
		f->vector(n, x + GUARD, y + GUARD);
		for (i = 0; i < n; i++)
		{
			real alone;

			f->vector(1, &x[GUARD + i], &alone);
			good = good && y[GUARD + i] == alone;
		}
		f->vector(n, x + GUARD, x + GUARD);
		for (i = 0; i < MOST + 2 * GUARD; i++)
		{
			bool inside = i >= GUARD && i < GUARD + n;

			good = good && (inside || (x[i] == UNTOUCHED && y[i] == UNTOUCHED));
			good = good && x[i] == y[i];
		}
	}
	CHECK(good, "%s: %s of 0 to %d numbers, also in place, touches nothing else", nn_simd_name(),
		  f->name, MOST);
}

/* The loops without a polynomial, for every length. */
static void
check_simple(void)
{
	bool relu = true, relu_backward = true, axpy = true, dot = true, squares = true;
	bool scale = true, multiply = true, guards = true;
	size_t n, i;

	for (n = 0; n <= MOST; n++)
	{
		/* exactly as long as they say: AddressSanitizer sees a step beyond */
		real *x = malloc(n * sizeof(real) + 1);
		real *y = malloc(n * sizeof(real) + 1);
		real *z = malloc(n * sizeof(real) + 1);
		double product = 0;
		double square = 0;

		fill(x, n);
		fill(y, n);
		nn_relu(n, x, z);
		for (i = 0; i < n; i++)
			relu = relu && z[i] == (x[i] > 0 ? x[i] : 0);
		nn_relu_backward(n, z, y, z);
		for (i = 0; i < n; i++)
			relu_backward = relu_backward && z[i] == (x[i] > 0 ? y[i] : 0);
		memcpy(z, y, n * sizeof(real));
		nn_axpy(n, (real) 0.75, x, z);
		for (i = 0; i < n; i++)
			axpy = axpy && is_near(z[i], y[i] + 0.75 * x[i], 1);
		for (i = 0; i < n; i++)
		{
			product += (double) x[i] * y[i];
			square += (double) x[i] * x[i];
		}
		dot = dot && is_near(nn_dot(n, x, y), product, 1);
		squares = squares && fabs(nn_sum_of_squares(n, x) - square) <= 1e-13 * (1 + square);
		memcpy(z, y, n * sizeof(real));
		nn_scale(n, (real) -3, z);
		for (i = 0; i < n; i++)
			scale = scale && z[i] == -3 * y[i];
		nn_multiply(n, x, z);
		for (i = 0; i < n; i++)
			multiply = multiply && z[i] == -3 * y[i] * x[i];
		((char *) z)[n * sizeof(real)] = 'g';
		nn_scale(n, 2, z);
		guards = guards && ((char *) z)[n * sizeof(real)] == 'g';
		free(x);
		free(y);
		free(z);
	}
	CHECK(relu, "%s: relu", nn_simd_name());
	CHECK(relu_backward, "%s: relu backward, in place", nn_simd_name());
	CHECK(axpy, "%s: axpy", nn_simd_name());
	CHECK(dot, "%s: dot", nn_simd_name());
	CHECK(squares, "%s: sum of squares is as good as double", nn_simd_name());
	CHECK(scale && guards, "%s: scale", nn_simd_name());
	CHECK(multiply, "%s: multiply", nn_simd_name());

	{
		real odd[5] = { (real) NAN, -1, 1, (real) -INFINITY, (real) INFINITY };
		real y[5];

		nn_relu(5, odd, y);
		CHECK(isnan(y[0]) && y[1] == 0 && y[2] == 1 && y[3] == 0 && y[4] == (real) INFINITY,
			  "%s: relu of NaN is NaN", nn_simd_name());
	}
	{
		/* so large that a float could not hold the sum exactly */
		static real many[100003];
		double got;

		for (i = 0; i < 100003; i++)
			many[i] = 1;
		got = nn_sum_of_squares(100003, many);
		CHECK(got == 100003, "%s: sum of squares of many ones is exact: %.1f", nn_simd_name(), got);
	}
}

static void
check_bias(void)
{
	bool forward = true, backward = true;
	size_t rows, columns, r, c;

	for (rows = 0; rows <= 9; rows++)
	{
		for (columns = 1; columns <= 37; columns += 4)
		{
			size_t ld = columns + 3;
			real y[9 * 40];
			real before[9 * 40];
			real bias[37];
			real gradient[37];

			fill(before, sizeof(before) / sizeof(real));
			memcpy(y, before, sizeof(y));
			fill(bias, columns);
			nn_add_bias(rows, columns, bias, y, ld);
			for (r = 0; r < rows; r++)
			{
				for (c = 0; c < ld; c++)
				{
					real wanted = before[r * ld + c] + (c < columns ? bias[c] : 0);

					forward = forward && y[r * ld + c] == wanted;
				}
			}
			memcpy(gradient, bias, sizeof(gradient));
			nn_add_bias_backward(rows, columns, y, ld, gradient);
			for (c = 0; c < columns; c++)
			{
				double wanted = bias[c];

				for (r = 0; r < rows; r++)
					wanted += y[r * ld + c];
				backward = backward && is_near(gradient[c], wanted, 9);
			}
		}
	}
	CHECK(forward, "%s: bias is added to the columns and not between the rows", nn_simd_name());
	CHECK(backward, "%s: the bias gradient sums the rows", nn_simd_name());
}

static void
check_lstm(void)
{
	enum
	{
		ROWS = 3,
		GAP = 5
	};
	bool forward = true, gaps = true, backward = true, in_place = true;
	size_t hidden, r, u;
	int zero_state;

	for (hidden = 1; hidden <= 37; hidden++)
	{
		for (zero_state = 0; zero_state < 2; zero_state++)
		{
			size_t ld_gates = 4 * hidden + GAP;
			size_t ld_h = hidden + GAP;
			size_t cells = ROWS * hidden;
			size_t gates_size = ROWS * ld_gates * sizeof(real);
			real *gates = malloc(gates_size);
			real *start = malloc(gates_size);
			real *h = malloc(ROWS * ld_h * sizeof(real));
			real *dh = malloc(ROWS * ld_h * sizeof(real));
			real *cell = malloc(4 * cells * sizeof(real));
			real *c_previous = cell + cells;
			real *tanh_c = c_previous + cells;
			real *dc = tanh_c + cells;
			real *again = malloc(gates_size);
			real *c_again = malloc(cells * sizeof(real));
			real *dc_start = malloc(cells * sizeof(real));

			for (r = 0; r < ROWS * ld_gates; r++)
				start[r] = 4 * draw();
			memcpy(gates, start, gates_size);
			memcpy(again, start, gates_size);
			for (r = 0; r < ROWS * ld_h; r++)
				h[r] = UNTOUCHED;
			fill(c_previous, cells);
			memcpy(c_again, c_previous, cells * sizeof(real));
			fill(dh, ROWS * ld_h);
			fill(dc, cells);
			memcpy(dc_start, dc, cells * sizeof(real));

			nn_lstm_gates(ROWS, hidden, gates, ld_gates, zero_state ? NULL : c_previous, cell,
						  tanh_c, h, ld_h);
			for (r = 0; r < ROWS; r++)
			{
				const real *row = start + r * ld_gates;
				const real *out = gates + r * ld_gates;

				for (u = 0; u < hidden; u++)
				{
					double i = exact_sigmoid(row[u]);
					double f = exact_sigmoid(row[hidden + u]);
					double g = tanh(row[2 * hidden + u]);
					double o = exact_sigmoid(row[3 * hidden + u]);
					double c = (zero_state ? 0 : f * c_previous[r * hidden + u]) + i * g;

					forward = forward && is_near(out[u], i, 1) && is_near(out[hidden + u], f, 1) &&
							  is_near(out[2 * hidden + u], g, 1) &&
							  is_near(out[3 * hidden + u], o, 1) &&
							  is_near(cell[r * hidden + u], c, 1) &&
							  is_near(tanh_c[r * hidden + u], tanh(c), 1) &&
							  is_near(h[r * ld_h + u], o * tanh(c), 1);
				}
				for (u = 0; u < GAP; u++)
					gaps = gaps && out[4 * hidden + u] == row[4 * hidden + u] &&
						   h[r * ld_h + hidden + u] == UNTOUCHED;
			}

			/* without a backward pass, the state in place: the same numbers */
			if (!zero_state)
			{
				real *h_again = malloc(ROWS * ld_h * sizeof(real));

				memcpy(h_again, h, ROWS * ld_h * sizeof(real));
				nn_lstm_gates(ROWS, hidden, again, ld_gates, c_again, c_again, NULL, h_again, ld_h);
				in_place = in_place && memcmp(h, h_again, ROWS * ld_h * sizeof(real)) == 0 &&
						   memcmp(cell, c_again, cells * sizeof(real)) == 0;
				free(h_again);
			}

			memcpy(again, gates, gates_size);
			nn_lstm_gates_backward(ROWS, hidden, gates, ld_gates, zero_state ? NULL : c_previous,
								   tanh_c, dh, ld_h, dc);
			for (r = 0; r < ROWS; r++)
			{
				const real *activation = again + r * ld_gates;
				const real *out = gates + r * ld_gates;

				for (u = 0; u < hidden; u++)
				{
					double i = activation[u];
					double f = activation[hidden + u];
					double g = activation[2 * hidden + u];
					double o = activation[3 * hidden + u];
					double t = tanh_c[r * hidden + u];
					double d_h = dh[r * ld_h + u];
					double d_c = dc_start[r * hidden + u] + d_h * o * (1 - t * t);
					double previous = zero_state ? 0 : c_previous[r * hidden + u];

					backward = backward && is_near(out[u], d_c * g * i * (1 - i), 1) &&
							   is_near(out[hidden + u], d_c * previous * f * (1 - f), 1) &&
							   is_near(out[2 * hidden + u], d_c * i * (1 - g * g), 1) &&
							   is_near(out[3 * hidden + u], d_h * t * o * (1 - o), 1) &&
							   is_near(dc[r * hidden + u], d_c * f, 1);
				}
				for (u = 0; u < GAP; u++)
					gaps = gaps && out[4 * hidden + u] == activation[4 * hidden + u];
			}
			free(gates);
			free(start);
			free(h);
			free(dh);
			free(cell);
			free(again);
			free(c_again);
			free(dc_start);
		}
	}
	CHECK(forward, "%s: LSTM gates of 1 to 37 units, with and without a state", nn_simd_name());
	CHECK(in_place, "%s: LSTM gates with the state in place", nn_simd_name());
	CHECK(backward, "%s: LSTM gates backward", nn_simd_name());
	CHECK(gaps, "%s: LSTM gates leave what lies between the rows", nn_simd_name());
}

/* Algorithm 2 of Loshchilov and Hutter, as the paper writes it, for some steps. */
static void
check_adamw(void)
{
	const double learning_rate = 0.01, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, decay = 0.1;
	const double clip = 0.5;
	real weight[MOST], first[MOST] = { 0 }, second[MOST] = { 0 };
	double w[MOST], m[MOST] = { 0 }, v[MOST] = { 0 };
	bool good = true;
	size_t i;
	int t;

	for (i = 0; i < MOST; i++)
		w[i] = weight[i] = draw();
	for (t = 1; t <= 20; t++)
	{
		nn_adamw_step step = { (real) learning_rate,
							   (real) beta1,
							   (real) beta2,
							   (real) epsilon,
							   (real) decay,
							   (real) clip,
							   (real) (1 - pow(beta1, t)),
							   (real) (1 - pow(beta2, t)) };
		real gradient[MOST];

		fill(gradient, MOST);
		nn_adamw(MOST, &step, weight, gradient, first, second);
		for (i = 0; i < MOST; i++)
		{
			double g = clip * gradient[i];

			m[i] = beta1 * m[i] + (1 - beta1) * g;
			v[i] = beta2 * v[i] + (1 - beta2) * g * g;
			w[i] -= learning_rate *
					(m[i] / (1 - pow(beta1, t)) / (sqrt(v[i] / (1 - pow(beta2, t))) + epsilon) +
					 decay * w[i]);
			good = good && fabs(weight[i] - w[i]) < (sizeof(real) == 4 ? 1e-5 : 1e-12) &&
				   is_near(first[i], m[i], 1) && is_near(second[i], v[i], 1);
		}
	}
	CHECK(good, "%s: AdamW over 20 steps is the paper's", nn_simd_name());
}

/* One product against three loops, in matrices with gaps that must stay as they are. */
static bool
product_is_right(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, real alpha,
				 real beta)
{
	size_t lda = (transpose_a ? m : k) + 2;
	size_t ldb = (transpose_b ? k : n) + 3;
	size_t ldc = n + 1;
	size_t size_a = (transpose_a ? k : m) * lda;
	size_t size_b = (transpose_b ? n : k) * ldb;
	size_t size_c = m * ldc;
	real *a = malloc(size_a * sizeof(real) + 1);
	real *b = malloc(size_b * sizeof(real) + 1);
	real *c = malloc(size_c * sizeof(real) + 1);
	real *before = malloc(size_c * sizeof(real) + 1);
	bool good = true;
	size_t i, j, p;

	fill(a, size_a);
	fill(b, size_b);
	fill(before, size_c);
	if (beta == 0)
	{
		for (i = 0; i < m; i++)
		{
			for (j = 0; j < n; j++)
				before[i * ldc + j] = (real) NAN;
		}
	}
	memcpy(c, before, size_c * sizeof(real));
	nn_gemm(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
	for (i = 0; i < m; i++)
	{
		for (j = 0; j < n; j++)
		{
			double sum = 0;
			double wanted;

			for (p = 0; p < k; p++)
				sum += (double) (transpose_a ? a[p * lda + i] : a[i * lda + p]) *
					   (double) (transpose_b ? b[j * ldb + p] : b[p * ldb + j]);
			wanted = alpha * sum + (beta == 0 ? 0 : beta * before[i * ldc + j]);
			good = good && is_near(c[i * ldc + j], wanted, 0.1 * (double) k);
		}
		good = good && c[i * ldc + n] == before[i * ldc + n];
	}
	free(a);
	free(b);
	free(c);
	free(before);
	return good;
}

static void
check_products(const char *how)
{
	static const size_t rows[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 13, 66 };
	static const size_t columns[] = { 0, 1, 2, 7, 8, 15, 16, 28, 33, 64, 131 };
	static const size_t depths[] = { 0, 1, 3, 8, 17, 32, 65, 300 };
	bool transpose_a, transpose_b;
	int which;

	for (which = 0; which < 4; which++)
	{
		size_t wrong = 0;
		char first_wrong[64] = "";
		size_t i, j, p;

		transpose_a = which & 1;
		transpose_b = which & 2;
		for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		{
			for (j = 0; j < sizeof(columns) / sizeof(columns[0]); j++)
			{
				for (p = 0; p < sizeof(depths) / sizeof(depths[0]); p++)
				{
					bool good = product_is_right(transpose_a, transpose_b, rows[i], columns[j],
												 depths[p], 1, 0) &&
								product_is_right(transpose_a, transpose_b, rows[i], columns[j],
												 depths[p], (real) -0.5, (real) 0.75);

					if (!good && wrong++ == 0)
						snprintf(first_wrong, sizeof(first_wrong), "%zu,%zu,%zu", rows[i],
								 columns[j], depths[p]);
				}
			}
		}
		CHECK(wrong == 0, "%s, %s: A%s B%s in all shapes (wrong: %zu, first at %s)", nn_simd_name(),
			  how, transpose_a ? "'" : "", transpose_b ? "'" : "", wrong, first_wrong);
	}
}

/* A column of ones by a contiguous matrix, and a contiguous A' of one row: shapes of their own. */
static void
check_thin_products(void)
{
	real a[40 * 19];
	real x[40];
	real y[40];
	bool column = true, transposed_column = true, row = true;
	size_t i, p;

	fill(a, sizeof(a) / sizeof(real));
	fill(x, 40);
	nn_gemm(false, false, 40, 1, 19, 1, a, 19, x, 1, 0, y, 1);
	for (i = 0; i < 40; i++)
	{
		double sum = 0;

		for (p = 0; p < 19; p++)
			sum += (double) a[i * 19 + p] * x[p];
		column = column && is_near(y[i], sum, 3);
	}
	nn_gemm(true, true, 40, 1, 19, 1, a, 40, x, 19, 0, y, 1);
	for (i = 0; i < 40; i++)
	{
		double sum = 0;

		for (p = 0; p < 19; p++)
			sum += (double) a[p * 40 + i] * x[p];
		transposed_column = transposed_column && is_near(y[i], sum, 3);
	}
	nn_gemm(true, false, 1, 19, 40, 1, x, 1, a, 19, 0, y, 19);
	for (i = 0; i < 19; i++)
	{
		double sum = 0;

		for (p = 0; p < 40; p++)
			sum += (double) a[p * 19 + i] * x[p];
		row = row && is_near(y[i], sum, 4);
	}
	CHECK(column && transposed_column && row, "%s: products with one column or one row",
		  nn_simd_name());

	nn_gemv(40, 19, 2, a, 19, x, 0, y);
	column = true;
	for (i = 0; i < 40; i++)
	{
		double sum = 0;

		for (p = 0; p < 19; p++)
			sum += (double) a[i * 19 + p] * x[p];
		column = column && is_near(y[i], 2 * sum, 6);
	}
	CHECK(column, "%s: gemv", nn_simd_name());
}

/* The number after "Threads:" of /proc/self/status; 0 where there is none. */
static int
count_threads(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	int threads = 0;

	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL)
	{
		if (sscanf(line, "Threads: %d", &threads) == 1)
			break;
	}
	fclose(file);
	return threads;
}

static bool
load_blas(void)
{
	int threads = count_threads();
	em_status status;
	const char *variable;

	CHECK(strcmp(nn_blas_description(), "") == 0, "nothing is loaded before the first use");
	setenv("OPENBLAS_NUM_THREADS", "3", 1);
	unsetenv("OMP_NUM_THREADS");
	if (nn_blas_load(&status) != EM_OK)
	{
		check_skip("OpenBLAS", status.message);
		return false;
	}
	CHECK(strcmp(nn_blas_description(), "") != 0, "loaded %s", nn_blas_description());
	CHECK(count_threads() == threads, "OpenBLAS starts no thread");
	variable = getenv("OPENBLAS_NUM_THREADS");
	CHECK(variable != NULL && strcmp(variable, "3") == 0 && getenv("OMP_NUM_THREADS") == NULL,
		  "the environment is as it was");
	CHECK(nn_blas_load(NULL) == EM_OK, "loading twice is loading once");
	return true;
}

int
main(void)
{
	const char *best = nn_simd_name();
	size_t s, i;

	CHECK(!nn_simd_force("abacus") && strcmp(nn_simd_name(), best) == 0,
		  "an unknown instruction set is refused");
	for (s = 0; s < sizeof(sets) / sizeof(sets[0]); s++)
	{
		if (!nn_simd_force(sets[s]))
		{
			check_skip(sets[s], "this machine or build has none");
			continue;
		}
		CHECK(strcmp(nn_simd_name(), sets[s]) == 0, "%s is in force", sets[s]);
		for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		{
			check_bounds(&functions[i]);
			check_specials(&functions[i]);
			check_lengths(&functions[i]);
		}
		check_simple();
		check_bias();
		check_lstm();
		check_adamw();
		check_products("without OpenBLAS");
		check_thin_products();
	}
	CHECK(nn_simd_force(NULL) && strcmp(nn_simd_name(), best) == 0, "back to the best: %s", best);
	if (load_blas())
	{
		for (s = 0; s < sizeof(sets) / sizeof(sets[0]); s++)
		{
			if (nn_simd_force(sets[s]))
				check_products("with OpenBLAS");
		}
		check_thin_products();
	}
	return check_done();
}
