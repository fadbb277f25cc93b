/*
 * test_pretraining.c
 *	  What a training on texts without labels needs besides cues: sentences, vocabularies
 *	  joined, and a network that begins as another.
 */
#include "check.h"

#include "../../src/model/base_model.h"
#include "../../src/text/sentence.h"

#define TEXT_BYTES 1000

/* Lengths of the pieces of a text, as "5 3". */
static const char *
pieces_of(const char *text, size_t longest)
{
	static char lengths[TEXT_BYTES];
	text_options options;
	text_tokens tokens;
	size_t used = 0, length;

	text_options_default(&options);
	text_tokens_init(&tokens, &check_allocator);
	(void) text_tokenize(&options, text, strlen(text), &tokens, NULL);
	lengths[0] = '\0';
	for (size_t at = 0; (length = text_sentence_length(&tokens, at, longest)) > 0; at += length)
		used += (size_t) snprintf(lengths + used, sizeof(lengths) - used, "%s%zu",
								  used == 0 ? "" : " ", length);
	text_tokens_free(&tokens);
	return lengths;
}

static void
check_pieces(const char *text, size_t longest, const char *expected)
{
	const char *found = pieces_of(text, longest);

	CHECK(strcmp(found, expected) == 0, "\"%s\" in pieces of at most %zu: %s", text, longest,
		  found);
}

static void
test_sentences(void)
{
	check_pieces("", 100, "");
	check_pieces("one two three", 100, "3");
	check_pieces("one two three four . five six seven eight ! nine", 100, "5 5 1");
	check_pieces("oh . no ! one two . three", 100, "7 1");
	check_pieces("one two three four ?! five six", 100, "5 2");
	check_pieces("one two three four ; five six", 100, "7");
	check_pieces("one two three four five six seven", 3, "3 3 1");
	check_pieces("one two three four . five", 5, "5 1");
	check_pieces(". . . . . . .", 100, "5 2");
	check_pieces("one two", 1, "1 1");
}

static text_vocabulary *
load_words(const char *words)
{
	text_vocabulary *made;

	if (text_vocabulary_load(&check_allocator, words, strlen(words), &made, NULL) != EM_OK)
		abort();
	return made;
}

static void
check_join(const char *first, const char *second, uint32_t max_words, const char *expected)
{
	text_vocabulary *a = load_words(first);
	text_vocabulary *b = load_words(second);
	text_vocabulary *joined;
	em_slice words;

	CHECK(text_vocabulary_join(&check_allocator, a, b, max_words, &joined, NULL) == EM_OK,
		  "vocabularies join");
	words = text_vocabulary_words(joined);
	CHECK(words.length == strlen(expected) && memcmp(words.bytes, expected, words.length) == 0,
		  "%zu and %zu words, %u at most (0: no limit), are the right ones",
		  (size_t) text_vocabulary_size(a) - 1, (size_t) text_vocabulary_size(b) - 1, max_words);
	text_vocabulary_free(joined);
	text_vocabulary_free(a);
	text_vocabulary_free(b);
}

static void
test_join(void)
{
	text_vocabulary *a = load_words("sun\nrain");
	text_vocabulary *b = load_words("rain\nwind");
	text_vocabulary *joined = NULL;
	em_code code = EM_OUT_OF_MEMORY;
	long live = check_live, n = 0;

	check_join("", "", 0, "");
	check_join("", "sun\nrain", 0, "sun\nrain");
	check_join("sun\nrain", "", 0, "sun\nrain");
	check_join("sun\nrain", "rain\nwind\nsun\nsuns\nsu", 0, "sun\nrain\nwind\nsuns\nsu");
	check_join("sun\nrain", "rain\nwind\nsnow", 3, "sun\nrain\nwind");
	check_join("sun\nrain", "wind", 2, "sun\nrain");
	check_join("sun\nrain", "wind", 1, "sun\nrain");
	CHECK(text_vocabulary_join(&check_allocator, a, b, 0, &joined, NULL) == EM_OK &&
			  text_vocabulary_find(joined, "rain", 4) == 2 &&
			  text_vocabulary_find(joined, "wind", 4) == 3,
		  "the first's words keep their ids");
	text_vocabulary_free(joined);
	while (code == EM_OUT_OF_MEMORY && check_live == live)
	{
		check_fail_at = ++n;
		code = text_vocabulary_join(&check_allocator, a, b, 0, &joined, NULL);
		check_fail_at = 0;
	}
	CHECK(code == EM_OK && n > 2, "each of %ld allocations may fail", n - 1);
	text_vocabulary_free(joined);
	text_vocabulary_free(a);
	text_vocabulary_free(b);
}

/* ---- beginning as another model ------------------------------------------------------ */

