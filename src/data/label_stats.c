/*
 * label_stats.c
 *	  From label sets and their rows to figures.
 */
#include "label_stats.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

double
data_scumble_of_row(const uint32_t *labels, uint32_t size, const double *irlbl)
{
	double log_sum = 0.0, sum = 0.0, first = size > 0 ? irlbl[labels[0]] : 0.0;
	bool all_equal = true;

	for (uint32_t i = 0; i < size; i++)
	{
		double ir = irlbl[labels[i]];

		all_equal = all_equal && ir == first;
		log_sum += log(ir);
		sum += ir;
	}
	/* equal ones give 0, which logarithms would miss by a rounding */
	return all_equal ? 0.0 : fmax(0.0, 1.0 - exp(log_sum / size) / (sum / size));
}

/* Shorter sets first, then by their labels: an order of the sets themselves. */
static int
compare_sets(const void *left, const void *right)
{
	const data_label_set *a = left;
	const data_label_set *b = right;

	if (a->size != b->size)
		return a->size < b->size ? -1 : 1;
	for (uint32_t i = 0; i < a->size; i++)
	{
		if (a->labels[i] != b->labels[i])
			return a->labels[i] < b->labels[i] ? -1 : 1;
	}
	return 0;
}

static em_code
count_labels(const data_label_set *set, size_t set_count, data_label_stats *stats,
			 em_status *status)
{
	uint64_t carried = 0; /* labels that rows carry */

	for (uint32_t l = 0; l < stats->labels; l++)
		stats->count[l] = 0;
	for (size_t s = 0; s < set_count; s++)
	{
		stats->single_sets += set[s].rows == 1;
		for (uint32_t i = 0; i < set[s].size; i++)
		{
			uint32_t label = set[s].labels[i];

			if (label >= stats->labels)
				return em_fail(status, EM_INVALID_DATA,
							   "label %" PRIu32 " is not below the number of labels, %" PRIu32,
							   label, stats->labels);
			stats->count[label] += set[s].rows;
			carried += set[s].rows;
		}
	}
	stats->cardinality = (double) carried / (double) stats->rows; /* NaN without rows */
	stats->density = stats->cardinality / stats->labels;
	return EM_OK;
}

static void
measure_imbalance(data_label_stats *stats)
{
	uint64_t most = 0;
	double sum = 0.0, squares = 0.0;

	for (uint32_t l = 0; l < stats->labels; l++)
		most = stats->count[l] > most ? stats->count[l] : most;
	for (uint32_t l = 0; l < stats->labels; l++)
	{
		bool present = stats->count[l] > 0;

		stats->irlbl[l] = present ? (double) most / (double) stats->count[l] : NAN;
		if (!present)
			continue;
		stats->labels_present++;
		sum += stats->irlbl[l];
		stats->max_ir = fmax(stats->max_ir, stats->irlbl[l]); /* fmax passes NaN over */
	}
	if (stats->labels_present == 0)
		return;
	stats->mean_ir = sum / stats->labels_present;
	if (stats->labels_present < 2)
		return;
	for (uint32_t l = 0; l < stats->labels; l++)
	{
		if (stats->count[l] > 0)
			squares += (stats->irlbl[l] - stats->mean_ir) * (stats->irlbl[l] - stats->mean_ir);
	}
	stats->cvir = sqrt(squares / (stats->labels_present - 1)) / stats->mean_ir;
}

/* scumble: (set_count), scratch. */
static void
measure_concurrence(const data_label_set *set, size_t set_count, double *scumble,
					data_label_stats *stats)
{
	double sum = 0.0, squares = 0.0;

	for (uint32_t l = 0; l < stats->labels; l++)
		stats->label_scumble[l] = 0.0;
	for (size_t s = 0; s < set_count; s++)
	{
		scumble[s] = data_scumble_of_row(set[s].labels, set[s].size, stats->irlbl);
		sum += (double) set[s].rows * scumble[s];
		for (uint32_t i = 0; i < set[s].size; i++)
			stats->label_scumble[set[s].labels[i]] += (double) set[s].rows * scumble[s];
	}
	stats->scumble = sum / (double) stats->rows; /* NaN without rows */
	for (uint32_t l = 0; l < stats->labels; l++)
		stats->label_scumble[l] /= (double) stats->count[l]; /* NaN without rows */
	if (stats->rows < 2 || stats->scumble == 0.0)
		return;
	for (size_t s = 0; s < set_count; s++)
		squares +=
			(double) set[s].rows * (scumble[s] - stats->scumble) * (scumble[s] - stats->scumble);
	stats->scumble_cv = sqrt(squares / (double) (stats->rows - 1)) / stats->scumble;
}

em_code
data_label_stats_compute(const em_allocator *allocator, const data_label_sets *sets,
						 uint32_t labels, double inputs, data_label_stats *stats, em_status *status)
{
	size_t set_count = (size_t) data_label_sets_distinct(sets);
	size_t position = 0;
	data_label_set *set;
	double *scumble;
	em_code code = EM_OK;

	if (labels == 0)
		return em_fail(status, EM_INVALID_OPTION, "the number of labels is 0");
	/* written so that NaN fails it */
	if (!(inputs >= 1.0))
		return em_fail(status, EM_INVALID_OPTION, "the number of inputs, %g, is below 1", inputs);
	*stats = (data_label_stats){
		.rows = data_label_sets_rows(sets),
		.labels = labels,
		.label_sets = set_count,
		.mean_ir = NAN,
		.max_ir = NAN,
		.cvir = NAN,
		.scumble_cv = NAN,
		.tcs = set_count == 0 ? NAN : log(inputs) + log(labels) + log((double) set_count),
		.count = stats->count,
		.irlbl = stats->irlbl,
		.label_scumble = stats->label_scumble,
	};
	set = em_allocate_array(allocator, set_count, sizeof(*set));
	scumble = em_allocate_array(allocator, set_count, sizeof(*scumble));
	if (set == NULL || scumble == NULL)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	else
	{
		for (size_t s = 0; s < set_count; s++)
			(void) data_label_sets_next(sets, &position, &set[s]);
		qsort(set, set_count, sizeof(*set), compare_sets);
		code = count_labels(set, set_count, stats, status);
	}
	if (code == EM_OK)
	{
		measure_imbalance(stats);
		measure_concurrence(set, set_count, scumble, stats);
	}
	em_release(allocator, scumble);
	em_release(allocator, set);
	return code;
}
