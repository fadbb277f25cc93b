/*
 * train_request.c
 *	  The options of emotion_train().
 */
#include "postgres.h"

#include "train_request.h"

#include "utils/builtins.h"

#include "../model/encoder_config.h"
#include "../model/model.h"
#include "../model/soft_targets.h"
#include "glue.h"
#include "options.h"

/* Share of the labelled texts held out when nothing else is said. */
#define DEFAULT_HOLDOUT 0.1
#define DEFAULT_DROPOUT_SUBWORD 0.1 /* of networks with n-grams */

#define WHERE_LISTED "SELECT * FROM emotion_train_options() lists the options."

static const char *const storage_names[] = { "f32", "f16", "bf16", "i8", NULL };

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
	{ "base", offsetof(TrainRequest, base),
	  "model, name@version, that the network begins as; its shape and words are kept" },
	{ "cue_source", offsetof(TrainRequest, cue_source),
	  "for objective cues: table or query of labelled rows, whose labels choose the words" },
	{ "vectors", offsetof(TrainRequest, vectors),
	  "word vectors of emotion.vectors that the network begins with; embedding_dim is theirs" },
	{ "soft_column", offsetof(TrainRequest, soft_column),
	  "column of a teacher's scores, one per label in the order of the labels; null in rows "
	  "without" },
	{ "transfer_source", offsetof(TrainRequest, transfer_source),
	  "table or query of texts without labels, learnt from soft targets alone" },
	{ "transfer_text_column", offsetof(TrainRequest, transfer_text_column),
	  "column of its texts; text_column unless given" },
	{ "architecture", offsetof(TrainRequest, architecture),
	  "kind of network: " MODEL_ARCHITECTURE ", or " ENCODER_ARCHITECTURE ", a transformer" },
	{ "tokenizer", offsetof(TrainRequest, encoder.tokenizer),
	  "roberta: model, name@version, whose tokeniser is used; a base brings its own" },
	{ "description", offsetof(TrainRequest, description), "kept with the model" },
	{ NULL, 0, NULL },
};

static const char *const objective_names[] = { "labels", "cues", NULL };

static const option_spec request_specs[] = {
	{ "objective", OPTION_CHOICE, offsetof(TrainRequest, objective), 0, 0, objective_names,
	  "what is learnt: the rows' labels, or to foresee hidden words in texts without labels" },
	{ "cues", OPTION_INT, offsetof(TrainRequest, cues), 1, MODEL_MAX_LABELS, NULL,
	  "how many words are foreseen, at most: those that say most about a label of cue_source" },
	{ "cue_rate", OPTION_REAL, offsetof(TrainRequest, cue_rate), 0, 1, NULL,
	  "share of their occurrences that is hidden" },
	{ "cue_noise", OPTION_REAL, offsetof(TrainRequest, cue_noise), 0, 1, NULL,
	  "share of all other words that is hidden besides" },
	{ "cue_count", OPTION_INT, offsetof(TrainRequest, cue_count), 1, 1000000000, NULL,
	  "words seen so often in the texts without labels join those of cue_source" },
	{ "holdout", OPTION_REAL, offsetof(TrainRequest, holdout), 0, 0.9, NULL,
	  "share of the texts held out when neither split_column nor dev_source is given" },
	{ "soft_weight", OPTION_REAL, offsetof(TrainRequest, soft_weight), 0, 1, NULL,
	  "share of the soft targets in what rows with labels learn" },
	{ "soft_temperature", OPTION_REAL, offsetof(TrainRequest, soft_temperature),
	  SOFT_MIN_TEMPERATURE, SOFT_MAX_TEMPERATURE, NULL,
	  "what the logits of soft targets are divided by: over 1 softens, under 1 sharpens them" },
	{ "transfer_weight", OPTION_REAL, offsetof(TrainRequest, transfer_weight), 0, 1000, NULL,
	  "weight in the loss of the texts of transfer_source" },
	{ "storage", OPTION_CHOICE, offsetof(TrainRequest, storage), 0, 0, storage_names,
	  "how word vectors are kept in the published model; i8: and all others but the last layer as "
	  "f16" },
	{ "vectors_words", OPTION_INT, offsetof(TrainRequest, vectors_words), 0, 10000000, NULL,
	  "how many of the vectors' first words join those of the training texts" },
	{ "threads", OPTION_INT, offsetof(TrainRequest, threads), 0, 256, NULL,
	  "threads to compute with; 0: one more than max_parallel_maintenance_workers, at most one per "
	  "core" },
	{ "resume", OPTION_BOOL, offsetof(TrainRequest, resume), 0, 1, NULL,
	  "go on with the unfinished training of this name" },
	{ NULL, OPTION_INT, 0, 0, 0, NULL, NULL },
};

