/*
 * sequence_scorer.c
 *	  Token ids -> batches without padding -> scores.
 */
#include "sequence_scorer.h"

#include <string.h>

#include "../nn/activation.h"
#include "../nn/layers.h"
#include "grown.h"
#include "lane.h"

/* One lane's work: a packed batch and where its scores go. */
typedef struct lane_task
{
	lane *lane;
	const uint32_t *order; /* the batch's texts, numbers of the caller's */
	real *logits;          /* (B, L) */
	real *vectors;         /* (U, E), unless network_forward scores */
	real *pooled;          /* (B, 2H) */
	real *attention;       /* (N) */
} lane_task;

struct sequence_scorer
{
	const em_allocator *allocator;
	const network_layout *layout;
	network_weights weights;
	const embedding_table *table; /* NULL: weights.embedding */
	nn_numbers numbers;
	const void *panels; /* NULL: network_forward scores */
	nn_pool *pool;
	size_t lane_count;
	lane *lanes;
	lane_task *tasks; /* (lane_count) */

	/* the sequences by falling length */
	uint32_t *order;
	size_t order_capacity;
	uint32_t *count; /* by length */
	size_t count_capacity;
};

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

em_code
sequence_scorer_create(const em_allocator *allocator, const network_layout *layout,
					   network_weights weights, nn_pool *pool, sequence_scorer **out,
					   em_status *status)
{
	sequence_scorer *made = em_allocate_zeroed(allocator, 1, sizeof(*made));
	em_code code = EM_OK;

	if (made == NULL)
		return out_of_memory(status);
	made->allocator = allocator;
	made->layout = layout;
	made->weights = weights;
	made->pool = pool;
	made->lane_count = pool ? (size_t) nn_pool_threads(pool) : 1;
	made->lanes = em_allocate_zeroed(allocator, made->lane_count, sizeof(lane));
	made->tasks = em_allocate_zeroed(allocator, made->lane_count, sizeof(lane_task));
	if (made->lanes == NULL || made->tasks == NULL)
		code = out_of_memory(status);
	for (size_t i = 0; code == EM_OK && i < made->lane_count; i++)
	{
		made->tasks[i].lane = &made->lanes[i];
		code = lane_init(&made->lanes[i], allocator, layout->vocabulary, status);
	}
	if (code != EM_OK)
	{
		sequence_scorer_free(made);
		return code;
	}
	*out = made;
	return EM_OK;
}

em_code
sequence_scorer_create_model(const em_allocator *allocator, const model *model, nn_pool *pool,
							 sequence_scorer **out, em_status *status)
{
	network_weights weights = { model->embedding, model->dense };
	em_code code = sequence_scorer_create(allocator, &model->layout, weights, pool, out, status);

	if (code != EM_OK)
		return code;
	(*out)->table = model->in_place ? &model->table : NULL;
	(*out)->numbers = model->numbers;
	(*out)->panels = model->panels;
	return EM_OK;
}

void
sequence_scorer_free(sequence_scorer *scorer)
{
	if (scorer == NULL)
		return;
	for (size_t i = 0; scorer->lanes != NULL && i < scorer->lane_count; i++)
		lane_free(&scorer->lanes[i]);
	em_release(scorer->allocator, scorer->lanes);
	em_release(scorer->allocator, scorer->tasks);
	em_release(scorer->allocator, scorer->order);
	em_release(scorer->allocator, scorer->count);
	em_release(scorer->allocator, scorer);
}

size_t
sequence_scorer_taken(const sequence_scorer *scorer)
{
	size_t taken = TAKEN(scorer, order) + TAKEN(scorer, count);

	for (size_t i = 0; i < scorer->lane_count; i++)
		taken += lane_taken(&scorer->lanes[i]);
	return taken;
}

void
sequence_scorer_trim(sequence_scorer *scorer)
{
	for (size_t i = 0; i < scorer->lane_count; i++)
		lane_trim(&scorer->lanes[i]);
	GIVE_BACK(scorer, order);
	GIVE_BACK(scorer, count);
}

