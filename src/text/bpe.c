/*
 * bpe.c
 *	  A tokeniser's block: built from arrays, looked into.
 */
#include "bpe.h"

#include <string.h>

#include "bpe_block.h"
#include "unicode.h"

/*
 * A table is at most half full, so real keys need few probes (ln n / 0.19 at most for n random
 * ones, 80 for the largest table). More means that they were made to collide.
 */
#define MAX_PROBES 1000

static size_t
aligned(size_t size)
{
	return (size + 7) & ~(size_t) 7;
}

/* Slots of a table for count entries, at most half of them taken. */
static uint32_t
slots_for(size_t count)
{
	uint32_t slots = 16;

	while (slots < count * 2)
		slots *= 2;
	return slots;
}

void
bpe_lay_out(text_bpe *bpe)
{
	uint64_t at = aligned(sizeof(*bpe));
	uint64_t added = (uint64_t) bpe->added_count[0] + bpe->added_count[1];

	bpe->token_slots = at;
	at += ((uint64_t) bpe->token_mask + 1) * sizeof(hash_slot);
	bpe->merge_slots = at;
	at += ((uint64_t) bpe->merge_mask + 1) * sizeof(hash_slot);
	bpe->merges = at;
	at += (uint64_t) bpe->merge_count * sizeof(bpe_merge);
	bpe->starts = at;
	at += ((uint64_t) bpe->ids + 1) * sizeof(uint32_t);
	bpe->added = at;
	at += added * sizeof(uint32_t);
	bpe->flags = at;
	at += bpe->ids;
	bpe->spellings = at;
	at += bpe->spelling_bytes;
	bpe->size = aligned(at);
}

#define ARRAY(bpe, type, field) ((type *) (void *) ((char *) (bpe) + (bpe)->field))

size_t
bpe_spell_byte(unsigned char byte, char out[4])
{
	uint32_t code_point = byte;

	/* those without a printable character of their own, counted in their order */
	if (byte <= 0x20)
		code_point = 0x100u + byte;
	else if (byte >= 0x7F && byte <= 0xA0)
		code_point = 0x100u + 0x21 + (byte - 0x7Fu);
	else if (byte == 0xAD)
		code_point = 0x143;
	return text_utf8_encode(code_point, out);
}

const text_bpe_rules *
text_bpe_get_rules(const text_bpe *bpe)
{
	return &bpe->rules;
}

size_t
text_bpe_size(const text_bpe *bpe)
{
	return (size_t) bpe->size;
}

uint32_t
text_bpe_ids(const text_bpe *bpe)
{
	return bpe->ids;
}

em_slice
text_bpe_spelling(const text_bpe *bpe, uint32_t id)
{
	const uint32_t *starts = BPE_ARRAY(bpe, uint32_t, starts);

	if (id >= bpe->ids)
		return (em_slice){ "", 0 };
	return (em_slice){ BPE_ARRAY(bpe, char, spellings) + starts[id], starts[id + 1] - starts[id] };
}

/* The slot of a spelling, or the free one where it belongs; NULL after too many probes. */
static const hash_slot *
find_token(const text_bpe *bpe, const char *spelling, size_t length, uint32_t hash)
{
	const hash_slot *slots = BPE_ARRAY(bpe, hash_slot, token_slots);
	uint32_t i = hash & bpe->token_mask;

	for (int probes = 0; probes < MAX_PROBES; probes++, i = (i + 1) & bpe->token_mask)
	{
		em_slice found;

		if (slots[i].entry == 0)
			return &slots[i];
		if (slots[i].hash != hash)
			continue;
		found = text_bpe_spelling(bpe, slots[i].entry - 1);
		if (found.length == length && memcmp(found.bytes, spelling, length) == 0)
			return &slots[i];
	}
	return NULL;
}

uint32_t
text_bpe_find(const text_bpe *bpe, const char *spelling, size_t length)
{
	const hash_slot *slot;

	if (length == 0 || length > bpe->longest)
		return TEXT_BPE_NO_ID;
	slot = find_token(bpe, spelling, length, hash_word(spelling, length));
	return slot == NULL || slot->entry == 0 ? TEXT_BPE_NO_ID : slot->entry - 1;
}

/* For "%.*s" in messages: not too much of it, and no part of a character. */
static int
shown(em_slice name)
{
	size_t length = name.length;

	if (length > 60)
		for (length = 60; length > 0 && ((unsigned char) name.bytes[length] & 0xC0) == 0x80;)
			length--;
	return (int) length;
}

