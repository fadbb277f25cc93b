/*
 * negative.c
 *	  The functions of negative.h over the instruction set chosen.
 */
#include "negative.h"

#include "simd.h"

void
nn_rows_sum(size_t n, const real *matrix, const uint32_t *rows, size_t count, real *sum)
{
	nn_kernels_chosen()->rows_sum(n, matrix, rows, count, sum);
}

void
nn_rows_add(size_t n, const real *x, const uint32_t *rows, size_t count, real *matrix)
{
	nn_kernels_chosen()->rows_add(n, x, rows, count, matrix);
}

double
nn_negative_step(size_t n, size_t count, real rate, real response, real *const *output, real *h,
				 real *gradient)
{
	return nn_kernels_chosen()->negative_step(n, count, rate, response, output, h, gradient);
}
