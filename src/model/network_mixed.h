/*
 * network_mixed.h
 *	  The network, from the embedding to the attention, in mixed precision: what a
 *	  training pass keeps is bf16 but for the LSTM's output, products are of
 *	  bf16, sums and all else float.
 *
 * Letters as in network.h. Inside the room only: network.c calls this.
 */
#ifndef EMOTION_MODEL_NETWORK_MIXED_H
#define EMOTION_MODEL_NETWORK_MIXED_H

#include "../nn/arena.h"
#include "network_copies.h"

/* Take what a pass keeps and works in from the arena (NULL: only count); returns the bytes asked for. */
size_t network_mixed_take(const network_layout *layout, const nn_packed *batch, nn_arena *arena,
						  network_mixed_pass *pass);

/* From pass->vectors and the masks to pass->h_kept. */
void network_mixed_forward(const real *dense, const nn_packed *batch,
						   const network_dropout *dropout, network_pass *pass);

/* As nn_attention and nn_attention_backward, over pass->h. */
void network_mixed_attention(const real *dense, const nn_packed *batch, network_pass *pass,
							 real *pooled);
void network_mixed_attention_backward(const real *dense, const nn_packed *batch, network_pass *pass,
									  const real *d_pooled, real *scratch, real *d_h,
									  real *d_dense);

/* From d_h (N, 2H), spoilt, to the gradients, as network_backward says. */
void network_mixed_backward(const nn_packed *batch, network_pass *pass, real *d_h, real *d_dense,
							real *d_embedding);

#endif /* EMOTION_MODEL_NETWORK_MIXED_H */
