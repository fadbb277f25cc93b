/*
 * test_balance.c
 *	  Quota against brute force and its own bound, trust, lineage and report;
 *	  errors, cancelling and want of memory in all steps of balancing.
 */
#include <math.h>

#include "check.h"

#include "../../src/data/balance.h"

#define MAX_ROWS 60000
#define MAX_ENTRIES 120000
#define MAX_LABELS 32

static uint64_t start[MAX_ROWS + 1];
static uint32_t label[MAX_ENTRIES];
static uint8_t source[MAX_ROWS];
static float confidence[MAX_ROWS];
static uint64_t group[MAX_ROWS];
static float features[MAX_ROWS];
static uint64_t target[MAX_LABELS];
static data_label_rows rows = { .start = start, .label = label };

static uint64_t test_state = 1;

static uint32_t
test_random(uint32_t below)
{
	test_state = test_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t) ((test_state >> 33) % below);
}

static void
clear_rows(uint32_t labels)
{
	rows.n = 0;
	rows.labels = labels;
	start[0] = 0;
}

/* A row with the labels whose bits are set. */
static void
add_row(uint32_t mask, uint8_t from, float sure)
{
	uint64_t entries = start[rows.n];

	source[rows.n] = from;
	confidence[rows.n] = sure;
	for (uint32_t l = 0; l < rows.labels; l++)
	{
		if (mask >> l & 1)
			label[entries++] = l;
	}
	start[++rows.n] = entries;
}

static void
add_rows(uint32_t count, uint32_t mask, uint8_t from)
{
	while (count-- > 0)
		add_row(mask, from, 1.0f);
}

static data_balance_input
input_of(uint32_t sources)
{
	return (data_balance_input){ .rows = &rows,
								 .sources = sources,
								 .source = source,
								 .confidence = confidence,
								 .target = target };
}

static data_balance_plan *
quota(const data_balance_input *input, data_balance_step step, uint64_t seed)
{
	data_balance_options options = { .steps = &step, .step_count = 1, .seed = seed };
	data_balance_plan *plan = NULL;
	em_status status = { 0 };

	step.method = DATA_QUOTA;
	if (data_balance(&check_allocator, input, &options, &plan, &status) != EM_OK)
		CHECK(false, "quota: %s", status.message);
	return plan;
}

static data_balance_plan *
plain_quota(uint32_t sources)
{
	data_balance_input input = input_of(sources);

	return quota(&input, (data_balance_step){ .max_copies = 1 }, 1);
}

static uint64_t
after(const data_balance_plan *plan, uint32_t l)
{
	return plan->label[l].after;
}

static uint64_t
taken_from(const data_balance_plan *plan, uint32_t l, uint32_t from)
{
	return plan->from_source[(size_t) l * plan->sources + from];
}

/* -- by hand -- */

