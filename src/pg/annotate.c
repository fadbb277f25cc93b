/*
 * annotate.c
 *	  CALL emotion_annotate: fill a column in batches that are committed.
 *
 * A held cursor lists the rows that want a value (a few bytes each, spilled to
 * disk beyond work_mem), so the table is read once whatever the number of batches. Each batch
 * looks at its rows again, scores them together, and writes those that nobody has
 * changed meanwhile: same place, same xmin, target still null. What was skipped so
 * is taken up by another pass. Nothing is remembered outside the column itself,
 * so a call that was interrupted is resumed by calling again.
 *
 * Queries are prepared anew in each transaction: between two nothing keeps
 * others from altering the table.
 */
#include "postgres.h"

#include "cache.h"
#include "glue.h"
#include "procedure.h"
#include "score.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include <string.h>

PG_FUNCTION_INFO_V1(emotion_annotate);

#define MAX_BATCH_ROWS 100000

/* Texts scored at once are at most about so many bytes: bounds memory, not speed. */
#define SCORED_BYTES (8 * 1024 * 1024)

/* Milliseconds between two notices of progress. */
#define NOTICE_INTERVAL 5000

typedef struct Annotation
{
	ModelReference model;
	char *table; /* these are quoted */
	char *text_column;
	char *target_column;
	Oid target_type;
	int32 batch_size;
	MemoryContext batch_context;
	int64 written;
	int64 skipped; /* in this pass: changed by others between reading and writing */
	TimestampTz noticed;
} Annotation;

/* The rows of a batch as they were read: parallel arrays. */
typedef struct Batch
{
	Oid partition;
	int rows;
	SPITupleTable *table; /* what the fields below point into */
	Datum *ctid;
	Datum *xmin;
	text **body;  /* perhaps toasted */
	Datum *value; /* text: input for the target column's type */
} Batch;

/* ---- what is asked for ----------------------------------------------------------------------- */

static char *
QuotedColumn(Oid relation, Name column, Oid *type)
{
	AttrNumber number = get_attnum(relation, NameStr(*column));

	if (number == InvalidAttrNumber)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("column \"%s\" of relation \"%s\" does not exist", NameStr(*column),
							   get_rel_name(relation))));
	*type = getBaseType(get_atttype(relation, number));
	return pstrdup(quote_identifier(NameStr(*column)));
}

static void
ReadArguments(FunctionCallInfo fcinfo, Annotation *annotation)
{
	static const char *const names[] = { "relation", "text_column", "target_column" };
	Oid relation;
	Oid text_type;
	char kind;
	char category;
	bool preferred;

	for (int i = 0; i < 3; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("%s must not be null", names[i])));
	relation = PG_GETARG_OID(0);
	kind = get_rel_relkind(relation);
	if (kind == '\0')
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation with OID %u does not exist", relation)));
	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table", get_rel_name(relation)),
				 kind == RELKIND_VIEW
					 ? errhint("Name the table beneath the view, or write emotion_labels(%s) "
							   "into the view's query.",
							   quote_identifier(NameStr(*PG_GETARG_NAME(1))))
					 : errhint("emotion_annotate writes to tables, partitioned or not.")));
	annotation->table = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
												   get_rel_name(relation));

	annotation->text_column = QuotedColumn(relation, PG_GETARG_NAME(1), &text_type);
	get_type_category_preferred(text_type, &category, &preferred);
	if (category != TYPCATEGORY_STRING)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("column %s is of type %s, not text", annotation->text_column,
							   format_type_be(text_type))));
	annotation->target_column = QuotedColumn(relation, PG_GETARG_NAME(2), &annotation->target_type);
	if (annotation->target_type != FLOAT4ARRAYOID && annotation->target_type != TEXTARRAYOID &&
		annotation->target_type != JSONBOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column %s cannot hold what emotion_annotate writes: its type is %s",
						annotation->target_column, format_type_be(annotation->target_type)),
				 errhint("real[] takes scores, text[] labels, jsonb an object of label: score.")));

	annotation->batch_size = PG_ARGISNULL(4) ? 1000 : PG_GETARG_INT32(4);
	if (annotation->batch_size < 1 || annotation->batch_size > MAX_BATCH_ROWS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("batch_size is out of range: %d", annotation->batch_size),
						errhint("It is 1 to %d rows.", MAX_BATCH_ROWS)));

	/* The model is chosen once: what is deployed meanwhile does not mix into the column. */
	annotation->model =
		PG_ARGISNULL(3) ? DeployedModel() : ParseModelReferenceText(PG_GETARG_TEXT_PP(3), true);
	(void) UseModel(&annotation->model);
}

