/*
 * trainer.h
 *	  The training loop, a step at a time: the caller turns the crank, so that it
 *	  can look after interrupts, progress and commits between two steps.
 *
 *	  trainer_create or trainer_create_encoder; trainer_load to resume
 *	  while (!trainer_finished(t))
 *	      trainer_begin_epoch; while (trainer_step(...), more); trainer_end_epoch; trainer_save
 *	  trainer_best or trainer_best_encoder
 *
 * What is computed depends on data, options and seed, not on the number of
 * threads: a batch is cut into shards of fixed size, and the shards' gradients are
 * added in a fixed order.
 */
#ifndef EMOTION_MODEL_TRAINER_H
#define EMOTION_MODEL_TRAINER_H

#include "../nn/loss.h"
#include "../nn/pool.h"
#include "../nn/schedule.h"
#include "encoder.h"
#include "model.h"
#include "options.h"
#include "samples.h"

typedef enum trainer_loss
{
	TRAINER_BCE,
	TRAINER_FOCAL,
	TRAINER_ASYMMETRIC,
	TRAINER_CLASS_BALANCED, /* bce with class-balanced label weights */
	TRAINER_DISTRIBUTION_BALANCED,
} trainer_loss;

/* Of the arithmetic of a training pass. */
typedef enum trainer_precision
{
	TRAINER_SINGLE,
	TRAINER_MIXED, /* bf16 is kept and multiplied, floats are summed and updated: network_mixed.h */
} trainer_precision;

/* What selects the best epoch and stops early, measured on the development set. */
typedef enum trainer_metric
{
	TRAINER_MACRO_AUC,
	TRAINER_MACRO_AP,
	TRAINER_MACRO_F1, /* with thresholds tuned on the same rows */
	TRAINER_LOG_LOSS, /* the lower the better; kept negated in trainer_epoch.selected */
} trainer_metric;

typedef struct trainer_options
{
	int epochs;
	int steps_per_epoch; /* 0: a pass over the texts; else passes go on from epoch to epoch */
	int batch_size;
	int shard_size; /* texts of a batch that one thread takes; part of what makes the result */
	double learning_rate;
	double embedding_rate; /* times learning_rate; 0 freezes the embedding */
	double weight_decay;
	double clip_norm; /* 0: none */
	double warmup;    /* share of all steps */
	int schedule;     /* nn_schedule_kind */
	int loss;         /* trainer_loss */
	double focal_gamma;
	double focal_alpha; /* negative: none */
	double gamma_positive;
	double gamma_negative;
	double margin;
	double class_balanced_beta;
	double balanced_alpha; /* of the distribution-balanced loss: the paper's letters */
	double balanced_beta;
	double balanced_mu;
	double balanced_kappa;
	double balanced_lambda;
	double logit_adjustment; /* tau */
	double positive_weight;  /* on every label's positives */
	int dropout_samples; /* masks of the pooled vector per text; the mean of their losses is learnt */
	double mixup; /* alpha of the shares in which pooled vectors of a shard are mixed; 0: none */
	double label_smoothing;  /* targets become y (1 - s) + s / 2 */
	double weight_averaging; /* decay of the average that is evaluated and kept; 0: none */
	double layer_decay;      /* a layer's rate as a multiple of that of the layer behind it */
	double unfreeze_epochs;  /* before the next layer learns, too; 0: all do at once */
	int frozen;              /* stages of an encoder that do not learn: encoder_training.frozen */
	int precision;           /* trainer_precision */
	uint64_t seed;
	int metric;                 /* trainer_metric */
	int patience;               /* epochs without a better metric before stopping; 0: never stop */
	double threshold_shrinkage; /* positives' worth of the global threshold */
	int min_count;              /* words seen less often are unknown */
	int max_words;              /* 0: no limit */
} trainer_options;

extern const option_spec trainer_option_specs[];

void trainer_options_default(trainer_options *options);

/* Those of the family roberta; fine_tuning: it begins with a pretrained network. */
void trainer_options_default_encoder(trainer_options *options, bool fine_tuning);

/* One finished epoch. Figures of the development set are NaN without one. */
typedef struct trainer_epoch
{
	double train_loss; /* mean per text and label, dropout on */
	double log_loss;
	double macro_auc;
	double macro_ap;
	double macro_f1;
	double selected; /* the metric that selects; higher is better */
} trainer_epoch;

typedef struct trainer trainer;

/*
 * train and dev (NULL: none) are finished samples, ids below layout->vocabulary, or naming bags;
 * they, layout and pool (NULL: one thread) must outlive the trainer.
 * EM_INVALID_DATA when there is nothing to train on.
 */
em_code trainer_create(const em_allocator *allocator, const network_layout *layout,
					   const trainer_options *options, samples *train, samples *dev, nn_pool *pool,
					   trainer **out, em_status *status);

