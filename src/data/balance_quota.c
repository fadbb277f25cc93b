/*
 * balance_quota.c
 *	  Quota: which rows may be used, how many of each label set are, and which.
 */
#include "balance_steps.h"

#include <stdlib.h>

#include "balance_fill.h"
#include "mix.h"

/* -- which rows may be used -- */

static uint32_t
source_of(const balancer *b, uint32_t row)
{
	return b->input->source == NULL ? 0 : b->input->source[row];
}

static float
confidence_of(const balancer *b, uint32_t row)
{
	return b->input->confidence == NULL ? 1.0f : b->input->confidence[row];
}

static em_code
leave_unusable(balancer *b)
{
	const float *least = b->step->min_confidence;
	uint32_t set_count = (uint32_t) data_label_sets_distinct(b->plan->sets);
	uint8_t *wanted = em_allocate_zeroed(b->allocator, set_count, 1);
	em_code code = EM_OK;

	if (wanted == NULL)
		return balance_no_memory(b);
	for (uint32_t s = 0; s < set_count; s++)
	{
		data_label_set set = balance_set(b, s);

		for (uint32_t i = 0; i < set.size; i++)
			wanted[s] |= b->input->target[set.labels[i]] > 0;
	}
	for (uint32_t i = 0; code == EM_OK && i < b->plan->row_count; i++)
	{
		const data_plan_row *row = &b->plan->row[i];

		if (data_plan_dropped(row))
			continue;
		if (least != NULL && confidence_of(b, row->row) < least[source_of(b, row->row)])
			balance_decide(b, i, DATA_UNSURE);
		else if (!wanted[row->set])
			balance_decide(b, i, DATA_UNWANTED);
		code = balance_poll(b);
	}
	em_release(b->allocator, wanted);
	return code;
}

typedef struct duplicate
{
	uint64_t group;
	float confidence;
	uint32_t source;
	uint32_t row;
} duplicate;

/* The best of a group first. */
static int
compare_duplicates(const void *left, const void *right)
{
	const duplicate *a = left;
	const duplicate *b = right;

	if (a->group != b->group)
		return a->group < b->group ? -1 : 1;
	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	if (a->confidence != b->confidence)
		return a->confidence > b->confidence ? -1 : 1;
	return (a->row > b->row) - (a->row < b->row);
}

/* Of each group of input rows leave all but one: what was made of that one stays with it. */
static em_code
leave_duplicates(balancer *b)
{
	uint32_t n = (uint32_t) b->input->rows->n, count = 0;
	uint8_t *mark = em_allocate_zeroed(b->allocator, n, 1); /* 1: has rows in; 2: is left */
	duplicate *sorted = em_allocate_array(b->allocator, n, sizeof(*sorted));

	if (mark == NULL || sorted == NULL)
	{
		em_release(b->allocator, sorted);
		em_release(b->allocator, mark);
		return balance_no_memory(b);
	}
	for (uint64_t i = 0; i < b->plan->row_count; i++)
	{
		if (!data_plan_dropped(&b->plan->row[i]))
			mark[b->plan->row[i].row] = 1;
	}
	for (uint32_t i = 0; i < n; i++)
	{
		if (mark[i] == 1)
			sorted[count++] =
				(duplicate){ b->input->group[i], confidence_of(b, i), source_of(b, i), i };
	}
	if (count > 0)
		qsort(sorted, count, sizeof(*sorted), compare_duplicates);
	for (uint32_t i = 1; i < count; i++)
	{
		if (sorted[i].group == sorted[i - 1].group)
			mark[sorted[i].row] = 2;
	}
	for (uint32_t i = 0; i < b->plan->row_count; i++)
	{
		if (!data_plan_dropped(&b->plan->row[i]) && mark[b->plan->row[i].row] == 2)
			balance_decide(b, i, DATA_REPEATED);
	}
	em_release(b->allocator, sorted);
	em_release(b->allocator, mark);
	return balance_poll(b);
}

/* -- rows by label set, best first -- */

typedef struct candidate
{
	uint32_t index; /* in the plan */
	uint8_t rank;
	float confidence;
	uint64_t random;
} candidate;

typedef struct buckets
{
	uint32_t count;
	uint32_t *set;   /* (count) number of the label set */
	uint64_t *first; /* (count + 1) in candidate */
	candidate *candidate;
	uint64_t *start; /* (count + 1) in label */
	uint32_t *label;
	int64_t *room;  /* (count, ranks) */
	int64_t *taken; /* (count) */
	uint32_t ranks;
} buckets;

