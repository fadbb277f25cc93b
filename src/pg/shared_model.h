/*
 * shared_model.h
 *	  One copy of a model on a machine: its image (src/model/model_image.h) in a file that every
 *	  backend maps, whether or not the library is preloaded.
 *
 * The files are a cache and nothing more: each may be deleted at any time, by anybody, and is made
 * again by the next backend that wants it; who has it mapped keeps it. None must be cut short while it is
 * mapped, no more than the server's own programs: reading behind the end is a signal (SIGBUS), and
 * the server restarts. They stand in pg_stat_tmp, whose contents neither base backups nor pg_rewind
 * take, and bear the SHA-256 of the model's file, so that databases share them.
 */
#ifndef EMOTION_PG_SHARED_MODEL_H
#define EMOTION_PG_SHARED_MODEL_H

#include "postgres.h"

#include "../model/model.h"
#include "registry.h"

/*
 * The model of a row, mapped until `context` is deleted; NULL when there is no good copy. What is
 * wrong with one is logged.
 */
extern model *OpenSharedModel(const ModelRow *row, MemoryContext context);

/*
 * The same from the registry: makes the file anew, and what is not needed any more, leftovers
 * included, goes. Where no file can be made the model is this backend's own, in `context`; that is
 * logged once. A model of the family roberta goes into the file piece by piece; others, which are
 * smaller, are read as a whole first.
 */
extern model *MakeSharedModel(const ModelRow *row, Snapshot snapshot, MemoryContext context);

/* Delete the file of a model whose row is deleted, when the transaction commits. */
extern void ForgetSharedModel(const uint8 sha256[SHA256_BYTES]);

#endif /* EMOTION_PG_SHARED_MODEL_H */
