/*
 * fasttext.h
 *	  Word vectors from and to fastText's files: models (.bin, and quantised .ftz) and text (.vec).
 *
 * Models are those of version 11 and 12, which fastText writes since 2017. Files are read once,
 * from the beginning, and of what they hold only what is kept takes memory: a file of 7 GB is read
 * in the memory of the vectors kept.
 */
#ifndef EMOTION_MODEL_FASTTEXT_H
#define EMOTION_MODEL_FASTTEXT_H

#include "vectors.h"

/*
 * Where a file comes from. read: up to `wanted` bytes more into out; *got: how many, 0 at the end.
 * size: bytes that there are in all; no more memory is taken than a file of that size can need.
 */
typedef struct fasttext_source
{
	em_code (*read)(void *context, uint8_t *out, size_t wanted, size_t *got, em_status *status);
	void *context;
	uint64_t size;
} fasttext_source;

typedef struct fasttext_options
{
	uint32_t max_words; /* keep the first so many: files begin with the most frequent */
	bool fold_case;     /* keep words in lower case, the first of those that become equal */
	const text_vocabulary *wanted; /* keep none but these; NULL: any */
	uint64_t max_size;             /* bytes of vectors up to which all n-grams are kept */
} fasttext_options;

/* What there was in the file. */
typedef struct fasttext_report
{
	const char *format; /* "fastText model", "quantised fastText model", "text" */
	bool header;        /* of text: its first line says how many words there are */
	bool complete;  /* the counts below are of the whole file: text is left when enough is kept */
	uint64_t words; /* in the file */
	uint64_t unusable; /* words that are empty, not UTF-8 or over 1000 bytes */
	uint64_t repeated; /* words that were there before, after lower-casing if that was asked for */
	uint64_t ngrams;   /* rows of n-grams in the file */
} fasttext_report;

/*
 * Read a file, whose format is told by its first bytes. N-grams are all kept when the vectors then
 * take at most max_size bytes, otherwise those that the words kept have. The output matrix is not
 * read. EM_CORRUPT; EM_UNSUPPORTED for what is another kind of file; EM_LIMIT; EM_INVALID_DATA
 * when no word is kept; what `read` returned.
 */
em_code fasttext_read(const em_allocator *allocator, const fasttext_source *source,
					  const fasttext_options *options, vectors **out, fasttext_report *report,
					  em_status *status);

typedef enum fasttext_format
{
	FASTTEXT_BIN, /* a model of version 12; EM_UNSUPPORTED when buckets of n-grams were left out */
	FASTTEXT_VEC, /* text with a header; every number with the digits that it takes to read it back */
} fasttext_format;

/* Write pieces of of the file, one after the other, to `write`, whose failure is returned. */
typedef em_code (*fasttext_sink)(void *context, const uint8_t *bytes, size_t size,
								 em_status *status);
em_code fasttext_write(const em_allocator *allocator, const vectors *vectors,
					   fasttext_format format, fasttext_sink write, void *context,
					   em_status *status);

#endif /* EMOTION_MODEL_FASTTEXT_H */
