/*
 * batch_calls.c
 *	  Finding calls of scoring functions in expressions.
 */
#include "postgres.h"

#include "batch_calls.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#if PG_VERSION_NUM < 140000
#define F_LOWER_TEXT F_LOWER
#define F_UPPER_TEXT F_UPPER
#define F_BTRIM_TEXT F_BTRIM1
#define F_LTRIM_TEXT F_LTRIM1
#define F_RTRIM_TEXT F_RTRIM1
#define F_REPLACE F_REPLACE_TEXT
#define F_LEFT F_TEXT_LEFT
#define F_RIGHT F_TEXT_RIGHT
#endif

/* ---- our functions ---------------------------------------------------------------------- */

/* What a function that was asked for is: a scoring one, and which argument names its model. */
typedef struct Known
{
	Oid function;
	int8 model_argument; /* -1: not one of ours */
} Known;

static const struct
{
	const char *symbol;
	int model_argument;
} scoring_functions[] = {
	{ "emotion_scores", 1 }, { "emotion_labels", 1 }, { "emotion_json", 1 },
	{ "emotion_score", 2 },  { "emotion_top", 2 },
};

static HTAB *known_functions;

static void
ForgetFunctions(Datum argument, int cache, uint32 hash)
{
	(void) argument;
	(void) cache;
	(void) hash;
	if (known_functions != NULL)
		hash_destroy(known_functions);
	known_functions = NULL;
}

static int
LookUpFunction(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	int argument = -1;

	if (!HeapTupleIsValid(tuple))
		return -1;
	form = (Form_pg_proc) GETSTRUCT(tuple);
	if (form->prolang == ClanguageId)
	{
		bool no_symbol;
		bool no_library;
		Datum symbol = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &no_symbol);
		Datum library = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_probin, &no_library);

		if (!no_symbol && !no_library &&
			strcmp(TextDatumGetCString(library), "$libdir/emotion") == 0)
			for (size_t i = 0; i < lengthof(scoring_functions); i++)
				if (strcmp(TextDatumGetCString(symbol), scoring_functions[i].symbol) == 0)
					argument = scoring_functions[i].model_argument;
	}
	ReleaseSysCache(tuple);
	return argument;
}

/* The argument that names the model of a scoring function, -1 for other functions. */
static int
ModelArgumentOf(Oid function)
{
	Known *known;
	bool found;
	int argument;

	if (function < FirstNormalObjectId)
		return -1;
	if (known_functions != NULL)
	{
		known = hash_search(known_functions, &function, HASH_FIND, NULL);
		if (known != NULL)
			return known->model_argument;
	}
	argument = LookUpFunction(function); /* which may make us forget all */
	if (known_functions == NULL)
	{
		HASHCTL control = { .keysize = sizeof(Oid), .entrysize = sizeof(Known) };

		known_functions = hash_create("emotion functions", 64, &control, HASH_ELEM | HASH_BLOBS);
	}
	known = hash_search(known_functions, &function, HASH_ENTER, &found);
	known->model_argument = (int8) argument;
	return argument;
}

void
InitBatchCalls(void)
{
	CacheRegisterSyscacheCallback(PROCOID, ForgetFunctions, (Datum) 0);
}

/* ---- what may be computed ahead ------------------------------------------------------------ */

/* These neither fail nor call anything that is not built in. */
static bool
IsHarmlessFunction(Oid function)
{
	switch (function)
	{
		case F_TEXTCAT:
		case F_LOWER_TEXT:
		case F_UPPER_TEXT:
		case F_BTRIM_TEXT:
		case F_LTRIM_TEXT:
		case F_RTRIM_TEXT:
		case F_REPLACE:
		case F_LEFT:
		case F_RIGHT:
		case F_JSON_OBJECT_FIELD_TEXT:
		case F_JSONB_OBJECT_FIELD_TEXT:
			return true;
		default:
			return false;
	}
}

/* True for an expression that would be felt if it were computed for a row that is never asked for. */
static bool
IsFelt(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Const:
		case T_Param:
		case T_RelabelType:
		case T_CoalesceExpr:
		case T_List:
			break;
		case T_FuncExpr:
			if (!IsHarmlessFunction(((FuncExpr *) node)->funcid))
				return true;
			break;
		case T_OpExpr:
			if (!IsHarmlessFunction(((OpExpr *) node)->opfuncid))
				return true;
			break;
		default:
			return true;
	}
	return expression_tree_walker(node, IsFelt, context);
}

static bool
HasVar(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return IsA(node, Var) || expression_tree_walker(node, HasVar, context);
}

/* ---- calls ------------------------------------------------------------------------------------ */

static void
AddCall(ScoringCalls *calls, FuncExpr *call, int model_argument)
{
	Node *text = linitial(call->args);
	Const *model = NULL;
	ListCell *known_text;
	ListCell *known_model;

	if (list_length(call->args) > model_argument)
	{
		model = list_nth(call->args, model_argument);
		if (!IsA(model, Const) || model->constisnull)
			return;
	}
	if (IsFelt(text, NULL) || !HasVar(text, NULL))
		return;
	forboth(known_text, calls->texts, known_model, calls->models)
	{
		if (equal(lfirst(known_text), text) && equal(lfirst(known_model), model))
			return;
	}
	calls->texts = lappend(calls->texts, text);
	calls->models = lappend(calls->models, model);
}

static bool
FindCalls(Node *node, void *context)
{
	ScoringCalls *calls = context;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_FuncExpr:
		{
			FuncExpr *call = (FuncExpr *) node;
			int model_argument = ModelArgumentOf(call->funcid);

			if (model_argument >= 0 && !calls->within)
				AddCall(calls, call, model_argument);
			break;
		}
		case T_Aggref:
		case T_WindowFunc:
		{
			ScoringCalls inner = { calls->texts, calls->models, false };
			bool filtered = IsA(node, Aggref) ? ((Aggref *) node)->aggfilter != NULL
											  : ((WindowFunc *) node)->aggfilter != NULL;

			if (!calls->within || filtered)
				return false;
			(void) expression_tree_walker(node, FindCalls, &inner);
			calls->texts = inner.texts;
			calls->models = inner.models;
			return false;
		}
		case T_CoalesceExpr:
			return FindCalls(linitial(((CoalesceExpr *) node)->args), context);
		case T_BoolExpr:
			return FindCalls(linitial(((BoolExpr *) node)->args), context);
		case T_CaseExpr:
			return FindCalls((Node *) ((CaseExpr *) node)->arg, context);
		case T_SubPlan:
		case T_AlternativeSubPlan:
			return false;
		default:
			break;
	}
	return expression_tree_walker(node, FindCalls, context);
}

void
FindScoringCalls(Node *expressions, ScoringCalls *calls)
{
	(void) FindCalls(expressions, calls);
}

static bool
HasCalls(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && ModelArgumentOf(((FuncExpr *) node)->funcid) >= 0)
		return true;
	return expression_tree_walker(node, HasCalls, context);
}

bool
HasScoringCalls(Node *expressions)
{
	return HasCalls(expressions, NULL);
}
