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
	TENSOR_I8,  /* of use only with scales: tensor_read_rows */
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
	em_slice dtype; /* the type's name, in the file's bytes */
	int rank;
	uint64_t shape[TENSOR_MAX_RANK];
	uint64_t elements; /* product of shape; 1 for rank 0 */
	size_t element_size;
	uint64_t offset;     /* of its data, from the end of the header */
	const uint8_t *data; /* NOT aligned: use tensor_read; NULL when only the header was read */
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

/*
 * The same from the header alone, the `length` bytes behind the first eight, of a file with
 * data_size bytes of data: the tensors have no data.
 */
em_code safetensors_open_header(const em_allocator *allocator, const uint8_t *header, size_t length,
								uint64_t data_size, safetensors *file, em_status *status);

/* The length that the first SAFETENSORS_LENGTH_BYTES of a file of `size` bytes give; checked. */
em_code safetensors_header_length(const uint8_t *bytes, uint64_t size, uint64_t *length,
								  em_status *status);

const tensor *safetensors_find(const safetensors *file, const char *name);

/* The value of a metadata key; NULL bytes when absent. */
em_slice safetensors_metadata(const safetensors *file, const char *key);

/*
 * Convert a tensor to floats: F32, F16 or BF16. EM_CORRUPT when a value is NaN
 * or infinite (checked), EM_UNSUPPORTED for other types.
 */
em_code tensor_read(const tensor *tensor, float *out, em_status *status);

/*
 * Convert a tensor of type I8 and rank 2: its row r times scale[r]. The result may be anything that
 * the scales make of it.
 */
void tensor_read_rows(const tensor *tensor, const float *scale, float *out);

/* The whole numbers of a U32 tensor; EM_UNSUPPORTED for other types. */
em_code tensor_read_whole(const tensor *tensor, uint32_t *out, em_status *status);

/* Writing: describe everything, ask for the size, write. */
typedef struct tensor_out
{
	const char *name;
	tensor_type type; /* the type in the file; F16/BF16 round to nearest even */
	int rank;
	uint64_t shape[TENSOR_MAX_RANK];
	const void *data; /* floats; of TENSOR_U32 uint32_t; of TENSOR_I8, of rank 2, floats, each row
					   * written as multiples of its quants_scale */
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
 * What stands before the data, padding included: its bytes (0 when a reader would refuse it), and
 * those bytes written into out. For who writes the data piece by piece behind them; tensors[].data
 * are not looked at.
 */
size_t safetensors_head_size(const tensor_out *tensors, size_t tensor_count,
							 const metadata_entry *metadata, size_t metadata_count);
void safetensors_write_head(const tensor_out *tensors, size_t tensor_count,
							const metadata_entry *metadata, size_t metadata_count, uint8_t *out);

/* A file that becomes part of another, all its names behind "prefix.". */
typedef struct safetensors_part
{
	const char *prefix; /* letters, digits and dots */
	const safetensors *file;
} safetensors_part;

/*
 * One file of several: metadata, then that of the parts, and their tensors as they are, bit by bit.
 * Allocated from `allocator`: *out, *out_size. EM_LIMIT when its header would be too long.
 */
em_code safetensors_join(const em_allocator *allocator, const metadata_entry *metadata,
						 size_t metadata_count, const safetensors_part *parts, size_t part_count,
						 uint8_t **out, size_t *out_size, em_status *status);

/*
 * What safetensors_join made of a part: names without "prefix.", *file to be closed before
 * `whole`.
 */
em_code safetensors_take_part(const safetensors *whole, const char *prefix, safetensors *file,
							  em_status *status);

/*
 * A copy of a file with another value of one metadata key, which it must have; all other metadata,
 * their order, and the data stay as they are. Allocated from `allocator`: *out, *out_size.
 */
em_code safetensors_replace_metadata(const em_allocator *allocator, const uint8_t *bytes,
									 size_t size, const char *key, em_slice value, uint8_t **out,
									 size_t *out_size, em_status *status);

#endif /* EMOTION_MODEL_SAFETENSORS_H */
