/*
 * test_label_stats.c
 *	  Label sets as a mergeable state, their statistics against another
 *	  language's (test/reference/label_stats.txt) and on GoEmotions.
 */
#include <math.h>

#include "check.h"

#include "../../src/data/label_stats.h"

#define FIXTURE "test/reference/label_stats.txt"
#define MAX_LABELS 32
#define MAX_ROWS 512

typedef struct figures
{
	data_label_stats stats;
	uint64_t count[MAX_LABELS];
	double irlbl[MAX_LABELS];
	double label_scumble[MAX_LABELS];
} figures;

static uint64_t test_state = 1;

static uint32_t
test_random(uint32_t below)
{
	test_state = test_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t) ((test_state >> 33) % below);
}

static data_label_sets *
make_sets(void)
{
	data_label_sets *sets = NULL;

	if (data_label_sets_create(&check_allocator, &sets, NULL) != EM_OK)
		abort();
	return sets;
}

/* Compute into *f, every byte of which is then defined. */
static em_code
compute(const data_label_sets *sets, uint32_t labels, double inputs, figures *f, em_status *status)
{
	memset(f, 0, sizeof(*f));
	f->stats.count = f->count;
	f->stats.irlbl = f->irlbl;
	f->stats.label_scumble = f->label_scumble;
	return data_label_stats_compute(&check_allocator, sets, labels, inputs, &f->stats, status);
}

/* To the last bit. */
static bool
same_bits(const figures *a, const figures *b)
{
	return memcmp(&a->stats.rows, &b->stats.rows, sizeof(a->stats.rows)) == 0 &&
		   a->stats.label_sets == b->stats.label_sets &&
		   a->stats.single_sets == b->stats.single_sets &&
		   memcmp(&a->stats.cardinality, &b->stats.cardinality, 8 * sizeof(double)) == 0 &&
		   memcmp(a->count, b->count, sizeof(a->count)) == 0 &&
		   memcmp(a->irlbl, b->irlbl, sizeof(a->irlbl)) == 0 &&
		   memcmp(a->label_scumble, b->label_scumble, sizeof(a->label_scumble)) == 0;
}

/* The product formula of the reference loses more digits than ours. */
static bool
near(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	return fabs(a - b) <= 1e-12 * fmax(1.0, fabs(b));
}

/* -- against another language -- */

static bool
agrees(const figures *f, const char *key, char *text)
{
	const data_label_stats *s = &f->stats;
	const struct
	{
		const char *name;
		double value;
	} single[] = {
		{ "cardinality", s->cardinality },
		{ "density", s->density },
		{ "label_sets", (double) s->label_sets },
		{ "single_sets", (double) s->single_sets },
		{ "mean_ir", s->mean_ir },
		{ "max_ir", s->max_ir },
		{ "cvir", s->cvir },
		{ "scumble", s->scumble },
		{ "scumble_cv", s->scumble_cv },
		{ "tcs", s->tcs },
	};
	uint32_t l = 0;

	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
	{
		if (strcmp(key, single[i].name) == 0)
			return near(single[i].value, strtod(text, NULL));
	}
	for (char *word = strtok(text, " \n"); word != NULL; word = strtok(NULL, " \n"), l++)
	{
		double value = strcmp(key, "count") == 0           ? (double) f->count[l]
					   : strcmp(key, "irlbl") == 0         ? f->irlbl[l]
					   : strcmp(key, "label_scumble") == 0 ? f->label_scumble[l]
														   : -1;

		if (!near(value, strtod(word, NULL)))
			return false;
	}
	return l == s->labels;
}

