/* build: double */
/*
 * test_gradients.c
 *	  The backward pass of every layer against finite differences of its forward
 *	  pass.
 *
 * A layer's outputs y are made one number by fixed random factors r, sum(r y),
 * so that r is the gradient from above.
 */
#include "gradients.h"

#include "../../src/nn/activation.h"
#include "../../src/nn/layers.h"
#include "../../src/nn/matmul.h"

/* Embedding and windows */

typedef struct windows_case
{
	const nn_packed *batch;
	size_t width, dim;
	real *table, *vectors, *spatial, *word, *columns, *from_above;
} windows_case;

static double
windows_objective(void *context)
{
	windows_case *w = context;
	size_t count = w->batch->rows * w->width * w->dim;

	fill_nan(w->columns, count);
	nn_embedding(w->batch->distinct, w->dim, w->batch->ids, w->table, w->vectors);
	nn_windows(w->batch, w->width, w->dim, w->vectors, w->spatial, w->word, w->columns);
	return weighted_sum(w->from_above, w->columns, count);
}

static void
test_windows(size_t width, bool spatial, bool word)
{
	static batch_of_test place;
	windows_case w = { make_batch(&place, unequal, LENGTH(unequal)), width, 3, 0, 0, 0, 0, 0, 0 };
	size_t distinct = w.batch->distinct * w.dim;
	real *before, *gradient, *d_table;
	char name[80];

	w.table = numbers(VOCABULARY * w.dim);
	w.vectors = nans(distinct);
	w.spatial = spatial ? numbers(w.batch->sequences * w.dim) : NULL;
	w.word = word ? numbers(w.batch->rows) : NULL;
	w.columns = nans(w.batch->rows * width * w.dim);
	w.from_above = numbers(w.batch->rows * width * w.dim);
	before = numbers(distinct);
	gradient = copy_of(before, distinct);
	d_table = nans(VOCABULARY * w.dim);

	nn_windows_backward(w.batch, width, w.dim, w.from_above, w.spatial, w.word, gradient);
	for (size_t i = 0; i < VOCABULARY * w.dim; i++)
		d_table[i] = 0;
	for (size_t u = 0; u < w.batch->distinct; u++)
		for (size_t e = 0; e < w.dim; e++)
			d_table[w.batch->ids[u] * w.dim + e] = gradient[u * w.dim + e] - before[u * w.dim + e];
	snprintf(name, sizeof(name), "windows of %zu%s%s", width, spatial ? ", spatial factors" : "",
			 word ? ", word factors" : "");
	check_gradient(name, "the embedding", w.table, VOCABULARY * w.dim, d_table, NULL,
				   windows_objective, &w);
	nn_packer_free(&place.packer);
	release_blocks();
}

/* Linear */

typedef struct linear_case
{
	size_t rows, in, out, ld_x, ld_y;
	real *x, *weight, *bias, *y, *from_above;
} linear_case;

static double
linear_objective(void *context)
{
	linear_case *l = context;
	double sum = 0;

	fill_nan(l->y, l->rows * l->ld_y);
	nn_linear(l->rows, l->in, l->out, l->x, l->ld_x, l->weight, l->bias, l->y, l->ld_y);
	for (size_t r = 0; r < l->rows; r++)
		sum += weighted_sum(l->from_above + r * l->ld_y, l->y + r * l->ld_y, l->out);
	return sum;
}

