/*
 * import_target.h
 *	  Where imported records go: a table of the user's, and the table of refused
 *	  lines.
 */
#ifndef EMOTION_PG_IMPORT_TARGET_H
#define EMOTION_PG_IMPORT_TARGET_H

#include "postgres.h"

#include "import_records.h"

typedef struct ImportTarget ImportTarget;

/*
 * Open the table named as search_path finds it, or create it. It needs columns for the text and
 * the labels; id, source, split, line, import and polarity are filled where it has them with a fitting type. project: value of the
 * column "project", or NULL. SPI must be connected.
 */
extern ImportTarget *OpenTarget(const char *name, const ImportRequest *request, const char *project,
								int64 import);

/* Insert one record; false when the table takes no row: a unique key or a trigger refuses it. */
extern bool PutRecord(ImportTarget *target, const ImportRecord *record);

/* Note a refused line in emotion.import_error. */
extern void PutRefused(ImportTarget *target, const ImportRecord *record, const char *reason);

/* The table's name with its schema, quoted. */
extern const char *TargetName(const ImportTarget *target);

#endif /* EMOTION_PG_IMPORT_TARGET_H */
