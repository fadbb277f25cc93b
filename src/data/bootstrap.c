/*
 * bootstrap.c
 *	  Intervals and paired comparison by resampling rows.
 *
 * Each label is ranked once. A resample is a count per row, and its figures are
 * one walk along each ranking with these counts: O(n L) a resample, no sorting,
 * no copy of the scores.
 */
#include "metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mix.h"
#include "ranking.h"

/* What resamples need to know of one model's scores. */
typedef struct ranked_model
{
	data_ranked *ranked; /* (L, n) */
	uint64_t *cut;       /* (L) rows at or over the threshold */
} ranked_model;

/* The figures of one resample that are averages over labels. */
typedef struct label_summary
{
	double micro_f1, macro_f1, weighted_f1, macro_roc_auc, macro_average_precision, hamming_loss;
} label_summary;

/* counts: (n), how often each row is in resample number r. */
static void
draw_counts(uint64_t seed, uint64_t r, uint64_t n, uint32_t *counts)
{
	memset(counts, 0, n * sizeof(uint32_t));
	for (uint64_t i = 0; i < n; i++)
		counts[data_random_below(data_random(seed, r * n + i), n)]++;
}

static void
release_model(const em_allocator *allocator, ranked_model *model)
{
	em_release(allocator, model->ranked);
	em_release(allocator, model->cut);
}

/* Leaves *model to release_model() whether it succeeds or not. */
static em_code
rank_model(const em_allocator *allocator, uint64_t n, uint32_t labels, const float *scores,
		   const uint8_t *truth, const float *thresholds, em_should_stop should_stop,
		   void *stop_context, ranked_model *model, em_status *status)
{
	uint64_t *work = NULL;
	em_code code =
		data_check_matrix(n, labels, labels, scores, truth, should_stop, stop_context, status);

	*model = (ranked_model){ NULL, NULL };
	if (code == EM_OK)
		code = data_check_thresholds(labels, thresholds, status);
	if (code != EM_OK)
		return code;
	work = em_allocate_array(allocator, n, 2 * sizeof(uint64_t));
	model->ranked = em_allocate_array(allocator, n, labels * sizeof(data_ranked));
	model->cut = em_allocate_array(allocator, labels, sizeof(uint64_t));
	if (work == NULL || model->ranked == NULL || model->cut == NULL)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	for (uint32_t l = 0; code == EM_OK && l < labels; l++)
	{
		if (should_stop != NULL && should_stop(stop_context))
			code = em_fail(status, EM_CANCELLED, "cancelled");
		else
			data_rank(n, scores + l, truth + l, labels, thresholds[l], work, model->ranked + n * l,
					  &model->cut[l]);
	}
	em_release(allocator, work);
	return code;
}

/* Keep figure `value` of label l in resample r, if it is wanted. */
static void
keep(double *figures, uint32_t l, uint32_t resamples, uint32_t r, double value)
{
	if (figures != NULL)
		figures[(size_t) l * resamples + r] = value;
}

