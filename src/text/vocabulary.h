/*
 * vocabulary.h
 *	  Words <-> ids. Id 0 is the unknown word; ids 1.. follow the order given.
 */
#ifndef EMOTION_TEXT_VOCABULARY_H
#define EMOTION_TEXT_VOCABULARY_H

#include "../base.h"

#define TEXT_UNKNOWN_ID 0

typedef struct text_vocabulary text_vocabulary;

/*
 * Build from words separated by '\n' (no trailing '\n' needed; an empty input
 * is the empty vocabulary), the first getting id 1. The bytes are copied.
 * EM_CORRUPT for an empty or repeated word, or words made to collide in the hash table;
 * EM_LIMIT beyond 10,000,000 words or 4 GiB.
 */
em_code text_vocabulary_load(const em_allocator *allocator, const char *words, size_t length,
							 text_vocabulary **vocabulary, em_status *status);

void text_vocabulary_free(text_vocabulary *vocabulary);

/*
 * The vocabulary in one piece without pointers, for this machine's memory only: written to out,
 * aligned to 8 bytes, unless that is NULL. Returns the bytes it takes.
 */
size_t text_vocabulary_lay_out(const text_vocabulary *vocabulary, uint8_t *out);

/*
 * A vocabulary that reads from such a piece, aligned to 8 bytes, which must outlive it. EM_CORRUPT
 * for one with which a look-up might go astray; what it finds is as good as the bytes.
 */
em_code text_vocabulary_open(const em_allocator *allocator, const uint8_t *bytes, size_t size,
							 text_vocabulary **vocabulary, em_status *status);

/* Number of ids, the unknown word included: words + 1. */
uint32_t text_vocabulary_size(const text_vocabulary *vocabulary);

/* TEXT_UNKNOWN_ID when it is not there. */
uint32_t text_vocabulary_find(const text_vocabulary *vocabulary, const char *word, size_t length);

/* The word of an id >= 1; the slice lives as long as the vocabulary. Id 0: "<unk>". */
em_slice text_vocabulary_word(const text_vocabulary *vocabulary, uint32_t id);

/* The words joined by '\n', as text_vocabulary_load takes them; owned by the vocabulary. */
em_slice text_vocabulary_words(const text_vocabulary *vocabulary);

/*
 * The words of `first`, which keep their ids, and behind them those of `second` that it lacks, in
 * their order, until there are max_words (0 = no limit; of `first` all stay). EM_LIMIT as above.
 */
em_code text_vocabulary_join(const em_allocator *allocator, const text_vocabulary *first,
							 const text_vocabulary *second, uint32_t max_words,
							 text_vocabulary **joined, em_status *status);

/* Counting words on the way to a vocabulary. */
typedef struct text_word_counter text_word_counter;

em_code text_word_counter_create(const em_allocator *allocator, text_word_counter **counter,
								 em_status *status);
void text_word_counter_free(text_word_counter *counter);

/*
 * Count one occurrence; *id gets a number 0.. in order of first appearance.
 * EM_INVALID_DATA for a word that is empty or contains '\n'. After a failure
 * the counter is as it was.
 */
em_code text_word_counter_add(text_word_counter *counter, const char *word, size_t length,
							  uint32_t *id, em_status *status);
uint32_t text_word_counter_size(const text_word_counter *counter);

/* The word of an id below text_word_counter_size; the slice lives until the next one is added. */
em_slice text_word_counter_word(const text_word_counter *counter, uint32_t id);

/* How often it was added. */
uint64_t text_word_counter_count(const text_word_counter *counter, uint32_t id);

/*
 * The vocabulary of the words seen at least min_count times, at most max_words
 * of them (0 = no limit), by descending count, ties by bytes. remap, an array
 * of text_word_counter_size elements or NULL, gets the id in the vocabulary
 * (or TEXT_UNKNOWN_ID) of each id given by text_word_counter_add.
 */
em_code text_word_counter_finish(const text_word_counter *counter, uint64_t min_count,
								 uint32_t max_words, uint32_t *remap, text_vocabulary **vocabulary,
								 em_status *status);

/*
 * map (text_word_counter_size elements) = the id in a vocabulary of its own of each id given by
 * text_word_counter_add, or TEXT_UNKNOWN_ID: words of held-out texts must not make the vocabulary.
 */
void text_word_counter_map(const text_word_counter *counter, const text_vocabulary *vocabulary,
						   uint32_t *map);

#endif /* EMOTION_TEXT_VOCABULARY_H */
