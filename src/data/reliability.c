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

/* first, last: the labels to look at. */
static void
fill_equal_width(uint64_t n, uint32_t labels, const float *scores, const uint8_t *truth,
				 uint32_t first, uint32_t last, uint32_t bin_count, data_reliability_bin *bins)
{
	for (uint32_t b = 0; b < bin_count; b++)
	{
		bins[b].lower = (double) b / bin_count;
		bins[b].upper = (double) (b + 1) / bin_count;
	}
	for (uint64_t i = 0; i < n; i++)
	{
		for (uint32_t l = first; l < last; l++)
		{
			double p = (double) scores[i * labels + l];
			uint32_t bin = (uint32_t) (p * bin_count);

			put_in_bin(&bins[bin < bin_count ? bin : bin_count - 1], p, truth[i * labels + l]);
		}
	}
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
bin_equal_count(const em_allocator *allocator, uint64_t n, uint32_t labels, const float *scores,
				const uint8_t *truth, uint32_t first, uint32_t last, uint32_t bin_count,
				data_reliability_bin *bins, em_status *status)
{
	uint64_t *entries = em_allocate_array(allocator, n, (last - first) * sizeof(uint64_t));
	uint64_t *spare = em_allocate_array(allocator, n, (last - first) * sizeof(uint64_t));
	em_code code = EM_OK;
	size_t count = 0;

	if (entries == NULL || spare == NULL)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	else
	{
		for (uint64_t i = 0; i < n; i++)
			for (uint32_t l = first; l < last; l++)
				entries[count++] = (uint64_t) data_falling_key(scores[i * labels + l]) << 32 |
								   truth[i * labels + l];
		fill_equal_count(data_sort_entries(entries, spare, count), count, bin_count, bins);
	}
	em_release(allocator, spare);
	em_release(allocator, entries);
	return code;
}

static void
measure(uint64_t n, uint32_t labels, const float *scores, const uint8_t *truth, uint32_t first,
		uint32_t last, data_reliability *reliability)
{
	double brier = 0.0, loss = 0.0;

	for (uint64_t i = 0; i < n; i++)
	{
		for (uint32_t l = first; l < last; l++)
		{
			double p = (double) scores[i * labels + l];
			uint8_t positive = truth[i * labels + l];
			double clipped = fmin(fmax(p, LOG_CLIP), 1.0 - LOG_CLIP);

			reliability->positives += positive;
			brier += (p - positive) * (p - positive);
			loss -= log(positive ? clipped : 1.0 - clipped);
		}
	}
	reliability->count = n * (last - first);
	reliability->brier = brier / (double) reliability->count;
	reliability->log_loss = loss / (double) reliability->count;
}

em_code
data_measure_reliability(const em_allocator *allocator, uint64_t n, uint32_t labels,
						 const float *scores, const uint8_t *truth, uint32_t label,
						 uint32_t bin_count, bool equal_count, data_reliability_bin *bins,
						 data_reliability *reliability, em_status *status)
{
	data_reliability_bin own[DATA_MAX_BINS];
	uint32_t first = label == DATA_ALL_LABELS ? 0 : label;
	uint32_t last = label == DATA_ALL_LABELS ? labels : label + 1;
	em_code code = data_check_matrix(n, labels, labels, scores, truth, status);

	if (code != EM_OK)
		return code;
	if (bin_count < 1 || bin_count > DATA_MAX_BINS)
		return em_fail(status, EM_INVALID_OPTION, "%" PRIu32 " bins are not between 1 and %d",
					   bin_count, DATA_MAX_BINS);
	if (first >= labels)
		return em_fail(status, EM_INVALID_OPTION, "no label %" PRIu32 " among %" PRIu32, label,
					   labels);
	if (bins == NULL)
		bins = own;
	memset(bins, 0, bin_count * sizeof(*bins));
	if (equal_count)
		code = bin_equal_count(allocator, n, labels, scores, truth, first, last, bin_count, bins,
							   status);
	else
		fill_equal_width(n, labels, scores, truth, first, last, bin_count, bins);
	if (code != EM_OK)
		return code;
	*reliability = (data_reliability){ 0 };
	measure(n, labels, scores, truth, first, last, reliability);
	for (uint32_t b = 0; b < bin_count; b++)
	{
		reliability->calibration_error +=
			fabs(bins[b].mean_score - (double) bins[b].positives) / (double) reliability->count;
		bins[b].mean_score = bins[b].count > 0 ? bins[b].mean_score / (double) bins[b].count : NAN;
	}
	return EM_OK;
}
