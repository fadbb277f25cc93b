/*
 * train_log.c
 *	  A training's rows in the catalog tables, and the lock that says it runs.
 */
#include "postgres.h"

#include "train_log.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "glue.h"
#include "procedure.h"
#include "train_memory.h"

/* Advisory locks of users have 1 or 2 here; what we lock does not meet theirs. */
#define TRAINING_LOCK_CLASS 77

static uint64
LockKey(const char *name, int32 version)
{
	uint64 hash = UINT64CONST(0xcbf29ce484222325);

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char) *name) * UINT64CONST(0x100000001b3);
	hash = (hash ^ (uint32) version) * UINT64CONST(0x100000001b3);
	return hash ^ hash >> 29;
}

PG_FUNCTION_INFO_V1(emotion_training_lock_key);

/* The key under which pg_locks shows a running training: classid << 32 | objid. */
Datum
emotion_training_lock_key(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64((int64) LockKey(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_INT32(1)));
}

static LOCKTAG
TrainingLock(const ModelReference *training)
{
	uint64 key = LockKey(training->name, training->version);
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (key >> 32), (uint32) key,
						 TRAINING_LOCK_CLASS);
	return tag;
}

bool
TryTrainingLock(const ModelReference *training, bool session)
{
	LOCKTAG tag = TrainingLock(training);

	return LockAcquire(&tag, ExclusiveLock, session, true) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Not a lock on table or rows: those meet the locks of a running training, which takes them in its own
 * order, and a deadlock could end it.
 */
void
LockTrainingName(const char *name)
{
	ModelReference all;
	LOCKTAG tag;

	strlcpy(all.name, name, sizeof(all.name));
	all.version = 0; /* no training has this */
	tag = TrainingLock(&all);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

void
EndTraining(const ModelReference *training)
{
	LOCKTAG tag = TrainingLock(training);

	LockRelease(&tag, ExclusiveLock, true);
}

/* The two arguments that name a training, in front of others. */
#define TRAINING_TYPES TEXTOID, INT4OID
#define TRAINING_VALUES(training)                                                                  \
	CStringGetTextDatum((training)->name), Int32GetDatum((training)->version)

static void
RefuseRunning(const ModelReference *training)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("\"%s\" is being trained by another session", ModelReferenceString(training)),
			 errhint("The view emotion_training_progress shows it.")));
}

void
TakeTrainingLock(const ModelReference *training, bool session)
{
	if (!TryTrainingLock(training, session))
		RefuseRunning(training);
}

/* Unfinished trainings of that name but for one version, each locked until we commit. */
static uint64
LockUnfinished(const char *name, int32 but)
{
	Oid types[] = { TEXTOID, INT4OID };
	Datum values[] = { CStringGetTextDatum(name), Int32GetDatum(but) };
	uint64 rows = RunStatement("SELECT version, epoch, epochs FROM emotion.training_run "
							   "WHERE name OPERATOR(pg_catalog.=) $1 AND NOT finished "
							   "AND version OPERATOR(pg_catalog.<>) $2",
							   2, types, values, NULL, false, SPI_OK_SELECT);

	for (uint64 i = 0; i < rows; i++)
	{
		bool null;
		ModelReference training;

		strlcpy(training.name, name, sizeof(training.name));
		training.version =
			DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null));
		TakeTrainingLock(&training, false);
	}
	return rows;
}

