/*
 * bpe_parts.c
 *	  What stands around a tokeniser's model in tokenizer.json: normalizer,
 *	  pre-tokenizer, post-processor.
 */
#include "bpe_fields.h"

#include <string.h>

#include "clip.h"

#define BIT(i) (UINT64_C(1) << (i))

#define NORMALIZER "the normalizer"
#define PRE_TOKENIZER "the pre-tokenizer"
#define POST_PROCESSOR "the post-processor"

static em_code
unsupported(bpe_reading *reading, const char *what, em_slice type)
{
	return em_fail(reading->status, EM_UNSUPPORTED, "%s: %s of type \"%.*s\" is not supported",
				   reading->file, what, clip_length(type), type.bytes);
}

/* Read an array element by element, with what is to be filled. */
static em_code
read_array(bpe_reading *reading, json_token token, const char *what,
		   em_code (*read)(bpe_reading *reading, json_token token, void *filled), void *filled)
{
	if (token != JSON_ARRAY_BEGIN)
		return bpe_misread(reading, what);
	while ((token = json_next(&reading->reader)) != JSON_ARRAY_END)
	{
		em_code code =
			token == JSON_ERROR ? bpe_misread(reading, what) : read(reading, token, filled);

		if (code != EM_OK)
			return code;
	}
	return EM_OK;
}

/*
 * Sequences hold others of their kind, but no sequences here: that is more than is needed, and
 * reading must not go as deep as a file likes.
 */
#define MAX_DEPTH 1

static em_code
too_deep(bpe_reading *reading, const char *what)
{
	return em_fail(reading->status, EM_UNSUPPORTED,
				   "%s: a sequence within a sequence in %s is not supported", reading->file, what);
}

/* ------------------------------------------------------------------ normalizer */

typedef struct normalizer
{
	em_slice type;
	int count; /* in a sequence */
} normalizer;

static em_code
count_normalizer(bpe_reading *reading, json_token token, void *filled)
{
	((normalizer *) filled)->count++;
	return json_skip(&reading->reader, token) ? EM_OK : bpe_misread(reading, NORMALIZER);
}

static em_code
read_normalizers(bpe_reading *reading, json_token token, void *filled)
{
	return read_array(reading, token, NORMALIZER, count_normalizer, filled);
}

em_code
bpe_read_normalizer(bpe_reading *reading, json_token token, void *filled)
{
	static const bpe_field fields[] = {
		{ "type", FIELD_TEXT, offsetof(normalizer, type), false, NULL },
		{ "normalizers", FIELD_READ, 0, false, read_normalizers },
		{ NULL, FIELD_SKIP, 0, false, NULL },
	};
	normalizer self = { { "", 0 }, 0 };
	bpe_object object;
	em_code code;

	(void) filled;
	if (token == JSON_NULL)
		return EM_OK;
	code = bpe_read_object(reading, token, NORMALIZER, fields, &self, &object);
	if (code != EM_OK)
		return code;
	/* a sequence of none is none */
	if (!bpe_same(self.type, "Sequence") || self.count > 0)
		return unsupported(reading, NORMALIZER, self.type);
	return bpe_check_object(reading, NORMALIZER, fields, &object, BIT(0) | BIT(1));
}

/* --------------------------------------------------------------- pre-tokenizer */

typedef struct pre_tokenizer
{
	em_slice type;
	bool add_prefix_space, trim_offsets, use_regex;
	int depth;
	int *byte_levels; /* how many have been found */
} pre_tokenizer;

static em_code read_pre_tokenizer(bpe_reading *reading, json_token token, int depth,
								  int *byte_levels);

static em_code
read_inner_pre_tokenizer(bpe_reading *reading, json_token token, void *filled)
{
	const pre_tokenizer *outer = filled;

	return read_pre_tokenizer(reading, token, outer->depth + 1, outer->byte_levels);
}

