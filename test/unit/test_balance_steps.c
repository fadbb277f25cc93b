/*
 * test_balance_steps.c
 *	  Resampling, splitting, making and cleaning of rows, against another
 *	  language's (test/reference/balance.txt) and against what the methods say.
 */
#include <math.h>

#include "check.h"

#include "../../src/data/balance.h"

#define FIXTURE "test/reference/balance.txt"
#define MAX_ROWS 400
#define MAX_LABELS 32
#define MAX_NUMBERS 400
#define MAX_LINES 4000

/* One line of the fixture: its word, and its numbers; -1 stands between lists. */
typedef struct line
{
	char word[8];
	int count;
	int number[MAX_NUMBERS];
} line;

static line *lines;
static int line_count;

static uint64_t start[MAX_ROWS + 1];
static uint32_t label[MAX_ROWS * MAX_LABELS];
static float features[MAX_ROWS * 80];
static bool has[MAX_ROWS][MAX_LABELS];
static data_label_rows rows = { .start = start, .label = label };
static data_balance_input input;
static char case_name[64];
static bool rare[MAX_LABELS];

static bool
plan_has(const data_balance_plan *plan, uint64_t i, uint32_t l)
{
	data_label_set set = data_label_sets_at(plan->sets, plan->row[i].set);

	for (uint32_t j = 0; j < set.size; j++)
	{
		if (set.labels[j] == l)
			return true;
	}
	return false;
}

/* Are these the labels of row i of the plan? number: up to the end of the list or -1. */
static bool
labels_are(const data_balance_plan *plan, uint64_t i, const int *number, int count)
{
	data_label_set set = data_label_sets_at(plan->sets, plan->row[i].set);
	uint32_t j = 0;

	for (; count > 0 && *number != -1; number++, count--, j++)
	{
		if (j >= set.size || (int) set.labels[j] != *number)
			return false;
	}
	return j == set.size;
}

static data_balance_plan *
balance(data_balance_step step, uint64_t seed)
{
	data_balance_options options = { .steps = &step, .step_count = 1, .seed = seed };
	data_balance_plan *plan = NULL;
	em_status status = { 0 };

	if (data_balance(&check_allocator, &input, &options, &plan, &status) != EM_OK)
		CHECK(false, "%s: %s", case_name, status.message);
	return plan;
}

static const int *
after_separator(const line *l, int which, int *count)
{
	const int *number = l->number, *end = l->number + l->count;

	for (; which > 0 && number < end; number++)
		which -= *number == -1;
	*count = (int) (end - number);
	return number;
}

/* -- methods against the fixture -- */

/* line `first` says lp, grow or not, percent; the sizes follow. */
static void
check_powerset(int first)
{
	bool grow = lines[first].number[0] == 1, good = true;
	data_balance_step step = { .method = grow ? DATA_LP_ROS : DATA_LP_RUS,
							   .percent = lines[first].number[1] };
	data_balance_plan *plan = balance(step, 5);
	int found = 0;

	for (int i = first + 1; i < line_count && strcmp(lines[i].word, "size") == 0; i++)
	{
		int count, rows_with = 0;
		const int *labels = after_separator(&lines[i], 1, &count);

		for (uint64_t r = 0; r < plan->row_count; r++)
			rows_with += !data_plan_dropped(&plan->row[r]) && labels_are(plan, r, labels, count);
		good &= rows_with == lines[i].number[0];
		found += rows_with;
	}
	CHECK(good && (uint64_t) found == plan->rows_after, "%s: %s of %d %%, every label set's size",
		  case_name, grow ? "lp_ros" : "lp_rus", lines[first].number[1]);
	data_balance_plan_destroy(plan);
}

/* Lines first .. end - 1 say which rows become two halves. */
static void
check_remedial(int first, int end)
{
	data_balance_plan *plan = balance((data_balance_step){ .method = DATA_REMEDIAL }, 1);
	uint64_t added = rows.n;
	int halved = 0;
	bool good = true;

	for (int i = first; i < end; i++)
	{
		int count;
		uint64_t row = (uint64_t) lines[i].number[0];
		const int *part = after_separator(&lines[i], 1, &count);

		good &= labels_are(plan, row, part, count);
		part = after_separator(&lines[i], 2, &count);
		good &= added < plan->row_count && plan->row[added].row == row &&
				labels_are(plan, added, part, count) && plan->row[added].kind == DATA_PLAN_HALF &&
				plan->row[row].kind == DATA_PLAN_HALF && plan->row[row].reason == DATA_MADE;
		added++;
	}
	for (uint64_t r = 0; r < rows.n; r++)
		halved += plan->row[r].kind == DATA_PLAN_HALF;
	CHECK(good && added == plan->row_count && halved == end - first &&
			  plan->rows_after == plan->row_count,
		  "%s: remedial halves %d rows, and those", case_name, end - first);
	data_balance_plan_destroy(plan);
}

