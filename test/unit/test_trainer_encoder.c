/*
 * test_trainer_encoder.c
 *	  Training a small transformer on a set that can be learnt: what it reaches, that it is the same
 *	  whatever the threads and wherever it was interrupted, what stands still, what it takes.
 */
#include "check.h"

#include <math.h>

#include "checkpoints.h"
#include "counted.h"
#include "random_numbers.h"

#include "../../src/model/trainer_encoder.h"
#include "../../src/nn/bf16.h"
#include "../../src/nn/matmul.h"

#define LABELS 3
#define VOCABULARY 60
#define LAYERS 2
#define TEXTS 180
#define HELD_OUT 60
#define LEARNING_EPOCHS 100
#define REPLAYED 300 /* updates without a row: more than are made one by one */

/* Between <s> 0 and </s> 2, tokens 3..5 each mean a label; 6..: nothing, the last never occurs. */
static samples *
make_samples(size_t count)
{
	samples *made;
	em_status status;

	if (samples_create(&check_allocator, LABELS, 0, NULL, &made, &status) != EM_OK)
		exit(1);
	for (size_t i = 0; i < count; i++)
	{
		uint32_t ids[16] = { 0 };
		uint16_t labels[LABELS];
		size_t length = 3 + random_number(12), label_count = 0;
		bool has[LABELS] = { false };

		for (size_t j = 1; j + 1 < length; j++)
		{
			ids[j] = random_number(4) == 0 ? 3 + random_number(LABELS)
										   : 6 + random_number(VOCABULARY - 7);
			if (ids[j] < 6)
				has[ids[j] - 3] = true;
		}
		ids[length - 1] = 2;
		for (uint16_t label = 0; label < LABELS; label++)
			if (has[label])
				labels[label_count++] = label;
		if (samples_add(made, ids, length, labels, label_count, 1,
						samples_hash_ids(ids, length, labels, label_count), &status) != EM_OK)
			exit(1);
	}
	if (samples_finish(made, NULL, &status) != EM_OK)
		exit(1);
	return made;
}

static encoder_layout layout;
static samples *train, *dev;

static trainer_options
small_options(void)
{
	trainer_options options;

	trainer_options_default_encoder(&options, false);
	options.epochs = 2;
	options.batch_size = 32;
	options.shard_size = 8;
	options.learning_rate = 0.003;
	options.patience = 0;
	return options;
}

static trainer *
make_trainer(const trainer_options *options, nn_pool *pool)
{
	trainer *made;
	em_status status;

	if (trainer_create_encoder(&check_allocator, &layout, options, true, train, dev, pool, &made,
							   &status) != EM_OK)
	{
		printf("Bail out! %s\n", status.message);
		exit(1);
	}
	return made;
}

static em_code
turn(trainer *trainer, em_should_stop should_stop, void *context, em_status *status)
{
	em_code code = trainer_begin_epoch(trainer, status);

	while (code == EM_OK && trainer_steps_done(trainer) < trainer_steps_in_epoch(trainer))
		code = trainer_step(trainer, should_stop, context, status);
	return code == EM_OK ? trainer_end_epoch(trainer, should_stop, context, status) : code;
}

static trainer *
trained(const trainer_options *options, nn_pool *pool)
{
	trainer *made = make_trainer(options, pool);
	em_status status;

	while (!trainer_finished(made))
		if (turn(made, NULL, NULL, &status) != EM_OK)
		{
			printf("Bail out! %s\n", status.message);
			exit(1);
		}
	return made;
}

/* ||a - b|| / ||b|| over all weights */
static double
distance(const trainer *a, const trainer *b)
{
	const real *x = trainer_weights_encoder(a), *y = trainer_weights_encoder(b);
	double difference = 0, norm = 0;

	for (size_t i = 0; i < layout.total; i++)
	{
		difference += ((double) x[i] - y[i]) * ((double) x[i] - y[i]);
		norm += (double) y[i] * y[i];
	}
	return sqrt(difference / norm);
}

