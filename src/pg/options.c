/*
 * options.c
 *	  Options that users give as one jsonb object.
 */
#include "postgres.h"

#include "options.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/tuplestore.h"

#include "glue.h"

/* A piece of jsonb text, which is in the database's encoding, as UTF-8. */
static em_slice
Utf8Slice(const char *bytes, int length)
{
	return TextAsUtf8(cstring_to_text_with_len(bytes, length));
}

static double
NumberOf(Numeric number)
{
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(number)));
}

static void
ConvertArray(const JsonbContainer *array, option_value *value)
{
	JsonbIterator *iterator = JsonbIteratorInit(unconstify(JsonbContainer *, array));
	JsonbIteratorToken token;
	JsonbValue element;

	value->type = OPTION_VALUE_NUMBERS;
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (element.type != jbvNumeric)
			value->type = OPTION_VALUE_OTHER;
		else if (value->count++ < OPTION_LIST_MAX)
			value->numbers[value->count - 1] = NumberOf(element.val.numeric);
	}
}

static option_value
ConvertValue(const JsonbValue *json)
{
	option_value value;

	memset(&value, 0, sizeof(value));
	switch (json->type)
	{
		case jbvNull:
			value.type = OPTION_VALUE_NULL;
			break;
		case jbvBool:
			value.type = OPTION_VALUE_BOOL;
			value.boolean = json->val.boolean;
			break;
		case jbvNumeric:
			value.type = OPTION_VALUE_NUMBER;
			value.number = NumberOf(json->val.numeric);
			break;
		case jbvString:
			value.type = OPTION_VALUE_STRING;
			value.string = Utf8Slice(json->val.string.val, json->val.string.len);
			break;
		case jbvBinary:
			if (JsonContainerIsArray(json->val.binary.data))
				ConvertArray(json->val.binary.data, &value);
			else
				value.type = OPTION_VALUE_OTHER;
			break;
		default:
			value.type = OPTION_VALUE_OTHER;
			break;
	}
	return value;
}

void
VisitOptions(const Jsonb *options,
			 void (*visit)(em_slice name, const option_value *value, const JsonbValue *json,
						   void *context),
			 void *context)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue json;
	em_slice name = { "", 0 };

	if (options == NULL)
		return;
	if (!JB_ROOT_IS_OBJECT(options))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("options must be a JSON object"),
				 errhint("Write them as in '{\"seed\": 7}'.")));
	iterator = JsonbIteratorInit(unconstify(JsonbContainer *, &options->root));
	while ((token = JsonbIteratorNext(&iterator, &json, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = Utf8Slice(json.val.string.val, json.val.string.len);
		else if (token == WJB_VALUE)
		{
			option_value value = ConvertValue(&json);

			visit(name, &value, &json, context);
		}
	}
}

void
UnknownOption(em_slice name, const char *where_listed)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("unknown option \"%s\"", CStringFromUtf8(name.bytes, name.length)),
					errhint("%s", where_listed)));
}

char *
StringOption(em_slice name, const option_value *value)
{
	if (value->type != OPTION_VALUE_STRING || value->string.length == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"%s\" must be a string that is not empty",
							   CStringFromUtf8(name.bytes, name.length))));
	return CStringFromUtf8(value->string.bytes, value->string.length);
}

void
SetOption(const option_spec *spec, void *target, const option_value *value)
{
	em_status status;

	if (option_set(spec, target, value, &status) != EM_OK)
		ReportStatus(&status);
}

bool
OptionIs(em_slice name, const char *what)
{
	return name.length == strlen(what) && memcmp(name.bytes, what, name.length) == 0;
}

bool
SetNamedOption(const StringSpec *strings, const option_spec *specs, void *target, em_slice name,
			   const option_value *value)
{
	const option_spec *spec = specs ? option_find(specs, name.bytes, name.length) : NULL;

	if (spec != NULL)
	{
		SetOption(spec, target, value);
		return true;
	}
	for (; strings != NULL && strings->name != NULL; strings++)
		if (OptionIs(name, strings->name))
		{
			*(char **) ((char *) target + strings->offset) = StringOption(name, value);
			return true;
		}
	return false;
}

