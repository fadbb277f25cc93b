/*
 * ensemble_scorer.h
 *	  Scoring texts with an ensemble: what scorer.h promises, as the weighted means of its members.
 */
#ifndef EMOTION_MODEL_ENSEMBLE_SCORER_H
#define EMOTION_MODEL_ENSEMBLE_SCORER_H

#include "scorer.h"

typedef struct ensemble_scorer ensemble_scorer;

/* A scorer for each member, all on one pool, which may be NULL. */
em_code ensemble_scorer_create(const em_allocator *allocator, const model *model, nn_pool *pool,
							   ensemble_scorer **out, em_status *status);

/* NULL is allowed. */
void ensemble_scorer_free(ensemble_scorer *scorer);

/* As scorer_trim; each member gets its part of `limit`. */
void ensemble_scorer_trim(ensemble_scorer *scorer, size_t limit);

/* As scorer_run: scores (n, L) out. */
em_code ensemble_scorer_run(ensemble_scorer *scorer, const em_slice *texts, size_t n, float *scores,
							em_should_stop should_stop, void *stop_context, em_status *status);

/*
 * As scorer_explain, the means of what the members look at. EM_UNSUPPORTED when they cut texts into
 * words differently.
 */
em_code ensemble_scorer_explain(ensemble_scorer *scorer, em_slice text, int label, float *scores,
								model_attention *attention, em_should_stop should_stop,
								void *stop_context, em_status *status);

#endif /* EMOTION_MODEL_ENSEMBLE_SCORER_H */
