/*
 * pseudo_label.c
 *	  CALL emotion_pseudo_label: what a model says of the texts of a source, as
 *	  rows of a table, in batches that are committed.
 *
 * Every row of the source becomes one of the target, labelled or with the reason
 * why not. So what is done is what is there: a call that was interrupted, killed
 * even, is resumed by calling again, and rows that came later are taken up, too.
 *
 * A held cursor keeps the rows that are missing (on disk beyond work_mem), so the source
 * is read once. The target remembers in its comment what it was begun with; a
 * session lock keeps two calls from filling it at once.
 */
#include "postgres.h"

#include "pseudo_label.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "aggregate_state.h"
#include "glue.h"
#include "new_table.h"
#include "procedure.h"

PG_FUNCTION_INFO_V1(emotion_pseudo_label);

/* Beside that of training; users' advisory locks have 1 or 2 here. */
#define PSEUDO_LABEL_LOCK_CLASS 78

#define COMMENT_MARK "emotion_pseudo_label: "

/* ---- queries ---------------------------------------------------------------------------------- */

/* The first column of the first row as a string in the current context; NULL when null. */
static char *
OneString(const char *query, int count, Oid *types, Datum *values)
{
	char *value = NULL;

	(void) RunStatement(query, count, types, values, NULL, false, SPI_OK_SELECT);
	if (SPI_processed > 0)
		value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	SPI_freetuptable(SPI_tuptable);
	return value;
}

/* ---- what is asked for ------------------------------------------------------------------------ */

/* How a row of the source is told from others: option key_column, or the primary key. */
static char *
KeyExpression(const Source *source, const char *key_column)
{
	static const char alias[] = " AS source";
	const char *column = key_column;

	if (column == NULL && source->from[0] != '(')
	{
		Oid types[1] = { TEXTOID };
		Datum values[1] = { PointerGetDatum(
			cstring_to_text(pnstrdup(source->from, strlen(source->from) - (sizeof(alias) - 1)))) };

		column = OneString("SELECT a.attname FROM pg_catalog.pg_index i"
						   " JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=)"
						   " i.indrelid AND a.attnum OPERATOR(pg_catalog.=) i.indkey[0]"
						   " WHERE i.indrelid OPERATOR(pg_catalog.=)"
						   " pg_catalog.to_regclass($1)::pg_catalog.oid"
						   " AND i.indisprimary AND i.indnkeyatts OPERATOR(pg_catalog.=) 1",
						   1, types, values);
	}
	if (column == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source \"%s\" has no primary key of one column", source->source),
				 errhint("Name a column that tells its rows apart by option \"key_column\"; for a "
						 "table that nobody changes meanwhile, \"ctid\" will do.")));
	return psprintf("source.%s::pg_catalog.text", quote_identifier(column));
}

/* What the target must have been begun with for this call to go on with it, as jsonb text. */
static char *
BegunWith(const PseudoLabelling *p, const char *text_column, double min_confidence, Jsonb *options)
{
	Oid types[4] = { TEXTOID, TEXTOID, FLOAT8OID, JSONBOID };
	Datum values[4] = { CStringGetTextDatum(ModelReferenceString(&p->model)),
						CStringGetTextDatum(text_column), Float8GetDatum(min_confidence),
						JsonbPGetDatum(options) };

	return OneString("SELECT pg_catalog.jsonb_build_object('model', $1, 'text_column', $2,"
					 " 'min_confidence', CASE WHEN $3 OPERATOR(pg_catalog.<>)"
					 " 'NaN'::pg_catalog.float8 THEN $3 END, 'options',"
					 " $4 OPERATOR(pg_catalog.-) 'batch_size')::pg_catalog.text",
					 4, types, values);
}

static void
MakeTarget(PseudoLabelling *p, const char *begun_with)
{
	(void) RunStatement(
		psprintf("CREATE TABLE %s (key pg_catalog.text PRIMARY KEY, text pg_catalog.text,"
				 " labels pg_catalog.text[], scores pg_catalog.float4[],"
				 " confidence pg_catalog.float4, model pg_catalog.text NOT NULL,"
				 " labelled_at pg_catalog.timestamptz NOT NULL,"
				 " outcome pg_catalog.text NOT NULL, fingerprint pg_catalog.int8)",
				 p->target),
		0, NULL, NULL, NULL, false, SPI_OK_UTILITY);
	(void) RunStatement(psprintf("COMMENT ON TABLE %s IS %s", p->target,
								 quote_literal_cstr(psprintf(COMMENT_MARK "%s", begun_with))),
						0, NULL, NULL, NULL, false, SPI_OK_UTILITY);
}

