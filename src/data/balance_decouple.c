/*
 * balance_decouple.c
 *	  REMEDIAL: rows in which rare labels stand beside common ones become two.
 */
#include "balance_steps.h"

/* Set numbers of the halves of set s; left alone when one of them would be empty. */
static em_code
split_set(balancer *b, const data_label_stats *stats, uint32_t s, uint32_t *scratch, uint32_t *rare,
		  uint32_t *common)
{
	data_label_set set = balance_set(b, s);
	uint32_t rare_count = 0, common_count = 0;
	em_code code;

	/* rare ones from the front, common ones behind all */
	for (uint32_t i = 0; i < set.size; i++)
	{
		if (stats->irlbl[set.labels[i]] > stats->mean_ir)
			scratch[rare_count++] = set.labels[i];
		else
			scratch[stats->labels + common_count++] = set.labels[i];
	}
	if (rare_count == 0 || common_count == 0)
		return EM_OK;
	code = balance_intern(b, scratch, rare_count, rare);
	if (code == EM_OK)
		code = balance_intern(b, scratch + stats->labels, common_count, common);
	return code;
}

em_code
balance_remedial(balancer *b)
{
	balance_measure measure;
	uint32_t *rare = NULL, *common = NULL, *scratch = NULL, *other = NULL;
	uint64_t row_count = b->plan->row_count;
	em_code code = balance_measure_rows(b, &measure);

	if (code == EM_OK)
	{
		rare = em_allocate_array(b->allocator, measure.set_count, sizeof(*rare));
		common = em_allocate_array(b->allocator, measure.set_count, sizeof(*common));
		scratch = em_allocate_array(b->allocator, b->plan->labels, 2 * sizeof(*scratch));
		other = em_allocate_array(b->allocator, (size_t) row_count, sizeof(*other));
		if (rare == NULL || common == NULL || scratch == NULL || other == NULL)
			code = balance_no_memory(b);
	}
	for (uint32_t s = 0; code == EM_OK && s < measure.set_count; s++)
	{
		data_label_set set = balance_set(b, s);

		rare[s] = common[s] = DATA_NONE;
		if (measure.set_rows[s] > 0 &&
			data_scumble_of_row(set.labels, set.size, measure.stats.irlbl) > measure.stats.scumble)
			code = split_set(b, &measure.stats, s, scratch, &rare[s], &common[s]);
	}
	for (uint32_t i = 0; code == EM_OK && i < row_count; i++)
	{
		data_plan_row row = b->plan->row[i];
		uint32_t set = row.set;

		other[i] = DATA_NONE;
		if (data_plan_dropped(&row) || rare[set] == DATA_NONE)
			continue;
		if (row.kind == DATA_PLAN_ROW)
			row.kind = DATA_PLAN_HALF;
		row.set = rare[set];
		row.reason = DATA_MADE;
		row.made_by = row.step = b->step_number;
		b->plan->row[i] = row;
		/* the other half of a copy is a copy of the other half */
		if (row.copy_of != DATA_NONE && other[row.copy_of] != DATA_NONE)
			row.copy_of = other[row.copy_of];
		row.set = common[set];
		other[i] = (uint32_t) b->plan->row_count;
		code = balance_append(b, row);
	}
	em_release(b->allocator, other);
	em_release(b->allocator, scratch);
	em_release(b->allocator, common);
	em_release(b->allocator, rare);
	balance_measure_release(b, &measure);
	return code;
}
