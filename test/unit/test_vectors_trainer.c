/*
 * test_vectors_trainer.c
 *	  Training word vectors: the step against a plain one in double precision, the whole of an
 *	  epoch against word2vec as the papers write it, what is learnt, resuming, failing.
 */
#include "check.h"

#include <math.h>

#include "../../src/model/vectors_trainer_internal.h"
#include "../../src/text/subword.h"

static const em_allocator allocator = { check_allocate, check_release, NULL };
static em_status status;
static uint64_t random_state = 7;

static double
uniform(void)
{
	return (double) (vectors_random(&random_state) >> 11) * 0x1p-52 - 1;
}

static uint32_t
pick(uint32_t bound)
{
	return (uint32_t) (vectors_random(&random_state) % bound);
}

/* ---- the step ------------------------------------------------------------------------ */

#define MOST 301

static double
sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

/* As negative.h says it, in double; rows may repeat. Returns the product of probabilities. */
static double
plain_step(size_t n, size_t count, double rate, double response, double *const *output, double *h,
		   double *gradient)
{
	double g[NN_NEGATIVE_MAX];
	double change[MOST] = { 0 };
	double probability = 1;

	for (size_t j = 0; j < count; j++)
	{
		double score = 0;

		for (size_t i = 0; i < n; i++)
			score += h[i] * output[j][i];
		g[j] = rate * ((j == 0) - sigmoid(score));
		probability *= j == 0 ? sigmoid(score) : 1 - sigmoid(score);
	}
	for (size_t i = 0; i < n; i++)
	{
		for (size_t j = 0; j < count; j++)
		{
			change[i] += g[j] * output[j][i];
			output[j][i] += g[j] * h[i];
		}
		gradient[i] += change[i];
		h[i] += response * change[i];
	}
	return probability;
}

static double
farthest(size_t n, const real *a, const double *b)
{
	double most = 0;

	for (size_t i = 0; i < n; i++)
		most = fmax(most, fabs((double) a[i] - b[i]));
	return most;
}

/* The largest difference of one step; the last row is the second when there are that many. */
static double
try_step(size_t n, size_t count)
{
	static real rows[NN_NEGATIVE_MAX][MOST], h[MOST], gradient[MOST];
	static double plain_rows[NN_NEGATIVE_MAX][MOST], plain_h[MOST], plain_gradient[MOST];
	real *output[NN_NEGATIVE_MAX];
	double *plain[NN_NEGATIVE_MAX];
	double got, wanted, most;

	for (size_t j = 0; j < count; j++)
	{
		size_t row = j + 1 == count && count > 3 ? 1 : j;

		output[j] = rows[row];
		plain[j] = plain_rows[row];
		for (size_t i = 0; i < n; i++)
			plain_rows[j][i] = rows[j][i] = (real) (uniform() / 4);
	}
	for (size_t i = 0; i < n; i++)
	{
		plain_h[i] = h[i] = (real) (uniform() / 4);
		plain_gradient[i] = gradient[i] = (real) uniform();
	}
	got = nn_negative_step(n, count, (real) 0.3, (real) 0.7, output, h, gradient);
	wanted = plain_step(n, count, 0.3, 0.7, plain, plain_h, plain_gradient);
	most = fabs(log(got) - log(wanted)) / (double) count;
	most = fmax(most, farthest(n, h, plain_h));
	most = fmax(most, farthest(n, gradient, plain_gradient));
	for (size_t j = 0; j < count; j++)
		most = fmax(most, farthest(n, rows[j], plain_rows[j]));
	return most;
}

static void
test_step(const char *simd)
{
	static const size_t sizes[] = { 1, 3, 8, 15, 16, 17, 100, 200, 301 };
	static const size_t counts[] = { 1, 2, 5, 6, 7, 11, NN_NEGATIVE_MAX };
	double most = 0;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t j = 0; j < sizeof(counts) / sizeof(counts[0]); j++)
			most = fmax(most, try_step(sizes[i], counts[j]));
	CHECK(most < 2e-6, "%s: a step is that of the formula (farthest %.1e)", simd, most);
}

