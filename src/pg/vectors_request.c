/*
 * vectors_request.c
 *	  The options of emotion_train_vectors().
 */
#include "postgres.h"

#include "vectors_request.h"

#include "glue.h"
#include "options.h"

#define WHERE_LISTED "SELECT * FROM emotion_train_vectors_options() lists the options."

/* A text that teaches words need not be short, as one that is scored should be. */
#define MAX_TOKENS 100000

static const option_spec request_specs[] = {
	{ "threads", OPTION_INT, offsetof(VectorsRequest, threads), 0, 256, NULL,
	  "threads to compute with; 0: one more than max_parallel_maintenance_workers, at most one per "
	  "core" },
	{ "resume", OPTION_BOOL, offsetof(VectorsRequest, resume), 0, 1, NULL,
	  "go on with the unfinished training of this name" },
	{ NULL, OPTION_INT, 0, 0, 0, NULL, NULL },
};

static void
RequestDefaults(VectorsRequest *request)
{
	memset(request, 0, sizeof(*request));
	vectors_options_default(&request->vectors);
	model_config_default(&request->config);
	request->config.text.max_tokens = MAX_TOKENS;
}

static bool
IsTextOption(const char *name, size_t length)
{
	return length > 5 && memcmp(name, "text_", 5) == 0;
}

/* The preset goes first, so that single text options refine it whatever their order. */
static void
VisitPreset(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	VectorsRequest *request = context;
	em_status status;
	bool known;

	(void) json;
	if (!OptionIs(name, MODEL_TEXT_PRESET))
		return;
	if (model_config_set(&request->config, name, value, &known, &status) != EM_OK)
		ReportStatus(&status);
	request->config.text.max_tokens = MAX_TOKENS;
}

static void
VisitOption(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	VectorsRequest *request = context;
	em_status status;
	bool known = false;

	(void) json;
	if (SetNamedOption(NULL, request_specs, request, name, value) ||
		SetNamedOption(NULL, vectors_option_specs, &request->vectors, name, value) ||
		OptionIs(name, MODEL_TEXT_PRESET))
		return;
	if (IsTextOption(name.bytes, name.length) &&
		model_config_set(&request->config, name, value, &known, &status) != EM_OK)
		ReportStatus(&status);
	if (!known)
		UnknownOption(name, WHERE_LISTED);
}

void
ParseVectorsOptions(const Jsonb *options, VectorsRequest *request)
{
	em_status status;

	RequestDefaults(request);
	VisitOptions(options, VisitPreset, request);
	VisitOptions(options, VisitOption, request);
	if (vectors_options_check(&request->vectors, &status) != EM_OK ||
		model_config_check(&request->config, &status) != EM_OK)
		ReportStatus(&status);
}

void
ParseVectorsResume(const Jsonb *given, const Jsonb *stored, VectorsRequest *request)
{
	VectorsRequest now;

	ParseVectorsOptions(given, &now);
	CheckSameOptions(given, stored);
	ParseVectorsOptions(stored, request);
	request->resume = true;
	if (HasOption(given, "threads"))
		request->threads = now.threads;
}

PG_FUNCTION_INFO_V1(emotion_train_vectors_options);

/* All options of emotion_train_vectors: (name, type, default, range, meaning). */
Datum
emotion_train_vectors_options(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = BeginSet(fcinfo);
	VectorsRequest defaults;

	RequestDefaults(&defaults);
	PutOptions(set, vectors_option_specs, &defaults.vectors);
	PutOptions(set, request_specs, &defaults);
	PutOption(set, MODEL_TEXT_PRESET, "choice", "\"default\"", "default, paper",
			  "sets all options whose names begin with text_ but text_max_tokens");
	for (const option_spec *spec = model_config_options; spec->name != NULL; spec++)
		if (IsTextOption(spec->name, strlen(spec->name)))
		{
			option_spec one[2] = { *spec };

			PutOptions(set, one, &defaults.config);
		}
	return (Datum) 0;
}
