/*
 * train_rows.c
 *	  Rows of a source -> vocabulary and samples.
 */
#include "postgres.h"

#include "train_rows.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "../model/model.h"
#include "../model/vectors_init.h"
#include "../text/sentence.h"
#include "glue.h"
#include "source.h"
#include "train_cues.h"
#include "train_soft.h"

/* Shorter pieces of texts without labels have too little in them to foresee words from. */
#define MIN_SENTENCE 4

/* One of the two sets while it is read. */
typedef struct Part
{
	samples *samples;
	text_word_counter *counter;
} Part;

typedef struct Reading
{
	const TrainRequest *request;
	const Source *source;
	const em_allocator *allocator;
	LabelIndex *labels;
	text_tokens tokens;
	uint32 *ids;
	size_t ids_capacity;
	uint16 *indices; /* (label_count) */
	Part train;
	Part dev;
	bool all_dev;  /* reading dev_source */
	bool transfer; /* reading transfer_source */
	uint64 skipped;
	SoftTargets soft;
	text_options text;
	const encoder_model *encoder; /* NULL: texts are words */
	text_bpe_options bpe;
	text_bpe_encoding encoding;
	TrainCues *cues; /* or NULL */
} Reading;

/* ---- rows ---------------------------------------------------------------------------- */

/* A hash of the text that was read last, and of labels. */
static uint64
HashText(const Reading *reading, const uint16 *labels, size_t count)
{
	return reading->encoder != NULL
			   ? samples_hash_ids(reading->encoding.ids, reading->encoding.count, labels, count)
			   : samples_hash(&reading->tokens, labels, count);
}

/*
 * Whether a text is held out: the hash of its words decides, so that equal texts are on one side, and the same
 * ones whatever kind of network is trained.
 */
static bool
HeldOut(Reading *reading, em_slice text)
{
	const TrainRequest *request = reading->request;
	em_status status;
	uint64 hash;

	if (reading->encoder != NULL)
		Check(text_tokenize_until(&reading->text, text.bytes, text.length, InterruptWanted, NULL,
								  &reading->tokens, &status),
			  &status);
	hash = samples_hash(&reading->tokens, NULL, 0) ^
		   request->trainer.seed * UINT64CONST(0x9e3779b97f4a7c15);
	hash ^= hash >> 33;
	hash *= UINT64CONST(0xff51afd7ed558ccd);
	hash ^= hash >> 33;
	return (double) (hash >> 11) / 9007199254740992.0 < request->holdout;
}

static Part *
PartOfRow(Reading *reading, const SourceRow *row)
{
	const TrainRequest *request = reading->request;

	if (reading->all_dev)
		return &reading->dev;
	if (reading->transfer)
		return &reading->train;
	if (request->split_column)
	{
		if (row->split != NULL && strcmp(row->split, request->train_split) == 0)
			return &reading->train;
		if (row->split != NULL && strcmp(row->split, request->dev_split) == 0)
			return &reading->dev;
		return NULL;
	}
	/* what is evaluated needs labels; hidden words are their own */
	if (request->dev_source || (row->unlabelled && !reading->cues) || !HeldOut(reading, row->text))
		return &reading->train;
	return &reading->dev;
}