/* Make the target, or make sure that it is one of ours, begun as we would begin it. */
static void
OpenTarget(PseudoLabelling *p, const char *name, const char *begun_with)
{
	Oid types[1] = { TEXTOID };
	Datum values[1] = { CStringGetTextDatum(name) };
	char *exists = OneString("SELECT pg_catalog.to_regclass($1)::pg_catalog.oid", 1, types, values);
	char *comment;

	if (exists == NULL)
	{
		p->target = NewTableQuoted(name);
		MakeTarget(p, begun_with);
		values[0] = CStringGetTextDatum(p->target);
		exists = OneString("SELECT pg_catalog.to_regclass($1)::pg_catalog.oid", 1, types, values);
	}
	p->target_oid = DatumGetObjectId(DirectFunctionCall1(oidin, CStringGetDatum(exists)));
	p->target = quote_qualified_identifier(get_namespace_name(get_rel_namespace(p->target_oid)),
										   get_rel_name(p->target_oid));
	types[0] = OIDOID;
	values[0] = ObjectIdGetDatum(p->target_oid);
	comment = OneString("SELECT pg_catalog.obj_description($1, 'pg_class')", 1, types, values);
	if (comment == NULL || strncmp(comment, COMMENT_MARK, strlen(COMMENT_MARK)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE), errmsg("relation \"%s\" already exists", name),
				 errhint("The target is a new table, or one that a call of "
						 "emotion_pseudo_label began.")));
	if (strcmp(comment + strlen(COMMENT_MARK), begun_with) != 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("\"%s\" was begun with another model or other options", name),
						errdetail("It was begun with %s.", comment + strlen(COMMENT_MARK)),
						errhint("Go on with those, or name another target.")));
}

static LOCKTAG
TargetLock(const PseudoLabelling *p)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, p->target_oid, PSEUDO_LABEL_LOCK_CLASS);
	return tag;
}

/* ---- batches ------------------------------------------------------------------------------- */

/* Fetch, decide, write and commit one batch; false at the end of the cursor. */
static bool
LabelBatch(PseudoLabelling *p, Portal cursor)
{
	MemoryContext caller = CurrentMemoryContext;
	SPITupleTable *table;
	Batch batch;
	int *polarity;
	int rows;

	SPI_cursor_fetch(cursor, true, p->request.batch_size);
	MemoryContextSwitchTo(p->batch_context);
	table = SPI_tuptable;
	rows = (int) SPI_processed;
	if (rows > 0)
	{
		/* after a commit there is none */
		PushActiveSnapshot(GetTransactionSnapshot());
		batch = MakeBatch(rows);
		polarity = palloc0(sizeof(int) * (Size) rows);
		for (int row = 0; row < rows; row++)
		{
			bool null;
			char *word;

			batch.key[row] = SPI_getbinval(table->vals[row], table->tupdesc, 1, &null);
			if (null)
				ereport(ERROR,
						(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						 errmsg("the key of a row of source \"%s\" is null", p->source.source)));
			batch.body[row] =
				(text *) DatumGetPointer(SPI_getbinval(table->vals[row], table->tupdesc, 2, &null));
			batch.body[row] = null ? NULL : pg_detoast_datum_packed(batch.body[row]);
			word = SPI_getvalue(table->vals[row], table->tupdesc, 3);
			if (word)
				polarity[row] = ParsePolarity(word);
		}
		DecideBatch(p, &batch, polarity);
		WriteBatch(p, &batch);
		p->done += rows;
		LogPseudoLabels(p);
		PopActiveSnapshot();
	}
	MemoryContextSwitchTo(caller);
	SPI_freetuptable(table);
	CommitAndGoOn();
	MemoryContextReset(p->batch_context);
	EstimatePseudoLabels(p, p->done, true);
	if (rows > 0)
		NoticePseudoLabels(p);
	return rows > 0;
}

