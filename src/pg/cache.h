/*
 * cache.h
 *	  The models that this backend has parsed, each with a place to score in.
 */
#ifndef EMOTION_PG_CACHE_H
#define EMOTION_PG_CACHE_H

#include "postgres.h"

#include "../model/scorer.h"
#include "registry.h"

typedef struct CachedModel
{
	ModelRow row;
	model *model;
	scorer *scorer;
	char **labels; /* (L) in the database's encoding */
	int label_count;
} CachedModel;

/* emotion.model_cache_size, in MB */
extern int ModelCacheSize;

extern void InitModelCache(void);

/*
 * The deployed model as the statement's snapshot sees it, or an error that says
 * how to deploy one. So what another session deploys is seen by the next
 * statement, never in the middle of one; parallel workers share their leader's snapshot.
 */
extern ModelReference DeployedModel(void);

/*
 * A model ready to score, verified and parsed. Good until the next call of
 * this function or the next command, whichever comes first: do not keep it.
 */
extern CachedModel *UseModel(const ModelReference *reference);

/* The model that a text names (exactly), or the deployed one for NULL. */
extern CachedModel *UseModelNamed(const text *reference);

#endif /* EMOTION_PG_CACHE_H */