/* A network of three words and seven rows of n-grams, with a label per letter. */
static void
make_layout(const char *letters, network_layout *layout)
{
	model_config config;

	model_config_default(&config);
	config.embedding_dim = 3;
	config.kernel_widths = (option_int_list){ 2, { 2, 3 } };
	config.filters = 2;
	config.hidden = 2;
	config.attention = 3;
	config.subword_buckets = 7;
	if (network_layout_init(layout, &config, 4, strlen(letters), NULL) != EM_OK)
		abort();
}

static const network_tensor *
find_tensor(const network_layout *layout, network_tensor_kind kind)
{
	const network_tensor *tensor = layout->tensors;

	while (tensor->kind != kind)
		tensor++;
	return tensor;
}

static void
test_copy(void)
{
	static const em_slice base_labels[] = { { "a", 1 }, { "b", 1 }, { "c", 1 } };
	static const em_slice labels[] = { { "c", 1 }, { "new", 3 }, { "a", 1 }, { "", 0 } };
	static const int there[] = { 2, -1, 0, -1 };
	model base = { .allocator = &check_allocator };
	network_layout layout;
	real *embedding, *dense;
	const network_tensor *from, *to;
	size_t rows, wrong = 0, width;

	make_layout("abc", &base.layout);
	make_layout("c?a?", &layout);
	rows = layout.rows * layout.embedding;
	CHECK(rows == (4 + 7) * 3, "words and n-grams have rows");
	base.labels = model_copy_labels(&check_allocator, base_labels, 3);
	base.embedding = em_allocate_array(&check_allocator, rows, sizeof(real));
	base.dense = em_allocate_array(&check_allocator, base.layout.dense, sizeof(real));
	embedding = em_allocate_zeroed(&check_allocator, rows, sizeof(real));
	dense = em_allocate_array(&check_allocator, layout.dense, sizeof(real));
	for (size_t i = 0; i < rows; i++)
		base.embedding[i] = (real) i + 1;
	for (size_t i = 0; i < base.layout.dense; i++)
		base.dense[i] = (real) i + 1000;
	for (size_t i = 0; i < layout.dense; i++)
		dense[i] = -1;

	CHECK(base_model_copy(&base, &layout, labels, embedding, dense) == 2, "two labels are known");
	CHECK(memcmp(embedding, base.embedding, rows * sizeof(real)) == 0,
		  "the rows of words and n-grams are the base's");
	for (size_t i = 0; i < layout.tensor_count; i++)
	{
		to = &layout.tensors[i];
		from = &base.layout.tensors[i];
		if (to->kind != TENSOR_OUTPUT_WEIGHT && to->kind != TENSOR_OUTPUT_BIAS)
			wrong += to->elements != from->elements ||
					 memcmp(dense + to->offset, base.dense + from->offset,
							to->elements * sizeof(real)) != 0;
	}
	CHECK(wrong == 0, "so are all layers but the last");
	to = find_tensor(&layout, TENSOR_OUTPUT_WEIGHT);
	from = find_tensor(&base.layout, TENSOR_OUTPUT_WEIGHT);
	width = 2 * layout.hidden;
	for (size_t label = 0; label < 4; label++)
		for (size_t i = 0; i < width; i++)
			wrong +=
				dense[to->offset + label * width + i] !=
				(there[label] < 0 ? -1
								  : base.dense[from->offset + (size_t) there[label] * width + i]);
	to = find_tensor(&layout, TENSOR_OUTPUT_BIAS);
	from = find_tensor(&base.layout, TENSOR_OUTPUT_BIAS);
	for (size_t label = 0; label < 4; label++)
		wrong += dense[to->offset + label] !=
				 (there[label] < 0 ? -1 : base.dense[from->offset + (size_t) there[label]]);
	CHECK(wrong == 0,
		  "labels known by name keep their row wherever it was, others stay as they are");
	em_release(&check_allocator, base.labels);
	em_release(&check_allocator, base.embedding);
	em_release(&check_allocator, base.dense);
	em_release(&check_allocator, embedding);
	em_release(&check_allocator, dense);
}

static void
test_difference(void)
{
	model_config a, b;

	model_config_default(&a);
	b = a;
	b.dropout_pooled = 0.9;
	b.dropout_word = 0.1;
	CHECK(model_config_difference(&a, &b) == NULL, "dropout makes no other network");
	b.text.max_tokens++;
	CHECK(strcmp(model_config_difference(&a, &b), "text_max_tokens") == 0, "how text is read does");
	b.kernel_widths.values[0]++;
	CHECK(strcmp(model_config_difference(&a, &b), "kernel_widths") == 0,
		  "the first that differs is named");
}

int
main(void)
{
	test_sentences();
	test_join();
	test_copy();
	test_difference();
	CHECK(check_live == 0, "nothing is left");
	return check_done();
}
