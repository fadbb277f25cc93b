/*
 * explain.c
 *	  What the network looked at: emotion_explain and emotion_highlight.
 */
#include "postgres.h"

#include "decide.h"
#include "glue.h"
#include "score.h"

#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include <string.h>

PG_FUNCTION_INFO_V1(emotion_explain);
PG_FUNCTION_INFO_V1(emotion_highlight);

/* label >= 0 asks for the influence of each token on that label, too. scores: (L) or NULL. */
static model_attention
Explain(CachedModel *cached, em_slice body, int label, float4 *scores)
{
	em_status status = { EM_OK, "", "" };
	model_attention attention;

	if (scorer_explain(cached->scorer, body, label, scores, &attention, InterruptWanted, NULL,
					   &status) != EM_OK)
		ReportStatus(&status);
	return attention;
}

Datum
emotion_explain(PG_FUNCTION_ARGS)
{
	em_slice body = TextAsUtf8(PG_GETARG_TEXT_PP(0));
	ReturnSetInfo *info = BeginSet(fcinfo);
	CachedModel *cached = ModelArgument(fcinfo, 1);
	model_attention attention = Explain(cached, body, -1, NULL);
	const text_tokens *tokens = attention.tokens;
	size_t read = 0;    /* bytes of the text counted so far */
	int characters = 0; /* and how many characters they are */

	for (size_t i = 0; i < tokens->count; i++)
	{
		const text_token *token = &tokens->tokens[i];
		Datum values[5];
		bool nulls[5] = { false, false, false, false, false };

		/* Tokens stand in the order of the text, except where one thing gave two of them. */
		if (token->start < read)
			read = characters = 0;
		characters += CharactersIn(body.bytes + read, token->start - read);
		read = token->start;
		values[0] = Int32GetDatum((int32) i + 1);
		values[1] = PointerGetDatum(
			TextFromUtf8(tokens->buffer + token->normalized, token->normalized_length));
		values[2] = Int32GetDatum(characters + 1);
		values[3] = Int32GetDatum(CharactersIn(body.bytes + token->start, token->length));
		values[4] = Float4GetDatum(attention.weight[i]);
		tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* ---- emotion_highlight ----------------------------------------------------------------------- */

typedef struct HighlightOptions
{
	const char *start_mark; /* UTF-8 */
	const char *stop_mark;
	int max_words;
	bool escape;       /* markup that the text holds */
	const char *label; /* in the database's encoding; NULL: the strongest */
} HighlightOptions;

/* A word is marked when its influence is at least this part of the greatest. */
#define LEAST_INFLUENCE 0.25f

static char *
Utf8FromCString(const char *string)
{
	em_slice slice = TextAsUtf8(cstring_to_text(string));

	return pnstrdup(slice.bytes, slice.length);
}

/* 'StartSel=<b>, StopSel=</b>', in the manner of ts_headline. */
static HighlightOptions
ParseHighlightOptions(Datum options)
{
	HighlightOptions parsed = { "<b>", "</b>", 5, false, NULL };
	ListCell *cell;

	if (DatumGetPointer(options) == NULL)
		return parsed;
	foreach (cell, deserialize_deflist(options))
	{
		DefElem *option = lfirst_node(DefElem, cell);
		char *value = defGetString(option);

		if (pg_strcasecmp(option->defname, "StartSel") == 0)
			parsed.start_mark = Utf8FromCString(value);
		else if (pg_strcasecmp(option->defname, "StopSel") == 0)
			parsed.stop_mark = Utf8FromCString(value);
		else if (pg_strcasecmp(option->defname, "Label") == 0)
			parsed.label = value;
		else if (pg_strcasecmp(option->defname, "Escape") == 0)
			parsed.escape = defGetBoolean(option);
		else if (pg_strcasecmp(option->defname, "MaxWords") == 0)
		{
			parsed.max_words = pg_strtoint32(value);
			if (parsed.max_words < 1)
				ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
								errmsg("MaxWords must be at least 1: %d", parsed.max_words)));
		}
		else
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("unrecognized option \"%s\"", option->defname),
							errhint("Options are StartSel, StopSel, MaxWords, Escape and Label.")));
	}
	return parsed;
}

