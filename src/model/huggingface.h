/*
 * huggingface.h
 *	  A checkpoint of the family roberta as Hugging Face's libraries save it, turned into a model
 *	  file: config.json, the tokeniser's files, and one or several safetensors files.
 *
 * Weights are never all in memory: they go from the files through a buffer of some hundred
 * kilobytes into the sink, in the order of the model file. Beside it there are the tokeniser and
 * the headers.
 */
#ifndef EMOTION_MODEL_HUGGINGFACE_H
#define EMOTION_MODEL_HUGGINGFACE_H

#include "encoder_model.h"
#include "model.h"

/* Where a checkpoint's files are: a directory of names without '/'. */
typedef struct huggingface_files
{
	/* *found: whether there is a file of that name, then *size: its bytes. */
	em_code (*find)(void *context, const char *name, bool *found, uint64_t *size,
					em_status *status);
	/* `wanted` bytes from `offset` on, all of them within the file, which find() has found. */
	em_code (*read)(void *context, const char *name, uint64_t offset, uint8_t *out, size_t wanted,
					em_status *status);
	void *context;
} huggingface_files;

/* Takes the next `size` bytes of the model file. */
typedef em_code (*huggingface_sink)(void *context, const uint8_t *bytes, size_t size,
									em_status *status);

/* How the numbers are kept. */
typedef enum huggingface_storage
{
	HUGGINGFACE_AS_IT_IS, /* each tensor as it is in the checkpoint */
	HUGGINGFACE_F32,
	HUGGINGFACE_F16,
	HUGGINGFACE_BF16,
	HUGGINGFACE_I8, /* the file is model_write's, MODEL_I8, of what huggingface_load loads */
} huggingface_storage;

/* All zero: everything as the checkpoint says. */
typedef struct huggingface_options
{
	const em_slice *labels; /* NULL: the checkpoint's */
	size_t label_count;
	const float *thresholds; /* NULL: 0.5, or 1 / labels where they exclude one another */
	size_t threshold_count;  /* one for each label, or one for all */
	huggingface_storage storage;
	bool without_head;       /* take no head, whether there is one or not */
	int max_tokens;          /* of a text, <s> and </s> included; 0: as the checkpoint says */
	encoder_outputs outputs; /* ENCODER_OUTPUTS_UNKNOWN: as the checkpoint says */
} huggingface_options;

typedef struct huggingface huggingface;

/*
 * Read and check everything but the weights. EM_MISSING: a file is not there; EM_CORRUPT: files that are not what they must be, a
 * missing or an extra tensor, a wrong shape; EM_UNSUPPORTED: a network or tokeniser of another
 * kind, with the key and its value; EM_INVALID_OPTION: options that do not fit the checkpoint.
 */
em_code huggingface_open(const em_allocator *allocator, const huggingface_files *files,
						 const huggingface_options *options, huggingface **out, em_status *status);

/* NULL is allowed. */
void huggingface_close(huggingface *checkpoint);

/* The model that the file will hold, without its weights until they are loaded; it lives as long as the checkpoint. */
const model *huggingface_model(const huggingface *checkpoint);

/*
 * Read all weights into that model, which model_write and a scorer then take; errors as those of
 * huggingface_write.
 */
em_code huggingface_load(huggingface *checkpoint, em_status *status);

/* Bytes of the model file. */
uint64_t huggingface_size(const huggingface *checkpoint);

/* Whether config.json says nothing of the kind of problem, so that the number of labels decided. */
bool huggingface_guessed(const huggingface *checkpoint);

/*
 * Write the model file, unless HUGGINGFACE_I8, which is EM_UNSUPPORTED here. EM_CORRUPT for a weight that is not finite or whose magnitude is over
 * ENCODER_MAX_WEIGHT; EM_CANCELLED and all else from the callbacks.
 */
em_code huggingface_write(const huggingface *checkpoint, huggingface_sink sink, void *context,
						  em_status *status);

#endif /* EMOTION_MODEL_HUGGINGFACE_H */