static void
test_rows(const char *simd)
{
	static const uint32_t rows[] = { 3, 0, 3, 9, 5 };
	static real matrix[10 * MOST], sum[MOST];
	static double plain[10 * MOST], plain_sum[MOST];
	double most = 0;

	for (size_t n = 1; n <= MOST; n += n < 40 ? 1 : 29)
	{
		for (size_t i = 0; i < 10 * n; i++)
			plain[i] = matrix[i] = (real) uniform();
		for (size_t i = 0; i < n; i++)
		{
			plain_sum[i] = sum[i] = (real) uniform();
			for (size_t r = 0; r < 5; r++)
				plain_sum[i] += plain[rows[r] * n + i];
		}
		nn_rows_sum(n, matrix, rows, 5, sum);
		most = fmax(most, farthest(n, sum, plain_sum));
		for (size_t r = 0; r < 5; r++)
			for (size_t i = 0; i < n; i++)
				plain[rows[r] * n + i] += sum[i];
		nn_rows_add(n, sum, rows, 5, matrix);
		most = fmax(most, farthest(10 * n, matrix, plain));
	}
	CHECK(most < 4e-6, "%s: rows are summed and added to, repeated ones too (farthest %.1e)", simd,
		  most);
}

/* ---- a little world of words --------------------------------------------------------- */

typedef struct corpus
{
	samples *texts;
	text_vocabulary *words;
	uint32_t remap[200];
} corpus;

static const char *const topics[2][10] = {
	{ "kitten", "puppies", "banana", "animals", "feeding", "purring", "garden", "whiskers",
	  "playful", "elephant" },
	{ "engine", "motorway", "vehicle", "driving", "gasoline", "junction", "wheels", "garage",
	  "traffic", "overtaking" },
};

static void
add_text(samples *texts, text_word_counter *counter, const char *const *words, size_t count,
		 uint64_t hash)
{
	uint32_t ids[3000];

	for (size_t i = 0; i < count; i++)
		text_word_counter_add(counter, words[i], strlen(words[i]), &ids[i], &status);
	samples_add(texts, ids, count, NULL, 0, 1, hash, &status);
}

/* Texts of words of one topic, with "the" everywhere and a word too rare to count. */
static corpus *
make_corpus(int texts, uint32_t longest)
{
	corpus *made = malloc(sizeof(corpus));
	text_word_counter *counter;

	random_state = 11;
	samples_create(&allocator, 0, 0, NULL, &made->texts, &status);
	text_word_counter_create(&allocator, &counter, &status);
	for (int i = 0; i < texts; i++)
	{
		const char *words[3000];
		uint32_t length = 3 + pick(longest - 3);

		for (uint32_t j = 0; j < length; j++)
			words[j] = pick(4) == 0 ? "the" : topics[i % 2][pick(10)];
		if (i == 5)
			words[2] = "hapax";
		add_text(made->texts, counter, words, length, vectors_random(&random_state));
	}
	text_word_counter_finish(counter, 5, 0, made->remap, &made->words, &status);
	text_word_counter_free(counter);
	samples_finish(made->texts, made->remap, &status);
	return made;
}

static void
free_corpus(corpus *corpus)
{
	samples_free(corpus->texts);
	text_vocabulary_free(corpus->words);
	free(corpus);
}

static vectors_options
small_options(int model)
{
	vectors_options options;

	vectors_options_default(&options);
	options.model = model;
	options.dim = 20;
	options.epochs = 3;
	options.buckets = 500;
	options.sampling = 0.05;
	options.learning_rate = 0.1;
	return options;
}

static vectors_trainer *
make_trainer(const vectors_options *options, const corpus *corpus, nn_pool *pool)
{
	vectors_trainer *trainer = NULL;

	if (vectors_trainer_create(&allocator, options, corpus->texts, corpus->words, pool, NULL, NULL,
							   &trainer, &status) != EM_OK)
		printf("# %s\n", status.message);
	return trainer;
}

static void
train(vectors_trainer *trainer)
{
	while (!vectors_trainer_finished(trainer) && vectors_trainer_step(trainer, &status) == EM_OK)
		;
}

static double
cosine(const vectors *vectors, const char *a, const char *b)
{
	float x[64], y[64];
	double xy = 0, xx = 0, yy = 0;

	vectors_word(vectors, a, strlen(a), x, NULL);
	vectors_word(vectors, b, strlen(b), y, NULL);
	for (uint32_t i = 0; i < vectors->dim; i++)
	{
		xy += x[i] * y[i];
		xx += x[i] * x[i];
		yy += y[i] * y[i];
	}
	return xy / sqrt(xx * yy);
}

/* ---- the whole against the papers ---------------------------------------------------- */

/* What word2vec with sub-words does, pair by pair, in double. */
typedef struct plain_trainer
{
	const vectors_trainer *like;
	size_t dim;
	double *input;
	double *output;
	double loss;
} plain_trainer;

