/*
 * fused.h
 *	  What scoring computes, each in one pass: products with weights that were laid out once, and
 *	  what follows a product while its sums are at hand.
 *
 * Three rules of arithmetic, by the numbers that are multiplied:
 *
 *	  NN_REALS   reals;
 *	  NN_HALVES  bf16: factors are rounded to the nearest, of two the even;
 *	  NN_BYTES   8 bits: a column of weights is whole multiples, up to 127, of a scale of its own, and so
 *	             is a row of A (up to 255 when none is negative).
 *
 * Products of bytes are summed as integers. Else each sum is a chain of fused multiply-adds in
 * real, in the order of k but that of a pair of halves (2p, 2p + 1) the second comes first, as VDPBF16PS
 * has it. So a sum has the same bits whatever the number of rows, and of bytes and halves
 * whatever the instruction set. The functions between products have, too, so that no rounding of factors can
 * turn a last bit into a large one. (Not followed is what VDPBF16PS makes of numbers below FLT_MIN, 0; and
 * sums of reals are not fused where the processor cannot.)
 *
 * Values: rows of numbers on their way into a product, `value` bytes each, as the kernels like
 * them; those of bytes are units above a zero. A cell: what is multiplied at once for a column, `depth`
 * numbers along k. A panel: the cells of 64 columns, (cells, 64); zeros fill up a last cell.
 */
#ifndef EMOTION_NN_FUSED_H
#define EMOTION_NN_FUSED_H

#include <stddef.h>
#include <stdint.h>

#include "bf16.h"
#include "real.h"

typedef enum nn_numbers
{
	NN_REALS,
	NN_HALVES,
	NN_BYTES,
} nn_numbers;

/* Bytes: a state of an LSTM, in -1..1, is so many units of 1, and a zero. */
#define NN_STATE_UNITS 127
#define NN_STATE_ZERO 128
#define NN_STATE_SCALE ((real) 1 / NN_STATE_UNITS)
#define NN_POSITIVE_UNITS 255
#define NN_LEAST_SCALED ((real) 1e-30) /* a row without a larger number is zeros */

#define NN_FUSED_COLUMNS 64 /* of a panel */
#define NN_FUSED_UNITS 16   /* of an LSTM whose four gates stand in a panel: i, f, g, o */

/* Numbers along k in a cell, and its bytes: the same for every instruction set. */
static inline size_t
nn_cell_depth(nn_numbers numbers)
{
	return numbers == NN_BYTES ? 4 : numbers == NN_HALVES ? 2 : 1;
}

static inline size_t
nn_cell_bytes(nn_numbers numbers)
{
	return numbers == NN_REALS ? sizeof(real) : sizeof(uint32_t);
}

/* A factor of a product: A (rows, cells) of values with row stride ld, and its part of each panel. */
typedef struct nn_factor
{
	const void *a; /* NULL: no such factor */
	size_t ld;     /* in values */
	size_t cells;
	const void *b; /* its first cell of the first panel */

	/* bytes only: a sum of units is worth the row's times the column's scale */
	const real *row_scale;
	size_t ld_scale;           /* 0: the same for all rows */
	const real *column_scale;  /* (64 panels) */
	const int32_t *correction; /* (64 panels): what the zero adds to a sum, negated */
} nn_factor;

/* C = start + the product of one factor, or of two side by side. */
typedef struct nn_product
{
	nn_factor factor[2];
	size_t panels;
	size_t panel_bytes; /* from one panel to the next */
	const real *start;  /* (64 panels) of row r at start + r * ld_start; NULL: zeros */
	size_t ld_start;    /* 0: the same for all, a bias */
	bool backward; /* panels from the last to the first: what a step before left in the cache */
} nn_product;

typedef struct nn_fused_kernels
{
	size_t value; /* bytes of a value */

	/*
	 * n reals, a multiple of 16, to values. Bytes: *scale out, and the zero is 0 when all are positive
	 * and say so, else that of states.
	 */
	void (*to_values)(size_t n, const real *x, bool positive, void *y, real *scale);

	/* C (rows, 64 panels) */
	void (*multiply)(size_t rows, const nn_product *product, real *c, size_t ldc);

	/*
	 * A step of an LSTM: the product's panels are blocks of 16 units and their gates' pre-activations
	 * its sums. c (rows, 16 panels): in, out; h: values out.
	 */
	void (*lstm_step)(size_t rows, const nn_product *product, real *c, void *h, size_t ld_h);

	/* score (rows) = tanh(sums) . query (64 panels) */
	void (*attend)(size_t rows, const nn_product *product, const real *query, real *score);

	/* y (n) = relu(start + the count rows), n a multiple of 16 */
	void (*add_rows)(size_t n, const real *start, size_t count, const real *const *rows, real *y);

	/*
	 * y (n) = sum over t of share[row] x[row], row = offset[t] + b, for the `count` first t; x: states
	 * as lstm_step wrote them, row stride n; n a multiple of 16
	 */
	void (*pool)(size_t n, size_t count, const uint32_t *offset, size_t b, const real *share,
				 const void *x, real *y);
} nn_fused_kernels;

/* Those of the instruction set in use (nn_simd_force). */
const nn_fused_kernels *nn_fused_chosen(nn_numbers numbers);

/*
 * Write one number of a matrix B (k, columns) into its panels, B[k][column], panels `panel_bytes`
 * apart; bytes: the units. The memory was zeroed.
 */
void nn_panel_put(nn_numbers numbers, void *panels, size_t panel_bytes, size_t k, size_t column,
				  real x);

#endif /* EMOTION_NN_FUSED_H */
