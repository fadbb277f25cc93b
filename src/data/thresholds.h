/*
 * thresholds.h
 *	  Cuts that turn scores into labels, chosen on held-out data.
 */
#ifndef EMOTION_DATA_THRESHOLDS_H
#define EMOTION_DATA_THRESHOLDS_H

#include "../base.h"

/*
 * Per-label cuts for best F1 on (n, L) scores in 0..1 and truth 0 or 1, shrunk
 * toward the one global cut of best macro F1: with p positives a label's cut is
 * (p * own + shrinkage * global) / (p + shrinkage), mixed on the logit scale
 * (where 0 and 1 count as 2^-24 and 1 - 2^-24). shrinkage = 0: purely per
 * label; infinity: purely global.
 *
 * The sweep is exact: it tries a cut below each distinct score, at the midpoint
 * to the next lower one (to 0 below the lowest; where no float lies between,
 * at the upper one, so that a cut never takes in a score it should not).
 * Predicted = score >= cut. Among equal F1 the own cut nearest the global one
 * on the logit scale, the global one nearest 0.5; then the higher. A label
 * without positives gets the global cut; without any positive that is 0.5.
 *
 * thresholds: (L) out, in 0..1; global: out, may be NULL. O(n L); memory 16
 * bytes a score. Errors as in metrics.h; EM_INVALID_OPTION when shrinkage is
 * negative or not a number.
 */
em_code data_tune_thresholds(const em_allocator *allocator, uint64_t n, uint32_t labels,
							 const float *scores, const uint8_t *truth, double shrinkage,
							 float *thresholds, float *global, em_status *status);

/* The same for many rows: should_stop (may be NULL) is asked on the way: EM_CANCELLED. */
em_code data_tune_thresholds_until(const em_allocator *allocator, uint64_t n, uint32_t labels,
								   const float *scores, const uint8_t *truth, double shrinkage,
								   em_should_stop should_stop, void *stop_context,
								   float *thresholds, float *global, em_status *status);

/*
 * How good tuned cuts are on rows that did not choose them: k-fold cross-
 * validation within these rows (fold of row i = given by folds[i], 0..k-1):
 * predictions of each fold with the cuts tuned on the others; predicted: (n, L)
 * bytes out; macro_f1: of these predictions together, out. EM_INVALID_DATA when
 * a fold's number is k or more or one fold holds every row; EM_INVALID_OPTION
 * when k is not in 2..256; EM_CANCELLED as above.
 */
em_code data_cross_validate_thresholds(const em_allocator *allocator, uint64_t n, uint32_t labels,
									   const float *scores, const uint8_t *truth,
									   const uint8_t *folds, uint32_t fold_count, double shrinkage,
									   em_should_stop should_stop, void *stop_context,
									   uint8_t *predicted, double *macro_f1, em_status *status);

#endif /* EMOTION_DATA_THRESHOLDS_H */
