/*
 * aggregate_state.c
 *	  What the aggregates share: their memory, states as bytes, arrays read in place.
 */
#include "postgres.h"

#include "aggregate_state.h"

#include <math.h>
#include <string.h>

#include "access/tupmacs.h"
#include "catalog/pg_type.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"

#include "glue.h"

#define STATE_VERSION 1

MemoryContext
AggregateContext(FunctionCallInfo fcinfo, const char *function)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("%s() was called outside of an aggregate", function)));
	return context;
}

void
CheckCode(em_code code, const em_status *status)
{
	if (code != EM_OK)
		ReportStatus(status);
}

/* ---- states as bytes ----------------------------------------------------------------------- */

void
RefuseState(const char *whose, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED), errmsg("invalid state of %s: %s", whose, why)));
}

void
BeginState(StringInfo bytes, const char *magic)
{
	initStringInfo(bytes);
	enlargeStringInfo(bytes, VARHDRSZ);
	bytes->len = VARHDRSZ;
	appendBinaryStringInfo(bytes, magic, 4);
	pq_sendbyte(bytes, STATE_VERSION);
}

StateReader
OpenState(const bytea *state, const char *magic, const char *whose)
{
	StateReader reader = { VARDATA_ANY(state), VARSIZE_ANY_EXHDR(state), whose };

	if (reader.left < 5 || memcmp(reader.bytes, magic, 4) != 0)
		RefuseState(whose, "it does not begin as such a state does");
	if (reader.bytes[4] != STATE_VERSION)
		RefuseState(whose, "it is of another version");
	reader.bytes += 5;
	reader.left -= 5;
	return reader;
}

const char *
ReadStateBytes(StateReader *reader, size_t length)
{
	const char *bytes = reader->bytes;

	if (length > reader->left)
		RefuseState(reader->whose, "it ends early");
	reader->bytes += length;
	reader->left -= length;
	return bytes;
}

uint32
ReadStateUint32(StateReader *reader)
{
	uint32 value;

	memcpy(&value, ReadStateBytes(reader, sizeof(value)), sizeof(value));
	return pg_ntoh32(value);
}

uint64
ReadStateUint64(StateReader *reader)
{
	uint64 value;

	memcpy(&value, ReadStateBytes(reader, sizeof(value)), sizeof(value));
	return pg_ntoh64(value);
}

uint32
ReadStateCount(StateReader *reader, size_t least)
{
	uint32 count = ReadStateUint32(reader);

	if (count > reader->left / least)
		RefuseState(reader->whose, "it ends early");
	return count;
}

em_slice
ReadStateText(StateReader *reader)
{
	em_slice text;

	text.length = ReadStateCount(reader, 1);
	text.bytes = ReadStateBytes(reader, text.length);
	if (!pg_verify_mbstr(GetDatabaseEncoding(), text.bytes, (int) text.length, true))
		RefuseState(reader->whose, "a label is not in the database's encoding");
	return text;
}

void
AppendStateText(StringInfo bytes, em_slice text)
{
	pq_sendint32(bytes, (uint32) text.length);
	appendBinaryStringInfo(bytes, text.bytes, (int) text.length);
}

void
CloseState(const StateReader *reader)
{
	if (reader->left != 0)
		RefuseState(reader->whose, "it goes on after its end");
}

/* ---- arrays ---------------------------------------------------------------------------------- */

TextArrayWalk
WalkTextArray(ArrayType *array)
{
	TextArrayWalk walk = { ARR_DATA_PTR(array), ARR_NULLBITMAP(array), 0,
						   ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) };

	if (ARR_ELEMTYPE(array) != TEXTOID)
		elog(ERROR, "not an array of text");
	return walk;
}

bool
NextText(TextArrayWalk *walk, em_slice *text, const char *of_what)
{
	while (walk->position < walk->count && walk->present &&
		   att_isnull(walk->position, walk->present))
	{
		if (of_what)
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("a label is null in %s", of_what),
							errhint("array_remove(..., NULL) removes such labels.")));
		walk->position++;
	}
	if (walk->position == walk->count)
		return false;
	text->bytes = VARDATA_ANY(walk->next);
	text->length = VARSIZE_ANY_EXHDR(walk->next);
	walk->next += VARSIZE_ANY(walk->next);
	walk->next = (const char *) att_align_nominal(walk->next, TYPALIGN_INT);
	walk->position++;
	return true;
}

ArrayType *
Float8Array(const double *values, int count)
{
	Datum *datums = palloc(sizeof(Datum) * (Size) Max(count, 1));
	bool *nulls = palloc(sizeof(bool) * (Size) Max(count, 1));
	int lower = 1;

	if (count == 0)
		return construct_empty_array(FLOAT8OID);
	for (int i = 0; i < count; i++)
	{
		datums[i] = Float8GetDatum(values[i]);
		nulls[i] = isnan(values[i]);
	}
	return construct_md_array(datums, nulls, 1, &count, &lower, FLOAT8OID, sizeof(float8),
							  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

ArrayType *
Int8Array(const uint64 *values, int count)
{
	Datum *datums = palloc(sizeof(Datum) * (Size) Max(count, 1));

	for (int i = 0; i < count; i++)
		datums[i] = Int64GetDatum((int64) values[i]);
	return construct_array(datums, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

ArrayType *
TextArray(const em_slice *values, int count)
{
	Datum *datums = palloc(sizeof(Datum) * (Size) Max(count, 1));

	for (int i = 0; i < count; i++)
		datums[i] =
			PointerGetDatum(cstring_to_text_with_len(values[i].bytes, (int) values[i].length));
	return construct_array(datums, count, TEXTOID, -1, false, TYPALIGN_INT);
}

int
CompareBytes(em_slice a, em_slice b)
{
	int order = memcmp(a.bytes, b.bytes, Min(a.length, b.length));

	return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}
