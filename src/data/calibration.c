/*
 * calibration.c
 *	  Scale and shift by Newton's method: at most two unknowns, a convex loss.
 */
#include "calibration.h"

#include <inttypes.h>
#include <math.h>

#include "ranking.h"

#define LEAST_SCORE 1e-15
#define MAX_STEPS 200
#define MAX_HALVINGS 60
#define TOLERANCE 1e-11

/* A label's rows, or every label's. */
typedef struct points
{
	size_t count;
	const double *logit;  /* (count) */
	const double *target; /* (count) in 0..1 */
	bool constant;        /* all logits are equal */
} points;

typedef struct slope
{
	double loss;
	double scale, shift; /* first derivatives */
	double scale2, both, shift2;
} slope;

/* Scores, truth and the rows left out (folds NULL: none). */
typedef struct fit_set
{
	uint64_t n;
	uint32_t labels;
	const float *scores;
	const uint8_t *truth;
	const uint8_t *folds;
	uint32_t held_out;
	const data_calibration_options *options;
	em_should_stop should_stop;
	void *stop_context;
} fit_set;

static double
sigmoid(double x)
{
	return x >= 0 ? 1.0 / (1.0 + exp(-x)) : exp(x) / (1.0 + exp(x));
}

double
data_logit(float score)
{
	double p = fmin(fmax((double) score, LEAST_SCORE), 1.0 - 0x1p-24);

	return log(p) - log1p(-p);
}

float
data_calibrate(const data_calibration *calibration, float score)
{
	return (float) sigmoid(calibration->scale * data_logit(score) + calibration->shift);
}

/* The loss is the sum of ln(1 + e^x) - t x, which is CE(t, sigmoid(x)). */
static double
loss_at(const points *points, const data_calibration *at)
{
	double loss = 0.0;

	for (size_t i = 0; i < points->count; i++)
	{
		double x = at->scale * points->logit[i] + at->shift;

		loss += fmax(x, 0.0) + log1p(exp(-fabs(x))) - points->target[i] * x;
	}
	return loss;
}

static slope
slope_at(const points *points, const data_calibration *at)
{
	slope s = { loss_at(points, at), 0, 0, 0, 0, 0 };

	for (size_t i = 0; i < points->count; i++)
	{
		double z = points->logit[i];
		double p = sigmoid(at->scale * z + at->shift);
		double error = p - points->target[i];
		double weight = p * (1.0 - p);

		s.scale += error * z;
		s.shift += error;
		s.scale2 += weight * z * z;
		s.both += weight * z;
		s.shift2 += weight;
	}
	return s;
}

/* Newton's step; one whose curvature vanishes is left out. */
static data_calibration
newton_step(const slope *s, bool move_scale, bool move_shift)
{
	data_calibration step = { 0, 0 };
	double determinant = s->scale2 * s->shift2 - s->both * s->both;

	if (move_scale && move_shift && determinant > 1e-14 * s->scale2 * s->shift2)
	{
		step.scale = (s->both * s->shift - s->shift2 * s->scale) / determinant;
		step.shift = (s->both * s->scale - s->scale2 * s->shift) / determinant;
	}
	else if (move_shift)
		step.shift = s->shift2 > 0 ? -s->shift / s->shift2 : 0.0;
	else if (move_scale)
		step.scale = s->scale2 > 0 ? -s->scale / s->scale2 : 0.0;
	return step;
}

/* The bound of scale that a step would cross, or NaN. */
static double
crossed_bound(double scale, double step)
{
	if (scale + step > DATA_CALIBRATION_MAX_SCALE)
		return DATA_CALIBRATION_MAX_SCALE;
	if (scale + step < DATA_CALIBRATION_MIN_SCALE)
		return DATA_CALIBRATION_MIN_SCALE;
	return NAN;
}

/* From *at to the minimum. False when should_stop said so. */
static bool
minimise(const points *points, bool shift, em_should_stop should_stop, void *context,
		 data_calibration *at)
{
	for (int i = 0; i < MAX_STEPS; i++)
	{
		slope s = slope_at(points, at);
		data_calibration step = newton_step(&s, !points->constant, shift);
		double bound = crossed_bound(at->scale, step.scale);
		double falls, share = 1.0;
		data_calibration next = { 0, 0 };
		bool lower = false;

		if (should_stop != NULL && should_stop(context))
			return false;
		if (at->scale == bound)
		{
			/* on the bound and bent on crossing it: along it, then */
			step = newton_step(&s, false, shift);
			bound = NAN;
		}
		if (!isnan(bound))
			share = (bound - at->scale) / step.scale;
		falls = s.scale * step.scale + s.shift * step.shift;
		for (int halving = 0; halving < MAX_HALVINGS && !lower; halving++)
		{
			next.scale = halving == 0 && !isnan(bound) ? bound : at->scale + share * step.scale;
			next.shift = at->shift + share * step.shift;
			/* Armijo's rule, with room for what a sum of so many terms rounds */
			if (should_stop != NULL && should_stop(context))
				return false;
			lower = loss_at(points, &next) <= s.loss + 1e-4 * share * falls + 1e-13 * s.loss;
			share /= 2;
		}
		if (!lower)
			return true;
		*at = next;
		if (isnan(bound) && fabs(step.scale) <= TOLERANCE * (1.0 + at->scale) &&
			fabs(step.shift) <= TOLERANCE * (1.0 + fabs(at->shift)))
			return true;
	}
	return true;
}

/*
 * Logits and truth of one label, or of labels first..last-1 together, of the rows that are not held
 * out. *positives: how many of them are.
 */
