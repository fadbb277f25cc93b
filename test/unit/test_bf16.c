/* also: double */
/*
 * test_bf16.c
 *	  Rounding to bf16 and the products of bf16 numbers, on every instruction set
 *	  that this machine has, against plain loops in double precision.
 */
#include "check.h"

#include <math.h>

#include "../../src/nn/activation.h"
#include "../../src/nn/bf16.h"
#include "../../src/nn/matmul.h"

#define MOST 67
#define UNTOUCHED ((real) 12345)

static const char *const sets[] = { "baseline", "avx2", "avx512" };

static uint64_t draw_state = 1;

/* A number in -1..1, the same in every run. */
static real
draw(void)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (real) ((double) (draw_state >> 11) * 0x1p-52 - 1);
}

static float
from_bits(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* Of the two bf16 that enclose x the nearer, of two as near the even one. */
static nn_bf16
nearest(uint32_t bits)
{
	uint32_t below = bits >> 16;
	double middle = ((double) from_bits(below << 16) +
					 (((below + 1) & 0x7fff) == 0x7f80 ? copysign(0x1p128, from_bits(below << 16))
													   : (double) from_bits((below + 1) << 16))) /
					2;
	double x = from_bits(bits);

	if (fabs(x) != fabs(middle))
		return (nn_bf16) (fabs(x) < fabs(middle) ? below : below + 1);
	return (nn_bf16) (below % 2 == 0 ? below : below + 1);
}

/* Every bf16, and what lies around it and half way to the next. */
static void
test_rounding(const char *set)
{
	static const uint32_t beyond[] = { 0, 1, 0x7fff, 0x8000, 0x8001, 0xffff };
	enum
	{
		EACH = sizeof(beyond) / sizeof(beyond[0])
	};
	size_t wrong = 0, wrong_nan = 0, wrong_back = 0;

	for (uint32_t upper = 0; upper < 0x10000; upper++)
	{
		real x[EACH], back[EACH];
		nn_bf16 y[EACH];

		for (size_t i = 0; i < EACH; i++)
			x[i] = from_bits(upper << 16 | beyond[i]);
		nn_bf16_round(EACH, x, y);
		nn_bf16_widen(EACH, y, back);
		for (size_t i = 0; i < EACH; i++)
		{
			if (isnan(x[i]))
				wrong_nan += !isnan(back[i]);
			else if (isinf(x[i]))
				wrong += back[i] != x[i];
			else
				wrong += y[i] != nearest(upper << 16 | beyond[i]);
			wrong_back += !isnan(back[i]) && back[i] != from_bits((uint32_t) y[i] << 16);
		}
	}
	CHECK(wrong == 0, "%s: every number becomes the nearest bf16", set);
	CHECK(wrong_nan == 0, "%s: NaN stays NaN", set);
	CHECK(wrong_back == 0, "%s: a bf16 widens to the same number", set);
}

static void
test_lengths(const char *set)
{
	real x[MOST + 1], back[MOST + 1];
	nn_bf16 y[MOST + 1];
	bool good = true;

	for (size_t i = 0; i <= MOST; i++)
		x[i] = draw();
	for (size_t n = 0; n <= MOST; n++)
	{
		memset(y, 0x55, sizeof(y));
		for (size_t i = 0; i <= MOST; i++)
			back[i] = UNTOUCHED;
		nn_bf16_round(n, x, y);
		nn_bf16_widen(n, y, back);
		for (size_t i = 0; i < n; i++)
			good = good && fabs((double) back[i] - x[i]) <= fabs((double) x[i]) * 0x1p-8;
		good = good && y[n] == 0x5555 && back[n] == UNTOUCHED;
	}
	CHECK(good, "%s: rounding of 0 to %d numbers touches these alone", set, MOST);
}

/* A matrix as an operand in both of its kinds: stored (rows, ld), columns used. */
typedef struct matrix
{
	size_t rows, columns, ld;
	real *reals;     /* not rounded */
	nn_bf16 *halves; /* the same rounded */
	real *rounded;
} matrix;

static matrix
make_matrix(size_t rows, size_t columns)
{
	matrix made = { rows, columns, columns + 3, NULL, NULL, NULL };
	size_t count = rows * made.ld + 1;

	made.reals = malloc(count * sizeof(real));
	made.halves = malloc(count * sizeof(nn_bf16));
	made.rounded = malloc(count * sizeof(real));
	for (size_t i = 0; i < count; i++)
		made.reals[i] = i % made.ld < columns ? draw() : (real) NAN;
	nn_bf16_round(count, made.reals, made.halves);
	nn_bf16_widen(count, made.halves, made.rounded);
	return made;
}

static void
free_matrix(matrix *m)
{
	free(m->reals);
	free(m->halves);
	free(m->rounded);
}

static nn_operand
operand(const matrix *m, bool bf16, bool transpose)
{
	return bf16 ? nn_halves(m->halves, m->ld, transpose) : nn_reals(m->reals, m->ld, transpose);
}

static real
element(const matrix *m, bool transpose, size_t row, size_t column)
{
	return transpose ? m->rounded[column * m->ld + row] : m->rounded[row * m->ld + column];
}

/* kind: bit 0: A transposed, 1: B transposed, 2: A of bf16, 3: B of bf16, 4: add, 5: panels */
static bool
product_is_right(size_t m, size_t n, size_t k, unsigned int kind)
{
	bool ta = kind & 1, tb = kind & 2, add = kind & 16;
	matrix a = make_matrix(ta ? k : m, ta ? m : k);
	matrix b = make_matrix(tb ? n : k, tb ? k : n);
	size_t ldc = n + 5;
	real *c = malloc((m * ldc + 1) * sizeof(real));
	void *workspace = aligned_alloc(64, nn_bf16_workspace());
	bool good = true;

	for (size_t i = 0; i < m * ldc; i++)
		c[i] = add || i % ldc >= n ? (real) UNTOUCHED : (real) NAN;
	if (kind & 32)
	{
		nn_panels panels = { k, n, false, NULL };

		panels.data = aligned_alloc(64, (nn_panels_bytes(k, n) + 63) / 64 * 64 + 64);
		nn_panels_fill(&panels, operand(&b, kind & 8, tb));
		nn_gemm_panels(m, operand(&a, kind & 4, ta), &panels, add, c, ldc, workspace);
		free(panels.data);
	}
	else
		nn_gemm_bf16(m, n, k, operand(&a, kind & 4, ta), operand(&b, kind & 8, tb), add, c, ldc,
					 workspace);
	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < ldc; j++)
		{
			double sum = 0, size = 0;

			if (j >= n)
			{
				good = good && c[i * ldc + j] == UNTOUCHED;
				continue;
			}
			for (size_t p = 0; p < k; p++)
			{
				double term = (double) element(&a, ta, i, p) * (double) element(&b, tb, p, j);

				sum += term;
				size += fabs(term);
			}
			if (add)
			{
				sum += UNTOUCHED;
				size += UNTOUCHED;
			}
			good = good && fabs(c[i * ldc + j] - sum) <= (double) (k + 2) * 0x1p-24 * size;
		}
	free_matrix(&a);
	free_matrix(&b);
	free(c);
	free(workspace);
	return good;
}

