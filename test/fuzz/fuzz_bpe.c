/*
 * fuzz_bpe.c
 *	  Any bytes as a tokeniser's files, and as texts under one that was read: the
 *	  first byte says which.
 */
#include "fuzz.h"

#include "../../src/model/bpe_file.h"
#include "../unit/bpe_invariants.h"

static const char sample[] = "Hello  the <s>\xC3\xA9\xF0\x9F\x98\x82 heaa!! 'll\n 12</s>";

/* One id per byte and a few merges; flags choose the rules. Made once. */
static const text_bpe *
made_tokenizer(unsigned flags)
{
	static text_bpe *made[64];
	static const char *const pairs[][2] = { { "a", "a" },  { "aa", "aa" }, { "h", "e" },
											{ "he", "a" }, { "!", "!" },   { "\xC4\xA0", "a" } };
	static const text_bpe_added added[] = {
		{ { "<s>", 3 }, 300, true, false, false, false, true },
		{ { " <", 2 }, 301, false, false, false, true, false },
		{ { "he", 2 }, 258, false, true, true, false, false },
		{ { " ", 1 }, 302, false, false, false, true, true },
		{ { "h\xC3\xA9", 3 }, 303, false, true, true, true, true },
	};
	static char names[256][2];
	static char joined[6][8];
	text_bpe_token tokens[262];
	text_bpe_merge merges[6];
	text_bpe_source source = {
		.tokens = tokens, .token_count = 262, .merges = merges, .merge_count = 6, .added = added
	};

	flags %= 64;
	if (made[flags] != NULL)
		return made[flags];
	for (int byte = 0; byte < 256; byte++)
	{
		unsigned code = (unsigned) byte;

		if (byte <= 0x20)
			code += 0x100;
		else if (byte >= 0x7F && byte <= 0xA0)
			code += 0x121 - 0x7F;
		else if (byte == 0xAD)
			code = 0x143;
		tokens[byte].id = (uint32_t) byte;
		tokens[byte].spelling = (em_slice){ names[byte], code < 0x80 ? 1 : 2 };
		names[byte][0] = (char) (code < 0x80 ? code : 0xC0 | code >> 6);
		names[byte][1] = (char) (0x80 | (code & 0x3F));
	}
	for (uint32_t i = 0; i < 6; i++)
	{
		size_t left = strlen(pairs[i][0]), right = strlen(pairs[i][1]);

		memcpy(joined[i], pairs[i][0], left);
		memcpy(joined[i] + left, pairs[i][1], right);
		merges[i].left = (em_slice){ pairs[i][0], left };
		merges[i].right = (em_slice){ pairs[i][1], right };
		tokens[256 + i].id = 256 + i;
		tokens[256 + i].spelling = (em_slice){ joined[i], left + right };
	}
	source.added_count = flags & 1 ? 5 : 0;
	source.rules = (text_bpe_rules){
		.add_prefix_space = flags >> 1 & 1,
		.use_regex = !(flags >> 2 & 1),
		.ignore_merges = flags >> 3 & 1,
		.trim_offsets = flags >> 4 & 1,
		.keep_first_space = flags >> 5 & 1,
		.unknown_id = TEXT_BPE_NO_ID,
		.pad_id = TEXT_BPE_NO_ID,
		.before_count = 1,
		.before = { 0 },
		.after_count = 1,
		.after = { 2 },
	};
	require(text_bpe_build(&allocator, &source, &made[flags], NULL) == EM_OK);
	return made[flags];
}

