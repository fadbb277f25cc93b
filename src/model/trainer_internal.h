/*
 * trainer_internal.h
 *	  What the trainer's files share: trainer.c (epochs), trainer_loss.c, trainer_checkpoint.c, and
 *	  those of each family (trainer_network.h, trainer_encoder.h).
 */
#ifndef EMOTION_MODEL_TRAINER_INTERNAL_H
#define EMOTION_MODEL_TRAINER_INTERNAL_H

#include "../nn/activation.h"
#include "trainer.h"

/* Weights per task of an update: enough to outweigh handing it out. */
#define TRAINER_PIECE_ELEMENTS 16384

/* Weights that share one fate in an update: a piece of one dense tensor. */
typedef struct dense_piece
{
	size_t offset;
	size_t elements;
	bool decay;
	int group; /* what shares a rate: a trainer_group, or the stage of an encoder */
} dense_piece;

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

	/* what its family adds; the other's is NULL */
	struct network_trainer *network; /* trainer_network.h */
	struct encoder_trainer *encoder; /* trainer_encoder.h */
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

/* Report that the loss, the gradient or the weights (what) are not finite. */
em_code trainer_diverged(const trainer *trainer, const char *what, em_status *status);

/* Shuffle for the pass that the next step belongs to, and go to its place there. */
em_code trainer_begin_pass(trainer *trainer, em_status *status);

/*
 * `loss` from options and label counts (trainer_loss.c). Where it shifts the logits, the output's
 * bias (L) makes up for it: training begins with each label's share as before.
 */
em_code trainer_make_loss(trainer *trainer, real *output_bias, em_status *status);

#endif /* EMOTION_MODEL_TRAINER_INTERNAL_H */
