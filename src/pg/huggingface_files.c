/*
 * huggingface_files.c
 *	  The files of a checkpoint: in a directory of the server, or pieces of an upload.
 */
#include "postgres.h"

#include "huggingface_files.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include <string.h>
#include <sys/stat.h>

void
CloseCheckpoint(CheckpointFiles *checkpoint)
{
	if (checkpoint->file != NULL)
		FreeFile(checkpoint->file);
	checkpoint->file = NULL;
	checkpoint->name = NULL;
	MemoryContextReset(checkpoint->context);
}

/* False when there is none. */
static bool
OpenServerFile(CheckpointFiles *checkpoint)
{
	char *path = psprintf("%s/%s", checkpoint->directory, checkpoint->name);
	struct stat state;

	if (stat(path, &state) != 0 && errno == ENOENT)
		return false;
	checkpoint->file = AllocateFile(path, PG_BINARY_R);
	if (checkpoint->file == NULL || fstat(fileno(checkpoint->file), &state) != 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not open file \"%s\" for reading: %m", path)));
	if (!S_ISREG(state.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a regular file", path)));
	checkpoint->size = (uint64) state.st_size;
	return true;
}

/* Where its pieces begin and end, which takes none of their data. */
static bool
OpenUploadedFile(CheckpointFiles *checkpoint)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid types[1] = { TEXTOID };
	Datum values[1];

	checkpoint->key = psprintf("%s/%s", checkpoint->upload, checkpoint->name);
	values[0] = CStringGetTextDatum(checkpoint->key);
	if (SPI_execute_with_args("SELECT part, pg_catalog.octet_length(data) FROM emotion.import_part"
							  " WHERE upload OPERATOR(pg_catalog.=) $1 ORDER BY part",
							  1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read emotion.import_part");
	MemoryContextSwitchTo(caller);
	checkpoint->piece_count = SPI_processed;
	checkpoint->pieces = palloc(sizeof(Piece) * (Size) (SPI_processed + 1));
	checkpoint->size = 0;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple tuple = SPI_tuptable->vals[i];
		bool isnull;

		checkpoint->size +=
			(uint64) DatumGetInt32(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &isnull));
		checkpoint->pieces[i].part =
			DatumGetInt32(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &isnull));
		checkpoint->pieces[i].end = checkpoint->size;
	}
	SPI_freetuptable(SPI_tuptable);
	return checkpoint->piece_count > 0;
}

bool
OpenCheckpointFile(CheckpointFiles *checkpoint, const char *name)
{
	MemoryContext caller;
	bool found;

	if (checkpoint->name != NULL && strcmp(checkpoint->name, name) == 0)
		return true;
	CloseCheckpoint(checkpoint);
	caller = MemoryContextSwitchTo(checkpoint->context);
	checkpoint->name = pstrdup(name);
	found =
		checkpoint->directory != NULL ? OpenServerFile(checkpoint) : OpenUploadedFile(checkpoint);
	MemoryContextSwitchTo(caller);
	if (!found)
		CloseCheckpoint(checkpoint);
	return found;
}

static void
ReadServerFile(CheckpointFiles *checkpoint, uint64 offset, uint8 *out, size_t wanted)
{
	if (fseeko(checkpoint->file, (off_t) offset, SEEK_SET) != 0 ||
		fread(out, 1, wanted, checkpoint->file) != wanted)
		ereport(ERROR,
				(errcode_for_file_access(), ferror(checkpoint->file)
												? errmsg("could not read file \"%s/%s\": %m",
														 checkpoint->directory, checkpoint->name)
												: errmsg("file \"%s/%s\" has become shorter",
														 checkpoint->directory, checkpoint->name)));
}

/* The piece that the byte at offset is in. */
static const Piece *
PieceAt(const CheckpointFiles *checkpoint, uint64 offset)
{
	uint64 low = 0, high = checkpoint->piece_count - 1;

	while (low < high)
	{
		uint64 middle = (low + high) / 2;

		if (checkpoint->pieces[middle].end > offset)
			high = middle;
		else
			low = middle + 1;
	}
	return &checkpoint->pieces[low];
}

