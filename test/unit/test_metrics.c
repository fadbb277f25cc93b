/*
 * test_metrics.c
 *	  Metrics against scikit-learn's figures (test/reference/metrics_sklearn.txt),
 *	  the bootstrap against one that copies rows, the paired comparison.
 */
#include <math.h>

#include "check.h"

#include "../../src/data/metrics.h"

#define FIXTURE "test/reference/metrics_sklearn.txt"
#define MAX_ROWS 512
#define MAX_LABELS 32
#define CELLS (MAX_ROWS * MAX_LABELS)

typedef struct sample
{
	char name[64];
	uint64_t n;
	uint32_t labels;
	float scores[CELLS];
	uint8_t truth[CELLS];
	float thresholds[MAX_LABELS];
} sample;

static sample current;
static data_metrics got;
static data_label_metrics got_label[MAX_LABELS];

/* A small generator of the test's own, for data alone. */
static uint64_t test_state = 1;

static uint32_t
test_random(uint32_t below)
{
	test_state = test_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t) ((test_state >> 33) % below);
}

static bool
near(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	return fabs(a - b) <= 1e-12 * fmax(1.0, fabs(b));
}

/* The sample's scores: steps + 1 distinct values, positives higher on average. */
static void
make_sample(uint64_t n, uint32_t labels, uint32_t steps, uint32_t rarest, uint64_t seed)
{
	test_state = seed;
	current.n = n;
	current.labels = labels;
	for (uint32_t l = 0; l < labels; l++)
		current.thresholds[l] = (float) (1 + test_random(8)) / 10.0f;
	for (uint64_t i = 0; i < n; i++)
	{
		for (uint32_t l = 0; l < labels; l++)
		{
			uint8_t positive = test_random(2 + l * rarest) == 0;
			uint32_t step = test_random(steps + 1);

			if (positive && step < steps / 2)
				step += test_random(steps / 2 + 1);
			current.scores[i * labels + l] = (float) step / (float) steps;
			current.truth[i * labels + l] = positive;
		}
	}
}

/* -- against scikit-learn -- */

/* One line of expected values against what we computed. */
static bool
agrees(const char *key, const double *expected, int count)
{
	const data_average *average = strcmp(key, "micro") == 0      ? &got.micro
								  : strcmp(key, "macro") == 0    ? &got.macro
								  : strcmp(key, "weighted") == 0 ? &got.weighted
								  : strcmp(key, "samples") == 0  ? &got.samples
																 : NULL;
	const struct
	{
		const char *name;
		double value;
	} single[] = {
		{ "macro_roc_auc", got.macro_roc_auc },
		{ "labels_with_auc", got.labels_with_auc },
		{ "macro_average_precision", got.macro_average_precision },
		{ "hamming_loss", got.hamming_loss },
		{ "subset_accuracy", got.subset_accuracy },
		{ "log_loss", got.log_loss },
		{ "calibration_error", got.calibration_error },
	};

	if (average != NULL)
		return count == 3 && near(average->precision, expected[0]) &&
			   near(average->recall, expected[1]) && near(average->f1, expected[2]);
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
	{
		if (strcmp(key, single[i].name) == 0)
			return count == 1 && near(single[i].value, expected[0]);
	}
	if (count != (int) got.labels)
		return false;
	for (int l = 0; l < count; l++)
	{
		const data_label_metrics *label = &got_label[l];
		double value = strcmp(key, "label_precision") == 0           ? label->precision
					   : strcmp(key, "label_recall") == 0            ? label->recall
					   : strcmp(key, "label_f1") == 0                ? label->f1
					   : strcmp(key, "label_support") == 0           ? (double) label->support
					   : strcmp(key, "label_predicted") == 0         ? (double) label->predicted
					   : strcmp(key, "label_true_positive") == 0     ? (double) label->true_positive
					   : strcmp(key, "label_accuracy") == 0          ? label->accuracy
					   : strcmp(key, "label_roc_auc") == 0           ? label->roc_auc
					   : strcmp(key, "label_average_precision") == 0 ? label->average_precision
																	 : -1.0;

		if (!near(value, expected[l]))
		{
			printf("# %s of label %d: %.17g, expected %.17g\n", key, l, value, expected[l]);
			return false;
		}
	}
	return true;
}

