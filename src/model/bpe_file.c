/*
 * bpe_file.c
 *	  tokenizer.json, vocab.json and merges.txt: the model and its tokens. What
 *	  stands around them: bpe_parts.c.
 */
#include "bpe_file.h"

#include <string.h>

#include "bpe_fields.h"
#include "clip.h"

#define BIT(i) (UINT64_C(1) << (i))

static void
begin_reading(bpe_reading *reading, const em_allocator *allocator, em_status *status)
{
	memset(reading, 0, sizeof(*reading));
	reading->allocator = allocator;
	reading->status = status;
	reading->rules.use_regex = true;
	reading->rules.unknown_id = TEXT_BPE_NO_ID;
	reading->rules.pad_id = TEXT_BPE_NO_ID;
}

static void
end_reading(bpe_reading *reading)
{
	em_release(reading->allocator, reading->strings);
	em_release(reading->allocator, reading->tokens);
	em_release(reading->allocator, reading->merges);
	em_release(reading->allocator, reading->added);
}

static em_code
no_memory(bpe_reading *reading)
{
	return em_fail(reading->status, EM_OUT_OF_MEMORY, "out of memory");
}

static em_code
too_many(bpe_reading *reading, const char *what, size_t limit)
{
	return em_fail(reading->status, EM_LIMIT, "%s: more than %zu %s", reading->file, limit, what);
}

/* {"<s>": 0, "<pad>": 1, ...} */
static em_code
read_vocab(bpe_reading *reading, json_token token)
{
	if (token != JSON_OBJECT_BEGIN)
		return bpe_misread(reading, "the vocabulary");
	while ((token = json_next(&reading->reader)) == JSON_KEY)
	{
		void *tokens = reading->tokens;
		text_bpe_token *last;
		em_code code;

		if (reading->token_count == TEXT_BPE_MAX_IDS)
			return too_many(reading, "tokens", TEXT_BPE_MAX_IDS);
		if (!em_grow(reading->allocator, &tokens, &reading->token_capacity,
					 reading->token_count + 1, sizeof(*reading->tokens)))
			return no_memory(reading);
		reading->tokens = tokens;
		last = &reading->tokens[reading->token_count++];
		code = bpe_string(reading, &last->spelling);
		if (code == EM_OK)
			code = bpe_id(reading, json_next(&reading->reader), "a token's id", &last->id);
		if (code != EM_OK)
			return code;
	}
	return token == JSON_OBJECT_END ? EM_OK : bpe_misread(reading, "the vocabulary");
}

static em_code
add_merge(bpe_reading *reading, em_slice left, em_slice right)
{
	void *merges = reading->merges;

	if (reading->merge_count == TEXT_BPE_MAX_MERGES)
		return too_many(reading, "merges", TEXT_BPE_MAX_MERGES);
	if (!em_grow(reading->allocator, &merges, &reading->merge_capacity, reading->merge_count + 1,
				 sizeof(*reading->merges)))
		return no_memory(reading);
	reading->merges = merges;
	reading->merges[reading->merge_count++] = (text_bpe_merge){ left, right };
	return EM_OK;
}

/* "a b", with one space */
static em_code
add_joined_merge(bpe_reading *reading, em_slice line)
{
	const char *space = line.length > 0 ? memchr(line.bytes, ' ', line.length) : NULL;
	size_t left = space != NULL ? (size_t) (space - line.bytes) : 0;
	size_t right = space != NULL ? line.length - left - 1 : 0;

	if (left == 0 || right == 0 || memchr(space + 1, ' ', right) != NULL)
		return em_fail(reading->status, EM_CORRUPT,
					   "%s: merge %zu, \"%.*s\", is not two tokens with a space between",
					   reading->file, reading->merge_count + 1, clip_length(line), line.bytes);
	return add_merge(reading, (em_slice){ line.bytes, left }, (em_slice){ space + 1, right });
}

static bool
is_version(em_slice line)
{
	return line.length >= 8 && memcmp(line.bytes, "#version", 8) == 0;
}

