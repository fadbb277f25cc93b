/*
 * network.c
 *	  Forward and backward of embedding -> Conv1D -> BiLSTM -> attention -> linear.
 */
#include "network.h"

#include <math.h>
#include <string.h>

#include "../nn/activation.h"
#include "../nn/layers.h"
#include "../nn/matmul.h"
#include "../nn/random.h"
#include "network_mixed.h"
#include "network_places.h"

static void
fill_uniform(real *weight, size_t count, double bound, uint64_t seed, uint32_t tensor)
{
	nn_random_key key = { seed, NN_STREAM_INIT, 0, tensor };

	for (size_t i = 0; i < count; i++)
		weight[i] = (real) ((2 * (double) nn_random_uniform(&key, i) - 1) * bound);
}

static double
glorot(double in, double out)
{
	return sqrt(6.0 / (in + out));
}

void
network_init(const network_layout *layout, uint64_t seed, const double *prior, real *embedding,
			 real *dense)
{
	size_t hidden = layout->hidden;

	/* the embedding counts as tensor UINT32_MAX, so that layers never share its numbers */
	fill_uniform(embedding, layout->vocabulary * layout->embedding, 0.1, seed, UINT32_MAX);
	memset(embedding, 0, layout->embedding * sizeof(real));
	/* an n-gram that training never sees must add nothing to a word's meaning */
	memset(embedding + layout->vocabulary * layout->embedding, 0,
		   layout->buckets * layout->embedding * sizeof(real));
	memset(dense, 0, layout->dense * sizeof(real));

	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		const network_tensor *tensor = &layout->tensors[i];
		real *weight = dense + tensor->offset;
		double bound = 0;

		switch (tensor->kind)
		{
			case TENSOR_CONV_WEIGHT:
				bound = glorot((double) (tensor->shape[1] * tensor->shape[2]),
							   (double) (tensor->shape[1] * tensor->shape[0]));
				break;
			case TENSOR_LSTM_INPUT:
				bound = glorot((double) layout->conv, (double) hidden);
				break;
			case TENSOR_LSTM_RECURRENT:
				bound = 1 / sqrt((double) hidden);
				break;
			case TENSOR_LSTM_BIAS:
				for (size_t direction = 0; direction < 2; direction++)
					for (size_t j = 0; j < hidden; j++)
						weight[direction * 4 * hidden + hidden + j] = 1;
				break;
			case TENSOR_ATTENTION_WEIGHT:
				bound = glorot(2 * (double) hidden, (double) layout->attention);
				break;
			case TENSOR_ATTENTION_QUERY:
				bound = glorot((double) layout->attention, 1);
				break;
			case TENSOR_OUTPUT_WEIGHT:
				bound = glorot(2 * (double) hidden, (double) layout->labels);
				break;
			case TENSOR_OUTPUT_BIAS:
				for (size_t label = 0; prior != NULL && label < layout->labels; label++)
				{
					double share = fmin(fmax(prior[label], 1e-6), 1 - 1e-6);

					weight[label] = (real) log(share / (1 - share));
				}
				break;
			case TENSOR_CONV_BIAS:
			case TENSOR_ATTENTION_BIAS:
				break;
		}
		if (bound > 0)
			fill_uniform(weight, tensor->elements, bound, seed, (uint32_t) i);
	}
}

/*
 * What a pass takes from its arena, in one place for counting and for taking:
 * arena NULL counts. Returns the elements asked for.
 */
static size_t
take_pass(const network_layout *layout, const nn_packed *batch, const network_dropout *dropout,
		  nn_arena *arena, network_pass *pass)
{
	const model_config *config = &layout->config;
	bool training = dropout != NULL;
	bool mixed = training && dropout->copies != NULL;
	size_t masks = training && dropout->pooled_masks > 0 ? dropout->pooled_masks : 1;
	size_t n = batch->rows;
	size_t hidden = layout->hidden;
	bool word = training && config->dropout_word > 0;
	bool spatial = training && config->dropout_embedding > 0;
	bool conv = training && !mixed && config->dropout_conv > 0;
	bool state = training && config->dropout_hidden > 0;
	bool pooled = training && config->dropout_pooled > 0;
	const struct
	{
		real **place;
		bool wanted;
		size_t elements;
	} table[] = {
		{ &pass->vectors, true, batch->distinct * layout->embedding },
		{ &pass->spatial, spatial, batch->sequences * layout->embedding },
		{ &pass->word, word, n },
		{ &pass->columns, !mixed, n * network_widest_kernel(layout) * layout->embedding },
		{ &pass->conv, !mixed, n * layout->conv },
		{ &pass->conv_mask, conv, n * layout->conv },
		{ &pass->gates, !mixed, n * 8 * hidden },
		{ &pass->c, !mixed, n * 2 * hidden },
		{ &pass->tanh_c, training && !mixed, n * 2 * hidden },
		{ &pass->h, true, n * 2 * hidden },
		{ &pass->h_kept, state, n * 2 * hidden },
		{ &pass->h_mask, state, n * 2 * hidden },
		{ &pass->u, !mixed, n * layout->attention },
		{ &pass->attention, true, n },
		{ &pass->unmixed, training, batch->sequences * 2 * hidden },
		{ &pass->pooled, true, masks * batch->sequences * 2 * hidden },
		{ &pass->pooled_mask, pooled, masks * batch->sequences * 2 * hidden },
	};
	size_t bytes = 0;

	pass->pooled_masks = masks;
	pass->copies = mixed ? dropout->copies : NULL;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
	{
		*table[i].place = NULL;
		if (!table[i].wanted)
			continue;
		bytes += nn_arena_room(table[i].elements, sizeof(real));
		if (arena != NULL)
			*table[i].place = nn_arena_take(arena, table[i].elements, sizeof(real));
	}
	if (mixed)
		bytes += network_mixed_take(layout, batch, arena, &pass->mixed);
	return bytes;
}

