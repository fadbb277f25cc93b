/*
 * score.h
 *	  Scores of one text, and what SQL-callable functions make of them.
 */
#ifndef EMOTION_PG_SCORE_H
#define EMOTION_PG_SCORE_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/array.h"
#include "utils/jsonb.h"

#include "cache.h"

/* The model named by argument `index`, or the deployed one when there is no such argument. */
extern CachedModel *ModelArgument(FunctionCallInfo fcinfo, int index);

/* Scores of n texts (UTF-8): (n, L), palloc'd. Interruptible. */
extern float4 *ScoreTexts(CachedModel *cached, const em_slice *texts, size_t n);

/* Index of a label given in the database's encoding, or an error that names the model. */
extern int FindLabel(const CachedModel *cached, const char *label, size_t length);

/* Labels' indexes by falling score, equal scores by index: (L), palloc'd. */
extern int *RankLabels(const CachedModel *cached, const float4 *scores);

/* One row of scores (L) in each of the forms that users get. */
extern ArrayType *ScoresAsArray(const float4 *scores, int count);
extern ArrayType *ScoresAsLabels(const CachedModel *cached, const float4 *scores);
extern Jsonb *ScoresAsJson(const CachedModel *cached, const float4 *scores);

#endif /* EMOTION_PG_SCORE_H */
