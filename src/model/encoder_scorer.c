/*
 * encoder_scorer.c
 *	  Texts -> ids of the BPE -> batches end to end -> scores.
 */
#include "encoder_scorer.h"

#include <stdatomic.h>
#include <string.h>

#include "../nn/activation.h"
#include "../nn/matmul.h"
#include "../nn/transformer.h"
#include "encoder_explain.h"
#include "grown.h"
#include "lane.h"

/* Additions and multiplications of a batch: some tenths of a second on one core. */
#define BATCH_WORK 3e10
#define BATCH_LEAST_ROWS 64
#define BATCH_TEXTS 256

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

/* Tokens of a batch, so that a cancel is answered within a second. */
static size_t
rows_at_once(const encoder_layout *layout)
{
	double cells = (double) layout->layers * (double) layout->hidden *
				   (4.0 * (double) layout->hidden + 2.0 * (double) layout->inner);
	double rows = BATCH_WORK / (2.0 * cells);

	return rows > ENCODER_BATCH_ROWS ? ENCODER_BATCH_ROWS
		   : rows < BATCH_LEAST_ROWS ? BATCH_LEAST_ROWS
									 : (size_t) rows;
}

em_code
encoder_scorer_create(const em_allocator *allocator, const encoder_model *model, nn_pool *pool,
					  encoder_scorer **out, em_status *status)
{
	encoder_scorer *made;
	em_code code = EM_OK;

	if (!model->head)
	{
		em_fail(status, EM_UNSUPPORTED, "the model is a base without a head: it does not score");
		em_hint(status, "Train a model from it, or import a checkpoint of "
						"RobertaForSequenceClassification.");
		return EM_UNSUPPORTED;
	}
	made = em_allocate_zeroed(allocator, 1, sizeof(*made));
	if (made == NULL)
		return out_of_memory(status);
	(void) nn_blas_load(NULL); /* our own kernels serve where there is none */
	made->allocator = allocator;
	made->model = model;
	made->pool = pool;
	made->batch_rows = rows_at_once(&model->layout);
	text_bpe_options_default(&made->reading);
	made->reading.max_length = (size_t) model->max_tokens;
	text_bpe_encoding_init(&made->encoding, allocator, model->tokenizer);
	text_tokens_init(&made->tokens, allocator);
	made->lane_count = pool != NULL ? (size_t) nn_pool_threads(pool) : 1;
	made->lanes = em_allocate_zeroed(allocator, made->lane_count, sizeof(encoder_lane));
	if (made->lanes == NULL)
		code = out_of_memory(status);
	for (size_t i = 0; code == EM_OK && i < made->lane_count; i++)
	{
		made->lanes[i].memory.allocator = allocator;
		code = encoder_batcher_init(&made->lanes[i].batcher, allocator, &model->layout, status);
	}
	if (code != EM_OK)
	{
		encoder_scorer_free(made);
		return code;
	}
	*out = made;
	return EM_OK;
}

void
encoder_scorer_free(encoder_scorer *scorer)
{
	if (scorer == NULL)
		return;
	for (size_t i = 0; scorer->lanes != NULL && i < scorer->lane_count; i++)
	{
		encoder_batcher_free(&scorer->lanes[i].batcher);
		em_release(scorer->allocator, scorer->lanes[i].memory.block);
	}
	text_bpe_encoding_free(&scorer->encoding);
	text_tokens_free(&scorer->tokens);
	em_release(scorer->allocator, scorer->lanes);
	em_release(scorer->allocator, scorer->ids);
	em_release(scorer->allocator, scorer->sequences);
	em_release(scorer->allocator, scorer->weight);
	em_release(scorer->allocator, scorer->influence);
	em_release(scorer->allocator, scorer->unit);
	em_release(scorer->allocator, scorer);
}

void
encoder_scorer_trim(encoder_scorer *scorer, size_t limit)
{
	size_t taken = TAKEN(scorer, ids) + TAKEN(scorer, sequences) + TAKEN(scorer, unit) +
				   TAKEN(scorer, weight) + TAKEN(scorer, influence) +
				   scorer->tokens.buffer_capacity;

	for (size_t i = 0; i < scorer->lane_count; i++)
		taken += scorer->lanes[i].memory.block_size;
	if (taken <= limit)
		return;
	for (size_t i = 0; i < scorer->lane_count; i++)
	{
		em_release(scorer->allocator, scorer->lanes[i].memory.block);
		scorer->lanes[i].memory.block = NULL;
		scorer->lanes[i].memory.block_size = 0;
	}
	text_tokens_free(&scorer->tokens);
	text_tokens_init(&scorer->tokens, scorer->allocator);
	GIVE_BACK(scorer, ids);
	GIVE_BACK(scorer, sequences);
	GIVE_BACK(scorer, unit);
	GIVE_BACK(scorer, weight);
	GIVE_BACK(scorer, influence);
}

