/*
 * bpe_encode.c
 *	  The pass over a text: added tokens, pieces, merges.
 */
#include "bpe.h"

#include <string.h>

#include "bpe_added.h"
#include "bpe_block.h"
#include "bpe_split.h"

/* A piece's tokens while they are merged; the one that begins at byte i is symbol i. */
typedef struct bpe_symbol
{
	uint32_t id;             /* TEXT_BPE_NO_ID: part of the symbol before it */
	uint32_t previous, next; /* where its neighbours begin; UINT32_MAX, the piece's end: none */
} bpe_symbol;

/*
 * Pieces met before and their tokens, a cache line each; a piece that falls on another's place
 * takes it.
 */
enum
{
	MEMO_ENTRIES = 8192,
	MEMO_BYTES = 32,
	MEMO_TOKENS = 6,
};

typedef struct memo_entry
{
	char piece[MEMO_BYTES];
	uint32_t ids[MEMO_TOKENS];
	uint8_t lengths[MEMO_TOKENS]; /* bytes of each token */
	uint8_t length;               /* of the piece; 0: a free entry */
	uint8_t count;
} memo_entry;

_Static_assert(sizeof(memo_entry) == 64, "one cache line");

/* What a piece longer than this needed is given back when the text is done. */
#define KEPT_PIECE 65536

typedef struct bpe_pass
{
	const text_bpe *bpe;
	const text_bpe_options *options;
	const char *text;
	text_bpe_encoding *encoding;
	size_t limit; /* ids, without those after the text */
	bool stopped; /* limit reached, or no memory */
	bool no_memory;
} bpe_pass;

void
text_bpe_options_default(text_bpe_options *options)
{
	*options = (text_bpe_options){
		.max_length = 512,
		.add_specials = true,
		.match_special = false,
	};
}

void
text_bpe_encoding_init(text_bpe_encoding *encoding, const em_allocator *allocator,
					   const text_bpe *bpe)
{
	memset(encoding, 0, sizeof(*encoding));
	encoding->allocator = allocator;
	encoding->bpe = bpe;
}

void
text_bpe_encoding_free(text_bpe_encoding *encoding)
{
	em_release(encoding->allocator, encoding->ids);
	em_release(encoding->allocator, encoding->spans);
	em_release(encoding->allocator, encoding->symbols);
	em_release(encoding->allocator, encoding->heap);
	em_release(encoding->allocator, encoding->memo);
	text_bpe_encoding_init(encoding, encoding->allocator, encoding->bpe);
}

static void
fail_memory(bpe_pass *pass)
{
	pass->stopped = true;
	pass->no_memory = true;
}

/* Room for count ids. */
static bool
reserve(text_bpe_encoding *encoding, size_t count)
{
	void *ids = encoding->ids;
	void *spans = encoding->spans;
	bool done;

	if (count <= encoding->capacity && count <= encoding->span_capacity)
		return true;
	done = em_grow(encoding->allocator, &ids, &encoding->capacity, count, sizeof(*encoding->ids));
	encoding->ids = ids;
	done = done && em_grow(encoding->allocator, &spans, &encoding->span_capacity, count,
						   sizeof(*encoding->spans));
	encoding->spans = spans;
	return done;
}

static void
add_id(bpe_pass *pass, uint32_t id, size_t start, size_t end)
{
	text_bpe_encoding *encoding = pass->encoding;

	if (pass->stopped)
		return;
	if (encoding->count >= pass->limit)
	{
		encoding->truncated = true;
		pass->stopped = true;
		return;
	}
	if (!reserve(encoding, encoding->count + 1))
	{
		fail_memory(pass);
		return;
	}
	encoding->ids[encoding->count] = id;
	encoding->spans[encoding->count] = (text_bpe_span){ start, end - start };
	encoding->count++;
}

/* Whether a single space at the beginning of the token stays in its place: see keep_first_space. */
static bool
keeps_space(const bpe_pass *pass, size_t start)
{
	const text_bpe_encoding *encoding = pass->encoding;

	return pass->bpe->rules.keep_first_space && (start == 0 || encoding->count == encoding->before);
}

