/*
 * encoder.c
 *	  Forward pass of the encoder.
 */
#include "encoder.h"

#include <string.h>

#include "../nn/activation.h"
#include "../nn/bf16.h"
#include "../nn/layers.h"
#include "../nn/int8.h"
#include "../nn/random.h"
#include "embedding.h"
#include "encoder_int8.h"
#include "encoder_internal.h"

/* Adds up what is asked for, and takes it when there is an arena. */
typedef struct taker
{
	nn_arena *arena;
	size_t bytes;
} taker;

static real *
take(taker *taker, size_t elements)
{
	taker->bytes += nn_arena_room(elements, sizeof(real));
	return taker->arena ? nn_arena_take(taker->arena, elements, sizeof(real)) : NULL;
}

/*
 * So many numbers, or as many as rows of `dim` rounded to 8 bits need: those lie, for a while, where
 * nothing else does.
 */
static real *
take_for_rounded(taker *taker, size_t elements, size_t rows, size_t dim)
{
	size_t rounded = nn_int8_input_bytes(rows, dim) / sizeof(real) + 1;

	return take(taker, elements > rounded ? elements : rounded);
}

/* What a layer computes in, of its own or shared by those that keep nothing. */
static encoder_layer_pass
take_layer(const encoder_layout *layout, const encoder_batch *batch, bool last, bool kept,
		   const encoder_pass *pass, taker *taker)
{
	size_t hidden = layout->hidden;
	size_t rows = last ? batch->texts : batch->rows;
	size_t cells = layout->heads * (last ? batch->rows : batch->pairs);
	encoder_layer_pass layer;

	memset(&layer, 0, sizeof(layer));
	layer.x = take(taker, batch->rows * hidden);
	layer.first = last ? take(taker, rows * hidden) : layer.x;
	layer.qkv = take_for_rounded(taker, batch->rows * 3 * hidden, batch->rows,
								 hidden > layout->inner ? hidden : layout->inner);
	layer.query = last ? take(taker, rows * hidden) : layer.qkv;
	layer.attention = take(taker, kept || last ? cells : batch->longest * batch->longest);
	layer.context = take(taker, rows * hidden);
	layer.middle = kept ? take(taker, rows * hidden) : layer.first;
	layer.inner = kept ? take(taker, rows * layout->inner) : pass->wide;
	if (kept)
	{
		layer.normal = take(taker, rows * hidden);
		layer.inverse = take(taker, rows);
		layer.out_normal = take(taker, rows * hidden);
		layer.out_inverse = take(taker, rows);
	}
	return layer;
}

static size_t
take_pass(const encoder_layout *layout, const encoder_batch *batch,
		  const encoder_training *training, nn_arena *arena, encoder_pass *pass)
{
	size_t hidden = layout->hidden, texts = batch->texts, rows = batch->rows;
	size_t cells = layout->heads * batch->longest * batch->longest;
	taker taker = { arena, 0 };
	encoder_layer_pass shared;
	bool have_shared = false;

	memset(pass, 0, sizeof(*pass));
	pass->training = training;
	pass->wide = take_for_rounded(&taker, rows * layout->inner, rows, hidden);
	pass->narrow = take(&taker, rows * hidden);
	pass->pooled = take(&taker, texts * hidden);
	pass->head = take(&taker, texts * hidden);
	pass->head_dropped = training ? take(&taker, texts * hidden) : pass->head;
	pass->attention = take(&taker, rows);
	if (training != NULL)
		pass->mask = take(&taker, rows * hidden > cells ? rows * hidden : cells);
	if (training != NULL && training->mixed)
		pass->product = take(&taker, nn_bf16_workspace() / sizeof(real) + 1);
	if (encoder_trains(training, 0))
	{
		pass->normal = take(&taker, rows * hidden);
		pass->inverse = take(&taker, rows);
	}
	for (size_t l = 0; l < layout->layers; l++)
	{
		bool last = encoder_is_last(layout, l), kept = encoder_trains(training, l + 1);

		if (kept || last)
		{
			pass->layer[l] = take_layer(layout, batch, last, kept, pass, &taker);
			continue;
		}
		if (!have_shared)
			shared = take_layer(layout, batch, false, false, pass, &taker);
		have_shared = true;
		pass->layer[l] = shared;
	}
	return taker.bytes;
}

