/* also: double */
/*
 * test_parity.c
 *	  The network and its training against PyTorch: same weights, same sentences,
 *	  same numbers (test/reference/torch_network.py made them and says what they
 *	  are).
 */
#include "check.h"

#include <math.h>

#include "../../src/model/network_mixed.h"
#include "../../src/model/safetensors.h"
#include "../../src/model/trainer_network.h"
#include "../../src/nn/loss.h"
#include "../../src/nn/matmul.h"

#define FIXTURE "test/reference/torch_network.safetensors"

/* The script's constants that shapes do not tell. */
#define BATCH 12
#define STEPS 10
#define LEARNING_RATE 0.02
#define EMBEDDING_RATE 0.5
#define WEIGHT_DECAY 0.05
#define CLIP_NORM 0.12
#define WARMUP_STEPS 3
#define MAX_TEXTS 32

/* Largest differences; in double only the floats of the fixture round. */
#ifdef EMOTION_DOUBLE
#define BOUND_OUTPUT 2e-7   /* absolute, of a layer's output */
#define BOUND_LOGIT 2e-7    /* absolute */
#define BOUND_LOSS 1e-7     /* absolute */
#define BOUND_GRADIENT 1e-7 /* relative, in norm, of a tensor */
#define BOUND_TRAINED 1e-7  /* relative, in norm, after ten steps */
#else
#define BOUND_OUTPUT 1e-6
#define BOUND_LOGIT 1e-5
#define BOUND_LOSS 1e-5
#define BOUND_GRADIENT 1e-4
#define BOUND_TRAINED 1e-4
#endif

/* In mixed precision: each factor of a product has 8 bits, errors of up to 2^-9. */
#define BOUND_MIXED_LOGIT 1e-2
#define BOUND_MIXED_LOSS 1e-3
#define BOUND_MIXED_GRADIENT 1e-2
#define BOUND_MIXED_TRAINED 2e-2

typedef struct fixture
{
	uint8_t *bytes;
	safetensors file;
	network_layout layout;
	size_t texts;
	uint32_t length[MAX_TEXTS];
	uint32_t start[MAX_TEXTS]; /* of each text's rows among those of all texts */
	uint32_t *ids;
	nn_sequence sequences[MAX_TEXTS];
	nn_packer packer;
	real *embedding, *dense;
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
	char full[80];

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
read_file(fixture *f)
{
	FILE *file = fopen(FIXTURE, "rb");
	em_status status;
	long size;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) <= 0)
		bail_out("cannot read " FIXTURE);
	f->bytes = allocate((size_t) size, 1);
	rewind(file);
	if (fread(f->bytes, 1, (size_t) size, file) != (size_t) size)
		bail_out("cannot read " FIXTURE);
	fclose(file);
	if (safetensors_open(&check_allocator, f->bytes, (size_t) size, &f->file, &status) != EM_OK)
		bail_out(status.message);
}

/* The layout that the shapes of the weights tell. */
static void
make_layout(fixture *f)
{
	model_config config;
	em_status status;

	model_config_default(&config);
	config.embedding_dim = (int) find(f, "weight.", "embedding.weight")->shape[1];
	config.kernel_widths.count = 2;
	config.kernel_widths.values[0] = (int) find(f, "weight.", "conv.0.weight")->shape[1];
	config.kernel_widths.values[1] = (int) find(f, "weight.", "conv.1.weight")->shape[1];
	config.filters = (int) find(f, "weight.", "conv.0.weight")->shape[0];
	config.hidden = (int) find(f, "weight.", "lstm.weight_recurrent")->shape[2];
	config.attention = (int) find(f, "weight.", "attention.weight")->shape[0];
	config.dropout_word = config.dropout_embedding = config.dropout_conv = 0;
	config.dropout_hidden = config.dropout_pooled = 0;
	if (network_layout_init(
			&f->layout, &config, (size_t) find(f, "weight.", "embedding.weight")->shape[0],
			(size_t) find(f, "weight.", "output.weight")->shape[0], &status) != EM_OK)
		bail_out(status.message);
}

static void
read_texts(fixture *f)
{
	const tensor *lengths = find(f, "", "lengths");
	const tensor *ids = find(f, "", "ids");
	em_status status;
	uint32_t rows = 0;

	f->texts = (size_t) lengths->elements;
	if (f->texts > MAX_TEXTS)
		bail_out("more texts than we have room for");
	f->ids = allocate((size_t) ids->elements, sizeof(uint32_t));
	for (size_t i = 0; i < ids->elements; i++)
		f->ids[i] = integer(ids, i);
	for (size_t i = 0; i < f->texts; i++)
	{
		f->length[i] = integer(lengths, i);
		f->start[i] = rows;
		f->sequences[i] = (nn_sequence){ f->ids + rows, f->length[i] };
		rows += f->length[i];
	}
	if (rows != ids->elements)
		bail_out("lengths and ids disagree");
	if (nn_packer_init(&f->packer, &check_allocator, (uint32_t) f->layout.vocabulary, &status) !=
			EM_OK ||
		nn_pack(&f->packer, f->sequences, f->texts, &status) != EM_OK)
		bail_out(status.message);
}

