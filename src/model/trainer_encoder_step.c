/*
 * trainer_encoder_step.c
 *	  One batch of the family roberta: its shards forward and backward, as many at a time as there are
 *	  threads, their gradients added in a fixed order, one AdamW update.
 *
 * The gradient of a shard is computed by itself and then added, whoever computed it, so that the sum
 * does not depend on the number of threads; the first one is computed where the sum will be.
 */
#include "trainer_encoder.h"

#include <math.h>
#include <string.h>

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

/* Every thread learns that training is to stop; only that which called may ask. */
static bool
is_stopped(void *context)
{
	encoder_trainer *encoder = context;

	if (!encoder->stopped && encoder->should_stop != NULL &&
		pthread_equal(pthread_self(), encoder->caller) &&
		encoder->should_stop(encoder->stop_context))
		encoder->stopped = true;
	return encoder->stopped;
}

static encoder_weights
weights_of(encoder_trainer *encoder)
{
	return (encoder_weights){ .block = encoder->weights,
							  .should_stop = is_stopped,
							  .stop_context = encoder };
}

static void
begin(encoder_trainer *encoder, em_should_stop should_stop, void *stop_context)
{
	encoder->should_stop = should_stop;
	encoder->stop_context = stop_context;
	encoder->caller = pthread_self();
	encoder->stopped = false;
}

/* Cut a batch into shards of about the same number of tokens; returns how many. */
static size_t
cut_shards(const trainer *trainer, size_t size)
{
	size_t *end = trainer->encoder->shard_end;
	size_t shard_size = (size_t) trainer->options.shard_size;
	size_t rows = 0, done = 0, shards, used = 0;

	for (size_t b = 0; b < size; b++)
		rows += trainer->sequences[b].length;
	shards = (size + shard_size - 1) / shard_size;
	if (shards < (rows + TRAINER_SHARD_ROWS - 1) / TRAINER_SHARD_ROWS)
		shards = (rows + TRAINER_SHARD_ROWS - 1) / TRAINER_SHARD_ROWS;
	for (size_t b = 0; b < size; b++)
	{
		done += trainer->sequences[b].length;
		if (b + 1 == size || done * shards >= rows * (used + 1))
			end[used++] = b + 1;
	}
	return used;
}

/* Put a shard of the batch into a lane, whose gradient goes into the sum when it is the first. */
static em_code
prepare_lane(trainer *trainer, encoder_trainer_lane *lane, const uint32_t *numbers, size_t first,
			 size_t end, em_status *status)
{
	encoder_trainer *encoder = trainer->encoder;
	const encoder_layout *layout = encoder->layout;
	const encoder_batch *batch = &lane->batcher.batch;
	size_t cells = (end - first) * layout->labels, words;
	em_code code =
		encoder_batcher_fill(&lane->batcher, trainer->sequences + first, end - first, status);

	if (code != EM_OK)
		return code;
	lane->first = first;
	lane->training = (encoder_training){ .seed = trainer->options.seed,
										 .epoch = trainer->pass,
										 .sample = numbers + first,
										 .frozen = (size_t) trainer->options.frozen,
										 .mixed = trainer->options.precision == TRAINER_MIXED };
	words = encoder->words != NULL ? batch->distinct * layout->hidden : 0;
	code = lane_reserve(&lane->memory,
						encoder_workspace(layout, batch, &lane->training) +
							2 * nn_arena_room(cells, sizeof(real)) +
							nn_arena_room(words, sizeof(real)),
						status);
	if (code != EM_OK)
		return code;
	lane->logits = nn_arena_take(&lane->memory.arena, cells, sizeof(real));
	lane->d_logits = nn_arena_take(&lane->memory.arena, cells, sizeof(real));
	lane->d_words = words > 0 ? nn_arena_take(&lane->memory.arena, words, sizeof(real)) : NULL;
	lane->gradient = encoder->gradient;
	if (first == 0)
		return EM_OK;
	if (lane->own == NULL)
		lane->own = em_allocate_array(trainer->allocator, layout->dense, sizeof(real));
	lane->gradient = lane->own;
	return lane->own == NULL ? out_of_memory(status) : EM_OK;
}

