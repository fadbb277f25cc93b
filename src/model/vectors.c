/*
 * vectors.c
 *	  Word vectors: of any word, and the words nearest to one.
 */
#include "vectors.h"

#include "../text/subword.h"

#include <math.h>
#include <string.h>

/* N-grams looked up at a time; at least VECTORS_MAX_NGRAM. */
#define PIECE 256

/* Numbers between two looks at should_stop. */
#define STOP_WORK 4000000

void
vectors_free(vectors *vectors)
{
	const em_allocator *allocator;

	if (vectors == NULL)
		return;
	allocator = vectors->allocator;
	text_vocabulary_free(vectors->words);
	em_release(allocator, vectors->counts);
	em_release(allocator, vectors->input);
	em_release(allocator, vectors->bucket_ids);
	em_release(allocator, vectors->output);
	em_release(allocator, vectors);
}

int64_t
vectors_bucket_row(const vectors *vectors, uint32_t bucket)
{
	uint32_t low = 0;
	uint32_t high = vectors->bucket_rows;

	if (vectors->bucket_ids == NULL)
		return bucket < high ? (int64_t) vectors->word_count + bucket : -1;
	while (low < high)
	{
		uint32_t middle = low + (high - low) / 2;

		if (vectors->bucket_ids[middle] < bucket)
			low = middle + 1;
		else
			high = middle;
	}
	return low < vectors->bucket_rows && vectors->bucket_ids[low] == bucket
			   ? (int64_t) vectors->word_count + low
			   : -1;
}

static void
add_row(const vectors *vectors, int64_t row, float *out)
{
	const float *from = vectors->input + (size_t) row * vectors->dim;

	for (uint32_t i = 0; i < vectors->dim; i++)
		out[i] += from[i];
}

void
vectors_word(const vectors *vectors, const char *word, size_t length, float *out, bool *known)
{
	uint32_t id = text_vocabulary_find(vectors->words, word, length);
	uint32_t piece[PIECE];
	size_t start = 0;
	size_t rows = 0;
	size_t count;

	memset(out, 0, vectors->dim * sizeof(float));
	if (known != NULL)
		*known = id != TEXT_UNKNOWN_ID;
	if (id != TEXT_UNKNOWN_ID)
	{
		add_row(vectors, (int64_t) id - 1, out);
		rows++;
	}
	while ((count = text_subwords_from(word, length, vectors->min_n, vectors->max_n,
									   vectors->buckets, &start, piece, PIECE)) > 0)
	{
		for (size_t i = 0; i < count; i++)
		{
			int64_t row = vectors_bucket_row(vectors, piece[i]);

			if (row >= 0)
			{
				add_row(vectors, row, out);
				rows++;
			}
		}
	}
	if (rows > 0)
	{
		float share = (float) (1.0 / (double) rows);

		for (uint32_t i = 0; i < vectors->dim; i++)
			out[i] *= share;
	}
}

/* Divide by the length, in place; false when that is 0. */
static bool
make_unit(float *vector, uint32_t dim)
{
	double sum = 0;

	for (uint32_t i = 0; i < dim; i++)
		sum += (double) vector[i] * vector[i];
	if (!(sum > 0))
		return false;
	sum = sqrt(sum);
	for (uint32_t i = 0; i < dim; i++)
		vector[i] = (float) (vector[i] / sum);
	return true;
}

em_code
vectors_unit(const vectors *vectors, float *out, em_should_stop should_stop, void *stop_context,
			 em_status *status)
{
	const uint32_t batch = STOP_WORK / 16 / vectors->dim + 1;

	for (uint32_t row = 0; row < vectors->word_count; row++)
	{
		em_slice word = text_vocabulary_word(vectors->words, row + 1);

		if (row % batch == 0 && should_stop != NULL && should_stop(stop_context))
			return em_fail(status, EM_CANCELLED, "stopped");
		vectors_word(vectors, word.bytes, word.length, out + (size_t) row * vectors->dim, NULL);
		(void) make_unit(out + (size_t) row * vectors->dim, vectors->dim);
	}
	return EM_OK;
}

/* In float, in eight sums that the compiler can keep side by side. */
static double
dot(const float *a, const float *b, uint32_t dim)
{
	float sums[8] = { 0 };
	double sum = 0;
	uint32_t i = 0;

	for (; i + 8 <= dim; i += 8)
		for (uint32_t j = 0; j < 8; j++)
			sums[j] += a[i + j] * b[i + j];
	for (; i < dim; i++)
		sums[0] += a[i] * b[i];
	for (int j = 0; j < 8; j++)
		sum += sums[j];
	return sum;
}

/* Put a neighbour in its place among the nearest so far, of which the last may fall out. */
static void
insert(vectors_neighbour *out, size_t count, size_t *found, vectors_neighbour fresh)
{
	size_t low = 0;
	size_t high = *found;

	while (low < high)
	{
		size_t middle = low + (high - low) / 2;

		if (out[middle].similarity >= fresh.similarity)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == count)
		return;
	if (*found < count)
		(*found)++;
	memmove(out + low + 1, out + low, (*found - low - 1) * sizeof(*out));
	out[low] = fresh;
}

em_code
vectors_nearest(const vectors *vectors, const float *unit, em_slice word, size_t count,
				vectors_neighbour *out, size_t *found, em_should_stop should_stop,
				void *stop_context, em_status *status)
{
	const uint32_t batch = STOP_WORK / vectors->dim + 1;
	uint32_t own = text_vocabulary_find(vectors->words, word.bytes, word.length);
	float query[VECTORS_MAX_DIM];

	*found = 0;
	vectors_word(vectors, word.bytes, word.length, query, NULL);
	if (!make_unit(query, vectors->dim))
		return EM_OK;
	for (uint32_t row = 0; row < vectors->word_count; row++)
	{
		vectors_neighbour fresh = { row, 0 };

		if (row % batch == 0 && should_stop != NULL && should_stop(stop_context))
			return em_fail(status, EM_CANCELLED, "stopped");
		if (row + 1 == own)
			continue;
		fresh.similarity = dot(query, unit + (size_t) row * vectors->dim, vectors->dim);
		fresh.similarity = fmin(1, fmax(-1, fresh.similarity));
		if (*found < count || fresh.similarity > out[*found - 1].similarity)
			insert(out, count, found, fresh);
	}
	return EM_OK;
}
