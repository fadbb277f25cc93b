/*
 * vectors_file.c
 *	  Word vectors to and from their file. The format: docs/vectors-file.md.
 */
#include "vectors.h"
#include "clip.h"
#include "json.h"
#include "safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define FORMAT "emotion_vectors"
#define FORMAT_VERSION "1"
#define WHOLE_MAX (UINT64_C(1) << 53) /* what json_to_size reads */
#define CONFIGURATION_MAX 1024
#define COUNT_MAX 18 /* characters of a count, and a comma */

/* Sizes and arguments, as the metadata "configuration" has them. */
typedef struct configuration
{
	uint64_t dim;
	uint64_t buckets;
	uint64_t min_n;
	uint64_t max_n;
	uint64_t window;
	uint64_t epochs;
	uint64_t min_count;
	uint64_t negatives;
	uint64_t word_ngrams;
	uint64_t loss;
	uint64_t model;
	uint64_t rate_update;
	uint64_t tokens;
	double sampling;
} configuration;

#define WHOLE(name, maximum)                                                                       \
	{                                                                                              \
#name, offsetof(configuration, name), maximum                                              \
	}
static const struct
{
	const char *name;
	size_t offset;
	uint64_t maximum;
} wholes[] = {
	WHOLE(dim, VECTORS_MAX_DIM),
	WHOLE(buckets, INT32_MAX),
	WHOLE(min_n, VECTORS_MAX_NGRAM),
	WHOLE(max_n, VECTORS_MAX_NGRAM),
	WHOLE(window, INT32_MAX),
	WHOLE(epochs, INT32_MAX),
	WHOLE(min_count, INT32_MAX),
	WHOLE(negatives, INT32_MAX),
	WHOLE(word_ngrams, INT32_MAX),
	WHOLE(loss, 4),
	WHOLE(model, 3),
	WHOLE(rate_update, INT32_MAX),
	WHOLE(tokens, WHOLE_MAX),
};
#define WHOLES (sizeof(wholes) / sizeof(wholes[0]))

static bool
is(em_slice text, const char *expected)
{
	return text.length == strlen(expected) && memcmp(text.bytes, expected, text.length) == 0;
}

static uint64_t
whole_at(const configuration *from, size_t i)
{
	return *(const uint64_t *) (const void *) ((const char *) from + wholes[i].offset);
}

/* ---- writing ------------------------------------------------------------------------- */

static configuration
configuration_of(const vectors *vectors)
{
	const vectors_arguments *arguments = &vectors->arguments;

	/* what is negative becomes too large, and check_configuration says so */
	return (configuration){
		.dim = vectors->dim,
		.buckets = vectors->buckets,
		.min_n = (uint64_t) vectors->min_n,
		.max_n = (uint64_t) vectors->max_n,
		.window = (uint64_t) arguments->window,
		.epochs = (uint64_t) arguments->epochs,
		.min_count = (uint64_t) arguments->min_count,
		.negatives = (uint64_t) arguments->negatives,
		.word_ngrams = (uint64_t) arguments->word_ngrams,
		.loss = (uint64_t) arguments->loss,
		.model = (uint64_t) arguments->model,
		.rate_update = (uint64_t) arguments->rate_update,
		.tokens = (uint64_t) arguments->tokens,
		.sampling = arguments->sampling,
	};
}

static em_code
check_configuration(const configuration *read, em_code code, em_status *status)
{
	for (size_t i = 0; i < WHOLES; i++)
		if (whole_at(read, i) > wholes[i].maximum)
			return em_fail(status, code, "\"%s\" of word vectors is not in 0 to %" PRIu64,
						   wholes[i].name, wholes[i].maximum);
	if (read->dim == 0)
		return em_fail(status, code, "word vectors of 0 dimensions");
	if (!isfinite(read->sampling))
		return em_fail(status, code, "\"sampling\" of word vectors is not a finite number");
	return EM_OK;
}

static em_slice
print_configuration(const configuration *from, char out[CONFIGURATION_MAX])
{
	char number[JSON_NUMBER_MAX];
	size_t n = 0;

	for (size_t i = 0; i < WHOLES; i++)
		n += (size_t) snprintf(out + n, CONFIGURATION_MAX - n, "%s\"%s\": %" PRIu64,
							   i == 0 ? "{" : ", ", wholes[i].name, whole_at(from, i));
	json_print_number(from->sampling, false, number);
	n += (size_t) snprintf(out + n, CONFIGURATION_MAX - n, ", \"sampling\": %s}", number);
	return (em_slice){ out, n };
}

