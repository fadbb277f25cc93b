/*
 * tokenizer.c
 *	  The pass over a text: decides what begins at each position and hands the
 *	  pieces on as tokens. Words themselves are in word.c.
 */
#include "tokenizer.h"

#include <string.h>

#include "address.h"
#include "emoji.h"
#include "word.h"

void
text_options_default(text_options *options)
{
	*options = (text_options){
		.lowercase = true,
		.urls = TEXT_MASK,
		.mentions = TEXT_MASK,
		.numbers = TEXT_MASK,
		.split_hashtags = true,
		.max_repeat = 2,
		.fold_apostrophes = true,
		.split_contractions = true,
		.collapse_punctuation = true,
		.emoji = true,
		.punctuation = true,
		.ascii_only = false,
		.max_tokens = 64,
	};
}

bool
text_options_preset(text_options *options, const char *name)
{
	if (strcmp(name, "default") == 0)
	{
		text_options_default(options);
		return true;
	}
	if (strcmp(name, "paper") == 0)
	{
		*options = (text_options){
			.lowercase = true,
			.urls = TEXT_REMOVE,
			.mentions = TEXT_REMOVE,
			.numbers = TEXT_KEEP,
			.ascii_only = true,
			.max_tokens = 30,
		};
		return true;
	}
	return false;
}

void
text_tokens_init(text_tokens *tokens, const em_allocator *allocator)
{
	memset(tokens, 0, sizeof(*tokens));
	tokens->allocator = allocator;
}

void
text_tokens_free(text_tokens *tokens)
{
	em_release(tokens->allocator, tokens->tokens);
	em_release(tokens->allocator, tokens->buffer);
	text_tokens_init(tokens, tokens->allocator);
}

/* A thing that an option keeps as it stands, masks or drops. */
static void
add_by_action(text_pass *pass, text_action action, const char *marker, size_t start, size_t end)
{
	if (action == TEXT_MASK)
		text_add_constant(pass, marker, start, end);
	else if (action == TEXT_KEEP)
		text_add_as_it_stands(pass, start, end);
	pass->base_end = end;
}

/* True when an address began at start and has been dealt with; *end is behind it. */
static bool
address(text_pass *pass, size_t start, uint32_t first, size_t *end)
{
	const text_options *options = pass->options;
	const char *marker = "<url>";
	text_action action = options->urls;
	text_address kind;

	kind = text_match_address(&pass->reader, start, first, &pass->no_domain_before, end);
	if (kind == TEXT_NO_ADDRESS)
		return false;
	if (kind != TEXT_URL)
	{
		marker = kind == TEXT_USER ? "<user>" : "<subreddit>";
		action = options->mentions;
	}
	/* its punctuation cannot be kept then: words like all others */
	if (action == TEXT_KEEP && options->ascii_only)
		return false;
	add_by_action(pass, action, marker, start, *end);
	return true;
}

static bool
emoticon(text_pass *pass, size_t start, uint32_t first, size_t *end)
{
	const char *canonical = NULL;

	if (pass->options->ascii_only)
		return false;
	*end = text_match_emoticon(&pass->reader, start, first, start == pass->word_end,
							   start == pass->space_end, &canonical);
	if (*end == start)
		return false;
	if (pass->options->emoji)
		text_add_constant(pass, canonical, start, *end);
	return true;
}

/* An emoji, unless the same one has just been seen max_repeat times in a row. */
static bool
emoji(text_pass *pass, size_t start, size_t *end)
{
	text_tokens *tokens = pass->tokens;
	text_emoji found;
	bool again = false;

	if (pass->options->ascii_only)
		return false;
	*end = text_match_emoji(&pass->reader, start, &found);
	if (*end == start)
		return false;
	if (!pass->options->emoji)
		return true;
	if (pass->emoji_run > 0 && tokens->count == pass->emoji_count)
	{
		const text_token *last = &tokens->tokens[tokens->count - 1];

		again = last->normalized_length == found.length &&
				memcmp(tokens->buffer + last->normalized, found.bytes, found.length) == 0;
	}
	pass->emoji_run = again ? pass->emoji_run + 1 : 1;
	if (pass->options->max_repeat <= 0 || pass->emoji_run <= (size_t) pass->options->max_repeat)
		text_add_bytes(pass, found.bytes, found.length, start, *end);
	pass->emoji_count = tokens->count;
	return true;
}

/* "[NAME]" and its like: one token in lower case. */
static bool
placeholder(text_pass *pass, size_t start, size_t *end)
{
	static const char *const placeholders[] = { "[name]", "[religion]", "[deleted]", "[removed]" };

	for (size_t i = 0; i < sizeof(placeholders) / sizeof(placeholders[0]); i++)
	{
		const char *name = placeholders[i];
		size_t j = 0;

		while (name[j] != '\0' && text_latin1_lowercase[text_byte(&pass->reader, start + j)] ==
									  (unsigned char) name[j])
			j++;
		if (name[j] != '\0')
			continue;
		*end = start + j;
		text_add_constant(pass, name, start, *end);
		pass->base_end = *end;
		return true;
	}
	return false;
}

/*
 * '#' before a name with at least one letter. Split, only the '#' is dealt
 * with here, and the words that follow until tag_end are split at capitals.
 */
