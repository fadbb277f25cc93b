/*
 * word.c
 *	  Words and the tokens that they become.
 */
#include "word.h"

#include <string.h>

/* An apostrophe in a word, and the code point before it. */
typedef struct word_apostrophe
{
	size_t before; /* where the code point before begins */
	size_t start;
	size_t end;
	bool after_n; /* that code point is n or N */
} word_apostrophe;

#define MAX_SPLITS 3 /* I'd've, shouldn't've */

uint32_t
text_fold_quote(uint32_t mark)
{
	switch (mark)
	{
		case '`':
		case 0x00B4: /* acute accent */
		case 0x02BC: /* modifier letter apostrophe */
		case 0x2018:
		case 0x2019:
		case 0x201A:
		case 0x201B:
		case 0x2032: /* prime */
		case 0xFF07: /* fullwidth apostrophe */
			return '\'';
		case 0x00AB: /* « */
		case 0x00BB: /* » */
		case 0x201C:
		case 0x201D:
		case 0x201E:
		case 0x201F:
		case 0x2033: /* double prime */
		case 0xFF02: /* fullwidth quotation mark */
			return '"';
		default:
			return mark;
	}
}

static bool
is_apostrophe(uint32_t code_point)
{
	return text_fold_quote(code_point) == '\'';
}

/* Room for one more token of any length; false, and pass->stopped, when it is not to be. */
static bool
begin_token(text_pass *pass)
{
	text_tokens *tokens = pass->tokens;
	void *pointer;
	bool good;

	if (pass->stopped)
		return false;
	if (tokens->count >= (size_t) (pass->options->max_tokens > 0 ? pass->options->max_tokens : 0))
	{
		tokens->truncated = true;
		pass->stopped = true;
		return false;
	}
	pointer = tokens->tokens;
	good = em_grow(tokens->allocator, &pointer, &tokens->capacity, tokens->count + 1,
				   sizeof(text_token));
	tokens->tokens = pointer;
	if (good)
	{
		pointer = tokens->buffer;
		good = em_grow(tokens->allocator, &pointer, &tokens->buffer_capacity,
					   tokens->buffer_length + TEXT_MAX_TOKEN_BYTES, 1);
		tokens->buffer = pointer;
	}
	if (!good)
	{
		pass->no_memory = true;
		pass->stopped = true;
	}
	return good;
}

/* The token's bytes stand at the end of the buffer. */
static void
finish_token(text_pass *pass, size_t length, size_t start, size_t end)
{
	text_tokens *tokens = pass->tokens;
	text_token *token = &tokens->tokens[tokens->count++];

	token->start = start;
	token->length = end - start;
	token->normalized = tokens->buffer_length;
	token->normalized_length = (uint32_t) length;
	tokens->buffer_length += length;
}

void
text_add_bytes(text_pass *pass, const char *bytes, size_t length, size_t start, size_t end)
{
	if (!begin_token(pass))
		return;
	memcpy(pass->tokens->buffer + pass->tokens->buffer_length, bytes, length);
	finish_token(pass, length, start, end);
}

void
text_add_constant(text_pass *pass, const char *constant, size_t start, size_t end)
{
	text_add_bytes(pass, constant, strlen(constant), start, end);
}

/* Append while it fits; *length: of the token so far. False: it is full. */
static bool
append(text_pass *pass, uint32_t code_point, size_t *length)
{
	char bytes[4];
	size_t size = text_utf8_encode(code_point, bytes);

	if (*length + size > TEXT_MAX_TOKEN_BYTES)
		return false;
	memcpy(pass->tokens->buffer + pass->tokens->buffer_length + *length, bytes, size);
	*length += size;
	return true;
}

void
text_add_as_it_stands(text_pass *pass, size_t start, size_t end)
{
	size_t position = start;
	size_t length = 0;

	if (!begin_token(pass))
		return;
	while (position < end)
	{
		uint32_t code_point = text_read(&pass->reader, &position);

		if (text_classify(code_point) == TEXT_IGNORABLE)
			continue;
		if (pass->options->lowercase)
			code_point = text_lowercase(code_point);
		if (!append(pass, code_point, &length))
			break;
	}
	finish_token(pass, length, start, end);
}

/*
 * The length that laughter is cut to: 4 letters of "hahahahah", "ahahaha" or
 * "heheh", 3 of "lololol". Other words keep theirs.
 */
