/*
 * cache.c
 *	  The models that this backend has parsed.
 *
 * A published version never changes, but it may be dropped and its name@version
 * published anew, and rights to it are granted and revoked, so what is cached is checked against
 * emotion.model and emotion.model_grant: once for each user and snapshot that have not been seen
 * before, and after each change of the tables or of roles. The deployed model is looked up in the same way. Both cost one short index scan in a statement,
 * write nothing, and so do in parallel workers and on standbys.
 */
#include "postgres.h"

#include "cache.h"
#include "glue.h"

#include "shared_model.h"

#include "../model/encoder_model.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include <string.h>

int ModelCacheSize = 256;

/* What a scorer keeps to work in from one transaction to the next. */
#define KEPT_BYTES (512 * 1024)

/*
 * Who reads what. Two MVCC snapshots that agree in these see the same
 * transactions: those running between xmin and xmax only ever become fewer.
 */
typedef struct Reading
{
	Oid user;
	TransactionId xmin;
	TransactionId xmax;
	uint32 xcnt;
	int32 subxcnt;
	CommandId curcid;
} Reading;

typedef struct CacheEntry
{
	dlist_node node; /* most recently used first */
	CachedModel cached;
	MemoryContext context;
	Reading reading; /* for which the row was last found to be the same */
	bool checked;    /* reading is set and the table has not changed since */
} CacheEntry;

static dlist_head entries = DLIST_STATIC_INIT(entries);

static struct
{
	bool known;
	Reading reading;
	ModelReference reference;
} deployed;

/* ---- what was read before ----------------------------------------------------------- */

static Reading
CurrentReading(Snapshot snapshot)
{
	Reading reading;

	StaticAssertStmt(sizeof(Reading) == 24, "compared as bytes: no padding");
	reading.user = GetUserId();
	reading.xmin = snapshot->xmin;
	reading.xmax = snapshot->xmax;
	reading.xcnt = snapshot->xcnt;
	reading.subxcnt = snapshot->subxcnt;
	reading.curcid = snapshot->curcid;
	return reading;
}

static bool
SameReading(const Reading *a, const Reading *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/*
 * At the first use in a statement: hear what others have changed. A statement that opens no table would
 * not, and under REPEATABLE READ, where the snapshot stays, go on with a right that was taken.
 */
static void
HearOthers(void)
{
	static TimestampTz heard = 0;
	TimestampTz statement = GetCurrentStatementStartTimestamp();

	if (heard == statement)
		return;
	heard = statement;
	AcceptInvalidationMessages();
}

/* A table changed, here or in another session, or a change of ours was rolled back. */
static void
ForgetReadings(Datum argument, Oid relation)
{
	dlist_iter iter;

	(void) argument;
	(void) relation;
	deployed.known = false;
	dlist_foreach(iter, &entries)
	{
		dlist_container(CacheEntry, node, iter.cur)->checked = false;
	}
}

/* A role changed, or who is a member of which: what may be used is asked again. */
static void
ForgetRights(Datum argument, int cache, uint32 hash)
{
	(void) cache;
	(void) hash;
	ForgetReadings(argument, InvalidOid);
}

/* Long texts and large batches take tens of megabytes, which an idle connection should not keep. */
static void
TrimScorers(XactEvent event, void *argument)
{
	dlist_iter iter;

	(void) argument;
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PARALLEL_PRE_COMMIT ||
		event == XACT_EVENT_PRE_PREPARE)
		return;
	if (ActivePortal != NULL && event == XACT_EVENT_COMMIT)
		return; /* a procedure commits and scores on */
	dlist_foreach(iter, &entries)
	{
		scorer_trim(dlist_container(CacheEntry, node, iter.cur)->cached.scorer, KEPT_BYTES);
	}
}

void
InitModelCache(void)
{
	RegisterXactCallback(TrimScorers, NULL);
	CacheRegisterRelcacheCallback(ForgetReadings, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, ForgetRights, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, ForgetRights, (Datum) 0);
}

/* ---- entries ------------------------------------------------------------------------ */

static void
DropEntry(CacheEntry *entry)
{
	dlist_delete(&entry->node);
	MemoryContextDelete(entry->context); /* the entry too */
}

/* Drop the least recently used models until the others fit; never the first. */
static void
ShrinkCache(void)
{
	uint64 limit = (uint64) ModelCacheSize * 1024 * 1024;
	uint64 used = 0;
	dlist_mutable_iter iter;
	bool first = true;

	dlist_foreach_modify(iter, &entries)
	{
		CacheEntry *entry = dlist_container(CacheEntry, node, iter.cur);

		used += MemoryContextMemAllocated(entry->context, true);
		if (used > limit && !first)
			DropEntry(entry);
		first = false;
	}
}

