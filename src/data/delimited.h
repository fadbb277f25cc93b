/*
 * delimited.h
 *	  Records of delimited text (CSV as RFC 4180 has it, TSV) -> fields.
 *
 * Bytes are compared with ASCII only: any encoding will do that keeps ASCII bytes
 * for ASCII characters (UTF-8, Latin-1, not Shift-JIS).
 */
#ifndef EMOTION_DATA_DELIMITED_H
#define EMOTION_DATA_DELIMITED_H

#include "../base.h"

typedef struct data_dialect
{
	char delimiter;
	char quote; /* 0: nothing is quoted */
} data_dialect;

typedef enum data_record_state
{
	DATA_RECORD_WHOLE,
	DATA_RECORD_OPEN_QUOTE, /* it ends within a quoted field */
	DATA_RECORD_BAD_QUOTE,  /* something other than the delimiter follows a closing quote */
} data_record_state;

/*
 * Split a record without its line end. A field that begins with a quote ends with one, within
 * it two quotes stand for one; elsewhere a quote is a character like others.
 * scratch: room for record.length bytes, into which quoted fields are copied. fields: room for
 * `most`; *count says how many there are, of which those over `most` are not kept. An empty
 * record is one empty field.
 */
data_record_state data_split_record(em_slice record, data_dialect dialect, char *scratch,
									em_slice *fields, size_t most, size_t *count);

#endif /* EMOTION_DATA_DELIMITED_H */
