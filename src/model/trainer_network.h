/*
 * trainer_network.h
 *	  What the files of the first family's trainings share: trainer_network.c (weights, evaluation),
 *	  trainer_network_step.c (one batch), trainer_average.c, trainer_rates.c.
 */
#ifndef EMOTION_MODEL_TRAINER_NETWORK_H
#define EMOTION_MODEL_TRAINER_NETWORK_H

#include "lane.h"
#include "network_copies.h"
#include "sequence_scorer.h"
#include "trainer_internal.h"

/* Layers that learn at one rate, from the last to the first. */
typedef enum trainer_group
{
	TRAINER_GROUP_OUTPUT, /* and attention */
	TRAINER_GROUP_LSTM,
	TRAINER_GROUP_CONV,
	TRAINER_GROUP_EMBEDDING,
	TRAINER_GROUPS,
} trainer_group;

typedef struct group_state
{
	double rate;    /* times the learning rate; 0: frozen */
	double updates; /* of the group, this one included: what Adam's moments are corrected by */
} group_state;

/* What a row of the embedding gets of one distinct token of one shard. */
typedef struct row_source
{
	const real *gradient; /* (E) of the token's vector */
	real share;           /* of it: 1 for a word, 1 / n for a bag of n rows */
} row_source;

/* What one shard of a batch computes with and leaves behind. */
typedef struct shard
{
	lane lane;
	real *d_dense;     /* (dense) */
	real *d_embedding; /* (U, E), in the lane's arena; NULL when the embedding is frozen */
	real *logits;      /* (S, B, L) in the lane's arena, as all below; S: dropout_samples */
	real *d_logits;    /* (S, B, L) */
	real *targets;     /* (B, L) in packed order */
	real *weights;     /* (B) */
	uint32_t *sample;  /* (B) */
	uint32_t *partner; /* (B) with mixup, NULL without; so share */
	real *share;       /* (B) */
	network_pass pass;
	double loss;
} shard;

typedef struct network_trainer
{
	const network_layout *layout;

	/* weights and their moments; *_count elements each, one block */
	size_t embedding_count;
	real *block;
	real *embedding, *embedding_m, *embedding_v, *best_embedding;
	real *dense, *dense_m, *dense_v, *best_dense;
	real *embedding_average, *dense_average; /* NULL without weight_averaging */
	uint64_t *averaged; /* (V + K): the update up to which a row's average has come */

	dense_piece *pieces;
	size_t piece_count;

	network_copies copies; /* with mixed precision; made anew before each step */
	void *copies_block;

	/* one batch */
	size_t shard_count; /* at most, per batch */
	shard *shards;
	size_t shards_used;
	size_t wave;         /* number of the first shard being computed */
	nn_sequence *chosen; /* (batch_size): one shard's */
	double loss_scale;
	const nn_bags *bags; /* of all words, then of the unknown ones; NULL: none */
	uint32_t *read_ids;  /* the batch's ids where dropout_subword changes them */
	size_t read_ids_capacity;
	uint32_t *slot;       /* (V + K): row among the merged ones + 1 while merging, 0 between */
	uint32_t *merged_ids; /* (merged): the rows of the embedding that the batch touches */
	size_t merged_ids_capacity;
	uint32_t *source_ends; /* (merged): of each row's sources, which begin where the last's end */
	size_t source_ends_capacity;
	row_source *sources; /* of all rows, each one's by shard, then by token */
	size_t sources_capacity;
	real *d_rows; /* (merged, E) */
	size_t d_rows_capacity;
	size_t merged;
	double *partial; /* sums of squares by task */
	size_t partial_capacity;
	group_state groups[TRAINER_GROUPS];

	sequence_scorer *scorer; /* of the development set */
} network_trainer;

/* trainer_family.compute and update. */
em_code trainer_network_compute(trainer *trainer, const uint32_t *numbers, size_t size,
								em_should_stop should_stop, void *stop_context, double *loss,
								double *norm, em_status *status);
void trainer_network_update(trainer *trainer);

/*
 * The average of the weights (trainer_average.c); nothing without weight_averaging. begin: before
 * the first update the average is the weights. dense: after an update of these weights. row: take
 * one row of the embedding to `step` with the weights it has; to be called with the update before,
 * then after it changed the row with its own. catch_up: all rows, to the last update.
 */
void trainer_average_begin(trainer *trainer);
void trainer_average_dense(trainer *trainer, size_t offset, size_t elements);
void trainer_average_row(trainer *trainer, uint32_t row, uint64_t step);
void trainer_average_catch_up(trainer *trainer);

/* What is evaluated and published: the average, or the weights themselves without one. */
network_weights trainer_evaluated(const trainer *trainer);

/* Whose group a tensor is in, and `groups` for the update that comes next (trainer_rates.c). */
trainer_group trainer_group_of(network_tensor_kind kind);
void trainer_set_rates(trainer *trainer);

#endif /* EMOTION_MODEL_TRAINER_NETWORK_H */
