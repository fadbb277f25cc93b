/*
 * publish.c
 *	  Writing the registry: publish, deploy, roll back, drop.
 *
 * By queries, with the privileges of the caller and every name qualified.
 * Publishers wait for one another on emotion.model, deployments on emotion.deployment;
 * readers wait for nobody.
 */
#include "postgres.h"

#include "access.h"
#include "cache.h"
#include "glue.h"
#include "registry.h"
#include "train_log.h"

#include "../model/encoder_model.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include <string.h>

PG_FUNCTION_INFO_V1(emotion_deploy);
PG_FUNCTION_INFO_V1(emotion_rollback);
PG_FUNCTION_INFO_V1(emotion_drop_model);

/* Bundled models are deployed from this id on: below 1, which is where users begin. */
#define FIRST_BUNDLED_DEPLOYMENT (-1000000)

static Oid
WrittenTable(const char *table)
{
	Oid oid = RegistryRelation(table);

	if (!OidIsValid(oid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation \"emotion.%s\" does not exist", table)));
	return oid;
}

void
CheckPrivilege(const char *table, AclMode mode)
{
	static const struct
	{
		AclMode mode;
		const char *name;
	} privileges[] = {
		{ ACL_SELECT, "SELECT" },
		{ ACL_INSERT, "INSERT" },
		{ ACL_UPDATE, "UPDATE" },
		{ ACL_DELETE, "DELETE" },
	};
	StringInfoData names;

	if (pg_class_aclmask(WrittenTable(table), GetUserId(), mode, ACLMASK_ALL) == mode)
		return;
	initStringInfo(&names);
	for (size_t i = 0; i < lengthof(privileges); i++)
		if (mode & privileges[i].mode)
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", privileges[i].name);
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("permission denied for table %s", table),
					errhint("This takes GRANT %s ON emotion.%s TO %s.", names.data, table,
							quote_identifier(GetUserNameFromId(GetUserId(), false)))));
}

void
LockForWriting(const char *table, AclMode mode)
{
	CheckPrivilege(table, mode);
	LockRelationOid(WrittenTable(table), ShareRowExclusiveLock);
}

/* Run one command of `count` parameters; a space in `nulls` marks a value, as SPI has it. */
static void
Execute(const char *command, int count, Oid *types, Datum *values, const char *nulls, int expected)
{
	int result = SPI_execute_with_args(command, count, types, values, nulls, false, 0);

	if (result != expected)
		elog(ERROR, "registry: %s returned %s", command, SPI_result_code_string(result));
}

/* ---- publishing ---------------------------------------------------------------------- */

void
CheckPublishable(const char *name)
{
	static const char *const tables[] = { "model", "model_part" };
	Snapshot snapshot;
	bool reserved;

	CheckModelName(name);
	for (int i = 0; i < (int) lengthof(tables); i++)
		if (pg_class_aclcheck(WrittenTable(tables[i]), GetUserId(), ACL_INSERT) != ACLCHECK_OK)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied for table %s", tables[i]),
					 errhint("Publishing takes GRANT INSERT ON emotion.model, emotion.model_part "
							 "TO %s.",
							 quote_identifier(GetUserNameFromId(GetUserId(), false)))));

	CheckModelUsable(name);

	/* A later release may bring the next version of its models. */
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	reserved = HasBundledModel(name, snapshot);
	UnregisterSnapshot(snapshot);
	if (reserved)
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("the name \"%s\" belongs to a model of the extension", name),
				 errhint("Choose another name; emotion_models lists those that are taken.")));
}

static Datum
LabelArray(const model *model)
{
	int count = (int) model->layout.labels;
	Datum *labels = palloc(sizeof(Datum) * (Size) count);

	for (int i = 0; i < count; i++)
		labels[i] = PointerGetDatum(TextFromUtf8(model->labels[i], strlen(model->labels[i])));
	return PointerGetDatum(construct_array(labels, count, TEXTOID, -1, false, TYPALIGN_INT));
}

static Datum
ThresholdArray(const model *model)
{
	int count = (int) model->layout.labels;
	Datum *thresholds = palloc(sizeof(Datum) * (Size) count);

	for (int i = 0; i < count; i++)
		thresholds[i] = Float4GetDatum(model->thresholds[i]);
	return PointerGetDatum(
		construct_array(thresholds, count, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT));
}

