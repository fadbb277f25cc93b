/*
 * test_calibration.c
 *	  Calibration against scikit-learn's logistic regression and reliability
 *	  against numpy (test/reference/calibration.txt), the conditions of a
 *	  minimum, labels that have none, cross-fitting.
 */
#include <math.h>

#include "check.h"

#include "../../src/data/calibration.h"
#include "../../src/data/metrics.h"
#include "../../src/data/reliability.h"

#define FIXTURE "test/reference/calibration.txt"
#define MAX_CELLS 4096
#define MAX_LABELS 8

static float scores[MAX_CELLS];
static uint8_t truth[MAX_CELLS];
static em_status status;

static const data_calibration_options plain = { true, true, 0.0 };

static bool
near(double a, double b, double tolerance)
{
	return fabs(a - b) <= tolerance * (1 + fabs(b));
}

static double
test_sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

static bool
read_word(FILE *file, const char *word)
{
	char found[64];

	return fscanf(file, "%63s", found) == 1 && strcmp(found, word) == 0;
}

static double
read_number(FILE *file)
{
	double number = NAN;

	if (fscanf(file, "%lf", &number) != 1)
		return NAN;
	return number;
}

/* ---- the fixture ---------------------------------------------------------------------- */

static void
compare_fits(FILE *file, uint64_t n, uint32_t labels)
{
	for (int shift = 1; shift >= 0; shift--)
	{
		bool common_good = read_word(file, "common");
		double scale = read_number(file), own_shift = read_number(file);

		for (int shrunk = 0; shrunk < 2; shrunk++)
		{
			data_calibration_options options = { true, shift == 1, shrunk ? 20.0 : 0.0 };
			data_calibration calibration[MAX_LABELS], common;
			bool good = data_fit_calibration(&check_allocator, n, labels, scores, truth, &options,
											 NULL, NULL, calibration, &common, &status) == EM_OK;
			double worst = 0;

			common_good &= near(common.scale, scale, 1e-6) && near(common.shift, own_shift, 1e-6);
			for (uint32_t l = 0; l < labels; l++)
			{
				double a, b;

				good &= read_word(file, "label");
				a = read_number(file);
				b = read_number(file);
				good &= near(calibration[l].scale, a, 1e-6) && near(calibration[l].shift, b, 1e-6);
				worst = fmax(worst,
							 fmax(fabs(calibration[l].scale - a), fabs(calibration[l].shift - b)));
			}
			CHECK(good, "%s shift, shrinkage %g: scales and shifts are scikit-learn's (%.1e apart)",
				  shift ? "with" : "without", options.shrinkage, worst);
		}
		CHECK(common_good, "%s shift: so are those of all labels together",
			  shift ? "with" : "without");
	}
}

static void
compare_reliability(FILE *file, uint64_t n, uint32_t labels, uint32_t bin_count, bool equal_count)
{
	bool good = true;

	for (uint32_t i = 0; i <= labels; i++)
	{
		data_reliability_bin bins[DATA_MAX_BINS];
		data_reliability r;
		uint32_t label = i == 0 ? DATA_ALL_LABELS : i - 1;

		good &= data_measure_reliability(&check_allocator, n, labels, scores, truth, label,
										 bin_count, equal_count, bins, &r, &status) == EM_OK;
		good &= read_word(file, "reliability");
		good &= near(r.calibration_error, read_number(file), 1e-12);
		good &= near(r.brier, read_number(file), 1e-12);
		good &= read_word(file, "sizes");
		for (uint32_t b = 0; b < bin_count; b++)
			good &= (double) bins[b].count == read_number(file);
	}
	CHECK(good, "%u bins of equal %s: calibration error, Brier score and sizes are numpy's",
		  bin_count, equal_count ? "count" : "width");
}

static void
test_fixture(void)
{
	FILE *file = fopen(FIXTURE, "r");
	unsigned n, labels;
	char name[64];

	if (!CHECK(file != NULL, "%s is there", FIXTURE))
		return;
	while (fscanf(file, " case %63s %u %u", name, &n, &labels) == 3)
	{
		bool good = n * labels <= MAX_CELLS && read_word(file, "scores");

		for (unsigned i = 0; good && i < n * labels; i++)
			scores[i] = (float) read_number(file);
		good &= read_word(file, "truth");
		for (unsigned i = 0; good && i < n * labels; i++)
		{
			int digit;

			good &= fscanf(file, " %1d", &digit) == 1;
			truth[i] = (uint8_t) digit;
		}
		if (!CHECK(good, "case %s is read", name))
			break;
		compare_fits(file, n, labels);
		compare_reliability(file, n, labels, 15, false);
		compare_reliability(file, n, labels, 10, false);
		compare_reliability(file, n, labels, 10, true);
		compare_reliability(file, n, labels, 7, true);
	}
	CHECK(feof(file) != 0, "the fixture is read to its end");
	fclose(file);
}

