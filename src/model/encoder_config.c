/*
 * encoder_config.c
 *	  The table of options of the family roberta; to and from JSON.
 */
#include "encoder_config.h"

#include <stdio.h>
#include <string.h>

#include "clip.h"
#include "json.h"

static const char *const activation_names[] = { "gelu", NULL };

#define FIELD(field) offsetof(encoder_config, field)
#define WHOLE(field, minimum, maximum, meaning)                                                    \
	{                                                                                              \
#field, OPTION_INT, FIELD(field), minimum, maximum, NULL, meaning                          \
	}
#define DROPOUT(field, meaning)                                                                    \
	{                                                                                              \
#field, OPTION_REAL, FIELD(field), 0, 0.95, NULL, meaning                                  \
	}

const option_spec encoder_config_options[] = {
	WHOLE(vocab_size, 1, 2000000, "tokens of the vocabulary"),
	WHOLE(hidden_size, 1, 2048, "numbers per token"),
	WHOLE(num_hidden_layers, 1, ENCODER_MAX_LAYERS, "layers"),
	WHOLE(num_attention_heads, 1, 128, "heads of the attention"),
	WHOLE(intermediate_size, 1, 8192, "units of the inner layer"),
	WHOLE(max_position_embeddings, 3, 8192, "positions, those up to padding's included"),
	WHOLE(type_vocab_size, 1, 16, "types of tokens, of which the first is used"),
	WHOLE(pad_token_id, 0, 8191, "the token that stands for padding"),
	{ "layer_norm_eps", OPTION_REAL, FIELD(layer_norm_eps), 1e-12, 0.1, NULL,
	  "added to the variance by LayerNorm" },
	{ "hidden_act", OPTION_CHOICE, FIELD(hidden_act), 0, 0, activation_names,
	  "activation of the inner layer" },
	DROPOUT(hidden_dropout_prob, "part of the embeddings and of each layer's outputs left out "
								 "while training"),
	DROPOUT(attention_probs_dropout_prob, "part of the attention left out while training"),
	DROPOUT(classifier_dropout, "part of the head's input and of its hidden layer left out while "
								"training; hidden_dropout_prob unless given"),
	{ NULL, OPTION_INT, 0, 0, 0, NULL, NULL },
};

#define OPTION_COUNT (sizeof(encoder_config_options) / sizeof(encoder_config_options[0]) - 1)
_Static_assert(OPTION_COUNT < 64, "the set of options seen is a uint64_t");

void
encoder_config_default(encoder_config *config)
{
	memset(config, 0, sizeof(*config));
	config->vocab_size = 50265;
	config->hidden_size = 768;
	config->num_hidden_layers = 6;
	config->num_attention_heads = 12;
	config->intermediate_size = 3072;
	config->max_position_embeddings = 514;
	config->type_vocab_size = 1;
	config->pad_token_id = 1;
	config->layer_norm_eps = 1e-5;
	config->hidden_dropout_prob = 0.1;
	config->attention_probs_dropout_prob = 0.1;
	config->classifier_dropout = 0.1;
}

em_code
encoder_config_check(const encoder_config *config, em_status *status)
{
	em_code code = option_check(encoder_config_options, config, status);

	if (code != EM_OK)
		return code;
	if (config->hidden_size % config->num_attention_heads != 0)
		return em_fail(status, EM_INVALID_OPTION,
					   "option \"hidden_size\", %d, is no multiple of \"num_attention_heads\", %d",
					   config->hidden_size, config->num_attention_heads);
	if (config->pad_token_id >= config->vocab_size)
		return em_fail(status, EM_INVALID_OPTION,
					   "option \"pad_token_id\", %d, is not below \"vocab_size\", %d",
					   config->pad_token_id, config->vocab_size);
	if (config->pad_token_id + 2 > config->max_position_embeddings)
		return em_fail(status, EM_INVALID_OPTION,
					   "option \"max_position_embeddings\", %d, leaves no position behind "
					   "\"pad_token_id\", %d",
					   config->max_position_embeddings, config->pad_token_id);
	return EM_OK;
}

size_t
encoder_config_to_json(const encoder_config *config, char *out, size_t size)
{
	return options_to_json(encoder_config_options, config, out, size);
}

static bool
same(em_slice text, const char *name)
{
	return text.length == strlen(name) && memcmp(text.bytes, name, text.length) == 0;
}

/* The value that begins with token; all options are scalars. A string with escapes equals no choice. */
static bool
read_value(json_reader *reader, json_token token, option_value *value)
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
			return true;
		default:
			value->type = OPTION_VALUE_OTHER;
			return json_skip(reader, token);
	}
}

/* A name of config.json that is no option, but says what kind of network it is. */
static em_code
check_kind(em_slice name, const option_value *value, em_status *status)
{
	static const char *const kinds[][2] = { { "model_type", ENCODER_ARCHITECTURE },
											{ "position_embedding_type", "absolute" } };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
	{
		if (!same(name, kinds[i][0]) ||
			(value->type == OPTION_VALUE_STRING && same(value->string, kinds[i][1])))
			continue;
		if (value->type != OPTION_VALUE_STRING)
			return em_fail(status, EM_CORRUPT, "\"%s\" is not a string", kinds[i][0]);
		em_fail(status, EM_UNSUPPORTED, "\"%s\" is \"%.*s\"", kinds[i][0],
				clip_length(value->string), value->string.bytes);
		em_hint(status, "Only \"%s\" is supported.", kinds[i][1]);
		return EM_UNSUPPORTED;
	}
	return EM_OK;
}

em_code
encoder_config_from_json(encoder_config *config, em_slice json, bool strict, em_status *status)
{
	const option_spec *classifier =
		option_find(encoder_config_options, "classifier_dropout", strlen("classifier_dropout"));
	json_reader reader;
	json_token token;
	uint64_t seen = 0;
	bool own_classifier = false;

	encoder_config_default(config);
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
		em_slice name = reader.raw;
		const option_spec *spec = option_find(encoder_config_options, name.bytes, name.length);
		option_value value;
		em_code code = EM_OK;

		if (!read_value(&reader, json_next(&reader), &value))
			goto broken;
		if (spec != NULL)
		{
			size_t index = (size_t) (spec - encoder_config_options);

			if (seen >> index & 1)
				return em_fail(status, EM_INVALID_OPTION, "option \"%s\" is given twice",
							   spec->name);
			seen |= UINT64_C(1) << index;
			if (spec == classifier && value.type == OPTION_VALUE_NULL)
				continue;
			own_classifier |= spec == classifier;
			code = option_set(spec, config, &value, status);
		}
		else if (strict)
			code = em_fail(status, EM_INVALID_OPTION, "unknown option \"%.*s\"", clip_length(name),
						   name.bytes);
		else
			code = check_kind(name, &value, status);
		if (code != EM_OK)
			return code;
	}
	if (token != JSON_OBJECT_END || json_next(&reader) != JSON_END)
		goto broken;
	if (!own_classifier)
		config->classifier_dropout = config->hidden_dropout_prob;
	return encoder_config_check(config, status);
broken:
	return em_fail(status, EM_CORRUPT, "the configuration is not valid JSON: %s at byte %zu",
				   reader.error ? reader.error : "unexpected end", reader.position);
}
