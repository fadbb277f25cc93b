/*
 * split_report.h
 *	  What came of a split: rows and labels of each part.
 */
#ifndef EMOTION_PG_SPLIT_REPORT_H
#define EMOTION_PG_SPLIT_REPORT_H

#include "postgres.h"

#include "label_source.h"
#include "split_request.h"

/* A NOTICE of how many rows each part has, and of the label whose share differs most. */
extern void NoticeSplit(const LabelSource *source, const SplitParts *parts, const uint8 *part);

#endif /* EMOTION_PG_SPLIT_REPORT_H */
