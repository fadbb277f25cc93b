/*
 * trainer_encoder_words.c
 *	  AdamW on the word embedding, whose rows are mostly not in a batch.
 *
 * AdamW changes all rows in every update: moments fade, and what is left of the first goes on
 * moving the weight. A pass over V x D numbers and their moments for every batch would cost more
 * than a small network itself. So a row is left alone until a batch names it, when the updates that it
 * missed are made one after the other, gradient 0, while the row is in a cache:
 *
 *	  m = b1 m,  v = b2 v,  w = w - r (m / c1 / (sqrt(v / c2) + e) + decay w)
 *
 * After REPLAYED of them the first moment is 5e-8 of what it was: it becomes 0, and the rest is in
 * closed form, v b2^n and w (1 - r decay)...(1 - r' decay).
 */
#include "trainer_encoder.h"

#include <math.h>
#include <string.h>

#define REPLAYED 160

/* Rows per task when all are settled. */
#define SETTLED_ROWS 256

static void
catch_up(const encoder_words *words, size_t hidden, uint32_t row)
{
	size_t at = row * hidden;
	uint32_t from = words->row_update[row], to = words->updates;
	real *w = words->weight + at, *m = words->m + at, *v = words->v + at;

	words->row_update[row] = to;
	if (from < to && nn_sum_of_squares(hidden, m) > 0)
	{
		uint32_t replayed = to - from < REPLAYED ? to - from : REPLAYED;

		for (uint32_t end = from + replayed; from < end; from++)
			nn_adamw(hidden, &words->log[from], w, words->zeros, m, v);
		if (replayed == REPLAYED)
			memset(m, 0, hidden * sizeof(real));
	}
	if (from == to)
		return;
	nn_scale(hidden, (real) (words->kept[to] / words->kept[from]), w);
	nn_scale(hidden, (real) pow(TRAINER_BETA2, (double) (to - from)), v);
}

static void
catch_up_task(void *context, size_t task)
{
	const encoder_trainer *encoder = ((trainer *) context)->encoder;
	encoder_words *words = encoder->words;

	for (size_t i = task * ENCODER_WORDS_ROWS;
		 i < (task + 1) * ENCODER_WORDS_ROWS && i < words->count; i++)
		catch_up(words, encoder->layout->hidden, words->rows[i]);
}

static void
settle_task(void *context, size_t task)
{
	const encoder_trainer *encoder = ((trainer *) context)->encoder;
	const encoder_layout *layout = encoder->layout;

	for (size_t row = task * SETTLED_ROWS;
		 row < (task + 1) * SETTLED_ROWS && row < layout->vocabulary; row++)
	{
		catch_up(encoder->words, layout->hidden, (uint32_t) row);
		encoder->words->row_update[row] = 0;
	}
}

void
encoder_words_settle(trainer *trainer)
{
	encoder_words *words = trainer->encoder->words;

	if (words == NULL)
		return;
	nn_pool_run(trainer->pool,
				(trainer->encoder->layout->vocabulary + SETTLED_ROWS - 1) / SETTLED_ROWS,
				settle_task, trainer);
	words->updates = 0;
	words->kept[0] = 1;
}

size_t
encoder_words_tasks(const encoder_words *words)
{
	return words == NULL ? 0 : (words->count + ENCODER_WORDS_ROWS - 1) / ENCODER_WORDS_ROWS;
}

em_code
encoder_words_begin(trainer *trainer, size_t texts, em_status *status)
{
	encoder_words *words = trainer->encoder->words;
	const em_allocator *allocator = trainer->allocator;
	size_t hidden = trainer->encoder->layout->hidden;
	size_t tokens = 0;

	if (words == NULL)
		return EM_OK;
	for (size_t i = 0; i < words->count; i++)
		words->slot[words->rows[i]] = 0;
	words->count = 0;
	for (size_t b = 0; b < texts; b++)
		tokens += trainer->sequences[b].length;
	if (!em_grow(allocator, (void **) &words->rows, &words->rows_capacity, tokens + 1,
				 sizeof(uint32_t)))
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	for (size_t b = 0; b < texts; b++)
		for (uint32_t t = 0; t < trainer->sequences[b].length; t++)
		{
			uint32_t id = trainer->sequences[b].ids[t];

			if (id >= trainer->encoder->layout->vocabulary)
				return em_fail(status, EM_INVALID_DATA, "token id %u is not in the vocabulary", id);
			if (words->slot[id] > 0)
				continue;
			words->rows[words->count++] = id;
			words->slot[id] = (uint32_t) words->count;
		}
	if (!em_grow(allocator, (void **) &words->gradient, &words->gradient_capacity,
				 words->count * hidden + 1, sizeof(real)))
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	memset(words->gradient, 0, words->count * hidden * sizeof(real));
	nn_pool_run(trainer->pool, encoder_words_tasks(words), catch_up_task, trainer);
	return EM_OK;
}

void
encoder_words_add(encoder_words *words, const encoder_batch *batch, size_t hidden,
				  const real *d_words)
{
	for (size_t u = 0; u < batch->distinct; u++)
		nn_axpy(hidden, 1, d_words + u * hidden,
				words->gradient + (words->slot[batch->ids[u]] - 1) * hidden);
}

double
encoder_words_squares(const encoder_words *words, size_t hidden, size_t task)
{
	size_t first = task * ENCODER_WORDS_ROWS;
	size_t left = words->count - first;

	return nn_sum_of_squares((left < ENCODER_WORDS_ROWS ? left : ENCODER_WORDS_ROWS) * hidden,
							 words->gradient + first * hidden);
}

void
encoder_words_note(trainer *trainer)
{
	encoder_words *words = trainer->encoder->words;
	nn_adamw_step update = trainer->update;

	if (words == NULL)
		return;
	update.learning_rate *= (real) trainer->encoder->rate[0];
	words->log[words->updates] = update;
	words->kept[words->updates + 1] =
		words->kept[words->updates] *
		(1 - (double) update.learning_rate * (double) update.weight_decay);
	words->updates++;
}

void
encoder_words_update(trainer *trainer, size_t task)
{
	encoder_words *words = trainer->encoder->words;
	size_t hidden = trainer->encoder->layout->hidden;

	for (size_t i = task * ENCODER_WORDS_ROWS;
		 i < (task + 1) * ENCODER_WORDS_ROWS && i < words->count; i++)
	{
		uint32_t row = words->rows[i];
		size_t at = row * hidden;

		nn_adamw(hidden, &words->log[words->updates - 1], words->weight + at,
				 words->gradient + i * hidden, words->m + at, words->v + at);
		words->row_update[row] = words->updates;
	}
}

void
encoder_words_end(trainer *trainer)
{
	if (trainer->encoder->words != NULL &&
		trainer->encoder->words->updates == ENCODER_WORDS_UPDATES)
		encoder_words_settle(trainer);
}
