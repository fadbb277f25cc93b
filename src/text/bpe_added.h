/*
 * bpe_added.h
 *	  Added tokens in a text: leftmost, of those that begin at one place the longest. Private to the
 *	  room.
 */
#ifndef EMOTION_TEXT_BPE_ADDED_H
#define EMOTION_TEXT_BPE_ADDED_H

#include "bpe.h"

typedef struct bpe_added_search
{
	const text_bpe *bpe;
	int set; /* 0: those without normalization, 1: with */
	bool match_special;
	size_t start, end;             /* of the stretch that is searched */
	size_t from;                   /* where to look on */
	size_t done;                   /* the caller's: what lies before has been handed out */
	size_t space_start, space_end; /* white space known from an earlier rstrip */
	uint32_t id;                   /* the token found, */
	size_t match_start, match_end; /* and where, with the white space that it takes */
} bpe_added_search;

void bpe_begin_search(bpe_added_search *search, const text_bpe *bpe, int set, bool match_special,
					  size_t start, size_t end);

/*
 * The next added token that counts; between done and match_start is none. *work grows by the
 * characters compared.
 */
bool bpe_next_added(bpe_added_search *search, const char *text, size_t *work);

#endif /* EMOTION_TEXT_BPE_ADDED_H */
