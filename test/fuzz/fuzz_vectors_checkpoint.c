/*
 * fuzz_vectors_checkpoint.c
 *	  Any bytes as the checkpoint of a training of word vectors, and a checkpoint changed in any
 *	  places with and without a sum that fits: refused with a message, or training goes on from it.
 *
 * Input: how, then bytes. How: even: they are the checkpoint, odd: they are places and bytes
 * (patch); its half: the size of the pieces that are loaded.
 */
#include "fuzz.h"

#include "../../src/model/vectors_trainer_internal.h"

#define WORDS 5

static const uint32_t corpus[][3] = { { 1, 2, 3 }, { 3, 4, 5 }, { 5, 1, 2 }, { 4, 4, 1 } };

static vectors_options options;
static text_vocabulary *words;
static samples *texts;

static void
make_texts(void)
{
	static const char list[] = "joy\nanger\nfear\nlove\ncalm";
	em_status status;

	vectors_options_default(&options);
	options.dim = 3;
	options.window = options.negatives = options.min_count = 1;
	options.epochs = 2;
	options.min_n = options.max_n = 3;
	options.buckets = 4;
	options.sampling = 0;
	require(text_vocabulary_load(&allocator, list, sizeof(list) - 1, &words, &status) == EM_OK);
	require(text_vocabulary_size(words) == WORDS + 1);
	require(samples_create(&allocator, 0, 0, NULL, &texts, &status) == EM_OK);
	for (uint32_t i = 0; i < sizeof(corpus) / sizeof(corpus[0]); i++)
		require(samples_add(texts, corpus[i], 3, NULL, 0, 1, i, &status) == EM_OK);
	require(samples_finish(texts, NULL, &status) == EM_OK);
}

static vectors_trainer *
make_trainer(void)
{
	vectors_trainer *made;
	em_status status;

	require(vectors_trainer_create(&allocator, &options, texts, words, NULL, NULL, NULL, &made,
								   &status) == EM_OK);
	return made;
}

static uint8_t *
save(const vectors_trainer *trainer)
{
	size_t size = (size_t) vectors_trainer_state_size(trainer);
	uint8_t *bytes = malloc(size);

	require(bytes != NULL);
	vectors_trainer_save(trainer, 0, size, bytes);
	return bytes;
}

/* In pieces, the last of which may be one too many. */
static em_code
load(vectors_trainer *trainer, const uint8_t *bytes, size_t size, size_t piece)
{
	uint64_t room = vectors_trainer_state_size(trainer);
	em_code code = EM_OK;

	for (size_t at = 0; at < size && code == EM_OK; at += piece)
	{
		size_t length = size - at < piece ? size - at : piece;
		em_status status;

		code = vectors_trainer_load(trainer, at, bytes + at, length, &status);
		require_reason(code, &status);
		require((code == EM_OK) == (at + length <= room));
	}
	return code;
}

/* What cannot be gone on from is said to be so, now or when the numbers overflow. */
static void
go_on(const uint8_t *bytes, size_t size, size_t piece)
{
	vectors_trainer *trainer = make_trainer();
	em_status status;
	em_code code = load(trainer, bytes, size, piece);

	if (code == EM_OK)
	{
		code = vectors_trainer_resume(trainer, &status);
		require_reason(code, &status);
	}
	if (code == EM_OK)
	{
		uint8_t *again = save(trainer);

		require(size == vectors_trainer_state_size(trainer) && memcmp(again, bytes, size) == 0);
		free(again);
		require(vectors_trainer_finished(trainer) ||
				vectors_trainer_progress(trainer).learning_rate >= 0);
	}
	while (code == EM_OK && !vectors_trainer_finished(trainer))
	{
		code = vectors_trainer_step(trainer, &status);
		require_reason(code, &status);
	}
	if (code == EM_OK)
	{
		vectors *made;

		require(vectors_trainer_progress(trainer).epoch == options.epochs);
		require(vectors_trainer_finish(trainer, &made, &status) == EM_OK);
		require(made->word_count == WORDS);
		vectors_free(made);
	}
	vectors_trainer_free(trainer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t *valid;
	static size_t valid_size;
	em_status status;
	vectors_trainer *trainer;
	uint8_t *bytes;
	size_t piece;

	if (valid == NULL)
	{
		make_texts();
		trainer = make_trainer();
		require(vectors_trainer_step(trainer, &status) == EM_OK);
		valid = save(trainer);
		valid_size = (size_t) vectors_trainer_state_size(trainer);
		vectors_trainer_free(trainer);
		go_on(valid, valid_size, valid_size);
	}
	if (size == 0)
		return 0;
	piece = 1 + data[0] / 2;
	if (data[0] % 2 == 0)
	{
		bytes = exact_copy(data + 1, size - 1);
		go_on(bytes, size - 1, piece);
		free(bytes);
		return 0;
	}
	bytes = exact_copy(valid, valid_size);
	patch(bytes, valid_size, data + 1, size - 1);
	go_on(bytes, valid_size, piece);

	/* The same state with a sum that fits: as a trainer that stands there would save it. */
	trainer = make_trainer();
	require(load(trainer, bytes, valid_size, piece) == EM_OK);
	free(bytes);
	trainer->epoch = (int) trainer->loaded.epoch;
	trainer->text = (size_t) trainer->loaded.text;
	trainer->words_done = trainer->loaded.words_done;
	trainer->pairs = trainer->loaded.pairs;
	trainer->loss = trainer->loaded.loss;
	bytes = save(trainer);
	vectors_trainer_free(trainer);
	go_on(bytes, valid_size, piece);
	free(bytes);
	return 0;
}
