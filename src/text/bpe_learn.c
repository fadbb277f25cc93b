/*
 * bpe_learn.c
 *	  Learns merges: counts pieces, then merges the pair that bpe_pairs.c has at the front of its
 *	  queue in the pieces where it stands.
 */
#include "bpe_learn.h"

#include <string.h>

#include "bpe_block.h"
#include "bpe_pairs.h"
#include "bpe_split.h"
#include "vocabulary.h"

#define SPECIALS 5

struct text_bpe_learner
{
	const em_allocator *allocator;
	text_word_counter *pieces; /* as spelt, in which no line feed is */
	uint64_t bytes;            /* of different pieces */
	char spelled[2 * TEXT_BPE_LEARN_PIECE];
	char byte_spelling[256][2];
	uint8_t byte_length[256];
};

/* A piece's tokens. */
typedef struct learned_piece
{
	size_t start;
	uint32_t length;
} learned_piece;

typedef struct learning
{
	const em_allocator *allocator;
	const text_word_counter *counter; /* of the pieces */
	em_status *status;

	text_word_counter *tokens; /* spellings; their numbers are the ids */
	learned_piece *pieces;
	uint32_t *symbols; /* ids of tokens */
	bpe_pairs pairs;

	uint32_t *merges; /* pairs, by rank */
	size_t merge_count, merge_capacity;
} learning;

static em_code
fail_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

void
text_bpe_learn_options_default(text_bpe_learn_options *options)
{
	*options = (text_bpe_learn_options){ .vocabulary_size = 30000, .min_count = 2 };
}

em_code
text_bpe_learner_create(const em_allocator *allocator, text_bpe_learner **learner,
						em_status *status)
{
	text_bpe_learner *made = em_allocate_zeroed(allocator, 1, sizeof(*made));
	em_code code;

	*learner = NULL;
	if (made == NULL)
		return fail_memory(status);
	made->allocator = allocator;
	code = text_word_counter_create(allocator, &made->pieces, status);
	if (code != EM_OK)
	{
		em_release(allocator, made);
		return code;
	}
	for (int byte = 0; byte < 256; byte++)
	{
		char spelling[4];

		made->byte_length[byte] = (uint8_t) bpe_spell_byte((unsigned char) byte, spelling);
		memcpy(made->byte_spelling[byte], spelling, made->byte_length[byte]);
	}
	*learner = made;
	return EM_OK;
}

void
text_bpe_learner_free(text_bpe_learner *learner)
{
	if (learner == NULL)
		return;
	text_word_counter_free(learner->pieces);
	em_release(learner->allocator, learner);
}

static em_code
add_piece(text_bpe_learner *learner, const char *piece, size_t length, em_status *status)
{
	uint32_t known = text_word_counter_size(learner->pieces);
	size_t spelt = 0;
	uint32_t id;
	em_code code;

	for (size_t i = 0; i < length; i++)
	{
		unsigned char byte = (unsigned char) piece[i];

		learner->spelled[spelt++] = learner->byte_spelling[byte][0];
		if (learner->byte_length[byte] > 1)
			learner->spelled[spelt++] = learner->byte_spelling[byte][1];
	}
	code = text_word_counter_add(learner->pieces, learner->spelled, spelt, &id, status);
	if (code == EM_OK && id == known)
		learner->bytes += length;
	return code;
}

em_code
text_bpe_learner_add(text_bpe_learner *learner, const char *text, size_t length, em_status *status)
{
	em_code code = EM_OK;

	for (size_t at = 0; code == EM_OK && at < length;)
	{
		size_t end = bpe_next_piece(text, at, length, false);

		for (; code == EM_OK && at < end; at += TEXT_BPE_LEARN_PIECE)
			code = add_piece(learner, text + at,
							 end - at < TEXT_BPE_LEARN_PIECE ? end - at : TEXT_BPE_LEARN_PIECE,
							 status);
		at = end;
	}
	return code;
}

uint64_t
text_bpe_learner_bytes(const text_bpe_learner *learner)
{
	return learner->bytes;
}

/* ------------------------------------------------------------------------------ the tokens */

/* *id is the number of tokens so far unless there is one of that spelling. */
static em_code
add_token(learning *learning, const char *spelling, size_t length, uint32_t *id)
{
	return text_word_counter_add(learning->tokens, spelling, length, id, learning->status);
}

static const char *const special_names[SPECIALS] = { "<s>", "<pad>", "</s>", "<unk>", "<mask>" };

/*
 * The special tokens, which no piece can become, as marks and letters are never in one; then the
 * characters of bytes, in their order.
 */
static em_code
add_first_tokens(learning *learning)
{
	em_code code = EM_OK;
	uint32_t id;

	for (int i = 0; code == EM_OK && i < SPECIALS; i++)
		code = add_token(learning, special_names[i], strlen(special_names[i]), &id);
	for (int group = 0; group < 3; group++)
		for (int byte = 0; code == EM_OK && byte < 256; byte++)
		{
			char spelling[4];
			size_t length = bpe_spell_byte((unsigned char) byte, spelling);
			int own = length == 1 ? 0 : (unsigned char) spelling[0] < 0xC4 ? 1 : 2;

			if (own == group)
				code = add_token(learning, spelling, length, &id);
		}
	return code;
}

