/*
 * safetensors_write.c
 *	  Writing the container, and changing one metadata value of a written one.
 */
#include "safetensors.h"
#include "halves.h"
#include "json.h"
#include "quants.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LENGTH_BYTES SAFETENSORS_LENGTH_BYTES
#define DATA_ALIGNMENT 64
#define METADATA_KEY "__metadata__"

/* Text that is counted, and written as well where out is given. */
typedef struct header_writer
{
	char *out; /* NULL: only count */
	size_t length;
} header_writer;

static void
put(header_writer *writer, const char *text)
{
	size_t length = strlen(text);

	if (writer->out != NULL)
		memcpy(writer->out + writer->length, text, length);
	writer->length += length;
}

static void
put_string(header_writer *writer, em_slice text)
{
	writer->length += json_escape(text, writer->out != NULL ? writer->out + writer->length : NULL);
}

static void
put_number(header_writer *writer, uint64_t number)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRIu64, number);
	put(writer, digits);
}

/* Bytes of one number. */
static uint64_t
number_bytes(tensor_type type)
{
	return type == TENSOR_F32 || type == TENSOR_U32 ? 4 : type == TENSOR_I8 ? 1 : 2;
}

/* Bytes of a tensor's data; false on overflow, or for a type that we do not write. */
static bool
data_bytes(const tensor_out *tensor, uint64_t *bytes)
{
	uint64_t product = number_bytes(tensor->type);

	if (tensor->type == TENSOR_OTHER || tensor->rank < 0 || tensor->rank > TENSOR_MAX_RANK ||
		(tensor->type == TENSOR_I8 && tensor->rank != 2))
		return false;
	for (int i = 0; i < tensor->rank; i++)
	{
		if (tensor->shape[i] != 0 && product > (UINT64_C(1) << 53) / tensor->shape[i])
			return false;
		product *= tensor->shape[i];
	}
	*bytes = product;
	return true;
}

/* The header, without the padding; *data: bytes of all tensors. False on overflow. */
static bool
put_header(header_writer *writer, const tensor_out *tensors, size_t tensor_count,
		   const metadata_entry *metadata, size_t metadata_count, uint64_t *data)
{
	uint64_t offset = 0;

	put(writer, "{");
	if (metadata_count > 0)
	{
		put(writer, "\"" METADATA_KEY "\":{");
		for (size_t i = 0; i < metadata_count; i++)
		{
			put(writer, i == 0 ? "" : ",");
			put_string(writer, metadata[i].key);
			put(writer, ":");
			put_string(writer, metadata[i].value);
		}
		put(writer, "}");
	}
	for (size_t i = 0; i < tensor_count; i++)
	{
		const tensor_out *tensor = &tensors[i];
		uint64_t bytes;

		if (!data_bytes(tensor, &bytes) || bytes > (UINT64_C(1) << 53) - offset)
			return false;
		put(writer, i == 0 && metadata_count == 0 ? "" : ",");
		put_string(writer, (em_slice){ tensor->name, strlen(tensor->name) });
		put(writer, tensor->type == TENSOR_U32   ? ":{\"dtype\":\"U32\",\"shape\":["
					: tensor->type == TENSOR_F32 ? ":{\"dtype\":\"F32\",\"shape\":["
					: tensor->type == TENSOR_F16 ? ":{\"dtype\":\"F16\",\"shape\":["
					: tensor->type == TENSOR_I8  ? ":{\"dtype\":\"I8\",\"shape\":["
												 : ":{\"dtype\":\"BF16\",\"shape\":[");
		for (int j = 0; j < tensor->rank; j++)
		{
			put(writer, j == 0 ? "" : ",");
			put_number(writer, tensor->shape[j]);
		}
		put(writer, "],\"data_offsets\":[");
		put_number(writer, offset);
		put(writer, ",");
		offset += bytes;
		put_number(writer, offset);
		put(writer, "]}");
	}
	put(writer, "}");
	*data = offset;
	return true;
}

static size_t
padded(size_t header)
{
	return (header + LENGTH_BYTES + DATA_ALIGNMENT - 1) / DATA_ALIGNMENT * DATA_ALIGNMENT -
		   LENGTH_BYTES;
}

static void
put_length(uint8_t *out, size_t header)
{
	for (int i = 0; i < LENGTH_BYTES; i++)
		out[i] = (uint8_t) ((uint64_t) header >> 8 * i);
}

static void
put_whole(const uint32_t *numbers, size_t count, uint8_t *out)
{
	for (size_t i = 0; i < count; i++)
		for (int j = 0; j < 4; j++)
			out[4 * i + (size_t) j] = (uint8_t) (numbers[i] >> 8 * j);
}

/* Bytes before the data, and those of the data; 0 when a reader would refuse the header. */
static size_t
measure_head(const tensor_out *tensors, size_t tensor_count, const metadata_entry *metadata,
			 size_t metadata_count, uint64_t *data)
{
	header_writer writer = { NULL, 0 };

	if (!put_header(&writer, tensors, tensor_count, metadata, metadata_count, data) ||
		padded(writer.length) > SAFETENSORS_MAX_HEADER)
		return 0;
	return LENGTH_BYTES + padded(writer.length);
}

size_t
safetensors_size(const tensor_out *tensors, size_t tensor_count, const metadata_entry *metadata,
				 size_t metadata_count)
{
	uint64_t data;
	size_t before = measure_head(tensors, tensor_count, metadata, metadata_count, &data);

	return before == 0 || data > SIZE_MAX - before ? 0 : before + (size_t) data;
}