static void
plain_pair(plain_trainer *plain, const uint32_t *rows, size_t count, uint32_t target, double rate,
		   uint64_t *random)
{
	double h[64] = { 0 };
	double gradient[64] = { 0 };
	double *output[NN_NEGATIVE_MAX];

	for (size_t r = 0; r < count; r++)
		for (size_t i = 0; i < plain->dim; i++)
			h[i] += plain->input[rows[r] * plain->dim + i] / (double) count;
	output[0] = plain->output + target * plain->dim;
	for (int j = 1; j <= plain->like->options.negatives;)
	{
		uint64_t bits = vectors_random(random);
		uint32_t slot = (uint32_t) ((bits >> 32) * plain->like->words >> 32);
		const vectors_slot *found = &plain->like->slots[slot];
		uint32_t word = (uint32_t) bits < found->below ? slot : found->other;

		if (word != target)
			output[j++] = plain->output + word * plain->dim;
	}
	plain->loss -= log(plain_step(plain->dim, 1 + (size_t) plain->like->options.negatives, rate, 0,
								  output, h, gradient));
	for (size_t r = 0; r < count; r++)
		for (size_t i = 0; i < plain->dim; i++)
			plain->input[rows[r] * plain->dim + i] += gradient[i];
}

static void
plain_piece(plain_trainer *plain, const vectors_piece *piece, const uint32_t *words)
{
	const vectors_trainer *like = plain->like;
	double rate = vectors_rate(like, piece->words_done);
	uint64_t random = piece->random;
	uint32_t kept[VECTORS_PIECE];
	int count = 0;

	for (uint32_t i = 0; i < piece->length; i++)
		if (vectors_random(&random) >> 32 <= like->keep[words[i]])
			kept[count++] = words[i];
	for (int at = 0; at < count; at++)
	{
		int reach =
			1 + (int) ((vectors_random(&random) >> 32) * (uint64_t) like->options.window >> 32);
		uint32_t bag[2000];
		size_t size = 0;

		for (int other = at - reach; other <= at + reach; other++)
		{
			uint32_t word;

			if (other < 0 || other >= count || other == at)
				continue;
			word = like->options.model == VECTORS_SKIPGRAM ? kept[at] : kept[other];
			for (uint64_t r = like->row_starts[word]; r < like->row_starts[word + 1]; r++)
				bag[size++] = like->row_ids[r];
			if (like->options.model == VECTORS_SKIPGRAM)
			{
				plain_pair(plain, bag, size, kept[other], rate, &random);
				size = 0;
			}
		}
		if (size > 0)
			plain_pair(plain, bag, size, kept[at], rate, &random);
	}
}

static void
test_like_plain(int model)
{
	const char *name = model == VECTORS_CBOW ? "cbow" : "skipgram";
	vectors_options options = small_options(model);
	corpus *corpus = make_corpus(150, 40);
	vectors_trainer *trainer = make_trainer(&options, corpus, NULL);
	size_t inputs = (size_t) trainer->rows * 20;
	size_t outputs = (size_t) trainer->words * 20;
	plain_trainer plain = { trainer, 20, NULL, NULL, 0 };
	double moved = 0;

	plain.input = malloc(inputs * sizeof(double));
	plain.output = calloc(outputs, sizeof(double));
	for (size_t i = 0; i < inputs; i++)
		plain.input[i] = trainer->input[i];
	/* a step of one epoch; what it will draw is seen by stepping a twin first */
	for (int epoch = 0; epoch < 2; epoch++)
	{
		vectors_trainer *twin = make_trainer(&options, corpus, NULL);

		twin->epoch = epoch;
		vectors_trainer_step(twin, &status);
		twin->epoch = epoch;
		plain.like = twin;
		plain.loss = 0;
		for (size_t i = 0, text = 0; i < twin->piece_count; i++)
		{
			vectors_piece piece = twin->pieces[i];
			uint32_t number = (uint32_t) text++;
			nn_sequence sequence;
			uint32_t words[VECTORS_PIECE];
			uint32_t length = 0;
			uint64_t state = options.seed;

			samples_read(corpus->texts, &number, 1, &sequence, NULL, NULL, &status);
			for (uint32_t j = 0; j < sequence.length; j++)
				if (sequence.ids[j] != TEXT_UNKNOWN_ID)
					words[length++] = sequence.ids[j] - 1;
			/* the generator as it was before the twin used it */
			state = vectors_random(&state) ^ (uint64_t) (epoch + 1);
			state = vectors_random(&state) ^ number;
			state = vectors_random(&state);
			piece.random = vectors_random(&state);
			plain_piece(&plain, &piece, words);
		}
		vectors_trainer_free(twin);
		vectors_trainer_step(trainer, &status);
	}
	for (size_t i = 0; i < outputs; i++)
		moved = fmax(moved, fabs((double) trainer->output[i]));
	CHECK(moved > 0.1 && farthest(inputs, trainer->input, plain.input) < 1e-4 &&
			  farthest(outputs, trainer->output, plain.output) < 1e-4,
		  "%s: two epochs end where pair by pair in double they end (farthest %.1e and %.1e of "
		  "%.2f)",
		  name, farthest(inputs, trainer->input, plain.input),
		  farthest(outputs, trainer->output, plain.output), moved);
	CHECK(fabs(trainer->loss / plain.loss - 1) < 1e-4, "%s: and tell the same loss", name);
	free(plain.input);
	free(plain.output);
	vectors_trainer_free(trainer);
	free_corpus(corpus);
}

