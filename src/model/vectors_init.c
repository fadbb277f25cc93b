/*
 * vectors_init.c
 *	  From word vectors to the rows of a network's embedding.
 */
#include "vectors_init.h"

#include <math.h>
#include <string.h>

#include "../text/subword.h"

/* Root mean square of numbers uniform in +-0.1, which network_init draws. */
#define FRESH_RMS 0.057735026918962574

/* N-grams of a word looked at; of a word in a vocabulary, which may be of any length, the first. */
#define MAX_NGRAMS 1024

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

/* Whether a text that is nothing but the word is read as that word. */
static bool
can_be_read(const text_options *options, em_slice word, text_tokens *tokens, em_code *code,
			em_status *status)
{
	*code = text_tokenize(options, word.bytes, word.length, tokens, status);
	return *code == EM_OK && tokens->count == 1 &&
		   tokens->tokens[0].normalized_length == word.length &&
		   memcmp(tokens->buffer + tokens->tokens[0].normalized, word.bytes, word.length) == 0;
}

em_code
vectors_add_words(const em_allocator *allocator, const vectors *vectors,
				  const text_options *options, uint32_t count, const text_vocabulary *vocabulary,
				  text_vocabulary **out, em_status *status)
{
	em_slice words = text_vocabulary_words(vocabulary);
	size_t room = words.length + 1;
	size_t used = words.length;
	em_code code = EM_OK;
	text_tokens tokens;
	char *joined;

	if (count > vectors->word_count)
		count = vectors->word_count;
	for (uint32_t id = 1; id <= count; id++)
		room += text_vocabulary_word(vectors->words, id).length + 1;
	joined = em_allocate_array(allocator, room, 1);
	if (joined == NULL)
		return out_of_memory(status);
	if (used > 0)
		memcpy(joined, words.bytes, used);
	text_tokens_init(&tokens, allocator);
	for (uint32_t id = 1; code == EM_OK && id <= count; id++)
	{
		em_slice word = text_vocabulary_word(vectors->words, id);

		if (text_vocabulary_find(vocabulary, word.bytes, word.length) != TEXT_UNKNOWN_ID ||
			!can_be_read(options, word, &tokens, &code, status))
			continue;
		if (used > 0)
			joined[used++] = '\n';
		memcpy(joined + used, word.bytes, word.length);
		used += word.length;
	}
	text_tokens_free(&tokens);
	if (code == EM_OK)
		code = text_vocabulary_load(allocator, joined, used, out, status);
	em_release(allocator, joined);
	return code;
}

static void
add_row(real *sum, const float *row, size_t dim)
{
	for (size_t e = 0; e < dim; e++)
		sum[e] += (real) row[e];
}

typedef struct filling
{
	const vectors *vectors;
	const network_layout *layout;
	const text_vocabulary *vocabulary;
	real *buckets;   /* (K, E): sums, then means */
	uint32_t *count; /* (K): what has been added */
	bool *by_row;    /* (K): of rows of n-grams, not of words */
	float *vector;   /* (E) */
} filling;

/* Sum the vectors' rows of n-grams of the vocabulary's words, of lengths that both have. */
static void
add_rows(filling *f)
{
	const model_config *config = &f->layout->config;
	int min_n = config->subword_min > f->vectors->min_n ? config->subword_min : f->vectors->min_n;
	int max_n = config->subword_max < f->vectors->max_n ? config->subword_max : f->vectors->max_n;
	uint32_t ours[MAX_NGRAMS], theirs[MAX_NGRAMS];

	if (f->vectors->bucket_rows == 0 || min_n > max_n)
		return;
	for (uint32_t id = 1; id < f->layout->vocabulary; id++)
	{
		em_slice word = text_vocabulary_word(f->vocabulary, id);
		/* the same n-grams in the same order */
		size_t count = text_subwords(word.bytes, word.length, min_n, max_n,
									 (uint32_t) f->layout->buckets, ours, MAX_NGRAMS);

		(void) text_subwords(word.bytes, word.length, min_n, max_n, f->vectors->buckets, theirs,
							 MAX_NGRAMS);
		for (size_t i = 0; i < count && i < MAX_NGRAMS; i++)
		{
			int64_t row = vectors_bucket_row(f->vectors, theirs[i]);

			if (row < 0)
				continue;
			add_row(f->buckets + ours[i] * f->layout->embedding,
					f->vectors->input + (size_t) row * f->vectors->dim, f->vectors->dim);
			f->by_row[ours[i]] = true;
			f->count[ours[i]]++;
		}
	}
	if (f->vectors->buckets != f->layout->buckets)
		return;
	for (uint32_t bucket = 0; bucket < f->layout->buckets; bucket++)
	{
		int64_t row = vectors_bucket_row(f->vectors, bucket);

		if (row < 0 || f->count[bucket] > 0)
			continue;
		add_row(f->buckets + bucket * f->layout->embedding,
				f->vectors->input + (size_t) row * f->vectors->dim, f->vectors->dim);
		f->by_row[bucket] = true;
		f->count[bucket] = 1;
	}
}

