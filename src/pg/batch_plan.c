/*
 * batch_plan.c
 *	  Finding the plan nodes that score a text per row, and giving them batches.
 *
 * Done when a plan is about to be executed, on a copy: so it works for the first statement of a
 * connection, whose planning is what loads this library (emotion_support), and for cached plans,
 * whatever made them. A node that computes a target list with calls of our functions is parted: it
 * hands up the columns that the list is made of, and "Emotion Batches" above it reads ahead, scores
 * and computes the list. A node that calls them on its input, in an aggregate say, gets one below it.
 */
#include "postgres.h"

#include "batch_scan.h"

#include "executor/executor.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/portal.h"

#include "batch_calls.h"

PG_FUNCTION_INFO_V1(emotion_support);

static ExecutorStart_hook_type next_executor_start;

typedef Plan *(*PlanMutator)(Plan *child, void *context);

/* Replace each plan directly below by what `mutate` makes of it. */
static void
MutateChildren(Plan *plan, PlanMutator mutate, void *context)
{
	List *list = NIL;
	ListCell *cell;

	if (plan->lefttree != NULL)
		plan->lefttree = mutate(plan->lefttree, context);
	if (plan->righttree != NULL)
		plan->righttree = mutate(plan->righttree, context);
	if (IsA(plan, Append))
		list = ((Append *) plan)->appendplans;
	else if (IsA(plan, MergeAppend))
		list = ((MergeAppend *) plan)->mergeplans;
#if PG_VERSION_NUM < 140000
	else if (IsA(plan, ModifyTable))
		list = ((ModifyTable *) plan)->plans;
#endif
	else if (IsA(plan, SubqueryScan))
		((SubqueryScan *) plan)->subplan = mutate(((SubqueryScan *) plan)->subplan, context);
	foreach (cell, list)
		lfirst(cell) = mutate(lfirst(cell), context);
}

/* What is known of a statement's plans before any is changed. */
typedef struct Survey
{
	bool calls;   /* of scoring functions */
	bool batches; /* in it already: made by the leader of this worker */
	int last_id;
} Survey;

/*
 * WHERE CURRENT OF names the row that a cursor has shown; where rows are read ahead nobody knows it, but
 * of a cursor FOR UPDATE, whose locks say it.
 */
static void
CheckCursor(const CurrentOfExpr *row)
{
	Portal portal = row->cursor_name != NULL ? GetPortalByName(row->cursor_name) : NULL;
	PlanState *state =
		PortalIsValid(portal) && portal->queryDesc != NULL ? portal->queryDesc->planstate : NULL;

	if (state == NULL || state->state->es_rowmarks != NULL)
		return;
	for (; state != NULL; state = outerPlanState(state))
		if (IsBatchScan(state->plan))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_CURSOR_STATE),
					 errmsg("cursor \"%s\" reads rows ahead to score their texts together",
							row->cursor_name),
					 errhint("Declare it FOR UPDATE, or SET emotion.batch_rows = 0 before.")));
}

static Plan *
SurveyPlan(Plan *plan, void *context)
{
	Survey *survey = context;
	ListCell *cell;

	if (IsA(plan, TidScan))
		foreach (cell, ((TidScan *) plan)->tidquals)
			if (IsA(lfirst(cell), CurrentOfExpr))
				CheckCursor(lfirst(cell));
	survey->last_id = Max(survey->last_id, plan->plan_node_id);
	survey->calls = survey->calls || HasScoringCalls((Node *) plan->targetlist) ||
					HasScoringCalls((Node *) plan->qual);
	survey->batches = survey->batches || IsBatchScan(plan);
	MutateChildren(plan, SurveyPlan, context);
	return plan;
}

/* On the way down and up again through one plan. */
typedef struct Insertion
{
	Survey *survey;
	bool parallel; /* below Gather */
	bool restored; /* the next plan must be able to go back to a mark */
	bool felt;     /* reading ahead in the plans seen last would be noticed */
	bool inserted;
} Insertion;

