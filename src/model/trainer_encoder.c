/*
 * trainer_encoder.c
 *	  The family roberta's part of a training: its weights, their moments, the best of them.
 */
#include "trainer_encoder.h"

#include <math.h>
#include <string.h>

#include "../nn/bf16.h"

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

/* Where the dense weights begin that are trained: frozen stages come first, in the order of their place. */
static size_t
first_trained(const encoder_layout *layout, int frozen)
{
	if (frozen == 0)
		return 0;
	return (size_t) frozen <= layout->layers
			   ? encoder_place(layout, (size_t) frozen - 1, ENCODER_QUERY_WEIGHT)
			   : layout->head_weight;
}

static size_t
trained_elements(const encoder_layout *layout, int frozen)
{
	return layout->dense - first_trained(layout, frozen) +
		   (frozen == 0 ? layout->total - layout->words : 0);
}

/* The most shards that a batch of such texts is cut into. */
static size_t
most_shards(const trainer_options *options, size_t longest)
{
	size_t batch = (size_t) options->batch_size, shard = (size_t) options->shard_size;
	size_t by_texts = (batch + shard - 1) / shard;
	size_t by_rows = (batch * longest + TRAINER_SHARD_ROWS - 1) / TRAINER_SHARD_ROWS;

	return by_rows < by_texts ? by_texts : by_rows < batch ? by_rows : batch;
}

uint64_t
trainer_memory_encoder(const encoder_layout *layout, const trainer_options *options, size_t longest,
					   int threads, bool dev)
{
	const encoder_training training = { .frozen = (size_t) options->frozen,
										.mixed = options->precision == TRAINER_MIXED };
	size_t batch = (size_t) options->batch_size, shard = (size_t) options->shard_size;
	size_t shards = most_shards(options, longest), lanes = (size_t) threads;
	uint64_t trained = trained_elements(layout, options->frozen);
	uint64_t dense = layout->dense - first_trained(layout, options->frozen);
	encoder_batch largest = { .texts = 2 * shard < batch ? 2 * shard : batch, .longest = longest };
	uint64_t rows = (uint64_t) batch * longest, bytes, passes;

	if (lanes > shards)
		lanes = shards;
	largest.rows = (shard < batch ? shard : batch) * longest;
	if (largest.rows > TRAINER_SHARD_ROWS)
		largest.rows = TRAINER_SHARD_ROWS;
	largest.rows += longest;
	largest.pairs = largest.rows * longest;
	largest.distinct = largest.rows < layout->vocabulary ? largest.rows : layout->vocabulary;
	bytes = layout->total + trained * (dev ? 3 : 2) + dense * (shards > lanes ? lanes + 1 : lanes);
	if (options->frozen == 0)
		bytes += (rows < layout->vocabulary ? rows : layout->vocabulary) * layout->hidden +
				 lanes * largest.distinct * layout->hidden + 2 * layout->vocabulary;
	passes = encoder_workspace(layout, &largest, &training);
	largest.rows = TRAINER_SHARD_ROWS > longest ? TRAINER_SHARD_ROWS : longest;
	largest.texts = largest.rows < 64 ? largest.rows : 64; /* who has fewer tokens takes little */
	if (dev && passes < encoder_workspace(layout, &largest, NULL))
		passes = encoder_workspace(layout, &largest, NULL);
	return bytes * sizeof(real) + lanes * (passes + layout->vocabulary * sizeof(uint32_t));
}

/* Cut the dense weights that are trained into pieces of one tensor each. */
static em_code
make_pieces(trainer *trainer, em_status *status)
{
	encoder_trainer *encoder = trainer->encoder;
	const encoder_layout *layout = encoder->layout;
	encoder_tensor tensor;

	for (int counted = 0; counted < 2; counted++)
	{
		size_t count = 0;

		for (size_t i = 0; i + 1 < layout->tensor_count; i++) /* the last is the word embedding */
		{
			encoder_tensor_at(layout, i, &tensor);
			for (size_t done = 0; tensor.stage >= trainer->options.frozen && done < tensor.elements;
				 done += TRAINER_PIECE_ELEMENTS, count++)
			{
				size_t left = tensor.elements - done;

				if (counted)
					encoder->pieces[count] =
						(dense_piece){ tensor.offset + done,
									   left < TRAINER_PIECE_ELEMENTS ? left
																	 : TRAINER_PIECE_ELEMENTS,
									   tensor.decay, tensor.stage };
			}
		}
		encoder->piece_count = count;
		if (encoder->pieces == NULL)
			encoder->pieces = em_allocate_array(trainer->allocator, count, sizeof(dense_piece));
		if (encoder->pieces == NULL)
			return out_of_memory(status);
	}
	return EM_OK;
}

