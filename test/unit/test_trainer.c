/*
 * test_trainer.c
 *	  Training a small network on a set that can be learnt: what it reaches, that it is the same
 *	  whatever the threads and wherever it was interrupted, and how it fails.
 */
#include "check.h"

#include <math.h>

#include "checkpoints.h"
#include "counted.h"
#include "random_numbers.h"

#include "../../src/model/bags.h"
#include "../../src/model/safetensors.h"
#include "../../src/model/trainer.h"
#include "../../src/nn/matmul.h"

#define LABELS 4
#define VOCABULARY 60
#define TEXTS 300
#define HELD_OUT 60
#define LEARNING_EPOCHS 40

/* Words 1..LABELS each mean a label, the others nothing. noise: labels are drawn instead. */
static samples *
make_mapped_samples(size_t count, bool noise, const uint32_t *remap)
{
	samples *made;
	em_status status;

	if (samples_create(&check_allocator, LABELS, 0, NULL, &made, &status) != EM_OK)
		exit(1);
	for (size_t i = 0; i < count; i++)
	{
		uint32_t ids[12];
		uint16_t labels[LABELS];
		size_t length = 1 + random_number(11), label_count = 0;
		bool has[LABELS] = { false };
		uint64_t hash = i;

		for (size_t j = 0; j < length; j++)
		{
			ids[j] = random_number(3) == 0 ? 1 + random_number(LABELS)
										   : 1 + LABELS + random_number(VOCABULARY - 1 - LABELS);
			if (ids[j] <= LABELS)
				has[ids[j] - 1] = true;
			hash = (hash ^ ids[j]) * UINT64_C(0x9e3779b97f4a7c15);
		}
		for (uint16_t label = 0; label < LABELS; label++)
			if (noise ? random_number(3) == 0 : has[label])
				labels[label_count++] = label;
		if (samples_add(made, ids, length, labels, label_count, 1, hash ^ hash >> 32, &status) !=
			EM_OK)
			exit(1);
	}
	if (samples_finish(made, remap, &status) != EM_OK)
		exit(1);
	return made;
}

static samples *
make_samples(size_t count, bool noise)
{
	return make_mapped_samples(count, noise, NULL);
}

static network_layout layout;
static samples *train, *dev;
static trainer_precision precision = TRAINER_SINGLE;

static trainer_options
small_options(void)
{
	trainer_options options;

	trainer_options_default(&options);
	options.epochs = 4;
	options.batch_size = 32;
	options.shard_size = 8;
	options.learning_rate = 0.02;
	options.patience = 0;
	options.precision = precision;
	return options;
}

static trainer *
make_trainer(const trainer_options *options, samples *dev_samples, nn_pool *pool)
{
	trainer *made;
	em_status status;

	if (trainer_create(&check_allocator, &layout, options, train, dev_samples, pool, &made,
					   &status) != EM_OK)
	{
		printf("Bail out! %s\n", status.message);
		exit(1);
	}
	return made;
}

/* One whole epoch. */
static em_code
turn(trainer *trainer, em_status *status)
{
	em_code code = trainer_begin_epoch(trainer, status);

	while (code == EM_OK && trainer_steps_done(trainer) < trainer_steps_in_epoch(trainer))
		code = trainer_step(trainer, NULL, NULL, status);
	return code == EM_OK ? trainer_end_epoch(trainer, NULL, NULL, status) : code;
}

static em_code
finish(trainer *trainer, em_status *status)
{
	em_code code = EM_OK;

	while (code == EM_OK && !trainer_finished(trainer))
		code = turn(trainer, status);
	return code;
}

static bool
same_weights(network_weights a, network_weights b)
{
	return memcmp(a.dense, b.dense, layout.dense * sizeof(real)) == 0 &&
		   memcmp(a.embedding, b.embedding, layout.rows * layout.embedding * sizeof(real)) == 0;
}

static bool
finite_weights(network_weights weights)
{
	bool finite = true;

	for (size_t i = 0; i < layout.dense; i++)
		finite = finite && isfinite(weights.dense[i]);
	for (size_t i = 0; i < layout.rows * layout.embedding; i++)
		finite = finite && isfinite(weights.embedding[i]);
	return finite;
}

/* Everything that users are given: weights, thresholds, figures. */
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