/* A network's options; of an ensemble the weights of its members, and theirs. */
static char *
Configuration(const model *model)
{
	StringInfoData json;
	char options[MODEL_CONFIG_JSON_MAX];

	initStringInfo(&json);
	if (model->encoder != NULL)
	{
		char encoder[ENCODER_MODEL_JSON_MAX];

		encoder_model_to_json(model->encoder, encoder);
		return pstrdup(encoder);
	}
	if (model->member_count == 0)
	{
		(void) model_config_to_json(&model->layout.config, options, sizeof(options));
		return pstrdup(options);
	}
	appendStringInfoString(&json, "{\"weights\": [");
	for (size_t i = 0; i < model->member_count; i++)
		appendStringInfo(&json, "%s%.8g", i > 0 ? ", " : "", model->member_weight[i]);
	appendStringInfoString(&json, "], \"members\": [");
	for (size_t i = 0; i < model->member_count; i++)
		appendStringInfo(&json, "%s%s", i > 0 ? ", " : "", Configuration(model->members[i]));
	appendStringInfoString(&json, "]}");
	return json.data;
}

static void
InsertModel(const ModelPublication *publication, const ModelReference *reference, int32 parts,
			const model *model, const uint8 sha256[SHA256_BYTES])
{
	enum
	{
		COLUMNS = 15
	};
	Oid types[COLUMNS] = { TEXTOID, INT4OID,  BYTEAOID, INT8OID,      INT4OID,
						   BOOLOID, TEXTOID,  JSONBOID, TEXTARRAYOID, FLOAT4ARRAYOID,
						   INT8OID, JSONBOID, JSONBOID, TEXTOID,      TEXTOID };
	Datum values[COLUMNS];
	char nulls[COLUMNS + 1];
	bytea *digest = palloc(VARHDRSZ + SHA256_BYTES);

	SET_VARSIZE(digest, VARHDRSZ + SHA256_BYTES);
	memcpy(VARDATA(digest), sha256, SHA256_BYTES);

	memset(nulls, ' ', COLUMNS);
	nulls[COLUMNS] = '\0';
	values[0] = CStringGetTextDatum(publication->name);
	values[1] = Int32GetDatum(reference->version);
	values[2] = PointerGetDatum(digest);
	values[3] = Int64GetDatum((int64) publication->size);
	values[4] = Int32GetDatum(parts);
	values[5] = BoolGetDatum(publication->bundled);
	values[6] = CStringGetTextDatum(model_architecture(model));
	values[7] = JsonbFromCString(Configuration(model));
	values[8] = LabelArray(model);
	values[9] = ThresholdArray(model);
	values[10] = Int64GetDatum((int64) model_parameters(model));
	values[11] = PointerGetDatum(publication->metrics);
	values[12] = PointerGetDatum(publication->lineage);
	values[13] = publication->description != NULL ? CStringGetTextDatum(publication->description)
												  : (Datum) 0;
	values[14] = CStringGetTextDatum(model_storage(model));
	if (publication->metrics == NULL)
		nulls[11] = 'n';
	if (publication->lineage == NULL)
		nulls[12] = 'n';
	if (publication->description == NULL)
		nulls[13] = 'n';
	Execute("INSERT INTO emotion.model (name, version, sha256, size, parts, bundled, architecture,"
			" configuration, labels, thresholds, parameters, metrics, lineage, description,"
			" storage)"
			" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
			COLUMNS, types, values, nulls, SPI_OK_INSERT);
	FollowSources(reference, publication->sources, publication->source_count);
}

/* Row `part` of a model's file, from 1; data: a bytea with its size set. */
static void
InsertPart(const char *name, int32 version, int32 part, bytea *data)
{
	Oid types[4] = { TEXTOID, INT4OID, INT4OID, BYTEAOID };
	Datum values[4] = { CStringGetTextDatum(name), Int32GetDatum(version), Int32GetDatum(part),
						PointerGetDatum(data) };

	Execute("INSERT INTO emotion.model_part (name, version, part, data) VALUES ($1, $2, $3, $4)", 4,
			types, values, NULL, SPI_OK_INSERT);
}

