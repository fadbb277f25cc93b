/*
 * simd_transformer.h
 *	  The kernels of transformer.h, for one instruction set.
 */

V_INLINE void
gelu_units(size_t i, size_t count, const real *bias, real *z, real *y)
{
	vreal x = v_get(z + i, count);
	vreal bell;

	if (bias != NULL)
	{
		x = x + v_get(bias + i, count);
		if (y != z)
			v_put(z + i, x, count);
	}
	v_put(y + i, x * v_normal(x, &bell), count);
}

static void
kernel_gelu(size_t rows, size_t columns, const real *bias, real *z, real *y)
{
	size_t r;

	for (r = 0; r < rows; r++, z += columns, y += columns)
	{
#define BODY(i, count) gelu_units(i, count, bias, z, y)
		V_EACH(columns, BODY);
#undef BODY
	}
}

/* d/dz z Phi(z) = Phi(z) + z exp(-z^2 / 2) / sqrt(2 pi) */
V_INLINE void
gelu_units_backward(size_t i, size_t count, const real *z, const real *dy, real *dz, real *y)
{
	vreal x = v_get(z + i, count);
	vreal bell;
	vreal phi = v_normal(x, &bell);
	vreal slope = v_fma(x * v_set((real) 0.39894228040143267794), bell, phi);

	v_put(dz + i, v_get(dy + i, count) * slope, count);
	v_put(y + i, x * phi, count);
}

static void
kernel_gelu_backward(size_t n, const real *z, const real *dy, real *dz, real *y)
{
#define BODY(i, count) gelu_units_backward(i, count, z, dy, dz, y)
	V_EACH(n, BODY);
#undef BODY
}

/* The largest of a row; columns >= 1. */
V_INLINE real
row_maximum(size_t columns, const real *x)
{
	real largest = x[0];
	size_t i = 0, j;

	if (columns >= V_LANES)
	{
		vreal most = v_load(x);
		real lanes[V_LANES];

		for (i = V_LANES; i + V_LANES <= columns; i += V_LANES)
			most = v_maximum(most, v_load(x + i));
		v_store(lanes, most);
		for (j = 0; j < V_LANES; j++)
			largest = lanes[j] > largest ? lanes[j] : largest;
	}
	for (; i < columns; i++)
		largest = x[i] > largest ? x[i] : largest;
	return largest;
}

/* exp(scale (x - largest)) in place, and its sum: lanes beyond the row are read again as zeros. */
static void
kernel_softmax(size_t rows, size_t columns, real scale, real *x, size_t ld)
{
	size_t r;

	for (r = 0; r < rows; r++, x += ld)
	{
		vreal largest = v_set(row_maximum(columns, x));
		vreal sum = v_set(0);
		vreal factor = v_set(scale);

#define BODY(i, count)                                                                             \
	do                                                                                             \
	{                                                                                              \
		v_put(x + (i), v_exp((v_get(x + (i), (count)) - largest) * factor), (count));              \
		sum = sum + v_get(x + (i), (count));                                                       \
	} while (0)
		V_EACH(columns, BODY);
#undef BODY
		kernel_scale(columns, 1 / v_sum(sum), x);
	}
}

static void
kernel_softmax_backward(size_t rows, size_t columns, real scale, const real *p, real *dp, size_t ld)
{
	size_t r;

	for (r = 0; r < rows; r++, p += ld, dp += ld)
	{
		vreal mean = v_set(kernel_dot(columns, p, dp));
		vreal factor = v_set(scale);

#define BODY(i, count)                                                                             \
	v_put(dp + (i), v_get(p + (i), (count)) * (v_get(dp + (i), (count)) - mean) * factor, (count))
		V_EACH(columns, BODY);
#undef BODY
	}
}

/* What one row's s is made of; NULL: without. */
typedef struct norm_row
{
	const real *bias, *mask, *residual;
} norm_row;

V_INLINE vreal
norm_sum(size_t i, size_t count, const norm_row *from, const real *x)
{
	vreal s = v_get(x + i, count);

	if (from->bias != NULL)
		s = s + v_get(from->bias + i, count);
	if (from->mask != NULL)
		s = s * v_get(from->mask + i, count);
	if (from->residual != NULL)
		s = s + v_get(from->residual + i, count);
	return s;
}

