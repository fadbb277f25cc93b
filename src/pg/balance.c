/*
 * balance.c
 *	  CALL emotion_balance: a new table with labels in balance; and
 *	  emotion_balance_plan(): what it would do.
 *
 * Both make the same plan from one pass over the source. While the plan is made,
 * texts wait in a tuplestore; the table is then written in the order in which
 * the source was read. The source itself is never written to.
 */
#include "postgres.h"

#include "balance.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/numeric.h"

#include "aggregate_state.h"
#include "glue.h"
#include "new_table.h"

PG_FUNCTION_INFO_V1(emotion_balance);
PG_FUNCTION_INFO_V1(emotion_balance_plan);

static const char *const unreached_words[] = {
	NULL,
	"no more rows have it",
	"its other rows carry labels that are full",
	"rows taken for other labels, or left alone, carry it",
};

/* ---- from rows to a plan ---------------------------------------------------------------------- */

static bool
NumberIn(const Jsonb *json, double *number)
{
	JsonbValue value;

	if (!JB_ROOT_IS_SCALAR(json) ||
		!JsonbExtractScalar(unconstify(JsonbContainer *, &json->root), &value) ||
		value.type != jbvNumeric)
		return false;
	*number = DatumGetFloat8(
		DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value.val.numeric)));
	return true;
}

/* Call visit for each name and number of an object. */
static void
VisitNumbers(const Jsonb *json, const char *what,
			 void (*visit)(Balancing *, em_slice, double, void *), Balancing *balancing,
			 void *context)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue value;
	em_slice name = { NULL, 0 };

	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s must be a number or a JSON object of numbers", what)));
	iterator = JsonbIteratorInit(unconstify(JsonbContainer *, &json->root));
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = (em_slice){ value.val.string.val, (size_t) value.val.string.len };
		else if (token == WJB_VALUE)
		{
			if (value.type != jbvNumeric)
				ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
								errmsg("%s of \"%.*s\" is not a number", what, (int) name.length,
									   name.bytes)));
			visit(balancing, name,
				  DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
													 NumericGetDatum(value.val.numeric))),
				  context);
		}
	}
}

static uint64
CheckTarget(double number)
{
	if (!(number >= 0 && number <= (double) DATA_MAX_LABEL_ROWS) || number != floor(number))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("per_label %g is not a number of rows", number)));
	return (uint64) number;
}

static void
SetTarget(Balancing *balancing, em_slice name, double number, void *context)
{
	const LabelSource *source = &balancing->source;
	uint64 *target = context;

	for (uint32 label = 0; label < source->rows.labels; label++)
		if (CompareBytes(source->labels[label], name) == 0)
		{
			target[label] = CheckTarget(number);
			return;
		}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("no row of source \"%s\" has label \"%.*s\"", source->source.source,
					(int) name.length, name.bytes),
			 errhint("emotion_label_report() lists its labels; leave out what it does not have.")));
}

static uint64 *
Targets(Balancing *balancing)
{
	uint32 labels = balancing->source.rows.labels;
	uint64 *target;
	double number;

	if (balancing->request.per_label == NULL)
		return NULL;
	target = palloc0(sizeof(uint64) * Max((Size) labels, 1));
	if (NumberIn(balancing->request.per_label, &number))
	{
		for (uint32 label = 0; label < labels; label++)
			target[label] = CheckTarget(number);
	}
	else
		VisitNumbers(balancing->request.per_label, "per_label", SetTarget, balancing, target);
	return target;
}

static int
FindTrusted(const BalanceRequest *request, em_slice name)
{
	for (int rank = 0; rank < request->trust_count; rank++)
		if (CompareBytes((em_slice){ request->trust[rank], strlen(request->trust[rank]) }, name) ==
			0)
			return rank;
	return -1;
}

/* The rank of each row's source, by the order of trust. */
static uint8 *
RankSources(Balancing *balancing)
{
	LabelSource *source = &balancing->source;
	BalanceRequest *request = &balancing->request;
	uint8 *rank;

	if (request->source_column == NULL)
		return NULL;
	if (request->trust_count == 0 && source->origins.count == 1) /* no choice */
	{
		em_slice only = source->origins.labels[0];

		request->trust[request->trust_count++] = pnstrdup(only.bytes, only.length);
	}
	balancing->trust_of = palloc(sizeof(uint32) * Max((Size) source->origins.count, 1));
	for (uint32 origin = 0; origin < source->origins.count; origin++)
	{
		em_slice name = source->origins.labels[origin];
		int found = FindTrusted(request, name);

		if (found < 0)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("source \"%.*s\" is not among those of option \"trust\"",
								   (int) name.length, name.bytes),
							errhint("List all values of column \"%s\", the most trusted first.",
									request->source_column)));
		balancing->trust_of[origin] = (uint32) found;
	}
	rank = MemoryContextAllocHuge(CurrentMemoryContext, Max(source->rows.n, 1));
	for (uint64 i = 0; i < source->rows.n; i++)
	{
		if (source->origin[i] == NO_LABEL)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("column \"%s\" is null in row " UINT64_FORMAT " of source \"%s\"",
							request->source_column, (uint64) source->read_as[i] + 1,
							source->source.source)));
		rank[i] = (uint8) balancing->trust_of[source->origin[i]];
	}
	return rank;
}

