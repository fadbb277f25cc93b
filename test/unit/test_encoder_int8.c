/*
 * test_encoder_int8.c
 *	  Models of the family roberta in 8 bits: their files, what they score, and images of such models
 *	  made as their files come.
 */
/* also: double */
#include "check.h"
#include "images.h"
#include "sample_encoder.h"

#include <math.h>

#include "../../src/model/encoder_store.h"
#include "../../src/model/safetensors.h"
#include "../../src/model/scorer.h"

#define LABELS 3
#define TEXTS 7

static const em_slice texts[TEXTS] = {
	{ "a sun", 5 }, { "", 0 },       { "sur la rue", 10 },   { "un ski", 6 },
	{ "s", 1 },     { "runner", 6 }, { "likes unlike", 12 },
};

static const char *const names[] = { "f32", "f16", "bf16", "i8" };

static model *
read_model(const uint8_t *file, size_t size, bool in_place)
{
	em_status status;
	model *read;

	if ((in_place ? model_read_in_place : model_read)(&check_allocator, file, size, &read,
													  &status) != EM_OK)
	{
		CHECK(false, "a good file is read: %s", status.message);
		exit(1);
	}
	return read;
}

/* Scores of all texts, and what explains the first, in one number. */
static bool
score(const model *model, float *scores, double *explained)
{
	em_status status;
	scorer *scorer;
	model_attention seen;
	bool good = scorer_create(&check_allocator, model, &scorer, &status) == EM_OK &&
				scorer_run(scorer, texts, TEXTS, scores, NULL, NULL, &status) == EM_OK &&
				scorer_explain(scorer, texts[0], 1, NULL, &seen, NULL, NULL, &status) == EM_OK;

	*explained = 0;
	for (size_t i = 0; good && i < seen.tokens->count; i++)
		*explained += (double) (seen.weight[i] * (float) (i + 1) + seen.influence[i]);
	scorer_free(scorer);
	return good;
}

/* Near the scores of floats; the same however they were read. */
static void
test_scores(void)
{
	float floats[TEXTS * LABELS], scores[TEXTS * LABELS], again[TEXTS * LABELS];
	double explained, explained_floats, worst = 0, spread = 0;
	size_t size, size_floats;
	uint8_t *file_floats =
		sample_encoder_file(&check_allocator, true, ENCODER_SIGMOID, MODEL_F32, &size_floats);
	uint8_t *file = sample_encoder_file(&check_allocator, true, ENCODER_SIGMOID, MODEL_I8, &size);
	model *read = read_model(file_floats, size_floats, false);

	CHECK(score(read, floats, &explained_floats), "scores of floats");
	model_free(read);
	read = read_model(file, size, true);
	CHECK(read->encoder->layout.narrow && read->encoder->layout.total < 4000,
		  "to be scored with it has no floats of the matrices: %zu", read->encoder->layout.total);
	CHECK(score(read, scores, &explained), "scores of 8 bits");
	model_free(read);
	for (size_t i = 0; i < TEXTS * LABELS; i++)
	{
		worst = fmax(worst, fabs((double) scores[i] - (double) floats[i]));
		spread = fmax(spread, fabs((double) floats[i] - (double) floats[i % LABELS]));
	}
	CHECK(worst > 0 && worst < 0.02 && spread > 0.03, "they are near those of floats: %.2g of %.2g",
		  worst, spread);
	CHECK(fabs(explained - explained_floats) < 0.1 * fabs(explained_floats) + 0.05,
		  "and explain alike: %.3f, %.3f", explained, explained_floats);
	read = read_model(file, size, false);
	CHECK(!read->encoder->layout.narrow && score(read, again, &explained_floats) &&
			  memcmp(scores, again, sizeof(scores)) == 0 && explained == explained_floats,
		  "read as a whole it scores the same, bit by bit");
	model_free(read);
	check_release(NULL, file);
	check_release(NULL, file_floats);
}

/* With 8 bits a text's bits do not depend on its company. */
static void
test_alone(void)
{
	float together[TEXTS * LABELS], alone[LABELS];
	bool same = true;
	em_status status;
	scorer *scorer;
	size_t size;
	uint8_t *file = sample_encoder_file(&check_allocator, true, ENCODER_SOFTMAX, MODEL_I8, &size);
	model *read = read_model(file, size, true);

	if (scorer_create(&check_allocator, read, &scorer, &status) != EM_OK ||
		scorer_run(scorer, texts, TEXTS, together, NULL, NULL, &status) != EM_OK)
		abort();
	for (size_t t = 0; t < TEXTS; t++)
	{
		if (scorer_run(scorer, texts + t, 1, alone, NULL, NULL, &status) != EM_OK)
			abort();
		same &= memcmp(alone, together + t * LABELS, sizeof(alone)) == 0;
	}
	CHECK(same, "a text alone scores bit by bit as among others");
	scorer_free(scorer);
	model_free(read);
	check_release(NULL, file);
}

