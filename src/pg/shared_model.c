/*
 * shared_model.c
 *	  Making, mapping and removing the files of shared models.
 *
 * A file is made under a name of its maker's and renamed when it is whole; makers may race, the
 * last one wins with the same bytes. Its blocks are allocated before it is mapped to be filled, so that
 * a full disk is an error there and not a signal later.
 */
#include "postgres.h"

#include "shared_model.h"
#include "glue.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/procarray.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../model/model_image.h"
#include "../model/model_stream.h"
#include "../model/safetensors.h"

#if PG_VERSION_NUM < 140000
#define ROLE_PG_MONITOR DEFAULT_ROLE_MONITOR
#endif

PG_FUNCTION_INFO_V1(emotion_shared_models);

StaticAssertDecl(MODEL_SOURCE_BYTES == SHA256_BYTES, "an image is named by the SHA-256 of a file");

#define FILE_PREFIX "emotion_model."
#define FILE_SUFFIX ".tmp" /* of one that is being made */
#define HEX_BYTES (2 * SHA256_BYTES)

/* A file that nobody has opened for so long is removed; use is written down once an hour. */
#define UNUSED_SECONDS (7 * 24 * 60 * 60)
#define TOUCH_SECONDS (60 * 60)

#ifndef MAP_POPULATE
#define MAP_POPULATE 0
#endif
#ifndef O_NOFOLLOW
#define O_NOFOLLOW 0
#endif

static void RemoveUnused(void);

/* Hashes of the models that this transaction deletes. */
static List *forgotten = NIL;

/* ---- names ------------------------------------------------------------------------------------ */

static void
MakePath(char path[MAXPGPATH], const uint8 sha256[SHA256_BYTES])
{
	char hex[HEX_BYTES + 1];

	(void) hex_encode((const char *) sha256, SHA256_BYTES, hex);
	hex[HEX_BYTES] = '\0';
	snprintf(path, MAXPGPATH, PG_STAT_TMP_DIR "/" FILE_PREFIX "%s.%08x", hex, model_image_kind());
}

/*
 * Whether it is a name of ours: *hex is where its hash stands, *kind that of the image, *maker the
 * process that is making it, or 0 when it is whole.
 */
static bool
ParseName(const char *name, const char **hex, unsigned int *kind, int *maker)
{
	int length = 0;

	if (strncmp(name, FILE_PREFIX, strlen(FILE_PREFIX)) != 0)
		return false;
	*hex = name + strlen(FILE_PREFIX);
	if (strspn(*hex, "0123456789abcdef") != HEX_BYTES)
		return false;
	name = *hex + HEX_BYTES;
	*maker = 0;
	if (sscanf(name, ".%8x%n", kind, &length) != 1)
		return false;
	name += length;
	return *name == '\0' || (sscanf(name, ".%d%n", maker, &length) == 1 && *maker > 0 &&
							 strcmp(name + length, FILE_SUFFIX) == 0);
}

/* ---- opening ------------------------------------------------------------------------------------ */

typedef struct Mapping
{
	MemoryContextCallback callback;
	void *address;
	size_t size;
} Mapping;

static void
Unmap(void *argument)
{
	Mapping *mapping = argument;

	if (mapping->address != MAP_FAILED)
		(void) munmap(mapping->address, mapping->size);
	mapping->address = MAP_FAILED;
}