/* ["a b", ...] or [["a", "b"], ...] */
static em_code
read_merges(bpe_reading *reading, json_token token)
{
	if (token != JSON_ARRAY_BEGIN)
		return bpe_misread(reading, "merges");
	while ((token = json_next(&reading->reader)) != JSON_ARRAY_END)
	{
		em_slice left, right;
		em_code code;

		if (token == JSON_STRING)
		{
			code = bpe_string(reading, &left);
			if (code == EM_OK && !is_version(left))
				code = add_joined_merge(reading, left);
		}
		else
		{
			if (token != JSON_ARRAY_BEGIN || json_next(&reading->reader) != JSON_STRING)
				return bpe_misread(reading, "merges");
			code = bpe_string(reading, &left);
			if (code == EM_OK && json_next(&reading->reader) != JSON_STRING)
				return bpe_misread(reading, "merges");
			if (code == EM_OK)
				code = bpe_string(reading, &right);
			if (code == EM_OK && json_next(&reading->reader) != JSON_ARRAY_END)
				return bpe_misread(reading, "merges");
			if (code == EM_OK)
				code = add_merge(reading, left, right);
		}
		if (code != EM_OK)
			return code;
	}
	return EM_OK;
}

typedef struct bpe_model
{
	em_slice type, unk_token, prefix, suffix;
	bool fuse_unk, byte_fallback, ignore_merges;
	bool drops;          /* dropout other than 0 */
	bool vocab_is_array; /* as other types of models have it */
} bpe_model;

static em_code
read_dropout(bpe_reading *reading, json_token token, void *filled)
{
	double rate = 0;

	if (token != JSON_NULL && (token != JSON_NUMBER || !json_to_double(reading->reader.raw, &rate)))
		return bpe_misread(reading, "dropout");
	((bpe_model *) filled)->drops = rate != 0;
	return EM_OK;
}

static em_code
read_model_vocab(bpe_reading *reading, json_token token, void *filled)
{
	if (token != JSON_ARRAY_BEGIN)
		return read_vocab(reading, token);
	((bpe_model *) filled)->vocab_is_array = true;
	return json_skip(&reading->reader, token) ? EM_OK : bpe_misread(reading, "the vocabulary");
}

static em_code
read_model_merges(bpe_reading *reading, json_token token, void *filled)
{
	(void) filled;
	return read_merges(reading, token);
}

static em_code
read_model(bpe_reading *reading, json_token token, void *filled)
{
	static const bpe_field fields[] = {
		{ "vocab", FIELD_READ, 0, false, read_model_vocab },
		{ "merges", FIELD_READ, 0, false, read_model_merges },
		{ "type", FIELD_TEXT, offsetof(bpe_model, type), false, NULL },
		{ "dropout", FIELD_READ, 0, true, read_dropout },
		{ "unk_token", FIELD_TEXT, offsetof(bpe_model, unk_token), true, NULL },
		{ "continuing_subword_prefix", FIELD_TEXT, offsetof(bpe_model, prefix), true, NULL },
		{ "end_of_word_suffix", FIELD_TEXT, offsetof(bpe_model, suffix), true, NULL },
		{ "fuse_unk", FIELD_BOOL, offsetof(bpe_model, fuse_unk), true, NULL },
		{ "byte_fallback", FIELD_BOOL, offsetof(bpe_model, byte_fallback), true, NULL },
		{ "ignore_merges", FIELD_BOOL, offsetof(bpe_model, ignore_merges), true, NULL },
		{ NULL, FIELD_SKIP, 0, false, NULL },
	};
	bpe_model model;
	bpe_object object;
	const char *refused = NULL;
	em_code code;

	(void) filled;
	memset(&model, 0, sizeof(model));
	code = bpe_read_object(reading, token, "the model", fields, &model, &object);
	if (code != EM_OK)
		return code;
	/* files of the time when there was one type of model do not name it */
	if (model.type.bytes != NULL ? !bpe_same(model.type, "BPE") : model.vocab_is_array)
		return em_fail(reading->status, EM_UNSUPPORTED,
					   "%s: a model of type \"%.*s\" is not supported, only BPE", reading->file,
					   clip_length(model.type), model.type.bytes != NULL ? model.type.bytes : "");
	code = bpe_check_object(reading, "the model", fields, &object, BIT(0) | BIT(1));
	if (code != EM_OK)
		return code;
	if (model.vocab_is_array)
		return bpe_misread(reading, "the vocabulary");
	if (model.drops)
		refused = "dropout";
	else if (model.prefix.length > 0)
		refused = "continuing_subword_prefix";
	else if (model.suffix.length > 0)
		refused = "end_of_word_suffix";
	if (refused != NULL)
		return em_fail(reading->status, EM_UNSUPPORTED, "%s: \"%s\" is not supported",
					   reading->file, refused);
	reading->rules.fuse_unknown = model.fuse_unk;
	reading->rules.ignore_merges = model.ignore_merges;
	/* with byte_fallback there are tokens of another kind for bytes that have none: not supported */
	if (!model.byte_fallback && model.unk_token.bytes != NULL)
		reading->unknown = model.unk_token;
	return EM_OK;
}

