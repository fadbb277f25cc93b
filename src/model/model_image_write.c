/*
 * model_image_write.c
 *	  An image of a model. Counting its bytes and writing them is one and the same code.
 */
#include "encoder_int8.h"
#include "encoder_model.h"
#include "model_image_format.h"

#include <string.h>

typedef struct image_writer
{
	uint8_t *out; /* NULL: only counts */
	uint64_t used;
} image_writer;

/* Room for `size` bytes; what is left before the next span is zeroed. *place NULL when counting. */
static image_span
take(image_writer *writer, uint64_t size, uint8_t **place)
{
	const uint64_t align = MODEL_IMAGE_ALIGNMENT - 1;
	image_span span = { writer->used, size };

	*place = NULL;
	writer->used = (writer->used + size + align) & ~align;
	if (writer->out != NULL)
	{
		*place = writer->out + span.offset;
		memset(*place + size, 0, (size_t) (writer->used - span.offset - size));
	}
	return span;
}

static image_span
put(image_writer *writer, const void *bytes, uint64_t size)
{
	uint8_t *place;
	image_span span = take(writer, size, &place);

	if (place != NULL && size > 0)
		memcpy(place, bytes, (size_t) size);
	return span;
}

static image_span
put_labels(image_writer *writer, const model *model)
{
	uint64_t size = 0;
	uint8_t *place;
	image_span span;

	for (size_t i = 0; i < model->layout.labels; i++)
		size += strlen(model->labels[i]) + 1;
	span = take(writer, size, &place);
	for (size_t i = 0; place != NULL && i < model->layout.labels; i++)
	{
		size_t length = strlen(model->labels[i]) + 1;

		memcpy(place, model->labels[i], length);
		place += length;
	}
	return span;
}

static image_rows
put_rows(image_writer *writer, const embedding_rows *rows, size_t count, size_t dim)
{
	image_rows put_there = { (uint64_t) rows->type, { 0, 0 }, { 0, 0 } };

	put_there.weight =
		put(writer, rows->weight, (uint64_t) count * dim * model_image_element_size(rows->type));
	if (rows->type == TENSOR_I8)
		put_there.scale = put(writer, rows->scale, (uint64_t) count * sizeof(float));
	return put_there;
}

static void
put_encoder(image_writer *writer, const encoder_model *encoder, image_record *record)
{
	const encoder_layout *layout = &encoder->layout;
	const image_encoder own = { encoder->head, (uint64_t) encoder->outputs,
								(uint64_t) encoder->max_tokens, layout->narrow };
	char configuration[ENCODER_CONFIG_JSON_MAX];
	uint8_t *place;

	record->configuration =
		put(writer, configuration,
			encoder_config_to_json(&encoder->layout.config, configuration, sizeof(configuration)));
	record->vocabulary = put(writer, encoder->tokenizer, text_bpe_size(encoder->tokenizer));
	record->dense = take(writer, layout->total * sizeof(real), &place);
	if (place != NULL && encoder->weights != NULL)
		memcpy(place, encoder->weights, layout->total * sizeof(real));
	if (layout->narrow)
	{
		record->panels = take(writer, encoder_int8_bytes(layout), &place);
		if (place != NULL && encoder->rounded != NULL)
			memcpy(place, encoder->rounded, encoder_int8_bytes(layout));
	}
	record->encoder = put(writer, &own, sizeof(own));
}

static image_record
put_model(image_writer *writer, const model *model)
{
	const network_layout *layout = &model->layout;
	char configuration[MODEL_CONFIG_JSON_MAX];
	image_record record;
	uint8_t *place;

	memset(&record, 0, sizeof(record));
	record.labels = put_labels(writer, model);
	record.thresholds = put(writer, model->thresholds, layout->labels * sizeof(float));
	if (model->member_count > 0)
	{
		record.member_weight =
			put(writer, model->member_weight, model->member_count * sizeof(float));
		return record;
	}
	if (model->encoder != NULL)
	{
		put_encoder(writer, model->encoder, &record);
		return record;
	}
	record.configuration =
		put(writer, configuration,
			model_config_to_json(&layout->config, configuration, sizeof(configuration)));
	record.vocabulary = take(writer, text_vocabulary_lay_out(model->vocabulary, NULL), &place);
	if (place != NULL)
		(void) text_vocabulary_lay_out(model->vocabulary, place);
	record.dense = put(writer, model->dense, layout->dense * sizeof(real));
	record.panels = take(writer, network_panels_size(layout, model->numbers), &place);
	if (place != NULL)
		network_panels_fill(layout, model->numbers, model->dense, place);
	record.words = put_rows(writer, &model->table.words, layout->vocabulary, layout->embedding);
	if (layout->buckets > 0)
		record.subwords =
			put_rows(writer, &model->table.subwords, layout->buckets, layout->embedding);
	return record;
}

size_t
model_image_write(const model *model, const uint8_t source[MODEL_SOURCE_BYTES], uint8_t *out)
{
	image_writer writer = { out, 0 };
	image_header header = { .byte_order = IMAGE_BYTE_ORDER,
							.kind = model_image_kind(),
							.real_size = sizeof(real) };
	uint8_t *head, *records;

	(void) take(&writer, sizeof(header), &head);
	(void) take(&writer, (1 + model->member_count) * sizeof(image_record), &records);
	for (size_t i = 0; i <= model->member_count; i++)
	{
		image_record record = put_model(&writer, i == 0 ? model : model->members[i - 1]);

		if (out != NULL)
			memcpy(records + i * sizeof(record), &record, sizeof(record));
	}
	memcpy(header.magic, IMAGE_MAGIC, sizeof(header.magic));
	memcpy(header.source, source, sizeof(header.source));
	header.size = writer.used + IMAGE_CHECKSUM_BYTES;
	header.members = model->member_count;
	if (out != NULL)
	{
		memcpy(head, &header, sizeof(header));
		if (model->encoder == NULL || model->encoder->weights != NULL)
			model_image_seal(out, (size_t) header.size);
	}
	return (size_t) header.size;
}
