/* also: double */
/*
 * test_mixed.c
 *	  A training pass in mixed precision beside the same pass in single precision:
 *	  all kinds of dropout, kernels of two widths, texts without words, batches of
 *	  more rows than are computed at a time; on every instruction set of this machine.
 */
#include "check.h"

#include <math.h>

#include "../../src/model/network_mixed.h"
#include "../../src/nn/activation.h"
#include "../../src/nn/random.h"

#define LABELS 5
#define VOCABULARY 90
#define TEXTS 37
#define LONGEST 19

/*
 * Differences of norms, relative to the norm in single precision: a factor of a product is off by at
 * most 2^-9, and a unit of the convolution near 0 may be cut off in one pass and not in the other.
 */
#define BOUND 0.02
#define BOUND_CONV 0.1

static void
check_norm(const char *set, const char *what, const real *mixed, const real *single, size_t count,
		   double bound)
{
	double difference = 0, norm = 0;

	for (size_t i = 0; i < count; i++)
	{
		difference += ((double) mixed[i] - single[i]) * ((double) mixed[i] - single[i]);
		norm += (double) single[i] * single[i];
	}
	CHECK(norm > 0 && sqrt(difference / norm) <= bound, "%s: %s, relative difference %.4f", set,
		  what, sqrt(difference / norm));
}

typedef struct result
{
	real *logits, *d_dense, *d_embedding;
} result;

static void *
allocate(size_t count)
{
	void *memory = calloc(count, sizeof(real));

	if (memory == NULL)
		exit(1);
	return memory;
}

static result
run(const network_layout *layout, const network_weights *weights, const nn_packed *batch,
	const network_dropout *dropout, const real *d_logits, bool frozen)
{
	result made = { allocate(batch->sequences * LABELS), allocate(layout->dense),
					allocate(batch->distinct * layout->embedding + 1) };
	size_t size = (network_workspace(layout, batch, dropout) + 63) / 64 * 64;
	nn_arena arena = { aligned_alloc(NN_ALIGNMENT, size), size, 0 };
	network_pass pass;

	network_forward(layout, weights, batch, dropout, &arena, &pass, made.logits);
	network_backward(layout, weights, batch, &pass, d_logits, &arena, made.d_dense,
					 frozen ? NULL : made.d_embedding);
	free(arena.block);
	return made;
}

static void
free_result(result *r)
{
	free(r->logits);
	free(r->d_dense);
	free(r->d_embedding);
}

static void
test_pass(const char *set, const network_layout *layout)
{
	const nn_random_key key = { 7, NN_STREAM_INIT, 0, 0 };
	real *embedding = allocate(VOCABULARY * layout->embedding);
	real *dense = allocate(layout->dense);
	network_weights weights = { .embedding = embedding, .dense = dense };
	uint32_t ids[TEXTS * LONGEST];
	uint32_t sample[TEXTS];
	network_dropout dropout = { .seed = 3, .epoch = 1, .sample = sample };
	nn_sequence sequences[TEXTS];
	nn_packer packer;
	network_copies copies;
	void *memory = aligned_alloc(NN_ALIGNMENT, network_copies_bytes(layout));
	real d_logits[TEXTS * LABELS];
	result single, mixed, again;
	em_status status;
	char name[64];

	network_init(layout, 1, NULL, embedding, dense);
	for (size_t i = 0; i < VOCABULARY * layout->embedding; i++)
		embedding[i] *= 5;
	for (size_t i = 0; i < TEXTS * LONGEST; i++)
		ids[i] = nn_random_below(&key, i, VOCABULARY);
	for (uint32_t i = 0; i < TEXTS; i++)
	{
		sequences[i] = (nn_sequence){ ids + i * LONGEST, i % 9 == 4 ? 0 : i % (LONGEST + 1) };
		sample[i] = 1000 + i;
	}
	for (size_t i = 0; i < TEXTS * LABELS; i++)
		d_logits[i] = nn_random_uniform(&key, 5000 + i) - (real) 0.5;
	if (nn_packer_init(&packer, &check_allocator, VOCABULARY, &status) != EM_OK ||
		nn_pack(&packer, sequences, TEXTS, &status) != EM_OK)
		exit(1);
	network_copies_init(&copies, layout, memory);
	for (size_t task = 0; task < network_copies_tasks(&copies); task++)
		network_copies_refresh(&copies, dense, task);

	single = run(layout, &weights, &packer.batch, &dropout, d_logits, false);
	dropout.copies = &copies;
	mixed = run(layout, &weights, &packer.batch, &dropout, d_logits, false);
	check_norm(set, "logits", mixed.logits, single.logits, TEXTS * LABELS, BOUND);
	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		const network_tensor *tensor = &layout->tensors[i];

		snprintf(name, sizeof(name), "gradient of %s", tensor->name);
		check_norm(set, name, mixed.d_dense + tensor->offset, single.d_dense + tensor->offset,
				   tensor->elements, strncmp(tensor->name, "conv", 4) == 0 ? BOUND_CONV : BOUND);
	}
	check_norm(set, "gradient of the embedding", mixed.d_embedding, single.d_embedding,
			   packer.batch.distinct * layout->embedding, BOUND_CONV);
	CHECK(packer.batch.rows > 256, "%s: %zu rows are more than one block", set, packer.batch.rows);
	again = run(layout, &weights, &packer.batch, &dropout, d_logits, true);
	CHECK(memcmp(again.logits, mixed.logits, TEXTS * LABELS * sizeof(real)) == 0 &&
			  memcmp(again.d_dense, mixed.d_dense, layout->dense * sizeof(real)) == 0,
		  "%s: the same again, with a frozen embedding", set);

	free_result(&single);
	free_result(&mixed);
	free_result(&again);
	nn_packer_free(&packer);
	free(memory);
	free(embedding);
	free(dense);
}

