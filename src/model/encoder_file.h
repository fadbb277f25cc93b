/*
 * encoder_file.h
 *	  The file of a model of the family roberta. The format: docs/model-file.md.
 */
#ifndef EMOTION_MODEL_ENCODER_FILE_H
#define EMOTION_MODEL_ENCODER_FILE_H

#include "encoder_model.h"
#include "model.h"
#include "safetensors.h"

/* Whether a file is of this family; nothing else is checked. */
bool encoder_file_is(const safetensors *file);

/* Whether it is that of a base, without a head, labels and thresholds. */
bool encoder_file_is_base(const safetensors *file);

/*
 * Read all but labels and thresholds, which model has already (but for a base): model->encoder.
 * EM_CORRUPT, EM_LIMIT or EM_UNSUPPORTED say what is wrong.
 */
em_code encoder_file_read(model *model, const safetensors *file, em_status *status);

/* The same without the weights: for who reads them as they come (encoder_store.h). */
em_code encoder_file_describe(model *model, const safetensors *file, em_status *status);

/* A file to be written: what stands before the data, and the order of these. */
typedef struct encoder_file
{
	const em_allocator *allocator;
	uint8_t *head;
	size_t head_size;
	size_t *order; /* (count): indices for encoder_tensor_at, in the order of the data; those of
						 * the scales of a tensor's rows are more by the tensors of the layout */
	tensor_type *types; /* (count), by place in the file */
	size_t count;
	uint64_t size; /* of the whole file */
} encoder_file;

/*
 * The file of model, whose weights are not looked at; types: of each tensor of the layout. Four-byte
 * types come first. EM_LIMIT when labels and tokeniser are too large for a header. To be
 * released, after a failure too.
 */
em_code encoder_file_plan(const em_allocator *allocator, const model *model,
						  const tensor_type *types, encoder_file *file, em_status *status);
void encoder_file_release(encoder_file *file);

/* EM_CORRUPT, naming the tensor, for a number that is not finite or over ENCODER_MAX_WEIGHT. */
em_code encoder_file_check(const char *name, const float *numbers, size_t count, em_status *status);

/* What precision makes of a tensor of the layout; the last layer is always F32. */
tensor_type encoder_file_type(const encoder_layout *layout, size_t index,
							  model_precision precision);

/* Numbers as a tensor's type has them; returns bytes written. */
size_t encoder_file_put(tensor_type type, const float *numbers, size_t count, uint8_t *out);

/*
 * As model_write, of a model whose weights are all there. EM_INVALID_DATA for numbers that could not be
 * read again.
 */
em_code encoder_file_write(const em_allocator *allocator, const model *model,
						   model_precision precision, uint8_t **bytes, size_t *size,
						   em_status *status);

#endif /* EMOTION_MODEL_ENCODER_FILE_H */
