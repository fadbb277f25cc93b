/*
 * train_soft.h
 *	  Training texts whose targets are not labels alone, but scores: from a column of the source, or
 *	  of teachers.
 */
#ifndef EMOTION_PG_TRAIN_SOFT_H
#define EMOTION_PG_TRAIN_SOFT_H

#include "postgres.h"

#include "../model/samples.h"
#include "source.h"
#include "teachers.h"
#include "train_request.h"

typedef struct SoftText
{
	uint32 *ids; /* (length) */
	size_t length;
	uint16 *labels; /* (label_count); NULL: unlabelled */
	int label_count;
	float weight;
	uint64 hash; /* of text and labels: samples_hash */
} SoftText;

typedef struct SoftTargets
{
	const TrainRequest *request;
	Teachers *teachers; /* NULL: the rows have scores */
	samples *samples;   /* where the texts go; the caller's, as is label_count */
	int label_count;    /* L */
	uint64 added;       /* texts that went there */

	/* of teachers, who go when all is scored; texts wait for them in texts_context */
	MemoryContext context;
	MemoryContext texts_context;
	SoftText *pending;
	em_slice *texts;
	int pending_count;
	size_t pending_bytes;
} SoftTargets;

/* teachers: NULL when the rows have scores; else all that theirs is, and what waits for them, is in context. */
extern void OpenSoftTargets(SoftTargets *soft, const TrainRequest *request, Teachers *teachers,
							MemoryContext context);

/*
 * A text that has targets by the scores of its row, or will have. An error names the row that has
 * not a score for each label.
 */
extern void AddSoftText(SoftTargets *soft, const SoftText *text, const Source *source,
						const SourceRow *row);

/* Add the texts that wait; the teachers' context goes. */
extern void CloseSoftTargets(SoftTargets *soft);

#endif /* EMOTION_PG_TRAIN_SOFT_H */
