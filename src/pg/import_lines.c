/*
 * import_lines.c
 *	  The lines of what is imported.
 */
#include "postgres.h"

#include "import_lines.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "glue.h"
#include "source.h"

#if PG_VERSION_NUM < 140000
#define ROLE_PG_READ_SERVER_FILES DEFAULT_ROLE_READ_SERVER_FILES
#endif

#define FETCH_ROWS 1000
#define FILE_BUFFER ((size_t) 64 * 1024)
/* What is kept of a line that is too long. */
#define KEPT_OF_LONG 1024

struct LineReader
{
	MemoryContext context; /* what lasts as long as the reader */
	MemoryContext scratch; /* what lasts as long as a line */
	int encoding;          /* of the bytes; -1: they are the database's, checked */
	int64 number;          /* of the last line */
	bool first;            /* no line was read yet */

	/* a column of rows */
	Portal portal;
	bool numbered;
	MemoryContext batch; /* the value that lines are taken from */
	SPITupleTable *rows;
	uint64 row;
	uint64 row_count;
	const char *value; /* what is left of the row's value, or NULL */
	size_t value_left;

	/* a file */
	FILE *file;
	char *path;
	char *buffer;
	size_t buffered;
	size_t position;
	StringInfoData joined; /* a line that the buffer's end cut */
};

static void
OpenFile(LineReader *reader, const char *path)
{
	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to read file \"%s\" of the server", path),
				 errhint("Only members of pg_read_server_files may; anyone may \\copy a file into "
						 "a table of their own and import that.")));
	if (!is_absolute_path(path))
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME),
						errmsg("path \"%s\" of a file of the server is not absolute", path)));
	reader->path = pstrdup(path);
	reader->file = AllocateFile(path, PG_BINARY_R);
	if (reader->file == NULL)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not open file \"%s\" for reading: %m", path)));
	reader->buffer = palloc(FILE_BUFFER);
	initStringInfo(&reader->joined);
}

/* Whether "schema.table AS source" is a plain table: one whose rows have an order, by place. */
static bool
IsPlainTable(const char *from)
{
	const char *as = strstr(from, " AS source");
	char *name = pnstrdup(from, (Size) (as - from));
	Datum relation = DirectFunctionCall1(to_regclass, CStringGetTextDatum(name));

	return get_rel_relkind(DatumGetObjectId(relation)) == RELKIND_RELATION;
}

/* The column of the lines, and its type. */
static const char *
LineColumn(const char *source, const char *wanted, TupleDesc columns, Oid *type)
{
	const char *column = wanted != NULL ? wanted : "line";
	int found = -1;

	for (int i = 0; i < columns->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(columns, i)->attname), column) == 0)
			found = i;
	if (found < 0 && wanted == NULL && columns->natts == 1)
		found = 0;
	if (found < 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("column \"%s\" does not exist in source \"%s\"", column, source),
						errhint("Name the column of lines by option \"line_column\".")));
	*type = getBaseType(TupleDescAttr(columns, found)->atttypid);
	if (*type != BYTEAOID && *type != TEXTOID && *type != VARCHAROID && *type != BPCHAROID &&
		*type != UNKNOWNOID)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("column \"%s\" of source \"%s\" is of type %s, not text or bytea",
							   NameStr(TupleDescAttr(columns, found)->attname), source,
							   format_type_be(TupleDescAttr(columns, found)->atttypid)),
						errhint("Name the column of lines by option \"line_column\".")));
	return pstrdup(NameStr(TupleDescAttr(columns, found)->attname));
}

static bool
HasColumn(TupleDesc columns, const char *name)
{
	for (int i = 0; i < columns->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(columns, i)->attname), name) == 0)
			return true;
	return false;
}

