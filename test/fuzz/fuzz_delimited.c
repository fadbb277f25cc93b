/*
 * fuzz_delimited.c
 *	  Any bytes as a record of delimited text: fields lie in the record or in the scratch, and
 *	  written as RFC 4180 says they are split into the same.
 *
 * Input: delimiter, quote (0: none), then the record.
 */
#include "fuzz.h"

#include "../../src/data/delimited.h"

#define MOST 40

/* All fields quoted, their quotes doubled; returns bytes written. */
static size_t
write_record(const em_slice *fields, size_t count, data_dialect dialect, char *out)
{
	size_t length = 0;

	for (size_t i = 0; i < count; i++)
	{
		if (i > 0)
			out[length++] = dialect.delimiter;
		out[length++] = dialect.quote;
		for (size_t j = 0; j < fields[i].length; j++)
		{
			if (fields[i].bytes[j] == dialect.quote)
				out[length++] = dialect.quote;
			out[length++] = fields[i].bytes[j];
		}
		out[length++] = dialect.quote;
	}
	return length;
}

static bool
lies_in(em_slice field, const char *bytes, size_t length)
{
	return field.length == 0 ||
		   (field.bytes >= bytes && field.bytes + field.length <= bytes + length);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	em_slice fields[MOST], again[MOST];
	data_dialect dialect;
	em_slice record;
	size_t count, count_again, kept;
	char *scratch;

	if (size < 2)
		return 0;
	dialect = (data_dialect){ (char) data[0], (char) data[1] };
	record = (em_slice){ (const char *) exact_copy(data + 2, size - 2), size - 2 };
	scratch = malloc(record.length > 0 ? record.length : 1);
	if (data_split_record(record, dialect, scratch, fields, MOST, &count) == DATA_RECORD_WHOLE)
	{
		require(count >= 1);
		kept = count < MOST ? count : MOST;
		for (size_t i = 0; i < kept; i++)
			require(lies_in(fields[i], record.bytes, record.length) ||
					lies_in(fields[i], scratch, record.length));
		if (dialect.quote != 0 && dialect.quote != dialect.delimiter)
		{
			char *written = malloc(2 * record.length + 3 * kept);
			size_t length = write_record(fields, kept, dialect, written);
			char *scratch_again = malloc(length);

			require(data_split_record((em_slice){ written, length }, dialect, scratch_again, again,
									  MOST, &count_again) == DATA_RECORD_WHOLE);
			require(count_again == kept);
			for (size_t i = 0; i < kept; i++)
				require(again[i].length == fields[i].length &&
						(again[i].length == 0 ||
						 memcmp(again[i].bytes, fields[i].bytes, again[i].length) == 0));
			free(scratch_again);
			free(written);
		}
	}
	free(scratch);
	free((void *) (uintptr_t) record.bytes);
	return 0;
}
