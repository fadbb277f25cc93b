/*
 * agreement.h
 *	  How far raters agree beyond chance, and what most of them say.
 *
 * K categories; all states are arrays of fixed size that add up element by
 * element, so that parts of the data can be counted apart. A figure is NaN where
 * it is undefined: without data, or when chance alone gives full agreement
 * (everything in one category). EM_INVALID_OPTION when K is 0 or over
 * DATA_MAX_CATEGORIES, EM_INVALID_DATA when a state or a unit is not what it
 * should be, EM_LIMIT when counts no longer fit.
 */
#ifndef EMOTION_DATA_AGREEMENT_H
#define EMOTION_DATA_AGREEMENT_H

#include "label_rows.h"

#define DATA_MAX_CATEGORIES 4096

/*
 * Cohen's kappa of two raters (Cohen 1960): (p_o - p_e) / (1 - p_e).
 * confusion: (K, K) how often one said i and the other j.
 */
em_code data_cohen_add(uint64_t *confusion, uint32_t categories, uint32_t first, uint32_t second,
					   em_status *status);
em_code data_cohen_kappa(const uint64_t *confusion, uint32_t categories, double *kappa,
						 em_status *status);

/*
 * Fleiss' kappa (Fleiss 1971) of units that all have the same number of ratings,
 * two or more, not always by the same raters. State, all zero at first:
 */
typedef enum data_fleiss_place
{
	DATA_FLEISS_UNITS,
	DATA_FLEISS_RATINGS,  /* of each unit */
	DATA_FLEISS_SQUARES,  /* sum of the squares of all counts */
	DATA_FLEISS_CATEGORY, /* K ratings in each category, from here on */
} data_fleiss_place;

/* counts: (K) ratings of one unit in each category. A failure changes nothing. */
em_code data_fleiss_add(uint64_t *state, uint32_t categories, const uint32_t *counts,
						em_status *status);
/* EM_INVALID_DATA when the units have different numbers of ratings. */
em_code data_fleiss_merge(uint64_t *state, const uint64_t *from, uint32_t categories,
						  em_status *status);
em_code data_fleiss_kappa(const uint64_t *state, uint32_t categories, double *kappa,
						  em_status *status);

/*
 * Krippendorff's alpha for categories without order (Krippendorff 2004, 11.3), any
 * number of ratings a unit; units with less than two tell nothing and count
 * nowhere. State: the coincidence matrix (K, K), doubles, all zero at first: a
 * unit of m ratings adds n_i (n_j - [i = j]) / (m - 1). alpha = 1 - D_o / D_e.
 * Sums of different order may differ by roundings.
 */
em_code data_alpha_add(double *coincidence, uint32_t categories, const uint32_t *counts,
					   em_status *status);
em_code data_alpha(const double *coincidence, uint32_t categories, double *alpha,
				   em_status *status);

/*
 * The labels that at least `at_least` (over 0) voters gave to one thing. votes: a
 * row of labels per voter. count: (L) out, votes for each label; labels: (L) out,
 * of which the first *size are used, rising.
 */
em_code data_majority(const data_label_rows *votes, uint64_t at_least, uint32_t *count,
					  uint32_t *labels, uint32_t *size, em_status *status);

#endif /* EMOTION_DATA_AGREEMENT_H */
