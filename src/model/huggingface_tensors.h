/*
 * huggingface_tensors.h
 *	  Which tensor of a network stands where in a checkpoint's safetensors files; private to
 *	  huggingface*.c.
 */
#ifndef EMOTION_MODEL_HUGGINGFACE_TENSORS_H
#define EMOTION_MODEL_HUGGINGFACE_TENSORS_H

#include "encoder_model.h"
#include "huggingface.h"
#include "safetensors.h"

/* One safetensors file: its header alone. */
typedef struct huggingface_shard
{
	char *name;
	uint64_t data; /* where its data begin */
	uint8_t *head;
	safetensors file;
	bool *used; /* (file.tensor_count) is a tensor of the network */
} huggingface_shard;

typedef struct huggingface_tensors
{
	const em_allocator *allocator;
	const huggingface_files *files;
	huggingface_shard *shards;
	size_t shard_count;
	size_t capacity;
	uint64_t head_bytes; /* of all files */
	size_t tensor_count;
} huggingface_tensors;

/* A tensor and the file that it stands in. */
typedef struct huggingface_place
{
	const huggingface_shard *shard; /* NULL: not there */
	const tensor *tensor;
} huggingface_place;

/*
 * Read the headers of model.safetensors, or of the files that model.safetensors.index.json names.
 * To be released after a failure, too.
 */
em_code huggingface_tensors_open(const em_allocator *allocator, const huggingface_files *files,
								 huggingface_tensors *tensors, em_status *status);
void huggingface_tensors_release(huggingface_tensors *tensors);

/* The tensor of exactly that name. */
huggingface_place huggingface_tensors_find(const huggingface_tensors *tensors, const char *name);

/*
 * places (layout.tensor_count): where each tensor of the network stands, of the right shape and a
 * type that we read. Names may lack "roberta.", and LayerNorm may have gamma and beta. Position
 * ids, the pooler and the head of the masked language model may be there as well, and, where the
 * model has none, a classifier; else nothing: the error names what is missing or too much.
 */
em_code huggingface_tensors_match(huggingface_tensors *tensors, const encoder_model *model,
								  huggingface_place *places, em_status *status);

/* All of a file of at most `limit` bytes, allocated; EM_CORRUPT when it is not there. */
em_code huggingface_read_file(const em_allocator *allocator, const huggingface_files *files,
							  const char *name, uint64_t limit, em_slice *text, em_status *status);

#endif /* EMOTION_MODEL_HUGGINGFACE_TENSORS_H */