static void
test_learns(void)
{
	trainer_options options = small_options();
	trainer *made;
	const trainer_epoch *history, *last;
	em_status status;
	size_t texts = 0;

	options.epochs = LEARNING_EPOCHS;
	made = make_trainer(&options, dev, NULL);
	CHECK(trainer_best_epoch(made) == -1 && trainer_epochs_done(made) == 0, "training begins");
	CHECK(trainer_begin_epoch(made, &status) == EM_OK &&
			  trainer_steps_in_epoch(made) == (TEXTS + 31) / 32,
		  "an epoch has as many steps as batches");
	while (trainer_steps_done(made) < trainer_steps_in_epoch(made))
	{
		if (trainer_step(made, NULL, NULL, &status) != EM_OK)
			exit(1);
		texts = trainer_texts_done(made);
	}
	CHECK(texts == TEXTS, "which see every text");
	CHECK(trainer_end_epoch(made, NULL, NULL, &status) == EM_OK && finish(made, &status) == EM_OK &&
			  trainer_epochs_done(made) == LEARNING_EPOCHS,
		  "all epochs are done");
	history = trainer_history(made);
	last = &history[LEARNING_EPOCHS - 1];
	CHECK(last->train_loss < history[0].train_loss / 3, "the loss falls: %.3f to %.3f",
		  history[0].train_loss, last->train_loss);
	CHECK(last->macro_auc > 0.99 && last->macro_f1 > 0.95 && last->log_loss < 0.2,
		  "held-out texts are told apart: AUC %.3f, F1 %.3f, log loss %.3f", last->macro_auc,
		  last->macro_f1, last->log_loss);
	trainer_free(made);
	trainer_free(NULL);
}

static void
test_threads_and_seeds(void)
{
	trainer_options options = small_options();
	trainer *alone = make_trainer(&options, dev, NULL);
	trainer *other;
	em_status status;

	if (finish(alone, &status) != EM_OK)
		exit(1);
	for (int threads = 1; threads <= 3; threads++)
	{
		nn_pool *pool;

		if (nn_pool_create(&check_allocator, threads, &pool, &status) != EM_OK)
			exit(1);
		other = make_trainer(&options, dev, pool);
		CHECK(finish(other, &status) == EM_OK && same_result(alone, other),
			  "%d threads make the same weights, bit for bit", threads);
		trainer_free(other);
		nn_pool_destroy(pool);
	}
	other = make_trainer(&options, NULL, NULL);
	CHECK(finish(other, &status) == EM_OK &&
			  same_weights(trainer_weights(alone), trainer_weights(other)),
		  "held-out texts do not change the weights");
	CHECK(trainer_best_epoch(other) == 3 &&
			  same_weights(trainer_best(other), trainer_weights(other)) &&
			  trainer_thresholds(other)[0] == 0.5F && isnan(trainer_history(other)[3].macro_auc),
		  "without any, the last epoch is kept, and thresholds of 0.5");
	trainer_free(other);
	options.seed = 2;
	other = make_trainer(&options, dev, NULL);
	CHECK(finish(other, &status) == EM_OK &&
			  !same_weights(trainer_weights(alone), trainer_weights(other)),
		  "another seed makes others");
	trainer_free(other);
	trainer_free(alone);
}

