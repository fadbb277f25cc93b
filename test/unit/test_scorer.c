/*
 * test_scorer.c
 *	  Scores do not depend on what else is scored, nor on threads; explanations; cancelling.
 */
#include "check.h"

#include <math.h>

#include "../../src/model/scorer.h"
#include "../../src/model/sequence_scorer.h"
#include "../../src/nn/matmul.h"
#include "../../src/text/subword.h"

#define LABELS 5
#define WORDS 40
#define TEXTS 700 /* several batches */
#define TOLERANCE 1e-6

static uint64_t random_state = 1;

static uint32_t
random_number(uint32_t below)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t) (random_state >> 33) % below;
}

static model *
make_model(int buckets)
{
	model *made = em_allocate_zeroed(&check_allocator, 1, sizeof(*made));
	char names[LABELS][2] = { "a", "b", "c", "d", "e" };
	em_slice slices[LABELS];
	char words[WORDS * 8] = "";
	model_config config;
	em_status status;

	model_config_default(&config);
	config.embedding_dim = 6;
	config.kernel_widths = (option_int_list){ 2, { 1, 3 } };
	config.filters = 5;
	config.hidden = 4;
	config.attention = 7;
	config.subword_buckets = buckets;
	config.text.max_tokens = 400;
	for (size_t i = 0; i < LABELS; i++)
		slices[i] = (em_slice){ names[i], 1 };
	for (int i = 0; i < WORDS; i++)
		snprintf(words + strlen(words), 8, "w%c%c\n", 'a' + i / 26, 'a' + i % 26);
	made->allocator = &check_allocator;
	made->labels = model_copy_labels(&check_allocator, slices, LABELS);
	made->thresholds = em_allocate_zeroed(&check_allocator, LABELS, sizeof(float));
	if (text_vocabulary_load(&check_allocator, words, strlen(words) - 1, &made->vocabulary,
							 &status) != EM_OK ||
		network_layout_init(&made->layout, &config, text_vocabulary_size(made->vocabulary), LABELS,
							&status) != EM_OK)
		abort();
	made->embedding = em_allocate_zeroed(&check_allocator,
										 made->layout.rows * made->layout.embedding, sizeof(real));
	made->dense = em_allocate_zeroed(&check_allocator, made->layout.dense, sizeof(real));
	network_init(&made->layout, 5, NULL, made->embedding, made->dense);
	/* larger than fresh ones, so that texts differ in their scores */
	for (size_t i = 0; i < made->layout.rows * made->layout.embedding; i++)
		made->embedding[i] *= 20;
	for (size_t i = made->layout.vocabulary * made->layout.embedding;
		 i < made->layout.rows * made->layout.embedding; i++)
		made->embedding[i] = (real) random_number(2001) / 500 - 2;
	return made;
}

/* A text of `length` words, some of them unknown; to be freed. */
static char *
make_text(size_t length)
{
	char *text = calloc(length + 1, 8);

	for (size_t i = 0; i < length; i++)
	{
		uint32_t word = random_number(WORDS + 5);

		snprintf(text + strlen(text), 8, "w%c%c ", 'a' + (int) word / 26, 'a' + (int) word % 26);
	}
	return text;
}

static double
largest_difference(const float *a, const float *b, size_t count)
{
	double largest = 0;

	for (size_t i = 0; i < count; i++)
		largest = fmax(largest, fabs((double) a[i] - (double) b[i]));
	return largest;
}

static em_slice texts[TEXTS];
static float alone[TEXTS * LABELS];

