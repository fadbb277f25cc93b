/*
 * test_bpe_learn.c
 *	  Tokenisers that are learned: merges and ids as a plain implementation has
 *	  them (test/reference/bpe_learn.txt), files, hostile texts, what is refused.
 */
#include "check.h"

#include <time.h>

#include "../../src/model/bpe_file.h"
#include "../../src/model/encoder_model.h"
#include "../../src/text/bpe_learn.h"
#include "bpe_invariants.h"

static text_bpe_learner *
new_learner(void)
{
	text_bpe_learner *learner = NULL;

	text_bpe_learner_create(&check_allocator, &learner, NULL);
	return learner;
}

static text_bpe *
finish(text_bpe_learner *learner, uint32_t size, uint64_t min_count)
{
	text_bpe_learn_options options = { size, min_count };
	text_bpe *bpe = NULL;
	em_status status;

	if (text_bpe_learner_finish(learner, &options, NULL, NULL, &bpe, &status) != EM_OK)
		printf("# %s\n", status.message);
	text_bpe_learner_free(learner);
	return bpe;
}

/* Whether tokenizer.json made of the tokeniser is read as the same one, byte for byte. */
static bool
file_is_read(const text_bpe *bpe)
{
	text_bpe *again = NULL;
	em_slice json;
	bool same;

	if (bpe_file_make(&check_allocator, bpe, &json, NULL) != EM_OK)
		return false;
	same = bpe_file_read(&check_allocator, json, &again, NULL) == EM_OK &&
		   text_bpe_size(again) == text_bpe_size(bpe) &&
		   memcmp(again, bpe, text_bpe_size(bpe)) == 0;
	em_release(&check_allocator, again);
	em_release(&check_allocator, (void *) json.bytes);
	return same;
}

/* Whether the spellings of a text's tokens are its bytes, <s> and </s> around them. */
static bool
comes_back(text_bpe_encoding *encoding, const char *text, size_t length)
{
	static char decoded[1 << 22];
	text_bpe_options options;
	size_t at = 0;

	text_bpe_options_default(&options);
	options.max_length = TEXT_BPE_MAX_LENGTH;
	if (text_bpe_encode(&options, text, length, encoding, NULL) != EM_OK || encoding->ids[0] != 0 ||
		encoding->ids[encoding->count - 1] != 2)
		return false;
	for (size_t i = 1; i + 1 < encoding->count; i++)
	{
		size_t count;

		if (!bpe_spelt_bytes(text_bpe_spelling(encoding->bpe, encoding->ids[i]), decoded + at,
							 &count))
			return false;
		at += count;
	}
	return at == length && memcmp(decoded, text, length) == 0;
}

/* ---------------------------------------------------------------------------- the reference */

/* Bytes in hexadecimal up to a space or the line's end. */
static size_t
from_hexadecimal(const char *digits, char *bytes)
{
	size_t count = strspn(digits, "0123456789abcdef") / 2;

	for (size_t i = 0; i < count; i++)
	{
		char pair[3] = { digits[2 * i], digits[2 * i + 1], '\0' };

		bytes[i] = (char) strtol(pair, NULL, 16);
	}
	return count;
}

typedef struct reference_case
{
	char name[100];
	unsigned size, min_count;
	text_bpe_learner *learner; /* until the tokeniser is needed */
	text_bpe *bpe;
	text_bpe_encoding encoding;
	unsigned merges, texts, different;
} reference_case;

static void
close_case(reference_case *checked)
{
	if (checked->name[0] == '\0')
		return;
	if (checked->bpe != NULL)
	{
		text_bpe_encoding_free(&checked->encoding);
		CHECK(checked->different == 0 && checked->merges == text_bpe_merges(checked->bpe) &&
				  checked->texts > 0 && file_is_read(checked->bpe),
			  "%s: %u merges and %u texts", checked->name, checked->merges, checked->texts);
		em_release(&check_allocator, checked->bpe);
	}
	else
		CHECK(false, "%s is learned", checked->name);
	checked->name[0] = '\0';
}