/* What steps made ranks behind all sources. */
static uint8_t
rank_of(const balancer *b, const data_plan_row *row)
{
	if (row->kind == DATA_PLAN_SYNTHETIC || row->copy_of != DATA_NONE)
		return (uint8_t) b->plan->sources;
	return (uint8_t) source_of(b, row->row);
}

static int
compare_candidates(const void *left, const void *right)
{
	const candidate *a = left;
	const candidate *b = right;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (a->confidence != b->confidence)
		return a->confidence > b->confidence ? -1 : 1;
	if (a->random != b->random)
		return a->random < b->random ? -1 : 1;
	return (a->index > b->index) - (a->index < b->index);
}

static int
compare_sets(const void *left, const void *right)
{
	const data_label_set *a = left;
	const data_label_set *b = right;

	for (uint32_t i = 0; i < a->size && i < b->size; i++)
	{
		if (a->labels[i] != b->labels[i])
			return a->labels[i] < b->labels[i] ? -1 : 1;
	}
	return (a->size > b->size) - (a->size < b->size);
}

/* The label sets with rows, in an order of their own, so that that of the rows does not matter. */
static bool
list_sets(balancer *b, buckets *k, uint32_t *place)
{
	uint32_t set_count = (uint32_t) data_label_sets_distinct(b->plan->sets);
	data_label_set *sorted = em_allocate_array(b->allocator, set_count, sizeof(*sorted));
	uint64_t labels = 0;

	if (sorted == NULL)
		return false;
	for (uint64_t i = 0; i < b->plan->row_count; i++)
		place[b->plan->row[i].set] += !data_plan_dropped(&b->plan->row[i]);
	for (uint32_t s = 0; s < set_count; s++)
	{
		if (place[s] == 0)
			continue;
		sorted[k->count] = balance_set(b, s);
		sorted[k->count].rows = place[s];
		labels += sorted[k->count++].size;
	}
	if (k->count > 0)
		qsort(sorted, k->count, sizeof(*sorted), compare_sets);
	k->set = em_allocate_array(b->allocator, k->count, sizeof(*k->set));
	k->first = em_allocate_zeroed(b->allocator, (size_t) k->count + 1, sizeof(*k->first));
	k->start = em_allocate_zeroed(b->allocator, (size_t) k->count + 1, sizeof(*k->start));
	k->label = em_allocate_array(b->allocator, (size_t) labels, sizeof(*k->label));
	if (k->set != NULL && k->first != NULL && k->start != NULL && k->label != NULL)
	{
		for (uint32_t i = 0; i < k->count; i++)
		{
			k->first[i + 1] = k->first[i] + sorted[i].rows;
			k->start[i + 1] = k->start[i] + sorted[i].size;
			for (uint32_t j = 0; j < sorted[i].size; j++)
				k->label[k->start[i] + j] = sorted[i].labels[j];
			(void) data_label_sets_number(b->plan->sets, sorted[i].labels, sorted[i].size,
										  &k->set[i]);
			place[k->set[i]] = i;
		}
	}
	em_release(b->allocator, sorted);
	return k->set != NULL && k->first != NULL && k->start != NULL && k->label != NULL;
}

static em_code
fill_buckets(balancer *b, buckets *k, const uint32_t *place)
{
	for (uint32_t i = 0; i < b->plan->row_count; i++)
	{
		const data_plan_row *row = &b->plan->row[i];
		uint32_t at = place[row->set];

		if (data_plan_dropped(row))
			continue;
		/* by number of the row, so that what came before it does not matter */
		k->candidate[k->first[at]++] = (candidate){ i, rank_of(b, row), confidence_of(b, row->row),
													data_random(b->step_seed, i) };
		k->room[(size_t) at * k->ranks + rank_of(b, row)]++;
	}
	for (uint32_t i = k->count; i > 0; i--)
		k->first[i] = k->first[i - 1];
	k->first[0] = 0;
	for (uint32_t i = 0; i < k->count; i++)
	{
		int64_t *room = k->room + (size_t) i * k->ranks;
		em_code code = balance_poll(b);

		if (code != EM_OK)
			return code;
		for (uint32_t r = 1; r < k->ranks; r++)
			room[r] += room[r - 1];
		qsort(k->candidate + k->first[i], (size_t) (k->first[i + 1] - k->first[i]),
			  sizeof(*k->candidate), compare_candidates);
	}
	return EM_OK;
}

