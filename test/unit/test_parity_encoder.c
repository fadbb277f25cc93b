/* also: double */
/*
 * test_parity_encoder.c
 *	  The encoder and its training against PyTorch: same weights, same texts, same
 *	  numbers (test/reference/torch_encoder.py made them and says what they are).
 */
#include "check.h"

#include <math.h>

#include "../../src/model/safetensors.h"
#include "../../src/model/trainer_encoder.h"
#include "../../src/nn/activation.h"
#include "../../src/nn/loss.h"
#include "../../src/nn/matmul.h"
#include "../../src/nn/schedule.h"

#define FIXTURE "test/reference/torch_encoder.safetensors"

/* The script's constants that shapes do not tell. */
#define BATCH 6
#define EPOCHS 5
#define STEPS 10
#define LEARNING_RATE 0.01
#define WEIGHT_DECAY 0.05
#define CLIP_NORM 0.4
#define WARMUP_STEPS 3
#define MAX_TEXTS 16

/* Largest differences; in double only the floats of the fixture round. */
#ifdef EMOTION_DOUBLE
#define BOUND_LOGIT 2e-7    /* absolute */
#define BOUND_LOSS 1e-7     /* absolute */
#define BOUND_GRADIENT 1e-7 /* relative, in norm, of a tensor */
#define BOUND_TRAINED 1e-7  /* relative, in norm, after ten steps */
#else
#define BOUND_LOGIT 1e-5
#define BOUND_LOSS 1e-5
#define BOUND_GRADIENT 1e-5
#define BOUND_TRAINED 1e-4
#endif

typedef struct fixture
{
	uint8_t *bytes;
	safetensors file;
	encoder_layout layout;
	size_t texts;
	uint32_t *ids;
	nn_sequence sequences[MAX_TEXTS];
	real *targets; /* (texts, L) */
	real *weights;
} fixture;

static _Noreturn void
bail_out(const char *why)
{
	printf("Bail out! %s\n", why);
	exit(1);
}

static void *
allocate(size_t count, size_t size)
{
	void *memory = calloc(count > 0 ? count : 1, size);

	if (memory == NULL)
		bail_out("no memory for the test");
	return memory;
}

static const tensor *
find(const fixture *f, const char *prefix, const char *name)
{
	const tensor *found;
	char full[120];

	snprintf(full, sizeof(full), "%s%s", prefix, name);
	found = safetensors_find(&f->file, full);
	if (found == NULL)
	{
		printf("# %s\n", full);
		bail_out("a tensor is missing in " FIXTURE);
	}
	return found;
}

/* The numbers of a tensor; to be freed. */
static real *
values_of(const fixture *f, const char *prefix, const char *name)
{
	const tensor *found = find(f, prefix, name);
	float *stored = allocate((size_t) found->elements, sizeof(float));
	real *values = allocate((size_t) found->elements, sizeof(real));
	em_status status;

	if (tensor_read(found, stored, &status) != EM_OK)
		bail_out(status.message);
	for (size_t i = 0; i < found->elements; i++)
		values[i] = stored[i];
	free(stored);
	return values;
}

/* Element i of a tensor of I32. */
static uint32_t
integer(const tensor *tensor, size_t i)
{
	const uint8_t *at = tensor->data + 4 * i;

	return at[0] | (uint32_t) at[1] << 8 | (uint32_t) at[2] << 16 | (uint32_t) at[3] << 24;
}

