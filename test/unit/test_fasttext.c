/*
 * test_fasttext.c
 *	  fastText's files: what is read is what fastText says of them, bit by bit
 *	  (test/reference/fasttext_vectors.cc), and no file does harm.
 */
#include "check.h"

#include <math.h>

#include "../../src/model/fasttext.h"

#define CORPUS "test/fuzz/corpus/vectors/"

typedef struct memory_file
{
	const uint8_t *bytes;
	size_t size, at;
	size_t piece; /* bytes a call at most */
} memory_file;

static em_code
read_memory(void *context, uint8_t *out, size_t wanted, size_t *got, em_status *status)
{
	memory_file *file = context;

	(void) status;
	*got = file->size - file->at < wanted ? file->size - file->at : wanted;
	*got = *got < file->piece ? *got : file->piece;
	if (*got > 0)
		memcpy(out, file->bytes + file->at, *got);
	file->at += *got;
	return EM_OK;
}

static const fasttext_options defaults = { .max_words = 200000, .max_size = 1 << 20 };

static em_code
read_bytes(const uint8_t *bytes, size_t size, const fasttext_options *options, vectors **out,
		   fasttext_report *report, em_status *status)
{
	memory_file file = { bytes, size, 0, 100000 };
	fasttext_source source = { read_memory, &file, size };

	memset(status, 0, sizeof(*status));
	return fasttext_read(&check_allocator, &source, options, out, report, status);
}

static em_code
read_text(const char *text, const fasttext_options *options, vectors **out, fasttext_report *report,
		  em_status *status)
{
	return read_bytes((const uint8_t *) text, strlen(text), options, out, report, status);
}

static uint8_t *
load(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes;

	if (file == NULL)
	{
		printf("Bail out! cannot open %s\n", path);
		exit(1);
	}
	fseek(file, 0, SEEK_END);
	*size = (size_t) ftell(file);
	rewind(file);
	bytes = malloc(*size + 1);
	if (fread(bytes, 1, *size, file) != *size)
		exit(1);
	fclose(file);
	return bytes;
}

static vectors *
read_file(const char *path, const fasttext_options *options, fasttext_report *report)
{
	size_t size;
	uint8_t *bytes = load(path, &size);
	vectors *read;
	em_status status;

	if (read_bytes(bytes, size, options, &read, report, &status) != EM_OK)
		printf("# %s: %s\n", path, status.message);
	free(bytes);
	return read;
}

/* As test/reference/fasttext_vectors.cc computes it. */
static uint64_t
digest(const vectors *vectors)
{
	uint64_t hash = UINT64_C(14695981039346656037);
	float vector[VECTORS_MAX_DIM];

	for (uint32_t i = 0; i < vectors->word_count + 1000; i++)
	{
		char made_up[64];
		em_slice word = { made_up, 0 };
		unsigned n = i - vectors->word_count;

		if (i < vectors->word_count)
			word = text_vocabulary_word(vectors->words, i + 1);
		else
			word.length =
				(size_t) snprintf(made_up, sizeof(made_up), "m%u\xC3\xB6%u", n, n * 7919 % 1000);
		vectors_word(vectors, word.bytes, word.length, vector, NULL);
		for (uint32_t j = 0; j < vectors->dim; j++)
		{
			float number = vector[j] + 0.0f;
			uint32_t bits;

			memcpy(&bits, &number, 4);
			for (int k = 0; k < 4; k++)
				hash = (hash ^ (bits >> 8 * k & 0xFF)) * UINT64_C(1099511628211);
		}
	}
	return hash;
}

