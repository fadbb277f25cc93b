/*
 * temperature.h
 *	  Calibrated scores of labels that exclude one another: one scale for all logits (temperature
 *	  scaling, Guo et al. 2017, arXiv 1706.04599).
 *
 *	  p'_l = p_l^scale / sum over k of p_k^scale
 *
 * which is the softmax of scale times the logits, since those are ln p but for a constant.
 */
#ifndef EMOTION_DATA_TEMPERATURE_H
#define EMOTION_DATA_TEMPERATURE_H

#include "../base.h"
#include "calibration.h"

/*
 * The scale of least log loss, within DATA_CALIBRATION_MIN_SCALE and _MAX_SCALE, over the rows that
 * have exactly one label; others say nothing. (n, L) scores, each row 1 in sum, and truth 0 or 1.
 * folds (n) or NULL: rows of fold `held_out` are left out. A score of 0 counts as the smallest normal
 * float. The loss is convex in the scale; its minimum is found to about 1e-9.
 *
 * should_stop (may be NULL) is asked before each pass over the rows. EM_INVALID_DATA when no row has
 * exactly one label, for a score outside 0..1 and for a truth that is not 0 or 1; EM_CANCELLED.
 */
em_code data_fit_temperature(uint64_t n, uint32_t labels, const float *scores, const uint8_t *truth,
							 const uint8_t *folds, uint32_t held_out, em_should_stop should_stop,
							 void *stop_context, double *scale, em_status *status);

/* Scores (L) of one row, calibrated; out may be scores. */
void data_apply_temperature(double scale, uint32_t labels, const float *scores, float *out);

#endif /* EMOTION_DATA_TEMPERATURE_H */