static void
GrowIds(Reading *reading, size_t count)
{
	if (!em_grow(reading->allocator, (void **) &reading->ids, &reading->ids_capacity, count + 1,
				 sizeof(uint32)))
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

/* ids = the counter's for each token. */
static void
CountWords(Reading *reading, const text_tokens *tokens, text_word_counter *counter)
{
	em_status status;

	GrowIds(reading, tokens->count);
	for (size_t i = 0; i < tokens->count; i++)
		Check(text_word_counter_add(counter, tokens->buffer + tokens->tokens[i].normalized,
									tokens->tokens[i].normalized_length, &reading->ids[i], &status),
			  &status);
}

static void
ReadText(Reading *reading, em_slice text)
{
	em_status status;

	if (reading->encoder != NULL)
		Check(text_bpe_encode(&reading->bpe, text.bytes, text.length, &reading->encoding, &status),
			  &status);
	else
		Check(text_tokenize_until(&reading->text, text.bytes, text.length, InterruptWanted, NULL,
								  &reading->tokens, &status),
			  &status);
}

/* ids = those of the text that was read last; returns how many. */
static size_t
NumberText(Reading *reading, text_word_counter *counter)
{
	if (reading->encoder == NULL)
	{
		CountWords(reading, &reading->tokens, counter);
		return reading->tokens.count;
	}
	GrowIds(reading, reading->encoding.count);
	memcpy(reading->ids, reading->encoding.ids, reading->encoding.count * sizeof(uint32));
	return reading->encoding.count;
}

/* A text without labels, sentence by sentence. */
static void
AddSentences(Reading *reading, Part *part, float weight)
{
	size_t longest = (size_t) reading->request->config.text.max_tokens;
	em_status status;
	size_t length;

	for (size_t at = 0; (length = text_sentence_length(&reading->tokens, at, longest)) > 0;
		 at += length)
	{
		text_tokens piece = reading->tokens;

		piece.tokens += at;
		piece.count = length;
		if (length < MIN_SENTENCE)
			continue;
		CountWords(reading, &piece, part->counter);
		Check(samples_add(part->samples, reading->ids, length, NULL, 0, weight,
						  samples_hash(&piece, NULL, 0), &status),
			  &status);
	}
}

static void
VisitRow(const SourceRow *row, void *context)
{
	Reading *reading = context;
	em_status status;
	Part *part;
	size_t length;
	int labels;
	uint64 hash;

	ReadText(reading, row->text);
	part = PartOfRow(reading, row);
	if (part == NULL)
	{
		reading->skipped++;
		return;
	}
	if (reading->cues)
	{
		AddSentences(reading, part, (float) row->weight);
		return;
	}
	if (row->unlabelled && row->soft == NULL && reading->soft.teachers == NULL)
		RefuseNullValue(reading->source,
						reading->transfer ? reading->source->soft_column
										  : reading->source->label_column,
						row->number);
	if (row->unlabelled && part == &reading->dev)
		RefuseNullValue(reading->source, reading->source->label_column, row->number);
	/* a row may repeat labels; a label more than MODEL_MAX_LABELS times is no use to anyone */
	if (row->label_count > MODEL_MAX_LABELS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("%d labels in row " UINT64_FORMAT " of source \"%s\"",
							   row->label_count, row->number, reading->source->source)));
	labels = FindLabels(reading->labels, reading->source, row, reading->indices);
	length = NumberText(reading, part->counter);
	hash = HashText(reading, reading->indices, (size_t) labels);
	if (part == &reading->train && (row->soft != NULL || reading->soft.teachers != NULL))
	{
		SoftText text = { reading->ids,
						  length,
						  row->unlabelled ? NULL : reading->indices,
						  labels,
						  (float) (reading->transfer ? reading->request->transfer_weight
													 : row->weight),
						  hash };

		AddSoftText(&reading->soft, &text, reading->source, row);
	}
	else
		Check(samples_add(part->samples, reading->ids, length, reading->indices, (size_t) labels,
						  (float) row->weight, hash, &status),
			  &status);
}

/* The labels to learn: those asked for, the teachers', or all of the source. */
static void
ChooseLabels(const Source *source, const TrainStart *start, TrainRows *rows)
{
	Datum *labels;
	em_status status;

	rows->labels = start->labels;
	rows->label_count = start->label_count;
	if (rows->label_count > 0)
		return;
	rows->label_count = SourceLabels(source, &labels);
	rows->labels = palloc(sizeof(em_slice) * (Size) Max(rows->label_count, 1));
	for (int i = 0; i < rows->label_count; i++)
		rows->labels[i] = TextAsUtf8(DatumGetTextPP(labels[i]));
	if (rows->label_count == 0)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
						errmsg("source \"%s\" has no row with a label", source->source)));
	Check(model_check_labels(rows->labels, (size_t) rows->label_count, &status), &status);
}

static void
MakePart(const em_allocator *allocator, int labels, SpillFile *file, Part *part)
{
	samples_spill spill = SpillInto(file);
	em_status status;

	/* half for each part */
	Check(samples_create(allocator, (size_t) labels, (size_t) maintenance_work_mem * 1024 / 2,
						 &spill, &part->samples, &status),
		  &status);
	Check(text_word_counter_create(allocator, &part->counter, &status), &status);
}

