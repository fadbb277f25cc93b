/*
 * balance_bound.c
 *	  Lower bounds from the dual, and a start for the search from the primal.
 */
#include "balance_bound.h"

#include <math.h>
#include <string.h>

#define WORK ((uint64_t) 100000000) /* label entries looked at, about */
#define MOST_ITERATIONS 2000
#define LEAST_ITERATIONS 50
#define LOOK_EVERY 25
#define TRIALS 4

typedef struct dual
{
	const data_fill_problem *p;
	const int64_t *cap;
	double *x, *x_sum; /* (sets) */
	double *y, *y_sum; /* (labels) */
	double *deviation; /* (labels) of the point looked at; scratch */
	double *x_step;    /* (sets) */
	double *y_step;    /* (labels) */
	double bound;      /* best so far */
	double least;      /* smallest deviation of an x so far */
	int64_t *near;
} dual;

/* The bound that y gives, after scaling it to what is allowed. */
static void
look_at_dual(dual *d, const double *y)
{
	const data_fill_problem *p = d->p;
	double size = 0.0, bound = 0.0;

	for (uint32_t l = 0; l < p->labels; l++)
	{
		size += fabs(y[l]);
		bound -= y[l];
	}
	if (!(size > 0.0))
		return;
	for (uint32_t s = 0; s < p->sets; s++)
	{
		double slope = 0.0;

		for (uint64_t e = p->start[s]; e < p->start[s + 1]; e++)
		{
			if (p->target[p->label[e]] > 0)
				slope += y[p->label[e]] / (double) p->target[p->label[e]];
		}
		if (slope < 0.0)
			bound += slope * (double) p->room[(size_t) (s + 1) * p->ranks - 1] * p->copies;
	}
	bound /= size;
	if (bound > d->bound)
		d->bound = bound;
}

/* deviation of x, into d->deviation; returns the largest */
static double
deviate(dual *d, const double *x, double scale)
{
	const data_fill_problem *p = d->p;
	double largest = 0.0;

	for (uint32_t l = 0; l < p->labels; l++)
		d->deviation[l] = p->target[l] > 0 ? -1.0 : 0.0;
	for (uint32_t s = 0; s < p->sets; s++)
	{
		for (uint64_t e = p->start[s]; e < p->start[s + 1]; e++)
		{
			if (p->target[p->label[e]] > 0)
				d->deviation[p->label[e]] += x[s] * scale / (double) p->target[p->label[e]];
		}
	}
	for (uint32_t l = 0; l < p->labels; l++)
		largest = fmax(largest, fabs(d->deviation[l]));
	return largest;
}

static void
look_at_primal(dual *d, const double *x, double scale)
{
	double largest = deviate(d, x, scale);

	if (largest >= d->least)
		return;
	d->least = largest;
	for (uint32_t s = 0; s < d->p->sets; s++)
		d->near[s] = (int64_t) floor(x[s] * scale + 0.5);
}

/* The nearest y, in the metric of its steps, with sum |y| <= 1. */
static void
project(dual *d, double pace)
{
	uint32_t labels = d->p->labels;
	double size = 0.0, low = 0.0, high = 0.0;

	for (uint32_t l = 0; l < labels; l++)
	{
		size += fabs(d->y[l]);
		if (d->y_step[l] > 0.0)
			high = fmax(high, fabs(d->y[l]) / (d->y_step[l] * pace));
	}
	if (size <= 1.0)
		return;
	for (int i = 0; i < 40; i++)
	{
		double middle = (low + high) / 2;

		size = 0.0;
		for (uint32_t l = 0; l < labels; l++)
			size += fmax(0.0, fabs(d->y[l]) - middle * d->y_step[l] * pace);
		if (size > 1.0)
			low = middle;
		else
			high = middle;
	}
	for (uint32_t l = 0; l < labels; l++)
		d->y[l] = copysign(fmax(0.0, fabs(d->y[l]) - high * d->y_step[l] * pace), d->y[l]);
}

/* pace: how much faster x goes than y. */
static void
iterate(dual *d, double pace)
{
	const data_fill_problem *p = d->p;

	/* d->deviation becomes that of 2 x_new - x_old */
	for (uint32_t l = 0; l < p->labels; l++)
		d->deviation[l] = p->target[l] > 0 ? -1.0 : 0.0;
	for (uint32_t s = 0; s < p->sets; s++)
	{
		double slope = 0.0, old = d->x[s], leap;

		for (uint64_t e = p->start[s]; e < p->start[s + 1]; e++)
		{
			if (p->target[p->label[e]] > 0)
				slope += d->y[p->label[e]] / (double) p->target[p->label[e]];
		}
		d->x[s] = fmin((double) d->cap[s], fmax(0.0, old - pace * d->x_step[s] * slope));
		d->x_sum[s] += d->x[s];
		leap = 2 * d->x[s] - old;
		for (uint64_t e = p->start[s]; e < p->start[s + 1]; e++)
		{
			if (p->target[p->label[e]] > 0)
				d->deviation[p->label[e]] += leap / (double) p->target[p->label[e]];
		}
	}
	for (uint32_t l = 0; l < p->labels; l++)
		d->y[l] += d->y_step[l] / pace * d->deviation[l];
	project(d, 1 / pace);
	for (uint32_t l = 0; l < p->labels; l++)
		d->y_sum[l] += d->y[l];
}

