/* also: double */
/*
 * test_network_score.c
 *	  The forward pass of scoring: against network_forward where it is the same arithmetic, against
 *	  plain loops that round as its rules say; on every instruction set, for one text and for many.
 */
#include "check.h"

#include <math.h>

#include "../../src/model/network_score.h"
#include "../../src/nn/activation.h"
#include "../../src/nn/layers.h"
#include "../../src/nn/matmul.h"
#include "../../src/nn/simd.h"

#define MOST_TEXTS 40
#define MOST_LENGTH 25
#define VOCABULARY 30
#define BAGS 4
#define BUCKETS 9

static const char *const rules[] = { "reals", "halves", "bytes" };

static uint64_t draw_state = 1;

/* A number in -1..1, the same in every run. */
static real
draw(void)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (real) ((double) (draw_state >> 11) * 0x1p-52 - 1);
}

static size_t
draw_below(size_t below)
{
	return (size_t) (((double) draw() + 1) / 2 * (double) below) % below;
}

typedef struct shape
{
	const char *name;
	int dim;
	option_int_list widths;
	int filters, hidden, attention;
	size_t labels, texts;
} shape;

static const shape shapes[] = {
	{ "tiny", 1, { 1, { 1 } }, 1, 1, 1, 1, 3 },
	{ "odd sizes", 7, { 2, { 3, 2 } }, 5, 11, 13, 3, 9 },
	{ "many widths", 6, { 7, { 1, 2, 3, 4, 5, 6, 7 } }, 3, 6, 5, 2, 17 },
	{ "even sizes", 16, { 1, { 3 } }, 32, 16, 64, 28, 33 },
	{ "beyond a panel", 37, { 2, { 15, 1 } }, 40, 50, 129, 70, 8 },
	{ "some texts", 20, { 1, { 5 } }, 17, 35, 20, 4, 5 },
};

/* A network, its texts, and where its results go. */
typedef struct bed
{
	network_layout layout;
	real *embedding, *dense;
	uint32_t ids[MOST_TEXTS][MOST_LENGTH];
	nn_sequence sequences[MOST_TEXTS];
	size_t texts;
	nn_bags bags;
	nn_packer packer;
	void *panels, *arena;
	size_t arena_size;
	real *logits, *pooled; /* (texts, L), (texts, 2H), in the order of the texts */
	real *attention;       /* (texts, MOST_LENGTH) */
} bed;

static void *
allocate(size_t count, size_t size)
{
	size_t bytes = (count * size + 63) / 64 * 64 + 64;
	void *memory = aligned_alloc(64, bytes);

	if (memory == NULL)
		abort();
	memset(memory, 0xff, bytes); /* what is not written is NaN */
	return memory;
}

static bed *
make_bed(const shape *shape)
{
	static const uint32_t offset[BAGS + 1] = { 0, 1, 1, 4, 6 };
	static const uint32_t rows[] = { 31, 30, 33, 33, 38, 35 };
	bed *made = calloc(1, sizeof(*made));
	model_config config;
	em_status status;

	if (made == NULL)
		abort();
	model_config_default(&config);
	config.embedding_dim = shape->dim;
	config.kernel_widths = shape->widths;
	config.filters = shape->filters;
	config.hidden = shape->hidden;
	config.attention = shape->attention;
	config.subword_buckets = BUCKETS;
	if (network_layout_init(&made->layout, &config, VOCABULARY, shape->labels, &status) != EM_OK ||
		nn_packer_init(&made->packer, &check_allocator, VOCABULARY, &status) != EM_OK)
		abort();
	made->bags = (nn_bags){ BAGS, offset, rows };
	if (nn_packer_bags(&made->packer, &made->bags, &status) != EM_OK)
		abort();
	made->embedding = allocate(made->layout.rows * made->layout.embedding, sizeof(real));
	made->dense = allocate(made->layout.dense, sizeof(real));
	network_init(&made->layout, 3, NULL, made->embedding, made->dense);
	for (size_t i = 0; i < made->layout.rows * made->layout.embedding; i++)
		made->embedding[i] = draw();
	memset(made->embedding, 0, made->layout.embedding * sizeof(real));
	for (size_t i = 0; i < made->layout.dense; i++)
		made->dense[i] = made->dense[i] * 3 / 2 + draw() / 10;
	made->texts = shape->texts;
	for (size_t i = 0; i < shape->texts; i++)
	{
		size_t length = i == 0 ? 0 : i == 1 ? 1 : draw_below(MOST_LENGTH);

		for (size_t t = 0; t < length; t++)
			made->ids[i][t] = (uint32_t) draw_below(VOCABULARY + BAGS);
		made->sequences[i] = (nn_sequence){ made->ids[i], (uint32_t) length };
	}
	made->logits = allocate(MOST_TEXTS * made->layout.labels, sizeof(real));
	made->pooled = allocate(MOST_TEXTS * 2 * made->layout.hidden, sizeof(real));
	made->attention = allocate((size_t) MOST_TEXTS * MOST_LENGTH, sizeof(real));
	return made;
}

