/*
 * config.c
 *	  The table of options of cnn_bilstm_attention; to and from JSON.
 */
#include "config.h"
#include "clip.h"
#include "json.h"

#include <stdio.h>
#include <string.h>

static const char *const action_names[] = { "keep", "mask", "remove", NULL };

/* text_action is written through an int by OPTION_CHOICE */
_Static_assert(sizeof(text_action) == sizeof(int), "an enum is an int");

#define FIELD(field) offsetof(model_config, field)
#define DROPOUT(field, meaning)                                                                    \
	{                                                                                              \
#field, OPTION_REAL, FIELD(field), 0, 0.95, NULL, meaning                                  \
	}
#define SIZE(field, meaning)                                                                       \
	{                                                                                              \
#field, OPTION_INT, FIELD(field), 1, MODEL_MAX_DIM, NULL, meaning                          \
	}
#define TEXT_FLAG(field, meaning)                                                                  \
	{                                                                                              \
		"text_" #field, OPTION_BOOL, FIELD(text.field), 0, 1, NULL, meaning                        \
	}
#define TEXT_ACTION(field, meaning)                                                                \
	{                                                                                              \
		"text_" #field, OPTION_CHOICE, FIELD(text.field), 0, 0, action_names, meaning              \
	}
#define TEXT_INT(field, minimum, maximum, meaning)                                                 \
	{                                                                                              \
		"text_" #field, OPTION_INT, FIELD(text.field), minimum, maximum, NULL, meaning             \
	}

const option_spec model_config_options[] = {
	SIZE(embedding_dim, "numbers per word vector"),
	{ "kernel_widths", OPTION_INT_LIST, FIELD(kernel_widths), 1, 15, NULL,
	  "widths, in words, of the convolution's kernels" },
	SIZE(filters, "filters of the convolution, per kernel width"),
	SIZE(hidden, "units of the LSTM, per direction"),
	SIZE(attention, "units of the attention"),
	{ "subword_buckets", OPTION_INT, FIELD(subword_buckets), 0, 10000000, NULL,
	  "rows for the character n-grams that unknown words are made of; 0: none" },
	{ "subword_min", OPTION_INT, FIELD(subword_min), 1, MODEL_MAX_SUBWORD, NULL,
	  "characters of such an n-gram, at least" },
	{ "subword_max", OPTION_INT, FIELD(subword_max), 1, MODEL_MAX_SUBWORD, NULL,
	  "characters of such an n-gram, at most" },
	DROPOUT(dropout_subword, "part of the known words read as their n-grams while training, which "
							 "teaches the n-grams; 0.1 unless given when there are n-grams"),
	DROPOUT(dropout_word, "part of the words left out while training"),
	DROPOUT(dropout_embedding, "part of the word vectors' channels left out while training"),
	DROPOUT(dropout_conv, "part of the convolution's output left out while training"),
	DROPOUT(dropout_hidden, "part of the LSTM's output left out while training"),
	DROPOUT(dropout_pooled, "part of the pooled vector left out while training"),
	TEXT_FLAG(lowercase, "fold case"),
	TEXT_ACTION(urls, "addresses: keep, mask as <url>, or remove"),
	TEXT_ACTION(mentions, "@names and u/names: keep, mask as <user>, or remove"),
	TEXT_ACTION(numbers, "numbers: keep, mask as <number>, or remove"),
	TEXT_FLAG(split_hashtags, "read #word as <hashtag> and word"),
	TEXT_INT(max_repeat, 0, 1000, "cut a letter repeated more often to this many; 0: never"),
	TEXT_FLAG(fold_apostrophes, "typographic apostrophes and quotes become plain ones"),
	TEXT_FLAG(split_contractions, "read don't as do and n't"),
	TEXT_FLAG(collapse_punctuation, "read !!!! as one !!"),
	TEXT_FLAG(emoji, "emoji and emoticons are words; else they are dropped"),
	TEXT_FLAG(punctuation, "punctuation marks are words; else they are dropped"),
	TEXT_FLAG(ascii_only, "drop all that is not an ASCII letter or digit"),
	TEXT_INT(max_tokens, 1, TEXT_MAX_TOKENS, "words read of a text; the rest is cut off"),
	{ NULL, OPTION_INT, 0, 0, 0, NULL, NULL },
};

