/*
 * safetensors.c
 *	  Reading the container. Conversion of its numbers: halves.h.
 */
#include "safetensors.h"
#include "clip.h"
#include "halves.h"
#include "json.h"
#include "quants.h"

#include <inttypes.h>
#include <string.h>

#define LENGTH_BYTES SAFETENSORS_LENGTH_BYTES
#define METADATA_KEY "__metadata__"

static const struct
{
	const char *name;
	tensor_type type;
	size_t size;
} element_types[] = {
	{ "F32", TENSOR_F32, 4 },       { "F16", TENSOR_F16, 2 },       { "BF16", TENSOR_BF16, 2 },
	{ "F64", TENSOR_OTHER, 8 },     { "I64", TENSOR_OTHER, 8 },     { "U64", TENSOR_OTHER, 8 },
	{ "C64", TENSOR_OTHER, 8 },     { "I32", TENSOR_OTHER, 4 },     { "U32", TENSOR_U32, 4 },
	{ "I16", TENSOR_OTHER, 2 },     { "U16", TENSOR_OTHER, 2 },     { "I8", TENSOR_I8, 1 },
	{ "U8", TENSOR_OTHER, 1 },      { "BOOL", TENSOR_OTHER, 1 },    { "F8_E4M3", TENSOR_OTHER, 1 },
	{ "F8_E5M2", TENSOR_OTHER, 1 }, { "F8_E8M0", TENSOR_OTHER, 1 },
};
#define ELEMENT_TYPES (sizeof(element_types) / sizeof(element_types[0]))

/*
 * Sorting by heap: in place, so that nothing is allocated, and never
 * quadratic, whatever a hostile file holds.
 */
typedef int (*compare_function)(const void *a, const void *b);

static void
swap_bytes(char *a, char *b, size_t size)
{
	for (size_t i = 0; i < size; i++)
	{
		char kept = a[i];

		a[i] = b[i];
		b[i] = kept;
	}
}

static void
sift_down(char *base, size_t root, size_t count, size_t size, compare_function compare)
{
	for (;;)
	{
		size_t child = 2 * root + 1;

		if (child >= count)
			return;
		if (child + 1 < count && compare(base + child * size, base + (child + 1) * size) < 0)
			child++;
		if (compare(base + root * size, base + child * size) >= 0)
			return;
		swap_bytes(base + root * size, base + child * size, size);
		root = child;
	}
}

static void
sort(void *array, size_t count, size_t size, compare_function compare)
{
	char *base = array;

	for (size_t i = count / 2; i-- > 0;)
		sift_down(base, i, count, size, compare);
	for (size_t n = count; n-- > 1;)
	{
		swap_bytes(base, base + n * size, size);
		sift_down(base, 0, n, size, compare);
	}
}

static int
compare_slices(em_slice a, em_slice b)
{
	int order = memcmp(a.bytes, b.bytes, a.length < b.length ? a.length : b.length);

	if (order != 0)
		return order;
	return (a.length > b.length) - (a.length < b.length);
}

static int
compare_names(const void *a, const void *b)
{
	return compare_slices(((const tensor *) a)->name, ((const tensor *) b)->name);
}

static int
compare_places(const void *a, const void *b)
{
	const tensor *x = a, *y = b;
	uint64_t x_size = x->elements * x->element_size, y_size = y->elements * y->element_size;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	if (x_size != y_size)
		return x_size < y_size ? -1 : 1;
	return compare_names(a, b); /* empty tensors at one place: any fixed order */
}

static int
compare_keys(const void *a, const void *b)
{
	return compare_slices(((const metadata_entry *) a)->key, ((const metadata_entry *) b)->key);
}

/* Keys stand in safetensors.strings as they stand in the file, never two at one address. */
static int
compare_key_places(const void *a, const void *b)
{
	const char *x = ((const metadata_entry *) a)->key.bytes;
	const char *y = ((const metadata_entry *) b)->key.bytes;

	return (x > y) - (x < y);
}

