/*
 * teachers.h
 *	  Models that score a training's texts for it.
 */
#ifndef EMOTION_PG_TEACHERS_H
#define EMOTION_PG_TEACHERS_H

#include "postgres.h"

#include "../base.h"
#include "../nn/pool.h"

typedef struct Teachers Teachers;

/*
 * Read the models of that many references, in the current memory context, which is to be
 * the only one that holds them: the cache's models come and go while rows are read. Errors name
 * the reference that is wrong.
 */
extern Teachers *OpenTeachers(char **references, int count, nn_pool *pool);

/* The first one's labels, (returned) UTF-8 slices in the current context. */
extern int TeacherLabels(const Teachers *teachers, em_slice **labels);

/* The order of labels that scores are wanted in; an error when a teacher's are others. */
extern void MatchTeachers(Teachers *teachers, const em_slice *labels, int count);

/* The mean of all teachers' scores of n texts: (n, L), palloc'd. Interruptible. */
extern float4 *ScoreByTeachers(Teachers *teachers, const em_slice *texts, size_t n);

/* A number that depends on which models they are. */
extern uint64 TeachersIdentity(const Teachers *teachers);

#endif /* EMOTION_PG_TEACHERS_H */
