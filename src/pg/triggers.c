/*
 * triggers.c
 *	  What the database itself enforces about the registry: published models
 *	  do not change, and every session hears of what does.
 */
#include "postgres.h"

#include "glue.h"
#include "registry.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include <string.h>

PG_FUNCTION_INFO_V1(emotion_refuse_change);
PG_FUNCTION_INFO_V1(emotion_check_delete);
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

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("\"emotion.%s\" is write-once", RelationGetRelationName(trigger->tg_relation)),
			 errhint("Publish another version; emotion_drop_model deletes one.")));
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

Datum
emotion_check_delete(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = TriggerOf(fcinfo);
	ModelReference reference;
	ModelReference deployed;
	ModelRow row;

	if (!TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("this trigger fires before the deletion of a row")));
	reference = ReferenceIn(trigger->tg_trigtuple, trigger->tg_relation);

	/* SnapshotSelf sees what this very command has done: a cascade has deleted the model by now. */
	if (strcmp(RelationGetRelationName(trigger->tg_relation), "model") != 0)
	{
		if (FindModel(&reference, SnapshotSelf, &row))
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
							errmsg("parts of model \"%s@%d\" cannot be deleted alone",
								   reference.name, reference.version),
							errhint("emotion_drop_model deletes a model with its parts.")));
	}
	else
	{
		/* Nobody deploys it while we look; deploying takes the same lock. */
		LockRelationOid(RegistryRelation("deployment"), ShareRowExclusiveLock);
		if (FindDeployed(SnapshotSelf, &deployed) && strcmp(deployed.name, reference.name) == 0 &&
			deployed.version == reference.version)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("model \"%s@%d\" is deployed", reference.name, reference.version),
					 errhint("Deploy another model or call emotion_rollback first.")));
		if (FindModel(&reference, SnapshotSelf, &row) && row.bundled)
			ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
							errmsg("model \"%s@%d\" came with the extension", reference.name,
								   reference.version),
							errhint("It goes with DROP EXTENSION only: dumps rely on it.")));
	}
	return PointerGetDatum(trigger->tg_trigtuple);
}

/* After any statement that changes a table: its cached readings are void, in every session. */
Datum
emotion_registry_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = TriggerOf(fcinfo);

	CacheInvalidateRelcache(trigger->tg_relation);
	return PointerGetDatum(NULL);
}
