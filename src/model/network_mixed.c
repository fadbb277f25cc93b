/*
 * network_mixed.c
 *	  Embedding -> Conv1D -> BiLSTM -> attention in mixed precision, forward and
 *	  backward.
 *
 * Windows are not kept: they are made again, some rows at a time, where a product
 * needs them. So are dropout's factors and tanh(c). Pre-activations live for one step.
 */
#include "network_mixed.h"

#include <string.h>

#include "../nn/activation.h"
#include "../nn/layers.h"
#include "../nn/random.h"

/* Rows of the convolution at a time: their windows stay in a second-level cache. */
#define BLOCK 256

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t
network_mixed_take(const network_layout *layout, const nn_packed *batch, nn_arena *arena,
				   network_mixed_pass *pass)
{
	size_t n = batch->rows;
	size_t hidden = layout->hidden;
	size_t window = network_widest_kernel(layout) * layout->embedding;
	size_t conv_or_u = layout->conv > layout->attention ? layout->conv : layout->attention;
	size_t block = smaller(n, BLOCK);
	size_t step = batch->sequences;
	const struct
	{
		void *place; /* of a pointer */
		size_t elements, size;
	} table[] = {
		{ &pass->conv, n * layout->conv, sizeof(nn_bf16) },
		{ &pass->gates, n * 8 * hidden, sizeof(nn_bf16) },
		{ &pass->c, n * 2 * hidden, sizeof(nn_bf16) },
		{ &pass->u, n * layout->attention, sizeof(nn_bf16) },
		{ &pass->windows, block * window, sizeof(nn_bf16) },
		{ &pass->window, window, sizeof(real) },
		{ &pass->block, block * (window > conv_or_u ? window : conv_or_u), sizeof(real) },
		{ &pass->block_conv, block * layout->conv, sizeof(real) },
		{ &pass->h_before, block * hidden, sizeof(nn_bf16) },
		{ &pass->step_gates, step * 4 * hidden, sizeof(real) },
		{ &pass->step_c, step * hidden, sizeof(real) },
		{ &pass->step_d_c, step * hidden, sizeof(real) },
		{ &pass->step_tanh, step * hidden, sizeof(real) },
		{ &pass->product, nn_bf16_workspace(), 1 },
	};
	size_t bytes = 0;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
	{
		bytes += nn_arena_room(table[i].elements, table[i].size);
		if (arena != NULL)
		{
			void *taken = nn_arena_take(arena, table[i].elements, table[i].size);

			memcpy(table[i].place, &taken, sizeof(taken));
		}
	}
	return bytes;
}

/* A row's step and text. */
typedef struct place
{
	size_t t, b;
} place;

static place
place_of(const nn_packed *batch, size_t row)
{
	place at = { 0, 0 };

	while (batch->offset[at.t + 1] <= row)
		at.t++;
	at.b = row - batch->offset[at.t];
	return at;
}

static void
move_on(const nn_packed *batch, place *at)
{
	if (++at->b == batch->active[at->t])
	{
		at->b = 0;
		at->t++;
	}
}

/* The row of the token j places into the window of (t, b), or SIZE_MAX outside the text. */
static size_t
row_in_window(const nn_packed *batch, place at, size_t j, size_t widest)
{
	ptrdiff_t t = (ptrdiff_t) (at.t + j) - (ptrdiff_t) (widest - 1) / 2;

	if (t < 0 || t >= (ptrdiff_t) batch->length[at.b])
		return SIZE_MAX;
	return batch->offset[t] + at.b;
}

