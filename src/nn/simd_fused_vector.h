/*
 * simd_fused_vector.h
 *	  What the kernels of simd_fused.h need of vectors besides simd_vector.h, once for all rules of
 *	  arithmetic: the cell of an LSTM, pairs of halves, units of bytes. Every operation has the same bits on
 *	  every instruction set, given a fused multiply-add.
 */
#ifndef EMOTION_NN_SIMD_FUSED_VECTOR_H
#define EMOTION_NN_SIMD_FUSED_VECTOR_H

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

/* exp(-x), as in v_sigmoid; a sigmoid is 1e-13 at least */
V_INLINE vreal
fused_exp_minus(vreal x)
{
	vreal r;
	vreal rounded = v_reduce(v_maximum(v_set(-30), v_minimum(v_set(30), -x)), &r);

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

/*
 * With e = exp(-x) and t = expm1(2y), sigmoid(x) = 1 / (1 + e) and tanh(y) = t / (t + 2): of sums of such
 * products one fraction is made, because a division takes as long as many multiplications. The
 * limits of fused_exp_minus keep it finite. No product meets a sum here but by v_fma: compilers
 * contract where they have the instruction.
 */
V_INLINE void
fused_cell(vreal i, vreal f, vreal g, vreal o, vreal *c, vreal *h)
{
	vreal kept = fused_exp_minus(f) + v_set(1);
	vreal t = fused_expm1(g);
	vreal added = (fused_exp_minus(i) + v_set(1)) * (t + v_set(2));

	*c = v_fma(*c, added, t * kept) / (kept * added);
	t = fused_expm1(*c);
	*h = t / ((fused_exp_minus(o) + v_set(1)) * (t + v_set(2)));
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
#if SIMD_LEVEL == 3
	return _mm512_reduce_max_ps((__m512) v);
#else
	real largest = v[0];

	for (int i = 1; i < V_LANES; i++)
		if (v[i] > largest)
			largest = v[i];
	return largest;
#endif
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
#if SIMD_LEVEL == 2
typedef __m256i fused_wide;
#define FUSED_WIDE(name) _mm256_##name
#elif SIMD_LEVEL == 0 && defined(NN_SIMD_X86)
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

#endif /* EMOTION_NN_SIMD_FUSED_VECTOR_H */
