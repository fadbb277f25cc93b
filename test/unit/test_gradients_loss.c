/* build: double */
/*
 * test_gradients_loss.c
 *	  Every loss: its value against the formula, its gradient against finite
 *	  differences, both against PyTorch (test/reference/losses.txt).
 */
#include "gradients.h"

#include "../../src/nn/loss.h"

#define FIXTURE "test/reference/losses.txt"
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
		double z = l->logits[i] + (loss->shift ? loss->shift[label] : 0);
		double p = 1 / (1 + exp(-z));
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
		else if (loss->kind == NN_LOSS_BALANCED)
		{
			double k = loss->negative_scale, sum = 0, w;

			q = 1 / (1 + exp(-k * z));
			for (size_t j = 0; j < LOSS_LABELS; j++)
				sum += (l->targets[i - label + j] - loss->smoothing / 2) / (1 - loss->smoothing) *
					   loss->rarity[j];
			w = loss->weight_floor + 1 / (1 + exp(-loss->weight_slope * (loss->rarity[label] / sum -
																		 loss->weight_middle)));
			positive = -w * pow(1 - p, loss->gamma_positive) * log(p);
			negative = w / k * pow(q, loss->gamma_positive) * log1p(exp(k * z)); /* -log(1 - q) */
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
		if (loss.kind == NN_LOSS_BALANCED && i % LOSS_LABELS == i / LOSS_LABELS)
			l.targets[i] = 1; /* a label at least: its formula divides by their sum */
		l.targets[i] = l.targets[i] * (1 - loss.smoothing) + loss.smoothing / 2;
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
	static const nn_loss bce = { .kind = NN_LOSS_BCE, .alpha = -1 };
	static const nn_loss focal = { .kind = NN_LOSS_FOCAL, .gamma_positive = 2, .alpha = -1 };
	static const nn_loss focal_alpha = { .kind = NN_LOSS_FOCAL,
										 .gamma_positive = 1.5,
										 .alpha = 0.25 };
	static const nn_loss focal_zero = { .kind = NN_LOSS_FOCAL, .alpha = 0.4 };
	static const nn_loss asymmetric = { .kind = NN_LOSS_ASYMMETRIC,
										.gamma_positive = 1,
										.gamma_negative = 4,
										.margin = 0.05,
										.alpha = -1 };
	static const nn_loss no_margin = { .kind = NN_LOSS_ASYMMETRIC,
									   .gamma_negative = 3,
									   .alpha = -1 };
	static const nn_loss wide_margin = { .kind = NN_LOSS_ASYMMETRIC,
										 .gamma_positive = 0.5,
										 .gamma_negative = 1.5,
										 .margin = 0.3,
										 .alpha = -1 };
	static const nn_loss no_focus = { .kind = NN_LOSS_ASYMMETRIC, .margin = 0.1, .alpha = -1 };

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

static void
test_balanced(void)
{
	static const real shift[] = { 0.5, -1, 2, 0, -3, 0.1 };
	static const real rarity[] = { 1, 0.5, 0.01, 0.125, 0.25, 0.002 };
	nn_loss loss = { .kind = NN_LOSS_BALANCED,
					 .gamma_positive = 2,
					 .weight_floor = 0.1,
					 .weight_slope = 10,
					 .weight_middle = 0.2,
					 .negative_scale = 2,
					 .rarity = rarity };
	nn_loss bce = { .kind = NN_LOSS_BCE, .alpha = -1, .shift = shift };
	real logits[LOSS_LABELS] = { 1, 2, -1, 0, 3, -2 }, targets[LOSS_LABELS] = { 0 };
	real d_logits[LOSS_LABELS];
	double value, expected = 0;

	test_loss("bce, shifted", bce, true, true, true, true);
	bce.kind = NN_LOSS_ASYMMETRIC;
	bce.gamma_negative = 2;
	bce.margin = 0.05;
	test_loss("asymmetric, shifted", bce, false, false, false, false);
	test_loss("balanced", loss, false, false, false, false);
	test_loss("balanced, soft targets and all weights", loss, true, true, true, true);
	loss.shift = shift;
	loss.smoothing = 0.2;
	test_loss("balanced, shifted and smoothed", loss, false, false, true, true);
	loss.gamma_positive = 0;
	loss.weight_slope = 0;
	loss.negative_scale = 5;
	test_loss("balanced, no focus, one weight", loss, false, false, false, false);

	/* a row without labels is one in which every label is as rare as can be */
	loss = (nn_loss){ .kind = NN_LOSS_BALANCED,
					  .weight_floor = 0.25,
					  .weight_slope = 10,
					  .weight_middle = 0.2,
					  .negative_scale = 1,
					  .rarity = rarity };
	value = nn_loss_forward_backward(&loss, 1, LOSS_LABELS, logits, targets, NULL, 1, d_logits);
	for (size_t i = 0; i < LOSS_LABELS; i++)
		expected += 1.25 * log1p(exp(logits[i]));
	CHECK(fabs(value - expected) < 1e-12, "balanced: a text without labels weighs most: %.4f",
		  value);
}

static bool
read_numbers(FILE *file, double *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fscanf(file, "%la", &numbers[i]) != 1)
			return false;
	return true;
}