/* Read, written as floats, and the floats rounded again: what they stood for. */
static void
test_again(void)
{
	size_t size, size_floats, size_again, worst_at = 0;
	uint8_t *file = sample_encoder_file(&check_allocator, true, ENCODER_SIGMOID, MODEL_I8, &size);
	uint8_t *floats, *again;
	double worst = 0;
	model *read = read_model(file, size, false), *wide, *narrow;
	em_status status;

	if (model_write(&check_allocator, read, MODEL_F32, &floats, &size_floats, &status) != EM_OK)
		abort();
	wide = read_model(floats, size_floats, false);
	CHECK(memcmp(wide->encoder->weights, read->encoder->weights,
				 read->encoder->layout.total * sizeof(real)) == 0 &&
			  wide->encoder->int8 == NULL,
		  "it is written as the floats that it stands for");
	if (model_write(&check_allocator, wide, MODEL_I8, &again, &size_again, &status) != EM_OK)
		abort();
	narrow = read_model(again, size_again, false);
	for (size_t i = 0; i < wide->encoder->layout.total; i++)
	{
		double off =
			fabs((double) narrow->encoder->weights[i] - (double) wide->encoder->weights[i]);

		worst_at = off > worst ? i : worst_at;
		worst = fmax(worst, off);
	}
	CHECK(size_again == size && worst < 1e-6, "and rounded again as it was: %.2g at %zu", worst,
		  worst_at);
	model_free(read);
	model_free(wide);
	model_free(narrow);
	check_release(NULL, file);
	check_release(NULL, floats);
	check_release(NULL, again);
}

static void
test_base(void)
{
	size_t size;
	uint8_t *file = sample_encoder_file(&check_allocator, false, ENCODER_SIGMOID, MODEL_I8, &size);
	em_status status;
	scorer *scorer;
	model *read = read_model(file, size, false);

	CHECK(!read->encoder->head && read->encoder->weights[read->encoder->layout.words] != 0 &&
			  scorer_create(&check_allocator, read, &scorer, &status) == EM_UNSUPPORTED,
		  "a base of 8 bits can be trained from, as floats");
	model_free(read);
	check_release(NULL, file);
}

/* ---- images -------------------------------------------------------------------------------- */

static void
test_images(void)
{
	static const size_t pieces[] = { 1, 7, 1000, 1 << 20 };

	for (int kind = 0; kind < 4; kind++)
	{
		size_t size, image_size, streamed_size;
		uint8_t *file = sample_encoder_file(&check_allocator, true, ENCODER_SIGMOID,
											(model_precision) kind, &size);
		model *read = read_model(file, size, true), *opened;
		uint8_t *image, *streamed;
		float expected[TEXTS * LABELS], scores[TEXTS * LABELS];
		double explained, explained_expected;
		bool same = true;
		em_status status;
		em_code code;
		long live;

		image_size = model_image_write(read, image_source, NULL);
		image = copy_aligned(NULL, image_size);
		(void) model_image_write(read, image_source, image);
		for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		{
			live = check_live;
			streamed = stream_image(file, size, size, pieces[i], &streamed_size, &code, &status);
			same &= streamed != NULL && streamed_size == image_size &&
					memcmp(streamed, image, image_size) == 0 && check_live == live;
			free(streamed);
		}
		CHECK(same, "%s: the image is the same, in whatever pieces the file comes", names[kind]);
		live = check_live;
		CHECK(model_image_open(&check_allocator, image, image_size, image_source, &opened,
							   &status) == EM_OK,
			  "%s: an image of %zu bytes is opened", names[kind], image_size);
		CHECK(score(read, expected, &explained_expected) && score(opened, scores, &explained) &&
				  memcmp(expected, scores, sizeof(scores)) == 0 && explained == explained_expected,
			  "%s: and scores bit by bit as the model does", names[kind]);
		model_free(opened);
		CHECK(check_live == live, "%s: all that was allocated is released", names[kind]);
		CHECK(stream_image(file, size, size - 1, 1000, &streamed_size, &code, &status) == NULL &&
				  code == EM_CORRUPT,
			  "%s: a file that ends too early has none: %s", names[kind], status.message);
		for (long at = 1, good = 0; good == 0 && at < 200; at++)
		{
			live = check_live;
			check_fail_at = at;
			streamed = stream_image(file, size, size, 5000, &streamed_size, &code, &status);
			check_fail_at = 0;
			good = code == EM_OK;
			free(streamed);
			if (check_live != live || (code != EM_OK && code != EM_OUT_OF_MEMORY))
				CHECK(false, "%s: a want of memory at %ld", names[kind], at);
		}
		model_free(read);
		free(image);
		check_release(NULL, file);
	}
}