static void
check_noise(const line *l)
{
	data_balance_step step = { .method = DATA_MLENN,
							   .neighbours = (uint32_t) l->number[0],
							   .threshold = l->number[1] / 100.0 };
	data_balance_plan *plan = balance(step, 1);
	int count, dropped = 0;
	const int *row = after_separator(l, 1, &count);
	bool good = true;

	for (int i = 0; i < count; i++)
		good &= plan->row[row[i]].reason == DATA_NOISE;
	for (uint64_t r = 0; r < plan->row_count; r++)
		dropped += data_plan_dropped(&plan->row[r]);
	CHECK(good && dropped == count, "%s: mlenn of %d neighbours over %.2f drops %d rows, and those",
		  case_name, l->number[0], step.threshold, count);
	data_balance_plan_destroy(plan);
}

/* Lines first .. end - 1 say neighbours and labels for each k, label and seed. */
static void
check_smote(int first, int end, int k, data_label_rule rule)
{
	data_balance_step step = { .method = DATA_MLSMOTE, .neighbours = (uint32_t) k, .rule = rule };
	data_balance_plan *plan = balance(step, 3);
	uint64_t at = rows.n;
	bool order = true, near = true, labels = true, between = true;
	float made[80];
	int count;

	for (int i = first; i < end; i++)
	{
		const data_plan_row *row = &plan->row[at];
		const int *neighbour;
		bool found = false;

		if (lines[i].number[0] != k)
			continue;
		if (at++ >= plan->row_count)
			break;
		order &= row->kind == DATA_PLAN_SYNTHETIC && row->label == (uint32_t) lines[i].number[1] &&
				 row->row == (uint32_t) lines[i].number[2];
		neighbour = after_separator(&lines[i], 1, &count);
		for (; *neighbour != -1; neighbour++)
			found |= *neighbour == (int) row->neighbour;
		near &= found;
		neighbour = after_separator(&lines[i], 2 + (int) rule, &count);
		labels &= labels_are(plan, at - 1, neighbour, count);
		data_plan_features(row, features, input.dimension, made);
		for (uint32_t j = 0; j < input.dimension; j++)
		{
			float x = features[row->row * input.dimension + j];
			float y = features[row->neighbour * input.dimension + j];

			between &= made[j] >= fminf(x, y) && made[j] <= fmaxf(x, y);
		}
	}
	CHECK(order && at == plan->row_count,
		  "%s: mlsmote makes one row for each of each rare label's (%d)", case_name,
		  (int) (at - rows.n));
	CHECK(near && between, "%s: between it and one of its %d nearest", case_name, k);
	CHECK(labels, "%s: with the labels of rule %d", case_name, (int) rule);
	data_balance_plan_destroy(plan);
}

/* -- methods that draw: what must hold however they draw -- */

static void
check_ml_rus(double percent)
{
	data_balance_plan *plan =
		balance((data_balance_step){ .method = DATA_ML_RUS, .percent = percent }, 11);
	uint64_t eligible = 0, dropped = 0, wanted = (uint64_t) ((double) rows.n * percent / 100);
	bool good = true;

	for (uint64_t r = 0; r < rows.n; r++)
	{
		bool spared = start[r] == start[r + 1];

		for (uint64_t e = start[r]; e < start[r + 1]; e++)
			spared |= rare[label[e]];
		eligible += !spared;
		dropped += data_plan_dropped(&plan->row[r]);
		good &= !(spared && data_plan_dropped(&plan->row[r]));
	}
	CHECK(good && dropped == (wanted < eligible ? wanted : eligible),
		  "%s: ml_rus of %.0f %% drops %d rows, none with a rare label", case_name, percent,
		  (int) dropped);
	data_balance_plan_destroy(plan);
}