static void
read_weights(fixture *f)
{
	const network_layout *layout = &f->layout;

	f->embedding = values_of(f, "weight.", "embedding.weight");
	f->dense = allocate(layout->dense, sizeof(real));
	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		real *values = values_of(f, "weight.", layout->tensors[i].name);

		if (find(f, "weight.", layout->tensors[i].name)->elements != layout->tensors[i].elements)
			bail_out("a tensor is of another size in " FIXTURE);
		memcpy(f->dense + layout->tensors[i].offset, values,
			   layout->tensors[i].elements * sizeof(real));
		free(values);
	}
}

static void
open_fixture(fixture *f)
{
	memset(f, 0, sizeof(*f));
	read_file(f);
	make_layout(f);
	read_texts(f);
	read_weights(f);
}

static void
close_fixture(fixture *f)
{
	nn_packer_free(&f->packer);
	safetensors_close(&f->file);
	free(f->bytes);
	free(f->ids);
	free(f->embedding);
	free(f->dense);
}

/* ||ours - theirs|| / ||theirs|| */
static void
check_norm(const char *what, const char *name, const real *ours, const real *theirs, size_t count,
		   double bound)
{
	double difference = 0, norm = 0;

	for (size_t i = 0; i < count; i++)
	{
		difference += ((double) ours[i] - theirs[i]) * ((double) ours[i] - theirs[i]);
		norm += (double) theirs[i] * theirs[i];
	}
	CHECK(sqrt(difference) <= bound * sqrt(norm) && norm > 0, "%s: %s", what, name);
	printf("# relative difference %.2g\n", sqrt(difference / norm));
}

/* What PyTorch lists text by text lies in our rows step by step: the largest difference. */
static void
check_rows(const fixture *f, const char *name, const real *ours, size_t dim)
{
	const nn_packed *batch = &f->packer.batch;
	real *theirs = values_of(f, "", name);
	double largest = find(f, "", name)->elements == batch->rows * dim ? 0 : INFINITY;

	for (size_t t = 0; t < batch->steps; t++)
		for (size_t b = 0; b < batch->active[t]; b++)
			for (size_t d = 0; d < dim; d++)
			{
				real expected = theirs[(f->start[batch->order[b]] + t) * dim + d];

				largest =
					fmax(largest, fabs((double) ours[(batch->offset[t] + b) * dim + d] - expected));
			}
	CHECK(largest <= BOUND_OUTPUT, "output of the layer: %s", name);
	printf("# largest difference %.2g\n", largest);
	free(theirs);
}

/* The same of what stands once per text. */
static void
check_texts(const fixture *f, const char *name, const char *which, const real *ours, size_t dim,
			double bound)
{
	const nn_packed *batch = &f->packer.batch;
	real *theirs = values_of(f, "", name);
	double largest = 0;

	for (size_t b = 0; b < batch->sequences; b++)
		for (size_t d = 0; d < dim; d++)
			largest =
				fmax(largest, fabs((double) ours[b * dim + d] - theirs[batch->order[b] * dim + d]));
	CHECK(largest <= bound, "%s%s", name, which);
	printf("# largest difference %.2g\n", largest);
	free(theirs);
}

