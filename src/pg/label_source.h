/*
 * label_source.h
 *	  The labels of every row of a source, for what must look at rows one by one:
 *	  splits and balancing plans.
 *
 * Texts are hashed and forgotten; where they are needed again they wait in a
 * tuplestore, which goes to disk beyond work_mem.
 */
#ifndef EMOTION_PG_LABEL_SOURCE_H
#define EMOTION_PG_LABEL_SOURCE_H

#include "postgres.h"

#include "storage/itemptr.h"
#include "utils/tuplestore.h"

#include "../data/label_rows.h"
#include "../text/tokenizer.h"
#include "label_dictionary.h"
#include "source.h"

/* Columns after those that are always read; where they stand in kept rows. */
#define KEPT_LABELS 1
#define KEPT_TEXT 2
#define KEPT_KEY 3
#define KEPT_ORIGIN 4
#define KEPT_CONFIDENCE 5
#define KEPT_FEATURES 6
#define KEPT_OTHERS 7

typedef struct LabelSource
{
	/* what to read; columns that are NULL are not read */
	Source source;
	Oid relation; /* InvalidOid: the source is a query */
	const char *key_column;
	const char *origin_column;
	const char *confidence_column;
	const char *feature_column;
	bool find_duplicates;
	bool want_places; /* of a table */
	bool keep_rows;   /* as they are read, columns as above */
	bool keep_others; /* and all columns of the source behind them */

	/*
	 * What was read, n rows. They stand in an order that their content gives, so
	 * that a seed means the same wherever the rows lie.
	 */
	MemoryContext context;
	data_label_rows rows;
	em_slice *labels;  /* (L) in byte order, in the database's encoding */
	uint32 *read_as;   /* (n) the row's number when read, from 0 */
	uint64 *group;     /* (n) equal for texts whose normalised words are equal; or NULL */
	uint32 *origin;    /* (n) number in origins, NO_LABEL for null; or NULL */
	float *confidence; /* (n), 1 for null; or NULL */
	float *features;   /* (n, dimension); or NULL */
	uint32 dimension;
	LabelDictionary origins;
	ItemPointerData *place; /* (n), and */
	Oid *partition;         /* (n) where want_places */
	Tuplestorestate *kept;  /* where keep_rows */
	TupleDesc kept_columns;
} LabelSource;

/* Resolve source.source and check its columns. SPI must be connected. */
extern void OpenLabelSource(LabelSource *source);

/*
 * Read it all, in a memory context of its own below the current one. fresh:
 * with a new snapshot, after a lock. Null texts and labels are errors that name the row.
 */
extern void ReadLabelSource(LabelSource *source, bool fresh);
extern void CloseLabelSource(LabelSource *source);

/* The same hash for texts that are the same words to the tokeniser. */
extern uint64 TextFingerprint(text_tokens *tokens, em_slice text);

#endif /* EMOTION_PG_LABEL_SOURCE_H */