static bool
is_merge(const text_bpe *bpe, uint32_t rank, const char *line)
{
	size_t left = strcspn(line, " ");
	size_t right = strcspn(line + left + 1, "\n");
	text_bpe_merge merge;

	if (rank >= text_bpe_merges(bpe))
		return false;
	merge = text_bpe_get_merge(bpe, rank);
	return merge.left.length == left && memcmp(merge.left.bytes, line, left) == 0 &&
		   merge.right.length == right && memcmp(merge.right.bytes, line + left + 1, right) == 0;
}

static bool
has_ids(text_bpe_encoding *encoding, const char *line)
{
	static char bytes[1000];
	size_t length = from_hexadecimal(line, bytes);
	char *end = (char *) line + 2 * length;
	size_t count = 0;

	if (!comes_back(encoding, bytes, length))
		return false;
	while (*end == ' ')
	{
		unsigned long id = strtoul(end, &end, 10);

		if (count >= encoding->count || encoding->ids[count++] != id)
			return false;
	}
	return count == encoding->count;
}

static void
test_reference(void)
{
	static char line[20000], bytes[10000];
	FILE *file = fopen("test/reference/bpe_learn.txt", "r");
	reference_case checked = { .name = "" };
	int cases = 0;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
	{
		if (line[0] == '=')
		{
			close_case(&checked);
			memset(&checked, 0, sizeof(checked));
			sscanf(line, "= %u %u %99[^\n]", &checked.size, &checked.min_count, checked.name);
			checked.learner = new_learner();
			cases++;
			continue;
		}
		if (line[0] == 't')
		{
			text_bpe_learner_add(checked.learner, bytes, from_hexadecimal(line + 2, bytes), NULL);
			continue;
		}
		if (checked.learner != NULL)
		{
			checked.bpe = finish(checked.learner, checked.size, checked.min_count);
			checked.learner = NULL;
			if (checked.bpe != NULL)
				text_bpe_encoding_init(&checked.encoding, &check_allocator, checked.bpe);
		}
		if (checked.bpe == NULL)
			continue;
		if (line[0] == 'm')
			checked.different += !is_merge(checked.bpe, checked.merges++, line + 2);
		else
		{
			checked.texts++;
			checked.different += !has_ids(&checked.encoding, line + 2);
		}
	}
	close_case(&checked);
	CHECK(cases == 10, "there are %d cases", cases);
	if (file != NULL)
		fclose(file);
}

/* --------------------------------------------------------------------------------- more */

/* The same texts in another order, and added in between, give the same tokeniser. */
static void
test_order(void)
{
	static const char *const texts[] = { "the cat sat on the mat", "a bat sat there", "thaw that" };
	text_bpe_learner *first = new_learner(), *second = new_learner();
	text_bpe_learn_options options = { 290, 1 };
	text_bpe *early = NULL, *one, *other;

	for (int i = 0; i < 3; i++)
	{
		text_bpe_learner_add(first, texts[i], strlen(texts[i]), NULL);
		text_bpe_learner_add(second, texts[2 - i], strlen(texts[2 - i]), NULL);
		if (i == 1)
			text_bpe_learner_finish(second, &options, NULL, NULL, &early, NULL);
	}
	one = finish(first, 290, 1);
	other = finish(second, 290, 1);
	CHECK(text_bpe_size(one) == text_bpe_size(other) && memcmp(one, other, text_bpe_size(one)) == 0,
		  "the order of texts does not matter");
	CHECK(early != NULL && text_bpe_merges(early) > 0, "texts may follow");
	em_release(&check_allocator, early);
	em_release(&check_allocator, one);
	em_release(&check_allocator, other);
}