static em_code
read_pre_tokenizers(bpe_reading *reading, json_token token, void *filled)
{
	if (((pre_tokenizer *) filled)->depth == MAX_DEPTH)
		return too_deep(reading, PRE_TOKENIZER);
	return read_array(reading, token, PRE_TOKENIZER, read_inner_pre_tokenizer, filled);
}

static em_code
read_pre_tokenizer(bpe_reading *reading, json_token token, int depth, int *byte_levels)
{
	static const bpe_field fields[] = {
		{ "type", FIELD_TEXT, offsetof(pre_tokenizer, type), false, NULL },
		{ "add_prefix_space", FIELD_BOOL, offsetof(pre_tokenizer, add_prefix_space), false, NULL },
		{ "trim_offsets", FIELD_BOOL, offsetof(pre_tokenizer, trim_offsets), false, NULL },
		{ "use_regex", FIELD_BOOL, offsetof(pre_tokenizer, use_regex), false, NULL },
		{ "pretokenizers", FIELD_READ, 0, false, read_pre_tokenizers },
		{ NULL, FIELD_SKIP, 0, false, NULL },
	};
	pre_tokenizer self = {
		.type = { "", 0 }, .use_regex = true, .depth = depth, .byte_levels = byte_levels
	};
	bpe_object object;
	em_code code;

	code = bpe_read_object(reading, token, PRE_TOKENIZER, fields, &self, &object);
	if (code != EM_OK)
		return code;
	if (bpe_same(self.type, "Sequence"))
		return bpe_check_object(reading, PRE_TOKENIZER, fields, &object, BIT(0) | BIT(4));
	if (!bpe_same(self.type, "ByteLevel"))
		return unsupported(reading, PRE_TOKENIZER, self.type);
	(*byte_levels)++;
	reading->rules.add_prefix_space = self.add_prefix_space;
	reading->rules.use_regex = self.use_regex;
	return bpe_check_object(reading, PRE_TOKENIZER, fields, &object, BIT(0) | BIT(1) | BIT(2));
}

em_code
bpe_read_pre_tokenizer(bpe_reading *reading, json_token token, void *filled)
{
	int byte_levels = 0;
	em_code code;

	(void) filled;
	if (token == JSON_NULL)
		return em_fail(reading->status, EM_UNSUPPORTED,
					   "%s: a tokenizer without pre-tokenizer is not supported", reading->file);
	code = read_pre_tokenizer(reading, token, 0, &byte_levels);
	if (code == EM_OK && byte_levels != 1)
		return em_fail(reading->status, EM_UNSUPPORTED,
					   "%s: %d ByteLevel pre-tokenizers are not supported", reading->file,
					   byte_levels);
	return code;
}

/* -------------------------------------------------------------- post-processor */

/* A name and the ids it stands for. */
typedef struct named_ids
{
	em_slice name;
	uint32_t ids[TEXT_BPE_MAX_SPECIALS];
	size_t count;
} named_ids;

#define MAX_PIECES (2 * TEXT_BPE_MAX_SPECIALS + 1)
#define SEQUENCE_A "A"

typedef struct post_processor
{
	em_slice type;
	named_ids sep, cls;
	bool add_prefix_space, trim_offsets, use_regex;
	em_slice pieces[MAX_PIECES]; /* names of special tokens; that of the text is SEQUENCE_A */
	bool is_sequence[MAX_PIECES];
	size_t piece_count;
	named_ids specials[MAX_PIECES];
	size_t special_count;
	int depth;
	int *adders; /* how many have been found that put tokens around a text */
} post_processor;

/* ["</s>", 2] */
static em_code
read_named(bpe_reading *reading, json_token token, named_ids *named)
{
	em_code code = EM_CORRUPT;

	if (token == JSON_ARRAY_BEGIN && json_next(&reading->reader) == JSON_STRING)
		code = bpe_string(reading, &named->name);
	else
		return bpe_misread(reading, POST_PROCESSOR);
	if (code == EM_OK)
		code = bpe_id(reading, json_next(&reading->reader), POST_PROCESSOR, &named->ids[0]);
	if (code == EM_OK && json_next(&reading->reader) != JSON_ARRAY_END)
		return bpe_misread(reading, POST_PROCESSOR);
	named->count = 1;
	return code;
}