static void
test_parity(void)
{
	static const struct
	{
		const char *name;
		bool data;
		uint64_t digest;
		uint32_t words;
	} cases[] = {
		{ "cbow.bin", false, UINT64_C(0x6e305023a6cd852f), 36 },
		{ "skipgram.bin", false, UINT64_C(0x1e80eeab03864d9e), 36 },
		{ "quantised.ftz", false, UINT64_C(0x95f5666b655825a6), 36 },
		{ "pruned.ftz", false, UINT64_C(0xc7f3a98d1a8a0d50), 36 },
		{ "lee_fasttext_new.bin", true, UINT64_C(0x1fd81fe2f898c493), 1763 },
		{ "pang_lee_polarity_fasttext.bin", true, UINT64_C(0xefb433da9b87fd14), 1689 },
		{ "lid.176.ftz", true, UINT64_C(0x2c72edab1563e333), 7235 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		fasttext_options options = defaults;
		fasttext_report report;
		char path[100];
		vectors *read;

		options.max_size = 1 << 30;
		snprintf(path, sizeof(path), cases[i].data ? "fasttext/%s" : CORPUS "%s", cases[i].name);
		if (cases[i].data && check_data(path) == NULL)
		{
			check_skip(cases[i].name, "the data is not there");
			continue;
		}
		read = read_file(cases[i].data ? check_data(path) : path, &options, &report);
		CHECK(read != NULL && read->word_count == cases[i].words &&
				  report.words == cases[i].words + report.unusable &&
				  digest(read) == cases[i].digest,
			  "%s: every word, and 1000 made-up ones, have fastText's vectors to the bit",
			  cases[i].name);
		vectors_free(read);

		/* the words alone must not differ when only their n-grams are kept */
		if (i == 0)
		{
			vectors *all = read_file(path, &options, &report);
			float a[3], b[3];
			bool good = true;

			options.max_size = 1;
			options.max_words = 2;
			read = read_file(path, &options, &report);
			for (uint32_t id = 1; id <= 2; id++)
			{
				em_slice word = text_vocabulary_word(all->words, id);

				vectors_word(all, word.bytes, word.length, a, NULL);
				vectors_word(read, word.bytes, word.length, b, NULL);
				good = good && memcmp(a, b, sizeof(a)) == 0;
			}
			CHECK(good && read->word_count == 2 && read->bucket_rows < 50 && read->bucket_ids,
				  "n-grams of the words kept alone give these words the same vectors");
			vectors_free(all);
			vectors_free(read);
		}
	}
	if (check_data("fasttext/lee_fasttext.bin") != NULL)
	{
		size_t size;
		uint8_t *bytes = load(check_data("fasttext/lee_fasttext.bin"), &size);
		fasttext_report report;
		em_status status;
		vectors *read;

		CHECK(read_bytes(bytes, size, &defaults, &read, &report, &status) == EM_UNSUPPORTED,
			  "a model without a magic number is refused: %s", status.message);
		free(bytes);
	}
}

static void
test_text(void)
{
	static const struct
	{
		const char *what;
		const char *text;
		em_code code;
		uint32_t words, dim;
	} cases[] = {
		{ "a header", "2 3\na 1 2 3\nb 4 5 6\n", EM_OK, 2, 3 },
		{ "no header, no last line feed", "a 1 2 3\nb 4 5 6", EM_OK, 2, 3 },
		{ "Windows' line ends, blanks at the end", "a 1 2 \r\nb 3 4 \r\n", EM_OK, 2, 2 },
		{ "numbers of all kinds", "a -1e-05 +2. .5 1E3\n", EM_OK, 1, 4 },
		{ "words with blanks", "New York 1 2\nb 3 4\n", EM_OK, 2, 2 },
		{ "a word that is a number", "1999 1 2\nb 3 4\n", EM_OK, 2, 2 },
		{ "other spaces within a word", "a\xC2\xA0z 1 2\nb 3 4\n", EM_OK, 2, 2 },
		{ "words twice and no words", "a 1 2\na 3 4\n 5 6\n\xFF 1 2\n", EM_OK, 1, 2 },
		{ "a byte order mark",
		  "\xEF\xBB\xBF"
		  "1 2\na 1 2\n",
		  EM_OK, 1, 2 },
		{ "fewer words than the header says", "3 2\na 1 2\n", EM_CORRUPT, 0, 0 },
		{ "too few numbers", "2 3\na 1 2 3\nb 4 5\n", EM_CORRUPT, 0, 0 },
		{ "nan", "2 2\na 1 nan\nb 1 2\n", EM_CORRUPT, 0, 0 },
		{ "a number too large", "a 1 1e10\n", EM_UNSUPPORTED, 0, 0 },
		{ "a large number later", "a 1 2\nb 1 1e10\n", EM_CORRUPT, 0, 0 },
		{ "a word in between", "a 1 2\nb 1x 2\n", EM_CORRUPT, 0, 0 },
		{ "too many dimensions", "1 3000\na 1\n", EM_LIMIT, 0, 0 },
		{ "no numbers", "hello world\n", EM_UNSUPPORTED, 0, 0 },
		{ "nothing", "", EM_CORRUPT, 0, 0 },
		{ "an old model", "\x0A", EM_UNSUPPORTED, 0, 0 },
		{ "no word that can be kept", "1 2\n\xFF 1 2\n", EM_INVALID_DATA, 0, 0 },
	};
	em_status status;
	fasttext_report report;
	vectors *read;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		em_code code = read_text(cases[i].text, &defaults, &read, &report, &status);

		CHECK(code == cases[i].code && (code != EM_OK || (read->word_count == cases[i].words &&
														  read->dim == cases[i].dim)),
			  "text with %s: %s", cases[i].what, code == EM_OK ? "read" : status.message);
		vectors_free(read);
	}
	read_text("x -1e-05 +2. .5 1E3\n", &defaults, &read, &report, &status);
	CHECK(read->input[0] == -1e-05f && read->input[1] == 2 && read->input[2] == 0.5f &&
			  read->input[3] == 1000 && !report.header,
		  "the numbers are right");
	vectors_free(read);
}

