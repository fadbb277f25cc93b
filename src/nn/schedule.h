/*
 * schedule.h
 *	  The learning rate over the steps of a training.
 */
#ifndef EMOTION_NN_SCHEDULE_H
#define EMOTION_NN_SCHEDULE_H

#include <stdint.h>

typedef enum nn_schedule_kind
{
	NN_SCHEDULE_CONSTANT,
	NN_SCHEDULE_LINEAR, /* falls to 0 at the last step */
	NN_SCHEDULE_COSINE, /* half a cosine, to 0 at the last step */
} nn_schedule_kind;

/*
 * Factor on the learning rate at step 1..total: rises linearly over the first `warmup`
 * steps (step / warmup), then follows the schedule.
 */
double nn_schedule(nn_schedule_kind kind, uint64_t step, uint64_t warmup, uint64_t total);

#endif /* EMOTION_NN_SCHEDULE_H */