/* Bytes that a row more takes, when there are many. */
static double
bytes_of_row(const network_layout *layout, const network_copies *copies)
{
	const network_dropout dropout = { .copies = copies };
	const nn_packed batches[2] = { { .sequences = 9, .rows = 1000, .distinct = 100 },
								   { .sequences = 9, .rows = 2000, .distinct = 100 } };

	return (double) (network_workspace(layout, &batches[1], &dropout) -
					 network_workspace(layout, &batches[0], &dropout)) /
		   1000;
}

static void
test_memory(void)
{
	network_layout layout;
	network_copies copies;
	model_config config;
	em_status status;
	double single, mixed;

	model_config_default(&config);
	if (network_layout_init(&layout, &config, VOCABULARY, LABELS, &status) != EM_OK)
		exit(1);
	memset(&copies, 0, sizeof(copies));
	single = bytes_of_row(&layout, NULL);
	mixed = bytes_of_row(&layout, &copies);
	CHECK(mixed < single / 2, "a token takes %.0f bytes, in single precision %.0f", mixed, single);
}

/* A pass over texts without words. */
static void
test_empty(const char *set, const network_layout *layout)
{
	real *embedding = allocate(VOCABULARY * layout->embedding);
	real *dense = allocate(layout->dense);
	network_weights weights = { .embedding = embedding, .dense = dense };
	const uint32_t sample[2] = { 0, 1 };
	const nn_sequence sequences[2] = { { NULL, 0 }, { NULL, 0 } };
	void *memory = aligned_alloc(NN_ALIGNMENT, network_copies_bytes(layout));
	network_copies copies;
	network_dropout dropout = { .seed = 3, .sample = sample, .copies = &copies };
	const real d_logits[2 * LABELS] = { 1, 2, 3 };
	nn_packer packer;
	em_status status;
	result made;

	network_init(layout, 1, NULL, embedding, dense);
	network_copies_init(&copies, layout, memory);
	for (size_t task = 0; task < network_copies_tasks(&copies); task++)
		network_copies_refresh(&copies, dense, task);
	if (nn_packer_init(&packer, &check_allocator, VOCABULARY, &status) != EM_OK ||
		nn_pack(&packer, sequences, 2, &status) != EM_OK)
		exit(1);
	made = run(layout, &weights, &packer.batch, &dropout, d_logits, false);
	CHECK(made.logits[0] == 0 && made.logits[2 * LABELS - 1] == 0,
		  "%s: texts without words have the last layer's bias for logits", set);
	free_result(&made);
	nn_packer_free(&packer);
	free(memory);
	free(embedding);
	free(dense);
}

int
main(void)
{
	static const char *const sets[] = { "baseline", "avx2", "avx512" };
	network_layout layout;
	model_config config;
	em_status status;

	model_config_default(&config);
	config.embedding_dim = 21;
	config.kernel_widths.count = 2;
	config.kernel_widths.values[0] = 2;
	config.kernel_widths.values[1] = 5;
	config.filters = 19;
	config.hidden = 37;
	config.attention = 23;
	config.dropout_word = 0.1;
	config.dropout_hidden = 0.2;
	if (network_layout_init(&layout, &config, VOCABULARY, LABELS, &status) != EM_OK)
		return 1;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		if (nn_simd_force(sets[i]))
		{
			test_pass(sets[i], &layout);
			test_empty(sets[i], &layout);
		}
	test_memory();
	CHECK(check_live == 0, "no memory is lost");
	return check_done();
}
