/*
 * balance_resample.c
 *	  Cloning and dropping rows at random: ML-ROS, ML-RUS, LP-ROS, LP-RUS.
 */
#include "balance_steps.h"

#include <math.h>
#include <stdlib.h>

/* percent of the rows that are in, rounded down */
static uint64_t
share_of_rows(const balancer *b, const balance_measure *measure)
{
	return (uint64_t) floor((double) measure->stats.rows * b->step->percent / 100.0);
}

/* -- by label -- */

typedef struct label_bag
{
	uint32_t label;
	uint32_t *row; /* plan rows */
	uint32_t count;
} label_bag;

/* Does the label, with the counts now, need no more rows? */
static bool
has_enough(const balancer *b, const data_label_stats *stats, uint64_t most, uint32_t label)
{
	if (b->step->to_target)
		return stats->count[label] >= b->input->target[label];
	return (double) most / (double) stats->count[label] <= stats->mean_ir;
}

static em_code
clone_in_turn(balancer *b, data_label_stats *stats, label_bag *bag, uint32_t bags, uint64_t wanted)
{
	uint64_t most = 0;
	em_code code = EM_OK;

	for (uint32_t l = 0; l < stats->labels; l++)
		most = stats->count[l] > most ? stats->count[l] : most;
	while (bags > 0 && wanted > 0 && code == EM_OK)
	{
		uint32_t left = 0;

		for (uint32_t i = 0; i < bags && code == EM_OK; i++)
		{
			uint32_t chosen;
			data_label_set set;

			/* others' clones may have brought it enough */
			if (wanted == 0 || has_enough(b, stats, most, bag[i].label))
				continue;
			chosen = bag[i].row[balance_draw(b, bag[i].count)];
			set = balance_set(b, b->plan->row[chosen].set);
			code = balance_copy(b, chosen, bag[i].label);
			for (uint32_t j = 0; j < set.size; j++)
			{
				uint64_t count = ++stats->count[set.labels[j]];

				most = count > most ? count : most;
			}
			wanted--;
			if (!has_enough(b, stats, most, bag[i].label))
			{
				label_bag swap = bag[left];

				bag[left++] = bag[i];
				bag[i] = swap;
			}
		}
		bags = left;
	}
	return code;
}

em_code
balance_ml_ros(balancer *b)
{
	balance_measure measure;
	label_bag *bag = NULL;
	uint32_t bags = 0;
	em_code code = balance_measure_rows(b, &measure);

	if (code == EM_OK)
	{
		bag = em_allocate_zeroed(b->allocator, b->plan->labels, sizeof(*bag));
		if (bag == NULL)
			code = balance_no_memory(b);
	}
	for (uint32_t l = 0; code == EM_OK && l < b->plan->labels; l++)
	{
		bool poor = b->step->to_target ? measure.stats.count[l] < b->input->target[l]
									   : measure.stats.irlbl[l] > measure.stats.mean_ir;

		if (!poor || measure.stats.count[l] == 0)
			continue;
		code = balance_members(b, l, false, &bag[bags].row, &bag[bags].count);
		if (code == EM_OK)
			bag[bags++].label = l;
	}
	if (code == EM_OK)
		code = clone_in_turn(b, &measure.stats, bag, bags,
							 b->step->to_target ? UINT64_MAX : share_of_rows(b, &measure));
	for (uint32_t i = 0; i < bags; i++)
		em_release(b->allocator, bag[i].row);
	em_release(b->allocator, bag);
	balance_measure_release(b, &measure);
	return code;
}

em_code
balance_ml_rus(balancer *b)
{
	balance_measure measure;
	uint32_t *row = NULL;
	uint8_t *majority = NULL;
	uint32_t count = 0;
	uint64_t wanted = 0;
	em_code code = balance_measure_rows(b, &measure);

	if (code == EM_OK)
	{
		wanted = share_of_rows(b, &measure);
		row = em_allocate_array(b->allocator, (size_t) b->plan->row_count, sizeof(*row));
		majority = em_allocate_array(b->allocator, measure.set_count, 1);
		if (row == NULL || majority == NULL)
			code = balance_no_memory(b);
	}
	for (uint32_t s = 0; code == EM_OK && s < measure.set_count; s++)
	{
		data_label_set set = balance_set(b, s);

		majority[s] = set.size > 0 && !balance_has_minority(set, &measure.stats);
	}
	for (uint32_t i = 0; code == EM_OK && i < b->plan->row_count; i++)
	{
		if (!data_plan_dropped(&b->plan->row[i]) && majority[b->plan->row[i].set])
			row[count++] = i;
	}
	for (; code == EM_OK && count > 0 && wanted > 0; wanted--)
	{
		uint32_t chosen = balance_draw(b, count);

		balance_decide(b, row[chosen], DATA_REDUCED);
		row[chosen] = row[--count];
		code = balance_poll(b);
	}
	em_release(b->allocator, majority);
	em_release(b->allocator, row);
	balance_measure_release(b, &measure);
	return code;
}

