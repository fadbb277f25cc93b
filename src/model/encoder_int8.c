/*
 * encoder_int8.c
 *	  The matrices of the encoder's layers in 8 bits.
 */
#include "encoder_int8.h"

#include <string.h>

/* The last layer has its queries by themselves, the others have queries, keys and values as one. */
static bool
has(const encoder_layout *layout, size_t l, encoder_linear which)
{
	bool last = encoder_is_last(layout, l);

	if (which == ENCODER_LINEAR_QKV)
		return !last;
	return last || which > ENCODER_LINEAR_KEY_VALUE;
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
