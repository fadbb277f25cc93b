/*
 * loss.c
 *	  Losses on logits, computed in double: there are only B x L of them.
 */
#include "loss.h"

#include <math.h>

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
		for (size_t label = 0; label < labels; label++)
		{
			size_t at = row * labels + label;
			double z = logits[at];
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
			}
			if (loss->positive_weight)
				scale_term(&positive, loss->positive_weight[label]);
			total += weight * (y * positive.value + (1 - y) * negative.value);
			if (d_logits)
				d_logits[at] = (real) (weight * (y * positive.slope + (1 - y) * negative.slope));
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
