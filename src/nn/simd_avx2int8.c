/*
 * simd_avx2int8.c
 *	  Products of whole numbers of 8 bits for AVX2: VPMADDUBSW of |x| and sign(x) w.
 */
#include "simd.h"

#ifdef NN_SIMD_X86

#include <immintrin.h>

/* After every system header: the kernels alone may use these instructions. */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define UNROLL _Pragma("GCC unroll 32")
#endif

#define INLINE static inline __attribute__((always_inline))

enum
{
	LANES = 8,
	VECTORS = NN_INT8_COLUMNS / LANES,
	ROWS = 2
};

INLINE __m256i
first_lanes(size_t count)
{
	return _mm256_cmpgt_epi32(_mm256_set1_epi32((int) count),
							  _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

INLINE void
finish(const nn_int8_product *p, size_t row, size_t column, __m256i sum)
{
	size_t left = p->columns > column ? p->columns - column : 0;
	__m256 scale =
		_mm256_mul_ps(_mm256_loadu_ps(p->scale + column), _mm256_set1_ps(p->input_scale[row]));
	real *to = p->y + row * p->ld_y + column;
	__m256i mask = first_lanes(left < LANES ? left : LANES);

	if (left == 0)
		return;
	_mm256_maskstore_ps(to, mask,
						_mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), scale,
										_mm256_maskload_ps(p->bias + column, mask)));
}

/* rows is known at compile time */
INLINE void
tile(const size_t rows, const nn_int8_product *p, size_t first)
{
	const uint8_t *input = p->input + first * 4 * p->groups;
	const __m256i ones = _mm256_set1_epi16(1);
	const int8_t *panel = p->panel;
	__m256i sum[ROWS][VECTORS];
	size_t i, j, g;

	UNROLL for (i = 0; i < rows; i++)
	{
		UNROLL for (j = 0; j < VECTORS; j++) sum[i][j] = _mm256_setzero_si256();
	}
	for (g = 0; g < p->groups; g++, input += 4, panel += 4 * NN_INT8_COLUMNS)
	{
		__m256i x[ROWS], magnitude[ROWS];

		UNROLL for (i = 0; i < rows; i++)
		{
			int32_t four;

			memcpy(&four, input + i * 4 * p->groups, 4);
			x[i] = _mm256_set1_epi32(four);
			magnitude[i] = _mm256_abs_epi8(x[i]);
		}
		UNROLL for (j = 0; j < VECTORS; j++)
		{
			__m256i w = _mm256_loadu_si256((const __m256i *) (panel + 4 * LANES * j));

			UNROLL for (i = 0; i < rows; i++)
			{
				__m256i pairs = _mm256_maddubs_epi16(magnitude[i], _mm256_sign_epi8(w, x[i]));

				sum[i][j] = _mm256_add_epi32(sum[i][j], _mm256_madd_epi16(pairs, ones));
			}
		}
	}
	UNROLL for (i = 0; i < rows; i++)
	{
		UNROLL for (j = 0; j < VECTORS; j++) finish(p, first + i, j * LANES, sum[i][j]);
	}
}

static void
multiply_avx2(const nn_int8_product *p)
{
	size_t row = 0;

	for (; row + 2 <= p->rows; row += 2)
		tile(2, p, row);
	if (row < p->rows)
		tile(1, p, row);
}

const nn_int8_kernels nn_int8_kernels_avx2 = { "avx2", 0, multiply_avx2 };

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif /* NN_SIMD_X86 */
