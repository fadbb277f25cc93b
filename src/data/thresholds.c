/*
 * thresholds.c
 *	  The search for cuts: one sort of all scores, then two sweeps from the
 *	  highest score down, one for the global cut and one for all labels' own.
 */
#include "thresholds.h"

#include <inttypes.h>
#include <math.h>

#include "ranking.h"

/* 1 - 2^-24 is the largest float below 1; as far from 0 is the least cut for a logit. */
#define LEAST_CUT 0x1p-24

/* F1 in fixed point, so that a sum over labels is exact and never drifts. */
#define F1_ONE 0x1p40

/* The state of the sweep for one label. */
typedef struct sweep
{
	uint64_t support;
	uint64_t predicted; /* at or over the score that the sweep has reached */
	uint64_t true_positive;
	int64_t f1; /* in fixed point */

	/* the best cut so far and what it gives */
	uint64_t best_predicted;
	uint64_t best_true_positive;
	uint32_t key; /* of the score that the sweep has reached */
	float best_cut;
} sweep;

/* Scores and truth, and which rows to leave out (folds NULL: none). */
typedef struct tuning_set
{
	uint64_t n;
	uint32_t labels;
	const float *scores;
	const uint8_t *truth;
	const uint8_t *folds;
	uint32_t held_out;
	em_should_stop should_stop;
	void *stop_context;
} tuning_set;

static bool
stops(const tuning_set *set)
{
	return set->should_stop != NULL && set->should_stop(set->stop_context);
}

static double
logit(double p)
{
	p = fmin(fmax(p, LEAST_CUT), 1.0 - LEAST_CUT);
	return log(p / (1.0 - p));
}

/* A cut that upper reaches and lower does not. */
static float
cut_between(float upper, float lower)
{
	float cut = (float) (((double) upper + (double) lower) / 2.0);

	return cut > lower ? cut : upper;
}

/* Below the lowest score everything is predicted; 0 stands for its lower neighbour. */
static float
cut_below(float lowest)
{
	return lowest / 2.0f;
}

static int64_t
fixed_f1(const sweep *s)
{
	return llround(data_f1(s->true_positive, s->predicted, s->support) * F1_ONE);
}

/* Entries: key << 32 | label << 1 | positive, sorted from the highest score down. False when stopped. */
static bool
global_cut(const tuning_set *set, const uint64_t *sorted, size_t count, sweep *label, float *global)
{
	int64_t sum = 0, best = 0;
	float best_cut = 0.5f;

	for (size_t i = 0; i < count; i++)
	{
		sweep *s = &label[(uint32_t) sorted[i] >> 1];
		uint32_t key = (uint32_t) (sorted[i] >> 32);
		bool lowest = i + 1 == count;
		float cut;

		if (i % DATA_STOP_SCORES == DATA_STOP_SCORES - 1 && stops(set))
			return false;
		s->predicted++;
		s->true_positive += sorted[i] & 1;
		sum -= s->f1;
		s->f1 = fixed_f1(s);
		sum += s->f1;
		if (sum < best || sum == 0 || (!lowest && key == (uint32_t) (sorted[i + 1] >> 32)))
			continue;
		cut = lowest ? cut_below(data_key_score(key))
					 : cut_between(data_key_score(key),
								   data_key_score((uint32_t) (sorted[i + 1] >> 32)));
		if (sum > best || fabs(logit((double) cut)) < fabs(logit((double) best_cut)))
		{
			best = sum;
			best_cut = cut;
		}
	}
	*global = best_cut;
	return true;
}

/* The sweep of one label stands at a cut: keep it if it is the best. */
static void
consider_cut(sweep *s, float cut, double global_logit)
{
	uint64_t here = s->true_positive * (s->best_predicted + s->support);
	uint64_t best = s->best_true_positive * (s->predicted + s->support);

	/* no true positive is F1 0, which the lowest cut always betters */
	if (s->true_positive == 0 || here < best)
		return;
	if (here == best && fabs(logit((double) cut) - global_logit) >=
							fabs(logit((double) s->best_cut) - global_logit))
		return;
	s->best_predicted = s->predicted;
	s->best_true_positive = s->true_positive;
	s->best_cut = cut;
}

