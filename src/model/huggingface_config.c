/*
 * huggingface_config.c
 *	  config.json: sizes, labels, kind of problem; what we do not compute is refused.
 *
 * Two passes: encoder_config_from_json takes the options of the network, here the rest is read.
 */
#include "huggingface_config.h"

#include <string.h>

#include "clip.h"
#include "json.h"

/* Keys that size the network: their defaults in Hugging Face's class are no DistilRoBERTa's. */
static const char *const required[] = {
	"model_type",
	"vocab_size",
	"hidden_size",
	"num_hidden_layers",
	"num_attention_heads",
	"intermediate_size",
	"max_position_embeddings",
	"type_vocab_size",
	"layer_norm_eps",
};
#define REQUIRED (sizeof(required) / sizeof(required[0]))

/* Keys that are read here. */
enum
{
	KEY_ARCHITECTURES,
	KEY_ID2LABEL,
	KEY_LABEL2ID,
	KEY_PROBLEM_TYPE,
	KEY_NUM_LABELS,
	KEY_HIDDEN_ACT,
	KEY_IS_DECODER,
	KEY_CROSS_ATTENTION,
	KEYS
};
static const char *const keys[KEYS] = {
	"architectures", "id2label",   "label2id",   "problem_type",
	"num_labels",    "hidden_act", "is_decoder", "add_cross_attention",
};

typedef struct config_reader
{
	huggingface_config *config;
	json_reader json;
	em_status *status;
	uint64_t num_labels;
	size_t used; /* bytes of config->text */
} config_reader;

static bool
same(em_slice text, const char *name)
{
	return text.length == strlen(name) && memcmp(text.bytes, name, text.length) == 0;
}

static em_code
broken(config_reader *reader, const char *key)
{
	if (reader->json.error != NULL)
		return em_fail(reader->status, EM_CORRUPT, "config.json is not valid JSON: %s at byte %zu",
					   reader->json.error, reader->json.position);
	return em_fail(reader->status, EM_CORRUPT,
				   "config.json: the value of \"%s\" is not as it must be", key);
}

static em_code
unsupported(config_reader *reader, const char *key, em_slice value, const char *supported)
{
	em_fail(reader->status, EM_UNSUPPORTED, "config.json: \"%s\" is \"%.*s\"", key,
			clip_length(value), value.bytes);
	em_hint(reader->status, "%s", supported);
	return EM_UNSUPPORTED;
}

static em_code
read_architectures(config_reader *reader, json_token token)
{
	huggingface_config *config = reader->config;
	/* those without a head, or whose head is of no use to us */
	static const char *const bases[] = { "RobertaModel", "RobertaForMaskedLM" };

	if (token == JSON_NULL)
		return EM_OK;
	if (token != JSON_ARRAY_BEGIN)
		return broken(reader, keys[KEY_ARCHITECTURES]);
	while ((token = json_next(&reader->json)) == JSON_STRING)
	{
		em_slice name = reader->json.raw;

		if (config->architecture.bytes == NULL)
			config->architecture = name;
		if (same(name, "RobertaForSequenceClassification"))
			config->classifier = true;
		else if (!same(name, bases[0]) && !same(name, bases[1]))
			config->other_head = true;
	}
	if (token != JSON_ARRAY_END)
		return broken(reader, keys[KEY_ARCHITECTURES]);
	return EM_OK;
}

/* A whole number in 0..MODEL_MAX_LABELS - 1 that is all of text, without leading zeros. */
static bool
label_index(em_slice text, size_t *index)
{
	uint64_t number;

	if (text.length == 0 || text.length > 4 || (text.bytes[0] == '0' && text.length > 1))
		return false;
	for (size_t i = 0; i < text.length; i++)
		if (text.bytes[i] < '0' || text.bytes[i] > '9')
			return false;
	if (!json_to_size(text, &number) || number >= MODEL_MAX_LABELS)
		return false;
	*index = (size_t) number;
	return true;
}

