/*
 * encoder_store.h
 *	  The tensors of a model file of the family roberta, and the way of their numbers into memory: all at
 *	  once, or as they come.
 */
#ifndef EMOTION_MODEL_ENCODER_STORE_H
#define EMOTION_MODEL_ENCODER_STORE_H

#include "encoder_int8.h"
#include "encoder_model.h"
#include "safetensors.h"

/* 127 times this is the largest weight that bytes stand for. */
#define ENCODER_MAX_SCALE 2.0157f

/* A tensor of a file: one of the layout, or the scales of the rows of one that is I8. */
typedef struct encoder_part
{
	encoder_tensor tensor;
	bool scales; /* floats, one for each row of tensor */
	tensor_type type;
	size_t element_size;
	uint64_t elements;
} encoder_part;

typedef struct encoder_store
{
	const em_allocator *allocator;
	encoder_model *encoder;
	bool rounded;        /* the layers' matrices and the words are I8 */
	encoder_part *parts; /* (count), in the order of their data in the file */
	size_t count;
} encoder_store;

/* The name of the scales of a tensor that is rounded: ".scale" in the place of ".weight". */
void encoder_store_scale_name(const encoder_tensor *tensor, char out[sizeof(tensor->name)]);

/*
 * Find the tensors of encoder, whose layout is known, in a file, whose data are not looked at. With
 * narrow the layout of a model of 8 bits becomes a narrow one. EM_CORRUPT for any that is missing, of
 * another shape or type, or too many. To be closed, after a failure too.
 */
em_code encoder_store_open(encoder_store *store, const em_allocator *allocator,
						   encoder_model *encoder, const safetensors *file, bool narrow,
						   em_status *status);
void encoder_store_close(encoder_store *store);

/*
 * Memory for the numbers becomes the model's: given, (layout.total) and encoder_int8_bytes() where
 * there are bytes, or, weights NULL, allocated. What no tensor fills is zeroed.
 */
em_code encoder_store_place(encoder_store *store, real *weights, void *rounded, em_status *status);

/*
 * `count` numbers of a part, from number `first` on; of I8 whole rows. EM_CORRUPT for one that is not
 * finite or too large. Of I8 only the bytes are kept, not what they stand for.
 */
em_code encoder_store_put(const encoder_store *store, const encoder_part *part, uint64_t first,
						  const uint8_t *bytes, size_t count, em_status *status);

#endif /* EMOTION_MODEL_ENCODER_STORE_H */
