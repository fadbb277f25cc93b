/*
 * simd.h
 *	  The table of vector kernels, one per instruction set, and the choice
 *	  among them. Inside the room only: others call activation.h, matmul.h and
 *	  random.h.
 *
 * simd_kernels.h holds the kernels, once, over the vector type of
 * simd_vector.h; simd_baseline.c, simd_avx2.c and simd_avx512.c compile it.
 */
#ifndef EMOTION_NN_SIMD_H
#define EMOTION_NN_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "activation.h"
#include "bf16.h"
#include "negative.h"
#include "transformer.h"

#if defined(__x86_64__) && !defined(EMOTION_DOUBLE)
#define NN_SIMD_X86 1
#endif

/* Compilers that know AVX512_BF16: gcc 10, clang 9. */
#if defined(NN_SIMD_X86) && defined(__clang__)
#if __has_builtin(__builtin_ia32_dpbf16ps_512)
#define NN_SIMD_BF16 1
#endif
#elif defined(NN_SIMD_X86) && defined(__GNUC__) && __GNUC__ >= 10
#define NN_SIMD_BF16 1
#endif

/* The functions of activation.h, and those that are named here. */
typedef struct nn_kernels
{
	const char *name;
	void (*exp)(size_t n, const real *x, real *y);
	void (*sigmoid)(size_t n, const real *x, real *y);
	void (*tanh)(size_t n, const real *x, real *y);
	void (*relu)(size_t n, const real *x, real *y);
	void (*relu_backward)(size_t n, const real *y, const real *dy, real *dx);
	void (*add_bias)(size_t rows, size_t columns, const real *bias, real *y, size_t ld);
	void (*add_bias_backward)(size_t rows, size_t columns, const real *dy, size_t ld, real *dbias);
	void (*axpy)(size_t n, real a, const real *x, real *y);
	real (*dot)(size_t n, const real *x, const real *y);
	double (*sum_of_squares)(size_t n, const real *x);
	void (*scale)(size_t n, real a, real *y);
	void (*multiply)(size_t n, const real *x, real *y);
	void (*lstm_gates)(size_t rows, size_t hidden, real *gates, size_t ld_gates,
					   const real *c_previous, real *c, real *tanh_c, real *h, size_t ld_h);
	void (*lstm_gates_backward)(size_t rows, size_t hidden, real *gates, size_t ld_gates,
								const real *c_previous, const real *tanh_c, const real *dh,
								size_t ld_dh, real *dc);
	void (*adamw)(size_t n, const nn_adamw_step *step, real *weight, const real *gradient,
				  real *first_moment, real *second_moment);
	void (*round_bf16)(size_t n, const real *x, nn_bf16 *y);
	void (*widen_bf16)(size_t n, const nn_bf16 *x, real *y);

	/* Up to so many rows gemm_nt and gemm_nn outdo OpenBLAS while B lies in the cache. */
	size_t few_rows;

	/* C (m, n) = beta * C + alpha * A B^T: A (m, k), B (n, k), row strides lda, ldb, ldc. */
	void (*gemm_nt)(size_t m, size_t n, size_t k, real alpha, const real *a, size_t lda,
					const real *b, size_t ldb, real beta, real *c, size_t ldc);

	/* C (m, n) = beta * C + alpha * A B: A (m, k), B (k, n); as above. */
	void (*gemm_nn)(size_t m, size_t n, size_t k, real alpha, const real *a, size_t lda,
					const real *b, size_t ldb, real beta, real *c, size_t ldc);

	/* The functions of negative.h. */
	void (*rows_sum)(size_t n, const real *matrix, const uint32_t *rows, size_t count, real *sum);
	void (*rows_add)(size_t n, const real *x, const uint32_t *rows, size_t count, real *matrix);
	double (*negative_step)(size_t n, size_t count, real rate, real response, real *const *output,
							real *h, real *gradient);

	/*
	 * Words of Philox blocks counter[0], counter[0] + 1, ... (the other words
	 * of the counter fixed) into mask: 0 where the word is below threshold,
	 * else keep. Does the first multiple of its own width and returns how many
	 * blocks of four that was; the caller does the rest.
	 */
	size_t (*dropout_blocks)(const uint32_t key[2], const uint32_t counter[4], size_t blocks,
							 uint32_t threshold, real keep, real *mask);

	/* The functions of transformer.h. */
	void (*gelu)(size_t rows, size_t columns, const real *bias, real *z, real *y);
	void (*gelu_backward)(size_t n, const real *z, const real *dy, real *dz, real *y);
	void (*softmax)(size_t rows, size_t columns, real scale, real *x, size_t ld);
	void (*softmax_backward)(size_t rows, size_t columns, real scale, const real *p, real *dp,
							 size_t ld);
	void (*layer_norm)(size_t rows, size_t dim, const nn_norm *norm, const real *x, real *normal,
					   real *inverse, real *y);
	void (*layer_norm_backward)(size_t rows, size_t dim, const real *dy, const real *normal,
								const real *inverse, const real *scale, real *dx, real *dscale,
								real *dshift);
} nn_kernels;

extern const nn_kernels nn_kernels_baseline;
#ifdef NN_SIMD_X86
extern const nn_kernels nn_kernels_avx2;
extern const nn_kernels nn_kernels_avx512;
#endif

/* The table in use. */
const nn_kernels *nn_kernels_chosen(void);

/*
 * Products of packed blocks. op(A) (m, k) is packed into panels of NN_PANEL_ROWS
 * rows, op(B) (k, n) into panels of NN_PANEL_COLUMNS columns; in a panel stand, for each pair of
 * neighbours along k, those of all its lines. An odd k is filled up with zeros, lines missing
 * in the last panel hold anything. Panels are written 16 lines at a time.
 */
#define NN_PANEL_ROWS 8
#define NN_PANEL_COLUMNS 32

typedef struct nn_bf16_kernels
{
	void (*pack_a)(size_t m, size_t k, const nn_operand *a, uint32_t *panels);
	void (*pack_b)(size_t n, size_t k, const nn_operand *b, uint32_t *panels);

	/* C (m, n) = A B, or C += A B */
	void (*multiply)(size_t m, size_t n, size_t k, const uint32_t *a, const uint32_t *b, bool add,
					 real *c, size_t ldc);
} nn_bf16_kernels;

#ifdef NN_SIMD_BF16
extern const nn_bf16_kernels nn_bf16_kernels_avx512;
#endif

/* NULL where the processor lacks bf16 arithmetic, or a smaller instruction set was forced. */
const nn_bf16_kernels *nn_bf16_kernels_chosen(void);

/* Philox4x32-10: the multipliers, and what each round adds to the key. */
#define NN_PHILOX_M0 UINT32_C(0xD2511F53)
#define NN_PHILOX_M1 UINT32_C(0xCD9E8D57)
#define NN_PHILOX_W0 UINT32_C(0x9E3779B9)
#define NN_PHILOX_W1 UINT32_C(0xBB67AE85)
#define NN_PHILOX_ROUNDS 10

#endif /* EMOTION_NN_SIMD_H */
