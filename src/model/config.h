/*
 * config.h
 *	  What a network of the family cnn_bilstm_attention looks like, and how its
 *	  text is read: everything that has to be known to use its weights.
 */
#ifndef EMOTION_MODEL_CONFIG_H
#define EMOTION_MODEL_CONFIG_H

#include "../base.h"
#include "../text/tokenizer.h"
#include "options.h"

#define MODEL_MAX_LABELS 1000
#define MODEL_MAX_LABEL_BYTES 256
#define MODEL_MAX_DIM 2048   /* of the embedding, and of the other layers */
#define MODEL_MAX_SUBWORD 10 /* characters: bounds what an unknown word of 100 bytes costs */
#define MODEL_ARCHITECTURE "cnn_bilstm_attention"
#define MODEL_ENSEMBLE "ensemble" /* an architecture that is several models */

typedef struct model_config
{
	int embedding_dim;             /* E, 1..2048 */
	option_int_list kernel_widths; /* each 1..15; one or more */
	int filters;         /* per kernel width, 1..2048; F = filters * kernel_widths.count */
	int hidden;          /* H per direction, 1..2048 */
	int attention;       /* A, 1..2048 */
	int subword_buckets; /* K: rows for character n-grams, which unknown words are made of */
	int subword_min;     /* characters of an n-gram, '<' and '>' included */
	int subword_max;
	double dropout_subword;   /* a known word's occurrence is read as its n-grams */
	double dropout_word;      /* a whole token's vector is zeroed; all in 0..0.95 */
	double dropout_embedding; /* spatial: a channel of a text is zeroed at every position */
	double dropout_conv;
	double dropout_hidden; /* on the BiLSTM's output */
	double dropout_pooled; /* before the last layer */
	text_options text;
} model_config;

/* The options of model_config by name, text options included; ends with a NULL name. */
extern const option_spec model_config_options[];

void model_config_default(model_config *config);

/* The name that stands for a whole set of text options: a string, "default" or "paper". */
#define MODEL_TEXT_PRESET "text_preset"

/*
 * Set one option by name. *known: whether there is such an option (if not, nothing is done and
 * EM_OK is returned). MODEL_TEXT_PRESET sets all text options: a caller with several
 * options gives it first, so that the others refine it whatever their order.
 */
em_code model_config_set(model_config *config, em_slice name, const option_value *value,
						 bool *known, em_status *status);

/* Ranges, and combinations that ranges alone do not catch: EM_INVALID_OPTION. */
em_code model_config_check(const model_config *config, em_status *status);

/* Whether both read texts in the same way. */
bool model_config_same_text(const model_config *a, const model_config *b);

/* The first option in which they differ, of those that weights depend on: all but dropout. Or NULL. */
const char *model_config_difference(const model_config *a, const model_config *b);

#define MODEL_CONFIG_JSON_MAX 4096

/*
 * The configuration as JSON text, all options, NUL-terminated; returns bytes written without the
 * NUL (room for MODEL_CONFIG_JSON_MAX is enough), 0 when out is too small.
 */
size_t model_config_to_json(const model_config *config, char *out, size_t size);

/*
 * Read what model_config_to_json wrote: unknown and repeated names are refused
 * (EM_INVALID_OPTION), missing ones take the default, text that is no JSON object is EM_CORRUPT.
 * The result passes model_config_check.
 */
em_code model_config_from_json(model_config *config, em_slice json, em_status *status);

#endif /* EMOTION_MODEL_CONFIG_H */