/* ---- one batch -------------------------------------------------------------------------------- */

/* Run a query of a batch. SPI leaves us in its own context, where nothing is freed until the end. */
static void
Execute(const Annotation *annotation, const char *query, int count, Oid *types, Datum *values,
		int expected)
{
	int result = SPI_execute_with_args(query, count, types, values, NULL, false, 0);

	if (result != expected)
		elog(ERROR, "emotion_annotate: %s returned %s", query, SPI_result_code_string(result));
	MemoryContextSwitchTo(annotation->batch_context);
}

/* Look again at the rows that the cursor named. */
static void
ReadBatch(const Annotation *annotation, Batch *batch)
{
	Oid types[2] = { OIDOID, TIDARRAYOID };
	Datum values[2];
	SPITupleTable *table;
	bool isnull;
	char *query = psprintf(
		"SELECT ctid, xmin, %s::pg_catalog.text FROM %s"
		" WHERE tableoid OPERATOR(pg_catalog.=) $1 AND ctid OPERATOR(pg_catalog.=) ANY ($2)"
		" AND %s IS NULL AND %s IS NOT NULL",
		annotation->text_column, annotation->table, annotation->target_column,
		annotation->text_column);

	values[0] = ObjectIdGetDatum(batch->partition);
	values[1] = PointerGetDatum(construct_array(batch->ctid, batch->rows, TIDOID,
												sizeof(ItemPointerData), false, TYPALIGN_SHORT));
	Execute(annotation, query, 2, types, values, SPI_OK_SELECT);
	table = batch->table = SPI_tuptable;
	batch->rows = (int) SPI_processed;
	batch->xmin = palloc(sizeof(Datum) * (Size) Max(batch->rows, 1));
	batch->body = palloc(sizeof(text *) * (Size) Max(batch->rows, 1));
	batch->value = palloc(sizeof(Datum) * (Size) Max(batch->rows, 1));
	for (int i = 0; i < batch->rows; i++)
	{
		batch->ctid[i] = SPI_getbinval(table->vals[i], table->tupdesc, 1, &isnull);
		batch->xmin[i] = SPI_getbinval(table->vals[i], table->tupdesc, 2, &isnull);
		batch->body[i] =
			(text *) DatumGetPointer(SPI_getbinval(table->vals[i], table->tupdesc, 3, &isnull));
	}
}

/* '{0.1,0.25}': exact, whatever extra_float_digits is. */
static char *
ScoresAsLiteral(const float4 *scores, int count)
{
	char *literal = palloc(2 + (Size) count * (FLOAT_SHORTEST_DECIMAL_LEN + 1));
	char *end = literal;

	*end++ = '{';
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			*end++ = ',';
		end += float_to_shortest_decimal_bufn(scores[i], end);
	}
	*end++ = '}';
	*end = '\0';
	return literal;
}