static bool
hashtag(text_pass *pass, size_t start, size_t next, size_t *end)
{
	size_t tag = next;
	size_t at = next;
	bool letter = false;

	for (;; tag = at)
	{
		uint32_t code_point = text_read(&pass->reader, &at);
		text_class class = text_classify(code_point);

		if (class == TEXT_LETTER || class == TEXT_IDEOGRAPH)
			letter = true;
		else if (class != TEXT_DIGIT && class != TEXT_MARK && code_point != '_')
			break;
	}
	if (!letter)
		return false;
	if (pass->options->split_hashtags)
	{
		pass->tag_end = tag;
		*end = next;
	}
	else
	{
		text_add_as_it_stands(pass, start, tag);
		*end = tag;
	}
	return true;
}

/* The mark by which a mark counts and is written. */
static uint32_t
fold(const text_pass *pass, uint32_t mark)
{
	return pass->options->fold_apostrophes ? text_fold_quote(mark) : mark;
}

/* One mark, or the run of marks that counts as one. */
static void
punctuation(text_pass *pass, size_t start, uint32_t mark, size_t next, size_t *end)
{
	bool exclaims = mark == '!';
	bool asks = mark == '?';
	bool dots = mark == '.' || mark == 0x2026;
	size_t run = mark == 0x2026 ? 2 : 1;
	const char *constant = NULL;
	char bytes[4];

	mark = fold(pass, mark);
	*end = next;
	while (pass->options->collapse_punctuation)
	{
		uint32_t code_point = text_read(&pass->reader, &next);

		if (exclaims || asks)
		{
			if (code_point != '!' && code_point != '?')
				break;
			exclaims |= code_point == '!';
			asks |= code_point == '?';
		}
		else if (dots ? code_point != '.' && code_point != 0x2026 : fold(pass, code_point) != mark)
			break;
		run++;
		*end = next;
	}
	if (!pass->options->punctuation)
		return;
	if (exclaims && asks)
		constant = "!?";
	else if (run > 1 && exclaims)
		constant = "!!";
	else if (run > 1 && asks)
		constant = "??";
	else if (run > 1 && dots)
		constant = "...";
	if (constant != NULL)
		text_add_constant(pass, constant, start, *end);
	else
		text_add_bytes(pass, bytes, text_utf8_encode(mark, bytes), start, *end);
}

/* What begins with a mark; returns where it ends. */
static size_t
mark(text_pass *pass, size_t start, uint32_t first, size_t next)
{
	bool after_word = start == pass->word_end;
	size_t end = next;

	if ((first == '@' || first == '/') && !after_word && address(pass, start, first, &end))
		return end;
	if (pass->options->ascii_only)
	{
		pass->space_end = next;
		return next;
	}
	if ((first == '#' || first == '*') && emoji(pass, start, &end))
		return end;
	if (emoticon(pass, start, first, &end))
		return end;
	if (first == '_')
		return next;
	if (first == '[' && placeholder(pass, start, &end))
		return end;
	if (first == '#' && !after_word && hashtag(pass, start, next, &end))
		return end;
	if (first == '-' || first == 0x2010 || first == 0x2011)
	{
		if (after_word && text_is_wordlike(text_peek(&pass->reader, next)))
			return next;
	}
	if (start == pass->base_end && text_add_suffix(pass, start, first, &end))
		return end;
	punctuation(pass, start, first, next, &end);
	return end;
}

em_code
text_tokenize(const text_options *options, const char *text, size_t length, text_tokens *tokens,
			  em_status *status)
{
	return text_tokenize_until(options, text, length, NULL, NULL, tokens, status);
}

em_code
text_tokenize_until(const text_options *options, const char *text, size_t length,
					em_should_stop should_stop, void *stop_context, text_tokens *tokens,
					em_status *status)
{
	text_pass pass = {
		.options = options,
		.tokens = tokens,
		.reader = { .text = text,
					.length = length,
					.end = length,
					.should_stop = should_stop,
					.stop_context = stop_context },
		.word_end = SIZE_MAX,
		.base_end = SIZE_MAX,
	};
	size_t position = 0;

	tokens->count = 0;
	tokens->buffer_length = 0;
	tokens->truncated = false;
	while (position < length && !pass.stopped && !pass.reader.stopped)
	{
		size_t start = position;
		size_t next = position;
		uint32_t code_point = text_read(&pass.reader, &next);
		text_class class = text_classify(code_point);

		position = next;
		if (options->ascii_only && class != TEXT_PUNCTUATION && !text_is_ascii_alnum(code_point))
			class = TEXT_SPACE;
		switch (class)
		{
			case TEXT_SPACE:
				pass.space_end = next;
				break;
			case TEXT_IGNORABLE:
			case TEXT_MARK:
				/* goes with what stood before, as if it were not there */
				if (pass.word_end == start)
					pass.word_end = next;
				if (pass.space_end == start)
					pass.space_end = next;
				break;
			case TEXT_EMOJI:
			case TEXT_REGIONAL:
				(void) emoji(&pass, start, &position);
				break;
			case TEXT_PUNCTUATION:
				position = mark(&pass, start, code_point, next);
				break;
			case TEXT_DIGIT:
				if (emoji(&pass, start, &position) || emoticon(&pass, start, code_point, &position))
					break;
				if (start != pass.word_end && address(&pass, start, code_point, &position))
					break;
				position = text_add_number_or_word(&pass, start);
				break;
			case TEXT_LETTER:
				if (emoticon(&pass, start, code_point, &position))
					break;
				if (start != pass.word_end && address(&pass, start, code_point, &position))
					break;
				position = text_add_word(&pass, start);
				break;
			case TEXT_IDEOGRAPH:
				position = text_add_ideograph(&pass, start);
				break;
		}
	}
	tokens->work = pass.reader.work;
	if (pass.no_memory)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	if (pass.reader.stopped)
		return em_fail(status, EM_CANCELLED, "cancelled");
	return EM_OK;
}
