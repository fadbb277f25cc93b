/*
 * test_safetensors.c
 *	  The container: round trip, every refusal by a hand-made file, and the
 *	  conversion of halves.
 */
#include "check.h"

#include <math.h>

#include "../../src/model/halves.h"
#include "../../src/model/safetensors.h"

/* A file of a header and `data` bytes 0, 1, 2, ... in a block of the exact length. */
static uint8_t *
make_file(const char *header, size_t header_length, uint64_t claimed, size_t data, size_t *size)
{
	uint8_t *bytes = malloc(8 + header_length + data);

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t) (claimed >> 8 * i);
	memcpy(bytes + 8, header, header_length);
	for (size_t i = 0; i < data; i++)
		bytes[8 + header_length + i] = (uint8_t) i;
	*size = 8 + header_length + data;
	return bytes;
}

static em_code
open_file(const char *header, size_t data, em_status *status)
{
	safetensors file;
	size_t size;
	uint8_t *bytes = make_file(header, strlen(header), strlen(header), data, &size);
	long live = check_live;
	em_code code;

	memset(status, 0, sizeof(*status));
	code = safetensors_open(&check_allocator, bytes, size, &file, status);
	if (code == EM_OK)
		safetensors_close(&file);
	free(bytes);
	if (check_live != live)
		CHECK(false, "nothing is leaked");
	return code;
}

#define T(name, dtype, shape, begin, end)                                                          \
	"\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end \
	"]}"

static void
test_legal(void)
{
	static const struct
	{
		const char *what;
		const char *header;
		size_t data;
	} cases[] = {
		{ "no tensor", "{}", 0 },
		{ "metadata only", "{\"__metadata__\":{\"a\":\"b\",\"\":\"\"}}", 0 },
		{ "empty metadata", "{\"__metadata__\":{}," T("a", "F32", "[1]", 0, 4) "}", 4 },
		{ "one tensor", "{" T("a", "F32", "[2,3]", 0, 24) "}", 24 },
		{ "blanks behind the header", "{" T("a", "F32", "[1]", 0, 4) "}     ", 4 },
		{ "rank 0", "{" T("a", "F32", "[]", 0, 4) "}", 4 },
		{ "an empty tensor", "{" T("a", "F32", "[2,0,3]", 0, 0) "}", 0 },
		{ "two empty tensors between two others",
		  "{" T("d", "F32", "[1]", 4, 8) "," T("c", "F32", "[0]", 4, 4) "," T(
			  "a", "F32", "[1]", 0, 4) "," T("b", "F16", "[0]", 4, 4) "}",
		  8 },
		{ "an empty name", "{" T("", "F32", "[1]", 0, 4) "}", 4 },
		{ "rank 8", "{" T("a", "U8", "[1,1,1,1,1,1,1,2]", 0, 2) "}", 2 },
		{ "data in another order than names",
		  "{" T("a", "F32", "[1]", 2, 6) "," T("b", "F16", "[1]", 0, 2) "}", 6 },
		{ "fields in another order",
		  "{\"a\":{\"data_offsets\":[0,4],\"shape\":[1],\"dtype\":\"F32\"}}", 4 },
		{ "types that we do not convert",
		  "{" T("a", "I64", "[1]", 0, 8) "," T("b", "BOOL", "[3]", 8, 11) "}", 11 },
	};
	em_status status;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK(open_file(cases[i].header, cases[i].data, &status) == EM_OK, "legal: %s%s%s",
			  cases[i].what, status.code == EM_OK ? "" : ": ", status.message);
}