/* Bytes of an image changed and its checksum made to fit: refused, or it can be scored with. */
static void
test_forged(void)
{
	size_t size, image_size;
	uint8_t *file = sample_encoder_file(&check_allocator, true, ENCODER_SIGMOID, MODEL_I8, &size);
	model *read = read_model(file, size, true);
	uint64_t state = 1;
	int opened_count = 0, refused = 0;
	bool good = true;
	uint8_t *image;

	image_size = model_image_write(read, image_source, NULL);
	image = copy_aligned(NULL, image_size);
	(void) model_image_write(read, image_source, image);
	for (int round = 0; round < 1500 && good; round++)
	{
		uint8_t *copy = copy_aligned(image, image_size);
		float scores[TEXTS * 1000];
		double explained;
		em_status status = { EM_OK, "", "" };
		model *opened;

		for (int n = 0; n < 2; n++)
		{
			size_t below = round % 2 == 0 ? 1500 : image_size;

			state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			copy[(state >> 33) % below] = (uint8_t) (state >> 20);
		}
		model_image_seal(copy, image_size);
		if (model_image_open(&check_allocator, copy, image_size, image_source, &opened, &status) ==
			EM_OK)
		{
			opened_count++;
			good = score(opened, scores, &explained);
			model_free(opened);
		}
		else
		{
			refused++;
			good = opened == NULL && status.message[0] != '\0';
		}
		free(copy);
	}
	CHECK(good && opened_count > 50 && refused > 50,
		  "of forged images %d are refused, and %d scored with", refused, opened_count);
	model_free(read);
	free(image);
	check_release(NULL, file);
}

/* ---- what is refused ------------------------------------------------------------------------ */

#define WORDS "roberta.embeddings.word_embeddings."
#define INNER "roberta.encoder.layer.1.intermediate.dense."

/* Refused, with the same words, whether it is read as a whole, in place, or as it comes. */
static void
refused(const uint8_t *file, size_t size, const char *expected)
{
	em_status status = { EM_OK, "", "" };
	bool good = true;
	size_t image_size;
	model *read;
	em_code code;

	for (int in_place = 0; in_place < 2; in_place++)
	{
		code = (in_place ? model_read_in_place : model_read)(&check_allocator, file, size, &read,
															 &status);
		good &= code == EM_CORRUPT && read == NULL && strstr(status.message, expected) != NULL;
	}
	good &= stream_image(file, size, size, 4096, &image_size, &code, &status) == NULL &&
			code == EM_CORRUPT && strstr(status.message, expected) != NULL;
	CHECK(good, "refused: %s", status.message);
}

static void
refuse_number(const char *name, size_t at, const void *bytes, size_t count, const char *expected)
{
	size_t size;
	uint8_t *file = sample_encoder_file(&check_allocator, true, ENCODER_SIGMOID, MODEL_I8, &size);
	const tensor *found;
	safetensors opened;
	em_status status;

	if (safetensors_open(&check_allocator, file, size, &opened, &status) != EM_OK ||
		(found = safetensors_find(&opened, name)) == NULL)
		abort();
	memcpy(file + (found->data - file) + at, bytes, count);
	safetensors_close(&opened);
	refused(file, size, expected);
	check_release(NULL, file);
}

/* Text of the header replaced by another of the same length, once. */
static void
refuse_text(const char *old, const char *fresh, const char *expected)
{
	size_t size, length = strlen(old);
	uint8_t *file = sample_encoder_file(&check_allocator, true, ENCODER_SIGMOID, MODEL_I8, &size);
	bool found = false;

	for (size_t i = 0; i + length < size && !found; i++)
		if (memcmp(file + i, old, length) == 0)
		{
			memcpy(file + i, fresh, length);
			found = true;
		}
	if (!found || strlen(fresh) != length)
		CHECK(false, "the header has %s", old);
	refused(file, size, expected);
	check_release(NULL, file);
}