static void
open_fixture(fixture *f)
{
	FILE *file = fopen(FIXTURE, "rb");
	encoder_config config;
	const tensor *sizes, *lengths, *ids;
	em_status status;
	long size;
	size_t row = 0;

	memset(f, 0, sizeof(*f));
	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) <= 0)
		bail_out("cannot read " FIXTURE);
	f->bytes = allocate((size_t) size, 1);
	rewind(file);
	if (fread(f->bytes, 1, (size_t) size, file) != (size_t) size)
		bail_out("cannot read " FIXTURE);
	fclose(file);
	if (safetensors_open(&check_allocator, f->bytes, (size_t) size, &f->file, &status) != EM_OK)
		bail_out(status.message);

	sizes = find(f, "", "sizes");
	encoder_config_default(&config);
	config.vocab_size = (int) integer(sizes, 0);
	config.hidden_size = (int) integer(sizes, 1);
	config.num_hidden_layers = (int) integer(sizes, 2);
	config.num_attention_heads = (int) integer(sizes, 3);
	config.intermediate_size = (int) integer(sizes, 4);
	config.max_position_embeddings = (int) integer(sizes, 5);
	config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0;
	config.classifier_dropout = 0;
	if (encoder_layout_init(&f->layout, &config, (size_t) find(f, "", "targets")->shape[1],
							&status) != EM_OK)
		bail_out(status.message);

	lengths = find(f, "", "lengths");
	ids = find(f, "", "ids");
	f->texts = (size_t) lengths->elements;
	f->ids = allocate((size_t) ids->elements, sizeof(uint32_t));
	for (size_t i = 0; i < ids->elements; i++)
		f->ids[i] = integer(ids, i);
	for (size_t i = 0; i < f->texts && i < MAX_TEXTS; i++)
	{
		f->sequences[i] = (nn_sequence){ f->ids + row, integer(lengths, i) };
		row += f->sequences[i].length;
	}
	f->targets = values_of(f, "", "targets");
	f->weights = allocate(f->layout.total, sizeof(real));
	for (size_t i = 0; i < f->layout.tensor_count; i++)
	{
		encoder_tensor tensor;
		real *values;

		encoder_tensor_at(&f->layout, i, &tensor);
		values = values_of(f, "weight.", tensor.name);
		if (find(f, "weight.", tensor.name)->elements != tensor.elements)
			bail_out("a tensor is of another size in " FIXTURE);
		memcpy(f->weights + tensor.offset, values, tensor.elements * sizeof(real));
		free(values);
	}
}

static void
close_fixture(fixture *f)
{
	safetensors_close(&f->file);
	free(f->bytes);
	free(f->ids);
	free(f->targets);
	free(f->weights);
}

/* A key's bias shifts all of softmax's input alike: its gradient is nothing but rounding. */
static bool
has_no_effect(const char *name)
{
	return strstr(name, "key.bias") != NULL;
}

/* ||ours - theirs|| / ||theirs|| of a tensor; printed is the worst of all. */
static double
distance(const real *ours, const real *theirs, size_t count)
{
	double difference = 0, norm = 0;

	for (size_t i = 0; i < count; i++)
	{
		difference += ((double) ours[i] - theirs[i]) * ((double) ours[i] - theirs[i]);
		norm += (double) theirs[i] * theirs[i];
	}
	return norm > 0 ? sqrt(difference / norm) : INFINITY;
}

static void
check_tensors(const fixture *f, const char *prefix, const real *ours, double bound)
{
	double worst = 0;

	for (size_t i = 0; i < f->layout.tensor_count; i++)
	{
		encoder_tensor tensor;
		real *theirs;
		double off;

		encoder_tensor_at(&f->layout, i, &tensor);
		if (has_no_effect(tensor.name))
			continue;
		theirs = values_of(f, prefix, tensor.name);
		off = distance(ours + tensor.offset, theirs, tensor.elements);
		CHECK(off <= bound, "%s%s", prefix, tensor.name);
		worst = fmax(worst, off);
		free(theirs);
	}
	printf("# relative difference at most %.2g\n", worst);
}