static em_code
add_added(bpe_reading *reading, const text_bpe_added *added)
{
	void *all = reading->added;

	if (reading->added_count == TEXT_BPE_MAX_ADDED)
		return too_many(reading, "added tokens", TEXT_BPE_MAX_ADDED);
	if (!em_grow(reading->allocator, &all, &reading->added_capacity, reading->added_count + 1,
				 sizeof(*reading->added)))
		return no_memory(reading);
	reading->added = all;
	reading->added[reading->added_count++] = *added;
	return EM_OK;
}

static em_code
read_added_tokens(bpe_reading *reading, json_token token, void *filled)
{
	static const bpe_field fields[] = {
		{ "id", FIELD_ID, offsetof(text_bpe_added, id), false, NULL },
		{ "content", FIELD_TEXT, offsetof(text_bpe_added, name), false, NULL },
		{ "single_word", FIELD_BOOL, offsetof(text_bpe_added, single_word), false, NULL },
		{ "lstrip", FIELD_BOOL, offsetof(text_bpe_added, lstrip), false, NULL },
		{ "rstrip", FIELD_BOOL, offsetof(text_bpe_added, rstrip), false, NULL },
		{ "normalized", FIELD_BOOL, offsetof(text_bpe_added, normalized), false, NULL },
		{ "special", FIELD_BOOL, offsetof(text_bpe_added, special), false, NULL },
		{ NULL, FIELD_SKIP, 0, false, NULL },
	};

	(void) filled;
	if (token == JSON_NULL)
		return EM_OK;
	if (token != JSON_ARRAY_BEGIN)
		return bpe_misread(reading, "added_tokens");
	while ((token = json_next(&reading->reader)) != JSON_ARRAY_END)
	{
		text_bpe_added added;
		bpe_object object;
		em_code code;

		memset(&added, 0, sizeof(added));
		code = bpe_read_object(reading, token, "an added token", fields, &added, &object);
		if (code == EM_OK)
			code = bpe_check_object(reading, "an added token", fields, &object, BIT(7) - 1);
		if (code == EM_OK)
			code = add_added(reading, &added);
		if (code != EM_OK)
			return code;
	}
	return EM_OK;
}

typedef struct truncation
{
	em_slice direction;
	em_slice strategy;
	uint32_t max_length;
} truncation;

static em_code
read_truncation(bpe_reading *reading, json_token token, void *filled)
{
	static const bpe_field fields[] = {
		{ "direction", FIELD_TEXT, offsetof(truncation, direction), false, NULL },
		{ "strategy", FIELD_SKIP, 0, false, NULL }, /* which of two texts; there is one */
		{ "max_length", FIELD_ID, offsetof(truncation, max_length), false, NULL },
		{ "stride", FIELD_SKIP, 0, false, NULL }, /* of what is cut off */
		{ NULL, FIELD_SKIP, 0, false, NULL },
	};
	truncation self = { { "Right", 5 }, { "", 0 }, 0 };
	bpe_object object;
	em_code code;

	(void) filled;
	if (token == JSON_NULL)
		return EM_OK;
	code = bpe_read_object(reading, token, "truncation", fields, &self, &object);
	if (code == EM_OK)
		code = bpe_check_object(reading, "truncation", fields, &object, BIT(2));
	if (code == EM_OK && !bpe_same(self.direction, "Right"))
		return em_fail(reading->status, EM_UNSUPPORTED,
					   "%s: truncation with direction \"%.*s\" is not supported", reading->file,
					   clip_length(self.direction), self.direction.bytes);
	reading->rules.max_length = self.max_length;
	return code;
}

