/*
 * test_json.c
 *	  The strict JSON parser, and numbers and strings to and from text.
 */
#include "check.h"

#include <float.h>
#include <locale.h>
#include <math.h>

#include "../../src/model/json.h"

/* Read a whole document; NULL when it is valid, else the error. */
static const char *
parse(const char *text, size_t length)
{
	/* a copy of the exact length, so that AddressSanitizer sees any reading beyond it */
	char *copy = malloc(length + (length == 0));
	json_reader reader;
	json_token token;
	const char *error;

	memcpy(copy, text, length);
	json_open(&reader, copy, length);
	do
		token = json_next(&reader);
	while (token != JSON_END && token != JSON_ERROR);
	error = token == JSON_ERROR ? reader.error : NULL;
	if (token == JSON_ERROR && json_next(&reader) != JSON_ERROR)
		error = NULL;
	free(copy);
	return error;
}

static void
test_documents(void)
{
	static const char *const good[] = {
		"{}",
		"[]",
		" \t\r\n[ ] \n",
		"null",
		"true",
		"false",
		"0",
		"-0",
		"-12.50e+3",
		"1E400",
		"0.1",
		"1e5",
		"10",
		"\"\"",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u0000\"",
		"\"\\ud83d\\uDE00\"",
		"\"\x7f\"",
		"\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"",
		"{\"a\":1,\"b\":[true,null,{\"c\":\"d\"}],\"a\":2}",
		"[[],{},[[]],0]",
		"{\"\":{}}",
	};
	static const char *const bad[] = {
		"",
		" ",
		"{",
		"[",
		"}",
		"]",
		"[}",
		"{]",
		"{\"a\":1]",
		"[1}",
		"[1,]",
		"[,1]",
		"[1 2]",
		"[1,,2]",
		"{,}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{\"a\" 1}",
		"{\"a\":1 \"b\":2}",
		"{a:1}",
		"{1:2}",
		"{\"a\"::1}",
		"{\"a",
		"{\"a\":",
		"{} {}",
		"1 2",
		"nul",
		"nulL",
		"True",
		"truefalse",
		"NaN",
		"Infinity",
		"-Infinity",
		"+1",
		"01",
		"-01",
		"00",
		"1.",
		".5",
		"-",
		"-.5",
		"1e",
		"1e+",
		"1.e1",
		"0x10",
		"1_000",
		"'a'",
		"\"",
		"\"a",
		"\"\\",
		"\"\\\"",
		"\"\\x\"",
		"\"\\u12\"",
		"\"\\u12G4\"",
		"\"\\ud800\"",
		"\"\\ud800\\n\"",
		"\"\\ud800\\u0041\"",
		"\"\\ud800\\ud800\"",
		"\"\\ud83d\\ude0\"",
		"\"\\udc00\"",
		"\"a\nb\"",
		"\"a\tb\"",
		"\"\x1f\"",
		"\"\x80\"",
		"\"\xc0\x80\"",
		"\"\xc1\xbf\"",
		"\"\xc3\"",
		"\"\xc3(\"",
		"\"\xe0\x80\x80\"",
		"\"\xe0\x9f\xbf\"",
		"\"\xe2\x82\"",
		"\"\xed\xa0\x80\"",
		"\"\xed\xbf\xbf\"",
		"\"\xf0\x80\x80\x80\"",
		"\"\xf0\x8f\xbf\xbf\"",
		"\"\xf4\x90\x80\x80\"",
		"\"\xf5\x80\x80\x80\"",
		"\"\xff\"",
		"\xef\xbb\xbf{}",
		"// comment\n1",
		"[1]x",
	};
	char nested[2 * JSON_MAX_DEPTH + 3];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(parse(good[i], strlen(good[i])) == NULL, "valid document %zu is read", i);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(parse(bad[i], strlen(bad[i])) != NULL, "invalid document %zu is refused", i);
	CHECK(parse("[\0]", 3) != NULL, "a NUL between tokens is refused");
	CHECK(parse("\"\0\"", 3) != NULL, "a NUL in a string is refused");
	CHECK(parse("\"\\\0\"", 4) != NULL, "a NUL as an escape is refused");

	memset(nested, '[', JSON_MAX_DEPTH);
	memset(nested + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
	CHECK(parse(nested, 2 * JSON_MAX_DEPTH) == NULL, "64 levels are read");
	memset(nested, '[', JSON_MAX_DEPTH + 1);
	memset(nested + JSON_MAX_DEPTH + 1, ']', JSON_MAX_DEPTH + 1);
	CHECK(parse(nested, 2 * JSON_MAX_DEPTH + 2) != NULL, "65 levels are refused");

	/* every beginning of a document is not one */
	{
		const char *text = "{\"a\\u00e9\":[1.5e3,true,null,\"\xf0\x9f\x98\x80\"],\"b\":{\"c\":-1}}";
		bool all = true;

		for (size_t n = 0; n < strlen(text); n++)
			all = all && parse(text, n) != NULL;
		CHECK(all, "a document cut anywhere is refused");
		CHECK(parse(text, strlen(text)) == NULL, "and read when whole");
	}
}

static bool
is(em_slice text, const char *expected)
{
	return text.length == strlen(expected) && memcmp(text.bytes, expected, text.length) == 0;
}

static void
test_tokens(void)
{
	const char *text = " {\"a\\n\" : [1, -2.5, \"x\"], \"b\": {\"c\": [[]]}, \"d\": false} ";
	json_reader reader;
	json_token token;

	json_open(&reader, text, strlen(text));
	CHECK(json_next(&reader) == JSON_OBJECT_BEGIN, "an object begins");
	CHECK(json_next(&reader) == JSON_KEY && is(reader.raw, "a\\n") && reader.escaped,
		  "its key is raw and known to be escaped");
	CHECK(json_next(&reader) == JSON_ARRAY_BEGIN, "an array begins");
	CHECK(json_next(&reader) == JSON_NUMBER && is(reader.raw, "1"), "a number");
	CHECK(json_next(&reader) == JSON_NUMBER && is(reader.raw, "-2.5"), "another number");
	CHECK(json_next(&reader) == JSON_STRING && is(reader.raw, "x") && !reader.escaped, "a string");
	CHECK(json_next(&reader) == JSON_ARRAY_END, "the array ends");
	CHECK(json_next(&reader) == JSON_KEY && is(reader.raw, "b"), "the second key");
	token = json_next(&reader);
	CHECK(token == JSON_OBJECT_BEGIN && json_skip(&reader, token), "an object is skipped");
	CHECK(json_next(&reader) == JSON_KEY && is(reader.raw, "d"), "what follows it is next");
	token = json_next(&reader);
	CHECK(token == JSON_FALSE && json_skip(&reader, token), "skipping a scalar does nothing");
	CHECK(json_next(&reader) == JSON_OBJECT_END, "the object ends");
	CHECK(json_next(&reader) == JSON_END && json_next(&reader) == JSON_END, "the end, and again");

	json_open(&reader, "[[1, 2", 6);
	token = json_next(&reader);
	CHECK(!json_skip(&reader, token), "skipping over an error says so");
}

static void
test_strings(void)
{
	static const struct
	{
		const char *raw;
		const char *text;
	} cases[] = {
		{ "plain", "plain" },
		{ "\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t" },
		{ "\\u0041\\u00e9\\u20ac", "A\xc3\xa9\xe2\x82\xac" },
		{ "\\uD83D\\ude00!", "\xf0\x9f\x98\x80!" },
		{ "\\uffff\\udbff\\udfff", "\xef\xbf\xbf\xf4\x8f\xbf\xbf" },
	};
	char out[128], back[128];
	const char hard[] = "a\"b\\c\nd\re\tf\x01g\x1fh/\x7f\xc3\xa9\xf0\x9f\x98\x80";
	size_t n;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		n = json_unescape((em_slice){ cases[i].raw, strlen(cases[i].raw) }, out);
		CHECK(n == strlen(cases[i].text) && memcmp(out, cases[i].text, n) == 0,
			  "string %zu is unescaped", i);
	}
	CHECK(json_unescape((em_slice){ "\\u0000", 6 }, out) == 1 && out[0] == '\0',
		  "an escaped NUL is one byte");

	n = json_escape((em_slice){ hard, sizeof(hard) }, NULL);
	CHECK(json_escape((em_slice){ hard, sizeof(hard) }, out) == n, "counting and writing agree");
	CHECK(parse(out, n) == NULL, "what is escaped is valid JSON");
	CHECK(json_unescape((em_slice){ out + 1, n - 2 }, back) == sizeof(hard) &&
			  memcmp(back, hard, sizeof(hard)) == 0,
		  "and is unescaped to the same");
	CHECK(json_escape((em_slice){ NULL, 0 }, out) == 2 && memcmp(out, "\"\"", 2) == 0,
		  "an empty string");
	CHECK(json_valid_utf8((em_slice){ hard, sizeof(hard) }), "valid UTF-8 is");
	CHECK(!json_valid_utf8((em_slice){ hard, sizeof(hard) - 2 }), "a cut character is not");
}

