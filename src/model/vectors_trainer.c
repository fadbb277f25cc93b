/*
 * vectors_trainer.c
 *	  Setting up the training of word vectors, and its slices.
 */
#include "vectors_trainer_internal.h"

#include <math.h>
#include <string.h>

#include "../text/subword.h"

/*
 * Multiplications that a slice may cost each thread, by a rough count: some tens of milliseconds.
 */
#define SLICE_WORK 4e8

/* Texts read or counted at a time. */
#define READ_TEXTS 256

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

/* Read `count` texts from `first` on. */
static em_code
read_texts(vectors_trainer *trainer, size_t first, size_t count, nn_sequence *sequences,
		   em_status *status)
{
	uint32_t numbers[READ_TEXTS];

	for (size_t i = 0; i < count; i++)
		numbers[i] = (uint32_t) (first + i);
	return samples_read(trainer->texts, numbers, count, sequences, NULL, NULL, status);
}

static em_code
count_words(vectors_trainer *trainer, em_should_stop should_stop, void *context, em_status *status)
{
	size_t count = samples_count(trainer->texts);
	bool pair = false;

	for (size_t first = 0; first < count; first += READ_TEXTS)
	{
		nn_sequence texts[READ_TEXTS];
		size_t n = count - first < READ_TEXTS ? count - first : READ_TEXTS;
		em_code code = read_texts(trainer, first, n, texts, status);

		if (code != EM_OK)
			return code;
		if (should_stop != NULL && should_stop(context))
			return em_fail(status, EM_CANCELLED, "stopped while counting words");
		for (size_t i = 0; i < n; i++)
		{
			uint64_t before = trainer->tokens;

			for (uint32_t j = 0; j < texts[i].length; j++)
				if (texts[i].ids[j] != TEXT_UNKNOWN_ID)
				{
					trainer->counts[texts[i].ids[j] - 1]++;
					trainer->tokens++;
				}
			pair = pair || trainer->tokens - before >= 2;
		}
	}
	if (!pair || trainer->words < 2)
	{
		em_fail(status, EM_INVALID_DATA,
				"there is no text of two words that occur at least %d times",
				trainer->options.min_count);
		em_hint(status, "Option \"min_count\" says how often a word must occur.");
		return EM_INVALID_DATA;
	}
	return EM_OK;
}

/* A probability as the number of 32 random bits below which it comes true. */
static uint32_t
as_threshold(double probability)
{
	return probability >= 1 ? UINT32_MAX : (uint32_t) (probability * 0x1p32);
}

/* A word of share f stays with probability sqrt(t / f) + t / f, as in word2vec's and fastText's code. */
static void
make_keep(vectors_trainer *trainer)
{
	double sampling = trainer->options.sampling;

	for (uint32_t i = 0; i < trainer->words; i++)
	{
		double share = sampling * (double) trainer->tokens / (double) trainer->counts[i];

		trainer->keep[i] = sampling > 0 ? as_threshold(sqrt(share) + share) : UINT32_MAX;
	}
}

/* Vose's method; `weight` and `stack` (W) are scratch. */
static void
make_slots(vectors_trainer *trainer, double *weight, uint32_t *stack)
{
	uint32_t words = trainer->words;
	uint32_t small = 0;     /* stack[0..small): words whose weight is below 1 */
	uint32_t large = words; /* stack[large..W): the others */
	double sum = 0;

	for (uint32_t i = 0; i < words; i++)
		sum += sqrt((double) trainer->counts[i]);
	for (uint32_t i = 0; i < words; i++)
	{
		weight[i] = sqrt((double) trainer->counts[i]) * words / sum;
		if (weight[i] < 1)
			stack[small++] = i;
		else
			stack[--large] = i;
		trainer->slots[i] = (vectors_slot){ UINT32_MAX, i };
	}
	while (small > 0 && large < words)
	{
		uint32_t less = stack[--small];
		uint32_t more = stack[large];

		trainer->slots[less] = (vectors_slot){ as_threshold(weight[less]), more };
		weight[more] -= 1 - weight[less];
		if (weight[more] < 1)
		{
			large++;
			stack[small++] = more;
		}
	}
}

