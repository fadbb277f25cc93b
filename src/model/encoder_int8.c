/*
 * encoder_int8.c
 *	  The matrices of the encoder's layers in 8 bits.
 */
#include "encoder_int8.h"

#include <string.h>

#include "../nn/arena.h"

/* The last layer has its queries by themselves, the others have queries, keys and values as one. */
static bool
has(const encoder_layout *layout, size_t l, encoder_linear which)
{
	bool last = encoder_is_last(layout, l);

	if (which == ENCODER_LINEAR_QKV)
		return !last;
	return last || which > ENCODER_LINEAR_KEY_VALUE;
}

static size_t
aligned(size_t bytes)
{
	return (bytes + NN_ALIGNMENT - 1) & ~(size_t) (NN_ALIGNMENT - 1);
}

/* Places in memory (NULL: only count); returns bytes. */
static size_t
lay_out(encoder_int8 *int8, const encoder_layout *layout, char *memory)
{
	size_t bytes = 0;

	memset(int8, 0, sizeof(*int8));
	for (size_t l = 0; l < layout->layers; l++)
		for (int which = 0; which < ENCODER_LINEARS; which++)
		{
			const encoder_linear_place at = encoder_linear_at(layout, l, (encoder_linear) which);

			if (!has(layout, l, (encoder_linear) which))
				continue;
			int8->matrix[l][which] =
				(nn_int8_matrix){ at.out, at.in, memory ? memory + bytes : NULL };
			bytes += nn_int8_bytes(at.out, at.in);
		}
	if (layout->narrow)
	{
		int8->words = memory ? (int8_t *) memory + bytes : NULL;
		bytes += aligned(layout->vocabulary * layout->hidden);
		int8->word_scale = memory ? (float *) (void *) (memory + bytes) : NULL;
		bytes += aligned(layout->vocabulary * sizeof(float));
	}
	return bytes;
}

size_t
encoder_int8_bytes(const encoder_layout *layout)
{
	encoder_int8 int8;

	return lay_out(&int8, layout, NULL);
}

void
encoder_int8_init(encoder_int8 *int8, const encoder_layout *layout, const real *weights,
				  void *memory)
{
	lay_out(int8, layout, memory);
	for (size_t l = 0; l < layout->layers; l++)
		for (int which = 0; which < ENCODER_LINEARS; which++)
			if (int8->matrix[l][which].data != NULL)
				nn_int8_fill(&int8->matrix[l][which],
							 weights + encoder_linear_at(layout, l, (encoder_linear) which).weight);
}

void
encoder_int8_place(encoder_int8 *int8, const encoder_layout *layout, void *memory)
{
	lay_out(int8, layout, memory);
}

void
encoder_int8_clear(const encoder_layout *layout, void *memory)
{
	memset(memory, 0, encoder_int8_bytes(layout));
}

/* The matrix that a layer's tensor is in, and its first row there. */
static const nn_int8_matrix *
find_matrix(const encoder_int8 *int8, const encoder_layout *layout, const encoder_tensor *tensor,
			size_t *first)
{
	size_t l = (size_t) tensor->stage - 1;
	bool last = encoder_is_last(layout, l);
	encoder_linear which = ENCODER_LINEAR_QKV;

	*first = 0;
	if (tensor->which == ENCODER_CONTEXT_WEIGHT)
		which = ENCODER_LINEAR_CONTEXT;
	else if (tensor->which == ENCODER_INNER_WEIGHT)
		which = ENCODER_LINEAR_INNER;
	else if (tensor->which == ENCODER_OUTER_WEIGHT)
		which = ENCODER_LINEAR_OUTER;
	else if (last && tensor->which == ENCODER_QUERY_WEIGHT)
		which = ENCODER_LINEAR_QUERY;
	else
	{
		which = last ? ENCODER_LINEAR_KEY_VALUE : ENCODER_LINEAR_QKV;
		*first = layout->hidden *
				 (size_t) (tensor->which - (last ? ENCODER_KEY_WEIGHT : ENCODER_QUERY_WEIGHT));
	}
	return &int8->matrix[l][which];
}

void
encoder_int8_put_rows(const encoder_int8 *int8, const encoder_layout *layout,
					  const encoder_tensor *tensor, size_t first, size_t count, const int8_t *rows)
{
	const size_t columns = (size_t) tensor->shape[1];
	const nn_int8_matrix *matrix;
	size_t begin;

	if (tensor->stage == 0)
	{
		if (int8->words != NULL)
			memcpy(int8->words + first * columns, rows, count * columns);
		return;
	}
	matrix = find_matrix(int8, layout, tensor, &begin);
	for (size_t i = 0; i < count; i++)
		nn_int8_put_row(matrix, begin + first + i, rows + i * columns);
}

void
encoder_int8_put_scales(const encoder_int8 *int8, const encoder_layout *layout,
						const encoder_tensor *tensor, size_t first, size_t count,
						const float *scales)
{
	const nn_int8_matrix *matrix;
	size_t begin;

	if (tensor->stage == 0)
	{
		if (int8->words != NULL)
			memcpy(int8->word_scale + first, scales, count * sizeof(float));
		return;
	}
	matrix = find_matrix(int8, layout, tensor, &begin);
	for (size_t i = 0; i < count; i++)
		nn_int8_put_scale(matrix, begin + first + i, (real) scales[i]);
}
