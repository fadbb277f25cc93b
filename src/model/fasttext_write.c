/*
 * fasttext_write.c
 *	  Word vectors as fastText's files.
 */
#include "fasttext_internal.h"
#include "halves.h"
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VERSION 12

typedef struct output
{
	fasttext_sink write;
	void *context;
	em_status *status;
	em_code code;    /* of the first failure: nothing is written after it */
	uint8_t *buffer; /* FASTTEXT_BUFFER */
	size_t filled;
} output;

static void
flush(output *out)
{
	if (out->code == EM_OK && out->filled > 0)
		out->code = out->write(out->context, out->buffer, out->filled, out->status);
	out->filled = 0;
}

/* Room for that many bytes, which is less than the buffer. */
static uint8_t *
reserve(output *out, size_t size)
{
	uint8_t *place;

	if (out->filled + size > FASTTEXT_BUFFER)
		flush(out);
	place = out->buffer + out->filled;
	out->filled += size;
	return place;
}

static void
put_bytes(output *out, const char *bytes, size_t size)
{
	while (size > 0)
	{
		size_t piece = size < FASTTEXT_BUFFER ? size : FASTTEXT_BUFFER;

		memcpy(reserve(out, piece), bytes, piece);
		bytes += piece;
		size -= piece;
	}
}

static void
put_number(output *out, uint64_t number, size_t size)
{
	uint8_t *place = reserve(out, size);

	for (size_t i = 0; i < size; i++)
		place[i] = (uint8_t) (number >> 8 * i);
}

/* A matrix; of numbers 0 when there are none. */
static void
put_matrix(output *out, const float *numbers, uint64_t rows, uint32_t dim)
{
	put_number(out, rows, 8);
	put_number(out, dim, 8);
	for (uint64_t row = 0; row < rows && out->code == EM_OK; row++)
	{
		uint8_t *place = reserve(out, (size_t) dim * 4);

		if (numbers == NULL)
			memset(place, 0, (size_t) dim * 4);
		else
			halves_write_f32(numbers + (size_t) row * dim, dim, place);
	}
}

static void
put_head(output *out, const vectors *vectors)
{
	const vectors_arguments *arguments = &vectors->arguments;
	/* vectors alone can be no classifier; what is not known gets a value that fastText can work with */
	const int32_t model = arguments->model == 1 ? 1 : 2;
	const int32_t loss = arguments->loss >= 1 && arguments->loss <= 3 ? arguments->loss : 2;
	const int32_t numbers[] = {
		FASTTEXT_MAGIC,
		VERSION,
		(int32_t) vectors->dim,
		arguments->window,
		arguments->epochs,
		arguments->min_count,
		arguments->negatives,
		1, /* n-grams of words are a classifier's */
		loss,
		model,
		(int32_t) vectors->buckets,
		vectors->min_n,
		vectors->max_n,
		arguments->rate_update,
	};
	uint64_t sampling;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		put_number(out, (uint32_t) numbers[i], 4);
	memcpy(&sampling, &arguments->sampling, sizeof(sampling));
	put_number(out, sampling, 8);
}

static void
put_dictionary(output *out, const vectors *vectors)
{
	put_number(out, vectors->word_count, 4);
	put_number(out, vectors->word_count, 4);
	put_number(out, 0, 4); /* labels */
	put_number(out, (uint64_t) vectors->arguments.tokens, 8);
	put_number(out, UINT64_MAX, 8); /* -1: not pruned */
	for (uint32_t id = 1; id <= vectors->word_count; id++)
	{
		em_slice word = text_vocabulary_word(vectors->words, id);

		put_bytes(out, word.bytes, word.length);
		put_number(out, 0, 1);
		put_number(out, vectors->counts != NULL ? vectors->counts[id - 1] : 1, 8);
		put_number(out, 0, 1); /* a word */
	}
}

static void
put_model(output *out, const vectors *vectors)
{
	put_head(out, vectors);
	put_dictionary(out, vectors);
	put_number(out, 0, 1); /* not quantised */
	put_matrix(out, vectors->input, (uint64_t) vectors->word_count + vectors->bucket_rows,
			   vectors->dim);
	put_number(out, 0, 1);
	put_matrix(out, vectors->output, vectors->word_count, vectors->dim);
}

static void
put_text(output *out, const vectors *vectors)
{
	char text[JSON_NUMBER_MAX + 1];
	float vector[VECTORS_MAX_DIM];
	int length = snprintf(text, sizeof(text), "%u %u\n", vectors->word_count, vectors->dim);

	put_bytes(out, text, (size_t) length);
	for (uint32_t id = 1; id <= vectors->word_count && out->code == EM_OK; id++)
	{
		em_slice word = text_vocabulary_word(vectors->words, id);

		vectors_word(vectors, word.bytes, word.length, vector, NULL);
		put_bytes(out, word.bytes, word.length);
		for (uint32_t i = 0; i < vectors->dim; i++)
		{
			put_bytes(out, " ", 1);
			put_bytes(out, text, json_print_number((double) vector[i], true, text));
		}
		put_bytes(out, "\n", 1);
	}
}

em_code
fasttext_write(const em_allocator *allocator, const vectors *vectors, fasttext_format format,
			   fasttext_sink write, void *context, em_status *status)
{
	output out = { .write = write, .context = context, .status = status, .code = EM_OK };

	if (format == FASTTEXT_BIN && vectors->bucket_ids != NULL)
	{
		em_fail(status, EM_UNSUPPORTED,
				"of %u buckets of n-grams %u were kept: fastText's models need all of them",
				vectors->buckets, vectors->bucket_rows);
		em_hint(status, "Write the vectors of the words as text: format \"vec\".");
		return EM_UNSUPPORTED;
	}
	out.buffer = em_allocate_array(allocator, FASTTEXT_BUFFER, 1);
	if (out.buffer == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	if (format == FASTTEXT_BIN)
		put_model(&out, vectors);
	else
		put_text(&out, vectors);
	flush(&out);
	em_release(allocator, out.buffer);
	return out.code;
}
