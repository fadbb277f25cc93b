/*
 * test_encoder.c
 *	  The encoder's configuration, layout, batches and fresh weights.
 */
#include "check.h"

#include <math.h>

#include "../../src/model/encoder_int8.h"
#include "../../src/nn/activation.h"

static em_status status;

static em_code
read_config(encoder_config *config, const char *json, bool strict)
{
	return encoder_config_from_json(config, (em_slice){ json, strlen(json) }, strict, &status);
}

static void
test_config(void)
{
	/* distilroberta-base's, as published */
	static const char published[] =
		"{\"architectures\": [\"RobertaForMaskedLM\"], \"attention_probs_dropout_prob\": 0.1,"
		"\"bos_token_id\": 0, \"eos_token_id\": 2, \"hidden_act\": \"gelu\","
		"\"hidden_dropout_prob\": 0.2, \"hidden_size\": 768, \"initializer_range\": 0.02,"
		"\"intermediate_size\": 3072, \"layer_norm_eps\": 1e-05,"
		"\"max_position_embeddings\": 514, \"model_type\": \"roberta\","
		"\"num_attention_heads\": 12, \"num_hidden_layers\": 6, \"pad_token_id\": 1,"
		"\"type_vocab_size\": 1, \"classifier_dropout\": null, \"vocab_size\": 50265}";
	encoder_config config, again;
	char json[ENCODER_CONFIG_JSON_MAX];
	encoder_layout layout;

	CHECK(read_config(&config, published, false) == EM_OK && config.hidden_size == 768 &&
			  config.num_hidden_layers == 6 && config.vocab_size == 50265 &&
			  config.layer_norm_eps == 1e-5,
		  "a published config.json is read");
	CHECK(config.classifier_dropout == 0.2, "without classifier_dropout it is the hidden layers'");
	CHECK(encoder_layout_init(&layout, &config, 28, &status) == EM_OK &&
			  layout.total - layout.total % 1000 == 82139000 && layout.longest == 512,
		  "DistilRoBERTa with a head for 28 labels has 82.1 million parameters, texts 512 tokens");
	CHECK(encoder_config_to_json(&config, json, sizeof(json)) > 0 &&
			  read_config(&again, json, true) == EM_OK &&
			  memcmp(&config, &again, sizeof(config)) == 0,
		  "a configuration survives being written and read");
	CHECK(encoder_config_to_json(&config, json, 100) == 0, "too little room is noticed");

	CHECK(read_config(&config, published, true) == EM_INVALID_OPTION &&
			  strcmp(status.message, "unknown option \"architectures\"") == 0,
		  "our own has no unknown options: %s", status.message);
	CHECK(read_config(&config, "{\"model_type\": \"bert\"}", false) == EM_UNSUPPORTED,
		  "another family: %s", status.message);
	CHECK(read_config(&config, "{\"position_embedding_type\": \"relative_key\"}", false) ==
			  EM_UNSUPPORTED,
		  "other positions: %s", status.message);
	CHECK(read_config(&config, "{\"hidden_act\": \"gelu_new\"}", false) == EM_INVALID_OPTION,
		  "another activation: %s", status.message);
	CHECK(read_config(&config, "{\"num_attention_heads\": 7}", true) == EM_INVALID_OPTION,
		  "heads that do not divide the hidden size: %s", status.message);
	CHECK(read_config(&config, "{\"vocab_size\": 1e300}", true) == EM_INVALID_OPTION &&
			  read_config(&config, "{\"layer_norm_eps\": 0}", true) == EM_INVALID_OPTION,
		  "numbers out of range: %s", status.message);
	CHECK(read_config(&config, "{\"hidden_size\": 8, \"hidden_size\": 8}", false) ==
			  EM_INVALID_OPTION,
		  "an option given twice: %s", status.message);
	CHECK(read_config(&config, "{\"pad_token_id\": 600, \"vocab_size\": 500}", true) ==
				  EM_INVALID_OPTION &&
			  read_config(&config, "{\"pad_token_id\": 513}", true) == EM_INVALID_OPTION,
		  "padding that is no token, or leaves no position: %s", status.message);
	CHECK(read_config(&config, "[1]", true) == EM_CORRUPT &&
			  read_config(&config, "{\"hidden_size\": 8", true) == EM_CORRUPT &&
			  read_config(&config, "{\"hidden_size\"", false) == EM_CORRUPT &&
			  read_config(&config, "", false) == EM_CORRUPT &&
			  read_config(&config, "{} x", false) == EM_CORRUPT,
		  "no JSON object: %s", status.message);
	CHECK(
		read_config(&config,
					"{\"vocab_size\": 2000000, \"hidden_size\": 2048, \"num_attention_heads\": 16}",
					true) == EM_OK &&
			encoder_layout_init(&layout, &config, 2, &status) == EM_LIMIT,
		"too many parameters: %s", status.message);
	encoder_config_default(&config);
	CHECK(encoder_layout_init(&layout, &config, 0, &status) == EM_LIMIT &&
			  encoder_layout_init(&layout, &config, 1001, &status) == EM_LIMIT,
		  "labels out of range: %s", status.message);
}

