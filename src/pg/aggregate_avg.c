/*
 * aggregate_avg.c
 *	  emotion_avg(real[]): the element-wise mean.
 *
 * The state is a float8[] that any planner can ship:
 *	  rows, inexact (0 or 1), high (L), low (L)
 * high + low is the sum of an element, renormalised after each addition; two
 * float8 hold 106 bits, so sums of scores are exact, and thus the same in
 * whatever order rows and partial states arrive. An addition that was not exact
 * (Knuth's TwoSum tells) says so in the state, and a moving window then starts
 * anew instead of subtracting.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"

#include "aggregate_state.h"
#include "glue.h"
#include "score.h"

PG_FUNCTION_INFO_V1(emotion_avg_accum);
PG_FUNCTION_INFO_V1(emotion_avg_remove);
PG_FUNCTION_INFO_V1(emotion_avg_combine);
PG_FUNCTION_INFO_V1(emotion_avg_final);

#define WHOSE "emotion_avg()"
#define MAX_ROWS 9007199254740992.0 /* 2^53: to here float8 counts */
#define MAX_LENGTH 1000000

typedef struct AvgState
{
	ArrayType *array;
	double *value; /* rows, inexact, high (length), low (length) */
	int length;
} AvgState;

enum
{
	ROWS = 0,
	INEXACT = 1,
	SUMS = 2
};

/* In the current context: whoever aggregates copies what is not the state it gave. */
static AvgState
MakeState(int length)
{
	int count = SUMS + 2 * length;
	Size size = ARR_OVERHEAD_NONULLS(1) + sizeof(float8) * (Size) count;
	ArrayType *array = palloc0(size);

	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->elemtype = FLOAT8OID;
	ARR_DIMS(array)[0] = count;
	ARR_LBOUND(array)[0] = 1;
	return (AvgState){ array, (double *) ARR_DATA_PTR(array), length };
}

/* Any float8[] may come here. */
static AvgState
CheckState(ArrayType *array)
{
	AvgState state = { array, NULL, 0 };
	int count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

	if (ARR_NDIM(array) != 1 || ARR_HASNULL(array) || ARR_ELEMTYPE(array) != FLOAT8OID)
		RefuseState(WHOSE, "it must be an array of one dimension without nulls");
	if (count < SUMS || count % 2 != 0 || count > SUMS + 2 * MAX_LENGTH)
		RefuseState(WHOSE, "its length is wrong");
	state.value = (double *) ARR_DATA_PTR(array);
	state.length = (count - SUMS) / 2;
	/* written so that NaN fails them */
	if (!(state.value[ROWS] >= 0 && state.value[ROWS] <= MAX_ROWS) ||
		state.value[ROWS] != floor(state.value[ROWS]))
		RefuseState(WHOSE, "its number of rows is none");
	if (state.value[INEXACT] != 0.0 && state.value[INEXACT] != 1.0)
		RefuseState(WHOSE, "its mark of exactness is neither 0 nor 1");
	for (int i = SUMS; i < count; i++)
		if (!isfinite(state.value[i]))
			RefuseState(WHOSE, "a sum is not finite");
	return state;
}

/* The state in argument 0, checked, and ours to change. */
static AvgState
StateArgument(FunctionCallInfo fcinfo)
{
	/* in an aggregate it is ours; from elsewhere it is somebody's value */
	return CheckState(AggCheckCallContext(fcinfo, NULL) ? PG_GETARG_ARRAYTYPE_P(0)
														: PG_GETARG_ARRAYTYPE_P_COPY(0));
}

/* Real[] in argument 1, checked. */
static const float4 *
ScoresArgument(FunctionCallInfo fcinfo, int *length)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(1);
	const float4 *scores = (const float4 *) ARR_DATA_PTR(array);

	*length = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	if (ARR_NDIM(array) > 1)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("array of %d dimensions to average, not 1", ARR_NDIM(array))));
	if (array_contains_nulls(array))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("an element is null in an array to average")));
	if (*length > MAX_LENGTH)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("array of %d elements to average; at most %d are supported", *length,
							   MAX_LENGTH)));
	for (int i = 0; i < *length; i++)
		if (!isfinite(scores[i]))
			ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
							errmsg("element %d of an array to average is %s", i + 1,
								   isnan(scores[i]) ? "NaN" : "infinite")));
	return scores;
}

