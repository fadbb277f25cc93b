/*
 * registry.c
 *	  Reading the registry by direct scans of its tables.
 */
#include "postgres.h"

#include "registry.h"
#include "access.h"
#include "glue.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/formatting.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include <string.h>

/* The columns that are read here, in the order of sql/emotion/10-registry.sql. */
enum
{
	MODEL_NAME = 1,
	MODEL_VERSION,
	MODEL_SHA256,
	MODEL_SIZE,
	MODEL_PARTS,
	MODEL_BUNDLED
};
static const Oid model_types[] = {
	TEXTOID, INT4OID, BYTEAOID, INT8OID, INT4OID, BOOLOID, InvalidOid
};

enum
{
	DROPPED_NAME = 1,
	DROPPED_VERSION,
	DROPPED_SHA256
};
static const Oid dropped_types[] = { TEXTOID, INT4OID, BYTEAOID, InvalidOid };

enum
{
	PART_NAME = 1,
	PART_VERSION,
	PART_PART,
	PART_DATA
};
static const Oid part_types[] = { TEXTOID, INT4OID, INT4OID, BYTEAOID, InvalidOid };

/* Of a training, its name and the version that it will be published as. */
static const Oid training_types[] = { TEXTOID, INT4OID, InvalidOid };

enum
{
	DEPLOYMENT_ID = 1,
	DEPLOYMENT_NAME,
	DEPLOYMENT_VERSION,
	DEPLOYMENT_BUNDLED,
	DEPLOYMENT_WITHDRAWN_AT
};
static const Oid deployment_types[] = { INT8OID, TEXTOID,        INT4OID,
										BOOLOID, TIMESTAMPTZOID, InvalidOid };

/* ---- references -------------------------------------------------------------------- */

bool
IsModelName(const char *name, size_t length)
{
	if (length == 0 || length >= NAMEDATALEN)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		bool letter = (name[i] >= 'a' && name[i] <= 'z') || name[i] == '_';
		bool later = (name[i] >= '0' && name[i] <= '9') || name[i] == '-';

		if (!letter && !(later && i > 0))
			return false;
	}
	return true;
}

void
CheckModelName(const char *name)
{
	if (!IsModelName(name, strlen(name)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid model name \"%s\"", name),
				 errhint("A name is up to 63 lower-case letters, digits, _ and -, and begins "
						 "with a letter or _.")));
}

/* The version after the '@': digits only, no leading zero; 0 when it is not one. */
static int32
ParseVersion(const char *digits)
{
	int32 version = 0;

	if (*digits == '0' || strlen(digits) > 9)
		return 0;
	for (; *digits != '\0'; digits++)
	{
		if (*digits < '0' || *digits > '9')
			return 0;
		version = version * 10 + (*digits - '0');
	}
	return version;
}

EM_NORETURN_BEFORE static void RefuseReference(const char *reference) EM_NORETURN_AFTER;

/* What is only written in capitals, or with blanks about it, is told how it is written. */
static void
RefuseReference(const char *reference)
{
	char *meant = str_tolower(reference, strlen(reference), C_COLLATION_OID);
	char *at;
	size_t end;

	meant += strspn(meant, " \t\r\n");
	for (end = strlen(meant); end > 0 && strchr(" \t\r\n", meant[end - 1]) != NULL; end--)
		;
	meant[end] = '\0';
	at = strchr(meant, '@');
	if (IsModelName(meant, at != NULL ? (size_t) (at - meant) : end) &&
		(at == NULL || ParseVersion(at + 1) != 0))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid model reference \"%s\"", reference),
						errhint("Models are named in lower case, without blanks: \"%s\".", meant)));
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("invalid model reference \"%s\"", reference),
					errhint("A model is named like \"english@1\"; emotion_models lists them.")));
}

