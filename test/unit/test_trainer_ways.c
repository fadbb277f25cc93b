/*
 * test_trainer_ways.c
 *	  Ways to train that are off by default: what each does to the weights, that it is the same
 *	  whatever the threads and wherever it was interrupted.
 */
#include "check.h"

#include <math.h>

#include "checkpoints.h"

#include "../../src/model/trainer_network.h"
#include "../../src/nn/matmul.h"
#include "../../src/nn/random.h"

#define LABELS 4
#define VOCABULARY 80
#define TEXTS 160
#define HELD_OUT 40

static network_layout layout;
static samples *train, *dev;

/* Words 1..LABELS each mean a label, the others nothing; the words with high numbers are rare. */
static samples *
make_samples(size_t count, uint64_t seed)
{
	nn_random_key key = { seed, NN_STREAM_SPLIT, 0, 0 };
	samples *made;
	em_status status;

	if (samples_create(&check_allocator, LABELS, 0, NULL, &made, &status) != EM_OK)
		exit(1);
	for (size_t i = 0; i < count; i++)
	{
		uint32_t ids[9];
		uint16_t labels[LABELS];
		size_t length, label_count = 0;

		key.item = (uint32_t) i;
		length = 1 + nn_random_below(&key, 0, 8);
		for (size_t j = 0; j < length; j++)
		{
			uint32_t most = 1 + nn_random_below(&key, 100 + j, VOCABULARY - 1);

			ids[j] = 1 + nn_random_below(&key, 200 + j, most);
		}
		for (uint16_t label = 0; label < LABELS; label++)
			for (size_t j = 0; j < length; j++)
				if (ids[j] == label + 1U)
				{
					labels[label_count++] = label;
					break;
				}
		if (samples_add(made, ids, length, labels, label_count, (float) (1 + i % 3),
						i * UINT64_C(0x9e3779b97f4a7c15), &status) != EM_OK)
			exit(1);
	}
	if (samples_finish(made, NULL, &status) != EM_OK)
		exit(1);
	return made;
}

static trainer_options
small_options(void)
{
	trainer_options options;

	trainer_options_default(&options);
	options.epochs = 3;
	options.batch_size = 16;
	options.shard_size = 4;
	options.learning_rate = 0.02;
	options.patience = 0;
	return options;
}

static trainer *
make_trainer(const trainer_options *options, nn_pool *pool)
{
	trainer *made;
	em_status status;

	if (trainer_create(&check_allocator, &layout, options, train, dev, pool, &made, &status) !=
		EM_OK)
	{
		printf("Bail out! %s\n", status.message);
		exit(1);
	}
	return made;
}

static void
must(em_code code, const em_status *status)
{
	if (code != EM_OK)
	{
		printf("Bail out! %s\n", status->message);
		exit(1);
	}
}

static void
begin(trainer *trainer)
{
	em_status status;

	must(trainer_begin_epoch(trainer, &status), &status);
}

static void
step(trainer *trainer)
{
	em_status status;

	must(trainer_step(trainer, NULL, NULL, &status), &status);
}

static void
end(trainer *trainer)
{
	em_status status;

	must(trainer_end_epoch(trainer, NULL, NULL, &status), &status);
}

static void
turn(trainer *trainer)
{
	begin(trainer);
	while (trainer_steps_done(trainer) < trainer_steps_in_epoch(trainer))
		step(trainer);
	end(trainer);
}

static void
finish(trainer *trainer)
{
	while (!trainer_finished(trainer))
		turn(trainer);
}

static bool
same_weights(network_weights a, network_weights b)
{
	return memcmp(a.dense, b.dense, layout.dense * sizeof(real)) == 0 &&
		   memcmp(a.embedding, b.embedding, layout.vocabulary * layout.embedding * sizeof(real)) ==
			   0;
}

static bool
same_result(const trainer *a, const trainer *b)
{
	int epochs = trainer_epochs_done(a);

	return same_weights(trainer_best(a), trainer_best(b)) &&
		   same_weights(trainer_weights(a), trainer_weights(b)) &&
		   memcmp(trainer_thresholds(a), trainer_thresholds(b), LABELS * sizeof(float)) == 0 &&
		   trainer_epochs_done(b) == epochs && trainer_best_epoch(a) == trainer_best_epoch(b) &&
		   memcmp(trainer_history(a), trainer_history(b),
				  (size_t) epochs * sizeof(trainer_epoch)) == 0;
}

