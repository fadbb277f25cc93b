/*
 * trainer_network.c
 *	  The first family's part of a training: its weights, their moments, evaluation.
 */
#include "trainer_network.h"
#include "network_places.h"

#include <math.h>
#include <string.h>

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
	network_trainer *network = trainer->network;
	const network_layout *layout = network->layout;
	size_t count = 0;

	for (size_t i = 0; i < layout->tensor_count; i++)
		count +=
			(layout->tensors[i].elements + TRAINER_PIECE_ELEMENTS - 1) / TRAINER_PIECE_ELEMENTS;
	network->pieces = em_allocate_array(trainer->allocator, count, sizeof(dense_piece));
	if (network->pieces == NULL)
		return out_of_memory(status);
	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		const network_tensor *tensor = &layout->tensors[i];

		for (size_t done = 0; done < tensor->elements; done += TRAINER_PIECE_ELEMENTS)
		{
			size_t left = tensor->elements - done;

			network->pieces[network->piece_count++] =
				(dense_piece){ tensor->offset + done,
							   left < TRAINER_PIECE_ELEMENTS ? left : TRAINER_PIECE_ELEMENTS,
							   tensor->decay, (int) trainer_group_of(tensor->kind) };
		}
	}
	return EM_OK;
}

static em_code
make_weights(trainer *trainer, em_status *status)
{
	network_trainer *network = trainer->network;
	const network_layout *layout = network->layout;
	bool average = trainer->options.weight_averaging > 0;
	size_t embedding = layout->rows * layout->embedding;
	double *prior;
	real *at;

	network->embedding_count = embedding;
	network->block = em_allocate_zeroed(
		trainer->allocator, (average ? 5 : 4) * (embedding + layout->dense), sizeof(real));
	if (average)
		network->averaged = em_allocate_zeroed(trainer->allocator, layout->rows, sizeof(uint64_t));
	prior = trainer_label_shares(trainer);
	if (network->block == NULL || prior == NULL || (average && network->averaged == NULL))
	{
		em_release(trainer->allocator, prior);
		return out_of_memory(status);
	}
	at = network->block;
	network->dense = at;
	network->dense_m = (at += layout->dense);
	network->dense_v = (at += layout->dense);
	network->best_dense = (at += layout->dense);
	network->embedding = (at += layout->dense);
	network->embedding_m = (at += embedding);
	network->embedding_v = (at += embedding);
	network->best_embedding = (at += embedding);
	if (average)
	{
		network->dense_average = (at += embedding);
		network->embedding_average = at + layout->dense;
	}

	network_init(layout, trainer->options.seed, prior, network->embedding, network->dense);
	em_release(trainer->allocator, prior);
	return EM_OK;
}

static em_code
make_copies(trainer *trainer, em_status *status)
{
	network_trainer *network = trainer->network;
	uintptr_t start;

	if (trainer->options.precision != TRAINER_MIXED)
		return EM_OK;
	network->copies_block = em_allocate_array(
		trainer->allocator, network_copies_bytes(network->layout) + NN_ALIGNMENT, 1);
	if (network->copies_block == NULL)
		return out_of_memory(status);
	start = (uintptr_t) network->copies_block + NN_ALIGNMENT - 1;
	network_copies_init(&network->copies, network->layout,
						(void *) (start & ~(uintptr_t) (NN_ALIGNMENT - 1)));
	return EM_OK;
}

