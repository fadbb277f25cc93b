/*
 * stratify.c
 *	  Iterative stratification in time near the number of labels given.
 *
 * What is placed is a unit: a row, or a group of rows. What is shared out is an
 * item: a label, or of second order also a pair of labels. Items wait in a
 * queue of buckets by the number of their rows not yet placed; these numbers
 * only fall, each by one label of one row, so finding the smallest costs no
 * more than the falling does.
 */
#include "stratify.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mix.h"

#define NONE UINT32_MAX
#define STOP_EVERY 4096

typedef struct splitter
{
	const data_label_rows *rows;
	const data_stratify_options *options;
	uint64_t draws; /* random numbers used */
	double share[DATA_MAX_PARTS];

	/* units: rows member[member_start[u]] .. have unit u */
	uint32_t unit_count;
	uint32_t *member;       /* (n) */
	uint32_t *member_start; /* (units + 1) */
	uint32_t *order;        /* (units): in which they are placed */
	uint8_t *unit_part;     /* (units) */
	uint8_t *placed;        /* (units) */

	/* unit u holds entries entry_start[u] ..: an item, and how many of its rows have it */
	uint32_t item_count;
	uint32_t *pair_item;   /* (L (L - 1) / 2): item of a pair, or 0 */
	uint64_t *entry_start; /* (units + 1) */
	uint32_t *entry_item;
	uint32_t *entry_rows;
	uint64_t entry_room; /* at most so many entries */

	/* item t is held by units holder[holder_start[t]] .., in placing order */
	uint64_t *holder_start; /* (items + 1) */
	uint32_t *holder;

	uint32_t *total; /* (items) rows */
	uint32_t *left;  /* (items) rows not yet placed */
	uint32_t *given; /* (items, parts) rows */
	uint64_t rows_given[DATA_MAX_PARTS];

	/* the queue: doubly linked lists of items, one per number of rows left */
	uint32_t *bucket;   /* (largest total + 1) */
	uint32_t *next;     /* (items) */
	uint32_t *previous; /* (items) */
	uint8_t *queued;    /* (items) */
	uint32_t lowest;    /* no bucket below this holds anything */
	uint32_t highest;
} splitter;

static uint32_t
draw_below(splitter *s, uint32_t below)
{
	return (uint32_t) data_random_below(data_random(s->options->seed, s->draws++), below);
}

static void
shuffle(splitter *s, uint32_t *array, uint32_t count)
{
	for (uint32_t i = count; i > 1; i--)
	{
		uint32_t j = draw_below(s, i);
		uint32_t swap = array[i - 1];

		array[i - 1] = array[j];
		array[j] = swap;
	}
}

/* -- units -- */

typedef struct group_member
{
	uint64_t group;
	uint32_t row;
} group_member;

static int
compare_members(const void *left, const void *right)
{
	const group_member *a = left;
	const group_member *b = right;

	if (a->group != b->group)
		return a->group < b->group ? -1 : 1;
	return (a->row > b->row) - (a->row < b->row);
}

static bool
make_units(const em_allocator *allocator, splitter *s)
{
	uint32_t n = (uint32_t) s->rows->n;
	const uint64_t *group = s->options->group;
	group_member *sorted;

	s->member = em_allocate_array(allocator, n, sizeof(*s->member));
	s->member_start = em_allocate_array(allocator, (size_t) n + 1, sizeof(*s->member_start));
	if (s->member == NULL || s->member_start == NULL)
		return false;
	if (group == NULL)
	{
		for (uint32_t i = 0; i < n; i++)
			s->member[i] = s->member_start[i] = i;
		s->unit_count = n;
		s->member_start[n] = n;
		return true;
	}
	sorted = em_allocate_array(allocator, n, sizeof(*sorted));
	if (sorted == NULL)
		return false;
	for (uint32_t i = 0; i < n; i++)
		sorted[i] = (group_member){ group[i], i };
	qsort(sorted, n, sizeof(*sorted), compare_members);
	for (uint32_t i = 0; i < n; i++)
	{
		if (i == 0 || sorted[i].group != sorted[i - 1].group)
			s->member_start[s->unit_count++] = i;
		s->member[i] = sorted[i].row;
	}
	s->member_start[s->unit_count] = n;
	em_release(allocator, sorted);
	return true;
}

