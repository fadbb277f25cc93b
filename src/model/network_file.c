/*
 * network_file.c
 *	  A model of the first family from its file. The format: docs/model-file.md.
 */
#include "network_file.h"
#include "clip.h"
#include "model_file.h"

#include <string.h>

/* Everything but the weights: what the metadata say. */
static em_code
read_description(model *model, const safetensors *file, em_status *status)
{
	em_slice value;
	size_t labels = 0;
	model_config config;
	em_code code = model_file_check_format(file, status);

	if (code == EM_OK)
		code = model_file_metadata(file, "configuration", &value, status);
	if (code == EM_OK)
		code = model_file_as_corrupt(model_config_from_json(&config, value, status), status);
	if (code == EM_OK)
		code = model_file_keep_labels(model, file, &labels, status);
	if (code != EM_OK)
		return code;

	code = model_file_keep_thresholds(model, file, labels, status);
	if (code == EM_OK)
		code = model_file_metadata(file, "vocabulary", &value, status);
	if (code == EM_OK)
		code = model_file_as_corrupt(text_vocabulary_load(model->allocator, value.bytes,
														  value.length, &model->vocabulary, status),
									 status);
	if (code == EM_OK)
		code = model_file_as_corrupt(network_layout_init(&model->layout, &config,
														 text_vocabulary_size(model->vocabulary),
														 labels, status),
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

em_code
network_file_read(model *model, const safetensors *file, em_status *status)
{
	em_code code = read_description(model, file, status);

	return code == EM_OK ? read_weights(model, file, status) : code;
}
