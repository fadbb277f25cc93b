/*
 * emoji.c
 *	  Emoji sequences and their base form.
 */
#include "emoji.h"

#include <string.h>

#define ZERO_WIDTH_JOINER 0x200D
#define TEXT_STYLE 0xFE0E
#define EMOJI_STYLE 0xFE0F
#define KEYCAP 0x20E3
#define WOMAN_SIGN 0x2640
#define MAN_SIGN 0x2642

static bool
is_skin_tone(uint32_t code_point)
{
	return code_point >= 0x1F3FB && code_point <= 0x1F3FF;
}

static bool
is_tag(uint32_t code_point)
{
	return code_point >= 0xE0020 && code_point <= 0xE007F;
}

static void
append(text_emoji *emoji, uint32_t code_point)
{
	emoji->length += text_utf8_encode(code_point, emoji->bytes + emoji->length);
}

/* The end of a base that has been read and of what modifies it. */
static size_t
skip_modifiers(text_reader *reader, size_t position)
{
	for (;;)
	{
		size_t next = position;
		uint32_t code_point = text_read(reader, &next);

		if (code_point != TEXT_STYLE && code_point != EMOJI_STYLE && !is_skin_tone(code_point) &&
			!is_tag(code_point) && code_point != KEYCAP)
			return position;
		position = next;
	}
}

size_t
text_match_emoji(text_reader *reader, size_t position, text_emoji *emoji)
{
	size_t next = position;
	uint32_t code_point = text_read(reader, &next);
	text_class class = text_classify(code_point);

	emoji->length = 0;
	if ((code_point >= '0' && code_point <= '9') || code_point == '#' || code_point == '*')
	{
		uint32_t base = code_point;

		code_point = text_read(reader, &next);
		if (code_point == EMOJI_STYLE)
			code_point = text_read(reader, &next);
		if (code_point != KEYCAP)
			return position;
		append(emoji, base);
		append(emoji, KEYCAP);
		return next;
	}
	if (class == TEXT_REGIONAL)
	{
		size_t second = next;

		append(emoji, code_point);
		code_point = text_read(reader, &second);
		if (text_classify(code_point) != TEXT_REGIONAL)
			return next;
		append(emoji, code_point);
		return second;
	}
	if (class != TEXT_EMOJI)
		return position;

	append(emoji, code_point);
	position = skip_modifiers(reader, next);
	for (;;)
	{
		next = position;
		if (text_read(reader, &next) != ZERO_WIDTH_JOINER)
			return position;
		code_point = text_read(reader, &next);
		if (text_classify(code_point) != TEXT_EMOJI)
			return position;
		position = skip_modifiers(reader, next);
		if (code_point != WOMAN_SIGN && code_point != MAN_SIGN &&
			emoji->length + 8 <= sizeof(emoji->bytes))
		{
			append(emoji, ZERO_WIDTH_JOINER);
			append(emoji, code_point);
		}
	}
}
