/*
 * model_file.c
 *	  A model from its file. The format: docs/model-file.md.
 */
#include "model_file.h"
#include "clip.h"
#include "encoder_file.h"
#include "json.h"

#include <string.h>

/*
 * What is wrong with the contents is wrong with the file: the codes of the
 * checks that users' options and rows share say so here.
 */
static em_code
as_corrupt(em_code code, em_status *status)
{
	if (code != EM_INVALID_OPTION && code != EM_INVALID_DATA)
		return code;
	if (status != NULL)
		status->code = EM_CORRUPT;
	return EM_CORRUPT;
}

/* A metadata value that must be there. */
static em_code
required(const safetensors *file, const char *key, em_slice *value, em_status *status)
{
	*value = safetensors_metadata(file, key);
	if (value->bytes == NULL)
		return em_fail(status, EM_CORRUPT, "the file has no metadata \"%s\"", key);
	return EM_OK;
}

static bool
is(em_slice text, const char *expected)
{
	return text.length == strlen(expected) && memcmp(text.bytes, expected, text.length) == 0;
}

em_code
model_file_check_format(const safetensors *file, em_status *status)
{
	em_slice format = safetensors_metadata(file, "format");
	em_slice value;
	em_code code;

	if (format.bytes == NULL || !is(format, MODEL_FORMAT))
	{
		em_fail(status, EM_UNSUPPORTED, "the file is not a model of this extension");
		em_hint(status, "A model file is one that emotion_export has written.");
		return EM_UNSUPPORTED;
	}
	code = required(file, "format_version", &value, status);
	if (code != EM_OK)
		return code;
	if (!is(value, MODEL_FORMAT_VERSION))
	{
		em_fail(status, EM_UNSUPPORTED, "the model file has format version \"%.*s\"",
				clip_length(value), value.bytes);
		em_hint(status, "This version of the extension reads format version %s.",
				MODEL_FORMAT_VERSION);
		return EM_UNSUPPORTED;
	}
	code = required(file, "architecture", &value, status);
	if (code != EM_OK)
		return code;
	if (!is(value, MODEL_ARCHITECTURE) && !is(value, MODEL_ENSEMBLE) &&
		!is(value, ENCODER_ARCHITECTURE))
		return em_fail(status, EM_UNSUPPORTED, "the model file has the architecture \"%.*s\"",
					   clip_length(value), value.bytes);
	return EM_OK;
}

