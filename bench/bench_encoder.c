/*
 * bench_encoder.c
 *	  How fast the encoder learns, and scores in floats and in 8 bits: DistilRoBERTa's sizes, texts of 13
 *	  words, in texts per second and as a share of the best that OpenBLAS does on this
 *	  machine in the same run.
 *
 *	  make -f test/plain.mk bench && build/bench/bench_encoder [FILE [SECONDS [BATCHES]]]
 *	  build/bench/bench_encoder FILE serve float|int8|peak THREADS    on demand, as bench/peer/rounds.py says
 *
 * FILE: weights, texts and logits that bench/peer/transformer.py wrote; without it (or "-")
 * weights are random, and so are the texts. BATCHES: only so many of ENCODER_BATCH_ROWS tokens, for a
 * short look.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../src/model/encoder_int8.h"
#include "../src/model/safetensors.h"
#include "../src/nn/activation.h"
#include "../src/nn/matmul.h"
#include "../src/nn/pool.h"

enum
{
	TEXTS = 228, /* four batches of ENCODER_BATCH_ROWS tokens */
	MOST_TEXTS = 4096,
	LABELS = 28,
	MAX_THREADS = 2
};

static encoder_layout layout;
static real *weights;
static encoder_int8 *int8; /* NULL: floats */
static nn_sequence texts[MOST_TEXTS];
static size_t text_count = TEXTS, token_count;
static real *logits, *expected;

/* Of one thread the processor's time, so that others on the machine disturb less. */
static clockid_t watch = CLOCK_PROCESS_CPUTIME_ID;

