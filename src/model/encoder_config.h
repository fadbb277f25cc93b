/*
 * encoder_config.h
 *	  What a network of the family roberta looks like: RoBERTa and DistilRoBERTa as
 *	  published (Liu et al. 2019; Sanh et al. 2019), with the names of Hugging Face's
 *	  config.json.
 */
#ifndef EMOTION_MODEL_ENCODER_CONFIG_H
#define EMOTION_MODEL_ENCODER_CONFIG_H

#include "../base.h"
#include "options.h"

#define ENCODER_ARCHITECTURE "roberta"
#define ENCODER_MAX_LAYERS 64

typedef struct encoder_config
{
	int vocab_size;              /* V */
	int hidden_size;             /* D, 1..2048, a multiple of the heads */
	int num_hidden_layers;       /* 1..ENCODER_MAX_LAYERS */
	int num_attention_heads;     /* A, 1..128 */
	int intermediate_size;       /* I, 1..8192 */
	int max_position_embeddings; /* P, 3..8192: texts have at most P - pad_token_id - 1 tokens */
	int type_vocab_size;         /* 1..16; of these the first is used */
	int pad_token_id;            /* below vocab_size; positions begin behind it */
	double layer_norm_eps;
	int hidden_act;             /* 0: "gelu", the exact one */
	double hidden_dropout_prob; /* all in 0..0.95 */
	double attention_probs_dropout_prob;
	double classifier_dropout; /* a JSON without it, or null, means hidden_dropout_prob */
} encoder_config;

/* The options of encoder_config by name; ends with a NULL name. */
extern const option_spec encoder_config_options[];

/* DistilRoBERTa's. */
void encoder_config_default(encoder_config *config);

/* Ranges, and what they do not catch: EM_INVALID_OPTION. */
em_code encoder_config_check(const encoder_config *config, em_status *status);

#define ENCODER_CONFIG_JSON_MAX 2048

/*
 * The configuration as JSON text, all options, NUL-terminated; returns bytes written without the
 * NUL (room for ENCODER_CONFIG_JSON_MAX is enough), 0 when out is too small.
 */
size_t encoder_config_to_json(const encoder_config *config, char *out, size_t size);

/*
 * Read it back; missing options take the default, the result passes encoder_config_check. strict:
 * unknown names are refused (EM_INVALID_OPTION). Otherwise it is a config.json of Hugging Face:
 * unknown names are skipped, but for "model_type", which must be "roberta", and
 * "position_embedding_type", which must be "absolute" (EM_UNSUPPORTED). Repeated names are refused
 * in both, text that is no JSON object is EM_CORRUPT.
 */
em_code encoder_config_from_json(encoder_config *config, em_slice json, bool strict,
								 em_status *status);

#endif /* EMOTION_MODEL_ENCODER_CONFIG_H */
