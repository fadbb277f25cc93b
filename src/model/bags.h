/*
 * bags.h
 *	  Words that are not in the vocabulary, as the rows of their character n-grams: what nn_bags of
 *	  packed.h says, put together word by word.
 */
#ifndef EMOTION_MODEL_BAGS_H
#define EMOTION_MODEL_BAGS_H

#include "../nn/packed.h"
#include "../text/vocabulary.h"
#include "config.h"

typedef struct bag_list
{
	const em_allocator *allocator;
	int min_n, max_n;
	uint32_t buckets;
	uint32_t vocabulary; /* V: bucket k is row V + k, bag x is id V + x */
	uint32_t *offset;    /* (bags.count + 1) */
	size_t offset_capacity;
	uint32_t *rows;
	size_t rows_capacity;
	nn_bags bags; /* what is in the list: stands still, its pointers change as it grows */
} bag_list;

/* An empty list for words that such a network does not know. */
void bag_list_init(bag_list *list, const em_allocator *allocator, const model_config *config,
				   uint32_t vocabulary);
void bag_list_free(bag_list *list);
void bag_list_clear(bag_list *list);

/*
 * Append the bag of a word; *id: V + its number, or TEXT_UNKNOWN_ID when it has no n-grams (its bag
 * is then there, and empty). EM_LIMIT beyond 2^32 rows.
 */
em_code bag_list_add(bag_list *list, const char *word, size_t length, uint32_t *id,
					 em_status *status);

/*
 * What a training needs: bag w of every word w of the vocabulary (the unknown one's is empty), in an
 * empty list.
 */
em_code bag_list_add_vocabulary(bag_list *list, const text_vocabulary *vocabulary,
								em_status *status);

/*
 * The bags of the counted words that a map (see text_word_counter_map) says are unknown; the map
 * then has their ids.
 */
em_code bag_list_add_unknown(bag_list *list, const text_word_counter *counter, uint32_t *map,
							 em_status *status);

#endif /* EMOTION_MODEL_BAGS_H */
