/*
 * import_lines.h
 *	  The lines of what is imported: a column of a table or query, or a file of
 *	  the server.
 */
#ifndef EMOTION_PG_IMPORT_LINES_H
#define EMOTION_PG_IMPORT_LINES_H

#include "postgres.h"

#include "../base.h"

/* Longer lines are refused, so that no file makes a backend grow without bounds. */
#define IMPORT_LINE_MAX ((size_t) 16 * 1024 * 1024)

typedef struct LineOptions
{
	const char *line_column;   /* NULL: "line", or the only one */
	const char *number_column; /* NULL: "number" when there is one */
	int encoding;              /* of bytea and files */
} LineOptions;

/* One line without its end. All of it lives until the next. */
typedef struct ImportLine
{
	int64 number;       /* from 1, or as the number column says */
	em_slice raw;       /* as it came; of a line too long, its beginning */
	em_slice text;      /* in the database's encoding */
	const char *reason; /* why it cannot be read, or NULL */
} ImportLine;

typedef struct LineReader LineReader;

/*
 * source: a table, view or query whose column of type text or bytea holds one or more whole
 * lines a row, in the order of the number column (of a table without one, as it was filled);
 * or "file:" and an absolute path, for members of pg_read_server_files. SPI must be connected.
 */
extern LineReader *OpenLines(const char *source, const LineOptions *options);

/* The next line; false behind the last. An empty line is a line. */
extern bool NextLine(LineReader *reader, ImportLine *line);

extern void CloseLines(LineReader *reader);

#endif /* EMOTION_PG_IMPORT_LINES_H */
