/*
 * trainer_network.c
 *	  The first family's part of a training: its weights, their moments, evaluation.
 */
#include "trainer_internal.h"

#include <math.h>
#include <string.h>

/* Weights per task of an update: enough to outweigh handing it out. */
#define PIECE_ELEMENTS 16384

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

uint64_t
trainer_memory(const network_layout *layout, const trainer_options *options)
{
	uint64_t weights = (uint64_t) layout->rows * layout->embedding + layout->dense;
	uint64_t shards = ((uint64_t) options->batch_size + (uint64_t) options->shard_size - 1) /
					  (uint64_t) options->shard_size;

	bool average = options->weight_averaging > 0;

	return (weights * (average ? 5 : 4) + shards * layout->dense) * sizeof(real) +
		   (average ? layout->rows * sizeof(uint64_t) : 0) +
		   (options->precision == TRAINER_MIXED ? network_copies_bytes(layout) : 0);
}

/* Cut the dense parameters into pieces of one tensor each. */
static em_code
make_pieces(trainer *trainer, em_status *status)
{
	const network_layout *layout = trainer->layout;
	size_t count = 0;

	for (size_t i = 0; i < layout->tensor_count; i++)
		count += (layout->tensors[i].elements + PIECE_ELEMENTS - 1) / PIECE_ELEMENTS;
	trainer->pieces = em_allocate_array(trainer->allocator, count, sizeof(dense_piece));
	if (trainer->pieces == NULL)
		return out_of_memory(status);
	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		const network_tensor *tensor = &layout->tensors[i];

		for (size_t done = 0; done < tensor->elements; done += PIECE_ELEMENTS)
		{
			size_t left = tensor->elements - done;

			trainer->pieces[trainer->piece_count++] =
				(dense_piece){ tensor->offset + done, left < PIECE_ELEMENTS ? left : PIECE_ELEMENTS,
							   tensor->decay, (int) trainer_group_of(tensor->kind) };
		}
	}
	return EM_OK;
}

static em_code
make_weights(trainer *trainer, em_status *status)
{
	const network_layout *layout = trainer->layout;
	bool average = trainer->options.weight_averaging > 0;
	size_t embedding = layout->rows * layout->embedding;
	double *prior;
	real *at;

	trainer->embedding_count = embedding;
	trainer->block = em_allocate_zeroed(
		trainer->allocator, (average ? 5 : 4) * (embedding + layout->dense), sizeof(real));
	if (average)
		trainer->averaged = em_allocate_zeroed(trainer->allocator, layout->rows, sizeof(uint64_t));
	prior = trainer_label_shares(trainer);
	if (trainer->block == NULL || prior == NULL || (average && trainer->averaged == NULL))
	{
		em_release(trainer->allocator, prior);
		return out_of_memory(status);
	}
	at = trainer->block;
	trainer->dense = at;
	trainer->dense_m = (at += layout->dense);
	trainer->dense_v = (at += layout->dense);
	trainer->best_dense = (at += layout->dense);
	trainer->embedding = (at += layout->dense);
	trainer->embedding_m = (at += embedding);
	trainer->embedding_v = (at += embedding);
	trainer->best_embedding = (at += embedding);
	if (average)
	{
		trainer->dense_average = (at += embedding);
		trainer->embedding_average = at + layout->dense;
	}

	network_init(layout, trainer->options.seed, prior, trainer->embedding, trainer->dense);
	em_release(trainer->allocator, prior);
	return EM_OK;
}

static em_code
make_copies(trainer *trainer, em_status *status)
{
	uintptr_t start;

	if (trainer->options.precision != TRAINER_MIXED)
		return EM_OK;
	trainer->copies_block = em_allocate_array(
		trainer->allocator, network_copies_bytes(trainer->layout) + NN_ALIGNMENT, 1);
	if (trainer->copies_block == NULL)
		return out_of_memory(status);
	start = (uintptr_t) trainer->copies_block + NN_ALIGNMENT - 1;
	network_copies_init(&trainer->copies, trainer->layout,
						(void *) (start & ~(uintptr_t) (NN_ALIGNMENT - 1)));
	return EM_OK;
}

