/*
 * train_cues.c
 *	  Labelled rows choose the words that are hidden in texts without labels.
 */
#include "postgres.h"

#include "train_cues.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "../model/cues.h"
#include "glue.h"
#include "source.h"

/* Words named in the notice. */
#define CUES_SHOWN 12

struct TrainCues
{
	const em_allocator *allocator;
	const TrainRequest *request;
	Source source;
	LabelIndex *labels;
	int label_count;
	uint16 *indices; /* (label_count) */
	text_tokens tokens;
	uint32 *ids;
	size_t ids_capacity;
	text_word_counter *counter;
	samples *samples;
};

static void
VisitCueRow(const SourceRow *row, void *context)
{
	TrainCues *cues = context;
	const TrainRequest *request = cues->request;
	text_tokens *tokens = &cues->tokens;
	em_status status;
	int labels;

	/* held-out rows have no say in what is learnt */
	if (request->split_column &&
		(row->split == NULL || strcmp(row->split, request->train_split) != 0))
		return;
	Check(text_tokenize_until(&request->config.text, row->text.bytes, row->text.length,
							  InterruptWanted, NULL, tokens, &status),
		  &status);
	labels = FindLabels(cues->labels, &cues->source, row, cues->indices);
	if (!em_grow(cues->allocator, (void **) &cues->ids, &cues->ids_capacity, tokens->count + 1,
				 sizeof(uint32)))
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	for (size_t i = 0; i < tokens->count; i++)
		Check(text_word_counter_add(cues->counter, tokens->buffer + tokens->tokens[i].normalized,
									tokens->tokens[i].normalized_length, &cues->ids[i], &status),
			  &status);
	Check(samples_add(cues->samples, cues->ids, tokens->count, cues->indices, (size_t) labels, 1,
					  samples_hash(tokens, cues->indices, (size_t) labels), &status),
		  &status);
}

TrainCues *
ReadCues(const TrainRequest *request, SpillFile *file)
{
	TrainCues *cues = palloc0(sizeof(TrainCues));
	samples_spill spill = SpillInto(file);
	em_slice *labels;
	Datum *names;
	em_status status;

	cues->allocator = ContextAllocator(CurrentMemoryContext);
	cues->request = request;
	cues->source.source = request->cue_source;
	cues->source.text_column = request->text_column;
	cues->source.label_column = request->label_column;
	cues->source.split_column = request->split_column;
	OpenSource(&cues->source);
	cues->label_count = SourceLabels(&cues->source, &names);
	if (cues->label_count == 0)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
						errmsg("source \"%s\" has no row with a label", request->cue_source)));
	labels = palloc(sizeof(em_slice) * (Size) cues->label_count);
	for (int i = 0; i < cues->label_count; i++)
		labels[i] = TextAsUtf8(DatumGetTextPP(names[i]));
	cues->labels = MakeLabelIndex(labels, cues->label_count);
	cues->indices = palloc(sizeof(uint16) * MODEL_MAX_LABELS);
	text_tokens_init(&cues->tokens, cues->allocator);
	Check(text_word_counter_create(cues->allocator, &cues->counter, &status), &status);
	Check(samples_create(cues->allocator, (size_t) cues->label_count,
						 (size_t) maintenance_work_mem * 1024 / 4, &spill, &cues->samples, &status),
		  &status);
	ScanSource(&cues->source, VisitCueRow, cues);
	text_tokens_free(&cues->tokens);
	return cues;
}

text_vocabulary *
JoinCueWords(const TrainCues *cues, const TrainRequest *request, const text_vocabulary *others)
{
	uint32 max_words = (uint32) request->trainer.max_words;
	text_vocabulary *own, *joined;
	em_status status;

	Check(text_word_counter_finish(cues->counter, (uint64) request->trainer.min_count, max_words,
								   NULL, &own, &status),
		  &status);
	Check(text_vocabulary_join(cues->allocator, own, others, max_words, &joined, &status), &status);
	text_vocabulary_free(own);
	return joined;
}

static void
MaskSamples(const TrainRequest *request, const TrainRows *rows, const int32 *label_of,
			samples *samples)
{
	samples_masking masking = { .labels = (size_t) rows->label_count,
								.label_of = label_of,
								.words = text_vocabulary_size(rows->vocabulary),
								.rate = request->cue_rate,
								.noise = request->cue_noise,
								.seed = request->trainer.seed };
	em_status status;

	Check(samples_mask(samples, &masking, InterruptWanted, NULL, &status), &status);
}

void
MaskCues(TrainCues *cues, const TrainRequest *request, TrainRows *rows)
{
	size_t words = text_vocabulary_size(rows->vocabulary);
	uint32 *map = MemoryContextAllocHuge(
		CurrentMemoryContext, sizeof(uint32) * (text_word_counter_size(cues->counter) + 1));
	uint32 *chosen = palloc(sizeof(uint32) * (Size) request->cues);
	int32 *label_of = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int32) * words);
	StringInfoData shown;
	em_status status;
	size_t count;

	text_word_counter_map(cues->counter, rows->vocabulary, map);
	Check(samples_finish(cues->samples, map, &status), &status);
	rows->cues = samples_fingerprint(cues->samples);
	Check(cues_choose(cues->allocator, cues->samples, (size_t) cues->label_count, rows->train,
					  words, (size_t) request->cues, InterruptWanted, NULL, chosen, &count,
					  &status),
		  &status);
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("no word of \"%s\" with something to say about a label is in the texts",
						request->cue_source),
				 errhint("A word must be in %d labelled texts and in %d of the others.",
						 CUES_MIN_LABELLED, CUES_MIN_OTHER)));

	for (size_t id = 0; id < words; id++)
		label_of[id] = -1;
	rows->label_count = (int) count;
	rows->labels = palloc(sizeof(em_slice) * count);
	initStringInfo(&shown);
	for (size_t i = 0; i < count; i++)
	{
		em_slice word = text_vocabulary_word(rows->vocabulary, chosen[i]);

		label_of[chosen[i]] = (int32) i;
		rows->labels[i] = word;
		if (i < CUES_SHOWN)
			appendStringInfo(&shown, "%s%s", i == 0 ? "" : " ",
							 CStringFromUtf8(word.bytes, word.length));
	}
	MaskSamples(request, rows, label_of, rows->train);
	MaskSamples(request, rows, label_of, rows->dev);
	ereport(NOTICE, (errmsg("%s to foresee: %s%s", Counted(count, "word", "words"), shown.data,
							count > CUES_SHOWN ? " ..." : "")));

	samples_free(cues->samples);
	text_word_counter_free(cues->counter);
	pfree(map);
	pfree(chosen);
	pfree(cues);
}
