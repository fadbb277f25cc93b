/*
 * ranking.h
 *	  The rows of one label in order of falling score: what ROC-AUC, average
 *	  precision and the search for a threshold all walk along.
 *
 * Private to this room.
 */
#ifndef EMOTION_DATA_RANKING_H
#define EMOTION_DATA_RANKING_H

#include "../base.h"

/* A row number must fit into 30 bits: see data_ranked. */
#define DATA_MAX_ROWS ((uint64_t) 1 << 30)

/* row << 2 | positive << 1 | last of the rows that share its score */
typedef uint32_t data_ranked;

/* Scores between two questions whether to stop. */
#define DATA_STOP_SCORES (UINT64_C(1) << 20)

/*
 * EM_INVALID_DATA unless every score is in 0..1 and every truth 0 or 1 (the
 * message names row and label, counted from 1), or when there are no rows or
 * no labels; EM_LIMIT over DATA_MAX_ROWS rows. should_stop (may be NULL) is
 * asked on the way: EM_CANCELLED.
 */
em_code data_check_matrix(uint64_t n, uint32_t labels, size_t stride, const float *scores,
						  const uint8_t *truth, em_should_stop should_stop, void *stop_context,
						  em_status *status);

/* EM_INVALID_OPTION when a threshold is not a number. */
em_code data_check_thresholds(uint32_t labels, const float *thresholds, em_status *status);

/*
 * EM_INVALID_OPTION when there are not 2 to 256 folds, EM_INVALID_DATA when a row's (folds[i]) is
 * not below their number.
 */
em_code data_check_folds(uint64_t n, const uint8_t *folds, uint32_t fold_count, em_status *status);

/* A sort key that falls as the score (in 0..1, either zero) rises; 30 bits. */
uint32_t data_falling_key(float score);

/* The score that has this key. */
float data_key_score(uint32_t key);

/*
 * Sort count entries by their upper 32 bits (each a data_falling_key),
 * keeping the order of equals: least significant digit first, three passes.
 * Returns the array that holds the result: entries or spare, each (count).
 * should_stop (may be NULL) is asked before each pass: NULL when it says so.
 */
uint64_t *data_sort_entries(uint64_t *entries, uint64_t *spare, size_t count,
							em_should_stop should_stop, void *stop_context);

/*
 * Rank one label: scores and truth point at its first row, stride elements lie
 * between rows. work: (2, n). *cut (unless NULL): how many rows have a score
 * at or over threshold; they are the first ones.
 */
void data_rank(uint64_t n, const float *scores, const uint8_t *truth, size_t stride,
			   float threshold, uint64_t *work, data_ranked *ranked, uint64_t *cut);

/* What thresholds make of one row or of one label. */
typedef struct data_hits
{
	uint64_t support; /* positives */
	uint64_t predicted;
	uint64_t true_positive;
} data_hits;

/* What a walk along a ranking finds. */
typedef struct data_curve
{
	data_hits hits;
	double roc_auc;           /* NaN when there is one class only */
	double average_precision; /* NaN without positives */
} data_curve;

/*
 * counts: NULL, or how often each row counts, (n): a bootstrap sample is a
 * walk along the same ranking with other counts, so it needs no sorting. total:
 * the sum of the counts.
 */
void data_walk(uint64_t n, const data_ranked *ranked, uint64_t cut, const uint32_t *counts,
			   uint64_t total, data_curve *curve);

/* The hits of one row over its labels; scores and truth: (L). */
data_hits data_row_hits(uint32_t labels, const float *scores, const uint8_t *truth,
						const float *thresholds);

/* a / b, and 0 for 0/0. */
static inline double
data_ratio(uint64_t a, uint64_t b)
{
	return b == 0 ? 0.0 : (double) a / (double) b;
}

static inline double
data_f1(uint64_t true_positive, uint64_t predicted, uint64_t support)
{
	return data_ratio(2 * true_positive, predicted + support);
}

#endif /* EMOTION_DATA_RANKING_H */
