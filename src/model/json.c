/*
 * json.c
 *	  The strict pull parser. Values to and from text: json_value.c.
 */
#include "json.h"

#include <string.h>

/* What may come next in an open object or array. */
enum
{
	OBJECT_FIRST, /* a key or } */
	OBJECT_VALUE, /* the value of the key just given; its colon was read */
	OBJECT_NEXT,  /* a comma or } */
	ARRAY_FIRST,  /* a value or ] */
	ARRAY_NEXT,   /* a comma or ] */
};

#define UNEXPECTED_END "it ends too early"

void
json_open(json_reader *reader, const char *bytes, size_t length)
{
	memset(reader, 0, sizeof(*reader));
	reader->bytes = bytes;
	reader->length = length;
}

static json_token
fail(json_reader *reader, const char *error)
{
	reader->error = error;
	return JSON_ERROR;
}

static void
skip_blanks(json_reader *reader)
{
	while (reader->position < reader->length)
	{
		char c = reader->bytes[reader->position];

		if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
			break;
		reader->position++;
	}
}

/* The next byte, or -1 at the end. */
static int
peek(const json_reader *reader)
{
	if (reader->position >= reader->length)
		return -1;
	return (unsigned char) reader->bytes[reader->position];
}

/* Length of the well-formed UTF-8 character at bytes, or 0. Table 3-7 of the Unicode standard. */
static size_t
utf8_character(const unsigned char *bytes, size_t length)
{
	unsigned char lead = bytes[0], low = 0x80, high = 0xBF;
	size_t n;

	if (lead < 0x80)
		return 1;
	if (lead < 0xC2 || lead > 0xF4)
		return 0;
	n = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
	if (lead == 0xE0)
		low = 0xA0; /* shorter would do */
	else if (lead == 0xED)
		high = 0x9F; /* surrogates */
	else if (lead == 0xF0)
		low = 0x90; /* shorter would do */
	else if (lead == 0xF4)
		high = 0x8F; /* beyond U+10FFFF */
	if (length < n || bytes[1] < low || bytes[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((bytes[i] & 0xC0) != 0x80)
			return 0;
	return n;
}

bool
json_valid_utf8(em_slice text)
{
	const unsigned char *bytes = (const unsigned char *) text.bytes;
	size_t i = 0;

	while (i < text.length)
	{
		size_t n = utf8_character(bytes + i, text.length - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Four hexadecimal digits at bytes, or -1. */
static int
hex_unit(const char *bytes, size_t length)
{
	int unit = 0;

	if (length < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		int digit = hex_digit(bytes[i]);

		if (digit < 0)
			return -1;
		unit = unit * 16 + digit;
	}
	return unit;
}

/* Check the escape at bytes (which begins with a backslash); its length, or 0. */
static size_t
check_escape(const char *bytes, size_t length)
{
	int unit;

	if (length < 2)
		return 0;
	if (bytes[1] != 'u')
		return bytes[1] != '\0' && strchr("\"\\/bfnrt", bytes[1]) != NULL ? 2 : 0;
	unit = hex_unit(bytes + 2, length - 2);
	if (unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF))
		return 0;
	if (unit < 0xD800 || unit > 0xDBFF)
		return 6;

	/* half of a pair: the other half must follow */
	if (length < 12 || bytes[6] != '\\' || bytes[7] != 'u')
		return 0;
	unit = hex_unit(bytes + 8, length - 8);
	return unit >= 0xDC00 && unit <= 0xDFFF ? 12 : 0;
}

/* The string that begins at the current quote. */
static json_token
read_string(json_reader *reader, json_token token)
{
	size_t start = ++reader->position;

	reader->escaped = false;
	for (;;)
	{
		int c = peek(reader);
		size_t n = 1;

		if (c < 0)
			return fail(reader, UNEXPECTED_END);
		if (c == '"')
			break;
		if (c < 0x20)
			return fail(reader, "a control character in a string");
		if (c == '\\')
		{
			n = check_escape(reader->bytes + reader->position, reader->length - reader->position);
			if (n == 0)
				return fail(reader, "a wrong escape in a string");
			reader->escaped = true;
		}
		else if (c >= 0x80)
		{
			n = utf8_character((const unsigned char *) reader->bytes + reader->position,
							   reader->length - reader->position);
			if (n == 0)
				return fail(reader, "invalid UTF-8 in a string");
		}
		reader->position += n;
	}
	reader->raw.bytes = reader->bytes + start;
	reader->raw.length = reader->position - start;
	reader->position++;
	return token;
}

/* Pass over digits; false when there is none. */
static bool
read_digits(json_reader *reader)
{
	size_t start = reader->position;

	while (peek(reader) >= '0' && peek(reader) <= '9')
		reader->position++;
	return reader->position > start;
}

static json_token
read_number(json_reader *reader)
{
	size_t start = reader->position;

	if (peek(reader) == '-')
		reader->position++;
	if (peek(reader) == '0')
		reader->position++;
	else if (!read_digits(reader))
		return fail(reader, "a number without digits");
	if (peek(reader) == '.')
	{
		reader->position++;
		if (!read_digits(reader))
			return fail(reader, "a number without digits after its point");
	}
	if (peek(reader) == 'e' || peek(reader) == 'E')
	{
		reader->position++;
		if (peek(reader) == '+' || peek(reader) == '-')
			reader->position++;
		if (!read_digits(reader))
			return fail(reader, "a number without digits in its exponent");
	}
	reader->raw.bytes = reader->bytes + start;
	reader->raw.length = reader->position - start;
	return JSON_NUMBER;
}

static json_token
read_word(json_reader *reader, const char *word, json_token token)
{
	size_t length = strlen(word);

	if (reader->length - reader->position < length ||
		memcmp(reader->bytes + reader->position, word, length) != 0)
		return fail(reader, "an unknown word");
	reader->position += length;
	return token;
}

/* A value is complete: say what may follow it. */
static void
end_value(json_reader *reader)
{
	if (reader->depth == 0)
		reader->done = true;
	else if (reader->stack[reader->depth - 1] == OBJECT_VALUE)
		reader->stack[reader->depth - 1] = OBJECT_NEXT;
	else
		reader->stack[reader->depth - 1] = ARRAY_NEXT;
}

static json_token
begin_nested(json_reader *reader, uint8_t state, json_token token)
{
	if (reader->depth == JSON_MAX_DEPTH)
		return fail(reader, "nested too deeply");
	reader->position++;
	reader->stack[reader->depth++] = state;
	return token;
}

static json_token
end_nested(json_reader *reader, json_token token)
{
	reader->position++;
	reader->depth--;
	end_value(reader);
	return token;
}

static json_token
read_value(json_reader *reader)
{
	json_token token;

	switch (peek(reader))
	{
		case -1:
			return fail(reader, UNEXPECTED_END);
		case '{':
			return begin_nested(reader, OBJECT_FIRST, JSON_OBJECT_BEGIN);
		case '[':
			return begin_nested(reader, ARRAY_FIRST, JSON_ARRAY_BEGIN);
		case '"':
			token = read_string(reader, JSON_STRING);
			break;
		case 't':
			token = read_word(reader, "true", JSON_TRUE);
			break;
		case 'f':
			token = read_word(reader, "false", JSON_FALSE);
			break;
		case 'n':
			token = read_word(reader, "null", JSON_NULL);
			break;
		case '-':
		case '0':
		case '1':
		case '2':
		case '3':
		case '4':
		case '5':
		case '6':
		case '7':
		case '8':
		case '9':
			token = read_number(reader);
			break;
		default:
			return fail(reader, "no value where one must be");
	}
	if (token != JSON_ERROR)
		end_value(reader);
	return token;
}

static json_token
read_key(json_reader *reader)
{
	json_token token;

	if (peek(reader) != '"')
		return fail(reader, peek(reader) < 0 ? UNEXPECTED_END : "no key where one must be");
	token = read_string(reader, JSON_KEY);
	if (token == JSON_ERROR)
		return token;
	skip_blanks(reader);
	if (peek(reader) != ':')
		return fail(reader, peek(reader) < 0 ? UNEXPECTED_END : "no colon after a key");
	reader->position++;
	reader->stack[reader->depth - 1] = OBJECT_VALUE;
	return token;
}

json_token
json_next(json_reader *reader)
{
	uint8_t state;
	int c;

	if (reader->error != NULL)
		return JSON_ERROR;
	reader->raw = (em_slice){ NULL, 0 };
	reader->escaped = false;
	skip_blanks(reader);
	if (reader->depth == 0)
	{
		if (!reader->done)
			return read_value(reader);
		if (reader->position < reader->length)
			return fail(reader, "something after the end");
		return JSON_END;
	}

	state = reader->stack[reader->depth - 1];
	c = peek(reader);
	switch (state)
	{
		case OBJECT_VALUE:
			return read_value(reader);
		case OBJECT_FIRST:
			if (c == '}')
				return end_nested(reader, JSON_OBJECT_END);
			return read_key(reader);
		case ARRAY_FIRST:
			if (c == ']')
				return end_nested(reader, JSON_ARRAY_END);
			return read_value(reader);
		default:
			break;
	}

	if (c < 0)
		return fail(reader, UNEXPECTED_END);
	if (state == OBJECT_NEXT && c == '}')
		return end_nested(reader, JSON_OBJECT_END);
	if (state == ARRAY_NEXT && c == ']')
		return end_nested(reader, JSON_ARRAY_END);
	if (c != ',')
		return fail(reader, "no comma between two things");
	reader->position++;
	skip_blanks(reader);
	return state == OBJECT_NEXT ? read_key(reader) : read_value(reader);
}

bool
json_skip(json_reader *reader, json_token token)
{
	int outside = reader->depth - 1;

	if (token == JSON_ERROR || token == JSON_END)
		return false;
	if (token != JSON_OBJECT_BEGIN && token != JSON_ARRAY_BEGIN)
		return true;
	while (reader->depth > outside)
		if (json_next(reader) == JSON_ERROR)
			return false;
	return true;
}