static Datum
ValueOf(const Annotation *annotation, const CachedModel *cached, const float4 *scores)
{
	char *literal;

	if (annotation->target_type == FLOAT4ARRAYOID)
		literal = ScoresAsLiteral(scores, cached->label_count);
	else if (annotation->target_type == TEXTARRAYOID)
		literal =
			OidOutputFunctionCall(F_ARRAY_OUT, PointerGetDatum(ScoresAsLabels(cached, scores)));
	else
	{
		Jsonb *json = ScoresAsJson(cached, scores);

		literal = JsonbToCString(NULL, &json->root, VARSIZE(json));
	}
	return CStringGetTextDatum(literal);
}

static void
ScoreBatch(const Annotation *annotation, Batch *batch)
{
	CachedModel *cached = UseModel(&annotation->model);
	em_slice *slices = palloc(sizeof(em_slice) * (Size) Max(batch->rows, 1));
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext piece =
		AllocSetContextCreate(caller, "emotion texts to score", ALLOCSET_DEFAULT_SIZES);
	int done = 0;

	while (done < batch->rows)
	{
		size_t bytes = 0;
		int count = 0;
		float4 *scores;

		MemoryContextSwitchTo(piece);
		while (done + count < batch->rows && bytes < SCORED_BYTES)
		{
			slices[count] = TextAsUtf8(pg_detoast_datum_packed(batch->body[done + count]));
			bytes += slices[count++].length;
		}
		scores = ScoreTexts(cached, slices, (size_t) count);
		MemoryContextSwitchTo(caller);
		for (int i = 0; i < count; i++)
			batch->value[done + i] =
				ValueOf(annotation, cached, scores + (size_t) i * (size_t) cached->label_count);
		MemoryContextReset(piece);
		done += count;
	}
	MemoryContextDelete(piece);
}

/* Returns the rows written. */
static int64
WriteBatch(const Annotation *annotation, const Batch *batch)
{
	Oid types[4] = { OIDOID, TIDARRAYOID, XIDARRAYOID, TEXTARRAYOID };
	Datum values[4];
	char *query = psprintf(
		"UPDATE %s AS t SET %s = v.value::%s"
		" FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4))"
		" AS v (place, born, value)"
		" WHERE t.tableoid OPERATOR(pg_catalog.=) $1 AND t.ctid OPERATOR(pg_catalog.=) ANY ($2)"
		" AND t.ctid OPERATOR(pg_catalog.=) v.place AND t.xmin OPERATOR(pg_catalog.=) v.born"
		" AND t.%s IS NULL",
		annotation->table, annotation->target_column,
		annotation->target_type == FLOAT4ARRAYOID ? "pg_catalog.float4[]"
		: annotation->target_type == TEXTARRAYOID ? "pg_catalog.text[]"
												  : "pg_catalog.jsonb",
		annotation->target_column);

	values[0] = ObjectIdGetDatum(batch->partition);
	values[1] = PointerGetDatum(construct_array(batch->ctid, batch->rows, TIDOID,
												sizeof(ItemPointerData), false, TYPALIGN_SHORT));
	values[2] = PointerGetDatum(construct_array(batch->xmin, batch->rows, XIDOID,
												sizeof(TransactionId), true, TYPALIGN_INT));
	values[3] = PointerGetDatum(
		construct_array(batch->value, batch->rows, TEXTOID, -1, false, TYPALIGN_INT));
	Execute(annotation, query, 4, types, values, SPI_OK_UPDATE);
	return (int64) SPI_processed;
}

static void
Notice(Annotation *annotation)
{
	TimestampTz now = GetCurrentTimestamp();

	if (!TimestampDifferenceExceeds(annotation->noticed, now, NOTICE_INTERVAL))
		return;
	annotation->noticed = now;
	ereport(NOTICE, (errmsg_plural("emotion_annotate: " INT64_FORMAT " row of %s written so far",
								   "emotion_annotate: " INT64_FORMAT " rows of %s written so far",
								   (unsigned long) annotation->written, annotation->written,
								   annotation->table)));
}

