/*
 * simd_avx512.c
 *	  The vector kernels for AVX-512 (F, DQ, BW, VL).
 */
#include "simd.h"

#ifdef NN_SIMD_X86

#include <immintrin.h>
#include <math.h>

/* After every system header: the kernels alone may use these instructions. */
#if defined(__clang__)
#pragma clang attribute push(                                                                      \
	__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
#endif

#define SIMD_LEVEL 3
#define SIMD_NAME "avx512"
#define SIMD_TABLE nn_kernels_avx512
#include "simd_kernels.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif /* NN_SIMD_X86 */
