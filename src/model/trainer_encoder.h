/*
 * trainer_encoder.h
 *	  What the files of the family roberta's trainings share: trainer_encoder.c (weights, evaluation),
 *	  trainer_encoder_step.c (one batch), trainer_encoder_words.c (the word embedding's updates).
 */
#ifndef EMOTION_MODEL_TRAINER_ENCODER_H
#define EMOTION_MODEL_TRAINER_ENCODER_H

#include <pthread.h>
#include <stdatomic.h>

#include "encoder.h"
#include "lane.h"
#include "trainer_internal.h"

/* What one thread computes a shard of a batch in. */
typedef struct encoder_trainer_lane
{
	lane memory; /* its arena alone */
	encoder_batcher batcher;
	encoder_pass pass;
	encoder_training training;
	real *logits;   /* (B, L) in the arena, as all below */
	real *d_logits; /* (B, L) */
	real *d_words;  /* (U, D); NULL when the embeddings are frozen */
	real *gradient; /* (dense): the sum itself, or `own` */
	real *own;      /* (dense) or NULL: not needed yet */
	size_t first;   /* the shard's first text in the batch */
	double loss;
} encoder_trainer_lane;

/*
 * After so many updates all rows of the word embedding are brought up to date, and what is known of
 * the updates is forgotten.
 */
#define ENCODER_WORDS_UPDATES 1024

/* The word embedding's rows, each of which is as old as its last update: trainer_encoder_words.c. */
typedef struct encoder_words
{
	real *weight, *m, *v;                     /* (V, D) */
	real *zeros;                              /* (D) */
	uint32_t *row_update;                     /* (V): updates since `settled` that the row has */
	uint32_t updates;                         /* since all rows had all */
	nn_adamw_step log[ENCODER_WORDS_UPDATES]; /* of each of those */
	double kept[ENCODER_WORDS_UPDATES + 1];   /* what decay has left of a weight after each */
	uint32_t *slot; /* (V): a row's place among those of the batch + 1, or 0 */
	uint32_t *rows; /* (count): of the batch */
	size_t rows_capacity;
	size_t count;
	real *gradient; /* (count, D) */
	size_t gradient_capacity;
} encoder_words;

typedef struct encoder_trainer
{
	const encoder_layout *layout;
	size_t first; /* of the dense weights that are trained; those before stand still */

	/* weights (total); moments of those that are trained, dense then words; the best likewise or NULL */
	real *weights;
	real *m, *v, *best;
	size_t trained; /* elements */
	real *gradient; /* (dense) sum of the shards' */

	dense_piece *pieces;
	size_t piece_count;
	double rate[ENCODER_MAX_LAYERS + 2]; /* of each stage, times the learning rate */
	double *partial;                     /* sums of squares by task */
	size_t partial_capacity;
	encoder_words *words; /* NULL when they are frozen */

	size_t lane_count; /* shards computed at once */
	encoder_trainer_lane *lanes;
	size_t lanes_used;
	size_t *shard_end; /* (batch_size): where each shard of the batch ends */
	double loss_scale;

	/* who may be asked whether to stop */
	em_should_stop should_stop;
	void *stop_context;
	pthread_t caller;
	atomic_bool stopped;
} encoder_trainer;

/* trainer_family.compute, update, score */
em_code encoder_trainer_compute(trainer *trainer, const uint32_t *numbers, size_t size,
								em_should_stop should_stop, void *stop_context, double *loss,
								double *norm, em_status *status);
void encoder_trainer_update(trainer *trainer);
em_code encoder_trainer_score(trainer *trainer, const nn_sequence *sequences, size_t count,
							  float *scores, em_should_stop should_stop, void *stop_context,
							  em_status *status);

/*
 * Rows that a batch names, brought up to the last update, with room for their gradients, zeroed.
 * EM_INVALID_DATA for an id that is not in the vocabulary.
 */
em_code encoder_words_begin(trainer *trainer, size_t texts, em_status *status);

/* Add a shard's d_words (U, D). */
void encoder_words_add(encoder_words *words, const encoder_batch *batch, size_t hidden,
					   const real *d_words);

/* One task's part, ENCODER_WORDS_ROWS rows, of the gradient's sum of squares and of the update. */
#define ENCODER_WORDS_ROWS 16
size_t encoder_words_tasks(const encoder_words *words);
double encoder_words_squares(const encoder_words *words, size_t hidden, size_t task);
void encoder_words_update(trainer *trainer, size_t task);

/* Before the tasks above: note trainer->update. Behind them: settle if it is time. */
void encoder_words_note(trainer *trainer);
void encoder_words_end(trainer *trainer);

/* All rows have all updates. */
void encoder_words_settle(trainer *trainer);

#endif /* EMOTION_MODEL_TRAINER_ENCODER_H */
