/*
 * fuzz_model.c
 *	  Any bytes as a model file: refused with a message, or a model that scores texts, can be
 *	  written and read again, joined and calibrated.
 */
#include "fuzz.h"

#include <math.h>

#include "../../src/model/encoder_model.h"
#include "../../src/model/model.h"
#include "../../src/model/scorer.h"

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
	for (size_t i = 0; i < layout->labels; i++)
	{
		require(model->thresholds[i] >= 0 && model->thresholds[i] <= 1);
		require(model_find_label(model, model->labels[i], strlen(model->labels[i])) == (int) i);
	}
	if (model->member_count > 0 || model->encoder != NULL)
		return;
	for (size_t i = 0; i < embedding; i++)
		require(fabsf(model->embedding[i]) <= MODEL_MAX_WEIGHT);
	for (size_t i = 0; i < layout->dense; i++)
		require(fabsf(model->dense[i]) <= MODEL_MAX_WEIGHT);
	require(text_vocabulary_size(model->vocabulary) == layout->vocabulary);
}

/* Whether the file says so or not, it can be scored with, if not by a base: numbers in 0..1. */
static void
score(const uint8_t *data, size_t size)
{
	static const em_slice texts[] = { { "I like the sun <s>", 18 },
									  { "", 0 },
									  { "\xC3\xA9\xFF :-)", 6 } };
	static float scores[3 * MODEL_MAX_LABELS];
	model *model;
	model_attention attention;
	em_status status;
	scorer *scorer;
	em_code code;

	require(model_read_in_place(&allocator, data, size, &model, &status) == EM_OK);
	code = scorer_create(&allocator, model, &scorer, &status);
	require_reason(code, &status);
	if (code == EM_OK)
	{
		code = scorer_run(scorer, texts, 3, scores, NULL, NULL, &status);
		require_reason(code, &status);
		for (size_t i = 0; code == EM_OK && i < 3 * model->layout.labels; i++)
			require(scores[i] >= 0 && scores[i] <= 1);
		code = scorer_explain(scorer, texts[0], 0, NULL, &attention, NULL, NULL, &status);
		require_reason(code, &status);
		for (size_t i = 0; code == EM_OK && i < attention.tokens->count; i++)
			require(isfinite(attention.weight[i]) && !isnan(attention.influence[i]));
		scorer_free(scorer);
	}
	model_free(model);
}

/* A network or an encoder can be written, and be a member of an ensemble; an ensemble neither. */
static void
write_again(const model *model, const uint8_t *data, size_t size)
{
	const model_member members[2] = { { "a", data, size, 1 }, { "b", data, size, 3 } };
	struct model *again;
	em_status status;
	uint8_t *bytes;
	size_t length;
	em_code code = model_write(&allocator, model, MODEL_F32, &bytes, &length, &status);

	require_reason(code, &status);
	if (model->member_count > 0)
	{
		require(code == EM_UNSUPPORTED);
		return;
	}
	require(code == EM_OK || (model->encoder != NULL && code == EM_LIMIT));
	if (code == EM_OK)
	{
		require(model_read(&allocator, bytes, length, &again, &status) == EM_OK);
		require(again->layout.labels == model->layout.labels);
		require(model_parameters(again) == model_parameters(model));
		require(model->encoder != NULL ||
				memcmp(again->dense, model->dense, model->layout.dense * sizeof(real)) == 0);
		model_free(again);
		free(bytes);
	}
	/* labels and vocabulary stand in a header twice: they may be too many for one */
	code = model_join(&allocator, members, 2, &bytes, &length, &status);
	require_reason(code, &status);
	if (code != EM_OK)
	{
		require(code == EM_LIMIT || (model->encoder != NULL && !model->encoder->head));
		return;
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
	uint8_t *file = exact_copy(data, size), *changed;
	model *model, *again;
	em_status status = { EM_OK, "", "" };
	em_code code = model_read(&allocator, file, size, &model, &status);
	size_t changed_length;

	require_reason(code, &status);
	require((code == EM_OK) == (model != NULL));
	if (code == EM_OK)
	{
		check_model(model);
		score(file, size);
		write_again(model, file, size);
		if (model->layout.labels > 0)
		{
			require(model_rewrite_thresholds(&allocator, file, size, model->thresholds, &changed,
											 &changed_length, &status) == EM_OK);
			require(model_read(&allocator, changed, changed_length, &again, &status) == EM_OK);
			require(memcmp(again->thresholds, model->thresholds,
						   again->layout.labels * sizeof(float)) == 0);
			model_free(again);
			free(changed);
			calibrate(file, size, model);
		}
		model_free(model);
	}
	free(file);
	return 0;
}
