/*
 * score.c
 *	  The scoring functions.
 *
 * Each exists without a model (the deployed one) and with one; a C function
 * serves both and tells them apart by the number of arguments. All are STRICT.
 */
#include "postgres.h"

#include "decide.h"
#include "glue.h"
#include "score.h"
#include "score_memo.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/tuplestore.h"

#include <string.h>

PG_FUNCTION_INFO_V1(emotion_scores);
PG_FUNCTION_INFO_V1(emotion_features);
PG_FUNCTION_INFO_V1(emotion_labels);
PG_FUNCTION_INFO_V1(emotion_top);
PG_FUNCTION_INFO_V1(emotion_score);
PG_FUNCTION_INFO_V1(emotion_json);
PG_FUNCTION_INFO_V1(emotion_label_names);
PG_FUNCTION_INFO_V1(emotion_thresholds);

/* ---- scores and their forms -------------------------------------------------------------- */

CachedModel *
ModelArgument(FunctionCallInfo fcinfo, int index)
{
	return UseModelNamed(PG_NARGS() > index ? PG_GETARG_TEXT_PP(index) : NULL);
}

float4 *
ScoreTexts(CachedModel *cached, const em_slice *texts, size_t n)
{
	em_status status = { EM_OK, "", "" };
	float4 *scores = MemoryContextAllocHuge(CurrentMemoryContext,
											n * (size_t) cached->label_count * sizeof(float4));

	if (scorer_run(cached->scorer, texts, n, scores, InterruptWanted, NULL, &status) != EM_OK)
		ReportStatus(&status);
	return scores;
}

/* Scores of the text in argument 0: a batch may have left them (batch_scan.c). */
static const float4 *
ScoreArgument(FunctionCallInfo fcinfo, CachedModel *cached)
{
	em_slice slice = TextAsUtf8(PG_GETARG_TEXT_PP(0));
	const float4 *scores = RememberedScores(cached, slice);

	if (scores == NULL)
	{
		scores = ScoreTexts(cached, &slice, 1);
		RememberLastScores(cached, slice, scores);
	}
	return scores;
}

int
FindLabel(const CachedModel *cached, const char *label, size_t length)
{
	for (int i = 0; i < cached->label_count; i++)
		if (strlen(cached->labels[i]) == length && memcmp(cached->labels[i], label, length) == 0)
			return i;
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
					errmsg("model \"%s@%d\" has no label \"%s\"", cached->row.reference.name,
						   cached->row.reference.version, pnstrdup(label, length)),
					errhint("emotion_label_names('%s@%d') lists its labels.",
							cached->row.reference.name, cached->row.reference.version)));
}

static int
CompareRanks(const void *a, const void *b, void *argument)
{
	const float4 *scores = argument;
	int left = *(const int *) a;
	int right = *(const int *) b;

	if (scores[left] != scores[right])
		return scores[left] > scores[right] ? -1 : 1;
	return left - right;
}

int *
RankLabels(const CachedModel *cached, const float4 *scores)
{
	int *ranks = palloc(sizeof(int) * (Size) cached->label_count);

	for (int i = 0; i < cached->label_count; i++)
		ranks[i] = i;
	qsort_arg(ranks, (size_t) cached->label_count, sizeof(int), CompareRanks,
			  unconstify(float4 *, scores));
	return ranks;
}

ArrayType *
ScoresAsArray(const float4 *scores, int count)
{
	Size size = ARR_OVERHEAD_NONULLS(1) + sizeof(float4) * (Size) count;
	ArrayType *array = palloc0(size);

	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->dataoffset = 0;
	array->elemtype = FLOAT4OID;
	ARR_DIMS(array)[0] = count;
	ARR_LBOUND(array)[0] = 1;
	memcpy(ARR_DATA_PTR(array), scores, sizeof(float4) * (Size) count);
	return array;
}

ArrayType *
ScoresAsLabels(const CachedModel *cached, const float4 *scores)
{
	int *ranks = RankLabels(cached, scores);
	Datum *labels = palloc(sizeof(Datum) * (Size) cached->label_count);
	int count = 0;

	for (int i = 0; i < MostLabels(cached->model); i++)
		if (scores[ranks[i]] >= cached->model->thresholds[ranks[i]])
			labels[count++] = CStringGetTextDatum(cached->labels[ranks[i]]);
	return construct_array(labels, count, TEXTOID, -1, false, TYPALIGN_INT);
}