/* What reading a header needs to hand around. */
typedef struct header_reader
{
	safetensors *file;
	em_status *status;
	json_reader json;
	const uint8_t *data; /* what follows the header; NULL: not there */
	uint64_t data_size;
	size_t tensor_capacity;
	size_t metadata_capacity;
	size_t strings_used;
	bool metadata_seen;
} header_reader;

/* The header is no JSON, or not of the form that it must have. */
static em_code
broken(header_reader *reader, const char *what)
{
	if (reader->json.error != NULL)
		return em_fail(reader->status, EM_CORRUPT,
					   "the header of the file is not valid JSON: %s at byte %zu",
					   reader->json.error, reader->json.position);
	return em_fail(reader->status, EM_CORRUPT, "the header of the file is wrong: %s at byte %zu",
				   what, reader->json.position);
}

static em_code
wrong_tensor(header_reader *reader, em_slice name, em_code code, const char *what)
{
	return em_fail(reader->status, code, "tensor \"%.*s\" of the file: %s", clip_length(name),
				   name.bytes, what);
}

/* Keep the string just read. There is room: it stood in the header with two quotes. */
static em_slice
keep_string(header_reader *reader)
{
	em_slice raw = reader->json.raw, kept;
	char *place = reader->file->strings + reader->strings_used;

	kept.bytes = place;
	kept.length = raw.length;
	if (reader->json.escaped)
		kept.length = json_unescape(raw, place);
	else
		memcpy(place, raw.bytes, raw.length);
	place[kept.length] = '\0';
	reader->strings_used += kept.length + 1;
	return kept;
}

static bool
is(em_slice text, const char *name)
{
	return text.length == strlen(name) && memcmp(text.bytes, name, text.length) == 0;
}

static em_code
read_metadata(header_reader *reader)
{
	safetensors *file = reader->file;
	json_token token;

	if (reader->metadata_seen)
		return broken(reader, "a second " METADATA_KEY);
	reader->metadata_seen = true;
	if (json_next(&reader->json) != JSON_OBJECT_BEGIN)
		return broken(reader, METADATA_KEY " is not an object");
	while ((token = json_next(&reader->json)) == JSON_KEY)
	{
		metadata_entry entry;

		entry.key = keep_string(reader);
		if (json_next(&reader->json) != JSON_STRING)
			return broken(reader, "metadata that is not a string");
		entry.value = keep_string(reader);
		if (file->metadata_count == SAFETENSORS_MAX_ENTRIES)
			return em_fail(reader->status, EM_LIMIT, "the file has more than %d metadata entries",
						   SAFETENSORS_MAX_ENTRIES);
		if (!em_grow(file->allocator, (void **) &file->metadata, &reader->metadata_capacity,
					 file->metadata_count + 1, sizeof(metadata_entry)))
			return em_fail(reader->status, EM_OUT_OF_MEMORY, "out of memory");
		file->metadata[file->metadata_count++] = entry;
	}
	if (token != JSON_OBJECT_END)
		return broken(reader, "metadata");

	sort(file->metadata, file->metadata_count, sizeof(metadata_entry), compare_keys);
	for (size_t i = 1; i < file->metadata_count; i++)
	{
		em_slice key = file->metadata[i].key;

		if (compare_slices(file->metadata[i - 1].key, key) == 0)
			return em_fail(reader->status, EM_CORRUPT, "metadata \"%.*s\" stands in the file twice",
						   clip_length(key), key.bytes);
	}
	sort(file->metadata, file->metadata_count, sizeof(metadata_entry), compare_key_places);
	return EM_OK;
}

static em_code
read_element_type(header_reader *reader, tensor *tensor)
{
	em_slice raw;

	if (json_next(&reader->json) != JSON_STRING)
		return broken(reader, "a dtype that is not a string");
	raw = reader->json.raw;
	for (size_t i = 0; i < ELEMENT_TYPES; i++)
	{
		if (is(raw, element_types[i].name))
		{
			tensor->type = element_types[i].type;
			tensor->dtype = raw;
			tensor->element_size = element_types[i].size;
			return EM_OK;
		}
	}
	return em_fail(reader->status, EM_UNSUPPORTED,
				   "tensor \"%.*s\" of the file has the unknown dtype \"%.*s\"",
				   clip_length(tensor->name), tensor->name.bytes, clip_length(raw), raw.bytes);
}