/* What a backward pass takes besides. */
typedef struct backward_scratch
{
	real *d_pooled; /* (S, B, 2H) */
	real *d_h;      /* (N, 2H) */
	real *lstm;     /* (N + B) H, or N for the attention */
	real *d_conv;   /* (N, F) */
} backward_scratch;

static size_t
take_backward(const network_layout *layout, const nn_packed *batch, const network_pass *pass,
			  nn_arena *arena, backward_scratch *scratch)
{
	bool mixed = pass->copies != NULL;
	size_t hidden = layout->hidden;
	const struct
	{
		real **place;
		size_t elements;
	} table[] = {
		{ &scratch->d_pooled, pass->pooled_masks * batch->sequences * 2 * hidden },
		{ &scratch->d_h, batch->rows * 2 * hidden },
		{ &scratch->lstm, mixed ? batch->rows : (batch->rows + batch->sequences) * hidden },
		{ &scratch->d_conv, mixed ? 0 : batch->rows * layout->conv },
	};
	size_t bytes = 0;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
	{
		bytes += nn_arena_room(table[i].elements, sizeof(real));
		if (arena != NULL)
			*table[i].place = nn_arena_take(arena, table[i].elements, sizeof(real));
	}
	return bytes;
}

size_t
network_workspace(const network_layout *layout, const nn_packed *batch,
				  const network_dropout *dropout)
{
	network_pass pass;
	backward_scratch scratch;
	size_t bytes = take_pass(layout, batch, dropout, NULL, &pass);

	if (dropout != NULL)
		bytes += take_backward(layout, batch, &pass, NULL, &scratch);
	return bytes;
}

/* One row of dropout factors per (text, position), from numbers named by sample and position alone. */
static void
mask_rows(const nn_packed *batch, const network_dropout *dropout, nn_stream stream, size_t dim,
		  double rate, real *mask)
{
	for (size_t t = 0; t < batch->steps; t++)
		for (size_t b = 0; b < batch->active[t]; b++)
		{
			nn_random_key key = { dropout->seed, stream, dropout->epoch, dropout->sample[b] };

			nn_dropout_mask(&key, (uint64_t) t * dim, dim, (real) rate,
							mask + (batch->offset[t] + b) * dim);
		}
}

/* One row of dropout factors per text; which: of several, from 0. */
static void
mask_sequences(const nn_packed *batch, const network_dropout *dropout, nn_stream stream,
			   size_t which, size_t dim, double rate, real *mask)
{
	for (size_t b = 0; b < batch->sequences; b++)
	{
		nn_random_key key = { dropout->seed, stream, dropout->epoch, dropout->sample[b] };

		nn_dropout_mask(&key, which * dim, dim, (real) rate, mask + b * dim);
	}
}

static void
fill_masks(const network_layout *layout, const nn_packed *batch, const network_dropout *dropout,
		   network_pass *pass)
{
	const model_config *config = &layout->config;

	if (pass->word)
		mask_rows(batch, dropout, NN_STREAM_WORD_DROPOUT, 1, config->dropout_word, pass->word);
	if (pass->spatial)
		mask_sequences(batch, dropout, NN_STREAM_SPATIAL_DROPOUT, 0, layout->embedding,
					   config->dropout_embedding, pass->spatial);
	if (pass->conv_mask)
		mask_rows(batch, dropout, NN_STREAM_CONV_DROPOUT, layout->conv, config->dropout_conv,
				  pass->conv_mask);
	if (pass->h_mask)
		mask_rows(batch, dropout, NN_STREAM_HIDDEN_DROPOUT, 2 * layout->hidden,
				  config->dropout_hidden, pass->h_mask);
	for (size_t i = 0; pass->pooled_mask && i < pass->pooled_masks; i++)
		mask_sequences(batch, dropout, NN_STREAM_POOL_DROPOUT, i, 2 * layout->hidden,
					   config->dropout_pooled,
					   pass->pooled_mask + i * batch->sequences * 2 * layout->hidden);
}