static void
test_pass(const fixture *f, const network_copies *copies)
{
	const network_layout *layout = &f->layout;
	const nn_packed *batch = &f->packer.batch;
	const network_weights weights = { f->embedding, f->dense };
	const uint32_t sample[MAX_TEXTS] = { 0 };
	const network_dropout dropout = { .seed = 1, .sample = sample, .copies = copies };
	const char *how = copies ? " in mixed precision" : "";
	double bound_logit = copies ? BOUND_MIXED_LOGIT : BOUND_LOGIT;
	double bound_loss = copies ? BOUND_MIXED_LOSS : BOUND_LOSS;
	double bound_gradient = copies ? BOUND_MIXED_GRADIENT : BOUND_GRADIENT;
	size_t cells = f->texts * layout->labels;
	size_t table = layout->vocabulary * layout->embedding;
	size_t size = (network_workspace(layout, batch, &dropout) + 63) / 64 * 64;
	nn_arena arena = { aligned_alloc(NN_ALIGNMENT, size), size, 0 };
	nn_loss loss = { .kind = NN_LOSS_BCE, .alpha = -1 };
	network_pass pass;
	real *logits = allocate(cells, sizeof(real));
	real *d_logits = allocate(cells, sizeof(real));
	real *targets = allocate(cells, sizeof(real));
	real *given = values_of(f, "", "targets");
	real *expected = values_of(f, "", "loss");
	real *d_dense = allocate(layout->dense, sizeof(real));
	real *d_vectors = allocate(batch->distinct * layout->embedding, sizeof(real));
	real *d_embedding = allocate(table, sizeof(real));
	double value;

	if (arena.block == NULL)
		bail_out("no memory for the test");
	network_forward(layout, &weights, batch, NULL, &arena, &pass, logits);
	check_texts(f, "logits", " when scoring", logits, layout->labels, BOUND_LOGIT);

	arena.used = 0;
	network_forward(layout, &weights, batch, &dropout, &arena, &pass, logits);
	if (copies == NULL)
	{
		check_rows(f, "conv", pass.conv, layout->conv);
		check_rows(f, "lstm", pass.h, 2 * layout->hidden);
		check_rows(f, "attention", pass.attention, 1);
		check_texts(f, "pooled", "", pass.pooled, 2 * layout->hidden, BOUND_OUTPUT);
	}
	check_texts(f, "logits", copies ? " when training in mixed precision" : " when training",
				logits, layout->labels, bound_logit);

	for (size_t b = 0; b < f->texts; b++)
		memcpy(targets + b * layout->labels, given + batch->order[b] * layout->labels,
			   layout->labels * sizeof(real));
	value = nn_loss_forward_backward(&loss, f->texts, layout->labels, logits, targets, NULL,
									 1 / (double) cells, d_logits);
	CHECK(fabs(value - expected[0]) <= bound_loss, "loss%s", how);
	network_backward(layout, &weights, batch, &pass, d_logits, &arena, d_dense, d_vectors);
	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		const network_tensor *tensor = &layout->tensors[i];
		real *theirs = values_of(f, "gradient.", tensor->name);

		check_norm(copies ? "gradient in mixed precision" : "gradient", tensor->name,
				   d_dense + tensor->offset, theirs, tensor->elements, bound_gradient);
		free(theirs);
	}
	for (size_t u = 0; u < batch->distinct; u++)
		memcpy(d_embedding + batch->ids[u] * layout->embedding, d_vectors + u * layout->embedding,
			   layout->embedding * sizeof(real));
	free(expected);
	expected = values_of(f, "gradient.", "embedding.weight");
	check_norm(copies ? "gradient in mixed precision" : "gradient", "embedding.weight", d_embedding,
			   expected, table, bound_gradient);

	free(arena.block);
	free(logits);
	free(d_logits);
	free(targets);
	free(given);
	free(expected);
	free(d_dense);
	free(d_vectors);
	free(d_embedding);
}

/* The samples that a training reads; place[i] is text i's number among them. */
static samples *
make_samples(const fixture *f, uint32_t *place)
{
	const size_t labels = f->layout.labels;
	real *targets = values_of(f, "", "targets");
	samples *made;
	em_status status;

	if (samples_create(&check_allocator, labels, 0, NULL, &made, &status) != EM_OK)
		bail_out(status.message);
	for (size_t i = 0; i < f->texts; i++)
	{
		uint16_t own[64];
		size_t count = 0;

		for (size_t label = 0; label < labels; label++)
			if (targets[i * labels + label] == 1)
				own[count++] = (uint16_t) label;
		place[i] = (uint32_t) i;
		if (samples_add(made, f->sequences[i].ids, f->length[i], own, count, 1, i, &status) !=
			EM_OK)
			bail_out(status.message);
	}
	if (samples_finish(made, NULL, &status) != EM_OK)
		bail_out(status.message);
	/* the settled order, seen by what is read back: all texts differ */
	for (uint32_t number = 0; number < f->texts; number++)
	{
		nn_sequence sequence;
		size_t found = f->texts;

		if (samples_read(made, &number, 1, &sequence, NULL, NULL, &status) != EM_OK)
			bail_out(status.message);
		for (size_t i = 0; i < f->texts; i++)
			if (f->length[i] == sequence.length &&
				(sequence.length == 0 || memcmp(f->sequences[i].ids, sequence.ids,
												sequence.length * sizeof(uint32_t)) == 0))
				found = i;
		if (found == f->texts)
			bail_out("a sample is none of the texts");
		place[found] = number;
	}
	free(targets);
	return made;
}