/* nn_windows of rows first..first+count-1, as bf16. */
static void
make_windows(const nn_packed *batch, size_t widest, size_t dim, const network_pass *pass,
			 size_t first, size_t count)
{
	const network_mixed_pass *mixed = &pass->mixed;
	place at = place_of(batch, first);

	for (size_t i = 0; i < count; i++, move_on(batch, &at))
	{
		for (size_t j = 0; j < widest; j++)
		{
			real *vector = mixed->window + j * dim;
			size_t source = row_in_window(batch, at, j, widest);

			if (source == SIZE_MAX)
			{
				memset(vector, 0, dim * sizeof(real));
				continue;
			}
			memcpy(vector, pass->vectors + batch->token[source] * dim, dim * sizeof(real));
			if (pass->spatial)
				nn_multiply(dim, pass->spatial + at.b * dim, vector);
			if (pass->word)
				nn_scale(dim, pass->word[source], vector);
		}
		nn_bf16_round(widest * dim, mixed->window, mixed->windows + i * widest * dim);
	}
}

/* nn_windows_backward of such rows; d_windows: spoilt. */
static void
add_windows(const nn_packed *batch, size_t widest, size_t dim, const network_pass *pass,
			size_t first, size_t count, real *d_windows, real *d_vectors)
{
	place at = place_of(batch, first);

	for (size_t i = 0; i < count; i++, move_on(batch, &at))
		for (size_t j = 0; j < widest; j++, d_windows += dim)
		{
			size_t source = row_in_window(batch, at, j, widest);

			if (source == SIZE_MAX)
				continue;
			if (pass->spatial)
				nn_multiply(dim, pass->spatial + at.b * dim, d_windows);
			nn_axpy(dim, pass->word ? pass->word[source] : 1, d_windows,
					d_vectors + batch->token[source] * dim);
		}
}

/* Rows first..first+count-1 of the convolution, as network_forward has them. */
static void
convolve(const network_copies *copies, const real *dense, const nn_packed *batch,
		 const network_dropout *dropout, network_pass *pass, size_t first, size_t count)
{
	const network_layout *layout = copies->layout;
	const network_mixed_pass *mixed = &pass->mixed;
	size_t widest = network_widest_kernel(layout);
	size_t dim = layout->embedding;
	size_t filters = (size_t) layout->config.filters;
	double rate = layout->config.dropout_conv;
	real *y = mixed->block_conv;

	make_windows(batch, widest, dim, pass, first, count);
	for (int i = 0; i < layout->config.kernel_widths.count; i++)
	{
		size_t skipped =
			network_first_word(widest, (size_t) layout->config.kernel_widths.values[i]);

		nn_gemm_panels(count, nn_halves(mixed->windows + skipped * dim, widest * dim, false),
					   &copies->conv[i], false, y + (size_t) i * filters, layout->conv,
					   mixed->product);
		nn_add_bias(count, filters, dense + copies->at.conv_bias[i], y + (size_t) i * filters,
					layout->conv);
	}
	nn_relu(count * layout->conv, y, y);
	if (rate > 0)
	{
		place at = place_of(batch, first);

		for (size_t i = 0; i < count; i++, move_on(batch, &at))
		{
			nn_random_key key = { dropout->seed, NN_STREAM_CONV_DROPOUT, dropout->epoch,
								  dropout->sample[at.b] };

			nn_dropout_mask(&key, (uint64_t) at.t * layout->conv, layout->conv, (real) rate,
							mixed->block + i * layout->conv);
		}
		nn_multiply(count * layout->conv, mixed->block, y);
	}
	nn_bf16_round(count * layout->conv, y, mixed->conv + first * layout->conv);
}

