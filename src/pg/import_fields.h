/*
 * import_fields.h
 *	  What import_records.c, import_labels.c and import_json.c share.
 *
 * A function that returns bool has put into record->reason why the record is refused when it
 * returns false.
 */
#ifndef EMOTION_PG_IMPORT_FIELDS_H
#define EMOTION_PG_IMPORT_FIELDS_H

#include "postgres.h"

#include "import_records.h"

#define IMPORT_MAX_LABELS 1000

/* Without blanks at both ends. */
extern em_slice TrimSlice(em_slice slice);
extern bool SliceIs(em_slice slice, const char *string);

/* A piece of a line for a message, cut to what a line of a message holds. */
extern char *QuotedSlice(em_slice slice);

/* A label by name, or by id where labels are listed; record->labels has room for IMPORT_MAX_LABELS. */
extern bool AddRecordLabel(const ImportRequest *request, ImportRecord *record, em_slice label);

/* Labels parted by a separator; nothing is no label. */
extern bool SplitRecordLabels(const ImportRequest *request, ImportRecord *record, em_slice list,
							  char separator);

/* A line that is a JSON object. */
extern bool ParseJsonRecord(const ImportRequest *request, ImportRecord *record, em_slice line);

/* A list as CSV holds it: a JSON array, or names with a separator between them. */
extern bool ParseLabelField(const ImportRequest *request, ImportRecord *record, em_slice field);

#endif /* EMOTION_PG_IMPORT_FIELDS_H */
