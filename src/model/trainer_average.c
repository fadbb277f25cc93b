/*
 * trainer_average.c
 *	  The exponential moving average of the weights.
 *
 * After update t: average = d_t average + (1 - d_t) weight, d_t = min(decay, (1 + t) / (10 + t)),
 * so that the first updates, made far from the goal, are soon forgotten. A row of the embedding
 * that updates s+1 .. t leave alone has a constant weight w, hence
 *
 *	  average_t = w + (average_s - w) d_(s+1) ... d_t
 *
 * which is caught up with when the row is next touched, or at the end of the epoch.
 */
#include "trainer_network.h"

#include <math.h>
#include <string.h>

/* Rows of the embedding per task when all are caught up with. */
#define ROWS_PER_TASK 1024

/* The last update whose factor is that of the ramp: (1 + t) / (10 + t) <= decay. */
static double
ramp_end(double decay)
{
	double end = floor((10 * decay - 1) / (1 - decay));

	return end > 0 ? end : 0;
}

/* d_(from+1) ... d_to */
static double
kept_share(double decay, double from, double to)
{
	double end = ramp_end(decay);
	double share = 1;

	if (from < end)
	{
		double ramp = fmin(to, end);

		/* all factors of (2 + from) ... (1 + ramp) / ((11 + from) ... (10 + ramp)) but these cancel */
		for (int i = 2; i <= 10; i++)
			share *= (from + i) / (ramp + i);
		from = ramp;
	}
	return from < to ? share * pow(decay, to - from) : share;
}

/* average = weight + (average - weight) share */
static void
draw_near(size_t count, double share, const real *weight, real *average)
{
	for (size_t i = 0; i < count; i++)
		average[i] = weight[i] + (average[i] - weight[i]) * (real) share;
}

void
trainer_average_begin(trainer *trainer)
{
	const network_trainer *network = trainer->network;

	if (network->dense_average == NULL || trainer->step > 0)
		return;
	memcpy(network->dense_average, network->dense, network->layout->dense * sizeof(real));
	memcpy(network->embedding_average, network->embedding, network->embedding_count * sizeof(real));
}

void
trainer_average_dense(trainer *trainer, size_t offset, size_t elements)
{
	const network_trainer *network = trainer->network;
	double step = (double) trainer->step;

	if (network->dense_average != NULL)
		draw_near(elements, kept_share(trainer->options.weight_averaging, step - 1, step),
				  network->dense + offset, network->dense_average + offset);
}

void
trainer_average_row(trainer *trainer, uint32_t row, uint64_t step)
{
	const network_trainer *network = trainer->network;
	size_t dim = network->layout->embedding;

	if (network->dense_average == NULL || network->averaged[row] == step)
		return;
	draw_near(dim,
			  kept_share(trainer->options.weight_averaging, (double) network->averaged[row],
						 (double) step),
			  network->embedding + row * dim, network->embedding_average + row * dim);
	network->averaged[row] = step;
}

static void
catch_up(void *context, size_t index)
{
	trainer *trainer = context;
	const network_trainer *network = trainer->network;
	size_t first = index * ROWS_PER_TASK;

	for (size_t row = first; row < first + ROWS_PER_TASK && row < network->layout->rows; row++)
		trainer_average_row(trainer, (uint32_t) row, trainer->step);
}

void
trainer_average_catch_up(trainer *trainer)
{
	const network_trainer *network = trainer->network;

	if (network->dense_average != NULL)
		nn_pool_run(trainer->pool, (network->layout->rows + ROWS_PER_TASK - 1) / ROWS_PER_TASK,
					catch_up, trainer);
}
