/*
 * sample_encoder.h
 *	  Files of small models of the family roberta, and of 8 bits of them.
 */
#ifndef EMOTION_SAMPLE_ENCODER_H
#define EMOTION_SAMPLE_ENCODER_H

#include <stdlib.h>
#include <string.h>

#include "../../src/model/encoder_model.h"
#include "../../src/model/model.h"

/* `head` false: a base. outputs: ENCODER_SIGMOID or ENCODER_SOFTMAX. */
static inline uint8_t *
sample_encoder_file(const em_allocator *allocator, bool head, encoder_outputs outputs,
					model_precision precision, size_t *size)
{
	static const char vocab[] =
		"{\"<s>\": 0, \"<pad>\": 1, \"</s>\": 2, \"<unk>\": 3, \"<mask>\": 4, \"a\": 5,"
		" \"e\": 6, \"i\": 7, \"k\": 8, \"l\": 9, \"n\": 10, \"r\": 11, \"s\": 12, \"u\": 13,"
		" \"\\u0120\": 14, \"un\": 15, \"ik\": 16, \"\\u0120s\": 17}";
	static const char merges[] = "#version: 0.2\nu n\ni k\n\304\240 s\n";
	static const em_slice labels[] = { { "a", 1 }, { "b", 1 }, { "c", 1 } };
	encoder_model *encoder = em_allocate_zeroed(allocator, 1, sizeof(*encoder));
	model made = { .allocator = allocator, .encoder = encoder };
	encoder_config config;
	em_status status;
	uint8_t *file;

	encoder_config_default(&config);
	config.vocab_size = 18;
	config.hidden_size = 20; /* no multiple of what the kernels like */
	config.num_attention_heads = 4;
	config.num_hidden_layers = 2;
	config.intermediate_size = 37;
	config.max_position_embeddings = 24;
	made.layout.labels = head ? 3 : 0;
	made.labels = model_copy_labels(allocator, labels, 3);
	made.thresholds = em_allocate_array(allocator, 3, sizeof(float));
	if (encoder == NULL || made.labels == NULL || made.thresholds == NULL ||
		encoder_layout_init(&encoder->layout, &config, head ? 3 : 1, &status) != EM_OK)
		abort();
	for (int i = 0; i < 3; i++)
		made.thresholds[i] = 0.2F * (float) (i + 1);
	encoder->head = head;
	encoder->outputs = outputs;
	encoder->max_tokens = 20;
	encoder->files.vocab = (em_slice){ vocab, strlen(vocab) };
	encoder->files.merges = (em_slice){ merges, strlen(merges) };
	if (encoder_model_build_tokenizer(allocator, encoder, &status) != EM_OK)
		abort();
	encoder->weights = em_allocate_array(allocator, encoder->layout.total, sizeof(real));
	if (encoder->weights == NULL)
		abort();
	encoder_init(&encoder->layout, 7, NULL, encoder->weights);
	/* larger than fresh ones, so that texts differ in their scores */
	for (size_t i = 0; i < encoder->layout.tensor_count; i++)
	{
		encoder_tensor tensor;

		encoder_tensor_at(&encoder->layout, i, &tensor);
		for (size_t n = 0; tensor.decay && n < tensor.elements; n++)
			encoder->weights[tensor.offset + n] *= 10;
	}
	if (model_write(allocator, &made, precision, &file, size, &status) != EM_OK)
		abort();
	encoder->files.vocab.bytes = encoder->files.merges.bytes = NULL;
	encoder_model_free(allocator, encoder);
	em_release(allocator, made.labels);
	em_release(allocator, made.thresholds);
	return file;
}

#endif /* EMOTION_SAMPLE_ENCODER_H */