/* A slice of a piece, fetched without the rest of it, as pieces are kept uncompressed. */
static size_t
ReadPiece(CheckpointFiles *checkpoint, uint64 offset, uint8 *out, size_t wanted)
{
	const Piece *piece = PieceAt(checkpoint, offset);
	uint64 begin = piece == checkpoint->pieces ? 0 : piece[-1].end;
	size_t length = Min(wanted, (size_t) (piece->end - offset));
	Oid types[4] = { TEXTOID, INT4OID, INT4OID, INT4OID };
	Datum values[4] = { CStringGetTextDatum(checkpoint->key), Int32GetDatum(piece->part),
						Int32GetDatum((int32) (offset - begin) + 1),
						Int32GetDatum((int32) length) };
	bool isnull = true;
	bytea *data = NULL;

	if (SPI_execute_with_args("SELECT pg_catalog.substr(data, $3, $4) FROM emotion.import_part"
							  " WHERE upload OPERATOR(pg_catalog.=) $1"
							  " AND part OPERATOR(pg_catalog.=) $2",
							  4, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read emotion.import_part");
	if (SPI_processed == 1)
		data = DatumGetByteaPP(
			SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	if (data == NULL || VARSIZE_ANY_EXHDR(data) != length)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("upload \"%s\" changed while it was read", checkpoint->key)));
	memcpy(out, VARDATA_ANY(data), length);
	SPI_freetuptable(SPI_tuptable);
	return length;
}

static void
ReadUploadedFile(CheckpointFiles *checkpoint, uint64 offset, uint8 *out, size_t wanted)
{
	MemoryContext scratch =
		AllocSetContextCreate(CurrentMemoryContext, "emotion piece", ALLOCSET_DEFAULT_SIZES);

	while (wanted > 0)
	{
		size_t got;

		MemoryContextSwitchTo(scratch);
		got = ReadPiece(checkpoint, offset, out, wanted);
		MemoryContextReset(scratch);
		offset += got;
		out += got;
		wanted -= got;
	}
	MemoryContextDelete(scratch);
}

void
ReadCheckpointFile(CheckpointFiles *checkpoint, const char *name, uint64 offset, uint8 *out,
				   size_t wanted)
{
	if (!OpenCheckpointFile(checkpoint, name) || wanted > checkpoint->size ||
		offset > checkpoint->size - wanted)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FILE),
						errmsg("file \"%s\" changed while it was read", name)));
	if (checkpoint->directory != NULL)
		ReadServerFile(checkpoint, offset, out, wanted);
	else
		ReadUploadedFile(checkpoint, offset, out, wanted);
}

static int64
StepBehind(const Piece *piece)
{
	return (int64) piece[1].part - piece[0].part;
}

/* Clients number pieces as they like, but in equal steps: wider ones have lost something. */
static int64
LeastStep(const Piece *pieces, uint64 count)
{
	int64 least = PG_INT64_MAX;

	for (uint64 i = 0; i + 1 < count; i++)
		least = Min(least, StepBehind(&pieces[i]));
	return least;
}

static uint64
BytesOf(const Piece *pieces, uint64 i)
{
	return pieces[i].end - (i == 0 ? 0 : pieces[i - 1].end);
}

/* A piece that holds what the one before holds; PG_UINT64_MAX: none. */
static uint64
FindDoubled(const CheckpointFiles *checkpoint)
{
	Oid types[1] = { TEXTOID };
	Datum values[1] = { CStringGetTextDatum(checkpoint->key) };
	uint64 found = PG_UINT64_MAX;
	bool isnull;

	if (SPI_execute_with_args(
			"SELECT p.number FROM (SELECT pg_catalog.row_number() OVER w AS number, data "
			"OPERATOR(pg_catalog.=) pg_catalog.lag(data) OVER w AS doubled FROM "
			"emotion.import_part WHERE upload OPERATOR(pg_catalog.=) $1 WINDOW w "
			"AS (ORDER BY part)) AS p WHERE p.doubled ORDER BY p.number LIMIT 1",
			1, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read emotion.import_part");
	if (SPI_processed == 1)
		found = (uint64) DatumGetInt64(
					SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)) -
				1;
	SPI_freetuptable(SPI_tuptable);
	return found;
}

char *
SuspectPiece(CheckpointFiles *checkpoint, const char *message)
{
	const Piece *pieces;
	uint64 count, doubled;
	int64 step;

	if (checkpoint->directory != NULL ||
		!OpenCheckpointFile(checkpoint, pnstrdup(message, strcspn(message, ": "))) ||
		checkpoint->piece_count < 2)
		return NULL;
	pieces = checkpoint->pieces;
	count = checkpoint->piece_count;
	step = LeastStep(pieces, count);
	for (uint64 i = 0; i + 1 < count; i++)
		if (StepBehind(&pieces[i]) != step)
			return psprintf("Of upload \"%s\", piece %d is followed by %d: %d seems to be missing.",
							checkpoint->key, pieces[i].part, pieces[i + 1].part,
							(int32) (pieces[i].part + step));
	doubled = FindDoubled(checkpoint);
	if (doubled < count)
		return psprintf("Of upload \"%s\", pieces %d and %d are the same.", checkpoint->key,
						pieces[doubled - 1].part, pieces[doubled].part);
	for (uint64 i = 1; i + 1 < count; i++)
		if (BytesOf(pieces, i) != BytesOf(pieces, 0))
			return psprintf("Of upload \"%s\", piece %d has " UINT64_FORMAT
							" bytes, piece %d has " UINT64_FORMAT ".",
							checkpoint->key, pieces[i].part, BytesOf(pieces, i), pieces[0].part,
							BytesOf(pieces, 0));
	return psprintf("Upload \"%s\" has " UINT64_FORMAT
					" pieces, numbered %d to %d, of " UINT64_FORMAT " bytes together.",
					checkpoint->key, count, pieces[0].part, pieces[count - 1].part,
					checkpoint->size);
}
