/*
 * import_records.c
 *	  Lines -> records of a data set.
 *
 * A record is a line, but for CSV with quoted line ends: there lines are gathered until the
 * quotes close. Quotes that never close must not swallow the rest of a file: after
 * GATHER_LINES the first line is refused alone and reading goes on behind it.
 */
#include "postgres.h"

#include "import_fields.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "../data/delimited.h"
#include "glue.h"

#define MAX_FIELDS 256
#define GATHER_LINES 200
#define GATHER_BYTES (1024 * 1024)

/* A line kept for later: one read ahead in search of a closing quote. */
typedef struct KeptLine
{
	int64 number;
	char *bytes;
	size_t length;
} KeptLine;

struct RecordReader
{
	const ImportRequest *request;
	LineReader *lines;
	MemoryContext context; /* of a record */
	int64 lines_read;
	int64 lines_other;

	/* lines read ahead: kept[kept_next .. kept_count) are still to come */
	MemoryContext ahead;
	KeptLine kept[GATHER_LINES];
	int kept_next;
	int kept_count;
	bool pending; /* a line that may not be gathered waits in `waiting` */
	ImportLine waiting;

	/* CSV: the names of its columns, and which field is what (-1: none) */
	bool header_wanted;
	char **columns;
	int column_count;
	int text_at, label_at, id_at, source_at, split_at;

	em_slice fields[MAX_FIELDS];
	size_t field_count;
	em_slice labels[IMPORT_MAX_LABELS];
};

/* --- delimited text */

static bool
ParsePolarity(ImportRecord *record, em_slice field)
{
	static em_slice names[] = { { "negative", 8 }, { "neutral", 7 }, { "positive", 8 } };

	field = TrimSlice(field);
	if (field.length != 1 || strchr("024", field.bytes[0]) == NULL)
	{
		record->reason = psprintf("polarity %s is not 0, 2 or 4", QuotedSlice(field));
		return false;
	}
	record->polarity = field.bytes[0] - '0';
	record->labels[record->label_count++] = names[record->polarity / 2];
	return true;
}

static em_slice
Field(const RecordReader *reader, int at)
{
	return at >= 0 ? reader->fields[at] : (em_slice){ NULL, 0 };
}

static bool
ParseFields(RecordReader *reader, ImportRecord *record)
{
	const ImportRequest *request = reader->request;
	size_t count = reader->field_count;

	if (request->format == IMPORT_SENTIMENT140)
	{
		if (count != 6 && count != 2)
			record->reason = psprintf("%zu columns, not 6 or 2", count);
		else if (ParsePolarity(record, reader->fields[0]))
		{
			record->text = reader->fields[count - 1];
			if (count == 6)
				record->id = reader->fields[1];
		}
		return record->reason == NULL;
	}
	if (count != (size_t) reader->column_count)
	{
		record->reason = psprintf("%zu columns, not %d", count, reader->column_count);
		return false;
	}
	record->text = Field(reader, reader->text_at);
	record->id = Field(reader, reader->id_at);
	record->source = Field(reader, reader->source_at);
	record->split = Field(reader, reader->split_at);
	return reader->label_at < 0 ||
		   ParseLabelField(reader->request, record, Field(reader, reader->label_at));
}

static int
ColumnAt(const RecordReader *reader, const char *name)
{
	for (int i = 0; i < reader->column_count; i++)
		if (strcmp(reader->columns[i], name) == 0)
			return i;
	return -1;
}

/* Find the fields among the columns; without the columns that matter nothing can be imported. */
static void
FindColumns(RecordReader *reader)
{
	const ImportRequest *request = reader->request;

	reader->text_at = ColumnAt(reader, request->text_field);
	reader->label_at = ColumnAt(reader, request->label_field);
	reader->id_at = ColumnAt(reader, request->id_field);
	reader->source_at = ColumnAt(reader, request->source_field);
	reader->split_at = ColumnAt(reader, request->split_field);
	if (reader->text_at < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("there is no column \"%s\" in what is imported", request->text_field),
				 errhint("Name the column of texts by option \"text_field\".")));
	if (reader->label_at < 0 && !request->allow_unlabelled)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("there is no column \"%s\" in what is imported", request->label_field),
				 errhint("Name the column of labels by option \"label_field\", or set "
						 "\"allow_unlabelled\".")));
}