static void
test_by_hand(void)
{
	data_balance_plan *plan;

	/* plenty of single rows: targets to the row, from the trusted source as long as it lasts */
	clear_rows(2);
	add_rows(30, 1, 1);
	add_rows(6, 1, 0);
	add_rows(30, 2, 0);
	target[0] = target[1] = 10;
	plan = plain_quota(2);
	CHECK(after(plan, 0) == 10 && after(plan, 1) == 10 && plan->deviation == 0,
		  "both labels reach their target");
	CHECK(taken_from(plan, 0, 0) == 6 && taken_from(plan, 0, 1) == 4 &&
			  taken_from(plan, 1, 0) == 10 && plan->label[0].surplus == 26,
		  "the trusted source first, then the other");
	data_balance_plan_destroy(plan);

	/* the rare label rides with the common one: best is to take both halfway */
	clear_rows(2);
	add_rows(100, 3, 0);
	target[0] = 10;
	target[1] = 30;
	plan = plain_quota(1);
	/* n rows: |n - 10| / 10 = |n - 30| / 30 at n = 15 */
	CHECK(after(plan, 0) == 15 && after(plan, 1) == 15 && plan->deviation == 0.5,
		  "labels that only come together meet halfway");
	CHECK(fabs(plan->bound - 0.5) < 1e-3, "and the bound says that it cannot be better");
	CHECK(plan->label[0].unreached == DATA_CARRIED_OVER_IT &&
			  plan->label[1].unreached == DATA_WOULD_OVERFILL,
		  "the reasons are told");
	data_balance_plan_destroy(plan);

	/* no rows left */
	clear_rows(3);
	add_rows(4, 1, 0);
	add_rows(50, 2, 0);
	add_rows(20, 4, 0);
	add_rows(5, 0, 0);
	target[0] = 10;
	target[1] = 10;
	target[2] = 0;
	plan = plain_quota(1);
	CHECK(after(plan, 0) == 4 && after(plan, 1) == 10 && plan->deviation == 0.6 &&
			  plan->bound == 0.6 && plan->label[0].unreached == DATA_NO_MORE_ROWS,
		  "a label with four rows stays at four of ten");
	CHECK(after(plan, 2) == 0 && plan->row[54].reason == DATA_UNWANTED &&
			  plan->row[74].reason == DATA_UNWANTED && plan->rows_after == 14,
		  "rows with no label that has a target are left");
	data_balance_plan_destroy(plan);

	/* repeated only where rows are short, evenly, and as often as allowed */
	for (uint32_t copies = 2; copies <= 3; copies++)
	{
		data_balance_input input = input_of(1);
		uint32_t uses[4] = { 0 };

		plan = quota(&input, (data_balance_step){ .max_copies = copies }, 1);
		for (uint64_t i = 0; i < plan->row_count; i++)
		{
			if (plan->row[i].row < 4)
				uses[plan->row[i].row] += !data_plan_dropped(&plan->row[i]);
		}
		CHECK(after(plan, 0) == (copies == 2 ? 8 : 10) &&
				  plan->label[0].copies == (copies == 2 ? 4 : 6) && plan->label[1].copies == 0,
			  "with %u uses of a row, the short label alone is repeated", copies);
		CHECK(uses[0] >= 2 && uses[0] <= copies && uses[1] >= 2 && uses[1] <= copies &&
				  uses[2] >= 2 && uses[2] <= copies && uses[3] >= 2 && uses[3] <= copies,
			  "each row about as often");
		CHECK(plan->row_count > 79 && plan->row[79].copy_of < 4 &&
				  plan->row[79].reason == DATA_MADE && plan->row[79].label == 0,
			  "and the copies say of what and for which label");
		data_balance_plan_destroy(plan);
	}
}

/* A common label is over-filled no more than can be helped. */
static void
test_overfilling(void)
{
	data_balance_plan *plan;

	clear_rows(3);
	add_rows(1000, 1, 0);    /* common alone */
	add_rows(80, 1 | 2, 0);  /* rare, with the common one */
	add_rows(60, 2, 0);      /* rare alone */
	add_rows(40, 2 | 4, 0);  /* two rare ones */
	add_rows(100, 1 | 4, 1); /* the other source has the rest */
	target[0] = target[1] = target[2] = 100;
	plan = plain_quota(2);
	CHECK(after(plan, 0) == 100 && after(plan, 1) == 100 && after(plan, 2) == 100,
		  "labels that ride along are counted, and all targets met");
	CHECK(taken_from(plan, 2, 0) == 40 && taken_from(plan, 2, 1) == 60,
		  "with as many of the trusted source as fit");
	data_balance_plan_destroy(plan);
}

