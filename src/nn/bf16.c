/*
 * bf16.c
 *	  Products of bf16 matrices by blocks that fit the caches.
 *
 * The processor's own way packs a block of each factor into panels (simd.h); the
 * portable way rounds a block of A into floats and lets nn_gemm multiply.
 */
#include "bf16.h"

#include <string.h>

#include "matmul.h"
#include "simd.h"

/*
 * A block of A (MOST_ROWS, DEPTH) and, unless it is packed already, of B (DEPTH,
 * MOST_COLUMNS) lie in the workspace: 0.5 MB of bf16, within a second-level cache.
 */
enum
{
	MOST_ROWS = 256,
	DEPTH = 256,
	MOST_COLUMNS = 768,
	CHUNK = 256
};

#define NATIVE_A_BYTES (MOST_ROWS * DEPTH * sizeof(nn_bf16))
#define NATIVE_B_BYTES (DEPTH * MOST_COLUMNS * sizeof(nn_bf16))
#define PORTABLE_A_BYTES (MOST_ROWS * DEPTH * sizeof(real))
#define PORTABLE_B_BYTES (DEPTH * MOST_COLUMNS * sizeof(real))

void
nn_bf16_round(size_t n, const real *x, nn_bf16 *y)
{
	nn_kernels_chosen()->round_bf16(n, x, y);
}

void
nn_bf16_widen(size_t n, const nn_bf16 *x, real *y)
{
	nn_kernels_chosen()->widen_bf16(n, x, y);
}

bool
nn_bf16_native(void)
{
	return nn_bf16_kernels_chosen() != NULL;
}

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* `count` lines, filled up to whole panels of `width`. */
static size_t
whole_panels(size_t count, size_t width)
{
	return (count + width - 1) / width * width;
}

/* op(X) from row and column on. */
static nn_operand
from(nn_operand x, size_t row, size_t column)
{
	size_t skipped = x.transpose ? column * x.ld + row : row * x.ld + column;

	x.data = (const char *) x.data + skipped * (x.bf16 ? sizeof(nn_bf16) : sizeof(real));
	return x;
}

/* The rows x columns of op(X), as they lie, rounded: into `out` without gaps. */
static void
round_block(nn_operand x, size_t rows, size_t columns, real *out)
{
	nn_bf16 rounded[CHUNK];

	if (x.transpose)
	{
		size_t swapped = rows;

		rows = columns;
		columns = swapped;
	}
	for (size_t r = 0; r < rows; r++, out += columns)
	{
		const nn_bf16 *halves = (const nn_bf16 *) x.data + r * x.ld;
		const real *reals = (const real *) x.data + r * x.ld;

		for (size_t i = 0; i < columns; i += CHUNK)
		{
			size_t count = smaller(columns - i, CHUNK);

			if (!x.bf16)
				nn_bf16_round(count, reals + i, rounded);
			nn_bf16_widen(count, x.bf16 ? halves + i : rounded, out + i);
		}
	}
}

size_t
nn_panels_bytes(size_t k, size_t n)
{
	if (!nn_bf16_native())
		return k * n * sizeof(real);
	return whole_panels(k, 2) * whole_panels(n, NN_PANEL_COLUMNS) * sizeof(nn_bf16);
}

void
nn_panels_fill(nn_panels *panels, nn_operand b)
{
	const nn_bf16_kernels *kernels = nn_bf16_kernels_chosen();
	uint32_t *block = panels->data;

	panels->transpose = b.transpose;
	if (kernels == NULL)
	{
		round_block(b, panels->k, panels->n, panels->data);
		return;
	}
	for (size_t first = 0; first < panels->k; first += DEPTH)
	{
		size_t depth = smaller(panels->k - first, DEPTH);
		nn_operand part = from(b, first, 0);

		kernels->pack_b(panels->n, depth, &part, block);
		block += DEPTH / 2 * whole_panels(panels->n, NN_PANEL_COLUMNS);
	}
}

size_t
nn_bf16_workspace(void)
{
	return nn_bf16_native() ? NATIVE_A_BYTES + NATIVE_B_BYTES : PORTABLE_A_BYTES + PORTABLE_B_BYTES;
}

static void
clear(size_t m, size_t n, real *c, size_t ldc)
{
	for (size_t i = 0; i < m; i++)
		memset(c + i * ldc, 0, n * sizeof(real));
}

/* C += op(A) B for one block of B: packed, or rounded floats with row stride ldb. */
static void
multiply_block(const nn_bf16_kernels *kernels, size_t m, size_t n, size_t depth, nn_operand a,
			   const void *b, size_t ldb, bool transpose_b, bool add, real *c, size_t ldc,
			   void *workspace)
{
	for (size_t row = 0; row < m; row += MOST_ROWS)
	{
		size_t rows = smaller(m - row, MOST_ROWS);
		nn_operand part = from(a, row, 0);

		if (kernels != NULL)
		{
			kernels->pack_a(rows, depth, &part, workspace);
			kernels->multiply(rows, n, depth, workspace, b, add, c + row * ldc, ldc);
		}
		else
		{
			round_block(part, rows, depth, workspace);
			nn_gemm(a.transpose, transpose_b, rows, n, depth, 1, workspace,
					a.transpose ? rows : depth, b, ldb, add ? 1 : 0, c + row * ldc, ldc);
		}
	}
}

void
nn_gemm_panels(size_t m, nn_operand a, const nn_panels *b, bool add, real *c, size_t ldc,
			   void *workspace)
{
	const nn_bf16_kernels *kernels = nn_bf16_kernels_chosen();
	size_t ldb = b->transpose ? b->k : b->n;

	if (b->k == 0 && !add)
		clear(m, b->n, c, ldc);
	for (size_t first = 0; first < b->k; first += DEPTH)
	{
		const void *block =
			kernels != NULL
				? (const void *) ((const uint32_t *) b->data +
								  first / 2 * whole_panels(b->n, NN_PANEL_COLUMNS))
				: (const void *) ((const real *) b->data + (b->transpose ? first : first * b->n));

		multiply_block(kernels, m, b->n, smaller(b->k - first, DEPTH), from(a, 0, first), block,
					   ldb, b->transpose, add || first > 0, c, ldc, workspace);
	}
}

void
nn_gemm_bf16(size_t m, size_t n, size_t k, nn_operand a, nn_operand b, bool add, real *c,
			 size_t ldc, void *workspace)
{
	const nn_bf16_kernels *kernels = nn_bf16_kernels_chosen();
	void *block = (char *) workspace + (kernels != NULL ? NATIVE_A_BYTES : PORTABLE_A_BYTES);

	if (k == 0 && !add)
		clear(m, n, c, ldc);
	for (size_t column = 0; column < n; column += MOST_COLUMNS)
		for (size_t first = 0; first < k; first += DEPTH)
		{
			size_t columns = smaller(n - column, MOST_COLUMNS);
			size_t depth = smaller(k - first, DEPTH);
			nn_operand part = from(b, first, column);

			if (kernels != NULL)
				kernels->pack_b(columns, depth, &part, block);
			else
				round_block(part, depth, columns, block);
			multiply_block(kernels, m, columns, depth, from(a, 0, first), block,
						   b.transpose ? depth : columns, b.transpose, add || first > 0, c + column,
						   ldc, workspace);
		}
}