/* From the vectors to h_kept. */
static void
encode(const network_layout *layout, const network_places *at, const real *dense,
	   const nn_packed *batch, network_pass *pass)
{
	size_t n = batch->rows;
	size_t hidden = layout->hidden;
	size_t widest = network_widest_kernel(layout);

	nn_windows(batch, widest, layout->embedding, pass->vectors, pass->spatial, pass->word,
			   pass->columns);
	for (int i = 0; i < layout->config.kernel_widths.count; i++)
	{
		size_t width = (size_t) layout->config.kernel_widths.values[i];
		size_t filters = (size_t) layout->config.filters;
		real *y = pass->conv + (size_t) i * filters;

		/* ld of the columns is the widest kernel's, so nn_linear's weight stays contiguous */
		nn_linear(n, width * layout->embedding, filters,
				  pass->columns + network_first_word(widest, width) * layout->embedding,
				  widest * layout->embedding, dense + at->conv_weight[i], dense + at->conv_bias[i],
				  y, layout->conv);
	}
	nn_relu(n * layout->conv, pass->conv, pass->conv);
	if (pass->conv_mask)
		nn_multiply(n * layout->conv, pass->conv_mask, pass->conv);

	nn_linear(n, layout->conv, 8 * hidden, pass->conv, layout->conv, dense + at->lstm_input,
			  dense + at->lstm_bias, pass->gates, 8 * hidden);
	for (size_t direction = 0; direction < 2; direction++)
		nn_lstm(batch, hidden, direction == 1,
				dense + at->lstm_recurrent + direction * 4 * hidden * hidden,
				pass->gates + direction * 4 * hidden, 8 * hidden, pass->c + direction * n * hidden,
				pass->tanh_c ? pass->tanh_c + direction * n * hidden : NULL,
				pass->h_kept + direction * hidden, 2 * hidden);
}

void
network_forward(const network_layout *layout, const network_weights *weights,
				const nn_packed *batch, const network_dropout *dropout, nn_arena *arena,
				network_pass *pass, real *logits)
{
	const network_places at = network_find_places(layout);
	const real *dense = weights->dense;
	size_t n = batch->rows;
	size_t hidden = layout->hidden;
	size_t pooled = batch->sequences * 2 * hidden;

	take_pass(layout, batch, dropout, arena, pass);
	pass->partner = dropout ? dropout->partner : NULL;
	pass->share = dropout ? dropout->share : NULL;
	if (dropout != NULL)
		fill_masks(layout, batch, dropout, pass);

	nn_embedding(batch, layout->embedding, weights->embedding, pass->vectors);
	if (!pass->h_kept)
		pass->h_kept = pass->h;
	if (pass->copies)
		network_mixed_forward(dense, batch, dropout, pass);
	else
		encode(layout, &at, dense, batch, pass);
	if (pass->h_mask)
	{
		memcpy(pass->h, pass->h_kept, n * 2 * hidden * sizeof(real));
		nn_multiply(n * 2 * hidden, pass->h_mask, pass->h);
	}

	if (pass->copies)
		network_mixed_attention(dense, batch, pass, pass->partner ? pass->unmixed : pass->pooled);
	else
		nn_attention(batch, 2 * hidden, layout->attention, pass->h, dense + at.attention_weight,
					 dense + at.attention_bias, dense + at.attention_query, pass->u,
					 pass->attention, pass->partner ? pass->unmixed : pass->pooled);
	if (pass->partner)
		nn_mix(batch->sequences, 2 * hidden, pass->partner, pass->share, pass->unmixed,
			   pass->pooled);
	for (size_t i = 1; i < pass->pooled_masks; i++)
		memcpy(pass->pooled + i * pooled, pass->pooled, pooled * sizeof(real));
	if (pass->pooled_mask)
		nn_multiply(pass->pooled_masks * pooled, pass->pooled_mask, pass->pooled);
	nn_linear(pass->pooled_masks * batch->sequences, 2 * hidden, layout->labels, pass->pooled,
			  2 * hidden, dense + at.output_weight, dense + at.output_bias, logits, layout->labels);
}