static void
test_checkpoints(void)
{
	trainer_options options = small_options();
	trainer *whole = make_trainer(&options, dev, NULL);
	trainer *other;
	em_status status;
	uint8_t *bytes[5] = { NULL };
	size_t size[5];

	for (int epoch = 1; epoch <= 4; epoch++)
		if (turn(whole, &status) != EM_OK ||
			trainer_checkpoint(whole, &check_allocator, &bytes[epoch], &size[epoch], &status) !=
				EM_OK)
			exit(1);
	for (int epoch = 1; epoch <= 4; epoch++)
	{
		uint8_t *again = NULL;
		size_t again_size = 0;

		other = make_trainer(&options, dev, NULL);
		CHECK(trainer_restore(other, bytes[epoch], size[epoch], &status) == EM_OK &&
				  trainer_epochs_done(other) == epoch,
			  "a training is restored after epoch %d", epoch);
		CHECK(trainer_checkpoint(other, &check_allocator, &again, &again_size, &status) == EM_OK &&
				  again_size == size[epoch] && memcmp(again, bytes[epoch], again_size) == 0,
			  "it is what it was");
		em_release(&check_allocator, again);
		CHECK(finish(other, &status) == EM_OK && same_result(whole, other),
			  "and ends as the one that was not interrupted, bit for bit");
		trainer_free(other);
	}

	/* what is refused */
	{
		size_t refused = 0, tried = 0, harmless = 0;
		uint8_t *changed = malloc(size[2] + 1);

		for (size_t at = 0; at < size[2]; at += at < 4096 ? 1 : 997)
		{
			uint8_t *again = NULL;
			size_t again_size;
			em_code code;

			memcpy(changed, bytes[2], size[2]);
			changed[at] ^= (uint8_t) (1 << at % 8);
			other = make_trainer(&options, dev, NULL);
			code = trainer_restore(other, changed, size[2], &status);
			tried++;
			refused += code != EM_OK;
			/* a blank of the header may become another blank; the state is what it was */
			if (code == EM_OK &&
				trainer_checkpoint(other, &check_allocator, &again, &again_size, &status) == EM_OK)
			{
				harmless += memcmp(again, bytes[2], size[2]) == 0;
				em_release(&check_allocator, again);
			}
			trainer_free(other);
		}
		CHECK(tried > 1000 && refused > tried * 9 / 10 && refused + harmless == tried,
			  "of %zu checkpoints with one bit changed, all that differ are refused", tried);
		refused = tried = 0;
		for (size_t length = 0; length < size[2]; length += 1 + length / 2)
		{
			other = make_trainer(&options, dev, NULL);
			memcpy(changed, bytes[2], length);
			refused += trainer_restore(other, changed, length, &status) == EM_CORRUPT;
			tried++;
			trainer_free(other);
		}
		CHECK(refused == tried, "so are pieces of one");
		free(changed);
	}
	{
		trainer_options fewer = options;

		fewer.epochs = 2;
		other = make_trainer(&fewer, dev, NULL);
		CHECK(trainer_restore(other, bytes[3], size[3], &status) == EM_CORRUPT &&
				  status.hint[0] != '\0',
			  "so is one of more epochs than there are to do: %s", status.message);
		trainer_free(other);
		fewer = options;
		fewer.batch_size = 64;
		other = make_trainer(&fewer, dev, NULL);
		CHECK(trainer_restore(other, bytes[3], size[3], &status) == EM_CORRUPT,
			  "and one of other batches: %s", status.message);
		trainer_free(other);
	}
	for (int epoch = 1; epoch <= 4; epoch++)
		check_release(NULL, bytes[epoch]);
	trainer_free(whole);
}

/* An epoch may be any number of steps: passes over the texts go on from one to the next. */
static void
test_steps_per_epoch(void)
{
	const int batches = (TEXTS + 31) / 32;
	trainer_options options = small_options();
	trainer *passes, *steps;
	em_status status;
	uint8_t *bytes = NULL;
	size_t size = 0;

	options.epochs = 3;
	passes = make_trainer(&options, dev, NULL);
	options.steps_per_epoch = batches;
	steps = make_trainer(&options, dev, NULL);
	CHECK(finish(passes, &status) == EM_OK && finish(steps, &status) == EM_OK &&
			  same_result(passes, steps),
		  "as many steps as batches make the same epochs");
	trainer_free(steps);

	options = small_options();
	trainer_free(passes);
	passes = make_trainer(&options, NULL, NULL);
	options.epochs = 4 * batches;
	options.steps_per_epoch = 1;
	steps = make_trainer(&options, NULL, NULL);
	CHECK(turn(steps, &status) == EM_OK && trainer_texts_done(steps) <= 32 &&
			  trainer_steps_in_epoch(steps) == 1 && finish(steps, &status) == EM_OK &&
			  finish(passes, &status) == EM_OK &&
			  same_weights(trainer_weights(passes), trainer_weights(steps)),
		  "epochs of one step make the same weights as whole passes of as many");
	trainer_free(steps);
	options.epochs = 2;
	options.steps_per_epoch = 2 * batches;
	steps = make_trainer(&options, NULL, NULL);
	CHECK(turn(steps, &status) == EM_OK && trainer_texts_done(steps) == 2 * TEXTS &&
			  finish(steps, &status) == EM_OK &&
			  same_weights(trainer_weights(passes), trainer_weights(steps)),
		  "and so do epochs of two passes");
	trainer_free(steps);
	trainer_free(passes);

	options.epochs = 3;
	options.steps_per_epoch = batches + batches / 2;
	passes = make_trainer(&options, dev, NULL);
	steps = make_trainer(&options, dev, NULL);
	CHECK(turn(passes, &status) == EM_OK &&
			  trainer_checkpoint(passes, &check_allocator, &bytes, &size, &status) == EM_OK &&
			  trainer_restore(steps, bytes, size, &status) == EM_OK &&
			  finish(passes, &status) == EM_OK && finish(steps, &status) == EM_OK &&
			  same_result(passes, steps),
		  "a training restored in the middle of a pass ends as the one that went on");
	trainer_free(steps);
	options.steps_per_epoch = batches;
	steps = make_trainer(&options, dev, NULL);
	CHECK(trainer_restore(steps, bytes, size, &status) == EM_CORRUPT,
		  "a checkpoint of other epochs is refused: %s", status.message);
	trainer_free(steps);
	trainer_free(passes);
	check_release(NULL, bytes);
}

