/*
 * encoder_linear.c
 *	  The encoder's linear layers, in single or in mixed precision. Inputs and their gradients are without gaps.
 */
#include "../nn/activation.h"
#include "../nn/bf16.h"
#include "../nn/layers.h"
#include "../nn/matmul.h"
#include "encoder_internal.h"

void
encoder_linear_forward(const encoder_pass *pass, size_t rows, size_t in, size_t out, const real *x,
					   const real *weight, const real *bias, real *y, size_t ld_y)
{
	if (pass->product == NULL)
	{
		nn_linear(rows, in, out, x, in, weight, bias, y, ld_y);
		return;
	}
	nn_gemm_bf16(rows, out, in, nn_reals(x, in, false), nn_reals(weight, in, true), false, y, ld_y,
				 pass->product);
	if (bias != NULL)
		nn_add_bias(rows, out, bias, y, ld_y);
}

static void
input_backward(const encoder_pass *pass, size_t rows, size_t in, size_t out, const real *weight,
			   const real *d_y, size_t ld_dy, real *d_x, bool accumulate)
{
	if (pass->product == NULL)
		nn_gemm(false, false, rows, in, out, 1, d_y, ld_dy, weight, in, accumulate ? 1 : 0, d_x,
				in);
	else
		nn_gemm_bf16(rows, in, out, nn_reals(d_y, ld_dy, false), nn_reals(weight, in, false),
					 accumulate, d_x, in, pass->product);
}

void
encoder_linear_backward(const encoder_pass *pass, size_t rows, size_t in, size_t out, const real *x,
						const real *weight, const real *d_y, size_t ld_dy, real *d_weight,
						real *d_bias, real *d_x, bool accumulate)
{
	if (pass->product == NULL)
		nn_gemm(true, false, out, in, rows, 1, d_y, ld_dy, x, in, 1, d_weight, in);
	else
		nn_gemm_bf16(out, in, rows, nn_reals(d_y, ld_dy, true), nn_reals(x, in, false), true,
					 d_weight, in, pass->product);
	nn_add_bias_backward(rows, out, d_y, ld_dy, d_bias);
	if (d_x != NULL)
		input_backward(pass, rows, in, out, weight, d_y, ld_dy, d_x, accumulate);
}

void
encoder_linear_input(const encoder_pass *pass, size_t rows, size_t in, size_t out,
					 const real *weight, const real *d_y, real *d_x)
{
	input_backward(pass, rows, in, out, weight, d_y, out, d_x, false);
}
