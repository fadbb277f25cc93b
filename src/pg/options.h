/*
 * options.h
 *	  Options that users give as one jsonb object.
 */
#ifndef EMOTION_PG_OPTIONS_H
#define EMOTION_PG_OPTIONS_H

#include "postgres.h"

#include "glue.h"

#include "nodes/execnodes.h"
#include "utils/jsonb.h"

#include "../model/options.h"

/*
 * Call visit for every member of an object, name and value as the options of
 * the rooms below take them (UTF-8); json: the value as it stands. An error for what is not an
 * object. Nothing for NULL.
 */
extern void VisitOptions(const Jsonb *options,
						 void (*visit)(em_slice name, const option_value *value,
									   const JsonbValue *json, void *context),
						 void *context);

/* Report an option that nobody knows, with a hint where they are listed. */
EM_NORETURN_BEFORE extern void UnknownOption(em_slice name,
											 const char *where_listed) EM_NORETURN_AFTER;

/* A string option's value as a C string in the database's encoding; an error for other types. */
extern char *StringOption(em_slice name, const option_value *value);

/* An option that is a string; a table of them ends with a NULL name. */
typedef struct StringSpec
{
	const char *name;
	size_t offset; /* of a char * in the struct that the table describes */
	const char *meaning;
} StringSpec;

/* Whether an option's name is `what`. */
extern bool OptionIs(em_slice name, const char *what);

/*
 * Set the option of that name, one of strings or of specs (either may be NULL); false when neither
 * table has it.
 */
extern bool SetNamedOption(const StringSpec *strings, const option_spec *specs, void *target,
						   em_slice name, const option_value *value);

/* Set every option of an object so; one of neither table is an error that lists them. */
extern void SetNamedOptions(const Jsonb *options, const StringSpec *strings,
							const option_spec *specs, void *target);

/* Apply option_set and report what it says. */
extern void SetOption(const option_spec *spec, void *target, const option_value *value);

/*
 * For a resumed training: an error for an option given that is not what the training began with, but
 * for "resume" and "threads".
 */
extern void CheckSameOptions(const Jsonb *given, const Jsonb *stored);
extern bool HasOption(const Jsonb *options, const char *name);

/* One row (name, type, default, range, meaning) of a list of options, or one for each of specs. */
extern void PutOption(ReturnSetInfo *set, const char *name, const char *type, const char *value,
					  const char *range, const char *meaning);
extern void PutOptions(ReturnSetInfo *set, const option_spec *specs, const void *defaults);

#endif /* EMOTION_PG_OPTIONS_H */
