/*
 * sequence_scorer.h
 *	  Scoring sequences of token ids with a network of the first family: sorted by length, in batches
 *	  without padding, on a pool's threads.
 *
 * Letters as in network.h.
 */
#ifndef EMOTION_MODEL_SEQUENCE_SCORER_H
#define EMOTION_MODEL_SEQUENCE_SCORER_H

#include "../nn/pool.h"
#include "model.h"

/* A batch: enough rows for full-speed products, few enough to stay in cache and answer a cancel. */
#define SEQUENCE_SCORER_TEXTS 256
#define SEQUENCE_SCORER_ROWS 6144

/* A place to score in: grows with the largest batch, reused from call to call. */
typedef struct sequence_scorer sequence_scorer;

/*
 * Of bare weights, for training: network_forward scores. layout, weights and pool (NULL: the caller's
 * thread alone) must outlive the scorer.
 */
em_code sequence_scorer_create(const em_allocator *allocator, const network_layout *layout,
							   network_weights weights, nn_pool *pool, sequence_scorer **out,
							   em_status *status);

/* Of a model of the first family, as it is kept: by its panels, if it has such. */
em_code sequence_scorer_create_model(const em_allocator *allocator, const model *model,
									 nn_pool *pool, sequence_scorer **out, em_status *status);

/* NULL is allowed. */
void sequence_scorer_free(sequence_scorer *scorer);

/* Bytes that it works in, and giving them back: it grows again. */
size_t sequence_scorer_taken(const sequence_scorer *scorer);
void sequence_scorer_trim(sequence_scorer *scorer);

/* Bytes that one of bare weights takes for texts of up to `longest` tokens, `rows` together. */
uint64_t sequence_scorer_memory(const network_layout *layout, size_t longest, uint64_t rows,
								int threads);

/* Of a network with n-grams: what ids from layout->vocabulary on name. By reference. */
em_code sequence_scorer_use_bags(sequence_scorer *scorer, const nn_bags *bags, em_status *status);

/*
 * n sequences, each id below the vocabulary's size or naming a bag. Either may be NULL: scores (n, L)
 * out, each in 0..1, and features, the pooled vectors (n, 2H). should_stop (may be NULL) is asked
 * before each batch: EM_CANCELLED.
 */
em_code sequence_scorer_run(sequence_scorer *scorer, const nn_sequence *sequences, size_t n,
							float *scores, float *features, em_should_stop should_stop,
							void *stop_context, em_status *status);

/* One batch as the network leaves it, in its own order, until the scorer's next call. */
typedef struct sequence_scores
{
	const uint32_t *order; /* (n): the sequence whose logits stand there */
	const real *logits;    /* (n, L) */
	const real *attention; /* (N); of a single sequence, its tokens' */
} sequence_scores;

/* At most SEQUENCE_SCORER_TEXTS sequences as one batch, on the caller's thread. */
em_code sequence_scorer_pass(sequence_scorer *scorer, const nn_sequence *sequences, size_t n,
							 sequence_scores *scores, em_status *status);

#endif /* EMOTION_MODEL_SEQUENCE_SCORER_H */