static em_code
read_shape(header_reader *reader, tensor *tensor)
{
	json_token token;

	if (json_next(&reader->json) != JSON_ARRAY_BEGIN)
		return broken(reader, "a shape that is not an array");
	tensor->elements = 1;
	while ((token = json_next(&reader->json)) == JSON_NUMBER)
	{
		uint64_t size;

		if (!json_to_size(reader->json.raw, &size))
			return broken(reader, "a dimension that is not a whole number from 0 to 2^53");
		if (tensor->rank == TENSOR_MAX_RANK)
			return wrong_tensor(reader, tensor->name, EM_LIMIT, "it has more than 8 dimensions");
		if (size != 0 && tensor->elements > UINT64_MAX / size)
			return wrong_tensor(reader, tensor->name, EM_CORRUPT,
								"the product of its shape is too large");
		tensor->elements *= size;
		tensor->shape[tensor->rank++] = size;
	}
	return token == JSON_ARRAY_END ? EM_OK : broken(reader, "a dimension that is not a number");
}

static em_code
read_offsets(header_reader *reader, uint64_t offsets[2])
{
	if (json_next(&reader->json) != JSON_ARRAY_BEGIN)
		return broken(reader, "data_offsets that are not an array");
	for (int i = 0; i < 2; i++)
		if (json_next(&reader->json) != JSON_NUMBER || !json_to_size(reader->json.raw, &offsets[i]))
			return broken(reader, "data_offsets that are not whole numbers from 0 to 2^53");
	if (json_next(&reader->json) != JSON_ARRAY_END)
		return broken(reader, "data_offsets that are not two numbers");
	return EM_OK;
}

/* The fields of a tensor whose name was just read; each exactly once. */
static em_code
read_tensor(header_reader *reader, em_slice name)
{
	safetensors *file = reader->file;
	tensor result = { 0 };
	uint64_t offsets[2] = { 0, 0 };
	bool seen[3] = { false, false, false };
	json_token token;

	result.name = name;
	if (json_next(&reader->json) != JSON_OBJECT_BEGIN)
		return broken(reader, "a tensor that is not an object");
	while ((token = json_next(&reader->json)) == JSON_KEY)
	{
		em_slice field = reader->json.raw;
		int which = is(field, "dtype")          ? 0
					: is(field, "shape")        ? 1
					: is(field, "data_offsets") ? 2
												: -1;
		em_code code;

		if (which < 0)
			return broken(reader, "an unknown field of a tensor");
		if (seen[which])
			return broken(reader, "a field of a tensor twice");
		seen[which] = true;
		code = which == 0   ? read_element_type(reader, &result)
			   : which == 1 ? read_shape(reader, &result)
							: read_offsets(reader, offsets);
		if (code != EM_OK)
			return code;
	}
	if (token != JSON_OBJECT_END)
		return broken(reader, "a tensor");
	if (!seen[0] || !seen[1] || !seen[2])
		return wrong_tensor(reader, name, EM_CORRUPT, "dtype, shape or data_offsets is missing");

	if (offsets[0] > offsets[1] || offsets[1] > reader->data_size)
		return wrong_tensor(reader, name, EM_CORRUPT, "its data_offsets leave the file");
	if (result.element_size == 0 || result.elements > UINT64_MAX / result.element_size ||
		offsets[1] - offsets[0] != result.elements * result.element_size)
		return wrong_tensor(reader, name, EM_CORRUPT, "its data_offsets do not fit its shape");
	result.offset = offsets[0];
	result.data = reader->data != NULL ? reader->data + offsets[0] : NULL;

	if (file->tensor_count == SAFETENSORS_MAX_ENTRIES)
		return em_fail(reader->status, EM_LIMIT, "the file has more than %d tensors",
					   SAFETENSORS_MAX_ENTRIES);
	if (!em_grow(file->allocator, (void **) &file->tensors, &reader->tensor_capacity,
				 file->tensor_count + 1, sizeof(tensor)))
		return em_fail(reader->status, EM_OUT_OF_MEMORY, "out of memory");
	file->tensors[file->tensor_count++] = result;
	return EM_OK;
}