static uint32_t
unit_rows(const splitter *s, uint32_t unit)
{
	return s->member_start[unit + 1] - s->member_start[unit];
}

/* At random, then larger units first: what is hard to fit goes while there is room. */
static bool
order_units(const em_allocator *allocator, splitter *s)
{
	uint32_t largest = 0, *start, *shuffled;

	s->order = em_allocate_array(allocator, s->unit_count, sizeof(*s->order));
	if (s->order == NULL)
		return false;
	for (uint32_t u = 0; u < s->unit_count; u++)
	{
		s->order[u] = u;
		largest = unit_rows(s, u) > largest ? unit_rows(s, u) : largest;
	}
	shuffle(s, s->order, s->unit_count);
	if (largest <= 1)
		return true;

	start = em_allocate_zeroed(allocator, (size_t) largest + 1, sizeof(*start));
	shuffled = em_allocate_array(allocator, s->unit_count, sizeof(*shuffled));
	if (start == NULL || shuffled == NULL)
	{
		em_release(allocator, shuffled);
		em_release(allocator, start);
		return false;
	}
	memcpy(shuffled, s->order, s->unit_count * sizeof(*shuffled));
	for (uint32_t u = 0; u < s->unit_count; u++)
		start[largest - unit_rows(s, u)]++;
	for (uint32_t i = 0, sum = 0; i <= largest; i++)
	{
		uint32_t here = start[i];

		start[i] = sum;
		sum += here;
	}
	for (uint32_t i = 0; i < s->unit_count; i++)
		s->order[start[largest - unit_rows(s, shuffled[i])]++] = shuffled[i];
	em_release(allocator, shuffled);
	em_release(allocator, start);
	return true;
}

/* -- items -- */

/* Where the pair a < b stands among all pairs. */
static size_t
pair_place(uint32_t a, uint32_t b)
{
	return (size_t) b * (b - 1) / 2 + a;
}