size_t
safetensors_head_size(const tensor_out *tensors, size_t tensor_count,
					  const metadata_entry *metadata, size_t metadata_count)
{
	uint64_t data;

	return measure_head(tensors, tensor_count, metadata, metadata_count, &data);
}

/* Bytes written; 0 when the tensors cannot be described. */
static size_t
write_head(const tensor_out *tensors, size_t tensor_count, const metadata_entry *metadata,
		   size_t metadata_count, uint8_t *out)
{
	header_writer writer = { (char *) out + LENGTH_BYTES, 0 };
	uint64_t data;
	size_t header;

	if (!put_header(&writer, tensors, tensor_count, metadata, metadata_count, &data))
		return 0;
	header = padded(writer.length);
	memset(writer.out + writer.length, ' ', header - writer.length);
	put_length(out, header);
	return LENGTH_BYTES + header;
}

void
safetensors_write_head(const tensor_out *tensors, size_t tensor_count,
					   const metadata_entry *metadata, size_t metadata_count, uint8_t *out)
{
	(void) write_head(tensors, tensor_count, metadata, metadata_count, out);
}

static void
write_rows(const float *data, size_t rows, size_t columns, uint8_t *out)
{
	for (size_t row = 0; row < rows; row++, data += columns, out += columns)
		quants_write(data, columns, quants_scale(data, columns), out);
}

void
safetensors_write(const tensor_out *tensors, size_t tensor_count, const metadata_entry *metadata,
				  size_t metadata_count, uint8_t *out)
{
	size_t head = write_head(tensors, tensor_count, metadata, metadata_count, out);

	if (head == 0)
		return;
	out += head;
	for (size_t i = 0; i < tensor_count; i++)
	{
		const tensor_out *tensor = &tensors[i];
		uint64_t bytes = 0;
		size_t elements;

		(void) data_bytes(tensor, &bytes);
		elements = (size_t) (bytes / number_bytes(tensor->type));
		if (tensor->type == TENSOR_I8)
			write_rows(tensor->data, (size_t) tensor->shape[0], (size_t) tensor->shape[1], out);
		else if (tensor->type == TENSOR_U32)
			put_whole(tensor->data, elements, out);
		else if (tensor->type == TENSOR_F32)
			halves_write_f32(tensor->data, elements, out);
		else if (tensor->type == TENSOR_F16)
			halves_write_f16(tensor->data, elements, out);
		else
			halves_write_bf16(tensor->data, elements, out);
		out += bytes;
	}
}

/*
 * Where the value of a metadata key stands in a header: the raw string, without its quotes. The
 * header was read by safetensors_open already. False when the key is not there.
 */
static bool
find_value(em_slice header, const char *key, em_slice *value)
{
	json_reader reader;
	size_t length = strlen(key);

	json_open(&reader, header.bytes, header.length);
	(void) json_next(&reader);
	while (json_next(&reader) == JSON_KEY)
	{
		char name[128];
		bool metadata = reader.raw.length <= sizeof(name) &&
						json_unescape(reader.raw, name) == strlen(METADATA_KEY) &&
						memcmp(name, METADATA_KEY, strlen(METADATA_KEY)) == 0;

		json_token token = json_next(&reader);

		if (!metadata)
		{
			if (!json_skip(&reader, token))
				return false;
			continue;
		}
		while (json_next(&reader) == JSON_KEY)
		{
			bool same = reader.raw.length <= sizeof(name) &&
						json_unescape(reader.raw, name) == length && memcmp(name, key, length) == 0;

			if (json_next(&reader) != JSON_STRING)
				return false;
			*value = reader.raw;
			if (same)
				return true;
		}
	}
	return false;
}

em_code
safetensors_replace_metadata(const em_allocator *allocator, const uint8_t *bytes, size_t size,
							 const char *key, em_slice value, uint8_t **out, size_t *out_size,
							 em_status *status)
{
	safetensors file;
	em_code code = safetensors_open(allocator, bytes, size, &file, status);
	em_slice header, old;
	size_t length = 0, before, after, fresh, data;
	uint8_t *result;

	if (code != EM_OK)
		return code;
	safetensors_close(&file);
	for (int i = LENGTH_BYTES - 1; i >= 0; i--)
		length = length << 8 | bytes[i];
	header = (em_slice){ (const char *) bytes + LENGTH_BYTES, length };
	if (!find_value(header, key, &old))
		return em_fail(status, EM_CORRUPT, "the file has no metadata \"%s\"", key);

	/* what stands before the opening quote, and from behind the closing one to the last brace */
	while (header.bytes[header.length - 1] != '}')
		header.length--;
	before = (size_t) (old.bytes - header.bytes) - 1;
	after = header.length - before - old.length - 2;
	fresh = padded(before + json_escape(value, NULL) + after);
	data = size - LENGTH_BYTES - length;
	if (fresh > SAFETENSORS_MAX_HEADER || data > SIZE_MAX - LENGTH_BYTES - fresh)
		return em_fail(status, EM_LIMIT, "the header of the file would have %zu bytes", fresh);

	result = em_allocate_array(allocator, LENGTH_BYTES + fresh + data, 1);
	if (result == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	put_length(result, fresh);
	memset(result + LENGTH_BYTES, ' ', fresh);
	memcpy(result + LENGTH_BYTES, header.bytes, before);
	length = before + json_escape(value, (char *) result + LENGTH_BYTES + before);
	memcpy(result + LENGTH_BYTES + length, header.bytes + header.length - after, after);
	if (data > 0)
		memcpy(result + LENGTH_BYTES + fresh, bytes + size - data, data);
	*out = result;
	*out_size = LENGTH_BYTES + fresh + data;
	return EM_OK;
}