/* Encode; once more, as words met before are kept; and from a copy of the block. */
static void
encode(const text_bpe *bpe, const char *text, size_t length, unsigned flags, bool plain)
{
	text_bpe_options options;
	text_bpe_encoding first, second;
	size_t size = text_bpe_size(bpe);
	void *copy = malloc(size);
	const text_bpe *opened;
	em_code code;

	text_bpe_options_default(&options);
	options.match_special = flags & 1;
	options.max_length = flags >> 1 & 1 ? 6 : 100000;
	memcpy(copy, bpe, size);
	require(text_bpe_open(copy, size, &opened, NULL) == EM_OK);
	text_bpe_encoding_init(&first, &allocator, bpe);
	text_bpe_encoding_init(&second, &allocator, opened);
	code = text_bpe_encode(&options, text, length, &first, NULL);
	require(code == text_bpe_encode(&options, text, length, &second, NULL));
	require(code == text_bpe_encode(&options, text, length, &second, NULL));
	if (code == EM_OK)
	{
		require(bpe_broken_invariant(&options, text, length, &first, plain) == NULL);
		require(first.count == second.count && first.truncated == second.truncated);
		require(memcmp(first.ids, second.ids, first.count * sizeof(*first.ids)) == 0);
		require(memcmp(first.spans, second.spans, first.count * sizeof(*first.spans)) == 0);
	}
	text_bpe_encoding_free(&second);
	text_bpe_encoding_free(&first);
	free(copy);
}

/* Its block changed in any places is refused, or can be used. */
static void
open_changed(const text_bpe *bpe, const uint8_t *data, size_t size)
{
	size_t block = text_bpe_size(bpe);
	uint8_t *copy = exact_copy((const uint8_t *) bpe, block);
	text_bpe_encoding encoding;
	text_bpe_options options;
	const text_bpe *opened;

	patch(copy, block, data, size);
	if (text_bpe_open(copy, block, &opened, NULL) == EM_OK)
	{
		text_bpe_options_default(&options);
		text_bpe_encoding_init(&encoding, &allocator, opened);
		(void) text_bpe_encode(&options, sample, sizeof(sample) - 1, &encoding, NULL);
		for (size_t i = 0; i < encoding.count; i++)
			require(encoding.ids[i] < text_bpe_ids(opened));
		text_bpe_encoding_free(&encoding);
	}
	free(copy);
}

/* What is written of a tokeniser is read as the same. */
static void
check_written(const text_bpe *bpe)
{
	size_t length = bpe_file_write(bpe, NULL);
	char *json = malloc(length);
	text_bpe *again;

	require(bpe_file_write(bpe, json) == length);
	require(bpe_file_read(&allocator, (em_slice){ json, length }, &again, NULL) == EM_OK);
	require(text_bpe_size(again) == text_bpe_size(bpe));
	require(memcmp(again, bpe, text_bpe_size(bpe)) == 0);
	free(again);
	free(json);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *) data + 2;
	text_bpe *bpe = NULL;
	em_code code;

	if (size < 2)
		return 0;
	size -= 2;
	switch (data[0] % 5)
	{
		case 0:
			code = bpe_file_read(&allocator, (em_slice){ bytes, size }, &bpe, NULL);
			break;
		case 1:
		{
			/* vocab.json and, behind the first line that is empty, merges.txt */
			size_t cut = 0;

			while (cut < size && !(bytes[cut] == '\n' && cut + 1 < size && bytes[cut + 1] == '\n'))
				cut++;
			code = bpe_file_read_pair(&allocator, (em_slice){ bytes, cut },
									  (em_slice){ bytes + (cut + 2 < size ? cut + 2 : size),
												  cut + 2 < size ? size - cut - 2 : 0 },
									  data[1] & 1, &bpe, NULL);
			break;
		}
		case 4:
			open_changed(made_tokenizer(data[1]), data + 2, size);
			return 0;
		default:
			encode(made_tokenizer(data[1]), bytes, size, data[0] >> 2, (data[1] & 0x13) == 0);
			return 0;
	}
	if (code == EM_OK)
	{
		encode(bpe, sample, sizeof(sample) - 1, data[1], false);
		check_written(bpe);
	}
	else
		require(bpe == NULL);
	free(bpe);
	return 0;
}
