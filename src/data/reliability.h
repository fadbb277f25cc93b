/*
 * reliability.h
 *	  How far scores are from what they say: in bins, and in one number.
 *
 * Errors and conventions as in metrics.h.
 */
#ifndef EMOTION_DATA_RELIABILITY_H
#define EMOTION_DATA_RELIABILITY_H

#include "../base.h"

#define DATA_MAX_BINS 1000

/* In place of a label: every (row, label). */
#define DATA_ALL_LABELS UINT32_MAX

/* Of an empty bin mean_score is NaN; with equal count lower and upper, too. */
typedef struct data_reliability_bin
{
	double lower, upper; /* equal width: edges; equal count: lowest and highest score */
	uint64_t count;
	uint64_t positives;
	double mean_score;
} data_reliability_bin;

typedef struct data_reliability
{
	uint64_t count;
	uint64_t positives;
	/* sum over bins of count / n |mean_score - positives / count| (Naeini et al. 2015, Guo et al. 2017) */
	double calibration_error;
	double brier;    /* mean (score - truth)^2 (Brier 1950) */
	double log_loss; /* as in metrics.h */
} data_reliability;

/*
 * Of one label or of all pooled. Bins of equal width: bin floor(score * bin_count), 1 in the last.
 * Of equal count: of N scores in rising order, bin k takes those from floor(k N / bin_count) to
 * before the next bin's first, but equal scores all go where the first of them goes, so that bins may
 * come out empty.
 *
 * bins: (bin_count) out, or NULL. Memory 16 bytes a score for equal count, none otherwise.
 * EM_INVALID_OPTION when bin_count is not in 1..DATA_MAX_BINS or there is no such label.
 */
em_code data_measure_reliability(const em_allocator *allocator, uint64_t n, uint32_t labels,
								 const float *scores, const uint8_t *truth, uint32_t label,
								 uint32_t bin_count, bool equal_count, data_reliability_bin *bins,
								 data_reliability *reliability, em_status *status);

/* The same for many rows: should_stop (may be NULL) is asked on the way: EM_CANCELLED. */
em_code data_measure_reliability_until(const em_allocator *allocator, uint64_t n, uint32_t labels,
									   const float *scores, const uint8_t *truth, uint32_t label,
									   uint32_t bin_count, bool equal_count,
									   em_should_stop should_stop, void *stop_context,
									   data_reliability_bin *bins, data_reliability *reliability,
									   em_status *status);

#endif /* EMOTION_DATA_RELIABILITY_H */