static JsonbValue *
FindOption(const Jsonb *options, char *name)
{
	JsonbValue key;

	key.type = jbvString;
	key.val.string.val = name;
	key.val.string.len = (int) strlen(name);
	return findJsonbValueFromContainer(unconstify(JsonbContainer *, &options->root), JB_FOBJECT,
									   &key);
}

static void
CheckResumeOption(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	const Jsonb *stored = context;
	JsonbValue *before;
	char *bytes = CStringFromUtf8(name.bytes, name.length);

	(void) value;
	if (OptionIs(name, "resume") || OptionIs(name, "threads"))
		return;
	before = FindOption(stored, bytes);
	if (before != NULL)
	{
		Jsonb *was = JsonbValueToJsonb(before);
		Jsonb *is = JsonbValueToJsonb(unconstify(JsonbValue *, json));

		if (compareJsonbContainers(&was->root, &is->root) == 0)
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("option \"%s\" differs from what the unfinished training began with", bytes),
			 errhint("With \"resume\", leave other options out: those of the beginning apply.")));
}

void
CheckSameOptions(const Jsonb *given, const Jsonb *stored)
{
	VisitOptions(given, CheckResumeOption, unconstify(Jsonb *, stored));
}

bool
HasOption(const Jsonb *options, const char *name)
{
	return FindOption(options, unconstify(char *, name)) != NULL;
}

void
PutOption(ReturnSetInfo *set, const char *name, const char *type, const char *value,
		  const char *range, const char *meaning)
{
	Datum values[5] = { CStringGetTextDatum(name), CStringGetTextDatum(type), (Datum) 0, (Datum) 0,
						CStringGetTextDatum(meaning) };
	bool nulls[5] = { false, false, value == NULL, range == NULL, false };

	if (value != NULL)
		values[2] = CStringGetTextDatum(value);
	if (range != NULL)
		values[3] = CStringGetTextDatum(range);
	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

void
PutOptions(ReturnSetInfo *set, const option_spec *specs, const void *defaults)
{
	static const char *const types[] = { "integer", "number",   "boolean",
										 "choice",  "integers", "integer" };

	for (; specs->name != NULL; specs++)
	{
		char value[200];
		StringInfoData range;

		initStringInfo(&range);
		if (specs->type == OPTION_CHOICE)
		{
			for (int i = 0; specs->choices[i] != NULL; i++)
				appendStringInfo(&range, "%s%s", i == 0 ? "" : ", ", specs->choices[i]);
		}
		else if (specs->type != OPTION_BOOL)
			appendStringInfo(&range, "%.15g to ", specs->minimum);
		if (specs->type == OPTION_UINT64)
			appendStringInfoString(&range, "2^63 - 1");
		else if (specs->type != OPTION_CHOICE && specs->type != OPTION_BOOL)
			appendStringInfo(&range, "%.15g", specs->maximum);
		option_print(specs, defaults, value, sizeof(value));
		PutOption(set, specs->name, types[specs->type], value, range.len > 0 ? range.data : NULL,
				  specs->meaning);
	}
}

/* What VisitNamedOption() is told. */
typedef struct NamedOptions
{
	const StringSpec *strings;
	const option_spec *specs;
	void *target;
} NamedOptions;

static void
VisitNamedOption(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	const NamedOptions *options = context;
	StringInfoData hint;

	(void) json;
	if (SetNamedOption(options->strings, options->specs, options->target, name, value))
		return;
	initStringInfo(&hint);
	appendStringInfoString(&hint, "Options are");
	for (const StringSpec *string = options->strings; string->name != NULL; string++)
		appendStringInfo(&hint, " %s,", string->name);
	for (const option_spec *spec = options->specs; spec->name != NULL; spec++)
		appendStringInfo(&hint, "%s %s%s", spec[1].name == NULL ? " and" : "", spec->name,
						 spec[1].name == NULL ? "." : ",");
	UnknownOption(name, hint.data);
}

void
SetNamedOptions(const Jsonb *options, const StringSpec *strings, const option_spec *specs,
				void *target)
{
	NamedOptions named = { strings, specs, target };

	VisitOptions(options, VisitNamedOption, &named);
}
