/*
 * test_model_file.c
 *	  Model files: round trip, another reader, and everything that must be refused.
 */
#include "check.h"
#include "random_numbers.h"

#include <math.h>
#include <unistd.h>

#include "../../src/model/model.h"
#include "../../src/model/safetensors.h"
#include "../../src/model/scorer.h"

static const char *const labels[] = { "joy", "\xf0\x9f\x98\x80 grin", "quote\"d\\",
									  "\xc3\xa9motion" };
#define LABELS 4
static const char words[] =
	"the\n\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80\nn't\nna\xc3\xafve\n\"q\\\n<url>\nI\n:-)";

/* Multiples of 1/64 that F16 holds: sums of them are exact, in whatever order. */
static void
fill(real *weights, size_t count)
{
	for (size_t i = 0; i < count; i++)
		weights[i] = (real) ((int) random_number(2001) - 1000) / 64;
}

static model *
make_model(int buckets)
{
	model *result = em_allocate_zeroed(&check_allocator, 1, sizeof(*result));
	em_slice slices[LABELS];
	model_config config;
	em_status status;

	model_config_default(&config);
	config.embedding_dim = 6;
	config.kernel_widths = (option_int_list){ 2, { 2, 3 } };
	config.filters = 5;
	config.hidden = 3;
	config.attention = 7;
	config.subword_buckets = buckets;
	config.text.max_tokens = 50;
	config.text.mentions = TEXT_REMOVE;
	for (size_t i = 0; i < LABELS; i++)
		slices[i] = (em_slice){ labels[i], strlen(labels[i]) };
	result->allocator = &check_allocator;
	result->labels = model_copy_labels(&check_allocator, slices, LABELS);
	result->thresholds = em_allocate_array(&check_allocator, LABELS, sizeof(float));
	for (int i = 0; i < LABELS; i++)
		result->thresholds[i] = 0.1f * (float) (i + 1);
	if (text_vocabulary_load(&check_allocator, words, strlen(words), &result->vocabulary,
							 &status) != EM_OK ||
		network_layout_init(&result->layout, &config, text_vocabulary_size(result->vocabulary),
							LABELS, &status) != EM_OK)
		abort();
	result->embedding = em_allocate_zeroed(
		&check_allocator, result->layout.rows * result->layout.embedding, sizeof(real));
	result->dense = em_allocate_zeroed(&check_allocator, result->layout.dense, sizeof(real));
	fill(result->embedding, result->layout.rows * result->layout.embedding);
	for (size_t i = 0; i < result->layout.tensor_count; i++)
		fill(result->dense + result->layout.tensors[i].offset, result->layout.tensors[i].elements);
	return result;
}

static bool
same_model(const model *a, const model *b)
{
	em_slice x = text_vocabulary_words(a->vocabulary), y = text_vocabulary_words(b->vocabulary);
	bool same = memcmp(&a->layout, &b->layout, sizeof(a->layout)) == 0 && x.length == y.length &&
				memcmp(x.bytes, y.bytes, x.length) == 0;

	for (size_t i = 0; same && i < a->layout.labels; i++)
		same = strcmp(a->labels[i], b->labels[i]) == 0 && a->thresholds[i] == b->thresholds[i];
	return same &&
		   memcmp(a->embedding, b->embedding,
				  a->layout.rows * a->layout.embedding * sizeof(real)) == 0 &&
		   memcmp(a->dense, b->dense, a->layout.dense * sizeof(real)) == 0;
}

/* Whether every number that scoring would use can be used. */
static bool
usable(const model *model)
{
	bool good = true;

	for (size_t i = 0; i < model->layout.rows * model->layout.embedding; i++)
		good = good && fabs((double) model->embedding[i]) <= MODEL_MAX_WEIGHT;
	for (size_t i = 0; i < model->layout.dense; i++)
		good = good && fabs((double) model->dense[i]) <= MODEL_MAX_WEIGHT;
	for (size_t i = 0; i < model->layout.labels; i++)
		good = good && model->thresholds[i] >= 0 && model->thresholds[i] <= 1 &&
			   model->labels[i][0] != '\0';
	return good && model->layout.config.text.max_tokens >= 1 &&
		   text_vocabulary_size(model->vocabulary) == model->layout.vocabulary;
}

