/*
 * bpe_fields.h
 *	  Objects of a tokeniser's JSON, by tables of their fields. Private to bpe_file.c and
 *	  bpe_parts.c.
 */
#ifndef EMOTION_MODEL_BPE_FIELDS_H
#define EMOTION_MODEL_BPE_FIELDS_H

#include "../text/bpe.h"
#include "json.h"

/* A tokeniser's files while they are read. */
typedef struct bpe_reading
{
	const em_allocator *allocator;
	em_status *status;
	const char *file; /* its name, for messages */
	json_reader reader;
	char *strings; /* those with escapes, unescaped */
	size_t string_bytes;
	text_bpe_token *tokens;
	size_t token_count, token_capacity;
	text_bpe_merge *merges;
	size_t merge_count, merge_capacity;
	text_bpe_added *added;
	size_t added_count, added_capacity;
	text_bpe_rules rules;
	em_slice unknown;                              /* name of the unknown token, or empty */
	em_slice names[2 * TEXT_BPE_MAX_SPECIALS + 1]; /* what the ids are said to be: rules.before, */
	uint32_t name_ids[2 * TEXT_BPE_MAX_SPECIALS + 1]; /* rules.after, rules.pad_id */
	size_t name_count;
} bpe_reading;

typedef enum bpe_field_kind
{
	FIELD_SKIP, /* anything */
	FIELD_BOOL,
	FIELD_TEXT, /* em_slice; bytes NULL for null, where null may be */
	FIELD_ID,   /* uint32_t */
	FIELD_READ, /* by a function that is given the value's first token */
} bpe_field_kind;

typedef struct bpe_field
{
	const char *name;
	bpe_field_kind kind;
	size_t offset; /* in what is filled */
	bool nullable; /* null leaves it as it is; FIELD_READ sees to it itself */
	em_code (*read)(bpe_reading *reading, json_token token, void *filled);
} bpe_field;

/* What an object had. */
typedef struct bpe_object
{
	uint64_t seen;    /* a bit per field */
	em_slice unknown; /* the first key that no field has, unless its value is null */
} bpe_object;

/* EM_CORRUPT, with the parser's words when it failed, else that `what` is not as it must be. */
em_code bpe_misread(bpe_reading *reading, const char *what);

/* The string just read; EM_OUT_OF_MEMORY is the only failure. */
em_code bpe_string(bpe_reading *reading, em_slice *string);

/* The number just read, as an id. */
em_code bpe_id(bpe_reading *reading, json_token token, const char *what, uint32_t *id);

/* Fill from the object that token begins; fields end with a NULL name. */
em_code bpe_read_object(bpe_reading *reading, json_token token, const char *what,
						const bpe_field *fields, void *filled, bpe_object *object);

/*
 * To be asked once it is known that an object's type is supported: EM_UNSUPPORTED for a key that is
 * not known, EM_CORRUPT when one of the fields in required (bits) is missing.
 */
em_code bpe_check_object(bpe_reading *reading, const char *what, const bpe_field *fields,
						 const bpe_object *object, uint64_t required);

bool bpe_same(em_slice text, const char *name);

/* Values of tokenizer.json's keys, for FIELD_READ; filled is not looked at. */
em_code bpe_read_normalizer(bpe_reading *reading, json_token token, void *filled);
em_code bpe_read_pre_tokenizer(bpe_reading *reading, json_token token, void *filled);
em_code bpe_read_post_processor(bpe_reading *reading, json_token token, void *filled);

#endif /* EMOTION_MODEL_BPE_FIELDS_H */