static void
free_bed(bed *bed)
{
	nn_packer_free(&bed->packer);
	free(bed->embedding);
	free(bed->dense);
	free(bed->panels);
	free(bed->logits);
	free(bed->pooled);
	free(bed->attention);
	free(bed);
}

static void
lay_out_panels(bed *bed, nn_numbers numbers)
{
	free(bed->panels);
	bed->panels = allocate(network_panels_size(&bed->layout, numbers), 1);
	network_panels_fill(&bed->layout, numbers, bed->dense, bed->panels);
}

/* Results of a batch of texts first.. of the bed's; forward: by network_forward. */
static void
run(bed *bed, nn_numbers numbers, size_t first, size_t count, bool forward)
{
	const network_layout *layout = &bed->layout;
	const nn_packed *batch = &bed->packer.batch;
	size_t width = 2 * layout->hidden;
	real *logits = allocate(count * layout->labels, sizeof(real));
	network_weights weights = { bed->embedding, bed->dense };
	real *vectors, *pooled, *attention, *own_pooled, *own_attention;
	network_pass pass;
	nn_arena arena = { NULL, 0, 0 };
	em_status status;

	if (nn_pack(&bed->packer, bed->sequences + first, count, &status) != EM_OK)
		abort();
	vectors = allocate(batch->distinct * layout->embedding + 1, sizeof(real));
	own_pooled = pooled = allocate(count * width, sizeof(real));
	own_attention = attention = allocate(batch->rows + 1, sizeof(real));
	arena.size = forward ? network_workspace(layout, batch, NULL)
						 : network_score_workspace(layout, numbers, batch);
	arena.block = allocate(arena.size, 1);
	if (forward)
	{
		network_forward(layout, &weights, batch, NULL, &arena, &pass, logits);
		pooled = pass.pooled;
		attention = pass.attention;
	}
	else
	{
		nn_embedding(batch, layout->embedding, bed->embedding, vectors);
		network_score(layout, numbers, bed->panels, batch, vectors, &arena, logits, pooled,
					  attention);
	}
	for (size_t b = 0; b < count; b++)
	{
		size_t text = first + batch->order[b];

		memcpy(bed->logits + text * layout->labels, logits + b * layout->labels,
			   layout->labels * sizeof(real));
		memcpy(bed->pooled + text * width, pooled + b * width, width * sizeof(real));
		for (size_t t = 0; t < batch->length[b]; t++)
			bed->attention[text * MOST_LENGTH + t] = attention[batch->offset[t] + b];
	}
	free(logits);
	free(vectors);
	free(own_pooled);
	free(own_attention);
	free(arena.block);
}

typedef struct results
{
	real *logits, *pooled, *attention;
} results;

static results
keep(const bed *bed)
{
	results kept = { allocate(bed->texts * bed->layout.labels, sizeof(real)),
					 allocate(bed->texts * 2 * bed->layout.hidden, sizeof(real)),
					 allocate(bed->texts * MOST_LENGTH, sizeof(real)) };

	memcpy(kept.logits, bed->logits, bed->texts * bed->layout.labels * sizeof(real));
	memcpy(kept.pooled, bed->pooled, bed->texts * 2 * bed->layout.hidden * sizeof(real));
	memcpy(kept.attention, bed->attention, bed->texts * MOST_LENGTH * sizeof(real));
	return kept;
}

