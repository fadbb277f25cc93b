/*
 * import_request.h
 *	  The formats of data sets that are imported, and the options to say how they
 *	  stand.
 */
#ifndef EMOTION_PG_IMPORT_REQUEST_H
#define EMOTION_PG_IMPORT_REQUEST_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "import_lines.h"

typedef enum ImportFormat
{
	IMPORT_GOEMOTIONS,   /* text TAB ids or names of labels TAB id */
	IMPORT_SENTIMENT140, /* polarity, id, date, flag, user, text; or polarity, text */
	IMPORT_CSV,          /* any columns, named by a header or by an option */
	IMPORT_JSONL,        /* a JSON object a line */
} ImportFormat;

typedef struct ImportRequest
{
	ImportFormat format;
	LineOptions lines;

	/* what the rows of the target get */
	const char *text_column;
	const char *label_column;
	const char *source; /* NULL: what source_field holds */
	const char *split;  /* NULL: what split_field holds */

	/* names of fields, for CSV and JSON */
	const char *text_field;
	const char *label_field;
	const char *id_field;
	const char *source_field;
	const char *split_field;

	/* labels: names in the order of their ids; count 0: any name, no ids */
	char **labels;
	int label_count;
	bool allow_unlabelled;
	char label_separator;

	/* CSV */
	char delimiter;
	char quote; /* 0: none */
	bool header;
	bool multiline;
	char **columns; /* instead of a header */
	int column_count;
} ImportRequest;

extern void ParseImportOptions(ImportFormat format, const Jsonb *options, ImportRequest *request);

#endif /* EMOTION_PG_IMPORT_REQUEST_H */
