/*
 * train_request.h
 *	  What emotion_train() is asked to do: its options, parsed and checked.
 */
#ifndef EMOTION_PG_TRAIN_REQUEST_H
#define EMOTION_PG_TRAIN_REQUEST_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "../model/config.h"
#include "../model/trainer.h"

typedef enum TrainObjective
{
	TRAIN_LABELS,
	TRAIN_CUES, /* words of texts without labels, hidden from the network */
} TrainObjective;

/* What only the family roberta has; without a base its network. */
typedef struct TrainEncoder
{
	int layers;
	int hidden;
	int heads;
	int inner;      /* 0: four times hidden */
	int max_tokens; /* 0: those of the base, or TRAIN_ENCODER_TOKENS */
	double hidden_dropout;
	double attention_dropout;
	double classifier_dropout;
	bool hidden_dropout_given, attention_dropout_given, classifier_dropout_given;
	char *tokenizer;     /* model whose tokeniser is used, or NULL */
	int vocabulary_size; /* of a tokeniser that is learned */
} TrainEncoder;

#define TRAIN_ENCODER_TOKENS 128

typedef struct TrainRequest
{
	/* where the rows are */
	char *text_column;
	char *label_column;
	char *split_column; /* NULL: hold out a share instead */
	char *train_split;
	char *dev_split;
	char *weight_column;
	char *dev_source; /* NULL: the development rows come from the source */
	char *soft_column;
	char *transfer_source; /* texts without labels, or NULL */
	char *transfer_text_column;
	char *cue_source; /* labelled rows that choose the words to foresee */
	double holdout;   /* share of the texts held out, when there is neither */

	/* what is made of them */
	char **labels; /* NULL: those of the source; in the database's encoding */
	int label_count;
	int objective;      /* TrainObjective */
	int cues;           /* words to foresee, at most */
	int cue_count;      /* a word seen so often in the unlabelled texts joins the vocabulary */
	double cue_rate;    /* share of their occurrences that is hidden */
	double cue_noise;   /* share of the other words that is hidden */
	char *base;         /* model to begin with, or NULL */
	char *vectors;      /* word vectors to begin with, or NULL */
	int vectors_words;  /* how many of their words join the vocabulary */
	bool dim_given;     /* embedding_dim is one of the options */
	bool dev_given;     /* dev_split, too */
	bool subword_given; /* and dropout_subword */
	char **teachers;    /* models whose scores are learnt; NULL: none */
	int teacher_count;
	double soft_weight; /* share of soft targets beside labels */
	double soft_temperature;
	double transfer_weight;
	char *architecture;
	bool is_encoder; /* it is "roberta" */
	TrainEncoder encoder;
	char *description;
	int storage; /* model_precision */
	model_config config;
	trainer_options trainer;

	/* how it is run: no part of the result */
	int threads; /* 0: as many as maintenance work may use */
	bool resume;
} TrainRequest;

/*
 * Parse options into a request with defaults for the rest; base: the network's, NULL for our own or
 * while the request's base has not been read. Errors name the option.
 */
extern void ParseTrainOptions(const Jsonb *options, const model_config *base,
							  TrainRequest *request);

/*
 * For a resumed training: its request is that of `stored`, the options it began with, which
 * `given` may not contradict but for threads.
 */
extern void ParseResumeOptions(const Jsonb *given, const Jsonb *stored, TrainRequest *request);

#endif /* EMOTION_PG_TRAIN_REQUEST_H */
