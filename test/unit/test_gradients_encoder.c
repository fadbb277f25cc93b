/* build: double */
/*
 * test_gradients_encoder.c
 *	  The backward pass of a transformer's parts, and of the whole encoder tensor by
 *	  tensor, against finite differences.
 */
#include "gradients.h"

#include "../../src/model/encoder_internal.h"
#include "../../src/nn/activation.h"
#include "../../src/nn/loss.h"
#include "../../src/nn/matmul.h"

/* GELU */

typedef struct gelu_case
{
	size_t rows, columns;
	real *x, *bias, *z, *y, *from_above;
} gelu_case;

static double
gelu_objective(void *context)
{
	gelu_case *g = context;
	size_t count = g->rows * g->columns;

	memcpy(g->z, g->x, count * sizeof(real));
	fill_nan(g->y, count);
	nn_gelu(g->rows, g->columns, g->bias, g->z, g->y);
	return weighted_sum(g->from_above, g->y, count);
}

static void
test_gelu(void)
{
	gelu_case g = { 3, 13, numbers(39), numbers(13), nans(39), nans(39), numbers(39) };
	real *d_z = nans(39), *y = nans(39), *d_bias = numbers(13), *before = copy_of(d_bias, 13);

	for (size_t i = 0; i < 39; i++)
		g.x[i] *= 4;
	gelu_objective(&g);
	nn_gelu_backward(39, g.z, g.from_above, d_z, y);
	CHECK(memcmp(y, g.y, 39 * sizeof(real)) == 0, "gelu: the backward pass gives its output again");
	nn_add_bias_backward(3, 13, d_z, 13, d_bias);
	check_gradient("gelu", "x", g.x, 39, d_z, NULL, gelu_objective, &g);
	check_gradient("gelu", "bias", g.bias, 13, d_bias, before, gelu_objective, &g);
	release_blocks();
}

/* Softmax */

typedef struct softmax_case
{
	size_t rows, columns, ld;
	real scale;
	real *x, *p, *from_above;
} softmax_case;

static double
softmax_objective(void *context)
{
	softmax_case *s = context;
	double sum = 0;

	memcpy(s->p, s->x, s->rows * s->ld * sizeof(real));
	nn_softmax(s->rows, s->columns, s->scale, s->p, s->ld);
	for (size_t r = 0; r < s->rows; r++)
		sum += weighted_sum(s->from_above + r * s->ld, s->p + r * s->ld, s->columns);
	return sum;
}

static void
test_softmax(void)
{
	softmax_case s = { 4, 7, 9, 1.7, numbers(36), nans(36), numbers(36) };
	real *d_x = copy_of(s.from_above, 36);

	softmax_objective(&s);
	nn_softmax_backward(4, 7, 1.7, s.p, d_x, 9);
	for (size_t r = 0; r < 4; r++)
	{
		CHECK(d_x[r * 9 + 7] == s.from_above[r * 9 + 7] && s.p[r * 9 + 8] == s.x[r * 9 + 8],
			  "softmax: nothing is written between the rows");
		d_x[r * 9 + 7] = d_x[r * 9 + 8] = 0;
	}
	check_gradient("softmax", "x", s.x, 36, d_x, NULL, softmax_objective, &s);
	release_blocks();
}

/* LayerNorm */

typedef struct norm_case
{
	size_t rows, dim;
	real *x, *bias, *mask, *residual, *scale, *shift, *normal, *inverse, *y, *from_above;
} norm_case;

static double
norm_objective(void *context)
{
	norm_case *n = context;
	const nn_norm norm = { n->bias, n->mask, n->residual, n->scale, n->shift, 1e-3 };

	fill_nan(n->y, n->rows * n->dim);
	nn_layer_norm(n->rows, n->dim, &norm, n->x, n->normal, n->inverse, n->y);
	return weighted_sum(n->from_above, n->y, n->rows * n->dim);
}

