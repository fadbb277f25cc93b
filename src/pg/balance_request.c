/*
 * balance_request.c
 *	  Targets, strategies and options of emotion_balance().
 */
#include "postgres.h"

#include "balance.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "glue.h"
#include "options.h"

#define WHERE_LISTED                                                                               \
	"Options are text_column, label_column, key_column, source_column, trust, "                    \
	"confidence_column, min_confidence, feature_column, duplicates, seed and, for all or, in an "  \
	"object named like a strategy, for one: percent, to_target, max_copies, neighbours, labels, "  \
	"threshold."

static const char *const method_names[] = { "quota",    "ml_ros",  "ml_rus", "lp_ros", "lp_rus",
											"remedial", "mlsmote", "mlenn",  NULL };
static const char *const rule_names[] = { "ranking", "union", "intersection", NULL };

static const option_spec request_specs[] = {
	{ "duplicates", OPTION_BOOL, offsetof(BalanceRequest, duplicates), 0, 1, NULL,
	  "of texts of the same words quota takes one" },
	{ "seed", OPTION_UINT64, offsetof(BalanceRequest, seed), 0, 9223372036854775807.0, NULL,
	  "of all that is drawn" },
	{ NULL, OPTION_INT, 0, 0, 0, NULL, NULL },
};

/* Options of a step, as the table below wants them. */
typedef struct StepOptions
{
	double percent;
	bool to_target;
	int max_copies;
	int neighbours;
	int rule;
	double threshold;
} StepOptions;

static const option_spec step_specs[] = {
	{ "percent", OPTION_REAL, offsetof(StepOptions, percent), 1e-6, 1e6, NULL,
	  "of the rows to add or to drop" },
	{ "to_target", OPTION_BOOL, offsetof(StepOptions, to_target), 0, 1, NULL,
	  "ml_ros, mlsmote: until each label has its target" },
	{ "max_copies", OPTION_INT, offsetof(StepOptions, max_copies), 1, DATA_MAX_COPIES, NULL,
	  "quota: how often a row may be used" },
	{ "neighbours", OPTION_INT, offsetof(StepOptions, neighbours), 1, DATA_MAX_NEIGHBOURS, NULL,
	  "mlsmote, mlenn" },
	{ "labels", OPTION_CHOICE, offsetof(StepOptions, rule), 0, 0, rule_names,
	  "mlsmote: of a synthetic row" },
	{ "threshold", OPTION_REAL, offsetof(StepOptions, threshold), 0, 1, NULL,
	  "mlenn: label sets that differ by more do differ" },
	{ NULL, OPTION_INT, 0, 0, 0, NULL, NULL },
};

/* A step while its options are read. */
typedef struct StepReading
{
	BalanceRequest *request;
	StepOptions options[DATA_MAX_BALANCE_STEPS];
	int only; /* method whose own object is read; -1: all */
} StepReading;

static void
ParseTrust(BalanceRequest *request, const JsonbValue *json)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue element;

	request->trust_count = 0;
	if (json->type != jbvBinary || !JsonContainerIsArray(json->val.binary.data))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"trust\" must be an array of names of sources"),
						errhint("The most trusted comes first.")));
	iterator = JsonbIteratorInit(json->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (element.type != jbvString || request->trust_count == DATA_MAX_SOURCES)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("option \"trust\" must be an array of at most %d names",
								   DATA_MAX_SOURCES)));
		request->trust[request->trust_count++] =
			pnstrdup(element.val.string.val, (Size) element.val.string.len);
	}
}

static const StringSpec string_specs[] = {
	{ "text_column", offsetof(BalanceRequest, text_column), "column of the texts" },
	{ "label_column", offsetof(BalanceRequest, label_column), "column of the labels" },
	{ "key_column", offsetof(BalanceRequest, key_column), "column that tells rows apart" },
	{ "source_column", offsetof(BalanceRequest, source_column), "column of where a row is from" },
	{ "confidence_column", offsetof(BalanceRequest, confidence_column),
	  "column of how sure a label is" },
	{ "feature_column", offsetof(BalanceRequest, feature_column),
	  "column of numbers that describe a row" },
	{ NULL, 0, NULL },
};

static void
SetStepOption(const option_spec *spec, StepReading *reading, const option_value *value)
{
	StepOptions checked;

	SetOption(spec, &checked, value);
	for (uint32 i = 0; i < reading->request->step_count; i++)
		if (reading->only < 0 || (int) reading->request->steps[i].method == reading->only)
			SetOption(spec, &reading->options[i], value);
}

static void
VisitStepOption(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	const option_spec *spec = option_find(step_specs, name.bytes, name.length);

	(void) json;
	if (spec == NULL)
		UnknownOption(name, "Options of a strategy are percent, to_target, max_copies, neighbours, "
							"labels and threshold.");
	SetStepOption(spec, context, value);
}

static void
VisitOption(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	StepReading *reading = context;
	BalanceRequest *request = reading->request;
	const option_spec *spec;

	for (int method = 0; method_names[method]; method++)
		if (OptionIs(name, method_names[method]))
			return; /* goes after those for all */
	if (OptionIs(name, "trust"))
		ParseTrust(request, json);
	else if (OptionIs(name, "min_confidence"))
		request->min_confidence = JsonbValueToJsonb(unconstify(JsonbValue *, json));
	else if (SetNamedOption(string_specs, request_specs, request, name, value))
		return;
	else if ((spec = option_find(step_specs, name.bytes, name.length)) != NULL)
		SetStepOption(spec, reading, value);
	else
		UnknownOption(name, WHERE_LISTED);
}

