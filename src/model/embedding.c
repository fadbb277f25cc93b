/*
 * embedding.c
 *	  Rows of the embedding as numbers.
 */
#include "embedding.h"

#include <string.h>

#include "../nn/activation.h"
#include "config.h"
#include "halves.h"
#include "quants.h"

bool
embedding_read_row(const embedding_rows *rows, size_t dim, size_t row, real *out)
{
	/* floats at the end of their place, from where they are widened to doubles */
	float *floats = (float *) (void *) (out + dim) - dim;
	bool finite = true;

	switch (rows->type)
	{
		case TENSOR_I8:
			quants_read(rows->weight + row * dim, dim, rows->scale[row], floats);
			break;
		case TENSOR_F16:
			finite = halves_read_f16(rows->weight + 2 * row * dim, dim, floats);
			break;
		case TENSOR_BF16:
			finite = halves_read_bf16(rows->weight + 2 * row * dim, dim, floats);
			break;
		default:
			finite = halves_read_f32(rows->weight + 4 * row * dim, dim, floats);
	}
	for (size_t e = 0; sizeof(real) > sizeof(float) && e < dim; e++)
	{
		float number;

		memcpy(&number, floats + e, sizeof(number));
		out[e] = number;
	}
	return finite;
}

/* Whether its numbers are finite was asked when the model was read. */
static void
read_row(const embedding_table *table, uint32_t row, real *out)
{
	if (row < table->vocabulary)
		(void) embedding_read_row(&table->words, table->dim, row, out);
	else
		(void) embedding_read_row(&table->subwords, table->dim, row - table->vocabulary, out);
}

void
embedding_gather(const embedding_table *table, const nn_packed *batch, real *vectors)
{
	const size_t dim = table->dim;
	real row[MODEL_MAX_DIM];

	for (size_t u = 0; u < batch->distinct; u++, vectors += dim)
	{
		const uint32_t *rows;
		size_t count = nn_token_rows(batch, u, &rows);
		real share = count > 1 ? 1 / (real) count : 1;

		if (count == 0)
			memset(vectors, 0, dim * sizeof(real));
		else
			read_row(table, rows[0], vectors);
		for (size_t i = 1; i < count; i++)
		{
			read_row(table, rows[i], row);
			nn_axpy(dim, 1, row, vectors);
		}
		for (size_t e = 0; count > 1 && e < dim; e++)
			vectors[e] *= share;
	}
}
