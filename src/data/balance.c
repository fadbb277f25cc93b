/*
 * balance.c
 *	  From input and options to a plan: checks, the steps in turn, the report.
 */
#include "balance_steps.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "mix.h"

#define STOP_EVERY 4096

/* -- what steps share -- */

em_code
balance_poll(balancer *b)
{
	if (b->options->should_stop != NULL && b->polls++ % STOP_EVERY == 0 &&
		b->options->should_stop(b->options->stop_context))
		return em_fail(b->status, EM_CANCELLED, "cancelled");
	return EM_OK;
}

uint32_t
balance_draw(balancer *b, uint32_t below)
{
	return (uint32_t) data_random_below(data_random(b->step_seed, b->draws++), below);
}

void
balance_shuffle(balancer *b, uint32_t *array, uint32_t count)
{
	for (uint32_t i = count; i > 1; i--)
	{
		uint32_t j = balance_draw(b, i);
		uint32_t swap = array[i - 1];

		array[i - 1] = array[j];
		array[j] = swap;
	}
}

em_code
balance_intern(balancer *b, const uint32_t *labels, uint32_t size, uint32_t *set)
{
	em_code code = data_label_sets_add(b->plan->sets, labels, size, 1, b->status);

	if (code == EM_OK)
		(void) data_label_sets_number(b->plan->sets, labels, size, set);
	return code;
}

em_code
balance_append(balancer *b, data_plan_row row)
{
	data_balance_plan *plan = b->plan;

	if (plan->row_count >= DATA_MAX_LABEL_ROWS)
		return em_fail(b->status, EM_LIMIT, "the plan has more than %" PRIu64 " rows",
					   DATA_MAX_LABEL_ROWS);
	if (!em_grow(b->allocator, (void **) &plan->row, &b->row_capacity, (size_t) plan->row_count + 1,
				 sizeof(row)))
		return balance_no_memory(b);
	row.made_by = row.step = b->step_number;
	row.reason = DATA_MADE;
	plan->row[plan->row_count++] = row;
	return balance_poll(b);
}

em_code
balance_copy(balancer *b, uint32_t index, uint32_t label)
{
	data_plan_row copy = b->plan->row[index];

	if (copy.copy_of == DATA_NONE)
		copy.copy_of = index;
	copy.label = label;
	return balance_append(b, copy);
}

em_code
balance_measure_rows(balancer *b, balance_measure *measure)
{
	const data_balance_plan *plan = b->plan;
	data_label_sets *in = NULL;
	em_code code;

	*measure = (balance_measure){ .set_count = (uint32_t) data_label_sets_distinct(plan->sets) };
	measure->set_rows =
		em_allocate_zeroed(b->allocator, measure->set_count, sizeof(*measure->set_rows));
	measure->stats.count = em_allocate_array(b->allocator, plan->labels, sizeof(uint64_t));
	measure->stats.irlbl = em_allocate_array(b->allocator, plan->labels, sizeof(double));
	measure->stats.label_scumble = em_allocate_array(b->allocator, plan->labels, sizeof(double));
	if (measure->set_rows == NULL || measure->stats.count == NULL || measure->stats.irlbl == NULL ||
		measure->stats.label_scumble == NULL)
		return balance_no_memory(b);
	for (uint64_t i = 0; i < plan->row_count; i++)
	{
		if (!data_plan_dropped(&plan->row[i]))
			measure->set_rows[plan->row[i].set]++;
	}
	code = data_label_sets_create(b->allocator, &in, b->status);
	for (uint32_t s = 0; code == EM_OK && s < measure->set_count; s++)
	{
		data_label_set set = balance_set(b, s);

		code = data_label_sets_add(in, set.labels, set.size, measure->set_rows[s], b->status);
	}
	if (code == EM_OK)
		code =
			data_label_stats_compute(b->allocator, in, plan->labels, 1, &measure->stats, b->status);
	data_label_sets_destroy(in);
	return code;
}

void
balance_measure_release(balancer *b, balance_measure *measure)
{
	em_release(b->allocator, measure->stats.label_scumble);
	em_release(b->allocator, measure->stats.irlbl);
	em_release(b->allocator, measure->stats.count);
	em_release(b->allocator, measure->set_rows);
}

