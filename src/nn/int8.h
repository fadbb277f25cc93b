/*
 * int8.h
 *	  Linear layers in whole numbers of 8 bits: weights rounded once, a scale per
 *	  output; inputs rounded as they come, a scale per row.
 *
 *	  y = (s_x q_x) (s_w q_w)^T + bias,  q in -127..127,  s = largest magnitude / 127
 *
 * Products of q are summed exactly, in 32 bits, whatever the processor: by VPDPBUSD
 * (AVX512_VNNI), which takes inputs as q + 128 and has 128 times the weights' sum taken off again; by
 * VPMADDUBSW on AVX2, whose pairs of |q_x| sign(q_x) q_w, at most 2 * 127^2, do not saturate; or by plain
 * loops. Of the same inputs all make the same whole numbers; only what they are then multiplied by
 * rounds differently.
 */
#ifndef EMOTION_NN_INT8_H
#define EMOTION_NN_INT8_H

#include <stddef.h>
#include <stdint.h>

#include "real.h"

/* Longest rows of a product: sums stay far within 32 bits. */
#define NN_INT8_MAX_DEPTH 8192

/* "vnni", "avx2" or "portable"; follows nn_simd_force. */
const char *nn_int8_name(void);

/*
 * The weight (n, k) of a linear layer, laid out for all processors alike. data: nn_int8_bytes() of
 * memory, aligned to NN_ALIGNMENT.
 */
typedef struct nn_int8_matrix
{
	size_t n, k;
	void *data;
} nn_int8_matrix;

size_t nn_int8_bytes(size_t n, size_t k);

/* Round weight (n, k), contiguous; matrix: n, k (1..NN_INT8_MAX_DEPTH) and data set. */
void nn_int8_fill(const nn_int8_matrix *matrix, const real *weight);

/*
 * The same from rows that are whole numbers already, one by one and with their scales at another
 * time: clear first, then put. q: (k) of -127..127.
 */
void nn_int8_clear(const nn_int8_matrix *matrix);
void nn_int8_put_row(const nn_int8_matrix *matrix, size_t row, const int8_t *q);
void nn_int8_put_scale(const nn_int8_matrix *matrix, size_t row, real scale);

/* Inputs, rounded: memory for rows of so many numbers, aligned to NN_ALIGNMENT. */
size_t nn_int8_input_bytes(size_t rows, size_t k);

/*
 * Round x (rows, k), row stride ld_x, into input: finite numbers; a row without any beyond 1e-30 counts
 * as zeros.
 */
void nn_int8_round(size_t rows, size_t k, const real *x, size_t ld_x, void *input);

/*
 * y (rows, n) stride ld_y = the linear layer of what nn_int8_round left, under the same instruction
 * set. bias: (n) or NULL. Safe to call from several threads.
 */
void nn_int8_linear(size_t rows, const void *input, const nn_int8_matrix *matrix, const real *bias,
					real *y, size_t ld_y);

#endif /* EMOTION_NN_INT8_H */