static void
test_batches(const model *model)
{
	static float scores[TEXTS * LABELS], shown[TEXTS * LABELS];
	em_slice order[TEXTS];
	size_t place[TEXTS];
	scorer *scorer;
	em_status status;
	bool good = true, in_range = true;
	size_t sizes[] = { 0, 1, 2, 17, 256, 257, TEXTS };

	if (scorer_create(&check_allocator, model, &scorer, &status) != EM_OK)
		exit(1);
	for (size_t i = 0; i < TEXTS; i++)
		good = good &&
			   scorer_run(scorer, &texts[i], 1, alone + i * LABELS, NULL, NULL, &status) == EM_OK;
	for (size_t i = 0; i < (size_t) TEXTS * LABELS; i++)
		in_range = in_range && alone[i] >= 0 && alone[i] <= 1;
	CHECK(good && in_range, "each text is scored, from 0 to 1");
	CHECK(largest_difference(alone + LABELS * 3, alone + LABELS * 4, LABELS) > 1e-3,
		  "different texts get different scores");

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
	{
		size_t n = sizes[s];

		memset(scores, 0, sizeof(scores));
		good = scorer_run(scorer, texts, n, scores, NULL, NULL, &status) == EM_OK;
		CHECK(good && largest_difference(scores, alone, n * LABELS) <= TOLERANCE,
			  "%zu at once get the scores that each gets alone (%.1e)", n,
			  largest_difference(scores, alone, n * LABELS));
	}
	for (int turn = 0; turn < 3; turn++)
	{
		for (size_t i = 0; i < TEXTS; i++)
			place[i] = i;
		for (size_t i = TEXTS; i > 1; i--)
		{
			size_t other = random_number((uint32_t) i), swap = place[i - 1];

			place[i - 1] = place[other];
			place[other] = swap;
		}
		for (size_t i = 0; i < TEXTS; i++)
			order[i] = texts[place[i]];
		good = scorer_run(scorer, order, TEXTS, shown, NULL, NULL, &status) == EM_OK;
		for (size_t i = 0; i < TEXTS; i++)
			memcpy(scores + place[i] * LABELS, shown + i * LABELS, LABELS * sizeof(float));
		CHECK(good && largest_difference(scores, alone, (size_t) TEXTS * LABELS) <= TOLERANCE,
			  "whatever their order");
	}
	scorer_free(scorer);
	scorer_free(NULL);
}

/* A text without words still has a score: that of the bias alone. */
static void
test_empty(const model *model)
{
	em_slice empty[] = { { "", 0 }, { NULL, 0 }, { "  \xff\xfe ", 5 } };
	const real *bias = NULL;
	float scores[3 * LABELS];
	bool good = true;
	scorer *scorer;
	em_status status;
	model_attention attention;

	for (size_t i = 0; i < model->layout.tensor_count; i++)
		if (model->layout.tensors[i].kind == TENSOR_OUTPUT_BIAS)
			bias = model->dense + model->layout.tensors[i].offset;
	if (scorer_create(&check_allocator, model, &scorer, &status) != EM_OK)
		exit(1);
	CHECK(scorer_run(scorer, empty, 3, scores, NULL, NULL, &status) == EM_OK,
		  "texts without words are scored");
	for (size_t i = 0; i < 3 * LABELS; i++)
		good = good && fabs((double) scores[i] - 1 / (1 + exp(-(double) bias[i % LABELS]))) < 1e-6;
	CHECK(good, "by the bias alone");
	CHECK(scorer_explain(scorer, empty[0], 1, scores, &attention, NULL, NULL, &status) == EM_OK &&
			  attention.tokens->count == 0,
		  "they are explained by nothing");
	scorer_free(scorer);
}

static bool
stop_after(void *context)
{
	int *left = context;

	return (*left)-- <= 0;
}

static void
test_cancel(const model *model)
{
	static float scores[TEXTS * LABELS];
	scorer *scorer;
	em_status status = { 0 };
	model_attention attention;
	int left = 2;

	if (scorer_create(&check_allocator, model, &scorer, &status) != EM_OK)
		exit(1);
	CHECK(scorer_run(scorer, texts, TEXTS, scores, stop_after, &left, &status) == EM_CANCELLED &&
			  status.code == EM_CANCELLED,
		  "scoring stops when it is told to: %s", status.message);
	left = 0;
	CHECK(scorer_explain(scorer, texts[TEXTS - 1], 0, NULL, &attention, stop_after, &left,
						 &status) == EM_CANCELLED,
		  "so does an explanation");
	left = 1000;
	CHECK(scorer_run(scorer, texts, TEXTS, scores, stop_after, &left, &status) == EM_OK &&
			  largest_difference(scores, alone, (size_t) TEXTS * LABELS) <= TOLERANCE && left < 998,
		  "and scores on afterwards, asking between batches");
	scorer_free(scorer);
}

