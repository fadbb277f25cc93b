/*
 * vectors_transfer.c
 *	  Word vectors in and out: fastText's files of the server, or uploaded in pieces.
 */
#include "postgres.h"

#include "vectors_registry.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include <string.h>
#include <sys/stat.h>

#include "../model/fasttext.h"
#include "../text/tokenizer.h"
#include "glue.h"
#include "options.h"
#include "source.h"

#if PG_VERSION_NUM < 140000
#define ROLE_PG_READ_SERVER_FILES DEFAULT_ROLE_READ_SERVER_FILES
#endif

PG_FUNCTION_INFO_V1(emotion_import_vectors);
PG_FUNCTION_INFO_V1(emotion_import_vectors_upload);
PG_FUNCTION_INFO_V1(emotion_export_vectors);

/* Between two notices of how far an import has come. */
#define NOTICE_SECONDS 10

#define MEGABYTE (1024 * 1024)

/* ---- options ------------------------------------------------------------------------- */

typedef struct ImportVectorsOptions
{
	int max_words;
	int max_size; /* MB */
	bool fold_case;
	char *words_from;
	char *words_column;
} ImportVectorsOptions;

#define AT(field) offsetof(ImportVectorsOptions, field)

static const option_spec specs[] = {
	{ "max_words", OPTION_INT, AT(max_words), 1, 10000000, NULL,
	  "the first so many words are kept, which are the most frequent" },
	{ "max_size", OPTION_INT, AT(max_size), 1, 4000, NULL,
	  "MB up to which all n-grams are kept; beyond, those of the words kept are" },
	{ "fold_case", OPTION_BOOL, AT(fold_case), 0, 1, NULL,
	  "words are kept in lower case, the first of those that become equal" },
	{ NULL, 0, 0, 0, 0, NULL, NULL },
};

static const StringSpec strings[] = {
	{ "words_from", AT(words_from), "table or query whose words are kept" },
	{ "words_column", AT(words_column), "its column of texts" },
	{ NULL, 0, NULL },
};

static void
SetImportOption(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	(void) json;
	if (!SetNamedOption(strings, specs, context, name, value))
		UnknownOption(name,
					  "They are max_words, max_size, fold_case, words_from and words_column.");
}

static ImportVectorsOptions
ParseOptions(const Jsonb *json)
{
	ImportVectorsOptions options = { .max_words = 200000, .max_size = 1024 };

	VisitOptions(json, SetImportOption, &options);
	if (options.words_column != NULL && options.words_from == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"words_column\" without \"words_from\""),
						errhint("Name the table or query by option \"words_from\".")));
	if (options.words_column == NULL)
		options.words_column = "text";
	return options;
}

/* ---- words of the user's texts --------------------------------------------------------- */

typedef struct WordCollector
{
	text_options options;
	text_tokens tokens;
	text_word_counter *counter;
} WordCollector;

static void
CollectWords(const SourceRow *row, void *context)
{
	WordCollector *collector = context;
	em_status status = { EM_OK, "", "" };

	Check(text_tokenize_until(&collector->options, row->text.bytes, row->text.length,
							  InterruptWanted, NULL, &collector->tokens, &status),
		  &status);
	for (size_t i = 0; i < collector->tokens.count; i++)
	{
		const text_token *token = &collector->tokens.tokens[i];
		uint32_t id;

		Check(text_word_counter_add(collector->counter,
									collector->tokens.buffer + token->normalized,
									token->normalized_length, &id, &status),
			  &status);
	}
}

/* The words of a table's texts, as a model with the default options reads them. SPI is connected. */
static text_vocabulary *
WordsOf(const ImportVectorsOptions *options, const em_allocator *allocator)
{
	Source source = { .source = options->words_from,
					  .text_column = options->words_column,
					  .text_option = "words_column" };
	em_status status = { EM_OK, "", "" };
	WordCollector collector;
	text_vocabulary *words;

	text_options_default(&collector.options);
	collector.options.max_tokens = 100000;
	text_tokens_init(&collector.tokens, allocator);
	Check(text_word_counter_create(allocator, &collector.counter, &status), &status);
	OpenSource(&source);
	ScanSource(&source, CollectWords, &collector);
	Check(text_word_counter_finish(collector.counter, 1, 0, NULL, &words, &status), &status);
	text_word_counter_free(collector.counter);
	text_tokens_free(&collector.tokens);
	if (text_vocabulary_size(words) == 1)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA),
						errmsg("source \"%s\" has no words", options->words_from)));
	return words;
}

