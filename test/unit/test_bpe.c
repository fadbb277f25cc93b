/*
 * test_bpe.c
 *	  Byte-level BPE: ids and places as Hugging Face's tokenizers give them
 *	  (test/reference/bpe.txt), what is refused, work on hostile texts.
 */
#include "check.h"

#include "../../src/model/bpe_file.h"
#include "../../src/text/bpe_split.h"
#include "bpe_invariants.h"

static char *
read_whole(const char *path, size_t *length)
{
	FILE *file = path != NULL ? fopen(path, "rb") : NULL;
	size_t size;
	char *bytes;

	*length = 0;
	if (file == NULL)
		return NULL;
	fseek(file, 0, SEEK_END);
	size = (size_t) ftell(file);
	bytes = malloc(size + 1);
	rewind(file);
	*length = fread(bytes, 1, size, file);
	bytes[*length] = '\0';
	fclose(file);
	return bytes;
}

/* In a block of the exact length, so that the sanitizer sees a read behind the end. */
static char *
exact_copy(const char *bytes, size_t length)
{
	char *copy = malloc(length > 0 ? length : 1);

	if (length > 0)
		memcpy(copy, bytes, length);
	return copy;
}

static em_code
read_tokenizer(const char *json, size_t length, text_bpe **bpe, em_status *status)
{
	char *copy = exact_copy(json, length);
	em_code code = bpe_file_read(&check_allocator, (em_slice){ copy, length }, bpe, status);

	free(copy);
	return code;
}

/* Characters that begin in text before `at`. */
static size_t
characters(const char *text, size_t at)
{
	size_t count = 0;

	for (size_t i = 0; i < at; i++)
		count += ((unsigned char) text[i] & 0xC0) != 0x80;
	return count;
}

/* A token's place in characters, as Hugging Face counts; of the specials 0. */
static void
character_place(const text_bpe_encoding *encoding, size_t i, const char *text, size_t length,
				size_t *start, size_t *end)
{
	text_bpe_span span = encoding->spans[i];

	*start = *end = 0;
	if (i < encoding->before || i >= encoding->count - encoding->after)
		return;
	*start = characters(text, span.start);
	*end = characters(text, span.start + span.length);
	if (span.start < length && ((unsigned char) text[span.start] & 0xC0) == 0x80)
		(*start)--;
}

/* "start end id, ..." as in bpe.txt. */
static char *
describe(const text_bpe_encoding *encoding, const char *text, size_t length)
{
	char *out = malloc(encoding->count * 40 + 1);
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < encoding->count; i++)
	{
		size_t start, end;

		character_place(encoding, i, text, length, &start, &end);
		at += (size_t) sprintf(out + at, "%s%zu %zu %u", i > 0 ? ", " : "", start, end,
							   encoding->ids[i]);
	}
	return out;
}

/* The bytes of a line's first field, in hexadecimal. */
static char *
from_hexadecimal(const char *line, size_t *length)
{
	size_t digits = strcspn(line, "\t");
	char *bytes = malloc(digits / 2 + 1);

	*length = digits / 2;
	for (size_t i = 0; i < *length; i++)
	{
		char pair[3] = { line[2 * i], line[2 * i + 1], '\0' };

		bytes[i] = (char) strtol(pair, NULL, 16);
	}
	return bytes;
}

/* Whether the file written of a tokeniser is read as the same one, byte for byte. */
static bool
is_written_and_read(const text_bpe *bpe)
{
	size_t length = bpe_file_write(bpe, NULL);
	char *json = malloc(length);
	text_bpe *again = NULL;
	em_status status = { EM_OK, "", "" };
	bool same;

	same = bpe_file_write(bpe, json) == length &&
		   bpe_file_read(&check_allocator, (em_slice){ json, length }, &again, &status) == EM_OK &&
		   text_bpe_size(again) == text_bpe_size(bpe) &&
		   memcmp(again, bpe, text_bpe_size(bpe)) == 0;
	if (!same)
		printf("# %s\n# %.*s\n", status.message, length < 2000 ? (int) length : 2000, json);
	em_release(&check_allocator, again);
	free(json);
	return same;
}