/*
 * The same for a network of the family roberta, whose texts have 1 to layout->longest tokens. A
 * batch of any size is computed in shards of about shard_size texts, at most about TRAINER_SHARD_ROWS
 * tokens, whose gradients are added up (gradient accumulation): memory is that of as many shards as
 * there are threads. EM_INVALID_OPTION when more stages are frozen than there are.
 *
 * fresh: the network is initialised; otherwise all but its head is zeros, which a base replaces
 * (trainer_initial_encoder). Of the options it has no use for embedding_rate, dropout_samples, mixup, weight_averaging,
 * unfreeze_epochs, min_count and max_words.
 */
#define TRAINER_SHARD_ROWS 1024
em_code trainer_create_encoder(const em_allocator *allocator, const encoder_layout *layout,
							   const trainer_options *options, bool fresh, samples *train,
							   samples *dev, nn_pool *pool, trainer **out, em_status *status);
void trainer_free(trainer *trainer);

/*
 * For a network with n-grams, before the first epoch: what ids from layout->vocabulary on in the
 * samples name (see bags.h). The first bags are those of the vocabulary's words, which
 * dropout_subword takes; all must outlive the trainer.
 */
em_code trainer_use_bags(trainer *trainer, const nn_bags *bags, em_status *status);

/*
 * The weights that training begins with, embedding (V + K, E) and dense: fresh ones, to be overwritten
 * in place before the first epoch by a caller who has better.
 */
real *trainer_initial_embedding(trainer *trainer);
real *trainer_initial_dense(trainer *trainer);

/* Those of the family roberta: (layout->total). */
real *trainer_initial_encoder(trainer *trainer);

/* Epochs done, and whether there are no more to do (all done, or none better for `patience`). */
int trainer_epochs_done(const trainer *trainer);
bool trainer_finished(const trainer *trainer);

/* Steps of the running epoch done and to be done; texts seen in it, in each pass anew. */
size_t trainer_steps_done(const trainer *trainer);
size_t trainer_steps_in_epoch(const trainer *trainer);
size_t trainer_texts_done(const trainer *trainer);

em_code trainer_begin_epoch(trainer *trainer, em_status *status);

/*
 * One batch: forward, backward, update. EM_INVALID_DATA ("training diverged") when the loss or the
 * gradient is not finite; the weights are then as before the step. should_stop (may be NULL) is
 * asked every few shards of a large batch: EM_CANCELLED.
 */
em_code trainer_step(trainer *trainer, em_should_stop should_stop, void *stop_context,
					 em_status *status);

/*
 * Evaluate on the development set, keep the weights if they are the best so far. EM_INVALID_DATA
 * when the last step left weights that are not finite.
 */
em_code trainer_end_epoch(trainer *trainer, em_should_stop should_stop, void *stop_context,
						  em_status *status);

/* Finished epochs' figures: (trainer_epochs_done). */
const trainer_epoch *trainer_history(const trainer *trainer);

/* Number, from 0, of the epoch whose weights are kept; -1 before the first. */
int trainer_best_epoch(const trainer *trainer);

/*
 * The best epoch's weights, valid until the trainer's next call, and thresholds (L)
 * tuned on the development set at that epoch (0.5 without one).
 */
network_weights trainer_best(const trainer *trainer);

/* The same of the family roberta, (layout->total); training ends with it. */
const real *trainer_best_encoder(trainer *trainer);
const float *trainer_thresholds(const trainer *trainer);

/*
 * Where a checkpoint goes and comes from, piece by piece: false, or a longjmp, when that fails. Reading
 * fills all of `bytes`.
 */
typedef bool (*trainer_write)(void *context, const void *bytes, size_t size);
typedef bool (*trainer_read)(void *context, void *bytes, size_t size);

/* Write the state between two epochs (a safetensors file). EM_SYSTEM when `write` says false. */
em_code trainer_save(const trainer *trainer, trainer_write write, void *context, em_status *status);

/*
 * Continue from a checkpoint of `size` bytes of a trainer made with the same layout, options
 * and samples: to be called on a fresh trainer. EM_CORRUPT otherwise, and for bytes that changed;
 * the trainer is of no use then.
 */
em_code trainer_load(trainer *trainer, uint64_t size, trainer_read read, void *context,
					 em_status *status);

/* The weights as they are after the last step, for tests. */
network_weights trainer_weights(const trainer *trainer);
const real *trainer_weights_encoder(const trainer *trainer);

/* Loss of the last step, mean per text and label. */
double trainer_last_loss(const trainer *trainer);

/* Bytes that a trainer will take for such a network, besides samples and batches. */
uint64_t trainer_memory(const network_layout *layout, const trainer_options *options);

/*
 * Bytes that its batches take: texts have up to `longest` tokens, those of a batch up to `rows`
 * together; dev_rows: tokens of the development set, 0: none.
 */
uint64_t trainer_batch_memory(const network_layout *layout, const trainer_options *options,
							  size_t longest, uint64_t rows, uint64_t dev_rows, int threads);

/*
 * The same of the family roberta, what its batches take included: texts have up to `longest` tokens.
 * dev: there is a development set.
 */
uint64_t trainer_memory_encoder(const encoder_layout *layout, const trainer_options *options,
								size_t longest, int threads, bool dev);

#endif /* EMOTION_MODEL_TRAINER_H */