/* ---- what a minimum is ---------------------------------------------------------------- */

static uint64_t test_state = 1;

static double
test_uniform(void)
{
	test_state = test_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double) (test_state >> 40) / (1 << 24);
}

/* Logits spread about -2, truth drawn with scale and shift. */
static void
make_case(uint32_t n, uint32_t labels, double scale, double shift)
{
	test_state = 7;
	for (uint32_t i = 0; i < n * labels; i++)
	{
		double z = -2 + 6 * (test_uniform() + test_uniform() - 1);

		scores[i] = (float) test_sigmoid(z);
		truth[i] = test_uniform() < test_sigmoid(scale * z + shift);
	}
}

/* Mean log loss of one column, in double throughout. */
static double
loss_of(uint32_t n, uint32_t labels, uint32_t l, double scale, double shift)
{
	double loss = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		double p = test_sigmoid(scale * data_logit(scores[i * labels + l]) + shift);

		loss -= log(truth[i * labels + l] ? p : 1 - p);
	}
	return loss / n;
}

static void
test_minimum(void)
{
	data_calibration calibration[2], common;
	bool flat = true, lower = true;

	make_case(1000, 2, 0.5, 0.7);
	CHECK(data_fit_calibration(&check_allocator, 1000, 2, scores, truth, &plain, NULL, NULL,
							   calibration, &common, &status) == EM_OK,
		  "two labels are fitted");
	for (uint32_t l = 0; l < 2; l++)
	{
		const double a = calibration[l].scale, b = calibration[l].shift, h = 1e-5;
		double da = (loss_of(1000, 2, l, a + h, b) - loss_of(1000, 2, l, a - h, b)) / (2 * h);
		double db = (loss_of(1000, 2, l, a, b + h) - loss_of(1000, 2, l, a, b - h)) / (2 * h);

		flat &= fabs(da) < 1e-8 && fabs(db) < 1e-8;
		lower &= loss_of(1000, 2, l, a, b) < loss_of(1000, 2, l, 1, 0);
		CHECK(fabs(a - 0.5) < 0.15 && fabs(b - 0.7) < 0.3,
			  "label %u: near the scale 0.5 and shift 0.7 that truth was drawn with (%.3f, %.3f)",
			  l + 1, a, b);
	}
	CHECK(flat, "central differences of the loss are zero at the fit");
	CHECK(lower, "its loss is less than the uncalibrated");
}

static void
test_shrinkage(void)
{
	data_calibration_options options = plain;
	data_calibration own[2], common, shrunk[2], before = { 0, 0 };
	double previous = INFINITY;
	bool nearer = true;

	/* scores of the first label are right, of the second far off */
	make_case(500, 2, 1, 0);
	for (uint32_t i = 0; i < 500; i++)
		truth[i * 2 + 1] = test_uniform() < test_sigmoid(0.3 * data_logit(scores[i * 2 + 1]) - 1);
	data_fit_calibration(&check_allocator, 500, 2, scores, truth, &options, NULL, NULL, own,
						 &common, &status);
	for (double s = 0; s <= 1e6; s = s * 10 + 1)
	{
		double distance;

		options.shrinkage = s;
		data_fit_calibration(&check_allocator, 500, 2, scores, truth, &options, NULL, NULL, shrunk,
							 NULL, &status);
		distance = fabs(shrunk[1].scale - common.scale) + fabs(shrunk[1].shift - common.shift);
		nearer &= distance <= previous + 1e-9;
		previous = distance;
		if (s == 0)
			before = shrunk[1];
	}
	CHECK(near(before.scale, own[1].scale, 1e-12), "shrinkage 0 is a label's own calibration");
	CHECK(nearer && previous < 1e-3, "more shrinkage comes ever nearer to the common one");
	options.shrinkage = INFINITY;
	data_fit_calibration(&check_allocator, 500, 2, scores, truth, &options, NULL, NULL, shrunk,
						 NULL, &status);
	CHECK(shrunk[1].scale == common.scale && shrunk[0].shift == common.shift,
		  "infinite shrinkage is the common one");
	options = (data_calibration_options){ false, true, 0 };
	data_fit_calibration(&check_allocator, 500, 2, scores, truth, &options, NULL, NULL, shrunk,
						 NULL, &status);
	CHECK(shrunk[0].scale == common.scale && shrunk[1].scale == common.scale,
		  "not per label is the common one, too");
}

