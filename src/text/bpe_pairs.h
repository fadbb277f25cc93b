/*
 * bpe_pairs.h
 *	  Pairs of tokens that stand side by side, while merges are learned: how often each does, in which
 *	  pieces, and a queue of them. Private to the room.
 *
 * An entry of the queue is for the pieces in which its pair had come to stand when it was made; a pair
 * that comes to stand in more of them gets one more. Entries keep the count of that time until they come
 * to the front: what Hugging Face's trainer does, and what its merges depend on.
 */
#ifndef EMOTION_TEXT_BPE_PAIRS_H
#define EMOTION_TEXT_BPE_PAIRS_H

#include "hash.h"

#include "../base.h"

typedef struct bpe_pair
{
	uint32_t left, right;
	int64_t count; /* not reduced by its own merge */
	uint32_t
		fresh;     /* place + 1 of the last piece in which it came to stand, not yet in the queue */
	uint32_t rank; /* the caller's */
} bpe_pair;

/* A piece in a list. */
typedef struct bpe_place
{
	uint32_t piece;
	uint32_t next; /* place + 1, or 0 */
} bpe_place;

typedef struct bpe_queue_entry
{
	int64_t count; /* when it was last looked at */
	uint32_t pair;
	uint32_t places; /* place + 1 */
} bpe_queue_entry;

typedef struct bpe_pairs
{
	const em_allocator *allocator;
	em_should_stop should_stop; /* may be NULL */
	void *context;
	em_status *status; /* of all failures: EM_OUT_OF_MEMORY, EM_LIMIT, EM_CANCELLED */
	size_t work;       /* since should_stop was asked */

	bpe_pair *pairs;
	size_t count, capacity;
	hash_slot *slots; /* entry is pair + 1; at most half are taken */
	size_t slot_count;

	bpe_place *places;
	size_t place_count, place_capacity;
	uint32_t free_places; /* place + 1 */

	uint32_t *fresh; /* pairs with fresh places */
	size_t fresh_count, fresh_capacity;

	bpe_queue_entry *queue;
	size_t queue_count, queue_capacity;
} bpe_pairs;

void bpe_pairs_free(bpe_pairs *pairs);

/*
 * The pair stands so much more, or less, often, in a piece. All changes in a piece are told of before
 * those in another.
 */
em_code bpe_pairs_change(bpe_pairs *pairs, uint32_t left, uint32_t right, int64_t change,
						 uint32_t piece);

/* Make entries for all pairs that came to stand somewhere. */
em_code bpe_pairs_enqueue(bpe_pairs *pairs);

/*
 * Take the entry of the highest count, of equal ones that of the lowest ids, the left first; false
 * when the queue is empty.
 */
em_code bpe_pairs_take(bpe_pairs *pairs, bpe_queue_entry *entry, bool *taken);

/* Release an entry's list. */
void bpe_pairs_release(bpe_pairs *pairs, uint32_t places);

/* To be called for every step of some work: asks should_stop now and then. */
em_code bpe_pairs_stop_if_asked(bpe_pairs *pairs, size_t work);

#endif /* EMOTION_TEXT_BPE_PAIRS_H */
