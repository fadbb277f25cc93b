/*
 * emotion.c
 *	  Where the server finds the module: its magic block and its settings.
 *
 * Nothing is opened or started here, so that the library may be preloaded:
 * OpenBLAS comes with training and evaluation (src/nn/matmul.h).
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"

#include <limits.h>

#include "batch_scan.h"
#include "cache.h"
#include "score_memo.h"
#include "train_memory.h"
#include "vectors_words.h"

#ifndef EMOTION_VERSION
#define EMOTION_VERSION ""
#endif

#if PG_VERSION_NUM >= 180000
PG_MODULE_MAGIC_EXT(.name = "emotion", .version = EMOTION_VERSION);
#else
PG_MODULE_MAGIC;
#endif

#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	DefineCustomIntVariable(
		"emotion.model_cache_size", "Memory that a session keeps parsed models in.",
		"The model in use is kept whatever its size; the least recently used "
		"others are dropped beyond this.",
		&ModelCacheSize, 256, 0, MAX_KILOBYTES / 1024, PGC_USERSET, GUC_UNIT_MB, NULL, NULL, NULL);
	DefineCustomIntVariable("emotion.vectors_cache_size",
							"Memory that a session keeps word vectors in.",
							"Those in use are kept whatever their size; the least recently used "
							"others are dropped beyond this.",
							&VectorsCacheSize, 512, 0, MAX_KILOBYTES / 1024, PGC_USERSET,
							GUC_UNIT_MB, NULL, NULL, NULL);
	DefineCustomIntVariable("emotion.batch_rows",
							"Rows that a query reads ahead to score their texts together.",
							"0 or 1: each text is scored by itself, with the same result.",
							&BatchRows, 512, 0, 16384, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"emotion.max_training_memory", "Memory that a training may take, by its estimate.",
		"-1: four fifths of what the server has left when it begins.", &MaxTrainingMemory, -1, -1,
		MAX_KILOBYTES / 1024, PGC_USERSET, GUC_UNIT_MB, NULL, NULL, NULL);
	MarkGUCPrefixReserved("emotion");
	InitModelCache();
	InitScoreMemo();
	InitBatchScan();
	InitBatchPlan();
}
