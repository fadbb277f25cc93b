/*
 * aggregate_agreement.c
 *	  emotion_kappa(), emotion_fleiss_kappa() and emotion_krippendorff_alpha(): how far
 *	  annotators agree beyond chance.
 *
 * What they need to know is how often each combination of votes occurs, so the
 * state, with all that belongs to it, is that of the aggregates of labels: a text
 * is a "row", and its "labels" are its votes, each after a mark of eight
 * characters: how many voted so, or for two named raters, which of them did.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "../data/agreement.h"
#include "aggregate_state.h"
#include "glue.h"
#include "label_state.h"

PG_FUNCTION_INFO_V1(emotion_kappa_accum);
PG_FUNCTION_INFO_V1(emotion_kappa_remove);
PG_FUNCTION_INFO_V1(emotion_kappa_final);
PG_FUNCTION_INFO_V1(emotion_votes_accum);
PG_FUNCTION_INFO_V1(emotion_votes_remove);
PG_FUNCTION_INFO_V1(emotion_fleiss_kappa_final);
PG_FUNCTION_INFO_V1(emotion_krippendorff_alpha_final);

#define MARK_LENGTH 8
#define FIRST_RATER 1
#define SECOND_RATER 2

/* ---- transitions --------------------------------------------------------------------------- */

static em_slice
Marked(uint32 mark, em_slice label)
{
	char *text = palloc(label.length + MARK_LENGTH + 1);

	snprintf(text, MARK_LENGTH + 1, "%08x", mark);
	memcpy(text + MARK_LENGTH, label.bytes, label.length);
	return (em_slice){ text, label.length + MARK_LENGTH };
}

static Datum
Change(FunctionCallInfo fcinfo, const em_slice *votes, uint32 count, bool add)
{
	MemoryContext context =
		AggregateContext(fcinfo, add ? "emotion_votes_accum" : "emotion_votes_remove");
	LabelState *state = PG_ARGISNULL(0) ? NULL : (LabelState *) PG_GETARG_POINTER(0);

	/* a state in any case: a moving window takes no null */
	if (state == NULL)
		state = MakeLabelState(context);
	if (votes != NULL && add)
		AddLabelSet(state, votes, count);
	else if (votes != NULL)
		RemoveLabelSet(state, votes, count);
	PG_RETURN_POINTER(state);
}

/* What two raters said of one text, which counts when both said something. */
static Datum
ChangePair(FunctionCallInfo fcinfo, bool add)
{
	em_slice votes[2];

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return Change(fcinfo, NULL, 0, add);
	for (int i = 0; i < 2; i++)
	{
		text *label = PG_GETARG_TEXT_PP(i + 1);

		votes[i] = Marked(i == 0 ? FIRST_RATER : SECOND_RATER,
						  (em_slice){ VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label) });
	}
	return Change(fcinfo, votes, 2, add);
}

/* emotion_kappa_accum(internal, first text, second text): internal */
Datum
emotion_kappa_accum(PG_FUNCTION_ARGS)
{
	return ChangePair(fcinfo, true);
}

/* emotion_kappa_remove(internal, first text, second text): internal */
Datum
emotion_kappa_remove(PG_FUNCTION_ARGS)
{
	return ChangePair(fcinfo, false);
}

static int
CompareVotes(const void *left, const void *right)
{
	return CompareBytes(*(const em_slice *) left, *(const em_slice *) right);
}

/* What any number of raters said of one text; nulls are votes that are missing. */
static Datum
ChangeVotes(FunctionCallInfo fcinfo, bool add)
{
	TextArrayWalk walk;
	em_slice *votes;
	uint32 count = 0, distinct = 0;

	if (PG_ARGISNULL(1))
		return Change(fcinfo, NULL, 0, add);
	walk = WalkTextArray(PG_GETARG_ARRAYTYPE_P(1));
	votes = palloc(sizeof(em_slice) * (Size) Max(walk.count, 1));
	while (NextText(&walk, &votes[count], NULL))
		count++;
	qsort(votes, count, sizeof(em_slice), CompareVotes);
	for (uint32 i = 0, first = 0; i < count; i++)
	{
		if (i + 1 < count && CompareBytes(votes[i], votes[i + 1]) == 0)
			continue;
		votes[distinct++] = Marked(i + 1 - first, votes[i]);
		first = i + 1;
	}
	return Change(fcinfo, votes, distinct, add);
}

