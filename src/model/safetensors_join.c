/*
 * safetensors_join.c
 *	  Files as parts of one file, and back.
 */
#include "safetensors.h"
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DATA_ALIGNMENT 64

/* Text that is counted, and written as well where out is given. */
typedef struct joint
{
	char *out; /* NULL: only count */
	size_t length;
	uint64_t data; /* bytes of the tensors so far */
	bool first;    /* entry of its object */
} joint;

static void
put(joint *joint, const char *text, size_t length)
{
	if (joint->out != NULL)
		memcpy(joint->out + joint->length, text, length);
	joint->length += length;
}

static void
put_text(joint *joint, const char *text)
{
	put(joint, text, strlen(text));
}

static void
put_number(joint *joint, uint64_t number)
{
	char digits[24];

	put(joint, digits, (size_t) snprintf(digits, sizeof(digits), "%" PRIu64, number));
}

/* A key and its colon. prefix: letters, digits and dots, or NULL. */
static void
put_key(joint *joint, const char *prefix, em_slice name)
{
	put_text(joint, joint->first ? "" : ",");
	joint->first = false;
	if (prefix != NULL)
	{
		size_t dot;

		put_text(joint, "\"");
		put_text(joint, prefix);
		/* the dot takes the place of the name's own opening quote */
		dot = joint->length;
		joint->length += json_escape(name, joint->out ? joint->out + joint->length : NULL);
		if (joint->out != NULL)
			joint->out[dot] = '.';
	}
	else
		joint->length += json_escape(name, joint->out ? joint->out + joint->length : NULL);
	put_text(joint, ":");
}

static void
put_metadata(joint *joint, const char *prefix, const metadata_entry *metadata, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		put_key(joint, prefix, metadata[i].key);
		joint->length +=
			json_escape(metadata[i].value, joint->out ? joint->out + joint->length : NULL);
	}
}

static void
put_tensors(joint *joint, const safetensors_part *part)
{
	for (size_t i = 0; i < part->file->tensor_count; i++)
	{
		const tensor *tensor = &part->file->tensors[i];

		put_key(joint, part->prefix, tensor->name);
		put_text(joint, "{\"dtype\":\"");
		put(joint, tensor->dtype.bytes, tensor->dtype.length);
		put_text(joint, "\",\"shape\":[");
		for (int j = 0; j < tensor->rank; j++)
		{
			put_text(joint, j == 0 ? "" : ",");
			put_number(joint, tensor->shape[j]);
		}
		put_text(joint, "],\"data_offsets\":[");
		put_number(joint, joint->data);
		put_text(joint, ",");
		joint->data += tensor->elements * tensor->element_size; /* both stand in memory */
		put_number(joint, joint->data);
		put_text(joint, "]}");
	}
}

static void
put_header(joint *joint, const metadata_entry *metadata, size_t metadata_count,
		   const safetensors_part *parts, size_t part_count)
{
	put_text(joint, "{\"__metadata__\":{");
	joint->first = true;
	put_metadata(joint, NULL, metadata, metadata_count);
	for (size_t i = 0; i < part_count; i++)
		put_metadata(joint, parts[i].prefix, parts[i].file->metadata,
					 parts[i].file->metadata_count);
	put_text(joint, "}");
	for (size_t i = 0; i < part_count; i++)
		put_tensors(joint, &parts[i]);
	put_text(joint, "}");
}

em_code
safetensors_join(const em_allocator *allocator, const metadata_entry *metadata,
				 size_t metadata_count, const safetensors_part *parts, size_t part_count,
				 uint8_t **out, size_t *out_size, em_status *status)
{
	joint joint = { NULL, 0, 0, false };
	size_t header, at;

	put_header(&joint, metadata, metadata_count, parts, part_count);
	header = (joint.length + SAFETENSORS_LENGTH_BYTES + DATA_ALIGNMENT - 1) / DATA_ALIGNMENT *
				 DATA_ALIGNMENT -
			 SAFETENSORS_LENGTH_BYTES;
	if (header > SAFETENSORS_MAX_HEADER)
		return em_fail(status, EM_LIMIT,
					   "the header of the joined file would have %zu bytes, more than %d", header,
					   SAFETENSORS_MAX_HEADER);
	*out_size = SAFETENSORS_LENGTH_BYTES + header + (size_t) joint.data;
	*out = em_allocate_array(allocator, *out_size, 1);
	if (*out == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	for (int i = 0; i < SAFETENSORS_LENGTH_BYTES; i++)
		(*out)[i] = (uint8_t) ((uint64_t) header >> 8 * i);
	memset(*out + SAFETENSORS_LENGTH_BYTES, ' ', header);
	joint.out = (char *) *out + SAFETENSORS_LENGTH_BYTES;
	joint.length = 0;
	joint.data = 0;
	put_header(&joint, metadata, metadata_count, parts, part_count);
	at = SAFETENSORS_LENGTH_BYTES + header;
	for (size_t i = 0; i < part_count; i++)
		for (size_t j = 0; j < parts[i].file->tensor_count; j++)
		{
			const tensor *tensor = &parts[i].file->tensors[j];
			size_t size = (size_t) tensor->elements * tensor->element_size;

			if (size > 0)
				memcpy(*out + at, tensor->data, size);
			at += size;
		}
	return EM_OK;
}

/* Whether a name is "prefix." and something; then that, in *rest. */
static bool
behind(em_slice name, const char *prefix, em_slice *rest)
{
	size_t length = strlen(prefix);

	if (name.length <= length || memcmp(name.bytes, prefix, length) != 0 ||
		name.bytes[length] != '.')
		return false;
	*rest = (em_slice){ name.bytes + length + 1, name.length - length - 1 };
	return true;
}

em_code
safetensors_take_part(const safetensors *whole, const char *prefix, safetensors *file,
					  em_status *status)
{
	em_slice rest;
	size_t tensors = 0, entries = 0;

	memset(file, 0, sizeof(*file));
	file->allocator = whole->allocator;
	for (size_t i = 0; i < whole->tensor_count; i++)
		tensors += behind(whole->tensors[i].name, prefix, &rest);
	for (size_t i = 0; i < whole->metadata_count; i++)
		entries += behind(whole->metadata[i].key, prefix, &rest);
	file->tensors = em_allocate_array(whole->allocator, tensors + 1, sizeof(tensor));
	file->metadata = em_allocate_array(whole->allocator, entries + 1, sizeof(metadata_entry));
	if (file->tensors == NULL || file->metadata == NULL)
	{
		safetensors_close(file);
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	}
	for (size_t i = 0; i < whole->tensor_count; i++)
		if (behind(whole->tensors[i].name, prefix, &rest))
		{
			file->tensors[file->tensor_count] = whole->tensors[i];
			file->tensors[file->tensor_count++].name = rest;
		}
	for (size_t i = 0; i < whole->metadata_count; i++)
		if (behind(whole->metadata[i].key, prefix, &rest))
			file->metadata[file->metadata_count++] =
				(metadata_entry){ rest, whole->metadata[i].value };
	return EM_OK;
}