em_code
sequence_scorer_use_bags(sequence_scorer *scorer, const nn_bags *bags, em_status *status)
{
	em_code code = EM_OK;

	for (size_t i = 0; code == EM_OK && i < scorer->lane_count; i++)
		code = nn_packer_bags(&scorer->lanes[i].packer, bags, status);
	return code;
}

/* scorer->order = the sequences by falling length (counting sort, stable) */
static em_code
sort_by_length(sequence_scorer *scorer, const nn_sequence *sequences, size_t n, em_status *status)
{
	uint32_t longest = 0;
	uint32_t place = 0;

	for (size_t i = 0; i < n; i++)
		if (sequences[i].length > longest)
			longest = sequences[i].length;
	if (!GROW(scorer, order, n) || !GROW(scorer, count, (size_t) longest + 1))
		return out_of_memory(status);
	memset(scorer->count, 0, ((size_t) longest + 1) * sizeof(*scorer->count));
	for (size_t i = 0; i < n; i++)
		scorer->count[sequences[i].length]++;
	for (size_t length = (size_t) longest + 1; length-- > 0;)
	{
		uint32_t texts = scorer->count[length];

		scorer->count[length] = place;
		place += texts;
	}
	for (size_t i = 0; i < n; i++)
		scorer->order[scorer->count[sequences[i].length]++] = (uint32_t) i;
	return EM_OK;
}

/* How many of the sorted texts from `first` on make a batch. */
static size_t
batch_size(const sequence_scorer *scorer, const nn_sequence *sequences, size_t first, size_t n)
{
	size_t rows = 0;
	size_t size = 0;

	while (first + size < n && size < SEQUENCE_SCORER_TEXTS)
	{
		rows += sequences[scorer->order[first + size]].length;
		if (size > 0 && rows > SEQUENCE_SCORER_ROWS)
			break;
		size++;
	}
	return size;
}

/* Bytes that a task takes from its lane. */
static size_t
task_room(const sequence_scorer *scorer, const nn_packed *batch)
{
	const network_layout *layout = scorer->layout;
	size_t logits = nn_arena_room(batch->sequences * layout->labels, sizeof(real));

	if (scorer->panels == NULL)
		return logits + network_workspace(layout, batch, NULL);
	return logits + network_score_workspace(layout, scorer->numbers, batch) +
		   nn_arena_room(batch->distinct * layout->embedding, sizeof(real)) +
		   nn_arena_room(batch->sequences * 2 * layout->hidden, sizeof(real)) +
		   nn_arena_room(batch->rows, sizeof(real));
}

uint64_t
sequence_scorer_memory(const network_layout *layout, size_t longest, uint64_t rows, int threads)
{
	const sequence_scorer bare = { .layout = layout };
	uint64_t at_once = SEQUENCE_SCORER_ROWS > longest ? SEQUENCE_SCORER_ROWS : longest;
	nn_packed batch = { .sequences = SEQUENCE_SCORER_TEXTS, .steps = longest };

	if (rows == 0)
		return 0;
	batch.rows = (size_t) (rows < at_once ? rows : at_once);
	batch.distinct = batch.rows;
	return (uint64_t) threads *
		   (task_room(&bare, &batch) + (layout->vocabulary + 2 * batch.rows) * sizeof(uint32_t));
}

/* Logits, pooled vectors and attention of a task's batch. */
static void
compute(const sequence_scorer *scorer, lane_task *task)
{
	const network_layout *layout = scorer->layout;
	const nn_packed *batch = &task->lane->packer.batch;
	network_pass pass;

	if (scorer->panels == NULL)
	{
		network_forward(layout, &scorer->weights, batch, NULL, &task->lane->arena, &pass,
						task->logits);
		task->pooled = pass.pooled;
		task->attention = pass.attention;
		return;
	}
	if (scorer->table != NULL)
		embedding_gather(scorer->table, batch, task->vectors);
	else
		nn_embedding(batch, layout->embedding, scorer->weights.embedding, task->vectors);
	network_score(layout, scorer->numbers, scorer->panels, batch, task->vectors, &task->lane->arena,
				  task->logits, task->pooled, task->attention);
}

