/*
 * pseudo_label_batch.c
 *	  What becomes of the rows of one batch.
 */
#include "postgres.h"

#include "pseudo_label.h"

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "decide.h"
#include "glue.h"
#include "label_source.h"
#include "procedure.h"
#include "score.h"

/* Texts scored at once are at most about so many bytes: bounds memory, not speed. */
#define SCORED_BYTES ((size_t) 8 * 1024 * 1024)

/* Texts of the first measurement. */
#define MEASURED_TEXTS 16

static bool
PutFingerprint(FingerprintSet *set, uint64 fingerprint)
{
	uint64 at;

	fingerprint |= fingerprint == 0;
	for (at = fingerprint & set->mask; set->slots[at] != 0; at = (at + 1) & set->mask)
		if (set->slots[at] == fingerprint)
			return false;
	set->slots[at] = fingerprint;
	set->count++;
	return true;
}

bool
AddFingerprint(FingerprintSet *set, uint64 fingerprint)
{
	if (2 * (set->count + 1) > set->mask)
	{
		FingerprintSet larger = *set;

		larger.mask = set->mask * 2 + 1;
		larger.count = 0;
		larger.slots = MemoryContextAllocExtended(set->context, sizeof(uint64) * (larger.mask + 1),
												  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		for (uint64 i = 0; i <= set->mask; i++)
			if (set->slots[i] != 0)
				PutFingerprint(&larger, set->slots[i]);
		pfree(set->slots);
		*set = larger;
	}
	return PutFingerprint(set, fingerprint);
}

Batch
MakeBatch(int rows)
{
	Size datums = sizeof(Datum) * (Size) rows;
	Batch batch = { .rows = rows };

	batch.key = palloc0(datums);
	batch.body = palloc0(sizeof(text *) * (Size) rows);
	batch.text_value = palloc0(datums);
	batch.labels = palloc0(datums);
	batch.scores = palloc0(datums);
	batch.confidence = palloc0(datums);
	batch.fingerprint = palloc0(datums);
	batch.outcome = palloc0(datums);
	batch.no_text = palloc((Size) rows);
	batch.no_labels = palloc((Size) rows);
	batch.no_scores = palloc((Size) rows);
	batch.no_confidence = palloc((Size) rows);
	batch.no_fingerprint = palloc((Size) rows);
	memset(batch.no_text, true, (Size) rows);
	memset(batch.no_labels, true, (Size) rows);
	memset(batch.no_scores, true, (Size) rows);
	memset(batch.no_confidence, true, (Size) rows);
	memset(batch.no_fingerprint, true, (Size) rows);
	return batch;
}

/* Labels that reached their cuts; the confidence is that of the least sure of them. */
static Outcome
Believe(const PseudoLabelling *p, const CachedModel *cached, const float4 *scores, int polarity,
		Datum *labels, float *confidence)
{
	Datum *names = palloc(sizeof(Datum) * (Size) cached->label_count);
	int *ranks = RankLabels(cached, scores);
	int count = 0;
	bool contradicts = false;

	*confidence = 1;
	for (int i = 0; i < MostLabels(cached->model); i++)
	{
		int label = ranks[i];

		if (scores[label] < p->cuts[label])
		{
			if (p->request.strict && scores[label] >= cached->model->thresholds[label])
				return OUTCOME_UNSURE;
			continue;
		}
		names[count++] = CStringGetTextDatum(cached->labels[label]);
		*confidence = Min(*confidence, scores[label]);
		contradicts = contradicts || p->polarities[label] * polarity < 0;
	}
	if (count == 0)
		return OUTCOME_UNSURE;
	if (contradicts)
		return OUTCOME_POLARITY;
	*labels = CStringGetTextDatum(OidOutputFunctionCall(
		F_ARRAY_OUT,
		PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT))));
	return OUTCOME_LABELLED;
}

/* '{0.1,0.25}': exact, whatever extra_float_digits is. */
static Datum
ScoresLiteral(const float4 *scores, int count)
{
	StringInfoData literal;
	char number[FLOAT_SHORTEST_DECIMAL_LEN];

	initStringInfo(&literal);
	for (int i = 0; i < count; i++)
	{
		float_to_shortest_decimal_buf(scores[i], number);
		appendStringInfo(&literal, "%c%s", i == 0 ? '{' : ',', number);
	}
	appendStringInfoChar(&literal, '}');
	return CStringGetTextDatum(literal.data);
}