/* Logits and loss of some texts and, unless gradient (total) is NULL, its gradient, overwritten. */
static double
run(const fixture *f, const real *weights, const uint32_t *numbers, size_t count, real *logits,
	real *gradient)
{
	const encoder_layout *layout = &f->layout;
	const encoder_weights view = { .block = weights };
	const uint32_t sample[MAX_TEXTS] = { 0 };
	const encoder_training training = { .sample = sample };
	const encoder_training *how = gradient ? &training : NULL;
	const nn_loss loss = { .kind = NN_LOSS_BCE, .alpha = -1 };
	size_t labels = layout->labels, hidden = layout->hidden, size;
	nn_sequence sequences[MAX_TEXTS];
	real *targets = allocate(count * labels, sizeof(real));
	real *d_logits = allocate(count * labels, sizeof(real));
	real *d_words;
	encoder_batcher batcher;
	encoder_pass pass;
	em_status status;
	nn_arena arena;
	double value;

	for (size_t i = 0; i < count; i++)
	{
		sequences[i] = f->sequences[numbers[i]];
		memcpy(targets + i * labels, f->targets + numbers[i] * labels, labels * sizeof(real));
	}
	if (encoder_batcher_init(&batcher, &check_allocator, layout, &status) != EM_OK ||
		encoder_batcher_fill(&batcher, sequences, count, &status) != EM_OK)
		bail_out(status.message);
	size = (encoder_workspace(layout, &batcher.batch, how) + 63) / 64 * 64;
	arena = (nn_arena){ aligned_alloc(NN_ALIGNMENT, size), size, 0 };
	encoder_forward(layout, &view, &batcher.batch, how, &arena, &pass, logits);
	value = nn_loss_forward_backward(&loss, count, labels, logits, targets, NULL,
									 1 / (double) (count * labels), d_logits);
	if (gradient != NULL)
	{
		d_words = allocate(batcher.batch.distinct * hidden, sizeof(real));
		memset(gradient, 0, layout->total * sizeof(real));
		encoder_backward(layout, &view, &batcher.batch, &pass, d_logits, &arena, gradient, d_words);
		for (size_t u = 0; u < batcher.batch.distinct; u++)
			memcpy(gradient + layout->words + batcher.batch.ids[u] * hidden, d_words + u * hidden,
				   hidden * sizeof(real));
		free(d_words);
	}
	encoder_batcher_free(&batcher);
	free(arena.block);
	free(targets);
	free(d_logits);
	return value;
}

static void
test_pass(const fixture *f)
{
	size_t cells = f->texts * f->layout.labels;
	real *logits = allocate(cells, sizeof(real));
	real *expected = values_of(f, "", "logits"), *loss = values_of(f, "", "loss");
	real *gradient = allocate(f->layout.total, sizeof(real));
	uint32_t all[MAX_TEXTS];
	double value;

	for (uint32_t i = 0; i < f->texts; i++)
		all[i] = i;
	for (int training = 0; training < 2; training++)
	{
		double largest = 0;

		value = run(f, f->weights, all, f->texts, logits, training ? gradient : NULL);
		for (size_t i = 0; i < cells; i++)
			largest = fmax(largest, fabs((double) logits[i] - expected[i]));
		CHECK(largest <= BOUND_LOGIT, "logits when %s", training ? "training" : "scoring");
		printf("# largest difference %.2g\n", largest);
		CHECK(fabs(value - loss[0]) <= BOUND_LOSS, "loss when %s",
			  training ? "training" : "scoring");
	}
	check_tensors(f, "gradient.", gradient, BOUND_GRADIENT);
	free(logits);
	free(expected);
	free(loss);
	free(gradient);
}

/* AdamW with two groups, warm-up, linear decay, clipping by the norm of all gradients. */
static void
test_training(const fixture *f)
{
	const encoder_layout *layout = &f->layout;
	const tensor *epochs = find(f, "", "epochs");
	real *weights = allocate(layout->total, sizeof(real));
	real *gradient = allocate(layout->total, sizeof(real));
	real *m = allocate(layout->total, sizeof(real)), *v = allocate(layout->total, sizeof(real));
	real *logits = allocate(f->texts * layout->labels, sizeof(real));
	real *losses = values_of(f, "", "losses");
	bool clipped = false, unclipped = false;

	memcpy(weights, f->weights, layout->total * sizeof(real));
	for (size_t step = 0; step < STEPS; step++)
	{
		bool rest = step % 2 == 1;
		size_t count = rest ? f->texts - BATCH : BATCH;
		uint32_t numbers[MAX_TEXTS];
		double loss, norm;
		nn_adamw_step update = { .beta1 = (real) 0.9,
								 .beta2 = (real) 0.999,
								 .epsilon = (real) 1e-8,
								 .correction1 = (real) (1 - pow(0.9, (double) step + 1)),
								 .correction2 = (real) (1 - pow(0.999, (double) step + 1)) };

		for (size_t i = 0; i < count; i++)
			numbers[i] = integer(epochs, step / 2 * f->texts + (rest ? BATCH : 0) + i);
		loss = run(f, weights, numbers, count, logits, gradient);
		CHECK(fabs(loss - losses[step]) <= BOUND_LOSS, "loss of step %zu", step + 1);
		norm = sqrt(nn_sum_of_squares(layout->total, gradient));
		clipped |= norm > CLIP_NORM;
		unclipped |= norm < CLIP_NORM;
		update.gradient_scale = (real) (norm > CLIP_NORM ? CLIP_NORM / norm : 1);
		update.learning_rate =
			(real) (LEARNING_RATE * nn_schedule(NN_SCHEDULE_LINEAR, step + 1, WARMUP_STEPS, STEPS));
		for (size_t i = 0; i < layout->tensor_count; i++)
		{
			encoder_tensor tensor;

			encoder_tensor_at(layout, i, &tensor);
			update.weight_decay = (real) (tensor.decay ? WEIGHT_DECAY : 0);
			nn_adamw(tensor.elements, &update, weights + tensor.offset, gradient + tensor.offset,
					 m + tensor.offset, v + tensor.offset);
		}
	}
	CHECK(clipped && unclipped, "some gradients are clipped, some are not");
	check_tensors(f, "trained.", weights, BOUND_TRAINED);
	free(weights);
	free(gradient);
	free(m);
	free(v);
	free(logits);
	free(losses);
}