/* One resample's averages. kept: where labels' figures of resample r of `resamples` go, or NULL. */
static em_code
summarise(uint64_t n, uint32_t labels, const ranked_model *model, const uint32_t *counts,
		  em_should_stop should_stop, void *stop_context, label_summary *summary,
		  const data_resampled *kept, uint32_t resamples, uint32_t r, em_status *status)
{
	data_hits sum = { 0, 0, 0 };
	uint32_t with_auc = 0, with_positives = 0;
	double f1_sum = 0.0, weighted = 0.0, auc = 0.0, average_precision = 0.0;

	for (uint32_t l = 0; l < labels; l++)
	{
		data_curve curve;
		double f1;

		if (should_stop != NULL && should_stop(stop_context))
			return em_fail(status, EM_CANCELLED, "cancelled");
		data_walk(n, model->ranked + n * l, model->cut[l], counts, n, &curve);
		f1 = data_f1(curve.hits.true_positive, curve.hits.predicted, curve.hits.support);
		sum.support += curve.hits.support;
		sum.predicted += curve.hits.predicted;
		sum.true_positive += curve.hits.true_positive;
		f1_sum += f1;
		weighted += (double) curve.hits.support * f1;
		if (!isnan(curve.roc_auc))
		{
			with_auc++;
			auc += curve.roc_auc;
		}
		if (curve.hits.support > 0)
		{
			with_positives++;
			average_precision += curve.average_precision;
		}
		if (kept == NULL)
			continue;
		keep(kept->label_f1, l, resamples, r, f1);
		keep(kept->label_roc_auc, l, resamples, r, curve.roc_auc);
		keep(kept->label_average_precision, l, resamples, r,
			 curve.hits.support > 0 ? curve.average_precision : NAN);
	}
	summary->micro_f1 = data_f1(sum.true_positive, sum.predicted, sum.support);
	summary->macro_f1 = f1_sum / labels;
	summary->weighted_f1 = sum.support > 0 ? weighted / (double) sum.support : 0.0;
	summary->macro_roc_auc = with_auc > 0 ? auc / with_auc : NAN;
	summary->macro_average_precision =
		with_positives > 0 ? average_precision / with_positives : NAN;
	summary->hamming_loss =
		(double) (sum.predicted + sum.support - 2 * sum.true_positive) / ((double) n * labels);
	return EM_OK;
}

static int
compare_doubles(const void *left, const void *right)
{
	double a = *(const double *) left;
	double b = *(const double *) right;

	return (a > b) - (a < b);
}

/* Quantile q of sorted values: linear between the two neighbours of (count - 1) q. */
static double
quantile(const double *sorted, size_t count, double q)
{
	double position = q * (double) (count - 1);
	size_t below = (size_t) position;

	if (below + 1 >= count)
		return sorted[count - 1];
	return sorted[below] + (position - (double) below) * (sorted[below + 1] - sorted[below]);
}

/* The interval of the defined ones among values, which it reorders. */
static data_interval
interval_of(double *values, size_t count, double confidence)
{
	data_interval interval = { NAN, NAN };
	size_t defined = 0;

	for (size_t i = 0; i < count; i++)
	{
		if (!isnan(values[i]))
			values[defined++] = values[i];
	}
	if (defined == 0)
		return interval;
	qsort(values, defined, sizeof(double), compare_doubles);
	interval.low = quantile(values, defined, (1.0 - confidence) / 2.0);
	interval.high = quantile(values, defined, (1.0 + confidence) / 2.0);
	return interval;
}

static em_code
check_options(uint32_t resamples, double confidence, em_status *status)
{
	if (resamples == 0)
		return em_fail(status, EM_INVALID_OPTION, "the number of resamples is 0");
	if (!(confidence > 0.0 && confidence < 1.0))
		return em_fail(status, EM_INVALID_OPTION, "confidence %g is not between 0 and 1",
					   confidence);
	return EM_OK;
}

/* Each row's F1, (n), and whether it is right altogether, (n). */
static void
measure_each_row(uint64_t n, uint32_t labels, const float *scores, const uint8_t *truth,
				 const float *thresholds, double *row_f1, uint8_t *row_exact)
{
	for (uint64_t i = 0; i < n; i++)
	{
		data_hits hits = data_row_hits(labels, scores + i * labels, truth + i * labels, thresholds);

		row_f1[i] = data_f1(hits.true_positive, hits.predicted, hits.support);
		row_exact[i] = hits.predicted + hits.support == 2 * hits.true_positive;
	}
}