static void
test_linear(size_t rows, bool bias, bool accumulate)
{
	linear_case l = { rows, 5, 4, 7, 6, 0, 0, 0, 0, 0 };
	size_t weights = l.in * l.out;
	real *weight_before, *d_weight, *bias_before, *d_bias, *x_before, *d_x;
	bool gaps = true;
	char name[80];

	l.x = numbers(rows * l.ld_x);
	l.weight = numbers(weights);
	l.bias = bias ? numbers(l.out) : NULL;
	l.y = nans(rows * l.ld_y);
	l.from_above = numbers(rows * l.ld_y);
	weight_before = numbers(weights);
	d_weight = copy_of(weight_before, weights);
	bias_before = numbers(l.out);
	d_bias = copy_of(bias_before, l.out);
	x_before = accumulate ? numbers(rows * l.ld_x) : nans(rows * l.ld_x);
	d_x = copy_of(x_before, rows * l.ld_x);

	nn_linear_backward(rows, l.in, l.out, l.x, l.ld_x, l.weight, l.from_above, l.ld_y, d_weight,
					   bias ? d_bias : NULL, d_x, l.ld_x, accumulate);
	/* what lies between the rows belongs to others */
	for (size_t r = 0; r < rows; r++)
		for (size_t i = l.in; i < l.ld_x; i++)
		{
			size_t at = r * l.ld_x + i;

			gaps &= memcmp(&d_x[at], &x_before[at], sizeof(real)) == 0;
			x_before[at] = d_x[at] = 0;
		}
	snprintf(name, sizeof(name), "linear of %zu rows%s%s", rows, bias ? "" : ", no bias",
			 accumulate ? ", added" : "");
	CHECK(gaps, "%s: nothing is written between the rows", name);
	check_gradient(name, "x", l.x, rows * l.ld_x, d_x, accumulate ? x_before : NULL,
				   linear_objective, &l);
	check_gradient(name, "weight", l.weight, weights, d_weight, weight_before, linear_objective,
				   &l);
	if (bias)
		check_gradient(name, "bias", l.bias, l.out, d_bias, bias_before, linear_objective, &l);
	nn_linear_backward(rows, l.in, l.out, l.x, l.ld_x, l.weight, l.from_above, l.ld_y,
					   weight_before, NULL, NULL, 0, false);
	CHECK(memcmp(weight_before, d_weight, weights * sizeof(real)) == 0,
		  "%s: the weight's gradient does not need x's", name);
	release_blocks();
}

/* ReLU */

typedef struct relu_case
{
	size_t count;
	real *x, *y, *from_above;
} relu_case;

static double
relu_objective(void *context)
{
	relu_case *r = context;

	nn_relu(r->count, r->x, r->y);
	return weighted_sum(r->from_above, r->y, r->count);
}

static void
test_relu(void)
{
	relu_case r = { 37, numbers(37), nans(37), numbers(37) };
	real *d_x = nans(r.count);

	nn_relu(r.count, r.x, r.y);
	nn_relu_backward(r.count, r.y, r.from_above, d_x);
	check_gradient("relu", "x", r.x, r.count, d_x, NULL, relu_objective, &r);
	release_blocks();
}

/* LSTM */

typedef struct lstm_case
{
	const nn_packed *batch;
	size_t hidden, ld_gates, ld_h;
	bool backward;
	real *input, *weight, *gates, *c, *tanh_c, *h, *from_above;
} lstm_case;

static double
lstm_objective(void *context)
{
	lstm_case *l = context;
	size_t rows = l->batch->rows;
	double sum = 0;

	memcpy(l->gates, l->input, rows * l->ld_gates * sizeof(real));
	fill_nan(l->c, rows * l->hidden);
	fill_nan(l->h, rows * l->ld_h);
	if (l->tanh_c != NULL)
		fill_nan(l->tanh_c, rows * l->hidden);
	nn_lstm(l->batch, l->hidden, l->backward, l->weight, l->gates, l->ld_gates, l->c, l->tanh_c,
			l->h, l->ld_h);
	for (size_t row = 0; row < rows; row++)
		sum += weighted_sum(l->from_above + row * l->ld_h, l->h + row * l->ld_h, l->hidden);
	return sum;
}

