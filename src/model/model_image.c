/*
 * model_image.c
 *	  Images of models: header, records, and what the records' spans name; a checksum at the end.
 */
#include "model_image.h"
#include "encoder_int8.h"
#include "encoder_model.h"
#include "model_file.h"

#include <string.h>

/* Count on when anything below changes, or what a section holds. */
#define IMAGE_FORMAT 3

#define MAGIC "emotion\n"
#define BYTE_ORDER_MARK UINT64_C(0x0102030405060708)
#define CHECKSUM_BYTES sizeof(uint64_t)

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

uint32_t
model_image_kind(void)
{
	return (uint32_t) IMAGE_FORMAT << 16 | NETWORK_PANELS_VERSION;
}

/* ---- the checksum --------------------------------------------------------------------------- */

/*
 * Eight lanes of eight bytes, each a product and a rotation per word: both can be undone, so no
 * change within one word goes unseen, nor, but by a chance of 2^-64, any other. As fast as memory,
 * which a CRC of one lane is not: each connection waits for it.
 */
static inline uint64_t
mix(uint64_t lane, const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	lane = (lane ^ word) * UINT64_C(0x9E3779B97F4A7C15);
	return lane << 29 | lane >> 35;
}

/* size: a multiple of 64 */
static uint64_t
checksum(const uint8_t *bytes, size_t size)
{
	uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8; /* in registers, by name */
	uint64_t sum = size;

	for (const uint8_t *end = bytes + size; bytes != end; bytes += 64)
	{
		a = mix(a, bytes);
		b = mix(b, bytes + 8);
		c = mix(c, bytes + 16);
		d = mix(d, bytes + 24);
		e = mix(e, bytes + 32);
		f = mix(f, bytes + 40);
		g = mix(g, bytes + 48);
		h = mix(h, bytes + 56);
	}
	{
		const uint64_t lanes[] = { a, b, c, d, e, f, g, h };

		for (size_t i = 0; i < sizeof(lanes) / sizeof(lanes[0]); i++)
		{
			sum = (sum ^ lanes[i]) * UINT64_C(0x9E3779B97F4A7C15);
			sum ^= sum >> 32;
		}
	}
	return sum;
}

/* ---- writing ---------------------------------------------------------------------------------- */

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

static size_t
element_size(tensor_type type)
{
	return type == TENSOR_I8 ? 1 : type == TENSOR_F32 ? 4 : 2;
}

static image_rows
put_rows(image_writer *writer, const embedding_rows *rows, size_t count, size_t dim)
{
	image_rows put_there = { (uint64_t) rows->type, { 0, 0 }, { 0, 0 } };

	put_there.weight = put(writer, rows->weight, (uint64_t) count * dim * element_size(rows->type));
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
	image_header header = { MAGIC, BYTE_ORDER_MARK, model_image_kind(), sizeof(real), { 0 }, 0, 0 };
	uint8_t *head, *records;

	(void) take(&writer, sizeof(header), &head);
	(void) take(&writer, (1 + model->member_count) * sizeof(image_record), &records);
	for (size_t i = 0; i <= model->member_count; i++)
	{
		image_record record = put_model(&writer, i == 0 ? model : model->members[i - 1]);

		if (out != NULL)
			memcpy(records + i * sizeof(record), &record, sizeof(record));
	}
	memcpy(header.source, source, sizeof(header.source));
	header.size = writer.used + CHECKSUM_BYTES;
	header.members = model->member_count;
	if (out != NULL)
	{
		memcpy(head, &header, sizeof(header));
		if (model->encoder == NULL || model->encoder->weights != NULL)
			model_image_seal(out, (size_t) header.size);
	}
	return (size_t) header.size;
}

/* Where the records stand. */
#define RECORDS_OFFSET                                                                             \
	((sizeof(image_header) + MODEL_IMAGE_ALIGNMENT - 1) / MODEL_IMAGE_ALIGNMENT *                  \
	 MODEL_IMAGE_ALIGNMENT)

void
model_image_places(uint8_t *image, real **weights, void **rounded)
{
	image_record record;

	memcpy(&record, image + RECORDS_OFFSET, sizeof(record));
	*weights = (real *) (void *) (image + record.dense.offset);
	*rounded = record.panels.size > 0 ? image + record.panels.offset : NULL;
}

void
model_image_seal(uint8_t *image, size_t size)
{
	uint64_t sum = checksum(image, size - CHECKSUM_BYTES);

	memcpy(image + size - CHECKSUM_BYTES, &sum, CHECKSUM_BYTES);
}

/* ---- opening ------------------------------------------------------------------------------------ */

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
	out->weight = find_sized(reader, rows->weight, numbers * element_size(out->type));
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
	image_reader reader = { image, size - CHECKSUM_BYTES, status };
	image_header header;
	const uint8_t *records;
	image_span span = { RECORDS_OFFSET, 0 };
	uint64_t sum;

	*out = NULL;
	if (size < sizeof(header) + CHECKSUM_BYTES)
		return damaged(&reader, "it is too short");
	memcpy(&header, image, sizeof(header));
	if (memcmp(header.magic, MAGIC, sizeof(header.magic)) != 0)
		return damaged(&reader, "it does not begin as one");
	if (header.byte_order != BYTE_ORDER_MARK || header.kind != model_image_kind() ||
		header.real_size != sizeof(real))
		return em_fail(status, EM_UNSUPPORTED, "the image of the model is of another kind");
	if (header.size != size || reader.size % MODEL_IMAGE_ALIGNMENT != 0)
		return damaged(&reader, "its size");
	if (memcmp(header.source, source, sizeof(header.source)) != 0)
		return damaged(&reader, "it is that of another model");
	memcpy(&sum, image + reader.size, CHECKSUM_BYTES);
	if (sum != checksum(image, reader.size))
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
