/*
 * real.h
 *	  The number type of the network. The product is float; the gradient tests
 *	  build the same sources with EMOTION_DOUBLE, because finite differences in
 *	  float cannot tell a wrong gradient from rounding.
 */
#ifndef EMOTION_NN_REAL_H
#define EMOTION_NN_REAL_H

#ifdef EMOTION_DOUBLE
typedef double real;
#else
typedef float real;
#endif

#endif /* EMOTION_NN_REAL_H */
