/*
 * bench_network.c
 *	  How fast the bundled model scores the texts of GoEmotions dev, from token ids (the network
 *	  alone) and from texts: many at once on one thread and two, one at a time; its operations as
 *	  a fraction of what OpenBLAS's sgemm reaches in the same run. And for each rule of arithmetic
 *	  (fused.h) on each instruction set: texts/s, what the scores are worth (macro ROC-AUC), how far they
 *	  are from those of float throughout, and those of one text from those of many.
 *
 *	  make -f test/plain.mk bench && EMOTION_DATA=... build/bench/bench_network [avx2]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../src/data/metrics.h"
#include "../src/model/bags.h"
#include "../src/model/scorer.h"
#include "../src/model/sequence_scorer.h"
#include "../src/nn/activation.h"
#include "../src/nn/matmul.h"

enum
{
	MOST_TEXTS = 8192,
	TRIALS = 7,
	PEAK_SIZE = 768
};

static char *lines;
static em_slice texts[MOST_TEXTS];
static nn_sequence sequences[MOST_TEXTS];
static size_t count, tokens;
static uint8_t *truth;

static void *
allocate(void *context, size_t size)
{
	(void) context;
	return malloc(size);
}

static void
release(void *context, void *pointer)
{
	(void) context;
	free(pointer);
}

static const em_allocator allocator = { allocate, release, NULL };

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static _Noreturn void
give_up(const char *why)
{
	printf("%s: nothing measured\n", why);
	exit(0);
}

static void
must(em_code code, const em_status *status)
{
	if (code == EM_OK)
		return;
	fprintf(stderr, "%s\n", status->message);
	exit(1);
}

static char *
read_file(const char *name, size_t *size)
{
	FILE *file = fopen(name, "rb");
	char *bytes;

	if (file == NULL)
		give_up(name);
	fseek(file, 0, SEEK_END);
	*size = (size_t) ftell(file);
	rewind(file);
	bytes = malloc(*size + 1);
	if (bytes == NULL || fread(bytes, 1, *size, file) != *size)
		give_up(name);
	bytes[*size] = '\0';
	fclose(file);
	return bytes;
}

/* Lines "text TAB label,label TAB id". */
static void
read_texts(size_t labels)
{
	char name[4096];
	size_t size;

	snprintf(name, sizeof(name), "%s/goemotions/dev.tsv",
			 getenv("EMOTION_DATA") ? getenv("EMOTION_DATA") : "../shared/data");
	lines = read_file(name, &size);
	truth = calloc(MOST_TEXTS, labels);
	if (truth == NULL)
		exit(1);
	for (char *line = lines; *line != '\0' && count < MOST_TEXTS;)
	{
		char *tab = strchr(line, '\t');
		char *end = strchr(line, '\n');
		char *p;

		if (tab == NULL || end == NULL)
			break;
		texts[count] = (em_slice){ line, (size_t) (tab - line) };
		for (p = tab; p == tab || *p == ',';)
		{
			size_t label = strtoul(p + 1, &p, 10);

			if (label < labels)
				truth[count * labels + label] = 1;
		}
		count++;
		line = end + 1;
	}
}

static void
look_up(const model *model, bag_list *bags)
{
	text_tokens cut;
	em_status status;

	text_tokens_init(&cut, &allocator);
	for (size_t i = 0; i < count; i++)
	{
		uint32_t *ids;

		must(text_tokenize(&model->layout.config.text, texts[i].bytes, texts[i].length, &cut,
						   &status),
			 &status);
		ids = malloc((cut.count + 1) * sizeof(*ids));
		if (ids == NULL)
			exit(1);
		for (size_t t = 0; t < cut.count; t++)
		{
			const char *word = cut.buffer + cut.tokens[t].normalized;
			size_t length = cut.tokens[t].normalized_length;

			ids[t] = text_vocabulary_find(model->vocabulary, word, length);
			if (ids[t] == TEXT_UNKNOWN_ID && model->layout.buckets > 0)
				must(bag_list_add(bags, word, length, &ids[t], &status), &status);
		}
		sequences[i] = (nn_sequence){ ids, (uint32_t) cut.count };
		tokens += cut.count;
	}
	text_tokens_free(&cut);
}