static void
OpenRows(LineReader *reader, const char *name, const LineOptions *options)
{
	MemoryContext caller = CurrentMemoryContext;
	Source source = { .source = name };
	StringInfoData query;
	const char *column;
	const char *number = options->number_column != NULL ? options->number_column : "number";
	Oid type;

	OpenSource(&source);
	initStringInfo(&query);
	appendStringInfo(&query, "SELECT * FROM %s LIMIT 0", source.from);
	if (SPI_execute(query.data, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read source \"%s\"", name);
	MemoryContextSwitchTo(caller);
	column = LineColumn(name, options->line_column, SPI_tuptable->tupdesc, &type);
	reader->numbered = HasColumn(SPI_tuptable->tupdesc, number);
	if (!reader->numbered && options->number_column != NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("column \"%s\" does not exist in source \"%s\"", number, name),
						errhint("Name the column of numbers by option \"number_column\".")));
	SPI_freetuptable(SPI_tuptable);
	if (type != BYTEAOID)
		reader->encoding = -1;

	resetStringInfo(&query);
	appendStringInfo(&query, "SELECT source.%s::%s", quote_identifier(column),
					 type == BYTEAOID ? "pg_catalog.bytea" : "pg_catalog.text");
	if (reader->numbered)
		appendStringInfo(&query, ", source.%s::pg_catalog.int8", quote_identifier(number));
	appendStringInfo(&query, " FROM %s", source.from);
	if (reader->numbered)
		appendStringInfo(&query, " ORDER BY source.%s", quote_identifier(number));
	else if (source.from[0] != '(' && IsPlainTable(source.from))
		appendStringInfoString(&query, " ORDER BY source.ctid");

	reader->portal = SPI_cursor_open_with_args(NULL, query.data, 0, NULL, NULL, NULL, true,
											   CURSOR_OPT_NO_SCROLL);
	MemoryContextSwitchTo(caller);
	reader->batch = AllocSetContextCreate(caller, "emotion import rows", ALLOCSET_DEFAULT_SIZES);
}

LineReader *
OpenLines(const char *source, const LineOptions *options)
{
	LineReader *reader = palloc0(sizeof(LineReader));

	reader->context = CurrentMemoryContext;
	reader->scratch =
		AllocSetContextCreate(CurrentMemoryContext, "emotion import line", ALLOCSET_DEFAULT_SIZES);
	reader->encoding = options->encoding;
	reader->first = true;
	if (strncmp(source, "file:", 5) == 0)
		OpenFile(reader, source + 5);
	else
		OpenRows(reader, source, options);
	return reader;
}

/* The next row's value, to take lines from; false behind the last row. */
static bool
NextValue(LineReader *reader)
{
	for (;;)
	{
		bool null;
		Datum value;

		if (reader->row >= reader->row_count)
		{
			MemoryContext caller = CurrentMemoryContext;

			if (reader->rows != NULL)
				SPI_freetuptable(reader->rows);
			SPI_cursor_fetch(reader->portal, true, FETCH_ROWS);
			MemoryContextSwitchTo(caller);
			reader->rows = SPI_tuptable;
			reader->row_count = SPI_processed;
			reader->row = 0;
			if (reader->row_count == 0)
				return false;
		}
		MemoryContextReset(reader->batch);
		value = SPI_getbinval(reader->rows->vals[reader->row], reader->rows->tupdesc, 1, &null);
		if (null)
			reader->value_left = 0; /* a row without a line is an empty line */
		else
		{
			MemoryContext before = MemoryContextSwitchTo(reader->batch);
			struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);

			MemoryContextSwitchTo(before);
			reader->value = VARDATA_ANY(bytes);
			reader->value_left = VARSIZE_ANY_EXHDR(bytes);
		}
		if (null || reader->value_left == 0)
			reader->value = "";
		if (reader->numbered)
		{
			value = SPI_getbinval(reader->rows->vals[reader->row], reader->rows->tupdesc, 2, &null);
			if (null)
				ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
								errmsg("a line of the source has no number")));
			reader->number = DatumGetInt64(value) - 1;
		}
		reader->row++;
		return true;
	}
}

static bool
LineOfRows(LineReader *reader, em_slice *line, bool *too_long)
{
	const char *end;

	if (reader->value == NULL && !NextValue(reader))
		return false;
	line->bytes = reader->value;
	end = reader->value_left > 0 ? memchr(reader->value, '\n', reader->value_left) : NULL;
	line->length = end != NULL ? (size_t) (end - reader->value) : reader->value_left;
	reader->value_left -= end != NULL ? line->length + 1 : line->length;
	reader->value = reader->value_left > 0 ? end + 1 : NULL;
	*too_long = line->length > IMPORT_LINE_MAX;
	return true;
}

