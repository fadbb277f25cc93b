/*
 * calibrate.h
 *	  What the calibration functions share with the picture of it.
 */
#ifndef EMOTION_PG_CALIBRATE_H
#define EMOTION_PG_CALIBRATE_H

#include "postgres.h"

#include "../data/reliability.h"

/* Of one label, or of all together. */
typedef struct Reliability
{
	const char *label; /* UTF-8; NULL: all */
	data_reliability figures;
	data_reliability_bin *bins;
} Reliability;

/* All labels together first, then each; as the model has them and, or NULL, calibrated. */
typedef struct ReliabilityPicture
{
	const char *title;
	int bin_count;
	int count;
	const Reliability *before;
	const Reliability *after;
} ReliabilityPicture;

extern text *DrawReliability(const ReliabilityPicture *picture);

#endif /* EMOTION_PG_CALIBRATE_H */
