/*
 * tiny_model.c
 *	  Writes tiny_model.sql: a model small enough to stand in a test, with weights
 *	  set by hand so that its scores mean something.
 *
 *	  cc -o /tmp/tiny_model test/reference/tiny_model.c src/base.c src/text/[a-z]*.c \
 *	      src/data/[a-z]*.c src/nn/[a-z]*.c src/model/[a-z]*.c -lm -ldl -lpthread
 *	  /tmp/tiny_model > test/reference/tiny_model.sql
 *
 * An embedding has one number per label: how much the word speaks for it. The convolution hands
 * it on, each direction of the LSTM squashes it, and the last layer adds up.
 */
#include "../../src/model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum
{
	LABELS = 4,
	WORDS = 16
};

static char *labels[LABELS] = { "joy", "anger", "sadness", "calm" };

static const struct
{
	const char *word;
	float value[LABELS];
} words[WORDS] = {
	{ "happy", { 2, 0, 0, 0 } },
	{ "love", { 1.5f, 0, 0, 0.25f } },
	{ "thank", { 1, 0, 0, 0.5f } },
	{ "you", { 0, 0, 0, 0.1f } },
	{ "hate", { 0, 2, 0, 0 } },
	{ "angry", { 0, 1.5f, 0, 0 } },
	{ "sad", { 0, 0, 2, 0 } },
	{ "cry", { 0, 0, 1.5f, 0 } },
	{ "miss", { 0, 0, 1, 0.1f } },
	{ "quiet", { 0, 0, 0, 1.5f } },
	{ "evening", { 0, 0, 0, 1 } },
	{ "the", { 0, 0, 0, 0.05f } },
	{ "!", { 0.3f, 0.3f, 0, 0 } },
	{ "\xF0\x9F\x98\x80", { 1.75f, 0, 0, 0 } },
	{ "tr\xC3\xA8s", { 0.2f, 0.2f, 0.2f, 0.2f } },
	{ "i", { 0.05f, 0.05f, 0.05f, 0 } },
};

static void *
allocate(void *context, size_t size)
{
	(void) context;
	return malloc(size);
}

static void
release(void *context, void *pointer)
{
	(void) context;
	free(pointer);
}

static void
fill(const network_layout *layout, const network_tensor *tensor, real *out)
{
	size_t hidden = layout->hidden;

	switch (tensor->kind)
	{
		case TENSOR_CONV_WEIGHT: /* (filters, width * E), width 1: the identity */
			for (size_t i = 0; i < LABELS; i++)
				out[i * LABELS + i] = 1;
			break;
		case TENSOR_LSTM_INPUT: /* (8H, F): only the candidate g sees the input */
			for (size_t direction = 0; direction < 2; direction++)
				for (size_t i = 0; i < hidden; i++)
					out[(direction * 4 * hidden + 2 * hidden + i) * LABELS + i] = 1;
			break;
		case TENSOR_LSTM_BIAS: /* gates open, but for half of what was remembered */
			for (size_t direction = 0; direction < 2; direction++)
				for (size_t i = 0; i < hidden; i++)
				{
					out[direction * 4 * hidden + i] = 4;
					out[direction * 4 * hidden + 3 * hidden + i] = 4;
				}
			break;
		case TENSOR_ATTENTION_WEIGHT: /* (A, 2H): strong words draw attention */
			for (size_t i = 0; i < layout->attention * 2 * hidden; i++)
				out[i] = 1;
			break;
		case TENSOR_ATTENTION_QUERY:
			for (size_t i = 0; i < layout->attention; i++)
				out[i] = 2;
			break;
		case TENSOR_OUTPUT_WEIGHT: /* (L, 2H) */
			for (size_t i = 0; i < LABELS; i++)
				out[i * 2 * hidden + i] = out[i * 2 * hidden + hidden + i] = 4;
			break;
		case TENSOR_OUTPUT_BIAS:
			for (size_t i = 0; i < LABELS; i++)
				out[i] = -3;
			break;
		default:
			break;
	}
}

int
main(void)
{
	em_allocator allocator = { allocate, release, NULL };
	em_status status;
	model_config config;
	model tiny;
	char text[1024] = "";
	float thresholds[LABELS] = { 0.5f, 0.5f, 0.5f, 0.4f };
	real embedding[(WORDS + 1) * LABELS] = { 0 };
	uint8_t *bytes;
	size_t size;

	model_config_default(&config);
	config.embedding_dim = LABELS;
	config.kernel_widths.count = 1;
	config.kernel_widths.values[0] = 1;
	config.filters = LABELS;
	config.hidden = LABELS;
	config.attention = 2;
	for (size_t i = 0; i < WORDS; i++)
	{
		strcat(text, i == 0 ? "" : "\n");
		strcat(text, words[i].word);
		for (size_t j = 0; j < LABELS; j++)
			embedding[(i + 1) * LABELS + j] = words[i].value[j];
	}

	memset(&tiny, 0, sizeof(tiny));
	tiny.allocator = &allocator;
	tiny.labels = labels;
	tiny.thresholds = thresholds;
	tiny.embedding = embedding;
	if (text_vocabulary_load(&allocator, text, strlen(text), &tiny.vocabulary, &status) != EM_OK ||
		network_layout_init(&tiny.layout, &config, WORDS + 1, LABELS, &status) != EM_OK)
	{
		fprintf(stderr, "%s\n", status.message);
		return 1;
	}
	tiny.dense = calloc(tiny.layout.dense, sizeof(real));
	for (size_t i = 0; i < tiny.layout.tensor_count; i++)
		fill(&tiny.layout, &tiny.layout.tensors[i], tiny.dense + tiny.layout.tensors[i].offset);
	if (model_write(&allocator, &tiny, MODEL_F32, &bytes, &size, &status) != EM_OK)
	{
		fprintf(stderr, "%s\n", status.message);
		return 1;
	}
	printf("-- Made by tiny_model.c: a model file in hexadecimal, for emotion_import.\n");
	printf("\\set tiny_model ");
	for (size_t i = 0; i < size; i++)
		printf("%02x", bytes[i]);
	printf("\n");
	return 0;
}