static void
test_against_reference(void)
{
	static char line[65536];
	data_label_sets *sets = NULL;
	figures f;
	char name[64] = "";
	unsigned labels = 0, rows, inputs = 1;
	bool computed = false;
	int cases = 0;
	FILE *file = fopen(FIXTURE, "r");

	if (!CHECK(file != NULL, "fixture " FIXTURE " is there"))
		return;
	while (fgets(line, sizeof(line), file) != NULL)
	{
		char key[64];
		size_t length = strcspn(line, " \n");

		snprintf(key, sizeof(key), "%.*s", (int) length, line);
		if (strcmp(key, "case") == 0)
		{
			data_label_sets_destroy(sets);
			sets = make_sets();
			computed = false;
			cases++;
			if (!CHECK(sscanf(line, "case %63s %u %u %u", name, &labels, &rows, &inputs) == 4,
					   "case %d is readable", cases))
				break;
		}
		else if (strcmp(key, "row") == 0)
		{
			uint32_t row[MAX_LABELS], size = 0;

			for (char *word = strtok(line + length, " \n"); word != NULL;
				 word = strtok(NULL, " \n"))
				row[size++] = (uint32_t) atoi(word);
			if (data_label_sets_add(sets, row, size, 1, NULL) != EM_OK)
				CHECK(false, "%s: row added", name);
		}
		else
		{
			if (!computed)
				CHECK(compute(sets, labels, inputs, &f, NULL) == EM_OK, "%s: computed", name);
			computed = true;
			CHECK(agrees(&f, key, line + length), "%s: %s as the reference", name, key);
		}
	}
	fclose(file);
	data_label_sets_destroy(sets);
	CHECK(cases == 8, "the fixture has 8 cases");
}

/* -- GoEmotions -- */

static void
check_printed(const char *file, const char *what, const char *format, double value,
			  const char *golden)
{
	char printed[64];

	snprintf(printed, sizeof(printed), format, value);
	CHECK(strcmp(printed, golden) == 0, "%s: %s is %s (golden: %s)", file, what, printed, golden);
}

static void
test_golden(const char *name, uint64_t rows, const char *const golden[6], uint64_t label_sets,
			uint64_t single_sets, uint64_t above_mean)
{
	static char line[65536];
	const char *path = check_data(name);
	data_label_sets *sets;
	figures f;
	uint64_t above = 0;
	FILE *file;

	if (path == NULL)
	{
		check_skip(name, "the file is not there");
		return;
	}
	file = fopen(path, "r");
	sets = make_sets();
	while (fgets(line, sizeof(line), file) != NULL)
	{
		uint32_t row[MAX_LABELS], size = 0;
		char *ids = strchr(line, '\t');
		char *end = ids == NULL ? NULL : strchr(ids + 1, '\t');

		if (end == NULL)
			continue;
		*end = '\0';
		for (char *word = strtok(ids, "\t,"); word != NULL; word = strtok(NULL, ","))
		{
			uint32_t id = (uint32_t) atoi(word), at = size++;

			for (; at > 0 && row[at - 1] > id; at--)
				row[at] = row[at - 1];
			row[at] = id;
		}
		if (data_label_sets_add(sets, row, size, 1, NULL) != EM_OK)
			CHECK(false, "%s: row added", name);
	}
	fclose(file);
	CHECK(compute(sets, 28, 1, &f, NULL) == EM_OK, "%s: computed", name);
	CHECK(f.stats.rows == rows, "%s: %lu rows", name, (unsigned long) rows);
	check_printed(name, "cardinality", "%.4f", f.stats.cardinality, golden[0]);
	check_printed(name, "density", "%.5f", f.stats.density, golden[1]);
	check_printed(name, "MeanIR", "%.2f", f.stats.mean_ir, golden[2]);
	check_printed(name, "MaxIR", "%.2f", f.stats.max_ir, golden[3]);
	check_printed(name, "CVIR", "%.4f", f.stats.cvir, golden[4]);
	check_printed(name, "SCUMBLE", "%.5f", f.stats.scumble, golden[5]);
	CHECK(f.stats.label_sets == label_sets && f.stats.single_sets == single_sets,
		  "%s: %lu label sets, %lu of them once", name, (unsigned long) f.stats.label_sets,
		  (unsigned long) f.stats.single_sets);
	for (int l = 0; l < 28; l++)
		above += f.irlbl[l] > f.stats.mean_ir;
	CHECK(above == above_mean, "%s: %lu labels over MeanIR", name, (unsigned long) above);
	data_label_sets_destroy(sets);
}

/* -- the state -- */