static void
test_row_choice(void)
{
	static const float least[2] = { 0.0f, 0.5f };
	data_balance_input input;
	data_balance_plan *plan, *again;
	bool good = true;
	uint32_t differing = 0, repeated = 0;

	/* confidence 0 .. 0.99 */
	clear_rows(1);
	for (int i = 0; i < 100; i++)
		add_row(1, 1, (float) i / 100);
	target[0] = 20;
	input = input_of(2);
	plan = quota(&input, (data_balance_step){ .min_confidence = least }, 1);
	for (uint32_t i = 0; i < 100; i++)
		good &= plan->row[i].reason == (i < 50 ? DATA_UNSURE : i < 80 ? DATA_SURPLUS : DATA_TAKEN);
	CHECK(good && plan->label[0].refused == 50, "the surest rows are taken, the unsure refused");
	CHECK(plan->row[99].label == 0 && plan->row[99].step == 1,
		  "for which label, and by which step");
	data_balance_plan_destroy(plan);
	target[0] = 80;
	plan = quota(&input, (data_balance_step){ .min_confidence = least }, 1);
	CHECK(plan->label[0].unreached == DATA_NO_MORE_ROWS && after(plan, 0) == 50,
		  "refused rows are no rows left");
	data_balance_plan_destroy(plan);

	/* equal rows: by the seed */
	clear_rows(1);
	add_rows(1000, 1, 0);
	target[0] = 500;
	input = input_of(1);
	plan = quota(&input, (data_balance_step){ 0 }, 1);
	again = quota(&input, (data_balance_step){ 0 }, 2);
	for (uint64_t i = 0; i < 1000; i++)
		differing += plan->row[i].reason != again->row[i].reason;
	CHECK(differing > 400 && differing < 600, "another seed takes other rows: %u of 1000",
		  differing);
	data_balance_plan_destroy(again);
	again = quota(&input, (data_balance_step){ 0 }, 1);
	CHECK(memcmp(plan->row, again->row, 1000 * sizeof(*plan->row)) == 0,
		  "the same seed the same rows");
	data_balance_plan_destroy(again);
	data_balance_plan_destroy(plan);

	/* duplicates */
	clear_rows(1);
	for (uint32_t i = 0; i < 300; i++)
	{
		add_row(1, (uint8_t) (i % 3), (float) (i / 3 % 10) / 10);
		group[i] = i / 30; /* ten groups of source 0, 1, 2, confidence rising */
	}
	target[0] = 300;
	input = input_of(3);
	input.group = group;
	plan = quota(&input, (data_balance_step){ 0 }, 1);
	for (uint64_t i = 0; i < 300; i++)
	{
		repeated += plan->row[i].reason == DATA_REPEATED;
		good &= (plan->row[i].reason == DATA_TAKEN) == (i % 30 == 27);
	}
	CHECK(good && repeated == 290 && after(plan, 0) == 10,
		  "of duplicates one is taken: the surest of the most trusted source");
	data_balance_plan_destroy(plan);
}

/* -- against brute force -- */

typedef struct tiny
{
	uint32_t sets;
	uint32_t mask[6];
	int64_t room[6];
} tiny;

static double
deviation_of(const tiny *t, const int64_t *taken, double *squares)
{
	double largest = 0;

	*squares = 0;
	for (uint32_t l = 0; l < rows.labels; l++)
	{
		int64_t n = 0;
		double r;

		if (target[l] == 0)
			continue;
		for (uint32_t s = 0; s < t->sets; s++)
			n += t->mask[s] >> l & 1 ? taken[s] : 0;
		r = ((double) n - (double) target[l]) / (double) target[l];
		largest = fmax(largest, fabs(r));
		*squares += r * r;
	}
	return largest;
}

/* All choices of counts. */
static double
best_of_all(const tiny *t, double *squares)
{
	int64_t taken[6] = { 0 };
	double best = INFINITY;

	*squares = INFINITY;
	for (;;)
	{
		double here_squares, here = deviation_of(t, taken, &here_squares);
		uint32_t s = 0;

		if (here < best - 1e-12 || (here < best + 1e-12 && here_squares < *squares))
		{
			*squares = here_squares;
			best = fmin(best, here);
		}
		while (s < t->sets && taken[s] == t->room[s])
			taken[s++] = 0;
		if (s == t->sets)
			return best;
		taken[s]++;
	}
}

