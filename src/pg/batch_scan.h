/*
 * batch_scan.h
 *	  The plan node "Emotion Batches": it reads rows ahead, scores their texts together and leaves
 *	  the scores where the functions find them (score_memo.h). Without it they score one by one,
 *	  with the same result.
 */
#ifndef EMOTION_PG_BATCH_SCAN_H
#define EMOTION_PG_BATCH_SCAN_H

#include "postgres.h"

#include "nodes/plannodes.h"

/* emotion.batch_rows; 0: no batches */
extern int BatchRows;

/* The node's methods: known to this process. */
extern void InitBatchScan(void);

/*
 * A node above `child` without its own qualification yet. texts: expressions over the node's input
 * (Vars of INDEX_VAR, child's columns); models: for each the Const that names its model, or NULL for the
 * deployed one.
 */
extern CustomScan *MakeBatchScan(Plan *child, List *texts, List *models);

extern bool IsBatchScan(const Plan *plan);

/* A target list that hands on all columns of another, as Vars of varno. */
extern List *ColumnsOf(List *targetlist, int varno);

/* batch_plan.c: the hook that puts such nodes into plans. */
extern void InitBatchPlan(void);

#endif /* EMOTION_PG_BATCH_SCAN_H */
