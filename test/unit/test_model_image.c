/*
 * test_model_image.c
 *	  Images of models: they score as the model does, bit by bit, and damaged ones are refused.
 */
/* also: double */
#include "check.h"
#include "images.h"
#include "sample_model.h"
#include "random_numbers.h"

#include "../../src/model/scorer.h"

#define LABELS 3
#define TEXTS 6

static const em_slice texts[TEXTS] = {
	{ "the sun I like", 14 }, { "", 0 },  { "rain :-) rain", 13 },
	{ "unknown words", 13 },  { "I", 1 }, { "sunny rainy sun", 15 },
};

/* The image of a model's file; the file may go. */
static uint8_t *
make_image(const uint8_t *file, size_t file_size, size_t *size)
{
	em_status status;
	uint8_t *image;
	model *read;

	if (model_read_in_place(&check_allocator, file, file_size, &read, &status) != EM_OK)
	{
		CHECK(false, "a good file is read in place: %s", status.message);
		exit(1);
	}
	*size = model_image_write(read, image_source, NULL);
	image = copy_aligned(NULL, *size);
	memset(image, 0xAB, *size);
	if (model_image_write(read, image_source, image) != *size)
		abort();
	model_free(read);
	return image;
}

/* Scores and explanation of all texts by a model; false when it cannot. */
static bool
score(const model *model, float *scores, double *attention)
{
	scorer *scorer;
	em_status status;
	bool good = scorer_create(&check_allocator, model, &scorer, &status) == EM_OK &&
				scorer_run(scorer, texts, TEXTS, scores, NULL, NULL, &status) == EM_OK;

	*attention = 0;
	for (size_t t = 0; good && t < TEXTS; t++)
	{
		model_attention seen;

		good = scorer_explain(scorer, texts[t], 1, NULL, &seen, NULL, NULL, &status) == EM_OK;
		for (size_t i = 0; good && i < seen.tokens->count; i++)
			*attention += (double) (seen.weight[i] * (float) (i + 1) + seen.influence[i]);
	}
	scorer_free(scorer);
	return good;
}

static void
test_scores(const uint8_t *file, size_t file_size, const char *what)
{
	size_t size;
	uint8_t *image = make_image(file, file_size, &size);
	uint8_t *again = make_image(file, file_size, &size);
	float expected[TEXTS * LABELS], scores[TEXTS * LABELS];
	double attention, attention_expected;
	long live;
	em_status status;
	model *read, *opened;

	CHECK(memcmp(image, again, size) == 0, "%s: a model has one image", what);
	free(again);
	if (model_read(&check_allocator, file, file_size, &read, &status) != EM_OK)
		abort();
	live = check_live;
	CHECK(model_image_open(&check_allocator, image, size, image_source, &opened, &status) == EM_OK,
		  "%s: it is opened", what);
	CHECK(score(read, expected, &attention_expected) && score(opened, scores, &attention) &&
			  memcmp(scores, expected, sizeof(scores)) == 0 && attention == attention_expected,
		  "%s: and scores and explains bit by bit as the model does", what);
	CHECK(expected[0] != expected[2 * LABELS] && expected[3 * LABELS] >= 0, "%s: texts differ",
		  what);
	CHECK(opened->layout.labels == LABELS && opened->member_count == read->member_count &&
			  memcmp(opened->thresholds, read->thresholds, LABELS * sizeof(float)) == 0 &&
			  model_find_label(opened, "b", 1) == model_find_label(read, "b", 1) &&
			  model_parameters(opened) == model_parameters(read),
		  "%s: with its labels and thresholds", what);
	model_free(opened);
	CHECK(check_live == live, "%s: all that was allocated is released", what);
	live = check_live;
	for (long at = 1; at < 100; at++)
	{
		check_fail_at = at;
		if (model_image_open(&check_allocator, image, size, image_source, &opened, &status) ==
			EM_OK)
		{
			check_fail_at = 0;
			model_free(opened);
			CHECK(at > 3 && check_live == live, "%s: and after a want of memory, too", what);
			break;
		}
		if (status.code != EM_OUT_OF_MEMORY || opened != NULL)
			break;
	}
	check_fail_at = 0;
	model_free(read);
	free(image);
}

/* Each truncation, and one changed byte wherever it stands. */
static void
test_damage(const uint8_t *file, size_t file_size, const char *what)
{
	size_t size;
	uint8_t *image = make_image(file, file_size, &size);
	long live = check_live;
	bool good = true;
	em_status status;
	model *opened;

	for (size_t kept = 0; kept < size && good; kept++)
	{
		uint8_t *copy = copy_aligned(image, kept);

		good = model_image_open(&check_allocator, copy, kept, image_source, &opened, &status) ==
				   EM_CORRUPT &&
			   opened == NULL;
		free(copy);
	}
	CHECK(good, "%s: none of %zu truncations is opened", what, size);
	for (size_t i = 0; i < size && good; i += 1 + random_number(5))
	{
		uint8_t kept = image[i];

		image[i] ^= (uint8_t) (1 + random_number(255));
		good = model_image_open(&check_allocator, image, size, image_source, &opened, &status) !=
				   EM_OK &&
			   opened == NULL && status.message[0] != '\0';
		image[i] = kept;
	}
	CHECK(good && check_live == live, "%s: nor one with another byte", what);
	free(image);
}

