/*
 * drift.c
 *	  emotion_drift(): how far two distributions of labels lie apart; and
 *	  emotion_scumble(), the entanglement of one row's labels.
 *
 * With p and q the labels' shares before and after, A and B the totals:
 *	  Jensen-Shannon divergence   (KL(p||m) + KL(q||m)) / 2, m = (p+q)/2, in bits: 0 .. 1 (Lin 1991)
 *	  population stability index  sum (q - p) ln(q / p), shares from counts + 1/2, for a
 *	                              label that only one side has makes it infinite otherwise
 *	  chi-square                  of homogeneity: sum (a sqrt(B/A) - b sqrt(A/B))^2 / (a + b),
 *	                              labels - 1 degrees of freedom
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "lib/qunique.h"
#include "utils/typcache.h"

#include "../data/label_stats.h"
#include "aggregate_state.h"
#include "glue.h"
#include "label_dictionary.h"

PG_FUNCTION_INFO_V1(emotion_drift);
PG_FUNCTION_INFO_V1(emotion_scumble);

/* ---- drift ------------------------------------------------------------------------------------ */

typedef struct Counts
{
	LabelDictionary labels;
	double *of[2]; /* before, after: (capacity) */
	uint32 capacity;
	double total[2];
} Counts;

static void
ReadCounts(Counts *counts, Jsonb *json, int side)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue item;
	uint32 label = 0;

	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("counts of labels must be a JSON object"),
						errhint("emotion_label_counts() makes them: {\"joy\": 12}.")));
	iterator = JsonbIteratorInit(&json->root);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		double count;

		if (token == WJB_KEY)
		{
			label = LabelNumber(&counts->labels,
								(em_slice){ item.val.string.val, (size_t) item.val.string.len });
			if (label >= counts->capacity)
				elog(ERROR, "more labels than counted");
			continue;
		}
		if (token != WJB_VALUE)
			continue;
		count = item.type != jbvNumeric
					? -1.0
					: DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
														 NumericGetDatum(item.val.numeric)));
		if (!(count >= 0.0 && count <= 9.2e18))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("the count of label \"%s\" is not a number of rows",
								   pnstrdup(counts->labels.labels[label].bytes,
											counts->labels.labels[label].length))));
		counts->of[side][label] = count;
		counts->total[side] += count;
	}
}

/*
 * Q(a, x) = Gamma(a, x) / Gamma(a): series below a + 1, continued fraction
 * (Lentz) above it (Abramowitz and Stegun 6.5.29, 6.5.31).
 */
static double
UpperGamma(double a, double x)
{
	double scale = exp(a * log(x) - x - lgamma(a));

	if (x <= 0.0)
		return 1.0;
	if (x < a + 1.0)
	{
		double term = 1.0 / a, sum = term;

		for (double n = a + 1.0; fabs(term) > fabs(sum) * 1e-17 && n < a + 100000.0; n += 1.0)
			sum += term *= x / n;
		return Max(0.0, 1.0 - scale * sum);
	}
	else
	{
		double b = x + 1.0 - a, c = 1e300, d = 1.0 / b, h = d;

		for (int i = 1; i < 100000; i++)
		{
			double an = -i * (i - a), step;

			b += 2.0;
			d = an * d + b;
			d = fabs(d) < 1e-300 ? 1e300 : 1.0 / d;
			c = b + an / c;
			if (fabs(c) < 1e-300)
				c = 1e-300;
			step = c * d;
			h *= step;
			if (fabs(step - 1.0) < 1e-16)
				break;
		}
		return Min(1.0, scale * h);
	}
}

static double
HalfDivergence(double share, double middle)
{
	return share == 0.0 ? 0.0 : share * log2(share / middle) / 2.0;
}

/* emotion_drift(before jsonb, after jsonb): emotion_drift_result; strict */
Datum
emotion_drift(PG_FUNCTION_ARGS)
{
	Jsonb *before = PG_GETARG_JSONB_P(0);
	Jsonb *after = PG_GETARG_JSONB_P(1);
	Counts counts = { .total = { 0.0, 0.0 } };
	double divergence = 0.0, stability = 0.0, chi_square = 0.0, largest = 0.0;
	uint32 present = 0, changed = 0;
	Datum values[6] = { 0 };
	bool nulls[6] = { false };
	TupleDesc descriptor;

	counts.capacity = (uint32) (JsonContainerSize(&before->root) + JsonContainerSize(&after->root));
	InitLabelDictionary(&counts.labels, CurrentMemoryContext);
	for (int side = 0; side < 2; side++)
		counts.of[side] = palloc0(sizeof(double) * Max(counts.capacity, 1));
	ReadCounts(&counts, before, 0);
	ReadCounts(&counts, after, 1);
	if (counts.total[0] == 0.0 || counts.total[1] == 0.0)
		PG_RETURN_NULL();

	for (uint32 i = 0; i < counts.labels.count; i++)
		present += counts.of[0][i] + counts.of[1][i] > 0.0;
	for (uint32 i = 0; i < counts.labels.count; i++)
	{
		double a = counts.of[0][i], b = counts.of[1][i];
		double p = a / counts.total[0], q = b / counts.total[1];
		double smooth_p = (a + 0.5) / (counts.total[0] + 0.5 * present);
		double smooth_q = (b + 0.5) / (counts.total[1] + 0.5 * present);
		double apart = a * sqrt(counts.total[1] / counts.total[0]) -
					   b * sqrt(counts.total[0] / counts.total[1]);

		if (a + b == 0.0)
			continue;
		divergence += HalfDivergence(p, (p + q) / 2.0) + HalfDivergence(q, (p + q) / 2.0);
		stability += (smooth_q - smooth_p) * log(smooth_q / smooth_p);
		chi_square += apart * apart / (a + b);
		/* of equal changes the label that is first in byte order, whichever side names it first */
		if (fabs(q - p) > fabs(largest) ||
			(fabs(q - p) == fabs(largest) &&
			 (largest == 0.0 ||
			  CompareBytes(counts.labels.labels[i], counts.labels.labels[changed]) < 0)))
		{
			if (q != p)
			{
				largest = q - p;
				changed = i;
			}
		}
	}
	values[0] = Float8GetDatum(Min(1.0, Max(0.0, divergence)));
	values[1] = Float8GetDatum(stability);
	values[2] = Float8GetDatum(chi_square);
	values[3] =
		Float8GetDatum(present < 2 ? 1.0 : UpperGamma((present - 1) / 2.0, chi_square / 2.0));
	values[4] = Float8GetDatum(largest);
	nulls[5] = largest == 0.0;
	if (!nulls[5])
		values[5] = PointerGetDatum(cstring_to_text_with_len(
			counts.labels.labels[changed].bytes, (int) counts.labels.labels[changed].length));
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE ||
		descriptor->natts != 6)
		elog(ERROR, "return type must be a row type of 6 columns");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

