/*
 * transformer.c
 *	  Attention within a text; the other functions of transformer.h over the
 *	  kernels chosen.
 */
#include "transformer.h"

#include <math.h>

#include "activation.h"
#include "matmul.h"
#include "simd.h"

void
nn_gelu(size_t rows, size_t columns, const real *bias, real *z, real *y)
{
	nn_kernels_chosen()->gelu(rows, columns, bias, z, y);
}

void
nn_gelu_backward(size_t n, const real *z, const real *dy, real *dz, real *y)
{
	nn_kernels_chosen()->gelu_backward(n, z, dy, dz, y);
}

void
nn_softmax(size_t rows, size_t columns, real scale, real *x, size_t ld)
{
	if (columns > 0)
		nn_kernels_chosen()->softmax(rows, columns, scale, x, ld);
}

void
nn_softmax_backward(size_t rows, size_t columns, real scale, const real *p, real *dp, size_t ld)
{
	nn_kernels_chosen()->softmax_backward(rows, columns, scale, p, dp, ld);
}

void
nn_layer_norm(size_t rows, size_t dim, const nn_norm *norm, const real *x, real *normal,
			  real *inverse, real *y)
{
	nn_kernels_chosen()->layer_norm(rows, dim, norm, x, normal, inverse, y);
}

void
nn_layer_norm_backward(size_t rows, size_t dim, const real *dy, const real *normal,
					   const real *inverse, const real *scale, real *dx, real *dscale, real *dshift)
{
	nn_kernels_chosen()->layer_norm_backward(rows, dim, dy, normal, inverse, scale, dx, dscale,
											 dshift);
}

void
nn_self_attention(const nn_heads *sizes, const real *q, const real *k, const real *v, real *mask,
				  real *p, real *context)
{
	size_t m = sizes->queries, t = sizes->tokens, dim = sizes->dim;
	real scale = (real) (1 / sqrt((double) dim));

	for (size_t head = 0; head < sizes->heads; head++, p += sizes->keep ? m * t : 0)
	{
		const real *weight = p;

		nn_gemm(false, true, m, t, dim, 1, q + head * dim, sizes->ld_q, k + head * dim,
				sizes->ld_kv, 0, p, t);
		nn_softmax(m, t, scale, p, t);
		if (mask != NULL)
		{
			nn_multiply(m * t, p, mask);
			weight = mask;
			mask += m * t;
		}
		nn_gemm(false, false, m, dim, t, 1, weight, t, v + head * dim, sizes->ld_kv, 0,
				context + head * dim, sizes->ld_context);
	}
}

void
nn_self_attention_backward(const nn_heads *sizes, const real *q, const real *k, const real *v,
						   const real *p, real *mask, const real *d_context, real *scratch,
						   real *d_q, real *d_k, real *d_v)
{
	size_t m = sizes->queries, t = sizes->tokens, dim = sizes->dim;
	real scale = (real) (1 / sqrt((double) dim));

	for (size_t head = 0; head < sizes->heads; head++, p += m * t)
	{
		const real *d_out = d_context + head * dim;
		const real *weight = p;
		size_t at = head * dim;

		nn_gemm(false, true, m, t, dim, 1, d_out, sizes->ld_context, v + at, sizes->ld_kv, 0,
				scratch, t);
		if (mask != NULL)
		{
			nn_multiply(m * t, mask, scratch);
			nn_multiply(m * t, p, mask);
			weight = mask;
			mask += m * t;
		}
		nn_gemm(true, false, t, dim, m, 1, weight, t, d_out, sizes->ld_context, 0, d_v + at,
				sizes->ld_kv);
		nn_softmax_backward(m, t, scale, p, scratch, t);
		nn_gemm(false, false, m, dim, t, 1, scratch, t, k + at, sizes->ld_kv, 0, d_q + at,
				sizes->ld_q);
		nn_gemm(true, false, t, dim, m, 1, scratch, t, q + at, sizes->ld_q, 0, d_k + at,
				sizes->ld_kv);
	}
}
