/*
 * fasttext_model.c
 *	  fastText's models: head, dictionary, and which rows of the input matrix are kept.
 */
#include "fasttext_internal.h"

#include "../text/subword.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define NEWEST_VERSION 12
#define OLDEST_VERSION 11
#define ENTRY_MIN 10 /* bytes of a word in the dictionary: NUL, count, type */
#define COUNT_MAX (INT64_C(1) << 53)
#define SUPERVISED 3
#define PIECE 256 /* n-grams looked at at a time; at least VECTORS_MAX_NGRAM */

typedef struct model_reader
{
	fasttext_input *input;
	fasttext_choice *choice;
	vectors *vectors;
	const em_allocator *allocator;
	int32_t bucket; /* as the head says; vectors->buckets is 0 when they are of no n-grams */
	int32_t words, labels;
	int64_t pruned; /* rows of n-grams left by pruning; -1: all buckets */

	/* (kept words) rows of the file, rising; and their counts */
	uint32_t *rows;
	uint64_t *counts;
	size_t rows_capacity, counts_capacity;

	uint64_t *keys;         /* (pruned) bucket << 32 | row behind the words; rising */
	uint32_t *destinations; /* (pruned) row in the vectors, less their words */
	uint8_t *hit;           /* a bit a bucket: of a word kept; NULL: all are kept */

	/* of destination(): what comes next */
	uint32_t next_word;
	uint32_t next_bucket;
} model_reader;

/* ---- head ----------------------------------------------------------------------------- */

static em_code
take_head(model_reader *reader)
{
	enum
	{
		DIM,
		WINDOW,
		EPOCHS,
		MIN_COUNT,
		NEGATIVES,
		WORD_NGRAMS,
		LOSS,
		MODEL,
		BUCKET,
		MIN_N,
		MAX_N,
		RATE_UPDATE,
		NUMBERS
	};
	static const char *const names[NUMBERS] = { "dim",    "ws",         "epoch", "minCount",
												"neg",    "wordNgrams", "loss",  "model",
												"bucket", "minn",       "maxn",  "lrUpdateRate" };
	fasttext_input *input = reader->input;
	vectors *vectors = reader->vectors;
	int32_t numbers[NUMBERS] = { 0 };
	int32_t version = 0;
	double sampling = 0;
	em_code code = fasttext_take_i32(input, &version);

	if (code != EM_OK)
		return code;
	if (version < OLDEST_VERSION || version > NEWEST_VERSION)
	{
		em_fail(input->status, EM_UNSUPPORTED, "the fastText model has format version %d", version);
		em_hint(input->status, "Versions %d and %d are read.", OLDEST_VERSION, NEWEST_VERSION);
		return EM_UNSUPPORTED;
	}
	for (int i = 0; i < NUMBERS; i++)
	{
		code = fasttext_take_i32(input, &numbers[i]);
		if (code != EM_OK)
			return code;
		if (numbers[i] < 0)
			return em_fail(input->status, EM_CORRUPT, "\"%s\" of the fastText model is %d",
						   names[i], numbers[i]);
	}
	code = fasttext_take_double(input, &sampling);
	if (code != EM_OK)
		return code;
	if (!isfinite(sampling) || numbers[LOSS] < 1 || numbers[LOSS] > 4 || numbers[MODEL] < 1 ||
		numbers[MODEL] > SUPERVISED || numbers[DIM] == 0)
		return em_fail(input->status, EM_CORRUPT,
					   "the head of the fastText model is wrong: dim %d, loss %d, model %d",
					   numbers[DIM], numbers[LOSS], numbers[MODEL]);
	if (numbers[DIM] > VECTORS_MAX_DIM)
		return em_fail(input->status, EM_LIMIT,
					   "the fastText model has %d dimensions, more than %d", numbers[DIM],
					   VECTORS_MAX_DIM);

	/* such models were written when n-grams of characters were left out of their training */
	if (version == OLDEST_VERSION && numbers[MODEL] == SUPERVISED)
		numbers[MAX_N] = 0;
	if (numbers[MAX_N] > VECTORS_MAX_NGRAM)
		return em_fail(input->status, EM_LIMIT,
					   "the fastText model has n-grams of %d characters, more than %d",
					   numbers[MAX_N], VECTORS_MAX_NGRAM);
	reader->bucket = numbers[BUCKET];
	vectors->dim = (uint32_t) numbers[DIM];
	if (numbers[BUCKET] > 0 && numbers[MAX_N] > 0 && numbers[MIN_N] <= numbers[MAX_N])
	{
		vectors->buckets = (uint32_t) numbers[BUCKET];
		vectors->min_n = numbers[MIN_N];
		vectors->max_n = numbers[MAX_N];
	}
	vectors->arguments = (vectors_arguments){
		.window = numbers[WINDOW],
		.epochs = numbers[EPOCHS],
		.min_count = numbers[MIN_COUNT],
		.negatives = numbers[NEGATIVES],
		.word_ngrams = numbers[WORD_NGRAMS],
		.loss = numbers[LOSS],
		.model = numbers[MODEL],
		.rate_update = numbers[RATE_UPDATE],
		.sampling = sampling,
	};
	return EM_OK;
}

