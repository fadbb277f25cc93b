/*
 * simd_philox.h
 *	  Dropout masks from many Philox blocks at a time (see random.h).
 *
 * Each word of a block lies in the low half of a 64-bit lane, because that is
 * what x86 multiplies 32 x 32 -> 64; the high halves hold garbage that the next
 * multiplication ignores.
 */

#ifdef NN_SIMD_X86

typedef uint64_t vwide __attribute__((vector_size(4 * V_LANES)));

#if SIMD_LEVEL == 3
#define WIDE(op, ...) ((vwide) _mm512_##op(__VA_ARGS__))
typedef __m512i vwide_raw;
#elif SIMD_LEVEL == 2
#define WIDE(op, ...) ((vwide) _mm256_##op(__VA_ARGS__))
typedef __m256i vwide_raw;
#else
#define WIDE(op, ...) ((vwide) _mm_##op(__VA_ARGS__))
typedef __m128i vwide_raw;
#endif

V_INLINE vwide
v_set_wide(uint64_t a)
{
#if SIMD_LEVEL == 3
	return (vwide) _mm512_set1_epi64((long long) a);
#elif SIMD_LEVEL == 2
	return (vwide) _mm256_set1_epi64x((long long) a);
#else
	return (vwide){ a, a };
#endif
}

V_INLINE vwide
v_multiply_low(vwide a, vwide b)
{
	return WIDE(mul_epu32, (vwide_raw) a, (vwide_raw) b);
}

/* keep where the word is at least threshold, else 0 */
V_INLINE vreal
v_keep(vwide words, uint32_t threshold, real keep)
{
#if SIMD_LEVEL == 3
	__mmask16 kept = _mm512_cmpge_epu32_mask((__m512i) words, _mm512_set1_epi32((int) threshold));

	return (vreal) _mm512_maskz_mov_ps(kept, _mm512_set1_ps(keep));
#else
	return (vreal) ((vbits) ((vbits) words >= v_set_bits(threshold)) & (vbits) v_set(keep));
#endif
}

static size_t
kernel_dropout_blocks(const uint32_t key[2], const uint32_t counter[4], size_t blocks,
					  uint32_t threshold, real keep, real *mask)
{
	/*
	 * Two sets of lanes at a time hide the multiplier's latency. Lanes are numbered so
	 * that unpacking, which works within 128 bits, leaves the blocks in order.
	 */
	enum
	{
		LANES = V_LANES / 2,
		SETS = 2
	};
#if SIMD_LEVEL == 3
	const vwide lane = { 0, 4, 1, 5, 2, 6, 3, 7 };
#elif SIMD_LEVEL == 2
	const vwide lane = { 0, 2, 1, 3 };
#else
	const vwide lane = { 0, 1 };
#endif
	const vwide low = v_set_wide(UINT32_MAX);
	size_t done;

	for (done = 0; done + SETS * LANES <= blocks; done += SETS * LANES)
	{
		vwide c0[SETS], c1[SETS], c2[SETS], c3[SETS];
		uint32_t k0 = key[0];
		uint32_t k1 = key[1];
		int round, s;

		V_UNROLL for (s = 0; s < SETS; s++)
		{
			c0[s] = v_set_wide(counter[0] + done + (size_t) s * LANES) + lane;
			c1[s] = v_set_wide(counter[1]);
			c2[s] = v_set_wide(counter[2]);
			c3[s] = v_set_wide(counter[3]);
		}
		V_UNROLL for (round = 0; round < NN_PHILOX_ROUNDS; round++)
		{
			V_UNROLL for (s = 0; s < SETS; s++)
			{
				vwide product0 = v_multiply_low(c0[s], v_set_wide(NN_PHILOX_M0));
				vwide product1 = v_multiply_low(c2[s], v_set_wide(NN_PHILOX_M1));

				c0[s] = (product1 >> 32) ^ c1[s] ^ v_set_wide(k0);
				c1[s] = product1;
				c2[s] = (product0 >> 32) ^ c3[s] ^ v_set_wide(k1);
				c3[s] = product0;
			}
			k0 += NN_PHILOX_W0;
			k1 += NN_PHILOX_W1;
		}
		V_UNROLL for (s = 0; s < SETS; s++)
		{
			vwide first = (c0[s] & low) | (c1[s] << 32);
			vwide second = (c2[s] & low) | (c3[s] << 32);

			v_store(mask, v_keep(WIDE(unpacklo_epi64, (vwide_raw) first, (vwide_raw) second),
								 threshold, keep));
			v_store(mask + V_LANES,
					v_keep(WIDE(unpackhi_epi64, (vwide_raw) first, (vwide_raw) second), threshold,
						   keep));
			mask += 2 * V_LANES;
		}
	}
	return done;
}

#else /* the caller's plain loop */

static size_t
kernel_dropout_blocks(const uint32_t key[2], const uint32_t counter[4], size_t blocks,
					  uint32_t threshold, real keep, real *mask)
{
	(void) key;
	(void) counter;
	(void) blocks;
	(void) threshold;
	(void) keep;
	(void) mask;
	return 0;
}

#endif