static em_code
make_weights(trainer *trainer, bool fresh, em_status *status)
{
	const em_allocator *allocator = trainer->allocator;
	encoder_trainer *encoder = trainer->encoder;
	const encoder_layout *layout = encoder->layout;
	double *prior = trainer_label_shares(trainer);

	encoder->weights = em_allocate_array(allocator, layout->total, sizeof(real));
	encoder->m = em_allocate_zeroed(allocator, encoder->trained, sizeof(real));
	encoder->v = em_allocate_zeroed(allocator, encoder->trained, sizeof(real));
	encoder->gradient = em_allocate_array(allocator, layout->dense, sizeof(real));
	if (trainer->dev != NULL)
		encoder->best = em_allocate_array(allocator, encoder->trained, sizeof(real));
	if (!prior || !encoder->weights || !encoder->m || !encoder->v || !encoder->gradient ||
		(trainer->dev != NULL && encoder->best == NULL))
	{
		em_release(allocator, prior);
		return out_of_memory(status);
	}
	if (fresh)
		encoder_init(layout, trainer->options.seed, prior, encoder->weights);
	else
	{
		memset(encoder->weights, 0, layout->total * sizeof(real));
		encoder_init_head(layout, trainer->options.seed, prior, encoder->weights);
	}
	em_release(allocator, prior);
	for (size_t stage = 0; stage < layout->layers + 2; stage++)
		encoder->rate[stage] =
			pow(trainer->options.layer_decay, (double) (layout->layers + 1 - stage));
	return EM_OK;
}

static em_code
make_words(trainer *trainer, em_status *status)
{
	const em_allocator *allocator = trainer->allocator;
	encoder_trainer *encoder = trainer->encoder;
	const encoder_layout *layout = encoder->layout;
	size_t dense = layout->dense - encoder->first;
	encoder_words *words;

	if (trainer->options.frozen > 0)
		return EM_OK;
	words = encoder->words = em_allocate_zeroed(allocator, 1, sizeof(encoder_words));
	if (words == NULL)
		return out_of_memory(status);
	words->weight = encoder->weights + layout->words;
	words->m = encoder->m + dense;
	words->v = encoder->v + dense;
	words->kept[0] = 1;
	words->zeros = em_allocate_zeroed(allocator, layout->hidden, sizeof(real));
	words->row_update = em_allocate_zeroed(allocator, layout->vocabulary, sizeof(uint32_t));
	words->slot = em_allocate_zeroed(allocator, layout->vocabulary, sizeof(uint32_t));
	return words->zeros && words->row_update && words->slot ? EM_OK : out_of_memory(status);
}

static em_code
make_lanes(trainer *trainer, em_status *status)
{
	const em_allocator *allocator = trainer->allocator;
	encoder_trainer *encoder = trainer->encoder;
	em_code code = EM_OK;

	encoder->lane_count = trainer->pool != NULL ? (size_t) nn_pool_threads(trainer->pool) : 1;
	encoder->lanes =
		em_allocate_zeroed(allocator, encoder->lane_count, sizeof(encoder_trainer_lane));
	encoder->shard_end =
		em_allocate_array(allocator, (size_t) trainer->options.batch_size, sizeof(size_t));
	if (!encoder->lanes || !encoder->shard_end)
		return out_of_memory(status);
	for (size_t i = 0; code == EM_OK && i < encoder->lane_count; i++)
	{
		encoder->lanes[i].memory.allocator = allocator;
		code = encoder_batcher_init(&encoder->lanes[i].batcher, allocator, encoder->layout, status);
	}
	return code;
}

static void
begin_pass(trainer *trainer)
{
	(void) trainer;
}

static bool
settle(trainer *trainer)
{
	const encoder_trainer *encoder = trainer->encoder;
	const encoder_layout *layout = encoder->layout;

	encoder_words_settle(trainer);
	return isfinite(nn_sum_of_squares(layout->dense - encoder->first,
									  encoder->weights + encoder->first)) &&
		   (encoder->words == NULL ||
			isfinite(nn_sum_of_squares(layout->total - layout->words, encoder->words->weight)));
}

/* Without a development set the last epoch is the best. */
static void
keep_best(trainer *trainer)
{
	const encoder_trainer *encoder = trainer->encoder;
	const encoder_layout *layout = encoder->layout;
	size_t dense = layout->dense - encoder->first;

	if (encoder->best == NULL)
		return;
	memcpy(encoder->best, encoder->weights + encoder->first, dense * sizeof(real));
	if (encoder->words != NULL)
		memcpy(encoder->best + dense, encoder->words->weight,
			   (layout->total - layout->words) * sizeof(real));
}

static size_t
list_kept(const trainer *trainer, trainer_kept *list)
{
	const encoder_trainer *encoder = trainer->encoder;
	const encoder_layout *layout = encoder->layout;
	size_t count = 0;

	list[count++] = (trainer_kept){ "dense", encoder->weights + encoder->first,
									layout->dense - encoder->first };
	if (encoder->words != NULL)
		list[count++] =
			(trainer_kept){ "words", encoder->words->weight, layout->total - layout->words };
	list[count++] = (trainer_kept){ "m", encoder->m, encoder->trained };
	list[count++] = (trainer_kept){ "v", encoder->v, encoder->trained };
	if (encoder->best != NULL)
		list[count++] = (trainer_kept){ "best", encoder->best, encoder->trained };
	return count;
}

