/*
 * encoder_layout.c
 *	  Names, shapes and places of the encoder's tensors; fresh weights.
 */
#include "encoder.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../nn/random.h"
#include "config.h"
#include "encoder_internal.h"

/* Parameters in all; sizes in bytes stay far below 2^63, and indices fit a uint32_t. */
#define MAX_PARAMETERS (UINT64_C(1) << 31)

/* Tensors start at multiples of this many elements: 64 bytes of floats. */
#define TENSOR_ALIGNMENT 16

/* A dimension by its letter. */
typedef enum dimension
{
	NONE,
	HIDDEN,
	INNER,
	VOCABULARY,
	POSITIONS,
	TYPES,
	LABELS,
} dimension;

typedef struct tensor_row
{
	const char *name;
	dimension rows, columns; /* columns NONE: a vector */
	bool decay;
	bool joined; /* without a gap behind the tensor before */
} tensor_row;

/* In the order of encoder_layer_tensor. */
static const tensor_row layer_tensors[ENCODER_LAYER_TENSORS] = {
	{ "attention.self.query.weight", HIDDEN, HIDDEN, true, false },
	{ "attention.self.key.weight", HIDDEN, HIDDEN, true, true },
	{ "attention.self.value.weight", HIDDEN, HIDDEN, true, true },
	{ "attention.self.query.bias", HIDDEN, NONE, false, false },
	{ "attention.self.key.bias", HIDDEN, NONE, false, true },
	{ "attention.self.value.bias", HIDDEN, NONE, false, true },
	{ "attention.output.dense.weight", HIDDEN, HIDDEN, true, false },
	{ "attention.output.dense.bias", HIDDEN, NONE, false, false },
	{ "attention.output.LayerNorm.weight", HIDDEN, NONE, false, false },
	{ "attention.output.LayerNorm.bias", HIDDEN, NONE, false, false },
	{ "intermediate.dense.weight", INNER, HIDDEN, true, false },
	{ "intermediate.dense.bias", INNER, NONE, false, false },
	{ "output.dense.weight", HIDDEN, INNER, true, false },
	{ "output.dense.bias", HIDDEN, NONE, false, false },
	{ "output.LayerNorm.weight", HIDDEN, NONE, false, false },
	{ "output.LayerNorm.bias", HIDDEN, NONE, false, false },
};

static const tensor_row embedding_tensors[] = {
	{ "roberta.embeddings.position_embeddings.weight", POSITIONS, HIDDEN, true, false },
	{ "roberta.embeddings.token_type_embeddings.weight", TYPES, HIDDEN, true, false },
	{ "roberta.embeddings.LayerNorm.weight", HIDDEN, NONE, false, false },
	{ "roberta.embeddings.LayerNorm.bias", HIDDEN, NONE, false, false },
};

static const tensor_row head_tensors[] = {
	{ "classifier.dense.weight", HIDDEN, HIDDEN, true, false },
	{ "classifier.dense.bias", HIDDEN, NONE, false, false },
	{ "classifier.out_proj.weight", LABELS, HIDDEN, true, false },
	{ "classifier.out_proj.bias", LABELS, NONE, false, false },
};

static const tensor_row word_tensor = { "roberta.embeddings.word_embeddings.weight", VOCABULARY,
										HIDDEN, true, false };

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static size_t
size_of(const encoder_layout *layout, dimension dimension)
{
	switch (dimension)
	{
		case HIDDEN:
			return layout->hidden;
		case INNER:
			return layout->inner;
		case VOCABULARY:
			return layout->vocabulary;
		case POSITIONS:
			return (size_t) layout->config.max_position_embeddings;
		case TYPES:
			return (size_t) layout->config.type_vocab_size;
		case LABELS:
			return layout->labels;
		case NONE:
			break;
	}
	return 1;
}

/* No overflow: 2^21 by 2^11 elements at most. */
static size_t
elements_of(const encoder_layout *layout, const tensor_row *row)
{
	return size_of(layout, row->rows) * size_of(layout, row->columns);
}

/* The place of a tensor behind `end`, which moves behind it. */
static size_t
place(const encoder_layout *layout, const tensor_row *row, bool rounded, size_t *end)
{
	size_t begin = *end;

	if (!row->joined)
		begin = (begin + TENSOR_ALIGNMENT - 1) / TENSOR_ALIGNMENT * TENSOR_ALIGNMENT;
	*end = begin + (rounded && layout->narrow ? 0 : elements_of(layout, row));
	return begin;
}

