/*
 * network_scorer.c
 *	  Texts -> token ids -> scores, and what the network looked at.
 */
#include "network_scorer.h"

#include <string.h>

#include "../nn/activation.h"
#include "bags.h"
#include "grown.h"
#include "sequence_scorer.h"

struct network_scorer
{
	const em_allocator *allocator;
	const network_layout *layout;
	const text_vocabulary *vocabulary;
	sequence_scorer *scorer;
	text_tokens tokens; /* of one text */
	bag_list unknown;   /* of a call's texts, when the network has n-grams */

	/* token ids of a call's texts, one after the other */
	uint32_t *ids;
	size_t ids_capacity;
	nn_sequence *sequences;
	size_t sequences_capacity;

	/* explanations */
	float *weight;
	size_t weight_capacity;
	float *influence;
	size_t influence_capacity;
};

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

static void
begin_bags(network_scorer *scorer)
{
	bag_list_init(&scorer->unknown, scorer->allocator, &scorer->layout->config,
				  (uint32_t) scorer->layout->vocabulary);
}

em_code
network_scorer_create(const em_allocator *allocator, const model *model, nn_pool *pool,
					  network_scorer **out, em_status *status)
{
	network_scorer *made = em_allocate_zeroed(allocator, 1, sizeof(*made));
	em_code code;

	if (made == NULL)
		return out_of_memory(status);
	made->allocator = allocator;
	made->layout = &model->layout;
	made->vocabulary = model->vocabulary;
	text_tokens_init(&made->tokens, allocator);
	begin_bags(made);
	code = sequence_scorer_create_model(allocator, model, pool, &made->scorer, status);
	if (code != EM_OK)
	{
		network_scorer_free(made);
		return code;
	}
	*out = made;
	return EM_OK;
}

void
network_scorer_free(network_scorer *scorer)
{
	if (scorer == NULL)
		return;
	sequence_scorer_free(scorer->scorer);
	text_tokens_free(&scorer->tokens);
	bag_list_free(&scorer->unknown);
	em_release(scorer->allocator, scorer->ids);
	em_release(scorer->allocator, scorer->sequences);
	em_release(scorer->allocator, scorer->weight);
	em_release(scorer->allocator, scorer->influence);
	em_release(scorer->allocator, scorer);
}

void
network_scorer_trim(network_scorer *scorer, size_t limit)
{
	const text_tokens *tokens = &scorer->tokens;
	const bag_list *unknown = &scorer->unknown;
	size_t taken = TAKEN(scorer, ids) + TAKEN(scorer, sequences) + TAKEN(scorer, weight) +
				   TAKEN(scorer, influence) + tokens->buffer_capacity +
				   tokens->capacity * sizeof(*tokens->tokens) +
				   (unknown->offset_capacity + unknown->rows_capacity) * sizeof(uint32_t) +
				   sequence_scorer_taken(scorer->scorer);

	if (taken <= limit)
		return;
	sequence_scorer_trim(scorer->scorer);
	text_tokens_free(&scorer->tokens);
	text_tokens_init(&scorer->tokens, scorer->allocator);
	bag_list_free(&scorer->unknown);
	begin_bags(scorer);
	GIVE_BACK(scorer, ids);
	GIVE_BACK(scorer, sequences);
	GIVE_BACK(scorer, weight);
	GIVE_BACK(scorer, influence);
}

/* Append the ids of scorer->tokens to scorer->ids, from `used` on; the first forgets all bags. */
static em_code
look_up(network_scorer *scorer, size_t used, em_status *status)
{
	const text_tokens *tokens = &scorer->tokens;
	bool bags = scorer->layout->buckets > 0;
	em_code code = EM_OK;

	if (!GROW(scorer, ids, used + tokens->count + 1))
		return out_of_memory(status);
	if (used == 0)
		bag_list_clear(&scorer->unknown);
	for (size_t i = 0; code == EM_OK && i < tokens->count; i++)
	{
		const char *word = tokens->buffer + tokens->tokens[i].normalized;
		size_t length = tokens->tokens[i].normalized_length;
		uint32_t *id = &scorer->ids[used + i];

		*id = text_vocabulary_find(scorer->vocabulary, word, length);
		if (*id == TEXT_UNKNOWN_ID && bags)
			code = bag_list_add(&scorer->unknown, word, length, id, status);
	}
	return code;
}

