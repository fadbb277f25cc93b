/*
 * model_write.c
 *	  A model to its file. The format: docs/model-file.md.
 */
#include "model_file.h"
#include "encoder_file.h"
#include "halves.h"
#include "json.h"
#include "quants.h"

#include <math.h>
#include <string.h>

em_code
model_file_check_threshold(double threshold, size_t label, em_status *status)
{
	char shown[JSON_NUMBER_MAX] = "not a number";

	if (threshold >= 0 && threshold <= 1)
		return EM_OK;
	if (isfinite(threshold))
		json_print_number(threshold, true, shown);
	return em_fail(status, EM_INVALID_DATA, "the threshold of label %zu is %s, not in 0 to 1",
				   label + 1, shown);
}

/* A metadata value being put together in a block that is large enough. */
static size_t
put_text(char *out, const char *text)
{
	size_t length = strlen(text);

	memcpy(out, text, length);
	return length;
}

/* Both arrays: room for them in all is asked for by metadata_room. */
em_slice
model_file_put_labels(char *out, char *const *labels, size_t count)
{
	size_t n = 0;

	out[n++] = '[';
	for (size_t i = 0; i < count; i++)
	{
		n += put_text(out + n, i == 0 ? "" : ", ");
		n += json_escape((em_slice){ labels[i], strlen(labels[i]) }, out + n);
	}
	out[n++] = ']';
	return (em_slice){ out, n };
}

em_slice
model_file_put_thresholds(char *out, const float *thresholds, size_t count)
{
	size_t n = 0;

	out[n++] = '[';
	for (size_t i = 0; i < count; i++)
	{
		n += put_text(out + n, i == 0 ? "" : ", ");
		/* a threshold of -0 is in 0 to 1, and 0 */
		n += json_print_number(thresholds[i] == 0 ? 0.0 : (double) thresholds[i], true, out + n);
	}
	out[n++] = ']';
	return (em_slice){ out, n };
}

size_t
model_file_thresholds_room(size_t count)
{
	return 2 + count * (2 + JSON_NUMBER_MAX);
}

size_t
model_file_labels_room(char *const *labels, size_t count)
{
	size_t room = 2;

	for (size_t i = 0; i < count; i++)
		room += 2 + json_escape((em_slice){ labels[i], strlen(labels[i]) }, NULL);
	return room;
}

/* What model_read will refuse must not be written. */
static em_code
check_weights(const char *name, const real *weights, size_t count, double limit, em_status *status)
{
	bool good = true;

	for (size_t i = 0; i < count; i++)
		good &= fabs((double) weights[i]) <= limit; /* false for NaN */
	if (good)
		return EM_OK;
	for (size_t i = 0; i < count; i++)
	{
		if (!(fabs((double) weights[i]) <= limit))
		{
			em_fail(status, EM_INVALID_DATA, "number %zu of tensor \"%s\" is %s", i + 1, name,
					isfinite(weights[i]) ? "too large for the file" : "not finite");
			break;
		}
	}
	return EM_INVALID_DATA;
}

