/*
 * negative.h
 *	  The arithmetic of negative sampling (Mikolov et al. 2013; with sub-words, Bojanowski et al.
 *	  2017): a hidden vector that is a sum of rows, tried against a few output rows.
 *
 * Threads may work on one matrix at once without locks (Niu et al. 2011, "Hogwild!"): rows are
 * read and written with ordinary loads and stores, so of two updates of the same number at the same
 * time one may be lost. In the language's terms that is a data race, kept to the matrices' floats,
 * which no processor tears; atomic accesses would forbid vector instructions.
 */
#ifndef EMOTION_NN_NEGATIVE_H
#define EMOTION_NN_NEGATIVE_H

#include <stddef.h>
#include <stdint.h>

#include "real.h"

/* Output rows of one step, the target included. */
#define NN_NEGATIVE_MAX 64

/* sum (n) += the given rows of matrix (., n), in their order. */
void nn_rows_sum(size_t n, const real *matrix, const uint32_t *rows, size_t count, real *sum);

/* x (n) is added to the given rows of matrix (., n). */
void nn_rows_add(size_t n, const real *x, const uint32_t *rows, size_t count, real *matrix);

/*
 * Logistic regression of h (n) against output rows (n each; count of 1..NN_NEGATIVE_MAX), the first
 * labelled 1, the others 0, and one step of gradient descent on all of them:
 *
 *	  g_j = rate (label_j - sigmoid(h . output_j));  output_j += g_j h;
 *	  change = sum of g_j output_j (before);  gradient += change;  h += response change
 *
 * Scores and change are those before the step, but a row that is there twice gets both updates.
 * Returns the product of the probabilities given to the labels, each at least 1e-4: -log of it is
 * the loss. h, gradient and the rows do not overlap.
 */
double nn_negative_step(size_t n, size_t count, real rate, real response, real *const *output,
						real *h, real *gradient);

#endif /* EMOTION_NN_NEGATIVE_H */