/* Everything that users are given, and all that goes on from there. */
static bool
same_result(const trainer *a, const trainer *b)
{
	int epochs = trainer_epochs_done(a);

	return memcmp(trainer_weights_encoder(a), trainer_weights_encoder(b),
				  layout.total * sizeof(real)) == 0 &&
		   memcmp(a->encoder->m, b->encoder->m, a->encoder->trained * sizeof(real)) == 0 &&
		   memcmp(a->encoder->v, b->encoder->v, a->encoder->trained * sizeof(real)) == 0 &&
		   memcmp(a->encoder->best, b->encoder->best, a->encoder->trained * sizeof(real)) == 0 &&
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
	const trainer_epoch *history;
	const real *best;
	int chosen;

	options.epochs = LEARNING_EPOCHS;
	made = trained(&options, NULL);
	history = trainer_history(made);
	chosen = trainer_best_epoch(made);
	CHECK(history[LEARNING_EPOCHS - 1].train_loss < history[0].train_loss / 2,
		  "the loss falls: %.3f to %.3f", history[0].train_loss,
		  history[LEARNING_EPOCHS - 1].train_loss);
	CHECK(history[chosen].macro_auc > 0.95, "held-out texts are told apart: AUC %.3f",
		  history[chosen].macro_auc);
	for (int epoch = 0; epoch < LEARNING_EPOCHS; epoch++)
		if (history[epoch].macro_auc > history[chosen].macro_auc)
			chosen = -1;
	CHECK(chosen >= 0, "the best epoch is kept");
	best = trainer_best_encoder(made);
	CHECK(best == trainer_weights_encoder(made) && isfinite(best[layout.words]),
		  "its weights are handed over");
	trainer_free(made);
}

static void
test_threads(trainer_precision precision)
{
	trainer_options options = small_options();
	trainer *one;

	options.precision = precision;
	one = trained(&options, NULL);
	for (int threads = 2; threads <= 5; threads += 3)
	{
		nn_pool *pool;
		trainer *several;
		em_status status;

		if (nn_pool_create(&check_allocator, threads, &pool, &status) != EM_OK)
			exit(1);
		several = trained(&options, pool);
		CHECK(same_result(one, several), "%d threads give the same bits%s", threads,
			  precision == TRAINER_MIXED ? ", in mixed precision" : "");
		trainer_free(several);
		nn_pool_destroy(pool);
	}
	trainer_free(one);
}

/* A batch in one piece, or in shards whose gradients are added up. */
static void
test_accumulation(void)
{
	trainer_options options = small_options();
	trainer *whole, *pieces;
	double off;

	options.shard_size = options.batch_size;
	whole = trained(&options, NULL);
	options.shard_size = 1;
	pieces = trained(&options, NULL);
	off = distance(pieces, whole);
	CHECK(off < 1e-5, "gradients of 32 shards of 1 text are those of 1 shard of 32: %.2g", off);
	trainer_free(whole);
	trainer_free(pieces);
}

static void
test_frozen(void)
{
	for (int frozen = 0; frozen <= LAYERS + 1; frozen++)
	{
		trainer_options options = small_options();
		trainer *before, *after;
		bool right = true;

		options.frozen = frozen;
		before = make_trainer(&options, NULL);
		after = trained(&options, NULL);
		for (size_t i = 0; i < layout.tensor_count; i++)
		{
			encoder_tensor tensor;
			bool same;

			encoder_tensor_at(&layout, i, &tensor);
			same = memcmp(trainer_weights_encoder(before) + tensor.offset,
						  trainer_weights_encoder(after) + tensor.offset,
						  tensor.elements * sizeof(real)) == 0;
			right &= same == (tensor.stage < frozen);
		}
		CHECK(right, "%d stages stand still, all others move", frozen);
		CHECK(after->encoder->trained <=
				  layout.total - after->encoder->first - (frozen > 0 ? VOCABULARY * 16 : 0),
			  "which have no moments");
		trainer_free(before);
		trainer_free(after);
	}
}

