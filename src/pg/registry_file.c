/*
 * registry_file.c
 *	  Files that the registry keeps in parts, and their SHA-256.
 */
#include "postgres.h"

#include "registry.h"
#include "glue.h"

#include "miscadmin.h"
#if PG_VERSION_NUM >= 140000
#include "common/cryptohash.h"
#endif
#include "common/sha2.h"

#include <string.h>

/* ---- parts ------------------------------------------------------------------------------------ */

struct RegistryReader
{
	RegistryFile file;
	Datum *parts; /* copies of the column; 0: missing */
	int32 next;
	int64 filled;
	struct varlena *part; /* the one handed out last, when it is ours to free */
	Sha256Stream *sha256;
};

EM_NORETURN_BEFORE static void Damaged(const RegistryFile *file,
									   const char *what) EM_NORETURN_AFTER;

static void
Damaged(const RegistryFile *file, const char *what)
{
	ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
					errmsg("%s is damaged: %s", file->subject, what), errhint("%s", file->hint)));
}

RegistryReader *
BeginRegistryFile(const RegistryFile *file, Relation relation, SysScanDesc scan, int part_column,
				  int data_column)
{
	RegistryReader *reader = palloc0(sizeof(RegistryReader));
	HeapTuple tuple;

	if (file->size <= 0 || file->size > MODEL_MAX_BYTES || file->parts <= 0 ||
		file->parts > file->size)
		Damaged(file, psprintf("its row says " INT64_FORMAT " bytes in %d parts", file->size,
							   file->parts));
	reader->file = *file;
	reader->parts =
		MemoryContextAllocExtended(CurrentMemoryContext, sizeof(Datum) * (Size) file->parts,
								   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	reader->sha256 = BeginSha256();

	/* First where the parts are (a toast pointer is a few bytes), then the parts in their order. */
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		int32 part = DatumGetInt32(RegistryColumn(tuple, relation, part_column));
		struct varlena *data =
			(struct varlena *) DatumGetPointer(RegistryColumn(tuple, relation, data_column));

		/* A part beyond the published ones was put there later and is none of the file's. */
		if (part < 1 || part > file->parts || reader->parts[part - 1] != (Datum) 0)
			continue;
		reader->parts[part - 1] =
			PointerGetDatum(memcpy(palloc(VARSIZE_ANY(data)), data, VARSIZE_ANY(data)));
	}
	return reader;
}

/* The last part has been handed out: whether all is as it was published. */
static void
EndRegistryFile(RegistryReader *reader)
{
	const RegistryFile *file = &reader->file;
	uint8 digest[SHA256_BYTES];

	if (reader->filled != file->size)
		Damaged(file, psprintf("its parts hold " INT64_FORMAT " of " INT64_FORMAT " bytes",
							   reader->filled, file->size));
	EndSha256(reader->sha256, digest);
	if (memcmp(digest, file->sha256, SHA256_BYTES) != 0)
		Damaged(file, "its bytes do not have its SHA-256");
	pfree(reader->parts);
	pfree(reader);
}

bool
NextRegistryBytes(RegistryReader *reader, const uint8 **bytes, size_t *size)
{
	const RegistryFile *file = &reader->file;
	int32 part = reader->next++;
	struct varlena *data;
	int64 length;

	CHECK_FOR_INTERRUPTS();
	if (reader->part != NULL)
		pfree(reader->part);
	reader->part = NULL;
	if (part == file->parts)
	{
		EndRegistryFile(reader);
		return false;
	}
	if (reader->parts[part] == (Datum) 0)
		Damaged(file, psprintf("part %d of %d is missing", part + 1, file->parts));
	data = pg_detoast_datum_packed((struct varlena *) DatumGetPointer(reader->parts[part]));
	length = VARSIZE_ANY_EXHDR(data);
	if (length > file->size - reader->filled)
		Damaged(file, psprintf("its parts hold more than " INT64_FORMAT " bytes", file->size));
	if ((Pointer) data != DatumGetPointer(reader->parts[part]))
		pfree(DatumGetPointer(reader->parts[part]));
	reader->part = data;
	reader->filled += length;
	*bytes = (const uint8 *) VARDATA_ANY(data);
	*size = (size_t) length;
	AddSha256(reader->sha256, *bytes, *size);
	return true;
}

uint8 *
ReadRegistryFile(RegistryReader *reader)
{
	uint8 *file = AllocateLarge((size_t) reader->file.size);
	size_t filled = 0, size;
	const uint8 *bytes;

	for (; NextRegistryBytes(reader, &bytes, &size); filled += size)
		memcpy(file + filled, bytes, size);
	return file;
}

/* ---- SHA-256 ---------------------------------------------------------------------------------- */

struct Sha256Stream
{
#if PG_VERSION_NUM >= 140000
	pg_cryptohash_ctx *context;
#else
	pg_sha256_ctx context;
#endif
};

#if PG_VERSION_NUM >= 140000
static void
CheckSha256(bool good)
{
	if (!good)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute a SHA-256")));
}
#endif

Sha256Stream *
BeginSha256(void)
{
	Sha256Stream *stream = palloc(sizeof(Sha256Stream));

#if PG_VERSION_NUM >= 140000
	stream->context = pg_cryptohash_create(PG_SHA256);
	CheckSha256(stream->context != NULL && pg_cryptohash_init(stream->context) >= 0);
#else
	pg_sha256_init(&stream->context);
#endif
	return stream;
}

void
AddSha256(Sha256Stream *stream, const uint8 *bytes, size_t size)
{
#if PG_VERSION_NUM >= 140000
	CheckSha256(pg_cryptohash_update(stream->context, bytes, size) >= 0);
#else
	pg_sha256_update(&stream->context, bytes, size);
#endif
}

void
EndSha256(Sha256Stream *stream, uint8 digest[SHA256_BYTES])
{
#if PG_VERSION_NUM >= 140000
	CheckSha256(pg_cryptohash_final(stream->context, digest, SHA256_BYTES) >= 0);
	pg_cryptohash_free(stream->context);
#else
	pg_sha256_final(&stream->context, digest);
#endif
	pfree(stream);
}

void
Sha256(const uint8 *bytes, size_t size, uint8 digest[SHA256_BYTES])
{
	Sha256Stream *stream = BeginSha256();

	AddSha256(stream, bytes, size);
	EndSha256(stream, digest);
}
