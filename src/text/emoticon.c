/*
 * emoticon.c
 *	  Faces made of punctuation and letters.
 *
 * What surrounds an emoticon decides with what is ambiguous: "3:30", "http://",
 * "note:(see below)" and "(this):" hold none.
 */
#include "emoji.h"

/* Stands where a table has nothing to say. */
#define NOTHING ((const char *) NULL)

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

typedef struct face
{
	const char *spelling; /* UTF-8 */
	const char *canonical;
} face;

#define SHRUG "¯\\_(ツ)_/¯"
#define TABLE_FLIP "(╯°□°)╯︵┻━┻"
#define LENNY "(͡°͜ʖ͡°)"

/* No spelling is the beginning of another. */
static const face faces[] = {
	{ "¯\\_(ツ)_/¯", SHRUG },
	{ "¯\\\\_(ツ)_/¯", SHRUG },
	{ "¯\\\\\\_(ツ)_/¯", SHRUG },
	{ "¯\\(ツ)/¯", SHRUG },
	{ "¯_(ツ)_/¯", SHRUG },
	{ "ಠ_ಠ", "ಠ_ಠ" },
	{ "( ͡° ͜ʖ ͡°)", LENNY },
	{ "(╯°□°)╯︵ ┻━┻", TABLE_FLIP },
	{ "(╯°□°）╯︵ ┻━┻", TABLE_FLIP },
	{ "ʕ•ᴥ•ʔ", "ʕ•ᴥ•ʔ" },
	{ "\\o/", "\\o/" },
};

/* Mouths by expression, for each kind of eyes. */
typedef struct mouth
{
	char character;
	const char *colon;     /* with the eyes ':' or '=' */
	const char *semicolon; /* with the eyes ';' */
	bool after_word;       /* "fun:D": taken for an emoticon even there */
	bool repeats;          /* ":))))" */
} mouth;

static const mouth mouths[] = {
	{ ')', ":)", ";)", true, true },      { ']', ":)", ";)", true, true },
	{ '}', ":)", ";)", true, true },      { '(', ":(", ":(", true, true },
	{ '[', ":(", ":(", true, true },      { '{', ":(", ":(", true, true },
	{ '<', ":(", NOTHING, false, false }, { 'D', ":D", ";D", true, true },
	{ 'd', ":D", NOTHING, false, false }, { 'P', ":p", ";p", true, true },
	{ 'p', ":p", ";p", true, false },     { 'b', ":p", NOTHING, false, false },
	{ 'O', ":o", NOTHING, false, false }, { 'o', ":o", NOTHING, false, false },
	{ '0', ":o", NOTHING, false, false }, { '/', ":/", ":/", true, false },
	{ '\\', ":/", ":/", true, false },    { '|', ":|", NOTHING, true, false },
	{ '*', ":*", ";*", false, false },    { 's', ":s", NOTHING, false, false },
	{ 'S', ":s", NOTHING, false, false }, { 'c', ":(", NOTHING, false, false },
	{ 'C', ":(", NOTHING, false, false }, { 'x', ":x", NOTHING, false, false },
	{ 'X', ":x", NOTHING, false, false }, { '$', ":$", NOTHING, false, false },
	{ '@', ":@", NOTHING, false, false }, { '3', ":3", ";3", false, false },
};

static const mouth *
find_mouth(uint32_t code_point)
{
	for (size_t i = 0; i < LENGTH(mouths); i++)
	{
		if ((uint32_t) (unsigned char) mouths[i].character == code_point)
			return &mouths[i];
	}
	return NULL;
}

static size_t
skip_all(text_reader *reader, size_t position, uint32_t code_point)
{
	size_t next = position;

	while (text_read(reader, &next) == code_point)
		position = next;
	return position;
}

static bool
is_apostrophe(uint32_t code_point)
{
	return code_point == '\'' || code_point == 0x2019 || code_point == '`' || code_point == 0xB4;
}