static em_code
read_sep(bpe_reading *reading, json_token token, void *filled)
{
	return read_named(reading, token, &((post_processor *) filled)->sep);
}

static em_code
read_cls(bpe_reading *reading, json_token token, void *filled)
{
	return read_named(reading, token, &((post_processor *) filled)->cls);
}

typedef struct template_piece
{
	em_slice id;
	uint32_t type_id;
	bool is_sequence;
} template_piece;

static em_code
read_piece_value(bpe_reading *reading, json_token token, void *filled)
{
	static const bpe_field fields[] = {
		{ "id", FIELD_TEXT, offsetof(template_piece, id), false, NULL },
		{ "type_id", FIELD_ID, offsetof(template_piece, type_id), false, NULL },
		{ NULL, FIELD_SKIP, 0, false, NULL },
	};
	bpe_object object;
	em_code code = bpe_read_object(reading, token, POST_PROCESSOR, fields, filled, &object);

	if (code == EM_OK)
		code = bpe_check_object(reading, POST_PROCESSOR, fields, &object, BIT(0) | BIT(1));
	return code;
}

static em_code
read_sequence_value(bpe_reading *reading, json_token token, void *filled)
{
	((template_piece *) filled)->is_sequence = true;
	return read_piece_value(reading, token, filled);
}

/* {"SpecialToken": {"id": "<s>", "type_id": 0}} or {"Sequence": {"id": "A", "type_id": 0}} */
static em_code
read_piece(bpe_reading *reading, json_token token, void *filled)
{
	static const bpe_field fields[] = {
		{ "SpecialToken", FIELD_READ, 0, false, read_piece_value },
		{ "Sequence", FIELD_READ, 0, false, read_sequence_value },
		{ NULL, FIELD_SKIP, 0, false, NULL },
	};
	post_processor *self = filled;
	template_piece piece = { { "", 0 }, 0, false };
	bpe_object object;
	em_code code = bpe_read_object(reading, token, POST_PROCESSOR, fields, &piece, &object);

	if (code == EM_OK)
		code = bpe_check_object(reading, POST_PROCESSOR, fields, &object, 0);
	if (code != EM_OK)
		return code;
	if (object.seen != BIT(0) && object.seen != BIT(1))
		return bpe_misread(reading, POST_PROCESSOR);
	if (piece.type_id != 0)
		return em_fail(reading->status, EM_UNSUPPORTED,
					   "%s: type_id %u in %s is not supported, only 0", reading->file,
					   piece.type_id, POST_PROCESSOR);
	if (self->piece_count == MAX_PIECES)
		return em_fail(reading->status, EM_LIMIT, "%s: %s with more than %d pieces", reading->file,
					   POST_PROCESSOR, MAX_PIECES);
	self->pieces[self->piece_count] = piece.id;
	self->is_sequence[self->piece_count++] = piece.is_sequence;
	return EM_OK;
}

static em_code
read_single(bpe_reading *reading, json_token token, void *filled)
{
	return read_array(reading, token, POST_PROCESSOR, read_piece, filled);
}

static em_code
read_special_id(bpe_reading *reading, json_token token, void *filled)
{
	named_ids *special = filled;

	if (special->count == TEXT_BPE_MAX_SPECIALS)
		return em_fail(reading->status, EM_LIMIT, "%s: a special token of more than %d ids",
					   reading->file, TEXT_BPE_MAX_SPECIALS);
	return bpe_id(reading, token, POST_PROCESSOR, &special->ids[special->count++]);
}