static void
TakeHeader(RecordReader *reader)
{
	MemoryContext caller = MemoryContextSwitchTo(GetMemoryChunkContext(reader));

	reader->header_wanted = false;
	reader->column_count = (int) Min(reader->field_count, MAX_FIELDS);
	reader->columns = palloc(sizeof(char *) * (Size) reader->column_count);
	for (int i = 0; i < reader->column_count; i++)
	{
		em_slice name = TrimSlice(reader->fields[i]);

		reader->columns[i] = pnstrdup(name.bytes, name.length);
	}
	MemoryContextSwitchTo(caller);
	FindColumns(reader);
}

/* --- records */

RecordReader *
OpenRecords(const char *source, const ImportRequest *request)
{
	RecordReader *reader = palloc0(sizeof(RecordReader));

	reader->request = request;
	reader->context = AllocSetContextCreate(CurrentMemoryContext, "emotion import record",
											ALLOCSET_DEFAULT_SIZES);
	reader->ahead =
		AllocSetContextCreate(CurrentMemoryContext, "emotion import ahead", ALLOCSET_DEFAULT_SIZES);
	reader->text_at = reader->label_at = reader->id_at = reader->source_at = reader->split_at = -1;
	if (request->format == IMPORT_GOEMOTIONS)
	{
		reader->column_count = 3;
		reader->text_at = 0;
		reader->label_at = 1;
		reader->id_at = 2;
	}
	else if (request->format == IMPORT_CSV)
	{
		reader->header_wanted = request->header;
		if (!request->header)
		{
			reader->columns = request->columns;
			reader->column_count = request->column_count;
			FindColumns(reader);
		}
	}
	reader->lines = OpenLines(source, &request->lines);
	return reader;
}

/* The next line: of those read ahead, then of the source. */
static bool
TakeLine(RecordReader *reader, ImportLine *line)
{
	if (reader->kept_next < reader->kept_count)
	{
		KeptLine *kept = &reader->kept[reader->kept_next++];

		line->number = kept->number;
		line->raw = line->text = (em_slice){ kept->bytes, kept->length };
		line->reason = NULL;
		return true;
	}
	if (reader->pending)
	{
		*line = reader->waiting;
		reader->pending = false;
		return true;
	}
	if (!NextLine(reader->lines, line))
		return false;
	reader->lines_read++;
	return true;
}

static void
KeepLine(RecordReader *reader, const ImportLine *line)
{
	KeptLine *kept = &reader->kept[reader->kept_count++];

	kept->number = line->number;
	kept->length = line->text.length;
	kept->bytes = MemoryContextAllocExtended(reader->ahead, line->text.length + 1, MCXT_ALLOC_HUGE);
	memcpy(kept->bytes, line->text.bytes, line->text.length);
}

/*
 * Begin to gather at this line: it becomes the last of those that were read ahead and
 * taken, and those still to come follow it.
 */
static int
BeginGathering(RecordReader *reader, const ImportLine *line)
{
	if (reader->kept_next > 0)
		return reader->kept_next - 1; /* it is among them already */
	MemoryContextReset(reader->ahead);
	reader->kept_count = 0;
	KeepLine(reader, line);
	reader->kept_next = 1;
	return 0;
}

/* Room for one line more behind those kept: lines already taken make way. */
static bool
MakeRoom(RecordReader *reader, int *first)
{
	if (reader->kept_count < GATHER_LINES)
		return true;
	if (*first == 0)
		return false;
	for (int i = 0; i < *first; i++)
		pfree(reader->kept[i].bytes);
	memmove(reader->kept, reader->kept + *first,
			sizeof(KeptLine) * (size_t) (reader->kept_count - *first));
	reader->kept_count -= *first;
	reader->kept_next -= *first;
	*first = 0;
	return true;
}

/* Whether the fields are as many as a record has; before the header nobody knows. */
static bool
HasItsColumns(const RecordReader *reader)
{
	if (reader->request->format == IMPORT_SENTIMENT140)
		return reader->field_count == 6 || reader->field_count == 2;
	return reader->column_count == 0 || reader->field_count == (size_t) reader->column_count;
}

/*
 * The record that begins with `line` is open at its end: put lines to it until it closes. False,
 * with nothing but that line taken, when it does not.
 */
