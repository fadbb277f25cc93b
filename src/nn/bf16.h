/*
 * bf16.h
 *	  Numbers of 16 bits (bfloat16: a float's first half), and matrix products
 *	  of them summed in float.
 *
 * A product rounds its operands to bf16, whether they come as floats or as bf16,
 * to the nearest and of two the even; products and sums are floats. Where the processor
 * multiplies bf16 (AVX512_BF16) that is used, else operands are rounded and
 * nn_gemm multiplies: the same but for the order of the sums, and for
 * operands below FLT_MIN, which the processor takes for 0.
 */
#ifndef EMOTION_NN_BF16_H
#define EMOTION_NN_BF16_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "real.h"

typedef uint16_t nn_bf16;

/* To bf16 and back: infinities stay, too large a number becomes one, NaN stays NaN. */
void nn_bf16_round(size_t n, const real *x, nn_bf16 *y);
void nn_bf16_widen(size_t n, const nn_bf16 *x, real *y);

/* Whether products use the processor's bf16 arithmetic. */
bool nn_bf16_native(void);

/* A row-major matrix, or its transpose, of real or nn_bf16 with row stride ld. */
typedef struct nn_operand
{
	const void *data;
	size_t ld;
	bool bf16;
	bool transpose;
} nn_operand;

static inline nn_operand
nn_reals(const real *data, size_t ld, bool transpose)
{
	return (nn_operand){ data, ld, false, transpose };
}

static inline nn_operand
nn_halves(const nn_bf16 *data, size_t ld, bool transpose)
{
	return (nn_operand){ data, ld, true, transpose };
}

/*
 * The right factor B (k, n) of many products, rounded and laid out once. data: nn_panels_bytes()
 * of memory, aligned to NN_ALIGNMENT; of use only as long as nn_bf16_native() answers the same.
 */
typedef struct nn_panels
{
	size_t k, n;
	bool transpose; /* as the operand was */
	void *data;
} nn_panels;

size_t nn_panels_bytes(size_t k, size_t n);

/* panels: k, n and data set. */
void nn_panels_fill(nn_panels *panels, nn_operand b);

/* Bytes of workspace, aligned to NN_ALIGNMENT, that a product needs whatever its shape. */
size_t nn_bf16_workspace(void);

/*
 * C (m, n) = op(A) B, or C += op(A) B; op(A): (m, k), C with row stride ldc. A zero m, n or k
 * is legal. Safe to call from several threads, each with its workspace.
 */
void nn_gemm_panels(size_t m, nn_operand a, const nn_panels *b, bool add, real *c, size_t ldc,
					void *workspace);

/* The same with B as it lies: op(B) (k, n). */
void nn_gemm_bf16(size_t m, size_t n, size_t k, nn_operand a, nn_operand b, bool add, real *c,
				  size_t ldc, void *workspace);

#endif /* EMOTION_NN_BF16_H */
