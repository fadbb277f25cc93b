/*
 * trainer_network_step.c
 *	  One batch of the first family: its shards forward and backward on the pool, their gradients
 *	  merged in a fixed order, one AdamW update.
 */
#include "trainer_network.h"

#include <math.h>
#include <string.h>

#include "../nn/layers.h"
#include "../nn/random.h"

/* Shards computed before the caller is asked whether to stop; more if there are more threads. */
#define WAVE_SHARDS 8

/* Rows of the embedding per task of an update. */
#define ROWS_PER_TASK 64

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

/* The copies of the weights that passes of mixed precision multiply with; NULL in single. */
static const network_copies *
copies_of(const trainer *trainer)
{
	return trainer->options.precision == TRAINER_MIXED ? &trainer->network->copies : NULL;
}

/* Worker thread: one of the copies. */
static void
refresh_copy(void *context, size_t index)
{
	trainer *trainer = context;
	network_trainer *network = trainer->network;

	network_copies_refresh(&network->copies, network->dense, index);
}

/* Bytes that a shard takes from its lane. */
static size_t
shard_room(const network_layout *layout, const trainer_options *options, const nn_packed *batch,
		   const network_copies *copies)
{
	size_t texts = batch->sequences;
	size_t masks = (size_t) options->dropout_samples;
	network_dropout dropout = { .pooled_masks = masks, .copies = copies };

	return network_workspace(layout, batch, &dropout) +
		   2 * nn_arena_room(masks * texts * layout->labels, sizeof(real)) +
		   nn_arena_room(texts * layout->labels, sizeof(real)) +
		   2 * nn_arena_room(texts, sizeof(real)) + 2 * nn_arena_room(texts, sizeof(uint32_t)) +
		   nn_arena_room(batch->distinct * layout->embedding, sizeof(real));
}

uint64_t
trainer_batch_memory(const network_layout *layout, const trainer_options *options, size_t longest,
					 uint64_t rows, uint64_t dev_rows, int threads)
{
	static const network_copies any;
	const network_copies *copies = options->precision == TRAINER_MIXED ? &any : NULL;
	bool bags = layout->rows > layout->vocabulary;
	size_t size = (size_t) options->batch_size, shard_size = (size_t) options->shard_size;
	size_t shards = (size + shard_size - 1) / shard_size;
	nn_packed batch = { .sequences = (size + shards - 1) / shards, .steps = longest };
	uint64_t room, merged;

	/* its texts are about as many tokens as those of the other shards */
	batch.rows = (size_t) (rows / shards) + longest;
	if (batch.rows > rows)
		batch.rows = (size_t) rows;
	batch.distinct = bags || batch.rows < layout->vocabulary ? batch.rows : layout->vocabulary;
	room = shard_room(layout, options, &batch, copies);
	/* lanes grow by an eighth more than they need */
	room += room / 8 + sizeof(uint32_t) * (layout->vocabulary + batch.rows + batch.distinct);
	/* rows of the embedding: a word has some twenty n-grams */
	merged = shards * batch.distinct * (bags ? 20 : 1);
	return shards * room + merged * (sizeof(row_source) + 2 * sizeof(uint32_t)) +
		   (merged < layout->rows ? merged : layout->rows) * layout->embedding * sizeof(real) +
		   sequence_scorer_memory(layout, longest, dev_rows, threads);
}