static int
parse_numbers(char *text, double *values, int most)
{
	int count = 0;

	for (char *word = strtok(text, " \n"); word != NULL && count < most; word = strtok(NULL, " \n"))
		values[count++] = strtod(word, NULL);
	return count;
}

static void
test_single_columns(void)
{
	bool good = true;

	for (uint32_t l = 0; l < current.labels; l++)
	{
		double auc = -1.0, ap = -1.0;

		good &= data_roc_auc(&check_allocator, current.n, current.scores + l, current.truth + l,
							 current.labels, &auc, NULL) == EM_OK;
		good &= data_average_precision(&check_allocator, current.n, current.scores + l,
									   current.truth + l, current.labels, &ap, NULL) == EM_OK;
		good &= near(auc, got_label[l].roc_auc) && near(ap, got_label[l].average_precision);
	}
	CHECK(good, "%s: ROC-AUC and average precision of single columns are the same", current.name);
}

static void
test_against_sklearn(void)
{
	static char line[65536];
	uint64_t row = 0, truth_row = 0;
	bool computed = true;
	int cases = 0;
	FILE *file = fopen(FIXTURE, "r");

	if (!CHECK(file != NULL, "fixture " FIXTURE " is there"))
		return;
	while (fgets(line, sizeof(line), file) != NULL)
	{
		static double values[MAX_LABELS];
		char key[64];
		char *rest = strchr(line, ' ');

		if (line[0] == '#' || rest == NULL)
			continue;
		snprintf(key, sizeof(key), "%.*s", (int) (rest - line), line);
		if (strcmp(key, "case") == 0)
		{
			unsigned long n, labels;

			if (!CHECK(sscanf(rest, "%63s %lu %lu", current.name, &n, &labels) == 3 &&
						   n <= MAX_ROWS && labels <= MAX_LABELS,
					   "case %d of the fixture is readable", cases))
				break;
			current.n = n;
			current.labels = (uint32_t) labels;
			row = truth_row = 0;
			computed = false;
			cases++;
			continue;
		}
		if (strcmp(key, "truth") == 0)
		{
			for (uint32_t l = 0; l < current.labels; l++)
				current.truth[truth_row * current.labels + l] = rest[1 + l] == '1';
			truth_row++;
			continue;
		}
		int count = parse_numbers(rest, values, MAX_LABELS);

		if (strcmp(key, "thresholds") == 0 || strcmp(key, "scores") == 0)
		{
			float *to =
				key[0] == 't' ? current.thresholds : current.scores + current.labels * row++;

			for (int l = 0; l < count; l++)
				to[l] = (float) values[l];
			continue;
		}
		if (!computed)
		{
			em_status status = { 0 };

			got.label = got_label;
			computed = true;
			CHECK(row == current.n && truth_row == current.n &&
					  data_metrics_compute(&check_allocator, current.n, current.labels,
										   current.scores, current.truth, current.thresholds, &got,
										   &status) == EM_OK,
				  "%s: computed %s", current.name, status.message);
			test_single_columns();
		}
		CHECK(agrees(key, values, count), "%s: %s as scikit-learn", current.name, key);
	}
	fclose(file);
	CHECK(cases == 12, "the fixture has 12 cases");
}

/* -- bootstrap -- */

static uint64_t
naive_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xBF58476D1CE4E5B9);
	x ^= x >> 27;
	x *= UINT64_C(0x94D049BB133111EB);
	return x ^ x >> 31;
}