/* Check the numbers of the source that memory depends on, and set the block's counts. */
static em_code
measure(const text_bpe_source *source, text_bpe *bpe, em_status *status)
{
	size_t total = source->token_count + source->added_count;
	uint64_t bytes = 0;

	if (source->token_count > TEXT_BPE_MAX_IDS || source->merge_count > TEXT_BPE_MAX_MERGES)
		return em_fail(status, EM_LIMIT, "tokenizer of %zu tokens and %zu merges is larger than %d",
					   source->token_count, source->merge_count, TEXT_BPE_MAX_IDS);
	if (source->added_count > TEXT_BPE_MAX_ADDED)
		return em_fail(status, EM_LIMIT, "tokenizer with %zu added tokens, more than %d",
					   source->added_count, TEXT_BPE_MAX_ADDED);
	if (source->rules.before_count > TEXT_BPE_MAX_SPECIALS ||
		source->rules.after_count > TEXT_BPE_MAX_SPECIALS)
		return em_fail(status, EM_LIMIT,
					   "tokenizer that adds more than %d tokens at an end of a text",
					   TEXT_BPE_MAX_SPECIALS);
	for (size_t i = 0; i < total; i++)
	{
		bool added = i >= source->token_count;
		const text_bpe_added *extra = added ? &source->added[i - source->token_count] : NULL;
		em_slice name = added ? extra->name : source->tokens[i].spelling;
		uint32_t id = added ? extra->id : source->tokens[i].id;

		if (name.length == 0)
			return em_fail(status, EM_CORRUPT, "token %u is empty", id);
		if (id >= TEXT_BPE_MAX_IDS)
			return em_fail(status, EM_LIMIT, "token \"%.*s\" has the id %u, ids are below %d",
						   shown(name), name.bytes, id, TEXT_BPE_MAX_IDS);
		if (added && name.length > TEXT_BPE_MAX_ADDED_BYTES)
			return em_fail(status, EM_LIMIT, "added token \"%.*s...\" is longer than %d bytes",
						   shown(name), name.bytes, TEXT_BPE_MAX_ADDED_BYTES);
		bytes += name.length;
		if (bytes > BPE_MAX_SPELLING_BYTES)
			return em_fail(status, EM_LIMIT, "tokens of more than %u bytes",
						   BPE_MAX_SPELLING_BYTES);
		if (bpe->ids <= id)
			bpe->ids = id + 1;
		if (bpe->longest < name.length)
			bpe->longest = (uint32_t) name.length;
		if (added)
		{
			bpe->added_count[extra->normalized ? 1 : 0]++;
			bpe->added_plain[extra->normalized ? 1 : 0] += !extra->special;
		}
	}
	bpe->merge_count = (uint32_t) source->merge_count;
	bpe->token_mask = slots_for(total) - 1;
	bpe->merge_mask = slots_for(source->merge_count) - 1;
	bpe->spelling_bytes = (uint32_t) bytes; /* of an added token in the model twice: to spare */
	return EM_OK;
}

/* Put all spellings in the order of ids; lengths are counted in starts first, one place on. */
static em_code
fill_spellings(text_bpe *bpe, const text_bpe_source *source, em_status *status)
{
	uint32_t *starts = ARRAY(bpe, uint32_t, starts);
	uint8_t *flags = ARRAY(bpe, uint8_t, flags);
	char *spellings = ARRAY(bpe, char, spellings);

	for (size_t i = 0; i < source->token_count; i++)
	{
		const text_bpe_token *token = &source->tokens[i];

		if (flags[token->id] != 0)
			return em_fail(status, EM_CORRUPT, "token \"%.*s\" has the id %u of another token",
						   shown(token->spelling), token->spelling.bytes, token->id);
		flags[token->id] = BPE_IN_MODEL;
		starts[token->id + 1] = (uint32_t) token->spelling.length;
	}
	for (size_t i = 0; i < source->added_count; i++)
	{
		const text_bpe_added *added = &source->added[i];

		if ((flags[added->id] & BPE_ADDED) != 0)
			return em_fail(status, EM_CORRUPT, "added token \"%.*s\" has the id %u of another one",
						   shown(added->name), added->name.bytes, added->id);
		if (flags[added->id] == 0)
			starts[added->id + 1] = (uint32_t) added->name.length;
		flags[added->id] |= BPE_ADDED | (added->special ? BPE_SPECIAL : 0) |
							(added->single_word ? BPE_SINGLE_WORD : 0) |
							(added->lstrip ? BPE_LSTRIP : 0) | (added->rstrip ? BPE_RSTRIP : 0);
	}
	for (uint32_t id = 0; id < bpe->ids; id++)
		starts[id + 1] += starts[id];
	for (size_t i = 0; i < source->token_count; i++)
		memcpy(spellings + starts[source->tokens[i].id], source->tokens[i].spelling.bytes,
			   source->tokens[i].spelling.length);
	for (size_t i = 0; i < source->added_count; i++)
	{
		const text_bpe_added *added = &source->added[i];
		em_slice own = text_bpe_spelling(bpe, added->id);

		if ((flags[added->id] & BPE_IN_MODEL) == 0)
			memcpy(spellings + starts[added->id], added->name.bytes, added->name.length);
		else if (own.length != added->name.length ||
				 memcmp(own.bytes, added->name.bytes, own.length) != 0)
			return em_fail(status, EM_CORRUPT, "added token \"%.*s\" has the id %u of \"%.*s\"",
						   shown(added->name), added->name.bytes, added->id, shown(own), own.bytes);
	}
	return EM_OK;
}

