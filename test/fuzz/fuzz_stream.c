/*
 * fuzz_stream.c
 *	  Any bytes as a model file that comes piece by piece: refused where the whole file is, and else
 *	  the image that the whole file has.
 */
#include "fuzz_images.h"

#include "../../src/model/encoder_file.h"
#include "../../src/model/model_stream.h"

/* The image; NULL with the code, or with EM_OK for a model that does not come so. */
static uint8_t *
image_of_stream(const uint8_t *data, size_t size, size_t *image_size, em_code *code,
				em_status *status)
{
	model_stream *stream = NULL;
	uint8_t *image = NULL;
	uint64_t header = 0;

	if (size >= SAFETENSORS_LENGTH_BYTES)
		(void) safetensors_header_length(data, size, &header, status);
	header += SAFETENSORS_LENGTH_BYTES;
	if (header > size)
		header = size;
	*code = model_stream_open(&allocator, data, (size_t) header, size, source, &stream, status);
	if (*code != EM_OK || stream == NULL)
		return NULL;
	*image_size = model_stream_size(stream);
	image = aligned(*image_size);
	*code = model_stream_begin(stream, image, status);
	for (size_t at = (size_t) header; *code == EM_OK && at < size; at += 97)
		*code = model_stream_put(stream, data + at, size - at < 97 ? size - at : 97, status);
	if (*code == EM_OK)
		*code = model_stream_end(stream, status);
	model_stream_close(stream);
	if (*code == EM_OK)
		return image;
	free(image);
	return NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	em_status status = { EM_OK, "", "" };
	size_t image_size;
	em_code code;
	uint8_t *image = image_of_stream(data, size, &image_size, &code, &status);
	model *whole;

	require_reason(code, &status);
	if (code == EM_OK && image == NULL) /* of another family: it is read as a whole */
		return 0;
	require((model_read_in_place(&allocator, data, size, &whole, &status) == EM_OK) ==
			(code == EM_OK));
	if (image != NULL)
	{
		uint8_t *expected = aligned(image_size);

		require(model_image_write(whole, source, NULL) == image_size);
		(void) model_image_write(whole, source, expected);
		require(memcmp(image, expected, image_size) == 0);
		model_free(whole);
		require(model_image_open(&allocator, image, image_size, source, &whole, &status) == EM_OK);
		free(expected);
	}
	model_free(whole);
	free(image);
	return 0;
}
