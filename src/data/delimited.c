/*
 * delimited.c
 *	  Records of delimited text -> fields.
 */
#include "delimited.h"

#include <string.h>

/*
 * The quoted field that begins at *place, copied to *scratch without its quotes; *place and
 * *scratch move behind it. False when no quote ends it.
 */
static bool
quoted_field(em_slice record, char quote, size_t *place, char **scratch, em_slice *field)
{
	size_t at = *place + 1;
	char *out = *scratch;

	field->bytes = out;
	while (at < record.length)
	{
		const char *begin = record.bytes + at;
		const char *end = memchr(begin, quote, record.length - at);
		size_t plain = end != NULL ? (size_t) (end - begin) : record.length - at;

		memcpy(out, begin, plain);
		out += plain;
		at += plain;
		if (end == NULL)
			break;
		at++;
		if (at == record.length || record.bytes[at] != quote)
		{
			field->length = (size_t) (out - field->bytes);
			*place = at;
			*scratch = out;
			return true;
		}
		*out++ = quote;
		at++;
	}
	return false;
}

data_record_state
data_split_record(em_slice record, data_dialect dialect, char *scratch, em_slice *fields,
				  size_t most, size_t *count)
{
	size_t place = 0;

	*count = 0;
	for (;;)
	{
		em_slice field;

		if (dialect.quote != 0 && place < record.length && record.bytes[place] == dialect.quote)
		{
			if (!quoted_field(record, dialect.quote, &place, &scratch, &field))
				return DATA_RECORD_OPEN_QUOTE;
			if (place < record.length && record.bytes[place] != dialect.delimiter)
				return DATA_RECORD_BAD_QUOTE;
		}
		else
		{
			const char *begin = record.length > 0 ? record.bytes + place : record.bytes;
			const char *end = place < record.length
								  ? memchr(begin, dialect.delimiter, record.length - place)
								  : NULL;

			field.bytes = begin;
			field.length = end != NULL ? (size_t) (end - begin) : record.length - place;
			place += field.length;
		}
		if (*count < most)
			fields[*count] = field;
		(*count)++;
		if (place >= record.length)
			return DATA_RECORD_WHOLE;
		place++; /* over the delimiter */
	}
}
