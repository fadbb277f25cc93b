/*
 * matmul.h
 *	  Matrix products over OpenBLAS, loaded late and kept to one thread.
 *
 * Loading OpenBLAS the ordinary way starts a thread per core with no signal
 * blocked, and those threads would steal a backend's signals. So it is never
 * linked: nn_blas_load() opens it at first need, with OPENBLAS_NUM_THREADS=1
 * in the environment and every signal blocked meanwhile. Parallelism is ours
 * (pool.h), by splitting batches.
 */
#ifndef EMOTION_NN_MATMUL_H
#define EMOTION_NN_MATMUL_H

#include <stdbool.h>
#include <stddef.h>

#include "../base.h"
#include "real.h"

/*
 * Open OpenBLAS once per process; later calls return at once. Call it from the
 * main thread before any product. EM_SYSTEM with the loader's words when the
 * library is missing or lacks a symbol. The environment is left as it was.
 */
em_code nn_blas_load(em_status *status);

/* What was loaded, for EXPLAIN-like output and benches; "" before loading. */
const char *nn_blas_description(void);

/*
 * C = alpha * op(A) op(B) + beta * C, row-major, op(X) = X or its transpose.
 * C: (m, n) with row stride ldc; op(A): (m, k); op(B): (k, n). A zero m, n or k
 * is legal (k = 0 scales C by beta). Safe to call from several threads.
 * A few rows of a plain A take our own vector kernels (simd_gemm.h), because
 * OpenBLAS packs B first and loses up to 90 % of its speed to that; before
 * nn_blas_load() every product does, correct but slow when large.
 */
void nn_gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, real alpha,
			 const real *a, size_t lda, const real *b, size_t ldb, real beta, real *c, size_t ldc);

#endif /* EMOTION_NN_MATMUL_H */
