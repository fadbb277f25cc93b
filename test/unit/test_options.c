/*
 * test_options.c
 *	  Options by name, and the configuration of a model made of them.
 */
#include "check.h"

#include <math.h>

#include "../../src/model/config.h"
#include "../../src/model/network.h"

typedef struct sample
{
	int whole;
	double real_number;
	bool flag;
	int choice;
	option_int_list list;
	uint64_t seed;
} sample;

static const char *const colours[] = { "red", "green", NULL };

static const option_spec specs[] = {
	{ "whole", OPTION_INT, offsetof(sample, whole), -3, 10, NULL, "" },
	{ "real", OPTION_REAL, offsetof(sample, real_number), 0, 0.95, NULL, "" },
	{ "flag", OPTION_BOOL, offsetof(sample, flag), 0, 0, NULL, "" },
	{ "choice", OPTION_CHOICE, offsetof(sample, choice), 0, 0, colours, "" },
	{ "list", OPTION_INT_LIST, offsetof(sample, list), 1, 15, NULL, "" },
	{ "seed", OPTION_UINT64, offsetof(sample, seed), 0, 9223372036854775807.0, NULL, "" },
	{ NULL, OPTION_INT, 0, 0, 0, NULL, NULL },
};

static option_value
number(double value)
{
	option_value result = { .type = OPTION_VALUE_NUMBER, .number = value };

	return result;
}

static option_value
string(const char *value)
{
	option_value result = { .type = OPTION_VALUE_STRING, .string = { value, strlen(value) } };

	return result;
}

static em_code
set(sample *target, const char *name, option_value value, em_status *status)
{
	return option_set(option_find(specs, name, strlen(name)), target, &value, status);
}