/* Each shard takes every shards_used-th text, so that all have about as many tokens. */
static em_code
prepare_shard(trainer *trainer, size_t index, const uint32_t *numbers, size_t size,
			  em_status *status)
{
	network_trainer *network = trainer->network;
	const network_layout *layout = network->layout;
	shard *shard = &network->shards[index];
	size_t labels = layout->labels;
	size_t stride = network->shards_used;
	size_t texts = (size - index + stride - 1) / stride;
	real smoothing = (real) trainer->options.label_smoothing;
	nn_packed *batch = &shard->lane.packer.batch;
	size_t masks = (size_t) trainer->options.dropout_samples;
	size_t dim = layout->embedding;
	em_code code;

	for (size_t i = 0; i < texts; i++)
		network->chosen[i] = trainer->sequences[index + i * stride];
	code = nn_pack(&shard->lane.packer, network->chosen, texts, status);
	if (code != EM_OK)
		return code;

	code = lane_reserve(&shard->lane,
						shard_room(layout, &trainer->options, batch, copies_of(trainer)), status);
	if (code != EM_OK)
		return code;
	shard->logits = nn_arena_take(&shard->lane.arena, masks * texts * labels, sizeof(real));
	shard->d_logits = nn_arena_take(&shard->lane.arena, masks * texts * labels, sizeof(real));
	shard->targets = nn_arena_take(&shard->lane.arena, texts * labels, sizeof(real));
	shard->weights = nn_arena_take(&shard->lane.arena, texts, sizeof(real));
	shard->sample = nn_arena_take(&shard->lane.arena, texts, sizeof(uint32_t));
	shard->partner = NULL;
	if (trainer->options.mixup > 0)
	{
		shard->partner = nn_arena_take(&shard->lane.arena, texts, sizeof(uint32_t));
		shard->share = nn_arena_take(&shard->lane.arena, texts, sizeof(real));
	}
	shard->d_embedding =
		network->groups[TRAINER_GROUP_EMBEDDING].rate > 0
			? nn_arena_take(&shard->lane.arena, batch->distinct * dim, sizeof(real))
			: NULL;
	for (size_t b = 0; b < texts; b++)
	{
		size_t at = index + batch->order[b] * stride;

		shard->weights[b] = trainer->weights[at];
		shard->sample[b] = numbers[at];
		for (size_t label = 0; label < labels; label++)
			shard->targets[b * labels + label] =
				trainer->targets[at * labels + label] * (1 - smoothing) + smoothing / 2;
	}
	return EM_OK;
}

/* Draw each text's partner in its shard and their shares; mix targets and weights accordingly. */
static void
mix_texts(const trainer *trainer, shard *shard)
{
	size_t texts = shard->lane.packer.batch.sequences;
	size_t labels = trainer->network->layout->labels;
	real *plain = shard->d_logits; /* has room for either and is not needed yet */

	for (size_t b = 0; b < texts; b++)
	{
		nn_random_key key = { trainer->options.seed, NN_STREAM_MIXUP, trainer->pass,
							  shard->sample[b] };

		shard->partner[b] = nn_random_below(&key, 0, (uint32_t) texts);
		shard->share[b] = (real) nn_random_beta(&key, 1, trainer->options.mixup);
	}
	memcpy(plain, shard->targets, texts * labels * sizeof(real));
	nn_mix(texts, labels, shard->partner, shard->share, plain, shard->targets);
	memcpy(plain, shard->weights, texts * sizeof(real));
	nn_mix(texts, 1, shard->partner, shard->share, plain, shard->weights);
}

/* Worker thread: forward, loss, backward of one shard. */
static void
compute_shard(void *context, size_t index)
{
	trainer *trainer = context;
	network_trainer *network = trainer->network;
	const network_layout *layout = network->layout;
	shard *shard = &network->shards[network->wave + index];
	const nn_packed *batch = &shard->lane.packer.batch;
	network_weights weights = { network->embedding, network->dense };
	size_t masks = (size_t) trainer->options.dropout_samples;
	size_t cells = batch->sequences * layout->labels;
	network_dropout dropout = { .seed = trainer->options.seed,
								.epoch = trainer->pass,
								.sample = shard->sample,
								.pooled_masks = masks,
								.partner = shard->partner,
								.share = shard->share,
								.copies = copies_of(trainer) };

	if (shard->partner != NULL)
		mix_texts(trainer, shard);
	memset(shard->d_dense, 0, layout->dense * sizeof(real));
	if (shard->d_embedding != NULL)
		memset(shard->d_embedding, 0, batch->distinct * layout->embedding * sizeof(real));
	network_forward(layout, &weights, batch, &dropout, &shard->lane.arena, &shard->pass,
					shard->logits);
	shard->loss = 0;
	for (size_t i = 0; i < masks; i++)
		shard->loss += nn_loss_forward_backward(
			&trainer->loss, batch->sequences, layout->labels, shard->logits + i * cells,
			shard->targets, shard->weights, network->loss_scale / (double) masks,
			shard->d_logits + i * cells);
	network_backward(layout, &weights, batch, &shard->pass, shard->d_logits, &shard->lane.arena,
					 shard->d_dense, shard->d_embedding);
}

