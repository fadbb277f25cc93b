/*
 * fasttext_text.c
 *	  Word vectors as text: a word and its numbers a line, and whose format a file is of.
 *
 * Fields are separated by blanks, and words may hold blanks, so that the numbers are the last fields
 * of a line. The first line may say how many words and dimensions there are.
 */
#include "fasttext_internal.h"
#include "clip.h"
#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

typedef struct text_lines
{
	fasttext_input *input;
	uint64_t number; /* of the line, from 1 */
	em_slice line;   /* without its end and blanks before that */
} text_lines;

/* The next line; *more false behind the last. */
static em_code
next_line(text_lines *lines, bool *more)
{
	fasttext_input *input = lines->input;
	const uint8_t *bytes = input->buffer + input->at;
	const uint8_t *end = memchr(bytes, '\n', input->filled - input->at);
	size_t length;
	em_code code = EM_OK;

	if (end == NULL)
	{
		code = fasttext_fill(input);
		if (code != EM_OK)
			return code;
		bytes = input->buffer;
		end = memchr(bytes, '\n', input->filled);
		if (end == NULL && input->filled == FASTTEXT_BUFFER)
			return em_fail(input->status, EM_CORRUPT, "line %" PRIu64 " is longer than 256 kB",
						   lines->number + 1);
	}
	*more = end != NULL || input->filled > input->at;
	if (!*more)
		return EM_OK;
	lines->number++;
	length = end != NULL ? (size_t) (end - bytes) : input->filled - input->at;
	code = fasttext_take(input, length + (end != NULL), &bytes);
	while (length > 0 &&
		   (bytes[length - 1] == ' ' || bytes[length - 1] == '\r' || bytes[length - 1] == '\t'))
		length--;
	lines->line = (em_slice){ (const char *) bytes, length };
	return code;
}

/* A number as programs write it, whatever the locale. */
static bool
read_number(em_slice text, float *out)
{
	size_t i = 0, digits = 0;
	double number;

	if (text.length > 0 && text.bytes[0] == '+')
	{
		text.bytes++;
		text.length--;
	}
	if (i < text.length && text.bytes[i] == '-')
		i++;
	for (bool point = false; i < text.length; i++)
	{
		if (text.bytes[i] >= '0' && text.bytes[i] <= '9')
			digits++;
		else if (text.bytes[i] == '.' && !point)
			point = true;
		else
			break;
	}
	if (digits == 0)
		return false;
	if (i < text.length && (text.bytes[i] == 'e' || text.bytes[i] == 'E'))
	{
		digits = 0;
		i++;
		if (i < text.length && (text.bytes[i] == '-' || text.bytes[i] == '+'))
			i++;
		for (; i < text.length && text.bytes[i] >= '0' && text.bytes[i] <= '9'; i++)
			digits++;
	}
	if (digits == 0 || i < text.length || !json_to_double(text, &number))
		return false;
	*out = (float) number;
	return fabsf(*out) <= VECTORS_MAX_WEIGHT;
}

/* Cut the last field off; false when none has a blank before it. */
static bool
last_field(em_slice *line, em_slice *field)
{
	size_t start = line->length;

	while (start > 0 && line->bytes[start - 1] != ' ' && line->bytes[start - 1] != '\t')
		start--;
	if (start == 0)
		return false;
	*field = (em_slice){ line->bytes + start, line->length - start };
	line->length = start - 1;
	return true;
}

/* The first line: a header, "words dimensions", or else as many dimensions as its last numbers. */
static em_code
begin(text_lines *lines, uint32_t *dim, uint64_t *words, bool *header)
{
	em_slice rest = lines->line;
	em_slice field;
	uint64_t columns = 0;
	uint64_t found = 0;
	float number;

	*words = 0;
	*header =
		last_field(&rest, &field) && json_to_size(field, &columns) && json_to_size(rest, words);
	rest = lines->line;
	if (!*header)
	{
		while (found <= VECTORS_MAX_DIM && last_field(&rest, &field) && read_number(field, &number))
			found++;
		columns = found;
	}
	if (columns == 0)
	{
		em_fail(lines->input->status, EM_UNSUPPORTED, "the file holds no word vectors");
		em_hint(lines->input->status,
				"fastText's models (.bin, .ftz) from 2017 on are read, and text: a word and its "
				"numbers a line, uncompressed.");
		return EM_UNSUPPORTED;
	}
	if (columns > VECTORS_MAX_DIM)
		return em_fail(lines->input->status, EM_LIMIT,
					   "the word vectors have more than %d dimensions", VECTORS_MAX_DIM);
	*dim = (uint32_t) columns;
	return EM_OK;
}

/* Cut the word off a line, by the numbers behind it. */
static em_code
cut_word(const text_lines *lines, uint32_t dim, em_slice *word)
{
	em_slice field;

	*word = lines->line;
	for (uint32_t i = 0; i < dim; i++)
		if (!last_field(word, &field))
			return em_fail(lines->input->status, EM_CORRUPT,
						   "line %" PRIu64 " has %u numbers behind a word, not %u", lines->number,
						   i, dim);
	return EM_OK;
}

static em_code
read_numbers(const text_lines *lines, uint32_t dim, float *out)
{
	em_slice rest = lines->line;
	em_slice field = { "", 0 };

	for (uint32_t i = dim; i-- > 0;)
	{
		if (last_field(&rest, &field) && read_number(field, &out[i]))
			continue;
		em_fail(lines->input->status, EM_CORRUPT,
				"line %" PRIu64 ": \"%.*s\" is no number from -1e9 to 1e9", lines->number,
				json_valid_utf8(field) ? clip_length(field) : 0, field.bytes);
		if (memchr(lines->line.bytes, '\0', lines->line.length) != NULL)
			em_hint(lines->input->status, "Binary files of word2vec are not read.");
		return EM_CORRUPT;
	}
	return EM_OK;
}

