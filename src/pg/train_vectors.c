/*
 * train_vectors.c
 *	  CALL emotion_train_vectors(): read the texts, turn the trainer's crank, commit progress and
 *	  checkpoints, publish.
 *
 * Everything that must outlive the commits lives in one memory context below the portal's. When
 * that goes, for whatever reason, its callback ends the threads and closes the temporary file.
 */
#include "postgres.h"

#include <inttypes.h>

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/resowner.h"

#include "glue.h"
#include "procedure.h"
#include "registry.h"
#include "source.h"
#include "spill.h"
#include "train_memory.h"
#include "vectors_log.h"
#include "vectors_registry.h"
#include "vectors_request.h"

/* How often other sessions are told how far it is. */
#define TELL_SECONDS 0.5

/*
 * A checkpoint is written when an epoch ends or so long after the last one, but not before so many
 * times what that took have gone by: large vectors trained on little text would spend their time on
 * checkpoints.
 */
#define CHECKPOINT_SECONDS 60.0
#define CHECKPOINT_PATIENCE 10.0

/* Who cancels waits for a checkpoint that takes less than this; before the first, by bytes. */
#define CANCEL_PATIENCE 0.5
#define CHECKPOINT_SPEED 1e8

typedef struct Training
{
	const em_allocator *allocator;
	const char *name;
	const char *source;
	const char *text_column;
	Jsonb *options; /* as they were given at the beginning */
	VectorsRequest request;

	samples *texts;
	SpillFile file;
	text_vocabulary *vocabulary;
	nn_pool *pool;
	vectors_trainer *trainer;

	/* when something was done last, and what it took */
	instr_time told;
	instr_time checkpoint;
	double checkpoint_took;
	instr_time epoch_began;
	uint64 epoch_from; /* words of the epoch done when this call began it */
} Training;

static void
ReleaseTraining(void *argument)
{
	Training *training = argument;

	nn_pool_destroy(training->pool);
	training->pool = NULL;
	CloseSpill(&training->file);
}

/* ---- reading ------------------------------------------------------------------------- */

typedef struct Reading
{
	const Training *training;
	text_word_counter *counter;
	text_tokens tokens;
	uint32 *ids;
	size_t ids_capacity;
} Reading;

static void
VisitRow(const SourceRow *row, void *context)
{
	Reading *reading = context;
	const Training *training = reading->training;
	text_tokens *tokens = &reading->tokens;
	em_status status;

	Check(text_tokenize_until(&training->request.config.text, row->text.bytes, row->text.length,
							  InterruptWanted, NULL, tokens, &status),
		  &status);
	if (!em_grow(training->allocator, (void **) &reading->ids, &reading->ids_capacity,
				 tokens->count + 1, sizeof(uint32)))
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	for (size_t i = 0; i < tokens->count; i++)
		Check(text_word_counter_add(reading->counter, tokens->buffer + tokens->tokens[i].normalized,
									tokens->tokens[i].normalized_length, &reading->ids[i], &status),
			  &status);
	Check(samples_add(training->texts, reading->ids, tokens->count, NULL, 0, 1,
					  samples_hash(tokens, NULL, 0), &status),
		  &status);
}

static void
ReadTexts(Training *training)
{
	const em_allocator *allocator = training->allocator;
	const vectors_options *options = &training->request.vectors;
	Source source = { .source = training->source,
					  .text_column = training->text_column,
					  .text_argument = true };
	samples_spill spill = SpillInto(&training->file);
	Reading reading = { .training = training };
	em_status status;
	uint32 *remap;

	OpenSource(&source);
	Check(samples_create(allocator, 0, (size_t) maintenance_work_mem * 1024, &spill,
						 &training->texts, &status),
		  &status);
	Check(text_word_counter_create(allocator, &reading.counter, &status), &status);
	text_tokens_init(&reading.tokens, allocator);
	ScanSource(&source, VisitRow, &reading);
	if (samples_count(training->texts) == 0)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
						errmsg("source \"%s\" has no rows to train on", training->source),
						errhint("Word vectors want texts of millions of words.")));
	remap = MemoryContextAllocHuge(CurrentMemoryContext,
								   sizeof(uint32) * (text_word_counter_size(reading.counter) + 1));
	Check(text_word_counter_finish(reading.counter, (uint64) options->min_count,
								   (uint32) options->max_words, remap, &training->vocabulary,
								   &status),
		  &status);
	text_word_counter_free(reading.counter);
	text_tokens_free(&reading.tokens);
	Check(samples_finish(training->texts, remap, &status), &status);
}

/* ---- training ------------------------------------------------------------------------ */