static double
now(void)
{
	struct timespec t;

	clock_gettime(watch, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static _Noreturn void
stop(const char *why)
{
	fprintf(stderr, "bench_encoder: %s\n", why);
	exit(1);
}

static void *
allocate(void *context, size_t size)
{
	(void) context;
	return aligned_alloc(NN_ALIGNMENT, (size + NN_ALIGNMENT - 1) / NN_ALIGNMENT * NN_ALIGNMENT);
}

static void
release(void *context, void *pointer)
{
	(void) context;
	free(pointer);
}

static const em_allocator allocator = { allocate, release, NULL };

static uint64_t state = 1;

static double
draw(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double) (state >> 11) * 0x1p-53;
}

/* About 18 tokens each, as GoEmotions' texts of 13 words are, <s> and </s> included. */
static void
make_texts(void)
{
	for (size_t i = 0; i < TEXTS; i++)
	{
		uint32_t length = 6 + (uint32_t) (draw() * 13) + (uint32_t) (draw() * 13);
		uint32_t *ids = malloc(length * sizeof(*ids));

		if (ids == NULL)
			stop("no memory");
		for (uint32_t t = 0; t < length; t++)
			ids[t] = 3 + (uint32_t) (draw() * 50000);
		ids[0] = 0;
		ids[length - 1] = 2;
		texts[i] = (nn_sequence){ ids, length };
	}
	for (size_t i = 0; i < layout.total; i++)
		weights[i] = (real) (0.06 * (draw() - 0.5));
}

static uint32_t
integer(const tensor *tensor, size_t i)
{
	uint32_t value;

	memcpy(&value, tensor->data + 4 * i, 4);
	return value;
}

static const tensor *
find(const safetensors *file, const char *prefix, const char *name)
{
	char full[120];
	const tensor *found;

	snprintf(full, sizeof(full), "%s%s", prefix, name);
	found = safetensors_find(file, full);
	if (found == NULL)
		stop(full);
	return found;
}

/* The layout of the file's network, and memory for its weights. */
static void
set_sizes(const safetensors *file)
{
	encoder_config config;
	em_status status;

	encoder_config_default(&config);
	if (file != NULL)
	{
		const tensor *sizes = find(file, "", "sizes");

		config.vocab_size = (int) integer(sizes, 0);
		config.hidden_size = (int) integer(sizes, 1);
		config.num_hidden_layers = (int) integer(sizes, 2);
		config.num_attention_heads = (int) integer(sizes, 3);
		config.intermediate_size = (int) integer(sizes, 4);
		config.max_position_embeddings = (int) integer(sizes, 5);
	}
	if (encoder_layout_init(&layout, &config, LABELS, &status) != EM_OK)
		stop(status.message);
	weights = allocate(NULL, layout.total * sizeof(real));
	logits = allocate(NULL, (size_t) MOST_TEXTS * LABELS * sizeof(real));
	if (weights == NULL || logits == NULL)
		stop("no memory");
	memset(weights, 0, layout.total * sizeof(real));
}

static void
read_file(const char *path)
{
	FILE *stream = fopen(path, "rb");
	safetensors file;
	em_status status;
	uint8_t *bytes;
	const tensor *lengths, *ids;
	size_t size, row = 0;

	if (stream == NULL || fseek(stream, 0, SEEK_END) != 0)
		stop("cannot read the file");
	size = (size_t) ftell(stream);
	rewind(stream);
	bytes = malloc(size);
	if (bytes == NULL || fread(bytes, 1, size, stream) != size ||
		safetensors_open(&allocator, bytes, size, &file, &status) != EM_OK)
		stop("cannot read the file");
	fclose(stream);
	set_sizes(&file);
	for (size_t i = 0; i < layout.tensor_count; i++)
	{
		encoder_tensor tensor;

		encoder_tensor_at(&layout, i, &tensor);
		if (find(&file, "weight.", tensor.name)->elements != tensor.elements ||
			tensor_read(find(&file, "weight.", tensor.name), weights + tensor.offset, &status) !=
				EM_OK)
			stop(tensor.name);
	}
	lengths = find(&file, "", "lengths");
	ids = find(&file, "", "ids");
	text_count = lengths->elements < MOST_TEXTS ? (size_t) lengths->elements : MOST_TEXTS;
	for (size_t i = 0; i < text_count; i++)
	{
		uint32_t length = integer(lengths, i);
		uint32_t *copy = malloc(length * sizeof(*copy));

		for (uint32_t t = 0; copy != NULL && t < length; t++)
			copy[t] = integer(ids, row + t);
		row += length;
		texts[i] = (nn_sequence){ copy, length };
	}
	expected = malloc(find(&file, "", "logits")->elements * sizeof(*expected));
	if (expected == NULL || tensor_read(find(&file, "", "logits"), expected, &status) != EM_OK)
		stop("logits");
	safetensors_close(&file);
	free(bytes);
}

/* What multiplications and additions of the linear layers and of attention there are in a text. */
static double
operations(uint32_t length)
{
	double d = (double) layout.hidden, i = (double) layout.inner, t = length;
	double full = t * (4 * d * d + 2 * d * i) + 2 * t * t * d;
	double last = t * 2 * d * d + 2 * d * d + 2 * d * i + 2 * t * d;

	return 2 * ((double) (layout.layers - 1) * full + last + d * d + d * (double) layout.labels);
}

/* One batch per task. */
typedef struct piece
{
	encoder_batcher batcher;
	nn_arena arena;
	char *block;
	size_t first, count;
} piece;

static void
score(void *context, size_t index)
{
	piece *piece = &((struct piece *) context)[index];
	const encoder_weights view = { .block = weights, .int8 = int8 };
	encoder_pass pass;

	piece->arena.used = 0;
	encoder_forward(&layout, &view, &piece->batcher.batch, NULL, &piece->arena, &pass,
					logits + piece->first * layout.labels);
}

static size_t
cut(piece *pieces, size_t rows)
{
	size_t count = 0, first = 0;

	while (first < text_count)
	{
		piece *piece = &pieces[count++];
		em_status status;

		piece->first = first;
		piece->count = encoder_batch_take(texts + first, text_count - first, rows);
		if (encoder_batcher_init(&piece->batcher, &allocator, &layout, &status) != EM_OK ||
			encoder_batcher_fill(&piece->batcher, texts + first, piece->count, &status) != EM_OK)
			stop(status.message);
		piece->arena.size = encoder_workspace(&layout, &piece->batcher.batch, NULL);
		piece->arena.block = piece->block = allocate(NULL, piece->arena.size);
		if (piece->block == NULL)
			stop("no memory");
		memset(piece->block, 0, piece->arena.size);
		first += piece->count;
	}
	return count;
}

/* The rate of the best product among those of a layer, and of large squares. */
static double
peak(double seconds)
{
	static const size_t shapes[][3] = {
		{ 1024, 3072, 768 }, { 1024, 2304, 768 }, { 1024, 768, 3072 }, { 1536, 1536, 1536 }
	};
	static real *a, *b, *c;
	double best = 0, end = now() + seconds;

	if (a == NULL)
	{
		a = allocate(NULL, (size_t) 1024 * 3072 * sizeof(real));
		b = allocate(NULL, (size_t) 3072 * 1024 * sizeof(real));
		c = allocate(NULL, (size_t) 1024 * 3072 * sizeof(real));
		if (a == NULL || b == NULL || c == NULL)
			stop("no memory");
		for (size_t i = 0; i < (size_t) 1024 * 3072; i++)
			a[i] = b[i] = (real) (draw() - 0.5);
	}
	while (now() < end)
		for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
		{
			const size_t *n = shapes[s];
			double start = now(), rate;

			nn_gemm(false, true, n[0], n[1], n[2], 1, a, n[2], b, n[2], 0, c, n[1]);
			rate = 2e-9 * (double) n[0] * (double) n[1] * (double) n[2] / (now() - start);
			best = rate > best ? rate : best;
		}
	return best;
}

/* From the file's logits or, without, from the floats'. */
static double
largest_difference(void)
{
	static real kept[MOST_TEXTS * LABELS];
	double largest = 0;

	if (expected == NULL)
	{
		memcpy(kept, logits, sizeof(kept));
		expected = kept;
	}
	for (size_t i = 0; i < text_count * layout.labels; i++)
		largest = fmax(largest, fabs((double) logits[i] - expected[i]));
	return largest;
}

static void
free_pieces(piece *pieces, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		encoder_batcher_free(&pieces[i].batcher);
		free(pieces[i].block);
	}
	memset(pieces, 0, count * sizeof(*pieces));
}

