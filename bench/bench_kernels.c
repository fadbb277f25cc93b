/*
 * bench_kernels.c
 *	  How fast the kernels of src/nn are on this machine: vector functions in
 *	  nanoseconds per element on each instruction set beside libm, nn_gemm as a
 *	  fraction of OpenBLAS's best on this machine in the same run, and products of
 *	  bf16 beside nn_gemm.
 * An argument, one of the instruction sets, forces it for the products.
 *
 *	  make -f test/plain.mk bench && build/bench/bench_kernels [avx2]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../src/nn/activation.h"
#include "../src/nn/bf16.h"
#include "../src/nn/matmul.h"
#include "../src/nn/random.h"

enum
{
	ELEMENTS = 2048,
	HIDDEN = 128,
	ROWS = 16,
	TRIALS = 15
};

static real input[ELEMENTS * 4];
static real output[ELEMENTS * 4];
static real gates_start[ROWS * 4 * HIDDEN];
static real gates[ROWS * 4 * HIDDEN];
static real cell[ROWS * HIDDEN];
static real tanh_cell[ROWS * HIDDEN];
static real state[ROWS * HIDDEN];
static real moments[2][ELEMENTS];
static volatile real sink;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

/* The best of some trials of about a millisecond each, in seconds per call. */
static double
measure(void (*work)(void))
{
	double best = 1e9;
	size_t calls = 1;
	int trial;

	for (;;)
	{
		double start = now();
		size_t i;

		for (i = 0; i < calls; i++)
			work();
		if (now() - start > 2e-3)
			break;
		calls *= 2;
	}
	for (trial = 0; trial < TRIALS; trial++)
	{
		double start = now();
		double each;
		size_t i;

		for (i = 0; i < calls; i++)
			work();
		each = (now() - start) / (double) calls;
		if (each < best)
			best = each;
	}
	sink = output[0];
	return best;
}

static void
libm_exp(void)
{
	size_t i;

	for (i = 0; i < ELEMENTS; i++)
		output[i] = expf(input[i]);
}

static void
libm_sigmoid(void)
{
	size_t i;

	for (i = 0; i < ELEMENTS; i++)
		output[i] = 1 / (1 + expf(-input[i]));
}

static void
libm_tanh(void)
{
	size_t i;

	for (i = 0; i < ELEMENTS; i++)
		output[i] = tanhf(input[i]);
}

static void
libm_gates(void)
{
	size_t r, u;

	memcpy(gates, gates_start, sizeof(gates));
	for (r = 0; r < ROWS; r++)
	{
		real *row = gates + r * 4 * HIDDEN;

		for (u = 0; u < HIDDEN; u++)
		{
			real i = 1 / (1 + expf(-row[u]));
			real f = 1 / (1 + expf(-row[HIDDEN + u]));
			real g = tanhf(row[2 * HIDDEN + u]);
			real o = 1 / (1 + expf(-row[3 * HIDDEN + u]));

			row[u] = i;
			row[HIDDEN + u] = f;
			row[2 * HIDDEN + u] = g;
			row[3 * HIDDEN + u] = o;
			cell[r * HIDDEN + u] = f * cell[r * HIDDEN + u] + i * g;
			tanh_cell[r * HIDDEN + u] = tanhf(cell[r * HIDDEN + u]);
			state[r * HIDDEN + u] = o * tanh_cell[r * HIDDEN + u];
		}
	}
}

static void
own_exp(void)
{
	nn_exp(ELEMENTS, input, output);
}

static void
own_sigmoid(void)
{
	nn_sigmoid(ELEMENTS, input, output);
}

static void
own_tanh(void)
{
	nn_tanh(ELEMENTS, input, output);
}

static void
own_gates(void)
{
	memcpy(gates, gates_start, sizeof(gates));
	nn_lstm_gates(ROWS, HIDDEN, gates, 4 * HIDDEN, cell, cell, tanh_cell, state, HIDDEN);
}

static void
own_gates_backward(void)
{
	memcpy(gates, gates_start, sizeof(gates));
	nn_lstm_gates_backward(ROWS, HIDDEN, gates, 4 * HIDDEN, state, tanh_cell, state, HIDDEN, cell);
}

static void
own_mask(void)
{
	nn_random_key key = { 42, NN_STREAM_CONV_DROPOUT, 1, 2 };

	nn_dropout_mask(&key, 0, ELEMENTS, 0.3f, output);
}

static void
own_adamw(void)
{
	static const nn_adamw_step step = { 1e-3f, 0.9f, 0.999f, 1e-8f, 0.01f, 1, 0.1f, 0.001f };

	nn_adamw(ELEMENTS, &step, output, input, moments[0], moments[1]);
}