/* Replay the clones: each label in turn, only while it needs some. */
static void
check_ml_ros(double percent, const uint64_t *target)
{
	data_balance_step step = { .method = DATA_ML_ROS,
							   .percent = percent,
							   .to_target = target != NULL };
	data_balance_plan *plan = balance(step, 17);
	uint64_t count[MAX_LABELS] = { 0 }, most = 0, wanted = UINT64_MAX, made;
	bool open[MAX_LABELS], good = true, any = false;
	double mean = 0;
	int present = 0;
	uint32_t before = MAX_LABELS;

	for (uint64_t e = 0; e < start[rows.n]; e++)
		count[label[e]]++;
	for (uint32_t l = 0; l < rows.labels; l++)
		most = count[l] > most ? count[l] : most;
	for (uint32_t l = 0; l < rows.labels; l++)
	{
		mean += count[l] > 0 ? (double) most / (double) count[l] : 0;
		present += count[l] > 0;
		open[l] = target != NULL ? count[l] > 0 && count[l] < target[l] : rare[l];
	}
	mean /= present;
	if (target == NULL)
		wanted = (uint64_t) ((double) rows.n * percent / 100);
	made = plan->row_count - rows.n;
	for (uint64_t i = rows.n; i < plan->row_count; i++)
	{
		const data_plan_row *row = &plan->row[i];
		uint32_t l = row->label;

		/* labels passed over since the last clone have enough */
		for (uint32_t j = before == MAX_LABELS ? 0 : before + 1; j != l && good;
			 j = (j + 1) % (rows.labels + 1))
		{
			if (j < rows.labels && open[j])
				open[j] = target != NULL ? count[j] < target[j]
										 : (double) most / (double) count[j] > mean;
			good = j >= rows.labels || !open[j];
		}
		good &= open[l] && row->copy_of == row->row && plan_has(plan, i, l) &&
				row->set == plan->row[row->row].set;
		good &= target != NULL ? count[l] < target[l] : (double) most / (double) count[l] > mean;
		for (uint32_t j = 0; j < rows.labels; j++)
		{
			count[j] += plan_has(plan, i, j);
			most = count[j] > most ? count[j] : most;
		}
		open[l] = target != NULL ? count[l] < target[l] : (double) most / (double) count[l] > mean;
		before = l;
	}
	for (uint32_t l = 0; l < rows.labels; l++)
		any |= open[l] &&
			   (target != NULL ? count[l] < target[l] : (double) most / (double) count[l] > mean);
	CHECK(good, "%s: ml_ros clones one of each needy label in turn (%d)", case_name, (int) made);
	CHECK(made == wanted || (made < wanted && !any),
		  "%s: and stops at %.0f %% or when none needs more", case_name, percent);
	data_balance_plan_destroy(plan);
}

static void
check_targets(void)
{
	uint64_t target[MAX_LABELS];
	data_balance_plan *plan;
	bool good = true;

	for (uint32_t l = 0; l < rows.labels; l++)
		target[l] = l % 3 == 2 ? 0 : 60;
	input.target = target;
	check_ml_ros(0, target);
	plan = balance(
		(data_balance_step){ .method = DATA_MLSMOTE, .neighbours = 3, .to_target = true }, 9);
	for (uint32_t l = 0; l < rows.labels; l++)
	{
		uint64_t made = 0;
		const data_label_balance *b = &plan->label[l];

		for (uint64_t i = rows.n; i < plan->row_count; i++)
			made += plan->row[i].label == l;
		/* with one row alone there is no between */
		good &= made == 0 ? b->before < 2 || b->after >= target[l] : b->after >= target[l];
		good &= b->after == b->before + b->synthetic;
	}
	CHECK(good, "%s: mlsmote to targets makes rows until they are reached", case_name);
	data_balance_plan_destroy(plan);
	input.target = NULL;
}

static bool
read_fixture(void)
{
	static char text[8192];
	FILE *file = fopen(FIXTURE, "r");

	if (file == NULL)
		return false;
	lines = calloc(MAX_LINES, sizeof(*lines));
	while (fgets(text, sizeof(text), file) != NULL && line_count < MAX_LINES)
	{
		line *l = &lines[line_count++];
		char *word = strtok(text, " \n");

		snprintf(l->word, sizeof(l->word), "%s", word);
		for (word = strtok(NULL, " \n"); word != NULL && l->count < MAX_NUMBERS;
			 word = strtok(NULL, " \n"))
		{
			if (strcmp(l->word, "case") == 0 && l->count == 0 && case_name[0] == '\0')
				snprintf(case_name, sizeof(case_name), "%s", word);
			l->number[l->count++] = atoi(word);
		}
	}
	fclose(file);
	return true;
}

