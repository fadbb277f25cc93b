/*
 * train.c
 *	  CALL emotion_train(): read the rows, turn the trainer's crank, commit after each epoch,
 *	  publish the best.
 *
 * Everything that must outlive the commits lives in one memory context below
 * the portal's. When that goes, for whatever reason, its callback ends the threads and
 * closes the temporary files.
 */
#include "postgres.h"

#include <inttypes.h>
#include <math.h>

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "../nn/bf16.h"
#include "../nn/matmul.h"
#include "glue.h"
#include "procedure.h"
#include "registry.h"
#include "train_encoder.h"
#include "train_log.h"
#include "train_request.h"
#include "train_rows.h"
#include "train_size.h"
#include "train_start.h"

/* How often other sessions are told how far an epoch is. */
#define TELL_SECONDS 2.0

/* When an epoch that is this long is announced, and how far it must be for that. */
#define LONG_SECONDS 60.0
#define ESTIMATE_SECONDS 10.0

/* From when on it is said what checkpoints took. */
#define SAVING_SECONDS 2.0
#define SAVING_SHARE 0.05

typedef struct Training
{
	MemoryContext context;
	const em_allocator *allocator;
	ModelReference reference;
	const char *source;
	Jsonb *options; /* as they were given at the beginning */
	TrainRequest request;
	TrainRows rows;
	TrainStart start;       /* until the trainer has it */
	network_layout layout;  /* of the first family */
	encoder_model *encoder; /* of the family roberta; else NULL */
	nn_pool *pool;
	trainer *trainer;
	instr_time began;
	double seconds;    /* of epochs, in this call */
	double saving;     /* and of what was saved after them */
	uint64 checkpoint; /* bytes of the last one */
	bool estimated;    /* how long it will take has been said */
} Training;

static void
ReleaseTraining(void *argument)
{
	Training *training = argument;

	nn_pool_destroy(training->pool);
	training->pool = NULL;
	CloseTrainRows(&training->rows);
}

/* What reads texts, for people. */
static char *
DescribeNetwork(const Training *training)
{
	const encoder_layout *layout;

	if (training->encoder == NULL)
		return Counted(text_vocabulary_size(training->rows.vocabulary) - 1, "word", "words");
	layout = &training->encoder->layout;
	return psprintf("%s of %zu, %zu tokens", Counted(layout->layers, "layer", "layers"),
					layout->hidden, layout->vocabulary);
}

/* The network's sizes with that many labels and, of the first family, words. */
static void
SettleNetwork(Training *training, size_t labels, size_t words)
{
	em_status status;

	if (training->encoder != NULL)
		SetEncoderLabels(training->encoder, labels);
	else
		Check(network_layout_init(&training->layout, &training->request.config, words, labels,
								  &status),
			  &status);
}

static TrainNetwork
NetworkOf(const Training *training)
{
	return (TrainNetwork){ &training->request, &training->layout,
						   training->encoder != NULL ? &training->encoder->layout : NULL };
}

/*
 * Refuse what no rows can mend before any is read, which may take minutes. A vocabulary that is yet to be
 * made counts with as many tokens as are asked for, or one word.
 */
static void
CheckBeforeRows(Training *training)
{
	const TrainStart *start = &training->start;
	TrainNetwork network;

	training->encoder = start->encoder;
	SettleNetwork(training, (size_t) Max(start->label_count, 1),
				  start->base != NULL && start->base->vocabulary != NULL
					  ? text_vocabulary_size(start->base->vocabulary)
					  : 1);
	network = NetworkOf(training);
	CheckTrainSize(&network, NULL);
	CheckTrainSources(training->source, &training->request);
}

/* The rows, and what is learned of them before there is a trainer. */
static void
ReadRows(Training *training)
{
	encoder_model *encoder = training->encoder;
	TrainRows *rows = &training->rows;
	TrainNetwork network;

	if (encoder != NULL && encoder->tokenizer == NULL)
		LearnEncoderTokenizer(training->source, &training->request, encoder);
	ReadTrainRows(training->source, &training->request, &training->start, rows);
	SettleNetwork(training, (size_t) rows->label_count,
				  encoder == NULL ? text_vocabulary_size(rows->vocabulary) : 0);
	network = NetworkOf(training);
	CheckTrainSize(&network, rows);
}

