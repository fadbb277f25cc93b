/*
 * split_write.h
 *	  The parts of split rows, written to where the rows are or to a new table.
 */
#ifndef EMOTION_PG_SPLIT_WRITE_H
#define EMOTION_PG_SPLIT_WRITE_H

#include "postgres.h"

#include "label_source.h"
#include "split_request.h"

/*
 * Make sure of the column, and that nobody changes the table while it is split. table: its name,
 * qualified and quoted. SPI must be connected, as for the two below.
 */
extern void PrepareSplitTable(const LabelSource *source, const char *table,
							  const SplitOptions *options);

/* part (rows.n): the index of each row's, into the column of the table that they were read from. */
extern void WriteSplitColumn(const LabelSource *source, const char *table,
							 const SplitOptions *options, const SplitParts *parts,
							 const uint8 *part);

/* The rows of the source, which were kept, with one column more into options->target. */
extern void WriteSplitTable(const LabelSource *source, const SplitOptions *options,
							const SplitParts *parts, const uint8 *part);

#endif /* EMOTION_PG_SPLIT_WRITE_H */
