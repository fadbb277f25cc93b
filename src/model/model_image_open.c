/*
 * model_image_open.c
 *	  A model that reads from its image.
 */
#include "encoder_int8.h"
#include "encoder_model.h"
#include "model_file.h"
#include "model_image_format.h"

#include <string.h>

typedef struct image_reader
{
	const uint8_t *image;
	size_t size;
	em_status *status;
} image_reader;

static em_code
damaged(const image_reader *reader, const char *what)
{
	return em_fail(reader->status, EM_CORRUPT, "the image of the model is damaged: %s", what);
}

/* Where a span stands; NULL when it is not in the image. */
static const uint8_t *
find(const image_reader *reader, image_span span)
{
	if (span.offset % MODEL_IMAGE_ALIGNMENT != 0 || span.offset > reader->size ||
		span.size > reader->size - span.offset)
		return NULL;
	return reader->image + span.offset;
}

static const uint8_t *
find_sized(const image_reader *reader, image_span span, uint64_t size)
{
	return span.size == size ? find(reader, span) : NULL;
}

static em_code
open_labels(const image_reader *reader, const image_record *record, model *model)
{
	const em_allocator *allocator = model->allocator;
	const char *text = (const char *) find(reader, record->labels);
	size_t count = 0, size = (size_t) record->labels.size;
	em_slice *labels;
	em_code code;

	if (text == NULL || size == 0 || text[size - 1] != '\0')
		return damaged(reader, "its labels");
	for (size_t i = 0; i < size; i++)
		count += text[i] == '\0';
	labels = em_allocate_array(allocator, count, sizeof(em_slice));
	if (labels == NULL)
		return em_fail(reader->status, EM_OUT_OF_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++)
	{
		labels[i] = (em_slice){ text, strlen(text) };
		text += labels[i].length + 1;
	}
	code = model_check_labels(labels, count, NULL) == EM_OK ? EM_OK : damaged(reader, "its labels");
	if (code == EM_OK)
	{
		model->layout.labels = count;
		model->labels = model_copy_labels(allocator, labels, count);
		if (model->labels == NULL)
			code = em_fail(reader->status, EM_OUT_OF_MEMORY, "out of memory");
	}
	em_release(allocator, labels);
	return code;
}

/* floats (count) from a span, into memory of the model's */
static em_code
copy_floats(const image_reader *reader, const model *model, image_span span, size_t count,
			float **out)
{
	const uint8_t *bytes = find_sized(reader, span, count * sizeof(float));

	if (bytes == NULL)
		return damaged(reader, "the sizes of its parts");
	*out = em_allocate_array(model->allocator, count, sizeof(float));
	if (*out == NULL)
		return em_fail(reader->status, EM_OUT_OF_MEMORY, "out of memory");
	memcpy(*out, bytes, count * sizeof(float));
	return EM_OK;
}

static em_code
open_thresholds(const image_reader *reader, const image_record *record, model *model)
{
	em_code code =
		copy_floats(reader, model, record->thresholds, model->layout.labels, &model->thresholds);

	for (size_t i = 0; code == EM_OK && i < model->layout.labels; i++)
		if (model_file_check_threshold((double) model->thresholds[i], i, NULL) != EM_OK)
			code = damaged(reader, "its thresholds");
	return code;
}

static em_code
open_rows(const image_reader *reader, const image_rows *rows, size_t count, size_t dim,
		  embedding_rows *out)
{
	/* a layout's tables have at most 2^31 numbers */
	uint64_t numbers = (uint64_t) count * dim;
	const uint8_t *scale = NULL;

	if (rows->type > TENSOR_BF16 && rows->type != TENSOR_I8)
		return damaged(reader, "the type of its embedding");
	out->type = (tensor_type) rows->type;
	out->weight = find_sized(reader, rows->weight, numbers * model_image_element_size(out->type));
	if (out->type == TENSOR_I8)
		scale = find_sized(reader, rows->scale, (uint64_t) count * sizeof(float));
	out->scale = (const float *) (const void *) scale;
	if (out->weight == NULL || (out->type == TENSOR_I8 && scale == NULL))
		return damaged(reader, "the size of its embedding");
	return EM_OK;
}