static void
test_options(void)
{
	const char *text = "5 1\nthe 1\nThe 2\nParis 3\n\xC3\x89T\xC3\x89 4\ntea 5\n";
	fasttext_options options = defaults;
	fasttext_report report;
	em_status status;
	vectors *read;
	text_vocabulary *wanted;
	em_slice words;

	options.fold_case = true;
	read_text(text, &options, &read, &report, &status);
	words = text_vocabulary_words(read->words);
	CHECK(words.length == strlen("the\nparis\n\xC3\xA9t\xC3\xA9\ntea") &&
			  memcmp(words.bytes, "the\nparis\n\xC3\xA9t\xC3\xA9\ntea", words.length) == 0 &&
			  read->input[0] == 1 && read->input[1] == 3 && report.repeated == 1,
		  "in lower case, the first of equals is kept");
	vectors_free(read);

	text_vocabulary_load(&check_allocator, "tea\nthe\nnever", 13, &wanted, &status);
	options.fold_case = false;
	options.wanted = wanted;
	read_text(text, &options, &read, &report, &status);
	CHECK(read->word_count == 2 && read->input[0] == 1 && read->input[1] == 5,
		  "words that are wanted alone");
	vectors_free(read);
	options.max_words = 1;
	read_text(text, &options, &read, &report, &status);
	CHECK(read->word_count == 1 && report.words == 1 && !report.complete,
		  "no more words than asked for, and the rest is not read");
	vectors_free(read);
	text_vocabulary_free(wanted);
}

/* ---- writing ------------------------------------------------------------------------- */

typedef struct growing
{
	uint8_t *bytes;
	size_t size;
	size_t fail_at;
} growing;

static em_code
append(void *context, const uint8_t *bytes, size_t size, em_status *status)
{
	growing *to = context;

	if (to->fail_at > 0 && --to->fail_at == 0)
		return em_fail(status, EM_SYSTEM, "disk full");
	to->bytes = realloc(to->bytes, to->size + size);
	memcpy(to->bytes + to->size, bytes, size);
	to->size += size;
	return EM_OK;
}

