/*
 * simd_fused.h
 *	  The kernels of fused.h for one instruction set and one rule of arithmetic. The includer, which
 *	  has included simd_vector.h, sets
 *
 *	  FUSED_NUMBERS  0 for reals, 1 for halves, 2 for bytes: as nn_numbers
 *	  FUSED_DOT      1 where the processor multiplies and adds up a cell at once
 *	  FUSED(name)    name with a prefix of its own
 *
 * and gets functions FUSED(...), of which FUSED_TABLE(prefix) makes an nn_fused_kernels. There is no
 * include guard.
 */

/* The most rows of a tile, and the panels of one with so many rows: the sums fill the registers. */
#if SIMD_LEVEL == 3
#define TILE_ROWS 6
/* one panel of bytes keeps the multiplier busy, and leaves more of the others in the cache */
#define TILE_PANELS(rows) ((rows) == 2 || ((rows) == 1 && FUSED_NUMBERS < 2) ? 2 : 1)
#else
#define TILE_ROWS 3
#define TILE_PANELS(rows) ((rows) == 1 ? 2 : 1)
#endif

#include "simd_fused_vector.h"

/*
 * Of sums of products: a product of halves is exact, so that it needs no fused multiply-add, and reals do
 * without where there is none.
 */
#undef FUSED_FMA
#if SIMD_LEVEL == 0
#define FUSED_FMA(a, b, c) ((a) * (b) + (c))
#else
#define FUSED_FMA(a, b, c) v_fma(a, b, c)
#endif

#if FUSED_NUMBERS == 2
typedef uint8_t FUSED(value);
typedef uint32_t FUSED(cell);
#elif FUSED_NUMBERS == 1 && FUSED_DOT
typedef nn_bf16 FUSED(value);
typedef uint32_t FUSED(cell);
#elif FUSED_NUMBERS == 1
typedef real FUSED(value);
typedef uint32_t FUSED(cell);
#else
typedef real FUSED(value);
typedef real FUSED(cell);
#endif
#define DEPTH (FUSED_NUMBERS == 2 ? 4 : FUSED_NUMBERS == 1 ? 2 : 1)

/* A state of the LSTM. */
V_INLINE void
FUSED(put)(FUSED(value) * to, vreal x)
{
#if FUSED_NUMBERS == 2
	fused_put_bytes(to, fused_units(x, v_set(NN_STATE_UNITS), NN_STATE_ZERO));
#elif FUSED_NUMBERS == 1 && FUSED_DOT
	_mm256_storeu_si256((__m256i *) (void *) to, (__m256i) _mm512_cvtneps_pbh((__m512) x));
#elif FUSED_NUMBERS == 1
	v_store(to, fused_rounded(x));
#else
	v_store(to, x);
#endif
}

V_INLINE vreal
FUSED(get)(const FUSED(value) * from)
{
#if FUSED_NUMBERS == 2
	return fused_get_bytes(from) - v_set(NN_STATE_ZERO);
#elif FUSED_NUMBERS == 1 && FUSED_DOT
	return (vreal) _mm512_slli_epi32(
		_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *) (const void *) from)), 16);
#else
	return v_load(from);
#endif
}

#if FUSED_NUMBERS < 2