/* Map a file of ours; false when there is none, or, which is logged, when it cannot be or is not ours. */
static bool
MapFile(const char *path, Mapping *mapping)
{
	struct stat found;
	int file = OpenTransientFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	int error = 0;

	mapping->address = MAP_FAILED;
	if (file < 0)
	{
		if (errno != ENOENT)
			ereport(LOG,
					(errcode_for_file_access(), errmsg("could not open file \"%s\": %m", path)));
		return false;
	}
	if (fstat(file, &found) != 0)
		error = errno;
	else if (!S_ISREG(found.st_mode) || found.st_uid != geteuid() ||
			 (found.st_mode & (S_IWGRP | S_IWOTH)) != 0 || found.st_size <= 0)
		ereport(LOG, (errmsg("file \"%s\" is not as the extension made it", path)));
	else
	{
		mapping->size = (size_t) found.st_size;
		mapping->address = mmap(NULL, mapping->size, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
		error = mapping->address == MAP_FAILED ? errno : 0;
		if (error == 0 && found.st_mtime < time(NULL) - TOUCH_SECONDS)
			(void) futimens(file, NULL);
	}
	(void) CloseTransientFile(file);
	if (error != 0)
	{
		errno = error;
		ereport(LOG, (errcode_for_file_access(), errmsg("could not map file \"%s\": %m", path)));
	}
	return mapping->address != MAP_FAILED;
}

model *
OpenSharedModel(const ModelRow *row, MemoryContext context)
{
	Mapping *mapping = MemoryContextAllocZero(context, sizeof(Mapping));
	static bool cleaned = false;
	em_status status = { EM_OK, "", "" };
	char path[MAXPGPATH];
	model *opened;

	/* after a crash nobody else may make a file for long */
	if (!cleaned)
		RemoveUnused();
	cleaned = true;
	MakePath(path, row->sha256);
	if (!MapFile(path, mapping))
		return NULL;
	mapping->callback.func = Unmap;
	mapping->callback.arg = mapping;
	MemoryContextRegisterResetCallback(context, &mapping->callback);
	if (model_image_open(ContextAllocator(context), mapping->address, mapping->size, row->sha256,
						 &opened, &status) == EM_OK)
		return opened;
	if (status.code == EM_OUT_OF_MEMORY)
		ReportStatus(&status);
	Unmap(mapping);
	ereport(LOG, (errcode(ERRCODE_DATA_CORRUPTED),
				  errmsg("file \"%s\" is made again: %s", path, status.message)));
	return NULL;
}

/* ---- removing ------------------------------------------------------------------------------------ */

/* Remove what makers that are gone left, what another version of the library made, and what nobody used for long. */
static void
RemoveUnused(void)
{
	DIR *directory = AllocateDir(PG_STAT_TMP_DIR);
	struct dirent *entry;

	if (directory == NULL)
		return; /* as making a file there will say */
	while ((entry = ReadDirExtended(directory, PG_STAT_TMP_DIR, LOG)) != NULL)
	{
		char path[MAXPGPATH];
		const char *hex;
		struct stat found;
		unsigned int kind;
		int maker;
		bool unused;

		if (!ParseName(entry->d_name, &hex, &kind, &maker))
			continue;
		snprintf(path, MAXPGPATH, PG_STAT_TMP_DIR "/%s", entry->d_name);
		if (maker != 0)
			unused = maker == MyProcPid || BackendPidGetProc(maker) == NULL;
		else
			unused = kind != model_image_kind() ||
					 (lstat(path, &found) == 0 && found.st_mtime < time(NULL) - UNUSED_SECONDS);
		if (unused)
			(void) unlink(path);
	}
	FreeDir(directory);
}

static void
ForgetAtEnd(XactEvent event, void *argument)
{
	ListCell *cell;

	(void) argument;
	if (forgotten == NIL)
		return;
	/* at the commit: somebody may have made it again; before: nobody comes back from a crash to do it */
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE ||
		event == XACT_EVENT_COMMIT)
	{
		foreach (cell, forgotten)
		{
			char path[MAXPGPATH];

			MakePath(path, lfirst(cell));
			(void) unlink(path);
		}
	}
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		forgotten = NIL; /* its memory goes with the transaction */
}

void
ForgetSharedModel(const uint8 sha256[SHA256_BYTES])
{
	static bool registered = false;
	MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);

	if (!registered)
		RegisterXactCallback(ForgetAtEnd, NULL);
	registered = true;
	forgotten = lappend(forgotten, memcpy(palloc(SHA256_BYTES), sha256, SHA256_BYTES));
	MemoryContextSwitchTo(caller);
}

/* ---- making --------------------------------------------------------------------------------------- */

/* The system's error for what was tried with a file, once a session. */
static bool
CannotShare(const ModelRow *row, const char *tried, const char *path)
{
	static bool said = false;
	int error = errno;

	if (!said)
	{
		errno = error;
		ereport(LOG,
				(errcode_for_file_access(), errmsg("could not %s file \"%s\": %m", tried, path),
				 errdetail("This session keeps a copy of its own of the model \"%s@%d\".",
						   row->reference.name, row->reference.version)));
	}
	said = true;
	return false;
}

/* Blocks for so many bytes; errno says why not. */
static bool
TakeBlocks(int file, size_t size)
{
#ifdef HAVE_POSIX_FALLOCATE
	int error;

	do
	{
		error = posix_fallocate(file, 0, (off_t) size);
	} while (error == EINTR);
	errno = error;
	return error == 0;
#else
	static const char zeros[64 * 1024];

	while (size > 0)
	{
		ssize_t written = write(file, zeros, Min(size, sizeof(zeros)));

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
		{
			errno = written < 0 ? errno : ENOSPC;
			return false;
		}
		size -= (size_t) written;
	}
	return true;
#endif
}