/* The strongest of the labels that the text gets, or of all when it gets none. */
static int
StrongestLabel(const CachedModel *cached, const float4 *scores)
{
	int *ranks = RankLabels(cached, scores);

	for (int i = 0; i < MostLabels(cached->model); i++)
		if (scores[ranks[i]] >= cached->model->thresholds[ranks[i]])
			return ranks[i];
	return ranks[0];
}

/*
 * Which tokens to mark: those without which the label's logit would fall most,
 * at most max_words of them, none of them a word that speaks against the label.
 */
static bool *
ChooseTokens(const model_attention *attention, int max_words)
{
	size_t count = attention->tokens->count;
	bool *chosen = palloc0(sizeof(bool) * Max(count, 1));
	float greatest = 0;

	for (int word = 0; word < max_words; word++)
	{
		size_t best = count;

		for (size_t i = 0; i < count; i++)
			if (!chosen[i] && attention->influence[i] > 0 &&
				(best == count || attention->influence[i] > attention->influence[best]))
				best = i;
		if (best == count || attention->influence[best] < LEAST_INFLUENCE * greatest)
			break;
		greatest = Max(greatest, attention->influence[best]);
		chosen[best] = true;
	}
	return chosen;
}

/* Text, as HTML and XML write it if that was asked for. */
static void
AppendBody(StringInfo marked, const char *bytes, size_t length, bool escape)
{
	if (!escape)
	{
		appendBinaryStringInfo(marked, bytes, (int) length);
		return;
	}
	for (size_t i = 0; i < length; i++)
		switch (bytes[i])
		{
			case '&':
				appendStringInfoString(marked, "&amp;");
				break;
			case '<':
				appendStringInfoString(marked, "&lt;");
				break;
			case '>':
				appendStringInfoString(marked, "&gt;");
				break;
			case '"':
				appendStringInfoString(marked, "&quot;");
				break;
			case '\'':
				appendStringInfoString(marked, "&#39;");
				break;
			default:
				appendStringInfoCharMacro(marked, bytes[i]);
		}
}

static text *
MarkTokens(em_slice body, const text_tokens *tokens, const bool *chosen,
		   const HighlightOptions *options)
{
	StringInfoData marked;
	size_t done = 0;
	text *result;

	initStringInfo(&marked);
	for (size_t i = 0; i < tokens->count; i++)
	{
		const text_token *token = &tokens->tokens[i];

		if (!chosen[i] || token->start < done || token->length == 0)
			continue;
		AppendBody(&marked, body.bytes + done, token->start - done, options->escape);
		appendStringInfoString(&marked, options->start_mark);
		AppendBody(&marked, body.bytes + token->start, token->length, options->escape);
		appendStringInfoString(&marked, options->stop_mark);
		done = token->start + token->length;
	}
	AppendBody(&marked, body.bytes + done, body.length - done, options->escape);
	result = TextFromUtf8(marked.data, (size_t) marked.len);
	pfree(marked.data);
	return result;
}

Datum
emotion_highlight(PG_FUNCTION_ARGS)
{
	em_slice body = TextAsUtf8(PG_GETARG_TEXT_PP(0));
	HighlightOptions options =
		ParseHighlightOptions(PG_NARGS() > 2 ? PG_GETARG_DATUM(2) : (Datum) 0);
	CachedModel *cached = ModelArgument(fcinfo, 1);
	model_attention attention;
	int label;

	if (options.label != NULL)
		label = FindLabel(cached, options.label, strlen(options.label));
	else
		label = StrongestLabel(cached, ScoreTexts(cached, &body, 1));
	attention = Explain(cached, body, label, NULL);
	PG_RETURN_TEXT_P(
		MarkTokens(body, attention.tokens, ChooseTokens(&attention, options.max_words), &options));
}
