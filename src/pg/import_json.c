/*
 * import_json.c
 *	  A line of JSON -> a record.
 */
#include "postgres.h"

#include "import_fields.h"

#include "mb/pg_wchar.h"

#include "../model/json.h"
#include "glue.h"

/* A line as the JSON reader wants it. */
static em_slice
JsonBytes(em_slice line)
{
	char *converted;

	if (GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII)
		return line;
	converted = pg_server_to_any(line.bytes, (int) line.length, PG_UTF8);
	return converted == line.bytes ? line : (em_slice){ converted, strlen(converted) };
}

/* What a string or number token says; false when it holds a zero character. */
static bool
JsonString(const json_reader *json, em_slice *value)
{
	char *string = palloc(json->raw.length + 1);
	size_t length = json->raw.length;

	if (json->escaped)
		length = json_unescape(json->raw, string);
	else
		memcpy(string, json->raw.bytes, length);
	if (memchr(string, 0, length) != NULL)
		return false;
	if (GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII)
	{
		string = CStringFromUtf8(string, length);
		length = strlen(string);
	}
	*value = (em_slice){ string, length };
	return true;
}

static bool
JsonMistake(ImportRecord *record, const json_reader *json)
{
	record->reason = psprintf("not JSON: %s at byte %zu",
							  json->error != NULL ? json->error : "something", json->position + 1);
	return false;
}

/* Labels: an array of names or ids, or a string of them. */
static bool
JsonLabels(const ImportRequest *request, ImportRecord *record, json_reader *json, json_token token)
{
	em_slice value;

	if (token == JSON_STRING)
	{
		if (!JsonString(json, &value))
			record->reason = "a character is zero";
		else
			return SplitRecordLabels(request, record, value, request->label_separator);
		return false;
	}
	if (token == JSON_NULL)
		return true;
	if (token != JSON_ARRAY_BEGIN)
	{
		record->reason = psprintf("\"%s\" is neither an array nor a string", request->label_field);
		return false;
	}
	while ((token = json_next(json)) != JSON_ARRAY_END)
	{
		if (token == JSON_ERROR)
			return JsonMistake(record, json);
		if (token != JSON_STRING && token != JSON_NUMBER)
		{
			record->reason = "a label is neither a name nor an id";
			return false;
		}
		if (!JsonString(json, &value))
		{
			record->reason = "a character is zero";
			return false;
		}
		if (!AddRecordLabel(request, record, value))
			return false;
	}
	return true;
}

static bool
JsonMember(const ImportRequest *request, ImportRecord *record, json_reader *json, em_slice key,
		   bool *labelled)
{
	em_slice *target;
	json_token token = json_next(json);

	if (token == JSON_ERROR)
		return JsonMistake(record, json);
	if (SliceIs(key, request->label_field))
	{
		*labelled = token != JSON_NULL;
		record->label_count = 0;
		return JsonLabels(request, record, json, token);
	}
	if (SliceIs(key, request->text_field))
		target = &record->text;
	else if (SliceIs(key, request->id_field))
		target = &record->id;
	else if (SliceIs(key, request->source_field))
		target = &record->source;
	else if (SliceIs(key, request->split_field))
		target = &record->split;
	else
		return json_skip(json, token) || JsonMistake(record, json);
	if (token == JSON_NULL)
		return true;
	if (token != JSON_STRING && (token != JSON_NUMBER || target == &record->text))
	{
		record->reason = psprintf("%s is not a string", QuotedSlice(key));
		return false;
	}
	if (!JsonString(json, target))
	{
		record->reason = "a character is zero";
		return false;
	}
	return true;
}

bool
ParseJsonRecord(const ImportRequest *request, ImportRecord *record, em_slice line)
{
	json_reader json;
	json_token token;
	bool labelled = false;

	line = JsonBytes(line);
	json_open(&json, line.bytes, line.length);
	token = json_next(&json);
	if (token == JSON_ERROR)
		return JsonMistake(record, &json);
	if (token != JSON_OBJECT_BEGIN)
	{
		record->reason = "not a JSON object";
		return false;
	}
	while ((token = json_next(&json)) != JSON_OBJECT_END)
	{
		em_slice key;

		if (token != JSON_KEY)
			return JsonMistake(record, &json);
		if (!JsonString(&json, &key))
			key = (em_slice){ "", 0 };
		if (!JsonMember(request, record, &json, key, &labelled))
			return false;
	}
	if (json_next(&json) != JSON_END)
		return JsonMistake(record, &json);
	if (record->text.bytes == NULL)
		record->reason = psprintf("no member \"%s\"", request->text_field);
	else if (!labelled && !request->allow_unlabelled)
		record->reason = psprintf("no member \"%s\"", request->label_field);
	return record->reason == NULL;
}

bool
ParseLabelField(const ImportRequest *request, ImportRecord *record, em_slice field)
{
	json_reader json;

	field = TrimSlice(field);
	if (field.length == 0 || field.bytes[0] != '[')
		return SplitRecordLabels(request, record, field, request->label_separator);
	field = JsonBytes(field);
	json_open(&json, field.bytes, field.length);
	if (!JsonLabels(request, record, &json, json_next(&json)))
		return false;
	return json_next(&json) == JSON_END || JsonMistake(record, &json);
}
