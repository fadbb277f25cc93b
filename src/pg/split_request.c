/*
 * split_request.c
 *	  Options and fractions of emotion_split().
 */
#include "postgres.h"

#include "split_request.h"

#include <math.h>

#include "utils/array.h"
#include "utils/builtins.h"

#include "aggregate_state.h"
#include "glue.h"
#include "options.h"

static const option_spec split_specs[] = {
	{ "create_column", OPTION_BOOL, offsetof(SplitOptions, create_column), 0, 1, NULL,
	  "add the split column when the table lacks it" },
	{ "duplicates", OPTION_BOOL, offsetof(SplitOptions, duplicates), 0, 1, NULL,
	  "keep texts of the same words in one part" },
	{ "order", OPTION_INT, offsetof(SplitOptions, order), 1, 2, NULL,
	  "2 shares out pairs of labels, too" },
	{ "seed", OPTION_UINT64, offsetof(SplitOptions, seed), 0, 9223372036854775807.0, NULL,
	  "of ties" },
	{ NULL, OPTION_INT, 0, 0, 0, NULL, NULL },
};

static const StringSpec string_specs[] = {
	{ "text_column", offsetof(SplitOptions, text_column), "column of the texts" },
	{ "label_column", offsetof(SplitOptions, label_column), "column of the labels" },
	{ "split_column", offsetof(SplitOptions, split_column), "column of the parts' names" },
	{ "target", offsetof(SplitOptions, target), "table to make of a query's rows" },
	{ NULL, 0, NULL },
};

static void
VisitOption(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	(void) json;
	if (!SetNamedOption(string_specs, split_specs, context, name, value))
		UnknownOption(name, "Options are text_column, label_column, split_column, create_column, "
							"target, order, seed and duplicates.");
}

SplitOptions
ParseSplitOptions(const Jsonb *json)
{
	SplitOptions options = { "text", "labels", "split", NULL, false, true, 1, 1 };

	VisitOptions(json, VisitOption, &options);
	return options;
}

static void
AddPart(SplitParts *parts, char *name, double share)
{
	if (!(share > 0 && share < 1))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("fraction %g of part \"%s\" is not between 0 and 1", share, name)));
	for (int i = 0; i < parts->count; i++)
		if (strcmp(parts->name[i], name) == 0)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("part \"%s\" is named twice", name)));
	if (parts->count == DATA_MAX_PARTS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("more than %d parts", DATA_MAX_PARTS)));
	parts->name[parts->count] = name;
	parts->share[parts->count++] = share;
}

static void
VisitFraction(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	char *part = CStringFromUtf8(name.bytes, name.length);

	(void) json;
	if (value->type != OPTION_VALUE_NUMBER)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("fraction of part \"%s\" is not a number", part)));
	AddPart(context, part, value->number);
}

void
ParseFractions(FunctionCallInfo fcinfo, SplitParts *parts)
{
	Jsonb *fractions = PG_GETARG_JSONB_P(1);

	if (!JB_ROOT_IS_OBJECT(fractions))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("fractions must be a JSON object of part: fraction"),
						errhint("Write them as in '{\"train\": 0.8, \"dev\": 0.2}'.")));
	VisitOptions(fractions, VisitFraction, parts);
}

void
ReadFractions(FunctionCallInfo fcinfo, SplitParts *parts)
{
	ArrayType *fractions = PG_GETARG_ARRAYTYPE_P(1);
	ArrayType *names = PG_GETARG_ARRAYTYPE_P(2);
	TextArrayWalk walk = WalkTextArray(names);
	const float8 *share = (const float8 *) ARR_DATA_PTR(fractions);
	em_slice name;

	if (array_contains_nulls(fractions))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a fraction is null")));
	if (ArrayGetNItems(ARR_NDIM(fractions), ARR_DIMS(fractions)) != walk.count)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("there are not as many fractions as names: %d and %d",
						ArrayGetNItems(ARR_NDIM(fractions), ARR_DIMS(fractions)), walk.count)));
	while (NextText(&walk, &name, "names"))
		AddPart(parts, pnstrdup(name.bytes, name.length), *share++);
}

void
CheckFractions(const SplitParts *parts)
{
	double sum = 0;

	for (int i = 0; i < parts->count; i++)
		sum += parts->share[i];
	if (parts->count < 2 || fabs(sum - 1) > 1e-6)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%d fractions add up to %g, not two or more to 1", parts->count, sum)));
}
