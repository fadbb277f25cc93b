/*
 * fuzz_image.c
 *	  The image of a model with any bytes in any places, and a checksum that fits: refused with a
 *	  message, or texts can be scored with it.
 *
 * Input: whose image, then places of two bytes, each with its byte.
 */
#include <stdlib.h>
#include <string.h>

#include "../../src/model/model_image.h"
#include "../../src/model/scorer.h"
#include "../unit/sample_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *
allocate(void *context, size_t size)
{
	(void) context;
	return malloc(size);
}

static void
release(void *context, void *pointer)
{
	(void) context;
	free(pointer);
}

static const em_allocator allocator = { allocate, release, NULL };
static const uint8_t source[MODEL_SOURCE_BYTES] = "source";

static uint8_t *
aligned(size_t size)
{
	void *memory;

	if (posix_memalign(&memory, MODEL_IMAGE_ALIGNMENT, size) != 0)
		abort();
	return memory;
}

static uint8_t *
make_image(bool ensemble, size_t *size)
{
	em_status status;
	size_t file_size;
	uint8_t *file = ensemble ? sample_ensemble_file(&allocator, &file_size)
							 : sample_file(&allocator, "abc", 1, 8, MODEL_I8, &file_size);
	uint8_t *image;
	model *read;

	if (model_read_in_place(&allocator, file, file_size, &read, &status) != EM_OK)
		abort();
	*size = model_image_write(read, source, NULL);
	image = aligned(*size);
	(void) model_image_write(read, source, image);
	model_free(read);
	free(file);
	return image;
}

static void
score(const model *model)
{
	static const em_slice texts[] = { { "the sun I like", 14 }, { "sunny rain", 10 }, { "", 0 } };
	float scores[3 * MODEL_MAX_LABELS];
	em_status status;
	scorer *scorer;

	if (scorer_create(&allocator, model, &scorer, &status) != EM_OK ||
		scorer_run(scorer, texts, 3, scores, NULL, NULL, &status) != EM_OK)
		abort();
	scorer_free(scorer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t *images[2];
	static size_t sizes[2];
	em_status status = { EM_OK, "", "" };
	bool ensemble = size > 0 && (data[0] & 1);
	uint8_t *image;
	model *opened;

	if (images[ensemble] == NULL)
		images[ensemble] = make_image(ensemble, &sizes[ensemble]);
	image = aligned(sizes[ensemble]);
	memcpy(image, images[ensemble], sizes[ensemble]);
	for (size_t i = 1; i + 2 < size; i += 3)
		image[(data[i] << 8 | data[i + 1]) % sizes[ensemble]] = data[i + 2];
	model_image_seal(image, sizes[ensemble]);
	if (model_image_open(&allocator, image, sizes[ensemble], source, &opened, &status) == EM_OK)
	{
		score(opened);
		model_free(opened);
	}
	else if (opened != NULL || status.message[0] == '\0')
		abort();
	free(image);
	return 0;
}