static void
test_round_trip(const model *original)
{
	static const model_precision precisions[] = { MODEL_F32, MODEL_F16, MODEL_BF16 };
	static const char *const names[] = { "F32", "F16", "BF16" };
	em_status status;
	uint8_t *bytes, *again;
	size_t size, again_size;
	model *read;

	for (int i = 0; i < 3; i++)
	{
		CHECK(model_write(&check_allocator, original, precisions[i], &bytes, &size, &status) ==
				  EM_OK,
			  "a model is written with its embedding in %s", names[i]);
		CHECK(model_write(&check_allocator, original, precisions[i], &again, &again_size,
						  &status) == EM_OK &&
				  size == again_size && memcmp(bytes, again, size) == 0,
			  "twice the same bytes");
		check_release(NULL, again);
		CHECK(model_read(&check_allocator, bytes, size, &read, &status) == EM_OK, "it is read: %s",
			  status.message);
		if (precisions[i] != MODEL_BF16)
			CHECK(same_model(original, read), "and is the same");
		else
		{
			bool close = true;

			for (size_t j = 0; j < read->layout.rows * read->layout.embedding; j++)
				close = close && fabs((double) (read->embedding[j] - original->embedding[j])) <=
									 fabs((double) original->embedding[j]) / 256;
			CHECK(close, "and its embedding the same to 8 bits");
			CHECK(memcmp(read->dense, original->dense, read->layout.dense * sizeof(real)) == 0,
				  "and all else exactly");
		}
		CHECK(model_find_label(read, labels[1], strlen(labels[1])) == 1 &&
				  model_find_label(read, "jo", 2) == -1 && model_find_label(read, "", 0) == -1,
			  "labels are found");
		model_free(read);
		check_release(NULL, bytes);
	}
	model_free(NULL);
}

static void
test_thresholds(const model *original)
{
	const float other[LABELS] = { 0, 1, 0.123456789f, 1e-9f };
	const float wrong[LABELS] = { 0, 1, 1.5f, 0 };
	const float nan[LABELS] = { 0, NAN, 1, 0 };
	em_status status;
	uint8_t *bytes, *changed;
	size_t size, changed_size;
	model *read = NULL;

	if (model_write(&check_allocator, original, MODEL_F32, &bytes, &size, &status) != EM_OK)
		abort();
	CHECK(model_rewrite_thresholds(&check_allocator, bytes, size, other, &changed, &changed_size,
								   &status) == EM_OK &&
			  model_read(&check_allocator, changed, changed_size, &read, &status) == EM_OK,
		  "thresholds are rewritten");
	CHECK(memcmp(read->thresholds, other, sizeof(other)) == 0, "to the bit");
	memcpy(read->thresholds, original->thresholds, sizeof(other));
	CHECK(same_model(original, read), "and nothing else");
	model_free(read);

	/* back again: the bytes of the beginning */
	{
		uint8_t *back;
		size_t back_size;

		CHECK(model_rewrite_thresholds(&check_allocator, changed, changed_size,
									   original->thresholds, &back, &back_size, &status) == EM_OK &&
				  back_size == size && memcmp(back, bytes, size) == 0,
			  "and back to the same bytes");
		check_release(NULL, back);
	}
	check_release(NULL, changed);
	CHECK(model_rewrite_thresholds(&check_allocator, bytes, size, wrong, &changed, &changed_size,
								   &status) == EM_INVALID_DATA,
		  "a threshold of 1.5 is refused: %s", status.message);
	CHECK(model_rewrite_thresholds(&check_allocator, bytes, size, nan, &changed, &changed_size,
								   &status) == EM_INVALID_DATA,
		  "a threshold of NaN is refused: %s", status.message);
	CHECK(model_rewrite_thresholds(&check_allocator, bytes, size - 1, other, &changed,
								   &changed_size, &status) == EM_CORRUPT,
		  "a cut file is refused: %s", status.message);
	check_release(NULL, bytes);
}

/* Scores of some texts, (3, LABELS). */
static void
score(const uint8_t *bytes, size_t size, float *scores, float *thresholds)
{
	const em_slice texts[3] = { { "", 0 }, { "the naive ", 10 }, { "I n't :-) the", 13 } };
	em_status status;
	model *read;
	scorer *scorer;

	if (model_read(&check_allocator, bytes, size, &read, &status) != EM_OK ||
		scorer_create(&check_allocator, read, &scorer, &status) != EM_OK ||
		scorer_run(scorer, texts, 3, scores, NULL, NULL, &status) != EM_OK)
		abort();
	memcpy(thresholds, read->thresholds, LABELS * sizeof(float));
	scorer_free(scorer);
	model_free(read);
}

