/*
 * metrics.h
 *	  How well scores agree with the truth: per label and averaged.
 *
 * Everywhere: n rows, L labels; scores (n, L) row-major, finite, in 0..1; truth
 * (n, L) row-major bytes, 0 or 1; thresholds (L). Predicted = score >= threshold.
 * 0/0 is 0 in precision, recall and F1 (scikit-learn's zero_division=0), and
 * NaN ("undefined") in ROC-AUC and average precision.
 *
 * Errors: EM_INVALID_DATA without rows or labels, or when a score is outside
 * 0..1 or a truth is not 0 or 1 (the message names row and label, from 1);
 * EM_INVALID_OPTION when a threshold is not a number; EM_LIMIT over 2^30 rows;
 * EM_OUT_OF_MEMORY. Memory while it works: 16 bytes a row and 4 a row more for
 * each ranking kept; the bootstrap keeps one per label.
 */
#ifndef EMOTION_DATA_METRICS_H
#define EMOTION_DATA_METRICS_H

#include "../base.h"

typedef struct data_label_metrics
{
	uint64_t support;   /* positives */
	uint64_t predicted; /* rows at or over the threshold */
	uint64_t true_positive;
	double precision;
	double recall;
	double f1;
	double accuracy;
	double roc_auc;           /* NaN when the label has one class only */
	double average_precision; /* NaN without positives */
} data_label_metrics;

typedef struct data_average
{
	double precision;
	double recall;
	double f1;
} data_average;

typedef struct data_metrics
{
	uint64_t rows;
	uint32_t labels;
	data_average micro, macro, weighted, samples;
	double macro_roc_auc;           /* unweighted mean over the labels that have both classes */
	uint32_t labels_with_auc;       /* how many those are */
	double macro_average_precision; /* over the labels that have positives */
	double hamming_loss;
	double subset_accuracy;
	/* mean over rows and labels of the binary cross-entropy, p clipped to [1e-15, 1-1e-15] */
	double log_loss;
	/*
	 * Expected calibration error over all (row, label): 15 equal bins of the
	 * score, mean |mean score - share of positives| weighted by bin size (Guo
	 * et al. 2017). No float32 score but 0 and 1 lies on an edge of a bin.
	 */
	double calibration_error;
	data_label_metrics *label; /* (L) given by the caller */
} data_metrics;

/*
 * ROC-AUC by mid-ranks (ties count one half): (sum of midranks of positives -
 * n+(n+ + 1)/2) / (n+ n-). stride: distance between a column's elements (L for
 * the matrices above).
 */
em_code data_roc_auc(const em_allocator *allocator, uint64_t n, const float *scores,
					 const uint8_t *truth, size_t stride, double *auc, em_status *status);

/* Sum over distinct scores of (R_i - R_{i-1}) P_i, without interpolation (scikit-learn's). */
em_code data_average_precision(const em_allocator *allocator, uint64_t n, const float *scores,
							   const uint8_t *truth, size_t stride, double *ap, em_status *status);

/* Everything above in one go; metrics->label must point to L elements. */
em_code data_metrics_compute(const em_allocator *allocator, uint64_t n, uint32_t labels,
							 const float *scores, const uint8_t *truth, const float *thresholds,
							 data_metrics *metrics, em_status *status);

/* The same for many rows: should_stop (may be NULL) is asked on the way: EM_CANCELLED. */
em_code data_metrics_compute_until(const em_allocator *allocator, uint64_t n, uint32_t labels,
								   const float *scores, const uint8_t *truth,
								   const float *thresholds, em_should_stop should_stop,
								   void *stop_context, data_metrics *metrics, em_status *status);

