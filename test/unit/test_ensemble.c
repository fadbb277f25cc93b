/*
 * test_ensemble.c
 *	  Ensembles: their file, scores and attention as the means of the members', and
 *	  what must be refused.
 */
#include "check.h"
#include "random_numbers.h"

#include <math.h>

#include "../../src/model/model.h"
#include "../../src/model/safetensors.h"
#include "../../src/model/scorer.h"
#include "sample_encoder.h"

#define LABELS 3
#define MEMBERS 3
#define TEXTS 5

static const em_slice texts[TEXTS] = {
	{ "the sun I like", 14 }, { "", 0 }, { "rain :-) rain", 13 }, { "unknown", 7 }, { "I", 1 },
};

/* The file of a network: its labels by one letter each, its words and sizes its own. */
static uint8_t *
make_file(const char *letters, int size, uint32_t max_tokens, size_t *bytes)
{
	static const char *const words[] = { "the\nsun\nI\nlike", "rain\nsun\n:-)", "I" };
	const char *own = words[size % 3];
	model made = { .allocator = &check_allocator };
	em_slice labels[8];
	model_config config;
	uint8_t *file;
	em_status status;

	model_config_default(&config);
	config.embedding_dim = 3 + size;
	config.kernel_widths = (option_int_list){ 1 + size % 2, { 2, 3 } };
	config.filters = 4;
	config.hidden = 2 + size;
	config.attention = 3;
	config.text.max_tokens = (int) max_tokens;
	for (size_t i = 0; letters[i] != '\0'; i++)
		labels[i] = (em_slice){ letters + i, 1 };
	made.labels = model_copy_labels(&check_allocator, labels, strlen(letters));
	made.thresholds = em_allocate_array(&check_allocator, strlen(letters), sizeof(float));
	for (size_t i = 0; letters[i] != '\0'; i++)
		made.thresholds[i] = 0.1F * (float) (letters[i] - 'a' + 1 + size);
	if (text_vocabulary_load(&check_allocator, own, strlen(own), &made.vocabulary, &status) !=
			EM_OK ||
		network_layout_init(&made.layout, &config, text_vocabulary_size(made.vocabulary),
							strlen(letters), &status) != EM_OK)
		abort();
	made.embedding = em_allocate_zeroed(
		&check_allocator, made.layout.vocabulary * made.layout.embedding, sizeof(real));
	made.dense = em_allocate_zeroed(&check_allocator, made.layout.dense, sizeof(real));
	network_init(&made.layout, (uint64_t) size, NULL, made.embedding, made.dense);
	for (size_t i = 0; i < made.layout.vocabulary * made.layout.embedding; i++)
		made.embedding[i] *= 20;
	if (model_write(&check_allocator, &made, (model_precision) (size % 3), &file, bytes, &status) !=
		EM_OK)
		abort();
	em_release(&check_allocator, made.labels);
	em_release(&check_allocator, made.thresholds);
	text_vocabulary_free(made.vocabulary);
	em_release(&check_allocator, made.embedding);
	em_release(&check_allocator, made.dense);
	return file;
}

static const char *const orders[MEMBERS] = { "abc", "cab", "bca" };

static void
make_members(model_member *members, uint32_t tokens_of_last)
{
	for (int i = 0; i < MEMBERS; i++)
	{
		members[i].name = orders[i];
		members[i].bytes =
			make_file(orders[i], i + 1, i == MEMBERS - 1 ? tokens_of_last : 9, &members[i].size);
		members[i].weight = i + 1;
	}
}

static void
free_members(const model_member *members)
{
	for (int i = 0; i < MEMBERS; i++)
		check_release(NULL, (void *) (uintptr_t) members[i].bytes);
}

static model *
read_file(const uint8_t *bytes, size_t size)
{
	em_status status;
	model *read;

	if (model_read(&check_allocator, bytes, size, &read, &status) != EM_OK)
	{
		CHECK(false, "a good file is read: %s", status.message);
		exit(1);
	}
	return read;
}

static scorer *
make_scorer(const model *model)
{
	em_status status;
	scorer *made;

	if (scorer_create(&check_allocator, model, &made, &status) != EM_OK)
		abort();
	return made;
}

