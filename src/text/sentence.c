/*
 * sentence.c
 *	  Where sentences end.
 */
#include "sentence.h"

static bool
ends_sentence(const text_tokens *tokens, size_t i)
{
	const char *token = tokens->buffer + tokens->tokens[i].normalized;

	for (uint32_t j = 0; j < tokens->tokens[i].normalized_length; j++)
		if (token[j] != '.' && token[j] != '!' && token[j] != '?')
			return false;
	return true;
}

size_t
text_sentence_length(const text_tokens *tokens, size_t first, size_t longest)
{
	size_t length = 0;

	while (first + length < tokens->count && length < longest)
	{
		length++;
		if (length >= TEXT_MIN_SENTENCE && ends_sentence(tokens, first + length - 1))
			break;
	}
	return length;
}