static em_code
check_weights(const float *weights, size_t count, em_code code, em_status *status)
{
	for (size_t i = 0; i < count; i++)
		if (!(fabsf(weights[i]) <= VECTORS_MAX_WEIGHT))
			return em_fail(status, code, "number %zu of the word vectors is %s", i + 1,
						   isfinite(weights[i]) ? "beyond 1e9" : "not finite");
	return EM_OK;
}

/* Words, counts and bucket ids are what they must be. */
static em_code
check_rows(const vectors *vectors, em_code code, em_status *status)
{
	if (vectors->word_count == 0)
		return em_fail(status, code, "word vectors of no word");
	if (vectors->bucket_ids == NULL && vectors->bucket_rows != vectors->buckets)
		return em_fail(status, code, "%u rows for %u buckets of n-grams", vectors->bucket_rows,
					   vectors->buckets);
	for (uint32_t i = 0; vectors->bucket_ids != NULL && i < vectors->bucket_rows; i++)
		if (vectors->bucket_ids[i] >= vectors->buckets ||
			(i > 0 && vectors->bucket_ids[i] <= vectors->bucket_ids[i - 1]))
			return em_fail(status, code, "bucket %u of n-grams is out of order or of range",
						   vectors->bucket_ids[i]);
	for (uint32_t i = 0; vectors->counts != NULL && i < vectors->word_count; i++)
		if (vectors->counts[i] > WHOLE_MAX)
			return em_fail(status, code, "the count of word %u is over 2^53", i + 1);
	return EM_OK;
}

static em_code
check(const vectors *vectors, const configuration *from, em_status *status)
{
	const size_t rows = (size_t) vectors->word_count + vectors->bucket_rows;
	em_code code = check_configuration(from, EM_INVALID_DATA, status);

	if (code == EM_OK)
		code = check_rows(vectors, EM_INVALID_DATA, status);
	if (code == EM_OK && text_vocabulary_size(vectors->words) != vectors->word_count + 1)
		code = em_fail(status, EM_INVALID_DATA, "%u words with vectors of %u",
					   text_vocabulary_size(vectors->words) - 1, vectors->word_count);
	if (code == EM_OK && !json_valid_utf8(text_vocabulary_words(vectors->words)))
		code = em_fail(status, EM_INVALID_DATA, "the words of the vectors are not valid UTF-8");
	if (code == EM_OK)
		code = check_weights(vectors->input, rows * vectors->dim, EM_INVALID_DATA, status);
	if (code == EM_OK && vectors->output != NULL)
		code = check_weights(vectors->output, (size_t) vectors->word_count * vectors->dim,
							 EM_INVALID_DATA, status);
	return code;
}

em_code
vectors_write(const em_allocator *allocator, const vectors *vectors, uint8_t **bytes, size_t *size,
			  em_status *status)
{
	const configuration from = configuration_of(vectors);
	char configuration_text[CONFIGURATION_MAX];
	char *counts = NULL;
	metadata_entry metadata[5];
	size_t metadata_count = 0;
	tensor_out tensors[3] = { 0 };
	size_t tensor_count = 0;
	em_code code = check(vectors, &from, status);

#define LITERAL(text) ((em_slice){ text, sizeof(text) - 1 })
	if (code != EM_OK)
		return code;
	metadata[metadata_count++] = (metadata_entry){ LITERAL("format"), LITERAL(FORMAT) };
	metadata[metadata_count++] =
		(metadata_entry){ LITERAL("format_version"), LITERAL(FORMAT_VERSION) };
	metadata[metadata_count++] = (metadata_entry){ LITERAL("configuration"),
												   print_configuration(&from, configuration_text) };
	if (vectors->counts != NULL)
	{
		size_t n = 0;

		counts = em_allocate_array(allocator, vectors->word_count, COUNT_MAX);
		if (counts == NULL)
			return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
		for (uint32_t i = 0; i < vectors->word_count; i++)
			n += (size_t) snprintf(counts + n, COUNT_MAX, "%s%" PRIu64, i == 0 ? "" : "\n",
								   vectors->counts[i]);
		metadata[metadata_count++] = (metadata_entry){ LITERAL("counts"), { counts, n } };
	}
	metadata[metadata_count++] =
		(metadata_entry){ LITERAL("words"), text_vocabulary_words(vectors->words) };

	tensors[tensor_count++] = (tensor_out){
		.name = "input",
		.type = TENSOR_F32,
		.rank = 2,
		.shape = { (uint64_t) vectors->word_count + vectors->bucket_rows, vectors->dim },
		.data = vectors->input,
	};
	if (vectors->bucket_ids != NULL)
		tensors[tensor_count++] = (tensor_out){
			.name = "buckets",
			.type = TENSOR_U32,
			.rank = 1,
			.shape = { vectors->bucket_rows },
			.data = vectors->bucket_ids,
		};
	if (vectors->output != NULL)
		tensors[tensor_count++] = (tensor_out){
			.name = "output",
			.type = TENSOR_F32,
			.rank = 2,
			.shape = { vectors->word_count, vectors->dim },
			.data = vectors->output,
		};

	*size = safetensors_size(tensors, tensor_count, metadata, metadata_count);
	if (*size == 0)
		code = em_fail(status, EM_LIMIT, "%u words are too many for a file of word vectors",
					   vectors->word_count);
	else if ((*bytes = em_allocate_array(allocator, *size, 1)) == NULL)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	else
		safetensors_write(tensors, tensor_count, metadata, metadata_count, *bytes);
	em_release(allocator, counts);
	return code;
}