static void
small(encoder_layout *layout)
{
	encoder_config config;

	encoder_config_default(&config);
	config.vocab_size = 30;
	config.hidden_size = 20; /* no multiple of the alignment: gaps */
	config.num_attention_heads = 4;
	config.num_hidden_layers = 3;
	config.intermediate_size = 50;
	config.max_position_embeddings = 12;
	CHECK(encoder_layout_init(layout, &config, 3, &status) == EM_OK, "a small layout");
}

static void
test_layout(void)
{
	encoder_layout layout;
	encoder_tensor tensor;
	size_t end = 0, elements = 0, decayed = 0;
	bool ordered = true, aligned = true;

	small(&layout);
	CHECK(layout.tensor_count == 5 + 3 * 16 + 4, "tensors: %zu", layout.tensor_count);
	for (size_t i = 0; i < layout.tensor_count; i++)
	{
		encoder_tensor_at(&layout, i, &tensor);
		ordered &= tensor.offset >= end && tensor.offset < end + 16;
		aligned &= tensor.offset % 16 == 0 || strstr(tensor.name, ".self.") != NULL;
		end = tensor.offset + tensor.elements;
		elements += tensor.elements;
		decayed += tensor.decay;
		if (i == 5)
			CHECK(strcmp(tensor.name, "roberta.encoder.layer.0.attention.self.key.weight") == 0 &&
					  tensor.rank == 2 && tensor.shape[0] == 20 && tensor.shape[1] == 20 &&
					  tensor.stage == 1 && tensor.decay &&
					  tensor.offset == encoder_place(&layout, 0, ENCODER_QUERY_WEIGHT) + 400,
				  "a key's weight stands behind the query's");
	}
	CHECK(ordered && end == layout.total, "tensors follow each other");
	CHECK(aligned, "tensors are aligned, but for those that are joined");
	CHECK(elements ==
			  30 * 20 + 12 * 20 + 20 + 40 + 3 * (4 * 420 + 50 * 20 * 2 + 70 + 80) + 420 + 3 * 21,
		  "parameters: %zu", elements);
	CHECK(decayed == 3 + 3 * 6 + 2, "matrices and embeddings decay, %zu of them", decayed);
	CHECK(strcmp(tensor.name, "roberta.embeddings.word_embeddings.weight") == 0 &&
			  tensor.stage == 0 && tensor.offset == layout.dense && tensor.shape[0] == 30,
		  "the word embedding is the last");
}

static void
test_batch(void)
{
	static const uint32_t first[] = { 0, 7, 9, 7, 2 }, second[] = { 0, 9, 2 };
	static const uint32_t padding[] = { 0, 1, 2 }, beyond[] = { 0, 30, 2 };
	static const uint32_t longer[12] = { 0 };
	nn_sequence sequences[] = { { first, 5 }, { second, 3 }, { first, 1 } };
	encoder_layout layout;
	encoder_batcher batcher;
	const encoder_batch *batch = &batcher.batch;

	small(&layout);
	CHECK(encoder_batcher_init(&batcher, &check_allocator, &layout, &status) == EM_OK, "a batcher");
	CHECK(encoder_batcher_fill(&batcher, sequences, 3, &status) == EM_OK && batch->texts == 3 &&
			  batch->rows == 9 && batch->longest == 5 && batch->pairs == 35 &&
			  batch->start[1] == 5 && batch->start[2] == 8 && batch->start[3] == 9,
		  "texts stand end to end");
	CHECK(batch->distinct == 4 && batch->ids[0] == 0 && batch->ids[1] == 7 && batch->ids[3] == 2 &&
			  batch->token[3] == 1 && batch->token[6] == 2,
		  "distinct tokens by first appearance");
	CHECK(encoder_batch_take(sequences, 3, 8) == 2 && encoder_batch_take(sequences, 3, 2) == 1 &&
			  encoder_batch_take(sequences, 3, 100) == 3 && encoder_batch_take(NULL, 0, 1) == 0,
		  "a batch is as many texts as have so many tokens, one at least");

	sequences[1] = (nn_sequence){ padding, 3 };
	CHECK(encoder_batcher_fill(&batcher, sequences, 3, &status) == EM_INVALID_DATA &&
			  batch->rows == 0,
		  "padding in a text: %s", status.message);
	sequences[1] = (nn_sequence){ beyond, 3 };
	CHECK(encoder_batcher_fill(&batcher, sequences, 3, &status) == EM_INVALID_DATA,
		  "an id that is no token: %s", status.message);
	sequences[1] = (nn_sequence){ first, 0 };
	CHECK(encoder_batcher_fill(&batcher, sequences, 3, &status) == EM_INVALID_DATA,
		  "a text without tokens: %s", status.message);
	sequences[1] = (nn_sequence){ longer, 11 };
	CHECK(encoder_batcher_fill(&batcher, sequences, 3, &status) == EM_INVALID_DATA,
		  "a text that is too long: %s", status.message);
	sequences[1] = (nn_sequence){ longer, 10 };
	CHECK(encoder_batcher_fill(&batcher, sequences, 3, &status) == EM_OK && batch->distinct == 4,
		  "after errors the next batch is right");
	CHECK(encoder_batcher_fill(&batcher, sequences, 0, &status) == EM_OK && batch->rows == 0,
		  "a batch without texts");
	check_fail_at = 1;
	CHECK(encoder_batcher_fill(
			  &batcher,
			  (nn_sequence[]){ { longer, 10 }, { longer, 10 }, { longer, 10 }, { longer, 10 } }, 4,
			  &status) == EM_OUT_OF_MEMORY,
		  "no memory");
	check_fail_at = 0;
	encoder_batcher_free(&batcher);
	encoder_batcher_free(&batcher);
	CHECK(check_live == 0, "no memory is lost");
}