ModelReference
ParseModelReference(const char *reference, bool allow_bare)
{
	const char *at = strchr(reference, '@');
	size_t length = at != NULL ? (size_t) (at - reference) : strlen(reference);
	ModelReference parsed;

	memset(&parsed, 0, sizeof(parsed));
	if (!IsModelName(reference, length) || (at != NULL && ParseVersion(at + 1) == 0))
		RefuseReference(reference);
	memcpy(parsed.name, reference, length);
	if (at != NULL)
		parsed.version = ParseVersion(at + 1);
	else
	{
		int32 latest = LatestModelVersion(parsed.name, RegistrySnapshot());

		if (latest == 0)
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
							errmsg("no model is named \"%s\"", parsed.name),
							errhint("emotion_models lists the models.")));
		if (!allow_bare)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("model reference \"%s\" names no version", reference),
							errhint("Name one: the latest is \"%s@%d\".", parsed.name, latest)));
		parsed.version = latest;
	}
	return parsed;
}

ModelReference
ParseModelReferenceText(const text *reference, bool allow_bare)
{
	return ParseModelReference(text_to_cstring(reference), allow_bare);
}

char *
ModelReferenceString(const ModelReference *reference)
{
	return psprintf("%s@%d", reference->name, reference->version);
}

/* ---- opening ----------------------------------------------------------------------- */

Snapshot
RegistrySnapshot(void)
{
	return ActiveSnapshotSet() ? GetActiveSnapshot() : GetTransactionSnapshot();
}

Oid
RegistryRelation(const char *name)
{
	Oid namespace = get_namespace_oid("emotion", true);

	return OidIsValid(namespace) ? get_relname_relid(name, namespace) : InvalidOid;
}

/*
 * Open a table of the extension for a direct scan. Its owner may have altered it: what we
 * then read must still be what we take it for. The policies of one that has any are none of ours.
 */
Relation
OpenOwnTable(const char *name, const Oid *types)
{
	Oid oid = RegistryRelation(name);
	Relation relation;

	if (!OidIsValid(oid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation \"emotion.%s\" does not exist", name),
						errhint("Install the extension again: CREATE EXTENSION emotion.")));
	relation = relation_open(oid, AccessShareLock);
	if (relation->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("\"emotion.%s\" is not an ordinary table", name)));
	if (check_enable_rls(oid, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("row-level security on \"emotion.%s\" applies to this role", name),
				 errdetail("The registry is read without policies, so it is not read at all."),
				 errhint("emotion_revoke and emotion_grant say who may use which model.")));
	for (int i = 0; OidIsValid(types[i]); i++)
	{
		TupleDesc descriptor = RelationGetDescr(relation);

		if (i >= descriptor->natts || TupleDescAttr(descriptor, i)->attisdropped ||
			TupleDescAttr(descriptor, i)->atttypid != types[i])
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
							errmsg("column %d of \"emotion.%s\" is not as the extension made it",
								   i + 1, name)));
	}
	return relation;
}

Relation
OpenRegistry(const char *name, const Oid *types)
{
	Relation relation = OpenOwnTable(name, types);
	Oid oid = RelationGetRelid(relation);

	/* Everybody may read some columns of models and of vectors; what is read here are some of those. */
	if (pg_class_aclcheck(oid, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
		((strcmp(name, "model") != 0 && strcmp(name, "vectors") != 0) ||
		 pg_attribute_aclcheck_all(oid, GetUserId(), ACL_SELECT, ACLMASK_ANY) != ACLCHECK_OK))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, name);
	return relation;
}

Oid
PrimaryKeyOf(Relation relation)
{
#if PG_VERSION_NUM >= 180000
	return RelationGetPrimaryKeyIndex(relation, false);
#else
	return RelationGetPrimaryKeyIndex(relation);
#endif
}

Datum
RegistryColumn(HeapTuple tuple, Relation relation, int number)
{
	bool isnull;
	Datum value = heap_getattr(tuple, number, RelationGetDescr(relation), &isnull);

	if (isnull)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("column %d of \"emotion.%s\" is null", number,
							   RelationGetRelationName(relation))));
	return value;
}