em_code
balance_members(balancer *b, uint32_t label, bool with_place, uint32_t **members, uint32_t *count)
{
	const data_balance_plan *plan = b->plan;
	uint32_t set_count = (uint32_t) data_label_sets_distinct(plan->sets);
	uint8_t *holds = em_allocate_zeroed(b->allocator, set_count, 1);
	uint32_t found = 0;
	uint32_t *list = NULL;

	if (holds == NULL)
		return balance_no_memory(b);
	for (uint32_t s = 0; s < set_count; s++)
		holds[s] = balance_has_label(balance_set(b, s), label);
	/* once to count, once to list */
	for (int pass = 0; pass < 2; pass++)
	{
		found = 0;
		for (uint32_t i = 0; i < plan->row_count; i++)
		{
			const data_plan_row *row = &plan->row[i];

			if (!holds[row->set] || data_plan_dropped(row) ||
				(with_place && !balance_has_place(row)))
				continue;
			if (pass == 1)
				list[found] = i;
			found++;
		}
		if (pass == 0)
			list = em_allocate_array(b->allocator, found, sizeof(*list));
		if (list == NULL)
			break;
	}
	em_release(b->allocator, holds);
	if (list == NULL)
		return balance_no_memory(b);
	*members = list;
	*count = found;
	return EM_OK;
}

/* -- checks -- */

static em_code
check_step(const data_balance_input *input, const data_balance_step *step, em_status *status)
{
	bool reduces = step->method == DATA_ML_RUS || step->method == DATA_LP_RUS;
	bool samples =
		reduces || step->method == DATA_LP_ROS || (step->method == DATA_ML_ROS && !step->to_target);
	bool wants_target = step->method == DATA_QUOTA || (step->to_target && !reduces);
	bool wants_features = step->method == DATA_MLSMOTE || step->method == DATA_MLENN;

	/* comparisons are written so that NaN fails them */
	if (samples && !(step->percent > 0.0 && step->percent <= (reduces ? 100.0 : 1e6)))
		return em_fail(status, EM_INVALID_OPTION, "%g percent is not over 0 and at most %g",
					   step->percent, reduces ? 100.0 : 1e6);
	if (wants_target && input->target == NULL)
	{
		(void) em_fail(status, EM_INVALID_OPTION, "a step needs targets, but there are none");
		em_hint(status, "Say how many rows each label should have.");
		return EM_INVALID_OPTION;
	}
	if (wants_features && (input->features == NULL || input->dimension == 0))
	{
		(void) em_fail(status, EM_INVALID_OPTION, "a step needs features, but there are none");
		em_hint(status, "mlsmote and mlenn need a vector of numbers for each row.");
		return EM_INVALID_OPTION;
	}
	if (wants_features && (step->neighbours == 0 || step->neighbours > DATA_MAX_NEIGHBOURS))
		return em_fail(status, EM_INVALID_OPTION, "%" PRIu32 " neighbours are not between 1 and %d",
					   step->neighbours, DATA_MAX_NEIGHBOURS);
	if (step->method == DATA_MLENN && !(step->threshold >= 0.0 && step->threshold <= 1.0))
		return em_fail(status, EM_INVALID_OPTION, "threshold %g is not between 0 and 1",
					   step->threshold);
	if (step->method == DATA_QUOTA && step->max_copies > DATA_MAX_COPIES)
		return em_fail(status, EM_INVALID_OPTION, "%" PRIu32 " copies are more than %d",
					   step->max_copies, DATA_MAX_COPIES);
	for (uint32_t s = 0;
		 step->method == DATA_QUOTA && step->min_confidence != NULL && s < input->sources; s++)
	{
		if (isnan(step->min_confidence[s]))
			return em_fail(status, EM_INVALID_OPTION,
						   "the least confidence of source %" PRIu32 " is not a number", s + 1);
	}
	return EM_OK;
}

