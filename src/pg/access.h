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

/* Whether the current user may use models of that name, as committed by now. */
extern bool MayUseModel(const char *name);

/* Whether everybody may. */
extern bool EverybodyMayUse(const char *name);

/* Tell that everybody may use a model that was made of one that not everybody may use. */
extern void TellWiderThan(const char *made, const char *source);

/* Error, with whom to ask, unless MayUseModel(). */
extern void CheckModelUsable(const char *name);

#endif /* EMOTION_PG_ACCESS_H */
