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
#define MAX_HALVINGS 20
#define TOLERANCE 1e-11 /* of the logits that come out */
#define NO_LOSS 1e-12   /* of a score, on average */

/* What a step may do where the loss is hardly bent: of its slope, and to a logit. */
#define LEAST_BEND 1e-6
#define MAX_STRIDE 32.0

/* A label's rows, or every label's. */
typedef struct points
{
	size_t count;
	const double *logit;  /* (count) */
	const double *target; /* (count) in 0..1 */
	double least, most;   /* logits */
	double centre;        /* taken off them */
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

/*
 * A sum of millions of terms that keeps what each addition rounds off (Knuth's TwoSum): plain, it is
 * off by more than the last steps gain, and a search would not end.
 */
typedef struct sum
{
	double value, lost;
} sum;

static inline void
add(sum *s, double term)
{
	double value = s->value + term, added = value - s->value;

	s->lost += (s->value - (value - added)) + (term - added);
	s->value = value;
}

/*
 * The loss is the sum of CE(t, sigmoid(x)) = ln(1 + e^-|x|) + |x| (1 - t if x > 0, else t): of terms
 * that are never negative, so that a loss of next to nothing keeps its digits.
 */
static double
loss_at(const points *points, const data_calibration *at)
{
	sum loss = { 0, 0 };

	for (size_t i = 0; i < points->count; i++)
	{
		double x = at->scale * (points->logit[i] - points->centre) + at->shift;
		double t = points->target[i];

		add(&loss, log1p(exp(-fabs(x))) + fabs(x) * (x > 0 ? 1.0 - t : t));
	}
	return loss.value + loss.lost;
}

static slope
slope_at(const points *points, const data_calibration *at)
{
	slope s = { 0, 0, 0, 0, 0, 0 };
	sum loss = { 0, 0 }, scale = { 0, 0 }, shift = { 0, 0 };

	for (size_t i = 0; i < points->count; i++)
	{
		double z = points->logit[i] - points->centre;
		double x = at->scale * z + at->shift;
		double t = points->target[i];
		double far = exp(-fabs(x)), less = far / (1.0 + far); /* the smaller of p and 1 - p */
		double error = x > 0 ? (1.0 - t) - less : less - t;   /* p - t, without cancelling */
		double weight = less / (1.0 + far);

		add(&loss, log1p(far) + fabs(x) * (x > 0 ? 1.0 - t : t));
		add(&scale, error * z);
		add(&shift, error);
		s.scale2 += weight * z * z;
		s.both += weight * z;
		s.shift2 += weight;
	}
	s.loss = loss.value + loss.lost;
	s.scale = scale.value + scale.lost;
	s.shift = shift.value + shift.lost;
	return s;
}

/* -slope / curvature; a curvature of next to nothing does not make it endless. */
static double
step_along(double slope, double curvature)
{
	return slope == 0 ? 0.0 : -slope / fmax(curvature, LEAST_BEND * fabs(slope));
}

/* Newton's step. */
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
		step.shift = step_along(s->shift, s->shift2);
	else if (move_scale)
		step.scale = step_along(s->scale, s->scale2);
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

/* Shifts are those at the centre: where that moves, the line stays. */
static void
move_centre(points *points, double centre, data_calibration *at)
{
	at->shift += at->scale * (centre - points->centre);
	points->centre = centre;
}

/* From *at to the minimum. False when should_stop said so. */
static bool
minimise(points points, bool shift, em_should_stop should_stop, void *context, data_calibration *at)
{
	double sum = 0.0;

	for (size_t i = 0; i < points.count; i++)
		sum += points.logit[i];
	if (shift)
		move_centre(&points, sum / (double) points.count, at);
	for (int i = 0; i < MAX_STEPS; i++)
	{
		slope s;
		data_calibration step, next = { 0, 0 };
		double bound, falls, stride, share = 1.0;
		bool lower = false;

		if (should_stop != NULL && should_stop(context))
			return false;
		s = slope_at(&points, at);
		if (s.loss <= NO_LOSS * (double) points.count)
			break;
		step = newton_step(&s, points.least < points.most, shift);
		bound = crossed_bound(at->scale, step.scale);
		if (at->scale == bound)
		{
			/* on the bound and bent on crossing it: along it, then */
			step = newton_step(&s, false, shift);
			bound = NAN;
		}
		if (!isnan(bound))
			share = (bound - at->scale) / step.scale;
		stride = fabs(step.shift) +
				 fabs(step.scale) * fmax(points.most - points.centre, points.centre - points.least);
		if (share * stride > MAX_STRIDE)
		{
			share = MAX_STRIDE / stride;
			bound = NAN;
		}
		falls = s.scale * step.scale + s.shift * step.shift;
		if (!(falls < 0))
			break;
		for (int halving = 0; halving < MAX_HALVINGS && !lower; halving++)
		{
			next.scale = halving == 0 && !isnan(bound) ? bound : at->scale + share * step.scale;
			next.shift = at->shift + share * step.shift;
			/* Armijo's rule, with room for what a sum of so many terms rounds */
			if (should_stop != NULL && should_stop(context))
				return false;
			lower = loss_at(&points, &next) <= s.loss + 1e-4 * share * falls + 1e-13 * s.loss;
			share /= 2;
		}
		if (!lower)
			break;
		*at = next;
		/* -falls is the step's square in x, weighted as the loss is bent */
		if (isnan(bound) && -falls <= TOLERANCE * TOLERANCE * s.shift2 *
										  (1.0 + at->scale * at->scale * s.scale2 / s.shift2 +
										   at->shift * at->shift))
			break;
		/* around the mean of what bends the loss, scale and shift do not depend on each other */
		if (shift && s.shift2 > 0)
			move_centre(&points, points.centre + s.both / s.shift2, at);
	}
	if (shift)
		move_centre(&points, 0.0, at);
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
	points points = { 0, logit, target, INFINITY, -INFINITY, 0.0 };

	*positives = 0;
	for (uint64_t i = 0; i < set->n; i++)
	{
		if (set->folds != NULL && set->folds[i] == set->held_out)
			continue;
		for (uint32_t l = first; l < last; l++)
		{
			logit[points.count] = data_logit(set->scores[i * set->labels + l]);
			target[points.count] = set->truth[i * set->labels + l];
			points.least = fmin(points.least, logit[points.count]);
			points.most = fmax(points.most, logit[points.count]);
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
		!minimise(all, options->shift, set->should_stop, set->stop_context, common))
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
		if (!minimise(points, options->shift, set->should_stop, set->stop_context, &calibration[l]))
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
	return data_check_matrix(set->n, set->labels, set->labels, set->scores, set->truth,
							 set->should_stop, set->stop_context, status);
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
