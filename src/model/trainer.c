/*
 * trainer.c
 *	  Life and epochs of a training.
 */
#include "trainer_internal.h"

#include <math.h>
#include <string.h>

#include "../data/metrics.h"
#include "../data/thresholds.h"
#include "../nn/random.h"

/* Batches of about equal length are cut from this many batches' worth of shuffled texts. */
#define POOL_BATCHES 64

/* Weights per task of an update: enough to outweigh handing it out. */
#define PIECE_ELEMENTS 16384

/* Texts scored at once in an evaluation. */
#define EVALUATION_TEXTS 4096

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

uint64_t
trainer_memory(const network_layout *layout, const trainer_options *options)
{
	uint64_t weights = (uint64_t) layout->rows * layout->embedding + layout->dense;
	uint64_t shards = ((uint64_t) options->batch_size + (uint64_t) options->shard_size - 1) /
					  (uint64_t) options->shard_size;

	bool average = options->weight_averaging > 0;

	return (weights * (average ? 5 : 4) + shards * layout->dense) * sizeof(real) +
		   (average ? layout->rows * sizeof(uint64_t) : 0) +
		   (options->precision == TRAINER_MIXED ? network_copies_bytes(layout) : 0);
}

/* Cut the dense parameters into pieces of one tensor each. */
static em_code
make_pieces(trainer *trainer, em_status *status)
{
	const network_layout *layout = trainer->layout;
	size_t count = 0;

	for (size_t i = 0; i < layout->tensor_count; i++)
		count += (layout->tensors[i].elements + PIECE_ELEMENTS - 1) / PIECE_ELEMENTS;
	trainer->pieces = em_allocate_array(trainer->allocator, count, sizeof(dense_piece));
	if (trainer->pieces == NULL)
		return out_of_memory(status);
	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		const network_tensor *tensor = &layout->tensors[i];

		for (size_t done = 0; done < tensor->elements; done += PIECE_ELEMENTS)
		{
			size_t left = tensor->elements - done;

			trainer->pieces[trainer->piece_count++] =
				(dense_piece){ tensor->offset + done, left < PIECE_ELEMENTS ? left : PIECE_ELEMENTS,
							   tensor->decay, (int) trainer_group_of(tensor->kind) };
		}
	}
	return EM_OK;
}

static em_code
make_weights(trainer *trainer, em_status *status)
{
	const network_layout *layout = trainer->layout;
	bool average = trainer->options.weight_averaging > 0;
	size_t embedding = layout->rows * layout->embedding;
	const uint64_t *count = samples_label_counts(trainer->train);
	double *prior;
	real *at;

	trainer->embedding_count = embedding;
	trainer->block = em_allocate_zeroed(
		trainer->allocator, (average ? 5 : 4) * (embedding + layout->dense), sizeof(real));
	if (average)
		trainer->averaged = em_allocate_zeroed(trainer->allocator, layout->rows, sizeof(uint64_t));
	prior = em_allocate_array(trainer->allocator, layout->labels, sizeof(double));
	if (trainer->block == NULL || prior == NULL || (average && trainer->averaged == NULL))
	{
		em_release(trainer->allocator, prior);
		return out_of_memory(status);
	}
	at = trainer->block;
	trainer->dense = at;
	trainer->dense_m = (at += layout->dense);
	trainer->dense_v = (at += layout->dense);
	trainer->best_dense = (at += layout->dense);
	trainer->embedding = (at += layout->dense);
	trainer->embedding_m = (at += embedding);
	trainer->embedding_v = (at += embedding);
	trainer->best_embedding = (at += embedding);
	if (average)
	{
		trainer->dense_average = (at += embedding);
		trainer->embedding_average = at + layout->dense;
	}

	for (size_t label = 0; label < layout->labels; label++)
		prior[label] = (double) count[label] / (double) samples_count(trainer->train);
	network_init(layout, trainer->options.seed, prior, trainer->embedding, trainer->dense);
	em_release(trainer->allocator, prior);
	return EM_OK;
}

static em_code
make_copies(trainer *trainer, em_status *status)
{
	uintptr_t start;

	if (trainer->options.precision != TRAINER_MIXED)
		return EM_OK;
	trainer->copies_block = em_allocate_array(
		trainer->allocator, network_copies_bytes(trainer->layout) + NN_ALIGNMENT, 1);
	if (trainer->copies_block == NULL)
		return out_of_memory(status);
	start = (uintptr_t) trainer->copies_block + NN_ALIGNMENT - 1;
	network_copies_init(&trainer->copies, trainer->layout,
						(void *) (start & ~(uintptr_t) (NN_ALIGNMENT - 1)));
	return EM_OK;
}

