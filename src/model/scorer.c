/*
 * scorer.c
 *	  Texts -> token ids -> batches without padding -> scores.
 */
#include "scorer.h"

#include <string.h>

#include "../nn/activation.h"
#include "lane.h"

/* A batch: enough rows for full-speed products, few enough to stay in cache and answer a cancel. */
#define BATCH_SEQUENCES 256
#define BATCH_ROWS 6144

struct scorer
{
	const em_allocator *allocator;
	const network_layout *layout;
	network_weights weights;
	const text_vocabulary *vocabulary; /* NULL: bare */
	nn_pool *pool;
	size_t lane_count;
	lane *lanes;
	struct lane_task *tasks; /* (lane_count) */
	text_tokens tokens;

	/* token ids of a call's texts, one after the other */
	uint32_t *ids;
	size_t ids_capacity;
	nn_sequence *sequences;
	size_t sequences_capacity;

	/* the texts by falling length */
	uint32_t *order;
	size_t order_capacity;
	uint32_t *count; /* by length */
	size_t count_capacity;

	/* explanations */
	float *weight;
	size_t weight_capacity;
	float *influence;
	size_t influence_capacity;
};

/* One lane's work: a packed batch and where its scores go. */
typedef struct lane_task
{
	lane *lane;
	const uint32_t *order; /* the batch's texts, numbers of the caller's */
	real *logits;          /* (B, L) */
	network_pass pass;
} lane_task;

#define GROW(scorer, array, wanted)                                                                \
	em_grow((scorer)->allocator, (void **) &(scorer)->array, &(scorer)->array##_capacity,          \
			(wanted), sizeof(*(scorer)->array))

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

em_code
scorer_create_bare(const em_allocator *allocator, const network_layout *layout,
				   network_weights weights, nn_pool *pool, scorer **out, em_status *status)
{
	scorer *made = em_allocate_zeroed(allocator, 1, sizeof(scorer));
	em_code code = EM_OK;

	if (made == NULL)
		return out_of_memory(status);
	made->allocator = allocator;
	made->layout = layout;
	made->weights = weights;
	made->pool = pool;
	made->lane_count = pool ? (size_t) nn_pool_threads(pool) : 1;
	text_tokens_init(&made->tokens, allocator);
	made->lanes = em_allocate_zeroed(allocator, made->lane_count, sizeof(lane));
	made->tasks = em_allocate_zeroed(allocator, made->lane_count, sizeof(lane_task));
	if (made->lanes == NULL || made->tasks == NULL)
		code = out_of_memory(status);
	for (size_t i = 0; code == EM_OK && i < made->lane_count; i++)
		code = lane_init(&made->lanes[i], allocator, layout->vocabulary, status);
	if (code != EM_OK)
	{
		scorer_free(made);
		return code;
	}
	*out = made;
	return EM_OK;
}

em_code
scorer_create(const em_allocator *allocator, const model *model, scorer **out, em_status *status)
{
	network_weights weights = { model->embedding, model->dense };
	em_code code = scorer_create_bare(allocator, &model->layout, weights, NULL, out, status);

	if (code == EM_OK)
		(*out)->vocabulary = model->vocabulary;
	return code;
}

void
scorer_free(scorer *scorer)
{
	if (scorer == NULL)
		return;
	for (size_t i = 0; scorer->lanes != NULL && i < scorer->lane_count; i++)
		lane_free(&scorer->lanes[i]);
	text_tokens_free(&scorer->tokens);
	em_release(scorer->allocator, scorer->lanes);
	em_release(scorer->allocator, scorer->tasks);
	em_release(scorer->allocator, scorer->ids);
	em_release(scorer->allocator, scorer->sequences);
	em_release(scorer->allocator, scorer->order);
	em_release(scorer->allocator, scorer->count);
	em_release(scorer->allocator, scorer->weight);
	em_release(scorer->allocator, scorer->influence);
	em_release(scorer->allocator, scorer);
}

/* scorer->order = the sequences by falling length (counting sort, stable) */
static em_code
sort_by_length(scorer *scorer, const nn_sequence *sequences, size_t n, em_status *status)
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
batch_size(const scorer *scorer, const nn_sequence *sequences, size_t first, size_t n)
{
	size_t rows = 0;
	size_t size = 0;

	while (first + size < n && size < BATCH_SEQUENCES)
	{
		rows += sequences[scorer->order[first + size]].length;
		if (size > 0 && rows > BATCH_ROWS)
			break;
		size++;
	}
	return size;
}