/* ---- labels that have no minimum ------------------------------------------------------ */

/* Column 0 of 2 as given by both functions of the row; column 1 ordinary. */
static data_calibration
fit_first(uint32_t n, bool shift, double shrinkage, data_calibration *common)
{
	data_calibration_options options = { true, shift, shrinkage };
	data_calibration calibration[2] = { { NAN, NAN }, { NAN, NAN } };

	CHECK(data_fit_calibration(&check_allocator, n, 2, scores, truth, &options, NULL, NULL,
							   calibration, common, &status) == EM_OK &&
			  isfinite(calibration[0].scale) && isfinite(calibration[0].shift) &&
			  calibration[0].scale >= DATA_CALIBRATION_MIN_SCALE &&
			  calibration[0].scale <= DATA_CALIBRATION_MAX_SCALE,
		  "shrinkage %g, %s shift: finite and within bounds (%g, %g)", shrinkage,
		  shift ? "with" : "without", calibration[0].scale, calibration[0].shift);
	return calibration[0];
}

static void
test_degenerate(void)
{
	data_calibration common, c;
	em_code code;

	make_case(200, 2, 1, 0);
	for (int i = 0; i < 200; i++)
		truth[2 * i] = 0;
	c = fit_first(200, true, 0, &common);
	CHECK(c.scale == common.scale && c.shift == common.shift,
		  "a label without positives gets the common calibration");
	for (int i = 0; i < 200; i++)
		truth[2 * i] = 1;
	c = fit_first(200, true, 20, &common);
	CHECK(c.scale == common.scale && c.shift == common.shift, "one without negatives, too");

	for (int i = 0; i < 200; i++)
		truth[2 * i] = scores[2 * i] > 0.3f;
	c = fit_first(200, true, 0, &common);
	CHECK(c.scale == DATA_CALIBRATION_MAX_SCALE,
		  "without shrinkage a label that its scores separate goes to the bound");
	CHECK(data_calibrate(&c, 0.31f) > 0.5f && data_calibrate(&c, 0.29f) < 0.5f,
		  "which cuts where truth does");
	fit_first(200, false, 0, &common);
	c = fit_first(200, true, 20, &common);
	CHECK(c.scale < 10, "with shrinkage it stays sensible");

	for (int i = 0; i < 200; i++)
		truth[2 * i] = scores[2 * i] < 0.3f;
	c = fit_first(200, true, 0, &common);
	CHECK(c.scale == DATA_CALIBRATION_MIN_SCALE,
		  "scores that run against the truth go to the lower bound: order is never reversed");
	fit_first(200, false, 0, &common);

	/* both labels run against the truth, so that the search begins on the bound */
	for (int i = 0; i < 400; i++)
		truth[i] = test_uniform() < 0.4 - 0.3 * (double) scores[i] - 0.1 * (i % 2);
	for (int i = 0; i < 2; i++)
	{
		double sum = 0, share = 0;

		c = fit_first(200, true, 0, &common);
		for (int j = 0; j < 200; j++)
		{
			sum += (double) data_calibrate(&c, scores[2 * j]);
			share += truth[2 * j];
			truth[2 * j] = truth[2 * j + 1]; /* the other label next */
		}
		CHECK(fabs(sum - share) < 1e-4, "its mean score is the share of positives all the same");
	}

	for (int i = 0; i < 200; i++)
	{
		scores[2 * i] = 0.25f;
		truth[2 * i] = i % 10 == 0;
	}
	c = fit_first(200, true, 0, &common);
	CHECK(c.scale == common.scale && fabs((double) data_calibrate(&c, 0.25f) - 0.1) < 1e-6,
		  "equal scores keep the common scale and take the share of positives by their shift");
	fit_first(200, false, 0, &common);

	for (int i = 0; i < 200; i++)
		scores[2 * i] = i % 2 ? 1.0f : 0.0f;
	fit_first(200, true, 0, &common);
	fit_first(200, true, 20, &common);

	memset(truth, 0, 400);
	c = fit_first(200, true, 20, &common);
	CHECK(c.scale == 1 && c.shift == 0, "no positive at all: scores stay as they are");

	make_case(10, 2, 1, 0);
	code = data_fit_calibration(&check_allocator, 10, 2, scores, truth,
								&(data_calibration_options){ true, true, -1 }, NULL, NULL, &c, NULL,
								&status);
	CHECK(code == EM_INVALID_OPTION && strstr(status.message, "-1") != NULL,
		  "shrinkage -1 is refused: %s", status.message);
	code = data_fit_calibration(&check_allocator, 10, 2, scores, truth,
								&(data_calibration_options){ true, true, NAN }, NULL, NULL, &c,
								NULL, &status);
	CHECK(code == EM_INVALID_OPTION, "shrinkage NaN is refused: %s", status.message);
	code = data_fit_calibration(&check_allocator, 0, 2, scores, truth, &plain, NULL, NULL, &c, NULL,
								&status);
	CHECK(code == EM_INVALID_DATA, "no rows are refused: %s", status.message);
	scores[3] = NAN;
	code = data_fit_calibration(&check_allocator, 10, 2, scores, truth, &plain, NULL, NULL, &c,
								NULL, &status);
	CHECK(code == EM_INVALID_DATA, "a score that is none is refused: %s", status.message);
}

