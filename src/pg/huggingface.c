/*
 * huggingface.c
 *	  Checkpoints of Hugging Face's libraries into the registry: a directory of the server, or
 *	  files that a client has uploaded.
 *
 * The weights go through a buffer, from the files into emotion.model_part; the model's row comes
 * last. All in one transaction, so that after an error there is nothing.
 */
#include "postgres.h"

#include "registry.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include <string.h>
#include <sys/stat.h>

#include "../model/encoder_model.h"
#include "../model/huggingface.h"
#include "glue.h"
#include "huggingface_files.h"
#include "options.h"
#include "stored.h"

#if PG_VERSION_NUM < 140000
#define ROLE_PG_READ_SERVER_FILES DEFAULT_ROLE_READ_SERVER_FILES
#endif

PG_FUNCTION_INFO_V1(emotion_import_huggingface);
PG_FUNCTION_INFO_V1(emotion_import_huggingface_upload);

/* Between two notices of how far an import has come. */
#define NOTICE_SECONDS 10

#define MEGABYTE (1024 * 1024)

/* ---- options ------------------------------------------------------------------------- */

typedef struct ImportOptions
{
	huggingface_options checkpoint;
	int storage; /* huggingface_storage */
	int head;    /* 1: none */
	int outputs; /* encoder_outputs */
	int version; /* 0: the next */
	char *description;
} ImportOptions;

#define AT(field) offsetof(ImportOptions, field)

/* The first choice of each is that of the checkpoint; the others in the order of their enums. */
static const char *const storages[] = { "checkpoint", "f32", "f16", "bf16", "i8", NULL };
static const char *const heads[] = { "checkpoint", "none", NULL };
static const char *const problems[] = { "checkpoint", ENCODER_MULTI_LABEL, ENCODER_SINGLE_LABEL,
										NULL };

static const option_spec specs[] = {
	{ "max_tokens", OPTION_INT, AT(checkpoint.max_tokens), 3, 8192, NULL,
	  "tokens read of a text, <s> and </s> included" },
	{ "storage", OPTION_CHOICE, AT(storage), 0, 0, storages, "how the numbers are kept" },
	{ "head", OPTION_CHOICE, AT(head), 0, 0, heads, "none: a base, to train from" },
	{ "problem_type", OPTION_CHOICE, AT(outputs), 0, 0, problems,
	  "whether labels exclude one another" },
	{ "version", OPTION_INT, AT(version), 1, MODEL_MAX_VERSION, NULL, "version to publish as" },
	{ NULL, 0, 0, 0, 0, NULL, NULL },
};

static const StringSpec strings[] = {
	{ "description", AT(description), "for people" },
	{ NULL, 0, NULL },
};

/* The elements of an array of scalars; an error for another value. */
static JsonbValue *
ElementsOf(const JsonbValue *json, const char *option, enum jbvType type, const char *what,
		   int *count)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue element;
	JsonbValue *elements = NULL;
	bool good = json->type == jbvBinary && JsonContainerIsArray(json->val.binary.data) &&
				JsonContainerSize(json->val.binary.data) > 0;

	*count = 0;
	if (good)
	{
		elements = palloc(sizeof(JsonbValue) * JsonContainerSize(json->val.binary.data));
		iterator = JsonbIteratorInit(json->val.binary.data);
		while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
			if (token == WJB_ELEM)
			{
				good = good && element.type == type;
				elements[(*count)++] = element;
			}
	}
	if (!good)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"%s\" must be an array of %s", option, what)));
	return elements;
}

static void
SetLabels(huggingface_options *options, const JsonbValue *json)
{
	int count;
	JsonbValue *elements = ElementsOf(json, "labels", jbvString, "strings", &count);
	em_slice *labels = palloc(sizeof(em_slice) * (Size) count);

	for (int i = 0; i < count; i++)
		labels[i] = TextAsUtf8(
			cstring_to_text_with_len(elements[i].val.string.val, elements[i].val.string.len));
	options->labels = labels;
	options->label_count = (size_t) count;
}

static float
NumberOf(const JsonbValue *json)
{
	return (float) DatumGetFloat8(
		DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(json->val.numeric)));
}

