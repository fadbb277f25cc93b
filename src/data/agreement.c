/*
 * agreement.c
 *	  Kappas, alpha, majorities.
 */
#include "agreement.h"

#include <inttypes.h>
#include <math.h>

static em_code
check_categories(uint32_t categories, em_status *status)
{
	if (categories == 0 || categories > DATA_MAX_CATEGORIES)
		return em_fail(status, EM_INVALID_OPTION, "%" PRIu32 " categories are not between 1 and %d",
					   categories, DATA_MAX_CATEGORIES);
	return EM_OK;
}

static em_code
too_many(em_status *status)
{
	return em_fail(status, EM_LIMIT, "the ratings are too many to be counted");
}

/* a + b into *sum; false when it is over 63 bits */
static bool
add(uint64_t a, uint64_t b, uint64_t *sum)
{
	*sum = a + b;
	return a <= INT64_MAX && b <= INT64_MAX && *sum <= INT64_MAX;
}

static uint64_t
ratings_of(const uint32_t *counts, uint32_t categories)
{
	uint64_t sum = 0;

	for (uint32_t k = 0; k < categories; k++)
		sum += counts[k];
	return sum;
}

/* -- Cohen -- */

em_code
data_cohen_add(uint64_t *confusion, uint32_t categories, uint32_t first, uint32_t second,
			   em_status *status)
{
	em_code code = check_categories(categories, status);
	uint64_t *cell, sum;

	if (code != EM_OK)
		return code;
	if (first >= categories || second >= categories)
		return em_fail(status, EM_INVALID_DATA,
					   "category %" PRIu32 " is not below the number of categories, %" PRIu32,
					   first >= categories ? first : second, categories);
	cell = &confusion[(size_t) first * categories + second];
	if (!add(*cell, 1, &sum))
		return too_many(status);
	*cell = sum;
	return EM_OK;
}

em_code
data_cohen_kappa(const uint64_t *confusion, uint32_t categories, double *kappa, em_status *status)
{
	em_code code = check_categories(categories, status);
	double n, agreed, chance = 0.0;
	uint64_t total = 0, same = 0;

	if (code != EM_OK)
		return code;
	for (size_t i = 0; i < (size_t) categories * categories; i++)
	{
		if (!add(total, confusion[i], &total))
			return too_many(status);
	}
	for (uint32_t k = 0; k < categories; k++)
	{
		uint64_t row = 0, column = 0;

		for (uint32_t j = 0; j < categories; j++)
		{
			row += confusion[(size_t) k * categories + j];
			column += confusion[(size_t) j * categories + k];
		}
		same += confusion[(size_t) k * categories + k];
		chance += (double) row * (double) column;
		/* one category for all: chance is full agreement, whatever roundings say */
		if (row == total && column == total)
			total = 0;
	}
	n = (double) total;
	agreed = (double) same / n;
	chance /= n * n;
	*kappa = total == 0 ? NAN : (agreed - chance) / (1.0 - chance);
	return EM_OK;
}

/* -- Fleiss -- */

em_code
data_fleiss_add(uint64_t *state, uint32_t categories, const uint32_t *counts, em_status *status)
{
	em_code code = check_categories(categories, status);
	uint64_t ratings, units, squares, unused;

	if (code != EM_OK)
		return code;
	ratings = ratings_of(counts, categories);
	if (ratings < 2 || ratings > UINT32_MAX)
		return em_fail(status, EM_INVALID_DATA,
					   "a unit with %" PRIu64 " ratings, where 2 or more are needed", ratings);
	if (state[DATA_FLEISS_UNITS] > 0 && state[DATA_FLEISS_RATINGS] != ratings)
	{
		(void) em_fail(status, EM_INVALID_DATA,
					   "a unit with %" PRIu64 " ratings beside units with %" PRIu64, ratings,
					   state[DATA_FLEISS_RATINGS]);
		em_hint(status, "Krippendorff's alpha allows different numbers of ratings.");
		return EM_INVALID_DATA;
	}
	squares = state[DATA_FLEISS_SQUARES];
	for (uint32_t k = 0; k < categories; k++)
	{
		/* a count below 2^32 has a square that fits into 64 bits */
		if ((uint64_t) counts[k] * counts[k] > INT64_MAX ||
			!add(squares, (uint64_t) counts[k] * counts[k], &squares) ||
			!add(state[DATA_FLEISS_CATEGORY + k], counts[k], &unused))
			return too_many(status);
	}
	if (!add(state[DATA_FLEISS_UNITS], 1, &units))
		return too_many(status);
	state[DATA_FLEISS_UNITS] = units;
	state[DATA_FLEISS_RATINGS] = ratings;
	state[DATA_FLEISS_SQUARES] = squares;
	for (uint32_t k = 0; k < categories; k++)
		state[DATA_FLEISS_CATEGORY + k] += counts[k];
	return EM_OK;
}

/* Could units have added up to this? */
static em_code
check_fleiss(const uint64_t *state, uint32_t categories, em_status *status)
{
	uint64_t units = state[DATA_FLEISS_UNITS], ratings = state[DATA_FLEISS_RATINGS];
	uint64_t squares = state[DATA_FLEISS_SQUARES], sum = 0;
	bool good = true;

	for (uint32_t k = 0; k < categories; k++)
		good = good && add(sum, state[DATA_FLEISS_CATEGORY + k], &sum);
	if (units == 0)
		good = good && sum == 0 && squares == 0 && ratings == 0;
	else
		/* each unit's squares are between ratings and ratings^2 */
		good = good && ratings >= 2 && ratings <= UINT32_MAX && sum / ratings == units &&
			   sum % ratings == 0 && squares >= sum && squares <= INT64_MAX &&
			   (double) squares <= (double) sum * (double) ratings * (1 + 1e-9);
	if (!good)
		return em_fail(status, EM_INVALID_DATA, "the state of Fleiss' kappa does not add up");
	return EM_OK;
}