static void
test_against_brute_force(void)
{
	int below = 0, optimal = 0, squares_optimal = 0, bound_over = 0, tight = 0, far = 0;
	double worst = 0;
	const int cases = 2000;

	for (int c = 0; c < cases; c++)
	{
		tiny t = { .sets = 2 + test_random(5) };
		uint32_t sources = 1 + test_random(3);
		double best, best_squares, smallest = INFINITY;
		data_balance_plan *plan;

		clear_rows(2 + test_random(3));
		for (uint32_t l = 0; l < rows.labels; l++)
			target[l] = test_random(8) == 0 && l > 0 ? 0 : 1 + test_random(9);
		for (uint32_t s = 0; s < t.sets; s++)
		{
			t.mask[s] = 1 + test_random((1u << rows.labels) - 1);
			t.room[s] = 1 + test_random(6);
			for (int64_t i = 0; i < t.room[s]; i++)
				add_row(t.mask[s], (uint8_t) test_random(sources), 1);
		}
		best = best_of_all(&t, &best_squares);
		plan = plain_quota(sources);
		for (uint32_t l = 0; l < rows.labels; l++)
			smallest = target[l] > 0 ? fmin(smallest, (double) target[l]) : smallest;
		below += plan->deviation < best - 1e-9;
		optimal += plan->deviation < best + 1e-9;
		squares_optimal += plan->deviation < best + 1e-9 && plan->squares < best_squares + 1e-9;
		bound_over += plan->bound > best + 1e-9 || plan->bound > plan->deviation;
		tight += plan->bound > best - 1e-3;
		far += plan->deviation > best + 1 / smallest + 1e-9;
		worst = fmax(worst, plan->deviation - best);
		data_balance_plan_destroy(plan);
	}
	printf("# of %d: deviation optimal %d, squares too %d, bound tight %d, worst %.3f over the "
		   "optimum\n",
		   cases, optimal, squares_optimal, tight, worst);
	CHECK(below == 0, "never better than the best of all choices");
	CHECK(bound_over == 0, "the bound is never over it");
	CHECK(optimal >= cases * 98 / 100, "the largest deviation is the smallest possible: %d of %d",
		  optimal, cases);
	CHECK(far == 0, "and never more than a row of the smallest target over it");
}

/* -- properties of larger random plans -- */

static void
make_random(uint32_t n, uint32_t labels, uint32_t sources)
{
	clear_rows(labels);
	for (uint32_t i = 0; i < n; i++)
	{
		uint32_t mask = 0, many = 1 + test_random(3);

		for (uint32_t j = 0; j < many; j++)
		{
			uint32_t l = test_random(labels);

			mask |= 1u << (test_random(2) == 0 ? l : test_random(l + 1));
		}
		add_row(test_random(50) == 0 ? 0 : mask, (uint8_t) test_random(sources),
				(float) test_random(1000) / 1000);
		group[i] = test_random(10) == 0 ? test_random(20) : 100 + i;
	}
	for (uint32_t l = 0; l < labels; l++)
		target[l] = l == 3 ? 0 : 20 + test_random(2 * n / labels);
}

