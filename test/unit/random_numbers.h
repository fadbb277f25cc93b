/*
 * random_numbers.h
 *	  Numbers that look random and are the same in every run (Knuth's MMIX generator).
 */
#ifndef EMOTION_RANDOM_NUMBERS_H
#define EMOTION_RANDOM_NUMBERS_H

#include <stdint.h>

static uint64_t random_state = 1;

static inline uint32_t
random_number(uint32_t below)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t) (random_state >> 33) % below;
}

#endif /* EMOTION_RANDOM_NUMBERS_H */
