/*
 * encoder_internal.h
 *	  What the encoder's files share: encoder.c (forward), encoder_backward.c, encoder_linear.c.
 */
#ifndef EMOTION_MODEL_ENCODER_INTERNAL_H
#define EMOTION_MODEL_ENCODER_INTERNAL_H

#include "../nn/transformer.h"
#include "encoder.h"

/* Where dropout is applied; each has random numbers of its own in every stage. */
typedef enum encoder_dropout
{
	ENCODER_DROP_EMBEDDING = 0,
	ENCODER_DROP_ATTENTION = 0, /* of a layer; so the next two */
	ENCODER_DROP_CONTEXT,
	ENCODER_DROP_OUTER,
	ENCODER_DROP_POOLED = 0, /* of the head; so the next */
	ENCODER_DROP_HEAD,
} encoder_dropout;

/*
 * `count` dropout factors of text b, from the stream NN_STREAM_ENCODER + 4 stage + where. They are
 * drawn again in the backward pass rather than kept.
 */
void encoder_mask(const encoder_training *training, size_t b, size_t stage, encoder_dropout where,
				  size_t count, double rate, real *mask);

/*
 * The same for the whole batch, into pass->mask: T or, when `firsts`, 1 row of `dim` numbers per text.
 * NULL in inference and where nothing is dropped.
 */
const real *encoder_masks(const encoder_pass *pass, const encoder_batch *batch, size_t stage,
						  encoder_dropout where, bool firsts, size_t dim, double rate);

/* Stage 0 is the embedding, 1 + l layer l. */
static inline bool
encoder_trains(const encoder_training *training, size_t stage)
{
	return training != NULL && stage >= training->frozen;
}

static inline bool
encoder_is_last(const encoder_layout *layout, size_t l)
{
	return l + 1 == layout->layers;
}

/* Sizes of the attention within text b of layer l. */
nn_heads encoder_heads(const encoder_layout *layout, const encoder_batch *batch,
					   const encoder_training *training, size_t l, size_t b);

/* The linear layers of a layer; in the last the queries are by themselves. */
typedef enum encoder_linear
{
	ENCODER_LINEAR_QKV,
	ENCODER_LINEAR_QUERY,
	ENCODER_LINEAR_KEY_VALUE,
	ENCODER_LINEAR_CONTEXT,
	ENCODER_LINEAR_INNER,
	ENCODER_LINEAR_OUTER,
	ENCODER_LINEARS,
} encoder_linear;

/* The weight (out, in) and the bias (out) of one. */
typedef struct encoder_linear_place
{
	size_t out, in;
	size_t weight, bias;
} encoder_linear_place;

encoder_linear_place encoder_linear_at(const encoder_layout *layout, size_t l,
									   encoder_linear which);

/* nn_linear and nn_linear_backward in the precision of the pass (encoder_linear.c). */
void encoder_linear_forward(const encoder_pass *pass, size_t rows, size_t in, size_t out,
							const real *x, const real *weight, const real *bias, real *y,
							size_t ld_y);
void encoder_linear_backward(const encoder_pass *pass, size_t rows, size_t in, size_t out,
							 const real *x, const real *weight, const real *d_y, size_t ld_dy,
							 real *d_weight, real *d_bias, real *d_x, bool accumulate);

/* Of the latter only d_x, overwritten. */
void encoder_linear_input(const encoder_pass *pass, size_t rows, size_t in, size_t out,
						  const real *weight, const real *d_y, real *d_x);

/* What a backward pass computes in, besides. */
typedef struct encoder_scratch
{
	real *d_first;   /* (B, D) */
	real *d_x;       /* (N, D) */
	real *d_qkv;     /* (N, 3D) */
	real *d_query;   /* (B, D) */
	real *d_context; /* (N, D) */
	real *cells;     /* (T, T) of the longest text */
} encoder_scratch;

/* Take it from the arena (NULL: only count); returns bytes. */
size_t encoder_take_scratch(const encoder_layout *layout, const encoder_batch *batch,
							nn_arena *arena, encoder_scratch *scratch);

#endif /* EMOTION_MODEL_ENCODER_INTERNAL_H */
