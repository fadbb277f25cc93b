/*
 * fused.c
 *	  Choice among the kernels of fused.h, and the layout of their panels.
 */
#include "fused.h"

#include <string.h>

#include "simd.h"

#ifdef NN_SIMD_BF16
static bool
has_vnni(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("avx512vnni");
}
#endif

const nn_fused_kernels *
nn_fused_chosen(nn_numbers numbers)
{
	const nn_kernels *kernels = nn_kernels_chosen();

#ifdef NN_SIMD_BF16
	if (numbers == NN_HALVES && nn_bf16_kernels_chosen() != NULL)
		return &nn_fused_avx512bf16;
	if (numbers == NN_BYTES && kernels == &nn_kernels_avx512 && has_vnni())
		return &nn_fused_avx512vnni;
#endif
#ifdef NN_SIMD_X86
	if (kernels == &nn_kernels_avx512 && numbers == NN_REALS)
		return &nn_fused_avx512;
	if (kernels != &nn_kernels_baseline)
		return &nn_fused_avx2[numbers]; /* which AVX-512 includes: see is_supported */
#endif
	(void) kernels;
	return &nn_fused_baseline[numbers];
}

void
nn_panel_put(nn_numbers numbers, void *panels, size_t panel_bytes, size_t k, size_t column, real x)
{
	size_t depth = nn_cell_depth(numbers);
	char *panel = (char *) panels + column / NN_FUSED_COLUMNS * panel_bytes;
	size_t cell = k / depth * NN_FUSED_COLUMNS + column % NN_FUSED_COLUMNS;

	if (numbers == NN_BYTES)
		((int8_t *) (void *) panel)[4 * cell + k % 4] = (int8_t) x;
	else if (numbers == NN_HALVES)
		nn_bf16_round(1, &x, (nn_bf16 *) (void *) panel + 2 * cell + k % 2);
	else
		((real *) (void *) panel)[cell] = x;
}