static em_code
join_tokens(learning *learning, uint32_t left, uint32_t right, uint32_t *id)
{
	char joined[2 * TEXT_BPE_LEARN_PIECE];
	em_slice first = text_word_counter_word(learning->tokens, left);
	em_slice second = text_word_counter_word(learning->tokens, right);

	memcpy(joined, first.bytes, first.length);
	memcpy(joined + first.length, second.bytes, second.length);
	return add_token(learning, joined, first.length + second.length, id);
}

/* ------------------------------------------------------------------------------ the merges */

/* Pieces as the ids of their bytes. */
static em_code
read_pieces(learning *learning, uint64_t bytes)
{
	uint32_t count = text_word_counter_size(learning->counter);
	size_t at = 0;
	em_code code = EM_OK;

	if (count == 0)
		return EM_OK;
	learning->pieces = em_allocate_array(learning->allocator, count, sizeof(learned_piece));
	learning->symbols = em_allocate_array(learning->allocator, bytes, sizeof(uint32_t));
	if (learning->pieces == NULL || learning->symbols == NULL)
		return fail_memory(learning->status);
	for (uint32_t i = 0; code == EM_OK && i < count; i++)
	{
		em_slice spelling = text_word_counter_word(learning->counter, i);
		size_t start = at;

		for (size_t j = 0, length; code == EM_OK && j < spelling.length; j += length)
		{
			length = (unsigned char) spelling.bytes[j] < 0x80 ? 1 : 2;
			code = add_token(learning, spelling.bytes + j, length, &learning->symbols[at++]);
		}
		learning->pieces[i] = (learned_piece){ start, (uint32_t) (at - start) };
		if (code == EM_OK)
			code = bpe_pairs_stop_if_asked(&learning->pairs, spelling.length * 2);
	}
	return code;
}

static em_code
count_pairs(learning *learning)
{
	em_code code = EM_OK;

	for (uint32_t i = 0; code == EM_OK && i < text_word_counter_size(learning->counter); i++)
	{
		const uint32_t *symbols = learning->symbols + learning->pieces[i].start;
		int64_t count = (int64_t) text_word_counter_count(learning->counter, i);
		uint32_t length = learning->pieces[i].length;

		for (uint32_t j = 0; code == EM_OK && j + 1 < length; j++)
			code = bpe_pairs_change(&learning->pairs, symbols[j], symbols[j + 1], count, i);
		if (code == EM_OK)
			code = bpe_pairs_stop_if_asked(&learning->pairs, (size_t) length * 4);
	}
	return code == EM_OK ? bpe_pairs_enqueue(&learning->pairs) : code;
}

static em_code
merge_in_piece(learning *learning, const bpe_pair *pair, uint32_t merged, uint32_t number)
{
	learned_piece *piece = &learning->pieces[number];
	uint32_t *symbols = learning->symbols + piece->start;
	int64_t count = (int64_t) text_word_counter_count(learning->counter, number);
	uint32_t left = pair->left, right = pair->right; /* the pair may move */
	uint32_t length = piece->length;
	uint32_t out = 0;
	em_code code = EM_OK;

	for (uint32_t i = 0; code == EM_OK && i < length; out++)
	{
		if (symbols[i] != left || i + 1 == length || symbols[i + 1] != right)
		{
			symbols[out] = symbols[i++];
			continue;
		}
		if (out > 0)
		{
			code = bpe_pairs_change(&learning->pairs, symbols[out - 1], left, -count, number);
			if (code == EM_OK)
				code = bpe_pairs_change(&learning->pairs, symbols[out - 1], merged, count, number);
		}
		if (code == EM_OK && i + 2 < length)
		{
			code = bpe_pairs_change(&learning->pairs, right, symbols[i + 2], -count, number);
			if (code == EM_OK)
				code = bpe_pairs_change(&learning->pairs, merged, symbols[i + 2], count, number);
		}
		symbols[out] = merged;
		i += 2;
	}
	piece->length = out;
	return code == EM_OK ? bpe_pairs_stop_if_asked(&learning->pairs, length) : code;
}