/* -- by label set -- */

typedef struct set_bag
{
	data_label_set set;
	uint32_t number;
	uint64_t count; /* rows */
	uint64_t room;  /* rows to add or to drop at most */
	uint64_t change;
	uint32_t *row; /* plan rows, in one array for all bags */
} set_bag;

static int
compare_bags(const void *left, const void *right)
{
	const set_bag *a = left;
	const set_bag *b = right;

	if (a->count != b->count)
		return a->count < b->count ? -1 : 1;
	for (uint32_t i = 0; i < a->set.size && i < b->set.size; i++)
	{
		if (a->set.labels[i] != b->set.labels[i])
			return a->set.labels[i] < b->set.labels[i] ? -1 : 1;
	}
	return (a->set.size > b->set.size) - (a->set.size < b->set.size);
}

/* Larger first, equals in the same order as above. */
static int
compare_bags_down(const void *left, const void *right)
{
	const set_bag *a = left;
	const set_bag *b = right;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return compare_bags(left, right);
}

/* Sort the bags with rows and share `wanted` out among those that have room. */
static uint32_t
share_out(set_bag *bag, uint32_t bags, uint64_t rows, uint64_t wanted, bool grow)
{
	uint64_t mean_down = bags == 0 ? 0 : rows / bags;
	uint64_t mean_up = bags == 0 ? 0 : (rows + bags - 1) / bags;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < bags; i++)
	{
		set_bag one = bag[i];

		one.room = grow ? (one.count < mean_down ? mean_down - one.count : 0)
						: (one.count > mean_up ? one.count - mean_up : 0);
		if (one.room > 0)
			bag[kept++] = one;
	}
	if (kept > 0)
		qsort(bag, kept, sizeof(*bag), grow ? compare_bags_down : compare_bags);
	for (uint32_t i = 0; i < kept; i++)
	{
		uint64_t share = wanted / (kept - i);

		bag[i].change = bag[i].room < share ? bag[i].room : share;
		wanted -= bag[i].change;
	}
	return kept;
}

/* Which plan rows each bag has; row: (rows that are in); place: (sets) scratch. */
static void
list_rows(const balancer *b, set_bag *bag, uint32_t bags, uint32_t *row, uint32_t *place)
{
	for (uint32_t i = 0; i < bags; i++)
	{
		bag[i].row = row;
		row += bag[i].count;
		place[bag[i].number] = i + 1;
		bag[i].count = 0;
	}
	for (uint32_t i = 0; i < b->plan->row_count; i++)
	{
		uint32_t at = place[b->plan->row[i].set];

		if (at > 0 && !data_plan_dropped(&b->plan->row[i]))
			bag[at - 1].row[bag[at - 1].count++] = i;
	}
}

static em_code
change_bags(balancer *b, set_bag *bag, uint32_t bags, bool grow)
{
	em_code code = EM_OK;

	for (uint32_t i = 0; i < bags; i++)
	{
		uint32_t left = (uint32_t) bag[i].count;

		for (uint64_t c = 0; code == EM_OK && c < bag[i].change; c++)
		{
			uint32_t chosen = balance_draw(b, left);

			if (grow)
				code = balance_copy(b, bag[i].row[chosen], DATA_NONE);
			else
			{
				balance_decide(b, bag[i].row[chosen], DATA_REDUCED);
				bag[i].row[chosen] = bag[i].row[--left];
				code = balance_poll(b);
			}
		}
	}
	return code;
}

static em_code
resample_sets(balancer *b, bool grow)
{
	balance_measure measure;
	set_bag *bag = NULL;
	uint32_t *row = NULL, *place = NULL;
	uint32_t bags = 0;
	em_code code = balance_measure_rows(b, &measure);

	if (code == EM_OK)
	{
		bag = em_allocate_zeroed(b->allocator, measure.set_count, sizeof(*bag));
		place = em_allocate_zeroed(b->allocator, measure.set_count, sizeof(*place));
		row = em_allocate_array(b->allocator, (size_t) measure.stats.rows, sizeof(*row));
		if (bag == NULL || place == NULL || row == NULL)
			code = balance_no_memory(b);
	}
	for (uint32_t s = 0; code == EM_OK && s < measure.set_count; s++)
	{
		if (measure.set_rows[s] > 0)
			bag[bags++] =
				(set_bag){ .set = balance_set(b, s), .number = s, .count = measure.set_rows[s] };
	}
	if (code == EM_OK)
	{
		bags = share_out(bag, bags, measure.stats.rows, share_of_rows(b, &measure), grow);
		list_rows(b, bag, bags, row, place);
		code = change_bags(b, bag, bags, grow);
	}
	em_release(b->allocator, row);
	em_release(b->allocator, place);
	em_release(b->allocator, bag);
	balance_measure_release(b, &measure);
	return code;
}

em_code
balance_lp_ros(balancer *b)
{
	return resample_sets(b, true);
}

em_code
balance_lp_rus(balancer *b)
{
	return resample_sets(b, false);
}
