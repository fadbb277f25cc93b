/*
 * tokenizer.h
 *	  Text -> words: normaliser and word tokeniser in one pass over code points.
 *
 * Every choice is an option, stored with the model and applied alike when
 * training and when scoring. Each token remembers where it stood in the text.
 *
 * What the defaults make of a text:
 *
 *	  "I'm sooooo happy!!! 😂😂😂 thx @bob"  ->  i 'm soo happy !! 😂 😂 thx <user>
 *
 * Done whatever the options say, because it is about reading, not meaning:
 * HTML entities (&amp; &lt; &#39; ...) stand for their character; invisible
 * code points (zero width joiner outside emoji, soft hyphen, direction marks)
 * vanish; white space, controls, zero width space and bytes that are not UTF-8
 * separate; underscores, and hyphens between letters or digits, separate;
 * ideographs and kana are a word each; digits after a letter belong to the
 * word ("gr8", "covid19").
 */
#ifndef EMOTION_TEXT_TOKENIZER_H
#define EMOTION_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base.h"

/* A normalised token is cut to this many bytes, at a code point's boundary. */
#define TEXT_MAX_TOKEN_BYTES 100

/* The most tokens of a text that max_tokens may ask for. */
#define TEXT_MAX_TOKENS 100000

/* What becomes of a thing: kept as it is, replaced by one marker, or dropped. */
typedef enum text_action
{
	TEXT_KEEP = 0,
	TEXT_MASK,
	TEXT_REMOVE,
} text_action;

typedef struct text_options
{
	/* simple Unicode lowercase, code point by code point; not of emoticons (:D, xD, T_T) */
	bool lowercase;

	/*
	 * http://, https://, ftp://, www. and bare domains such as imgur.com or
	 * youtu.be/xyz; marker <url>. Kept, it is one token.
	 */
	text_action urls;

	/*
	 * @name, u/name, /u/name: marker <user>; r/name, /r/name: marker
	 * <subreddit>. Kept, each is one token.
	 */
	text_action mentions;

	/*
	 * Runs of digits with '.', ',' and ':' between them; marker <number>. What
	 * letters follow is a word of its own ("15th" -> <number> th), but a
	 * single digit stays with them ("1st", "2nite"). Kept, "15th" is one word.
	 */
	text_action numbers;

	/*
	 * True: '#' is dropped and the tag read as the words that capitals,
	 * underscores and digits show (#ThrowbackThursday -> throwback thursday).
	 * False: '#' and tag are one token.
	 */
	bool split_hashtags;

	/*
	 * A letter repeated more often is cut to this many (sooooo -> soo), and so
	 * are rows of the same emoji; laughter is cut to one word (hahahaha ->
	 * haha, lololol -> lol). 0: nothing is cut.
	 */
	int max_repeat;

	/* typographic apostrophes and quotes become ' and " */
	bool fold_apostrophes;

	/*
	 * Penn style: don't -> do n't, can't -> ca n't, I'm -> i 'm, it's -> it 's;
	 * any apostrophe will do, none will not (dont stays). Otherwise a word
	 * keeps its apostrophe, as o'clock and y'all always do.
	 */
	bool split_contractions;

	/*
	 * A run of '!' is one token, "!" or "!!" (two or more), of '?' likewise, of
	 * both "!?"; two dots or more, or U+2026, are "..."; a run of any other
	 * mark is one mark. False: each mark is a token.
	 */
	bool collapse_punctuation;

	/*
	 * Emoji and emoticons are tokens, else dropped. An emoji loses skin tone,
	 * variation selector, and the man or woman sign; a flag is one token, and
	 * so is a ZWJ sequence. Spellings of an emoticon become one: ":-)" and
	 * "=))" are ":)".
	 */
	bool emoji;

	/* punctuation marks and symbols are tokens, else dropped */
	bool punctuation;

	/*
	 * Everything outside [A-Za-z0-9] separates words and is dropped, but an
	 * apostrophe between letters vanishes (don't -> dont). Emoticons,
	 * hashtags and placeholders have no meaning then.
	 */
	bool ascii_only;

	/* the rest is cut off; 1..TEXT_MAX_TOKENS */
	int max_tokens;
} text_options;

/*
 * The defaults, made for Reddit comments and tweets and used by the bundled
 * model: everything true but ascii_only, addresses and numbers masked,
 * max_repeat 2, max_tokens 64. GoEmotions' placeholders [NAME] and [RELIGION],
 * and Reddit's [deleted] and [removed], are one token, in lower case.
 */
void text_options_default(text_options *options);

/*
 * "default" or "paper". False for another name.
 *
 * paper: as arXiv 2511.14073 cleans. Our reading of "mentions, URLs and all
 * that is not alphanumeric removed": lowercase; URLs, @names, u/names and
 * r/names dropped; all else outside [A-Za-z0-9] separates, letters with
 * accents and underscores included, but not the apostrophe within a word;
 * numbers are kept; no spelling is changed; at most 30 tokens.
 */
bool text_options_preset(text_options *options, const char *name);

/*
 * start and length cover the source of the token: increasing, never
 * overlapping, never empty, on code point boundaries of valid input. What was
 * dropped (the '#' of a tag, the third of a row of emoji) is covered by none.
 */
typedef struct text_token
{
	size_t start;               /* byte offset in the input */
	size_t length;              /* bytes in the input */
	size_t normalized;          /* byte offset in text_tokens.buffer */
	uint32_t normalized_length; /* 1..TEXT_MAX_TOKEN_BYTES; valid UTF-8 */
} text_token;

/* Reused from call to call: grows, never shrinks; release with text_tokens_free. */
typedef struct text_tokens
{
	const em_allocator *allocator;
	text_token *tokens;
	size_t count;
	size_t capacity;
	char *buffer; /* normalised bytes, without separators */
	size_t buffer_length;
	size_t buffer_capacity;
	bool truncated; /* the text had more than max_tokens */
	size_t work;    /* code points looked at, those looked at again included: linear in length */
} text_tokens;

void text_tokens_init(text_tokens *tokens, const em_allocator *allocator);
void text_tokens_free(text_tokens *tokens);

/*
 * Split text (any bytes: an invalid UTF-8 sequence is a separator, never a
 * crash). Linear in length; reads at most one token beyond max_tokens.
 * EM_OUT_OF_MEMORY is the only failure.
 */
em_code text_tokenize(const text_options *options, const char *text, size_t length,
					  text_tokens *tokens, em_status *status);

/* The same for long texts: should_stop (may be NULL) is asked on the way: EM_CANCELLED. */
em_code text_tokenize_until(const text_options *options, const char *text, size_t length,
							em_should_stop should_stop, void *stop_context, text_tokens *tokens,
							em_status *status);

#endif /* EMOTION_TEXT_TOKENIZER_H */