/* Whether a mouth that ends before position is one, seen what stands around it. */
static bool
fits_western(text_reader *reader, size_t position, uint32_t eyes, uint32_t mouth, bool after_word)
{
	uint32_t behind = text_peek(reader, position);

	switch (mouth)
	{
		case '/':
		case '\\':
			/* "://", "=/=" */
			if (behind == mouth || (eyes == '=' && text_classify(behind) != TEXT_SPACE))
				return false;
			break;
		case '*':
			/* the end of "**note:**" */
			if (behind == '*')
				return false;
			break;
		case ')':
		case ']':
		case '}':
		case '(':
			return !(after_word && text_is_wordlike(behind));
		default:
			break;
	}
	return !text_is_wordlike(behind);
}

/* Eyes, perhaps a tear and a nose, and a mouth; brackets, D and P may be repeated. */
static size_t
match_western(text_reader *reader, size_t position, bool after_word, const char **canonical)
{
	size_t next = position;
	uint32_t eyes = text_read(reader, &next);
	uint32_t code_point = text_read(reader, &next);
	const mouth *found;
	bool tear = false;

	if (is_apostrophe(code_point) || code_point == ',')
	{
		tear = true;
		code_point = text_read(reader, &next);
	}
	if (code_point == '-' || code_point == '^')
		code_point = text_read(reader, &next);
	found = find_mouth(code_point);
	if (found == NULL || (after_word && !found->after_word))
		return position;
	if (eyes == '=' && (after_word || !found->after_word))
		return position;
	*canonical = eyes == ';' ? found->semicolon : found->colon;
	if (*canonical == NOTHING)
		return position;
	if (tear)
	{
		char expression = (*canonical)[1];

		if (expression != '(' && expression != ')' && expression != 'D')
			return position;
		*canonical = expression == '(' ? ":'(" : ":')";
	}
	if (found->repeats)
		next = skip_all(reader, next, code_point);
	return fits_western(reader, next, eyes, code_point, after_word) ? next : position;
}

/* left, joint (once or more), right; nothing wordlike behind. */
static size_t
match_joined(text_reader *reader, size_t position, const char *joints, const char *rights)
{
	size_t next = position;
	uint32_t joint;
	uint32_t right;

	(void) text_read(reader, &next);
	joint = text_read(reader, &next);
	for (; *joints != '\0' && (uint32_t) *joints != joint; joints++)
		;
	if (*joints == '\0')
		return position;
	if (joint == '_')
		next = skip_all(reader, next, joint);
	right = text_read(reader, &next);
	for (; *rights != '\0' && (uint32_t) *rights != right; rights++)
		;
	if (*rights == '\0' || text_is_wordlike(text_peek(reader, next)))
		return position;
	return next;
}

/* Read backwards: "(:", "(-;", "(=". */
static size_t
match_mirrored(text_reader *reader, size_t position, const char **canonical)
{
	size_t next = position;
	uint32_t mouth_side = text_read(reader, &next);
	uint32_t code_point = text_read(reader, &next);
	bool tear = is_apostrophe(code_point);

	if (tear || code_point == '-')
		code_point = text_read(reader, &next);
	if (code_point != ':' && code_point != ';' && code_point != '=')
		return position;
	if (text_is_wordlike(text_peek(reader, next)))
		return position;
	if (mouth_side == '(')
		*canonical = tear ? ":')" : code_point == ';' ? ";)" : ":)";
	else
		*canonical = tear ? ":'(" : ":(";
	return next;
}

/* "<3", "<333", "</3" */
static size_t
match_heart(text_reader *reader, size_t position, const char **canonical)
{
	size_t next = position;
	uint32_t code_point;

	(void) text_read(reader, &next);
	code_point = text_read(reader, &next);
	*canonical = "<3";
	if (code_point == '/' || code_point == '\\')
	{
		*canonical = "</3";
		code_point = text_read(reader, &next);
	}
	if (code_point != '3')
		return position;
	next = skip_all(reader, next, '3');
	code_point = text_peek(reader, next);
	return text_is_wordlike(code_point) || code_point == '%' ? position : next;
}