/* On labels that mean nothing, held-out figures get worse while the loss falls. */
static void
test_patience(void)
{
	trainer_options options = small_options();
	samples *learnable = train, *noise_dev;
	const trainer_epoch *history;
	trainer *made, *short_one;
	em_status status;
	int best;

	train = make_samples(TEXTS, true);
	noise_dev = make_samples(HELD_OUT, true);
	options.epochs = 30;
	options.patience = 2;
	options.metric = TRAINER_LOG_LOSS;
	options.schedule = NN_SCHEDULE_CONSTANT;
	made = make_trainer(&options, noise_dev, NULL);
	CHECK(finish(made, &status) == EM_OK && trainer_epochs_done(made) < 30, "patience ends");
	best = trainer_best_epoch(made);
	history = trainer_history(made);
	CHECK(trainer_epochs_done(made) == best + 3, "two epochs after the best one");
	for (int i = 0; i < trainer_epochs_done(made); i++)
		if (i != best && history[i].log_loss <= history[best].log_loss)
			best = -1;
	CHECK(best >= 0 && history[best].selected == -history[best].log_loss,
		  "which is that of the lowest log loss");
	CHECK(!same_weights(trainer_best(made), trainer_weights(made)), "not the last one's weights");

	/* with a constant rate, what epochs are left does not matter */
	options.warmup = 0;
	options.patience = 0;
	options.epochs = 8;
	trainer_free(made);
	made = make_trainer(&options, noise_dev, NULL);
	if (finish(made, &status) != EM_OK)
		exit(1);
	options.epochs = trainer_best_epoch(made) + 1;
	short_one = make_trainer(&options, noise_dev, NULL);
	CHECK(finish(short_one, &status) == EM_OK && options.epochs < 8 &&
			  same_weights(trainer_best(made), trainer_weights(short_one)) &&
			  memcmp(trainer_thresholds(made), trainer_thresholds(short_one),
					 LABELS * sizeof(float)) == 0,
		  "weights and thresholds are those of the best epoch (%d of 8)", options.epochs);
	trainer_free(short_one);
	trainer_free(made);
	samples_free(train);
	samples_free(noise_dev);
	train = learnable;
}

static void
test_frozen(void)
{
	trainer_options options = small_options();
	size_t count = layout.rows * layout.embedding;
	real *before = malloc(count * sizeof(real));
	trainer *made;
	em_status status;

	options.embedding_rate = 0;
	made = make_trainer(&options, dev, NULL);
	memcpy(before, trainer_weights(made).embedding, count * sizeof(real));
	CHECK(finish(made, &status) == EM_OK &&
			  memcmp(before, trainer_weights(made).embedding, count * sizeof(real)) == 0 &&
			  memcmp(before, trainer_best(made).embedding, count * sizeof(real)) == 0,
		  "a frozen embedding stays as it is");
	CHECK(trainer_history(made)[3].train_loss < trainer_history(made)[0].train_loss,
		  "while the rest learns");
	trainer_free(made);
	free(before);
}