/* Score rows from .. to - 1 of those in `which`. */
static void
ScoreRows(PseudoLabelling *p, Batch *batch, const int *which, const em_slice *texts, int count,
		  const int *polarity, Outcome *outcome)
{
	CachedModel *cached = UseModel(&p->model);
	instr_time began;
	float4 *scores;

	INSTR_TIME_SET_CURRENT(began);
	scores = ScoreTexts(cached, texts, (size_t) count);
	p->scored_seconds += SecondsSince(began);
	for (int i = 0; i < count; i++)
	{
		int row = which[i];
		const float4 *own = scores + (size_t) i * (size_t) cached->label_count;
		float confidence;

		outcome[row] = Believe(p, cached, own, polarity[row], &batch->labels[row], &confidence);
		batch->scores[row] = ScoresLiteral(own, cached->label_count);
		batch->no_scores[row] = false;
		if (outcome[row] == OUTCOME_LABELLED)
		{
			batch->no_labels[row] = batch->no_confidence[row] = batch->no_text[row] = false;
			batch->confidence[row] = Float4GetDatum(confidence);
			batch->text_value[row] = PointerGetDatum(batch->body[row]);
		}
	}
	pfree(scores);
}

void
DecideBatch(PseudoLabelling *p, Batch *batch, const int *polarity)
{
	CachedModel *cached = UseModel(&p->model);
	Outcome *outcome = palloc(sizeof(Outcome) * (Size) batch->rows);
	int *which = palloc(sizeof(int) * (Size) batch->rows);
	em_slice *texts = palloc(sizeof(em_slice) * (Size) batch->rows);
	size_t bytes = 0;
	int count = 0;
	int first = MEASURED_TEXTS;

	for (int row = 0; row < batch->rows; row++)
	{
		em_slice text;
		uint64 fingerprint;

		outcome[row] = OUTCOME_NO_TEXT;
		if (batch->body[row] == NULL)
			continue;
		text = TextAsUtf8(batch->body[row]);
		fingerprint = TextFingerprint(&p->tokens, text);
		batch->fingerprint[row] = Int64GetDatum((int64) fingerprint);
		batch->no_fingerprint[row] = false;
		outcome[row] = FilterText(&p->request, cached, text, &p->tokens);
		if (outcome[row] == OUTCOME_LABELLED && p->request.duplicates &&
			!AddFingerprint(&p->seen, fingerprint))
			outcome[row] = OUTCOME_DUPLICATE;
		if (outcome[row] != OUTCOME_LABELLED)
			continue;
		which[count] = row;
		texts[count++] = text;
		bytes += text.length;
		/* first few at once, then more and more, to know early how long it will take */
		if (bytes >= SCORED_BYTES || (!p->estimated && count >= first))
		{
			ScoreRows(p, batch, which, texts, count, polarity, outcome);
			EstimatePseudoLabels(p, row + 1, false);
			bytes = 0;
			count = 0;
			first *= 2;
		}
	}
	if (count > 0)
		ScoreRows(p, batch, which, texts, count, polarity, outcome);
	for (int row = 0; row < batch->rows; row++)
	{
		batch->outcome[row] = CStringGetTextDatum(outcome_words[outcome[row]]);
		p->outcomes[outcome[row]]++;
	}
}

static Datum
BatchArray(Datum *values, bool *nulls, int count, Oid type)
{
	int dims[1] = { count };
	int lower[1] = { 1 };
	int16 length;
	bool by_value;
	char align;

	get_typlenbyvalalign(type, &length, &by_value, &align);
	return PointerGetDatum(
		construct_md_array(values, nulls, 1, dims, lower, type, length, by_value, align));
}

void
WriteBatch(const PseudoLabelling *p, const Batch *b)
{
	Oid types[8] = { TEXTARRAYOID,   TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
					 FLOAT4ARRAYOID, INT8ARRAYOID, TEXTARRAYOID, TEXTOID };
	Datum values[8] = {
		BatchArray(b->key, NULL, b->rows, TEXTOID),
		BatchArray(b->text_value, b->no_text, b->rows, TEXTOID),
		BatchArray(b->labels, b->no_labels, b->rows, TEXTOID),
		BatchArray(b->scores, b->no_scores, b->rows, TEXTOID),
		BatchArray(b->confidence, b->no_confidence, b->rows, FLOAT4OID),
		BatchArray(b->fingerprint, b->no_fingerprint, b->rows, INT8OID),
		BatchArray(b->outcome, NULL, b->rows, TEXTOID),
		CStringGetTextDatum(ModelReferenceString(&p->model)),
	};

	MemoryContext caller = CurrentMemoryContext;
	char *query =
		psprintf("INSERT INTO %s (key, text, labels, scores, confidence, model, labelled_at,"
				 " outcome, fingerprint) SELECT v.key, v.body, v.labels::pg_catalog.text[],"
				 " v.scores::pg_catalog.float4[], v.confidence, $8,"
				 " pg_catalog.clock_timestamp(), v.outcome, v.fingerprint"
				 " FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2),"
				 " pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5),"
				 " pg_catalog.unnest($6), pg_catalog.unnest($7))"
				 " AS v (key, body, labels, scores, confidence, fingerprint, outcome)",
				 p->target);

	if (SPI_execute_with_args(query, 8, types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not insert into %s", p->target);
	MemoryContextSwitchTo(caller);
}
