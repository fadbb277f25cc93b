/*
 * unicode.c
 *	  Look-ups in the tables of code point classes and lowercase; UTF-8.
 */
#include "unicode.h"

typedef struct lowercase_run
{
	uint32_t first, last;
	uint32_t step; /* only every step-th code point from first on has the mapping */
	int32_t difference;
} lowercase_run;

#include "unicode_tables.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

text_class
text_classify_beyond_latin1(uint32_t code_point)
{
	size_t low = 0;
	size_t high = LENGTH(class_runs);

	if (code_point > 0x10FFFF)
		return TEXT_SPACE;
	/* class_runs[low] begins at or before code_point, class_runs[high] after it */
	while (high - low > 1)
	{
		size_t middle = low + (high - low) / 2;

		if (class_runs[middle] >> 4 <= code_point)
			low = middle;
		else
			high = middle;
	}
	return (text_class) (class_runs[low] & 15);
}

uint32_t
text_lowercase_beyond_latin1(uint32_t code_point)
{
	size_t low = 0;
	size_t high = LENGTH(lowercase_runs);

	while (low < high)
	{
		size_t middle = low + (high - low) / 2;
		const lowercase_run *run = &lowercase_runs[middle];

		if (code_point < run->first)
			high = middle;
		else if (code_point > run->last)
			low = middle + 1;
		else if ((code_point - run->first) % run->step == 0)
			return (uint32_t) ((int32_t) code_point + run->difference);
		else
			return code_point;
	}
	return code_point;
}

size_t
text_utf8_encode(uint32_t code_point, char out[4])
{
	if (code_point < 0x80)
	{
		out[0] = (char) code_point;
		return 1;
	}
	if (code_point < 0x800)
	{
		out[0] = (char) (0xC0 | code_point >> 6);
		out[1] = (char) (0x80 | (code_point & 0x3F));
		return 2;
	}
	if (code_point < 0x10000)
	{
		out[0] = (char) (0xE0 | code_point >> 12);
		out[1] = (char) (0x80 | (code_point >> 6 & 0x3F));
		out[2] = (char) (0x80 | (code_point & 0x3F));
		return 3;
	}
	out[0] = (char) (0xF0 | code_point >> 18);
	out[1] = (char) (0x80 | (code_point >> 12 & 0x3F));
	out[2] = (char) (0x80 | (code_point >> 6 & 0x3F));
	out[3] = (char) (0x80 | (code_point & 0x3F));
	return 4;
}

size_t
text_utf8_decode(const char *bytes, size_t length, uint32_t *code_point)
{
	static const uint32_t smallest[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char lead = (unsigned char) bytes[0];
	size_t size;
	uint32_t value;

	if (lead < 0x80)
	{
		*code_point = lead;
		return 1;
	}
	else if (lead >= 0xC2 && lead < 0xE0)
	{
		size = 2;
		value = lead & 0x1F;
	}
	else if (lead >= 0xE0 && lead < 0xF0)
	{
		size = 3;
		value = lead & 0x0F;
	}
	else if (lead >= 0xF0 && lead < 0xF5)
	{
		size = 4;
		value = lead & 0x07;
	}
	else
		return 0;
	if (length < size)
		return 0;
	for (size_t i = 1; i < size; i++)
	{
		unsigned char byte = (unsigned char) bytes[i];

		if ((byte & 0xC0) != 0x80)
			return 0;
		value = value << 6 | (byte & 0x3F);
	}
	if (value < smallest[size] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
		return 0;
	*code_point = value;
	return size;
}