/* ---- searches that are hard ----------------------------------------------------------- */

static int passes;

static bool
count_pass(void *context)
{
	(void) context;
	passes++;
	return false;
}

/* The first label's log loss, a sum over 200 rows, and the passes over both labels' scores. */
static double
hard_fit(const data_calibration_options *options, data_calibration *first)
{
	data_calibration calibration[2] = { { NAN, NAN }, { NAN, NAN } };
	double loss = 0;

	passes = 0;
	(void) data_fit_calibration(&check_allocator, 200, 2, scores, truth, options, count_pass, NULL,
								calibration, NULL, &status);
	for (uint32_t i = 0; i < 200; i++)
	{
		double x = calibration[0].scale * data_logit(scores[2 * i]) + calibration[0].shift;

		loss += log1p(exp(-fabs(x))) + fabs(x) * (truth[2 * i] == (x > 0) ? 0 : 1);
	}
	*first = calibration[0];
	return loss;
}

static void
test_hard(void)
{
	data_calibration c;
	double loss;

	/* two scores that separate the labels: nothing is lost long before the bound */
	for (int i = 0; i < 400; i++)
	{
		truth[i] = (i / 2) % 4 == i % 2;
		scores[i] = truth[i] ? 0.7f : 0.2f;
	}
	for (int shrunk = 0; shrunk < 2; shrunk++)
	{
		for (int shift = 0; shift < 2; shift++)
		{
			loss = hard_fit(&(data_calibration_options){ true, shift, shrunk ? 20 : 0 }, &c);
			CHECK(loss < 1e-9 && passes < 300,
				  "separated, %s shift, shrinkage %d: a loss of %.1e after %d passes",
				  shift ? "with" : "without", shrunk ? 20 : 0, loss, passes);
		}
	}

	/* neighbouring floats: the more of them are true the higher they are, or the lower */
	for (int rising = 0; rising < 2; rising++)
	{
		for (int i = 0; i < 400; i++)
		{
			bool upper = (i / 2) % 2 == rising;

			scores[i] = upper ? nextafterf(0.25f, 1) : 0.25f;
			truth[i] = (i / 4) % 10 < (upper ? 3 : 2);
		}
		loss = hard_fit(&plain, &c);
		CHECK(near(loss, -50 * log(0.25) - 150 * log(0.75), 1e-6) && passes < 60 &&
				  fabs((double) data_calibrate(&c, 0.25f) - 0.25) < 1e-4,
			  "scores that hardly differ become the share of positives after %d passes", passes);
	}

	/* nearly all scores next to 1, nearly all wrong: one step goes over the far edge */
	for (int i = 0; i < 400; i++)
	{
		scores[i] = 1 - (float) (i % 8) * 0x1p-24f;
		truth[i] = i / 2 == 7;
	}
	loss = hard_fit(&plain, &c);
	CHECK(loss < 7 && passes < 120, "wrong and certain: a loss of %.2f after %d passes", loss,
		  passes);
}