/* What a model of the family roberta needs of its tokeniser. */
static void
test_model(void)
{
	text_bpe_learner *learner = new_learner();
	encoder_model model = { .max_tokens = 16 };
	em_status status = { EM_OK, "", "" };
	uint32_t ids;
	text_bpe *bpe;
	text_bpe_added mask;

	text_bpe_learner_add(learner, "so good, so sad", 15, NULL);
	bpe = finish(learner, 262, 2);
	ids = text_bpe_ids(bpe);
	CHECK(ids == 262 && text_bpe_find(bpe, "so", 2) == 261 && text_bpe_find(bpe, "<s>", 3) == 0 &&
			  text_bpe_find(bpe, "<pad>", 5) == 1 && text_bpe_find(bpe, "</s>", 4) == 2 &&
			  text_bpe_find(bpe, "<unk>", 5) == 3 && text_bpe_get_added(bpe, 4, &mask) &&
			  mask.lstrip && mask.special,
		  "ids are RoBERTa's special tokens, bytes, merges");
	model.layout.config.vocab_size = 262;
	model.layout.config.pad_token_id = 1;
	bpe_file_make(&check_allocator, bpe, &model.files.json, NULL);
	CHECK(encoder_model_build_tokenizer(&check_allocator, &model, &status) == EM_OK,
		  "a model takes it%s", status.message);
	em_release(&check_allocator, model.tokenizer);
	em_release(&check_allocator, (void *) model.files.json.bytes);
	em_release(&check_allocator, bpe);
}

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

