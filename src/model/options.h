/*
 * options.h
 *	  Options by name: one table per struct gives name, type, range, default and
 *	  meaning, and everything else (parsing JSON, checking, printing, the list
 *	  that users see) reads the table.
 */
#ifndef EMOTION_MODEL_OPTIONS_H
#define EMOTION_MODEL_OPTIONS_H

#include "../base.h"

#define OPTION_LIST_MAX 8

typedef enum option_type
{
	OPTION_INT,      /* int */
	OPTION_REAL,     /* double */
	OPTION_BOOL,     /* bool */
	OPTION_CHOICE,   /* int: index into choices */
	OPTION_INT_LIST, /* option_int_list */
	OPTION_UINT64,   /* uint64_t, 0..2^63-1 */
} option_type;

typedef struct option_int_list
{
	int count;
	int values[OPTION_LIST_MAX];
} option_int_list;

typedef struct option_spec
{
	const char *name;
	option_type type;
	size_t offset;              /* in the struct that the table describes */
	double minimum, maximum;    /* inclusive; of each element for lists */
	const char *const *choices; /* OPTION_CHOICE: NULL-terminated */
	const char *meaning;        /* one line for users */
} option_spec;

/* A value as JSON gives it. */
typedef enum option_value_type
{
	OPTION_VALUE_NULL,
	OPTION_VALUE_BOOL,
	OPTION_VALUE_NUMBER,
	OPTION_VALUE_STRING,
	OPTION_VALUE_NUMBERS, /* array of numbers; count may exceed OPTION_LIST_MAX: refused */
	OPTION_VALUE_OTHER,   /* object, mixed array: always refused */
} option_value_type;

typedef struct option_value
{
	option_value_type type;
	bool boolean;
	double number;
	em_slice string;
	int count;
	double numbers[OPTION_LIST_MAX];
} option_value;

/* The entry named so, or NULL. specs ends with an entry whose name is NULL. */
const option_spec *option_find(const option_spec *specs, const char *name, size_t length);

/*
 * Set one option. EM_INVALID_OPTION naming option and value when the type or
 * range is wrong, hint: what is allowed. A number for an integer must be whole.
 */
em_code option_set(const option_spec *spec, void *target, const option_value *value,
				   em_status *status);

/* Check every value of a struct that was filled otherwise: EM_INVALID_OPTION for the first wrong. */
em_code option_check(const option_spec *specs, const void *source, em_status *status);

/* Print the value of one option as JSON into buffer (at least 160 bytes). */
void option_print(const option_spec *spec, const void *source, char *buffer, size_t size);

/*
 * All options as a JSON object, NUL-terminated; returns bytes written without the NUL, 0 when out is
 * too small.
 */
size_t options_to_json(const option_spec *specs, const void *source, char *out, size_t size);

#endif /* EMOTION_MODEL_OPTIONS_H */
