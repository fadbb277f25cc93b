/*
 * cues.h
 *	  The words that give a label away: what a network should learn to foresee in texts
 *	  without labels.
 */
#ifndef EMOTION_MODEL_CUES_H
#define EMOTION_MODEL_CUES_H

#include "samples.h"

/* A word must be in so many labelled texts, and in so many of the others, to be chosen. */
#define CUES_MIN_LABELLED 5
#define CUES_MIN_OTHER 30

/*
 * The at most `wanted` words most associated with any label, strongest first: a word's strength is
 * the largest G-squared (Dunning 1993) over the labels that it makes more likely,
 *
 *	  G2 = 2 sum over the four cells (word or not, label or not) of n ln(n / expected n),
 *
 * counted by texts; ties go to the lower id. labelled, other: finished samples whose ids are
 * those of one vocabulary; ids from `words` on, and TEXT_UNKNOWN_ID, are passed over. should_stop may
 * be NULL (EM_CANCELLED). cues: (wanted) out, ids; *count: how many.
 */
em_code cues_choose(const em_allocator *allocator, samples *labelled, size_t labels, samples *other,
					size_t words, size_t wanted, em_should_stop should_stop, void *stop_context,
					uint32_t *cues, size_t *count, em_status *status);

#endif /* EMOTION_MODEL_CUES_H */
