/*
 * fasttext_internal.h
 *	  What reading fastText's formats shares; private to the fasttext_*.c files.
 */
#ifndef EMOTION_MODEL_FASTTEXT_INTERNAL_H
#define EMOTION_MODEL_FASTTEXT_INTERNAL_H

#include "fasttext.h"

#define FASTTEXT_MAGIC 793712314

/* Also the longest line of text. */
#define FASTTEXT_BUFFER ((size_t) 256 * 1024)

#define FASTTEXT_MAX_WORD 1000

/* Vectors beyond this are not kept at all: their file has to fit the registry. */
#define FASTTEXT_MAX_BYTES (UINT64_C(4000) * 1024 * 1024)

/* ---- bytes, one after the other ------------------------------------------------------- */

typedef struct fasttext_input
{
	const fasttext_source *source;
	em_status *status;
	const char *section; /* what is being read, for messages */
	uint8_t *buffer;     /* FASTTEXT_BUFFER */
	size_t at, filled;   /* what of the buffer has not been taken yet */
	uint64_t position;   /* of buffer[at] in the file */
	bool ended;          /* the source has no more */
} fasttext_input;

/* Bytes that the source still has, by its size. */
uint64_t fasttext_left(const fasttext_input *input);

/* Get as many bytes into the buffer as it holds or the source has. */
em_code fasttext_fill(fasttext_input *input);

/* EM_CORRUPT that says where the file ends. */
em_code fasttext_ended(fasttext_input *input);

/* Take bytes (at most FASTTEXT_BUFFER): *bytes is good until the next call. */
em_code fasttext_take(fasttext_input *input, size_t size, const uint8_t **bytes);
em_code fasttext_skip(fasttext_input *input, uint64_t size);

/* Numbers, little-endian. */
em_code fasttext_take_i32(fasttext_input *input, int32_t *out);
em_code fasttext_take_i64(fasttext_input *input, int64_t *out);
em_code fasttext_take_double(fasttext_input *input, double *out);
em_code fasttext_take_bool(fasttext_input *input, bool *out);

/* Floats; EM_CORRUPT when one is not finite or beyond VECTORS_MAX_WEIGHT. */
em_code fasttext_take_floats(fasttext_input *input, size_t count, float *out);

/* ---- which words are kept ------------------------------------------------------------- */

typedef struct fasttext_choice
{
	const em_allocator *allocator;
	const fasttext_options *options;
	fasttext_report *report;
	text_word_counter *seen; /* the words kept */
	char *joined;            /* the same, joined by '\n' */
	size_t joined_length, joined_capacity;
	uint32_t kept;
	uint32_t most; /* no more can be kept */
} fasttext_choice;

em_code fasttext_choice_begin(fasttext_choice *choice, const em_allocator *allocator,
							  const fasttext_options *options, fasttext_report *report,
							  em_status *status);
void fasttext_choice_end(fasttext_choice *choice);

/* Whether a word of the file is kept, as number choice->kept - 1 then. */
em_code fasttext_choose(fasttext_choice *choice, const char *word, size_t length, bool *keep,
						em_status *status);

/* The words kept, as those of vectors: words and word_count. EM_INVALID_DATA when there are none. */
em_code fasttext_choice_words(const fasttext_choice *choice, vectors *vectors, em_status *status);

/* ---- formats -------------------------------------------------------------------------- */

/* Behind the magic number. */
em_code fasttext_read_model(fasttext_input *input, fasttext_choice *choice, vectors *vectors,
							fasttext_report *report);
em_code fasttext_read_text(fasttext_input *input, fasttext_choice *choice, vectors *vectors,
						   fasttext_report *report);

/* A matrix of the model's: rows of `dim`, of which those that `destination` wants are kept. */
typedef struct fasttext_rows
{
	uint64_t rows; /* in the file */
	uint32_t dim;
	int64_t (*destination)(void *context, uint64_t row); /* row in `out`, or -1; asked in order */
	void *context;
	uint64_t kept;
	float *out; /* (kept, dim), made here */
} fasttext_rows;

em_code fasttext_read_dense(fasttext_input *input, const em_allocator *allocator,
							fasttext_rows *rows);
em_code fasttext_read_quantised(fasttext_input *input, const em_allocator *allocator,
								fasttext_rows *rows);

#endif /* EMOTION_MODEL_FASTTEXT_INTERNAL_H */