static em_code
make_batch_memory(trainer *trainer, em_status *status)
{
	const em_allocator *allocator = trainer->allocator;
	const network_layout *layout = trainer->layout;
	size_t batch = (size_t) trainer->options.batch_size;
	size_t count = samples_count(trainer->train);
	em_code code = EM_OK;

	trainer->batches = (count + batch - 1) / batch;
	trainer->epoch_steps = trainer->options.steps_per_epoch > 0
							   ? (size_t) trainer->options.steps_per_epoch
							   : trainer->batches;
	trainer->order = em_allocate_array(allocator, count, sizeof(uint32_t));
	trainer->batch_order = em_allocate_array(allocator, trainer->batches, sizeof(uint32_t));
	trainer->pooled = em_allocate_array(allocator, batch * POOL_BATCHES, sizeof(uint32_t));
	trainer->history =
		em_allocate_zeroed(allocator, (size_t) trainer->options.epochs, sizeof(trainer_epoch));
	trainer->shard_count =
		(batch + (size_t) trainer->options.shard_size - 1) / (size_t) trainer->options.shard_size;
	trainer->shards = em_allocate_zeroed(allocator, trainer->shard_count, sizeof(shard));
	trainer->sequences = em_allocate_array(allocator, batch, sizeof(nn_sequence));
	trainer->chosen = em_allocate_array(allocator, batch, sizeof(nn_sequence));
	trainer->targets = em_allocate_array(allocator, batch * layout->labels, sizeof(real));
	trainer->weights = em_allocate_array(allocator, batch, sizeof(real));
	trainer->slot = em_allocate_zeroed(allocator, layout->rows, sizeof(uint32_t));
	if (!trainer->order || !trainer->batch_order || !trainer->pooled || !trainer->history ||
		!trainer->shards || !trainer->sequences || !trainer->chosen || !trainer->targets ||
		!trainer->weights || !trainer->slot)
		return out_of_memory(status);
	for (size_t i = 0; code == EM_OK && i < trainer->shard_count; i++)
	{
		code = lane_init(&trainer->shards[i].lane, allocator, layout->vocabulary, status);
		trainer->shards[i].d_dense = em_allocate_array(allocator, layout->dense, sizeof(real));
		if (code == EM_OK && trainer->shards[i].d_dense == NULL)
			code = out_of_memory(status);
	}
	return code;
}

static em_code
make_evaluation(trainer *trainer, em_status *status)
{
	const em_allocator *allocator = trainer->allocator;
	const network_layout *layout = trainer->layout;
	size_t labels = layout->labels;
	size_t cells;

	trainer->thresholds = em_allocate_array(allocator, labels, sizeof(float));
	trainer->best_thresholds = em_allocate_array(allocator, labels, sizeof(float));
	if (!trainer->thresholds || !trainer->best_thresholds)
		return out_of_memory(status);
	for (size_t label = 0; label < labels; label++)
		trainer->thresholds[label] = trainer->best_thresholds[label] = 0.5F;
	if (trainer->dev == NULL)
		return EM_OK;
	cells = samples_count(trainer->dev) * labels;
	trainer->dev_scores = em_allocate_zeroed(allocator, cells, sizeof(float));
	trainer->dev_truth = em_allocate_zeroed(allocator, cells, 1);
	if (!trainer->dev_scores || !trainer->dev_truth)
		return out_of_memory(status);
	return scorer_create_bare(allocator, layout, trainer_evaluated(trainer), trainer->pool,
							  &trainer->scorer, status);
}

