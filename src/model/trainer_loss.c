/*
 * trainer_loss.c
 *	  The loss that a training's options ask for.
 */
#include "trainer_internal.h"

static em_code
make_array(trainer *trainer, real **array, em_status *status)
{
	*array = em_allocate_array(trainer->allocator, trainer->labels, sizeof(real));
	return *array == NULL ? em_fail(status, EM_OUT_OF_MEMORY, "out of memory") : EM_OK;
}

static em_code
make_shift(trainer *trainer, double times, real *output_bias, em_status *status)
{
	if (make_array(trainer, &trainer->shift, status) != EM_OK)
		return EM_OUT_OF_MEMORY;
	nn_label_logits(trainer->labels, samples_label_counts(trainer->train),
					samples_count(trainer->train), trainer->shift);
	for (size_t label = 0; label < trainer->labels; label++)
		trainer->shift[label] *= (real) times;
	nn_axpy(trainer->labels, -1, trainer->shift, output_bias);
	trainer->loss.shift = trainer->shift;
	return EM_OK;
}

/* 1 / count; a count of 0 is taken as 1. */
static em_code
make_rarity(trainer *trainer, em_status *status)
{
	const uint64_t *count = samples_label_counts(trainer->train);

	if (make_array(trainer, &trainer->rarity, status) != EM_OK)
		return EM_OUT_OF_MEMORY;
	for (size_t label = 0; label < trainer->labels; label++)
		trainer->rarity[label] = 1 / (real) (count[label] == 0 ? 1 : count[label]);
	trainer->loss.rarity = trainer->rarity;
	return EM_OK;
}

static em_code
make_label_weight(trainer *trainer, em_status *status)
{
	if (make_array(trainer, &trainer->label_weight, status) != EM_OK)
		return EM_OUT_OF_MEMORY;
	nn_class_balanced_weights(trainer->labels, samples_label_counts(trainer->train),
							  trainer->options.class_balanced_beta, trainer->label_weight);
	trainer->loss.label_weight = trainer->label_weight;
	return EM_OK;
}

static em_code
make_positive_weight(trainer *trainer, em_status *status)
{
	if (make_array(trainer, &trainer->positive_weight, status) != EM_OK)
		return EM_OUT_OF_MEMORY;
	for (size_t label = 0; label < trainer->labels; label++)
		trainer->positive_weight[label] = (real) trainer->options.positive_weight;
	trainer->loss.positive_weight = trainer->positive_weight;
	return EM_OK;
}

em_code
trainer_make_loss(trainer *trainer, real *output_bias, em_status *status)
{
	const trainer_options *options = &trainer->options;
	bool balanced = options->loss == TRAINER_DISTRIBUTION_BALANCED;
	double shift = options->logit_adjustment + (balanced ? options->balanced_kappa : 0);
	em_code code = EM_OK;

	trainer->loss = (nn_loss){
		.kind = options->loss == TRAINER_FOCAL        ? NN_LOSS_FOCAL
				: options->loss == TRAINER_ASYMMETRIC ? NN_LOSS_ASYMMETRIC
				: balanced                            ? NN_LOSS_BALANCED
													  : NN_LOSS_BCE,
		.gamma_positive =
			options->loss == TRAINER_ASYMMETRIC ? options->gamma_positive : options->focal_gamma,
		.gamma_negative = options->gamma_negative,
		.margin = options->margin,
		.alpha = options->focal_alpha,
		.weight_floor = options->balanced_alpha,
		.weight_slope = options->balanced_beta,
		.weight_middle = options->balanced_mu,
		.negative_scale = options->balanced_lambda,
		.smoothing = options->label_smoothing,
	};
	if (balanced)
		code = make_rarity(trainer, status);
	if (code == EM_OK && shift != 0)
		code = make_shift(trainer, shift, output_bias, status);
	if (code == EM_OK && options->loss == TRAINER_CLASS_BALANCED)
		code = make_label_weight(trainer, status);
	if (code == EM_OK && options->positive_weight != 1)
		code = make_positive_weight(trainer, status);
	return code;
}
