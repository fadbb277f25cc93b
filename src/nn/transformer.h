/*
 * transformer.h
 *	  What a transformer's layers are made of, besides nn_linear: forward and
 *	  backward, under the rules of layers.h.
 */
#ifndef EMOTION_NN_TRANSFORMER_H
#define EMOTION_NN_TRANSFORMER_H

#include <stdbool.h>
#include <stddef.h>

#include "real.h"

/*
 * z (rows, columns) += bias (NULL: none); y = z Phi(z), Phi the normal distribution's: the exact GELU,
 * x (1 + erf(x / sqrt 2)) / 2 (Hendrycks and Gimpel 2016). Phi's error in float: absolute
 * 3e-7; relative 1e-6 but below -4, where it grows to 1e-5. y may be z.
 */
void nn_gelu(size_t rows, size_t columns, const real *bias, real *z, real *y);

/* dz = dy times GELU's derivative at z, y = GELU of z again. dz may be dy, y may be z. */
void nn_gelu_backward(size_t n, const real *z, const real *dy, real *dz, real *y);

/* Each row x of `columns` numbers, stride ld, becomes softmax(scale x). */
void nn_softmax(size_t rows, size_t columns, real scale, real *x, size_t ld);

/* p: as nn_softmax left them; dp, in: their gradient, out: that of x. Both of stride ld. */
void nn_softmax_backward(size_t rows, size_t columns, real scale, const real *p, real *dp,
						 size_t ld);

/* What LayerNorm is applied to, and with. */
typedef struct nn_norm
{
	const real *bias;     /* (dim) or NULL: added to x first */
	const real *mask;     /* (rows, dim) or NULL: then multiplied (dropout) */
	const real *residual; /* (rows, dim) or NULL: then added */
	const real *scale;    /* (dim) */
	const real *shift;    /* (dim) */
	real epsilon;
} nn_norm;

/*
 * LayerNorm of s = (x + bias) mask + residual, row by row (Ba, Kiros and Hinton 2016):
 *
 *	  normal = (s - mean(s)) inverse,  inverse = 1 / sqrt(var(s) + epsilon),  y = scale normal + shift
 *
 * with the biased variance. x, y: (rows, dim); normal: (rows, dim) out or NULL; inverse: (rows) out
 * or NULL. y may be x or residual.
 */
void nn_layer_norm(size_t rows, size_t dim, const nn_norm *norm, const real *x, real *normal,
				   real *inverse, real *y);

/*
 * dx: the gradient of s, overwritten; may be dy. dscale, dshift: +=.
 */
void nn_layer_norm_backward(size_t rows, size_t dim, const real *dy, const real *normal,
							const real *inverse, const real *scale, real *dx, real *dscale,
							real *dshift);

/* Sizes of attention within one text. */
typedef struct nn_heads
{
	size_t queries; /* M */
	size_t tokens;  /* T */
	size_t heads;   /* A */
	size_t dim;     /* numbers per head, which stand side by side in the rows of q, k, v, context */
	bool
		keep; /* p is kept of all heads, for a backward pass; else its place serves one at a time */
	size_t ld_q, ld_kv, ld_context;
} nn_heads;

/*
 * Scaled dot-product attention by head (Vaswani et al. 2017):
 *
 *	  p = softmax(q k^T / sqrt(dim)),  context = (p mask) v
 *
 * q: (M, A dim); k, v: (T, A dim); mask: (A, M, T) factors (dropout) or NULL, out: p mask;
 * p: (A, M, T) out, without keep (M, T) scratch; context: (M, A dim) out.
 */
void nn_self_attention(const nn_heads *sizes, const real *q, const real *k, const real *v,
					   real *mask, real *p, real *context);

/*
 * p: as left; mask: the factors again, spoilt; scratch: M T. d_q, d_k, d_v: overwritten, strides as q, k, v;
 * d_context: stride as context.
 */
void nn_self_attention_backward(const nn_heads *sizes, const real *q, const real *k, const real *v,
								const real *p, real *mask, const real *d_context, real *scratch,
								real *d_q, real *d_k, real *d_v);

#endif /* EMOTION_NN_TRANSFORMER_H */
