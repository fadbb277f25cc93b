/*
 * network_score.c
 *	  The forward pass of scoring.
 *
 * - The convolution is linear in each word, so that P = vectors x weights is made once for the
 *   distinct words of a batch, and a row adds those of its window.
 * - A step of the LSTM multiplies input and state at once and goes on to the gates while the sums
 *   are at hand. For so few texts that a step would not pay for reading the weights, the
 *   input's part of all steps is made beforehand, in one product.
 */
#include "network_score.h"

#include <math.h>
#include <string.h>

#include "../nn/activation.h"

/* Texts of a batch from which on a step reads the input's weights itself. */
#define MANY_TEXTS 6

#define WIDEST_KERNEL 15 /* see config.h */

#define UNITS ((size_t) NN_FUSED_UNITS)
#define COLUMNS ((size_t) NN_FUSED_COLUMNS)

/* A matrix of weights: where its panels begin in the block, in bytes, and what bytes need besides. */
typedef struct matrix
{
	size_t panels, panel_bytes;
	size_t scale;      /* (columns) */
	size_t correction; /* (columns) */
} matrix;

/* Sizes filled up to whole vectors, and where each part of the block begins, in bytes. */
typedef struct panels_layout
{
	nn_numbers numbers;
	size_t vector;        /* E */
	size_t filters, conv; /* of a kernel; of all: what the LSTM reads */
	size_t hidden;        /* H */
	size_t word_panels, gate_panels, attention_panels; /* gates: of a direction */

	matrix words;        /* the convolution's, of P = vectors x weights */
	matrix input, state; /* the LSTM's, of both directions: two parts of the same panels */
	matrix attention;
	size_t output_panels, output_panel; /* in reals always */
	size_t conv_bias, gate_bias, attention_bias, attention_query, output_weight, output_bias;
	size_t bytes;
} panels_layout;

static size_t
whole(size_t count, size_t width)
{
	return (count + width - 1) / width * width;
}

static size_t
take(panels_layout *at, size_t count, size_t size)
{
	size_t place = at->bytes;

	at->bytes += whole(count * size, NN_ALIGNMENT);
	return place;
}

static void
take_scales(panels_layout *at, matrix *matrix, size_t panels)
{
	size_t columns = at->numbers == NN_BYTES ? panels * COLUMNS : 0;

	matrix->scale = take(at, columns, sizeof(real));
	matrix->correction = take(at, columns, sizeof(int32_t));
}

static matrix
take_matrix(panels_layout *at, size_t panels, size_t depth)
{
	size_t cells = whole(depth, nn_cell_depth(at->numbers)) / nn_cell_depth(at->numbers);
	matrix matrix = { .panel_bytes = cells * COLUMNS * nn_cell_bytes(at->numbers) };

	matrix.panels = take(at, panels, matrix.panel_bytes);
	take_scales(at, &matrix, panels);
	return matrix;
}

static panels_layout
lay_out(const network_layout *layout, nn_numbers numbers)
{
	const option_int_list *widths = &layout->config.kernel_widths;
	size_t columns = 0;
	panels_layout at = { .numbers = numbers };

	at.vector = whole(layout->embedding, UNITS);
	at.filters = whole((size_t) layout->config.filters, UNITS);
	at.conv = at.filters * (size_t) widths->count;
	at.hidden = whole(layout->hidden, UNITS);
	for (int i = 0; i < widths->count; i++)
		columns += at.filters * (size_t) widths->values[i];
	at.word_panels = whole(columns, COLUMNS) / COLUMNS;
	at.gate_panels = at.hidden / UNITS;
	at.attention_panels = whole(layout->attention, COLUMNS) / COLUMNS;

	at.words = take_matrix(&at, at.word_panels, layout->embedding);
	at.input = take_matrix(&at, 2 * at.gate_panels, at.conv + at.hidden);
	at.state = at.input;
	at.state.panels += at.conv / nn_cell_depth(numbers) * COLUMNS * nn_cell_bytes(numbers);
	take_scales(&at, &at.state, 2 * at.gate_panels);
	at.attention = take_matrix(&at, at.attention_panels, 2 * at.hidden);
	at.conv_bias = take(&at, at.conv, sizeof(real));
	at.gate_bias = take(&at, 8 * at.hidden, sizeof(real));
	at.attention_bias = take(&at, at.attention_panels * COLUMNS, sizeof(real));
	at.attention_query = take(&at, at.attention_panels * COLUMNS, sizeof(real));
	at.output_panels = whole(layout->labels, COLUMNS) / COLUMNS;
	at.output_panel = 2 * layout->hidden * COLUMNS * nn_cell_bytes(NN_REALS);
	at.output_weight = take(&at, at.output_panels, at.output_panel);
	at.output_bias = take(&at, at.output_panels * COLUMNS, sizeof(real));
	return at;
}