em_code
data_fleiss_merge(uint64_t *state, const uint64_t *from, uint32_t categories, em_status *status)
{
	em_code code = check_categories(categories, status);
	uint64_t unused;

	if (code == EM_OK)
		code = check_fleiss(state, categories, status);
	if (code == EM_OK)
		code = check_fleiss(from, categories, status);
	if (code != EM_OK || from[DATA_FLEISS_UNITS] == 0)
		return code;
	if (state[DATA_FLEISS_UNITS] > 0 && state[DATA_FLEISS_RATINGS] != from[DATA_FLEISS_RATINGS])
	{
		(void) em_fail(status, EM_INVALID_DATA,
					   "units with %" PRIu64 " ratings beside units with %" PRIu64,
					   from[DATA_FLEISS_RATINGS], state[DATA_FLEISS_RATINGS]);
		em_hint(status, "Krippendorff's alpha allows different numbers of ratings.");
		return EM_INVALID_DATA;
	}
	for (uint32_t i = 0; i < DATA_FLEISS_CATEGORY + categories; i++)
	{
		if (i != DATA_FLEISS_RATINGS && !add(state[i], from[i], &unused))
			return too_many(status);
	}
	for (uint32_t i = 0; i < DATA_FLEISS_CATEGORY + categories; i++)
		state[i] = i == DATA_FLEISS_RATINGS ? from[i] : state[i] + from[i];
	return EM_OK;
}

em_code
data_fleiss_kappa(const uint64_t *state, uint32_t categories, double *kappa, em_status *status)
{
	em_code code = check_categories(categories, status);
	double units, ratings, sum, agreed, chance = 0.0;

	if (code == EM_OK)
		code = check_fleiss(state, categories, status);
	if (code != EM_OK)
		return code;
	units = (double) state[DATA_FLEISS_UNITS];
	ratings = (double) state[DATA_FLEISS_RATINGS];
	sum = units * ratings;
	agreed = ((double) state[DATA_FLEISS_SQUARES] - sum) / (sum * (ratings - 1.0));
	*kappa = NAN;
	for (uint32_t k = 0; k < categories; k++)
	{
		double share = (double) state[DATA_FLEISS_CATEGORY + k] / sum;

		if ((double) state[DATA_FLEISS_CATEGORY + k] == sum)
			return EM_OK; /* all in one category, or no unit at all */
		chance += share * share;
	}
	*kappa = (agreed - chance) / (1.0 - chance);
	return EM_OK;
}

/* -- Krippendorff -- */

em_code
data_alpha_add(double *coincidence, uint32_t categories, const uint32_t *counts, em_status *status)
{
	em_code code = check_categories(categories, status);
	uint64_t ratings;

	if (code != EM_OK)
		return code;
	ratings = ratings_of(counts, categories);
	if (ratings < 2)
		return EM_OK;
	for (uint32_t i = 0; i < categories; i++)
	{
		for (uint32_t j = 0; counts[i] > 0 && j < categories; j++)
		{
			if (counts[j] > 0)
				coincidence[(size_t) i * categories + j] +=
					(double) counts[i] * ((double) counts[j] - (i == j)) / (double) (ratings - 1);
		}
	}
	return EM_OK;
}

em_code
data_alpha(const double *coincidence, uint32_t categories, double *alpha, em_status *status)
{
	em_code code = check_categories(categories, status);
	double n = 0.0, disagreed = 0.0, by_chance = 0.0, sum_before = 0.0;

	if (code != EM_OK)
		return code;
	for (uint32_t i = 0; i < categories; i++)
	{
		double sum = 0.0;

		for (uint32_t j = 0; j < categories; j++)
		{
			double here = coincidence[(size_t) i * categories + j];
			double there = coincidence[(size_t) j * categories + i];

			/* written so that NaN fails it */
			if (!(here >= 0.0) || isinf(here) || !(fabs(here - there) <= 1e-9 * fmax(1.0, here)))
				return em_fail(status, EM_INVALID_DATA,
							   "cell (%" PRIu32 ", %" PRIu32 ") of the coincidence matrix is %g",
							   i + 1, j + 1, here);
			sum += here;
			disagreed += i == j ? 0.0 : here;
		}
		/* the sum over pairs of n_i n_j, without taking a difference */
		by_chance += 2.0 * sum * sum_before;
		sum_before += sum;
		n += sum;
	}
	*alpha = by_chance > 0.0 ? 1.0 - (n - 1.0) * disagreed / by_chance : NAN;
	return EM_OK;
}

/* -- majority -- */

em_code
data_majority(const data_label_rows *votes, uint64_t at_least, uint32_t *count, uint32_t *labels,
			  uint32_t *size, em_status *status)
{
	em_code code = data_label_rows_check(votes, status);

	if (code == EM_OK && at_least == 0)
		code = em_fail(status, EM_INVALID_OPTION, "the least number of votes is 0");
	if (code != EM_OK)
		return code;
	for (uint32_t l = 0; l < votes->labels; l++)
		count[l] = 0;
	for (uint64_t e = 0; e < votes->start[votes->n]; e++)
		count[votes->label[e]]++;
	*size = 0;
	for (uint32_t l = 0; l < votes->labels; l++)
	{
		if (count[l] >= at_least)
			labels[(*size)++] = l;
	}
	return EM_OK;
}
