/*
 * json.h
 *	  A strict pull parser for the JSON in model files. RFC 8259, UTF-8 checked,
 *	  surrogate escapes only in pairs, depth at most 64, no allocation: strings are returned as raw slices and
 *	  unescaped on request.
 */
#ifndef EMOTION_MODEL_JSON_H
#define EMOTION_MODEL_JSON_H

#include "../base.h"

typedef enum json_token
{
	JSON_ERROR, /* see reader->error */
	JSON_END,   /* the whole input was read */
	JSON_OBJECT_BEGIN,
	JSON_OBJECT_END,
	JSON_ARRAY_BEGIN,
	JSON_ARRAY_END,
	JSON_KEY, /* raw: the characters between the quotes, escapes in place */
	JSON_STRING,
	JSON_NUMBER, /* raw: the number's characters */
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL,
} json_token;

#define JSON_MAX_DEPTH 64

typedef struct json_reader
{
	const char *bytes;
	size_t length;
	size_t position;
	em_slice raw;
	bool escaped; /* raw holds at least one backslash */
	const char *error;
	int depth;
	bool done;                     /* private: the value at depth 0 is complete */
	uint8_t stack[JSON_MAX_DEPTH]; /* private: where we are in each open object or array */
} json_reader;

void json_open(json_reader *reader, const char *bytes, size_t length);

/* The next token; after JSON_ERROR always JSON_ERROR. Trailing blanks only after the value. */
json_token json_next(json_reader *reader);

/* Having got `token`, skip the rest of the value it begins (nothing for a scalar). */
bool json_skip(json_reader *reader, json_token token);

/* Unescape raw into out (room for raw.length bytes); returns the length. raw was checked by json_next. */
size_t json_unescape(em_slice raw, char *out);

/* The number as a double, whatever the locale; false when it is not finite. */
bool json_to_double(em_slice raw, double *value);

/* A number without fraction or exponent in 0..2^53; false otherwise. */
bool json_to_size(em_slice raw, uint64_t *value);

/* Room for what json_print_number writes, its NUL included. */
#define JSON_NUMBER_MAX 32

/*
 * Print a finite number with the fewest digits that json_to_double reads back as the same
 * double (single: as the same float), whatever the locale. Returns bytes written, without NUL.
 */
size_t json_print_number(double value, bool single, char out[JSON_NUMBER_MAX]);

/* Whether text is well-formed UTF-8: no overlong form, no surrogate, at most U+10FFFF. */
bool json_valid_utf8(em_slice text);

/* Append text to out as a JSON string with its quotes; returns bytes written; out NULL only counts. */
size_t json_escape(em_slice text, char *out);

#endif /* EMOTION_MODEL_JSON_H */
