/*
 * fuzz_vectors.c
 *	  Any bytes as a file of fastText or of our own word vectors: refused with a message, or vectors
 *	  that can be kept, written and read again.
 */
#include "fuzz.h"

#include "../../src/model/fasttext.h"

typedef struct bytes
{
	const uint8_t *data;
	size_t size, at;
} bytes;

static em_code
read_bytes(void *context, uint8_t *out, size_t wanted, size_t *got, em_status *status)
{
	bytes *from = context;

	(void) status;
	*got = from->size - from->at < wanted ? from->size - from->at : wanted;
	if (*got > 0)
		memcpy(out, from->data + from->at, *got);
	from->at += *got;
	return EM_OK;
}

static em_code
drop_bytes(void *context, const uint8_t *data, size_t size, em_status *status)
{
	(void) data;
	(void) status;
	*(size_t *) context += size;
	return EM_OK;
}

static void
check_vectors(const vectors *made)
{
	float vector[VECTORS_MAX_DIM];
	em_status status;
	vectors *again;
	uint8_t *file;
	size_t length;
	size_t written = 0;

	vectors_word(made, "w\xC3\xB6rd", 5, vector, NULL);
	require(vectors_write(&allocator, made, &file, &length, &status) == EM_OK);
	require(vectors_read(&allocator, file, length, &again, &status) == EM_OK);
	require(again->word_count == made->word_count && again->bucket_rows == made->bucket_rows);
	require(memcmp(again->input, made->input,
				   sizeof(float) * made->dim * ((size_t) made->word_count + made->bucket_rows)) ==
			0);
	vectors_free(again);
	free(file);
	require(fasttext_write(&allocator, made, FASTTEXT_VEC, drop_bytes, &written, &status) == EM_OK);
	require(written > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bytes from = { data, size, 0 };
	fasttext_source source = { read_bytes, &from, size };
	fasttext_options options = { .max_words = 1000, .max_size = 1 << 16 };
	fasttext_report report;
	em_status status = { EM_OK, "", "" };
	vectors *made;
	em_code code;

	options.fold_case = size % 2 == 1;
	code = fasttext_read(&allocator, &source, &options, &made, &report, &status);
	require((code == EM_OK) == (made != NULL));
	if (code == EM_OK)
		check_vectors(made);
	else
		require(status.code == code && status.message[0] != '\0');
	vectors_free(made);

	code = vectors_read(&allocator, data, size, &made, &status);
	require((code == EM_OK) == (made != NULL));
	if (code == EM_OK)
		check_vectors(made);
	vectors_free(made);
	return 0;
}