static bool
GatherLines(RecordReader *reader, ImportRecord *record, const ImportLine *line,
			data_dialect dialect, data_record_state *state)
{
	int first = BeginGathering(reader, line);
	int next = first + 1;
	StringInfoData joined;

	/* reading on overwrites the line itself */
	record->raw = (em_slice){ reader->kept[first].bytes, reader->kept[first].length };
	initStringInfo(&joined);
	appendBinaryStringInfo(&joined, reader->kept[first].bytes, (int) reader->kept[first].length);
	while (joined.len < GATHER_BYTES && next - first < GATHER_LINES)
	{
		KeptLine *kept;

		if (next == reader->kept_count)
		{
			ImportLine more;
			int before = first;

			if (reader->pending || !MakeRoom(reader, &first) || !NextLine(reader->lines, &more))
				break;
			next -= before - first;
			reader->lines_read++;
			if (more.reason != NULL)
			{
				/* it is refused in its turn, and closes no record */
				reader->pending = true;
				reader->waiting = more;
				break;
			}
			KeepLine(reader, &more);
		}
		kept = &reader->kept[next++];
		appendStringInfoChar(&joined, '\n');
		appendBinaryStringInfo(&joined, kept->bytes, (int) kept->length);
		if (memchr(kept->bytes, dialect.quote, kept->length) == NULL)
			continue;
		*state = data_split_record((em_slice){ joined.data, (size_t) joined.len }, dialect,
								   palloc((Size) joined.len + 1), reader->fields, MAX_FIELDS,
								   &reader->field_count);
		if (*state == DATA_RECORD_OPEN_QUOTE)
			continue;
		if (*state == DATA_RECORD_WHOLE && HasItsColumns(reader))
		{
			reader->lines_other += next - first - 1;
			reader->kept_next = next;
			record->raw = (em_slice){ joined.data, (size_t) joined.len };
			return true;
		}
		break; /* not the quote that was missing: the lines are records of their own */
	}
	*state = DATA_RECORD_OPEN_QUOTE;
	return false;
}

/* Split a line, or the lines that it begins, into fields. */
static bool
SplitFields(RecordReader *reader, ImportRecord *record, const ImportLine *line)
{
	const ImportRequest *request = reader->request;
	data_dialect dialect = { request->delimiter, request->quote };
	data_record_state state = data_split_record(line->text, dialect, palloc(line->text.length + 1),
												reader->fields, MAX_FIELDS, &reader->field_count);

	if (state == DATA_RECORD_OPEN_QUOTE &&
		(!request->multiline || !GatherLines(reader, record, line, dialect, &state)))
		record->reason = "a quoted field is not closed";
	if (state == DATA_RECORD_BAD_QUOTE)
		record->reason = "something follows a closing quote";
	else if (record->reason == NULL && reader->field_count > MAX_FIELDS)
		record->reason = psprintf("more than %d columns", MAX_FIELDS);
	return record->reason == NULL;
}

static void
ParseLine(RecordReader *reader, ImportRecord *record, const ImportLine *line)
{
	if (line->text.length == 0)
	{
		record->reason = "empty line";
		return;
	}
	if (reader->request->format == IMPORT_JSONL)
	{
		if (!ParseJsonRecord(reader->request, record, line->text))
			return;
	}
	else if (!SplitFields(reader, record, line) || reader->header_wanted ||
			 !ParseFields(reader, record))
		return;
	if (TrimSlice(record->text).length == 0)
		record->reason = "empty text";
	else if (record->label_count == 0 && !reader->request->allow_unlabelled)
		record->reason = "no label";
}

/* Whether the first line of a two-column Sentiment140 file is a header. */
static bool
IsPolarityHeader(const RecordReader *reader, const ImportRecord *record)
{
	return reader->request->format == IMPORT_SENTIMENT140 && reader->lines_read == 1 &&
		   record->reason != NULL && reader->field_count > 0 &&
		   SliceIs(reader->fields[0], "target");
}

bool
NextRecord(RecordReader *reader, ImportRecord *record)
{
	MemoryContext caller;
	ImportLine line;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (reader->kept_next == reader->kept_count)
			reader->kept_next = reader->kept_count = 0;
		if (!TakeLine(reader, &line))
			return false;
		MemoryContextReset(reader->context);
		memset(record, 0, sizeof(*record));
		record->number = line.number;
		record->raw = line.raw;
		record->reason = line.reason;
		record->labels = reader->labels;
		record->polarity = -1;
		if (line.reason != NULL)
			return true;
		caller = MemoryContextSwitchTo(reader->context);
		reader->field_count = 0;
		ParseLine(reader, record, &line);
		MemoryContextSwitchTo(caller);
		if (reader->header_wanted && record->reason == NULL)
			TakeHeader(reader);
		else if (reader->header_wanted)
			ereport(ERROR, (errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
							errmsg("the header cannot be read: %s", record->reason)));
		else if (!IsPolarityHeader(reader, record))
			return true;
		reader->lines_other++;
	}
}

int64
LinesRead(const RecordReader *reader)
{
	return reader->lines_read;
}

int64
LinesOther(const RecordReader *reader)
{
	return reader->lines_other;
}

void
CloseRecords(RecordReader *reader)
{
	CloseLines(reader->lines);
}
