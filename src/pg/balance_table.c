/*
 * balance_table.c
 *	  The table that a balancing plan asks for, with the lineage of each row.
 *
 * It is written in the order in which the source was read: one walk over the rows
 * that were kept, each followed by what was made from it.
 */
#include "postgres.h"

#include "balance.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "new_table.h"

enum
{
	COLUMN_TEXT,
	COLUMN_LABELS,
	COLUMN_SOURCE,
	COLUMN_SOURCE_KEY,
	COLUMN_COPY,
	COLUMN_STEP,
	COLUMN_STRATEGY,
	COLUMN_REASON,
	COLUMN_FOR_LABEL,
	COLUMN_NEIGHBOUR_KEY,
	COLUMN_FEATURES,
	COLUMNS,
};

typedef struct Writing
{
	const Balancing *balancing;
	NewTable *table;
	uint32 *where;        /* (n) row of the plan that was read as the i-th */
	uint32 *first;        /* (n) first plan row made from that row, or DATA_NONE */
	uint32 *next;         /* (row_count - n) the next one */
	Datum *label_sets;    /* text[] of each label set; 0: not made yet */
	Datum *label_names;   /* (L) */
	char **neighbour_key; /* (n) of rows that are neighbours; or NULL */
} Writing;

static NewTable *
MakeTable(const Balancing *balancing, const char *name)
{
	const BalanceRequest *request = &balancing->request;
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT NULL::pg_catalog.text AS %s",
					 quote_identifier(request->text_column));
	appendStringInfo(&query, ", NULL::pg_catalog.text[] AS %s",
					 quote_identifier(request->label_column));
	appendStringInfoString(&query,
						   ", NULL::pg_catalog.text AS source, NULL::pg_catalog.text AS source_key,"
						   " NULL::pg_catalog.int4 AS copy, NULL::pg_catalog.int4 AS step,"
						   " NULL::pg_catalog.text AS strategy, NULL::pg_catalog.text AS reason,"
						   " NULL::pg_catalog.text AS for_label,"
						   " NULL::pg_catalog.text AS neighbour_key");
	if (request->feature_column)
		appendStringInfo(&query, ", NULL::pg_catalog.float4[] AS %s",
						 quote_identifier(request->feature_column));
	return CreateNewTable(name, query.data);
}

/* For each input row the list of plan rows made from it, in their order. */
static void
ListMade(Writing *writing)
{
	const data_balance_plan *plan = writing->balancing->plan;
	const LabelSource *source = &writing->balancing->source;
	uint64 n = source->rows.n;

	writing->where = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(uint32) * n);
	writing->first = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(uint32) * n);
	writing->next =
		MemoryContextAllocHuge(CurrentMemoryContext, sizeof(uint32) * Max(plan->row_count - n, 1));
	for (uint64 i = 0; i < n; i++)
	{
		writing->where[source->read_as[i]] = (uint32) i;
		writing->first[i] = DATA_NONE;
	}
	for (uint64 i = plan->row_count; i-- > n;)
	{
		uint32 row = plan->row[i].row;

		if (data_plan_dropped(&plan->row[i]))
			continue;
		writing->next[i - n] = writing->first[row];
		writing->first[row] = (uint32) i;
	}
}

/* The key of a kept row: its own, or else how many it was read as. */
static char *
KeyOf(const LabelSource *source, HeapTuple tuple, uint64 read)
{
	char *key = SPI_getvalue(tuple, source->kept_columns, KEPT_KEY);

	return key ? key : psprintf(UINT64_FORMAT, read + 1);
}