static void
test_calibrate(const model *original)
{
	const data_calibration calibration[LABELS] = {
		{ 1, 0 }, { 0.5, 0 }, { 1.5, 0.7 }, { 0.8, -2 }
	};
	const data_calibration wrong[LABELS] = { { 1, 0 }, { -1, 0 }, { 1, 0 }, { 1, 0 } };
	const data_calibration large[LABELS] = { { 1, 2e9 }, { 1, 0 }, { 1, 0 }, { 1, 0 } };
	const float edges[LABELS] = { 0, 1, 0.5f, 0.5f };
	const network_layout *layout = &original->layout;
	model small = *original;
	float before[3 * LABELS], after[3 * LABELS], thresholds[LABELS], moved[LABELS];
	uint8_t *bytes, *changed;
	size_t size, changed_size;
	em_status status;
	bool good = true, same_decisions = true;

	/* a last layer whose scores are not 0 and 1 */
	small.dense = em_allocate_array(&check_allocator, layout->dense, sizeof(real));
	memcpy(small.dense, original->dense, layout->dense * sizeof(real));
	for (size_t i = 0; i < layout->tensor_count; i++)
		if (strncmp(layout->tensors[i].name, "output.", 7) == 0)
			for (size_t j = 0; j < layout->tensors[i].elements; j++)
				small.dense[layout->tensors[i].offset + j] /= 16;
	if (model_write(&check_allocator, &small, MODEL_F16, &bytes, &size, &status) != EM_OK)
		abort();
	score(bytes, size, before, thresholds);
	CHECK(model_calibrate(&check_allocator, bytes, size, calibration, LABELS, &changed,
						  &changed_size, &status) == EM_OK,
		  "a model file is calibrated");
	score(changed, changed_size, after, moved);
	for (int i = 0; i < 3 * LABELS; i++)
	{
		const data_calibration *c = &calibration[i % LABELS];
		double z = log((double) before[i] / (1 - (double) before[i]));

		good &= fabs((double) after[i] - 1 / (1 + exp(-(c->scale * z + c->shift)))) < 1e-6;
		same_decisions &= (before[i] >= thresholds[i % LABELS]) == (after[i] >= moved[i % LABELS]);
	}
	CHECK(good, "its scores are sigmoid(scale logit(score) + shift)");
	CHECK(same_decisions, "and thresholds moved along give the same labels");
	CHECK(before[0] == after[0] && thresholds[0] == moved[0], "scale 1, shift 0 is no change");
	check_release(NULL, changed);

	small.thresholds = em_allocate_array(&check_allocator, LABELS, sizeof(float));
	memcpy(small.thresholds, edges, sizeof(edges));
	check_release(NULL, bytes);
	if (model_write(&check_allocator, &small, MODEL_F32, &bytes, &size, &status) != EM_OK ||
		model_calibrate(&check_allocator, bytes, size, calibration, LABELS, &changed, &changed_size,
						&status) != EM_OK)
		abort();
	score(changed, changed_size, after, moved);
	CHECK(moved[0] == 0 && moved[1] == 1 && fabsf(moved[2] - 0.66818777f) < 1e-6f,
		  "thresholds 0 and 1 stay, 0.5 moves to sigmoid(shift)");
	check_release(NULL, changed);

	CHECK(model_calibrate(&check_allocator, bytes, size, wrong, LABELS, &changed, &changed_size,
						  &status) == EM_INVALID_DATA,
		  "a scale that turns scores around is refused: %s", status.message);
	CHECK(model_calibrate(&check_allocator, bytes, size, large, LABELS, &changed, &changed_size,
						  &status) == EM_INVALID_DATA,
		  "a shift too large for a weight is refused: %s", status.message);
	CHECK(model_calibrate(&check_allocator, bytes, size, calibration, LABELS - 1, &changed,
						  &changed_size, &status) == EM_INVALID_DATA,
		  "another number of labels is refused: %s", status.message);
	CHECK(model_calibrate(&check_allocator, bytes, size - 1, calibration, LABELS, &changed,
						  &changed_size, &status) == EM_CORRUPT,
		  "a cut file is refused: %s", status.message);
	check_release(NULL, small.thresholds);
	check_release(NULL, small.dense);
	check_release(NULL, bytes);
}