static uint32_t
random_next(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* Long and odd texts are learned from in time that their length bounds, and come back. */
static void
test_hostile(void)
{
	static const char *const kinds[] = { "one letter",        "random letters", "spaces",
										 "line feeds",        "random bytes",   "zero bytes",
										 "different numbers", "a byte of UTF-8" };
	const size_t length = 1 << 20;
	char *text = malloc(length);

	for (int kind = 0; kind < 8; kind++)
	{
		text_bpe_learner *learner = new_learner();
		uint32_t state = 5;
		double begun = seconds(), taken;
		text_bpe_encoding encoding;
		uint32_t longest = 0;
		text_bpe *bpe;

		for (size_t i = 0; i < length; i++)
		{
			uint32_t number = random_next(&state);

			text[i] = (char) (kind == 1   ? 'a' + number % 26
							  : kind == 4 ? number % 256
							  : kind == 6 ? (i % 8 == 0 ? ' ' : '0' + number % 10)
										  : (unsigned) "a? \n?\0?\xc3"[kind]);
		}
		text_bpe_learner_add(learner, text, length, NULL);
		bpe = finish(learner, 2000, 2);
		taken = seconds() - begun;
		if (bpe == NULL)
		{
			CHECK(false, "1 MiB of %s is learned from", kinds[kind]);
			continue;
		}
		for (uint32_t id = 0; id < text_bpe_ids(bpe); id++)
			if (text_bpe_spelling(bpe, id).length > longest)
				longest = (uint32_t) text_bpe_spelling(bpe, id).length;
		text_bpe_encoding_init(&encoding, &check_allocator, bpe);
		CHECK(text_bpe_ids(bpe) <= 2000 && longest <= 2 * TEXT_BPE_LEARN_PIECE && taken < 20 &&
				  comes_back(&encoding, text, length) && file_is_read(bpe),
			  "1 MiB of %s: %u tokens, the longest spelt in %u bytes, in %.1f s", kinds[kind],
			  text_bpe_ids(bpe), longest, taken);
		text_bpe_encoding_free(&encoding);
		em_release(&check_allocator, bpe);
	}
	free(text);
}

static bool
stop_at(void *context)
{
	int *left = context;

	return --*left < 0;
}

static void
test_refusals(void)
{
	static const uint32_t sizes[] = { 0, 1, 260, TEXT_BPE_MAX_IDS + 1, UINT32_MAX };
	text_bpe_learner *learner = new_learner();
	text_bpe_learn_options options;
	text_bpe *bpe = NULL;
	em_status status;
	uint32_t state = 1;
	int stops = 0;

	text_bpe_learn_options_default(&options);
	CHECK(options.vocabulary_size == 30000 && options.min_count == 2, "the defaults");
	for (int i = 0; i < 5; i++)
	{
		options.vocabulary_size = sizes[i];
		CHECK(text_bpe_learner_finish(learner, &options, NULL, NULL, &bpe, &status) ==
					  EM_INVALID_OPTION &&
				  bpe == NULL,
			  "refused: %s", status.message);
	}
	text_bpe_learn_options_default(&options);
	options.min_count = 0;
	CHECK(text_bpe_learner_finish(learner, &options, NULL, NULL, &bpe, &status) ==
			  EM_INVALID_OPTION,
		  "refused: %s", status.message);

	options.min_count = 2;
	for (int i = 0; i < 100000; i++)
	{
		char word[12];

		text_bpe_learner_add(
			learner, word, (size_t) snprintf(word, sizeof(word), " %x", random_next(&state)), NULL);
	}
	for (int after = 0;; after++)
	{
		int left = after;

		if (text_bpe_learner_finish(learner, &options, stop_at, &left, &bpe, &status) !=
			EM_CANCELLED)
			break;
		stops++;
		if (after > 3)
			after += after / 2;
	}
	CHECK(stops > 3 && bpe != NULL, "it can be stopped at %d places that were tried", stops);
	em_release(&check_allocator, bpe);
	text_bpe_learner_free(learner);
	text_bpe_learner_free(NULL);
}

/* Each allocation fails in turn. */
static void
test_out_of_memory(void)
{
	long live = check_live, failing = 0;
	em_code code = EM_OUT_OF_MEMORY;
	bool good = true;

	while (good && code == EM_OUT_OF_MEMORY)
	{
		text_bpe_learn_options options = { 300, 1 };
		text_bpe_learner *learner;
		em_slice json = { NULL, 0 };
		text_bpe *bpe = NULL;

		check_fail_at = ++failing;
		code = text_bpe_learner_create(&check_allocator, &learner, NULL);
		if (code == EM_OK)
			code = text_bpe_learner_add(learner, "when shall we three meet again", 30, NULL);
		if (code == EM_OK)
			code = text_bpe_learner_finish(learner, &options, NULL, NULL, &bpe, NULL);
		if (code == EM_OK)
			code = bpe_file_make(&check_allocator, bpe, &json, NULL);
		check_fail_at = 0;
		em_release(&check_allocator, (void *) json.bytes);
		em_release(&check_allocator, bpe);
		text_bpe_learner_free(learner);
		good = check_live == live;
	}
	CHECK(good && code == EM_OK && failing > 10, "memory may end at any of %ld places",
		  failing - 1);
}

/* Comments that people wrote. */
static void
test_goemotions(void)
{
	const char *path = check_data("goemotions/train.tsv");
	text_bpe_learner *learner;
	text_bpe_encoding encoding;
	static char line[100000];
	size_t texts = 0, wrong = 0, tokens = 0, bytes = 0;
	double taken = 0;
	text_bpe *bpe;
	FILE *file;

	if (path == NULL)
	{
		check_skip("learning from GoEmotions", "goemotions/train.tsv is not there");
		return;
	}
	learner = new_learner();
	file = fopen(path, "r");
	while (fgets(line, sizeof(line), file) != NULL)
	{
		double begun = seconds();

		text_bpe_learner_add(learner, line, strcspn(line, "\t"), NULL);
		taken += seconds() - begun;
	}
	taken -= seconds();
	bpe = finish(learner, 8000, 2);
	taken += seconds();
	CHECK(bpe != NULL && text_bpe_ids(bpe) == 8000 && file_is_read(bpe),
		  "8000 tokens are learned from GoEmotions, in %.1f s with the sanitizers", taken);
	text_bpe_encoding_init(&encoding, &check_allocator, bpe);
	rewind(file);
	while (bpe != NULL && fgets(line, sizeof(line), file) != NULL && texts < 5000)
	{
		size_t length = strcspn(line, "\t");

		texts++;
		wrong += !comes_back(&encoding, line, length);
		tokens += encoding.count - 2;
		bytes += length;
	}
	CHECK(wrong == 0 && tokens * 7 < bytes * 2, "%zu comments come back, of %.2f bytes a token",
		  texts, (double) bytes / (double) tokens);
	fclose(file);
	text_bpe_encoding_free(&encoding);
	em_release(&check_allocator, bpe);
}

int
main(void)
{
	test_reference();
	test_order();
	test_model();
	test_hostile();
	test_refusals();
	test_out_of_memory();
	test_goemotions();
	CHECK(check_live == 0, "nothing is leaked");
	return check_done();
}
