/*
 * triggers.c
 *	  What the database itself enforces about the registry: published models
 *	  do not change, the numbers of dropped ones are not used again, and every
 *	  session hears of what changes.
 */
#include "postgres.h"

#include "glue.h"
#include "registry.h"
#include "shared_model.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include <string.h>

PG_FUNCTION_INFO_V1(emotion_refuse_change);
PG_FUNCTION_INFO_V1(emotion_check_delete);
PG_FUNCTION_INFO_V1(emotion_check_insert);
PG_FUNCTION_INFO_V1(emotion_keep_number);
PG_FUNCTION_INFO_V1(emotion_registry_changed);

static TriggerData *
TriggerOf(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("this function is called by triggers only")));
	return (TriggerData *) fcinfo->context;
}

Datum
emotion_refuse_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = TriggerOf(fcinfo);

	const char *table = RelationGetRelationName(trigger->tg_relation);

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("\"emotion.%s\" is write-once", table),
			 strcmp(table, "dropped_model") == 0
				 ? errhint("The number of a dropped model stays used; publish under another.")
			 : strncmp(table, "vectors", 7) == 0
				 ? errhint("Publish under another name; emotion_drop_vectors deletes word vectors.")
				 : errhint("Publish another version; emotion_drop_model deletes one.")));
}

/* The model that a row of emotion.model or emotion.model_part belongs to. */
static ModelReference
ReferenceIn(HeapTuple tuple, Relation relation)
{
	TupleDesc descriptor = RelationGetDescr(relation);
	int name = SPI_fnumber(descriptor, "name");
	int version = SPI_fnumber(descriptor, "version");
	ModelReference reference;
	char *value = name > 0 ? SPI_getvalue(tuple, descriptor, name) : NULL;
	char *number = version > 0 ? SPI_getvalue(tuple, descriptor, version) : NULL;

	if (value == NULL || number == NULL)
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("\"%s\" names no models", RelationGetRelationName(relation))));
	memset(&reference, 0, sizeof(reference));
	strlcpy(reference.name, value, NAMEDATALEN);
	reference.version = atoi(number);
	return reference;
}

void
CheckDeletable(const ModelReference *reference)
{
	ModelReference deployed;
	ModelRow row;

	/* Nobody deploys it while we look; deploying takes the same lock. */
	LockRelationOid(RegistryRelation("deployment"), ShareRowExclusiveLock);
	if (FindDeployed(SnapshotSelf, &deployed) && strcmp(deployed.name, reference->name) == 0 &&
		deployed.version == reference->version)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("model \"%s@%d\" is deployed", reference->name, reference->version),
						errhint("Deploy another model or call emotion_rollback first.")));
	if (FindModel(reference, SnapshotSelf, &row) && row.bundled)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("model \"%s@%d\" came with the extension", reference->name,
							   reference->version),
						errhint("It goes with DROP EXTENSION only: dumps rely on it.")));
}

Datum
emotion_check_delete(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = TriggerOf(fcinfo);
	ModelReference reference;
	ModelRow row;

	if (!TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("this trigger fires before the deletion of a row")));
	reference = ReferenceIn(trigger->tg_trigtuple, trigger->tg_relation);

	/* SnapshotSelf sees what this very command has done: when parts go with it, the model has gone. */
	if (strcmp(RelationGetRelationName(trigger->tg_relation), "model") != 0)
	{
		if (FindModel(&reference, SnapshotSelf, &row))
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
							errmsg("parts of model \"%s@%d\" cannot be deleted alone",
								   reference.name, reference.version),
							errhint("emotion_drop_model deletes a model with its parts.")));
	}
	else
		CheckDeletable(&reference);
	return PointerGetDatum(trigger->tg_trigtuple);
}

