/*
 * unicode.h
 *	  What the tokeniser knows of a code point: its class and its lowercase.
 *
 * Tables: unicode_tables.h, which names the Unicode version it was made from.
 * All functions take any uint32_t; what is no code point separates words and
 * is its own lowercase.
 */
#ifndef EMOTION_TEXT_UNICODE_H
#define EMOTION_TEXT_UNICODE_H

#include <stddef.h>
#include <stdint.h>

/* generate_unicode_tables.pl lists them in the same order. */
typedef enum text_class
{
	TEXT_SPACE = 0,   /* separates: white space, controls, unassigned, private use */
	TEXT_IGNORABLE,   /* not there: joiners, variation selectors, soft hyphen, direction marks */
	TEXT_LETTER,      /* letters, and numbers that are not decimal digits (superscripts, ...) */
	TEXT_MARK,        /* combining marks */
	TEXT_DIGIT,       /* decimal digits of any script */
	TEXT_PUNCTUATION, /* punctuation and symbols */
	TEXT_EMOJI,       /* Extended_Pictographic and skin tones */
	TEXT_REGIONAL,    /* halves of a flag */
	TEXT_IDEOGRAPH,   /* ideographs and kana: a word each */
} text_class;

extern const uint8_t text_latin1_class[256];
extern const uint8_t text_latin1_lowercase[256];

text_class text_classify_beyond_latin1(uint32_t code_point);
uint32_t text_lowercase_beyond_latin1(uint32_t code_point);

static inline text_class
text_classify(uint32_t code_point)
{
	return code_point < 256 ? (text_class) text_latin1_class[code_point]
							: text_classify_beyond_latin1(code_point);
}

/* Simple lowercase mapping: one code point to one. */
static inline uint32_t
text_lowercase(uint32_t code_point)
{
	return code_point < 256 ? text_latin1_lowercase[code_point]
							: text_lowercase_beyond_latin1(code_point);
}

/* Write a code point (not a surrogate, at most U+10FFFF) as UTF-8; returns 1..4, the bytes. */
size_t text_utf8_encode(uint32_t code_point, char out[4]);

/*
 * Read one code point of UTF-8 from length >= 1 bytes; returns the bytes it
 * takes, 0 when they are not valid (overlong, surrogate, cut off, ...).
 */
size_t text_utf8_decode(const char *bytes, size_t length, uint32_t *code_point);

#endif /* EMOTION_TEXT_UNICODE_H */