/* The case whose head is line i; returns the first line after its rows. */
static int
load_case(int i, int number)
{
	uint64_t entries = 0;
	uint32_t d = (uint32_t) lines[i].number[3];

	snprintf(case_name, sizeof(case_name), "case %d", number);
	rows.n = (uint64_t) lines[i].number[2];
	rows.labels = (uint32_t) lines[i].number[1];
	memset(has, 0, sizeof(has));
	memset(rare, 0, sizeof(rare));
	for (uint64_t r = 0; r < rows.n; r++)
	{
		const line *l = &lines[i + 1 + (int) r];
		int at = 0;

		start[r] = entries;
		for (; l->number[at] != -1; at++)
			label[entries++] = (uint32_t) l->number[at];
		for (uint32_t j = 0; j < d; j++)
			features[r * d + j] = (float) l->number[at + 1 + (int) j];
	}
	start[rows.n] = entries;
	i += 1 + (int) rows.n;
	for (int j = 0; j < lines[i].count; j++)
		rare[lines[i].number[j]] = true;
	input =
		(data_balance_input){ .rows = &rows, .sources = 1, .features = features, .dimension = d };
	return i + 1;
}

static void
test_against_reference(void)
{
	int number = 0;

	if (!read_fixture())
	{
		CHECK(false, "cannot open %s", FIXTURE);
		return;
	}
	for (int i = 0; i < line_count;)
	{
		int first = i = load_case(i, ++number), end;

		for (; i < line_count && strcmp(lines[i].word, "case") != 0; i++)
		{
			if (strcmp(lines[i].word, "lp") == 0)
				check_powerset(i);
			else if (strcmp(lines[i].word, "noise") == 0)
				check_noise(&lines[i]);
		}
		end = i;
		for (i = first;
			 i < end && strcmp(lines[i].word, "half") != 0 && strcmp(lines[i].word, "noise") != 0;)
			i++;
		first = i;
		while (strcmp(lines[i].word, "half") == 0)
			i++;
		check_remedial(first, i);
		while (strcmp(lines[i].word, "noise") == 0)
			i++;
		check_smote(i, end, 1, DATA_LABELS_RANKING);
		check_smote(i, end, 4, DATA_LABELS_RANKING);
		check_smote(i, end, 5, DATA_LABELS_RANKING);
		check_smote(i, end, 4, DATA_LABELS_UNION);
		check_smote(i, end, 5, DATA_LABELS_INTERSECTION);
		check_ml_rus(15);
		check_ml_rus(100);
		check_ml_ros(10, NULL);
		check_ml_ros(400, NULL);
		check_targets();
		i = end;
	}
	free(lines);
}

/* Features of synthetic rows: evenly between, each feature by its own draw. */
static void
test_synthetic_features(void)
{
	static const float two[8] = { 0, 10, -4, 2, 1, 10, 4, -2 };
	data_plan_row row = { .row = 0, .neighbour = 1, .kind = DATA_PLAN_SYNTHETIC };
	float out[4];
	double sum = 0, squares = 0;
	bool good = true, apart = false;

	for (uint64_t draw = 0; draw < 4000; draw++)
	{
		row.draw = draw;
		data_plan_features(&row, two, 4, out);
		good &= out[0] >= 0 && out[0] < 1 && out[1] == 10 && out[2] >= -4 && out[2] <= 4;
		apart |= fabsf(out[0] - (out[2] + 4) / 8) > 0.5f;
		sum += out[0];
		squares += out[0] * out[0];
	}
	CHECK(good && apart, "a synthetic row lies between, each feature for itself");
	CHECK(fabs(sum / 4000 - 0.5) < 0.02 && fabs(squares / 4000 - 1 / 3.0) < 0.02,
		  "and evenly: mean %.3f, mean square %.3f", sum / 4000, squares / 4000);
	row.kind = DATA_PLAN_ROW;
	data_plan_features(&row, two, 4, out);
	CHECK(memcmp(out, two, sizeof(out)) == 0, "the features of a plain row are its own");
}