static void
test_lstm(const char *batch_name, const uint32_t *lengths, size_t count, size_t hidden,
		  bool backward)
{
	static batch_of_test place;
	const nn_packed *batch = make_batch(&place, lengths, count);
	lstm_case l = { batch, hidden, 8 * hidden + 1, 2 * hidden + 1, backward, 0, 0, 0, 0, 0, 0, 0 };
	size_t rows = batch->rows;
	size_t weights = 4 * hidden * hidden;
	real *before, *d_weight, *scratch, *d_h;
	double with_tanh;
	char name[80];

	l.input = numbers(rows * l.ld_gates);
	l.weight = numbers(weights);
	l.gates = nans(rows * l.ld_gates);
	l.c = nans(rows * hidden);
	l.tanh_c = nans(rows * hidden);
	l.h = nans(rows * l.ld_h);
	l.from_above = numbers(rows * l.ld_h);
	before = numbers(weights);
	d_weight = copy_of(before, weights);
	scratch = nans((rows + batch->sequences) * hidden);
	d_h = copy_of(l.from_above, rows * l.ld_h);

	with_tanh = lstm_objective(&l);
	nn_lstm_backward(batch, hidden, backward, l.weight, l.gates, l.ld_gates, l.c, l.tanh_c, l.h,
					 d_h, l.ld_h, scratch, d_weight);
	snprintf(name, sizeof(name), "LSTM of %zu read %s, %s", hidden,
			 backward ? "backward" : "forward", batch_name);
	/* columns beyond 4H are the other direction's: untouched, and no part of the objective */
	{
		real *d_input = copy_of(l.gates, rows * l.ld_gates);
		bool foreign = true;

		for (size_t row = 0; row < rows; row++)
			for (size_t j = 4 * hidden; j < l.ld_gates; j++)
			{
				foreign &= d_input[row * l.ld_gates + j] == l.input[row * l.ld_gates + j];
				d_input[row * l.ld_gates + j] = 0;
			}
		CHECK(foreign, "%s: the other direction's gates are left alone", name);
		check_gradient(name, "the input", l.input, rows * l.ld_gates, d_input, NULL, lstm_objective,
					   &l);
	}
	if (batch->steps > 1)
		check_gradient(name, "the recurrent weight", l.weight, weights, d_weight, before,
					   lstm_objective, &l);
	l.tanh_c = NULL;
	CHECK(lstm_objective(&l) == with_tanh, "%s: inference computes the same", name);
	nn_packer_free(&place.packer);
	release_blocks();
}

/* Attention */

typedef struct attention_case
{
	const nn_packed *batch;
	size_t dim, attention_dim;
	real *x, *weight, *bias, *query, *u, *attention, *pooled, *from_above;
} attention_case;

static double
attention_objective(void *context)
{
	attention_case *a = context;

	fill_nan(a->u, a->batch->rows * a->attention_dim);
	fill_nan(a->attention, a->batch->rows);
	fill_nan(a->pooled, a->batch->sequences * a->dim);
	nn_attention(a->batch, a->dim, a->attention_dim, a->x, a->weight, a->bias, a->query, a->u,
				 a->attention, a->pooled);
	return weighted_sum(a->from_above, a->pooled, a->batch->sequences * a->dim);
}

