/*
 * soft_targets.h
 *	  What a student is to learn of a text, from its labels and from the scores of
 *	  teachers (Hinton et al. 2015, for labels that do not exclude one another).
 */
#ifndef EMOTION_MODEL_SOFT_TARGETS_H
#define EMOTION_MODEL_SOFT_TARGETS_H

#include "../base.h"

/* Temperatures in this range keep every power that is taken finite and not 0 / 0. */
#define SOFT_MIN_TEMPERATURE 0.05
#define SOFT_MAX_TEMPERATURE 20

/* sigmoid(logit(score) / temperature) of a score in 0..1; 0 and 1 stay. */
double soft_target(double score, double temperature);

/*
 * targets (L) out = (1 - share) y + share soft_target(score), y: 1 for the given indices of labels
 * and 0 for others. labels NULL: there are none to learn from, the share is 1. scores: (L) in
 * 0..1; targets may be the same array.
 */
void soft_targets_mix(size_t count, const float *scores, const uint16_t *labels, size_t label_count,
					  double share, double temperature, float *targets);

/*
 * mean (n, L) += weight times scores (n, L) of one of several models, whose label place[l] is
 * label l.
 */
void soft_targets_add(size_t n, size_t count, const float *scores, const uint16_t *place,
					  double weight, float *mean);

#endif /* EMOTION_MODEL_SOFT_TARGETS_H */