/* Visit what each distinct token of each shard gives to the rows of the embedding, in order. */
static void
list_sources(network_trainer *network)
{
	size_t dim = network->layout->embedding;

	for (size_t s = 0; s < network->shards_used; s++)
	{
		const shard *shard = &network->shards[s];
		const nn_packed *batch = &shard->lane.packer.batch;

		for (size_t u = 0; u < batch->distinct; u++)
		{
			const uint32_t *rows;
			size_t count = nn_token_rows(batch, u, &rows);
			row_source source = { shard->d_embedding + u * dim, 1 / (real) count };

			for (size_t i = 0; i < count; i++)
				network->sources[network->source_ends[network->slot[rows[i]] - 1]++] = source;
		}
	}
}

/*
 * Number the rows of the embedding that the whole batch touches and note what each will get from
 * whom: in the order of the shards and their tokens, so that sums do not depend on threads.
 */
static em_code
merge_tokens(trainer *trainer, em_status *status)
{
	network_trainer *network = trainer->network;
	const em_allocator *allocator = trainer->allocator;
	size_t total = 0;
	uint32_t begin = 0;

	network->merged = 0;
	if (network->groups[TRAINER_GROUP_EMBEDDING].rate == 0)
		return EM_OK;
	for (size_t s = 0; s < network->shards_used; s++)
	{
		const nn_packed *batch = &network->shards[s].lane.packer.batch;
		const uint32_t *rows;

		for (size_t u = 0; u < batch->distinct; u++)
			total += nn_token_rows(batch, u, &rows);
	}
	if (total > UINT32_MAX)
		return em_fail(status, EM_LIMIT, "a batch of %zu n-grams", total);
	if (!em_grow(allocator, (void **) &network->merged_ids, &network->merged_ids_capacity,
				 total + 1, sizeof(uint32_t)) ||
		!em_grow(allocator, (void **) &network->source_ends, &network->source_ends_capacity,
				 total + 1, sizeof(uint32_t)) ||
		!em_grow(allocator, (void **) &network->sources, &network->sources_capacity, total + 1,
				 sizeof(row_source)))
		return out_of_memory(status);
	for (size_t s = 0; s < network->shards_used; s++)
	{
		const nn_packed *batch = &network->shards[s].lane.packer.batch;

		for (size_t u = 0; u < batch->distinct; u++)
		{
			const uint32_t *rows;
			size_t count = nn_token_rows(batch, u, &rows);

			for (size_t i = 0; i < count; i++)
			{
				uint32_t *slot = &network->slot[rows[i]];

				if (*slot == 0)
				{
					network->source_ends[network->merged] = 0;
					network->merged_ids[network->merged++] = rows[i];
					*slot = (uint32_t) network->merged;
				}
				network->source_ends[*slot - 1]++;
			}
		}
	}
	for (size_t row = 0; row < network->merged; row++)
	{
		uint32_t count = network->source_ends[row];

		network->source_ends[row] = begin; /* list_sources moves it on to its end */
		begin += count;
	}
	list_sources(network);
	for (size_t row = 0; row < network->merged; row++)
		network->slot[network->merged_ids[row]] = 0;
	if (!em_grow(allocator, (void **) &network->d_rows, &network->d_rows_capacity,
				 network->merged * network->layout->embedding + 1, sizeof(real)))
		return out_of_memory(status);
	return EM_OK;
}