/* No name twice; the tensors lie one after the other and fill the data. */
static em_code
check_tensors(header_reader *reader)
{
	safetensors *file = reader->file;
	uint64_t end = 0;

	sort(file->tensors, file->tensor_count, sizeof(tensor), compare_names);
	for (size_t i = 1; i < file->tensor_count; i++)
		if (compare_names(&file->tensors[i - 1], &file->tensors[i]) == 0)
			return wrong_tensor(reader, file->tensors[i].name, EM_CORRUPT, "it stands there twice");

	sort(file->tensors, file->tensor_count, sizeof(tensor), compare_places);
	for (size_t i = 0; i < file->tensor_count; i++)
	{
		const tensor *tensor = &file->tensors[i];

		if (tensor->offset != end)
			return wrong_tensor(reader, tensor->name, EM_CORRUPT,
								tensor->offset < end ? "it overlaps the tensor before it"
													 : "there is a hole before its data");
		end += tensor->elements * tensor->element_size;
	}
	if (end != reader->data_size)
		return em_fail(reader->status, EM_CORRUPT,
					   "the file has %" PRIu64 " bytes after its last tensor",
					   reader->data_size - end);
	return EM_OK;
}

static em_code
read_header(header_reader *reader)
{
	json_token token;
	em_code code = EM_OK;

	if (json_next(&reader->json) != JSON_OBJECT_BEGIN)
		return broken(reader, "it is not an object");
	while (code == EM_OK && (token = json_next(&reader->json)) != JSON_OBJECT_END)
	{
		em_slice name;

		if (token != JSON_KEY)
			return broken(reader, "an entry");
		name = keep_string(reader);
		code = is(name, METADATA_KEY) ? read_metadata(reader) : read_tensor(reader, name);
	}
	if (code != EM_OK)
		return code;
	if (json_next(&reader->json) != JSON_END)
		return broken(reader, "something after its end");
	return check_tensors(reader);
}

em_code
safetensors_header_length(const uint8_t *bytes, uint64_t size, uint64_t *length, em_status *status)
{
	*length = 0;
	if (size < LENGTH_BYTES)
		return em_fail(status, EM_CORRUPT, "a file of %" PRIu64 " bytes is not a safetensors file",
					   size);
	for (int i = LENGTH_BYTES - 1; i >= 0; i--)
		*length = *length << 8 | bytes[i];
	if (memcmp(bytes, "version ", LENGTH_BYTES) == 0)
	{
		em_fail(status, EM_CORRUPT, "the file is a pointer of Git LFS to a file");
		em_hint(status, "\"git lfs pull\" fetches what it points to.");
		return EM_CORRUPT;
	}
	if (*length > SAFETENSORS_MAX_HEADER)
		return em_fail(status, EM_LIMIT,
					   "the header of the file has %" PRIu64 " bytes, more than %d", *length,
					   SAFETENSORS_MAX_HEADER);
	if (*length > size - LENGTH_BYTES)
		return em_fail(status, EM_CORRUPT,
					   "the header of the file has %" PRIu64 " bytes, but only %" PRIu64 " follow",
					   *length, size - LENGTH_BYTES);
	return EM_OK;
}