#define ENCODER(field) offsetof(TrainEncoder, field)

static const option_spec encoder_specs[] = {
	{ "layers", OPTION_INT, ENCODER(layers), 1, ENCODER_MAX_LAYERS, NULL, "roberta: layers" },
	{ "hidden", OPTION_INT, ENCODER(hidden), 1, 2048, NULL,
	  "roberta: numbers per token, a multiple of heads" },
	{ "heads", OPTION_INT, ENCODER(heads), 1, 128, NULL, "roberta: heads of the attention" },
	{ "inner", OPTION_INT, ENCODER(inner), 0, 8192, NULL,
	  "roberta: units of a layer's inner part; 0: four times hidden" },
	{ "max_tokens", OPTION_INT, ENCODER(max_tokens), 0, 8190, NULL,
	  "roberta: tokens read of a text, <s> and </s> included; 0: as many as the base, or 128" },
	{ "vocabulary_size", OPTION_INT, ENCODER(vocabulary_size), 300, 1000000, NULL,
	  "roberta: tokens of a tokeniser that is learned from the texts" },
	{ "hidden_dropout", OPTION_REAL, ENCODER(hidden_dropout), 0, 0.95, NULL,
	  "roberta: part of the embeddings and of each layer's outputs left out; a base has its own" },
	{ "attention_dropout", OPTION_REAL, ENCODER(attention_dropout), 0, 0.95, NULL,
	  "roberta: part of the attention left out; a base has its own" },
	{ "classifier_dropout", OPTION_REAL, ENCODER(classifier_dropout), 0, 0.95, NULL,
	  "roberta: part of the head's input and hidden layer left out; a base has its own" },
	{ NULL, OPTION_INT, 0, 0, 0, NULL, NULL },
};

static const TrainEncoder encoder_defaults = {
	.layers = 4,
	.hidden = 256,
	.heads = 4,
	.vocabulary_size = 8000,
	.hidden_dropout = 0.1,
	.attention_dropout = 0.1,
	.classifier_dropout = 0.1,
};

static void
RequestDefaults(const model_config *base, TrainRequest *request)
{
	memset(request, 0, sizeof(*request));
	request->text_column = "text";
	request->label_column = "labels";
	request->train_split = "train";
	request->dev_split = "dev";
	request->architecture = MODEL_ARCHITECTURE;
	request->encoder = encoder_defaults;
	request->soft_weight = 0.5;
	request->soft_temperature = 1;
	request->transfer_weight = 1;
	request->cues = 400;
	request->cue_rate = 0.5;
	request->cue_noise = 0.1;
	request->cue_count = 100;
	request->holdout = -1; /* not given */
	request->storage = MODEL_F16;
	if (base != NULL)
		request->config = *base;
	else
		model_config_default(&request->config);
	trainer_options_default(&request->trainer);
}

/* An array of strings that is not empty. */
static int
ParseStrings(const char *option, const JsonbValue *json, char ***strings)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue element;
	int count = 0;

	if (json->type != jbvBinary || !JsonContainerIsArray(json->val.binary.data) ||
		JsonContainerSize(json->val.binary.data) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be an array of strings that is not empty", option),
				 errhint("Write [\"one\", \"other\"], of one only [\"one\"].")));
	*strings = palloc(sizeof(char *) * JsonContainerSize(json->val.binary.data));
	iterator = JsonbIteratorInit(json->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (element.type != jbvString)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("option \"%s\" must be an array of strings", option),
							errhint("Write [\"one\", \"other\"].")));
		(*strings)[count++] = pnstrdup(element.val.string.val, (Size) element.val.string.len);
	}
	return count;
}

