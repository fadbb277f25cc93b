/*
 * sentence.h
 *	  Long texts in pieces that a network reads like the short ones.
 */
#ifndef EMOTION_TEXT_SENTENCE_H
#define EMOTION_TEXT_SENTENCE_H

#include "tokenizer.h"

/* A full stop does not end a piece before it has so many tokens. */
#define TEXT_MIN_SENTENCE 5

/*
 * How many tokens the piece has that begins with token `first`: up to the end of a sentence (a
 * token of full stops, question and exclamation marks alone), at most `longest`; 0 at the end.
 */
size_t text_sentence_length(const text_tokens *tokens, size_t first, size_t longest);

#endif /* EMOTION_TEXT_SENTENCE_H */
