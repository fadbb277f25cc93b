/*
 * encoder_model.h
 *	  A model of the family roberta, beside the labels and thresholds that every model has.
 */
#ifndef EMOTION_MODEL_ENCODER_MODEL_H
#define EMOTION_MODEL_ENCODER_MODEL_H

#include "../text/bpe.h"
#include "encoder.h"

/* What becomes of the logits, by the names of Hugging Face's "problem_type". */
typedef enum encoder_outputs
{
	ENCODER_OUTPUTS_UNKNOWN,
	ENCODER_SIGMOID, /* any number of labels applies */
	ENCODER_SOFTMAX, /* one label applies: scores sum to 1 */
} encoder_outputs;

#define ENCODER_MULTI_LABEL "multi_label_classification"
#define ENCODER_SINGLE_LABEL "single_label_classification"

/* ENCODER_OUTPUTS_UNKNOWN for any other name. */
encoder_outputs encoder_outputs_named(em_slice name);

/* The name; of a kind that is known. */
const char *encoder_outputs_name(encoder_outputs outputs);

/*
 * The tokeniser's files as Hugging Face publishes them, which the model file keeps: tokenizer.json
 * (json, the others empty), or vocab.json and merges.txt.
 */
typedef struct encoder_tokenizer_files
{
	em_slice json;
	em_slice vocab;
	em_slice merges;
	bool add_prefix_space; /* with vocab and merges only; tokenizer.json says it itself */
} encoder_tokenizer_files;

/* Read-only once made. */
typedef struct encoder_model
{
	encoder_layout layout; /* without a head that of one label, whose last tensors do not count */
	bool head;             /* false: a base, to train from; the model has no labels */
	encoder_outputs outputs;
	int max_tokens; /* of a text, <s> and </s> included; 2..layout.longest */
	text_bpe *tokenizer;
	encoder_tokenizer_files files; /* what the tokeniser was made of; its slices are the model's */
	real *weights;                 /* (layout.total) */
	struct encoder_int8 *int8;     /* NULL, or: a model of 8 bits; what it points into is in */
	void *rounded;                 /* encoder_int8_bytes() */
	void *rounded_memory;          /* what holds that, or NULL */
	bool borrowed; /* all these and the tokeniser are an image's (model_image.h), without files */
} encoder_model;

/*
 * encoder->tokenizer from encoder->files, for layout and max_tokens that are set. EM_CORRUPT and
 * EM_UNSUPPORTED as bpe_file_read; EM_CORRUPT, too, for a token that the vocabulary of the network lacks.
 */
em_code encoder_model_build_tokenizer(const em_allocator *allocator, encoder_model *encoder,
									  em_status *status);

/* The part of it that a tokeniser from elsewhere has to pass. */
em_code encoder_model_check_tokenizer(const encoder_model *encoder, em_status *status);

/* Whether a tensor of the layout is in the model's file: those of the head are not in a base's. */
bool encoder_model_has_tensor(const encoder_model *model, const encoder_tensor *tensor);

/* Numbers learned. */
uint64_t encoder_model_parameters(const encoder_model *model);

/* Room for encoder_model_to_json. */
#define ENCODER_MODEL_JSON_MAX (ENCODER_CONFIG_JSON_MAX + 128)

/* The configuration for people: the network's, problem_type and max_tokens; NUL-terminated. */
void encoder_model_to_json(const encoder_model *model, char out[ENCODER_MODEL_JSON_MAX]);

/* What encoder_forward reads; both others may be NULL. */
encoder_weights encoder_model_weights(const encoder_model *model, em_should_stop should_stop,
									  void *stop_context);

/* NULL is allowed. */
void encoder_model_free(const em_allocator *allocator, encoder_model *model);

#endif /* EMOTION_MODEL_ENCODER_MODEL_H */