/* emotion_votes_accum(internal, votes text[]): internal */
Datum
emotion_votes_accum(PG_FUNCTION_ARGS)
{
	return ChangeVotes(fcinfo, true);
}

/* emotion_votes_remove(internal, votes text[]): internal */
Datum
emotion_votes_remove(PG_FUNCTION_ARGS)
{
	return ChangeVotes(fcinfo, false);
}

/* ---- results ------------------------------------------------------------------------------- */

/* The combinations of votes in an order of their own, and the categories they name. */
typedef struct Ballots
{
	LabelSummary summary;
	uint32 *mark;     /* of each label of the summary */
	uint32 *category; /* its number */
	uint32 categories;
	data_label_set *sets; /* (set_count) */
	size_t set_count;
} Ballots;

static uint32
ParseMark(em_slice label)
{
	uint32 mark = 0;

	if (label.length < MARK_LENGTH)
		RefuseState("emotion_kappa()", "a vote has no mark");
	for (int i = 0; i < MARK_LENGTH; i++)
	{
		char digit = label.bytes[i];

		if (digit >= '0' && digit <= '9')
			mark = mark * 16 + (uint32) (digit - '0');
		else if (digit >= 'a' && digit <= 'f')
			mark = mark * 16 + (uint32) (digit - 'a') + 10;
		else
			RefuseState("emotion_kappa()", "a vote has no mark");
	}
	return mark;
}

static int
CompareSets(const void *left, const void *right)
{
	const data_label_set *a = left;
	const data_label_set *b = right;

	if (a->size != b->size)
		return a->size < b->size ? -1 : 1;
	for (uint32 i = 0; i < a->size; i++)
		if (a->labels[i] != b->labels[i])
			return a->labels[i] < b->labels[i] ? -1 : 1;
	return 0;
}

/* False: nothing was voted on. */
static bool
ReadBallots(FunctionCallInfo fcinfo, Ballots *ballots)
{
	LabelState *state = PG_ARGISNULL(0) ? NULL : (LabelState *) PG_GETARG_POINTER(0);
	LabelDictionary categories;
	size_t position = 0;

	(void) AggregateContext(fcinfo, "emotion_votes_final");
	if (state == NULL || data_label_sets_rows(state->sets) == 0)
		return false;
	ballots->summary = SummariseLabels(state);
	ballots->mark = palloc(sizeof(uint32) * Max(ballots->summary.count, 1));
	ballots->category = palloc(sizeof(uint32) * Max(ballots->summary.count, 1));
	InitLabelDictionary(&categories, CurrentMemoryContext);
	for (uint32 i = 0; i < ballots->summary.count; i++)
	{
		em_slice label = ballots->summary.labels[i];

		ballots->mark[i] = ParseMark(label);
		ballots->category[i] = LabelNumber(
			&categories, (em_slice){ label.bytes + MARK_LENGTH, label.length - MARK_LENGTH });
	}
	ballots->categories = categories.count;
	ballots->set_count = (size_t) data_label_sets_distinct(ballots->summary.sets);
	ballots->sets = MemoryContextAllocHuge(CurrentMemoryContext,
										   sizeof(data_label_set) * Max(ballots->set_count, 1));
	for (size_t s = 0; s < ballots->set_count; s++)
		(void) data_label_sets_next(ballots->summary.sets, &position, &ballots->sets[s]);
	qsort(ballots->sets, ballots->set_count, sizeof(data_label_set), CompareSets);
	return ballots->categories > 0;
}

static void
CheckCategories(const Ballots *ballots)
{
	if (ballots->categories > DATA_MAX_CATEGORIES)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("%u different votes are more than %d", ballots->categories,
							   DATA_MAX_CATEGORIES)));
}

/* counts: (K), all zero before and to be zeroed after by the same with clear. */
static void
FillCounts(const Ballots *ballots, const data_label_set *set, uint32 *counts, bool clear)
{
	for (uint32 i = 0; i < set->size; i++)
		counts[ballots->category[set->labels[i]]] = clear ? 0 : ballots->mark[set->labels[i]];
}