static void
test_labels(void)
{
	char longest[MODEL_MAX_LABEL_BYTES + 1];
	em_slice many[MODEL_MAX_LABELS + 1];
	char names[MODEL_MAX_LABELS + 1][8];
	em_slice two[2] = { { "a", 1 }, { "b", 1 } };
	em_status status;

	memset(longest, 'x', sizeof(longest));
	for (size_t i = 0; i <= MODEL_MAX_LABELS; i++)
		many[i] = (em_slice){ names[i], (size_t) snprintf(names[i], sizeof(names[i]), "l%zu", i) };
	CHECK(model_check_labels(two, 2, &status) == EM_OK, "two labels");
	CHECK(model_check_labels(many, MODEL_MAX_LABELS, &status) == EM_OK, "1,000 labels");
	CHECK(model_check_labels(many, MODEL_MAX_LABELS + 1, &status) == EM_LIMIT, "1,001 labels: %s",
		  status.message);
	CHECK(model_check_labels(two, 0, &status) == EM_INVALID_DATA, "no labels: %s", status.message);
	two[1] = (em_slice){ longest, MODEL_MAX_LABEL_BYTES };
	CHECK(model_check_labels(two, 2, &status) == EM_OK, "a label of 256 bytes");
	two[1] = (em_slice){ longest, MODEL_MAX_LABEL_BYTES + 1 };
	CHECK(model_check_labels(two, 2, &status) == EM_LIMIT, "one of 257: %s", status.message);
	two[1] = (em_slice){ "a", 1 };
	CHECK(model_check_labels(two, 2, &status) == EM_INVALID_DATA, "a label twice: %s",
		  status.message);
	two[1] = (em_slice){ "", 0 };
	CHECK(model_check_labels(two, 2, &status) == EM_INVALID_DATA, "an empty label: %s",
		  status.message);
	two[1] = (em_slice){ "a\0b", 3 };
	CHECK(model_check_labels(two, 2, &status) == EM_INVALID_DATA, "a NUL in a label: %s",
		  status.message);
	two[1] = (em_slice){ "\xff", 1 };
	CHECK(model_check_labels(two, 2, &status) == EM_INVALID_DATA, "a label that is not UTF-8: %s",
		  status.message);
}

/* A model that cannot be written; the change is undone. */
static void
refuse_write(model *model, model_precision precision, const char *what)
{
	em_status status = { EM_OK, "", "" };
	uint8_t *bytes;
	size_t size;
	long live = check_live;
	em_code code = model_write(&check_allocator, model, precision, &bytes, &size, &status);

	CHECK(code == EM_INVALID_DATA && status.code == code && check_live == live,
		  "not written: %s: %s", what, status.message);
}

static void
test_unwritable(model *model)
{
	real *weight = &model->embedding[5], kept = *weight;
	real *bias = &model->dense[model->layout.tensors[4].offset], bias_kept = *bias;
	float threshold = model->thresholds[2];
	char *label = model->labels[0];

	*weight = NAN;
	refuse_write(model, MODEL_F16, "NaN in the embedding");
	*weight = INFINITY;
	refuse_write(model, MODEL_F32, "infinity in the embedding");
	*weight = 65510;
	refuse_write(model, MODEL_F16, "too large for F16");
	*weight = 2e9f;
	refuse_write(model, MODEL_F32, "too large for scoring");
	*weight = kept;
	*bias = -INFINITY;
	refuse_write(model, MODEL_F32, "infinity elsewhere");
	*bias = bias_kept;
	model->thresholds[2] = -0.5f;
	refuse_write(model, MODEL_F32, "a threshold out of range");
	model->thresholds[2] = threshold;
	model->labels[0] = model->labels[1];
	refuse_write(model, MODEL_F32, "a label twice");
	model->labels[0] = label;
	model->layout.vocabulary--;
	refuse_write(model, MODEL_F32, "a vocabulary of another size");
	model->layout.vocabulary++;
}