em_code
model_file_labels(const em_allocator *allocator, const safetensors *file, em_slice **labels,
				  char **text, size_t *count, em_status *status)
{
	em_slice json;
	json_reader reader;
	json_token token;
	size_t used = 0;
	em_code code = required(file, "labels", &json, status);

	*labels = NULL;
	*text = NULL;
	*count = 0;
	if (code != EM_OK)
		return code;

	/* a label of n bytes takes n + 1 here, and n + 2 in the JSON text */
	*labels = em_allocate_array(allocator, MODEL_MAX_LABELS, sizeof(em_slice));
	*text = em_allocate_array(allocator, json.length + 1, 1);
	if (*labels == NULL || *text == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");

	json_open(&reader, json.bytes, json.length);
	token = json_next(&reader);
	if (token == JSON_ARRAY_BEGIN)
	{
		while ((token = json_next(&reader)) == JSON_STRING)
		{
			em_slice *label = *labels + *count;

			if (*count == MODEL_MAX_LABELS)
				return em_fail(status, EM_LIMIT, "the model file has more than %d labels",
							   MODEL_MAX_LABELS);
			label->bytes = *text + used;
			label->length = json_unescape(reader.raw, *text + used);
			used += label->length;
			(*text)[used++] = '\0';
			(*count)++;
		}
		if (token == JSON_ARRAY_END && json_next(&reader) == JSON_END)
			return as_corrupt(model_check_labels(*labels, *count, status), status);
	}
	return em_fail(status, EM_CORRUPT,
				   "the labels of the model file are not a JSON array of strings");
}

static em_code
read_thresholds(const safetensors *file, size_t count, float *thresholds, em_status *status)
{
	em_slice json;
	json_reader reader;
	json_token token;
	size_t n = 0;
	em_code code = required(file, "thresholds", &json, status);

	if (code != EM_OK)
		return code;
	json_open(&reader, json.bytes, json.length);
	token = json_next(&reader);
	if (token == JSON_ARRAY_BEGIN)
	{
		while ((token = json_next(&reader)) == JSON_NUMBER)
		{
			double threshold;

			(void) json_to_double(reader.raw, &threshold);
			code = model_file_check_threshold(threshold, n, status);
			if (code != EM_OK)
				return as_corrupt(code, status);
			if (n < count)
				thresholds[n] = (float) threshold;
			n++;
		}
		if (token == JSON_ARRAY_END && json_next(&reader) == JSON_END)
		{
			if (n == count)
				return EM_OK;
			return em_fail(status, EM_CORRUPT, "the model file has %zu thresholds for %zu labels",
						   n, count);
		}
	}
	return em_fail(status, EM_CORRUPT,
				   "the thresholds of the model file are not a JSON array of numbers");
}

static em_code
keep_labels(model *model, const safetensors *file, size_t *count, em_status *status)
{
	em_slice *labels;
	char *text;
	em_code code = model_file_labels(model->allocator, file, &labels, &text, count, status);

	if (code == EM_OK)
	{
		model->labels = model_copy_labels(model->allocator, labels, *count);
		if (model->labels == NULL)
			code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	}
	em_release(model->allocator, labels);
	em_release(model->allocator, text);
	return code;
}

/* Everything but the weights: what the metadata say. */
static em_code
read_description(model *model, const safetensors *file, em_status *status)
{
	em_slice value;
	size_t labels = 0;
	model_config config;
	em_code code = model_file_check_format(file, status);

	if (code == EM_OK)
		code = required(file, "configuration", &value, status);
	if (code == EM_OK)
		code = as_corrupt(model_config_from_json(&config, value, status), status);
	if (code == EM_OK)
		code = keep_labels(model, file, &labels, status);
	if (code != EM_OK)
		return code;

	model->thresholds = em_allocate_array(model->allocator, labels, sizeof(float));
	if (model->thresholds == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	code = read_thresholds(file, labels, model->thresholds, status);
	if (code == EM_OK)
		code = required(file, "vocabulary", &value, status);
	if (code == EM_OK)
		code = as_corrupt(text_vocabulary_load(model->allocator, value.bytes, value.length,
											   &model->vocabulary, status),
						  status);
	if (code == EM_OK)
		code =
			as_corrupt(network_layout_init(&model->layout, &config,
										   text_vocabulary_size(model->vocabulary), labels, status),
					   status);
	return code;
}

/* The tensor of that name, which must have that shape; NULL, with *status filled, otherwise. */
static const tensor *
find_tensor(const safetensors *file, const char *name, int rank, const uint64_t *shape,
			em_status *status)
{
	const tensor *found = safetensors_find(file, name);

	if (found == NULL)
	{
		em_fail(status, EM_CORRUPT, "the model file has no tensor \"%s\"", name);
		return NULL;
	}
	for (int i = 0; i < rank; i++)
	{
		if (found->rank != rank || found->shape[i] != shape[i])
		{
			em_fail(status, EM_CORRUPT,
					"tensor \"%s\" of the model file has not the shape that its configuration, "
					"labels and vocabulary ask for",
					name);
			return NULL;
		}
	}
	return found;
}

/* As above, of a type that says what the numbers are. */
static const tensor *
find_numbers(const safetensors *file, const char *name, int rank, const uint64_t *shape,
			 em_status *status)
{
	const tensor *found = find_tensor(file, name, rank, shape, status);

	if (found != NULL && found->type > TENSOR_BF16)
	{
		em_fail(status, EM_CORRUPT, "tensor \"%s\" of the model file is not F32, F16 or BF16",
				name);
		return NULL;
	}
	return found;
}

#define LIMIT_BLOCK 256

/* In blocks, so that the inner loop becomes vector code (see halves.c). */
static bool
within_limit(const float *numbers, size_t count)
{
	uint32_t over = 0, limit;
	float limit_number = MODEL_MAX_WEIGHT;

	memcpy(&limit, &limit_number, sizeof(limit));
	while (count > 0)
	{
		uint32_t bits[LIMIT_BLOCK] = { 0 };
		size_t n = count < LIMIT_BLOCK ? count : LIMIT_BLOCK;

		memcpy(bits, numbers, n * sizeof(float));
		for (int i = 0; i < LIMIT_BLOCK; i++)
			over |= limit - (bits[i] & 0x7FFFFFFF);
		numbers += n;
		count -= n;
	}
	return over >> 31 == 0;
}

static em_code
beyond_limit(const tensor *tensor, em_status *status)
{
	return em_fail(status, EM_CORRUPT, "tensor \"%.*s\" of the model file holds a number beyond %g",
				   clip_length(tensor->name), tensor->name.bytes, (double) MODEL_MAX_WEIGHT);
}

/*
 * A tensor into reals, rows of bytes by their scale; doubles are widened from floats at the end of
 * their place.
 */
static em_code
read_reals(const tensor *tensor, const float *scale, real *out, em_status *status)
{
	const size_t count = (size_t) tensor->elements;
	float *floats = (float *) (void *) (out + count) - count;
	em_code code = EM_OK;

	if (scale != NULL)
		tensor_read_rows(tensor, scale, floats);
	else
		code = tensor_read(tensor, floats, status);
	if (code != EM_OK)
		return code;
	/* halves end far below */
	if (tensor->type != TENSOR_F16 && !within_limit(floats, count))
		return beyond_limit(tensor, status);
	for (size_t i = 0; sizeof(real) > sizeof(float) && i < count; i++)
	{
		float number;

		memcpy(&number, floats + i, sizeof(number));
		out[i] = number;
	}
	return EM_OK;
}

/* Rows of the embedding in a file: words or n-grams. */
typedef struct table
{
	const tensor *weight;
	const tensor *scale; /* NULL: weight is not I8 */
} table;

static em_code
find_table(const safetensors *file, const char *name, const char *scale_name, uint64_t rows,
		   uint64_t columns, table *found, em_status *status)
{
	const uint64_t shape[2] = { rows, columns };

	found->scale = NULL;
	found->weight = find_tensor(file, name, 2, shape, status);
	if (found->weight == NULL)
		return EM_CORRUPT;
	if (found->weight->type > TENSOR_BF16 && found->weight->type != TENSOR_I8)
		return em_fail(status, EM_CORRUPT,
					   "tensor \"%s\" of the model file is not F32, F16, BF16 or I8", name);
	if (found->weight->type == TENSOR_I8)
		found->scale = find_numbers(file, scale_name, 1, shape, status);
	return found->weight->type == TENSOR_I8 && found->scale == NULL ? EM_CORRUPT : EM_OK;
}

static em_code
read_table(model *model, const table *table, real *out, em_status *status)
{
	float *scale = NULL;
	em_code code = EM_OK;

	if (table->scale != NULL)
	{
		scale = em_allocate_array(model->allocator, (size_t) table->scale->elements, sizeof(float));
		if (scale == NULL)
			return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
		code = tensor_read(table->scale, scale, status);
	}
	if (code == EM_OK)
		code = read_reals(table->weight, scale, out, status);
	em_release(model->allocator, scale);
	return code;
}

/* The tables for words and n-grams; *count: tensors that they are. */
static em_code
find_tables(const safetensors *file, const network_layout *layout, table tables[2], size_t *count,
			em_status *status)
{
	em_code code = find_table(file, MODEL_EMBEDDING_NAME, MODEL_EMBEDDING_SCALE, layout->vocabulary,
							  layout->embedding, &tables[0], status);

	tables[1] = (table){ NULL, NULL };
	if (code == EM_OK && layout->buckets > 0)
		code = find_table(file, MODEL_SUBWORD_NAME, MODEL_SUBWORD_SCALE, layout->buckets,
						  layout->embedding, &tables[1], status);
	*count = 0;
	for (int i = 0; code == EM_OK && i < 2; i++)
		*count += (tables[i].weight != NULL) + (tables[i].scale != NULL);
	return code;
}

/* A table that stays where it is, each of its rows looked at once. */
static em_code
keep_table(model *model, const table *found, size_t row_count, embedding_rows *rows,
		   em_status *status)
{
	const size_t dim = model->layout.embedding;
	const tensor *weight = found->weight;
	float *scale = NULL;
	real row[MODEL_MAX_DIM];

	if (found->scale != NULL)
	{
		scale = em_allocate_array(model->allocator, row_count, sizeof(float));
		if (scale == NULL)
			return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	}
	*rows = (embedding_rows){ weight->type, weight->data, scale };
	if (scale != NULL)
	{
		em_code code = tensor_read(found->scale, scale, status);

		if (code != EM_OK)
			return code;
	}
	for (size_t i = 0; i < row_count; i++)
	{
		if (!embedding_read_row(rows, dim, i, row))
			return em_fail(status, EM_CORRUPT,
						   "tensor \"%.*s\" of the file holds a number that is not finite",
						   clip_length(weight->name), weight->name.bytes);
		for (size_t e = 0; e < dim; e++)
			if (!(row[e] <= MODEL_MAX_WEIGHT && row[e] >= -MODEL_MAX_WEIGHT))
				return beyond_limit(weight, status);
	}
	return EM_OK;
}

static em_code
read_embedding(model *model, const table tables[2], em_status *status)
{
	const network_layout *layout = &model->layout;
	em_code code;

	if (model->in_place)
	{
		model->table.dim = layout->embedding;
		model->table.vocabulary = layout->vocabulary;
		code = keep_table(model, &tables[0], layout->vocabulary, &model->table.words, status);
		if (code == EM_OK && layout->buckets > 0)
			code = keep_table(model, &tables[1], layout->buckets, &model->table.subwords, status);
		return code;
	}
	model->embedding =
		em_allocate_array(model->allocator, layout->rows * layout->embedding, sizeof(real));
	if (model->embedding == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	code = read_table(model, &tables[0], model->embedding, status);
	if (code == EM_OK && layout->buckets > 0)
		code = read_table(model, &tables[1],
						  model->embedding + layout->vocabulary * layout->embedding, status);
	return code;
}

nn_numbers
model_file_numbers(tensor_type type)
{
	return type == TENSOR_F32 ? NN_REALS : type == TENSOR_I8 ? NN_BYTES : NN_HALVES;
}

static em_code
lay_out_panels(model *model, em_status *status)
{
	char *memory = em_allocate_array(
		model->allocator, network_panels_size(&model->layout, model->numbers) + NN_ALIGNMENT, 1);
	void *aligned;

	if (memory == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	aligned = memory + (NN_ALIGNMENT - (uintptr_t) memory % NN_ALIGNMENT) % NN_ALIGNMENT;
	network_panels_fill(&model->layout, model->numbers, model->dense, aligned);
	model->panels = aligned;
	model->panels_memory = memory;
	return EM_OK;
}

static em_code
read_weights(model *model, const safetensors *file, em_status *status)
{
	const network_layout *layout = &model->layout;
	const tensor *found[NETWORK_MAX_TENSORS];
	table tables[2];
	size_t end = 0;
	size_t count;
	/* all shapes before any memory: what is then allocated is at most some times what the file
	 * holds */
	em_code code = find_tables(file, layout, tables, &count, status);

	if (code != EM_OK)
		return code;
	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		const network_tensor *wanted = &layout->tensors[i];

		found[i] = find_numbers(file, wanted->name, wanted->rank, wanted->shape, status);
		if (found[i] == NULL)
			return EM_CORRUPT;
	}
	count += layout->tensor_count;
	if (file->tensor_count != count)
		return em_fail(status, EM_CORRUPT, "the model file has %zu tensors, not %zu",
					   file->tensor_count, count);

	model->dense = em_allocate_array(model->allocator, layout->dense, sizeof(real));
	if (model->dense == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	for (size_t i = 0; code == EM_OK && i < layout->tensor_count; i++)
	{
		const network_tensor *wanted = &layout->tensors[i];

		memset(model->dense + end, 0, (wanted->offset - end) * sizeof(real));
		code = read_reals(found[i], NULL, model->dense + wanted->offset, status);
		end = wanted->offset + wanted->elements;
	}
	memset(model->dense + end, 0, (layout->dense - end) * sizeof(real));
	if (code == EM_OK)
		code = read_embedding(model, tables, status);
	model->numbers = model_file_numbers(tables[0].weight->type);
	return code == EM_OK ? lay_out_panels(model, status) : code;
}

/* Of the family roberta: what every model has here, the rest in encoder_file.c. */
static em_code
read_encoder(model *model, const safetensors *file, bool weights, em_status *status)
{
	em_code code = model_file_check_format(file, status);
	size_t labels = 0;

	if (code == EM_OK && !encoder_file_is_base(file))
	{
		code = keep_labels(model, file, &labels, status);
		if (code != EM_OK)
			return code;
		model->thresholds = em_allocate_array(model->allocator, labels, sizeof(float));
		if (model->thresholds == NULL)
			return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
		code = read_thresholds(file, labels, model->thresholds, status);
	}
	model->layout.labels = labels;
	if (code != EM_OK)
		return code;
	code = weights ? encoder_file_read(model, file, status)
				   : encoder_file_describe(model, file, status);
	return as_corrupt(code, status);
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
	{
		code = read_description(result, file, status);
		if (code == EM_OK)
			code = read_weights(result, file, status);
	}
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
		code = keep_labels(model, file, &labels, status);
	if (code == EM_OK)
		code = model_file_members(file, weights, &members, status);
	if (code != EM_OK)
		return code;
	model->layout.labels = labels;
	model->thresholds = em_allocate_array(allocator, labels, sizeof(float));
	model->members = em_allocate_zeroed(allocator, members, sizeof(struct model *));
	model->member_weight = em_allocate_array(allocator, members, sizeof(float));
	model->member_place = em_allocate_array(allocator, members * labels, sizeof(uint16_t));
	if (!model->thresholds || !model->members || !model->member_weight || !model->member_place)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	memcpy(model->member_weight, weights, members * sizeof(float));
	code = read_thresholds(file, labels, model->thresholds, status);
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

void
model_free(model *model)
{
	const em_allocator *allocator;

	if (model == NULL)
		return;
	allocator = model->allocator;
	em_release(allocator, model->labels);
	em_release(allocator, model->thresholds);
	if (model->vocabulary != NULL)
		text_vocabulary_free(model->vocabulary);
	em_release(allocator, model->embedding);
	em_release(allocator, model->panels_memory);
	if (!model->borrowed)
	{
		em_release(allocator, model->dense);
		em_release(allocator, (void *) (uintptr_t) model->table.words.scale);
		em_release(allocator, (void *) (uintptr_t) model->table.subwords.scale);
	}
	encoder_model_free(allocator, model->encoder);
	for (size_t i = 0; i < model->member_count; i++)
		model_free(model->members[i]);
	em_release(allocator, model->members);
	em_release(allocator, model->member_weight);
	em_release(allocator, model->member_place);
	em_release(allocator, model);
}
