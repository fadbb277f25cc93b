/*
 * split_request.h
 *	  What the arguments of emotion_split() and emotion_split_report() ask for.
 */
#ifndef EMOTION_PG_SPLIT_REQUEST_H
#define EMOTION_PG_SPLIT_REQUEST_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/jsonb.h"

#include "../data/stratify.h"

typedef struct SplitOptions
{
	char *text_column;
	char *label_column;
	char *split_column;
	char *target; /* NULL: the source itself */
	bool create_column;
	bool duplicates; /* keep them together */
	int order;
	uint64_t seed;
} SplitOptions;

/* What rows are shared out into. */
typedef struct SplitParts
{
	int count;
	char *name[DATA_MAX_PARTS];
	double share[DATA_MAX_PARTS]; /* each in the open interval 0..1 */
} SplitParts;

/* Options as JSON; an unknown or ill-typed one is an error that names it. */
extern SplitOptions ParseSplitOptions(const Jsonb *json);

/* Arguments 1, or 1 and 2, of emotion_split: part: fraction as JSON, or fractions and names. */
extern void ParseFractions(FunctionCallInfo fcinfo, SplitParts *parts);
extern void ReadFractions(FunctionCallInfo fcinfo, SplitParts *parts);

/* An error unless they are two or more and add up to 1. */
extern void CheckFractions(const SplitParts *parts);

#endif /* EMOTION_PG_SPLIT_REQUEST_H */
