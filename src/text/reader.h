/*
 * reader.h
 *	  Reads text code point by code point: UTF-8 and HTML entities decoded,
 *	  positions in the source kept. Private to the room.
 *
 * Web text carries entities (&amp; &lt; &gt; &quot; &apos; &nbsp; &#39;
 * &#x200B;): each is read as the one code point that it stands for, whose
 * source is the whole entity. What they decode to is not decoded again.
 */
#ifndef EMOTION_TEXT_READER_H
#define EMOTION_TEXT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base.h"
#include "unicode.h"

/* Neither is a code point; both are of class TEXT_SPACE. */
#define TEXT_END UINT32_MAX           /* nothing more to read */
#define TEXT_INVALID (UINT32_MAX - 1) /* a byte that is not UTF-8 */

/* Code points read between two questions whether to stop. */
#ifndef TEXT_STOP_WORK
#define TEXT_STOP_WORK ((size_t) 1 << 16)
#endif

/*
 * Told to stop, it is as if the text ended there, wherever in it that is: each loop over it ends as it
 * does at the end of any text, and nobody but the pass needs to know (stopped).
 */
typedef struct text_reader
{
	const char *text;
	size_t length;              /* 0 once stopped */
	size_t end;                 /* of the text, all the same */
	size_t work;                /* code points read, those read ahead or again included */
	em_should_stop should_stop; /* may be NULL */
	void *stop_context;
	bool stopped;
} text_reader;

uint32_t text_read_decoding(text_reader *reader, size_t *position);

/* Counts what is read, and asks now and then. */
void text_ask(text_reader *reader);

static inline void
text_count(text_reader *reader)
{
	if (++reader->work % TEXT_STOP_WORK == 0)
		text_ask(reader);
}

/* The code point at *position, which is moved behind it (at the end, only when stopped). */
static inline uint32_t
text_read(text_reader *reader, size_t *position)
{
	unsigned char byte;

	text_count(reader);
	if (*position >= reader->length)
	{
		if (reader->stopped)
			*position = reader->end;
		return TEXT_END;
	}
	byte = (unsigned char) reader->text[*position];
	if (byte < 0x80 && byte != '&')
	{
		(*position)++;
		return byte;
	}
	return text_read_decoding(reader, position);
}

/* The code point at position. */
static inline uint32_t
text_peek(text_reader *reader, size_t position)
{
	return text_read(reader, &position);
}

/* The raw byte at position; 0 at the end. */
static inline unsigned char
text_byte(text_reader *reader, size_t position)
{
	text_count(reader);
	return position < reader->length ? (unsigned char) reader->text[position] : 0;
}

/* Part of a word: what an emoticon or an address must not touch. */
static inline bool
text_is_wordlike(uint32_t code_point)
{
	text_class class = text_classify(code_point);

	return class == TEXT_LETTER || class == TEXT_DIGIT || class == TEXT_IDEOGRAPH;
}

static inline bool
text_is_ascii_alnum(uint32_t code_point)
{
	return (code_point >= '0' && code_point <= '9') || (code_point >= 'A' && code_point <= 'Z') ||
		   (code_point >= 'a' && code_point <= 'z');
}

#endif /* EMOTION_TEXT_READER_H */
