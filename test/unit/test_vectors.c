/*
 * test_vectors.c
 *	  Word vectors: of any word, the nearest words, and their file.
 */
#include "check.h"

#include <math.h>

#include "../../src/model/safetensors.h"
#include "../../src/model/vectors.h"
#include "../../src/text/subword.h"

#define DIM 3
#define BUCKETS 50

/* Vectors of the words given, with numbers that can be told apart. */
static vectors *
make_vectors(const char *words, uint32_t buckets, bool sparse, bool with_output)
{
	vectors *made = em_allocate_zeroed(&check_allocator, 1, sizeof(*made));
	em_status status;
	size_t rows;

	made->allocator = &check_allocator;
	made->dim = DIM;
	made->buckets = buckets;
	made->min_n = buckets == 0 ? 0 : 2;
	made->max_n = buckets == 0 ? 0 : 3;
	made->arguments = (vectors_arguments){ .window = 5,
										   .epochs = 7,
										   .min_count = 1,
										   .negatives = 6,
										   .word_ngrams = 1,
										   .loss = 2,
										   .model = 2,
										   .rate_update = 100,
										   .sampling = 1e-4,
										   .tokens = 12345 };
	if (text_vocabulary_load(&check_allocator, words, strlen(words), &made->words, &status) !=
		EM_OK)
		abort();
	made->word_count = text_vocabulary_size(made->words) - 1;
	made->bucket_rows = sparse ? buckets / 2 : buckets;
	rows = made->word_count + made->bucket_rows;
	made->input = em_allocate_array(&check_allocator, rows * DIM, sizeof(float));
	for (size_t i = 0; i < rows * DIM; i++)
		made->input[i] = sinf((float) i + 1);
	if (sparse)
	{
		made->bucket_ids = em_allocate_array(&check_allocator, made->bucket_rows, sizeof(uint32_t));
		for (uint32_t i = 0; i < made->bucket_rows; i++)
			made->bucket_ids[i] = 2 * i + 1;
	}
	made->counts = em_allocate_array(&check_allocator, made->word_count, sizeof(uint64_t));
	for (uint32_t i = 0; i < made->word_count; i++)
		made->counts[i] = (UINT64_C(1) << 53) - i;
	if (with_output)
	{
		made->output =
			em_allocate_array(&check_allocator, (size_t) made->word_count * DIM, sizeof(float));
		for (size_t i = 0; i < (size_t) made->word_count * DIM; i++)
			made->output[i] = cosf((float) i);
	}
	return made;
}

static void
test_word(void)
{
	vectors *made = make_vectors("hello\n</s>\ntea", BUCKETS, true, false);
	uint32_t grams[64];
	size_t count = text_subwords("tea", 3, 2, 3, BUCKETS, grams, 64);
	float sum[DIM], out[DIM];
	int rows = 1;
	bool known;
	bool good = true;

	memcpy(sum, made->input + 2 * DIM, sizeof(sum));
	for (size_t i = 0; i < count; i++)
		if (grams[i] % 2 == 1)
		{
			rows++;
			for (int j = 0; j < DIM; j++)
				sum[j] += made->input[(made->word_count + grams[i] / 2) * DIM + (uint32_t) j];
		}
	vectors_word(made, "tea", 3, out, &known);
	for (int j = 0; j < DIM; j++)
		good = good && out[j] == sum[j] * (float) (1.0 / rows);
	CHECK(good && known && count == 7 && rows > 1 && rows < 8,
		  "a word's vector is the mean of its row and those of its n-grams that there are");
	CHECK(vectors_bucket_row(made, 3) == 4 && vectors_bucket_row(made, 4) == -1 &&
			  vectors_bucket_row(made, 49) == 3 + 24 && vectors_bucket_row(made, 50) == -1,
		  "rows of buckets");
	vectors_word(made, "</s>", 4, out, &known);
	CHECK(known && memcmp(out, made->input + DIM, sizeof(out)) == 0, "</s> has no n-grams");
	vectors_word(made, "", 0, out, &known);
	CHECK(!known, "the empty word is none");
	vectors_free(made);

	made = make_vectors("hello\ntea", 0, false, false);
	vectors_word(made, "coffee", 6, out, &known);
	CHECK(!known && out[0] == 0 && out[1] == 0 && out[2] == 0,
		  "an unknown word without n-grams has the vector zero");
	vectors_free(made);
}

