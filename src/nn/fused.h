/*
 * fused.h
 *	  What scoring computes, each in one pass: products with weights that were laid out once, and
 *	  what follows a product while its sums are at hand.
 *
 * Two rules of arithmetic, by the numbers that are multiplied:
 *
 *	  NN_REALS   reals;
 *	  NN_HALVES  bf16: factors are rounded to the nearest, of two the even.
 *
 * Either way each sum is a chain of fused multiply-adds in real, in the order of k but that of a pair
 * of halves (2p, 2p + 1) the second comes first, as VDPBF16PS has it: whatever the
 * instruction set and the number of rows, a sum has the same bits. So have the functions between
 * products, so that no rounding to bf16 can turn a last bit into an eighth one. Only scores of
 * attention, which nothing rounds, may differ in their last bits. (What VDPBF16PS makes of
 * numbers below FLT_MIN, 0, is not followed.)
 *
 * Values: rows of numbers on their way into a product, `value` bytes each, reals or bf16 as the
 * kernels like them. A cell: what is multiplied at once for a column, `depth` numbers along k. A
 * panel: the cells of 64 columns, (cells, 64); an odd last half has a 0 beside it.
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
} nn_numbers;

#define NN_FUSED_COLUMNS 64 /* of a panel */
#define NN_FUSED_UNITS 16   /* of an LSTM whose four gates stand in a panel: i, f, g, o */

/* Numbers along k in a cell, and its bytes: the same for every instruction set. */
static inline size_t
nn_cell_depth(nn_numbers numbers)
{
	return numbers == NN_HALVES ? 2 : 1;
}

static inline size_t
nn_cell_bytes(nn_numbers numbers)
{
	return numbers == NN_HALVES ? 2 * sizeof(nn_bf16) : sizeof(real);
}

/* A factor of a product: A (rows, cells) of values with row stride ld, and its part of each panel. */
typedef struct nn_factor
{
	const void *a; /* NULL: no such factor */
	size_t ld;     /* in values */
	size_t cells;
	const void *b; /* its first cell of the first panel */
} nn_factor;

/* C = start + the product of one factor, or of two side by side. */
typedef struct nn_product
{
	nn_factor factor[2];
	size_t panels;
	size_t panel_bytes; /* from one panel to the next */
	const real *start;  /* (64 panels) of row r at start + r * ld_start; NULL: zeros */
	size_t ld_start;    /* 0: the same for all, a bias */
} nn_product;

typedef struct nn_fused_kernels
{
	size_t value; /* bytes of a value */

	/* n reals to values and back */
	void (*to_values)(size_t n, const real *x, void *y);

	/* C (rows, 64 panels) */
	void (*multiply)(size_t rows, const nn_product *product, real *c, size_t ldc);

	/*
	 * A step of an LSTM: the product's panels are blocks of 16 units and their gates' pre-activations
	 * its sums. c (rows, 16 panels): in, out; h: values out.
	 */
	void (*lstm_step)(size_t rows, const nn_product *product, real *c, void *h, size_t ld_h);

	/* score (rows) = tanh(sums) . query (64 panels) */
	void (*attend)(size_t rows, const nn_product *product, const real *query, real *score);

	/* y (n) values = relu(start + the count rows), n a multiple of 16 */
	void (*add_rows)(size_t n, const real *start, size_t count, const real *const *rows, void *y);

	/* y (n) += a x, x values; n a multiple of 16 */
	void (*axpy)(size_t n, real a, const void *x, real *y);
} nn_fused_kernels;

/* Those of the instruction set in use (nn_simd_force). */
const nn_fused_kernels *nn_fused_chosen(nn_numbers numbers);

/*
 * Write one number of a matrix B (k, columns) into its panels: B[k][column], panels `panel_bytes`
 * apart. The memory was zeroed.
 */
void nn_panel_put(nn_numbers numbers, void *panels, size_t panel_bytes, size_t k, size_t column,
				  real x);

#endif /* EMOTION_NN_FUSED_H */