/* Columns of a plan below the one that computes their uses. */
static Node *
RaiseColumns(Node *node, void *context)
{
	List **columns = context;
	ListCell *cell;
	TargetEntry *column = NULL;

	if (node == NULL)
		return NULL;
	if (!IsA(node, Var) && !IsA(node, Aggref) && !IsA(node, WindowFunc) && !IsA(node, GroupingFunc))
		return expression_tree_mutator(node, RaiseColumns, context);
	foreach (cell, *columns)
	{
		TargetEntry *known = lfirst_node(TargetEntry, cell);

		if (equal(known->expr, node))
			column = known;
	}
	if (column == NULL)
	{
		column =
			makeTargetEntry((Expr *) node, (AttrNumber) (list_length(*columns) + 1), NULL, false);
		*columns = lappend(*columns, column);
	}
	return (Node *) makeVar(INDEX_VAR, column->resno, exprType(node), exprTypmod(node),
							exprCollation(node), 0);
}

/* Expressions on the input of a plan, as the plan between sees them. */
static Node *
FromInput(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var *var = copyObject((Var *) node);

		if (var->varno == OUTER_VAR)
			var->varno = INDEX_VAR;
		return (Node *) var;
	}
	return expression_tree_mutator(node, FromInput, context);
}

static bool
HasSubPlan(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return IsA(node, SubPlan) || IsA(node, AlternativeSubPlan) ||
		   expression_tree_walker(node, HasSubPlan, context);
}

static Plan *
Place(CustomScan *batches, Insertion *insertion)
{
	batches->scan.plan.plan_node_id = ++insertion->survey->last_id;
	batches->scan.plan.parallel_aware = insertion->parallel;
	insertion->inserted = true;
	return &batches->scan.plan;
}

/* Part the plan's target list, and the conditions that call us and follow such, from the rest. */
static Plan *
PartPlan(Plan *plan, bool is_scan, Insertion *insertion)
{
	ScoringCalls calls = { NIL, NIL, false };
	List *columns = NIL;
	List *kept = NIL;
	List *raised = NIL;
	List *targets;
	List *texts;
	CustomScan *batches;
	ListCell *cell;

	foreach (cell, plan->qual)
	{
		if (raised != NIL || (is_scan && HasScoringCalls(lfirst(cell))))
			raised = lappend(raised, lfirst(cell));
		else
			kept = lappend(kept, lfirst(cell));
	}
	/* only the first condition is asked for every row */
	if (raised != NIL)
		FindScoringCalls(linitial(raised), &calls);
	else
		FindScoringCalls((Node *) plan->targetlist, &calls);
	if (calls.texts == NIL || HasSubPlan((Node *) plan->targetlist, NULL) ||
		HasSubPlan((Node *) raised, NULL) || contain_volatile_functions((Node *) kept))
		return plan;

	targets = (List *) RaiseColumns((Node *) plan->targetlist, &columns);
	raised = (List *) RaiseColumns((Node *) raised, &columns);
	texts = (List *) RaiseColumns((Node *) calls.texts, &columns);
	plan->targetlist = columns;
	plan->qual = kept;
#if PG_VERSION_NUM >= 140000
	plan->async_capable = false;
#endif
	batches = MakeBatchScan(plan, texts, calls.models);
	batches->scan.plan.targetlist = targets;
	batches->scan.plan.qual = raised;
	return Place(batches, insertion);
}

/* Batches for what the plan computes from its input. */
static void
PreparePlan(Plan *plan, bool within_aggregates, Insertion *insertion)
{
	ScoringCalls calls = { NIL, NIL, within_aggregates };

	FindScoringCalls((Node *) plan->targetlist, &calls);
	if (calls.texts != NIL)
		plan->lefttree =
			Place(MakeBatchScan(plan->lefttree, (List *) FromInput((Node *) calls.texts, NULL),
								calls.models),
				  insertion);
}