static em_code
check_model(const em_allocator *allocator, const model *model, model_precision precision,
			em_status *status)
{
	const network_layout *layout = &model->layout;
	/* 127 times a rounded scale may be more than what it was made of */
	const double limit = precision == MODEL_F16  ? HALVES_F16_MAX
						 : precision == MODEL_I8 ? 0.999 * MODEL_MAX_WEIGHT
												 : MODEL_MAX_WEIGHT;
	const double dense_limit = precision == MODEL_I8 ? HALVES_F16_MAX : MODEL_MAX_WEIGHT;
	const size_t words = layout->vocabulary * layout->embedding;
	em_slice *labels;
	em_code code;

	if (text_vocabulary_size(model->vocabulary) != layout->vocabulary)
		return em_fail(status, EM_INVALID_DATA, "a vocabulary of %u words with an embedding of %zu",
					   text_vocabulary_size(model->vocabulary), layout->vocabulary);
	if (!json_valid_utf8(text_vocabulary_words(model->vocabulary)))
		return em_fail(status, EM_INVALID_DATA, "the vocabulary is not valid UTF-8");

	labels = em_allocate_array(allocator, layout->labels, sizeof(em_slice));
	if (labels == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	for (size_t i = 0; i < layout->labels; i++)
		labels[i] = (em_slice){ model->labels[i], strlen(model->labels[i]) };
	code = model_check_labels(labels, layout->labels, status);
	em_release(allocator, labels);
	for (size_t i = 0; code == EM_OK && i < layout->labels; i++)
		code = model_file_check_threshold(model->thresholds[i], i, status);

	if (code == EM_OK)
		code = check_weights(MODEL_EMBEDDING_NAME, model->embedding, words, limit, status);
	if (code == EM_OK)
		code = check_weights(MODEL_SUBWORD_NAME, model->embedding + words,
							 layout->buckets * layout->embedding, limit, status);
	for (size_t i = 0; code == EM_OK && i < layout->tensor_count; i++)
	{
		const network_tensor *tensor = &layout->tensors[i];

		code = check_weights(tensor->name, model->dense + tensor->offset, tensor->elements,
							 dense_limit, status);
	}
	return code;
}

/*
 * Weights as floats: the array itself in the float build, a copy that the caller releases in the
 * double build. NULL: no memory.
 */
static float *
as_floats(const em_allocator *allocator, real *weights, size_t count)
{
	float *floats;

	if (sizeof(real) == sizeof(float))
		return (float *) (void *) weights;
	floats = em_allocate_array(allocator, count, sizeof(float));
	for (size_t i = 0; floats != NULL && i < count; i++)
		floats[i] = (float) weights[i];
	return floats;
}

static void
release_floats(const em_allocator *allocator, float *floats)
{
	if (sizeof(real) != sizeof(float))
		em_release(allocator, floats);
}

/* Append a tensor of the words' rows or of the n-grams'. */
static void
describe_table(tensor_out *tensor, const char *name, tensor_type type, size_t rows, size_t columns,
			   const float *data)
{
	tensor->name = name;
	tensor->type = type;
	tensor->rank = columns > 0 ? 2 : 1;
	tensor->shape[0] = rows;
	tensor->shape[1] = columns;
	tensor->data = data;
}

/*
 * The tensors of the file: 4-byte types first, so that all lie aligned; scale: (V + K), for I8.
 * Returns how many.
 */
static size_t
describe_tensors(const model *model, model_precision precision, const float *embedding,
				 const float *scale, const float *dense, tensor_out *tensors)
{
	const network_layout *layout = &model->layout;
	const tensor_type type = precision == MODEL_F16    ? TENSOR_F16
							 : precision == MODEL_BF16 ? TENSOR_BF16
							 : precision == MODEL_I8   ? TENSOR_I8
													   : TENSOR_F32;
	const size_t words = layout->vocabulary;
	size_t count = 0;

	if (type == TENSOR_I8)
	{
		describe_table(&tensors[count++], MODEL_EMBEDDING_SCALE, TENSOR_F32, words, 0, scale);
		if (layout->buckets > 0)
			describe_table(&tensors[count++], MODEL_SUBWORD_SCALE, TENSOR_F32, layout->buckets, 0,
						   scale + words);
	}
	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		const network_tensor *tensor = &layout->tensors[i];

		tensors[count].name = tensor->name;
		/* the last layer is small, and what calibration works on */
		tensors[count].type =
			type == TENSOR_I8 && tensor->kind < TENSOR_OUTPUT_WEIGHT ? TENSOR_F16 : TENSOR_F32;
		tensors[count].rank = tensor->rank;
		memcpy(tensors[count].shape, tensor->shape, sizeof(tensor->shape));
		tensors[count++].data = dense + tensor->offset;
	}
	describe_table(&tensors[count++], MODEL_EMBEDDING_NAME, type, words, layout->embedding,
				   embedding);
	if (layout->buckets > 0)
		describe_table(&tensors[count++], MODEL_SUBWORD_NAME, type, layout->buckets,
					   layout->embedding, embedding + words * layout->embedding);
	return count;
}

/* A scale per row of the embedding; NULL: no memory. */
static float *
row_scales(const em_allocator *allocator, const network_layout *layout, const float *embedding)
{
	float *scale = em_allocate_array(allocator, layout->rows, sizeof(float));

	for (size_t row = 0; scale != NULL && row < layout->rows; row++)
		scale[row] = quants_scale(embedding + row * layout->embedding, layout->embedding);
	return scale;
}

static em_slice
literal(const char *text)
{
	return (em_slice){ text, strlen(text) };
}