/* ---- reading ------------------------------------------------------------------------- */

static em_code
required(const safetensors *file, const char *key, em_slice *value, em_status *status)
{
	*value = safetensors_metadata(file, key);
	if (value->bytes == NULL)
		return em_fail(status, EM_CORRUPT, "the file of word vectors has no metadata \"%s\"", key);
	return EM_OK;
}

static em_code
check_format(const safetensors *file, em_status *status)
{
	em_slice format = safetensors_metadata(file, "format");
	em_slice version;
	em_code code;

	if (format.bytes == NULL || !is(format, FORMAT))
		return em_fail(status, EM_UNSUPPORTED,
					   "the file does not hold word vectors of this extension");
	code = required(file, "format_version", &version, status);
	if (code == EM_OK && !is(version, FORMAT_VERSION))
		code = em_fail(status, EM_UNSUPPORTED,
					   "the file of word vectors has format version \"%.*s\", not " FORMAT_VERSION,
					   clip_length(version), version.bytes);
	return code;
}

/* Sets a member; false when there is none of that name or the number does not fit. */
static bool
set_member(configuration *to, em_slice name, em_slice number)
{
	if (is(name, "sampling"))
		return json_to_double(number, &to->sampling);
	for (size_t i = 0; i < WHOLES; i++)
		if (is(name, wholes[i].name))
			return json_to_size(number, (uint64_t *) (void *) ((char *) to + wholes[i].offset));
	return false;
}

static em_code
read_configuration(const safetensors *file, configuration *to, em_status *status)
{
	em_slice json;
	json_reader reader;
	json_token token;
	em_code code = required(file, "configuration", &json, status);

	memset(to, 0, sizeof(*to));
	if (code != EM_OK)
		return code;
	json_open(&reader, json.bytes, json.length);
	token = json_next(&reader);
	if (token == JSON_OBJECT_BEGIN)
	{
		while ((token = json_next(&reader)) == JSON_KEY)
		{
			em_slice name = reader.raw;

			if (json_next(&reader) != JSON_NUMBER || !set_member(to, name, reader.raw))
				return em_fail(status, EM_CORRUPT,
							   "\"%.*s\" in the configuration of the word vectors is unknown or no "
							   "number that it may be",
							   clip_length(name), name.bytes);
		}
		if (token == JSON_OBJECT_END && json_next(&reader) == JSON_END)
			return check_configuration(to, EM_CORRUPT, status);
	}
	return em_fail(status, EM_CORRUPT,
				   "the configuration of the word vectors is not a JSON object of numbers");
}