/* An image that is being made: a file mapped, or memory of our own. */
typedef struct NewImage
{
	MemoryContextCallback callback;
	const ModelRow *row;
	char made[MAXPGPATH + 32]; /* the file's name until it is whole; empty: memory */
	uint8 *bytes;
	size_t size;
} NewImage;

/* What is left of it goes with the context. */
static void
ForgetImage(void *argument)
{
	NewImage *image = argument;

	if (image->made[0] == '\0')
		return;
	(void) munmap(image->bytes, image->size);
	(void) unlink(image->made);
	image->made[0] = '\0';
}

/* Whether a file of that size is there, and mapped. */
static bool
MapNewFile(NewImage *image)
{
	char path[MAXPGPATH];
	char made[MAXPGPATH + 32];
	const char *tried = NULL;
	void *address = MAP_FAILED;
	int file, error;

	RemoveUnused(); /* what an earlier process of our number left under our name, too */
	MakePath(path, image->row->sha256);
	snprintf(made, sizeof(made), "%s.%d" FILE_SUFFIX, path, MyProcPid);
	file = OpenTransientFilePerm(made, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, S_IRUSR | S_IWUSR);
	if (file < 0)
		return CannotShare(image->row, "create", made);
	if (!TakeBlocks(file, image->size))
		tried = "write";
	else
	{
		address = mmap(NULL, image->size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
		tried = address == MAP_FAILED ? "map" : NULL;
	}
	error = errno;
	(void) CloseTransientFile(file);
	if (tried != NULL)
	{
		errno = error;
		(void) CannotShare(image->row, tried, made);
		(void) unlink(made);
		return false;
	}
	image->bytes = address;
	strlcpy(image->made, made, sizeof(image->made));
	return true;
}

/* Room for an image, until `context` goes; zeroed. */
static NewImage *
BeginImage(const ModelRow *row, size_t size, MemoryContext context)
{
	NewImage *image = MemoryContextAllocZero(context, sizeof(NewImage));

	image->row = row;
	image->size = size;
	image->callback.func = ForgetImage;
	image->callback.arg = image;
	MemoryContextRegisterResetCallback(context, &image->callback);
	/* if we commit, who comes next makes the file; if not, nobody would claim it */
	if (row->uncommitted || !MapNewFile(image))
	{
		image->bytes = MemoryContextAllocHuge(context, size + MODEL_IMAGE_ALIGNMENT);
		image->bytes = (uint8 *) TYPEALIGN(MODEL_IMAGE_ALIGNMENT, image->bytes);
	}
	return image;
}

/*
 * The model of an image that is whole, in `own`: its file gets its name, and what is mapped of it stays
 * so until `context` goes.
 */
static model *
EndImage(NewImage *image, MemoryContext own, MemoryContext context)
{
	em_status status = { EM_OK, "", "" };
	char path[MAXPGPATH];
	model *opened;

	Check(model_image_open(ContextAllocator(context), image->bytes, image->size, image->row->sha256,
						   &opened, &status),
		  &status);
	if (image->made[0] != '\0')
	{
		Mapping *mapping = MemoryContextAllocZero(context, sizeof(Mapping));

		MakePath(path, image->row->sha256);
		if (rename(image->made, path) != 0)
		{
			(void) CannotShare(image->row, "rename", image->made);
			(void) unlink(image->made);
		}
		(void) mprotect(image->bytes, image->size, PROT_READ);
		mapping->address = image->bytes;
		mapping->size = image->size;
		mapping->callback.func = Unmap;
		mapping->callback.arg = mapping;
		MemoryContextRegisterResetCallback(context, &mapping->callback);
		image->made[0] = '\0';
		MemoryContextDelete(own);
	}
	return opened;
}

/* Of a model that has to be read as a whole, of which `filled` bytes are there. */
static NewImage *
ImageOfWhole(const ModelRow *row, RegistryReader *reader, uint8 *bytes, size_t filled,
			 MemoryContext own)
{
	em_status status = { EM_OK, "", "" };
	const uint8 *piece;
	NewImage *image;
	size_t size;
	model *source;

	for (; NextRegistryBytes(reader, &piece, &size); filled += size)
		memcpy(bytes + filled, piece, size);
	Check(model_read_in_place(ContextAllocator(CurrentMemoryContext), bytes, (size_t) row->size,
							  &source, &status),
		  &status);
	image = BeginImage(row, model_image_write(source, row->sha256, NULL), own);
	(void) model_image_write(source, row->sha256, image->bytes);
	model_free(source);
	return image;
}

/* Of one that comes piece by piece, from behind its header on. */
static NewImage *
ImageOfStream(const ModelRow *row, RegistryReader *reader, model_stream *stream, const uint8 *bytes,
			  size_t filled, MemoryContext own)
{
	em_status status = { EM_OK, "", "" };
	NewImage *image = BeginImage(row, model_stream_size(stream), own);
	uint64_t header;

	Check(model_stream_begin(stream, image->bytes, &status), &status);
	Check(safetensors_header_length(bytes, (uint64_t) row->size, &header, &status), &status);
	header += SAFETENSORS_LENGTH_BYTES;
	Check(model_stream_put(stream, bytes + header, filled - (size_t) header, &status), &status);
	while (NextRegistryBytes(reader, &bytes, &filled))
		Check(model_stream_put(stream, bytes, filled, &status), &status);
	Check(model_stream_end(stream, &status), &status);
	model_stream_close(stream);
	return image;
}

/* Pieces of the file until its header is whole; returns their bytes. */
static size_t
ReadHeader(const ModelRow *row, RegistryReader *reader, uint8 *bytes)
{
	em_status status = { EM_OK, "", "" };
	uint64_t wanted = Min((uint64_t) row->size, SAFETENSORS_LENGTH_BYTES);
	size_t filled = 0, size;
	const uint8 *piece;

	while (filled < wanted && NextRegistryBytes(reader, &piece, &size))
	{
		bool known = filled >= SAFETENSORS_LENGTH_BYTES;

		memcpy(bytes + filled, piece, size);
		filled += size;
		if (known || filled < SAFETENSORS_LENGTH_BYTES)
			continue;
		Check(safetensors_header_length(bytes, (uint64_t) row->size, &wanted, &status), &status);
		wanted += SAFETENSORS_LENGTH_BYTES;
	}
	return filled;
}

model *
MakeSharedModel(const ModelRow *row, Snapshot snapshot, MemoryContext context)
{
	em_status status = { EM_OK, "", "" };
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext own = AllocSetContextCreate(context, "emotion model image", ALLOCSET_SMALL_SIZES);
	MemoryContext reading =
		AllocSetContextCreate(caller, "emotion model file", ALLOCSET_DEFAULT_SIZES);
	RegistryReader *reader;
	model_stream *stream;
	NewImage *image;
	uint8 *bytes;
	size_t filled;

	MemoryContextSwitchTo(reading);
	reader = BeginModelBytes(row, snapshot);
	/* of a stream no more than the header is touched, and so in memory */
	bytes = MemoryContextAllocHuge(reading, (Size) row->size);
	filled = ReadHeader(row, reader, bytes);
	Check(model_stream_open(ContextAllocator(reading), bytes, filled, (uint64_t) row->size,
							row->sha256, &stream, &status),
		  &status);
	image = stream != NULL ? ImageOfStream(row, reader, stream, bytes, filled, own)
						   : ImageOfWhole(row, reader, bytes, filled, own);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(reading);
	return EndImage(image, own, context);
}

/* ---- looking at them --------------------------------------------------------------------------------- */

Datum
emotion_shared_models(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info;
	DIR *directory;
	struct dirent *entry;

	/* They are of all databases; a hint needs more than the privileges of a view. */
	if (!has_privs_of_role(GetUserId(), ROLE_PG_MONITOR))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied to list the shared copies of models"),
						errhint("Members of pg_monitor may: GRANT pg_monitor TO %s.",
								quote_identifier(GetUserNameFromId(GetUserId(), false)))));
	info = BeginSet(fcinfo);
	directory = AllocateDir(PG_STAT_TMP_DIR);
	while ((entry = ReadDirExtended(directory, PG_STAT_TMP_DIR, LOG)) != NULL)
	{
		char path[MAXPGPATH];
		const char *hex;
		struct stat found;
		unsigned int kind;
		int maker;
		Datum values[3];
		bool nulls[3] = { false, false, false };

		snprintf(path, MAXPGPATH, PG_STAT_TMP_DIR "/%s", entry->d_name);
		if (!ParseName(entry->d_name, &hex, &kind, &maker) || maker != 0 ||
			lstat(path, &found) != 0)
			continue;
		values[0] = PointerGetDatum(cstring_to_text_with_len(hex, HEX_BYTES));
		values[1] = Int64GetDatum((int64) found.st_size);
		values[2] = TimestampTzGetDatum(time_t_to_timestamptz(found.st_mtime));
		tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
	}
	if (directory != NULL)
		FreeDir(directory);
	return (Datum) 0;
}