/* scorer->sequences = the ids of n texts, in scorer->ids */
static em_code
tokenize_all(encoder_scorer *scorer, const em_slice *texts, size_t n, em_should_stop should_stop,
			 void *stop_context, em_status *status)
{
	size_t used = 0;

	if (!GROW(scorer, sequences, n + 1))
		return out_of_memory(status);
	for (size_t i = 0; i < n; i++)
	{
		em_code code;

		if (i % BATCH_TEXTS == 0 && should_stop != NULL && should_stop(stop_context))
			return em_fail(status, EM_CANCELLED, "scoring was cancelled");
		code = text_bpe_encode(&scorer->reading, texts[i].bytes, texts[i].length, &scorer->encoding,
							   status);
		if (code != EM_OK)
			return code;
		if (!GROW(scorer, ids, used + scorer->encoding.count + 1))
			return out_of_memory(status);
		memcpy(scorer->ids + used, scorer->encoding.ids, scorer->encoding.count * sizeof(uint32_t));
		scorer->sequences[i].length = (uint32_t) scorer->encoding.count;
		used += scorer->encoding.count;
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
encoder_lane_prepare(const encoder_layout *layout, encoder_lane *lane, const nn_sequence *sequences,
					 size_t count, const encoder_training *training, em_status *status)
{
	em_code code = encoder_batcher_fill(&lane->batcher, sequences, count, status);

	if (code == EM_OK)
		code = lane_reserve(&lane->memory,
							encoder_workspace(layout, &lane->batcher.batch, training) +
								nn_arena_room(count * layout->labels, sizeof(real)),
							status);
	if (code == EM_OK)
		lane->logits = nn_arena_take(&lane->memory.arena, count * layout->labels, sizeof(real));
	return code;
}

void
encoder_scorer_scores(const encoder_model *model, size_t texts, real *logits, float *scores)
{
	const size_t labels = model->layout.labels;

	if (model->outputs == ENCODER_SIGMOID)
		nn_sigmoid(texts * labels, logits, logits);
	else
		nn_softmax(texts, labels, 1, logits, labels);
	for (size_t i = 0; i < texts * labels; i++)
		scores[i] = (float) logits[i];
}

/* What the lanes compute. */
typedef struct run_context
{
	encoder_scorer *scorer;
	float *scores;   /* (n, L) or NULL */
	float *features; /* (n, D) or NULL */
	em_should_stop should_stop;
	void *stop_context;
	atomic_bool stopped;
} run_context;

static void
run_lane(void *context, size_t index)
{
	run_context *run = context;
	const encoder_model *model = run->scorer->model;
	const encoder_layout *layout = &model->layout;
	const encoder_weights weights =
		encoder_model_weights(model, run->should_stop, run->stop_context);
	encoder_lane *lane = &run->scorer->lanes[index];
	const encoder_batch *batch = &lane->batcher.batch;

	if (!encoder_forward(layout, &weights, batch, NULL, &lane->memory.arena, &lane->pass,
						 lane->logits))
	{
		run->stopped = true;
		return;
	}
	if (run->features != NULL)
		for (size_t i = 0; i < batch->texts * layout->hidden; i++)
			run->features[lane->first * layout->hidden + i] = (float) lane->pass.pooled[i];
	if (run->scores != NULL)
		encoder_scorer_scores(model, batch->texts, lane->logits,
							  run->scores + lane->first * layout->labels);
}

em_code
encoder_scorer_run(encoder_scorer *scorer, const em_slice *texts, size_t n, float *scores,
				   float *features, em_should_stop should_stop, void *stop_context,
				   em_status *status)
{
	run_context run = { scorer, scores, features,
						/* other threads may not ask */
						scorer->pool == NULL ? should_stop : NULL, stop_context, false };
	em_code code = tokenize_all(scorer, texts, n, should_stop, stop_context, status);
	size_t first = 0;

	while (code == EM_OK && first < n)
	{
		size_t used = 0;

		if (should_stop != NULL && should_stop(stop_context))
			return em_fail(status, EM_CANCELLED, "scoring was cancelled");
		for (; code == EM_OK && used < scorer->lane_count && first < n; used++)
		{
			size_t left = n - first < BATCH_TEXTS ? n - first : BATCH_TEXTS;
			size_t count = encoder_batch_take(scorer->sequences + first, left, scorer->batch_rows);

			scorer->lanes[used].first = first;
			code = encoder_lane_prepare(&scorer->model->layout, &scorer->lanes[used],
										scorer->sequences + first, count, NULL, status);
			first += count;
		}
		if (code == EM_OK)
			nn_pool_run(scorer->pool, used, run_lane, &run);
		if (run.stopped)
			code = em_fail(status, EM_CANCELLED, "scoring was cancelled");
	}
	return code;
}
