/*
 * mix.h
 *	  The finaliser of splitmix64 (Steele, Lea and Flood 2014): a bijection of
 *	  64-bit numbers that makes counters random and hashes even.
 *
 * Private to this room.
 */
#ifndef EMOTION_DATA_MIX_H
#define EMOTION_DATA_MIX_H

#include <stdint.h>

#define DATA_GOLDEN UINT64_C(0x9E3779B97F4A7C15)

static inline uint64_t
data_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
	return x ^ (x >> 31);
}

/* Output number index of splitmix64's sequence that starts at data_mix(seed). */
static inline uint64_t
data_random(uint64_t seed, uint64_t index)
{
	return data_mix(data_mix(seed) + (index + 1) * DATA_GOLDEN);
}

/* floor(random * below / 2^64): even to below / 2^64; below: at most 2^32. */
static inline uint64_t
data_random_below(uint64_t random, uint64_t below)
{
	return ((random >> 32) * below + (((random & UINT32_MAX) * below) >> 32)) >> 32;
}

#endif /* EMOTION_DATA_MIX_H */
