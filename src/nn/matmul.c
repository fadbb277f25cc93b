/*
 * matmul.c
 *	  OpenBLAS, opened late; and which products go to it.
 */
#include "matmul.h"

#include <dlfcn.h>
#include <fenv.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simd.h"

/*
 * Measured (bench/bench_kernels.c): our kernels, which read B in place, outdo
 * OpenBLAS, which packs it first, for a few rows always; and for some tens where B has columns
 * enough to fill the vectors and either fits in a second-level cache, or is transposed, when
 * CHUNK_COLUMNS of it at a time are read once for all rows: by 2 for 12 rows, by 1.25 for 48.
 */
#define ALWAYS_FEW_ROWS 8
#define STREAMED_ROWS 48
#define CHUNK_COLUMNS ((size_t) 24)
#define CACHED_ELEMENTS ((size_t) 128 * 1024)
#define ENOUGH_COLUMNS 64

/* What cblas.h says, which we do without: nothing is needed to build. */
enum
{
	ROW_MAJOR = 101,
	NO_TRANSPOSE = 111,
	TRANSPOSE = 112
};

typedef void (*gemm_function)(int order, int transpose_a, int transpose_b, int m, int n, int k,
							  real alpha, const real *a, int lda, const real *b, int ldb, real beta,
							  real *c, int ldc);

#ifdef EMOTION_DOUBLE
#define GEMM_SYMBOL "cblas_dgemm"
#else
#define GEMM_SYMBOL "cblas_sgemm"
#endif

/*
 * In order of preference. Fedora's libopenblas.so.0 is its serial build and
 * libopenblasp the threaded one; the last ones are whatever else speaks CBLAS.
 */
static const char *const library_names[] = {
	"libopenblas.so.0", "libopenblas.so", "libopenblasp.so.0",   "libopenblasp.so",
	"libcblas.so.3",    "libblas.so.3",   "libopenblas.0.dylib", "libopenblas.dylib",
};

/* The process's one copy; set once. */
static _Atomic(gemm_function) blas_gemm;
static char blas_description[320];

/* An environment variable set for a while. */
typedef struct saved_variable
{
	const char *name;
	bool existed;
	char value[256];
} saved_variable;

static em_code
set_variable(saved_variable *variable, const char *name, const char *value, em_status *status)
{
	const char *old = getenv(name);

	variable->name = NULL;
	variable->existed = old != NULL;
	if (old != NULL && strlen(old) >= sizeof(variable->value))
		return em_fail(status, EM_SYSTEM, "environment variable \"%s\" is too long", name);
	if (old != NULL)
		memcpy(variable->value, old, strlen(old) + 1);
	if (setenv(name, value, 1) != 0)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	variable->name = name;
	return EM_OK;
}

/* Fails only for want of memory: then the library's threads stay at one, which is harmless. */
static void
restore_variable(const saved_variable *variable)
{
	if (variable->name == NULL)
		return;
	if (variable->existed)
		(void) setenv(variable->name, variable->value, 1);
	else
		(void) unsetenv(variable->name);
}

/* A symbol as a function: ISO C has no cast from one kind of pointer to the other. */
static bool
find_function(void *library, const char *symbol, void *function_pointer)
{
	void *found = dlsym(library, symbol);

	if (found == NULL)
		return false;
	memcpy(function_pointer, &found, sizeof(found));
	return true;
}

static void
describe(void *library, const char *name)
{
	char *(*config)(void);
	char *(*core_name)(void);

	if (find_function(library, "openblas_get_config", &config))
	{
		const char *text = config();
		int length = (int) strlen(text);

		while (length > 0 && text[length - 1] == ' ')
			length--;
		if (find_function(library, "openblas_get_corename", &core_name))
			snprintf(blas_description, sizeof(blas_description), "%s (%.*s; %s)", name, length,
					 text, core_name());
		else
			snprintf(blas_description, sizeof(blas_description), "%s (%.*s)", name, length, text);
	}
	else
		snprintf(blas_description, sizeof(blas_description), "%s", name);
}

/* The loader's words for the first library go into status: they name the one to install. */
static em_code
open_library(em_status *status)
{
	bool reported = false;
	size_t i;

	for (i = 0; i < sizeof(library_names) / sizeof(library_names[0]); i++)
	{
		void *library = dlopen(library_names[i], RTLD_NOW | RTLD_LOCAL);
		gemm_function gemm;
		void (*set_threads)(int threads);

		if (library != NULL && find_function(library, GEMM_SYMBOL, &gemm))
		{
			if (find_function(library, "openblas_set_num_threads", &set_threads))
				set_threads(1);
			describe(library, library_names[i]);
			atomic_store_explicit(&blas_gemm, gemm, memory_order_release);
			return EM_OK;
		}
		if (!reported)
		{
			const char *reason = dlerror();

			em_fail(status, EM_SYSTEM, "could not load OpenBLAS: %s",
					reason != NULL ? reason : library_names[i]);
			em_hint(status, "Install OpenBLAS (libopenblas.so.0) where the loader finds it.");
			reported = true;
		}
		if (library != NULL)
			dlclose(library);
	}
	return EM_SYSTEM;
}

