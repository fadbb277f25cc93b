/*
 * simd_negative.h
 *	  Sums of rows and the step of negative sampling, of negative.h.
 */

/* Output rows of a step that has its own code: a target and the usual five negatives. */
#define NEGATIVE_ROWS 6

/* Vectors of a sum that stay in registers while the rows go by. */
#define SUM_VECTORS 8

static void
kernel_rows_sum(size_t n, const real *matrix, const uint32_t *rows, size_t count, real *sum)
{
	size_t i = 0;

	for (; i + SUM_VECTORS * V_LANES <= n; i += SUM_VECTORS * V_LANES)
	{
		vreal part[SUM_VECTORS];

		V_UNROLL for (size_t j = 0; j < SUM_VECTORS; j++) part[j] = v_load(sum + i + j * V_LANES);
		for (size_t r = 0; r < count; r++)
		{
			const real *row = matrix + rows[r] * n + i;

			V_UNROLL for (size_t j = 0; j < SUM_VECTORS; j++) part[j] += v_load(row + j * V_LANES);
		}
		V_UNROLL for (size_t j = 0; j < SUM_VECTORS; j++) v_store(sum + i + j * V_LANES, part[j]);
	}
	for (size_t r = 0; r < count; r++)
	{
		const real *row = matrix + rows[r] * n + i;

#define BODY(k, lanes)                                                                             \
	v_put(sum + i + (k), v_get(sum + i + (k), (lanes)) + v_get(row + (k), (lanes)), (lanes))
		V_EACH(n - i, BODY);
#undef BODY
	}
}

static void
kernel_rows_add(size_t n, const real *x, const uint32_t *rows, size_t count, real *matrix)
{
	for (size_t r = 0; r < count; r++)
	{
		real *row = matrix + rows[r] * n;

#define BODY(i, lanes)                                                                             \
	v_put(row + (i), v_get(row + (i), (lanes)) + v_get(x + (i), (lanes)), (lanes))
		V_EACH(n, BODY);
#undef BODY
	}
}

/* score[j] = h . output[j] for a number of rows known to the compiler. */
V_INLINE void
negative_scores(size_t n, const size_t count, real *const *output, const real *h, real *score)
{
	vreal sum[NEGATIVE_ROWS];
	const real *row[NEGATIVE_ROWS];

	V_UNROLL for (size_t j = 0; j < count; j++)
	{
		sum[j] = v_set(0);
		row[j] = output[j];
	}
#define BODY(i, lanes)                                                                             \
	do                                                                                             \
	{                                                                                              \
		vreal hidden = v_get(h + (i), (lanes));                                                    \
		V_UNROLL for (size_t j = 0; j < count; j++) sum[j] =                                       \
			v_fma(hidden, v_get(row[j] + (i), (lanes)), sum[j]);                                   \
	} while (0)
	V_EACH(n, BODY);
#undef BODY
	V_UNROLL for (size_t j = 0; j < count; j++) score[j] = v_sum(sum[j]);
}

/* Lanes i.. of one output row; returns change with the row's part. */
V_INLINE vreal
negative_row(size_t i, size_t lanes, real *row, vreal factor, vreal hidden, vreal change)
{
	vreal line = v_get(row + i, lanes);

	v_put(row + i, v_fma(factor, hidden, line), lanes);
	return v_fma(factor, line, change);
}

V_INLINE void
negative_hidden(size_t i, size_t lanes, vreal response, vreal hidden, vreal change, real *h,
				real *gradient)
{
	v_put(gradient + i, v_get(gradient + i, lanes) + change, lanes);
	v_put(h + i, v_fma(response, change, hidden), lanes);
}

/* The update for a number of rows known to the compiler: they and their factors in registers. */
V_INLINE void
negative_update(size_t n, const size_t count, vreal response, real *const *output, const real *g,
				real *h, real *gradient)
{
	vreal factor[NEGATIVE_ROWS];
	real *row[NEGATIVE_ROWS];

	V_UNROLL for (size_t j = 0; j < count; j++)
	{
		factor[j] = v_set(g[j]);
		row[j] = output[j];
	}
#define BODY(i, lanes)                                                                             \
	do                                                                                             \
	{                                                                                              \
		vreal hidden = v_get(h + (i), (lanes));                                                    \
		vreal change = v_set(0);                                                                   \
		V_UNROLL for (size_t j = 0; j < count; j++) change =                                       \
			negative_row((i), (lanes), row[j], factor[j], hidden, change);                         \
		negative_hidden((i), (lanes), response, hidden, change, h, gradient);                      \
	} while (0)
	V_EACH(n, BODY);
#undef BODY
}

/* The same for any number. */
V_INLINE void
negative_update_any(size_t n, size_t count, vreal response, real *const *output, const real *g,
					real *h, real *gradient)
{
#define BODY(i, lanes)                                                                             \
	do                                                                                             \
	{                                                                                              \
		vreal hidden = v_get(h + (i), (lanes));                                                    \
		vreal change = v_set(0);                                                                   \
		for (size_t j = 0; j < count; j++)                                                         \
			change = negative_row((i), (lanes), output[j], v_set(g[j]), hidden, change);           \
		negative_hidden((i), (lanes), response, hidden, change, h, gradient);                      \
	} while (0)
	V_EACH(n, BODY);
#undef BODY
}

static double
kernel_negative_step(size_t n, size_t count, real rate, real response, real *const *output, real *h,
					 real *gradient)
{
	real g[NN_NEGATIVE_MAX] = { 0 };
	double probability = 1;

	if (count == NEGATIVE_ROWS)
		negative_scores(n, NEGATIVE_ROWS, output, h, g);
	else
		for (size_t j = 0; j < count; j++)
			g[j] = kernel_dot(n, h, output[j]);
	kernel_sigmoid(count, g, g);
	for (size_t j = 0; j < count; j++)
	{
		real right = j == 0 ? g[j] : 1 - g[j];

		probability *= right > (real) 1e-4 ? right : (real) 1e-4;
		g[j] = rate * (j == 0 ? 1 - g[j] : -g[j]);
	}
	if (count == NEGATIVE_ROWS)
		negative_update(n, NEGATIVE_ROWS, v_set(response), output, g, h, gradient);
	else
		negative_update_any(n, count, v_set(response), output, g, h, gradient);
	return probability;
}
