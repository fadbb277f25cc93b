/*
 * halves.h
 *	  Little-endian F32, F16 (IEEE binary16) and BF16 to and from float.
 *
 * Nothing here needs aligned bytes, a particular byte order of the machine or
 * an instruction that not every CPU has.
 */
#ifndef EMOTION_MODEL_HALVES_H
#define EMOTION_MODEL_HALVES_H

#include "../base.h"

/* The largest finite F16; and the magnitudes from which on F16 and BF16 round to infinity. */
#define HALVES_F16_MAX 65504.0f
#define HALVES_F16_LIMIT 65520.0f
#define HALVES_BF16_LIMIT 3.3961775e38f

/* Convert count numbers; false when one is NaN or infinite (all are converted even so). */
bool halves_read_f32(const uint8_t *bytes, size_t count, float *out);
bool halves_read_f16(const uint8_t *bytes, size_t count, float *out);
bool halves_read_bf16(const uint8_t *bytes, size_t count, float *out);

/* Round to nearest, ties to even; beyond the limit: infinity. NaN stays NaN. */
void halves_write_f32(const float *numbers, size_t count, uint8_t *out);
void halves_write_f16(const float *numbers, size_t count, uint8_t *out);
void halves_write_bf16(const float *numbers, size_t count, uint8_t *out);

#endif /* EMOTION_MODEL_HALVES_H */