static em_code
read_counts(vectors *vectors, em_slice text, em_status *status)
{
	const char *at = text.bytes;
	const char *end = at + text.length;

	vectors->counts = em_allocate_array(vectors->allocator, vectors->word_count, sizeof(uint64_t));
	if (vectors->counts == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	for (uint32_t i = 0; i < vectors->word_count; i++)
	{
		const char *stop = at < end ? memchr(at, '\n', (size_t) (end - at)) : NULL;

		if (stop == NULL)
			stop = end;
		/* the last has no line feed behind it, all others do */
		if ((stop == end) != (i + 1 == vectors->word_count) ||
			!json_to_size((em_slice){ at, (size_t) (stop - at) }, &vectors->counts[i]))
			return em_fail(status, EM_CORRUPT, "the count of word %u is no whole number", i + 1);
		at = stop == end ? end : stop + 1;
	}
	return EM_OK;
}

/* A tensor of rows of the vectors' dimension; how many rows there must be is checked by the caller. */
static em_code
check_matrix(const tensor *tensor, uint64_t dim, const char *name, em_status *status)
{
	if (tensor == NULL)
		return em_fail(status, EM_CORRUPT, "the file of word vectors has no tensor \"%s\"", name);
	if (tensor->rank != 2 || tensor->shape[1] != dim || tensor->type != TENSOR_F32)
		return em_fail(status, EM_CORRUPT,
					   "tensor \"%s\" of the word vectors is not F32 in rows of %" PRIu64, name,
					   dim);
	return EM_OK;
}

static em_code
read_matrix(const vectors *vectors, const tensor *tensor, float **out, em_status *status)
{
	const size_t count = (size_t) tensor->elements;
	em_code code;

	*out = em_allocate_array(vectors->allocator, count, sizeof(float));
	if (*out == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	code = tensor_read(tensor, *out, status);
	if (code == EM_OK)
		code = check_weights(*out, count, EM_CORRUPT, status);
	return code;
}

/* The tensors, all shapes before any memory. */
static em_code
read_tensors(vectors *vectors, const safetensors *file, em_status *status)
{
	const tensor *input = safetensors_find(file, "input");
	const tensor *output = safetensors_find(file, "output");
	const tensor *buckets = safetensors_find(file, "buckets");
	const uint64_t words = vectors->word_count;
	em_code code = check_matrix(input, vectors->dim, "input", status);

	if (code == EM_OK && output != NULL)
		code = check_matrix(output, vectors->dim, "output", status);
	if (code != EM_OK)
		return code;
	if (file->tensor_count != 1 + (size_t) (output != NULL) + (size_t) (buckets != NULL))
		return em_fail(status, EM_CORRUPT, "the file of word vectors has an unknown tensor");
	if (input->shape[0] < words || input->shape[0] - words > vectors->buckets ||
		(output != NULL && output->shape[0] != words) ||
		(buckets != NULL && (buckets->rank != 1 || buckets->shape[0] != input->shape[0] - words)))
		return em_fail(
			status, EM_CORRUPT,
			"the tensors of the word vectors do not fit %" PRIu64 " words and one another", words);
	vectors->bucket_rows = (uint32_t) (input->shape[0] - words);

	if (buckets != NULL)
	{
		vectors->bucket_ids =
			em_allocate_array(vectors->allocator, vectors->bucket_rows, sizeof(uint32_t));
		if (vectors->bucket_ids == NULL)
			return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
		code = tensor_read_whole(buckets, vectors->bucket_ids, status);
	}
	if (code == EM_OK)
		code = check_rows(vectors, EM_CORRUPT, status);
	if (code == EM_OK)
		code = read_matrix(vectors, input, &vectors->input, status);
	if (code == EM_OK && output != NULL)
		code = read_matrix(vectors, output, &vectors->output, status);
	return code;
}

static em_code
read_all(vectors *vectors, const safetensors *file, em_status *status)
{
	configuration read;
	em_slice words;
	em_slice counts;
	em_code code = check_format(file, status);

	if (code == EM_OK)
		code = read_configuration(file, &read, status);
	if (code == EM_OK)
		code = required(file, "words", &words, status);
	if (code == EM_OK)
		code = text_vocabulary_load(vectors->allocator, words.bytes, words.length, &vectors->words,
									status);
	if (code != EM_OK)
		return code;
	vectors->word_count = text_vocabulary_size(vectors->words) - 1;
	vectors->dim = (uint32_t) read.dim;
	vectors->buckets = (uint32_t) read.buckets;
	vectors->min_n = (int) read.min_n;
	vectors->max_n = (int) read.max_n;
	vectors->arguments = (vectors_arguments){
		.window = (int32_t) read.window,
		.epochs = (int32_t) read.epochs,
		.min_count = (int32_t) read.min_count,
		.negatives = (int32_t) read.negatives,
		.word_ngrams = (int32_t) read.word_ngrams,
		.loss = (int32_t) read.loss,
		.model = (int32_t) read.model,
		.rate_update = (int32_t) read.rate_update,
		.sampling = read.sampling,
		.tokens = (int64_t) read.tokens,
	};
	code = read_tensors(vectors, file, status);
	counts = safetensors_metadata(file, "counts");
	if (code == EM_OK && counts.bytes != NULL)
		code = read_counts(vectors, counts, status);
	return code;
}

em_code
vectors_read(const em_allocator *allocator, const uint8_t *bytes, size_t size, vectors **out,
			 em_status *status)
{
	safetensors file;
	vectors *result;
	em_code code;

	*out = NULL;
	code = safetensors_open(allocator, bytes, size, &file, status);
	if (code != EM_OK)
		return code;
	result = em_allocate_zeroed(allocator, 1, sizeof(*result));
	if (result == NULL)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	else
	{
		result->allocator = allocator;
		code = read_all(result, &file, status);
	}
	safetensors_close(&file);
	if (code == EM_OK)
		*out = result;
	else
		vectors_free(result);
	return code;
}
