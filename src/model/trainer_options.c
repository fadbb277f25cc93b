/*
 * trainer_options.c
 *	  The options of a training: names, ranges, defaults.
 */
#include "trainer.h"

#include <string.h>

static const char *const schedule_names[] = { "constant", "linear", "cosine", NULL };
static const char *const loss_names[] = {
	"bce", "focal", "asymmetric", "class_balanced", "distribution_balanced", NULL
};
static const char *const precision_names[] = { "single", "mixed", NULL };
static const char *const metric_names[] = { "macro_auc", "macro_ap", "macro_f1", "log_loss", NULL };

#define FIELD(field) #field, OPTION_REAL, offsetof(trainer_options, field)
#define INT_FIELD(field) #field, OPTION_INT, offsetof(trainer_options, field)
#define CHOICE_FIELD(field) #field, OPTION_CHOICE, offsetof(trainer_options, field)

const option_spec trainer_option_specs[] = {
	{ INT_FIELD(epochs), 1, 10000, NULL, "passes over the training texts, at most" },
	{ INT_FIELD(steps_per_epoch), 0, 10000000, NULL,
	  "updates that make an epoch, however many texts there are; 0: a pass over all" },
	{ INT_FIELD(batch_size), 1, 65536, NULL, "texts per update" },
	{ INT_FIELD(shard_size), 1, 65536, NULL, "texts of a batch that one thread takes at a time" },
	{ FIELD(learning_rate), 0, 10, NULL, "step size of AdamW at its highest" },
	{ FIELD(embedding_rate), 0, 100, NULL,
	  "the word vectors' learning rate as a multiple of learning_rate; 0 freezes them" },
	{ FIELD(weight_decay), 0, 10, NULL, "decoupled weight decay of the matrices" },
	{ FIELD(clip_norm), 0, 1e6, NULL, "largest norm of a gradient; 0: no limit" },
	{ FIELD(warmup), 0, 1, NULL, "share of the updates in which the learning rate rises" },
	{ CHOICE_FIELD(schedule), 0, 0, schedule_names, "how the learning rate falls afterwards" },
	{ CHOICE_FIELD(loss), 0, 0, loss_names, "what is minimised" },
	{ FIELD(focal_gamma), 0, 20, NULL, "focusing of the focal and the distribution-balanced loss" },
	{ FIELD(focal_alpha), -1, 1, NULL, "weight of positives in the focal loss; negative: none" },
	{ FIELD(gamma_positive), 0, 20, NULL, "focusing of positives in the asymmetric loss" },
	{ FIELD(gamma_negative), 0, 20, NULL, "focusing of negatives in the asymmetric loss" },
	{ FIELD(margin), 0, 0.99, NULL, "shift of negatives in the asymmetric loss" },
	{ FIELD(class_balanced_beta), 0, 0.999999, NULL, "beta of the class-balanced weights" },
	{ FIELD(balanced_alpha), 0, 10, NULL,
	  "least weight of a label in the distribution-balanced loss" },
	{ FIELD(balanced_beta), 0, 1000, NULL,
	  "how steeply weights of the distribution-balanced loss rise with a label's rarity" },
	{ FIELD(balanced_mu), 0, 1, NULL,
	  "rarity within a text at which weights of the distribution-balanced loss are in the middle" },
	{ FIELD(balanced_kappa), 0, 10, NULL,
	  "logit_adjustment that is part of the distribution-balanced loss" },
	{ FIELD(balanced_lambda), 0.01, 100, NULL,
	  "how fast the distribution-balanced loss tires of negatives that are clear" },
	{ FIELD(logit_adjustment), 0, 10, NULL,
	  "times the logit of a label's share: added to its logit while training, with any loss" },
	{ FIELD(positive_weight), 0, 1000, NULL, "weight of a label's presence in the loss" },
	{ INT_FIELD(dropout_samples), 1, 64, NULL,
	  "times that the last dropout is drawn per text; the losses' mean is minimised" },
	{ FIELD(mixup), 0, 100, NULL,
	  "texts are mixed in pairs, in shares drawn from Beta(mixup, mixup); 0: they are not" },
	{ FIELD(label_smoothing), 0, 0.5, NULL, "how far targets move from 0 and 1 to one half" },
	{ FIELD(weight_averaging), 0, 0.999999, NULL,
	  "decay per update of the moving average of the weights that becomes the model; 0: none" },
	{ FIELD(layer_decay), 0, 1, NULL,
	  "each layer's learning rate as a multiple of that of the layer behind it" },
	{ FIELD(unfreeze_epochs), 0, 10000, NULL,
	  "epochs until the next layer learns, from the last to the first; 0: all learn at once" },
	{ INT_FIELD(frozen), 0, ENCODER_MAX_LAYERS + 1, NULL,
	  "roberta: 1: the embeddings do not learn; 1 + n: nor do the n layers above them" },
	{ CHOICE_FIELD(precision), 0, 0, precision_names,
	  "of the arithmetic; mixed: 16-bit factors and memory, 32-bit sums and weights" },
	{ "seed", OPTION_UINT64, offsetof(trainer_options, seed), 0, 9223372036854775807.0, NULL,
	  "what all random numbers depend on" },
	{ CHOICE_FIELD(metric), 0, 0, metric_names, "what chooses the best epoch on held-out rows" },
	{ INT_FIELD(patience), 0, 10000, NULL,
	  "epochs without a better metric before training stops; 0: never" },
	{ FIELD(threshold_shrinkage), 0, 1e9, NULL,
	  "how many positives' worth the global threshold counts in a label's own" },
	{ INT_FIELD(min_count), 1, 1000000, NULL, "words seen less often are unknown" },
	{ INT_FIELD(max_words), 0, 10000000, NULL, "words known, at most; 0: no limit" },
	{ NULL, OPTION_INT, 0, 0, 0, NULL, NULL },
};

void
trainer_options_default(trainer_options *options)
{
	memset(options, 0, sizeof(*options));
	options->epochs = 12;
	options->batch_size = 128;
	options->shard_size = 64;
	options->learning_rate = 0.002;
	options->embedding_rate = 1;
	options->weight_decay = 0.01;
	options->clip_norm = 1;
	options->warmup = 0.05;
	options->schedule = NN_SCHEDULE_LINEAR;
	options->loss = TRAINER_BCE;
	options->focal_gamma = 2;
	options->focal_alpha = -1;
	options->gamma_positive = 1;
	options->gamma_negative = 4;
	options->margin = 0.05;
	options->class_balanced_beta = 0.999;
	options->balanced_alpha = 0.1;
	options->balanced_beta = 10;
	options->balanced_mu = 0.2;
	options->balanced_kappa = 0.05;
	options->balanced_lambda = 2;
	options->positive_weight = 1;
	options->dropout_samples = 1;
	options->layer_decay = 1;
	options->seed = 1;
	options->metric = TRAINER_MACRO_AUC;
	options->patience = 3;
	options->threshold_shrinkage = 20;
	options->min_count = 2;
}

void
trainer_options_default_encoder(trainer_options *options, bool fine_tuning)
{
	trainer_options_default(options);
	options->epochs = fine_tuning ? 4 : 10;
	options->batch_size = 32;
	options->shard_size = 16;
	options->learning_rate = fine_tuning ? 5e-5 : 3e-4;
	options->warmup = 0.1;
}