/* One line of bpe.txt under the tokeniser that its heading gave. */
static bool
fixture_holds(text_bpe_encoding *encoding, const char *line)
{
	text_bpe_options options;
	size_t length;
	char *plain = from_hexadecimal(line, &length);
	char *text = exact_copy(plain, length);
	const char *wanted = strchr(line, '\t') + 1;
	const char *broken;
	char *got;
	bool good;

	text_bpe_options_default(&options);
	options.match_special = true;
	good = text_bpe_encode(&options, text, length, encoding, NULL) == EM_OK;
	got = describe(encoding, text, length);
	broken = bpe_broken_invariant(&options, text, length, encoding, false);
	good = good && strcmp(got, wanted) == 0 && broken == NULL;
	if (!good)
		printf("# text:   %.*s\n# wanted: %s\n# got:    %s\n# %s\n", (int) length, text, wanted,
			   got, broken ? broken : "");
	free(got);
	free(text);
	free(plain);
	return good;
}

/* The tokeniser of a name in bpe.txt, its JSON; owned by fixtures. */
static char *fixtures;

static const char *
fixture_json(const char *name)
{
	char heading[100];
	char *at;

	snprintf(heading, sizeof(heading), "\n= %s\t", name);
	at = strstr(fixtures, heading);
	return at == NULL ? NULL : at + strlen(heading);
}

static text_bpe *
fixture(const char *name)
{
	const char *json = fixture_json(name);
	text_bpe *bpe = NULL;
	em_status status;

	if (read_tokenizer(json, strcspn(json, "\n"), &bpe, &status) != EM_OK)
		printf("# %s\n", status.message);
	return bpe;
}

static void
test_fixtures(void)
{
	char *copy = exact_copy(fixtures, strlen(fixtures) + 1);
	text_bpe *bpe = NULL;
	text_bpe_encoding encoding;
	char name[100] = "";
	int lines = 0, wrong = 0;

	for (char *line = strtok(copy, "\n"); line != NULL; line = strtok(NULL, "\n"))
	{
		if (line[0] != '=' && line[0] != '~')
		{
			lines++;
			wrong += !fixture_holds(&encoding, line);
			continue;
		}
		if (bpe != NULL)
		{
			CHECK(wrong == 0, "%s: %d texts have the ids and places of Hugging Face's", name,
				  lines);
			text_bpe_encoding_free(&encoding);
			em_release(&check_allocator, bpe);
		}
		if (line[0] == '~')
			break;
		snprintf(name, sizeof(name), "%.*s", (int) strcspn(line + 2, "\t"), line + 2);
		bpe = fixture(name);
		lines = wrong = 0;
		if (!CHECK(bpe != NULL, "%s: the tokenizer is read", name))
			break;
		CHECK(is_written_and_read(bpe), "and written, and read again as the same");
		text_bpe_encoding_init(&encoding, &check_allocator, bpe);
	}
	free(copy);
}

/* FNV-1a over 32-bit words, as bpe.js has it. */
static void
add_word(uint32_t *hash, size_t word)
{
	*hash = (*hash ^ (uint32_t) word) * 16777619u;
}

/* Encode the texts of a TSV file: "texts tokens fingerprint". */
static void
fingerprint(const text_bpe *bpe, const char *tsv, char *out, size_t size)
{
	text_bpe_options options;
	text_bpe_encoding encoding;
	size_t texts = 0, tokens = 0;
	uint32_t hash = 2166136261u;

	text_bpe_options_default(&options);
	options.match_special = true;
	text_bpe_encoding_init(&encoding, &check_allocator, bpe);
	for (const char *line = tsv; *line != '\0'; line += strcspn(line, "\n") + 1)
	{
		size_t length = strcspn(line, "\t\n");

		(void) text_bpe_encode(&options, line, length, &encoding, NULL);
		texts++;
		tokens += encoding.count;
		add_word(&hash, encoding.count);
		for (size_t i = 0; i < encoding.count; i++)
			add_word(&hash, encoding.ids[i]);
		for (int end = 0; end < 2; end++)
			for (size_t i = 0; i < encoding.count; i++)
			{
				size_t place[2];

				character_place(&encoding, i, line, length, &place[0], &place[1]);
				add_word(&hash, place[end]);
			}
	}
	snprintf(out, size, "%zu %zu %u", texts, tokens, hash);
	text_bpe_encoding_free(&encoding);
}

