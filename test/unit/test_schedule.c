/*
 * test_schedule.c
 *	  The learning rate: where it starts, peaks and ends.
 */
#include "check.h"

#include <math.h>

#include "../../src/nn/schedule.h"

static bool
near(double value, double expected)
{
	return fabs(value - expected) < 1e-12;
}

static void
test_shape(nn_schedule_kind kind, const char *name, uint64_t warmup, uint64_t total)
{
	uint64_t peak = warmup > 0 ? warmup : 1;
	bool rises = true, falls = true, inside = true;

	for (uint64_t step = 1; step <= total; step++)
	{
		double factor = nn_schedule(kind, step, warmup, total);

		inside &= factor >= 0 && factor <= 1;
		if (step <= warmup)
			rises &= near(factor, (double) step / (double) warmup);
		if (step > peak)
			falls &= factor <= nn_schedule(kind, step - 1, warmup, total);
	}
	CHECK(rises && inside, "%s, warm-up %d of %d: rises linearly", name, (int) warmup, (int) total);
	CHECK(falls, "%s, warm-up %d of %d: never rises again", name, (int) warmup, (int) total);
	CHECK(near(nn_schedule(kind, peak, warmup, total), 1), "%s, warm-up %d of %d: peaks at 1", name,
		  (int) warmup, (int) total);
	if (total > peak)
		CHECK(near(nn_schedule(kind, total, warmup, total), kind == NN_SCHEDULE_CONSTANT ? 1 : 0),
			  "%s, warm-up %d of %d: what the last step has", name, (int) warmup, (int) total);
}

int
main(void)
{
	static const uint64_t warmups[] = { 0, 1, 3, 10 };

	for (size_t i = 0; i < 4; i++)
	{
		test_shape(NN_SCHEDULE_CONSTANT, "constant", warmups[i], 10);
		test_shape(NN_SCHEDULE_LINEAR, "linear", warmups[i], 10);
		test_shape(NN_SCHEDULE_COSINE, "cosine", warmups[i], 10);
	}
	test_shape(NN_SCHEDULE_LINEAR, "linear", 0, 1);
	test_shape(NN_SCHEDULE_COSINE, "cosine", 5, 3);
	CHECK(near(nn_schedule(NN_SCHEDULE_LINEAR, 6, 2, 10), 0.5), "linear: half way is 1/2");
	CHECK(near(nn_schedule(NN_SCHEDULE_COSINE, 6, 2, 10), 0.5), "cosine: half way is 1/2");
	CHECK(near(nn_schedule(NN_SCHEDULE_COSINE, 4, 2, 10), (1 + sqrt(0.5)) / 2),
		  "cosine: a quarter of the way");
	CHECK(nn_schedule(NN_SCHEDULE_LINEAR, 12, 2, 10) == 0, "linear: 0 beyond the end");
	return check_done();
}