em_code
data_metrics_resample(const em_allocator *allocator, uint64_t n, uint32_t labels,
					  const float *scores, const uint8_t *truth, const float *thresholds,
					  uint32_t resamples, uint64_t seed, em_should_stop should_stop,
					  void *stop_context, const data_resampled *out, em_status *status)
{
	ranked_model model = { NULL, NULL };
	uint32_t *counts = NULL;
	double *row_f1 = NULL;
	uint8_t *row_exact = NULL;
	em_code code = check_options(resamples, 0.95, status);

	if (code == EM_OK)
		code = rank_model(allocator, n, labels, scores, truth, thresholds, should_stop,
						  stop_context, &model, status);
	if (code != EM_OK)
		goto done;
	counts = em_allocate_array(allocator, n, sizeof(uint32_t));
	row_f1 = em_allocate_array(allocator, n, sizeof(double));
	row_exact = em_allocate_array(allocator, n, 1);
	if (counts == NULL || row_f1 == NULL || row_exact == NULL)
	{
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
		goto done;
	}
	measure_each_row(n, labels, scores, truth, thresholds, row_f1, row_exact);

	for (uint32_t r = 0; r < resamples; r++)
	{
		label_summary summary;
		double samples_f1 = 0.0;
		uint64_t exact = 0;

		draw_counts(seed, r, n, counts);
		code = summarise(n, labels, &model, counts, should_stop, stop_context, &summary, out,
						 resamples, r, status);
		if (code != EM_OK)
			goto done;
		for (uint64_t i = 0; i < n; i++)
		{
			samples_f1 += counts[i] * row_f1[i];
			exact += counts[i] * (uint64_t) row_exact[i];
		}
#define STORE(which, value) out->figure[(size_t) (which) *resamples + r] = (value)
		STORE(DATA_MICRO_F1, summary.micro_f1);
		STORE(DATA_MACRO_F1, summary.macro_f1);
		STORE(DATA_WEIGHTED_F1, summary.weighted_f1);
		STORE(DATA_SAMPLES_F1, samples_f1 / (double) n);
		STORE(DATA_MACRO_ROC_AUC, summary.macro_roc_auc);
		STORE(DATA_MACRO_AVERAGE_PRECISION, summary.macro_average_precision);
		STORE(DATA_HAMMING_LOSS, summary.hamming_loss);
		STORE(DATA_SUBSET_ACCURACY, (double) exact / (double) n);
#undef STORE
	}

done:
	em_release(allocator, row_exact);
	em_release(allocator, row_f1);
	em_release(allocator, counts);
	release_model(allocator, &model);
	return code;
}