static void
test_roberta(void)
{
	static const char *const names[] = { "goemotions/dev.tsv", "roberta-bpe/tokenizer.json",
										 "roberta-bpe/vocab.json", "roberta-bpe/merges.txt" };
	const char *wanted = strstr(fixtures, "\n~ goemotions/dev.tsv\t");
	char *files[4] = { NULL, NULL, NULL, NULL };
	size_t lengths[4];
	char got[100];
	text_bpe *bpe;

	for (int i = 0; i < 4; i++)
		files[i] = read_whole(check_data(names[i]), &lengths[i]);
	if (files[0] == NULL || files[1] == NULL || files[2] == NULL || files[3] == NULL)
		check_skip("RoBERTa's own tokenizer", "goemotions and roberta-bpe are not here");
	else
	{
		wanted = strchr(wanted, '\t') + 1;
		for (int pair = 0; pair < 2; pair++)
		{
			em_slice json = { files[1], lengths[1] }, vocab = { files[2], lengths[2] },
					 merges = { files[3], lengths[3] };
			em_code code =
				pair ? bpe_file_read_pair(&check_allocator, vocab, merges, false, &bpe, NULL)
					 : bpe_file_read(&check_allocator, json, &bpe, NULL);

			CHECK(code == EM_OK && text_bpe_ids(bpe) == 50265 &&
					  text_bpe_get_rules(bpe)->pad_id == 1 &&
					  text_bpe_find(bpe, "<mask>", 6) == 50264,
				  "RoBERTa's tokenizer is read from %s",
				  pair ? "vocab.json and merges.txt" : "one file");
			fingerprint(bpe, files[0], got, sizeof(got));
			CHECK(strncmp(got, wanted, strlen(got)) == 0 && wanted[strlen(got)] == '\n',
				  "all of GoEmotions' dev has Hugging Face's ids and places");
			CHECK(is_written_and_read(bpe), "and the tokenizer can be written");
			em_release(&check_allocator, bpe);
		}
	}
	for (int i = 0; i < 4; i++)
		free(files[i]);
}

/* Pieces joined by '|'. */
static void
test_pieces(void)
{
	static const struct
	{
		const char *text, *pieces;
	} cases[] = {
		{ "Hello world", "Hello| world" },
		{ "DON'T don't it's we'll I'm", "DON|'|T| don|'t| it|'s| we|'ll| I|'m" },
		{ "don\u2019t ''s 're'x", "don|\u2019|t| ''|s| '|re|'|x" },
		{ "a\u00a0b", "a|\u00a0|b" },
		{ "a  b   ", "a| | b|   " },
		{ "a \n b\n\nc\n", "a| \n| b|\n|\n|c|\n" },
		{ " \u2003 x\u3000", " \u2003| x|\u3000" },
		{ "x²½Ⅷ 12a", "x|²½Ⅷ| 12|a" },
		{ "नमस्ते", "नमस|\u094d|त|\u0947" },
		{ "❤️😂!! ok", "❤️😂!!| ok" },
		{ "a\x1c\x1f", "a|\x1c\x1f" },
		{ "a\xff\xc3 \xe2\x80", "a|\xff\xc3| \xe2\x80" },
		{ "a_b", "a|_|b" },
	};

	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
	{
		size_t length = strlen(cases[c].text);
		char *text = exact_copy(cases[c].text, length);
		char got[200];
		size_t at = 0;

		for (size_t start = 0; start < length;)
		{
			size_t end = bpe_next_piece(text, start, length, false);

			at += (size_t) sprintf(got + at, "%s%.*s", start > 0 ? "|" : "", (int) (end - start),
								   text + start);
			start = end;
		}
		if (!CHECK(strcmp(got, cases[c].pieces) == 0, "text %zu is cut into its pieces", c + 1))
			printf("# wanted: %s\n# got: %s\n", cases[c].pieces, got);
		free(text);
	}
}