static void
NoticeBeginning(const Training *training)
{
	TrainNetwork network = NetworkOf(training);
	uint64 bytes = TrainingMemory(&network, &training->rows);
	bool cues = training->request.objective == TRAIN_CUES;

	ereport(
		NOTICE,
		(errmsg("training \"%s\" on %s (%zu held out), %s, %s, %s, " UINT64_FORMAT " MB of memory",
				ModelReferenceString(&training->reference),
				Counted(samples_count(training->rows.train), cues ? "sentence" : "text",
						cues ? "sentences" : "texts"),
				samples_count(training->rows.dev),
				Counted((uint64) training->rows.label_count, cues ? "word to foresee" : "label",
						cues ? "words to foresee" : "labels"),
				DescribeNetwork(training),
				Counted((uint64) ThreadsFor(training->request.threads), "thread", "threads"),
				(bytes + (1 << 20) - 1) >> 20)));
}

static void
MakePool(Training *training)
{
	em_status status;

	Check(nn_pool_create(training->allocator, ThreadsFor(training->request.threads),
						 &training->pool, &status),
		  &status);
}

/* The trainer of the first family. */
static void
MakeNetworkTrainer(Training *training)
{
	em_status status;

	Check(trainer_create(training->allocator, &training->layout, &training->request.trainer,
						 training->rows.train, training->rows.dev, training->pool,
						 &training->trainer, &status),
		  &status);
	if (training->layout.buckets > 0)
		Check(trainer_use_bags(training->trainer, &training->rows.bags.bags, &status), &status);
}

static void
MakeEncoderTrainer(Training *training)
{
	em_status status;

	Check(trainer_create_encoder(training->allocator, &training->encoder->layout,
								 &training->request.trainer, training->request.base == NULL,
								 training->rows.train, training->rows.dev, training->pool,
								 &training->trainer, &status),
		  &status);
}

static void
MakeTrainer(Training *training)
{
	size_t known = 0;
	em_status status;
	bool resumed;

	Check(nn_blas_load(&status), &status);
	if (training->request.trainer.precision == TRAINER_MIXED && !nn_bf16_native())
		ereport(NOTICE,
				(errmsg("this processor has no bf16 arithmetic: mixed precision saves memory, but "
						"no time"),
				 errhint("Option \"precision\" as \"single\" is as fast and more exact.")));
	NoticeBeginning(training);
	if (training->pool == NULL)
		MakePool(training);
	if (training->encoder != NULL)
		MakeEncoderTrainer(training);
	else
		MakeNetworkTrainer(training);
	/* a checkpoint does not hold the layers of a base that are frozen */
	if (training->request.base != NULL)
		known =
			BeginWithBase(&training->start, &training->rows, &training->layout, training->trainer);
	resumed = training->request.resume && ReadCheckpoint(&training->reference, training->trainer);
	if (training->start.vectors != NULL && !resumed)
		BeginWithVectors(training->allocator, &training->start, &training->rows, &training->layout,
						 training->request.vectors, training->trainer);
	if (training->request.base != NULL && !resumed)
		ereport(NOTICE, (errmsg("beginning as \"%s\", which knows %zu of %d labels",
								training->request.base, known, training->rows.label_count)));
	ReleaseTrainStart(&training->start);
	if (!training->request.resume)
		return;
	if (!resumed)
	{
		ereport(NOTICE, (errmsg("no epoch was finished: beginning again")));
		return;
	}
	ereport(NOTICE, (errmsg("going on after epoch %d of %d", trainer_epochs_done(training->trainer),
							training->request.trainer.epochs)));
}

static void
NoticeEpoch(const Training *training, const trainer_epoch *figures, int epoch, double seconds,
			double texts_per_second)
{
	StringInfoData dev;

	initStringInfo(&dev);
	if (samples_count(training->rows.dev) > 0 && isnan(figures->macro_auc))
		appendStringInfoString(&dev, ", held out: no label has rows with it and rows without");
	else if (samples_count(training->rows.dev) > 0)
		appendStringInfo(&dev, ", held out: macro AUC %.4f, macro AP %.4f, macro F1 %.4f%s",
						 figures->macro_auc, figures->macro_ap, figures->macro_f1,
						 trainer_best_epoch(training->trainer) == epoch - 1 ? " (best so far)"
																			: "");
	ereport(NOTICE, (errmsg("epoch %d of %d: %.1f s, %.0f texts/s, loss %.5f%s", epoch,
							training->request.trainer.epochs, seconds, texts_per_second,
							figures->train_loss, dev.data)));
	pfree(dev.data);
}

