/*
 * trainer_rates.c
 *	  How fast each layer learns, and from when on: discriminative rates and gradual
 *	  unfreezing (Howard and Ruder 2018, "Universal language model fine-tuning for text
 *	  classification").
 */
#include "trainer_network.h"

#include <math.h>

trainer_group
trainer_group_of(network_tensor_kind kind)
{
	switch (kind)
	{
		case TENSOR_CONV_WEIGHT:
		case TENSOR_CONV_BIAS:
			return TRAINER_GROUP_CONV;
		case TENSOR_LSTM_INPUT:
		case TENSOR_LSTM_RECURRENT:
		case TENSOR_LSTM_BIAS:
			return TRAINER_GROUP_LSTM;
		case TENSOR_ATTENTION_WEIGHT:
		case TENSOR_ATTENTION_BIAS:
		case TENSOR_ATTENTION_QUERY:
		case TENSOR_OUTPUT_WEIGHT:
		case TENSOR_OUTPUT_BIAS:
			break;
	}
	return TRAINER_GROUP_OUTPUT;
}

void
trainer_set_rates(trainer *trainer)
{
	const trainer_options *options = &trainer->options;

	for (int group = 0; group < TRAINER_GROUPS; group++)
	{
		double wait = round(group * options->unfreeze_epochs * (double) trainer->epoch_steps);
		double rate = pow(options->layer_decay, group);

		if (group == TRAINER_GROUP_EMBEDDING)
			rate *= options->embedding_rate;
		trainer->network->groups[group] = (group_state){
			.rate = (double) trainer->step < wait ? 0 : rate,
			.updates = (double) trainer->step - wait + 1,
		};
	}
}
