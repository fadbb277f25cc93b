/*
 * test_delimited.c
 *	  Records of delimited text.
 */
#include "../../src/data/delimited.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

#define MOST 4

static char joined[256];
static size_t count;

/* The fields joined by '|', each record in a block of its exact size so that ASan sees its end. */
static data_record_state
split(const char *record, char delimiter, char quote)
{
	size_t length = strlen(record);
	char *bytes = malloc(length + 1);
	char *scratch = malloc(length + 1);
	em_slice fields[MOST];
	data_record_state state;
	char *exact = realloc(bytes, length > 0 ? length : 1);

	memcpy(exact, record, length);
	state = data_split_record((em_slice){ exact, length }, (data_dialect){ delimiter, quote },
							  scratch, fields, MOST, &count);
	joined[0] = '\0';
	for (size_t i = 0; state == DATA_RECORD_WHOLE && i < count && i < MOST; i++)
	{
		if (i > 0)
			strcat(joined, "|");
		strncat(joined, fields[i].bytes, fields[i].length);
	}
	free(exact);
	free(scratch);
	return state;
}

static bool
gives(const char *record, char delimiter, char quote, size_t fields, const char *expected)
{
	return split(record, delimiter, quote) == DATA_RECORD_WHOLE && count == fields &&
		   strcmp(joined, expected) == 0;
}

int
main(void)
{
	CHECK(gives("a,b,c", ',', '"', 3, "a|b|c"), "plain fields");
	CHECK(gives("", ',', '"', 1, ""), "an empty record is an empty field");
	CHECK(gives(",", ',', '"', 2, "|"), "a delimiter parts two empty fields");
	CHECK(gives("a,", ',', '"', 2, "a|"), "a delimiter at the end begins a field");
	CHECK(gives("\"a,b\",c", ',', '"', 2, "a,b|c"), "a delimiter within quotes is text");
	CHECK(gives("\"say \"\"hi\"\"\",x", ',', '"', 2, "say \"hi\"|x"), "two quotes are one");
	CHECK(gives("\"\"", ',', '"', 1, ""), "an empty quoted field");
	CHECK(gives("\"\"\"\"", ',', '"', 1, "\""), "a field of one quote");
	CHECK(gives("a \"b\" c,d", ',', '"', 2, "a \"b\" c|d"), "a quote within a plain field is text");
	CHECK(gives("\"a\nb\",c", ',', '"', 2, "a\nb|c"), "a line end within quotes is text");
	CHECK(gives("\"a\tb\"\tc", '\t', 0, 3, "\"a|b\"|c"), "without quoting a quote is text");
	CHECK(gives("\"x\",", ',', '"', 2, "x|"), "an empty field behind a quoted one");
	CHECK(gives("1,2,3,4,5,6", ',', '"', 6, "1|2|3|4"), "fields over the most are counted");
	CHECK(split("\"a,b", ',', '"') == DATA_RECORD_OPEN_QUOTE, "a quote that nothing closes");
	CHECK(split("a,\"", ',', '"') == DATA_RECORD_OPEN_QUOTE, "a quote at the very end");
	CHECK(split("\"a\"\"", ',', '"') == DATA_RECORD_OPEN_QUOTE, "two quotes close nothing");
	CHECK(split("\"a\"b,c", ',', '"') == DATA_RECORD_BAD_QUOTE, "text behind a closing quote");
	return check_done();
}