/* One number for all labels, or an array of one for each. */
static void
SetThresholds(huggingface_options *options, const JsonbValue *json)
{
	float *thresholds;
	int count = 1;

	if (json->type == jbvNumeric)
	{
		thresholds = palloc(sizeof(float));
		thresholds[0] = NumberOf(json);
	}
	else
	{
		JsonbValue *elements =
			ElementsOf(json, "thresholds", jbvNumeric, "numbers, or one number", &count);

		thresholds = palloc(sizeof(float) * (Size) count);
		for (int i = 0; i < count; i++)
			thresholds[i] = NumberOf(&elements[i]);
	}
	options->thresholds = thresholds;
	options->threshold_count = (size_t) count;
}

static void
SetImportOption(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	ImportOptions *options = context;

	if (OptionIs(name, "labels"))
		SetLabels(&options->checkpoint, json);
	else if (OptionIs(name, "thresholds"))
		SetThresholds(&options->checkpoint, json);
	else if (!SetNamedOption(strings, specs, options, name, value))
		UnknownOption(name, "They are labels, thresholds, storage, head, max_tokens, "
							"problem_type, version and description.");
}

static ImportOptions
ParseOptions(const Jsonb *json)
{
	ImportOptions options = { .storage = 0 };

	VisitOptions(json, SetImportOption, &options);
	options.checkpoint.storage = (huggingface_storage) options.storage;
	options.checkpoint.without_head = options.head == 1;
	options.checkpoint.outputs = (encoder_outputs) options.outputs;
	return options;
}

/* ---- callbacks ------------------------------------------------------------------------- */

/* An import under way. */
typedef struct Checkpoint
{
	CheckpointFiles files;
	ModelStream *stream;
	uint64 written;
	uint64 total;
	TimestampTz noticed;
	ErrorData *error; /* what a callback threw: rethrown when the rooms below have returned */
} Checkpoint;

/* What one of them is asked for. */
typedef struct Asked
{
	Checkpoint *checkpoint;
	const char *name;
	uint64 offset;
	uint8 *out;
	const uint8 *bytes;
	size_t size;
	bool found;
} Asked;

/* Call work so that what it throws waits until the rooms below have returned. */
static em_code
Guarded(Asked *asked, void (*work)(Asked *asked), em_status *status)
{
	MemoryContext caller = CurrentMemoryContext;
	Checkpoint *checkpoint = asked->checkpoint;

	if (InterruptWanted(NULL))
		return em_fail(status, EM_CANCELLED, "stopped");
	PG_TRY();
	{
		work(asked);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		checkpoint->error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	return checkpoint->error == NULL ? EM_OK : em_fail(status, EM_SYSTEM, "stopped");
}

static void
FindFile(Asked *asked)
{
	asked->found = OpenCheckpointFile(&asked->checkpoint->files, asked->name);
}

static em_code
FindCallback(void *context, const char *name, bool *found, uint64_t *size, em_status *status)
{
	Asked asked = { .checkpoint = context, .name = name };
	em_code code = Guarded(&asked, FindFile, status);

	*found = asked.found;
	*size = asked.found ? asked.checkpoint->files.size : 0;
	return code;
}

static void
ReadFileBytes(Asked *asked)
{
	ReadCheckpointFile(&asked->checkpoint->files, asked->name, asked->offset, asked->out,
					   asked->size);
}

static em_code
ReadCallback(void *context, const char *name, uint64_t offset, uint8_t *out, size_t wanted,
			 em_status *status)
{
	Asked asked = {
		.checkpoint = context, .name = name, .offset = offset, .out = out, .size = wanted
	};

	return Guarded(&asked, ReadFileBytes, status);
}

static void
WriteModelBytes(Asked *asked)
{
	Checkpoint *checkpoint = asked->checkpoint;

	PutModelBytes(checkpoint->stream, asked->bytes, asked->size);
	checkpoint->written += asked->size;
	if (TimestampDifferenceExceeds(checkpoint->noticed, GetCurrentTimestamp(),
								   NOTICE_SECONDS * 1000))
	{
		checkpoint->noticed = GetCurrentTimestamp();
		ereport(NOTICE, (errmsg("wrote " UINT64_FORMAT " of " UINT64_FORMAT " MB",
								checkpoint->written / MEGABYTE, checkpoint->total / MEGABYTE)));
	}
}

static em_code
WriteCallback(void *context, const uint8_t *bytes, size_t size, em_status *status)
{
	Asked asked = { .checkpoint = context, .bytes = bytes, .size = size };

	return Guarded(&asked, WriteModelBytes, status);
}

/* What a callback threw, or what the rooms below say is wrong. */
static void
CheckCallbacks(Checkpoint *checkpoint, em_code code, const em_status *status)
{
	CheckpointFiles *files = &checkpoint->files;

	if (checkpoint->error != NULL)
		ReThrowError(checkpoint->error);
	if (code == EM_MISSING)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FILE), errmsg("%s", status->message),
						files->directory != NULL
							? errdetail("Its directory on the server is \"%s\".", files->directory)
							: errdetail("Its files are those of the upload \"%s\".", files->upload),
						status->hint[0] != '\0' ? errhint("%s", status->hint) : 0));
	if (code == EM_CORRUPT)
		ReportStatusOf(status, SuspectPiece(files, status->message));
	Check(code, status);
}

