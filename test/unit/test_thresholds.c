/*
 * test_thresholds.c
 *	  Tuned cuts against trying every midpoint, shrinkage, cross-validation.
 */
#include <math.h>

#include "check.h"

#include "../../src/data/metrics.h"
#include "../../src/data/thresholds.h"

#define MAX_ROWS 64
#define MAX_LABELS 6
#define CELLS (MAX_ROWS * MAX_LABELS)

static float scores[CELLS];
static uint8_t truth[CELLS];

static uint64_t test_state = 1;

static uint32_t
test_random(uint32_t below)
{
	test_state = test_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t) ((test_state >> 33) % below);
}

/* Random scores on a grid of steps (0 and 1 included) and truth that rises with them. */
static void
make_case(uint32_t n, uint32_t labels, uint32_t steps, uint64_t seed)
{
	test_state = seed;
	for (uint32_t i = 0; i < n * labels; i++)
	{
		uint32_t step = test_random(steps + 1);

		scores[i] = (float) step / (float) steps;
		truth[i] = test_random(2 * steps) < step;
	}
}

static bool
near(double a, double b)
{
	return fabs(a - b) <= 1e-9;
}

static double
test_logit(double p)
{
	p = fmin(fmax(p, 0x1p-24), 1 - 0x1p-24);
	return log(p / (1 - p));
}

static double
label_f1(uint32_t n, uint32_t labels, uint32_t l, double cut)
{
	uint32_t hit = 0, predicted = 0, support = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		bool over = scores[i * labels + l] >= cut;

		predicted += over;
		support += truth[i * labels + l];
		hit += over && truth[i * labels + l];
	}
	return predicted + support == 0 ? 0.0 : 2.0 * hit / (predicted + support);
}

