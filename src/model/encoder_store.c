/*
 * encoder_store.c
 *	  From the tensors of a file into weights and, of 8 bits, into matrices.
 */
#include "encoder_store.h"

#include <stdio.h>
#include <string.h>

#include "../nn/arena.h"
#include "encoder_file.h"
#include "halves.h"

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

void
encoder_store_scale_name(const encoder_tensor *tensor, char out[sizeof(tensor->name)])
{
	int stem = (int) (strlen(tensor->name) - strlen("weight"));

	snprintf(out, sizeof(tensor->name), "%.*sscale", stem, tensor->name);
}

/* ---- finding -------------------------------------------------------------------------------- */

/* The tensor of that name and shape; NULL, with *status filled. */
static const tensor *
find_tensor(const safetensors *file, const char *name, int rank, const uint64_t *shape,
			em_status *status)
{
	const tensor *found = safetensors_find(file, name);
	bool fits = found != NULL && found->rank == rank;

	for (int i = 0; fits && i < rank; i++)
		fits = found->shape[i] == shape[i];
	if (found == NULL)
		em_fail(status, EM_CORRUPT, "the model file has no tensor \"%s\"", name);
	else if (!fits)
		em_fail(status, EM_CORRUPT,
				"tensor \"%s\" of the model file has not the shape that its configuration and "
				"labels ask for",
				name);
	else
		return found;
	return NULL;
}

/* The tensors of the file that a tensor of the layout is: itself and, of I8, its scales. */
static em_code
find_parts(const encoder_store *store, const safetensors *file, const encoder_tensor *wanted,
		   const tensor **found, const tensor **scales, em_status *status)
{
	const bool rounded = store->rounded && wanted->rounded;
	char name[sizeof(wanted->name)];

	*scales = NULL;
	*found = find_tensor(file, wanted->name, wanted->rank, wanted->shape, status);
	if (*found == NULL)
		return EM_CORRUPT;
	if (rounded ? (*found)->type != TENSOR_I8 : (*found)->type > TENSOR_BF16)
		return em_fail(status, EM_CORRUPT, "tensor \"%s\" of the model file is not %s",
					   wanted->name, rounded ? "I8 as others are" : "F32, F16 or BF16");
	if (!rounded)
		return EM_OK;
	encoder_store_scale_name(wanted, name);
	*scales = find_tensor(file, name, 1, wanted->shape, status);
	if (*scales == NULL)
		return EM_CORRUPT;
	if ((*scales)->type != TENSOR_F32)
		return em_fail(status, EM_CORRUPT, "tensor \"%s\" of the model file is not F32", name);
	return EM_OK;
}

static void
set_part(encoder_part *part, const encoder_tensor *wanted, bool scales, const tensor *found)
{
	part->tensor = *wanted;
	part->scales = scales;
	part->type = found->type;
	part->element_size = found->element_size;
	part->elements = found->elements;
}

/* Whether the word embedding, and so all that may be, is I8. */
static bool
is_rounded(const encoder_layout *layout, const safetensors *file)
{
	encoder_tensor words;
	const tensor *found;

	encoder_tensor_at(layout, layout->tensor_count - 1, &words);
	found = safetensors_find(file, words.name);
	return found != NULL && found->type == TENSOR_I8;
}

em_code
encoder_store_open(encoder_store *store, const em_allocator *allocator, encoder_model *encoder,
				   const safetensors *file, bool narrow, em_status *status)
{
	size_t count = 0;

	memset(store, 0, sizeof(*store));
	store->allocator = allocator;
	store->encoder = encoder;
	store->rounded = is_rounded(&encoder->layout, file);
	if (store->rounded && narrow)
		encoder_layout_narrow(&encoder->layout);
	store->parts = em_allocate_zeroed(allocator, file->tensor_count + 1, sizeof(encoder_part));
	if (store->parts == NULL)
		return out_of_memory(status);
	store->count = file->tensor_count;
	for (size_t i = 0; i < encoder->layout.tensor_count; i++)
	{
		encoder_tensor wanted;
		const tensor *found, *scales;
		em_code code;

		encoder_tensor_at(&encoder->layout, i, &wanted);
		if (!encoder_model_has_tensor(encoder, &wanted))
			continue;
		code = find_parts(store, file, &wanted, &found, &scales, status);
		if (code != EM_OK)
			return code;
		set_part(&store->parts[found - file->tensors], &wanted, false, found);
		if (scales != NULL)
			set_part(&store->parts[scales - file->tensors], &wanted, true, scales);
		count += 1 + (scales != NULL);
	}
	if (count != file->tensor_count)
		return em_fail(status, EM_CORRUPT, "the model file has %zu tensors, not %zu",
					   file->tensor_count, count);
	return EM_OK;
}

void
encoder_store_close(encoder_store *store)
{
	em_release(store->allocator, store->parts);
	store->parts = NULL;
}

/* ---- memory --------------------------------------------------------------------------------- */

