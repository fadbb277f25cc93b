/*
 * simd_int8.h
 *	  Rounding the inputs of int8.h, for one instruction set.
 */

/*
 * Whole numbers nearest to x, of two the even, by conversion and not by adding: an addition could be
 * fused with the multiplication before it, and round differently from machine to machine.
 */
#ifdef EMOTION_DOUBLE
V_INLINE void
round_to_bytes(vreal x, size_t count, uint8_t flip, uint8_t *out)
{
	if (count > 0)
		*out = (uint8_t) ((uint8_t) (int8_t) lrint(x) ^ flip);
}
#else
typedef int32_t vwhole __attribute__((vector_size(4 * V_LANES)));
typedef uint8_t vbytes __attribute__((vector_size(V_LANES)));
typedef uint8_t vbytes_memory __attribute__((vector_size(V_LANES), aligned(1), may_alias));

V_INLINE void
round_to_bytes(vreal x, size_t count, uint8_t flip, uint8_t *out)
{
	vbytes bytes;
#if SIMD_LEVEL == 3
	bytes = __builtin_convertvector((vwhole) _mm512_cvtps_epi32((__m512) x), vbytes);
#elif SIMD_LEVEL == 2
	bytes = __builtin_convertvector((vwhole) _mm256_cvtps_epi32((__m256) x), vbytes);
#elif defined(NN_SIMD_X86)
	bytes = __builtin_convertvector((vwhole) _mm_cvtps_epi32((__m128) x), vbytes);
#else
	vwhole whole = { (int32_t) lrintf(x[0]), (int32_t) lrintf(x[1]), (int32_t) lrintf(x[2]),
					 (int32_t) lrintf(x[3]) };

	bytes = __builtin_convertvector(whole, vbytes);
#endif
	bytes = bytes ^ flip;
	if (count == V_LANES)
		*(vbytes_memory *) out = bytes;
	else
		memcpy(out, &bytes, count);
}
#endif

/* Rows of smaller numbers than this are taken for zeros: 127 / them could overflow. */
#define INT8_SMALLEST ((real) 1e-30)

/*
 * The scale of one row of n numbers, which go into out, their bits XORed with flip: 0, or 0x80 for an
 * offset of 128. The row is filled up to `padded` with zeros.
 */
static real
kernel_round_row(size_t n, size_t padded, const real *x, uint8_t flip, uint8_t *out)
{
	vreal most = v_set(0);
	real lanes[V_LANES];
	real largest = 0, factor;
	size_t i;

#define BODY(i, count)                                                                             \
	most = v_maximum(most, v_maximum(-v_get(x + (i), count), v_get(x + (i), count)))
	V_EACH(n, BODY);
#undef BODY
	v_store(lanes, most);
	for (i = 0; i < V_LANES; i++)
		largest = lanes[i] > largest ? lanes[i] : largest;
	memset(out + n, flip, padded - n);
	if (!(largest >= INT8_SMALLEST))
	{
		memset(out, flip, n);
		return 0;
	}
	factor = 127 / largest;
#define BODY(i, count) round_to_bytes(v_get(x + (i), count) * v_set(factor), count, flip, out + (i))
	V_EACH(n, BODY);
#undef BODY
	return largest / 127;
}
