/*
 * pseudo_label_request.c
 *	  Options, cuts, polarities and filters of emotion_pseudo_label().
 */
#include "postgres.h"

#include "pseudo_label.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "../text/vocabulary.h"
#include "aggregate_state.h"
#include "glue.h"
#include "options.h"
#include "score.h"

const char *const outcome_words[OUTCOMES] = { "labelled", "unsure",    "no text", "length",
											  "language", "duplicate", "polarity" };

static const option_spec request_specs[] = {
	{ "batch_size", OPTION_INT, offsetof(PseudoLabelRequest, batch_size), 1, 100000, NULL,
	  "rows between two commits" },
	{ "min_length", OPTION_INT, offsetof(PseudoLabelRequest, min_length), 0, 2147483647, NULL,
	  "characters" },
	{ "max_length", OPTION_INT, offsetof(PseudoLabelRequest, max_length), 0, 2147483647, NULL,
	  "characters; 0: any" },
	{ "min_words", OPTION_INT, offsetof(PseudoLabelRequest, min_words), 0, 100000, NULL,
	  "tokens with a letter" },
	{ "min_known", OPTION_REAL, offsetof(PseudoLabelRequest, min_known), 0, 1, NULL,
	  "share of words that the model's vocabulary has" },
	{ "min_ascii", OPTION_REAL, offsetof(PseudoLabelRequest, min_ascii), 0, 1, NULL,
	  "share of letters that are ASCII" },
	{ "duplicates", OPTION_BOOL, offsetof(PseudoLabelRequest, duplicates), 0, 1, NULL,
	  "leave out texts of the same words as one before" },
	{ "strict", OPTION_BOOL, offsetof(PseudoLabelRequest, strict), 0, 1, NULL,
	  "leave out texts with a label over the model's threshold but under its cut" },
	{ NULL, OPTION_INT, 0, 0, 0, NULL, NULL },
};

/* How GoEmotions' authors group their labels (Demszky et al. 2020); what is missing is ambiguous. */
static const struct
{
	const char *label;
	int8 polarity;
} default_polarities[] = {
	{ "admiration", 1 },   { "amusement", 1 },  { "approval", 1 },  { "caring", 1 },
	{ "desire", 1 },       { "excitement", 1 }, { "gratitude", 1 }, { "joy", 1 },
	{ "love", 1 },         { "optimism", 1 },   { "pride", 1 },     { "relief", 1 },
	{ "anger", -1 },       { "annoyance", -1 }, { "disgust", -1 },  { "disappointment", -1 },
	{ "disapproval", -1 }, { "fear", -1 },      { "grief", -1 },    { "embarrassment", -1 },
	{ "nervousness", -1 }, { "remorse", -1 },   { "sadness", -1 },
};

static const StringSpec string_specs[] = {
	{ "key_column", offsetof(PseudoLabelRequest, key_column), "column that tells rows apart" },
	{ "polarity_column", offsetof(PseudoLabelRequest, polarity_column),
	  "column of the texts' polarity" },
	{ NULL, 0, NULL },
};

static Jsonb *
ObjectOption(const char *name, const JsonbValue *json)
{
	if (json->type != jbvBinary || !JsonContainerIsObject(json->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be a JSON object with a member per label", name)));
	return JsonbValueToJsonb(unconstify(JsonbValue *, json));
}

static void
VisitOption(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	PseudoLabelRequest *request = context;

	if (SetNamedOption(string_specs, request_specs, request, name, value))
		return;
	if (OptionIs(name, "thresholds"))
		request->thresholds = ObjectOption("thresholds", json);
	else if (OptionIs(name, "polarity"))
		request->polarity = ObjectOption("polarity", json);
	else
		UnknownOption(name, "Options are key_column, thresholds, strict, min_length, max_length, "
							"min_words, min_known, min_ascii, duplicates, polarity_column, "
							"polarity and batch_size.");
}

void
ParsePseudoLabelOptions(const Jsonb *options, PseudoLabelRequest *request)
{
	memset(request, 0, sizeof(*request));
	request->batch_size = 1000;
	request->duplicates = true;
	request->min_confidence = NAN;
	VisitOptions(options, VisitOption, request);
	if (request->polarity && !request->polarity_column)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"polarity\" needs option \"polarity_column\"")));
}

/* ---- cuts and polarities ---------------------------------------------------------------------- */

/* Call visit for each member with the label's index in the model. */
static void
VisitLabels(const Jsonb *object, const CachedModel *cached,
			void (*visit)(int label, const char *name, const JsonbValue *value, void *context),
			void *context)
{
	JsonbIterator *iterator = JsonbIteratorInit(unconstify(JsonbContainer *, &object->root));
	JsonbIteratorToken token;
	JsonbValue value;
	char *name = NULL;
	int label = 0;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			name = pnstrdup(value.val.string.val, (Size) value.val.string.len);
			label = FindLabel(cached, name, strlen(name));
		}
		else if (token == WJB_VALUE)
			visit(label, name, &value, context);
	}
}

