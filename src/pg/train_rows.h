/*
 * train_rows.h
 *	  Rows of a source -> vocabulary and samples to train on and to hold out.
 */
#ifndef EMOTION_PG_TRAIN_ROWS_H
#define EMOTION_PG_TRAIN_ROWS_H

#include "postgres.h"

#include "../model/bags.h"
#include "../model/encoder_model.h"
#include "../model/model.h"
#include "../model/vectors.h"
#include "../nn/pool.h"
#include "spill.h"
#include "train_request.h"

/* What a network begins as, the first two NULL when it is fresh; pieces of a training. */
typedef struct TrainStart
{
	vectors *vectors;
	model *base;
	const encoder_model *encoder; /* of the family roberta: who reads the texts; else NULL */
} TrainStart;

typedef struct TrainRows
{
	em_slice *labels; /* (label_count) UTF-8 */
	int label_count;
	text_vocabulary *vocabulary; /* NULL of the family roberta */
	bag_list bags; /* of all words known and unknown, when the network has n-grams; else empty */
	samples *train;
	samples *dev;       /* no samples when nothing is held out */
	uint64 skipped;     /* rows of neither split */
	uint64 soft;        /* training texts with soft targets */
	uint64 cues;        /* hash of the rows that chose the words to foresee */
	SpillFile files[3]; /* what train, dev and the rows of cues spilled to */
} TrainRows;

/*
 * Read everything, in the current memory context, of which maintenance_work_mem
 * bounds the token ids; beyond it they go to temporary files, which outlive
 * transactions: CloseTrainRows() removes them. Teachers score on the pool's threads.
 * SPI must be connected.
 */
extern void ReadTrainRows(const char *source, const TrainRequest *request, const TrainStart *start,
						  nn_pool *pool, TrainRows *rows);
extern void CloseTrainRows(TrainRows *rows);

#endif /* EMOTION_PG_TRAIN_ROWS_H */