static em_code
check_input(const data_balance_input *input, const data_balance_options *options, em_status *status)
{
	const data_label_rows *rows = input->rows;
	bool any = false;
	em_code code = data_label_rows_check(rows, status);

	if (code == EM_OK && rows->labels == 0)
		code = em_fail(status, EM_INVALID_OPTION, "the number of labels is 0");
	if (code == EM_OK && (input->sources == 0 || input->sources > DATA_MAX_SOURCES))
		code = em_fail(status, EM_INVALID_OPTION, "%" PRIu32 " sources are not between 1 and %d",
					   input->sources, DATA_MAX_SOURCES);
	if (code == EM_OK && (options->step_count == 0 || options->step_count > DATA_MAX_BALANCE_STEPS))
		code = em_fail(status, EM_INVALID_OPTION, "%" PRIu32 " steps are not between 1 and %d",
					   options->step_count, DATA_MAX_BALANCE_STEPS);
	for (uint32_t s = 0; code == EM_OK && s < options->step_count; s++)
		code = check_step(input, &options->steps[s], status);
	if (code != EM_OK)
		return code;
	for (uint32_t l = 0; input->target != NULL && l < rows->labels; l++)
	{
		if (input->target[l] > DATA_MAX_LABEL_ROWS)
			return em_fail(status, EM_LIMIT,
						   "a target of %" PRIu64 " rows is over the %" PRIu64 " supported",
						   input->target[l], DATA_MAX_LABEL_ROWS);
		any |= input->target[l] > 0;
	}
	if (input->target != NULL && !any)
		return em_fail(status, EM_INVALID_OPTION, "the target of every label is 0");
	for (uint64_t i = 0; i < rows->n; i++)
	{
		if (input->source != NULL && input->source[i] >= input->sources)
			return em_fail(status, EM_INVALID_DATA,
						   "source %d of row %" PRIu64
						   " is not below the number of sources, %" PRIu32,
						   input->source[i], i + 1, input->sources);
		if (input->confidence != NULL &&
			!(input->confidence[i] >= 0.0f && input->confidence[i] <= 1.0f))
			return em_fail(status, EM_INVALID_DATA,
						   "confidence %g of row %" PRIu64 " is not between 0 and 1",
						   (double) input->confidence[i], i + 1);
		for (uint32_t j = 0; input->features != NULL && j < input->dimension; j++)
		{
			if (!isfinite(input->features[i * input->dimension + j]))
				return em_fail(status, EM_INVALID_DATA,
							   "feature %" PRIu32 " of row %" PRIu64 " is not a finite number",
							   j + 1, i + 1);
		}
	}
	return EM_OK;
}

/* -- the plan -- */

void
data_balance_plan_destroy(data_balance_plan *plan)
{
	em_allocator allocator;

	if (plan == NULL)
		return;
	allocator = plan->allocator;
	em_release(&allocator, plan->from_source);
	em_release(&allocator, plan->label);
	data_label_sets_destroy(plan->sets);
	em_release(&allocator, plan->row);
	em_release(&allocator, plan);
}

/* Every input row is in, with its own labels. */
static em_code
start_plan(balancer *b)
{
	const data_label_rows *rows = b->input->rows;
	data_balance_plan *plan = b->plan;
	em_code code = data_label_sets_create(b->allocator, &plan->sets, b->status);

	if (code != EM_OK)
		return code;
	plan->label = em_allocate_zeroed(b->allocator, plan->labels, sizeof(*plan->label));
	plan->from_source = em_allocate_zeroed(b->allocator, (size_t) plan->labels,
										   plan->sources * sizeof(*plan->from_source));
	plan->row = em_allocate_array(b->allocator, (size_t) rows->n, sizeof(*plan->row));
	if (plan->label == NULL || plan->from_source == NULL || plan->row == NULL)
		return balance_no_memory(b);
	b->row_capacity = (size_t) rows->n;
	for (uint64_t i = 0; code == EM_OK && i < rows->n; i++)
	{
		data_plan_row row = {
			.row = (uint32_t) i, .neighbour = DATA_NONE, .copy_of = DATA_NONE, .label = DATA_NONE
		};

		code = balance_intern(b, rows->label + rows->start[i],
							  (uint32_t) (rows->start[i + 1] - rows->start[i]), &row.set);
		for (uint64_t e = rows->start[i]; e < rows->start[i + 1]; e++)
			plan->label[rows->label[e]].before++;
		plan->row[plan->row_count++] = row;
		if (code == EM_OK)
			code = balance_poll(b);
	}
	return code;
}

