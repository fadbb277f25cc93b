/*
 * source.h
 *	  Labelled texts from where users keep them: a table, a view, or a query.
 */
#ifndef EMOTION_PG_SOURCE_H
#define EMOTION_PG_SOURCE_H

#include "postgres.h"

#include "glue.h"

/* Where to read and which columns; but for the text's, NULL columns are not read. */
typedef struct Source
{
	const char *source; /* as the user wrote it */
	char *from;         /* what follows FROM, made by OpenSource() */
	const char *text_column;
	const char *label_column;
	const char *split_column;
	const char *weight_column;
	const char *soft_column; /* an array of scores; null in rows without */
	bool labels_optional;    /* rows may be without labels: SourceRow.unlabelled */
	const char *text_option; /* that names the text's column; NULL: text_column */
	bool text_argument;      /* it is an argument of its own, text_column, and no option */
	const char *label_hint;  /* said of an unknown label */
} Source;

/* One row; everything lives until the next. */
typedef struct SourceRow
{
	uint64 number; /* from 1 */
	em_slice text; /* UTF-8 */
	Datum *labels; /* text values */
	int label_count;
	bool unlabelled;    /* no such column, or null */
	const float4 *soft; /* each in 0..1; NULL: no such column, or null */
	int soft_count;
	const char *split; /* NULL: no such column, or null */
	double weight;     /* 1 without such a column */
} SourceRow;

/*
 * Check that the source can be read and has the columns named: a relation as
 * search_path finds it, or a query that begins with SELECT, WITH, TABLE or
 * VALUES. SPI must be connected. Errors name what is missing.
 */
extern void OpenSource(Source *source);

/*
 * Call visit for every row, in one snapshot, with the caller's privileges and
 * read-only. Rows whose text is null, or whose labels are and may not be, are errors that name the
 * row.
 */
extern void ScanSource(const Source *source, void (*visit)(const SourceRow *row, void *context),
					   void *context);

/* Refuse a row because that column of it is null. */
EM_NORETURN_BEFORE extern void RefuseNullValue(const Source *source, const char *column,
											   uint64 number) EM_NORETURN_AFTER;

/* The distinct labels of the source in byte order, as text values in the current context. */
extern int SourceLabels(const Source *source, Datum **labels);

/*
 * For each label of a row its index among `labels` (label_count sorted as
 * given), duplicates dropped; an unknown one is an error that names it and the row.
 * indices has room for label_count.
 */
typedef struct LabelIndex LabelIndex;
extern LabelIndex *MakeLabelIndex(const em_slice *labels, int count);
extern int FindLabels(const LabelIndex *index, const Source *source, const SourceRow *row,
					  uint16 *indices);

#endif /* EMOTION_PG_SOURCE_H */