/* Pack sequences into a lane and give it the memory its pass will take. */
static em_code
prepare_task(const sequence_scorer *scorer, lane_task *task, const nn_sequence *sequences,
			 size_t size, em_status *status)
{
	const network_layout *layout = scorer->layout;
	lane *lane = task->lane;
	em_code code = nn_pack(&lane->packer, sequences, size, status);

	if (code != EM_OK)
		return code;
	code = lane_reserve(lane, task_room(scorer, &lane->packer.batch), status);
	if (code != EM_OK)
		return code;
	task->logits = nn_arena_take(&lane->arena, size * layout->labels, sizeof(real));
	if (scorer->panels == NULL)
		return EM_OK;
	task->vectors =
		nn_arena_take(&lane->arena, lane->packer.batch.distinct * layout->embedding, sizeof(real));
	task->pooled = nn_arena_take(&lane->arena, size * 2 * layout->hidden, sizeof(real));
	task->attention = nn_arena_take(&lane->arena, lane->packer.batch.rows, sizeof(real));
	return EM_OK;
}

typedef struct run_context
{
	sequence_scorer *scorer;
	float *scores;   /* (n, L) or NULL */
	float *features; /* (n, 2H) or NULL */
} run_context;

static void
run_task(void *context, size_t index)
{
	const run_context *run = context;
	lane_task *task = &run->scorer->tasks[index];
	const nn_packed *batch = &task->lane->packer.batch;
	size_t labels = run->scorer->layout->labels;
	size_t width = 2 * run->scorer->layout->hidden;

	compute(run->scorer, task);
	if (run->features != NULL)
		for (size_t b = 0; b < batch->sequences; b++)
			for (size_t i = 0; i < width; i++)
				run->features[task->order[batch->order[b]] * width + i] =
					(float) task->pooled[b * width + i];
	if (run->scores == NULL)
		return;
	nn_sigmoid(batch->sequences * labels, task->logits, task->logits);
	for (size_t b = 0; b < batch->sequences; b++)
	{
		float *scores = run->scores + task->order[batch->order[b]] * labels;

		for (size_t label = 0; label < labels; label++)
			scores[label] = (float) task->logits[b * labels + label];
	}
}

em_code
sequence_scorer_run(sequence_scorer *scorer, const nn_sequence *sequences, size_t n, float *scores,
					float *features, em_should_stop should_stop, void *stop_context,
					em_status *status)
{
	run_context run = { scorer, scores, features };
	nn_sequence chosen[SEQUENCE_SCORER_TEXTS];
	em_code code = sort_by_length(scorer, sequences, n, status);
	size_t first = 0;

	if (code != EM_OK)
		return code;
	while (first < n)
	{
		size_t used = 0;

		if (should_stop != NULL && should_stop(stop_context))
			return em_fail(status, EM_CANCELLED, "scoring was cancelled");
		for (; used < scorer->lane_count && first < n; used++)
		{
			size_t size = batch_size(scorer, sequences, first, n);

			for (size_t i = 0; i < size; i++)
				chosen[i] = sequences[scorer->order[first + i]];
			scorer->tasks[used].order = scorer->order + first;
			code = prepare_task(scorer, &scorer->tasks[used], chosen, size, status);
			if (code != EM_OK)
				return code;
			first += size;
		}
		nn_pool_run(scorer->pool, used, run_task, &run);
	}
	return EM_OK;
}

em_code
sequence_scorer_pass(sequence_scorer *scorer, const nn_sequence *sequences, size_t n,
					 sequence_scores *scores, em_status *status)
{
	lane_task *task = &scorer->tasks[0];
	em_code code = prepare_task(scorer, task, sequences, n, status);

	if (code != EM_OK)
		return code;
	compute(scorer, task);
	*scores = (sequence_scores){ task->lane->packer.batch.order, task->logits, task->attention };
	return EM_OK;
}
