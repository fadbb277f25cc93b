/*
 * vectors_log.c
 *	  A training of word vectors in the catalog tables.
 */
#include "postgres.h"

#include "vectors_log.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "glue.h"
#include "procedure.h"
#include "train_log.h"
#include "train_memory.h"

static ModelReference
Reference(const char *name)
{
	ModelReference reference;

	strlcpy(reference.name, name, sizeof(reference.name));
	reference.version = VECTORS_VERSION;
	return reference;
}

static void
RefuseRunning(const char *name)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
					errmsg("word vectors \"%s\" are being trained by another session", name),
					errhint("The view emotion_vectors_progress shows it.")));
}

void
LockVectorsRun(const char *name)
{
	ModelReference reference = Reference(name);

	if (!TryTrainingLock(&reference, true))
		RefuseRunning(name);
}

void
EndVectorsRun(const char *name)
{
	ModelReference reference = Reference(name);

	EndTraining(&reference);
}

#define RUN_ARGUMENTS 7

/* The arguments that describe a run, in the order of the INSERTs below; one may leave out the last. */
static void
InsertRun(const char *query, const char *name, const char *source, const char *text_column,
		  const Jsonb *options, int epochs, uint64 fingerprint, uint64 texts)
{
	Oid types[RUN_ARGUMENTS] = { TEXTOID, TEXTOID, TEXTOID, JSONBOID, INT4OID, INT8OID, INT8OID };
	Datum values[RUN_ARGUMENTS] = { CStringGetTextDatum(name),
									CStringGetTextDatum(source),
									CStringGetTextDatum(text_column),
									JsonbPGetDatum(options),
									Int32GetDatum(epochs),
									Int64GetDatum((int64) fingerprint),
									Int64GetDatum((int64) texts) };

	RunStatement(query, RUN_ARGUMENTS, types, values, NULL, false, SPI_OK_INSERT);
}

static void
DeleteRows(const char *query, const char *name)
{
	Oid types[] = { TEXTOID };
	Datum values[] = { CStringGetTextDatum(name) };

	RunStatement(query, 1, types, values, NULL, false, SPI_OK_DELETE);
}

static void
DeleteCheckpoint(const char *name)
{
	DeleteRows("DELETE FROM emotion.vectors_checkpoint WHERE name OPERATOR(pg_catalog.=) $1", name);
}

void
AnnounceVectorsRun(const char *name, const char *source, const char *text_column,
				   const Jsonb *options, int epochs)
{
	DeleteRows("DELETE FROM emotion.vectors_run WHERE name OPERATOR(pg_catalog.=) $1 AND finished",
			   name);
	/* what failed leaves no row, but what was killed before it trained does, under any name */
	RunStatement("DELETE FROM emotion.vectors_run AS r WHERE NOT r.finished AND r.fingerprint IS "
				 "NULL AND " NOBODY_TRAINS("r.name", "-1"),
				 0, NULL, NULL, NULL, false, SPI_OK_DELETE);
	InsertRun("INSERT INTO emotion.vectors_run (name, source, text_column, options, epochs, phase) "
			  "SELECT $1, $2, $3, $4, $5, 'reading' WHERE NOT EXISTS (SELECT 1 FROM "
			  "emotion.vectors_run AS r WHERE r.name OPERATOR(pg_catalog.=) $1)",
			  name, source, text_column, options, epochs, 0, 0);
}

void
ForgetVectorsRun(const char *name)
{
	DeleteRows("DELETE FROM emotion.vectors_run WHERE name OPERATOR(pg_catalog.=) $1 AND "
			   "NOT finished AND fingerprint IS NULL",
			   name);
}

bool
DiscardVectorsRun(const char *name)
{
	Oid types[] = { TEXTOID };
	Datum values[] = { CStringGetTextDatum(name) };
	ModelReference reference = Reference(name);

	if (RunStatement(
			"SELECT started_by FROM emotion.vectors_run WHERE name OPERATOR(pg_catalog.=) $1 AND "
			"NOT finished",
			1, types, values, NULL, false, SPI_OK_SELECT) == 0)
		return false;
	if (strcmp(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1),
			   GetUserNameFromId(GetUserId(), false)) != 0)
		CheckPrivilege("vectors", ACL_DELETE);
	CheckPrivilege("vectors_run", ACL_SELECT | ACL_DELETE);
	CheckPrivilege("vectors_checkpoint", ACL_SELECT | ACL_DELETE);
	if (!TryTrainingLock(&reference, false))
		RefuseRunning(name);
	DeleteCheckpoint(name);
	DeleteRows("DELETE FROM emotion.vectors_run WHERE name OPERATOR(pg_catalog.=) $1 AND "
			   "NOT finished",
			   name);
	return true;
}

