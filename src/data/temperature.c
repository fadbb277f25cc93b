/*
 * temperature.c
 *	  Newton's method for one scale, kept between bounds that close in.
 */
#include "temperature.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>

#include "ranking.h"

#define MAX_STEPS 200
#define ENOUGH 1e-10

static double
log_score(float score)
{
	return log(fmax((double) score, (double) FLT_MIN));
}

/* The label of a row that has one alone; -1 for others. */
static int64_t
only_label(const uint8_t *truth, uint32_t labels)
{
	int64_t found = -1;

	for (uint32_t l = 0; l < labels; l++)
	{
		if (truth[l] == 0)
			continue;
		if (found >= 0)
			return -1;
		found = l;
	}
	return found;
}

/* Slope and curvature of a row's log loss at a scale: mean z - z of the truth, variance of z. */
static void
add_row(double scale, uint32_t labels, const float *scores, uint32_t truth, double *slope,
		double *curvature)
{
	double most = -INFINITY, sum = 0, mean = 0, square = 0;

	for (uint32_t l = 0; l < labels; l++)
		most = fmax(most, scale * log_score(scores[l]));
	for (uint32_t l = 0; l < labels; l++)
	{
		double z = log_score(scores[l]), weight = exp(scale * z - most);

		sum += weight;
		mean += weight * z;
		square += weight * z * z;
	}
	mean /= sum;
	*slope += mean - log_score(scores[truth]);
	*curvature += fmax(square / sum - mean * mean, 0);
}

static em_code
check_rows(uint64_t n, uint32_t labels, const float *scores, const uint8_t *truth,
		   em_should_stop should_stop, void *stop_context, em_status *status)
{
	for (uint64_t i = 0; i < n * labels; i++)
	{
		if (should_stop != NULL && i % DATA_STOP_SCORES == 0 && should_stop(stop_context))
			return em_fail(status, EM_CANCELLED, "fitting was cancelled");
		if (!(scores[i] >= 0 && scores[i] <= 1))
			return em_fail(status, EM_INVALID_DATA,
						   "row %" PRIu64 " has a score that is not in "
						   "0 to 1",
						   i / labels + 1);
		if (truth[i] > 1)
			return em_fail(status, EM_INVALID_DATA, "row %" PRIu64 " has a truth of %d, not 0 or 1",
						   i / labels + 1, truth[i]);
	}
	return EM_OK;
}

em_code
data_fit_temperature(uint64_t n, uint32_t labels, const float *scores, const uint8_t *truth,
					 const uint8_t *folds, uint32_t held_out, em_should_stop should_stop,
					 void *stop_context, double *scale, em_status *status)
{
	double low = DATA_CALIBRATION_MIN_SCALE, high = DATA_CALIBRATION_MAX_SCALE, at = 1;
	em_code code = check_rows(n, labels, scores, truth, should_stop, stop_context, status);

	if (code != EM_OK)
		return code;
	for (int step = 0; step < MAX_STEPS && high - low > ENOUGH * at; step++)
	{
		double slope = 0, curvature = 0, next;
		uint64_t rows = 0;

		if (should_stop != NULL && should_stop(stop_context))
			return em_fail(status, EM_CANCELLED, "fitting was cancelled");
		for (uint64_t i = 0; i < n; i++)
		{
			int64_t label = only_label(truth + i * labels, labels);

			if (label < 0 || (folds != NULL && folds[i] == held_out))
				continue;
			rows++;
			add_row(at, labels, scores + i * labels, (uint32_t) label, &slope, &curvature);
		}
		if (rows == 0)
			return em_fail(status, EM_INVALID_DATA, "no row has exactly one of the labels");
		if (slope > 0)
			high = at;
		else
			low = at;
		next = curvature > 0 ? at - slope / curvature : INFINITY;
		/* outside of what is left, or without curvature: halve that, as ratios go */
		if (!(next > low && next < high))
			next = sqrt(low * high);
		if (fabs(next - at) <= ENOUGH * at)
			break;
		at = next;
	}
	*scale = at;
	return EM_OK;
}

void
data_apply_temperature(double scale, uint32_t labels, const float *scores, float *out)
{
	double most = -INFINITY, sum = 0;

	for (uint32_t l = 0; l < labels; l++)
		most = fmax(most, scale * log_score(scores[l]));
	for (uint32_t l = 0; l < labels; l++)
		sum += exp(scale * log_score(scores[l]) - most);
	for (uint32_t l = 0; l < labels; l++)
		out[l] = (float) (exp(scale * log_score(scores[l]) - most) / sum);
}
