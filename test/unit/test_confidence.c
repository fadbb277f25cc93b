/*
 * test_confidence.c
 *	  Cuts for a wanted precision: worked by hand, and against all cuts there are.
 */
#include <math.h>

#include "check.h"

#include "../../src/data/confidence.h"

#define ROWS 400
#define LABELS 3

static uint32_t
next_random(uint32_t *state)
{
	*state = *state * 1664525U + 1013904223U;
	return *state >> 8;
}

static void
test_by_hand(void)
{
	/* label 0: + + - + -, label 1: no positive, label 2: all the same score */
	const float scores[5 * LABELS] = { 0.9f, 0.9f, 0.5f, 0.8f, 0.2f, 0.5f, 0.6f, 0.1f,
									   0.5f, 0.4f, 0.3f, 0.5f, 0.2f, 0.4f, 0.5f };
	const uint8_t truth[5 * LABELS] = { 1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0 };
	data_confidence out[LABELS];
	em_status status;

	CHECK(data_confidence_cuts(&check_allocator, 5, LABELS, scores, truth, 1.0, 1, out, &status) ==
			  EM_OK,
		  "precision 1");
	CHECK(out[0].predicted == 2 && out[0].true_positive == 2 && out[0].support == 3,
		  "two are right without a mistake");
	CHECK(fabsf(out[0].cut - 0.7f) < 1e-6f, "the cut stands midway between two scores");
	CHECK(isnan(out[1].cut) && out[1].predicted == 0 && out[1].support == 0,
		  "no cut for a label without positives");
	CHECK(isnan(out[2].cut), "equal scores are not told apart");
	CHECK(data_confidence_cuts(&check_allocator, 5, LABELS, scores, truth, 0.75, 1, out, &status) ==
				  EM_OK &&
			  out[0].predicted == 4 && out[0].true_positive == 3,
		  "a mistake is allowed where recall gains by it");
	CHECK(data_confidence_cuts(&check_allocator, 5, LABELS, scores, truth, 0.6, 1, out, &status) ==
				  EM_OK &&
			  out[0].predicted == 5 && out[0].cut > 0 && out[2].predicted == 5,
		  "all rows when that is precise enough");
	CHECK(data_confidence_cuts(&check_allocator, 5, LABELS, scores, truth, 1.0, 3, out, &status) ==
				  EM_OK &&
			  isnan(out[0].cut),
		  "two rows are too few where three are asked for");
}

/* Every cut between two scores, tried one by one. */
static void
test_against_all_cuts(void)
{
	static float scores[ROWS * LABELS];
	static uint8_t truth[ROWS * LABELS];
	uint32_t state = 7;
	bool best = true, consistent = true;

	for (int round = 0; round < 20; round++)
	{
		double precision = 0.3 + 0.03 * round;
		data_confidence out[LABELS];
		em_status status;

		for (int i = 0; i < ROWS * LABELS; i++)
		{
			scores[i] = (float) (next_random(&state) % 50) / 49.0f;
			truth[i] = (double) (next_random(&state) % 1000) / 1000 < (double) scores[i];
		}
		if (data_confidence_cuts(&check_allocator, ROWS, LABELS, scores, truth, precision, 5, out,
								 &status) != EM_OK)
			best = false;
		for (int label = 0; label < LABELS; label++)
		{
			uint64_t most = 0, at_cut = 0, right = 0;

			for (int cut = 0; cut < 50; cut++)
			{
				uint64_t predicted = 0, positive = 0;

				for (int i = 0; i < ROWS; i++)
					if (scores[i * LABELS + label] >= (float) cut / 49.0f)
					{
						predicted++;
						positive += truth[i * LABELS + label];
					}
				if (predicted >= 5 && (double) positive >= precision * (double) predicted &&
					positive > most)
					most = positive;
			}
			for (int i = 0; i < ROWS; i++)
				if (scores[i * LABELS + label] >= out[label].cut)
				{
					at_cut++;
					right += truth[i * LABELS + label];
				}
			best = best && out[label].true_positive == most;
			consistent =
				consistent && at_cut == out[label].predicted && right == out[label].true_positive;
		}
	}
	CHECK(best, "no other cut that is precise enough finds more");
	CHECK(consistent, "the cut takes in the rows that it says");
}

static void
test_errors(void)
{
	const float scores[2] = { 0.5f, 2.0f };
	const uint8_t truth[2] = { 1, 0 };
	data_confidence out[1];
	em_status status;

	CHECK(data_confidence_cuts(&check_allocator, 1, 1, scores, truth, 0, 1, out, &status) ==
			  EM_INVALID_OPTION,
		  "precision 0 is refused");
	CHECK(data_confidence_cuts(&check_allocator, 1, 1, scores, truth, NAN, 1, out, &status) ==
			  EM_INVALID_OPTION,
		  "precision must be a number");
	CHECK(data_confidence_cuts(&check_allocator, 2, 1, scores, truth, 0.5, 1, out, &status) ==
			  EM_INVALID_DATA,
		  "a score over 1 is refused");
	CHECK(data_confidence_cuts(&check_allocator, 0, 1, scores, truth, 0.5, 1, out, &status) ==
			  EM_INVALID_DATA,
		  "no rows are refused");
}

static void
test_no_memory(void)
{
	const float scores[2] = { 0.5f, 0.25f };
	const uint8_t truth[2] = { 1, 0 };
	data_confidence out[1];
	em_status status;

	check_fail_at = 1;
	CHECK(data_confidence_cuts(&check_allocator, 2, 1, scores, truth, 0.5, 1, out, &status) ==
			  EM_OUT_OF_MEMORY,
		  "no memory is reported");
	check_fail_at = 0;
}

int
main(void)
{
	test_by_hand();
	test_against_all_cuts();
	test_errors();
	test_no_memory();
	CHECK(check_live == 0, "nothing is left allocated");
	return check_done();
}