/* Matrices of the layers; besides them the word embedding. */
static bool
is_rounded(const tensor_row *row)
{
	return row->columns != NONE;
}

/* All places, and what follows from them. */
static void
place_all(encoder_layout *layout)
{
	size_t end = 0;

	layout->position = place(layout, &embedding_tensors[0], false, &end);
	layout->type = place(layout, &embedding_tensors[1], false, &end);
	layout->embedding_scale = place(layout, &embedding_tensors[2], false, &end);
	layout->embedding_shift = place(layout, &embedding_tensors[3], false, &end);

	/* a layer's own places begin at 0, and so does each layer at a multiple of the alignment */
	layout->layer = (end + TENSOR_ALIGNMENT - 1) / TENSOR_ALIGNMENT * TENSOR_ALIGNMENT;
	end = 0;
	for (size_t i = 0; i < ENCODER_LAYER_TENSORS; i++)
		layout->layer_place[i] =
			place(layout, &layer_tensors[i], is_rounded(&layer_tensors[i]), &end);
	layout->layer_stride = (end + TENSOR_ALIGNMENT - 1) / TENSOR_ALIGNMENT * TENSOR_ALIGNMENT;

	end = layout->layer + layout->layers * layout->layer_stride;
	layout->head_weight = place(layout, &head_tensors[0], false, &end);
	layout->head_bias = place(layout, &head_tensors[1], false, &end);
	layout->output_weight = place(layout, &head_tensors[2], false, &end);
	layout->output_bias = place(layout, &head_tensors[3], false, &end);
	layout->words = place(layout, &word_tensor, true, &end);
	layout->dense = layout->words;
	layout->total = end;
}

em_code
encoder_layout_init(encoder_layout *layout, const encoder_config *config, size_t labels,
					em_status *status)
{
	em_code code = encoder_config_check(config, status);

	if (code != EM_OK)
		return code;
	if (labels < 1 || labels > MODEL_MAX_LABELS)
		return em_fail(status, EM_LIMIT, "%zu labels, not 1 to %d", labels, MODEL_MAX_LABELS);

	memset(layout, 0, sizeof(*layout));
	layout->config = *config;
	layout->vocabulary = (size_t) config->vocab_size;
	layout->hidden = (size_t) config->hidden_size;
	layout->layers = (size_t) config->num_hidden_layers;
	layout->heads = (size_t) config->num_attention_heads;
	layout->inner = (size_t) config->intermediate_size;
	layout->labels = labels;
	layout->first_position = (size_t) config->pad_token_id + 1;
	layout->longest = (size_t) config->max_position_embeddings - layout->first_position;

	place_all(layout);
	layout->tensor_count =
		COUNT(embedding_tensors) + layout->layers * ENCODER_LAYER_TENSORS + COUNT(head_tensors) + 1;
	if (layout->total > MAX_PARAMETERS)
	{
		em_fail(status, EM_LIMIT, "a network of %zu parameters, more than %" PRIu64, layout->total,
				MAX_PARAMETERS);
		em_hint(status, "Use a smaller vocabulary, fewer or smaller layers.");
		return EM_LIMIT;
	}
	return EM_OK;
}

void
encoder_layout_narrow(encoder_layout *layout)
{
	layout->narrow = true;
	place_all(layout);
}

void
encoder_tensor_at(const encoder_layout *layout, size_t index, encoder_tensor *tensor)
{
	const size_t head_offsets[] = { layout->head_weight, layout->head_bias, layout->output_weight,
									layout->output_bias };
	const size_t embedding_offsets[] = { layout->position, layout->type, layout->embedding_scale,
										 layout->embedding_shift };
	size_t layers = layout->layers * ENCODER_LAYER_TENSORS;
	const tensor_row *row;

	memset(tensor, 0, sizeof(*tensor));
	if (index < COUNT(embedding_tensors))
	{
		row = &embedding_tensors[index];
		tensor->offset = embedding_offsets[index];
	}
	else if ((index -= COUNT(embedding_tensors)) < layers)
	{
		size_t l = index / ENCODER_LAYER_TENSORS;
		encoder_layer_tensor which = (encoder_layer_tensor) (index % ENCODER_LAYER_TENSORS);

		row = &layer_tensors[which];
		tensor->offset = encoder_place(layout, l, which);
		tensor->stage = (int) l + 1;
		tensor->which = which;
		tensor->rounded = is_rounded(row);
		snprintf(tensor->name, sizeof(tensor->name), "roberta.encoder.layer.%zu.%s", l, row->name);
	}
	else if ((index -= layers) < COUNT(head_tensors))
	{
		row = &head_tensors[index];
		tensor->offset = head_offsets[index];
		tensor->stage = (int) layout->layers + 1;
	}
	else
	{
		row = &word_tensor;
		tensor->offset = layout->words;
		tensor->rounded = true;
	}
	if (tensor->name[0] == '\0')
		snprintf(tensor->name, sizeof(tensor->name), "%s", row->name);
	tensor->rank = row->columns == NONE ? 1 : 2;
	tensor->shape[0] = size_of(layout, row->rows);
	tensor->shape[1] = row->columns == NONE ? 0 : size_of(layout, row->columns);
	tensor->elements = elements_of(layout, row);
	tensor->decay = row->decay;
}