/* Begin a scan of the rows of a name, and of one version of it unless that is 0. */
static SysScanDesc
ScanByName(Relation relation, const char *name, int32 version, Snapshot snapshot)
{
	ScanKeyData keys[2];
	Oid index = PrimaryKeyOf(relation);

	/* Name and version are columns 1 and 2 of the tables that are scanned so. */
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(name));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(version));
	return systable_beginscan(relation, index, OidIsValid(index), snapshot, version == 0 ? 1 : 2,
							  keys);
}

/* ---- reading ----------------------------------------------------------------------- */

bool
FindModel(const ModelReference *reference, Snapshot snapshot, ModelRow *row)
{
	Relation relation = OpenRegistry("model", model_types);
	SysScanDesc scan = ScanByName(relation, reference->name, reference->version, snapshot);
	HeapTuple tuple = systable_getnext(scan);
	bool found = HeapTupleIsValid(tuple);

	if (found)
	{
		bytea *digest = DatumGetByteaPP(RegistryColumn(tuple, relation, MODEL_SHA256));

		if (VARSIZE_ANY_EXHDR(digest) != SHA256_BYTES)
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
							errmsg("the SHA-256 of model \"%s@%d\" has %d bytes", reference->name,
								   reference->version, (int) VARSIZE_ANY_EXHDR(digest))));
		memset(row, 0, sizeof(*row));
		row->reference = *reference;
		memcpy(row->sha256, VARDATA_ANY(digest), SHA256_BYTES);
		row->size = DatumGetInt64(RegistryColumn(tuple, relation, MODEL_SIZE));
		row->parts = DatumGetInt32(RegistryColumn(tuple, relation, MODEL_PARTS));
		row->bundled = DatumGetBool(RegistryColumn(tuple, relation, MODEL_BUNDLED));
		row->uncommitted =
			TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
	}
	systable_endscan(scan);
	relation_close(relation, NoLock);
	return found;
}

ModelRow
GetModel(const ModelReference *reference)
{
	Snapshot snapshot = RegistrySnapshot();
	ModelRow row;
	int32 latest;

	CheckModelUsable(reference->name);
	if (FindModel(reference, snapshot, &row))
		return row;
	latest = LatestModelVersion(reference->name, snapshot);
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
					errmsg("model \"%s@%d\" does not exist", reference->name, reference->version),
					latest == 0 ? errhint("emotion_models lists the models.")
								: errhint("The latest version of that name is \"%s@%d\".",
										  reference->name, latest)));
}

/* The highest version of a name in a table, closed here, whose columns 1 and 2 are name and version. */
static int32
HighestVersion(Relation relation, const char *name, Snapshot snapshot)
{
	SysScanDesc scan = ScanByName(relation, name, 0, snapshot);
	HeapTuple tuple;
	int32 highest = 0;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		highest = Max(highest, DatumGetInt32(RegistryColumn(tuple, relation, 2)));
	systable_endscan(scan);
	relation_close(relation, NoLock);
	return highest;
}

int32
LatestModelVersion(const char *name, Snapshot snapshot)
{
	return HighestVersion(OpenRegistry("model", model_types), name, snapshot);
}

int32
LastUsedModelVersion(const char *name)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	Relation relations[] = { OpenRegistry("model", model_types),
							 OpenRegistry("dropped_model", dropped_types),
							 OpenOwnTable("training_run", training_types) };
	int32 last = 0;

	for (size_t i = 0; i < lengthof(relations); i++) /* Max takes its arguments twice */
	{
		int32 version = HighestVersion(relations[i], name, snapshot);

		last = Max(last, version);
	}
	UnregisterSnapshot(snapshot);
	return last;
}

bool
HasBundledModel(const char *name, Snapshot snapshot)
{
	Relation relation = OpenRegistry("model", model_types);
	SysScanDesc scan = ScanByName(relation, name, 0, snapshot);
	HeapTuple tuple;
	bool found = false;

	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
		found = DatumGetBool(RegistryColumn(tuple, relation, MODEL_BUNDLED));
	systable_endscan(scan);
	relation_close(relation, NoLock);
	return found;
}

