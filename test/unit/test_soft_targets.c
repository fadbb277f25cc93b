/*
 * test_soft_targets.c
 *	  Mixtures of labels and teachers' scores; means of teachers whose labels stand
 *	  in different orders.
 */
#include "check.h"

#include <math.h>

#include "../../src/model/soft_targets.h"

#define LABELS 4

static void
test_temperature(void)
{
	bool good = true, monotone = true;

	for (int t = 0; t < 5; t++)
	{
		const double temperatures[] = { SOFT_MIN_TEMPERATURE, 0.5, 1, 3, SOFT_MAX_TEMPERATURE };
		double before = -1;

		for (int i = 0; i <= 1000; i++)
		{
			double p = i / 1000.0;
			double soft = soft_target(p, temperatures[t]);
			double logit = log(p) - log1p(-p);

			if (i > 0 && i < 1000)
				good = good && fabs(soft - 1 / (1 + exp(-logit / temperatures[t]))) < 1e-12;
			monotone = monotone && soft >= before && soft >= 0 && soft <= 1;
			before = soft;
		}
		good = good && soft_target(0, temperatures[t]) == 0 &&
			   soft_target(1, temperatures[t]) == 1 &&
			   fabs(soft_target(0.5, temperatures[t]) - 0.5) < 1e-15;
	}
	CHECK(good, "a score's logit is divided by the temperature; 0, 1/2 and 1 stay");
	CHECK(monotone, "scores keep their order and their range");
	CHECK(fabs(soft_target(0.9, 2) - 0.75) < 1e-12, "0.9 at temperature 2 is 0.75");
	CHECK(soft_target(1.0000001, 2) == 1, "a mean that rounded beyond 1 is 1");
}

static void
test_mix(void)
{
	const float scores[LABELS] = { 0.9F, 0.2F, 0, 1 };
	const uint16_t labels[] = { 1, 3 };
	float targets[LABELS];

	soft_targets_mix(LABELS, scores, labels, 2, 0.25, 1, targets);
	CHECK(fabsf(targets[0] - 0.225F) < 1e-6F && fabsf(targets[1] - 0.8F) < 1e-6F &&
			  targets[2] == 0 && targets[3] == 1,
		  "a quarter of the teacher's, three quarters of the labels'");
	soft_targets_mix(LABELS, scores, labels, 2, 0, 1, targets);
	CHECK(targets[0] == 0 && targets[1] == 1 && targets[2] == 0 && targets[3] == 1,
		  "a share of 0 is the labels alone");
	soft_targets_mix(LABELS, scores, labels, 2, 1, 1, targets);
	CHECK(memcmp(targets, scores, sizeof(scores)) == 0, "a share of 1 is the teacher's alone");
	soft_targets_mix(LABELS, scores, NULL, 0, 0.25, 1, targets);
	CHECK(memcmp(targets, scores, sizeof(scores)) == 0, "so is any without labels");
	soft_targets_mix(LABELS, scores, labels, 0, 0.5, 1, targets);
	CHECK(fabsf(targets[0] - 0.45F) < 1e-6F && targets[3] == 0.5F,
		  "no label at all is something to learn, too");
	soft_targets_mix(LABELS, scores, NULL, 0, 1, 2, targets);
	CHECK(fabsf(targets[0] - 0.75F) < 1e-6F && fabsf(targets[1] - 1.0F / 3) < 1e-6F,
		  "the temperature is that of the scores");
	for (int i = 1; i < 1000; i++)
	{
		const float one[1] = { 1 };
		const uint16_t it[1] = { 0 };
		float target;

		soft_targets_mix(1, one, it, 1, i / 1000.0, 3, &target);
		if (!(target <= 1 && target > 0.999999F))
			CHECK(false, "no rounding leaves 0 to 1 at a share of %g", i / 1000.0);
	}
}

static void
test_mean(void)
{
	const float first[2 * LABELS] = { 0.1F, 0.2F, 0.3F, 0.4F, 0.5F, 0.6F, 0.7F, 0.8F };
	const float second[2 * LABELS] = { 0.4F, 0.3F, 0.2F, 0.1F, 0, 0, 1, 1 };
	const uint16_t same[LABELS] = { 0, 1, 2, 3 }, reversed[LABELS] = { 3, 2, 1, 0 };
	const float expected[2 * LABELS] = { 0.1F, 0.2F, 0.3F, 0.4F, 0.75F, 0.8F, 0.35F, 0.4F };
	float mean[2 * LABELS] = { 0 };
	bool good = true;

	soft_targets_add(2, LABELS, first, same, 0.5, mean);
	soft_targets_add(2, LABELS, second, reversed, 0.5, mean);
	for (int i = 0; i < 2 * LABELS; i++)
		good = good && fabsf(mean[i] - expected[i]) < 1e-6F;
	CHECK(good, "a mean is taken label by label, wherever they stand");
}

int
main(void)
{
	test_temperature();
	test_mix();
	test_mean();
	return check_done();
}