static void
MakeTrainer(Training *training)
{
	const vectors_options *options = &training->request.vectors;
	uint32 words = text_vocabulary_size(training->vocabulary) - 1;
	uint64 numbers = (words + (options->max_n > 0 ? (uint64) options->buckets : 0)) * options->dim;
	uint64 bytes = vectors_trainer_memory(options, words) +
				   SavingMemory(numbers, numbers + (uint64) words * options->dim);
	em_status status;

	CheckTrainingMemory(
		bytes, 0, "lower \"dim\", \"buckets\" or \"max_words\", or raise \"min_count\"", NULL);
	ereport(
		NOTICE,
		(errmsg("training word vectors \"%s\" on %s, %s, %u different ones seen %d times or more, "
				"%s, " UINT64_FORMAT " MB of memory",
				training->name, Counted(samples_count(training->texts), "text", "texts"),
				Counted(samples_tokens(training->texts), "word", "words"), words,
				options->min_count,
				Counted((uint64) ThreadsFor(training->request.threads), "thread", "threads"),
				(bytes + (1 << 20) - 1) >> 20)));
	Check(nn_pool_create(training->allocator, ThreadsFor(training->request.threads),
						 &training->pool, &status),
		  &status);
	Check(vectors_trainer_create(training->allocator, options, training->texts,
								 training->vocabulary, training->pool, InterruptWanted, NULL,
								 &training->trainer, &status),
		  &status);
}

/* Go on from the checkpoint. */
static void
Resume(const Training *training)
{
	vectors_progress progress;

	if (!ReadVectorsCheckpoint(training->name, training->trainer))
	{
		ereport(NOTICE, (errmsg("there is no checkpoint yet: beginning again")));
		return;
	}
	progress = vectors_trainer_progress(training->trainer);
	ereport(NOTICE, (errmsg("going on after epoch %d of %d and %.1f %% of the next", progress.epoch,
							training->request.vectors.epochs,
							100.0 * (double) progress.words_done / (double) progress.words)));
}

static double
WordsPerSecond(const Training *training, uint64 words_done)
{
	return (double) (words_done - training->epoch_from) / SecondsSince(training->epoch_began);
}

static void
Tell(Training *training, double words_per_second)
{
	vectors_progress progress = vectors_trainer_progress(training->trainer);

	LogVectorsProgress(training->name, &progress, SecondsSince(training->told), words_per_second);
	INSTR_TIME_SET_CURRENT(training->told);
}

/* A checkpoint, if it is time for one; the caller commits. */
static void
Checkpoint(Training *training, double after)
{
	instr_time began;

	if (SecondsSince(training->checkpoint) <
		Max(after, CHECKPOINT_PATIENCE * training->checkpoint_took))
		return;
	INSTR_TIME_SET_CURRENT(began);
	WriteVectorsCheckpoint(training->name, training->trainer);
	training->checkpoint_took = SecondsSince(began);
	INSTR_TIME_SET_CURRENT(training->checkpoint);
}

/*
 * A checkpoint before the training is cancelled. Meanwhile nothing can cancel it: tables that
 * somebody else has locked are left alone.
 */
static void
SaveBeforeCancel(Training *training)
{
	double takes = training->checkpoint_took;

	if (!QueryCancelPending && !ProcDiePending)
		return;
	if (takes == 0)
		takes = (double) vectors_trainer_state_size(training->trainer) / CHECKPOINT_SPEED;
	if (takes >= CANCEL_PATIENCE ||
		!ConditionalLockRelationOid(RegistryRelation("vectors_run"), RowExclusiveLock) ||
		!ConditionalLockRelationOid(RegistryRelation("vectors_checkpoint"), RowExclusiveLock))
		return;
	HOLD_INTERRUPTS();
	Tell(training,
		 WordsPerSecond(training, vectors_trainer_progress(training->trainer).words_done));
	WriteVectorsCheckpoint(training->name, training->trainer);
	CommitAndGoOn();
	RESUME_INTERRUPTS();
}

static void
EndEpoch(Training *training)
{
	vectors_progress progress = vectors_trainer_progress(training->trainer);
	double words_per_second = WordsPerSecond(training, progress.words);

	ereport(NOTICE, (errmsg("epoch %d of %d: %.1f s, %.0f words/s, loss %.5f", progress.epoch,
							training->request.vectors.epochs, SecondsSince(training->epoch_began),
							words_per_second, progress.loss)));
	Tell(training, words_per_second);
	Checkpoint(training, 0);
	CommitAndGoOn();
	INSTR_TIME_SET_CURRENT(training->epoch_began);
	training->epoch_from = 0;
}

static void
Train(Training *training)
{
	vectors_progress progress = vectors_trainer_progress(training->trainer);
	em_status status;

	training->epoch_from = progress.words_done;
	INSTR_TIME_SET_CURRENT(training->epoch_began);
	training->told = training->checkpoint = training->epoch_began;
	while (!vectors_trainer_finished(training->trainer))
	{
		int epoch = progress.epoch;

		SaveBeforeCancel(training);
		CHECK_FOR_INTERRUPTS();
		Check(vectors_trainer_step(training->trainer, &status), &status);
		progress = vectors_trainer_progress(training->trainer);
		if (progress.epoch > epoch)
			EndEpoch(training);
		else if (SecondsSince(training->told) >= TELL_SECONDS)
		{
			Tell(training, WordsPerSecond(training, progress.words_done));
			Checkpoint(training, CHECKPOINT_SECONDS);
			CommitAndGoOn();
		}
	}
}

