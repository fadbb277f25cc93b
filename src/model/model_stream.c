/*
 * model_stream.c
 *	  From a file's bytes as they come into an image.
 */
#include "model_stream.h"

#include <string.h>

#include "encoder_file.h"
#include "encoder_store.h"
#include "model_file.h"

/* Bytes that are held until there are as many; a row of bytes is shorter. */
#define HELD_BYTES 65536

struct model_stream
{
	const em_allocator *allocator;
	model *model; /* its weights are the image's */
	encoder_store store;
	uint8_t source[MODEL_SOURCE_BYTES];
	uint8_t *image;
	size_t part;    /* of the store, that comes now */
	uint64_t taken; /* its numbers that are in the image */
	size_t held;    /* bytes that wait in hold */
	uint8_t hold[HELD_BYTES];
};

static em_code
describe(model_stream *stream, const safetensors *file, em_status *status)
{
	em_code code = model_file_describe_encoder(stream->allocator, file, &stream->model, status);

	return code == EM_OK ? encoder_store_open(&stream->store, stream->allocator,
											  stream->model->encoder, file, true, status)
						 : code;
}

em_code
model_stream_open(const em_allocator *allocator, const uint8_t *head, size_t head_size,
				  uint64_t file_size, const uint8_t source[MODEL_SOURCE_BYTES], model_stream **out,
				  em_status *status)
{
	safetensors file;
	uint64_t length;
	model_stream *stream;
	em_code code = head_size < SAFETENSORS_LENGTH_BYTES
					   ? em_fail(status, EM_CORRUPT, "the file is too short")
					   : safetensors_header_length(head, file_size, &length, status);

	*out = NULL;
	if (code == EM_OK && length > head_size - SAFETENSORS_LENGTH_BYTES)
		code = em_fail(status, EM_CORRUPT, "the file is too short");
	if (code == EM_OK)
		code =
			safetensors_open_header(allocator, head + SAFETENSORS_LENGTH_BYTES, (size_t) length,
									file_size - SAFETENSORS_LENGTH_BYTES - length, &file, status);
	if (code != EM_OK)
		return code;
	if (!encoder_file_is(&file))
	{
		safetensors_close(&file);
		return EM_OK;
	}
	stream = em_allocate_zeroed(allocator, 1, sizeof(*stream));
	if (stream == NULL)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	else
	{
		stream->allocator = allocator;
		memcpy(stream->source, source, sizeof(stream->source));
		code = describe(stream, &file, status);
	}
	safetensors_close(&file);
	if (code != EM_OK)
		model_stream_close(stream);
	else
		*out = stream;
	return code;
}

void
model_stream_close(model_stream *stream)
{
	if (stream == NULL)
		return;
	if (stream->store.allocator != NULL)
		encoder_store_close(&stream->store);
	if (stream->model != NULL)
		stream->model->encoder->weights = NULL;
	model_free(stream->model);
	em_release(stream->allocator, stream);
}

size_t
model_stream_size(const model_stream *stream)
{
	return model_image_write(stream->model, stream->source, NULL);
}

em_code
model_stream_begin(model_stream *stream, uint8_t *image, em_status *status)
{
	real *weights;
	void *rounded;

	stream->image = image;
	(void) model_image_write(stream->model, stream->source, image);
	model_image_places(image, &weights, &rounded);
	return encoder_store_place(&stream->store, weights, rounded, status);
}

/* Bytes that may wait before they go into the image: whole numbers, and whole rows of bytes. */
static size_t
hold_size(const encoder_part *part)
{
	size_t unit = part->type == TENSOR_I8 ? (size_t) part->tensor.shape[1] : part->element_size;

	return HELD_BYTES / unit * unit;
}

em_code
model_stream_put(model_stream *stream, const uint8_t *bytes, size_t size, em_status *status)
{
	while (size > 0)
	{
		const encoder_part *part = &stream->store.parts[stream->part];
		uint64_t left;
		size_t count, wanted;
		em_code code;

		if (stream->part == stream->store.count)
			return em_fail(status, EM_CORRUPT, "the file goes on behind its last tensor");
		left = (part->elements - stream->taken) * part->element_size;
		wanted = left < hold_size(part) ? (size_t) left : hold_size(part);
		count = size < wanted - stream->held ? size : wanted - stream->held;
		memcpy(stream->hold + stream->held, bytes, count);
		stream->held += count;
		bytes += count;
		size -= count;
		if (stream->held < wanted)
			break;
		count = wanted / part->element_size;
		code = encoder_store_put(&stream->store, part, stream->taken, stream->hold, count, status);
		if (code != EM_OK)
			return code;
		stream->held = 0;
		stream->taken += count;
		if (stream->taken == part->elements)
		{
			stream->part++;
			stream->taken = 0;
		}
	}
	return EM_OK;
}

em_code
model_stream_end(model_stream *stream, em_status *status)
{
	if (stream->part < stream->store.count)
		return em_fail(status, EM_CORRUPT, "the file ends before its last tensor does");
	model_image_seal(stream->image, model_stream_size(stream));
	return EM_OK;
}