/* A token that covers start..end, the prefix space not counted. */
static void
add_token(bpe_pass *pass, uint32_t id, size_t start, size_t end)
{
	const char *text = pass->text;

	if (pass->bpe->rules.trim_offsets && start < end)
	{
		size_t first = start;

		while (first < end && text[first] == ' ')
			first++;
		if (first - start != 1 || !keeps_space(pass, start))
			start = first;
		while (end > start && text[end - 1] == ' ')
			end--;
	}
	add_id(pass, id, start, end);
}

/* An added token, which may have taken white space of any kind. */
static void
add_added(bpe_pass *pass, uint32_t id, size_t start, size_t end)
{
	if (pass->bpe->rules.trim_offsets)
	{
		size_t first = bpe_skip_space(pass->text, end, start);
		size_t second = start;

		if (first > start)
			(void) bpe_classify(pass->text, end, start, &second);
		if (first != second || !keeps_space(pass, start))
			start = first;
		end = bpe_skip_space_back(pass->text, start, end);
	}
	add_id(pass, id, start, end);
}

/* The heap: rank << 32 | position, the smallest first. */
static inline void
sift_down(uint64_t *heap, size_t count, size_t i, size_t *work)
{
	uint64_t moved = heap[i];

	for (size_t child; (child = 2 * i + 1) < count; i = child)
	{
		(*work)++;
		if (child + 1 < count && heap[child + 1] < heap[child])
			child++;
		if (moved <= heap[child])
			break;
		heap[i] = heap[child];
	}
	heap[i] = moved;
}

