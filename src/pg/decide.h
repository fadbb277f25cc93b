/*
 * decide.h
 *	  Which labels a text gets by its scores: those that reach their thresholds; where labels exclude one
 *	  another (model_labels_exclude) the one of the highest score, if it reaches its own.
 */
#ifndef EMOTION_PG_DECIDE_H
#define EMOTION_PG_DECIDE_H

#include "postgres.h"

#include "../model/model.h"

/* How many labels a text may get: so many of the highest scores are worth a look. */
extern int MostLabels(const model *model);

/*
 * Scores (count, L) and thresholds (L) by which each label is decided alone, as metrics do it: the
 * model's, or copies in the current context where a score that is not its text's highest is 0 and no
 * threshold is.
 */
extern const float *DecidingScores(const model *model, const float *scores, uint64 count);
extern float *DecidingThresholds(const model *model);

/* The latter for thresholds that were chosen by such scores. */
extern void RaiseThresholds(const model *model, float *thresholds);

#endif /* EMOTION_PG_DECIDE_H */