/* What a metadata value of a good file is replaced by, and the file then refused. */
static void
test_metadata(const uint8_t *bytes, size_t size)
{
	static const struct
	{
		const char *key;
		const char *value;
		em_code code;
	} cases[] = {
		{ "format", "pt", EM_UNSUPPORTED },
		{ "format_version", "2", EM_UNSUPPORTED },
		{ "architecture", "bert", EM_UNSUPPORTED },
		{ "configuration", "", EM_CORRUPT },
		{ "configuration", "[]", EM_CORRUPT },
		{ "configuration", "{\"hidden\": -1}", EM_CORRUPT },
		{ "configuration", "{\"surprise\": 1}", EM_CORRUPT },
		{ "configuration", "{}", EM_CORRUPT }, /* the default shapes are others */
		{ "labels", "[]", EM_CORRUPT },
		{ "labels", "{}", EM_CORRUPT },
		{ "labels", "[\"a\", \"b\", \"c\", 1]", EM_CORRUPT },
		{ "labels", "[\"a\", \"b\", \"c\", \"a\"]", EM_CORRUPT },
		{ "labels", "[\"a\", \"b\", \"c\", \"\"]", EM_CORRUPT },
		{ "labels", "[\"a\", \"b\", \"c\", \"\\u0000\"]", EM_CORRUPT },
		{ "labels", "[\"a\", \"b\", \"c\"]", EM_CORRUPT },
		{ "labels", "[\"a\", \"b\", \"c\", \"d\", \"e\"]", EM_CORRUPT },
		{ "labels", "[\"a\", \"b\", \"c\", \"d\"] ]", EM_CORRUPT },
		{ "labels", "[\"a\", \"b\", \"c\", \"d\"", EM_CORRUPT },
		{ "thresholds", "[0.5, 0.5, 0.5]", EM_CORRUPT },
		{ "thresholds", "[0.5, 0.5, 0.5, 0.5, 0.5]", EM_CORRUPT },
		{ "thresholds", "[0.5, 0.5, 0.5, 1.01]", EM_CORRUPT },
		{ "thresholds", "[0.5, 0.5, 0.5, -0.01]", EM_CORRUPT },
		{ "thresholds", "[0.5, 0.5, 0.5, 1e999]", EM_CORRUPT },
		{ "thresholds", "[0.5, 0.5, 0.5, null]", EM_CORRUPT },
		{ "thresholds", "[0.5, 0.5, 0.5, NaN]", EM_CORRUPT },
		{ "thresholds", "0.5", EM_CORRUPT },
		{ "vocabulary", "", EM_CORRUPT },
		{ "vocabulary", "a\nb\nc", EM_CORRUPT },
		{ "vocabulary", "a\nb\nc\nd\ne\nf\ng\nh\ni", EM_CORRUPT },
		{ "vocabulary", "a\nb\nc\nd\n\nf\ng\nh", EM_CORRUPT },
		{ "vocabulary", "a\nb\nc\nd\na\nf\ng\nh", EM_CORRUPT },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		em_status status = { EM_OK, "", "" };
		uint8_t *changed;
		size_t changed_size;
		model *read;
		em_code code;

		if (safetensors_replace_metadata(&check_allocator, bytes, size, cases[i].key,
										 (em_slice){ cases[i].value, strlen(cases[i].value) },
										 &changed, &changed_size, &status) != EM_OK)
			abort();
		code = model_read(&check_allocator, changed, changed_size, &read, &status);
		CHECK(code == cases[i].code && status.code == code && read == NULL,
			  "%s of wrong content %zu is refused: %s", cases[i].key, i, status.message);
		model_free(read);
		check_release(NULL, changed);
	}
}

/* A good file with one piece of its header replaced by another of the same length. */
static void
refuse_edited(const uint8_t *bytes, size_t size, const char *from, const char *to)
{
	uint8_t *copy = malloc(size);
	em_status status = { EM_OK, "", "" };
	size_t length = strlen(from), at = 0;
	model *read;
	em_code code;

	memcpy(copy, bytes, size);
	while (at + length <= size && memcmp(copy + at, from, length) != 0)
		at++;
	if (at + length > size || strlen(to) != length)
		abort();
	memcpy(copy + at, to, length);
	code = model_read(&check_allocator, copy, size, &read, &status);
	CHECK(code == EM_CORRUPT && status.code == code && read == NULL, "refused: %s", status.message);
	model_free(read);
	free(copy);
}

static void
test_tensors(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size);
	em_status status;
	model *read;
	size_t header = 0;
	bool refused = true;
	static const uint8_t bad[][4] = {
		{ 0, 0, 0xC0, 0x7F },       /* NaN */
		{ 1, 0, 0x80, 0xFF },       /* a signalling NaN */
		{ 0, 0, 0x80, 0x7F },       /* infinity */
		{ 0, 0, 0x80, 0xFF },       /* minus infinity */
		{ 0x29, 0x6B, 0x6E, 0x4E }, /* just beyond 1e9 */
		{ 0xFF, 0xFF, 0x7F, 0xFF }, /* the lowest float */
	};

	refuse_edited(bytes, size, "\"conv.1.bias\"", "\"conv.2.bias\"");
	refuse_edited(bytes, size, "\"shape\":[5,2,6]", "\"shape\":[5,6,2]");
	refuse_edited(bytes, size, "\"shape\":[5,2,6]", "\"shape\":[5, 12]");
	refuse_edited(bytes, size, "\"shape\":[9,6]", "\"shape\":[6,9]");
	refuse_edited(bytes, size, "\"F32\",\"shape\":[5,2,6]", "\"I32\",\"shape\":[5,2,6]");

	/* each number of the file, in turn, made unusable */
	for (int i = 7; i >= 0; i--)
		header = header << 8 | bytes[i];
	for (size_t at = 8 + header; at < size; at += 4)
	{
		memcpy(copy, bytes, size);
		memcpy(copy + at, bad[at / 4 % 6], 4);
		refused = refused && model_read(&check_allocator, copy, size, &read, &status) == EM_CORRUPT;
	}
	CHECK(refused, "a number that is not finite, or beyond 1e9, is refused wherever it stands");
	free(copy);
}

