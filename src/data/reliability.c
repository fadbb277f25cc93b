/*
 * reliability.c
 *	  Scores in bins beside the share that was right.
 */
#include "reliability.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ranking.h"

#define LOG_CLIP 1e-15

static void
put_in_bin(data_reliability_bin *bin, double score, uint8_t positive)
{
	bin->count++;
	bin->positives += positive;
	bin->mean_score += score; /* the sum, until all are in */
}

/* What is looked at. */
typedef struct selection
{
	uint64_t n;
	uint32_t labels;
	const float *scores;
	const uint8_t *truth;
	uint32_t first, last; /* of the labels: from, to before */
	em_should_stop should_stop;
	void *stop_context;
	uint64_t stop_rows; /* between two questions whether to stop */
} selection;

static bool
stops(const selection *s, uint64_t row)
{
	return s->should_stop != NULL && row % s->stop_rows == 0 && s->should_stop(s->stop_context);
}

/* False when stopped. */
static bool
fill_equal_width(const selection *s, uint32_t bin_count, data_reliability_bin *bins)
{
	for (uint32_t b = 0; b < bin_count; b++)
	{
		bins[b].lower = (double) b / bin_count;
		bins[b].upper = (double) (b + 1) / bin_count;
	}
	for (uint64_t i = 0; i < s->n; i++)
	{
		if (stops(s, i))
			return false;
		for (uint32_t l = s->first; l < s->last; l++)
		{
			double p = (double) s->scores[i * s->labels + l];
			uint32_t bin = (uint32_t) (p * bin_count);

			put_in_bin(&bins[bin < bin_count ? bin : bin_count - 1], p,
					   s->truth[i * s->labels + l]);
		}
	}
	return true;
}

/* sorted: by falling score, so it is walked from its end. */
static void
fill_equal_count(const uint64_t *sorted, uint64_t count, uint32_t bin_count,
				 data_reliability_bin *bins)
{
	uint32_t bin = 0;

	for (uint32_t b = 0; b < bin_count; b++)
		bins[b].lower = bins[b].upper = NAN;
	for (uint64_t i = 0; i < count; i++)
	{
		const uint64_t *entry = &sorted[count - 1 - i];
		double p = (double) data_key_score((uint32_t) (*entry >> 32));
		bool tied = i > 0 && *entry >> 32 == entry[1] >> 32;

		while (!tied && bin + 1 < bin_count && i >= (uint64_t) (bin + 1) * count / bin_count)
			bin++;
		if (bins[bin].count == 0)
			bins[bin].lower = p;
		bins[bin].upper = p;
		put_in_bin(&bins[bin], p, *entry & 1);
	}
}

static em_code
bin_equal_count(const em_allocator *allocator, const selection *s, uint32_t bin_count,
				data_reliability_bin *bins, em_status *status)
{
	size_t size = (s->last - s->first) * sizeof(uint64_t);
	uint64_t *entries = em_allocate_array(allocator, s->n, size);
	uint64_t *spare = em_allocate_array(allocator, s->n, size);
	em_code code = EM_OK;
	size_t count = 0;

	if (entries == NULL || spare == NULL)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	else
	{
		const uint64_t *sorted;

		for (uint64_t i = 0; i < s->n; i++)
			for (uint32_t l = s->first; l < s->last; l++)
				entries[count++] = (uint64_t) data_falling_key(s->scores[i * s->labels + l]) << 32 |
								   s->truth[i * s->labels + l];
		sorted = data_sort_entries(entries, spare, count, s->should_stop, s->stop_context);
		if (sorted == NULL)
			code = em_fail(status, EM_CANCELLED, "cancelled");
		else
			fill_equal_count(sorted, count, bin_count, bins);
	}
	em_release(allocator, spare);
	em_release(allocator, entries);
	return code;
}

/* False when stopped. */
static bool
measure(const selection *s, data_reliability *reliability)
{
	double brier = 0.0, loss = 0.0;

	for (uint64_t i = 0; i < s->n; i++)
	{
		if (stops(s, i))
			return false;
		for (uint32_t l = s->first; l < s->last; l++)
		{
			double p = (double) s->scores[i * s->labels + l];
			uint8_t positive = s->truth[i * s->labels + l];
			double clipped = fmin(fmax(p, LOG_CLIP), 1.0 - LOG_CLIP);

			reliability->positives += positive;
			brier += (p - positive) * (p - positive);
			loss -= log(positive ? clipped : 1.0 - clipped);
		}
	}
	reliability->count = s->n * (s->last - s->first);
	reliability->brier = brier / (double) reliability->count;
	reliability->log_loss = loss / (double) reliability->count;
	return true;
}

em_code
data_measure_reliability(const em_allocator *allocator, uint64_t n, uint32_t labels,
						 const float *scores, const uint8_t *truth, uint32_t label,
						 uint32_t bin_count, bool equal_count, data_reliability_bin *bins,
						 data_reliability *reliability, em_status *status)
{
	return data_measure_reliability_until(allocator, n, labels, scores, truth, label, bin_count,
										  equal_count, NULL, NULL, bins, reliability, status);
}

em_code
data_measure_reliability_until(const em_allocator *allocator, uint64_t n, uint32_t labels,
							   const float *scores, const uint8_t *truth, uint32_t label,
							   uint32_t bin_count, bool equal_count, em_should_stop should_stop,
							   void *stop_context, data_reliability_bin *bins,
							   data_reliability *reliability, em_status *status)
{
	data_reliability_bin own[DATA_MAX_BINS];
	selection selected = { .n = n,
						   .labels = labels,
						   .scores = scores,
						   .truth = truth,
						   .first = label == DATA_ALL_LABELS ? 0 : label,
						   .last = label == DATA_ALL_LABELS ? labels : label + 1,
						   .should_stop = should_stop,
						   .stop_context = stop_context };
	em_code code =
		data_check_matrix(n, labels, labels, scores, truth, should_stop, stop_context, status);

	if (code != EM_OK)
		return code;
	if (bin_count < 1 || bin_count > DATA_MAX_BINS)
		return em_fail(status, EM_INVALID_OPTION, "%" PRIu32 " bins are not between 1 and %d",
					   bin_count, DATA_MAX_BINS);
	if (selected.first >= labels)
		return em_fail(status, EM_INVALID_OPTION, "no label %" PRIu32 " among %" PRIu32, label,
					   labels);
	if (bins == NULL)
		bins = own;
	memset(bins, 0, bin_count * sizeof(*bins));
	selected.stop_rows = DATA_STOP_SCORES / (selected.last - selected.first) + 1;
	*reliability = (data_reliability){ 0 };
	if (equal_count)
		code = bin_equal_count(allocator, &selected, bin_count, bins, status);
	else if (!fill_equal_width(&selected, bin_count, bins))
		code = em_fail(status, EM_CANCELLED, "cancelled");
	if (code == EM_OK && !measure(&selected, reliability))
		code = em_fail(status, EM_CANCELLED, "cancelled");
	if (code != EM_OK)
		return code;
	for (uint32_t b = 0; b < bin_count; b++)
	{
		reliability->calibration_error +=
			fabs(bins[b].mean_score - (double) bins[b].positives) / (double) reliability->count;
		bins[b].mean_score = bins[b].count > 0 ? bins[b].mean_score / (double) bins[b].count : NAN;
	}
	return EM_OK;
}