static bool
to_double(const char *text, double *value)
{
	return json_to_double((em_slice){ text, strlen(text) }, value);
}

static void
test_numbers(void)
{
	static const struct
	{
		const char *text;
		double value;
	} cases[] = {
		{ "0", 0 },
		{ "1", 1 },
		{ "-17.25", -17.25 },
		{ "0.1", 0.1 },
		{ "0.00012e4", 1.2 },
		{ "123456789012345678901234567890", 123456789012345678901234567890.0 },
		{ "1.7976931348623157e308", DBL_MAX },
		{ "2.2250738585072014e-308", DBL_MIN },
		{ "5e-324", 5e-324 },
		{ "1e-400", 0 },
		{ "0e999999999999999999999", 0 },
		{ "1e-99999999999999999999999999", 0 },
		{ "9007199254740993", 9007199254740992.0 },
		{ "9007199254740993.00000000000000000000000000001", 9007199254740994.0 },
		{ "0.000001e6", 1 },
		{ "1000000E-6", 1 },
	};
	char text[3000];
	double value;
	uint64_t size;
	char printed[JSON_NUMBER_MAX];
	bool all;
	uint64_t random = 1;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK(to_double(cases[i].text, &value) && value == cases[i].value, "%s is read",
			  cases[i].text);
	CHECK(to_double("-0", &value) && value == 0 && signbit(value), "minus zero keeps its sign");
	CHECK(!to_double("1e309", &value), "1e309 is not finite");
	CHECK(!to_double("-1e99999999999999999999999999", &value), "a huge exponent is not finite");

	/* half way between two doubles, and a digit 2,000 places on that decides */
	memset(text, '0', sizeof(text));
	memcpy(text, "9007199254740993.0", 18);
	text[2000] = '\0';
	CHECK(to_double(text, &value) && value == 9007199254740992.0, "a tie goes to even");
	text[1999] = '1';
	CHECK(to_double(text, &value) && value == 9007199254740994.0,
		  "unless the 2,000th digit breaks it");

	CHECK(json_to_size((em_slice){ "0", 1 }, &size) && size == 0, "size 0");
	CHECK(json_to_size((em_slice){ "9007199254740992", 16 }, &size) && size == UINT64_C(1) << 53,
		  "size 2^53");
	CHECK(!json_to_size((em_slice){ "9007199254740993", 16 }, &size), "not 2^53 + 1");
	CHECK(!json_to_size((em_slice){ "18446744073709551617", 20 }, &size), "not 2^64 + 1");
	CHECK(!json_to_size((em_slice){ "-1", 2 }, &size), "not -1");
	CHECK(!json_to_size((em_slice){ "-0", 2 }, &size), "not -0");
	CHECK(!json_to_size((em_slice){ "1.0", 3 }, &size), "not 1.0");
	CHECK(!json_to_size((em_slice){ "1e2", 3 }, &size), "not 1e2");

	json_print_number((double) 0.3f, true, printed);
	CHECK(strcmp(printed, "0.3") == 0, "a float is printed shortly");
	json_print_number(0.1, false, printed);
	CHECK(strcmp(printed, "0.1") == 0, "and a double");
	json_print_number(-DBL_MAX, false, printed);
	CHECK(strcmp(printed, "-1.7976931348623157e+308") == 0, "the longest fits");

	all = true;
	for (int i = 0; i < 20000; i++)
	{
		union
		{
			uint64_t bits;
			double number;
		} d;
		union
		{
			uint32_t bits;
			float number;
		} f;
		size_t n;

		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		d.bits = random;
		f.bits = (uint32_t) (random >> 32);
		if (isfinite(d.number))
		{
			n = json_print_number(d.number, false, printed);
			all = all && parse(printed, n) == NULL && to_double(printed, &value) &&
				  memcmp(&value, &d.number, sizeof(value)) == 0;
		}
		if (isfinite(f.number))
		{
			n = json_print_number((double) f.number, true, printed);
			all = all && parse(printed, n) == NULL && to_double(printed, &value) &&
				  (float) value == f.number;
		}
	}
	CHECK(all, "random numbers are printed so that they are read back the same");
}

int
main(void)
{
	static const char *const locales[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8",
										   "ps_AF.UTF-8" };
	size_t i;

	test_documents();
	test_tokens();
	test_strings();
	test_numbers();
	for (i = 0; i < sizeof(locales) / sizeof(locales[0]); i++)
		if (setlocale(LC_ALL, locales[i]) != NULL)
			break;
	if (i < sizeof(locales) / sizeof(locales[0]))
		test_numbers();
	else
		check_skip("numbers in a locale with a decimal comma", "no such locale is installed");
	return check_done();
}
