/*
 * decide.c
 *	  Which labels a text gets by its scores.
 */
#include "postgres.h"

#include "decide.h"

/* Below the highest score of a softmax, however many labels there are. */
#define LEAST_THRESHOLD (0.5f / MODEL_MAX_LABELS)

int
MostLabels(const model *model)
{
	return model_labels_exclude(model) ? 1 : (int) model->layout.labels;
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

void
RaiseThresholds(const model *model, float *thresholds)
{
	if (model_labels_exclude(model))
		for (size_t label = 0; label < model->layout.labels; label++)
			thresholds[label] = Max(thresholds[label], LEAST_THRESHOLD);
}

float *
DecidingThresholds(const model *model)
{
	const size_t bytes = sizeof(float) * model->layout.labels;
	float *thresholds = memcpy(palloc(bytes), model->thresholds, bytes);

	RaiseThresholds(model, thresholds);
	return thresholds;
}