size_t
network_panels_size(const network_layout *layout, nn_numbers numbers)
{
	return lay_out(layout, numbers).bytes;
}

/* ---- laying out ----------------------------------------------------------------------------- */

/* A matrix on its way into the block. */
typedef struct filling
{
	nn_numbers numbers;
	char *panels;
	size_t panel_bytes;
	real *scale;
	int32_t *correction;
	int zero; /* of the rows it will multiply, if they are bytes */
} filling;

static filling
fill(const panels_layout *at, const matrix *matrix, int zero, char *block)
{
	return (filling){ at->numbers,
					  block + matrix->panels,
					  matrix->panel_bytes,
					  (real *) (void *) (block + matrix->scale),
					  (int32_t *) (void *) (block + matrix->correction),
					  zero };
}

/* A column: pieces of `length` numbers each, which begin `padded` apart along k. */
static void
put_column(const filling *to, size_t column, const real *from, size_t pieces, size_t length,
		   size_t padded)
{
	real largest = 0;

	for (size_t i = 0; to->numbers == NN_BYTES && i < pieces * length; i++)
	{
		real size = from[i] < 0 ? -from[i] : from[i];

		largest = largest > size ? largest : size;
	}
	if (to->numbers == NN_BYTES)
		to->scale[column] = largest < NN_LEAST_SCALED ? 0 : largest / NN_STATE_UNITS;
	for (size_t piece = 0; piece < pieces; piece++)
		for (size_t i = 0; i < length; i++)
		{
			real x = from[piece * length + i];

			if (to->numbers == NN_BYTES)
			{
				x = to->scale[column] > 0 ? (real) rint((double) (x / to->scale[column])) : 0;
				to->correction[column] -= to->zero * (int32_t) x;
			}
			nn_panel_put(to->numbers, to->panels, to->panel_bytes, piece * padded + i, column, x);
		}
}

/* The column of gate `gate` of unit u. */
static size_t
gate_column(const panels_layout *at, size_t direction, size_t gate, size_t u)
{
	return (direction * at->gate_panels + u / UNITS) * COLUMNS + gate * UNITS + u % UNITS;
}

/* A weight of the LSTM (2, 4H, pieces * length). */
static void
put_gates(const network_layout *layout, const panels_layout *at, const filling *to,
		  const real *from, size_t pieces, size_t length, size_t padded)
{
	for (size_t direction = 0; direction < 2; direction++)
		for (size_t gate = 0; gate < 4; gate++)
			for (size_t u = 0; u < layout->hidden; u++, from += pieces * length)
				put_column(to, gate_column(at, direction, gate, u), from, pieces, length, padded);
}

static void
put_lstm_bias(const network_layout *layout, const panels_layout *at, const real *from, real *to)
{
	for (size_t direction = 0; direction < 2; direction++)
		for (size_t gate = 0; gate < 4; gate++)
			for (size_t u = 0; u < layout->hidden; u++)
				to[gate_column(at, direction, gate, u)] = *from++;
}