#define OPTION_COUNT (sizeof(model_config_options) / sizeof(model_config_options[0]) - 1)
_Static_assert(OPTION_COUNT < 64, "the set of options seen is a uint64_t");

void
model_config_default(model_config *config)
{
	memset(config, 0, sizeof(*config));
	config->embedding_dim = 200;
	config->kernel_widths.count = 1;
	config->kernel_widths.values[0] = 3;
	config->filters = 128;
	config->hidden = 128;
	config->attention = 256;
	config->subword_min = 3;
	config->subword_max = 5;
	config->dropout_word = 0.0;
	config->dropout_embedding = 0.2;
	config->dropout_conv = 0.2;
	config->dropout_hidden = 0.0;
	config->dropout_pooled = 0.3;
	text_options_default(&config->text);
}

static bool
same(em_slice text, const char *name)
{
	return text.length == strlen(name) && memcmp(text.bytes, name, text.length) == 0;
}

static em_code
set_preset(model_config *config, const option_value *value, em_status *status)
{
	char name[16] = "";

	if (value->type == OPTION_VALUE_STRING && value->string.length < sizeof(name))
	{
		if (value->string.length > 0)
			memcpy(name, value->string.bytes, value->string.length);
		if (text_options_preset(&config->text, name))
			return EM_OK;
	}
	if (value->type == OPTION_VALUE_STRING)
		em_fail(status, EM_INVALID_OPTION, "option \"%s\" cannot be \"%.*s\"", MODEL_TEXT_PRESET,
				clip_length(value->string), value->string.bytes);
	else
		em_fail(status, EM_INVALID_OPTION, "option \"%s\" must be a string", MODEL_TEXT_PRESET);
	em_hint(status, "It must be one of \"default\", \"paper\".");
	return EM_INVALID_OPTION;
}

em_code
model_config_set(model_config *config, em_slice name, const option_value *value, bool *known,
				 em_status *status)
{
	const option_spec *spec;

	*known = true;
	if (same(name, MODEL_TEXT_PRESET))
		return set_preset(config, value, status);
	spec = option_find(model_config_options, name.bytes, name.length);
	if (spec != NULL)
		return option_set(spec, config, value, status);
	*known = false;
	return EM_OK;
}

em_code
model_config_check(const model_config *config, em_status *status)
{
	em_code code = option_check(model_config_options, config, status);
	const option_int_list *widths = &config->kernel_widths;

	if (code != EM_OK)
		return code;
	if (config->subword_min > config->subword_max)
		return em_fail(status, EM_INVALID_OPTION,
					   "option \"subword_min\", %d, is over \"subword_max\", %d",
					   config->subword_min, config->subword_max);
	if (config->dropout_subword > 0 && config->subword_buckets == 0)
	{
		em_fail(status, EM_INVALID_OPTION,
				"option \"dropout_subword\" is %g, but there are no n-grams",
				config->dropout_subword);
		em_hint(status, "Set \"subword_buckets\", to 100000 for instance.");
		return EM_INVALID_OPTION;
	}
	for (int i = 0; i < widths->count; i++)
	{
		for (int j = 0; j < i; j++)
		{
			if (widths->values[i] == widths->values[j])
			{
				em_fail(status, EM_INVALID_OPTION, "option \"kernel_widths\" names width %d twice",
						widths->values[i]);
				em_hint(status, "Name each width once; use more filters instead.");
				return EM_INVALID_OPTION;
			}
		}
	}
	return EM_OK;
}

size_t
model_config_to_json(const model_config *config, char *out, size_t size)
{
	return options_to_json(model_config_options, config, out, size);
}

/*
 * The value that begins with token. buffer (of size bytes) takes an escaped string; one that is
 * too long for it stays as it is and equals no choice.
 */
