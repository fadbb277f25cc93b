/* build: double */
/*
 * test_gradients_network.c
 *	  The backward pass of the whole network against finite differences of the
 *	  loss, tensor by tensor.
 */
#include "gradients.h"

#include "../../src/model/network.h"
#include "../../src/nn/loss.h"
#include "../../src/nn/matmul.h"

typedef struct network_case
{
	network_layout layout;
	const nn_packed *batch;
	nn_loss loss;
	bool training;
	network_dropout dropout;
	uint32_t sample[16], partner[16];
	real *embedding, *dense, *logits, *targets, *sample_weight, *d_logits;
	char *block;
	size_t block_size;
	nn_arena arena;
	network_pass pass;
} network_case;

static double
network_objective(void *context)
{
	network_case *n = context;
	const network_weights weights = { n->embedding, n->dense };
	size_t masks = n->training ? n->dropout.pooled_masks : 1;
	size_t cells = n->batch->sequences * n->layout.labels;
	double loss = 0;

	memset(n->block, 0xFF, n->block_size); /* NaN */
	n->arena = (nn_arena){ n->block, n->block_size, 0 };
	fill_nan(n->logits, masks * cells);
	network_forward(&n->layout, &weights, n->batch, n->training ? &n->dropout : NULL, &n->arena,
					&n->pass, n->logits);
	for (size_t i = 0; i < masks; i++)
		loss += nn_loss_forward_backward(&n->loss, n->batch->sequences, n->layout.labels,
										 n->logits + i * cells, n->targets, n->sample_weight,
										 0.5 / (double) masks, n->d_logits + i * cells);
	return loss;
}

/* Both kept and dropped, or the test would not see the factor. */
static bool
mixed(const real *mask, size_t count)
{
	size_t dropped = 0;

	for (size_t i = 0; mask != NULL && i < count; i++)
		dropped += mask[i] == 0;
	return dropped > 0 && dropped < count;
}

static void
check_dropout(const char *name, const network_case *n)
{
	size_t texts = n->batch->sequences, rows = n->batch->rows;

	CHECK(mixed(n->pass.word, rows) && mixed(n->pass.spatial, texts * n->layout.embedding) &&
			  mixed(n->pass.conv_mask, rows * n->layout.conv) &&
			  mixed(n->pass.h_mask, rows * 2 * n->layout.hidden) &&
			  mixed(n->pass.pooled_mask, n->pass.pooled_masks * texts * 2 * n->layout.hidden),
		  "%s: every dropout drops some and keeps some", name);
}

/* The first mask is the one there is without further ones; all differ. */
static void
check_masks(const char *name, network_case *n)
{
	size_t masks = n->dropout.pooled_masks, count = n->batch->sequences * 2 * n->layout.hidden;
	real *mask = copy_of(n->pass.pooled_mask, masks * count);
	bool differ = true;

	n->dropout.pooled_masks = 1;
	network_objective(n);
	CHECK(memcmp(mask, n->pass.pooled_mask, count * sizeof(real)) == 0,
		  "%s: the first of %zu masks is the one of one", name, masks);
	n->dropout.pooled_masks = masks;
	for (size_t i = 1; i < masks; i++)
		for (size_t j = 0; j < i; j++)
			differ &= memcmp(mask + i * count, mask + j * count, count * sizeof(real)) != 0;
	CHECK(differ, "%s: the masks differ", name);
	network_objective(n);
}

/* Numbers outside the tensors of d_dense must stay as they were: mark those inside. */
static bool
gaps_untouched(const network_layout *layout, const real *before, const real *d_dense)
{
	size_t at = 0;

	for (size_t i = 0; i <= layout->tensor_count; i++)
	{
		size_t end = i < layout->tensor_count ? layout->tensors[i].offset : layout->dense;

		for (; at < end; at++)
			if (d_dense[at] != before[at])
				return false;
		if (i < layout->tensor_count)
			at = end + layout->tensors[i].elements;
	}
	return true;
}

