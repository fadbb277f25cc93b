/*
 * model.c
 *	  What a model is, of whichever kind.
 */
#include "model.h"
#include "encoder_model.h"

const model *
model_first(const model *model)
{
	return model->member_count > 0 ? model->members[0] : model;
}

const char *
model_architecture(const model *model)
{
	return model->member_count > 0  ? MODEL_ENSEMBLE
		   : model->encoder != NULL ? ENCODER_ARCHITECTURE
									: MODEL_ARCHITECTURE;
}

size_t
model_feature_width(const model *model)
{
	return model->encoder != NULL ? model->encoder->layout.hidden : 2 * model->layout.hidden;
}

uint64_t
model_parameters(const model *model)
{
	const network_layout *layout = &model->layout;
	uint64_t count = 0;

	if (model->encoder != NULL)
		return encoder_model_parameters(model->encoder);
	if (model->member_count == 0)
		return (uint64_t) layout->rows * layout->embedding + layout->dense;
	for (size_t i = 0; i < model->member_count; i++)
		count += model_parameters(model->members[i]);
	return count;
}

void
model_free(model *model)
{
	const em_allocator *allocator;

	if (model == NULL)
		return;
	allocator = model->allocator;
	em_release(allocator, model->labels);
	em_release(allocator, model->thresholds);
	if (model->vocabulary != NULL)
		text_vocabulary_free(model->vocabulary);
	em_release(allocator, model->embedding);
	em_release(allocator, model->panels_memory);
	if (!model->borrowed)
	{
		em_release(allocator, model->dense);
		em_release(allocator, (void *) (uintptr_t) model->table.words.scale);
		em_release(allocator, (void *) (uintptr_t) model->table.subwords.scale);
	}
	encoder_model_free(allocator, model->encoder);
	for (size_t i = 0; i < model->member_count; i++)
		model_free(model->members[i]);
	em_release(allocator, model->members);
	em_release(allocator, model->member_weight);
	em_release(allocator, model->member_place);
	em_release(allocator, model);
}
