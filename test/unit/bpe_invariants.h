/*
 * bpe_invariants.h
 *	  What holds for every encoding of every text, for the unit tests and the
 *	  fuzzer.
 */
#ifndef EMOTION_BPE_INVARIANTS_H
#define EMOTION_BPE_INVARIANTS_H

#include <string.h>

#include "../../src/text/bpe.h"

/* The bytes that a spelling stands for, in out; false when it has other characters, too. */
static inline bool
bpe_spelt_bytes(em_slice spelling, char *out, size_t *length)
{
	*length = 0;
	for (size_t i = 0; i < spelling.length;)
	{
		unsigned char lead = (unsigned char) spelling.bytes[i++];
		unsigned code = lead;

		if (lead >= 0xC2 && lead <= 0xC5 && i < spelling.length)
			code = (lead & 0x1Fu) << 6 | ((unsigned char) spelling.bytes[i++] & 0x3Fu);
		else if (lead >= 0x80)
			return false;
		if (code >= 0x100 && code <= 0x120)
			code -= 0x100;
		else if (code >= 0x121 && code <= 0x142)
			code = code - 0x121 + 0x7F;
		else if (code == 0x143)
			code = 0xAD;
		else if (code >= 0x100 || code <= 0x20 || (code >= 0x7F && code <= 0xA0) || code == 0xAD)
			return false;
		out[(*length)++] = (char) code;
	}
	return true;
}

/*
 * NULL, or which invariant is broken. plain: the tokeniser has a token for every byte, no added
 * tokens that count, no prefix space, and does not trim: then spellings and places are the text.
 */
static inline const char *
bpe_broken_invariant(const text_bpe_options *options, const char *text, size_t length,
					 const text_bpe_encoding *encoding, bool plain)
{
	const text_bpe *bpe = encoding->bpe;
	size_t at = 0;
	size_t last = 0;

	if (encoding->count > options->max_length)
		return "more ids than asked for";
	if (encoding->count < encoding->before + encoding->after)
		return "specials are missing";
	if (encoding->truncated && encoding->count != options->max_length)
		return "truncated, but not full";
	for (size_t i = 0; i < encoding->count; i++)
	{
		text_bpe_span span = encoding->spans[i];
		em_slice spelling = text_bpe_spelling(bpe, encoding->ids[i]);
		bool special = i < encoding->before || i >= encoding->count - encoding->after;
		static char bytes[1 << 16];
		size_t count;

		if (encoding->ids[i] >= text_bpe_ids(bpe) || spelling.length == 0)
			return "an id without token";
		if (span.start > length || span.length > length - span.start)
			return "a place outside the text";
		if (span.start < last)
			return "places go back";
		last = span.start;
		if (special && span.length != 0)
			return "a special token has a place";
		if (special || !plain || spelling.length > sizeof(bytes))
			continue;
		if (span.start != at || !bpe_spelt_bytes(spelling, bytes, &count) || span.length != count ||
			memcmp(bytes, text + at, count) != 0)
			return "a token is not its bytes";
		at += span.length;
	}
	if (plain && !encoding->truncated && at != length)
		return "bytes are missing";
	return NULL;
}

#endif /* EMOTION_BPE_INVARIANTS_H */