static em_code
fill_tokens(text_bpe *bpe, em_status *status)
{
	hash_slot *slots = ARRAY(bpe, hash_slot, token_slots);

	for (uint32_t id = 0; id < bpe->ids; id++)
	{
		em_slice spelling = text_bpe_spelling(bpe, id);
		uint32_t hash;
		const hash_slot *slot;

		if (spelling.length == 0)
			continue;
		hash = hash_word(spelling.bytes, spelling.length);
		slot = find_token(bpe, spelling.bytes, spelling.length, hash);
		if (slot == NULL)
			return em_fail(status, EM_CORRUPT, "the tokens collide");
		if (slot->entry != 0)
			return em_fail(status, EM_CORRUPT, "token \"%.*s\" has the ids %u and %u",
						   shown(spelling), spelling.bytes, slot->entry - 1, id);
		slots[slot - slots] = (hash_slot){ hash, id + 1 };
	}
	return EM_OK;
}

/* The id of a token of the model. */
static uint32_t
find_in_model(const text_bpe *bpe, const char *spelling, size_t length)
{
	uint32_t id = text_bpe_find(bpe, spelling, length);

	return id != TEXT_BPE_NO_ID && (bpe_flags(bpe, id) & BPE_IN_MODEL) != 0 ? id : TEXT_BPE_NO_ID;
}

static em_code
add_merge(text_bpe *bpe, uint32_t rank, em_status *status)
{
	hash_slot *slots = ARRAY(bpe, hash_slot, merge_slots);
	const bpe_merge *merges = BPE_ARRAY(bpe, bpe_merge, merges);
	const bpe_merge *merge = &merges[rank];
	uint32_t hash = bpe_hash_pair(merge->left, merge->right);
	uint32_t i = hash & bpe->merge_mask;

	for (int probes = 0; slots[i].entry != 0; probes++, i = (i + 1) & bpe->merge_mask)
	{
		const bpe_merge *other = &merges[slots[i].entry - 1];

		if (other->left == merge->left && other->right == merge->right)
			return em_fail(status, EM_CORRUPT, "merges %u and %u are the same", slots[i].entry,
						   rank + 1);
		if (probes == MAX_PROBES)
			return em_fail(status, EM_CORRUPT, "the merges collide");
	}
	slots[i] = (hash_slot){ hash, rank + 1 };
	return EM_OK;
}

/* joined: room for the longest spelling. */
static em_code
fill_merges(text_bpe *bpe, const text_bpe_source *source, char *joined, em_status *status)
{
	bpe_merge *merges = ARRAY(bpe, bpe_merge, merges);

	for (uint32_t rank = 0; rank < bpe->merge_count; rank++)
	{
		em_slice left = source->merges[rank].left;
		em_slice right = source->merges[rank].right;
		bpe_merge *merge = &merges[rank];
		em_code code;

		merge->left = find_in_model(bpe, left.bytes, left.length);
		merge->right = find_in_model(bpe, right.bytes, right.length);
		merge->merged = TEXT_BPE_NO_ID;
		if (merge->left == TEXT_BPE_NO_ID || merge->right == TEXT_BPE_NO_ID)
		{
			em_slice missing = merge->left == TEXT_BPE_NO_ID ? left : right;

			return em_fail(status, EM_CORRUPT, "merge %u is of \"%.*s\", which is not a token",
						   rank + 1, shown(missing), missing.bytes);
		}
		if (left.length + right.length <= bpe->longest)
		{
			memcpy(joined, left.bytes, left.length);
			memcpy(joined + left.length, right.bytes, right.length);
			merge->merged = find_in_model(bpe, joined, left.length + right.length);
		}
		if (merge->merged == TEXT_BPE_NO_ID)
			return em_fail(status, EM_CORRUPT,
						   "merge %u makes \"%.*s%.*s\" of two tokens, which is not a token",
						   rank + 1, shown(left), left.bytes, shown(right), right.bytes);
		code = add_merge(bpe, rank, status);
		if (code != EM_OK)
			return code;
	}
	return EM_OK;
}

