/*
 * balance_steps.h
 *	  What the steps of a balancing plan share.
 *
 * Private to this room.
 */
#ifndef EMOTION_DATA_BALANCE_STEPS_H
#define EMOTION_DATA_BALANCE_STEPS_H

#include "balance.h"
#include "label_stats.h"

typedef struct balancer
{
	const em_allocator *allocator;
	const data_balance_input *input;
	const data_balance_options *options;
	data_balance_plan *plan; /* the rows so far */
	size_t row_capacity;
	const data_balance_step *step;
	uint8_t step_number; /* from 1 */
	uint64_t step_seed;
	uint64_t draws; /* random numbers used by this step */
	uint64_t polls;
	em_status *status;
} balancer;

/* Of the rows that are in: figures of label_stats.h, rows per label and per set. */
typedef struct balance_measure
{
	data_label_stats stats;
	uint64_t *set_rows; /* (sets known when measured) */
	uint32_t set_count;
} balance_measure;

/* What to do at the end of a step that may have failed: balance_measure_release(), always. */
em_code balance_measure_rows(balancer *b, balance_measure *measure);
void balance_measure_release(balancer *b, balance_measure *measure);

static inline em_code
balance_no_memory(balancer *b)
{
	(void) em_fail(b->status, EM_OUT_OF_MEMORY, "out of memory");
	return EM_OUT_OF_MEMORY;
}

/* EM_CANCELLED, now and then looked up; cheap. */
em_code balance_poll(balancer *b);

/* Even below `below`, which is over 0. */
uint32_t balance_draw(balancer *b, uint32_t below);

void balance_shuffle(balancer *b, uint32_t *array, uint32_t count);

static inline data_label_set
balance_set(const balancer *b, uint32_t set)
{
	return data_label_sets_at(b->plan->sets, set);
}

/* Number of a label set, new ones included. */
em_code balance_intern(balancer *b, const uint32_t *labels, uint32_t size, uint32_t *set);

/* Put a row made by this step at the end of the plan. */
em_code balance_append(balancer *b, data_plan_row row);

/* Append a copy of a row of the plan. */
em_code balance_copy(balancer *b, uint32_t index, uint32_t label);

static inline void
balance_decide(balancer *b, uint32_t index, data_plan_reason reason)
{
	b->plan->row[index].reason = (uint8_t) reason;
	b->plan->row[index].step = b->step_number;
}

/* Can it be a neighbour, or have some? */
static inline bool
balance_has_place(const data_plan_row *row)
{
	return !data_plan_dropped(row) && row->kind != DATA_PLAN_SYNTHETIC && row->copy_of == DATA_NONE;
}

static inline bool
balance_has_label(data_label_set set, uint32_t label)
{
	for (uint32_t i = 0; i < set.size; i++)
	{
		if (set.labels[i] == label)
			return true;
	}
	return false;
}

/* Has it a label of IRLbl > MeanIR? NaN, of a label without rows, is not. */
static inline bool
balance_has_minority(data_label_set set, const data_label_stats *stats)
{
	for (uint32_t i = 0; i < set.size; i++)
	{
		if (stats->irlbl[set.labels[i]] > stats->mean_ir)
			return true;
	}
	return false;
}

/* Plan rows that are in and have the label; *members is the caller's to release, on EM_OK. */
em_code balance_members(balancer *b, uint32_t label, bool with_place, uint32_t **members,
						uint32_t *count);

/*
 * For each of `queries` plan rows the k nearest of `points` plan rows that are not
 * the same input row: nearest (queries, k), plan rows, nearest first, DATA_NONE
 * where there are fewer.
 */
em_code balance_nearest(balancer *b, const uint32_t *query, uint32_t queries, const uint32_t *point,
						uint32_t points, uint32_t k, uint32_t *nearest);

/* -- the steps -- */
em_code balance_quota(balancer *b);
em_code balance_ml_ros(balancer *b);
em_code balance_ml_rus(balancer *b);
em_code balance_lp_ros(balancer *b);
em_code balance_lp_rus(balancer *b);
em_code balance_remedial(balancer *b);
em_code balance_mlsmote(balancer *b);
em_code balance_mlenn(balancer *b);

#endif /* EMOTION_DATA_BALANCE_STEPS_H */
