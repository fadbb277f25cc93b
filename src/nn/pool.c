/*
 * pool.c
 *	  Threads that wait for a round of tasks, claim them one by one and say when
 *	  they are through.
 *
 * A round ends when every worker has come through it, not merely when every
 * task is done: so no worker can meet the next round's tasks with the last
 * round's function.
 */
#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#define MOST_THREADS 256

/* Tasks compute and call a BLAS; the default would follow a backend's stack limit. */
#define STACK_SIZE ((size_t) 2 * 1024 * 1024)

struct nn_pool
{
	em_allocator allocator;
	int workers; /* threads started, the caller not counted */
	pthread_mutex_t mutex;
	pthread_cond_t round_begins;
	pthread_cond_t round_ends;

	/* under mutex */
	uint64_t round;
	int busy; /* workers that are not yet through this round */
	bool stop;

	/* of this round; written under mutex before it begins */
	void (*task)(void *context, size_t index);
	void *context;
	size_t count;
	atomic_size_t next;

	pthread_t threads[];
};

static void
claim_tasks(nn_pool *pool)
{
	size_t index;

	while ((index = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed)) < pool->count)
		pool->task(pool->context, index);
}

static void *
work(void *argument)
{
	nn_pool *pool = argument;
	uint64_t seen = 0;

	pthread_mutex_lock(&pool->mutex);
	for (;;)
	{
		while (pool->round == seen && !pool->stop)
			pthread_cond_wait(&pool->round_begins, &pool->mutex);
		if (pool->stop)
			break;
		seen = pool->round;
		pthread_mutex_unlock(&pool->mutex);
		claim_tasks(pool);
		pthread_mutex_lock(&pool->mutex);
		if (--pool->busy == 0)
			pthread_cond_signal(&pool->round_ends);
	}
	pthread_mutex_unlock(&pool->mutex);
	return NULL;
}

/* Start the threads with every signal blocked, which they inherit; 0 or an errno. */
static int
start_threads(nn_pool *pool, int wanted)
{
	pthread_attr_t attributes;
	sigset_t all;
	sigset_t before;
	int error = pthread_attr_init(&attributes);

	if (error != 0)
		return error;
	sigfillset(&all);
	error = pthread_attr_setstacksize(&attributes, STACK_SIZE);
	if (error == 0)
		error = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (error == 0)
	{
		while (pool->workers < wanted)
		{
			error = pthread_create(&pool->threads[pool->workers], &attributes, work, pool);
			if (error != 0)
				break;
			pool->workers++;
		}
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	pthread_attr_destroy(&attributes);
	return error;
}

em_code
nn_pool_create(const em_allocator *allocator, int threads, nn_pool **result, em_status *status)
{
	nn_pool *pool;
	int error;

	*result = NULL;
	if (threads < 1 || threads > MOST_THREADS)
		return em_fail(status, EM_INVALID_OPTION, "number of threads %d is not between 1 and %d",
					   threads, MOST_THREADS);
	pool = em_allocate_zeroed(allocator, 1,
							  sizeof(*pool) + (size_t) (threads - 1) * sizeof(pool->threads[0]));
	if (pool == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	pool->allocator = *allocator;
	atomic_init(&pool->next, 0);

	error = pthread_mutex_init(&pool->mutex, NULL);
	if (error != 0)
		goto no_mutex;
	error = pthread_cond_init(&pool->round_begins, NULL);
	if (error != 0)
		goto no_round_begins;
	error = pthread_cond_init(&pool->round_ends, NULL);
	if (error != 0)
		goto no_round_ends;
	error = start_threads(pool, threads - 1);
	if (error != 0)
	{
		nn_pool_destroy(pool);
		goto failed;
	}
	*result = pool;
	return EM_OK;

no_round_ends:
	pthread_cond_destroy(&pool->round_begins);
no_round_begins:
	pthread_mutex_destroy(&pool->mutex);
no_mutex:
	em_release(allocator, pool);
failed:
	em_fail(status, EM_SYSTEM, "could not start %d threads: %s", threads - 1, strerror(error));
	em_hint(status, "Ask for fewer threads, or raise the system's limit on processes.");
	return EM_SYSTEM;
}

void
nn_pool_destroy(nn_pool *pool)
{
	em_allocator allocator;
	int i;

	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->mutex);
	pool->stop = true;
	pthread_cond_broadcast(&pool->round_begins);
	pthread_mutex_unlock(&pool->mutex);
	for (i = 0; i < pool->workers; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->round_ends);
	pthread_cond_destroy(&pool->round_begins);
	pthread_mutex_destroy(&pool->mutex);
	allocator = pool->allocator;
	em_release(&allocator, pool);
}

int
nn_pool_threads(const nn_pool *pool)
{
	return pool == NULL ? 1 : pool->workers + 1;
}

void
nn_pool_run(nn_pool *pool, size_t count, void (*task)(void *context, size_t index), void *context)
{
	size_t i;

	if (pool == NULL || pool->workers == 0 || count <= 1)
	{
		for (i = 0; i < count; i++)
			task(context, i);
		return;
	}
	pthread_mutex_lock(&pool->mutex);
	pool->task = task;
	pool->context = context;
	pool->count = count;
	atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
	pool->busy = pool->workers;
	pool->round++;
	pthread_cond_broadcast(&pool->round_begins);
	pthread_mutex_unlock(&pool->mutex);

	claim_tasks(pool);

	pthread_mutex_lock(&pool->mutex);
	while (pool->busy > 0)
		pthread_cond_wait(&pool->round_ends, &pool->mutex);
	pthread_mutex_unlock(&pool->mutex);
}