static em_code
make_tables(vectors_trainer *trainer, em_status *status)
{
	double *weight = em_allocate_array(trainer->allocator, trainer->words, sizeof(double));
	uint32_t *stack = em_allocate_array(trainer->allocator, trainer->words, sizeof(uint32_t));

	if (weight != NULL && stack != NULL)
	{
		make_keep(trainer);
		make_slots(trainer, weight, stack);
	}
	em_release(trainer->allocator, weight);
	em_release(trainer->allocator, stack);
	return weight != NULL && stack != NULL ? EM_OK : out_of_memory(status);
}

/* N-grams of a word, as many as there are: into out when that is not NULL. */
static size_t
ngrams_of(const vectors_options *options, em_slice word, uint32_t *out, size_t capacity)
{
	return text_subwords(word.bytes, word.length, options->min_n, options->max_n,
						 (uint32_t) options->buckets, out, capacity);
}

/*
 * The mean of n rows moves by sum m^2 / n times what is added to each occurrence of them, m being
 * how often a row is there: once as a rule.
 */
static real
response_of(const uint32_t *rows, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			sum += rows[i] == rows[j];
	return (real) sum / (real) n;
}

static em_code
make_rows(vectors_trainer *trainer, const text_vocabulary *words, em_should_stop should_stop,
		  void *context, em_status *status)
{
	const vectors_options *options = &trainer->options;
	uint64_t total = 0;

	for (uint32_t i = 0; i < trainer->words; i++)
	{
		trainer->row_starts[i] = total;
		total += 1 + ngrams_of(options, text_vocabulary_word(words, i + 1), NULL, 0);
	}
	trainer->row_starts[trainer->words] = total;
	trainer->row_ids = em_allocate_array(trainer->allocator, total, sizeof(uint32_t));
	if (trainer->row_ids == NULL)
		return out_of_memory(status);
	for (uint32_t i = 0; i < trainer->words; i++)
	{
		uint32_t *rows = trainer->row_ids + trainer->row_starts[i];
		size_t n = (size_t) (trainer->row_starts[i + 1] - trainer->row_starts[i]);

		if (i % 4096 == 0 && should_stop != NULL && should_stop(context))
			return em_fail(status, EM_CANCELLED, "stopped before training");
		rows[0] = i;
		ngrams_of(options, text_vocabulary_word(words, i + 1), rows + 1, n - 1);
		for (size_t j = 1; j < n; j++)
			rows[j] += trainer->words;
		trainer->response[i] = response_of(rows, n);
	}
	return EM_OK;
}

/* Input rows uniform in -1/D..1/D, output rows zero. */
static em_code
make_weights(vectors_trainer *trainer, em_should_stop should_stop, void *context, em_status *status)
{
	size_t dim = (size_t) trainer->options.dim;
	uint64_t random = trainer->options.seed;

	for (uint64_t row = 0; row < trainer->rows; row++)
	{
		real *to = trainer->input + row * dim;

		if (row % 4096 == 0 && should_stop != NULL && should_stop(context))
			return em_fail(status, EM_CANCELLED, "stopped before training");
		for (size_t i = 0; i < dim; i++)
			to[i] = (real) ((double) (vectors_random(&random) >> 11) * 0x1p-52 - 1) / (real) dim;
	}
	return EM_OK;
}

static size_t
slice_words(const vectors_trainer *trainer)
{
	const vectors_options *options = &trainer->options;
	double pairs = options->model == VECTORS_SKIPGRAM ? options->window + 1 : 1;
	double work = options->dim * (pairs * (1 + options->negatives) * 3 + 40.0);
	double words = SLICE_WORK / work;

	words = words < VECTORS_PIECE ? VECTORS_PIECE : words > 100000 ? 100000 : words;
	return (size_t) words * (size_t) nn_pool_threads(trainer->pool);
}

static bool
allocate(vectors_trainer *trainer)
{
	const em_allocator *allocator = trainer->allocator;
	uint32_t words = trainer->words;
	size_t dim = (size_t) trainer->options.dim;

	trainer->counts = em_allocate_zeroed(allocator, words, sizeof(uint64_t));
	trainer->keep = em_allocate_array(allocator, words, sizeof(uint32_t));
	trainer->slots = em_allocate_array(allocator, words, sizeof(vectors_slot));
	trainer->row_starts = em_allocate_array(allocator, (size_t) words + 1, sizeof(uint64_t));
	trainer->response = em_allocate_array(allocator, words, sizeof(real));
	trainer->input = em_allocate_array(allocator, trainer->rows, dim * sizeof(real));
	trainer->output = em_allocate_zeroed(allocator, (size_t) words * dim, sizeof(real));
	return trainer->counts != NULL && trainer->keep != NULL && trainer->slots != NULL &&
		   trainer->row_starts != NULL && trainer->response != NULL && trainer->input != NULL &&
		   trainer->output != NULL;
}

