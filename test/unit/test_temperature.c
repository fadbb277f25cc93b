/*
 * test_temperature.c
 *	  One scale for the logits of labels that exclude one another.
 */
#include "check.h"

#include <math.h>

#include "../../src/data/temperature.h"

#define ROWS 6000
#define LABELS 5

static float scores[ROWS * LABELS];
static uint8_t truth[ROWS * LABELS], folds[ROWS];
static em_status status;

static uint64_t state = 1;

static double
draw(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double) (state >> 11) * 0x1p-53;
}

/* Logits whose softmax is right, told `wrong` times too large; every tenth row has two labels or none. */
static void
make_rows(double wrong)
{
	for (int i = 0; i < ROWS; i++)
	{
		double logit[LABELS], sum = 0, told = 0, at = draw();
		bool found = false;

		for (int l = 0; l < LABELS; l++)
			logit[l] = 3 * draw() * (l + 1) / LABELS;
		for (int l = 0; l < LABELS; l++)
		{
			sum += exp(logit[l]);
			told += exp(wrong * logit[l]);
		}
		for (int l = 0; l < LABELS; l++)
		{
			double p = exp(logit[l]) / sum;

			scores[i * LABELS + l] = (float) (exp(wrong * logit[l]) / told);
			truth[i * LABELS + l] = !found && (at < p || l == LABELS - 1);
			found |= truth[i * LABELS + l] != 0;
			at -= p;
		}
		folds[i] = (uint8_t) (i % 3);
		if (i % 10 == 0)
			for (int l = 0; l < LABELS; l++)
				truth[i * LABELS + l] = i % 20 == 0 ? 0 : l < 2;
	}
}

static double
loss(double scale, int held_out)
{
	double sum = 0;

	for (int i = 0; i < ROWS; i++)
	{
		float fitted[LABELS];

		if (i % 10 == 0 || (held_out >= 0 && folds[i] == held_out))
			continue;
		data_apply_temperature(scale, LABELS, scores + i * LABELS, fitted);
		for (int l = 0; l < LABELS; l++)
			sum -= truth[i * LABELS + l] ? log((double) fitted[l]) : 0;
	}
	return sum;
}

static void
test_fit(void)
{
	static const double wrongs[] = { 0.25, 1, 3 };

	for (int w = 0; w < 3; w++)
	{
		double scale = 0, held = 0;
		bool good;

		make_rows(wrongs[w]);
		good = data_fit_temperature(ROWS, LABELS, scores, truth, NULL, 0, NULL, NULL, &scale,
									&status) == EM_OK;
		CHECK(good && fabs(scale * wrongs[w] - 1) < 0.08, "logits %g times too large: scale %.4f",
			  wrongs[w], scale);
		CHECK(loss(scale, -1) < loss(scale * 1.01, -1) && loss(scale, -1) < loss(scale / 1.01, -1),
			  "is the one of least loss");
		good = data_fit_temperature(ROWS, LABELS, scores, truth, folds, 1, NULL, NULL, &held,
									&status) == EM_OK;
		CHECK(good && held != scale && loss(held, 1) < loss(held * 1.01, 1) &&
				  loss(held, 1) < loss(held / 1.01, 1),
			  "and of the rows of other folds, %.4f", held);
	}
}

static bool
stop(void *context)
{
	return --*(int *) context < 0;
}

static void
test_edges(void)
{
	const float zero[] = { 0, 1, 0, 0, 0 }, bad[] = { NAN, 0.5F, 0.5F, 0, 0 };
	const uint8_t second[] = { 0, 1, 0, 0, 0 }, two[] = { 0, 1, 1, 0, 0 },
				  odd[] = { 0, 2, 0, 0, 0 };
	float fitted[LABELS];
	double scale = 0, sum = 0;
	int steps = 2;

	CHECK(data_fit_temperature(1, LABELS, zero, second, NULL, 0, NULL, NULL, &scale, &status) ==
				  EM_OK &&
			  scale > 0 && scale <= DATA_CALIBRATION_MAX_SCALE,
		  "a row that is right beyond doubt: %g", scale);
	CHECK(data_fit_temperature(1, LABELS, zero, two, NULL, 0, NULL, NULL, &scale, &status) ==
			  EM_INVALID_DATA,
		  "no row of one label: %s", status.message);
	CHECK(data_fit_temperature(1, LABELS, bad, second, NULL, 0, NULL, NULL, &scale, &status) ==
			  EM_INVALID_DATA,
		  "no score: %s", status.message);
	CHECK(data_fit_temperature(1, LABELS, zero, odd, NULL, 0, NULL, NULL, &scale, &status) ==
			  EM_INVALID_DATA,
		  "no truth: %s", status.message);
	make_rows(3);
	CHECK(data_fit_temperature(ROWS, LABELS, scores, truth, NULL, 0, stop, &steps, &scale,
							   &status) == EM_CANCELLED,
		  "it can be cancelled");
	data_apply_temperature(0.5, LABELS, scores, fitted);
	for (int l = 0; l < LABELS; l++)
		sum += (double) fitted[l];
	CHECK(fabs(sum - 1) < 1e-6 && (fitted[0] > fitted[1]) == (scores[0] > scores[1]),
		  "calibrated scores sum to 1 and keep their order");
	data_apply_temperature(1, LABELS, zero, fitted);
	CHECK(fitted[1] == 1 && fitted[0] < 1e-30F, "scores of 0 and 1 are no trouble");
}

int
main(void)
{
	test_fit();
	test_edges();
	return check_done();
}
