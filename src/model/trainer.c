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

/* Texts scored at once in an evaluation. */
#define EVALUATION_TEXTS 4096

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

static em_code
make_batch_memory(trainer *trainer, em_status *status)
{
	const em_allocator *allocator = trainer->allocator;
	size_t batch = (size_t) trainer->options.batch_size;
	size_t count = samples_count(trainer->train);

	trainer->batches = (count + batch - 1) / batch;
	trainer->epoch_steps = trainer->options.steps_per_epoch > 0
							   ? (size_t) trainer->options.steps_per_epoch
							   : trainer->batches;
	trainer->order = em_allocate_array(allocator, count, sizeof(uint32_t));
	trainer->batch_order = em_allocate_array(allocator, trainer->batches, sizeof(uint32_t));
	trainer->pooled = em_allocate_array(allocator, batch * POOL_BATCHES, sizeof(uint32_t));
	trainer->history =
		em_allocate_zeroed(allocator, (size_t) trainer->options.epochs, sizeof(trainer_epoch));
	trainer->sequences = em_allocate_array(allocator, batch, sizeof(nn_sequence));
	trainer->targets = em_allocate_array(allocator, batch * trainer->labels, sizeof(real));
	trainer->weights = em_allocate_array(allocator, batch, sizeof(real));
	if (!trainer->order || !trainer->batch_order || !trainer->pooled || !trainer->history ||
		!trainer->sequences || !trainer->targets || !trainer->weights)
		return out_of_memory(status);
	return EM_OK;
}

