/*
 * balance_fill.c
 *	  How the descents are led: trust weighs much at first, then ever less; the
 *	  limit of the deviation is lowered towards the lower bound as long as the
 *	  largest deviation follows.
 */
#include "balance_fill.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "balance_bound.h"
#include "balance_descent.h"

#define TRIES 40 /* of a lower limit */

static void
set_weight(filler *f, double weight)
{
	f->weight = weight;
	f->least = fmax(f->least_weight, weight / 16) / 4;
}

/*
 * Descend with trust weighing much at first, so that rows of lower rank come in
 * only where they are missed, then ever less, at last less than any difference
 * in the squares. Alone the least weight would not do: among equal squares the
 * steps hardly find from one choice of rows to another.
 */
static em_code
settle(filler *f)
{
	em_code code = EM_OK;

	if (f->p->ranks > 1 || f->p->copies > 1)
	{
		for (double weight = f->most_weight; code == EM_OK && weight > f->middle_weight;
			 weight /= 4)
		{
			set_weight(f, weight);
			code = fill_descend(f);
		}
	}
	set_weight(f, f->least_weight);
	return code == EM_OK ? fill_descend(f) : code;
}

/* -- the search -- */

typedef struct standing
{
	double deviation, squares, ranks;
} standing;

static standing
stand(const filler *f)
{
	standing s = { 0 };

	for (uint32_t l = 0; l < f->p->labels; l++)
	{
		double t = (double) f->p->target[l];
		double r = ((double) f->count[l] - t) / t;

		if (f->p->target[l] == 0)
			continue;
		s.deviation = fmax(s.deviation, fabs(r));
		s.squares += r * r;
	}
	for (uint32_t i = 0; i < f->p->sets; i++)
		s.ranks += fill_rank_sum(f, i, f->taken[i]);
	return s;
}

static bool
is_better(standing a, standing b)
{
	if (fabs(a.deviation - b.deviation) > 1e-12)
		return a.deviation < b.deviation;
	if (fabs(a.squares - b.squares) > 1e-12 * fmax(1.0, b.squares))
		return a.squares < b.squares;
	return a.ranks < b.ranks;
}

/* Allow the rows of ranks 0 .. r. */
static void
allow_rank(filler *f, uint32_t r)
{
	for (uint32_t s = 0; s < f->p->sets; s++)
		f->cap[s] = fill_room(f, s)[r];
}

/* Allow rows of labels that are short to be taken again. */
static void
allow_copies(filler *f)
{
	for (uint32_t s = 0; s < f->p->sets; s++)
	{
		for (uint64_t e = f->p->start[s]; e < f->p->start[s + 1]; e++)
		{
			uint32_t l = f->p->label[e];

			if (f->count[l] < (int64_t) f->p->target[l])
				f->cap[s] = fill_room(f, s)[f->p->ranks - 1] * f->p->copies;
		}
	}
}

/* Each set by the same share of its rows, as far as its commonest label allows. */
static void
start_evenly(filler *f)
{
	allow_rank(f, 0);
	memcpy(f->taken, f->cap, f->p->sets * sizeof(*f->taken));
	fill_recount(f);
	for (uint32_t s = 0; s < f->p->sets; s++)
	{
		double share = 1.0;

		for (uint64_t e = f->p->start[s]; e < f->p->start[s + 1]; e++)
		{
			uint32_t l = f->p->label[e];

			if (f->p->target[l] > 0 && f->count[l] > 0)
				share = fmin(share, (double) f->p->target[l] / (double) f->count[l]);
		}
		f->taken[s] = (int64_t) floor(share * (double) f->cap[s]);
	}
	fill_recount(f);
}

/*
 * Lower the limit from the deviation reached towards the bound. better: (sets)
 * the best so far; other: (sets) another place to start from.
 */