/* After one update, what weight decay has taken besides. */
static void
test_decay(void)
{
	trainer_options options = small_options();
	trainer *made[2];
	em_status status;
	bool right = true;
	double rate;

	options.warmup = 0;
	options.schedule = NN_SCHEDULE_CONSTANT;
	rate = options.learning_rate;
	for (int i = 0; i < 2; i++)
	{
		options.weight_decay = i * 0.5;
		made[i] = make_trainer(&options, NULL);
		if (trainer_begin_epoch(made[i], &status) != EM_OK ||
			trainer_step(made[i], NULL, NULL, &status) != EM_OK)
			exit(1);
		encoder_words_settle(made[i]);
	}
	for (size_t i = 0; i < layout.tensor_count; i++)
	{
		encoder_tensor tensor;
		real *fresh = calloc(layout.total, sizeof(real));

		encoder_tensor_at(&layout, i, &tensor);
		encoder_init(&layout, options.seed, NULL, fresh);
		for (size_t j = tensor.offset; j < tensor.offset + tensor.elements; j++)
		{
			double taken =
				(double) made[0]->encoder->weights[j] - (double) made[1]->encoder->weights[j];

			right &= fabs(taken - (tensor.decay ? rate * 0.5 * (double) fresh[j] : 0)) < 1e-8;
		}
		free(fresh);
	}
	CHECK(right, "weight decay takes its part of matrices and embeddings, and of nothing else");
	trainer_free(made[0]);
	trainer_free(made[1]);
}

static void
test_layer_decay(void)
{
	trainer_options options = small_options();
	trainer *made;
	em_status status;
	bool right = true;
	real *fresh = malloc(layout.total * sizeof(real));

	options.warmup = 0;
	options.schedule = NN_SCHEDULE_CONSTANT;
	options.weight_decay = 0;
	options.layer_decay = 0.5;
	made = make_trainer(&options, NULL);
	memcpy(fresh, trainer_initial_encoder(made), layout.total * sizeof(real));
	if (trainer_begin_epoch(made, &status) != EM_OK ||
		trainer_step(made, NULL, NULL, &status) != EM_OK)
		exit(1);
	for (size_t i = 0; i < layout.tensor_count; i++)
	{
		encoder_tensor tensor;
		double moved = 0;

		/* AdamW's first step is as long as the learning rate, unless there is hardly a gradient */
		encoder_tensor_at(&layout, i, &tensor);
		for (size_t j = tensor.offset; j < tensor.offset + tensor.elements; j++)
			moved = fmax(moved, fabs((double) made->encoder->weights[j] - (double) fresh[j]));
		moved /= 0.003 * pow(0.5, LAYERS + 1 - tensor.stage);
		right &= moved < 1.001 && (moved > 0.9 || strstr(tensor.name, "attention.self") != NULL);
	}
	CHECK(right, "each layer learns half as fast as that behind it");
	trainer_free(made);
	free(fresh);
}

/* Updates that rows without a gradient get late, and the same made at once. */
static void
test_words(void)
{
	trainer_options options = small_options();
	trainer *made;
	const encoder_words *words;
	size_t count = VOCABULARY * 16;
	real *w = malloc(count * sizeof(real)), *m = malloc(count * sizeof(real));
	real *v = malloc(count * sizeof(real)), *zeros = calloc(count, sizeof(real));
	double largest = 0, moved = 0;

	options.weight_decay = 0.1;
	made = trained(&options, NULL);
	words = made->encoder->words;
	memcpy(w, words->weight, count * sizeof(real));
	memcpy(m, words->m, count * sizeof(real));
	memcpy(v, words->v, count * sizeof(real));
	for (int step = 0; step < REPLAYED; step++)
	{
		made->update.learning_rate = (real) (0.01 - step * 0.00002);
		made->update.correction1 = (real) (1 - pow(TRAINER_BETA1, step + 13));
		made->update.correction2 = (real) (1 - pow(TRAINER_BETA2, step + 13));
		nn_adamw(count, &made->update, w, zeros, m, v);
		encoder_words_note(made);
	}
	encoder_words_settle(made);
	for (size_t i = 0; i < count; i++)
	{
		largest = fmax(largest, fabs((double) w[i] - (double) words->weight[i]));
		largest = fmax(largest, fabs((double) m[i] - (double) words->m[i]));
		largest = fmax(largest, fabs((double) v[i] - (double) words->v[i]));
		moved = fmax(moved, fabs((double) w[i] - (double) made->encoder->best[i]));
	}
	CHECK(moved > 0.01 && largest < 1e-6,
		  "%d updates that a row gets late are what they would have been: %.2g", REPLAYED, largest);
	trainer_free(made);
	free(w);
	free(m);
	free(v);
	free(zeros);
}