/* ---- dictionary ----------------------------------------------------------------------- */

/* A word and the NUL behind it; its length without that. */
static em_code
take_word(fasttext_input *input, em_slice *word)
{
	const uint8_t *bytes = input->buffer + input->at;
	const uint8_t *end = memchr(bytes, 0, input->filled - input->at);

	if (end == NULL)
	{
		em_code code = fasttext_fill(input);

		if (code != EM_OK)
			return code;
		bytes = input->buffer;
		end = memchr(bytes, 0, input->filled);
		if (end == NULL && input->filled < FASTTEXT_BUFFER)
			return fasttext_ended(input);
		if (end == NULL)
			return em_fail(input->status, EM_CORRUPT,
						   "a word in the dictionary of the file is longer than 256 kB");
	}
	*word = (em_slice){ (const char *) bytes, (size_t) (end - bytes) };
	return fasttext_take(input, word->length + 1, &bytes);
}

static em_code
keep_word(model_reader *reader, uint32_t row, uint64_t count)
{
	size_t kept = reader->choice->kept;

	if (!em_grow(reader->allocator, (void **) &reader->rows, &reader->rows_capacity, kept,
				 sizeof(*reader->rows)) ||
		!em_grow(reader->allocator, (void **) &reader->counts, &reader->counts_capacity, kept,
				 sizeof(*reader->counts)))
		return em_fail(reader->input->status, EM_OUT_OF_MEMORY, "out of memory");
	reader->rows[kept - 1] = row;
	reader->counts[kept - 1] = count;
	return EM_OK;
}

/* Entry i: its word, how often it was seen, and whether it is a label. */
static em_code
take_entry(model_reader *reader, int32_t i)
{
	fasttext_input *input = reader->input;
	const uint8_t *bytes;
	int64_t count = 0;
	bool keep = false;
	em_slice word = { "", 0 };
	em_code code = take_word(input, &word);

	/* chosen before more is read: the word stands in the buffer */
	if (code == EM_OK && i < reader->words)
		code = fasttext_choose(reader->choice, word.bytes, word.length, &keep, input->status);
	if (code == EM_OK)
		code = fasttext_take_i64(input, &count);
	if (code == EM_OK)
		code = fasttext_take(input, 1, &bytes);
	if (code != EM_OK)
		return code;
	if (count < 0 || count > COUNT_MAX || bytes[0] != (i < reader->words ? 0 : 1))
		return em_fail(input->status, EM_CORRUPT,
					   "entry %d of the file's dictionary has count %" PRId64 " and type %d", i + 1,
					   count, bytes[0]);
	return keep ? keep_word(reader, (uint32_t) i, (uint64_t) count) : EM_OK;
}

static void
sift_down(uint64_t *keys, size_t root, size_t count)
{
	for (;;)
	{
		size_t child = 2 * root + 1;
		uint64_t key = keys[root];

		if (child >= count)
			return;
		child += child + 1 < count && keys[child] < keys[child + 1];
		if (key >= keys[child])
			return;
		keys[root] = keys[child];
		keys[child] = key;
		root = child;
	}
}

