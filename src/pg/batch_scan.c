/*
 * batch_scan.c
 *	  Rows read ahead and their texts scored together.
 *
 * Batches grow from one row to emotion.batch_rows, so that a LIMIT costs little: at most some times
 * the rows wanted are read. What runs ahead is only what cannot fail nor be noticed: rows of
 * the plan below, harmless text expressions (batch_calls.c), and the network.
 */
#include "postgres.h"

#include "batch_scan.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/parallel.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "port/atomics.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"

#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#endif
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "glue.h"
#include "score.h"
#include "score_memo.h"

/* Rows are not read ahead beyond this many bytes, and texts not scored together beyond it. */
#define BATCH_BYTES (1024 * 1024)

/* The batch after one of n rows has n times this many. */
#define BATCH_GROWTH 4

int BatchRows = 512;

/* What EXPLAIN tells, of this process or, in shared memory, of all. */
typedef enum Counter
{
	COUNT_BATCHES,      /* that the network was asked for */
	COUNT_TEXTS,        /* that were not NULL */
	COUNT_SCORED,       /* by the network; the others were known */
	COUNT_MICROSECONDS, /* in the network */
	COUNTERS
} Counter;

typedef struct SharedCounts
{
	pg_atomic_uint64 counts[COUNTERS];
} SharedCounts;

/* An expression whose texts are scored, and by which model. */
typedef struct ScoredText
{
	ExprState *text;
	const struct varlena *model; /* NULL: the deployed one */
} ScoredText;

typedef struct BatchState
{
	CustomScanState css;
	ScoredText *scored; /* (scored_count) */
	int scored_count;
	MemoryContext context; /* of the rows read ahead */
	MinimalTuple *rows;
	int count;
	int next;
	int wanted; /* rows of the next batch */
	bool ended; /* the plan below has no more rows */
	uint64 counts[COUNTERS];
	SharedCounts *shared; /* NULL: not under Gather */
} BatchState;

static Node *CreateBatchState(CustomScan *scan);
static void BeginBatches(CustomScanState *node, EState *estate, int eflags);
static TupleTableSlot *ExecBatches(CustomScanState *node);
static void EndBatches(CustomScanState *node);
static void ReScanBatches(CustomScanState *node);
static Size EstimateBatches(CustomScanState *node, ParallelContext *parallel);
static void ShareBatches(CustomScanState *node, ParallelContext *parallel, void *shared);
static void ShareBatchesAgain(CustomScanState *node, ParallelContext *parallel, void *shared);
static void JoinBatches(CustomScanState *node, shm_toc *toc, void *shared);
static void ShutdownBatches(CustomScanState *node);
static void ExplainBatches(CustomScanState *node, List *ancestors, ExplainState *es);

static const CustomScanMethods scan_methods = { "Emotion Batches", CreateBatchState };

static const CustomExecMethods exec_methods = {
	.CustomName = "Emotion Batches",
	.BeginCustomScan = BeginBatches,
	.ExecCustomScan = ExecBatches,
	.EndCustomScan = EndBatches,
	.ReScanCustomScan = ReScanBatches,
	.EstimateDSMCustomScan = EstimateBatches,
	.InitializeDSMCustomScan = ShareBatches,
	.ReInitializeDSMCustomScan = ShareBatchesAgain,
	.InitializeWorkerCustomScan = JoinBatches,
	.ShutdownCustomScan = ShutdownBatches,
	.ExplainCustomScan = ExplainBatches,
};

/* ---- the plan's node ------------------------------------------------------------------ */

void
InitBatchScan(void)
{
	RegisterCustomScanMethods(&scan_methods);
}

List *
ColumnsOf(List *targetlist, int varno)
{
	List *columns = NIL;
	ListCell *cell;

	foreach (cell, targetlist)
	{
		TargetEntry *column = flatCopyTargetEntry(lfirst_node(TargetEntry, cell));
		Node *value = (Node *) column->expr;

		column->expr = (Expr *) makeVar(varno, column->resno, exprType(value), exprTypmod(value),
										exprCollation(value), 0);
		columns = lappend(columns, column);
	}
	return columns;
}

