/*
 * encoder_file.c
 *	  A model of the family roberta from its file and to it. The format: docs/model-file.md.
 */
#include "encoder_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "clip.h"
#include "encoder_store.h"
#include "halves.h"
#include "json.h"
#include "model_file.h"
#include "quants.h"

#define PROBLEM_KEY "problem_type"
#define MAX_TOKENS_KEY "max_tokens"
#define TOKENIZER_KEY "tokenizer.json"
#define VOCAB_KEY "vocab.json"
#define MERGES_KEY "merges.txt"
#define PREFIX_KEY "add_prefix_space"
#define NO_LABELS "[]"

static bool
is(em_slice text, const char *expected)
{
	return text.bytes != NULL && text.length == strlen(expected) &&
		   memcmp(text.bytes, expected, text.length) == 0;
}

bool
encoder_file_is(const safetensors *file)
{
	return is(safetensors_metadata(file, "architecture"), ENCODER_ARCHITECTURE);
}

bool
encoder_file_is_base(const safetensors *file)
{
	return is(safetensors_metadata(file, "labels"), NO_LABELS);
}

em_code
encoder_file_check(const char *name, const float *numbers, size_t count, em_status *status)
{
	bool good = true;

	for (size_t i = 0; i < count; i++)
		good &= fabsf(numbers[i]) <= ENCODER_MAX_WEIGHT; /* false for NaN */
	if (good)
		return EM_OK;
	for (size_t i = 0; i < count; i++)
		if (!isfinite(numbers[i]))
			return em_fail(status, EM_CORRUPT, "tensor \"%s\" holds a number that is not finite",
						   name);
	return em_fail(status, EM_CORRUPT, "tensor \"%s\" holds a number beyond %g", name,
				   (double) ENCODER_MAX_WEIGHT);
}

/* ---- reading ----------------------------------------------------------------------------- */

static em_code
required(const safetensors *file, const char *key, em_slice *value, em_status *status)
{
	*value = safetensors_metadata(file, key);
	if (value->bytes == NULL)
		return em_fail(status, EM_CORRUPT, "the file has no metadata \"%s\"", key);
	return EM_OK;
}