/* How far the epoch is, as so many of all texts: also when steps_per_epoch makes it more or less. */
static uint64
TextsOfEpoch(const Training *training)
{
	double share = (double) trainer_steps_done(training->trainer) /
				   (double) trainer_steps_in_epoch(training->trainer);

	return (uint64) (share * (double) samples_count(training->rows.train));
}

static char *
Duration(double seconds)
{
	return seconds < 5400    ? psprintf("%.0f min", seconds / 60)
		   : seconds < 36000 ? psprintf("%.1f h", seconds / 3600)
							 : psprintf("%.0f h", seconds / 3600);
}

/* Once it has gone on for a while, how long a long training will take. */
static void
NoticeDuration(Training *training, double seconds)
{
	trainer *trainer = training->trainer;
	double epoch =
		seconds * (double) trainer_steps_in_epoch(trainer) / (double) trainer_steps_done(trainer);
	int left = training->request.trainer.epochs - trainer_epochs_done(trainer);

	if (training->estimated || seconds < ESTIMATE_SECONDS)
		return;
	training->estimated = true;
	if (epoch < LONG_SECONDS)
		return;
	ereport(NOTICE,
			(errmsg("%.0f texts/s: an epoch will take about %s, %s %s at most",
					(double) trainer_texts_done(trainer) / seconds, Duration(epoch),
					Counted((uint64) left, "epoch", "epochs"), Duration(epoch * left)),
			 errhint("The view emotion_training_progress shows how far it is; a cancelled training "
					 "goes on from its last finished epoch with {\"resume\": true}.")));
}

/* One epoch, its progress told meanwhile, its checkpoint committed in the end. */
static void
TrainEpoch(Training *training)
{
	trainer *trainer = training->trainer;
	MemoryContext scratch =
		AllocSetContextCreate(CurrentMemoryContext, "emotion epoch", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before;
	instr_time began, told;
	double seconds, training_seconds;
	em_status status;
	int epoch;

	INSTR_TIME_SET_CURRENT(began);
	told = began;
	Check(trainer_begin_epoch(trainer, &status), &status);
	while (trainer_steps_done(trainer) < trainer_steps_in_epoch(trainer))
	{
		CHECK_FOR_INTERRUPTS();
		Check(trainer_step(trainer, InterruptWanted, NULL, &status), &status);
		if (SecondsSince(told) >= TELL_SECONDS)
		{
			NoticeDuration(training, SecondsSince(began));
			LogTexts(&training->reference, TextsOfEpoch(training));
			CommitAndGoOn();
			INSTR_TIME_SET_CURRENT(told);
		}
	}
	training_seconds = SecondsSince(began);
	Check(trainer_end_epoch(trainer, InterruptWanted, NULL, &status), &status);
	epoch = trainer_epochs_done(trainer);
	seconds = SecondsSince(began);

	before = MemoryContextSwitchTo(scratch);
	LogEpoch(&training->reference, epoch, &trainer_history(trainer)[epoch - 1],
			 trainer_best_epoch(trainer) + 1, seconds,
			 (double) trainer_texts_done(trainer) / training_seconds);
	training->checkpoint = WriteCheckpoint(&training->reference, trainer);
	NoticeEpoch(training, &trainer_history(trainer)[epoch - 1], epoch, seconds,
				(double) trainer_texts_done(trainer) / training_seconds);
	MemoryContextSwitchTo(before);
	MemoryContextDelete(scratch);
	CommitAndGoOn();
	training->seconds += SecondsSince(began);
	training->saving += SecondsSince(began) - seconds;
}

/* What checkpoints cost, when it is worth a thought. */
static void
NoticeSaving(const Training *training)
{
	if (training->saving < SAVING_SECONDS || training->saving < SAVING_SHARE * training->seconds)
		return;
	ereport(NOTICE,
			(errmsg("%.0f of %.0f s went into checkpoints of " UINT64_FORMAT " MB, one after each "
					"epoch",
					training->saving, training->seconds, training->checkpoint >> 20),
			 errhint("With fewer and longer epochs (\"steps_per_epoch\") there are fewer.")));
}

/* A number for JSON: NaN has none there. */
static void
PutNumber(StringInfo json, const char *name, double number)
{
	if (isnan(number))
		appendStringInfo(json, ", \"%s\": null", name);
	else
		appendStringInfo(json, ", \"%s\": %.6f", name, number);
}

static Jsonb *
PublishedMetrics(const Training *training)
{
	int best = trainer_best_epoch(training->trainer);
	const trainer_epoch *figures = &trainer_history(training->trainer)[best];
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"held_out_texts\": %zu", samples_count(training->rows.dev));
	PutNumber(&json, "macro_auc", figures->macro_auc);
	PutNumber(&json, "macro_ap", figures->macro_ap);
	PutNumber(&json, "macro_f1", figures->macro_f1);
	PutNumber(&json, "log_loss", figures->log_loss);
	appendStringInfo(&json, ", \"thresholds_tuned_on\": \"%s\"}",
					 samples_count(training->rows.dev) > 0 ? "the held-out texts" : "nothing");
	return DatumGetJsonbP(JsonbFromCString(json.data));
}