static bool
ids_are(const text_bpe_encoding *encoding, const uint32_t *wanted, size_t count)
{
	return encoding->count == count && memcmp(encoding->ids, wanted, count * sizeof(*wanted)) == 0;
}

static void
test_options(void)
{
	static const uint32_t typed[] = { 0, 64, 119, 66, 263, 64, 51, 119, 66, 2 };
	static const uint32_t matched[] = { 0, 0, 263, 2, 2 };
	static const uint32_t cut[] = { 0, 263, 268, 2 };
	static const uint32_t bare[] = { 263, 268 };
	static const char specials[] = "<s>hello</s>";
	static const char words[] = "hello world world world";
	text_bpe *bpe = fixture("as RoBERTa");
	text_bpe_options options;
	text_bpe_encoding encoding;
	em_status status;

	text_bpe_options_default(&options);
	text_bpe_encoding_init(&encoding, &check_allocator, bpe);
	text_bpe_encode(&options, specials, strlen(specials), &encoding, NULL);
	CHECK(ids_are(&encoding, typed, 10), "special tokens that somebody typed are text");
	options.match_special = true;
	text_bpe_encode(&options, specials, strlen(specials), &encoding, NULL);
	CHECK(ids_are(&encoding, matched, 5), "unless they are to be matched");
	options.max_length = 4;
	text_bpe_encode(&options, words, strlen(words), &encoding, NULL);
	CHECK(ids_are(&encoding, cut, 4) && encoding.truncated, "long texts lose their end, not </s>");
	text_bpe_encode(&options, words, 11, &encoding, NULL);
	CHECK(ids_are(&encoding, cut, 4) && !encoding.truncated, "a text that just fits is not cut");
	options.max_length = 2;
	CHECK(text_bpe_encode(&options, words, strlen(words), &encoding, NULL) == EM_OK &&
			  encoding.count == 2 && encoding.truncated,
		  "there may be room for the special tokens alone");
	options.max_length = 1;
	CHECK(text_bpe_encode(&options, words, strlen(words), &encoding, &status) == EM_INVALID_OPTION,
		  "but not for less: %s", status.message);
	options.max_length = 2;
	options.add_specials = false;
	text_bpe_encode(&options, words, 11, &encoding, NULL);
	CHECK(ids_are(&encoding, bare, 2) && encoding.before == 0, "special tokens can be left out");
	options.max_length = 0;
	CHECK(text_bpe_encode(&options, words, 1, &encoding, NULL) == EM_INVALID_OPTION,
		  "no tokens at all are refused");
	text_bpe_encoding_free(&encoding);
	em_release(&check_allocator, bpe);
}