static void
SetMinConfidence(Balancing *balancing, em_slice name, double number, void *context)
{
	int rank = FindTrusted(&balancing->request, name);

	if (rank < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"min_confidence\" names \"%.*s\", which is no source",
							   (int) name.length, name.bytes)));
	((float *) context)[rank] = (float) number;
}

static void
SetConfidences(Balancing *balancing)
{
	BalanceRequest *request = &balancing->request;
	float *least;
	double number;

	if (request->min_confidence == NULL)
		return;
	if (request->confidence_column == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"min_confidence\" needs option \"confidence_column\"")));
	least = palloc0(sizeof(float) * DATA_MAX_SOURCES);
	if (NumberIn(request->min_confidence, &number))
	{
		for (int rank = 0; rank < DATA_MAX_SOURCES; rank++)
			least[rank] = (float) number;
	}
	else
		VisitNumbers(request->min_confidence, "option \"min_confidence\"", SetMinConfidence,
					 balancing, least);
	for (uint32 i = 0; i < request->step_count; i++)
		request->steps[i].min_confidence = least;
}

/* Read the source and plan. SPI is connected; the current context is balancing->context. */
static void
MakePlan(Balancing *balancing, const char *name, bool keep_rows)
{
	BalanceRequest *request = &balancing->request;
	LabelSource *source = &balancing->source;
	data_balance_input *input = &balancing->input;
	data_balance_options options = { 0 };
	em_status status;

	source->source.source = name;
	source->source.text_column = request->text_column;
	source->source.label_column = request->label_column;
	source->key_column = request->key_column;
	source->origin_column = request->source_column;
	source->confidence_column = request->confidence_column;
	source->feature_column = request->feature_column;
	source->find_duplicates = request->duplicates;
	source->keep_rows = keep_rows;
	OpenLabelSource(source);
	ReadLabelSource(source, false);
	MemoryContextSwitchTo(balancing->context);
	if (source->rows.n == 0)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
						errmsg("source \"%s\" has no rows", source->source.source)));
	input->rows = &source->rows;
	input->source = RankSources(balancing);
	input->sources = (uint32) Max(request->trust_count, 1);
	input->confidence = source->confidence;
	input->group = source->group;
	input->target = Targets(balancing);
	input->features = source->features;
	input->dimension = source->dimension;
	SetConfidences(balancing);
	options.steps = request->steps;
	options.step_count = request->step_count;
	options.seed = request->seed;
	options.should_stop = InterruptWanted;
	CheckCode(data_balance(balancing->allocator, input, &options, &balancing->plan, &status),
			  &status);
}

/* ---- what users call -------------------------------------------------------------------------- */

static void
Begin(Balancing *balancing, FunctionCallInfo fcinfo, int first)
{
	memset(balancing, 0, sizeof(*balancing));
	balancing->context =
		AllocSetContextCreate(CurrentMemoryContext, "emotion balance", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(balancing->context);
	balancing->allocator = ContextAllocator(balancing->context);
	ParseBalanceRequest(fcinfo, first, &balancing->request);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	MemoryContextSwitchTo(balancing->context);
}

/* What no choice of rows could be below: known where quota has the last word. */
static double
Bound(const Balancing *balancing)
{
	const BalanceRequest *request = &balancing->request;

	return request->steps[request->step_count - 1].method == DATA_QUOTA ? balancing->plan->bound
																		: NAN;
}

/* CALL emotion_balance(source text, target text, per_label "any", strategy text, options jsonb) */
Datum
emotion_balance(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	Balancing balancing;
	const data_balance_plan *plan;
	StringInfoData figures;
	char *name, *target;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("source and target must not be null")));
	Begin(&balancing, fcinfo, 2);
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	target = text_to_cstring(PG_GETARG_TEXT_PP(1));
	CheckNewTable(target);
	MakePlan(&balancing, name, true);
	plan = balancing.plan;
	WriteBalanced(&balancing, target);
	MemoryContextSwitchTo(balancing.context);
	initStringInfo(&figures);
	if (!isnan(plan->deviation))
		appendStringInfo(&figures, "; largest deviation from a target %.1f %%",
						 plan->deviation * 100);
	if (!isnan(Bound(&balancing)))
		appendStringInfo(&figures, ", with these rows not below %.1f %%", plan->bound * 100);
	ereport(NOTICE, (errmsg("emotion_balance: \"%s\" has " UINT64_FORMAT
							" rows, made from " UINT64_FORMAT "%s",
							target, plan->rows_after, balancing.source.rows.n, figures.data),
					 errhint("emotion_balance_plan() with the same arguments gives the figures of "
							 "each label.")));
	data_balance_plan_destroy(balancing.plan);
	CloseLabelSource(&balancing.source);
	SPI_finish();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(balancing.context);
	PG_RETURN_VOID();
}