/* GFLOP/s of a large square product on one thread. */
static double
measure_peak(void)
{
	size_t cells = (size_t) PEAK_SIZE * PEAK_SIZE;
	real *a = calloc(cells, sizeof(real)), *b = calloc(cells, sizeof(real)),
		 *c = calloc(cells, sizeof(real));
	double best = 1e9;

	if (a == NULL || b == NULL || c == NULL)
		exit(1);
	for (int trial = 0; trial < 2 * TRIALS; trial++)
	{
		double start = now();

		nn_gemm(false, false, PEAK_SIZE, PEAK_SIZE, PEAK_SIZE, 1, a, PEAK_SIZE, b, PEAK_SIZE, 0, c,
				PEAK_SIZE);
		best = fmin(best, now() - start);
	}
	free(a);
	free(b);
	free(c);
	return 2.0 * PEAK_SIZE * (double) cells / best * 1e-9;
}

/* Operations a token takes when each layer is computed as it is written, a product counting two. */
static double
nominal(const network_layout *layout)
{
	double sum = 0;

	for (size_t i = 0; i < layout->tensor_count; i++)
		if (layout->tensors[i].decay && layout->tensors[i].kind != TENSOR_OUTPUT_WEIGHT)
			sum += 2 * (double) layout->tensors[i].elements;
	return sum;
}

static void
measure_many(const model *model, const nn_bags *bags, double peak)
{
	float *scores = malloc(count * model->layout.labels * sizeof(float));
	double operations = nominal(&model->layout) * (double) tokens;
	em_status status;

	if (scores == NULL)
		exit(1);
	for (int threads = 1; threads <= 2; threads++)
		for (int from_text = 0; from_text < 2; from_text++)
		{
			double best = 1e9;
			nn_pool *pool;
			scorer *scorer;
			sequence_scorer *of_ids;

			must(nn_pool_create(&allocator, threads, &pool, &status), &status);
			must(scorer_create_on(&allocator, model, pool, &scorer, &status), &status);
			must(sequence_scorer_create_model(&allocator, model, pool, &of_ids, &status), &status);
			must(sequence_scorer_use_bags(of_ids, bags, &status), &status);
			for (int trial = 0; trial < TRIALS; trial++)
			{
				double start = now();

				must(from_text ? scorer_run(scorer, texts, count, scores, NULL, NULL, &status)
							   : sequence_scorer_run(of_ids, sequences, count, scores, NULL, NULL,
													 NULL, &status),
					 &status);
				best = fmin(best, now() - start);
			}
			printf("  %d thread%s, %-15s %8.0f texts/s, %6.1f GFLOP/s, %4.0f %% of sgemm\n",
				   threads, threads > 1 ? "s" : " ",
				   from_text ? "from texts:" : "from token ids:", (double) count / best,
				   operations / best * 1e-9, 100 * operations / best * 1e-9 / peak / threads);
			scorer_free(scorer);
			sequence_scorer_free(of_ids);
			nn_pool_destroy(pool);
		}
	free(scores);
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return x < y ? -1 : x > y;
}

static void
measure_one(const model *model, const nn_bags *bags)
{
	static double took[MOST_TEXTS];
	float scores[MODEL_MAX_LABELS];
	em_status status;
	scorer *scorer;
	sequence_scorer *of_ids;

	must(scorer_create(&allocator, model, &scorer, &status), &status);
	must(sequence_scorer_create_model(&allocator, model, NULL, &of_ids, &status), &status);
	must(sequence_scorer_use_bags(of_ids, bags, &status), &status);
	for (int from_text = 0; from_text < 2; from_text++)
	{
		for (size_t i = 0; i < count; i++)
			took[i] = 1e9;
		for (int trial = 0; trial < TRIALS; trial++)
		{
			for (size_t i = 0; i < count; i++)
			{
				double start = now();

				must(from_text ? scorer_run(scorer, &texts[i], 1, scores, NULL, NULL, &status)
							   : sequence_scorer_run(of_ids, &sequences[i], 1, scores, NULL, NULL,
													 NULL, &status),
					 &status);
				took[i] = fmin(took[i], now() - start);
			}
		}
		qsort(took, count, sizeof(took[0]), compare);
		printf("  one text, %-15s median %6.1f us, 99 %% within %6.1f us\n",
			   from_text ? "from texts:" : "from token ids:", took[count / 2] * 1e6,
			   took[count * 99 / 100] * 1e6);
	}
	scorer_free(scorer);
	sequence_scorer_free(of_ids);
}

static double
difference(const float *a, const float *b, size_t cells)
{
	double largest = 0;

	for (size_t i = 0; i < cells; i++)
		largest = fmax(largest, fabs((double) a[i] - (double) b[i]));
	return largest;
}

