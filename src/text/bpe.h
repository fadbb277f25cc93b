/*
 * bpe.h
 *	  Text -> token ids by byte-level BPE, as GPT-2 and RoBERTa read text.
 *
 * A text is cut into pieces (words with the space before them, numbers, marks, white space), and
 * the bytes of each piece are merged pair by pair, the pair of lowest rank first, the leftmost of
 * equal ones: Sennrich et al. 2016, arXiv 1508.07909. As every byte is a token, every text can be
 * read. Ids and places are those of Hugging Face's tokenizers 0.23 (test/reference/bpe.sh compares).
 *
 * In the files a token is spelt in an alphabet of 256 characters, one for each byte: printable ones
 * for themselves, the others as U+0100 and what follows ("Ġthe" is " the").
 */
#ifndef EMOTION_TEXT_BPE_H
#define EMOTION_TEXT_BPE_H

#include "../base.h"

#define TEXT_BPE_NO_ID UINT32_MAX
#define TEXT_BPE_MAX_IDS 4194304 /* ids are below it */
#define TEXT_BPE_MAX_MERGES 4194304
#define TEXT_BPE_MAX_ADDED 10000
#define TEXT_BPE_MAX_ADDED_BYTES 256 /* of an added token's name */
#define TEXT_BPE_MAX_SPECIALS 16     /* ids put before a text, and after it */
#define TEXT_BPE_MAX_LENGTH 1000000  /* ids of a text that may be asked for */

/*
 * A longer piece (a word of so many bytes without a break) is cut there, and its parts are merged
 * each for itself: bounds memory, and the time until a long text has its first tokens.
 */
#define TEXT_BPE_MAX_PIECE 1048576

/* A token of the model, as spelt in the file. */
typedef struct text_bpe_token
{
	em_slice spelling;
	uint32_t id;
} text_bpe_token;

/* The merge of the rank that is its place in the list. */
typedef struct text_bpe_merge
{
	em_slice left, right;
} text_bpe_merge;

/*
 * A token that is looked for in the text itself, before the text is cut into pieces; its name is
 * plain text. One that the model lacks joins with an id of its own.
 */
typedef struct text_bpe_added
{
	em_slice name;
	uint32_t id;
	bool special;     /* stands for no text: see text_bpe_options.match_special */
	bool single_word; /* only where no letter, digit, mark or '_' stands before or behind */
	bool lstrip;      /* takes the white space before it */
	bool rstrip;      /* takes the white space behind it */
	bool normalized;  /* those without are looked for first */
} text_bpe_added;

typedef struct text_bpe_rules
{
	bool add_prefix_space; /* a text that begins without a space is read as if it had one */
	bool use_regex;        /* false: a text is one piece */
	bool ignore_merges;    /* a piece that is a token is that token, whatever the merges say */
	bool fuse_unknown; /* bytes without a token, side by side in a piece, are one unknown token */
	bool trim_offsets; /* spaces at a token's ends are outside its place in the text */
	bool keep_first_space; /* but not the only one at the beginning of the text */
	uint32_t unknown_id;   /* of bytes without a token; TEXT_BPE_NO_ID when every byte has one */
	uint32_t pad_id;       /* TEXT_BPE_NO_ID: none */
	uint32_t max_length;   /* what the file says, specials included; 0: nothing */
	uint32_t before_count, after_count;
	uint32_t before[TEXT_BPE_MAX_SPECIALS]; /* put before every text (<s>) */
	uint32_t after[TEXT_BPE_MAX_SPECIALS];  /* and after it (</s>) */
} text_bpe_rules;

/* A tokeniser's files as arrays; nothing of it is needed once it is built. */
typedef struct text_bpe_source
{
	const text_bpe_token *tokens;
	size_t token_count;
	const text_bpe_merge *merges;
	size_t merge_count;
	const text_bpe_added *added;
	size_t added_count;
	text_bpe_rules rules;
} text_bpe_source;

/*
 * A tokeniser: one block of memory without pointers, aligned to 8 bytes, read only. A copy of its
 * bytes is a tokeniser, too.
 */
typedef struct text_bpe text_bpe;

