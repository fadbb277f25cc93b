/*
 * evaluate.h
 *	  Labelled rows and what a model makes of them, for whoever measures a model or
 *	  fits something to its scores.
 */
#ifndef EMOTION_PG_EVALUATE_H
#define EMOTION_PG_EVALUATE_H

#include "postgres.h"

#include "../model/model.h"
#include "registry.h"

/* Which rows of a source; split_column and split may be NULL. */
typedef struct RowOptions
{
	char *text_column;
	char *label_column;
	char *split_column;
	char *split; /* the part to read; NULL: "dev" */
} RowOptions;

/* Everything lives in the context that was current. */
typedef struct ScoredRows
{
	const em_allocator *allocator;
	ModelRow row;
	const uint8 *bytes; /* the model's file, row.size of them */
	const model *model;
	uint32 labels;       /* L */
	uint64 count;        /* n, at least 1 */
	const float *scores; /* (n, L) */
	const uint8 *truth;  /* (n, L) */
} ScoredRows;

/* Read the model and score every row of the source; SPI must be connected. */
extern ScoredRows ScoreRows(const char *model_name, const char *source, const RowOptions *options);

/* Each row's fold, 0..folds-1: as equal in size as can be, by the seed and the row's place. */
extern uint8 *DrawFolds(uint64 count, int folds, uint64 seed);

#endif /* EMOTION_PG_EVALUATE_H */