void
DropUnfinished(const ModelReference *beside)
{
	/* no foreign keys see to these: a parallel restore could not load the tables at once */
	static const char *const parts[] = { "training_epoch", "training_checkpoint" };
	Oid types[] = { TRAINING_TYPES };
	Datum values[] = { TRAINING_VALUES(beside) };
	uint64 rows = LockUnfinished(beside->name, beside->version);

	for (uint64 i = 0; i < rows; i++)
	{
		bool null;
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc columns = SPI_tuptable->tupdesc;
		int32 epoch = DatumGetInt32(SPI_getbinval(row, columns, 2, &null));

		if (epoch > 0)
			ereport(NOTICE,
					(errmsg("dropping the unfinished training of \"%s@%d\" (epoch %d of %d)",
							beside->name, DatumGetInt32(SPI_getbinval(row, columns, 1, &null)),
							epoch, DatumGetInt32(SPI_getbinval(row, columns, 3, &null))),
					 errhint("Option \"resume\" would have gone on with it.")));
	}
	for (size_t i = 0; i < lengthof(parts); i++)
		RunStatement(
			psprintf("DELETE FROM emotion.%s AS p USING emotion.training_run AS r WHERE r.name "
					 "OPERATOR(pg_catalog.=) $1 AND r.version OPERATOR(pg_catalog.<>) $2 AND NOT "
					 "r.finished AND p.name OPERATOR(pg_catalog.=) r.name AND p.version "
					 "OPERATOR(pg_catalog.=) r.version",
					 parts[i]),
			2, types, values, NULL, false, SPI_OK_DELETE);
	RunStatement(
		"DELETE FROM emotion.training_run WHERE name OPERATOR(pg_catalog.=) $1 AND version "
		"OPERATOR(pg_catalog.<>) $2 AND NOT finished",
		2, types, values, NULL, false, SPI_OK_DELETE);
}

void
CheckMayTrain(void)
{
	static const char *const tables[] = { "training_run", "training_epoch", "training_checkpoint" };
	const AclMode mode = ACL_SELECT | ACL_INSERT | ACL_UPDATE | ACL_DELETE;

	for (size_t i = 0; i < lengthof(tables); i++)
	{
		Oid table = RegistryRelation(tables[i]);

		if (OidIsValid(table) && pg_class_aclmask(table, GetUserId(), mode, ACLMASK_ALL) != mode)
			ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
							errmsg("permission denied for table %s", tables[i]),
							errhint("Training takes GRANT SELECT, INSERT, UPDATE, DELETE ON "
									"emotion.training_run, emotion.training_epoch, "
									"emotion.training_checkpoint, and GRANT INSERT ON "
									"emotion.model, emotion.model_part, TO %s.",
									quote_identifier(GetUserNameFromId(GetUserId(), false)))));
	}
}

int32
BeginTraining(const char *name, const char *source, const Jsonb *options, int epochs)
{
	Oid types[] = { TEXTOID, INT4OID, TEXTOID, JSONBOID, INT4OID };
	Datum values[5];
	ModelReference training;
	int32 version;
	bool null;

	LockTrainingName(name);
	(void) LockUnfinished(name, 0);
	values[0] = CStringGetTextDatum(name);
	/* calls that failed or were killed before they trained, of any name, left nothing to keep */
	RunStatement("DELETE FROM emotion.training_run AS r WHERE NOT r.finished AND r.fingerprint IS "
				 "NULL AND " NOBODY_TRAINS("r.name", "r.version"),
				 0, NULL, NULL, NULL, false, SPI_OK_DELETE);
	RunStatement("SELECT pg_catalog.max(version) FROM emotion.training_run WHERE name "
				 "OPERATOR(pg_catalog.=) $1",
				 1, types, values, NULL, false, SPI_OK_SELECT);
	version = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	version = null ? 0 : version;
	version = 1 + Max(version, LastUsedModelVersion(name));

	strlcpy(training.name, name, sizeof(training.name));
	training.version = version;
	values[1] = Int32GetDatum(version);
	values[2] = CStringGetTextDatum(source);
	values[3] = JsonbPGetDatum(options);
	values[4] = Int32GetDatum(epochs);
	RunStatement(
		"INSERT INTO emotion.training_run (name, version, source, options, epochs, phase) VALUES "
		"($1, $2, $3, $4, $5, 'reading')",
		5, types, values, NULL, false, SPI_OK_INSERT);
	TakeTrainingLock(&training, true);
	return version;
}

static void
RefuseNone(const char *name)
{
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
					errmsg("there is no unfinished training of \"%s\"", name),
					errhint("Leave option \"resume\" out to begin one.")));
}

