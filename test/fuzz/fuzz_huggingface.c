/*
 * fuzz_huggingface.c
 *	  Any bytes as a checkpoint: refused with a message, or a model file that can be read.
 *
 * The input is config.json, tokenizer.json, model.safetensors.index.json, each ended by a NUL, and
 * weights: model.safetensors, or, when there is an index, a.safetensors.
 */
#include "fuzz.h"

#include "../../src/model/huggingface.h"

enum
{
	CONFIG,
	TOKENIZER,
	INDEX,
	WEIGHTS,
	FILES
};

typedef struct checkpoint
{
	em_slice files[FILES];
	uint8_t *out;
	size_t written;
} checkpoint;

static const em_slice *
find_file(const checkpoint *from, const char *name)
{
	static const char *const names[] = { "config.json", "tokenizer.json",
										 "model.safetensors.index.json" };
	bool indexed = from->files[INDEX].length > 0;

	for (int i = CONFIG; i <= INDEX; i++)
		if (strcmp(name, names[i]) == 0)
			return from->files[i].length > 0 ? &from->files[i] : NULL;
	return strcmp(name, indexed ? "a.safetensors" : "model.safetensors") == 0
			   ? &from->files[WEIGHTS]
			   : NULL;
}

static em_code
find(void *context, const char *name, bool *found, uint64_t *size, em_status *status)
{
	const em_slice *file = find_file(context, name);

	(void) status;
	*found = file != NULL;
	*size = file != NULL ? file->length : 0;
	return EM_OK;
}

static em_code
read_file(void *context, const char *name, uint64_t offset, uint8_t *out, size_t wanted,
		  em_status *status)
{
	const em_slice *file = find_file(context, name);

	(void) status;
	require(file != NULL && offset <= file->length && wanted <= file->length - offset);
	memcpy(out, file->bytes + offset, wanted);
	return EM_OK;
}

static em_code
write_file(void *context, const uint8_t *bytes, size_t size, em_status *status)
{
	checkpoint *to = context;

	(void) status;
	to->out = realloc(to->out, to->written + size + 1);
	memcpy(to->out + to->written, bytes, size);
	to->written += size;
	return EM_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	checkpoint from = { .out = NULL };
	const huggingface_files files = { find, read_file, &from };
	const huggingface_options options = { .storage = (huggingface_storage) (size % 4) };
	em_status status = { EM_OK, "", "" };
	huggingface *opened;
	model *model;
	em_code code;

	for (int i = CONFIG; i < WEIGHTS; i++)
	{
		const uint8_t *end = size > 0 ? memchr(data, '\0', size) : NULL;
		size_t length = end != NULL ? (size_t) (end - data) : size;

		from.files[i] = (em_slice){ (const char *) data, length };
		data += length + (end != NULL);
		size -= length + (end != NULL);
	}
	from.files[WEIGHTS] = (em_slice){ (const char *) data, size };
	code = huggingface_open(&allocator, &files, &options, &opened, &status);
	if (code == EM_OK)
		code = huggingface_write(opened, write_file, &from, &status);
	if (code != EM_OK)
		require(status.message[0] != '\0');
	else
	{
		require(huggingface_size(opened) == from.written);
		require(model_read(&allocator, from.out, from.written, &model, &status) == EM_OK);
		require(model_parameters(model) == model_parameters(huggingface_model(opened)));
		model_free(model);
	}
	huggingface_close(opened);
	free(from.out);
	return 0;
}
