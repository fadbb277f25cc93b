/*
 * huggingface.c
 *	  A checkpoint into a model file: options, labels, tokeniser, and the stream of weights.
 */
#include "huggingface.h"

#include <stdio.h>
#include <string.h>

#include "clip.h"
#include "encoder_file.h"
#include "halves.h"
#include "huggingface_config.h"
#include "huggingface_tensors.h"
#include "huggingface_tokenizer.h"
#include "model_file.h"

#define CONFIG_FILE "config.json"
#define MAX_CONFIG_BYTES (4 * 1024 * 1024)

#define HEAD_WEIGHT "classifier.out_proj.weight"

/* Numbers converted at once: what answers a cancel, and how much memory the weights take. */
#define CHUNK_NUMBERS 65536

/* Bytes handed to the sink at once, of what stands before the weights. */
#define CHUNK_BYTES (4 * (size_t) CHUNK_NUMBERS)

struct huggingface
{
	const em_allocator *allocator;
	const huggingface_files *files;
	const huggingface_options *options;
	em_slice config_text;
	huggingface_config config;
	huggingface_tensors tensors;
	huggingface_place *places; /* (layout.tensor_count) */
	bool guessed;
	model *model;
	encoder_file file;
};

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

/* ---- labels ------------------------------------------------------------------------------- */

/* Whether the model gets a head, and of how many labels. */
static em_code
find_head(huggingface *checkpoint, size_t *labels, em_status *status)
{
	const huggingface_config *config = &checkpoint->config;
	huggingface_place place = huggingface_tensors_find(&checkpoint->tensors, HEAD_WEIGHT);

	*labels = 0;
	if (checkpoint->options->without_head)
		return EM_OK;
	if (config->other_head)
	{
		em_fail(status, EM_UNSUPPORTED, "config.json: \"architectures\" is \"%.*s\"",
				clip_length(config->architecture), config->architecture.bytes);
		em_hint(status, "\"RobertaForSequenceClassification\" scores texts. Option \"head\": "
						"\"none\" takes what is below the head, to train from.");
		return EM_UNSUPPORTED;
	}
	if (place.shard == NULL && !config->classifier)
		return EM_OK;
	if (place.shard == NULL)
		return em_fail(status, EM_CORRUPT, "the checkpoint has no tensor \"" HEAD_WEIGHT "\"");
	if (place.tensor->rank != 2 || place.tensor->shape[0] < 1 ||
		place.tensor->shape[0] > MODEL_MAX_LABELS)
		return em_fail(status, EM_LIMIT, "tensor \"" HEAD_WEIGHT "\" is not one of 1 to %d labels",
					   MODEL_MAX_LABELS);
	*labels = (size_t) place.tensor->shape[0];
	return EM_OK;
}

/* The user's labels, the checkpoint's, or LABEL_0 and so on, as Hugging Face calls them then. */
static em_code
choose_labels(huggingface *checkpoint, size_t count, em_status *status)
{
	const huggingface_options *options = checkpoint->options;
	const huggingface_config *config = &checkpoint->config;
	const em_allocator *allocator = checkpoint->allocator;
	em_slice *labels = em_allocate_zeroed(allocator, count, sizeof(em_slice));
	char(*names)[16] = em_allocate_zeroed(allocator, count, sizeof(*names));
	em_code code = EM_OK;

	if (labels == NULL || names == NULL)
		code = out_of_memory(status);
	else if (options->labels != NULL && options->label_count != count)
		code = em_fail(status, EM_INVALID_OPTION,
					   "option \"labels\" has %zu labels for the %zu of the checkpoint",
					   options->label_count, count);
	else if (options->labels == NULL && config->label_count > 0 && config->label_count != count)
		code = em_fail(status, EM_CORRUPT,
					   "config.json has %zu labels, but tensor \"" HEAD_WEIGHT "\" has %zu",
					   config->label_count, count);
	for (size_t i = 0; code == EM_OK && i < count; i++)
	{
		if (options->labels != NULL)
			labels[i] = options->labels[i];
		else if (config->labels != NULL)
			labels[i] = config->labels[i];
		else
			labels[i] = (em_slice){ names[i],
									(size_t) snprintf(names[i], sizeof(names[i]), "LABEL_%zu", i) };
	}
	if (code == EM_OK)
		code = model_check_labels(labels, count, status);
	if (code == EM_OK)
	{
		checkpoint->model->labels = model_copy_labels(allocator, labels, count);
		if (checkpoint->model->labels == NULL)
			code = out_of_memory(status);
	}
	em_release(allocator, labels);
	em_release(allocator, names);
	return code;
}