static void
test_losses(void)
{
	static const int losses[] = { TRAINER_FOCAL,
								  TRAINER_ASYMMETRIC,
								  TRAINER_CLASS_BALANCED,
								  TRAINER_BCE,
								  TRAINER_DISTRIBUTION_BALANCED,
								  TRAINER_BCE };
	static const char *const names[] = { "focal",
										 "asymmetric",
										 "class-balanced",
										 "weighted and smoothed",
										 "distribution-balanced",
										 "logit-adjusted" };

	for (int i = 0; i < 6; i++)
	{
		trainer_options options = small_options();
		const trainer_epoch *history, *last;
		trainer *made;
		em_status status;

		options.loss = losses[i];
		options.focal_alpha = i == 0 ? 0.5 : -1;
		options.positive_weight = i == 3 ? 2 : 1;
		options.label_smoothing = i == 3 ? 0.1 : 0;
		options.logit_adjustment = i == 5 ? 1 : 0;
		options.metric = i % 4;
		options.epochs = LEARNING_EPOCHS;
		made = make_trainer(&options, dev, NULL);
		if (finish(made, &status) != EM_OK)
			printf("# %s\n", status.message);
		history = trainer_history(made);
		last = &history[LEARNING_EPOCHS - 1];
		CHECK(trainer_epochs_done(made) == LEARNING_EPOCHS &&
				  last->train_loss < history[0].train_loss && last->macro_auc > 0.95,
			  "the %s loss learns: AUC %.3f", names[i], last->macro_auc);
		trainer_free(made);
	}
}

static void
test_divergence(void)
{
	trainer_options options = small_options();
	trainer *made;
	em_status status = { 0 };
	em_code code;

	options.epochs = 30;
	options.learning_rate = 10;
	options.weight_decay = 10; /* each step multiplies weights by -99 */
	options.clip_norm = 0;
	options.schedule = NN_SCHEDULE_CONSTANT;
	options.warmup = 0;
	for (int held_out = 0; held_out < 2; held_out++)
	{
		made = make_trainer(&options, held_out ? dev : NULL, NULL);
		code = finish(made, &status);
		CHECK(code == EM_INVALID_DATA && strstr(status.message, "diverged") != NULL &&
				  status.hint[0] != '\0',
			  "divergence is reported: %s", status.message);
		CHECK(trainer_best_epoch(made) < 0 || finite_weights(trainer_best(made)),
			  "and no such weights are kept");
		trainer_free(made);
	}

	/* in the last step, which no other one checks */
	options.epochs = 1;
	for (int steps = 1; steps <= 40; steps++)
	{
		made = make_trainer(&options, NULL, NULL);
		code = trainer_begin_epoch(made, &status);
		for (int i = 0;
			 code == EM_OK && i < steps && trainer_steps_done(made) < trainer_steps_in_epoch(made);
			 i++)
			code = trainer_step(made, NULL, NULL, &status);
		if (code == EM_OK)
			code = trainer_end_epoch(made, NULL, NULL, &status);
		if (code == EM_OK && !finite_weights(trainer_best(made)))
			CHECK(false, "%d steps end in weights that are not finite", steps);
		trainer_free(made);
	}

	options = small_options();
	options.learning_rate = 10;
	made = make_trainer(&options, dev, NULL);
	code = finish(made, &status);
	CHECK((code == EM_OK && finite_weights(trainer_best(made))) || code == EM_INVALID_DATA,
		  "a learning rate far too high ends in numbers or an error");
	trainer_free(made);
}

static bool
stop_at_once(void *context)
{
	(*(int *) context)++;
	return true;
}

static void
test_cancel(void)
{
	trainer_options options = small_options();
	trainer *made, *other;
	em_status status;
	int asked = 0;

	options.batch_size = TEXTS;
	options.shard_size = 2;
	made = make_trainer(&options, dev, NULL);
	if (trainer_begin_epoch(made, &status) != EM_OK)
		exit(1);
	CHECK(trainer_step(made, stop_at_once, &asked, &status) == EM_CANCELLED && asked == 1 &&
			  trainer_steps_done(made) == 0,
		  "a large batch is given up on the way");
	asked = 0;
	CHECK(trainer_end_epoch(made, stop_at_once, &asked, &status) == EM_CANCELLED && asked == 1 &&
			  trainer_epochs_done(made) == 0,
		  "and so is an evaluation");
	other = make_trainer(&options, dev, NULL);
	CHECK(finish(made, &status) == EM_OK && finish(other, &status) == EM_OK &&
			  same_result(made, other),
		  "which leaves no trace");
	trainer_free(made);
	trainer_free(other);
}