static em_code
lower_deviation(filler *f, double bound, int64_t *better, const int64_t *other, standing *best)
{
	double low = bound, grain = INFINITY, slack = 0.0;
	em_code code = EM_OK;

	for (uint32_t l = 0; l < f->p->labels; l++)
	{
		double row = 1.0 / (double) f->p->target[l];

		if (f->p->target[l] == 0)
			continue;
		grain = fmin(grain, row / 2);
		slack += row * row;
	}
	for (int i = 0; i < TRIES && code == EM_OK && f->budget > 0 && best->deviation - low > grain;
		 i++)
	{
		double limit = i == 0 ? low : (low + best->deviation) / 2;
		bool lower = false;

		for (int from = 0; from < 2 && code == EM_OK && !lower; from++)
		{
			standing now;

			memcpy(f->taken, from == 0 ? better : other, f->p->sets * sizeof(*f->taken));
			fill_recount(f);
			fill_set_limit(f, limit);
			code = fill_descend(f);
			now = stand(f);
			lower = now.deviation < best->deviation - 1e-12;
			if (is_better(now, *best))
			{
				*best = now;
				memcpy(better, f->taken, f->p->sets * sizeof(*better));
			}
		}
		if (!lower && i > 0)
			low = limit;
	}
	/*
	 * Once more under the limit reached, for the squares and the ranks. For the
	 * ranks' sake the squares may be worse by what a row of each label makes.
	 */
	memcpy(f->taken, better, f->p->sets * sizeof(*f->taken));
	fill_recount(f);
	if (code == EM_OK)
	{
		standing now;

		fill_set_limit(f, best->deviation);
		code = settle(f);
		now = stand(f);
		if (now.deviation <= best->deviation + 1e-12 && now.ranks < best->ranks &&
			now.squares <= best->squares + slack)
			now.squares = best->squares;
		if (is_better(now, *best))
		{
			memcpy(better, f->taken, f->p->sets * sizeof(*better));
			*best = stand(f);
		}
	}
	return code;
}

static em_code
search(const em_allocator *allocator, filler *f, int64_t *better, int64_t *other,
	   data_fill_result *result)
{
	standing best;
	em_code code;

	start_evenly(f);
	code = fill_descend(f);
	if (f->p->ranks > 1 && code == EM_OK)
	{
		allow_rank(f, f->p->ranks - 1);
		code = settle(f);
	}
	if (f->p->copies > 1 && code == EM_OK)
	{
		allow_copies(f);
		code = settle(f);
	}
	if (code != EM_OK)
		return code;
	best = stand(f);
	memcpy(better, f->taken, f->p->sets * sizeof(*better));
	code = data_fill_bound(allocator, f->p, f->cap, better, &result->bound, other, f->status);
	if (code == EM_OK)
		code = lower_deviation(f, result->bound, better, other, &best);
	result->deviation = best.deviation;
	result->squares = best.squares;
	result->bound = fmin(result->bound, best.deviation);
	return code;
}

/* -- making ready -- */

typedef struct ordered_set
{
	double supply; /* rows over target of its rarest label */
	uint32_t set;
} ordered_set;

static int
compare_ordered(const void *left, const void *right)
{
	const ordered_set *a = left;
	const ordered_set *b = right;

	if (a->supply != b->supply)
		return a->supply < b->supply ? -1 : 1;
	return (a->set > b->set) - (a->set < b->set);
}

static bool
order_sets(const em_allocator *allocator, filler *f)
{
	const data_fill_problem *p = f->p;
	ordered_set *sorted = em_allocate_array(allocator, p->sets, sizeof(*sorted));

	if (sorted == NULL)
		return false;
	allow_rank(f, p->ranks - 1);
	memcpy(f->taken, f->cap, p->sets * sizeof(*f->taken));
	fill_recount(f);
	for (uint32_t s = 0; s < p->sets; s++)
	{
		sorted[s] = (ordered_set){ INFINITY, s };
		for (uint64_t e = p->start[s]; e < p->start[s + 1]; e++)
		{
			uint32_t l = p->label[e];

			if (p->target[l] > 0)
				sorted[s].supply =
					fmin(sorted[s].supply, (double) f->count[l] / (double) p->target[l]);
		}
	}
	if (p->sets > 0)
		qsort(sorted, p->sets, sizeof(*sorted), compare_ordered);
	for (uint32_t i = 0; i < p->sets; i++)
		f->order[i] = sorted[i].set;
	em_release(allocator, sorted);
	return true;
}