/* The fingerprints of what is there already. */
static void
ReadFingerprints(PseudoLabelling *p)
{
	MemoryContext caller = CurrentMemoryContext;
	char *query = psprintf("SELECT fingerprint FROM %s WHERE fingerprint IS NOT NULL"
						   " AND outcome OPERATOR(pg_catalog.<>) ALL"
						   " ('{length,language}'::pg_catalog.text[])",
						   p->target);
	Portal portal = SPI_cursor_open_with_args(NULL, query, 0, NULL, NULL, NULL, false, 0);

	for (;;)
	{
		bool null;

		SPI_cursor_fetch(portal, true, 10000);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
			AddFingerprint(&p->seen, (uint64) DatumGetInt64(SPI_getbinval(
										 SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null)));
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	MemoryContextSwitchTo(caller);
}

static void
LabelRows(PseudoLabelling *p)
{
	char *missing = psprintf("FROM %s WHERE NOT EXISTS (SELECT FROM %s AS target"
							 " WHERE target.key OPERATOR(pg_catalog.=) %s)",
							 p->source.from, p->target, p->key);
	char *query = psprintf("SELECT %s, source.%s::pg_catalog.text, %s::pg_catalog.text %s", p->key,
						   quote_identifier(p->source.text_column),
						   p->request.polarity_column
							   ? psprintf("source.%s", quote_identifier(p->request.polarity_column))
							   : "NULL",
						   missing);
	char *count = OneString(psprintf("SELECT pg_catalog.count(*) %s", missing), 0, NULL, NULL);
	MemoryContext caller = CurrentMemoryContext;
	Portal cursor;

	p->todo = DatumGetInt64(DirectFunctionCall1(int8in, CStringGetDatum(count)));
	if (p->request.duplicates)
		ReadFingerprints(p);
	LogPseudoLabelling(p);
	CommitAndGoOn();
	p->began = p->noticed = GetCurrentTimestamp();
	INSTR_TIME_SET_CURRENT(p->measured_from);
	cursor = SPI_cursor_open_with_args(NULL, query, 0, NULL, NULL, NULL, false, 0);
	MemoryContextSwitchTo(caller);
	/* Pinned, a cursor is held over commits, and closed after an error. */
	PinPortal(cursor);
	while (LabelBatch(p, cursor))
		;
	UnpinPortal(cursor);
	SPI_cursor_close(cursor);
	MemoryContextSwitchTo(caller);
}

static void
NoticeEnd(const PseudoLabelling *p)
{
	StringInfoData counts;

	initStringInfo(&counts);
	for (int i = 0; i < OUTCOMES; i++)
		if (p->outcomes[i] > 0 || i == OUTCOME_LABELLED)
			appendStringInfo(&counts, "%s " INT64_FORMAT " %s", counts.len > 0 ? "," : "",
							 p->outcomes[i], outcome_words[i]);
	ereport(NOTICE, (errmsg("emotion_pseudo_label: " INT64_FORMAT " rows written to %s with %s:%s",
							p->done, p->target, ModelReferenceString(&p->model), counts.data)));
}

/*
 * CALL emotion_pseudo_label(source text, text_column text, target text, model text,
 * min_confidence float8, options jsonb)
 */
Datum
emotion_pseudo_label(PG_FUNCTION_ARGS)
{
	static const char *const names[] = { "source", "text_column", "target" };
	PseudoLabelling *p;
	CachedModel *cached;
	Jsonb *options;
	LOCKTAG tag;

	for (int i = 0; i < 3; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("%s must not be null", names[i])));
	CheckMayCommit(fcinfo, "emotion_pseudo_label",
				   "It commits after each batch: CALL it by itself.");
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");

	/* Allocated here, in SPI's context, all this outlives the transactions. */
	p = palloc0(sizeof(PseudoLabelling));
	options = PG_ARGISNULL(5) ? DatumGetJsonbP(JsonbFromCString("{}"))
							  : DatumGetJsonbPCopy(PG_GETARG_DATUM(5));
	ParsePseudoLabelOptions(options, &p->request);
	if (!PG_ARGISNULL(4))
	{
		p->request.min_confidence = PG_GETARG_FLOAT8(4);
		if (!(p->request.min_confidence >= 0 && p->request.min_confidence <= 1))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("min_confidence is out of range: %g", p->request.min_confidence),
							errhint("It is a score, 0 to 1.")));
	}
	p->source.source = text_to_cstring(PG_GETARG_TEXT_PP(0));
	p->source.text_column = text_to_cstring(PG_GETARG_TEXT_PP(1));
	p->source.text_argument = true;
	p->model =
		PG_ARGISNULL(3) ? DeployedModel() : ParseModelReferenceText(PG_GETARG_TEXT_PP(3), true);
	p->batch_context = AllocSetContextCreate(CurrentMemoryContext, "emotion pseudo-labels",
											 ALLOCSET_DEFAULT_SIZES);
	text_tokens_init(&p->tokens, ContextAllocator(CurrentMemoryContext));
	p->seen.context = CurrentMemoryContext;
	p->seen.mask = 1023;
	p->seen.slots = palloc0(sizeof(uint64) * 1024);
	cached = UseModel(&p->model);
	p->cuts = ConfidenceCuts(&p->request, cached);
	p->polarities = LabelPolarities(&p->request, cached);
	OpenSource(&p->source);
	p->key = KeyExpression(&p->source, p->request.key_column);
	OpenTarget(p, text_to_cstring(PG_GETARG_TEXT_PP(2)),
			   BegunWith(p, p->source.text_column, p->request.min_confidence, options));
	tag = TargetLock(p);
	if (LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("%s is being filled by another session", p->target)));
	PG_TRY();
	{
		CommitAndGoOn();
		LabelRows(p);
	}
	PG_FINALLY();
	{
		LockRelease(&tag, ExclusiveLock, true);
	}
	PG_END_TRY();
	NoticeEnd(p);
	SPI_finish();
	PG_RETURN_VOID();
}
