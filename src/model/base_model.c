/*
 * base_model.c
 *	  Copying a model's weights into those of a training.
 */
#include "base_model.h"

#include <string.h>

size_t
base_model_copy(const model *base, const network_layout *layout, const em_slice *labels,
				real *embedding, real *dense)
{
	size_t known = 0;

	memcpy(embedding, base->embedding, layout->rows * layout->embedding * sizeof(real));
	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		const network_tensor *to = &layout->tensors[i];
		const network_tensor *from = &base->layout.tensors[i];
		bool output = to->kind == TENSOR_OUTPUT_WEIGHT || to->kind == TENSOR_OUTPUT_BIAS;
		size_t row = to->elements / layout->labels;

		if (!output)
			memcpy(dense + to->offset, base->dense + from->offset, to->elements * sizeof(real));
		for (size_t label = 0; output && label < layout->labels; label++)
		{
			int there = model_find_label(base, labels[label].bytes, labels[label].length);

			if (there < 0)
				continue;
			memcpy(dense + to->offset + label * row,
				   base->dense + from->offset + (size_t) there * row, row * sizeof(real));
			known += to->kind == TENSOR_OUTPUT_BIAS;
		}
	}
	return known;
}

size_t
base_model_copy_encoder(const model *base, const encoder_layout *layout, const em_slice *labels,
						real *weights)
{
	const encoder_model *encoder = base->encoder;
	size_t known = 0;

	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		encoder_tensor to, from;
		bool output;
		size_t row;

		encoder_tensor_at(layout, i, &to);
		encoder_tensor_at(&encoder->layout, i, &from);
		if (!encoder_model_has_tensor(encoder, &from))
			continue;
		output = to.offset == layout->output_weight || to.offset == layout->output_bias;
		row = to.elements / layout->labels;
		if (!output)
			memcpy(weights + to.offset, encoder->weights + from.offset, to.elements * sizeof(real));
		for (size_t label = 0; output && label < layout->labels; label++)
		{
			int there = model_find_label(base, labels[label].bytes, labels[label].length);

			if (there < 0)
				continue;
			memcpy(weights + to.offset + label * row,
				   encoder->weights + from.offset + (size_t) there * row, row * sizeof(real));
			known += to.offset == layout->output_bias;
		}
	}
	return known;
}
