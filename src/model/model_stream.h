/*
 * model_stream.h
 *	  The image (model_image.h) of a model of the family roberta, made of its file as that comes, so that
 *	  neither the file nor the weights are in memory twice.
 */
#ifndef EMOTION_MODEL_MODEL_STREAM_H
#define EMOTION_MODEL_MODEL_STREAM_H

#include "model_image.h"

typedef struct model_stream model_stream;

/*
 * head: the beginning of a file of file_size bytes, its header included (safetensors_header_length);
 * it may go afterwards. *out NULL: the model is of another family, or an ensemble, and has to be read
 * as a whole. Errors as those of model_read.
 */
em_code model_stream_open(const em_allocator *allocator, const uint8_t *head, size_t head_size,
						  uint64_t file_size, const uint8_t source[MODEL_SOURCE_BYTES],
						  model_stream **out, em_status *status);

/* NULL is allowed. */
void model_stream_close(model_stream *stream);

/* Bytes of the image. */
size_t model_stream_size(const model_stream *stream);

/* The image in memory, aligned; then the file's bytes behind its header, in any pieces; then its end. */
em_code model_stream_begin(model_stream *stream, uint8_t *image, em_status *status);
em_code model_stream_put(model_stream *stream, const uint8_t *bytes, size_t size,
						 em_status *status);
em_code model_stream_end(model_stream *stream, em_status *status);

#endif /* EMOTION_MODEL_MODEL_STREAM_H */
