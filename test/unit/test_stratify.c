/*
 * test_stratify.c
 *	  Iterative stratification: shares of labels and of pairs, groups kept
 *	  together, seeds, errors.
 */
#include <math.h>

#include "check.h"

#include "../../src/data/stratify.h"

#define MAX_ROWS 50000
#define MAX_ENTRIES 200000
#define MAX_LABELS 64

static uint64_t start[MAX_ROWS + 1];
static uint32_t label[MAX_ENTRIES];
static uint64_t group[MAX_ROWS];
static uint8_t part[MAX_ROWS], again[MAX_ROWS];
static data_label_rows rows = { .start = start, .label = label };

static const double eighty_ten_ten[3] = { 0.8, 0.1, 0.1 };
static const double fifths[5] = { 1, 1, 1, 1, 1 };

static uint64_t test_state = 1;

static uint32_t
test_random(uint32_t below)
{
	test_state = test_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t) ((test_state >> 33) % below);
}

/* Label l is in about one row in 2 + step l; and often with its neighbour. */
static void
make_rows(uint32_t n, uint32_t labels, uint32_t step, uint64_t seed)
{
	uint64_t entries = 0;

	test_state = seed;
	rows.n = n;
	rows.labels = labels;
	for (uint32_t i = 0; i < n; i++)
	{
		bool last = false;

		start[i] = entries;
		for (uint32_t l = 0; l < labels && entries < MAX_ENTRIES; l++)
		{
			last = test_random(2 + step * l) == 0 || (last && test_random(4) == 0);
			if (last)
				label[entries++] = l;
		}
	}
	start[n] = entries;
}

static data_stratify_options
options_of(const double *shares, uint32_t parts, int order, uint64_t seed)
{
	return (
		data_stratify_options){ .parts = parts, .shares = shares, .order = order, .seed = seed };
}

static em_code
split(const data_stratify_options *options, uint8_t *into)
{
	memset(into, 0xFF, sizeof(part));
	return data_stratify(&check_allocator, &rows, options, into, NULL);
}

/*
 * The largest difference between the rows of a label in a part and its share of
 * them: in rows when forgiven is 0, else in percent of the label's rows, so many
 * rows being forgiven (what other labels of the same rows decided).
 */
static double
largest_gap(const data_stratify_options *options, int forgiven)
{
	static uint64_t count[DATA_MAX_PARTS][MAX_LABELS];
	double sum = 0, largest = 0;

	memset(count, 0, sizeof(count));
	for (uint32_t p = 0; p < options->parts; p++)
		sum += options->shares[p];
	for (uint64_t i = 0; i < rows.n; i++)
		for (uint64_t e = start[i]; e < start[i + 1]; e++)
			count[part[i]][label[e]]++;
	for (uint32_t l = 0; l < rows.labels; l++)
	{
		double total = 0;

		for (uint32_t p = 0; p < options->parts; p++)
			total += (double) count[p][l];
		for (uint32_t p = 0; p < options->parts && total > 0; p++)
		{
			double gap = fabs((double) count[p][l] - options->shares[p] / sum * total);

			if (forgiven > 0)
				gap = fmax(0, gap - forgiven) / total * 100;
			largest = fmax(largest, gap);
		}
	}
	return largest;
}

static double
largest_size_gap(const data_stratify_options *options)
{
	uint64_t size[DATA_MAX_PARTS] = { 0 };
	double sum = 0, largest = 0;

	for (uint64_t i = 0; i < rows.n; i++)
		size[part[i]]++;
	for (uint32_t p = 0; p < options->parts; p++)
		sum += options->shares[p];
	for (uint32_t p = 0; p < options->parts; p++)
		largest =
			fmax(largest, fabs((double) size[p] - options->shares[p] / sum * (double) rows.n));
	return largest;
}

