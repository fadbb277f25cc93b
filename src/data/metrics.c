/*
 * metrics.c
 *	  Point figures: per label, averaged over labels, averaged over rows.
 */
#include "metrics.h"

#include <math.h>

#include "ranking.h"

#define CALIBRATION_BINS 15
#define LOG_CLIP 1e-15

/* Rank one column and walk along it. */
static em_code
walk_column(const em_allocator *allocator, uint64_t n, const float *scores, const uint8_t *truth,
			size_t stride, data_curve *curve, em_status *status)
{
	em_code code = data_check_matrix(n, 1, stride, scores, truth, NULL, NULL, status);
	uint64_t *work;
	data_ranked *ranked;

	if (code != EM_OK)
		return code;
	work = em_allocate_array(allocator, n, 2 * sizeof(uint64_t));
	ranked = em_allocate_array(allocator, n, sizeof(data_ranked));
	if (work == NULL || ranked == NULL)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	else
	{
		data_rank(n, scores, truth, stride, INFINITY, work, ranked, NULL);
		data_walk(n, ranked, 0, NULL, n, curve);
	}
	em_release(allocator, ranked);
	em_release(allocator, work);
	return code;
}

em_code
data_roc_auc(const em_allocator *allocator, uint64_t n, const float *scores, const uint8_t *truth,
			 size_t stride, double *auc, em_status *status)
{
	data_curve curve;
	em_code code = walk_column(allocator, n, scores, truth, stride, &curve, status);

	if (code == EM_OK)
		*auc = curve.roc_auc;
	return code;
}

em_code
data_average_precision(const em_allocator *allocator, uint64_t n, const float *scores,
					   const uint8_t *truth, size_t stride, double *ap, em_status *status)
{
	data_curve curve;
	em_code code = walk_column(allocator, n, scores, truth, stride, &curve, status);

	if (code == EM_OK)
		*ap = curve.average_precision;
	return code;
}

/* The figures that are sums over rows. False when stopped. */
static bool
measure_rows(uint64_t n, uint32_t labels, const float *scores, const uint8_t *truth,
			 const float *thresholds, em_should_stop should_stop, void *stop_context,
			 data_metrics *metrics)
{
	uint64_t stop_rows = DATA_STOP_SCORES / ((uint64_t) labels + 1) + 1;
	uint64_t bin_positives[CALIBRATION_BINS] = { 0 };
	double bin_scores[CALIBRATION_BINS] = { 0 };
	double cells = (double) n * labels;
	uint64_t exact = 0, wrong = 0;
	double loss = 0.0;

	for (uint64_t i = 0; i < n; i++)
	{
		const float *row_scores = scores + i * labels;
		const uint8_t *row_truth = truth + i * labels;
		data_hits hits = data_row_hits(labels, row_scores, row_truth, thresholds);
		uint64_t row_wrong = hits.predicted + hits.support - 2 * hits.true_positive;
		double row_loss = 0.0;

		if (should_stop != NULL && i % stop_rows == 0 && should_stop(stop_context))
			return false;
		wrong += row_wrong;
		exact += row_wrong == 0;
		metrics->samples.precision += data_ratio(hits.true_positive, hits.predicted);
		metrics->samples.recall += data_ratio(hits.true_positive, hits.support);
		metrics->samples.f1 += data_f1(hits.true_positive, hits.predicted, hits.support);
		for (uint32_t l = 0; l < labels; l++)
		{
			double p = (double) row_scores[l];
			double clipped = fmin(fmax(p, LOG_CLIP), 1.0 - LOG_CLIP);
			int bin = (int) (p * CALIBRATION_BINS);

			row_loss -= log(row_truth[l] == 1 ? clipped : 1.0 - clipped);
			if (bin == CALIBRATION_BINS)
				bin--;
			bin_scores[bin] += p;
			bin_positives[bin] += row_truth[l];
		}
		loss += row_loss;
	}
	metrics->samples.precision /= (double) n;
	metrics->samples.recall /= (double) n;
	metrics->samples.f1 /= (double) n;
	metrics->hamming_loss = (double) wrong / cells;
	metrics->subset_accuracy = (double) exact / (double) n;
	metrics->log_loss = loss / cells;
	for (int b = 0; b < CALIBRATION_BINS; b++)
		metrics->calibration_error += fabs(bin_scores[b] - (double) bin_positives[b]) / cells;
	return true;
}