em_code
vectors_trainer_create(const em_allocator *allocator, const vectors_options *options,
					   samples *texts, const text_vocabulary *words, nn_pool *pool,
					   em_should_stop should_stop, void *stop_context, vectors_trainer **out,
					   em_status *status)
{
	vectors_trainer *trainer;
	em_code code = vectors_options_check(options, status);

	*out = NULL;
	if (code != EM_OK)
		return code;
	trainer = em_allocate_zeroed(allocator, 1, sizeof(*trainer));
	if (trainer == NULL)
		return out_of_memory(status);
	trainer->allocator = allocator;
	trainer->options = *options;
	if (options->max_n == 0)
		trainer->options.buckets = 0;
	trainer->texts = texts;
	trainer->pool = pool;
	trainer->words = text_vocabulary_size(words) - 1;
	trainer->rows = (uint64_t) trainer->words + (uint64_t) trainer->options.buckets;
	trainer->slice_words = slice_words(trainer);
	if (trainer->words > 0 && !allocate(trainer))
		code = out_of_memory(status);
	if (code == EM_OK)
		code = count_words(trainer, should_stop, stop_context, status);
	if (code == EM_OK)
		code = make_tables(trainer, status);
	if (code == EM_OK)
		code = make_rows(trainer, words, should_stop, stop_context, status);
	if (code == EM_OK)
		code = make_weights(trainer, should_stop, stop_context, status);
	if (code != EM_OK)
	{
		vectors_trainer_free(trainer);
		return code;
	}
	*out = trainer;
	return EM_OK;
}

void
vectors_trainer_free(vectors_trainer *trainer)
{
	const em_allocator *allocator;

	if (trainer == NULL)
		return;
	allocator = trainer->allocator;
	em_release(allocator, trainer->counts);
	em_release(allocator, trainer->keep);
	em_release(allocator, trainer->slots);
	em_release(allocator, trainer->row_starts);
	em_release(allocator, trainer->row_ids);
	em_release(allocator, trainer->response);
	em_release(allocator, trainer->input);
	em_release(allocator, trainer->output);
	em_release(allocator, trainer->slice);
	em_release(allocator, trainer->pieces);
	em_release(allocator, trainer);
}

double
vectors_rate(const vectors_trainer *trainer, uint64_t words_done)
{
	double done = trainer->epoch + (double) words_done / (double) trainer->tokens;

	return trainer->options.learning_rate * (1 - done / trainer->options.epochs);
}

/* The generator of a piece: its own, whatever was drawn before. */
static uint64_t
piece_random(const vectors_trainer *trainer, size_t text, uint32_t from)
{
	uint64_t state = trainer->options.seed;

	state = vectors_random(&state) ^ (uint64_t) (trainer->epoch + 1);
	state = vectors_random(&state) ^ (uint64_t) text;
	state = vectors_random(&state) ^ from;
	return vectors_random(&state);
}

/* Add the known words of a text to the slice, in pieces. */
static em_code
add_text(vectors_trainer *trainer, size_t text, const nn_sequence *sequence, size_t *used,
		 em_status *status)
{
	size_t first = *used;

	if (!em_grow(trainer->allocator, (void **) &trainer->slice, &trainer->slice_capacity,
				 first + sequence->length, sizeof(uint32_t)) ||
		!em_grow(trainer->allocator, (void **) &trainer->pieces, &trainer->pieces_capacity,
				 trainer->piece_count + sequence->length / VECTORS_PIECE + 1,
				 sizeof(vectors_piece)))
		return out_of_memory(status);
	for (uint32_t i = 0; i < sequence->length; i++)
		if (sequence->ids[i] != TEXT_UNKNOWN_ID)
			trainer->slice[(*used)++] = sequence->ids[i] - 1;
	for (size_t at = first; at < *used; at += VECTORS_PIECE)
	{
		vectors_piece *piece = &trainer->pieces[trainer->piece_count++];

		piece->first = at;
		piece->length = (uint32_t) (*used - at < VECTORS_PIECE ? *used - at : VECTORS_PIECE);
		piece->random = piece_random(trainer, text, (uint32_t) (at - first));
		piece->words_done = trainer->words_done;
		trainer->words_done += piece->length;
	}
	return EM_OK;
}