/* The sum of squares of y - mean; the last part of a vector by itself, for its lanes beyond are not 0. */
V_INLINE real
squares_around(size_t dim, const real *y, real mean)
{
	vreal sum = v_set(0);
	real rest = 0;
	size_t i = 0;

	for (; i + V_LANES <= dim; i += V_LANES)
	{
		vreal off = v_load(y + i) - v_set(mean);

		sum = v_fma(off, off, sum);
	}
	for (; i < dim; i++)
		rest += (y[i] - mean) * (y[i] - mean);
	return v_sum(sum) + rest;
}

static void
kernel_layer_norm(size_t rows, size_t dim, const nn_norm *norm, const real *x, real *normal,
				  real *inverse, real *y)
{
	norm_row from = { norm->bias, norm->mask, norm->residual };
	const real *scale = norm->scale;
	const real *shift = norm->shift;
	real epsilon = norm->epsilon;
	size_t r;

	for (r = 0; r < rows; r++, x += dim, y += dim)
	{
		vreal sum = v_set(0);
		real mean, factor;

#define BODY(i, count)                                                                             \
	do                                                                                             \
	{                                                                                              \
		vreal s = norm_sum(i, count, &from, x);                                                    \
		v_put(y + (i), s, count);                                                                  \
		sum = sum + s;                                                                             \
	} while (0)
		V_EACH(dim, BODY);
#undef BODY
		mean = v_sum(sum) / (real) dim;
		factor = 1 / (real) sqrt(squares_around(dim, y, mean) / (real) dim + epsilon);
		if (inverse != NULL)
			inverse[r] = factor;
#define BODY(i, count)                                                                             \
	do                                                                                             \
	{                                                                                              \
		vreal n = (v_get(y + (i), count) - v_set(mean)) * v_set(factor);                           \
		if (normal != NULL)                                                                        \
			v_put(normal + (i), n, count);                                                         \
		v_put(y + (i), v_fma(v_get(scale + (i), count), n, v_get(shift + (i), count)), count);     \
	} while (0)
		V_EACH(dim, BODY);
#undef BODY
		normal = normal ? normal + dim : NULL;
		from.mask = from.mask ? from.mask + dim : NULL;
		from.residual = from.residual ? from.residual + dim : NULL;
	}
}

/* With g = dy scale: dx = inverse (g - mean(g) - normal mean(g normal)) */
static void
kernel_layer_norm_backward(size_t rows, size_t dim, const real *dy, const real *normal,
						   const real *inverse, const real *scale, real *dx, real *dscale,
						   real *dshift)
{
	size_t r;

	for (r = 0; r < rows; r++, dy += dim, normal += dim, dx += dim)
	{
		vreal sum = v_set(0);
		vreal product = v_set(0);
		vreal mean, slope;

#define BODY(i, count)                                                                             \
	do                                                                                             \
	{                                                                                              \
		vreal d = v_get(dy + (i), count);                                                          \
		vreal n = v_get(normal + (i), count);                                                      \
		vreal g = d * v_get(scale + (i), count);                                                   \
		v_put(dscale + (i), v_fma(d, n, v_get(dscale + (i), count)), count);                       \
		v_put(dshift + (i), d + v_get(dshift + (i), count), count);                                \
		sum = sum + g;                                                                             \
		product = v_fma(g, n, product);                                                            \
	} while (0)
		V_EACH(dim, BODY);
#undef BODY
		mean = v_set(v_sum(sum) / (real) dim);
		slope = v_set(v_sum(product) / (real) dim);
#define BODY(i, count)                                                                             \
	v_put(dx + (i),                                                                                \
		  (v_get(dy + (i), count) * v_get(scale + (i), count) - mean -                             \
		   v_get(normal + (i), count) * slope) *                                                   \
			  v_set(inverse[r]),                                                                   \
		  count)
		V_EACH(dim, BODY);
#undef BODY
	}
}
