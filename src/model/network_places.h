/*
 * network_places.h
 *	  Where a layout has what a pass looks up by name. Inside the room only (layout.c).
 */
#ifndef EMOTION_MODEL_NETWORK_PLACES_H
#define EMOTION_MODEL_NETWORK_PLACES_H

#include "network.h"

/* Where each tensor begins in the dense parameters, in elements. */
typedef struct network_places
{
	size_t conv_weight[OPTION_LIST_MAX];
	size_t conv_bias[OPTION_LIST_MAX];
	size_t lstm_input, lstm_recurrent, lstm_bias;
	size_t attention_weight, attention_bias, attention_query;
	size_t output_weight, output_bias;
} network_places;

network_places network_find_places(const network_layout *layout);

/* Words that the widest kernel covers. */
size_t network_widest_kernel(const network_layout *layout);

/* Where a narrower kernel's words begin among those of the widest one. */
static inline size_t
network_first_word(size_t widest, size_t width)
{
	return (widest - 1) / 2 - (width - 1) / 2;
}

#endif /* EMOTION_MODEL_NETWORK_PLACES_H */