static em_code
read_special_ids(bpe_reading *reading, json_token token, void *filled)
{
	return read_array(reading, token, POST_PROCESSOR, read_special_id, filled);
}

/* {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}, ...} */
static em_code
read_specials(bpe_reading *reading, json_token token, void *filled)
{
	static const bpe_field fields[] = {
		{ "id", FIELD_SKIP, 0, false, NULL },
		{ "ids", FIELD_READ, 0, false, read_special_ids },
		{ "tokens", FIELD_SKIP, 0, false, NULL },
		{ NULL, FIELD_SKIP, 0, false, NULL },
	};
	post_processor *self = filled;

	if (token != JSON_OBJECT_BEGIN)
		return bpe_misread(reading, POST_PROCESSOR);
	while ((token = json_next(&reading->reader)) == JSON_KEY)
	{
		named_ids *special = &self->specials[self->special_count];
		bpe_object object;
		em_code code;

		if (self->special_count++ == MAX_PIECES)
			return em_fail(reading->status, EM_LIMIT, "%s: %s with more than %d special tokens",
						   reading->file, POST_PROCESSOR, MAX_PIECES);
		code = bpe_string(reading, &special->name);
		if (code == EM_OK)
			code = bpe_read_object(reading, json_next(&reading->reader), POST_PROCESSOR, fields,
								   special, &object);
		if (code == EM_OK)
			code = bpe_check_object(reading, POST_PROCESSOR, fields, &object, BIT(1));
		if (code != EM_OK)
			return code;
	}
	return token == JSON_OBJECT_END ? EM_OK : bpe_misread(reading, POST_PROCESSOR);
}

static em_code read_post_processor(bpe_reading *reading, json_token token, int depth, int *adders);

static em_code
read_inner_post_processor(bpe_reading *reading, json_token token, void *filled)
{
	const post_processor *outer = filled;

	return read_post_processor(reading, token, outer->depth + 1, outer->adders);
}

static em_code
read_post_processors(bpe_reading *reading, json_token token, void *filled)
{
	if (((post_processor *) filled)->depth == MAX_DEPTH)
		return too_deep(reading, POST_PROCESSOR);
	return read_array(reading, token, POST_PROCESSOR, read_inner_post_processor, filled);
}

/* Put a special token's ids at one end of texts; one that has a single id must bear its name. */
static em_code
put(bpe_reading *reading, const named_ids *special, uint32_t *ids, uint32_t *count)
{
	if (special->count > TEXT_BPE_MAX_SPECIALS - *count)
		return em_fail(reading->status, EM_LIMIT,
					   "%s: more than %d tokens are added at an end of a text", reading->file,
					   TEXT_BPE_MAX_SPECIALS);
	memcpy(ids + *count, special->ids, special->count * sizeof(*ids));
	*count += (uint32_t) special->count;
	if (special->count == 1)
	{
		reading->names[reading->name_count] = special->name;
		reading->name_ids[reading->name_count++] = special->ids[0];
	}
	return EM_OK;
}

static em_code
put_template(bpe_reading *reading, const post_processor *self)
{
	text_bpe_rules *rules = &reading->rules;
	bool text = false;

	for (size_t i = 0; i < self->piece_count; i++)
	{
		em_slice name = self->pieces[i];
		size_t found = 0;
		em_code code;

		if (self->is_sequence[i])
		{
			if (text || !bpe_same(name, SEQUENCE_A))
				return em_fail(reading->status, EM_UNSUPPORTED,
							   "%s: \"single\" of %s with other than one sequence A is not "
							   "supported",
							   reading->file, POST_PROCESSOR);
			text = true;
			continue;
		}
		while (found < self->special_count &&
			   (self->specials[found].name.length != name.length ||
				memcmp(self->specials[found].name.bytes, name.bytes, name.length) != 0))
			found++;
		if (found == self->special_count)
			return em_fail(reading->status, EM_CORRUPT, "%s: %s has no special token \"%.*s\"",
						   reading->file, POST_PROCESSOR, clip_length(name), name.bytes);
		code = put(reading, &self->specials[found], text ? rules->after : rules->before,
				   text ? &rules->after_count : &rules->before_count);
		if (code != EM_OK)
			return code;
	}
	if (!text)
		return em_fail(reading->status, EM_UNSUPPORTED, "%s: %s without the text is not supported",
					   reading->file, POST_PROCESSOR);
	return EM_OK;
}