typedef struct padding
{
	em_slice pad_token;
	uint32_t pad_id;
} padding;

static em_code
read_padding(bpe_reading *reading, json_token token, void *filled)
{
	static const bpe_field fields[] = {
		{ "pad_token", FIELD_TEXT, offsetof(padding, pad_token), false, NULL },
		{ "pad_id", FIELD_ID, offsetof(padding, pad_id), false, NULL },
		{ NULL, FIELD_SKIP, 0, false, NULL },
	};
	padding self = { { NULL, 0 }, 0 };
	bpe_object object;
	em_code code;

	(void) filled;
	if (token == JSON_NULL)
		return EM_OK;
	code = bpe_read_object(reading, token, "padding", fields, &self, &object);
	object.unknown = (em_slice){ NULL, 0 }; /* how texts are padded is the caller's */
	if (code == EM_OK)
		code = bpe_check_object(reading, "padding", fields, &object, BIT(0) | BIT(1));
	if (code != EM_OK)
		return code;
	reading->rules.pad_id = self.pad_id;
	reading->names[reading->name_count] = self.pad_token;
	reading->name_ids[reading->name_count++] = self.pad_id;
	return EM_OK;
}

static em_code
read_version(bpe_reading *reading, json_token token, void *filled)
{
	em_slice version = reading->reader.raw;

	(void) filled;
	if (token != JSON_STRING)
		return bpe_misread(reading, "version");
	if (!bpe_same(version, "1.0"))
		return em_fail(reading->status, EM_UNSUPPORTED, "%s: version \"%.*s\" is not supported",
					   reading->file, clip_length(version), version.bytes);
	return EM_OK;
}

/* The id of a token of the model, or TEXT_BPE_NO_ID. */
static uint32_t
find_token(const bpe_reading *reading, em_slice name)
{
	for (size_t i = 0; i < reading->token_count; i++)
		if (reading->tokens[i].spelling.length == name.length &&
			memcmp(reading->tokens[i].spelling.bytes, name.bytes, name.length) == 0)
			return reading->tokens[i].id;
	return TEXT_BPE_NO_ID;
}

/* Build from all that was read, and check that ids said to be of a name are. */
static em_code
finish(bpe_reading *reading, text_bpe **bpe)
{
	text_bpe_source source;
	em_code code;

	if (reading->unknown.length > 0)
		reading->rules.unknown_id = find_token(reading, reading->unknown);
	if (reading->rules.pad_id == TEXT_BPE_NO_ID)
		reading->rules.pad_id = find_token(reading, (em_slice){ "<pad>", 5 });
	source = (text_bpe_source){
		.tokens = reading->tokens,
		.token_count = reading->token_count,
		.merges = reading->merges,
		.merge_count = reading->merge_count,
		.added = reading->added,
		.added_count = reading->added_count,
		.rules = reading->rules,
	};
	code = text_bpe_build(reading->allocator, &source, bpe, reading->status);
	for (size_t i = 0; code == EM_OK && i < reading->name_count; i++)
	{
		em_slice name = reading->names[i];

		if (text_bpe_find(*bpe, name.bytes, name.length) == reading->name_ids[i])
			continue;
		em_release(reading->allocator, *bpe);
		*bpe = NULL;
		code = em_fail(reading->status, EM_CORRUPT, "%s: token \"%.*s\" has not the id %u",
					   reading->file, clip_length(name), name.bytes, reading->name_ids[i]);
	}
	return code;
}