/* From scratch->d_h, the gradient of what encode() made, to those of weights and embedding. */
static void
encode_backward(const network_layout *layout, const network_places *at, const real *dense,
				const nn_packed *batch, network_pass *pass, const backward_scratch *scratch,
				real *d_dense, real *d_embedding)
{
	size_t n = batch->rows;
	size_t hidden = layout->hidden;
	size_t widest = network_widest_kernel(layout);
	size_t filters = (size_t) layout->config.filters;

	for (size_t direction = 0; direction < 2; direction++)
	{
		size_t recurrent = at->lstm_recurrent + direction * 4 * hidden * hidden;

		nn_lstm_backward(batch, hidden, direction == 1, dense + recurrent,
						 pass->gates + direction * 4 * hidden, 8 * hidden,
						 pass->c + direction * n * hidden, pass->tanh_c + direction * n * hidden,
						 pass->h_kept + direction * hidden, scratch->d_h + direction * hidden,
						 2 * hidden, scratch->lstm, d_dense + recurrent);
	}
	nn_linear_backward(n, layout->conv, 8 * hidden, pass->conv, layout->conv,
					   dense + at->lstm_input, pass->gates, 8 * hidden, d_dense + at->lstm_input,
					   d_dense + at->lstm_bias, scratch->d_conv, layout->conv, false);

	/* a dropped unit is 0 after ReLU and dropout, so that one comparison serves both */
	nn_relu_backward(n * layout->conv, pass->conv, scratch->d_conv, scratch->d_conv);
	if (pass->conv_mask)
		nn_multiply(n * layout->conv, pass->conv_mask, scratch->d_conv);
	for (int i = 0; i < layout->config.kernel_widths.count; i++)
	{
		size_t width = (size_t) layout->config.kernel_widths.values[i];

		nn_linear_backward(n, width * layout->embedding, filters,
						   pass->columns + network_first_word(widest, width) * layout->embedding,
						   widest * layout->embedding, dense + at->conv_weight[i],
						   scratch->d_conv + (size_t) i * filters, layout->conv,
						   d_dense + at->conv_weight[i], d_dense + at->conv_bias[i], NULL, 0,
						   false);
	}

	if (d_embedding == NULL)
		return;
	/* the columns have served: their place takes their gradient */
	memset(pass->columns, 0, n * widest * layout->embedding * sizeof(real));
	for (int i = 0; i < layout->config.kernel_widths.count; i++)
	{
		size_t width = (size_t) layout->config.kernel_widths.values[i];

		nn_gemm(false, false, n, width * layout->embedding, filters, 1,
				scratch->d_conv + (size_t) i * filters, layout->conv, dense + at->conv_weight[i],
				width * layout->embedding, 1,
				pass->columns + network_first_word(widest, width) * layout->embedding,
				widest * layout->embedding);
	}
	nn_windows_backward(batch, widest, layout->embedding, pass->columns, pass->spatial, pass->word,
						d_embedding);
}

void
network_backward(const network_layout *layout, const network_weights *weights,
				 const nn_packed *batch, network_pass *pass, const real *d_logits, nn_arena *arena,
				 real *d_dense, real *d_embedding)
{
	const network_places at = network_find_places(layout);
	const real *dense = weights->dense;
	size_t n = batch->rows;
	size_t hidden = layout->hidden;
	size_t pooled = batch->sequences * 2 * hidden;
	backward_scratch scratch;

	take_backward(layout, batch, pass, arena, &scratch);

	nn_linear_backward(pass->pooled_masks * batch->sequences, 2 * hidden, layout->labels,
					   pass->pooled, 2 * hidden, dense + at.output_weight, d_logits, layout->labels,
					   d_dense + at.output_weight, d_dense + at.output_bias, scratch.d_pooled,
					   2 * hidden, false);
	if (pass->pooled_mask)
		nn_multiply(pass->pooled_masks * pooled, pass->pooled_mask, scratch.d_pooled);
	for (size_t i = 1; i < pass->pooled_masks; i++)
		nn_axpy(pooled, 1, scratch.d_pooled + i * pooled, scratch.d_pooled);
	if (pass->partner)
	{
		/* the unmixed vectors have served: their place takes their gradient */
		nn_mix_backward(batch->sequences, 2 * hidden, pass->partner, pass->share, scratch.d_pooled,
						pass->unmixed);
		scratch.d_pooled = pass->unmixed;
	}
	if (pass->copies)
		network_mixed_attention_backward(dense, batch, pass, scratch.d_pooled, scratch.lstm,
										 scratch.d_h, d_dense);
	else
		nn_attention_backward(batch, 2 * hidden, layout->attention, pass->h,
							  dense + at.attention_weight, dense + at.attention_query, pass->u,
							  pass->attention, scratch.d_pooled, scratch.lstm, scratch.d_h,
							  d_dense + at.attention_weight, d_dense + at.attention_bias,
							  d_dense + at.attention_query);
	if (pass->h_mask)
		nn_multiply(n * 2 * hidden, pass->h_mask, scratch.d_h);
	if (pass->copies)
		network_mixed_backward(batch, pass, scratch.d_h, d_dense, d_embedding);
	else
		encode_backward(layout, &at, dense, batch, pass, &scratch, d_dense, d_embedding);
}
