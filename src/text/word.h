/*
 * word.h
 *	  Words: where one ends, how it is normalised, how a contraction is split;
 *	  and adding tokens to the result. Private to the room.
 */
#ifndef EMOTION_TEXT_WORD_H
#define EMOTION_TEXT_WORD_H

#include "reader.h"
#include "tokenizer.h"

/* One pass over a text. Positions are byte offsets; SIZE_MAX: there is none. */
typedef struct text_pass
{
	const text_options *options;
	text_tokens *tokens;
	text_reader reader;
	size_t word_end;         /* behind the last word or number: what begins here is glued to it */
	size_t base_end;         /* behind the last marker, number or placeholder: 's may follow */
	size_t space_end;        /* behind the last separator */
	size_t tag_end;          /* behind the hashtag that is being read */
	size_t no_domain_before; /* see text_match_address */
	size_t emoji_run;        /* how often the last emoji stood in a row */
	size_t emoji_count;      /* number of tokens when it did */
	bool stopped;            /* max_tokens reached, or no memory */
	bool no_memory;
} text_pass;

/* Add a token that covers start..end of the text. Sets pass->stopped when it cannot. */
void text_add_bytes(text_pass *pass, const char *bytes, size_t length, size_t start, size_t end);
void text_add_constant(text_pass *pass, const char *constant, size_t start, size_t end);

/* The source itself, in lowercase if so wished. */
void text_add_as_it_stands(text_pass *pass, size_t start, size_t end);

/*
 * Add the word that begins at start, where a letter or digit stands, as one
 * token or, a contraction, as several. Returns its end.
 */
size_t text_add_word(text_pass *pass, size_t start);

/* The same where a digit stands: a number, or a word such as "2nite". */
size_t text_add_number_or_word(text_pass *pass, size_t start);

/* One ideograph or kana with the marks on it. Returns its end. */
size_t text_add_ideograph(text_pass *pass, size_t start);

/*
 * Add 's, 'm, 'd, 're, 've or 'll standing alone at start, where `first` has
 * been read, as behind a placeholder: "[NAME]'s". False when there is none.
 */
bool text_add_suffix(text_pass *pass, size_t start, uint32_t first, size_t *end);

/* ' for every kind of apostrophe, " for every kind of quote, all else itself. */
uint32_t text_fold_quote(uint32_t mark);

#endif /* EMOTION_TEXT_WORD_H */