em_code
fasttext_read_text(fasttext_input *input, fasttext_choice *choice, vectors *vectors,
				   fasttext_report *report)
{
	text_lines lines = { .input = input };
	size_t capacity = 0;
	uint64_t claimed = 0;
	bool more = false;
	em_code code;

	report->format = "text";
	input->section = "lines";
	code = next_line(&lines, &more);
	if (code == EM_OK && !more)
		code = em_fail(input->status, EM_CORRUPT, "the file is empty");
	/* a byte order mark, as some programs of Windows begin a file */
	if (code == EM_OK && lines.line.length >= 3 && memcmp(lines.line.bytes, "\xEF\xBB\xBF", 3) == 0)
		lines.line = (em_slice){ lines.line.bytes + 3, lines.line.length - 3 };
	if (code == EM_OK)
		code = begin(&lines, &vectors->dim, &claimed, &report->header);
	if (code == EM_OK && report->header)
		code = next_line(&lines, &more);
	for (; code == EM_OK && more && choice->kept < choice->most; code = next_line(&lines, &more))
	{
		em_slice word;
		bool keep;

		if (lines.line.length == 0)
			continue;
		report->words++;
		code = cut_word(&lines, vectors->dim, &word);
		if (code == EM_OK)
			code = fasttext_choose(choice, word.bytes, word.length, &keep, input->status);
		if (code == EM_OK && keep)
		{
			size_t row = (size_t) (choice->kept - 1) * vectors->dim;

			if (4 * (uint64_t) (row + vectors->dim) > FASTTEXT_MAX_BYTES)
				code = em_fail(input->status, EM_LIMIT,
							   "%u words of %u dimensions are more than %" PRIu64 " MB",
							   choice->kept, vectors->dim, FASTTEXT_MAX_BYTES / 1024 / 1024);
			else if (!em_grow(vectors->allocator, (void **) &vectors->input, &capacity,
							  row + vectors->dim, sizeof(float)))
				code = em_fail(input->status, EM_OUT_OF_MEMORY, "out of memory");
			else
				code = read_numbers(&lines, vectors->dim, vectors->input + row);
		}
		if (code != EM_OK)
			return code;
	}
	report->complete = !more;
	if (code == EM_OK && !more && report->words < claimed)
		code = em_fail(input->status, EM_CORRUPT,
					   "the first line of the file says %" PRIu64 " words, but there are %" PRIu64,
					   claimed, report->words);
	return code == EM_OK ? fasttext_choice_words(choice, vectors, input->status) : code;
}

/* ---- recognising ---------------------------------------------------------------------- */

static uint32_t
first_number(const uint8_t *bytes)
{
	return bytes[0] | (uint32_t) bytes[1] << 8 | (uint32_t) bytes[2] << 16 |
		   (uint32_t) bytes[3] << 24;
}

static em_code
unsupported(fasttext_input *input, const char *what, const char *hint)
{
	em_fail(input->status, EM_UNSUPPORTED, "%s", what);
	em_hint(input->status, "%s", hint);
	return EM_UNSUPPORTED;
}

static em_code
read_any(fasttext_input *input, fasttext_choice *choice, vectors *vectors, fasttext_report *report)
{
	const uint8_t *bytes = input->buffer;
	em_code code = fasttext_fill(input);

	if (code != EM_OK)
		return code;
	if (input->filled >= 4 && first_number(bytes) == FASTTEXT_MAGIC)
	{
		input->section = "head";
		code = fasttext_skip(input, 4);
		return code == EM_OK ? fasttext_read_model(input, choice, vectors, report) : code;
	}
	if (input->filled >= 2 && ((bytes[0] == 0x1F && bytes[1] == 0x8B) ||
							   memcmp(bytes, "PK", 2) == 0 || memcmp(bytes, "BZ", 2) == 0))
	{
		/* "PK" and "BZ" may begin a text, too, but not with such bytes behind them */
		if (bytes[0] == 0x1F ||
			(input->filled >= 3 && (bytes[2] < 0x20 || memcmp(bytes, "BZh", 3) == 0)))
			return unsupported(input, "the file is compressed", "Unpack it first.");
	}
	/* the first models began with their dimensions, and said nowhere what they are */
	if (input->filled >= 4 && first_number(bytes) >= 1 && first_number(bytes) <= 0xFFFF)
		return unsupported(
			input, "the file is no text and has not the magic number of a fastText model",
			"Models of fastText from before 2017 are not read: convert them to text, or write them "
			"again with gensim's save_facebook_model.");
	return fasttext_read_text(input, choice, vectors, report);
}

em_code
fasttext_read(const em_allocator *allocator, const fasttext_source *source,
			  const fasttext_options *options, vectors **out, fasttext_report *report,
			  em_status *status)
{
	fasttext_input input = { .source = source, .status = status, .section = "head" };
	fasttext_choice choice;
	vectors *result;
	em_code code;

	*out = NULL;
	memset(report, 0, sizeof(*report));
	code = fasttext_choice_begin(&choice, allocator, options, report, status);
	if (code != EM_OK)
		return code;
	result = em_allocate_zeroed(allocator, 1, sizeof(*result));
	input.buffer = em_allocate_array(allocator, FASTTEXT_BUFFER, 1);
	if (result == NULL || input.buffer == NULL)
		code = em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	if (result != NULL)
		result->allocator = allocator;
	if (code == EM_OK)
		code = read_any(&input, &choice, result, report);
	em_release(allocator, input.buffer);
	fasttext_choice_end(&choice);
	if (code == EM_OK)
		*out = result;
	else
		vectors_free(result);
	return code;
}