/* The same whatever the threads and with a break after every epoch; and not as without it. */
static void
check_way(const char *name, trainer_options options)
{
	trainer_options without = small_options();
	trainer *whole = make_trainer(&options, NULL);
	trainer *other, *plain;
	em_status status;
	nn_pool *pool;
	uint8_t *bytes;
	size_t size;

	without.epochs = options.epochs;
	finish(whole);
	must(nn_pool_create(&check_allocator, 3, &pool, &status), &status);
	other = make_trainer(&options, pool);
	finish(other);
	CHECK(same_result(whole, other), "%s: three threads make the same, bit for bit", name);
	trainer_free(other);
	nn_pool_destroy(pool);

	other = make_trainer(&options, NULL);
	while (!trainer_finished(other))
	{
		turn(other);
		must(trainer_checkpoint(other, &check_allocator, &bytes, &size, &status), &status);
		trainer_free(other);
		other = make_trainer(&options, NULL);
		must(trainer_restore(other, bytes, size, &status), &status);
		em_release(&check_allocator, bytes);
	}
	CHECK(same_result(whole, other), "%s: so do three pieces", name);
	trainer_free(other);

	plain = make_trainer(&without, NULL);
	finish(plain);
	CHECK(!same_weights(trainer_best(plain), trainer_best(whole)), "%s: it makes a difference",
		  name);
	trainer_free(plain);
	trainer_free(whole);
}

/* The definition, over all weights after every update. */
static void
average_naively(double decay, uint64_t t, const real *weight, double *average, size_t count)
{
	double d = fmin(decay, (1 + (double) t) / (10 + (double) t));

	for (size_t i = 0; i < count; i++)
		average[i] = d * average[i] + (1 - d) * weight[i];
}

static double
largest_difference(const real *ours, const double *theirs, size_t count)
{
	double largest = 0;

	for (size_t i = 0; i < count; i++)
		largest = fmax(largest, fabs(ours[i] - theirs[i]));
	return largest;
}

static void
test_averaging(double decay)
{
	trainer_options options = small_options();
	trainer *plain = make_trainer(&options, NULL);
	trainer *made;
	size_t rows = layout.vocabulary * layout.embedding;
	double *dense = malloc(layout.dense * sizeof(double));
	double *embedding = malloc(rows * sizeof(double));
	double far = 0;
	network_weights average;

	options.weight_averaging = decay;
	made = make_trainer(&options, NULL);
	/* weights that a caller gives are what the average begins with */
	for (size_t i = 0; i < layout.embedding; i++)
		trainer_initial_embedding(made)[rows - 1 - i] =
			trainer_initial_embedding(plain)[rows - 1 - i] = 3;
	for (size_t i = 0; i < layout.dense; i++)
		dense[i] = made->network->dense[i];
	for (size_t i = 0; i < rows; i++)
		embedding[i] = made->network->embedding[i];
	while (!trainer_finished(made))
	{
		begin(made);
		while (trainer_steps_done(made) < trainer_steps_in_epoch(made))
		{
			step(made);
			average_naively(decay, made->step, made->network->dense, dense, layout.dense);
			average_naively(decay, made->step, made->network->embedding, embedding, rows);
		}
		end(made);
		average = trainer_evaluated(made);
		CHECK(largest_difference(average.dense, dense, layout.dense) < 1e-6 &&
				  largest_difference(average.embedding, embedding, rows) < 1e-6,
			  "averaging %g: after epoch %d as if every weight were averaged at every update",
			  decay, trainer_epochs_done(made));
		if (trainer_best_epoch(made) == trainer_epochs_done(made) - 1)
			CHECK(same_weights(trainer_best(made), average), "which is what is kept");
	}
	for (size_t i = 0; i < layout.dense; i++)
		far = fmax(far, fabs(average.dense[i] - made->network->dense[i]));
	CHECK(far > 1e-4 && average.embedding[rows - 1] > 2.9, "averaging %g: it is an average: %.3f",
		  decay, far);
	finish(plain);
	CHECK(same_weights(trainer_weights(plain), trainer_weights(made)),
		  "averaging %g: what is learnt is the same", decay);
	CHECK(trainer_memory(&layout, &options) >=
			  5 * sizeof(real) * (layout.dense + rows) + layout.vocabulary * sizeof(uint64_t),
		  "the memory foretold holds the average");
	trainer_free(made);
	trainer_free(plain);
	free(dense);
	free(embedding);
}

static void
test_averaging_way(void)
{
	trainer_options options = small_options();
	em_status status;
	uint8_t *bytes;
	size_t size;
	trainer *made = make_trainer(&options, NULL);

	turn(made);
	must(trainer_checkpoint(made, &check_allocator, &bytes, &size, &status), &status);
	trainer_free(made);
	options.weight_averaging = 0.9;
	made = make_trainer(&options, NULL);
	CHECK(trainer_restore(made, bytes, size, &status) == EM_CORRUPT,
		  "averaging: a checkpoint without an average is refused: %s", status.message);
	trainer_free(made);
	em_release(&check_allocator, bytes);
	check_way("averaging", options);
}

