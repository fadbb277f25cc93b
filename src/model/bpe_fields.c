/*
 * bpe_fields.c
 *	  Reading JSON objects by tables of fields.
 */
#include "bpe_fields.h"

#include <string.h>

#include "clip.h"

bool
bpe_same(em_slice text, const char *name)
{
	return text.length == strlen(name) && memcmp(text.bytes, name, text.length) == 0;
}

em_code
bpe_misread(bpe_reading *reading, const char *what)
{
	if (reading->reader.error != NULL)
		return em_fail(reading->status, EM_CORRUPT, "%s is not valid JSON: %s at byte %zu",
					   reading->file, reading->reader.error, reading->reader.position + 1);
	return em_fail(reading->status, EM_CORRUPT, "%s: %s is not what it must be", reading->file,
				   what);
}

em_code
bpe_string(bpe_reading *reading, em_slice *string)
{
	em_slice raw = reading->reader.raw;

	*string = raw;
	if (!reading->reader.escaped)
		return EM_OK;
	if (reading->strings == NULL)
	{
		/* what all strings take unescaped is less than the file */
		reading->strings = em_allocate_array(reading->allocator, reading->reader.length, 1);
		if (reading->strings == NULL)
			return em_fail(reading->status, EM_OUT_OF_MEMORY, "out of memory");
	}
	string->bytes = reading->strings + reading->string_bytes;
	string->length = json_unescape(raw, reading->strings + reading->string_bytes);
	reading->string_bytes += string->length;
	return EM_OK;
}

em_code
bpe_id(bpe_reading *reading, json_token token, const char *what, uint32_t *id)
{
	uint64_t value;

	if (token != JSON_NUMBER || !json_to_size(reading->reader.raw, &value))
		return bpe_misread(reading, what);
	if (value >= TEXT_BPE_MAX_IDS)
		return em_fail(reading->status, EM_LIMIT, "%s: %s is %llu, more than %d", reading->file,
					   what, (unsigned long long) value, TEXT_BPE_MAX_IDS - 1);
	*id = (uint32_t) value;
	return EM_OK;
}

static em_code
read_field(bpe_reading *reading, json_token token, const bpe_field *field, void *filled)
{
	char *target = (char *) filled + field->offset;

	if (field->kind == FIELD_READ)
		return field->read(reading, token, filled);
	if (token == JSON_NULL && field->nullable)
		return EM_OK;
	switch (field->kind)
	{
		case FIELD_BOOL:
			if (token != JSON_TRUE && token != JSON_FALSE)
				return bpe_misread(reading, field->name);
			*(bool *) (void *) target = token == JSON_TRUE;
			return EM_OK;
		case FIELD_TEXT:
			if (token != JSON_STRING)
				return bpe_misread(reading, field->name);
			return bpe_string(reading, (em_slice *) (void *) target);
		case FIELD_ID:
			return bpe_id(reading, token, field->name, (uint32_t *) (void *) target);
		default:
			return json_skip(&reading->reader, token) ? EM_OK : bpe_misread(reading, field->name);
	}
}

em_code
bpe_read_object(bpe_reading *reading, json_token token, const char *what, const bpe_field *fields,
				void *filled, bpe_object *object)
{
	*object = (bpe_object){ 0, { NULL, 0 } };
	if (token != JSON_OBJECT_BEGIN)
		return bpe_misread(reading, what);
	while ((token = json_next(&reading->reader)) == JSON_KEY)
	{
		em_slice key;
		em_code code = bpe_string(reading, &key);
		int i = 0;

		while (code == EM_OK && fields[i].name != NULL && !bpe_same(key, fields[i].name))
			i++;
		if (code == EM_OK && fields[i].name != NULL && (object->seen >> i & 1) != 0)
			code = em_fail(reading->status, EM_CORRUPT, "%s: %s has \"%s\" twice", reading->file,
						   what, fields[i].name);
		if (code != EM_OK)
			return code;
		token = json_next(&reading->reader);
		if (fields[i].name != NULL)
		{
			object->seen |= UINT64_C(1) << i;
			code = read_field(reading, token, &fields[i], filled);
			if (code != EM_OK)
				return code;
			continue;
		}
		if (token != JSON_NULL && object->unknown.bytes == NULL)
			object->unknown = key;
		if (!json_skip(&reading->reader, token))
			return bpe_misread(reading, what);
	}
	return token == JSON_OBJECT_END ? EM_OK : bpe_misread(reading, what);
}

em_code
bpe_check_object(bpe_reading *reading, const char *what, const bpe_field *fields,
				 const bpe_object *object, uint64_t required)
{
	if (object->unknown.bytes != NULL)
		return em_fail(reading->status, EM_UNSUPPORTED, "%s: \"%.*s\" of %s is not supported",
					   reading->file, clip_length(object->unknown), object->unknown.bytes, what);
	for (int i = 0; fields[i].name != NULL; i++)
		if ((required & ~object->seen) >> i & 1)
			return em_fail(reading->status, EM_CORRUPT, "%s: %s lacks \"%s\"", reading->file, what,
						   fields[i].name);
	return EM_OK;
}