bool
IsBatchScan(const Plan *plan)
{
	return IsA(plan, CustomScan) && ((const CustomScan *) plan)->methods == &scan_methods;
}

CustomScan *
MakeBatchScan(Plan *child, List *texts, List *models)
{
	CustomScan *made = makeNode(CustomScan);
	Plan *plan = &made->scan.plan;

	plan->startup_cost = child->startup_cost;
	plan->total_cost = child->total_cost;
	plan->plan_rows = child->plan_rows;
	plan->plan_width = child->plan_width;
	plan->parallel_safe = child->parallel_safe;
	plan->extParam = bms_copy(child->extParam);
	plan->allParam = bms_copy(child->allParam);
	plan->lefttree = child;

	/* Initial plans stand at the top of their query. */
	plan->initPlan = child->initPlan;
	child->initPlan = NIL;
	plan->targetlist = ColumnsOf(child->targetlist, INDEX_VAR);
	made->custom_scan_tlist = ColumnsOf(child->targetlist, OUTER_VAR);
	made->custom_exprs = texts;
	made->custom_private = models;
#if PG_VERSION_NUM >= 150000
	made->flags = CUSTOMPATH_SUPPORT_PROJECTION;
#endif
	made->methods = &scan_methods;
	return made;
}

/* ---- its execution -------------------------------------------------------------------- */

static Node *
CreateBatchState(CustomScan *scan)
{
	BatchState *state = (BatchState *) newNode(sizeof(BatchState), T_CustomScanState);

	(void) scan;
	state->css.methods = &exec_methods;
#if PG_VERSION_NUM >= 160000
	state->css.slotOps = &TTSOpsVirtual;
#endif
	return (Node *) state;
}

static void
StartOver(BatchState *state)
{
	if (state->css.ss.ss_ScanTupleSlot != NULL)
		ExecClearTuple(state->css.ss.ss_ScanTupleSlot);
	MemoryContextReset(state->context);
	state->rows = NULL;
	state->count = state->next = 0;
	state->wanted = 1;
	state->ended = false;
}

static void
BeginBatches(CustomScanState *node, EState *estate, int eflags)
{
	BatchState *state = (BatchState *) node;
	CustomScan *scan = castNode(CustomScan, node->ss.ps.plan);
	ListCell *expression;
	ListCell *model;

	eflags &= ~(EXEC_FLAG_REWIND | EXEC_FLAG_BACKWARD | EXEC_FLAG_MARK);
	outerPlanState(node) = ExecInitNode(outerPlan(scan), estate, eflags);
	state->scored = palloc0(sizeof(ScoredText) * (Size) list_length(scan->custom_exprs));
	forboth(expression, scan->custom_exprs, model, scan->custom_private)
	{
		ScoredText *scored = &state->scored[state->scored_count++];

		scored->text = ExecInitExpr((Expr *) lfirst(expression), &node->ss.ps);
		if (lfirst(model) != NULL)
			scored->model = DatumGetTextPP(lfirst_node(Const, model)->constvalue);
	}
	state->context =
		AllocSetContextCreate(estate->es_query_cxt, "emotion batch", ALLOCSET_DEFAULT_SIZES);
	StartOver(state);
}

/* The slot of the plan's input, holding a row read ahead. */
static TupleTableSlot *
Show(BatchState *state, int row)
{
	TupleTableSlot *slot = state->css.ss.ss_ScanTupleSlot;

	ExecForceStoreMinimalTuple(state->rows[row], slot, false);
	return slot;
}

