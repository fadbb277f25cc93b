/*
 * loss.c
 *	  Losses on logits, computed in double: there are only B x L of them.
 */
#include "loss.h"

#include <math.h>
#include <stdbool.h>

/* value and derivative by the logit of one half of a loss */
typedef struct term
{
	double value;
	double slope;
} term;

/* log(1 + e^z) without overflow */
static double
softplus(double z)
{
	return fmax(z, 0) + log1p(exp(-fabs(z)));
}

static double
sigmoid(double z)
{
	return z >= 0 ? 1 / (1 + exp(-z)) : exp(z) / (1 + exp(z));
}

/* -(1 - p)^g log p; the other class's term is the same at -z, with the slope's sign turned */
static term
focal_positive(double z, double gamma)
{
	double minus_log_p = softplus(-z);
	double q = sigmoid(-z); /* 1 - p */
	double focus = gamma == 0 ? 1 : pow(q, gamma);
	term result = { focus * minus_log_p, -focus * (gamma * (1 - q) * minus_log_p + q) };

	return result;
}

static term
focal_negative(double z, double gamma)
{
	term result = focal_positive(-z, gamma);

	result.slope = -result.slope;
	return result;
}

/* -q^g log(1 - q), q = max(p - m, 0) */
static term
shifted_negative(double z, double gamma, double margin)
{
	double p = sigmoid(z);
	double q = p - margin;
	double minus_log;
	term result = { 0, 0 };

	if (margin == 0)
		return focal_negative(z, gamma);
	if (q <= 0)
		return result;
	minus_log = -log1p(-q); /* finite: 1 - q >= margin */
	result.value = pow(q, gamma) * minus_log;
	result.slope =
		((gamma == 0 ? 0 : gamma * pow(q, gamma - 1) * minus_log) + pow(q, gamma) / (1 - q)) * p *
		(1 - p);
	return result;
}

/* The sum over a row's labels of t / n, t the target without its smoothing. */
static double
row_rarity(const nn_loss *loss, size_t labels, const real *targets)
{
	double sum = 0;

	for (size_t label = 0; label < labels; label++)
		sum += fmax((targets[label] - loss->smoothing / 2) / (1 - loss->smoothing), 0) *
			   loss->rarity[label];
	return sum;
}

static double
balanced_weight(const nn_loss *loss, size_t label, double row_rarity)
{
	double middle = loss->weight_middle;
	double share = row_rarity > 0 ? loss->rarity[label] / row_rarity : INFINITY;

	/* b = 0 gives one half whatever the share */
	return loss->weight_floor +
		   (loss->weight_slope == 0 ? 0.5 : sigmoid(loss->weight_slope * (share - middle)));
}

static void
scale_term(term *t, double factor)
{
	t->value *= factor;
	t->slope *= factor;
}

double
nn_loss_forward_backward(const nn_loss *loss, size_t rows, size_t labels, const real *logits,
						 const real *targets, const real *sample_weight, double scale,
						 real *d_logits)
{
	double total = 0;

	for (size_t row = 0; row < rows; row++)
	{
		bool balanced = loss->kind == NN_LOSS_BALANCED;
		double rarity = balanced ? row_rarity(loss, labels, targets + row * labels) : 0;

		for (size_t label = 0; label < labels; label++)
		{
			size_t at = row * labels + label;
			double z = logits[at] + (loss->shift ? loss->shift[label] : 0);
			double y = targets[at];
			double weight = scale * (sample_weight ? sample_weight[row] : 1) *
							(loss->label_weight ? loss->label_weight[label] : 1);
			term positive = { 0, 0 };
			term negative = { 0, 0 };

			switch (loss->kind)
			{
				case NN_LOSS_BCE:
					positive = focal_positive(z, 0);
					negative = focal_negative(z, 0);
					break;
				case NN_LOSS_FOCAL:
					positive = focal_positive(z, loss->gamma_positive);
					negative = focal_negative(z, loss->gamma_positive);
					if (loss->alpha >= 0)
					{
						scale_term(&positive, loss->alpha);
						scale_term(&negative, 1 - loss->alpha);
					}
					break;
				case NN_LOSS_ASYMMETRIC:
					positive = focal_positive(z, loss->gamma_positive);
					negative = shifted_negative(z, loss->gamma_negative, loss->margin);
					break;
				case NN_LOSS_BALANCED:
					weight *= balanced_weight(loss, label, rarity);
					positive = focal_positive(z, loss->gamma_positive);
					/* the slope's 1 / k and the k of its argument cancel */
					negative = focal_negative(loss->negative_scale * z, loss->gamma_positive);
					negative.value /= loss->negative_scale;
					break;
			}
			if (loss->positive_weight)
				scale_term(&positive, loss->positive_weight[label]);
			total += weight * (y * positive.value + (1 - y) * negative.value);
			if (d_logits)
				d_logits[at] = (real) (weight * (y * positive.slope + (1 - y) * negative.slope));
		}
	}
	return total;
}

void
nn_class_balanced_weights(size_t labels, const uint64_t *count, double beta, real *weight)
{
	double sum = 0;

	for (size_t label = 0; label < labels; label++)
	{
		double n = count[label] == 0 ? 1 : (double) count[label];

		/* -expm1(n log beta) = 1 - beta^n without cancellation */
		weight[label] = (real) (beta == 0 ? 1 : (1 - beta) / -expm1(n * log(beta)));
		sum += weight[label];
	}
	for (size_t label = 0; label < labels; label++)
		weight[label] = (real) (weight[label] * (double) labels / sum);
}

void
nn_label_logits(size_t labels, const uint64_t *count, uint64_t total, real *logit)
{
	for (size_t label = 0; label < labels; label++)
	{
		double share = fmin(fmax((double) count[label] / (double) total, 1e-6), 1 - 1e-6);

		logit[label] = (real) log(share / (1 - share));
	}
}