static em_code
make_buckets(balancer *b, buckets *k)
{
	uint32_t set_count = (uint32_t) data_label_sets_distinct(b->plan->sets);
	uint32_t *place = em_allocate_zeroed(b->allocator, set_count, sizeof(*place));
	em_code code;

	k->ranks = b->plan->sources + 1;
	if (place == NULL || !list_sets(b, k, place))
	{
		em_release(b->allocator, place);
		return balance_no_memory(b);
	}
	k->candidate =
		em_allocate_array(b->allocator, (size_t) k->first[k->count], sizeof(*k->candidate));
	k->room = em_allocate_zeroed(b->allocator, k->count, k->ranks * sizeof(*k->room));
	k->taken = em_allocate_zeroed(b->allocator, k->count, sizeof(*k->taken));
	code = k->candidate == NULL || k->room == NULL || k->taken == NULL ? balance_no_memory(b)
																	   : fill_buckets(b, k, place);
	em_release(b->allocator, place);
	return code;
}

static void
release_buckets(balancer *b, buckets *k)
{
	em_release(b->allocator, k->taken);
	em_release(b->allocator, k->room);
	em_release(b->allocator, k->candidate);
	em_release(b->allocator, k->label);
	em_release(b->allocator, k->start);
	em_release(b->allocator, k->first);
	em_release(b->allocator, k->set);
}

/* -- taking -- */

/* For which of its labels a set is taken: that with the fewest rows for its target. */
static uint32_t
rarest_label(const balancer *b, const buckets *k, const uint64_t *supply, uint32_t bucket)
{
	const uint64_t *target = b->input->target;
	uint32_t rarest = DATA_NONE;
	double least = 0.0;

	for (uint64_t e = k->start[bucket]; e < k->start[bucket + 1]; e++)
	{
		uint32_t l = k->label[e];
		double rows = target[l] == 0 ? 0.0 : (double) supply[l] / (double) target[l];

		if (target[l] > 0 && (rarest == DATA_NONE || rows < least))
		{
			rarest = l;
			least = rows;
		}
	}
	return rarest;
}

static em_code
take_rows(balancer *b, const buckets *k, const uint64_t *supply)
{
	em_code code = EM_OK;

	for (uint32_t i = 0; code == EM_OK && i < k->count; i++)
	{
		uint64_t rows = k->first[i + 1] - k->first[i];
		uint64_t taken = (uint64_t) k->taken[i];
		uint32_t label = rarest_label(b, k, supply, i);
		const candidate *chosen = k->candidate + k->first[i];

		for (uint64_t c = 0; c < rows; c++)
		{
			balance_decide(b, chosen[c].index, c < taken ? DATA_TAKEN : DATA_SURPLUS);
			if (c < taken)
				b->plan->row[chosen[c].index].label = label;
		}
		for (uint64_t c = rows; rows > 0 && code == EM_OK && c < taken; c++)
			code = balance_copy(b, chosen[c % rows].index, label);
		if (code == EM_OK)
			code = balance_poll(b);
	}
	return code;
}

em_code
balance_quota(balancer *b)
{
	buckets k = { 0 };
	uint64_t *supply = em_allocate_zeroed(b->allocator, b->plan->labels, sizeof(*supply));
	data_fill_result result;
	em_code code = supply == NULL ? balance_no_memory(b) : leave_unusable(b);

	if (code == EM_OK && b->input->group != NULL)
		code = leave_duplicates(b);
	if (code == EM_OK)
		code = make_buckets(b, &k);
	if (code == EM_OK)
	{
		data_fill_problem problem = {
			.labels = b->plan->labels,
			.target = b->input->target,
			.sets = k.count,
			.start = k.start,
			.label = k.label,
			.ranks = k.ranks,
			.room = k.room,
			.copies = b->step->max_copies == 0 ? 1 : b->step->max_copies,
			.should_stop = b->options->should_stop,
			.stop_context = b->options->stop_context,
		};

		for (uint32_t i = 0; i < k.count; i++)
		{
			for (uint64_t e = k.start[i]; e < k.start[i + 1]; e++)
				supply[k.label[e]] += k.first[i + 1] - k.first[i];
		}
		code = data_fill(b->allocator, &problem, k.taken, &result, b->status);
	}
	if (code == EM_OK)
	{
		b->plan->quota_deviation = result.deviation;
		b->plan->bound = result.bound;
		code = take_rows(b, &k, supply);
	}
	release_buckets(b, &k);
	em_release(b->allocator, supply);
	return code;
}
