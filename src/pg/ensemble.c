/*
 * ensemble.c
 *	  emotion_ensemble: several models published as one.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "../model/model.h"
#include "glue.h"
#include "registry.h"

PG_FUNCTION_INFO_V1(emotion_ensemble);

/* A text[] or real[] argument of as many elements as it has, none of them null. */
static int
ArrayArgument(FunctionCallInfo fcinfo, int number, const char *name, Oid type, Datum **elements)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(number);
	int count;

	if (array_contains_nulls(array))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("%s must not contain null", name)));
	if (type == TEXTOID)
		deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, elements, NULL, &count);
	else
		deconstruct_array(array, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT, elements, NULL,
						  &count);
	return count;
}

static void
ReadMember(const text *reference, model_member *member)
{
	ModelReference named = ParseModelReferenceText(reference, true);
	ModelRow row = GetModel(&named);

	member->name = ModelReferenceString(&named);
	member->bytes = ReadModelBytes(&row, RegistrySnapshot());
	member->size = (size_t) row.size;
}

static Jsonb *
Lineage(const model_member *members, int count)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"members\": [");
	for (int i = 0; i < count; i++)
		appendStringInfo(&json, "%s\"%s\"", i > 0 ? ", " : "", members[i].name);
	appendStringInfoString(&json, "], \"weights\": [");
	for (int i = 0; i < count; i++)
		appendStringInfo(&json, "%s%.8g", i > 0 ? ", " : "", members[i].weight);
	appendStringInfoString(&json, "]}");
	return DatumGetJsonbP(JsonbFromCString(json.data));
}

/* emotion_ensemble(name text, models text[], weights real[], description text) */
Datum
emotion_ensemble(PG_FUNCTION_ARGS)
{
	ModelPublication publication = { 0 };
	ModelReference published = { 0 };
	model_member members[MODEL_MAX_MEMBERS];
	const char *names[MODEL_MAX_MEMBERS];
	Datum *models, *weights = NULL;
	int count;
	em_status status;
	uint8_t *bytes;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("name and models must not be null")));
	publication.name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	CheckPublishable(publication.name);
	count = ArrayArgument(fcinfo, 1, "models", TEXTOID, &models);
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("models must not be empty"),
				 errhint("Name one or more, as in ARRAY['mine@1', 'mine@2'].")));
	if (count > MODEL_MAX_MEMBERS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("%d models, more than %d", count, MODEL_MAX_MEMBERS)));
	if (!PG_ARGISNULL(2))
	{
		int given = ArrayArgument(fcinfo, 2, "weights", FLOAT4OID, &weights);

		if (given != count)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("%d weights for %d models", given, count),
							errhint("Give one weight per model, or none for equal ones.")));
	}
	for (int i = 0; i < count; i++)
	{
		members[i].weight = weights ? (double) DatumGetFloat4(weights[i]) : 1;
		if (!(members[i].weight > 0 && members[i].weight <= 1e6))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("weight %g is not over 0 and up to 1e6", members[i].weight),
							errhint("Leave a model out to give it no weight.")));
	}
	for (int i = 0; i < count; i++)
	{
		ReadMember(DatumGetTextPP(models[i]), &members[i]);
		for (int j = 0; j < i; j++)
			if (strcmp(members[i].name, members[j].name) == 0)
				ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
								errmsg("model \"%s\" is named twice", members[i].name),
								errhint("Its weight says how much it counts.")));
	}
	Check(model_join(ContextAllocator(CurrentMemoryContext), members, (size_t) count, &bytes,
					 &publication.size, &status),
		  &status);
	for (int i = 0; i < count; i++)
	{
		pfree(unconstify(uint8 *, members[i].bytes));
		names[i] = members[i].name;
	}

	publication.bytes = bytes;
	publication.lineage = Lineage(members, count);
	publication.sources = names;
	publication.source_count = count;
	if (!PG_ARGISNULL(3))
		publication.description = text_to_cstring(PG_GETARG_TEXT_PP(3));
	strlcpy(published.name, publication.name, sizeof(published.name));
	published.version = PublishModel(&publication);
	PG_RETURN_TEXT_P(cstring_to_text(ModelReferenceString(&published)));
}