static void
measure_vectors(void)
{
	static const char *const sets[] = { "libm", "baseline", "avx2", "avx512" };
	size_t s;

	printf("%-10s %7s %7s %7s %7s %9s %7s %7s   (ns per element; gates: per unit)\n", "", "exp",
		   "sigmoid", "tanh", "gates", "backward", "mask", "adamw");
	for (s = 0; s < sizeof(sets) / sizeof(sets[0]); s++)
	{
		const double units = ROWS * HIDDEN;

		memset(cell, 0, sizeof(cell));
		if (s == 0)
		{
			printf("%-10s %7.2f %7.2f %7.2f %7.2f\n", sets[s], measure(libm_exp) / ELEMENTS * 1e9,
				   measure(libm_sigmoid) / ELEMENTS * 1e9, measure(libm_tanh) / ELEMENTS * 1e9,
				   measure(libm_gates) / units * 1e9);
			continue;
		}
		if (!nn_simd_force(sets[s]))
			continue;
		printf("%-10s %7.2f %7.2f %7.2f ", sets[s], measure(own_exp) / ELEMENTS * 1e9,
			   measure(own_sigmoid) / ELEMENTS * 1e9, measure(own_tanh) / ELEMENTS * 1e9);
		printf("%7.2f ", measure(own_gates) / units * 1e9);
		memset(cell, 0, sizeof(cell));
		printf("%9.2f %7.2f ", measure(own_gates_backward) / units * 1e9,
			   measure(own_mask) / ELEMENTS * 1e9);
		memset(output, 0, sizeof(output));
		printf("%7.2f\n", measure(own_adamw) / ELEMENTS * 1e9);
	}
	nn_simd_force(NULL);
}

typedef struct shape
{
	size_t m, n, k;
} shape;

static shape current;
static bool current_transposed;
static real *a_matrix, *b_matrix, *c_matrix;

static void
own_gemm(void)
{
	nn_gemm(false, current_transposed, current.m, current.n, current.k, 1, a_matrix, current.k,
			b_matrix, current_transposed ? current.k : current.n, 0, c_matrix, current.n);
}

static double
gflops(shape s, bool transposed)
{
	current = s;
	current_transposed = transposed;
	return 2.0 * (double) s.m * (double) s.n * (double) s.k / measure(own_gemm) * 1e-9;
}

static void
measure_products(void)
{
	static const shape peak_shapes[] = { { 512, 512, 512 },
										 { 512, 1024, 768 },
										 { 512, 3072, 768 } };
	static const shape shapes[] = {
		{ 1, 512, 128 },  { 2, 512, 128 },   { 3, 512, 128 },    { 4, 512, 128 },
		{ 6, 512, 128 },  { 8, 512, 128 },   { 12, 512, 128 },   { 16, 512, 128 },
		{ 32, 512, 128 }, { 64, 512, 128 },  { 1024, 512, 128 }, { 512, 384, 300 },
		{ 20, 20, 64 },   { 32, 128, 512 },  { 32, 768, 768 },   { 512, 3072, 768 },
		{ 1, 1024, 256 }, { 12, 1024, 128 }, { 1, 28, 256 },     { 256, 1, 256 },
	};
	double peak = 0;
	size_t i;

	for (i = 0; i < sizeof(peak_shapes) / sizeof(peak_shapes[0]); i++)
	{
		double rate = gflops(peak_shapes[i], false);

		if (rate > peak)
			peak = rate;
	}
	printf("\n%s\nsgemm peak, one thread: %.1f GFLOP/s\n", nn_blas_description(), peak);
	printf("%-16s %9s %6s %9s %6s   (GFLOP/s, of peak)\n", "m,n,k", "A B", "", "A B'", "");
	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
	{
		double plain = gflops(shapes[i], false);
		double transposed = gflops(shapes[i], true);
		char name[64];

		snprintf(name, sizeof(name), "%zu,%zu,%zu", shapes[i].m, shapes[i].n, shapes[i].k);
		printf("%-16s %9.1f %5.0f%% %9.1f %5.0f%%\n", name, plain, 100 * plain / peak, transposed,
			   100 * transposed / peak);
	}
}

static nn_bf16 *a_halves, *b_halves;
static nn_panels panels;
static void *workspace;
static bool transpose_a, transpose_b;

static void
float_gemm(void)
{
	nn_gemm(transpose_a, transpose_b, current.m, current.n, current.k, 1, a_matrix,
			transpose_a ? current.m : current.k, b_matrix, transpose_b ? current.k : current.n, 0,
			c_matrix, current.n);
}