/* A copy of a metadata value, which must be there. */
static em_code
keep(const em_allocator *allocator, const safetensors *file, const char *key, em_slice *kept,
	 em_status *status)
{
	em_slice value;
	em_code code = required(file, key, &value, status);
	char *copy;

	if (code != EM_OK)
		return code;
	copy = em_allocate_array(allocator, value.length + 1, 1);
	if (copy == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	memcpy(copy, value.bytes, value.length);
	*kept = (em_slice){ copy, value.length };
	return EM_OK;
}

static em_code
read_tokenizer(encoder_model *encoder, const em_allocator *allocator, const safetensors *file,
			   em_status *status)
{
	encoder_tokenizer_files *files = &encoder->files;
	em_slice prefix = { NULL, 0 };
	em_code code;

	if (safetensors_metadata(file, TOKENIZER_KEY).bytes != NULL)
		code = keep(allocator, file, TOKENIZER_KEY, &files->json, status);
	else
	{
		code = keep(allocator, file, VOCAB_KEY, &files->vocab, status);
		if (code == EM_OK)
			code = keep(allocator, file, MERGES_KEY, &files->merges, status);
		if (code == EM_OK)
			code = required(file, PREFIX_KEY, &prefix, status);
		files->add_prefix_space = is(prefix, "true");
		if (code == EM_OK && !files->add_prefix_space && !is(prefix, "false"))
			code = em_fail(status, EM_CORRUPT, "the model file has \"%s\" \"%.*s\"", PREFIX_KEY,
						   clip_length(prefix), prefix.bytes);
	}
	return code == EM_OK ? encoder_model_build_tokenizer(allocator, encoder, status) : code;
}

/* The metadata that only this family has. */
static em_code
read_description(encoder_model *encoder, const em_allocator *allocator, const safetensors *file,
				 size_t labels, em_status *status)
{
	encoder_config config;
	em_slice value;
	uint64_t tokens;
	em_code code = required(file, "configuration", &value, status);

	if (code == EM_OK)
		code = encoder_config_from_json(&config, value, true, status);
	if (code == EM_OK)
		code = encoder_layout_init(&encoder->layout, &config, encoder->head ? labels : 1, status);
	if (code == EM_OK)
		code = required(file, MAX_TOKENS_KEY, &value, status);
	if (code != EM_OK)
		return code;
	if (!json_to_size(value, &tokens) || tokens < 2 || tokens > encoder->layout.longest)
		return em_fail(status, EM_CORRUPT, "the model file has \"%s\" %.*s, not 2 to %zu",
					   MAX_TOKENS_KEY, clip_length(value), value.bytes, encoder->layout.longest);
	encoder->max_tokens = (int) tokens;
	if (encoder->head)
	{
		code = required(file, PROBLEM_KEY, &value, status);
		if (code != EM_OK)
			return code;
		encoder->outputs = encoder_outputs_named(value);
		if (encoder->outputs == ENCODER_OUTPUTS_UNKNOWN)
			return em_fail(status, EM_CORRUPT, "the model file has the unknown \"%s\" \"%.*s\"",
						   PROBLEM_KEY, clip_length(value), value.bytes);
	}
	return read_tokenizer(encoder, allocator, file, status);
}

/* What the bytes of a part stand for, into the weights. */
static em_code
widen(const encoder_part *part, const safetensors *file, const tensor *from,
	  const em_allocator *allocator, real *out, em_status *status)
{
	const size_t rows = (size_t) from->shape[0];
	float *floats = (float *) (void *) (out + from->elements) - from->elements;
	float *scales = em_allocate_array(allocator, rows, sizeof(float));
	char name[sizeof(part->tensor.name)];
	em_code code;

	if (scales == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	encoder_store_scale_name(&part->tensor, name);
	code = tensor_read(safetensors_find(file, name), scales, status);
	if (code == EM_OK)
		tensor_read_rows(from, scales, floats);
	for (size_t i = 0; code == EM_OK && sizeof(real) > sizeof(float) && i < from->elements; i++)
	{
		float number;

		memcpy(&number, floats + i, sizeof(number));
		out[i] = number;
	}
	em_release(allocator, scales);
	return code;
}

static em_code
read_weights(encoder_model *encoder, const em_allocator *allocator, const safetensors *file,
			 bool in_place, em_status *status)
{
	encoder_store store;
	em_code code = encoder_store_open(&store, allocator, encoder, file, in_place, status);

	/* all shapes before any memory: what is then allocated is at most five times what the file holds */
	if (code == EM_OK)
		code = encoder_store_place(&store, NULL, NULL, status);
	for (size_t i = 0; code == EM_OK && i < store.count; i++)
	{
		const encoder_part *part = &store.parts[i];
		const tensor *from = &file->tensors[i];

		code = encoder_store_put(&store, part, 0, from->data, (size_t) from->elements, status);
		if (code == EM_OK && part->type == TENSOR_I8 && !in_place)
			code =
				widen(part, file, from, allocator, encoder->weights + part->tensor.offset, status);
	}
	encoder_store_close(&store);
	return code;
}

em_code
encoder_file_describe(model *model, const safetensors *file, em_status *status)
{
	encoder_model *encoder = em_allocate_zeroed(model->allocator, 1, sizeof(*encoder));

	if (encoder == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	model->encoder = encoder; /* model_free releases it */
	encoder->head = !encoder_file_is_base(file);
	return read_description(encoder, model->allocator, file, model->layout.labels, status);
}

em_code
encoder_file_read(model *model, const safetensors *file, em_status *status)
{
	em_code code = encoder_file_describe(model, file, status);

	return code == EM_OK
			   ? read_weights(model->encoder, model->allocator, file, model->in_place, status)
			   : code;
}

/* ---- writing ----------------------------------------------------------------------------- */

static em_slice
literal(const char *text)
{
	return (em_slice){ text, strlen(text) };
}

/* Metadata entries, at most, and room for a number among them. */
#define METADATA_MAX 12
#define TOKENS_ROOM 16

/* What stands in the place of a tensor's index for the scales of its rows. */
#define ENCODER_FILE_SCALES(layout, index) ((layout)->tensor_count + (index))

typedef char tensor_name[sizeof(((encoder_tensor *) NULL)->name)];

/* The order of the data: four-byte types first, so that all lie aligned; else as in memory. */
static size_t
put_order(const encoder_model *encoder, const tensor_type *types, encoder_file *file,
		  tensor_out *tensors, tensor_name *names)
{
	size_t count = 0;

	for (int four = 1; four >= 0; four--)
		for (size_t i = 0; i < encoder->layout.tensor_count; i++)
		{
			bool scales = four && types[i] == TENSOR_I8;
			encoder_tensor tensor;

			encoder_tensor_at(&encoder->layout, i, &tensor);
			if (!encoder_model_has_tensor(encoder, &tensor) ||
				(!scales && (types[i] == TENSOR_F32) != four))
				continue;
			if (scales)
				encoder_store_scale_name(&tensor, names[count]);
			else
				memcpy(names[count], tensor.name, sizeof(tensor.name));
			tensors[count].name = names[count];
			tensors[count].type = scales ? TENSOR_F32 : types[i];
			tensors[count].rank = scales ? 1 : tensor.rank;
			memcpy(tensors[count].shape, tensor.shape, sizeof(tensor.shape));
			file->size += scales                  ? 4 * tensor.shape[0]
						  : four                  ? 4 * tensor.elements
						  : types[i] == TENSOR_I8 ? tensor.elements
												  : 2 * tensor.elements;
			file->order[count] = scales ? ENCODER_FILE_SCALES(&encoder->layout, i) : i;
			file->types[count] = tensors[count].type;
			count++;
		}
	return count;
}

/* Metadata entries of a model; text: room for what is printed here. Returns how many. */
static size_t
put_metadata(const model *model, char *text, metadata_entry *entries)
{
	const encoder_model *encoder = model->encoder;
	const encoder_tokenizer_files *files = &encoder->files;
	size_t labels = model->layout.labels, n = 0;
	char *thresholds = text + ENCODER_CONFIG_JSON_MAX + TOKENS_ROOM;
	char *names = thresholds + model_file_thresholds_room(labels);

	entries[n++] = (metadata_entry){ literal("format"), literal(MODEL_FORMAT) };
	entries[n++] = (metadata_entry){ literal("format_version"), literal(MODEL_FORMAT_VERSION) };
	entries[n++] = (metadata_entry){ literal("architecture"), literal(ENCODER_ARCHITECTURE) };
	entries[n++] = (metadata_entry){ literal("configuration"),
									 { text, encoder_config_to_json(&encoder->layout.config, text,
																	ENCODER_CONFIG_JSON_MAX) } };
	entries[n++] =
		(metadata_entry){ literal("labels"), model_file_put_labels(names, model->labels, labels) };
	entries[n++] =
		(metadata_entry){ literal("thresholds"),
						  model_file_put_thresholds(thresholds, model->thresholds, labels) };
	if (encoder->head)
		entries[n++] = (metadata_entry){ literal(PROBLEM_KEY),
										 literal(encoder_outputs_name(encoder->outputs)) };
	snprintf(text + ENCODER_CONFIG_JSON_MAX, TOKENS_ROOM, "%d", encoder->max_tokens);
	entries[n++] =
		(metadata_entry){ literal(MAX_TOKENS_KEY), literal(text + ENCODER_CONFIG_JSON_MAX) };
	if (files->json.bytes != NULL)
		entries[n++] = (metadata_entry){ literal(TOKENIZER_KEY), files->json };
	else
	{
		entries[n++] = (metadata_entry){ literal(VOCAB_KEY), files->vocab };
		entries[n++] = (metadata_entry){ literal(MERGES_KEY), files->merges };
		entries[n++] = (metadata_entry){ literal(PREFIX_KEY),
										 literal(files->add_prefix_space ? "true" : "false") };
	}
	return n;
}

static em_code
write_head(const em_allocator *allocator, const model *model, const tensor_out *tensors, char *text,
		   encoder_file *file, em_status *status)
{
	metadata_entry entries[METADATA_MAX];
	size_t count = put_metadata(model, text, entries);

	file->head_size = safetensors_head_size(tensors, file->count, entries, count);
	if (file->head_size == 0)
		return em_fail(status, EM_LIMIT,
					   "labels and tokeniser are too large for the header of a model file");
	file->size += file->head_size;
	file->head = em_allocate_array(allocator, file->head_size, 1);
	if (file->head == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	safetensors_write_head(tensors, file->count, entries, count, file->head);
	return EM_OK;
}

em_code
encoder_file_plan(const em_allocator *allocator, const model *model, const tensor_type *types,
				  encoder_file *file, em_status *status)
{
	const encoder_model *encoder = model->encoder;
	const size_t count = 2 * encoder->layout.tensor_count;
	const size_t room = ENCODER_CONFIG_JSON_MAX + TOKENS_ROOM +
						model_file_thresholds_room(model->layout.labels) +
						model_file_labels_room(model->labels, model->layout.labels);
	char *text = em_allocate_array(allocator, room, 1);
	tensor_out *tensors = em_allocate_zeroed(allocator, count, sizeof(tensor_out));
	tensor_name *names = em_allocate_array(allocator, count, sizeof(tensor_name));
	em_code code;

	memset(file, 0, sizeof(*file));
	file->allocator = allocator;
	file->order = em_allocate_array(allocator, count, sizeof(size_t));
	file->types = em_allocate_array(allocator, count, sizeof(tensor_type));
	if (!text || !tensors || !names || !file->order || !file->types)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	else
	{
		file->count = put_order(encoder, types, file, tensors, names);
		code = write_head(allocator, model, tensors, text, file, status);
	}
	em_release(allocator, text);
	em_release(allocator, tensors);
	em_release(allocator, names);
	return code;
}

void
encoder_file_release(encoder_file *file)
{
	em_release(file->allocator, file->head);
	em_release(file->allocator, file->order);
	em_release(file->allocator, file->types);
	file->head = NULL;
	file->order = NULL;
	file->types = NULL;
}

tensor_type
encoder_file_type(const encoder_layout *layout, size_t index, model_precision precision)
{
	encoder_tensor tensor;

	encoder_tensor_at(layout, index, &tensor);
	if (precision == MODEL_I8)
		return tensor.rounded ? TENSOR_I8 : TENSOR_F32;
	/* calibration changes it in place */
	if (tensor.offset == layout->output_weight || tensor.offset == layout->output_bias)
		return TENSOR_F32;
	return precision == MODEL_F16 ? TENSOR_F16 : precision == MODEL_BF16 ? TENSOR_BF16 : TENSOR_F32;
}

size_t
encoder_file_put(tensor_type type, const float *numbers, size_t count, uint8_t *out)
{
	if (type == TENSOR_F32)
		halves_write_f32(numbers, count, out);
	else if (type == TENSOR_F16)
		halves_write_f16(numbers, count, out);
	else
		halves_write_bf16(numbers, count, out);
	return count * (type == TENSOR_F32 ? 4 : 2);
}

/* Numbers widened or narrowed at once. */
#define BLOCK 1024

/* A tensor's numbers into out, checked; the bytes written are added to *used. */
static em_code
put_tensor(const encoder_tensor *tensor, const real *weights, tensor_type type, uint8_t *out,
		   size_t *used, em_status *status)
{
	float block[BLOCK];
	em_code code = EM_OK;

	for (size_t at = 0; code == EM_OK && at < tensor->elements; at += BLOCK)
	{
		size_t count = tensor->elements - at < BLOCK ? tensor->elements - at : BLOCK;

		for (size_t i = 0; i < count; i++)
			block[i] = (float) weights[at + i];
		code = encoder_file_check(tensor->name, block, count, status);
		if (code == EM_OK)
			*used += encoder_file_put(type, block, count, out + *used);
	}
	if (code == EM_CORRUPT) /* it is not a file's fault */
		code = status != NULL ? (status->code = EM_INVALID_DATA) : EM_INVALID_DATA;
	return code;
}

/* The rows of a tensor as bytes, or their scales; they are checked with the scales, which come first. */
static em_code
put_rounded(const encoder_tensor *tensor, const real *weights, bool scales, uint8_t *out,
			size_t *used, em_status *status)
{
	const size_t columns = (size_t) tensor->shape[1];
	float row[NN_INT8_MAX_DEPTH];

	for (size_t r = 0; r < tensor->shape[0]; r++, weights += columns)
	{
		float scale;

		for (size_t i = 0; i < columns; i++)
			row[i] = (float) weights[i];
		if (scales && encoder_file_check(tensor->name, row, columns, status) != EM_OK)
			return status != NULL ? (status->code = EM_INVALID_DATA) : EM_INVALID_DATA;
		scale = fminf(quants_scale(row, columns), ENCODER_MAX_SCALE);
		if (scales)
			halves_write_f32(&scale, 1, out + *used);
		else
			quants_write(row, columns, scale, out + *used);
		*used += scales ? 4 : columns;
	}
	return EM_OK;
}

static em_code
check_model(const em_allocator *allocator, const model *model, em_status *status)
{
	const size_t count = model->layout.labels;
	em_slice *labels;
	em_code code;

	if (!model->encoder->head)
		return EM_OK;
	labels = em_allocate_array(allocator, count, sizeof(em_slice));
	if (labels == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++)
		labels[i] = (em_slice){ model->labels[i], strlen(model->labels[i]) };
	code = model_check_labels(labels, count, status);
	em_release(allocator, labels);
	for (size_t i = 0; code == EM_OK && i < count; i++)
		code = model_file_check_threshold((double) model->thresholds[i], i, status);
	return code;
}

em_code
encoder_file_write(const em_allocator *allocator, const model *model, model_precision precision,
				   uint8_t **bytes, size_t *size, em_status *status)
{
	const encoder_model *encoder = model->encoder;
	const size_t tensors = encoder->layout.tensor_count;
	tensor_type *types;
	encoder_file file;
	size_t used;
	em_code code = check_model(allocator, model, status);

	if (code != EM_OK)
		return code;
	types = em_allocate_array(allocator, tensors, sizeof(tensor_type));
	if (types == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	for (size_t i = 0; i < tensors; i++)
		types[i] = encoder_file_type(&encoder->layout, i, precision);
	code = encoder_file_plan(allocator, model, types, &file, status);
	em_release(allocator, types);
	*size = (size_t) file.size;
	*bytes = code == EM_OK ? em_allocate_array(allocator, *size, 1) : NULL;
	if (code == EM_OK && *bytes == NULL)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	if (code == EM_OK)
		memcpy(*bytes, file.head, file.head_size);
	used = file.head_size;
	for (size_t i = 0; code == EM_OK && i < file.count; i++)
	{
		encoder_tensor tensor;

		encoder_tensor_at(&encoder->layout, file.order[i] % tensors, &tensor);
		code = file.order[i] >= tensors || file.types[i] == TENSOR_I8
				   ? put_rounded(&tensor, encoder->weights + tensor.offset,
								 file.order[i] >= tensors, *bytes, &used, status)
				   : put_tensor(&tensor, encoder->weights + tensor.offset, file.types[i], *bytes,
								&used, status);
	}
	if (code != EM_OK)
		em_release(allocator, *bytes);
	encoder_file_release(&file);
	return code;
}
