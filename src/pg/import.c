/*
 * import.c
 *	  emotion_import_goemotions(), emotion_import_sentiment140(), emotion_import_csv(),
 *	  emotion_import_jsonl(): labelled texts from files as they are published.
 *
 * Every line ends in the target or, with a reason, in emotion.import_error. All in one
 * transaction and as a stream: neither the lines nor the rows are held in memory.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "glue.h"
#include "import_records.h"
#include "import_request.h"
#include "import_target.h"

#define SUMMARY_COLUMNS 5

typedef struct ImportSummary
{
	int64 import;
	int64 lines;
	int64 imported;
	int64 refused;
	int64 other;
} ImportSummary;

static const char *const format_names[] = {
	[IMPORT_GOEMOTIONS] = "goemotions",
	[IMPORT_SENTIMENT140] = "sentiment140",
	[IMPORT_CSV] = "csv",
	[IMPORT_JSONL] = "jsonl",
};

/* Without its project a text has no place: say so before reading anything. */
static void
CheckProject(const char *project)
{
	Oid types[] = { TEXTOID };
	Datum values[] = { CStringGetTextDatum(project) };

	if (SPI_execute_with_args("SELECT emotion.annotation_project_row($1)", 1, types, values, NULL,
							  true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look up project \"%s\"", project);
}

static int64
NextImport(void)
{
	bool null;

	if (SPI_execute("SELECT pg_catalog.nextval('emotion.import_log_import_seq')", false, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "could not number the import");
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
}

static void
LogImport(const ImportSummary *summary, const char *target, const char *source, ImportFormat format)
{
	static const char *const query =
		"INSERT INTO emotion.import_log (import, format, target, source, lines, imported, refused, "
		"other) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
	Oid types[] = { INT8OID, TEXTOID, TEXTOID, TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID };
	Datum values[] = { Int64GetDatum(summary->import),  CStringGetTextDatum(format_names[format]),
					   CStringGetTextDatum(target),     CStringGetTextDatum(source),
					   Int64GetDatum(summary->lines),   Int64GetDatum(summary->imported),
					   Int64GetDatum(summary->refused), Int64GetDatum(summary->other) };

	if (SPI_execute_with_args(query, lengthof(types), types, values, NULL, false, 0) !=
		SPI_OK_INSERT)
		elog(ERROR, "could not log the import");
}

static Datum
Summary(FunctionCallInfo fcinfo, const ImportSummary *summary)
{
	TupleDesc descriptor;
	Datum values[SUMMARY_COLUMNS] = { Int64GetDatum(summary->import), Int64GetDatum(summary->lines),
									  Int64GetDatum(summary->imported),
									  Int64GetDatum(summary->refused),
									  Int64GetDatum(summary->other) };
	bool nulls[SUMMARY_COLUMNS] = { false };

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

static void
RunImport(const char *name, const char *project, const char *source, const ImportRequest *request,
		  ImportSummary *summary)
{
	ImportTarget *target;
	RecordReader *records;
	ImportRecord record;
	MemoryContext caller = CurrentMemoryContext;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (project != NULL)
		CheckProject(project);
	summary->import = NextImport();
	MemoryContextSwitchTo(caller);
	records = OpenRecords(source, request);
	target = OpenTarget(name, request, project, summary->import);
	while (NextRecord(records, &record))
	{
		if (record.reason != NULL)
			PutRefused(target, &record, record.reason);
		else if (PutRecord(target, &record))
		{
			summary->imported++;
			continue;
		}
		else
			PutRefused(target, &record,
					   "the target took no row: a unique key or a trigger refuses it");
		summary->refused++;
	}
	summary->lines = LinesRead(records);
	summary->other = LinesOther(records);
	CloseRecords(records);
	LogImport(summary, TargetName(target), source, request->format);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	MemoryContextSwitchTo(caller);
}

/* (target text, source text, options jsonb) */
static Datum
Import(FunctionCallInfo fcinfo, ImportFormat format)
{
	ImportSummary summary = { 0 };
	ImportRequest request;

	ParseImportOptions(format, PG_GETARG_JSONB_P(2), &request);
	RunImport(text_to_cstring(PG_GETARG_TEXT_PP(0)), NULL, text_to_cstring(PG_GETARG_TEXT_PP(1)),
			  &request, &summary);
	return Summary(fcinfo, &summary);
}

PG_FUNCTION_INFO_V1(emotion_import_goemotions);

Datum
emotion_import_goemotions(PG_FUNCTION_ARGS)
{
	return Import(fcinfo, IMPORT_GOEMOTIONS);
}

PG_FUNCTION_INFO_V1(emotion_import_sentiment140);

Datum
emotion_import_sentiment140(PG_FUNCTION_ARGS)
{
	return Import(fcinfo, IMPORT_SENTIMENT140);
}

PG_FUNCTION_INFO_V1(emotion_import_csv);

Datum
emotion_import_csv(PG_FUNCTION_ARGS)
{
	return Import(fcinfo, IMPORT_CSV);
}

PG_FUNCTION_INFO_V1(emotion_import_jsonl);

Datum
emotion_import_jsonl(PG_FUNCTION_ARGS)
{
	return Import(fcinfo, IMPORT_JSONL);
}

PG_FUNCTION_INFO_V1(emotion_import_generated);

/* (project text, source text, options jsonb): JSON Lines into the texts of an annotation project */
Datum
emotion_import_generated(PG_FUNCTION_ARGS)
{
	ImportSummary summary = { 0 };
	ImportRequest request;

	ParseImportOptions(IMPORT_JSONL, PG_GETARG_JSONB_P(2), &request);
	request.text_column = "text";
	request.label_column = "intended";
	if (request.source == NULL)
		request.source = "generated";
	RunImport("emotion.annotation_text", text_to_cstring(PG_GETARG_TEXT_PP(0)),
			  text_to_cstring(PG_GETARG_TEXT_PP(1)), &request, &summary);
	return Summary(fcinfo, &summary);
}
