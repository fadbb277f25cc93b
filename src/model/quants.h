/*
 * quants.h
 *	  Rows of numbers as bytes: each row has a scale, and a number is a byte -127..127 times it.
 *
 * Half a scale is the largest error: 1/254 of the row's largest magnitude.
 */
#ifndef EMOTION_MODEL_QUANTS_H
#define EMOTION_MODEL_QUANTS_H

#include "../base.h"

/* The scale of a row of finite numbers: its largest magnitude / 127. */
float quants_scale(const float *numbers, size_t count);

/* Round to the nearest multiple of scale, ties to even; all 0 when scale is. */
void quants_write(const float *numbers, size_t count, float scale, uint8_t *out);

void quants_read(const uint8_t *bytes, size_t count, float scale, float *out);

#endif /* EMOTION_MODEL_QUANTS_H */