/* Drop what is no longer in the registry, or the deleted files of shared copies would stay mapped; never the first. */
static void
DropForgotten(Snapshot snapshot)
{
	dlist_mutable_iter iter;
	bool first = true;

	dlist_foreach_modify(iter, &entries)
	{
		CacheEntry *entry = dlist_container(CacheEntry, node, iter.cur);
		ModelRow row;

		if (!first && !entry->checked &&
			(!FindModel(&entry->cached.row.reference, snapshot, &row) ||
			 memcmp(entry->cached.row.sha256, row.sha256, SHA256_BYTES) != 0))
			DropEntry(entry);
		first = false;
	}
}

static CacheEntry *
LoadEntry(const ModelRow *row, Snapshot snapshot)
{
	em_status status = { EM_OK, "", "" };
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	CacheEntry *entry;

	/* It goes with the caller's context if anything below fails. */
	context = AllocSetContextCreate(caller, "emotion model", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	entry = palloc0(sizeof(CacheEntry));
	entry->context = context;
	entry->cached.row = *row;
	entry->cached.model = OpenSharedModel(row, context);
	if (entry->cached.model == NULL)
		entry->cached.model = MakeSharedModel(row, snapshot, context);
	if (entry->cached.model->encoder != NULL && !entry->cached.model->encoder->head)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("model \"%s\" is a base without a head: it does not score",
							   ModelReferenceString(&row->reference)),
						errhint("Train a model from it, or import a checkpoint of "
								"RobertaForSequenceClassification.")));
	Check(scorer_create(ContextAllocator(context), entry->cached.model, &entry->cached.scorer,
						&status),
		  &status);

	entry->cached.label_count = (int) entry->cached.model->layout.labels;
	entry->cached.labels = palloc(sizeof(char *) * (Size) entry->cached.label_count);
	for (int i = 0; i < entry->cached.label_count; i++)
	{
		const char *label = entry->cached.model->labels[i];

		entry->cached.labels[i] = CStringFromUtf8(label, strlen(label));
	}
	MemoryContextSwitchTo(caller);
	MemoryContextSetParent(context, CacheMemoryContext);
	dlist_push_head(&entries, &entry->node);
	return entry;
}

/* ---- what others call ---------------------------------------------------------------- */

ModelReference
DeployedModel(void)
{
	Snapshot snapshot = RegistrySnapshot();
	Reading reading = CurrentReading(snapshot);
	ModelReference reference;

	if (deployed.known && SameReading(&deployed.reading, &reading))
		return deployed.reference;
	if (!FindDeployed(snapshot, &reference))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("no model is deployed"),
				 errhint("emotion_models lists the models; emotion_deploy deploys one.")));

	/* Set only now: opening the table may have called ForgetReadings(). */
	deployed.reference = reference;
	deployed.reading = reading;
	deployed.known = true;
	return reference;
}

CachedModel *
UseModel(const ModelReference *reference)
{
	Snapshot snapshot = RegistrySnapshot();
	Reading reading = CurrentReading(snapshot);
	CacheEntry *entry = NULL;
	dlist_iter iter;

	HearOthers();
	dlist_foreach(iter, &entries)
	{
		CacheEntry *candidate = dlist_container(CacheEntry, node, iter.cur);

		if (candidate->cached.row.reference.version == reference->version &&
			strcmp(candidate->cached.row.reference.name, reference->name) == 0)
		{
			entry = candidate;
			break;
		}
	}

	if (entry == NULL || !entry->checked || !SameReading(&entry->reading, &reading))
	{
		ModelRow row = GetModel(reference);

		if (entry != NULL && memcmp(entry->cached.row.sha256, row.sha256, SHA256_BYTES) != 0)
		{
			DropEntry(entry);
			entry = NULL;
		}
		if (entry == NULL)
		{
			entry = LoadEntry(&row, snapshot);
			dlist_move_head(&entries, &entry->node);
			DropForgotten(snapshot);
			ShrinkCache();
		}
		entry->reading = reading;
		entry->checked = true;
	}
	dlist_move_head(&entries, &entry->node);
	return &entry->cached;
}

CachedModel *
UseModelNamed(const text *reference)
{
	ModelReference named =
		reference != NULL ? ParseModelReferenceText(reference, false) : DeployedModel();

	return UseModel(&named);
}
