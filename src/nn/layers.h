/*
 * layers.h
 *	  Forward and backward of each layer: pure functions over pointers and sizes.
 *
 * Outputs come first among what is written; a gradient bears the name of what it
 * is the gradient of, with d_ before it. Gradients of weights are added to what
 * is there, gradients of activations overwrite unless stated. Shapes use the
 * letters of packed.h: B sequences, N rows, U distinct tokens, T steps.
 */
#ifndef EMOTION_NN_LAYERS_H
#define EMOTION_NN_LAYERS_H

#include "packed.h"
#include "real.h"

/* Embedding look-up: vectors (U, E) = the rows ids of table (V, E). */
void nn_embedding(size_t distinct, size_t dim, const uint32_t *ids, const real *table,
				  real *vectors);

/*
 * Windows for Conv1D 'same', stride 1: columns (N, width * E), block j of row
 * (t, b) being the vector of token t + j - (width - 1) / 2 of its sequence, zero
 * outside. spatial: (B, E) or NULL, word: (N) or NULL: factors on every vector
 * (dropout). A narrower convolution reads its blocks out of the same columns.
 */
void nn_windows(const nn_packed *batch, size_t width, size_t dim, const real *vectors,
				const real *spatial, const real *word, real *columns);

/* Backward of nn_windows: d_vectors (U, E) += . */
void nn_windows_backward(const nn_packed *batch, size_t width, size_t dim, const real *d_columns,
						 const real *spatial, const real *word, real *d_vectors);

/*
 * y (N, O) stride ld_y = x (N, I) stride ld_x times weight (O, I) transposed, + bias (O, or
 * NULL). weight is contiguous.
 */
void nn_linear(size_t rows, size_t in, size_t out, const real *x, size_t ld_x, const real *weight,
			   const real *bias, real *y, size_t ld_y);

/*
 * Backward of nn_linear. d_weight, d_bias: +=. d_x: NULL, or overwritten
 * (accumulate false) or added to.
 */
void nn_linear_backward(size_t rows, size_t in, size_t out, const real *x, size_t ld_x,
						const real *weight, const real *d_y, size_t ld_dy, real *d_weight,
						real *d_bias, real *d_x, size_t ld_dx, bool accumulate);

/*
 * One direction of an LSTM over a packed batch, no bias of its own:
 *
 *	  i,f,o = sigmoid, g = tanh of the four quarters of (gates + h' weight^T)
 *	  c = f c' + i g,  h = o tanh(c)
 *
 * backward false: c', h' are those of the step before; true: of the step after,
 * so that each sequence is read from its last valid element.
 * gates: (N, 4H) stride ld_gates; in: input part, bias included; out: the
 * activations. weight: (4H, H). c: (N, H) out. tanh_c: (N, H) out or NULL when no
 * backward pass follows. h: (N, H) stride ld_h out.
 */
void nn_lstm(const nn_packed *batch, size_t hidden, bool backward, const real *weight, real *gates,
			 size_t ld_gates, real *c, real *tanh_c, real *h, size_t ld_h);

/*
 * Backward of nn_lstm. gates in: as nn_lstm left them, out: gradients of the pre-activations.
 * d_h: (N, H) stride ld_h, in: the gradient from above, out: spoilt. scratch:
 * (N + B) * H. d_weight: (4H, H) +=.
 */
void nn_lstm_backward(const nn_packed *batch, size_t hidden, bool backward, const real *weight,
					  real *gates, size_t ld_gates, const real *c, const real *tanh_c,
					  const real *h, real *d_h, size_t ld_h, real *scratch, real *d_weight);

/*
 * Additive attention pooling (Bahdanau 2015) over the valid part:
 *
 *	  u = tanh(x weight^T + bias),  a = softmax over t of u . query,  pooled = sum of a x
 *
 * x: (N, D); weight: (A, D); u: (N, A) out; attention: (N) out, 1 in sum for
 * each sequence; pooled: (B, D) out, zero for an empty sequence.
 */
void nn_attention(const nn_packed *batch, size_t dim, size_t attention_dim, const real *x,
				  const real *weight, const real *bias, const real *query, real *u, real *attention,
				  real *pooled);

/*
 * Backward of nn_attention. u: in as left, out: spoilt. scratch: N. d_x: (N, D)
 * overwritten; d_weight, d_bias, d_query: +=.
 */
void nn_attention_backward(const nn_packed *batch, size_t dim, size_t attention_dim, const real *x,
						   const real *weight, const real *query, real *u, const real *attention,
						   const real *d_pooled, real *scratch, real *d_x, real *d_weight,
						   real *d_bias, real *d_query);

/*
 * Rows mixed with others of them: y_r = share_r x_r + (1 - share_r) x_partner(r). x, y: (B, D) apart;
 * partner: (B) below B; share: (B).
 */
void nn_mix(size_t rows, size_t dim, const uint32_t *partner, const real *share, const real *x,
			real *y);

/* Backward of nn_mix. d_x: (B, D) overwritten. */
void nn_mix_backward(size_t rows, size_t dim, const uint32_t *partner, const real *share,
					 const real *d_y, real *d_x);

#endif /* EMOTION_NN_LAYERS_H */