void
network_panels_fill(const network_layout *layout, nn_numbers numbers, const real *dense,
					void *block)
{
	const panels_layout at = lay_out(layout, numbers);
	size_t filters = (size_t) layout->config.filters;
	size_t dim = layout->embedding;
	size_t bias = 0, column = 0;
	char *to = block;
	filling words = fill(&at, &at.words, NN_STATE_ZERO, to);
	filling input = fill(&at, &at.input, 0, to);
	filling state = fill(&at, &at.state, NN_STATE_ZERO, to);
	filling attention = fill(&at, &at.attention, NN_STATE_ZERO, to);

	memset(block, 0, at.bytes);
	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		const network_tensor *tensor = &layout->tensors[i];
		const real *from = dense + tensor->offset;
		size_t bytes = tensor->elements * sizeof(real);

		switch (tensor->kind)
		{
			case TENSOR_CONV_WEIGHT:
				for (size_t j = 0; j < tensor->shape[1]; j++, column += at.filters)
					for (size_t f = 0; f < filters; f++)
						put_column(&words, column + f, from + (f * tensor->shape[1] + j) * dim, 1,
								   dim, 0);
				break;
			case TENSOR_CONV_BIAS:
				memcpy(to + at.conv_bias + bias++ * at.filters * sizeof(real), from, bytes);
				break;
			case TENSOR_LSTM_INPUT:
				put_gates(layout, &at, &input, from, (size_t) layout->config.kernel_widths.count,
						  filters, at.filters);
				break;
			case TENSOR_LSTM_RECURRENT:
				put_gates(layout, &at, &state, from, 1, layout->hidden, 0);
				break;
			case TENSOR_LSTM_BIAS:
				put_lstm_bias(layout, &at, from, (real *) (void *) (to + at.gate_bias));
				break;
			case TENSOR_ATTENTION_WEIGHT:
				for (size_t a = 0; a < layout->attention; a++)
					put_column(&attention, a, from + a * 2 * layout->hidden, 2, layout->hidden,
							   at.hidden);
				break;
			case TENSOR_ATTENTION_BIAS:
				memcpy(to + at.attention_bias, from, bytes);
				break;
			case TENSOR_ATTENTION_QUERY:
				memcpy(to + at.attention_query, from, bytes);
				break;
			case TENSOR_OUTPUT_WEIGHT:
				for (size_t k = 0; k < tensor->elements; k++)
					nn_panel_put(NN_REALS, to + at.output_weight, at.output_panel,
								 k % (2 * layout->hidden), k / (2 * layout->hidden), from[k]);
				break;
			case TENSOR_OUTPUT_BIAS:
				memcpy(to + at.output_bias, from, bytes);
				break;
		}
	}
}

/* ---- the pass ------------------------------------------------------------------------------- */

typedef struct score_pass
{
	const network_layout *layout;
	panels_layout at;
	const char *panels;
	const nn_packed *batch;
	const nn_fused_kernels *kernels;
	bool many;   /* steps read the input's weights themselves */
	void *words; /* (U, vector) values; bytes: and their scales (U) */
	real *word_scale;
	real *parts; /* (U, word_panels 64): P */
	void *conv;  /* (N, conv) values; bytes: and their scales (N) */
	real *conv_scale;
	real *gates;  /* (N, 4 hidden) of one direction, unless there are many texts */
	real *c;      /* (B, hidden) of one direction */
	void *h;      /* (N, 2 hidden) values */
	real *row;    /* (vector, conv or 2 hidden) */
	real *output; /* (B, output_panels 64) */
} score_pass;

/* Counts, and takes when there is an arena. */
static size_t
take_pass(score_pass *pass, nn_arena *arena)
{
	const panels_layout *at = &pass->at;
	const nn_packed *batch = pass->batch;
	size_t value = pass->kernels->value;
	bool bytes = at->numbers == NN_BYTES;
	size_t longest = at->vector + at->conv + 2 * at->hidden;
	const struct
	{
		void **place;
		size_t elements, size;
	} table[] = {
		{ &pass->words, batch->distinct * at->vector, value },
		{ (void **) &pass->word_scale, bytes ? batch->distinct : 0, sizeof(real) },
		{ (void **) &pass->parts, batch->distinct * at->word_panels * COLUMNS, sizeof(real) },
		{ &pass->conv, batch->rows * at->conv, value },
		{ (void **) &pass->conv_scale, bytes ? batch->rows : 0, sizeof(real) },
		{ (void **) &pass->gates, pass->many ? 0 : batch->rows * 4 * at->hidden, sizeof(real) },
		{ (void **) &pass->c, batch->sequences * at->hidden, sizeof(real) },
		{ &pass->h, batch->rows * 2 * at->hidden, value },
		{ (void **) &pass->row, longest, sizeof(real) },
		{ (void **) &pass->output, batch->sequences * at->output_panels * COLUMNS, sizeof(real) },
	};
	size_t room = 0;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
	{
		room += nn_arena_room(table[i].elements, table[i].size);
		if (arena != NULL)
			*table[i].place = nn_arena_take(arena, table[i].elements, table[i].size);
	}
	return room;
}

static score_pass
begin(const network_layout *layout, nn_numbers numbers, const nn_packed *batch)
{
	return (score_pass){ .layout = layout,
						 .at = lay_out(layout, numbers),
						 .batch = batch,
						 .kernels = nn_fused_chosen(numbers),
						 .many = batch->sequences >= MANY_TEXTS };
}

size_t
network_score_workspace(const network_layout *layout, nn_numbers numbers, const nn_packed *batch)
{
	score_pass pass = begin(layout, numbers, batch);

	return take_pass(&pass, NULL);
}

