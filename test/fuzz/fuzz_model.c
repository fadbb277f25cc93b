/*
 * fuzz_model.c
 *	  Any bytes as a model file: refused with a message, or a model that can be
 *	  written and read again.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/model/model.h"

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

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
check_model(const model *model)
{
	const network_layout *layout = &model->layout;
	size_t embedding = layout->rows * layout->embedding;

	for (size_t i = 0; i < model->member_count; i++)
	{
		require(model->member_weight[i] > 0 && model->member_weight[i] <= 1);
		require(model->members[i]->member_count == 0);
		check_model(model->members[i]);
		for (size_t label = 0; label < layout->labels; label++)
			require(model->member_place[i * layout->labels + label] < layout->labels);
	}
	for (size_t i = 0; i < embedding; i++)
		require(fabsf(model->embedding[i]) <= MODEL_MAX_WEIGHT);
	for (size_t i = 0; i < layout->dense; i++)
		require(fabsf(model->dense[i]) <= MODEL_MAX_WEIGHT);
	for (size_t i = 0; i < layout->labels; i++)
	{
		require(model->thresholds[i] >= 0 && model->thresholds[i] <= 1);
		require(model_find_label(model, model->labels[i], strlen(model->labels[i])) == (int) i);
	}
	require(model->member_count > 0 ||
			text_vocabulary_size(model->vocabulary) == layout->vocabulary);
}

/* A network can be written, and be a member of an ensemble; an ensemble neither. */
static void
write_again(const model *model, const uint8_t *data, size_t size)
{
	struct model *again;
	em_status status;
	uint8_t *bytes;
	size_t length;

	if (model->member_count > 0)
	{
		require(model_write(&allocator, model, MODEL_F32, &bytes, &length, &status) ==
				EM_UNSUPPORTED);
		return;
	}
	require(model_write(&allocator, model, MODEL_F32, &bytes, &length, &status) == EM_OK);
	require(model_read(&allocator, bytes, length, &again, &status) == EM_OK);
	require(again->layout.labels == model->layout.labels);
	require(memcmp(again->dense, model->dense, model->layout.dense * sizeof(real)) == 0);
	model_free(again);
	free(bytes);
	{
		const model_member members[2] = { { "a", data, size, 1 }, { "b", data, size, 3 } };

		/* labels and vocabulary stand in a header twice: they may be too many for one */
		if (model_join(&allocator, members, 2, &bytes, &length, &status) != EM_OK)
		{
			require(status.code == EM_LIMIT);
			return;
		}
	}
	require(model_read(&allocator, bytes, length, &again, &status) == EM_OK);
	check_model(again);
	model_free(again);
	free(bytes);
}

/* Half of every logit: of any model that can be read there is such a one. */
static void
calibrate(const uint8_t *data, size_t size, const model *original)
{
	data_calibration calibration[MODEL_MAX_LABELS];
	size_t labels = original->layout.labels, length;
	em_status status;
	uint8_t *bytes;
	model *changed;

	for (size_t l = 0; l < labels; l++)
		calibration[l] = (data_calibration){ 0.5, 0 };
	if (model_calibrate(&allocator, data, size, calibration, labels, &bytes, &length, &status) !=
		EM_OK)
	{
		require(status.code == EM_UNSUPPORTED); /* the last layer is not in float32 */
		return;
	}
	require(model_read(&allocator, bytes, length, &changed, &status) == EM_OK);
	require(changed->layout.dense == original->layout.dense);
	model_free(changed);
	free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	model *model, *again;
	em_status status = { EM_OK, "", "" };
	em_code code = model_read(&allocator, data, size, &model, &status);
	uint8_t *changed;
	size_t changed_length;

	if (code != EM_OK)
	{
		require(model == NULL && status.code == code && status.message[0] != '\0');
		return 0;
	}
	check_model(model);
	write_again(model, data, size);
	require(model_rewrite_thresholds(&allocator, data, size, model->thresholds, &changed,
									 &changed_length, &status) == EM_OK);
	require(model_read(&allocator, changed, changed_length, &again, &status) == EM_OK);
	require(memcmp(again->thresholds, model->thresholds, again->layout.labels * sizeof(float)) ==
			0);
	model_free(again);
	free(changed);
	calibrate(data, size, model);
	model_free(model);
	return 0;
}