static Jsonb *
PublishedLineage(const Training *training)
{
	StringInfoData json;
	StringInfoData escaped;

	initStringInfo(&escaped);
	escape_json(&escaped, training->source);
	initStringInfo(&json);
	appendStringInfo(
		&json,
		"{\"source\": %s, \"options\": %s, \"train_texts\": %zu, \"train_tokens\": " UINT64_FORMAT
		", \"fingerprint\": \"%016" PRIx64
		"\", \"epochs\": %d, \"best_epoch\": %d, \"threads\": %d}",
		escaped.data, JsonbToCString(NULL, &training->options->root, VARSIZE(training->options)),
		samples_count(training->rows.train), (uint64) samples_tokens(training->rows.train),
		(uint64_t) samples_fingerprint(training->rows.train),
		trainer_epochs_done(training->trainer), trainer_best_epoch(training->trainer) + 1,
		nn_pool_threads(training->pool));
	return DatumGetJsonbP(JsonbFromCString(json.data));
}

/* The models of which something is in what is trained. */
static const char *const *
SourcesOf(const TrainRequest *request, int *count)
{
	const char **sources = palloc(sizeof(char *) * (Size) (request->teacher_count + 2));

	*count = 0;
	if (request->base != NULL)
		sources[(*count)++] = request->base;
	if (request->encoder.tokenizer != NULL)
		sources[(*count)++] = request->encoder.tokenizer;
	for (int i = 0; i < request->teacher_count; i++)
		sources[(*count)++] = request->teachers[i];
	return sources;
}