/* Columns 16 g + `first`.. (V_LANES of them) of each group g of some panels, for some rows. */
V_INLINE void
FUSED(tile)(const size_t rows, const size_t panels, const nn_product *product, size_t row,
			size_t panel, size_t first, real *out, size_t ld_out)
{
	vreal sum[TILE_ROWS * GROUPS];
	const size_t groups = panels * GROUPS;
	const real *start = product->start;
	size_t panel_cells = product->panel_bytes / sizeof(FUSED(cell));

	if (start != NULL)
		start += row * product->ld_start + panel * NN_FUSED_COLUMNS + first;
	FUSED_UNROLL for (size_t r = 0; r < rows; r++)
	{
		FUSED_UNROLL for (size_t g = 0; g < groups; g++) sum[r * groups + g] =
			start == NULL ? v_set(0) : v_load(start + r * product->ld_start + g * NN_FUSED_UNITS);
	}
	for (size_t f = 0; f < 2 && product->factor[f].a != NULL; f++)
	{
		const nn_factor *factor = &product->factor[f];
		size_t ld = factor->ld;
		const FUSED(value) *a = (const FUSED(value) *) factor->a + row * ld;
		const FUSED(cell) *b = (const FUSED(cell) *) factor->b + panel * panel_cells + first;

		for (size_t p = factor->cells; p > 0; p--, a += DEPTH, b += NN_FUSED_COLUMNS)
		{
#define CELLS(g) (b + (g) / GROUPS * panel_cells + (g) % GROUPS * NN_FUSED_UNITS)
#if FUSED_NUMBERS == 1 && FUSED_DOT
			__m512i weight[4 * GROUPS];

			FUSED_UNROLL for (size_t g = 0; g < groups; g++)
			{
				weight[g] = _mm512_loadu_si512(CELLS(g));
				if (rows > 1)
					FUSED_HOLD(weight[g]);
			}
			FUSED_UNROLL for (size_t r = 0; r < rows; r++)
			{
				uint32_t pair;
				__m512i x;

				memcpy(&pair, a + r * ld, sizeof(pair));
				x = _mm512_set1_epi32((int) pair);
				FUSED_HOLD(x);
				FUSED_UNROLL for (size_t g = 0; g < groups; g++) sum[r * groups + g] =
					(vreal) _mm512_dpbf16_ps((__m512) sum[r * groups + g], (__m512bh) x,
											 (__m512bh) weight[g]);
			}
#elif FUSED_NUMBERS == 1
			FUSED_UNROLL for (size_t g = 0; g < groups; g++)
			{
				fused_pair weight = fused_split(CELLS(g));

				FUSED_HOLD(weight.first);
				FUSED_HOLD(weight.second);
				FUSED_UNROLL for (size_t r = 0; r < rows; r++)
				{
					vreal half =
						FUSED_FMA(v_set(a[r * ld + 1]), weight.second, sum[r * groups + g]);

					sum[r * groups + g] = FUSED_FMA(v_set(a[r * ld]), weight.first, half);
				}
			}
#else
			FUSED_UNROLL for (size_t g = 0; g < groups; g++)
			{
				vreal weight = v_load(CELLS(g));

				FUSED_HOLD(weight);
				FUSED_UNROLL for (size_t r = 0; r < rows; r++) sum[r * groups + g] =
					FUSED_FMA(v_set(a[r * ld]), weight, sum[r * groups + g]);
			}
#endif
#undef CELLS
		}
	}
	FUSED_UNROLL for (size_t r = 0; r < rows; r++)
	{
		FUSED_UNROLL for (size_t g = 0; g < groups; g++)
			v_store(out + r * ld_out + g * NN_FUSED_UNITS + first, sum[r * groups + g]);
	}
}

#else

/* As above. The integers of a factor's sums become reals at its end, which wait in `out` for the next. */
V_INLINE void
FUSED(tile)(const size_t rows, const size_t panels, const nn_product *product, size_t row,
			size_t panel, size_t first, real *out, size_t ld_out)
{
	const size_t groups = panels * GROUPS;
	const real *before = product->start;
	size_t ld_before = product->ld_start;
	size_t panel_cells = product->panel_bytes / sizeof(FUSED(cell));
	size_t column = panel * NN_FUSED_COLUMNS + first;

	out += first;
	if (before != NULL)
		before += row * ld_before + column;
	if (product->factor[0].a == NULL)
		for (size_t r = 0; r < rows; r++)
			for (size_t g = 0; g < groups; g++)
				v_store(out + r * ld_out + g * NN_FUSED_UNITS,
						v_load(before + r * ld_before + g * NN_FUSED_UNITS));
	for (size_t f = 0; f < 2 && product->factor[f].a != NULL; f++)
	{
		vints sum[TILE_ROWS * GROUPS];
		const nn_factor *factor = &product->factor[f];
		size_t ld = factor->ld;
		const uint8_t *a = (const uint8_t *) factor->a + row * ld;
		const uint32_t *b = (const uint32_t *) factor->b + panel * panel_cells + first;

		FUSED_UNROLL for (size_t r = 0; r < rows; r++)
		{
			FUSED_UNROLL for (size_t g = 0; g < groups; g++) sum[r * groups + g] =
				fused_ints(factor->correction + column + g * NN_FUSED_UNITS);
		}
		for (size_t p = factor->cells; p > 0; p--, a += DEPTH, b += NN_FUSED_COLUMNS)
		{
#define CELLS(g) (b + (g) / GROUPS * panel_cells + (g) % GROUPS * NN_FUSED_UNITS)
#if FUSED_DOT
			__m512i weight[4 * GROUPS];

			FUSED_UNROLL for (size_t g = 0; g < groups; g++)
			{
				weight[g] = _mm512_loadu_si512(CELLS(g));
				if (rows > 1)
					FUSED_HOLD(weight[g]);
			}
			FUSED_UNROLL for (size_t r = 0; r < rows; r++)
			{
				__m512i x = _mm512_set1_epi32((int) fused_word(a + r * ld));

				FUSED_HOLD(x);
				FUSED_UNROLL for (size_t g = 0; g < groups; g++) sum[r * groups + g] =
					(vints) _mm512_dpbusd_epi32((__m512i) sum[r * groups + g], x, weight[g]);
			}
#else
			fused_four x[TILE_ROWS];

			FUSED_UNROLL for (size_t r = 0; r < rows; r++) x[r] = fused_four_bytes(a + r * ld);
			FUSED_UNROLL for (size_t g = 0; g < groups; g++)
			{
				fused_four weight = fused_four_weights(CELLS(g));

				FUSED_UNROLL for (size_t r = 0; r < rows; r++) sum[r * groups + g] +=
					fused_four_products(x[r], weight);
			}
#endif
#undef CELLS
		}
		FUSED_UNROLL for (size_t r = 0; r < rows; r++)
		{
			vreal scale = v_set(factor->row_scale[(row + r) * factor->ld_scale]);

			FUSED_UNROLL for (size_t g = 0; g < groups; g++)
			{
				size_t at = g * NN_FUSED_UNITS;
				vreal so_far = before == NULL ? v_set(0) : v_load(before + r * ld_before + at);

				v_store(out + r * ld_out + at,
						v_fma(v_from_ints(sum[r * groups + g]),
							  v_load(factor->column_scale + column + at) * scale, so_far));
			}
		}
		before = out;
		ld_before = ld_out;
	}
}

