/*
 * encoder_int8.h
 *	  The matrices of the encoder's layers in 8 bits, for inference: nn/int8.h. Embeddings, LayerNorm,
 *	  attention between tokens and the head stay floats.
 */
#ifndef EMOTION_MODEL_ENCODER_INT8_H
#define EMOTION_MODEL_ENCODER_INT8_H

#include "../nn/int8.h"
#include "encoder.h"
#include "encoder_internal.h"

typedef struct encoder_int8
{
	nn_int8_matrix matrix[ENCODER_MAX_LAYERS][ENCODER_LINEARS]; /* data NULL where there is none */
} encoder_int8;

/* Bytes of memory, aligned to NN_ALIGNMENT, that encoder_int8_init takes. */
size_t encoder_int8_bytes(const encoder_layout *layout);

/* Round the weights into memory, which int8 points into; the weights themselves stay. */
void encoder_int8_init(encoder_int8 *int8, const encoder_layout *layout, const real *weights,
					   void *memory);

#endif /* EMOTION_MODEL_ENCODER_INT8_H */
