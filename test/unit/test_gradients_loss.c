/* build: double */
/*
 * test_gradients_loss.c
 *	  Every loss: its value against the formula, its gradient against finite
 *	  differences.
 */
#include "gradients.h"

#include "../../src/nn/loss.h"

#define LOSS_ROWS 5
#define LOSS_LABELS 6

typedef struct loss_case
{
	nn_loss loss;
	real *logits, *targets, *sample_weight;
} loss_case;

static double
loss_objective(void *context)
{
	loss_case *l = context;

	return nn_loss_forward_backward(&l->loss, LOSS_ROWS, LOSS_LABELS, l->logits, l->targets,
									l->sample_weight, 0.7, NULL);
}

/* The formulas of loss.h, word for word. */
static double
loss_by_formula(const loss_case *l)
{
	const nn_loss *loss = &l->loss;
	double total = 0;

	for (size_t i = 0; i < LOSS_ROWS * LOSS_LABELS; i++)
	{
		size_t label = i % LOSS_LABELS;
		double y = l->targets[i];
		double p = 1 / (1 + exp(-l->logits[i]));
		double q = fmax(p - loss->margin, 0);
		double positive = 0, negative = 0;
		double weight = loss->label_weight ? loss->label_weight[label] : 1;

		if (loss->kind == NN_LOSS_BCE)
		{
			positive = -log(p);
			negative = -log(1 - p);
		}
		else if (loss->kind == NN_LOSS_FOCAL)
		{
			double a = loss->alpha;

			positive = -(a < 0 ? 1 : a) * pow(1 - p, loss->gamma_positive) * log(p);
			negative = -(a < 0 ? 1 : 1 - a) * pow(p, loss->gamma_positive) * log(1 - p);
		}
		else
		{
			positive = -pow(1 - p, loss->gamma_positive) * log(p);
			negative = -pow(q, loss->gamma_negative) * log(1 - q);
		}
		if (loss->positive_weight)
			positive *= loss->positive_weight[label];
		if (l->sample_weight)
			weight *= l->sample_weight[i / LOSS_LABELS];
		total += 0.7 * weight * (y * positive + (1 - y) * negative);
	}
	return total;
}

static void
test_loss(const char *name, nn_loss loss, bool soft, bool label_weight, bool positive_weight,
		  bool sample_weight)
{
	size_t count = LOSS_ROWS * LOSS_LABELS;
	loss_case l = { loss, numbers(count), numbers(count), NULL };
	real *d_logits = nans(count);
	real *factors = numbers(LOSS_LABELS), *more = numbers(LOSS_LABELS), *rows = numbers(LOSS_ROWS);
	double value, expected;
	bool finite = true;

	for (size_t i = 0; i < count; i++)
	{
		l.logits[i] *= 5;
		l.targets[i] = soft ? (l.targets[i] + 1) / 2 : l.targets[i] > 0;
	}
	for (size_t i = 0; i < LOSS_LABELS; i++)
	{
		factors[i] += 1.5;
		more[i] += 1.5;
	}
	for (size_t i = 0; i < LOSS_ROWS; i++)
		rows[i] += 1.5;
	l.loss.label_weight = label_weight ? factors : NULL;
	l.loss.positive_weight = positive_weight ? more : NULL;
	l.sample_weight = sample_weight ? rows : NULL;

	value = nn_loss_forward_backward(&l.loss, LOSS_ROWS, LOSS_LABELS, l.logits, l.targets,
									 l.sample_weight, 0.7, d_logits);
	expected = loss_by_formula(&l);
	CHECK(fabs(value - expected) <= 1e-13 * expected, "%s: value", name);
	check_gradient(name, "the logits", l.logits, count, d_logits, NULL, loss_objective, &l);

	for (size_t i = 0; i < count; i++)
		l.logits[i] = i % 3 == 0 ? 0 : (i % 3 == 1 ? 1e4 : -1e4);
	value = nn_loss_forward_backward(&l.loss, LOSS_ROWS, LOSS_LABELS, l.logits, l.targets,
									 l.sample_weight, 0.7, d_logits);
	for (size_t i = 0; i < count; i++)
		finite &= isfinite(d_logits[i]) != 0;
	CHECK(isfinite(value) && finite, "%s: finite for the largest logits", name);
	release_blocks();
}

static void
test_losses(void)
{
	static const nn_loss bce = { NN_LOSS_BCE, 0, 0, 0, -1, NULL, NULL };
	static const nn_loss focal = { NN_LOSS_FOCAL, 2, 0, 0, -1, NULL, NULL };
	static const nn_loss focal_alpha = { NN_LOSS_FOCAL, 1.5, 0, 0, 0.25, NULL, NULL };
	static const nn_loss focal_zero = { NN_LOSS_FOCAL, 0, 0, 0, 0.4, NULL, NULL };
	static const nn_loss asymmetric = { NN_LOSS_ASYMMETRIC, 1, 4, 0.05, -1, NULL, NULL };
	static const nn_loss no_margin = { NN_LOSS_ASYMMETRIC, 0, 3, 0, -1, NULL, NULL };
	static const nn_loss wide_margin = { NN_LOSS_ASYMMETRIC, 0.5, 1.5, 0.3, -1, NULL, NULL };
	static const nn_loss no_focus = { NN_LOSS_ASYMMETRIC, 0, 0, 0.1, -1, NULL, NULL };

	test_loss("bce", bce, false, false, false, false);
	test_loss("bce, soft targets", bce, true, false, false, false);
	test_loss("bce, label weights", bce, false, true, false, false);
	test_loss("bce, positive weights", bce, false, false, true, false);
	test_loss("bce, sample weights", bce, false, false, false, true);
	test_loss("bce, all weights and soft targets", bce, true, true, true, true);
	test_loss("focal", focal, false, false, false, false);
	test_loss("focal, soft targets and all weights", focal, true, true, true, true);
	test_loss("focal with alpha", focal_alpha, false, false, false, false);
	test_loss("focal with alpha, soft targets and all weights", focal_alpha, true, true, true,
			  true);
	test_loss("focal with alpha, gamma 0", focal_zero, true, false, false, false);
	test_loss("asymmetric", asymmetric, false, false, false, false);
	test_loss("asymmetric, soft targets and all weights", asymmetric, true, true, true, true);
	test_loss("asymmetric, margin 0", no_margin, false, false, false, false);
	test_loss("asymmetric, margin 0, soft targets and all weights", no_margin, true, true, true,
			  true);
	test_loss("asymmetric, wide margin", wide_margin, true, false, false, true);
	test_loss("asymmetric, gammas 0", no_focus, true, true, false, false);
}

int
main(void)
{
	test_losses();
	return check_done();
}