static void
test_long_word(void)
{
	enum
	{
		LENGTH = 5000
	};
	char *word = malloc(LENGTH);
	uint32_t *at_once = malloc(sizeof(uint32_t) * 4 * LENGTH);
	uint32_t *pieces = malloc(sizeof(uint32_t) * 4 * LENGTH);
	size_t count, joined = 0, start = 0, piece;

	for (int i = 0; i < LENGTH; i++)
		word[i] = "a\xC3\xA9z\x80"[i * 7 % 5];
	count = text_subwords(word, LENGTH, 1, 4, 1000, at_once, 4 * LENGTH);
	while ((piece = text_subwords_from(word, LENGTH, 1, 4, 1000, &start, pieces + joined, 9)) > 0)
		joined += piece;
	CHECK(count == joined && memcmp(at_once, pieces, count * sizeof(uint32_t)) == 0,
		  "n-grams in pieces are those at once: %zu", count);
	free(word);
	free(at_once);
	free(pieces);
}

static void
test_nearest(void)
{
	vectors *made = make_vectors("a\nb\nc\nd", 0, false, false);
	const float input[] = { 1, 0, 0, 2, 0, 0, 0, 5, 0, 3, 3, 0 };
	float unit[4 * DIM];
	vectors_neighbour found[4];
	em_status status;
	size_t count;

	memcpy(made->input, input, sizeof(input));
	CHECK(vectors_unit(made, unit, NULL, NULL, &status) == EM_OK && unit[3] == 1 && unit[7] == 1,
		  "unit vectors");
	CHECK(vectors_nearest(made, unit, (em_slice){ "a", 1 }, 4, found, &count, NULL, NULL,
						  &status) == EM_OK &&
			  count == 3 && found[0].row == 1 && found[1].row == 3 && found[2].row == 2,
		  "the nearest words, oneself left out");
	CHECK(found[0].similarity == 1 && fabs(found[1].similarity - sqrt(0.5)) < 1e-6 &&
			  found[2].similarity == 0,
		  "by cosine");
	CHECK(vectors_nearest(made, unit, (em_slice){ "c", 1 }, 1, found, &count, NULL, NULL,
						  &status) == EM_OK &&
			  count == 1 && found[0].row == 3,
		  "one neighbour");
	CHECK(vectors_nearest(made, unit, (em_slice){ "none", 4 }, 4, found, &count, NULL, NULL,
						  &status) == EM_OK &&
			  count == 0,
		  "a word without a vector has no neighbours");
	vectors_free(made);
}

static bool
same_floats(const float *a, const float *b, size_t count)
{
	return a == NULL || b == NULL ? a == b : memcmp(a, b, count * sizeof(float)) == 0;
}

static bool
same(const vectors *a, const vectors *b)
{
	size_t rows = (size_t) a->word_count + a->bucket_rows;
	em_slice x = text_vocabulary_words(a->words), y = text_vocabulary_words(b->words);

	return a->dim == b->dim && a->word_count == b->word_count && a->buckets == b->buckets &&
		   a->bucket_rows == b->bucket_rows && a->min_n == b->min_n && a->max_n == b->max_n &&
		   memcmp(&a->arguments, &b->arguments, sizeof(a->arguments)) == 0 &&
		   x.length == y.length && memcmp(x.bytes, y.bytes, x.length) == 0 &&
		   memcmp(a->counts, b->counts, a->word_count * sizeof(uint64_t)) == 0 &&
		   same_floats(a->input, b->input, rows * a->dim) &&
		   same_floats(a->output, b->output, (size_t) a->word_count * a->dim) &&
		   (a->bucket_ids == NULL) == (b->bucket_ids == NULL) &&
		   (a->bucket_ids == NULL ||
			memcmp(a->bucket_ids, b->bucket_ids, a->bucket_rows * sizeof(uint32_t)) == 0);
}

