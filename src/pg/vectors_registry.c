/*
 * vectors_registry.c
 *	  The catalog of word vectors: reading, publishing, dropping, and what its triggers enforce.
 */
#include "postgres.h"

#include "vectors_registry.h"

#include "access/relation.h"
#include "access/stratnum.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include <string.h>

#include "glue.h"
#include "vectors_log.h"

PG_FUNCTION_INFO_V1(emotion_drop_vectors);
PG_FUNCTION_INFO_V1(emotion_check_vectors_part_delete);
PG_FUNCTION_INFO_V1(emotion_delete_vectors_parts);

/* The columns that are read here, in the order of sql/emotion/65-vectors.sql. */
enum
{
	VECTORS_NAME = 1,
	VECTORS_SHA256,
	VECTORS_SIZE,
	VECTORS_PARTS
};
static const Oid vectors_types[] = { TEXTOID, BYTEAOID, INT8OID, INT4OID, InvalidOid };

enum
{
	PART_NAME = 1,
	PART_PART,
	PART_DATA
};
static const Oid part_types[] = { TEXTOID, INT4OID, BYTEAOID, InvalidOid };

/* ---- reading ------------------------------------------------------------------------- */

static void
CheckVectorsName(const char *name)
{
	if (!IsModelName(name, strlen(name)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid name of word vectors \"%s\"", name),
				 errhint("A name is up to 63 lower-case letters, digits, _ and -, and begins "
						 "with a letter or _.")));
}

static SysScanDesc
ScanByName(Relation relation, const char *name, Snapshot snapshot)
{
	ScanKeyData key;
	Oid index = PrimaryKeyOf(relation);

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(name));
	return systable_beginscan(relation, index, OidIsValid(index), snapshot, 1, &key);
}

bool
FindVectors(const char *name, Snapshot snapshot, VectorsRow *row)
{
	Relation relation = OpenRegistry("vectors", vectors_types);
	SysScanDesc scan = ScanByName(relation, name, snapshot);
	HeapTuple tuple = systable_getnext(scan);
	bool found = HeapTupleIsValid(tuple);

	if (found)
	{
		bytea *digest = DatumGetByteaPP(RegistryColumn(tuple, relation, VECTORS_SHA256));

		if (VARSIZE_ANY_EXHDR(digest) != SHA256_BYTES)
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
							errmsg("the SHA-256 of word vectors \"%s\" has %d bytes", name,
								   (int) VARSIZE_ANY_EXHDR(digest))));
		memcpy(row->sha256, VARDATA_ANY(digest), SHA256_BYTES);
		row->size = DatumGetInt64(RegistryColumn(tuple, relation, VECTORS_SIZE));
		row->parts = DatumGetInt32(RegistryColumn(tuple, relation, VECTORS_PARTS));
	}
	systable_endscan(scan);
	relation_close(relation, NoLock);
	return found;
}

VectorsRow
GetVectors(const char *name)
{
	VectorsRow row;

	if (!FindVectors(name, RegistrySnapshot(), &row))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("word vectors \"%s\" do not exist", name),
						errhint("emotion_vectors lists the word vectors; emotion_import_vectors "
								"imports some.")));
	return row;
}

vectors *
ReadVectors(const em_allocator *allocator, const char *name, const VectorsRow *row)
{
	em_status status = { EM_OK, "", "" };
	RegistryFile file = {
		.subject = psprintf("file of word vectors \"%s\"", name),
		.hint = "Drop them with emotion_drop_vectors and import them again.",
		.size = row->size,
		.parts = row->parts,
		.sha256 = row->sha256,
	};
	Relation relation = OpenRegistry("vectors_part", part_types);
	SysScanDesc scan = ScanByName(relation, name, RegistrySnapshot());
	uint8 *bytes = ReadRegistryFile(&file, relation, scan, PART_PART, PART_DATA);
	vectors *read;

	systable_endscan(scan);
	relation_close(relation, NoLock);
	Check(vectors_read(allocator, bytes, (size_t) row->size, &read, &status), &status);
	pfree(bytes);
	return read;
}

vectors *
LoadVectors(const em_allocator *allocator, const char *name)
{
	VectorsRow row = GetVectors(name);

	return ReadVectors(allocator, name, &row);
}

/* ---- publishing ---------------------------------------------------------------------- */

