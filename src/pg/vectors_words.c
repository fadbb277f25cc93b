/*
 * vectors_words.c
 *	  Vectors of words, and the words nearest to one, from vectors that this backend has read.
 */
#include "postgres.h"

#include "vectors_registry.h"

#include "catalog/pg_type.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include <string.h>

#include "glue.h"
#include "vectors_words.h"

PG_FUNCTION_INFO_V1(emotion_word_vector);
PG_FUNCTION_INFO_V1(emotion_nearest_words);

int VectorsCacheSize = 512;

#define MAX_NEAREST 10000

typedef struct CachedVectors
{
	dlist_node node; /* most recently used first */
	MemoryContext context;
	char name[NAMEDATALEN];
	uint8 sha256[SHA256_BYTES];
	vectors *vectors;
	float *unit; /* of vectors_unit(), made at first need; or NULL */
} CachedVectors;

static dlist_head entries = DLIST_STATIC_INIT(entries);

/* Drop the least recently used until the others fit; never the first. */
static void
ShrinkCache(void)
{
	uint64 limit = (uint64) VectorsCacheSize * 1024 * 1024;
	uint64 used = 0;
	dlist_mutable_iter iter;
	bool first = true;

	dlist_foreach_modify(iter, &entries)
	{
		CachedVectors *entry = dlist_container(CachedVectors, node, iter.cur);

		used += MemoryContextMemAllocated(entry->context, true);
		if (used > limit && !first)
		{
			dlist_delete(&entry->node);
			MemoryContextDelete(entry->context); /* the entry too */
		}
		first = false;
	}
}

static CachedVectors *
LoadEntry(const char *name, const VectorsRow *row)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext reading;
	MemoryContext context;
	CachedVectors *entry;

	/* Both go with the caller's context if anything below fails. */
	reading = AllocSetContextCreate(caller, "emotion vectors file", ALLOCSET_DEFAULT_SIZES);
	context = AllocSetContextCreate(caller, "emotion vectors", ALLOCSET_DEFAULT_SIZES);
	entry = MemoryContextAllocZero(context, sizeof(CachedVectors));
	entry->context = context;
	strlcpy(entry->name, name, NAMEDATALEN);
	memcpy(entry->sha256, row->sha256, SHA256_BYTES);
	MemoryContextSwitchTo(reading);
	entry->vectors = ReadVectors(ContextAllocator(context), name, row);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(reading);
	MemoryContextSetParent(context, CacheMemoryContext);
	dlist_push_head(&entries, &entry->node);
	return entry;
}

/*
 * Vectors do not change, but their name may be given again: what is cached is checked by its
 * SHA-256, which costs an index scan. Good until the next call.
 */
static CachedVectors *
UseVectors(const text *reference)
{
	char *name = text_to_cstring(reference);
	VectorsRow row = GetVectors(name);
	CachedVectors *entry = NULL;
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &entries)
	{
		CachedVectors *candidate = dlist_container(CachedVectors, node, iter.cur);

		if (strcmp(candidate->name, name) != 0)
			continue;
		if (memcmp(candidate->sha256, row.sha256, SHA256_BYTES) == 0)
			entry = candidate;
		else
		{
			dlist_delete(&candidate->node);
			MemoryContextDelete(candidate->context);
		}
	}
	if (entry == NULL)
	{
		entry = LoadEntry(name, &row);
		ShrinkCache();
	}
	else
		dlist_move_head(&entries, &entry->node);
	pfree(name);
	return entry;
}

Datum
emotion_word_vector(PG_FUNCTION_ARGS)
{
	CachedVectors *cached = UseVectors(PG_GETARG_TEXT_PP(0));
	em_slice word = TextAsUtf8(PG_GETARG_TEXT_PP(1));
	Size dim = cached->vectors->dim;
	Size size = ARR_OVERHEAD_NONULLS(1) + sizeof(float4) * dim;
	ArrayType *array = palloc0(size);

	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->elemtype = FLOAT4OID;
	ARR_DIMS(array)[0] = (int) dim;
	ARR_LBOUND(array)[0] = 1;
	vectors_word(cached->vectors, word.bytes, word.length, (float *) ARR_DATA_PTR(array), NULL);
	PG_RETURN_ARRAYTYPE_P(array);
}

/* The unit vectors of a cached entry, made in its context. */
static const float *
UnitOf(CachedVectors *cached)
{
	em_status status = { EM_OK, "", "" };
	const vectors *vectors = cached->vectors;
	Size size = sizeof(float) * (Size) vectors->word_count * vectors->dim;
	float *unit;
	em_code code;

	if (cached->unit != NULL)
		return cached->unit;
	unit = MemoryContextAllocHuge(cached->context, size);
	code = vectors_unit(vectors, unit, InterruptWanted, NULL, &status);
	if (code != EM_OK)
	{
		pfree(unit);
		ReportStatus(&status);
	}
	cached->unit = unit;
	ShrinkCache();
	return unit;
}

Datum
emotion_nearest_words(PG_FUNCTION_ARGS)
{
	CachedVectors *cached = UseVectors(PG_GETARG_TEXT_PP(0));
	em_slice word = TextAsUtf8(PG_GETARG_TEXT_PP(1));
	int32 wanted = PG_GETARG_INT32(2);
	em_status status = { EM_OK, "", "" };
	vectors_neighbour *nearest;
	ReturnSetInfo *info;
	size_t found;

	if (wanted < 1 || wanted > MAX_NEAREST)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("number %d of nearest words is out of range", wanted),
						errhint("It is 1 to %d.", MAX_NEAREST)));
	info = BeginSet(fcinfo);
	nearest = palloc(sizeof(*nearest) * (Size) wanted);
	Check(vectors_nearest(cached->vectors, UnitOf(cached), word, (size_t) wanted, nearest, &found,
						  InterruptWanted, NULL, &status),
		  &status);
	for (size_t i = 0; i < found; i++)
	{
		em_slice neighbour = text_vocabulary_word(cached->vectors->words, nearest[i].row + 1);
		Datum values[2] = { PointerGetDatum(TextFromUtf8(neighbour.bytes, neighbour.length)),
							Float4GetDatum((float4) nearest[i].similarity) };
		bool nulls[2] = { false, false };

		tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
	}
	pfree(nearest);
	return (Datum) 0;
}