size_t
encoder_take_scratch(const encoder_layout *layout, const encoder_batch *batch, nn_arena *arena,
					 encoder_scratch *scratch)
{
	size_t hidden = layout->hidden;
	taker taker = { arena, 0 };

	scratch->d_first = take(&taker, batch->texts * hidden);
	scratch->d_x = take(&taker, batch->rows * hidden);
	scratch->d_qkv = take(&taker, batch->rows * 3 * hidden);
	scratch->d_query = take(&taker, batch->texts * hidden);
	scratch->d_context = take(&taker, batch->rows * hidden);
	scratch->cells = take(&taker, batch->longest * batch->longest);
	return taker.bytes;
}

size_t
encoder_workspace(const encoder_layout *layout, const encoder_batch *batch,
				  const encoder_training *training)
{
	encoder_pass pass;
	encoder_scratch scratch;
	size_t bytes = take_pass(layout, batch, training, NULL, &pass);

	if (training != NULL)
		bytes += encoder_take_scratch(layout, batch, NULL, &scratch);
	return bytes;
}

void
encoder_mask(const encoder_training *training, size_t b, size_t stage, encoder_dropout where,
			 size_t count, double rate, real *mask)
{
	nn_random_key key = { training->seed,
						  (nn_stream) (NN_STREAM_ENCODER + 4 * stage + (size_t) where),
						  training->epoch, training->sample[b] };

	nn_dropout_mask(&key, 0, count, (real) rate, mask);
}

const real *
encoder_masks(const encoder_pass *pass, const encoder_batch *batch, size_t stage,
			  encoder_dropout where, bool firsts, size_t dim, double rate)
{
	if (pass->training == NULL || rate == 0)
		return NULL;
	for (size_t b = 0; b < batch->texts; b++)
	{
		size_t row = firsts ? b : batch->start[b];
		size_t rows = firsts ? 1 : batch->start[b + 1] - batch->start[b];

		encoder_mask(pass->training, b, stage, where, rows * dim, rate, pass->mask + row * dim);
	}
	return pass->mask;
}

nn_heads
encoder_heads(const encoder_layout *layout, const encoder_batch *batch,
			  const encoder_training *training, size_t l, size_t b)
{
	size_t tokens = batch->start[b + 1] - batch->start[b];
	bool last = encoder_is_last(layout, l);

	return (nn_heads){ .queries = last ? 1 : tokens,
					   .tokens = tokens,
					   .heads = layout->heads,
					   .dim = layout->hidden / layout->heads,
					   .keep = last || encoder_trains(training, l + 1),
					   .ld_q = last ? layout->hidden : 3 * layout->hidden,
					   .ld_kv = 3 * layout->hidden,
					   .ld_context = layout->hidden };
}

/* The word's vector: where it stands, or, of bytes, in out. */
static const real *
word_vector(const encoder_layout *layout, const encoder_weights *weights, size_t id, real *out)
{
	const encoder_int8 *int8 = weights->int8;
	embedding_rows rows;

	if (int8 == NULL || int8->words == NULL)
		return weights->block + layout->words + id * layout->hidden;
	rows = (embedding_rows){ TENSOR_I8, (const uint8_t *) int8->words, int8->word_scale };
	(void) embedding_read_row(&rows, layout->hidden, id, out);
	return out;
}

/* Word, position and type of each token, LayerNorm, dropout: into the first layer's x. */
static void
embed(const encoder_layout *layout, const encoder_weights *weights, const encoder_batch *batch,
	  encoder_pass *pass)
{
	const real *block = weights->block;
	const encoder_config *config = &layout->config;
	const nn_norm norm = { .scale = block + layout->embedding_scale,
						   .shift = block + layout->embedding_shift,
						   .epsilon = (real) config->layer_norm_eps };
	size_t hidden = layout->hidden;
	real *x = pass->layer[0].x;
	const real *mask;

	for (size_t b = 0; b < batch->texts; b++)
	{
		const real *position = block + layout->position + layout->first_position * hidden;

		for (size_t row = batch->start[b]; row < batch->start[b + 1]; row++, position += hidden)
		{
			size_t id = batch->ids[batch->token[row]];

			nn_sum_of_three(hidden, word_vector(layout, weights, id, x + row * hidden),
							block + layout->type, position, x + row * hidden);
		}
	}
	nn_layer_norm(batch->rows, hidden, &norm, x, pass->normal, pass->inverse, x);
	mask = encoder_masks(pass, batch, 0, ENCODER_DROP_EMBEDDING, false, hidden,
						 config->hidden_dropout_prob);
	if (mask != NULL)
		nn_multiply(batch->rows * hidden, mask, x);
}

