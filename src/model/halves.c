/*
 * halves.c
 *	  Conversion of F32, F16 and BF16.
 *
 * Reading is what opening a model waits for, so it goes by blocks of a fixed
 * length between local arrays: such loops become vector code at -O2 too,
 * where loops of unknown length or with possible aliases do not. A block is long enough to make the
 * calls of memcpy around it cheap, and small enough for the first-level cache.
 */
#include "halves.h"

#include <string.h>

#define BLOCK 256

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define BIG_ENDIAN_MACHINE 1
#else
#define BIG_ENDIAN_MACHINE 0
#endif

static inline uint32_t
float_bits(float number)
{
	uint32_t bits;

	memcpy(&bits, &number, sizeof(bits));
	return bits;
}

static inline float
bits_float(uint32_t bits)
{
	float number;

	memcpy(&number, &bits, sizeof(number));
	return number;
}

static void
swap16(uint16_t *units, size_t count)
{
	for (size_t i = 0; i < count; i++)
		units[i] = (uint16_t) (units[i] << 8 | units[i] >> 8);
}

static void
swap32(uint32_t *units, size_t count)
{
	for (size_t i = 0; i < count; i++)
		units[i] =
			units[i] << 24 | (units[i] & 0xFF00) << 8 | (units[i] >> 8 & 0xFF00) | units[i] >> 24;
}

/* All block functions return a word whose top bit says that a number was not finite. */
static inline uint32_t
check_block(uint32_t bits[BLOCK])
{
	uint32_t bad = 0;

	/* an exponent of all ones, and no other, carries into the top bit */
	for (int i = 0; i < BLOCK; i++)
		bad |= (bits[i] & 0x7FFFFFFF) + 0x00800000;
	return bad;
}

static inline uint32_t
f16_block(const uint16_t halves[BLOCK], uint32_t bits[BLOCK])
{
	uint32_t bad = 0;

	for (int i = 0; i < BLOCK; i++)
	{
		uint32_t half = halves[i];
		uint32_t magnitude = half & 0x7FFF;
		uint32_t normal = (magnitude << 13) + 0x38000000; /* exponent bias 15 -> 127 */

		/*
		 * Subnormal halves have no leading one: give them the exponent of 2^-14, and take the one
		 * so added away again. No subnormal float comes up, so that flushing them to zero, which
		 * another library may have switched on, does no harm.
		 */
		uint32_t tiny = float_bits(bits_float(normal + 0x00800000) - 6.103515625e-05f);
		uint32_t is_tiny = 0 - (uint32_t) (magnitude < 0x0400);

		bits[i] = (normal & ~is_tiny) | (tiny & is_tiny) | (half & 0x8000) << 16;
		bad |= (magnitude + 0x0400) << 16;
	}
	return bad;
}

static inline uint32_t
bf16_block(const uint16_t halves[BLOCK], uint32_t bits[BLOCK])
{
	for (int i = 0; i < BLOCK; i++)
		bits[i] = (uint32_t) halves[i] << 16;
	return check_block(bits);
}

bool
halves_read_f32(const uint8_t *bytes, size_t count, float *out)
{
	uint32_t bits[BLOCK];
	uint32_t bad = 0;

	while (count > 0)
	{
		size_t n = count < BLOCK ? count : BLOCK;

		if (n < BLOCK)
			memset(bits, 0, sizeof(bits));
		memcpy(bits, bytes, 4 * n);
		if (BIG_ENDIAN_MACHINE)
			swap32(bits, n);
		bad |= check_block(bits);
		memcpy(out, bits, 4 * n);
		bytes += 4 * n;
		out += n;
		count -= n;
	}
	return bad >> 31 == 0;
}

/* The common part of the two halves: a block in, converted, out. */
static inline bool
read_halves(const uint8_t *bytes, size_t count, float *out,
			uint32_t (*convert)(const uint16_t halves[BLOCK], uint32_t bits[BLOCK]))
{
	uint16_t halves[BLOCK];
	uint32_t bits[BLOCK];
	uint32_t bad = 0;

	while (count > 0)
	{
		size_t n = count < BLOCK ? count : BLOCK;

		if (n < BLOCK)
			memset(halves, 0, sizeof(halves));
		memcpy(halves, bytes, 2 * n);
		if (BIG_ENDIAN_MACHINE)
			swap16(halves, n);
		bad |= convert(halves, bits);
		memcpy(out, bits, 4 * n);
		bytes += 2 * n;
		out += n;
		count -= n;
	}
	return bad >> 31 == 0;
}

bool
halves_read_f16(const uint8_t *bytes, size_t count, float *out)
{
	return read_halves(bytes, count, out, f16_block);
}

bool
halves_read_bf16(const uint8_t *bytes, size_t count, float *out)
{
	return read_halves(bytes, count, out, bf16_block);
}

static inline void
put16(uint32_t unit, uint8_t *out)
{
	out[0] = (uint8_t) unit;
	out[1] = (uint8_t) (unit >> 8);
}

void
halves_write_f32(const float *numbers, size_t count, uint8_t *out)
{
	for (size_t i = 0; i < count; i++, out += 4)
	{
		uint32_t bits = float_bits(numbers[i]);

		put16(bits, out);
		put16(bits >> 16, out + 2);
	}
}

void
halves_write_f16(const float *numbers, size_t count, uint8_t *out)
{
	for (size_t i = 0; i < count; i++, out += 2)
	{
		uint32_t bits = float_bits(numbers[i]);
		uint32_t magnitude = bits & 0x7FFFFFFF;
		uint32_t half;

		if (magnitude > 0x7F800000)
			half = 0x7E00; /* NaN */
		else if (magnitude >= float_bits(HALVES_F16_LIMIT))
			half = 0x7C00;
		else if (magnitude >= 0x38800000) /* 2^-14: normal; a carry out of the digits is right */
			half = (magnitude + 0x0FFF + (magnitude >> 13 & 1) - 0x38000000) >> 13;
		else
			/* beside 0.5, the last place of a float is that of a subnormal half: it rounds */
			half = float_bits(bits_float(magnitude) + 0.5f) - 0x3F000000;
		put16(half | (bits >> 16 & 0x8000), out);
	}
}

void
halves_write_bf16(const float *numbers, size_t count, uint8_t *out)
{
	for (size_t i = 0; i < count; i++, out += 2)
	{
		uint32_t bits = float_bits(numbers[i]);

		if ((bits & 0x7FFFFFFF) > 0x7F800000)
			put16(bits >> 16 | 0x0040, out); /* NaN, still when cut */
		else
			put16((bits + 0x7FFF + (bits >> 16 & 1)) >> 16, out);
	}
}
