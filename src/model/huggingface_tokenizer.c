/*
 * huggingface_tokenizer.c
 *	  tokenizer.json, or vocab.json and merges.txt, and tokenizer_config.json.
 */
#include "huggingface_tokenizer.h"

#include <string.h>

#include "huggingface_tensors.h"
#include "json.h"

#define JSON_FILE "tokenizer.json"
#define VOCAB_FILE "vocab.json"
#define MERGES_FILE "merges.txt"
#define CONFIG_FILE "tokenizer_config.json"

#define MAX_FILE_BYTES (32 * 1024 * 1024)
#define MAX_CONFIG_BYTES (4 * 1024 * 1024)

/* What tokenizer_config.json says; missing is false and 0. */
typedef struct tokenizer_config
{
	bool add_prefix_space;
	bool says_prefix_space;
	uint64_t max_length;
} tokenizer_config;

static bool
same(em_slice text, const char *name)
{
	return text.length == strlen(name) && memcmp(text.bytes, name, text.length) == 0;
}

/* Drop the blanks between the tokens of JSON that was checked, in place. */
static size_t
compact(char *text, size_t length)
{
	size_t n = 0;
	bool inside = false;

	for (size_t i = 0; i < length; i++)
	{
		char byte = text[i];

		if (!inside && (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'))
			continue;
		text[n++] = byte;
		if (byte == '"')
			inside = !inside;
		else if (byte == '\\' && inside)
			text[n++] = text[++i];
	}
	return n;
}

static em_code
broken(const char *file, const json_reader *json, em_status *status)
{
	return em_fail(status, EM_CORRUPT, "%s is not valid JSON: %s at byte %zu", file,
				   json->error != NULL ? json->error : "not an object", json->position);
}

static em_code
check_json(const char *file, em_slice text, em_status *status)
{
	json_reader json;
	json_token token;

	json_open(&json, text.bytes, text.length);
	token = json_next(&json);
	if (token != JSON_OBJECT_BEGIN || !json_skip(&json, token) || json_next(&json) != JSON_END)
		return broken(file, &json, status);
	return EM_OK;
}

static em_code
read_config_text(em_slice text, tokenizer_config *config, em_status *status)
{
	json_reader json;
	json_token token;

	json_open(&json, text.bytes, text.length);
	if (json_next(&json) != JSON_OBJECT_BEGIN)
		return broken(CONFIG_FILE, &json, status);
	while ((token = json_next(&json)) == JSON_KEY)
	{
		em_slice key = json.raw;

		token = json_next(&json);
		if (same(key, "add_prefix_space") && (token == JSON_TRUE || token == JSON_FALSE))
		{
			config->says_prefix_space = true;
			config->add_prefix_space = token == JSON_TRUE;
		}
		/* 1e30 means that there is no limit */
		else if (same(key, "model_max_length") && token == JSON_NUMBER)
		{
			if (!json_to_size(json.raw, &config->max_length))
				config->max_length = 0;
		}
		else if (!json_skip(&json, token))
			return broken(CONFIG_FILE, &json, status);
	}
	if (token != JSON_OBJECT_END || json_next(&json) != JSON_END)
		return broken(CONFIG_FILE, &json, status);
	return EM_OK;
}

static em_code
read_config(const em_allocator *allocator, const huggingface_files *files, tokenizer_config *config,
			em_status *status)
{
	em_slice text;
	uint64_t size;
	bool found = false;
	em_code code = files->find(files->context, CONFIG_FILE, &found, &size, status);

	if (code != EM_OK || !found)
		return code;
	code = huggingface_read_file(allocator, files, CONFIG_FILE, MAX_CONFIG_BYTES, &text, status);
	if (code == EM_OK)
		code = read_config_text(text, config, status);
	em_release(allocator, (void *) text.bytes);
	return code;
}

/* What Hugging Face does when the two differ depends on its version. */
static em_code
check_prefix_space(em_slice text, const tokenizer_config *config, em_status *status)
{
	json_reader json;

	if (!config->says_prefix_space)
		return EM_OK;
	json_open(&json, text.bytes, text.length);
	(void) json_next(&json);
	while (json_next(&json) == JSON_KEY)
	{
		bool parts = same(json.raw, "pre_tokenizer");
		json_token token = json_next(&json);

		if (!parts || token != JSON_OBJECT_BEGIN)
		{
			(void) json_skip(&json, token);
			continue;
		}
		while (json_next(&json) == JSON_KEY)
		{
			bool prefix = same(json.raw, "add_prefix_space");

			token = json_next(&json);
			if (prefix && (token == JSON_TRUE) != config->add_prefix_space)
			{
				em_fail(status, EM_CORRUPT,
						"\"add_prefix_space\" is %s in " CONFIG_FILE ", but not in " JSON_FILE,
						config->add_prefix_space ? "true" : "false");
				em_hint(status, "Make them equal: what the model was trained with.");
				return EM_CORRUPT;
			}
			(void) json_skip(&json, token);
		}
	}
	return EM_OK;
}

static em_code
read_json(const em_allocator *allocator, const huggingface_files *files,
		  encoder_tokenizer_files *out, const tokenizer_config *config, em_status *status)
{
	em_code code =
		huggingface_read_file(allocator, files, JSON_FILE, MAX_FILE_BYTES, &out->json, status);

	if (code == EM_OK)
		code = check_json(JSON_FILE, out->json, status);
	if (code == EM_OK)
		code = check_prefix_space(out->json, config, status);
	if (code == EM_OK)
		out->json.length = compact((char *) out->json.bytes, out->json.length);
	return code;
}

static em_code
read_pair(const em_allocator *allocator, const huggingface_files *files,
		  encoder_tokenizer_files *out, const tokenizer_config *config, em_status *status)
{
	em_code code =
		huggingface_read_file(allocator, files, VOCAB_FILE, MAX_FILE_BYTES, &out->vocab, status);

	if (code == EM_OK)
		code = check_json(VOCAB_FILE, out->vocab, status);
	if (code != EM_OK)
		return code;
	out->vocab.length = compact((char *) out->vocab.bytes, out->vocab.length);
	code =
		huggingface_read_file(allocator, files, MERGES_FILE, MAX_FILE_BYTES, &out->merges, status);
	if (code == EM_OK && !json_valid_utf8(out->merges))
		code = em_fail(status, EM_CORRUPT, MERGES_FILE " is not valid UTF-8");
	out->add_prefix_space = config->add_prefix_space;
	return code;
}

em_code
huggingface_tokenizer_read(const em_allocator *allocator, const huggingface_files *files,
						   encoder_tokenizer_files *out, uint64_t *max_length, em_status *status)
{
	tokenizer_config config = { false, false, 0 };
	uint64_t size;
	bool found[2] = { false, false };
	em_code code = files->find(files->context, JSON_FILE, &found[0], &size, status);

	*max_length = 0;
	if (code == EM_OK && !found[0])
		code = files->find(files->context, VOCAB_FILE, &found[1], &size, status);
	if (code == EM_OK && !found[0] && !found[1])
		code = em_fail(status, EM_MISSING,
					   "the checkpoint has no file \"" JSON_FILE "\" or \"" VOCAB_FILE "\"");
	if (code == EM_OK)
		code = read_config(allocator, files, &config, status);
	if (code != EM_OK)
		return code;
	*max_length = config.max_length;
	return found[0] ? read_json(allocator, files, out, &config, status)
					: read_pair(allocator, files, out, &config, status);
}