static inline void
sift_up(uint64_t *heap, size_t i, size_t *work)
{
	uint64_t moved = heap[i];

	while (i > 0 && moved < heap[(i - 1) / 2])
	{
		(*work)++;
		heap[i] = heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	heap[i] = moved;
}

/* The heap's entry for the pair whose left part begins at position; UINT64_MAX if none. */
static inline uint64_t
pair_at(const bpe_pass *pass, const bpe_symbol *symbols, uint32_t position, uint32_t length,
		size_t *work)
{
	uint32_t next = symbols[position].next;
	const bpe_merge *merge;

	if (next >= length)
		return UINT64_MAX;
	merge = bpe_find_merge(pass->bpe, symbols[position].id, symbols[next].id, work);
	if (merge == NULL)
		return UINT64_MAX;
	return (uint64_t) (merge - BPE_ARRAY(pass->bpe, bpe_merge, merges)) << 32 | position;
}

/* Merge what can be, the lowest rank first, the leftmost of equal ones. */
static void
merge_symbols(const bpe_pass *pass, bpe_symbol *symbols, uint32_t length)
{
	const bpe_merge *merges = BPE_ARRAY(pass->bpe, bpe_merge, merges);
	uint64_t *heap = pass->encoding->heap;
	size_t *work = &pass->encoding->work;
	size_t count = 0;

	for (uint32_t at = 0; at < length; at = symbols[at].next)
	{
		uint64_t entry = pair_at(pass, symbols, at, length, work);

		if (entry != UINT64_MAX)
			heap[count++] = entry;
	}
	for (size_t i = count / 2; i-- > 0;)
		sift_down(heap, count, i, work);

	while (count > 0)
	{
		uint64_t top = heap[0];
		uint32_t at = (uint32_t) top;
		const bpe_merge *merge = &merges[top >> 32];
		bpe_symbol *symbol = &symbols[at];
		uint32_t next = symbol->next;
		uint64_t entry;

		heap[0] = heap[--count];
		sift_down(heap, count, 0, work);
		/* a neighbour may have been merged since */
		if (next >= length || symbol->id != merge->left || symbols[next].id != merge->right)
			continue;
		symbol->id = merge->merged;
		symbol->next = symbols[next].next;
		symbols[next].id = TEXT_BPE_NO_ID;
		if (symbol->next < length)
			symbols[symbol->next].previous = at;
		entry = pair_at(pass, symbols, at, length, work);
		if (entry != UINT64_MAX)
		{
			heap[count] = entry;
			sift_up(heap, count++, work);
		}
		if (symbol->previous == UINT32_MAX)
			continue;
		entry = pair_at(pass, symbols, symbol->previous, length, work);
		if (entry != UINT64_MAX)
		{
			heap[count] = entry;
			sift_up(heap, count++, work);
		}
	}
}

/* Room for the symbols of a piece, and for its pairs: at first one less, two for each merged. */
static bool
reserve_symbols(text_bpe_encoding *encoding, size_t length)
{
	void *symbols = encoding->symbols;
	void *heap = encoding->heap;
	bool done;

	done = em_grow(encoding->allocator, &symbols, &encoding->symbol_capacity, length,
				   sizeof(bpe_symbol));
	encoding->symbols = symbols;
	done = done && em_grow(encoding->allocator, &heap, &encoding->heap_capacity, 2 * length,
						   sizeof(*encoding->heap));
	encoding->heap = heap;
	return done;
}

/* Each byte a symbol of its own. */
static void
spread_bytes(const bpe_pass *pass, bpe_symbol *symbols, size_t start, uint32_t length, bool prefix)
{
	const text_bpe *bpe = pass->bpe;
	const char *bytes = pass->text + start;
	uint32_t shift = prefix ? 1 : 0;
	uint32_t previous = UINT32_MAX;
	bool unknown = false; /* the previous symbol is of bytes without a token */

	for (uint32_t i = 0; i < length; i++)
	{
		unsigned char byte = i < shift ? ' ' : (unsigned char) bytes[i - shift];
		uint32_t id = bpe->byte_ids[byte];
		bool fused = id == TEXT_BPE_NO_ID && unknown && bpe->rules.fuse_unknown;

		unknown = id == TEXT_BPE_NO_ID;
		if (fused)
		{
			symbols[previous].next = i + 1;
			continue;
		}
		symbols[i].id = unknown ? bpe->rules.unknown_id : id;
		symbols[i].previous = previous;
		symbols[i].next = i + 1;
		previous = i;
	}
}

/* The token that the piece is as a whole, or TEXT_BPE_NO_ID. No special one: text is text. */
static uint32_t
whole_piece(const bpe_pass *pass, size_t start, uint32_t length, bool prefix)
{
	char *spelling = pass->encoding->symbols; /* six times as large as can be needed */
	uint32_t shift = prefix ? 1 : 0;
	size_t at = 0;
	uint32_t id;

	if (length > pass->bpe->longest)
		return TEXT_BPE_NO_ID;
	for (uint32_t i = 0; i < length; i++)
		at += bpe_spell_byte(i < shift ? ' ' : (unsigned char) pass->text[start + i - shift],
							 spelling + at);
	id = text_bpe_find(pass->bpe, spelling, at);
	if (id == TEXT_BPE_NO_ID)
		return id;
	return (bpe_flags(pass->bpe, id) & (BPE_IN_MODEL | BPE_SPECIAL)) == BPE_IN_MODEL
			   ? id
			   : TEXT_BPE_NO_ID;
}

/* Keep what the symbols of a piece have become. */
static void
remember(memo_entry *entry, const char *piece, const bpe_symbol *symbols, uint32_t length)
{
	uint32_t count = 0;

	entry->length = 0;
	for (uint32_t at = 0; at < length; at = symbols[at].next)
	{
		if (count == MEMO_TOKENS)
			return;
		entry->ids[count] = symbols[at].id;
		entry->lengths[count++] = (uint8_t) (symbols[at].next - at);
	}
	memcpy(entry->piece, piece, length);
	entry->count = (uint8_t) count;
	entry->length = (uint8_t) length;
}

/* The memo's place for a piece; NULL when it has none. */
static memo_entry *
recall(bpe_pass *pass, size_t start, size_t end, bool prefix)
{
	text_bpe_encoding *encoding = pass->encoding;
	memo_entry *memo = encoding->memo;

	if (prefix || end - start > MEMO_BYTES)
		return NULL;
	if (memo == NULL)
	{
		memo = em_allocate_zeroed(encoding->allocator, MEMO_ENTRIES, sizeof(*memo));
		if (memo == NULL)
		{
			fail_memory(pass);
			return NULL;
		}
		encoding->memo = memo;
	}
	return &memo[hash_word(pass->text + start, end - start) % MEMO_ENTRIES];
}

/* One piece, before which a space is imagined where prefix. */
static void
encode_piece(bpe_pass *pass, size_t start, size_t end, bool prefix)
{
	text_bpe_encoding *encoding = pass->encoding;
	uint32_t length = (uint32_t) (end - start + (prefix ? 1 : 0));
	memo_entry *entry = recall(pass, start, end, prefix);
	bpe_symbol *symbols;

	encoding->work += length;
	if (entry != NULL && entry->length == length &&
		memcmp(entry->piece, pass->text + start, length) == 0)
	{
		for (int i = 0; i < entry->count; i++)
		{
			add_token(pass, entry->ids[i], start, start + entry->lengths[i]);
			start += entry->lengths[i];
		}
		return;
	}
	if (pass->stopped || !reserve_symbols(encoding, length))
	{
		fail_memory(pass);
		return;
	}
	symbols = encoding->symbols;
	if (pass->bpe->rules.ignore_merges)
	{
		uint32_t whole = whole_piece(pass, start, length, prefix);

		if (whole != TEXT_BPE_NO_ID)
		{
			add_token(pass, whole, start, end);
			return;
		}
	}
	spread_bytes(pass, symbols, start, length, prefix);
	merge_symbols(pass, symbols, length);
	if (entry != NULL)
		remember(entry, pass->text + start, symbols, length);
	for (uint32_t at = 0; at < length && !pass->stopped; at = symbols[at].next)
		add_token(pass, symbols[at].id, start + at - (prefix && at > 0 ? 1 : 0),
				  start + symbols[at].next - (prefix ? 1 : 0));
}

/* A stretch without added tokens. */
static void
encode_stretch(bpe_pass *pass, size_t start, size_t end)
{
	const text_bpe_rules *rules = &pass->bpe->rules;
	bool prefix = rules->add_prefix_space && start < end && pass->text[start] != ' ';

	while (start < end && !pass->stopped)
	{
		size_t next = end;

		if (rules->use_regex)
			next = bpe_next_piece(pass->text, start, end, prefix);
		else if (end - start > TEXT_BPE_MAX_PIECE)
			next = start + TEXT_BPE_MAX_PIECE;
		encode_piece(pass, start, next, prefix);
		prefix = false;
		start = next;
	}
}

/* A stretch without added tokens of the first set. */
static void
encode_second(bpe_pass *pass, size_t start, size_t end)
{
	bpe_added_search search;

	bpe_begin_search(&search, pass->bpe, 1, pass->options->match_special, start, end);
	while (!pass->stopped && bpe_next_added(&search, pass->text, &pass->encoding->work))
	{
		encode_stretch(pass, search.done, search.match_start);
		add_added(pass, search.id, search.match_start, search.match_end);
		search.done = search.match_end;
	}
	encode_stretch(pass, search.done, end);
}

em_code
text_bpe_encode(const text_bpe_options *options, const char *text, size_t length,
				text_bpe_encoding *encoding, em_status *status)
{
	const text_bpe_rules *rules = &encoding->bpe->rules;
	bpe_pass pass = {
		.bpe = encoding->bpe,
		.options = options,
		.text = text,
		.encoding = encoding,
	};
	size_t after = options->add_specials ? rules->after_count : 0;
	bpe_added_search search;

	encoding->count = 0;
	encoding->before = options->add_specials ? rules->before_count : 0;
	encoding->after = after;
	encoding->truncated = false;
	encoding->work = 0;
	if (options->max_length == 0 || options->max_length > TEXT_BPE_MAX_LENGTH ||
		options->max_length < encoding->before + after)
		return em_fail(status, EM_INVALID_OPTION,
					   "at most %zu tokens of a text, of which %zu stand "
					   "around it",
					   options->max_length, encoding->before + after);

	pass.limit = options->max_length - after;
	for (size_t i = 0; i < encoding->before; i++)
		add_id(&pass, rules->before[i], 0, 0);
	bpe_begin_search(&search, pass.bpe, 0, options->match_special, 0, length);
	while (!pass.stopped && bpe_next_added(&search, text, &encoding->work))
	{
		encode_second(&pass, search.done, search.match_start);
		add_added(&pass, search.id, search.match_start, search.match_end);
		search.done = search.match_end;
	}
	encode_second(&pass, search.done, length);

	if (!pass.no_memory)
		pass.stopped = false;
	pass.limit = options->max_length;
	for (size_t i = 0; i < after; i++)
		add_id(&pass, rules->after[i], length, length);
	if (encoding->symbol_capacity > KEPT_PIECE)
	{
		em_release(encoding->allocator, encoding->symbols);
		em_release(encoding->allocator, encoding->heap);
		encoding->symbols = NULL;
		encoding->heap = NULL;
		encoding->symbol_capacity = encoding->heap_capacity = 0;
	}
	if (pass.no_memory)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	return EM_OK;
}