static void
test_set(void)
{
	sample target = { .list = { 1, { 3 } } };
	const option_value yes = { .type = OPTION_VALUE_BOOL, .boolean = true };
	const option_value null = { .type = OPTION_VALUE_NULL };
	const option_value other = { .type = OPTION_VALUE_OTHER };
	option_value list = { .type = OPTION_VALUE_NUMBERS, .count = 3, .numbers = { 1, 3, 15 } };
	em_status status;
	char printed[160];
	em_code code;

	CHECK(option_find(specs, "whole", 5) == &specs[0], "an option is found");
	CHECK(option_find(specs, "whol", 4) == NULL && option_find(specs, "wholes", 6) == NULL,
		  "not by a part of its name");
	CHECK(option_find(specs, "", 0) == NULL, "nor by none");

	CHECK(set(&target, "whole", number(-3), &status) == EM_OK && target.whole == -3, "an integer");
	code = set(&target, "whole", number(1.5), &status);
	CHECK(code == EM_INVALID_OPTION && status.code == code && target.whole == -3,
		  "a fraction is no integer");
	CHECK(strcmp(status.message, "option \"whole\" cannot be 1.5") == 0, "message: %s",
		  status.message);
	CHECK(strcmp(status.hint, "It must be a whole number from -3 to 10.") == 0, "hint: %s",
		  status.hint);
	CHECK(set(&target, "whole", number(11), NULL) == EM_INVALID_OPTION, "too large");
	CHECK(set(&target, "whole", number(-4), NULL) == EM_INVALID_OPTION, "too small");
	CHECK(set(&target, "whole", number(NAN), &status) == EM_INVALID_OPTION, "NaN");
	CHECK(set(&target, "whole", number(INFINITY), &status) == EM_INVALID_OPTION, "infinity");
	CHECK(set(&target, "whole", string("3"), &status) == EM_INVALID_OPTION, "a string");
	CHECK(set(&target, "whole", yes, &status) == EM_INVALID_OPTION, "a truth value");
	CHECK(set(&target, "whole", null, &status) == EM_INVALID_OPTION &&
			  strcmp(status.message, "option \"whole\" cannot be null") == 0,
		  "null");
	CHECK(set(&target, "whole", other, &status) == EM_INVALID_OPTION, "an object");

	CHECK(set(&target, "real", number(0.95), &status) == EM_OK && target.real_number == 0.95,
		  "a number at its bound");
	CHECK(set(&target, "real", number(0.951), &status) == EM_INVALID_OPTION &&
			  strcmp(status.hint, "It must be a number from 0 to 0.95.") == 0,
		  "beyond its bound");
	CHECK(set(&target, "real", number(NAN), &status) == EM_INVALID_OPTION, "NaN is no number");

	CHECK(set(&target, "flag", yes, &status) == EM_OK && target.flag, "a truth value is set");
	CHECK(set(&target, "flag", number(1), &status) == EM_INVALID_OPTION, "1 is no truth value");

	CHECK(set(&target, "choice", string("green"), &status) == EM_OK && target.choice == 1,
		  "a choice");
	CHECK(set(&target, "choice", string("blue"), &status) == EM_INVALID_OPTION &&
			  target.choice == 1 &&
			  strcmp(status.message, "option \"choice\" cannot be \"blue\"") == 0 &&
			  strcmp(status.hint, "It must be one of \"red\", \"green\".") == 0,
		  "what is no choice: %s (%s)", status.message, status.hint);
	CHECK(set(&target, "choice", string(""), &status) == EM_INVALID_OPTION, "an empty choice");
	CHECK(set(&target, "choice", number(1), &status) == EM_INVALID_OPTION, "a choice by number");

	CHECK(set(&target, "list", list, &status) == EM_OK && target.list.count == 3 &&
			  target.list.values[2] == 15,
		  "a list");
	list.numbers[1] = 2.5;
	CHECK(set(&target, "list", list, &status) == EM_INVALID_OPTION && target.list.values[1] == 3 &&
			  strcmp(status.message, "option \"list\" cannot be [1, 2.5, 15]") == 0,
		  "a list with a fraction: %s", status.message);
	list.count = 0;
	CHECK(set(&target, "list", list, &status) == EM_INVALID_OPTION, "an empty list");
	list.count = OPTION_LIST_MAX + 1;
	CHECK(set(&target, "list", list, &status) == EM_INVALID_OPTION, "too long a list");
	CHECK(set(&target, "list", number(3), &status) == EM_INVALID_OPTION, "a number is no list");

	CHECK(set(&target, "seed", number(9007199254740992.0), &status) == EM_OK &&
			  target.seed == UINT64_C(9007199254740992),
		  "a seed");
	CHECK(set(&target, "seed", number(9223372036854775808.0), &status) == EM_INVALID_OPTION,
		  "2^63 is too large a seed");
	CHECK(set(&target, "seed", number(-1), &status) == EM_INVALID_OPTION, "-1 is no seed");
	target.seed = INT64_MAX;
	option_print(&specs[5], &target, printed, sizeof(printed));
	CHECK(strcmp(printed, "9223372036854775807") == 0, "a seed is printed whole");
	option_print(&specs[4], &target, printed, sizeof(printed));
	CHECK(strcmp(printed, "[1, 3, 15]") == 0, "a list is printed");
	option_print(&specs[3], &target, printed, sizeof(printed));
	CHECK(strcmp(printed, "\"green\"") == 0, "a choice is printed");

	CHECK(option_check(specs, &target, &status) == EM_OK, "a good struct passes");
	target.choice = 2;
	CHECK(option_check(specs, &target, &status) == EM_INVALID_OPTION, "a choice beyond the last");
	target.choice = 0;
	target.real_number = NAN;
	CHECK(option_check(specs, &target, &status) == EM_INVALID_OPTION, "a NaN in the struct");
	target.real_number = 0;
	target.list.count = 99;
	CHECK(option_check(specs, &target, &status) == EM_INVALID_OPTION, "a wrong list in the struct");
}

static em_code
from_json(model_config *config, const char *json, em_status *status)
{
	memset(status, 0, sizeof(*status));
	return model_config_from_json(config, (em_slice){ json, strlen(json) }, status);
}

