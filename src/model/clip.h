/*
 * clip.h
 *	  Names from files in messages: as much of one as is sensible to show.
 */
#ifndef EMOTION_MODEL_CLIP_H
#define EMOTION_MODEL_CLIP_H

#include "../base.h"

#define CLIP_MAX 64

/*
 * For "%.*s": at most CLIP_MAX bytes of text and never part of a character,
 * so that a message stays valid UTF-8 and fits an em_status.
 */
static inline int
clip_length(em_slice text)
{
	size_t length = text.length;

	if (length > CLIP_MAX)
	{
		length = CLIP_MAX;
		while (length > 0 && ((unsigned char) text.bytes[length] & 0xC0) == 0x80)
			length--;
	}
	return (int) length;
}

#endif /* EMOTION_MODEL_CLIP_H */
