/*
 * simd_gemm.h
 *	  Matrix products for few rows of A, straight from the caller's matrices.
 *
 * OpenBLAS packs both matrices first, which for few rows costs more than the
 * product. Here a tile of C stays in registers while A and B stream by: at most
 * four rows of A, and as many columns as the registers hold.
 */

/*
 * Vectors of columns in a tile of gemm_nn, and columns in a tile of gemm_nt,
 * for a number of rows.
 */
#if SIMD_LEVEL == 3
#define NN_VECTORS(rows) ((rows) == 1 ? 8 : 4)
#define NT_COLUMNS(rows) ((rows) == 4 ? 6 : 8)
#elif SIMD_LEVEL == 2
#define NN_VECTORS(rows) ((rows) == 1 ? 8 : (rows) == 2 ? 4 : 3)
#define NT_COLUMNS(rows) ((rows) <= 2 ? 8 / (rows) : 3)
#else
#define NN_VECTORS(rows) ((rows) == 1 ? 8 : (rows) == 2 ? 4 : 2)
#define NT_COLUMNS(rows) ((rows) == 1 ? 8 : (rows) == 2 ? 4 : (rows) == 3 ? 4 : 2)
#endif
#define NN_MOST_VECTORS 8
#define NT_MOST_COLUMNS 8

/*
 * Keeps v in a register: gcc, which knows where v came from, would rather load
 * it again for every row.
 */
#if SIMD_LEVEL >= 2 && defined(__GNUC__) && !defined(__clang__)
#define V_HOLD(v) __asm__("" : "+v"(v))
#else
#define V_HOLD(v) (void) (v)
#endif

V_INLINE vreal
gemm_blend(vreal sum, real alpha, real beta, const real *c, size_t count)
{
	sum = sum * v_set(alpha);
	return beta == 0 ? sum : v_fma(v_set(beta), v_get(c, count), sum);
}

/*
 * rows x (vectors of columns), the last vector of `count` columns: C = beta * C
 * + alpha * A B. rows, vectors and mostly count are known at compile time.
 */
V_INLINE void
nn_tile(const size_t rows, const size_t vectors, const size_t count, size_t k, real alpha,
		const real *a, size_t lda, const real *b, size_t ldb, real beta, real *c, size_t ldc)
{
	vreal sum[4][NN_MOST_VECTORS];
	size_t i, j, p;

	V_UNROLL for (i = 0; i < rows; i++)
	{
		V_UNROLL for (j = 0; j < vectors; j++) sum[i][j] = v_set(0);
	}
	for (p = 0; p < k; p++, b += ldb)
	{
		vreal line[NN_MOST_VECTORS];

		V_UNROLL for (j = 0; j < vectors; j++)
		{
			line[j] = v_get(b + j * V_LANES, count);
			if (rows > 1)
				V_HOLD(line[j]);
		}
		V_UNROLL for (i = 0; i < rows; i++)
		{
			vreal factor = v_set(a[i * lda + p]);

			V_UNROLL for (j = 0; j < vectors; j++) sum[i][j] = v_fma(factor, line[j], sum[i][j]);
		}
	}
	V_UNROLL for (i = 0; i < rows; i++)
	{
		V_UNROLL for (j = 0; j < vectors; j++)
		{
			real *to = c + i * ldc + j * V_LANES;

			v_put(to, gemm_blend(sum[i][j], alpha, beta, to, count), count);
		}
	}
}

V_INLINE void
nn_rows(const size_t rows, size_t n, size_t k, real alpha, const real *a, size_t lda, const real *b,
		size_t ldb, real beta, real *c, size_t ldc)
{
	const size_t width = NN_VECTORS(rows) * V_LANES;
	size_t j = 0;

	for (; j + width <= n; j += width)
		nn_tile(rows, NN_VECTORS(rows), V_LANES, k, alpha, a, lda, b + j, ldb, beta, c + j, ldc);
	for (; j + V_LANES <= n; j += V_LANES)
		nn_tile(rows, 1, V_LANES, k, alpha, a, lda, b + j, ldb, beta, c + j, ldc);
	if (j < n)
		nn_tile(rows, 1, n - j, k, alpha, a, lda, b + j, ldb, beta, c + j, ldc);
}

