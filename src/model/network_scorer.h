/*
 * network_scorer.h
 *	  Scoring texts with a model of the first family: what scorer.h promises, for such a model.
 */
#ifndef EMOTION_MODEL_NETWORK_SCORER_H
#define EMOTION_MODEL_NETWORK_SCORER_H

#include "scorer.h"

typedef struct network_scorer network_scorer;

/* pool may be NULL. */
em_code network_scorer_create(const em_allocator *allocator, const model *model, nn_pool *pool,
							  network_scorer **out, em_status *status);

/* NULL is allowed. */
void network_scorer_free(network_scorer *scorer);

/* As scorer_trim. */
void network_scorer_trim(network_scorer *scorer, size_t limit);

/* Either may be NULL: scores (n, L), and features, the pooled vectors (n, 2H). As scorer_run. */
em_code network_scorer_run(network_scorer *scorer, const em_slice *texts, size_t n, float *scores,
						   float *features, em_should_stop should_stop, void *stop_context,
						   em_status *status);

/*
 * As scorer_explain. Weight: of the attention layer. Influence: the logit of the label minus that
 * with the token unknown.
 */
em_code network_scorer_explain(network_scorer *scorer, em_slice text, int label, float *scores,
							   model_attention *attention, em_should_stop should_stop,
							   void *stop_context, em_status *status);

#endif /* EMOTION_MODEL_NETWORK_SCORER_H */
