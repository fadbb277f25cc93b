/*
 * layers.c
 *	  Embedding, Conv1D windows, linear, LSTM and attention over packed batches.
 */
#include "layers.h"

#include <string.h>

#include "activation.h"
#include "matmul.h"

void
nn_embedding(const nn_packed *batch, size_t dim, const real *table, real *vectors)
{
	for (size_t u = 0; u < batch->distinct; u++, vectors += dim)
	{
		const uint32_t *rows;
		size_t count = nn_token_rows(batch, u, &rows);
		real share = count > 1 ? 1 / (real) count : 1;

		if (count == 0)
			memset(vectors, 0, dim * sizeof(real));
		else
			memcpy(vectors, table + (size_t) rows[0] * dim, dim * sizeof(real));
		for (size_t i = 1; i < count; i++)
			nn_axpy(dim, 1, table + (size_t) rows[i] * dim, vectors);
		for (size_t e = 0; count > 1 && e < dim; e++)
			vectors[e] *= share;
	}
}

/* y = x times the factors that apply to it (each may be NULL) */
static inline void
copy_scaled(size_t dim, const real *x, const real *spatial, real word, real *y)
{
	if (spatial == NULL)
	{
		for (size_t e = 0; e < dim; e++)
			y[e] = x[e] * word;
	}
	else
	{
		for (size_t e = 0; e < dim; e++)
			y[e] = x[e] * spatial[e] * word;
	}
}

static inline void
add_scaled(size_t dim, const real *x, const real *spatial, real word, real *y)
{
	if (spatial == NULL)
	{
		for (size_t e = 0; e < dim; e++)
			y[e] += x[e] * word;
	}
	else
	{
		for (size_t e = 0; e < dim; e++)
			y[e] += x[e] * spatial[e] * word;
	}
}

void
nn_windows(const nn_packed *batch, size_t width, size_t dim, const real *vectors,
		   const real *spatial, const real *word, real *columns)
{
	ptrdiff_t left = (ptrdiff_t) (width - 1) / 2;

	for (size_t t = 0; t < batch->steps; t++)
		for (size_t b = 0; b < batch->active[t]; b++)
		{
			real *row = columns + (batch->offset[t] + b) * width * dim;

			for (size_t j = 0; j < width; j++, row += dim)
			{
				ptrdiff_t at = (ptrdiff_t) (t + j) - left;
				size_t source;

				if (at < 0 || at >= (ptrdiff_t) batch->length[b])
				{
					memset(row, 0, dim * sizeof(real));
					continue;
				}
				source = batch->offset[at] + b;
				if (spatial == NULL && word == NULL)
					memcpy(row, vectors + batch->token[source] * dim, dim * sizeof(real));
				else
					copy_scaled(dim, vectors + batch->token[source] * dim,
								spatial ? spatial + b * dim : NULL, word ? word[source] : 1, row);
			}
		}
}

void
nn_windows_backward(const nn_packed *batch, size_t width, size_t dim, const real *d_columns,
					const real *spatial, const real *word, real *d_vectors)
{
	ptrdiff_t left = (ptrdiff_t) (width - 1) / 2;

	for (size_t t = 0; t < batch->steps; t++)
		for (size_t b = 0; b < batch->active[t]; b++)
		{
			const real *row = d_columns + (batch->offset[t] + b) * width * dim;

			for (size_t j = 0; j < width; j++, row += dim)
			{
				ptrdiff_t at = (ptrdiff_t) (t + j) - left;
				size_t source;

				if (at < 0 || at >= (ptrdiff_t) batch->length[b])
					continue;
				source = batch->offset[at] + b;
				add_scaled(dim, row, spatial ? spatial + b * dim : NULL, word ? word[source] : 1,
						   d_vectors + batch->token[source] * dim);
			}
		}
}

void
nn_linear(size_t rows, size_t in, size_t out, const real *x, size_t ld_x, const real *weight,
		  const real *bias, real *y, size_t ld_y)
{
	nn_gemm(false, true, rows, out, in, 1, x, ld_x, weight, in, 0, y, ld_y);
	if (bias != NULL)
		nn_add_bias(rows, out, bias, y, ld_y);
}