/* The mean over heads of what <s> looks at. */
static void
show_attention(const nn_heads *sizes, const real *attention, real *mean)
{
	memset(mean, 0, sizes->tokens * sizeof(real));
	for (size_t head = 0; head < sizes->heads; head++)
		nn_axpy(sizes->tokens, 1 / (real) sizes->heads, attention + head * sizes->tokens, mean);
}

/* One linear layer of layer l; x is without gaps. bias: whether it is added here. */
static void
run_linear(const encoder_layout *layout, const encoder_weights *weights, size_t l,
		   encoder_linear which, const encoder_pass *pass, size_t rows, const real *x, bool bias,
		   real *y, size_t ld_y)
{
	const encoder_linear_place at = encoder_linear_at(layout, l, which);
	const real *shift = bias ? weights->block + at.bias : NULL;

	if (weights->int8 != NULL)
	{
		/* the projections come before GELU's output, all else after them has served */
		void *rounded = which <= ENCODER_LINEAR_KEY_VALUE ? pass->wide : pass->layer[l].qkv;

		nn_int8_round(rows, at.in, x, at.in, rounded);
		nn_int8_linear(rows, rounded, &weights->int8->matrix[l][which], shift, y, ld_y);
	}
	else
		encoder_linear_forward(pass, rows, at.in, at.out, x, weights->block + at.weight, shift, y,
							   ld_y);
}

/* From x to context. */
static void
attend(const encoder_layout *layout, const encoder_weights *weights, const encoder_batch *batch,
	   size_t l, encoder_pass *pass)
{
	const encoder_layer_pass *layer = &pass->layer[l];
	double rate = layout->config.attention_probs_dropout_prob;
	size_t hidden = layout->hidden;
	bool last = encoder_is_last(layout, l);
	real *attention = layer->attention;

	if (last)
	{
		for (size_t b = 0; b < batch->texts; b++)
			memcpy(layer->first + b * hidden, layer->x + batch->start[b] * hidden,
				   hidden * sizeof(real));
		run_linear(layout, weights, l, ENCODER_LINEAR_QUERY, pass, batch->texts, layer->first, true,
				   layer->query, hidden);
		run_linear(layout, weights, l, ENCODER_LINEAR_KEY_VALUE, pass, batch->rows, layer->x, true,
				   layer->qkv + hidden, 3 * hidden);
	}
	else
		run_linear(layout, weights, l, ENCODER_LINEAR_QKV, pass, batch->rows, layer->x, true,
				   layer->qkv, 3 * hidden);

	for (size_t b = 0; b < batch->texts; b++)
	{
		const nn_heads sizes = encoder_heads(layout, batch, pass->training, l, b);
		const real *qkv = layer->qkv + batch->start[b] * 3 * hidden;
		size_t cells = sizes.heads * sizes.queries * sizes.tokens;
		real *mask = NULL;

		if (pass->training != NULL && rate > 0)
		{
			mask = pass->mask;
			encoder_mask(pass->training, b, l + 1, ENCODER_DROP_ATTENTION, cells, rate, mask);
		}
		nn_self_attention(&sizes, last ? layer->query + b * hidden : qkv, qkv + hidden,
						  qkv + 2 * hidden, mask, attention,
						  layer->context + (last ? b : batch->start[b]) * hidden);
		if (last)
			show_attention(&sizes, attention, pass->attention + batch->start[b]);
		if (sizes.keep)
			attention += cells;
	}
}