/* The string just read, unescaped into config->text, which has room for all of the file. */
static em_slice
keep(config_reader *reader)
{
	char *place = reader->config->text + reader->used;
	em_slice kept = { place, json_unescape(reader->json.raw, place) };

	reader->used += kept.length + 1;
	place[kept.length] = '\0';
	return kept;
}

static em_code
read_id2label(config_reader *reader, json_token token)
{
	huggingface_config *config = reader->config;
	size_t count = 0, highest = 0;

	if (token == JSON_NULL)
		return EM_OK;
	if (token != JSON_OBJECT_BEGIN)
		return broken(reader, keys[KEY_ID2LABEL]);
	config->labels = em_allocate_zeroed(config->allocator, MODEL_MAX_LABELS, sizeof(em_slice));
	if (config->labels == NULL)
		return em_fail(reader->status, EM_OUT_OF_MEMORY, "out of memory");
	while ((token = json_next(&reader->json)) == JSON_KEY)
	{
		em_slice key = reader->json.raw;
		size_t index;

		if (!label_index(key, &index) || config->labels[index].bytes != NULL)
			return em_fail(reader->status, EM_CORRUPT,
						   "config.json: \"id2label\" has the key \"%.*s\", which is %s",
						   clip_length(key), key.bytes,
						   label_index(key, &index) ? "there twice" : "no number from 0 to 999");
		if (json_next(&reader->json) != JSON_STRING)
			return broken(reader, keys[KEY_ID2LABEL]);
		config->labels[index] = keep(reader);
		highest = index > highest ? index : highest;
		count++;
	}
	if (token != JSON_OBJECT_END)
		return broken(reader, keys[KEY_ID2LABEL]);
	if (count == 0 || highest + 1 != count)
		return em_fail(reader->status, EM_CORRUPT,
					   "config.json: \"id2label\" has %zu labels, but not from 0 to %zu", count,
					   count == 0 ? 0 : count - 1);
	config->label_count = count;
	return EM_OK;
}

static em_code
read_problem_type(config_reader *reader, json_token token)
{
	em_slice value = reader->json.raw;

	if (token == JSON_NULL)
		return EM_OK;
	if (token != JSON_STRING)
		return broken(reader, keys[KEY_PROBLEM_TYPE]);
	reader->config->outputs = encoder_outputs_named(value);
	if (reader->config->outputs == ENCODER_OUTPUTS_UNKNOWN)
		return unsupported(reader, keys[KEY_PROBLEM_TYPE], value,
						   "It must be \"" ENCODER_MULTI_LABEL "\" or \"" ENCODER_SINGLE_LABEL
						   "\".");
	return EM_OK;
}

/* A key that may only say no: decoders and cross attention are other networks. */
static em_code
read_refused(config_reader *reader, const char *key, json_token token)
{
	if (token == JSON_TRUE)
		return unsupported(reader, key, (em_slice){ "true", 4 }, "Only encoders are supported.");
	return token == JSON_FALSE || token == JSON_NULL ? EM_OK : broken(reader, key);
}

static em_code
read_key(config_reader *reader, int key, json_token token)
{
	switch (key)
	{
		case KEY_ARCHITECTURES:
			return read_architectures(reader, token);
		case KEY_ID2LABEL:
			return read_id2label(reader, token);
		case KEY_PROBLEM_TYPE:
			return read_problem_type(reader, token);
		case KEY_NUM_LABELS:
			if (token != JSON_NUMBER || !json_to_size(reader->json.raw, &reader->num_labels) ||
				reader->num_labels == 0)
				return broken(reader, keys[key]);
			return EM_OK;
		case KEY_HIDDEN_ACT:
			if (token != JSON_STRING)
				return broken(reader, keys[key]);
			return same(reader->json.raw, "gelu")
					   ? EM_OK
					   : unsupported(reader, keys[key], reader->json.raw,
									 "Only \"gelu\", the exact one, is computed.");
		case KEY_IS_DECODER:
		case KEY_CROSS_ATTENTION:
			return read_refused(reader, keys[key], token);
		default: /* label2id says again what id2label says */
			return json_skip(&reader->json, token) ? EM_OK : broken(reader, keys[key]);
	}
}