static uint32_t row_labels[MAX_ROWS][8];
static uint32_t row_size[MAX_ROWS];

static void
make_rows(uint32_t n, uint32_t labels, uint64_t seed)
{
	test_state = seed;
	for (uint32_t i = 0; i < n; i++)
	{
		row_size[i] = 0;
		for (uint32_t l = 0; l < labels && row_size[i] < 8; l++)
		{
			if (test_random(2 + 2 * l) == 0)
				row_labels[i][row_size[i]++] = l;
		}
	}
}

static void
add_rows(data_label_sets *sets, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
	{
		if (data_label_sets_add(sets, row_labels[i], row_size[i], 1, NULL) != EM_OK)
			CHECK(false, "row added");
	}
}

/* Parallel parts, rows backwards, and windows that move: the same bits as one pass. */
static void
test_merge_and_windows(void)
{
	int wrong_merge = 0, wrong_order = 0, wrong_window = 0, wrong_total = 0;

	for (uint64_t seed = 1; seed <= 100; seed++)
	{
		uint32_t labels = 2 + (uint32_t) (seed % 12), n = 5 + (uint32_t) (seed * 37 % 300);
		uint32_t third = n / 3;
		data_label_sets *whole = make_sets(), *parts = make_sets(), *part = make_sets();
		data_label_sets *backwards = make_sets(), *window = make_sets(), *middle = make_sets();
		figures a, b;

		make_rows(n, labels, seed);
		add_rows(whole, 0, n);
		wrong_total += compute(whole, labels, 1, &a, NULL) != EM_OK || a.stats.rows != n;

		add_rows(parts, third, n);
		add_rows(part, 0, third);
		wrong_merge += data_label_sets_merge(parts, part, NULL, 0, NULL) != EM_OK;
		wrong_merge += compute(parts, labels, 1, &b, NULL) != EM_OK || !same_bits(&a, &b);

		for (uint32_t i = n; i-- > 0;)
			add_rows(backwards, i, i + 1);
		wrong_order += compute(backwards, labels, 1, &b, NULL) != EM_OK || !same_bits(&a, &b);

		/* slide a window over all rows and stop at the middle third */
		add_rows(window, 0, third);
		for (uint32_t i = 0; i < third; i++)
		{
			wrong_window +=
				data_label_sets_remove(window, row_labels[i], row_size[i], 1, NULL) != EM_OK;
			add_rows(window, third + i, third + i + 1);
		}
		add_rows(middle, third, 2 * third);
		wrong_window += compute(middle, labels, 1, &a, NULL) != EM_OK;
		wrong_window += compute(window, labels, 1, &b, NULL) != EM_OK || !same_bits(&a, &b);

		data_label_sets_destroy(whole);
		data_label_sets_destroy(parts);
		data_label_sets_destroy(part);
		data_label_sets_destroy(backwards);
		data_label_sets_destroy(window);
		data_label_sets_destroy(middle);
	}
	CHECK(wrong_total == 0, "100 random data sets counted");
	CHECK(wrong_merge == 0, "merged parts give the same bits as one pass");
	CHECK(wrong_order == 0, "rows backwards give the same bits");
	CHECK(wrong_window == 0, "a window that moved gives the same bits as its rows alone");
}

static void
test_renumbering_merge(void)
{
	/* there 0, 1, 2; here 5, 0, 3 */
	const uint32_t map[3] = { 5, 0, 3 }, twice[3] = { 1, 1, 0 };
	const uint32_t both[2] = { 0, 1 }, last[1] = { 2 }, here[2] = { 0, 5 };
	data_label_sets *from = make_sets(), *to = make_sets();
	data_label_set set;
	size_t position = 0;
	em_status status;
	bool found = false;

	data_label_sets_add(from, both, 2, 4, NULL);
	data_label_sets_add(from, last, 1, 2, NULL);
	data_label_sets_add(to, here, 2, 3, NULL);
	CHECK(data_label_sets_merge(to, from, map, 3, NULL) == EM_OK && data_label_sets_rows(to) == 9 &&
			  data_label_sets_distinct(to) == 2,
		  "a merge that renumbers finds the set it already has");
	while (data_label_sets_next(to, &position, &set))
		found |= set.size == 2 && set.labels[0] == 0 && set.labels[1] == 5 && set.rows == 7;
	CHECK(found, "and adds its rows to it, in rising order");
	CHECK(data_label_sets_merge(to, from, map, 2, &status) == EM_INVALID_DATA,
		  "a label that the map lacks is refused: %s", status.message);
	CHECK(data_label_sets_merge(to, from, twice, 3, &status) == EM_INVALID_DATA,
		  "two labels that become one are refused: %s", status.message);
	data_label_sets_destroy(from);
	data_label_sets_destroy(to);
}

