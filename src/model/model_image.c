/*
 * model_image.c
 *	  What an image has as a whole: its kind, its checksum, its places.
 */
#include "model_image_format.h"

#include <string.h>

uint32_t
model_image_kind(void)
{
	return (uint32_t) IMAGE_FORMAT << 16 | NETWORK_PANELS_VERSION;
}

/*
 * Eight lanes of eight bytes, each a product and a rotation per word: both can be undone, so no
 * change within one word goes unseen, nor, but by a chance of 2^-64, any other. As fast as memory,
 * which a CRC of one lane is not: each connection waits for it.
 */
static inline uint64_t
mix(uint64_t lane, const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	lane = (lane ^ word) * UINT64_C(0x9E3779B97F4A7C15);
	return lane << 29 | lane >> 35;
}

uint64_t
model_image_checksum(const uint8_t *bytes, size_t size)
{
	uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8; /* in registers, by name */
	uint64_t sum = size;

	for (const uint8_t *end = bytes + size; bytes != end; bytes += 64)
	{
		a = mix(a, bytes);
		b = mix(b, bytes + 8);
		c = mix(c, bytes + 16);
		d = mix(d, bytes + 24);
		e = mix(e, bytes + 32);
		f = mix(f, bytes + 40);
		g = mix(g, bytes + 48);
		h = mix(h, bytes + 56);
	}
	{
		const uint64_t lanes[] = { a, b, c, d, e, f, g, h };

		for (size_t i = 0; i < sizeof(lanes) / sizeof(lanes[0]); i++)
		{
			sum = (sum ^ lanes[i]) * UINT64_C(0x9E3779B97F4A7C15);
			sum ^= sum >> 32;
		}
	}
	return sum;
}

size_t
model_image_element_size(tensor_type type)
{
	return type == TENSOR_I8 ? 1 : type == TENSOR_F32 ? 4 : 2;
}

void
model_image_places(uint8_t *image, real **weights, void **rounded)
{
	image_record record;

	memcpy(&record, image + IMAGE_RECORDS, sizeof(record));
	*weights = (real *) (void *) (image + record.dense.offset);
	*rounded = record.panels.size > 0 ? image + record.panels.offset : NULL;
}

void
model_image_seal(uint8_t *image, size_t size)
{
	uint64_t sum = model_image_checksum(image, size - IMAGE_CHECKSUM_BYTES);

	memcpy(image + size - IMAGE_CHECKSUM_BYTES, &sum, IMAGE_CHECKSUM_BYTES);
}