/* Labels that exclude one another: what the highest of their scores always reaches. */
static em_code
choose_thresholds(huggingface *checkpoint, size_t count, em_status *status)
{
	const huggingface_options *options = checkpoint->options;
	const float usual =
		checkpoint->model->encoder->outputs == ENCODER_SOFTMAX ? 1.0f / (float) count : 0.5f;
	float *thresholds = em_allocate_array(checkpoint->allocator, count, sizeof(float));
	em_code code = EM_OK;

	if (thresholds == NULL)
		return out_of_memory(status);
	checkpoint->model->thresholds = thresholds;
	if (options->thresholds != NULL && options->threshold_count != 1 &&
		options->threshold_count != count)
		return em_fail(status, EM_INVALID_OPTION,
					   "option \"thresholds\" has %zu numbers for %zu labels",
					   options->threshold_count, count);
	for (size_t i = 0; code == EM_OK && i < count; i++)
	{
		thresholds[i] = options->thresholds == NULL     ? usual
						: options->threshold_count == 1 ? options->thresholds[0]
														: options->thresholds[i];
		code = model_file_check_threshold((double) thresholds[i], i, status);
	}
	return code;
}

/* As Hugging Face's pipelines read a checkpoint that does not say. */
static void
choose_outputs(huggingface *checkpoint, size_t labels)
{
	encoder_model *encoder = checkpoint->model->encoder;

	encoder->outputs = checkpoint->options->outputs;
	if (encoder->outputs == ENCODER_OUTPUTS_UNKNOWN)
		encoder->outputs = checkpoint->config.outputs;
	checkpoint->guessed = encoder->outputs == ENCODER_OUTPUTS_UNKNOWN;
	if (checkpoint->guessed)
		encoder->outputs = labels == 1 ? ENCODER_SIGMOID : ENCODER_SOFTMAX;
}

/* ---- tokeniser ----------------------------------------------------------------------------- */

/* What the user asks for, else what the tokeniser's files say, else what the network can read. */
static em_code
choose_length(huggingface *checkpoint, uint64_t said, em_status *status)
{
	encoder_model *encoder = checkpoint->model->encoder;
	size_t longest = encoder->layout.longest;
	int asked = checkpoint->options->max_tokens;

	/* <s>, </s>, and something between them */
	if (longest < 3)
		return em_fail(status, EM_UNSUPPORTED, "the checkpoint reads %zu tokens of a text",
					   longest);
	if (asked != 0 && (asked < 3 || (size_t) asked > longest))
		return em_fail(status, EM_INVALID_OPTION,
					   "option \"max_tokens\" is %d, but the checkpoint reads 3 to %zu", asked,
					   longest);
	encoder->max_tokens = asked != 0                     ? asked
						  : said >= 3 && said <= longest ? (int) said
														 : (int) longest;
	return EM_OK;
}

static em_code
read_tokenizer(huggingface *checkpoint, em_status *status)
{
	encoder_model *encoder = checkpoint->model->encoder;
	uint64_t said = 0;
	em_code code = huggingface_tokenizer_read(checkpoint->allocator, checkpoint->files,
											  &encoder->files, &said, status);

	if (code == EM_OK)
		code = choose_length(checkpoint, said, status);
	if (code == EM_OK)
		code = encoder_model_build_tokenizer(checkpoint->allocator, encoder, status);
	return code;
}

/* ---- opening ------------------------------------------------------------------------------- */

static em_code
plan_file(huggingface *checkpoint, em_status *status)
{
	const encoder_layout *layout = &checkpoint->model->encoder->layout;
	static const model_precision precisions[] = { MODEL_F32, MODEL_F32, MODEL_F16, MODEL_BF16,
												  MODEL_I8 };
	const huggingface_storage storage = checkpoint->options->storage;
	tensor_type *chosen =
		em_allocate_zeroed(checkpoint->allocator, layout->tensor_count, sizeof(tensor_type));
	em_code code;

	if (chosen == NULL)
		return out_of_memory(status);
	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		chosen[i] = encoder_file_type(layout, i, precisions[storage]);
		/* as it is, but for the last layer, which is never shortened nor kept short */
		if (storage == HUGGINGFACE_AS_IT_IS && checkpoint->places[i].shard != NULL &&
			encoder_file_type(layout, i, MODEL_F16) == TENSOR_F16)
			chosen[i] = checkpoint->places[i].tensor->type;
	}
	code = encoder_file_plan(checkpoint->allocator, checkpoint->model, chosen, &checkpoint->file,
							 status);
	em_release(checkpoint->allocator, chosen);
	for (size_t i = 0; code == EM_OK && i < checkpoint->file.count; i++)
		model_file_note_type(checkpoint->model, checkpoint->file.types[i]);
	return code;
}