/*
 * Percentile bootstrap over rows: `resamples` times draw n rows with
 * replacement, compute the summary figures, and return the (1-confidence)/2 and
 * (1+confidence)/2 quantiles (linear between neighbours). A label that lacks
 * positives or negatives in a resample is left out of that resample's macro
 * ROC-AUC and average precision, as it is in data_metrics; a figure that is
 * undefined in every resample has NaN bounds.
 *
 * Random numbers: draw i (from 0) of resample r takes splitmix64's output
 * number r n + i of the sequence that starts at mix(seed):
 *     x = mix(mix(seed) + (r n + i + 1) 0x9E3779B97F4A7C15), row = floor(x n / 2^64)
 * (mix: the finaliser of splitmix64, Steele, Lea and Flood 2014), so any
 * resample can be made again without those before it.
 *
 * should_stop (may be NULL) is asked after each label of each resample:
 * EM_CANCELLED when it says so.
 */
typedef struct data_interval
{
	double low, high;
} data_interval;

typedef struct data_metrics_intervals
{
	data_interval micro_f1, macro_f1, weighted_f1, samples_f1;
	data_interval macro_roc_auc, macro_average_precision, hamming_loss, subset_accuracy;
	data_interval *label_f1;      /* (L) given by the caller, or NULL */
	data_interval *label_roc_auc; /* (L) given by the caller, or NULL */
} data_metrics_intervals;

em_code data_metrics_bootstrap(const em_allocator *allocator, uint64_t n, uint32_t labels,
							   const float *scores, const uint8_t *truth, const float *thresholds,
							   uint32_t resamples, double confidence, uint64_t seed,
							   em_should_stop should_stop, void *stop_context,
							   data_metrics_intervals *intervals, em_status *status);

/* Figures of which each resample has one. */
typedef enum data_figure
{
	DATA_MICRO_F1,
	DATA_MACRO_F1,
	DATA_WEIGHTED_F1,
	DATA_SAMPLES_F1,
	DATA_MACRO_ROC_AUC,
	DATA_MACRO_AVERAGE_PRECISION,
	DATA_HAMMING_LOSS,
	DATA_SUBSET_ACCURACY,
	DATA_FIGURES
} data_figure;

/* Where they go; of labels, what is NULL is not kept. Undefined figures are NaN. */
typedef struct data_resampled
{
	double *figure;                  /* (DATA_FIGURES, resamples) */
	double *label_f1;                /* (L, resamples) */
	double *label_roc_auc;           /* (L, resamples) */
	double *label_average_precision; /* (L, resamples) */
} data_resampled;

/*
 * The figures of the resamples themselves, those that data_metrics_bootstrap takes quantiles of:
 * with the same n and seed resample r is the same rows for every model, so that means over models
 * and differences between them can be had afterwards.
 */
em_code data_metrics_resample(const em_allocator *allocator, uint64_t n, uint32_t labels,
							  const float *scores, const uint8_t *truth, const float *thresholds,
							  uint32_t resamples, uint64_t seed, em_should_stop should_stop,
							  void *stop_context, const data_resampled *out, em_status *status);

/* One figure of two models, b - a, on the same rows. */
typedef struct data_difference
{
	double a, b, difference;
	data_interval interval; /* of the difference */
	double p_value;
} data_difference;

typedef struct data_comparison
{
	data_difference macro_roc_auc, macro_f1;
} data_comparison;

/*
 * Paired bootstrap: both models are measured on the same resampled rows (those
 * that data_metrics_bootstrap draws with this seed). p_value is two-sided,
 * 2 (1 + min(#{d <= 0}, #{d >= 0})) / (1 + resamples), at most 1 (Davison and
 * Hinkley 1997, 4.2): for equal models it is 1, and it never claims 0.
 */
em_code data_metrics_compare(const em_allocator *allocator, uint64_t n, uint32_t labels,
							 const uint8_t *truth, const float *scores_a, const float *thresholds_a,
							 const float *scores_b, const float *thresholds_b, uint32_t resamples,
							 double confidence, uint64_t seed, em_should_stop should_stop,
							 void *stop_context, data_comparison *comparison, em_status *status);

#endif /* EMOTION_DATA_METRICS_H */
