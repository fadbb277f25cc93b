/*
 * vectors_request.h
 *	  What emotion_train_vectors() is asked to do: its options, parsed and checked.
 */
#ifndef EMOTION_PG_VECTORS_REQUEST_H
#define EMOTION_PG_VECTORS_REQUEST_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "../model/config.h"
#include "../model/vectors_trainer.h"

typedef struct VectorsRequest
{
	vectors_options vectors;
	model_config config; /* of which the text options count */

	/* how it is run: no part of the result */
	int threads; /* 0: as many as maintenance work may use */
	bool resume;
} VectorsRequest;

/* Parse options into a request with defaults for the rest. Errors name the option. */
extern void ParseVectorsOptions(const Jsonb *options, VectorsRequest *request);

/*
 * For a resumed training: its request is that of `stored`, the options it began with, which
 * `given` may not contradict but for threads.
 */
extern void ParseVectorsResume(const Jsonb *given, const Jsonb *stored, VectorsRequest *request);

#endif /* EMOTION_PG_VECTORS_REQUEST_H */
