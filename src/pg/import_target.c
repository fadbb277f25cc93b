/*
 * import_target.c
 *	  Where imported records go.
 */
#include "postgres.h"

#include "import_target.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/varlena.h"

#include "glue.h"

/* What a record offers, in the order of the plan's arguments. */
typedef enum RecordPart
{
	PART_TEXT,
	PART_LABELS,
	PART_ID,
	PART_SOURCE,
	PART_SPLIT,
	PART_PROJECT,
	PART_LINE,
	PART_IMPORT,
	PART_POLARITY,
	PARTS,
} RecordPart;

static const struct
{
	const char *column;
	Oid type;
} parts[PARTS] = {
	[PART_TEXT] = { NULL, TEXTOID },
	[PART_LABELS] = { NULL, TEXTARRAYOID },
	[PART_ID] = { "id", TEXTOID },
	[PART_SOURCE] = { "source", TEXTOID },
	[PART_SPLIT] = { "split", TEXTOID },
	[PART_PROJECT] = { "project", TEXTOID },
	[PART_LINE] = { "line", INT8OID },
	[PART_IMPORT] = { "import", INT8OID },
	[PART_POLARITY] = { "polarity", INT4OID },
};

struct ImportTarget
{
	const ImportRequest *request;
	const char *project;
	char *name;
	int64 import;
	SPIPlanPtr insert;
	SPIPlanPtr refuse;
	MemoryContext row;
};

static void
CreateTarget(const char *name, List *names, const ImportRequest *request)
{
	MemoryContext caller = CurrentMemoryContext;
	StringInfoData query;
	ListCell *part;

	initStringInfo(&query);
	appendStringInfoString(&query, "CREATE TABLE ");
	foreach (part, names)
		appendStringInfo(&query, "%s%s", part == list_head(names) ? "" : ".",
						 quote_identifier((char *) lfirst(part)));
	appendStringInfo(&query, " (%s pg_catalog.text NOT NULL",
					 quote_identifier(request->text_column));
	appendStringInfo(&query, ", %s pg_catalog.text[] NOT NULL",
					 quote_identifier(request->label_column));
	appendStringInfo(&query,
					 ", source pg_catalog.text, split pg_catalog.text, id pg_catalog.text%s"
					 ", import pg_catalog.int8, line pg_catalog.int8)",
					 request->format == IMPORT_SENTIMENT140 ? ", polarity pg_catalog.int2" : "");
	if (SPI_execute(query.data, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not create table \"%s\"", name);
	MemoryContextSwitchTo(caller);
}

/* Whether a column of that type can hold that part, so that nobody's key is filled by chance. */
static bool
Fits(RecordPart part, Oid type)
{
	char category;
	bool preferred;

	type = getBaseType(type);
	if (part == PART_LABELS)
		type = get_element_type(type);
	if (!OidIsValid(type))
		return false;
	get_type_category_preferred(type, &category, &preferred);
	if (parts[part].type == TEXTOID || parts[part].type == TEXTARRAYOID)
		return category == TYPCATEGORY_STRING || category == TYPCATEGORY_ENUM;
	return category == TYPCATEGORY_NUMERIC;
}

EM_NORETURN_BEFORE static void RefuseColumn(const char *target, const char *column, RecordPart part,
											bool missing) EM_NORETURN_AFTER;

static void
RefuseColumn(const char *target, const char *column, RecordPart part, bool missing)
{
	const char *option = part == PART_TEXT ? "text_column" : "label_column";

	if (missing)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("column \"%s\" does not exist in target \"%s\"", column, target),
						errhint("Name the column by option \"%s\".", option)));
	ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
					errmsg("column \"%s\" of target \"%s\" is not of type %s", column, target,
						   part == PART_TEXT ? "text" : "text[]"),
					errhint("Name the column by option \"%s\".", option)));
}

/* INSERT of the parts that the table has columns for. */
static SPIPlanPtr
PrepareInsert(ImportTarget *target, Oid relation)
{
	const ImportRequest *request = target->request;
	Relation table = table_open(relation, RowExclusiveLock);
	TupleDesc columns = RelationGetDescr(table);
	Oid types[PARTS];
	StringInfoData names;
	StringInfoData values;
	SPIPlanPtr plan;

	initStringInfo(&names);
	initStringInfo(&values);
	for (int part = 0; part < PARTS; part++)
	{
		const char *wanted = part == PART_TEXT     ? request->text_column
							 : part == PART_LABELS ? request->label_column
												   : parts[part].column;
		Form_pg_attribute found = NULL;

		types[part] = parts[part].type;
		if (part == PART_PROJECT && target->project == NULL)
			continue;
		for (int i = 0; i < columns->natts; i++)
			if (!TupleDescAttr(columns, i)->attisdropped &&
				strcmp(NameStr(TupleDescAttr(columns, i)->attname), wanted) == 0)
				found = TupleDescAttr(columns, i);
		if (part > PART_LABELS)
		{
			if (found == NULL || found->attidentity != '\0' || found->attgenerated != '\0' ||
				!Fits(part, found->atttypid))
				continue;
		}
		else if (found == NULL || !Fits(part, found->atttypid))
			RefuseColumn(target->name, wanted, part, found == NULL);
		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", quote_identifier(wanted));
		appendStringInfo(&values, "%s$%d::%s", values.len > 0 ? ", " : "", part + 1,
						 format_type_with_typemod(found->atttypid, found->atttypmod));
	}
	table_close(table, NoLock);
	plan = SPI_prepare(psprintf("INSERT INTO %s (%s) VALUES (%s) ON CONFLICT DO NOTHING",
								target->name, names.data, values.data),
					   PARTS, types);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	return plan;
}