/* As committed by now, and by this transaction. */
static void
CheckNoVectors(const char *name)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	VectorsRow row;
	bool found = FindVectors(name, snapshot, &row);

	UnregisterSnapshot(snapshot);
	if (found)
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
						errmsg("word vectors \"%s\" already exist", name),
						errhint("They never change: choose another name, or drop them first with "
								"emotion_drop_vectors.")));
}

void
CheckVectorsPublishable(const char *name)
{
	static const char *const tables[] = { "vectors", "vectors_part" };

	CheckVectorsName(name);
	for (int i = 0; i < (int) lengthof(tables); i++)
	{
		Oid oid = RegistryRelation(tables[i]);

		if (OidIsValid(oid) && pg_class_aclcheck(oid, GetUserId(), ACL_INSERT) != ACLCHECK_OK)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied for table %s", tables[i]),
					 errhint("Publishing word vectors takes GRANT INSERT ON emotion.vectors, "
							 "emotion.vectors_part TO %s.",
							 quote_identifier(GetUserNameFromId(GetUserId(), false)))));
	}
	CheckNoVectors(name);
}

static void
Execute(const char *command, int count, Oid *types, Datum *values, const char *nulls, int expected)
{
	int result = SPI_execute_with_args(command, count, types, values, nulls, false, 0);

	if (result != expected)
		elog(ERROR, "registry: %s returned %s", command, SPI_result_code_string(result));
}

static void
InsertVectors(const char *name, const vectors *vectors, const char *source, Jsonb *arguments,
			  const VectorsRow *row)
{
	enum
	{
		COLUMNS = 12
	};
	Oid types[COLUMNS] = { TEXTOID, BYTEAOID, INT8OID, INT4OID, INT4OID, INT8OID,
						   INT8OID, INT8OID,  INT4OID, INT4OID, TEXTOID, JSONBOID };
	Datum values[COLUMNS];
	char nulls[COLUMNS + 1];
	bytea *digest = palloc(VARHDRSZ + SHA256_BYTES);

	SET_VARSIZE(digest, VARHDRSZ + SHA256_BYTES);
	memcpy(VARDATA(digest), row->sha256, SHA256_BYTES);
	memset(nulls, ' ', COLUMNS);
	nulls[COLUMNS] = '\0';
	if (arguments == NULL)
		nulls[COLUMNS - 1] = 'n';
	values[0] = CStringGetTextDatum(name);
	values[1] = PointerGetDatum(digest);
	values[2] = Int64GetDatum(row->size);
	values[3] = Int32GetDatum(row->parts);
	values[4] = Int32GetDatum((int32) vectors->dim);
	values[5] = Int64GetDatum((int64) vectors->word_count);
	values[6] = Int64GetDatum((int64) vectors->buckets);
	values[7] = Int64GetDatum((int64) vectors->bucket_rows);
	values[8] = Int32GetDatum(vectors->min_n);
	values[9] = Int32GetDatum(vectors->max_n);
	values[10] = CStringGetTextDatum(source);
	values[11] = PointerGetDatum(arguments);
	Execute("INSERT INTO emotion.vectors (name, sha256, size, parts, dim, words, buckets, ngrams,"
			" min_n, max_n, source, arguments)"
			" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
			COLUMNS, types, values, nulls, SPI_OK_INSERT);
}

static void
InsertParts(const char *name, const uint8 *bytes, const VectorsRow *row)
{
	Oid types[3] = { TEXTOID, INT4OID, BYTEAOID };
	Datum values[3];
	bytea *data = palloc(VARHDRSZ + Min(row->size, (int64) MODEL_PART_BYTES));

	values[0] = CStringGetTextDatum(name);
	values[2] = PointerGetDatum(data);
	for (int32 part = 0; part < row->parts; part++)
	{
		int64 start = (int64) part * MODEL_PART_BYTES;
		Size length = (Size) Min(row->size - start, (int64) MODEL_PART_BYTES);

		CHECK_FOR_INTERRUPTS();
		SET_VARSIZE(data, VARHDRSZ + length);
		memcpy(VARDATA(data), bytes + start, length);
		values[1] = Int32GetDatum(part + 1);
		Execute("INSERT INTO emotion.vectors_part (name, part, data) VALUES ($1, $2, $3)", 3, types,
				values, NULL, SPI_OK_INSERT);
	}
}