/* From x to out: the next layer's x, or the pooled vectors. */
static void
run_layer(const encoder_layout *layout, const encoder_weights *weights, const encoder_batch *batch,
		  size_t l, encoder_pass *pass, real *out)
{
	const encoder_layer_pass *layer = &pass->layer[l];
	double rate = layout->config.hidden_dropout_prob;
	size_t hidden = layout->hidden, inner = layout->inner;
	bool last = encoder_is_last(layout, l);
	size_t rows = last ? batch->texts : batch->rows;
	nn_norm norm = { .epsilon = (real) layout->config.layer_norm_eps };

#define AT(tensor) (weights->block + encoder_place(layout, l, tensor))
	attend(layout, weights, batch, l, pass);
	run_linear(layout, weights, l, ENCODER_LINEAR_CONTEXT, pass, rows, layer->context, false,
			   pass->narrow, hidden);
	norm.bias = AT(ENCODER_CONTEXT_BIAS);
	norm.mask = encoder_masks(pass, batch, l + 1, ENCODER_DROP_CONTEXT, last, hidden, rate);
	norm.residual = layer->first;
	norm.scale = AT(ENCODER_CONTEXT_SCALE);
	norm.shift = AT(ENCODER_CONTEXT_SHIFT);
	nn_layer_norm(rows, hidden, &norm, pass->narrow, layer->normal, layer->inverse, layer->middle);

	run_linear(layout, weights, l, ENCODER_LINEAR_INNER, pass, rows, layer->middle, false,
			   layer->inner, inner);
	nn_gelu(rows, inner, AT(ENCODER_INNER_BIAS), layer->inner, pass->wide);
	run_linear(layout, weights, l, ENCODER_LINEAR_OUTER, pass, rows, pass->wide, false,
			   pass->narrow, hidden);
	norm.bias = AT(ENCODER_OUTER_BIAS);
	norm.mask = encoder_masks(pass, batch, l + 1, ENCODER_DROP_OUTER, last, hidden, rate);
	norm.residual = layer->middle;
	norm.scale = AT(ENCODER_OUTER_SCALE);
	norm.shift = AT(ENCODER_OUTER_SHIFT);
	nn_layer_norm(rows, hidden, &norm, pass->narrow, layer->out_normal, layer->out_inverse, out);
#undef AT
}

/*
 * A linear layer of the head. With 8 bits, where all else gives the same for a text whatever is in the
 * batch, row by row: sums of products of matrices depend in their last bits on the number of rows.
 */
static void
run_head(const encoder_weights *weights, size_t texts, size_t in, size_t out, const real *x,
		 size_t weight, size_t bias, real *y)
{
	size_t rows = weights->int8 != NULL ? 1 : texts;

	for (size_t b = 0; b < texts; b += rows)
		nn_linear(rows, in, out, x + b * in, in, weights->block + weight, weights->block + bias,
				  y + b * out, out);
}

bool
encoder_forward(const encoder_layout *layout, const encoder_weights *weights,
				const encoder_batch *batch, const encoder_training *training, nn_arena *arena,
				encoder_pass *pass, real *logits)
{
	size_t hidden = layout->hidden, texts = batch->texts, stage = layout->layers + 1;
	double rate = layout->config.classifier_dropout;
	const real *mask;

	take_pass(layout, batch, training, arena, pass);
	embed(layout, weights, batch, pass);
	for (size_t l = 0; l < layout->layers; l++)
	{
		if (weights->should_stop != NULL && weights->should_stop(weights->stop_context))
			return false;
		run_layer(layout, weights, batch, l, pass,
				  encoder_is_last(layout, l) ? pass->pooled : pass->layer[l + 1].x);
	}

	mask = encoder_masks(pass, batch, stage, ENCODER_DROP_POOLED, true, hidden, rate);
	if (mask != NULL)
		nn_multiply(texts * hidden, mask, pass->pooled);
	run_head(weights, texts, hidden, hidden, pass->pooled, layout->head_weight, layout->head_bias,
			 pass->head);
	nn_tanh(texts * hidden, pass->head, pass->head);
	if (pass->head_dropped != pass->head)
		memcpy(pass->head_dropped, pass->head, texts * hidden * sizeof(real));
	mask = encoder_masks(pass, batch, stage, ENCODER_DROP_HEAD, true, hidden, rate);
	if (mask != NULL)
		nn_multiply(texts * hidden, mask, pass->head_dropped);
	run_head(weights, texts, hidden, layout->labels, pass->head_dropped, layout->output_weight,
			 layout->output_bias, logits);
	return true;
}
