/*
 * test_cues.c
 *	  Choosing words by their labels, and hiding them.
 */
#include "check.h"

#include <math.h>

#include "../../src/model/cues.h"

#define WORDS 8
#define LABELS 2

/* Words: 1 only with label 0, 2 mostly with label 1, 3 everywhere, 4 with label 0 but rare, 5 only
 * among the labelled texts, 6 only elsewhere. */
static samples *
make_labelled(void)
{
	samples *made;

	samples_create(&check_allocator, LABELS, 0, NULL, &made, NULL);
	for (uint32_t i = 0; i < 100; i++)
	{
		uint16_t label = i < 40 ? 0 : 1;
		uint32_t ids[8] = { 3, 3 };
		size_t n = 2;

		if (i < 20)
			ids[n++] = 1;
		if (i >= 30 && i < 60)
			ids[n++] = 2;
		if (i < 4)
			ids[n++] = 4;
		if (i < 40)
			ids[n++] = 5;
		samples_add(made, ids, n, &label, 1, 1, i, NULL);
	}
	samples_finish(made, NULL, NULL);
	return made;
}

static samples *
make_other(size_t texts)
{
	samples *made;

	samples_create(&check_allocator, 1, 0, NULL, &made, NULL);
	for (uint32_t i = 0; i < texts; i++)
	{
		uint32_t ids[] = { 1, 2, 3, 4, 6, 1, 0, WORDS + 3 };

		samples_add(made, ids, 8, NULL, 0, 1, i, NULL);
	}
	samples_finish(made, NULL, NULL);
	return made;
}

static double
g_squared(double a, double b, double c, double d)
{
	double n = a + b + c + d;

	return 2 * (a * log(a * n / ((a + b) * (a + c))) + b * log(b * n / ((a + b) * (b + d))) +
				c * log(c * n / ((c + d) * (a + c))) + d * log(d * n / ((c + d) * (b + d))));
}

static void
test_choice(void)
{
	samples *labelled = make_labelled();
	samples *other = make_other(40);
	uint32_t cues[WORDS] = { 0 };
	size_t count;

	CHECK(cues_choose(&check_allocator, labelled, LABELS, other, WORDS, WORDS, NULL, NULL, cues,
					  &count, NULL) == EM_OK,
		  "words are chosen");
	/* 2: 10 of 40 texts of label 0, 20 of 60 of label 1: weak, but more likely with label 1 */
	CHECK(g_squared(20, 10, 40, 30) > 0.5, "by hand, word 2 has some strength");
	CHECK(count == 2 && cues[0] == 1 && cues[1] == 2,
		  "the word of one label comes first; rare words, words of both labels alike and words "
		  "that either side lacks do not come");
	cues_choose(&check_allocator, labelled, LABELS, other, WORDS, 1, NULL, NULL, cues, &count,
				NULL);
	CHECK(count == 1 && cues[0] == 1, "no more than wanted");
	samples_free(other);
	other = make_other(CUES_MIN_OTHER - 1);
	cues_choose(&check_allocator, labelled, LABELS, other, WORDS, WORDS, NULL, NULL, cues, &count,
				NULL);
	CHECK(count == 0, "a word too rare in the other texts is no cue");
	samples_free(labelled);
	samples_free(other);
}

