/*
 * stored.c
 *	  Models stored with other numbers: emotion_convert(), and what rounding does to scores.
 */
#include "postgres.h"

#include "stored.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "../model/scorer.h"
#include "decide.h"
#include "glue.h"
#include "options.h"

PG_FUNCTION_INFO_V1(emotion_convert);

/* Of several lengths and moods. What they score is of no matter, only by how much that changes. */
static const char *const sentences[] = {
	"Thank you so much, you saved my day!",
	"I hate this!!",
	"no",
	"Why does it not switch off by itself?",
	"I absolutely love this lamp, it is beautiful.",
	"Arrived broken. I am so angry and disappointed!",
	"lol that is the funniest thing I have seen all week",
	"I'm sorry, I should have called you earlier.",
	"She passed away last night and I don't know what to do.",
	"We won! Against all odds, we actually won the cup!",
	"The meeting is on Tuesday at ten.",
	"ok",
	"I wish I could go with you, but I have to work.",
	"Not bad at all, better than I expected.",
	"What a disgusting way to treat people who trusted you.",
	"I was so nervous before the exam that my hands were shaking.",
	"You did a great job and should be proud of it.",
	"Finally! I thought this would never end, what a relief.",
	"I don't think that is right, and I told them so.",
	"Be careful out there, the roads are icy.",
	"Wait, what? I had no idea they were married!",
	("This is the third time that I write, and nobody answers; if I do not hear from you by Friday "
	 "I shall cancel the order and ask for my money back."),
	"He looked at the old photographs for a long time, smiled, and put them away again.",
	"How does this even work? I would like to understand it.",
	"It will get better, I am sure of it.",
	"That was embarrassing, I called the teacher mum in front of everyone.",
	"I'm scared of what comes next.",
	"Meh, whatever you say.",
	"Happy birthday, dear! May all your wishes come true.",
	("The food was fine but the waiter was rude and we waited for an hour, so I am not sure that "
	 "we "
	 "would go there again, although the place itself is lovely."),
	"I can't wait for the holidays \360\237\230\212",
	"Nobody cares.",
};

/* Scores of all sentences: (sentences, labels). */
static float *
ScoreSentences(const model *model)
{
	const em_allocator *allocator = ContextAllocator(CurrentMemoryContext);
	em_slice texts[lengthof(sentences)];
	float *scores = palloc(sizeof(float) * lengthof(sentences) * model->layout.labels);
	em_status status;
	scorer *scorer;

	for (size_t i = 0; i < lengthof(sentences); i++)
		texts[i] = (em_slice){ sentences[i], strlen(sentences[i]) };
	Check(scorer_create(allocator, model, &scorer, &status), &status);
	Check(scorer_run(scorer, texts, lengthof(sentences), scores, InterruptWanted, NULL, &status),
		  &status);
	scorer_free(scorer);
	return scores;
}

static StoredChange
CompareModels(const model *before, const model *after)
{
	const size_t labels = before->layout.labels;
	const float *old = ScoreSentences(before), *fresh = ScoreSentences(after);
	const float *decided = DecidingScores(before, old, lengthof(sentences));
	const float *redecided = DecidingScores(after, fresh, lengthof(sentences));
	const float *cuts = DecidingThresholds(before);
	StoredChange change = { .texts = lengthof(sentences), .labels = (int) labels };

	for (size_t i = 0; i < lengthof(sentences) * labels; i++)
	{
		double off = fabs((double) fresh[i] - (double) old[i]);
		size_t label = i % labels;

		change.largest = Max(change.largest, off);
		change.mean += off / (double) (lengthof(sentences) * labels);
		change.decisions += (decided[i] >= cuts[label]) != (redecided[i] >= cuts[label]);
	}
	return change;
}

StoredChange
StoreModel(const model *source, model_precision precision, ModelPublication *publication)
{
	const em_allocator *allocator = ContextAllocator(CurrentMemoryContext);
	StoredChange change = { 0 };
	em_status status = { EM_OK, "", "" };
	uint8_t *bytes;
	model *stored;

	Check(model_write(allocator, source, precision, &bytes, &publication->size, &status), &status);
	publication->bytes = bytes;
	if (source->layout.labels == 0) /* a base */
		return change;
	Check(model_read_in_place(allocator, bytes, publication->size, &stored, &status), &status);
	change = CompareModels(source, stored);
	model_free(stored);
	publication->metrics = DatumGetJsonbP(JsonbFromCString(
		psprintf("{\"largest_score_change\": %.6f, \"mean_score_change\": %.6f, "
				 "\"labels_changed\": \"%d of %d\", \"changes_measured_on\": \"%d sentences\"}",
				 change.largest, change.mean, change.decisions, change.texts * change.labels,
				 change.texts)));
	return change;
}