/* 20,000 rows of one score but for one row: a search that rounding must not keep from ending. */
static void
test_alike(void)
{
	enum
	{
		ROWS = 20000,
		LABELS = 4
	};
	static const float usual[LABELS] = { 0.63967633f, 0.047425874f, 0.047425874f, 0.49788868f };
	static const float other[LABELS] = { 0.6117795f, 0.0532029f, 0.0532029f, 0.47146204f };
	static float alike[ROWS * LABELS];
	static uint8_t labels[ROWS * LABELS];
	const data_calibration_options options = { true, true, 20 };
	data_calibration calibration[LABELS] = { { NAN, NAN } };
	int most = 0;
	bool good = true;

	for (int i = 0; i < ROWS * LABELS; i++)
	{
		alike[i] = i / LABELS == 777 ? other[i % LABELS] : usual[i % LABELS];
		labels[i] = (i / LABELS) % LABELS == i % LABELS;
	}
	for (int rows = ROWS - 2000; rows <= ROWS; rows += 500)
	{
		passes = 0;
		good &=
			data_fit_calibration(&check_allocator, (uint64_t) rows, LABELS, alike, labels, &options,
								 count_pass, NULL, calibration, NULL, &status) == EM_OK;
		for (int l = 0; l < LABELS; l++)
			good &= fabs((double) data_calibrate(&calibration[l], usual[l]) - 0.25) < 1e-3;
		most = passes > most ? passes : most;
	}
	CHECK(good, "rows of one score, but for one, become the share of positives");
	CHECK(most < 200, "after %d passes at most", most);
}

static void
test_calibrate(void)
{
	const data_calibration c = { 0.5, -1 }, same = { 1, 0 };
	bool good = true, kept = true;

	for (int i = 1; i < 1000; i++)
	{
		float s = (float) i / 1000;
		double z = log((double) s / (1 - (double) s));

		good &= fabs((double) data_calibrate(&c, s) - test_sigmoid(0.5 * z - 1)) < 1e-6;
		kept &= fabs((double) data_calibrate(&same, s) - (double) s) < 1e-7;
	}
	CHECK(good, "a calibrated score is the sigmoid of scale z + shift");
	CHECK(kept, "scale 1 and shift 0 keep it");
	CHECK(isfinite(data_logit(0)) && isfinite(data_logit(1)) && data_logit(0) < -30 &&
			  data_logit(1) > 16,
		  "0 and 1 have finite logits");
}

/* ---- cross-fitting -------------------------------------------------------------------- */

static bool
stop_at_once(void *context)
{
	(void) context;
	return true;
}

static void
test_cross_fit(void)
{
	enum
	{
		ROWS = 600
	};
	static uint8_t folds[ROWS];
	static float crossed[2 * ROWS], half[2 * ROWS];
	static uint8_t half_truth[2 * ROWS];
	data_calibration calibration[2];
	data_reliability before, after;
	uint32_t kept = 0;
	bool same = true;
	em_code code;

	make_case(ROWS, 2, 0.4, 0.3);
	for (int i = 0; i < ROWS; i++)
		folds[i] = (uint8_t) (i * 7 % 3 == 0);
	CHECK(data_cross_fit_calibration(&check_allocator, ROWS, 2, scores, truth, folds, 2, &plain,
									 NULL, NULL, crossed, &status) == EM_OK,
		  "two folds are cross-fitted");
	for (int i = 0; i < ROWS; i++)
	{
		if (folds[i] == 1)
			continue;
		memcpy(half + 2 * kept, scores + 2 * i, 2 * sizeof(float));
		memcpy(half_truth + 2 * kept, truth + 2 * i, 2);
		kept++;
	}
	data_fit_calibration(&check_allocator, kept, 2, half, half_truth, &plain, NULL, NULL,
						 calibration, NULL, &status);
	for (int i = 0; i < 2 * ROWS; i++)
		if (folds[i / 2] == 1)
			same &= crossed[i] == data_calibrate(&calibration[i % 2], scores[i]);
	CHECK(same, "a fold's scores are calibrated as the other rows want it");
	data_measure_reliability(&check_allocator, ROWS, 2, scores, truth, DATA_ALL_LABELS, 15, false,
							 NULL, &before, &status);
	data_measure_reliability(&check_allocator, ROWS, 2, crossed, truth, DATA_ALL_LABELS, 15, false,
							 NULL, &after, &status);
	CHECK(after.calibration_error < before.calibration_error / 2 && after.brier < before.brier,
		  "which betters scores that are off: calibration error %.3f to %.3f",
		  before.calibration_error, after.calibration_error);

	folds[5] = 2;
	code = data_cross_fit_calibration(&check_allocator, ROWS, 2, scores, truth, folds, 2, &plain,
									  NULL, NULL, crossed, &status);
	CHECK(code == EM_INVALID_DATA, "a fold too many is refused: %s", status.message);
	memset(folds, 1, sizeof(folds));
	code = data_cross_fit_calibration(&check_allocator, ROWS, 2, scores, truth, folds, 2, &plain,
									  NULL, NULL, crossed, &status);
	CHECK(code == EM_INVALID_DATA, "one fold with every row is refused: %s", status.message);
	code = data_cross_fit_calibration(&check_allocator, ROWS, 2, scores, truth, folds, 1, &plain,
									  NULL, NULL, crossed, &status);
	CHECK(code == EM_INVALID_OPTION, "one fold is refused: %s", status.message);
	code = data_fit_calibration(&check_allocator, ROWS, 2, scores, truth, &plain, stop_at_once,
								NULL, calibration, NULL, &status);
	CHECK(code == EM_CANCELLED, "it stops when told to");
	for (long i = 1; i <= 3; i++)
	{
		folds[0] = 0;
		check_fail_at = i;
		code = data_cross_fit_calibration(&check_allocator, ROWS, 2, scores, truth, folds, 2,
										  &plain, NULL, NULL, crossed, &status);
		check_fail_at = 0;
		CHECK(code == EM_OUT_OF_MEMORY, "no memory for block %ld is said", i);
	}
}

