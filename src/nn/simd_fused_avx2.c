/*
 * simd_fused_avx2.c
 *	  The kernels of fused.h for AVX2 with FMA.
 */
#include "simd.h"

#ifdef NN_SIMD_X86

#include <immintrin.h>

/* After every system header: the kernels alone may use these instructions. */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

#define SIMD_LEVEL 2
#include "simd_vector.h"

#define FUSED_DOT 0
#define FUSED_NUMBERS 0
#define FUSED(name) fused_reals_##name
#include "simd_fused.h"
#undef FUSED_NUMBERS
#undef FUSED

#define FUSED_NUMBERS 1
#define FUSED(name) fused_halves_##name
#include "simd_fused.h"
#undef FUSED_NUMBERS
#undef FUSED

#define FUSED_NUMBERS 2
#define FUSED(name) fused_bytes_##name
#include "simd_fused.h"

const nn_fused_kernels nn_fused_avx2[] = { FUSED_TABLE(fused_reals_), FUSED_TABLE(fused_halves_),
										   FUSED_TABLE(fused_bytes_) };

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif /* NN_SIMD_X86 */
