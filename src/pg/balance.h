/*
 * balance.h
 *	  What emotion_balance() and emotion_balance_plan() are asked to do, and plan.
 */
#ifndef EMOTION_PG_BALANCE_H
#define EMOTION_PG_BALANCE_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/jsonb.h"

#include "../data/balance.h"
#include "label_source.h"

typedef struct BalanceRequest
{
	char *text_column;
	char *label_column;
	char *key_column;
	char *source_column;
	char *confidence_column;
	char *feature_column;
	char *trust[DATA_MAX_SOURCES]; /* names of sources, the most trusted first */
	int trust_count;
	bool duplicates; /* texts of the same words are duplicates */
	uint64_t seed;
	Jsonb *per_label;      /* NULL, a number, or an object; in an array of one when a number */
	Jsonb *min_confidence; /* the same */
	data_balance_step steps[DATA_MAX_BALANCE_STEPS];
	uint32 step_count;
	const char *step_names[DATA_MAX_BALANCE_STEPS];
} BalanceRequest;

/* Arguments per_label ("any"), strategy and options, at `first` and behind. */
extern void ParseBalanceRequest(FunctionCallInfo fcinfo, int first, BalanceRequest *request);

/* Everything from the request to the plan. */
typedef struct Balancing
{
	MemoryContext context;
	const em_allocator *allocator;
	BalanceRequest request;
	LabelSource source;
	uint32 *trust_of; /* (origins): rank of each source */
	data_balance_input input;
	data_balance_plan *plan;
} Balancing;

/* Make the table of a plan whose source kept its rows. */
extern void WriteBalanced(const Balancing *balancing, const char *name);

#endif /* EMOTION_PG_BALANCE_H */