static void
test_refused(void)
{
	static const struct
	{
		const char *what;
		em_code code;
		const char *header;
		size_t data;
	} cases[] = {
		{ "not an object", EM_CORRUPT, "[]", 0 },
		{ "blanks before the header", EM_CORRUPT, " {}", 0 },
		{ "invalid JSON", EM_CORRUPT, "{" T("a", "F32", "[1]", 0, 4) ",}", 4 },
		{ "two values", EM_CORRUPT, "{}{}", 0 },
		{ "invalid UTF-8", EM_CORRUPT, "{" T("\xc0\x80", "F32", "[1]", 0, 4) "}", 4 },
		{ "a tensor that is not an object", EM_CORRUPT, "{\"a\":1}", 0 },
		{ "a tensor that is null", EM_CORRUPT, "{\"a\":null}", 0 },
		{ "metadata that are not an object", EM_CORRUPT, "{\"__metadata__\":[]}", 0 },
		{ "a metadata value that is a number", EM_CORRUPT, "{\"__metadata__\":{\"a\":1}}", 0 },
		{ "a metadata value that is an object", EM_CORRUPT, "{\"__metadata__\":{\"a\":{}}}", 0 },
		{ "metadata twice", EM_CORRUPT, "{\"__metadata__\":{},\"__metadata__\":{}}", 0 },
		{ "a metadata key twice", EM_CORRUPT,
		  "{\"__metadata__\":{\"a\":\"1\",\"b\":\"2\",\"\\u0061\":\"3\"}}", 0 },
		{ "a tensor twice", EM_CORRUPT,
		  "{" T("a", "F32", "[1]", 0, 4) "," T("b", "F32", "[1]", 4, 8) "," T("a", "F32", "[1]", 8,
																			  12) "}",
		  12 },
		{ "an empty tensor twice", EM_CORRUPT,
		  "{" T("a", "F32", "[0]", 0, 0) "," T("\\u0061", "F32", "[0]", 0, 0) "}", 0 },
		{ "no dtype", EM_CORRUPT, "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4 },
		{ "no shape", EM_CORRUPT, "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4 },
		{ "no data_offsets", EM_CORRUPT, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4 },
		{ "a field twice", EM_CORRUPT,
		  "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,4]}}", 4 },
		{ "an unknown field", EM_CORRUPT,
		  "{\"a\":{\"dtype\":\"F32\",\"strides\":[1],\"shape\":[1],\"data_offsets\":[0,4]}}", 4 },
		{ "an unknown dtype", EM_UNSUPPORTED, "{" T("a", "F7", "[1]", 0, 4) "}", 4 },
		{ "a dtype that is a number", EM_CORRUPT,
		  "{\"a\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", 4 },
		{ "a shape that is a number", EM_CORRUPT, "{" T("a", "F32", "1", 0, 4) "}", 4 },
		{ "a shape with a string", EM_CORRUPT, "{" T("a", "F32", "[\"1\"]", 0, 4) "}", 4 },
		{ "a negative dimension", EM_CORRUPT, "{" T("a", "F32", "[-1]", 0, 4) "}", 4 },
		{ "a fractional dimension", EM_CORRUPT, "{" T("a", "F32", "[1.0]", 0, 4) "}", 4 },
		{ "a dimension beyond 2^53", EM_CORRUPT,
		  "{" T("a", "F32", "[18446744073709551617]", 0, 4) "}", 4 },
		{ "rank 9", EM_LIMIT, "{" T("a", "U8", "[1,1,1,1,1,1,1,1,1]", 0, 1) "}", 1 },
		{ "a product beyond 2^64", EM_CORRUPT,
		  "{" T("a", "F32", "[4294967296,4294967296]", 0, 0) "}", 0 },
		{ "a product that wraps round to its length", EM_CORRUPT,
		  "{" T("a", "F32", "[4294967297,4294967297]", 0, 4) "}", 4 },
		{ "a length in bytes beyond 2^64", EM_CORRUPT,
		  "{" T("a", "F64", "[2147483648,1073741824]", 0, 0) "}", 0 },
		{ "a product beyond 2^64 before a zero", EM_CORRUPT,
		  "{" T("a", "F32", "[4294967296,4294967296,0]", 0, 0) "}", 0 },
		{ "offsets that do not fit the shape", EM_CORRUPT, "{" T("a", "F32", "[2]", 0, 4) "}", 4 },
		{ "offsets that do not fit the dtype", EM_CORRUPT, "{" T("a", "F16", "[2]", 0, 8) "}", 8 },
		{ "offsets that fall", EM_CORRUPT, "{" T("a", "F32", "[1]", 4, 0) "}", 4 },
		{ "offsets beyond the file", EM_CORRUPT, "{" T("a", "F32", "[2]", 0, 8) "}", 4 },
		{ "offsets far beyond the file", EM_CORRUPT,
		  "{" T("a", "F32", "[0]", 9007199254740992, 9007199254740992) "}", 4 },
		{ "one offset", EM_CORRUPT,
		  "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4 },
		{ "three offsets", EM_CORRUPT,
		  "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}", 4 },
		{ "a negative offset", EM_CORRUPT, "{" T("a", "F32", "[1]", -4, 0) "}", 4 },
		{ "a hole at the start", EM_CORRUPT, "{" T("a", "F32", "[1]", 4, 8) "}", 8 },
		{ "a hole between tensors", EM_CORRUPT,
		  "{" T("a", "F32", "[1]", 0, 4) "," T("b", "F32", "[1]", 8, 12) "}", 12 },
		{ "tensors that overlap", EM_CORRUPT,
		  "{" T("a", "F32", "[2]", 0, 8) "," T("b", "F32", "[1]", 4, 8) "}", 8 },
		{ "tensors at the same place", EM_CORRUPT,
		  "{" T("a", "F32", "[1]", 0, 4) "," T("b", "F32", "[1]", 0, 4) "}", 4 },
		{ "an empty tensor inside another", EM_CORRUPT,
		  "{" T("a", "F32", "[2]", 0, 8) "," T("b", "F32", "[0]", 4, 4) "}", 8 },
		{ "trailing bytes", EM_CORRUPT, "{" T("a", "F32", "[1]", 0, 4) "}", 5 },
		{ "data without a tensor", EM_CORRUPT, "{}", 1 },
	};
	em_status status;
	safetensors file;
	uint8_t *bytes;
	size_t size;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		em_code code = open_file(cases[i].header, cases[i].data, &status);

		CHECK(code == cases[i].code && status.code == code, "refused: %s: %s", cases[i].what,
			  status.message);
	}

	bytes = make_file("{}", 2, 100000001, 0, &size);
	CHECK(safetensors_open(&check_allocator, bytes, size, &file, &status) == EM_LIMIT,
		  "refused: a header of more than 100,000,000 bytes: %s", status.message);
	free(bytes);
	bytes = make_file("{}", 2, 3, 0, &size);
	CHECK(safetensors_open(&check_allocator, bytes, size, &file, &status) == EM_CORRUPT,
		  "refused: a header longer than the file: %s", status.message);
	free(bytes);
	bytes = make_file("{}", 2, UINT64_MAX - 4, 0, &size);
	CHECK(safetensors_open(&check_allocator, bytes, size, &file, &status) == EM_LIMIT,
		  "refused: a length whose sum with 8 wraps round: %s", status.message);
	free(bytes);
	bytes = make_file("{}", 2, 0, 0, &size);
	CHECK(safetensors_open(&check_allocator, bytes, size, &file, &status) == EM_CORRUPT,
		  "refused: an empty header: %s", status.message);
	for (size_t n = 0; n < 10; n++)
	{
		uint8_t *cut = malloc(n + (n == 0));

		memcpy(cut, bytes, n);
		if (safetensors_open(&check_allocator, cut, n, &file, &status) != EM_CORRUPT)
			CHECK(false, "a file of %zu bytes is refused", n);
		free(cut);
	}
	free(bytes);
	CHECK(check_live == 0, "nothing is leaked");
}

static void
test_round_trip(void)
{
	const float a[6] = { 1, -2.5f, 3.25f, 0, -0.0f, 1e-30f };
	const float b[3] = { 0.5f, 65504, -0.125f };
	const float c[2] = { 1e30f, -1 };
	const float d[1] = { 42 };
	const tensor_out tensors[] = {
		{ "a", TENSOR_F32, 2, { 2, 3 }, a },     { "scalar \"d\"", TENSOR_F32, 0, { 0 }, d },
		{ "empty", TENSOR_F32, 1, { 0 }, a },    { "b", TENSOR_F16, 1, { 3 }, b },
		{ "c", TENSOR_BF16, 3, { 1, 2, 1 }, c },
	};
	const metadata_entry metadata[] = {
		{ { "z", 1 }, { "last first", 10 } },
		{ { "thresholds", 10 }, { "[0.5]", 5 } },
		{ { "lines", 5 }, { "a\nb\t\"\\\x01\xf0\x9f\x98\x80", 11 } },
		{ { "", 0 }, { "", 0 } },
	};
	size_t size = safetensors_size(tensors, 5, metadata, 4), other_size;
	uint8_t *bytes = malloc(size), *moved = malloc(size + 1), *other;
	safetensors file;
	em_status status;
	float out[6];
	const tensor *found;
	em_slice value;
	uint64_t header = 0;

	safetensors_write(tensors, 5, metadata, 4, bytes);
	for (int i = 7; i >= 0; i--)
		header = header << 8 | bytes[i];
	CHECK((header + 8) % 64 == 0, "data begin at a multiple of 64");
	CHECK(size == 8 + header + 24 + 4 + 6 + 4, "the size is as foreseen");

	/* one byte on, so that no tensor is aligned */
	memcpy(moved + 1, bytes, size);
	CHECK(safetensors_open(&check_allocator, moved + 1, size, &file, &status) == EM_OK,
		  "what is written is read");
	CHECK(file.tensor_count == 5 && file.metadata_count == 4, "all of it");
	found = safetensors_find(&file, "a");
	CHECK(found != NULL && found->rank == 2 && found->shape[0] == 2 && found->shape[1] == 3 &&
			  tensor_read(found, out, &status) == EM_OK && memcmp(out, a, sizeof(a)) == 0,
		  "F32, unaligned");
	found = safetensors_find(&file, "b");
	CHECK(found != NULL && found->type == TENSOR_F16 && tensor_read(found, out, &status) == EM_OK &&
			  memcmp(out, b, sizeof(b)) == 0,
		  "F16");
	found = safetensors_find(&file, "c");
	CHECK(found != NULL && tensor_read(found, out, &status) == EM_OK &&
			  fabsf(out[0] / c[0] - 1) < 1.0f / 256 && out[1] == -1,
		  "BF16");
	found = safetensors_find(&file, "scalar \"d\"");
	CHECK(found != NULL && found->rank == 0 && found->elements == 1 &&
			  tensor_read(found, out, &status) == EM_OK && out[0] == 42,
		  "rank 0, and a name with quotes");
	found = safetensors_find(&file, "empty");
	CHECK(found != NULL && found->elements == 0 && tensor_read(found, out, &status) == EM_OK,
		  "an empty tensor");
	CHECK(safetensors_find(&file, "none") == NULL, "no tensor that is not there");
	value = safetensors_metadata(&file, "lines");
	CHECK(value.length == 11 && memcmp(value.bytes, metadata[2].value.bytes, 11) == 0,
		  "metadata with control characters and emoji");
	CHECK(safetensors_metadata(&file, "").bytes != NULL &&
			  safetensors_metadata(&file, "").length == 0,
		  "an empty key and value");
	CHECK(safetensors_metadata(&file, "none").bytes == NULL, "no metadata that are not there");
	CHECK(file.metadata[0].key.bytes[0] == 'z' && file.metadata[3].key.length == 0,
		  "metadata keep their order");
	safetensors_close(&file);

	CHECK(safetensors_replace_metadata(&check_allocator, bytes, size, "thresholds",
									   (em_slice){ "[0.25, 0.75]\n", 13 }, &other, &other_size,
									   &status) == EM_OK,
		  "one value is replaced");
	CHECK(safetensors_open(&check_allocator, other, other_size, &file, &status) == EM_OK &&
			  file.metadata_count == 4 && file.tensor_count == 5,
		  "and the file still reads");
	value = safetensors_metadata(&file, "thresholds");
	CHECK(value.length == 13 && memcmp(value.bytes, "[0.25, 0.75]\n", 13) == 0, "as the new one");
	value = safetensors_metadata(&file, "lines");
	CHECK(value.length == 11 && memcmp(value.bytes, metadata[2].value.bytes, 11) == 0 &&
			  file.metadata[0].key.bytes[0] == 'z',
		  "the others stay");
	CHECK(memcmp(other + other_size - 38, bytes + size - 38, 38) == 0, "and so do the data");
	safetensors_close(&file);
	check_release(NULL, other);
	CHECK(safetensors_replace_metadata(&check_allocator, bytes, size, "none", (em_slice){ "", 0 },
									   &other, &other_size, &status) == EM_CORRUPT,
		  "a key that is not there: %s", status.message);

	for (long n = 1;; n++)
	{
		em_code code;

		check_fail_at = n;
		code = safetensors_open(&check_allocator, bytes, size, &file, &status);
		if (code == EM_OK)
		{
			CHECK(n > 3, "each of %ld allocations was made to fail", n - 1);
			safetensors_close(&file);
			break;
		}
		if (code != EM_OUT_OF_MEMORY || status.code != code || check_live != 0)
			CHECK(false, "failing allocation %ld is reported", n);
	}
	check_fail_at = 0;
	free(bytes);
	free(moved);
	CHECK(check_live == 0, "nothing is leaked");

	{
		const tensor_out huge = {
			"a", TENSOR_F32, 3, { UINT64_C(1) << 32, UINT64_C(1) << 32, 4 }, a
		};

		CHECK(safetensors_size(&huge, 1, NULL, 0) == 0, "a size that overflows is 0");
	}
}

/* What a half means, by its definition. */
static double
half_value(uint32_t half)
{
	int exponent = (int) (half >> 10 & 31), digits = (int) (half & 1023);
	double value = exponent == 0 ? ldexp(digits, -24) : ldexp(1024 + digits, exponent - 25);

	return half & 0x8000 ? -value : value;
}

static void
test_halves(void)
{
	static uint8_t bytes[65536 * 2], back[65536 * 2], floats[65536 * 4];
	static float out[65536], again[65536];
	bool all = true, refused = true, rounded = true;
	uint32_t random = 1;

	for (uint32_t i = 0; i < 65536; i++)
	{
		bytes[2 * i] = (uint8_t) i;
		bytes[2 * i + 1] = (uint8_t) (i >> 8);
	}

	/* F16: all finite values, and each of those that are not */
	CHECK(halves_read_f16(bytes, 0x7C00, out) &&
			  halves_read_f16(bytes + 0x10000, 0x7C00, out + 0x8000),
		  "all finite F16 are finite");
	for (uint32_t i = 0; i < 65536; i++)
		if ((i & 0x7C00) != 0x7C00)
			all =
				all && (double) out[i] == half_value(i) && (signbit(out[i]) != 0) == (i >= 0x8000);
		else
			refused = refused && !halves_read_f16(bytes + 2 * i, 1, again);
	CHECK(all, "every F16 is read exactly");
	CHECK(refused, "every F16 that is not finite is refused");
	halves_write_f16(out, 0x7C00, back);
	halves_write_f16(out + 0x8000, 0x7C00, back + 0x10000);
	CHECK(memcmp(back, bytes, 0x7C00 * 2) == 0 &&
			  memcmp(back + 0x10000, bytes + 0x10000, 0x7C00 * 2) == 0,
		  "and written back the same");
	for (uint32_t i = 0; i + 1 < 0x7C00; i++)
	{
		float tie = (float) ((half_value(i) + half_value(i + 1)) / 2);
		float three[3] = { nextafterf(tie, 0), tie, nextafterf(tie, INFINITY) };
		uint32_t expected[3] = { i, i + (i & 1), i + 1 };
		uint8_t half[6];

		halves_write_f16(three, 3, half);
		for (int j = 0; j < 3; j++)
			rounded = rounded && (uint32_t) (half[2 * j] | half[2 * j + 1] << 8) == expected[j];
	}
	CHECK(rounded, "F16 are rounded to nearest, ties to even");
	{
		const float numbers[6] = { 65519.996f, HALVES_F16_LIMIT, 1e30f, -INFINITY, NAN, 1e-10f };
		uint8_t half[12];
		uint32_t got[6];

		halves_write_f16(numbers, 6, half);
		for (int i = 0; i < 6; i++)
			got[i] = (uint32_t) (half[2 * i] | half[2 * i + 1] << 8);
		CHECK(got[0] == 0x7BFF && got[1] == 0x7C00 && got[2] == 0x7C00 && got[3] == 0xFC00 &&
				  (got[4] & 0x7FFF) > 0x7C00 && got[5] == 0,
			  "the ends of F16");
	}

	/* BF16 */
	all = refused = true;
	for (uint32_t i = 0; i < 65536; i++)
	{
		uint32_t bits = i << 16;
		bool finite = halves_read_bf16(bytes + 2 * i, 1, out + i);

		if ((i & 0x7F80) != 0x7F80)
		{
			uint8_t half[2];

			halves_write_bf16(out + i, 1, half);
			all = all && finite && memcmp(&out[i], &bits, 4) == 0 &&
				  memcmp(half, bytes + 2 * i, 2) == 0;
		}
		else
			refused = refused && !finite;
	}
	CHECK(all, "every BF16 is read and written exactly");
	CHECK(refused, "every BF16 that is not finite is refused");
	{
		const float numbers[5] = { 1.00390625f, 1.01171875f, HALVES_BF16_LIMIT,
								   nextafterf(HALVES_BF16_LIMIT, 0), NAN };
		uint8_t half[10];
		uint32_t got[5];

		halves_write_bf16(numbers, 5, half);
		for (int i = 0; i < 5; i++)
			got[i] = (uint32_t) (half[2 * i] | half[2 * i + 1] << 8);
		CHECK(got[0] == 0x3F80 && got[1] == 0x3F82 && got[2] == 0x7F80 && got[3] == 0x7F7F &&
				  (got[4] & 0x7FFF) > 0x7F80,
			  "BF16 are rounded to nearest, ties to even");
	}

	/* F32, wherever the bad one stands */
	for (size_t i = 0; i < 200; i++)
	{
		random = random * 1664525 + 1013904223;
		out[i] = (float) random - 2e9f;
	}
	halves_write_f32(out, 200, floats);
	CHECK(halves_read_f32(floats, 200, again) && memcmp(out, again, 800) == 0, "F32");
	refused = true;
	for (size_t i = 0; i < 200; i++)
	{
		static const float bad[3] = { NAN, INFINITY, -INFINITY };
		float kept = out[i];

		out[i] = bad[i % 3];
		halves_write_f32(out, 200, floats);
		refused = refused && !halves_read_f32(floats, 200, again);
		out[i] = kept;
	}
	CHECK(refused, "an F32 that is not finite is refused wherever it stands");
}

int
main(void)
{
	test_legal();
	test_refused();
	test_round_trip();
	test_halves();
	return check_done();
}