static int
find_key(const char *const *names, int count, em_slice name)
{
	for (int i = 0; i < count; i++)
		if (same(name, names[i]))
			return i;
	return -1;
}

static em_code
read_keys(config_reader *reader)
{
	uint32_t seen = 0, seen_required = 0;
	json_token token = json_next(&reader->json);
	em_code code = EM_OK;

	if (token != JSON_OBJECT_BEGIN)
		return reader->json.error != NULL
				   ? broken(reader, "")
				   : em_fail(reader->status, EM_CORRUPT, "config.json is not a JSON object");
	while (code == EM_OK && (token = json_next(&reader->json)) == JSON_KEY)
	{
		em_slice name = reader->json.raw;
		int key = find_key(keys, KEYS, name);
		int size = find_key(required, REQUIRED, name);

		token = json_next(&reader->json);
		if (size >= 0)
			seen_required |= UINT32_C(1) << size;
		if (key >= 0 && seen >> key & 1)
			return em_fail(reader->status, EM_CORRUPT, "config.json has the key \"%s\" twice",
						   keys[key]);
		if (key >= 0)
		{
			seen |= UINT32_C(1) << key;
			code = read_key(reader, key, token);
		}
		else if (!json_skip(&reader->json, token))
			return broken(reader, "");
	}
	if (code != EM_OK)
		return code;
	if (token != JSON_OBJECT_END || json_next(&reader->json) != JSON_END)
		return broken(reader, "");
	for (size_t i = 0; i < REQUIRED; i++)
		if (!(seen_required >> i & 1))
			return em_fail(reader->status, EM_CORRUPT, "config.json has no key \"%s\"",
						   required[i]);
	return EM_OK;
}

/* What the options' own reader says, as a fault of the file. */
static em_code
in_config(em_code code, em_status *status)
{
	char message[sizeof(status->message)];
	char hint[sizeof(status->hint)];

	if (code == EM_OK || code == EM_OUT_OF_MEMORY || status == NULL)
		return code;
	memcpy(message, status->message, sizeof(message));
	memcpy(hint, status->hint, sizeof(hint));
	if (code == EM_INVALID_OPTION || code == EM_INVALID_DATA)
		code = EM_CORRUPT;
	em_fail(status, code, "config.json: %.380s", message);
	if (hint[0] != '\0')
		em_hint(status, "%s", hint);
	return code;
}

em_code
huggingface_config_read(const em_allocator *allocator, em_slice json, huggingface_config *config,
						em_status *status)
{
	config_reader reader;
	em_code code;

	memset(config, 0, sizeof(*config));
	memset(&reader, 0, sizeof(reader));
	config->allocator = allocator;
	reader.config = config;
	reader.status = status;
	config->text = em_allocate_array(allocator, json.length + 1, 1);
	if (config->text == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	json_open(&reader.json, json.bytes, json.length);
	code = read_keys(&reader);
	if (code == EM_OK)
		code = in_config(encoder_config_from_json(&config->encoder, json, false, status), status);
	if (code == EM_OK && reader.num_labels > 0 && config->labels != NULL &&
		reader.num_labels != config->label_count)
		code = em_fail(status, EM_CORRUPT,
					   "config.json: \"num_labels\" is %llu, but \"id2label\" has %zu labels",
					   (unsigned long long) reader.num_labels, config->label_count);
	if (config->labels == NULL && reader.num_labels <= MODEL_MAX_LABELS)
		config->label_count = (size_t) reader.num_labels;
	return code;
}

void
huggingface_config_release(huggingface_config *config)
{
	em_release(config->allocator, config->labels);
	em_release(config->allocator, config->text);
	config->labels = NULL;
	config->text = NULL;
}
