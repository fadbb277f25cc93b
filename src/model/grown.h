/*
 * grown.h
 *	  Arrays of a scorer's that grow and are given back: each a pointer `array` with an
 *	  `array_capacity` beside it, from the scorer's allocator.
 */
#ifndef EMOTION_MODEL_GROWN_H
#define EMOTION_MODEL_GROWN_H

#include "../base.h"

/* Room for so many elements; false: no memory. */
#define GROW(scorer, array, wanted)                                                                \
	em_grow((scorer)->allocator, (void **) &(scorer)->array, &(scorer)->array##_capacity,          \
			(wanted), sizeof(*(scorer)->array))

/* Bytes that it has. */
#define TAKEN(scorer, array) ((scorer)->array##_capacity * sizeof(*(scorer)->array))

#define GIVE_BACK(scorer, array)                                                                   \
	(em_release((scorer)->allocator, (scorer)->array), (scorer)->array = NULL,                     \
	 (scorer)->array##_capacity = 0)

#endif /* EMOTION_MODEL_GROWN_H */