/* The same ids that the texts have, on several threads. */
static void
test_ids(const model *model)
{
	static float scores[TEXTS * LABELS];
	static uint32_t ids[TEXTS][400];
	static nn_sequence sequences[TEXTS];
	network_weights weights = { model->embedding, model->dense };
	text_tokens tokens;
	em_status status;

	text_tokens_init(&tokens, &check_allocator);
	for (size_t i = 0; i < TEXTS; i++)
	{
		if (text_tokenize(&model->layout.config.text, texts[i].bytes, texts[i].length, &tokens,
						  &status) != EM_OK)
			exit(1);
		for (size_t j = 0; j < tokens.count; j++)
			ids[i][j] =
				text_vocabulary_find(model->vocabulary, tokens.buffer + tokens.tokens[j].normalized,
									 tokens.tokens[j].normalized_length);
		sequences[i] = (nn_sequence){ ids[i], (uint32_t) tokens.count };
	}
	text_tokens_free(&tokens);
	for (int threads = 1; threads <= 3; threads++)
	{
		nn_pool *pool;
		sequence_scorer *scorer;

		if (nn_pool_create(&check_allocator, threads, &pool, &status) != EM_OK ||
			sequence_scorer_create(&check_allocator, &model->layout, weights, pool, &scorer,
								   &status) != EM_OK)
			exit(1);
		memset(scores, 0, sizeof(scores));
		CHECK(sequence_scorer_run(scorer, sequences, TEXTS, scores, NULL, NULL, NULL, &status) ==
					  EM_OK &&
				  largest_difference(scores, alone, (size_t) TEXTS * LABELS) <= TOLERANCE,
			  "token ids get the scores of their texts on %d threads", threads);
		sequence_scorer_free(scorer);
		nn_pool_destroy(pool);
	}
}

static double
logit(float score)
{
	return log((double) score / (1 - (double) score));
}

static void
test_explain(const model *model)
{
	/* all known but one, so that each can be replaced by an unknown word */
	static const char *const words[] = { "waa", "wab", "zzz", "wac", "wad", "wae" };
	em_slice text = { "waa wab zzz wac wad wae", 23 };
	float scores[LABELS], other[LABELS];
	double sum = 0, largest = 0;
	model_attention attention;
	scorer *scorer, *second;
	em_status status;

	if (scorer_create(&check_allocator, model, &scorer, &status) != EM_OK ||
		scorer_create(&check_allocator, model, &second, &status) != EM_OK)
		exit(1);
	CHECK(scorer_explain(scorer, text, -1, scores, &attention, NULL, NULL, &status) == EM_OK &&
			  attention.tokens->count == 6 && attention.influence == NULL,
		  "a text is explained without a label");
	for (size_t i = 0; i < 6; i++)
		sum += (double) attention.weight[i];
	CHECK(fabs(sum - 1) < 1e-5, "attention sums to 1");
	CHECK(scorer_run(second, &text, 1, other, NULL, NULL, &status) == EM_OK &&
			  largest_difference(scores, other, LABELS) <= TOLERANCE,
		  "with the scores that scoring gives");
	for (int label = 0; label < LABELS; label++)
	{
		if (scorer_explain(scorer, text, label, scores, &attention, NULL, NULL, &status) != EM_OK)
			exit(1);
		for (size_t i = 0; i < 6; i++)
		{
			char without[64] = "";
			em_slice changed = { without, 0 };

			for (size_t j = 0; j < 6; j++)
				snprintf(without + strlen(without), 8, "%s ", j == i ? "zzz" : words[j]);
			changed.length = strlen(without);
			if (scorer_run(second, &changed, 1, other, NULL, NULL, &status) != EM_OK)
				exit(1);
			largest = fmax(largest, fabs(logit(scores[label]) - logit(other[label]) -
										 (double) attention.influence[i]));
		}
		CHECK(fabs((double) attention.influence[2]) < 1e-5, "an unknown word has no influence");
	}
	CHECK(largest < 1e-4, "influence is the logit's fall when a word is unknown (%.1e)", largest);
	CHECK(scorer_explain(scorer, text, 1, NULL, &attention, NULL, NULL, &status) == EM_OK &&
			  attention.influence[0] != 0,
		  "scores need not be asked for");

	/* longer than is asked for */
	CHECK(scorer_explain(scorer, texts[TEXTS - 1], 1, scores, &attention, NULL, NULL, &status) ==
				  EM_OK &&
			  attention.tokens->count > SCORER_MAX_INFLUENCE &&
			  attention.influence[SCORER_MAX_INFLUENCE] == 0,
		  "a long text, in part");
	sum = 0;
	for (size_t i = 0; i < attention.tokens->count; i++)
		sum += (double) attention.weight[i];
	CHECK(fabs(sum - 1) < 1e-4, "its attention sums to 1, too");
	scorer_free(scorer);
	scorer_free(second);
}