static void
CheckLength(const AvgState *state, int length)
{
	if (length != state->length)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("arrays of %d and of %d elements to average", state->length, length),
						errhint("Scores of models with different labels cannot be averaged; "
								"group by the model.")));
}

/* a + b, and what rounding took from it (Knuth 1969) */
static inline double
TwoSum(double a, double b, double *lost)
{
	double sum = a + b;
	double of_b = sum - a;

	*lost = (a - (sum - of_b)) + (b - of_b);
	return sum;
}

static inline void
AddTo(AvgState *state, int i, double value)
{
	double *high = &state->value[SUMS + i];
	double *low = &state->value[SUMS + state->length + i];
	double lost, lost_again;
	double sum = TwoSum(*high, value, &lost);
	double rest = TwoSum(*low, lost, &lost_again);

	if (lost_again != 0.0)
		state->value[INEXACT] = 1.0;
	*high = TwoSum(sum, rest, low);
}

static void
CountRows(AvgState *state, double rows)
{
	state->value[ROWS] += rows;
	if (state->value[ROWS] > MAX_ROWS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many rows to average")));
}

/* emotion_avg_accum(float8[], real[]): float8[] */
Datum
emotion_avg_accum(PG_FUNCTION_ARGS)
{
	AvgState state;
	const float4 *scores;
	int length;

	/* never null, which a moving window would not take */
	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_ARRAYTYPE_P(MakeState(0).array);
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	scores = ScoresArgument(fcinfo, &length);
	if (PG_ARGISNULL(0))
		state = MakeState(length);
	else
	{
		state = StateArgument(fcinfo);
		if (state.value[ROWS] == 0)
			state = MakeState(length); /* whatever length it had */
	}
	CheckLength(&state, length);
	CountRows(&state, 1);
	for (int i = 0; i < length; i++)
		AddTo(&state, i, scores[i]);
	PG_RETURN_ARRAYTYPE_P(state.array);
}

/* emotion_avg_remove(float8[], real[]): float8[]; null where only starting anew is exact */
Datum
emotion_avg_remove(PG_FUNCTION_ARGS)
{
	AvgState state;
	const float4 *scores;
	int length;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(1))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	scores = ScoresArgument(fcinfo, &length);
	state = StateArgument(fcinfo);
	CheckLength(&state, length);
	if (state.value[INEXACT] != 0.0)
		PG_RETURN_NULL();
	if (state.value[ROWS] < 1)
		RefuseState(WHOSE, "a row is taken out that is not there");
	state.value[ROWS]--;
	for (int i = 0; i < length; i++)
		AddTo(&state, i, -(double) scores[i]);
	if (state.value[INEXACT] != 0.0)
		PG_RETURN_NULL();
	PG_RETURN_ARRAYTYPE_P(state.array);
}

/* emotion_avg_combine(float8[], float8[]): float8[]; strict */
Datum
emotion_avg_combine(PG_FUNCTION_ARGS)
{
	AvgState state = StateArgument(fcinfo);
	AvgState from = CheckState(PG_GETARG_ARRAYTYPE_P(1));

	/* without rows a state may be of any length */
	if (from.value[ROWS] == 0)
		PG_RETURN_ARRAYTYPE_P(state.array);
	if (state.value[ROWS] == 0)
		PG_RETURN_ARRAYTYPE_P(from.array);
	CheckLength(&state, from.length);
	CountRows(&state, from.value[ROWS]);
	if (from.value[INEXACT] != 0.0)
		state.value[INEXACT] = 1.0;
	for (int i = 0; i < state.length; i++)
	{
		AddTo(&state, i, from.value[SUMS + i]);
		AddTo(&state, i, from.value[SUMS + from.length + i]);
	}
	PG_RETURN_ARRAYTYPE_P(state.array);
}

/* emotion_avg_final(float8[]): real[]; strict */
Datum
emotion_avg_final(PG_FUNCTION_ARGS)
{
	AvgState state = CheckState(PG_GETARG_ARRAYTYPE_P(0));
	float4 *means;

	if (state.value[ROWS] == 0)
		PG_RETURN_NULL();
	if (state.length == 0)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(FLOAT4OID));
	means = palloc(sizeof(float4) * (Size) state.length);
	for (int i = 0; i < state.length; i++)
		means[i] = (float4) (state.value[SUMS + i] / state.value[ROWS]);
	PG_RETURN_ARRAYTYPE_P(ScoresAsArray(means, state.length));
}
