/*
 * emoji.h
 *	  Recognises emoji and emoticons. Private to the room.
 */
#ifndef EMOTION_TEXT_EMOJI_H
#define EMOTION_TEXT_EMOJI_H

#include "reader.h"

/* What one emoji is reduced to. */
typedef struct text_emoji
{
	char bytes[64]; /* UTF-8 */
	size_t length;
} text_emoji;

/*
 * The emoji that begins at position, as far as the rules of UTS #51 go: a base
 * with variation selector, skin tone and tags, several joined by ZWJ, a pair
 * of regional indicators, a keycap. Returns its end; position when there is
 * none.
 *
 * *emoji gets its base form, so that variants are one word: without skin
 * tones, variation selectors, tags, and the signs for woman and man behind a
 * joiner. Of a joined sequence too long for *emoji the first part stands.
 */
size_t text_match_emoji(text_reader *reader, size_t position, text_emoji *emoji);

/*
 * The emoticon that begins at position, where first has been read: western
 * ones ":-)" with any number of mouths, hearts, "^_^", the shrug and a few
 * others, and Reddit's "/s". Returns its end; position when there is none.
 * after_word: a letter or digit stands right before; after_space: white space
 * or nothing does.
 *
 * *canonical, a constant, is one spelling for each expression: ":-)", "=)",
 * ":]" and ":))))" are ":)".
 */
size_t text_match_emoticon(text_reader *reader, size_t position, uint32_t first, bool after_word,
						   bool after_space, const char **canonical);

#endif /* EMOTION_TEXT_EMOJI_H */