static void
test_norm(const char *name, bool bias, bool mask, bool residual)
{
	size_t rows = 5, dim = 6, count = rows * dim;
	norm_case n = { rows,
					dim,
					numbers(count),
					bias ? numbers(dim) : NULL,
					mask ? numbers(count) : NULL,
					residual ? numbers(count) : NULL,
					numbers(dim),
					numbers(dim),
					nans(count),
					nans(rows),
					nans(count),
					numbers(count) };
	real *scale_before = numbers(dim), *d_scale = copy_of(scale_before, dim);
	real *shift_before = numbers(dim), *d_shift = copy_of(shift_before, dim);
	real *d_s = copy_of(n.from_above, count), *d_x, *kept;

	norm_objective(&n);
	nn_layer_norm_backward(rows, dim, d_s, n.normal, n.inverse, n.scale, d_s, d_scale, d_shift);
	d_x = copy_of(d_s, count);
	if (mask)
		nn_multiply(count, n.mask, d_x);
	check_gradient(name, "x", n.x, count, d_x, NULL, norm_objective, &n);
	check_gradient(name, "scale", n.scale, dim, d_scale, scale_before, norm_objective, &n);
	check_gradient(name, "shift", n.shift, dim, d_shift, shift_before, norm_objective, &n);
	if (residual)
		check_gradient(name, "residual", n.residual, count, d_s, NULL, norm_objective, &n);
	if (bias)
	{
		real *d_bias = numbers(dim), *before = copy_of(d_bias, dim);

		nn_add_bias_backward(rows, dim, d_x, dim, d_bias);
		check_gradient(name, "bias", n.bias, dim, d_bias, before, norm_objective, &n);
	}

	/* in place, and without what only a backward pass needs */
	norm_objective(&n);
	kept = copy_of(n.y, count);
	if (residual)
	{
		const nn_norm norm = { n.bias, n.mask, n.residual, n.scale, n.shift, 1e-3 };

		nn_layer_norm(rows, dim, &norm, n.x, NULL, NULL, n.residual);
		CHECK(memcmp(kept, n.residual, count * sizeof(real)) == 0,
			  "%s: the same into the place of the residual", name);
	}
	release_blocks();
}

/* Attention within a text */

typedef struct self_case
{
	nn_heads sizes;
	real *q, *kv, *factors, *mask, *p, *context, *from_above;
} self_case;

static double
self_objective(void *context)
{
	self_case *s = context;
	size_t cells = s->sizes.heads * s->sizes.queries * s->sizes.tokens;

	if (s->mask)
		memcpy(s->mask, s->factors, cells * sizeof(real));
	fill_nan(s->p, cells);
	fill_nan(s->context, s->sizes.queries * s->sizes.ld_context);
	nn_self_attention(&s->sizes, s->q, s->kv, s->kv + s->sizes.ld_kv / 2, s->mask, s->p,
					  s->context);
	return weighted_sum(s->from_above, s->context, s->sizes.queries * s->sizes.ld_context);
}

static void
test_self_attention(const char *name, size_t queries, size_t tokens, bool mask)
{
	size_t width = 2 * 3, cells = 2 * queries * tokens;
	self_case s = { { queries, tokens, 2, 3, true, width, 2 * width, width },
					numbers(queries * width),
					numbers(tokens * 2 * width),
					mask ? numbers(cells) : NULL,
					mask ? nans(cells) : NULL,
					nans(cells),
					nans(queries * width),
					numbers(queries * width) };
	real *d_q = nans(queries * width), *d_kv = nans(tokens * 2 * width);
	real *scratch = nans(queries * tokens), *kept;

	self_objective(&s);
	if (mask)
		memcpy(s.mask, s.factors, cells * sizeof(real));
	nn_self_attention_backward(&s.sizes, s.q, s.kv, s.kv + width, s.p, s.mask, s.from_above,
							   scratch, d_q, d_kv, d_kv + width);
	check_gradient(name, "q", s.q, queries * width, d_q, NULL, self_objective, &s);
	check_gradient(name, "k and v", s.kv, tokens * 2 * width, d_kv, NULL, self_objective, &s);
	self_objective(&s);
	kept = copy_of(s.context, queries * width);
	s.sizes.keep = false;
	self_objective(&s);
	CHECK(memcmp(kept, s.context, queries * width * sizeof(real)) == 0,
		  "%s: the same when p is not kept", name);
	release_blocks();
}

/* The encoder */

typedef struct encoder_case
{
	encoder_layout layout;
	encoder_batcher batcher;
	nn_loss loss;
	bool training;
	encoder_training how;
	uint32_t ids[8][16], sample[8];
	real *weights, *logits, *targets, *d_logits;
	char *block;
	size_t block_size;
	nn_arena arena;
	encoder_pass pass;
} encoder_case;

static double
encoder_objective(void *context)
{
	encoder_case *e = context;
	const encoder_weights weights = { e->weights };
	const encoder_batch *batch = &e->batcher.batch;

	memset(e->block, 0xFF, e->block_size); /* NaN */
	e->arena = (nn_arena){ e->block, e->block_size, 0 };
	fill_nan(e->logits, batch->texts * e->layout.labels);
	encoder_forward(&e->layout, &weights, batch, e->training ? &e->how : NULL, &e->arena, &e->pass,
					e->logits);
	return nn_loss_forward_backward(&e->loss, batch->texts, e->layout.labels, e->logits, e->targets,
									NULL, 0.5, e->d_logits);
}

