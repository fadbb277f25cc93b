/*
 * bpe_split.h
 *	  GPT-2's pieces of a text, and what of Unicode they need. Private to the room.
 *
 *	  's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * (openai/gpt-2, encoder.py, without \s's U+001C..1F, which only Python counts). The tables are of
 * the Unicode version that bpe_tables.h names; \s is White_Space.
 */
#ifndef EMOTION_TEXT_BPE_SPLIT_H
#define EMOTION_TEXT_BPE_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

/* generate_bpe_tables.js lists them in the same order. */
typedef enum bpe_class
{
	BPE_MARK = 0, /* all else, bytes that are not UTF-8 included */
	BPE_LETTER,   /* \p{L}, without combining marks */
	BPE_NUMBER,   /* \p{N} */
	BPE_SPACE,
} bpe_class;

/* Class of the character at `at` (< end); *next is behind it. */
bpe_class bpe_classify(const char *text, size_t end, size_t at, size_t *next);

/* Whether the character at `at`, or the one that ends there, is one of a word: \w. */
bool bpe_word_begins(const char *text, size_t end, size_t at);
bool bpe_word_ends(const char *text, size_t start, size_t at);

/* Where the white space that begins, or ends, at `at` has its other end. */
size_t bpe_skip_space(const char *text, size_t end, size_t at);
size_t bpe_skip_space_back(const char *text, size_t start, size_t at);

/*
 * The end of the piece that begins at start (< end), at most TEXT_BPE_MAX_PIECE bytes on. Where
 * prefix_space, a space is imagined before start, and the piece may be it alone (end = start).
 */
size_t bpe_next_piece(const char *text, size_t start, size_t end, bool prefix_space);

#endif /* EMOTION_TEXT_BPE_SPLIT_H */
