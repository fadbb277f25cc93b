/*
 * import_records.h
 *	  Lines -> records of a data set, or why they are none.
 */
#ifndef EMOTION_PG_IMPORT_RECORDS_H
#define EMOTION_PG_IMPORT_RECORDS_H

#include "postgres.h"

#include "import_request.h"

/* All of it lives until the next record; in the database's encoding. */
typedef struct ImportRecord
{
	int64 number;       /* of its first line */
	em_slice raw;       /* as it came */
	const char *reason; /* why it is refused; the rest is not set then */
	em_slice text;
	em_slice *labels; /* distinct, in the order given */
	int label_count;
	em_slice id; /* bytes NULL: none, as for the next */
	em_slice source;
	em_slice split;
	int polarity; /* 0 negative, 2 neutral, 4 positive; -1: none */
} ImportRecord;

typedef struct RecordReader RecordReader;

/* SPI must be connected. */
extern RecordReader *OpenRecords(const char *source, const ImportRequest *request);

/* The next record, good or refused; false behind the last. */
extern bool NextRecord(RecordReader *reader, ImportRecord *record);

/* Lines read; and those that are neither records nor refused: a header, and lines within a record. */
extern int64 LinesRead(const RecordReader *reader);
extern int64 LinesOther(const RecordReader *reader);

extern void CloseRecords(RecordReader *reader);

#endif /* EMOTION_PG_IMPORT_RECORDS_H */
