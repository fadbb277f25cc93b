/*
 * network_copies.h
 *	  The weights that a training in mixed precision multiplies with: copies of the float ones.
 *
 * Letters as in network.h.
 */
#ifndef EMOTION_MODEL_NETWORK_COPIES_H
#define EMOTION_MODEL_NETWORK_COPIES_H

#include "../nn/bf16.h"
#include "network_places.h"

/*
 * The matrices that multiply in mixed precision, as bf16, made anew from the float weights
 * before each step. Every one stands twice: for the forward and for the backward product.
 */
typedef struct network_copies
{
	const network_layout *layout;
	network_places at;
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

#endif /* EMOTION_MODEL_NETWORK_COPIES_H */