static void
test_init(void)
{
	const double prior[] = { 0.5, 0.1, 0 };
	encoder_layout layout;
	real *weights, *others;
	double sum = 0, squares = 0, pads = 0;
	size_t count = 400;
	bool same_base, other_head, gaps = true;

	small(&layout);
	weights = malloc(layout.total * sizeof(real));
	others = malloc(layout.total * sizeof(real));
	memset(weights, 0xFF, layout.total * sizeof(real));
	encoder_init(&layout, 42, prior, weights);
	for (size_t i = 0; i < layout.total; i++)
		gaps &= isfinite(weights[i]);
	CHECK(gaps, "everything is set, gaps included");
	for (size_t i = 0; i < count; i++)
	{
		double w = weights[encoder_place(&layout, 1, ENCODER_VALUE_WEIGHT) + i];

		sum += w;
		squares += w * w;
	}
	CHECK(fabs(sum / (double) count) < 0.004 && fabs(sqrt(squares / (double) count) - 0.02) < 0.002,
		  "matrices are normal with deviation 0.02");
	for (size_t i = 0; i < 20; i++)
		pads += fabs(weights[layout.words + 20 + i]) + fabs(weights[layout.position + 20 + i]);
	CHECK(pads == 0 && weights[layout.words] != 0 && weights[layout.position + 40] != 0,
		  "padding has no vector");
	CHECK(weights[layout.embedding_scale] == 1 && weights[layout.embedding_shift] == 0 &&
			  weights[encoder_place(&layout, 2, ENCODER_OUTER_SCALE) + 19] == 1 &&
			  weights[encoder_place(&layout, 2, ENCODER_INNER_BIAS)] == 0,
		  "LayerNorm begins as it is, biases at 0");
	CHECK(weights[layout.output_bias] == 0 &&
			  fabs(weights[layout.output_bias + 1] - log(1.0 / 9)) < 1e-6 &&
			  weights[layout.output_bias + 2] < -10,
		  "the output's bias is the logit of the labels' shares");

	memcpy(others, weights, layout.total * sizeof(real));
	encoder_init_head(&layout, 43, NULL, others);
	same_base = memcmp(weights, others, layout.head_weight * sizeof(real)) == 0 &&
				memcmp(weights + layout.words, others + layout.words,
					   (layout.total - layout.words) * sizeof(real)) == 0;
	other_head = weights[layout.head_weight] != others[layout.head_weight] &&
				 weights[layout.output_weight] != others[layout.output_weight] &&
				 others[layout.output_bias + 1] == 0;
	CHECK(same_base && other_head, "a fresh head leaves the base");
	encoder_init_head(&layout, 42, prior, others);
	CHECK(memcmp(weights, others, layout.total * sizeof(real)) == 0, "a seed gives the same head");
	free(weights);
	free(others);
}

