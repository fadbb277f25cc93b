/*
 * options.c
 *	  Setting, checking and printing options by their table.
 */
#include "options.h"
#include "clip.h"
#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const option_spec *
option_find(const option_spec *specs, const char *name, size_t length)
{
	for (const option_spec *spec = specs; spec->name != NULL; spec++)
		if (strlen(spec->name) == length && memcmp(spec->name, name, length) == 0)
			return spec;
	return NULL;
}

/* What may stand there, for the hint: "a whole number from 1 to 15". */
static void
describe_allowed(const option_spec *spec, char *out, size_t size)
{
	char low[JSON_NUMBER_MAX], high[JSON_NUMBER_MAX];
	size_t n;

	json_print_number(spec->minimum, false, low);
	json_print_number(spec->maximum, false, high);
	switch (spec->type)
	{
		case OPTION_INT:
		case OPTION_UINT64:
			snprintf(out, size, "a whole number from %s to %s", low, high);
			break;
		case OPTION_REAL:
			snprintf(out, size, "a number from %s to %s", low, high);
			break;
		case OPTION_BOOL:
			snprintf(out, size, "true or false");
			break;
		case OPTION_INT_LIST:
			snprintf(out, size, "an array of 1 to %d whole numbers from %s to %s", OPTION_LIST_MAX,
					 low, high);
			break;
		case OPTION_CHOICE:
			n = (size_t) snprintf(out, size, "one of");
			for (int i = 0; spec->choices[i] != NULL && n < size; i++)
				n += (size_t) snprintf(out + n, size - n, "%s \"%s\"", i == 0 ? "" : ",",
									   spec->choices[i]);
			break;
	}
}

/* The value as the user wrote it, for the message. */
static void
describe_value(const option_value *value, char *out, size_t size)
{
	char number[JSON_NUMBER_MAX];
	size_t n;

	switch (value->type)
	{
		case OPTION_VALUE_NULL:
			snprintf(out, size, "null");
			break;
		case OPTION_VALUE_BOOL:
			snprintf(out, size, value->boolean ? "true" : "false");
			break;
		case OPTION_VALUE_NUMBER:
			if (isfinite(value->number))
				json_print_number(value->number, false, number);
			else
				snprintf(number, sizeof(number), "infinite");
			snprintf(out, size, "%s", number);
			break;
		case OPTION_VALUE_STRING:
			snprintf(out, size, "\"%.*s\"", clip_length(value->string), value->string.bytes);
			break;
		case OPTION_VALUE_NUMBERS:
			if (value->count < 0 || value->count > OPTION_LIST_MAX)
			{
				snprintf(out, size, "an array of %d numbers", value->count);
				break;
			}
			n = (size_t) snprintf(out, size, "[");
			for (int i = 0; i < value->count && n < size; i++)
			{
				if (isfinite(value->numbers[i]))
					json_print_number(value->numbers[i], false, number);
				else
					snprintf(number, sizeof(number), "?");
				n += (size_t) snprintf(out + n, size - n, "%s%s", i == 0 ? "" : ", ", number);
			}
			if (n < size)
				snprintf(out + n, size - n, "]");
			break;
		case OPTION_VALUE_OTHER:
			snprintf(out, size, "an object or a mixed array");
			break;
	}
}

static em_code
refuse(const option_spec *spec, const char *shown, em_status *status)
{
	char allowed[200];

	describe_allowed(spec, allowed, sizeof(allowed));
	em_fail(status, EM_INVALID_OPTION, "option \"%s\" cannot be %s", spec->name, shown);
	em_hint(status, "It must be %s.", allowed);
	return EM_INVALID_OPTION;
}

/* Written so that NaN is out of range. */
static bool
in_range(const option_spec *spec, double number)
{
	return number >= spec->minimum && number <= spec->maximum;
}

static bool
whole_in_range(const option_spec *spec, double number)
{
	return in_range(spec, number) && number == floor(number);
}

static bool
set_choice(const option_spec *spec, int *place, em_slice name)
{
	for (int i = 0; spec->choices[i] != NULL; i++)
	{
		if (strlen(spec->choices[i]) == name.length &&
			memcmp(spec->choices[i], name.bytes, name.length) == 0)
		{
			*place = i;
			return true;
		}
	}
	return false;
}

static bool
set_list(const option_spec *spec, option_int_list *place, const option_value *value)
{
	if (value->count < 1 || value->count > OPTION_LIST_MAX)
		return false;
	for (int i = 0; i < value->count; i++)
		if (!whole_in_range(spec, value->numbers[i]))
			return false;
	memset(place, 0, sizeof(*place));
	place->count = value->count;
	for (int i = 0; i < value->count; i++)
		place->values[i] = (int) value->numbers[i];
	return true;
}

