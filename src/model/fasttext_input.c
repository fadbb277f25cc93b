/*
 * fasttext_input.c
 *	  The bytes of a file, one after the other, and which of its words are kept.
 */
#include "fasttext_internal.h"
#include "halves.h"
#include "json.h"

#include "../text/unicode.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

uint64_t
fasttext_left(const fasttext_input *input)
{
	return input->source->size > input->position ? input->source->size - input->position : 0;
}

em_code
fasttext_fill(fasttext_input *input)
{
	if (input->at > 0)
	{
		memmove(input->buffer, input->buffer + input->at, input->filled - input->at);
		input->filled -= input->at;
		input->at = 0;
	}
	while (input->filled < FASTTEXT_BUFFER && !input->ended)
	{
		size_t got = 0;
		em_code code = input->source->read(input->source->context, input->buffer + input->filled,
										   FASTTEXT_BUFFER - input->filled, &got, input->status);

		if (code != EM_OK)
			return code;
		input->filled += got;
		input->ended = got == 0;
	}
	return EM_OK;
}

em_code
fasttext_ended(fasttext_input *input)
{
	em_fail(input->status, EM_CORRUPT, "the file ends at byte %" PRIu64 ", within its %s",
			input->position + (input->filled - input->at), input->section);
	em_hint(input->status, "The file is cut off: copy it again.");
	return EM_CORRUPT;
}

em_code
fasttext_take(fasttext_input *input, size_t size, const uint8_t **bytes)
{
	if (input->filled - input->at < size)
	{
		em_code code = fasttext_fill(input);

		if (code != EM_OK)
			return code;
		if (input->filled < size)
			return fasttext_ended(input);
	}
	*bytes = input->buffer + input->at;
	input->at += size;
	input->position += size;
	return EM_OK;
}

em_code
fasttext_skip(fasttext_input *input, uint64_t size)
{
	em_code code = EM_OK;

	while (code == EM_OK && size > 0)
	{
		const uint8_t *bytes;
		size_t piece = size < FASTTEXT_BUFFER ? (size_t) size : FASTTEXT_BUFFER;

		code = fasttext_take(input, piece, &bytes);
		size -= piece;
	}
	return code;
}

static em_code
take_number(fasttext_input *input, size_t size, uint64_t *out)
{
	const uint8_t *bytes;
	em_code code = fasttext_take(input, size, &bytes);

	*out = 0;
	for (size_t i = 0; code == EM_OK && i < size; i++)
		*out |= (uint64_t) bytes[i] << 8 * i;
	return code;
}

em_code
fasttext_take_i32(fasttext_input *input, int32_t *out)
{
	uint64_t number;
	em_code code = take_number(input, 4, &number);

	*out = (int32_t) (uint32_t) number;
	return code;
}

em_code
fasttext_take_i64(fasttext_input *input, int64_t *out)
{
	uint64_t number;
	em_code code = take_number(input, 8, &number);

	*out = (int64_t) number;
	return code;
}

em_code
fasttext_take_double(fasttext_input *input, double *out)
{
	uint64_t number;
	em_code code = take_number(input, 8, &number);

	memcpy(out, &number, sizeof(*out));
	return code;
}

em_code
fasttext_take_bool(fasttext_input *input, bool *out)
{
	uint64_t number;
	em_code code = take_number(input, 1, &number);

	*out = number == 1;
	if (code == EM_OK && number > 1)
		code = em_fail(input->status, EM_CORRUPT,
					   "byte %" PRIu64 " of the file, in its %s, is %" PRIu64 ", neither 0 nor 1",
					   input->position - 1, input->section, number);
	return code;
}

em_code
fasttext_take_floats(fasttext_input *input, size_t count, float *out)
{
	while (count > 0)
	{
		size_t piece = count < FASTTEXT_BUFFER / 4 ? count : FASTTEXT_BUFFER / 4;
		const uint8_t *bytes;
		em_code code = fasttext_take(input, piece * 4, &bytes);
		bool good;

		if (code != EM_OK)
			return code;
		good = halves_read_f32(bytes, piece, out);
		for (size_t i = 0; i < piece; i++)
			good = good && fabsf(out[i]) <= VECTORS_MAX_WEIGHT;
		if (!good)
			return em_fail(input->status, EM_CORRUPT,
						   "a number in the %s of the file is not finite or beyond 1e9",
						   input->section);
		out += piece;
		count -= piece;
	}
	return EM_OK;
}

/* ---- words --------------------------------------------------------------------------- */

em_code
fasttext_choice_begin(fasttext_choice *choice, const em_allocator *allocator,
					  const fasttext_options *options, fasttext_report *report, em_status *status)
{
	memset(choice, 0, sizeof(*choice));
	choice->allocator = allocator;
	choice->options = options;
	choice->report = report;
	choice->most = options->max_words;
	if (options->wanted != NULL && text_vocabulary_size(options->wanted) - 1 < choice->most)
		choice->most = text_vocabulary_size(options->wanted) - 1;
	return text_word_counter_create(allocator, &choice->seen, status);
}

void
fasttext_choice_end(fasttext_choice *choice)
{
	text_word_counter_free(choice->seen);
	em_release(choice->allocator, choice->joined);
}

/* A word in lower case; returns its bytes, at most twice as many as before. */
static size_t
lower_case(const char *word, size_t length, char *out)
{
	size_t used = 0;

	for (size_t at = 0; at < length;)
	{
		uint32_t code_point;

		at += text_utf8_decode(word + at, length - at, &code_point);
		used += text_utf8_encode(text_lowercase(code_point), out + used);
	}
	return used;
}

em_code
fasttext_choose(fasttext_choice *choice, const char *word, size_t length, bool *keep,
				em_status *status)
{
	const fasttext_options *options = choice->options;
	char folded[2 * FASTTEXT_MAX_WORD];
	uint32_t id;
	em_code code;

	*keep = false;
	if (length == 0 || length > FASTTEXT_MAX_WORD || memchr(word, '\n', length) != NULL ||
		memchr(word, '\0', length) != NULL || !json_valid_utf8((em_slice){ word, length }))
	{
		choice->report->unusable++;
		return EM_OK;
	}
	if (options->fold_case)
	{
		length = lower_case(word, length, folded);
		word = folded;
	}
	if (choice->kept >= choice->most ||
		(options->wanted != NULL &&
		 text_vocabulary_find(options->wanted, word, length) == TEXT_UNKNOWN_ID))
		return EM_OK;
	code = text_word_counter_add(choice->seen, word, length, &id, status);
	if (code != EM_OK)
		return code;
	if (id < choice->kept)
	{
		choice->report->repeated++;
		return EM_OK;
	}
	if (!em_grow(choice->allocator, (void **) &choice->joined, &choice->joined_capacity,
				 choice->joined_length + length + 1, 1))
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	memcpy(choice->joined + choice->joined_length, word, length);
	choice->joined_length += length;
	choice->joined[choice->joined_length++] = '\n';
	choice->kept++;
	*keep = true;
	return EM_OK;
}

em_code
fasttext_choice_words(const fasttext_choice *choice, vectors *vectors, em_status *status)
{
	if (choice->kept == 0)
		return em_fail(status, EM_INVALID_DATA, "no word of the file is kept");
	vectors->word_count = choice->kept;
	return text_vocabulary_load(vectors->allocator, choice->joined, choice->joined_length,
								&vectors->words, status);
}