static void
InsertParts(const ModelPublication *publication, int32 version, int32 parts)
{
	bytea *data = palloc(VARHDRSZ + Min(publication->size, (size_t) MODEL_PART_BYTES));

	for (int32 part = 0; part < parts; part++)
	{
		size_t start = (size_t) part * MODEL_PART_BYTES;
		size_t length = Min(publication->size - start, (size_t) MODEL_PART_BYTES);

		CHECK_FOR_INTERRUPTS();
		SET_VARSIZE(data, VARHDRSZ + length);
		memcpy(VARDATA(data), publication->bytes + start, length);
		InsertPart(publication->name, version, part + 1, data);
	}
}

static void
CheckPublication(const ModelPublication *publication)
{
	if (publication->bundled)
		CheckModelName(publication->name);
	else
		CheckPublishable(publication->name);
	if (publication->version < 0 || publication->version > MODEL_MAX_VERSION)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("version %d is out of range", publication->version),
						errhint("Versions are 1 to %d.", MODEL_MAX_VERSION)));
	if (publication->size > (size_t) MODEL_MAX_BYTES)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a model file of %zu bytes is too large", publication->size),
						errhint("The limit is " INT64_FORMAT " bytes.", MODEL_MAX_BYTES)));
}

/*
 * The version to publish as, which nobody else takes: we hold the lock from here on, whatever our
 * transaction's snapshot.
 */
static ModelReference
TakeVersion(const ModelPublication *publication)
{
	ModelReference reference;
	ModelRow row;
	int32 last;

	LockForWriting("model", ACL_INSERT);
	LockTrainingName(publication->name);
	PushActiveSnapshot(GetLatestSnapshot());
	last = LastUsedModelVersion(publication->name);
	memset(&reference, 0, sizeof(reference));
	strlcpy(reference.name, publication->name, NAMEDATALEN);
	reference.version = publication->version;
	if (reference.version == 0)
	{
		if (last >= MODEL_MAX_VERSION)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("model name \"%s\" has no versions left", publication->name)));
		reference.version = last + 1;
	}
	TakeTrainingLock(&reference, false); /* which a training that publishes has itself */
	if (FindModel(&reference, GetActiveSnapshot(), &row))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("model \"%s@%d\" already exists", publication->name, reference.version),
				 errhint("A published version never changes; the next one is \"%s@%d\".",
						 publication->name, last + 1)));
	PopActiveSnapshot();
	return reference;
}