static void
forget(results kept)
{
	free(kept.logits);
	free(kept.pooled);
	free(kept.attention);
}

/* The largest difference of all results, NaN when one is; attention beyond a text's end aside. */
static double
distance(const bed *bed, results to)
{
	double largest = 0;

#define COMPARE(x, y)                                                                              \
	do                                                                                             \
	{                                                                                              \
		double apart = fabs((double) (x) - (double) (y));                                          \
		largest = apart <= largest ? largest : apart;                                              \
	} while (0)
	for (size_t i = 0; i < bed->texts * bed->layout.labels; i++)
		COMPARE(bed->logits[i], to.logits[i]);
	for (size_t i = 0; i < bed->texts * 2 * bed->layout.hidden; i++)
		COMPARE(bed->pooled[i], to.pooled[i]);
	for (size_t i = 0; i < bed->texts; i++)
		for (size_t t = 0; t < bed->sequences[i].length; t++)
			COMPARE(bed->attention[i * MOST_LENGTH + t], to.attention[i * MOST_LENGTH + t]);
#undef COMPARE
	return largest;
}

/* ---- the rules, plainly ------------------------------------------------------------------ */

static double
to_half(double x)
{
	real number = (real) x;
	nn_bf16 half;

	nn_bf16_round(1, &number, &half);
	nn_bf16_widen(1, &half, &number);
	return (double) number;
}

/* count numbers, `stride` apart, rounded as factors: halves, or multiples of their largest / units. */
static void
round_factors(nn_numbers numbers, size_t count, double units, const real *from, double *to)
{
	double largest = 0;

	for (size_t i = 0; i < count; i++)
		largest = fmax(largest, fabs((double) from[i]));
	for (size_t i = 0; i < count; i++)
		if (numbers == NN_BYTES)
			to[i] = largest > 0 ? rint((double) from[i] * units / largest) * largest / units : 0;
		else
			to[i] = numbers == NN_HALVES ? to_half((double) from[i]) : (double) from[i];
}

static double
round_state(nn_numbers numbers, double h)
{
	if (numbers == NN_BYTES)
		return rint(h * 127) / 127;
	return numbers == NN_HALVES ? to_half(h) : h;
}

static const real *
tensor(const bed *bed, network_tensor_kind kind, int which)
{
	for (size_t i = 0; i < bed->layout.tensor_count; i++)
		if (bed->layout.tensors[i].kind == kind && which-- == 0)
			return bed->dense + bed->layout.tensors[i].offset;
	abort();
}

static double
dot(size_t n, const double *x, const double *y)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += x[i] * y[i];
	return sum;
}

static double
sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

#define MOST 400 /* of any size */