/* The words of the training texts, of cues, of a base or of vectors: whichever there are. */
static text_vocabulary *
MakeVocabulary(const Reading *reading, const TrainStart *start)
{
	const em_allocator *allocator = reading->allocator;
	const TrainRequest *request = reading->request;
	uint64 min_count = (uint64) (reading->cues ? request->cue_count : request->trainer.min_count);
	uint32 max_words = (uint32) request->trainer.max_words;
	text_vocabulary *vocabulary, *own;
	em_status status;

	if (start->base)
	{
		em_slice words = text_vocabulary_words(start->base->vocabulary);

		Check(text_vocabulary_load(allocator, words.bytes, words.length, &vocabulary, &status),
			  &status);
		return vocabulary;
	}
	Check(text_word_counter_finish(reading->train.counter, min_count, max_words, NULL, &vocabulary,
								   &status),
		  &status);
	if (reading->cues)
	{
		own = vocabulary;
		vocabulary = JoinCueWords(reading->cues, request, own);
		text_vocabulary_free(own);
	}
	if (request->vectors_words > 0)
	{
		own = vocabulary;
		Check(vectors_add_words(allocator, start->vectors, &request->config.text,
								(uint32) request->vectors_words, own, &vocabulary, &status),
			  &status);
		text_vocabulary_free(own);
	}
	return vocabulary;
}

/* Settle the vocabulary, bags of the other words, and give both parts ids. */
static void
FinishWords(Reading *reading, const TrainStart *start, TrainRows *rows)
{
	uint32 *train = MemoryContextAllocHuge(
		CurrentMemoryContext,
		sizeof(uint32) * (text_word_counter_size(reading->train.counter) + 1));
	uint32 *dev = MemoryContextAllocHuge(
		CurrentMemoryContext, sizeof(uint32) * (text_word_counter_size(reading->dev.counter) + 1));
	em_status status;

	rows->vocabulary = MakeVocabulary(reading, start);
	text_word_counter_map(reading->train.counter, rows->vocabulary, train);
	text_word_counter_map(reading->dev.counter, rows->vocabulary, dev);
	bag_list_init(&rows->bags, reading->allocator, &reading->request->config,
				  text_vocabulary_size(rows->vocabulary));
	if (reading->request->config.subword_buckets > 0)
	{
		Check(bag_list_add_vocabulary(&rows->bags, rows->vocabulary, &status), &status);
		Check(bag_list_add_unknown(&rows->bags, reading->train.counter, train, &status), &status);
		Check(bag_list_add_unknown(&rows->bags, reading->dev.counter, dev, &status), &status);
	}
	Check(samples_finish(reading->train.samples, train, &status), &status);
	Check(samples_finish(reading->dev.samples, dev, &status), &status);
}

static void
FinishRows(Reading *reading, const TrainStart *start, TrainRows *rows)
{
	em_status status;

	if (reading->encoder == NULL)
		FinishWords(reading, start, rows);
	else
	{
		text_bpe_encoding_free(&reading->encoding);
		Check(samples_finish(reading->train.samples, NULL, &status), &status);
		Check(samples_finish(reading->dev.samples, NULL, &status), &status);
	}
	text_word_counter_free(reading->train.counter);
	text_word_counter_free(reading->dev.counter);
	rows->train = reading->train.samples;
	rows->dev = reading->dev.samples;
	if (reading->cues)
		MaskCues(reading->cues, reading->request, rows);
	rows->skipped = reading->skipped;
	rows->soft = reading->soft.added;
}

static Source
SourceOf(const char *name, const TrainRequest *request)
{
	Source source = { 0 };

	source.source = name;
	source.text_column = request->text_column;
	source.label_column = request->objective == TRAIN_CUES ? NULL : request->label_column;
	source.split_column = request->split_column;
	source.weight_column = request->weight_column;
	source.label_hint =
		request->teachers && !request->labels
			? "The labels learnt are those of the teachers."
			: "Option \"labels\" must list every label of the source, when it is given.";
	return source;
}

/* Rows to train on, which soft targets may give what labels do not. */
static Source
TrainSourceOf(const char *name, const TrainRequest *request)
{
	Source source = SourceOf(name, request);

	source.soft_column = request->soft_column;
	source.labels_optional = request->soft_column || request->teachers;
	OpenSource(&source);
	return source;
}