/* Of the output and attention, the LSTM, the convolutions, the embedding: what moved from `from`. */
typedef struct moves
{
	double sum[4];
	double largest[4];
} moves;

static void
add_moves(moves *moves, int group, const real *from, const real *to, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		double distance = fabs((double) to[i] - from[i]);

		moves->sum[group] += distance;
		moves->largest[group] = fmax(moves->largest[group], distance);
	}
}

static int
group_of(network_tensor_kind kind)
{
	return kind <= TENSOR_CONV_BIAS ? 2 : kind <= TENSOR_LSTM_BIAS ? 1 : 0;
}

static moves
moves_since(const real *dense, const real *embedding, const trainer *trainer)
{
	moves found = { { 0 }, { 0 } };

	for (size_t i = 0; i < layout.tensor_count; i++)
		add_moves(&found, group_of(layout.tensors[i].kind), dense + layout.tensors[i].offset,
				  trainer->network->dense + layout.tensors[i].offset, layout.tensors[i].elements);
	add_moves(&found, 3, embedding, trainer->network->embedding,
			  layout.vocabulary * layout.embedding);
	return found;
}

static real *
copy_of(const real *values, size_t count)
{
	real *copy = malloc(count * sizeof(real));

	memcpy(copy, values, count * sizeof(real));
	return copy;
}

/* Adam's first step moves every weight by the learning rate. */
static trainer_options
plain_steps(void)
{
	trainer_options options = small_options();

	options.schedule = NN_SCHEDULE_CONSTANT;
	options.warmup = 0;
	options.weight_decay = 0;
	return options;
}

static void
test_layer_decay(double decay)
{
	trainer_options options = plain_steps();
	trainer *even = make_trainer(&options, NULL), *uneven;
	real *dense = copy_of(even->network->dense, layout.dense);
	real *embedding = copy_of(even->network->embedding, even->network->embedding_count);
	moves all, some;

	options.layer_decay = decay;
	uneven = make_trainer(&options, NULL);
	begin(even);
	begin(uneven);
	step(even);
	step(uneven);
	all = moves_since(dense, embedding, even);
	some = moves_since(dense, embedding, uneven);
	for (int group = 0; group < 4; group++)
		CHECK(all.sum[group] > 0 &&
				  fabs(some.sum[group] / all.sum[group] - pow(decay, group)) < 1e-4,
			  "layer_decay %g: layer %d from the end moves %.4f times as far", decay, group,
			  some.sum[group] / all.sum[group]);
	trainer_free(even);
	trainer_free(uneven);
	free(dense);
	free(embedding);
}

static void
test_unfreezing(void)
{
	trainer_options options = plain_steps();
	trainer *made;
	real *dense, *embedding;
	double norm = 0;

	options.clip_norm = 0.01;
	options.unfreeze_epochs = 0.5;
	made = make_trainer(&options, NULL);
	dense = copy_of(made->network->dense, layout.dense);
	embedding = copy_of(made->network->embedding, made->network->embedding_count);
	for (size_t done = 1; done <= 20; done++)
	{
		moves found;
		bool right = true;

		if (done % 10 == 1)
			begin(made);
		step(made);
		if (done == 1)
			for (size_t i = 0; i < layout.dense; i++)
				norm += (double) made->network->dense_m[i] * made->network->dense_m[i];
		found = moves_since(dense, embedding, made);
		for (int group = 0; group < 4; group++)
			right &= done > 5U * (size_t) group ? found.sum[group] > 0 : found.sum[group] == 0;
		CHECK(right, "unfreeze_epochs 0.5: after %zu steps %d of 4 layers have moved", done,
			  (int) (done - 1) / 5 + 1);
		for (int group = 0; group < 4; group++)
			if (done == 1 + 5U * (size_t) group)
				CHECK(fabs(found.largest[group] / options.learning_rate - 1) < 1e-3,
					  "a layer's first step is as long as that of the others");
		if (done % 10 == 0)
			end(made);
	}
	CHECK(fabs(sqrt(norm) - 0.1 * options.clip_norm) < 1e-7,
		  "a frozen layer's gradient does not count in the norm");
	trainer_free(made);
	free(dense);
	free(embedding);

	options = small_options();
	options.weight_averaging = 0.9;
	options.unfreeze_epochs = 0.7;
	options.layer_decay = 0.5;
	check_way("unfreezing and averaging", options);
}