static em_code
open_model(huggingface *checkpoint, em_status *status)
{
	const em_allocator *allocator = checkpoint->allocator;
	model *model = em_allocate_zeroed(allocator, 1, sizeof(*model));
	encoder_model *encoder;
	size_t labels;
	em_code code;

	if (model == NULL)
		return out_of_memory(status);
	model->allocator = allocator;
	checkpoint->model = model;
	model->encoder = encoder = em_allocate_zeroed(allocator, 1, sizeof(*encoder));
	if (encoder == NULL)
		return out_of_memory(status);
	code = find_head(checkpoint, &labels, status);
	if (code != EM_OK)
		return code;
	encoder->head = labels > 0;
	model->layout.labels = labels;
	if (!encoder->head && (checkpoint->options->labels || checkpoint->options->thresholds))
	{
		em_fail(status, EM_INVALID_OPTION, "option \"%s\" for a checkpoint without a head",
				checkpoint->options->labels ? "labels" : "thresholds");
		em_hint(status, "A training gives the model its labels.");
		return EM_INVALID_OPTION;
	}
	if (encoder->head)
	{
		choose_outputs(checkpoint, labels);
		code = choose_labels(checkpoint, labels, status);
		if (code == EM_OK)
			code = choose_thresholds(checkpoint, labels, status);
	}
	if (code == EM_OK)
		code = encoder_layout_init(&encoder->layout, &checkpoint->config.encoder,
								   encoder->head ? labels : 1, status);
	if (code != EM_OK)
		return code;
	checkpoint->places =
		em_allocate_zeroed(allocator, encoder->layout.tensor_count, sizeof(*checkpoint->places));
	if (checkpoint->places == NULL)
		return out_of_memory(status);
	return huggingface_tensors_match(&checkpoint->tensors, encoder, checkpoint->places, status);
}

em_code
huggingface_open(const em_allocator *allocator, const huggingface_files *files,
				 const huggingface_options *options, huggingface **out, em_status *status)
{
	huggingface *checkpoint = em_allocate_zeroed(allocator, 1, sizeof(*checkpoint));
	em_code code;

	*out = NULL;
	if (checkpoint == NULL)
		return out_of_memory(status);
	checkpoint->allocator = allocator;
	checkpoint->files = files;
	checkpoint->options = options;
	code = huggingface_read_file(allocator, files, CONFIG_FILE, MAX_CONFIG_BYTES,
								 &checkpoint->config_text, status);
	if (code == EM_OK)
		code = huggingface_config_read(allocator, checkpoint->config_text, &checkpoint->config,
									   status);
	if (code == EM_OK)
		code = huggingface_tensors_open(allocator, files, &checkpoint->tensors, status);
	if (code == EM_OK)
		code = open_model(checkpoint, status);
	if (code == EM_OK)
		code = read_tokenizer(checkpoint, status);
	if (code == EM_OK)
		code = plan_file(checkpoint, status);
	if (code != EM_OK)
		huggingface_close(checkpoint);
	else
		*out = checkpoint;
	return code;
}

void
huggingface_close(huggingface *checkpoint)
{
	const em_allocator *allocator;

	if (checkpoint == NULL)
		return;
	allocator = checkpoint->allocator;
	if (checkpoint->config.allocator != NULL)
		huggingface_config_release(&checkpoint->config);
	if (checkpoint->tensors.allocator != NULL)
		huggingface_tensors_release(&checkpoint->tensors);
	if (checkpoint->file.allocator != NULL)
		encoder_file_release(&checkpoint->file);
	em_release(allocator, (void *) checkpoint->config_text.bytes);
	em_release(allocator, checkpoint->places);
	model_free(checkpoint->model);
	em_release(allocator, checkpoint);
}

const model *
huggingface_model(const huggingface *checkpoint)
{
	return checkpoint->model;
}

uint64_t
huggingface_size(const huggingface *checkpoint)
{
	return checkpoint->file.size;
}

bool
huggingface_guessed(const huggingface *checkpoint)
{
	return checkpoint->guessed;
}

/* ---- writing ------------------------------------------------------------------------------- */

static size_t
bytes_of(tensor_type type)
{
	return type == TENSOR_F32 ? 4 : 2;
}

/* Where numbers are converted. */
typedef struct chunk
{
	uint8_t *raw;   /* (CHUNK_NUMBERS) of up to 4 bytes */
	float *numbers; /* (CHUNK_NUMBERS) */
} chunk;

static bool
to_floats(tensor_type type, const uint8_t *bytes, size_t count, float *out)
{
	return type == TENSOR_F32   ? halves_read_f32(bytes, count, out)
		   : type == TENSOR_F16 ? halves_read_f16(bytes, count, out)
								: halves_read_bf16(bytes, count, out);
}