static Source
TransferSourceOf(const TrainRequest *request)
{
	Source source = { 0 };

	source.source = request->transfer_source;
	source.text_column =
		request->transfer_text_column ? request->transfer_text_column : request->text_column;
	source.soft_column = request->soft_column;
	OpenSource(&source);
	return source;
}

/* There is something to train on, and something to hold out if that was asked for. */
static void
CheckParts(const Reading *reading, const char *name)
{
	const TrainRequest *request = reading->request;

	if (samples_count(reading->train.samples) == 0)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
						errmsg("source \"%s\" has no rows to train on", name),
						request->split_column
							? errhint("Rows to train on are those whose column %s is \"%s\".",
									  quote_identifier(request->split_column), request->train_split)
						: reading->cues ? errhint("Sentences of fewer than %d words are left out.",
												  MIN_SENTENCE)
										: errhint("The source is empty, or all of it is held out: "
												  "see option \"holdout\".")));
	if (request->split_column && request->dev_given && samples_count(reading->dev.samples) == 0)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
						errmsg("source \"%s\" has no rows to hold out", name),
						errhint("Rows held out are those whose column %s is \"%s\"; without option "
								"\"dev_split\" there need not be any.",
								quote_identifier(request->split_column), request->dev_split)));
}

static Source
DevSourceOf(const TrainRequest *request)
{
	Source source = SourceOf(request->dev_source, request);

	OpenSource(&source);
	return source;
}

void
CheckTrainSources(const char *name, const TrainRequest *request)
{
	(void) TrainSourceOf(name, request);
	if (request->transfer_source)
		(void) TransferSourceOf(request);
	if (request->dev_source)
		(void) DevSourceOf(request);
}

void
ReadTrainRows(const char *name, const TrainRequest *request, TrainStart *start, TrainRows *rows)
{
	const em_allocator *allocator = ContextAllocator(CurrentMemoryContext);
	Source source = TrainSourceOf(name, request);
	Reading reading = { 0 };

	reading.request = request;
	OpenSoftTargets(&reading.soft, request, start->teachers, start->teachers_context);
	reading.text = request->config.text;
	if (request->objective == TRAIN_CUES)
	{
		reading.cues = ReadCues(request, &rows->files[2]);
		reading.text.max_tokens = TEXT_MAX_TOKENS;
	}
	else
		ChooseLabels(&source, start, rows);
	reading.source = &source;
	reading.allocator = allocator;
	reading.labels = MakeLabelIndex(rows->labels, rows->label_count);
	reading.indices = palloc(sizeof(uint16) * MODEL_MAX_LABELS);
	text_tokens_init(&reading.tokens, allocator);
	reading.encoder = start->encoder;
	if (reading.encoder != NULL)
	{
		text_bpe_options_default(&reading.bpe);
		reading.bpe.max_length = (size_t) reading.encoder->max_tokens;
		text_bpe_encoding_init(&reading.encoding, allocator, reading.encoder->tokenizer);
	}
	MakePart(allocator, rows->label_count, &rows->files[0], &reading.train);
	MakePart(allocator, rows->label_count, &rows->files[1], &reading.dev);
	reading.soft.samples = reading.train.samples;
	reading.soft.label_count = rows->label_count;

	ScanSource(&source, VisitRow, &reading);
	if (request->transfer_source)
	{
		Source transfer = TransferSourceOf(request);

		reading.source = &transfer;
		reading.transfer = true;
		ScanSource(&transfer, VisitRow, &reading);
		reading.transfer = false;
	}
	CloseSoftTargets(&reading.soft);
	start->teachers = NULL;
	start->teachers_context = NULL;
	if (request->dev_source)
	{
		Source dev = DevSourceOf(request);

		reading.source = &dev;
		reading.all_dev = true;
		ScanSource(&dev, VisitRow, &reading);
	}
	CheckParts(&reading, name);
	text_tokens_free(&reading.tokens);
	FinishRows(&reading, start, rows);
}

void
CloseTrainRows(TrainRows *rows)
{
	for (size_t i = 0; i < lengthof(rows->files); i++)
		CloseSpill(&rows->files[i]);
}