static void
NoticeDropped(const char *name)
{
	Oid types[] = { TEXTOID };
	Datum values[] = { CStringGetTextDatum(name) };
	bool null;

	if (RunStatement(
			"SELECT r.epoch, r.epochs FROM emotion.vectors_run AS r WHERE r.name "
			"OPERATOR(pg_catalog.=) $1 AND EXISTS (SELECT 1 FROM emotion.vectors_checkpoint AS c "
			"WHERE c.name OPERATOR(pg_catalog.=) $1)",
			1, types, values, NULL, false, SPI_OK_SELECT) == 0)
		return;
	ereport(
		NOTICE,
		(errmsg(
			 "dropping the unfinished training of word vectors \"%s\" (epoch %d of %d)", name,
			 DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null)),
			 DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &null))),
		 errhint("Option \"resume\" would have gone on with it.")));
}

void
ReplaceVectorsRun(const char *name, const char *source, const char *text_column,
				  const Jsonb *options, int epochs, uint64 fingerprint, uint64 texts)
{
	NoticeDropped(name);
	DeleteCheckpoint(name);
	DeleteRows("DELETE FROM emotion.vectors_run WHERE name OPERATOR(pg_catalog.=) $1", name);
	InsertRun("INSERT INTO emotion.vectors_run (name, source, text_column, options, epochs, phase, "
			  "fingerprint, texts) VALUES ($1, $2, $3, $4, $5, 'training', $6, $7)",
			  name, source, text_column, options, epochs, fingerprint, texts);
}

static void
RefuseOther(const char *name, const char *what, const char *before, const char *now)
{
	if (strcmp(before, now) != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the unfinished training of word vectors \"%s\" reads %s \"%s\", "
							   "not \"%s\"",
							   name, what, before, now),
						errhint("Repeat it literally, or leave option \"resume\" out to begin "
								"anew.")));
}

Jsonb *
FindVectorsRun(const char *name, const char *source, const char *text_column)
{
	Oid types[] = { TEXTOID };
	Datum values[] = { CStringGetTextDatum(name) };
	HeapTuple row;
	TupleDesc columns;
	bool null;

	if (RunStatement("SELECT source, text_column, options FROM emotion.vectors_run WHERE name "
					 "OPERATOR(pg_catalog.=) $1 AND NOT finished AND fingerprint IS NOT NULL",
					 1, types, values, NULL, false, SPI_OK_SELECT) == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("there is no unfinished training of word vectors \"%s\"", name),
						errhint("Leave option \"resume\" out to begin one.")));
	row = SPI_tuptable->vals[0];
	columns = SPI_tuptable->tupdesc;
	RefuseOther(name, "source", SPI_getvalue(row, columns, 1), source);
	RefuseOther(name, "column", SPI_getvalue(row, columns, 2), text_column);
	return DatumGetJsonbPCopy(SPI_getbinval(row, columns, 3, &null));
}

void
CheckVectorsRows(const char *name, uint64 fingerprint)
{
	Oid types[] = { TEXTOID, INT8OID };
	Datum values[] = { CStringGetTextDatum(name), Int64GetDatum((int64) fingerprint) };

	if (RunStatement(
			"UPDATE emotion.vectors_run SET phase = 'training', updated_at = "
			"pg_catalog.clock_timestamp() WHERE name OPERATOR(pg_catalog.=) $1 AND fingerprint "
			"OPERATOR(pg_catalog.=) $2",
			2, types, values, NULL, false, SPI_OK_UPDATE) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the rows of the source are not those that the training of word vectors "
						"\"%s\" began with",
						name),
				 errhint("Restore the rows, or leave option \"resume\" out to begin anew.")));
}

void
LogVectorsPhase(const char *name, const char *phase)
{
	Oid types[] = { TEXTOID, TEXTOID };
	Datum values[] = { CStringGetTextDatum(name), CStringGetTextDatum(phase) };

	RunStatement(
		"UPDATE emotion.vectors_run SET phase = $2, updated_at = pg_catalog.clock_timestamp() "
		"WHERE name OPERATOR(pg_catalog.=) $1",
		2, types, values, NULL, false, SPI_OK_UPDATE);
}