/* data NULL: only the header is there. */
static em_code
open_file(const em_allocator *allocator, const uint8_t *header, size_t length, const uint8_t *data,
		  uint64_t data_size, safetensors *file, em_status *status)
{
	header_reader reader;
	em_code code;

	memset(file, 0, sizeof(*file));
	file->allocator = allocator;
	if (length == 0 || header[0] != '{')
		return em_fail(status, EM_CORRUPT, "the header of the file does not begin with {");

	memset(&reader, 0, sizeof(reader));
	reader.file = file;
	reader.status = status;
	reader.data = data;
	reader.data_size = data_size;
	json_open(&reader.json, (const char *) header, length);
	file->strings = em_allocate_array(allocator, length, 1);
	if (file->strings == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	code = read_header(&reader);
	if (code != EM_OK)
		safetensors_close(file);
	return code;
}

em_code
safetensors_open_header(const em_allocator *allocator, const uint8_t *header, size_t length,
						uint64_t data_size, safetensors *file, em_status *status)
{
	return open_file(allocator, header, length, NULL, data_size, file, status);
}

em_code
safetensors_open(const em_allocator *allocator, const uint8_t *bytes, size_t size,
				 safetensors *file, em_status *status)
{
	uint64_t length;
	em_code code = safetensors_header_length(bytes, size, &length, status);

	if (code != EM_OK)
	{
		memset(file, 0, sizeof(*file));
		return code;
	}
	bytes += LENGTH_BYTES;
	return open_file(allocator, bytes, (size_t) length, bytes + length,
					 size - LENGTH_BYTES - length, file, status);
}

void
safetensors_close(safetensors *file)
{
	em_release(file->allocator, file->tensors);
	em_release(file->allocator, file->metadata);
	em_release(file->allocator, file->strings);
	file->tensors = NULL;
	file->metadata = NULL;
	file->strings = NULL;
	file->tensor_count = file->metadata_count = 0;
}

const tensor *
safetensors_find(const safetensors *file, const char *name)
{
	for (size_t i = 0; i < file->tensor_count; i++)
		if (is(file->tensors[i].name, name))
			return &file->tensors[i];
	return NULL;
}

em_slice
safetensors_metadata(const safetensors *file, const char *key)
{
	for (size_t i = 0; i < file->metadata_count; i++)
		if (is(file->metadata[i].key, key))
			return file->metadata[i].value;
	return (em_slice){ NULL, 0 };
}

em_code
tensor_read(const tensor *tensor, float *out, em_status *status)
{
	bool finite = true;

	switch (tensor->type)
	{
		case TENSOR_F32:
			finite = halves_read_f32(tensor->data, (size_t) tensor->elements, out);
			break;
		case TENSOR_F16:
			finite = halves_read_f16(tensor->data, (size_t) tensor->elements, out);
			break;
		case TENSOR_BF16:
			finite = halves_read_bf16(tensor->data, (size_t) tensor->elements, out);
			break;
		case TENSOR_U32:
		case TENSOR_I8:
		case TENSOR_OTHER:
			return em_fail(status, EM_UNSUPPORTED,
						   "tensor \"%.*s\" of the file is not F32, F16 or BF16",
						   clip_length(tensor->name), tensor->name.bytes);
	}
	if (!finite)
		return em_fail(status, EM_CORRUPT,
					   "tensor \"%.*s\" of the file holds a number that is not finite",
					   clip_length(tensor->name), tensor->name.bytes);
	return EM_OK;
}

void
tensor_read_rows(const tensor *tensor, const float *scale, float *out)
{
	size_t columns = (size_t) tensor->shape[1];

	for (size_t row = 0; row < tensor->shape[0]; row++)
		quants_read(tensor->data + row * columns, columns, scale[row], out + row * columns);
}

em_code
tensor_read_whole(const tensor *tensor, uint32_t *out, em_status *status)
{
	if (tensor->type != TENSOR_U32)
		return em_fail(status, EM_UNSUPPORTED, "tensor \"%.*s\" of the file is not U32",
					   clip_length(tensor->name), tensor->name.bytes);
	for (size_t i = 0; i < (size_t) tensor->elements; i++)
	{
		const uint8_t *at = tensor->data + 4 * i;

		out[i] = at[0] | (uint32_t) at[1] << 8 | (uint32_t) at[2] << 16 | (uint32_t) at[3] << 24;
	}
	return EM_OK;
}