/* In buckets without a row, sum the vectors of the words that have an n-gram there. */
static void
add_words(filling *f)
{
	const model_config *config = &f->layout->config;
	uint32_t ours[MAX_NGRAMS];

	for (uint32_t id = 1; id < f->layout->vocabulary; id++)
	{
		em_slice word = text_vocabulary_word(f->vocabulary, id);
		size_t count =
			text_subwords(word.bytes, word.length, config->subword_min, config->subword_max,
						  (uint32_t) f->layout->buckets, ours, MAX_NGRAMS);

		vectors_word(f->vectors, word.bytes, word.length, f->vector, NULL);
		for (size_t i = 0; i < count && i < MAX_NGRAMS; i++)
		{
			if (f->by_row[ours[i]])
				continue;
			add_row(f->buckets + ours[i] * f->layout->embedding, f->vector, f->vectors->dim);
			f->count[ours[i]]++;
		}
	}
}

/* Means of what falls into the buckets, times factor. */
static void
fill_buckets(filling *f, double factor)
{
	size_t dim = f->layout->embedding;

	memset(f->buckets, 0, f->layout->buckets * dim * sizeof(real));
	add_rows(f);
	add_words(f);
	for (size_t bucket = 0; bucket < f->layout->buckets; bucket++)
		for (size_t e = 0; f->count[bucket] > 0 && e < dim; e++)
			f->buckets[bucket * dim + e] =
				(real) (f->buckets[bucket * dim + e] * factor / f->count[bucket]);
}

/* Look at the vector of every word, and put it, times factor, into its row unless rows is NULL. */
static double
visit_words(const filling *f, double factor, real *rows, uint32_t *known)
{
	size_t dim = f->layout->embedding;
	double squares = 0;

	*known = 0;
	for (uint32_t id = 1; id < f->layout->vocabulary; id++)
	{
		em_slice word = text_vocabulary_word(f->vocabulary, id);
		double own = 0;

		vectors_word(f->vectors, word.bytes, word.length, f->vector, NULL);
		for (size_t e = 0; e < dim; e++)
			own += (double) f->vector[e] * (double) f->vector[e];
		squares += own;
		*known += own != 0;
		for (size_t e = 0; rows != NULL && own != 0 && e < dim; e++)
			rows[id * dim + e] = (real) (factor * (double) f->vector[e]);
	}
	return squares;
}

static em_code
fill_embedding(filling *f, real *embedding, uint32_t *known, em_status *status)
{
	size_t dim = f->layout->embedding;
	double squares = visit_words(f, 0, NULL, known);
	double factor;
	bool good;

	if (squares == 0)
		return em_fail(status, EM_INVALID_DATA, "the word vectors know none of the %zu words",
					   f->layout->vocabulary - 1);
	factor = FRESH_RMS / sqrt(squares / ((double) *known * (double) dim));
	good = isfinite(factor) && factor > 0;
	if (good)
	{
		(void) visit_words(f, factor, embedding, known);
		if (f->layout->buckets > 0)
			fill_buckets(f, factor);
		for (size_t i = 0; i < f->layout->rows * dim; i++)
			good &= isfinite(embedding[i]);
	}
	if (!good)
		return em_fail(status, EM_INVALID_DATA, "the word vectors hold numbers too large or small");
	return EM_OK;
}

em_code
vectors_init_embedding(const em_allocator *allocator, const vectors *vectors,
					   const network_layout *layout, const text_vocabulary *vocabulary,
					   real *embedding, uint32_t *known, em_status *status)
{
	filling f = { vectors, layout, vocabulary, embedding + layout->vocabulary * layout->embedding,
				  NULL,    NULL,   NULL };
	em_code code;

	if (vectors->dim != layout->embedding)
		return em_fail(status, EM_INVALID_DATA, "word vectors of %u numbers, not %zu", vectors->dim,
					   layout->embedding);
	f.vector = em_allocate_array(allocator, vectors->dim, sizeof(float));
	f.count = em_allocate_zeroed(allocator, layout->buckets + 1, sizeof(uint32_t));
	f.by_row = em_allocate_zeroed(allocator, layout->buckets + 1, sizeof(bool));
	if (f.vector == NULL || f.count == NULL || f.by_row == NULL)
		code = out_of_memory(status);
	else
		code = fill_embedding(&f, embedding, known, status);
	em_release(allocator, f.vector);
	em_release(allocator, f.count);
	em_release(allocator, f.by_row);
	return code;
}