static size_t
cut_laughter(const char *word, size_t length)
{
	size_t changes = 0;

	if (length < 5)
		return length;
	if (memcmp(word, "lol", 3) == 0)
	{
		for (size_t i = 3; i < length; i++)
		{
			if (word[i] != word[i - 2])
				return length;
		}
		return 3;
	}
	for (size_t i = 0; i < length; i++)
	{
		if (memchr("haeio", word[i], 5) == NULL)
			return length;
		if (i == 0 || word[i] == word[i - 1])
			continue;
		changes++;
		/* h and a vowel in turn, the same one in the four letters that stay */
		if (word[i] != 'h' && word[i - 1] != 'h')
			return length;
		if (i >= 2 && i < 4 && word[i] != word[i - 2])
			return length;
	}
	return changes >= 4 ? 4 : length;
}

/* Part of a word as one token. */
static void
add_part(text_pass *pass, size_t start, size_t end)
{
	const text_options *options = pass->options;
	size_t position = start;
	size_t length = 0;
	size_t repeats = 0;
	uint32_t last = TEXT_END;

	if (!begin_token(pass))
		return;
	while (position < end)
	{
		uint32_t code_point = text_read(&pass->reader, &position);
		text_class class = text_classify(code_point);
		uint32_t lower = text_lowercase(code_point);

		if (class == TEXT_IGNORABLE)
			continue;
		if (class == TEXT_PUNCTUATION)
		{
			if (options->ascii_only)
				continue;
			if (options->fold_apostrophes)
				lower = code_point = text_fold_quote(code_point);
		}
		repeats = lower == last ? repeats + 1 : 1;
		last = lower;
		if (options->max_repeat > 0 && repeats > (size_t) options->max_repeat &&
			(class == TEXT_LETTER || class == TEXT_MARK))
			continue;
		if (!append(pass, options->lowercase ? lower : code_point, &length))
			break;
	}
	if (options->max_repeat > 0)
		length = cut_laughter(pass->tokens->buffer + pass->tokens->buffer_length, length);
	finish_token(pass, length, start, end);
}

/*
 * The end of the word at start, and its last apostrophes (a ring: the i-th of
 * all is apostrophes[i % MAX_SPLITS]), whose number is *count. An apostrophe
 * stands between letters; a hashtag's word ends before a capital.
 */
static size_t
find_word_end(text_pass *pass, size_t start, word_apostrophe *apostrophes, size_t *count)
{
	bool ascii_only = pass->options->ascii_only;
	bool in_tag = start < pass->tag_end;
	size_t position = start;
	size_t end = start;
	size_t before = start; /* where the last letter begins */
	uint32_t last = TEXT_END;
	size_t letters = 0;

	*count = 0;
	for (;;)
	{
		size_t here = position;
		uint32_t code_point = text_read(&pass->reader, &position);
		text_class class = text_classify(code_point);

		if (ascii_only && code_point >= 0x80 && !is_apostrophe(code_point))
			return end;
		switch (class)
		{
			case TEXT_LETTER:
			case TEXT_DIGIT:
				if (in_tag && letters > 0 && text_lowercase(code_point) != code_point)
				{
					/* "ThrowbackThursday", "BBCNews", but not "iPhone" */
					uint32_t behind = text_peek(&pass->reader, position);
					bool last_is_small =
						text_classify(last) == TEXT_LETTER && text_lowercase(last) == last;
					bool behind_is_small =
						text_classify(behind) == TEXT_LETTER && text_lowercase(behind) == behind;

					if (last_is_small ? letters > 1 : behind_is_small)
						return end;
				}
				letters++;
				last = code_point;
				before = here;
				end = position;
				break;
			case TEXT_MARK:
				end = position;
				break;
			case TEXT_IGNORABLE:
				break;
			case TEXT_PUNCTUATION:
				if (end == here && is_apostrophe(code_point) &&
					text_classify(last) == TEXT_LETTER &&
					text_classify(text_peek(&pass->reader, position)) == TEXT_LETTER &&
					!(ascii_only && text_peek(&pass->reader, position) >= 0x80))
				{
					word_apostrophe *apostrophe = &apostrophes[(*count)++ % MAX_SPLITS];

					apostrophe->before = before;
					apostrophe->start = here;
					apostrophe->end = position;
					apostrophe->after_n = last == 'n' || last == 'N';
					last = code_point;
					before = here;
					end = position;
					break;
				}
				return end;
			default:
				return end;
		}
	}
}

