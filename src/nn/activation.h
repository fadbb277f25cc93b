/*
 * activation.h
 *	  Vector functions of the network: one source, compiled for the baseline,
 *	  AVX2+FMA and AVX-512, chosen at run time.
 *
 * In float, exp is range reduction plus a degree-6 polynomial; bounds over
 * every finite float: exp relative error 3e-7 (results below FLT_MIN:
 * absolute 1.2e-38), sigmoid absolute 1.5e-7, tanh absolute 3e-7 and relative 4e-6.
 * NaN gives NaN; infinities give the limits. In double builds libm is used.
 * All pointers may alias exactly (in place), not partly.
 */
#ifndef EMOTION_NN_ACTIVATION_H
#define EMOTION_NN_ACTIVATION_H

#include <stddef.h>

#include "real.h"

/* The instruction set chosen: "avx512", "avx2" or "baseline". */
const char *nn_simd_name(void);

/*
 * Force one of the names above (tests and benches); false when this machine
 * lacks it. NULL returns to the automatic choice. Not thread safe.
 */
#include <stdbool.h>
bool nn_simd_force(const char *name);

void nn_exp(size_t n, const real *x, real *y);
void nn_sigmoid(size_t n, const real *x, real *y);
void nn_tanh(size_t n, const real *x, real *y);

/* y = max(x, 0); NaN stays NaN */
void nn_relu(size_t n, const real *x, real *y);

/* dx = y > 0 ? dy : 0, y the output of nn_relu */
void nn_relu_backward(size_t n, const real *y, const real *dy, real *dx);

/* y[r, :] += bias, for rows r of stride ld */
void nn_add_bias(size_t rows, size_t columns, const real *bias, real *y, size_t ld);

/* dbias += sum of the rows of dy */
void nn_add_bias_backward(size_t rows, size_t columns, const real *dy, size_t ld, real *dbias);

/* y += a * x */
void nn_axpy(size_t n, real a, const real *x, real *y);

/* sum of x * y, in a fixed order that does not depend on the thread */
real nn_dot(size_t n, const real *x, const real *y);

/* sum of x * x, accumulated in double */
double nn_sum_of_squares(size_t n, const real *x);

/* y *= a */
void nn_scale(size_t n, real a, real *y);

/* y *= x */
void nn_multiply(size_t n, const real *x, real *y);

/*
 * One step of an LSTM for `rows` independent rows, equations of layers.h.
 * gates: (rows, 4H) stride ld_gates, in: pre-activations in the order i,f,g,o;
 * out: the activations (kept for the backward pass). c_previous: (rows, H)
 * stride H or NULL for a zero state. c: (rows, H) out, stride H; may be
 * c_previous. tanh_c: (rows, H) out, stride H, or NULL when no backward pass follows.
 * h: (rows, H) out, stride ld_h.
 */
void nn_lstm_gates(size_t rows, size_t hidden, real *gates, size_t ld_gates, const real *c_previous,
				   real *c, real *tanh_c, real *h, size_t ld_h);

/*
 * Backward of nn_lstm_gates. gates (in: activations; out: gradient with
 * respect to the pre-activations), c_previous as above, tanh_c as stored;
 * dh: (rows, H) stride ld_dh, the whole gradient of h; dc: (rows, H) stride H,
 * in: gradient of c from the next step, out: gradient of c_previous.
 */
void nn_lstm_gates_backward(size_t rows, size_t hidden, real *gates, size_t ld_gates,
							const real *c_previous, const real *tanh_c, const real *dh,
							size_t ld_dh, real *dc);

/*
 * AdamW over n weights (Loshchilov and Hutter 2019, algorithm 2): gradient is
 * multiplied by gradient_scale (clipping) first. step_size = learning rate;
 * correction1 = 1 - beta1^t, correction2 = 1 - beta2^t; decay is decoupled and
 * multiplied by the learning rate.
 */
typedef struct nn_adamw_step
{
	real learning_rate;
	real beta1;
	real beta2;
	real epsilon;
	real weight_decay;
	real gradient_scale;
	real correction1;
	real correction2;
} nn_adamw_step;

void nn_adamw(size_t n, const nn_adamw_step *step, real *weight, const real *gradient,
			  real *first_moment, real *second_moment);

/*
 * y (n) = beta * y + alpha * B x: B (n, k) row-major stride ldb. beta = 0
 * overwrites even NaN. The kernel under nn_gemm for a single row.
 */
void nn_gemv(size_t n, size_t k, real alpha, const real *b, size_t ldb, const real *x, real beta,
			 real *y);

#endif /* EMOTION_NN_ACTIVATION_H */
