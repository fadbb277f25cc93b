/*
 * encoder_explain.c
 *	  Where the answer came from: attention rollout, and masking a token.
 */
#include "encoder_explain.h"

#include <string.h>

#include "grown.h"

/* Texts with one token masked to a batch: bounds what a call asks for at once. */
#define MASKED_AT_ONCE 64

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

/* ---- tokens ------------------------------------------------------------------------------- */

static bool
inside_character(em_slice text, size_t at)
{
	return at < text.length && ((unsigned char) text.bytes[at] & 0xC0) == 0x80;
}

/* scorer->tokens and units: the tokens of the text that take characters of it. */
static em_code
make_units(encoder_scorer *scorer, em_slice text, em_status *status)
{
	const text_bpe_encoding *encoding = &scorer->encoding;
	const size_t count = encoding->count;
	text_tokens *tokens = &scorer->tokens;
	size_t made = 0;

	if (!GROW(scorer, unit, count + 1) ||
		!em_grow(tokens->allocator, (void **) &tokens->tokens, &tokens->capacity, count + 1,
				 sizeof(text_token)) ||
		!em_grow(tokens->allocator, (void **) &tokens->buffer, &tokens->buffer_capacity,
				 text.length + 1, 1))
		return out_of_memory(status);
	if (text.length > 0)
		memcpy(tokens->buffer, text.bytes, text.length);
	tokens->buffer_length = text.length;
	for (size_t i = encoding->before; i < count - encoding->after; i++)
	{
		size_t start = encoding->spans[i].start;
		size_t end = start + encoding->spans[i].length;
		bool joined = made > 0 && inside_character(text, start);

		if (end == start)
			continue;
		while (inside_character(text, end))
			end++;
		while (start > 0 && inside_character(text, start))
			start--;
		if (!joined)
		{
			tokens->tokens[made] = (text_token){ .start = start, .normalized = start };
			scorer->unit[made++].first = i;
		}
		scorer->unit[made - 1].last = i;
		tokens->tokens[made - 1].length = end - tokens->tokens[made - 1].start;
		tokens->tokens[made - 1].normalized_length = (uint32_t) tokens->tokens[made - 1].length;
	}
	tokens->count = made;
	tokens->truncated = encoding->truncated;
	return EM_OK;
}

/* ---- attention ------------------------------------------------------------------------------ */

/* Mean over heads of row i of a layer's attention, from T to T tokens (or 1 to T), added to out. */
static void
add_row(const encoder_layer_pass *layer, size_t heads, size_t rows, size_t tokens, size_t i,
		double factor, double *out)
{
	for (size_t h = 0; h < heads; h++)
	{
		const real *row = layer->attention + (h * rows + i) * tokens;

		for (size_t j = 0; j < tokens; j++)
			out[j] += factor / (double) heads * (double) row[j];
	}
}

/* share (2, T): the first half out, 1 in sum: from which token <s> behind the last layer comes. */
static void
roll_out(const encoder_layout *layout, const encoder_pass *pass, size_t tokens, double *share)
{
	double *next = share + tokens;

	memset(share, 0, tokens * sizeof(double));
	share[0] = 0.5;
	add_row(&pass->layer[layout->layers - 1], layout->heads, 1, tokens, 0, 0.5, share);
	for (size_t l = layout->layers - 1; l-- > 0;)
	{
		for (size_t j = 0; j < tokens; j++)
			next[j] = 0.5 * share[j];
		for (size_t i = 0; i < tokens; i++)
			add_row(&pass->layer[l], layout->heads, tokens, tokens, i, 0.5 * share[i], next);
		memcpy(share, next, tokens * sizeof(double));
	}
}

static em_code
weigh_units(encoder_scorer *scorer, const encoder_layout *layout, const encoder_pass *pass,
			em_status *status)
{
	const size_t tokens = scorer->encoding.count;
	const size_t count = scorer->tokens.count;
	double *share = em_allocate_array(scorer->allocator, 2 * tokens, sizeof(double));
	double sum = 0;

	if (share == NULL || !GROW(scorer, weight, count + 1))
	{
		em_release(scorer->allocator, share);
		return out_of_memory(status);
	}
	roll_out(layout, pass, tokens, share);
	for (size_t u = 0; u < count; u++)
		for (size_t i = scorer->unit[u].first; i <= scorer->unit[u].last; i++)
			sum += share[i];
	for (size_t u = 0; u < count; u++)
	{
		double own = 0;

		for (size_t i = scorer->unit[u].first; i <= scorer->unit[u].last; i++)
			own += share[i];
		scorer->weight[u] = (float) (own / sum);
	}
	em_release(scorer->allocator, share);
	return EM_OK;
}

/* ---- influence ------------------------------------------------------------------------------ */