/* Configuration and vocabulary, which say how large the rest is. */
static em_code
open_layout(const image_reader *reader, const image_record *record, model *model)
{
	const uint8_t *json = find(reader, record->configuration);
	const uint8_t *words = find(reader, record->vocabulary);
	size_t labels = model->layout.labels;
	model_config config;
	em_code code;

	if (json == NULL || words == NULL ||
		model_config_from_json(
			&config, (em_slice){ (const char *) json, (size_t) record->configuration.size },
			NULL) != EM_OK)
		return damaged(reader, "its configuration");
	code = text_vocabulary_open(model->allocator, words, (size_t) record->vocabulary.size,
								&model->vocabulary, reader->status);
	if (code != EM_OK)
		return code;
	if (network_layout_init(&model->layout, &config, text_vocabulary_size(model->vocabulary),
							labels, NULL) != EM_OK)
		return damaged(reader, "its sizes");
	return EM_OK;
}

static em_code
open_network(const image_reader *reader, const image_record *record, model *model)
{
	network_layout *layout = &model->layout;
	const uint8_t *dense, *panels;
	em_code code = open_layout(reader, record, model);

	if (code != EM_OK)
		return code;
	model->table.dim = layout->embedding;
	model->table.vocabulary = layout->vocabulary;
	code = open_rows(reader, &record->words, layout->vocabulary, layout->embedding,
					 &model->table.words);
	if (code == EM_OK && layout->buckets > 0)
		code = open_rows(reader, &record->subwords, layout->buckets, layout->embedding,
						 &model->table.subwords);
	if (code != EM_OK)
		return code;
	model->numbers = model_file_numbers(model->table.words.type);
	dense = find_sized(reader, record->dense, (uint64_t) layout->dense * sizeof(real));
	panels = find_sized(reader, record->panels, network_panels_size(layout, model->numbers));
	if (dense == NULL || panels == NULL)
		return damaged(reader, "the size of its weights");
	model->dense = (real *) (uintptr_t) dense;
	model->panels = panels;
	return EM_OK;
}

/* Weights, and of 8 bits the matrices, stay in the image. */
static em_code
open_weights(const image_reader *reader, const image_record *record, bool rounded, model *model)
{
	encoder_model *encoder = model->encoder;
	const encoder_layout *layout = &encoder->layout;
	const uint8_t *weights, *panels = NULL;

	if (rounded)
	{
		encoder_layout_narrow(&encoder->layout);
		panels = find_sized(reader, record->panels, encoder_int8_bytes(layout));
	}
	weights = find_sized(reader, record->dense, (uint64_t) layout->total * sizeof(real));
	if (weights == NULL || (rounded && panels == NULL))
		return damaged(reader, "the size of its weights");
	encoder->weights = (real *) (uintptr_t) weights;
	if (!rounded)
		return EM_OK;
	encoder->int8 = em_allocate_zeroed(model->allocator, 1, sizeof(encoder_int8));
	if (encoder->int8 == NULL)
		return em_fail(reader->status, EM_OUT_OF_MEMORY, "out of memory");
	encoder->rounded = (void *) (uintptr_t) panels;
	encoder_int8_place(encoder->int8, layout, encoder->rounded);
	return EM_OK;
}

/* Tokeniser and weights stay in the image. */
static em_code
open_encoder(const image_reader *reader, const image_record *record, const image_encoder *own,
			 model *model)
{
	encoder_model *encoder = em_allocate_zeroed(model->allocator, 1, sizeof(*encoder));
	const uint8_t *json = find(reader, record->configuration);
	const uint8_t *block = find(reader, record->vocabulary);
	const text_bpe *tokenizer;
	encoder_config config;
	em_code code;

	if (encoder == NULL)
		return em_fail(reader->status, EM_OUT_OF_MEMORY, "out of memory");
	model->encoder = encoder; /* model_free releases it */
	encoder->borrowed = true;
	encoder->head = own->head != 0;
	encoder->outputs = own->outputs == ENCODER_SOFTMAX ? ENCODER_SOFTMAX : ENCODER_SIGMOID;
	if (json == NULL || block == NULL ||
		encoder_config_from_json(
			&config, (em_slice){ (const char *) json, (size_t) record->configuration.size }, true,
			NULL) != EM_OK ||
		encoder_layout_init(&encoder->layout, &config, encoder->head ? model->layout.labels : 1,
							NULL) != EM_OK)
		return damaged(reader, "its configuration");
	if (own->max_tokens < 2 || own->max_tokens > encoder->layout.longest)
		return damaged(reader, "its length");
	encoder->max_tokens = (int) own->max_tokens;
	code = text_bpe_open(block, (size_t) record->vocabulary.size, &tokenizer, reader->status);
	if (code != EM_OK)
		return code;
	encoder->tokenizer = (text_bpe *) (uintptr_t) tokenizer;
	code = open_weights(reader, record, own->rounded != 0, model);
	return code == EM_OK ? encoder_model_check_tokenizer(encoder, reader->status) : code;
}

