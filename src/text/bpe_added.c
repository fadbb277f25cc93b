/*
 * bpe_added.c
 *	  Looking for added tokens: names sorted, narrowed byte by byte.
 */
#include "bpe_added.h"

#include <string.h>

#include "bpe_block.h"
#include "bpe_split.h"

void
bpe_begin_search(bpe_added_search *search, const text_bpe *bpe, int set, bool match_special,
				 size_t start, size_t end)
{
	memset(search, 0, sizeof(*search));
	search->bpe = bpe;
	search->set = set;
	search->match_special = match_special;
	search->start = search->from = search->done = start;
	search->end = end;
	if (bpe->added_count[set] == 0 || (!match_special && bpe->added_plain[set] == 0))
		search->from = end;
}

/* The first of ids[low..high), sorted by the byte at depth, whose byte there is at least `byte`. */
static uint32_t
lower_bound(const text_bpe *bpe, const uint32_t *ids, uint32_t low, uint32_t high, size_t depth,
			unsigned byte, size_t *work)
{
	while (low < high)
	{
		uint32_t middle = low + (high - low) / 2;

		(*work)++;
		if ((unsigned char) text_bpe_spelling(bpe, ids[middle]).bytes[depth] < byte)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The first match that begins in search->from..end: of those, the longest. */
static bool
find(bpe_added_search *search, const char *text, size_t *work)
{
	const text_bpe *bpe = search->bpe;
	const uint32_t *ids = bpe_added_ids(bpe, search->set);
	const uint8_t *first = bpe->added_first[search->set];
	size_t end = search->end;

	for (size_t start = search->from; start < end; start++)
	{
		uint32_t low = 0;
		uint32_t high = bpe->added_count[search->set];
		unsigned char byte = (unsigned char) text[start];

		(*work)++;
		if ((first[byte / 8] >> byte % 8 & 1) == 0)
			continue;

		/* low..high: those that begin with the bytes from start to `at`, and are longer */
		search->match_end = start;
		for (size_t at = start; low < high && at < end; at++)
		{
			byte = (unsigned char) text[at];
			low = lower_bound(bpe, ids, low, high, at - start, byte, work);
			high = lower_bound(bpe, ids, low, high, at - start, byte + 1u, work);
			if (low < high && text_bpe_spelling(bpe, ids[low]).length == at - start + 1)
			{
				search->id = ids[low++];
				search->match_start = start;
				search->match_end = at + 1;
			}
		}
		if (search->match_end > start)
			return true;
	}
	return false;
}

bool
bpe_next_added(bpe_added_search *search, const char *text, size_t *work)
{
	while (find(search, text, work))
	{
		uint8_t flags = bpe_flags(search->bpe, search->id);

		/* those that do not count hide what lies in them all the same */
		search->from = search->match_end;
		if ((flags & BPE_SPECIAL) != 0 && !search->match_special)
			continue;
		if ((flags & BPE_SINGLE_WORD) != 0 &&
			(bpe_word_ends(text, search->start, search->match_start) ||
			 bpe_word_begins(text, search->end, search->match_end)))
			continue;
		if ((flags & BPE_LSTRIP) != 0 && search->done < search->match_start)
			search->match_start = bpe_skip_space_back(text, search->done, search->match_start);
		if ((flags & BPE_RSTRIP) != 0)
		{
			/* tokens of spaces may each find the same white space behind them */
			if (search->match_end < search->space_start || search->match_end > search->space_end)
			{
				search->space_start = search->match_end;
				search->space_end = bpe_skip_space(text, search->end, search->match_end);
			}
			search->match_end = search->space_end;
		}
		return true;
	}
	return false;
}
