/*
 * encoder.h
 *	  The network of the family roberta: parameters, forward and backward over one batch.
 *
 *	  tokens -> word + position + type embedding -> LayerNorm (D)
 *	         -> layers: attention, + , LayerNorm, linear (I), GELU, linear, +, LayerNorm
 *	         -> <s> of each text -> dense, tanh (D) -> out_proj -> logits (L)
 *
 * Letters used in shapes: B texts, N tokens of the batch in all, U distinct tokens among
 * them, V, D, A, I, P as in encoder_config.h, H = D / A numbers per head, L labels, K types.
 *
 * A head reads <s> alone, so the last layer computes keys and values of all tokens, and all else
 * of the first token of each text only, forward and backward.
 */
#ifndef EMOTION_MODEL_ENCODER_H
#define EMOTION_MODEL_ENCODER_H

#include "../nn/arena.h"
#include "../nn/real.h"
#include "encoder_batch.h"
#include "encoder_config.h"

/*
 * A weight of larger magnitude is refused by who reads a file: with it, no shape that options allow
 * overflows a float on the way to a score (the largest number is LayerNorm's sum of squares behind
 * the second linear layer: D (I D sqrt(D) W^3)^2).
 */
#define ENCODER_MAX_WEIGHT 256.0f

/* Tensors of one layer, in the order of their place in memory. */
typedef enum encoder_layer_tensor
{
	/* side by side: one matrix (3D, D), one bias (3D) */
	ENCODER_QUERY_WEIGHT,
	ENCODER_KEY_WEIGHT,
	ENCODER_VALUE_WEIGHT,
	ENCODER_QUERY_BIAS,
	ENCODER_KEY_BIAS,
	ENCODER_VALUE_BIAS,
	ENCODER_CONTEXT_WEIGHT, /* (D, D) attention.output.dense */
	ENCODER_CONTEXT_BIAS,   /* (D) */
	ENCODER_CONTEXT_SCALE,  /* (D) attention.output.LayerNorm.weight */
	ENCODER_CONTEXT_SHIFT,  /* (D) attention.output.LayerNorm.bias */
	ENCODER_INNER_WEIGHT,   /* (I, D) intermediate.dense */
	ENCODER_INNER_BIAS,     /* (I) */
	ENCODER_OUTER_WEIGHT,   /* (D, I) output.dense */
	ENCODER_OUTER_BIAS,     /* (D) */
	ENCODER_OUTER_SCALE,    /* (D) output.LayerNorm.weight */
	ENCODER_OUTER_SHIFT,    /* (D) output.LayerNorm.bias */
	ENCODER_LAYER_TENSORS,
} encoder_layer_tensor;

typedef struct encoder_tensor
{
	char name[96]; /* Hugging Face's, e.g. "roberta.encoder.layer.0.output.dense.weight" */
	int rank;
	uint64_t shape[2];
	size_t offset; /* in elements, from the start of the weights */
	size_t elements;
	bool decay; /* weight decay applies: matrices and embeddings yes, biases and LayerNorm no */
	int stage;  /* 0: embeddings, 1 + l: layer l, layers + 1: the head */
	encoder_layer_tensor which; /* of layer l */
	bool rounded;               /* a model of 8 bits has it as bytes: encoder_int8.h */
} encoder_tensor;

/*
 * Sizes and places; derived from a configuration once. The weights are one block: the dense
 * parameters, then the word embedding. Offsets are in elements.
 */
typedef struct encoder_layout
{
	encoder_config config;
	size_t vocabulary, hidden, layers, heads, inner, labels; /* V, D, layers, A, I, L */
	size_t longest;                                          /* tokens of a text, at most */
	size_t first_position;                                   /* row of token 0 in the positions */

	size_t position, type, embedding_scale, embedding_shift; /* (P, D), (K, D), (D), (D) */
	size_t layer;                                            /* the first layer */
	size_t layer_place[ENCODER_LAYER_TENSORS];               /* of a tensor within its layer */
	size_t layer_stride;
	size_t head_weight, head_bias, output_weight, output_bias; /* (D, D), (D), (L, D), (L) */
	size_t dense; /* elements before the word embedding, the zeros for alignment included */
	size_t words; /* = dense: where (V, D) begins */
	size_t total; /* elements in all */
	size_t tensor_count;
	bool narrow; /* the block lacks the tensors that a model of 8 bits has as bytes */
} encoder_layout;

/* EM_LIMIT beyond 2^31 parameters; EM_INVALID_OPTION when encoder_config_check refuses config. */
em_code encoder_layout_init(encoder_layout *layout, const encoder_config *config, size_t labels,
							em_status *status);

/*
 * Make it that of weights without the tensors which a model of 8 bits has as bytes: all others move
 * together; those keep their shapes, but their places are empty.
 */
void encoder_layout_narrow(encoder_layout *layout);