static void
SetCut(int label, const char *name, const JsonbValue *value, void *context)
{
	double cut = NAN;

	if (value->type == jbvNull) /* emotion_confidence_thresholds() found no cut that will do */
		cut = INFINITY;
	else if (value->type == jbvNumeric)
		cut = DatumGetFloat8(
			DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
	if (!(cut >= 0 && (cut <= 1 || value->type == jbvNull)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("threshold of \"%s\" is neither a number in 0 to 1 nor null", name)));
	((float *) context)[label] = (float) cut;
}

float *
ConfidenceCuts(const PseudoLabelRequest *request, const CachedModel *cached)
{
	float *cuts = palloc(sizeof(float) * (Size) cached->label_count);

	for (int label = 0; label < cached->label_count; label++)
		cuts[label] = isnan(request->min_confidence) ? cached->model->thresholds[label]
													 : (float) request->min_confidence;
	if (request->thresholds)
		VisitLabels(request->thresholds, cached, SetCut, cuts);
	return cuts;
}

int
ParsePolarity(const char *value)
{
	static const struct
	{
		const char *word;
		int polarity;
	} words[] = { { "0", -1 },  { "4", 1 },         { "2", 0 },        { "-1", -1 },
				  { "1", 1 },   { "negative", -1 }, { "neg", -1 },     { "positive", 1 },
				  { "pos", 1 }, { "neutral", 0 },   { "ambiguous", 0 } };

	for (size_t i = 0; i < lengthof(words); i++)
		if (pg_strcasecmp(value, words[i].word) == 0)
			return words[i].polarity;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("\"%s\" is no polarity", value),
			 errhint("It is 0 or -1 or negative, 4 or 1 or positive, 2 or neutral.")));
	return 0; /* not reached */
}

static void
SetPolarity(int label, const char *name, const JsonbValue *value, void *context)
{
	if (value->type != jbvString)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("polarity of \"%s\" is not \"positive\", \"negative\" or \"neutral\"", name)));
	((int8 *) context)[label] =
		(int8) ParsePolarity(pnstrdup(value->val.string.val, (Size) value->val.string.len));
}

int8 *
LabelPolarities(const PseudoLabelRequest *request, const CachedModel *cached)
{
	int8 *polarities = palloc0((Size) cached->label_count);

	if (request->polarity)
		VisitLabels(request->polarity, cached, SetPolarity, polarities);
	else
		for (int label = 0; label < cached->label_count; label++)
			for (size_t i = 0; i < lengthof(default_polarities); i++)
				if (strcmp(cached->labels[label], default_polarities[i].label) == 0)
					polarities[label] = default_polarities[i].polarity;
	return polarities;
}

/* ---- filters ---------------------------------------------------------------------------------- */

static bool
IsAsciiLetter(unsigned char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* Begins the byte, in UTF-8, a code point of a script other than ASCII: U+00C0 to U+FFFF but for
 * U+2000 to U+2FFF, where punctuation and symbols are; emoji are not among them. */
static bool
BeginsOtherLetter(unsigned char byte)
{
	return byte >= 0xC3 && byte <= 0xEF && byte != 0xE2;
}

/* Share of the letters that are ASCII; 1 without letters. */
static double
AsciiShare(em_slice text)
{
	uint64 ascii = 0, other = 0;

	for (size_t i = 0; i < text.length; i++)
	{
		unsigned char byte = (unsigned char) text.bytes[i];

		if (IsAsciiLetter(byte))
			ascii++;
		else
			other += BeginsOtherLetter(byte);
	}
	return ascii + other == 0 ? 1 : (double) ascii / (double) (ascii + other);
}

/* Tokens with a letter, and how many of them the model knows. Markers are no words. */
static void
CountWords(const CachedModel *cached, const text_tokens *tokens, uint64 *words, uint64 *known)
{
	const text_vocabulary *vocabulary = model_first(cached->model)->vocabulary;

	*words = *known = 0;
	for (size_t i = 0; i < tokens->count; i++)
	{
		const char *word = tokens->buffer + tokens->tokens[i].normalized;
		size_t length = tokens->tokens[i].normalized_length;
		bool letter = false;

		for (size_t j = 0; j < length && word[0] != '<'; j++)
			letter = letter || IsAsciiLetter((unsigned char) word[j]) ||
					 BeginsOtherLetter((unsigned char) word[j]);
		if (!letter)
			continue;
		++*words;
		/* a model of byte pairs, which has no list of words, can read any */
		*known +=
			vocabulary == NULL || text_vocabulary_find(vocabulary, word, length) != TEXT_UNKNOWN_ID;
	}
}

Outcome
FilterText(const PseudoLabelRequest *request, const CachedModel *cached, em_slice text,
		   text_tokens *tokens)
{
	const model *first = model_first(cached->model);
	int characters = CharactersIn(text.bytes, text.length);
	text_options options;
	uint64 words, known;
	em_status status;

	if (characters < request->min_length ||
		(request->max_length > 0 && characters > request->max_length))
		return OUTCOME_LENGTH;
	if (request->min_ascii > 0 && AsciiShare(text) < request->min_ascii)
		return OUTCOME_LANGUAGE;
	if (request->min_words == 0 && request->min_known <= 0)
		return OUTCOME_LABELLED;
	if (first->encoder != NULL)
		text_options_default(&options);
	else
		options = first->layout.config.text;
	CheckCode(text_tokenize_until(&options, text.bytes, text.length, InterruptWanted, NULL, tokens,
								  &status),
			  &status);
	CountWords(cached, tokens, &words, &known);
	if (words < (uint64) request->min_words)
		return OUTCOME_LENGTH;
	if (words > 0 && (double) known < request->min_known * (double) words)
		return OUTCOME_LANGUAGE;
	return OUTCOME_LABELLED;
}