static void
test_products(const char *set)
{
	static const size_t sizes[][3] = {
		{ 1, 1, 1 },    { 1, 32, 2 },  { 2, 31, 3 },    { 3, 33, 17 },  { 7, 5, 31 },
		{ 8, 64, 32 },  { 9, 47, 33 }, { 15, 16, 34 },  { 17, 96, 63 }, { 16, 40, 64 },
		{ 33, 28, 65 }, { 5, 3, 255 }, { 12, 37, 256 }, { 6, 50, 257 }, { 10, 20, 515 },
		{ 257, 9, 18 }, { 4, 769, 5 }, { 2, 801, 260 },
	};

	for (unsigned int kind = 0; kind < 64; kind++)
	{
		size_t wrong = 0;

		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			if (!product_is_right(sizes[i][0], sizes[i][1], sizes[i][2], kind))
			{
				wrong++;
				printf("# %zu, %zu, %zu\n", sizes[i][0], sizes[i][1], sizes[i][2]);
			}
		CHECK(wrong == 0, "%s: product of %s A%s and %s B%s%s%s", set, kind & 4 ? "bf16" : "float",
			  kind & 1 ? "'" : "", kind & 8 ? "bf16" : "float", kind & 2 ? "'" : "",
			  kind & 16 ? ", added" : "", kind & 32 ? ", B laid out" : "");
	}
}

