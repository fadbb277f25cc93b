/*
 * simd_kernels.h
 *	  The vector kernels, for one instruction set: what simd.h says, over the
 *	  vector type of simd_vector.h. The includer sets SIMD_LEVEL, SIMD_TABLE (the
 *	  table's name) and SIMD_NAME.
 *
 * Loops that a compiler must unroll say so: the default -O2 would not, and an
 * array of accumulators lives in registers only when it is unrolled.
 */
#include "simd_vector.h"

#if defined(__clang__)
#define V_UNROLL _Pragma("clang loop unroll(full)")
#else
#define V_UNROLL _Pragma("GCC unroll 32")
#endif

/* body(i, count) for every whole vector of 0..n-1, then for the rest of it */
#define V_EACH(n, body)                                                                            \
	do                                                                                             \
	{                                                                                              \
		size_t v_i = 0;                                                                            \
		for (; v_i + V_LANES <= (n); v_i += V_LANES)                                               \
			body(v_i, V_LANES);                                                                    \
		if (v_i < (n))                                                                             \
			body(v_i, (n) -v_i);                                                                   \
	} while (0)

static void
kernel_exp(size_t n, const real *x, real *y)
{
#define BODY(i, count) v_put(y + (i), v_exp(v_get(x + (i), (count))), (count))
	V_EACH(n, BODY);
#undef BODY
}

static void
kernel_sigmoid(size_t n, const real *x, real *y)
{
#define BODY(i, count) v_put(y + (i), v_sigmoid(v_get(x + (i), (count))), (count))
	V_EACH(n, BODY);
#undef BODY
}

static void
kernel_tanh(size_t n, const real *x, real *y)
{
#define BODY(i, count) v_put(y + (i), v_tanh(v_get(x + (i), (count))), (count))
	V_EACH(n, BODY);
#undef BODY
}

static void
kernel_relu(size_t n, const real *x, real *y)
{
#define BODY(i, count) v_put(y + (i), v_maximum(v_set(0), v_get(x + (i), (count))), (count))
	V_EACH(n, BODY);
#undef BODY
}

static void
kernel_relu_backward(size_t n, const real *y, const real *dy, real *dx)
{
#define BODY(i, count)                                                                             \
	v_put(dx + (i), v_where_positive(v_get(y + (i), (count)), v_get(dy + (i), (count))), (count))
	V_EACH(n, BODY);
#undef BODY
}

static void
kernel_axpy(size_t n, real a, const real *x, real *y)
{
	vreal factor = v_set(a);

#define BODY(i, count)                                                                             \
	v_put(y + (i), v_fma(factor, v_get(x + (i), (count)), v_get(y + (i), (count))), (count))
	V_EACH(n, BODY);
#undef BODY
}

static void
kernel_scale(size_t n, real a, real *y)
{
	vreal factor = v_set(a);

#define BODY(i, count) v_put(y + (i), v_get(y + (i), (count)) * factor, (count))
	V_EACH(n, BODY);
#undef BODY
}

static void
kernel_multiply(size_t n, const real *x, real *y)
{
#define BODY(i, count) v_put(y + (i), v_get(y + (i), (count)) * v_get(x + (i), (count)), (count))
	V_EACH(n, BODY);
#undef BODY
}

static void
kernel_add_bias(size_t rows, size_t columns, const real *bias, real *y, size_t ld)
{
	size_t r;

	for (r = 0; r < rows; r++, y += ld)
	{
#define BODY(i, count) v_put(y + (i), v_get(y + (i), (count)) + v_get(bias + (i), (count)), (count))
		V_EACH(columns, BODY);
#undef BODY
	}
}

/* Four rows at a time, so that dbias is read and written a quarter as often. */
static void
kernel_add_bias_backward(size_t rows, size_t columns, const real *dy, size_t ld, real *dbias)
{
	size_t r = 0;

	for (; r + 4 <= rows; r += 4, dy += 4 * ld)
	{
#define ROW(k, i, count) v_get(dy + (k) *ld + (i), (count))
#define BODY(i, count)                                                                             \
	v_put(dbias + (i),                                                                             \
		  v_get(dbias + (i), (count)) +                                                            \
			  ((ROW(0, i, count) + ROW(1, i, count)) + (ROW(2, i, count) + ROW(3, i, count))),     \
		  (count))
		V_EACH(columns, BODY);
#undef BODY
#undef ROW
	}
	for (; r < rows; r++, dy += ld)
		kernel_axpy(columns, 1, dy, dbias);
}