/* Zeros between the tensors, and where there is no head. */
static void
clear_gaps(const encoder_model *encoder)
{
	const encoder_layout *layout = &encoder->layout;
	size_t end = 0;

	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		encoder_tensor tensor;

		encoder_tensor_at(layout, i, &tensor);
		if (!encoder_model_has_tensor(encoder, &tensor) || (layout->narrow && tensor.rounded))
			continue;
		memset(encoder->weights + end, 0, (tensor.offset - end) * sizeof(real));
		end = tensor.offset + tensor.elements;
	}
	memset(encoder->weights + end, 0, (layout->total - end) * sizeof(real));
}

/* Aligned memory for what is rounded. */
static void *
allocate_rounded(const encoder_store *store)
{
	encoder_model *encoder = store->encoder;
	char *memory =
		em_allocate_array(store->allocator, encoder_int8_bytes(&encoder->layout) + NN_ALIGNMENT, 1);

	encoder->rounded_memory = memory;
	if (memory == NULL)
		return NULL;
	return memory + (NN_ALIGNMENT - (uintptr_t) memory % NN_ALIGNMENT) % NN_ALIGNMENT;
}

em_code
encoder_store_place(encoder_store *store, real *weights, void *rounded, em_status *status)
{
	encoder_model *encoder = store->encoder;
	const encoder_layout *layout = &encoder->layout;

	if (weights == NULL)
	{
		weights = em_allocate_array(store->allocator, layout->total, sizeof(real));
		rounded = store->rounded ? allocate_rounded(store) : NULL;
	}
	encoder->weights = weights;
	if (weights == NULL || (store->rounded && rounded == NULL))
		return out_of_memory(status);
	clear_gaps(encoder);
	if (!store->rounded)
		return EM_OK;
	encoder->rounded = rounded;
	encoder->int8 = em_allocate_zeroed(store->allocator, 1, sizeof(encoder_int8));
	if (encoder->int8 == NULL)
		return out_of_memory(status);
	encoder_int8_clear(layout, rounded);
	encoder_int8_place(encoder->int8, layout, rounded);
	return EM_OK;
}

/* ---- numbers -------------------------------------------------------------------------------- */

static em_code
put_rows(const encoder_store *store, const encoder_part *part, uint64_t first, const uint8_t *bytes,
		 size_t count, em_status *status)
{
	const size_t columns = (size_t) part->tensor.shape[1];

	/* the kernels of some processors change its sign, which a byte cannot */
	if (memchr(bytes, 0x80, count) != NULL)
		return em_fail(status, EM_CORRUPT, "tensor \"%s\" holds -128, not -127 to 127",
					   part->tensor.name);
	encoder_int8_put_rows(store->encoder->int8, &store->encoder->layout, &part->tensor,
						  (size_t) first / columns, count / columns, (const int8_t *) bytes);
	return EM_OK;
}

static em_code
put_scales(const encoder_store *store, const encoder_part *part, uint64_t first,
		   const uint8_t *bytes, size_t count, em_status *status)
{
	for (size_t i = 0; i < count; i++)
	{
		float scale;

		(void) halves_read_f32(bytes + 4 * i, 1, &scale);
		if (!(scale >= 0 && scale <= ENCODER_MAX_SCALE))
		{
			char name[sizeof(part->tensor.name)];

			encoder_store_scale_name(&part->tensor, name);
			return em_fail(status, EM_CORRUPT, "tensor \"%s\" holds a scale outside 0 to %g", name,
						   (double) ENCODER_MAX_SCALE);
		}
		encoder_int8_put_scales(store->encoder->int8, &store->encoder->layout, &part->tensor,
								(size_t) first + i, 1, &scale);
	}
	return EM_OK;
}

static em_code
put_floats(const encoder_store *store, const encoder_part *part, uint64_t first,
		   const uint8_t *bytes, size_t count, em_status *status)
{
	real *out = store->encoder->weights + part->tensor.offset + first;
	/* doubles are widened from floats at the end of their place */
	float *floats = (float *) (void *) (out + count) - count;
	em_code code;

	if (part->type == TENSOR_F32)
		(void) halves_read_f32(bytes, count, floats);
	else if (part->type == TENSOR_F16)
		(void) halves_read_f16(bytes, count, floats);
	else
		(void) halves_read_bf16(bytes, count, floats);
	code = encoder_file_check(part->tensor.name, floats, count, status);
	for (size_t i = 0; code == EM_OK && sizeof(real) > sizeof(float) && i < count; i++)
	{
		float number;

		memcpy(&number, floats + i, sizeof(number));
		out[i] = number;
	}
	return code;
}

em_code
encoder_store_put(const encoder_store *store, const encoder_part *part, uint64_t first,
				  const uint8_t *bytes, size_t count, em_status *status)
{
	if (part->scales)
		return put_scales(store, part, first, bytes, count, status);
	return (part->type == TENSOR_I8 ? put_rows : put_floats)(store, part, first, bytes, count,
															 status);
}