static void
test_nothing(const char *set)
{
	real c[4] = { 1, 2, 3, 4 };
	real some[4] = { 1, 1, 1, 1 };
	void *workspace = aligned_alloc(64, nn_bf16_workspace());
	nn_panels panels = { 0, 2, false, some };
	nn_operand x = nn_reals(some, 2, false);

	nn_gemm_bf16(0, 2, 2, x, x, false, c, 2, workspace);
	nn_gemm_bf16(2, 0, 2, x, x, false, c, 2, workspace);
	nn_gemm_bf16(2, 2, 0, x, x, true, c, 2, workspace);
	nn_panels_fill(&panels, x);
	nn_gemm_panels(2, x, &panels, true, c, 2, workspace);
	nn_gemm_panels(0, x, &panels, false, c, 2, workspace);
	CHECK(c[0] == 1 && c[1] == 2 && c[2] == 3 && c[3] == 4,
		  "%s: a product without rows, columns or terms adds nothing", set);
	nn_gemm_bf16(1, 2, 0, x, x, false, c, 2, workspace);
	nn_gemm_panels(1, x, &panels, false, c + 2, 2, workspace);
	CHECK(c[0] == 0 && c[1] == 0 && c[2] == 0 && c[3] == 0, "%s: a product without terms is 0",
		  set);
	free(workspace);
}

/* What is not finite reaches the elements that depend on it, and no other. */
static void
test_not_finite(const char *set)
{
	enum
	{
		M = 11,
		N = 35,
		K = 21
	};
	matrix a = make_matrix(M, K);
	matrix b = make_matrix(K, N);
	void *workspace = aligned_alloc(64, nn_bf16_workspace());
	real c[M * N];
	bool good = true;

	a.reals[4 * a.ld + K - 1] = (real) NAN;
	b.reals[2 * b.ld + 33] = (real) INFINITY;
	nn_gemm_bf16(M, N, K, operand(&a, false, false), operand(&b, false, false), false, c, N,
				 workspace);
	for (size_t i = 0; i < M; i++)
		for (size_t j = 0; j < N; j++)
			good = good && (i == 4    ? isnan(c[i * N + j])
							: j == 33 ? isinf(c[i * N + j]) != 0
									  : isfinite(c[i * N + j]) != 0);
	CHECK(good, "%s: NaN and infinity reach their row and column alone", set);
	free_matrix(&a);
	free_matrix(&b);
	free(workspace);
}

static void
test_all(const char *set)
{
	test_rounding(set);
	test_lengths(set);
	test_products(set);
	test_nothing(set);
	test_not_finite(set);
}

int
main(void)
{
	em_status status;
	char name[40];

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
	{
		if (!nn_simd_force(sets[i]))
		{
			check_skip(sets[i], "this machine lacks it");
			continue;
		}
		snprintf(name, sizeof(name), "%s%s", sets[i], nn_bf16_native() ? " with bf16" : "");
		test_all(name);
	}
	if (nn_blas_load(&status) == EM_OK && nn_simd_force("baseline"))
		test_products("OpenBLAS");
	else
		check_skip("the same over OpenBLAS", status.message);
	return check_done();
}