static em_code
take_step(balancer *b, uint32_t number)
{
	b->step = &b->options->steps[number];
	b->step_number = (uint8_t) (number + 1);
	b->step_seed = data_random(b->options->seed, number);
	b->draws = 0;
	switch (b->step->method)
	{
		case DATA_QUOTA:
			return balance_quota(b);
		case DATA_ML_ROS:
			return balance_ml_ros(b);
		case DATA_ML_RUS:
			return balance_ml_rus(b);
		case DATA_LP_ROS:
			return balance_lp_ros(b);
		case DATA_LP_RUS:
			return balance_lp_rus(b);
		case DATA_REMEDIAL:
			return balance_remedial(b);
		case DATA_MLSMOTE:
			return balance_mlsmote(b);
		case DATA_MLENN:
			return balance_mlenn(b);
	}
	return em_fail(b->status, EM_INVALID_OPTION, "there is no balancing method %d",
				   (int) b->step->method);
}

static void
count_row(const balancer *b, const data_plan_row *row)
{
	data_label_set set = balance_set(b, row->set);
	uint32_t source = b->input->source == NULL ? 0 : b->input->source[row->row];
	bool dropped = data_plan_dropped(row);

	for (uint32_t i = 0; i < set.size; i++)
	{
		uint32_t l = set.labels[i];
		data_label_balance *label = &b->plan->label[l];

		if (row->reason == DATA_SURPLUS || row->reason == DATA_REDUCED)
			label->surplus++;
		else if (dropped)
			label->refused++;
		else
		{
			label->after++;
			if (row->copy_of != DATA_NONE)
				label->copies++;
			else if (row->kind == DATA_PLAN_SYNTHETIC)
				label->synthetic++;
			else
				b->plan->from_source[(size_t) l * b->plan->sources + source]++;
		}
	}
	b->plan->rows_after += !dropped;
}

static void
report(balancer *b)
{
	data_balance_plan *plan = b->plan;

	for (uint64_t i = 0; i < plan->row_count; i++)
		count_row(b, &plan->row[i]);
	if (b->input->target == NULL)
		return;
	plan->deviation = plan->squares = 0.0;
	for (uint32_t l = 0; l < plan->labels; l++)
	{
		data_label_balance *label = &plan->label[l];
		double deviation;

		label->target = b->input->target[l];
		if (label->target == 0)
			continue;
		deviation = ((double) label->after - (double) label->target) / (double) label->target;
		plan->deviation = fmax(plan->deviation, fabs(deviation));
		plan->squares += deviation * deviation;
		if (label->after > label->target)
			label->unreached = DATA_CARRIED_OVER_IT;
		else if (label->after < label->target)
			label->unreached = label->surplus > 0 ? DATA_WOULD_OVERFILL : DATA_NO_MORE_ROWS;
	}
}

em_code
data_balance(const em_allocator *allocator, const data_balance_input *input,
			 const data_balance_options *options, data_balance_plan **plan, em_status *status)
{
	balancer b = { .allocator = allocator, .input = input, .options = options, .status = status };
	em_code code = check_input(input, options, status);

	if (code != EM_OK)
		return code;
	b.plan = em_allocate_zeroed(allocator, 1, sizeof(*b.plan));
	if (b.plan == NULL)
		return balance_no_memory(&b);
	b.plan->allocator = *allocator;
	b.plan->labels = input->rows->labels;
	b.plan->sources = input->sources;
	b.plan->deviation = b.plan->squares = b.plan->quota_deviation = b.plan->bound = NAN;
	code = start_plan(&b);
	for (uint32_t s = 0; code == EM_OK && s < options->step_count; s++)
		code = take_step(&b, s);
	if (code != EM_OK)
	{
		data_balance_plan_destroy(b.plan);
		return code;
	}
	report(&b);
	*plan = b.plan;
	return EM_OK;
}