/* Tasks of an update: pieces of the dense weights, then rows of the embedding. */
static size_t
update_tasks(const network_trainer *network)
{
	return network->piece_count + (network->merged + ROWS_PER_TASK - 1) / ROWS_PER_TASK;
}

/* The rows of the embedding that task `index` looks after, counted from the first such task. */
static void
rows_of_task(const network_trainer *network, size_t index, size_t *first, size_t *end)
{
	*first = (index - network->piece_count) * ROWS_PER_TASK;
	*end = *first + ROWS_PER_TASK;
	if (*end > network->merged)
		*end = network->merged;
}

/* Worker thread: add the shards' gradients of one piece, in the order of the shards. */
static void
merge_gradients(void *context, size_t index)
{
	trainer *trainer = context;
	network_trainer *network = trainer->network;
	size_t used = network->shards_used;
	size_t dim = network->layout->embedding;
	size_t first, end;

	if (index < network->piece_count)
	{
		const dense_piece *piece = &network->pieces[index];
		real *sum = network->shards[0].d_dense + piece->offset;

		network->partial[index] = 0;
		if (network->groups[piece->group].rate == 0)
			return;
		for (size_t s = 1; s < used; s++)
			nn_axpy(piece->elements, 1, network->shards[s].d_dense + piece->offset, sum);
		network->partial[index] = nn_sum_of_squares(piece->elements, sum);
		return;
	}
	rows_of_task(network, index, &first, &end);
	memset(network->d_rows + first * dim, 0, (end - first) * dim * sizeof(real));
	for (size_t row = first; row < end; row++)
		for (size_t i = row > 0 ? network->source_ends[row - 1] : 0; i < network->source_ends[row];
			 i++)
			nn_axpy(dim, network->sources[i].share, network->sources[i].gradient,
					network->d_rows + row * dim);
	network->partial[index] = nn_sum_of_squares((end - first) * dim, network->d_rows + first * dim);
}

/* The update of a group's weights. */
static nn_adamw_step
group_update(const trainer *trainer, int group)
{
	const network_trainer *network = trainer->network;
	nn_adamw_step update = trainer->update;

	update.learning_rate *= (real) network->groups[group].rate;
	update.correction1 = (real) (1 - pow(TRAINER_BETA1, network->groups[group].updates));
	update.correction2 = (real) (1 - pow(TRAINER_BETA2, network->groups[group].updates));
	return update;
}

/* Worker thread: AdamW on one piece; rows of the embedding that the batch did not touch stay. */
static void
update_weights(void *context, size_t index)
{
	trainer *trainer = context;
	network_trainer *network = trainer->network;
	size_t dim = network->layout->embedding;
	nn_adamw_step update;
	size_t first, end;

	if (index < network->piece_count)
	{
		const dense_piece *piece = &network->pieces[index];

		if (network->groups[piece->group].rate == 0)
			return;
		update = group_update(trainer, piece->group);
		if (!piece->decay)
			update.weight_decay = 0;
		nn_adamw(piece->elements, &update, network->dense + piece->offset,
				 network->shards[0].d_dense + piece->offset, network->dense_m + piece->offset,
				 network->dense_v + piece->offset);
		trainer_average_dense(trainer, piece->offset, piece->elements);
		return;
	}
	update = group_update(trainer, TRAINER_GROUP_EMBEDDING);
	update.weight_decay = 0;
	rows_of_task(network, index, &first, &end);
	for (size_t row = first; row < end; row++)
	{
		uint32_t id = network->merged_ids[row];
		size_t at = id * dim;

		trainer_average_row(trainer, id, trainer->step - 1);
		nn_adamw(dim, &update, network->embedding + at, network->d_rows + row * dim,
				 network->embedding_m + at, network->embedding_v + at);
		trainer_average_row(trainer, id, trainer->step);
	}
}

