/*
 * encoder_model.c
 *	  A model of the family roberta as a thing.
 */
#include "encoder_model.h"

#include <stdio.h>
#include <string.h>

#include "bpe_file.h"

static bool
same(em_slice text, const char *name)
{
	return text.length == strlen(name) && memcmp(text.bytes, name, text.length) == 0;
}

encoder_outputs
encoder_outputs_named(em_slice name)
{
	return same(name, ENCODER_MULTI_LABEL)    ? ENCODER_SIGMOID
		   : same(name, ENCODER_SINGLE_LABEL) ? ENCODER_SOFTMAX
											  : ENCODER_OUTPUTS_UNKNOWN;
}

const char *
encoder_outputs_name(encoder_outputs outputs)
{
	return outputs == ENCODER_SOFTMAX ? ENCODER_SINGLE_LABEL : ENCODER_MULTI_LABEL;
}

/* Padding stands for no text, and a head reads what is put before a text. */
em_code
encoder_model_check_tokenizer(const encoder_model *encoder, em_status *status)
{
	const text_bpe_rules *rules = text_bpe_get_rules(encoder->tokenizer);
	const encoder_config *config = &encoder->layout.config;
	uint32_t ids = text_bpe_ids(encoder->tokenizer);

	if (ids > (uint32_t) config->vocab_size)
		return em_fail(status, EM_CORRUPT,
					   "the tokeniser has tokens up to %u, but the network's vocabulary ends at %d",
					   ids - 1, config->vocab_size - 1);
	if (rules->pad_id != TEXT_BPE_NO_ID && rules->pad_id != (uint32_t) config->pad_token_id)
		return em_fail(status, EM_CORRUPT,
					   "the tokeniser's token for padding is %u, but \"pad_token_id\" is %d",
					   rules->pad_id, config->pad_token_id);
	if (rules->before_count == 0)
		return em_fail(status, EM_UNSUPPORTED,
					   "the tokeniser puts no token, <s>, before a text, which a head reads");
	if (rules->before_count + rules->after_count > (uint32_t) encoder->max_tokens)
		return em_fail(status, EM_CORRUPT,
					   "the tokeniser puts %u tokens around a text, which has %d at most",
					   rules->before_count + rules->after_count, encoder->max_tokens);
	for (uint32_t i = 0; i < rules->before_count + rules->after_count; i++)
	{
		uint32_t id =
			i < rules->before_count ? rules->before[i] : rules->after[i - rules->before_count];

		if (id == (uint32_t) config->pad_token_id)
			return em_fail(status, EM_CORRUPT,
						   "the tokeniser puts token %u, padding, around a text", id);
	}
	return EM_OK;
}

em_code
encoder_model_build_tokenizer(const em_allocator *allocator, encoder_model *encoder,
							  em_status *status)
{
	const encoder_tokenizer_files *files = &encoder->files;
	em_code code = files->json.bytes != NULL
					   ? bpe_file_read(allocator, files->json, &encoder->tokenizer, status)
					   : bpe_file_read_pair(allocator, files->vocab, files->merges,
											files->add_prefix_space, &encoder->tokenizer, status);

	return code == EM_OK ? encoder_model_check_tokenizer(encoder, status) : code;
}

bool
encoder_model_has_tensor(const encoder_model *model, const encoder_tensor *tensor)
{
	return model->head || (size_t) tensor->stage <= model->layout.layers;
}

uint64_t
encoder_model_parameters(const encoder_model *model)
{
	uint64_t count = 0;

	for (size_t i = 0; i < model->layout.tensor_count; i++)
	{
		encoder_tensor tensor;

		encoder_tensor_at(&model->layout, i, &tensor);
		if (encoder_model_has_tensor(model, &tensor))
			count += tensor.elements;
	}
	return count;
}

void
encoder_model_to_json(const encoder_model *model, char out[ENCODER_MODEL_JSON_MAX])
{
	size_t length = encoder_config_to_json(&model->layout.config, out, ENCODER_CONFIG_JSON_MAX);

	/* in the place of the last brace */
	snprintf(out + length - 1, ENCODER_MODEL_JSON_MAX - length + 1,
			 ", \"max_tokens\": %d, \"problem_type\": %s%s%s}", model->max_tokens,
			 model->head ? "\"" : "", model->head ? encoder_outputs_name(model->outputs) : "null",
			 model->head ? "\"" : "");
}

encoder_weights
encoder_model_weights(const encoder_model *model, em_should_stop should_stop, void *stop_context)
{
	return (encoder_weights){ .block = model->weights,
							  .int8 = model->int8,
							  .should_stop = should_stop,
							  .stop_context = stop_context };
}

void
encoder_model_free(const em_allocator *allocator, encoder_model *model)
{
	if (model == NULL)
		return;
	if (!model->borrowed)
	{
		em_release(allocator, model->tokenizer);
		em_release(allocator, model->weights);
		em_release(allocator, model->rounded_memory);
	}
	em_release(allocator, model->int8);
	em_release(allocator, (void *) model->files.json.bytes);
	em_release(allocator, (void *) model->files.vocab.bytes);
	em_release(allocator, (void *) model->files.merges.bytes);
	em_release(allocator, model);
}