void
LogVectorsProgress(const char *name, const vectors_progress *progress, double seconds,
				   double words_per_second)
{
	Oid types[] = { TEXTOID, INT4OID, INT8OID, INT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID };
	Datum values[] = { CStringGetTextDatum(name),
					   Int32GetDatum(progress->epoch),
					   Int64GetDatum((int64) progress->words),
					   Int64GetDatum((int64) progress->words_done),
					   Float8GetDatum(progress->loss),
					   Float8GetDatum(seconds),
					   Float8GetDatum(words_per_second) };

	RunStatement(
		"UPDATE emotion.vectors_run SET epoch = $2, words = $3, words_done = $4, loss = $5, "
		"seconds = seconds OPERATOR(pg_catalog.+) $6, words_per_second = $7, updated_at = "
		"pg_catalog.clock_timestamp() WHERE name OPERATOR(pg_catalog.=) $1",
		7, types, values, NULL, false, SPI_OK_UPDATE);
}

void
LogVectorsFinished(const char *name)
{
	Oid types[] = { TEXTOID };
	Datum values[] = { CStringGetTextDatum(name) };

	DeleteCheckpoint(name);
	RunStatement("UPDATE emotion.vectors_run SET finished = true, updated_at = "
				 "pg_catalog.clock_timestamp() WHERE name OPERATOR(pg_catalog.=) $1",
				 1, types, values, NULL, false, SPI_OK_UPDATE);
}

static void
LogCheckpoint(const char *name, vectors_progress progress)
{
	double share = progress.words > 0 ? (double) progress.words_done / (double) progress.words : 0;
	Oid types[] = { TEXTOID, FLOAT8OID };
	Datum values[] = { CStringGetTextDatum(name), Float8GetDatum(progress.epoch + share) };

	RunStatement(
		"UPDATE emotion.vectors_run SET checkpoint_epoch = $2 WHERE name OPERATOR(pg_catalog.=) $1",
		2, types, values, NULL, false, SPI_OK_UPDATE);
}

void
WriteVectorsCheckpoint(const char *name, const vectors_trainer *trainer)
{
	Oid types[] = { TEXTOID, INT4OID, BYTEAOID };
	Datum values[] = { CStringGetTextDatum(name), (Datum) 0, (Datum) 0 };
	uint64 size = vectors_trainer_state_size(trainer);
	bytea *data = palloc(Min(size, CHECKPOINT_PART_BYTES) + VARHDRSZ);

	DeleteCheckpoint(name);
	values[2] = PointerGetDatum(data);
	for (uint64 part = 0; part * CHECKPOINT_PART_BYTES < size; part++)
	{
		uint64 from = part * CHECKPOINT_PART_BYTES;
		size_t length = Min(size - from, CHECKPOINT_PART_BYTES);

		CHECK_FOR_INTERRUPTS();
		SET_VARSIZE(data, length + VARHDRSZ);
		vectors_trainer_save(trainer, from, length, (uint8 *) VARDATA(data));
		values[1] = Int32GetDatum((int32) part + 1);
		RunStatement(
			"INSERT INTO emotion.vectors_checkpoint (name, part, data) VALUES ($1, $2, $3)", 3,
			types, values, NULL, false, SPI_OK_INSERT);
	}
	pfree(data);
	LogCheckpoint(name, vectors_trainer_progress(trainer));
}

bool
ReadVectorsCheckpoint(const char *name, vectors_trainer *trainer)
{
	Oid types[] = { TEXTOID, INT4OID };
	Datum values[] = { CStringGetTextDatum(name), (Datum) 0 };
	uint64 from = 0;
	em_status status;

	for (int32 part = 1;; part++)
	{
		bool null;
		Datum stored;
		bytea *data;

		CHECK_FOR_INTERRUPTS();
		values[1] = Int32GetDatum(part);
		if (RunStatement(
				"SELECT data FROM emotion.vectors_checkpoint WHERE name OPERATOR(pg_catalog.=) $1 "
				"AND part OPERATOR(pg_catalog.=) $2",
				2, types, values, NULL, false, SPI_OK_SELECT) == 0)
			break;
		stored = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null);
		data = DatumGetByteaPP(stored);
		Check(vectors_trainer_load(trainer, from, (uint8 *) VARDATA_ANY(data),
								   VARSIZE_ANY_EXHDR(data), &status),
			  &status);
		from += VARSIZE_ANY_EXHDR(data);
		if ((Pointer) data != DatumGetPointer(stored))
			pfree(data);
		SPI_freetuptable(SPI_tuptable);
	}
	if (from == 0)
		return false;
	Check(vectors_trainer_resume(trainer, &status), &status);
	return true;
}