/* Steps in turn: each works on what the one before left. */
static void
test_chain(void)
{
	/* label 0 in rows 0..7, label 1 in 7 and 8; rows 0 and 8 lie close to one another */
	static const uint64_t chain_start[10] = { 0, 1, 2, 3, 4, 5, 6, 7, 9, 10 };
	static const uint32_t chain_label[10] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1 };
	static const float at[9] = { 100, 1, 2, 3, 4, 5, 6, 50, 101 };
	data_label_rows chain = { .n = 9, .labels = 2, .start = chain_start, .label = chain_label };
	data_balance_input in = { .rows = &chain, .sources = 1, .features = at, .dimension = 1 };
	data_balance_step steps[4] = {
		{ .method = DATA_REMEDIAL },
		{ .method = DATA_MLENN, .neighbours = 1, .threshold = 0.5 },
		{ .method = DATA_MLSMOTE, .neighbours = 5 },
		{ .method = DATA_ML_ROS, .percent = 100 },
	};
	data_balance_options options = { .steps = steps, .step_count = 4, .seed = 3 };
	data_balance_plan *plan = NULL;
	uint64_t copies = 0;

	CHECK(data_balance(&check_allocator, &in, &options, &plan, NULL) == EM_OK, "four steps");
	/* SCUMBLE is over its mean in row 7 alone */
	CHECK(plan->row[7].kind == DATA_PLAN_HALF && plan_has(plan, 7, 1) && !plan_has(plan, 7, 0) &&
			  plan->row[9].row == 7 && plan_has(plan, 9, 0) && plan->row[9].made_by == 1,
		  "row 8 becomes two");
	CHECK(plan->row[0].reason == DATA_NOISE && plan->row[0].step == 2,
		  "row 1 is noise among label 2");
	CHECK(plan->row[1].reason == DATA_KEPT && plan->row[1].step == 0, "row 2 is not");
	CHECK(plan->row[10].kind == DATA_PLAN_SYNTHETIC && plan->row[10].row == 7 &&
			  plan->row[10].neighbour == 8 && plan->row[11].row == 8 &&
			  plan->row[11].neighbour == 7 && plan->row[10].made_by == 3,
		  "label 2's two rows get a synthetic one each");
	for (uint64_t i = 12; i < plan->row_count; i++)
		copies +=
			plan->row[i].copy_of != DATA_NONE && plan->row[i].made_by == 4 && plan_has(plan, i, 1);
	CHECK(copies == plan->row_count - 12 && plan->label[1].copies == copies &&
			  plan->label[1].synthetic == 2,
		  "then it is cloned");
	CHECK(plan->label[0].before == 8 && plan->label[1].before == 2 &&
			  plan->label[1].after == 4 + copies &&
			  plan->label[0].refused + plan->label[0].after == 8,
		  "and the report says so");
	data_balance_plan_destroy(plan);
}

/* Copies follow their original. */
static void
test_copies(void)
{
	static const uint64_t some_start[8] = { 0, 2, 3, 4, 5, 6, 7, 8 };
	static const uint32_t some_label[8] = { 0, 1, 0, 0, 0, 0, 0, 0 };
	data_label_rows some = { .n = 7, .labels = 2, .start = some_start, .label = some_label };
	data_balance_input in = { .rows = &some, .sources = 1 };
	data_balance_step steps[2] = { { .method = DATA_ML_ROS, .percent = 15 },
								   { .method = DATA_REMEDIAL } };
	data_balance_options options = { .steps = steps, .step_count = 2 };
	data_balance_plan *plan = NULL;

	CHECK(data_balance(&check_allocator, &in, &options, &plan, NULL) == EM_OK &&
			  plan->row_count == 10,
		  "one row cloned, then both halved");
	CHECK(plan->row[7].copy_of == 0 && plan_has(plan, 7, 1) && plan->row[9].copy_of == 8 &&
			  plan_has(plan, 9, 0) && plan->row[8].copy_of == DATA_NONE,
		  "the halves of the copy are copies of the halves");
	data_balance_plan_destroy(plan);
}

static void
test_noisy_copies(void)
{
	static const uint64_t some_start[10] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 10 };
	static const uint32_t some_label[10] = { 0, 0, 0, 0, 1, 1, 1, 1, 0, 1 };
	static const float at[9] = { 0, 1, 2, 3, 100, 101, 102, 103, 10 };
	data_label_rows some = { .n = 9, .labels = 2, .start = some_start, .label = some_label };
	data_balance_input in = { .rows = &some, .sources = 1, .features = at, .dimension = 1 };
	data_balance_step steps[2] = { { .method = DATA_LP_ROS, .percent = 30 },
								   { .method = DATA_MLENN, .neighbours = 1, .threshold = 0.3 } };
	data_balance_options options = { .steps = steps, .step_count = 2 };
	data_balance_plan *plan = NULL;

	CHECK(data_balance(&check_allocator, &in, &options, &plan, NULL) == EM_OK &&
			  plan->row_count == 11 && plan->row[9].copy_of == 8 && plan->row[10].copy_of == 8,
		  "the row of the small label set is cloned up to the mean");
	CHECK(plan->rows_after == 8 && plan->row[8].reason == DATA_NOISE &&
			  plan->row[9].reason == DATA_NOISE && plan->row[10].reason == DATA_NOISE,
		  "when it is noise its copies go with it");
	data_balance_plan_destroy(plan);
}

int
main(void)
{
	test_against_reference();
	test_synthetic_features();
	test_chain();
	test_copies();
	test_noisy_copies();
	CHECK(check_live == 0, "nothing is left allocated");
	return check_done();
}