em_code
trainer_create(const em_allocator *allocator, const network_layout *layout,
			   const trainer_options *options, samples *train, samples *dev, nn_pool *pool,
			   trainer **out, em_status *status)
{
	trainer *made;
	em_code code;

	if (samples_count(train) == 0)
		return em_fail(status, EM_INVALID_DATA, "there is nothing to train on");
	made = em_allocate_zeroed(allocator, 1, sizeof(trainer));
	if (made == NULL)
		return out_of_memory(status);
	made->allocator = allocator;
	made->layout = layout;
	made->options = *options;
	made->train = train;
	made->dev = dev != NULL && samples_count(dev) > 0 ? dev : NULL;
	made->pool = pool;
	made->best_epoch = -1;
	code = make_pieces(made, status);
	if (code == EM_OK)
		code = make_weights(made, status);
	if (code == EM_OK)
		code = trainer_make_loss(made, status);
	if (code == EM_OK)
		code = make_copies(made, status);
	if (code == EM_OK)
		code = make_batch_memory(made, status);
	if (code == EM_OK)
		code = make_evaluation(made, status);
	if (code == EM_OK && made->dev != NULL)
		code = trainer_load_truth(made, status);
	if (code != EM_OK)
	{
		trainer_free(made);
		return code;
	}
	*out = made;
	return EM_OK;
}

em_code
trainer_use_bags(trainer *trainer, const nn_bags *bags, em_status *status)
{
	em_code code = EM_OK;

	if (bags->count < trainer->layout->vocabulary)
		return em_fail(status, EM_INVALID_DATA, "%zu bags for %zu words", bags->count,
					   trainer->layout->vocabulary);
	trainer->bags = bags;
	for (size_t i = 0; code == EM_OK && i < trainer->shard_count; i++)
		code = nn_packer_bags(&trainer->shards[i].lane.packer, bags, status);
	if (code == EM_OK && trainer->scorer != NULL)
		code = scorer_use_bags(trainer->scorer, bags, status);
	return code;
}

real *
trainer_initial_embedding(trainer *trainer)
{
	return trainer->embedding;
}

real *
trainer_initial_dense(trainer *trainer)
{
	return trainer->dense;
}

void
trainer_free(trainer *trainer)
{
	const em_allocator *allocator;

	if (trainer == NULL)
		return;
	allocator = trainer->allocator;
	for (size_t i = 0; trainer->shards != NULL && i < trainer->shard_count; i++)
	{
		lane_free(&trainer->shards[i].lane);
		em_release(allocator, trainer->shards[i].d_dense);
	}
	scorer_free(trainer->scorer);
	em_release(allocator, trainer->block);
	em_release(allocator, trainer->copies_block);
	em_release(allocator, trainer->averaged);
	em_release(allocator, trainer->label_weight);
	em_release(allocator, trainer->positive_weight);
	em_release(allocator, trainer->rarity);
	em_release(allocator, trainer->shift);
	em_release(allocator, trainer->pieces);
	em_release(allocator, trainer->history);
	em_release(allocator, trainer->order);
	em_release(allocator, trainer->batch_order);
	em_release(allocator, trainer->pooled);
	em_release(allocator, trainer->shards);
	em_release(allocator, trainer->sequences);
	em_release(allocator, trainer->chosen);
	em_release(allocator, trainer->targets);
	em_release(allocator, trainer->weights);
	em_release(allocator, trainer->slot);
	em_release(allocator, trainer->merged_ids);
	em_release(allocator, trainer->read_ids);
	em_release(allocator, trainer->source_ends);
	em_release(allocator, trainer->sources);
	em_release(allocator, trainer->d_rows);
	em_release(allocator, trainer->partial);
	em_release(allocator, trainer->dev_scores);
	em_release(allocator, trainer->dev_truth);
	em_release(allocator, trainer->thresholds);
	em_release(allocator, trainer->best_thresholds);
	em_release(allocator, trainer);
}

/*
 * Settle the order of a pass's texts: shuffle all, sort each pool of
 * POOL_BATCHES batches by length so that a batch is of one length, shuffle the batches.
 */
