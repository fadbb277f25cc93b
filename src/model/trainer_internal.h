/*
 * trainer_internal.h
 *	  What the trainer's files share: trainer.c (epochs), trainer_loss.c, trainer_checkpoint.c; of
 *	  the first family trainer_network.c, trainer_step.c (one batch), trainer_average.c,
 *	  trainer_rates.c; of the family roberta trainer_encoder.c, trainer_encoder_step.c.
 */
#ifndef EMOTION_MODEL_TRAINER_INTERNAL_H
#define EMOTION_MODEL_TRAINER_INTERNAL_H

#include "../nn/activation.h"
#include "lane.h"
#include "network_mixed.h"
#include "sequence_scorer.h"
#include "trainer.h"

/* Weights that share one fate in an update: a piece of one dense tensor. */
typedef struct dense_piece
{
	size_t offset;
	size_t elements;
	bool decay;
	int group; /* trainer_group */
} dense_piece;

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

/* A tensor of a checkpoint and where its numbers live in the trainer. */
typedef struct trainer_kept
{
	const char *name;
	real *data;
	uint64_t elements;
} trainer_kept;

#define TRAINER_MAX_KEPT 10

/* What trainings of one kind of network do in their own way. */
typedef struct trainer_family
{
	bool by_length; /* batches are of texts of about the same length */
	void (*begin_pass)(trainer *trainer);

	/*
	 * The gradient of the `size` texts in trainer->sequences, targets and weights, numbered so: mean
	 * loss per text and label, and the gradient's norm.
	 */
	em_code (*compute)(trainer *trainer, const uint32_t *numbers, size_t size,
					   em_should_stop should_stop, void *stop_context, double *loss, double *norm,
					   em_status *status);

	/* trainer->step has been counted: trainer->update on all weights. */
	void (*update)(trainer *trainer);

	/* Bring all weights up to the last update; false when they are not finite. */
	bool (*settle)(trainer *trainer);

	/* scores (count, L) of texts of the development set by the settled weights */
	em_code (*score)(trainer *trainer, const nn_sequence *sequences, size_t count, float *scores,
					 em_should_stop should_stop, void *stop_context, em_status *status);
	void (*keep_best)(trainer *trainer);

	/* list: (TRAINER_MAX_KEPT) out; restored: they have been read, and so has trainer->step */
	size_t (*list_kept)(const trainer *trainer, trainer_kept *list);
	void (*restored)(trainer *trainer);
	void (*free)(trainer *trainer);
} trainer_family;

struct trainer
{
	const em_allocator *allocator;
	const trainer_family *family;
	trainer_options options;
	size_t labels;
	samples *train;
	samples *dev;
	nn_pool *pool;

	nn_loss loss;
	real *label_weight;    /* (L) */
	real *positive_weight; /* (L) */
	real *rarity;          /* (L) */
	real *shift;           /* (L) */

	/* where we are */
	uint64_t step; /* updates made */
	int epochs_done;
	int best_epoch;
	trainer_epoch *history; /* (epochs) */
	double last_loss;

	/* the running epoch, and the pass over the texts that it is in */
	uint32_t *order;       /* (n) samples as they will be seen */
	uint32_t *batch_order; /* batches of `order` as they will be seen */
	uint32_t *pooled;      /* scratch: the samples of one pool */
	size_t batches;        /* of a pass */
	size_t next_batch;     /* of the pass */
	uint32_t pass;         /* from 0: what shuffling and dropout depend on */
	size_t epoch_steps;
	size_t epoch_step; /* steps of the epoch done */
	size_t texts_done;
	double loss_sum; /* over texts seen, mean per label */

	/* one batch */
	nn_sequence *sequences; /* (batch_size) */
	real *targets;          /* (batch_size, L) */
	real *weights;          /* (batch_size) */
	nn_adamw_step update;

	/* the development set */
	float *dev_scores;      /* (n, L) of the last evaluation */
	uint8_t *dev_truth;     /* (n, L) */
	float *thresholds;      /* (L) of the last evaluation */
	float *best_thresholds; /* (L) */

	struct encoder_trainer *encoder; /* of the family roberta, which has nothing of what follows */

	/* ---- the first family ---- */
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
};

/*
 * What all trainings have, of a network with so many labels: all of struct trainer but what its family
 * adds. On failure there is nothing.
 */
em_code trainer_begin(const em_allocator *allocator, const trainer_family *family, size_t labels,
					  const trainer_options *options, samples *train, samples *dev, nn_pool *pool,
					  trainer **out, em_status *status);

/* The share of the training texts that bears each label: (L), to be released. NULL: no memory. */
double *trainer_label_shares(const trainer *trainer);

#define TRAINER_BETA1 0.9
#define TRAINER_BETA2 0.999
#define TRAINER_EPSILON 1e-8

/* The learning rate of an update, counted from 1. */
double trainer_rate(const trainer *trainer, uint64_t step);

/* trainer_family.compute and update of the first family (trainer_step.c). */
em_code trainer_network_compute(trainer *trainer, const uint32_t *numbers, size_t size,
								em_should_stop should_stop, void *stop_context, double *loss,
								double *norm, em_status *status);
void trainer_network_update(trainer *trainer);

/* Report that the loss, the gradient or the weights (what) are not finite. */
em_code trainer_diverged(const trainer *trainer, const char *what, em_status *status);

/* Shuffle for the pass that the next step belongs to, and go to its place there. */
em_code trainer_begin_pass(trainer *trainer, em_status *status);

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

/*
 * `loss` from options and label counts (trainer_loss.c). Where it shifts the logits, the output's
 * bias (L) makes up for it: training begins with each label's share as before.
 */
em_code trainer_make_loss(trainer *trainer, real *output_bias, em_status *status);

/* Whose group a tensor is in, and `groups` for the update that comes next (trainer_rates.c). */
trainer_group trainer_group_of(network_tensor_kind kind);
void trainer_set_rates(trainer *trainer);

#endif /* EMOTION_MODEL_TRAINER_INTERNAL_H */
