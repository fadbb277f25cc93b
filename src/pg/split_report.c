/*
 * split_report.c
 *	  emotion_split_report(), and the notice that ends emotion_split().
 */
#include "postgres.h"

#include "split_report.h"

#include <math.h>

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "glue.h"

PG_FUNCTION_INFO_V1(emotion_split_report);

/* Rows, and rows of each label, in each part. */
typedef struct Shares
{
	uint32 labels;
	uint32 parts;
	uint64 *rows;  /* (parts) */
	uint64 *count; /* (parts, labels) */
	uint64 n;
	uint64 *total; /* (labels) */
} Shares;

static Shares
CountShares(const data_label_rows *rows, uint32 parts, uint32 (*part_of)(const void *, uint64),
			const void *context)
{
	Shares shares = { rows->labels, parts, palloc0(sizeof(uint64) * Max(parts, 1)), NULL, 0, NULL };

	shares.count = palloc0(sizeof(uint64) * Max((Size) parts * rows->labels, 1));
	shares.total = palloc0(sizeof(uint64) * Max((Size) rows->labels, 1));
	for (uint64 i = 0; i < rows->n; i++)
	{
		uint32 part = part_of(context, i);

		if (part == NO_LABEL)
			continue;
		shares.n++;
		shares.rows[part]++;
		for (uint64 e = rows->start[i]; e < rows->start[i + 1]; e++)
		{
			shares.count[(uint64) part * rows->labels + rows->label[e]]++;
			shares.total[rows->label[e]]++;
		}
	}
	return shares;
}

static uint32
PartOf(const void *part, uint64 row)
{
	return ((const uint8 *) part)[row];
}

static uint32
OriginOf(const void *origin, uint64 row)
{
	return ((const uint32 *) origin)[row];
}

/* Share of the part's rows that have the label, less that of all rows. */
static double
Deviation(const Shares *shares, uint32 part, uint32 label)
{
	return (double) shares->count[(uint64) part * shares->labels + label] /
			   (double) shares->rows[part] -
		   (double) shares->total[label] / (double) shares->n;
}

static int
CompareGroups(const void *a, const void *b)
{
	uint64 x = *(const uint64 *) a;
	uint64 y = *(const uint64 *) b;

	return (x > y) - (x < y);
}

/* Rows that are not the first of their group. */
static uint64
CountDuplicates(const LabelSource *source)
{
	uint64 *sorted;
	uint64 repeated = 0;

	if (source->group == NULL)
		return 0;
	sorted = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(uint64) * source->rows.n);
	memcpy(sorted, source->group, sizeof(uint64) * source->rows.n);
	qsort(sorted, source->rows.n, sizeof(uint64), CompareGroups);
	for (uint64 i = 1; i < source->rows.n; i++)
		repeated += sorted[i] == sorted[i - 1];
	pfree(sorted);
	return repeated;
}

void
NoticeSplit(const LabelSource *source, const SplitParts *parts, const uint8 *part)
{
	Shares shares = CountShares(&source->rows, (uint32) parts->count, PartOf, part);
	double largest = 0;
	uint32 worst_part = 0;
	uint32 worst_label = NO_LABEL;
	StringInfoData text;

	initStringInfo(&text);
	for (uint32 p = 0; p < shares.parts; p++)
	{
		appendStringInfo(&text, "%s%s " UINT64_FORMAT, p == 0 ? "" : ", ", parts->name[p],
						 shares.rows[p]);
		for (uint32 l = 0; l < shares.labels && shares.rows[p] > 0; l++)
			if (fabs(Deviation(&shares, p, l)) > largest)
			{
				largest = fabs(Deviation(&shares, p, l));
				worst_part = p;
				worst_label = l;
			}
	}
	if (worst_label != NO_LABEL)
		appendStringInfo(&text,
						 "; a label's share of the rows differs by at most %.4f percentage points "
						 "(%.*s in %s)",
						 largest * 100, (int) source->labels[worst_label].length,
						 source->labels[worst_label].bytes, parts->name[worst_part]);
	if (source->group)
		appendStringInfo(&text, "; " UINT64_FORMAT " duplicates stay with their like",
						 CountDuplicates(source));
	ereport(NOTICE, (errmsg("emotion_split: " UINT64_FORMAT " rows: %s", source->rows.n, text.data),
					 errhint("emotion_split_report() gives the labels of each part.")));
}

/* A row of the report: of the label of that index in part p, or of the part as a whole. */
static void
PutShare(ReturnSetInfo *set, const LabelSource *source, const Shares *shares, uint32 p, uint32 l)
{
	em_slice part = source->origins.labels[p];
	bool all = l == shares->labels;
	uint64 count = all ? shares->rows[p] : shares->count[(uint64) p * shares->labels + l];
	Datum values[7] = {
		PointerGetDatum(cstring_to_text_with_len(part.bytes, (int) part.length)),
		(Datum) 0,
		Int64GetDatum((int64) count),
		Float8GetDatum((double) count / (double) shares->rows[p]),
		(Datum) 0,
		(Datum) 0,
		(Datum) 0,
	};
	bool nulls[7] = { false, all, false, false, all, all, false };

	if (all)
		values[6] = Float8GetDatum((double) count / (double) shares->n);
	else
	{
		em_slice label = source->labels[l];

		values[1] = PointerGetDatum(cstring_to_text_with_len(label.bytes, (int) label.length));
		values[4] = Float8GetDatum((double) shares->total[l] / (double) shares->n);
		values[5] = Float8GetDatum(Deviation(shares, p, l));
		nulls[6] = shares->total[l] == 0;
		if (!nulls[6])
			values[6] = Float8GetDatum((double) count / (double) shares->total[l]);
	}
	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

/*
 * emotion_split_report(source text, options jsonb):
 * (part, label, count, share_of_part, share_of_all, difference, share_of_label); strict
 */
Datum
emotion_split_report(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = BeginSet(fcinfo);
	LabelSource source = { 0 };
	SplitOptions options = ParseSplitOptions(PG_GETARG_JSONB_P(1));
	MemoryContext context = CurrentMemoryContext;
	Shares shares;

	source.source.source = text_to_cstring(PG_GETARG_TEXT_PP(0));
	source.source.label_column = options.label_column;
	source.source.split_column = options.split_column;
	source.origin_column = options.split_column;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	MemoryContextSwitchTo(context);
	OpenLabelSource(&source);
	ReadLabelSource(&source, false);
	shares = CountShares(&source.rows, source.origins.count, OriginOf, source.origin);
	for (uint32 p = 0; p < shares.parts; p++)
		for (uint32 l = 0; l <= shares.labels; l++)
			PutShare(set, &source, &shares, p, l);
	CloseLabelSource(&source);
	SPI_finish();
	return (Datum) 0;
}