/* One case of the fixture after its name; shift and rarity come from the counts, as in training. */
static void
test_against(FILE *file, const char *name, size_t number)
{
	unsigned long rows, labels, total, count[LOSS_LABELS];
	uint64_t counts[LOSS_LABELS];
	double p[10], cells[3 * LOSS_LABELS + 1], worst = 0, value;
	real *logits = nans(64), *targets = nans(64), *gradient = nans(64), *d_logits = nans(64);
	real weight[16], shift[LOSS_LABELS], rarity[LOSS_LABELS];
	nn_loss loss = { .alpha = -1, .shift = shift, .rarity = rarity };

	if (fscanf(file, "%lu %lu %lu", &rows, &labels, &total) != 3 || rows > 10 ||
		labels > LOSS_LABELS || !read_numbers(file, p, 10))
	{
		CHECK(false, "a case of " FIXTURE " is understood");
		return;
	}
	for (size_t i = 0; i < labels; i++)
	{
		if (fscanf(file, "%lu", &count[i]) != 1)
			count[i] = 0;
		counts[i] = count[i];
		rarity[i] = 1.0 / (count[i] == 0 ? 1 : count[i]);
	}
	nn_label_logits(labels, counts, total, shift);
	for (size_t i = 0; i < labels; i++)
		shift[i] *= p[8];
	for (size_t row = 0; row < rows; row++)
	{
		if (!read_numbers(file, cells, 3 * labels + 1))
			break;
		memcpy(logits + row * labels, cells, labels * sizeof(real));
		memcpy(targets + row * labels, cells + labels, labels * sizeof(real));
		weight[row] = cells[2 * labels];
		memcpy(gradient + row * labels, cells + 2 * labels + 1, labels * sizeof(real));
	}
	loss.kind = strcmp(name, "bce") == 0          ? NN_LOSS_BCE
				: strcmp(name, "focal") == 0      ? NN_LOSS_FOCAL
				: strcmp(name, "asymmetric") == 0 ? NN_LOSS_ASYMMETRIC
												  : NN_LOSS_BALANCED;
	loss.gamma_positive = p[0];
	loss.gamma_negative = p[1];
	loss.margin = p[2];
	loss.weight_floor = p[3];
	loss.weight_slope = p[4];
	loss.weight_middle = p[5];
	loss.negative_scale = p[6];
	loss.smoothing = p[7];
	value = nn_loss_forward_backward(&loss, rows, labels, logits, targets, weight, 1, d_logits);
	for (size_t i = 0; i < rows * labels; i++)
		worst = fmax(worst, fabs(d_logits[i] - gradient[i]) / (1e-3 + fabs(gradient[i])));
	CHECK(fabs(value - p[9]) < 1e-12 * p[9] && worst < 1e-11,
		  "case %zu, %s: value and gradient as PyTorch's: %.2g, %.2g", number, name,
		  fabs(value / p[9] - 1), worst);
	release_blocks();
}

static void
test_reference(void)
{
	FILE *file = fopen(FIXTURE, "r");
	char name[32];
	size_t number = 0;

	if (!CHECK(file != NULL, FIXTURE " is there"))
		return;
	while (fscanf(file, "%31s", name) == 1)
		test_against(file, name, ++number);
	CHECK(number == 12, "%zu cases were compared", number);
	fclose(file);
}

int
main(void)
{
	test_losses();
	test_balanced();
	test_reference();
	return check_done();
}