static real
kernel_dot(size_t n, const real *x, const real *y)
{
	vreal sum[4];
	size_t i = 0;
	size_t j;

	V_UNROLL for (j = 0; j < 4; j++) sum[j] = v_set(0);
	for (; i + 4 * V_LANES <= n; i += 4 * V_LANES)
	{
		V_UNROLL for (j = 0; j < 4; j++) sum[j] =
			v_fma(v_load(x + i + j * V_LANES), v_load(y + i + j * V_LANES), sum[j]);
	}
#define BODY(k, count)                                                                             \
	sum[0] = v_fma(v_get(x + i + (k), (count)), v_get(y + i + (k), (count)), sum[0])
	V_EACH(n - i, BODY);
#undef BODY
	return v_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

static double
kernel_sum_of_squares(size_t n, const real *x)
{
	size_t vectors = n / V_LANES;
	double sum = v_sum_of_squares(x, vectors);
	size_t i;

	for (i = vectors * V_LANES; i < n; i++)
		sum += (double) x[i] * (double) x[i];
	return sum;
}

/* Units u..u+count-1 of one row. */
V_INLINE void
lstm_units(size_t u, size_t count, size_t hidden, real *gates, const real *c_previous, real *c,
		   real *tanh_c, real *h)
{
	vreal i = v_sigmoid(v_get(gates + u, count));
	vreal f = v_sigmoid(v_get(gates + hidden + u, count));
	vreal g = v_tanh(v_get(gates + 2 * hidden + u, count));
	vreal o = v_sigmoid(v_get(gates + 3 * hidden + u, count));
	vreal cell = i * g;
	vreal tanh_cell;

	if (c_previous != NULL)
		cell = v_fma(f, v_get(c_previous + u, count), cell);
	tanh_cell = v_tanh(cell);
	v_put(gates + u, i, count);
	v_put(gates + hidden + u, f, count);
	v_put(gates + 2 * hidden + u, g, count);
	v_put(gates + 3 * hidden + u, o, count);
	v_put(c + u, cell, count);
	if (tanh_c != NULL)
		v_put(tanh_c + u, tanh_cell, count);
	v_put(h + u, o * tanh_cell, count);
}

static void
kernel_lstm_gates(size_t rows, size_t hidden, real *gates, size_t ld_gates, const real *c_previous,
				  real *c, real *tanh_c, real *h, size_t ld_h)
{
	size_t r;

	for (r = 0; r < rows; r++)
	{
#define BODY(u, count) lstm_units(u, count, hidden, gates, c_previous, c, tanh_c, h)
		V_EACH(hidden, BODY);
#undef BODY
		gates += ld_gates;
		c_previous = c_previous ? c_previous + hidden : NULL;
		c += hidden;
		tanh_c = tanh_c ? tanh_c + hidden : NULL;
		h += ld_h;
	}
}

V_INLINE void
lstm_units_backward(size_t u, size_t count, size_t hidden, real *gates, const real *c_previous,
					const real *tanh_c, const real *dh, real *dc)
{
	vreal one = v_set(1);
	vreal i = v_get(gates + u, count);
	vreal f = v_get(gates + hidden + u, count);
	vreal g = v_get(gates + 2 * hidden + u, count);
	vreal o = v_get(gates + 3 * hidden + u, count);
	vreal cell = v_get(tanh_c + u, count);
	vreal output = v_get(dh + u, count);
	vreal state = v_get(dc + u, count) + output * o * (one - cell * cell);
	vreal forget = v_set(0);

	if (c_previous != NULL)
		forget = state * v_get(c_previous + u, count) * f * (one - f);
	v_put(gates + u, state * g * i * (one - i), count);
	v_put(gates + hidden + u, forget, count);
	v_put(gates + 2 * hidden + u, state * i * (one - g * g), count);
	v_put(gates + 3 * hidden + u, output * cell * o * (one - o), count);
	v_put(dc + u, state * f, count);
}

static void
kernel_lstm_gates_backward(size_t rows, size_t hidden, real *gates, size_t ld_gates,
						   const real *c_previous, const real *tanh_c, const real *dh, size_t ld_dh,
						   real *dc)
{
	size_t r;

	for (r = 0; r < rows; r++)
	{
#define BODY(u, count) lstm_units_backward(u, count, hidden, gates, c_previous, tanh_c, dh, dc)
		V_EACH(hidden, BODY);
#undef BODY
		gates += ld_gates;
		c_previous = c_previous ? c_previous + hidden : NULL;
		tanh_c += hidden;
		dh += ld_dh;
		dc += hidden;
	}
}

V_INLINE void
adamw_weights(size_t i, size_t count, const nn_adamw_step *step, real *weight, const real *gradient,
			  real *first_moment, real *second_moment)
{
	vreal g = v_get(gradient + i, count) * v_set(step->gradient_scale);
	vreal m = v_get(first_moment + i, count);
	vreal v = v_get(second_moment + i, count);
	vreal w = v_get(weight + i, count);
	vreal change;

	m = v_fma(v_set(1 - step->beta1), g, m * v_set(step->beta1));
	v = v_fma(v_set(1 - step->beta2), g * g, v * v_set(step->beta2));
	v_put(first_moment + i, m, count);
	v_put(second_moment + i, v, count);
	change = m * v_set(1 / step->correction1) /
			 (v_sqrt(v * v_set(1 / step->correction2)) + v_set(step->epsilon));
	change = v_fma(v_set(step->weight_decay), w, change);
	v_put(weight + i, v_fma(v_set(-step->learning_rate), change, w), count);
}

static void
kernel_adamw(size_t n, const nn_adamw_step *step, real *weight, const real *gradient,
			 real *first_moment, real *second_moment)
{
	nn_adamw_step fixed = *step; /* a copy that no store through real * can change */

#define BODY(i, count)                                                                             \
	adamw_weights(i, count, &fixed, weight, gradient, first_moment, second_moment)
	V_EACH(n, BODY);
#undef BODY
}

static void
kernel_round_bf16(size_t n, const real *x, nn_bf16 *y)
{
#define BODY(i, count) v_put_bf16(y + (i), v_get(x + (i), (count)), (count))
	V_EACH(n, BODY);
#undef BODY
}

static void
kernel_widen_bf16(size_t n, const nn_bf16 *x, real *y)
{
#define BODY(i, count) v_put(y + (i), v_get_bf16(x + (i), (count)), (count))
	V_EACH(n, BODY);
#undef BODY
}

#include "simd_gemm.h"
#include "simd_negative.h"
#include "simd_philox.h"
#include "simd_transformer.h"

const nn_kernels SIMD_TABLE = {
	.name = SIMD_NAME,
	.exp = kernel_exp,
	.sigmoid = kernel_sigmoid,
	.tanh = kernel_tanh,
	.relu = kernel_relu,
	.relu_backward = kernel_relu_backward,
	.add_bias = kernel_add_bias,
	.add_bias_backward = kernel_add_bias_backward,
	.axpy = kernel_axpy,
	.dot = kernel_dot,
	.sum_of_squares = kernel_sum_of_squares,
	.scale = kernel_scale,
	.multiply = kernel_multiply,
	.lstm_gates = kernel_lstm_gates,
	.lstm_gates_backward = kernel_lstm_gates_backward,
	.adamw = kernel_adamw,
	.round_bf16 = kernel_round_bf16,
	.widen_bf16 = kernel_widen_bf16,
	.few_rows = SIMD_LEVEL > 0 ? 64 : 4,
	.gemm_nt = kernel_gemm_nt,
	.gemm_nn = kernel_gemm_nn,
	.rows_sum = kernel_rows_sum,
	.rows_add = kernel_rows_add,
	.negative_step = kernel_negative_step,
	.dropout_blocks = kernel_dropout_blocks,
	.gelu = kernel_gelu,
	.gelu_backward = kernel_gelu_backward,
	.softmax = kernel_softmax,
	.softmax_backward = kernel_softmax_backward,
	.layer_norm = kernel_layer_norm,
	.layer_norm_backward = kernel_layer_norm_backward,
};
