/*
 * soft_targets.c
 *	  Teachers' scores and labels as targets.
 */
#include "soft_targets.h"

#include <math.h>

double
soft_target(double score, double temperature)
{
	double yes, no;

	if (temperature == 1 || score >= 1)
		return score < 1 ? score : 1; /* a mean may round to beyond it */
	yes = pow(score, 1 / temperature);
	no = pow(1 - score, 1 / temperature);
	return yes / (yes + no);
}

void
soft_targets_mix(size_t count, const float *scores, const uint16_t *labels, size_t label_count,
				 double share, double temperature, float *targets)
{
	if (labels == NULL)
		share = 1;
	for (size_t i = 0; i < count; i++)
		targets[i] = (float) (share * soft_target((double) scores[i], temperature));
	for (size_t i = 0; labels != NULL && i < label_count; i++)
	{
		float target = targets[labels[i]] + (float) (1 - share);

		targets[labels[i]] = target < 1 ? target : 1; /* rounding */
	}
}

void
soft_targets_add(size_t n, size_t count, const float *scores, const uint16_t *place, double weight,
				 float *mean)
{
	for (size_t i = 0; i < n; i++)
		for (size_t label = 0; label < count; label++)
			mean[i * count + label] += (float) (weight * (double) scores[i * count + place[label]]);
}
