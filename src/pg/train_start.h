/*
 * train_start.h
 *	  What a training begins with, besides its rows: models and word vectors of the registry, and what
 *	  its options decide alone. All that is refused here is refused before a row has been read.
 */
#ifndef EMOTION_PG_TRAIN_START_H
#define EMOTION_PG_TRAIN_START_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "../model/encoder_model.h"
#include "../model/model.h"
#include "../model/trainer.h"
#include "../model/vectors.h"
#include "../nn/pool.h"
#include "teachers.h"
#include "train_request.h"

/* Pieces of a training; NULL: there are none. */
typedef struct TrainStart
{
	vectors *vectors;
	model *base;
	encoder_model *encoder; /* of the family roberta: who reads the texts */
	Teachers *teachers;     /* which score in the order of the labels below */
	MemoryContext teachers_context;
	em_slice *labels; /* (label_count) UTF-8; those asked for, or the teachers' */
	int label_count;  /* 0: those of the source */
} TrainStart;

/*
 * Read from the registry, with the statement's snapshot, what a request names; its configuration
 * becomes that of the base or of the vectors. options: the training's, pool: what teachers score on.
 */
extern void LoadTrainStart(const em_allocator *allocator, const Jsonb *options,
						   TrainRequest *request, nn_pool *pool, TrainStart *start);

/* The trainer has it. */
extern void ReleaseTrainStart(TrainStart *start);

/*
 * A fresh trainer's weights become those of the base, or of the vectors, as far as these know words and
 * labels. BeginWithBase returns how many labels the base knows; encoder or layout as the trainer's.
 */
struct TrainRows;
extern size_t BeginWithBase(const TrainStart *start, const struct TrainRows *rows,
							const network_layout *layout, trainer *trainer);
extern void BeginWithVectors(const em_allocator *allocator, const TrainStart *start,
							 const struct TrainRows *rows, const network_layout *layout,
							 const char *name, trainer *trainer);

#endif /* EMOTION_PG_TRAIN_START_H */
