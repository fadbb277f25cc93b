/*
 * fuzz_options.c
 *	  Any bytes as the configuration of a network, and any value for any option of a training:
 *	  refused with a reason that names it, or taken, printed, and read back as the same.
 */
#include "fuzz.h"

#include "../../src/model/json.h"
#include "../../src/model/network.h"
#include "../../src/model/trainer.h"
#include "../../src/model/vectors_trainer.h"

static void
check_config(const char *bytes, size_t size)
{
	char first[4096], second[4096];
	model_config config, again;
	em_status status = { EM_OK, "", "" };
	em_code code = model_config_from_json(&config, (em_slice){ bytes, size }, &status);
	network_layout layout;

	require_reason(code, &status);
	if (code != EM_OK)
		return;
	require(model_config_check(&config, &status) == EM_OK);
	require(model_config_to_json(&config, first, sizeof(first)) > 0);
	require(model_config_from_json(&again, (em_slice){ first, strlen(first) }, &status) == EM_OK);
	require(model_config_to_json(&again, second, sizeof(second)) > 0);
	require(strcmp(first, second) == 0);
	code = network_layout_init(&layout, &config, 1000, MODEL_MAX_LABELS, &status);
	require_reason(code, &status);
}

/* Of a value what JSON says, the string in the reader's bytes. */
static option_value
value_of(json_reader *reader, json_token token)
{
	option_value value = { .type = OPTION_VALUE_OTHER };

	if (token == JSON_NULL)
		value.type = OPTION_VALUE_NULL;
	else if (token == JSON_TRUE || token == JSON_FALSE)
		value = (option_value){ .type = OPTION_VALUE_BOOL, .boolean = token == JSON_TRUE };
	else if (token == JSON_NUMBER && json_to_double(reader->raw, &value.number))
		value.type = OPTION_VALUE_NUMBER;
	else if (token == JSON_STRING)
		value = (option_value){ .type = OPTION_VALUE_STRING, .string = reader->raw };
	else if (token == JSON_ARRAY_BEGIN)
	{
		value.type = OPTION_VALUE_NUMBERS;
		while ((token = json_next(reader)) == JSON_NUMBER)
			if (value.count++ < OPTION_LIST_MAX)
				(void) json_to_double(reader->raw, &value.numbers[value.count - 1]);
	}
	return value;
}

static void
set_option(const option_spec *specs, void *target, em_slice name, const option_value *value)
{
	const option_spec *spec = option_find(specs, name.bytes, name.length);
	em_status status = { EM_OK, "", "" };
	char printed[4096];
	em_code code;

	if (spec == NULL)
		return;
	code = option_set(spec, target, value, &status);
	require_reason(code, &status);
	require(code == EM_OK || strstr(status.message, spec->name) != NULL);
	require(option_check(specs, target, &status) == EM_OK);
	require(options_to_json(specs, target, printed, sizeof(printed)) > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *) exact_copy(data, size);
	trainer_options training;
	vectors_options vectors;
	em_status status;
	json_reader reader;
	json_token token;

	check_config(bytes, size);
	trainer_options_default(&training);
	vectors_options_default(&vectors);
	json_open(&reader, bytes, size);
	while ((token = json_next(&reader)) != JSON_END && token != JSON_ERROR)
		if (token == JSON_KEY)
		{
			em_slice name = reader.raw;
			option_value value = value_of(&reader, json_next(&reader));

			set_option(trainer_option_specs, &training, name, &value);
			set_option(vectors_option_specs, &vectors, name, &value);
		}
	require_reason(vectors_options_check(&vectors, &status), &status);
	free((void *) (uintptr_t) bytes);
	return 0;
}
