/*
 * network_mixed.h
 *	  The network, from the embedding to the attention, in mixed precision: what a
 *	  training pass keeps is bf16 but for the LSTM's output, products are of
 *	  bf16, sums and all else float.
 *
 * Letters as in network.h. Inside the room only: network.c and the trainer call this.
 */
#ifndef EMOTION_MODEL_NETWORK_MIXED_H
#define EMOTION_MODEL_NETWORK_MIXED_H

#include "../nn/arena.h"
#include "../nn/bf16.h"
#include "network.h"

/*
 * The matrices that multiply in mixed precision, as bf16, made anew from the float weights
 * before each step. Every one stands twice: for the forward and for the backward product.
 */
typedef struct network_copies
{
	const network_layout *layout;
	size_t conv_weight[OPTION_LIST_MAX]; /* offsets in the dense parameters */
	size_t conv_bias[OPTION_LIST_MAX];
	size_t lstm_input, lstm_recurrent, lstm_bias;
	size_t attention_weight, attention_bias, attention_query;
	nn_panels conv[OPTION_LIST_MAX]; /* (width E, filters) */
	nn_panels conv_back[OPTION_LIST_MAX];
	nn_panels input[2]; /* (F, 4H) of each direction */
	nn_panels input_back[2];
	nn_panels recurrent[2]; /* (H, 4H) */
	nn_panels recurrent_back[2];
	nn_panels attention; /* (2H, A) */
	nn_panels attention_back;
} network_copies;

/* Bytes of memory that network_copies_init takes, aligned to NN_ALIGNMENT. */
size_t network_copies_bytes(const network_layout *layout);
void network_copies_init(network_copies *copies, const network_layout *layout, void *memory);

/* Copy the weights, in so many independent tasks. */
size_t network_copies_tasks(network_copies *copies);
void network_copies_refresh(network_copies *copies, const real *dense, size_t task);

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