em_code
trainer_begin_pass(trainer *trainer, em_status *status)
{
	samples *train = trainer->train;
	size_t count = samples_count(train);
	size_t pool = (size_t) trainer->options.batch_size * POOL_BATCHES;
	uint32_t pass = (uint32_t) (trainer->step / trainer->batches);
	nn_random_key key = { trainer->options.seed, NN_STREAM_SHUFFLE, pass, 0 };
	uint32_t longest = 0;
	uint32_t *places;

	trainer_average_begin(trainer);
	for (size_t i = 0; i < count; i++)
		if (samples_length(train, i) > longest)
			longest = samples_length(train, i);
	places = em_allocate_array(trainer->allocator, (size_t) longest + 1, sizeof(uint32_t));
	if (places == NULL)
		return out_of_memory(status);

	samples_set_epoch(train, pass);
	nn_random_permutation(&key, count, trainer->order);
	for (size_t first = 0; first < count; first += pool)
	{
		size_t size = count - first < pool ? count - first : pool;
		uint32_t *order = trainer->order + first;
		uint32_t place = 0;

		memcpy(trainer->pooled, order, size * sizeof(uint32_t));
		memset(places, 0, ((size_t) longest + 1) * sizeof(uint32_t));
		for (size_t i = 0; i < size; i++)
			places[samples_length(train, order[i])]++;
		for (size_t length = 0; length <= longest; length++)
		{
			uint32_t texts = places[length];

			places[length] = place;
			place += texts;
		}
		for (size_t i = 0; i < size; i++)
			order[places[samples_length(train, trainer->pooled[i])]++] = trainer->pooled[i];
	}
	em_release(trainer->allocator, places);

	key.item = 1;
	nn_random_permutation(&key, trainer->batches, trainer->batch_order);
	trainer->pass = pass;
	trainer->next_batch = (size_t) (trainer->step % trainer->batches);
	return EM_OK;
}

em_code
trainer_begin_epoch(trainer *trainer, em_status *status)
{
	trainer->epoch_step = 0;
	trainer->texts_done = 0;
	trainer->loss_sum = 0;
	return trainer_begin_pass(trainer, status);
}

em_code
trainer_load_truth(trainer *trainer, em_status *status)
{
	size_t labels = trainer->layout->labels;
	real *targets = em_allocate_array(trainer->allocator, labels, sizeof(real));
	em_code code = EM_OK;

	if (targets == NULL)
		return out_of_memory(status);
	for (size_t i = 0; code == EM_OK && i < samples_count(trainer->dev); i++)
	{
		uint32_t number = (uint32_t) i;
		nn_sequence sequence;

		code = samples_read(trainer->dev, &number, 1, &sequence, targets, NULL, status);
		for (size_t label = 0; code == EM_OK && label < labels; label++)
			trainer->dev_truth[i * labels + label] = targets[label] > 0;
	}
	em_release(trainer->allocator, targets);
	return code;
}

/* Scores of the development set, some thousand texts at a time. */
static em_code
score_dev(trainer *trainer, float *scores, em_should_stop should_stop, void *stop_context,
		  em_status *status)
{
	size_t count = samples_count(trainer->dev);
	uint32_t *numbers = em_allocate_array(trainer->allocator, EVALUATION_TEXTS, sizeof(uint32_t));
	nn_sequence *sequences =
		em_allocate_array(trainer->allocator, EVALUATION_TEXTS, sizeof(nn_sequence));
	em_code code = numbers && sequences ? EM_OK : out_of_memory(status);

	for (size_t first = 0; code == EM_OK && first < count; first += EVALUATION_TEXTS)
	{
		size_t size = count - first < EVALUATION_TEXTS ? count - first : EVALUATION_TEXTS;

		for (size_t i = 0; i < size; i++)
			numbers[i] = (uint32_t) (first + i);
		code = samples_read(trainer->dev, numbers, size, sequences, NULL, NULL, status);
		if (code == EM_OK)
			code = scorer_run_ids(trainer->scorer, sequences, size,
								  scores + first * trainer->layout->labels, should_stop,
								  stop_context, status);
	}
	em_release(trainer->allocator, numbers);
	em_release(trainer->allocator, sequences);
	return code;
}