/* emotion_kappa_final(internal): float8 */
Datum
emotion_kappa_final(PG_FUNCTION_ARGS)
{
	Ballots ballots;
	uint64 *confusion;
	double kappa;
	em_status status;

	if (!ReadBallots(fcinfo, &ballots))
		PG_RETURN_NULL();
	CheckCategories(&ballots);
	confusion = MemoryContextAllocExtended(
		CurrentMemoryContext, sizeof(uint64) * ballots.categories * (Size) ballots.categories,
		MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (size_t s = 0; s < ballots.set_count; s++)
	{
		const data_label_set *set = &ballots.sets[s];
		uint32 said[3] = { NO_LABEL, NO_LABEL, NO_LABEL };

		for (uint32 i = 0; i < set->size; i++)
			if (ballots.mark[set->labels[i]] <= SECOND_RATER)
				said[ballots.mark[set->labels[i]]] = ballots.category[set->labels[i]];
		if (set->size != 2 || said[FIRST_RATER] == NO_LABEL || said[SECOND_RATER] == NO_LABEL)
			RefuseState("emotion_kappa()", "a text has no two votes");
		confusion[said[FIRST_RATER] * (Size) ballots.categories + said[SECOND_RATER]] += set->rows;
	}
	CheckCode(data_cohen_kappa(confusion, ballots.categories, &kappa, &status), &status);
	if (isnan(kappa))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(kappa);
}

/* emotion_fleiss_kappa_final(internal): float8 */
Datum
emotion_fleiss_kappa_final(PG_FUNCTION_ARGS)
{
	Ballots ballots;
	uint64 *state;
	uint32 *counts;
	double kappa;
	em_status status;

	if (!ReadBallots(fcinfo, &ballots))
		PG_RETURN_NULL();
	CheckCategories(&ballots);
	state = palloc0(sizeof(uint64) * (DATA_FLEISS_CATEGORY + ballots.categories));
	counts = palloc0(sizeof(uint32) * ballots.categories);
	for (size_t s = 0; s < ballots.set_count; s++)
	{
		FillCounts(&ballots, &ballots.sets[s], counts, false);
		for (uint64 row = 0; row < ballots.sets[s].rows; row++)
		{
			if (row % 65536 == 65535)
				CHECK_FOR_INTERRUPTS();
			CheckCode(data_fleiss_add(state, ballots.categories, counts, &status), &status);
		}
		FillCounts(&ballots, &ballots.sets[s], counts, true);
	}
	CheckCode(data_fleiss_kappa(state, ballots.categories, &kappa, &status), &status);
	if (isnan(kappa))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(kappa);
}

/* emotion_krippendorff_alpha_final(internal): float8 */
Datum
emotion_krippendorff_alpha_final(PG_FUNCTION_ARGS)
{
	Ballots ballots;
	Size cells;
	double *sum, *one, alpha;
	uint32 *counts;
	em_status status;

	if (!ReadBallots(fcinfo, &ballots))
		PG_RETURN_NULL();
	CheckCategories(&ballots);
	cells = ballots.categories * (Size) ballots.categories;
	sum = MemoryContextAllocExtended(CurrentMemoryContext, sizeof(double) * cells,
									 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	one = MemoryContextAllocExtended(CurrentMemoryContext, sizeof(double) * cells,
									 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	counts = palloc0(sizeof(uint32) * ballots.categories);
	for (size_t s = 0; s < ballots.set_count; s++)
	{
		const data_label_set *set = &ballots.sets[s];

		CHECK_FOR_INTERRUPTS();
		FillCounts(&ballots, set, counts, false);
		CheckCode(data_alpha_add(one, ballots.categories, counts, &status), &status);
		FillCounts(&ballots, set, counts, true);

		/* what one such text adds, as often as there is one; and only its cells are not zero */
		for (uint32 i = 0; i < set->size; i++)
			for (uint32 j = 0; j < set->size; j++)
			{
				Size cell = ballots.category[set->labels[i]] * (Size) ballots.categories +
							ballots.category[set->labels[j]];

				sum[cell] += (double) set->rows * one[cell];
				one[cell] = 0.0;
			}
	}
	CheckCode(data_alpha(sum, ballots.categories, &alpha, &status), &status);
	if (isnan(alpha))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(alpha);
}