/*
 * EM_CORRUPT for an id, spelling or merge that is there twice, an empty token, a merge whose parts
 * or result are no tokens, a rule's id without token, an added token that is another one in the
 * model, and tokens or merges made to collide in a hash table; EM_UNSUPPORTED for a byte that has
 * no token where there is no unknown token; EM_LIMIT beyond the limits above and 1 GiB of spellings.
 * Ids may have gaps.
 */
em_code text_bpe_build(const em_allocator *allocator, const text_bpe_source *source, text_bpe **bpe,
					   em_status *status);

/* The bytes of the block; free it with em_release. */
size_t text_bpe_size(const text_bpe *bpe);

/*
 * The tokeniser that bytes (aligned to 8) are a copy of, used where they lie. EM_CORRUPT for bytes
 * with which text_bpe_encode might go astray; what it finds is as good as the bytes.
 */
em_code text_bpe_open(const void *bytes, size_t size, const text_bpe **bpe, em_status *status);

/* The rules it was built with. */
const text_bpe_rules *text_bpe_get_rules(const text_bpe *bpe);

/* One more than the highest id: the rows that an embedding must have. */
uint32_t text_bpe_ids(const text_bpe *bpe);

/* As spelt in the file, living as long as the block; empty for an id without token. */
em_slice text_bpe_spelling(const text_bpe *bpe, uint32_t id);

/* The id of a token by its spelling, or TEXT_BPE_NO_ID. */
uint32_t text_bpe_find(const text_bpe *bpe, const char *spelling, size_t length);

typedef struct text_bpe_options
{
	/*
	 * At most so many ids, the specials included; the rest of the text is cut off.
	 * 1..TEXT_BPE_MAX_LENGTH
	 */
	size_t max_length;

	bool add_specials; /* put rules.before and rules.after around the text */

	/*
	 * False: "<s>" in a text is three characters that somebody typed, and no text can pass for the
	 * end of another. True: it is the special token, as Hugging Face reads it. Added tokens that
	 * are not special are always looked for.
	 */
	bool match_special;
} text_bpe_options;

/* 512 ids, as RoBERTa; specials are added, and not looked for. */
void text_bpe_options_default(text_bpe_options *options);

/*
 * Where a token stands in the text, in bytes: neither the specials put around it (length 0) nor a
 * prefix space take any. Where rules.trim_offsets, length may be 0 (a token of spaces alone). A
 * character may be in several tokens, each with its own bytes of it.
 */
typedef struct text_bpe_span
{
	size_t start;
	size_t length;
} text_bpe_span;

/* Reused from call to call, for one tokeniser; release with text_bpe_encoding_free. */
typedef struct text_bpe_encoding
{
	const em_allocator *allocator;
	const text_bpe *bpe;
	uint32_t *ids;
	text_bpe_span *spans; /* one per id */
	size_t count;
	size_t before, after;           /* how many ids at the ends are specials put around the text */
	bool truncated;                 /* the text had more */
	size_t work;                    /* bytes, pairs and steps of the heap looked at: near linear */
	size_t capacity, span_capacity; /* private, as all below */
	void *symbols;
	size_t symbol_capacity;
	uint64_t *heap;
	size_t heap_capacity;
	void *memo;
} text_bpe_encoding;

/* The tokeniser must outlive it. */
void text_bpe_encoding_init(text_bpe_encoding *encoding, const em_allocator *allocator,
							const text_bpe *bpe);
void text_bpe_encoding_free(text_bpe_encoding *encoding);

/*
 * Text (any bytes: one that is not UTF-8 counts as a mark) -> encoding. O(n log n) in the length of
 * a piece, linear in the number of pieces, and stops once max_length is reached.
 * EM_INVALID_OPTION when max_length has no room for the specials; else EM_OUT_OF_MEMORY is the only
 * failure. Half a megabyte of words met before is kept in the encoding; what a long piece needed
 * is not.
 */
em_code text_bpe_encode(const text_bpe_options *options, const char *text, size_t length,
						text_bpe_encoding *encoding, em_status *status);

#endif /* EMOTION_TEXT_BPE_H */