int32
FindTraining(const char *name, const char *source, Jsonb **options)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid types[] = { TRAINING_TYPES };
	Datum values[] = { CStringGetTextDatum(name), (Datum) 0 };
	ModelReference training;
	HeapTuple row;
	TupleDesc columns;
	char *began_with;
	bool null;

	if (RunStatement("SELECT version, source, options FROM emotion.training_run WHERE name "
					 "OPERATOR(pg_catalog.=) $1 AND NOT finished AND fingerprint IS NOT NULL "
					 "ORDER BY version DESC LIMIT 1",
					 1, types, values, NULL, false, SPI_OK_SELECT) == 0)
		RefuseNone(name);
	row = SPI_tuptable->vals[0];
	columns = SPI_tuptable->tupdesc;
	strlcpy(training.name, name, sizeof(training.name));
	training.version = DatumGetInt32(SPI_getbinval(row, columns, 1, &null));
	began_with = SPI_getvalue(row, columns, 2);
	if (strcmp(began_with, source) != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the unfinished training of \"%s\" reads source \"%s\", not \"%s\"",
							   ModelReferenceString(&training), began_with, source),
						errhint("Repeat it literally, or leave option \"resume\" out to begin "
								"anew.")));
	MemoryContextSwitchTo(caller);
	*options = DatumGetJsonbPCopy(SPI_getbinval(row, columns, 3, &null));
	TakeTrainingLock(&training, false);
	/* it may have ended between our look and our lock */
	values[1] = Int32GetDatum(training.version);
	if (RunStatement(
			"SELECT 1 FROM emotion.training_run WHERE name OPERATOR(pg_catalog.=) $1 AND version "
			"OPERATOR(pg_catalog.=) $2 AND NOT finished",
			2, types, values, NULL, false, SPI_OK_SELECT) == 0)
		RefuseNone(name);
	TakeTrainingLock(&training, true);
	return training.version;
}

void
LogRows(const ModelReference *training, uint64 fingerprint, uint64 train_texts, uint64 dev_texts,
		bool resume)
{
	Oid types[] = { TRAINING_TYPES, INT8OID, INT8OID, INT8OID };
	Datum values[] = { TRAINING_VALUES(training), Int64GetDatum((int64) fingerprint),
					   Int64GetDatum((int64) train_texts), Int64GetDatum((int64) dev_texts) };

	if (resume &&
		RunStatement("SELECT 1 FROM emotion.training_run WHERE name OPERATOR(pg_catalog.=) $1 AND "
					 "version OPERATOR(pg_catalog.=) $2 AND (fingerprint IS NULL OR fingerprint "
					 "OPERATOR(pg_catalog.=) $3)",
					 3, types, values, NULL, false, SPI_OK_SELECT) == 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the rows of the source are not those that the training of \"%s\" began with",
					ModelReferenceString(training)),
			 errhint("Restore the rows, or leave option \"resume\" out to begin anew.")));
	RunStatement(
		"UPDATE emotion.training_run SET fingerprint = $3, train_texts = $4, dev_texts = $5, "
		"phase = 'training', texts_done = 0, updated_at = pg_catalog.clock_timestamp() "
		"WHERE name OPERATOR(pg_catalog.=) $1 AND version OPERATOR(pg_catalog.=) $2",
		5, types, values, NULL, false, SPI_OK_UPDATE);
}

void
LogResumed(const ModelReference *training)
{
	LogPhase(training, "reading");
	LogTexts(training, 0);
}

void
LogPhase(const ModelReference *training, const char *phase)
{
	Oid types[] = { TRAINING_TYPES, TEXTOID };
	Datum values[] = { TRAINING_VALUES(training), CStringGetTextDatum(phase) };

	RunStatement(
		"UPDATE emotion.training_run SET phase = $3, updated_at = pg_catalog.clock_timestamp() "
		"WHERE name OPERATOR(pg_catalog.=) $1 AND version OPERATOR(pg_catalog.=) $2",
		3, types, values, NULL, false, SPI_OK_UPDATE);
}

void
LogTexts(const ModelReference *training, uint64 texts_done)
{
	Oid types[] = { TRAINING_TYPES, INT8OID };
	Datum values[] = { TRAINING_VALUES(training), Int64GetDatum((int64) texts_done) };

	RunStatement("UPDATE emotion.training_run SET texts_done = $3, updated_at = "
				 "pg_catalog.clock_timestamp() WHERE name OPERATOR(pg_catalog.=) $1 AND version "
				 "OPERATOR(pg_catalog.=) $2",
				 3, types, values, NULL, false, SPI_OK_UPDATE);
}