/* The samples of the fixture, in its order: hashes settle it. */
static samples *
samples_of(const fixture *f)
{
	size_t labels = f->layout.labels;
	samples *made;
	em_status status;
	em_code code = samples_create(&check_allocator, labels, 0, NULL, &made, &status);

	for (size_t i = 0; code == EM_OK && i < f->texts; i++)
	{
		uint16_t has[MAX_TEXTS];
		size_t count = 0;

		for (uint16_t label = 0; label < labels; label++)
			if (f->targets[i * labels + label] > 0)
				has[count++] = label;
		code = samples_add(made, f->sequences[i].ids, f->sequences[i].length, has, count, 1, i + 1,
						   &status);
	}
	if (code != EM_OK || samples_finish(made, NULL, &status) != EM_OK)
		bail_out(status.message);
	return made;
}

/* The same ten steps turned by the trainer's crank, in shards of so many texts. */
static void
test_trainer(const fixture *f, int shard_size, int threads)
{
	const tensor *epochs = find(f, "", "epochs");
	real *losses = values_of(f, "", "losses");
	samples *train = samples_of(f);
	trainer_options options;
	trainer *made;
	nn_pool *pool;
	em_status status;

	trainer_options_default_encoder(&options, true);
	options.epochs = EPOCHS;
	options.batch_size = BATCH;
	options.shard_size = shard_size;
	options.learning_rate = LEARNING_RATE;
	options.weight_decay = WEIGHT_DECAY;
	options.clip_norm = CLIP_NORM;
	options.warmup = (double) WARMUP_STEPS / STEPS;
	if (nn_pool_create(&check_allocator, threads, &pool, &status) != EM_OK ||
		trainer_create_encoder(&check_allocator, &f->layout, &options, false, train, NULL, pool,
							   &made, &status) != EM_OK)
		bail_out(status.message);
	memcpy(trainer_initial_encoder(made), f->weights, f->layout.total * sizeof(real));
	for (size_t epoch = 0; epoch < EPOCHS; epoch++)
	{
		double largest = 0;

		if (trainer_begin_epoch(made, &status) != EM_OK)
			bail_out(status.message);
		for (size_t i = 0; i < f->texts; i++)
			made->order[i] = integer(epochs, epoch * f->texts + i);
		made->batch_order[0] = 0;
		made->batch_order[1] = 1;
		for (size_t step = 2 * epoch; step < 2 * epoch + 2; step++)
		{
			if (trainer_step(made, NULL, NULL, &status) != EM_OK)
				bail_out(status.message);
			largest = fmax(largest, fabs(trainer_last_loss(made) - losses[step]));
		}
		CHECK(largest <= BOUND_LOSS, "losses of epoch %zu in shards of %d", epoch + 1, shard_size);
		if (trainer_end_epoch(made, NULL, NULL, &status) != EM_OK)
			bail_out(status.message);
	}
	check_tensors(f, "trained.", trainer_weights_encoder(made), BOUND_TRAINED);
	trainer_free(made);
	nn_pool_destroy(pool);
	samples_free(train);
	free(losses);
}

int
main(void)
{
	fixture f;
	em_status status;

	open_fixture(&f);
	if (nn_blas_load(&status) != EM_OK)
		check_skip("products over OpenBLAS", status.message);
	test_pass(&f);
	test_training(&f);
	test_trainer(&f, BATCH, 1);
	test_trainer(&f, 2, 2);
	close_fixture(&f);
	CHECK(check_live == 0, "no memory is lost");
	return check_done();
}