/* Fetch, score, write and commit one batch; false at the end of the cursor. */
static bool
AnnotateBatch(Annotation *annotation, Portal cursor)
{
	Batch batch;
	SPITupleTable *listed;
	int wanted;
	int64 written = 0;
	bool isnull;
	MemoryContext caller = CurrentMemoryContext;

	SPI_cursor_fetch(cursor, true, annotation->batch_size);
	MemoryContextSwitchTo(annotation->batch_context);
	listed = SPI_tuptable;
	wanted = (int) SPI_processed;

	/* A batch of a partitioned table is taken partition by partition. */
	PushActiveSnapshot(GetTransactionSnapshot());
	for (int start = 0; start < wanted; start += batch.rows)
	{
		int count = 0;

		memset(&batch, 0, sizeof(batch));
		batch.ctid = palloc(sizeof(Datum) * (Size) wanted);
		batch.partition =
			DatumGetObjectId(SPI_getbinval(listed->vals[start], listed->tupdesc, 1, &isnull));
		while (start + count < wanted &&
			   DatumGetObjectId(SPI_getbinval(listed->vals[start + count], listed->tupdesc, 1,
											  &isnull)) == batch.partition)
		{
			batch.ctid[count] =
				SPI_getbinval(listed->vals[start + count], listed->tupdesc, 2, &isnull);
			count++;
		}
		batch.rows = count;
		ReadBatch(annotation, &batch);
		if (batch.rows > 0)
		{
			ScoreBatch(annotation, &batch);
			written += WriteBatch(annotation, &batch);
		}
		SPI_freetuptable(batch.table);
		batch.rows = count;
	}
	PopActiveSnapshot();
	MemoryContextSwitchTo(caller);
	SPI_freetuptable(listed);
	CommitAndGoOn();
	MemoryContextReset(annotation->batch_context);
	annotation->written += written;
	annotation->skipped += wanted - written;
	Notice(annotation);
	return wanted > 0;
}

/* One pass over the rows that want a value; returns how many it wrote. */
static int64
AnnotatePass(Annotation *annotation)
{
	int64 before = annotation->written;
	char *query = psprintf("SELECT tableoid, ctid FROM %s WHERE %s IS NULL AND %s IS NOT NULL",
						   annotation->table, annotation->target_column, annotation->text_column);
	Portal cursor = SPI_cursor_open_with_args(NULL, query, 0, NULL, NULL, NULL, false, 0);

	/* Pinned, a cursor is held over commits, and closed after an error. */
	PinPortal(cursor);
	annotation->skipped = 0;
	while (AnnotateBatch(annotation, cursor))
		;
	UnpinPortal(cursor);
	SPI_cursor_close(cursor);
	pfree(query);
	return annotation->written - before;
}

Datum
emotion_annotate(PG_FUNCTION_ARGS)
{
	Annotation annotation;

	CheckMayCommit(fcinfo, "emotion_annotate", "It commits after each batch: CALL it by itself.");
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");

	/* Allocated here, all this outlives the transactions. */
	memset(&annotation, 0, sizeof(annotation));
	ReadArguments(fcinfo, &annotation);
	annotation.batch_context =
		AllocSetContextCreate(CurrentMemoryContext, "emotion annotate", ALLOCSET_DEFAULT_SIZES);
	annotation.noticed = GetCurrentTimestamp();

	/* Rows that others changed under our hands are found where they moved by another pass. */
	while (AnnotatePass(&annotation) > 0 && annotation.skipped > 0)
		;
	ereport(NOTICE,
			(errmsg_plural("emotion_annotate: " INT64_FORMAT " row of %s written with %s@%d",
						   "emotion_annotate: " INT64_FORMAT " rows of %s written with %s@%d",
						   (unsigned long) annotation.written, annotation.written, annotation.table,
						   annotation.model.name, annotation.model.version),
			 annotation.written > 0 ? 0
									: errhint("Cells of %s that are filled are kept; set them to "
											  "NULL to have them written again.",
											  annotation.target_column)));
	SPI_finish();
	PG_RETURN_VOID();
}