static void
test_means(const model_member *members, const uint8_t *bytes, size_t size)
{
	model *ensemble = read_file(bytes, size);
	scorer *scorer = make_scorer(ensemble);
	float scores[TEXTS * LABELS], explained[LABELS];
	double expected[TEXTS * LABELS] = { 0 }, threshold[LABELS] = { 0 };
	double weight[16] = { 0 }, influence[16] = { 0 };
	double worst = 0, worst_threshold = 0, worst_attention = 0;
	model_attention attention;
	uint64_t parameters = 0;
	em_status status;

	CHECK(ensemble->member_count == MEMBERS && ensemble->layout.labels == LABELS &&
			  strcmp(ensemble->labels[0], "a") == 0 && strcmp(ensemble->labels[2], "c") == 0,
		  "an ensemble has the labels of its first member");
	for (int i = 0; i < MEMBERS; i++)
	{
		model *member = read_file(members[i].bytes, members[i].size);
		struct scorer *own = make_scorer(member);
		float part[TEXTS * LABELS];
		double share = members[i].weight / 6;

		if (scorer_run(own, texts, TEXTS, part, NULL, NULL, &status) != EM_OK)
			abort();
		for (int t = 0; t < TEXTS; t++)
			for (int l = 0; l < LABELS; l++)
				expected[t * LABELS + l] +=
					share * (double) part[t * LABELS + model_find_label(member, &"abc"[l], 1)];
		for (int l = 0; l < LABELS; l++)
			threshold[l] +=
				share * (double) member->thresholds[model_find_label(member, &"abc"[l], 1)];
		if (scorer_explain(own, texts[0], model_find_label(member, "b", 1), NULL, &attention, NULL,
						   NULL, &status) != EM_OK)
			abort();
		for (size_t t = 0; t < attention.tokens->count; t++)
		{
			weight[t] += share * (double) attention.weight[t];
			influence[t] += share * (double) attention.influence[t];
		}
		parameters += model_parameters(member);
		scorer_free(own);
		model_free(member);
	}
	if (scorer_run(scorer, texts, TEXTS, scores, NULL, NULL, &status) != EM_OK)
		abort();
	for (int i = 0; i < TEXTS * LABELS; i++)
		worst = fmax(worst, fabs((double) scores[i] - expected[i]));
	CHECK(worst < 1e-6, "scores are the weighted means of the members', to %g", worst);
	for (int l = 0; l < LABELS; l++)
		worst_threshold =
			fmax(worst_threshold, fabs((double) ensemble->thresholds[l] - threshold[l]));
	CHECK(worst_threshold < 1e-6, "so are thresholds");
	CHECK(parameters == model_parameters(ensemble), "its weights are all of theirs");
	if (scorer_explain(scorer, texts[0], 1, explained, &attention, NULL, NULL, &status) != EM_OK)
		abort();
	for (size_t t = 0; t < attention.tokens->count; t++)
		worst_attention =
			fmax(worst_attention, fmax(fabs((double) attention.weight[t] - weight[t]),
									   fabs((double) attention.influence[t] - influence[t])));
	CHECK(attention.tokens->count == 4 && worst_attention < 1e-5, "so are attention and influence");
	CHECK(memcmp(explained, scores, sizeof(explained)) == 0, "with the same scores");
	CHECK(scorer_features(scorer, texts, 1, scores, NULL, NULL, &status) == EM_UNSUPPORTED,
		  "it has no features: %s", status.message);
	scorer_free(scorer);
	model_free(ensemble);
}

static void
test_thresholds(const uint8_t *bytes, size_t size)
{
	const float wanted[LABELS] = { 0.25F, 0.5F, 1 };
	uint8_t *changed;
	size_t changed_size;
	em_status status;
	model *read;

	if (model_rewrite_thresholds(&check_allocator, bytes, size, wanted, &changed, &changed_size,
								 &status) != EM_OK)
		abort();
	read = read_file(changed, changed_size);
	CHECK(memcmp(read->thresholds, wanted, sizeof(wanted)) == 0, "its thresholds can be replaced");
	CHECK(model_write(&check_allocator, read, MODEL_F32, &changed, &size, &status) ==
			  EM_UNSUPPORTED,
		  "it is not written as a network: %s", status.message);
	model_free(read);
	check_release(NULL, changed);
}