/* One text, in double precision, by the rule. */
static void
score_plainly(const bed *bed, nn_numbers numbers, size_t text, double *logits)
{
	static double word[MOST_LENGTH][MOST], conv[MOST_LENGTH][MOST], h[MOST_LENGTH][MOST];
	const network_layout *layout = &bed->layout;
	size_t length = bed->sequences[text].length, dim = layout->embedding;
	size_t filters = (size_t) layout->config.filters, hidden = layout->hidden;
	double weight[MOST], pooled[MOST] = { 0 }, share[MOST_LENGTH], sum = 0;

	for (size_t t = 0; t < length; t++)
	{
		uint32_t id = bed->ids[text][t];
		const uint32_t *rows = &id;
		size_t count = 1;
		real vector[MOST] = { 0 };

		if (id >= VOCABULARY)
		{
			rows = bed->bags.rows + bed->bags.offset[id - VOCABULARY];
			count = bed->bags.offset[id - VOCABULARY + 1] - bed->bags.offset[id - VOCABULARY];
		}
		for (size_t i = 0; i < count; i++)
			for (size_t e = 0; e < dim; e++)
				vector[e] += bed->embedding[rows[i] * dim + e];
		for (size_t e = 0; e < dim; e++)
			vector[e] /= (real) (count > 0 ? count : 1);
		round_factors(numbers, dim, 127, vector, word[t]);
	}
	for (size_t t = 0; t < length; t++)
	{
		real row[MOST];

		for (int k = 0; k < layout->config.kernel_widths.count; k++)
			for (size_t f = 0; f < filters; f++)
			{
				size_t width = (size_t) layout->config.kernel_widths.values[k];
				double y = (double) tensor(bed, TENSOR_CONV_BIAS, k)[f];

				for (size_t j = 0; j < width; j++)
				{
					size_t from = t + j - (width - 1) / 2; /* wraps below 0 */

					round_factors(numbers, dim, 127,
								  tensor(bed, TENSOR_CONV_WEIGHT, k) + (f * width + j) * dim,
								  weight);
					if (from < length)
						y += dot(dim, word[from], weight);
				}
				row[(size_t) k * filters + f] = (real) fmax(y, 0);
			}
		round_factors(numbers, layout->conv, 255, row, conv[t]);
	}
	for (size_t direction = 0; direction < 2; direction++)
	{
		double c[MOST] = { 0 };

		for (size_t step = 0; step < length; step++)
		{
			size_t t = direction == 1 ? length - 1 - step : step;
			const double *before =
				step > 0 ? h[direction == 1 ? t + 1 : t - 1] + direction * hidden : NULL;

			for (size_t u = 0; u < hidden; u++)
			{
				double gate[4];

				for (size_t g = 0; g < 4; g++)
				{
					size_t row = direction * 4 * hidden + g * hidden + u;

					gate[g] = (double) tensor(bed, TENSOR_LSTM_BIAS, 0)[row];
					round_factors(numbers, layout->conv, 127,
								  tensor(bed, TENSOR_LSTM_INPUT, 0) + row * layout->conv, weight);
					gate[g] += dot(layout->conv, conv[t], weight);
					round_factors(numbers, hidden, 127,
								  tensor(bed, TENSOR_LSTM_RECURRENT, 0) + row * hidden, weight);
					if (step > 0)
						gate[g] += dot(hidden, before, weight);
				}
				c[u] = sigmoid(gate[1]) * c[u] + sigmoid(gate[0]) * tanh(gate[2]);
				h[t][direction * hidden + u] = round_state(numbers, sigmoid(gate[3]) * tanh(c[u]));
			}
		}
	}
	for (size_t t = 0; t < length; t++)
	{
		share[t] = 0;
		for (size_t a = 0; a < layout->attention; a++)
		{
			round_factors(numbers, 2 * hidden, 127,
						  tensor(bed, TENSOR_ATTENTION_WEIGHT, 0) + a * 2 * hidden, weight);
			share[t] += tanh(dot(2 * hidden, h[t], weight) +
							 (double) tensor(bed, TENSOR_ATTENTION_BIAS, 0)[a]) *
						(double) tensor(bed, TENSOR_ATTENTION_QUERY, 0)[a];
		}
		sum += share[t] = exp(share[t]);
	}
	for (size_t t = 0; t < length; t++)
		for (size_t u = 0; u < 2 * hidden; u++)
			pooled[u] += share[t] / sum * h[t][u];
	for (size_t l = 0; l < layout->labels; l++)
	{
		logits[l] = (double) tensor(bed, TENSOR_OUTPUT_BIAS, 0)[l];
		for (size_t u = 0; u < 2 * hidden; u++)
			logits[l] +=
				(double) tensor(bed, TENSOR_OUTPUT_WEIGHT, 0)[l * 2 * hidden + u] * pooled[u];
	}
}

/*
 * A sum that lies at the edge between two roundings may fall to either side here and there: what that
 * does is small, and seldom.
 */