/* Mean over pairs of labels of the largest gap between a pair's share of a part and the part's. */
static double
mean_pair_gap(const data_stratify_options *options)
{
	static uint32_t count[8][MAX_LABELS][MAX_LABELS];
	double sum = 0, gaps = 0;
	uint32_t pairs = 0;

	memset(count, 0, sizeof(count));
	for (uint32_t p = 0; p < options->parts; p++)
		sum += options->shares[p];
	for (uint64_t i = 0; i < rows.n; i++)
		for (uint64_t b = start[i]; b < start[i + 1]; b++)
			for (uint64_t a = start[i]; a < b; a++)
				count[part[i]][label[a]][label[b]]++;
	for (uint32_t a = 0; a < rows.labels; a++)
	{
		for (uint32_t b = a + 1; b < rows.labels; b++)
		{
			double total = 0, largest = 0;

			for (uint32_t p = 0; p < options->parts; p++)
				total += count[p][a][b];
			if (total == 0)
				continue;
			for (uint32_t p = 0; p < options->parts; p++)
				largest = fmax(largest, fabs(count[p][a][b] / total - options->shares[p] / sum));
			gaps += largest;
			pairs++;
		}
	}
	return gaps / pairs;
}

static bool
read_goemotions(const char *name)
{
	static char line[65536];
	const char *path = check_data(name);
	uint64_t entries = 0;
	FILE *file;

	if (path == NULL)
		return false;
	file = fopen(path, "r");
	rows.n = 0;
	rows.labels = 28;
	while (fgets(line, sizeof(line), file) != NULL && rows.n < MAX_ROWS)
	{
		char *ids = strchr(line, '\t');
		char *end = ids == NULL ? NULL : strchr(ids + 1, '\t');
		uint64_t first = entries;

		if (end == NULL)
			continue;
		*end = '\0';
		start[rows.n++] = entries;
		for (char *word = strtok(ids, "\t,"); word != NULL; word = strtok(NULL, ","))
		{
			uint32_t id = (uint32_t) atoi(word);
			uint64_t at = entries++;

			for (; at > first && label[at - 1] > id; at--)
				label[at] = label[at - 1];
			label[at] = id;
		}
	}
	start[rows.n] = entries;
	fclose(file);
	return true;
}

static void
test_goemotions(void)
{
	if (!read_goemotions("goemotions/train.tsv"))
	{
		check_skip("goemotions/train.tsv", "the file is not there");
		return;
	}
	for (int order = 1; order <= 2; order++)
	{
		data_stratify_options options = options_of(eighty_ten_ten, 3, order, 1);
		double gap, rows_gap, size_gap;

		CHECK(split(&options, part) == EM_OK, "43,410 rows split 80/10/10, order %d", order);
		gap = largest_gap(&options, 1);
		rows_gap = largest_gap(&options, 0);
		size_gap = largest_size_gap(&options);
		printf("# order %d: largest gap %.3f %% of a label, %.1f rows; of a part's size %.1f rows; "
			   "mean gap of pairs %.4f\n",
			   order, gap, rows_gap, size_gap, mean_pair_gap(&options));
		CHECK(gap < 1, "every label's share is within one point (and a row), order %d", order);
		CHECK(size_gap < 0.01 * (double) rows.n, "so are the sizes of the parts, order %d", order);
	}
}

/* The paper's algorithm as printed, with rescans: what ours must not fall behind. */
static void
split_by_rescanning(const data_stratify_options *options)
{
	static double wanted[MAX_LABELS + 1][DATA_MAX_PARTS]; /* the last: rows */
	uint32_t left[MAX_LABELS] = { 0 };
	double sum = 0;

	for (uint32_t p = 0; p < options->parts; p++)
		sum += options->shares[p];
	for (uint64_t e = 0; e < start[rows.n]; e++)
		left[label[e]]++;
	for (uint32_t l = 0; l <= rows.labels; l++)
		for (uint32_t p = 0; p < options->parts; p++)
			wanted[l][p] = options->shares[p] / sum * (l < rows.labels ? left[l] : (double) rows.n);
	memset(part, 0xFF, sizeof(part));
	for (;;)
	{
		uint32_t rarest = rows.labels;

		for (uint32_t l = 0; l < rows.labels; l++)
			if (left[l] > 0 && (rarest == rows.labels || left[l] < left[rarest]))
				rarest = l;
		for (uint64_t i = 0; i < rows.n; i++)
		{
			bool has = rarest == rows.labels; /* no label left: all the other rows */
			uint32_t best = 0, ties = 1;

			for (uint64_t e = start[i]; e < start[i + 1]; e++)
				has |= label[e] == rarest;
			if (!has || part[i] != 0xFF)
				continue;
			for (uint32_t p = 1; p < options->parts; p++)
			{
				double more = wanted[rarest][p] - wanted[rarest][best];
				double more_rows = wanted[rows.labels][p] - wanted[rows.labels][best];

				more = fabs(more) > 1e-9 ? more : fabs(more_rows) > 1e-9 ? more_rows : 0;
				if (more > 0)
				{
					best = p;
					ties = 1;
				}
				else if (more == 0 && test_random(++ties) == 0)
					best = p;
			}
			part[i] = (uint8_t) best;
			wanted[rows.labels][best]--;
			for (uint64_t e = start[i]; e < start[i + 1]; e++)
			{
				wanted[label[e]][best]--;
				left[label[e]]--;
			}
		}
		if (rarest == rows.labels)
			break;
	}
}

