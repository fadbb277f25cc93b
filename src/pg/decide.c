/*
 * decide.c
 *	  Which labels a text gets by its scores.
 */
#include "postgres.h"

#include "decide.h"

#include <float.h>

int
MostLabels(const model *model)
{
	return model_labels_exclude(model) ? Min(1, (int) model->layout.labels)
									   : (int) model->layout.labels;
}

const float *
DecidingScores(const model *model, const float *scores, uint64 count)
{
	const size_t labels = model->layout.labels;
	float *deciding;

	if (!model_labels_exclude(model) || count == 0)
		return scores;
	deciding = MemoryContextAllocExtended(CurrentMemoryContext, sizeof(float) * labels * count,
										  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint64 i = 0; i < count; i++)
	{
		const float *row = scores + i * labels;
		size_t highest = 0;

		for (size_t label = 1; label < labels; label++)
			if (row[label] > row[highest])
				highest = label;
		deciding[i * labels + highest] = row[highest];
	}
	return deciding;
}

float *
DecidingThresholds(const model *model)
{
	const size_t labels = model->layout.labels;
	float *thresholds = palloc(sizeof(float) * labels);

	for (size_t label = 0; label < labels; label++)
		thresholds[label] = model_labels_exclude(model) ? Max(model->thresholds[label], FLT_MIN)
														: model->thresholds[label];
	return thresholds;
}