static void
test_memory(void)
{
	trainer_options options = small_options();
	em_code code = EM_OUT_OF_MEMORY;
	uint64_t most = 0;
	bool good = true;
	long n = 0, live = check_live;

	options.loss = TRAINER_DISTRIBUTION_BALANCED;
	options.weight_averaging = 0.9;
	options.positive_weight = 2;
	while (good && code != EM_OK)
	{
		em_status status = { 0 };
		uint8_t *bytes = NULL;
		size_t size;
		trainer *made = NULL;
		samples *none;
		samples *own;

		/* what samples_read keeps for itself must be fresh each time, too */
		random_state = 5;
		own = make_samples(50, false);
		none = make_samples(0, false);
		check_fail_at = ++n;
		code = trainer_create(&check_allocator, &layout, &options, own, own, NULL, &made, &status);
		if (code == EM_OK)
			code = turn(made, &status);
		if (code == EM_OK)
			code = trainer_checkpoint(made, &check_allocator, &bytes, &size, &status);
		if (code == EM_OK)
			code = trainer_restore(made, bytes, size, &status);
		check_fail_at = 0;
		em_release(&check_allocator, bytes);
		trainer_free(made);
		if (n == 1)
		{
			CHECK(trainer_create(&check_allocator, &layout, &options, none, NULL, NULL, &made,
								 &status) == EM_INVALID_DATA,
				  "without texts there is no training: %s", status.message);
			code = EM_OUT_OF_MEMORY;
			em_fail(&status, EM_OUT_OF_MEMORY, "out of memory");
		}
		samples_free(own);
		samples_free(none);
		good = check_live == live &&
			   (code == EM_OK ||
				(code == EM_OUT_OF_MEMORY && strcmp(status.message, "out of memory") == 0));
		if (!good)
			printf("# allocation %ld: %s, %ld blocks left\n", n, status.message, check_live - live);
	}
	CHECK(good && n > 20, "each of %ld allocations may fail", n - 1);
	most = trainer_memory(&layout, &options);
	CHECK(most >= 4 * sizeof(real) * (layout.dense + layout.rows * layout.embedding),
		  "the memory foretold holds weights, moments and the best weights");
}

/* given: the embedding begins with numbers of the caller's, rows of n-grams included. */
static trainer *
make_bag_trainer(const trainer_options *options, nn_pool *pool, const nn_bags *bags, bool given)
{
	trainer *made = make_trainer(options, dev, pool);
	em_status status;

	if (trainer_use_bags(made, bags, &status) != EM_OK)
		exit(1);
	for (size_t i = 0; given && i < layout.rows * layout.embedding; i++)
		trainer_initial_embedding(made)[i] = (real) (0.02 * (double) (i * 7 % 11) - 0.1);
	return made;
}

/* A word and a bag that holds nothing but its row are the same. */
static void
test_bags_as_words(void)
{
	const network_layout plain = layout;
	samples *plain_train = train, *plain_dev = dev;
	trainer_options options = small_options();
	uint32_t remap[VOCABULARY], rows[VOCABULARY], offset[2 * VOCABULARY + 1] = { 0 };
	nn_bags bags = { 2 * VOCABULARY, offset, rows };
	model_config config = layout.config;
	trainer *words, *others;
	uint64_t state;
	em_status status;

	/* the vocabulary's own bags stay empty; bag V + w is word w */
	for (uint32_t word = 0; word < VOCABULARY; word++)
	{
		remap[word] = word % 3 == 0 ? word : 2 * VOCABULARY + word;
		rows[word] = word;
		offset[VOCABULARY + word + 1] = word + 1;
	}
	state = random_state;
	train = make_samples(TEXTS, false);
	dev = make_samples(HELD_OUT, false);
	words = make_trainer(&options, dev, NULL);
	if (finish(words, &status) != EM_OK)
		exit(1);
	samples_free(train);
	samples_free(dev);
	random_state = state;
	train = make_mapped_samples(TEXTS, false, remap);
	dev = make_mapped_samples(HELD_OUT, false, remap);
	config.subword_buckets = 5;
	if (network_layout_init(&layout, &config, VOCABULARY, LABELS, &status) != EM_OK)
		exit(1);
	others = make_bag_trainer(&options, NULL, &bags, false);
	if (finish(others, &status) != EM_OK)
		exit(1);
	CHECK(trainer_memory(&layout, &options) ==
			  trainer_memory(&plain, &options) + 4 * 5 * layout.embedding * sizeof(real),
		  "n-grams take the memory of their rows");
	layout = plain;
	CHECK(same_result(words, others), "a bag of one row trains that row, bit for bit");
	trainer_free(words);
	trainer_free(others);
	samples_free(train);
	samples_free(dev);
	train = plain_train;
	dev = plain_dev;
}

/*
 * Texts of unknown words, and known ones now and then read as their n-grams; all: besides, in mixed
 * precision, the weights averaged, from given vectors.
 */