/* Pack `size` sorted texts into a lane and give it the memory its pass will take. */
static em_code
prepare_task(scorer *scorer, lane_task *task, const nn_sequence *sequences, const uint32_t *order,
			 size_t size, em_status *status)
{
	lane *lane = task->lane;
	nn_sequence chosen[BATCH_SEQUENCES];
	em_code code;

	for (size_t i = 0; i < size; i++)
		chosen[i] = sequences[order[i]];
	code = nn_pack(&lane->packer, chosen, size, status);
	if (code != EM_OK)
		return code;
	code = lane_reserve(lane,
						network_workspace(scorer->layout, &lane->packer.batch, NULL) +
							nn_arena_room(size * scorer->layout->labels, sizeof(real)),
						status);
	if (code != EM_OK)
		return code;
	task->order = order;
	task->logits = nn_arena_take(&lane->arena, size * scorer->layout->labels, sizeof(real));
	return EM_OK;
}

typedef struct run_context
{
	scorer *scorer;
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

	network_forward(run->scorer->layout, &run->scorer->weights, batch, NULL, &task->lane->arena,
					&task->pass, task->logits);
	if (run->features != NULL)
		for (size_t b = 0; b < batch->sequences; b++)
			for (size_t i = 0; i < width; i++)
				run->features[task->order[batch->order[b]] * width + i] =
					(float) task->pass.pooled[b * width + i];
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

/* All sequences, batch by batch. */
static em_code
run_all(run_context *run, const nn_sequence *sequences, size_t n, em_should_stop should_stop,
		void *stop_context, em_status *status)
{
	scorer *scorer = run->scorer;
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

			scorer->tasks[used].lane = &scorer->lanes[used];
			code = prepare_task(scorer, &scorer->tasks[used], sequences, scorer->order + first,
								size, status);
			if (code != EM_OK)
				return code;
			first += size;
		}
		nn_pool_run(scorer->pool, used, run_task, run);
	}
	return EM_OK;
}

em_code
scorer_run_ids(scorer *scorer, const nn_sequence *sequences, size_t n, float *scores,
			   em_should_stop should_stop, void *stop_context, em_status *status)
{
	run_context run = { scorer, scores, NULL };

	return run_all(&run, sequences, n, should_stop, stop_context, status);
}

/* Append the ids of scorer->tokens to scorer->ids, from `used` on. */
static bool
look_up(scorer *scorer, size_t used)
{
	const text_tokens *tokens = &scorer->tokens;

	if (!GROW(scorer, ids, used + tokens->count + 1))
		return false;
	for (size_t i = 0; i < tokens->count; i++)
		scorer->ids[used + i] =
			text_vocabulary_find(scorer->vocabulary, tokens->buffer + tokens->tokens[i].normalized,
								 tokens->tokens[i].normalized_length);
	return true;
}

/* scorer->sequences = the token ids of n texts */
static em_code
tokenize_all(scorer *scorer, const em_slice *texts, size_t n, em_status *status)
{
	size_t used = 0;

	if (!GROW(scorer, sequences, n))
		return out_of_memory(status);
	for (size_t i = 0; i < n; i++)
	{
		em_code code = text_tokenize(&scorer->layout->config.text, texts[i].bytes, texts[i].length,
									 &scorer->tokens, status);

		if (code != EM_OK)
			return code;
		if (!look_up(scorer, used))
			return out_of_memory(status);
		scorer->sequences[i].length = (uint32_t) scorer->tokens.count;
		used += scorer->tokens.count;
	}
	/* the ids stand still only now */
	used = 0;
	for (size_t i = 0; i < n; i++)
	{
		scorer->sequences[i].ids = scorer->ids + used;
		used += scorer->sequences[i].length;
	}
	return EM_OK;
}

em_code
scorer_run(scorer *scorer, const em_slice *texts, size_t n, float *scores,
		   em_should_stop should_stop, void *stop_context, em_status *status)
{
	run_context run = { scorer, scores, NULL };
	em_code code = tokenize_all(scorer, texts, n, status);

	if (code != EM_OK)
		return code;
	return run_all(&run, scorer->sequences, n, should_stop, stop_context, status);
}

