/*
 * train_rows.c
 *	  Rows of a source -> vocabulary and samples.
 */
#include "postgres.h"

#include "train_rows.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "../model/model.h"
#include "glue.h"
#include "source.h"

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
	bool all_dev; /* reading dev_source */
	uint64 skipped;
} Reading;

/* ---- spilling: blocks of samples in a temporary file --------------------------------- */

/* A block may lie in any segment of the file; BufFileSeek wants the place as one offset. */
static void
SeekBlock(BufFile *file, size_t block, size_t offset)
{
	off_t at = (off_t) block * SAMPLES_BLOCK_BYTES + (off_t) offset;
	off_t segment = (off_t) 1 << 30; /* what buffile.c cuts files into */

	if (BufFileSeek(file, (int) (at / segment), at % segment, SEEK_SET) != 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not seek in a temporary file of training samples")));
}

static bool
WriteBlock(void *context, size_t block, const void *bytes)
{
	SpillFile *spill = context;
	/* the file's own memory must outlive the row that happens to fill a block */
	MemoryContext before = MemoryContextSwitchTo(spill->context);

	if (spill->file == NULL)
		spill->file = BufFileCreateTemp(true);
	SeekBlock(spill->file, block, 0);
	BufFileWrite(spill->file, unconstify(void *, bytes), SAMPLES_BLOCK_BYTES);
	MemoryContextSwitchTo(before);
	return true;
}

static bool
ReadBlock(void *context, size_t block, size_t offset, void *bytes, size_t length)
{
	SpillFile *spill = context;

	SeekBlock(spill->file, block, offset);
	return BufFileRead(spill->file, bytes, length) == length;
}

/* ---- rows ---------------------------------------------------------------------------- */

/* Whether a text is held out: its own hash decides, so that equal texts are on one side. */
static bool
HeldOut(const TrainRequest *request, const text_tokens *tokens)
{
	uint64 hash =
		samples_hash(tokens, NULL, 0) ^ request->trainer.seed * UINT64CONST(0x9e3779b97f4a7c15);

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
	if (request->split_column)
	{
		if (row->split != NULL && strcmp(row->split, request->train_split) == 0)
			return &reading->train;
		if (row->split != NULL && strcmp(row->split, request->dev_split) == 0)
			return &reading->dev;
		return NULL;
	}
	if (request->dev_source || !HeldOut(request, &reading->tokens))
		return &reading->train;
	return &reading->dev;
}

static void
VisitRow(const SourceRow *row, void *context)
{
	Reading *reading = context;
	text_tokens *tokens = &reading->tokens;
	em_status status;
	Part *part;
	int labels;

	Check(text_tokenize(&reading->request->config.text, row->text.bytes, row->text.length, tokens,
						&status),
		  &status);
	part = PartOfRow(reading, row);
	if (part == NULL)
	{
		reading->skipped++;
		return;
	}
	/* a row may repeat labels; a label more than MODEL_MAX_LABELS times is no use to anyone */
	if (row->label_count > MODEL_MAX_LABELS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("%d labels in row " UINT64_FORMAT " of source \"%s\"",
							   row->label_count, row->number, reading->source->source)));
	labels = FindLabels(reading->labels, reading->source, row, reading->indices);
	if (!em_grow(reading->allocator, (void **) &reading->ids, &reading->ids_capacity,
				 tokens->count + 1, sizeof(uint32)))
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	for (size_t i = 0; i < tokens->count; i++)
		Check(text_word_counter_add(part->counter, tokens->buffer + tokens->tokens[i].normalized,
									tokens->tokens[i].normalized_length, &reading->ids[i], &status),
			  &status);
	Check(samples_add(part->samples, reading->ids, tokens->count, reading->indices, (size_t) labels,
					  (float) row->weight, samples_hash(tokens, reading->indices, (size_t) labels),
					  &status),
		  &status);
}

