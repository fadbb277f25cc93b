/*
 * images.h
 *	  Images of models in memory of their own. Include check.h first.
 */
#ifndef EMOTION_IMAGES_H
#define EMOTION_IMAGES_H

#include "../../src/model/model_image.h"
#include "../../src/model/model_stream.h"

static const uint8_t image_source[MODEL_SOURCE_BYTES] = "as if it were a file's SHA-256";

/* A copy where an image may lie, with nothing behind it that could be read unnoticed. */
static inline uint8_t *
copy_aligned(const uint8_t *bytes, size_t size)
{
	void *copy;

	if (posix_memalign(&copy, MODEL_IMAGE_ALIGNMENT, size > 0 ? size : 1) != 0)
		abort();
	if (bytes != NULL && size > 0)
		memcpy(copy, bytes, size);
	return copy;
}

/* The image of a file that comes in pieces, of which `given` bytes come; NULL with the code. */
static inline uint8_t *
stream_image(const uint8_t *file, size_t file_size, size_t given, size_t piece, size_t *size,
			 em_code *code, em_status *status)
{
	model_stream *stream = NULL;
	uint64_t header = 0;
	uint8_t *image = NULL;

	for (int b = 7; b >= 0; b--)
		header = header << 8 | file[b];
	*code = model_stream_open(&check_allocator, file, header + 8, file_size, image_source, &stream,
							  status);
	if (*code != EM_OK || stream == NULL)
		return NULL;
	*size = model_stream_size(stream);
	image = copy_aligned(NULL, *size);
	memset(image, 0xAB, *size);
	*code = model_stream_begin(stream, image, status);
	for (size_t at = header + 8; *code == EM_OK && at < given; at += piece)
		*code =
			model_stream_put(stream, file + at, given - at < piece ? given - at : piece, status);
	if (*code == EM_OK)
		*code = model_stream_end(stream, status);
	model_stream_close(stream);
	if (*code == EM_OK)
		return image;
	free(image);
	return NULL;
}

#endif /* EMOTION_IMAGES_H */