/* The letters from position to end, which follow an apostrophe, make a contraction. */
static bool
is_contraction(text_pass *pass, size_t position, size_t end, bool after_n)
{
	static const char *const endings[] = { "s", "m", "d", "re", "ve", "ll" };
	char letters[3] = { 0 };
	size_t count = 0;

	while (position < end)
	{
		uint32_t code_point = text_lowercase(text_read(&pass->reader, &position));

		if (code_point >= 0x80 || count == 2)
			return false;
		letters[count++] = (char) code_point;
	}
	if (after_n && strcmp(letters, "t") == 0)
		return true;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
	{
		if (strcmp(letters, endings[i]) == 0)
			return true;
	}
	return false;
}

size_t
text_add_word(text_pass *pass, size_t start)
{
	word_apostrophe apostrophes[MAX_SPLITS];
	size_t splits[MAX_SPLITS] = { 0 }; /* where parts begin, the last part first */
	size_t split_count = 0;
	size_t count;
	size_t end = find_word_end(pass, start, apostrophes, &count);
	size_t part_end = end;

	pass->word_end = end;
	if (!pass->options->split_contractions || pass->options->ascii_only)
		count = 0;
	while (count > 0 && split_count < MAX_SPLITS)
	{
		const word_apostrophe *last = &apostrophes[--count % MAX_SPLITS];
		size_t split = last->start;

		if (!is_contraction(pass, last->end, part_end, last->after_n))
			break;
		if (last->after_n && (text_peek(&pass->reader, last->end) | 0x20) == 't')
			split = last->before;
		if (split == start)
			break;
		splits[split_count++] = split;
		part_end = split;
	}
	while (split_count > 0)
	{
		size_t next = splits[--split_count];

		add_part(pass, start, next);
		start = next;
	}
	add_part(pass, start, end);
	return end;
}

size_t
text_add_number_or_word(text_pass *pass, size_t start)
{
	text_action action = pass->options->numbers;
	size_t position = start;
	size_t end = start;
	size_t digits = 0;
	bool separated = false;
	text_class class;

	if (action == TEXT_KEEP && pass->options->ascii_only)
		return text_add_word(pass, start);
	for (;;)
	{
		uint32_t code_point = text_read(&pass->reader, &position);

		class = text_classify(code_point);
		if (class == TEXT_DIGIT && !(pass->options->ascii_only && code_point >= 0x80))
		{
			digits++;
			end = position;
		}
		else if ((code_point == '.' || code_point == ',' || code_point == ':') &&
				 text_classify(text_peek(&pass->reader, position)) == TEXT_DIGIT &&
				 !(pass->options->ascii_only && text_peek(&pass->reader, position) >= 0x80))
			separated = true;
		else
			break;
	}
	if ((class == TEXT_LETTER || class == TEXT_MARK) && !separated &&
		(digits == 1 || action == TEXT_KEEP))
		return text_add_word(pass, start);
	if (action == TEXT_MASK)
		text_add_constant(pass, "<number>", start, end);
	else if (action == TEXT_KEEP)
		text_add_as_it_stands(pass, start, end);
	pass->word_end = end;
	pass->base_end = end;
	return end;
}

size_t
text_add_ideograph(text_pass *pass, size_t start)
{
	size_t position = start;
	size_t end;

	(void) text_read(&pass->reader, &position);
	for (end = position; text_classify(text_read(&pass->reader, &position)) == TEXT_MARK;)
		end = position;
	pass->word_end = end;
	add_part(pass, start, end);
	return end;
}

bool
text_add_suffix(text_pass *pass, size_t start, uint32_t first, size_t *end)
{
	size_t position = start;
	size_t letters;

	if (!pass->options->split_contractions || !is_apostrophe(first))
		return false;
	(void) text_read(&pass->reader, &position);
	letters = position;
	for (int i = 0; i < 3; i++)
	{
		*end = position;
		if (!text_is_wordlike(text_read(&pass->reader, &position)))
			break;
	}
	if (*end == letters || text_is_wordlike(text_peek(&pass->reader, *end)) ||
		!is_contraction(pass, letters, *end, false))
		return false;
	add_part(pass, start, *end);
	pass->word_end = *end;
	return true;
}