static void
kernel_gemm_nn(size_t m, size_t n, size_t k, real alpha, const real *a, size_t lda, const real *b,
			   size_t ldb, real beta, real *c, size_t ldc)
{
	for (; m >= 4; m -= 4, a += 4 * lda, c += 4 * ldc)
		nn_rows(4, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
	if (m == 3)
		nn_rows(3, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
	else if (m == 2)
		nn_rows(2, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
	else if (m == 1)
		nn_rows(1, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

/* C (rows, columns) = beta * C + alpha * A B^T, a dot product each. */
V_INLINE void
nt_tile(const size_t rows, const size_t columns, size_t k, real alpha, const real *a, size_t lda,
		const real *b, size_t ldb, real beta, real *c, size_t ldc)
{
	vreal sum[4 * NT_MOST_COLUMNS];
	real total[4 * NT_MOST_COLUMNS];
	size_t i, j;

	V_UNROLL for (i = 0; i < rows * columns; i++) sum[i] = v_set(0);
#define BODY(p, count)                                                                             \
	do                                                                                             \
	{                                                                                              \
		vreal line[NT_MOST_COLUMNS];                                                               \
		V_UNROLL for (j = 0; j < columns; j++)                                                     \
		{                                                                                          \
			line[j] = v_get(b + j * ldb + (p), (count));                                           \
			if (rows > 1)                                                                          \
				V_HOLD(line[j]);                                                                   \
		}                                                                                          \
		V_UNROLL for (i = 0; i < rows; i++)                                                        \
		{                                                                                          \
			vreal x = v_get(a + i * lda + (p), (count));                                           \
			V_UNROLL for (j = 0; j < columns; j++) sum[i * columns + j] =                          \
				v_fma(x, line[j], sum[i * columns + j]);                                           \
		}                                                                                          \
	} while (0)
	V_EACH(k, BODY);
#undef BODY

	V_UNROLL for (i = 0; i + 4 <= rows * columns; i += 4)
		v_sum4(sum[i], sum[i + 1], sum[i + 2], sum[i + 3], total + i);
	V_UNROLL for (; i < rows * columns; i++) total[i] = v_sum(sum[i]);
	V_UNROLL for (i = 0; i < rows; i++)
	{
		V_UNROLL for (j = 0; j < columns; j++)
		{
			real *to = c + i * ldc + j;

			*to = beta == 0 ? alpha * total[i * columns + j]
							: beta * *to + alpha * total[i * columns + j];
		}
	}
}

V_INLINE void
nt_rows(const size_t rows, size_t n, size_t k, real alpha, const real *a, size_t lda, const real *b,
		size_t ldb, real beta, real *c, size_t ldc)
{
	const size_t columns = NT_COLUMNS(rows);
	size_t j = 0;

	for (; j + columns <= n; j += columns)
		nt_tile(rows, columns, k, alpha, a, lda, b + j * ldb, ldb, beta, c + j, ldc);
	for (; j < n; j++)
		nt_tile(rows, 1, k, alpha, a, lda, b + j * ldb, ldb, beta, c + j, ldc);
}

static void
kernel_gemm_nt(size_t m, size_t n, size_t k, real alpha, const real *a, size_t lda, const real *b,
			   size_t ldb, real beta, real *c, size_t ldc)
{
	for (; m >= 4; m -= 4, a += 4 * lda, c += 4 * ldc)
		nt_rows(4, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
	if (m == 3)
		nt_rows(3, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
	else if (m == 2)
		nt_rows(2, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
	else if (m == 1)
		nt_rows(1, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