static void
test_write(void)
{
	static const char *const names[] = { "cbow.bin", "skipgram.bin", "quantised.ftz",
										 "header.vec" };
	fasttext_report report;
	em_status status;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		for (int format = FASTTEXT_BIN; format <= FASTTEXT_VEC; format++)
		{
			char path[100];
			growing file = { NULL, 0, 0 };
			vectors *read, *again = NULL;
			bool good;

			snprintf(path, sizeof(path), CORPUS "%s", names[i]);
			read = read_file(path, &defaults, &report);
			good = fasttext_write(&check_allocator, read, (fasttext_format) format, append, &file,
								  &status) == EM_OK &&
				   read_bytes(file.bytes, file.size, &defaults, &again, &report, &status) == EM_OK;
			if (good && format == FASTTEXT_BIN)
				good = digest(read) == digest(again);
			for (uint32_t id = 1; good && format == FASTTEXT_VEC && id <= read->word_count; id++)
			{
				em_slice word = text_vocabulary_word(read->words, id);
				float a[VECTORS_MAX_DIM], b[VECTORS_MAX_DIM];

				vectors_word(read, word.bytes, word.length, a, NULL);
				vectors_word(again, word.bytes, word.length, b, NULL);
				for (uint32_t j = 0; j < read->dim; j++)
					good = good && a[j] == b[j];
			}
			CHECK(good, "%s: written as %s it is read again, to the bit", names[i],
				  format == FASTTEXT_BIN ? "a model" : "text");
			free(file.bytes);
			file = (growing){ NULL, 0, 1 };
			CHECK(fasttext_write(&check_allocator, read, (fasttext_format) format, append, &file,
								 &status) == EM_SYSTEM,
				  "%s: a failure to write is reported", names[i]);
			vectors_free(again);
			vectors_free(read);
		}
	}
	{
		growing file = { NULL, 0, 0 };
		vectors *read = read_file(CORPUS "pruned.ftz", &defaults, &report);

		CHECK(fasttext_write(&check_allocator, read, FASTTEXT_BIN, append, &file, &status) ==
					  EM_UNSUPPORTED &&
				  file.size == 0,
			  "no model is written of n-grams that are incomplete");
		vectors_free(read);
	}
}

/* ---- hostile files ------------------------------------------------------------------- */

/* A model whose numbers at some place of the head or dictionary are replaced. */
static void
test_refusals(void)
{
	static const struct
	{
		const char *what;
		size_t at;
		int64_t number;
		int width;
		em_code code;
	} cases[] = {
		{ "a newer version", 4, 13, 4, EM_UNSUPPORTED },
		{ "an older version", 4, 10, 4, EM_UNSUPPORTED },
		{ "no dimensions", 8, 0, 4, EM_CORRUPT },
		{ "negative dimensions", 8, -3, 4, EM_CORRUPT },
		{ "absurd dimensions", 8, 1 << 30, 4, EM_LIMIT },
		{ "other dimensions than the matrix", 8, 4, 4, EM_CORRUPT },
		{ "an unknown loss", 32, 9, 4, EM_CORRUPT },
		{ "an unknown model", 36, 0, 4, EM_CORRUPT },
		{ "a negative number of buckets", 40, -1, 4, EM_CORRUPT },
		{ "too many buckets", 40, INT32_MAX, 4, EM_CORRUPT },
		{ "too long n-grams", 48, 100, 4, EM_LIMIT },
		{ "endless sampling", 56, INT64_C(0x7FF0000000000000), 8, EM_CORRUPT },
		{ "a negative size", 64, -1, 4, EM_CORRUPT },
		{ "too many words", 64, INT32_MAX, 4, EM_CORRUPT },
		{ "a negative number of words", 68, -1, 4, EM_CORRUPT },
		{ "a negative number of labels", 72, -1, 4, EM_CORRUPT },
		{ "a negative number of tokens", 76, -1, 8, EM_CORRUPT },
		{ "pruning below -1", 84, -2, 8, EM_CORRUPT },
		{ "pruning of more than there is", 84, INT64_MAX, 8, EM_CORRUPT },
		{ "pruning without quantising", 84, 0, 8, EM_CORRUPT },
		{ "a negative count", 97, -1, 8, EM_CORRUPT },
	};
	size_t size;
	uint8_t *bytes = load(CORPUS "cbow.bin", &size);
	fasttext_report report;
	em_status status;
	vectors *read;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		uint8_t *changed = malloc(size);
		em_code code;

		memcpy(changed, bytes, size);
		for (int j = 0; j < cases[i].width; j++)
			changed[cases[i].at + (size_t) j] = (uint8_t) ((uint64_t) cases[i].number >> 8 * j);
		code = read_bytes(changed, size, &defaults, &read, &report, &status);
		CHECK(code == cases[i].code, "refused: %s (%s)", cases[i].what, status.message);
		vectors_free(read);
		free(changed);
	}

	/* a weight of the last row of the input matrix: behind it come 36 * 3 * 4 + 17 bytes */
	for (int i = 0; i < 2; i++)
	{
		float wrong = i == 0 ? NAN : INFINITY;

		memcpy(bytes + size - 36 * 12 - 17 - 4, &wrong, 4);
		CHECK(read_bytes(bytes, size, &defaults, &read, &report, &status) == EM_CORRUPT,
			  "refused: a weight that is %g (%s)", (double) wrong, status.message);
	}
	free(bytes);
}