static void
VisitOption(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	TrainRequest *request = context;
	TrainEncoder *encoder = &request->encoder;
	em_status status;
	bool known;

	encoder->hidden_dropout_given |= OptionIs(name, "hidden_dropout");
	encoder->attention_dropout_given |= OptionIs(name, "attention_dropout");
	encoder->classifier_dropout_given |= OptionIs(name, "classifier_dropout");
	request->dim_given |= OptionIs(name, "embedding_dim");
	request->dev_given |= OptionIs(name, "dev_split");
	request->subword_given |= OptionIs(name, "dropout_subword");
	if (OptionIs(name, "labels"))
		request->label_count = ParseStrings("labels", json, &request->labels);
	else if (OptionIs(name, "teachers"))
		request->teacher_count = ParseStrings("teachers", json, &request->teachers);
	else if (SetNamedOption(string_specs, request_specs, request, name, value) ||
			 SetNamedOption(NULL, trainer_option_specs, &request->trainer, name, value))
		return;
	else if (request->is_encoder && SetNamedOption(NULL, encoder_specs, encoder, name, value))
		return;
	else if (OptionIs(name, MODEL_TEXT_PRESET))
		return; /* went first */
	else
	{
		if (model_config_set(&request->config, name, value, &known, &status) != EM_OK)
			ReportStatus(&status);
		/* of the other kind of network: CheckArchitecture() tells */
		if (!known && !SetNamedOption(NULL, encoder_specs, encoder, name, value))
			UnknownOption(name, WHERE_LISTED);
	}
}

/* These go first, so that others refine what they stand for, whatever their order. */
static void
VisitPreset(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	TrainRequest *request = context;
	em_status status;
	bool known;

	(void) json;
	if (OptionIs(name, "architecture") || OptionIs(name, "base") || OptionIs(name, "resume"))
		(void) SetNamedOption(string_specs, request_specs, request, name, value);
	if (OptionIs(name, MODEL_TEXT_PRESET) &&
		model_config_set(&request->config, name, value, &known, &status) != EM_OK)
		ReportStatus(&status);
}

/* Refuse options, a list that a NULL ends, that would be without effect. */
static void
RefuseIdle(const Jsonb *options, const char *const *names, const char *what)
{
	for (; *names != NULL; names++)
		if (HasOption(options, *names))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("option \"%s\" %s", *names, what),
							errhint("It would be without effect: leave it out.")));
}

/* What stands in roberta for an option of the other kind of network; NULL: nothing does. */
static const char *
Counterpart(const char *name)
{
	static const char *const pairs[][2] = {
		{ "embedding_dim", "\"hidden\"" },
		{ "filters", "\"inner\"" },
		{ "attention", "\"heads\"" },
		{ "text_max_tokens", "\"max_tokens\"" },
		{ "min_count", "\"vocabulary_size\"" },
		{ "max_words", "\"vocabulary_size\"" },
		{ "vectors", "\"base\"" },
		{ "vectors_words", "\"base\"" },
		{ "objective", "a \"base\" that was pretrained" },
		{ "cue_source", "a \"base\" that was pretrained" },
		{ "embedding_rate", "\"layer_decay\" or \"frozen\"" },
		{ "unfreeze_epochs", "\"layer_decay\" or \"frozen\"" },
		{ "dropout_conv", "\"hidden_dropout\"" },
		{ "dropout_embedding", "\"hidden_dropout\"" },
		{ "dropout_hidden", "\"hidden_dropout\" or \"attention_dropout\"" },
		{ "dropout_pooled", "\"classifier_dropout\"" },
		{ "dropout_samples", "\"classifier_dropout\"" },
	};

	for (size_t i = 0; i < lengthof(pairs); i++)
		if (strcmp(pairs[i][0], name) == 0)
			return pairs[i][1];
	return strncmp(name, "text_", strlen("text_")) == 0 ? "its tokeniser" : NULL;
}

/* Refuse options that the architecture has no use for. */
static void
RefuseForeign(const Jsonb *options, const char *name, const char *architecture, bool has)
{
	const char *instead = Counterpart(name);

	if (HasOption(options, name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" is %sfor architecture \"%s\"", name, has ? "" : "not ",
						architecture),
				 has ? errhint("Leave it out, or set \"architecture\" to \"%s\".", architecture)
				 : instead != NULL
					 ? errhint("In its place stands %s; leave \"%s\" out.", instead, name)
					 : errhint("There is nothing like it there; leave \"%s\" out. " WHERE_LISTED,
							   name)));
}