/* ---- the entanglement of a row ---------------------------------------------------------------- */

/* What a call site keeps: the imbalance of each label, of the statistics it last saw. */
typedef struct ScumbleCache
{
	HeapTupleHeader statistics; /* a copy */
	MemoryContext context;      /* for the two below */
	LabelDictionary labels;
	double *irlbl;
} ScumbleCache;

static Datum
Attribute(HeapTupleHeader row, const char *name, Oid type)
{
	TupleDesc descriptor =
		lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(row), HeapTupleHeaderGetTypMod(row));
	bool null = true;
	Datum value = (Datum) 0;

	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), name) == 0 &&
			attribute->atttypid == type)
			value = GetAttributeByNum(row, attribute->attnum, &null);
	}
	ReleaseTupleDesc(descriptor);
	if (null)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("\"%s\" is null in the statistics of labels", name)));
	return value;
}

static void
ReadStatistics(ScumbleCache *cache, HeapTupleHeader row)
{
	ArrayType *labels = DatumGetArrayTypeP(Attribute(row, "labels", TEXTARRAYOID));
	ArrayType *irlbl = DatumGetArrayTypeP(Attribute(row, "irlbl", FLOAT8ARRAYOID));
	TextArrayWalk walk = WalkTextArray(labels);
	const float8 *values = (const float8 *) ARR_DATA_PTR(irlbl);
	em_slice label;

	if (array_contains_nulls(irlbl) ||
		ArrayGetNItems(ARR_NDIM(irlbl), ARR_DIMS(irlbl)) != walk.count)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the statistics of labels lack an imbalance for each label")));
	InitLabelDictionary(&cache->labels, cache->context);
	cache->irlbl = MemoryContextAlloc(cache->context, sizeof(double) * (Size) Max(walk.count, 1));
	while (NextText(&walk, &label, "the statistics of labels"))
	{
		uint32 number = LabelNumber(&cache->labels, label);

		if (number != (uint32) walk.position - 1)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("the statistics of labels have a label twice")));
		cache->irlbl[number] = values[number];
		if (!(isfinite(values[number]) && values[number] >= 1.0))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("imbalance %g of label \"%s\" is below 1 or not finite",
								   values[number], pnstrdup(label.bytes, label.length))));
	}
}

static int
CompareNumbers(const void *left, const void *right)
{
	uint32 a = *(const uint32 *) left;
	uint32 b = *(const uint32 *) right;

	return (a > b) - (a < b);
}

/* emotion_scumble(labels text[], statistics emotion_label_statistics): float8; strict */
Datum
emotion_scumble(PG_FUNCTION_ARGS)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	HeapTupleHeader row = PG_GETARG_HEAPTUPLEHEADER(1);
	Size size = HeapTupleHeaderGetDatumLength(row);
	ScumbleCache *cache = fcinfo->flinfo->fn_extra;
	TextArrayWalk walk = WalkTextArray(array);
	uint32 *labels = palloc(sizeof(uint32) * (Size) Max(walk.count, 1));
	uint32 count = 0;
	em_slice label;

	if (cache == NULL)
	{
		cache = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(ScumbleCache));
		cache->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "emotion label statistics",
											   ALLOCSET_SMALL_SIZES);
		fcinfo->flinfo->fn_extra = cache;
	}
	if (cache->statistics == NULL || HeapTupleHeaderGetDatumLength(cache->statistics) != size ||
		memcmp(cache->statistics, row, size) != 0)
	{
		cache->statistics = NULL;
		MemoryContextReset(cache->context);
		ReadStatistics(cache, row);
		cache->statistics = MemoryContextAlloc(cache->context, size);
		memcpy(cache->statistics, row, size);
	}
	while (NextText(&walk, &label, "a row"))
	{
		uint32 number = FindLabelNumber(&cache->labels, label);

		if (number == NO_LABEL)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("label \"%s\" is not in the statistics of labels",
								   pnstrdup(label.bytes, label.length))));
		labels[count++] = number;
	}
	qsort(labels, count, sizeof(uint32), CompareNumbers);
	count = (uint32) qunique(labels, count, sizeof(uint32), CompareNumbers);
	PG_RETURN_FLOAT8(data_scumble_of_row(labels, count, cache->irlbl));
}