/* Score the texts of the batch whose scores are not known, some at a time, each once. */
static void
ScoreBatch(BatchState *state, const ScoredText *scored)
{
	ExprContext *expressions = state->css.ss.ps.ps_ExprContext;
	MemoryContext caller = MemoryContextSwitchTo(state->context);
	em_slice *texts = palloc(sizeof(em_slice) * (Size) state->count);
	MemoryContext piece =
		AllocSetContextCreate(state->context, "emotion batch texts", ALLOCSET_DEFAULT_SIZES);
	int row = 0;

	while (row < state->count)
	{
		CachedModel *cached = NULL;
		size_t bytes = 0;
		int count = 0;

		for (; row < state->count && bytes < BATCH_BYTES; row++)
		{
			em_slice slice;
			Datum value;
			bool isnull;

			expressions->ecxt_scantuple = Show(state, row);
			ResetExprContext(expressions);
			value = ExecEvalExprSwitchContext(scored->text, expressions, &isnull);
			if (isnull)
				continue;
			state->counts[COUNT_TEXTS]++;
			if (toast_raw_datum_size(value) > MEMO_TEXT_BYTES)
				continue;
			MemoryContextSwitchTo(piece);
			if (cached == NULL)
				cached = UseModelNamed(scored->model);
			slice = TextAsUtf8(DatumGetTextPP(value));
			if (AnnounceScores(cached, slice))
			{
				char *copy = palloc(slice.length + 1);

				memcpy(copy, slice.bytes, slice.length);
				texts[count++] = (em_slice){ copy, slice.length };
				bytes += slice.length;
			}
		}
		if (count > 0)
		{
			instr_time began;
			instr_time took;
			float4 *scores;

			MemoryContextSwitchTo(piece);
			INSTR_TIME_SET_CURRENT(began);
			scores = ScoreTexts(cached, texts, (size_t) count);
			INSTR_TIME_SET_CURRENT(took);
			INSTR_TIME_SUBTRACT(took, began);
			state->counts[COUNT_MICROSECONDS] += INSTR_TIME_GET_MICROSEC(took);
			state->counts[COUNT_BATCHES]++;
			state->counts[COUNT_SCORED] += (uint64) count;
			for (int i = 0; i < count; i++)
				RememberScores(cached, texts[i], scores + (Size) i * (Size) cached->label_count);
		}
		MemoryContextReset(piece);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(piece);
	pfree(texts);
}

/* Read the next rows ahead and score them; false when there are none. */
static bool
Refill(BatchState *state)
{
	EState *estate = state->css.ss.ps.state;
	int wanted = Min(state->wanted, BatchRows);
	Size bytes = 0;

	if (state->ended)
		return false;
	ExecClearTuple(state->css.ss.ss_ScanTupleSlot);
	MemoryContextReset(state->context);
	state->count = state->next = 0;

	/* A recheck of one row, or batches switched off since the plan was made. */
	if (estate->es_epq_active != NULL || wanted < 1)
		wanted = 1;
	state->rows = MemoryContextAlloc(state->context, sizeof(MinimalTuple) * (Size) wanted);
	while (state->count < wanted && bytes < BATCH_BYTES)
	{
		TupleTableSlot *slot;
		MemoryContext caller;

		CHECK_FOR_INTERRUPTS();
		slot = ExecProcNode(outerPlanState(state));
		if (TupIsNull(slot))
		{
			state->ended = true;
			break;
		}
		caller = MemoryContextSwitchTo(state->context);
		state->rows[state->count] = ExecCopySlotMinimalTuple(slot);
		MemoryContextSwitchTo(caller);
		bytes += state->rows[state->count++]->t_len;
	}
	if (estate->es_epq_active == NULL)
		for (int i = 0; i < state->scored_count; i++)
			ScoreBatch(state, &state->scored[i]);
	state->wanted = Min(state->wanted * BATCH_GROWTH, Max(BatchRows, 1));
	return state->count > 0;
}

static TupleTableSlot *
ExecBatches(CustomScanState *node)
{
	BatchState *state = (BatchState *) node;
	ExprContext *expressions = node->ss.ps.ps_ExprContext;
	ProjectionInfo *projection = node->ss.ps.ps_ProjInfo;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		ResetExprContext(expressions);
		if (state->next == state->count && !Refill(state))
		{
			ExecClearTuple(node->ss.ss_ScanTupleSlot);
			return projection != NULL ? ExecClearTuple(projection->pi_state.resultslot)
									  : node->ss.ss_ScanTupleSlot;
		}
		expressions->ecxt_scantuple = Show(state, state->next++);
		if (node->ss.ps.qual != NULL && !ExecQual(node->ss.ps.qual, expressions))
		{
			InstrCountFiltered1(node, 1);
			continue;
		}
		return projection != NULL ? ExecProject(projection) : expressions->ecxt_scantuple;
	}
}