static bool
between_untouched(const encoder_layout *layout, const real *before, const real *d_dense)
{
	size_t at = 0;

	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		encoder_tensor tensor;

		encoder_tensor_at(layout, i, &tensor);
		for (; at < tensor.offset; at++)
			if (d_dense[at] != before[at])
				return false;
		at = tensor.offset + tensor.elements;
	}
	return true;
}

static void
make_texts(encoder_case *e, const uint32_t *lengths, size_t count)
{
	nn_sequence sequences[8];
	em_status status;

	for (size_t b = 0; b < count; b++)
	{
		e->sample[b] = 100 + (uint32_t) b;
		for (size_t t = 0; t < lengths[b]; t++)
			e->ids[b][t] = 2 + (uint32_t) ((draw() + 1) / 2 * (VOCABULARY - 3)); /* some unused */
		sequences[b] = (nn_sequence){ e->ids[b], lengths[b] };
	}
	if (encoder_batcher_init(&e->batcher, &check_allocator, &e->layout, &status) != EM_OK ||
		encoder_batcher_fill(&e->batcher, sequences, count, &status) != EM_OK)
	{
		printf("Bail out! %s\n", status.message);
		exit(1);
	}
}

static bool
is_frozen(const encoder_case *e, const encoder_tensor *tensor)
{
	return (size_t) tensor->stage < e->how.frozen;
}

/* Gradients that must be nothing: a key's bias shifts all of softmax's input alike. */
static bool
has_no_gradient(const encoder_case *e, const encoder_tensor *tensor)
{
	bool single = e->batcher.batch.longest == 1;

	return is_frozen(e, tensor) || strstr(tensor->name, "key.bias") != NULL ||
		   (single &&
			(strstr(tensor->name, "query") != NULL || strstr(tensor->name, "key") != NULL));
}

static void
check_words(const char *name, encoder_case *e, const real *before, const real *d_words)
{
	const encoder_batch *batch = &e->batcher.batch;
	size_t hidden = e->layout.hidden;
	real *d_table = nans(VOCABULARY * hidden);

	for (size_t i = 0; i < VOCABULARY * hidden; i++)
		d_table[i] = 0;
	for (size_t u = 0; u < batch->distinct; u++)
		for (size_t d = 0; d < hidden; d++)
			d_table[batch->ids[u] * hidden + d] = d_words[u * hidden + d] - before[u * hidden + d];
	check_gradient(name, "the word embedding", e->weights + e->layout.words, VOCABULARY * hidden,
				   d_table, NULL, encoder_objective, e);
}