static void
test_config(void)
{
	model_config config, back;
	em_status status;
	char json[MODEL_CONFIG_JSON_MAX];
	text_options paper;
	size_t n;
	static const char *const bad[] = {
		"",
		"[]",
		"{",
		"{} x",
		"{\"hidden\": 0}",
		"{\"hidden\": 2049}",
		"{\"hidden\": 1e999}",
		"{\"hidden\": \"128\"}",
		"{\"hidden\": 64, \"hidden\": 64}",
		"{\"hidden_units\": 64}",
		"{\"kernel_widths\": []}",
		"{\"kernel_widths\": [3, 3]}",
		"{\"kernel_widths\": [0]}",
		"{\"kernel_widths\": [16]}",
		"{\"kernel_widths\": [1,2,3,4,5,6,7,8,9]}",
		"{\"kernel_widths\": [3, \"5\"]}",
		"{\"kernel_widths\": [[3]]}",
		"{\"kernel_widths\": 3}",
		"{\"dropout_conv\": 0.96}",
		"{\"dropout_conv\": -0.1}",
		"{\"text_urls\": \"hide\"}",
		"{\"text_urls\": 1}",
		"{\"text_lowercase\": \"true\"}",
		"{\"text_max_tokens\": 0}",
		"{\"text_preset\": \"papers\"}",
		"{\"text_preset\": 1}",
		"{\"text_preset\": \"paper\", \"text_preset\": \"paper\"}",
		"{\"text_preset\": \"a preset with a name that is far too long to be one\"}",
		"{\"text\": {\"lowercase\": true}}",
	};

	model_config_default(&config);
	CHECK(model_config_check(&config, &status) == EM_OK, "the default passes");
	CHECK(config.embedding_dim == 200 && config.kernel_widths.count == 1 &&
			  config.kernel_widths.values[0] == 3 && config.filters == 128 &&
			  config.hidden == 128 && config.attention == 256,
		  "the default sizes");
	CHECK(from_json(&back, "{}", &status) == EM_OK && memcmp(&back, &config, sizeof(back)) == 0,
		  "an empty object is the default");

	config.kernel_widths = (option_int_list){ 3, { 2, 3, 5 } };
	config.dropout_word = 0.1;
	config.text.urls = TEXT_REMOVE;
	config.text.emoji = !config.text.emoji;
	config.text.max_tokens = 77;
	n = model_config_to_json(&config, json, sizeof(json));
	CHECK(n > 0 && n == strlen(json), "the configuration is printed");
	CHECK(strstr(json, "\"kernel_widths\": [2, 3, 5]") != NULL &&
			  strstr(json, "\"dropout_word\": 0.1,") != NULL &&
			  strstr(json, "\"text_urls\": \"remove\"") != NULL &&
			  strstr(json, "\"text_max_tokens\": 77") != NULL,
		  "as JSON: %s", json);
	CHECK(from_json(&back, json, &status) == EM_OK && memcmp(&back, &config, sizeof(back)) == 0,
		  "and read back the same: %s", status.message);
	CHECK(model_config_to_json(&config, json, n + 1) == n &&
			  model_config_to_json(&config, json, n) == 0,
		  "it is printed whole or not at all");

	text_options_preset(&paper, "paper");
	CHECK(from_json(&back, "{\"text_urls\": \"keep\", \"text_preset\": \"paper\"}", &status) ==
				  EM_OK &&
			  back.text.urls == TEXT_KEEP && back.text.mentions == paper.mentions &&
			  back.text.max_tokens == paper.max_tokens,
		  "a preset comes first, wherever it stands");
	CHECK(from_json(&back, "{\"h\\u0069dden\": 64, \"text_urls\": \"\\u006bee\\u0070\"}",
					&status) == EM_OK &&
			  back.hidden == 64 && back.text.urls == TEXT_KEEP,
		  "escapes are understood");

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		em_code code = from_json(&back, bad[i], &status);

		CHECK((code == EM_INVALID_OPTION || code == EM_CORRUPT) && status.code == code &&
				  status.message[0] != '\0',
			  "refused: %s: %s", bad[i], status.message);
	}
	CHECK(from_json(&back, "{\"hidden_units\": 64}", &status) == EM_INVALID_OPTION &&
			  strcmp(status.message, "unknown option \"hidden_units\"") == 0,
		  "an unknown option is named");
}