/* Options whose names another kind of network does not know; and those without effect there. */
static void
CheckArchitecture(const Jsonb *options, const TrainRequest *request)
{
	static const char *const words[] = {
		"objective",      "cue_source",       "vectors",         "vectors_words",
		"embedding_rate", "dropout_samples",  "mixup",           "min_count",
		"max_words",      "weight_averaging", "unfreeze_epochs", MODEL_TEXT_PRESET,
	};
	static const char *const encoders[] = { "tokenizer", "frozen" };
	static const char *const fresh[] = { "layers", "hidden",    "heads",
										 "inner",  "tokenizer", "vocabulary_size" };

	if (!request->is_encoder)
	{
		for (size_t i = 0; i < lengthof(encoders); i++)
			RefuseForeign(options, encoders[i], ENCODER_ARCHITECTURE, true);
		for (const option_spec *spec = encoder_specs; spec->name != NULL; spec++)
			if (option_find(model_config_options, spec->name, strlen(spec->name)) == NULL)
				RefuseForeign(options, spec->name, ENCODER_ARCHITECTURE, true);
		return;
	}
	for (size_t i = 0; i < lengthof(words); i++)
		RefuseForeign(options, words[i], ENCODER_ARCHITECTURE, false);
	for (const option_spec *spec = model_config_options; spec->name != NULL; spec++)
		if (option_find(encoder_specs, spec->name, strlen(spec->name)) == NULL)
			RefuseForeign(options, spec->name, ENCODER_ARCHITECTURE, false);
	for (size_t i = 0; request->base != NULL && i < lengthof(fresh); i++)
		if (HasOption(options, fresh[i]))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("options \"base\" and \"%s\" exclude each other", fresh[i]),
							errhint("A base brings its own network and tokeniser.")));
	if (request->encoder.tokenizer != NULL && HasOption(options, "vocabulary_size"))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("options \"tokenizer\" and \"vocabulary_size\" exclude each other"),
						errhint("A tokeniser has its own vocabulary.")));
}

static void
CheckEncoder(const TrainRequest *request)
{
	const TrainEncoder *encoder = &request->encoder;

	if (request->base == NULL && encoder->hidden % encoder->heads != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"hidden\" is %d, no multiple of \"heads\", %d",
							   encoder->hidden, encoder->heads)));
	if (encoder->max_tokens > 0 && encoder->max_tokens < 3)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"max_tokens\" is %d: a text has 3 at least", encoder->max_tokens),
				 errhint("<s> and </s> take two.")));
	if (request->base == NULL && request->trainer.frozen > 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"frozen\" needs option \"base\""),
						errhint("A fresh network has nothing to keep.")));
}

static void
CheckEffects(const Jsonb *options, const TrainRequest *request)
{
	static const char *const cues[] = { "cues", "cue_rate", "cue_noise", "cue_count", NULL };
	static const char *const soft[] = { "soft_weight", "soft_temperature", NULL };
	static const char *const transfer[] = { "transfer_weight", NULL };
	static const char *const split[] = { "train_split", "dev_split", NULL };

	if (request->objective != TRAIN_CUES)
		RefuseIdle(options, cues, "is for objective \"cues\"");
	if (request->soft_column == NULL && request->teachers == NULL)
		RefuseIdle(options, soft, "needs option \"soft_column\" or \"teachers\"");
	if (request->transfer_source == NULL)
		RefuseIdle(options, transfer, "needs option \"transfer_source\"");
	if (request->split_column == NULL)
		RefuseIdle(options, split, "needs option \"split_column\"");
}

static void
CheckObjective(const TrainRequest *request)
{
	bool cues = request->objective == TRAIN_CUES;

	if (request->cue_rate == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"cue_rate\" is 0: no word would be hidden")));
	if (cues && request->cue_source == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("objective \"cues\" needs option \"cue_source\""),
						errhint("Its labels say which words are worth foreseeing.")));
	if (!cues && request->cue_source != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"cue_source\" is for objective \"cues\"")));
	if (cues && (request->labels || request->soft_column || request->teachers))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"%s\" is not for objective \"cues\"",
							   request->labels        ? "labels"
							   : request->soft_column ? "soft_column"
													  : "teachers"),
						errhint("What is learnt are the words that \"cue_source\" chooses.")));
}

