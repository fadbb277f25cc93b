/*
 * loss.h
 *	  Losses for multi-label classification, on logits.
 *
 * With p = sigmoid(z), target y in 0..1 (soft targets allowed):
 *
 *	  loss(z, y) = label_weight (y positive_weight pos(z) + (1 - y) neg(z))
 *
 *	  bce         pos = -log p                    neg = -log(1 - p)
 *	  focal       pos = -a (1 - p)^g log p        neg = -(1 - a) p^g log(1 - p)
 *	              (Lin et al. 2017; a < 0 leaves the factors a, 1 - a out)
 *	  asymmetric  pos = -(1 - p)^g+ log p         neg = -q^g- log(1 - q), q = max(p - m, 0)
 *	              (Ridnik et al. 2021; the focusing factors are differentiated too)
 *	  balanced    pos = -w (1 - p)^g log p        neg = -w/k q^g log(1 - q), q = sigmoid(k z)
 *	              (distribution-balanced: Wu et al. 2020), with a weight of label l in a row
 *	              w = a + sigmoid(b (r - m)),  r = (1/n_l) / sum over labels j of t_j / n_j,
 *	              n the labels' counts, t the targets before smoothing; without any, r = infinity
 *
 * A shift is added to the logits first: with shift = tau times nn_label_logits that is logit
 * adjustment (Menon et al. 2021), with its kappa the bias of the distribution-balanced loss.
 * Class-balanced weights (Cui et al. 2019) are label weights: nn_class_balanced_weights.
 */
#ifndef EMOTION_NN_LOSS_H
#define EMOTION_NN_LOSS_H

#include <stddef.h>
#include <stdint.h>

#include "real.h"

typedef enum nn_loss_kind
{
	NN_LOSS_BCE,
	NN_LOSS_FOCAL,
	NN_LOSS_ASYMMETRIC,
	NN_LOSS_BALANCED,
} nn_loss_kind;

typedef struct nn_loss
{
	nn_loss_kind kind;
	double gamma_positive;       /* focal's and balanced's g too; >= 0 */
	double gamma_negative;       /* asymmetric only; >= 0 */
	double margin;               /* asymmetric's m, 0..1 */
	double alpha;                /* focal's a; < 0: none */
	const real *label_weight;    /* (L) or NULL */
	const real *positive_weight; /* (L) or NULL */
	const real *shift;           /* (L) or NULL */
	/* balanced only */
	double weight_floor, weight_slope, weight_middle; /* a, b, m */
	double negative_scale;                            /* k > 0 */
	double smoothing;                                 /* s of targets t (1 - s) + s / 2 */
	const real *rarity;                               /* (L): 1 / n */
} nn_loss;

/*
 * Sum over rows and labels of sample_weight * loss * scale; d_logits (B, L) =
 * its gradient, overwritten (NULL: not wanted). logits, targets: (B, L);
 * sample_weight: (B) or NULL.
 */
double nn_loss_forward_backward(const nn_loss *loss, size_t rows, size_t labels, const real *logits,
								const real *targets, const real *sample_weight, double scale,
								real *d_logits);

/* weight_l = (1 - beta) / (1 - beta^count_l), scaled to mean 1; a count of 0 is taken as 1. */
void nn_class_balanced_weights(size_t labels, const uint64_t *count, double beta, real *weight);

/* The logit of each label's share, count / total, which is kept within 1e-6 .. 1 - 1e-6. */
void nn_label_logits(size_t labels, const uint64_t *count, uint64_t total, real *logit);

#endif /* EMOTION_NN_LOSS_H */
