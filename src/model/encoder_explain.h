/*
 * encoder_explain.h
 *	  What encoder_scorer.c and encoder_explain.c share; private to the two.
 */
#ifndef EMOTION_MODEL_ENCODER_EXPLAIN_H
#define EMOTION_MODEL_ENCODER_EXPLAIN_H

#include "encoder_scorer.h"
#include "lane.h"

/* One thread's place: a batch, and the memory of its pass. */
typedef struct encoder_lane
{
	encoder_batcher batcher;
	lane memory; /* its arena alone */
	encoder_pass pass;
	real *logits; /* (B, L) */
	size_t first; /* the batch's first text among the caller's */
} encoder_lane;

/* Tokens of the BPE that share characters, first..last: what an explanation shows as one. */
typedef struct encoder_unit
{
	size_t first, last;
} encoder_unit;

struct encoder_scorer
{
	const em_allocator *allocator;
	const encoder_model *model;
	nn_pool *pool;
	size_t lane_count;
	encoder_lane *lanes;
	size_t batch_rows;
	text_bpe_options reading;
	text_bpe_encoding encoding;

	/* token ids of a call's texts, one after the other */
	uint32_t *ids;
	size_t ids_capacity;
	nn_sequence *sequences;
	size_t sequences_capacity;

	/* explanations */
	text_tokens tokens;
	encoder_unit *unit; /* (tokens.count) */
	size_t unit_capacity;
	float *weight;
	size_t weight_capacity;
	float *influence;
	size_t influence_capacity;
};

/* A batch of the sequences in the lane, and the memory that its pass takes. */
em_code encoder_lane_prepare(const encoder_layout *layout, encoder_lane *lane,
							 const nn_sequence *sequences, size_t count,
							 const encoder_training *training, em_status *status);

/* Scores (texts, L) from logits, which are spoilt. */
void encoder_scorer_scores(const encoder_model *model, size_t texts, real *logits, float *scores);

#endif /* EMOTION_MODEL_ENCODER_EXPLAIN_H */
