/*
 * balance_clean.c
 *	  MLeNN: drop rows of common labels that do not look like their neighbours.
 */
#include "balance_steps.h"

/* |Y ^ Y'| / (|Y| + |Y'|), 0 of two empty sets */
static double
difference(data_label_set x, data_label_set y)
{
	uint32_t i = 0, j = 0, both = 0;

	while (i < x.size && j < y.size)
	{
		both += x.labels[i] == y.labels[j];
		if (x.labels[i] <= y.labels[j])
		{
			j += x.labels[i] == y.labels[j];
			i++;
		}
		else
			j++;
	}
	return x.size + y.size == 0 ? 0.0 : 1.0 - 2.0 * both / ((double) x.size + y.size);
}

/* Is it unlike at least half of its neighbours? */
static bool
is_noise(const balancer *b, uint32_t row, const uint32_t *nearest, uint32_t k)
{
	uint32_t neighbours = 0, unlike = 0;

	for (; neighbours < k && nearest[neighbours] != DATA_NONE; neighbours++)
		unlike +=
			difference(balance_set(b, b->plan->row[row].set),
					   balance_set(b, b->plan->row[nearest[neighbours]].set)) > b->step->threshold;
	return neighbours > 0 && 2 * unlike >= neighbours;
}

em_code
balance_mlenn(balancer *b)
{
	data_balance_plan *plan = b->plan;
	balance_measure measure;
	uint32_t *point = NULL, *query = NULL, *nearest = NULL;
	uint32_t points = 0, queries = 0, k = b->step->neighbours;
	em_code code = balance_measure_rows(b, &measure);

	if (code == EM_OK)
	{
		point = em_allocate_array(b->allocator, (size_t) plan->row_count, sizeof(*point));
		query = em_allocate_array(b->allocator, (size_t) plan->row_count, sizeof(*query));
		if (point == NULL || query == NULL)
			code = balance_no_memory(b);
	}
	for (uint32_t i = 0; code == EM_OK && i < plan->row_count; i++)
	{
		data_label_set set = balance_set(b, plan->row[i].set);

		if (!balance_has_place(&plan->row[i]))
			continue;
		point[points++] = i;
		if (set.size > 0 && !balance_has_minority(set, &measure.stats))
			query[queries++] = i;
	}
	if (code == EM_OK)
	{
		nearest = em_allocate_array(b->allocator, queries, k * sizeof(*nearest));
		code = nearest == NULL ? balance_no_memory(b)
							   : balance_nearest(b, query, queries, point, points, k, nearest);
	}
	if (code == EM_OK)
	{
		/* all are judged by the rows as they were */
		for (uint32_t q = 0; q < queries; q++)
		{
			if (is_noise(b, query[q], nearest + (size_t) q * k, k))
				balance_decide(b, query[q], DATA_NOISE);
		}
		for (uint64_t i = 0; i < plan->row_count; i++)
		{
			const data_plan_row *row = &plan->row[i];

			if (row->copy_of != DATA_NONE && !data_plan_dropped(row) &&
				plan->row[row->copy_of].reason == DATA_NOISE &&
				plan->row[row->copy_of].step == b->step_number)
				balance_decide(b, (uint32_t) i, DATA_NOISE);
		}
	}
	em_release(b->allocator, nearest);
	em_release(b->allocator, query);
	em_release(b->allocator, point);
	balance_measure_release(b, &measure);
	return code;
}