void
nn_linear_backward(size_t rows, size_t in, size_t out, const real *x, size_t ld_x,
				   const real *weight, const real *d_y, size_t ld_dy, real *d_weight, real *d_bias,
				   real *d_x, size_t ld_dx, bool accumulate)
{
	nn_gemm(true, false, out, in, rows, 1, d_y, ld_dy, x, ld_x, 1, d_weight, in);
	if (d_bias != NULL)
		nn_add_bias_backward(rows, out, d_y, ld_dy, d_bias);
	if (d_x != NULL)
		nn_gemm(false, false, rows, in, out, 1, d_y, ld_dy, weight, in, accumulate ? 1 : 0, d_x,
				ld_dx);
}

void
nn_lstm(const nn_packed *batch, size_t hidden, bool backward, const real *weight, real *gates,
		size_t ld_gates, real *c, real *tanh_c, real *h, size_t ld_h)
{
	for (size_t step = 0; step < batch->steps; step++)
	{
		size_t t = backward ? batch->steps - 1 - step : step;
		size_t row = batch->offset[t];
		size_t fresh = batch->active[t];
		size_t previous;
		size_t known = nn_rows_with_history(batch, backward, t, &previous);

		if (known > 0)
		{
			size_t before = batch->offset[previous];

			nn_gemm(false, true, known, 4 * hidden, hidden, 1, h + before * ld_h, ld_h, weight,
					hidden, 1, gates + row * ld_gates, ld_gates);
			nn_lstm_gates(known, hidden, gates + row * ld_gates, ld_gates, c + before * hidden,
						  c + row * hidden, tanh_c ? tanh_c + row * hidden : NULL, h + row * ld_h,
						  ld_h);
			row += known;
			fresh -= known;
		}
		if (fresh > 0)
			nn_lstm_gates(fresh, hidden, gates + row * ld_gates, ld_gates, NULL, c + row * hidden,
						  tanh_c ? tanh_c + row * hidden : NULL, h + row * ld_h, ld_h);
	}
}

void
nn_lstm_backward(const nn_packed *batch, size_t hidden, bool backward, const real *weight,
				 real *gates, size_t ld_gates, const real *c, const real *tanh_c, const real *h,
				 real *d_h, size_t ld_h, real *scratch, real *d_weight)
{
	real *h_before = scratch;                   /* (N, H): h' of every row, zero where none */
	real *d_c = scratch + batch->rows * hidden; /* (B, H) */

	memset(d_c, 0, batch->sequences * hidden * sizeof(real));
	for (size_t step = 0; step < batch->steps; step++)
	{
		size_t t = backward ? step : batch->steps - 1 - step;
		size_t row = batch->offset[t];
		size_t fresh = batch->active[t];
		size_t previous;
		size_t known = nn_rows_with_history(batch, backward, t, &previous);
		real *d_c_row = d_c;

		if (known > 0)
		{
			size_t before = batch->offset[previous];

			nn_lstm_gates_backward(known, hidden, gates + row * ld_gates, ld_gates,
								   c + before * hidden, tanh_c + row * hidden, d_h + row * ld_h,
								   ld_h, d_c);
			nn_gemm(false, false, known, hidden, 4 * hidden, 1, gates + row * ld_gates, ld_gates,
					weight, hidden, 1, d_h + before * ld_h, ld_h);
			for (size_t b = 0; b < known; b++)
				memcpy(h_before + (row + b) * hidden, h + (before + b) * ld_h,
					   hidden * sizeof(real));
			row += known;
			fresh -= known;
			d_c_row += known * hidden;
		}
		if (fresh > 0)
		{
			nn_lstm_gates_backward(fresh, hidden, gates + row * ld_gates, ld_gates, NULL,
								   tanh_c + row * hidden, d_h + row * ld_h, ld_h, d_c_row);
			memset(h_before + row * hidden, 0, fresh * hidden * sizeof(real));
		}
	}
	nn_gemm(true, false, 4 * hidden, hidden, batch->rows, 1, gates, ld_gates, h_before, hidden, 1,
			d_weight, hidden);
}