static void
test_file(void)
{
	static const struct
	{
		const char *what;
		uint32_t buckets;
		bool sparse, output;
	} cases[] = {
		{ "words alone", 0, false, false },
		{ "all n-grams and an output matrix", BUCKETS, false, true },
		{ "some n-grams", BUCKETS, true, false },
	};
	em_status status;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		vectors *made = make_vectors("h\xC3\xA9llo\n\"quoted\"\ntea\n</s>", cases[i].buckets,
									 cases[i].sparse, cases[i].output);
		vectors *read = NULL;
		uint8_t *bytes;
		size_t size;
		size_t refused = 0;

		CHECK(vectors_write(&check_allocator, made, &bytes, &size, &status) == EM_OK &&
				  vectors_read(&check_allocator, bytes, size, &read, &status) == EM_OK &&
				  same(made, read),
			  "%s: what is written is read", cases[i].what);
		vectors_free(read);
		for (size_t length = 0; length < size; length++)
		{
			uint8_t *cut = malloc(length + 1);

			memcpy(cut, bytes, length);
			refused += vectors_read(&check_allocator, cut, length, &read, &status) == EM_CORRUPT;
			free(cut);
		}
		CHECK(refused == size, "%s: refused when cut anywhere", cases[i].what);
		srand(1);
		for (int n = 0; n < 3000; n++)
		{
			uint8_t *changed = malloc(size);

			memcpy(changed, bytes, size);
			for (int j = 0; j <= n % 3; j++)
				changed[(size_t) rand() % size] = (uint8_t) rand();
			if (vectors_read(&check_allocator, changed, size, &read, &status) == EM_OK)
				vectors_free(read);
			free(changed);
		}
		CHECK(true, "%s: 3000 changed files are refused or read", cases[i].what);
		for (long at = 1;; at++)
		{
			em_code code;

			check_fail_at = at;
			code = vectors_read(&check_allocator, bytes, size, &read, &status);
			if (code == EM_OK)
				break;
			if (code != EM_OUT_OF_MEMORY)
				at = 0;
		}
		check_fail_at = 0;
		vectors_free(read);
		check_release(NULL, bytes);
		vectors_free(made);
	}
}

/* Vectors that must not be written, or whose file must not be read. */
static void
test_refusals(void)
{
	vectors *made = make_vectors("tea\nsugar", BUCKETS, true, false);
	em_status status;
	uint8_t *bytes;
	size_t size;

#define REFUSED(change, back, what)                                                                \
	change;                                                                                        \
	CHECK(vectors_write(&check_allocator, made, &bytes, &size, &status) == EM_INVALID_DATA, what); \
	back
	REFUSED(made->input[5] = NAN, made->input[5] = 1, "not written: NaN");
	REFUSED(made->input[5] = 2e9f, made->input[5] = 1, "not written: beyond 1e9");
	REFUSED(made->bucket_ids[1] = 1, made->bucket_ids[1] = 3, "not written: a bucket twice");
	REFUSED(made->bucket_ids[24] = 50, made->bucket_ids[24] = 49, "not written: a bucket too many");
	REFUSED(made->min_n = -1, made->min_n = 2, "not written: negative n-grams");
	REFUSED(made->counts[0] = UINT64_MAX, made->counts[0] = 1, "not written: a count over 2^53");
	REFUSED(made->arguments.sampling = INFINITY, made->arguments.sampling = 0,
			"not written: endless sampling");
	vectors_free(made);
}

int
main(void)
{
	test_word();
	test_long_word();
	test_nearest();
	test_file();
	test_refusals();
	CHECK(check_live == 0, "all memory is given back");
	return check_done();
}