bool
FindDropped(const ModelReference *reference, const uint8 sha256[SHA256_BYTES], bool *same)
{
	Relation relation = OpenRegistry("dropped_model", dropped_types);
	SysScanDesc scan = ScanByName(relation, reference->name, reference->version, SnapshotSelf);
	HeapTuple tuple = systable_getnext(scan);
	bool found = HeapTupleIsValid(tuple);

	if (found)
	{
		bytea *digest = DatumGetByteaPP(RegistryColumn(tuple, relation, DROPPED_SHA256));

		*same = VARSIZE_ANY_EXHDR(digest) == SHA256_BYTES &&
				memcmp(VARDATA_ANY(digest), sha256, SHA256_BYTES) == 0;
	}
	systable_endscan(scan);
	relation_close(relation, NoLock);
	return found;
}

void
CheckNotDropped(const ModelReference *reference, const uint8 sha256[SHA256_BYTES])
{
	bool same;

	if (FindDropped(reference, sha256, &same) && !same)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("\"%s@%d\" was another model, which was dropped", reference->name,
							   reference->version),
						errdetail("An index or a column may still hold what that one answered."),
						errhint("Publish it as another version; the last one used is \"%s@%d\".",
								reference->name, LastUsedModelVersion(reference->name))));
}

bool
FindDeployed(Snapshot snapshot, ModelReference *reference)
{
	Relation relation = OpenRegistry("deployment", deployment_types);
	Oid index = PrimaryKeyOf(relation);
	SysScanDesc scan = systable_beginscan(relation, index, false, snapshot, 0, NULL);
	HeapTuple tuple;
	bool found = false;
	int64 newest = 0;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		int64 id = DatumGetInt64(RegistryColumn(tuple, relation, DEPLOYMENT_ID));
		char *name;

		if (!heap_attisnull(tuple, DEPLOYMENT_WITHDRAWN_AT, RelationGetDescr(relation)) ||
			(found && id <= newest))
			continue;
		name = TextDatumGetCString(RegistryColumn(tuple, relation, DEPLOYMENT_NAME));
		CheckModelName(name);
		newest = id;
		found = true;
		memset(reference, 0, sizeof(*reference));
		strlcpy(reference->name, name, NAMEDATALEN);
		reference->version = DatumGetInt32(RegistryColumn(tuple, relation, DEPLOYMENT_VERSION));
		pfree(name);
	}
	systable_endscan(scan);
	relation_close(relation, NoLock);
	return found;
}

int64
NewestDeployment(Snapshot snapshot)
{
	Relation relation = OpenRegistry("deployment", deployment_types);
	SysScanDesc scan =
		systable_beginscan(relation, PrimaryKeyOf(relation), false, snapshot, 0, NULL);
	HeapTuple tuple;
	int64 newest = PG_INT64_MIN;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		newest = Max(newest, DatumGetInt64(RegistryColumn(tuple, relation, DEPLOYMENT_ID)));
	systable_endscan(scan);
	relation_close(relation, NoLock);
	return newest;
}

RegistryReader *
BeginModelBytes(const ModelRow *row, Snapshot snapshot)
{
	const RegistryFile file = {
		.subject = psprintf("model \"%s@%d\"", row->reference.name, row->reference.version),
		.hint = "Import it again under another version.",
		.size = row->size,
		.parts = row->parts,
		.sha256 = row->sha256,
	};
	Relation relation = OpenOwnTable("model_part", part_types);
	SysScanDesc scan = ScanByName(relation, row->reference.name, row->reference.version, snapshot);
	RegistryReader *reader = BeginRegistryFile(&file, relation, scan, PART_PART, PART_DATA);

	systable_endscan(scan);
	relation_close(relation, NoLock);
	return reader;
}

uint8 *
ReadModelBytes(const ModelRow *row, Snapshot snapshot)
{
	return ReadRegistryFile(BeginModelBytes(row, snapshot));
}
