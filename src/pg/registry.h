/*
 * registry.h
 *	  The catalog of models: tables emotion.model, emotion.model_part,
 *	  emotion.dropped_model and emotion.deployment.
 *
 * Reading is done by direct scans of the tables, never by a query: whoever
 * owns the registry cannot run code as whoever scores, and it works in parallel
 * workers and on standbys. Nothing read is trusted: column types are checked, and
 * a model's size and SHA-256 before it is parsed.
 *
 * Writing is done by queries with the privileges of the caller; only the numbers of
 * dropped models, and who may use a new name's (access.h), are written down with those of the
 * table's owner.
 */
#ifndef EMOTION_PG_REGISTRY_H
#define EMOTION_PG_REGISTRY_H

#include "postgres.h"

#include "access/genam.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "../base.h"

#define SHA256_BYTES 32

/* Bytes of a model in one row of emotion.model_part. */
#define MODEL_PART_BYTES (1024 * 1024)

/* The largest model file that we keep. */
#define MODEL_MAX_BYTES ((int64) 4 * 1024 * 1024 * 1024)

#define MODEL_MAX_VERSION 999999999

/*
 * A model as users name it: name@version. A name is [a-z_][a-z0-9_-]*, at most
 * 63 bytes; a version is 1..999999999 without leading zeros.
 */
typedef struct ModelReference
{
	char name[NAMEDATALEN];
	int32 version; /* 0: a bare name was given */
} ModelReference;

/* What is kept of a model besides its bytes, as far as C needs it. */
typedef struct ModelRow
{
	ModelReference reference;
	uint8 sha256[SHA256_BYTES];
	int64 size;
	int32 parts;
	bool bundled;
	bool uncommitted; /* this transaction wrote it */
} ModelRow;

/*
 * Parse a reference strictly. With allow_bare a name alone is taken as its
 * latest version (so only for functions that are VOLATILE or STABLE); without, it is
 * an error whose hint names that version. The model need not exist when a version is given.
 */
extern ModelReference ParseModelReference(const char *reference, bool allow_bare);
extern ModelReference ParseModelReferenceText(const text *reference, bool allow_bare);

/* Error unless name is a legal model name (without version). */
extern void CheckModelName(const char *name);

/* "name@version", palloc'd. */
extern char *ModelReferenceString(const ModelReference *reference);

/* The snapshot to read the registry with: that of the statement. */
extern Snapshot RegistrySnapshot(void);

/* A model's row; false when there is none. */
extern bool FindModel(const ModelReference *reference, Snapshot snapshot, ModelRow *row);

/*
 * A model's row as the statement sees it, or an error that says what there is. Checks that the caller
 * may use the model (access.h), as FindModel() does not.
 */
extern ModelRow GetModel(const ModelReference *reference);

/* The highest version of that name; 0 when there is none. */
extern int32 LatestModelVersion(const char *name, Snapshot snapshot);

/*
 * The highest version that the name ever had, of models dropped since and of trainings that may still
 * publish theirs too, as committed by now; 0 when there was none. New versions count on from it: what was computed
 * with "name@version", an index for example, must never meet other bytes.
 */
extern int32 LastUsedModelVersion(const char *name);

/* Whether a model of that name, whatever its version, came with the extension. */
extern bool HasBundledModel(const char *name, Snapshot snapshot);

/* Whether the version was dropped; same: and had this SHA-256. */
extern bool FindDropped(const ModelReference *reference, const uint8 sha256[SHA256_BYTES],
						bool *same);

/* Error when the version was dropped and had another SHA-256 than this one. */
extern void CheckNotDropped(const ModelReference *reference, const uint8 sha256[SHA256_BYTES]);

/*
 * Error unless the caller may publish models of that name: it is legal, no model of the extension has
 * it, the caller may use the models of that name and has INSERT on the tables. For work whose end is
 * PublishModel(), to fail before it begins.
 */
extern void CheckPublishable(const char *name);

/* Error when the model is deployed or came with the extension. Keeps others from deploying. */
extern void CheckDeletable(const ModelReference *reference);

/*
 * The file of a model: row->size bytes, allocated in the current context (more
 * than 1 GB is possible), size and SHA-256 verified. Error ERRCODE_DATA_CORRUPTED
 * when they are not as published. The row is one of GetModel(), which has asked whether the caller may.
 */
extern uint8 *ReadModelBytes(const ModelRow *row, Snapshot snapshot);

/* The same piece by piece: NextRegistryBytes(). */
typedef struct RegistryReader RegistryReader;
extern RegistryReader *BeginModelBytes(const ModelRow *row, Snapshot snapshot);