/* Is the report the sum of the plan, every decision as promised, and no better than the bound? */
static bool
plan_is_sound(const data_balance_plan *plan, const data_balance_input *input,
			  const float *min_confidence, uint32_t max_copies)
{
	static uint32_t uses[MAX_ROWS];
	static uint64_t of_group[MAX_ROWS + 200];
	uint64_t count[MAX_LABELS] = { 0 }, copies[MAX_LABELS] = { 0 };
	uint64_t from[MAX_LABELS][4] = { { 0 } };
	uint64_t in = 0;
	double largest = 0, squares = 0;
	bool good = true;

	memset(uses, 0, sizeof(uses));
	memset(of_group, 0, sizeof(of_group));
	for (uint64_t i = 0; i < plan->row_count; i++)
	{
		const data_plan_row *row = &plan->row[i];
		uint64_t first = start[row->row];
		data_label_set set = data_label_sets_at(plan->sets, row->set);
		bool wanted = false;

		good &= i < rows.n ? row->row == i && row->copy_of == DATA_NONE
						   : row->copy_of == row->row && row->reason == DATA_MADE;
		good &= set.size == start[row->row + 1] - first;
		for (uint32_t j = 0; good && j < set.size; j++)
		{
			good &= set.labels[j] == label[first + j];
			wanted |= target[set.labels[j]] > 0;
		}
		if (data_plan_dropped(row))
			continue;
		in++;
		good &= wanted && row->label != DATA_NONE && target[row->label] > 0 &&
				confidence[row->row] >= min_confidence[source[row->row]];
		good &= ++uses[row->row] <= max_copies;
		/* one row of a group, numbered from 1 */
		good &= of_group[group[row->row]] == 0 || of_group[group[row->row]] == row->row + 1;
		of_group[group[row->row]] = row->row + 1;
		for (uint32_t j = 0; j < set.size; j++)
		{
			count[set.labels[j]]++;
			if (row->copy_of != DATA_NONE)
				copies[set.labels[j]]++;
			else
				from[set.labels[j]][source[row->row]]++;
		}
	}
	good &= in == plan->rows_after;
	for (uint32_t l = 0; l < rows.labels; l++)
	{
		const data_label_balance *b = &plan->label[l];

		good &= b->after == count[l] && b->copies == copies[l] && b->target == target[l] &&
				b->synthetic == 0;
		good &= b->before == b->after - b->copies + b->refused + b->surplus;
		for (uint32_t s = 0; s < input->sources; s++)
			good &= taken_from(plan, l, s) == from[l][s];
		if (target[l] > 0)
		{
			double r = ((double) count[l] - (double) target[l]) / (double) target[l];

			largest = fmax(largest, fabs(r));
			squares += r * r;
			good &= (b->unreached == DATA_REACHED) == (b->after == b->target);
			good &=
				(b->unreached == DATA_NO_MORE_ROWS) == (b->after < b->target && b->surplus == 0);
		}
	}
	return good && fabs(largest - plan->deviation) < 1e-12 &&
		   fabs(squares - plan->squares) < 1e-9 && plan->quota_deviation == plan->deviation &&
		   plan->bound <= plan->deviation && plan->bound >= 0;
}

static void
test_properties(void)
{
	static const float least[4] = { 0.0f, 0.3f, 0.6f, 0.0f };
	int unsound = 0, unequal = 0, gaps = 0;
	double worst = 0;

	for (int c = 0; c < 60; c++)
	{
		uint32_t n = 100 + test_random(1500), sources = 1 + test_random(4);
		data_balance_input input;
		data_balance_step step = { .max_copies = 1 + test_random(3), .min_confidence = least };
		data_balance_plan *plan, *again;

		make_random(n, 5 + test_random(20), sources);
		input = input_of(sources);
		input.group = group;
		plan = quota(&input, step, (uint64_t) c);
		again = quota(&input, step, (uint64_t) c);
		unsound += !plan_is_sound(plan, &input, least, step.max_copies);
		unequal += plan->row_count != again->row_count ||
				   memcmp(plan->row, again->row, plan->row_count * sizeof(*plan->row)) != 0;
		worst = fmax(worst, plan->deviation - plan->bound);
		gaps += plan->deviation - plan->bound > 0.05;
		data_balance_plan_destroy(again);
		data_balance_plan_destroy(plan);
	}
	CHECK(unsound == 0, "60 random plans: report equals plan, nothing used that must not be");
	CHECK(unequal == 0, "the same again from the same seed");
	CHECK(gaps <= 3, "the gap to the bound is at most 0.05 but for %d, at worst %.4f", gaps, worst);
}

/* -- real data -- */