static void
run_lstm(const network_copies *copies, const real *dense, const nn_packed *batch, size_t direction,
		 network_pass *pass)
{
	const network_layout *layout = copies->layout;
	const network_mixed_pass *mixed = &pass->mixed;
	size_t hidden = layout->hidden;
	const real *bias = dense + copies->at.lstm_bias + direction * 4 * hidden;
	real *h = pass->h_kept + direction * hidden;
	nn_bf16 *gates_kept = mixed->gates + direction * batch->rows * 4 * hidden;
	nn_bf16 *c_kept = mixed->c + direction * batch->rows * hidden;
	real *gates = mixed->step_gates;
	real *c = mixed->step_c;

	for (size_t step = 0; step < batch->steps; step++)
	{
		size_t t = direction == 1 ? batch->steps - 1 - step : step;
		size_t row = batch->offset[t];
		size_t active = batch->active[t];
		size_t previous;
		size_t known = nn_rows_with_history(batch, direction == 1, t, &previous);

		nn_gemm_panels(active, nn_halves(mixed->conv + row * layout->conv, layout->conv, false),
					   &copies->input[direction], false, gates, 4 * hidden, mixed->product);
		nn_add_bias(active, 4 * hidden, bias, gates, 4 * hidden);
		if (known > 0)
		{
			nn_gemm_panels(known,
						   nn_reals(h + batch->offset[previous] * 2 * hidden, 2 * hidden, false),
						   &copies->recurrent[direction], true, gates, 4 * hidden, mixed->product);
			nn_lstm_gates(known, hidden, gates, 4 * hidden, c, c, NULL, h + row * 2 * hidden,
						  2 * hidden);
		}
		if (active > known)
			nn_lstm_gates(active - known, hidden, gates + known * 4 * hidden, 4 * hidden, NULL,
						  c + known * hidden, NULL, h + (row + known) * 2 * hidden, 2 * hidden);
		nn_bf16_round(active * 4 * hidden, gates, gates_kept + row * 4 * hidden);
		nn_bf16_round(active * hidden, c, c_kept + row * hidden);
	}
}

void
network_mixed_forward(const real *dense, const nn_packed *batch, const network_dropout *dropout,
					  network_pass *pass)
{
	const network_copies *copies = pass->copies;

	for (size_t row = 0; row < batch->rows; row += BLOCK)
		convolve(copies, dense, batch, dropout, pass, row, smaller(batch->rows - row, BLOCK));
	for (size_t direction = 0; direction < 2; direction++)
		run_lstm(copies, dense, batch, direction, pass);
}

void
network_mixed_attention(const real *dense, const nn_packed *batch, network_pass *pass, real *pooled)
{
	const network_copies *copies = pass->copies;
	const network_mixed_pass *mixed = &pass->mixed;
	size_t units = copies->layout->attention;
	size_t dim = 2 * copies->layout->hidden;

	for (size_t row = 0; row < batch->rows; row += BLOCK)
	{
		size_t count = smaller(batch->rows - row, BLOCK);
		real *u = mixed->block;

		nn_gemm_panels(count, nn_reals(pass->h + row * dim, dim, false), &copies->attention, false,
					   u, units, mixed->product);
		nn_add_bias(count, units, dense + copies->at.attention_bias, u, units);
		nn_tanh(count * units, u, u);
		for (size_t i = 0; i < count; i++)
			pass->attention[row + i] =
				nn_dot(units, u + i * units, dense + copies->at.attention_query);
		nn_bf16_round(count * units, u, mixed->u + row * units);
	}
	nn_pool_rows(batch, dim, pass->h, pass->attention, pooled);
}

void
network_mixed_attention_backward(const real *dense, const nn_packed *batch, network_pass *pass,
								 const real *d_pooled, real *scratch, real *d_h, real *d_dense)
{
	const network_copies *copies = pass->copies;
	const network_mixed_pass *mixed = &pass->mixed;
	const real *query = dense + copies->at.attention_query;
	size_t units = copies->layout->attention;
	size_t dim = 2 * copies->layout->hidden;
	real *d_score = scratch; /* (N) */

	nn_pool_rows_backward(batch, dim, pass->h, pass->attention, d_pooled, d_score, d_h);
	for (size_t row = 0; row < batch->rows; row += BLOCK)
	{
		size_t count = smaller(batch->rows - row, BLOCK);
		real *d_u = mixed->block; /* of the pre-activations */

		nn_bf16_widen(count * units, mixed->u + row * units, d_u);
		for (size_t i = 0; i < count; i++)
		{
			real *u = d_u + i * units;

			nn_axpy(units, d_score[row + i], u, d_dense + copies->at.attention_query);
			for (size_t a = 0; a < units; a++)
				u[a] = d_score[row + i] * query[a] * (1 - u[a] * u[a]);
		}
		nn_add_bias_backward(count, units, d_u, units, d_dense + copies->at.attention_bias);
		nn_gemm_bf16(units, dim, count, nn_reals(d_u, units, true),
					 nn_reals(pass->h + row * dim, dim, false), true,
					 d_dense + copies->at.attention_weight, dim, mixed->product);
		nn_gemm_panels(count, nn_reals(d_u, units, false), &copies->attention_back, true,
					   d_h + row * dim, dim, mixed->product);
	}
}

