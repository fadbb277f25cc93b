/*
 * import_request.c
 *	  The options of emotion_import_goemotions() and its like.
 */
#include "postgres.h"

#include "import_request.h"

#include "mb/pg_wchar.h"

#include "glue.h"
#include "options.h"

#define WHERE_LISTED "The section Import of the manual lists the options of each format."

/* In the order of their ids in the published files. */
static const char *const goemotions_labels[] = {
	"admiration",    "amusement",   "anger",    "annoyance",      "approval",    "caring",
	"confusion",     "curiosity",   "desire",   "disappointment", "disapproval", "disgust",
	"embarrassment", "excitement",  "fear",     "gratitude",      "grief",       "joy",
	"love",          "nervousness", "optimism", "pride",          "realization", "relief",
	"remorse",       "sadness",     "surprise", "neutral"
};

/* Which formats take an option, as bits. */
#define EVERY 0xF
#define BIT(format) (1 << (format))
#define FIELDS (BIT(IMPORT_CSV) | BIT(IMPORT_JSONL))

typedef enum ImportOptionKind
{
	KIND_STRING,
	KIND_CHARACTER,
	KIND_BOOL,
	KIND_NAMES, /* array of strings; its count stands behind it */
	KIND_ENCODING,
} ImportOptionKind;

typedef struct ImportOption
{
	const char *name;
	ImportOptionKind kind;
	size_t offset;
	int formats;
} ImportOption;

#define AT(field) offsetof(ImportRequest, field)

static const ImportOption import_options[] = {
	{ "line_column", KIND_STRING, AT(lines.line_column), EVERY },
	{ "number_column", KIND_STRING, AT(lines.number_column), EVERY },
	{ "encoding", KIND_ENCODING, AT(lines.encoding), EVERY },
	{ "text_column", KIND_STRING, AT(text_column), EVERY },
	{ "label_column", KIND_STRING, AT(label_column), EVERY },
	{ "source", KIND_STRING, AT(source), EVERY },
	{ "split", KIND_STRING, AT(split), EVERY },
	{ "labels", KIND_NAMES, AT(labels), EVERY & ~BIT(IMPORT_SENTIMENT140) },
	{ "allow_unlabelled", KIND_BOOL, AT(allow_unlabelled), EVERY & ~BIT(IMPORT_SENTIMENT140) },
	{ "text_field", KIND_STRING, AT(text_field), FIELDS },
	{ "label_field", KIND_STRING, AT(label_field), FIELDS },
	{ "id_field", KIND_STRING, AT(id_field), FIELDS },
	{ "source_field", KIND_STRING, AT(source_field), FIELDS },
	{ "split_field", KIND_STRING, AT(split_field), FIELDS },
	{ "label_separator", KIND_CHARACTER, AT(label_separator), FIELDS },
	{ "delimiter", KIND_CHARACTER, AT(delimiter), BIT(IMPORT_CSV) },
	{ "quote", KIND_CHARACTER, AT(quote), BIT(IMPORT_CSV) },
	{ "header", KIND_BOOL, AT(header), BIT(IMPORT_CSV) },
	{ "multiline", KIND_BOOL, AT(multiline), BIT(IMPORT_CSV) | BIT(IMPORT_SENTIMENT140) },
	{ "columns", KIND_NAMES, AT(columns), BIT(IMPORT_CSV) },
};

static void
SetNames(const char *name, const JsonbValue *json, char ***names, int *count)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue element;

	if (json->type != jbvBinary || !JsonContainerIsArray(json->val.binary.data) ||
		JsonContainerSize(json->val.binary.data) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be an array of strings that is not empty", name)));
	*names = palloc(sizeof(char *) * JsonContainerSize(json->val.binary.data));
	*count = 0;
	iterator = JsonbIteratorInit(json->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (element.type != jbvString || element.val.string.len == 0)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("option \"%s\" must be an array of strings", name)));
		(*names)[*count] = pnstrdup(element.val.string.val, (Size) element.val.string.len);
		for (int i = 0; i < *count; i++)
			if (strcmp((*names)[i], (*names)[*count]) == 0)
				ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
								errmsg("option \"%s\" names \"%s\" twice", name, (*names)[i])));
		(*count)++;
	}
}

