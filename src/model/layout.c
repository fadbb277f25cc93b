/*
 * layout.c
 *	  Names, shapes and places of the tensors that a configuration asks for.
 */
#include "network_places.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Parameters in all; sizes in bytes stay far below 2^63, and indices fit a uint32_t. */
#define MAX_PARAMETERS (UINT64_C(1) << 31)

/* Tensors start at multiples of this many elements: 64 bytes of floats. */
#define TENSOR_ALIGNMENT 16

/*
 * Append a tensor. No product here can overflow: each dimension is below 2^16 (E, F, H, A and L by
 * the ranges of their options, F = 8 * 2048 at most), there are at most three.
 */
static network_tensor *
add_tensor(network_layout *layout, network_tensor_kind kind, bool decay, int rank, uint64_t first,
		   uint64_t second, uint64_t third)
{
	network_tensor *tensor = &layout->tensors[layout->tensor_count++];
	uint64_t elements = first * (rank > 1 ? second : 1) * (rank > 2 ? third : 1);

	tensor->kind = kind;
	tensor->rank = rank;
	tensor->shape[0] = first;
	tensor->shape[1] = rank > 1 ? second : 0;
	tensor->shape[2] = rank > 2 ? third : 0;
	tensor->decay = decay;
	tensor->offset = layout->dense;
	tensor->elements = (size_t) elements;
	layout->dense +=
		(size_t) ((elements + TENSOR_ALIGNMENT - 1) / TENSOR_ALIGNMENT) * TENSOR_ALIGNMENT;
	return tensor;
}

static void
add_named(network_layout *layout, const char *name, network_tensor_kind kind, bool decay, int rank,
		  uint64_t first, uint64_t second, uint64_t third)
{
	network_tensor *tensor = add_tensor(layout, kind, decay, rank, first, second, third);

	snprintf(tensor->name, sizeof(tensor->name), "%s", name);
}

em_code
network_layout_init(network_layout *layout, const model_config *config, size_t vocabulary,
					size_t labels, em_status *status)
{
	em_code code = model_config_check(config, status);
	uint64_t filters, parameters;

	if (code != EM_OK)
		return code;
	if (labels < 1 || labels > MODEL_MAX_LABELS)
		return em_fail(status, EM_LIMIT, "%zu labels, not 1 to %d", labels, MODEL_MAX_LABELS);
	if (vocabulary < 1 || vocabulary > UINT32_MAX)
		return em_fail(status, EM_LIMIT, "a vocabulary of %zu words", vocabulary);

	memset(layout, 0, sizeof(*layout));
	layout->config = *config;
	layout->vocabulary = vocabulary;
	layout->buckets = (size_t) config->subword_buckets;
	layout->rows = vocabulary + layout->buckets;
	layout->labels = labels;
	layout->embedding = (size_t) config->embedding_dim;
	layout->hidden = (size_t) config->hidden;
	layout->attention = (size_t) config->attention;
	filters = (uint64_t) config->filters;
	layout->conv = (size_t) filters * (size_t) config->kernel_widths.count;

	for (int i = 0; i < config->kernel_widths.count; i++)
	{
		network_tensor *tensor;

		tensor = add_tensor(layout, TENSOR_CONV_WEIGHT, true, 3, filters,
							(uint64_t) config->kernel_widths.values[i], layout->embedding);
		snprintf(tensor->name, sizeof(tensor->name), "conv.%d.weight", i);
		tensor = add_tensor(layout, TENSOR_CONV_BIAS, false, 1, filters, 0, 0);
		snprintf(tensor->name, sizeof(tensor->name), "conv.%d.bias", i);
	}
	add_named(layout, "lstm.weight_input", TENSOR_LSTM_INPUT, true, 2, 8 * layout->hidden,
			  layout->conv, 0);
	add_named(layout, "lstm.weight_recurrent", TENSOR_LSTM_RECURRENT, true, 3, 2,
			  4 * layout->hidden, layout->hidden);
	add_named(layout, "lstm.bias", TENSOR_LSTM_BIAS, false, 1, 8 * layout->hidden, 0, 0);
	add_named(layout, "attention.weight", TENSOR_ATTENTION_WEIGHT, true, 2, layout->attention,
			  2 * layout->hidden, 0);
	add_named(layout, "attention.bias", TENSOR_ATTENTION_BIAS, false, 1, layout->attention, 0, 0);
	/* a matrix of one row: it multiplies, it does not shift */
	add_named(layout, "attention.query", TENSOR_ATTENTION_QUERY, true, 1, layout->attention, 0, 0);
	add_named(layout, "output.weight", TENSOR_OUTPUT_WEIGHT, true, 2, labels, 2 * layout->hidden,
			  0);
	add_named(layout, "output.bias", TENSOR_OUTPUT_BIAS, false, 1, labels, 0, 0);

	/* below 2^33 * 2^11 + 2^31: no overflow */
	parameters = (uint64_t) layout->rows * layout->embedding + layout->dense;
	if (parameters > MAX_PARAMETERS)
	{
		em_fail(status, EM_LIMIT, "a network of %" PRIu64 " parameters, more than %" PRIu64,
				parameters, MAX_PARAMETERS);
		em_hint(status, layout->buckets > 0
							? "Use a smaller vocabulary, fewer buckets or smaller layers."
							: "Use a smaller vocabulary or smaller layers.");
		return EM_LIMIT;
	}
	return EM_OK;
}

network_places
network_find_places(const network_layout *layout)
{
	network_places found;
	int weights = 0;
	int biases = 0;

	memset(&found, 0, sizeof(found));
	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		size_t offset = layout->tensors[i].offset;

		switch (layout->tensors[i].kind)
		{
			case TENSOR_CONV_WEIGHT:
				found.conv_weight[weights++] = offset;
				break;
			case TENSOR_CONV_BIAS:
				found.conv_bias[biases++] = offset;
				break;
			case TENSOR_LSTM_INPUT:
				found.lstm_input = offset;
				break;
			case TENSOR_LSTM_RECURRENT:
				found.lstm_recurrent = offset;
				break;
			case TENSOR_LSTM_BIAS:
				found.lstm_bias = offset;
				break;
			case TENSOR_ATTENTION_WEIGHT:
				found.attention_weight = offset;
				break;
			case TENSOR_ATTENTION_BIAS:
				found.attention_bias = offset;
				break;
			case TENSOR_ATTENTION_QUERY:
				found.attention_query = offset;
				break;
			case TENSOR_OUTPUT_WEIGHT:
				found.output_weight = offset;
				break;
			case TENSOR_OUTPUT_BIAS:
				found.output_bias = offset;
				break;
		}
	}
	return found;
}

size_t
network_widest_kernel(const network_layout *layout)
{
	int widest = 1;

	for (int i = 0; i < layout->config.kernel_widths.count; i++)
		if (layout->config.kernel_widths.values[i] > widest)
			widest = layout->config.kernel_widths.values[i];
	return (size_t) widest;
}
