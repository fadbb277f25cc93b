/*
 * teachers.c
 *	  Models that score a training's texts for it.
 */
#include "postgres.h"

#include "teachers.h"

#include "../model/scorer.h"
#include "../model/soft_targets.h"
#include "../nn/matmul.h"
#include "glue.h"
#include "registry.h"

typedef struct Teacher
{
	ModelReference reference;
	model *model;
	scorer *scorer;
	uint16 *place; /* (L) of each label wanted, among the model's own */
} Teacher;

struct Teachers
{
	int count;
	Teacher *teachers;
	size_t labels;
	uint64 identity;
};

static void
OpenTeacher(Teachers *teachers, Teacher *teacher, const char *reference, nn_pool *pool)
{
	const em_allocator *allocator = ContextAllocator(CurrentMemoryContext);
	em_status status;
	ModelRow row;
	uint8 *bytes;

	teacher->reference = ParseModelReference(reference, false);
	row = GetModel(&teacher->reference);
	bytes = ReadModelBytes(&row, RegistrySnapshot());
	Check(model_read(allocator, bytes, (size_t) row.size, &teacher->model, &status), &status);
	pfree(bytes);
	if (teacher->model->layout.labels == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("teacher \"%s\" is a base without a head: it does not score",
							   ModelReferenceString(&teacher->reference))));
	if (model_labels_exclude(teacher->model) != model_labels_exclude(teachers->teachers[0].model))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the labels of one of the teachers \"%s\" and \"%s\" exclude one "
							   "another, those of the other do not",
							   ModelReferenceString(&teachers->teachers[0].reference),
							   ModelReferenceString(&teacher->reference)),
						errhint("The mean of such scores would mean neither.")));
	Check(scorer_create_on(allocator, teacher->model, pool, &teacher->scorer, &status), &status);
	for (int i = 0; i < SHA256_BYTES; i++)
		teachers->identity = (teachers->identity ^ row.sha256[i]) * UINT64CONST(0x100000001b3);
}

Teachers *
OpenTeachers(char **references, int count, nn_pool *pool)
{
	Teachers *teachers = palloc0(sizeof(Teachers));
	em_status status;

	Check(nn_blas_load(&status), &status);
	teachers->count = count;
	teachers->teachers = palloc0(sizeof(Teacher) * (Size) count);
	teachers->identity = UINT64CONST(0xcbf29ce484222325);
	for (int i = 0; i < count; i++)
		OpenTeacher(teachers, &teachers->teachers[i], references[i], pool);
	return teachers;
}

int
TeacherLabels(const Teachers *teachers, em_slice **labels)
{
	const model *first = teachers->teachers[0].model;
	int count = (int) first->layout.labels;

	*labels = palloc(sizeof(em_slice) * (Size) count);
	for (int i = 0; i < count; i++)
	{
		(*labels)[i].length = strlen(first->labels[i]);
		(*labels)[i].bytes = pnstrdup(first->labels[i], (*labels)[i].length);
	}
	return count;
}

void
MatchTeachers(Teachers *teachers, const em_slice *labels, int count)
{
	teachers->labels = (size_t) count;
	for (int i = 0; i < teachers->count; i++)
	{
		Teacher *teacher = &teachers->teachers[i];

		teacher->place = palloc(sizeof(uint16) * (Size) count);
		for (int label = 0; label < count; label++)
		{
			int place = model_find_label(teacher->model, labels[label].bytes, labels[label].length);

			if (place < 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("teacher \"%s\" does not know label \"%s\"",
								ModelReferenceString(&teacher->reference),
								CStringFromUtf8(labels[label].bytes, labels[label].length)),
						 errhint("A teacher has the labels that are learnt, in any order.")));
			teacher->place[label] = (uint16) place;
		}
		if (teacher->model->layout.labels != teachers->labels)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("teacher \"%s\" has %zu labels, %d are learnt",
								   ModelReferenceString(&teacher->reference),
								   teacher->model->layout.labels, count),
							errhint("A teacher has the labels that are learnt, in any order.")));
	}
}

float4 *
ScoreByTeachers(Teachers *teachers, const em_slice *texts, size_t n)
{
	Size bytes = n * teachers->labels * sizeof(float4);
	float4 *mean =
		MemoryContextAllocExtended(CurrentMemoryContext, bytes, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	float4 *scores = MemoryContextAllocHuge(CurrentMemoryContext, bytes);
	em_status status;

	for (int i = 0; i < teachers->count; i++)
	{
		Teacher *teacher = &teachers->teachers[i];

		Check(scorer_run(teacher->scorer, texts, n, scores, InterruptWanted, NULL, &status),
			  &status);
		soft_targets_add(n, teachers->labels, scores, teacher->place, 1.0 / teachers->count, mean);
	}
	pfree(scores);
	return mean;
}

uint64
TeachersIdentity(const Teachers *teachers)
{
	return teachers->identity;
}
