/*
 * label_report.h
 *	  What the labels of a table or query look like, for the report and its picture.
 */
#ifndef EMOTION_PG_LABEL_REPORT_H
#define EMOTION_PG_LABEL_REPORT_H

#include "postgres.h"

#include "../base.h"

/* L labels in byte order. */
typedef struct LabelFigures
{
	int64 rows;
	double mean_ir; /* NaN without labels */
	int count;
	em_slice *labels;      /* (L) */
	const int64 *counts;   /* (L) */
	const double *irlbl;   /* (L) */
	const double *scumble; /* (L) */
	const int64 *together; /* (L, L): rows with both; with itself: its count */
} LabelFigures;

typedef struct LabelReportOptions
{
	char *label_column;
	char *title;
	int labels; /* how many a picture shows, at most */
} LabelReportOptions;

/* An SVG of one source, or of two: text in the current context. after: NULL for one. */
extern text *DrawLabels(const LabelFigures *before, const LabelFigures *after,
						const LabelReportOptions *options);

#endif /* EMOTION_PG_LABEL_REPORT_H */
