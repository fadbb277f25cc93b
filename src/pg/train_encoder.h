/*
 * train_encoder.h
 *	  What a training of the family roberta does in its own way: where its network and its
 *	  tokeniser come from.
 */
#ifndef EMOTION_PG_TRAIN_ENCODER_H
#define EMOTION_PG_TRAIN_ENCODER_H

#include "postgres.h"

#include "../model/encoder_model.h"
#include "../model/model.h"
#include "train_request.h"

/*
 * Read the model that a request names as base or for its tokeniser; NULL when it names none. Reads the
 * registry with the statement's snapshot.
 */
extern model *ReadEncoderSource(const em_allocator *allocator, const TrainRequest *request);

/*
 * The model to be trained, without weights and as of one label; its tokeniser is taken from source (as
 * ReadEncoderSource() left it). Without one it has none yet, and a vocabulary of as many tokens as are asked for.
 */
extern encoder_model *MakeEncoder(const TrainRequest *request, model *source);

/* Learn the tokeniser that it lacks, from the rows of texts. */
extern void LearnEncoderTokenizer(const char *texts, const TrainRequest *request,
								  encoder_model *encoder);

/* Give it its labels. */
extern void SetEncoderLabels(encoder_model *encoder, size_t labels);

#endif /* EMOTION_PG_TRAIN_ENCODER_H */