Jsonb *
ScoresAsJson(const CachedModel *cached, const float4 *scores)
{
	JsonbParseState *state = NULL;
	JsonbValue *object;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < cached->label_count; i++)
	{
		JsonbValue item;

		item.type = jbvString;
		item.val.string.val = cached->labels[i];
		item.val.string.len = (int) strlen(cached->labels[i]);
		pushJsonbValue(&state, WJB_KEY, &item);
		item.type = jbvNumeric;
		item.val.numeric =
			DatumGetNumeric(DirectFunctionCall1(float4_numeric, Float4GetDatum(scores[i])));
		pushJsonbValue(&state, WJB_VALUE, &item);
	}
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(object);
}

/* ---- what SQL calls ------------------------------------------------------------------------ */

Datum
emotion_scores(PG_FUNCTION_ARGS)
{
	CachedModel *cached = ModelArgument(fcinfo, 1);

	PG_RETURN_ARRAYTYPE_P(ScoresAsArray(ScoreArgument(fcinfo, cached), cached->label_count));
}

Datum
emotion_features(PG_FUNCTION_ARGS)
{
	CachedModel *cached = ModelArgument(fcinfo, 1);
	em_slice slice = TextAsUtf8(PG_GETARG_TEXT_PP(0));
	int width = (int) model_feature_width(cached->model);
	float4 *features = palloc(sizeof(float4) * (Size) (width + 1)); /* an ensemble's is 0 */
	em_status status;

	Check(scorer_features(cached->scorer, &slice, 1, features, InterruptWanted, NULL, &status),
		  &status);
	PG_RETURN_ARRAYTYPE_P(ScoresAsArray(features, width));
}

Datum
emotion_labels(PG_FUNCTION_ARGS)
{
	CachedModel *cached = ModelArgument(fcinfo, 1);

	PG_RETURN_ARRAYTYPE_P(ScoresAsLabels(cached, ScoreArgument(fcinfo, cached)));
}

Datum
emotion_json(PG_FUNCTION_ARGS)
{
	CachedModel *cached = ModelArgument(fcinfo, 1);

	PG_RETURN_JSONB_P(ScoresAsJson(cached, ScoreArgument(fcinfo, cached)));
}

Datum
emotion_score(PG_FUNCTION_ARGS)
{
	text *label = PG_GETARG_TEXT_PP(1);
	CachedModel *cached = ModelArgument(fcinfo, 2);
	int index = FindLabel(cached, VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label));

	PG_RETURN_FLOAT4(ScoreArgument(fcinfo, cached)[index]);
}

Datum
emotion_top(PG_FUNCTION_ARGS)
{
	int32 k = PG_GETARG_INT32(1);
	CachedModel *cached;
	ReturnSetInfo *info;
	const float4 *scores;
	int *ranks;

	if (k < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("number of labels must not be negative: %d", k),
						errhint("k is how many labels are wanted at most; 0 gives none.")));
	info = BeginSet(fcinfo);
	cached = ModelArgument(fcinfo, 2);
	scores = ScoreArgument(fcinfo, cached);
	ranks = RankLabels(cached, scores);
	for (int i = 0; i < Min(k, cached->label_count); i++)
	{
		Datum values[2] = { CStringGetTextDatum(cached->labels[ranks[i]]),
							Float4GetDatum(scores[ranks[i]]) };
		bool nulls[2] = { false, false };

		tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
	}
	return (Datum) 0;
}

Datum
emotion_label_names(PG_FUNCTION_ARGS)
{
	CachedModel *cached = ModelArgument(fcinfo, 0);
	Datum *labels = palloc(sizeof(Datum) * (Size) cached->label_count);

	for (int i = 0; i < cached->label_count; i++)
		labels[i] = CStringGetTextDatum(cached->labels[i]);
	PG_RETURN_ARRAYTYPE_P(
		construct_array(labels, cached->label_count, TEXTOID, -1, false, TYPALIGN_INT));
}

Datum
emotion_thresholds(PG_FUNCTION_ARGS)
{
	CachedModel *cached = ModelArgument(fcinfo, 0);

	PG_RETURN_ARRAYTYPE_P(ScoresAsArray(cached->model->thresholds, cached->label_count));
}