/* The index-th tensor, in the order of their place; the word embedding is the last. */
void encoder_tensor_at(const encoder_layout *layout, size_t index, encoder_tensor *tensor);

/* Where a tensor of layer l begins. */
static inline size_t
encoder_place(const encoder_layout *layout, size_t l, encoder_layer_tensor tensor)
{
	return layout->layer + l * layout->layer_stride + layout->layer_place[tensor];
}

/*
 * Fill fresh weights as Hugging Face does: matrices and embeddings normal with deviation 0.02,
 * padding's rows, biases and LayerNorm's shifts 0, its scales 1; output bias: the logit of the
 * label's share, prior (L) in 0..1, or NULL for 0. Gaps are zeroed.
 */
void encoder_init(const encoder_layout *layout, uint64_t seed, const double *prior, real *weights);

/* The same for the head alone, on a base that is there. */
void encoder_init_head(const encoder_layout *layout, uint64_t seed, const double *prior,
					   real *weights);

/* Weights as the network reads them; nobody here owns them. And who may end a pass. */
typedef struct encoder_weights
{
	const real *block;               /* (total) */
	const struct encoder_int8 *int8; /* NULL, or: the layers' matrices; then no backward pass */
	em_should_stop should_stop;      /* NULL, or: asked before each layer, by whoever computes */
	void *stop_context;
} encoder_weights;

/* What a training pass needs to know about its texts, besides the batch. */
typedef struct encoder_training
{
	uint64_t seed;
	uint32_t epoch;
	const uint32_t *sample; /* (B): names each text's random numbers */
	/*
	 * Stages that stand still, from below: 0 none, 1 the embeddings, 1 + n the lowest n layers too;
	 * their dropout goes on. At most layers + 1: all but the head.
	 */
	size_t frozen;
	bool mixed; /* matrix products of the layers round their factors to bf16, see nn/bf16.h */
} encoder_training;

/* What one layer keeps for the backward pass; M: N, in the last layer B. */
typedef struct encoder_layer_pass
{
	real *x;           /* (N, D) what comes in */
	real *first;       /* (M, D) its rows that ask: x itself but in the last layer */
	real *qkv;         /* (N, 3D); in the last layer the part of the queries is not used */
	real *query;       /* (M, D) of stride ld_query: within qkv but in the last layer */
	real *attention;   /* by text: softmax before dropout (A, T, T), in the last layer (A, 1, T) */
	real *context;     /* (M, D) */
	real *normal;      /* (M, D) LayerNorm before scale and shift */
	real *inverse;     /* (M) 1 / its deviation */
	real *middle;      /* (M, D) its output */
	real *inner;       /* (M, I) before GELU */
	real *out_normal;  /* (M, D) as above, of the second LayerNorm */
	real *out_inverse; /* (M) */
} encoder_layer_pass;

/* Everything a pass computes, in its arena; a backward pass reads it. */
typedef struct encoder_pass
{
	const encoder_training *training;             /* NULL: inference */
	encoder_layer_pass layer[ENCODER_MAX_LAYERS]; /* frozen ones share their memory */
	real *normal;       /* (N, D) of the embedding's LayerNorm; NULL unless it is trained */
	real *inverse;      /* (N) */
	real *wide;         /* (N, I) scratch */
	real *narrow;       /* (N, D) scratch */
	real *mask;         /* scratch; NULL in inference */
	void *product;      /* scratch of products in bf16; NULL unless training->mixed */
	real *pooled;       /* (B, D) <s> behind the last layer, after dropout */
	real *head;         /* (B, D) behind tanh */
	real *head_dropped; /* (B, D) after dropout */
	real *attention;    /* (N) the last layer's of <s>, mean over heads: 1 in sum for each text */
} encoder_pass;

/* Bytes of arena that encoder_forward, and encoder_backward when training, take for such a batch. */
size_t encoder_workspace(const encoder_layout *layout, const encoder_batch *batch,
						 const encoder_training *training);

/*
 * logits: (B, L) out. training NULL: inference, and *pass serves for `attention` only. The arena
 * must have room for encoder_workspace(). False when should_stop said so: then nothing is of use.
 */
bool encoder_forward(const encoder_layout *layout, const encoder_weights *weights,
					 const encoder_batch *batch, const encoder_training *training, nn_arena *arena,
					 encoder_pass *pass, real *logits);

/*
 * Gradients, added to what is there: d_dense (dense), d_words (U, D) for the distinct tokens of the
 * batch; those of frozen stages are not touched, d_words may be NULL then. pass: from encoder_forward with
 * training not NULL, spoilt here; d_logits: (B, L). False when should_stop said so: then the gradients
 * are of no use.
 */
bool encoder_backward(const encoder_layout *layout, const encoder_weights *weights,
					  const encoder_batch *batch, encoder_pass *pass, const real *d_logits,
					  nn_arena *arena, real *d_dense, real *d_words);

#endif /* EMOTION_MODEL_ENCODER_H */