static void
set_steps(dual *d)
{
	const data_fill_problem *p = d->p;

	memset(d->y_step, 0, p->labels * sizeof(*d->y_step));
	for (uint32_t s = 0; s < p->sets; s++)
	{
		double sum = 0.0;

		for (uint64_t e = p->start[s]; e < p->start[s + 1]; e++)
		{
			if (p->target[p->label[e]] == 0)
				continue;
			sum += 1 / (double) p->target[p->label[e]];
			d->y_step[p->label[e]] += 1 / (double) p->target[p->label[e]];
		}
		d->x_step[s] = sum > 0.0 ? 1 / sum : 0.0;
	}
	for (uint32_t l = 0; l < p->labels; l++)
		d->y_step[l] = d->y_step[l] > 0.0 ? 1 / d->y_step[l] : 0.0;
}

/* Each label alone, and the labels together as they stand. */
static void
look_at_plain_duals(dual *d, const int64_t *from)
{
	const data_fill_problem *p = d->p;

	for (uint32_t s = 0; s < p->sets; s++)
		d->x[s] = (double) from[s];
	look_at_primal(d, d->x, 1.0);
	memcpy(d->y, d->deviation, p->labels * sizeof(*d->y));
	look_at_dual(d, d->y);
	memset(d->y, 0, p->labels * sizeof(*d->y));
	for (uint32_t s = 0; s < p->sets; s++)
	{
		for (uint64_t e = p->start[s]; e < p->start[s + 1]; e++)
			d->y[p->label[e]] += (double) p->room[(size_t) (s + 1) * p->ranks - 1] * p->copies;
	}
	for (uint32_t l = 0; l < p->labels; l++)
	{
		if (p->target[l] > 0)
			d->bound = fmax(d->bound, 1.0 - d->y[l] / (double) p->target[l]);
	}
}

static em_code
run(dual *d, const int64_t *from, em_status *status)
{
	const data_fill_problem *p = d->p;
	uint64_t iterations = WORK / TRIALS / (2 * p->start[p->sets] + 40 * (uint64_t) p->labels);
	double pace = 1.0, grain = INFINITY;

	iterations = iterations > MOST_ITERATIONS    ? MOST_ITERATIONS
				 : iterations < LEAST_ITERATIONS ? LEAST_ITERATIONS
												 : iterations;
	for (uint32_t l = 0; l < p->labels; l++)
	{
		if (p->target[l] > 0)
			grain = fmin(grain, 0.01 / (double) p->target[l]);
	}
	d->least = INFINITY;
	look_at_plain_duals(d, from);
	set_steps(d);
	for (int trial = 0; trial < TRIALS; trial++, pace *= 10)
	{
		for (uint32_t s = 0; s < p->sets; s++)
			d->x[s] = (double) from[s];
		memset(d->x_sum, 0, p->sets * sizeof(*d->x_sum));
		memset(d->y, 0, p->labels * sizeof(*d->y));
		memset(d->y_sum, 0, p->labels * sizeof(*d->y_sum));
		for (uint64_t i = 1; i <= iterations; i++)
		{
			/* nothing left to find that would show in a row */
			if (d->least - d->bound < grain)
				return EM_OK;
			if (p->should_stop != NULL && p->should_stop(p->stop_context))
				return em_fail(status, EM_CANCELLED, "cancelled");
			iterate(d, pace);
			if (i % LOOK_EVERY != 0)
				continue;
			look_at_dual(d, d->y);
			look_at_dual(d, d->y_sum);
			look_at_primal(d, d->x, 1.0);
			look_at_primal(d, d->x_sum, 1.0 / (double) i);
		}
	}
	return EM_OK;
}

em_code
data_fill_bound(const em_allocator *allocator, const data_fill_problem *problem, const int64_t *cap,
				const int64_t *from, double *bound, int64_t *near, em_status *status)
{
	dual d = { .p = problem, .cap = cap, .near = near };
	uint32_t sets = problem->sets, labels = problem->labels;
	em_code code;

	d.x = em_allocate_array(allocator, sets, sizeof(*d.x));
	d.x_sum = em_allocate_array(allocator, sets, sizeof(*d.x_sum));
	d.x_step = em_allocate_array(allocator, sets, sizeof(*d.x_step));
	d.y = em_allocate_array(allocator, labels, sizeof(*d.y));
	d.y_sum = em_allocate_array(allocator, labels, sizeof(*d.y_sum));
	d.y_step = em_allocate_array(allocator, labels, sizeof(*d.y_step));
	d.deviation = em_allocate_array(allocator, labels, sizeof(*d.deviation));
	if (d.x == NULL || d.x_sum == NULL || d.x_step == NULL || d.y == NULL || d.y_sum == NULL ||
		d.y_step == NULL || d.deviation == NULL)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	else
		code = run(&d, from, status);
	*bound = d.bound;
	em_release(allocator, d.deviation);
	em_release(allocator, d.y_step);
	em_release(allocator, d.y_sum);
	em_release(allocator, d.y);
	em_release(allocator, d.x_step);
	em_release(allocator, d.x_sum);
	em_release(allocator, d.x);
	return code;
}
