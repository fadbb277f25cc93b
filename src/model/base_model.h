/*
 * base_model.h
 *	  A training that begins where another model ended.
 */
#ifndef EMOTION_MODEL_BASE_MODEL_H
#define EMOTION_MODEL_BASE_MODEL_H

#include "encoder_model.h"
#include "model.h"

/*
 * Copy what `base` has learnt into fresh weights, embedding and dense, of a network with its
 * configuration and vocabulary: every tensor, but of the last layer only the rows of the labels (L)
 * that both know by name; the others stay as they are. Returns how many labels those were.
 */
size_t base_model_copy(const model *base, const network_layout *layout, const em_slice *labels,
					   real *embedding, real *dense);

/* The same of the family roberta; of a base without a head all of the head stays as it is. */
size_t base_model_copy_encoder(const model *base, const encoder_layout *layout,
							   const em_slice *labels, real *weights);

#endif /* EMOTION_MODEL_BASE_MODEL_H */
