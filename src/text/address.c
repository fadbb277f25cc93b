/*
 * address.c
 *	  URLs, bare domains and mentions.
 */
#include "address.h"

#include <string.h>

/* Top-level domains that make a URL of a bare name; the others need a path behind. */
static const char *const plain_domains[] = { "com", "org", "net", "edu", "gov" };
static const char *const domains_with_path[] = {
	"co", "io", "me", "ly", "be", "tv",   "gg",   "us",   "uk",  "ca", "au", "nz",   "ie", "de",
	"fr", "it", "es", "nl", "se", "info", "app",  "dev",  "xyz", "gl", "gd", "link", "re", "fm",
	"am", "ai", "eu", "in", "jp", "news", "blog", "site", "fyi", "la", "ws", "cc",
};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Whether the text at position begins with lower, letters of either case. */
static bool
begins_with(text_reader *reader, size_t position, const char *lower)
{
	for (; *lower != '\0'; lower++, position++)
	{
		unsigned char byte = text_byte(reader, position);

		if (byte >= 0x80 || text_latin1_lowercase[byte] != (unsigned char) *lower)
			return false;
	}
	return true;
}

/* Ends a URL: what no URL contains, and what people write around one. */
static bool
ends_url(uint32_t code_point)
{
	if (code_point < 0x80)
		return text_classify(code_point) == TEXT_SPACE ||
			   strchr("\"<>[]{}|\\^`", (int) code_point) != NULL;
	switch (text_classify(code_point))
	{
		case TEXT_LETTER:
		case TEXT_MARK:
		case TEXT_DIGIT:
		case TEXT_IDEOGRAPH:
			return false;
		default:
			return true;
	}
}

/*
 * The end of the URL whose host or path goes on at position: before white space, and
 * without the sentence's punctuation and closing parenthesis behind it.
 */
static size_t
url_end(text_reader *reader, size_t position)
{
	size_t end = position;
	size_t depth = 0;

	for (;;)
	{
		uint32_t code_point = text_read(reader, &position);

		if (ends_url(code_point))
			return end;
		if (code_point == '(')
			depth++;
		else if (code_point == ')')
		{
			if (depth == 0)
				return end;
			depth--;
			end = position;
		}
		else if (code_point >= 0x80 || strchr(".,!?:;'*~", (int) code_point) == NULL)
			end = position;
	}
}

static bool
match_scheme(text_reader *reader, size_t position, size_t *end)
{
	static const char *const schemes[] = { "http://", "https://", "ftp://", "www." };

	for (size_t i = 0; i < LENGTH(schemes); i++)
	{
		size_t host;

		if (!begins_with(reader, position, schemes[i]))
			continue;
		host = position + strlen(schemes[i]);
		if (!text_is_wordlike(text_peek(reader, host)))
			return false;
		*end = url_end(reader, host);
		return true;
	}
	return false;
}

static bool
is_one_of(const char *word, size_t length, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		size_t j = 0;

		while (j < length &&
			   (unsigned char) list[i][j] == text_latin1_lowercase[(unsigned char) word[j]])
			j++;
		if (j == length && list[i][j] == '\0')
			return true;
	}
	return false;
}

/* Names joined by dots, of which the last is a top-level domain. */
static bool
match_domain(text_reader *reader, size_t position, size_t *no_domain_before, size_t *end)
{
	size_t label = position;
	size_t at = position;
	size_t length;
	bool dotted = false;
	unsigned char byte;

	if (position < *no_domain_before)
		return false;
	for (;; at++)
	{
		byte = text_byte(reader, at);
		if (text_is_ascii_alnum(byte) || byte == '-')
			continue;
		if (byte != '.' || !text_is_ascii_alnum(text_byte(reader, at + 1)))
			break;
		dotted = true;
		label = at + 1;
	}
	/* names that begin within what has been read end as this one does */
	*no_domain_before = at;
	length = at - label;
	if (!dotted || byte >= 0x80 || byte == '_' || byte == '@')
		return false;
	if (byte == '/' && text_is_ascii_alnum(text_byte(reader, at + 1)) &&
		is_one_of(reader->text + label, length, domains_with_path, LENGTH(domains_with_path)))
	{
		*end = url_end(reader, at);
		return true;
	}
	if (is_one_of(reader->text + label, length, plain_domains, LENGTH(plain_domains)))
	{
		bool more = byte == '/' || byte == ':' || byte == '?' || byte == '#';

		*end = more ? url_end(reader, at) : at;
		if (*end < at)
			*end = at;
		return true;
	}
	return false;
}

static size_t
name_end(text_reader *reader, size_t position, bool hyphen)
{
	for (;; position++)
	{
		unsigned char byte = text_byte(reader, position);

		if (!text_is_ascii_alnum(byte) && byte != '_' && !(hyphen && byte == '-'))
			return position;
	}
}

/* u/name and r/name; a name has at least two characters. */
static text_address
match_reddit(text_reader *reader, size_t position, size_t *end)
{
	unsigned char kind = text_byte(reader, position) | 0x20;

	if ((kind != 'u' && kind != 'r') || text_byte(reader, position + 1) != '/')
		return TEXT_NO_ADDRESS;
	*end = name_end(reader, position + 2, kind == 'u');
	if (*end < position + 4)
		return TEXT_NO_ADDRESS;
	return kind == 'u' ? TEXT_USER : TEXT_SUBREDDIT;
}

text_address
text_match_address(text_reader *reader, size_t position, uint32_t code_point,
				   size_t *no_domain_before, size_t *end)
{
	text_address kind;

	/* addresses are not written with entities */
	if (code_point >= 0x80 || (uint32_t) text_byte(reader, position) != code_point)
		return TEXT_NO_ADDRESS;
	if (code_point == '@')
	{
		*end = name_end(reader, position + 1, false);
		return *end > position + 1 ? TEXT_USER : TEXT_NO_ADDRESS;
	}
	if (code_point == '/')
		return match_reddit(reader, position + 1, end);
	if (!text_is_ascii_alnum(code_point))
		return TEXT_NO_ADDRESS;
	if (match_scheme(reader, position, end))
		return TEXT_URL;
	kind = match_reddit(reader, position, end);
	if (kind != TEXT_NO_ADDRESS)
		return kind;
	return match_domain(reader, position, no_domain_before, end) ? TEXT_URL : TEXT_NO_ADDRESS;
}