static uint32_t
random_next(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void
fill_hostile(int kind, char *text, size_t length)
{
	uint32_t state = 5;

	for (size_t i = 0; i < length; i++)
	{
		uint32_t number = random_next(&state);

		switch (kind)
		{
			case 1:
				text[i] = (char) ('a' + number % 26);
				break;
			case 4:
				text[i] = "he"[number % 2];
				break;
			case 5:
				text[i] = (char) (number % 256);
				break;
			default:
				text[i] = "a? !"[kind];
		}
	}
}

/*
 * No kind of text may cost more than n log n, counted in steps (of 16 times the text, 20 times as
 * many); any bytes come back as they went.
 */
static void
test_work(void)
{
	static const char *const kinds[] = { "one letter", "random letters", "spaces",
										 "marks",      "two letters",    "random bytes" };
	const size_t small = 65536, large = 1048576;
	text_bpe *bpe = fixture("offsets not trimmed");
	char *text = malloc(large + 10);
	text_bpe_options options;
	text_bpe_encoding encoding;

	text_bpe_options_default(&options);
	text_bpe_encoding_init(&encoding, &check_allocator, bpe);
	for (int kind = 0; kind < 6; kind++)
	{
		size_t work;
		const char *broken;

		options.max_length = TEXT_BPE_MAX_LENGTH;
		fill_hostile(kind, text, large + 10);
		text_bpe_encode(&options, text, small, &encoding, NULL);
		work = encoding.work;
		text_bpe_encode(&options, text, large, &encoding, NULL);
		broken = bpe_broken_invariant(&options, text, large, &encoding, true);
		CHECK(encoding.work < 21 * work && encoding.work < 60 * large && broken == NULL,
			  "1 MiB of %s takes %zu steps, 64 KiB %zu", kinds[kind], encoding.work, work);
		text_bpe_encode(&options, text, large + 10, &encoding, NULL);
		broken = bpe_broken_invariant(&options, text, large + 10, &encoding, true);
		CHECK(broken == NULL, "a piece that is longer still is cut, %s", broken ? broken : "whole");
		options.max_length = 10;
		text_bpe_encode(&options, text, large + 10, &encoding, NULL);
		CHECK(encoding.count == 10 && encoding.truncated && encoding.work < 60 * large,
			  "and its first tokens can be had alone");
	}
	free(text);
	text_bpe_encoding_free(&encoding);
	em_release(&check_allocator, bpe);
}

/* A copy of the block is a tokeniser; one that has been changed is refused, or does no harm. */
static void
test_open(void)
{
	static const char text[] = "hello world <mask> '\u00e9 \xff";
	text_bpe *bpe = fixture("added tokens");
	size_t size = text_bpe_size(bpe);
	char *bytes = exact_copy((const char *) bpe, size);
	const text_bpe *opened = NULL;
	text_bpe_options options;
	text_bpe_encoding first, second;
	uint32_t state = 9;
	int refused = 0;

	text_bpe_options_default(&options);
	text_bpe_encoding_init(&first, &check_allocator, bpe);
	text_bpe_encode(&options, text, strlen(text), &first, NULL);
	CHECK(text_bpe_open(bytes, size, &opened, NULL) == EM_OK, "a copy of the bytes is opened");
	text_bpe_encoding_init(&second, &check_allocator, opened);
	text_bpe_encode(&options, text, strlen(text), &second, NULL);
	CHECK(ids_are(&second, first.ids, first.count), "and gives the same ids");
	text_bpe_encoding_free(&second);
	CHECK(text_bpe_open(bytes, size - 8, &opened, NULL) == EM_CORRUPT && opened == NULL &&
			  text_bpe_open(bytes, 7, &opened, NULL) == EM_CORRUPT,
		  "one cut off is refused");
	for (int i = 0; i < 4000; i++)
	{
		/* the header's 1.3 kB more often than the rest */
		size_t at = random_next(&state) % (i % 2 ? size : 1400);
		char was = bytes[at];

		bytes[at] = (char) random_next(&state);
		if (text_bpe_open(bytes, size, &opened, NULL) != EM_OK)
			refused++;
		else
		{
			text_bpe_encoding_init(&second, &check_allocator, opened);
			text_bpe_encode(&options, text, strlen(text), &second, NULL);
			text_bpe_encoding_free(&second);
		}
		bytes[at] = was;
	}
	CHECK(refused > 500, "4000 changed ones do no harm, %d are refused", refused);
	text_bpe_encoding_free(&first);
	em_release(&check_allocator, bpe);
	free(bytes);
}

/* The tokeniser "as RoBERTa" with the first occurrence of a string replaced. */
static em_code
read_changed(const char *from, const char *to, em_status *status)
{
	const char *json = fixture_json("as RoBERTa");
	size_t length = strcspn(json, "\n");
	const char *at = strstr(json, from);
	size_t before = at != NULL ? (size_t) (at - json) : 0;
	char *changed = malloc(length + strlen(to) + 1);
	text_bpe *bpe = NULL;
	long live = check_live;
	em_code code;

	status->message[0] = '\0';
	if (at == NULL || before >= length)
	{
		free(changed);
		return EM_SYSTEM;
	}
	memcpy(changed, json, before);
	length = before + (size_t) sprintf(changed + before, "%s%.*s", to,
									   (int) (length - before - strlen(from)), at + strlen(from));
	code = read_tokenizer(changed, length, &bpe, status);
	if (code == EM_OK && !is_written_and_read(bpe))
		code = EM_INVALID_DATA;
	em_release(&check_allocator, bpe);
	free(changed);
	return check_live == live ? code : EM_SYSTEM;
}

static void
test_refusals(void)
{
	static const struct
	{
		em_code code;
		const char *from, *to, *message;
	} cases[] = {
		{ EM_OK, "\"Ġ w\"", "[\"Ġ\",\"w\"]", "" },
		{ EM_OK, "\"normalizer\":null", "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[]}",
		  "" },
		{ EM_OK, "\"dropout\":null", "\"dropout\":0.0,\"later\":null", "" },
		{ EM_OK, "\"type\":\"BPE\",", "", "" },
		{ EM_OK, "\"truncation\":null",
		  "\"truncation\":{\"direction\":\"Right\",\"max_length\":8,\"strategy\":\"LongestFirst\","
		  "\"stride\":0}",
		  "" },
		{ EM_OK, "\"padding\":null",
		  "\"padding\":{\"strategy\":\"BatchLongest\",\"pad_id\":1,\"pad_token\":\"<pad>\"}", "" },
		{ EM_UNSUPPORTED, "\"normalizer\":null", "\"normalizer\":{\"type\":\"NFC\"}", "\"NFC\"" },
		{ EM_UNSUPPORTED, "\"normalizer\":null",
		  "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"}]}",
		  "Sequence" },
		{ EM_UNSUPPORTED, "\"type\":\"ByteLevel\"", "\"type\":\"Whitespace\"", "\"Whitespace\"" },
		{ EM_UNSUPPORTED, "\"use_regex\":true", "\"use_regex\":true,\"behavior\":1",
		  "\"behavior\"" },
		{ EM_CORRUPT, "\"trim_offsets\":true,\"use_regex\"", "\"use_regex\"", "trim_offsets" },
		{ EM_UNSUPPORTED, "\"pre_tokenizer\":{", "\"pre_tokenizer\":null,\"x\":{",
		  "pre-tokenizer" },
		{ EM_UNSUPPORTED, "\"RobertaProcessing\"", "\"Unigram\"", "\"Unigram\"" },
		{ EM_CORRUPT, "\"sep\":[\"</s>\",2]", "\"sep\":[\"</s>\",3]", "\"</s>\"" },
		{ EM_CORRUPT, "\"cls\":[\"<s>\",0]", "\"cls\":[\"<s>\",0,1]", "post-processor" },
		{ EM_CORRUPT, "\"cls\":[\"<s>\",0]", "\"cls\":[\"<s>\",4000]", "4000" },
		{ EM_LIMIT, "\"cls\":[\"<s>\",0]", "\"cls\":[\"<s>\",4194304]", "4194304" },
		{ EM_UNSUPPORTED, "\"type\":\"BPE\"", "\"type\":\"WordPiece\"", "\"WordPiece\"" },
		{ EM_UNSUPPORTED, "\"dropout\":null", "\"dropout\":0.1", "dropout" },
		{ EM_UNSUPPORTED, "\"continuing_subword_prefix\":null",
		  "\"continuing_subword_prefix\":\"##\"", "continuing_subword_prefix" },
		{ EM_UNSUPPORTED, "\"end_of_word_suffix\":null", "\"end_of_word_suffix\":\"</w>\"",
		  "end_of_word_suffix" },
		{ EM_UNSUPPORTED, "\"dropout\":null", "\"later\":1", "\"later\"" },
		{ EM_UNSUPPORTED, "\"version\":\"1.0\"", "\"version\":\"2.0\"", "2.0" },
		{ EM_UNSUPPORTED, "\"truncation\":null",
		  "\"truncation\":{\"direction\":\"Left\",\"max_length\":8,\"strategy\":\"LongestFirst\","
		  "\"stride\":0}",
		  "Left" },
		{ EM_CORRUPT, "\"padding\":null", "\"padding\":{\"pad_id\":1,\"pad_token\":\"<s>\"}",
		  "<s>" },
		{ EM_UNSUPPORTED, "\"model\":", "\"modle\":", "\"modle\"" },
		{ EM_CORRUPT, "\"truncation\":null", "\"version\":\"1.0\"", "twice" },
		{ EM_CORRUPT, "\"a\":", "\"b\":", "\"b\"" },
		{ EM_CORRUPT, "\"<pad>\":1", "\"<pad>\":0", "the id 0" },
		{ EM_CORRUPT, "\"<pad>\":1", "\"<pad>\":-1", "id" },
		{ EM_CORRUPT, "\"<pad>\":1", "\"\":1", "empty" },
		{ EM_UNSUPPORTED, "\"z\":", "\"zzzz\":", "0x7a" },
		{ EM_UNSUPPORTED, "\"z\":", "\"zzzz\":", "no unknown token" },
		{ EM_CORRUPT, "\"h e\"", "\"he\"", "\"he\"" },
		{ EM_CORRUPT, "\"h e\"", "\"h e e\"", "h e e" },
		{ EM_CORRUPT, "\"h e\"", "\"h q\"", "\"hq\"" },
		{ EM_CORRUPT, "\"h e\"", "\"h qq\"", "\"qq\"" },
		{ EM_CORRUPT, "\"h e\"", "\"h e\",\"h e\"", "the same" },
		{ EM_CORRUPT, "\"content\":\"<s>\"", "\"content\":\"<S>\"", "\"<S>\"" },
		{ EM_CORRUPT, "{\"id\":1,\"content\":\"<pad>\"", "{\"id\":900,\"content\":\"<pad>\"",
		  "<pad>" },
		{ EM_CORRUPT, "\"single_word\":false,", "", "single_word" },
		{ EM_CORRUPT, "\"version\"", "\"ver\\xsion\"", "not valid JSON" },
		{ EM_CORRUPT, "\"decoder\":null", "\"decoder\":nul", "not valid JSON" },
	};
	em_status status;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		em_code code = read_changed(cases[i].from, cases[i].to, &status);

		if (!CHECK(code == cases[i].code &&
					   (code == EM_OK || strstr(status.message, cases[i].message) != NULL),
				   "%s for %s: %s", code == EM_OK ? "read" : "refused", cases[i].from,
				   code == EM_OK ? cases[i].to : status.message))
			printf("# code %d\n", code);
	}
}