#endif

#define TILE(rows, panels)                                                                         \
	case (rows) *8 + (panels):                                                                     \
		for (size_t sub = 0; sub < SUBS; sub++)                                                    \
			FUSED(tile)(rows, panels, product, row, panel, sub * V_LANES, out, ld_out);            \
		break

/* `rows` from `row` on, all columns of `panels` panels: out (rows, 64 panels). */
static void
FUSED(tiles)(size_t rows, size_t panels, const nn_product *product, size_t row, size_t panel,
			 real *out, size_t ld_out)
{
	switch (rows * 8 + panels)
	{
		TILE(1, 1);
		TILE(1, 2);
		TILE(2, 1);
		TILE(3, 1);
#if SIMD_LEVEL == 3
		TILE(2, 2);
		TILE(4, 1);
		TILE(5, 1);
		TILE(6, 1);
#endif
		default:
			break;
	}
}
#undef TILE

/* How many panels a tile of so many rows takes when so many are left. */
V_INLINE size_t
FUSED(width)(size_t rows, size_t left)
{
	size_t most = TILE_PANELS(rows);

	return left < most ? left : most;
}

/* The rows of the next of the tiles, as equal as can be, that so many rows take. */
V_INLINE size_t
FUSED(height)(size_t left)
{
	size_t tiles = (left + TILE_ROWS - 1) / TILE_ROWS;

	return (left + tiles - 1) / tiles;
}

/* body for each tile: row, rows, panel, panels */
#define FUSED_EACH(m, product, body)                                                               \
	do                                                                                             \
	{                                                                                              \
		size_t panels;                                                                             \
		for (size_t done = 0; done < (product)->panels; done += panels)                            \
		{                                                                                          \
			size_t rows = (m);                                                                     \
			size_t panel;                                                                          \
			panels = FUSED(width)(rows, (product)->panels - done);                                 \
			panel = (product)->backward ? (product)->panels - done - panels : done;                \
			for (size_t row = 0; row < (m); row += rows)                                           \
			{                                                                                      \
				rows = FUSED(height)((m) -row);                                                    \
				body;                                                                              \
			}                                                                                      \
		}                                                                                          \
	} while (0)

static void
FUSED(multiply)(size_t m, const nn_product *product, real *c, size_t ldc)
{
	FUSED_EACH(m, product,
			   FUSED(tiles)(rows, panels, product, row, panel,
							c + row * ldc + panel * NN_FUSED_COLUMNS, ldc));
}

static void
FUSED(cells)(size_t rows, size_t panels, const real *gates, real *c, size_t ld_c, FUSED(value) * h,
			 size_t ld_h)
{
	for (size_t r = 0; r < rows; r++, c += ld_c, h += ld_h)
		for (size_t panel = 0; panel < panels; panel++, gates += NN_FUSED_COLUMNS)
			for (size_t u = 0; u < NN_FUSED_UNITS; u += V_LANES)
			{
				real *state = c + panel * NN_FUSED_UNITS + u;
				vreal cell = v_load(state);
				vreal output;

				fused_cell(v_load(gates + u), v_load(gates + NN_FUSED_UNITS + u),
						   v_load(gates + 2 * NN_FUSED_UNITS + u),
						   v_load(gates + 3 * NN_FUSED_UNITS + u), &cell, &output);
				v_store(state, cell);
				FUSED(put)(h + panel * NN_FUSED_UNITS + u, output);
			}
}