/* Any thread: forward, loss, backward of one shard. */
static void
compute_lane(void *context, size_t index)
{
	trainer *trainer = context;
	encoder_trainer *encoder = trainer->encoder;
	const encoder_layout *layout = encoder->layout;
	encoder_trainer_lane *lane = &encoder->lanes[index];
	const encoder_batch *batch = &lane->batcher.batch;
	const encoder_weights weights = weights_of(encoder);

	memset(lane->gradient + encoder->first, 0, (layout->dense - encoder->first) * sizeof(real));
	if (lane->d_words != NULL)
		memset(lane->d_words, 0, batch->distinct * layout->hidden * sizeof(real));
	if (!encoder_forward(layout, &weights, batch, &lane->training, &lane->memory.arena, &lane->pass,
						 lane->logits))
		return;
	lane->loss = nn_loss_forward_backward(
		&trainer->loss, batch->texts, layout->labels, lane->logits,
		trainer->targets + lane->first * layout->labels, trainer->weights + lane->first,
		encoder->loss_scale, lane->d_logits);
	encoder_backward(layout, &weights, batch, &lane->pass, lane->d_logits, &lane->memory.arena,
					 lane->gradient, lane->d_words);
}

/* Any thread: one piece of the lanes' gradients, to the sum. */
static void
add_gradients(void *context, size_t index)
{
	const encoder_trainer *encoder = ((trainer *) context)->encoder;
	const dense_piece *piece = &encoder->pieces[index];

	for (size_t i = 0; i < encoder->lanes_used; i++)
		if (encoder->lanes[i].gradient != encoder->gradient)
			nn_axpy(piece->elements, 1, encoder->lanes[i].gradient + piece->offset,
					encoder->gradient + piece->offset);
}

/* Shards first..end-1, of which there are as many as lanes at most; adds to *loss. */
static em_code
compute_shards(trainer *trainer, const uint32_t *numbers, size_t first, size_t end, double *loss,
			   em_status *status)
{
	encoder_trainer *encoder = trainer->encoder;
	em_code code = EM_OK;

	encoder->lanes_used = end - first;
	for (size_t i = 0; code == EM_OK && i < end - first; i++)
		code = prepare_lane(trainer, &encoder->lanes[i], numbers,
							first + i > 0 ? encoder->shard_end[first + i - 1] : 0,
							encoder->shard_end[first + i], status);
	if (code != EM_OK)
		return code;
	nn_pool_run(trainer->pool, end - first, compute_lane, trainer);
	if (encoder->stopped)
		return em_fail(status, EM_CANCELLED, "training was cancelled");
	if (end > 1)
		nn_pool_run(trainer->pool, encoder->piece_count, add_gradients, trainer);
	for (size_t i = 0; i < end - first; i++)
	{
		const encoder_trainer_lane *lane = &encoder->lanes[i];

		*loss += lane->loss;
		if (encoder->words != NULL)
			encoder_words_add(encoder->words, &lane->batcher.batch, encoder->layout->hidden,
							  lane->d_words);
	}
	return EM_OK;
}

static void
sum_squares(void *context, size_t index)
{
	const encoder_trainer *encoder = ((trainer *) context)->encoder;

	if (index < encoder->piece_count)
		encoder->partial[index] = nn_sum_of_squares(
			encoder->pieces[index].elements, encoder->gradient + encoder->pieces[index].offset);
	else
		encoder->partial[index] = encoder_words_squares(encoder->words, encoder->layout->hidden,
														index - encoder->piece_count);
}

em_code
encoder_trainer_compute(trainer *trainer, const uint32_t *numbers, size_t size,
						em_should_stop should_stop, void *stop_context, double *loss, double *norm,
						em_status *status)
{
	encoder_trainer *encoder = trainer->encoder;
	real smoothing = (real) trainer->options.label_smoothing;
	size_t shards = cut_shards(trainer, size), tasks;
	em_code code = encoder_words_begin(trainer, size, status);

	begin(encoder, should_stop, stop_context);
	encoder->loss_scale = 1 / ((double) size * (double) trainer->labels);
	for (size_t i = 0; smoothing > 0 && i < size * trainer->labels; i++)
		trainer->targets[i] = trainer->targets[i] * (1 - smoothing) + smoothing / 2;
	*loss = 0;
	for (size_t first = 0; code == EM_OK && first < shards; first += encoder->lane_count)
	{
		size_t left = shards - first;

		code = compute_shards(trainer, numbers, first,
							  first + (left < encoder->lane_count ? left : encoder->lane_count),
							  loss, status);
	}
	if (code != EM_OK)
		return code;

	tasks = encoder->piece_count + encoder_words_tasks(encoder->words);
	if (!em_grow(trainer->allocator, (void **) &encoder->partial, &encoder->partial_capacity, tasks,
				 sizeof(double)))
		return out_of_memory(status);
	nn_pool_run(trainer->pool, tasks, sum_squares, trainer);
	*norm = 0;
	for (size_t i = 0; i < tasks; i++)
		*norm += encoder->partial[i];
	*norm = sqrt(*norm);
	return EM_OK;
}