/* Merge the pair of an entry in its pieces. */
static em_code
merge_pair(learning *learning, bpe_queue_entry entry)
{
	bpe_pair pair = learning->pairs.pairs[entry.pair];
	void *merges = learning->merges;
	uint32_t merged;
	em_code code = join_tokens(learning, pair.left, pair.right, &merged);

	if (code != EM_OK)
		return code;
	if (learning->merge_count >= UINT32_MAX - 1 ||
		!em_grow(learning->allocator, &merges, &learning->merge_capacity, learning->merge_count + 1,
				 sizeof(uint32_t)))
		return fail_memory(learning->status);
	learning->merges = merges;
	learning->pairs.pairs[entry.pair].rank = (uint32_t) learning->merge_count;
	learning->merges[learning->merge_count++] = entry.pair;
	for (uint32_t place = entry.places; code == EM_OK && place != 0;)
	{
		bpe_place at = learning->pairs.places[place - 1];

		code = merge_in_piece(learning, &pair, merged, at.piece);
		place = at.next;
	}
	bpe_pairs_release(&learning->pairs, entry.places);
	return code == EM_OK ? bpe_pairs_enqueue(&learning->pairs) : code;
}

static em_code
learn_merges(learning *learning, const text_bpe_learn_options *options)
{
	em_code code = EM_OK;

	while (code == EM_OK && text_word_counter_size(learning->tokens) < options->vocabulary_size)
	{
		bpe_queue_entry top;
		bool taken;

		code = bpe_pairs_take(&learning->pairs, &top, &taken);
		if (code != EM_OK || !taken || top.count < 1 || (uint64_t) top.count < options->min_count)
			break;
		code = merge_pair(learning, top);
	}
	return code;
}

/* --------------------------------------------------------------------------- the tokeniser */

static em_code
build(learning *learning, text_bpe **bpe)
{
	uint32_t count = text_word_counter_size(learning->tokens);
	text_bpe_token *tokens = em_allocate_array(learning->allocator, count, sizeof(*tokens));
	text_bpe_merge *merges =
		em_allocate_array(learning->allocator, learning->merge_count + 1, sizeof(*merges));
	text_bpe_added added[SPECIALS];
	text_bpe_source source = { .tokens = tokens,
							   .token_count = count,
							   .merges = merges,
							   .added = added,
							   .added_count = SPECIALS,
							   .rules = { .use_regex = true,
										  .trim_offsets = true,
										  .unknown_id = TEXT_BPE_NO_ID,
										  .pad_id = 1,
										  .before_count = 1,
										  .after_count = 1,
										  .before = { 0 },
										  .after = { 2 } } };
	em_code code = EM_OUT_OF_MEMORY;

	for (uint32_t i = 0; i < SPECIALS; i++)
		added[i] = (text_bpe_added){ .name = { special_names[i], strlen(special_names[i]) },
									 .id = i,
									 .special = true,
									 .lstrip = i == 4 };
	if (tokens != NULL && merges != NULL)
	{
		for (uint32_t id = 0; id < count; id++)
			tokens[id] = (text_bpe_token){ text_word_counter_word(learning->tokens, id), id };
		for (size_t rank = 0; rank < learning->merge_count; rank++)
		{
			const bpe_pair *pair = &learning->pairs.pairs[learning->merges[rank]];

			/* of those merged twice the last, as in Hugging Face's trainer */
			if (pair->rank == rank)
				merges[source.merge_count++] =
					(text_bpe_merge){ tokens[pair->left].spelling, tokens[pair->right].spelling };
		}
		code = text_bpe_build(learning->allocator, &source, bpe, learning->status);
	}
	else
		fail_memory(learning->status);
	em_release(learning->allocator, tokens);
	em_release(learning->allocator, merges);
	return code;
}

em_code
text_bpe_learner_finish(const text_bpe_learner *learner, const text_bpe_learn_options *options,
						em_should_stop should_stop, void *context, text_bpe **bpe,
						em_status *status)
{
	const em_allocator *allocator = learner->allocator;
	learning learning = { .allocator = allocator,
						  .counter = learner->pieces,
						  .status = status,
						  .pairs = { .allocator = allocator,
									 .should_stop = should_stop,
									 .context = context,
									 .status = status } };
	em_code code;

	*bpe = NULL;
	if (options->vocabulary_size < TEXT_BPE_LEARN_MIN_SIZE ||
		options->vocabulary_size > TEXT_BPE_MAX_IDS)
		return em_fail(status, EM_INVALID_OPTION,
					   "a vocabulary of %u tokens is not one of %d to %d", options->vocabulary_size,
					   TEXT_BPE_LEARN_MIN_SIZE, TEXT_BPE_MAX_IDS);
	if (options->min_count < 1)
		return em_fail(status, EM_INVALID_OPTION, "pairs must occur at least once to be merged");
	code = text_word_counter_create(allocator, &learning.tokens, status);
	if (code == EM_OK)
		code = add_first_tokens(&learning);
	if (code == EM_OK)
		code = read_pieces(&learning, learner->bytes);
	if (code == EM_OK)
		code = count_pairs(&learning);
	if (code == EM_OK)
		code = learn_merges(&learning, options);
	if (code == EM_OK)
		code = build(&learning, bpe);
	text_word_counter_free(learning.tokens);
	em_release(allocator, learning.pieces);
	em_release(allocator, learning.symbols);
	bpe_pairs_free(&learning.pairs);
	em_release(allocator, learning.merges);
	return code;
}
