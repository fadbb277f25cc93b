/*
 * model_image.h
 *	  A model ready to score with in one piece of memory without pointers, so that it can lie in a
 *	  file that all processes of a machine map: vocabulary with its hash table, weights of the layers
 *	  as reals, the embedding as the model file has it.
 *
 * An image is for the machine, the build and the processor that made it. It is not trusted: a checksum
 * guards its numbers, and all that could lead a reader astray is checked besides.
 */
#ifndef EMOTION_MODEL_MODEL_IMAGE_H
#define EMOTION_MODEL_MODEL_IMAGE_H

#include "model.h"

/* What an image lies in must be aligned so. */
#define MODEL_IMAGE_ALIGNMENT 64

#define MODEL_SOURCE_BYTES 32

/* The kind of image that this process makes and reads; another kind may be another one's. */
uint32_t model_image_kind(void);

/*
 * The image of a model, or of an ensemble and its members, that was read in place. source: the
 * SHA-256 of its file. Written to out, aligned, unless that is NULL; returns the bytes it takes.
 */
size_t model_image_write(const model *model, const uint8_t source[MODEL_SOURCE_BYTES],
						 uint8_t *out);

/*
 * An image of a model of the family roberta whose weights are not there yet (model_file.h) lacks
 * them and the checksum: where they go, for encoder_store_place, until model_image_seal.
 */
void model_image_places(uint8_t *image, real **weights, void **rounded);

/* Make the checksum that of the other bytes, which somebody changed. */
void model_image_seal(uint8_t *image, size_t size);

/*
 * A model, in place, that reads from an image, which must be aligned and outlive it. EM_CORRUPT with
 * the reason when the image is damaged or that of another file, EM_UNSUPPORTED when it is of another
 * kind.
 */
em_code model_image_open(const em_allocator *allocator, const uint8_t *image, size_t size,
						 const uint8_t source[MODEL_SOURCE_BYTES], model **out, em_status *status);

#endif /* EMOTION_MODEL_MODEL_IMAGE_H */
