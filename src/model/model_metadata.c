/*
 * model_metadata.c
 *	  What all models have in the metadata of their files: format, labels, thresholds.
 */
#include "model_file.h"
#include "clip.h"
#include "encoder_file.h"
#include "json.h"

#include <string.h>

em_code
model_file_as_corrupt(em_code code, em_status *status)
{
	if (code != EM_INVALID_OPTION && code != EM_INVALID_DATA)
		return code;
	if (status != NULL)
		status->code = EM_CORRUPT;
	return EM_CORRUPT;
}

em_code
model_file_metadata(const safetensors *file, const char *key, em_slice *value, em_status *status)
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
	code = model_file_metadata(file, "format_version", &value, status);
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
	code = model_file_metadata(file, "architecture", &value, status);
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
	em_code code = model_file_metadata(file, "labels", &json, status);

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
			return model_file_as_corrupt(model_check_labels(*labels, *count, status), status);
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
	em_code code = model_file_metadata(file, "thresholds", &json, status);

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
				return model_file_as_corrupt(code, status);
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

em_code
model_file_keep_labels(model *model, const safetensors *file, size_t *count, em_status *status)
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

em_code
model_file_keep_thresholds(model *model, const safetensors *file, size_t count, em_status *status)
{
	model->thresholds = em_allocate_array(model->allocator, count, sizeof(float));
	if (model->thresholds == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	return read_thresholds(file, count, model->thresholds, status);
}