static void
test_masking(void)
{
	enum
	{
		TEXTS = 4000
	};
	static const int32_t label_of[WORDS] = { -1, 1, -1, 0, -1, -1, -1, -1 };
	samples *texts = make_other(TEXTS);
	samples_masking masking = { LABELS, label_of, WORDS, 0.4, 0.1, 7 };
	size_t hidden_cue = 0, hidden_other = 0, wrong = 0, differ = 0;
	double both = 1 - 0.6 * 0.6;

	CHECK(samples_mask(texts, &masking, NULL, NULL, NULL) == EM_OK, "texts are masked");
	CHECK(samples_label_counts(texts)[0] == (uint64_t) llround(0.4 * TEXTS) &&
			  samples_label_counts(texts)[1] == (uint64_t) llround(both * TEXTS),
		  "labels are counted as they are expected, a word that is there twice included");
	for (uint32_t number = 0; number < TEXTS; number++)
	{
		nn_sequence text;
		real targets[LABELS];
		uint32_t first[8];

		samples_set_epoch(texts, 0);
		samples_read(texts, &number, 1, &text, targets, NULL, NULL);
		memcpy(first, text.ids, sizeof(first));
		hidden_cue += text.ids[2] == 0;
		hidden_other += text.ids[1] == 0;
		wrong += (targets[0] > 0) != (text.ids[2] == 0) ||
				 (targets[1] > 0) != (text.ids[0] == 0 || text.ids[5] == 0);
		wrong += (text.ids[0] != 0 && text.ids[0] != 1) ||
				 (text.ids[7] != 0 && text.ids[7] != WORDS + 3);
		samples_set_epoch(texts, 1);
		samples_read(texts, &number, 1, &text, targets, NULL, NULL);
		differ += memcmp(first, text.ids, sizeof(first)) != 0;
		samples_set_epoch(texts, 0);
		samples_read(texts, &number, 1, &text, NULL, NULL, NULL);
		wrong += memcmp(first, text.ids, sizeof(first)) != 0;
	}
	CHECK(wrong == 0, "a label is set exactly when its word is hidden; an epoch's masks are always "
					  "the same");
	CHECK(differ > TEXTS / 2, "another epoch has others (%zu of %d texts)", differ, (int) TEXTS);
	/* six standard deviations of a share of 4000 texts are below 0.05 and 0.03 */
	CHECK(fabs(hidden_cue / (double) TEXTS - 0.4) < 0.05 &&
			  fabs(hidden_other / (double) TEXTS - 0.1) < 0.03,
		  "as many are hidden as asked for: %.3f, %.3f", hidden_cue / (double) TEXTS,
		  hidden_other / (double) TEXTS);
	samples_free(texts);
}

static bool
stop_at(void *context)
{
	return --*(int *) context == 0;
}

/* Whatever the question to which the answer is to stop, the work ends with it and leaves nothing. */
static void
test_stopping(void)
{
	static const int32_t label_of[WORDS] = { -1, 1, -1, 0, -1, -1, -1, -1 };
	samples_masking masking = { LABELS, label_of, WORDS, 0.4, 0.1, 7 };
	samples *labelled = make_labelled();
	samples *other = make_other(40);
	uint32_t cues[WORDS], number = 0;
	em_code code = EM_CANCELLED;
	nn_sequence text;
	int asked = 0, left;
	size_t count;
	long live;

	cues_choose(&check_allocator, labelled, LABELS, other, WORDS, 1, NULL, NULL, cues, &count,
				NULL);
	live = check_live;
	while (code == EM_CANCELLED && check_live == live)
	{
		left = ++asked;
		code = cues_choose(&check_allocator, labelled, LABELS, other, WORDS, 1, stop_at, &left,
						   cues, &count, NULL);
	}
	CHECK(code == EM_OK && check_live == live && asked == 100 + 40 + 100 + 3 + 1,
		  "asked before each text and each word that may be chosen (%d)", asked - 1);
	left = 40;
	CHECK(samples_mask(other, &masking, stop_at, &left, NULL) == EM_CANCELLED && check_live == live,
		  "masking stops when told to");
	samples_read(other, &number, 1, &text, NULL, NULL, NULL);
	CHECK(text.ids[0] == 1 && text.ids[1] == 2 && text.ids[2] == 3 && text.ids[5] == 1,
		  "and nothing is masked then");
	samples_free(labelled);
	samples_free(other);
}

static void
test_memory(void)
{
	samples *labelled = make_labelled();
	samples *other = make_other(40);
	em_code code = EM_OUT_OF_MEMORY;
	uint32_t cues[WORDS];
	size_t count;
	/* reading has grown what it reads into: from here on only the choice allocates */
	long live = (cues_choose(&check_allocator, labelled, LABELS, other, WORDS, WORDS, NULL, NULL,
							 cues, &count, NULL),
				 check_live);
	long n = 0;

	while (code == EM_OUT_OF_MEMORY && check_live == live)
	{
		check_fail_at = ++n;
		code = cues_choose(&check_allocator, labelled, LABELS, other, WORDS, WORDS, NULL, NULL,
						   cues, &count, NULL);
		check_fail_at = 0;
	}
	CHECK(code == EM_OK && check_live == live && n == 5, "each of %ld allocations may fail", n - 1);
	samples_free(labelled);
	samples_free(other);
}

int
main(void)
{
	test_choice();
	test_masking();
	test_stopping();
	test_memory();
	CHECK(check_live == 0, "nothing is left");
	return check_done();
}
