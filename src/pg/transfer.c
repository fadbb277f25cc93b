/*
 * transfer.c
 *	  Model files in and out: export, import, and those that came with the package.
 */
#include "postgres.h"

#include "cache.h"
#include "glue.h"
#include "registry.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include <string.h>
#include <sys/stat.h>

PG_FUNCTION_INFO_V1(emotion_export);
PG_FUNCTION_INFO_V1(emotion_import);
PG_FUNCTION_INFO_V1(emotion_import_upload);
PG_FUNCTION_INFO_V1(emotion_model_hash);
PG_FUNCTION_INFO_V1(emotion_load_bundled);

Datum
emotion_export(PG_FUNCTION_ARGS)
{
	ModelReference reference = ParseModelReferenceText(PG_GETARG_TEXT_PP(0), true);
	ModelRow row = GetModel(&reference);
	uint8 *bytes = ReadModelBytes(&row, RegistrySnapshot());
	ReturnSetInfo *info = BeginSet(fcinfo);
	bytea *data = palloc(VARHDRSZ + MODEL_PART_BYTES);
	int32 part = 0;

	for (int64 start = 0; start < row.size; start += MODEL_PART_BYTES)
	{
		Size length = (Size) Min(row.size - start, (int64) MODEL_PART_BYTES);
		Datum values[2];
		bool nulls[2] = { false, false };

		CHECK_FOR_INTERRUPTS();
		SET_VARSIZE(data, VARHDRSZ + length);
		memcpy(VARDATA(data), bytes + start, length);
		values[0] = Int32GetDatum(++part);
		values[1] = PointerGetDatum(data);
		tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
	}
	pfree(bytes);
	return (Datum) 0;
}

Datum
emotion_model_hash(PG_FUNCTION_ARGS)
{
	ModelReference reference =
		PG_NARGS() == 0 ? DeployedModel() : ParseModelReferenceText(PG_GETARG_TEXT_PP(0), false);
	ModelRow row = GetModel(&reference);
	char hex[2 * SHA256_BYTES + 1];

	for (int i = 0; i < SHA256_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", row.sha256[i]);
	PG_RETURN_TEXT_P(cstring_to_text(hex));
}

/* ---- import ---------------------------------------------------------------------------- */

/* Arguments 0 (name) and 1 must be there, 2 (version) and 3 (description) may be. */
static ModelPublication
PublicationFrom(FunctionCallInfo fcinfo)
{
	ModelPublication publication;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("%s must not be null",
							   PG_ARGISNULL(0) ? "the model's name" : "the model's data")));
	memset(&publication, 0, sizeof(publication));
	publication.name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (!PG_ARGISNULL(2))
	{
		publication.version = PG_GETARG_INT32(2);
		if (publication.version < 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("version %d is out of range", publication.version),
					 errhint("Versions are 1 to %d; NULL is the next one.", MODEL_MAX_VERSION)));
	}
	if (!PG_ARGISNULL(3))
		publication.description = text_to_cstring(PG_GETARG_TEXT_PP(3));
	CheckPublishable(publication.name);
	return publication;
}

static text *
PublishedAs(const ModelPublication *publication)
{
	return cstring_to_text(psprintf("%s@%d", publication->name, PublishModel(publication)));
}

Datum
emotion_import(PG_FUNCTION_ARGS)
{
	ModelPublication publication = PublicationFrom(fcinfo);
	bytea *data = PG_GETARG_BYTEA_PP(1);

	PreventCommandIfReadOnly("emotion_import()");
	publication.bytes = (const uint8 *) VARDATA_ANY(data);
	publication.size = VARSIZE_ANY_EXHDR(data);
	PG_RETURN_TEXT_P(PublishedAs(&publication));
}