em_code
data_metrics_bootstrap(const em_allocator *allocator, uint64_t n, uint32_t labels,
					   const float *scores, const uint8_t *truth, const float *thresholds,
					   uint32_t resamples, double confidence, uint64_t seed,
					   em_should_stop should_stop, void *stop_context,
					   data_metrics_intervals *intervals, em_status *status)
{
	data_resampled values = { NULL, NULL, NULL, NULL };
	size_t per_resample = DATA_FIGURES;
	em_code code = check_options(resamples, confidence, status);

	if (code != EM_OK)
		return code;
	per_resample += intervals->label_f1 != NULL ? labels : 0;
	per_resample += intervals->label_roc_auc != NULL ? labels : 0;
	values.figure = em_allocate_array(allocator, resamples, per_resample * sizeof(double));
	if (values.figure == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	/* (figures, resamples), then (L, resamples) once or twice */
	if (intervals->label_f1 != NULL)
		values.label_f1 = values.figure + (size_t) DATA_FIGURES * resamples;
	if (intervals->label_roc_auc != NULL)
		values.label_roc_auc = values.figure + (per_resample - labels) * resamples;
	code = data_metrics_resample(allocator, n, labels, scores, truth, thresholds, resamples, seed,
								 should_stop, stop_context, &values, status);
	if (code != EM_OK)
		goto done;

#define INTERVAL(which)                                                                            \
	interval_of(values.figure + (size_t) (which) *resamples, resamples, confidence)
	intervals->micro_f1 = INTERVAL(DATA_MICRO_F1);
	intervals->macro_f1 = INTERVAL(DATA_MACRO_F1);
	intervals->weighted_f1 = INTERVAL(DATA_WEIGHTED_F1);
	intervals->samples_f1 = INTERVAL(DATA_SAMPLES_F1);
	intervals->macro_roc_auc = INTERVAL(DATA_MACRO_ROC_AUC);
	intervals->macro_average_precision = INTERVAL(DATA_MACRO_AVERAGE_PRECISION);
	intervals->hamming_loss = INTERVAL(DATA_HAMMING_LOSS);
	intervals->subset_accuracy = INTERVAL(DATA_SUBSET_ACCURACY);
#undef INTERVAL
	for (uint32_t l = 0; l < labels; l++)
	{
		if (intervals->label_f1 != NULL)
			intervals->label_f1[l] =
				interval_of(values.label_f1 + (size_t) l * resamples, resamples, confidence);
		if (intervals->label_roc_auc != NULL)
			intervals->label_roc_auc[l] =
				interval_of(values.label_roc_auc + (size_t) l * resamples, resamples, confidence);
	}

done:
	em_release(allocator, values.figure);
	return code;
}

/* differences: (count), which it reorders. */
static data_difference
difference_of(double a, double b, double *differences, size_t count, double confidence)
{
	data_difference result = { .a = a, .b = b, .difference = b - a, .p_value = NAN };
	size_t defined = 0, not_above = 0, not_below = 0, fewer;

	for (size_t i = 0; i < count; i++)
	{
		defined += !isnan(differences[i]);
		not_above += differences[i] <= 0.0;
		not_below += differences[i] >= 0.0;
	}
	result.interval = interval_of(differences, count, confidence);
	if (defined == 0)
		return result;
	fewer = not_above < not_below ? not_above : not_below;
	result.p_value = fmin(1.0, 2.0 * (double) (1 + fewer) / (double) (1 + defined));
	return result;
}

em_code
data_metrics_compare(const em_allocator *allocator, uint64_t n, uint32_t labels,
					 const uint8_t *truth, const float *scores_a, const float *thresholds_a,
					 const float *scores_b, const float *thresholds_b, uint32_t resamples,
					 double confidence, uint64_t seed, em_should_stop should_stop,
					 void *stop_context, data_comparison *comparison, em_status *status)
{
	ranked_model model[2] = { { NULL, NULL }, { NULL, NULL } };
	const float *scores[2] = { scores_a, scores_b };
	const float *thresholds[2] = { thresholds_a, thresholds_b };
	label_summary whole[2], part[2];
	uint32_t *counts = NULL;
	double *auc = NULL, *f1 = NULL;
	em_code code = check_options(resamples, confidence, status);

	for (int m = 0; code == EM_OK && m < 2; m++)
	{
		code = rank_model(allocator, n, labels, scores[m], truth, thresholds[m], should_stop,
						  stop_context, &model[m], status);
		if (code == EM_OK)
			code = summarise(n, labels, &model[m], NULL, should_stop, stop_context, &whole[m], NULL,
							 0, 0, status);
	}
	if (code != EM_OK)
		goto done;
	counts = em_allocate_array(allocator, n, sizeof(uint32_t));
	auc = em_allocate_array(allocator, resamples, sizeof(double));
	f1 = em_allocate_array(allocator, resamples, sizeof(double));
	if (counts == NULL || auc == NULL || f1 == NULL)
	{
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
		goto done;
	}
	for (uint32_t r = 0; r < resamples; r++)
	{
		draw_counts(seed, r, n, counts);
		for (int m = 0; m < 2; m++)
		{
			code = summarise(n, labels, &model[m], counts, should_stop, stop_context, &part[m],
							 NULL, 0, 0, status);
			if (code != EM_OK)
				goto done;
		}
		auc[r] = part[1].macro_roc_auc - part[0].macro_roc_auc;
		f1[r] = part[1].macro_f1 - part[0].macro_f1;
	}
	comparison->macro_roc_auc =
		difference_of(whole[0].macro_roc_auc, whole[1].macro_roc_auc, auc, resamples, confidence);
	comparison->macro_f1 =
		difference_of(whole[0].macro_f1, whole[1].macro_f1, f1, resamples, confidence);

done:
	em_release(allocator, f1);
	em_release(allocator, auc);
	em_release(allocator, counts);
	release_model(allocator, &model[1]);
	release_model(allocator, &model[0]);
	return code;
}