/* Leaves the gradients of the pre-activations where the gates were. */
static void
run_lstm_backward(const network_copies *copies, const nn_packed *batch, size_t direction,
				  const network_mixed_pass *mixed, real *d_h, real *d_bias)
{
	size_t hidden = copies->layout->hidden;
	nn_bf16 *gates_kept = mixed->gates + direction * batch->rows * 4 * hidden;
	const nn_bf16 *c_kept = mixed->c + direction * batch->rows * hidden;
	real *gates = mixed->step_gates;
	real *d_c = mixed->step_d_c;

	d_h += direction * hidden;
	memset(d_c, 0, batch->sequences * hidden * sizeof(real));
	for (size_t step = 0; step < batch->steps; step++)
	{
		size_t t = direction == 1 ? step : batch->steps - 1 - step;
		size_t row = batch->offset[t];
		size_t active = batch->active[t];
		size_t previous;
		size_t known = nn_rows_with_history(batch, direction == 1, t, &previous);
		nn_bf16 *here = gates_kept + row * 4 * hidden;

		nn_bf16_widen(active * 4 * hidden, here, gates);
		nn_bf16_widen(active * hidden, c_kept + row * hidden, mixed->step_tanh);
		nn_tanh(active * hidden, mixed->step_tanh, mixed->step_tanh);
		if (known > 0)
		{
			nn_bf16_widen(known * hidden, c_kept + batch->offset[previous] * hidden, mixed->step_c);
			nn_lstm_gates_backward(known, hidden, gates, 4 * hidden, mixed->step_c,
								   mixed->step_tanh, d_h + row * 2 * hidden, 2 * hidden, d_c);
		}
		if (active > known)
			nn_lstm_gates_backward(active - known, hidden, gates + known * 4 * hidden, 4 * hidden,
								   NULL, mixed->step_tanh + known * hidden,
								   d_h + (row + known) * 2 * hidden, 2 * hidden,
								   d_c + known * hidden);
		nn_add_bias_backward(active, 4 * hidden, gates, 4 * hidden, d_bias);
		nn_bf16_round(active * 4 * hidden, gates, here);
		if (known > 0)
			nn_gemm_panels(known, nn_halves(here, 4 * hidden, false),
						   &copies->recurrent_back[direction], true,
						   d_h + batch->offset[previous] * 2 * hidden, 2 * hidden, mixed->product);
	}
}

/* h of the step before, for each of these rows; zeros where there was none. */
static void
gather_h_before(const nn_packed *batch, size_t direction, size_t hidden, const network_pass *pass,
				size_t first, size_t count)
{
	nn_bf16 *to = pass->mixed.h_before;
	place at = place_of(batch, first);

	for (size_t i = 0; i < count; i++, move_on(batch, &at), to += hidden)
	{
		size_t previous;

		if (at.b < nn_rows_with_history(batch, direction == 1, at.t, &previous))
			nn_bf16_round(hidden,
						  pass->h_kept + (batch->offset[previous] + at.b) * 2 * hidden +
							  direction * hidden,
						  to);
		else
			memset(to, 0, hidden * sizeof(nn_bf16));
	}
}