/* ---- publishing ---------------------------------------------------------------------- */

static Jsonb *
PublishedArguments(const Training *training)
{
	vectors_progress progress = vectors_trainer_progress(training->trainer);
	StringInfoData json;
	StringInfoData column;

	initStringInfo(&column);
	escape_json(&column, training->text_column);
	initStringInfo(&json);
	appendStringInfo(
		&json,
		"{\"text_column\": %s, \"options\": %s, \"texts\": %zu, \"words\": " UINT64_FORMAT
		", \"fingerprint\": \"%016" PRIx64 "\", \"loss\": %.5f, \"threads\": %d}",
		column.data, JsonbToCString(NULL, &training->options->root, VARSIZE(training->options)),
		samples_count(training->texts), (uint64) samples_tokens(training->texts),
		(uint64_t) samples_fingerprint(training->texts), progress.loss,
		nn_pool_threads(training->pool));
	return DatumGetJsonbP(JsonbFromCString(json.data));
}

static void
Publish(Training *training)
{
	Jsonb *arguments = PublishedArguments(training);
	em_status status;
	vectors *vectors;

	LogVectorsPhase(training->name, "publishing");
	CommitAndGoOn();
	Check(vectors_trainer_finish(training->trainer, &vectors, &status), &status);
	vectors->words = training->vocabulary;
	PublishVectors(training->name, vectors, training->source, arguments);
	LogVectorsFinished(training->name);
	CommitAndGoOn();
	ereport(NOTICE,
			(errmsg("published word vectors \"%s\" (%u words, %u buckets of n-grams, %u "
					"numbers each)",
					training->name, vectors->word_count, vectors->bucket_rows, vectors->dim)));
}

/* Read the texts and make the trainer; if that fails, what was announced is taken back. */
static void
Prepare(Training *training)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		ReadTexts(training);
		MakeTrainer(training);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		ForgetVectorsRun(training->name);
		CommitAndGoOn();
		ReThrowError(error);
	}
	PG_END_TRY();
}

/* Hold the training's lock until it ends, well or not. */
static void
RunTraining(Training *training, Jsonb *given)
{
	const char *name = training->name;
	bool resume = training->request.resume;
	int epochs;
	uint64 fingerprint;

	LockVectorsRun(name);
	PG_TRY();
	{
		training->options =
			resume ? FindVectorsRun(name, training->source, training->text_column) : given;
		if (resume)
			ParseVectorsResume(given, training->options, &training->request);
		epochs = training->request.vectors.epochs;
		if (resume)
			LogVectorsPhase(name, "reading");
		else
			AnnounceVectorsRun(name, training->source, training->text_column, given, epochs);
		CommitAndGoOn();
		Prepare(training);
		fingerprint = samples_fingerprint(training->texts);
		if (resume)
		{
			CheckVectorsRows(name, fingerprint);
			Resume(training);
		}
		else /* only now, when the rows have proved fit to train on */
			ReplaceVectorsRun(name, training->source, training->text_column, given, epochs,
							  fingerprint, samples_count(training->texts));
		CommitAndGoOn();
		Train(training);
		Publish(training);
	}
	PG_FINALLY();
	{
		EndVectorsRun(name);
	}
	PG_END_TRY();
}

PG_FUNCTION_INFO_V1(emotion_train_vectors);

/* CALL emotion_train_vectors(name text, source text, text_column text, options jsonb) */
Datum
emotion_train_vectors(PG_FUNCTION_ARGS)
{
	MemoryContext context, caller;
	MemoryContextCallback *callback;
	Training *training;
	Jsonb *options;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("name, source and text_column must not be null")));
	CheckMayCommit(fcinfo, "emotion_train_vectors",
				   "It commits as it goes: call it on its own, outside BEGIN and functions.");
	PreventCommandDuringRecovery("emotion_train_vectors()");
	PreventCommandIfReadOnly("emotion_train_vectors()");

	context = AllocSetContextCreate(PortalContext, "emotion vectors", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	training = palloc0(sizeof(Training));
	training->allocator = ContextAllocator(context);
	callback = palloc(sizeof(MemoryContextCallback));
	callback->func = ReleaseTraining;
	callback->arg = training;
	MemoryContextRegisterResetCallback(context, callback);
	training->name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	training->source = text_to_cstring(PG_GETARG_TEXT_PP(1));
	training->text_column = text_to_cstring(PG_GETARG_TEXT_PP(2));
	options = PG_ARGISNULL(3) ? DatumGetJsonbP(JsonbFromCString("{}"))
							  : DatumGetJsonbPCopy(PG_GETARG_DATUM(3));
	ParseVectorsOptions(options, &training->request);

	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	MemoryContextSwitchTo(context);
	CheckVectorsPublishable(training->name);
	RunTraining(training, options);
	SPI_finish();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	PG_RETURN_VOID();
}
