/*
 * ranking.c
 *	  Sorting scores and walking along them.
 */
#include "ranking.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Scores in 0..1 have bit patterns up to that of 1.0f, which has 30 bits. */
#define KEY_OF_ZERO UINT32_C(0x3F800000)
#define DIGIT_BITS 10
#define DIGITS (1 << DIGIT_BITS)
#define PASSES 3

em_code
data_check_matrix(uint64_t n, uint32_t labels, size_t stride, const float *scores,
				  const uint8_t *truth, em_should_stop should_stop, void *stop_context,
				  em_status *status)
{
	uint64_t stop_rows;

	if (n == 0)
		return em_fail(status, EM_INVALID_DATA, "there are no rows to measure");
	if (labels == 0)
		return em_fail(status, EM_INVALID_DATA, "there are no labels to measure");
	if (n > DATA_MAX_ROWS)
		return em_fail(status, EM_LIMIT, "%" PRIu64 " rows are more than the %" PRIu64 " supported",
					   n, DATA_MAX_ROWS);
	stop_rows = DATA_STOP_SCORES / ((uint64_t) labels + 1) + 1;
	for (uint64_t i = 0; i < n; i++)
	{
		if (should_stop != NULL && i % stop_rows == 0 && should_stop(stop_context))
			return em_fail(status, EM_CANCELLED, "cancelled");
		for (uint32_t l = 0; l < labels; l++)
		{
			float score = scores[i * stride + l];

			/* written so that NaN fails it */
			if (!(score >= 0.0f && score <= 1.0f))
				return em_fail(status, EM_INVALID_DATA,
							   "score %g of row %" PRIu64 ", label %" PRIu32
							   " is not between 0 and 1",
							   (double) score, i + 1, l + 1);
			if (truth[i * stride + l] > 1)
				return em_fail(status, EM_INVALID_DATA,
							   "truth %d of row %" PRIu64 ", label %" PRIu32 " is not 0 or 1",
							   truth[i * stride + l], i + 1, l + 1);
		}
	}
	return EM_OK;
}

em_code
data_check_thresholds(uint32_t labels, const float *thresholds, em_status *status)
{
	for (uint32_t l = 0; l < labels; l++)
	{
		if (isnan(thresholds[l]))
			return em_fail(status, EM_INVALID_OPTION,
						   "the threshold of label %" PRIu32 " is not a number", l + 1);
	}
	return EM_OK;
}

em_code
data_check_folds(uint64_t n, const uint8_t *folds, uint32_t fold_count, em_status *status)
{
	if (fold_count < 2 || fold_count > 256)
		return em_fail(status, EM_INVALID_OPTION, "%" PRIu32 " folds are not between 2 and 256",
					   fold_count);
	for (uint64_t i = 0; i < n; i++)
	{
		if (folds[i] >= fold_count)
			return em_fail(status, EM_INVALID_DATA,
						   "fold %d of row %" PRIu64 " is not below the number of folds, %" PRIu32,
						   folds[i], i + 1, fold_count);
	}
	return EM_OK;
}

uint32_t
data_falling_key(float score)
{
	uint32_t bits;

	if (score == 0.0f)
		return KEY_OF_ZERO; /* -0 too */
	memcpy(&bits, &score, sizeof(bits));
	return KEY_OF_ZERO - bits;
}

float
data_key_score(uint32_t key)
{
	uint32_t bits = KEY_OF_ZERO - key;
	float score;

	memcpy(&score, &bits, sizeof(score));
	return score;
}

uint64_t *
data_sort_entries(uint64_t *entries, uint64_t *spare, size_t count, em_should_stop should_stop,
				  void *stop_context)
{
	for (int pass = 0; pass < PASSES; pass++)
	{
		int shift = 32 + pass * DIGIT_BITS;
		size_t start[DIGITS] = { 0 };
		size_t sum = 0;
		uint64_t *swap;

		if (should_stop != NULL && should_stop(stop_context))
			return NULL;
		for (size_t i = 0; i < count; i++)
			start[(entries[i] >> shift) & (DIGITS - 1)]++;
		for (int d = 0; d < DIGITS; d++)
		{
			size_t here = start[d];

			start[d] = sum;
			sum += here;
		}
		for (size_t i = 0; i < count; i++)
			spare[start[(entries[i] >> shift) & (DIGITS - 1)]++] = entries[i];
		swap = entries;
		entries = spare;
		spare = swap;
	}
	return entries;
}

void
data_rank(uint64_t n, const float *scores, const uint8_t *truth, size_t stride, float threshold,
		  uint64_t *work, data_ranked *ranked, uint64_t *cut)
{
	uint64_t *sorted;
	uint64_t over = 0;

	for (uint64_t i = 0; i < n; i++)
	{
		float score = scores[i * stride];

		over += score >= threshold;
		work[i] = (uint64_t) data_falling_key(score) << 32 | i << 1 | truth[i * stride];
	}
	sorted = data_sort_entries(work, work + n, n, NULL, NULL);
	for (uint64_t i = 0; i < n; i++)
	{
		bool last = i + 1 == n || sorted[i] >> 32 != sorted[i + 1] >> 32;

		ranked[i] = (uint32_t) sorted[i] << 1 | last;
	}
	if (cut != NULL)
		*cut = over;
}

/*
 * Twice the Mann-Whitney statistic is an integer: a pair of a positive above a
 * negative counts two, a tied pair one. It equals the mid-rank formula and is
 * exact; with at most 2^30 rows it stays below 2^61.
 */
void
data_walk(uint64_t n, const data_ranked *ranked, uint64_t cut, const uint32_t *counts,
		  uint64_t total, data_curve *curve)
{
	uint64_t positives = 0, rows = 0;             /* up to the group */
	uint64_t group_positives = 0, group_rows = 0; /* in the group so far */
	uint64_t pairs = 0;
	double precision_sum = 0.0;

	curve->hits.predicted = 0;
	curve->hits.true_positive = 0;
	for (uint64_t i = 0; i < n; i++)
	{
		uint32_t entry = ranked[i];
		uint32_t count = counts == NULL ? 1 : counts[entry >> 2];

		group_rows += count;
		group_positives += (entry & 2) != 0 ? count : 0;
		if ((entry & 1) == 0)
			continue;
		pairs += (group_rows - group_positives) * (2 * positives + group_positives);
		positives += group_positives;
		rows += group_rows;
		if (group_positives > 0)
			precision_sum += (double) group_positives * ((double) positives / (double) rows);
		if (i + 1 == cut)
		{
			curve->hits.predicted = rows;
			curve->hits.true_positive = positives;
		}
		group_rows = group_positives = 0;
	}
	curve->hits.support = positives;
	curve->roc_auc =
		positives == 0 || positives == total
			? NAN
			: (double) pairs / (2.0 * (double) positives * (double) (total - positives));
	curve->average_precision = positives == 0 ? NAN : precision_sum / (double) positives;
}

data_hits
data_row_hits(uint32_t labels, const float *scores, const uint8_t *truth, const float *thresholds)
{
	data_hits hits = { 0, 0, 0 };

	for (uint32_t l = 0; l < labels; l++)
	{
		bool predicted = scores[l] >= thresholds[l];

		hits.support += truth[l];
		hits.predicted += predicted;
		hits.true_positive += predicted && truth[l] == 1;
	}
	return hits;
}
