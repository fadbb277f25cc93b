/*
 * simd_avx512vnni.c
 *	  Products of whole numbers of 8 bits by VPDPBUSD (AVX512_VNNI).
 *
 * It multiplies unsigned by signed: inputs are q + 128, and 128 times the sum of an output's
 * weights is taken off at the end.
 */
#include "simd.h"

#ifdef NN_SIMD_X86

#include <immintrin.h>

/* After every system header: the kernels alone may use these instructions. */
#if defined(__clang__)
#pragma clang attribute push(                                                                      \
	__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512vnni"))), apply_to = function)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx512vnni")
#define UNROLL _Pragma("GCC unroll 32")
#endif

/* Keeps a sum in its register: gcc would carry a copy of each from turn to turn, some in memory. */
#if defined(__GNUC__) && !defined(__clang__)
#define HOLD(v) __asm__("" : "+v"(v))
#else
#define HOLD(v) (void) (v)
#endif

#define INLINE static inline __attribute__((always_inline))

enum
{
	LANES = 16,
	VECTORS = NN_INT8_COLUMNS / LANES,
	ROWS = 12 /* with two vectors of columns: 24 sums in 32 registers */
};

INLINE void
finish(const nn_int8_product *p, size_t row, size_t column, __m512i sum)
{
	size_t left = p->columns > column ? p->columns - column : 0;
	__mmask16 mask = left >= LANES ? (__mmask16) -1 : (__mmask16) ((1u << left) - 1);
	__m512i offset = _mm512_slli_epi32(_mm512_loadu_si512(p->sum + column), 7);
	__m512 whole = _mm512_cvtepi32_ps(_mm512_sub_epi32(sum, offset));
	__m512 scale =
		_mm512_mul_ps(_mm512_loadu_ps(p->scale + column), _mm512_set1_ps(p->input_scale[row]));

	_mm512_mask_storeu_ps(
		p->y + row * p->ld_y + column, mask,
		_mm512_fmadd_ps(whole, scale, _mm512_maskz_loadu_ps(mask, p->bias + column)));
}

/* rows is known at compile time */
INLINE void
tile(const size_t rows, const nn_int8_product *p, size_t first)
{
	const uint8_t *input = p->input + first * 4 * p->groups;
	const int8_t *panel = p->panel;
	__m512i sum[ROWS][VECTORS];
	size_t i, j, g;

	UNROLL for (i = 0; i < rows; i++)
	{
		UNROLL for (j = 0; j < VECTORS; j++) sum[i][j] = _mm512_setzero_si512();
	}
	for (g = 0; g < p->groups; g++, input += 4, panel += 4 * NN_INT8_COLUMNS)
	{
		__m512i w[VECTORS];

		UNROLL for (j = 0; j < VECTORS; j++) w[j] = _mm512_loadu_si512(panel + 4 * LANES * j);
		UNROLL for (i = 0; i < rows; i++)
		{
			int32_t four;
			__m512i x;

			memcpy(&four, input + i * 4 * p->groups, 4);
			x = _mm512_set1_epi32(four);
			UNROLL for (j = 0; j < VECTORS; j++)
			{
				sum[i][j] = _mm512_dpbusd_epi32(sum[i][j], x, w[j]);
				HOLD(sum[i][j]);
			}
		}
	}
	UNROLL for (i = 0; i < rows; i++)
	{
		UNROLL for (j = 0; j < VECTORS; j++) finish(p, first + i, j * LANES, sum[i][j]);
	}
}

static void
multiply_vnni(const nn_int8_product *p)
{
	size_t row = 0;

	for (; row + 12 <= p->rows; row += 12)
		tile(12, p, row);
	if (row + 8 <= p->rows)
	{
		tile(8, p, row);
		row += 8;
	}
	if (row + 4 <= p->rows)
	{
		tile(4, p, row);
		row += 4;
	}
	if (row + 2 <= p->rows)
	{
		tile(2, p, row);
		row += 2;
	}
	if (row < p->rows)
		tile(1, p, row);
}

const nn_int8_kernels nn_int8_kernels_vnni = { "vnni", 0x80, multiply_vnni };

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif /* NN_SIMD_X86 */
