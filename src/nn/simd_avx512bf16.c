/*
 * simd_avx512bf16.c
 *	  Packing and multiplying blocks of bf16 matrices by VDPBF16PS (AVX512_BF16).
 *
 * An instruction multiplies 16 pairs by 16 pairs and adds both products of each
 * to a float, so that panels hold pairs of neighbours along k.
 */
#include "simd.h"

#ifdef NN_SIMD_BF16

#include <immintrin.h>
#include <string.h>

#include "bf16.h"

/* After every system header: the kernels alone may use these instructions. */
#if defined(__clang__)
#pragma clang attribute push(                                                                      \
	__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512bf16"))), apply_to = function)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx512bf16")
#define UNROLL _Pragma("GCC unroll 32")
#endif

#define INLINE static inline __attribute__((always_inline))

enum
{
	LANES = 16,
	ROWS = NN_PANEL_ROWS,
	COLUMNS = NN_PANEL_COLUMNS,
	VECTORS = COLUMNS / LANES
};

/* Bits 0..count-1, of at most 16 or 32 */
INLINE __mmask16
first16(size_t count)
{
	return count >= 16 ? (__mmask16) -1 : (__mmask16) ((1u << count) - 1);
}

INLINE __mmask32
first32(size_t count)
{
	return count >= 32 ? (__mmask32) -1 : (__mmask32) ((UINT32_C(1) << count) - 1);
}

/* Elements first..first+count-1 of a row, as bf16 in 32 lanes of which those beyond are 0. */
INLINE __m512i
load_row(const void *x, size_t first, size_t count, bool bf16)
{
	const float *from;
	__m512 low, high;

	if (bf16)
		return _mm512_maskz_loadu_epi16(first32(count), (const nn_bf16 *) x + first);
	from = (const float *) x + first;
	low = _mm512_maskz_loadu_ps(first16(count), from);
	high = count > 16 ? _mm512_maskz_loadu_ps(first16(count - 16), from + 16) : _mm512_setzero_ps();
	return (__m512i) _mm512_cvtne2ps_pbh(high, low);
}

/* 16 pairs (p of columns first..first+15) of two rows; second NULL: zeros. */
INLINE __m512i
load_pairs(const void *row, const void *second, size_t first, size_t count, bool bf16)
{
	__m512i low, high;

	if (bf16)
	{
		__mmask16 mask = first16(count);

		low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, (const nn_bf16 *) row + first));
		high = second == NULL ? _mm512_setzero_si512()
							  : _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(
									mask, (const nn_bf16 *) second + first));
	}
	else
	{
		__mmask16 mask = first16(count);
		__m512 a = _mm512_maskz_loadu_ps(mask, (const float *) row + first);
		__m512 b = second == NULL ? _mm512_setzero_ps()
								  : _mm512_maskz_loadu_ps(mask, (const float *) second + first);

		low = _mm512_cvtepu16_epi32((__m256i) _mm512_cvtneps_pbh(a));
		high = _mm512_cvtepu16_epi32((__m256i) _mm512_cvtneps_pbh(b));
	}
	return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

/* Pair p of the 16 lines that begin at `line`, into panels of `width` lines. */
INLINE void
store_pairs(size_t width, size_t line, size_t pairs, size_t p, __m512i v, uint32_t *panels)
{
	uint32_t *to = panels + (line / width * pairs + p) * width + line % width;

	if (width >= LANES)
		_mm512_storeu_si512(to, v);
	else
	{
		_mm256_storeu_si256((__m256i *) to, _mm512_castsi512_si256(v));
		_mm256_storeu_si256((__m256i *) (to + pairs * width), _mm512_extracti64x4_epi64(v, 1));
	}
}

