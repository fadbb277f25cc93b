/*
 * fasttext_matrix.c
 *	  The input matrix of a fastText model, dense or quantised.
 *
 * Quantised, a row is cut into parts, and of each part the number of the nearest of 256 centroids is
 * kept, and of its length, if lengths are quantised apart, likewise (Jegou, Douze and Schmid 2011).
 */
#include "fasttext_internal.h"

#include <inttypes.h>
#include <string.h>

#define CENTROIDS 256

/* Rows and columns are what head and dictionary say. */
static em_code
take_shape(fasttext_input *input, const fasttext_rows *rows)
{
	int64_t m = 0, n = 0;
	em_code code = fasttext_take_i64(input, &m);

	if (code == EM_OK)
		code = fasttext_take_i64(input, &n);
	if (code == EM_OK && (m < 0 || (uint64_t) m != rows->rows || n != (int64_t) rows->dim))
		code = em_fail(input->status, EM_CORRUPT,
					   "the input matrix of the file is %" PRId64 " by %" PRId64
					   ", but head and dictionary say %" PRIu64 " by %u",
					   m, n, rows->rows, rows->dim);
	return code;
}

static em_code
take_out(fasttext_input *input, const em_allocator *allocator, fasttext_rows *rows)
{
	rows->out = em_allocate_array(allocator, (size_t) rows->kept * rows->dim, sizeof(float));
	return rows->out != NULL ? EM_OK : em_fail(input->status, EM_OUT_OF_MEMORY, "out of memory");
}

em_code
fasttext_read_dense(fasttext_input *input, const em_allocator *allocator, fasttext_rows *rows)
{
	uint64_t skipped = 0; /* bytes */
	em_code code = take_shape(input, rows);

	if (code == EM_OK && rows->rows > fasttext_left(input) / 4 / rows->dim)
		code = em_fail(input->status, EM_CORRUPT,
					   "the input matrix of the file has %" PRIu64 " rows, but only %" PRIu64
					   " bytes follow",
					   rows->rows, fasttext_left(input));
	if (code == EM_OK)
		code = take_out(input, allocator, rows);
	for (uint64_t row = 0; code == EM_OK && row < rows->rows; row++)
	{
		int64_t to = rows->destination(rows->context, row);

		if (to < 0)
		{
			skipped += 4 * (uint64_t) rows->dim;
			continue;
		}
		code = fasttext_skip(input, skipped);
		skipped = 0;
		if (code == EM_OK)
			code = fasttext_take_floats(input, rows->dim, rows->out + (size_t) to * rows->dim);
	}
	if (code == EM_OK)
		code = fasttext_skip(input, skipped);
	return code;
}

/* How rows are cut; and the centroids (dim, CENTROIDS). */
typedef struct quantiser
{
	int32_t parts;
	int32_t size; /* of a part */
	int32_t last; /* of the last part */
	float *centroids;
} quantiser;

static em_code
take_quantiser(fasttext_input *input, const em_allocator *allocator, uint32_t dim, uint64_t parts,
			   quantiser *out)
{
	int32_t columns = 0;
	em_code code = fasttext_take_i32(input, &columns);

	if (code == EM_OK)
		code = fasttext_take_i32(input, &out->parts);
	if (code == EM_OK)
		code = fasttext_take_i32(input, &out->size);
	if (code == EM_OK)
		code = fasttext_take_i32(input, &out->last);
	if (code != EM_OK)
		return code;
	if (columns != (int32_t) dim || out->parts < 1 || (uint64_t) out->parts != parts ||
		out->size < 1 || out->size > (int32_t) dim || out->last < 1 || out->last > out->size ||
		(int64_t) (out->parts - 1) * out->size + out->last != (int64_t) dim)
		return em_fail(input->status, EM_CORRUPT,
					   "the quantiser of the file cuts %d numbers into %d parts of %d and %d",
					   columns, out->parts, out->size, out->last);
	if ((uint64_t) dim * CENTROIDS * 4 > fasttext_left(input))
		return fasttext_ended(input);
	out->centroids = em_allocate_array(allocator, (size_t) dim * CENTROIDS, sizeof(float));
	if (out->centroids == NULL)
		return em_fail(input->status, EM_OUT_OF_MEMORY, "out of memory");
	return fasttext_take_floats(input, (size_t) dim * CENTROIDS, out->centroids);
}