static void
test_bags(bool all)
{
	const network_layout plain = layout;
	samples *plain_train = train, *plain_dev = dev;
	trainer_options options = small_options();
	const char *name = all ? "n-grams, vectors, averages, mixed precision" : "n-grams";
	model_config config = layout.config;
	uint32_t remap[VOCABULARY];
	trainer *alone, *other;
	bag_list list;
	uint8_t *bytes;
	size_t size;
	em_status status;

	if (all)
	{
		options.precision = TRAINER_MIXED;
		options.weight_averaging = 0.9;
	}
	config.subword_buckets = 40;
	config.dropout_subword = 0.3;
	if (network_layout_init(&layout, &config, VOCABULARY, LABELS, &status) != EM_OK)
		exit(1);
	bag_list_init(&list, &check_allocator, &config, VOCABULARY);
	for (uint32_t word = 0; word < 2 * VOCABULARY; word++)
	{
		char text[16];
		uint32_t id;
		size_t length = (size_t) snprintf(text, sizeof(text), "w%ux", word * 7);

		if (bag_list_add(&list, text, word == 0 ? 0 : length, &id, &status) != EM_OK)
			exit(1);
		if (word < VOCABULARY)
			remap[word] = word % 4 == 3 ? 2 * VOCABULARY + word : word;
	}
	CHECK(list.bags.count == 2 * VOCABULARY && list.offset[1] == 0, "bags of all words");
	train = make_mapped_samples(TEXTS, false, remap);
	dev = make_mapped_samples(HELD_OUT, false, remap);
	alone = make_bag_trainer(&options, NULL, &list.bags, all);
	for (int epoch = 0; epoch < 2; epoch++)
		if (turn(alone, &status) != EM_OK)
			exit(1);
	if (trainer_checkpoint(alone, &check_allocator, &bytes, &size, &status) != EM_OK ||
		finish(alone, &status) != EM_OK)
		exit(1);
	for (int threads = 1; threads <= 3; threads++)
	{
		nn_pool *pool;

		if (nn_pool_create(&check_allocator, threads, &pool, &status) != EM_OK)
			exit(1);
		/* what is resumed needs no vectors */
		other = make_bag_trainer(&options, pool, &list.bags, all && threads != 2);
		if (threads == 2 && trainer_restore(other, bytes, size, &status) != EM_OK)
			exit(1);
		CHECK(finish(other, &status) == EM_OK && same_result(alone, other),
			  "%s: %d threads make the same weights%s", name, threads,
			  threads == 2 ? ", resumed" : "");
		trainer_free(other);
		nn_pool_destroy(pool);
	}
	check_release(NULL, bytes);
	CHECK(trainer_history(alone)[3].macro_auc > 0.8, "%s: and learn, AUC %.3f", name,
		  trainer_history(alone)[3].macro_auc);
	layout.config.dropout_subword = 0;
	other = make_bag_trainer(&options, NULL, &list.bags, all);
	CHECK(finish(other, &status) == EM_OK && !same_result(alone, other),
		  "%s: without dropout_subword others", name);
	trainer_free(other);
	trainer_free(alone);
	bag_list_free(&list);
	samples_free(train);
	samples_free(dev);
	layout = plain;
	train = plain_train;
	dev = plain_dev;
}

static size_t asked;

static void *
allocate_asked(void *context, size_t size)
{
	asked += size;
	return check_allocate(context, size);
}

/* Before the first batch a trainer of a large network holds what was foretold and little besides. */
static void
test_memory_foretold(void)
{
	const em_allocator counting = { allocate_asked, check_release, NULL };
	const network_layout small = layout;
	model_config config = layout.config;
	trainer_options options = small_options();
	trainer *made;
	em_status status;

	config.embedding_dim = 50;
	config.filters = 40;
	config.hidden = 60;
	options.batch_size = 16;
	for (int way = 0; way < 8; way++)
	{
		double foretold;

		config.subword_buckets = way & 1 ? 3000 : 0;
		options.weight_averaging = way & 2 ? 0.99 : 0;
		options.precision = way & 4 ? TRAINER_MIXED : TRAINER_SINGLE;
		if (network_layout_init(&layout, &config, 500, LABELS, &status) != EM_OK)
			exit(1);
		foretold = (double) trainer_memory(&layout, &options);
		asked = 0;
		if (trainer_create(&counting, &layout, &options, train, dev, NULL, &made, &status) != EM_OK)
			exit(1);
		CHECK((double) asked >= foretold && (double) asked < 1.05 * foretold,
			  "%.0f bytes are taken, %.0f foretold%s%s%s", (double) asked, foretold,
			  way & 1 ? ", n-grams" : "", way & 2 ? ", averages" : "",
			  way & 4 ? ", mixed precision" : "");
		trainer_free(made);
	}
	layout = small;
}

