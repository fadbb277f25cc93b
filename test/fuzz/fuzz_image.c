/*
 * fuzz_image.c
 *	  The image of a model with any bytes in any places, and a checksum that fits: refused with a
 *	  message, when it is opened or when texts are scored, or scored with.
 *
 * Input: whose image, then places of two bytes, each with its byte.
 */
#include "fuzz_images.h"

#include "../../src/model/scorer.h"
#include "../unit/sample_model.h"

static uint8_t *
make_image(int which, size_t *size)
{
	em_status status;
	size_t file_size;
	uint8_t *file = which == 1   ? sample_ensemble_file(&allocator, &file_size)
					: which == 2 ? sample_letters_file(&allocator, &file_size)
								 : sample_file(&allocator, "abc", 1, 8, MODEL_I8, &file_size);
	uint8_t *image;
	model *read;

	require(model_read_in_place(&allocator, file, file_size, &read, &status) == EM_OK);
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
	em_code code;

	/* an image of a base, say, is sound but has nothing to score with */
	code = scorer_create(&allocator, model, &scorer, &status);
	require_reason(code, &status);
	if (code != EM_OK)
		return;
	code = scorer_run(scorer, texts, 3, scores, NULL, NULL, &status);
	require_reason(code, &status);
	scorer_free(scorer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t *images[3];
	static size_t sizes[3];
	em_status status = { EM_OK, "", "" };
	int which = size > 0 ? data[0] % 3 : 0;
	uint8_t *image;
	model *opened;
	em_code code;

	if (images[which] == NULL)
		images[which] = make_image(which, &sizes[which]);
	image = aligned(sizes[which]);
	memcpy(image, images[which], sizes[which]);
	if (size > 1)
		patch(image, sizes[which], data + 1, size - 1);
	model_image_seal(image, sizes[which]);
	code = model_image_open(&allocator, image, sizes[which], source, &opened, &status);
	require_reason(code, &status);
	require((code == EM_OK) == (opened != NULL));
	if (code == EM_OK)
	{
		score(opened);
		model_free(opened);
	}
	free(image);
	return 0;
}
