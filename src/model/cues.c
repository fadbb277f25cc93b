/*
 * cues.c
 *	  Choosing words by their association with labels.
 */
#include "cues.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../text/vocabulary.h"

typedef struct candidate
{
	uint32_t id;
	double strength;
} candidate;

/* Everything counted in texts. */
typedef struct counts
{
	em_should_stop should_stop;
	void *stop_context;
	size_t words, labels;
	uint32_t *with_word; /* (words) */
	uint32_t *last_text; /* (words): number + 1 of the text that counted the word last */
	uint32_t *row;       /* (words): row of `joint` + 1; 0: too rare to have one */
	uint32_t *joint;     /* (rows, labels) */
} counts;

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

/* Whether text `number` has the word for the first time. */
static bool
first_in_text(counts *counts, uint32_t id, uint32_t number)
{
	if (id == TEXT_UNKNOWN_ID || id >= counts->words || counts->last_text[id] == number + 1)
		return false;
	counts->last_text[id] = number + 1;
	return true;
}

/* Count by word, or, given room for one text's targets (labels), by word and label. */
static em_code
count_texts(samples *texts, counts *counts, uint32_t *with_word, real *targets, em_status *status)
{
	uint32_t texts_count = (uint32_t) samples_count(texts);

	memset(counts->last_text, 0, counts->words * sizeof(uint32_t));
	for (uint32_t number = 0; number < texts_count; number++)
	{
		nn_sequence text;
		em_code code = samples_go_on(counts->should_stop, counts->stop_context, status);

		if (code == EM_OK)
			code = samples_read(texts, &number, 1, &text, targets, NULL, status);
		if (code != EM_OK)
			return code;
		for (uint32_t i = 0; i < text.length; i++)
		{
			uint32_t id = text.ids[i];

			if (!first_in_text(counts, id, number))
				continue;
			if (targets == NULL)
				with_word[id]++;
			else if (counts->row[id] > 0)
				for (size_t label = 0; label < counts->labels; label++)
					counts->joint[(counts->row[id] - 1) * counts->labels + label] +=
						targets[label] > 0;
		}
	}
	return EM_OK;
}

/* n ln(n / expected) of one cell. */
static double
cell(double n, double row, double column, double all)
{
	return n > 0 ? n * log(n * all / (row * column)) : 0;
}

static double
strength(double both, double word, double label, double all)
{
	if (both * all <= word * label)
		return 0;
	return 2 * (cell(both, word, label, all) + cell(word - both, word, all - label, all) +
				cell(label - both, all - word, label, all) +
				cell(all - word - label + both, all - word, all - label, all));
}

static int
compare_candidates(const void *left, const void *right)
{
	const candidate *a = left;
	const candidate *b = right;

	if (a->strength != b->strength)
		return a->strength > b->strength ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

static em_code
rank(const counts *counts, samples *labelled, candidate *candidates, size_t *count,
	 em_status *status)
{
	const uint64_t *with_label = samples_label_counts(labelled);
	double all = (double) samples_count(labelled);

	*count = 0;
	for (size_t id = 0; id < counts->words; id++)
	{
		candidate *made = &candidates[*count];
		em_code code;

		if (counts->row[id] == 0)
			continue;
		code = samples_go_on(counts->should_stop, counts->stop_context, status);
		if (code != EM_OK)
			return code;
		*made = (candidate){ (uint32_t) id, 0 };
		for (size_t label = 0; label < counts->labels; label++)
			made->strength =
				fmax(made->strength,
					 strength(counts->joint[(counts->row[id] - 1) * counts->labels + label],
							  counts->with_word[id], (double) with_label[label], all));
		*count += made->strength > 0;
	}
	qsort(candidates, *count, sizeof(candidate), compare_candidates);
	return EM_OK;
}

em_code
cues_choose(const em_allocator *allocator, samples *labelled, size_t labels, samples *other,
			size_t words, size_t wanted, em_should_stop should_stop, void *stop_context,
			uint32_t *cues, size_t *count, em_status *status)
{
	uint32_t *block = em_allocate_zeroed(allocator, 4 * words + 1, sizeof(uint32_t));
	real *targets = em_allocate_array(allocator, labels, sizeof(real));
	uint32_t *with_other = block;
	counts made = { should_stop, stop_context, words, labels, NULL, NULL, NULL, NULL };
	candidate *candidates = NULL;
	uint32_t rows = 0;
	em_code code = block && targets ? EM_OK : out_of_memory(status);

	*count = 0;
	if (code == EM_OK)
	{
		made.with_word = block + words;
		made.last_text = block + 2 * words;
		made.row = block + 3 * words;
		code = count_texts(labelled, &made, made.with_word, NULL, status);
	}
	if (code == EM_OK)
		code = count_texts(other, &made, with_other, NULL, status);
	for (size_t id = 0; code == EM_OK && id < words; id++)
		if (made.with_word[id] >= CUES_MIN_LABELLED && with_other[id] >= CUES_MIN_OTHER)
			made.row[id] = ++rows;
	if (code == EM_OK)
	{
		made.joint = em_allocate_zeroed(allocator, (size_t) rows * labels + 1, sizeof(uint32_t));
		candidates = em_allocate_array(allocator, (size_t) rows + 1, sizeof(candidate));
		code = made.joint && candidates ? count_texts(labelled, &made, NULL, targets, status)
										: out_of_memory(status);
	}
	if (code == EM_OK)
		code = rank(&made, labelled, candidates, count, status);
	if (code == EM_OK)
	{
		if (*count > wanted)
			*count = wanted;
		for (size_t i = 0; i < *count; i++)
			cues[i] = candidates[i].id;
	}
	em_release(allocator, candidates);
	em_release(allocator, made.joint);
	em_release(allocator, targets);
	em_release(allocator, block);
	return code;
}