static void
EndBatches(CustomScanState *node)
{
	ExecEndNode(outerPlanState(node));
}

static void
ReScanBatches(CustomScanState *node)
{
	StartOver((BatchState *) node);
	if (outerPlanState(node)->chgParam == NULL)
		ExecReScan(outerPlanState(node));
}

/* ---- under Gather: the counts of all processes together ---------------------------------- */

static Size
EstimateBatches(CustomScanState *node, ParallelContext *parallel)
{
	(void) node;
	(void) parallel;
	return sizeof(SharedCounts);
}

static void
ShareBatches(CustomScanState *node, ParallelContext *parallel, void *shared)
{
	BatchState *state = (BatchState *) node;

	(void) parallel;
	state->shared = shared;
	for (int i = 0; i < COUNTERS; i++)
		pg_atomic_init_u64(&state->shared->counts[i], 0);
}

static void
ShareBatchesAgain(CustomScanState *node, ParallelContext *parallel, void *shared)
{
	(void) node;
	(void) parallel;
	(void) shared;
}

static void
JoinBatches(CustomScanState *node, shm_toc *toc, void *shared)
{
	(void) toc;
	((BatchState *) node)->shared = shared;
}

/* Before the shared memory goes: a worker leaves its counts there, the leader takes all. */
static void
ShutdownBatches(CustomScanState *node)
{
	BatchState *state = (BatchState *) node;

	if (state->shared == NULL)
		return;
	for (int i = 0; i < COUNTERS; i++)
	{
		if (IsParallelWorker())
			pg_atomic_fetch_add_u64(&state->shared->counts[i], (int64) state->counts[i]);
		else
			state->counts[i] += pg_atomic_exchange_u64(&state->shared->counts[i], 0);
	}
	if (IsParallelWorker())
		memset(state->counts, 0, sizeof(state->counts));
	else
		state->shared = NULL;
}

/* ---- EXPLAIN --------------------------------------------------------------------------- */

static void
ExplainBatches(CustomScanState *node, List *ancestors, ExplainState *es)
{
	const BatchState *state = (const BatchState *) node;
	CustomScan *scan = castNode(CustomScan, node->ss.ps.plan);
	List *context = set_deparse_context_plan(es->deparse_cxt, node->ss.ps.plan, ancestors);
	List *shown = NIL;
	ListCell *expression;
	ListCell *model;
#if PG_VERSION_NUM >= 180000
	int tables = es->rtable_size; /* without what stands for a GROUP BY */
#else
	int tables = list_length(es->rtable);
#endif

	forboth(expression, scan->custom_exprs, model, scan->custom_private)
	{
		char *text_shown =
			deparse_expression(lfirst(expression), context, tables > 1 || es->verbose, false);

		if (lfirst(model) != NULL)
			text_shown = psprintf("%s by %s", text_shown,
								  TextDatumGetCString(lfirst_node(Const, model)->constvalue));
		shown = lappend(shown, text_shown);
	}
	ExplainPropertyList("Texts", shown, es);
	if (!es->analyze)
		return;
	ExplainPropertyInteger("Batches", NULL, (int64) state->counts[COUNT_BATCHES], es);
	ExplainPropertyInteger("Texts Read", NULL, (int64) state->counts[COUNT_TEXTS], es);
	ExplainPropertyInteger("Texts Scored", NULL, (int64) state->counts[COUNT_SCORED], es);
	if (es->timing)
		ExplainPropertyFloat("Network Time", "ms",
							 (double) state->counts[COUNT_MICROSECONDS] / 1000, 3, es);
}
