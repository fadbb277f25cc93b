/*
 * model_storage.c
 *	  In which numbers a model's file keeps it, by the name that users give.
 */
#include "model_file.h"

void
model_file_note_type(model *model, tensor_type type)
{
	if (type == TENSOR_I8)
		model->storage = MODEL_I8;
	else if (model->storage == MODEL_F32 && (type == TENSOR_F16 || type == TENSOR_BF16))
		model->storage = type == TENSOR_F16 ? MODEL_F16 : MODEL_BF16;
}

const char *
model_storage_name(model_precision storage)
{
	static const char *const names[] = { "f32", "f16", "bf16", "i8" };

	return names[storage];
}

const char *
model_storage(const model *model)
{
	const model_precision first = model_first(model)->storage;

	for (size_t i = 1; i < model->member_count; i++)
		if (model->members[i]->storage != first)
			return "mixed";
	return model_storage_name(first);
}
