/* also: double */
/*
 * test_vectors_init.c
 *	  What a network begins with when it is given word vectors, against the same computed by hand.
 */
#include "check.h"

#include <math.h>

#include "../../src/model/vectors_init.h"
#include "../../src/text/subword.h"

#define DIM 3
#define BUCKETS 11
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Words "cat" and "dogs" and rows for the n-grams of three characters, all but some kept. */
static float input[(2 + BUCKETS) * DIM];
static uint32_t bucket_ids[BUCKETS];

static vectors
make_vectors(bool ngrams)
{
	vectors made = { 0 };
	em_status status;

	made.allocator = &check_allocator;
	made.dim = DIM;
	made.word_count = 2;
	if (text_vocabulary_load(&check_allocator, "cat\ndogs", 8, &made.words, &status) != EM_OK)
		exit(1);
	made.input = input;
	for (size_t i = 0; i < LENGTH(input); i++)
		input[i] = (float) ((i * 7 + 3) % 13) - 5;
	if (ngrams)
	{
		made.buckets = BUCKETS;
		made.min_n = made.max_n = 3;
		for (uint32_t bucket = 0; bucket < BUCKETS; bucket++)
			if (bucket != 4)
				bucket_ids[made.bucket_rows++] = bucket;
		made.bucket_ids = bucket_ids;
	}
	return made;
}

static network_layout
make_layout(const text_vocabulary *vocabulary, int buckets)
{
	network_layout layout;
	model_config config;
	em_status status;

	model_config_default(&config);
	config.embedding_dim = DIM;
	config.filters = config.hidden = config.attention = 2;
	config.subword_buckets = buckets;
	config.subword_max = 4;
	if (network_layout_init(&layout, &config, text_vocabulary_size(vocabulary), 2, &status) !=
		EM_OK)
		exit(1);
	return layout;
}

/* Bucket k as vectors_init.h says it, in double. */
static void
bucket_by_hand(const vectors *vectors, const network_layout *layout,
			   const text_vocabulary *vocabulary, uint32_t bucket, double *out)
{
	double rows[DIM] = { 0 }, words[DIM] = { 0 };
	int row_count = 0, word_count = 0;

	for (uint32_t id = 1; id < layout->vocabulary; id++)
	{
		em_slice word = text_vocabulary_word(vocabulary, id);
		char framed[40];
		float vector[DIM];
		size_t length =
			(size_t) snprintf(framed, sizeof(framed), "<%.*s>", (int) word.length, word.bytes);

		vectors_word(vectors, word.bytes, word.length, vector, NULL);
		for (size_t start = 0; start < length; start++)
			for (size_t n = 3; n <= 4 && start + n <= length; n++)
			{
				uint32_t hash = text_subword_hash(framed + start, n);
				int64_t row = n == 3 && vectors->buckets > 0
								  ? vectors_bucket_row(vectors, hash % vectors->buckets)
								  : -1;

				if (hash % (uint32_t) layout->buckets != bucket)
					continue;
				word_count++;
				row_count += row >= 0;
				for (int e = 0; e < DIM; e++)
				{
					words[e] += (double) vector[e];
					rows[e] += row >= 0 ? (double) vectors->input[row * DIM + e] : 0;
				}
			}
	}
	for (int e = 0; e < DIM; e++)
		out[e] = row_count > 0 ? rows[e] / row_count : word_count > 0 ? words[e] / word_count : 0;
	if (row_count == 0 && vectors->buckets == layout->buckets &&
		vectors_bucket_row(vectors, bucket) >= 0)
		for (int e = 0; e < DIM; e++)
			out[e] = (double) vectors->input[vectors_bucket_row(vectors, bucket) * DIM + e];
}

