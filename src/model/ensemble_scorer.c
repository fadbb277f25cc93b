/*
 * ensemble_scorer.c
 *	  Weighted means of what an ensemble's members score.
 */
#include "ensemble_scorer.h"

#include <string.h>

#include "grown.h"
#include "soft_targets.h"

struct ensemble_scorer
{
	const em_allocator *allocator;
	const model *model;
	scorer **members; /* (model->member_count) */
	bool alike;       /* all members cut a text into the same tokens */
	float *scores;    /* (n, L) of one member */
	size_t scores_capacity;

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

em_code
ensemble_scorer_create(const em_allocator *allocator, const model *model, nn_pool *pool,
					   ensemble_scorer **out, em_status *status)
{
	ensemble_scorer *made = em_allocate_zeroed(allocator, 1, sizeof(*made));
	em_code code = EM_OK;

	if (made == NULL)
		return out_of_memory(status);
	made->allocator = allocator;
	made->model = model;
	made->alike = true;
	made->members = em_allocate_zeroed(allocator, model->member_count, sizeof(scorer *));
	if (made->members == NULL)
		code = out_of_memory(status);
	for (size_t i = 0; code == EM_OK && i < model->member_count; i++)
	{
		code = scorer_create_on(allocator, model->members[i], pool, &made->members[i], status);
		made->alike = made->alike && model->members[i]->encoder == NULL &&
					  model_config_same_text(&model->members[0]->layout.config,
											 &model->members[i]->layout.config);
	}
	if (code != EM_OK)
	{
		ensemble_scorer_free(made);
		return code;
	}
	*out = made;
	return EM_OK;
}

void
ensemble_scorer_free(ensemble_scorer *scorer)
{
	if (scorer == NULL)
		return;
	for (size_t i = 0; scorer->members != NULL && i < scorer->model->member_count; i++)
		scorer_free(scorer->members[i]);
	em_release(scorer->allocator, scorer->members);
	em_release(scorer->allocator, scorer->scores);
	em_release(scorer->allocator, scorer->weight);
	em_release(scorer->allocator, scorer->influence);
	em_release(scorer->allocator, scorer);
}

void
ensemble_scorer_trim(ensemble_scorer *scorer, size_t limit)
{
	size_t count = scorer->model->member_count;

	for (size_t i = 0; i < count; i++)
		scorer_trim(scorer->members[i], limit / count);
	if (TAKEN(scorer, scores) + TAKEN(scorer, weight) + TAKEN(scorer, influence) <= limit)
		return;
	GIVE_BACK(scorer, scores);
	GIVE_BACK(scorer, weight);
	GIVE_BACK(scorer, influence);
}

/* scores (n, L) += those of one member. */
static void
add_member(const ensemble_scorer *scorer, size_t member, size_t n, float *scores)
{
	const model *model = scorer->model;

	soft_targets_add(n, model->layout.labels, scorer->scores,
					 model->member_place + member * model->layout.labels,
					 (double) model->member_weight[member], scores);
}

/* Weights that are rounded may sum to more than 1. */
static void
cap_scores(float *scores, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (scores[i] > 1)
			scores[i] = 1;
}

em_code
ensemble_scorer_run(ensemble_scorer *scorer, const em_slice *texts, size_t n, float *scores,
					em_should_stop should_stop, void *stop_context, em_status *status)
{
	size_t cells = n * scorer->model->layout.labels;
	em_code code = EM_OK;

	if (!GROW(scorer, scores, cells + 1))
		return out_of_memory(status);
	memset(scores, 0, cells * sizeof(float));
	for (size_t i = 0; code == EM_OK && i < scorer->model->member_count; i++)
	{
		code = scorer_run(scorer->members[i], texts, n, scorer->scores, should_stop, stop_context,
						  status);
		if (code == EM_OK)
			add_member(scorer, i, n, scores);
	}
	cap_scores(scores, cells);
	return code;
}

em_code
ensemble_scorer_explain(ensemble_scorer *scorer, em_slice text, int label, float *scores,
						model_attention *attention, em_should_stop should_stop, void *stop_context,
						em_status *status)
{
	const model *model = scorer->model;
	size_t labels = model->layout.labels;

	if (!scorer->alike)
	{
		em_fail(status, EM_UNSUPPORTED,
				"the members of the ensemble cut texts into words differently");
		em_hint(status, "Ask one of the models that it was made of.");
		return EM_UNSUPPORTED;
	}
	if (!GROW(scorer, scores, labels))
		return out_of_memory(status);
	if (scores != NULL)
		memset(scores, 0, labels * sizeof(float));
	for (size_t m = 0; m < model->member_count; m++)
	{
		int own = label < 0 ? label : model->member_place[m * labels + (size_t) label];
		float weight = model->member_weight[m];
		model_attention part;
		em_code code = scorer_explain(scorer->members[m], text, own, scores ? scorer->scores : NULL,
									  &part, should_stop, stop_context, status);

		if (code != EM_OK)
			return code;
		if (!GROW(scorer, weight, part.tokens->count + 1) ||
			!GROW(scorer, influence, part.tokens->count + 1))
			return out_of_memory(status);
		for (size_t i = 0; i < part.tokens->count; i++)
		{
			scorer->weight[i] = (m > 0 ? scorer->weight[i] : 0) + weight * part.weight[i];
			if (part.influence != NULL)
				scorer->influence[i] =
					(m > 0 ? scorer->influence[i] : 0) + weight * part.influence[i];
		}
		if (scores != NULL)
			add_member(scorer, m, 1, scores);
		attention->tokens = part.tokens;
	}
	if (scores != NULL)
		cap_scores(scores, labels);
	attention->weight = scorer->weight;
	attention->influence = label >= 0 ? scorer->influence : NULL;
	return EM_OK;
}
