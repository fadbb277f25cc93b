/*
 * network_score.h
 *	  The forward pass of scoring: what network_forward computes without dropout, from weights that
 *	  are laid out for it once.
 *
 * Its numbers (nn_numbers in fused.h) are part of what a model is, by how its embedding is stored: F32
 * is computed in reals, I8 in bytes, the others in halves. With halves and bytes a model is
 * *defined* as computed with these factors rounded: the weights of convolution, LSTM and attention, the
 * words' vectors, the outputs of the convolution and the LSTM's states (which are also what is
 * pooled); sums, gates, softmax and the last layer are reals. The same text then has the same score in
 * every batch, and on every instruction set but for the last bits.
 *
 * Letters as in network.h.
 */
#ifndef EMOTION_MODEL_NETWORK_SCORE_H
#define EMOTION_MODEL_NETWORK_SCORE_H

#include "../nn/fused.h"
#include "network.h"

/*
 * The weights besides the embedding: a block of so many bytes (a multiple of 64), to be aligned to
 * NN_ALIGNMENT. It holds no address, and the same bytes serve every instruction set of machines
 * with the same order of bytes. NETWORK_PANELS_VERSION changes when its layout does.
 */
#define NETWORK_PANELS_VERSION 1

size_t network_panels_size(const network_layout *layout, nn_numbers numbers);
void network_panels_fill(const network_layout *layout, nn_numbers numbers, const real *dense,
						 void *block);

/* Bytes of arena that network_score takes for such a batch. */
size_t network_score_workspace(const network_layout *layout, nn_numbers numbers,
							   const nn_packed *batch);

/*
 * vectors: (U, E) of the batch's distinct tokens. Out: logits (B, L), pooled (B, 2H) and attention
 * (N), in the batch's order. A text without tokens has a zero pooled vector.
 */
void network_score(const network_layout *layout, nn_numbers numbers, const void *panels,
				   const nn_packed *batch, const real *vectors, nn_arena *arena, real *logits,
				   real *pooled, real *attention);

#endif /* EMOTION_MODEL_NETWORK_SCORE_H */
