/*
 * network.h
 *	  The network of the family cnn_bilstm_attention: parameters, forward and
 *	  backward over one packed batch.
 *
 *	  tokens -> embedding (E) -> Conv1D 'same', several widths -> ReLU (F)
 *	         -> BiLSTM (2H) -> additive attention (A) -> linear -> logits (L)
 *
 * Letters used in shapes: B texts, N tokens of the batch in all, U distinct tokens among
 * them, V vocabulary, K buckets of n-grams, E, F, H, A, L as in config.h.
 *
 * Packed, time-major (as PyTorch's PackedSequence): texts sorted by falling
 * length; step t holds the tokens t of the active_t texts longer than t; row
 * (t, b) is offset_t + b. No row is padding.
 */
#ifndef EMOTION_MODEL_NETWORK_H
#define EMOTION_MODEL_NETWORK_H

#include "../nn/real.h"
#include "../nn/arena.h"
#include "../nn/bf16.h"
#include "../nn/packed.h"
#include "config.h"

/* The trained tensors besides the embedding, in the order of their place in memory. */
typedef enum network_tensor_kind
{
	TENSOR_CONV_WEIGHT,      /* (filters, width, E), one per kernel width: column j*E+e: offset j */
	TENSOR_CONV_BIAS,        /* (filters) */
	TENSOR_LSTM_INPUT,       /* (8H, F): forward i,f,g,o, then backward i,f,g,o */
	TENSOR_LSTM_RECURRENT,   /* (2, 4H, H) */
	TENSOR_LSTM_BIAS,        /* (8H): one bias; PyTorch's two summed */
	TENSOR_ATTENTION_WEIGHT, /* (A, 2H) */
	TENSOR_ATTENTION_BIAS,   /* (A) */
	TENSOR_ATTENTION_QUERY,  /* (A) */
	TENSOR_OUTPUT_WEIGHT,    /* (L, 2H) */
	TENSOR_OUTPUT_BIAS,      /* (L) */
} network_tensor_kind;

#define NETWORK_MAX_TENSORS (2 * OPTION_LIST_MAX + 8)

typedef struct network_tensor
{
	network_tensor_kind kind;
	char name[32]; /* its name in the model file, e.g. "conv.0.weight" */
	int rank;
	uint64_t shape[3];
	size_t offset; /* in elements, from the start of the dense parameters */
	size_t elements;
	bool decay; /* weight decay applies: matrices yes, biases no */
} network_tensor;

/* Sizes and places; derived from a configuration once. */
typedef struct network_layout
{
	model_config config;
	size_t vocabulary;                         /* V, the unknown word included */
	size_t buckets;                            /* K, of character n-grams */
	size_t rows;                               /* V + K: of the embedding, words first */
	size_t labels;                             /* L */
	size_t embedding, conv, hidden, attention; /* E, F (all widths), H, A */
	size_t tensor_count;
	network_tensor tensors[NETWORK_MAX_TENSORS];
	size_t dense; /* elements in all, the zeros between tensors (alignment) included */
} network_layout;

/* EM_LIMIT beyond 2^31 parameters; EM_INVALID_OPTION when model_config_check refuses config. */
em_code network_layout_init(network_layout *layout, const model_config *config, size_t vocabulary,
							size_t labels, em_status *status);

/* Weights as the network reads them; nobody here owns them. */
typedef struct network_weights
{
	const real *embedding; /* (V + K, E) */
	const real *dense;     /* (dense) */
} network_weights;

/*
 * Fill fresh weights: embedding uniform in +-0.1 (the unknown word and the n-grams zero), convolution, input,
 * attention and output matrices Glorot uniform, recurrent ones uniform in +-1/sqrt(H), biases 0 but the
 * forget gate's 1; output bias: the logit of the label's share, prior (L) in
 * 0..1, or NULL for 0. The gaps of the dense parameters are zeroed.
 */
void network_init(const network_layout *layout, uint64_t seed, const double *prior, real *embedding,
				  real *dense);

