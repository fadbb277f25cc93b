/*
 * balance_descent.h
 *	  Local search over counts of label sets, downhill from where it stands.
 *
 * One number stands for the objective: with r_l = (n_l - t_l) / t_l,
 *
 *	  sum_l r_l^2 + penalty max(0, |r_l| - limit)^2  +  weight x ranks of the rows
 *
 * It is convex in the counts. A step changes one count, or exchanges rows of two
 * sets that share a label, as far as it helps (along one direction the best
 * length is found exactly); two sets without a common label cannot help one
 * another. Private to balance_fill.c.
 */
#ifndef EMOTION_DATA_BALANCE_DESCENT_H
#define EMOTION_DATA_BALANCE_DESCENT_H

#include "balance_fill.h"

#define FILL_BUDGET ((uint64_t) 200000000) /* pairs of sets looked at, all descents together */

typedef struct filler
{
	const data_fill_problem *p;
	em_status *status;
	int64_t *cap;           /* (sets) now allowed */
	int64_t *taken;         /* (sets) */
	int64_t *count;         /* (labels) */
	double *up, *down;      /* (labels) what a row more, a row less changes */
	uint64_t *holder_start; /* (labels + 1) */
	uint32_t *holder;       /* sets that hold a label, which has a target */
	uint32_t *order;        /* (sets) those with the rarest labels first */
	uint32_t *plus, *minus; /* (labels) scratch of a move */
	uint32_t plus_count, minus_count;
	double limit;                                    /* INFINITY: none */
	double weight;                                   /* of a rank */
	double least_weight, middle_weight, most_weight; /* of settle() */
	double least;            /* a change must better the objective by so much */
	uint64_t budget, enough; /* what is left, and what a descent leaves of it */
	uint64_t polls;
} filler;

static inline const int64_t *
fill_room(const filler *f, uint32_t set)
{
	return f->p->room + (size_t) set * f->p->ranks;
}

/*
 * The sum of the ranks of the first `rows` rows, once for each of their labels,
 * so that every label is filled by trust; a second use of all rows ranks behind.
 */
double fill_rank_sum(const filler *f, uint32_t set, int64_t rows);

/* After `taken` was set. */
void fill_recount(filler *f);

void fill_set_limit(filler *f, double limit);

/* To where no step helps, or until this descent's share of the budget is spent. */
em_code fill_descend(filler *f);

#endif /* EMOTION_DATA_BALANCE_DESCENT_H */