static void
test_join(model_member *members, const uint8_t *bytes, size_t size)
{
	model_member odd[MEMBERS + 1];
	model_member many[MODEL_MAX_MEMBERS + 1];
	uint8_t *joined;
	size_t joined_size;
	model *exclusive;
	em_status status;

	memcpy(odd, members, MEMBERS * sizeof(*odd));
	odd[1] = (model_member){ "nested", bytes, size, 1 };
	CHECK(model_join(&check_allocator, odd, MEMBERS, &joined, &joined_size, &status) ==
			  EM_UNSUPPORTED,
		  "no ensemble of ensembles: %s", status.message);
	odd[1].bytes = make_file("abd", 1, 9, &odd[1].size);
	odd[1].name = "abd";
	CHECK(model_join(&check_allocator, odd, MEMBERS, &joined, &joined_size, &status) ==
			  EM_INVALID_OPTION,
		  "no other labels: %s", status.message);
	check_release(NULL, (void *) (uintptr_t) odd[1].bytes);
	odd[1].bytes = make_file("abcd", 1, 9, &odd[1].size);
	CHECK(model_join(&check_allocator, odd, MEMBERS, &joined, &joined_size, &status) ==
			  EM_INVALID_OPTION,
		  "no more labels: %s", status.message);
	check_release(NULL, (void *) (uintptr_t) odd[1].bytes);
	odd[1] = members[1];
	odd[1].size--;
	CHECK(model_join(&check_allocator, odd, MEMBERS, &joined, &joined_size, &status) == EM_CORRUPT,
		  "no damaged file: %s", status.message);
	CHECK(model_join(&check_allocator, odd, 0, &joined, &joined_size, &status) == EM_LIMIT,
		  "not of nothing: %s", status.message);
	for (int i = 0; i < 2; i++)
		odd[i].bytes =
			sample_encoder_file(&check_allocator, true, i == 0 ? ENCODER_SIGMOID : ENCODER_SOFTMAX,
								MODEL_F32, &odd[i].size);
	CHECK(model_join(&check_allocator, odd, 2, &joined, &joined_size, &status) == EM_INVALID_OPTION,
		  "not of labels that exclude one another in some only: %s", status.message);
	CHECK(model_join(&check_allocator, odd + 1, 1, &joined, &joined_size, &status) == EM_OK,
		  "but in all: %s", status.message);
	exclusive = read_file(joined, joined_size);
	CHECK(model_labels_exclude(exclusive), "then they do in the ensemble");
	model_free(exclusive);
	check_release(NULL, joined);
	for (int i = 0; i < 2; i++)
		check_release(NULL, (void *) (uintptr_t) odd[i].bytes);
	for (int i = 0; i <= MODEL_MAX_MEMBERS; i++)
		many[i] = members[0];
	CHECK(model_join(&check_allocator, many, MODEL_MAX_MEMBERS + 1, &joined, &joined_size,
					 &status) == EM_LIMIT,
		  "nor of 65: %s", status.message);
	CHECK(model_join(&check_allocator, many, MODEL_MAX_MEMBERS, &joined, &joined_size, &status) ==
			  EM_OK,
		  "but of 64");
	model_free(read_file(joined, joined_size));
	check_release(NULL, joined);
}