static const real *
reals_at(const score_pass *pass, size_t place)
{
	return (const real *) (const void *) (pass->panels + place);
}

/* Row `row` of values that are `width` wide. */
static void *
value_row(const score_pass *pass, void *values, size_t width, size_t row)
{
	return (char *) values + row * width * pass->kernels->value;
}

/* Values times a matrix, from its panel `first` on. */
static nn_factor
factor(const score_pass *pass, const void *a, size_t ld, size_t depth, const matrix *matrix,
	   size_t first)
{
	size_t cell = nn_cell_depth(pass->at.numbers);
	static const real state_scale = NN_STATE_SCALE;
	nn_factor factor = { .a = a,
						 .ld = ld,
						 .cells = (depth + cell - 1) / cell,
						 .b = pass->panels + matrix->panels + first * matrix->panel_bytes,
						 .row_scale = &state_scale };

	if (pass->at.numbers == NN_BYTES)
	{
		factor.column_scale = reals_at(pass, matrix->scale) + first * COLUMNS;
		factor.correction =
			(const int32_t *) (const void *) (pass->panels + matrix->correction) + first * COLUMNS;
	}
	return factor;
}

static void
multiply_words(const score_pass *pass, const real *vectors)
{
	const panels_layout *at = &pass->at;
	size_t dim = pass->layout->embedding;
	nn_product product = { .factor = { factor(pass, pass->words, at->vector, dim, &at->words, 0) },
						   .panels = at->word_panels,
						   .panel_bytes = at->words.panel_bytes };

	product.factor[0].row_scale = pass->word_scale;
	product.factor[0].ld_scale = 1;
	memset(pass->row + dim, 0, (at->vector - dim) * sizeof(real));
	for (size_t u = 0; u < pass->batch->distinct; u++)
	{
		memcpy(pass->row, vectors + u * dim, dim * sizeof(real));
		pass->kernels->to_values(at->vector, pass->row, false,
								 value_row(pass, pass->words, at->vector, u), &pass->word_scale[u]);
	}
	pass->kernels->multiply(pass->batch->distinct, &product, pass->parts,
							at->word_panels * COLUMNS);
}

static void
convolve(const score_pass *pass)
{
	const panels_layout *at = &pass->at;
	const nn_packed *batch = pass->batch;
	const option_int_list *widths = &pass->layout->config.kernel_widths;
	size_t ld = at->word_panels * COLUMNS;

	for (size_t t = 0; t < batch->steps; t++)
		for (size_t b = 0; b < batch->active[t]; b++)
		{
			size_t row = batch->offset[t] + b;
			real *to = pass->row;
			const real *bias = reals_at(pass, at->conv_bias);
			const real *parts = pass->parts;

			for (int i = 0; i < widths->count; i++)
			{
				size_t width = (size_t) widths->values[i];
				const real *rows[WIDEST_KERNEL];
				size_t count = 0;

				for (size_t j = 0; j < width; j++, parts += at->filters)
				{
					size_t before = t + j;

					if (before < (width - 1) / 2 || before - (width - 1) / 2 >= batch->length[b])
						continue;
					before -= (width - 1) / 2;
					rows[count++] = parts + batch->token[batch->offset[before] + b] * ld;
				}
				pass->kernels->add_rows(at->filters, bias, count, rows, to);
				bias += at->filters;
				to += at->filters;
			}
			pass->kernels->to_values(at->conv, pass->row, true,
									 value_row(pass, pass->conv, at->conv, row),
									 &pass->conv_scale[row]);
		}
}

