/*
 * samples.h
 *	  The texts and labels that a training reads over and over: token ids in
 *	  blocks, in memory up to a limit and beyond it wherever the caller puts them.
 *
 * The order of the samples does not depend on the order in which they were
 * added: samples_finish() sorts them by a hash of their content, so that the
 * same rows train the same network whatever a table scan does.
 */
#ifndef EMOTION_MODEL_SAMPLES_H
#define EMOTION_MODEL_SAMPLES_H

#include "../base.h"
#include "../nn/packed.h"
#include "../nn/real.h"
#include "../text/tokenizer.h"

/* Blocks of this size are what spills. A text and its labels must fit in one. */
#define SAMPLES_BLOCK_BYTES (1024 * 1024)

/*
 * Where blocks go beyond the memory limit: write stores one at the given number (0, 1, ... in
 * order), read copies a piece of one back. false: it failed, and the caller knows why (either may
 * also leave by longjmp; the samples hold nothing but memory of their allocator).
 */
typedef struct samples_spill
{
	bool (*write)(void *context, size_t block, const void *bytes);
	bool (*read)(void *context, size_t block, size_t offset, void *bytes, size_t length);
	void *context;
} samples_spill;

typedef struct samples samples;

/* memory_limit: bytes of blocks kept in memory when there is a spill (NULL: all are). */
em_code samples_create(const em_allocator *allocator, size_t labels, size_t memory_limit,
					   const samples_spill *spill, samples **out, em_status *status);
void samples_free(samples *samples);

/* A hash of a text's tokens and labels (64 bits of FNV-1a over both, mixed). */
uint64_t samples_hash(const text_tokens *tokens, const uint16_t *labels, size_t label_count);

/* The same of a text that is ids. */
uint64_t samples_hash_ids(const uint32_t *ids, size_t count, const uint16_t *labels,
						  size_t label_count);

/*
 * Add one: its token ids, the indices of its labels, its weight. EM_LIMIT when it does not fit
 * in a block.
 */
em_code samples_add(samples *samples, const uint32_t *ids, size_t length, const uint16_t *labels,
					size_t label_count, float weight, uint64_t hash, em_status *status);

/*
 * Add one that has targets (L), each in 0..1, in place of labels; they are kept to within 1/131070.
 * hash must tell the targets, or where they come from, apart as well.
 */
em_code samples_add_soft(samples *samples, const uint32_t *ids, size_t length, const float *targets,
						 float weight, uint64_t hash, em_status *status);

/*
 * No more are added: settle the order. remap: NULL, or what each id given to samples_add
 * is to be read as; copied by reference, it must outlive the samples.
 */
em_code samples_finish(samples *samples, const uint32_t *remap, em_status *status);

/*
 * Masking turns texts without labels into something to predict (Devlin et al. 2019; with chosen
 * words, Felbo et al. 2017): of the occurrences of words that stand for a label, a share `rate` is
 * hidden (the id becomes TEXT_UNKNOWN_ID) and sets that label; of the other words a share `noise` is
 * hidden for nothing, so that a hidden word does not give away that it was one of the chosen.
 */
typedef struct samples_masking
{
	size_t labels;           /* L, in place of what the samples were created with */
	const int32_t *label_of; /* (words) label of each id, -1: none; must outlive the samples */
	size_t words;            /* ids from here on stand for no label */
	double rate;             /* both in 0..1 */
	double noise;
	uint64_t seed;
} samples_masking;

/*
 * Mask what samples_read hands out from now on; after samples_finish, of samples without labels.
 * samples_label_counts become what one epoch is expected to set, rounded. should_stop (may be NULL):
 * EM_CANCELLED, and nothing is masked.
 */
em_code samples_mask(samples *samples, const samples_masking *masking, em_should_stop should_stop,
					 void *stop_context, em_status *status);

/* Names the masks to come; an epoch's are always the same. 0 in the beginning. */
void samples_set_epoch(samples *samples, uint32_t epoch);

size_t samples_count(const samples *samples);

/* EM_CANCELLED when should_stop (or NULL) says so: for loops over samples. */
em_code samples_go_on(em_should_stop should_stop, void *stop_context, em_status *status);

/* Tokens of sample i, in the settled order. */
uint32_t samples_length(const samples *samples, size_t i);

/* Tokens in all. */
uint64_t samples_tokens(const samples *samples);

/* How many samples bear each label: (L); soft targets count as their sum, rounded. */
const uint64_t *samples_label_counts(const samples *samples);

/* A hash of all samples in the settled order: what a resumed training compares. */
uint64_t samples_fingerprint(const samples *samples);

/*
 * Read n samples by number. sequences: (n) out, valid until the next call;
 * targets: (n, L) out, in 0..1, or NULL; weights: (n) out or NULL.
 */
em_code samples_read(samples *samples, const uint32_t *numbers, size_t n, nn_sequence *sequences,
					 real *targets, real *weights, em_status *status);

#endif /* EMOTION_MODEL_SAMPLES_H */
