/*
 * train_start.c
 *	  What a training begins with, besides its rows.
 */
#include "postgres.h"

#include "train_start.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "../model/base_model.h"
#include "../model/vectors_init.h"
#include "glue.h"
#include "registry.h"
#include "train_encoder.h"
#include "train_rows.h"
#include "vectors_registry.h"

/* The vectors that a request names; the network has as many numbers per word as they. */
static void
LoadRequestedVectors(const em_allocator *allocator, TrainRequest *request, TrainStart *start)
{
	vectors *loaded = LoadVectors(allocator, request->vectors);

	if (request->dim_given && (uint32) request->config.embedding_dim != loaded->dim)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"embedding_dim\" is %d, but vectors \"%s\" have %u numbers",
							   request->config.embedding_dim, request->vectors, loaded->dim),
						errhint("Leave \"embedding_dim\" out.")));
	request->config.embedding_dim = (int) loaded->dim;
	start->vectors = loaded;
}

/* The base of a network of the first family, whose options are its, but for dropout. */
static void
LoadBase(const em_allocator *allocator, const Jsonb *options, TrainRequest *request,
		 TrainStart *start)
{
	ModelReference reference = ParseModelReference(request->base, false);
	ModelRow row = GetModel(&reference);
	uint8 *bytes = ReadModelBytes(&row, RegistrySnapshot());
	const model_config *config;
	const char *different;
	TrainRequest on_base;
	em_status status;

	Check(model_read(allocator, bytes, (size_t) row.size, &start->base, &status), &status);
	pfree(bytes);
	if (start->base->member_count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("base \"%s\" is several models joined, no single network", request->base),
				 errhint("Begin with one of those that it was joined from.")));
	if (start->base->encoder != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("base \"%s\" is of architecture \"%s\", not \"%s\"", request->base,
							   ENCODER_ARCHITECTURE, MODEL_ARCHITECTURE),
						errhint("Set \"architecture\" to \"%s\".", ENCODER_ARCHITECTURE)));
	config = &start->base->layout.config;
	ParseTrainOptions(options, config, &on_base);
	different = model_config_difference(&on_base.config, config);
	if (different != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" is not that of base \"%s\"", different, request->base),
				 errhint("A base brings its network and how it reads text: leave such "
						 "options out; only those of dropout may differ.")));
	request->config = on_base.config;
}

/* The labels, as far as no row is needed to know them. */
static void
ChooseGivenLabels(const TrainRequest *request, TrainStart *start)
{
	em_status status;

	if (request->labels != NULL)
	{
		start->label_count = request->label_count;
		start->labels = palloc(sizeof(em_slice) * (Size) request->label_count);
		for (int i = 0; i < request->label_count; i++)
			start->labels[i] = TextAsUtf8(cstring_to_text(request->labels[i]));
	}
	else if (start->teachers != NULL)
		start->label_count = TeacherLabels(start->teachers, &start->labels);
	if (start->label_count > 0)
		Check(model_check_labels(start->labels, (size_t) start->label_count, &status), &status);
}

/* Teachers have a context of their own: they go when the rows are read. */
static void
LoadTeachers(const TrainRequest *request, nn_pool *pool, TrainStart *start)
{
	MemoryContext caller = CurrentMemoryContext;

	start->teachers_context =
		AllocSetContextCreate(caller, "emotion teachers", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(start->teachers_context);
	start->teachers = OpenTeachers(request->teachers, request->teacher_count, pool);
	MemoryContextSwitchTo(caller);
}

void
LoadTrainStart(const em_allocator *allocator, const Jsonb *options, TrainRequest *request,
			   nn_pool *pool, TrainStart *start)
{
	if (request->vectors != NULL)
		LoadRequestedVectors(allocator, request, start);
	if (request->is_encoder)
	{
		start->base = ReadEncoderSource(allocator, request);
		start->encoder = MakeEncoder(request, start->base);
		if (request->base != NULL && model_labels_exclude(start->base))
			ereport(NOTICE,
					(errmsg("a text has one label of base \"%s\", but any number of those that are "
							"trained: each has a score and a threshold of its own",
							request->base)));
		if (request->base == NULL) /* a tokeniser was all that was wanted */
		{
			model_free(start->base);
			start->base = NULL;
		}
	}
	else if (request->base != NULL)
		LoadBase(allocator, options, request, start);
	if (request->teachers != NULL)
		LoadTeachers(request, pool, start);
	ChooseGivenLabels(request, start);
	if (start->teachers != NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(start->teachers_context);

		MatchTeachers(start->teachers, start->labels, start->label_count);
		MemoryContextSwitchTo(caller);
	}
}

void
ReleaseTrainStart(TrainStart *start)
{
	vectors_free(start->vectors);
	model_free(start->base);
	memset(start, 0, sizeof(*start));
}

size_t
BeginWithBase(const TrainStart *start, const TrainRows *rows, const network_layout *layout,
			  trainer *trainer)
{
	if (start->encoder != NULL)
		return base_model_copy_encoder(start->base, &start->encoder->layout, rows->labels,
									   trainer_initial_encoder(trainer));
	return base_model_copy(start->base, layout, rows->labels, trainer_initial_embedding(trainer),
						   trainer_initial_dense(trainer));
}

void
BeginWithVectors(const em_allocator *allocator, const TrainStart *start, const TrainRows *rows,
				 const network_layout *layout, const char *name, trainer *trainer)
{
	const text_vocabulary *theirs = start->vectors->words;
	uint32 words = text_vocabulary_size(rows->vocabulary);
	uint32 own = 0;
	em_status status;
	uint32 known;

	for (uint32 id = 1; id < words; id++)
	{
		em_slice word = text_vocabulary_word(rows->vocabulary, id);

		own += text_vocabulary_find(theirs, word.bytes, word.length) != TEXT_UNKNOWN_ID;
	}
	Check(vectors_init_embedding(allocator, start->vectors, layout, rows->vocabulary,
								 trainer_initial_embedding(trainer), &known, &status),
		  &status);
	ereport(
		NOTICE,
		(errmsg("vectors \"%s\" know %u of %s%s", name, own, Counted(words - 1, "word", "words"),
				known > own ? psprintf(", and %u by their n-grams", known - own) : "")));
}