static bool
FillBuffer(LineReader *reader)
{
	CHECK_FOR_INTERRUPTS();
	reader->position = 0;
	reader->buffered = fread(reader->buffer, 1, FILE_BUFFER, reader->file);
	if (reader->buffered == 0 && ferror(reader->file))
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not read file \"%s\": %m", reader->path)));
	return reader->buffered > 0;
}

static bool
LineOfFile(LineReader *reader, em_slice *line, bool *too_long)
{
	bool any = false;

	resetStringInfo(&reader->joined);
	*too_long = false;
	while (reader->position < reader->buffered || FillBuffer(reader))
	{
		const char *begin = reader->buffer + reader->position;
		size_t left = reader->buffered - reader->position;
		const char *end = memchr(begin, '\n', left);
		size_t length = end != NULL ? (size_t) (end - begin) : left;

		any = true;
		reader->position += end != NULL ? length + 1 : length;
		if (end != NULL && reader->joined.len == 0)
		{
			*line = (em_slice){ begin, length };
			return true;
		}
		if ((size_t) reader->joined.len + length > IMPORT_LINE_MAX)
			*too_long = true;
		else if (!*too_long)
			appendBinaryStringInfo(&reader->joined, begin, (int) length);
		if (end != NULL)
			break;
	}
	*line = (em_slice){ reader->joined.data, (size_t) reader->joined.len };
	return any;
}

/* Check the bytes and make them the database's. */
static void
Decode(LineReader *reader, ImportLine *line)
{
	int database = GetDatabaseEncoding();
	int length = (int) line->raw.length;

	line->text = line->raw;
	if (line->raw.length == 0)
		return;
	if (memchr(line->raw.bytes, 0, line->raw.length) != NULL)
	{
		line->reason = "a byte is zero";
		return;
	}
	if (reader->encoding < 0)
		return;
	if (!pg_verify_mbstr(reader->encoding, line->raw.bytes, length, true))
	{
		line->reason = psprintf("not valid %s", pg_encoding_to_char(reader->encoding));
		return;
	}
	if (reader->encoding != database && database != PG_SQL_ASCII &&
		reader->encoding != PG_SQL_ASCII)
	{
		/* what has no place in the database's encoding ends the import with the server's error */
		char *converted = (char *) pg_do_encoding_conversion(
			(unsigned char *) unconstify(char *, line->raw.bytes), length, reader->encoding,
			database);

		line->text = (em_slice){ converted, strlen(converted) };
	}
	else if (reader->encoding != database && reader->encoding == PG_SQL_ASCII &&
			 !pg_verify_mbstr(database, line->raw.bytes, length, true))
		line->reason = psprintf("not valid %s", pg_encoding_to_char(database));
}

bool
NextLine(LineReader *reader, ImportLine *line)
{
	MemoryContext caller;
	bool too_long;
	bool any = reader->file != NULL ? LineOfFile(reader, &line->raw, &too_long)
									: LineOfRows(reader, &line->raw, &too_long);

	if (!any)
		return false;
	line->number = ++reader->number;
	line->reason = NULL;
	if (line->raw.length > 0 && line->raw.bytes[line->raw.length - 1] == '\r')
		line->raw.length--;
	/* a byte order mark, as some programs of Windows begin a file */
	if (reader->first && line->raw.length >= 3 && memcmp(line->raw.bytes, "\xEF\xBB\xBF", 3) == 0)
	{
		line->raw.bytes += 3;
		line->raw.length -= 3;
	}
	reader->first = false;

	if (too_long)
	{
		line->raw.length = Min(line->raw.length, KEPT_OF_LONG);
		line->text = line->raw;
		line->reason = "longer than 16 MB";
		return true;
	}
	MemoryContextReset(reader->scratch);
	caller = MemoryContextSwitchTo(reader->scratch);
	Decode(reader, line);
	MemoryContextSwitchTo(caller);
	return true;
}

void
CloseLines(LineReader *reader)
{
	if (reader->rows != NULL)
		SPI_freetuptable(reader->rows);
	if (reader->portal != NULL)
		SPI_cursor_close(reader->portal);
	if (reader->file != NULL)
		FreeFile(reader->file);
}
