/*
 * label_sets.c
 *	  A hash table from label set to number of rows.
 *
 * Entries stand in an array, their labels one after another in a pool, and an
 * open-addressed table (linear probing, at most half full) finds them. A set
 * that has lost its last row stays where it is until the table is next rebuilt.
 */
#include "label_sets.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mix.h"

#define MAX_ENTRIES ((size_t) 1 << 31)
#define FIRST_SLOTS 64

typedef struct entry
{
	size_t start; /* in the pool */
	uint32_t size;
	uint32_t hash;
	uint64_t rows;
} entry;

struct data_label_sets
{
	em_allocator allocator;
	entry *entries;
	size_t entry_count, entry_capacity;
	uint32_t *pool;
	size_t pool_count, pool_capacity;
	uint32_t *slots;  /* entry number + 1, or 0 */
	size_t slot_mask; /* number of slots - 1 */
	size_t distinct;  /* entries with rows */
	uint64_t rows;
	uint32_t *scratch; /* a set under other numbers */
	size_t scratch_capacity;
};

em_code
data_label_sets_create(const em_allocator *allocator, data_label_sets **sets, em_status *status)
{
	data_label_sets *made = em_allocate_zeroed(allocator, 1, sizeof(*made));
	uint32_t *slots = em_allocate_zeroed(allocator, FIRST_SLOTS, sizeof(uint32_t));

	if (made == NULL || slots == NULL)
	{
		em_release(allocator, slots);
		em_release(allocator, made);
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	}
	made->allocator = *allocator;
	made->slots = slots;
	made->slot_mask = FIRST_SLOTS - 1;
	*sets = made;
	return EM_OK;
}

void
data_label_sets_destroy(data_label_sets *sets)
{
	em_allocator allocator;

	if (sets == NULL)
		return;
	allocator = sets->allocator;
	em_release(&allocator, sets->scratch);
	em_release(&allocator, sets->slots);
	em_release(&allocator, sets->pool);
	em_release(&allocator, sets->entries);
	em_release(&allocator, sets);
}

static uint32_t
hash_labels(const uint32_t *labels, uint32_t size)
{
	uint64_t hash = size;

	for (uint32_t i = 0; i < size; i++)
		hash = data_mix(hash + DATA_GOLDEN + labels[i]);
	return (uint32_t) (hash >> 32);
}

/* The slot that holds this set, or the free one where it belongs. */
static size_t
find_slot(const data_label_sets *sets, const uint32_t *labels, uint32_t size, uint32_t hash)
{
	size_t slot = hash & sets->slot_mask;

	for (; sets->slots[slot] != 0; slot = (slot + 1) & sets->slot_mask)
	{
		const entry *e = &sets->entries[sets->slots[slot] - 1];

		if (e->hash == hash && e->size == size &&
			(size == 0 || memcmp(sets->pool + e->start, labels, size * sizeof(*labels)) == 0))
			break;
	}
	return slot;
}

/* Make room for one entry more: drop the sets without rows, then double if need be. */
static bool
rebuild(data_label_sets *sets)
{
	size_t slots = sets->slot_mask + 1;
	size_t kept = 0, pool_kept = 0;
	uint32_t *table;

	while (slots < 4 * (sets->distinct + 1))
		slots *= 2;
	table = em_allocate_zeroed(&sets->allocator, slots, sizeof(*table));
	if (table == NULL)
		return false;
	em_release(&sets->allocator, sets->slots);
	sets->slots = table;
	sets->slot_mask = slots - 1;
	for (size_t i = 0; i < sets->entry_count; i++)
	{
		entry e = sets->entries[i];
		size_t slot = e.hash & sets->slot_mask;

		if (e.rows == 0)
			continue;
		if (e.size > 0)
			memmove(sets->pool + pool_kept, sets->pool + e.start, e.size * sizeof(*sets->pool));
		e.start = pool_kept;
		pool_kept += e.size;
		sets->entries[kept++] = e;
		while (table[slot] != 0)
			slot = (slot + 1) & sets->slot_mask;
		table[slot] = (uint32_t) kept;
	}
	sets->entry_count = kept;
	sets->pool_count = pool_kept;
	return true;
}

static em_code
check_labels(const uint32_t *labels, uint32_t size, em_status *status)
{
	for (uint32_t i = 1; i < size; i++)
	{
		if (labels[i] <= labels[i - 1])
			return em_fail(status, EM_INVALID_DATA,
						   "label %" PRIu32 " after label %" PRIu32
						   " in a label set, which must rise",
						   labels[i], labels[i - 1]);
	}
	return EM_OK;
}

static em_code
check_rows(const data_label_sets *sets, uint64_t rows, em_status *status)
{
	if (rows > (uint64_t) INT64_MAX - sets->rows)
		return em_fail(status, EM_LIMIT, "%" PRIu64 " rows more than %" PRIu64 " are too many",
					   rows, sets->rows);
	return EM_OK;
}

static void
count_rows(data_label_sets *sets, entry *e, uint64_t rows)
{
	sets->distinct += e->rows == 0;
	e->rows += rows;
	sets->rows += rows;
}