/* ---- bytes ----------------------------------------------------------------------------- */

/* A file, or the pieces of an upload, being read. */
typedef struct ByteSource
{
	FILE *file;
	const char *path;

	Portal portal;
	MemoryContext piece_context;
	const char *piece; /* what is left of it */
	size_t piece_left;

	uint64 size;
	uint64 done;
	TimestampTz noticed;
	ErrorData *error; /* what reading threw: rethrown when the rooms below have returned */
} ByteSource;

static void
OpenFile(ByteSource *source, const char *path)
{
	struct stat state;

	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied to read file \"%s\" of the server", path),
						errhint("Only members of pg_read_server_files may; whoever may insert into "
								"emotion.import_part can upload a file and call "
								"emotion_import_vectors_upload.")));
	if (!is_absolute_path(path))
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME),
						errmsg("path \"%s\" of a file of the server is not absolute", path)));
	if (stat(path, &state) == 0 && !S_ISREG(state.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a regular file", path)));
	source->path = path;
	source->file = AllocateFile(path, PG_BINARY_R);
	if (source->file == NULL || fstat(fileno(source->file), &state) != 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not open file \"%s\" for reading: %m", path)));
	source->size = (uint64) state.st_size;
}

static void
OpenUpload(ByteSource *source, const char *upload)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid types[1] = { TEXTOID };
	Datum values[1] = { CStringGetTextDatum(upload) };
	bool isnull;
	Datum size;

	if (SPI_execute_with_args(
			"SELECT pg_catalog.sum(pg_catalog.octet_length(data))::pg_catalog.int8"
			" FROM emotion.import_part WHERE upload OPERATOR(pg_catalog.=) $1",
			1, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read emotion.import_part");
	size = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("there is no upload \"%s\"", upload),
				 errhint("Insert its pieces into emotion.import_part first.")));
	source->size = (uint64) DatumGetInt64(size);
	SPI_freetuptable(SPI_tuptable);
	source->portal = SPI_cursor_open_with_args(
		NULL,
		"SELECT data FROM emotion.import_part WHERE upload OPERATOR(pg_catalog.=) $1 ORDER BY part",
		1, types, values, NULL, false, CURSOR_OPT_NO_SCROLL);
	MemoryContextSwitchTo(caller);
	source->piece_context = AllocSetContextCreate(caller, "emotion upload", ALLOCSET_DEFAULT_SIZES);
}

static void
CloseBytes(ByteSource *source)
{
	if (source->file != NULL)
		FreeFile(source->file);
	if (source->portal != NULL)
		SPI_cursor_close(source->portal);
}