static void
sort(uint64_t *keys, size_t count)
{
	for (size_t i = count / 2; i-- > 0;)
		sift_down(keys, i, count);
	for (size_t n = count; n-- > 1;)
	{
		uint64_t largest = keys[0];

		keys[0] = keys[n];
		keys[n] = largest;
		sift_down(keys, 0, n);
	}
}

/* Which buckets pruning left, and where their rows stand. */
static em_code
take_pruning(model_reader *reader)
{
	fasttext_input *input = reader->input;
	const size_t count = (size_t) reader->pruned;
	em_code code = EM_OK;

	if (reader->pruned <= 0)
		return EM_OK;
	reader->keys = em_allocate_array(reader->allocator, count, sizeof(*reader->keys));
	reader->destinations =
		em_allocate_array(reader->allocator, count, sizeof(*reader->destinations));
	if (reader->keys == NULL || reader->destinations == NULL)
		return em_fail(input->status, EM_OUT_OF_MEMORY, "out of memory");
	memset(reader->destinations, 0xFF, count * sizeof(*reader->destinations));
	for (size_t i = 0; code == EM_OK && i < count; i++)
	{
		int32_t bucket = 0, row = 0;

		code = fasttext_take_i32(input, &bucket);
		if (code == EM_OK)
			code = fasttext_take_i32(input, &row);
		if (code == EM_OK &&
			(bucket < 0 || bucket >= reader->bucket || row < 0 || (size_t) row >= count))
			code = em_fail(input->status, EM_CORRUPT,
						   "the file says that row %d is of bucket %d, of %zu rows and %d buckets",
						   row, bucket, count, reader->bucket);
		reader->keys[i] = (uint64_t) (uint32_t) bucket << 32 | (uint32_t) row;
	}
	if (code != EM_OK)
		return code;
	sort(reader->keys, count);
	for (size_t i = 0; i < count; i++)
	{
		uint32_t row = (uint32_t) reader->keys[i];

		if ((i > 0 && reader->keys[i] >> 32 == reader->keys[i - 1] >> 32) ||
			reader->destinations[row] != UINT32_MAX)
			return em_fail(input->status, EM_CORRUPT,
						   "bucket %" PRIu64 " or row %u of the file stands there twice",
						   reader->keys[i] >> 32, row);
		reader->destinations[row] = (uint32_t) i;
	}
	return EM_OK;
}

static em_code
take_dictionary(model_reader *reader)
{
	fasttext_input *input = reader->input;
	int32_t size = 0;
	int64_t tokens = 0;
	em_code code = fasttext_take_i32(input, &size);

	input->section = "dictionary";
	if (code == EM_OK)
		code = fasttext_take_i32(input, &reader->words);
	if (code == EM_OK)
		code = fasttext_take_i32(input, &reader->labels);
	if (code == EM_OK)
		code = fasttext_take_i64(input, &tokens);
	if (code == EM_OK)
		code = fasttext_take_i64(input, &reader->pruned);
	if (code != EM_OK)
		return code;
	if (reader->words < 0 || reader->labels < 0 ||
		(int64_t) reader->words + reader->labels != size || tokens < 0 || tokens > COUNT_MAX ||
		reader->pruned < -1 || reader->pruned > reader->bucket)
		return em_fail(input->status, EM_CORRUPT,
					   "the dictionary of the file has %d entries: %d words, %d labels, of %" PRId64
					   " tokens, and %" PRId64 " of %d buckets",
					   size, reader->words, reader->labels, tokens, reader->pruned, reader->bucket);
	if ((uint64_t) size > fasttext_left(input) / ENTRY_MIN ||
		(reader->pruned > 0 && (uint64_t) reader->pruned > fasttext_left(input) / 8))
		return em_fail(input->status, EM_CORRUPT,
					   "the dictionary of the file has %d entries, but only %" PRIu64
					   " bytes follow",
					   size, fasttext_left(input));
	reader->vectors->arguments.tokens = tokens;
	for (int32_t i = 0; code == EM_OK && i < size; i++)
		code = take_entry(reader, i);
	return code == EM_OK ? take_pruning(reader) : code;
}

