/*
 * network_copies.c
 *	  The matrices of a network as bf16 panels.
 */
#include "network_copies.h"

#include <string.h>

/* The panels of a copy, forward ones and backward ones in turn, and the weights they come from. */
typedef struct product
{
	nn_panels *forward;  /* (in, out) */
	nn_panels *backward; /* (out, in) */
	size_t in, out;
	size_t offset; /* of the weight (out, in) in the dense parameters */
} product;

static size_t
list_products(network_copies *copies, product *list)
{
	const network_layout *layout = copies->layout;
	size_t hidden = layout->hidden;
	size_t count = 0;

	for (int i = 0; i < layout->config.kernel_widths.count; i++)
		list[count++] =
			(product){ &copies->conv[i], &copies->conv_back[i],
					   (size_t) layout->config.kernel_widths.values[i] * layout->embedding,
					   (size_t) layout->config.filters, copies->at.conv_weight[i] };
	for (size_t d = 0; d < 2; d++)
	{
		list[count++] =
			(product){ &copies->input[d], &copies->input_back[d], layout->conv, 4 * hidden,
					   copies->at.lstm_input + d * 4 * hidden * layout->conv };
		list[count++] =
			(product){ &copies->recurrent[d], &copies->recurrent_back[d], hidden, 4 * hidden,
					   copies->at.lstm_recurrent + d * 4 * hidden * hidden };
	}
	list[count++] = (product){ &copies->attention, &copies->attention_back, 2 * hidden,
							   layout->attention, copies->at.attention_weight };
	return count;
}

#define MAX_PRODUCTS (OPTION_LIST_MAX + 5)

static size_t
aligned(size_t bytes)
{
	return (bytes + NN_ALIGNMENT - 1) & ~(size_t) (NN_ALIGNMENT - 1);
}

/* Give every product its panels, from `memory` on (NULL: only count). */
static size_t
place_panels(network_copies *copies, char *memory)
{
	product list[MAX_PRODUCTS];
	size_t count = list_products(copies, list);
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++)
	{
		size_t size = aligned(nn_panels_bytes(list[i].in, list[i].out));

		if (memory != NULL)
		{
			*list[i].forward = (nn_panels){ list[i].in, list[i].out, true, memory + bytes };
			*list[i].backward =
				(nn_panels){ list[i].out, list[i].in, false, memory + bytes + size };
		}
		bytes += size + aligned(nn_panels_bytes(list[i].out, list[i].in));
	}
	return bytes;
}

size_t
network_copies_bytes(const network_layout *layout)
{
	network_copies copies;

	memset(&copies, 0, sizeof(copies));
	copies.layout = layout;
	return place_panels(&copies, NULL);
}

void
network_copies_init(network_copies *copies, const network_layout *layout, void *memory)
{
	memset(copies, 0, sizeof(*copies));
	copies->layout = layout;
	copies->at = network_find_places(layout);
	place_panels(copies, memory);
}

size_t
network_copies_tasks(network_copies *copies)
{
	product list[MAX_PRODUCTS];

	return 2 * list_products(copies, list);
}

void
network_copies_refresh(network_copies *copies, const real *dense, size_t task)
{
	product list[MAX_PRODUCTS];
	const product *chosen;

	list_products(copies, list);
	chosen = &list[task / 2];
	if (task % 2 == 0)
		nn_panels_fill(chosen->forward, nn_reals(dense + chosen->offset, chosen->in, true));
	else
		nn_panels_fill(chosen->backward, nn_reals(dense + chosen->offset, chosen->in, false));
}
