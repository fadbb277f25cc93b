/*
 * simd_vector.h
 *	  The vector type under the kernels: V_LANES floats and the few operations
 *	  that differ between instruction sets. +, -, * and / are the compiler's.
 *
 * The includer sets SIMD_LEVEL (0 baseline, 2 AVX2 with FMA, 3 AVX-512) and has
 * made the compiler accept that level's instructions. In double builds a vector
 * is one double and the functions are libm's, so the gradient tests run the very
 * kernels that the product runs.
 *
 * There is no include guard: one .c file, one level.
 */

#define V_INLINE static inline __attribute__((always_inline, unused))

#ifdef EMOTION_DOUBLE

#define V_LANES 1
typedef double vreal;

V_INLINE vreal
v_load(const real *p)
{
	return *p;
}
V_INLINE void
v_store(real *p, vreal v)
{
	*p = v;
}
V_INLINE vreal
v_load_part(const real *p, size_t count)
{
	return count > 0 ? *p : 0;
}
V_INLINE void
v_store_part(real *p, vreal v, size_t count)
{
	if (count > 0)
		*p = v;
}
V_INLINE vreal
v_set(real a)
{
	return a;
}
V_INLINE vreal
v_fma(vreal a, vreal b, vreal c)
{
	return a * b + c;
}
V_INLINE vreal
v_maximum(vreal limit, vreal x)
{
	return x < limit ? limit : x;
}
V_INLINE vreal
v_sqrt(vreal x)
{
	return sqrt(x);
}
V_INLINE vreal
v_where_positive(vreal y, vreal x)
{
	return y > 0 ? x : 0;
}
V_INLINE real
v_sum(vreal v)
{
	return v;
}
V_INLINE void
v_sum4(vreal a, vreal b, vreal c, vreal d, real *total)
{
	total[0] = a;
	total[1] = b;
	total[2] = c;
	total[3] = d;
}
V_INLINE double
v_sum_of_squares(const real *x, size_t vectors)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < vectors; i++)
		sum += x[i] * x[i];
	return sum;
}
V_INLINE vreal
v_exp(vreal x)
{
	return exp(x);
}
V_INLINE vreal
v_sigmoid(vreal x)
{
	return 1 / (1 + exp(-x));
}
V_INLINE vreal
v_tanh(vreal x)
{
	return tanh(x);
}
V_INLINE vreal
v_normal(vreal x, vreal *bell)
{
	*bell = exp(-0.5 * x * x);
	return 0.5 * erfc(-0x1.6a09e667f3bcdp-1 * x);
}

V_INLINE vreal
v_get_bf16(const nn_bf16 *p, size_t count)
{
	uint32_t bits = count > 0 ? (uint32_t) *p << 16 : 0;
	float x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}
