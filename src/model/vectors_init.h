/*
 * vectors_init.h
 *	  Word vectors as what the embedding of a network begins with.
 */
#ifndef EMOTION_MODEL_VECTORS_INIT_H
#define EMOTION_MODEL_VECTORS_INIT_H

#include "network.h"
#include "vectors.h"

/*
 * The words of `vocabulary` and behind them, of the first `count` words of the vectors, those that
 * are not among them and that a text with such options can hold as a word. Allocated; ids of the
 * former stay what they are.
 */
em_code vectors_add_words(const em_allocator *allocator, const vectors *vectors,
						  const text_options *options, uint32_t count,
						  const text_vocabulary *vocabulary, text_vocabulary **out,
						  em_status *status);

/*
 * Overwrite the rows of a fresh embedding (V + K, E), E = vectors->dim, that the vectors know
 * something about, all times one factor, which makes the root mean square of the words' numbers that
 * of fresh ones (0.1 / sqrt(3)):
 *
 * - a word: its vector (vectors_word);
 * - a bucket that n-grams of the vocabulary's words fall into: the mean, over those n-grams (each as
 *   often as it is there), of the vectors' rows for them; when there are none, or none of that
 *   length, of the vectors of the words that hold them;
 * - when both have the same number of buckets and the lengths overlap: any other bucket its row.
 *
 * Words without a vector stay as they are; *known: those with one. EM_INVALID_DATA when there are
 * none, or E differs, or the scaled numbers are not finite.
 */
em_code vectors_init_embedding(const em_allocator *allocator, const vectors *vectors,
							   const network_layout *layout, const text_vocabulary *vocabulary,
							   real *embedding, uint32_t *known, em_status *status);

#endif /* EMOTION_MODEL_VECTORS_INIT_H */
