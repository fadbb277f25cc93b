/*
 * scorer.h
 *	  Scoring texts with a model.
 */
#ifndef EMOTION_MODEL_SCORER_H
#define EMOTION_MODEL_SCORER_H

#include "../nn/pool.h"
#include "model.h"

/* A place to score in: grows with the largest batch, reused from call to call. */
typedef struct scorer scorer;

/* The model must outlive the scorer. One thread: the caller's. */
em_code scorer_create(const em_allocator *allocator, const model *model, scorer **out,
					  em_status *status);

/* The same on a pool's threads (NULL: the caller's alone); the pool must outlive the scorer. */
em_code scorer_create_on(const em_allocator *allocator, const model *model, nn_pool *pool,
						 scorer **out, em_status *status);

/* NULL is allowed. */
void scorer_free(scorer *scorer);

/* Give back what the scorer works in, if that is more than `limit` bytes: it grows again. */
void scorer_trim(scorer *scorer, size_t limit);

/*
 * Scores of n texts: (n, L) out, row-major, each in 0..1, in the order given.
 * Texts are sorted by length and scored in batches of some thousand tokens.
 * should_stop (may be NULL) is asked before each batch: EM_CANCELLED.
 */
em_code scorer_run(scorer *scorer, const em_slice *texts, size_t n, float *scores,
				   em_should_stop should_stop, void *stop_context, em_status *status);

/*
 * What the last layer sees of n texts: the pooled vectors, (n, 2H) out; zeros for a text without
 * tokens. Of the family roberta (n, D): <s> behind the last layer; model_feature_width tells. Batches and cancellation as above. EM_UNSUPPORTED for an ensemble.
 */
em_code scorer_features(scorer *scorer, const em_slice *texts, size_t n, float *features,
						em_should_stop should_stop, void *stop_context, em_status *status);

/* Tokens beyond this many are not asked for their influence (it is 0). */
#define SCORER_MAX_INFLUENCE 256

/* What the network looked at in one text; everything is valid until the scorer's next call. */
typedef struct model_attention
{
	const text_tokens *tokens;
	const float *weight;    /* (tokens->count) attention, summing to 1 */
	const float *influence; /* (tokens->count) fall of the label's logit when the token is taken
							 * for an unknown word; NULL unless asked for */
} model_attention;

/*
 * Scores (L, or NULL) and attention of one text; label >= 0 asks for the influence on it. An
 * ensemble's are the weighted means of its members', which must cut texts into the same words:
 * EM_UNSUPPORTED otherwise.
 */
em_code scorer_explain(scorer *scorer, em_slice text, int label, float *scores,
					   model_attention *attention, em_should_stop should_stop, void *stop_context,
					   em_status *status);

#endif /* EMOTION_MODEL_SCORER_H */
