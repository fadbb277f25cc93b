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
#include "spill.h"
#include "train_request.h"
#include "train_start.h"

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

/* Error unless the sources of a request can be read and have their columns; no row of them is. */
extern void CheckTrainSources(const char *source, const TrainRequest *request);

/*
 * Read everything, in the current memory context, of which maintenance_work_mem
 * bounds the token ids; beyond it they go to temporary files, which outlive
 * transactions: CloseTrainRows() removes them. Teachers of the start go
 * when they have scored. SPI must be connected.
 */
extern void ReadTrainRows(const char *source, const TrainRequest *request, TrainStart *start,
						  TrainRows *rows);
extern void CloseTrainRows(TrainRows *rows);

#endif /* EMOTION_PG_TRAIN_ROWS_H */
