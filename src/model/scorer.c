/*
 * scorer.c
 *	  Texts -> token ids -> batches without padding -> scores.
 */
#include "scorer.h"

#include <string.h>

#include "../nn/activation.h"
#include "../nn/layers.h"
#include "bags.h"
#include "encoder_scorer.h"
#include "grown.h"
#include "lane.h"
#include "soft_targets.h"

/* A batch: enough rows for full-speed products, few enough to stay in cache and answer a cancel. */
#define BATCH_SEQUENCES 256
#define BATCH_ROWS 6144

struct scorer
{
	const em_allocator *allocator;
	const network_layout *layout;
	network_weights weights;
	const embedding_table *table; /* NULL: weights.embedding */
	nn_numbers numbers;
	const void *panels;                /* NULL: network_forward scores */
	const text_vocabulary *vocabulary; /* NULL: bare */
	nn_pool *pool;
	size_t lane_count;
	lane *lanes;
	struct lane_task *tasks; /* (lane_count) */
	text_tokens tokens;
	bag_list unknown; /* of a call's texts, when the network has n-grams */

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

	struct encoder_scorer
		*encoder; /* NULL: of another family; else nothing but allocator is used */

	/* of an ensemble, which uses only what stands from here and weight, influence */
	const model *ensemble; /* NULL: not one */
	struct scorer **members;
	bool alike; /* all members cut a text into the same tokens */
	float *member_scores;
	size_t member_scores_capacity;
};

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
	bag_list_init(&made->unknown, allocator, &layout->config, (uint32_t) layout->vocabulary);
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

static em_code
create_ensemble(const em_allocator *allocator, const model *model, nn_pool *pool, scorer **out,
				em_status *status)
{
	scorer *made = em_allocate_zeroed(allocator, 1, sizeof(scorer));
	em_code code = EM_OK;

	if (made == NULL)
		return out_of_memory(status);
	made->allocator = allocator;
	made->ensemble = model;
	made->alike = true;
	text_tokens_init(&made->tokens, allocator);
	made->members = em_allocate_zeroed(allocator, model->member_count, sizeof(scorer *));
	if (made->members == NULL)
		code = out_of_memory(status);
	for (size_t i = 0; code == EM_OK && i < model->member_count; i++)
	{
		code = scorer_create_on(allocator, model->members[i], pool, &made->members[i], status);
		made->alike = made->alike && model->members[i]->encoder == NULL &&
					  model_config_same_text(&model->members[0]->layout.config,
											 &model->members[i]->layout.config);
	}
	if (code != EM_OK)
	{
		scorer_free(made);
		return code;
	}
	*out = made;
	return EM_OK;
}

static em_code
create_encoder(const em_allocator *allocator, const model *model, nn_pool *pool, scorer **out,
			   em_status *status)
{
	scorer *made = em_allocate_zeroed(allocator, 1, sizeof(scorer));
	em_code code;

	if (made == NULL)
		return out_of_memory(status);
	made->allocator = allocator;
	text_tokens_init(&made->tokens, allocator);
	code = encoder_scorer_create(allocator, model->encoder, pool, &made->encoder, status);
	if (code != EM_OK)
	{
		scorer_free(made);
		return code;
	}
	*out = made;
	return EM_OK;
}

em_code
scorer_create_on(const em_allocator *allocator, const model *model, nn_pool *pool, scorer **out,
				 em_status *status)
{
	network_weights weights = { model->embedding, model->dense };
	em_code code;

	if (model->encoder != NULL)
		return create_encoder(allocator, model, pool, out, status);
	if (model->member_count > 0)
		return create_ensemble(allocator, model, pool, out, status);
	code = scorer_create_bare(allocator, &model->layout, weights, pool, out, status);
	if (code != EM_OK)
		return code;
	(*out)->vocabulary = model->vocabulary;
	(*out)->table = model->in_place ? &model->table : NULL;
	(*out)->numbers = model->numbers;
	(*out)->panels = model->panels;
	return EM_OK;
}

em_code
scorer_use_bags(scorer *scorer, const nn_bags *bags, em_status *status)
{
	em_code code = EM_OK;

	for (size_t i = 0; code == EM_OK && i < scorer->lane_count; i++)
		code = nn_packer_bags(&scorer->lanes[i].packer, bags, status);
	return code;
}

