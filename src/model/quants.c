/*
 * quants.c
 *	  Rows as bytes and a scale.
 */
#include "quants.h"

#include <math.h>
#include <string.h>

#define LARGEST 127
#define BLOCK 64

float
quants_scale(const float *numbers, size_t count)
{
	float largest = 0;

	for (size_t i = 0; i < count; i++)
		largest = fmaxf(largest, fabsf(numbers[i]));
	return largest / LARGEST;
}

void
quants_write(const float *numbers, size_t count, float scale, uint8_t *out)
{
	for (size_t i = 0; i < count; i++)
	{
		/* a scale below the normal numbers is inexact: more than 127 of it may be wanted */
		float units = scale > 0 ? numbers[i] / scale : 0;
		int8_t rounded = (int8_t) lrintf(fminf(fmaxf(units, -LARGEST), LARGEST));

		memcpy(&out[i], &rounded, 1);
	}
}

void
quants_read(const uint8_t *bytes, size_t count, float scale, float *out)
{
	/* by blocks of a fixed length between local arrays, which become vector code (see halves.c) */
	while (count > 0)
	{
		int8_t units[BLOCK] = { 0 };
		float numbers[BLOCK];
		size_t n = count < BLOCK ? count : BLOCK;

		memcpy(units, bytes, n);
		for (int i = 0; i < BLOCK; i++)
			numbers[i] = (float) units[i] * scale;
		memcpy(out, numbers, n * sizeof(float));
		bytes += n;
		out += n;
		count -= n;
	}
}
