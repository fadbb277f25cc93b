/*
 * pseudo_label_progress.c
 *	  How far a call of emotion_pseudo_label() is: notices, and its row in emotion.pseudo_labelling.
 */
#include "postgres.h"

#include "pseudo_label.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "../model/encoder_model.h"
#include "procedure.h"

/* Milliseconds between two notices of progress. */
#define NOTICE_INTERVAL 5000

/* Scoring that says how fast the rest will be; and what is worth a word before it begins, in seconds. */
#define MEASURED_SECONDS 1.0
#define LONG_SECONDS 60.0

/* As in "about 14 hours"; palloc'd. */
static char *
AboutSoLong(double seconds)
{
	static const struct
	{
		double seconds;
		const char *one, *many;
	} units[] = { { 86400, "day", "days" },
				  { 3600, "hour", "hours" },
				  { 60, "minute", "minutes" } };
	size_t unit = 0;
	double count;

	while (unit + 1 < lengthof(units) && seconds < 1.5 * units[unit].seconds)
		unit++;
	count = rint(seconds / units[unit].seconds);
	return psprintf("about %.0f %s", count, count == 1 ? units[unit].one : units[unit].many);
}

static const char *
FasterThan(const model *model)
{
	if (model->encoder == NULL)
		return "emotion_pseudo_label_progress shows how far it is.";
	return model->encoder->int8 != NULL
			   ? "A small model that learns from this one (option \"teachers\" of emotion_train) "
				 "is "
				 "faster."
			   : "This model stored as i8 (emotion_convert), or a small one that learns from it "
				 "(option \"teachers\" of emotion_train), is faster.";
}

void
EstimatePseudoLabels(PseudoLabelling *p, int64 rows, bool whole)
{
	double seconds = whole ? SecondsSince(p->measured_from) : p->scored_seconds;
	double expected;

	if (p->estimated || rows == 0 || (!whole && seconds < MEASURED_SECONDS))
		return;
	p->estimated = true;
	expected = seconds * (double) (p->todo - p->done) / (double) rows;
	if (expected < LONG_SECONDS)
		return;
	ereport(NOTICE,
			(errmsg("emotion_pseudo_label: " INT64_FORMAT " rows at %.*f rows/s: %s", p->todo,
					(double) rows / seconds < 10 ? 1 : 0, (double) rows / seconds,
					AboutSoLong(expected)),
			 errhint("It may be cancelled at any time: the same call goes on with what is left. %s",
					 FasterThan(UseModel(&p->model)->model))));
}

void
NoticePseudoLabels(PseudoLabelling *p)
{
	TimestampTz now = GetCurrentTimestamp();
	double seconds = (double) (now - p->began) / 1e6;

	if (!TimestampDifferenceExceeds(p->noticed, now, NOTICE_INTERVAL))
		return;
	p->noticed = now;
	ereport(NOTICE, (errmsg("emotion_pseudo_label: " INT64_FORMAT " of " INT64_FORMAT
							" rows done, " INT64_FORMAT " labelled, at this rate %.0f s to go",
							p->done, p->todo, p->outcomes[OUTCOME_LABELLED],
							seconds / (double) p->done * (double) Max(p->todo - p->done, 0))));
}

/* ---- the row that others see ------------------------------------------------------------------ */

void
LogPseudoLabelling(const PseudoLabelling *p)
{
	Oid types[4] = { OIDOID, TEXTOID, TEXTOID, INT8OID };
	Datum values[4] = { ObjectIdGetDatum(p->target_oid),
						CStringGetTextDatum(ModelReferenceString(&p->model)),
						CStringGetTextDatum(p->source.source), Int64GetDatum(p->todo) };

	/* ours, and those of tables that are no more */
	(void) RunStatement(
		"DELETE FROM emotion.pseudo_labelling AS l"
		" WHERE l.started_by OPERATOR(pg_catalog.=) CURRENT_USER"
		" AND (l.target OPERATOR(pg_catalog.=) $1 OR NOT EXISTS (SELECT"
		" FROM pg_catalog.pg_class AS c WHERE c.oid OPERATOR(pg_catalog.=) l.target))",
		1, types, values, NULL, false, SPI_OK_DELETE);
	(void) RunStatement("INSERT INTO emotion.pseudo_labelling (target, model, source, todo)"
						" VALUES ($1, $2, $3, $4)",
						4, types, values, NULL, false, SPI_OK_INSERT);
}

void
LogPseudoLabels(const PseudoLabelling *p)
{
	Oid types[3] = { OIDOID, INT8OID, INT8OID };
	Datum values[3] = { ObjectIdGetDatum(p->target_oid), Int64GetDatum(p->done),
						Int64GetDatum(p->outcomes[OUTCOME_LABELLED]) };

	(void) RunStatement("UPDATE emotion.pseudo_labelling SET done = $2, labelled = $3,"
						" updated_at = pg_catalog.clock_timestamp()"
						" WHERE target OPERATOR(pg_catalog.=) $1"
						" AND started_by OPERATOR(pg_catalog.=) CURRENT_USER",
						3, types, values, NULL, false, SPI_OK_UPDATE);
}