/* Leaves each label's best cut in best_cut. False when stopped. */
static bool
own_cuts(const tuning_set *set, const uint64_t *sorted, size_t count, float global, sweep *label)
{
	uint32_t labels = set->labels;
	double global_logit = logit((double) global);

	for (uint32_t l = 0; l < labels; l++)
	{
		label[l].predicted = label[l].true_positive = 0;
		label[l].best_predicted = label[l].best_true_positive = 0;
		label[l].best_cut = global;
	}
	for (size_t i = 0; i < count; i++)
	{
		sweep *s = &label[(uint32_t) sorted[i] >> 1];
		uint32_t key = (uint32_t) (sorted[i] >> 32);

		if (i % DATA_STOP_SCORES == DATA_STOP_SCORES - 1 && stops(set))
			return false;
		if (s->predicted > 0 && s->key != key)
			consider_cut(s, cut_between(data_key_score(s->key), data_key_score(key)), global_logit);
		s->key = key;
		s->predicted++;
		s->true_positive += sorted[i] & 1;
	}
	for (uint32_t l = 0; l < labels; l++)
	{
		if (label[l].predicted > 0)
			consider_cut(&label[l], cut_below(data_key_score(label[l].key)), global_logit);
	}
	return true;
}

static float
shrink(float own, float global, uint64_t positives, double shrinkage)
{
	double weight, mixed;

	if (positives == 0 || isinf(shrinkage))
		return global;
	if (shrinkage == 0.0 || own == global)
		return own;
	weight = (double) positives / ((double) positives + shrinkage);
	mixed = weight * logit((double) own) + (1.0 - weight) * logit((double) global);
	return (float) (1.0 / (1.0 + exp(-mixed)));
}

/* entries, spare: (n L) each; label: (L). EM_INVALID_DATA when every row is held out. */
static em_code
tune(const tuning_set *set, double shrinkage, uint64_t *entries, uint64_t *spare, sweep *label,
	 float *thresholds, float *global, em_status *status)
{
	size_t count = 0;
	const uint64_t *sorted;
	float common;

	for (uint32_t l = 0; l < set->labels; l++)
		label[l] = (sweep){ 0 };
	for (uint64_t i = 0; i < set->n; i++)
	{
		if (set->folds != NULL && set->folds[i] == set->held_out)
			continue;
		for (uint32_t l = 0; l < set->labels; l++)
		{
			uint8_t positive = set->truth[i * set->labels + l];
			uint64_t key = data_falling_key(set->scores[i * set->labels + l]);

			label[l].support += positive;
			entries[count++] = key << 32 | (uint64_t) l << 1 | positive;
		}
	}
	if (count == 0)
		return em_fail(status, EM_INVALID_DATA, "fold %" PRIu32 " holds every row", set->held_out);
	sorted = data_sort_entries(entries, spare, count, set->should_stop, set->stop_context);
	if (sorted == NULL || stops(set) || !global_cut(set, sorted, count, label, &common) ||
		!own_cuts(set, sorted, count, common, label))
		return em_fail(status, EM_CANCELLED, "cancelled");
	for (uint32_t l = 0; l < set->labels; l++)
		thresholds[l] = shrink(label[l].best_cut, common, label[l].support, shrinkage);
	if (global != NULL)
		*global = common;
	return EM_OK;
}

static em_code
check_tuning(uint64_t n, uint32_t labels, const float *scores, const uint8_t *truth,
			 double shrinkage, em_should_stop should_stop, void *stop_context, em_status *status)
{
	/* written so that NaN fails it */
	if (!(shrinkage >= 0.0))
		return em_fail(status, EM_INVALID_OPTION, "shrinkage %g is not 0 or more", shrinkage);
	if (labels > INT32_MAX)
		return em_fail(status, EM_LIMIT, "%" PRIu32 " labels are more than the %d supported",
					   labels, INT32_MAX);
	return data_check_matrix(n, labels, labels, scores, truth, should_stop, stop_context, status);
}

em_code
data_tune_thresholds(const em_allocator *allocator, uint64_t n, uint32_t labels,
					 const float *scores, const uint8_t *truth, double shrinkage, float *thresholds,
					 float *global, em_status *status)
{
	return data_tune_thresholds_until(allocator, n, labels, scores, truth, shrinkage, NULL, NULL,
									  thresholds, global, status);
}