/* ---- rows ----------------------------------------------------------------------------- */

/* Mark the buckets of the words kept; how many they are. */
static em_code
mark_buckets(model_reader *reader)
{
	vectors *vectors = reader->vectors;
	uint32_t piece[PIECE];
	uint32_t found = 0;

	reader->hit = em_allocate_zeroed(reader->allocator, (size_t) vectors->buckets / 8 + 1, 1);
	if (reader->hit == NULL)
		return em_fail(reader->input->status, EM_OUT_OF_MEMORY, "out of memory");
	for (uint32_t id = 1; id <= vectors->word_count; id++)
	{
		em_slice word = text_vocabulary_word(vectors->words, id);
		size_t start = 0;
		size_t count;

		while ((count = text_subwords_from(word.bytes, word.length, vectors->min_n, vectors->max_n,
										   vectors->buckets, &start, piece, PIECE)) > 0)
			for (size_t i = 0; i < count; i++)
			{
				uint8_t bit = (uint8_t) (1 << piece[i] % 8);

				found += (reader->hit[piece[i] / 8] & bit) == 0;
				reader->hit[piece[i] / 8] |= bit;
			}
	}
	vectors->bucket_rows = found;
	vectors->bucket_ids = em_allocate_array(reader->allocator, found, sizeof(uint32_t));
	if (vectors->bucket_ids == NULL)
		return em_fail(reader->input->status, EM_OUT_OF_MEMORY, "out of memory");
	found = 0;
	for (uint32_t bucket = 0; bucket < vectors->buckets; bucket++)
		if (reader->hit[bucket / 8] >> bucket % 8 & 1)
			vectors->bucket_ids[found++] = bucket;
	return EM_OK;
}

static uint64_t
size_of(const vectors *vectors)
{
	return 4 * ((uint64_t) vectors->word_count + vectors->bucket_rows) * vectors->dim;
}

/* Which n-grams are kept: bucket_rows and bucket_ids. */
static em_code
choose_buckets(model_reader *reader)
{
	vectors *vectors = reader->vectors;
	em_code code = EM_OK;

	if (vectors->buckets > 0 && reader->pruned >= 0)
	{
		vectors->bucket_rows = (uint32_t) reader->pruned;
		vectors->bucket_ids =
			em_allocate_array(reader->allocator, vectors->bucket_rows, sizeof(uint32_t));
		if (vectors->bucket_ids == NULL)
			return em_fail(reader->input->status, EM_OUT_OF_MEMORY, "out of memory");
		for (uint32_t i = 0; i < vectors->bucket_rows; i++)
			vectors->bucket_ids[i] = (uint32_t) (reader->keys[i] >> 32);
	}
	else if (vectors->buckets > 0)
	{
		vectors->bucket_rows = vectors->buckets;
		if (size_of(vectors) > reader->choice->options->max_size)
			code = mark_buckets(reader);
	}
	if (code == EM_OK && size_of(vectors) > FASTTEXT_MAX_BYTES)
	{
		code = em_fail(reader->input->status, EM_LIMIT,
					   "%u words and %u n-grams of %u dimensions are more than %" PRIu64 " MB",
					   vectors->word_count, vectors->bucket_rows, vectors->dim,
					   FASTTEXT_MAX_BYTES / 1024 / 1024);
		em_hint(reader->input->status, "Keep fewer words: option \"max_words\".");
	}
	return code;
}

/* Where a row of the file belongs. Rows are asked for in their order, from 0 on, perhaps twice. */
static int64_t
destination(void *context, uint64_t row)
{
	model_reader *reader = context;
	const vectors *vectors = reader->vectors;
	uint64_t bucket;

	if (row == 0)
		reader->next_word = reader->next_bucket = 0;
	if (row < (uint64_t) reader->words)
	{
		if (reader->next_word < vectors->word_count && reader->rows[reader->next_word] == row)
			return reader->next_word++;
		return -1;
	}
	if (vectors->buckets == 0)
		return -1;
	bucket = row - (uint64_t) reader->words;
	if (reader->pruned >= 0)
		return (int64_t) vectors->word_count + reader->destinations[bucket];
	if (reader->hit != NULL && !(reader->hit[bucket / 8] >> bucket % 8 & 1))
		return -1;
	return (int64_t) vectors->word_count + reader->next_bucket++;
}