em_code
nn_blas_load(em_status *status)
{
	saved_variable variables[2];
	sigset_t all;
	sigset_t before;
	fenv_t arithmetic;
	em_code code;
	int error;

	if (atomic_load_explicit(&blas_gemm, memory_order_acquire) != NULL)
		return EM_OK;

	/* Should the library start a thread all the same, it inherits this mask. */
	sigfillset(&all);
	error = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (error != 0)
		return em_fail(status, EM_SYSTEM, "could not block signals: %s", strerror(error));

	/* A library linked with fast-math would change how the whole process rounds. */
	fegetenv(&arithmetic);
	memset(variables, 0, sizeof(variables));
	code = set_variable(&variables[0], "OPENBLAS_NUM_THREADS", "1", status);
	if (code == EM_OK)
		code = set_variable(&variables[1], "OMP_NUM_THREADS", "1", status);
	if (code == EM_OK)
		code = open_library(status);
	restore_variable(&variables[1]);
	restore_variable(&variables[0]);
	fesetenv(&arithmetic);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return code;
}

const char *
nn_blas_description(void)
{
	return blas_description;
}

/* C = beta * C, where beta = 0 overwrites even NaN. */
static void
scale_matrix(size_t m, size_t n, real beta, real *c, size_t ldc)
{
	size_t i;

	for (i = 0; i < m; i++, c += ldc)
	{
		if (beta == 0)
			memset(c, 0, n * sizeof(*c));
		else
			nn_scale(n, beta, c);
	}
}

/*
 * Without OpenBLAS, or beyond what its int can count: our kernels, four rows of
 * C at a time. Columns of a transposed A are first copied into rows.
 */
static void
multiply_few_rows(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, real alpha,
				  const real *a, size_t lda, const real *b, size_t ldb, real beta, real *c,
				  size_t ldc)
{
	enum
	{
		ROWS = 4,
		DEPTH = 256
	};
	const nn_kernels *kernels = nn_kernels_chosen();
	real block[ROWS * DEPTH];
	size_t i, first;

	if (!transpose_a && transpose_b)
	{
		for (i = 0; i < n; i += CHUNK_COLUMNS)
			kernels->gemm_nt(m, n - i < CHUNK_COLUMNS ? n - i : CHUNK_COLUMNS, k, alpha, a, lda,
							 b + i * ldb, ldb, beta, c + i, ldc);
		return;
	}
	if (!transpose_a)
	{
		kernels->gemm_nn(m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
		return;
	}
	for (i = 0; i < m; i += ROWS)
	{
		size_t rows = m - i < ROWS ? m - i : ROWS;

		for (first = 0; first < k; first += DEPTH)
		{
			size_t depth = k - first < DEPTH ? k - first : DEPTH;
			real so_far = first == 0 ? beta : 1;
			size_t p, r;

			for (p = 0; p < depth; p++)
			{
				for (r = 0; r < rows; r++)
					block[r * DEPTH + p] = a[(first + p) * lda + i + r];
			}
			if (transpose_b)
				kernels->gemm_nt(rows, n, depth, alpha, block, DEPTH, b + first, ldb, so_far,
								 c + i * ldc, ldc);
			else
				kernels->gemm_nn(rows, n, depth, alpha, block, DEPTH, b + first * ldb, ldb, so_far,
								 c + i * ldc, ldc);
		}
	}
}

static bool
are_few_rows(bool transpose_b, size_t m, size_t n, size_t k)
{
	if (m > nn_kernels_chosen()->few_rows)
		return false;
	return m <= ALWAYS_FEW_ROWS || (n >= ENOUGH_COLUMNS && (n * k <= CACHED_ELEMENTS ||
															(transpose_b && m <= STREAMED_ROWS)));
}

static bool
fits_int(size_t m, size_t n, size_t k, size_t lda, size_t ldb, size_t ldc)
{
	return m <= INT_MAX && n <= INT_MAX && k <= INT_MAX && lda <= INT_MAX && ldb <= INT_MAX &&
		   ldc <= INT_MAX;
}

void
nn_gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, real alpha, const real *a,
		size_t lda, const real *b, size_t ldb, real beta, real *c, size_t ldc)
{
	gemm_function gemm = atomic_load_explicit(&blas_gemm, memory_order_acquire);

	if (m == 0 || n == 0)
		return;
	if (m == 1 && lda == 1 && transpose_a)
	{
		transpose_a = false; /* one column without gaps is one row */
		lda = k;
	}
	if (k == 0)
		scale_matrix(m, n, beta, c, ldc);
	else if (n == 1 && m > 1 && ldc == 1 && (transpose_b || ldb == 1))
	{
		/* A column is a row of the transposed product: C' = B' A'. */
		multiply_few_rows(false, !transpose_a, 1, m, k, alpha, b, k, a, lda, beta, c, m);
	}
	else if (gemm == NULL || (!transpose_a && are_few_rows(transpose_b, m, n, k)) ||
			 !fits_int(m, n, k, lda, ldb, ldc))
		multiply_few_rows(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
	else
		gemm(ROW_MAJOR, transpose_a ? TRANSPOSE : NO_TRANSPOSE,
			 transpose_b ? TRANSPOSE : NO_TRANSPOSE, (int) m, (int) n, (int) k, alpha, a, (int) lda,
			 b, (int) ldb, beta, c, (int) ldc);
}
