/*
 * label_sets.h
 *	  A multiset of label sets: how many rows carry each distinct combination.
 *
 * It is all that statistics over labels need to know of the rows, however many
 * there are: it grows with the distinct label sets, two of them merge, and a
 * row taken out leaves no trace. A label set is an array of label numbers in
 * strictly rising order; the empty one is a label set too.
 */
#ifndef EMOTION_DATA_LABEL_SETS_H
#define EMOTION_DATA_LABEL_SETS_H

#include "../base.h"

typedef struct data_label_set
{
	const uint32_t *labels; /* (size), strictly rising; NULL when it is empty */
	uint32_t size;
	uint64_t rows; /* over 0 */
} data_label_set;

typedef struct data_label_sets data_label_sets;

/* The allocator (its two functions and its context) must outlive the sets. */
em_code data_label_sets_create(const em_allocator *allocator, data_label_sets **sets,
							   em_status *status);

/* sets: may be NULL. */
void data_label_sets_destroy(data_label_sets *sets);

/*
 * Count `rows` rows more with this label set (0 is allowed and changes
 * nothing). EM_INVALID_DATA when the labels do not rise strictly; EM_LIMIT when
 * the rows no longer fit into 63 bits or there are 2^31 distinct sets;
 * EM_OUT_OF_MEMORY. A failure changes nothing.
 */
em_code data_label_sets_add(data_label_sets *sets, const uint32_t *labels, uint32_t size,
							uint64_t rows, em_status *status);

/* Take rows out again; EM_INVALID_DATA, with nothing changed, when there are fewer. */
em_code data_label_sets_remove(data_label_sets *sets, const uint32_t *labels, uint32_t size,
							   uint64_t rows, em_status *status);

/*
 * Add all of `from`, which must be another object. map: NULL, or the number
 * here, (map_size), of each label number there; EM_INVALID_DATA when a label
 * is not below map_size or two labels of a set become one. After a failure
 * part of `from` may have been added.
 */
em_code data_label_sets_merge(data_label_sets *sets, const data_label_sets *from,
							  const uint32_t *map, uint32_t map_size, em_status *status);

uint64_t data_label_sets_rows(const data_label_sets *sets);

/* How many distinct sets have rows. */
uint64_t data_label_sets_distinct(const data_label_sets *sets);

/*
 * Walk over the sets that have rows, in no order a caller may rely on. *position
 * starts at 0; false at the end. set->labels holds until the sets next change.
 */
bool data_label_sets_next(const data_label_sets *sets, size_t *position, data_label_set *set);

/*
 * As long as nothing has been removed, sets are numbered from 0 in the order in
 * which they were first added. Below: the number of a set, false when it is not
 * there; and the set of a number below data_label_sets_distinct(), its labels
 * holding until the sets next change.
 */
bool data_label_sets_number(const data_label_sets *sets, const uint32_t *labels, uint32_t size,
							uint32_t *number);
data_label_set data_label_sets_at(const data_label_sets *sets, uint32_t number);

/* Count `rows` rows more with the set of a number; as data_label_sets_add(). */
em_code data_label_sets_add_to(data_label_sets *sets, uint32_t number, uint64_t rows,
							   em_status *status);

#endif /* EMOTION_DATA_LABEL_SETS_H */