em_code
bpe_file_read(const em_allocator *allocator, em_slice tokenizer_json, text_bpe **bpe,
			  em_status *status)
{
	static const bpe_field fields[] = {
		{ "model", FIELD_READ, 0, false, read_model },
		{ "pre_tokenizer", FIELD_READ, 0, false, bpe_read_pre_tokenizer },
		{ "post_processor", FIELD_READ, 0, false, bpe_read_post_processor },
		{ "normalizer", FIELD_READ, 0, false, bpe_read_normalizer },
		{ "added_tokens", FIELD_READ, 0, false, read_added_tokens },
		{ "truncation", FIELD_READ, 0, false, read_truncation },
		{ "padding", FIELD_READ, 0, false, read_padding },
		{ "version", FIELD_READ, 0, false, read_version },
		{ "decoder", FIELD_SKIP, 0, false, NULL },
		{ NULL, FIELD_SKIP, 0, false, NULL },
	};
	bpe_reading reading;
	bpe_object object;
	em_code code;

	*bpe = NULL;
	begin_reading(&reading, allocator, status);
	reading.file = "tokenizer.json";
	json_open(&reading.reader, tokenizer_json.bytes, tokenizer_json.length);
	code = bpe_read_object(&reading, json_next(&reading.reader), "the whole", fields, &reading,
						   &object);
	if (code == EM_OK && json_next(&reading.reader) != JSON_END)
		code = bpe_misread(&reading, "the end");
	if (code == EM_OK)
		code = bpe_check_object(&reading, "the whole", fields, &object, BIT(0) | BIT(1));
	if (code == EM_OK)
		code = finish(&reading, bpe);
	end_reading(&reading);
	return code;
}

static em_code
read_merges_text(bpe_reading *reading, em_slice text)
{
	const char *end = text.bytes + text.length;

	if (!json_valid_utf8(text))
		return em_fail(reading->status, EM_CORRUPT, "%s is not valid UTF-8", reading->file);
	for (const char *at = text.bytes; at < end;)
	{
		const char *newline = memchr(at, '\n', (size_t) (end - at));
		em_slice line = { at, (size_t) ((newline != NULL ? newline : end) - at) };
		em_code code = EM_OK;

		at += line.length + 1;
		if (newline != NULL && line.length > 0 && line.bytes[line.length - 1] == '\r')
			line.length--;
		if (!is_version(line))
			code = add_joined_merge(reading, line);
		if (code != EM_OK || newline == NULL)
			return code;
	}
	return EM_OK;
}

/* RoBERTa's special tokens, as its own tokeniser sets them up. */
static em_code
add_specials(bpe_reading *reading)
{
	static const char *const names[] = { "<s>", "</s>", "<pad>", "<unk>", "<mask>" };
	text_bpe_rules *rules = &reading->rules;

	for (int i = 0; i < 5; i++)
	{
		text_bpe_added added = { .name = { names[i], strlen(names[i]) }, .special = true };
		em_code code;

		added.id = find_token(reading, added.name);
		added.lstrip = i == 4;
		if (added.id == TEXT_BPE_NO_ID)
		{
			if (i < 2)
				return em_fail(reading->status, EM_CORRUPT, "vocab.json has no token \"%s\"",
							   names[i]);
			continue;
		}
		if (i == 0)
			rules->before[rules->before_count++] = added.id;
		else if (i == 1)
			rules->after[rules->after_count++] = added.id;
		else if (i == 3)
			rules->unknown_id = added.id;
		code = add_added(reading, &added);
		if (code != EM_OK)
			return code;
	}
	return EM_OK;
}

em_code
bpe_file_read_pair(const em_allocator *allocator, em_slice vocab_json, em_slice merges_txt,
				   bool add_prefix_space, text_bpe **bpe, em_status *status)
{
	bpe_reading reading;
	em_code code;

	*bpe = NULL;
	begin_reading(&reading, allocator, status);
	reading.rules.add_prefix_space = add_prefix_space;
	reading.rules.trim_offsets = true;
	reading.rules.keep_first_space = add_prefix_space;
	reading.file = "vocab.json";
	json_open(&reading.reader, vocab_json.bytes, vocab_json.length);
	code = read_vocab(&reading, json_next(&reading.reader));
	if (code == EM_OK && json_next(&reading.reader) != JSON_END)
		code = bpe_misread(&reading, "the end");
	reading.file = "merges.txt";
	if (code == EM_OK)
		code = read_merges_text(&reading, merges_txt);
	if (code == EM_OK)
		code = add_specials(&reading);
	if (code == EM_OK)
		code = finish(&reading, bpe);
	end_reading(&reading);
	return code;
}