static void
test_hostile(void)
{
	static const char *const names[] = { "cbow.bin",   "skipgram.bin", "quantised.ftz",
										 "pruned.ftz", "header.vec",   "plain.vec" };
	size_t files = 0, good = 0;

	srand(3);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		bool model = strstr(names[i], ".vec") == NULL;
		char path[100];
		size_t size;
		uint8_t *bytes;
		size_t refused = 0;
		fasttext_report report;
		em_status status;
		vectors *read;

		snprintf(path, sizeof(path), CORPUS "%s", names[i]);
		bytes = load(path, &size);
		for (size_t length = 0; length < size; length++)
		{
			uint8_t *cut = malloc(length + 1);

			memcpy(cut, bytes, length);
			refused += read_bytes(cut, length, &defaults, &read, &report, &status) != EM_OK;
			vectors_free(read);
			free(cut);
		}
		if (model)
			CHECK(refused == size, "%s: refused when cut anywhere", names[i]);
		for (int n = 0; n < 2000; n++, files++)
		{
			uint8_t *changed = malloc(size);

			memcpy(changed, bytes, size);
			for (int j = 0; j <= n % 4; j++)
				changed[(size_t) rand() % (n % 2 == 0 && size > 200 ? 200 : size)] =
					(uint8_t) (rand() % 3 == 0 ? 0xFF : rand());
			if (read_bytes(changed, size, &defaults, &read, &report, &status) == EM_OK)
			{
				uint8_t *written;
				size_t length;

				/* what is read can be kept */
				if (vectors_write(&check_allocator, read, &written, &length, &status) != EM_OK)
					CHECK(false, "%s", status.message);
				else
					check_release(NULL, written);
				good++;
			}
			vectors_free(read);
			free(changed);
		}
		for (long at = 1;; at++)
		{
			em_code code;

			check_fail_at = at;
			code = read_bytes(bytes, size, &defaults, &read, &report, &status);
			check_fail_at = 0;
			vectors_free(read);
			if (code != EM_OUT_OF_MEMORY)
			{
				CHECK(code == EM_OK && at > 5, "%s: %ld places without memory", names[i], at - 1);
				break;
			}
		}
		free(bytes);
	}
	CHECK(files == 12000, "%zu changed files: %zu are read, the others refused", files, good);
}

int
main(void)
{
	test_parity();
	test_text();
	test_options();
	test_write();
	test_refusals();
	test_hostile();
	CHECK(check_live == 0, "all memory is given back");
	return check_done();
}