encoder_linear_place
encoder_linear_at(const encoder_layout *layout, size_t l, encoder_linear which)
{
	static const struct
	{
		encoder_layer_tensor weight, bias;
		size_t parts; /* of D outputs; 0: I */
	} table[ENCODER_LINEARS] = {
		[ENCODER_LINEAR_QKV] = { ENCODER_QUERY_WEIGHT, ENCODER_QUERY_BIAS, 3 },
		[ENCODER_LINEAR_QUERY] = { ENCODER_QUERY_WEIGHT, ENCODER_QUERY_BIAS, 1 },
		[ENCODER_LINEAR_KEY_VALUE] = { ENCODER_KEY_WEIGHT, ENCODER_KEY_BIAS, 2 },
		[ENCODER_LINEAR_CONTEXT] = { ENCODER_CONTEXT_WEIGHT, ENCODER_CONTEXT_BIAS, 1 },
		[ENCODER_LINEAR_INNER] = { ENCODER_INNER_WEIGHT, ENCODER_INNER_BIAS, 0 },
		[ENCODER_LINEAR_OUTER] = { ENCODER_OUTER_WEIGHT, ENCODER_OUTER_BIAS, 1 },
	};

	return (encoder_linear_place){
		.out = table[which].parts ? table[which].parts * layout->hidden : layout->inner,
		.in = which == ENCODER_LINEAR_OUTER ? layout->inner : layout->hidden,
		.weight = encoder_place(layout, l, table[which].weight),
		.bias = encoder_place(layout, l, table[which].bias),
	};
}

static bool
ends_in(const char *text, const char *end)
{
	size_t length = strlen(text), wanted = strlen(end);

	return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

static void
init_tensor(const encoder_layout *layout, size_t index, uint64_t seed, const double *prior,
			real *weights)
{
	const nn_random_key key = { seed, NN_STREAM_INIT, 0, (uint32_t) index };
	size_t hidden = layout->hidden, pad = (size_t) layout->config.pad_token_id;
	encoder_tensor tensor;
	real *weight;

	encoder_tensor_at(layout, index, &tensor);
	weight = weights + tensor.offset;
	if (tensor.rank == 2)
	{
		for (size_t i = 0; i < tensor.elements; i++)
			weight[i] = (real) (0.02 * (double) nn_random_normal(&key, i));
	}
	else
	{
		real value = ends_in(tensor.name, "LayerNorm.weight") ? 1 : 0;

		for (size_t i = 0; i < tensor.elements; i++)
			weight[i] = value;
	}
	if (tensor.offset == layout->words || tensor.offset == layout->position)
		memset(weight + pad * hidden, 0, hidden * sizeof(real));
	for (size_t l = 0; tensor.offset == layout->output_bias && prior != NULL && l < layout->labels;
		 l++)
	{
		double share = fmin(fmax(prior[l], 1e-6), 1 - 1e-6);

		weight[l] = (real) log(share / (1 - share));
	}
}

void
encoder_init(const encoder_layout *layout, uint64_t seed, const double *prior, real *weights)
{
	memset(weights, 0, layout->dense * sizeof(real));
	for (size_t i = 0; i < layout->tensor_count; i++)
		init_tensor(layout, i, seed, prior, weights);
}

void
encoder_init_head(const encoder_layout *layout, uint64_t seed, const double *prior, real *weights)
{
	size_t first = layout->tensor_count - 1 - COUNT(head_tensors);

	for (size_t i = 0; i < COUNT(head_tensors); i++)
		init_tensor(layout, first + i, seed, prior, weights);
}