/*
 * The output matrix is not read, but it must be there: a file that was cut off is not taken
 * for a whole one.
 */
static em_code
check_output(fasttext_input *input, bool quantised)
{
	bool output_quantised = false;
	bool normed = false;
	int64_t m = 0, n = 0;
	int32_t codes = 0;
	em_code code;

	input->section = "output matrix";
	code = fasttext_take_bool(input, &output_quantised);
	output_quantised = output_quantised && quantised;
	if (code == EM_OK && output_quantised)
		code = fasttext_take_bool(input, &normed);
	if (code == EM_OK)
		code = fasttext_take_i64(input, &m);
	if (code == EM_OK)
		code = fasttext_take_i64(input, &n);
	if (code == EM_OK && output_quantised)
		code = fasttext_take_i32(input, &codes);
	if (code != EM_OK)
		return code;
	if (m < 0 || n < 0 || codes < 0 || n > VECTORS_MAX_DIM || m > INT32_MAX)
		return em_fail(input->status, EM_CORRUPT,
					   "the output matrix of the file is %" PRId64 " by %" PRId64, m, n);
	if (output_quantised ? (uint64_t) codes + 16 + (uint64_t) n * 1024 +
								   (normed ? (uint64_t) m + 16 + 1024 : 0) >
							   fasttext_left(input)
						 : (uint64_t) m * (uint64_t) n * 4 > fasttext_left(input))
		return em_fail(input->status, EM_CORRUPT,
					   "the file ends within its output matrix, of %" PRId64 " by %" PRId64, m, n);
	return EM_OK;
}

static em_code
read_all(model_reader *reader, fasttext_report *report)
{
	fasttext_input *input = reader->input;
	vectors *vectors = reader->vectors;
	fasttext_rows rows = { .destination = destination, .context = reader };
	bool quantised = false;
	em_code code = take_head(reader);

	if (code == EM_OK)
		code = take_dictionary(reader);
	input->section = "input matrix";
	if (code == EM_OK)
		code = fasttext_take_bool(input, &quantised);
	if (code == EM_OK && !quantised && reader->pruned >= 0)
		code = em_fail(input->status, EM_CORRUPT, "the file is pruned, but not quantised");
	if (code == EM_OK)
		code = fasttext_choice_words(reader->choice, vectors, input->status);
	if (code != EM_OK)
		return code;

	report->format = quantised ? "quantised fastText model" : "fastText model";
	report->complete = true;
	report->words = (uint64_t) reader->words;
	report->ngrams = (uint64_t) (reader->pruned >= 0 ? reader->pruned : reader->bucket);
	rows.rows = report->words + report->ngrams;
	rows.dim = vectors->dim;
	/* before memory is taken for what the head only claims */
	if (rows.rows > fasttext_left(input))
		return fasttext_ended(input);
	code = choose_buckets(reader);
	rows.kept = (uint64_t) vectors->word_count + vectors->bucket_rows;
	if (code == EM_OK)
		code = quantised ? fasttext_read_quantised(input, reader->allocator, &rows)
						 : fasttext_read_dense(input, reader->allocator, &rows);
	vectors->input = rows.out;
	vectors->counts = reader->counts;
	reader->counts = NULL;
	return code == EM_OK ? check_output(input, quantised) : code;
}

em_code
fasttext_read_model(fasttext_input *input, fasttext_choice *choice, vectors *vectors,
					fasttext_report *report)
{
	model_reader reader = {
		.input = input, .choice = choice, .vectors = vectors, .allocator = vectors->allocator
	};
	em_code code = read_all(&reader, report);

	em_release(reader.allocator, reader.rows);
	em_release(reader.allocator, reader.counts);
	em_release(reader.allocator, reader.keys);
	em_release(reader.allocator, reader.destinations);
	em_release(reader.allocator, reader.hit);
	return code;
}
