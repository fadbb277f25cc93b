/*
 * model_calibrate.c
 *	  Calibration worked into a model file's last layer.
 */
#include "encoder_model.h"
#include "model_file.h"
#include "halves.h"

#include <math.h>

/* The last layer of a family. */
typedef struct last_layer
{
	const char *weight, *bias;
	float limit; /* of a number's magnitude */
} last_layer;

static const last_layer network_layer = { "output.weight", "output.bias", MODEL_MAX_WEIGHT };
static const last_layer encoder_layer = { "classifier.out_proj.weight", "classifier.out_proj.bias",
										  ENCODER_MAX_WEIGHT };

/* A tensor of `rank` dimensions whose first is `labels`. */
static em_code
find_tensor(const safetensors *file, const char *name, int rank, size_t labels, const tensor **out,
			em_status *status)
{
	const tensor *tensor = safetensors_find(file, name);

	if (tensor == NULL || tensor->type != TENSOR_F32)
	{
		em_fail(status, EM_UNSUPPORTED, "the file has no tensor \"%s\" of float32 to calibrate",
				name);
		em_hint(status, "Only a last layer of float32 is changed; emotion_convert makes one.");
		return EM_UNSUPPORTED;
	}
	if (tensor->rank != rank || tensor->shape[0] != labels)
		return em_fail(status, EM_INVALID_DATA,
					   "tensor \"%s\" has not one row for each of %zu labels", name, labels);
	*out = tensor;
	return EM_OK;
}

/* Number `index` of a tensor of a file of ours, times scale plus shift. */
static em_code
change(const tensor *tensor, uint8_t *data, size_t index, double scale, double shift, float limit,
	   em_status *status)
{
	float number;

	(void) halves_read_f32(data + 4 * index, 1, &number);
	number = (float) (scale * (double) number + shift);
	if (!(fabsf(number) <= limit))
		return em_fail(status, EM_INVALID_DATA, "number %zu of tensor \"%.*s\" would be too large",
					   index + 1, (int) tensor->name.length, tensor->name.bytes);
	halves_write_f32(&number, 1, data + 4 * index);
	return EM_OK;
}

static em_code
change_layer(const safetensors *file, const last_layer *layer, uint8_t *bytes,
			 const data_calibration *calibration, size_t labels, em_status *status)
{
	const tensor *weight = NULL, *bias = NULL;
	uint8_t *weights, *biases;
	em_code code = find_tensor(file, layer->weight, 2, labels, &weight, status);

	if (code == EM_OK)
		code = find_tensor(file, layer->bias, 1, labels, &bias, status);
	if (code != EM_OK)
		return code;
	/* the file was opened from these bytes, which are ours to change */
	weights = bytes + (weight->data - bytes);
	biases = bytes + (bias->data - bytes);
	for (size_t l = 0; code == EM_OK && l < labels; l++)
	{
		const data_calibration *own = &calibration[l];

		for (size_t i = 0; code == EM_OK && i < weight->shape[1]; i++)
			code = change(weight, weights, l * weight->shape[1] + i, own->scale, 0.0, layer->limit,
						  status);
		if (code == EM_OK)
			code = change(bias, biases, l, own->scale, own->shift, layer->limit, status);
	}
	return code;
}

/* Not data_calibrate(), which keeps its distance from 0 and 1. */
static float
moved_threshold(float threshold, const data_calibration *calibration)
{
	double p = (double) threshold;

	if (threshold <= 0 || threshold >= 1)
		return threshold;
	return (float) (1.0 /
					(1.0 + exp(-(calibration->scale * (log(p) - log1p(-p)) + calibration->shift))));
}

bool
model_labels_exclude(const model *model)
{
	size_t exclusive = 0;

	for (size_t i = 0; i < model->member_count; i++)
		exclusive += model_labels_exclude(model->members[i]);
	return model->member_count > 0
			   ? exclusive == model->member_count
			   : model->encoder != NULL && model->encoder->outputs == ENCODER_SOFTMAX;
}

/* Whether it is the same scale for all labels, and no shift. */
static bool
is_temperature(const data_calibration *calibration, size_t labels)
{
	bool good = true;

	for (size_t l = 0; l < labels; l++)
		good &= calibration[l].scale == calibration[0].scale && calibration[l].shift == 0;
	return good;
}

em_code
model_calibrate(const em_allocator *allocator, const uint8_t *bytes, size_t size,
				const data_calibration *calibration, size_t labels, uint8_t **out, size_t *out_size,
				em_status *status)
{
	const last_layer *layer = &network_layer;
	model *model;
	safetensors file;
	float *thresholds;
	bool exclusive;
	em_code code;

	for (size_t l = 0; l < labels; l++)
		if (!(calibration[l].scale > 0 && isfinite(calibration[l].scale) &&
			  isfinite(calibration[l].shift)))
			return em_fail(status, EM_INVALID_DATA,
						   "the calibration of label %zu is not a scale over 0 and a shift", l + 1);
	code = model_read_in_place(allocator, bytes, size, &model, status);
	if (code != EM_OK)
		return code;
	exclusive = model_labels_exclude(model);
	if (model->member_count > 0)
	{
		code = em_fail(status, EM_UNSUPPORTED,
					   "an ensemble has no last layer of its own to calibrate");
		em_hint(status, "Calibrate the models that it is made of and make another of them.");
	}
	else if (exclusive && !is_temperature(calibration, labels))
		code = em_fail(status, EM_INVALID_DATA,
					   "labels that exclude one another are calibrated by one scale for all");
	else if (model->layout.labels != labels)
		code = em_fail(status, EM_INVALID_DATA, "%zu calibrations for %zu labels", labels,
					   model->layout.labels);
	thresholds = code == EM_OK ? em_allocate_array(allocator, labels, sizeof(float)) : NULL;
	if (code == EM_OK && thresholds == NULL)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	for (size_t l = 0; code == EM_OK && l < labels; l++)
		thresholds[l] = exclusive ? model->thresholds[l]
								  : moved_threshold(model->thresholds[l], &calibration[l]);
	if (model->encoder != NULL)
		layer = &encoder_layer;
	model_free(model);
	if (code == EM_OK)
		code = model_rewrite_thresholds(allocator, bytes, size, thresholds, out, out_size, status);
	em_release(allocator, thresholds);
	if (code != EM_OK)
		return code;
	code = safetensors_open(allocator, *out, *out_size, &file, status);
	if (code == EM_OK)
	{
		code = change_layer(&file, layer, *out, calibration, labels, status);
		safetensors_close(&file);
	}
	if (code != EM_OK)
		em_release(allocator, *out);
	return code;
}
