/*
 * model_file.c
 *	  A model of any kind from its file. The format: docs/model-file.md.
 */
#include "model_file.h"
#include "encoder_file.h"
#include "network_file.h"

#include <string.h>

/* Of the family roberta: what every model has here, the rest in encoder_file.c. */
static em_code
read_encoder(model *model, const safetensors *file, bool weights, em_status *status)
{
	em_code code = model_file_check_format(file, status);
	size_t labels = 0;

	if (code == EM_OK && !encoder_file_is_base(file))
	{
		code = model_file_keep_labels(model, file, &labels, status);
		if (code == EM_OK)
			code = model_file_keep_thresholds(model, file, labels, status);
	}
	if (code != EM_OK)
		return code;
	model->layout.labels = labels;
	code = weights ? encoder_file_read(model, file, status)
				   : encoder_file_describe(model, file, status);
	return model_file_as_corrupt(code, status);
}

em_code
model_file_describe_encoder(const em_allocator *allocator, const safetensors *file, model **out,
							em_status *status)
{
	model *result = em_allocate_zeroed(allocator, 1, sizeof(*result));
	em_code code;

	*out = NULL;
	if (result == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	result->allocator = allocator;
	result->in_place = true;
	code = read_encoder(result, file, false, status);
	if (code == EM_OK)
		*out = result;
	else
		model_free(result);
	return code;
}

static em_code read_ensemble(model *model, const safetensors *file, em_status *status);

/* A model from its file, or a member from its part of one. */
static em_code
read_model(const em_allocator *allocator, const safetensors *file, bool whole, bool in_place,
		   model **out, em_status *status)
{
	model *result = em_allocate_zeroed(allocator, 1, sizeof(*result));
	em_code code;

	*out = NULL;
	if (result == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	result->allocator = allocator;
	result->in_place = in_place;
	if (whole && model_file_is_ensemble(file))
		code = read_ensemble(result, file, status);
	else if (model_file_is_ensemble(file))
		code = em_fail(status, EM_CORRUPT, "a member of the ensemble is an ensemble");
	else if (encoder_file_is(file))
		code = read_encoder(result, file, true, status);
	else
		code = network_file_read(result, file, status);
	for (size_t i = 0; i < file->tensor_count; i++)
		model_file_note_type(result, file->tensors[i].type);
	if (code == EM_OK)
		*out = result;
	else
		model_free(result);
	return code;
}

/* Member `number` of an ensemble; *tensors += those of its part. */
static em_code
read_member(model *model, const safetensors *file, size_t number, size_t *tensors,
			em_status *status)
{
	char prefix[16];
	safetensors part;
	em_code code;

	model_file_member_prefix(number, prefix);
	code = safetensors_take_part(file, prefix, &part, status);
	if (code != EM_OK)
		return code;
	*tensors += part.tensor_count;
	code = part.metadata_count == 0
			   ? em_fail(status, EM_CORRUPT, "the model file has no member %zu", number + 1)
			   : read_model(model->allocator, &part, false, model->in_place,
							&model->members[number], status);
	safetensors_close(&part);
	if (code != EM_OK)
		return code;
	model->member_count++;
	if (!model_match_labels(model, model->members[number],
							model->member_place + number * model->layout.labels))
		return em_fail(status, EM_CORRUPT,
					   "the labels of member %zu of the model file are not those of the ensemble",
					   number + 1);
	return EM_OK;
}

static em_code
read_ensemble(model *model, const safetensors *file, em_status *status)
{
	const em_allocator *allocator = model->allocator;
	float weights[MODEL_MAX_MEMBERS];
	size_t labels = 0, members = 0, tensors = 0;
	em_code code = model_file_check_format(file, status);

	if (code == EM_OK)
		code = model_file_keep_labels(model, file, &labels, status);
	if (code == EM_OK)
		code = model_file_members(file, weights, &members, status);
	if (code != EM_OK)
		return code;
	model->layout.labels = labels;
	model->members = em_allocate_zeroed(allocator, members, sizeof(struct model *));
	model->member_weight = em_allocate_array(allocator, members, sizeof(float));
	model->member_place = em_allocate_array(allocator, members * labels, sizeof(uint16_t));
	if (!model->members || !model->member_weight || !model->member_place)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	memcpy(model->member_weight, weights, members * sizeof(float));
	code = model_file_keep_thresholds(model, file, labels, status);
	for (size_t i = 0; code == EM_OK && i < members; i++)
		code = read_member(model, file, i, &tensors, status);
	if (code == EM_OK && tensors != file->tensor_count)
		code = em_fail(status, EM_CORRUPT, "the model file has %zu tensors, not %zu",
					   file->tensor_count, tensors);
	return code;
}

static em_code
read_file(const em_allocator *allocator, const uint8_t *bytes, size_t size, bool in_place,
		  model **out, em_status *status)
{
	safetensors file;
	em_code code;

	*out = NULL;
	code = safetensors_open(allocator, bytes, size, &file, status);
	if (code != EM_OK)
		return code;
	code = read_model(allocator, &file, true, in_place, out, status);
	safetensors_close(&file);
	return code;
}

em_code
model_read(const em_allocator *allocator, const uint8_t *bytes, size_t size, model **out,
		   em_status *status)
{
	return read_file(allocator, bytes, size, false, out, status);
}

em_code
model_read_in_place(const em_allocator *allocator, const uint8_t *bytes, size_t size, model **out,
					em_status *status)
{
	return read_file(allocator, bytes, size, true, out, status);
}