static void
list_holders(filler *f)
{
	const data_fill_problem *p = f->p;
	uint64_t sum = 0;

	for (uint64_t e = 0; e < p->start[p->sets]; e++)
		f->holder_start[p->label[e]] += p->target[p->label[e]] > 0;
	for (uint32_t l = 0; l <= p->labels; l++)
	{
		sum += f->holder_start[l];
		f->holder_start[l] = sum; /* its end; filling from behind makes it the start */
	}
	for (uint32_t o = p->sets; o-- > 0;)
	{
		uint32_t s = f->order[o];

		for (uint64_t e = p->start[s]; e < p->start[s + 1]; e++)
		{
			if (p->target[p->label[e]] > 0)
				f->holder[--f->holder_start[p->label[e]]] = s;
		}
	}
}

em_code
data_fill(const em_allocator *allocator, const data_fill_problem *problem, int64_t *taken,
		  data_fill_result *result, em_status *status)
{
	filler f = { .p = problem, .status = status, .limit = INFINITY, .budget = FILL_BUDGET };
	uint32_t sets = problem->sets, labels = problem->labels;
	int64_t *other = em_allocate_array(allocator, sets, sizeof(*other));
	uint64_t largest = 1, smallest = UINT64_MAX;
	em_code code;

	for (uint32_t l = 0; l < labels; l++)
	{
		if (problem->target[l] == 0)
			continue;
		largest = problem->target[l] > largest ? problem->target[l] : largest;
		smallest = problem->target[l] < smallest ? problem->target[l] : smallest;
	}
	/* a row short of a target is worth 2 deviation / target; the smallest difference is a row's */
	f.most_weight = 2.0 / (double) smallest;
	f.middle_weight = 1.0 / ((double) largest * (double) largest);
	f.least_weight = f.middle_weight / 256;
	set_weight(&f, f.least_weight);
	f.cap = em_allocate_array(allocator, sets, sizeof(*f.cap));
	f.taken = em_allocate_array(allocator, sets, sizeof(*f.taken));
	f.count = em_allocate_array(allocator, labels, sizeof(*f.count));
	f.up = em_allocate_array(allocator, labels, sizeof(*f.up));
	f.down = em_allocate_array(allocator, labels, sizeof(*f.down));
	f.holder_start = em_allocate_zeroed(allocator, (size_t) labels + 1, sizeof(*f.holder_start));
	f.holder = em_allocate_array(allocator, (size_t) problem->start[sets], sizeof(*f.holder));
	f.order = em_allocate_array(allocator, sets, sizeof(*f.order));
	f.plus = em_allocate_array(allocator, labels, sizeof(*f.plus));
	f.minus = em_allocate_array(allocator, labels, sizeof(*f.minus));
	if (other != NULL && f.cap != NULL && f.taken != NULL && f.count != NULL && f.up != NULL &&
		f.down != NULL && f.holder_start != NULL && f.holder != NULL && f.order != NULL &&
		f.plus != NULL && f.minus != NULL && order_sets(allocator, &f))
	{
		list_holders(&f);
		code = search(allocator, &f, taken, other, result);
	}
	else
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	em_release(allocator, f.minus);
	em_release(allocator, f.plus);
	em_release(allocator, f.order);
	em_release(allocator, f.holder);
	em_release(allocator, f.holder_start);
	em_release(allocator, f.down);
	em_release(allocator, f.up);
	em_release(allocator, f.count);
	em_release(allocator, f.taken);
	em_release(allocator, f.cap);
	em_release(allocator, other);
	return code;
}
