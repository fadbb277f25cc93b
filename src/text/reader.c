/*
 * reader.c
 *	  The slow path of reading: UTF-8 beyond ASCII and HTML entities.
 */
#include "reader.h"

#include <string.h>

static const struct
{
	const char *name;
	uint32_t code_point;
} entities[] = {
	{ "amp;", '&' },  { "lt;", '<' },    { "gt;", '>' },
	{ "quot;", '"' }, { "apos;", '\'' }, { "nbsp;", 0xA0 },
};

/*
 * &#39; or &#x27; with at most seven digits. Returns the bytes behind the '&',
 * 0 when they are no entity.
 */
static size_t
numeric_entity(const char *bytes, size_t length, uint32_t *code_point)
{
	size_t i = 1;
	size_t first;
	uint32_t base = 10;
	uint32_t value = 0;

	if (i < length && (bytes[i] == 'x' || bytes[i] == 'X'))
	{
		base = 16;
		i++;
	}
	for (first = i; i < length && i < first + 7; i++)
	{
		char c = bytes[i];
		uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t) (c - '0')
						 : c >= 'a' && c <= 'f' ? (uint32_t) (c - 'a') + 10
						 : c >= 'A' && c <= 'F' ? (uint32_t) (c - 'A') + 10
												: 16;

		if (digit >= base)
			break;
		value = value * base + digit;
	}
	if (i == first || i >= length || bytes[i] != ';')
		return 0;
	if (value == 0 || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
		return 0;
	*code_point = value;
	return i + 1;
}

static size_t
entity(const char *bytes, size_t length, uint32_t *code_point)
{
	if (length > 0 && bytes[0] == '#')
		return numeric_entity(bytes, length, code_point);
	for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++)
	{
		size_t size = strlen(entities[i].name);

		if (length >= size && memcmp(bytes, entities[i].name, size) == 0)
		{
			*code_point = entities[i].code_point;
			return size;
		}
	}
	return 0;
}

void
text_ask(text_reader *reader)
{
	if (reader->stopped || reader->should_stop == NULL ||
		!reader->should_stop(reader->stop_context))
		return;
	reader->stopped = true;
	reader->length = 0;
}

uint32_t
text_read_decoding(text_reader *reader, size_t *position)
{
	const char *bytes = reader->text + *position;
	size_t length = reader->length - *position;
	uint32_t code_point = TEXT_INVALID;
	size_t size;

	if (bytes[0] == '&')
	{
		code_point = '&';
		*position += 1 + entity(bytes + 1, length - 1, &code_point);
		return code_point;
	}
	size = text_utf8_decode(bytes, length, &code_point);
	if (size == 0)
	{
		*position += 1;
		return TEXT_INVALID;
	}
	*position += size;
	return code_point;
}