/* Of every row its codes, of which those of the rows kept stay: (kept, width). */
static em_code
take_codes(fasttext_input *input, const em_allocator *allocator, const fasttext_rows *rows,
		   uint64_t width, uint8_t **out)
{
	em_code code = EM_OK;

	if (rows->rows > fasttext_left(input) / width)
	{
		(void) fasttext_ended(input);
		return EM_CORRUPT;
	}
	*out = em_allocate_array(allocator, (size_t) rows->kept, (size_t) width);
	if (*out == NULL)
		return em_fail(input->status, EM_OUT_OF_MEMORY, "out of memory");
	for (uint64_t row = 0; code == EM_OK && row < rows->rows; row++)
	{
		int64_t to = rows->destination(rows->context, row);
		const uint8_t *bytes;

		code = fasttext_take(input, (size_t) width, &bytes);
		if (code == EM_OK && to >= 0)
			memcpy(*out + (size_t) to * (size_t) width, bytes, (size_t) width);
	}
	return code;
}

static void
restore_row(const quantiser *quantiser, const uint8_t *codes, float norm, float *out)
{
	for (int32_t part = 0; part < quantiser->parts; part++)
	{
		int32_t size = part == quantiser->parts - 1 ? quantiser->last : quantiser->size;
		const float *centroid = quantiser->centroids +
								(size_t) part * CENTROIDS * (size_t) quantiser->size +
								(size_t) codes[part] * (size_t) size;

		for (int32_t i = 0; i < size; i++)
			*out++ = norm * centroid[i];
	}
}

em_code
fasttext_read_quantised(fasttext_input *input, const em_allocator *allocator, fasttext_rows *rows)
{
	quantiser parts = { 0 };
	quantiser norms = { 0 };
	uint8_t *codes = NULL;
	uint8_t *norm_codes = NULL;
	uint64_t width = 0;
	int32_t code_size = 0;
	bool normed = false;
	em_code code = fasttext_take_bool(input, &normed);

	if (code == EM_OK)
		code = take_shape(input, rows);
	if (code == EM_OK)
		code = fasttext_take_i32(input, &code_size);
	if (code == EM_OK)
	{
		width = code_size > 0 ? (uint64_t) code_size / rows->rows : 0;
		if (width == 0 || width > rows->dim || width * rows->rows != (uint64_t) code_size)
			code = em_fail(input->status, EM_CORRUPT,
						   "the input matrix of the file has %d codes for %" PRIu64 " rows",
						   code_size, rows->rows);
	}
	if (code == EM_OK)
		code = take_codes(input, allocator, rows, width, &codes);
	if (code == EM_OK)
		code = take_quantiser(input, allocator, rows->dim, width, &parts);
	if (code == EM_OK && normed)
		code = take_codes(input, allocator, rows, 1, &norm_codes);
	if (code == EM_OK && normed)
		code = take_quantiser(input, allocator, 1, 1, &norms);
	if (code == EM_OK)
		code = take_out(input, allocator, rows);
	for (uint64_t row = 0; code == EM_OK && row < rows->kept; row++)
	{
		float norm = normed ? norms.centroids[norm_codes[row]] : 1;
		float *to = rows->out + (size_t) row * rows->dim;

		restore_row(&parts, codes + (size_t) row * (size_t) width, norm, to);
		for (uint32_t i = 0; i < rows->dim; i++)
			if (!(to[i] <= VECTORS_MAX_WEIGHT && to[i] >= -VECTORS_MAX_WEIGHT))
				code = em_fail(input->status, EM_CORRUPT,
							   "a number in the input matrix of the file is beyond 1e9");
	}
	em_release(allocator, codes);
	em_release(allocator, norm_codes);
	em_release(allocator, parts.centroids);
	em_release(allocator, norms.centroids);
	return code;
}