static bool
is_token(const text_bpe *bpe, uint32_t id)
{
	return id < bpe->ids && bpe_flags(bpe, id) != 0;
}

static em_code
check_ids(const text_bpe *bpe, const char *what, const uint32_t *ids, size_t count,
		  em_status *status)
{
	for (size_t i = 0; i < count; i++)
		if (!is_token(bpe, ids[i]))
			return em_fail(status, EM_CORRUPT, "the id %u %s is not a token's", ids[i], what);
	return EM_OK;
}

static em_code
fill_bytes(text_bpe *bpe, em_status *status)
{
	const text_bpe_rules *rules = &bpe->rules;
	em_code code;

	code = check_ids(bpe, "put before texts", rules->before, rules->before_count, status);
	if (code == EM_OK)
		code = check_ids(bpe, "put after texts", rules->after, rules->after_count, status);
	if (code == EM_OK && rules->unknown_id != TEXT_BPE_NO_ID)
		code = check_ids(bpe, "of the unknown token", &rules->unknown_id, 1, status);
	if (code == EM_OK && rules->pad_id != TEXT_BPE_NO_ID)
		code = check_ids(bpe, "of padding", &rules->pad_id, 1, status);
	if (code != EM_OK)
		return code;
	for (int byte = 0; byte < 256; byte++)
	{
		char spelling[4];
		size_t length = bpe_spell_byte((unsigned char) byte, spelling);

		bpe->byte_ids[byte] = find_in_model(bpe, spelling, length);
		if (bpe->byte_ids[byte] == TEXT_BPE_NO_ID && rules->unknown_id == TEXT_BPE_NO_ID)
			return em_fail(status, EM_UNSUPPORTED,
						   "byte 0x%02x has no token, and there is no unknown token", byte);
	}
	return EM_OK;
}

int
bpe_compare(em_slice a, em_slice b)
{
	int order = memcmp(a.bytes, b.bytes, a.length < b.length ? a.length : b.length);

	return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

/* Sort the added tokens of each set by inserting one after the other. */
static void
fill_added(text_bpe *bpe, const text_bpe_source *source)
{
	uint32_t filled[BPE_SETS] = { 0, 0 };

	for (size_t i = 0; i < source->added_count; i++)
	{
		const text_bpe_added *added = &source->added[i];
		int set = added->normalized ? 1 : 0;
		uint32_t *ids = ARRAY(bpe, uint32_t, added) + (set > 0 ? bpe->added_count[0] : 0);
		uint32_t low = 0;
		uint32_t high = filled[set]++;
		unsigned char first = (unsigned char) added->name.bytes[0];

		bpe->added_first[set][first / 8] |= (uint8_t) (1 << first % 8);
		while (low < high)
		{
			uint32_t middle = low + (high - low) / 2;

			if (bpe_compare(text_bpe_spelling(bpe, ids[middle]), added->name) < 0)
				low = middle + 1;
			else
				high = middle;
		}
		memmove(ids + low + 1, ids + low, (filled[set] - 1 - low) * sizeof(*ids));
		ids[low] = added->id;
	}
}

em_code
text_bpe_build(const em_allocator *allocator, const text_bpe_source *source, text_bpe **bpe,
			   em_status *status)
{
	text_bpe header;
	text_bpe *made = NULL;
	char *joined = NULL;
	em_code code;

	*bpe = NULL;
	memset(&header, 0, sizeof(header));
	header.magic = BPE_MAGIC;
	header.rules = source->rules;
	code = measure(source, &header, status);
	if (code != EM_OK)
		return code;
	bpe_lay_out(&header);
	made = em_allocate_zeroed(allocator, (size_t) header.size, 1);
	joined = em_allocate_array(allocator, header.longest, 1);
	if (made == NULL || joined == NULL)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	else
	{
		memcpy(made, &header, sizeof(header));
		code = fill_spellings(made, source, status);
		if (code == EM_OK)
			code = fill_tokens(made, status);
		if (code == EM_OK)
			code = fill_merges(made, source, joined, status);
		if (code == EM_OK)
			code = fill_bytes(made, status);
		if (code == EM_OK)
			fill_added(made, source);
	}
	em_release(allocator, joined);
	if (code != EM_OK)
	{
		em_release(allocator, made);
		return code;
	}
	*bpe = made;
	return EM_OK;
}