/* Of these rows: the LSTM's weights, and the gradient of its input into block_conv. */
static void
lstm_weights_backward(const network_copies *copies, const nn_packed *batch,
					  const network_pass *pass, size_t first, size_t count, real *d_dense)
{
	const network_layout *layout = copies->layout;
	const network_mixed_pass *mixed = &pass->mixed;
	size_t hidden = layout->hidden;
	size_t conv = layout->conv;

	for (size_t direction = 0; direction < 2; direction++)
	{
		const nn_bf16 *d_gates = mixed->gates + (direction * batch->rows + first) * 4 * hidden;
		real *d_input = d_dense + copies->at.lstm_input + direction * 4 * hidden * conv;
		real *d_recurrent = d_dense + copies->at.lstm_recurrent + direction * 4 * hidden * hidden;

		gather_h_before(batch, direction, hidden, pass, first, count);
		nn_gemm_bf16(4 * hidden, hidden, count, nn_halves(d_gates, 4 * hidden, true),
					 nn_halves(mixed->h_before, hidden, false), true, d_recurrent, hidden,
					 mixed->product);
		nn_gemm_bf16(4 * hidden, conv, count, nn_halves(d_gates, 4 * hidden, true),
					 nn_halves(mixed->conv + first * conv, conv, false), true, d_input, conv,
					 mixed->product);
		nn_gemm_panels(count, nn_halves(d_gates, 4 * hidden, false), &copies->input_back[direction],
					   direction > 0, mixed->block_conv, conv, mixed->product);
	}
}

/* Of these rows, whose gradient is in block_conv: the convolution's weights and the embedding. */
static void
convolve_backward(const network_copies *copies, const nn_packed *batch, const network_pass *pass,
				  size_t first, size_t count, real *d_dense, real *d_embedding)
{
	const network_layout *layout = copies->layout;
	const network_mixed_pass *mixed = &pass->mixed;
	size_t widest = network_widest_kernel(layout);
	size_t dim = layout->embedding;
	size_t filters = (size_t) layout->config.filters;
	size_t cells = count * layout->conv;
	real *d_conv = mixed->block_conv;
	double rate = layout->config.dropout_conv;

	/* a unit that was dropped is 0, and a factor of dropout else the same for all */
	nn_bf16_widen(cells, mixed->conv + first * layout->conv, mixed->block);
	nn_relu_backward(cells, mixed->block, d_conv, d_conv);
	if (rate > 0)
		nn_scale(cells, 1 / (1 - (real) rate), d_conv);

	make_windows(batch, widest, dim, pass, first, count);
	if (d_embedding != NULL)
		memset(mixed->block, 0, count * widest * dim * sizeof(real));
	for (int i = 0; i < layout->config.kernel_widths.count; i++)
	{
		size_t width = (size_t) layout->config.kernel_widths.values[i];
		size_t skipped = network_first_word(widest, width);
		const real *d_y = d_conv + (size_t) i * filters;

		nn_add_bias_backward(count, filters, d_y, layout->conv, d_dense + copies->at.conv_bias[i]);
		nn_gemm_bf16(filters, width * dim, count, nn_reals(d_y, layout->conv, true),
					 nn_halves(mixed->windows + skipped * dim, widest * dim, false), true,
					 d_dense + copies->at.conv_weight[i], width * dim, mixed->product);
		if (d_embedding != NULL)
			nn_gemm_panels(count, nn_reals(d_y, layout->conv, false), &copies->conv_back[i], true,
						   mixed->block + skipped * dim, widest * dim, mixed->product);
	}
	if (d_embedding != NULL)
		add_windows(batch, widest, dim, pass, first, count, mixed->block, d_embedding);
}

void
network_mixed_backward(const nn_packed *batch, network_pass *pass, real *d_h, real *d_dense,
					   real *d_embedding)
{
	const network_copies *copies = pass->copies;
	size_t hidden = copies->layout->hidden;

	for (size_t direction = 0; direction < 2; direction++)
		run_lstm_backward(copies, batch, direction, &pass->mixed, d_h,
						  d_dense + copies->at.lstm_bias + direction * 4 * hidden);
	for (size_t row = 0; row < batch->rows; row += BLOCK)
	{
		size_t count = smaller(batch->rows - row, BLOCK);

		lstm_weights_backward(copies, batch, pass, row, count, d_dense);
		convolve_backward(copies, batch, pass, row, count, d_dense, d_embedding);
	}
}