static points
gather(const fit_set *set, uint32_t first, uint32_t last, double *logit, double *target,
	   uint64_t *positives)
{
	points points = { 0, logit, target, true };

	*positives = 0;
	for (uint64_t i = 0; i < set->n; i++)
	{
		if (set->folds != NULL && set->folds[i] == set->held_out)
			continue;
		for (uint32_t l = first; l < last; l++)
		{
			logit[points.count] = data_logit(set->scores[i * set->labels + l]);
			target[points.count] = set->truth[i * set->labels + l];
			points.constant &= logit[points.count] == logit[0];
			*positives += set->truth[i * set->labels + l];
			points.count++;
		}
	}
	return points;
}

/* Mix what `common` makes of the scores into the targets: see shrinkage in the header. */
static void
soften(points *points, double *target, const data_calibration *common, double weight)
{
	for (size_t i = 0; i < points->count; i++)
	{
		double q = sigmoid(common->scale * points->logit[i] + common->shift);

		target[i] = (target[i] + weight * q) / (1.0 + weight);
	}
}

/* logit, target: (n L) each. EM_INVALID_DATA when no row is left. */
static em_code
fit(const fit_set *set, double *logit, double *target, data_calibration *calibration,
	data_calibration *common, em_status *status)
{
	const data_calibration_options *options = set->options;
	uint64_t positives;
	points all = gather(set, 0, set->labels, logit, target, &positives);

	if (all.count == 0)
		return em_fail(status, EM_INVALID_DATA, "fold %" PRIu32 " holds every row", set->held_out);
	*common = (data_calibration){ 1.0, 0.0 };
	if (positives > 0 && positives < all.count &&
		!minimise(&all, options->shift, set->should_stop, set->stop_context, common))
		return em_fail(status, EM_CANCELLED, "cancelled");
	for (uint32_t l = 0; l < set->labels; l++)
	{
		points points;
		uint64_t fewer;

		calibration[l] = *common;
		if (!options->per_label || isinf(options->shrinkage))
			continue;
		points = gather(set, l, l + 1, logit, target, &positives);
		fewer = positives < points.count - positives ? positives : points.count - positives;
		if (fewer == 0)
			continue;
		soften(&points, target, common, options->shrinkage / (double) fewer);
		if (!minimise(&points, options->shift, set->should_stop, set->stop_context,
					  &calibration[l]))
			return em_fail(status, EM_CANCELLED, "cancelled");
	}
	return EM_OK;
}

static em_code
check_fit(const fit_set *set, em_status *status)
{
	/* written so that NaN fails it */
	if (!(set->options->shrinkage >= 0.0))
		return em_fail(status, EM_INVALID_OPTION, "shrinkage %g is not 0 or more",
					   set->options->shrinkage);
	return data_check_matrix(set->n, set->labels, set->labels, set->scores, set->truth, status);
}

em_code
data_fit_calibration(const em_allocator *allocator, uint64_t n, uint32_t labels,
					 const float *scores, const uint8_t *truth,
					 const data_calibration_options *options, em_should_stop should_stop,
					 void *stop_context, data_calibration *calibration, data_calibration *common,
					 em_status *status)
{
	const fit_set set = { .n = n,
						  .labels = labels,
						  .scores = scores,
						  .truth = truth,
						  .options = options,
						  .should_stop = should_stop,
						  .stop_context = stop_context };
	em_code code = check_fit(&set, status);
	data_calibration together;
	double *logit, *target;

	if (code != EM_OK)
		return code;
	logit = em_allocate_array(allocator, n, labels * sizeof(double));
	target = em_allocate_array(allocator, n, labels * sizeof(double));
	if (logit == NULL || target == NULL)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	else
		code = fit(&set, logit, target, calibration, common ? common : &together, status);
	em_release(allocator, target);
	em_release(allocator, logit);
	return code;
}

em_code
data_cross_fit_calibration(const em_allocator *allocator, uint64_t n, uint32_t labels,
						   const float *scores, const uint8_t *truth, const uint8_t *folds,
						   uint32_t fold_count, const data_calibration_options *options,
						   em_should_stop should_stop, void *stop_context, float *calibrated,
						   em_status *status)
{
	fit_set set = { .n = n,
					.labels = labels,
					.scores = scores,
					.truth = truth,
					.folds = folds,
					.options = options,
					.should_stop = should_stop,
					.stop_context = stop_context };
	em_code code = check_fit(&set, status);
	data_calibration *calibration, common;
	double *logit, *target;

	if (code != EM_OK)
		return code;
	code = data_check_folds(n, folds, fold_count, status);
	if (code != EM_OK)
		return code;
	logit = em_allocate_array(allocator, n, labels * sizeof(double));
	target = em_allocate_array(allocator, n, labels * sizeof(double));
	calibration = em_allocate_array(allocator, labels, sizeof(data_calibration));
	if (logit == NULL || target == NULL || calibration == NULL)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	for (; code == EM_OK && set.held_out < fold_count; set.held_out++)
	{
		code = fit(&set, logit, target, calibration, &common, status);
		for (uint64_t i = 0; code == EM_OK && i < n; i++)
		{
			if (folds[i] != set.held_out)
				continue;
			for (uint32_t l = 0; l < labels; l++)
				calibrated[i * labels + l] =
					data_calibrate(&calibration[l], scores[i * labels + l]);
		}
	}
	em_release(allocator, calibration);
	em_release(allocator, target);
	em_release(allocator, logit);
	return code;
}