/* r[i] lane j becomes r[j] lane i, of 32 bits each. */
INLINE void
transpose(__m512i r[16])
{
	__m512i t[16];
	size_t i;

	UNROLL for (i = 0; i < 16; i += 2)
	{
		t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
		t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
	}
	UNROLL for (i = 0; i < 16; i += 4)
	{
		r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
		r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
		r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
		r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
	UNROLL for (i = 0; i < 4; i++)
	{
		t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
		t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
		t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
		t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
	}
	UNROLL for (i = 0; i < 4; i++)
	{
		r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
		r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
		r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
		r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
	}
}

INLINE const void *
row_of(const void *x, size_t ld, size_t row, bool bf16)
{
	return bf16 ? (const void *) ((const nn_bf16 *) x + row * ld)
				: (const void *) ((const float *) x + row * ld);
}

/* Lines are rows of x, k along them. */
INLINE void
pack_rows(const size_t width, size_t lines, size_t k, const void *x, size_t ld, const bool bf16,
		  uint32_t *panels)
{
	size_t pairs = (k + 1) / 2;
	size_t line, first, i;

	for (line = 0; line < lines; line += LANES)
	{
		size_t count = lines - line < LANES ? lines - line : LANES;

		for (first = 0; first < k; first += 2 * LANES)
		{
			size_t here = pairs - first / 2 < LANES ? pairs - first / 2 : LANES;
			__m512i v[16];

			UNROLL for (i = 0; i < 16; i++) v[i] =
				i < count ? load_row(row_of(x, ld, line + i, bf16), first, k - first, bf16)
						  : _mm512_setzero_si512();
			transpose(v);
			for (i = 0; i < here; i++)
				store_pairs(width, line, pairs, first / 2 + i, v[i], panels);
		}
	}
}

/* Lines are columns of x, k down them. */
INLINE void
pack_columns(const size_t width, size_t lines, size_t k, const void *x, size_t ld, const bool bf16,
			 uint32_t *panels)
{
	size_t pairs = (k + 1) / 2;
	size_t line, p;

	for (p = 0; p < pairs; p++)
	{
		const void *row = row_of(x, ld, 2 * p, bf16);
		const void *second = 2 * p + 1 < k ? row_of(x, ld, 2 * p + 1, bf16) : NULL;

		for (line = 0; line < lines; line += LANES)
			store_pairs(width, line, pairs, p, load_pairs(row, second, line, lines - line, bf16),
						panels);
	}
}

INLINE void
pack(const size_t width, size_t lines, size_t k, const nn_operand *x, bool along, uint32_t *panels)
{
	if (along && x->bf16)
		pack_rows(width, lines, k, x->data, x->ld, true, panels);
	else if (along)
		pack_rows(width, lines, k, x->data, x->ld, false, panels);
	else if (x->bf16)
		pack_columns(width, lines, k, x->data, x->ld, true, panels);
	else
		pack_columns(width, lines, k, x->data, x->ld, false, panels);
}

static void
pack_a(size_t m, size_t k, const nn_operand *a, uint32_t *panels)
{
	pack(ROWS, m, k, a, !a->transpose, panels);
}

static void
pack_b(size_t n, size_t k, const nn_operand *b, uint32_t *panels)
{
	pack(COLUMNS, n, k, b, b->transpose, panels);
}

/* rows (known at compile time) x count columns of C. */
INLINE void
tile(const size_t rows, size_t count, size_t pairs, const uint32_t *a, const uint32_t *b, bool add,
	 float *c, size_t ldc)
{
	__m512 sum[ROWS][VECTORS];
	size_t i, j, p;

	UNROLL for (i = 0; i < rows; i++)
	{
		UNROLL for (j = 0; j < VECTORS; j++) sum[i][j] = _mm512_setzero_ps();
	}
	for (p = 0; p < pairs; p++, a += ROWS, b += COLUMNS)
	{
		__m512i line[VECTORS];

		UNROLL for (j = 0; j < VECTORS; j++) line[j] = _mm512_loadu_si512(b + j * LANES);
		UNROLL for (i = 0; i < rows; i++)
		{
			__m512i pair = _mm512_set1_epi32((int) a[i]);

			UNROLL for (j = 0; j < VECTORS; j++) sum[i][j] =
				_mm512_dpbf16_ps(sum[i][j], (__m512bh) pair, (__m512bh) line[j]);
		}
	}
	UNROLL for (i = 0; i < rows; i++)
	{
		UNROLL for (j = 0; j < VECTORS; j++)
		{
			float *to = c + i * ldc + j * LANES;
			__mmask16 mask = count > j * LANES ? first16(count - j * LANES) : 0;

			if (add)
				sum[i][j] = _mm512_add_ps(sum[i][j], _mm512_maskz_loadu_ps(mask, to));
			_mm512_mask_storeu_ps(to, mask, sum[i][j]);
		}
	}
}

/* One panel of B against all of A. */
static void
multiply_panel(size_t m, size_t count, size_t pairs, const uint32_t *a, const uint32_t *b, bool add,
			   float *c, size_t ldc)
{
#define REST(rows)                                                                                 \
	case rows:                                                                                     \
		tile(rows, count, pairs, a, b, add, c, ldc);                                               \
		break
	for (; m >= ROWS; m -= ROWS, a += ROWS * pairs, c += ROWS * ldc)
		tile(ROWS, count, pairs, a, b, add, c, ldc);
	switch (m)
	{
		REST(1);
		REST(2);
		REST(3);
		REST(4);
		REST(5);
		REST(6);
		REST(7);
		default:
			break;
	}
#undef REST
}

static void
multiply(size_t m, size_t n, size_t k, const uint32_t *a, const uint32_t *b, bool add, float *c,
		 size_t ldc)
{
	size_t pairs = (k + 1) / 2;
	size_t j;

	for (j = 0; j < n; j += COLUMNS, b += COLUMNS * pairs)
		multiply_panel(m, n - j < COLUMNS ? n - j : COLUMNS, pairs, a, b, add, c + j, ldc);
}

const nn_bf16_kernels nn_bf16_kernels_avx512 = { pack_a, pack_b, multiply };

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif /* NN_SIMD_BF16 */