em_code
data_label_sets_add(data_label_sets *sets, const uint32_t *labels, uint32_t size, uint64_t rows,
					em_status *status)
{
	em_code code = check_labels(labels, size, status);
	uint32_t hash = hash_labels(labels, size);
	size_t slot;

	if (code == EM_OK)
		code = check_rows(sets, rows, status);
	if (code != EM_OK || rows == 0)
		return code;
	slot = find_slot(sets, labels, size, hash);
	if (sets->slots[slot] == 0)
	{
		if (2 * (sets->entry_count + 1) > sets->slot_mask + 1)
		{
			if (!rebuild(sets))
				return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
			slot = find_slot(sets, labels, size, hash);
		}
		if (sets->entry_count + 1 >= MAX_ENTRIES)
			return em_fail(status, EM_LIMIT, "more than %zu distinct label sets", MAX_ENTRIES - 1);
		if (!em_grow(&sets->allocator, (void **) &sets->entries, &sets->entry_capacity,
					 sets->entry_count + 1, sizeof(entry)) ||
			!em_grow(&sets->allocator, (void **) &sets->pool, &sets->pool_capacity,
					 sets->pool_count + size, sizeof(*sets->pool)))
			return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
		if (size > 0)
			memcpy(sets->pool + sets->pool_count, labels, size * sizeof(*labels));
		sets->entries[sets->entry_count] =
			(entry){ .start = sets->pool_count, .size = size, .hash = hash };
		sets->pool_count += size;
		sets->slots[slot] = (uint32_t) ++sets->entry_count;
	}
	count_rows(sets, &sets->entries[sets->slots[slot] - 1], rows);
	return EM_OK;
}

em_code
data_label_sets_add_to(data_label_sets *sets, uint32_t number, uint64_t rows, em_status *status)
{
	em_code code = check_rows(sets, rows, status);

	if (code == EM_OK && rows > 0)
		count_rows(sets, &sets->entries[number], rows);
	return code;
}

em_code
data_label_sets_remove(data_label_sets *sets, const uint32_t *labels, uint32_t size, uint64_t rows,
					   em_status *status)
{
	em_code code = check_labels(labels, size, status);
	size_t slot = find_slot(sets, labels, size, hash_labels(labels, size));
	entry *e = sets->slots[slot] == 0 ? NULL : &sets->entries[sets->slots[slot] - 1];
	uint64_t present = e == NULL ? 0 : e->rows;

	if (code != EM_OK || rows == 0)
		return code;
	if (present < rows)
		return em_fail(status, EM_INVALID_DATA,
					   "%" PRIu64 " rows of a label set to take out, but there are %" PRIu64, rows,
					   present);
	e->rows -= rows;
	sets->rows -= rows;
	sets->distinct -= e->rows == 0;
	return EM_OK;
}

static int
compare_labels(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *) left;
	uint32_t b = *(const uint32_t *) right;

	return (a > b) - (a < b);
}

em_code
data_label_sets_merge(data_label_sets *sets, const data_label_sets *from, const uint32_t *map,
					  uint32_t map_size, em_status *status)
{
	data_label_set set;
	size_t position = 0;
	em_code code = EM_OK;

	while (code == EM_OK && data_label_sets_next(from, &position, &set))
	{
		const uint32_t *labels = set.labels;

		if (map != NULL && set.size > 0)
		{
			if (!em_grow(&sets->allocator, (void **) &sets->scratch, &sets->scratch_capacity,
						 set.size, sizeof(*sets->scratch)))
				return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
			for (uint32_t i = 0; i < set.size; i++)
			{
				if (set.labels[i] >= map_size)
					return em_fail(status, EM_INVALID_DATA,
								   "label %" PRIu32 " is not below the number of labels, %" PRIu32,
								   set.labels[i], map_size);
				sets->scratch[i] = map[set.labels[i]];
			}
			qsort(sets->scratch, set.size, sizeof(*sets->scratch), compare_labels);
			labels = sets->scratch;
		}
		code = data_label_sets_add(sets, labels, set.size, set.rows, status);
	}
	return code;
}

uint64_t
data_label_sets_rows(const data_label_sets *sets)
{
	return sets->rows;
}

uint64_t
data_label_sets_distinct(const data_label_sets *sets)
{
	return sets->distinct;
}

bool
data_label_sets_next(const data_label_sets *sets, size_t *position, data_label_set *set)
{
	while (*position < sets->entry_count)
	{
		const entry *e = &sets->entries[(*position)++];

		if (e->rows == 0)
			continue;
		set->labels = e->size == 0 ? NULL : sets->pool + e->start;
		set->size = e->size;
		set->rows = e->rows;
		return true;
	}
	return false;
}

bool
data_label_sets_number(const data_label_sets *sets, const uint32_t *labels, uint32_t size,
					   uint32_t *number)
{
	size_t slot = find_slot(sets, labels, size, hash_labels(labels, size));

	if (sets->slots[slot] == 0)
		return false;
	*number = sets->slots[slot] - 1;
	return true;
}

data_label_set
data_label_sets_at(const data_label_sets *sets, uint32_t number)
{
	const entry *e = &sets->entries[number];

	return (data_label_set){
		.labels = e->size == 0 ? NULL : sets->pool + e->start,
		.size = e->size,
		.rows = e->rows,
	};
}
