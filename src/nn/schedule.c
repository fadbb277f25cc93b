/*
 * schedule.c
 *	  The learning rate over the steps of a training.
 */
#include "schedule.h"

#include <math.h>

double
nn_schedule(nn_schedule_kind kind, uint64_t step, uint64_t warmup, uint64_t total)
{
	static const double pi = 3.14159265358979323846;
	uint64_t peak = warmup > 0 ? warmup : 1; /* the step of factor 1 */
	double done;

	if (step <= peak)
		return (double) step / (double) peak;
	if (kind == NN_SCHEDULE_CONSTANT || total <= peak)
		return 1;
	done = (double) (step - peak) / (double) (total - peak);
	if (done > 1)
		done = 1;
	return kind == NN_SCHEDULE_LINEAR ? 1 - done : 0.5 * (1 + cos(pi * done));
}