/* Training begins with the labels' shares, and what is scored later is free of the shift. */
static void
test_logit_adjustment(void)
{
	trainer_options options = small_options();
	trainer *plain = make_trainer(&options, NULL), *made;
	const uint64_t *count = samples_label_counts(train);
	size_t bias = layout.tensors[layout.tensor_count - 1].offset;
	double loss, share, shift = 0;

	begin(plain);
	step(plain);
	loss = trainer_last_loss(plain);
	trainer_free(plain);
	for (int balanced = 0; balanced < 2; balanced++)
	{
		options.loss = balanced ? TRAINER_DISTRIBUTION_BALANCED : TRAINER_BCE;
		options.logit_adjustment = balanced ? 0.3 : 1;
		made = make_trainer(&options, NULL);
		for (size_t label = 0; label < LABELS; label++)
		{
			share = (double) count[label] / TEXTS;
			shift = fmax(shift, fabs(made->network->dense[bias + label] -
									 (balanced ? 0.65 : 0) * log(share / (1 - share))));
		}
		CHECK(shift < 1e-6, "logit_adjustment %g: the last bias makes up for it",
			  options.logit_adjustment + (balanced ? 0.05 : 0));
		begin(made);
		step(made);
		if (!balanced)
			CHECK(fabs(trainer_last_loss(made) - loss) < 1e-5 * loss,
				  "logit_adjustment 1: the first loss is as without: %.4f", loss);
		trainer_free(made);
	}
	check_way("distribution_balanced and logit_adjustment", options);
}

static void
test_dropout_samples(void)
{
	trainer_options options = small_options();

	double rate = layout.config.dropout_pooled, loss;
	trainer *made = make_trainer(&options, NULL);

	/* without that dropout the mean is that of equals */
	layout.config.dropout_pooled = 0;
	begin(made);
	step(made);
	loss = trainer_last_loss(made);
	trainer_free(made);
	options.dropout_samples = 3;
	made = make_trainer(&options, NULL);
	begin(made);
	step(made);
	CHECK(fabs(trainer_last_loss(made) - loss) < 1e-6 * loss, "dropout_samples: a mean of losses");
	trainer_free(made);
	layout.config.dropout_pooled = rate;
	check_way("dropout_samples", options);
}

static void
test_mixup(void)
{
	trainer_options options = small_options();
	trainer *made;
	size_t mixed = 0;
	double worst = 0;

	options.mixup = 0.4;
	options.batch_size = 15; /* shards of different size */
	made = make_trainer(&options, NULL);
	begin(made);
	step(made);
	for (size_t s = 0; s < made->network->shards_used; s++)
	{
		const shard *shard = &made->network->shards[s];
		size_t texts = shard->lane.packer.batch.sequences;

		for (size_t b = 0; b < texts; b++)
		{
			uint32_t both[2];
			real targets[2 * LABELS], weights[2], share = shard->share[b];
			nn_sequence sequences[2];
			em_status status;

			if (shard->partner[b] >= texts)
				worst = INFINITY;
			both[0] = shard->sample[b];
			both[1] = shard->sample[shard->partner[b] % texts];
			mixed += both[0] != both[1] && share > 0.01F && share < 0.99F;
			must(samples_read(train, both, 2, sequences, targets, weights, &status), &status);
			for (size_t i = 0; i < LABELS; i++)
				worst = fmax(worst, fabs(shard->targets[b * LABELS + i] - share * targets[i] -
										 (1 - share) * targets[LABELS + i]));
			worst = fmax(worst,
						 fabs(shard->weights[b] - share * weights[0] - (1 - share) * weights[1]));
		}
	}
	CHECK(worst < 1e-6 && mixed > 3,
		  "mixup: targets and weights are those of two texts (%zu of 15)", mixed);
	trainer_free(made);
	options.batch_size = 16;
	check_way("mixup", options);
	options.loss = TRAINER_DISTRIBUTION_BALANCED;
	options.label_smoothing = 0.1;
	options.dropout_samples = 2;
	options.weight_averaging = 0.99;
	options.unfreeze_epochs = 0.5;
	options.layer_decay = 0.8;
	check_way("all together", options);
}

int
main(void)
{
	model_config config;
	em_status status;

	if (nn_blas_load(&status) != EM_OK)
	{
		printf("1..0 # SKIP %s\n", status.message);
		return 0;
	}
	model_config_default(&config);
	config.embedding_dim = 6;
	config.filters = 5;
	config.hidden = 4;
	config.attention = 5;
	if (network_layout_init(&layout, &config, VOCABULARY, LABELS, &status) != EM_OK)
		return 1;
	train = make_samples(TEXTS, 1);
	dev = make_samples(HELD_OUT, 2);
	test_averaging(0.5);
	test_averaging(0.8); /* the ramp reaches it among the updates */
	test_averaging(0.999);
	test_averaging_way();
	test_layer_decay(0.5);
	test_layer_decay(0);
	test_unfreezing();
	test_logit_adjustment();
	test_dropout_samples();
	test_mixup();
	samples_free(train);
	samples_free(dev);
	CHECK(check_live == 0, "nothing is left");
	return check_done();
}