void
PublishVectors(const char *name, const vectors *vectors, const char *source, Jsonb *arguments)
{
	em_status status = { EM_OK, "", "" };
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	VectorsRow row;
	uint8 *bytes;
	size_t size;

	CheckVectorsPublishable(name);
	context = AllocSetContextCreate(caller, "emotion publish", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	Check(vectors_write(ContextAllocator(context), vectors, &bytes, &size, &status), &status);
	if (size > (size_t) MODEL_MAX_BYTES)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a file of word vectors of %zu bytes is too large", size),
						errhint("The limit is " INT64_FORMAT " bytes: keep fewer words.",
								MODEL_MAX_BYTES)));
	row.size = (int64) size;
	row.parts = (int32) ((size + MODEL_PART_BYTES - 1) / MODEL_PART_BYTES);
	Sha256(bytes, size, row.sha256);

	/* Under the lock, whatever our transaction's snapshot: nobody else takes this name. */
	LockForWriting("vectors", ACL_INSERT);
	CheckNoVectors(name);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	InsertVectors(name, vectors, source, arguments, &row);
	InsertParts(name, bytes, &row);
	SPI_finish();
	CommandCounterIncrement();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

/* ---- dropping ------------------------------------------------------------------------ */

Datum
emotion_drop_vectors(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid types[1] = { TEXTOID };
	Datum values[1] = { CStringGetTextDatum(name) };
	VectorsRow row;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (!FindVectors(name, RegistrySnapshot(), &row) && DiscardVectorsRun(name))
	{
		SPI_finish();
		PG_RETURN_VOID();
	}
	(void) GetVectors(name);
	CheckPrivilege("vectors", ACL_DELETE);
	Execute("DELETE FROM emotion.vectors WHERE name OPERATOR(pg_catalog.=) $1", 1, types, values,
			NULL, SPI_OK_DELETE);
	SPI_finish();
	PG_RETURN_VOID();
}

/* The name in the row of a trigger that fires before or after the deletion of a row. */
static char *
DeletedName(FunctionCallInfo fcinfo, bool before)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc descriptor;
	char *name;

	if (!CALLED_AS_TRIGGER(fcinfo) || TRIGGER_FIRED_BEFORE(trigger->tg_event) != before ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || !TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("this function is called by a trigger %s the deletion of a row only",
							   before ? "before" : "after")));
	descriptor = RelationGetDescr(trigger->tg_relation);
	name = SPI_fnumber(descriptor, "name") > 0
			   ? SPI_getvalue(trigger->tg_trigtuple, descriptor, SPI_fnumber(descriptor, "name"))
			   : NULL;
	if (name == NULL)
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("\"%s\" names no word vectors",
							   RelationGetRelationName(trigger->tg_relation))));
	return name;
}

Datum
emotion_check_vectors_part_delete(PG_FUNCTION_ARGS)
{
	char *name = DeletedName(fcinfo, true);
	VectorsRow row;

	/* SnapshotSelf sees what this very command has done: when parts go along, the row has gone. */
	if (FindVectors(name, SnapshotSelf, &row))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("parts of word vectors \"%s\" cannot be deleted alone", name),
						errhint("emotion_drop_vectors deletes word vectors with their parts.")));
	return PointerGetDatum(((TriggerData *) fcinfo->context)->tg_trigtuple);
}

/* As the table's owner, as foreign keys do it: who deletes vectors need no right to the parts. */
Datum
emotion_delete_vectors_parts(PG_FUNCTION_ARGS)
{
	char *name = DeletedName(fcinfo, false);
	Oid types[1] = { TEXTOID };
	Datum values[1] = { CStringGetTextDatum(name) };
	Relation parts = relation_open(RegistryRelation("vectors_part"), RowExclusiveLock);
	Oid owner = parts->rd_rel->relowner;
	Oid user;
	int security;

	/* Everybody may make triggers on tables of his own, and would act as the owner of ours. */
	if (RelationGetRelid(((TriggerData *) fcinfo->context)->tg_relation) !=
		RegistryRelation("vectors"))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("word vectors are deleted from emotion.vectors only")));
	relation_close(parts, NoLock);
	GetUserIdAndSecContext(&user, &security);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");

	/* An error restores the user, as the transaction ends. */
	SetUserIdAndSecContext(owner,
						   security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	Execute("DELETE FROM emotion.vectors_part WHERE name OPERATOR(pg_catalog.=) $1", 1, types,
			values, NULL, SPI_OK_DELETE);
	SetUserIdAndSecContext(user, security);
	SPI_finish();
	return PointerGetDatum(NULL);
}
