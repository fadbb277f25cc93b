/*
 * train_cues.h
 *	  The words that a network learns to foresee in texts without labels.
 */
#ifndef EMOTION_PG_TRAIN_CUES_H
#define EMOTION_PG_TRAIN_CUES_H

#include "postgres.h"

#include "train_rows.h"

typedef struct TrainCues TrainCues;

/* Read the labelled rows of request->cue_source that are to train on. */
extern TrainCues *ReadCues(const TrainRequest *request, SpillFile *file);

/* Their words seen at least min_count times, and behind them those of `others`: max_words at most. */
extern text_vocabulary *JoinCueWords(const TrainCues *cues, const TrainRequest *request,
									 const text_vocabulary *others);

/*
 * Choose words of rows->vocabulary, which become rows->labels, and hide them in rows->train and
 * rows->dev. Releases the cues.
 */
extern void MaskCues(TrainCues *cues, const TrainRequest *request, TrainRows *rows);

#endif /* EMOTION_PG_TRAIN_CUES_H */