static double
macro_f1(uint32_t n, uint32_t labels, double cut)
{
	double sum = 0;

	for (uint32_t l = 0; l < labels; l++)
		sum += label_f1(n, labels, l, cut);
	return sum / labels;
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/* All midpoints of the distinct values among count, with 0 below; returns how many. */
static int
midpoints(double *values, int count, double *cuts)
{
	double below = 0;
	int found = 0;

	qsort(values, (size_t) count, sizeof(double), ascending);
	for (int i = 0; i < count; i++)
	{
		if (i > 0 && values[i] == values[i - 1])
			continue;
		cuts[found++] = (values[i] + below) / 2;
		below = values[i];
	}
	return found;
}

static double
best_global_f1(uint32_t n, uint32_t labels)
{
	double values[CELLS], cuts[CELLS], best = 0;
	int count;

	for (uint32_t i = 0; i < n * labels; i++)
		values[i] = scores[i];
	count = midpoints(values, (int) (n * labels), cuts);
	for (int c = 0; c < count; c++)
		best = fmax(best, macro_f1(n, labels, cuts[c]));
	return best;
}

/* The best cut of one label, the nearest to the global one among equals. */
static double
best_own_cut(uint32_t n, uint32_t labels, uint32_t l, double global)
{
	double values[MAX_ROWS], cuts[MAX_ROWS], best = 0, best_cut = global;
	int count;

	for (uint32_t i = 0; i < n; i++)
		values[i] = scores[i * labels + l];
	count = midpoints(values, (int) n, cuts);
	for (int c = count - 1; c >= 0; c--)
	{
		double f1 = label_f1(n, labels, l, cuts[c]);

		if (f1 > best + 1e-12 || (f1 > best - 1e-12 && f1 > 0 &&
								  fabs(test_logit(cuts[c]) - test_logit(global)) <
									  fabs(test_logit(best_cut) - test_logit(global)) - 1e-9))
		{
			best = f1;
			best_cut = cuts[c];
		}
	}
	return best_cut;
}

static void
test_against_brute_force(void)
{
	int wrong_global = 0, wrong_own = 0, wrong_f1 = 0, wrong_mix = 0, failed = 0;

	for (uint64_t seed = 1; seed <= 500; seed++)
	{
		uint32_t n = 1 + (uint32_t) (seed * 7 % 40), labels = 1 + (uint32_t) (seed % MAX_LABELS);
		float cuts[MAX_LABELS], mixed[MAX_LABELS], global = -1;

		make_case(n, labels, 2 + (uint32_t) (seed % 23), seed);
		failed += data_tune_thresholds(&check_allocator, n, labels, scores, truth, 0.0, cuts,
									   &global, NULL) != EM_OK;
		failed += data_tune_thresholds(&check_allocator, n, labels, scores, truth, 5.0, mixed, NULL,
									   NULL) != EM_OK;
		wrong_global += !near(macro_f1(n, labels, global), best_global_f1(n, labels));
		for (uint32_t l = 0; l < labels; l++)
		{
			double own = best_own_cut(n, labels, l, global);
			double positives = 0, logit;

			for (uint32_t i = 0; i < n; i++)
				positives += truth[i * labels + l];
			wrong_own += fabs(cuts[l] - own) > 1e-7;
			wrong_f1 += !near(label_f1(n, labels, l, cuts[l]), label_f1(n, labels, l, own));
			logit = (positives * test_logit(cuts[l]) + 5 * test_logit(global)) / (positives + 5);
			if (positives > 0 && cuts[l] != global)
				wrong_mix += fabs(mixed[l] - 1 / (1 + exp(-logit))) > 1e-6;
			else
				wrong_mix += mixed[l] != global;
		}
	}
	CHECK(failed == 0, "500 random cases tuned");
	CHECK(wrong_global == 0, "the global cut reaches the best macro F1 of all midpoints");
	CHECK(wrong_f1 == 0, "each own cut reaches the best F1 of all midpoints");
	CHECK(wrong_own == 0, "and is the one nearest the global cut among the best");
	CHECK(wrong_mix == 0, "shrinkage mixes own and global by positives on the logit scale");
}

static void
test_shrinkage(void)
{
	float own[2], cuts[2], global, last;
	bool toward = true;

	/* label 1 separates at 0.85, with 2 positives; label 2 at 0.25, with 4 */
	static const float two_scores[] = { .1f, .1f, .2f, .1f, .3f, .3f, .4f, .3f,
										.5f, .6f, .8f, .7f, .9f, .2f, 1.f, 0.f };
	static const uint8_t two_truth[] = { 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0 };

	CHECK(data_tune_thresholds(&check_allocator, 8, 2, two_scores, two_truth, 0.0, own, &global,
							   NULL) == EM_OK &&
			  fabs(own[0] - 0.85) < 1e-6 && fabs(own[1] - 0.25) < 1e-6,
		  "shrinkage 0 gives the labels' own cuts");
	CHECK(data_tune_thresholds(&check_allocator, 8, 2, two_scores, two_truth, INFINITY, cuts,
							   &global, NULL) == EM_OK &&
			  cuts[0] == global && cuts[1] == global,
		  "infinite shrinkage gives the global cut");
	CHECK(data_tune_thresholds(&check_allocator, 8, 2, two_scores, two_truth, 1e300, cuts, NULL,
							   NULL) == EM_OK &&
			  fabsf(cuts[0] - global) < 1e-6f && fabsf(cuts[1] - global) < 1e-6f,
		  "huge shrinkage comes to it");
	CHECK(data_tune_thresholds(&check_allocator, 8, 2, two_scores, two_truth, 1e-300, cuts, NULL,
							   NULL) == EM_OK &&
			  fabsf(cuts[0] - own[0]) < 1e-6f && fabsf(cuts[1] - own[1]) < 1e-6f,
		  "tiny shrinkage comes to the own cuts");
	last = own[0];
	for (double s = 0.5; s < 100; s *= 2)
	{
		toward &= data_tune_thresholds(&check_allocator, 8, 2, two_scores, two_truth, s, cuts, NULL,
									   NULL) == EM_OK &&
				  fabsf(cuts[0] - global) < fabsf(last - global);
		last = cuts[0];
	}
	CHECK(toward, "more shrinkage moves a cut nearer the global one");
}

/* Scores that only the last bit tells apart, and scores of exactly 0 and 1. */
static void
test_exact_cuts(void)
{
	float close[3] = { 0.7f, nextafterf(0.7f, 1), nextafterf(nextafterf(0.7f, 1), 1) };
	const uint8_t upper_two[3] = { 0, 1, 1 }, top[3] = { 0, 0, 1 }, all[3] = { 1, 1, 1 },
				  none[3] = { 0, 0, 0 };
	const float hard[4] = { 0, 0, 1, 1 }, zeros[2] = { 0, 0 }, ones[2] = { 1, 1 };
	const float tiny[2] = { 0x1p-149f, 0 };
	const uint8_t upper[4] = { 0, 0, 1, 1 }, both[2] = { 1, 1 }, first[2] = { 1, 0 };
	float cut, global;

	CHECK(data_tune_thresholds(&check_allocator, 3, 1, close, upper_two, 0, &cut, &global, NULL) ==
				  EM_OK &&
			  close[0] < cut && cut <= close[1],
		  "a cut between neighbouring floats tells them apart");
	CHECK(data_tune_thresholds(&check_allocator, 3, 1, close, top, 0, &cut, &global, NULL) ==
				  EM_OK &&
			  close[1] < cut && cut <= close[2],
		  "and between the next two");
	CHECK(data_tune_thresholds(&check_allocator, 3, 1, close, all, 0, &cut, &global, NULL) ==
				  EM_OK &&
			  cut == close[0] / 2,
		  "when all is positive the cut lies halfway to 0");
	CHECK(data_tune_thresholds(&check_allocator, 3, 1, close, none, 0, &cut, &global, NULL) ==
				  EM_OK &&
			  cut == 0.5f && global == 0.5f,
		  "without positives it is 0.5");
	CHECK(data_tune_thresholds(&check_allocator, 4, 1, hard, upper, 3, &cut, &global, NULL) ==
				  EM_OK &&
			  cut == 0.5f,
		  "between scores of 0 and 1 it is 0.5");
	CHECK(data_tune_thresholds(&check_allocator, 2, 1, zeros, both, 0, &cut, &global, NULL) ==
				  EM_OK &&
			  cut == 0 && global == 0,
		  "positives that score 0 need the cut 0");
	CHECK(data_tune_thresholds(&check_allocator, 2, 1, ones, both, 1, &cut, &global, NULL) ==
				  EM_OK &&
			  cut == 0.5f,
		  "positives that score 1 are cut halfway");
	CHECK(data_tune_thresholds(&check_allocator, 2, 1, tiny, first, 0, &cut, &global, NULL) ==
				  EM_OK &&
			  cut > 0 && cut <= tiny[0],
		  "the least float is told from 0");
	{
		/* label 1 wants the cut 0, label 2 one next to 1: the mix stays a number */
		const float extreme[4] = { 0, 1, 0, 1 - 0x1p-24f };
		const uint8_t extreme_truth[4] = { 1, 1, 1, 0 };
		float cuts[2];

		CHECK(data_tune_thresholds(&check_allocator, 2, 2, extreme, extreme_truth, 1, cuts, &global,
								   NULL) == EM_OK &&
				  cuts[0] >= 0 && cuts[0] < 1 && cuts[1] > 0 && cuts[1] <= 1,
			  "cuts at both ends mix to numbers within 0..1");
	}
}

static void
test_label_without_positives(void)
{
	float cuts[3], global;
	bool good = true;

	make_case(30, 3, 20, 9);
	for (int i = 0; i < 30; i++)
		truth[i * 3 + 1] = 0;
	for (double s = 0; s < 3; s++)
		good &= data_tune_thresholds(&check_allocator, 30, 3, scores, truth, s, cuts, &global,
									 NULL) == EM_OK &&
				cuts[1] == global;
	CHECK(good, "a label without positives gets the global cut");
}

static void
test_cross_validation(void)
{
	/* one label; tuned on fold 1 (0.2-, 0.6+): cut 0.4; on fold 0 (0.5-, 0.9+): 0.7 */
	const float one[4] = { .5f, .9f, .2f, .6f };
	const uint8_t one_truth[4] = { 0, 1, 0, 1 }, folds[4] = { 0, 0, 1, 1 };
	uint8_t predicted[CELLS], again[CELLS], random_folds[MAX_ROWS];
	float kept_scores[CELLS], cuts[MAX_LABELS];
	uint8_t kept_truth[CELLS];
	double f1 = -1;
	int wrong = 0;
	bool good = true;

	CHECK(data_cross_validate_thresholds(&check_allocator, 4, 1, one, one_truth, folds, 2, 0, NULL,
										 NULL, predicted, &f1, NULL) == EM_OK &&
			  predicted[0] == 1 && predicted[1] == 1 && predicted[2] == 0 && predicted[3] == 0,
		  "two folds by hand: 0.5 and 0.9 against 0.4, 0.2 and 0.6 against 0.7");
	CHECK(near(f1, 0.5), "F1 by hand: one hit of two predicted and two true, %.3f", f1);

	/* three folds and four labels: each fold against cuts tuned on a copy of the others */
	make_case(48, 4, 15, 5);
	for (int i = 0; i < 48; i++)
		random_folds[i] = (uint8_t) test_random(3);
	good &= data_cross_validate_thresholds(&check_allocator, 48, 4, scores, truth, random_folds, 4,
										   2.5, NULL, NULL, predicted, &f1, NULL) == EM_OK;
	for (int fold = 0; fold < 3; fold++)
	{
		uint32_t kept = 0;

		for (int i = 0; i < 48; i++)
		{
			if (random_folds[i] == fold)
				continue;
			memcpy(kept_scores + kept * 4, scores + i * 4, 4 * sizeof(float));
			memcpy(kept_truth + kept++ * 4, truth + i * 4, 4);
		}
		good &= data_tune_thresholds(&check_allocator, kept, 4, kept_scores, kept_truth, 2.5, cuts,
									 NULL, NULL) == EM_OK;
		for (int i = 0; i < 48; i++)
			for (int l = 0; l < 4 && random_folds[i] == fold; l++)
				wrong += predicted[i * 4 + l] != (scores[i * 4 + l] >= cuts[l]);
	}
	CHECK(good && wrong == 0,
		  "three folds (and an empty one): as tuning on a copy of the other rows");
	{
		data_label_metrics label[4];
		data_metrics metrics = { .label = label };
		float as_scores[CELLS], half[4] = { .5f, .5f, .5f, .5f };

		for (int i = 0; i < 48 * 4; i++)
			as_scores[i] = predicted[i];
		CHECK(data_metrics_compute(&check_allocator, 48, 4, as_scores, truth, half, &metrics,
								   NULL) == EM_OK &&
				  near(metrics.macro.f1, f1),
			  "macro F1 is that of the predictions, %.4f", f1);
	}
	CHECK(data_cross_validate_thresholds(&check_allocator, 48, 4, scores, truth, random_folds, 4,
										 2.5, NULL, NULL, again, &f1, NULL) == EM_OK &&
			  memcmp(again, predicted, 48 * 4) == 0,
		  "the same again");
}

static void
test_errors(void)
{
	em_status status = { 0 };
	float cuts[3], global;
	uint8_t folds[20], predicted[CELLS];
	double f1;
	int failures = 0;
	bool good = true;

	make_case(20, 3, 10, 3);
	memset(folds, 0, sizeof(folds));
	CHECK(data_tune_thresholds(&check_allocator, 20, 3, scores, truth, -1, cuts, &global,
							   &status) == EM_INVALID_OPTION &&
			  strcmp(status.message, "shrinkage -1 is not 0 or more") == 0,
		  "negative shrinkage is refused: %s", status.message);
	CHECK(data_tune_thresholds(&check_allocator, 20, 3, scores, truth, NAN, cuts, &global,
							   &status) == EM_INVALID_OPTION,
		  "shrinkage that is not a number is refused: %s", status.message);
	CHECK(data_tune_thresholds(&check_allocator, 0, 3, scores, truth, 1, cuts, &global, &status) ==
			  EM_INVALID_DATA,
		  "no rows are refused: %s", status.message);
	CHECK(data_cross_validate_thresholds(&check_allocator, 20, 3, scores, truth, folds, 1, 1, NULL,
										 NULL, predicted, &f1, &status) == EM_INVALID_OPTION,
		  "one fold is refused: %s", status.message);
	CHECK(data_cross_validate_thresholds(&check_allocator, 20, 3, scores, truth, folds, 2, 1, NULL,
										 NULL, predicted, &f1, &status) == EM_INVALID_DATA &&
			  strcmp(status.message, "fold 0 holds every row") == 0,
		  "all rows in one fold are refused: %s", status.message);
	folds[3] = 2;
	CHECK(data_cross_validate_thresholds(&check_allocator, 20, 3, scores, truth, folds, 2, 1, NULL,
										 NULL, predicted, &f1, &status) == EM_INVALID_DATA,
		  "a fold's number over their count is refused: %s", status.message);
	folds[3] = 1;
	scores[5] = INFINITY;
	CHECK(data_tune_thresholds(&check_allocator, 20, 3, scores, truth, 1, cuts, &global, &status) ==
			  EM_INVALID_DATA,
		  "an infinite score is refused: %s", status.message);
	scores[5] = 0.5f;

	for (long at = 1; at < 100; at++)
	{
		em_code code;

		check_fail_at = at;
		code =
			data_tune_thresholds(&check_allocator, 20, 3, scores, truth, 1, cuts, &global, &status);
		if (code == EM_OK)
			code = data_cross_validate_thresholds(&check_allocator, 20, 3, scores, truth, folds, 2,
												  1, NULL, NULL, predicted, &f1, &status);
		if (check_fail_at > 0)
		{
			good &= code == EM_OK;
			break;
		}
		failures++;
		good &= code == EM_OUT_OF_MEMORY && check_live == 0;
	}
	check_fail_at = 0;
	CHECK(good && failures == 8, "each of %d allocations failing in turn is reported, no leak",
		  failures);
}

int
main(void)
{
	test_against_brute_force();
	test_shrinkage();
	test_exact_cuts();
	test_label_without_positives();
	test_cross_validation();
	test_errors();
	CHECK(check_live == 0, "nothing is left allocated");
	return check_done();
}