/* Some known words of the batch, drawn by sample and position alone, are read as their n-grams. */
static em_code
read_as_bags(trainer *trainer, const uint32_t *numbers, size_t size, em_status *status)
{
	network_trainer *network = trainer->network;
	const nn_bags *bags = network->bags;
	const real rate = (real) network->layout->config.dropout_subword;
	uint32_t vocabulary = (uint32_t) network->layout->vocabulary;
	size_t tokens = 0;
	uint32_t *ids;

	for (size_t i = 0; i < size; i++)
		tokens += trainer->sequences[i].length;
	if (!em_grow(trainer->allocator, (void **) &network->read_ids, &network->read_ids_capacity,
				 tokens + 1, sizeof(uint32_t)))
		return out_of_memory(status);
	ids = network->read_ids;
	for (size_t i = 0; i < size; i++)
	{
		nn_sequence *sequence = &trainer->sequences[i];
		nn_random_key key = { trainer->options.seed, NN_STREAM_SUBWORD_DROPOUT, trainer->pass,
							  numbers[i] };

		for (uint32_t t = 0; t < sequence->length; t++)
		{
			uint32_t id = sequence->ids[t];

			if (id < vocabulary && bags->offset[id] < bags->offset[id + 1] &&
				nn_random_uniform(&key, t) < rate)
				id += vocabulary;
			ids[t] = id;
		}
		sequence->ids = ids;
		ids += sequence->length;
	}
	return EM_OK;
}

/* All shards forward and backward, some at a time, so that a large batch answers a cancel. */
static em_code
compute_shards(trainer *trainer, em_should_stop should_stop, void *stop_context, em_status *status)
{
	network_trainer *network = trainer->network;
	size_t threads = trainer->pool ? (size_t) nn_pool_threads(trainer->pool) : 1;
	size_t at_once = threads > WAVE_SHARDS ? threads : WAVE_SHARDS;

	if (copies_of(trainer) != NULL)
		nn_pool_run(trainer->pool, network_copies_tasks(&network->copies), refresh_copy, trainer);
	for (network->wave = 0; network->wave < network->shards_used; network->wave += at_once)
	{
		size_t left = network->shards_used - network->wave;

		if (network->wave > 0 && should_stop != NULL && should_stop(stop_context))
			return em_fail(status, EM_CANCELLED, "training was cancelled");
		nn_pool_run(trainer->pool, left < at_once ? left : at_once, compute_shard, trainer);
	}
	return EM_OK;
}

em_code
trainer_network_compute(trainer *trainer, const uint32_t *numbers, size_t size,
						em_should_stop should_stop, void *stop_context, double *loss, double *norm,
						em_status *status)
{
	network_trainer *network = trainer->network;
	size_t shard_size = (size_t) trainer->options.shard_size;
	size_t tasks;
	em_code code = EM_OK;

	trainer_set_rates(trainer);
	if (network->bags != NULL && network->layout->config.dropout_subword > 0)
		code = read_as_bags(trainer, numbers, size, status);
	network->shards_used = (size + shard_size - 1) / shard_size;
	network->loss_scale = 1 / ((double) size * (double) trainer->labels);
	for (size_t s = 0; code == EM_OK && s < network->shards_used; s++)
		code = prepare_shard(trainer, s, numbers, size, status);
	if (code == EM_OK)
		code = merge_tokens(trainer, status);
	if (code == EM_OK)
		code = compute_shards(trainer, should_stop, stop_context, status);
	if (code != EM_OK)
		return code;
	*loss = 0;
	for (size_t s = 0; s < network->shards_used; s++)
		*loss += network->shards[s].loss;

	tasks = update_tasks(network);
	if (!em_grow(trainer->allocator, (void **) &network->partial, &network->partial_capacity, tasks,
				 sizeof(double)))
		return out_of_memory(status);
	nn_pool_run(trainer->pool, tasks, merge_gradients, trainer);
	*norm = 0;
	for (size_t i = 0; i < tasks; i++)
		*norm += network->partial[i];
	*norm = sqrt(*norm);
	return EM_OK;
}

void
trainer_network_update(trainer *trainer)
{
	nn_pool_run(trainer->pool, update_tasks(trainer->network), update_weights, trainer);
}