/* The base file cut off anywhere is refused, and leaks nothing. */
static void
test_cut_off(void)
{
	const char *json = fixture_json("as RoBERTa");
	size_t length = strcspn(json, "\n");
	long live = check_live;
	text_bpe *bpe;
	em_status status;
	int read = 0;

	for (size_t i = 0; i < length; i += 1 + i / 50)
		read += read_tokenizer(json, i, &bpe, NULL) == EM_OK;
	CHECK(read == 0 && check_live == live, "a file cut off anywhere is refused");
	CHECK(read_tokenizer("{}", 2, &bpe, &status) == EM_CORRUPT &&
			  strstr(status.message, "\"model\"") != NULL,
		  "and so is one with nothing in it: %s", status.message);
}

static void
test_pair(void)
{
	const char *json = strstr(fixture_json("as RoBERTa"), "\"vocab\":") + 8;
	em_slice vocab = { json, (size_t) (strstr(json, "},\"merges\"") - json) + 1 };
	static const struct
	{
		em_code code;
		const char *merges, *what;
	} cases[] = {
		{ EM_OK, "#version: 0.2\nh e\nl l\n", "a heading and two merges" },
		{ EM_OK, "#version: 0.2\r\nh e\r\nl l\r\n", "lines that end as on Windows" },
		{ EM_OK, "h e", "no heading, no line feed at the end" },
		{ EM_OK, "", "no merges" },
		{ EM_CORRUPT, "h e\n\nl l\n", "an empty line" },
		{ EM_CORRUPT, "h  e\n", "two spaces" },
		{ EM_CORRUPT, "h e\xff\n", "bytes that are not UTF-8" },
	};
	text_bpe_options options;
	em_status status;
	text_bpe *bpe;

	text_bpe_options_default(&options);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		em_slice merges = { cases[i].merges, strlen(cases[i].merges) };
		em_code code =
			bpe_file_read_pair(&check_allocator, vocab, merges, i % 2 == 0, &bpe, &status);

		CHECK(code == cases[i].code, "merges.txt with %s", cases[i].what);
		if (code == EM_OK && merges.length > 8)
		{
			static const uint32_t wanted[2][6] = { { 0, 36, 260, 261, 115, 2 },
												   { 0, 260, 261, 115, 2 } };
			text_bpe_encoding encoding;

			text_bpe_encoding_init(&encoding, &check_allocator, bpe);
			text_bpe_encode(&options, "hello", 5, &encoding, NULL);
			CHECK(ids_are(&encoding, wanted[i % 2], i % 2 ? 5 : 6), "and its merges are made");
			text_bpe_encoding_free(&encoding);
		}
		em_release(&check_allocator, bpe);
	}
	CHECK(bpe_file_read_pair(&check_allocator, (em_slice){ "{\"a\":0}", 7 }, (em_slice){ "", 0 },
							 false, &bpe, &status) == EM_CORRUPT &&
			  strstr(status.message, "<s>") != NULL,
		  "vocab.json without <s> is refused");
}