static void
test_network(const char *name, option_int_list widths, bool dropout, size_t masks, bool mix,
			 const uint32_t *lengths, size_t count)
{
	static batch_of_test place;
	static network_case n;
	const network_layout *layout = &n.layout;
	const nn_packed *batch = make_batch(&place, lengths, count);
	model_config config;
	em_status status;
	network_weights weights;
	real *before, *d_dense, *embedding_before, *d_embedding, *d_table;
	double inference;

	memset(&n, 0, sizeof(n));
	memset(&config, 0, sizeof(config));
	config.embedding_dim = 4;
	config.kernel_widths = widths;
	config.filters = 3;
	config.hidden = 3;
	config.attention = 4;
	config.text.max_tokens = 100;
	if (dropout)
	{
		config.dropout_word = 0.3;
		config.dropout_embedding = 0.25;
		config.dropout_conv = 0.2;
		config.dropout_hidden = 0.35;
		config.dropout_pooled = 0.3;
	}
	if (!CHECK(network_layout_init(&n.layout, &config, VOCABULARY, 3, &status) == EM_OK,
			   "%s: the layout is possible", name))
		return;
	n.batch = batch;
	n.loss = (nn_loss){ .kind = NN_LOSS_BCE, .alpha = -1 };
	n.training = true;
	n.dropout =
		(network_dropout){ .seed = 42, .epoch = 3, .sample = n.sample, .pooled_masks = masks };
	for (size_t b = 0; b < batch->sequences; b++)
		n.partner[b] = (uint32_t) ((b * b + 1) % batch->sequences);
	if (mix)
	{
		n.dropout.partner = n.partner;
		n.dropout.share = numbers(count);
	}
	for (size_t b = 0; b < batch->sequences; b++)
		n.sample[b] = 100 + batch->order[b];

	n.embedding = numbers(VOCABULARY * layout->embedding);
	n.dense = nans(layout->dense);
	for (size_t i = 0; i < layout->tensor_count; i++)
		fill(n.dense + layout->tensors[i].offset, layout->tensors[i].elements);
	n.logits = nans(masks * count * layout->labels);
	n.d_logits = nans(masks * count * layout->labels);
	n.targets = numbers(count * layout->labels);
	n.sample_weight = numbers(count);
	for (size_t i = 0; i < count * layout->labels; i++)
		n.targets[i] = n.targets[i] > 0;
	for (size_t i = 0; i < count; i++)
		n.sample_weight[i] += 1.5;
	n.block_size = network_workspace(layout, batch, &n.dropout);
	n.block = aligned_alloc(NN_ALIGNMENT,
							(n.block_size + NN_ALIGNMENT - 1) / NN_ALIGNMENT * NN_ALIGNMENT);

	before = numbers(layout->dense);
	d_dense = copy_of(before, layout->dense);
	embedding_before = numbers(batch->distinct * layout->embedding);
	d_embedding = copy_of(embedding_before, batch->distinct * layout->embedding);
	d_table = nans(VOCABULARY * layout->embedding);
	weights = (network_weights){ n.embedding, n.dense };

	network_objective(&n);
	if (dropout && batch->rows > 10)
		check_dropout(name, &n);
	if (masks > 1)
		check_masks(name, &n);
	network_backward(layout, &weights, batch, &n.pass, n.d_logits, &n.arena, d_dense, d_embedding);
	CHECK(n.arena.used <= n.block_size, "%s: the workspace suffices", name);
	CHECK(gaps_untouched(layout, before, d_dense), "%s: nothing is written between tensors", name);

	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		const network_tensor *tensor = &layout->tensors[i];

		/* with one token only some inputs do not matter, and no gradient is no proof */
		if (batch->steps < 2 &&
			(tensor->kind == TENSOR_LSTM_RECURRENT || tensor->kind == TENSOR_ATTENTION_WEIGHT ||
			 tensor->kind == TENSOR_ATTENTION_BIAS || tensor->kind == TENSOR_ATTENTION_QUERY))
		{
			bool zero = true;

			for (size_t j = tensor->offset; j < tensor->offset + tensor->elements; j++)
				zero &= d_dense[j] == before[j];
			CHECK(zero, "%s: no gradient of %s", name, tensor->name);
			continue;
		}
		check_gradient(name, tensor->name, n.dense + tensor->offset, tensor->elements,
					   d_dense + tensor->offset, before + tensor->offset, network_objective, &n);
	}
	for (size_t i = 0; i < VOCABULARY * layout->embedding; i++)
		d_table[i] = 0;
	for (size_t u = 0; u < batch->distinct; u++)
		for (size_t e = 0; e < layout->embedding; e++)
		{
			size_t at = u * layout->embedding + e;

			d_table[batch->ids[u] * layout->embedding + e] = d_embedding[at] - embedding_before[at];
		}
	check_gradient(name, "the embedding", n.embedding, VOCABULARY * layout->embedding, d_table,
				   NULL, network_objective, &n);

	/* a frozen embedding changes nothing else */
	network_objective(&n);
	network_backward(layout, &weights, batch, &n.pass, n.d_logits, &n.arena, before, NULL);
	CHECK(memcmp(before, d_dense, layout->dense * sizeof(real)) == 0,
		  "%s: the same gradients when the embedding is frozen", name);
	if (!dropout && !mix)
	{
		double trained = network_objective(&n);

		n.training = false;
		n.block_size = network_workspace(layout, batch, NULL);
		inference = network_objective(&n);
		CHECK(inference == trained, "%s: inference computes the same", name);
	}
	free(n.block);
	nn_packer_free(&place.packer);
	release_blocks();
}

