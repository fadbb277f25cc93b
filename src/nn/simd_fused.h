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
#define TILE_PANELS(rows) ((rows) == 1 ? 4 : (rows) == 2 ? 2 : 1)
#else
#define TILE_ROWS 3
#define TILE_PANELS(rows) ((rows) == 1 ? 2 : 1)
#endif

#ifndef EMOTION_SIMD_FUSED_ONCE
#define EMOTION_SIMD_FUSED_ONCE

#if defined(__clang__)
#define FUSED_UNROLL _Pragma("clang loop unroll(full)")
#else
#define FUSED_UNROLL _Pragma("GCC unroll 32")
#endif

/* Keeps v in a register: gcc would rather load it again for every row. */
#if SIMD_LEVEL >= 2 && defined(__GNUC__) && !defined(__clang__)
#define FUSED_HOLD(v) __asm__("" : "+v"(v))
#else
#define FUSED_HOLD(v) (void) (v)
#endif

/* Vectors in 16 columns; four of such 16 make a panel. */
#define FUSED_TABLE(prefix)                                                                        \
	{                                                                                              \
		sizeof(prefix##value), prefix##to_values, prefix##multiply, prefix##lstm_step,             \
			prefix##attend, prefix##add_rows, prefix##pool                                         \
	}

#define SUBS (NN_FUSED_UNITS / V_LANES)
#define GROUPS 4

#ifdef EMOTION_DOUBLE

V_INLINE void
fused_cell(vreal i, vreal f, vreal g, vreal o, vreal *c, vreal *h)
{
	*c = v_sigmoid(f) * *c + v_sigmoid(i) * v_tanh(g);
	*h = v_sigmoid(o) * v_tanh(*c);
}

#else

/* exp(-x), as in v_sigmoid */
V_INLINE vreal
fused_exp_minus(vreal x)
{
	vreal r;
	vreal rounded = v_reduce(v_maximum(v_set(-88), v_minimum(v_set(89), -x)), &r);

	return v_exp_reduced(r) * v_power(rounded);
}

/* expm1(2x), as in v_tanh */
V_INLINE vreal
fused_expm1(vreal x)
{
	vreal r;
	vreal rounded = v_reduce(v_maximum(v_set(-20), v_minimum(v_set(20), x + x)), &r);
	vreal power = v_power(rounded);

	return v_fma(v_fma(v_polynomial(r) * r, r, r), power, power - v_set(1));
}

/* sigmoid(x) tanh(y) by one division: 1 / (1 + e) t / (t + 2); an infinite divisor gives 0, as it should */
V_INLINE vreal
fused_gated(vreal x, vreal y)
{
	vreal t = fused_expm1(y);

	return t / ((fused_exp_minus(x) + v_set(1)) * (t + v_set(2)));
}

/* No product meets a sum here but by v_fma: compilers contract where they have the instruction. */
V_INLINE void
fused_cell(vreal i, vreal f, vreal g, vreal o, vreal *c, vreal *h)
{
	*c = *c / (fused_exp_minus(f) + v_set(1)) + fused_gated(i, g);
	*h = fused_gated(o, *c);
}

#endif

/* The sum of 16 numbers: halves are added lane by lane until one number is left. */
V_INLINE real
fused_sum(vreal *v)
{
	for (size_t half = SUBS / 2; half > 0; half /= 2)
		for (size_t i = 0; i < half; i++)
			v[i] += v[i + half];
	return v_sum(v[0]);
}

/* Integers beside the reals, and bytes on their way to and from them. */
#ifdef EMOTION_DOUBLE
typedef int32_t vints;

V_INLINE vints
fused_ints(const int32_t *p)
{
	return *p;
}
V_INLINE vreal
v_from_ints(vints x)
{
	return x;
}
V_INLINE void
fused_put_bytes(uint8_t *to, vreal x)
{
	*to = (uint8_t) x;
}
V_INLINE vreal
fused_get_bytes(const uint8_t *from)
{
	return *from;
}
V_INLINE vreal
fused_units(vreal x, vreal units, real zero)
{
	return rint(x * units) + zero;
}
V_INLINE real
fused_largest(vreal v)
{
	return v;
}
#else
typedef int32_t vints __attribute__((vector_size(4 * V_LANES)));
typedef int32_t vints_memory __attribute__((vector_size(4 * V_LANES), aligned(4), may_alias));
typedef uint8_t vbytes __attribute__((vector_size(V_LANES)));
typedef uint8_t vbytes_memory __attribute__((vector_size(V_LANES), aligned(1), may_alias));

V_INLINE vints
fused_ints(const int32_t *p)
{
	return *(const vints_memory *) p;
}
V_INLINE vreal
v_from_ints(vints x)
{
	return __builtin_convertvector(x, vreal);
}
V_INLINE void
fused_put_bytes(uint8_t *to, vreal x)
{
	*(vbytes_memory *) to = __builtin_convertvector((vbits) x, vbytes);
}
V_INLINE vreal
fused_get_bytes(const uint8_t *from)
{
	return __builtin_convertvector(*(const vbytes_memory *) from, vreal);
}
/* x units to the nearest whole number, and `zero` more, in the low bits of a float (see v_reduce) */
V_INLINE vreal
fused_units(vreal x, vreal units, real zero)
{
	return v_fma(x, units, v_set(V_ROUND)) + v_set(zero);
}
V_INLINE real
fused_largest(vreal v)
{
	real largest = v[0];

	for (int i = 1; i < V_LANES; i++)
		if (v[i] > largest)
			largest = v[i];
	return largest;
}
#endif

V_INLINE uint32_t
fused_word(const uint8_t *bytes)
{
	uint32_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/*
 * Products of four bytes and four signed ones per lane, summed, without an instruction for it: those of
 * bytes 0 and 2, and those of 1 and 3, as numbers of 16 bits.
 */
#if SIMD_LEVEL == 3
typedef __m512i fused_wide;
#define FUSED_WIDE(name) _mm512_##name
#elif SIMD_LEVEL == 2
typedef __m256i fused_wide;
#define FUSED_WIDE(name) _mm256_##name
#elif defined(NN_SIMD_X86)
typedef __m128i fused_wide;
#define FUSED_WIDE(name) _mm_##name
#endif

#ifdef FUSED_WIDE

typedef struct fused_four
{
	fused_wide even, odd;
} fused_four;

V_INLINE fused_four
fused_four_bytes(const uint8_t *x)
{
	fused_wide all = FUSED_WIDE(set1_epi32)((int) fused_word(x));

	return (fused_four){ FUSED_WIDE(srli_epi16)(FUSED_WIDE(slli_epi16)(all, 8), 8),
						 FUSED_WIDE(srli_epi16)(all, 8) };
}
V_INLINE fused_four
fused_four_weights(const uint32_t *cell)
{
	fused_wide all = (fused_wide) fused_ints((const int32_t *) cell);

	return (fused_four){ FUSED_WIDE(srai_epi16)(FUSED_WIDE(slli_epi16)(all, 8), 8),
						 FUSED_WIDE(srai_epi16)(all, 8) };
}
V_INLINE vints
fused_four_products(fused_four x, fused_four weight)
{
	return (vints) FUSED_WIDE(madd_epi16)(x.even, weight.even) +
		   (vints) FUSED_WIDE(madd_epi16)(x.odd, weight.odd);
}

#else

typedef struct fused_four
{
	vints k[4];
} fused_four;

V_INLINE fused_four
fused_four_bytes(const uint8_t *x)
{
	vints zero = { 0 };

	return (fused_four){ { zero + x[0], zero + x[1], zero + x[2], zero + x[3] } };
}
V_INLINE fused_four
fused_four_weights(const uint32_t *cell)
{
	vints all = fused_ints((const int32_t *) cell);
	fused_four weight;

	for (int k = 0; k < 4; k++)
		weight.k[k] = ((all >> 8 * k & 0xff) ^ 0x80) - 0x80;
	return weight;
}
V_INLINE vints
fused_four_products(fused_four x, fused_four weight)
{
	return x.k[0] * weight.k[0] + x.k[1] * weight.k[1] + x.k[2] * weight.k[2] +
		   x.k[3] * weight.k[3];
}

#endif

typedef struct fused_pair
{
	vreal first, second;
} fused_pair;

#ifdef EMOTION_DOUBLE
V_INLINE fused_pair
fused_split(const uint32_t *cell)
{
	nn_bf16 halves[2];

	memcpy(halves, cell, sizeof(halves));
	return (fused_pair){ v_get_bf16(&halves[0], 1), v_get_bf16(&halves[1], 1) };
}
V_INLINE vreal
fused_rounded(vreal x)
{
	nn_bf16 half;

	v_put_bf16(&half, x, 1);
	return v_get_bf16(&half, 1);
}
#else
typedef uint32_t vbits_memory __attribute__((vector_size(4 * V_LANES), aligned(4), may_alias));

V_INLINE fused_pair
fused_split(const uint32_t *cell)
{
	vbits bits = *(const vbits_memory *) cell;

	return (fused_pair){ (vreal) (bits << 16), (vreal) (bits & v_set_bits(0xffff0000)) };
}
V_INLINE vreal
fused_rounded(vreal x)
{
	return v_from_bf16(v_to_bf16(x));
}
#endif

#endif /* EMOTION_SIMD_FUSED_ONCE */

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
					vreal half = v_fma(v_set(a[r * ld + 1]), weight.second, sum[r * groups + g]);

					sum[r * groups + g] = v_fma(v_set(a[r * ld]), weight.first, half);
				}
			}
#else
			FUSED_UNROLL for (size_t g = 0; g < groups; g++)
			{
				vreal weight = v_load(CELLS(g));

				FUSED_HOLD(weight);
				FUSED_UNROLL for (size_t r = 0; r < rows; r++) sum[r * groups + g] =
					v_fma(v_set(a[r * ld]), weight, sum[r * groups + g]);
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
		TILE(1, 3);
		TILE(1, 4);
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
		for (size_t panel = 0; panel < (product)->panels; panel += panels)                         \
		{                                                                                          \
			size_t rows = (m);                                                                     \
			panels = FUSED(width)(rows, (product)->panels - panel);                                \
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
