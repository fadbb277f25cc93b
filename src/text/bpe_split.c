/*
 * bpe_split.c
 *	  The pre-tokeniser, written out from its regular expression.
 */
#include "bpe_split.h"

#include <stdint.h>

#include "bpe.h"
#include "unicode.h"

#include "bpe_tables.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define CLASS_BITS 3
#define WORD_BIT 4

/* Class and word bit of a code point from U+0080 on. */
static unsigned
look_up(uint32_t code_point)
{
	size_t low = 0;
	size_t high = LENGTH(class_runs);

	/* class_runs[low] begins at or before code_point, class_runs[high] after it */
	while (high - low > 1)
	{
		size_t middle = low + (high - low) / 2;

		if (class_runs[middle] >> 4 <= code_point)
			low = middle;
		else
			high = middle;
	}
	return class_runs[low] & (CLASS_BITS | WORD_BIT);
}

static inline unsigned
properties(const char *text, size_t end, size_t at, size_t *next)
{
	unsigned char byte = (unsigned char) text[at];
	uint32_t code_point;
	size_t size;

	if (byte < 0x80)
	{
		*next = at + 1;
		return ascii_class[byte];
	}
	size = text_utf8_decode(text + at, end - at, &code_point);
	*next = at + (size > 0 ? size : 1);
	return size > 0 ? look_up(code_point) : BPE_MARK;
}

bpe_class
bpe_classify(const char *text, size_t end, size_t at, size_t *next)
{
	return (bpe_class) (properties(text, end, at, next) & CLASS_BITS);
}

/* Where the character begins that ends at `at` (> start). */
static size_t
step_back(const char *text, size_t start, size_t at)
{
	size_t begin = at - 1;
	uint32_t code_point;

	while (begin > start && at - begin < 4 && ((unsigned char) text[begin] & 0xC0) == 0x80)
		begin--;
	return text_utf8_decode(text + begin, at - begin, &code_point) == at - begin ? begin : at - 1;
}

bool
bpe_word_begins(const char *text, size_t end, size_t at)
{
	size_t next;

	return at < end && (properties(text, end, at, &next) & WORD_BIT) != 0;
}

bool
bpe_word_ends(const char *text, size_t start, size_t at)
{
	size_t next;

	return at > start && (properties(text, at, step_back(text, start, at), &next) & WORD_BIT) != 0;
}

size_t
bpe_skip_space(const char *text, size_t end, size_t at)
{
	size_t next;

	while (at < end && bpe_classify(text, end, at, &next) == BPE_SPACE)
		at = next;
	return at;
}

size_t
bpe_skip_space_back(const char *text, size_t start, size_t at)
{
	size_t next;

	while (at > start)
	{
		size_t begin = step_back(text, start, at);

		if (bpe_classify(text, at, begin, &next) != BPE_SPACE)
			break;
		at = begin;
	}
	return at;
}

/* Length of the contraction that begins with the apostrophe at start, or 0. */
static size_t
contraction(const char *text, size_t start, size_t end)
{
	char first = end - start > 1 ? text[start + 1] : '\0';
	char second = end - start > 2 ? text[start + 2] : '\0';

	if (first == 's' || first == 't' || first == 'm' || first == 'd')
		return 2;
	if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
		(first == 'l' && second == 'l'))
		return 3;
	return 0;
}

size_t
bpe_next_piece(const char *text, size_t start, size_t end, bool prefix_space)
{
	size_t limit = end - start > TEXT_BPE_MAX_PIECE ? start + TEXT_BPE_MAX_PIECE : end;
	size_t at = start;
	size_t next;
	size_t last = start; /* where the last character of the white space begins */
	size_t count = prefix_space ? 1 : 0;
	bpe_class class;

	if (!prefix_space && text[start] == '\'')
	{
		size_t length = contraction(text, start, end);

		if (length > 0)
			return start + length;
	}
	if (!prefix_space && text[start] == ' ')
		at++;
	if (at < end)
	{
		class = bpe_classify(text, end, at, &next);
		if (class != BPE_SPACE)
		{
			do
				at = next;
			while (at < end && bpe_classify(text, end, at, &next) == class && next <= limit);
			return at;
		}
	}

	/* white space leaves its last character to what follows, unless it is all there is */
	for (at = start; at < end && bpe_classify(text, end, at, &next) == BPE_SPACE; at = next)
	{
		if (next > limit)
			return at;
		last = at;
		count++;
	}
	return at < end && count > 1 ? last : at;
}
