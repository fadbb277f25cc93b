/*
 * vectors_piece.c
 *	  Training word vectors on one piece of text: what the threads do.
 */
#include "vectors_trainer_internal.h"

#include <math.h>
#include <string.h>

/* What one thread works with. */
typedef struct work
{
	vectors_trainer *trainer;
	vectors_piece *piece;
	size_t dim;
	real rate;
	double probability; /* of labels not yet taken into the loss */
	real hidden[VECTORS_MAX_DIM];
	real gradient[VECTORS_MAX_DIM];
} work;

static uint32_t
below(uint32_t random, uint32_t bound)
{
	return (uint32_t) ((uint64_t) random * bound >> 32);
}

/* Have the memory of a row on its way: the matrices are far larger than the caches. */
static void
prefetch(const real *row, size_t dim)
{
	for (size_t i = 0; i < dim; i += 64 / sizeof(real))
		__builtin_prefetch(row + i, 1);
}

/* A word by the root of its count, not the target. */
static uint32_t
draw_negative(vectors_trainer *trainer, uint64_t *random, uint32_t target)
{
	for (;;)
	{
		uint64_t bits = vectors_random(random);
		uint32_t slot = below((uint32_t) (bits >> 32), trainer->words);
		uint32_t word =
			(uint32_t) bits < trainer->slots[slot].below ? slot : trainer->slots[slot].other;

		if (word != target)
			return word;
	}
}

static void
draw_negatives(work *work, uint32_t target, uint32_t *negatives)
{
	vectors_trainer *trainer = work->trainer;

	prefetch(trainer->output + target * work->dim, work->dim);
	for (int i = 0; i < trainer->options.negatives; i++)
	{
		negatives[i] = draw_negative(trainer, &work->piece->random, target);
		prefetch(trainer->output + negatives[i] * work->dim, work->dim);
	}
}

/* One pair: the hidden vector against a target and its negatives. */
static void
train_pair(work *work, uint32_t target, const uint32_t *negatives, real response)
{
	vectors_trainer *trainer = work->trainer;
	real *output[NN_NEGATIVE_MAX];
	int count = 1 + trainer->options.negatives;

	output[0] = trainer->output + target * work->dim;
	for (int i = 1; i < count; i++)
		output[i] = trainer->output + negatives[i - 1] * work->dim;
	work->probability *= nn_negative_step(work->dim, (size_t) count, work->rate, response, output,
										  work->hidden, work->gradient);
	if (work->probability < 1e-40)
	{
		work->piece->loss -= log(work->probability);
		work->probability = 1;
	}
	work->piece->pairs++;
}

static const uint32_t *
rows_of(const vectors_trainer *trainer, uint32_t word, size_t *count)
{
	uint64_t start = trainer->row_starts[word];

	*count = (size_t) (trainer->row_starts[word + 1] - start);
	return trainer->row_ids + start;
}

static void
prefetch_rows(const work *work, uint32_t word)
{
	size_t count;
	const uint32_t *rows = rows_of(work->trainer, word, &count);

	for (size_t i = 0; i < count; i++)
		prefetch(work->trainer->input + rows[i] * work->dim, work->dim);
}

/* The word in the middle foretells each of its neighbours. */
static void
skipgram(work *work, const uint32_t *words, size_t at, size_t from, size_t to)
{
	vectors_trainer *trainer = work->trainer;
	size_t count;
	const uint32_t *rows = rows_of(trainer, words[at], &count);
	uint32_t drawn[2][NN_NEGATIVE_MAX] = { { 0 } };
	size_t next = from == at ? from + 1 : from;

	if (next == to)
		return;
	draw_negatives(work, words[next], drawn[0]);
	memset(work->hidden, 0, work->dim * sizeof(real));
	memset(work->gradient, 0, work->dim * sizeof(real));
	nn_rows_sum(work->dim, trainer->input, rows, count, work->hidden);
	nn_scale(work->dim, (real) 1 / (real) count, work->hidden);
	for (int turn = 0; next < to; turn ^= 1)
	{
		size_t now = next++;

		if (next == at)
			next++;
		if (next < to)
			draw_negatives(work, words[next], drawn[turn ^ 1]);
		train_pair(work, words[now], drawn[turn], trainer->response[words[at]]);
	}
	nn_rows_add(work->dim, work->gradient, rows, count, trainer->input);
}

/* The neighbours together foretell the word in the middle. */
static void
cbow(work *work, const uint32_t *words, size_t at, size_t from, size_t to)
{
	vectors_trainer *trainer = work->trainer;
	uint32_t drawn[NN_NEGATIVE_MAX] = { 0 };
	size_t total = 0;
	size_t count;

	if (to - from < 2)
		return;
	draw_negatives(work, words[at], drawn);
	memset(work->hidden, 0, work->dim * sizeof(real));
	memset(work->gradient, 0, work->dim * sizeof(real));
	for (size_t i = from; i < to; i++)
	{
		const uint32_t *rows;

		if (i == at)
			continue;
		rows = rows_of(trainer, words[i], &count);
		nn_rows_sum(work->dim, trainer->input, rows, count, work->hidden);
		total += count;
	}
	nn_scale(work->dim, (real) 1 / (real) total, work->hidden);
	train_pair(work, words[at], drawn, 0);
	for (size_t i = from; i < to; i++)
	{
		const uint32_t *rows;

		if (i == at)
			continue;
		rows = rows_of(trainer, words[i], &count);
		nn_rows_add(work->dim, work->gradient, rows, count, trainer->input);
	}
}

/* Leave frequent words out, in place; returns how many words stay. */
static size_t
subsample(const vectors_trainer *trainer, vectors_piece *piece, uint32_t *words)
{
	size_t kept = 0;

	for (size_t i = 0; i < piece->length; i++)
		if ((uint32_t) (vectors_random(&piece->random) >> 32) <= trainer->keep[words[i]])
			words[kept++] = words[i];
	return kept;
}

void
vectors_train_piece(vectors_trainer *trainer, vectors_piece *piece)
{
	uint32_t *words = trainer->slice + piece->first;
	uint32_t window = (uint32_t) trainer->options.window;
	size_t kept = subsample(trainer, piece, words);
	work work;

	work.trainer = trainer;
	work.piece = piece;
	work.dim = (size_t) trainer->options.dim;
	work.rate = (real) vectors_rate(trainer, piece->words_done);
	work.probability = 1;
	piece->loss = 0;
	piece->pairs = 0;
	for (size_t at = 0; at < kept; at++)
	{
		size_t reach = 1 + below((uint32_t) (vectors_random(&piece->random) >> 32), window);
		size_t from = at > reach ? at - reach : 0;
		size_t to = kept - at > reach ? at + reach + 1 : kept;

		if (at + 1 < kept)
			prefetch_rows(&work, words[at + 1]);
		if (trainer->options.model == VECTORS_SKIPGRAM)
			skipgram(&work, words, at, from, to);
		else
			cbow(&work, words, at, from, to);
	}
	piece->loss -= log(work.probability);
}