static void
test_metadata(const uint8_t *bytes, size_t size)
{
	static const char *const cases[][2] = {
		{ "members", "" },
		{ "members", "[]" },
		{ "members", "[0.5, 0.5]" },
		{ "members", "[0.25, 0.25, 0.25, 0.25]" },
		{ "members", "[0.5, 0.5, 0]" },
		{ "members", "[0.5, 0.5, 0.5]" },
		{ "members", "[-0.5, 1, 0.5]" },
		{ "members", "[0.5, 0.25, 1e999]" },
		{ "members", "[0.5, 0.25, \"0.25\"]" },
		{ "members", "[0.5, 0.25, 0.25" },
		{ "members", "{}" },
		{ "labels", "[\"a\", \"b\"]" },
		{ "labels", "[\"a\", \"b\", \"d\"]" },
		{ "thresholds", "[0.5, 0.5]" },
		{ "thresholds", "[0.5, 0.5, 2]" },
		{ "member.1.labels", "[\"a\", \"b\", \"x\"]" },
		{ "member.1.architecture", "ensemble" },
		{ "member.2.vocabulary", "one" },
		{ "member.0.thresholds", "[0.5]" },
		{ "member.0.configuration", "{}" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		em_status status = { EM_OK, "", "" };
		em_slice value = { cases[i][1], strlen(cases[i][1]) };
		uint8_t *changed;
		size_t changed_size;
		model *read;
		em_code code;

		if (safetensors_replace_metadata(&check_allocator, bytes, size, cases[i][0], value,
										 &changed, &changed_size, &status) != EM_OK)
			abort();
		code = model_read(&check_allocator, changed, changed_size, &read, &status);
		CHECK(code == EM_CORRUPT && read == NULL, "%s of %s is refused: %s", cases[i][0],
			  cases[i][1], status.message);
		model_free(read);
		check_release(NULL, changed);
	}
}

static void
test_damage(const uint8_t *bytes, size_t size)
{
	int refused = 0, readable = 0;
	bool good = true;
	long live = check_live;
	size_t header = 0;

	for (int i = 7; i >= 0; i--)
		header = header << 8 | bytes[i];
	for (int i = 0; i < 1000; i++)
	{
		em_status status = { EM_OK, "", "" };
		uint8_t *copy = malloc(size);
		model *read;

		memcpy(copy, bytes, size);
		for (uint32_t n = 1 + random_number(3); n > 0; n--)
			copy[i % 2 == 0 ? random_number((uint32_t) size)
							: random_number((uint32_t) header + 8)] = (uint8_t) random_number(256);
		if (model_read(&check_allocator, copy, size, &read, &status) == EM_OK)
		{
			float scores[TEXTS * LABELS];
			scorer *scorer = make_scorer(read);

			readable++;
			good = good && scorer_run(scorer, texts, TEXTS, scores, NULL, NULL, &status) == EM_OK;
			for (size_t j = 0; good && j < TEXTS * LABELS; j++)
				good = scores[j] >= 0 && scores[j] <= 1;
			scorer_free(scorer);
			model_free(read);
		}
		else
		{
			refused++;
			good = good && read == NULL && status.message[0] != '\0';
		}
		free(copy);
	}
	CHECK(good && refused > 0 && readable > 0 && check_live == live,
		  "of 1,000 damaged files %d are refused, %d score in 0 to 1", refused, readable);
}

static void
test_unlike(void)
{
	model_member members[MEMBERS];
	model_attention attention;
	uint8_t *bytes;
	size_t size;
	em_status status;
	model *read;
	scorer *scorer;

	make_members(members, 20);
	if (model_join(&check_allocator, members, MEMBERS, &bytes, &size, &status) != EM_OK)
		abort();
	read = read_file(bytes, size);
	scorer = make_scorer(read);
	CHECK(scorer_explain(scorer, texts[0], -1, NULL, &attention, NULL, NULL, &status) ==
			  EM_UNSUPPORTED,
		  "members that read differently explain nothing together: %s", status.message);
	scorer_free(scorer);
	model_free(read);
	check_release(NULL, bytes);
	free_members(members);
}

static em_code
use_all(const model_member *members, em_status *status)
{
	uint8_t *bytes = NULL;
	size_t size;
	model *read = NULL;
	scorer *scorer = NULL;
	float scores[TEXTS * LABELS];
	model_attention attention;
	em_code code = model_join(&check_allocator, members, MEMBERS, &bytes, &size, status);

	if (code == EM_OK)
		code = model_read(&check_allocator, bytes, size, &read, status);
	if (code == EM_OK)
		code = scorer_create(&check_allocator, read, &scorer, status);
	if (code == EM_OK)
		code = scorer_run(scorer, texts, TEXTS, scores, NULL, NULL, status);
	if (code == EM_OK)
		code = scorer_explain(scorer, texts[0], 1, scores, &attention, NULL, NULL, status);
	scorer_free(scorer);
	model_free(read);
	em_release(&check_allocator, bytes);
	return code;
}

static void
test_memory(const model_member *members)
{
	em_code code = EM_OUT_OF_MEMORY;
	long live = check_live, n = 0;
	bool good = true;

	while (good && code != EM_OK)
	{
		em_status status = { 0 };

		check_fail_at = ++n;
		code = use_all(members, &status);
		check_fail_at = 0;
		good = check_live == live && (code == EM_OK || code == EM_OUT_OF_MEMORY);
	}
	CHECK(good && n > 20, "each of %ld allocations may fail", n - 1);
}

int
main(void)
{
	model_member members[MEMBERS];
	em_status status;
	uint8_t *bytes;
	size_t size;

	make_members(members, 9);
	if (model_join(&check_allocator, members, MEMBERS, &bytes, &size, &status) != EM_OK)
	{
		CHECK(false, "models are joined: %s", status.message);
		return check_done();
	}
	test_means(members, bytes, size);
	test_thresholds(bytes, size);
	test_join(members, bytes, size);
	test_metadata(bytes, size);
	test_damage(bytes, size);
	test_unlike();
	test_memory(members);
	check_release(NULL, bytes);
	free_members(members);
	CHECK(check_live == 0, "everything is released");
	return check_done();
}