static void
run_lstm(const score_pass *pass, size_t direction)
{
	const panels_layout *at = &pass->at;
	const nn_packed *batch = pass->batch;
	size_t panel = direction * at->gate_panels;
	const real *bias = reals_at(pass, at->gate_bias) + panel * COLUMNS;
	size_t width = 2 * at->hidden;
	char *h = value_row(pass, pass->h, 1, direction * at->hidden);
	nn_factor input = factor(pass, pass->conv, at->conv, at->conv, &at->input, panel);
	nn_factor state = factor(pass, NULL, width, at->hidden, &at->state, panel);
	nn_product product = { .factor = { input },
						   .panels = at->gate_panels,
						   .panel_bytes = at->input.panel_bytes,
						   .start = bias };

	input.ld_scale = product.factor[0].ld_scale = 1;
	product.factor[0].row_scale = pass->conv_scale;
	memset(pass->c, 0, batch->sequences * at->hidden * sizeof(real));
	if (!pass->many)
	{
		pass->kernels->multiply(batch->rows, &product, pass->gates, 4 * at->hidden);
		product.ld_start = 4 * at->hidden;
	}
	for (size_t step = 0; step < batch->steps; step++)
	{
		size_t t = direction == 1 ? batch->steps - 1 - step : step;
		size_t previous = direction == 1 ? t + 1 : t - 1;
		size_t row = batch->offset[t];
		/* how many of its rows have been through the step before */
		size_t known = step == 0 ? 0 : batch->active[direction == 1 ? previous : t];

		for (int fresh = 0; fresh < 2; fresh++)
		{
			size_t first = fresh ? known : 0;
			size_t count = fresh ? batch->active[t] - known : known;
			nn_factor *next = product.factor;

			if (count == 0)
				continue;
			product.backward = step % 2 == 1;
			product.start = pass->many ? bias : pass->gates + (row + first) * 4 * at->hidden;
			memset(product.factor, 0, sizeof(product.factor));
			if (pass->many)
			{
				*next = input;
				next->row_scale = pass->conv_scale + row + first;
				next++->a = value_row(pass, pass->conv, at->conv, row + first);
			}
			if (!fresh)
			{
				*next = state;
				next->a = value_row(pass, h, width, batch->offset[previous]);
			}
			pass->kernels->lstm_step(count, &product, pass->c + first * at->hidden,
									 value_row(pass, h, width, row + first), width);
		}
	}
}

static void
attend(const score_pass *pass, real *attention)
{
	const panels_layout *at = &pass->at;
	size_t width = 2 * at->hidden;
	nn_product product = { .factor = { factor(pass, pass->h, width, width, &at->attention, 0) },
						   .panels = at->attention_panels,
						   .panel_bytes = at->attention.panel_bytes,
						   .start = reals_at(pass, at->attention_bias) };

	pass->kernels->attend(pass->batch->rows, &product, reals_at(pass, at->attention_query),
						  attention);
}

/* Softmax over each text's scores, and the sum of its states so weighted. */
static void
pool(const score_pass *pass, real *attention, real *pooled)
{
	const nn_packed *batch = pass->batch;
	size_t padded = pass->at.hidden;
	size_t hidden = pass->layout->hidden;

	for (size_t b = 0; b < batch->sequences; b++, pooled += 2 * hidden)
	{
		size_t length = batch->length[b];
		real largest = length > 0 ? attention[b] : 0;
		real sum = 0;

		for (size_t t = 1; t < length; t++)
			if (attention[batch->offset[t] + b] > largest)
				largest = attention[batch->offset[t] + b];
		for (size_t t = 0; t < length; t++)
		{
			real *share = &attention[batch->offset[t] + b];

			*share -= largest;
			nn_exp(1, share, share);
			sum += *share;
		}
		for (size_t t = 0; t < length; t++)
			attention[batch->offset[t] + b] /= sum;
		pass->kernels->pool(2 * padded, length, batch->offset, b, attention, pass->h, pass->row);
		memcpy(pooled, pass->row, hidden * sizeof(real));
		memcpy(pooled + hidden, pass->row + padded, hidden * sizeof(real));
	}
}

static void
classify(const score_pass *pass, const real *pooled, real *logits)
{
	const panels_layout *at = &pass->at;
	size_t width = 2 * pass->layout->hidden;
	size_t labels = pass->layout->labels;
	nn_product product = { .factor = { { .a = pooled,
										 .ld = width,
										 .cells = width,
										 .b = pass->panels + at->output_weight } },
						   .panels = at->output_panels,
						   .panel_bytes = at->output_panel,
						   .start = reals_at(pass, at->output_bias) };

	nn_fused_chosen(NN_REALS)->multiply(pass->batch->sequences, &product, pass->output,
										at->output_panels * COLUMNS);
	for (size_t b = 0; b < pass->batch->sequences; b++)
		memcpy(logits + b * labels, pass->output + b * at->output_panels * COLUMNS,
			   labels * sizeof(real));
}

void
network_score(const network_layout *layout, nn_numbers numbers, const void *panels,
			  const nn_packed *batch, const real *vectors, nn_arena *arena, real *logits,
			  real *pooled, real *attention)
{
	score_pass pass = begin(layout, numbers, batch);

	pass.panels = panels;
	take_pass(&pass, arena);
	multiply_words(&pass, vectors);
	convolve(&pass);
	for (size_t direction = 0; direction < 2; direction++)
		run_lstm(&pass, direction);
	attend(&pass, attention);
	pool(&pass, attention, pooled);
	classify(&pass, pooled, logits);
}
