/*
 * safetensors.h
 *	  The safetensors container: u64le header length, JSON header, data.
 *	  https://github.com/huggingface/safetensors (format section of its README)
 *
 * Every length, offset and dimension is checked before use; we are stricter
 * than the reference in that repeated names and unknown fields of a tensor
 * are refused.
 */
#ifndef EMOTION_MODEL_SAFETENSORS_H
#define EMOTION_MODEL_SAFETENSORS_H

#include "../base.h"

typedef enum tensor_type
{
	TENSOR_F32,
	TENSOR_F16,
	TENSOR_BF16,
	TENSOR_U32, /* whole numbers: tensor_read_whole */
	TENSOR_OTHER, /* known to the format (I64, ...), of no use to us; element size in tensor.element_size */
} tensor_type;

#define TENSOR_MAX_RANK 8

#define SAFETENSORS_LENGTH_BYTES 8 /* before the header: its length */
#define SAFETENSORS_MAX_HEADER 100000000

/* The most tensors, and the most metadata entries, of a file. */
#define SAFETENSORS_MAX_ENTRIES 100000

typedef struct tensor
{
	em_slice name; /* unescaped, as all slices here; a NUL follows it */
	tensor_type type;
	int rank;
	uint64_t shape[TENSOR_MAX_RANK];
	uint64_t elements; /* product of shape; 1 for rank 0 */
	size_t element_size;
	const uint8_t *data; /* NOT aligned: use tensor_read */
} tensor;

typedef struct metadata_entry
{
	em_slice key;
	em_slice value;
} metadata_entry;

typedef struct safetensors
{
	const em_allocator *allocator;
	tensor *tensors; /* in the order of their data */
	size_t tensor_count;
	metadata_entry *metadata; /* in the order of the file */
	size_t metadata_count;
	char *strings; /* what the slices above point into */
} safetensors;

/*
 * Parse size bytes, which must outlive the result (tensor data point into
 * them). EM_CORRUPT with the reason; EM_LIMIT for a header over 100,000,000 bytes, too many
 * entries or too high a rank; EM_UNSUPPORTED for an element type we never heard of. After a
 * failure there is nothing to close.
 */
em_code safetensors_open(const em_allocator *allocator, const uint8_t *bytes, size_t size,
						 safetensors *file, em_status *status);
void safetensors_close(safetensors *file);

const tensor *safetensors_find(const safetensors *file, const char *name);

/* The value of a metadata key; NULL bytes when absent. */
em_slice safetensors_metadata(const safetensors *file, const char *key);

/*
 * Convert a tensor to floats: F32, F16 or BF16. EM_CORRUPT when a value is NaN
 * or infinite (checked), EM_UNSUPPORTED for other types.
 */
em_code tensor_read(const tensor *tensor, float *out, em_status *status);

/* The whole numbers of a U32 tensor; EM_UNSUPPORTED for other types. */
em_code tensor_read_whole(const tensor *tensor, uint32_t *out, em_status *status);

/* Writing: describe everything, ask for the size, write. */
typedef struct tensor_out
{
	const char *name;
	tensor_type type; /* the type in the file; F16/BF16 round to nearest even */
	int rank;
	uint64_t shape[TENSOR_MAX_RANK];
	const void *data; /* floats; of TENSOR_U32 uint32_t */
} tensor_out;

/* Bytes that safetensors_write will produce; 0 when that is more than a reader accepts. */
size_t safetensors_size(const tensor_out *tensors, size_t tensor_count,
						const metadata_entry *metadata, size_t metadata_count);

/*
 * Write the file into out. The header is padded with blanks to a multiple of
 * 64 so that data are aligned in memory that is; tensors are written in the order given
 * (give 4-byte types first).
 */
void safetensors_write(const tensor_out *tensors, size_t tensor_count,
					   const metadata_entry *metadata, size_t metadata_count, uint8_t *out);

/*
 * A copy of a file with another value of one metadata key, which it must have; all other metadata,
 * their order, and the data stay as they are. Allocated from `allocator`: *out, *out_size.
 */
em_code safetensors_replace_metadata(const em_allocator *allocator, const uint8_t *bytes,
									 size_t size, const char *key, em_slice value, uint8_t **out,
									 size_t *out_size, em_status *status);

#endif /* EMOTION_MODEL_SAFETENSORS_H */