/* The labels to learn: those asked for, or all of the source. */
static void
ChooseLabels(const Source *source, const TrainRequest *request, TrainRows *rows)
{
	em_status status;

	if (request->labels)
	{
		rows->label_count = request->label_count;
		rows->labels = palloc(sizeof(em_slice) * (Size) rows->label_count);
		for (int i = 0; i < rows->label_count; i++)
			rows->labels[i] = TextAsUtf8(cstring_to_text(request->labels[i]));
	}
	else
	{
		Datum *labels;

		rows->label_count = SourceLabels(source, &labels);
		rows->labels = palloc(sizeof(em_slice) * (Size) Max(rows->label_count, 1));
		for (int i = 0; i < rows->label_count; i++)
			rows->labels[i] = TextAsUtf8(DatumGetTextPP(labels[i]));
		if (rows->label_count == 0)
			ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
							errmsg("source \"%s\" has no row with a label", source->source)));
	}
	Check(model_check_labels(rows->labels, (size_t) rows->label_count, &status), &status);
}

samples_spill
SpillInto(SpillFile *file)
{
	file->context = CurrentMemoryContext;
	return (samples_spill){ WriteBlock, ReadBlock, file };
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

/* Make the vocabulary of the training texts and give both parts its ids. */
static void
FinishRows(Reading *reading, TrainRows *rows)
{
	const trainer_options *options = &reading->request->trainer;
	uint32 *train = MemoryContextAllocHuge(
		CurrentMemoryContext,
		sizeof(uint32) * (text_word_counter_size(reading->train.counter) + 1));
	uint32 *dev = MemoryContextAllocHuge(
		CurrentMemoryContext, sizeof(uint32) * (text_word_counter_size(reading->dev.counter) + 1));
	em_status status;

	Check(text_word_counter_finish(reading->train.counter, (uint64) options->min_count,
								   (uint32) options->max_words, train, &rows->vocabulary, &status),
		  &status);
	text_word_counter_map(reading->dev.counter, rows->vocabulary, dev);
	Check(samples_finish(reading->train.samples, train, &status), &status);
	Check(samples_finish(reading->dev.samples, dev, &status), &status);
	text_word_counter_free(reading->train.counter);
	text_word_counter_free(reading->dev.counter);
	rows->train = reading->train.samples;
	rows->dev = reading->dev.samples;
	rows->skipped = reading->skipped;
}

static Source
SourceOf(const char *name, const TrainRequest *request)
{
	Source source = { 0 };

	source.source = name;
	source.text_column = request->text_column;
	source.label_column = request->label_column;
	source.split_column = request->split_column;
	source.weight_column = request->weight_column;
	source.label_hint = "Option \"labels\" must list every label of the source, when it is given.";
	OpenSource(&source);
	return source;
}

void
ReadTrainRows(const char *name, const TrainRequest *request, TrainRows *rows)
{
	const em_allocator *allocator = ContextAllocator(CurrentMemoryContext);
	Source source = SourceOf(name, request);
	Reading reading = { 0 };

	ChooseLabels(&source, request, rows);
	reading.request = request;
	reading.source = &source;
	reading.allocator = allocator;
	reading.labels = MakeLabelIndex(rows->labels, rows->label_count);
	reading.indices = palloc(sizeof(uint16) * MODEL_MAX_LABELS);
	text_tokens_init(&reading.tokens, allocator);
	MakePart(allocator, rows->label_count, &rows->files[0], &reading.train);
	MakePart(allocator, rows->label_count, &rows->files[1], &reading.dev);

	ScanSource(&source, VisitRow, &reading);
	if (request->dev_source)
	{
		Source dev = SourceOf(request->dev_source, request);

		reading.source = &dev;
		reading.all_dev = true;
		ScanSource(&dev, VisitRow, &reading);
	}
	if (samples_count(reading.train.samples) == 0)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
						errmsg("source \"%s\" has no rows to train on", name),
						request->split_column
							? errhint("Rows to train on are those whose column %s is \"%s\".",
									  quote_identifier(request->split_column), request->train_split)
							: 0));
	text_tokens_free(&reading.tokens);
	FinishRows(&reading, rows);
}

void
CloseTrainRows(TrainRows *rows)
{
	for (size_t i = 0; i < lengthof(rows->files); i++)
		if (rows->files[i].file != NULL)
		{
			BufFileClose(rows->files[i].file);
			rows->files[i].file = NULL;
		}
}
