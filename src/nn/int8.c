/*
 * int8.c
 *	  Packing weights of 8 bits, and the portable product.
 */
#include "int8.h"

#include <math.h>
#include <string.h>

#include "arena.h"
#include "simd.h"

/* Where the parts of a matrix lie: scales, sums, panels. */
typedef struct parts
{
	real *scale; /* (panels, NN_INT8_COLUMNS), zeros beyond n; so sum */
	int32_t *sum;
	int8_t *panel;
	size_t panels, groups;
} parts;

static size_t
aligned(size_t bytes)
{
	return (bytes + NN_ALIGNMENT - 1) & ~(size_t) (NN_ALIGNMENT - 1);
}

static parts
find_parts(const nn_int8_matrix *matrix)
{
	parts found;
	size_t outputs;

	found.panels = (matrix->n + NN_INT8_COLUMNS - 1) / NN_INT8_COLUMNS;
	found.groups = (matrix->k + 3) / 4;
	outputs = found.panels * NN_INT8_COLUMNS;
	found.scale = matrix->data;
	found.sum = (int32_t *) ((char *) matrix->data + aligned(outputs * sizeof(real)));
	found.panel = (int8_t *) found.sum + aligned(outputs * sizeof(int32_t));
	return found;
}

const char *
nn_int8_name(void)
{
	return nn_int8_kernels_chosen()->name;
}

size_t
nn_int8_bytes(size_t n, size_t k)
{
	size_t outputs = (n + NN_INT8_COLUMNS - 1) / NN_INT8_COLUMNS * NN_INT8_COLUMNS;

	return aligned(outputs * sizeof(real)) + aligned(outputs * sizeof(int32_t)) +
		   aligned(outputs * ((k + 3) / 4 * 4));
}

/* Row n, padded to whole groups, into its panel. */
static void
put_row(const parts *at, size_t n, const int8_t *row)
{
	int8_t *panel = at->panel + n / NN_INT8_COLUMNS * at->groups * 4 * NN_INT8_COLUMNS;
	int32_t sum = 0;

	for (size_t p = 0; p < 4 * at->groups; p++)
	{
		panel[(p / 4 * NN_INT8_COLUMNS + n % NN_INT8_COLUMNS) * 4 + p % 4] = row[p];
		sum += row[p];
	}
	at->sum[n] = sum;
}

void
nn_int8_fill(const nn_int8_matrix *matrix, const real *weight)
{
	const nn_kernels *kernels = nn_kernels_chosen();
	parts at = find_parts(matrix);

	nn_int8_clear(matrix);
	for (size_t n = 0; n < matrix->n; n++)
	{
		int8_t row[NN_INT8_MAX_DEPTH];

		at.scale[n] = kernels->round_row(matrix->k, 4 * at.groups, weight + n * matrix->k, 0,
										 (uint8_t *) row);
		put_row(&at, n, row);
	}
}

void
nn_int8_clear(const nn_int8_matrix *matrix)
{
	memset(matrix->data, 0, nn_int8_bytes(matrix->n, matrix->k));
}

void
nn_int8_put_row(const nn_int8_matrix *matrix, size_t row, const int8_t *q)
{
	const parts at = find_parts(matrix);
	int8_t padded[NN_INT8_MAX_DEPTH];

	memcpy(padded, q, matrix->k);
	memset(padded + matrix->k, 0, 4 * at.groups - matrix->k);
	put_row(&at, row, padded);
}

void
nn_int8_put_scale(const nn_int8_matrix *matrix, size_t row, real scale)
{
	find_parts(matrix).scale[row] = scale;
}

size_t
nn_int8_input_bytes(size_t rows, size_t k)
{
	return aligned(rows * sizeof(real)) + aligned(rows * ((k + 3) / 4 * 4));
}

void
nn_int8_round(size_t rows, size_t k, const real *x, size_t ld_x, void *input)
{
	const nn_kernels *kernels = nn_kernels_chosen();
	uint8_t flip = nn_int8_kernels_chosen()->flip;
	size_t padded = (k + 3) / 4 * 4;
	real *scale = input;
	uint8_t *out = (uint8_t *) input + aligned(rows * sizeof(real));

	for (size_t r = 0; r < rows; r++, x += ld_x, out += padded)
		scale[r] = kernels->round_row(k, padded, x, flip, out);
}

void
nn_int8_linear(size_t rows, const void *input, const nn_int8_matrix *matrix, const real *bias,
			   real *y, size_t ld_y)
{
	const nn_int8_kernels *kernels = nn_int8_kernels_chosen();
	parts at = find_parts(matrix);
	real zeros[NN_INT8_COLUMNS] = { 0 };

	for (size_t p = 0; p < at.panels; p++)
	{
		size_t first = p * NN_INT8_COLUMNS;
		nn_int8_product product = {
			.rows = rows,
			.groups = at.groups,
			.input = (const uint8_t *) input + aligned(rows * sizeof(real)),
			.input_scale = input,
			.columns = matrix->n - first < NN_INT8_COLUMNS ? matrix->n - first : NN_INT8_COLUMNS,
			.panel = at.panel + p * at.groups * 4 * NN_INT8_COLUMNS,
			.scale = at.scale + first,
			.sum = at.sum + first,
			.bias = bias ? bias + first : zeros,
			.y = y + first,
			.ld_y = ld_y,
		};

		kernels->multiply(&product);
	}
}

static void
multiply_portable(const nn_int8_product *p)
{
	for (size_t r = 0; r < p->rows; r++)
	{
		const int8_t *x = (const int8_t *) p->input + r * 4 * p->groups;
		const int8_t *w = p->panel;
		int32_t sum[NN_INT8_COLUMNS] = { 0 };

		for (size_t g = 0; g < p->groups; g++, x += 4, w += 4 * NN_INT8_COLUMNS)
			for (size_t c = 0; c < NN_INT8_COLUMNS; c++)
				sum[c] += x[0] * w[4 * c] + x[1] * w[4 * c + 1] + x[2] * w[4 * c + 2] +
						  x[3] * w[4 * c + 3];
		for (size_t c = 0; c < p->columns; c++)
			p->y[r * p->ld_y + c] = (real) sum[c] * (p->input_scale[r] * p->scale[c]) + p->bias[c];
	}
}

const nn_int8_kernels nn_int8_kernels_portable = { "portable", 0, multiply_portable };