static void
test_resume(int frozen)
{
	trainer_options options = small_options();
	trainer *whole, *first, *second;
	uint8_t *bytes;
	size_t size, refused = 0;
	em_status status;

	options.epochs = 3;
	options.frozen = frozen;
	whole = trained(&options, NULL);
	first = make_trainer(&options, NULL);
	second = make_trainer(&options, NULL);
	if (turn(first, NULL, NULL, &status) != EM_OK ||
		trainer_checkpoint(first, &check_allocator, &bytes, &size, &status) != EM_OK)
		exit(1);
	CHECK(trainer_restore(second, bytes, size, &status) == EM_OK &&
			  turn(second, NULL, NULL, &status) == EM_OK &&
			  turn(second, NULL, NULL, &status) == EM_OK && trainer_finished(second) &&
			  same_result(second, whole),
		  "a training that goes on from a checkpoint ends with the same bits, %d stages frozen",
		  frozen);
	for (size_t length = 0; length < size; length += size / 50)
	{
		trainer *other = make_trainer(&options, NULL);

		refused += trainer_restore(other, bytes, length, &status) == EM_CORRUPT;
		trainer_free(other);
	}
	CHECK(refused >= 50, "a checkpoint cut short is refused");
	bytes[size / 2] ^= 1;
	CHECK(trainer_restore(first, bytes, size, &status) == EM_CORRUPT && status.hint[0] != '\0',
		  "and one of which a bit changed");
	em_release(&check_allocator, bytes);
	trainer_free(whole);
	trainer_free(first);
	trainer_free(second);
}

static bool
count_down(void *context)
{
	int *left = context;

	return --*left == 0;
}

static void
test_cancel(nn_pool *pool)
{
	trainer_options options = small_options();
	trainer *whole = trained(&options, NULL);
	trainer *cut = make_trainer(&options, pool);
	real *before = malloc(layout.total * sizeof(real));
	em_status status;
	int cancelled = 0, asked = 1;
	bool same = true;

	if (trainer_begin_epoch(cut, &status) != EM_OK)
		exit(1);
	for (;; asked++)
	{
		int left = asked;
		em_code code;

		memcpy(before, trainer_weights_encoder(cut), layout.total * sizeof(real));
		code = trainer_step(cut, count_down, &left, &status);
		if (code == EM_OK)
			break;
		cancelled += code == EM_CANCELLED;
		same &= memcmp(before, trainer_weights_encoder(cut), layout.total * sizeof(real)) == 0;
	}
	CHECK(cancelled == asked - 1 && same && (pool != NULL || cancelled >= 4 * 2 * LAYERS),
		  "a step asks %d times, before each layer, and a cancel leaves the weights", cancelled);
	while (trainer_steps_done(cut) < trainer_steps_in_epoch(cut))
		if (trainer_step(cut, NULL, NULL, &status) != EM_OK)
			exit(1);
	CHECK(trainer_end_epoch(cut, NULL, NULL, &status) == EM_OK &&
			  turn(cut, NULL, NULL, &status) == EM_OK && same_result(cut, whole),
		  "which go on to the same result");
	trainer_free(whole);
	trainer_free(cut);
	free(before);
}

static void
test_mixed(void)
{
	trainer_options options = small_options();
	trainer *single, *mixed;
	double off;

	options.epochs = 6;
	single = trained(&options, NULL);
	options.precision = TRAINER_MIXED;
	mixed = trained(&options, NULL);
	off = distance(mixed, single);
	CHECK(off > 0 && off < 0.1, "mixed precision ends near single: %.2g", off);
	CHECK(fabs(trainer_history(mixed)[0].train_loss - trainer_history(single)[0].train_loss) < 1e-3,
		  "its losses are the same at first: %.5f and %.5f", trainer_history(mixed)[0].train_loss,
		  trainer_history(single)[0].train_loss);
	trainer_free(single);
	trainer_free(mixed);
}

