/*
 * bags.c
 *	  Unknown words as lists of rows.
 */
#include "bags.h"

#include <string.h>

#include "../text/subword.h"

void
bag_list_init(bag_list *list, const em_allocator *allocator, const model_config *config,
			  uint32_t vocabulary)
{
	memset(list, 0, sizeof(*list));
	list->allocator = allocator;
	list->min_n = config->subword_min;
	list->max_n = config->subword_max;
	list->buckets = (uint32_t) config->subword_buckets;
	list->vocabulary = vocabulary;
}

void
bag_list_free(bag_list *list)
{
	if (list->allocator == NULL)
		return;
	em_release(list->allocator, list->offset);
	em_release(list->allocator, list->rows);
	memset(list, 0, sizeof(*list));
}

void
bag_list_clear(bag_list *list)
{
	list->bags.count = 0;
}

em_code
bag_list_add(bag_list *list, const char *word, size_t length, uint32_t *id, em_status *status)
{
	size_t count = list->bags.count;
	size_t used = count > 0 ? list->offset[count] : 0;
	/* an n-gram of each length begins at each byte, at most */
	size_t room = (length + 2) * (size_t) (list->max_n - list->min_n + 1);
	size_t found = 0;

	*id = TEXT_UNKNOWN_ID;
	if (room > UINT32_MAX - used || count + 1 > UINT32_MAX - list->vocabulary)
		return em_fail(status, EM_LIMIT, "the unknown words have more than %u n-grams", UINT32_MAX);
	if (!em_grow(list->allocator, (void **) &list->offset, &list->offset_capacity, count + 2,
				 sizeof(uint32_t)) ||
		!em_grow(list->allocator, (void **) &list->rows, &list->rows_capacity, used + room,
				 sizeof(uint32_t)))
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	if (length > 0)
		found = text_subwords(word, length, list->min_n, list->max_n, list->buckets,
							  list->rows + used, room);
	for (size_t i = used; i < used + found; i++)
		list->rows[i] += list->vocabulary;
	list->offset[count] = (uint32_t) used;
	list->offset[count + 1] = (uint32_t) (used + found);
	list->bags = (nn_bags){ count + 1, list->offset, list->rows };
	if (found > 0)
		*id = list->vocabulary + (uint32_t) count;
	return EM_OK;
}

em_code
bag_list_add_vocabulary(bag_list *list, const text_vocabulary *vocabulary, em_status *status)
{
	uint32_t id;
	em_code code = bag_list_add(list, "", 0, &id, status);

	for (uint32_t word = 1; code == EM_OK && word < text_vocabulary_size(vocabulary); word++)
	{
		em_slice bytes = text_vocabulary_word(vocabulary, word);

		code = bag_list_add(list, bytes.bytes, bytes.length, &id, status);
	}
	return code;
}

em_code
bag_list_add_unknown(bag_list *list, const text_word_counter *counter, uint32_t *map,
					 em_status *status)
{
	em_code code = EM_OK;

	for (uint32_t word = 0; code == EM_OK && word < text_word_counter_size(counter); word++)
		if (map[word] == TEXT_UNKNOWN_ID)
		{
			em_slice bytes = text_word_counter_word(counter, word);

			code = bag_list_add(list, bytes.bytes, bytes.length, &map[word], status);
		}
	return code;
}
