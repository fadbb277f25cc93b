/*
 * train_log.h
 *	  A training's rows in emotion.training_run, training_epoch and
 *	  training_checkpoint, and the lock that says it runs.
 *
 * All of these write with the caller's privileges and leave committing to the
 * caller; SPI must be connected.
 */
#ifndef EMOTION_PG_TRAIN_LOG_H
#define EMOTION_PG_TRAIN_LOG_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "../model/trainer.h"
#include "registry.h"

/* Error, with all that has to be granted, unless the caller may train. */
extern void CheckMayTrain(void);

/*
 * Begin a new training of `name`: chooses the version after all published and begun ones, takes
 * the lock and writes the row; an error when a training of that name runs.
 */
extern int32 BeginTraining(const char *name, const char *source, const Jsonb *options, int epochs);

/*
 * Drop what other unfinished trainings of that name left behind, with a NOTICE if they had come to
 * anything; an error when one of them runs.
 */
extern void DropUnfinished(const ModelReference *beside);

/*
 * Find the unfinished training of `name`, take its lock, and return its version
 * and the options it began with; an error when there is none, when it runs, or
 * when it reads another source.
 */
extern int32 FindTraining(const char *name, const char *source, Jsonb **options);

/*
 * Take the lock that says a training runs; false when another session has it. session: as
 * pg_advisory_lock's, which outlives commits and ends with the session or EndTraining(); otherwise
 * one of this transaction. Trainings of word vectors have version VECTORS_VERSION here.
 */
extern bool TryTrainingLock(const ModelReference *training, bool session);
#define VECTORS_VERSION (-1)

/* The same, an error that says so when another session has it. */
extern void TakeTrainingLock(const ModelReference *training, bool session);

/*
 * SQL that is true when no other session trains what these expressions, in SQL too, name: it took that
 * lock before it committed its row.
 */
#define NOBODY_TRAINS(name, version)                                                               \
	"NOT EXISTS (SELECT FROM pg_catalog.pg_locks AS l"                                             \
	" WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory'"                                          \
	" AND l.objsubid OPERATOR(pg_catalog.=) 77"                                                    \
	" AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()"                               \
	" AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database AS d"        \
	" WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())"                       \
	" AND ((l.classid::pg_catalog.int8 OPERATOR(pg_catalog.<<) 32) OPERATOR(pg_catalog.|)"         \
	" l.objid::pg_catalog.int8) OPERATOR(pg_catalog.=)"                                            \
	" emotion.training_lock_key(" name ", " version "))"

/*
 * Until the transaction ends, one at a time gives numbers to versions of that name: who begins a
 * training, and who publishes.
 */
extern void LockTrainingName(const char *name);

/* Release the lock. */
extern void EndTraining(const ModelReference *training);

/* The rows have been read: note how many, or compare their fingerprint with that of the beginning. */
extern void LogRows(const ModelReference *training, uint64 fingerprint, uint64 train_texts,
					uint64 dev_texts, bool resume);

/* A resumed training reads its rows again; what it had done of the running epoch is lost. */
extern void LogResumed(const ModelReference *training);

extern void LogPhase(const ModelReference *training, const char *phase);
extern void LogTexts(const ModelReference *training, uint64 texts_done);

/* An epoch (from 1) is finished. */
extern void LogEpoch(const ModelReference *training, int epoch, const trainer_epoch *figures,
					 int best_epoch, double seconds, double texts_per_second);
extern void LogFinished(const ModelReference *training);

/*
 * Replace the checkpoint by the state of the trainer; continue from it (false when there is none yet).
 * It may be far larger than memory has room for twice: it goes by in parts. Returns its bytes.
 */
extern uint64 WriteCheckpoint(const ModelReference *training, const trainer *trainer);
extern bool ReadCheckpoint(const ModelReference *training, trainer *trainer);

#endif /* EMOTION_PG_TRAIN_LOG_H */
