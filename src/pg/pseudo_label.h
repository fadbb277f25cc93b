/*
 * pseudo_label.h
 *	  What emotion_pseudo_label() is asked to do, and which texts and labels it
 *	  believes.
 */
#ifndef EMOTION_PG_PSEUDO_LABEL_H
#define EMOTION_PG_PSEUDO_LABEL_H

#include "postgres.h"

#include "portability/instr_time.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "../text/tokenizer.h"
#include "cache.h"
#include "source.h"

/* What became of a row; the words stand in column outcome. */
typedef enum Outcome
{
	OUTCOME_LABELLED,
	OUTCOME_UNSURE,   /* no label reached its cut, or (strict) one fell between threshold and cut */
	OUTCOME_NO_TEXT,  /* null */
	OUTCOME_LENGTH,   /* too short, too long, too few words */
	OUTCOME_LANGUAGE, /* too few known words or ASCII letters */
	OUTCOME_DUPLICATE, /* the same words as a row before */
	OUTCOME_POLARITY,  /* a label contradicts the polarity column */
	OUTCOMES,
} Outcome;

extern const char *const outcome_words[OUTCOMES];

typedef struct PseudoLabelRequest
{
	char *key_column; /* NULL: the table's primary key */
	char *polarity_column;
	int batch_size;
	int min_length; /* characters */
	int max_length; /* 0: any */
	int min_words;
	double min_known; /* share of words that the model knows; 0: any */
	double min_ascii; /* share of letters that are ASCII; 0: any */
	bool duplicates;  /* leave them out */
	bool strict;
	double min_confidence; /* NaN: the model's thresholds */
	Jsonb *thresholds;     /* label: cut, or NULL */
	Jsonb *polarity;       /* label: polarity, or NULL */
} PseudoLabelRequest;

extern void ParsePseudoLabelOptions(const Jsonb *options, PseudoLabelRequest *request);

/* The cut of each label of a model, (L); infinity: never believed. Errors name unknown labels. */
extern float *ConfidenceCuts(const PseudoLabelRequest *request, const CachedModel *cached);

/* The polarity of each label, (L): -1, 0 (goes with anything) or 1. */
extern int8 *LabelPolarities(const PseudoLabelRequest *request, const CachedModel *cached);

/* The polarity that a column's value says; an error for what says none. */
extern int ParsePolarity(const char *value);

/* Length and language: OUTCOME_LABELLED when nothing speaks against the text. */
extern Outcome FilterText(const PseudoLabelRequest *request, const CachedModel *cached,
						  em_slice text, text_tokens *tokens);

/* The fingerprints of texts so far: open addressing, 0 is free. */
typedef struct FingerprintSet
{
	MemoryContext context;
	uint64 *slots;
	uint64 mask;
	uint64 count;
} FingerprintSet;

typedef struct PseudoLabelling
{
	PseudoLabelRequest request;
	ModelReference model;
	Source source;
	char *key;    /* expression over alias source */
	char *target; /* quoted, with its schema */
	Oid target_oid;
	float *cuts;      /* (L) */
	int8 *polarities; /* (L) */
	FingerprintSet seen;
	text_tokens tokens;
	MemoryContext batch_context;
	int64 todo;
	int64 done;
	int64 outcomes[OUTCOMES];
	TimestampTz began;
	TimestampTz noticed;
	bool estimated; /* what the whole will take has been told, or is not worth it */
	instr_time measured_from;
	double scored_seconds; /* until then: in scoring */
} PseudoLabelling;

/* Parallel arrays of a batch, as they go into the INSERT. */
typedef struct Batch
{
	int rows;
	Datum *key;
	text **body; /* NULL: null */
	Datum *text_value;
	Datum *labels; /* literals */
	Datum *scores;
	Datum *confidence;
	Datum *fingerprint;
	Datum *outcome;
	bool *no_text;
	bool *no_labels;
	bool *no_scores;
	bool *no_confidence;
	bool *no_fingerprint;
} Batch;

/* False when it was there. */
extern bool AddFingerprint(FingerprintSet *set, uint64 fingerprint);

/* Of so many rows, of which nothing is known yet. */
extern Batch MakeBatch(int rows);

/* Decide about every row, key and body of which are set, scoring those that no filter keeps out. */
extern void DecideBatch(PseudoLabelling *p, Batch *batch, const int *polarity);

/*
 * Tell once how long the call will take, if that is long: as soon as scoring alone has taken long
 * enough to tell, or when a batch is done (`whole`), `rows` of the call having been decided.
 */
extern void EstimatePseudoLabels(PseudoLabelling *p, int64 rows, bool whole);

/* A notice of progress, now and then. */
extern void NoticePseudoLabels(PseudoLabelling *p);

/* This call's row in emotion.pseudo_labelling, made and brought up to date. */
extern void LogPseudoLabelling(const PseudoLabelling *p);
extern void LogPseudoLabels(const PseudoLabelling *p);

/* Insert the rows into the target. */
extern void WriteBatch(const PseudoLabelling *p, const Batch *batch);

#endif /* EMOTION_PG_PSEUDO_LABEL_H */