/* Its batches take no more than was foretold of them, and not much less. */
static void
test_batch_memory_foretold(void)
{
	trainer_options options = small_options();
	uint64_t dev_rows = samples_tokens(dev);
	size_t longest = 1;

	for (size_t i = 0; i < TEXTS; i++)
		if (samples_length(train, i) > longest)
			longest = samples_length(train, i);
	for (int way = 0; way < 6; way++)
	{
		uint64_t foretold;
		trainer *made;
		em_status status;

		options.batch_size = way & 1 ? TEXTS : 32;
		options.shard_size = way & 2 ? 32 : 8;
		options.dropout_samples = way & 4 ? 3 : 1;
		foretold =
			trainer_memory(&layout, &options) +
			trainer_batch_memory(&layout, &options, longest,
								 way & 1 ? samples_tokens(train) : 32 * longest, dev_rows, 1);
		bytes_live = bytes_most = 0;
		if (trainer_create(&counted_allocator, &layout, &options, train, dev, NULL, &made,
						   &status) != EM_OK ||
			turn(made, &status) != EM_OK)
			exit(1);
		CHECK((double) bytes_most < 1.1 * (double) foretold + 100000 &&
				  (double) bytes_most > 0.4 * (double) foretold,
			  "batches of %d: %zu KB are foretold, %zu KB taken", options.batch_size,
			  (size_t) foretold / 1024, bytes_most / 1024);
		trainer_free(made);
	}
	CHECK(bytes_live == 0, "and given back");
}

/* What is learnt in mixed precision is as good, and as sure; only the weights differ. */
static void
test_mixed(void)
{
	trainer_options options = small_options();
	trainer *single = make_trainer(&options, dev, NULL);
	trainer *mixed, *other;
	em_status status;
	uint8_t *bytes;
	size_t size;
	double auc;

	if (finish(single, &status) != EM_OK)
		exit(1);
	precision = TRAINER_MIXED;
	options = small_options();
	mixed = make_trainer(&options, dev, NULL);
	other = make_trainer(&options, dev, NULL);
	if (turn(mixed, &status) != EM_OK || turn(mixed, &status) != EM_OK ||
		trainer_checkpoint(mixed, &check_allocator, &bytes, &size, &status) != EM_OK)
		exit(1);
	CHECK(trainer_restore(other, bytes, size, &status) == EM_OK &&
			  finish(mixed, &status) == EM_OK && finish(other, &status) == EM_OK &&
			  same_result(mixed, other),
		  "a training of mixed precision goes on as if it had not been interrupted, bit for bit");
	auc = trainer_history(single)[3].macro_auc;
	CHECK(!same_weights(trainer_weights(single), trainer_weights(mixed)) &&
			  fabs(trainer_history(mixed)[3].macro_auc - auc) < 0.01,
		  "and is as good: AUC %.4f, single precision %.4f", trainer_history(mixed)[3].macro_auc,
		  auc);
	em_release(&check_allocator, bytes);
	trainer_free(single);
	trainer_free(mixed);
	trainer_free(other);
	test_learns();
	test_threads_and_seeds();
	test_frozen();
	test_divergence();
	test_memory();
	precision = TRAINER_SINGLE;
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
	config.embedding_dim = 8;
	config.filters = 8;
	config.hidden = 6;
	config.attention = 5;
	config.dropout_word = 0.05;
	config.dropout_hidden = 0.1;
	if (network_layout_init(&layout, &config, VOCABULARY, LABELS, &status) != EM_OK)
		return 1;
	train = make_samples(TEXTS, false);
	dev = make_samples(HELD_OUT, false);
	test_learns();
	test_threads_and_seeds();
	test_checkpoints();
	test_steps_per_epoch();
	test_patience();
	test_frozen();
	test_losses();
	test_divergence();
	test_cancel();
	test_memory();
	test_bags_as_words();
	test_bags(false);
	test_bags(true);
	test_memory_foretold();
	test_batch_memory_foretold();
	test_mixed();
	samples_free(train);
	samples_free(dev);
	CHECK(check_live == 0, "nothing is left");
	return check_done();
}