em_code
scorer_create(const em_allocator *allocator, const model *model, scorer **out, em_status *status)
{
	return scorer_create_on(allocator, model, NULL, out, status);
}

void
scorer_free(scorer *scorer)
{
	if (scorer == NULL)
		return;
	for (size_t i = 0; scorer->lanes != NULL && i < scorer->lane_count; i++)
		lane_free(&scorer->lanes[i]);
	text_tokens_free(&scorer->tokens);
	bag_list_free(&scorer->unknown);
	em_release(scorer->allocator, scorer->lanes);
	em_release(scorer->allocator, scorer->tasks);
	em_release(scorer->allocator, scorer->ids);
	em_release(scorer->allocator, scorer->sequences);
	em_release(scorer->allocator, scorer->order);
	em_release(scorer->allocator, scorer->count);
	em_release(scorer->allocator, scorer->weight);
	em_release(scorer->allocator, scorer->influence);
	for (size_t i = 0; scorer->members != NULL && i < scorer->ensemble->member_count; i++)
		scorer_free(scorer->members[i]);
	em_release(scorer->allocator, scorer->members);
	em_release(scorer->allocator, scorer->member_scores);
	encoder_scorer_free(scorer->encoder);
	em_release(scorer->allocator, scorer);
}

void
scorer_trim(scorer *scorer, size_t limit)
{
	const text_tokens *tokens = &scorer->tokens;
	const bag_list *unknown = &scorer->unknown;
	size_t taken = TAKEN(scorer, ids) + TAKEN(scorer, sequences) + TAKEN(scorer, order) +
				   TAKEN(scorer, count) + TAKEN(scorer, weight) + TAKEN(scorer, influence) +
				   TAKEN(scorer, member_scores) + tokens->buffer_capacity +
				   tokens->capacity * sizeof(*tokens->tokens) +
				   (unknown->offset_capacity + unknown->rows_capacity) * sizeof(uint32_t);

	for (size_t i = 0; scorer->ensemble != NULL && i < scorer->ensemble->member_count; i++)
		scorer_trim(scorer->members[i], limit / scorer->ensemble->member_count);
	if (scorer->encoder != NULL)
		encoder_scorer_trim(scorer->encoder, limit);
	for (size_t i = 0; i < scorer->lane_count; i++)
		taken += lane_taken(&scorer->lanes[i]);
	if (taken <= limit)
		return;
	for (size_t i = 0; i < scorer->lane_count; i++)
		lane_trim(&scorer->lanes[i]);
	text_tokens_free(&scorer->tokens);
	text_tokens_init(&scorer->tokens, scorer->allocator);
	if (scorer->layout != NULL)
	{
		bag_list_free(&scorer->unknown);
		bag_list_init(&scorer->unknown, scorer->allocator, &scorer->layout->config,
					  (uint32_t) scorer->layout->vocabulary);
	}
	GIVE_BACK(scorer, ids);
	GIVE_BACK(scorer, sequences);
	GIVE_BACK(scorer, order);
	GIVE_BACK(scorer, count);
	GIVE_BACK(scorer, weight);
	GIVE_BACK(scorer, influence);
	GIVE_BACK(scorer, member_scores);
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

/* Bytes that a task takes from its lane. */
static size_t
task_room(const scorer *scorer, const nn_packed *batch)
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
scorer_bare_memory(const network_layout *layout, size_t longest, uint64_t rows, int threads)
{
	const scorer bare = { .layout = layout };
	uint64_t at_once = BATCH_ROWS > longest ? BATCH_ROWS : longest;
	nn_packed batch = { .sequences = BATCH_SEQUENCES, .steps = longest };

	if (rows == 0)
		return 0;
	batch.rows = (size_t) (rows < at_once ? rows : at_once);
	batch.distinct = batch.rows;
	return (uint64_t) threads *
		   (task_room(&bare, &batch) + (layout->vocabulary + 2 * batch.rows) * sizeof(uint32_t));
}

/* Logits, pooled vectors and attention of a task's batch. */
static void
compute(const scorer *scorer, lane_task *task)
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
	code = lane_reserve(lane, task_room(scorer, &lane->packer.batch), status);
	if (code != EM_OK)
		return code;
	task->order = order;
	task->logits = nn_arena_take(&lane->arena, size * scorer->layout->labels, sizeof(real));
	if (scorer->panels == NULL)
		return EM_OK;
	task->vectors = nn_arena_take(
		&lane->arena, lane->packer.batch.distinct * scorer->layout->embedding, sizeof(real));
	task->pooled = nn_arena_take(&lane->arena, size * 2 * scorer->layout->hidden, sizeof(real));
	task->attention = nn_arena_take(&lane->arena, lane->packer.batch.rows, sizeof(real));
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

/* Append the ids of scorer->tokens to scorer->ids, from `used` on; the first forgets all bags. */
static em_code
look_up(scorer *scorer, size_t used, em_status *status)
{
	const text_tokens *tokens = &scorer->tokens;
	bool bags = scorer->layout->buckets > 0;
	em_code code = EM_OK;

	if (!GROW(scorer, ids, used + tokens->count + 1))
		return out_of_memory(status);
	if (used == 0)
		bag_list_clear(&scorer->unknown);
	for (size_t i = 0; code == EM_OK && i < tokens->count; i++)
	{
		const char *word = tokens->buffer + tokens->tokens[i].normalized;
		size_t length = tokens->tokens[i].normalized_length;
		uint32_t *id = &scorer->ids[used + i];

		*id = text_vocabulary_find(scorer->vocabulary, word, length);
		if (*id == TEXT_UNKNOWN_ID && bags)
			code = bag_list_add(&scorer->unknown, word, length, id, status);
	}
	return code;
}

/* scorer->sequences = the token ids of n texts */
static em_code
tokenize_all(scorer *scorer, const em_slice *texts, size_t n, em_should_stop should_stop,
			 void *stop_context, em_status *status)
{
	size_t used = 0;

	if (!GROW(scorer, sequences, n))
		return out_of_memory(status);
	for (size_t i = 0; i < n; i++)
	{
		em_code code =
			text_tokenize_until(&scorer->layout->config.text, texts[i].bytes, texts[i].length,
								should_stop, stop_context, &scorer->tokens, status);

		if (code == EM_OK)
			code = look_up(scorer, used, status);
		if (code != EM_OK)
			return code;
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
	return scorer_use_bags(scorer, &scorer->unknown.bags, status);
}

/* scores (n, L) += those of one member. */
static void
add_member(const scorer *scorer, size_t member, size_t n, float *scores)
{
	const model *model = scorer->ensemble;

	soft_targets_add(n, model->layout.labels, scorer->member_scores,
					 model->member_place + member * model->layout.labels,
					 (double) model->member_weight[member], scores);
}

/* Weights that are rounded may sum to more than 1. */
static void
cap_scores(float *scores, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (scores[i] > 1)
			scores[i] = 1;
}

static em_code
run_members(scorer *scorer, const em_slice *texts, size_t n, float *scores,
			em_should_stop should_stop, void *stop_context, em_status *status)
{
	size_t cells = n * scorer->ensemble->layout.labels;
	em_code code = EM_OK;

	if (!GROW(scorer, member_scores, cells + 1))
		return out_of_memory(status);
	memset(scores, 0, cells * sizeof(float));
	for (size_t i = 0; code == EM_OK && i < scorer->ensemble->member_count; i++)
	{
		code = scorer_run(scorer->members[i], texts, n, scorer->member_scores, should_stop,
						  stop_context, status);
		if (code == EM_OK)
			add_member(scorer, i, n, scores);
	}
	cap_scores(scores, cells);
	return code;
}

em_code
scorer_run(scorer *scorer, const em_slice *texts, size_t n, float *scores,
		   em_should_stop should_stop, void *stop_context, em_status *status)
{
	run_context run = { scorer, scores, NULL };
	em_code code;

	if (scorer->ensemble != NULL)
		return run_members(scorer, texts, n, scores, should_stop, stop_context, status);
	if (scorer->encoder != NULL)
		return encoder_scorer_run(scorer->encoder, texts, n, scores, NULL, should_stop,
								  stop_context, status);
	code = tokenize_all(scorer, texts, n, should_stop, stop_context, status);
	if (code != EM_OK)
		return code;
	return run_all(&run, scorer->sequences, n, should_stop, stop_context, status);
}

em_code
scorer_features(scorer *scorer, const em_slice *texts, size_t n, float *features,
				em_should_stop should_stop, void *stop_context, em_status *status)
{
	run_context run = { scorer, NULL, features };
	em_code code;

	if (scorer->ensemble != NULL)
	{
		em_fail(status, EM_UNSUPPORTED, "an ensemble has no features of its own");
		em_hint(status, "Ask one of the models that it was made of.");
		return EM_UNSUPPORTED;
	}
	if (scorer->encoder != NULL)
		return encoder_scorer_run(scorer->encoder, texts, n, NULL, features, should_stop,
								  stop_context, status);
	code = tokenize_all(scorer, texts, n, should_stop, stop_context, status);
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

static em_code
explain_network(scorer *scorer, em_slice text, int label, float *scores, model_attention *attention,
				em_should_stop should_stop, void *stop_context, em_status *status)
{
	run_context run = { scorer, NULL, NULL };
	lane_task *task = &scorer->tasks[0];
	nn_sequence sequence;
	size_t count;
	real logit = 0;
	em_code code;

	code = text_tokenize_until(&scorer->layout->config.text, text.bytes, text.length, should_stop,
							   stop_context, &scorer->tokens, status);
	if (code != EM_OK)
		return code;
	count = scorer->tokens.count;
	code = look_up(scorer, 0, status);
	if (code == EM_OK)
		code = scorer_use_bags(scorer, &scorer->unknown.bags, status);
	if (code != EM_OK)
		return code;
	if (!GROW(scorer, order, 1) || !GROW(scorer, weight, count + 1))
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
		scorer->weight[i] = (float) task->attention[i];

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

/* The weighted means of what the members look at. */
static em_code
explain_members(scorer *scorer, em_slice text, int label, float *scores, model_attention *attention,
				em_should_stop should_stop, void *stop_context, em_status *status)
{
	const model *model = scorer->ensemble;
	size_t labels = model->layout.labels;

	if (!scorer->alike)
	{
		em_fail(status, EM_UNSUPPORTED,
				"the members of the ensemble cut texts into words differently");
		em_hint(status, "Ask one of the models that it was made of.");
		return EM_UNSUPPORTED;
	}
	if (!GROW(scorer, member_scores, labels))
		return out_of_memory(status);
	if (scores != NULL)
		memset(scores, 0, labels * sizeof(float));
	for (size_t m = 0; m < model->member_count; m++)
	{
		int own = label < 0 ? label : model->member_place[m * labels + (size_t) label];
		float weight = model->member_weight[m];
		model_attention part;
		em_code code =
			explain_network(scorer->members[m], text, own, scores ? scorer->member_scores : NULL,
							&part, should_stop, stop_context, status);

		if (code != EM_OK)
			return code;
		if (!GROW(scorer, weight, part.tokens->count + 1) ||
			!GROW(scorer, influence, part.tokens->count + 1))
			return out_of_memory(status);
		for (size_t i = 0; i < part.tokens->count; i++)
		{
			scorer->weight[i] = (m > 0 ? scorer->weight[i] : 0) + weight * part.weight[i];
			if (part.influence != NULL)
				scorer->influence[i] =
					(m > 0 ? scorer->influence[i] : 0) + weight * part.influence[i];
		}
		if (scores != NULL)
			add_member(scorer, m, 1, scores);
		attention->tokens = part.tokens;
	}
	if (scores != NULL)
		cap_scores(scores, labels);
	attention->weight = scorer->weight;
	attention->influence = label >= 0 ? scorer->influence : NULL;
	return EM_OK;
}

em_code
scorer_explain(scorer *scorer, em_slice text, int label, float *scores, model_attention *attention,
			   em_should_stop should_stop, void *stop_context, em_status *status)
{
	if (scorer->ensemble != NULL)
		return explain_members(scorer, text, label, scores, attention, should_stop, stop_context,
							   status);
	if (scorer->encoder != NULL)
		return encoder_scorer_explain(scorer->encoder, text, label, scores, attention, should_stop,
									  stop_context, status);
	return explain_network(scorer, text, label, scores, attention, should_stop, stop_context,
						   status);
}