/* Many distinct sets come and go; the state must not grow with those that went. */
static void
test_many_sets(void)
{
	data_label_sets *sets = make_sets();
	bool good = true;

	for (uint32_t i = 0; i < 20000; i++)
	{
		uint32_t labels[3] = { i % 50, 50 + i / 50, 10000 + i };
		uint32_t old[3] = { (i - 100) % 50, 50 + (i - 100) / 50, 10000 + i - 100 };

		good &= data_label_sets_add(sets, labels, 3, 2, NULL) == EM_OK;
		if (i >= 100)
			good &= data_label_sets_remove(sets, old, 3, 2, NULL) == EM_OK;
	}
	CHECK(good && data_label_sets_distinct(sets) == 100 && data_label_sets_rows(sets) == 200,
		  "20,000 sets through a window of 100 leave 100");
	good = true;
	for (uint32_t i = 0; i < 20000; i++)
	{
		uint32_t labels[2] = { i % 150, 200 + i / 150 };

		good &= data_label_sets_add(sets, labels, 2, 1, NULL) == EM_OK &&
				data_label_sets_add(sets, labels, 2, 1, NULL) == EM_OK;
	}
	CHECK(good && data_label_sets_distinct(sets) == 20100 && data_label_sets_rows(sets) == 40200,
		  "20,000 sets at once are all told apart");
	data_label_sets_destroy(sets);
}

static void
test_scumble_of_row(void)
{
	const double irlbl[3] = { 1, 4, 4 };
	const uint32_t none[1] = { 0 }, rare[2] = { 1, 2 }, mixed[2] = { 0, 1 };

	CHECK(data_scumble_of_row(none, 0, irlbl) == 0 && data_scumble_of_row(none, 1, irlbl) == 0,
		  "no label or one: 0");
	CHECK(data_scumble_of_row(rare, 2, irlbl) == 0, "equally rare labels: exactly 0");
	CHECK(near(data_scumble_of_row(mixed, 2, irlbl), 1 - 2 / 2.5), "1 and 4: 1 - sqrt(4) / 2.5");
}

/* -- errors -- */

static em_code
run_everything(em_status *status)
{
	const uint32_t map[8] = { 7, 6, 5, 4, 3, 2, 1, 0 };
	data_label_sets *sets = NULL, *more = NULL;
	figures f;
	em_code code = data_label_sets_create(&check_allocator, &sets, status);

	if (code == EM_OK)
		code = data_label_sets_create(&check_allocator, &more, status);
	for (uint32_t i = 0; code == EM_OK && i < 100; i++)
		code = data_label_sets_add(i % 2 ? sets : more, row_labels[i], row_size[i], 1, status);
	if (code == EM_OK)
		code = data_label_sets_merge(sets, more, map, 8, status);
	if (code == EM_OK)
		code = compute(sets, 8, 1, &f, status);
	data_label_sets_destroy(more);
	data_label_sets_destroy(sets);
	return code;
}

