/*
 * label_rows.c
 *	  Nothing else reads label rows before they are checked here.
 */
#include "label_rows.h"

#include <inttypes.h>

em_code
data_label_rows_check(const data_label_rows *rows, em_status *status)
{
	if (rows->n > DATA_MAX_LABEL_ROWS)
		return em_fail(status, EM_LIMIT, "%" PRIu64 " rows are more than the %" PRIu64 " supported",
					   rows->n, DATA_MAX_LABEL_ROWS);
	if (rows->labels > DATA_MAX_LABELS)
		return em_fail(status, EM_LIMIT,
					   "%" PRIu32 " labels are more than the %" PRIu32 " supported", rows->labels,
					   DATA_MAX_LABELS);
	if (rows->start[0] != 0)
		return em_fail(status, EM_INVALID_DATA, "the labels of row 1 start at %" PRIu64,
					   rows->start[0]);
	for (uint64_t i = 0; i < rows->n; i++)
	{
		if (rows->start[i + 1] < rows->start[i])
			return em_fail(status, EM_INVALID_DATA,
						   "the labels of row %" PRIu64 " end before they start", i + 1);
		for (uint64_t e = rows->start[i]; e < rows->start[i + 1]; e++)
		{
			if (rows->label[e] >= rows->labels)
				return em_fail(status, EM_INVALID_DATA,
							   "label %" PRIu32 " of row %" PRIu64
							   " is not below the number of labels, %" PRIu32,
							   rows->label[e], i + 1, rows->labels);
			if (e > rows->start[i] && rows->label[e] <= rows->label[e - 1])
				return em_fail(status, EM_INVALID_DATA,
							   "label %" PRIu32 " after label %" PRIu32 " in row %" PRIu64
							   ", where they must rise",
							   rows->label[e], rows->label[e - 1], i + 1);
		}
	}
	return EM_OK;
}