static void
test_reliability_edges(void)
{
	data_reliability_bin bins[15];
	data_reliability r;
	data_metrics metrics = { 0 };
	data_label_metrics label[2];
	const float thresholds[2] = { 0.5f, 0.5f };
	em_code code;

	make_case(500, 2, 0.5, 0);
	metrics.label = label;
	data_metrics_compute(&check_allocator, 500, 2, scores, truth, thresholds, &metrics, &status);
	data_measure_reliability(&check_allocator, 500, 2, scores, truth, DATA_ALL_LABELS, 15, false,
							 bins, &r, &status);
	CHECK(near(r.calibration_error, metrics.calibration_error, 1e-12) &&
			  near(r.log_loss, metrics.log_loss, 1e-12),
		  "15 bins of equal width over all labels give the figures of data_metrics");

	scores[0] = 0;
	scores[1] = 1;
	truth[0] = truth[1] = 1;
	data_measure_reliability(&check_allocator, 1, 2, scores, truth, DATA_ALL_LABELS, 10, false,
							 bins, &r, &status);
	CHECK(bins[0].count == 1 && bins[9].count == 1 && bins[4].count == 0 &&
			  isnan(bins[4].mean_score) && r.brier == 0.5 && r.calibration_error == 0.5,
		  "0 and 1 stand in the outermost bins");
	data_measure_reliability(&check_allocator, 1, 2, scores, truth, 1, 10, true, bins, &r, &status);
	CHECK(bins[9].count == 1 && bins[9].lower == 1 && bins[9].upper == 1 && isnan(bins[0].lower) &&
			  r.brier == 0,
		  "one score is one bin of equal count");
	code = data_measure_reliability(&check_allocator, 1, 2, scores, truth, 2, 10, true, bins, &r,
									&status);
	CHECK(code == EM_INVALID_OPTION, "a label that is not there is refused: %s", status.message);
	code = data_measure_reliability(&check_allocator, 1, 2, scores, truth, 1, 0, true, bins, &r,
									&status);
	CHECK(code == EM_INVALID_OPTION, "no bins are refused: %s", status.message);
	code = data_measure_reliability(&check_allocator, 1, 2, scores, truth, 1, 1001, true, bins, &r,
									&status);
	CHECK(code == EM_INVALID_OPTION, "too many are, too: %s", status.message);
}

int
main(void)
{
	test_fixture();
	test_minimum();
	test_shrinkage();
	test_degenerate();
	test_hard();
	test_alike();
	test_calibrate();
	test_cross_fit();
	test_reliability_edges();
	CHECK(check_live == 0, "all memory is given back");
	return check_done();
}
