/*
 * fuzz_images.h
 *	  What the fuzzers of images share.
 */
#ifndef EMOTION_FUZZ_IMAGES_H
#define EMOTION_FUZZ_IMAGES_H

#include "fuzz.h"

#include "../../src/model/model_image.h"

/* Of the files that they say they were made of. */
static const uint8_t source[MODEL_SOURCE_BYTES] = "source";

/* Memory that an image may lie in; to be freed. */
static inline uint8_t *
aligned(size_t size)
{
	void *memory;

	require(posix_memalign(&memory, MODEL_IMAGE_ALIGNMENT, size) == 0);
	return memory;
}

#endif /* EMOTION_FUZZ_IMAGES_H */
