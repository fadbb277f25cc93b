/*
 * label_stats.h
 *	  How many, how dense, how unbalanced, how entangled the labels of a data
 *	  set are.
 *
 * N_l: rows with label l; Y_i: the label set of row i; n rows, L labels.
 *	  cardinality   mean |Y_i|              density   cardinality / L
 *	  IRLbl_l       max_j N_j / N_l         MeanIR, MaxIR: over the labels present
 *	  CVIR          sample standard deviation of IRLbl / MeanIR
 *	  SCUMBLE_i     1 - (geometric mean of IRLbl over Y_i) / (arithmetic mean)
 *	                0 when |Y_i| <= 1; SCUMBLE: mean over rows, of a label: mean
 *	                over its rows; its CV: sample standard deviation / mean
 *	  TCS           ln(inputs * L * distinct label sets)
 * Sources: Charte et al. 2013 and 2015 (imbalance), 2014 (SCUMBLE), 2016 (TCS).
 * The formula printed for SCUMBLE multiplies over absent labels too, which
 * makes it 1 everywhere; meant, and computed here, are the labels of the row.
 * A label without rows has no IRLbl (NaN) and stands outside MeanIR and CVIR.
 */
#ifndef EMOTION_DATA_LABEL_STATS_H
#define EMOTION_DATA_LABEL_STATS_H

#include "label_sets.h"

typedef struct data_label_stats
{
	uint64_t rows;
	uint32_t labels;         /* L */
	uint32_t labels_present; /* with rows */
	uint64_t label_sets;     /* distinct, the empty one included */
	uint64_t single_sets;    /* label sets that exactly one row has */
	double cardinality, density;
	double mean_ir, max_ir; /* NaN when no label has rows */
	double cvir;            /* NaN with less than two labels present */
	double scumble;         /* NaN without rows */
	double scumble_cv;      /* NaN with less than two rows, or when SCUMBLE is 0 */
	double tcs;             /* NaN without rows */

	/* (L) each, given by the caller */
	uint64_t *count;
	double *irlbl;         /* NaN for a label without rows */
	double *label_scumble; /* NaN for a label without rows */
} data_label_stats;

/*
 * inputs: the number of input attributes for TCS (1 where a row is a text).
 * Sums run in an order that the label sets alone fix, so rows in another order
 * and states merged otherwise give the same bits; a caller whose labels are
 * names numbers them in a fixed order first. EM_INVALID_DATA when a label set
 * holds a label >= labels; EM_INVALID_OPTION when labels is 0 or inputs below
 * 1; EM_OUT_OF_MEMORY.
 */
em_code data_label_stats_compute(const em_allocator *allocator, const data_label_sets *sets,
								 uint32_t labels, double inputs, data_label_stats *stats,
								 em_status *status);

/* SCUMBLE_i of one row; irlbl: (L), not NaN for its labels. */
double data_scumble_of_row(const uint32_t *labels, uint32_t size, const double *irlbl);

#endif /* EMOTION_DATA_LABEL_STATS_H */