void
LogEpoch(const ModelReference *training, int epoch, const trainer_epoch *figures, int best_epoch,
		 double seconds, double texts_per_second)
{
	Oid types[] = { TRAINING_TYPES, INT4OID,   FLOAT8OID, FLOAT8OID, FLOAT8OID,
					FLOAT8OID,      FLOAT8OID, FLOAT8OID, FLOAT8OID, INT4OID };
	Datum values[] = { TRAINING_VALUES(training),           Int32GetDatum(epoch),
					   Float8GetDatum(figures->train_loss), Float8GetDatum(figures->log_loss),
					   Float8GetDatum(figures->macro_auc),  Float8GetDatum(figures->macro_ap),
					   Float8GetDatum(figures->macro_f1),   Float8GetDatum(seconds),
					   Float8GetDatum(texts_per_second),    Int32GetDatum(best_epoch) };
	char nulls[] = "           ";

	nulls[4] = isnan(figures->log_loss) ? 'n' : ' ';
	nulls[5] = isnan(figures->macro_auc) ? 'n' : ' ';
	nulls[6] = isnan(figures->macro_ap) ? 'n' : ' ';
	nulls[7] = isnan(figures->macro_f1) ? 'n' : ' ';
	RunStatement(
		"INSERT INTO emotion.training_epoch (name, version, epoch, train_loss, log_loss, "
		"macro_auc, macro_ap, macro_f1, seconds, texts_per_second) VALUES ($1, $2, $3, $4, $5, $6, "
		"$7, $8, $9, $10)",
		10, types, values, nulls, false, SPI_OK_INSERT);
	RunStatement(
		"UPDATE emotion.training_run SET epoch = $3, texts_done = 0, best_epoch = $11, seconds = "
		"seconds OPERATOR(pg_catalog.+) $9, updated_at = pg_catalog.clock_timestamp() "
		"WHERE name OPERATOR(pg_catalog.=) $1 AND version OPERATOR(pg_catalog.=) $2",
		11, types, values, nulls, false, SPI_OK_UPDATE);
}

static void
DeleteCheckpoint(const ModelReference *training)
{
	Oid types[] = { TRAINING_TYPES };
	Datum values[] = { TRAINING_VALUES(training) };

	RunStatement(
		"DELETE FROM emotion.training_checkpoint WHERE name OPERATOR(pg_catalog.=) $1 AND version "
		"OPERATOR(pg_catalog.=) $2",
		2, types, values, NULL, false, SPI_OK_DELETE);
}

void
LogFinished(const ModelReference *training)
{
	Oid types[] = { TRAINING_TYPES };
	Datum values[] = { TRAINING_VALUES(training) };

	DeleteCheckpoint(training);
	RunStatement("UPDATE emotion.training_run SET finished = true, updated_at = "
				 "pg_catalog.clock_timestamp() WHERE name OPERATOR(pg_catalog.=) $1 AND version "
				 "OPERATOR(pg_catalog.=) $2",
				 2, types, values, NULL, false, SPI_OK_UPDATE);
}

/* A checkpoint on its way into the table, or out of it. */
typedef struct Checkpoint
{
	const ModelReference *training;
	int32 part;
	bytea *data; /* being filled, or read */
	size_t filled, done;
	uint64 written;
} Checkpoint;

static void
PutPart(Checkpoint *checkpoint)
{
	Oid types[] = { TRAINING_TYPES, INT4OID, BYTEAOID };
	Datum values[] = { TRAINING_VALUES(checkpoint->training), Int32GetDatum(++checkpoint->part),
					   PointerGetDatum(checkpoint->data) };

	CHECK_FOR_INTERRUPTS();
	SET_VARSIZE(checkpoint->data, checkpoint->filled + VARHDRSZ);
	RunStatement(
		"INSERT INTO emotion.training_checkpoint (name, version, part, data) VALUES ($1, $2, $3, "
		"$4)",
		4, types, values, NULL, false, SPI_OK_INSERT);
	checkpoint->written += checkpoint->filled;
	checkpoint->filled = 0;
}

static bool
PutBytes(void *context, const void *bytes, size_t size)
{
	Checkpoint *checkpoint = context;

	for (size_t done = 0; done < size;)
	{
		size_t now = Min(size - done, CHECKPOINT_PART_BYTES - checkpoint->filled);

		memcpy(VARDATA(checkpoint->data) + checkpoint->filled, (const char *) bytes + done, now);
		done += now;
		checkpoint->filled += now;
		if (checkpoint->filled == CHECKPOINT_PART_BYTES)
			PutPart(checkpoint);
	}
	return true;
}

