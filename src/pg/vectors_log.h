/*
 * vectors_log.h
 *	  A training of word vectors: its row in emotion.vectors_run, and its checkpoint.
 *
 * All of these write with the caller's privileges and leave committing to the caller; SPI must be
 * connected.
 */
#ifndef EMOTION_PG_VECTORS_LOG_H
#define EMOTION_PG_VECTORS_LOG_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "../model/vectors_trainer.h"

/* Take the lock that says it runs, until EndVectorsRun() or the session's end. */
extern void LockVectorsRun(const char *name);
extern void EndVectorsRun(const char *name);

/*
 * A new training reads its rows: say so, unless an unfinished one is there that could be resumed;
 * that one stays until ReplaceVectorsRun().
 */
extern void AnnounceVectorsRun(const char *name, const char *source, const char *text_column,
							   const Jsonb *options, int epochs);

/* Take that back. */
extern void ForgetVectorsRun(const char *name);

/*
 * Drop an unfinished training, the caller's own or anybody's for who may delete word vectors; false
 * when there is none. An error while it runs.
 */
extern bool DiscardVectorsRun(const char *name);

/* The rows have been read. A NOTICE when what is dropped had come to anything. */
extern void ReplaceVectorsRun(const char *name, const char *source, const char *text_column,
							  const Jsonb *options, int epochs, uint64 fingerprint, uint64 texts);

/* The options that an unfinished training began with; an error when there is none, or of others. */
extern Jsonb *FindVectorsRun(const char *name, const char *source, const char *text_column);

/* An error unless the rows are those it began with. */
extern void CheckVectorsRows(const char *name, uint64 fingerprint);

extern void LogVectorsPhase(const char *name, const char *phase);

/* seconds: spent on it in this call since it last told. */
extern void LogVectorsProgress(const char *name, const vectors_progress *progress, double seconds,
							   double words_per_second);
extern void LogVectorsFinished(const char *name);

/* Replace the checkpoint by the trainer's state; give it to a fresh trainer, false: there is none. */
extern void WriteVectorsCheckpoint(const char *name, const vectors_trainer *trainer);
extern bool ReadVectorsCheckpoint(const char *name, vectors_trainer *trainer);

#endif /* EMOTION_PG_VECTORS_LOG_H */
