/*
 * simd_fused_avx512bf16.c
 *	  The kernels of fused.h for AVX512_BF16: pairs of halves by VDPBF16PS.
 */
#include "simd.h"

#ifdef NN_SIMD_BF16

#include <immintrin.h>

/* After every system header: the kernels alone may use these instructions. */
#if defined(__clang__)
#pragma clang attribute push(                                                                      \
	__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,avx2,fma"))),             \
	apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,avx2,fma")
#endif

#define SIMD_LEVEL 3
#include "simd_vector.h"

#define FUSED_DOT 1
#define FUSED_NUMBERS 1
#define FUSED(name) fused_dot_##name
#include "simd_fused.h"

const nn_fused_kernels nn_fused_avx512bf16 = FUSED_TABLE(fused_dot_);

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif /* NN_SIMD_BF16 */
