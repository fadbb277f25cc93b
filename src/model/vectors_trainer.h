/*
 * vectors_trainer.h
 *	  Training word vectors: skip-gram or CBOW with negative sampling and character n-grams
 *	  (Mikolov et al. 2013; Bojanowski et al. 2017), a slice of texts at a time.
 *
 *	  vectors_trainer_create (and perhaps vectors_trainer_load, vectors_trainer_resume)
 *	  while (!vectors_trainer_finished(t)) vectors_trainer_step(t)
 *	  vectors_trainer_finish
 *
 * The updates are fastText's: words are left out and negatives drawn with its probabilities (the
 * latter by the root of the count), windows shrink evenly, the rate falls evenly to 0 over the known
 * words of all epochs, and each pair sees the weights that the one before it left. What is done
 * once per word rather than once per pair is the sum over its n-grams and their update: between
 * two pairs of one word only the sum itself moves, by a known multiple of the change.
 *
 * Every draw depends on seed, epoch and text alone. With one thread so does the result, wherever
 * training was interrupted; several threads overwrite each other's updates now and then
 * (negative.h), and two runs differ a little, as fastText's do.
 */
#ifndef EMOTION_MODEL_VECTORS_TRAINER_H
#define EMOTION_MODEL_VECTORS_TRAINER_H

#include "../nn/pool.h"
#include "options.h"
#include "samples.h"
#include "vectors.h"

typedef enum vectors_model
{
	VECTORS_SKIPGRAM,
	VECTORS_CBOW,
} vectors_model;

typedef struct vectors_options
{
	int model; /* vectors_model */
	int dim;
	int window; /* words to either side, at most */
	int min_count;
	int negatives; /* per pair */
	int epochs;
	double learning_rate;
	double sampling; /* share of the text above which a word is left out now and then; 0: never */
	int min_n, max_n;
	int buckets;
	int max_words; /* 0: no limit */
	uint64_t seed;
} vectors_options;

extern const option_spec vectors_option_specs[];

void vectors_options_default(vectors_options *options);

/* Combinations that ranges alone do not catch: EM_INVALID_OPTION. */
em_code vectors_options_check(const vectors_options *options, em_status *status);

/* Bytes that a trainer takes for so many words, besides the texts and the words' n-grams. */
uint64_t vectors_trainer_memory(const vectors_options *options, uint32_t words);

typedef struct vectors_trainer vectors_trainer;

/*
 * texts: finished samples, whose ids are those of `words`; they, words and pool (NULL: one thread)
 * must outlive the trainer. EM_INVALID_DATA when there is no text of two known words.
 */
em_code vectors_trainer_create(const em_allocator *allocator, const vectors_options *options,
							   samples *texts, const text_vocabulary *words, nn_pool *pool,
							   em_should_stop should_stop, void *stop_context,
							   vectors_trainer **out, em_status *status);
void vectors_trainer_free(vectors_trainer *trainer);

/*
 * Train on the next texts, some tens of milliseconds' worth; ends with an epoch at the latest.
 * EM_INVALID_DATA ("training diverged") when the loss is not finite.
 */
em_code vectors_trainer_step(vectors_trainer *trainer, em_status *status);

bool vectors_trainer_finished(const vectors_trainer *trainer);

typedef struct vectors_progress
{
	int epoch;            /* epochs done */
	uint64_t words;       /* known words of an epoch */
	uint64_t words_done;  /* of the running epoch */
	uint64_t pairs;       /* trained on in the running epoch, or in the one just done */
	double loss;          /* mean per pair and output row, of the same */
	double learning_rate; /* as it is now */
} vectors_progress;

vectors_progress vectors_trainer_progress(const vectors_trainer *trainer);

/*
 * The state between two steps as so many bytes, of which save copies a piece out; the first piece
 * reads them all for a checksum.
 */
uint64_t vectors_trainer_state_size(const vectors_trainer *trainer);
void vectors_trainer_save(const vectors_trainer *trainer, uint64_t from, size_t length,
						  uint8_t *out);

/*
 * Continue from a state that a trainer with the same options and texts saved: load all its pieces
 * into a fresh trainer, then resume. EM_CORRUPT when it does not fit or has changed; the trainer
 * is of no use then.
 */
em_code vectors_trainer_load(vectors_trainer *trainer, uint64_t from, const uint8_t *bytes,
							 size_t length, em_status *status);
em_code vectors_trainer_resume(vectors_trainer *trainer, em_status *status);

/*
 * The vectors: the trainer's matrices become theirs, and the trainer can only be freed. Without
 * `words`, which the caller puts in.
 */
em_code vectors_trainer_finish(vectors_trainer *trainer, vectors **out, em_status *status);

#endif /* EMOTION_MODEL_VECTORS_TRAINER_H */