static nn_operand
bf16_a(void)
{
	return nn_halves(a_halves, transpose_a ? current.m : current.k, transpose_a);
}

static nn_operand
bf16_b(void)
{
	return nn_halves(b_halves, transpose_b ? current.k : current.n, transpose_b);
}

static void
bf16_gemm(void)
{
	nn_gemm_bf16(current.m, current.n, current.k, bf16_a(), bf16_b(), false, c_matrix, current.n,
				 workspace);
}

static void
bf16_panels(void)
{
	nn_gemm_panels(current.m, bf16_a(), &panels, false, c_matrix, current.n, workspace);
}

/* Products as training has them: forward, for the input's gradient, for the weight's. */
static void
measure_bf16(void)
{
	static const struct
	{
		const char *name;
		shape shape;
		bool transpose_a, transpose_b;
	} products[] = {
		{ "convolution", { 256, 128, 600 }, false, true },
		{ "its input", { 256, 600, 128 }, false, false },
		{ "its weight", { 128, 600, 256 }, true, false },
		{ "LSTM step", { 64, 512, 128 }, false, true },
		{ "its state", { 64, 128, 512 }, false, false },
		{ "its weight", { 512, 128, 256 }, true, false },
		{ "few rows", { 8, 512, 128 }, false, true },
		{ "large", { 512, 512, 512 }, false, true },
	};

	printf("\nbf16, %s\n%-12s %-12s %6s %6s %6s %11s %6s   (GFLOP/s, to float)\n",
		   nn_bf16_native() ? "by the processor" : "rounded, then multiplied as floats", "product",
		   "m,n,k", "float", "bf16", "", "B laid out", "");
	for (size_t i = 0; i < sizeof(products) / sizeof(products[0]); i++)
	{
		double operations, single, packed, laid_out;
		char name[64];

		current = products[i].shape;
		transpose_a = products[i].transpose_a;
		transpose_b = products[i].transpose_b;
		operations = 2e-9 * (double) current.m * (double) current.n * (double) current.k;
		panels = (nn_panels){ current.k, current.n, false, panels.data };
		nn_panels_fill(&panels, bf16_b());
		single = operations / measure(float_gemm);
		packed = operations / measure(bf16_gemm);
		laid_out = operations / measure(bf16_panels);
		snprintf(name, sizeof(name), "%zu,%zu,%zu", current.m, current.n, current.k);
		printf("%-12s %-12s %6.1f %6.1f %6.2f %11.1f %6.2f\n", products[i].name, name, single,
			   packed, packed / single, laid_out, laid_out / single);
	}
}

int
main(int argc, char **argv)
{
	const size_t largest = (size_t) 3072 * 1024;
	nn_random_key key = { 1, NN_STREAM_INIT, 0, 0 };
	em_status status;
	size_t i;

	a_matrix = aligned_alloc(64, largest * sizeof(real));
	b_matrix = aligned_alloc(64, largest * sizeof(real));
	c_matrix = aligned_alloc(64, largest * sizeof(real));
	if (a_matrix == NULL || b_matrix == NULL || c_matrix == NULL)
		return 1;
	for (i = 0; i < largest; i++)
	{
		a_matrix[i] = nn_random_uniform(&key, i);
		b_matrix[i] = a_matrix[i] - 0.5f;
		c_matrix[i] = 0;
	}
	for (i = 0; i < ELEMENTS; i++)
		input[i] = 40 * (a_matrix[i] - 0.5f);
	for (i = 0; i < sizeof(gates) / sizeof(gates[0]); i++)
		gates_start[i] = 8 * (a_matrix[i] - 0.5f);
	if (nn_blas_load(&status) != EM_OK)
	{
		fprintf(stderr, "%s\n", status.message);
		return 1;
	}
	printf("instruction set chosen: %s\n", nn_simd_name());
	measure_vectors();
	if (argc > 1 && !nn_simd_force(argv[1]))
	{
		fprintf(stderr, "this machine has no %s\n", argv[1]);
		return 1;
	}
	measure_products();
	a_halves = aligned_alloc(64, largest * sizeof(nn_bf16));
	b_halves = aligned_alloc(64, largest * sizeof(nn_bf16));
	workspace = aligned_alloc(64, nn_bf16_workspace());
	panels.data = aligned_alloc(64, largest * sizeof(real));
	if (a_halves == NULL || b_halves == NULL || workspace == NULL || panels.data == NULL)
		return 1;
	nn_bf16_round(largest, a_matrix, a_halves);
	nn_bf16_round(largest, b_matrix, b_halves);
	measure_bf16();
	return 0;
}