/* ---- import ---------------------------------------------------------------------------- */

static Jsonb *
LineageOf(const CheckpointFiles *checkpoint, const char *origin, const Jsonb *options)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"format\": \"Hugging Face\", \"%s\": ",
					 checkpoint->directory != NULL ? "directory" : "upload");
	escape_json(&json, origin);
	appendStringInfo(
		&json, ", \"options\": %s}",
		JsonbToCString(NULL, unconstify(JsonbContainer *, &options->root), VARSIZE(options)));
	return DatumGetJsonbP(JsonbFromCString(json.data));
}

/* Whether they are what Hugging Face's libraries call labels without names. */
static bool
LabelsAreNumbers(const model *model)
{
	for (size_t i = 0; i < model->layout.labels; i++)
		if (strcmp(model->labels[i], psprintf("LABEL_%zu", i)) != 0)
			return false;
	return true;
}

static void
SayWhatCame(const ModelPublication *publication, int32 version, const huggingface *checkpoint,
			const huggingface_options *options)
{
	const model *model = huggingface_model(checkpoint);
	const encoder_model *encoder = model->encoder;

	if (!encoder->head)
		ereport(NOTICE, (errmsg("the checkpoint is taken without a head: it can be trained from, "
								"but does not score")));
	else if (huggingface_guessed(checkpoint))
		ereport(NOTICE,
				(errmsg("config.json has no \"problem_type\": taken for \"%s\"",
						encoder_outputs_name(encoder->outputs)),
				 errhint("Option \"problem_type\" says whether labels exclude one another.")));
	if (encoder->head && !options->labels && LabelsAreNumbers(model))
		ereport(NOTICE, (errmsg("config.json names no labels: they are called %s",
								model->layout.labels > 1 ? psprintf("\"LABEL_0\" to \"LABEL_%zu\"",
																	model->layout.labels - 1)
														 : "\"LABEL_0\""),
						 errhint("Option \"labels\" names them, in the order of the scores.")));
	ereport(NOTICE,
			(errmsg("model \"%s@%d\": " UINT64_FORMAT " parameters, %s, " UINT64_FORMAT " MB",
					publication->name, version, model_parameters(model),
					Counted(model->layout.labels, "label", "labels"),
					(huggingface_size(checkpoint) + MEGABYTE - 1) / MEGABYTE)));
}