static void
test_attention(const char *batch_name, const uint32_t *lengths, size_t count)
{
	static batch_of_test place;
	const nn_packed *batch = make_batch(&place, lengths, count);
	attention_case a = { batch, 5, 4, 0, 0, 0, 0, 0, 0, 0, 0 };
	size_t rows = batch->rows;
	size_t weights = a.dim * a.attention_dim;
	real *weight_before, *d_weight, *bias_before, *d_bias, *query_before, *d_query, *d_x, *scratch;
	bool sums = true, empty = true;
	char name[80];

	a.x = numbers(rows * a.dim);
	a.weight = numbers(weights);
	a.bias = numbers(a.attention_dim);
	a.query = numbers(a.attention_dim);
	a.u = nans(rows * a.attention_dim);
	a.attention = nans(rows);
	a.pooled = nans(batch->sequences * a.dim);
	a.from_above = numbers(batch->sequences * a.dim);
	weight_before = numbers(weights);
	d_weight = copy_of(weight_before, weights);
	bias_before = numbers(a.attention_dim);
	d_bias = copy_of(bias_before, a.attention_dim);
	query_before = numbers(a.attention_dim);
	d_query = copy_of(query_before, a.attention_dim);
	d_x = nans(rows * a.dim);
	scratch = nans(rows);

	attention_objective(&a);
	for (size_t b = 0; b < batch->sequences; b++)
	{
		double sum = 0;

		for (size_t t = 0; t < batch->length[b]; t++)
			sum += a.attention[batch->offset[t] + b];
		sums &= fabs(sum - (batch->length[b] > 0)) < 1e-14;
		for (size_t d = 0; d < a.dim && batch->length[b] == 0; d++)
			empty &= a.pooled[b * a.dim + d] == 0;
	}
	snprintf(name, sizeof(name), "attention, %s", batch_name);
	CHECK(sums, "%s: the weights of a text sum to 1", name);
	CHECK(empty, "%s: an empty text is pooled to zero", name);

	nn_attention_backward(batch, a.dim, a.attention_dim, a.x, a.weight, a.query, a.u, a.attention,
						  a.from_above, scratch, d_x, d_weight, d_bias, d_query);
	check_gradient(name, "x", a.x, rows * a.dim, d_x, NULL, attention_objective, &a);
	if (batch->steps > 1) /* one token's weight is 1 whatever the parameters */
	{
		check_gradient(name, "weight", a.weight, weights, d_weight, weight_before,
					   attention_objective, &a);
		check_gradient(name, "bias", a.bias, a.attention_dim, d_bias, bias_before,
					   attention_objective, &a);
		check_gradient(name, "query", a.query, a.attention_dim, d_query, query_before,
					   attention_objective, &a);
	}
	nn_packer_free(&place.packer);
	release_blocks();
}

/* Mixing */

typedef struct mix_case
{
	uint32_t partner[5];
	real *share, *x, *y, *from_above;
} mix_case;

static double
mix_objective(void *context)
{
	mix_case *m = context;

	fill_nan(m->y, 5 * 7);
	nn_mix(5, 7, m->partner, m->share, m->x, m->y);
	return weighted_sum(m->from_above, m->y, 5 * 7);
}

static void
test_mix(void)
{
	mix_case m = { { 3, 0, 2, 0, 1 }, numbers(5), numbers(35), nans(35), numbers(35) };
	real *d_x = nans(35);
	double worst = 0;

	mix_objective(&m);
	for (size_t i = 0; i < 35; i++)
		worst = fmax(worst, fabs(m.y[i] - m.share[i / 7] * m.x[i] -
								 (1 - m.share[i / 7]) * m.x[m.partner[i / 7] * 7 + i % 7]));
	CHECK(worst < 1e-15, "mixing: shares of a row and its partner");
	nn_mix_backward(5, 7, m.partner, m.share, m.from_above, d_x);
	check_gradient("mixing", "the rows", m.x, 35, d_x, NULL, mix_objective, &m);
	release_blocks();
}

static void
test_layers(const char *products)
{
	printf("# matrix products: %s\n", products);
	for (size_t width = 1; width <= 8; width++)
		for (int factors = 0; factors < 4; factors++)
			test_windows(width, factors & 1, factors >> 1);
	for (size_t rows = 1; rows <= 21; rows += 5)
		for (int variant = 0; variant < 4; variant++)
			test_linear(rows, variant & 1, variant >> 1);
	test_relu();
	test_mix();
	for (size_t i = 0; i < LENGTH(batches); i++)
	{
		for (int backward = 0; backward < 2; backward++)
			for (size_t hidden = 1; hidden <= 5; hidden += 2)
				test_lstm(batches[i].name, batches[i].lengths, batches[i].count, hidden, backward);
		test_attention(batches[i].name, batches[i].lengths, batches[i].count);
	}
}

int
main(void)
{
	em_status status;

	test_layers("our own kernels");
	if (nn_blas_load(&status) == EM_OK)
		test_layers(nn_blas_description());
	else
		check_skip("the same over OpenBLAS", status.message);
	CHECK(check_live == 0, "no memory is lost");
	return check_done();
}
