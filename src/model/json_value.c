/*
 * json_value.c
 *	  Strings and numbers of JSON to and from what they mean.
 */
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Four hexadecimal digits, which json_next has checked. */
static uint32_t
unit_at(const char *bytes)
{
	uint32_t unit = 0;

	for (int i = 0; i < 4; i++)
	{
		uint32_t c = (unsigned char) bytes[i];

		unit = unit * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return unit;
}

static size_t
put_utf8(uint32_t code, char *out)
{
	if (code < 0x80)
	{
		out[0] = (char) code;
		return 1;
	}
	if (code < 0x800)
	{
		out[0] = (char) (0xC0 | code >> 6);
		out[1] = (char) (0x80 | (code & 0x3F));
		return 2;
	}
	if (code < 0x10000)
	{
		out[0] = (char) (0xE0 | code >> 12);
		out[1] = (char) (0x80 | (code >> 6 & 0x3F));
		out[2] = (char) (0x80 | (code & 0x3F));
		return 3;
	}
	out[0] = (char) (0xF0 | code >> 18);
	out[1] = (char) (0x80 | (code >> 12 & 0x3F));
	out[2] = (char) (0x80 | (code >> 6 & 0x3F));
	out[3] = (char) (0x80 | (code & 0x3F));
	return 4;
}

size_t
json_unescape(em_slice raw, char *out)
{
	size_t i = 0, n = 0;

	while (i < raw.length)
	{
		uint32_t code;

		if (raw.bytes[i] != '\\')
		{
			out[n++] = raw.bytes[i++];
			continue;
		}
		switch (raw.bytes[i + 1])
		{
			case 'b':
				out[n++] = '\b';
				break;
			case 'f':
				out[n++] = '\f';
				break;
			case 'n':
				out[n++] = '\n';
				break;
			case 'r':
				out[n++] = '\r';
				break;
			case 't':
				out[n++] = '\t';
				break;
			case 'u':
				code = unit_at(raw.bytes + i + 2);
				i += 4;
				if (code >= 0xD800 && code <= 0xDBFF)
				{
					code =
						0x10000 + (code - 0xD800) * 0x400 + (unit_at(raw.bytes + i + 4) - 0xDC00);
					i += 6;
				}
				n += put_utf8(code, out + n);
				break;
			default:
				out[n++] = raw.bytes[i + 1];
				break;
		}
		i += 2;
	}
	return n;
}

/*
 * strtod reads the locale's decimal point, so it never sees one: the digits go
 * to it as a whole number with an exponent, which it rounds correctly. No
 * double needs more than 767 significant digits to be told from its
 * neighbours (MAX_DIGITS covers them); of those beyond only matters whether one is not zero.
 */
#define MAX_DIGITS 800

bool
json_to_double(em_slice raw, double *value)
{
	char number[MAX_DIGITS + 32];
	size_t n = 0, digits = 0, i = 0;
	int64_t exponent = 0, given = 0;
	bool fraction = false, rest = false, negative_exponent = false;

	for (; i < raw.length; i++)
	{
		char c = raw.bytes[i];

		if (c == '-')
			number[n++] = c;
		else if (c == '.')
			fraction = true;
		else if (c >= '0' && c <= '9')
		{
			exponent -= fraction;
			if (digits == 0 && c == '0')
				continue;
			if (digits < MAX_DIGITS)
			{
				number[n++] = c;
				digits++;
			}
			else
			{
				rest = rest || c != '0';
				exponent++;
			}
		}
		else
			break; /* e or E */
	}
	if (i < raw.length)
	{
		for (i++; i < raw.length; i++)
		{
			char c = raw.bytes[i];

			if (c == '-')
				negative_exponent = true;
			else if (c != '+' && given < INT64_C(1) << 48)
				given = given * 10 + (c - '0');
		}
	}
	if (digits == 0)
	{
		*value = n > 0 ? -0.0 : 0.0;
		return true;
	}
	if (rest)
	{
		number[n++] = '1';
		exponent--;
	}
	exponent += negative_exponent ? -given : given;

	/* far beyond what any double reaches with so many digits, but an int still */
	if (exponent > 100000)
		exponent = 100000;
	if (exponent < -100000)
		exponent = -100000;
	snprintf(number + n, sizeof(number) - n, "e%d", (int) exponent);
	*value = strtod(number, NULL);
	return isfinite(*value);
}

bool
json_to_size(em_slice raw, uint64_t *value)
{
	uint64_t result = 0;

	if (raw.length == 0 || raw.length > 16)
		return false;
	for (size_t i = 0; i < raw.length; i++)
	{
		if (raw.bytes[i] < '0' || raw.bytes[i] > '9')
			return false;
		result = result * 10 + (uint64_t) (raw.bytes[i] - '0');
	}
	if (result > UINT64_C(1) << 53)
		return false;
	*value = result;
	return true;
}

size_t
json_print_number(double value, bool single, char out[JSON_NUMBER_MAX])
{
	size_t length = 0;

	for (int precision = single ? 6 : 15; precision <= (single ? 9 : 17); precision++)
	{
		char printed[64];
		double back;

		/* printf's decimal point is the locale's, perhaps of several bytes: make it ours */
		snprintf(printed, sizeof(printed), "%.*g", precision, value);
		length = 0;
		for (const char *c = printed; *c != '\0' && length < JSON_NUMBER_MAX - 1; c++)
		{
			if ((*c >= '0' && *c <= '9') || *c == '-' || *c == '+' || *c == 'e')
				out[length++] = *c;
			else if (length > 0 && out[length - 1] != '.')
				out[length++] = '.';
		}
		out[length] = '\0';
		if (json_to_double((em_slice){ out, length }, &back) &&
			(single ? (float) back == (float) value : back == value))
			break;
	}
	return length;
}

size_t
json_escape(em_slice text, char *out)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;

	if (out != NULL)
		out[n] = '"';
	n++;
	for (size_t i = 0; i < text.length; i++)
	{
		unsigned char c = (unsigned char) text.bytes[i];
		char escape = '\0';

		if (c == '"' || c == '\\')
			escape = (char) c;
		else if (c == '\n')
			escape = 'n';
		else if (c == '\r')
			escape = 'r';
		else if (c == '\t')
			escape = 't';
		else if (c < 0x20)
		{
			if (out != NULL)
			{
				memcpy(out + n, "\\u00", 4);
				out[n + 4] = hex[c >> 4];
				out[n + 5] = hex[c & 15];
			}
			n += 6;
			continue;
		}
		if (escape != '\0')
		{
			if (out != NULL)
			{
				out[n] = '\\';
				out[n + 1] = escape;
			}
			n += 2;
			continue;
		}
		if (out != NULL)
			out[n] = (char) c;
		n++;
	}
	if (out != NULL)
		out[n] = '"';
	return n + 1;
}
