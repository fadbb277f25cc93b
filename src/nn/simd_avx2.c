/*
 * simd_avx2.c
 *	  The vector kernels for AVX2 with FMA.
 */
#include "simd.h"

#ifdef NN_SIMD_X86

#include <immintrin.h>
#include <math.h>

/* After every system header: the kernels alone may use these instructions. */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

#define SIMD_LEVEL 2
#define SIMD_NAME "avx2"
#define SIMD_TABLE nn_kernels_avx2
#include "simd_kernels.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif /* NN_SIMD_X86 */
