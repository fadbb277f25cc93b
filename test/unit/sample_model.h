/*
 * sample_model.h
 *	  Files of small models, for tests of what is made from files.
 */
#ifndef EMOTION_SAMPLE_MODEL_H
#define EMOTION_SAMPLE_MODEL_H

#include <stdlib.h>
#include <string.h>

#include "../../src/model/encoder_model.h"
#include "../../src/model/model.h"

/* The file of a network whose labels are letters, its words and sizes by `kind`. */
static inline uint8_t *
sample_file(const em_allocator *allocator, const char *letters, int kind, int buckets,
			model_precision precision, size_t *size)
{
	static const char *const words[] = { "the\nsun\nI\nlike", "rain\nsun\n:-)", "I" };
	const char *own = words[kind % 3];
	model made = { .allocator = allocator };
	em_slice labels[8];
	model_config config;
	em_status status;
	uint8_t *file;
	size_t table;

	model_config_default(&config);
	config.embedding_dim = 3 + kind;
	config.kernel_widths = (option_int_list){ 1 + kind % 2, { 2, 3 } };
	config.filters = 4;
	config.hidden = 2 + kind;
	config.attention = 3;
	config.subword_buckets = buckets;
	for (size_t i = 0; letters[i] != '\0'; i++)
		labels[i] = (em_slice){ letters + i, 1 };
	made.labels = model_copy_labels(allocator, labels, strlen(letters));
	made.thresholds = em_allocate_array(allocator, strlen(letters), sizeof(float));
	if (made.labels == NULL || made.thresholds == NULL)
		abort();
	for (size_t i = 0; letters[i] != '\0'; i++)
		made.thresholds[i] = 0.1F * (float) (letters[i] - 'a' + 1);
	if (text_vocabulary_load(allocator, own, strlen(own), &made.vocabulary, &status) != EM_OK ||
		network_layout_init(&made.layout, &config, text_vocabulary_size(made.vocabulary),
							strlen(letters), &status) != EM_OK)
		abort();
	table = made.layout.rows * made.layout.embedding;
	made.embedding = em_allocate_zeroed(allocator, table, sizeof(real));
	made.dense = em_allocate_zeroed(allocator, made.layout.dense, sizeof(real));
	if (made.embedding == NULL || made.dense == NULL)
		abort();
	network_init(&made.layout, (uint64_t) kind, NULL, made.embedding, made.dense);
	/* larger than fresh ones, so that texts differ in their scores */
	for (size_t i = 0; i < table; i++)
		made.embedding[i] = made.embedding[i] * 20 + (real) (i % 7) / 10;
	if (model_write(allocator, &made, precision, &file, size, &status) != EM_OK)
		abort();
	em_release(allocator, made.labels);
	em_release(allocator, made.thresholds);
	text_vocabulary_free(made.vocabulary);
	em_release(allocator, made.embedding);
	em_release(allocator, made.dense);
	return file;
}

/* That of an ensemble of two. */
static inline uint8_t *
sample_ensemble_file(const em_allocator *allocator, size_t *size)
{
	model_member members[2] = { { "abc", NULL, 0, 1 }, { "cab", NULL, 0, 2 } };
	em_status status;
	uint8_t *file;

	members[0].bytes = sample_file(allocator, "abc", 1, 9, MODEL_I8, &members[0].size);
	members[1].bytes = sample_file(allocator, "cab", 3, 0, MODEL_BF16, &members[1].size);
	if (model_join(allocator, members, 2, &file, size, &status) != EM_OK)
		abort();
	for (int i = 0; i < 2; i++)
		em_release(allocator, (void *) (uintptr_t) members[i].bytes);
	return file;
}

/* That of a small model of the family roberta, whose tokeniser knows a few letters. */
static inline uint8_t *
sample_letters_file(const em_allocator *allocator, size_t *size)
{
	static const char tokenizer[] =
		"{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[{\"id\":0,"
		"\"content\":\"<s>\",\"single_word\":false,\"lstrip\":false,"
		"\"rstrip\":false,\"normalized\":true,\"special\":true},"
		"{\"id\":11,\"content\":\"the\",\"single_word\":true,\"lstrip\":true,\"rstrip\":true,"
		"\"normalized\":false,\"special\":false}],\"normalizer\":null,\"pre_tokenizer\":{\"type\":"
		"\"ByteLevel\","
		"\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},"
		"\"post_processor\":{\"type\":\"RobertaProcessing\",\"sep\":[\"</s>\",2],"
		"\"cls\":[\"<s>\",0],\"trim_offsets\":true,\"add_prefix_space\":false},"
		"\"decoder\":null,\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":\"<unk>\","
		"\"continuing_subword_prefix\":null,"
		"\"end_of_word_suffix\":null,\"fuse_unk\":true,\"byte_fallback\":false,"
		"\"ignore_merges\":false,"
		"\"vocab\":{\"<s>\":0,\"<pad>\":1,\"</s>\":2,\"<unk>\":3,\"h\":4,\"e\":5,\"he\":6,"
		"\"\xC4\xA0\":7,\"\xC4\xA0he\":8,\"a\":9,\"aa\":10},"
		"\"merges\":[\"h e\",\"\xC4\xA0 he\"]}}";
	const em_slice labels[2] = { { "a", 1 }, { "b", 1 } };
	model made = { .allocator = allocator };
	encoder_model encoder = { .head = true, .outputs = ENCODER_SIGMOID, .max_tokens = 6 };
	encoder_config config;
	float thresholds[2] = { 0.5F, 0.25F };
	em_status status;
	uint8_t *file;

	encoder_config_default(&config);
	config.vocab_size = 12;
	config.hidden_size = 4;
	config.num_hidden_layers = config.num_attention_heads = 2;
	config.intermediate_size = 3;
	config.max_position_embeddings = 9;
	encoder.files.json = (em_slice){ tokenizer, sizeof(tokenizer) - 1 };
	made.encoder = &encoder;
	made.layout.labels = 2;
	made.thresholds = thresholds;
	made.labels = model_copy_labels(allocator, labels, 2);
	if (made.labels == NULL || encoder_layout_init(&encoder.layout, &config, 2, &status) != EM_OK ||
		encoder_model_build_tokenizer(allocator, &encoder, &status) != EM_OK)
		abort();
	encoder.weights = em_allocate_zeroed(allocator, encoder.layout.total, sizeof(real));
	if (encoder.weights == NULL)
		abort();
	encoder_init(&encoder.layout, 1, NULL, encoder.weights);
	if (model_write(allocator, &made, MODEL_F32, &file, size, &status) != EM_OK)
		abort();
	em_release(allocator, made.labels);
	em_release(allocator, encoder.weights);
	em_release(allocator, encoder.tokenizer);
	return file;
}

#endif /* EMOTION_SAMPLE_MODEL_H */
