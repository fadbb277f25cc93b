/*
 * calibration.h
 *	  Scores that mean what they say: of the texts scored 0.3, three in ten have
 *	  the label.
 *
 * Platt scaling (Platt 1999) on the logit scale, of which temperature scaling (Guo et al. 2017)
 * is the case without shift:
 *     p' = sigmoid(scale z + shift),  z = logit(p)
 * fitted on held-out scores and truth by least log loss.
 */
#ifndef EMOTION_DATA_CALIBRATION_H
#define EMOTION_DATA_CALIBRATION_H

#include "../base.h"

/* scale = 1 / temperature. It never reaches 0 or turns negative: the order of scores is kept. */
typedef struct data_calibration
{
	double scale;
	double shift;
} data_calibration;

#define DATA_CALIBRATION_MIN_SCALE (1.0 / 64.0)
#define DATA_CALIBRATION_MAX_SCALE 64.0

typedef struct data_calibration_options
{
	bool per_label; /* false: one scale and one shift for all labels */
	bool shift;     /* false: shifts are 0 */

	/*
	 * How many positives' worth the calibration of all labels together counts in a label's own.
	 * With m the smaller of a label's numbers of positives and negatives, w = shrinkage / m, and
	 * q what the common calibration makes of the scores, a label's own minimises
	 *     sum over rows of CE(truth, p') + w CE(q, p'),  CE(t, p) = -t ln p - (1 - t) ln(1 - p).
	 * 0: no prior; infinity, and m = 0: the common calibration.
	 */
	double shrinkage;
} data_calibration_options;

/* logit of a score; 0 and 1 count as 1e-15 and 1 - 2^-24, the largest float below 1. */
double data_logit(float score);

float data_calibrate(const data_calibration *calibration, float score);

/*
 * (n, L) scores in 0..1 and truth 0 or 1 -> calibration (L), and *common (may be NULL), that of all
 * labels together. The minimum is found by Newton's method with line search, its logits exact to about
 * 1e-9; where there is none within the bounds of scale (a label whose scores separate it perfectly, or
 * run against the truth, without shrinkage) it is the best on the bound, or where the loss is 1e-12 a
 * score, if that is before the bound. Equal scores in all rows of a label leave its scale as the common
 * one. Without a positive or without a negative at all: scale 1, shift 0.
 *
 * Memory 16 bytes a score. should_stop (may be NULL) is asked before each pass over the scores. Errors as in metrics.h; EM_INVALID_OPTION when shrinkage is negative or
 * not a number; EM_CANCELLED.
 */
em_code data_fit_calibration(const em_allocator *allocator, uint64_t n, uint32_t labels,
							 const float *scores, const uint8_t *truth,
							 const data_calibration_options *options, em_should_stop should_stop,
							 void *stop_context, data_calibration *calibration,
							 data_calibration *common, em_status *status);

/*
 * What calibration is worth on rows that did not choose it: each row's scores calibrated as fitted
 * on the folds that it is not in (folds[i]: 0..fold_count-1); calibrated: (n, L) out.
 * EM_INVALID_DATA when a fold's number is fold_count or more or one fold holds every row;
 * EM_INVALID_OPTION when fold_count is not in 2..256.
 */
em_code data_cross_fit_calibration(const em_allocator *allocator, uint64_t n, uint32_t labels,
								   const float *scores, const uint8_t *truth, const uint8_t *folds,
								   uint32_t fold_count, const data_calibration_options *options,
								   em_should_stop should_stop, void *stop_context,
								   float *calibrated, em_status *status);

#endif /* EMOTION_DATA_CALIBRATION_H */
