/*
 * fuzz_text.c
 *	  libFuzzer target of the tokeniser and the vocabulary: the first four
 *	  bytes choose the options, the rest is the text.
 *
 *	  clang -fsanitize=fuzzer,address,undefined src/base.c src/text/(all).c test/fuzz/fuzz_text.c
 */
#include "fuzz.h"

#include "../../src/text/vocabulary.h"
#include "../unit/text_invariants.h"

static text_options
options_from(const uint8_t *data)
{
	text_options options;

	options.lowercase = data[0] & 1;
	options.split_hashtags = data[0] >> 1 & 1;
	options.fold_apostrophes = data[0] >> 2 & 1;
	options.split_contractions = data[0] >> 3 & 1;
	options.collapse_punctuation = data[0] >> 4 & 1;
	options.emoji = data[0] >> 5 & 1;
	options.punctuation = data[0] >> 6 & 1;
	options.ascii_only = data[0] >> 7 & 1;
	options.urls = (text_action) (data[1] % 3);
	options.mentions = (text_action) (data[1] / 3 % 3);
	options.numbers = (text_action) (data[1] / 9 % 3);
	options.max_repeat = data[2] % 5;
	options.max_tokens = data[3] == 0 ? 100000 : data[3];
	return options;
}

/* The tokens counted make a vocabulary that finds each of them and can be loaded again. */
static void
check_vocabulary(const text_tokens *tokens)
{
	text_word_counter *counter;
	text_vocabulary *vocabulary;
	text_vocabulary *again;
	em_slice words;
	uint32_t id;

	require(text_word_counter_create(&allocator, &counter, NULL) == EM_OK);
	for (size_t i = 0; i < tokens->count; i++)
		require(text_word_counter_add(counter, tokens->buffer + tokens->tokens[i].normalized,
									  tokens->tokens[i].normalized_length, &id, NULL) == EM_OK);
	require(text_word_counter_finish(counter, 1, 0, NULL, &vocabulary, NULL) == EM_OK);
	require(text_vocabulary_size(vocabulary) == text_word_counter_size(counter) + 1);
	words = text_vocabulary_words(vocabulary);
	require(text_vocabulary_load(&allocator, words.bytes, words.length, &again, NULL) == EM_OK);
	for (size_t i = 0; i < tokens->count; i++)
	{
		const char *word = tokens->buffer + tokens->tokens[i].normalized;
		size_t length = tokens->tokens[i].normalized_length;
		em_slice found;

		id = text_vocabulary_find(again, word, length);
		require(id != TEXT_UNKNOWN_ID && id == text_vocabulary_find(vocabulary, word, length));
		found = text_vocabulary_word(again, id);
		require(found.length == length && memcmp(found.bytes, word, length) == 0);
	}
	text_vocabulary_free(again);
	text_vocabulary_free(vocabulary);
	text_word_counter_free(counter);
}

/* Any bytes are refused or make a vocabulary that finds its own words. */
static void
check_loading(const char *bytes, size_t length)
{
	text_vocabulary *vocabulary;

	if (text_vocabulary_load(&allocator, bytes, length, &vocabulary, NULL) != EM_OK)
	{
		require(vocabulary == NULL);
		return;
	}
	for (uint32_t id = 1; id < text_vocabulary_size(vocabulary); id++)
	{
		em_slice word = text_vocabulary_word(vocabulary, id);

		require(text_vocabulary_find(vocabulary, word.bytes, word.length) == id);
	}
	text_vocabulary_free(vocabulary);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	text_options options;
	text_tokens tokens;
	text_tokens few;
	const char *text = (const char *) data + 4;

	if (size < 4)
		return 0;
	size -= 4;
	options = options_from(data);
	text_tokens_init(&tokens, &allocator);
	require(text_tokenize(&options, text, size, &tokens, NULL) == EM_OK);
	require(text_broken_invariant(&options, text, size, &tokens) == NULL);
	check_vocabulary(&tokens);
	check_loading(text, size);

	/* fewer tokens are the first ones of many */
	text_tokens_init(&few, &allocator);
	if (options.max_tokens > 3)
		options.max_tokens = 3;
	require(text_tokenize(&options, text, size, &few, NULL) == EM_OK);
	require(few.count == tokens.count || (few.count == 3 && few.truncated));
	for (size_t i = 0; i < few.count; i++)
	{
		require(few.tokens[i].start == tokens.tokens[i].start);
		require(few.tokens[i].length == tokens.tokens[i].length);
		require(few.tokens[i].normalized_length == tokens.tokens[i].normalized_length);
	}
	require(few.count == 0 || memcmp(few.buffer, tokens.buffer, few.buffer_length) == 0);
	text_tokens_free(&few);
	text_tokens_free(&tokens);
	return 0;
}