static void
bench(size_t rows, int threads, double seconds)
{
	static piece pieces[MOST_TEXTS];
	size_t count = cut(pieces, rows);
	double best = INFINITY, best_peak = 0, sum = 0, flops = 0, spent = 0;
	nn_pool *pool;
	em_status status;
	int rounds = 0;

	if (nn_pool_create(&allocator, threads, &pool, &status) != EM_OK)
		stop(status.message);
	watch = threads > 1 ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID;
	for (size_t i = 0; i < text_count; i++)
		flops += operations(texts[i].length);
	while (spent < seconds || rounds < 2)
	{
		double start, took, rate = peak(0.1);

		best_peak = rate > best_peak ? rate : best_peak;
		start = now();
		nn_pool_run(pool, count, score, pieces);
		took = now() - start;
		best = took < best ? took : best;
		sum += took;
		spent += took;
		rounds++;
	}
	printf("%s, %5zu tokens a batch, %d thread%s: %7.1f texts/s best, %7.1f mean; %6.1f GFLOP/s, "
		   "%5.1f %% of %d x sgemm's %.1f\n",
		   int8 ? "int8 " : "float", rows, threads, threads > 1 ? "s" : " ",
		   (double) text_count / best, (double) text_count * rounds / sum, flops / best * 1e-9,
		   100 * flops / best * 1e-9 / best_peak / threads, threads, best_peak);
	fflush(stdout);
	nn_pool_destroy(pool);
	free_pieces(pieces, count);
}

