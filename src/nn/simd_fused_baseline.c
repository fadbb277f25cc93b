/*
 * simd_fused_baseline.c
 *	  The kernels of fused.h for any processor. Where it lacks a fused multiply-add, that is put together
 *	  from double precision: slow, but the same bits.
 */
#include <math.h>

#include "simd.h"

#ifdef NN_SIMD_X86
#include <immintrin.h>
#endif

#define SIMD_LEVEL 0
#define SIMD_EXACT_FMA
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

const nn_fused_kernels nn_fused_baseline[] = { FUSED_TABLE(fused_reals_),
											   FUSED_TABLE(fused_halves_),
											   FUSED_TABLE(fused_bytes_) };
