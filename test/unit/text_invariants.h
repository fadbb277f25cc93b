/*
 * text_invariants.h
 *	  What holds for the tokens of any text under any options; for the unit
 *	  test and the fuzzer.
 */
#ifndef EMOTION_TEXT_INVARIANTS_H
#define EMOTION_TEXT_INVARIANTS_H

#include "../../src/text/tokenizer.h"
#include "../../src/text/unicode.h"

/* Code points looked at per byte, at most: the longest look ahead times the ways to try one. */
#define TEXT_WORK_PER_BYTE 24

static inline bool
text_is_utf8(const char *bytes, size_t length)
{
	uint32_t code_point;

	for (size_t i = 0, size; i < length; i += size)
	{
		size = text_utf8_decode(bytes + i, length - i, &code_point);
		if (size == 0)
			return false;
	}
	return true;
}

static inline bool
text_at_boundary(const char *text, size_t length, size_t position)
{
	return position == length || ((unsigned char) text[position] & 0xC0) != 0x80;
}

/* NULL when all is well, or what is not. */
static inline const char *
text_broken_invariant(const text_options *options, const char *text, size_t length,
					  const text_tokens *tokens)
{
	bool valid = text_is_utf8(text, length);
	size_t end = 0;
	size_t normalized = 0;

	if (tokens->count > (size_t) options->max_tokens)
		return "more than max_tokens";
	if (tokens->truncated && tokens->count != (size_t) options->max_tokens)
		return "truncated before max_tokens";
	if (tokens->work > TEXT_WORK_PER_BYTE * (length + 1))
		return "more work than linear";
	for (size_t i = 0; i < tokens->count; i++)
	{
		const text_token *token = &tokens->tokens[i];
		const char *word = tokens->buffer + token->normalized;
		uint32_t code_point;

		if (token->start < end)
			return "tokens overlap or go back";
		if (token->length == 0 || token->length > length || token->start > length - token->length)
			return "token outside of the text, or empty";
		end = token->start + token->length;
		if (valid &&
			(!text_at_boundary(text, length, token->start) || !text_at_boundary(text, length, end)))
			return "token begins or ends within a code point";
		if (token->normalized != normalized)
			return "normalised bytes are not contiguous";
		normalized += token->normalized_length;
		if (token->normalized_length == 0 || token->normalized_length > TEXT_MAX_TOKEN_BYTES)
			return "normalised form empty or too long";
		for (size_t at = 0, size; at < token->normalized_length; at += size)
		{
			size = text_utf8_decode(word + at, token->normalized_length - at, &code_point);
			if (size == 0)
				return "normalised form is not UTF-8";
			if (text_classify(code_point) == TEXT_SPACE)
				return "normalised form with a separator in it";
			if (options->lowercase && code_point >= 0x80 &&
				text_classify(code_point) == TEXT_LETTER &&
				text_lowercase(code_point) != code_point)
				return "a capital is left";
			if (options->ascii_only && word[0] != '<' &&
				!((code_point >= '0' && code_point <= '9') ||
				  (code_point >= 'a' && code_point <= 'z') ||
				  (code_point >= 'A' && code_point <= 'Z' && !options->lowercase)))
				return "not alphanumeric";
		}
	}
	if (normalized != tokens->buffer_length)
		return "bytes of no token in the buffer";
	return NULL;
}

#endif /* EMOTION_TEXT_INVARIANTS_H */