/* Scores of all texts, what they are worth, how far from float, and from those of texts one by one. */
static void
measure_scores(sequence_scorer *scorer, const model *model, const nn_bags *bags, const char *name,
			   const char *set, float *reference, float *scores)
{
	size_t labels = model->layout.labels;
	size_t cells = count * labels;
	data_label_metrics own[MODEL_MAX_LABELS];
	data_metrics metrics = { .label = own };
	double best = 1e9, apart = 0;
	float alone[MODEL_MAX_LABELS];
	em_status status;

	must(sequence_scorer_use_bags(scorer, bags, &status), &status);
	for (int trial = 0; trial < TRIALS; trial++)
	{
		double start = now();

		must(sequence_scorer_run(scorer, sequences, count, scores, NULL, NULL, NULL, &status),
			 &status);
		best = fmin(best, now() - start);
	}
	for (size_t i = 0; i < count; i += 7)
	{
		must(sequence_scorer_run(scorer, &sequences[i], 1, alone, NULL, NULL, NULL, &status),
			 &status);
		apart = fmax(apart, difference(alone, scores + i * labels, labels));
	}
	must(data_metrics_compute(&allocator, count, (uint32_t) labels, scores, truth,
							  model->thresholds, &metrics, &status),
		 &status);
	printf("  %-7s %-9s %8.0f %14.5f %10.1e %13.1e\n", name, set, (double) count / best,
		   metrics.macro_roc_auc, difference(reference, scores, cells), apart);
}

/* By each rule of arithmetic on each instruction set, and as training computes. */
static void
measure_rules(const model *model, const nn_bags *bags)
{
	static const char *const sets[] = { "avx512", "avx2", "baseline" };
	static const char *const rules[] = { "reals", "halves", "bytes" };
	size_t cells = count * model->layout.labels;
	float *reference = malloc(cells * sizeof(float)), *scores = malloc(cells * sizeof(float));
	network_weights weights = { model->embedding, model->dense };
	sequence_scorer *scorer;
	em_status status;

	if (reference == NULL || scores == NULL)
		exit(1);
	printf("%19s %8s %14s %10s %13s\n", "", "texts/s", "macro ROC-AUC", "to float", "one to many");
	must(sequence_scorer_create(&allocator, &model->layout, weights, NULL, &scorer, &status),
		 &status);
	must(sequence_scorer_use_bags(scorer, bags, &status), &status);
	must(sequence_scorer_run(scorer, sequences, count, reference, NULL, NULL, NULL, &status),
		 &status);
	measure_scores(scorer, model, bags, "float", nn_simd_name(), reference, scores);
	sequence_scorer_free(scorer);
	for (nn_numbers rule = NN_REALS; rule <= NN_BYTES; rule++)
	{
		size_t size = network_panels_size(&model->layout, rule);
		struct model other = *model;
		void *panels = aligned_alloc(NN_ALIGNMENT, size);

		if (panels == NULL)
			exit(1);
		network_panels_fill(&model->layout, rule, model->dense, panels);
		other.numbers = rule;
		other.panels = panels;
		for (size_t s = 0; s < sizeof(sets) / sizeof(sets[0]); s++)
		{
			if (!nn_simd_force(sets[s]))
				continue;
			must(sequence_scorer_create_model(&allocator, &other, NULL, &scorer, &status), &status);
			measure_scores(scorer, &other, bags, rules[rule], sets[s], reference, scores);
			sequence_scorer_free(scorer);
		}
		free(panels);
	}
	nn_simd_force(NULL);
	free(reference);
	free(scores);
}

int
main(int argc, char **argv)
{
	size_t size;
	char *bytes = read_file("models/english/english.safetensors", &size);
	bag_list bags;
	em_status status;
	model *model;
	double peak;

	must(nn_blas_load(&status), &status);
	must(model_read(&allocator, (const uint8_t *) bytes, size, &model, &status), &status);
	free(bytes);
	read_texts(model->layout.labels);
	bag_list_init(&bags, &allocator, &model->layout.config, (uint32_t) model->layout.vocabulary);
	look_up(model, &bags);
	if (argc > 1 && !nn_simd_force(argv[1]))
	{
		fprintf(stderr, "this machine has no %s\n", argv[1]);
		return 1;
	}
	peak = measure_peak();
	printf("%s%s; sgemm: %.1f GFLOP/s; %zu texts, %.1f tokens each, %.2f MFLOP a token\n",
		   nn_simd_name(), nn_bf16_native() ? " with bf16" : "", peak, count,
		   (double) tokens / (double) count, nominal(&model->layout) * 1e-6);
	measure_many(model, &bags.bags, peak);
	measure_one(model, &bags.bags);
	measure_rules(model, &bags.bags);
	return 0;
}