static void
test_errors(void)
{
	const uint32_t falling[2] = { 3, 1 }, doubled[2] = { 2, 2 }, one[1] = { 7 };
	data_label_sets *sets = make_sets();
	em_status status = { 0 };
	figures f;
	int failures = 0;
	bool good = true;

	CHECK(compute(sets, 3, 1, &f, NULL) == EM_OK && f.stats.rows == 0 &&
			  isnan(f.stats.cardinality) && isnan(f.stats.mean_ir) && isnan(f.stats.scumble) &&
			  isnan(f.stats.tcs) && isnan(f.irlbl[0]) && f.count[2] == 0,
		  "without rows there are counts of 0 and no figures");
	CHECK(data_label_sets_add(sets, falling, 2, 1, &status) == EM_INVALID_DATA &&
			  strcmp(status.message, "label 1 after label 3 in a label set, which must rise") == 0,
		  "labels out of order are refused: %s", status.message);
	CHECK(data_label_sets_add(sets, doubled, 2, 1, &status) == EM_INVALID_DATA,
		  "a label twice in a set is refused: %s", status.message);
	CHECK(data_label_sets_remove(sets, one, 1, 1, &status) == EM_INVALID_DATA,
		  "taking out what was never put in is refused: %s", status.message);
	CHECK(data_label_sets_add(sets, one, 1, 2, NULL) == EM_OK &&
			  data_label_sets_remove(sets, one, 1, 3, &status) == EM_INVALID_DATA &&
			  data_label_sets_rows(sets) == 2,
		  "so is taking out more: %s", status.message);
	CHECK(data_label_sets_add(sets, one, 1, UINT64_MAX, &status) == EM_LIMIT &&
			  data_label_sets_rows(sets) == 2,
		  "a count that overflows is refused: %s", status.message);
	CHECK(data_label_sets_add_to(sets, 0, 3, NULL) == EM_OK && data_label_sets_rows(sets) == 5 &&
			  data_label_sets_at(sets, 0).rows == 5 && data_label_sets_distinct(sets) == 1 &&
			  data_label_sets_remove(sets, one, 1, 3, NULL) == EM_OK,
		  "a set is counted by its number, too");
	CHECK(data_label_sets_add_to(sets, 0, UINT64_MAX, &status) == EM_LIMIT &&
			  data_label_sets_rows(sets) == 2,
		  "where a count that overflows is refused as well: %s", status.message);
	CHECK(data_label_sets_add(sets, falling, 1, 0, NULL) == EM_OK &&
			  data_label_sets_distinct(sets) == 1,
		  "0 rows of a set add nothing");
	CHECK(compute(sets, 7, 1, &f, &status) == EM_INVALID_DATA &&
			  strcmp(status.message, "label 7 is not below the number of labels, 7") == 0,
		  "a label over their number is refused: %s", status.message);
	CHECK(compute(sets, 0, 1, &f, &status) == EM_INVALID_OPTION, "no labels are refused: %s",
		  status.message);
	CHECK(compute(sets, 8, 0, &f, &status) == EM_INVALID_OPTION, "no inputs are refused: %s",
		  status.message);
	CHECK(compute(sets, 8, NAN, &f, &status) == EM_INVALID_OPTION,
		  "inputs that are not a number are refused: %s", status.message);
	data_label_sets_destroy(sets);
	data_label_sets_destroy(NULL);

	make_rows(100, 8, 3);
	for (long at = 1; at < 1000; at++)
	{
		em_code code;

		check_fail_at = at;
		code = run_everything(&status);
		if (check_fail_at > 0)
		{
			good &= code == EM_OK;
			break;
		}
		failures++;
		good &= code == EM_OUT_OF_MEMORY && check_live == 0;
	}
	check_fail_at = 0;
	CHECK(good && failures > 10, "each of %d allocations failing in turn is reported, no leak",
		  failures);
}

int
main(void)
{
	static const char *const train[6] = { "1.1772", "0.04204", "28.30",
										  "184.66", "1.5234",  "0.02149" };
	static const char *const dev[6] = {
		"1.1758", "0.04199", "26.39", "135.85", "1.3789", "0.02128"
	};

	test_against_reference();
	test_golden("goemotions/train.tsv", 43410, train, 711, 308, 5);
	test_golden("goemotions/dev.tsv", 5426, dev, 296, 133, 5);
	test_merge_and_windows();
	test_renumbering_merge();
	test_many_sets();
	test_scumble_of_row();
	test_errors();
	CHECK(check_live == 0, "nothing is left allocated");
	return check_done();
}