/* The next numbers of a tensor, from its file, checked. */
static em_code
read_chunk(const huggingface *checkpoint, const huggingface_place *place, uint64_t first,
		   size_t count, chunk *chunk, em_status *status)
{
	const huggingface_files *files = checkpoint->files;
	const tensor *tensor = place->tensor;
	const size_t width = bytes_of(tensor->type);
	em_code code = files->read(files->context, place->shard->name,
							   place->shard->data + tensor->offset + first * width, chunk->raw,
							   count * width, status);

	if (code != EM_OK)
		return code;
	(void) to_floats(tensor->type, chunk->raw, count, chunk->numbers);
	return encoder_file_check(tensor->name.bytes, chunk->numbers, count, status);
}

/* A tensor's data from its file to the sink, checked on the way; bit by bit when the type stays. */
static em_code
copy_tensor(const huggingface *checkpoint, const huggingface_place *place, tensor_type type,
			chunk *chunk, huggingface_sink sink, void *context, em_status *status)
{
	const tensor *tensor = place->tensor;
	em_code code = EM_OK;

	for (uint64_t at = 0; code == EM_OK && at < tensor->elements; at += CHUNK_NUMBERS)
	{
		uint64_t left = tensor->elements - at;
		size_t count = left < CHUNK_NUMBERS ? (size_t) left : CHUNK_NUMBERS;

		code = read_chunk(checkpoint, place, at, count, chunk, status);
		if (code == EM_OK && type != tensor->type)
			(void) encoder_file_put(type, chunk->numbers, count, chunk->raw);
		if (code == EM_OK)
			code = sink(context, chunk->raw, count * bytes_of(type), status);
	}
	return code;
}

em_code
huggingface_write(const huggingface *checkpoint, huggingface_sink sink, void *context,
				  em_status *status)
{
	const encoder_file *file = &checkpoint->file;
	const em_allocator *allocator = checkpoint->allocator;
	chunk chunk = { em_allocate_array(allocator, CHUNK_NUMBERS, 4),
					em_allocate_array(allocator, CHUNK_NUMBERS, sizeof(float)) };
	em_code code = chunk.raw && chunk.numbers ? EM_OK : out_of_memory(status);

	if (code == EM_OK && checkpoint->options->storage == HUGGINGFACE_I8)
		code = em_fail(status, EM_UNSUPPORTED, "a file of 8 bits is not written as a stream");
	for (size_t at = 0; code == EM_OK && at < file->head_size; at += CHUNK_BYTES)
		code =
			sink(context, file->head + at,
				 file->head_size - at < CHUNK_BYTES ? file->head_size - at : CHUNK_BYTES, status);
	for (size_t i = 0; code == EM_OK && i < file->count; i++)
		code = copy_tensor(checkpoint, &checkpoint->places[file->order[i]], file->types[i], &chunk,
						   sink, context, status);
	em_release(allocator, chunk.raw);
	em_release(allocator, chunk.numbers);
	return code;
}

em_code
huggingface_load(huggingface *checkpoint, em_status *status)
{
	const em_allocator *allocator = checkpoint->allocator;
	encoder_model *encoder = checkpoint->model->encoder;
	const encoder_layout *layout = &encoder->layout;
	chunk chunk = { em_allocate_array(allocator, CHUNK_NUMBERS, 4),
					em_allocate_array(allocator, CHUNK_NUMBERS, sizeof(float)) };
	em_code code = EM_OK;

	encoder->weights = em_allocate_zeroed(allocator, layout->total, sizeof(real));
	if (!chunk.raw || !chunk.numbers || !encoder->weights)
		code = out_of_memory(status);
	for (size_t i = 0; code == EM_OK && i < layout->tensor_count; i++)
	{
		const huggingface_place *place = &checkpoint->places[i];
		encoder_tensor tensor;

		encoder_tensor_at(layout, i, &tensor);
		for (uint64_t at = 0; code == EM_OK && place->shard != NULL && at < tensor.elements;
			 at += CHUNK_NUMBERS)
		{
			uint64_t left = tensor.elements - at;
			size_t count = left < CHUNK_NUMBERS ? (size_t) left : CHUNK_NUMBERS;

			code = read_chunk(checkpoint, place, at, count, &chunk, status);
			for (size_t n = 0; code == EM_OK && n < count; n++)
				encoder->weights[tensor.offset + at + n] = chunk.numbers[n];
		}
	}
	em_release(allocator, chunk.raw);
	em_release(allocator, chunk.numbers);
	return code;
}