static void
test_shares(void)
{
	int failed = 0, uneven_labels = 0, uneven_sizes = 0, unplaced = 0;
	double ours = 0, plain = 0, worst_size = 0;

	for (uint64_t seed = 1; seed <= 60; seed++)
	{
		uint32_t n = 500 + (uint32_t) (seed * 131 % 1500), labels = 3 + (uint32_t) (seed % 20);
		bool even = seed % 2 == 0;
		data_stratify_options options =
			options_of(even ? fifths : eighty_ten_ten, even ? 5 : 3, 1, seed);
		double size_gap;

		make_rows(n, labels, 1 + (uint32_t) (seed % 5), seed);
		failed += split(&options, part) != EM_OK;
		for (uint32_t i = 0; i < n; i++)
			unplaced += part[i] >= options.parts;
		if (unplaced > 0)
			break;
		ours += largest_gap(&options, 0) / 60;
		uneven_labels += largest_gap(&options, 4) > 1;
		size_gap = largest_size_gap(&options) / n * 100;
		worst_size = fmax(worst_size, size_gap);
		uneven_sizes += size_gap > 1;
		split_by_rescanning(&options);
		plain += largest_gap(&options, 0) / 60;
	}
	CHECK(failed == 0 && unplaced == 0, "60 random data sets split, every row in a part");
	CHECK(uneven_labels == 0, "every label is shared out within 1 point and four rows");
	CHECK(uneven_sizes == 0, "the parts' sizes within 1 point, at worst %.3f", worst_size);
	CHECK(ours < 1.1 * plain,
		  "the largest gap is on average %.2f rows, %.2f with the algorithm as printed", ours,
		  plain);
}

/* Small enough to know the answer. */
static void
test_by_hand(void)
{
	/* rows 0..3: label 0; 4, 5: labels 0 and 1; 6..9: none */
	static const uint64_t hand_start[11] = { 0, 1, 2, 3, 4, 6, 8, 8, 8, 8, 8 };
	static const uint32_t hand_label[8] = { 0, 0, 0, 0, 0, 1, 0, 1 };
	const data_label_rows hand = { .n = 10, .labels = 2, .start = hand_start, .label = hand_label };
	static const double halves[2] = { 0.5, 0.5 };
	uint8_t where[10];
	bool rare = true, common = true, empty = true, first[2] = { false, false };

	for (uint64_t seed = 1; seed <= 50; seed++)
	{
		data_stratify_options options = options_of(halves, 2, 1 + (int) (seed % 2), seed);

		if (data_stratify(&check_allocator, &hand, &options, where, NULL) != EM_OK)
			CHECK(false, "split by hand");
		rare &= where[4] + where[5] == 1;
		common &= where[0] + where[1] + where[2] + where[3] == 2;
		empty &= where[6] + where[7] + where[8] + where[9] == 2;
		first[where[4]] = true;
	}
	CHECK(rare, "the two rows of the rare label go apart");
	CHECK(common, "the common label's other four rows go two and two");
	CHECK(empty, "so do the four rows without labels");
	CHECK(first[0] && first[1], "chance decides which of two equal parts gets a row");
}

/* One label's rows among unequal parts: the shares to the row. */
static void
test_single_label(void)
{
	data_stratify_options options = options_of(eighty_ten_ten, 3, 1, 9);

	rows.n = 1000;
	rows.labels = 4;
	for (uint32_t i = 0; i < 1000; i++)
	{
		start[i] = i;
		label[i] = i % 10 == 0 ? 1 : i % 10 == 1 ? 3 : 0;
	}
	start[1000] = 1000;
	CHECK(split(&options, part) == EM_OK && largest_gap(&options, 0) == 0 &&
			  largest_size_gap(&options) == 0,
		  "single labels with whole shares are shared out exactly");
}