/* The keys of rows that a synthetic row lies beside: only these are held in memory. */
static void
KeepNeighbourKeys(Writing *writing)
{
	const data_balance_plan *plan = writing->balancing->plan;
	const LabelSource *source = &writing->balancing->source;
	uint64 n = source->rows.n;
	MemoryContext caller = CurrentMemoryContext;
	bool *wanted = NULL;

	for (uint64 i = n; i < plan->row_count; i++)
		if (plan->row[i].neighbour != DATA_NONE)
		{
			if (wanted == NULL)
				wanted = MemoryContextAllocExtended(caller, n, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
			wanted[plan->row[i].neighbour] = true;
		}
	if (wanted == NULL)
		return;
	writing->neighbour_key =
		MemoryContextAllocExtended(caller, sizeof(char *) * n, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint64 read = 0; read < n; read++)
	{
		HeapTuple tuple = NextKeptRow(writing->table, source->kept, source->kept_columns);
		uint32 row = writing->where[read];

		if (wanted[row])
			writing->neighbour_key[row] = KeyOf(source, tuple, read);
	}
	tuplestore_rescan(source->kept);
	pfree(wanted);
}

static Datum
LabelSet(Writing *writing, uint32 number)
{
	const Balancing *balancing = writing->balancing;

	if (writing->label_sets[number] == 0)
	{
		data_label_set set = data_label_sets_at(balancing->plan->sets, number);
		MemoryContext before = MemoryContextSwitchTo(balancing->context);
		Datum *names = palloc(sizeof(Datum) * Max((Size) set.size, 1));

		for (uint32 i = 0; i < set.size; i++)
			names[i] = writing->label_names[set.labels[i]];
		writing->label_sets[number] = PointerGetDatum(
			construct_array(names, (int) set.size, TEXTOID, -1, false, TYPALIGN_INT));
		pfree(names);
		MemoryContextSwitchTo(before);
	}
	return writing->label_sets[number];
}

static Datum
FeaturesOf(const Writing *writing, const data_plan_row *row)
{
	const data_balance_input *input = &writing->balancing->input;
	float *features = palloc(sizeof(float) * input->dimension);
	Datum *numbers = palloc(sizeof(Datum) * input->dimension);

	data_plan_features(row, input->features, input->dimension, features);
	for (uint32 i = 0; i < input->dimension; i++)
		numbers[i] = Float4GetDatum(features[i]);
	return PointerGetDatum(construct_array(numbers, (int) input->dimension, FLOAT4OID,
										   sizeof(float4), true, TYPALIGN_INT));
}

/* One row of the plan; copy: the how manieth copy of its source row it is, 0 for none. */
static void
WriteRow(Writing *writing, HeapTuple tuple, uint64 read, const data_plan_row *row, int copy)
{
	static const char *const reasons[] = { "row", "half", "synthetic" };
	const Balancing *balancing = writing->balancing;
	const LabelSource *source = &balancing->source;
	int step = row->made_by > 0 ? row->made_by : row->step;
	const char *reason = copy > 0                     ? "copy"
						 : row->kind != DATA_PLAN_ROW ? reasons[row->kind]
						 : row->reason == DATA_TAKEN  ? "taken"
													  : "kept";
	Datum values[COLUMNS];
	bool nulls[COLUMNS] = { false };
	MemoryContext before = MemoryContextSwitchTo(RowContext(writing->table));

	values[COLUMN_TEXT] =
		SPI_getbinval(tuple, source->kept_columns, KEPT_TEXT, &nulls[COLUMN_TEXT]);
	if (row->kind == DATA_PLAN_SYNTHETIC) /* between two texts there is no text */
		nulls[COLUMN_TEXT] = true;
	values[COLUMN_LABELS] = LabelSet(writing, row->set);
	values[COLUMN_SOURCE] =
		SPI_getbinval(tuple, source->kept_columns, KEPT_ORIGIN, &nulls[COLUMN_SOURCE]);
	values[COLUMN_SOURCE_KEY] = CStringGetTextDatum(KeyOf(source, tuple, read));
	values[COLUMN_COPY] = Int32GetDatum(copy);
	values[COLUMN_STEP] = Int32GetDatum(step);
	nulls[COLUMN_STEP] = nulls[COLUMN_STRATEGY] = step == 0;
	if (step > 0)
		values[COLUMN_STRATEGY] = CStringGetTextDatum(balancing->request.step_names[step - 1]);
	values[COLUMN_REASON] = CStringGetTextDatum(reason);
	nulls[COLUMN_FOR_LABEL] = row->label == DATA_NONE;
	if (row->label != DATA_NONE)
		values[COLUMN_FOR_LABEL] = writing->label_names[row->label];
	nulls[COLUMN_NEIGHBOUR_KEY] = row->neighbour == DATA_NONE || writing->neighbour_key == NULL;
	if (!nulls[COLUMN_NEIGHBOUR_KEY])
		values[COLUMN_NEIGHBOUR_KEY] = CStringGetTextDatum(writing->neighbour_key[row->neighbour]);
	if (balancing->request.feature_column)
		values[COLUMN_FEATURES] = FeaturesOf(writing, row);
	InsertRow(writing->table, values, nulls);
	MemoryContextSwitchTo(before);
}

void
WriteBalanced(const Balancing *balancing, const char *name)
{
	const data_balance_plan *plan = balancing->plan;
	const LabelSource *source = &balancing->source;
	uint64 n = source->rows.n;
	Writing writing = { 0 };

	writing.balancing = balancing;
	writing.table = MakeTable(balancing, name);
	writing.label_sets = MemoryContextAllocExtended(
		CurrentMemoryContext, sizeof(Datum) * Max(data_label_sets_distinct(plan->sets), 1),
		MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	writing.label_names = palloc(sizeof(Datum) * Max((Size) source->rows.labels, 1));
	for (uint32 label = 0; label < source->rows.labels; label++)
		writing.label_names[label] = PointerGetDatum(cstring_to_text_with_len(
			source->labels[label].bytes, (int) source->labels[label].length));
	ListMade(&writing);
	KeepNeighbourKeys(&writing);
	for (uint64 read = 0; read < n; read++)
	{
		HeapTuple tuple = NextKeptRow(writing.table, source->kept, source->kept_columns);
		uint32 row = writing.where[read];
		int copies = 0;

		if (!data_plan_dropped(&plan->row[row]))
			WriteRow(&writing, tuple, read, &plan->row[row], 0);
		for (uint32 made = writing.first[row]; made != DATA_NONE; made = writing.next[made - n])
			WriteRow(&writing, tuple, read, &plan->row[made],
					 plan->row[made].copy_of != DATA_NONE ? ++copies : 0);
	}
	FinishNewTable(writing.table);
}