static em_code
fill_slice(vectors_trainer *trainer, em_status *status)
{
	size_t count = samples_count(trainer->texts);
	size_t used = 0;

	trainer->piece_count = 0;
	while (trainer->text < count && used < trainer->slice_words)
	{
		nn_sequence texts[READ_TEXTS];
		size_t n = count - trainer->text < READ_TEXTS ? count - trainer->text : READ_TEXTS;
		size_t words = 0;
		size_t taken = 0;
		em_code code;

		/* by the length of the texts, which rests: where a slice ends must not depend on luck */
		while (taken < n && used + words < trainer->slice_words)
			words += samples_length(trainer->texts, trainer->text + taken++);
		code = read_texts(trainer, trainer->text, taken, texts, status);
		for (size_t i = 0; code == EM_OK && i < taken; i++)
			code = add_text(trainer, trainer->text + i, &texts[i], &used, status);
		if (code != EM_OK)
			return code;
		trainer->text += taken;
	}
	return EM_OK;
}

static void
train_piece(void *context, size_t index)
{
	vectors_trainer *trainer = context;

	vectors_train_piece(trainer, &trainer->pieces[index]);
}

em_code
vectors_trainer_step(vectors_trainer *trainer, em_status *status)
{
	em_code code;

	if (trainer->text == 0)
	{
		trainer->loss = 0;
		trainer->pairs = 0;
	}
	code = fill_slice(trainer, status);
	if (code != EM_OK)
		return code;
	nn_pool_run(trainer->pool, trainer->piece_count, train_piece, trainer);
	for (size_t i = 0; i < trainer->piece_count; i++)
	{
		trainer->loss += trainer->pieces[i].loss;
		trainer->pairs += trainer->pieces[i].pairs;
	}
	if (!isfinite(trainer->loss))
	{
		em_fail(status, EM_INVALID_DATA, "training diverged in epoch %d", trainer->epoch + 1);
		em_hint(status, "Lower option \"learning_rate\".");
		return EM_INVALID_DATA;
	}
	if (trainer->text == samples_count(trainer->texts))
	{
		trainer->epoch++;
		trainer->text = 0;
		trainer->words_done = 0;
	}
	return EM_OK;
}

bool
vectors_trainer_finished(const vectors_trainer *trainer)
{
	return trainer->epoch >= trainer->options.epochs;
}

vectors_progress
vectors_trainer_progress(const vectors_trainer *trainer)
{
	double outputs = (double) trainer->pairs * (1 + trainer->options.negatives);

	return (vectors_progress){
		.epoch = trainer->epoch,
		.words = trainer->tokens,
		.words_done = trainer->words_done,
		.pairs = trainer->pairs,
		.loss = trainer->pairs > 0 ? trainer->loss / outputs : 0,
		.learning_rate = vectors_rate(trainer, trainer->words_done),
	};
}

em_code
vectors_trainer_finish(vectors_trainer *trainer, vectors **out, em_status *status)
{
	const vectors_options *options = &trainer->options;
	vectors *result;

	*out = NULL;
	if (sizeof(real) != sizeof(float))
		return em_fail(status, EM_UNSUPPORTED, "vectors are kept in single precision");
	result = em_allocate_zeroed(trainer->allocator, 1, sizeof(*result));
	if (result == NULL)
		return out_of_memory(status);
	result->allocator = trainer->allocator;
	result->dim = (uint32_t) options->dim;
	result->word_count = trainer->words;
	result->buckets = result->bucket_rows = (uint32_t) options->buckets;
	result->min_n = options->buckets > 0 ? options->min_n : 0;
	result->max_n = options->buckets > 0 ? options->max_n : 0;
	result->arguments = (vectors_arguments){
		.window = options->window,
		.epochs = options->epochs,
		.min_count = options->min_count,
		.negatives = options->negatives,
		.word_ngrams = 1,
		.loss = 2,
		.model = options->model == VECTORS_CBOW ? 1 : 2,
		.rate_update = 100,
		.sampling = options->sampling,
		.tokens = (int64_t) trainer->tokens,
	};
	result->counts = trainer->counts;
	result->input = (float *) (void *) trainer->input;
	result->output = (float *) (void *) trainer->output;
	trainer->counts = NULL;
	trainer->input = trainer->output = NULL;
	*out = result;
	return EM_OK;
}