static void
test_second_order(void)
{
	double first = 0, second = 0, chance = 0;
	bool good = true;

	for (uint64_t seed = 1; seed <= 10; seed++)
	{
		data_stratify_options options = options_of(fifths, 5, 1, seed);

		make_rows(3000, 20, 2, seed);
		good &= split(&options, part) == EM_OK;
		first += mean_pair_gap(&options) / 10;
		options.order = 2;
		good &= split(&options, part) == EM_OK && largest_gap(&options, 1) < 2;
		second += mean_pair_gap(&options) / 10;
		for (uint64_t i = 0; i < rows.n; i++)
			part[i] = (uint8_t) test_random(5);
		chance += mean_pair_gap(&options) / 10;
	}
	printf("# mean gap of pairs: by chance %.4f, first order %.4f, second %.4f\n", chance, first,
		   second);
	CHECK(good, "second order keeps labels within 2 points");
	CHECK(second < 0.9 * first && first < chance,
		  "and shares out pairs better than first order does");
}

static void
test_groups(void)
{
	data_stratify_options options = options_of(eighty_ten_ten, 3, 1, 4);
	static uint8_t of_group[MAX_ROWS];
	bool together = true;
	double gap;

	for (int order = 1; order <= 2; order++)
	{
		make_rows(4000, 12, 3, 77);
		for (uint32_t i = 0; i < 4000; i++)
		{
			/* a third of the rows in groups of about 5, numbers far apart; the others alone */
			uint64_t id = test_random(3) == 0 ? test_random(270) : 1000 + i;

			group[i] = id * UINT64_C(0x100000001);
			again[i] = 0;
		}
		options.order = order;
		options.group = group;
		CHECK(split(&options, part) == EM_OK, "rows in groups split, order %d", order);
		memset(of_group, 0xFF, sizeof(of_group));
		for (uint32_t i = 0; i < 4000; i++)
		{
			uint32_t id = (uint32_t) group[i];

			together &= of_group[id] == 0xFF || of_group[id] == part[i];
			of_group[id] = part[i];
		}
		CHECK(together, "no group is torn apart");
		gap = largest_gap(&options, 1);
		CHECK(gap < 2, "and labels stay within 2 points: %.3f", gap);
		CHECK(largest_size_gap(&options) < 80, "and sizes: %.1f rows of 4000",
			  largest_size_gap(&options));
	}

	/* groups of one row each are no groups */
	for (uint32_t i = 0; i < 4000; i++)
		group[i] = i;
	options.order = 1;
	CHECK(split(&options, part) == EM_OK, "a group per row");
	options.group = NULL;
	CHECK(split(&options, again) == EM_OK && memcmp(part, again, 4000) == 0,
		  "a group per row splits as no groups do");
	memset(group, 0, sizeof(group));
	options.group = group;
	CHECK(split(&options, part) == EM_OK && part[0] == 0 && part[3999] == 0,
		  "one group of all rows goes to the part that wants most");
}

static void
test_seeds(void)
{
	data_stratify_options options = options_of(fifths, 5, 2, 123);
	static const double scaled[5] = { 8, 8, 8, 8, 8 };
	uint32_t differing = 0;

	make_rows(2000, 10, 2, 5);
	CHECK(split(&options, part) == EM_OK && split(&options, again) == EM_OK &&
			  memcmp(part, again, 2000) == 0,
		  "the same seed gives the same parts");
	options.shares = scaled;
	CHECK(split(&options, again) == EM_OK && memcmp(part, again, 2000) == 0,
		  "only the proportions of the shares count");
	options.seed = 124;
	CHECK(split(&options, again) == EM_OK, "another seed");
	for (int i = 0; i < 2000; i++)
		differing += part[i] != again[i];
	CHECK(differing > 1000, "gives other parts: %u of 2000 rows", differing);
}