/* ---- what is learnt ------------------------------------------------------------------ */

static void
test_learning(int model, int threads)
{
	vectors_options options = small_options(model);
	corpus *corpus = make_corpus(1500, 20);
	nn_pool *pool;
	vectors_trainer *trainer;
	vectors *vectors;
	double same = 0, other = 0;

	options.epochs = 8;
	nn_pool_create(&allocator, threads, &pool, &status);
	trainer = make_trainer(&options, corpus, pool);
	train(trainer);
	vectors_trainer_finish(trainer, &vectors, &status);
	vectors->words = corpus->words;
	for (int i = 1; i < 9; i++)
	{
		same += cosine(vectors, topics[0][0], topics[0][i]) / 8;
		other += cosine(vectors, topics[0][0], topics[1][i]) / 8;
	}
	CHECK(same > 0.6 && other < same - 0.4,
		  "%s, %d threads: words of one topic are neighbours (%.2f, others %.2f)",
		  model == VECTORS_CBOW ? "cbow" : "skipgram", threads, same, other);
	CHECK(cosine(vectors, "elephant", "elephantt") > 0.8 &&
			  cosine(vectors, "elephantt", "engine") < 0.5,
		  "a misspelling never seen lies near its word (%.2f)",
		  cosine(vectors, "elephant", "elephantt"));
	CHECK(vectors->counts[0] > vectors->counts[1] && vectors->arguments.model == 2 - model &&
			  text_vocabulary_find(vectors->words, "hapax", 5) == TEXT_UNKNOWN_ID,
		  "they bear counts and arguments");
	vectors->words = NULL;
	vectors_free(vectors);
	vectors_trainer_free(trainer);
	nn_pool_destroy(pool);
	free_corpus(corpus);
}

/* ---- resuming ------------------------------------------------------------------------ */

static uint8_t *
save(const vectors_trainer *trainer)
{
	uint64_t size = vectors_trainer_state_size(trainer);
	uint8_t *bytes = malloc(size);

	for (uint64_t from = 0; from < size; from += 1000)
		vectors_trainer_save(trainer, from, size - from < 1000 ? (size_t) (size - from) : 1000,
							 bytes + from);
	return bytes;
}

static em_code
load(vectors_trainer *trainer, const uint8_t *bytes)
{
	uint64_t size = vectors_trainer_state_size(trainer);

	for (uint64_t from = 0; from < size; from += 777)
		vectors_trainer_load(trainer, from, bytes + from,
							 size - from < 777 ? (size_t) (size - from) : 777, &status);
	return vectors_trainer_resume(trainer, &status);
}

static bool
equal(const vectors_trainer *a, const vectors_trainer *b)
{
	return memcmp(a->input, b->input, (size_t) a->rows * 20 * sizeof(real)) == 0 &&
		   memcmp(a->output, b->output, (size_t) a->words * 20 * sizeof(real)) == 0;
}

