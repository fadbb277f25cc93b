/*
 * balance_neighbours.c
 *	  The nearest rows in feature space, by comparing all pairs in blocks.
 */
#include "balance_steps.h"

#include <math.h>
#include <string.h>

#define POINT_BLOCK 256
#define LANES 4
#define CHUNK 64 /* features between two looks whether it is too far already */

/* gcc and clang make of this what the machine has; all machines add in the same order. */
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

/* Squared distance; some number over `enough` when it is over that. */
static float
distance(const float *x, const float *y, uint32_t dimension, float enough)
{
	float sum = 0.0f;
	uint32_t j = 0;

	while (j < dimension)
	{
		uint32_t end = dimension - j > CHUNK ? j + CHUNK : dimension;
		lanes low = { 0 }, high = { 0 };

		for (; j + 2 * LANES <= end; j += 2 * LANES)
		{
			lanes here, there;

			memcpy(&here, x + j, sizeof(here));
			memcpy(&there, y + j, sizeof(there));
			here -= there;
			low += here * here;
			memcpy(&here, x + j + LANES, sizeof(here));
			memcpy(&there, y + j + LANES, sizeof(there));
			here -= there;
			high += here * here;
		}
		for (; j < end; j++)
			sum += (x[j] - y[j]) * (x[j] - y[j]);
		low += high;
		sum += (low[0] + low[1]) + (low[2] + low[3]);
		if (sum > enough)
			break;
	}
	return sum;
}

em_code
balance_nearest(balancer *b, const uint32_t *query, uint32_t queries, const uint32_t *point,
				uint32_t points, uint32_t k, uint32_t *nearest)
{
	const data_plan_row *row = b->plan->row;
	const float *features = b->input->features;
	uint32_t d = b->input->dimension;
	float *far = em_allocate_array(b->allocator, queries, k * sizeof(*far));
	em_code code = EM_OK;

	if (far == NULL)
		return balance_no_memory(b);
	for (size_t i = 0; i < (size_t) queries * k; i++)
	{
		far[i] = INFINITY;
		nearest[i] = DATA_NONE;
	}
	/* a block of points stays in the cache while all queries pass by */
	for (uint32_t first = 0; first < points && code == EM_OK; first += POINT_BLOCK)
	{
		uint32_t end = points - first > POINT_BLOCK ? first + POINT_BLOCK : points;

		for (uint32_t q = 0; q < queries && code == EM_OK; q++)
		{
			uint32_t *found = nearest + (size_t) q * k;
			float *found_far = far + (size_t) q * k;
			const float *x = features + (size_t) row[query[q]].row * d;

			/* a block of long vectors is a piece of work to be interrupted after */
			b->polls += (uint64_t) POINT_BLOCK * d / LANES;
			if (b->options->should_stop != NULL && b->polls >= UINT64_C(1) << 20)
			{
				b->polls = 0;
				code = balance_poll(b);
			}
			for (uint32_t p = first; p < end; p++)
			{
				uint32_t at = k;
				float squared;

				if (row[point[p]].row == row[query[q]].row)
					continue;
				squared =
					distance(x, features + (size_t) row[point[p]].row * d, d, found_far[k - 1]);
				/* points come in rising order, so an equal distance is not nearer; but overflow
				   to infinity must not leave places empty */
				while (at > 0 && (squared < found_far[at - 1] ||
								  (found[at - 1] == DATA_NONE && !(squared > found_far[at - 1]))))
					at--;
				if (at == k)
					continue;
				for (uint32_t i = k - 1; i > at; i--)
				{
					found[i] = found[i - 1];
					found_far[i] = found_far[i - 1];
				}
				found[at] = point[p];
				found_far[at] = squared;
			}
		}
	}
	em_release(b->allocator, far);
	return code;
}