/* Join the pieces of an upload, in the order of their numbers. */
static uint8 *
JoinUpload(const char *upload, MemoryContext context, size_t *size)
{
	Oid types[1] = { TEXTOID };
	Datum values[1] = { CStringGetTextDatum(upload) };
	uint64 pieces;
	size_t total = 0;
	size_t filled = 0;
	uint8 *bytes;
	bool isnull;

	if (SPI_execute_with_args("SELECT data FROM emotion.import_part"
							  " WHERE upload OPERATOR(pg_catalog.=) $1 ORDER BY part",
							  1, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read emotion.import_part");
	pieces = SPI_processed;
	if (pieces == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("there is no upload \"%s\"", upload),
				 errhint("Insert its pieces into emotion.import_part first.")));
	for (uint64 i = 0; i < pieces; i++)
	{
		Datum piece = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

		total += toast_raw_datum_size(piece) - VARHDRSZ;
		if (total > (size_t) MODEL_MAX_BYTES)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("upload \"%s\" is larger than " INT64_FORMAT " bytes", upload,
								   MODEL_MAX_BYTES)));
	}
	bytes = MemoryContextAllocHuge(context, total + 1);
	for (uint64 i = 0; i < pieces; i++)
	{
		Datum piece = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
		bytea *data = DatumGetByteaPP(piece);

		CHECK_FOR_INTERRUPTS();
		memcpy(bytes + filled, VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data));
		filled += VARSIZE_ANY_EXHDR(data);
		if ((Pointer) data != DatumGetPointer(piece))
			pfree(data);
	}
	*size = total;
	return bytes;
}

Datum
emotion_import_upload(PG_FUNCTION_ARGS)
{
	ModelPublication publication = PublicationFrom(fcinfo);
	char *upload = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Oid types[1] = { TEXTOID };
	Datum values[1] = { CStringGetTextDatum(upload) };
	MemoryContext caller = CurrentMemoryContext;
	text *result;

	PreventCommandIfReadOnly("emotion_import_upload()");
	CheckPrivilege("import_part", ACL_SELECT | ACL_DELETE);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	publication.bytes = JoinUpload(upload, caller, &publication.size);
	SPI_freetuptable(SPI_tuptable);
	MemoryContextSwitchTo(caller);
	result = PublishedAs(&publication);
	if (SPI_execute_with_args("DELETE FROM emotion.import_part"
							  " WHERE upload OPERATOR(pg_catalog.=) $1",
							  1, types, values, NULL, false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not empty emotion.import_part");
	SPI_finish();
	PG_RETURN_TEXT_P(result);
}

/* ---- bundled --------------------------------------------------------------------------- */

/* The whole of a file; NULL when it does not exist. */
static uint8 *
ReadFile(const char *path, size_t *size)
{
	struct stat state;
	FILE *file = AllocateFile(path, PG_BINARY_R);
	uint8 *bytes;

	if (file == NULL && errno == ENOENT)
		return NULL;
	if (file == NULL || fstat(fileno(file), &state) != 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not open file \"%s\": %m", path)));
	if (state.st_size <= 0 || state.st_size > MODEL_MAX_BYTES)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("file \"%s\" has an impossible size", path)));
	*size = (size_t) state.st_size;
	bytes = MemoryContextAllocHuge(CurrentMemoryContext, *size);
	if (fread(bytes, 1, *size, file) != *size)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not read file \"%s\": %m", path)));
	FreeFile(file);
	return bytes;
}

Datum
emotion_load_bundled(PG_FUNCTION_ARGS)
{
	ModelPublication publication;
	ModelReference reference;
	char share[MAXPGPATH];
	char *path;
	uint8 *bytes;

	if (!creating_extension)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("only the extension's own scripts load bundled models"),
						errhint("Publish a model file with emotion_import.")));
	memset(&publication, 0, sizeof(publication));
	publication.name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	publication.version = PG_GETARG_INT32(1);
	publication.description = text_to_cstring(PG_GETARG_TEXT_PP(2));
	publication.bundled = true;
	CheckModelName(publication.name); /* so it holds no '/' */

	get_share_path(my_exec_path, share);
	path = psprintf("%s/extension/emotion/%s.safetensors", share, publication.name);
	bytes = ReadFile(path, &publication.size);
	if (bytes == NULL)
	{
		ereport(WARNING, (errcode(ERRCODE_UNDEFINED_FILE),
						  errmsg("bundled model \"%s\" is not installed", publication.name),
						  errdetail("There is no file \"%s\".", path),
						  errhint("Until a model is imported or trained and deployed, there is "
								  "none to score with.")));
		PG_RETURN_VOID();
	}
	publication.bytes = bytes;

	memset(&reference, 0, sizeof(reference));
	strlcpy(reference.name, publication.name, NAMEDATALEN);
	reference.version = PublishModel(&publication);
	DeployModel(&reference, true);
	pfree(bytes);
	PG_RETURN_VOID();
}
