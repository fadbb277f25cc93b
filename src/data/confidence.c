/*
 * confidence.c
 *	  One walk from the highest score down for each label.
 */
#include "confidence.h"

#include <math.h>

#include "ranking.h"

/* A cut that takes in `upper` and not what lies next below. */
static float
cut_above(float upper, float lower)
{
	float cut = (float) (((double) upper + (double) lower) / 2.0);

	return cut > lower ? cut : upper;
}

static void
sweep_label(uint64_t n, const uint64_t *sorted, double precision, uint64_t least,
			data_confidence *out)
{
	uint64_t positives = 0;

	for (uint64_t i = 0; i < n; i++)
	{
		uint32_t key = (uint32_t) (sorted[i] >> 32);
		bool lowest = i + 1 == n;
		uint64_t predicted = i + 1;

		positives += sorted[i] & 1;
		if (!lowest && key == (uint32_t) (sorted[i + 1] >> 32))
			continue;
		if (predicted < least || (double) positives < precision * (double) predicted ||
			positives == 0)
			continue;
		/* recall never falls on the way down */
		out->cut = lowest ? data_key_score(key) / 2.0f
						  : cut_above(data_key_score(key),
									  data_key_score((uint32_t) (sorted[i + 1] >> 32)));
		out->predicted = predicted;
		out->true_positive = positives;
	}
	out->support = positives;
}

em_code
data_confidence_cuts(const em_allocator *allocator, uint64_t n, uint32_t labels,
					 const float *scores, const uint8_t *truth, double precision, uint64_t least,
					 data_confidence *out, em_status *status)
{
	return data_confidence_cuts_until(allocator, n, labels, scores, truth, precision, least, NULL,
									  NULL, out, status);
}

em_code
data_confidence_cuts_until(const em_allocator *allocator, uint64_t n, uint32_t labels,
						   const float *scores, const uint8_t *truth, double precision,
						   uint64_t least, em_should_stop should_stop, void *stop_context,
						   data_confidence *out, em_status *status)
{
	uint64_t *work;
	em_code code =
		data_check_matrix(n, labels, labels, scores, truth, should_stop, stop_context, status);

	if (code != EM_OK)
		return code;
	if (!(precision > 0 && precision <= 1))
		return em_fail(status, EM_INVALID_OPTION, "precision %g is not over 0 and at most 1",
					   precision);
	work = em_allocate_array(allocator, 2 * (size_t) n, sizeof(uint64_t));
	if (work == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	for (uint32_t label = 0; label < labels; label++)
	{
		uint64_t *sorted;

		for (uint64_t i = 0; i < n; i++)
			work[i] = (uint64_t) data_falling_key(scores[i * labels + label]) << 32 |
					  truth[i * labels + label];
		sorted = data_sort_entries(work, work + n, (size_t) n, should_stop, stop_context);
		if (sorted == NULL)
		{
			code = em_fail(status, EM_CANCELLED, "cancelled");
			break;
		}
		out[label] = (data_confidence){ NAN, 0, 0, 0 };
		sweep_label(n, sorted, precision, least, &out[label]);
	}
	em_release(allocator, work);
	return code;
}