static bool
read_goemotions(void)
{
	static char text[65536], names[MAX_LABELS][32];
	const char *path = check_data("goemotions/train.tsv");
	FILE *file;
	uint32_t count = 0;

	if (path == NULL)
		return false;
	clear_rows(28);
	file = fopen(path, "r");
	while (fgets(text, sizeof(text), file) != NULL && rows.n < MAX_ROWS)
	{
		char *ids = strchr(text, '\t');
		uint32_t mask = 0;

		*strchr(ids + 1, '\t') = '\0';
		for (char *word = strtok(ids, "\t,"); word != NULL; word = strtok(NULL, ","))
			mask |= 1u << atoi(word);
		add_row(mask, 0, 1);
	}
	fclose(file);
	path = check_data("goemotions/labels.txt");
	if (path == NULL)
		return false;
	file = fopen(path, "r");
	while (count < 28 && fscanf(file, "%31s", names[count]) == 1)
		count++;
	fclose(file);
	path = check_data("llm/texts.tsv");
	if (path == NULL)
		return false;
	file = fopen(path, "r");
	while (fgets(text, sizeof(text), file) != NULL && rows.n < MAX_ROWS)
	{
		uint32_t mask = 0;

		text[strcspn(text, "\n")] = '\0';
		for (char *word = strtok(strrchr(text, '\t'), "\t,"); word != NULL;
			 word = strtok(NULL, ","))
		{
			for (uint32_t l = 0; l < 28; l++)
				mask |= strcmp(names[l], word) == 0 ? 1u << l : 0;
		}
		add_row(mask, 1, 1);
	}
	fclose(file);
	return true;
}

static void
test_goemotions(void)
{
	data_balance_plan *plan;
	data_balance_input input;
	bool good = true;

	if (!read_goemotions())
	{
		check_skip("goemotions/train.tsv and llm/texts.tsv", "the files are not there");
		return;
	}
	for (uint32_t l = 0; l < 28; l++)
		target[l] = 2000;
	input = input_of(2);
	plan = quota(&input, (data_balance_step){ .max_copies = 1 }, 1);
	for (uint32_t l = 0; l < 28; l++)
		good &= after(plan, l) == (plan->label[l].before < 2000 ? plan->label[l].before : 2000);
	CHECK(rows.n == 44970 && good,
		  "every label of GoEmotions gets 2,000 rows, or all it has when there are fewer");
	CHECK(plan->deviation == plan->bound && after(plan, 16) == 216 &&
			  taken_from(plan, 16, 0) == 77 && taken_from(plan, 16, 1) == 139,
		  "grief lacks most, at %.3f, which is the bound", plan->deviation);
	data_balance_plan_destroy(plan);
	plan = quota(&input, (data_balance_step){ .max_copies = 20 }, 1);
	CHECK(plan->deviation <= 1 / 2000.0, "with rows repeated all labels reach it within a row");
	good = true;
	for (uint32_t l = 0; l < 28; l++)
		good &= plan->label[l].before > 1500 ||
				(double) (plan->label[l].before - plan->label[l].surplus) >
					0.95 * (double) plan->label[l].before;
	CHECK(good, "after nearly all rows of the rare ones were used once");
	data_balance_plan_destroy(plan);
}

/* -- errors -- */

static bool
always_stop(void *context)
{
	(void) context;
	return true;
}

/* Says stop at the n-th question. */
static bool
stop_later(void *context)
{
	return --*(long *) context == 0;
}

static em_code
try_step(const data_balance_input *input, data_balance_step step, em_status *status)
{
	data_balance_options options = { .steps = &step, .step_count = 1 };
	data_balance_plan *plan = NULL;
	em_code code = data_balance(&check_allocator, input, &options, &plan, status);

	data_balance_plan_destroy(plan);
	return code;
}