ImportTarget *
OpenTarget(const char *name, const ImportRequest *request, const char *project, int64 import)
{
	static const char *const refuse =
		"INSERT INTO emotion.import_error (import, line_number, line, reason) "
		"VALUES ($1, $2, $3, $4)";
	Oid refuse_types[] = { INT8OID, INT8OID, BYTEAOID, TEXTOID };
	MemoryContext caller = CurrentMemoryContext;
	ImportTarget *target = palloc0(sizeof(ImportTarget));
	List *identifiers;
	List *names = NIL;
	ListCell *part;
	RangeVar *range;
	Oid relation;

	if (!SplitIdentifierString(pstrdup(name), '.', &identifiers) || identifiers == NIL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME),
						errmsg("target \"%s\" is not the name of a table", name)));
	foreach (part, identifiers)
		names = lappend(names, makeString(pstrdup((char *) lfirst(part))));
	range = makeRangeVarFromNameList(names);
	relation = RangeVarGetRelid(range, RowExclusiveLock, true);
	if (!OidIsValid(relation))
	{
		CreateTarget(name, identifiers, request);
		relation = RangeVarGetRelid(range, RowExclusiveLock, false);
	}
	target->request = request;
	target->project = project;
	target->import = import;
	target->name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
											  get_rel_name(relation));
	target->insert = PrepareInsert(target, relation);
	target->refuse = SPI_prepare(refuse, lengthof(refuse_types), refuse_types);
	if (target->refuse == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	MemoryContextSwitchTo(caller);
	target->row = AllocSetContextCreate(caller, "emotion import target", ALLOCSET_DEFAULT_SIZES);
	return target;
}

static Datum
TextOf(em_slice slice)
{
	return PointerGetDatum(cstring_to_text_with_len(slice.bytes, (int) slice.length));
}

/* A slice, or in its absence a string, or neither. */
static void
SetText(Datum *values, char *nulls, RecordPart part, em_slice slice, const char *instead)
{
	if (instead != NULL)
		values[part] = CStringGetTextDatum(instead);
	else if (slice.bytes != NULL)
		values[part] = TextOf(slice);
	else
	{
		values[part] = (Datum) 0;
		nulls[part] = 'n';
	}
}

/* Run a plan in a context that ends with the row; returns the rows it made. */
static uint64
Execute(SPIPlanPtr plan, Datum *values, const char *nulls)
{
	MemoryContext caller = CurrentMemoryContext;
	int result = SPI_execute_plan(plan, values, nulls, false, 0);

	MemoryContextSwitchTo(caller);
	if (result != SPI_OK_INSERT)
		elog(ERROR, "INSERT failed: %s", SPI_result_code_string(result));
	return SPI_processed;
}

bool
PutRecord(ImportTarget *target, const ImportRecord *record)
{
	static const em_slice nothing = { NULL, 0 };
	MemoryContext caller = MemoryContextSwitchTo(target->row);
	Datum values[PARTS];
	char nulls[PARTS];
	Datum *labels = palloc(sizeof(Datum) * (Size) Max(record->label_count, 1));
	uint64 rows;

	memset(nulls, ' ', sizeof(nulls));
	for (int i = 0; i < record->label_count; i++)
		labels[i] = TextOf(record->labels[i]);
	values[PART_TEXT] = TextOf(record->text);
	values[PART_LABELS] = PointerGetDatum(
		construct_array(labels, record->label_count, TEXTOID, -1, false, TYPALIGN_INT));
	SetText(values, nulls, PART_ID, record->id, NULL);
	SetText(values, nulls, PART_SOURCE, record->source, target->request->source);
	SetText(values, nulls, PART_SPLIT, record->split, target->request->split);
	SetText(values, nulls, PART_PROJECT, nothing, target->project);
	values[PART_LINE] = Int64GetDatum(record->number);
	values[PART_IMPORT] = Int64GetDatum(target->import);
	values[PART_POLARITY] = Int32GetDatum(record->polarity);
	if (record->polarity < 0)
		nulls[PART_POLARITY] = 'n';
	rows = Execute(target->insert, values, nulls);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(target->row);
	return rows > 0;
}

void
PutRefused(ImportTarget *target, const ImportRecord *record, const char *reason)
{
	MemoryContext caller = MemoryContextSwitchTo(target->row);
	Datum values[] = { Int64GetDatum(target->import), Int64GetDatum(record->number),
					   TextOf(record->raw), CStringGetTextDatum(reason) };

	Execute(target->refuse, values, NULL);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(target->row);
}

const char *
TargetName(const ImportTarget *target)
{
	return target->name;
}