/* ">:(" and ">.<" */
static size_t
match_angry(text_reader *reader, size_t position, bool after_word, const char **canonical)
{
	size_t eyes = position;
	uint32_t code_point;

	(void) text_read(reader, &eyes);
	code_point = text_peek(reader, eyes);
	if (code_point == ':' || code_point == ';' || code_point == '=')
	{
		size_t end = match_western(reader, eyes, false, canonical);

		if (end == eyes)
			return position;
		*canonical = (*canonical)[1] == '(' || (*canonical)[1] == '/' ? ">:(" : ">:)";
		return end;
	}
	*canonical = ">_<";
	return after_word ? position : match_joined(reader, position, "_.", "<");
}

static size_t
match_faces(text_reader *reader, size_t position, const char **canonical)
{
	for (size_t i = 0; i < LENGTH(faces); i++)
	{
		const char *spelling = faces[i].spelling;
		size_t next = position;

		while (*spelling != '\0')
		{
			uint32_t wanted;
			size_t size = text_utf8_decode(spelling, 4, &wanted);

			if (text_read(reader, &next) != wanted)
				break;
			spelling += size;
		}
		if (*spelling == '\0')
		{
			*canonical = faces[i].canonical;
			return next;
		}
	}
	return position;
}

size_t
text_match_emoticon(text_reader *reader, size_t position, uint32_t first, bool after_word,
					bool after_space, const char **canonical)
{
	size_t next = position;
	size_t end = position;

	switch (first)
	{
		case ':':
		case ';':
		case '=':
			if (first == ';' && !after_word)
			{
				*canonical = ";_;";
				end = match_joined(reader, position, "_-", ";");
			}
			return end > position ? end : match_western(reader, position, after_word, canonical);
		case '<':
			return match_heart(reader, position, canonical);
		case '>':
			return match_angry(reader, position, after_word, canonical);
		case '(':
			end = match_faces(reader, position, canonical);
			return end > position ? end : match_mirrored(reader, position, canonical);
		case ')':
			return after_space ? match_mirrored(reader, position, canonical) : position;
		case '^':
			*canonical = "^_^";
			return match_joined(reader, position, "_-.o", "^");
		case '-':
			*canonical = "-_-";
			return after_word ? position : match_joined(reader, position, "_.", "-");
		case 'D':
			/* upside down, where nothing else can be meant */
			(void) text_read(reader, &next);
			if (!after_space || text_read(reader, &next) != ':' ||
				text_classify(text_peek(reader, next)) != TEXT_SPACE)
				return position;
			*canonical = "D:";
			return next;
		case 'x':
		case 'X':
			(void) text_read(reader, &next);
			first = text_peek(reader, next);
			if (after_word || (first != 'D' && first != 'd'))
				return position;
			next = skip_all(reader, next, first);
			*canonical = "xD";
			return text_is_wordlike(text_peek(reader, next)) ? position : next;
		case 'T':
		case 't':
		case 'Q':
			*canonical = "T_T";
			return after_word ? position
							  : match_joined(reader, position, first == 'T' ? "_." : "_",
											 first == 'T'   ? "T"
											 : first == 't' ? "t"
															: "Q");
		case 'o':
		case 'O':
		case '0':
			*canonical = "o_o";
			return after_word ? position
							  : match_joined(reader, position, first == '0' ? "_" : "_.",
											 first == '0' ? "0oO" : "oO");
		case 'u':
		case 'U':
			*canonical = "u_u";
			return after_word ? position : match_joined(reader, position, "_", "uU");
		case '/':
			/* Reddit's mark of sarcasm */
			(void) text_read(reader, &next);
			first = text_read(reader, &next);
			if (!after_space || (first != 's' && first != 'S'))
				return position;
			first = text_peek(reader, next);
			if (text_is_wordlike(first) || first == '/')
				return position;
			*canonical = "/s";
			return next;
		case '\\':
		case 0xAF:   /* ¯ */
		case 0x0CA0: /* ಠ */
		case 0x0295: /* ʕ */
			return match_faces(reader, position, canonical);
		default:
			return position;
	}
}