static void
test_layout(void)
{
	network_layout layout;
	model_config config;
	em_status status;
	size_t end = 0, decaying = 0;
	bool aligned = true, ordered = true;

	model_config_default(&config);
	config.kernel_widths = (option_int_list){ 2, { 3, 5 } };
	config.filters = 7;
	config.embedding_dim = 10;
	config.hidden = 5;
	config.attention = 3;
	CHECK(network_layout_init(&layout, &config, 1000, 28, &status) == EM_OK, "a layout is made");
	CHECK(layout.tensor_count == 12 && layout.conv == 14 && layout.labels == 28 &&
			  layout.vocabulary == 1000 && layout.embedding == 10 && layout.hidden == 5 &&
			  layout.attention == 3,
		  "with its sizes");
	for (size_t i = 0; i < layout.tensor_count; i++)
	{
		const network_tensor *tensor = &layout.tensors[i];
		uint64_t elements = 1;

		for (int j = 0; j < tensor->rank; j++)
			elements *= tensor->shape[j];
		aligned = aligned && tensor->offset % 16 == 0;
		ordered = ordered && tensor->offset >= end && tensor->offset < end + 16 &&
				  elements == tensor->elements;
		end = tensor->offset + tensor->elements;
		decaying += tensor->decay ? tensor->elements : 0;
	}
	CHECK(aligned, "tensors lie at multiples of 16 elements");
	CHECK(ordered && layout.dense >= end && layout.dense < end + 16 && layout.dense % 16 == 0,
		  "one after the other");
	CHECK(strcmp(layout.tensors[2].name, "conv.1.weight") == 0 && layout.tensors[2].rank == 3 &&
			  layout.tensors[2].shape[0] == 7 && layout.tensors[2].shape[1] == 5 &&
			  layout.tensors[2].shape[2] == 10,
		  "conv.1.weight is (filters, width, E)");
	CHECK(strcmp(layout.tensors[4].name, "lstm.weight_input") == 0 &&
			  layout.tensors[4].shape[0] == 40 && layout.tensors[4].shape[1] == 14,
		  "lstm.weight_input is (8H, F)");
	CHECK(decaying == 7 * 3 * 10 + 7 * 5 * 10 + 40 * 14 + 2 * 20 * 5 + 3 * 10 + 3 + 28 * 10,
		  "weights decay, biases do not");

	CHECK(network_layout_init(&layout, &config, 1000, 0, &status) == EM_LIMIT, "no labels");
	CHECK(network_layout_init(&layout, &config, 1000, 1001, &status) == EM_LIMIT,
		  "too many labels");
	CHECK(network_layout_init(&layout, &config, 0, 28, &status) == EM_LIMIT, "no vocabulary");
	config.embedding_dim = 2048;
	CHECK(network_layout_init(&layout, &config, 1100000, 28, &status) == EM_LIMIT,
		  "too many parameters: %s", status.message);
	config.filters = 4096;
	CHECK(network_layout_init(&layout, &config, 10, 28, &status) == EM_INVALID_OPTION,
		  "a size out of range: %s", status.message);
	config.filters = 2048;
	config.hidden = config.attention = 2048;
	config.kernel_widths = (option_int_list){ 8, { 15, 14, 13, 12, 11, 10, 9, 8 } };
	CHECK(network_layout_init(&layout, &config, 2, 1000, &status) == EM_OK &&
			  layout.tensor_count == NETWORK_MAX_TENSORS &&
			  layout.tensors[16].elements == 8 * 2048 * 8 * (size_t) 2048,
		  "the largest sizes at once");
}

int
main(void)
{
	test_set();
	test_config();
	test_layout();
	return check_done();
}
