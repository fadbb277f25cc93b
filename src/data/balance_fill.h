/*
 * balance_fill.h
 *	  How many rows of each label set to take so that every label comes as near
 *	  to its target as can be.
 *
 * Rows with equal labels are interchangeable, so what is sought is a count per
 * label set, between 0 and its room: few thousand numbers for millions of rows.
 * The objective is that of balance.h. Private to this room.
 */
#ifndef EMOTION_DATA_BALANCE_FILL_H
#define EMOTION_DATA_BALANCE_FILL_H

#include "../base.h"

typedef struct data_fill_problem
{
	uint32_t labels;
	const uint64_t *target; /* (labels), 0: does not count; at least one is over 0 */
	uint32_t sets;
	const uint64_t *start; /* (sets + 1), as in data_label_rows; labels without a target allowed */
	const uint32_t *label; /* (start[sets]), rising within a set */
	uint32_t ranks;        /* over 0 */
	const int64_t *room;   /* (sets, ranks): rows of rank 0 .. r; rising; the last is over 0 */
	uint32_t copies;       /* how often a row may be taken, over 0 */
	em_should_stop should_stop;
	void *stop_context;
} data_fill_problem;

typedef struct data_fill_result
{
	double deviation; /* max_l |n_l - t_l| / t_l */
	double squares;   /* sum of its square over labels */
	double bound;     /* no choice of rows and copies has a smaller deviation */
} data_fill_result;

/*
 * taken: (sets) out. Deterministic. Time: some passes over all pairs of sets that
 * share a label, cut off at some hundred million pairs. EM_CANCELLED,
 * EM_OUT_OF_MEMORY.
 */
em_code data_fill(const em_allocator *allocator, const data_fill_problem *problem, int64_t *taken,
				  data_fill_result *result, em_status *status);

#endif /* EMOTION_DATA_BALANCE_FILL_H */
