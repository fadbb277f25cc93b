/*
 * stratify.h
 *	  Splitting rows into parts so that each part has its share of every label.
 *
 * Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011): take the
 * label with the fewest rows left, give each of its rows to the part that still
 * wants most of that label (then most rows, then at random), and start again;
 * rows without labels go last, to the part that wants most rows. Of second
 * order (Szymanski and Kajdanowicz 2017): pairs of labels are stratified like
 * labels, beside them, so that what occurs together is shared out too.
 */
#ifndef EMOTION_DATA_STRATIFY_H
#define EMOTION_DATA_STRATIFY_H

#include "label_rows.h"

#define DATA_MAX_PARTS 256

/* Labels at most for the second order, which keeps a table of all pairs. */
#define DATA_MAX_PAIRED_LABELS 4096

typedef struct data_stratify_options
{
	uint32_t parts;       /* 2 .. DATA_MAX_PARTS */
	const double *shares; /* (parts), each over 0; only their proportions count */
	int order;            /* 1: labels; 2: pairs of labels too */
	/*
	 * NULL, or (n): rows with the same number come into the same part. Groups
	 * of many rows are placed before smaller ones of the same label.
	 */
	const uint64_t *group;
	uint64_t seed;
	em_should_stop should_stop; /* may be NULL */
	void *stop_context;
} data_stratify_options;

/*
 * part: (n) out, 0 .. parts - 1. The same rows in the same order with the same
 * options give the same parts. Time is O(rows x labels a row), of second order
 * its square, times parts; memory about 40 bytes a row and 8 a label (pair) of
 * a row. No rows are no error. EM_INVALID_OPTION, EM_INVALID_DATA (as
 * data_label_rows_check), EM_LIMIT, EM_CANCELLED, EM_OUT_OF_MEMORY.
 */
em_code data_stratify(const em_allocator *allocator, const data_label_rows *rows,
					  const data_stratify_options *options, uint8_t *part, em_status *status);

#endif /* EMOTION_DATA_STRATIFY_H */
