/*
 * label_rows.h
 *	  The labels of every row, for what must look at rows one by one.
 */
#ifndef EMOTION_DATA_LABEL_ROWS_H
#define EMOTION_DATA_LABEL_ROWS_H

#include "../base.h"

#define DATA_MAX_LABEL_ROWS ((uint64_t) 1 << 31)
#define DATA_MAX_LABELS ((uint32_t) 1 << 24)

typedef struct data_label_rows
{
	uint64_t n;
	uint32_t labels;       /* L */
	const uint64_t *start; /* (n + 1): labels of row i stand at start[i] .. start[i + 1] - 1 */
	const uint32_t *label; /* (start[n]): below L, strictly rising within a row */
} data_label_rows;

/*
 * EM_INVALID_DATA when the arrays are not what they should be (the message
 * names the row, from 1); EM_LIMIT over DATA_MAX_LABEL_ROWS rows or
 * DATA_MAX_LABELS labels.
 */
em_code data_label_rows_check(const data_label_rows *rows, em_status *status);

#endif /* EMOTION_DATA_LABEL_ROWS_H */