static em_code
make_shards(trainer *trainer, em_status *status)
{
	const em_allocator *allocator = trainer->allocator;
	const network_layout *layout = trainer->layout;
	size_t batch = (size_t) trainer->options.batch_size;
	size_t shard_size = (size_t) trainer->options.shard_size;
	em_code code = EM_OK;

	trainer->shard_count = (batch + shard_size - 1) / shard_size;
	trainer->shards = em_allocate_zeroed(allocator, trainer->shard_count, sizeof(shard));
	trainer->chosen = em_allocate_array(allocator, batch, sizeof(nn_sequence));
	trainer->slot = em_allocate_zeroed(allocator, layout->rows, sizeof(uint32_t));
	if (!trainer->shards || !trainer->chosen || !trainer->slot)
		return out_of_memory(status);
	for (size_t i = 0; code == EM_OK && i < trainer->shard_count; i++)
	{
		code = lane_init(&trainer->shards[i].lane, allocator, layout->vocabulary, status);
		trainer->shards[i].d_dense = em_allocate_array(allocator, layout->dense, sizeof(real));
		if (code == EM_OK && trainer->shards[i].d_dense == NULL)
			code = out_of_memory(status);
	}
	return code;
}

static void
begin_pass(trainer *trainer)
{
	trainer_average_begin(trainer);
}

static bool
settle(trainer *trainer)
{
	if (!isfinite(nn_sum_of_squares(trainer->layout->dense, trainer->dense)) ||
		!isfinite(nn_sum_of_squares(trainer->embedding_count, trainer->embedding)))
		return false;
	trainer_average_catch_up(trainer);
	return true;
}

static em_code
score(trainer *trainer, const nn_sequence *sequences, size_t count, float *scores,
	  em_should_stop should_stop, void *stop_context, em_status *status)
{
	return sequence_scorer_run(trainer->scorer, sequences, count, scores, NULL, should_stop,
							   stop_context, status);
}

static void
keep_best(trainer *trainer)
{
	network_weights evaluated = trainer_evaluated(trainer);

	memcpy(trainer->best_dense, evaluated.dense, trainer->layout->dense * sizeof(real));
	memcpy(trainer->best_embedding, evaluated.embedding, trainer->embedding_count * sizeof(real));
}

static size_t
list_kept(const trainer *trainer, trainer_kept *list)
{
	uint64_t embedding = trainer->embedding_count;
	uint64_t dense = trainer->layout->dense;
	const trainer_kept all[] = {
		{ "embedding", trainer->embedding, embedding },
		{ "embedding.m", trainer->embedding_m, embedding },
		{ "embedding.v", trainer->embedding_v, embedding },
		{ "embedding.best", trainer->best_embedding, embedding },
		{ "dense", trainer->dense, dense },
		{ "dense.m", trainer->dense_m, dense },
		{ "dense.v", trainer->dense_v, dense },
		{ "dense.best", trainer->best_dense, dense },
		{ "embedding.average", trainer->embedding_average, embedding },
		{ "dense.average", trainer->dense_average, dense },
	};
	size_t count = sizeof(all) / sizeof(all[0]) - (trainer->dense_average ? 0 : 2);

	_Static_assert(sizeof(all) / sizeof(all[0]) <= TRAINER_MAX_KEPT, "a list has room for all");
	memcpy(list, all, count * sizeof(trainer_kept));
	return count;
}

static void
restored(trainer *trainer)
{
	for (size_t row = 0; trainer->averaged != NULL && row < trainer->layout->rows; row++)
		trainer->averaged[row] = trainer->step;
}