static void
update_weights(void *context, size_t index)
{
	trainer *trainer = context;
	encoder_trainer *encoder = trainer->encoder;
	const dense_piece *piece = &encoder->pieces[index];
	nn_adamw_step update = trainer->update;

	if (index >= encoder->piece_count)
	{
		encoder_words_update(trainer, index - encoder->piece_count);
		return;
	}
	update.learning_rate *= (real) encoder->rate[piece->group];
	if (!piece->decay)
		update.weight_decay = 0;
	nn_adamw(piece->elements, &update, encoder->weights + piece->offset,
			 encoder->gradient + piece->offset, encoder->m + (piece->offset - encoder->first),
			 encoder->v + (piece->offset - encoder->first));
}

void
encoder_trainer_update(trainer *trainer)
{
	encoder_trainer *encoder = trainer->encoder;

	encoder_words_note(trainer);
	nn_pool_run(trainer->pool, encoder->piece_count + encoder_words_tasks(encoder->words),
				update_weights, trainer);
	encoder_words_end(trainer);
}

/* ---- evaluation ---------------------------------------------------------------------------- */

static void
score_lane(void *context, size_t index)
{
	trainer *trainer = context;
	encoder_trainer *encoder = trainer->encoder;
	encoder_trainer_lane *lane = &encoder->lanes[index];
	const encoder_weights weights = weights_of(encoder);

	if (encoder_forward(encoder->layout, &weights, &lane->batcher.batch, NULL, &lane->memory.arena,
						&lane->pass, lane->logits))
		nn_sigmoid(lane->batcher.batch.texts * trainer->labels, lane->logits, lane->logits);
}

/* Take as many of the next `count` texts as a lane may score. */
static em_code
prepare_score(trainer *trainer, encoder_trainer_lane *lane, const nn_sequence *sequences,
			  size_t count, em_status *status)
{
	const encoder_layout *layout = trainer->encoder->layout;
	size_t taken = encoder_batch_take(sequences, count, TRAINER_SHARD_ROWS);
	em_code code = encoder_batcher_fill(&lane->batcher, sequences, taken, status);

	if (code == EM_OK)
		code = lane_reserve(&lane->memory,
							encoder_workspace(layout, &lane->batcher.batch, NULL) +
								nn_arena_room(taken * layout->labels, sizeof(real)),
							status);
	if (code == EM_OK)
		lane->logits = nn_arena_take(&lane->memory.arena, taken * layout->labels, sizeof(real));
	return code;
}

em_code
encoder_trainer_score(trainer *trainer, const nn_sequence *sequences, size_t count, float *scores,
					  em_should_stop should_stop, void *stop_context, em_status *status)
{
	encoder_trainer *encoder = trainer->encoder;
	em_code code = EM_OK;
	size_t done = 0;

	begin(encoder, should_stop, stop_context);
	while (code == EM_OK && done < count)
	{
		size_t used = 0;

		for (size_t next = done; code == EM_OK && used < encoder->lane_count && next < count;
			 used++)
		{
			code = prepare_score(trainer, &encoder->lanes[used], sequences + next, count - next,
								 status);
			next += encoder->lanes[used].batcher.batch.texts;
		}
		if (code != EM_OK)
			break;
		nn_pool_run(trainer->pool, used, score_lane, trainer);
		if (encoder->stopped)
			return em_fail(status, EM_CANCELLED, "training was cancelled");
		for (size_t i = 0; i < used; i++)
		{
			const encoder_trainer_lane *lane = &encoder->lanes[i];
			size_t cells = lane->batcher.batch.texts * trainer->labels;

			for (size_t j = 0; j < cells; j++)
				scores[done * trainer->labels + j] = (float) lane->logits[j];
			done += lane->batcher.batch.texts;
		}
	}
	return code;
}