/* The SHA-256 in a row of emotion.model. */
static bytea *
DigestIn(HeapTuple tuple, Relation relation)
{
	TupleDesc descriptor = RelationGetDescr(relation);
	int number = SPI_fnumber(descriptor, "sha256");
	bool isnull = true;
	Datum value = (Datum) 0;

	if (number > 0 && SPI_gettypeid(descriptor, number) == BYTEAOID)
		value = SPI_getbinval(tuple, descriptor, number, &isnull);
	if (isnull || VARSIZE_ANY_EXHDR(DatumGetByteaPP(value)) != SHA256_BYTES)
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("\"%s\" holds no SHA-256", RelationGetRelationName(relation))));
	return DatumGetByteaPP(value);
}

/*
 * After the insertion of a model: its number was not that of another one. Only then,
 * because it is the primary key that waits for whoever is deleting that number.
 */
Datum
emotion_check_insert(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = TriggerOf(fcinfo);
	ModelReference reference;
	bytea *digest;

	if (!TRIGGER_FIRED_AFTER(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("this trigger fires after the insertion of a row")));
	reference = ReferenceIn(trigger->tg_trigtuple, trigger->tg_relation);
	digest = DigestIn(trigger->tg_trigtuple, trigger->tg_relation);
	CheckNotDropped(&reference, (const uint8 *) VARDATA_ANY(digest));
	return PointerGetDatum(NULL);
}

/*
 * After the deletion of a model: delete its parts and write its number down. Whoever may delete
 * models need not be allowed to write there, so it is done as the table's owner, as foreign keys
 * do it.
 */
Datum
emotion_keep_number(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = TriggerOf(fcinfo);
	Oid types[4] = { TEXTOID, INT4OID, BYTEAOID, TEXTOID };
	Datum values[4];
	ModelReference reference;
	Relation dropped;
	Oid owner;
	Oid user;
	int security;
	int result;

	if (!TRIGGER_FIRED_AFTER(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("this trigger fires after the deletion of a row")));
	/* Everybody may make triggers on tables of his own, and would act as the owner of ours. */
	if (RelationGetRelid(trigger->tg_relation) != RegistryRelation("model"))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("\"%s\" is not emotion.model",
							   RelationGetRelationName(trigger->tg_relation))));
	reference = ReferenceIn(trigger->tg_trigtuple, trigger->tg_relation);
	dropped = relation_open(RegistryRelation("dropped_model"), RowExclusiveLock);
	owner = dropped->rd_rel->relowner;
	relation_close(dropped, NoLock);

	GetUserIdAndSecContext(&user, &security);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	values[0] = CStringGetTextDatum(reference.name);
	values[1] = Int32GetDatum(reference.version);
	values[2] = PointerGetDatum(DigestIn(trigger->tg_trigtuple, trigger->tg_relation));
	values[3] = CStringGetTextDatum(GetUserNameFromId(user, false));

	ForgetSharedModel((const uint8 *) VARDATA_ANY(DatumGetByteaPP(values[2])));

	/* An error restores the user, as the transaction ends. */
	SetUserIdAndSecContext(owner,
						   security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	result = SPI_execute_with_args(
		"INSERT INTO emotion.dropped_model (name, version, sha256, dropped_by)"
		" VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		4, types, values, NULL, false, 0);
	if (result != SPI_OK_INSERT)
		elog(ERROR, "registry: could not keep a number: %s", SPI_result_code_string(result));
	result =
		SPI_execute_with_args("DELETE FROM emotion.model_part WHERE name OPERATOR(pg_catalog.=)"
							  " $1 AND version OPERATOR(pg_catalog.=) $2",
							  2, types, values, NULL, false, 0);
	if (result != SPI_OK_DELETE)
		elog(ERROR, "registry: could not delete parts: %s", SPI_result_code_string(result));
	SetUserIdAndSecContext(user, security);
	SPI_finish();
	return PointerGetDatum(NULL);
}

/* After any statement that changes a table: its cached readings are void, in every session. */
Datum
emotion_registry_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = TriggerOf(fcinfo);

	CacheInvalidateRelcache(trigger->tg_relation);
	return PointerGetDatum(NULL);
}
