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

#include <string.h>

#include "../nn/activation.h"
#include "../nn/matmul.h"

/* Texts of a batch from which on a step reads the input's weights itself. */
#define MANY_TEXTS 6

#define WIDEST_KERNEL 15 /* see config.h */

#define UNITS ((size_t) NN_FUSED_UNITS)
#define COLUMNS ((size_t) NN_FUSED_COLUMNS)

/* Sizes filled up to whole vectors, and where each part of the block begins, in bytes. */
typedef struct panels_layout
{
	nn_numbers numbers;
	size_t vector, vector_cells; /* E in values, in cells */
	size_t filters, conv;        /* of a kernel; of all: what the LSTM reads */
	size_t hidden;               /* H */
	size_t conv_panels;          /* of P */
	size_t lstm_panels;          /* of a direction */
	size_t attention_panels;
	size_t conv_panel, lstm_panel, attention_panel; /* bytes of a panel */

	size_t conv_weight, conv_bias;
	size_t lstm_weight, lstm_bias; /* of both directions */
	size_t attention_weight, attention_bias, attention_query;
	size_t output_weight, output_bias;
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

static panels_layout
lay_out(const network_layout *layout, nn_numbers numbers)
{
	const option_int_list *widths = &layout->config.kernel_widths;
	size_t depth = nn_cell_depth(numbers);
	size_t cell = nn_cell_bytes(numbers);
	size_t columns = 0;
	panels_layout at = { .numbers = numbers };

	at.vector = whole(layout->embedding, UNITS);
	at.vector_cells = (layout->embedding + depth - 1) / depth;
	at.filters = whole((size_t) layout->config.filters, UNITS);
	at.conv = at.filters * (size_t) widths->count;
	at.hidden = whole(layout->hidden, UNITS);
	for (int i = 0; i < widths->count; i++)
		columns += at.filters * (size_t) widths->values[i];
	at.conv_panels = whole(columns, COLUMNS) / COLUMNS;
	at.lstm_panels = at.hidden / UNITS;
	at.attention_panels = whole(layout->attention, COLUMNS) / COLUMNS;
	at.conv_panel = at.vector_cells * COLUMNS * cell;
	at.lstm_panel = (at.conv + at.hidden) / depth * COLUMNS * cell;
	at.attention_panel = 2 * at.hidden / depth * COLUMNS * cell;

	at.conv_weight = take(&at, at.conv_panels, at.conv_panel);
	at.conv_bias = take(&at, at.conv, sizeof(real));
	at.lstm_weight = take(&at, 2 * at.lstm_panels, at.lstm_panel);
	at.lstm_bias = take(&at, 8 * at.hidden, sizeof(real));
	at.attention_weight = take(&at, at.attention_panels, at.attention_panel);
	at.attention_bias = take(&at, at.attention_panels * COLUMNS, sizeof(real));
	at.attention_query = take(&at, at.attention_panels * COLUMNS, sizeof(real));
	at.output_weight = take(&at, layout->labels * 2 * layout->hidden, sizeof(real));
	at.output_bias = take(&at, layout->labels, sizeof(real));
	return at;
}

size_t
network_panels_size(const network_layout *layout, nn_numbers numbers)
{
	return lay_out(layout, numbers).bytes;
}

/* ---- laying out ----------------------------------------------------------------------------- */

/* rows x in of a weight matrix (columns of B), from depth k and column `first` on. */
static void
put_rows(const panels_layout *at, size_t rows, size_t in, const real *weight, size_t ld,
		 void *panels, size_t panel, size_t k, size_t first)
{
	for (size_t row = 0; row < rows; row++)
		for (size_t i = 0; i < in; i++)
			nn_panel_put(at->numbers, panels, panel, k + i, first + row, weight[row * ld + i]);
}

/* The column of gate `gate` of unit u. */
static size_t
gate_column(size_t gate, size_t u)
{
	return u / UNITS * COLUMNS + gate * UNITS + u % UNITS;
}

/* A weight of the LSTM (4H, in) of a direction, from depth k on. */
static void
put_gates(const network_layout *layout, const panels_layout *at, size_t direction, size_t in,
		  size_t ld, const real *weight, void *panels, size_t k)
{
	size_t hidden = layout->hidden;
	char *own = (char *) panels + direction * at->lstm_panels * at->lstm_panel;

	for (size_t gate = 0; gate < 4; gate++)
		for (size_t u = 0; u < hidden; u++)
			put_rows(at, 1, in, weight + (gate * hidden + u) * ld, ld, own, at->lstm_panel, k,
					 gate_column(gate, u));
}

static void
put_lstm_bias(const network_layout *layout, const panels_layout *at, const real *from, real *to)
{
	for (size_t direction = 0; direction < 2; direction++)
		for (size_t gate = 0; gate < 4; gate++)
			for (size_t u = 0; u < layout->hidden; u++)
				to[direction * 4 * at->hidden + gate_column(gate, u)] =
					from[(direction * 4 + gate) * layout->hidden + u];
}

void
network_panels_fill(const network_layout *layout, nn_numbers numbers, const real *dense,
					void *block)
{
	const panels_layout at = lay_out(layout, numbers);
	size_t filters = (size_t) layout->config.filters;
	size_t hidden = layout->hidden;
	size_t kernel = 0, bias = 0, column = 0;
	char *to = block;

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
					put_rows(&at, filters, layout->embedding, from + j * layout->embedding,
							 tensor->shape[1] * layout->embedding, to + at.conv_weight,
							 at.conv_panel, 0, column);
				kernel++;
				break;
			case TENSOR_CONV_BIAS:
				memcpy(to + at.conv_bias + bias++ * at.filters * sizeof(real), from, bytes);
				break;
			case TENSOR_LSTM_INPUT:
				for (size_t direction = 0; direction < 2; direction++)
					for (size_t k = 0; k < kernel; k++)
						put_gates(layout, &at, direction, filters, layout->conv,
								  from + direction * 4 * hidden * layout->conv + k * filters,
								  to + at.lstm_weight, k * at.filters);
				break;
			case TENSOR_LSTM_RECURRENT:
				for (size_t direction = 0; direction < 2; direction++)
					put_gates(layout, &at, direction, hidden, hidden,
							  from + direction * 4 * hidden * hidden, to + at.lstm_weight, at.conv);
				break;
			case TENSOR_LSTM_BIAS:
				put_lstm_bias(layout, &at, from, (real *) (void *) (to + at.lstm_bias));
				break;
			case TENSOR_ATTENTION_WEIGHT:
				for (size_t direction = 0; direction < 2; direction++)
					put_rows(&at, layout->attention, hidden, from + direction * hidden, 2 * hidden,
							 to + at.attention_weight, at.attention_panel, direction * at.hidden,
							 0);
				break;
			case TENSOR_ATTENTION_BIAS:
				memcpy(to + at.attention_bias, from, bytes);
				break;
			case TENSOR_ATTENTION_QUERY:
				memcpy(to + at.attention_query, from, bytes);
				break;
			case TENSOR_OUTPUT_WEIGHT:
				memcpy(to + at.output_weight, from, bytes);
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
	void *words; /* (U, vector) values */
	real *parts; /* (U, conv_panels 64): P */
	void *conv;  /* (N, conv) values */
	real *gates; /* (N, 4 hidden) of one direction, unless there are many texts */
	real *c;     /* (B, hidden) of one direction */
	void *h;     /* (N, 2 hidden) values */
	real *wide;  /* (2 hidden): a pooled vector */
} score_pass;

/* Counts, and takes when there is an arena. */
static size_t
take_pass(score_pass *pass, nn_arena *arena)
{
	const panels_layout *at = &pass->at;
	const nn_packed *batch = pass->batch;
	size_t value = pass->kernels->value;
	const struct
	{
		void **place;
		size_t elements, size;
	} table[] = {
		{ &pass->words, batch->distinct * at->vector, value },
		{ (void **) &pass->parts, batch->distinct * at->conv_panels * COLUMNS, sizeof(real) },
		{ &pass->conv, batch->rows * at->conv, value },
		{ (void **) &pass->gates, pass->many ? 0 : batch->rows * 4 * at->hidden, sizeof(real) },
		{ (void **) &pass->c, batch->sequences * at->hidden, sizeof(real) },
		{ &pass->h, batch->rows * 2 * at->hidden, value },
		{ (void **) &pass->wide, 2 * at->hidden, sizeof(real) },
	};
	size_t bytes = 0;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
	{
		bytes += nn_arena_room(table[i].elements, table[i].size);
		if (arena != NULL)
			*table[i].place = nn_arena_take(arena, table[i].elements, table[i].size);
	}
	return bytes;
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

static void
multiply_words(const score_pass *pass, const real *vectors)
{
	const panels_layout *at = &pass->at;
	size_t dim = pass->layout->embedding;
	size_t value = pass->kernels->value;
	nn_product product = { .factor = { { .a = pass->words,
										 .ld = at->vector,
										 .cells = at->vector_cells,
										 .b = pass->panels + at->conv_weight } },
						   .panels = at->conv_panels,
						   .panel_bytes = at->conv_panel };

	for (size_t u = 0; u < pass->batch->distinct; u++)
	{
		char *row = value_row(pass, pass->words, at->vector, u);

		pass->kernels->to_values(dim, vectors + u * dim, row);
		memset(row + dim * value, 0, (at->vector - dim) * value);
	}
	pass->kernels->multiply(pass->batch->distinct, &product, pass->parts,
							at->conv_panels * COLUMNS);
}

static void
convolve(const score_pass *pass)
{
	const panels_layout *at = &pass->at;
	const nn_packed *batch = pass->batch;
	const option_int_list *widths = &pass->layout->config.kernel_widths;
	size_t ld = at->conv_panels * COLUMNS;

	for (size_t t = 0; t < batch->steps; t++)
		for (size_t b = 0; b < batch->active[t]; b++)
		{
			char *to = value_row(pass, pass->conv, at->conv, batch->offset[t] + b);
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
				to += at->filters * pass->kernels->value;
			}
		}
}

static void
run_lstm(const score_pass *pass, size_t direction)
{
	const panels_layout *at = &pass->at;
	const nn_packed *batch = pass->batch;
	const char *weight =
		pass->panels + at->lstm_weight + direction * at->lstm_panels * at->lstm_panel;
	const real *bias = reals_at(pass, at->lstm_bias) + direction * 4 * at->hidden;
	size_t depth = nn_cell_depth(at->numbers);
	size_t width = 2 * at->hidden;
	char *h = value_row(pass, pass->h, 1, direction * at->hidden);
	nn_factor input = { .a = pass->conv, .ld = at->conv, .cells = at->conv / depth, .b = weight };
	nn_factor state = { .ld = width,
						.cells = at->hidden / depth,
						.b = weight + input.cells * COLUMNS * nn_cell_bytes(at->numbers) };
	nn_product product = {
		.factor = { input }, .panels = at->lstm_panels, .panel_bytes = at->lstm_panel, .start = bias
	};

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
			nn_factor *factor = product.factor;

			if (count == 0)
				continue;
			product.start = pass->many ? bias : pass->gates + (row + first) * 4 * at->hidden;
			memset(factor, 0, sizeof(product.factor));
			if (pass->many)
			{
				*factor = input;
				factor++->a = value_row(pass, pass->conv, at->conv, row + first);
			}
			if (!fresh)
			{
				*factor = state;
				factor->a = value_row(pass, h, width, batch->offset[previous]);
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
	nn_product product = { .factor = { { .a = pass->h,
										 .ld = 2 * at->hidden,
										 .cells = 2 * at->hidden / nn_cell_depth(at->numbers),
										 .b = pass->panels + at->attention_weight } },
						   .panels = at->attention_panels,
						   .panel_bytes = at->attention_panel,
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

		memset(pass->wide, 0, 2 * padded * sizeof(real));
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
		{
			size_t row = batch->offset[t] + b;

			attention[row] /= sum;
			pass->kernels->axpy(2 * padded, attention[row],
								value_row(pass, pass->h, 2 * padded, row), pass->wide);
		}
		memcpy(pooled, pass->wide, hidden * sizeof(real));
		memcpy(pooled + hidden, pass->wide + padded, hidden * sizeof(real));
	}
}

void
network_score(const network_layout *layout, nn_numbers numbers, const void *panels,
			  const nn_packed *batch, const real *vectors, nn_arena *arena, real *logits,
			  real *pooled, real *attention)
{
	score_pass pass = begin(layout, numbers, batch);
	size_t width = 2 * layout->hidden;

	pass.panels = panels;
	take_pass(&pass, arena);
	multiply_words(&pass, vectors);
	convolve(&pass);
	for (size_t direction = 0; direction < 2; direction++)
		run_lstm(&pass, direction);
	attend(&pass, attention);
	pool(&pass, attention, pooled);
	nn_gemm(false, true, batch->sequences, layout->labels, width, 1, pooled, width,
			reals_at(&pass, pass.at.output_weight), width, 0, logits, layout->labels);
	nn_add_bias(batch->sequences, layout->labels, reals_at(&pass, pass.at.output_bias), logits,
				layout->labels);
}