static void
test_refused(void)
{
	const float bad[] = { NAN, INFINITY, -1e-3F, 2.1F };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		refuse_number(INNER "scale", 4 * 36, &bad[i], 4, "a scale outside 0 to 2.0157");
		refuse_number(WORDS "scale", 0, &bad[i], 4, "a scale outside 0 to 2.0157");
	}
	refuse_number(INNER "weight", 37 * 20 - 1, "\x80", 1, "holds -128");
	refuse_number(WORDS "weight", 20, "\x80", 1, "holds -128");
	refuse_number("classifier.dense.weight", 0, &bad[0], 4, "not finite");
	refuse_text(INNER "scale\"", INNER "scald\"", "no tensor \"" INNER "scale\"");
	refuse_text(INNER "weight\":{\"dtype\":\"I8\",\"shape\":[37,20]",
				INNER "weight\":{\"dtype\":\"I8\",\"shape\":[20,37]", "has not the shape");
	refuse_text(INNER "scale\":{\"dtype\":\"F32\",\"shape\":[37]",
				INNER "scale\":{\"dtype\":\"I32\",\"shape\":[37]", "is not F32");
	refuse_text(INNER "weight\":{\"dtype\":\"I8\"", INNER "weight\":{\"dtype\":\"U8\"",
				"is not I8");
}

/* ---- calibration ---------------------------------------------------------------------------- */

/* Of all kinds of numbers: the last layer is of floats. */
static void
test_calibrated(void)
{
	const data_calibration own[] = { { 0.5, 0.25 }, { 2, -1 }, { 1, 0 } };
	const data_calibration same[] = { { 0.5, 0 }, { 0.5, 0 }, { 0.5, 0 } };

	for (int kind = 0; kind < 8; kind++)
	{
		const bool exclusive = kind >= 4;
		float before[TEXTS * LABELS], after[TEXTS * LABELS];
		double explained, worst = 0;
		em_status status;
		size_t size, calibrated_size;
		uint8_t *file = sample_encoder_file(&check_allocator, true,
											exclusive ? ENCODER_SOFTMAX : ENCODER_SIGMOID,
											(model_precision) (kind % 4), &size);
		uint8_t *calibrated;
		model *read = read_model(file, size, true);
		bool good = score(read, before, &explained) &&
					model_calibrate(&check_allocator, file, size, exclusive ? same : own, LABELS,
									&calibrated, &calibrated_size, &status) == EM_OK;
		model *changed = good ? read_model(calibrated, calibrated_size, true) : NULL;

		good = good && score(changed, after, &explained);
		for (size_t i = 0; good && i < TEXTS * LABELS; i++)
		{
			const float *row = before + i / LABELS * LABELS;
			size_t label = i % LABELS, next = (i + 1) % LABELS;
			/* the logit, or of a softmax the difference of two */
			double logit = exclusive ? log((double) row[label] / (double) row[next])
									 : log((double) row[label] / (1 - (double) row[label]));
			double now = exclusive ? log((double) after[i] / (double) after[i - label + next])
								   : log((double) after[i] / (1 - (double) after[i]));
			double wanted = exclusive ? 0.5 * logit : own[label].scale * logit + own[label].shift;

			worst = fmax(worst, fabs(now - wanted));
		}
		CHECK(good && worst < 1e-4, "%s, %s: logits are calibrated, within %.2g", names[kind % 4],
			  exclusive ? "softmax" : "sigmoid", worst);
		CHECK(good && (changed->thresholds[0] == read->thresholds[0]) == exclusive,
			  "and thresholds %s", exclusive ? "stay" : "move along");
		if (good)
			check_release(NULL, calibrated);
		CHECK(!exclusive || model_calibrate(&check_allocator, file, size, own, LABELS, &calibrated,
											&calibrated_size, &status) == EM_INVALID_DATA,
			  "labels that exclude one another have one scale");
		model_free(changed);
		model_free(read);
		check_release(NULL, file);
	}
}

int
main(void)
{
	test_calibrated();
	test_scores();
	test_alone();
	test_again();
	test_base();
	test_images();
	test_forged();
	test_refused();
	CHECK(check_live == 0, "nothing is left allocated");
	return check_done();
}