/* dev_truth from dev's samples. */
static em_code
load_truth(trainer *trainer, em_status *status)
{
	size_t labels = trainer->labels;
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

static em_code
make_evaluation(trainer *trainer, em_status *status)
{
	const em_allocator *allocator = trainer->allocator;
	size_t labels = trainer->labels;
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
	return load_truth(trainer, status);
}

em_code
trainer_begin(const em_allocator *allocator, const trainer_family *family, size_t labels,
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
	made->family = family;
	made->options = *options;
	made->labels = labels;
	made->train = train;
	made->dev = dev != NULL && samples_count(dev) > 0 ? dev : NULL;
	made->pool = pool;
	made->best_epoch = -1;
	code = make_batch_memory(made, status);
	if (code == EM_OK)
		code = make_evaluation(made, status);
	if (code != EM_OK)
	{
		trainer_free(made);
		return code;
	}
	*out = made;
	return EM_OK;
}

double *
trainer_label_shares(const trainer *trainer)
{
	const uint64_t *count = samples_label_counts(trainer->train);
	double *share = em_allocate_array(trainer->allocator, trainer->labels, sizeof(double));

	for (size_t label = 0; share != NULL && label < trainer->labels; label++)
		share[label] = (double) count[label] / (double) samples_count(trainer->train);
	return share;
}

void
trainer_free(trainer *trainer)
{
	const em_allocator *allocator;

	if (trainer == NULL)
		return;
	allocator = trainer->allocator;
	trainer->family->free(trainer);
	em_release(allocator, trainer->label_weight);
	em_release(allocator, trainer->positive_weight);
	em_release(allocator, trainer->rarity);
	em_release(allocator, trainer->shift);
	em_release(allocator, trainer->history);
	em_release(allocator, trainer->order);
	em_release(allocator, trainer->batch_order);
	em_release(allocator, trainer->pooled);
	em_release(allocator, trainer->sequences);
	em_release(allocator, trainer->targets);
	em_release(allocator, trainer->weights);
	em_release(allocator, trainer->dev_scores);
	em_release(allocator, trainer->dev_truth);
	em_release(allocator, trainer->thresholds);
	em_release(allocator, trainer->best_thresholds);
	em_release(allocator, trainer);
}

/* Sort each pool of POOL_BATCHES batches by length, so that a batch is of one length. */
static em_code
sort_pools(trainer *trainer, em_status *status)
{
	samples *train = trainer->train;
	size_t count = samples_count(train);
	size_t pool = (size_t) trainer->options.batch_size * POOL_BATCHES;
	uint32_t longest = 0;
	uint32_t *places;

	for (size_t i = 0; i < count; i++)
		if (samples_length(train, i) > longest)
			longest = samples_length(train, i);
	places = em_allocate_array(trainer->allocator, (size_t) longest + 1, sizeof(uint32_t));
	if (places == NULL)
		return out_of_memory(status);

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
	return EM_OK;
}

/* Settle the order of a pass's texts: shuffle all, sort what is to be sorted, shuffle the batches. */
em_code
trainer_begin_pass(trainer *trainer, em_status *status)
{
	uint32_t pass = (uint32_t) (trainer->step / trainer->batches);
	nn_random_key key = { trainer->options.seed, NN_STREAM_SHUFFLE, pass, 0 };
	em_code code = EM_OK;

	trainer->family->begin_pass(trainer);
	samples_set_epoch(trainer->train, pass);
	nn_random_permutation(&key, samples_count(trainer->train), trainer->order);
	if (trainer->family->by_length)
		code = sort_pools(trainer, status);
	if (code != EM_OK)
		return code;
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

double
trainer_rate(const trainer *trainer, uint64_t step)
{
	const trainer_options *options = &trainer->options;
	uint64_t total = (uint64_t) trainer->epoch_steps * (uint64_t) options->epochs;
	uint64_t warmup = (uint64_t) llround(options->warmup * (double) total);

	return options->learning_rate *
		   nn_schedule((nn_schedule_kind) options->schedule, step, warmup, total);
}

static void
set_update(trainer *trainer, double norm)
{
	const trainer_options *options = &trainer->options;
	double clip = options->clip_norm;

	trainer->update = (nn_adamw_step){
		.learning_rate = (real) trainer_rate(trainer, trainer->step),
		.beta1 = (real) TRAINER_BETA1,
		.beta2 = (real) TRAINER_BETA2,
		.epsilon = (real) TRAINER_EPSILON,
		.weight_decay = (real) options->weight_decay,
		.gradient_scale = (real) (clip > 0 && norm > clip ? clip / norm : 1),
		.correction1 = (real) (1 - pow(TRAINER_BETA1, (double) trainer->step)),
		.correction2 = (real) (1 - pow(TRAINER_BETA2, (double) trainer->step)),
	};
}

em_code
trainer_diverged(const trainer *trainer, const char *what, em_status *status)
{
	em_fail(status, EM_INVALID_DATA, "training diverged in epoch %d: %s not finite",
			trainer->epochs_done + 1, what);
	em_hint(status, "Lower learning_rate, weight_decay or clip_norm.");
	return EM_INVALID_DATA;
}

em_code
trainer_step(trainer *trainer, em_should_stop should_stop, void *stop_context, em_status *status)
{
	size_t batch = (size_t) trainer->options.batch_size;
	size_t first, left, size;
	const uint32_t *numbers;
	double loss = 0, norm = 0;
	em_code code = EM_OK;

	if (trainer->next_batch == trainer->batches)
		code = trainer_begin_pass(trainer, status);
	if (code != EM_OK)
		return code;
	first = trainer->batch_order[trainer->next_batch] * batch;
	left = samples_count(trainer->train) - first;
	size = left < batch ? left : batch;
	numbers = trainer->order + first;
	code = samples_read(trainer->train, numbers, size, trainer->sequences, trainer->targets,
						trainer->weights, status);
	if (code == EM_OK)
		code = trainer->family->compute(trainer, numbers, size, should_stop, stop_context, &loss,
										&norm, status);
	if (code != EM_OK)
		return code;
	if (!isfinite(loss) || !isfinite(norm))
		return trainer_diverged(trainer, isfinite(loss) ? "the gradient is" : "the loss is",
								status);

	trainer->step++;
	set_update(trainer, norm);
	trainer->family->update(trainer);
	trainer->last_loss = loss;
	trainer->loss_sum += loss * (double) size;
	trainer->texts_done += size;
	trainer->next_batch++;
	trainer->epoch_step++;
	return EM_OK;
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
			code =
				trainer->family->score(trainer, sequences, size, scores + first * trainer->labels,
									   should_stop, stop_context, status);
	}
	em_release(trainer->allocator, numbers);
	em_release(trainer->allocator, sequences);
	return code;
}

/* Figures and thresholds from the scores of the development set. */
static em_code
measure_dev(trainer *trainer, em_should_stop should_stop, void *stop_context,
			trainer_epoch *figures, em_status *status)
{
	const em_allocator *allocator = trainer->allocator;
	uint64_t count = samples_count(trainer->dev);
	uint32_t labels = (uint32_t) trainer->labels;
	const float *scores = trainer->dev_scores;
	data_metrics metrics;
	em_code code = data_tune_thresholds_until(allocator, count, labels, scores, trainer->dev_truth,
											  trainer->options.threshold_shrinkage, should_stop,
											  stop_context, trainer->thresholds, NULL, status);

	if (code != EM_OK)
		return code;
	memset(&metrics, 0, sizeof(metrics));
	metrics.label = em_allocate_zeroed(allocator, labels, sizeof(data_label_metrics));
	if (metrics.label == NULL)
		return out_of_memory(status);
	code = data_metrics_compute_until(allocator, count, labels, scores, trainer->dev_truth,
									  trainer->thresholds, should_stop, stop_context, &metrics,
									  status);
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
	trainer_epoch figures = { 0, NAN, NAN, NAN, NAN, 0 };
	bool best;

	if (!trainer->family->settle(trainer))
		return trainer_diverged(trainer, "the weights are", status);
	figures.train_loss = trainer->loss_sum / (double) trainer->texts_done;
	figures.selected = trainer->epochs_done; /* without a development set the last is the best */
	if (trainer->dev != NULL)
	{
		em_code code = score_dev(trainer, trainer->dev_scores, should_stop, stop_context, status);

		if (code == EM_OK)
			code = measure_dev(trainer, should_stop, stop_context, &figures, status);
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
		trainer->family->keep_best(trainer);
		memcpy(trainer->best_thresholds, trainer->thresholds, trainer->labels * sizeof(float));
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