static void
test_encoder(const char *name, int layers, double dropout, size_t frozen, const uint32_t *lengths,
			 size_t count)
{
	static encoder_case e;
	const encoder_layout *layout = &e.layout;
	const encoder_batch *batch = &e.batcher.batch;
	encoder_weights weights;
	encoder_config config;
	em_status status;
	real *before, *d_dense, *words_before, *d_words;

	memset(&e, 0, sizeof(e));
	encoder_config_default(&config);
	config.vocab_size = VOCABULARY;
	config.hidden_size = 6;
	config.num_hidden_layers = layers;
	config.num_attention_heads = 2;
	config.intermediate_size = 5;
	config.max_position_embeddings = 12;
	config.type_vocab_size = 2;
	config.layer_norm_eps = 1e-3;
	config.hidden_dropout_prob = dropout;
	config.attention_probs_dropout_prob = dropout * 0.9;
	config.classifier_dropout = dropout * 1.1;
	if (!CHECK(encoder_layout_init(&e.layout, &config, 3, &status) == EM_OK,
			   "%s: the layout is possible", name))
		return;
	make_texts(&e, lengths, count);
	e.loss = (nn_loss){ .kind = NN_LOSS_BCE, .alpha = -1 };
	e.training = true;
	e.how = (encoder_training){ .seed = 42, .epoch = 3, .sample = e.sample, .frozen = frozen };

	e.weights = nans(layout->total);
	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		encoder_tensor tensor;

		encoder_tensor_at(layout, i, &tensor);
		fill(e.weights + tensor.offset, tensor.elements);
		/* scales near 0 would leave gradients too small to measure below them */
		for (size_t j = 0; strstr(tensor.name, "LayerNorm.weight") && j < tensor.elements; j++)
			e.weights[tensor.offset + j] = 1 + e.weights[tensor.offset + j] / 2;
	}
	e.logits = nans(count * layout->labels);
	e.d_logits = nans(count * layout->labels);
	e.targets = numbers(count * layout->labels);
	for (size_t i = 0; i < count * layout->labels; i++)
		e.targets[i] = e.targets[i] > 0;
	e.block_size = encoder_workspace(layout, batch, &e.how);
	e.block = aligned_alloc(NN_ALIGNMENT,
							(e.block_size + NN_ALIGNMENT - 1) / NN_ALIGNMENT * NN_ALIGNMENT);
	before = numbers(layout->dense);
	d_dense = copy_of(before, layout->dense);
	words_before = numbers(batch->distinct * layout->hidden);
	d_words = copy_of(words_before, batch->distinct * layout->hidden);
	weights = (encoder_weights){ e.weights };

	encoder_objective(&e);
	encoder_backward(layout, &weights, batch, &e.pass, e.d_logits, &e.arena, d_dense,
					 frozen > 0 ? NULL : d_words);
	CHECK(e.arena.used <= e.block_size, "%s: the workspace suffices", name);
	CHECK(between_untouched(layout, before, d_dense), "%s: nothing is written between tensors",
		  name);
	for (size_t i = 0; i + 1 < layout->tensor_count; i++)
	{
		encoder_tensor tensor;
		double largest = 0;

		encoder_tensor_at(layout, i, &tensor);
		if (!has_no_gradient(&e, &tensor))
		{
			check_gradient(name, tensor.name, e.weights + tensor.offset, tensor.elements,
						   d_dense + tensor.offset, before + tensor.offset, encoder_objective, &e);
			continue;
		}
		for (size_t j = tensor.offset; j < tensor.offset + tensor.elements; j++)
			largest = fmax(largest, fabs(d_dense[j] - before[j]));
		CHECK(largest <= (is_frozen(&e, &tensor) ? 0 : 1e-13), "%s: no gradient of %s", name,
			  tensor.name);
	}
	if (frozen == 0)
		check_words(name, &e, words_before, d_words);
	if (dropout == 0)
	{
		double trained = encoder_objective(&e);

		e.training = false;
		e.block_size = encoder_workspace(layout, batch, NULL);
		CHECK(encoder_objective(&e) == trained, "%s: inference computes the same", name);
		for (size_t b = 0; b < batch->texts; b++)
		{
			double sum = 0;

			for (size_t row = batch->start[b]; row < batch->start[b + 1]; row++)
				sum += e.pass.attention[row];
			CHECK(fabs(sum - 1) < 1e-12, "%s: attention sums to 1", name);
		}
	}
	free(e.block);
	encoder_batcher_free(&e.batcher);
	release_blocks();
}

static void
test_all(const char *products)
{
	static const uint32_t some[] = { 3, 1, 7, 2 };

	printf("# %s\n", products);
	test_self_attention("attention", 5, 5, false);
	test_self_attention("attention with dropout", 5, 5, true);
	test_self_attention("attention of one query", 1, 4, true);
	test_encoder("encoder of two layers", 2, 0, 0, some, LENGTH(some));
	test_encoder("encoder of one layer", 1, 0, 0, some, LENGTH(some));
	test_encoder("encoder with dropout", 3, 0.3, 0, some, LENGTH(some));
	test_encoder("encoder with frozen embeddings", 2, 0.2, 1, some, LENGTH(some));
	test_encoder("encoder with a frozen layer", 3, 0.2, 2, some, LENGTH(some));
	test_encoder("encoder with two frozen layers", 3, 0, 3, some, LENGTH(some));
	test_encoder("encoder of which the head alone learns", 2, 0.2, 3, some, LENGTH(some));
	test_encoder("encoder and one text", 2, 0, 0, one_text, LENGTH(one_text));
	test_encoder("encoder and single tokens", 2, 0, 0, singles, LENGTH(singles));
}

int
main(void)
{
	em_status status;

	test_gelu();
	test_softmax();
	test_norm("layer norm", false, false, false);
	test_norm("layer norm with all", true, true, true);
	test_norm("layer norm with a residual", false, false, true);
	test_all("our own kernels");
	if (nn_blas_load(&status) == EM_OK)
		test_all(nn_blas_description());
	else
		check_skip("the same over OpenBLAS", status.message);
	CHECK(check_live == 0, "no memory is lost");
	return check_done();
}