/* {"source": rows}, those without rows left out. */
static Datum
SourcesAsJson(const Balancing *balancing, const uint64 *rows, bool *null)
{
	StringInfoData json;
	bool some = false;

	*null = balancing->request.source_column == NULL;
	if (*null)
		return (Datum) 0;
	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (int rank = 0; rank < balancing->request.trust_count; rank++)
	{
		if (rows[rank] == 0)
			continue;
		if (some)
			appendStringInfoString(&json, ", ");
		some = true;
		escape_json(&json, balancing->request.trust[rank]);
		appendStringInfo(&json, ": " UINT64_FORMAT, rows[rank]);
	}
	appendStringInfoChar(&json, '}');
	return JsonbFromCString(json.data);
}

static Datum
Float8OrNull(double number, bool *null)
{
	*null = isnan(number);
	return Float8GetDatum(number);
}

/* The row of all labels together: rows of the data set, largest deviation and its bound. */
static void
PutTotals(ReturnSetInfo *set, const Balancing *balancing)
{
	const data_balance_plan *plan = balancing->plan;
	uint64 from[DATA_MAX_SOURCES] = { 0 };
	uint64 copies = 0, synthetic = 0, refused = 0, surplus = 0;
	Datum values[12] = { 0 };
	bool nulls[12] = { false };

	for (uint64 i = 0; i < plan->row_count; i++)
	{
		const data_plan_row *row = &plan->row[i];

		if (row->reason == DATA_SURPLUS || row->reason == DATA_REDUCED)
			surplus++;
		else if (data_plan_dropped(row))
			refused++;
		else if (row->kind == DATA_PLAN_SYNTHETIC)
			synthetic++;
		else if (row->copy_of != DATA_NONE)
			copies++;
		else
			from[balancing->input.source ? balancing->input.source[row->row] : 0]++;
	}
	nulls[0] = nulls[3] = nulls[10] = true;
	values[1] = Int64GetDatum((int64) balancing->source.rows.n);
	values[2] = Int64GetDatum((int64) plan->rows_after);
	values[4] = Float8OrNull(plan->deviation, &nulls[4]);
	values[5] = SourcesAsJson(balancing, from, &nulls[5]);
	values[6] = Int64GetDatum((int64) copies);
	values[7] = Int64GetDatum((int64) synthetic);
	values[8] = Int64GetDatum((int64) refused);
	values[9] = Int64GetDatum((int64) surplus);
	values[11] = Float8OrNull(Bound(balancing), &nulls[11]);
	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

static void
PutLabel(ReturnSetInfo *set, const Balancing *balancing, uint32 label)
{
	const data_balance_plan *plan = balancing->plan;
	const data_label_balance *figures = &plan->label[label];
	em_slice name = balancing->source.labels[label];
	const char *word = unreached_words[figures->unreached];
	Datum values[12] = { 0 };
	bool nulls[12] = { false };

	values[0] = PointerGetDatum(cstring_to_text_with_len(name.bytes, (int) name.length));
	values[1] = Int64GetDatum((int64) figures->before);
	values[2] = Int64GetDatum((int64) figures->after);
	nulls[3] = nulls[4] = figures->target == 0;
	values[3] = Int64GetDatum((int64) figures->target);
	if (figures->target > 0)
		values[4] = Float8GetDatum(((double) figures->after - (double) figures->target) /
								   (double) figures->target);
	values[5] =
		SourcesAsJson(balancing, plan->from_source + (uint64) label * plan->sources, &nulls[5]);
	values[6] = Int64GetDatum((int64) figures->copies);
	values[7] = Int64GetDatum((int64) figures->synthetic);
	values[8] = Int64GetDatum((int64) figures->refused);
	values[9] = Int64GetDatum((int64) figures->surplus);
	nulls[10] = word == NULL;
	if (word)
		values[10] = CStringGetTextDatum(word);
	nulls[11] = true;
	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

/* emotion_balance_plan(source text, per_label "any", strategy text, options jsonb) */
Datum
emotion_balance_plan(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	ReturnSetInfo *set = BeginSet(fcinfo);
	Balancing balancing;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("source must not be null")));
	Begin(&balancing, fcinfo, 1);
	MakePlan(&balancing, text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	for (uint32 label = 0; label < balancing.source.rows.labels; label++)
		PutLabel(set, &balancing, label);
	PutTotals(set, &balancing);
	data_balance_plan_destroy(balancing.plan);
	CloseLabelSource(&balancing.source);
	SPI_finish();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(balancing.context);
	return (Datum) 0;
}