int32
PublishModel(const ModelPublication *publication)
{
	em_status status = { EM_OK, "", "" };
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	model *model;
	ModelReference reference;
	int32 parts;
	uint8 sha256[SHA256_BYTES];

	CheckPublication(publication);
	context = AllocSetContextCreate(caller, "emotion publish", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	if (model_read_in_place(ContextAllocator(context), publication->bytes, publication->size,
							&model, &status) != EM_OK)
		ReportStatus(&status);
	parts = (int32) ((publication->size + MODEL_PART_BYTES - 1) / MODEL_PART_BYTES);

	Sha256(publication->bytes, publication->size, sha256);

	reference = TakeVersion(publication);
	CheckNotDropped(&reference, sha256);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	InsertModel(publication, &reference, parts, model, sha256);
	InsertParts(publication, reference.version, parts);
	SPI_finish();
	CommandCounterIncrement();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return reference.version;
}

struct ModelStream
{
	ModelPublication publication;
	ModelReference reference;
	MemoryContext context; /* of one INSERT, emptied after each */
	Sha256Stream *sha256;
	bytea *data; /* the part being filled */
	Size filled;
	int32 parts;
	size_t size;
};

ModelStream *
BeginModel(const ModelPublication *publication)
{
	ModelStream *stream = palloc0(sizeof(ModelStream));

	CheckPublication(publication);
	stream->publication = *publication;
	stream->reference = TakeVersion(publication);
	stream->context =
		AllocSetContextCreate(CurrentMemoryContext, "emotion model part", ALLOCSET_DEFAULT_SIZES);
	stream->sha256 = BeginSha256();
	stream->data = palloc(VARHDRSZ + MODEL_PART_BYTES);
	return stream;
}

static void
EndPart(ModelStream *stream)
{
	MemoryContext caller = MemoryContextSwitchTo(stream->context);

	SET_VARSIZE(stream->data, VARHDRSZ + stream->filled);
	InsertPart(stream->reference.name, stream->reference.version, ++stream->parts, stream->data);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(stream->context);
	stream->filled = 0;
}

void
PutModelBytes(ModelStream *stream, const uint8 *bytes, size_t size)
{
	AddSha256(stream->sha256, bytes, size);
	stream->size += size;
	while (size > 0)
	{
		Size piece = Min(size, MODEL_PART_BYTES - stream->filled);

		memcpy(VARDATA(stream->data) + stream->filled, bytes, piece);
		stream->filled += piece;
		bytes += piece;
		size -= piece;
		if (stream->filled == MODEL_PART_BYTES)
			EndPart(stream);
	}
}

int32
EndModel(ModelStream *stream, const struct model *model)
{
	uint8 sha256[SHA256_BYTES];

	if (stream->filled > 0)
		EndPart(stream);
	Assert(stream->size == stream->publication.size);
	EndSha256(stream->sha256, sha256);
	CheckNotDropped(&stream->reference, sha256);
	InsertModel(&stream->publication, &stream->reference, stream->parts, model, sha256);
	CommandCounterIncrement();
	MemoryContextDelete(stream->context);
	return stream->reference.version;
}

/* ---- deploying ------------------------------------------------------------------------ */

/* A row of emotion.deployment. */
typedef struct Deployment
{
	int64 id;
	ModelReference reference;
} Deployment;

/* The first row of a query for id, name, version; false when there is none. */
static bool
SelectDeployment(const char *query, int count, Oid *types, Datum *values, Deployment *deployment)
{
	HeapTuple tuple;
	TupleDesc descriptor;
	bool isnull;

	Execute(query, count, types, values, NULL, SPI_OK_SELECT);
	if (SPI_processed == 0)
		return false;
	tuple = SPI_tuptable->vals[0];
	descriptor = SPI_tuptable->tupdesc;
	memset(deployment, 0, sizeof(*deployment));
	deployment->id = DatumGetInt64(SPI_getbinval(tuple, descriptor, 1, &isnull));
	strlcpy(deployment->reference.name, SPI_getvalue(tuple, descriptor, 2), NAMEDATALEN);
	deployment->reference.version = DatumGetInt32(SPI_getbinval(tuple, descriptor, 3, &isnull));
	return true;
}

static bool
CurrentDeployment(Deployment *deployment)
{
	return SelectDeployment("SELECT id, name, version FROM emotion.deployment"
							" WHERE withdrawn_at IS NULL ORDER BY id DESC LIMIT 1",
							0, NULL, NULL, deployment);
}

/*
 * A transaction whose snapshot is older than the last deployment would decide by what was: it is to be
 * repeated, as after a row that changed under it. Called with the lock that keeps deployments from changing.
 */
static void
CheckDeploymentsCurrent(void)
{
	ModelReference seen, latest;
	Snapshot snapshot;
	bool is_seen, is_latest;

	if (!IsolationUsesXactSnapshot())
		return;
	is_seen = FindDeployed(GetTransactionSnapshot(), &seen);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	is_latest = FindDeployed(snapshot, &latest);
	if (is_seen != is_latest || (is_seen && memcmp(&seen, &latest, sizeof(seen)) != 0) ||
		NewestDeployment(GetTransactionSnapshot()) != NewestDeployment(snapshot))
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("could not serialize access due to concurrent deployment"),
						errhint("The transaction might succeed if retried.")));
	UnregisterSnapshot(snapshot);
}

/* The id of the next deployment: above all others of users, or of bundled models. */
static int64
NextDeployment(bool bundled)
{
	bool isnull;
	int64 newest;

	Execute(bundled ? "SELECT pg_catalog.max(id) FROM emotion.deployment"
					  " WHERE id OPERATOR(pg_catalog.<) 1"
					: "SELECT pg_catalog.max(id) FROM emotion.deployment"
					  " WHERE id OPERATOR(pg_catalog.>=) 1",
			0, NULL, NULL, NULL, SPI_OK_SELECT);
	newest = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	if (isnull)
		return bundled ? FIRST_BUNDLED_DEPLOYMENT : 1;
	return newest + 1;
}

void
DeployModel(const ModelReference *reference, bool bundled)
{
	Oid types[4] = { INT8OID, TEXTOID, INT4OID, BOOLOID };
	Datum values[4];
	Deployment current;

	LockForWriting("deployment", ACL_INSERT);
	CheckDeploymentsCurrent();
	PushActiveSnapshot(GetLatestSnapshot());
	(void) UseModel(reference);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");

	/* Deploying what is deployed changes nothing, unless a package may change it under us. */
	if (bundled || !CurrentDeployment(&current) || current.id < 1 ||
		strcmp(current.reference.name, reference->name) != 0 ||
		current.reference.version != reference->version)
	{
		values[0] = Int64GetDatum(NextDeployment(bundled));
		values[1] = CStringGetTextDatum(reference->name);
		values[2] = Int32GetDatum(reference->version);
		values[3] = BoolGetDatum(bundled);
		Execute("INSERT INTO emotion.deployment (id, name, version, bundled)"
				" VALUES ($1, $2, $3, $4)",
				4, types, values, NULL, SPI_OK_INSERT);
	}
	SPI_finish();
	PopActiveSnapshot();
	CommandCounterIncrement();
}

