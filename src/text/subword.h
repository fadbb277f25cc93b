/*
 * subword.h
 *	  Character n-grams of a word, hashed into buckets as fastText does.
 *
 * The word is framed, "<word>", and cut at UTF-8 characters. Two things are fastText's own and
 * kept, because files depend on them: bytes from 0x80 on enter the hash sign-extended, and a single
 * character at either end (that is '<' or '>') is no n-gram.
 */
#ifndef EMOTION_TEXT_SUBWORD_H
#define EMOTION_TEXT_SUBWORD_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a, 32 bits, every byte sign-extended. */
uint32_t text_subword_hash(const char *bytes, size_t length);

/*
 * The buckets (0..buckets-1) of the n-grams of min_n..max_n characters of a word, in the order of
 * their first character, then of their length; an n-gram that repeats is there twice. At most
 * `capacity` are written to out; returns how many there are. No n-gram when buckets or max_n is 0,
 * and none of "</s>", fastText's end of line.
 */
size_t text_subwords(const char *word, size_t length, int min_n, int max_n, uint32_t buckets,
					 uint32_t *out, size_t capacity);

/*
 * The same in pieces, for words of any length: the n-grams whose first character stands at *start
 * of "<word>" or later, as many as surely fit (capacity >= max_n); *start moves on, and none is left
 * when 0 are returned. Begin with *start 0.
 */
size_t text_subwords_from(const char *word, size_t length, int min_n, int max_n, uint32_t buckets,
						  size_t *start, uint32_t *out, size_t capacity);

#endif /* EMOTION_TEXT_SUBWORD_H */