static bool
read_value(json_reader *reader, json_token token, option_value *value, char *buffer, size_t size)
{
	memset(value, 0, sizeof(*value));
	switch (token)
	{
		case JSON_NULL:
			value->type = OPTION_VALUE_NULL;
			return true;
		case JSON_TRUE:
		case JSON_FALSE:
			value->type = OPTION_VALUE_BOOL;
			value->boolean = token == JSON_TRUE;
			return true;
		case JSON_NUMBER:
			/* beyond the doubles: infinity, which no range holds */
			value->type = OPTION_VALUE_NUMBER;
			(void) json_to_double(reader->raw, &value->number);
			return true;
		case JSON_STRING:
			value->type = OPTION_VALUE_STRING;
			value->string = reader->raw;
			if (reader->escaped && reader->raw.length <= size)
				value->string = (em_slice){ buffer, json_unescape(reader->raw, buffer) };
			return true;
		case JSON_ARRAY_BEGIN:
			value->type = OPTION_VALUE_NUMBERS;
			while ((token = json_next(reader)) != JSON_ARRAY_END)
			{
				double number;

				if (token == JSON_NUMBER)
				{
					(void) json_to_double(reader->raw, &number);
					if (value->count < OPTION_LIST_MAX)
						value->numbers[value->count] = number;
					if (value->count <= OPTION_LIST_MAX)
						value->count++;
					continue;
				}
				value->type = OPTION_VALUE_OTHER;
				if (!json_skip(reader, token))
					return false;
			}
			return true;
		default:
			value->type = OPTION_VALUE_OTHER;
			return json_skip(reader, token);
	}
}

/* One pass over the object: the preset alone, or everything but the preset. */
static em_code
read_options(model_config *config, em_slice json, bool preset, em_status *status)
{
	json_reader reader;
	json_token token;
	uint64_t seen = 0;

	json_open(&reader, json.bytes, json.length);
	token = json_next(&reader);
	if (token != JSON_OBJECT_BEGIN)
	{
		if (token == JSON_ERROR)
			goto broken;
		return em_fail(status, EM_CORRUPT, "the configuration is not a JSON object");
	}
	while ((token = json_next(&reader)) == JSON_KEY)
	{
		char buffer[128], name_buffer[128];
		em_slice name = reader.raw;
		option_value value;
		const option_spec *spec;
		size_t index;
		bool known;
		em_code code;

		if (reader.escaped && name.length <= sizeof(name_buffer))
			name = (em_slice){ name_buffer, json_unescape(name, name_buffer) };
		if (!read_value(&reader, json_next(&reader), &value, buffer, sizeof(buffer)))
			goto broken;

		spec = option_find(model_config_options, name.bytes, name.length);
		index = spec != NULL ? (size_t) (spec - model_config_options) : OPTION_COUNT;
		if (spec != NULL || same(name, MODEL_TEXT_PRESET))
		{
			if (seen >> index & 1)
				return em_fail(status, EM_INVALID_OPTION, "option \"%.*s\" is given twice",
							   clip_length(name), name.bytes);
			seen |= UINT64_C(1) << index;
		}
		if (same(name, MODEL_TEXT_PRESET) != preset)
			continue;
		code = model_config_set(config, name, &value, &known, status);
		if (code != EM_OK)
			return code;
		if (!known)
			return em_fail(status, EM_INVALID_OPTION, "unknown option \"%.*s\"", clip_length(name),
						   name.bytes);
	}
	if (token == JSON_OBJECT_END && json_next(&reader) == JSON_END)
		return EM_OK;
broken:
	return em_fail(status, EM_CORRUPT, "the configuration is not valid JSON: %s at byte %zu",
				   reader.error, reader.position);
}

em_code
model_config_from_json(model_config *config, em_slice json, em_status *status)
{
	em_code code;

	model_config_default(config);
	code = read_options(config, json, true, status);
	if (code == EM_OK)
		code = read_options(config, json, false, status);
	if (code == EM_OK)
		code = model_config_check(config, status);
	return code;
}

bool
model_config_same_text(const model_config *a, const model_config *b)
{
	model_config first, second;
	char texts[2][MODEL_CONFIG_JSON_MAX];

	model_config_default(&first);
	second = first;
	first.text = a->text;
	second.text = b->text;
	(void) model_config_to_json(&first, texts[0], sizeof(texts[0]));
	(void) model_config_to_json(&second, texts[1], sizeof(texts[1]));
	return strcmp(texts[0], texts[1]) == 0;
}

const char *
model_config_difference(const model_config *a, const model_config *b)
{
	for (const option_spec *spec = model_config_options; spec->name != NULL; spec++)
	{
		char values[2][160];

		if (strncmp(spec->name, "dropout_", strlen("dropout_")) == 0)
			continue;
		option_print(spec, a, values[0], sizeof(values[0]));
		option_print(spec, b, values[1], sizeof(values[1]));
		if (strcmp(values[0], values[1]) != 0)
			return spec->name;
	}
	return NULL;
}