void
nn_attention(const nn_packed *batch, size_t dim, size_t attention_dim, const real *x,
			 const real *weight, const real *bias, const real *query, real *u, real *attention,
			 real *pooled)
{
	nn_linear(batch->rows, dim, attention_dim, x, dim, weight, bias, u, attention_dim);
	nn_tanh(batch->rows * attention_dim, u, u);
	for (size_t row = 0; row < batch->rows; row++)
		attention[row] = nn_dot(attention_dim, u + row * attention_dim, query);
	nn_pool_rows(batch, dim, x, attention, pooled);
}

void
nn_pool_rows(const nn_packed *batch, size_t dim, const real *x, real *attention, real *pooled)
{
	memset(pooled, 0, batch->sequences * dim * sizeof(real));
	for (size_t b = 0; b < batch->sequences && batch->length[b] > 0; b++)
	{
		real largest = attention[b];
		real sum = 0;

		for (size_t t = 1; t < batch->length[b]; t++)
			if (attention[batch->offset[t] + b] > largest)
				largest = attention[batch->offset[t] + b];
		for (size_t t = 0; t < batch->length[b]; t++)
		{
			real *score = &attention[batch->offset[t] + b];

			*score -= largest;
			nn_exp(1, score, score);
			sum += *score;
		}
		for (size_t t = 0; t < batch->length[b]; t++)
		{
			size_t row = batch->offset[t] + b;

			attention[row] /= sum;
			nn_axpy(dim, attention[row], x + row * dim, pooled + b * dim);
		}
	}
}

void
nn_pool_rows_backward(const nn_packed *batch, size_t dim, const real *x, const real *attention,
					  const real *d_pooled, real *d_score, real *d_x)
{
	for (size_t b = 0; b < batch->sequences && batch->length[b] > 0; b++)
	{
		real mean = 0; /* sum over t of a_t d_a_t, the softmax's own derivative */

		for (size_t t = 0; t < batch->length[b]; t++)
		{
			size_t row = batch->offset[t] + b;

			d_score[row] = nn_dot(dim, d_pooled + b * dim, x + row * dim);
			mean += attention[row] * d_score[row];
		}
		for (size_t t = 0; t < batch->length[b]; t++)
		{
			size_t row = batch->offset[t] + b;

			d_score[row] = attention[row] * (d_score[row] - mean);
			for (size_t d = 0; d < dim; d++)
				d_x[row * dim + d] = attention[row] * d_pooled[b * dim + d];
		}
	}
}

void
nn_attention_backward(const nn_packed *batch, size_t dim, size_t attention_dim, const real *x,
					  const real *weight, const real *query, real *u, const real *attention,
					  const real *d_pooled, real *scratch, real *d_x, real *d_weight, real *d_bias,
					  real *d_query)
{
	real *d_score = scratch; /* (N) */

	nn_pool_rows_backward(batch, dim, x, attention, d_pooled, d_score, d_x);
	for (size_t row = 0; row < batch->rows; row++)
	{
		real *u_row = u + row * attention_dim;

		nn_axpy(attention_dim, d_score[row], u_row, d_query);
		for (size_t a = 0; a < attention_dim; a++)
			u_row[a] = d_score[row] * query[a] * (1 - u_row[a] * u_row[a]);
	}
	nn_linear_backward(batch->rows, dim, attention_dim, x, dim, weight, u, attention_dim, d_weight,
					   d_bias, d_x, dim, true);
}

void
nn_mix(size_t rows, size_t dim, const uint32_t *partner, const real *share, const real *x, real *y)
{
	memset(y, 0, rows * dim * sizeof(real));
	for (size_t row = 0; row < rows; row++)
	{
		nn_axpy(dim, share[row], x + row * dim, y + row * dim);
		nn_axpy(dim, 1 - share[row], x + partner[row] * dim, y + row * dim);
	}
}

void
nn_mix_backward(size_t rows, size_t dim, const uint32_t *partner, const real *share,
				const real *d_y, real *d_x)
{
	memset(d_x, 0, rows * dim * sizeof(real));
	for (size_t row = 0; row < rows; row++)
	{
		nn_axpy(dim, share[row], d_y + row * dim, d_x + row * dim);
		nn_axpy(dim, 1 - share[row], d_y + row * dim, d_x + partner[row] * dim);
	}
}
