/*
 * balance_descent.c
 *	  The objective, the moves, and going downhill.
 */
#include "balance_descent.h"

#include <math.h>
#include <string.h>

#define PENALTY 1e6
#define SINGLE 4                 /* a single count costs as much as so many pairs */
#define SHARE (FILL_BUDGET / 10) /* of one descent */
#define SURE_ROUNDS 3            /* of single counts, whatever the budget */
#define STOP_EVERY 65536
#define NO_SET UINT32_MAX

static void
spend(filler *f, uint64_t amount)
{
	f->budget -= f->budget > amount ? amount : f->budget;
}

static em_code
poll(filler *f)
{
	if (f->p->should_stop != NULL && f->polls++ % STOP_EVERY == 0 &&
		f->p->should_stop(f->p->stop_context))
		return em_fail(f->status, EM_CANCELLED, "cancelled");
	return EM_OK;
}

/* -- the objective -- */

/* Change of label l's part of the objective when it gets k rows more (k < 0: less). */
static double
label_change(const filler *f, uint32_t l, int64_t k)
{
	double t = (double) f->p->target[l];
	double before, after, change;

	if (f->p->target[l] == 0)
		return 0.0;
	before = (double) f->count[l] - t;
	after = before + (double) k;
	/* differences of squares as products, so that small ones survive */
	change = (double) k * (before + after) / (t * t);
	if (f->limit < INFINITY)
	{
		double excess_before = fmax(0.0, fabs(before) / t - f->limit);
		double excess_after = fmax(0.0, fabs(after) / t - f->limit);

		change += PENALTY * (excess_after - excess_before) * (excess_after + excess_before);
	}
	return change;
}

double
fill_rank_sum(const filler *f, uint32_t set, int64_t rows)
{
	const int64_t *room = fill_room(f, set);
	int64_t all = room[f->p->ranks - 1];
	double sum = 0.0;

	for (uint32_t r = 0; r < f->p->ranks; r++)
		sum += rows > room[r] ? (double) (rows - room[r]) : 0.0;
	for (int64_t used = 2 * all; used < rows; used += all)
		sum += (double) (rows - used);
	return sum * (double) (f->p->start[set + 1] - f->p->start[set]);
}

static double
rank_change(const filler *f, uint32_t set, int64_t k)
{
	if (f->p->ranks == 1 && f->p->copies == 1)
		return 0.0;
	return f->weight *
		   (fill_rank_sum(f, set, f->taken[set] + k) - fill_rank_sum(f, set, f->taken[set]));
}

/* Change of the objective by the move k times over; plus and minus are set. */
static double
move_change(const filler *f, uint32_t add, uint32_t drop, int64_t k)
{
	double sum = 0.0;

	for (uint32_t i = 0; i < f->plus_count; i++)
		sum += label_change(f, f->plus[i], k);
	for (uint32_t i = 0; i < f->minus_count; i++)
		sum += label_change(f, f->minus[i], -k);
	if (add != NO_SET)
		sum += rank_change(f, add, k);
	if (drop != NO_SET)
		sum += rank_change(f, drop, -k);
	return sum;
}

static void
refresh(filler *f, uint32_t l)
{
	f->up[l] = label_change(f, l, 1);
	f->down[l] = label_change(f, l, -1);
}

void
fill_recount(filler *f)
{
	memset(f->count, 0, f->p->labels * sizeof(*f->count));
	for (uint32_t s = 0; s < f->p->sets; s++)
	{
		for (uint64_t e = f->p->start[s]; e < f->p->start[s + 1]; e++)
			f->count[f->p->label[e]] += f->taken[s];
	}
	for (uint32_t l = 0; l < f->p->labels; l++)
		refresh(f, l);
}

void
fill_set_limit(filler *f, double limit)
{
	f->limit = limit;
	for (uint32_t l = 0; l < f->p->labels; l++)
		refresh(f, l);
}

/* -- moves -- */

/* The labels that only `add` has, and only `drop`. */
static void
set_move(filler *f, uint32_t add, uint32_t drop)
{
	uint64_t i = add == NO_SET ? 0 : f->p->start[add];
	uint64_t i_end = add == NO_SET ? 0 : f->p->start[add + 1];
	uint64_t j = drop == NO_SET ? 0 : f->p->start[drop];
	uint64_t j_end = drop == NO_SET ? 0 : f->p->start[drop + 1];
	const uint32_t *label = f->p->label;

	f->plus_count = f->minus_count = 0;
	while (i < i_end || j < j_end)
	{
		if (j == j_end || (i < i_end && label[i] < label[j]))
			f->plus[f->plus_count++] = label[i++];
		else if (i == i_end || label[j] < label[i])
			f->minus[f->minus_count++] = label[j++];
		else
		{
			i++;
			j++;
		}
	}
}

