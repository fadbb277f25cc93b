/*
 * simd_fused_avx512.c
 *	  The kernels of fused.h for AVX-512 (F, DQ, BW, VL): of reals. Halves and bytes take an
 *	  instruction of their own, or AVX2.
 */
#include "simd.h"

#ifdef NN_SIMD_X86

#include <immintrin.h>

/* After every system header: the kernels alone may use these instructions. */
#if defined(__clang__)
#pragma clang attribute push(                                                                      \
	__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
#endif

#define SIMD_LEVEL 3
#include "simd_vector.h"

#define FUSED_DOT 0
#define FUSED_NUMBERS 0
#define FUSED(name) fused_reals_##name
#include "simd_fused.h"

const nn_fused_kernels nn_fused_avx512 = FUSED_TABLE(fused_reals_);

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif /* NN_SIMD_X86 */
