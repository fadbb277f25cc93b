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
 *
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
} nn_loss_kind;

typedef struct nn_loss
{
	nn_loss_kind kind;
	double gamma_positive;       /* focal's g too; >= 0 */
	double gamma_negative;       /* asymmetric only; >= 0 */
	double margin;               /* asymmetric's m, 0..1 */
	double alpha;                /* focal's a; < 0: none */
	const real *label_weight;    /* (L) or NULL */
	const real *positive_weight; /* (L) or NULL */
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

#endif /* EMOTION_NN_LOSS_H */