static void
test_rule(bed *bed, nn_numbers numbers, const char *name)
{
	double largest = 0, logits[MOST];
	size_t apart = 0, cells = bed->texts * bed->layout.labels;

	for (size_t text = 0; text < bed->texts; text++)
	{
		score_plainly(bed, numbers, text, logits);
		for (size_t l = 0; l < bed->layout.labels; l++)
		{
			double difference =
				fabs((double) bed->logits[text * bed->layout.labels + l] - logits[l]);

			largest = difference <= largest ? largest : difference;
			apart += !(difference < 1e-5);
		}
	}
	CHECK(largest < (numbers == NN_REALS ? 1e-5 : 2e-2) &&
			  (numbers == NN_REALS ? apart == 0 : 10 * apart <= cells + 40),
		  "%s of %s: as plain loops have it (%.1e, %zu of %zu apart)", rules[numbers], name,
		  largest, apart, cells);
}

/* ---- tests ------------------------------------------------------------------------------- */

static void
test_shape(const shape *shape)
{
	bed *bed = make_bed(shape);
	results forward, first;

	run(bed, NN_REALS, 0, bed->texts, true);
	forward = keep(bed);
	for (nn_numbers numbers = NN_REALS; numbers <= NN_BYTES; numbers++)
	{
		static const char *const sets[] = { "avx512", "avx2", "baseline" };

		lay_out_panels(bed, numbers);
		run(bed, numbers, 0, bed->texts, false);
		first = keep(bed);
		CHECK(distance(bed, forward) < (numbers == NN_REALS ? 1e-5 : 0.3),
			  "%s of %s: %s network_forward (%.1e)", rules[numbers], shape->name,
			  numbers == NN_REALS ? "as" : "near", distance(bed, forward));
		test_rule(bed, numbers, shape->name);

		for (size_t i = 0; i < bed->texts; i++)
			run(bed, numbers, i, 1, false);
		CHECK(distance(bed, first) == 0, "%s of %s: one text has the bits it has among many",
			  rules[numbers], shape->name);
		for (size_t i = 0; i < bed->texts; i += 3)
			run(bed, numbers, i, bed->texts - i < 3 ? bed->texts - i : 3, false);
		CHECK(distance(bed, first) == 0, "%s of %s: so have three", rules[numbers], shape->name);

		for (size_t s = 0; s < sizeof(sets) / sizeof(sets[0]); s++)
		{
			if (!nn_simd_force(sets[s]))
				continue;
			run(bed, numbers, 0, bed->texts, false);
			/* the exponential of the softmax is not the same without fused multiply-add */
			CHECK(distance(bed, first) <= (strcmp(sets[s], "baseline") == 0 ? 1e-5 : 0),
				  "%s of %s: %s has the same (%.1e)", rules[numbers], shape->name, sets[s],
				  distance(bed, first));
		}
		nn_simd_force(NULL);
		forget(first);
	}
	forget(forward);
	free_bed(bed);
}

/* The largest weights that a file may have give finite logits. */
static void
test_extremes(void)
{
	bed *bed = make_bed(&shapes[1]);

	for (size_t i = 0; i < bed->layout.dense; i++)
		bed->dense[i] = bed->dense[i] < 0 ? (real) -1e9 : (real) 1e9;
	for (size_t i = 0; i < bed->layout.rows * bed->layout.embedding; i++)
		bed->embedding[i] = i % 3 > 0 ? (real) 1e9 : (real) -1e9;
	for (nn_numbers numbers = NN_REALS; numbers <= NN_BYTES; numbers++)
	{
		bool finite = true;

		lay_out_panels(bed, numbers);
		run(bed, numbers, 0, bed->texts, false);
		for (size_t i = 0; i < bed->texts * bed->layout.labels; i++)
			finite = finite && isfinite(bed->logits[i]);
		CHECK(finite, "%s: huge weights give finite logits", rules[numbers]);
	}
	memset(bed->dense, 0, bed->layout.dense * sizeof(real));
	memset(bed->embedding, 0, bed->layout.rows * bed->layout.embedding * sizeof(real));
	bed->embedding[bed->layout.embedding] = (real) 1e-38;
	for (nn_numbers numbers = NN_REALS; numbers <= NN_BYTES; numbers++)
	{
		double largest = 0;

		lay_out_panels(bed, numbers);
		run(bed, numbers, 0, bed->texts, false);
		for (size_t i = 0; i < bed->texts * bed->layout.labels; i++)
			largest =
				fabs((double) bed->logits[i]) <= largest ? largest : fabs((double) bed->logits[i]);
		CHECK(largest == 0, "%s: weights of 0 give logits of 0", rules[numbers]);
	}
	free_bed(bed);
}