/* Two texts and none, scored by a model that was read: each score in 0..1. */
static bool
scores_well(const model *model)
{
	const em_slice texts[3] = { { "the I n't know :-)", 18 }, { "", 0 }, { "I", 1 } };
	float *scores = em_allocate_array(&check_allocator, 3 * model->layout.labels, sizeof(float));
	em_status status;
	scorer *scorer;
	bool good = scorer_create(&check_allocator, model, &scorer, &status) == EM_OK;

	if (good)
	{
		good = scorer_run(scorer, texts, 3, scores, NULL, NULL, &status) == EM_OK;
		for (size_t i = 0; good && i < 3 * model->layout.labels; i++)
			good = scores[i] >= 0 && scores[i] <= 1; /* false for NaN */
		scorer_free(scorer);
	}
	em_release(&check_allocator, scores);
	return good;
}

static void
test_damage(const uint8_t *bytes, size_t size)
{
	int refused = 0, readable = 0;
	bool good = true;
	uint8_t *copy;
	long live = check_live;
	size_t header = 0;

	for (int i = 7; i >= 0; i--)
		header = header << 8 | bytes[i];
	random_state = 20251114;
	for (int i = 0; i < 1000; i++)
	{
		em_status status = { EM_OK, "", "" };
		model *read;
		em_code code;

		copy = malloc(size);
		memcpy(copy, bytes, size);
		/* half of them where the structure is */
		for (uint32_t n = 1 + random_number(3); n > 0; n--)
			copy[i % 2 == 0 ? random_number((uint32_t) size)
							: random_number((uint32_t) header + 8)] = (uint8_t) random_number(256);
		code = model_read(&check_allocator, copy, size, &read, &status);
		free(copy);
		if (code == EM_OK)
		{
			readable++;
			good = good && usable(read) && scores_well(read);
			model_free(read);
		}
		else
		{
			refused++;
			good = good && read == NULL && status.code == code && status.message[0] != '\0' &&
				   code != EM_OUT_OF_MEMORY;
		}
	}
	CHECK(good && refused > 0 && readable > 0,
		  "of 1,000 damaged files %d are refused, %d are models that give finite scores", refused,
		  readable);

	good = true;
	for (size_t n = 0; n < size; n = n < 4096 ? n + 1 : n + 64 - n % 64)
	{
		em_status status = { EM_OK, "", "" };
		model *read;
		em_code code;

		copy = malloc(n + (n == 0));
		memcpy(copy, bytes, n);
		code = model_read(&check_allocator, copy, n, &read, &status);
		good = good && code == EM_CORRUPT && read == NULL && status.message[0] != '\0';
		free(copy);
	}
	CHECK(good, "a file cut at any place is refused");
	CHECK(check_live == live, "nothing is leaked");
}

/* All weights as large as a file may have them: scores are still finite. */
static void
test_largest(model *model)
{
	real *weights = model->dense;
	size_t embedding = model->layout.rows * model->layout.embedding;
	em_status status;
	uint8_t *bytes;
	size_t size;
	struct model *read = NULL;

	for (size_t i = 0; i < model->layout.dense; i++)
		if (weights[i] != 0)
			weights[i] = random_number(4) == 0 ? -MODEL_MAX_WEIGHT : MODEL_MAX_WEIGHT;
	for (size_t i = 0; i < embedding; i++)
		model->embedding[i] = random_number(4) == 0 ? -MODEL_MAX_WEIGHT : MODEL_MAX_WEIGHT;
	CHECK(model_write(&check_allocator, model, MODEL_F32, &bytes, &size, &status) == EM_OK &&
			  model_read(&check_allocator, bytes, size, &read, &status) == EM_OK,
		  "a model of the largest weights is written and read");
	CHECK(scores_well(read), "and its scores are finite");
	model_free(read);
	check_release(NULL, bytes);
}

static void
test_memory(const model *original, const uint8_t *bytes, size_t size)
{
	em_status status;
	long live = check_live;

	for (long n = 1;; n++)
	{
		model *read;
		em_code code;

		check_fail_at = n;
		code = model_read(&check_allocator, bytes, size, &read, &status);
		check_fail_at = 0;
		if (code == EM_OK)
		{
			model_free(read);
			CHECK(n > 8, "reading: each of %ld allocations was made to fail", n - 1);
			break;
		}
		if (code != EM_OUT_OF_MEMORY || status.code != code || read != NULL || check_live != live)
			CHECK(false, "reading: failing allocation %ld is reported", n);
	}
	for (long n = 1;; n++)
	{
		uint8_t *written;
		size_t written_size;
		em_code code;

		check_fail_at = n;
		code = model_write(&check_allocator, original, MODEL_F16, &written, &written_size, &status);
		check_fail_at = 0;
		if (code == EM_OK)
		{
			check_release(NULL, written);
			CHECK(n > 2, "writing: each of %ld allocations was made to fail", n - 1);
			break;
		}
		if (code != EM_OUT_OF_MEMORY || status.code != code || check_live != live)
			CHECK(false, "writing: failing allocation %ld is reported", n);
	}
	for (long n = 1;; n++)
	{
		uint8_t *written;
		size_t written_size;
		em_code code;

		check_fail_at = n;
		code = model_rewrite_thresholds(&check_allocator, bytes, size, original->thresholds,
										&written, &written_size, &status);
		check_fail_at = 0;
		if (code == EM_OK)
		{
			check_release(NULL, written);
			CHECK(n > 5, "rewriting: each of %ld allocations was made to fail", n - 1);
			break;
		}
		if (code != EM_OUT_OF_MEMORY || status.code != code || check_live != live)
			CHECK(false, "rewriting: failing allocation %ld is reported", n);
	}
	CHECK(check_live == live, "nothing is leaked");
}