static em_code
use_all(const model *model, nn_pool *pool, em_status *status)
{
	network_weights weights = { model->embedding, model->dense };
	uint32_t ids[] = { 1, 2, 3 };
	nn_sequence sequence = { ids, 3 };
	float scores[20 * LABELS];
	model_attention attention;
	scorer *scorer = NULL;
	sequence_scorer *bare = NULL;
	em_code code = scorer_create(&check_allocator, model, &scorer, status);

	if (code != EM_OK)
		return code;
	code = scorer_run(scorer, texts, 20, scores, NULL, NULL, status);
	if (code == EM_OK)
		code = scorer_explain(scorer, texts[7], 1, scores, &attention, NULL, NULL, status);
	scorer_free(scorer);
	if (code == EM_OK)
		code =
			sequence_scorer_create(&check_allocator, &model->layout, weights, pool, &bare, status);
	if (code != EM_OK)
		return code;
	code = sequence_scorer_run(bare, &sequence, 1, scores, NULL, NULL, NULL, status);
	sequence_scorer_free(bare);
	return code;
}

static void
test_memory(const model *model)
{
	nn_pool *pool;
	em_code code = EM_OUT_OF_MEMORY;
	bool good = true;
	long n = 0, live;

	if (nn_pool_create(&check_allocator, 2, &pool, NULL) != EM_OK)
		exit(1);
	live = check_live;
	while (good && code != EM_OK)
	{
		em_status status = { 0 };

		check_fail_at = ++n;
		code = use_all(model, pool, &status);
		check_fail_at = 0;
		good = check_live == live &&
			   (code == EM_OK ||
				(code == EM_OUT_OF_MEMORY && strcmp(status.message, "out of memory") == 0));
	}
	CHECK(good && n > 10, "each of %ld allocations may fail", n - 1);
	nn_pool_destroy(pool);
}

/* The last layer on the features gives the scores, for many texts as for one. */
static void
test_features(const model *model)
{
	enum
	{
		WIDTH = 8
	};
	static float features[TEXTS * WIDTH], one[WIDTH];
	const em_slice empty = { "", 0 };
	const real *weight = NULL;
	const real *bias = NULL;
	double largest = 0;
	scorer *scorer;
	em_status status;

	for (size_t i = 0; i < model->layout.tensor_count; i++)
		if (model->layout.tensors[i].kind == TENSOR_OUTPUT_WEIGHT)
			weight = model->dense + model->layout.tensors[i].offset;
		else if (model->layout.tensors[i].kind == TENSOR_OUTPUT_BIAS)
			bias = model->dense + model->layout.tensors[i].offset;
	if (scorer_create(&check_allocator, model, &scorer, &status) != EM_OK)
		exit(1);
	CHECK(scorer_features(scorer, texts, TEXTS, features, NULL, NULL, &status) == EM_OK,
		  "features of many texts");
	for (size_t i = 0; i < TEXTS; i++)
		for (size_t label = 0; label < LABELS; label++)
		{
			double logit = bias[label];

			for (size_t j = 0; j < WIDTH; j++)
				logit += (double) features[i * WIDTH + j] * weight[label * WIDTH + j];
			largest =
				fmax(largest, fabs(1 / (1 + exp(-logit)) - (double) alone[i * LABELS + label]));
		}
	CHECK(largest < TOLERANCE, "the last layer makes the scores of them (%.1e)", largest);
	CHECK(scorer_features(scorer, &texts[3], 1, one, NULL, NULL, &status) == EM_OK &&
			  largest_difference(one, features + 3 * WIDTH, WIDTH) <= TOLERANCE,
		  "alone or among others");
	CHECK(scorer_features(scorer, &empty, 1, one, NULL, NULL, &status) == EM_OK &&
			  largest_difference(one, (float[WIDTH]){ 0 }, WIDTH) == 0,
		  "zeros for an empty text");
	scorer_free(scorer);
}

