/*
 * encoder_scorer.h
 *	  Scoring texts with a model of the family roberta: what scorer.h promises, for such a model.
 */
#ifndef EMOTION_MODEL_ENCODER_SCORER_H
#define EMOTION_MODEL_ENCODER_SCORER_H

#include "encoder_model.h"
#include "scorer.h"

typedef struct encoder_scorer encoder_scorer;

/* pool may be NULL. EM_UNSUPPORTED for a base, which has no head. */
em_code encoder_scorer_create(const em_allocator *allocator, const encoder_model *model,
							  nn_pool *pool, encoder_scorer **out, em_status *status);

/* NULL is allowed. */
void encoder_scorer_free(encoder_scorer *scorer);

/* As scorer_trim. */
void encoder_scorer_trim(encoder_scorer *scorer, size_t limit);

/*
 * Either may be NULL: scores (n, L), by sigmoid or softmax as the model says, and features (n, D),
 * <s> behind the last layer. Texts are scored in the order given, so many at once as answer a cancel
 * within a second; should_stop is asked between.
 */
em_code encoder_scorer_run(encoder_scorer *scorer, const em_slice *texts, size_t n, float *scores,
						   float *features, em_should_stop should_stop, void *stop_context,
						   em_status *status);

/*
 * As scorer_explain. Tokens are those of the BPE that are not spaces alone, those that share a
 * character joined. Their weight is attention rollout (Abnar and Zuidema 2020, arXiv 2005.00928):
 * how much of <s> behind the last layer comes from each token, when every layer passes on half of what
 * it got and half by its attention, mean over heads; what falls on specials is left out, so that
 * it sums to 1. Influence: the logit of the label minus that with the token masked.
 */
em_code encoder_scorer_explain(encoder_scorer *scorer, em_slice text, int label, float *scores,
							   model_attention *attention, em_should_stop should_stop,
							   void *stop_context, em_status *status);

#endif /* EMOTION_MODEL_ENCODER_SCORER_H */
