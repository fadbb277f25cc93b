/*
 * aggregate_state.h
 *	  What the aggregates share: their memory, states as bytes, arrays read in place.
 *
 * A state that comes as bytes may come from anybody (a distributed planner, a
 * table, SQL), so nothing of it is believed before it was checked.
 */
#ifndef EMOTION_PG_AGGREGATE_STATE_H
#define EMOTION_PG_AGGREGATE_STATE_H

#include "postgres.h"

#include "glue.h"

#include "lib/stringinfo.h"

/* The context in which states live; an error for a call from outside of an aggregate. */
extern MemoryContext AggregateContext(FunctionCallInfo fcinfo, const char *function);

/* Report what a room below says, unless it is EM_OK. */
extern void CheckCode(em_code code, const em_status *status);

/* A piece of bytes being read; whose: "emotion_label_state()", for messages. */
typedef struct StateReader
{
	const char *bytes;
	size_t left;
	const char *whose;
} StateReader;

/* States begin with four letters that say what they are, and a version. */
extern void BeginState(StringInfo bytes, const char *magic);
extern StateReader OpenState(const bytea *state, const char *magic, const char *whose);

extern uint32 ReadStateUint32(StateReader *reader);
extern uint64 ReadStateUint64(StateReader *reader);
extern const char *ReadStateBytes(StateReader *reader, size_t length);

/* A count of things that take at least `least` bytes each, so that it cannot ask for the moon. */
extern uint32 ReadStateCount(StateReader *reader, size_t least);

/* Text in the database's encoding: a length and bytes. */
extern em_slice ReadStateText(StateReader *reader);
extern void AppendStateText(StringInfo bytes, em_slice text);

/* An error unless all is read. */
extern void CloseState(const StateReader *reader);
EM_NORETURN_BEFORE extern void RefuseState(const char *whose, const char *why) EM_NORETURN_AFTER;

/* The elements of a text[], one after another, without a copy. */
typedef struct TextArrayWalk
{
	const char *next;
	const bits8 *present; /* NULL: all are */
	int position, count;
} TextArrayWalk;

extern TextArrayWalk WalkTextArray(ArrayType *array);

/*
 * False at the end. A null is an error that says what it is an element of; with of_what NULL it
 * is passed over.
 */
extern bool NextText(TextArrayWalk *walk, em_slice *text, const char *of_what);

/* Arrays of what the rooms below made; NaN becomes null. */
extern ArrayType *Float8Array(const double *values, int count);
extern ArrayType *Int8Array(const uint64 *values, int count);
extern ArrayType *TextArray(const em_slice *values, int count);

/* Byte order: the order of COLLATE "C". */
extern int CompareBytes(em_slice a, em_slice b);

#endif /* EMOTION_PG_AGGREGATE_STATE_H */