/* Make the move as often as it helps; false when it does not. */
static bool
try_move(filler *f, uint32_t add, uint32_t drop)
{
	int64_t most = INT64_MAX, low = 1, high;
	double last, next;

	set_move(f, add, drop);
	if (add != NO_SET)
		most = f->cap[add] - f->taken[add];
	if (drop != NO_SET && f->taken[drop] < most)
		most = f->taken[drop];
	last = most < 1 ? 0.0 : move_change(f, add, drop, 1);
	if (most < 1 || !(last < -f->least))
		return false;
	/* the objective is convex along the move: double, then halve */
	high = 1;
	while (high <= most / 2 && (next = move_change(f, add, drop, 2 * high)) < last)
	{
		low = high;
		high *= 2;
		last = next;
	}
	high = high <= most / 2 ? 2 * high : most;
	while (low < high)
	{
		int64_t middle = low + (high - low) / 2;

		if (move_change(f, add, drop, middle + 1) < move_change(f, add, drop, middle))
			low = middle + 1;
		else
			high = middle;
	}
	if (!(move_change(f, add, drop, low) < -f->least))
		low = 1;
	for (uint32_t i = 0; i < f->plus_count; i++)
		f->count[f->plus[i]] += low;
	for (uint32_t i = 0; i < f->minus_count; i++)
		f->count[f->minus[i]] -= low;
	if (add != NO_SET)
		f->taken[add] += low;
	if (drop != NO_SET)
		f->taken[drop] -= low;
	for (uint32_t i = 0; i < f->plus_count; i++)
		refresh(f, f->plus[i]);
	for (uint32_t i = 0; i < f->minus_count; i++)
		refresh(f, f->minus[i]);
	return true;
}

static em_code
change_single_counts(filler *f, bool *improved)
{
	bool again = true;

	for (uint32_t round = 0; again && (round < SURE_ROUNDS || f->budget > f->enough); round++)
	{
		again = false;
		spend(f, (uint64_t) f->p->sets * SINGLE);
		for (uint32_t i = 0; i < f->p->sets; i++)
		{
			uint32_t s = f->order[i];
			em_code code = poll(f);

			if (code != EM_OK)
				return code;
			if (try_move(f, s, NO_SET) || try_move(f, NO_SET, s))
				again = *improved = true;
		}
	}
	return EM_OK;
}

/* What taking a row of `add` for one of `drop` changes in the labels. */
static double
exchange_change(const filler *f, uint32_t add, uint32_t drop)
{
	const uint32_t *label = f->p->label;
	uint64_t i = f->p->start[add], i_end = f->p->start[add + 1];
	uint64_t j = f->p->start[drop], j_end = f->p->start[drop + 1];
	double sum = 0.0;

	while (i < i_end && j < j_end)
	{
		if (label[i] < label[j])
			sum += f->up[label[i++]];
		else if (label[j] < label[i])
			sum += f->down[label[j++]];
		else
		{
			i++;
			j++;
		}
	}
	for (; i < i_end; i++)
		sum += f->up[label[i]];
	for (; j < j_end; j++)
		sum += f->down[label[j]];
	return sum;
}

static em_code
exchange(filler *f, bool *improved)
{
	for (uint32_t o = 0; o < f->p->sets && f->budget > f->enough; o++)
	{
		uint32_t drop = f->order[o];

		for (uint64_t e = f->p->start[drop]; e < f->p->start[drop + 1]; e++)
		{
			uint32_t l = f->p->label[e];

			for (uint64_t h = f->holder_start[l]; h < f->holder_start[l + 1]; h++)
			{
				uint32_t add = f->holder[h];
				em_code code = poll(f);

				if (code != EM_OK)
					return code;
				spend(f, 1);
				if (f->taken[drop] == 0 || f->budget <= f->enough)
					break;
				if (add == drop || f->taken[add] == f->cap[add])
					continue;
				if (exchange_change(f, add, drop) + rank_change(f, add, 1) +
						rank_change(f, drop, -1) <
					-f->least)
					*improved |= try_move(f, add, drop);
			}
		}
	}
	return EM_OK;
}

em_code
fill_descend(filler *f)
{
	bool improved = true;
	em_code code = EM_OK;

	f->enough = f->budget > SHARE ? f->budget - SHARE : 0;
	while (code == EM_OK && improved)
	{
		improved = false;
		code = change_single_counts(f, &improved);
		if (code == EM_OK)
			code = exchange(f, &improved);
		improved = improved && f->budget > f->enough;
	}
	return code;
}
