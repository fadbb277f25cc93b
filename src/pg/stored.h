/*
 * stored.h
 *	  A model stored with other numbers, and what that does to its scores.
 */
#ifndef EMOTION_PG_STORED_H
#define EMOTION_PG_STORED_H

#include "postgres.h"

#include "../model/model.h"
#include "registry.h"

/* Of scores of the extension's own sentences; texts 0: nothing was compared. */
typedef struct StoredChange
{
	int texts;
	int labels;
	double largest;
	double mean;
	int decisions; /* labels that only one of the two gives, of texts * labels */
} StoredChange;

/*
 * Write a model that was read, into `publication`: bytes, size and, of one that scores, metrics that
 * tell the change. All in the current context.
 */
extern StoredChange StoreModel(const model *model, model_precision precision,
							   ModelPublication *publication);

/* A notice: how far the scores are from `those`. */
extern void SayWhatChanged(const StoredChange *change, const char *those);

#endif /* EMOTION_PG_STORED_H */
