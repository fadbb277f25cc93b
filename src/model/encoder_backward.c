/*
 * encoder_backward.c
 *	  Backward pass of the encoder.
 */
#include "encoder.h"

#include <string.h>

#include "../nn/activation.h"
#include "../nn/layers.h"
#include "encoder_internal.h"

/* From d_logits to d_pooled (B, D), which is scratch->d_first. */
static void
head_backward(const encoder_layout *layout, const real *block, const encoder_batch *batch,
			  const encoder_pass *pass, const real *d_logits, const encoder_scratch *scratch,
			  real *d_dense)
{
	size_t hidden = layout->hidden, texts = batch->texts, stage = layout->layers + 1;
	double rate = layout->config.classifier_dropout;
	bool below = encoder_trains(pass->training, layout->layers);
	real *d_head = scratch->d_context;
	real *d_pooled = scratch->d_first;
	const real *mask;

	nn_linear_backward(texts, hidden, layout->labels, pass->head_dropped, hidden,
					   block + layout->output_weight, d_logits, layout->labels,
					   d_dense + layout->output_weight, d_dense + layout->output_bias, d_head,
					   hidden, false);
	mask = encoder_masks(pass, batch, stage, ENCODER_DROP_HEAD, true, hidden, rate);
	if (mask != NULL)
		nn_multiply(texts * hidden, mask, d_head);
	for (size_t i = 0; i < texts * hidden; i++)
		d_head[i] *= 1 - pass->head[i] * pass->head[i];
	nn_linear_backward(texts, hidden, hidden, pass->pooled, hidden, block + layout->head_weight,
					   d_head, hidden, d_dense + layout->head_weight, d_dense + layout->head_bias,
					   below ? d_pooled : NULL, hidden, false);
	mask = encoder_masks(pass, batch, stage, ENCODER_DROP_POOLED, true, hidden, rate);
	if (below && mask != NULL)
		nn_multiply(texts * hidden, mask, d_pooled);
}

/* From d_context to d_qkv and, in the last layer, d_query. */
static void
attention_backward(const encoder_layout *layout, const encoder_batch *batch, size_t l,
				   const encoder_pass *pass, const encoder_scratch *scratch)
{
	const encoder_layer_pass *layer = &pass->layer[l];
	double rate = layout->config.attention_probs_dropout_prob;
	size_t hidden = layout->hidden;
	bool last = encoder_is_last(layout, l);
	const real *attention = layer->attention;

	for (size_t b = 0; b < batch->texts; b++)
	{
		const nn_heads sizes = encoder_heads(layout, batch, pass->training, l, b);
		const real *qkv = layer->qkv + batch->start[b] * 3 * hidden;
		real *d_qkv = scratch->d_qkv + batch->start[b] * 3 * hidden;
		size_t cells = sizes.heads * sizes.queries * sizes.tokens;
		real *mask = NULL;

		if (rate > 0)
		{
			mask = pass->mask;
			encoder_mask(pass->training, b, l + 1, ENCODER_DROP_ATTENTION, cells, rate, mask);
		}
		nn_self_attention_backward(&sizes, last ? layer->query + b * hidden : qkv, qkv + hidden,
								   qkv + 2 * hidden, attention, mask,
								   scratch->d_context + (last ? b : batch->start[b]) * hidden,
								   scratch->cells, last ? scratch->d_query + b * hidden : d_qkv,
								   d_qkv + hidden, d_qkv + 2 * hidden);
		attention += cells;
	}
}

/* From the gradients of queries, keys and values, and d_first (M, D) of the residual, to d_x. */
static void
projection_backward(const encoder_layout *layout, const real *block, const encoder_batch *batch,
					size_t l, const encoder_pass *pass, const encoder_scratch *scratch,
					real *d_first, real *d_dense)
{
	const encoder_layer_pass *layer = &pass->layer[l];
	size_t weight = encoder_place(layout, l, ENCODER_QUERY_WEIGHT);
	size_t bias = encoder_place(layout, l, ENCODER_QUERY_BIAS);
	size_t hidden = layout->hidden, skipped = hidden * hidden;
	bool below = encoder_trains(pass->training, l);

	if (!encoder_is_last(layout, l))
	{
		encoder_linear_backward(pass, batch->rows, hidden, 3 * hidden, layer->x, block + weight,
								scratch->d_qkv, 3 * hidden, d_dense + weight, d_dense + bias,
								below ? d_first : NULL, true);
		return;
	}
	encoder_linear_backward(pass, batch->texts, hidden, hidden, layer->first, block + weight,
							scratch->d_query, hidden, d_dense + weight, d_dense + bias,
							below ? d_first : NULL, true);
	encoder_linear_backward(pass, batch->rows, hidden, 2 * hidden, layer->x,
							block + weight + skipped, scratch->d_qkv + hidden, 3 * hidden,
							d_dense + weight + skipped, d_dense + bias + hidden,
							below ? scratch->d_x : NULL, false);
	for (size_t b = 0; below && b < batch->texts; b++)
		nn_axpy(hidden, 1, d_first + b * hidden, scratch->d_x + batch->start[b] * hidden);
}

/*
 * From the gradient d (M, D) of the layer's output, in d_first for the last layer and else in d_x, to
 * that of its input in d_x.
 */