static void
test_errors(void)
{
	data_balance_input good, bad;
	em_status status = { 0 };
	data_balance_step step = { .method = DATA_QUOTA };
	const float unsure[2] = { 0, NAN };

	clear_rows(2);
	add_rows(5, 1, 0);
	add_rows(5, 3, 1);
	target[0] = target[1] = 4;
	good = input_of(2);
	for (int i = 0; i < 10; i++)
		features[i] = (float) i;
	good.features = features;
	good.dimension = 1;

	bad = good;
	bad.target = NULL;
	CHECK(try_step(&bad, step, &status) == EM_INVALID_OPTION &&
			  strcmp(status.message, "a step needs targets, but there are none") == 0,
		  "quota without targets");
	target[0] = target[1] = 0;
	CHECK(try_step(&good, step, &status) == EM_INVALID_OPTION &&
			  strcmp(status.message, "the target of every label is 0") == 0,
		  "no target over 0");
	target[0] = UINT64_C(1) << 40;
	CHECK(try_step(&good, step, &status) == EM_LIMIT, "too high a target");
	target[0] = target[1] = 4;
	step.max_copies = 1001;
	CHECK(try_step(&good, step, &status) == EM_INVALID_OPTION &&
			  strcmp(status.message, "1001 copies are more than 1000") == 0,
		  "too many copies");
	step.max_copies = 0;
	step.min_confidence = unsure;
	CHECK(try_step(&good, step, &status) == EM_INVALID_OPTION, "confidence NaN asked for");
	step.min_confidence = NULL;
	bad = good;
	bad.sources = 1;
	CHECK(try_step(&bad, step, &status) == EM_INVALID_DATA &&
			  strcmp(status.message, "source 1 of row 6 is not below the number of sources, 1") ==
				  0,
		  "a source too high");
	bad.sources = 17;
	CHECK(try_step(&bad, step, &status) == EM_INVALID_OPTION, "too many sources");
	confidence[2] = 1.5f;
	CHECK(try_step(&good, step, &status) == EM_INVALID_DATA &&
			  strcmp(status.message, "confidence 1.5 of row 3 is not between 0 and 1") == 0,
		  "a confidence over 1");
	confidence[2] = NAN;
	CHECK(try_step(&good, step, &status) == EM_INVALID_DATA, "a confidence that is no number");
	confidence[2] = 1;
	features[3] = INFINITY;
	CHECK(try_step(&good, step, &status) == EM_INVALID_DATA &&
			  strcmp(status.message, "feature 1 of row 4 is not a finite number") == 0,
		  "a feature that is infinite");
	features[3] = 3;
	step = (data_balance_step){ .method = DATA_ML_RUS, .percent = 101 };
	CHECK(try_step(&good, step, &status) == EM_INVALID_OPTION &&
			  strcmp(status.message, "101 percent is not over 0 and at most 100") == 0,
		  "more than all rows to drop");
	step = (data_balance_step){ .method = DATA_ML_ROS, .percent = NAN };
	CHECK(try_step(&good, step, &status) == EM_INVALID_OPTION, "percent NaN");
	step = (data_balance_step){ .method = DATA_MLSMOTE };
	CHECK(try_step(&good, step, &status) == EM_INVALID_OPTION &&
			  strcmp(status.message, "0 neighbours are not between 1 and 100") == 0,
		  "no neighbours");
	bad = good;
	bad.features = NULL;
	CHECK(try_step(&bad, step, &status) == EM_INVALID_OPTION &&
			  strcmp(status.message, "a step needs features, but there are none") == 0,
		  "no features");
	step = (data_balance_step){ .method = DATA_MLENN, .neighbours = 1, .threshold = NAN };
	CHECK(try_step(&good, step, &status) == EM_INVALID_OPTION, "threshold NaN");
	step.method = (data_balance_method) 99;
	CHECK(try_step(&good, step, &status) == EM_INVALID_OPTION &&
			  strcmp(status.message, "there is no balancing method 99") == 0,
		  "no such method");
	rows.labels = 1;
	step.method = DATA_REMEDIAL;
	CHECK(try_step(&good, step, &status) == EM_INVALID_DATA, "a label too high");
	rows.labels = 2;
	CHECK(check_live == 0, "errors leave nothing allocated");
}

/* All steps on few rows, or none. */
static const data_balance_step all_steps[] = {
	{ .method = DATA_REMEDIAL },
	{ .method = DATA_MLENN, .neighbours = 3, .threshold = 0.75 },
	{ .method = DATA_ML_ROS, .percent = 10 },
	{ .method = DATA_LP_ROS, .percent = 10 },
	{ .method = DATA_MLSMOTE, .neighbours = 3, .to_target = true },
	{ .method = DATA_ML_RUS, .percent = 5 },
	{ .method = DATA_LP_RUS, .percent = 5 },
	{ .method = DATA_QUOTA, .max_copies = 2 },
};