static void
restored(trainer *trainer)
{
	(void) trainer; /* all rows are settled, as in the beginning */
}

/* All that only steps need. */
static void
free_passes(trainer *trainer)
{
	const em_allocator *allocator = trainer->allocator;
	encoder_trainer *encoder = trainer->encoder;

	for (size_t i = 0; encoder->lanes != NULL && i < encoder->lane_count; i++)
	{
		encoder_batcher_free(&encoder->lanes[i].batcher);
		em_release(allocator, encoder->lanes[i].memory.block);
		em_release(allocator, encoder->lanes[i].own);
	}
	em_release(allocator, encoder->lanes);
	em_release(allocator, encoder->m);
	em_release(allocator, encoder->v);
	em_release(allocator, encoder->best);
	em_release(allocator, encoder->gradient);
	encoder->lanes = NULL;
	encoder->m = encoder->v = encoder->best = encoder->gradient = NULL;
}

static void
free_encoder(trainer *trainer)
{
	const em_allocator *allocator = trainer->allocator;
	encoder_trainer *encoder = trainer->encoder;

	if (encoder == NULL)
		return;
	free_passes(trainer);
	if (encoder->words != NULL)
	{
		em_release(allocator, encoder->words->zeros);
		em_release(allocator, encoder->words->row_update);
		em_release(allocator, encoder->words->slot);
		em_release(allocator, encoder->words->rows);
		em_release(allocator, encoder->words->gradient);
	}
	em_release(allocator, encoder->words);
	em_release(allocator, encoder->weights);
	em_release(allocator, encoder->pieces);
	em_release(allocator, encoder->partial);
	em_release(allocator, encoder->shard_end);
	em_release(allocator, encoder);
}

static const trainer_family encoder_family = {
	.begin_pass = begin_pass,
	.compute = encoder_trainer_compute,
	.update = encoder_trainer_update,
	.settle = settle,
	.score = encoder_trainer_score,
	.keep_best = keep_best,
	.list_kept = list_kept,
	.restored = restored,
	.free = free_encoder,
};

em_code
trainer_create_encoder(const em_allocator *allocator, const encoder_layout *layout,
					   const trainer_options *options, bool fresh, samples *train, samples *dev,
					   nn_pool *pool, trainer **out, em_status *status)
{
	trainer *made;
	encoder_trainer *encoder;
	em_code code;

	if (options->frozen < 0 || (size_t) options->frozen > layout->layers + 1)
	{
		em_fail(status, EM_INVALID_OPTION, "option \"frozen\" is %d, but there are %zu layers",
				options->frozen, layout->layers);
		em_hint(status, "%zu freezes all but the head.", layout->layers + 1);
		return EM_INVALID_OPTION;
	}
	code = trainer_begin(allocator, &encoder_family, layout->labels, options, train, dev, pool,
						 &made, status);
	if (code != EM_OK)
		return code;
	encoder = made->encoder = em_allocate_zeroed(allocator, 1, sizeof(encoder_trainer));
	if (encoder == NULL)
		code = out_of_memory(status);
	else
	{
		encoder->layout = layout;
		encoder->first = first_trained(layout, options->frozen);
		encoder->trained = trained_elements(layout, options->frozen);
		code = make_pieces(made, status);
	}
	if (code == EM_OK)
		code = make_weights(made, fresh, status);
	if (code == EM_OK)
		code = trainer_make_loss(made, encoder->weights + layout->output_bias, status);
	if (code == EM_OK)
		code = make_words(made, status);
	if (code == EM_OK)
		code = make_lanes(made, status);
	if (code != EM_OK)
	{
		trainer_free(made);
		return code;
	}
	*out = made;
	return EM_OK;
}

real *
trainer_initial_encoder(trainer *trainer)
{
	return trainer->encoder->weights;
}

const real *
trainer_weights_encoder(const trainer *trainer)
{
	return trainer->encoder->weights;
}

const real *
trainer_best_encoder(trainer *trainer)
{
	encoder_trainer *encoder = trainer->encoder;
	const encoder_layout *layout = encoder->layout;
	size_t dense = layout->dense - encoder->first;

	if (encoder->best != NULL)
	{
		memcpy(encoder->weights + encoder->first, encoder->best, dense * sizeof(real));
		if (encoder->words != NULL)
			memcpy(encoder->words->weight, encoder->best + dense,
				   (layout->total - layout->words) * sizeof(real));
	}
	/* who writes a file of them needs the room */
	free_passes(trainer);
	return encoder->weights;
}