em_code
data_tune_thresholds_until(const em_allocator *allocator, uint64_t n, uint32_t labels,
						   const float *scores, const uint8_t *truth, double shrinkage,
						   em_should_stop should_stop, void *stop_context, float *thresholds,
						   float *global, em_status *status)
{
	tuning_set set = { .n = n,
					   .labels = labels,
					   .scores = scores,
					   .truth = truth,
					   .should_stop = should_stop,
					   .stop_context = stop_context };
	em_code code =
		check_tuning(n, labels, scores, truth, shrinkage, should_stop, stop_context, status);
	uint64_t *entries, *spare;
	sweep *label;

	if (code != EM_OK)
		return code;
	entries = em_allocate_array(allocator, n, labels * sizeof(uint64_t));
	spare = em_allocate_array(allocator, n, labels * sizeof(uint64_t));
	label = em_allocate_array(allocator, labels, sizeof(sweep));
	if (entries == NULL || spare == NULL || label == NULL)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	else
		code = tune(&set, shrinkage, entries, spare, label, thresholds, global, status);
	em_release(allocator, label);
	em_release(allocator, spare);
	em_release(allocator, entries);
	return code;
}

/* Macro F1 of predictions (n, L); hits: (L), scratch. */
static double
macro_f1_of(uint64_t n, uint32_t labels, const uint8_t *predicted, const uint8_t *truth,
			data_hits *hits)
{
	double sum = 0.0;

	for (uint32_t l = 0; l < labels; l++)
		hits[l] = (data_hits){ 0, 0, 0 };
	for (uint64_t i = 0; i < n; i++)
	{
		for (uint32_t l = 0; l < labels; l++)
		{
			hits[l].support += truth[i * labels + l];
			hits[l].predicted += predicted[i * labels + l];
			hits[l].true_positive += predicted[i * labels + l] & truth[i * labels + l];
		}
	}
	for (uint32_t l = 0; l < labels; l++)
		sum += data_f1(hits[l].true_positive, hits[l].predicted, hits[l].support);
	return sum / labels;
}

em_code
data_cross_validate_thresholds(const em_allocator *allocator, uint64_t n, uint32_t labels,
							   const float *scores, const uint8_t *truth, const uint8_t *folds,
							   uint32_t fold_count, double shrinkage, em_should_stop should_stop,
							   void *stop_context, uint8_t *predicted, double *macro_f1,
							   em_status *status)
{
	tuning_set set = { .n = n,
					   .labels = labels,
					   .scores = scores,
					   .truth = truth,
					   .folds = folds,
					   .should_stop = should_stop,
					   .stop_context = stop_context };
	em_code code =
		check_tuning(n, labels, scores, truth, shrinkage, should_stop, stop_context, status);
	uint64_t *entries, *spare;
	sweep *label;
	data_hits *hits;
	float *cuts;

	if (code != EM_OK)
		return code;
	code = data_check_folds(n, folds, fold_count, status);
	if (code != EM_OK)
		return code;
	entries = em_allocate_array(allocator, n, labels * sizeof(uint64_t));
	spare = em_allocate_array(allocator, n, labels * sizeof(uint64_t));
	label = em_allocate_array(allocator, labels, sizeof(sweep));
	hits = em_allocate_array(allocator, labels, sizeof(data_hits));
	cuts = em_allocate_array(allocator, labels, sizeof(float));
	if (entries == NULL || spare == NULL || label == NULL || hits == NULL || cuts == NULL)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	for (set.held_out = 0; code == EM_OK && set.held_out < fold_count; set.held_out++)
	{
		code = tune(&set, shrinkage, entries, spare, label, cuts, NULL, status);
		if (code != EM_OK)
			break;
		for (uint64_t i = 0; i < n; i++)
		{
			if (folds[i] != set.held_out)
				continue;
			for (uint32_t l = 0; l < labels; l++)
				predicted[i * labels + l] = scores[i * labels + l] >= cuts[l];
		}
	}
	if (code == EM_OK)
		*macro_f1 = macro_f1_of(n, labels, predicted, truth, hits);
	em_release(allocator, cuts);
	em_release(allocator, hits);
	em_release(allocator, label);
	em_release(allocator, spare);
	em_release(allocator, entries);
	return code;
}