V_INLINE void
v_put_bf16(nn_bf16 *p, vreal v, size_t count)
{
	float x = (float) v;
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	if (count > 0)
		*p = (nn_bf16) (v != v ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#else /* float */

#if SIMD_LEVEL == 3
#define V_LANES 16
#elif SIMD_LEVEL == 2
#define V_LANES 8
#else
#define V_LANES 4
#endif

typedef float vreal __attribute__((vector_size(4 * V_LANES)));
typedef uint32_t vbits __attribute__((vector_size(4 * V_LANES)));

/* The same where it lies in memory: aligned as a float, and aliasing one. */
typedef float vreal_memory __attribute__((vector_size(4 * V_LANES), aligned(4), may_alias));

V_INLINE vreal
v_load(const real *p)
{
	return *(const vreal_memory *) p;
}

V_INLINE void
v_store(real *p, vreal v)
{
	*(vreal_memory *) p = v;
}

V_INLINE vreal
v_set(real a)
{
#if SIMD_LEVEL == 3
	return (vreal) _mm512_set1_ps(a);
#elif SIMD_LEVEL == 2
	return (vreal) _mm256_set1_ps(a);
#else
	return (vreal){ a, a, a, a };
#endif
}

V_INLINE vbits
v_set_bits(uint32_t a)
{
#if SIMD_LEVEL == 3
	return (vbits) _mm512_set1_epi32((int) a);
#elif SIMD_LEVEL == 2
	return (vbits) _mm256_set1_epi32((int) a);
#else
	return (vbits){ a, a, a, a };
#endif
}

#if SIMD_LEVEL == 3

/* The first count lanes of p, zeros after: nothing beyond is touched. 0 < count < V_LANES. */
V_INLINE vreal
v_load_part(const real *p, size_t count)
{
	return (vreal) _mm512_maskz_loadu_ps((__mmask16) ((1u << count) - 1), p);
}

V_INLINE void
v_store_part(real *p, vreal v, size_t count)
{
	_mm512_mask_storeu_ps(p, (__mmask16) ((1u << count) - 1), (__m512) v);
}

V_INLINE vreal
v_fma(vreal a, vreal b, vreal c)
{
	return (vreal) _mm512_fmadd_ps((__m512) a, (__m512) b, (__m512) c);
}

/* The limits let NaN through: x86 answers the second operand when one is NaN. */
V_INLINE vreal
v_maximum(vreal limit, vreal x)
{
	return (vreal) _mm512_max_ps((__m512) limit, (__m512) x);
}

V_INLINE vreal
v_minimum(vreal limit, vreal x)
{
	return (vreal) _mm512_min_ps((__m512) limit, (__m512) x);
}

V_INLINE vreal
v_sqrt(vreal x)
{
	return (vreal) _mm512_sqrt_ps((__m512) x);
}

V_INLINE vreal
v_where_positive(vreal y, vreal x)
{
	__mmask16 positive = _mm512_cmp_ps_mask((__m512) y, _mm512_setzero_ps(), _CMP_GT_OQ);

	return (vreal) _mm512_maskz_mov_ps(positive, (__m512) x);
}

#elif SIMD_LEVEL == 2

V_INLINE __m256i
v_part(size_t count)
{
	static const int32_t edge[16] = { -1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0 };

	return _mm256_loadu_si256((const __m256i *) (edge + 8 - count));
}

V_INLINE vreal
v_load_part(const real *p, size_t count)
{
	return (vreal) _mm256_maskload_ps(p, v_part(count));
}

V_INLINE void
v_store_part(real *p, vreal v, size_t count)
{
	_mm256_maskstore_ps(p, v_part(count), (__m256) v);
}

V_INLINE vreal
v_fma(vreal a, vreal b, vreal c)
{
	return (vreal) _mm256_fmadd_ps((__m256) a, (__m256) b, (__m256) c);
}

V_INLINE vreal
v_maximum(vreal limit, vreal x)
{
	return (vreal) _mm256_max_ps((__m256) limit, (__m256) x);
}

V_INLINE vreal
v_minimum(vreal limit, vreal x)
{
	return (vreal) _mm256_min_ps((__m256) limit, (__m256) x);
}

V_INLINE vreal
v_sqrt(vreal x)
{
	return (vreal) _mm256_sqrt_ps((__m256) x);
}

V_INLINE vreal
v_where_positive(vreal y, vreal x)
{
	return (vreal) ((vbits) (y > v_set(0)) & (vbits) x);
}

#else /* baseline: SSE2, NEON, or whatever the compiler makes of it */

V_INLINE vreal
v_load_part(const real *p, size_t count)
{
	vreal v = { 0, 0, 0, 0 };
	size_t i;

	for (i = 0; i < count; i++)
		v[i] = p[i];
	return v;
}

V_INLINE void
v_store_part(real *p, vreal v, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		p[i] = v[i];
}

V_INLINE vreal
v_fma(vreal a, vreal b, vreal c)
{
	return a * b + c;
}

/* a where the comparison held, b elsewhere */
V_INLINE vreal
v_choose(vbits held, vreal a, vreal b)
{
	return (vreal) ((held & (vbits) a) | (~held & (vbits) b));
}

V_INLINE vreal
v_maximum(vreal limit, vreal x)
{
#ifdef NN_SIMD_X86
	return (vreal) _mm_max_ps((__m128) limit, (__m128) x);
#else
	return v_choose((vbits) (x < limit), limit, x);
#endif
}

V_INLINE vreal
v_minimum(vreal limit, vreal x)
{
#ifdef NN_SIMD_X86
	return (vreal) _mm_min_ps((__m128) limit, (__m128) x);
#else
	return v_choose((vbits) (x > limit), limit, x);
#endif
}

V_INLINE vreal
v_sqrt(vreal x)
{
#ifdef NN_SIMD_X86
	return (vreal) _mm_sqrt_ps((__m128) x);
#else
	return (vreal){ sqrtf(x[0]), sqrtf(x[1]), sqrtf(x[2]), sqrtf(x[3]) };
#endif
}

V_INLINE vreal
v_where_positive(vreal y, vreal x)
{
	return (vreal) ((vbits) (y > v_set(0)) & (vbits) x);
}

#endif /* SIMD_LEVEL */

/* The sum of the lanes, by halves. */
V_INLINE real
v_sum(vreal v)
{
#if SIMD_LEVEL == 3
	__m256 half =
		_mm256_add_ps(_mm512_castps512_ps256((__m512) v), _mm512_extractf32x8_ps((__m512) v, 1));
	__m128 sum = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
#elif SIMD_LEVEL == 2
	__m128 sum =
		_mm_add_ps(_mm256_castps256_ps128((__m256) v), _mm256_extractf128_ps((__m256) v, 1));
#else
	vreal sum = v;
#endif
	return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

/* total[i] = v_sum of the i-th */
V_INLINE void
v_sum4(vreal a, vreal b, vreal c, vreal d, real *total)
{
#if SIMD_LEVEL >= 2
#if SIMD_LEVEL == 3
#define HALVES(v)                                                                                  \
	_mm256_add_ps(_mm512_castps512_ps256((__m512) v), _mm512_extractf32x8_ps((__m512) v, 1))
#else
#define HALVES(v) ((__m256) v)
#endif
	__m256 pairs =
		_mm256_hadd_ps(_mm256_hadd_ps(HALVES(a), HALVES(b)), _mm256_hadd_ps(HALVES(c), HALVES(d)));

	_mm_storeu_ps(total,
				  _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1)));
#undef HALVES
#else
	total[0] = v_sum(a);
	total[1] = v_sum(b);
	total[2] = v_sum(c);
	total[3] = v_sum(d);
#endif
}

/* The sum of squares of x (vectors * V_LANES), in double. */
V_INLINE double
v_sum_of_squares(const real *x, size_t vectors)
{
	typedef float vhalf __attribute__((vector_size(2 * V_LANES), aligned(4), may_alias));
	typedef double vdouble __attribute__((vector_size(4 * V_LANES)));
	vdouble low = { 0 };
	vdouble high = { 0 };
	double sum = 0;
	size_t i;

	for (i = 0; i < vectors; i++, x += V_LANES)
	{
		vdouble a = __builtin_convertvector(*(const vhalf *) x, vdouble);
		vdouble b = __builtin_convertvector(*(const vhalf *) (x + V_LANES / 2), vdouble);

		low += a * a;
		high += b * b;
	}
	low += high;
	for (i = 0; i < V_LANES / 2; i++)
		sum += low[i];
	return sum;
}

/*
 * exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln 2 / 2. Adding 1.5 * 2^23
 * rounds, and leaves n in the low bits of the sum. ln 2 is subtracted in two
 * parts, the first so short that n times it is exact. Coefficients: minimax
 * for expm1(r) = r + r^2 P(r), relative error 2.9e-8 before rounding.
 */
#define V_ROUND 12582912.0f
#define V_ROUND_BITS UINT32_C(0x4B400000)

V_INLINE vreal
v_reduce(vreal x, vreal *r)
{
	vreal rounded = v_fma(x, v_set(0x1.715476p+0f), v_set(V_ROUND));
	vreal n = rounded - v_set(V_ROUND);

	*r = v_fma(n, v_set(2.12194440e-4f), v_fma(n, v_set(-0.693359375f), x));
	return rounded;
}

V_INLINE vreal
v_polynomial(vreal r)
{
	vreal p = v_set(0x1.69a2a4p-10f);

	p = v_fma(p, r, v_set(0x1.122b6ap-7f));
	p = v_fma(p, r, v_set(0x1.55587ap-5f));
	p = v_fma(p, r, v_set(0x1.5554b6p-3f));
	return v_fma(p, r, v_set(0.5f));
}

/* exp(r) */
V_INLINE vreal
v_exp_reduced(vreal r)
{
	vreal one = v_set(1);

	return v_fma(v_fma(v_polynomial(r), r, one), r, one);
}

/* 2^n of what v_reduce returned; n = -127 gives 0 and 128 infinity */
V_INLINE vreal
v_power(vreal rounded)
{
	return (vreal) (((vbits) rounded << 23) + v_set_bits(UINT32_C(127) << 23));
}

/*
 * The whole range, subnormal results included: 2^n in two factors, neither of
 * which overflows.
 */
V_INLINE vreal
v_exp(vreal x)
{
	vreal r;
	vreal rounded = v_reduce(v_maximum(v_set(-104), v_minimum(v_set(89), x)), &r);
#if SIMD_LEVEL == 3
	return (vreal) _mm512_scalef_ps((__m512) v_exp_reduced(r), (__m512) (rounded - v_set(V_ROUND)));
#else
	vbits n = (vbits) rounded - v_set_bits(V_ROUND_BITS - 256); /* n + 256 */
	vbits half = n >> 1;
	vbits first = (half - v_set_bits(1)) << 23;
	vbits second = (n - half - v_set_bits(1)) << 23;

	return v_exp_reduced(r) * (vreal) first * (vreal) second;
#endif
}

/* 1 / (1 + exp(-x)); the clamps keep n within what v_power can say */
V_INLINE vreal
v_sigmoid(vreal x)
{
	vreal r;
	vreal one = v_set(1);
	vreal rounded = v_reduce(v_maximum(v_set(-88), v_minimum(v_set(89), -x)), &r);

	return one / v_fma(v_exp_reduced(r), v_power(rounded), one);
}

/*
 * t / (t + 2) with t = expm1(2x) = 2^n expm1(r) + (2^n - 1), which keeps its
 * relative accuracy at small x. Beyond 10, tanh is 1 in float.
 */
V_INLINE vreal
v_tanh(vreal x)
{
	vreal r;
	vreal rounded = v_reduce(v_maximum(v_set(-20), v_minimum(v_set(20), x + x)), &r);
	vreal power = v_power(rounded);
	vreal t = v_fma(v_fma(v_polynomial(r) * r, r, r), power, power - v_set(1));

	return t / (t + v_set(2));
}

/*
 * The normal distribution's Phi(x) = (1 + erf(x / sqrt 2)) / 2, and *bell = exp(-x^2 / 2). For
 * negative x, Phi = bell t Q(t) with t = 1 / (1 + 0.3 |x|), as in Hastings 1955 for erfc; Q is minimax
 * on |x| <= 13.5 for the relative error, 2e-7 before rounding. Else 1 less that of -x.
 */
V_INLINE vreal
v_normal(vreal x, vreal *bell)
{
	vreal one = v_set(1);
	vreal t = one / v_fma(v_set(0.3f), v_maximum(-x, x), one);
	vreal q = v_set(0.03575629874f);
	vreal tail;

	*bell = v_exp(v_set(-0.5f) * x * x);
	q = v_fma(q, t, v_set(-0.15756453215f));
	q = v_fma(q, t, v_set(0.20702659359f));
	q = v_fma(q, t, v_set(-0.05436182871f));
	q = v_fma(q, t, v_set(0.12895746691f));
	q = v_fma(q, t, v_set(0.09978101776f));
	q = v_fma(q, t, v_set(0.12077728225f));
	q = v_fma(q, t, v_set(0.11962764188f));
	tail = q * t * *bell;
	return tail + v_where_positive(x, one - (tail + tail));
}

/* Lanes as the upper halves of floats: rounded to the nearest and of two the even, NaN quiet. */
typedef nn_bf16 vhalves __attribute__((vector_size(2 * V_LANES)));
typedef nn_bf16 vhalves_memory __attribute__((vector_size(2 * V_LANES), aligned(2), may_alias));

V_INLINE vhalves
v_to_bf16(vreal x)
{
	vbits bits = (vbits) x;
	vbits upper = bits >> 16;
	vbits rounded = (bits + v_set_bits(0x7fff) + (upper & v_set_bits(1))) >> 16;
	vbits nan = (vbits) (x != x); /* NOLINT(misc-redundant-expression): what only NaN is */

	return __builtin_convertvector((nan & (upper | v_set_bits(0x40))) | (~nan & rounded), vhalves);
}

V_INLINE vreal
v_from_bf16(vhalves x)
{
	return (vreal) (__builtin_convertvector(x, vbits) << 16);
}

V_INLINE vreal
v_get_bf16(const nn_bf16 *p, size_t count)
{
	vhalves x = { 0 };

	if (count == V_LANES)
		return v_from_bf16(*(const vhalves_memory *) p);
	memcpy(&x, p, count * sizeof(*p));
	return v_from_bf16(x);
}

V_INLINE void
v_put_bf16(nn_bf16 *p, vreal v, size_t count)
{
	vhalves x = v_to_bf16(v);

	if (count == V_LANES)
		*(vhalves_memory *) p = x;
	else
		memcpy(p, &x, count * sizeof(*p));
}

#endif /* EMOTION_DOUBLE */

/* A whole vector or the first count lanes; count is V_LANES at compile time in the long loops. */
V_INLINE vreal
v_get(const real *p, size_t count)
{
	return count == V_LANES ? v_load(p) : v_load_part(p, count);
}

V_INLINE void
v_put(real *p, vreal v, size_t count)
{
	if (count == V_LANES)
		v_store(p, v);
	else
		v_store_part(p, v, count);
}
