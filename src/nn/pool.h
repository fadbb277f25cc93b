/*
 * pool.h
 *	  A fixed set of threads that run numbered tasks.
 *
 * The threads are born with every signal blocked and never call back into
 * their creator's world: a task may compute, nothing else (no allocation, no
 * PostgreSQL).
 */
#ifndef EMOTION_NN_POOL_H
#define EMOTION_NN_POOL_H

#include "../base.h"

typedef struct nn_pool nn_pool;

/*
 * A pool of `threads` workers in all, the caller's thread being one of them: 1
 * starts none. EM_SYSTEM when the system refuses a thread; nothing is left
 * running then. threads is 1..256.
 */
em_code nn_pool_create(const em_allocator *allocator, int threads, nn_pool **pool,
					   em_status *status);

/* Waits for the threads to end. NULL is allowed. */
void nn_pool_destroy(nn_pool *pool);

int nn_pool_threads(const nn_pool *pool);

/*
 * Run task(context, i) for every i in 0..count-1, each once, in any order and
 * on any thread; returns when all are done. Not re-entrant. A pool of NULL runs
 * them here in order.
 */
void nn_pool_run(nn_pool *pool, size_t count, void (*task)(void *context, size_t index),
				 void *context);

#endif /* EMOTION_NN_POOL_H */