static void
layer_backward(const encoder_layout *layout, const real *block, const encoder_batch *batch,
			   size_t l, const encoder_pass *pass, const encoder_scratch *scratch, real *d_dense)
{
	const encoder_layer_pass *layer = &pass->layer[l];
	double rate = layout->config.hidden_dropout_prob;
	size_t hidden = layout->hidden, inner = layout->inner;
	bool last = encoder_is_last(layout, l);
	size_t rows = last ? batch->texts : batch->rows;
	real *d = last ? scratch->d_first : scratch->d_x;
	const real *mask;
	const real *d_linear;

#define AT(tensor) (block + encoder_place(layout, l, tensor))
#define D_AT(tensor) (d_dense + encoder_place(layout, l, tensor))
	nn_layer_norm_backward(rows, hidden, d, layer->out_normal, layer->out_inverse,
						   AT(ENCODER_OUTER_SCALE), d, D_AT(ENCODER_OUTER_SCALE),
						   D_AT(ENCODER_OUTER_SHIFT));
	d_linear = d;
	mask = encoder_masks(pass, batch, l + 1, ENCODER_DROP_OUTER, last, hidden, rate);
	if (mask != NULL)
	{
		memcpy(pass->narrow, d, rows * hidden * sizeof(real));
		nn_multiply(rows * hidden, mask, pass->narrow);
		d_linear = pass->narrow;
	}
	encoder_linear_input(pass, rows, inner, hidden, AT(ENCODER_OUTER_WEIGHT), d_linear, pass->wide);
	/* GELU's output takes the place of its input */
	nn_gelu_backward(rows * inner, layer->inner, pass->wide, pass->wide, layer->inner);
	encoder_linear_backward(pass, rows, inner, hidden, layer->inner, NULL, d_linear, hidden,
							D_AT(ENCODER_OUTER_WEIGHT), D_AT(ENCODER_OUTER_BIAS), NULL, false);
	encoder_linear_backward(pass, rows, hidden, inner, layer->middle, AT(ENCODER_INNER_WEIGHT),
							pass->wide, inner, D_AT(ENCODER_INNER_WEIGHT), D_AT(ENCODER_INNER_BIAS),
							d, true);

	nn_layer_norm_backward(rows, hidden, d, layer->normal, layer->inverse,
						   AT(ENCODER_CONTEXT_SCALE), d, D_AT(ENCODER_CONTEXT_SCALE),
						   D_AT(ENCODER_CONTEXT_SHIFT));
	d_linear = d;
	mask = encoder_masks(pass, batch, l + 1, ENCODER_DROP_CONTEXT, last, hidden, rate);
	if (mask != NULL)
	{
		memcpy(pass->narrow, d, rows * hidden * sizeof(real));
		nn_multiply(rows * hidden, mask, pass->narrow);
		d_linear = pass->narrow;
	}
	encoder_linear_backward(pass, rows, hidden, hidden, layer->context, AT(ENCODER_CONTEXT_WEIGHT),
							d_linear, hidden, D_AT(ENCODER_CONTEXT_WEIGHT),
							D_AT(ENCODER_CONTEXT_BIAS), scratch->d_context, false);
	attention_backward(layout, batch, l, pass, scratch);
	projection_backward(layout, block, batch, l, pass, scratch, d, d_dense);
#undef AT
#undef D_AT
}

/* From the gradient of the first layer's input, in d_x. */
static void
embedding_backward(const encoder_layout *layout, const real *block, const encoder_batch *batch,
				   const encoder_pass *pass, const encoder_scratch *scratch, real *d_dense,
				   real *d_words)
{
	size_t hidden = layout->hidden;
	real *d = scratch->d_x;
	const real *mask = encoder_masks(pass, batch, 0, ENCODER_DROP_EMBEDDING, false, hidden,
									 layout->config.hidden_dropout_prob);

	if (mask != NULL)
		nn_multiply(batch->rows * hidden, mask, d);
	nn_layer_norm_backward(batch->rows, hidden, d, pass->normal, pass->inverse,
						   block + layout->embedding_scale, d, d_dense + layout->embedding_scale,
						   d_dense + layout->embedding_shift);
	nn_add_bias_backward(batch->rows, hidden, d, hidden, d_dense + layout->type);
	for (size_t b = 0; b < batch->texts; b++)
	{
		real *d_position = d_dense + layout->position + layout->first_position * hidden;

		for (size_t row = batch->start[b]; row < batch->start[b + 1]; row++, d_position += hidden)
		{
			nn_axpy(hidden, 1, d + row * hidden, d_position);
			nn_axpy(hidden, 1, d + row * hidden, d_words + batch->token[row] * hidden);
		}
	}
}

bool
encoder_backward(const encoder_layout *layout, const encoder_weights *weights,
				 const encoder_batch *batch, encoder_pass *pass, const real *d_logits,
				 nn_arena *arena, real *d_dense, real *d_words)
{
	const real *block = weights->block;
	encoder_scratch scratch;

	encoder_take_scratch(layout, batch, arena, &scratch);
	head_backward(layout, block, batch, pass, d_logits, &scratch, d_dense);
	for (size_t l = layout->layers; l-- > 0 && encoder_trains(pass->training, l + 1);)
	{
		if (weights->should_stop != NULL && weights->should_stop(weights->stop_context))
			return false;
		layer_backward(layout, block, batch, l, pass, &scratch, d_dense);
	}
	if (encoder_trains(pass->training, 0))
		embedding_backward(layout, block, batch, pass, &scratch, d_dense, d_words);
	return true;
}