static em_code open_record(const image_reader *reader, const image_record *records, size_t members,
						   const em_allocator *allocator, model **out);

static em_code
open_members(const image_reader *reader, const image_record *records, size_t members, model *model)
{
	const em_allocator *allocator = model->allocator;
	size_t labels = model->layout.labels;
	em_code code =
		copy_floats(reader, model, records->member_weight, members, &model->member_weight);

	if (code != EM_OK)
		return code;
	model->members = em_allocate_zeroed(allocator, members, sizeof(struct model *));
	model->member_place = em_allocate_array(allocator, members * labels, sizeof(uint16_t));
	if (model->members == NULL || model->member_place == NULL)
		return em_fail(reader->status, EM_OUT_OF_MEMORY, "out of memory");
	for (size_t i = 0; i < members; i++)
	{
		if (!(model->member_weight[i] > 0 && model->member_weight[i] <= 1))
			return damaged(reader, "the weights of its members");
		code = open_record(reader, records + 1 + i, 0, allocator, &model->members[i]);
		if (code != EM_OK)
			return code;
		model->member_count++;
		if (!model_match_labels(model, model->members[i], model->member_place + i * labels))
			return damaged(reader, "the labels of its members");
	}
	return EM_OK;
}

/* The model of the first record, whose members' records, if any, follow. */
static em_code
open_record(const image_reader *reader, const image_record *records, size_t members,
			const em_allocator *allocator, model **out)
{
	model *result = em_allocate_zeroed(allocator, 1, sizeof(*result));
	const image_encoder *encoder = (const image_encoder *) (const void *) find_sized(
		reader, records->encoder, sizeof(*encoder));
	em_code code = EM_OK;

	if (result == NULL)
		return em_fail(reader->status, EM_OUT_OF_MEMORY, "out of memory");
	result->allocator = allocator;
	result->in_place = true;
	result->borrowed = true;
	if (encoder == NULL || encoder->head)
		code = open_labels(reader, records, result);
	if (code == EM_OK && result->layout.labels > 0)
		code = open_thresholds(reader, records, result);
	if (code == EM_OK)
		code = members > 0       ? open_members(reader, records, members, result)
			   : encoder != NULL ? open_encoder(reader, records, encoder, result)
								 : open_network(reader, records, result);
	if (code == EM_OK)
		*out = result;
	else
		model_free(result);
	return code;
}

em_code
model_image_open(const em_allocator *allocator, const uint8_t *image, size_t size,
				 const uint8_t source[MODEL_SOURCE_BYTES], model **out, em_status *status)
{
	image_reader reader = { image, size - IMAGE_CHECKSUM_BYTES, status };
	image_header header;
	const uint8_t *records;
	image_span span = { IMAGE_RECORDS, 0 };
	uint64_t sum;

	*out = NULL;
	if (size < sizeof(header) + IMAGE_CHECKSUM_BYTES)
		return damaged(&reader, "it is too short");
	memcpy(&header, image, sizeof(header));
	if (memcmp(header.magic, IMAGE_MAGIC, sizeof(header.magic)) != 0)
		return damaged(&reader, "it does not begin as one");
	if (header.byte_order != IMAGE_BYTE_ORDER || header.kind != model_image_kind() ||
		header.real_size != sizeof(real))
		return em_fail(status, EM_UNSUPPORTED, "the image of the model is of another kind");
	if (header.size != size || reader.size % MODEL_IMAGE_ALIGNMENT != 0)
		return damaged(&reader, "its size");
	if (memcmp(header.source, source, sizeof(header.source)) != 0)
		return damaged(&reader, "it is that of another model");
	memcpy(&sum, image + reader.size, IMAGE_CHECKSUM_BYTES);
	if (sum != model_image_checksum(image, reader.size))
		return damaged(&reader, "its checksum");
	if (header.members > MODEL_MAX_MEMBERS)
		return damaged(&reader, "its members");
	span.size = (1 + header.members) * sizeof(image_record);
	records = find(&reader, span);
	if (records == NULL)
		return damaged(&reader, "it is too short");
	return open_record(&reader, (const image_record *) (const void *) records,
					   (size_t) header.members, allocator, out);
}