static em_code
make_shards(trainer *trainer, em_status *status)
{
	network_trainer *network = trainer->network;
	const em_allocator *allocator = trainer->allocator;
	const network_layout *layout = network->layout;
	size_t batch = (size_t) trainer->options.batch_size;
	size_t shard_size = (size_t) trainer->options.shard_size;
	em_code code = EM_OK;

	network->shard_count = (batch + shard_size - 1) / shard_size;
	network->shards = em_allocate_zeroed(allocator, network->shard_count, sizeof(shard));
	network->chosen = em_allocate_array(allocator, batch, sizeof(nn_sequence));
	network->slot = em_allocate_zeroed(allocator, layout->rows, sizeof(uint32_t));
	if (!network->shards || !network->chosen || !network->slot)
		return out_of_memory(status);
	for (size_t i = 0; code == EM_OK && i < network->shard_count; i++)
	{
		code = lane_init(&network->shards[i].lane, allocator, layout->vocabulary, status);
		network->shards[i].d_dense = em_allocate_array(allocator, layout->dense, sizeof(real));
		if (code == EM_OK && network->shards[i].d_dense == NULL)
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
	const network_trainer *network = trainer->network;

	if (!isfinite(nn_sum_of_squares(network->layout->dense, network->dense)) ||
		!isfinite(nn_sum_of_squares(network->embedding_count, network->embedding)))
		return false;
	trainer_average_catch_up(trainer);
	return true;
}

static em_code
score(trainer *trainer, const nn_sequence *sequences, size_t count, float *scores,
	  em_should_stop should_stop, void *stop_context, em_status *status)
{
	return sequence_scorer_run(trainer->network->scorer, sequences, count, scores, NULL,
							   should_stop, stop_context, status);
}

static void
keep_best(trainer *trainer)
{
	const network_trainer *network = trainer->network;
	network_weights evaluated = trainer_evaluated(trainer);

	memcpy(network->best_dense, evaluated.dense, network->layout->dense * sizeof(real));
	memcpy(network->best_embedding, evaluated.embedding, network->embedding_count * sizeof(real));
}

static size_t
list_kept(const trainer *trainer, trainer_kept *list)
{
	const network_trainer *network = trainer->network;
	uint64_t embedding = network->embedding_count;
	uint64_t dense = network->layout->dense;
	const trainer_kept all[] = {
		{ "embedding", network->embedding, embedding },
		{ "embedding.m", network->embedding_m, embedding },
		{ "embedding.v", network->embedding_v, embedding },
		{ "embedding.best", network->best_embedding, embedding },
		{ "dense", network->dense, dense },
		{ "dense.m", network->dense_m, dense },
		{ "dense.v", network->dense_v, dense },
		{ "dense.best", network->best_dense, dense },
		{ "embedding.average", network->embedding_average, embedding },
		{ "dense.average", network->dense_average, dense },
	};
	size_t count = sizeof(all) / sizeof(all[0]) - (network->dense_average ? 0 : 2);

	_Static_assert(sizeof(all) / sizeof(all[0]) <= TRAINER_MAX_KEPT, "a list has room for all");
	memcpy(list, all, count * sizeof(trainer_kept));
	return count;
}

static void
restored(trainer *trainer)
{
	const network_trainer *network = trainer->network;

	for (size_t row = 0; network->averaged != NULL && row < network->layout->rows; row++)
		network->averaged[row] = trainer->step;
}

static void
free_network(trainer *trainer)
{
	network_trainer *network = trainer->network;
	const em_allocator *allocator = trainer->allocator;

	if (network == NULL)
		return;
	for (size_t i = 0; network->shards != NULL && i < network->shard_count; i++)
	{
		lane_free(&network->shards[i].lane);
		em_release(allocator, network->shards[i].d_dense);
	}
	sequence_scorer_free(network->scorer);
	em_release(allocator, network->block);
	em_release(allocator, network->copies_block);
	em_release(allocator, network->averaged);
	em_release(allocator, network->pieces);
	em_release(allocator, network->shards);
	em_release(allocator, network->chosen);
	em_release(allocator, network->slot);
	em_release(allocator, network->merged_ids);
	em_release(allocator, network->read_ids);
	em_release(allocator, network->source_ends);
	em_release(allocator, network->sources);
	em_release(allocator, network->d_rows);
	em_release(allocator, network->partial);
	em_release(allocator, network);
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

em_code
trainer_create(const em_allocator *allocator, const network_layout *layout,
			   const trainer_options *options, samples *train, samples *dev, nn_pool *pool,
			   trainer **out, em_status *status)
{
	trainer *made;
	network_trainer *network;
	em_code code = trainer_begin(allocator, &network_family, layout->labels, options, train, dev,
								 pool, &made, status);

	if (code != EM_OK)
		return code;
	network = made->network = em_allocate_zeroed(allocator, 1, sizeof(network_trainer));
	if (network == NULL)
		code = out_of_memory(status);
	else
	{
		network->layout = layout;
		code = make_pieces(made, status);
	}
	if (code == EM_OK)
		code = make_weights(made, status);
	if (code == EM_OK)
		code = trainer_make_loss(made, network->dense + network_find_places(layout).output_bias,
								 status);
	if (code == EM_OK)
		code = make_copies(made, status);
	if (code == EM_OK)
		code = make_shards(made, status);
	if (code == EM_OK && made->dev != NULL)
		code = sequence_scorer_create(allocator, layout, trainer_evaluated(made), pool,
									  &network->scorer, status);
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
	network_trainer *network = trainer->network;
	em_code code = EM_OK;

	if (bags->count < network->layout->vocabulary)
		return em_fail(status, EM_INVALID_DATA, "%zu bags for %zu words", bags->count,
					   network->layout->vocabulary);
	network->bags = bags;
	for (size_t i = 0; code == EM_OK && i < network->shard_count; i++)
		code = nn_packer_bags(&network->shards[i].lane.packer, bags, status);
	if (code == EM_OK && network->scorer != NULL)
		code = sequence_scorer_use_bags(network->scorer, bags, status);
	return code;
}

real *
trainer_initial_embedding(trainer *trainer)
{
	return trainer->network->embedding;
}

real *
trainer_initial_dense(trainer *trainer)
{
	return trainer->network->dense;
}

network_weights
trainer_best(const trainer *trainer)
{
	const network_trainer *network = trainer->network;
	network_weights weights = { network->best_embedding, network->best_dense };

	return weights;
}

network_weights
trainer_weights(const trainer *trainer)
{
	const network_trainer *network = trainer->network;
	network_weights weights = { network->embedding, network->dense };

	return weights;
}

network_weights
trainer_evaluated(const trainer *trainer)
{
	const network_trainer *network = trainer->network;
	network_weights average = { network->embedding_average, network->dense_average };

	return network->dense_average ? average : trainer_weights(trainer);
}