/* A misspelt word is the mean of its n-grams: the scores are those of a known word that is it. */
static void
test_unknown(model *model)
{
	static const char *const ngrams[] = { "<wa",   "<wab", "<wabb", "wab", "wabb",
										  "wabb>", "abb",  "abb>",  "bb>" };
	const size_t count = sizeof(ngrams) / sizeof(ngrams[0]);
	const em_slice misspelt = { "waa wabb wac", 12 }, known = { "waa wad wac", 11 };
	size_t dim = model->layout.embedding;
	real *row = model->embedding + text_vocabulary_find(model->vocabulary, "wad", 3) * dim;
	real kept[6];
	float scores[LABELS], by_hand[LABELS], unknown[LABELS];
	uint32_t ids[] = { text_vocabulary_find(model->vocabulary, "waa", 3), TEXT_UNKNOWN_ID,
					   text_vocabulary_find(model->vocabulary, "wac", 3) };
	nn_sequence sequence = { ids, 3 };
	model_attention attention;
	scorer *scorer;
	sequence_scorer *of_ids;
	em_status status;

	if (scorer_create(&check_allocator, model, &scorer, &status) != EM_OK ||
		sequence_scorer_create_model(&check_allocator, model, NULL, &of_ids, &status) != EM_OK)
		exit(1);
	CHECK(scorer_run(scorer, &misspelt, 1, scores, NULL, NULL, &status) == EM_OK &&
			  sequence_scorer_run(of_ids, &sequence, 1, unknown, NULL, NULL, NULL, &status) ==
				  EM_OK &&
			  largest_difference(scores, unknown, LABELS) > 1e-3,
		  "a misspelt word has another score than one without meaning");
	sequence_scorer_free(of_ids);
	CHECK(scorer_explain(scorer, misspelt, 1, unknown, &attention, NULL, NULL, &status) == EM_OK &&
			  largest_difference(scores, unknown, LABELS) <= TOLERANCE &&
			  fabs((double) attention.influence[1]) > 1e-3,
		  "it is explained by the same scores and has influence");
	memcpy(kept, row, sizeof(kept));
	for (size_t e = 0; e < dim; e++)
	{
		double sum = 0;

		for (size_t i = 0; i < count; i++)
			sum +=
				(double) model->embedding[(model->layout.vocabulary +
										   text_subword_hash(ngrams[i], strlen(ngrams[i])) % 23) *
											  dim +
										  e];
		row[e] = (real) (sum / (double) count);
	}
	CHECK(scorer_run(scorer, &known, 1, by_hand, NULL, NULL, &status) == EM_OK &&
			  largest_difference(scores, by_hand, LABELS) <= TOLERANCE,
		  "which is that of its n-grams' mean");
	memcpy(row, kept, sizeof(kept));
	scorer_free(scorer);
}

int
main(void)
{
	model *model;
	em_status status;

	if (nn_blas_load(&status) != EM_OK)
	{
		printf("1..0 # SKIP %s\n", status.message);
		return 0;
	}
	model = make_model(0);
	for (size_t i = 0; i < TEXTS; i++)
	{
		size_t length = i % 50 == 0      ? 0
						: i == TEXTS - 1 ? 390
										 : random_number(i % 7 == 0 ? 200 : 20);

		texts[i].bytes = make_text(length);
		texts[i].length = strlen(texts[i].bytes);
	}
	test_batches(model);
	test_features(model);
	test_empty(model);
	test_cancel(model);
	test_ids(model);
	test_explain(model);
	test_memory(model);
	model_free(model);
	printf("# with n-grams\n");
	model = make_model(23);
	test_batches(model);
	test_features(model);
	test_empty(model);
	test_cancel(model);
	test_memory(model);
	test_unknown(model);
	for (size_t i = 0; i < TEXTS; i++)
		free((void *) (uintptr_t) texts[i].bytes);
	model_free(model);
	CHECK(check_live == 0, "nothing is left");
	return check_done();
}
