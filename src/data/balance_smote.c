/*
 * balance_smote.c
 *	  MLSMOTE: synthetic rows of rare labels, between neighbours that have them.
 */
#include "balance_steps.h"

#include <string.h>

#include "mix.h"

void
data_plan_features(const data_plan_row *row, const float *features, uint32_t dimension, float *out)
{
	const float *x = features + (size_t) row->row * dimension;

	memcpy(out, x, dimension * sizeof(*out));
	if (row->kind != DATA_PLAN_SYNTHETIC)
		return;
	for (uint32_t j = 0; j < dimension; j++)
	{
		float other = features[(size_t) row->neighbour * dimension + j];
		float u = (float) (data_random(row->draw, j) >> 40) * 0x1p-24f;

		out[j] = x[j] + u * (other - x[j]);
	}
}

/* Labels from the seed and its neighbours; votes: (L) zeros, and zeros again after. */
static em_code
combine_labels(balancer *b, uint32_t seed, const uint32_t *nearest, uint32_t k, uint32_t *votes,
			   uint32_t *labels, uint32_t *set)
{
	uint32_t size = 0, voters = k + 1;

	for (uint32_t v = 0; v <= k; v++)
	{
		data_label_set voter = balance_set(b, b->plan->row[v == 0 ? seed : nearest[v - 1]].set);

		for (uint32_t i = 0; i < voter.size; i++)
			votes[voter.labels[i]]++;
	}
	for (uint32_t l = 0; l < b->plan->labels; l++)
	{
		bool active = b->step->rule == DATA_LABELS_UNION     ? votes[l] > 0
					  : b->step->rule == DATA_LABELS_RANKING ? 2 * votes[l] > voters
															 : votes[l] == voters;

		if (active)
			labels[size++] = l;
		votes[l] = 0;
	}
	return balance_intern(b, labels, size, set);
}

typedef struct smote
{
	uint64_t *count;  /* (L) rows now */
	uint32_t *votes;  /* (L) */
	uint32_t *labels; /* (L) */
} smote;

/* `wanted` synthetic rows, or until the label has its target (UINT64_MAX), from seeds in turn. */
static em_code
make_rows(balancer *b, smote *s, uint32_t label, const uint32_t *seed, uint32_t seeds,
		  const uint32_t *nearest, uint32_t k, uint64_t wanted)
{
	em_code code = EM_OK;

	for (uint64_t made = 0; code == EM_OK && made < wanted; made++)
	{
		uint32_t turn = (uint32_t) (made % seeds);
		uint32_t other = nearest[(size_t) turn * k + balance_draw(b, k)];
		data_plan_row row = { .row = b->plan->row[seed[turn]].row,
							  .neighbour = b->plan->row[other].row,
							  .copy_of = DATA_NONE,
							  .label = label,
							  .kind = DATA_PLAN_SYNTHETIC,
							  .draw = data_random(b->step_seed, b->draws++) };
		data_label_set set;

		code = combine_labels(b, seed[turn], nearest + (size_t) turn * k, k, s->votes, s->labels,
							  &row.set);
		if (code != EM_OK)
			break;
		set = balance_set(b, row.set);
		for (uint32_t i = 0; i < set.size; i++)
			s->count[set.labels[i]]++;
		code = balance_append(b, row);
	}
	return code;
}

static em_code
grow_label(balancer *b, smote *s, uint32_t label)
{
	uint32_t *bag = NULL, *seed = NULL, *nearest = NULL;
	uint32_t bag_count = 0, seeds, k;
	uint64_t wanted;
	em_code code = balance_members(b, label, true, &bag, &bag_count);

	if (code != EM_OK || bag_count < 2)
	{
		em_release(b->allocator, bag);
		return code; /* with nobody beside it there is no between */
	}
	wanted = b->step->to_target ? b->input->target[label] - s->count[label] : bag_count;
	seeds = wanted < bag_count ? (uint32_t) wanted : bag_count;
	k = b->step->neighbours < bag_count - 1 ? b->step->neighbours : bag_count - 1;
	seed = em_allocate_array(b->allocator, bag_count, sizeof(*seed));
	nearest = em_allocate_array(b->allocator, seeds, k * sizeof(*nearest));
	if (seed == NULL || nearest == NULL)
		code = balance_no_memory(b);
	if (code == EM_OK)
	{
		memcpy(seed, bag, bag_count * sizeof(*seed));
		if (b->step->to_target)
			balance_shuffle(b, seed, bag_count);
		code = balance_nearest(b, seed, seeds, bag, bag_count, k, nearest);
	}
	if (code == EM_OK)
		code = make_rows(b, s, label, seed, seeds, nearest, k, wanted);
	em_release(b->allocator, nearest);
	em_release(b->allocator, seed);
	em_release(b->allocator, bag);
	return code;
}

em_code
balance_mlsmote(balancer *b)
{
	balance_measure measure;
	smote s = { 0 };
	em_code code = balance_measure_rows(b, &measure);

	if (code == EM_OK)
	{
		s.count = measure.stats.count;
		s.votes = em_allocate_zeroed(b->allocator, b->plan->labels, sizeof(*s.votes));
		s.labels = em_allocate_array(b->allocator, b->plan->labels, sizeof(*s.labels));
		if (s.votes == NULL || s.labels == NULL)
			code = balance_no_memory(b);
	}
	for (uint32_t l = 0; code == EM_OK && l < b->plan->labels; l++)
	{
		bool poor = b->step->to_target ? s.count[l] < b->input->target[l]
									   : measure.stats.irlbl[l] > measure.stats.mean_ir;

		if (poor && s.count[l] > 0)
			code = grow_label(b, &s, l);
	}
	em_release(b->allocator, s.labels);
	em_release(b->allocator, s.votes);
	balance_measure_release(b, &measure);
	return code;
}
