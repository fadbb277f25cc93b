/*
 * import_labels.c
 *	  The labels of a record: by name or by id, one by one or in a list.
 */
#include "postgres.h"

#include "import_fields.h"

#include "mb/pg_wchar.h"

em_slice
TrimSlice(em_slice slice)
{
	while (slice.length > 0 && strchr(" \t\r\n", slice.bytes[0]) != NULL)
		slice.bytes++, slice.length--;
	while (slice.length > 0 && strchr(" \t\r\n", slice.bytes[slice.length - 1]) != NULL)
		slice.length--;
	return slice;
}

bool
SliceIs(em_slice slice, const char *string)
{
	return slice.length == strlen(string) && memcmp(slice.bytes, string, slice.length) == 0;
}

char *
QuotedSlice(em_slice slice)
{
	int length = pg_mbcliplen(slice.bytes, (int) Min(slice.length, 200), 60);

	return psprintf("\"%.*s%s\"", length, slice.bytes, (size_t) length < slice.length ? "..." : "");
}

bool
AddRecordLabel(const ImportRequest *request, ImportRecord *record, em_slice label)
{
	label = TrimSlice(label);
	if (label.length == 0)
	{
		record->reason = "a label is empty";
		return false;
	}
	if (request->label_count > 0)
	{
		bool digits = true;
		int found = -1;

		for (int i = 0; i < request->label_count && found < 0; i++)
			if (SliceIs(label, request->labels[i]))
				found = i;
		for (size_t i = 0; i < label.length; i++)
			digits = digits && label.bytes[i] >= '0' && label.bytes[i] <= '9';
		if (found < 0 && digits)
		{
			int64 id = 0;

			for (size_t i = 0; i < label.length && id <= request->label_count; i++)
				id = id * 10 + (label.bytes[i] - '0');
			if (id >= request->label_count)
			{
				record->reason = psprintf("label id %s is not in 0 to %d", QuotedSlice(label),
										  request->label_count - 1);
				return false;
			}
			found = (int) id;
		}
		if (found < 0)
		{
			record->reason = psprintf("unknown label %s", QuotedSlice(label));
			return false;
		}
		label = (em_slice){ request->labels[found], strlen(request->labels[found]) };
	}
	for (int i = 0; i < record->label_count; i++)
		if (record->labels[i].length == label.length &&
			memcmp(record->labels[i].bytes, label.bytes, label.length) == 0)
			return true;
	if (record->label_count == IMPORT_MAX_LABELS)
	{
		record->reason = psprintf("more than %d labels", IMPORT_MAX_LABELS);
		return false;
	}
	record->labels[record->label_count++] = label;
	return true;
}

bool
SplitRecordLabels(const ImportRequest *request, ImportRecord *record, em_slice list, char separator)
{
	list = TrimSlice(list);
	while (list.length > 0)
	{
		const char *end = memchr(list.bytes, separator, list.length);
		size_t length = end != NULL ? (size_t) (end - list.bytes) : list.length;

		if (!AddRecordLabel(request, record, (em_slice){ list.bytes, length }))
			return false;
		if (end == NULL)
			break;
		list.bytes += length + 1;
		list.length -= length + 1;
		if (list.length == 0)
		{
			record->reason = "a label is empty";
			return false;
		}
	}
	return true;
}
