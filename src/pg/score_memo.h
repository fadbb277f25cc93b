/*
 * score_memo.h
 *	  Scores of texts that this transaction has met, by model and the text's bytes: what a batch
 *	  leaves for the functions to find, and what repeated texts are given.
 */
#ifndef EMOTION_PG_SCORE_MEMO_H
#define EMOTION_PG_SCORE_MEMO_H

#include "postgres.h"

#include "cache.h"

/* Longer texts are not remembered. */
#define MEMO_TEXT_BYTES (64 * 1024)

extern void InitScoreMemo(void);

/* Scores (L) of a text (UTF-8), valid until anything is remembered; NULL: not known. */
extern const float4 *RememberedScores(const CachedModel *cached, em_slice text);

/*
 * Whether the text's scores are neither known nor on their way: then they are on their way from here
 * on, and the caller is to remember them. False for a text too long to be remembered.
 */
extern bool AnnounceScores(const CachedModel *cached, em_slice text);

/* Copies both; scores (L). Others may be forgotten for it. */
extern void RememberScores(const CachedModel *cached, em_slice text, const float4 *scores);

/* The same for one text, which only the next one drives out: no table is made for it. */
extern void RememberLastScores(const CachedModel *cached, em_slice text, const float4 *scores);

#endif /* EMOTION_PG_SCORE_MEMO_H */
