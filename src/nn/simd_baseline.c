/*
 * simd_baseline.c
 *	  The vector kernels for what every processor of the architecture has.
 */
#include "simd.h"

#include <math.h>
#ifdef NN_SIMD_X86
#include <emmintrin.h>
#endif

#define SIMD_LEVEL 0
#define SIMD_NAME "baseline"
#define SIMD_TABLE nn_kernels_baseline
#include "simd_kernels.h"
