/*
 * confidence.h
 *	  How sure a model must be of a label to be believed as often as is wanted.
 */
#ifndef EMOTION_DATA_CONFIDENCE_H
#define EMOTION_DATA_CONFIDENCE_H

#include "../base.h"

typedef struct data_confidence
{
	float cut;          /* believed = score >= cut; NaN: no cut will do */
	uint64_t support;   /* positives */
	uint64_t predicted; /* at or over the cut */
	uint64_t true_positive;
} data_confidence;

/*
 * For each label the cut of highest recall whose precision, true_positive / predicted, on (n, L)
 * scores in 0..1 and truth 0 or 1 is at least `precision` and that takes in at least `least` rows;
 * of those, the lowest (it stands midway between two scores that differ, as in thresholds.h).
 * Chosen on the same rows, such a precision flatters: `least` keeps it from resting on a few.
 *
 * out: (L). O(n L), memory 16 bytes a row. EM_INVALID_OPTION unless precision is over 0 and at most
 * 1; otherwise errors as in metrics.h.
 */
em_code data_confidence_cuts(const em_allocator *allocator, uint64_t n, uint32_t labels,
							 const float *scores, const uint8_t *truth, double precision,
							 uint64_t least, data_confidence *out, em_status *status);

/* The same for many rows: should_stop (may be NULL) is asked on the way: EM_CANCELLED. */
em_code data_confidence_cuts_until(const em_allocator *allocator, uint64_t n, uint32_t labels,
								   const float *scores, const uint8_t *truth, double precision,
								   uint64_t least, em_should_stop should_stop, void *stop_context,
								   data_confidence *out, em_status *status);

#endif /* EMOTION_DATA_CONFIDENCE_H */