#ifdef NN_SIMD_BF16

enum
{
	CELLS = 13,
	PANELS = 5,
	ROWS = 14
};

/* With an instruction for cells and without: the same bits. */
static void
test_instruction(nn_numbers numbers, const nn_fused_kernels *with)
{
	static const real state_scale = NN_STATE_SCALE;
	const nn_fused_kernels *without = &nn_fused_avx2[numbers];
	size_t depth = nn_cell_depth(numbers), width = CELLS * depth, columns = PANELS * 64;
	size_t ld = (width + 15) / 16 * 16;
	char *panels = allocate(PANELS * CELLS * 64, 4);
	real *scale = allocate(columns, sizeof(real)), *start = allocate(columns, sizeof(real));
	int32_t *correction = allocate(columns, sizeof(int32_t));
	real *row = allocate(ld, sizeof(real));
	real *sums[2] = { allocate(ROWS * columns, sizeof(real)),
					  allocate(ROWS * columns, sizeof(real)) };
	size_t same = 0;

	memset(panels, 0, PANELS * CELLS * 64 * 4);
	for (size_t column = 0; column < columns; column++)
	{
		scale[column] = (draw() + 1) / 100;
		start[column] = draw();
		correction[column] = (int32_t) draw_below(10000) - 5000;
		for (size_t k = 0; k < width; k++)
			nn_panel_put(numbers, panels, CELLS * 64 * 4, k, column,
						 numbers == NN_BYTES ? (real) draw_below(255) - 127 : draw());
	}
	for (size_t rows = 1; rows <= ROWS; rows++)
	{
		const nn_fused_kernels *kernels[2] = { with, without };
		uint64_t state = draw_state;

		for (int i = 0; i < 2; i++)
		{
			char *values = allocate(ROWS * ld, sizeof(real));
			nn_product product = { { { values, ld, CELLS, panels, &state_scale, 0, scale,
									   correction } },
								   PANELS,
								   CELLS * 64 * 4,
								   start,
								   0,
								   rows % 2 == 1 };

			draw_state = state;
			for (size_t r = 0; r < rows; r++)
			{
				real unused;

				for (size_t k = 0; k < ld; k++)
					row[k] = k < width ? draw() : 0;
				kernels[i]->to_values(ld, row, false, values + r * ld * kernels[i]->value, &unused);
			}
			kernels[i]->multiply(rows, &product, sums[i], columns);
			free(values);
		}
		same += memcmp(sums[0], sums[1], rows * columns * sizeof(real)) == 0;
	}
	CHECK(same == ROWS,
		  "products of %s have the same bits with and without an instruction for them",
		  rules[numbers]);
	free(panels);
	free(scale);
	free(start);
	free(correction);
	free(row);
	free(sums[0]);
	free(sums[1]);
}

static void
test_instructions(void)
{
	if (nn_fused_chosen(NN_HALVES) == &nn_fused_avx512bf16)
		test_instruction(NN_HALVES, &nn_fused_avx512bf16);
	else
		check_skip("AVX512_BF16", "this machine lacks it");
	if (nn_fused_chosen(NN_BYTES) == &nn_fused_avx512vnni)
		test_instruction(NN_BYTES, &nn_fused_avx512vnni);
	else
		check_skip("AVX512_VNNI", "this machine lacks it");
}

#else

static void
test_instructions(void)
{
	check_skip("AVX512_BF16 and AVX512_VNNI", "not in this build");
}

#endif

int
main(void)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		test_shape(&shapes[i]);
	test_extremes();
	test_instructions();
	return check_done();
}