static em_code
all_in_turn(data_balance_input *input, em_should_stop should_stop, void *context)
{
	data_balance_options options = {
		.steps = all_steps, .step_count = 8, .should_stop = should_stop, .stop_context = context
	};
	data_balance_plan *plan = NULL;
	em_code code = data_balance(&check_allocator, input, &options, &plan, NULL);

	data_balance_plan_destroy(plan);
	return code;
}

static void
test_failures(void)
{
	data_balance_input input;
	bool good = true;
	int failures = 0;
	long asked;

	clear_rows(3);
	input = input_of(2);
	input.features = features;
	input.dimension = 1;
	target[0] = target[1] = target[2] = 30;
	for (uint32_t s = 0; s < 8; s++)
	{
		em_status status = { 0 };

		CHECK(try_step(&input, all_steps[s], &status) == EM_OK, "method %u without rows",
			  all_steps[s].method);
	}
	add_rows(1, 5, 0);
	features[0] = 0;
	for (uint32_t s = 0; s < 8; s++)
		good &= try_step(&input, all_steps[s], NULL) == EM_OK;
	CHECK(good, "all methods with one row");

	make_random(200, 8, 2);
	input.group = group;
	for (uint32_t i = 0; i < 200; i++)
		features[i] = (float) test_random(50);
	CHECK(all_in_turn(&input, NULL, NULL) == EM_OK, "all methods in turn");
	CHECK(all_in_turn(&input, always_stop, NULL) == EM_CANCELLED, "stopped at once");
	for (asked = 1; asked < 1000; asked++)
	{
		long left = asked;
		em_code code = all_in_turn(&input, stop_later, &left);

		good &= code == (left > 0 ? EM_OK : EM_CANCELLED);
		if (code == EM_OK)
			break;
	}
	CHECK(good && asked > 2, "or at any of %ld later questions", asked - 1);
	for (;; failures++)
	{
		em_code code;

		check_fail_at = failures + 1;
		code = all_in_turn(&input, NULL, NULL);
		if (code == EM_OK)
			break;
		good &= code == EM_OUT_OF_MEMORY && check_live == 0;
	}
	check_fail_at = 0;
	CHECK(good && failures > 100, "each of %d allocations failing in turn is reported, no leak",
		  failures);
}

/* What plans name label sets by. */
static void
test_set_numbers(void)
{
	static const uint32_t pair[2] = { 3, 9 }, other[2] = { 3, 8 };
	data_label_sets *sets = NULL;
	uint32_t number = 9;
	bool good = data_label_sets_create(&check_allocator, &sets, NULL) == EM_OK;

	for (uint32_t l = 0; l < 500; l++)
		good &= data_label_sets_add(sets, &l, 1, 1, NULL) == EM_OK;
	good &= data_label_sets_add(sets, pair, 2, 4, NULL) == EM_OK;
	good &= data_label_sets_add(sets, NULL, 0, 1, NULL) == EM_OK;
	for (uint32_t l = 0; l < 500; l++)
		good &= data_label_sets_number(sets, &l, 1, &number) && number == l &&
				data_label_sets_at(sets, l).labels[0] == l;
	CHECK(good && data_label_sets_number(sets, pair, 2, &number) && number == 500 &&
			  data_label_sets_at(sets, 500).rows == 4 && data_label_sets_at(sets, 500).size == 2,
		  "label sets are numbered as they come");
	CHECK(data_label_sets_number(sets, NULL, 0, &number) && number == 501 &&
			  !data_label_sets_number(sets, other, 2, &number),
		  "the empty one too, and one that is not there has no number");
	data_label_sets_destroy(sets);
}

int
main(void)
{
	test_set_numbers();
	test_by_hand();
	test_overfilling();
	test_row_choice();
	test_against_brute_force();
	test_properties();
	test_goemotions();
	test_errors();
	test_failures();
	CHECK(check_live == 0, "nothing is left allocated");
	return check_done();
}