/* What a training pass needs to know about its texts, besides the batch. */
typedef struct network_dropout
{
	uint64_t seed;
	uint32_t epoch;
	const uint32_t *sample; /* (B), in the batch's order: names each text's random numbers */
	/*
	 * Masks S of the pooled vector, each with logits of its own (multi-sample dropout, Inoue 2019);
	 * 0 is as 1.
	 */
	size_t pooled_masks;
	/*
	 * (B) each: the text whose pooled vector is mixed into a text's own, and the own one's share
	 * (manifold mixup, Verma et al. 2019); NULL: none.
	 */
	const uint32_t *partner;
	const real *share;
	/* NULL, or: the pass is of mixed precision, with these copies of the weights (network_copies.h) */
	const struct network_copies *copies;
} network_dropout;

/* What a training pass of mixed precision keeps as bf16, and works in. */
typedef struct network_mixed_pass
{
	nn_bf16 *conv;     /* (N, F) after ReLU and dropout */
	nn_bf16 *gates;    /* (2, N, 4H) */
	nn_bf16 *c;        /* (2, N, H) */
	nn_bf16 *u;        /* (N, A) */
	nn_bf16 *windows;  /* (block, K E): the columns of some rows */
	real *window;      /* (K E) */
	real *block;       /* (block, K E, F or A) */
	real *block_conv;  /* (block, F) */
	nn_bf16 *h_before; /* (block, H) */
	real *step_gates;  /* (B, 4H) */
	real *step_c;      /* (B, H); so the next two */
	real *step_d_c;
	real *step_tanh;
	void *product; /* workspace */
} network_mixed_pass;

/* Everything a pass computes, in its arena; a backward pass reads it. */
typedef struct network_pass
{
	real *vectors;     /* (U, E) */
	real *spatial;     /* (B, E) dropout factors, NULL without; so the other masks */
	real *word;        /* (N) */
	real *columns;     /* (N, K E), K the widest kernel */
	real *conv;        /* (N, F) after ReLU and dropout */
	real *conv_mask;   /* (N, F) */
	real *gates;       /* (N, 8H) forward i,f,g,o, backward i,f,g,o */
	real *c;           /* (2, N, H) */
	real *tanh_c;      /* (2, N, H), NULL in inference */
	real *h;           /* (N, 2H), after dropout */
	real *h_kept;      /* (N, 2H) before dropout; h itself when there is none */
	real *h_mask;      /* (N, 2H) */
	real *u;           /* (N, A) */
	real *attention;   /* (N) */
	real *pooled;      /* (S, B, 2H) after dropout */
	real *pooled_mask; /* (S, B, 2H) */

	size_t pooled_masks;     /* S; 1 in inference */
	real *unmixed;           /* (B, 2H) pooled vectors before they are mixed */
	const uint32_t *partner; /* as in network_dropout; so the next two */
	const real *share;
	const struct network_copies *copies;

	network_mixed_pass mixed; /* in place of columns, conv, conv_mask, gates, c, tanh_c and u */
} network_pass;

/*
 * Bytes of arena that network_forward, and network_backward when training, take for such
 * a batch and dropout (NULL: inference), of which pooled_masks and copies alone matter.
 */
size_t network_workspace(const network_layout *layout, const nn_packed *batch,
						 const network_dropout *dropout);

/*
 * logits: (S, B, L) out, in the batch's order. A text without tokens has a zero
 * pooled vector. dropout NULL: inference, and *pass is of no use to a backward
 * pass. The arena must have room for network_workspace().
 */
void network_forward(const network_layout *layout, const network_weights *weights,
					 const nn_packed *batch, const network_dropout *dropout, nn_arena *arena,
					 network_pass *pass, real *logits);

/*
 * Gradients, added to what is there: d_dense (dense), d_embedding (U, E) for
 * the distinct tokens of the batch, or NULL when it is frozen. pass: from network_forward with dropout not
 * NULL, spoilt here; d_logits: (S, B, L).
 */
void network_backward(const network_layout *layout, const network_weights *weights,
					  const nn_packed *batch, network_pass *pass, const real *d_logits,
					  nn_arena *arena, real *d_dense, real *d_embedding);

#endif /* EMOTION_MODEL_NETWORK_H */
