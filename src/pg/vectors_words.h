/*
 * vectors_words.h
 *	  The setting of vectors_words.c.
 */
#ifndef EMOTION_PG_VECTORS_WORDS_H
#define EMOTION_PG_VECTORS_WORDS_H

/* emotion.vectors_cache_size, in MB */
extern int VectorsCacheSize;

#endif /* EMOTION_PG_VECTORS_WORDS_H */