em_code
option_set(const option_spec *spec, void *target, const option_value *value, em_status *status)
{
	void *place = (char *) target + spec->offset;
	bool number = value->type == OPTION_VALUE_NUMBER;
	bool good = false;
	char shown[200];

	switch (spec->type)
	{
		case OPTION_INT:
			good = number && whole_in_range(spec, value->number);
			if (good)
				*(int *) place = (int) value->number;
			break;
		case OPTION_UINT64:
			/* the bound itself, 2^63, is not a value: it only rounds from 2^63-1 */
			good = number && whole_in_range(spec, value->number) && value->number >= 0 &&
				   value->number < 9223372036854775808.0;
			if (good)
				*(uint64_t *) place = (uint64_t) value->number;
			break;
		case OPTION_REAL:
			good = number && in_range(spec, value->number);
			if (good)
				*(double *) place = value->number;
			break;
		case OPTION_BOOL:
			good = value->type == OPTION_VALUE_BOOL;
			if (good)
				*(bool *) place = value->boolean;
			break;
		case OPTION_CHOICE:
			good = value->type == OPTION_VALUE_STRING && set_choice(spec, place, value->string);
			break;
		case OPTION_INT_LIST:
			good = value->type == OPTION_VALUE_NUMBERS && set_list(spec, place, value);
			break;
	}
	if (good)
		return EM_OK;
	describe_value(value, shown, sizeof(shown));
	return refuse(spec, shown, status);
}

em_code
option_check(const option_spec *specs, const void *source, em_status *status)
{
	for (const option_spec *spec = specs; spec->name != NULL; spec++)
	{
		const void *place = (const char *) source + spec->offset;
		const option_int_list *list = place;
		int count = 0;
		bool good = true;
		char shown[200];

		switch (spec->type)
		{
			case OPTION_INT:
				good = in_range(spec, *(const int *) place);
				break;
			case OPTION_UINT64:
				good = *(const uint64_t *) place <= (uint64_t) INT64_MAX &&
					   in_range(spec, (double) *(const uint64_t *) place);
				break;
			case OPTION_REAL:
				good = in_range(spec, *(const double *) place);
				break;
			case OPTION_BOOL:
				break;
			case OPTION_CHOICE:
				while (spec->choices[count] != NULL)
					count++;
				good = *(const int *) place >= 0 && *(const int *) place < count;
				break;
			case OPTION_INT_LIST:
				good = list->count >= 1 && list->count <= OPTION_LIST_MAX;
				for (int i = 0; good && i < list->count; i++)
					good = in_range(spec, list->values[i]);
				break;
		}
		if (good)
			continue;
		option_print(spec, source, shown, sizeof(shown));
		return refuse(spec, shown, status);
	}
	return EM_OK;
}

void
option_print(const option_spec *spec, const void *source, char *buffer, size_t size)
{
	const void *place = (const char *) source + spec->offset;
	const option_int_list *list = place;
	char number[JSON_NUMBER_MAX];
	int count = 0, choice;
	size_t n;

	switch (spec->type)
	{
		case OPTION_INT:
			snprintf(buffer, size, "%d", *(const int *) place);
			break;
		case OPTION_UINT64:
			snprintf(buffer, size, "%" PRIu64, *(const uint64_t *) place);
			break;
		case OPTION_REAL:
			if (isfinite(*(const double *) place))
				json_print_number(*(const double *) place, false, number);
			else
				snprintf(number, sizeof(number), "null");
			snprintf(buffer, size, "%s", number);
			break;
		case OPTION_BOOL:
			snprintf(buffer, size, *(const bool *) place ? "true" : "false");
			break;
		case OPTION_CHOICE:
			choice = *(const int *) place;
			while (spec->choices[count] != NULL)
				count++;
			if (choice >= 0 && choice < count)
				snprintf(buffer, size, "\"%s\"", spec->choices[choice]);
			else
				snprintf(buffer, size, "%d", choice);
			break;
		case OPTION_INT_LIST:
			n = (size_t) snprintf(buffer, size, "[");
			for (int i = 0; i < list->count && i < OPTION_LIST_MAX && n < size; i++)
				n += (size_t) snprintf(buffer + n, size - n, "%s%d", i == 0 ? "" : ", ",
									   list->values[i]);
			if (n < size)
				snprintf(buffer + n, size - n, "]");
			break;
	}
}

size_t
options_to_json(const option_spec *specs, const void *source, char *out, size_t size)
{
	size_t n = 0;

	for (const option_spec *spec = specs; spec->name != NULL; spec++)
	{
		char value[160];
		int written;

		option_print(spec, source, value, sizeof(value));
		written =
			snprintf(out + n, size - n, "%s\"%s\": %s", n == 0 ? "{" : ", ", spec->name, value);
		if (written < 0 || (size_t) written + 2 > size - n)
			return 0;
		n += (size_t) written;
	}
	out[n++] = '}';
	out[n] = '\0';
	return n;
}
