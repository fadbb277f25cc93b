/*
 * fuzz_json.c
 *	  Any bytes through the JSON parser: it ends, its slices lie inside, and
 *	  what it unescapes and converts comes back the same.
 */
#include "fuzz.h"

#include "../../src/model/json.h"

static void
check_string(em_slice raw)
{
	char *plain = malloc(raw.length + 1), *escaped, *again;
	size_t length = json_unescape(raw, plain), escaped_length;

	require(length <= raw.length);
	require(json_valid_utf8((em_slice){ plain, length }));
	escaped_length = json_escape((em_slice){ plain, length }, NULL);
	escaped = malloc(escaped_length);
	again = malloc(escaped_length);
	require(json_escape((em_slice){ plain, length }, escaped) == escaped_length);
	require(json_unescape((em_slice){ escaped + 1, escaped_length - 2 }, again) == length);
	require(memcmp(plain, again, length) == 0);
	free(plain);
	free(escaped);
	free(again);
}

static void
check_number(em_slice raw)
{
	double value, back;
	uint64_t whole;
	char printed[JSON_NUMBER_MAX];

	if (json_to_double(raw, &value))
	{
		size_t length = json_print_number(value, false, printed);

		require(json_to_double((em_slice){ printed, length }, &back) && back == value);
	}
	if (json_to_size(raw, &whole))
		require(json_to_double(raw, &value) && value == (double) whole);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_reader reader;
	json_token token;
	int steps = 0;

	json_open(&reader, (const char *) data, size);
	while ((token = json_next(&reader)) != JSON_END && token != JSON_ERROR)
	{
		if (token == JSON_KEY || token == JSON_STRING || token == JSON_NUMBER)
			require(reader.raw.bytes >= (const char *) data &&
					reader.raw.bytes + reader.raw.length <= (const char *) data + size);
		if (token == JSON_KEY || token == JSON_STRING)
			check_string(reader.raw);
		else if (token == JSON_NUMBER)
			check_number(reader.raw);
		else if (token == JSON_ARRAY_BEGIN && ++steps % 3 == 0)
			(void) json_skip(&reader, token);
	}
	require(token == JSON_END || reader.error != NULL);
	require(json_next(&reader) == token);
	return 0;
}