/* The next line of the other reader is as foreseen. */
static bool
expect(FILE *reader, const char *expected)
{
	char line[1000];

	if (fgets(line, sizeof(line), reader) == NULL)
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, expected) == 0)
		return true;
	printf("# the other reader says \"%s\", not \"%s\"\n", line, expected);
	return false;
}

static void
to_hex(const char *text, size_t length, char *out)
{
	for (size_t i = 0; i < length; i++)
		snprintf(out + 2 * i, 3, "%02x", (unsigned char) text[i]);
}

static void
describe(const char *name, const char *type, int rank, const uint64_t *shape, const real *weights,
		 char *out, size_t size)
{
	size_t n = (size_t) snprintf(out, size, "%s %s [", name, type), elements = 1;
	double sum = 0, weighted = 0;

	for (int i = 0; i < rank; i++)
	{
		n += (size_t) snprintf(out + n, size - n, "%s%d", i == 0 ? "" : ", ", (int) shape[i]);
		elements *= (size_t) shape[i];
	}
	for (size_t i = 0; i < elements; i++)
	{
		sum += (double) weights[i];
		weighted += (double) weights[i] * (double) (i + 1);
	}
	snprintf(out + n, size - n, "] %.17g %.17g", sum, weighted);
}

static int
compare_lines(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
test_other_reader(const model *original)
{
	const char *python = getenv("PYTHON") != NULL ? getenv("PYTHON") : "/usr/bin/python3";
	const network_layout *layout = &original->layout;
	const uint64_t shape[2] = { layout->vocabulary, layout->embedding };
	const uint64_t subword_shape[2] = { layout->buckets, layout->embedding };
	size_t count = 1;
	char lines[NETWORK_MAX_TENSORS + 2][300], line[400], command[500];
	char path[] = "/tmp/emotion-model-XXXXXX";
	bool same = true;
	em_status status;
	uint8_t *bytes;
	size_t size;
	FILE *reader;
	int descriptor;

	snprintf(command, sizeof(command), "'%s' -c 'import numpy' 2>/dev/null", python);
	if (system(command) != 0)
	{
		check_skip("another reader finds the same in a model file", "python3-numpy is not here");
		return;
	}
	descriptor = mkstemp(path);
	if (descriptor < 0 ||
		model_write(&check_allocator, original, MODEL_F16, &bytes, &size, &status) != EM_OK ||
		write(descriptor, bytes, size) != (ssize_t) size)
		abort();
	close(descriptor);
	check_release(NULL, bytes);

	snprintf(command, sizeof(command), "'%s' test/reference/read_model_file.py %s", python, path);
	reader = popen(command, "r");
	same = expect(reader, "hidden 3 kernel_widths [2, 3]");
	for (size_t i = 0; i < LABELS; i++)
	{
		char hex[200] = "";

		to_hex(labels[i], strlen(labels[i]), hex);
		/* the file holds the shortest text that reads back as the same float: 0.1, not 0.100000001 */
		snprintf(line, sizeof(line), "label %s 0.%zu", hex, i + 1);
		same &= expect(reader, line);
	}
	for (const char *word = words; word != NULL;)
	{
		size_t length = strcspn(word, "\n");
		char hex[100] = "";

		to_hex(word, length, hex);
		snprintf(line, sizeof(line), "word %s", hex);
		same &= expect(reader, line);
		word = word[length] == '\n' ? word + length + 1 : NULL;
	}
	describe("embedding.weight", "F16", 2, shape, original->embedding, lines[0], sizeof(lines[0]));
	if (layout->buckets > 0)
		describe("subword.weight", "F16", 2, subword_shape,
				 original->embedding + layout->vocabulary * layout->embedding, lines[count++],
				 sizeof(lines[0]));
	for (size_t i = 0; i < layout->tensor_count; i++)
		describe(layout->tensors[i].name, "F32", layout->tensors[i].rank, layout->tensors[i].shape,
				 original->dense + layout->tensors[i].offset, lines[count++], sizeof(lines[0]));
	qsort(lines, count, sizeof(lines[0]), compare_lines);
	for (size_t i = 0; i < count; i++)
		same &= expect(reader, lines[i]);
	same &= expect(reader, "");
	CHECK(pclose(reader) == 0 && same, "another reader finds the same in a model file");
	unlink(path);
}

/* Bytes: a quarter of the size, errors of half a scale at most, the same from another reader. */
static void
test_bytes(const model *original)
{
	const network_layout *layout = &original->layout;
	size_t columns = layout->embedding;
	bool close = true, dense = true;
	em_status status;
	safetensors file;
	model *read = NULL;
	uint8_t *bytes, *floats;
	size_t size, float_size;

	if (model_write(&check_allocator, original, MODEL_I8, &bytes, &size, &status) != EM_OK ||
		model_write(&check_allocator, original, MODEL_F32, &floats, &float_size, &status) !=
			EM_OK ||
		safetensors_open(&check_allocator, bytes, size, &file, &status) != EM_OK)
		abort();
	CHECK(safetensors_find(&file, "embedding.weight")->element_size == 1 &&
			  safetensors_find(&file, "embedding.scale")->elements == layout->vocabulary &&
			  safetensors_find(&file, "attention.weight")->type == TENSOR_F16 &&
			  safetensors_find(&file, "output.weight")->type == TENSOR_F32 &&
			  (layout->buckets == 0 ||
			   (safetensors_find(&file, "subword.weight")->element_size == 1 &&
				safetensors_find(&file, "subword.scale")->elements == layout->buckets)),
		  "I8: a byte per number, a scale per row, F16 for the rest but the last layer");
	safetensors_close(&file);
	CHECK(size + layout->rows * (3 * columns - 4) + 2 * layout->dense <= float_size + 512,
		  "I8: %zu bytes, F32: %zu", size, float_size);
	if (!CHECK(model_read(&check_allocator, bytes, size, &read, &status) == EM_OK && usable(read) &&
				   scores_well(read),
			   "I8: is read back"))
		abort();
	for (size_t row = 0; row < layout->rows; row++)
	{
		double largest = 0;

		for (size_t e = 0; e < columns; e++)
			largest = fmax(largest, fabs((double) original->embedding[row * columns + e]));
		for (size_t e = 0; e < columns; e++)
			close &= fabs((double) (read->embedding[row * columns + e] -
									original->embedding[row * columns + e])) <= largest / 253.9;
	}
	for (size_t i = 0; i < layout->dense; i++)
		dense &= read->dense[i] == original->dense[i]; /* F16 holds them */
	CHECK(close && dense, "I8: no error over 1/254 of a row's largest number");
	model_free(read);

	/* bytes without a scale, and scales without bytes */
	for (int turn = 0; turn < 2; turn++)
	{
		uint8_t *copy = turn == 0 ? bytes : floats;
		const char *name = turn == 0 ? "\"embedding.scale\"" : "\"output.bias\"";
		const char *other = turn == 0 ? "\"embedding.spale\"" : "\"subword.abc\"";
		uint8_t *at = copy;

		while (memcmp(at, name, strlen(name)) != 0)
			at++;
		memcpy(at, other, strlen(name));
		CHECK(model_read(&check_allocator, copy, turn == 0 ? size : float_size, &read, &status) ==
				  EM_CORRUPT,
			  "refused: %s", status.message);
	}
	check_release(NULL, bytes);
	check_release(NULL, floats);
}

/* With and without n-grams: everything that can be wrong with a file. */
static void
test_all(int buckets)
{
	model *original = make_model(buckets);
	em_status status;
	uint8_t *bytes;
	size_t size;

	printf("# %d buckets\n", buckets);
	test_round_trip(original);
	test_bytes(original);
	test_thresholds(original);
	test_calibrate(original);
	test_labels();
	test_unwritable(original);
	if (model_write(&check_allocator, original, MODEL_F32, &bytes, &size, &status) != EM_OK)
		abort();
	test_metadata(bytes, size);
	test_tensors(bytes, size);
	test_damage(bytes, size);
	test_memory(original, bytes, size);
	test_other_reader(original);
	check_release(NULL, bytes);
	if (model_write(&check_allocator, original, MODEL_I8, &bytes, &size, &status) != EM_OK)
		abort();
	test_damage(bytes, size);
	test_memory(original, bytes, size);
	check_release(NULL, bytes);
	test_largest(original);
	model_free(original);
}

int
main(void)
{
	test_all(0);
	test_all(7);
	CHECK(check_live == 0, "everything is released");
	return check_done();
}
