/*
 * address.h
 *	  Recognises what points elsewhere: URLs, @names, u/names, r/names.
 *	  Private to the room.
 */
#ifndef EMOTION_TEXT_ADDRESS_H
#define EMOTION_TEXT_ADDRESS_H

#include "reader.h"

typedef enum text_address
{
	TEXT_NO_ADDRESS,
	TEXT_URL,       /* http://, https://, ftp://, www., or a bare domain such as imgur.com/a */
	TEXT_USER,      /* @name, u/name, /u/name */
	TEXT_SUBREDDIT, /* r/name, /r/name */
} text_address;

/*
 * What kind of address begins at position, where code_point has been read; its
 * end in *end. The caller makes sure that no letter or digit stands right
 * before. *no_domain_before keeps what one call has found out for later ones
 * (start with 0), so that a text is scanned for bare domains once.
 */
text_address text_match_address(text_reader *reader, size_t position, uint32_t code_point,
								size_t *no_domain_before, size_t *end);

#endif /* EMOTION_TEXT_ADDRESS_H */