/* Forward and backward of one batch with dropout, as a step of a training does for a shard. */
static void
bench_training(size_t rows, double seconds)
{
	static uint32_t sample[MOST_TEXTS];
	const encoder_weights view = { .block = weights };
	const encoder_training training = { .seed = 1, .sample = sample };
	size_t count = encoder_batch_take(texts, text_count, rows);
	double best = INFINITY, best_peak = 0, flops = 0, spent = 0;
	encoder_batcher batcher;
	encoder_pass pass;
	em_status status;
	nn_arena arena;
	real *d_dense, *d_words, *d_logits;

	if (encoder_batcher_init(&batcher, &allocator, &layout, &status) != EM_OK ||
		encoder_batcher_fill(&batcher, texts, count, &status) != EM_OK)
		stop(status.message);
	arena = (nn_arena){ NULL, encoder_workspace(&layout, &batcher.batch, &training), 0 };
	arena.block = allocate(NULL, arena.size);
	d_dense = allocate(NULL, layout.dense * sizeof(real));
	d_words = allocate(NULL, batcher.batch.distinct * layout.hidden * sizeof(real));
	d_logits = allocate(NULL, count * layout.labels * sizeof(real));
	if (arena.block == NULL || d_dense == NULL || d_words == NULL || d_logits == NULL)
		stop("no memory");
	memset(arena.block, 0, arena.size);
	memset(d_dense, 0, layout.dense * sizeof(real));
	memset(d_words, 0, batcher.batch.distinct * layout.hidden * sizeof(real));
	for (size_t i = 0; i < count * layout.labels; i++)
		d_logits[i] = (real) 0.01;
	for (size_t i = 0; i < count; i++)
		flops += 3 * operations(texts[i].length);
	watch = CLOCK_PROCESS_CPUTIME_ID;
	while (spent < seconds)
	{
		double start, took, rate = peak(0.1);

		best_peak = rate > best_peak ? rate : best_peak;
		start = now();
		arena.used = 0;
		encoder_forward(&layout, &view, &batcher.batch, &training, &arena, &pass, logits);
		encoder_backward(&layout, &view, &batcher.batch, &pass, d_logits, &arena, d_dense, d_words);
		took = now() - start;
		best = took < best ? took : best;
		spent += took;
	}
	printf(
		"training, %zu texts of %zu tokens a batch, 1 thread: %.1f texts/s, %.1f GFLOP/s, %.1f %% "
		"of sgemm's %.1f; %zu MB\n",
		count, batcher.batch.rows, (double) count / best, flops / best * 1e-9,
		100 * flops / best * 1e-9 / best_peak, best_peak, arena.size / 1000000);
	encoder_batcher_free(&batcher);
	free(arena.block);
	free(d_dense);
	free(d_words);
	free(d_logits);
}

static void
make_int8(void)
{
	static encoder_int8 made;
	void *memory = allocate(NULL, encoder_int8_bytes(&layout));

	if (memory == NULL)
		stop("no memory");
	encoder_int8_init(&made, &layout, weights, memory);
	int8 = &made;
}

/* Products on every thread at the same time. */
typedef struct peak_task
{
	real *a, *b, *c;
	double rate; /* GFLOP/s */
} peak_task;

static void
multiply_squares(void *context, size_t index)
{
	enum
	{
		SIDE = 1536,
		TIMES = 20
	};
	peak_task *task = &((peak_task *) context)[index];
	double start = now();

	for (int i = 0; i < TIMES; i++)
		nn_gemm(false, true, SIDE, SIDE, SIDE, 1, task->a, SIDE, task->b, SIDE, 0, task->c, SIDE);
	task->rate = TIMES * 2e-9 * SIDE * SIDE * SIDE / (now() - start);
}

/* Of all threads together. */
static double
peak_of_all(nn_pool *pool, size_t threads)
{
	static peak_task tasks[MAX_THREADS];
	const size_t count = (size_t) 1536 * 1536;
	double sum = 0;

	for (size_t t = 0; t < threads; t++)
		if (tasks[t].a == NULL)
		{
			tasks[t].a = allocate(NULL, 3 * count * sizeof(real));
			if (tasks[t].a == NULL)
				stop("no memory");
			tasks[t].b = tasks[t].a + count;
			tasks[t].c = tasks[t].b + count;
			for (size_t i = 0; i < 2 * count; i++)
				tasks[t].a[i] = (real) (draw() - 0.5);
		}
	nn_pool_run(pool, threads, multiply_squares, tasks);
	for (size_t t = 0; t < threads; t++)
		sum += tasks[t].rate;
	return sum;
}