/* Texts without a single token: nothing to differentiate but the last layer's bias. */
static void
test_empty(void)
{
	static const uint32_t empty[] = { 0, 0 };
	static batch_of_test place;
	const nn_packed *batch = make_batch(&place, empty, 2);
	network_layout layout;
	model_config config;
	em_status status;
	nn_arena arena;
	network_pass pass;
	real embedding[VOCABULARY] = { 0 };
	real logits[4], d_logits[4] = { 1, 2, 3, 4 };
	real *dense, *d_dense, d_embedding = 7;
	const uint32_t sample[] = { 0, 1 };
	const network_dropout dropout = { .seed = 1, .sample = sample };
	network_weights weights = { embedding, NULL };
	double others = 0;

	memset(&config, 0, sizeof(config));
	config.embedding_dim = config.filters = config.hidden = config.attention = 1;
	config.kernel_widths = (option_int_list){ 1, { 3 } };
	config.text.max_tokens = 1;
	config.dropout_conv = config.dropout_pooled = 0.5;
	if (!CHECK(network_layout_init(&layout, &config, VOCABULARY, 2, &status) == EM_OK,
			   "empty texts: the layout is possible"))
		return;
	arena.size = (network_workspace(&layout, batch, &dropout) + 63) / 64 * 64;
	arena.block = aligned_alloc(NN_ALIGNMENT, arena.size);
	arena.used = 0;
	weights.dense = dense = numbers(layout.dense);
	d_dense = nans(layout.dense);
	for (size_t i = 0; i < layout.dense; i++)
		d_dense[i] = 0;
	network_forward(&layout, &weights, batch, &dropout, &arena, &pass, logits);
	network_backward(&layout, &weights, batch, &pass, d_logits, &arena, d_dense, &d_embedding);
	{
		const real *bias = dense + layout.tensors[layout.tensor_count - 1].offset;
		real *d_bias = d_dense + layout.tensors[layout.tensor_count - 1].offset;

		CHECK(logits[0] == bias[0] && logits[1] == bias[1] && logits[2] == bias[0] &&
				  logits[3] == bias[1],
			  "empty texts: the logits are the last layer's bias");
		CHECK(d_bias[0] == 4 && d_bias[1] == 6, "empty texts: gradient of output.bias");
		d_bias[0] = d_bias[1] = 0;
	}
	for (size_t i = 0; i < layout.dense; i++)
		others += fabs(d_dense[i]);
	CHECK(others == 0 && d_embedding == 7, "empty texts: no other gradient");
	free(arena.block);
	nn_packer_free(&place.packer);
	release_blocks();
}

static void
test_networks(const char *products)
{
	static const option_int_list one_width = { 1, { 3 } };
	static const option_int_list one_word = { 1, { 1 } };
	static const option_int_list several = { 4, { 3, 2, 5, 1 } };

	printf("# matrix products: %s\n", products);
	test_network("network", one_width, false, 1, false, unequal, LENGTH(unequal));
	test_network("network with dropout", one_width, true, 1, false, unequal, LENGTH(unequal));
	test_network("network of kernels 3, 2, 5 and 1", several, false, 1, false, unequal,
				 LENGTH(unequal));
	test_network("network of kernels 3, 2, 5 and 1 with dropout", several, true, 1, false, many,
				 LENGTH(many));
	test_network("network with dropout and three masks of the pooled vector", several, true, 3,
				 false, unequal, LENGTH(unequal));
	test_network("network with mixed texts", one_width, false, 1, true, unequal, LENGTH(unequal));
	test_network("network with dropout, two masks and mixed texts", several, true, 2, true, unequal,
				 LENGTH(unequal));
	test_network("network and one text", several, false, 1, false, one_text, LENGTH(one_text));
	test_network("network and single tokens", one_word, false, 1, false, singles, LENGTH(singles));
}

int
main(void)
{
	em_status status;

	test_empty();
	test_networks("our own kernels");
	if (nn_blas_load(&status) == EM_OK)
		test_networks(nn_blas_description());
	else
		check_skip("the same over OpenBLAS", status.message);
	CHECK(check_live == 0, "no memory is lost");
	return check_done();
}
