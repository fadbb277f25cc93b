/*
 * train_size.h
 *	  How large a training is: what it needs of memory, before its rows are known and after.
 */
#ifndef EMOTION_PG_TRAIN_SIZE_H
#define EMOTION_PG_TRAIN_SIZE_H

#include "postgres.h"

#include "../model/encoder.h"
#include "../model/network.h"
#include "train_request.h"
#include "train_rows.h"

/* Settled networks: layout of the first family, or encoder, which is NULL then. */
typedef struct TrainNetwork
{
	const TrainRequest *request;
	const network_layout *layout;
	const encoder_layout *encoder;
} TrainNetwork;

/* Bytes; rows NULL: at least, whatever they are. */
extern uint64 TrainingMemory(const TrainNetwork *network, const TrainRows *rows);

/* Error when it may not have so much, with a hint that helps. */
extern void CheckTrainSize(const TrainNetwork *network, const TrainRows *rows);

#endif /* EMOTION_PG_TRAIN_SIZE_H */