/* What it took, for emotion_training_progress. */
static void
LogCheckpoint(const Checkpoint *checkpoint, instr_time began)
{
	Oid types[] = { TRAINING_TYPES, INT8OID, FLOAT8OID };
	Datum values[] = { TRAINING_VALUES(checkpoint->training),
					   Int64GetDatum((int64) checkpoint->written),
					   Float8GetDatum(SecondsSince(began)) };

	RunStatement("UPDATE emotion.training_run SET checkpoint_bytes = $3, checkpoint_seconds = "
				 "checkpoint_seconds OPERATOR(pg_catalog.+) $4 WHERE name OPERATOR(pg_catalog.=) "
				 "$1 AND version OPERATOR(pg_catalog.=) $2",
				 4, types, values, NULL, false, SPI_OK_UPDATE);
}

uint64
WriteCheckpoint(const ModelReference *training, const trainer *trainer)
{
	Checkpoint checkpoint = { .training = training };
	instr_time began;
	em_status status;

	INSTR_TIME_SET_CURRENT(began);
	DeleteCheckpoint(training);
	checkpoint.data = palloc(CHECKPOINT_PART_BYTES + VARHDRSZ);
	Check(trainer_save(trainer, PutBytes, &checkpoint, &status), &status);
	if (checkpoint.filled > 0)
		PutPart(&checkpoint);
	pfree(checkpoint.data);
	LogCheckpoint(&checkpoint, began);
	return checkpoint.written;
}

/* The next part; false when there is none. */
static bool
GetPart(Checkpoint *checkpoint)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid types[] = { TRAINING_TYPES, INT4OID };
	Datum values[] = { TRAINING_VALUES(checkpoint->training), Int32GetDatum(++checkpoint->part) };
	Datum stored;
	bool null;

	CHECK_FOR_INTERRUPTS();
	if (checkpoint->data != NULL)
		pfree(checkpoint->data);
	checkpoint->data = NULL;
	checkpoint->done = 0;
	if (RunStatement("SELECT data FROM emotion.training_checkpoint WHERE name "
					 "OPERATOR(pg_catalog.=) $1 AND version OPERATOR(pg_catalog.=) $2 AND part "
					 "OPERATOR(pg_catalog.=) $3",
					 3, types, values, NULL, false, SPI_OK_SELECT) == 0)
		return false;
	stored = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null);
	MemoryContextSwitchTo(caller);
	checkpoint->data = DatumGetByteaPCopy(stored);
	checkpoint->filled = VARSIZE(checkpoint->data) - VARHDRSZ;
	SPI_freetuptable(SPI_tuptable);
	return true;
}

static bool
GetBytes(void *context, void *bytes, size_t size)
{
	Checkpoint *checkpoint = context;

	for (size_t done = 0; done < size;)
	{
		size_t now;

		if (checkpoint->done == checkpoint->filled && !GetPart(checkpoint))
			return false;
		now = Min(size - done, checkpoint->filled - checkpoint->done);
		memcpy((char *) bytes + done, VARDATA(checkpoint->data) + checkpoint->done, now);
		done += now;
		checkpoint->done += now;
	}
	return true;
}

bool
ReadCheckpoint(const ModelReference *training, trainer *trainer)
{
	Oid types[] = { TRAINING_TYPES };
	Datum values[] = { TRAINING_VALUES(training) };
	Checkpoint checkpoint = { .training = training };
	em_status status;
	int64 size;
	bool null;

	RunStatement("SELECT pg_catalog.sum(pg_catalog.octet_length(data))::pg_catalog.int8 FROM "
				 "emotion.training_checkpoint WHERE name OPERATOR(pg_catalog.=) $1 AND version "
				 "OPERATOR(pg_catalog.=) $2",
				 2, types, values, NULL, false, SPI_OK_SELECT);
	size = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	SPI_freetuptable(SPI_tuptable);
	if (null)
		return false;
	Check(trainer_load(trainer, (uint64_t) size, GetBytes, &checkpoint, &status), &status);
	if (checkpoint.data != NULL)
		pfree(checkpoint.data);
	return true;
}