/* Spaces that one processor leaves, another may trim. */
static void
trim(text_bpe_rules *rules, bool keep_first_space)
{
	rules->keep_first_space = keep_first_space && (rules->keep_first_space || !rules->trim_offsets);
	rules->trim_offsets = true;
}

static em_code
read_post_processor(bpe_reading *reading, json_token token, int depth, int *adders)
{
	static const bpe_field fields[] = {
		{ "type", FIELD_TEXT, offsetof(post_processor, type), false, NULL },
		{ "sep", FIELD_READ, 0, false, read_sep },
		{ "cls", FIELD_READ, 0, false, read_cls },
		{ "trim_offsets", FIELD_BOOL, offsetof(post_processor, trim_offsets), false, NULL },
		{ "add_prefix_space", FIELD_BOOL, offsetof(post_processor, add_prefix_space), false, NULL },
		{ "use_regex", FIELD_BOOL, offsetof(post_processor, use_regex), false, NULL },
		{ "single", FIELD_READ, 0, false, read_single },
		{ "pair", FIELD_SKIP, 0, false, NULL },
		{ "special_tokens", FIELD_READ, 0, false, read_specials },
		{ "processors", FIELD_READ, 0, false, read_post_processors },
		{ NULL, FIELD_SKIP, 0, false, NULL },
	};
	post_processor self;
	bpe_object object;
	uint64_t required = BIT(0);
	text_bpe_rules *rules = &reading->rules;
	bool adds = false;
	em_code code;

	memset(&self, 0, sizeof(self));
	self.type = (em_slice){ "", 0 };
	self.depth = depth;
	self.adders = adders;
	code = bpe_read_object(reading, token, POST_PROCESSOR, fields, &self, &object);
	if (code != EM_OK)
		return code;
	if (bpe_same(self.type, "RobertaProcessing"))
		required |= BIT(1) | BIT(2) | BIT(3) | BIT(4);
	else if (bpe_same(self.type, "BertProcessing"))
		required |= BIT(1) | BIT(2);
	else if (bpe_same(self.type, "ByteLevel"))
		required |= BIT(3) | BIT(4);
	else if (bpe_same(self.type, "TemplateProcessing"))
		required |= BIT(6) | BIT(8);
	else if (bpe_same(self.type, "Sequence"))
		required |= BIT(9);
	else
		return unsupported(reading, POST_PROCESSOR, self.type);
	code = bpe_check_object(reading, POST_PROCESSOR, fields, &object, required);
	if (code != EM_OK)
		return code;

	if ((required & BIT(3)) != 0 && self.trim_offsets)
		trim(rules, self.add_prefix_space);
	adds = (required & (BIT(1) | BIT(6))) != 0;
	if (adds && (*adders)++ > 0)
		return em_fail(reading->status, EM_UNSUPPORTED,
					   "%s: %s that adds tokens around others is not supported", reading->file,
					   POST_PROCESSOR);
	if ((required & BIT(6)) != 0)
		return put_template(reading, &self);
	if (!adds)
		return EM_OK;
	code = put(reading, &self.cls, rules->before, &rules->before_count);
	if (code == EM_OK)
		code = put(reading, &self.sep, rules->after, &rules->after_count);
	return code;
}

em_code
bpe_read_post_processor(bpe_reading *reading, json_token token, void *filled)
{
	int adders = 0;

	(void) filled;
	return token == JSON_NULL ? EM_OK : read_post_processor(reading, token, 0, &adders);
}