/* The next piece that is not empty; false behind the last. */
static bool
NextPiece(ByteSource *source)
{
	MemoryContext caller = CurrentMemoryContext;

	while (source->piece_left == 0)
	{
		bytea *data;
		bool isnull;

		MemoryContextSwitchTo(caller);
		SPI_cursor_fetch(source->portal, true, 1);
		if (SPI_processed == 0)
			return false;
		MemoryContextReset(source->piece_context);
		MemoryContextSwitchTo(source->piece_context);
		data = DatumGetByteaPCopy(
			SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
		MemoryContextSwitchTo(caller);
		SPI_freetuptable(SPI_tuptable);
		source->piece = VARDATA(data);
		source->piece_left = VARSIZE(data) - VARHDRSZ;
	}
	return true;
}

static size_t
ReadSome(ByteSource *source, uint8 *out, size_t wanted)
{
	size_t got;

	if (source->file != NULL)
	{
		got = fread(out, 1, wanted, source->file);
		if (got == 0 && ferror(source->file))
			ereport(ERROR, (errcode_for_file_access(),
							errmsg("could not read file \"%s\": %m", source->path)));
	}
	else
	{
		if (!NextPiece(source))
			return 0;
		got = Min(wanted, source->piece_left);
		memcpy(out, source->piece, got);
		source->piece += got;
		source->piece_left -= got;
	}
	source->done += got;
	if (TimestampDifferenceExceeds(source->noticed, GetCurrentTimestamp(), NOTICE_SECONDS * 1000))
	{
		source->noticed = GetCurrentTimestamp();
		ereport(NOTICE, (errmsg("read " UINT64_FORMAT " of " UINT64_FORMAT " MB",
								source->done / MEGABYTE, source->size / MEGABYTE)));
	}
	return got;
}

/* What throws waits until the rooms below have returned. */
static em_code
ReadBytes(void *context, uint8_t *out, size_t wanted, size_t *got, em_status *status)
{
	ByteSource *source = context;
	MemoryContext caller = CurrentMemoryContext;

	if (InterruptWanted(NULL))
		return em_fail(status, EM_CANCELLED, "stopped");
	PG_TRY();
	{
		*got = ReadSome(source, out, wanted);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		source->error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	return source->error == NULL ? EM_OK : em_fail(status, EM_SYSTEM, "could not read");
}

/* ---- import ---------------------------------------------------------------------------- */

/* Options and what the file says of its making, as emotion.vectors.arguments keeps them. */
static Jsonb *
ArgumentsOf(const vectors *vectors, const fasttext_report *report,
			const ImportVectorsOptions *options)
{
	static const char *const models[] = { "unknown", "cbow", "skipgram", "supervised" };
	static const char *const losses[] = { "unknown", "hs", "ns", "softmax", "ova" };
	const vectors_arguments *made = &vectors->arguments;
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"format\": \"%s\", \"fold_case\": %s", report->format,
					 options->fold_case ? "true" : "false");
	if (report->complete)
		appendStringInfo(&json, ", \"words_in_file\": " UINT64_FORMAT, report->words);
	if (options->words_from != NULL)
	{
		appendStringInfoString(&json, ", \"words_from\": ");
		escape_json(&json, options->words_from);
	}
	if (made->model != 0)
		appendStringInfo(&json,
						 ", \"model\": \"%s\", \"loss\": \"%s\", \"window\": %d, \"epochs\": %d,"
						 " \"min_count\": %d, \"negatives\": %d, \"tokens\": " INT64_FORMAT,
						 models[made->model], losses[made->loss], made->window, made->epochs,
						 made->min_count, made->negatives, (int64) made->tokens);
	appendStringInfoChar(&json, '}');
	return DatumGetJsonbP(JsonbFromCString(json.data));
}

static void
SayWhatWasRead(const char *name, const vectors *vectors, const fasttext_report *report)
{
	if (strcmp(report->format, "text") == 0 && !report->header)
		ereport(NOTICE, (errmsg("the file has no header: its first line is read as a word")));
	if (report->unusable > 0)
		ereport(NOTICE,
				(errmsg("words left out because they are empty, not UTF-8 or longer than 1000 "
						"bytes: " UINT64_FORMAT,
						report->unusable)));
	if (vectors->bucket_rows < report->ngrams && vectors->buckets > 0)
		ereport(NOTICE, (errmsg("kept the %u n-grams of these words, of " UINT64_FORMAT,
								vectors->bucket_rows, report->ngrams),
						 errhint("With all of them words that are not kept have better vectors: "
								 "option \"max_size\".")));
	ereport(NOTICE, (errmsg("word vectors \"%s\": words %u, dimensions %u, n-grams %u", name,
							vectors->word_count, vectors->dim, vectors->bucket_rows)));
}

/* Read and publish; SPI is connected, and its procedure context is the current one. */
static void
ImportVectors(const char *name, ByteSource *bytes, const char *origin,
			  const ImportVectorsOptions *options)
{
	em_status status = { EM_OK, "", "" };
	const em_allocator *allocator = ContextAllocator(CurrentMemoryContext);
	fasttext_source source = { .read = ReadBytes, .context = bytes, .size = bytes->size };
	fasttext_options wanted = {
		.max_words = (uint32_t) options->max_words,
		.fold_case = options->fold_case,
		.max_size = (uint64_t) options->max_size * MEGABYTE,
	};
	fasttext_report report;
	vectors *read;
	em_code code;

	if (options->words_from != NULL)
		wanted.wanted = WordsOf(options, allocator);
	bytes->noticed = GetCurrentTimestamp();
	code = fasttext_read(allocator, &source, &wanted, &read, &report, &status);
	if (bytes->error != NULL)
		ReThrowError(bytes->error);
	Check(code, &status);
	CloseBytes(bytes);
	PublishVectors(name, read, origin, ArgumentsOf(read, &report, options));
	SayWhatWasRead(name, read, &report);
	vectors_free(read);
}

/* Arguments 0 (name), 1 (path or upload) and 2 (options): none may be null. */
static char *
NameArgument(FunctionCallInfo fcinfo, const char *second)
{
	char *name = ImportNameArgument(fcinfo, "the name of word vectors", second);

	CheckVectorsPublishable(name);
	return name;
}

Datum
emotion_import_vectors(PG_FUNCTION_ARGS)
{
	char *name = NameArgument(fcinfo, "the path");
	char *path = text_to_cstring(PG_GETARG_TEXT_PP(1));
	ImportVectorsOptions options = ParseOptions(PG_GETARG_JSONB_P(2));
	ByteSource bytes = { 0 };

	PreventCommandIfReadOnly("emotion_import_vectors()");
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	OpenFile(&bytes, path);
	/* without its directory: everyone reads the catalog, but not where the server keeps files */
	ImportVectors(name, &bytes, psprintf("file %s", last_dir_separator(path) + 1), &options);
	SPI_finish();
	PG_RETURN_VOID();
}

Datum
emotion_import_vectors_upload(PG_FUNCTION_ARGS)
{
	char *name = NameArgument(fcinfo, "the upload");
	char *upload = text_to_cstring(PG_GETARG_TEXT_PP(1));
	ImportVectorsOptions options = ParseOptions(PG_GETARG_JSONB_P(2));
	Oid types[1] = { TEXTOID };
	Datum values[1] = { CStringGetTextDatum(upload) };
	ByteSource bytes = { 0 };

	PreventCommandIfReadOnly("emotion_import_vectors_upload()");
	CheckPrivilege("import_part", ACL_SELECT | ACL_DELETE);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	OpenUpload(&bytes, upload);
	ImportVectors(name, &bytes, psprintf("upload %s", upload), &options);
	if (SPI_execute_with_args("DELETE FROM emotion.import_part"
							  " WHERE upload OPERATOR(pg_catalog.=) $1",
							  1, types, values, NULL, false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not empty emotion.import_part");
	SPI_finish();
	PG_RETURN_VOID();
}

/* ---- export ---------------------------------------------------------------------------- */

typedef struct PartSink
{
	ReturnSetInfo *info;
	bytea *data; /* up to MODEL_PART_BYTES */
	Size filled;
	int32 part;
	ErrorData *error;
} PartSink;

static void
PutPart(PartSink *sink)
{
	Datum values[2] = { Int32GetDatum(++sink->part), PointerGetDatum(sink->data) };
	bool nulls[2] = { false, false };

	SET_VARSIZE(sink->data, VARHDRSZ + sink->filled);
	tuplestore_putvalues(sink->info->setResult, sink->info->setDesc, values, nulls);
	sink->filled = 0;
}

static void
PutBytes(PartSink *sink, const uint8_t *bytes, size_t size)
{
	while (size > 0)
	{
		size_t piece = Min(size, MODEL_PART_BYTES - sink->filled);

		memcpy(VARDATA(sink->data) + sink->filled, bytes, piece);
		sink->filled += piece;
		bytes += piece;
		size -= piece;
		if (sink->filled == MODEL_PART_BYTES)
			PutPart(sink);
	}
}

static em_code
SinkBytes(void *context, const uint8_t *bytes, size_t size, em_status *status)
{
	PartSink *sink = context;
	MemoryContext caller = CurrentMemoryContext;

	if (InterruptWanted(NULL))
		return em_fail(status, EM_CANCELLED, "stopped");
	PG_TRY();
	{
		PutBytes(sink, bytes, size);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		sink->error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	return sink->error == NULL ? EM_OK : em_fail(status, EM_SYSTEM, "could not write");
}

Datum
emotion_export_vectors(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *format = text_to_cstring(PG_GETARG_TEXT_PP(1));
	const em_allocator *allocator = ContextAllocator(CurrentMemoryContext);
	em_status status = { EM_OK, "", "" };
	bool model = strcmp(format, "bin") == 0;
	PartSink sink = { 0 };
	vectors *read;
	em_code code;

	if (!model && strcmp(format, "vec") != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("format \"%s\" of word vectors is unknown", format),
						errhint("It is \"bin\", a model of fastText, or \"vec\", text.")));
	read = LoadVectors(allocator, name);
	sink.info = BeginSet(fcinfo);
	sink.data = palloc(VARHDRSZ + MODEL_PART_BYTES);
	code = fasttext_write(allocator, read, model ? FASTTEXT_BIN : FASTTEXT_VEC, SinkBytes, &sink,
						  &status);
	if (sink.error != NULL)
		ReThrowError(sink.error);
	Check(code, &status);
	if (sink.filled > 0)
		PutPart(&sink);
	vectors_free(read);
	return (Datum) 0;
}