static void
Publish(Training *training)
{
	const TrainRows *rows = &training->rows;
	ModelPublication publication = { 0 };
	model model = { 0 };
	network_weights best;
	em_status status;
	uint8_t *bytes;
	size_t size;

	LogPhase(&training->reference, "publishing");
	CommitAndGoOn();
	model.allocator = training->allocator;
	model.layout = training->layout;
	model.layout.labels = (size_t) rows->label_count;
	model.labels = model_copy_labels(training->allocator, rows->labels, (size_t) rows->label_count);
	if (model.labels == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	model.thresholds = unconstify(float *, trainer_thresholds(training->trainer));
	if (training->encoder != NULL)
	{
		model.encoder = training->encoder;
		model.encoder->weights = unconstify(float *, trainer_best_encoder(training->trainer));
	}
	else
	{
		best = trainer_best(training->trainer);
		model.vocabulary = rows->vocabulary;
		model.embedding = unconstify(float *, best.embedding);
		model.dense = unconstify(float *, best.dense);
	}
	Check(model_write(training->allocator, &model, (model_precision) training->request.storage,
					  &bytes, &size, &status),
		  &status);

	publication.name = training->reference.name;
	publication.version = training->reference.version;
	publication.bytes = bytes;
	publication.size = size;
	publication.metrics = PublishedMetrics(training);
	publication.lineage = PublishedLineage(training);
	publication.description = training->request.description;
	publication.sources = SourcesOf(&training->request, &publication.source_count);
	PublishModel(&publication);
	LogFinished(&training->reference);
	CommitAndGoOn();
	ereport(NOTICE,
			(errmsg("published \"%s\" (%s, %s, %.1f MB), from epoch %d",
					ModelReferenceString(&training->reference), DescribeNetwork(training),
					Counted((uint64) rows->label_count, "label", "labels"),
					(double) size / (1024 * 1024), trainer_best_epoch(training->trainer) + 1),
			 training->request.objective == TRAIN_CUES
				 ? errhint("It foresees words: emotion_train with option \"base\" as \"%s\" begins "
						   "as it.",
						   ModelReferenceString(&training->reference))
				 : errhint("SELECT emotion_deploy('%s') makes it the model that scoring functions "
						   "use.",
						   ModelReferenceString(&training->reference))));
}

static void
Train(Training *training)
{
	if (training->rows.skipped > 0)
		ereport(NOTICE, (errmsg("%s to neither split \"%s\" nor \"%s\"",
								Counted(training->rows.skipped, "row belongs", "rows belong"),
								training->request.train_split, training->request.dev_split)));
	if (training->rows.soft > 0)
		ereport(NOTICE, (errmsg("%s soft targets",
								Counted(training->rows.soft, "text has", "texts have"))));
	if (samples_count(training->rows.dev) == 0)
		ereport(NOTICE,
				(errmsg("no rows are held out: the last epoch is kept and thresholds stay at 0.5"),
				 training->request.split_column
					 ? errhint("Rows to hold out are those whose column %s is \"%s\"; option "
							   "\"dev_split\" names another value.",
							   quote_identifier(training->request.split_column),
							   training->request.dev_split)
					 : 0));

	MakeTrainer(training);
	while (!trainer_finished(training->trainer))
		TrainEpoch(training);
	if (trainer_epochs_done(training->trainer) < training->request.trainer.epochs)
		ereport(
			NOTICE,
			(errmsg("stopping after epoch %d of %d: the last %d were no better than epoch %d",
					trainer_epochs_done(training->trainer), training->request.trainer.epochs,
					training->request.trainer.patience, trainer_best_epoch(training->trainer) + 1),
			 errhint("Option \"patience\" says how many are waited for.")));
	NoticeSaving(training);
	Publish(training);
}

/* Find or begin the training and hold its lock until it ends, well or not. */
static void
RunTraining(Training *training, const char *name, Jsonb *given)
{
	ParseTrainOptions(given, NULL, &training->request);
	strlcpy(training->reference.name, name, sizeof(training->reference.name));
	CheckMayTrain();
	if (training->request.resume)
	{
		training->reference.version = FindTraining(name, training->source, &training->options);
		LogResumed(&training->reference);
	}
	else
	{
		training->options = given;
		CheckPublishable(name);
		training->reference.version =
			BeginTraining(name, training->source, given, training->request.trainer.epochs);
	}
	PG_TRY();
	{
		if (training->request.resume)
			ParseResumeOptions(given, training->options, &training->request);
		if (training->request.teachers)
		{
			MakePool(training);
			LogPhase(&training->reference, "scoring");
		}
		/* before the commit: the registry is read with the statement's snapshot */
		LoadTrainStart(training->allocator, training->options, &training->request, training->pool,
					   &training->start);
		CheckBeforeRows(training);
		CommitAndGoOn();
		ReadRows(training);
		/* only now, when the rows have proved fit to train on */
		if (!training->request.resume)
			DropUnfinished(&training->reference);
		LogRows(&training->reference,
				samples_fingerprint(training->rows.train) * 31 +
					samples_fingerprint(training->rows.dev) + training->rows.cues * 37,
				samples_count(training->rows.train), samples_count(training->rows.dev),
				training->request.resume);
		CommitAndGoOn();
		Train(training);
	}
	PG_FINALLY();
	{
		EndTraining(&training->reference);
	}
	PG_END_TRY();
}

PG_FUNCTION_INFO_V1(emotion_train);

/* CALL emotion_train(model text, source text, options jsonb) */
Datum
emotion_train(PG_FUNCTION_ARGS)
{
	MemoryContext context, caller;
	MemoryContextCallback *callback;
	Training *training;
	char *name;
	Jsonb *options;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("model and source must not be null")));
	CheckMayCommit(fcinfo, "emotion_train",
				   "It commits after each epoch: call it on its own, outside BEGIN and functions.");
	PreventCommandDuringRecovery("emotion_train()");
	PreventCommandIfReadOnly("emotion_train()");

	context = AllocSetContextCreate(PortalContext, "emotion training", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	training = palloc0(sizeof(Training));
	training->context = context;
	training->allocator = ContextAllocator(context);
	INSTR_TIME_SET_CURRENT(training->began);
	callback = palloc(sizeof(MemoryContextCallback));
	callback->func = ReleaseTraining;
	callback->arg = training;
	MemoryContextRegisterResetCallback(context, callback);
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	training->source = text_to_cstring(PG_GETARG_TEXT_PP(1));
	options = PG_ARGISNULL(2) ? DatumGetJsonbP(JsonbFromCString("{}"))
							  : DatumGetJsonbPCopy(PG_GETARG_DATUM(2));
	CheckModelName(name);

	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	MemoryContextSwitchTo(context);
	RunTraining(training, name, options);
	SPI_finish();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	PG_RETURN_VOID();
}