/* The file from checked parts; text: room for the three metadata values made here. */
static em_code
write_file(const em_allocator *allocator, const model *model, const tensor_out *tensors,
		   size_t tensor_count, char *text, size_t label_room, uint8_t **bytes, size_t *size,
		   em_status *status)
{
	const network_layout *layout = &model->layout;
	char *label_text = text + MODEL_CONFIG_JSON_MAX;
	const metadata_entry metadata[] = {
		{ literal("format"), literal(MODEL_FORMAT) },
		{ literal("format_version"), literal(MODEL_FORMAT_VERSION) },
		{ literal("architecture"), literal(MODEL_ARCHITECTURE) },
		{ literal("configuration"),
		  { text, model_config_to_json(&layout->config, text, MODEL_CONFIG_JSON_MAX) } },
		{ literal("labels"), model_file_put_labels(label_text, model->labels, layout->labels) },
		{ literal("thresholds"),
		  model_file_put_thresholds(label_text + label_room, model->thresholds, layout->labels) },
		{ literal("vocabulary"), text_vocabulary_words(model->vocabulary) },
	};
	const size_t metadata_count = sizeof(metadata) / sizeof(metadata[0]);

	*size = safetensors_size(tensors, tensor_count, metadata, metadata_count);
	if (*size == 0)
		return em_fail(status, EM_LIMIT,
					   "labels and vocabulary are too large for the header of a model file");
	*bytes = em_allocate_array(allocator, *size, 1);
	if (*bytes == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	safetensors_write(tensors, tensor_count, metadata, metadata_count, *bytes);
	return EM_OK;
}

em_code
model_write(const em_allocator *allocator, const model *model, model_precision precision,
			uint8_t **bytes, size_t *size, em_status *status)
{
	const network_layout *layout = &model->layout;
	tensor_out tensors[NETWORK_MAX_TENSORS + 4] = { 0 };
	size_t label_room = model_file_labels_room(model->labels, layout->labels);
	float *embedding, *dense;
	float *scale = NULL;
	char *text;
	em_code code = model->encoder != NULL
					   ? encoder_file_write(allocator, model, precision, bytes, size, status)
				   : model->member_count > 0
					   ? em_fail(status, EM_UNSUPPORTED, "an ensemble is written by model_join")
					   : check_model(allocator, model, precision, status);

	if (code != EM_OK || model->encoder != NULL)
		return code;
	embedding = as_floats(allocator, model->embedding, layout->rows * layout->embedding);
	dense = as_floats(allocator, model->dense, layout->dense);
	text = em_allocate_array(
		allocator, MODEL_CONFIG_JSON_MAX + label_room + model_file_thresholds_room(layout->labels),
		1);
	if (embedding != NULL && precision == MODEL_I8)
		scale = row_scales(allocator, layout, embedding);
	if (embedding == NULL || dense == NULL || text == NULL ||
		(precision == MODEL_I8 && scale == NULL))
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	else
	{
		size_t count = describe_tensors(model, precision, embedding, scale, dense, tensors);

		code = write_file(allocator, model, tensors, count, text, label_room, bytes, size, status);
	}
	release_floats(allocator, embedding);
	release_floats(allocator, dense);
	em_release(allocator, scale);
	em_release(allocator, text);
	return code;
}

em_code
model_rewrite_thresholds(const em_allocator *allocator, const uint8_t *bytes, size_t size,
						 const float *thresholds, uint8_t **out, size_t *out_size,
						 em_status *status)
{
	safetensors file;
	em_slice *labels = NULL;
	char *text = NULL;
	size_t count = 0;
	em_code code = safetensors_open(allocator, bytes, size, &file, status);

	if (code != EM_OK)
		return code;
	code = model_file_check_format(&file, status);
	if (code == EM_OK)
		code = model_file_labels(allocator, &file, &labels, &text, &count, status);
	safetensors_close(&file);
	em_release(allocator, labels);
	em_release(allocator, text);
	for (size_t i = 0; code == EM_OK && i < count; i++)
		code = model_file_check_threshold(thresholds[i], i, status);
	if (code != EM_OK)
		return code;

	text = em_allocate_array(allocator, model_file_thresholds_room(count), 1);
	if (text == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	code = safetensors_replace_metadata(allocator, bytes, size, "thresholds",
										model_file_put_thresholds(text, thresholds, count), out,
										out_size, status);
	em_release(allocator, text);
	return code;
}
