/*
 * access.h
 *	  Who may use which model: table emotion.model_grant.
 *
 * A row names the roles that may use the models of a name, all versions, those to come included; it
 * is changed as GRANT and REVOKE change a function's: a name without a row has PUBLIC alone.
 * The registry's owner, superusers and members of either may use every model. Using is all that reads
 * a model: scoring, exporting, deploying, training from it, publishing under its name.
 */
#ifndef EMOTION_PG_ACCESS_H
#define EMOTION_PG_ACCESS_H

#include "postgres.h"

#include "registry.h"

/* Whether the current user may use models of that name, as committed by now. */
extern bool MayUseModel(const char *name);

/* Whether everybody may. */
extern bool EverybodyMayUse(const char *name);

/* Error, with whom to ask, unless MayUseModel(). */
extern void CheckModelUsable(const char *name);

/*
 * A model was published by the current user that was made of others (`sources`, name or name@version).
 * If some of these are not everybody's and its name was nobody's (no row here, no version but this one,
 * dropped ones included, no unfinished training of another role), the name gets a row: of the roles that
 * stand in the rows of those sources, and the current user, all who may use each of them. Otherwise it
 * stays as it is. Either is told. Written as the table's owner; SPI must be connected.
 */
extern void FollowSources(const ModelReference *made, const char *const *sources, int count);

#endif /* EMOTION_PG_ACCESS_H */
