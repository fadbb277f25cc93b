/*
 * train_soft.c
 *	  Soft targets: of the source's own scores at once, of teachers' many texts at a time.
 */
#include "postgres.h"

#include "train_soft.h"

#include "utils/memutils.h"

#include "../model/soft_targets.h"
#include "glue.h"

/* Texts that teachers score at once: at most so many, and about so many bytes. */
#define PENDING_TEXTS 4096
#define PENDING_BYTES ((size_t) 4 * 1024 * 1024)

static uint64
HashMore(uint64 hash, uint64 word)
{
	hash = (hash ^ word) * UINT64CONST(0xd6e8feb86659fd93);
	return hash ^ hash >> 32;
}

/* Targets from scores (L) and the labels (NULL: unlabelled), which may be the same array. */
static void
AddSoft(SoftTargets *soft, const SoftText *text, const float4 *scores, float4 *targets, uint64 hash)
{
	const TrainRequest *request = soft->request;
	em_status status;

	soft_targets_mix((size_t) soft->label_count, scores, text->labels, (size_t) text->label_count,
					 request->soft_weight, request->soft_temperature, targets);
	for (int i = 0; soft->teachers == NULL && i < soft->label_count; i++)
	{
		uint32 bits;

		memcpy(&bits, &targets[i], sizeof(bits));
		hash = HashMore(hash, bits);
	}
	Check(samples_add_soft(soft->samples, text->ids, text->length, targets, text->weight, hash,
						   &status),
		  &status);
	soft->added++;
}

/*
 * Have the waiting texts scored and add them. The last bits of a score depend on what was scored
 * beside it: the hash is of who scored, so that the order is the same whatever the scan's.
 */
static void
ScorePending(SoftTargets *soft)
{
	MemoryContext before = MemoryContextSwitchTo(soft->texts_context);
	uint64 identity = TeachersIdentity(soft->teachers);
	float4 *scores = ScoreByTeachers(soft->teachers, soft->texts, (size_t) soft->pending_count);

	for (int i = 0; i < soft->pending_count; i++)
	{
		const SoftText *text = &soft->pending[i];
		float4 *own = scores + (size_t) i * (size_t) soft->label_count;

		AddSoft(soft, text, own, own,
				HashMore(HashMore(text->hash, identity), text->labels == NULL));
	}
	MemoryContextSwitchTo(before);
	MemoryContextReset(soft->texts_context);
	soft->pending_count = 0;
	soft->pending_bytes = 0;
}

static void
PendText(SoftTargets *soft, const SoftText *text, em_slice body)
{
	MemoryContext before = MemoryContextSwitchTo(soft->texts_context);
	SoftText *kept = &soft->pending[soft->pending_count];
	char *bytes = palloc(body.length + 1);

	memcpy(bytes, body.bytes, body.length);
	soft->texts[soft->pending_count++] = (em_slice){ bytes, body.length };
	*kept = *text;
	kept->ids = MemoryContextAllocHuge(CurrentMemoryContext, (text->length + 1) * sizeof(uint32));
	memcpy(kept->ids, text->ids, text->length * sizeof(uint32));
	if (text->labels != NULL)
	{
		kept->labels = palloc(sizeof(uint16) * (Size) (text->label_count + 1));
		memcpy(kept->labels, text->labels, sizeof(uint16) * (Size) text->label_count);
	}
	MemoryContextSwitchTo(before);
	soft->pending_bytes += body.length;
	if (soft->pending_count == PENDING_TEXTS || soft->pending_bytes >= PENDING_BYTES)
		ScorePending(soft);
}

void
AddSoftText(SoftTargets *soft, const SoftText *text, const Source *source, const SourceRow *row)
{
	if (soft->teachers != NULL)
	{
		PendText(soft, text, row->text);
		return;
	}
	if (row->soft_count != soft->label_count)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%d scores of column \"%s\" in row " UINT64_FORMAT
					" of source \"%s\" for %d labels",
					row->soft_count, source->soft_column, row->number, source->source,
					soft->label_count),
			 errhint(
				 "One score per label, in the order of the labels; option \"labels\" sets it.")));
	AddSoft(soft, text, row->soft, palloc(sizeof(float4) * (Size) soft->label_count), text->hash);
}

void
OpenSoftTargets(SoftTargets *soft, const TrainRequest *request, Teachers *teachers,
				MemoryContext context)
{
	memset(soft, 0, sizeof(*soft));
	soft->request = request;
	if (teachers == NULL)
		return;
	soft->teachers = teachers;
	soft->context = context;
	soft->pending = MemoryContextAlloc(context, sizeof(SoftText) * PENDING_TEXTS);
	soft->texts = MemoryContextAlloc(context, sizeof(em_slice) * PENDING_TEXTS);
	soft->texts_context =
		AllocSetContextCreate(context, "emotion texts to score", ALLOCSET_DEFAULT_SIZES);
}

void
CloseSoftTargets(SoftTargets *soft)
{
	if (soft->teachers == NULL)
		return;
	if (soft->pending_count > 0)
		ScorePending(soft);
	soft->teachers = NULL;
	MemoryContextDelete(soft->context);
}