/* Copy the rows that resample r draws, as metrics.h says it draws them. */
static void
naive_resample(uint64_t seed, uint64_t r, const sample *from, const float *scores, float *to_scores,
			   uint8_t *to_truth)
{
	uint32_t labels = from->labels;

	for (uint64_t i = 0; i < from->n; i++)
	{
		uint64_t x =
			naive_mix(naive_mix(seed) + (r * from->n + i + 1) * UINT64_C(0x9E3779B97F4A7C15));
		uint64_t row = (uint64_t) ((unsigned __int128) x * from->n >> 64);

		memcpy(to_scores + i * labels, scores + row * labels, labels * sizeof(float));
		memcpy(to_truth + i * labels, from->truth + row * labels, labels);
	}
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/* numpy.quantile of the defined values, by its definition. */
static data_interval
naive_interval(const double *values, uint32_t count, double confidence)
{
	double sorted[256], ends[2];
	uint32_t defined = 0;

	for (uint32_t i = 0; i < count; i++)
		if (!isnan(values[i]))
			sorted[defined++] = values[i];
	if (defined == 0)
		return (data_interval){ NAN, NAN };
	qsort(sorted, defined, sizeof(double), ascending);
	for (int end = 0; end < 2; end++)
	{
		double position = (end == 0 ? 1 - confidence : 1 + confidence) / 2 * (defined - 1);
		uint32_t low = (uint32_t) floor(position), high = (uint32_t) ceil(position);

		ends[end] = sorted[low] + (sorted[high] - sorted[low]) * (position - low);
	}
	return (data_interval){ ends[0], ends[1] };
}

static bool
same_interval(data_interval a, data_interval b)
{
	return near(a.low, b.low) && near(a.high, b.high);
}

#define RESAMPLES 61
static double naive_values[8 + 2 * MAX_LABELS][RESAMPLES];

static void
test_bootstrap_against_copies(const char *what, double confidence)
{
	static float scores[CELLS];
	static uint8_t truth[CELLS];
	data_interval label_f1[MAX_LABELS], label_auc[MAX_LABELS];
	data_metrics_intervals ours = { .label_f1 = label_f1, .label_roc_auc = label_auc };
	data_metrics_intervals summary_only = { 0 };
	uint32_t undefined = 0;
	bool good = true;

	for (uint32_t r = 0; r < RESAMPLES; r++)
	{
		naive_resample(77, r, &current, current.scores, scores, truth);
		got.label = got_label;
		good &= data_metrics_compute(&check_allocator, current.n, current.labels, scores, truth,
									 current.thresholds, &got, NULL) == EM_OK;
		naive_values[0][r] = got.micro.f1;
		naive_values[1][r] = got.macro.f1;
		naive_values[2][r] = got.weighted.f1;
		naive_values[3][r] = got.samples.f1;
		naive_values[4][r] = got.macro_roc_auc;
		naive_values[5][r] = got.macro_average_precision;
		naive_values[6][r] = got.hamming_loss;
		naive_values[7][r] = got.subset_accuracy;
		for (uint32_t l = 0; l < current.labels; l++)
		{
			naive_values[8 + l][r] = got_label[l].f1;
			naive_values[8 + MAX_LABELS + l][r] = got_label[l].roc_auc;
			undefined += isnan(got_label[l].roc_auc);
		}
	}
	printf("# %s: %u undefined ROC-AUCs in %d resamples\n", what, undefined, RESAMPLES);
	good &= data_metrics_bootstrap(&check_allocator, current.n, current.labels, current.scores,
								   current.truth, current.thresholds, RESAMPLES, confidence, 77,
								   NULL, NULL, &ours, NULL) == EM_OK;
	CHECK(good, "%s: bootstrap runs", what);

#define SAME(field, index)                                                                         \
	CHECK(same_interval(ours.field, naive_interval(naive_values[index], RESAMPLES, confidence)),   \
		  "%s: " #field " as by copying rows", what)
	SAME(micro_f1, 0);
	SAME(macro_f1, 1);
	SAME(weighted_f1, 2);
	SAME(samples_f1, 3);
	SAME(macro_roc_auc, 4);
	SAME(macro_average_precision, 5);
	SAME(hamming_loss, 6);
	SAME(subset_accuracy, 7);
#undef SAME
	good = true;
	for (uint32_t l = 0; l < current.labels; l++)
	{
		good &=
			same_interval(label_f1[l], naive_interval(naive_values[8 + l], RESAMPLES, confidence));
		good &= same_interval(
			label_auc[l], naive_interval(naive_values[8 + MAX_LABELS + l], RESAMPLES, confidence));
	}
	CHECK(good, "%s: each label's F1 and ROC-AUC as by copying rows", what);
	CHECK(data_metrics_bootstrap(&check_allocator, current.n, current.labels, current.scores,
								 current.truth, current.thresholds, RESAMPLES, confidence, 77, NULL,
								 NULL, &summary_only, NULL) == EM_OK &&
			  same_interval(summary_only.macro_f1, ours.macro_f1),
		  "%s: without the labels' intervals the others are the same", what);
}

static void
test_bootstrap_properties(void)
{
	data_metrics_intervals first = { 0 }, again = { 0 }, other = { 0 };

	make_sample(300, 5, 100, 3, 11);
	got.label = got_label;
	CHECK(data_metrics_compute(&check_allocator, current.n, current.labels, current.scores,
							   current.truth, current.thresholds, &got, NULL) == EM_OK,
		  "point figures for the bootstrap");
#define BOOTSTRAP(seed, into)                                                                      \
	data_metrics_bootstrap(&check_allocator, current.n, current.labels, current.scores,            \
						   current.truth, current.thresholds, 400, 0.95, seed, NULL, NULL, into,   \
						   NULL)
	CHECK(BOOTSTRAP(5, &first) == EM_OK && BOOTSTRAP(5, &again) == EM_OK &&
			  BOOTSTRAP(6, &other) == EM_OK,
		  "three bootstraps");
#undef BOOTSTRAP
	CHECK(memcmp(&first, &again, sizeof(first)) == 0, "same seed, same intervals");
	CHECK(memcmp(&first, &other, sizeof(first)) != 0, "another seed, other intervals");
#define COVERS(field, value)                                                                       \
	CHECK(first.field.low < (value) && (value) < first.field.high,                                 \
		  #field ": %.4f lies in %.4f..%.4f", (value), first.field.low, first.field.high)
	COVERS(micro_f1, got.micro.f1);
	COVERS(macro_f1, got.macro.f1);
	COVERS(weighted_f1, got.weighted.f1);
	COVERS(samples_f1, got.samples.f1);
	COVERS(macro_roc_auc, got.macro_roc_auc);
	COVERS(macro_average_precision, got.macro_average_precision);
	COVERS(hamming_loss, got.hamming_loss);
	COVERS(subset_accuracy, got.subset_accuracy);
#undef COVERS
	CHECK(fabs((other.macro_f1.low - first.macro_f1.low)) < 0.02,
		  "seeds differ little with 400 resamples");
}

/* A label with one positive lacks it in a third of the resamples. */
static void
test_rare_label(void)
{
	data_interval label_f1[MAX_LABELS], label_auc[MAX_LABELS];
	data_metrics_intervals ours = { .label_f1 = label_f1, .label_roc_auc = label_auc };

	make_sample(40, 3, 10, 2, 21);
	for (uint64_t i = 0; i < current.n; i++)
	{
		current.truth[i * 3 + 1] = i == 7; /* one positive */
		current.truth[i * 3 + 2] = 0;      /* none */
	}
	test_bootstrap_against_copies("one label with one positive, one with none", 0.9);
	CHECK(data_metrics_bootstrap(&check_allocator, current.n, current.labels, current.scores,
								 current.truth, current.thresholds, 50, 0.95, 1, NULL, NULL, &ours,
								 NULL) == EM_OK,
		  "bootstrap with a label without positives");
	CHECK(isnan(label_auc[2].low) && isnan(label_auc[2].high),
		  "the ROC-AUC of a label without positives has no interval");
	CHECK(!isnan(label_auc[1].low) && !isnan(ours.macro_roc_auc.low),
		  "that of one with a single positive has, over the resamples that hold it");

	memset(current.truth, 0, sizeof(current.truth));
	CHECK(data_metrics_bootstrap(&check_allocator, current.n, current.labels, current.scores,
								 current.truth, current.thresholds, 50, 0.95, 1, NULL, NULL, &ours,
								 NULL) == EM_OK &&
			  isnan(ours.macro_roc_auc.low) && isnan(ours.macro_average_precision.high) &&
			  ours.macro_f1.high == 0.0,
		  "without any positive macro ROC-AUC and average precision are undefined, F1 is 0");
}

/* -- paired comparison -- */

static float better[CELLS];
static float other_thresholds[MAX_LABELS];

static void
test_comparison(void)
{
	static float scores_a[CELLS], scores_b[CELLS];
	static uint8_t truth[CELLS];
	static double auc[RESAMPLES], f1[RESAMPLES];
	data_comparison same = { 0 }, ours = { 0 }, back = { 0 };
	data_metrics a = { .label = got_label }, b = { .label = got_label };
	uint32_t auc_not_above = 0, auc_not_below = 0, f1_not_above = 0, f1_not_below = 0;
	bool good = true;

	make_sample(150, 4, 50, 2, 31);
	for (size_t i = 0; i < current.n * 4; i++)
		better[i] = current.truth[i] ? fminf(1.0f, current.scores[i] + 0.02f) : current.scores[i];
	for (int l = 0; l < 4; l++)
		other_thresholds[l] = current.thresholds[l] + 0.05f;

	CHECK(data_metrics_compare(&check_allocator, current.n, 4, current.truth, current.scores,
							   current.thresholds, current.scores, current.thresholds, RESAMPLES,
							   0.95, 3, NULL, NULL, &same, NULL) == EM_OK,
		  "a model compared with itself");
	CHECK(same.macro_f1.difference == 0.0 && same.macro_f1.p_value == 1.0 &&
			  same.macro_roc_auc.interval.low == 0.0 && same.macro_roc_auc.interval.high == 0.0 &&
			  same.macro_roc_auc.p_value == 1.0,
		  "differs by 0 in 0..0, p = 1");

	for (uint32_t r = 0; r < RESAMPLES; r++)
	{
		naive_resample(3, r, &current, current.scores, scores_a, truth);
		naive_resample(3, r, &current, better, scores_b, truth);
		good &= data_metrics_compute(&check_allocator, current.n, 4, scores_a, truth,
									 current.thresholds, &a, NULL) == EM_OK;
		good &= data_metrics_compute(&check_allocator, current.n, 4, scores_b, truth,
									 other_thresholds, &b, NULL) == EM_OK;
		auc[r] = b.macro_roc_auc - a.macro_roc_auc;
		f1[r] = b.macro.f1 - a.macro.f1;
		auc_not_above += auc[r] <= 0;
		auc_not_below += auc[r] >= 0;
		f1_not_above += f1[r] <= 0;
		f1_not_below += f1[r] >= 0;
	}
	good &= data_metrics_compute(&check_allocator, current.n, 4, current.scores, current.truth,
								 current.thresholds, &a, NULL) == EM_OK;
	good &= data_metrics_compute(&check_allocator, current.n, 4, better, current.truth,
								 other_thresholds, &b, NULL) == EM_OK;
	CHECK(good && data_metrics_compare(&check_allocator, current.n, 4, current.truth,
									   current.scores, current.thresholds, better, other_thresholds,
									   RESAMPLES, 0.95, 3, NULL, NULL, &ours, NULL) == EM_OK,
		  "a better model compared with a worse one");
	CHECK(near(ours.macro_roc_auc.a, a.macro_roc_auc) &&
			  near(ours.macro_roc_auc.b, b.macro_roc_auc) && near(ours.macro_f1.a, a.macro.f1) &&
			  near(ours.macro_f1.b, b.macro.f1) &&
			  near(ours.macro_f1.difference, b.macro.f1 - a.macro.f1),
		  "point figures are those of data_metrics_compute");
	CHECK(same_interval(ours.macro_roc_auc.interval, naive_interval(auc, RESAMPLES, 0.95)) &&
			  same_interval(ours.macro_f1.interval, naive_interval(f1, RESAMPLES, 0.95)),
		  "intervals of the differences as by copying rows");
	CHECK(near(ours.macro_roc_auc.p_value,
			   fmin(1, 2.0 * (1 + (auc_not_above < auc_not_below ? auc_not_above : auc_not_below)) /
						   (1 + RESAMPLES))) &&
			  near(ours.macro_f1.p_value,
				   fmin(1, 2.0 * (1 + (f1_not_above < f1_not_below ? f1_not_above : f1_not_below)) /
							   (1 + RESAMPLES))),
		  "p values as by counting: %.4f, %.4f", ours.macro_roc_auc.p_value, ours.macro_f1.p_value);
	CHECK(ours.macro_roc_auc.difference > 0 && ours.macro_roc_auc.p_value < 0.05,
		  "positives raised everywhere: ROC-AUC is better, p = %.4f", ours.macro_roc_auc.p_value);
	CHECK(data_metrics_compare(&check_allocator, current.n, 4, current.truth, better,
							   other_thresholds, current.scores, current.thresholds, RESAMPLES,
							   0.95, 3, NULL, NULL, &back, NULL) == EM_OK &&
			  near(back.macro_f1.difference, -ours.macro_f1.difference) &&
			  near(back.macro_f1.interval.low, -ours.macro_f1.interval.high) &&
			  near(back.macro_f1.p_value, ours.macro_f1.p_value),
		  "exchanging the models turns the sign");

	memset(current.truth, 0, sizeof(current.truth));
	CHECK(data_metrics_compare(&check_allocator, current.n, 4, current.truth, current.scores,
							   current.thresholds, better, other_thresholds, RESAMPLES, 0.95, 3,
							   NULL, NULL, &ours, NULL) == EM_OK &&
			  isnan(ours.macro_roc_auc.difference) && isnan(ours.macro_roc_auc.p_value) &&
			  ours.macro_f1.p_value == 1.0,
		  "without positives the ROC-AUCs cannot be compared");
}

/* -- errors -- */

static int stop_after;

static bool
stop_soon(void *context)
{
	(void) context;
	return --stop_after <= 0;
}

/* Everything once, as a caller would, with the status of the first failure. */
static em_code
run_everything(em_should_stop should_stop, em_status *status)
{
	data_interval label_f1[MAX_LABELS], label_auc[MAX_LABELS];
	data_metrics_intervals intervals = { .label_f1 = label_f1, .label_roc_auc = label_auc };
	data_comparison comparison;
	double value;
	em_code code;

	got.label = got_label;
	code = data_roc_auc(&check_allocator, current.n, current.scores, current.truth, current.labels,
						&value, status);
	if (code == EM_OK)
		code = data_average_precision(&check_allocator, current.n, current.scores, current.truth,
									  current.labels, &value, status);
	if (code == EM_OK)
		code = data_metrics_compute(&check_allocator, current.n, current.labels, current.scores,
									current.truth, current.thresholds, &got, status);
	if (code == EM_OK)
		code = data_metrics_bootstrap(&check_allocator, current.n, current.labels, current.scores,
									  current.truth, current.thresholds, 3, 0.9, 1, should_stop,
									  NULL, &intervals, status);
	if (code == EM_OK)
		code = data_metrics_compare(&check_allocator, current.n, current.labels, current.truth,
									current.scores, current.thresholds, current.scores,
									current.thresholds, 3, 0.9, 1, should_stop, NULL, &comparison,
									status);
	return code;
}

static void
test_errors(void)
{
	em_status status = { 0 };
	data_metrics_intervals intervals = { 0 };
	bool good = true;
	int failures = 0;

	make_sample(20, 3, 10, 1, 41);
	current.scores[4 * 3 + 1] = NAN;
	CHECK(run_everything(NULL, &status) == EM_INVALID_DATA &&
			  strcmp(status.message, "score nan of row 5, label 2 is not between 0 and 1") == 0,
		  "a score that is not a number is refused: %s", status.message);
	current.scores[4 * 3 + 1] = 1.5f;
	CHECK(run_everything(NULL, &status) == EM_INVALID_DATA &&
			  strcmp(status.message, "score 1.5 of row 5, label 2 is not between 0 and 1") == 0,
		  "a score over 1 is refused: %s", status.message);
	current.scores[4 * 3 + 1] = -0.5f;
	CHECK(run_everything(NULL, &status) == EM_INVALID_DATA, "a score below 0 is refused: %s",
		  status.message);
	current.scores[4 * 3 + 1] = -0.0f;
	CHECK(run_everything(NULL, &status) == EM_OK, "negative zero is zero");
	current.truth[2 * 3 + 2] = 7;
	CHECK(run_everything(NULL, &status) == EM_INVALID_DATA &&
			  strcmp(status.message, "truth 7 of row 3, label 3 is not 0 or 1") == 0,
		  "a truth of 7 is refused: %s", status.message);
	current.truth[2 * 3 + 2] = 1;
	current.thresholds[1] = NAN;
	CHECK(run_everything(NULL, &status) == EM_INVALID_OPTION &&
			  strcmp(status.message, "the threshold of label 2 is not a number") == 0,
		  "a threshold that is not a number is refused: %s", status.message);
	current.thresholds[1] = INFINITY;
	CHECK(run_everything(NULL, &status) == EM_OK && got_label[1].predicted == 0,
		  "an infinite threshold predicts nothing");
	current.n = 0;
	CHECK(run_everything(NULL, &status) == EM_INVALID_DATA, "no rows are refused: %s",
		  status.message);
	current.n = 20;
	current.labels = 0;
	CHECK(data_metrics_compute(&check_allocator, 20, 0, current.scores, current.truth,
							   current.thresholds, &got, &status) == EM_INVALID_DATA,
		  "no labels are refused: %s", status.message);
	current.labels = 3;
	CHECK(data_metrics_bootstrap(&check_allocator, 20, 3, current.scores, current.truth,
								 current.thresholds, 0, 0.9, 1, NULL, NULL, &intervals,
								 &status) == EM_INVALID_OPTION,
		  "no resamples are refused: %s", status.message);
	CHECK(data_metrics_bootstrap(&check_allocator, 20, 3, current.scores, current.truth,
								 current.thresholds, 9, 1.0, 1, NULL, NULL, &intervals,
								 &status) == EM_INVALID_OPTION,
		  "a confidence of 1 is refused: %s", status.message);

	for (int after = 1; after <= 12; after++)
	{
		stop_after = after;
		good &= run_everything(stop_soon, &status) == EM_CANCELLED && check_live == 0;
	}
	CHECK(good, "stopped at any point it says so and leaks nothing");

	good = true;
	for (long at = 1; at < 1000; at++)
	{
		em_code code;

		check_fail_at = at;
		code = run_everything(NULL, &status);
		if (check_fail_at > 0) /* got through without reaching the failure */
		{
			good &= code == EM_OK;
			break;
		}
		failures++;
		good &= code == EM_OUT_OF_MEMORY && check_live == 0 &&
				strcmp(status.message, "out of memory") == 0;
	}
	check_fail_at = 0;
	CHECK(good && failures == 22, "each of %d allocations failing in turn is reported, no leak",
		  failures);
}

/* More rows than one digit of the sort can tell apart, against counting pairs. */
static void
test_many_rows(void)
{
	static float scores[3000];
	static uint8_t truth[3000];
	double pairs = 0, positives = 0, auc = -1;

	test_state = 51;
	for (int i = 0; i < 3000; i++)
	{
		uint32_t bits = test_random(0x3F800001);

		memcpy(&scores[i], &bits, sizeof(bits)); /* any float in 0..1, denormals too */
		truth[i] = test_random(4) == 0;
		positives += truth[i];
	}
	for (int i = 0; i < 3000; i++)
		for (int j = 0; j < 3000; j++)
			if (truth[i] > truth[j])
				pairs += scores[i] > scores[j] ? 1.0 : scores[i] == scores[j] ? 0.5 : 0.0;
	CHECK(data_roc_auc(&check_allocator, 3000, scores, truth, 1, &auc, NULL) == EM_OK &&
			  near(auc, pairs / positives / (3000 - positives)),
		  "ROC-AUC of 3000 scores over the whole range is the share of ordered pairs");
}

int
main(void)
{
	test_against_sklearn();
	test_many_rows();
	make_sample(60, 6, 12, 4, 61);
	test_bootstrap_against_copies("many ties", 0.95);
	make_sample(1, 2, 12, 1, 62);
	test_bootstrap_against_copies("one row", 0.95);
	test_bootstrap_properties();
	test_rare_label();
	test_comparison();
	test_errors();
	CHECK(check_live == 0, "nothing is left allocated");
	return check_done();
}