/* Figures and thresholds from the scores of the development set. */
static em_code
measure_dev(trainer *trainer, const float *scores, float *thresholds, trainer_epoch *figures,
			em_status *status)
{
	const em_allocator *allocator = trainer->allocator;
	uint64_t count = samples_count(trainer->dev);
	uint32_t labels = (uint32_t) trainer->layout->labels;
	data_metrics metrics;
	em_code code =
		data_tune_thresholds(allocator, count, labels, scores, trainer->dev_truth,
							 trainer->options.threshold_shrinkage, thresholds, NULL, status);

	if (code != EM_OK)
		return code;
	memset(&metrics, 0, sizeof(metrics));
	metrics.label = em_allocate_zeroed(allocator, labels, sizeof(data_label_metrics));
	if (metrics.label == NULL)
		return out_of_memory(status);
	code = data_metrics_compute(allocator, count, labels, scores, trainer->dev_truth, thresholds,
								&metrics, status);
	em_release(allocator, metrics.label);
	if (code != EM_OK)
		return code;
	figures->log_loss = metrics.log_loss;
	figures->macro_auc = metrics.macro_roc_auc;
	figures->macro_ap = metrics.macro_average_precision;
	figures->macro_f1 = metrics.macro.f1;
	switch ((trainer_metric) trainer->options.metric)
	{
		case TRAINER_MACRO_AUC:
			figures->selected = metrics.macro_roc_auc;
			break;
		case TRAINER_MACRO_AP:
			figures->selected = metrics.macro_average_precision;
			break;
		case TRAINER_MACRO_F1:
			figures->selected = metrics.macro.f1;
			break;
		case TRAINER_LOG_LOSS:
			figures->selected = -metrics.log_loss;
			break;
	}
	return EM_OK;
}

em_code
trainer_end_epoch(trainer *trainer, em_should_stop should_stop, void *stop_context,
				  em_status *status)
{
	const network_layout *layout = trainer->layout;
	trainer_epoch figures = { 0, NAN, NAN, NAN, NAN, 0 };
	network_weights evaluated = trainer_evaluated(trainer);
	bool best;

	if (!isfinite((double) nn_sum_of_squares(layout->dense, trainer->dense)) ||
		!isfinite((double) nn_sum_of_squares(trainer->embedding_count, trainer->embedding)))
		return trainer_diverged(trainer, "the weights are", status);
	trainer_average_catch_up(trainer);
	figures.train_loss = trainer->loss_sum / (double) trainer->texts_done;
	figures.selected = trainer->epochs_done; /* without a development set the last is the best */
	if (trainer->dev != NULL)
	{
		em_code code = score_dev(trainer, trainer->dev_scores, should_stop, stop_context, status);

		if (code == EM_OK)
			code = measure_dev(trainer, trainer->dev_scores, trainer->thresholds, &figures, status);
		if (code != EM_OK)
			return code;
	}
	/* an undefined metric (NaN) is never better, but the first epoch must be kept */
	best = trainer->best_epoch < 0 ||
		   figures.selected > trainer->history[trainer->best_epoch].selected;
	trainer->history[trainer->epochs_done] = figures;
	if (best)
	{
		trainer->best_epoch = trainer->epochs_done;
		memcpy(trainer->best_dense, evaluated.dense, layout->dense * sizeof(real));
		memcpy(trainer->best_embedding, evaluated.embedding,
			   trainer->embedding_count * sizeof(real));
		memcpy(trainer->best_thresholds, trainer->thresholds, layout->labels * sizeof(float));
	}
	trainer->epochs_done++;
	return EM_OK;
}

int
trainer_epochs_done(const trainer *trainer)
{
	return trainer->epochs_done;
}

bool
trainer_finished(const trainer *trainer)
{
	const trainer_options *options = &trainer->options;

	if (trainer->epochs_done >= options->epochs)
		return true;
	return options->patience > 0 && trainer->best_epoch >= 0 &&
		   trainer->epochs_done - 1 - trainer->best_epoch >= options->patience;
}

size_t
trainer_steps_done(const trainer *trainer)
{
	return trainer->epoch_step;
}

size_t
trainer_steps_in_epoch(const trainer *trainer)
{
	return trainer->epoch_steps;
}

size_t
trainer_texts_done(const trainer *trainer)
{
	return trainer->texts_done;
}

const trainer_epoch *
trainer_history(const trainer *trainer)
{
	return trainer->history;
}

int
trainer_best_epoch(const trainer *trainer)
{
	return trainer->best_epoch;
}

network_weights
trainer_best(const trainer *trainer)
{
	network_weights weights = { trainer->best_embedding, trainer->best_dense };

	return weights;
}

network_weights
trainer_weights(const trainer *trainer)
{
	network_weights weights = { trainer->embedding, trainer->dense };

	return weights;
}

network_weights
trainer_evaluated(const trainer *trainer)
{
	network_weights average = { trainer->embedding_average, trainer->dense_average };

	return trainer->dense_average ? average : trainer_weights(trainer);
}

const float *
trainer_thresholds(const trainer *trainer)
{
	return trainer->best_thresholds;
}

double
trainer_last_loss(const trainer *trainer)
{
	return trainer->last_loss;
}