Datum
emotion_deploy(PG_FUNCTION_ARGS)
{
	ModelReference reference = ParseModelReferenceText(PG_GETARG_TEXT_PP(0), true);

	PreventCommandIfReadOnly("emotion_deploy()");
	DeployModel(&reference, false);
	if (!EverybodyMayUse(reference.name))
		ereport(NOTICE, (errmsg("who is not granted model \"%s\" has to name another one to score",
								reference.name),
						 errhint("SELECT emotion_grant('%s', 'public') lets everybody use it.",
								 reference.name)));
	PG_RETURN_TEXT_P(cstring_to_text(ModelReferenceString(&reference)));
}

Datum
emotion_rollback(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid types[3] = { INT8OID, TEXTOID, INT4OID };
	Datum values[3];
	Deployment current;
	Deployment before;

	PreventCommandIfReadOnly("emotion_rollback()");
	CheckModelName(name);
	LockForWriting("deployment", ACL_UPDATE);
	CheckDeploymentsCurrent();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (!CurrentDeployment(&current))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("no model is deployed")));
	if (strcmp(current.reference.name, name) != 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("no version of model \"%s\" is deployed", name),
						errhint("The deployed model is \"%s@%d\".", current.reference.name,
								current.reference.version)));

	/* The newest deployment of another model that still exists. */
	values[0] = Int64GetDatum(current.id);
	values[1] = CStringGetTextDatum(current.reference.name);
	values[2] = Int32GetDatum(current.reference.version);
	if (current.id < 1 ||
		!SelectDeployment(
			"SELECT d.id, d.name, d.version FROM emotion.deployment AS d"
			" JOIN emotion.model AS m ON m.name OPERATOR(pg_catalog.=) d.name"
			" AND m.version OPERATOR(pg_catalog.=) d.version"
			" WHERE d.withdrawn_at IS NULL AND d.id OPERATOR(pg_catalog.<) $1"
			" AND NOT (d.name OPERATOR(pg_catalog.=) $2 AND d.version OPERATOR(pg_catalog.=) $3)"
			" ORDER BY d.id DESC LIMIT 1",
			3, types, values, &before))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("no model was deployed before \"%s@%d\"", current.reference.name,
							   current.reference.version),
						errhint("Deploy another one with emotion_deploy.")));
	values[0] = Int64GetDatum(before.id);
	Execute("UPDATE emotion.deployment SET withdrawn_at = pg_catalog.now()"
			" WHERE withdrawn_at IS NULL AND id OPERATOR(pg_catalog.>) $1",
			1, types, values, NULL, SPI_OK_UPDATE);
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text(ModelReferenceString(&before.reference)));
}

Datum
emotion_drop_model(PG_FUNCTION_ARGS)
{
	ModelReference reference = ParseModelReferenceText(PG_GETARG_TEXT_PP(0), false);
	Oid types[2] = { TEXTOID, INT4OID };
	Datum values[2];

	PreventCommandIfReadOnly("emotion_drop_model()");
	/* The triggers check it all again; here an error has no query of ours in its context. */
	(void) GetModel(&reference);
	CheckPrivilege("model", ACL_DELETE);
	LockRelationOid(WrittenTable("model"),
					RowExclusiveLock); /* before deployment: publishers do so */
	CheckDeletable(&reference);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	values[0] = CStringGetTextDatum(reference.name);
	values[1] = Int32GetDatum(reference.version);
	Execute("DELETE FROM emotion.model WHERE name OPERATOR(pg_catalog.=) $1"
			" AND version OPERATOR(pg_catalog.=) $2",
			2, types, values, NULL, SPI_OK_DELETE);
	if (SPI_processed == 0) /* another session was first */
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s@%d\" does not exist", reference.name, reference.version)));
	SPI_finish();
	PG_RETURN_VOID();
}