/* Each allocation fails in turn. */
static void
test_out_of_memory(void)
{
	const char *json = fixture_json("as RoBERTa");
	size_t length = strcspn(json, "\n");
	long live = check_live;
	em_code code = EM_OUT_OF_MEMORY;
	bool good = true;
	long failing = 0;

	while (good && code == EM_OUT_OF_MEMORY)
	{
		text_bpe *bpe;

		check_fail_at = ++failing;
		code = bpe_file_read(&check_allocator, (em_slice){ json, length }, &bpe, NULL);
		if (code == EM_OK)
		{
			text_bpe_options options;
			text_bpe_encoding encoding;

			text_bpe_options_default(&options);
			text_bpe_encoding_init(&encoding, &check_allocator, bpe);
			code = text_bpe_encode(&options, "hello world", 11, &encoding, NULL);
			text_bpe_encoding_free(&encoding);
		}
		else
			good = bpe == NULL;
		check_fail_at = 0;
		em_release(&check_allocator, bpe);
		good = good && check_live == live;
	}
	CHECK(good && code == EM_OK && failing > 10, "memory may end at any of %ld places",
		  failing - 1);
}

int
main(void)
{
	size_t length;
	char *bytes = read_whole("test/reference/bpe.txt", &length);

	if (bytes == NULL)
	{
		CHECK(false, "test/reference/bpe.txt is there");
		return check_done();
	}
	fixtures = malloc(length + 2); /* every line begins after a line feed */
	fixtures[0] = '\n';
	memcpy(fixtures + 1, bytes, length + 1);
	free(bytes);
	test_fixtures();
	test_roberta();
	test_pieces();
	test_options();
	test_work();
	test_open();
	test_refusals();
	test_cut_off();
	test_pair();
	test_out_of_memory();
	free(fixtures);
	CHECK(check_live == 0, "nothing is leaked");
	return check_done();
}