static Plan *
InsertBatches(Plan *plan, void *context)
{
	Insertion *insertion = context;
	bool restored = insertion->restored;
	bool parallel = insertion->parallel;
	bool before = insertion->felt;
	bool rows = plan->plan_rows > 1.5 || IsA(plan, SeqScan); /* a table not analyzed yet */

	insertion->felt = false;
	insertion->restored = IsA(plan, MergeJoin);
	insertion->parallel = parallel || IsA(plan, Gather) || IsA(plan, GatherMerge);
	MutateChildren(plan, InsertBatches, context);
	insertion->restored = restored;
	insertion->parallel = parallel;
	switch (nodeTag(plan))
	{
		case T_Agg:
		case T_WindowAgg:
			if (!insertion->felt && plan->lefttree->plan_rows > 1.5)
				PreparePlan(plan, true, insertion);
			if (!insertion->felt && rows && !restored)
				plan = PartPlan(plan, false, insertion);
			break;
		case T_Result:
		case T_ProjectSet:
			if (plan->lefttree != NULL && !insertion->felt && plan->lefttree->plan_rows > 1.5)
				PreparePlan(plan, false, insertion);
			break;
		case T_NestLoop:
		case T_HashJoin:
		case T_MergeJoin:
			if (!insertion->felt && rows && !restored)
				plan = PartPlan(plan, false, insertion);
			break;
		case T_ForeignScan:
			if (((ForeignScan *) plan)->operation != CMD_SELECT)
				break;
			/* FALLTHROUGH */
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
#if PG_VERSION_NUM >= 140000
		case T_TidRangeScan:
#endif
		case T_SubqueryScan:
		case T_FunctionScan:
		case T_ValuesScan:
		case T_TableFuncScan:
		case T_CteScan:
		case T_NamedTuplestoreScan:
		case T_WorkTableScan:
			if (!insertion->felt && rows && !restored)
				plan = PartPlan(plan, true, insertion);
			break;
		case T_LockRows:
		case T_ModifyTable:
			insertion->felt = true;
			break;
		default:
			break;
	}
	insertion->felt = insertion->felt || before ||
					  contain_volatile_functions((Node *) plan->qual) ||
					  contain_volatile_functions((Node *) plan->targetlist);
	return plan;
}

/* A scrolling cursor goes backward through what it has kept. */
static Plan *
Rewindable(Plan *plan, Survey *survey)
{
	Material *made = makeNode(Material);

	made->plan.targetlist = ColumnsOf(plan->targetlist, OUTER_VAR);
	made->plan.startup_cost = plan->startup_cost;
	made->plan.total_cost = plan->total_cost;
	made->plan.plan_rows = plan->plan_rows;
	made->plan.plan_width = plan->plan_width;
	made->plan.parallel_safe = plan->parallel_safe;
	made->plan.extParam = bms_copy(plan->extParam);
	made->plan.allParam = bms_copy(plan->allParam);
	made->plan.initPlan = plan->initPlan;
	plan->initPlan = NIL;
	made->plan.lefttree = plan;
	made->plan.plan_node_id = ++survey->last_id;
	return &made->plan;
}

/* The statement with batches where they pay, or itself. */
static PlannedStmt *
WithBatches(PlannedStmt *statement, int eflags)
{
	Survey survey = { false, false, 0 };
	Insertion insertion = { &survey, false, false, false, false };
	PlannedStmt *changed;
	ListCell *cell;

	(void) SurveyPlan(statement->planTree, &survey);
	foreach (cell, statement->subplans)
		if (lfirst(cell) != NULL)
			(void) SurveyPlan(lfirst(cell), &survey);
	if (!survey.calls || survey.batches)
		return statement;

	changed = makeNode(PlannedStmt);
	*changed = *statement;
	changed->subplans = copyObject(statement->subplans);
	foreach (cell, changed->subplans)
	{
		insertion.felt = false;
		if (lfirst(cell) != NULL)
			lfirst(cell) = InsertBatches(lfirst(cell), &insertion);
	}
	insertion.felt = insertion.inserted = false;
	changed->planTree = InsertBatches(copyObject(statement->planTree), &insertion);
	if (insertion.inserted && (eflags & EXEC_FLAG_BACKWARD))
		changed->planTree = Rewindable(changed->planTree, &survey);
	return changed;
}

/*
 * Loads the library while a statement that calls us is planned, so that the hook below is there
 * when the statement begins, in a connection's first one too. It simplifies nothing.
 */
Datum
emotion_support(PG_FUNCTION_ARGS)
{
	(void) fcinfo;
	PG_RETURN_POINTER(NULL);
}

static void
StartExecutor(QueryDesc *query, int eflags)
{
	/* conversion could fail for a text that is never asked for */
	bool converted = GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII;

	if (BatchRows > 1 && !converted && query->plannedstmt->planTree != NULL)
		query->plannedstmt = WithBatches(query->plannedstmt, eflags);
	if (next_executor_start)
		next_executor_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

void
InitBatchPlan(void)
{
	InitBatchCalls();
	next_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = StartExecutor;
}