static void
test_init(bool ngrams, int buckets)
{
	vectors given = make_vectors(ngrams);
	text_vocabulary *vocabulary;
	network_layout layout;
	em_status status;
	real *embedding, fresh;
	double squares = 0, factor, worst = 0, largest = 0;
	size_t moved = 0;
	uint32_t known;

	/* zzz is known to n-grams only */
	if (text_vocabulary_load(&check_allocator, "the\ndogs\ncat\nzzz", 16, &vocabulary, &status) !=
		EM_OK)
		exit(1);
	layout = make_layout(vocabulary, buckets);
	embedding = malloc(layout.rows * DIM * sizeof(real));
	for (size_t i = 0; i < layout.rows * DIM; i++)
		embedding[i] = 0.25;
	fresh = embedding[0];
	CHECK(vectors_init_embedding(&check_allocator, &given, &layout, vocabulary, embedding, &known,
								 &status) == EM_OK,
		  "a network of %d buckets begins with vectors %s n-grams", buckets,
		  ngrams ? "with" : "without");
	CHECK(known == (ngrams ? 4 : 2), "%u words are known", known);
	CHECK(embedding[0] == fresh && (ngrams || embedding[DIM] == fresh), "others stay as they were");
	for (uint32_t id = 1; id < layout.vocabulary; id++)
		for (int e = 0; e < DIM; e++)
			if (ngrams || id == 2 || id == 3)
				squares += (double) embedding[id * DIM + (uint32_t) e] *
						   (double) embedding[id * DIM + (uint32_t) e];
	CHECK(fabs(sqrt(squares / (known * DIM)) * sqrt(3) - 0.1) < 1e-6,
		  "known words are as large as fresh ones, on average");
	{
		float dogs[DIM];

		vectors_word(&given, "dogs", 4, dogs, NULL);
		factor = (double) embedding[2 * DIM] / (double) dogs[0];
		CHECK(fabs((double) (embedding[2 * DIM + 1] * dogs[0] - embedding[2 * DIM] * dogs[1])) <
				  1e-5,
			  "a word has its vector's direction");
	}
	for (uint32_t bucket = 0; bucket < layout.buckets; bucket++)
	{
		double wanted[DIM];

		bucket_by_hand(&given, &layout, vocabulary, bucket, wanted);
		for (int e = 0; e < DIM; e++)
		{
			double got = (double) embedding[(layout.vocabulary + bucket) * DIM + (uint32_t) e];

			worst = fmax(worst, fabs(got - wanted[e] * factor));
			largest = fmax(largest, fabs(got));
			moved += got != 0;
		}
	}
	CHECK(worst < 1e-6 && (buckets == 0 || largest > 0.01),
		  "buckets are the means that they should be (%.1e, %zu numbers)", worst, moved);
	free(embedding);
	text_vocabulary_free(vocabulary);
	text_vocabulary_free(given.words);
}

static void
test_refused(void)
{
	vectors given = make_vectors(false);
	text_vocabulary *vocabulary;
	network_layout layout;
	em_status status;
	real embedding[9 * DIM] = { 0 };
	uint32_t known;

	if (text_vocabulary_load(&check_allocator, "a\nb", 3, &vocabulary, &status) != EM_OK)
		exit(1);
	layout = make_layout(vocabulary, 0);
	CHECK(vectors_init_embedding(&check_allocator, &given, &layout, vocabulary, embedding, &known,
								 &status) == EM_INVALID_DATA,
		  "refused: %s", status.message);
	given.dim = 2;
	CHECK(vectors_init_embedding(&check_allocator, &given, &layout, vocabulary, embedding, &known,
								 &status) == EM_INVALID_DATA,
		  "refused: %s", status.message);
	text_vocabulary_free(vocabulary);
	text_vocabulary_free(given.words);
}

static void
test_words(void)
{
	static const char theirs[] = "The\ncat\ndog house\ndog\n!!!\nsoooo\nfish";
	vectors given = { 0 };
	text_vocabulary *own, *more;
	text_options options;
	em_slice words;
	em_status status;

	text_options_default(&options);
	given.allocator = &check_allocator;
	given.word_count = 7;
	if (text_vocabulary_load(&check_allocator, theirs, strlen(theirs), &given.words, &status) !=
			EM_OK ||
		text_vocabulary_load(&check_allocator, "bird\ncat", 8, &own, &status) != EM_OK)
		exit(1);
	for (uint32_t count = 0; count <= 6; count += 3)
	{
		static const char *const expected[] = { "bird\ncat", "bird\ncat", "bird\ncat\ndog" };

		if (vectors_add_words(&check_allocator, &given, &options, count, own, &more, &status) !=
			EM_OK)
			exit(1);
		words = text_vocabulary_words(more);
		CHECK(words.length == strlen(expected[count / 3]) &&
				  memcmp(words.bytes, expected[count / 3], words.length) == 0,
			  "the first %u words join if texts can hold them", count);
		text_vocabulary_free(more);
	}
	text_vocabulary_free(own);
	if (text_vocabulary_load(&check_allocator, "", 0, &own, &status) != EM_OK ||
		vectors_add_words(&check_allocator, &given, &options, 1000, own, &more, &status) != EM_OK)
		exit(1);
	words = text_vocabulary_words(more);
	CHECK(words.length == 12 && memcmp(words.bytes, "cat\ndog\nfish", 12) == 0,
		  "all of them to an empty vocabulary");
	text_vocabulary_free(more);
	text_vocabulary_free(own);
	text_vocabulary_free(given.words);
}

int
main(void)
{
	test_init(false, 0);
	test_init(true, 0);
	test_init(false, 20);
	test_init(true, 20);
	test_init(true, BUCKETS);
	test_refused();
	test_words();
	CHECK(check_live == 0, "nothing is left");
	return check_done();
}
