/*
 * balance_bound.h
 *	  How small the largest deviation from the targets could be at best.
 *
 * Least D with |sum_s a_ls x_s / t_l - 1| <= D for all labels l and 0 <= x_s <=
 * cap_s is a linear programme. Any y with sum_l |y_l| <= 1 bounds it from below:
 *
 *	  D >= -sum_l y_l + sum_s cap_s min(0, sum_{l in s} y_l / t_l)
 *
 * y = -e_l gives the plain bound (t_l - rows of l) / t_l. Good ones come from
 * the primal-dual method of Chambolle and Pock (2011, with its diagonal steps),
 * which also ends near the best x. Private to this room.
 */
#ifndef EMOTION_DATA_BALANCE_BOUND_H
#define EMOTION_DATA_BALANCE_BOUND_H

#include "balance_fill.h"

/*
 * cap: (sets) what the search may take; the bound itself allows every row
 * problem->copies times. from: (sets) where to start. near: (sets) out, a rounded
 * x with a small largest deviation. *bound is at least 0.
 */
em_code data_fill_bound(const em_allocator *allocator, const data_fill_problem *problem,
						const int64_t *cap, const int64_t *from, double *bound, int64_t *near,
						em_status *status);

#endif /* EMOTION_DATA_BALANCE_BOUND_H */