/* The deployed model; false when none is. */
extern bool FindDeployed(Snapshot snapshot, ModelReference *reference);

/* The highest id of a deployment, withdrawn or not; PG_INT64_MIN when there is none. */
extern int64 NewestDeployment(Snapshot snapshot);

extern void Sha256(const uint8 *bytes, size_t size, uint8 digest[SHA256_BYTES]);

/* The same of bytes that come piece by piece; what is not ended goes with the transaction. */
typedef struct Sha256Stream Sha256Stream;
extern Sha256Stream *BeginSha256(void);
extern void AddSha256(Sha256Stream *stream, const uint8 *bytes, size_t size);
extern void EndSha256(Sha256Stream *stream, uint8 digest[SHA256_BYTES]);

/* What PublishModel() is told; BeginModel() and EndModel() not the bytes. Everything is copied. */
typedef struct ModelPublication
{
	const char *name;
	int32 version; /* 0: the next that was never used */
	const uint8 *bytes;
	size_t size;
	Jsonb *metrics;          /* or NULL */
	Jsonb *lineage;          /* or NULL: where the model comes from */
	const char *description; /* or NULL; in the database's encoding */
	bool bundled;            /* came with the extension */
	/* what it was made of, name or name@version: its rights follow theirs */
	const char *const *sources;
	int source_count;
} ModelPublication;

/*
 * Check a model file, publish it as a new version and return that version. Takes a
 * lock that keeps others from publishing until the transaction ends; what was
 * published is seen by the same transaction's next command; in the same command, push
 * GetLatestSnapshot() to use it. Needs what CheckPublishable() asks for.
 */
extern int32 PublishModel(const ModelPublication *publication);

/*
 * The same of a file that is never in memory as a whole: begin, put its bytes, `publication->size`
 * of them in all, end. What EndModel() is given describes the file, whose bytes nobody reads again;
 * the lock is held from the beginning. SPI must be connected, and what is allocated is in the
 * context of the call of BeginModel().
 */
typedef struct ModelStream ModelStream;
struct model;
extern ModelStream *BeginModel(const ModelPublication *publication);
extern void PutModelBytes(ModelStream *stream, const uint8 *bytes, size_t size);
extern int32 EndModel(ModelStream *stream, const struct model *model);

/*
 * Make a version the deployed one, having checked that it can be read. What a user
 * deploys (bundled false) comes before what the extension's own script does.
 */
extern void DeployModel(const ModelReference *reference, bool bundled);

/* ---- what the registry of word vectors shares with that of models ------------------------- */

/* Whether a name (without version) is a legal one. */
extern bool IsModelName(const char *name, size_t length);

/*
 * Open a table of schema emotion for a direct scan, having checked that the caller may read it and
 * that its first columns are of these types (InvalidOid behind the last); the primary key's index
 * or InvalidOid; a column that must not be null.
 */
extern Relation OpenRegistry(const char *name, const Oid *types);

/* The same whoever calls: for what is not handed on, or only after another check. */
extern Relation OpenOwnTable(const char *name, const Oid *types);
extern Oid PrimaryKeyOf(Relation relation);
extern Datum RegistryColumn(HeapTuple tuple, Relation relation, int number);

/* A file that is kept in parts, and how errors speak of it. */
typedef struct RegistryFile
{
	const char *subject; /* as in: model "english@1" */
	const char *hint;
	int64 size;
	int32 parts;
	const uint8 *sha256;
} RegistryFile;

/*
 * The file whose parts the scan finds, which may end then: piece by piece, in the current context,
 * each valid until the next; false behind the last, when size and SHA-256 have been verified and the
 * reader is no more. Until then the bytes may be anything.
 */
extern RegistryReader *BeginRegistryFile(const RegistryFile *file, Relation relation,
										 SysScanDesc scan, int part_column, int data_column);
extern bool NextRegistryBytes(RegistryReader *reader, const uint8 **bytes, size_t *size);

/* All of it, as ReadModelBytes() has it. */
extern uint8 *ReadRegistryFile(RegistryReader *reader);

/* Error, with what to grant, unless the caller has all these privileges on a table of schema emotion. */
extern void CheckPrivilege(const char *table, AclMode mode);

/* Keep other writers of the table out until the transaction ends; only for those who may write. */
extern void LockForWriting(const char *table, AclMode mode);

/* Error unless the trigger fires on that table of schema emotion: for those that act as its owner. */
struct TriggerData;
extern void CheckTriggerOn(const struct TriggerData *trigger, const char *table);

/* The registry's relations, for triggers and the cache. InvalidOid when there is no registry. */
extern Oid RegistryRelation(const char *name);

#endif /* EMOTION_PG_REGISTRY_H */