/* {"ml_ros": {"percent": 50}}: for steps of that name. */
static void
VisitMethod(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	StepReading *reading = context;

	(void) value;
	for (int method = 0; method_names[method]; method++)
		if (OptionIs(name, method_names[method]))
		{
			if (json->type != jbvBinary || !JsonContainerIsObject(json->val.binary.data))
				ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
								errmsg("option \"%s\" must be an object of options for that "
									   "strategy",
									   method_names[method])));
			reading->only = method;
			VisitOptions(JsonbValueToJsonb(unconstify(JsonbValue *, json)), VisitStepOption,
						 reading);
		}
}

/* "remedial, quota" */
static void
ParseStrategy(const char *strategy, BalanceRequest *request)
{
	const char *at = strategy;

	while (*at != '\0')
	{
		const char *end;
		int method = 0;

		while (*at == ',' || isspace((unsigned char) *at))
			at++;
		for (end = at; *end != '\0' && *end != ',' && !isspace((unsigned char) *end);)
			end++;
		if (end == at)
			break;
		while (method_names[method] &&
			   !OptionIs((em_slice){ at, (size_t) (end - at) }, method_names[method]))
			method++;
		if (method_names[method] == NULL)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("unknown strategy \"%.*s\"", (int) (end - at), at),
							errhint("Strategies are quota, ml_ros, ml_rus, lp_ros, lp_rus, "
									"remedial, mlsmote and mlenn, separated by commas.")));
		if (request->step_count == DATA_MAX_BALANCE_STEPS)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("more than %d strategies", DATA_MAX_BALANCE_STEPS)));
		request->step_names[request->step_count] = method_names[method];
		request->steps[request->step_count++].method = (data_balance_method) method;
		at = end;
	}
	if (request->step_count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("strategy must not be empty")));
}

/* A number or JSON, whatever its type; NULL for null. */
static Jsonb *
ParseTargets(FunctionCallInfo fcinfo, int argument)
{
	Oid type = get_fn_expr_argtype(fcinfo->flinfo, argument);
	Jsonb *targets;
	char *json;

	if (PG_ARGISNULL(argument))
		return NULL;
	if (type == UNKNOWNOID || !OidIsValid(type))
		json = PG_GETARG_CSTRING(argument);
	else
	{
		Oid output;
		bool varlena;

		getTypeOutputInfo(type, &output, &varlena);
		json = OidOutputFunctionCall(output, PG_GETARG_DATUM(argument));
	}
	targets = DatumGetJsonbP(JsonbFromCString(json));
	if (JB_ROOT_IS_SCALAR(targets))
	{
		JsonbValue value;

		(void) JsonbExtractScalar(&targets->root, &value);
		if (value.type == jbvNull)
			return NULL;
	}
	return targets;
}

static void
FinishSteps(StepReading *reading)
{
	BalanceRequest *request = reading->request;

	for (uint32 i = 0; i < request->step_count; i++)
	{
		data_balance_step *step = &request->steps[i];
		const StepOptions *options = &reading->options[i];

		step->percent = options->percent;
		step->to_target = options->to_target;
		step->max_copies = (uint32) options->max_copies;
		step->neighbours = (uint32) options->neighbours;
		step->rule = (data_label_rule) options->rule;
		step->threshold = options->threshold;
		if ((step->method == DATA_QUOTA) && request->per_label == NULL)
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("strategy \"quota\" needs per_label"),
							errhint("Give a number of rows, or an object of label: rows.")));
		if ((step->method == DATA_MLSMOTE || step->method == DATA_MLENN) &&
			request->feature_column == NULL)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("strategy \"%s\" needs features", method_names[step->method]),
							errhint("Name a column of type real[] by option \"feature_column\".")));
	}
}

void
ParseBalanceRequest(FunctionCallInfo fcinfo, int first, BalanceRequest *request)
{
	StepReading reading = { 0 };

	memset(request, 0, sizeof(*request));
	request->text_column = "text";
	request->label_column = "labels";
	request->duplicates = true;
	request->seed = 1;
	request->per_label = ParseTargets(fcinfo, first);
	if (PG_ARGISNULL(first + 1) || PG_ARGISNULL(first + 2))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("strategy and options must not be null")));
	ParseStrategy(text_to_cstring(PG_GETARG_TEXT_PP(first + 1)), request);
	reading.request = request;
	reading.only = -1;
	for (uint32 i = 0; i < request->step_count; i++)
	{
		StepOptions *options = &reading.options[i];

		options->percent = 25;
		options->to_target = request->per_label != NULL;
		options->max_copies = 1;
		options->neighbours = request->steps[i].method == DATA_MLENN ? 3 : 5;
		options->threshold = 0.75;
	}
	VisitOptions(PG_GETARG_JSONB_P(first + 2), VisitOption, &reading);
	VisitOptions(PG_GETARG_JSONB_P(first + 2), VisitMethod, &reading);
	if (request->trust_count > 0 && request->source_column == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"trust\" needs option \"source_column\"")));
	FinishSteps(&reading);
}