em_code
scorer_features(scorer *scorer, const em_slice *texts, size_t n, float *features,
				em_should_stop should_stop, void *stop_context, em_status *status)
{
	run_context run = { scorer, NULL, features };
	em_code code = tokenize_all(scorer, texts, n, status);

	if (code != EM_OK)
		return code;
	return run_all(&run, scorer->sequences, n, should_stop, stop_context, status);
}

/*
 * Influence of each of the first `asked` tokens: the logit of `label` as it is
 * minus the logit with that token unknown, many texts with one token changed to a batch.
 */
static em_code
measure_influence(scorer *scorer, size_t count, int label, real logit, em_should_stop should_stop,
				  void *stop_context, em_status *status)
{
	size_t asked = count < SCORER_MAX_INFLUENCE ? count : SCORER_MAX_INFLUENCE;
	size_t at_once = count == 0 ? 1 : BATCH_ROWS / count;
	lane_task *task = &scorer->tasks[0];
	run_context run = { scorer, NULL, NULL };

	if (at_once < 1)
		at_once = 1;
	if (at_once > BATCH_SEQUENCES)
		at_once = BATCH_SEQUENCES;
	if (!GROW(scorer, influence, count + 1) || !GROW(scorer, ids, count * (at_once + 1) + 1) ||
		!GROW(scorer, sequences, at_once) || !GROW(scorer, order, at_once))
		return out_of_memory(status);
	memset(scorer->influence, 0, (count + 1) * sizeof(float));
	for (size_t first = 0; first < asked; first += at_once)
	{
		size_t size = asked - first < at_once ? asked - first : at_once;
		const nn_packed *batch;
		em_code code;

		if (should_stop != NULL && should_stop(stop_context))
			return em_fail(status, EM_CANCELLED, "scoring was cancelled");
		for (size_t i = 0; i < size; i++)
		{
			uint32_t *copy = scorer->ids + (i + 1) * count;

			memcpy(copy, scorer->ids, count * sizeof(uint32_t));
			copy[first + i] = TEXT_UNKNOWN_ID;
			scorer->sequences[i] = (nn_sequence){ copy, (uint32_t) count };
			scorer->order[i] = (uint32_t) i;
		}
		code = prepare_task(scorer, task, scorer->sequences, scorer->order, size, status);
		if (code != EM_OK)
			return code;
		run_task(&run, 0);
		batch = &task->lane->packer.batch;
		for (size_t b = 0; b < size; b++)
			scorer->influence[first + batch->order[b]] =
				(float) (logit - task->logits[b * scorer->layout->labels + (size_t) label]);
	}
	return EM_OK;
}

em_code
scorer_explain(scorer *scorer, em_slice text, int label, float *scores, model_attention *attention,
			   em_should_stop should_stop, void *stop_context, em_status *status)
{
	run_context run = { scorer, NULL, NULL };
	lane_task *task = &scorer->tasks[0];
	nn_sequence sequence;
	size_t count;
	real logit = 0;
	em_code code = text_tokenize(&scorer->layout->config.text, text.bytes, text.length,
								 &scorer->tokens, status);

	if (code != EM_OK)
		return code;
	count = scorer->tokens.count;
	if (!look_up(scorer, 0) || !GROW(scorer, order, 1) || !GROW(scorer, weight, count + 1))
		return out_of_memory(status);
	sequence = (nn_sequence){ scorer->ids, (uint32_t) count };
	scorer->order[0] = 0;
	task->lane = &scorer->lanes[0];
	code = prepare_task(scorer, task, &sequence, scorer->order, 1, status);
	if (code != EM_OK)
		return code;
	run_task(&run, 0);
	if (label >= 0)
		logit = task->logits[label];
	if (scores != NULL)
		for (size_t i = 0; i < scorer->layout->labels; i++)
		{
			real score;

			nn_sigmoid(1, &task->logits[i], &score);
			scores[i] = (float) score;
		}
	for (size_t i = 0; i < count; i++)
		scorer->weight[i] = (float) task->pass.attention[i];

	if (label >= 0)
	{
		code = measure_influence(scorer, count, label, logit, should_stop, stop_context, status);
		if (code != EM_OK)
			return code;
	}
	attention->tokens = &scorer->tokens;
	attention->weight = scorer->weight;
	attention->influence = label >= 0 ? scorer->influence : NULL;
	return EM_OK;
}