/* What a text scores does not depend on the texts beside it, nor dropout on where it stands. */
static void
test_alone(void)
{
	static const uint32_t ids[][6] = { { 0, 7, 9, 7, 3, 2 }, { 0, 9, 2 }, { 0, 4, 5, 6, 2 } };
	const nn_sequence sequences[] = { { ids[0], 6 }, { ids[1], 3 }, { ids[2], 5 } };
	const uint32_t sample[] = { 70, 71, 72 };
	encoder_layout layout;
	encoder_batcher batcher;
	real *weights, together[9], alone[3];
	double largest[2] = { 0, 0 };

	small(&layout);
	weights = malloc(layout.total * sizeof(real));
	encoder_init(&layout, 5, NULL, weights);
	nn_scale(layout.dense, 3, weights);
	CHECK(encoder_batcher_init(&batcher, &check_allocator, &layout, &status) == EM_OK, "a batcher");
	for (int training = 0; training < 2; training++)
		for (size_t b = 0; b <= 3; b++)
		{
			const encoder_weights view = { .block = weights };
			const encoder_training how = {
				.seed = 9, .epoch = 2, .sample = b == 0 ? sample : sample + b - 1, .frozen = 2
			};
			encoder_pass pass;
			nn_arena arena = { NULL, 0, 0 };

			if (encoder_batcher_fill(&batcher, b == 0 ? sequences : sequences + b - 1,
									 b == 0 ? 3 : 1, &status) != EM_OK)
				return;
			arena.size =
				(encoder_workspace(&layout, &batcher.batch, training ? &how : NULL) + 63) / 64 * 64;
			arena.block = aligned_alloc(NN_ALIGNMENT, arena.size);
			encoder_forward(&layout, &view, &batcher.batch, training ? &how : NULL, &arena, &pass,
							b == 0 ? together : alone);
			for (size_t i = 0; b > 0 && i < 3; i++)
				largest[training] =
					fmax(largest[training], fabs(alone[i] - together[3 * (b - 1) + i]));
			free(arena.block);
		}
	CHECK(largest[0] < 1e-5, "a text scores the same alone and among others");
	CHECK(largest[1] < 1e-5, "dropout is named by the text, not by its place");
	encoder_batcher_free(&batcher);
	free(weights);
}

/* Logits of 8 bits are near those of floats, and nearer to each other whatever the processor. */
static void
test_int8(void)
{
	static const char *const sets[] = { "baseline", "avx2", "avx512" };
	static const uint32_t ids[][6] = { { 0, 7, 9, 7, 3, 2 }, { 0, 9, 2 }, { 0, 4, 5, 6, 2 } };
	const nn_sequence sequences[] = { { ids[0], 6 }, { ids[1], 3 }, { ids[2], 5 } };
	encoder_layout layout;
	encoder_batcher batcher;
	encoder_int8 int8;
	encoder_pass pass;
	real *weights, floats[9], first[9], logits[9];
	void *memory;
	double loss = 0, spread = 0;
	nn_arena arena = { NULL, 0, 0 };
	bool is_first = true;

	small(&layout);
	weights = malloc(layout.total * sizeof(real));
	memory = aligned_alloc(NN_ALIGNMENT, encoder_int8_bytes(&layout));
	encoder_init(&layout, 5, NULL, weights);
	nn_scale(layout.dense, 8, weights);
	encoder_int8_init(&int8, &layout, weights, memory);
	if (encoder_batcher_init(&batcher, &check_allocator, &layout, &status) != EM_OK ||
		encoder_batcher_fill(&batcher, sequences, 3, &status) != EM_OK)
		return;
	arena.size = (encoder_workspace(&layout, &batcher.batch, NULL) + 63) / 64 * 64;
	arena.block = aligned_alloc(NN_ALIGNMENT, arena.size);
	encoder_forward(&layout, &(encoder_weights){ .block = weights }, &batcher.batch, NULL, &arena,
					&pass, floats);
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
	{
		double off = 0;

		if (!nn_simd_force(sets[i]))
			continue;
		arena.used = 0;
		encoder_forward(&layout, &(encoder_weights){ .block = weights, .int8 = &int8 },
						&batcher.batch, NULL, &arena, &pass, logits);
		if (is_first)
			memcpy(first, logits, sizeof(first));
		is_first = false;
		for (size_t j = 0; j < 9; j++)
		{
			loss = fmax(loss, fabs(logits[j] - floats[j]));
			spread = fmax(spread, fabs(floats[j]));
			off = fmax(off, fabs(logits[j] - first[j]));
		}
		/* a last digit may tip an input to the next whole number */
		CHECK(off <= 0.02 * spread, "%s: logits of 8 bits as elsewhere", sets[i]);
		printf("# %.2g\n", off);
	}
	nn_simd_force(NULL);
	CHECK(loss < 0.05 * spread && loss > 0, "logits of 8 bits are near those of floats");
	printf("# %.2g of %.2g\n", loss, spread);
	encoder_batcher_free(&batcher);
	free(arena.block);
	free(memory);
	free(weights);
}

int
main(void)
{
	test_config();
	test_layout();
	test_batch();
	test_init();
	test_alone();
	test_int8();
	CHECK(check_live == 0, "no memory is lost");
	return check_done();
}