/* Read and publish; SPI is connected. */
static void
Import(Checkpoint *source, const char *name, const char *origin, const ImportOptions *options,
	   const Jsonb *json)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context =
		AllocSetContextCreate(caller, "emotion checkpoint", ALLOCSET_DEFAULT_SIZES);
	const huggingface_files files = { FindCallback, ReadCallback, source };
	em_status status = { EM_OK, "", "" };
	ModelPublication publication = { .name = name,
									 .version = options->version,
									 .description = options->description,
									 .lineage = LineageOf(&source->files, origin, json) };
	huggingface *checkpoint;
	StoredChange change;
	em_code code;
	int32 version;

	MemoryContextSwitchTo(context);
	source->files.context = AllocSetContextCreate(context, "emotion file", ALLOCSET_DEFAULT_SIZES);
	code = huggingface_open(ContextAllocator(context), &files, &options->checkpoint, &checkpoint,
							&status);
	CheckCallbacks(source, code, &status);
	if (options->checkpoint.storage == HUGGINGFACE_I8)
	{
		/* rounded rows want a tensor's largest number first, and a comparison all floats */
		code = huggingface_load(checkpoint, &status);
		CheckCallbacks(source, code, &status);
		change = StoreModel(huggingface_model(checkpoint), MODEL_I8, &publication);
		version = PublishModel(&publication);
	}
	else
	{
		publication.size = (size_t) huggingface_size(checkpoint);
		source->stream = BeginModel(&publication);
		source->total = huggingface_size(checkpoint);
		source->noticed = GetCurrentTimestamp();
		code = huggingface_write(checkpoint, WriteCallback, source, &status);
		CheckCallbacks(source, code, &status);
		version = EndModel(source->stream, huggingface_model(checkpoint));
		change = (StoredChange){ 0 };
	}
	SayWhatCame(&publication, version, checkpoint, &options->checkpoint);
	SayWhatChanged(&change, "those of floats");
	CloseCheckpoint(&source->files);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

/* Arguments 0 (model), 1 (path or upload) and 2 (options): none may be null. */
static char *
NameArgument(FunctionCallInfo fcinfo, const char *second)
{
	char *name = ImportNameArgument(fcinfo, "the model's name", second);

	CheckPublishable(name);
	return name;
}

static void
CheckDirectory(const char *path)
{
	struct stat state;

	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied to read directory \"%s\" of the server", path),
						errhint("Only members of pg_read_server_files may; whoever may insert into "
								"emotion.import_part can upload the files and call "
								"emotion_import_huggingface_upload.")));
	if (!is_absolute_path(path))
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME),
						errmsg("path \"%s\" of a directory of the server is not absolute", path)));
	if (stat(path, &state) != 0)
		ereport(ERROR,
				(errcode_for_file_access(), errmsg("could not open directory \"%s\": %m", path)));
	if (!S_ISDIR(state.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a directory", path)));
}

Datum
emotion_import_huggingface(PG_FUNCTION_ARGS)
{
	char *name = NameArgument(fcinfo, "the path");
	char *path = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Jsonb *json = PG_GETARG_JSONB_P(2);
	ImportOptions options = ParseOptions(json);
	Checkpoint source = { .files.directory = path };

	PreventCommandIfReadOnly("emotion_import_huggingface()");
	CheckDirectory(path);
	canonicalize_path(path);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	/* its last part only: everyone reads the catalog, but not where the server keeps files */
	Import(&source, name, last_dir_separator(path) + 1, &options, json);
	SPI_finish();
	PG_RETURN_VOID();
}

Datum
emotion_import_huggingface_upload(PG_FUNCTION_ARGS)
{
	char *name = NameArgument(fcinfo, "the upload");
	char *upload = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Jsonb *json = PG_GETARG_JSONB_P(2);
	ImportOptions options = ParseOptions(json);
	Oid types[1] = { TEXTOID };
	Datum values[1] = { CStringGetTextDatum(psprintf("%s/", upload)) };
	Checkpoint source = { .files.upload = upload };

	PreventCommandIfReadOnly("emotion_import_huggingface_upload()");
	CheckPrivilege("import_part", ACL_SELECT | ACL_DELETE);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args("SELECT FROM emotion.import_part"
							  " WHERE pg_catalog.starts_with(upload, $1) LIMIT 1",
							  1, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read emotion.import_part");
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("there is no upload \"%s\"", upload),
				 errhint("Insert the pieces of each file into emotion.import_part first, under "
						 "the upload \"%s/\" and the file's name.",
						 upload)));
	Import(&source, name, upload, &options, json);
	if (SPI_execute_with_args("DELETE FROM emotion.import_part"
							  " WHERE pg_catalog.starts_with(upload, $1)",
							  1, types, values, NULL, false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not empty emotion.import_part");
	SPI_finish();
	PG_RETURN_VOID();
}
