/*
 * encoder_int8.h
 *	  The matrices of the encoder's layers in 8 bits, for inference: nn/int8.h. The word embedding,
 *	  too, may be rows of bytes with a scale each; LayerNorm, attention between tokens and the head stay
 *	  floats.
 */
#ifndef EMOTION_MODEL_ENCODER_INT8_H
#define EMOTION_MODEL_ENCODER_INT8_H

#include "../nn/int8.h"
#include "encoder.h"
#include "encoder_internal.h"

typedef struct encoder_int8
{
	nn_int8_matrix matrix[ENCODER_MAX_LAYERS][ENCODER_LINEARS]; /* data NULL where there is none */
	int8_t *words;     /* (V, D); NULL: the weights have them */
	float *word_scale; /* (V) */
} encoder_int8;

/* Bytes of memory, aligned to NN_ALIGNMENT, that it takes; with the words when layout is narrow. */
size_t encoder_int8_bytes(const encoder_layout *layout);

/* Point into memory that is filled, or cleared by encoder_int8_clear and then filled by the next two. */
void encoder_int8_place(encoder_int8 *int8, const encoder_layout *layout, void *memory);
void encoder_int8_clear(const encoder_layout *layout, void *memory);

/* Rows of a tensor that is rounded, -127..127, and scales of such; words only when it has them. */
void encoder_int8_put_rows(const encoder_int8 *int8, const encoder_layout *layout,
						   const encoder_tensor *tensor, size_t first, size_t count,
						   const int8_t *rows);
void encoder_int8_put_scales(const encoder_int8 *int8, const encoder_layout *layout,
							 const encoder_tensor *tensor, size_t first, size_t count,
							 const float *scales);

/* Round the weights into memory, which int8 points into; the weights themselves stay. */
void encoder_int8_init(encoder_int8 *int8, const encoder_layout *layout, const real *weights,
					   void *memory);

#endif /* EMOTION_MODEL_ENCODER_INT8_H */
