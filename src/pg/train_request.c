/*
 * train_request.c
 *	  The options of emotion_train().
 */
#include "postgres.h"

#include "train_request.h"

#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "glue.h"
#include "options.h"

#define WHERE_LISTED "SELECT * FROM emotion_train_options() lists the options."

static const char *const storage_names[] = { "f32", "f16", "bf16", NULL };

static const StringSpec string_specs[] = {
	{ "text_column", offsetof(TrainRequest, text_column), "column of the texts" },
	{ "label_column", offsetof(TrainRequest, label_column),
	  "column of the labels, an array of text" },
	{ "split_column", offsetof(TrainRequest, split_column),
	  "column that says which rows train and which are held out" },
	{ "train_split", offsetof(TrainRequest, train_split), "its value for rows to train on" },
	{ "dev_split", offsetof(TrainRequest, dev_split), "its value for rows that are held out" },
	{ "weight_column", offsetof(TrainRequest, weight_column),
	  "column of the rows' weights in the loss" },
	{ "dev_source", offsetof(TrainRequest, dev_source),
	  "table or query of the rows that are held out, with the same columns" },
	{ "architecture", offsetof(TrainRequest, architecture), "kind of network" },
	{ "description", offsetof(TrainRequest, description), "kept with the model" },
	{ NULL, 0, NULL },
};

static const option_spec request_specs[] = {
	{ "holdout", OPTION_REAL, offsetof(TrainRequest, holdout), 0, 0.9, NULL,
	  "share of the texts held out when neither split_column nor dev_source is given" },
	{ "storage", OPTION_CHOICE, offsetof(TrainRequest, storage), 0, 0, storage_names,
	  "how word vectors are kept in the published model" },
	{ "threads", OPTION_INT, offsetof(TrainRequest, threads), 0, 256, NULL,
	  "threads to compute with; 0: one more than max_parallel_maintenance_workers, at most one per "
	  "core" },
	{ "resume", OPTION_BOOL, offsetof(TrainRequest, resume), 0, 1, NULL,
	  "go on with the unfinished training of this name" },
	{ NULL, OPTION_INT, 0, 0, 0, NULL, NULL },
};

static void
RequestDefaults(TrainRequest *request)
{
	memset(request, 0, sizeof(*request));
	request->text_column = "text";
	request->label_column = "labels";
	request->train_split = "train";
	request->dev_split = "dev";
	request->architecture = MODEL_ARCHITECTURE;
	request->holdout = 0.1;
	request->storage = MODEL_F16;
	model_config_default(&request->config);
	trainer_options_default(&request->trainer);
}

static void
ParseLabels(TrainRequest *request, const JsonbValue *json)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue element;

	if (json->type != jbvBinary || !JsonContainerIsArray(json->val.binary.data) ||
		JsonContainerSize(json->val.binary.data) == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"labels\" must be an array of strings that is not empty")));
	request->labels = palloc(sizeof(char *) * JsonContainerSize(json->val.binary.data));
	iterator = JsonbIteratorInit(json->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (element.type != jbvString)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("option \"labels\" must be an array of strings")));
		request->labels[request->label_count++] =
			pnstrdup(element.val.string.val, (Size) element.val.string.len);
	}
}

static void
VisitOption(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	TrainRequest *request = context;
	em_status status;
	bool known;

	if (OptionIs(name, "labels"))
		ParseLabels(request, json);
	else if (SetNamedOption(string_specs, request_specs, request, name, value) ||
			 SetNamedOption(NULL, trainer_option_specs, &request->trainer, name, value))
		return;
	else if (OptionIs(name, MODEL_TEXT_PRESET))
		return; /* went first */
	else
	{
		if (model_config_set(&request->config, name, value, &known, &status) != EM_OK)
			ReportStatus(&status);
		if (!known)
			UnknownOption(name, WHERE_LISTED);
	}
}

/* The preset goes first, so that single text options refine it whatever their order. */
static void
VisitPreset(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	TrainRequest *request = context;
	em_status status;
	bool known;

	(void) json;
	if (OptionIs(name, MODEL_TEXT_PRESET) &&
		model_config_set(&request->config, name, value, &known, &status) != EM_OK)
		ReportStatus(&status);
}

void
ParseTrainOptions(const Jsonb *options, TrainRequest *request)
{
	em_status status;

	RequestDefaults(request);
	VisitOptions(options, VisitPreset, request);
	VisitOptions(options, VisitOption, request);
	if (model_config_check(&request->config, &status) != EM_OK)
		ReportStatus(&status);
	if (strcmp(request->architecture, MODEL_ARCHITECTURE) != 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("unknown architecture \"%s\"", request->architecture),
						errhint("There is \"%s\".", MODEL_ARCHITECTURE)));
	if (request->split_column && request->dev_source)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("options \"split_column\" and \"dev_source\" exclude each other"),
						errhint("Held-out rows come from one of them.")));
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
ParseResumeOptions(const Jsonb *given, const Jsonb *stored, TrainRequest *request)
{
	TrainRequest now;

	ParseTrainOptions(given, &now);
	VisitOptions(given, CheckResumeOption, unconstify(Jsonb *, stored));
	ParseTrainOptions(stored, request);
	request->resume = true;
	if (FindOption(given, "threads") != NULL)
		request->threads = now.threads;
}

static void
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

static void
PutSpecs(ReturnSetInfo *set, const option_spec *specs, const void *defaults)
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

PG_FUNCTION_INFO_V1(emotion_train_options);

/* All options of emotion_train: (name, type, default, range, meaning). */
Datum
emotion_train_options(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = BeginSet(fcinfo);
	TrainRequest defaults;

	RequestDefaults(&defaults);
	for (size_t i = 0; string_specs[i].name != NULL; i++)
	{
		const char *value = *(char **) ((char *) &defaults + string_specs[i].offset);

		PutOption(set, string_specs[i].name, "string", value ? psprintf("\"%s\"", value) : NULL,
				  NULL, string_specs[i].meaning);
	}
	PutOption(set, "labels", "strings", NULL, NULL,
			  "labels to learn, in the order of the scores; all of the source in byte order unless "
			  "given");
	PutSpecs(set, request_specs, &defaults);
	PutSpecs(set, trainer_option_specs, &defaults.trainer);
	PutOption(set, MODEL_TEXT_PRESET, "choice", "\"default\"", "default, paper",
			  "sets all options whose names begin with text_");
	PutSpecs(set, model_config_options, &defaults.config);
	return (Datum) 0;
}