/* Lines "BATCH TEXTS" from standard input, each a round: seconds (peak: GFLOP/s) and by how much logits differ. */
static _Noreturn void
serve(const char *kind, int threads)
{
	static piece pieces[MOST_TEXTS];
	size_t all = text_count, wanted;
	double work = 0;
	nn_pool *pool;
	em_status status;
	char line[80];

	if (threads < 1 || threads > MAX_THREADS)
		stop("threads: 1 or 2");
	if (nn_pool_create(&allocator, threads, &pool, &status) != EM_OK)
		stop(status.message);
	watch = CLOCK_MONOTONIC;
	if (strcmp(kind, "int8") == 0)
		make_int8();
	for (size_t i = 0; i < all; i++)
		work += operations(texts[i].length) / (double) all;
	printf("ready %g\n", 1e-9 * work);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL && sscanf(line, "%*u %zu", &wanted) == 1)
	{
		if (strcmp(kind, "peak") == 0)
			printf("%g 0\n", peak_of_all(pool, (size_t) threads));
		else
		{
			size_t rows = 0, count, parts;
			double start;

			/* batches of much the same size, as many for each thread */
			text_count = wanted < all ? wanted : all;
			for (size_t i = 0; i < text_count; i++)
				rows += texts[i].length;
			parts =
				rows / ENCODER_BATCH_ROWS / (size_t) threads * (size_t) threads + (size_t) threads;
			count = cut(pieces, rows / parts + 32);
			start = now();
			nn_pool_run(pool, count, score, pieces);
			printf("%g ", now() - start);
			printf("%g\n", largest_difference());
			free_pieces(pieces, count);
		}
		fflush(stdout);
	}
	exit(0);
}

int
main(int argc, char **argv)
{
	double seconds = argc > 2 ? atof(argv[2]) : 6;
	em_status status;

	if (nn_blas_load(&status) != EM_OK)
		stop(status.message);
	if (argc > 1 && strcmp(argv[1], "-") != 0)
		read_file(argv[1]);
	else
	{
		set_sizes(NULL);
		make_texts();
	}
	if (argc == 5 && strcmp(argv[2], "serve") == 0)
		serve(argv[3], atoi(argv[4]));
	if (argc > 3 && atoi(argv[3]) > 0 && (size_t) atoi(argv[3]) * TEXTS / 4 < text_count)
		text_count = (size_t) atoi(argv[3]) * TEXTS / 4;
	for (size_t i = 0; i < text_count; i++)
		token_count += texts[i].length;
	printf("%s, %s\n%zu parameters, %zu texts of %.1f tokens, %.2f GFLOP each\n", nn_simd_name(),
		   nn_blas_description(), layout.total, text_count,
		   (double) token_count / (double) text_count,
		   1e-9 * operations((uint32_t) (token_count / text_count)));
	fflush(stdout);
	bench_training(ENCODER_BATCH_ROWS / 4, seconds);
	bench_training(ENCODER_BATCH_ROWS, seconds);
	for (int kind = 0; kind < 2; kind++)
	{
		if (kind == 1)
		{
			make_int8();
			printf("8 bits: %s, %zu MB in place of %zu\n", nn_int8_name(),
				   encoder_int8_bytes(&layout) / 1000000,
				   layout.layers * layout.layer_stride * sizeof(real) / 1000000);
		}
		bench(ENCODER_BATCH_ROWS, 1, seconds);
		printf("logits differ by at most %.2g\n", largest_difference());
		bench(1, 1, seconds);
		if (argc > 3)
			continue;
		bench(256, 1, seconds);
		bench(ENCODER_BATCH_ROWS, MAX_THREADS, seconds);
	}
	return 0;
}