static void
test_training(const fixture *f, int shard_size, int threads, trainer_precision precision)
{
	bool mixed = precision == TRAINER_MIXED;
	double bound = mixed ? BOUND_MIXED_TRAINED : BOUND_TRAINED;
	const network_layout *layout = &f->layout;
	const tensor *epochs = find(f, "", "epochs");
	real *losses = values_of(f, "", "losses");
	uint32_t place[MAX_TEXTS];
	samples *train = make_samples(f, place);
	trainer_options options;
	trainer *made;
	nn_pool *pool = NULL;
	em_status status;
	double largest = 0;
	size_t step = 0;
	char how[80];
	real *theirs;

	snprintf(how, sizeof(how), "training on %d thread%s, shards of %d texts%s", threads,
			 threads == 1 ? "" : "s", shard_size, mixed ? ", mixed precision" : "");
	trainer_options_default(&options);
	options.epochs = (int) epochs->shape[0];
	options.batch_size = BATCH;
	options.shard_size = shard_size;
	options.learning_rate = LEARNING_RATE;
	options.embedding_rate = EMBEDDING_RATE;
	options.weight_decay = WEIGHT_DECAY;
	options.clip_norm = CLIP_NORM;
	options.warmup = (double) WARMUP_STEPS / STEPS;
	options.schedule = NN_SCHEDULE_COSINE;
	options.loss = TRAINER_BCE;
	options.label_smoothing = 0;
	options.positive_weight = 1;
	options.patience = 0;
	options.precision = precision;
	if (nn_pool_create(&check_allocator, threads, &pool, &status) != EM_OK ||
		trainer_create(&check_allocator, layout, &options, train, NULL, pool, &made, &status) !=
			EM_OK)
		bail_out(status.message);
	memcpy(made->network->embedding, f->embedding,
		   layout->vocabulary * layout->embedding * sizeof(real));
	memcpy(made->network->dense, f->dense, layout->dense * sizeof(real));

	while (!trainer_finished(made))
	{
		size_t epoch = (size_t) trainer_epochs_done(made);

		if (trainer_begin_epoch(made, &status) != EM_OK)
			bail_out(status.message);
		/* the script's order in place of a random one */
		for (size_t i = 0; i < f->texts; i++)
			made->order[i] = place[integer(epochs, epoch * f->texts + i)];
		for (size_t i = 0; i < trainer_steps_in_epoch(made); i++)
			made->batch_order[i] = (uint32_t) i;
		for (size_t i = 0; i < trainer_steps_in_epoch(made); i++, step++)
		{
			if (trainer_step(made, NULL, NULL, &status) != EM_OK || step >= STEPS)
				bail_out(step >= STEPS ? "more steps than expected" : status.message);
			largest = fmax(largest, fabs(trainer_last_loss(made) - losses[step]));
			printf("# step %zu: loss %.6f, PyTorch %.6f\n", step + 1, trainer_last_loss(made),
				   losses[step]);
		}
		if (trainer_end_epoch(made, NULL, NULL, &status) != EM_OK)
			bail_out(status.message);
	}
	CHECK(step == STEPS && largest <= (mixed ? BOUND_MIXED_LOSS : BOUND_LOSS),
		  "losses of ten steps, %s", how);
	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		const network_tensor *tensor = &layout->tensors[i];

		theirs = values_of(f, "trained.", tensor->name);
		check_norm(how, tensor->name, trainer_weights(made).dense + tensor->offset, theirs,
				   tensor->elements, bound);
		free(theirs);
	}
	theirs = values_of(f, "trained.", "embedding.weight");
	check_norm(how, "embedding.weight", trainer_weights(made).embedding, theirs,
			   layout->vocabulary * layout->embedding, bound);
	free(theirs);
	trainer_free(made);
	nn_pool_destroy(pool);
	samples_free(train);
	free(losses);
}

static void
test_all(const char *products)
{
	fixture f;
	network_copies copies;
	void *memory;

	printf("# %s, matrix products: %s\n", nn_simd_name(), products);
	open_fixture(&f);
	test_pass(&f, NULL);
	test_training(&f, 12, 1, TRAINER_SINGLE);
	test_training(&f, 4, 2, TRAINER_SINGLE);
	memory = aligned_alloc(NN_ALIGNMENT, network_copies_bytes(&f.layout));
	network_copies_init(&copies, &f.layout, memory);
	for (size_t task = 0; task < network_copies_tasks(&copies); task++)
		network_copies_refresh(&copies, f.dense, task);
	test_pass(&f, &copies);
	test_training(&f, 4, 2, TRAINER_MIXED);
	free(memory);
	close_fixture(&f);
}

int
main(void)
{
	static const char *const levels[] = { "baseline", "avx2", "avx512" };
	em_status status;

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (nn_simd_force(levels[i]))
			test_all("our own");
	nn_simd_force(NULL);
	if (nn_blas_load(&status) == EM_OK)
		test_all(nn_blas_description());
	else
		check_skip("the same over OpenBLAS", status.message);
	CHECK(check_live == 0, "no memory is lost");
	return check_done();
}
