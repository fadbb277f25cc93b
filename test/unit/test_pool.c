/*
 * test_pool.c
 *	  The thread pool: every task once, signals blocked, threads gone afterwards.
 */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

/*
 * The pool's own source, so that the system can be made to refuse a thread: the
 * refuse_at-th from now (0: never).
 */
static int refuse_at = 0;

static int
refusing_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
				void *argument)
{
	if (refuse_at > 0 && --refuse_at == 0)
		return EAGAIN;
	return pthread_create(thread, attributes, start, argument);
}

#define pthread_create refusing_create
#include "../../src/nn/pool.c"
#undef pthread_create

enum
{
	MOST_TASKS = 1000,
	ROUNDS = 3000
};

typedef struct tally
{
	atomic_int times[MOST_TASKS];
	atomic_int elsewhere; /* tasks that ran on a thread other than the caller's */
	atomic_int unblocked; /* of those, tasks that found a signal not blocked */
	pthread_t caller;
} tally;

/* Threads of this process; -1 where /proc does not tell. */
static int
count_threads(void)
{
	DIR *directory = opendir("/proc/self/task");
	struct dirent *entry;
	int threads = 0;

	if (directory == NULL)
		return -1;
	while ((entry = readdir(directory)) != NULL)
		threads += entry->d_name[0] != '.';
	closedir(directory);
	return threads;
}

/* A joined thread leaves /proc a moment later. */
static bool
comes_down_to(int threads)
{
	int i;

	for (i = 0; i < 1000 && count_threads() != threads; i++)
	{
		struct timespec pause = { 0, 2000000 };

		nanosleep(&pause, NULL);
	}
	return count_threads() == threads;
}

static void
count_task(void *context, size_t index)
{
	tally *t = context;

	atomic_fetch_add(&t->times[index], 1);
}

static void
examine_signals(void *context, size_t index)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM,
								   SIGHUP, SIGQUIT, SIGCHLD, SIGPIPE, SIGURG };
	struct timespec pause = { 0, 1000000 };
	tally *t = context;
	sigset_t mask;
	size_t i;

	count_task(context, index);
	nanosleep(&pause, NULL); /* so that the others get their share */
	if (pthread_equal(pthread_self(), t->caller))
		return;
	atomic_fetch_add(&t->elsewhere, 1);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
	{
		if (!sigismember(&mask, signals[i]))
		{
			atomic_fetch_add(&t->unblocked, 1);
			break;
		}
	}
}

static bool
each_ran(const tally *t, size_t count, int times)
{
	size_t i;

	for (i = 0; i < MOST_TASKS; i++)
	{
		if (atomic_load(&t->times[i]) != (i < count ? times : 0))
			return false;
	}
	return true;
}

typedef struct sequence
{
	size_t next;
	bool in_order;
} sequence;

static void
follow(void *context, size_t index)
{
	sequence *s = context;

	s->in_order = s->in_order && index == s->next;
	s->next++;
}

static void
check_threads(int threads)
{
	static tally t;
	int before = count_threads();
	em_status status;
	nn_pool *pool;
	bool rounds = true;
	sigset_t mask_before;
	sigset_t mask_after;
	size_t count;
	int i;

	memset(&t, 0, sizeof(t));
	t.caller = pthread_self();
	pthread_sigmask(SIG_SETMASK, NULL, &mask_before);
	if (!CHECK(nn_pool_create(&check_allocator, threads, &pool, &status) == EM_OK, "a pool of %d",
			   threads))
		return;
	pthread_sigmask(SIG_SETMASK, NULL, &mask_after);
	CHECK(sigismember(&mask_before, SIGINT) == sigismember(&mask_after, SIGINT) &&
			  sigismember(&mask_before, SIGALRM) == sigismember(&mask_after, SIGALRM),
		  "%d threads: the caller's signals are as before", threads);
	CHECK(nn_pool_threads(pool) == threads, "%d threads: it says so", threads);
	if (before > 0)
		CHECK(count_threads() == before + threads - 1, "%d threads: the caller is one of them",
			  threads);

	nn_pool_run(pool, MOST_TASKS, count_task, &t);
	CHECK(each_ran(&t, MOST_TASKS, 1), "%d threads: every task runs once", threads);
	nn_pool_run(pool, 0, count_task, &t);
	CHECK(each_ran(&t, MOST_TASKS, 1), "%d threads: a round of nothing", threads);

	/* rounds of a few tasks follow each other closely: a late thread would show */
	for (i = 0; i < ROUNDS && rounds; i++)
	{
		count = (size_t) i % 7;
		memset(t.times, 0, sizeof(t.times));
		nn_pool_run(pool, count, count_task, &t);
		rounds = each_ran(&t, count, 1);
	}
	CHECK(rounds, "%d threads: %d rounds, each complete on return", threads, i);

	memset(t.times, 0, sizeof(t.times));
	nn_pool_run(pool, 64, examine_signals, &t);
	CHECK(each_ran(&t, 64, 1) && (threads == 1 || atomic_load(&t.elsewhere) > 0),
		  "%d threads: tasks are shared out (%d elsewhere)", threads, atomic_load(&t.elsewhere));
	CHECK(atomic_load(&t.unblocked) == 0, "%d threads: every signal is blocked in the others",
		  threads);

	nn_pool_destroy(pool);
	if (before > 0)
		CHECK(comes_down_to(before), "%d threads: they end with the pool", threads);
	CHECK(check_live == 0, "%d threads: memory is released", threads);
}

int
main(void)
{
	static const int wrong[] = { 0, -1, 257 };
	sequence s = { 0, true };
	em_status status;
	nn_pool *pool;
	size_t i;

	/* a sanitizer may have a thread of its own, which begins with our first */
	if (CHECK(nn_pool_create(&check_allocator, 2, &pool, &status) == EM_OK, "a first pool"))
		nn_pool_destroy(pool);

	check_threads(1);
	check_threads(2);
	check_threads(4);
	check_threads(17);

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		CHECK(nn_pool_create(&check_allocator, wrong[i], &pool, &status) == EM_INVALID_OPTION &&
				  pool == NULL,
			  "refused: %s", status.message);

	check_fail_at = 1;
	CHECK(nn_pool_create(&check_allocator, 4, &pool, &status) == EM_OUT_OF_MEMORY && pool == NULL,
		  "no memory: %s", status.message);
	check_fail_at = 0;
	CHECK(check_live == 0, "no memory: nothing is left");

	for (i = 1; i <= 3; i++)
	{
		int before = count_threads();

		refuse_at = (int) i;
		CHECK(nn_pool_create(&check_allocator, 4, &pool, &status) == EM_SYSTEM && pool == NULL &&
				  check_live == 0 && (before < 0 || comes_down_to(before)),
			  "thread %zu refused leaves nothing running: %s", i + 1, status.message);
	}

	CHECK(nn_pool_threads(NULL) == 1, "no pool is one thread");
	nn_pool_run(NULL, 10, follow, &s);
	CHECK(s.in_order && s.next == 10, "no pool runs the tasks in order");
	nn_pool_destroy(NULL);
	return check_done();
}