static void
FUSED(lstm_step)(size_t m, const nn_product *product, real *c, void *h, size_t ld_h)
{
	real gates[TILE_ROWS * NN_FUSED_COLUMNS] __attribute__((aligned(64)));
	size_t units = product->panels * NN_FUSED_UNITS;

#define BODY                                                                                       \
	do                                                                                             \
	{                                                                                              \
		FUSED(tiles)(rows, panels, product, row, panel, gates, panels * NN_FUSED_COLUMNS);         \
		FUSED(cells)                                                                               \
		(rows, panels, gates, c + row * units + panel * NN_FUSED_UNITS, units,                     \
		 (FUSED(value) *) h + row * ld_h + panel * NN_FUSED_UNITS, ld_h);                          \
	} while (0)
	FUSED_EACH(m, product, BODY);
#undef BODY
}

/* The sums over columns stay 16 apart until the end, whatever a vector holds. */
static void
FUSED(attend)(size_t m, const nn_product *product, const real *query, real *score)
{
	real sums[TILE_ROWS * NN_FUSED_COLUMNS] __attribute__((aligned(64)));
	size_t rows;

	for (size_t row = 0; row < m; row += rows)
	{
		vreal total[TILE_ROWS][SUBS] = { { v_set(0) } };
		size_t panels;

		rows = FUSED(height)(m - row);
		for (size_t panel = 0; panel < product->panels; panel += panels)
		{
			panels = FUSED(width)(rows, product->panels - panel);
			FUSED(tiles)(rows, panels, product, row, panel, sums, panels * NN_FUSED_COLUMNS);
			for (size_t r = 0; r < rows; r++)
				for (size_t i = 0; i < panels * NN_FUSED_COLUMNS; i += V_LANES)
				{
					size_t sub = i / V_LANES % SUBS;

					total[r][sub] =
						v_fma(v_tanh(v_load(sums + r * panels * NN_FUSED_COLUMNS + i)),
							  v_load(query + panel * NN_FUSED_COLUMNS + i), total[r][sub]);
				}
		}
		for (size_t r = 0; r < rows; r++)
			score[row + r] = fused_sum(total[r]);
	}
}

static void
FUSED(add_rows)(size_t n, const real *start, size_t count, const real *const *rows, real *y)
{
	for (size_t i = 0; i < n; i += V_LANES)
	{
		vreal sum = v_load(start + i);

		for (size_t r = 0; r < count; r++)
			sum += v_load(rows[r] + i);
		v_store(y + i, v_maximum(v_set(0), sum));
	}
}

static void
FUSED(pool)(size_t n, size_t count, const uint32_t *offset, size_t b, const real *share,
			const void *x, real *y)
{
	for (size_t i = 0; i < n; i += NN_FUSED_UNITS)
	{
		vreal sum[SUBS] = { v_set(0) };

		for (size_t t = 0; t < count; t++)
		{
			size_t row = offset[t] + b;
			const FUSED(value) *from = (const FUSED(value) *) x + row * n + i;
			vreal factor = v_set(FUSED_NUMBERS == 2 ? share[row] * NN_STATE_SCALE : share[row]);

			FUSED_UNROLL for (size_t sub = 0; sub < SUBS; sub++) sum[sub] =
				v_fma(factor, FUSED(get)(from + sub * V_LANES), sum[sub]);
		}
		FUSED_UNROLL for (size_t sub = 0; sub < SUBS; sub++)
			v_store(y + i + sub * V_LANES, sum[sub]);
	}
}

static void
FUSED(to_values)(size_t n, const real *x, bool positive, void *y, real *scale)
{
	FUSED(value) *to = y;
#if FUSED_NUMBERS == 2
	vreal largest = v_set(0);
	vreal units;
	real most;

	for (size_t i = 0; i < n; i += V_LANES)
		largest = v_maximum(v_maximum(largest, v_load(x + i)), v_set(0) - v_load(x + i));
	most = fused_largest(largest);
	*scale = most / (positive ? NN_POSITIVE_UNITS : NN_STATE_UNITS);
	/* beyond the normal numbers there is no reciprocal */
	if (most < NN_LEAST_SCALED)
		*scale = 0;
	units = v_set(*scale > 0 ? (positive ? NN_POSITIVE_UNITS : NN_STATE_UNITS) / most : 0);
	for (size_t i = 0; i < n; i += V_LANES)
		fused_put_bytes(to + i, fused_units(v_load(x + i), units, positive ? 0 : NN_STATE_ZERO));
#else
	(void) positive;
	(void) scale;
	for (size_t i = 0; i < n; i += V_LANES)
		FUSED(put)(to + i, v_load(x + i));
#endif
}

#undef TILE_ROWS
#undef TILE_PANELS
#undef FUSED_EACH
#undef DEPTH