static void
free_network(trainer *trainer)
{
	const em_allocator *allocator = trainer->allocator;

	for (size_t i = 0; trainer->shards != NULL && i < trainer->shard_count; i++)
	{
		lane_free(&trainer->shards[i].lane);
		em_release(allocator, trainer->shards[i].d_dense);
	}
	sequence_scorer_free(trainer->scorer);
	em_release(allocator, trainer->block);
	em_release(allocator, trainer->copies_block);
	em_release(allocator, trainer->averaged);
	em_release(allocator, trainer->pieces);
	em_release(allocator, trainer->shards);
	em_release(allocator, trainer->chosen);
	em_release(allocator, trainer->slot);
	em_release(allocator, trainer->merged_ids);
	em_release(allocator, trainer->read_ids);
	em_release(allocator, trainer->source_ends);
	em_release(allocator, trainer->sources);
	em_release(allocator, trainer->d_rows);
	em_release(allocator, trainer->partial);
}

static const trainer_family network_family = {
	.by_length = true,
	.begin_pass = begin_pass,
	.compute = trainer_network_compute,
	.update = trainer_network_update,
	.settle = settle,
	.score = score,
	.keep_best = keep_best,
	.list_kept = list_kept,
	.restored = restored,
	.free = free_network,
};

static real *
output_bias_of(trainer *trainer)
{
	const network_layout *layout = trainer->layout;

	for (size_t i = 0; i < layout->tensor_count; i++)
		if (layout->tensors[i].kind == TENSOR_OUTPUT_BIAS)
			return trainer->dense + layout->tensors[i].offset;
	return NULL;
}

em_code
trainer_create(const em_allocator *allocator, const network_layout *layout,
			   const trainer_options *options, samples *train, samples *dev, nn_pool *pool,
			   trainer **out, em_status *status)
{
	trainer *made;
	em_code code = trainer_begin(allocator, &network_family, layout->labels, options, train, dev,
								 pool, &made, status);

	if (code != EM_OK)
		return code;
	made->layout = layout;
	code = make_pieces(made, status);
	if (code == EM_OK)
		code = make_weights(made, status);
	if (code == EM_OK)
		code = trainer_make_loss(made, output_bias_of(made), status);
	if (code == EM_OK)
		code = make_copies(made, status);
	if (code == EM_OK)
		code = make_shards(made, status);
	if (code == EM_OK && made->dev != NULL)
		code = sequence_scorer_create(allocator, layout, trainer_evaluated(made), pool,
									  &made->scorer, status);
	if (code != EM_OK)
	{
		trainer_free(made);
		return code;
	}
	*out = made;
	return EM_OK;
}

em_code
trainer_use_bags(trainer *trainer, const nn_bags *bags, em_status *status)
{
	em_code code = EM_OK;

	if (bags->count < trainer->layout->vocabulary)
		return em_fail(status, EM_INVALID_DATA, "%zu bags for %zu words", bags->count,
					   trainer->layout->vocabulary);
	trainer->bags = bags;
	for (size_t i = 0; code == EM_OK && i < trainer->shard_count; i++)
		code = nn_packer_bags(&trainer->shards[i].lane.packer, bags, status);
	if (code == EM_OK && trainer->scorer != NULL)
		code = sequence_scorer_use_bags(trainer->scorer, bags, status);
	return code;
}

real *
trainer_initial_embedding(trainer *trainer)
{
	return trainer->embedding;
}

real *
trainer_initial_dense(trainer *trainer)
{
	return trainer->dense;
}

network_weights
trainer_best(const trainer *trainer)
{
	network_weights weights = { trainer->best_embedding, trainer->best_dense };

	return weights;
}

network_weights
trainer_weights(const trainer *trainer)
{
	network_weights weights = { trainer->embedding, trainer->dense };

	return weights;
}

network_weights
trainer_evaluated(const trainer *trainer)
{
	network_weights average = { trainer->embedding_average, trainer->dense_average };

	return trainer->dense_average ? average : trainer_weights(trainer);
}