static void
test_resume(void)
{
	vectors_options options = small_options(VECTORS_SKIPGRAM);
	corpus *corpus = make_corpus(60, 2500);
	vectors_trainer *whole = make_trainer(&options, corpus, NULL);
	vectors_trainer *sliced = make_trainer(&options, corpus, NULL);
	vectors_trainer *resumed = make_trainer(&options, corpus, NULL);
	vectors_trainer *other;
	uint8_t *bytes;

	train(whole);
	sliced->slice_words = 700;
	for (int i = 0; i < 70; i++)
		vectors_trainer_step(sliced, &status);
	bytes = save(sliced);
	CHECK(sliced->epoch == 1 && sliced->text > 0, "stopped in the middle of an epoch");
	train(sliced);
	CHECK(equal(whole, sliced), "with one thread the same bits come of slices of any size");
	CHECK(load(resumed, bytes) == EM_OK, "a fresh trainer takes the state");
	train(resumed);
	CHECK(equal(whole, resumed), "and ends with the same bits as without the interruption");

	options.seed = 2;
	other = make_trainer(&options, corpus, NULL);
	train(other);
	CHECK(!equal(whole, other), "another seed ends elsewhere");
	vectors_trainer_free(other);
	other = make_trainer(&options, corpus, NULL);
	bytes[5000] ^= 1;
	CHECK(load(other, bytes) == EM_CORRUPT, "one bit changed is noticed: %s", status.message);
	bytes[5000] ^= 1;
	CHECK(vectors_trainer_load(other, vectors_trainer_state_size(other), bytes, 1, &status) ==
				  EM_CORRUPT &&
			  vectors_trainer_load(other, UINT64_MAX, bytes, 9, &status) == EM_CORRUPT,
		  "nothing is written beyond the state");
	free(bytes);
	vectors_trainer_free(other);
	vectors_trainer_free(whole);
	vectors_trainer_free(sliced);
	vectors_trainer_free(resumed);
	free_corpus(corpus);
}

/* ---- what is refused, and what fails ------------------------------------------------- */

static bool
stop(void *context)
{
	return --*(int *) context < 0;
}

static void
test_refusals(void)
{
	vectors_options options = small_options(VECTORS_SKIPGRAM);
	corpus *corpus = make_corpus(20, 20);
	struct corpus empty = { 0 };
	text_word_counter *counter;
	vectors_trainer *trainer = NULL;
	int patience = 1;
	long live;

	options.max_n = 2;
	CHECK(vectors_options_check(&options, &status) == EM_INVALID_OPTION, "refused: %s",
		  status.message);
	options = small_options(VECTORS_SKIPGRAM);
	CHECK(vectors_trainer_create(&allocator, &options, corpus->texts, corpus->words, NULL, stop,
								 &patience, &trainer, &status) == EM_CANCELLED,
		  "setting up can be stopped");
	live = check_live;
	for (long at = 1; trainer == NULL; at++)
	{
		check_fail_at = at;
		if (vectors_trainer_create(&allocator, &options, corpus->texts, corpus->words, NULL, NULL,
								   NULL, &trainer, &status) != EM_OK &&
			(status.code != EM_OUT_OF_MEMORY || check_live > live + 1))
			break;
	}
	check_fail_at = 0;
	CHECK(trainer != NULL, "without memory there is an error, and nothing is left behind");
	vectors_trainer_free(trainer);

	samples_create(&allocator, 0, 0, NULL, &empty.texts, &status);
	text_word_counter_create(&allocator, &counter, &status);
	add_text(empty.texts, counter, topics[0], 10, 1);
	text_word_counter_finish(counter, 5, 0, empty.remap, &empty.words, &status);
	text_word_counter_free(counter);
	samples_finish(empty.texts, empty.remap, &status);
	CHECK(vectors_trainer_create(&allocator, &options, empty.texts, empty.words, NULL, NULL, NULL,
								 &trainer, &status) == EM_INVALID_DATA,
		  "refused: %s", status.message);
	samples_free(empty.texts);
	text_vocabulary_free(empty.words);
	free_corpus(corpus);
}

int
main(void)
{
	static const char *const simds[] = { "baseline", "avx2", "avx512" };

	for (int i = 0; i < 3; i++)
	{
		if (!nn_simd_force(simds[i]))
		{
			check_skip(simds[i], "not on this machine");
			continue;
		}
		test_step(simds[i]);
		test_rows(simds[i]);
	}
	nn_simd_force(NULL);
	test_like_plain(VECTORS_SKIPGRAM);
	test_like_plain(VECTORS_CBOW);
	test_learning(VECTORS_SKIPGRAM, 1);
	test_learning(VECTORS_SKIPGRAM, 2);
	test_learning(VECTORS_CBOW, 1);
	test_resume();
	test_refusals();
	CHECK(check_live == 0, "all memory is given back (%ld blocks are not)", check_live);
	return check_done();
}
