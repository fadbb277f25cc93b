/*
 * activation.c
 *	  Choice of the instruction set, and the functions of activation.h over it.
 */
#include "activation.h"

#include <stdatomic.h>
#include <string.h>

#include "simd.h"

#ifdef NN_SIMD_BF16
#include <cpuid.h>
#endif

/* NULL until first used. Every thread would choose the same, so a race is harmless. */
static _Atomic(const nn_kernels *) chosen;

/*
 * The compiler's check asks the processor and the operating system both: the
 * latter must save the wider registers.
 */
static bool
is_supported(const nn_kernels *kernels)
{
#ifdef NN_SIMD_X86
	__builtin_cpu_init();
	if (kernels == &nn_kernels_avx512)
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
			   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
			   __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
	if (kernels == &nn_kernels_avx2)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
	return kernels == &nn_kernels_baseline;
}

/* The best of those that this machine has, or the one of that name; NULL when there is none. */
static const nn_kernels *
find_kernels(const char *name)
{
	static const nn_kernels *const best_first[] = {
#ifdef NN_SIMD_X86
		&nn_kernels_avx512,
		&nn_kernels_avx2,
#endif
		&nn_kernels_baseline,
	};
	size_t i;

	for (i = 0; i < sizeof(best_first) / sizeof(best_first[0]); i++)
	{
		if (name != NULL && strcmp(name, best_first[i]->name) != 0)
			continue;
		if (is_supported(best_first[i]))
			return best_first[i];
	}
	return name == NULL ? &nn_kernels_baseline : NULL;
}

const nn_kernels *
nn_kernels_chosen(void)
{
	const nn_kernels *kernels = atomic_load_explicit(&chosen, memory_order_acquire);

	if (kernels == NULL)
	{
		kernels = find_kernels(NULL);
		atomic_store_explicit(&chosen, kernels, memory_order_release);
	}
	return kernels;
}

#ifdef NN_SIMD_BF16
/* The compilers' own check knows the name only since gcc 11. */
static bool
has_bf16(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 5)) != 0;
}
#endif

const nn_bf16_kernels *
nn_bf16_kernels_chosen(void)
{
#ifdef NN_SIMD_BF16
	static _Atomic(int) known; /* 0: not yet, 1: no, 2: yes */
	int state = atomic_load_explicit(&known, memory_order_relaxed);

	if (state == 0)
	{
		state = has_bf16() ? 2 : 1;
		atomic_store_explicit(&known, state, memory_order_relaxed);
	}
	if (state == 2 && nn_kernels_chosen() == &nn_kernels_avx512)
		return &nn_bf16_kernels_avx512;
#endif
	return NULL;
}

const nn_int8_kernels *
nn_int8_kernels_chosen(void)
{
#ifdef NN_SIMD_X86
	const nn_kernels *kernels = nn_kernels_chosen();

	if (kernels == &nn_kernels_avx512 && __builtin_cpu_supports("avx512vnni"))
		return &nn_int8_kernels_vnni;
	if (kernels != &nn_kernels_baseline)
		return &nn_int8_kernels_avx2;
#endif
	return &nn_int8_kernels_portable;
}

const char *
nn_simd_name(void)
{
	return nn_kernels_chosen()->name;
}

bool
nn_simd_force(const char *name)
{
	const nn_kernels *kernels = find_kernels(name);

	if (kernels == NULL)
		return false;
	atomic_store_explicit(&chosen, kernels, memory_order_release);
	return true;
}

void
nn_exp(size_t n, const real *x, real *y)
{
	nn_kernels_chosen()->exp(n, x, y);
}

void
nn_sigmoid(size_t n, const real *x, real *y)
{
	nn_kernels_chosen()->sigmoid(n, x, y);
}

void
nn_tanh(size_t n, const real *x, real *y)
{
	nn_kernels_chosen()->tanh(n, x, y);
}

void
nn_relu(size_t n, const real *x, real *y)
{
	nn_kernels_chosen()->relu(n, x, y);
}

void
nn_relu_backward(size_t n, const real *y, const real *dy, real *dx)
{
	nn_kernels_chosen()->relu_backward(n, y, dy, dx);
}

void
nn_add_bias(size_t rows, size_t columns, const real *bias, real *y, size_t ld)
{
	nn_kernels_chosen()->add_bias(rows, columns, bias, y, ld);
}

void
nn_add_bias_backward(size_t rows, size_t columns, const real *dy, size_t ld, real *dbias)
{
	nn_kernels_chosen()->add_bias_backward(rows, columns, dy, ld, dbias);
}

void
nn_axpy(size_t n, real a, const real *x, real *y)
{
	nn_kernels_chosen()->axpy(n, a, x, y);
}

real
nn_dot(size_t n, const real *x, const real *y)
{
	return nn_kernels_chosen()->dot(n, x, y);
}

double
nn_sum_of_squares(size_t n, const real *x)
{
	return nn_kernels_chosen()->sum_of_squares(n, x);
}

void
nn_scale(size_t n, real a, real *y)
{
	nn_kernels_chosen()->scale(n, a, y);
}

void
nn_multiply(size_t n, const real *x, real *y)
{
	nn_kernels_chosen()->multiply(n, x, y);
}

void
nn_lstm_gates(size_t rows, size_t hidden, real *gates, size_t ld_gates, const real *c_previous,
			  real *c, real *tanh_c, real *h, size_t ld_h)
{
	nn_kernels_chosen()->lstm_gates(rows, hidden, gates, ld_gates, c_previous, c, tanh_c, h, ld_h);
}

void
nn_lstm_gates_backward(size_t rows, size_t hidden, real *gates, size_t ld_gates,
					   const real *c_previous, const real *tanh_c, const real *dh, size_t ld_dh,
					   real *dc)
{
	nn_kernels_chosen()->lstm_gates_backward(rows, hidden, gates, ld_gates, c_previous, tanh_c, dh,
											 ld_dh, dc);
}

void
nn_adamw(size_t n, const nn_adamw_step *step, real *weight, const real *gradient,
		 real *first_moment, real *second_moment)
{
	nn_kernels_chosen()->adamw(n, step, weight, gradient, first_moment, second_moment);
}

void
nn_gemv(size_t n, size_t k, real alpha, const real *b, size_t ldb, const real *x, real beta,
		real *y)
{
	nn_kernels_chosen()->gemm_nt(1, n, k, alpha, x, k, b, ldb, beta, y, n);
}