static void
measure_label(uint64_t n, const data_curve *curve, data_label_metrics *label)
{
	const data_hits *hits = &curve->hits;

	label->support = hits->support;
	label->predicted = hits->predicted;
	label->true_positive = hits->true_positive;
	label->precision = data_ratio(hits->true_positive, hits->predicted);
	label->recall = data_ratio(hits->true_positive, hits->support);
	label->f1 = data_f1(hits->true_positive, hits->predicted, hits->support);
	label->accuracy = data_ratio(n + 2 * hits->true_positive - hits->predicted - hits->support, n);
	label->roc_auc = curve->roc_auc;
	label->average_precision = curve->average_precision;
}

/* From the labels' figures to their averages. */
static void
average_labels(data_metrics *metrics)
{
	uint64_t support = 0, predicted = 0, true_positive = 0;
	uint32_t with_positives = 0;
	double auc = 0.0, average_precision = 0.0;

	for (uint32_t l = 0; l < metrics->labels; l++)
	{
		const data_label_metrics *label = &metrics->label[l];
		double weight = (double) label->support;

		support += label->support;
		predicted += label->predicted;
		true_positive += label->true_positive;
		metrics->macro.precision += label->precision;
		metrics->macro.recall += label->recall;
		metrics->macro.f1 += label->f1;
		metrics->weighted.precision += weight * label->precision;
		metrics->weighted.recall += weight * label->recall;
		metrics->weighted.f1 += weight * label->f1;
		if (!isnan(label->roc_auc))
		{
			metrics->labels_with_auc++;
			auc += label->roc_auc;
		}
		if (label->support > 0)
		{
			with_positives++;
			average_precision += label->average_precision;
		}
	}
	metrics->micro.precision = data_ratio(true_positive, predicted);
	metrics->micro.recall = data_ratio(true_positive, support);
	metrics->micro.f1 = data_f1(true_positive, predicted, support);
	metrics->macro.precision /= metrics->labels;
	metrics->macro.recall /= metrics->labels;
	metrics->macro.f1 /= metrics->labels;
	if (support > 0)
	{
		metrics->weighted.precision /= (double) support;
		metrics->weighted.recall /= (double) support;
		metrics->weighted.f1 /= (double) support;
	}
	metrics->macro_roc_auc = metrics->labels_with_auc > 0 ? auc / metrics->labels_with_auc : NAN;
	metrics->macro_average_precision =
		with_positives > 0 ? average_precision / with_positives : NAN;
}

em_code
data_metrics_compute(const em_allocator *allocator, uint64_t n, uint32_t labels,
					 const float *scores, const uint8_t *truth, const float *thresholds,
					 data_metrics *metrics, em_status *status)
{
	return data_metrics_compute_until(allocator, n, labels, scores, truth, thresholds, NULL, NULL,
									  metrics, status);
}

em_code
data_metrics_compute_until(const em_allocator *allocator, uint64_t n, uint32_t labels,
						   const float *scores, const uint8_t *truth, const float *thresholds,
						   em_should_stop should_stop, void *stop_context, data_metrics *metrics,
						   em_status *status)
{
	em_code code =
		data_check_matrix(n, labels, labels, scores, truth, should_stop, stop_context, status);
	uint64_t *work;
	data_ranked *ranked;

	if (code == EM_OK)
		code = data_check_thresholds(labels, thresholds, status);
	if (code != EM_OK)
		return code;
	work = em_allocate_array(allocator, n, 2 * sizeof(uint64_t));
	ranked = em_allocate_array(allocator, n, sizeof(data_ranked));
	if (work == NULL || ranked == NULL)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	else
	{
		*metrics = (data_metrics){ .rows = n, .labels = labels, .label = metrics->label };
		for (uint32_t l = 0; l < labels; l++)
		{
			uint64_t cut;
			data_curve curve;

			if (should_stop != NULL && should_stop(stop_context))
			{
				code = em_fail(status, EM_CANCELLED, "cancelled");
				break;
			}
			data_rank(n, scores + l, truth + l, labels, thresholds[l], work, ranked, &cut);
			data_walk(n, ranked, cut, NULL, n, &curve);
			measure_label(n, &curve, &metrics->label[l]);
		}
		if (code == EM_OK)
		{
			average_labels(metrics);
			if (!measure_rows(n, labels, scores, truth, thresholds, should_stop, stop_context,
							  metrics))
				code = em_fail(status, EM_CANCELLED, "cancelled");
		}
	}
	em_release(allocator, ranked);
	em_release(allocator, work);
	return code;
}