void
SayWhatChanged(const StoredChange *change, const char *those)
{
	if (change->texts > 0)
		ereport(NOTICE,
				(errmsg("scores of %d sentences differ from %s by %.4f at most, %.4f in the mean; "
						"%d of %d labels change",
						change->texts, those, change->largest, change->mean, change->decisions,
						change->texts * change->labels),
				 errhint("emotion_compare says what that is worth on labelled texts of your "
						 "own.")));
}

/* ---- emotion_convert ----------------------------------------------------------------- */

typedef struct ConvertOptions
{
	char *name;
	char *description;
	int version; /* 0: the next */
} ConvertOptions;

static const StringSpec convert_strings[] = {
	{ "name", offsetof(ConvertOptions, name), "of the model to publish" },
	{ "description", offsetof(ConvertOptions, description), "for people" },
	{ NULL, 0, NULL },
};

static const option_spec convert_specs[] = {
	{ "version", OPTION_INT, offsetof(ConvertOptions, version), 1, MODEL_MAX_VERSION, NULL,
	  "version to publish as" },
	{ NULL, OPTION_INT, 0, 0, 0, NULL, NULL },
};

static model_precision
ParseStorage(const char *storage)
{
	for (int i = MODEL_F32; i <= MODEL_I8; i++)
		if (strcmp(storage, model_storage_name((model_precision) i)) == 0)
			return (model_precision) i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown storage \"%s\"", storage),
			 errhint("It is f32, f16, bf16 or i8.")));
	return MODEL_F32; /* not reached */
}

/* emotion_convert(model text, storage text, options jsonb): text */
Datum
emotion_convert(PG_FUNCTION_ARGS)
{
	ModelReference reference = ParseModelReferenceText(PG_GETARG_TEXT_PP(0), true);
	char *storage = text_to_cstring(PG_GETARG_TEXT_PP(1));
	model_precision precision = ParseStorage(storage);
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "emotion convert", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	ConvertOptions options = { NULL, NULL, 0 };
	const char *parent = reference.name;
	ModelPublication publication = { .sources = &parent, .source_count = 1 };
	em_status status = { EM_OK, "", "" };
	StoredChange change;
	ModelRow row;
	uint8 *bytes;
	model *source;

	PreventCommandIfReadOnly("emotion_convert()");
	SetNamedOptions(PG_GETARG_JSONB_P(2), convert_strings, convert_specs, &options);
	publication.name = options.name ? options.name : reference.name;
	publication.description = options.description;
	publication.version = options.version;
	CheckPublishable(publication.name);
	row = GetModel(&reference);
	bytes = ReadModelBytes(&row, RegistrySnapshot());
	Check(model_read(ContextAllocator(context), bytes, (size_t) row.size, &source, &status),
		  &status);
	pfree(bytes);
	if (source->member_count > 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("\"%s\" is an ensemble, which is stored as its members are",
							   ModelReferenceString(&reference)),
						errhint("Convert the models that it is made of and make another of "
								"them.")));
	if (source->storage == precision)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("model \"%s\" is stored as %s already",
							   ModelReferenceString(&reference), storage),
						errhint("emotion_models has every model's storage.")));
	change = StoreModel(source, precision, &publication);
	publication.lineage = DatumGetJsonbP(JsonbFromCString(psprintf(
		"{\"parent\": \"%s\", \"storage\": \"%s\"}", ModelReferenceString(&reference), storage)));
	model_free(source);
	row.reference.version = PublishModel(&publication);
	strlcpy(row.reference.name, publication.name, sizeof(row.reference.name));
	ereport(NOTICE, (errmsg("published \"%s\": %zu kB instead of " INT64_FORMAT " kB",
							ModelReferenceString(&row.reference), (publication.size + 1023) / 1024,
							(row.size + 1023) / 1024)));
	SayWhatChanged(&change, psprintf("those of \"%s\"", ModelReferenceString(&reference)));
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	PG_RETURN_TEXT_P(cstring_to_text(ModelReferenceString(&row.reference)));
}