/* scorer->sequences = the token ids of n texts */
static em_code
tokenize_all(network_scorer *scorer, const em_slice *texts, size_t n, em_should_stop should_stop,
			 void *stop_context, em_status *status)
{
	size_t used = 0;

	if (!GROW(scorer, sequences, n))
		return out_of_memory(status);
	for (size_t i = 0; i < n; i++)
	{
		em_code code =
			text_tokenize_until(&scorer->layout->config.text, texts[i].bytes, texts[i].length,
								should_stop, stop_context, &scorer->tokens, status);

		if (code == EM_OK)
			code = look_up(scorer, used, status);
		if (code != EM_OK)
			return code;
		scorer->sequences[i].length = (uint32_t) scorer->tokens.count;
		used += scorer->tokens.count;
	}
	/* the ids stand still only now */
	used = 0;
	for (size_t i = 0; i < n; i++)
	{
		scorer->sequences[i].ids = scorer->ids + used;
		used += scorer->sequences[i].length;
	}
	return sequence_scorer_use_bags(scorer->scorer, &scorer->unknown.bags, status);
}

em_code
network_scorer_run(network_scorer *scorer, const em_slice *texts, size_t n, float *scores,
				   float *features, em_should_stop should_stop, void *stop_context,
				   em_status *status)
{
	em_code code = tokenize_all(scorer, texts, n, should_stop, stop_context, status);

	if (code != EM_OK)
		return code;
	return sequence_scorer_run(scorer->scorer, scorer->sequences, n, scores, features, should_stop,
							   stop_context, status);
}

/* scorer->influence of the first tokens: many texts with one token changed to a batch. */
static em_code
measure_influence(network_scorer *scorer, size_t count, int label, real logit,
				  em_should_stop should_stop, void *stop_context, em_status *status)
{
	size_t labels = scorer->layout->labels;
	size_t asked = count < SCORER_MAX_INFLUENCE ? count : SCORER_MAX_INFLUENCE;
	size_t at_once = count == 0 ? 1 : SEQUENCE_SCORER_ROWS / count;

	if (at_once < 1)
		at_once = 1;
	if (at_once > SEQUENCE_SCORER_TEXTS)
		at_once = SEQUENCE_SCORER_TEXTS;
	if (!GROW(scorer, influence, count + 1) || !GROW(scorer, ids, count * (at_once + 1) + 1) ||
		!GROW(scorer, sequences, at_once))
		return out_of_memory(status);
	memset(scorer->influence, 0, (count + 1) * sizeof(float));
	for (size_t first = 0; first < asked; first += at_once)
	{
		size_t size = asked - first < at_once ? asked - first : at_once;
		sequence_scores changed;
		em_code code;

		if (should_stop != NULL && should_stop(stop_context))
			return em_fail(status, EM_CANCELLED, "scoring was cancelled");
		for (size_t i = 0; i < size; i++)
		{
			uint32_t *copy = scorer->ids + (i + 1) * count;

			memcpy(copy, scorer->ids, count * sizeof(uint32_t));
			copy[first + i] = TEXT_UNKNOWN_ID;
			scorer->sequences[i] = (nn_sequence){ copy, (uint32_t) count };
		}
		code = sequence_scorer_pass(scorer->scorer, scorer->sequences, size, &changed, status);
		if (code != EM_OK)
			return code;
		for (size_t b = 0; b < size; b++)
			scorer->influence[first + changed.order[b]] =
				(float) (logit - changed.logits[b * labels + (size_t) label]);
	}
	return EM_OK;
}

em_code
network_scorer_explain(network_scorer *scorer, em_slice text, int label, float *scores,
					   model_attention *attention, em_should_stop should_stop, void *stop_context,
					   em_status *status)
{
	sequence_scores seen;
	size_t count;
	em_code code = tokenize_all(scorer, &text, 1, should_stop, stop_context, status);

	if (code != EM_OK)
		return code;
	count = scorer->tokens.count;
	if (!GROW(scorer, weight, count + 1))
		return out_of_memory(status);
	code = sequence_scorer_pass(scorer->scorer, scorer->sequences, 1, &seen, status);
	if (code != EM_OK)
		return code;
	for (size_t i = 0; scores != NULL && i < scorer->layout->labels; i++)
	{
		real score;

		nn_sigmoid(1, &seen.logits[i], &score);
		scores[i] = (float) score;
	}
	for (size_t i = 0; i < count; i++)
		scorer->weight[i] = (float) seen.attention[i];
	if (label >= 0)
		code = measure_influence(scorer, count, label, seen.logits[label], should_stop,
								 stop_context, status);
	if (code != EM_OK)
		return code;
	attention->tokens = &scorer->tokens;
	attention->weight = scorer->weight;
	attention->influence = label >= 0 ? scorer->influence : NULL;
	return EM_OK;
}