/* An allocator that counts bytes. */
static void
test_memory(void)
{
	for (int way = 0; way < 4; way++)
	{
		trainer_options options = small_options();
		uint64_t estimate;
		trainer *made;
		em_status status;

		options.batch_size = way == 1 ? 180 : 32;
		options.shard_size = way == 2 ? 1 : 16;
		options.frozen = way == 3 ? LAYERS : 0;
		estimate = trainer_memory_encoder(&layout, &options, 15, 1, true);
		bytes_most = 0;
		if (trainer_create_encoder(&counted_allocator, &layout, &options, true, train, dev, NULL,
								   &made, &status) != EM_OK ||
			turn(made, NULL, NULL, &status) != EM_OK)
			exit(1);
		CHECK(bytes_most < 1.25 * (double) estimate + 100000 &&
				  bytes_most > 0.3 * (double) estimate,
			  "memory is estimated: %zu KB, taken are %zu KB", (size_t) estimate / 1024,
			  bytes_most / 1024);
		trainer_free(made);
	}
	CHECK(bytes_live == 0, "and given back");
}

static void
test_failures(void)
{
	trainer_options options = small_options();
	trainer *made;
	em_status status;
	long failures = 0;

	options.epochs = 1;
	options.frozen = LAYERS + 2;
	CHECK(trainer_create_encoder(&check_allocator, &layout, &options, true, train, dev, NULL, &made,
								 &status) == EM_INVALID_OPTION &&
			  strcmp(status.message, "option \"frozen\" is 4, but there are 2 layers") == 0,
		  "more stages frozen than there are are refused: %s", status.message);
	options.frozen = 0;
	for (long at = 1;; at++)
	{
		em_code code;

		check_fail_at = at;
		code = trainer_create_encoder(&check_allocator, &layout, &options, true, train, dev, NULL,
									  &made, &status);
		if (code == EM_OK)
		{
			code = turn(made, NULL, NULL, &status);
			check_fail_at = 0;
			trainer_free(made);
		}
		if (code == EM_OK)
			break;
		failures += code == EM_OUT_OF_MEMORY;
		if (failures < at)
			break;
	}
	check_fail_at = 0;
	CHECK(failures > 20, "each of %ld allocations may fail", failures);

	options.learning_rate = 10;
	options.clip_norm = 0;
	options.epochs = 40;
	options.warmup = 0;
	options.weight_decay = 10;
	made = make_trainer(&options, NULL);
	{
		em_code code = EM_OK;

		while (code == EM_OK && !trainer_finished(made))
			code = turn(made, NULL, NULL, &status);
		CHECK(code == EM_INVALID_DATA && strstr(status.message, "diverged") != NULL,
			  "a training that diverges says so: %s", status.message);
	}
	trainer_free(made);
}

int
main(void)
{
	encoder_config config;
	nn_pool *pool;
	em_status status;

	encoder_config_default(&config);
	config.vocab_size = VOCABULARY;
	config.hidden_size = 16;
	config.num_hidden_layers = LAYERS;
	config.num_attention_heads = 2;
	config.intermediate_size = 32;
	config.max_position_embeddings = 20;
	if (encoder_layout_init(&layout, &config, LABELS, &status) != EM_OK ||
		nn_pool_create(&check_allocator, 2, &pool, &status) != EM_OK)
		exit(1);
	(void) nn_blas_load(NULL);
	random_state = 5;
	train = make_samples(TEXTS);
	dev = make_samples(HELD_OUT);
	test_learns();
	test_threads(TRAINER_SINGLE);
	test_threads(TRAINER_MIXED);
	test_accumulation();
	test_frozen();
	test_decay();
	test_layer_decay();
	test_words();
	test_resume(0);
	test_resume(2);
	test_cancel(NULL);
	test_cancel(pool);
	test_mixed();
	test_memory();
	test_failures();
	nn_pool_destroy(pool);
	samples_free(train);
	samples_free(dev);
	CHECK(check_live == 0, "no memory is lost");
	return check_done();
}