/* The token that stands for one that is not known: <mask>, or what is put before texts. */
static uint32_t
mask_of(const encoder_model *model)
{
	uint32_t mask = text_bpe_find(model->tokenizer, "<mask>", strlen("<mask>"));

	return mask != TEXT_BPE_NO_ID && mask != (uint32_t) model->layout.config.pad_token_id
			   ? mask
			   : text_bpe_get_rules(model->tokenizer)->before[0];
}

/* scorer->ids: the text, then copies with unit after unit masked. */
static em_code
measure_influence(encoder_scorer *scorer, int label, real logit, em_should_stop should_stop,
				  void *stop_context, em_status *status)
{
	const encoder_model *model = scorer->model;
	const encoder_weights weights = encoder_model_weights(model, should_stop, stop_context);
	const size_t length = scorer->encoding.count;
	const size_t count = scorer->tokens.count;
	const size_t asked = count < SCORER_MAX_INFLUENCE ? count : SCORER_MAX_INFLUENCE;
	const uint32_t mask = mask_of(model);
	encoder_lane *lane = &scorer->lanes[0];
	size_t at_once = scorer->batch_rows / length;

	at_once = at_once < 1 ? 1 : at_once > MASKED_AT_ONCE ? MASKED_AT_ONCE : at_once;
	if (!GROW(scorer, influence, count + 1) || !GROW(scorer, ids, length * (at_once + 1)) ||
		!GROW(scorer, sequences, at_once))
		return out_of_memory(status);
	memset(scorer->influence, 0, (count + 1) * sizeof(float));
	for (size_t first = 0; first < asked; first += at_once)
	{
		size_t size = asked - first < at_once ? asked - first : at_once;
		em_code code;

		if (should_stop != NULL && should_stop(stop_context))
			return em_fail(status, EM_CANCELLED, "scoring was cancelled");
		for (size_t i = 0; i < size; i++)
		{
			uint32_t *copy = scorer->ids + (i + 1) * length;
			const encoder_unit *unit = &scorer->unit[first + i];

			memcpy(copy, scorer->ids, length * sizeof(uint32_t));
			for (size_t j = unit->first; j <= unit->last; j++)
				copy[j] = mask;
			scorer->sequences[i] = (nn_sequence){ copy, (uint32_t) length };
		}
		code = encoder_lane_prepare(&model->layout, lane, scorer->sequences, size, NULL, status);
		if (code != EM_OK)
			return code;
		if (!encoder_forward(&model->layout, &weights, &lane->batcher.batch, NULL,
							 &lane->memory.arena, &lane->pass, lane->logits))
			return em_fail(status, EM_CANCELLED, "scoring was cancelled");
		for (size_t i = 0; i < size; i++)
			scorer->influence[first + i] =
				(float) (logit - lane->logits[i * model->layout.labels + (size_t) label]);
	}
	return EM_OK;
}

em_code
encoder_scorer_explain(encoder_scorer *scorer, em_slice text, int label, float *scores,
					   model_attention *attention, em_should_stop should_stop, void *stop_context,
					   em_status *status)
{
	const encoder_model *model = scorer->model;
	const encoder_weights weights = encoder_model_weights(model, should_stop, stop_context);
	const uint32_t sample = 0;
	const encoder_training training = { .sample = &sample };
	encoder_layout layout = model->layout;
	encoder_lane *lane = &scorer->lanes[0];
	nn_sequence sequence;
	real logit = 0;
	em_code code =
		text_bpe_encode(&scorer->reading, text.bytes, text.length, &scorer->encoding, status);

	if (code == EM_OK)
		code = make_units(scorer, text, status);
	if (code != EM_OK)
		return code;
	if (!GROW(scorer, ids, scorer->encoding.count + 1))
		return out_of_memory(status);
	memcpy(scorer->ids, scorer->encoding.ids, scorer->encoding.count * sizeof(uint32_t));
	sequence = (nn_sequence){ scorer->ids, (uint32_t) scorer->encoding.count };

	/* a training pass keeps the attention of all layers; without dropout it scores as any other */
	layout.config.hidden_dropout_prob = 0;
	layout.config.attention_probs_dropout_prob = 0;
	layout.config.classifier_dropout = 0;
	code = encoder_lane_prepare(&layout, lane, &sequence, 1, &training, status);
	if (code != EM_OK)
		return code;
	if (!encoder_forward(&layout, &weights, &lane->batcher.batch, &training, &lane->memory.arena,
						 &lane->pass, lane->logits))
		return em_fail(status, EM_CANCELLED, "scoring was cancelled");
	code = weigh_units(scorer, &layout, &lane->pass, status);
	if (label >= 0)
		logit = lane->logits[label];
	if (scores != NULL)
		encoder_scorer_scores(model, 1, lane->logits, scores);
	if (code == EM_OK && label >= 0)
		code = measure_influence(scorer, label, logit, should_stop, stop_context, status);
	attention->tokens = &scorer->tokens;
	attention->weight = scorer->weight;
	attention->influence = label >= 0 ? scorer->influence : NULL;
	return code;
}