static void
test_edges(void)
{
	data_stratify_options options = options_of(eighty_ten_ten, 3, 2, 1);
	double gap;

	rows.n = 0;
	rows.labels = 0;
	start[0] = 0;
	CHECK(split(&options, part) == EM_OK, "no rows and no labels");
	rows.n = 1;
	start[1] = 0;
	CHECK(split(&options, part) == EM_OK && part[0] == 0, "one row goes where most is wanted");
	rows.n = 1000;
	memset(start, 0, sizeof(start));
	CHECK(split(&options, part) == EM_OK, "rows without labels alone");
	gap = largest_size_gap(&options);
	CHECK(gap < 1, "are shared out by size: %.2f rows off", gap);
}

/* -- errors -- */

static bool
always_stop(void *context)
{
	(void) context;
	return true;
}

static void
test_errors(void)
{
	static const double bad_share[3] = { 0.5, 0, 0.5 }, nan_share[3] = { 0.5, NAN, 0.5 };
	static const double huge_share[3] = { 1e308, 1e308, 1e308 };
	data_stratify_options options = options_of(eighty_ten_ten, 3, 2, 1);
	em_status status = { 0 };
	int failures = 0;
	bool good = true;

#define REFUSED(code, what)                                                                        \
	CHECK(data_stratify(&check_allocator, &rows, &options, part, &status) == (code),               \
		  what " is refused: %s", status.message)
	make_rows(50, 6, 1, 8);
	options.parts = 1;
	REFUSED(EM_INVALID_OPTION, "one part");
	options.parts = 257;
	REFUSED(EM_INVALID_OPTION, "more than 256 parts");
	options.parts = 3;
	options.order = 3;
	REFUSED(EM_INVALID_OPTION, "order 3");
	options.order = 2;
	options.shares = bad_share;
	REFUSED(EM_INVALID_OPTION, "a share of 0");
	options.shares = nan_share;
	REFUSED(EM_INVALID_OPTION, "a share that is not a number");
	options.shares = huge_share;
	REFUSED(EM_INVALID_OPTION, "shares that overflow");
	options.shares = eighty_ten_ten;
	rows.labels = 3;
	REFUSED(EM_INVALID_DATA, "a label over their number");
	rows.labels = DATA_MAX_PAIRED_LABELS + 1;
	REFUSED(EM_LIMIT, "order 2 with too many labels");
	rows.labels = DATA_MAX_LABELS + 1;
	REFUSED(EM_LIMIT, "too many labels");
	rows.labels = 6;
	rows.n = DATA_MAX_LABEL_ROWS + 1;
	REFUSED(EM_LIMIT, "too many rows");
	rows.n = 50;
	start[0] = 1;
	REFUSED(EM_INVALID_DATA, "a first row that does not start at 0");
	start[0] = 0;
	rows.n = 2;
	start[1] = 2;
	start[2] = 1;
	label[0] = 0;
	label[1] = 1;
	REFUSED(EM_INVALID_DATA, "a row that ends before it starts");
	start[2] = 4;
	label[2] = 3;
	label[3] = 3;
	REFUSED(EM_INVALID_DATA, "a label twice in a row");
#undef REFUSED

	make_rows(300, 6, 1, 8);
	options.should_stop = always_stop;
	CHECK(data_stratify(&check_allocator, &rows, &options, part, &status) == EM_CANCELLED &&
			  check_live == 0,
		  "stopped, it says so and leaks nothing");
	options.should_stop = NULL;

	for (uint32_t i = 0; i < 300; i++)
		group[i] = i / 2;
	options.group = group;
	for (long at = 1; at < 100; at++)
	{
		em_code code;

		check_fail_at = at;
		status.message[0] = '\0';
		code = data_stratify(&check_allocator, &rows, &options, part, &status);
		if (check_fail_at > 0)
		{
			good &= code == EM_OK;
			break;
		}
		failures++;
		good &= code == EM_OUT_OF_MEMORY && check_live == 0 &&
				strcmp(status.message, "out of memory") == 0;
	}
	check_fail_at = 0;
	CHECK(good && failures == 23, "each of %d allocations failing in turn is reported, no leak",
		  failures);
}

int
main(void)
{
	test_by_hand();
	test_single_label();
	test_shares();
	test_second_order();
	test_groups();
	test_seeds();
	test_edges();
	test_goemotions();
	test_errors();
	CHECK(check_live == 0, "nothing is left allocated");
	return check_done();
}