/* Another byte or some, and the checksum made to fit. */
static void
test_forged(const uint8_t *file, size_t file_size, const char *what)
{
	size_t size;
	uint8_t *image = make_image(file, file_size, &size);
	int opened_count = 0, refused = 0;
	bool good = true;
	long live = check_live;

	for (int round = 0; round < 6000 && good; round++)
	{
		uint8_t *copy = copy_aligned(image, size);
		/* header and records, configuration and vocabulary stand before the weights */
		uint32_t below = (uint32_t) (round % 2 == 0 ? 2500 : size);
		em_status status = { EM_OK, "", "" };
		float scores[TEXTS * 1000];
		double attention;
		model *opened;

		for (uint32_t n = 1 + random_number(3); n > 0; n--)
			copy[random_number(below < size ? below : (uint32_t) size)] =
				(uint8_t) (random_number(2) ? random_number(256) : random_number(4));
		model_image_seal(copy, size);
		if (model_image_open(&check_allocator, copy, size, image_source, &opened, &status) == EM_OK)
		{
			opened_count++;
			good = score(opened, scores, &attention);
			model_free(opened);
		}
		else
		{
			refused++;
			good = opened == NULL && status.message[0] != '\0';
		}
		free(copy);
	}
	CHECK(good && opened_count > 100 && refused > 100 && check_live == live,
		  "%s: of forged ones %d are refused, and %d scored with", what, refused, opened_count);
	free(image);
}

static void
test_foreign(const uint8_t *file, size_t file_size)
{
	const uint8_t other[MODEL_SOURCE_BYTES] = "another";
	size_t size;
	uint8_t *image = make_image(file, file_size, &size);
	em_status status;
	model *opened;

	CHECK(model_image_open(&check_allocator, image, size, other, &opened, &status) == EM_CORRUPT,
		  "another file's image is refused: %s", status.message);
	image[16]++; /* its kind */
	model_image_seal(image, size);
	CHECK(model_image_open(&check_allocator, image, size, image_source, &opened, &status) ==
			  EM_UNSUPPORTED,
		  "so is one of another kind: %s", status.message);
	free(image);
}

/* A number that is no number in a table that stays where it is. */
static void
test_file_numbers(void)
{
	static const model_precision kinds[] = { MODEL_F32, MODEL_F16, MODEL_BF16 };

	for (int i = 0; i < 3; i++)
	{
		em_status status = { EM_OK, "", "" };
		size_t size, header = 0;
		uint8_t *file = sample_file(&check_allocator, "abc", 1, 0, kinds[i], &size);
		bool refused = true;
		model *read;
		int found = 0;

		for (int b = 7; b >= 0; b--)
			header = header << 8 | file[b];
		for (size_t at = header + 8; at + 4 <= size; at += 2)
		{
			uint8_t kept[4];
			bool whole;

			memcpy(kept, file + at, 4);
			memset(file + at, 0xFF, 4);
			whole = model_read(&check_allocator, file, size, &read, &status) == EM_OK;
			if (whole)
				model_free(read);
			if ((model_read_in_place(&check_allocator, file, size, &read, &status) == EM_OK) !=
				whole)
				refused = false;
			if (read != NULL)
				model_free(read);
			found += !whole;
			memcpy(file + at, kept, 4);
		}
		CHECK(refused && found > 0, "what model_read refuses is refused in place: %d cases", found);
		check_release(NULL, file);
	}
}

static void
test_vocabulary(void)
{
	const char words[] = "one\ntwo\nthree\nfour";
	text_vocabulary *made, *opened;
	em_status status;
	uint8_t *bytes;
	size_t size;

	for (int empty = 0; empty < 2; empty++)
	{
		size_t length = empty ? 0 : strlen(words);

		if (text_vocabulary_load(&check_allocator, words, length, &made, &status) != EM_OK)
			abort();
		size = text_vocabulary_lay_out(made, NULL);
		bytes = copy_aligned(NULL, size);
		(void) text_vocabulary_lay_out(made, bytes);
		text_vocabulary_free(made);
		CHECK(text_vocabulary_open(&check_allocator, bytes, size, &opened, &status) == EM_OK &&
				  text_vocabulary_size(opened) == (empty ? 1 : 5) &&
				  text_vocabulary_find(opened, "three", 5) == (empty ? 0 : 3) &&
				  text_vocabulary_find(opened, "five", 4) == TEXT_UNKNOWN_ID &&
				  text_vocabulary_words(opened).length == length,
			  "a vocabulary of %d words is opened where it lies", empty ? 0 : 4);
		text_vocabulary_free(opened);
		CHECK(text_vocabulary_open(&check_allocator, bytes, size - 1, &opened, &status) ==
				  EM_CORRUPT,
			  "and refused when it is cut: %s", status.message);
		free(bytes);
	}
}

int
main(void)
{
	static const char *const names[] = { "f32", "f16", "bf16", "i8" };
	size_t size;
	uint8_t *file;

	for (int kind = 0; kind < 4; kind++)
		for (int buckets = 0; buckets <= 20; buckets += 20)
		{
			char what[32];

			snprintf(what, sizeof(what), "%s, %d buckets", names[kind], buckets);
			file = sample_file(&check_allocator, "abc", 1 + kind, buckets, (model_precision) kind,
							   &size);
			test_scores(file, size, what);
			check_release(NULL, file);
		}
	file = sample_file(&check_allocator, "abc", 1, 8, MODEL_I8, &size);
	test_damage(file, size, "network");
	test_forged(file, size, "network");
	test_foreign(file, size);
	check_release(NULL, file);
	file = sample_ensemble_file(&check_allocator, &size);
	test_scores(file, size, "ensemble");
	test_forged(file, size, "ensemble");
	check_release(NULL, file);
	test_file_numbers();
	test_vocabulary();
	CHECK(check_live == 0, "nothing is left allocated");
	return check_done();
}