void
ParseTrainOptions(const Jsonb *options, const model_config *base, TrainRequest *request)
{
	em_status status;

	RequestDefaults(base, request);
	VisitOptions(options, VisitPreset, request);
	request->is_encoder = strcmp(request->architecture, ENCODER_ARCHITECTURE) == 0;
	if (request->is_encoder)
		trainer_options_default_encoder(&request->trainer, request->base != NULL);
	VisitOptions(options, VisitOption, request);
	/* n-grams that no word is read as learn next to nothing */
	if (request->config.subword_buckets > 0 && request->config.dropout_subword == 0 &&
		!request->subword_given)
		request->config.dropout_subword = DEFAULT_DROPOUT_SUBWORD;
	/* what a base lacks is not known before it is read */
	if ((base != NULL || request->base == NULL) &&
		model_config_check(&request->config, &status) != EM_OK)
		ReportStatus(&status);
	if (!request->is_encoder && strcmp(request->architecture, MODEL_ARCHITECTURE) != 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("unknown architecture \"%s\"", request->architecture),
						errhint("There are \"%s\" and \"%s\".", MODEL_ARCHITECTURE,
								ENCODER_ARCHITECTURE)));
	if (!request->resume) /* which may repeat a part of its options */
		CheckArchitecture(options, request);
	if (request->is_encoder)
		CheckEncoder(request);
	/* what hides words has no truth to be measured by unless it is asked for */
	if (request->holdout < 0)
		request->holdout = request->objective == TRAIN_CUES ? 0 : DEFAULT_HOLDOUT;
	CheckObjective(request);
	if (request->base && request->vectors)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("options \"base\" and \"vectors\" exclude each other"),
						errhint("A base brings its own words and vectors.")));
	if (request->vectors_words > 0 && request->vectors == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"vectors_words\" is %d, but there are no vectors",
							   request->vectors_words),
						errhint("Option \"vectors\" names them.")));
	if (request->split_column && request->dev_source)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("options \"split_column\" and \"dev_source\" exclude each other"),
						errhint("Held-out rows come from one of them.")));
	if (request->soft_column && request->teachers)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("options \"soft_column\" and \"teachers\" exclude each other"),
						errhint("Soft targets come from one of them.")));
	if (request->teacher_count > MODEL_MAX_MEMBERS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%d teachers, more than %d", request->teacher_count, MODEL_MAX_MEMBERS)));
	if (request->transfer_source && !request->soft_column && !request->teachers)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"transfer_source\" needs soft targets"),
				 errhint("Name models by option \"teachers\", or a column of scores by option "
						 "\"soft_column\".")));
	if (request->transfer_text_column && !request->transfer_source)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"transfer_text_column\" needs option "
							   "\"transfer_source\"")));
	if (!request->resume) /* which may repeat a part of its options */
		CheckEffects(options, request);
}

void
ParseResumeOptions(const Jsonb *given, const Jsonb *stored, TrainRequest *request)
{
	TrainRequest now;

	ParseTrainOptions(given, NULL, &now);
	CheckSameOptions(given, stored);
	ParseTrainOptions(stored, NULL, request);
	request->resume = true;
	if (HasOption(given, "threads"))
		request->threads = now.threads;
}

/* The trainer's options; behind the meaning what roberta's default is where it is another. */
static void
PutTrainerOptions(ReturnSetInfo *set, const trainer_options *defaults)
{
	trainer_options scratch, tuned;

	trainer_options_default_encoder(&scratch, false);
	trainer_options_default_encoder(&tuned, true);
	for (const option_spec *spec = trainer_option_specs; spec->name != NULL; spec++)
	{
		option_spec one[2] = { *spec, { .name = NULL } };
		char ours[160], fresh[160], based[160];

		option_print(spec, defaults, ours, sizeof(ours));
		option_print(spec, &scratch, fresh, sizeof(fresh));
		option_print(spec, &tuned, based, sizeof(based));
		if (strcmp(fresh, based) != 0)
			one[0].meaning =
				psprintf("%s (roberta: %s, with a base %s)", spec->meaning, fresh, based);
		else if (strcmp(ours, fresh) != 0)
			one[0].meaning = psprintf("%s (roberta: %s)", spec->meaning, fresh);
		PutOptions(set, one, defaults);
	}
}

PG_FUNCTION_INFO_V1(emotion_train_options);

/* All options of emotion_train: (name, type, default, range, meaning). */
Datum
emotion_train_options(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = BeginSet(fcinfo);
	TrainRequest defaults;

	RequestDefaults(NULL, &defaults);
	defaults.holdout = DEFAULT_HOLDOUT;
	for (size_t i = 0; string_specs[i].name != NULL; i++)
	{
		const char *value = *(char **) ((char *) &defaults + string_specs[i].offset);

		PutOption(set, string_specs[i].name, "string", value ? psprintf("\"%s\"", value) : NULL,
				  NULL, string_specs[i].meaning);
	}
	PutOption(set, "labels", "strings", NULL, NULL,
			  "labels to learn, in the order of the scores; all of the source in byte order unless "
			  "given");
	PutOption(set, "teachers", "strings", NULL, NULL,
			  "models, each name@version, whose mean scores are learnt as soft targets");
	PutOptions(set, request_specs, &defaults);
	PutTrainerOptions(set, &defaults.trainer);
	PutOptions(set, encoder_specs, &defaults.encoder);
	PutOption(set, MODEL_TEXT_PRESET, "choice", "\"default\"", "default, paper",
			  "sets all options whose names begin with text_");
	PutOptions(set, model_config_options, &defaults.config);
	return (Datum) 0;
}
