/*
 * batch_calls.h
 *	  Calls of scoring functions in the expressions of a plan.
 */
#ifndef EMOTION_PG_BATCH_CALLS_H
#define EMOTION_PG_BATCH_CALLS_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "nodes/nodes.h"

/* What is scored in some expressions for each row, whatever else is in them. */
typedef struct ScoringCalls
{
	List *texts;
	List *models; /* for each text a Const, or NULL */
	bool within;  /* look into aggregates only; false: outside of them only */
} ScoringCalls;

/* Forget which functions are ours when the catalog's change. */
extern void InitBatchCalls(void);

/*
 * Add the calls that are made for every row, not those that a condition may spare, of texts that can
 * be computed for a row that nobody asks for. expressions: a node or a list.
 */
extern void FindScoringCalls(Node *expressions, ScoringCalls *calls);

/* Whether there is any call, on whatever condition. */
extern bool HasScoringCalls(Node *expressions);

#endif /* EMOTION_PG_BATCH_CALLS_H */