/* One ASCII character; for "quote" an empty string is none. */
static char
Character(const char *name, const option_value *value)
{
	if (value->type == OPTION_VALUE_STRING && value->string.length == 0 &&
		strcmp(name, "quote") == 0)
		return 0;
	if (value->type != OPTION_VALUE_STRING || value->string.length != 1 ||
		IS_HIGHBIT_SET(value->string.bytes[0]) || strchr("\n\r", value->string.bytes[0]) != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"%s\" must be one ASCII character", name)));
	return value->string.bytes[0];
}

static int
Encoding(em_slice name, const option_value *value)
{
	char *string = StringOption(name, value);
	int encoding = pg_char_to_encoding(string);

	if (encoding < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("\"%s\" is not an encoding", string),
						errhint("Names are as PostgreSQL has them: UTF8, LATIN1, WIN1252, ...")));
	return encoding;
}

static void
VisitImportOption(em_slice name, const option_value *value, const JsonbValue *json, void *context)
{
	ImportRequest *request = context;

	for (size_t i = 0; i < lengthof(import_options); i++)
	{
		const ImportOption *option = &import_options[i];
		char *target = (char *) request + option->offset;

		if (name.length != strlen(option->name) ||
			memcmp(name.bytes, option->name, name.length) != 0 ||
			(option->formats & BIT(request->format)) == 0)
			continue;
		switch (option->kind)
		{
			case KIND_STRING:
				*(const char **) target = StringOption(name, value);
				break;
			case KIND_CHARACTER:
				*target = Character(option->name, value);
				break;
			case KIND_BOOL:
				if (value->type != OPTION_VALUE_BOOL)
					ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
									errmsg("option \"%s\" must be true or false", option->name)));
				*(bool *) target = value->boolean;
				break;
			case KIND_NAMES:
				if (option->offset == AT(labels))
					SetNames(option->name, json, &request->labels, &request->label_count);
				else
					SetNames(option->name, json, &request->columns, &request->column_count);
				break;
			case KIND_ENCODING:
				*(int *) target = Encoding(name, value);
				break;
		}
		return;
	}
	UnknownOption(name, WHERE_LISTED);
}

void
ParseImportOptions(ImportFormat format, const Jsonb *options, ImportRequest *request)
{
	memset(request, 0, sizeof(*request));
	request->format = format;
	request->lines.encoding = PG_UTF8;
	request->text_column = "text";
	request->label_column = "labels";
	request->text_field = "text";
	request->label_field = "labels";
	request->id_field = "id";
	request->source_field = "source";
	request->split_field = "split";
	request->label_separator = ',';
	request->delimiter = format == IMPORT_GOEMOTIONS ? '\t' : ',';
	request->quote = format == IMPORT_GOEMOTIONS ? 0 : '"';
	request->header = format == IMPORT_CSV;
	request->multiline = format == IMPORT_CSV;
	if (format == IMPORT_GOEMOTIONS)
	{
		request->source = "goemotions";
		request->label_count = lengthof(goemotions_labels);
		request->labels = palloc(sizeof(goemotions_labels));
		for (int i = 0; i < request->label_count; i++)
			request->labels[i] = pstrdup(goemotions_labels[i]);
	}
	else if (format == IMPORT_SENTIMENT140)
		request->source = "sentiment140";
	VisitOptions(options, VisitImportOption, request);

	if (request->column_count > 0)
		request->header = false;
	else if (format == IMPORT_CSV && !request->header)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("without a header the fields have no names"),
						errhint("Name them by option \"columns\".")));
	if (request->quote == request->delimiter)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("options \"quote\" and \"delimiter\" are the same character")));
}
