/*
 * model_image_format.h
 *	  What stands in an image: header, records, and what the records' spans name; a checksum at the
 *	  end. For who writes and who opens one: model_image.c, model_image_write.c, model_image_open.c.
 */
#ifndef EMOTION_MODEL_MODEL_IMAGE_FORMAT_H
#define EMOTION_MODEL_MODEL_IMAGE_FORMAT_H

#include "model_image.h"

/* Count on when anything below changes, or what a section holds. */
#define IMAGE_FORMAT 3

#define IMAGE_MAGIC "emotion\n"
#define IMAGE_BYTE_ORDER UINT64_C(0x0102030405060708)
#define IMAGE_CHECKSUM_BYTES sizeof(uint64_t)

/* A piece of the image; its offset is a multiple of MODEL_IMAGE_ALIGNMENT. */
typedef struct image_span
{
	uint64_t offset;
	uint64_t size;
} image_span;

typedef struct image_rows
{
	uint64_t type; /* a tensor_type */
	image_span weight;
	image_span scale; /* floats; empty unless TENSOR_I8 */
} image_rows;

/* What a model of the family roberta has besides. */
typedef struct image_encoder
{
	uint64_t head;    /* 0: a base, without labels */
	uint64_t outputs; /* an encoder_outputs */
	uint64_t max_tokens;
	uint64_t rounded; /* 1: of 8 bits, which are the panels */
} image_encoder;

/* A network or an ensemble; what it has not is empty. */
typedef struct image_record
{
	image_span labels;        /* UTF-8, a NUL behind each */
	image_span thresholds;    /* (L) floats */
	image_span member_weight; /* (members) floats; of an ensemble only */
	image_span configuration; /* JSON */
	image_span vocabulary;    /* text_vocabulary_lay_out; of an encoder a text_bpe */
	image_span dense;         /* reals; of an encoder all its weights */
	image_span panels;        /* the same as the kernels that score want them */
	image_rows words;
	image_rows subwords;
	image_span encoder; /* an image_encoder; of the family roberta only */
} image_record;

typedef struct image_header
{
	char magic[8];
	uint64_t byte_order;
	uint64_t kind;
	uint64_t real_size;
	uint8_t source[MODEL_SOURCE_BYTES];
	uint64_t size;    /* of the image */
	uint64_t members; /* records behind the first, which is an ensemble's unless this is 0 */
} image_header;

/* Where the records stand: behind the header. */
#define IMAGE_RECORDS                                                                              \
	((sizeof(image_header) + MODEL_IMAGE_ALIGNMENT - 1) / MODEL_IMAGE_ALIGNMENT *                  \
	 MODEL_IMAGE_ALIGNMENT)

/* Of the bytes before it: `size`, a multiple of 64. */
uint64_t model_image_checksum(const uint8_t *bytes, size_t size);

/* Bytes of a number of an embedding. */
size_t model_image_element_size(tensor_type type);

#endif /* EMOTION_MODEL_MODEL_IMAGE_FORMAT_H */