/* Number the items and bound the number of entries. */
static em_code
number_items(const em_allocator *allocator, splitter *s, em_status *status)
{
	const data_label_rows *rows = s->rows;
	size_t pairs = rows->labels < 2 ? 0 : pair_place(0, rows->labels);

	s->item_count = rows->labels;
	s->entry_room = rows->start[rows->n];
	if (s->options->order == 1)
		return EM_OK;
	s->pair_item = em_allocate_zeroed(allocator, pairs, sizeof(*s->pair_item));
	if (s->pair_item == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	for (uint64_t i = 0; i < rows->n; i++)
	{
		for (uint64_t b = rows->start[i]; b < rows->start[i + 1]; b++)
		{
			for (uint64_t a = rows->start[i]; a < b; a++)
			{
				uint32_t *item = &s->pair_item[pair_place(rows->label[a], rows->label[b])];

				if (*item == 0)
					*item = s->item_count++;
			}
			s->entry_room += b - rows->start[i];
		}
	}
	return EM_OK;
}

/* One row of unit has item; last: (items), the entry that last named it, plus 1. */
static void
count_item(splitter *s, uint32_t unit, uint32_t item, uint64_t *entries, uint64_t *last)
{
	s->total[item]++;
	if (last[item] > s->entry_start[unit])
	{
		s->entry_rows[last[item] - 1]++;
		return;
	}
	s->entry_item[*entries] = item;
	s->entry_rows[*entries] = 1;
	last[item] = ++*entries;
}

static bool
list_entries(const em_allocator *allocator, splitter *s)
{
	const data_label_rows *rows = s->rows;
	uint64_t entries = 0;
	uint64_t *last = em_allocate_zeroed(allocator, s->item_count, sizeof(*last));

	s->entry_start =
		em_allocate_array(allocator, (size_t) s->unit_count + 1, sizeof(*s->entry_start));
	s->entry_item = em_allocate_array(allocator, s->entry_room, sizeof(*s->entry_item));
	s->entry_rows = em_allocate_array(allocator, s->entry_room, sizeof(*s->entry_rows));
	s->total = em_allocate_zeroed(allocator, s->item_count, sizeof(*s->total));
	if (last == NULL || s->entry_start == NULL || s->entry_item == NULL || s->entry_rows == NULL ||
		s->total == NULL)
	{
		em_release(allocator, last);
		return false;
	}
	for (uint32_t u = 0; u < s->unit_count; u++)
	{
		s->entry_start[u] = entries;
		for (uint32_t m = s->member_start[u]; m < s->member_start[u + 1]; m++)
		{
			uint64_t first = rows->start[s->member[m]];
			uint64_t end = rows->start[s->member[m] + 1];

			for (uint64_t b = first; b < end; b++)
			{
				count_item(s, u, rows->label[b], &entries, last);
				for (uint64_t a = first; s->pair_item != NULL && a < b; a++)
					count_item(s, u, s->pair_item[pair_place(rows->label[a], rows->label[b])],
							   &entries, last);
			}
		}
	}
	s->entry_start[s->unit_count] = entries;
	em_release(allocator, last);
	return true;
}

/* The other way about: which units hold an item, in the order of placing. */
static bool
list_holders(const em_allocator *allocator, splitter *s)
{
	uint64_t entries = s->entry_start[s->unit_count];
	uint64_t sum = 0;

	s->holder_start =
		em_allocate_zeroed(allocator, (size_t) s->item_count + 1, sizeof(*s->holder_start));
	s->holder = em_allocate_array(allocator, entries, sizeof(*s->holder));
	if (s->holder_start == NULL || s->holder == NULL)
		return false;
	for (uint64_t e = 0; e < entries; e++)
		s->holder_start[s->entry_item[e]]++;
	for (uint32_t t = 0; t <= s->item_count; t++)
	{
		sum += s->holder_start[t];
		s->holder_start[t] = sum; /* its end; filling from behind makes it the start */
	}
	for (uint32_t i = s->unit_count; i-- > 0;)
	{
		uint32_t unit = s->order[i];

		for (uint64_t e = s->entry_start[unit]; e < s->entry_start[unit + 1]; e++)
			s->holder[--s->holder_start[s->entry_item[e]]] = unit;
	}
	return true;
}

/* -- the queue -- */

static void
enqueue(splitter *s, uint32_t item)
{
	uint32_t *head = &s->bucket[s->left[item]];

	s->previous[item] = NONE;
	s->next[item] = *head;
	if (*head != NONE)
		s->previous[*head] = item;
	*head = item;
	s->queued[item] = 1;
	if (s->left[item] < s->lowest)
		s->lowest = s->left[item];
}

static void
dequeue(splitter *s, uint32_t item)
{
	if (s->previous[item] == NONE)
		s->bucket[s->left[item]] = s->next[item];
	else
		s->next[s->previous[item]] = s->next[item];
	if (s->next[item] != NONE)
		s->previous[s->next[item]] = s->previous[item];
	s->queued[item] = 0;
}

/* Take out an item with the fewest rows left; false when there is none. */
static bool
take_rarest(splitter *s, uint32_t *item)
{
	while (s->lowest <= s->highest && s->bucket[s->lowest] == NONE)
		s->lowest++;
	if (s->lowest > s->highest)
		return false;
	*item = s->bucket[s->lowest];
	dequeue(s, *item);
	return true;
}

/* All items with rows, entered at random so that the seed decides among equals. */
static bool
fill_queue(const em_allocator *allocator, splitter *s)
{
	uint32_t *items = em_allocate_array(allocator, s->item_count, sizeof(*items));

	for (uint32_t t = 0; t < s->item_count; t++)
		s->highest = s->total[t] > s->highest ? s->total[t] : s->highest;
	s->lowest = s->highest;
	s->left = em_allocate_array(allocator, s->item_count, sizeof(*s->left));
	s->bucket = em_allocate_array(allocator, (size_t) s->highest + 1, sizeof(*s->bucket));
	s->next = em_allocate_array(allocator, s->item_count, sizeof(*s->next));
	s->previous = em_allocate_array(allocator, s->item_count, sizeof(*s->previous));
	s->queued = em_allocate_zeroed(allocator, s->item_count, sizeof(*s->queued));
	if (items == NULL || s->left == NULL || s->bucket == NULL || s->next == NULL ||
		s->previous == NULL || s->queued == NULL)
	{
		em_release(allocator, items);
		return false;
	}
	for (uint32_t b = 0; b <= s->highest; b++)
		s->bucket[b] = NONE;
	for (uint32_t t = 0; t < s->item_count; t++)
	{
		s->left[t] = s->total[t];
		items[t] = t;
	}
	shuffle(s, items, s->item_count);
	for (uint32_t t = 0; t < s->item_count; t++)
	{
		if (s->left[items[t]] > 0)
			enqueue(s, items[t]);
	}
	em_release(allocator, items);
	return true;
}

/* -- placing -- */

/* The part that wants most of item (NONE: only rows count), then most rows, then any. */
static uint32_t
choose_part(splitter *s, uint32_t item)
{
	uint32_t parts = s->options->parts, best = 0, ties = 0;
	double best_wants = 0.0, best_wants_rows = 0.0;

	for (uint32_t p = 0; p < parts; p++)
	{
		double wants = 0.0;
		double wants_rows = s->share[p] * (double) s->rows->n - (double) s->rows_given[p];

		/* from whole numbers each time, so that equal wants are equal doubles */
		if (item != NONE)
			wants = s->share[p] * s->total[item] - s->given[(size_t) item * parts + p];
		if (p == 0 || wants > best_wants || (wants == best_wants && wants_rows > best_wants_rows))
		{
			best = p;
			best_wants = wants;
			best_wants_rows = wants_rows;
			ties = 1;
		}
		else if (wants == best_wants && wants_rows == best_wants_rows && draw_below(s, ++ties) == 0)
			best = p;
	}
	return best;
}

static void
place(splitter *s, uint32_t unit, uint32_t part)
{
	for (uint64_t e = s->entry_start[unit]; e < s->entry_start[unit + 1]; e++)
	{
		uint32_t item = s->entry_item[e];
		bool queued = s->queued[item] == 1;

		s->given[(size_t) item * s->options->parts + part] += s->entry_rows[e];
		if (queued)
			dequeue(s, item);
		s->left[item] -= s->entry_rows[e];
		if (queued && s->left[item] > 0)
			enqueue(s, item);
	}
	s->rows_given[part] += unit_rows(s, unit);
	s->unit_part[unit] = (uint8_t) part;
	s->placed[unit] = 1;
}

static em_code
maybe_stop(const splitter *s, uint64_t *steps, em_status *status)
{
	if (s->options->should_stop != NULL && (*steps)++ % STOP_EVERY == 0 &&
		s->options->should_stop(s->options->stop_context))
		return em_fail(status, EM_CANCELLED, "cancelled");
	return EM_OK;
}

static em_code
place_all(splitter *s, em_status *status)
{
	uint32_t item;
	uint64_t steps = 0;
	em_code code;

	while (take_rarest(s, &item))
	{
		for (uint64_t h = s->holder_start[item]; h < s->holder_start[item + 1]; h++)
		{
			code = maybe_stop(s, &steps, status);
			if (code != EM_OK)
				return code;
			if (!s->placed[s->holder[h]])
				place(s, s->holder[h], choose_part(s, item));
		}
	}
	for (uint32_t i = 0; i < s->unit_count; i++)
	{
		code = maybe_stop(s, &steps, status);
		if (code != EM_OK)
			return code;
		if (!s->placed[s->order[i]])
			place(s, s->order[i], choose_part(s, NONE));
	}
	return EM_OK;
}

static em_code
check_options(const data_label_rows *rows, const data_stratify_options *options, double *share,
			  em_status *status)
{
	double sum = 0.0;

	if (options->parts < 2 || options->parts > DATA_MAX_PARTS)
		return em_fail(status, EM_INVALID_OPTION, "%" PRIu32 " parts are not between 2 and %d",
					   options->parts, DATA_MAX_PARTS);
	if (options->order != 1 && options->order != 2)
		return em_fail(status, EM_INVALID_OPTION, "order %d of stratification is not 1 or 2",
					   options->order);
	if (options->order == 2 && rows->labels > DATA_MAX_PAIRED_LABELS)
	{
		(void) em_fail(status, EM_LIMIT,
					   "%" PRIu32 " labels are more than the %d that order 2 supports",
					   rows->labels, DATA_MAX_PAIRED_LABELS);
		em_hint(status, "Use order 1.");
		return EM_LIMIT;
	}
	for (uint32_t p = 0; p < options->parts; p++)
	{
		if (!(options->shares[p] > 0.0) || isinf(options->shares[p]))
			return em_fail(status, EM_INVALID_OPTION,
						   "share %g of part %" PRIu32 " is not a number over 0",
						   options->shares[p], p + 1);
		sum += options->shares[p];
	}
	if (isinf(sum))
		return em_fail(status, EM_INVALID_OPTION, "the shares add up to infinity");
	for (uint32_t p = 0; p < options->parts; p++)
		share[p] = options->shares[p] / sum;
	return EM_OK;
}

static em_code
split(const em_allocator *allocator, splitter *s, em_status *status)
{
	em_code code = EM_OUT_OF_MEMORY;

	if (make_units(allocator, s) && order_units(allocator, s))
		code = number_items(allocator, s, status);
	if (code == EM_OK &&
		!(list_entries(allocator, s) && list_holders(allocator, s) && fill_queue(allocator, s)))
		code = EM_OUT_OF_MEMORY;
	if (code != EM_OK)
		return em_fail(status, code, "out of memory");
	s->unit_part = em_allocate_array(allocator, s->unit_count, 1);
	s->placed = em_allocate_zeroed(allocator, s->unit_count, 1);
	s->given = em_allocate_zeroed(allocator, s->item_count, s->options->parts * sizeof(*s->given));
	if (s->unit_part == NULL || s->placed == NULL || s->given == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	return place_all(s, status);
}

em_code
data_stratify(const em_allocator *allocator, const data_label_rows *rows,
			  const data_stratify_options *options, uint8_t *part, em_status *status)
{
	splitter s = { .rows = rows, .options = options };
	em_code code = data_label_rows_check(rows, status);

	if (code == EM_OK)
		code = check_options(rows, options, s.share, status);
	if (code == EM_OK)
		code = split(allocator, &s, status);
	if (code == EM_OK)
	{
		for (uint32_t u = 0; u < s.unit_count; u++)
		{
			for (uint32_t m = s.member_start[u]; m < s.member_start[u + 1]; m++)
				part[s.member[m]] = s.unit_part[u];
		}
	}
	em_release(allocator, s.given);
	em_release(allocator, s.placed);
	em_release(allocator, s.unit_part);
	em_release(allocator, s.queued);
	em_release(allocator, s.previous);
	em_release(allocator, s.next);
	em_release(allocator, s.bucket);
	em_release(allocator, s.left);
	em_release(allocator, s.holder);
	em_release(allocator, s.holder_start);
	em_release(allocator, s.total);
	em_release(allocator, s.entry_rows);
	em_release(allocator, s.entry_item);
	em_release(allocator, s.entry_start);
	em_release(allocator, s.pair_item);
	em_release(allocator, s.order);
	em_release(allocator, s.member_start);
	em_release(allocator, s.member);
	return code;
}
